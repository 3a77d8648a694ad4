"""Temporary directories that several processes share, and that the next process removes after a crash.

    with locked_directory("evently-metrics") as directory:   removes the directories of killed processes first
    keep_directory(directory)                                in every other process that uses the directory

Every process that uses a directory holds a shared `flock` on it; the kernel releases the lock when the
process ends, however it ends. A directory whose lock can be taken exclusively is therefore in use by no
process. The lock is on the directory itself, so that systemd-tmpfiles does not clean it up, either.

Never removes a directory of another user, or one that a living process uses.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked_directory(name: str) -> Iterator[Path]:
    """Make a temporary directory for as long as the block lasts; remove those that killed processes left."""
    prefix = f"{name}-{os.geteuid()}-"
    remove_abandoned(prefix)
    directory, lock = _make_locked(prefix)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def keep_directory(directory: Path) -> None:
    """Keep a directory until this process ends, even when the process that made it ends earlier.

    Raises OSError if the directory does not exist.
    """
    fcntl.flock(os.open(directory, os.O_RDONLY), fcntl.LOCK_SH)


def remove_abandoned(prefix: str) -> None:
    """Remove the temporary directories with this prefix that are ours and that no process uses."""
    for directory in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        try:
            lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue  # another process has removed it, or it is no directory of ours
        try:
            if os.fstat(lock).st_uid == os.geteuid():
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(directory, ignore_errors=True)
        except BlockingIOError:
            pass  # a living process uses it
        finally:
            os.close(lock)


def _make_locked(prefix: str) -> tuple[Path, int]:
    while True:
        directory = Path(tempfile.mkdtemp(prefix=prefix))
        try:
            lock = os.open(directory, os.O_RDONLY)
        except FileNotFoundError:
            continue  # another process took it for an abandoned one before it was locked
        fcntl.flock(lock, fcntl.LOCK_SH)
        if directory.exists():
            return directory, lock
        os.close(lock)
