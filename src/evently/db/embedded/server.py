"""Start the server, know that it runs, stop it."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Literal, Self
from urllib.parse import quote

import msgspec
import psycopg

from evently.db.embedded.cluster import SUPERUSER, Cluster
from evently.db.embedded.programs import Programs, copied_programs, find_programs
from evently.db.embedded.refusals import DirectoryInUse, DirectoryUnreachable, StartFailed
from evently.db.embedded.settings import server_settings
from evently.db.embedded.users import SystemUser, becoming, closed_to, watching
from evently.db.embedded.words import ServerWords

DATABASE: Final = "evently"
_PORT: Final = 5432  # in the name of the socket; no TCP port
_POLL_SECONDS: Final = 0.01
_POLL_SECONDS_MAX: Final = 0.25
_RETRY_SECONDS: Final = 0.1
# An orphan stops at once; what still answers after this, somebody else started
_ORPHAN_SECONDS_MAX: Final = 3.0
_FAST_SECONDS_MAX: Final = 60.0  # a fast shutdown writes a checkpoint of at most shared_buffers
_IMMEDIATE_SECONDS_MAX: Final = 10.0
_STATUS_LINE: Final = 7  # of postmaster.pid, counted from 0 (PostgreSQL's miscadmin.h)
# PostgreSQL's ways of saying that an earlier server of this directory is still on its way out.
_PASSING: Final = ("lock file", "shared memory block")

_WHO_ARE_YOU: Final = (
    "SELECT current_setting('evently.launch', true), EXISTS (SELECT FROM pg_database WHERE datname = %s)"
)

Guard = Literal["death-signal", "pipe"]


class EmbeddedOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`user`: whom PostgreSQL runs as when we are root.

    `settings`: added to ours. `tcp_port`: also listen on 127.0.0.1; 0: any port.
    """

    data_directory: Path
    bin_directory: Path | None = None
    user: str | None = None
    recovery_seconds_max: float = 120.0
    settings: dict[str, str] = {}
    tcp_port: int | None = None
    guard: Guard = "death-signal" if sys.platform == "linux" else "pipe"


class EmbeddedPostgres:
    """One server for one data directory.

    `start` may be called again after the server died, for example of `kill -9`.
    """

    def __init__(self, options: EmbeddedOptions) -> None:
        self._options = options
        self._cluster = Cluster(options.data_directory)
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_directory: Path | None = None
        self._port = _PORT
        self._password = ""
        self._launch_id = ""

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the server that we started is still there."""
        return self._process is not None and self._process.poll() is None

    @property
    def url(self) -> str:
        """The database over the Unix socket, password included, for asyncpg, psycopg and SQLAlchemy."""
        return self._url_of(DATABASE)

    @property
    def tcp_url(self) -> str:
        """The database over TCP, as if the server were somebody else's; only with `tcp_port`."""
        assert self._options.tcp_port is not None, "ask for a TCP port in the options"
        return f"postgresql://{SUPERUSER}:{self._password}@127.0.0.1:{self._port}/{DATABASE}"

    def start(self) -> None:
        """Return when the server answers and the database exists; nothing to do when it runs.

        Call it in the main thread.

        Raises an `EmbeddedRefusal` whose text is for a person. Waits for a crash recovery, and for an earlier server to go, for
        `recovery_seconds_max`.
        """
        if self.running:
            return
        self._end()
        assert threading.current_thread() is threading.main_thread(), (
            "the death signal follows the thread that starts the server"
        )
        try:
            with _explained():
                account, programs = self._prepare()
                self._run(account, programs)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the sessions, write a checkpoint, stop the server, and give the data directory back.

        Harmless when nothing runs.
        """
        self._end()
        if self._socket_directory is not None:
            self._remove_socket_directory(self._socket_directory)
            self._socket_directory = None
        self._cluster.leave()

    def _prepare(self) -> tuple[SystemUser | None, Programs]:
        account = self._cluster.take(self._options.user)
        programs = find_programs(self._options.bin_directory)
        closed_directory, closed_programs = closed_to(
            account, self._cluster.data_directory, programs.directory / "postgres"
        )
        self._cluster.open_up(account, closed_directory)
        if closed_programs is not None:
            programs = copied_programs(programs, self._cluster.data_directory)
        self._password = self._cluster.read_password(account)
        self._cluster.ensure(programs, account)
        if self._socket_directory is None:
            self._port = _PORT if self._options.tcp_port is None else self._options.tcp_port or _free_port()
            self._socket_directory = self._cluster.socket_directory(account, self._port)
        return account, programs

    def _run(self, account: SystemUser | None, programs: Programs) -> None:
        began = time.monotonic()
        deadline = began + self._options.recovery_seconds_max
        reason = f"it was not ready after {self._options.recovery_seconds_max:g} seconds; its log is in {self._cluster.directory}/log."
        while (words := self._try(account, programs, deadline)) is not None:
            reason = words or reason
            if time.monotonic() > deadline or not any(sign in reason for sign in _PASSING):
                raise StartFailed(f"PostgreSQL did not start in {self._cluster.directory}: {reason}")
            if "lock file" in reason:
                self._look_at_the_lock(reason, time.monotonic() - began)
            time.sleep(_RETRY_SECONDS)

    def _try(self, account: SystemUser | None, programs: Programs, deadline: float) -> str | None:
        """Start the server once.

        Returns None when it answers, its last words when it ended, nothing to say when the time is up.
        """
        with tempfile.TemporaryFile() as said:
            words = ServerWords(said, self._cluster.directory / "log")
            process = self._process = self._launch(account, programs, said)
            pause = _POLL_SECONDS
            while process.poll() is None:
                if self._says_ready() and self._answers():
                    return None
                if time.monotonic() > deadline:
                    return ""
                time.sleep(pause)
                pause = min(pause * 1.2, _POLL_SECONDS_MAX)
            self._end()
            return words.last() or f"it ended with status {process.returncode}."

    def _launch(
        self, account: SystemUser | None, programs: Programs, said: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        assert self._socket_directory is not None
        tcp_port = None if self._options.tcp_port is None else self._port
        self._launch_id = secrets.token_hex(8)
        settings = (
            server_settings(programs, self._socket_directory, tcp_port)
            | self._options.settings
            | {"evently.launch": self._launch_id}
        )
        command = [programs.path("postgres"), "-D", str(self._cluster.directory)]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        if self._options.guard == "death-signal":
            command, stdin = (
                becoming(account, self._cluster.directory, command, guardian=os.getpid()),
                subprocess.DEVNULL,
            )
        else:
            command, stdin = watching(becoming(account, self._cluster.directory, command)), subprocess.PIPE
        return subprocess.Popen(command, stdin=stdin, stdout=said, stderr=said, start_new_session=True)  # noqa: S603 - our own command

    def _says_ready(self) -> bool:
        """Tell whether the server says that it is worth asking: cheap, and it leaves no line in the log.

        No proof.
        """
        lines = _lines(self._cluster.directory / "postmaster.pid")
        return len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"

    def _answers(self) -> bool:
        """Tell whether we can connect and it is the server that we launched, on our data directory; make the database if need be."""
        try:
            with psycopg.connect(self._url_of("postgres"), autocommit=True) as connection:
                row = connection.execute(_WHO_ARE_YOU, [DATABASE]).fetchone()
                if row is None or row[0] != self._launch_id:
                    return False  # an earlier server on its way out: ours will say that it is locked out
                if not row[1]:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.OperationalError as exc:
            if "password authentication failed" in str(exc):
                raise StartFailed(
                    f"The password in {self._cluster.password_file} is not the one of {self._cluster.directory}."
                ) from exc
            return False
        return True

    def _look_at_the_lock(self, words: str, waited: float) -> None:
        """Remove a lock file that PostgreSQL respects although the process it names is no server of ours; refuse when it is, and stays.

        Without the file PostgreSQL still finds survivors of an earlier server by their shared memory: never
        do two servers write to one directory.
        """
        lock = self._cluster.directory / "postmaster.pid"
        if ".s.PGSQL" in words:
            assert self._socket_directory is not None
            (self._socket_directory / f".s.PGSQL.{self._port}.lock").unlink(missing_ok=True)
        elif not _serves(pid := _first_number(lock), self._cluster.directory):
            lock.unlink(missing_ok=True)
        elif waited > _ORPHAN_SECONDS_MAX and self._says_ready():
            raise DirectoryInUse(
                f"A PostgreSQL that this program did not start (process {pid}) serves {self._cluster.directory}; stop it with pg_ctl stop."
            )

    def _end(self) -> None:
        """Stop the server: fast (sessions end, nothing is lost), or else at once (recovery at the next start)."""
        if self._process is None:
            return
        for number, seconds_max in (
            (signal.SIGINT, _FAST_SECONDS_MAX),
            (signal.SIGQUIT, _IMMEDIATE_SECONDS_MAX),
            (signal.SIGKILL, None),
        ):
            self._process.send_signal(number)
            try:
                self._process.wait(seconds_max)
            except subprocess.TimeoutExpired:
                continue
            break
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None

    def _remove_socket_directory(self, directory: Path) -> None:
        lock = directory / f".s.PGSQL.{self._port}.lock"
        if lock.exists() and _serves(_first_number(lock), self._cluster.directory):
            return  # not ours: we were locked out
        for leftover in (directory / f".s.PGSQL.{self._port}", lock):
            leftover.unlink(missing_ok=True)  # only a killed server leaves them
        directory.rmdir()

    def _url_of(self, database: str) -> str:
        assert self._socket_directory is not None, "the server has not been started"
        return f"postgresql://{SUPERUSER}:{self._password}@/{database}?host={quote(str(self._socket_directory), safe='')}&port={self._port}"


@contextmanager
def _explained() -> Iterator[None]:
    """Turn a path that cannot be used into a sentence."""
    try:
        yield
    except OSError as exc:
        raise DirectoryUnreachable(f"{exc.filename} cannot be used: {exc.strerror}.") from exc


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _serves(pid: int, cluster: Path) -> bool:
    """Tell whether a process is a server of this cluster: every PostgreSQL process works in its data directory."""
    if not Path("/proc/self/cwd").exists():  # macOS
        command = ["/bin/ps", "-o", "comm=", "-p", str(pid)]
        found = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603  # our own command
        return found.stdout.strip().endswith("postgres")
    try:
        return cluster.samefile(f"/proc/{pid}/cwd")
    except OSError:  # gone, a zombie, or somebody else's
        return False


def _first_number(path: Path) -> int:
    lines = _lines(path)
    return int(lines[0]) if lines and lines[0].strip().isdigit() else 0


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
