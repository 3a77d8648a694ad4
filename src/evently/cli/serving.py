"""`serve` and `work`: a parent that keeps PostgreSQL and the workers alive, and stops them in order.

The parent does nothing else, so that it can wait for a crash recovery while the workers answer 503. When it is killed, PostgreSQL is told by the
kernel, and the workers notice within a second.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import structlog
import uvicorn
from msgspec.structs import replace
from rich.console import Console
from uvicorn.supervisors import Multiprocess

from evently.config import Config, give_to_workers
from evently.db.migrations import migrate
from evently.kit.logs import configure_logs

if TYPE_CHECKING:
    from socket import socket

    from evently.db.embedded import EmbeddedPostgres

GRACE_SECONDS: Final = 8  # requests under way when told to stop have this long; streams end with it
BACKLOG: Final = 8_192  # connections that may wait to be accepted: a crowd that arrives in one second

_log: Final = structlog.get_logger(__name__)


class CannotServe(Exception):
    """The world is not as serving needs it; the message is for the operator."""


def serve(config: Config, *, demo: bool) -> None:
    """Start everything, say where it is, and run until told to stop."""
    configure_logs(config.log_options())
    server = uvicorn.Config(
        "evently.app:create",
        factory=True,
        host=config.host,
        port=config.port,
        workers=config.workers,
        backlog=BACKLOG,
        timeout_graceful_shutdown=GRACE_SECONDS,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=True,
    )
    listening = _bind(server)
    with listening, database(config) as (ready, postgres), _shared_metrics() as metrics_directory:
        if demo:
            _fill_with_demo(ready)
        give_to_workers(**_for_workers(ready), metrics_directory=metrics_directory)
        _say_where(listening, demo=demo)
        Parent(server, [listening], postgres).run()


def work(config: Config) -> None:
    """Run the background until told to stop."""
    configure_logs(config.log_options())
    with database(config) as (ready, _):
        asyncio.run(_work(ready))


@contextmanager
def database(config: Config) -> Iterator[tuple[Config, EmbeddedPostgres | None]]:
    """Yield the settings with a database that is there and migrated: the one they name, or an embedded one for as long as the block lasts."""
    if config.database_url is not None:
        migrate(config.database_url)
        yield config, None
        return
    from evently.db.embedded import EmbeddedOptions, EmbeddedPostgres, reachable_data_directory

    directory = config.data if config.data != Config().data else reachable_data_directory(config.data)
    with EmbeddedPostgres(EmbeddedOptions(data_directory=directory, bin_directory=config.pg_bindir)) as postgres:
        migrate(postgres.url)
        yield replace(config, database_url=postgres.url), postgres


class Parent(Multiprocess):
    """Uvicorn's supervisor, which also keeps PostgreSQL alive."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket], postgres: EmbeddedPostgres | None) -> None:
        super().__init__(config, sockets)
        self._postgres = postgres

    def keep_subprocess_alive(self) -> None:
        """Start again what has died. PostgreSQL comes back by itself through crash recovery; until then the workers answer 503."""
        if self._postgres is not None and not self._postgres.running and not self.should_exit.is_set():
            _log.error("postgres_died")
            self._postgres.start()
            _log.info("postgres_is_back")
        _forget_dead_metrics({process.pid for process in self.processes if not process.process.is_alive()})
        super().keep_subprocess_alive()


def _bind(server: uvicorn.Config) -> socket:
    try:
        return server.bind_socket()
    except SystemExit as exc:
        raise CannotServe(f"{server.host}:{server.port} cannot be listened on; another program probably does. Try --port 0.") from exc


def _for_workers(config: Config) -> dict[str, str]:
    """Return the settings as variables, but for those that are the parent's."""
    import msgspec

    settings = msgspec.to_builtins(config, enc_hook=str)
    mine = {"host", "port", "workers", "data", "pg_bindir", "metrics_directory"}
    return {name: str(value) for name, value in settings.items() if value is not None and name not in mine}


@contextmanager
def _shared_metrics() -> Iterator[str]:
    directory = tempfile.mkdtemp(prefix="evently-metrics-")
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _forget_dead_metrics(pids: set[int | None]) -> None:
    if not pids:
        return
    from prometheus_client import multiprocess

    for pid in pids:
        multiprocess.mark_process_dead(pid)


def _fill_with_demo(config: Config) -> None:
    from evently.demo import fill

    asyncio.run(fill(config.database_options()))


def _say_where(listening: socket, *, demo: bool) -> None:
    host, port = listening.getsockname()[:2]
    here = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    console = Console(highlight=False)
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
