"""`serve` and `work`: a parent that keeps PostgreSQL and the workers alive, and stops them in order.

The parent answers nothing itself, so that it can wait for a crash recovery while the workers answer 503. Told
to stop, it tells the workers, which answer what is under way and let their lanes drain; then PostgreSQL
stops. When the parent is killed, the kernel tells PostgreSQL (db/embedded) and the workers (app.py).
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

import structlog
import uvicorn
from msgspec.structs import replace
from rich.console import Console
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from evently.accounts import read_secret
from evently.config import HEXADECIMAL, Config, give_to_workers, variables_for_workers
from evently.db import Database
from evently.db.migrations import migrate
from evently.kit.clock import utc_now
from evently.kit.locked_directory import locked_directory
from evently.kit.logs import configure_logs

if TYPE_CHECKING:
    from evently.db.embedded import EmbeddedPostgres

GRACE_SECONDS: Final = 8  # requests under way when told to stop have this long; streams end with it
DRAIN_SECONDS: Final = 40.0  # the grace, then the longest batch (30 s): a worker that takes longer is ended
READY_SECONDS_MAX: Final = 60.0  # a worker that is not up by then is given up
# A worker that does not move for so long is replaced; a busy machine can stop one for seconds
HEALTH_SECONDS: Final = 30
BACKLOG: Final = 8_192  # connections that may wait to be accepted: a crowd that arrives in one second
# uvloop accepts one connection for each listening socket and turn of its loop (libuv since 1.45). In a rush a
# turn takes 50 ms, and those who connect would wait for seconds while those who are connected are served.
# Copies of the socket let so many in at each turn (5,000 buyers within three seconds: the longest wait fell
# from 15 s to 4 s); an idle worker pays 16 us for a connection.
ACCEPTED_AT_ONCE: Final = 16
# Longer than balancers keep theirs, so that they do not write into a connection that we have closed
KEEP_ALIVE_SECONDS: Final = 75
_POSTGRES_PAUSE_SECONDS: Final = 5.0  # between two tries to start it again

_log: Final = structlog.get_logger(__name__)


class CannotServe(Exception):
    """The world is not as serving needs it; the message is for the operator."""


def serve(config: Config, *, demo: bool) -> None:
    """Start everything, say where it is, and run until told to stop."""
    configure_logs(config.log_options())
    with (
        _listening(config) as listening,
        database(config) as (found, postgres),
        locked_directory("evently-metrics") as metrics_directory,
    ):
        ready = _with_secret(found)
        if demo:
            _fill_with_demo(ready)
        give_to_workers(variables_for_workers(ready, str(metrics_directory)), str(metrics_directory))
        parent = Parent(
            _server(ready), listening, postgres, announce=lambda: _say_where(listening[0], demo=demo)
        )
        parent.run()
    if parent.failed:
        raise CannotServe("A worker could not start; the log says why.")


def work(config: Config) -> None:
    """Run the background until told to stop."""
    configure_logs(config.log_options())
    with database(config) as (ready, _):
        asyncio.run(_work(ready))


@contextmanager
def database(config: Config) -> Iterator[tuple[Config, EmbeddedPostgres | None]]:
    """Yield the settings with a migrated database: the one they name, or an embedded one for as long as the block lasts."""
    if config.database_url is not None:
        migrate(config.database_url)
        yield config, None
        return
    from evently.db.embedded import EmbeddedOptions, EmbeddedPostgres, reachable_data_directory

    directory = config.data if config.data != Config().data else reachable_data_directory(config.data)
    with EmbeddedPostgres(
        EmbeddedOptions(data_directory=directory, bin_directory=config.pg_bindir)
    ) as postgres:
        migrate(postgres.url)
        yield replace(config, database_url=postgres.url), postgres


@contextmanager
def any_database(config: Config) -> Iterator[Config]:
    """Yield the settings with a migrated database for a command that ends; while `serve` has the directory, the one that it serves."""
    with ExitStack() as stack:
        url = None if config.database_url is not None else _url_of_serving(config)
        ready, _ = stack.enter_context(database(config if url is None else replace(config, database_url=url)))
        yield ready


def _url_of_serving(config: Config) -> str | None:
    """Return where the database is when another process of ours serves the data directory, None when nobody does."""
    from evently.db.embedded import reachable_data_directory, url_of_running

    return url_of_running(
        config.data if config.data != Config().data else reachable_data_directory(config.data)
    )


class Parent(Multiprocess):
    """Uvicorn's supervisor, which also keeps PostgreSQL alive, and says when the first worker is ready."""

    def __init__(
        self,
        config: uvicorn.Config,
        sockets: list[socket.socket],
        postgres: EmbeddedPostgres | None,
        announce: Callable[[], None],
    ) -> None:
        super().__init__(config, sockets)
        self.failed = False
        self._postgres = postgres
        self._try_postgres_at = 0.0
        self._announce = announce

    def run(self) -> None:
        """Run until told to stop.

        What else ends us, such as nobody reading where we are, ends the workers, too.
        """
        try:
            super().run()
        except BaseException:
            self.terminate_all()
            self.join_all()
            raise

    def init_processes(self) -> None:
        """Start the workers and wait for the first."""
        super().init_processes()
        if self.processes[0].wait_until_ready(READY_SECONDS_MAX):
            self._announce()
        else:
            self.failed = True
            self.should_exit.set()

    def keep_subprocess_alive(self) -> None:
        """Start again what has died.

        PostgreSQL comes back through crash recovery; until then the workers answer 503.
        """
        self._keep_postgres_alive()
        for process in self.processes:
            # The worker's end: while we hold it too, one that dies while asked for life looks merely slow
            process.child_conn.close()
        _forget_dead_metrics({process.pid for process in self.processes if not process.process.is_alive()})
        self.failed = any(process.exitcode == STARTUP_FAILURE for process in self.processes)
        super().keep_subprocess_alive()

    def join_all(self) -> None:
        """Wait for the workers, but not for ever."""
        deadline = time.monotonic() + DRAIN_SECONDS
        for process in self.processes:
            process.process.join(max(0.0, deadline - time.monotonic()))
            if process.process.is_alive():
                _log.error("worker would not stop", pid=process.pid)
                process.process.kill()
                process.process.join()

    def _keep_postgres_alive(self) -> None:
        if self._postgres is None or self._postgres.running or time.monotonic() < self._try_postgres_at:
            return
        from evently.db.embedded import EmbeddedRefusal

        _log.error("PostgreSQL has died")
        try:
            self._postgres.start()
            _log.info("PostgreSQL is back")
        except EmbeddedRefusal as exc:
            self._try_postgres_at = time.monotonic() + _POSTGRES_PAUSE_SECONDS
            _log.error("PostgreSQL does not come back", reason=str(exc))  # the sentence says it all


def _with_secret(config: Config) -> Config:
    """Return the settings with the installation's secret, so that a worker can start, and answer 503, while the database is away."""
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
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_worker_healthcheck=HEALTH_SECONDS,
        log_config=None,
        access_log=False,
        proxy_headers=False,  # the edge looks at X-Forwarded-For, and only where it may be believed
        server_header=False,
    )


@contextmanager
def _listening(config: Config) -> Iterator[list[socket.socket]]:
    """Yield the socket that all workers share, and copies of it. Nobody is served before a worker accepts."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    with ExitStack() as stack:
        found = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((config.host, config.port))
        except OSError as exc:
            raise CannotServe(
                f"{config.host}:{config.port} cannot be listened on: {exc.strerror or exc}. Try another --port; 0 takes a free one."
            ) from exc
        yield [found, *[stack.enter_context(found.dup()) for _ in range(ACCEPTED_AT_ONCE - 1)]]


def _forget_dead_metrics(pids: set[int | None]) -> None:
    if not pids:
        return
    from prometheus_client import multiprocess

    for pid in pids:
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]  # the library has no types here


def _fill_with_demo(config: Config) -> None:
    from evently.demo import fill

    asyncio.run(fill(config.database_options()))


def _say_where(listening: socket.socket, *, demo: bool) -> None:
    host, port = listening.getsockname()[:2]
    here = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]Evently[/] answers at [bold]{here}[/]")
    console.print(f"  API docs   {here}/docs (Swagger UI), {here}/redoc, {here}/openapi.json")
    console.print(f"  Health     {here}/health, {here}/metrics")
    if demo:
        from evently.demo import describe_accounts

        console.print(describe_accounts())
    console.print("  Stop       Ctrl-C")
    sys.stdout.flush()


async def _work(config: Config) -> None:
    from evently.app import running

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(config):
        await stop.wait()
