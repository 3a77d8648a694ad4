"""A primary and its standby: the embedded PostgreSQL twice, on ports that they keep."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import psycopg

from evently.db.embedded import EmbeddedOptions, EmbeddedPostgres
from evently.db.embedded.programs import find_programs
from evently.db.migrations import migrate
from tests.support.postgres import scratch_directory
from tests.support.proxies import free_port
from tests.support.serving import children_of, kill_all, until

_COPY_SECONDS_MAX: Final = 120
_STREAMS_SECONDS_MAX: Final = 120
_PROMOTION_SECONDS_MAX: Final = 120
# As an operator has them, who runs PostgreSQL: nothing of these is set for the embedded one
_SETTINGS: Final = {
    "client_connection_check_interval": "0",
    "wal_keep_size": "256MB",
    "wal_receiver_status_interval": "1s",
}


class Host(Protocol):
    """A server of PostgreSQL on a port of this machine."""

    port: int

    @property
    def url(self) -> str:
        """The URL of its database."""


class Node:
    """A server with its data directory, which can be killed, started again, and copied into a standby."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.postgres = EmbeddedPostgres(
            EmbeddedOptions(data_directory=directory, tcp_port=self.port, settings=_SETTINGS)
        )

    @property
    def url(self) -> str:
        """The URL over TCP."""
        return self.postgres.tcp_url

    @property
    def cluster(self) -> Path:
        """The directory of PostgreSQL itself."""
        return self.directory / "postgres"

    def start(self) -> None:
        self.postgres.start()

    def stop(self) -> None:
        self.postgres.stop()

    def kill(self) -> None:
        """Kill the server and all its processes at once, as a machine dies."""
        process = self.postgres._process
        assert process is not None
        kill_all(process.pid, *children_of(process.pid))
        process.wait()

    def tell(self, *statements: str) -> None:
        """Run statements, each by itself."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def ask(self, question: str) -> Any:
        """Return the first value of the first row."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            row = connection.execute(question.encode()).fetchone()
            return None if row is None else row[0]

    def change(self, **settings: str) -> None:
        """Change settings of the running server."""
        changes = [f"ALTER SYSTEM SET {name} = '{value}'" for name, value in settings.items()]
        self.tell(*changes, "SELECT pg_reload_conf()")

    def follow(self, primary: Node) -> None:
        """Become a standby of a server that runs: a copy of it, in place of what was here."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
        self._copy(primary)
        self.start()
        until(lambda: len(primary.standbys()) == 1, "the standby streams", _STREAMS_SECONDS_MAX)

    def _copy(self, primary: Node) -> None:
        address = urlsplit(primary.url)
        self.directory.mkdir(mode=0o711)
        shutil.copy2(primary.postgres._cluster.password_file, self.directory / "postgres.password")
        subprocess.run(
            [
                find_programs(None).path("pg_basebackup"),
                "--wal-method=stream",
                "--checkpoint=fast",
                f"--pgdata={self.cluster}",
            ],
            check=True,
            capture_output=True,
            timeout=_COPY_SECONDS_MAX,
            env={
                "PATH": os.defpath,
                "PGHOST": str(address.hostname),
                "PGPORT": str(address.port),
                "PGUSER": str(address.username),
                "PGPASSWORD": str(address.password),
            },
        )
        where = f"host={address.hostname} port={address.port}"
        who = f"user={address.username} password={address.password}"
        with (self.cluster / "postgresql.auto.conf").open("a", encoding="utf-8") as settings:
            settings.write(f"primary_conninfo = '{where} {who} application_name={self.directory.name}'\n")
        (self.cluster / "standby.signal").touch(mode=0o600)

    def promote(self) -> None:
        """Make the standby the primary; return when it takes writes."""
        assert self.ask(f"SELECT pg_promote(true, {_PROMOTION_SECONDS_MAX})") is True

    def stop_streaming(self, primary: Node) -> None:
        """Make the standby receive nothing more."""
        self.change(primary_conninfo="")
        until(lambda: primary.standbys() == [], "the standby receives nothing more")

    def standbys(self) -> list[str]:
        """Return how each standby is connected: `sync`, `async`."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            rows = connection.execute(
                "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'"
            ).fetchall()
        return [row[0] for row in rows]


@contextmanager
def pair(*, synchronous: bool) -> Iterator[tuple[Node, Node]]:
    """Run a primary with a migrated database, and its standby."""
    with scratch_directory() as directory:
        primary = Node(directory / "one")
        nodes = [primary]
        try:
            primary.start()
            migrate(primary.url)
            nodes.append(standby := Node(directory / "two"))
            standby.follow(primary)
            if synchronous:
                primary.change(synchronous_standby_names="two")
            wanted = "sync" if synchronous else "async"
            until(lambda: primary.standbys() == [wanted], f"the standby is {wanted}", _STREAMS_SECONDS_MAX)
            yield primary, standby
        finally:
            for node in reversed(nodes):
                node.stop()


def url_of(nodes: Sequence[Host]) -> str:
    """Return a URL that names all hosts."""
    address = urlsplit(nodes[0].url)
    hosts = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
    return f"postgresql://{address.username}:{address.password}@{hosts}{address.path}"
