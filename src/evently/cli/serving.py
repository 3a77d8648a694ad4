"""The commands `serve` and `work`: a parent process that keeps PostgreSQL and the workers alive.

    serve()          run the server until a signal stops it
    work()           run background work until a signal stops it
    any_database()   a migrated database for a command that ends

The parent answers no requests itself, so that it can wait for a crash recovery while the workers answer 503.
On SIGTERM it signals the workers, which answer the requests under way and drain their lanes; then it stops
PostgreSQL. When the parent is killed, the kernel signals PostgreSQL (db/embedded) and the workers (app.py).

`Parent` overrides private parts of uvicorn's supervisor; tests/unit/test_library_internals.py lists them.
"""

from __future__ import annotations

import asyncio
import errno
import importlib.util
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog
import uvicorn
from msgspec.structs import replace
from rich.console import Console
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from evently.accounts import read_secret
from evently.config import (
    HEXADECIMAL,
    Config,
    ConfigError,
    ignore_libpq_variables,
    set_worker_environment,
    variables_for_workers,
)
from evently.db import Database
from evently.db.migrations import migrate
from evently.db.pooling import refuse_pooler
from evently.kit.clock import utc_now
from evently.kit.descriptors import raise_descriptor_limit
from evently.kit.locked_directory import locked_directory
from evently.kit.logs import configure_logs
from evently.mail import read_server

if TYPE_CHECKING:
    from evently.db.embedded import EmbeddedPostgres

LOCALHOST: Final = "localhost"
GRACE_SECONDS: Final = 8  # for requests that are under way when the server stops; streams end with it
DRAIN_SECONDS: Final = 40.0  # the grace, then the longest batch (30 s): a slower worker is killed
READY_SECONDS_MAX: Final = 60.0  # for the start of a worker
# A worker that does not respond for this long is replaced. A busy machine can stop a worker for seconds.
HEALTH_SECONDS: Final = 30
BACKLOG: Final = 8_192  # connections that may wait to be accepted: a crowd that arrives in one second
# uvloop accepts one connection per listening socket and iteration of its loop (libuv since 1.45). In a rush
# an iteration takes 50 ms, and new connections would wait for seconds while the older ones are served. With
# this many copies of the socket, each iteration accepts this many connections (5,000 buyers within three
# seconds: the longest wait fell from 15 s to 4 s); an idle worker pays 16 us for a connection.
ACCEPTED_AT_ONCE: Final = 16
# Longer than load balancers keep idle connections, so that they do not write into one that we have closed.
KEEP_ALIVE_SECONDS: Final = 75
_POSTGRES_RETRY_SECONDS: Final = 5.0  # between two attempts to restart PostgreSQL
_PORT_SECONDS_MAX: Final = 3.0  # the workers of a killed server end within a second
_PORT_RETRY_SECONDS: Final = 0.1
_VALKEY: Final = ("redis", "valkey")  # URLs that one client serves
NO_PUSH: Final = "no contact is named (EVENTLY_PUSH_CONTACT): web push is not offered"
NO_MAIL: Final = "no mail server is named (EVENTLY_SMTP_URL): nothing is offered that needs e-mail"
NO_GATEWAY: Final = "no gateway is named (EVENTLY_GATEWAY): nothing new is sold that is paid online"

_log: Final = structlog.get_logger(__name__)


class CannotServe(Exception):
    """The server cannot start; the message tells the operator why."""


def serve(config: Config, *, demo: bool) -> None:
    """Start PostgreSQL and the workers, print the server's URL, and run until a signal stops it."""
    _refuse_missing_package(config)
    configure_logs(config.log_options())
    raise_descriptor_limit()  # for PostgreSQL and the workers, which inherit it
    if demo:
        config = replace(config, demo=True, gateway=config.gateway or "demo")
    if config.gateway is None:
        _log.warning("no payment gateway", reason=NO_GATEWAY)
    if config.smtp_url is None and not config.demo:
        _log.warning("no mail server", reason=NO_MAIL)
    with (
        _listening(config) as listening,
        database(config) as (found, postgres),
        locked_directory("evently-metrics") as metrics_directory,
    ):
        ready = replace(_with_secret(found), local_url=_url_of(listening[0], config))
        if demo:
            _fill_with_demo(ready)
        variables = variables_for_workers(ready, str(metrics_directory))
        set_worker_environment(variables, str(metrics_directory))
        parent = Parent(
            _server(ready), listening, postgres, announce=lambda: _announce(listening[0], ready, demo=demo)
        )
        parent.run()
    if parent.failed:
        raise CannotServe("A worker could not start; the log states the reason.")


def work(config: Config) -> None:
    """Run background work until a signal stops it."""
    configure_logs(config.log_options())
    raise_descriptor_limit()
    if config.rehearsal_url is None:
        config = replace(config, rehearsal_buyers_max=0)  # no server answers on this machine
    with database(config) as (ready, _):
        asyncio.run(_work(ready))


@contextmanager
def database(config: Config) -> Iterator[tuple[Config, EmbeddedPostgres | None]]:
    """Yield the settings with the URL of a migrated database; an embedded one runs while the block lasts."""
    if config.database_url is not None:
        if config.backups is not None:
            raise ConfigError(
                "EVENTLY_BACKUPS is for the embedded PostgreSQL: back up your own with its own tools."
            )
        migrate(config.database_url)
        asyncio.run(refuse_pooler(config.database_options()))
        yield config, None
        return
    from evently.db.embedded import EmbeddedOptions, EmbeddedPostgres

    ignore_libpq_variables()
    options = EmbeddedOptions(
        data_directory=data_directory_of(config), bin_directory=config.pg_bindir, backups=config.backups
    )
    with EmbeddedPostgres(options) as postgres:
        migrate(postgres.url)
        yield replace(config, database_url=postgres.url), postgres


def _refuse_missing_package(config: Config) -> None:
    """Refuse to count rates in a store without its client."""
    url = config.redis_url or ""
    if url.startswith(_VALKEY) and importlib.util.find_spec("valkey") is None:
        raise ConfigError(
            "EVENTLY_REDIS_URL needs the Python package valkey, which is not installed: "
            "pip install 'evently[redis]'."
        )


@contextmanager
def any_database(config: Config) -> Iterator[Config]:
    """Yield the settings with a migrated database, for a command that ends.

    While `serve` runs PostgreSQL in the data directory, the command uses that PostgreSQL.
    """
    with ExitStack() as stack:
        url = None if config.database_url is not None else running_database_url(config)
        used = config if url is None else replace(config, database_url=url, backups=None)
        ready, _ = stack.enter_context(database(used))
        yield ready


def running_database_url(config: Config) -> str | None:
    """Return the URL of the PostgreSQL that another process runs in the data directory, or None."""
    from evently.db.embedded import url_of_running

    ignore_libpq_variables()
    return url_of_running(data_directory_of(config))


def data_directory_of(config: Config) -> Path:
    """Return the data directory: the chosen one, or the first default that can be reached."""
    from evently.db.embedded import reachable_data_directory

    return config.data if config.data != Config().data else reachable_data_directory(config.data)


class Parent(Multiprocess):
    """Uvicorn's supervisor, which also keeps PostgreSQL alive and announces the first ready worker."""

    def __init__(
        self,
        config: uvicorn.Config,
        sockets: list[socket.socket],
        postgres: EmbeddedPostgres | None,
        announce: Callable[[], None],
    ) -> None:
        super().__init__(config, sockets)
        self.failed = False
        self._asked_at: dict[Process, float] = {}  # the last check of each worker, until it answers
        self._postgres = postgres
        self._try_postgres_at = 0.0
        self._announce = announce

    def run(self) -> None:
        """Run until a signal stops the server.

        An exception, such as a reader of standard output that has gone, ends the workers, too.
        """
        try:
            super().run()
        except BaseException:
            self.terminate_all()
            self.join_all()
            raise

    def init_processes(self) -> None:
        """Start the workers and wait until the first is ready."""
        super().init_processes()
        if self.processes[0].wait_until_ready(READY_SECONDS_MAX):
            self._announce()
        else:
            self.failed = True
            self.should_exit.set()

    def keep_subprocess_alive(self) -> None:
        """Restart PostgreSQL and workers that have died.

        The workers answer 503 until the crash recovery of PostgreSQL has finished. Unlike uvicorn's, this
        waits for no worker: while it waited for one that hangs or starts, it noticed no other death and no
        signal.
        """
        self._keep_postgres_alive()
        _drop_metrics({process.pid for process in self.processes if not process.process.is_alive()})
        self.failed = any(process.exitcode == STARTUP_FAILURE for process in self.processes)
        if self.failed:
            self.should_exit.set()
            return
        for index, process in enumerate(self.processes):
            if self._responds(process):
                continue
            _log.error("worker died and is replaced", pid=process.pid)
            self._asked_at.pop(process, None)
            process.kill()
            process.join()
            self.processes[index] = Process(self.config, self.sockets)
            self.processes[index].start()

    def _responds(self, process: Process) -> bool:
        """Return whether a worker is alive and has answered the last check, or still has time to."""
        if not process.process.is_alive():
            return False
        now = time.monotonic()
        try:
            if process in self._asked_at and process.parent_conn.poll():
                process.parent_conn.recv()
                del self._asked_at[process]
            if process not in self._asked_at:
                process.parent_conn.send(b"ping")
                self._asked_at[process] = now
        except (OSError, EOFError):
            return False
        return now - self._asked_at[process] < HEALTH_SECONDS

    def join_all(self) -> None:
        """Wait for the workers to end, at most DRAIN_SECONDS; then kill them."""
        deadline = time.monotonic() + DRAIN_SECONDS
        for process in self.processes:
            process.process.join(max(0.0, deadline - time.monotonic()))
            if process.process.is_alive():
                _log.error("worker did not stop in time and is killed", pid=process.pid)
                process.process.kill()
                process.process.join()

    def _keep_postgres_alive(self) -> None:
        if self._postgres is None or self._postgres.running or time.monotonic() < self._try_postgres_at:
            return
        from evently.db.embedded import EmbeddedRefusal

        _log.error("PostgreSQL has died")
        try:
            self._postgres.start()
            _log.info("PostgreSQL was restarted")
        except EmbeddedRefusal as exc:
            self._try_postgres_at = time.monotonic() + _POSTGRES_RETRY_SECONDS
            _log.error("PostgreSQL could not be restarted", reason=str(exc))  # a traceback would add nothing


def _with_secret(config: Config) -> Config:
    """Return the settings with the secret from the database.

    A worker can then start, and answer 503, while the database is unavailable.
    """
    return (
        config
        if config.secret is not None
        else replace(config, secret=HEXADECIMAL + asyncio.run(_read_secret(config)).hex())
    )


async def _read_secret(config: Config) -> bytes:
    opened = await Database.open(config.database_options())
    try:
        return await read_secret(opened, utc_now())
    finally:
        await opened.close()


def _server(config: Config) -> uvicorn.Config:
    return uvicorn.Config(
        "evently.app:create",
        factory=True,
        workers=config.processes(),
        http="evently.web.edge.protocol:Protocol",
        ws="evently.web.edge.websockets:WebSocketProtocol",
        loop="evently.web.edge.connections:Loop",
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_worker_healthcheck=HEALTH_SECONDS,
        log_config=None,
        access_log=False,
        proxy_headers=False,  # web/edge reads X-Forwarded-For, and only from trusted proxies
        server_header=False,
    )


@contextmanager
def _listening(config: Config) -> Iterator[list[socket.socket]]:
    """Yield the sockets that all workers share, and copies of them; clients wait until a worker accepts them.

    `localhost` means both addresses of loopback, with the same port: browsers try one after the other.
    """
    with ExitStack() as stack:
        try:
            found = _bind_all(config, stack)
        except OSError as exc:
            raise CannotServe(
                f"Cannot listen on {config.host}:{config.port}: {exc.strerror or exc}. "
                "Try another --port; 0 picks a free one."
            ) from exc
        copies = [stack.enter_context(each.dup()) for each in found for _ in range(ACCEPTED_AT_ONCE - 1)]
        yield [*found, *copies]


def _bind_all(config: Config, stack: ExitStack) -> list[socket.socket]:
    if config.host != LOCALHOST:
        return [stack.enter_context(_bound(config.host, config.port))]
    while True:
        first = stack.enter_context(_bound("127.0.0.1", config.port))
        port = first.getsockname()[1]
        try:
            return [first, stack.enter_context(_bound("::1", port))]
        except OSError as exc:
            if exc.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):  # a machine without IPv6
                return [first]
            if config.port or exc.errno != errno.EADDRINUSE:
                raise
            first.close()  # any port will do: the next one may be free on both


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket on an address. The workers of a killed server keep its port until they notice that."""
    deadline = time.monotonic() + _PORT_SECONDS_MAX
    while True:
        found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind((host, port))
        except OSError as exc:
            found.close()
            if exc.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise
            time.sleep(_PORT_RETRY_SECONDS)
        else:
            return found


def _drop_metrics(pids: set[int | None]) -> None:
    """Drop the gauges of dead workers; their counters stay, so that sums never decrease."""
    if not pids:
        return
    from prometheus_client import multiprocess

    for pid in pids:
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # the library has no types here


def _fill_with_demo(config: Config) -> None:
    from evently.demo import fill

    asyncio.run(fill(config.database_options()))


def _announce(listening: socket.socket, config: Config, *, demo: bool) -> None:
    """Print where the server answers.

    Output that cannot be written, such as to a full disk, is no reason to stop. A reader that has gone is one
    (rich raises SystemExit): `evently serve | head -1`, or the death of the process that started the server.
    """
    try:
        _print_urls(listening, config, demo=demo)
    except OSError as exc:
        _log.warning("standard output cannot be written", reason=str(exc))
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # until the end


def _print_urls(listening: socket.socket, config: Config, *, demo: bool) -> None:
    here = _url_of(listening, config)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]Evently[/] answers at [bold]{here}[/]")
    console.print(f"  API docs   {here}/docs (Swagger UI), {here}/redoc, {here}/openapi.json")
    console.print(f"  Health     {here}/health, {here}/metrics")
    if config.gateway is None:
        console.print(f"  Payments   {NO_GATEWAY}")
    console.print(f"  Mail       {_describe_mail(here, config)}")
    if config.push_contact is None:
        console.print(f"  Web push   {NO_PUSH}")
    if demo:
        from evently.demo import describe_accounts

        console.print(describe_accounts())
    console.print("  Stop       Ctrl-C")
    sys.stdout.flush()


def _url_of(listening: socket.socket, config: Config) -> str:
    host, port = listening.getsockname()[:2]
    if config.host == LOCALHOST:  # passkeys are made for names, not for addresses
        host = LOCALHOST
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _describe_mail(here: str, config: Config) -> str:
    if config.smtp_url is not None:
        return f"through {read_server(config.smtp_url).shown}"
    return f"{here}/demo/mail shows what people get" if config.demo else NO_MAIL


async def _work(config: Config) -> None:
    from evently.app import running

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(config):
        await stop.wait()
