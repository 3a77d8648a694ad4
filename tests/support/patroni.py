"""Patroni with etcd: three servers of PostgreSQL, of which one takes writes, whatever happens."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg

from evently.db.embedded.programs import Programs, copied_programs, find_programs
from evently.db.embedded.users import SystemUser, change_owner, find_account, first_inaccessible
from evently.db.migrations import migrate
from tests.support.postgres import scratch_directory
from tests.support.programs import Started
from tests.support.proxies import PROGRAMS, documented, free_port, haproxy
from tests.support.serving import children_of, kill_all, until

PACKAGES: Final = {  # of Debian, each with a program
    "patroni": shutil.which("patroni", path="/usr/bin:/usr/local/bin"),
    "etcd-server": shutil.which("etcd"),
    "haproxy": PROGRAMS["haproxy"],
}
MISSING: Final = [package for package, path in PACKAGES.items() if path is None]
NAMES: Final = ("one", "two", "three")
READY_SECONDS_MAX: Final = 240.0
CONNECT_SECONDS_MAX: Final = 10
LOCK_SECONDS: Final = 20  # the least that Patroni allows: how long a machine that died is waited for
_PASSWORD: Final = "a-password-of-the-tests"
_SERVERS: Final = re.compile(r"( *server \w+ 10\.0\.0\.\d:5432 check port 8008\n)+")
_COUNT_STREAMING: Final = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"


class Member:
    """One Patroni and its PostgreSQL, as on a machine of their own."""

    def __init__(self, name: str, directory: Path, programs: Programs, etcd_port: int) -> None:
        self.name = name
        self.port, self.api_port = free_port(), free_port()
        directory.mkdir(mode=0o700)
        self._data = directory / "data"
        file = directory / "patroni.yml"
        file.write_bytes(msgspec.json.encode(self._settings(directory, programs, etcd_port)))
        account = _account()
        change_owner(directory, account)
        self._patroni = Started(
            [str(PACKAGES["patroni"]), str(file)],
            self.api_port,
            None if account is None else account.name,
            directory,
            {"PATH": os.defpath, "HOME": str(directory), "LANG": "C.UTF-8"},
        )

    @property
    def url(self) -> str:
        return self.url_of("evently")

    def url_of(self, database: str, port: int | None = None) -> str:
        """Return the URL of a database, on this member unless another port is given."""
        return f"postgresql://evently:{_PASSWORD}@127.0.0.1:{port or self.port}/{database}"

    def start(self) -> None:
        """Start Patroni, which starts PostgreSQL unless it runs."""
        self._patroni.start()

    def close(self) -> None:
        """End Patroni, which stops PostgreSQL; then all that is left."""
        self._patroni.end(signal.SIGTERM)
        self._patroni.close()
        with suppress(FileNotFoundError, ProcessLookupError):
            self.kill_postgres()

    def said(self) -> str:
        """Return what Patroni and PostgreSQL printed."""
        return self._patroni.said()

    def kill_postgres(self) -> None:
        """Kill PostgreSQL with all its processes; Patroni lives."""
        pid = int((self._data / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
        kill_all(pid, *children_of(pid))

    def kill_patroni(self) -> None:
        """Kill Patroni; PostgreSQL lives, and nobody watches over it."""
        self._patroni.end()

    def kill(self) -> None:
        """Kill all of it, as a machine dies."""
        self.kill_patroni()
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

    def takes_writes(self) -> bool:
        """Return whether its PostgreSQL has been promoted, as it says itself."""
        try:
            return self.ask("SELECT NOT pg_is_in_recovery()") is True
        except psycopg.Error:
            return False

    def ask(self, question: str) -> Any:
        """Return the first value of the first row."""
        with psycopg.connect(
            self.url_of("postgres"), autocommit=True, connect_timeout=CONNECT_SECONDS_MAX
        ) as connection:
            row = connection.execute(question.encode()).fetchone()
            return None if row is None else row[0]

    def _asks(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.api_port, timeout=60)
        try:
            connection.request(method, path, body=None if body is None else msgspec.json.encode(body))
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as exc:
            return 0, repr(exc)
        finally:
            connection.close()

    def _settings(self, directory: Path, programs: Programs, etcd_port: int) -> dict[str, Any]:
        api, here = f"127.0.0.1:{self.api_port}", f"127.0.0.1:{self.port}"
        superuser = {"username": "evently", "password": _PASSWORD}
        return {
            "scope": "evently",
            "name": self.name,
            "restapi": {"listen": api, "connect_address": api},
            "etcd3": {"host": f"127.0.0.1:{etcd_port}"},
            "bootstrap": {
                "dcs": {
                    "ttl": LOCK_SECONDS,
                    "loop_wait": 1,
                    "retry_timeout": 9,
                    "primary_start_timeout": 0,
                    "synchronous_mode": True,
                    "synchronous_mode_strict": True,
                    "postgresql": {
                        "use_pg_rewind": True,
                        "parameters": {
                            "wal_keep_size": "256MB",
                            "wal_retrieve_retry_interval": "500ms",  # docs/operations.md says why
                        },
                    },
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "data-checksums"],
            },
            "postgresql": {
                "listen": here,
                "connect_address": here,
                "data_dir": str(self._data),
                "bin_dir": str(programs.directory),
                "pgpass": str(directory / "pgpass"),
                "authentication": {
                    "superuser": superuser,
                    "replication": {"username": "replicator", "password": _PASSWORD},
                    "rewind": superuser,
                },
                "remove_data_directory_on_rewind_failure": True,
                "remove_data_directory_on_diverged_timelines": True,
                "pg_hba": [
                    "local all all scram-sha-256",
                    "host all all 127.0.0.1/32 scram-sha-256",
                    "host replication all 127.0.0.1/32 scram-sha-256",
                ],
                "parameters": {"unix_socket_directories": str(directory)},
            },
        }


@contextmanager
def patroni_cluster() -> Iterator[list[Member]]:
    """Run three members with a migrated database; commits wait for one standby."""
    with scratch_directory() as directory, ExitStack() as stack:
        programs = find_programs(None)
        if first_inaccessible(_account(), programs.directory / "postgres") != [None]:
            programs = copied_programs(programs, directory)
        etcd_port = stack.enter_context(_etcd(directory / "etcd"))
        members = [Member(name, directory / name, programs, etcd_port) for name in NAMES]
        for member in members:
            stack.callback(member.close)
        try:
            members[0].start()
            until(members[0].is_primary, "the first member is the primary", READY_SECONDS_MAX)
            for member in members[1:]:
                member.start()
            wait_until_whole(members)
            with psycopg.connect(members[0].url_of("postgres"), autocommit=True) as connection:
                connection.execute("CREATE DATABASE evently")
            migrate(members[0].url)
            yield members
        except BaseException:
            for member in members:
                print(f"--- {member.name}\n{member.said()[-8_000:]}")
            raise


@contextmanager
def haproxy_to_primary(members: Sequence[Member]) -> Iterator[str]:
    """Run HAProxy as docs/operations.md configures it; yield the URL that leads to the primary."""
    servers = [
        f"    server {each.name} 127.0.0.1:{each.port} check port {each.api_port}\n" for each in members
    ]
    text, found = _SERVERS.subn("".join(servers), documented("haproxy patroni"))
    assert found == 1
    with haproxy(0, text=text) as port:
        yield members[0].url_of("evently", port)


def wait_until_whole(members: Sequence[Member]) -> tuple[Member, Member]:
    """Wait until all members do their part; return the primary and its synchronous standby."""
    found: list[Member] = []

    def whole() -> bool:
        primaries = [each for each in members if each.is_primary()]
        standbys = [each for each in members if each.is_synchronous()]
        found[:] = primaries + standbys
        with suppress(psycopg.Error):
            return (len(primaries), len(standbys)) == (1, 1) and primaries[0].ask(_COUNT_STREAMING) == len(
                members
            ) - 1
        return False

    until(whole, "a primary, a synchronous standby, and all stream", READY_SECONDS_MAX)
    primary, standby = found
    return primary, standby


@contextmanager
def _etcd(directory: Path) -> Iterator[int]:
    client, peer = free_port(), free_port()
    urls = [f"http://127.0.0.1:{port}" for port in (client, peer)]
    command = [str(PACKAGES["etcd-server"]), "--data-dir", str(directory)]
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
