"""Patroni with etcd: two servers of PostgreSQL, one of which takes writes, whatever happens to the other."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg

from evently.db.embedded.programs import Programs, copied_programs, find_programs
from evently.db.embedded.users import SystemUser, change_owner, find_account, first_inaccessible
from evently.db.migrations import migrate
from tests.support.postgres import scratch_directory
from tests.support.programs import Started
from tests.support.proxies import free_port
from tests.support.serving import children_of, until

PATRONI: Final = shutil.which("patroni", path=os.environ.get("EVENTLY_PATRONI_PATH") or os.environ["PATH"])
ETCD: Final = shutil.which("etcd")
PASSWORD: Final = "a-password-of-the-tests"
READY_SECONDS_MAX: Final = 60.0
_INITDB: Final = ({"encoding": "UTF8"}, {"locale": "C"}, {"auth": "scram-sha-256"})


def reason_to_skip() -> str:
    """Return what is missing; nothing, if all is there."""
    if ETCD is None:
        return "etcd not found: apt-get install etcd-server"
    if PATRONI is None:
        return "patroni not found: pip install 'patroni[etcd3]' psycopg, and name it in EVENTLY_PATRONI_PATH"
    (closed,) = first_inaccessible(_account(), Path(PATRONI).resolve())
    return "" if closed is None else f"PostgreSQL's user cannot run {PATRONI}: it cannot enter {closed}"


class Member:
    """One Patroni and its PostgreSQL."""

    def __init__(self, name: str, directory: Path, programs: Programs, etcd_port: int) -> None:
        self.name = name
        self.port, self.api_port = free_port(), free_port()
        directory.mkdir(mode=0o700)
        self._data = directory / "data"
        self._file = directory / "patroni.yml"
        self._file.write_bytes(msgspec.json.encode(self._settings(directory, programs, etcd_port)))
        account = _account()
        change_owner(directory, account)
        self._patroni = Started(
            [str(PATRONI), str(self._file)], self.api_port, None if account is None else account.name
        )

    @property
    def url(self) -> str:
        return self.url_of("evently")

    def url_of(self, database: str) -> str:
        return f"postgresql://evently:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        self._patroni.start()

    def close(self) -> None:
        """End Patroni, which stops PostgreSQL."""
        self._patroni.end(signal.SIGTERM)
        self._patroni.close()

    def kill_postgres(self) -> None:
        """Kill PostgreSQL with all its processes; Patroni lives."""
        pid = int((self._data / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        for each in [pid, *children_of(pid)]:
            os.kill(each, signal.SIGKILL)

    def kill(self) -> None:
        """Kill all of it, as a machine dies."""
        self._patroni.end()
        self.kill_postgres()

    def is_primary(self) -> bool:
        return self._asks("GET", "/primary")[0] == 200

    def is_synchronous(self) -> bool:
        """Return whether it is a standby that commits wait for."""
        return self._asks("GET", "/synchronous")[0] == 200

    def hand_over(self, other: Member) -> None:
        """Make another member the primary."""
        status, said = self._asks("POST", "/switchover", {"leader": self.name, "candidate": other.name})
        assert status == 200, said

    def ask(self, question: str) -> Any:
        with psycopg.connect(self.url, autocommit=True) as connection:
            row = connection.execute(question.encode()).fetchone()
            return None if row is None else row[0]

    def _asks(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.api_port, timeout=30)
        try:
            connection.request(method, path, body=None if body is None else msgspec.json.encode(body))
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError as exc:
            return 0, repr(exc)
        finally:
            connection.close()

    def _settings(self, directory: Path, programs: Programs, etcd_port: int) -> dict[str, Any]:
        api, here = f"127.0.0.1:{self.api_port}", f"127.0.0.1:{self.port}"
        superuser = {"username": "evently", "password": PASSWORD}
        return {
            "scope": "evently",
            "name": self.name,
            "restapi": {"listen": api, "connect_address": api},
            "etcd3": {"host": f"127.0.0.1:{etcd_port}"},
            "bootstrap": {
                "dcs": {
                    "ttl": 20,
                    "loop_wait": 1,
                    "retry_timeout": 3,
                    "primary_start_timeout": 0,
                    "synchronous_mode": True,
                    "synchronous_mode_strict": True,
                    "postgresql": {
                        "use_pg_rewind": True,
                        "parameters": {"wal_keep_size": "256MB", "max_connections": 200},
                    },
                },
                "initdb": [*_INITDB, "data-checksums"],
            },
            "postgresql": {
                "listen": here,
                "connect_address": here,
                "data_dir": str(self._data),
                "bin_dir": str(programs.directory),
                "pgpass": str(directory / "pgpass"),
                "authentication": {
                    "superuser": superuser,
                    "replication": {"username": "replicator", "password": PASSWORD},
                    "rewind": superuser,
                },
                "pg_hba": [
                    "local all all scram-sha-256",
                    "host all all 127.0.0.1/32 scram-sha-256",
                    "host replication all 127.0.0.1/32 scram-sha-256",
                ],
                "parameters": {"unix_socket_directories": str(directory)},
            },
        }


@contextmanager
def patroni_pair() -> Iterator[list[Member]]:
    """Run two members with a migrated database; commits wait for the standby."""
    with scratch_directory() as directory, ExitStack() as stack:
        programs = find_programs(None)
        if first_inaccessible(_account(), programs.directory / "postgres") != [None]:
            programs = copied_programs(programs, directory)
        etcd_port = stack.enter_context(_etcd(directory / "etcd"))
        members = [Member(name, directory / name, programs, etcd_port) for name in ("one", "two")]
        for member in members:
            stack.callback(member.close)
        members[0].start()
        until(members[0].is_primary, "the first member is the primary", READY_SECONDS_MAX)
        members[1].start()
        wait_until_whole(members)
        with psycopg.connect(members[0].url_of("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE evently")
        migrate(members[0].url)
        yield members


def primary_of(members: list[Member]) -> Member | None:
    return next((member for member in members if member.is_primary()), None)


def wait_until_whole(members: list[Member]) -> None:
    """Wait until one member is the primary and the other its synchronous standby."""
    until(
        lambda: (
            sum(each.is_primary() for each in members) == 1
            and sum(each.is_synchronous() for each in members) == 1
        ),
        "a primary and a synchronous standby",
        READY_SECONDS_MAX,
    )


def wait_for_primary(member: Member) -> float:
    """Wait until a member takes writes; return when that was seen."""
    until(member.is_primary, f"{member.name} is the primary", READY_SECONDS_MAX)
    return time.monotonic()


@contextmanager
def _etcd(directory: Path) -> Iterator[int]:
    client, peer = free_port(), free_port()
    urls = [f"http://127.0.0.1:{port}" for port in (client, peer)]
    command = [str(ETCD), "--data-dir", str(directory)]
    command += ["--listen-client-urls", urls[0], "--advertise-client-urls", urls[0]]
    command += ["--listen-peer-urls", urls[1], "--initial-advertise-peer-urls", urls[1]]
    command += ["--initial-cluster", f"default={urls[1]}"]
    started = Started(command, client)
    try:
        started.start()
        yield client
    finally:
        started.close()


def _account() -> SystemUser | None:
    return find_account(Path("/nowhere"), None)
