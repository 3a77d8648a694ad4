"""A temporary server: PostgreSQL in a temporary directory and `evently serve` on a free port."""

from __future__ import annotations

import os
import re
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from evently.config import environment_for, ignore_libpq_variables
from evently.db.embedded import EmbeddedOptions, EmbeddedPostgres
from evently.kit.errors import Trouble

START_SECONDS_MAX: Final = 120.0  # of a busy machine; usually two
STOP_SECONDS_MAX: Final = 15.0
_LOG_TAIL: Final = 4_000
_ANSWERS_AT: Final = re.compile(r"answers at (http://\S+)")
# On Linux the kernel sends SIGTERM to the server when this process ends, even when it is killed.
_END_WITH_PARENT: Final = (
    "import ctypes, os, sys\n"
    "ctypes.CDLL(None).prctl(1, 15, 0, 0, 0)\n"  # PR_SET_PDEATHSIG, SIGTERM
    "sys.exit(125) if os.getppid() != int(sys.argv[1]) else os.execv(sys.argv[2], sys.argv[2:])\n"
)
SERVE: Final = ("-m", "evently", "serve", "--host", "127.0.0.1", "--port", "0")


class CannotRehearse(Trouble):
    """The rehearsal cannot run; `said` tells the operator why."""

    def __init__(self, response: str) -> None:
        super().__init__(response=response)


class RunningServer(msgspec.Struct, frozen=True):
    """A running server: its URL, the id of its parent process, and the file of its log."""

    url: str
    process_id: int
    log: Path


@contextmanager
def scratch_directory(parent: Path | None = None) -> Iterator[Path]:
    """Make a temporary directory, in `parent` if it is given, for as long as the block lasts.

    All users can enter it, because PostgreSQL runs as another user when root starts it.
    """
    with tempfile.TemporaryDirectory(
        prefix="evently-rehearsal-", dir=parent, ignore_cleanup_errors=True
    ) as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


@contextmanager
def own_database(directory: Path) -> Iterator[str]:
    """Run PostgreSQL in a directory, with durable commits as in production; yields its URL."""
    ignore_libpq_variables()
    with EmbeddedPostgres(EmbeddedOptions(data_directory=directory)) as postgres:
        yield postgres.url


@contextmanager
def own_server(
    directory: Path, settings: Mapping[str, str], arguments: Sequence[str] = SERVE
) -> Iterator[RunningServer]:
    """Run `python` with `arguments` as a server; `settings` are those of `config.py`.

    The server must print its URL. Raises CannotRehearse if it does not start.
    """
    command = [sys.executable, *arguments]
    if sys.platform == "linux":
        command = [sys.executable, "-I", "-S", "-c", _END_WITH_PARENT, str(os.getpid()), *command]
    log = directory / f"server-{time.monotonic_ns()}.log"
    environment = environment_for(**{"gateway": "demo", **settings})
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment) as process,  # noqa: S603  # ourselves
    ):
        try:
            yield RunningServer(_address(process, log), process.pid, log)
        finally:
            _stop(process)


def tail_of(log: Path) -> str:
    """Return the end of a log."""
    return log.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL:]


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Return the URL that a new server prints once it is ready."""
    assert process.stdout is not None
    until = time.monotonic() + START_SECONDS_MAX
    said = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (left := until - time.monotonic()) > 0 and selector.select(left):
            part = os.read(process.stdout.fileno(), 65536)
            said += part
            if match := _ANSWERS_AT.search(said.decode("utf-8", "replace")):
                return match[1]
            if not part:
                break
    raise CannotRehearse(f"the server did not start: {tail_of(log).strip() or 'its log is empty'}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
