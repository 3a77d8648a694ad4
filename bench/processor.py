"""Processor time of a run, for each booking, and the bound that follows from it.

    clock = Clock(server, postgres); ...; cost = clock.cost_of(bookings)

A machine with `cores` cannot book more than `cores` seconds of processor time a second allow: that is its
bound. It holds for the code as it is; what the code costs is shown beside it. Kernel time that belongs to no
process, such as part of the loopback network, is not counted. Without /proc nothing is measured.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

import msgspec

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")
_USED: Final = slice(11, 15)  # of /proc/PID/stat after the name: utime, stime, and those of ended children


class Cost(msgspec.Struct, frozen=True):
    """Microseconds of processor time for each booking, by the processes that used them."""

    server: float
    postgres: float
    clients: float  # the load generator

    def total(self) -> float:
        """Return the microseconds that a booking costs the machine."""
        return self.server + self.postgres + self.clients

    def bound(self, cores: int) -> float:
        """Return the bookings per second at which all cores are busy."""
        return cores * 1e6 / self.total()

    def shown(self) -> str:
        """Return the cost in words."""
        return (
            f"a booking costs {self.server:.0f} us of the server, {self.postgres:.0f} us of PostgreSQL, "
            f"{self.clients:.0f} us of the load generator"
        )

    def share(self, per_second: float, cores: int) -> float:
        """Return the share of the bound that a rate reaches."""
        return per_second / self.bound(cores)


class Clock:
    """The processor time of server, PostgreSQL and load generator (this process) since the clock was made.

    `server` and `postgres` are the ids of the processes that started all others of their kind.
    """

    def __init__(self, server: int, postgres: int) -> None:
        self._server = server
        self._postgres = postgres
        self._before = self._now()

    def cost_of(self, bookings: int) -> Cost | None:
        """Return the cost of each of `bookings`; None without bookings or without /proc."""
        server, postgres, clients = (
            (after - before) * 1e6 for after, before in zip(self._now(), self._before, strict=True)
        )
        if not bookings or not server:
            return None
        return Cost(server / bookings, postgres / bookings, clients / bookings)

    def _now(self) -> tuple[float, float, float]:
        return seconds_used(self._server), seconds_used(self._postgres), time.process_time()


def cores_of_machine() -> int:
    """Return the number of cores that our processes may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def seconds_used(process_id: int, proc: Path = _PROC) -> float:
    """Return the processor time of a process and its descendants; those that ended count for their parent."""
    try:
        stat = (proc / f"{process_id}/stat").read_text(encoding="ascii", errors="replace")
        children = (proc / f"{process_id}/task/{process_id}/children").read_text(encoding="ascii").split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0  # it has ended: its time is its parent's now; or there is no /proc
    own = sum(int(field) for field in stat.rpartition(")")[2].split()[_USED]) / _TICKS
    return own + sum(seconds_used(int(child), proc) for child in children)


def parent_of(process_id: int, proc: Path = _PROC) -> int:
    """Return the process that started another; 0 without /proc."""
    stat = proc / f"{process_id}/stat"
    if not stat.exists():
        return 0
    return int(stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[1])
