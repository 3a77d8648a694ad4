"""Start, check and stop the server."""

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
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Literal, Self
from urllib.parse import quote

import msgspec
import psycopg

from evently.db.embedded.cluster import SUPERUSER, Cluster
from evently.db.embedded.messages import ServerMessages
from evently.db.embedded.programs import Programs, copied_programs, find_programs
from evently.db.embedded.refusals import DirectoryInUse, DirectoryUnreachable, StartFailed
from evently.db.embedded.settings import server_settings
from evently.db.embedded.users import SystemUser, command_as, command_with_watchdog, first_inaccessible
from evently.db.embedded.wal import claim, refuse_unreachable, wal_settings

DATABASE: Final = "evently"
_PORT: Final = 5432  # part of the name of the socket; no TCP port
_POLL_SECONDS: Final = 0.01
_POLL_SECONDS_MAX: Final = 0.25
_RETRY_SECONDS: Final = 0.1
# An orphaned server stops at once. One that still answers after this time was started by another program
_ORPHAN_SECONDS_MAX: Final = 3.0
_FAST_SECONDS_MAX: Final = 60.0  # a fast shutdown writes a checkpoint of at most shared_buffers
_IMMEDIATE_SECONDS_MAX: Final = 10.0
_SIGNAL_AGAIN_SECONDS: Final = 1.0
_STATUS_LINE: Final = 7  # of postmaster.pid, counted from 0 (miscadmin.h of PostgreSQL)
# Messages of PostgreSQL while an earlier server of this directory is still stopping
_TEMPORARY: Final = ("lock file", "shared memory block")

_IDENTIFY: Final = (
    "SELECT current_setting('evently.launch', true), EXISTS (SELECT FROM pg_database WHERE datname = %s)"
)

Guard = Literal["death-signal", "pipe"]


class EmbeddedOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of an embedded server.

    `user` is the system user that PostgreSQL runs as when root starts it. `settings` are added to the default
    settings. With `tcp_port`, the server also listens on 127.0.0.1; 0 chooses a port. With `backups`, it
    archives its log in that directory. `readable` is one that PostgreSQL must be able to enter.
    """

    data_directory: Path
    bin_directory: Path | None = None
    user: str | None = None
    recovery_seconds_max: float = 120.0
    settings: dict[str, str] = {}
    tcp_port: int | None = None
    backups: Path | None = None
    readable: Path | None = None
    guard: Guard = "death-signal" if sys.platform == "linux" else "pipe"


class EmbeddedPostgres:
    """One server for one data directory.

    `start` may be called again after the server has ended, for example after `kill -9`.
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
        """Start the server."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the server."""
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the server that this object started still runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def url(self) -> str:
        """The URL over the Unix socket, with the password, for asyncpg, psycopg and SQLAlchemy."""
        return self._url_of(DATABASE)

    @property
    def tcp_url(self) -> str:
        """The URL of the database over TCP; only with the option `tcp_port`."""
        assert self._options.tcp_port is not None, "the option tcp_port is required"
        return f"postgresql://{SUPERUSER}:{self._password}@127.0.0.1:{self._port}/{DATABASE}"

    def start(self) -> None:
        """Start the server, unless it runs, and create the database; return when the server answers.

        Call it in the main thread. Raises an `EmbeddedRefusal` with a text for people. Waits up to
        `recovery_seconds_max` for a crash recovery, and for an earlier server to stop.
        """
        if self.running:
            return
        self._stop_process()
        assert threading.current_thread() is threading.main_thread(), (
            "the death signal follows the thread that starts the server"
        )
        try:
            with _os_errors_explained():
                account, programs = self._prepare()
                self._run(account, programs)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the sessions, write a checkpoint, stop the server, and unlock the data directory.

        Does nothing when the server does not run.
        """
        self._stop_process()
        if self._socket_directory is not None:
            self._remove_socket_directory(self._socket_directory)
            self._socket_directory = None
        self._cluster.unlock()

    def _prepare(self) -> tuple[SystemUser | None, Programs]:
        account = self._cluster.lock(self._options.user)
        programs = find_programs(self._options.bin_directory)
        closed_directory, closed_programs = first_inaccessible(
            account, self._cluster.data_directory, programs.directory / "postgres"
        )
        self._cluster.make_reachable(account, closed_directory)
        if closed_programs is not None:
            programs = copied_programs(programs, self._cluster.data_directory)
        if self._options.backups is not None:
            claim(self._options.backups, self._cluster.data_directory, account)
        if self._options.readable is not None:
            refuse_unreachable(self._options.readable, account)
        self._password = self._cluster.read_password(account)
        self._cluster.ensure(programs, account)
        if self._socket_directory is None:
            self._port = _PORT if self._options.tcp_port is None else self._options.tcp_port or _free_port()
            self._socket_directory = self._cluster.socket_directory(account, self._port)
        return account, programs

    def _run(self, account: SystemUser | None, programs: Programs) -> None:
        began = time.monotonic()
        deadline = began + self._options.recovery_seconds_max
        reason = (
            f"it was not ready after {self._options.recovery_seconds_max:g} seconds; "
            f"its log is in {self._cluster.directory}/log."
        )
        while (error := self._try(account, programs, deadline)) is not None:
            reason = error or reason
            if time.monotonic() > deadline or not any(sign in reason for sign in _TEMPORARY):
                raise StartFailed(f"PostgreSQL did not start in {self._cluster.directory}: {reason}")
            if "lock file" in reason:
                self._resolve_lock(reason, time.monotonic() - began)
            time.sleep(_RETRY_SECONDS)

    def _try(self, account: SystemUser | None, programs: Programs, deadline: float) -> str | None:
        """Start the server once.

        Returns None when it answers, its last error when it has ended, and "" after the deadline.
        """
        with tempfile.TemporaryFile() as stderr:
            messages = ServerMessages(stderr, self._cluster.directory / "log")
            process = self._process = self._launch(account, programs, stderr)
            pause = _POLL_SECONDS
            while process.poll() is None:
                if self._reports_ready() and self._accepts_connections():
                    return None
                if time.monotonic() > deadline:
                    return ""
                time.sleep(pause)
                pause = min(pause * 1.2, _POLL_SECONDS_MAX)
            self._stop_process()
            return messages.last_fatal() or f"it ended with status {process.returncode}."

    def _launch(
        self, account: SystemUser | None, programs: Programs, stderr: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        assert self._socket_directory is not None
        tcp_port = None if self._options.tcp_port is None else self._port
        self._launch_id = secrets.token_hex(8)
        settings = (
            server_settings(programs, self._socket_directory, tcp_port)
            | ({} if self._options.backups is None else wal_settings(self._options.backups))
            | self._options.settings
            | {"evently.launch": self._launch_id}
        )
        command = [programs.path("postgres"), "-D", str(self._cluster.directory)]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        if self._options.guard == "death-signal":
            command = command_as(account, self._cluster.directory, command, parent=os.getpid())
            stdin = subprocess.DEVNULL
        else:
            command = command_with_watchdog(command_as(account, self._cluster.directory, command))
            stdin = subprocess.PIPE
        return subprocess.Popen(  # noqa: S603 - a command of this package
            command, stdin=stdin, stdout=stderr, stderr=stderr, start_new_session=True
        )

    def _reports_ready(self) -> bool:
        """Return whether the server reports that it is ready: a cheap check without a line in the log.

        It is no proof; `_accepts_connections` is.
        """
        lines = _lines(self._cluster.directory / "postmaster.pid")
        return len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"

    def _accepts_connections(self) -> bool:
        """Return whether connections reach the launched server; create the database if it is missing."""
        try:
            with psycopg.connect(self._url_of("postgres"), autocommit=True) as connection:
                row = connection.execute(_IDENTIFY, [DATABASE]).fetchone()
                if row is None or row[0] != self._launch_id:
                    return False  # an earlier server that is stopping; the launched one will report the lock
                if not row[1]:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.OperationalError as exc:
            if "password authentication failed" in str(exc):
                raise StartFailed(
                    f"The password in {self._cluster.password_file} is not the password of "
                    f"{self._cluster.directory}."
                ) from exc
            return False
        return True

    def _resolve_lock(self, error: str, waited: float) -> None:
        """Remove a stale lock file; refuse when a server that another program started holds it.

        A lock file is stale when its process is no server of this directory; PostgreSQL respects it anyway.
        Without the file, PostgreSQL still detects processes of an earlier server by their shared memory, so
        two servers never write to one directory.
        """
        lock = self._cluster.directory / "postmaster.pid"
        if ".s.PGSQL" in error:
            assert self._socket_directory is not None
            (self._socket_directory / f".s.PGSQL.{self._port}.lock").unlink(missing_ok=True)
        elif not _serves(pid := _first_number(lock), self._cluster.directory):
            lock.unlink(missing_ok=True)
        elif waited > _ORPHAN_SECONDS_MAX and self._reports_ready():
            raise DirectoryInUse(
                f"A PostgreSQL that another program started (process {pid}) serves "
                f"{self._cluster.directory}; stop it with pg_ctl stop."
            )

    def _stop_process(self) -> None:
        """Stop the server: fast (sessions end, nothing is lost), else at once (the next start recovers)."""
        if self._process is None:
            return
        for number, seconds_max in (
            (signal.SIGINT, _FAST_SECONDS_MAX),
            (signal.SIGQUIT, _IMMEDIATE_SECONDS_MAX),
            (signal.SIGKILL, None),
        ):
            if _ends(self._process, number, seconds_max):
                break
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None

    def _remove_socket_directory(self, directory: Path) -> None:
        lock = directory / f".s.PGSQL.{self._port}.lock"
        if lock.exists() and _serves(_first_number(lock), self._cluster.directory):
            return  # another server uses the socket
        for leftover in (directory / f".s.PGSQL.{self._port}", lock):
            leftover.unlink(missing_ok=True)  # a killed server leaves them
        directory.rmdir()

    def _url_of(self, database: str) -> str:
        assert self._socket_directory is not None, "the server has not been started"
        host = quote(str(self._socket_directory), safe="")
        return f"postgresql://{SUPERUSER}:{self._password}@/{database}?host={host}&port={self._port}"


def _ends(process: subprocess.Popen[bytes], number: int, seconds_max: float | None) -> bool:
    """Send a signal to a server, again and again, and return whether it has ended in time.

    The first one may come before the server handles signals. Where SIGINT is ignored, as in the background of
    a shell, it is lost. More than one makes no difference to PostgreSQL.
    """
    deadline = None if seconds_max is None else time.monotonic() + seconds_max
    while deadline is None or time.monotonic() < deadline:
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_SIGNAL_AGAIN_SECONDS)
            return True
    return False


@contextmanager
def _os_errors_explained() -> Iterator[None]:
    """Turn an OSError into a refusal with a text for people."""
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
    """Return whether a process serves this cluster: PostgreSQL processes run in their data directory."""
    if not Path("/proc/self/cwd").exists():  # macOS
        command = ["/bin/ps", "-o", "comm=", "-p", str(pid)]
        found = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603  # a command of this package
        return found.stdout.strip().endswith("postgres")
    try:
        return cluster.samefile(f"/proc/{pid}/cwd")
    except OSError:  # ended, a zombie, or a process of another user
        return False


def _first_number(path: Path) -> int:
    lines = _lines(path)
    return int(lines[0]) if lines and lines[0].strip().isdigit() else 0


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
