"""Runs `evently` in processes of its own, as operators do."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import IO, Final

START_SECONDS_MAX: Final = 120.0
STOP_SECONDS_MAX: Final = 120.0
_ADDRESS: Final = re.compile(r"answers at (http://\S+)")


class Serving:
    """A running server: its process, its URL, what it printed, its settings, and `log()`."""

    def __init__(self, process: subprocess.Popen[str], url: str, said: str, log: IO[bytes]) -> None:
        self.process = process
        self.url = url
        self.said = said
        self.settings: dict[str, str] = {}
        self._log = log

    def at(self, url: str) -> Serving:
        """Return this server at another address: that of a proxy, or another name of the machine."""
        other = Serving(self.process, url, self.said, self._log)
        other.settings = self.settings
        return other

    def log(self) -> str:
        """Return the log so far."""
        self._log.seek(0)
        return self._log.read().decode()

    def children(self) -> list[int]:
        """Return the process ids of the parent's children, including PostgreSQL."""
        return children_of(self.process.pid)

    def workers(self) -> list[int]:
        """Return the process ids of the workers."""
        return [pid for pid in self.children() if b"spawn_main" in _command_of(pid)]

    def starts(self) -> int:
        """Return how many workers have begun to serve so far."""
        return self.log().count("Application startup complete")

    def postgres(self) -> int:
        """Return the process id of the embedded PostgreSQL."""
        return next(pid for pid in self.children() if b"postgres" in _command_of(pid))

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS_MAX)


def environment(**settings: str) -> dict[str, str]:
    """Return an environment with these settings and no others."""
    of_platforms = ("PORT", "DATABASE_URL")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("EVENTLY_") and name not in of_platforms
    } | {f"EVENTLY_{name.upper()}": value for name, value in settings.items()}


def evently(*arguments: str, source: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end. `source`: as in `serving`."""
    return subprocess.run(
        [sys.executable, "-m", "evently", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=START_SECONDS_MAX,
        env=environment(**settings) | _python_path(source),
    )


def _python_path(source: str) -> dict[str, str]:
    return {"PYTHONPATH": source} if source else {}


@contextmanager
def serving(*arguments: str, limits: str = "", source: str = "", **settings: str) -> Iterator[Serving]:
    """Serve, on a free port unless `--port` is given; `database_url` or `data` names a database.

    `limits`: commands of the shell, such as `ulimit -n 600`, that run before.
    `source`: a directory with the code of another version, or with what Python imports first.
    """
    port = () if "--port" in arguments else ("--port", "0")
    command = [sys.executable, "-m", "evently", "serve", *port, *arguments]
    if limits:
        command = ["/bin/sh", "-c", f'{limits}; exec "$0" "$@"', *command]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment(**settings) | _python_path(source),
        ) as process,
    ):
        try:
            url, said = _wait_for_address(process, log)
            running = Serving(process, url, said, log)
            running.settings = settings
            yield running
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(STOP_SECONDS_MAX)
                except subprocess.TimeoutExpired:
                    process.kill()


@asynccontextmanager
async def serving_meanwhile(*arguments: str, **options: str) -> AsyncIterator[Serving]:
    """Serve as `serving` does, while the clients of this event loop continue."""
    running = serving(*arguments, **options)
    server = await asyncio.to_thread(running.__enter__)
    try:
        yield server
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


@contextmanager
def serving_together(*commands: tuple[tuple[str, ...], dict[str, str]]) -> Iterator[list[Serving]]:
    """Serve several times, each with arguments and settings; the starts do not wait for each other."""
    with ExitStack() as stack, ThreadPoolExecutor(len(commands)) as threads:
        started = [
            threads.submit(stack.enter_context, serving(*arguments, **settings))
            for arguments, settings in commands
        ]
        yield [each.result() for each in started]


def _wait_for_address(process: subprocess.Popen[str], log: IO[bytes]) -> tuple[str, str]:
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line)
        if "Stop" in line:
            match = _ADDRESS.search("".join(said))
            assert match is not None, said
            return match[1], "".join(said)
    log.seek(0)
    raise AssertionError(f"the server ended before it printed its URL: {said} {log.read().decode()}")


def children_of(pid: int) -> list[int]:
    """Return the process ids of a process's children (Linux)."""
    return [
        int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    ]


def _command_of(pid: int) -> bytes:
    """Return the command line of a process; nothing if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def kill_all(*pids: int) -> None:
    """Kill processes at once; those that ended with the first of them are not there any more."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition: Callable[[], bool], what: str, seconds_max: float = 90.0) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds_max
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds_max} seconds: {what}"
        time.sleep(0.02)


def all_gone(pids: Sequence[int]) -> bool:
    """Return whether all these processes have ended."""
    return not any(is_alive(pid) for pid in pids)
