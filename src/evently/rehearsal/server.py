"""A server of our own: PostgreSQL in a temporary directory, `evently serve` on a free port, both gone when no longer needed."""

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

from evently.config import environment_for
from evently.db.embedded import EmbeddedOptions, EmbeddedPostgres
from evently.kit.errors import Trouble

START_SECONDS_MAX: Final = 30.0
STOP_SECONDS_MAX: Final = 15.0
_LOG_TAIL: Final = 4_000
_ANSWERS_AT: Final = re.compile(r"answers at (http://\S+)")
# What is started ends with us even when we are killed (Linux); it is told by the kernel as by an operator.
_WITH_US: Final = (
    "import ctypes, os, sys\n"
    "ctypes.CDLL(None).prctl(1, 15, 0, 0, 0)\n"  # PR_SET_PDEATHSIG, SIGTERM
    "sys.exit(125) if os.getppid() != int(sys.argv[1]) else os.execv(sys.argv[2], sys.argv[2:])\n"
)
SERVE: Final = ("-m", "evently", "serve", "--host", "127.0.0.1", "--port", "0")


class CannotRehearse(Trouble):
    """The world is not as a rehearsal needs it; the message is for the person who asked for one."""


class RunningServer(msgspec.Struct, frozen=True):
    """Where a server answers.

    `process_id` is that of its parent process, `log` the file with what it wrote.
    """

    url: str
    process_id: int
    log: Path


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """Make a directory that is gone afterwards.

    Every user can enter it, for as root PostgreSQL runs as another one.
    """
    with tempfile.TemporaryDirectory(prefix="evently-rehearsal-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


@contextmanager
def own_database(directory: Path) -> Iterator[str]:
    """Run PostgreSQL in a directory, with the settings of a real one: what is committed is flushed.

    Yields its URL.
    """
    with EmbeddedPostgres(EmbeddedOptions(data_directory=directory)) as postgres:
        yield postgres.url


@contextmanager
def own_server(
    directory: Path, settings: Mapping[str, str], arguments: Sequence[str] = SERVE
) -> Iterator[RunningServer]:
    """Run a server, Python with `arguments`, that says where it answers; `settings` are those of `config.py`.

    Raises CannotRehearse.
    """
    command = [sys.executable, *arguments]
    if sys.platform == "linux":
        command = [sys.executable, "-I", "-S", "-c", _WITH_US, str(os.getpid()), *command]
    log = directory / f"server-{time.monotonic_ns()}.log"
    environment = environment_for(**settings)
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
    """Return where a server that was just started answers, once it says so."""
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
    raise CannotRehearse(f"the server did not start: {tail_of(log).strip() or 'it said nothing'}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
