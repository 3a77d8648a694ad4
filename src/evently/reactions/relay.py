"""The relay: delivers the facts of the journal to their effects.

It reads undelivered rows of the journal, those of one event in order. In one transaction it applies the
effects that it is given (figures, notifications, jobs) and marks the rows delivered. One process at a time
does it, by a lease whose row stays locked for the run. Should two processes believe that they hold the lease,
each row is still delivered once: the second waits for the first, and then finds the row delivered.

The relay shares a process with the booking path, so its runs are short and, when many events sell, far apart.
Measured with 4,000 rows/s over 1,000 events: 24 us of Python a row, at most 1.5 s behind; a run that finds
nothing costs the database 0.5-2 ms.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias, TypeVar
from uuid import UUID

import structlog
from prometheus_client import Counter, Gauge

from evently import sales
from evently.db import CONNECTION_ERRORS, Connection, Database
from evently.db.leases import end_lease, take_lease
from evently.kit.clock import Clock
from evently.kit.errors import Trouble
from evently.kit.ids import new_id
from evently.kit.together import do_or_halve
from evently.sales.outbox import JournalFacts, Undelivered

Found = TypeVar("Found")
_NOT_DATA: Final[tuple[type[Exception], ...]] = (Trouble, *CONNECTION_ERRORS)
# Applies journal rows, those of one event in the order of `seq`, in the relay's transaction
Effect: TypeAlias = Callable[[Connection, Sequence[JournalFacts]], Awaitable[None]]

LEASE: Final = timedelta(seconds=10)  # how long the other processes wait when the holder is killed
# A run costs 17 values for each event in it and 6 us for each row. So when many events sell, it pays to wait
# until there are more rows.
ROWS_MAX: Final = 4_000  # of one run
BYTES_MAX: Final = 1_000_000  # of one run: about four thousand facts
SLICE_BYTES: Final = 100_000  # decoded at once: 1 ms of a process that also sells
IDLE_SECONDS: Final = 0.2  # between two runs
MANY_ROWS: Final = 200
MANY_SECONDS: Final = 1.0  # between two runs when there were many rows
BUSY_SECONDS: Final = 0.01  # when more rows are waiting: the booking path comes first
# Until an event that could not be delivered is tried again: another version may have run in the meantime
STUCK: Final = timedelta(seconds=30)
# Delivered rows leave dead entries in the index, so most runs read only the rows of the last seconds. A row
# may appear later than that, because a batch may take long and clocks disagree. So some runs read all
# undelivered rows, for at most a fiftieth of the time.
LATE: Final = timedelta(seconds=5)
LOOK_BACK: Final = timedelta(seconds=10)
LOOK_BACK_SHARE: Final = 50
_NEVER: Final = datetime.min.replace(tzinfo=UTC)

_log: Final = structlog.get_logger(__name__)
_delivered = Counter("evently_relay_rows", "Journal rows delivered.")
_stuck = Gauge(
    "evently_relay_stuck_events", "Events whose facts cannot be delivered.", multiprocess_mode="livemax"
)
_behind = Gauge(
    "evently_relay_seconds_behind",
    "Age of the oldest undelivered row at the last run of the relay.",
    multiprocess_mode="livemax",
)


class Relay:
    """One process's candidate for the relay. `effects` are applied in their order."""

    def __init__(self, database: Database, clock: Clock, effects: Sequence[Effect]) -> None:
        self._database = database
        self._clock = clock
        self._effects = effects
        self._holder = new_id()
        self._leads_until = _NEVER
        self._since: datetime | None = None  # older rows are delivered, as far as this process knows
        self._look_back_at = _NEVER  # when to read all undelivered rows again
        self._stuck: dict[UUID, datetime] = {}  # events that are set aside, each until an instant

    @property
    def leads(self) -> bool:
        """Whether this process holds the lease, as far as it knows."""
        return self._clock() < self._leads_until

    async def run_once(self) -> float:
        """Deliver some rows if this process gets the lease. Return the seconds until the next run."""
        now = self._clock()
        since = self._since if now < self._look_back_at else None
        if (
            self._leads_until - now > LEASE / 2
            and await self._timed(sales.outbox.oldest_undelivered(self._database, since), since) is None
        ):
            _behind.set(0)
            return IDLE_SECONDS
        async with self._database.transaction() as tx:
            if not await take_lease(tx, "relay", self._holder, now, LEASE):
                self._leads_until, self._since = now, None
                _behind.set(0)  # the holder reports it
                return LEASE.total_seconds() / 4
            rows = await self._timed(
                sales.outbox.list_undelivered(tx, ROWS_MAX, BYTES_MAX, since, self._set_aside(now)), since
            )
            if rows:
                _behind.set(max(0.0, (now - rows[0].at).total_seconds()))
                _delivered.inc(await self._deliver(tx, rows, now, complete=since is None))
        self._leads_until = now + LEASE
        return self._pause(rows, now)

    async def retire(self) -> None:
        """Give the lease back, so that another process can take it at once."""
        with suppress(Trouble):
            async with self._database.transaction() as tx:
                await end_lease(tx, "relay", self._holder)

    async def _deliver(
        self, tx: Connection, rows: Sequence[Undelivered], now: datetime, *, complete: bool
    ) -> int:
        """Apply rows and return how many were applied.

        Where that fails on the data, the events are halved until the bad event is alone; that event is set
        aside for a while. Facts that this version does not know are such data: a newer version is being
        installed, and its relay will read them. Where the rows may not be `complete`, a late row may be what
        is missing: then nothing is delivered, and the next run reads all undelivered rows.
        """

        async def apply(event_ids: Sequence[UUID]) -> int:
            chosen = set(event_ids)
            return await self._apply(tx, [row for row in rows if row.event_id in chosen], now)

        delivered = 0
        events = list(dict.fromkeys(row.event_id for row in rows))
        async for part, result in do_or_halve(apply, events, _NOT_DATA if complete else (Exception,)):
            if isinstance(result, int):
                delivered += result
            elif isinstance(result, _NOT_DATA):
                raise result
            elif not complete:
                self._look_back_at = now
                return 0
            else:
                (event_id,) = part
                _log.error("event_stuck", event_id=str(event_id), exc_info=result)
                self._stuck[event_id] = now + STUCK
        return delivered

    async def _apply(self, tx: Connection, rows: Sequence[Undelivered], now: datetime) -> int:
        """Apply rows, all or none, and mark them delivered; return how many."""
        async with tx.transaction():
            decoded = await _decode(rows)
            for effect in self._effects:
                await effect(tx, decoded)
            await sales.outbox.mark_delivered(tx, rows, now)
        return len(rows)

    async def _timed(self, reading: Awaitable[Found], since: datetime | None) -> Found:
        """Return what is read. After a long read of all undelivered rows, the next one is far away."""
        started = time.perf_counter()
        found = await reading
        if since is None:
            took = timedelta(seconds=time.perf_counter() - started)
            self._look_back_at = self._clock() + max(LOOK_BACK, LOOK_BACK_SHARE * took)
        return found

    def _set_aside(self, now: datetime) -> list[UUID]:
        self._stuck = {event_id: until for event_id, until in self._stuck.items() if until > now}
        _stuck.set(len(self._stuck))
        return list(self._stuck)

    def _pause(self, rows: Sequence[Undelivered], now: datetime) -> float:
        if rows:
            self._since = rows[-1].at - LATE
        if (
            len(rows) == ROWS_MAX
            or sum(len(row.facts) for row in rows) >= BYTES_MAX
            or self._look_back_at <= now
        ):
            return BUSY_SECONDS
        return MANY_SECONDS if len(rows) >= MANY_ROWS else IDLE_SECONDS


async def _decode(rows: Sequence[Undelivered]) -> list[JournalFacts]:
    decoded, size = [], 0
    for row in rows:
        decoded.append(row.read())
        size += len(row.facts)
        if size >= SLICE_BYTES:
            size = 0
            await asyncio.sleep(0)
    return decoded
