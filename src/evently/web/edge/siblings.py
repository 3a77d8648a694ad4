"""How many connections each worker process of this server has, in a file that all of them map.

    siblings = Siblings(path)
    siblings.put(12)           this process has twelve connections
    siblings.fewest()          the fewest that another process has

Each process has a place in the file, as long as it holds the lock of one byte there; the kernel releases the
lock when the process ends, however it ends. A count may be that of a process that has just been killed, until
the next one begins: it may delay a connection, and decides nothing else.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from pathlib import Path
from typing import Final

WORKERS_MAX: Final = 64  # processes beyond them count for nobody
_BYTES: Final = 4 * WORKERS_MAX


class Siblings:
    """The counts of all processes. A place holds a count plus one; zero: nobody is there."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._file, _BYTES)
        self._counts = memoryview(mmap.mmap(self._file, _BYTES)).cast("I")
        self._place = self._take_place()
        self.put(0)

    def put(self, count: int) -> None:
        """Say how many connections this process has."""
        if self._place is not None:
            self._counts[self._place] = count + 1

    def fewest(self) -> int | None:
        """Return the fewest connections of another process, or None where there is no other one."""
        others = [each for place, each in enumerate(self._counts) if each and place != self._place]
        return min(others) - 1 if others else None

    def leave(self) -> None:
        """Give up the place of this process."""
        if self._place is not None:
            self._counts[self._place] = 0
        os.close(self._file)

    def _take_place(self) -> int | None:
        """Take the first free place; clear the others that are free, which killed processes have left."""
        mine = None
        for place in range(WORKERS_MAX):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
            except OSError:
                continue
            self._counts[place] = 0
            if mine is None:
                mine = place
            else:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place)
        return mine
