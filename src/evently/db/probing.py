"""Whether the database does its work, and whether its clock is ours: asked often, answered within a bound.

A probe has a connection of its own, so that a busy pool is not taken for an unavailable database.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import structlog
from msgspec.structs import replace
from prometheus_client import Gauge

from evently.db.commits import Commits
from evently.db.commits import sql as commit_sql
from evently.db.pool import Connection, Database, DatabaseOptions
from evently.db.queries import load_queries
from evently.kit.clock import Clock
from evently.kit.errors import Unavailable, WrongClock
from evently.kit.memory import Memory
from evently.kit.repeating import repeating

sql: Final = load_queries(__name__)

# NTP keeps clocks within milliseconds. Holds, offers and sale windows are counted in seconds
CLOCK_SECONDS_OFF_MAX: Final = 2.0
COMPARE_SECONDS: Final = 5.0  # between two comparisons, so that a process recovers and a jump is noticed
PROBE_SECONDS_MAX: Final = 1.5  # load balancers wait for two seconds or more
_COMMIT_SECONDS_MAX: Final = 0.75  # then what else is asked is still answered in time
_REMEMBERED_SECONDS: Final = 0.5  # so that frequent checks cost the database little
_QUESTIONS_MAX: Final = 8

_seconds_off = Gauge(
    "evently_clock_seconds_off",
    "Difference between the clocks of a process and of the database.",
    multiprocess_mode="livemax",
)
_log: Final = structlog.get_logger(__name__)

Found = TypeVar("Found")


class CheckedClock:
    """The clock of this process. It raises `WrongClock` while it differs from the database's.

    Commands and facts carry its time: one process with a wrong clock would spoil the journals of its events.
    Between two comparisons, a clock that is set is found out by one that cannot be set (`monotonic`).
    """

    def __init__(self, clock: Clock, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.unchecked = clock
        self.seconds_off = 0.0
        self._right = True
        self._monotonic = monotonic
        self._compared: tuple[datetime, float] | None = None  # what both clocks said then

    def __call__(self) -> datetime:
        """Return the present time."""
        now = self.unchecked()
        if self._right and self._compared is not None:
            then, ticks = self._compared
            moved = (now - then).total_seconds() - (self._monotonic() - ticks)
            if abs(moved) > CLOCK_SECONDS_OFF_MAX:
                self._note(self.seconds_off + moved, right=False)
                self._compared = None
        if not self._right:
            raise WrongClock("off", seconds_off=f"{abs(self.seconds_off):.1f}")
        return now

    def by_database(self) -> datetime:
        """Return the present time of the database, as far as it is known: for what is only shown."""
        return self.unchecked() - timedelta(seconds=self.seconds_off)

    @property
    def is_right(self) -> bool:
        """Whether it agreed with the database's clock when they were last compared."""
        return self._right

    async def compare(self, connection: Connection) -> None:
        """Compare it with the database's clock, allowing for the time that the question takes."""
        before = self.unchecked()
        theirs: datetime = await connection.fetchval(*sql.read_clock())
        after = self.unchecked()
        self._compared = after, self._monotonic()
        allowed = max(0.0, (after - before).total_seconds()) / 2
        off = (before - theirs).total_seconds() + (after - before).total_seconds() / 2
        self._note(off, right=abs(off) - allowed <= CLOCK_SECONDS_OFF_MAX)

    def _note(self, off: float, *, right: bool) -> None:
        self.seconds_off = off
        _seconds_off.set(abs(off))
        if right != self._right:
            say = _log.info if right else _log.error
            say(
                "clock is right again" if right else "clock is wrong: nothing is sold",
                seconds_off=round(off, 3),
            )
        self._right = right


class Probe:
    """Asks the database within `PROBE_SECONDS_MAX`, on a connection of its own."""

    def __init__(self, database: Database, clock: CheckedClock) -> None:
        self.clock = clock
        self._database = database
        self._seen: Memory[str, Any] = Memory(_REMEMBERED_SECONDS, _QUESTIONS_MAX)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, options: DatabaseOptions, clock: CheckedClock, commits: Commits | None = None
    ) -> AsyncIterator[Probe]:
        """Yield a probe; it compares the clocks again and again while the block runs."""
        options = replace(
            options,
            pool_connections_max=1,
            read_seconds_max=PROBE_SECONDS_MAX,
            commit_seconds_max=_COMMIT_SECONDS_MAX,
        )
        database = await Database.open(options, commits)
        probe = cls(database, clock)
        try:
            async with repeating("clock", probe.compare, failed_seconds=COMPARE_SECONDS):
                yield probe
        finally:
            await database.close()

    async def ask(self, name: str, question: Callable[[Database], Awaitable[Found]]) -> Found:
        """Return the answer to a question, at most half a second old. Raises `Trouble` when there is none.

        Concurrent callers share the answer.
        """
        found: Found = await self._seen.get(name, lambda: _bounded(question(self._database)))
        return found

    async def compare(self) -> float:
        """Compare the clocks. Return the seconds until the next comparison."""
        await self.ask("clock", self._compare)
        return COMPARE_SECONDS

    async def _compare(self, database: Database) -> None:
        async with database.snapshot(PROBE_SECONDS_MAX) as tx:  # reads, whether or not commits wait
            await self.clock.compare(tx)


async def write_something(database: Database) -> None:
    """Write a file and commit: what a booking needs. Raises `Trouble`, `CommitsWait` among others."""
    async with database.transaction(PROBE_SECONDS_MAX) as tx:
        await tx.execute(*sql.use_little_memory())
        await tx.execute(*sql.write_file())
        await tx.execute(*commit_sql.write_log_record())


async def _bounded(question: Awaitable[Found]) -> Found:
    """Return the answer, or raise `Unavailable` without waiting for the driver to give up."""
    asking = asyncio.ensure_future(question)
    if (await asyncio.wait({asking}, timeout=PROBE_SECONDS_MAX))[0]:
        return asking.result()
    asking.add_done_callback(lambda late: late.cancelled() or late.exception())
    raise Unavailable("silent", seconds_max=f"{PROBE_SECONDS_MAX:g}")
