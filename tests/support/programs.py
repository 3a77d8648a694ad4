"""Servers from the system's packages, for tests that need them: PgBouncer, Valkey or Redis."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tests.support.proxies import free_port

# The variable names another one than that of the system: Debian 12 has 1.18
PGBOUNCER: Final = os.environ.get("PGBOUNCER") or shutil.which(
    "pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin"
)
CARRYING: Final = (1, 21)  # the first PgBouncer that carries prepared statements
VALKEY: Final = shutil.which("valkey-server") or shutil.which("redis-server")
_START_SECONDS_MAX: Final = 60.0
_PGBOUNCER: Final = """
[databases]
evently = host={host} port={port} user={user} password={password} dbname={name}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 40
max_client_conn = 500
ignore_startup_parameters = jit{more}
"""


class Started:
    """A running program and the port it listens on. It can be stopped, killed and started again."""

    def __init__(
        self,
        command: list[str],
        port: int,
        user: str | None = None,
        directory: Path | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.port = port
        self._command = command
        self._directory = directory
        self._environment = environment
        self._as_user: dict[str, Any] = {}
        if user is not None:
            self._as_user = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
        self._process: subprocess.Popen[bytes] | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as this object

    def start(self) -> None:
        """Start the program, and wait until it listens."""
        self._process = subprocess.Popen(
            self._command,
            stdout=self._log,
            stderr=self._log,
            cwd=self._directory,
            env=self._environment,
            **self._as_user,
        )
        deadline = time.monotonic() + _START_SECONDS_MAX
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError as exc:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(self.said()) from exc
                time.sleep(0.02)
            else:
                return

    def said(self) -> str:
        """Return what it has printed so far."""
        self._log.seek(0)
        return self._log.read().decode()

    def send(self, number: int) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def end(self, number: int = signal.SIGKILL) -> None:
        """End the program with a signal, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            self._process.wait(_START_SECONDS_MAX)

    def close(self) -> None:
        self.end()
        self._log.close()


def pgbouncer_version() -> tuple[int, int]:
    """Return the version of PgBouncer that is installed; 0.0 if none is."""
    if PGBOUNCER is None:
        return 0, 0
    said = subprocess.run([PGBOUNCER, "--version"], check=True, capture_output=True, text=True).stdout
    match = re.search(r"PgBouncer (\d+)\.(\d+)", said)
    assert match is not None, said
    return int(match[1]), int(match[2])


@contextmanager
def pgbouncer(url: str, prepared_statements: int = 0) -> Iterator[str]:
    """Run PgBouncer in transaction mode in front of a database; yield the URL that leads through it.

    `prepared_statements`: how many of a client it carries.
    """
    carries = pgbouncer_version() >= CARRYING
    assert carries or not prepared_statements
    more = f"\nmax_prepared_statements = {prepared_statements}" if carries else ""
    address, listen = urlsplit(url), free_port()
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        file = Path(directory) / "pgbouncer.ini"
        values = {
            "host": address.hostname,
            "port": address.port,
            "user": address.username,
            "password": address.password,
            "name": address.path.removeprefix("/"),
            "listen": listen,
            "more": more,
        }
        file.write_text(_PGBOUNCER.format(**values), encoding="utf-8")
        file.chmod(0o644)
        user = "nobody" if os.geteuid() == 0 else None  # it refuses to run as root
        assert user is None or pwd.getpwnam(user)
        started = Started([str(PGBOUNCER), str(file)], listen, user)
        try:
            started.start()
            yield f"postgresql://anybody@127.0.0.1:{listen}/evently"
        finally:
            started.close()


@contextmanager
def valkey() -> Iterator[Started]:
    """Run Valkey or Redis, in memory alone."""
    port = free_port()
    command = [str(VALKEY), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    started = Started(command, port)
    try:
        started.start()
        yield started
    finally:
        started.close()
