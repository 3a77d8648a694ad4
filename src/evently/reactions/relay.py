"""The relay: what has happened is counted, and what is to be done about it is stored.

It reads the journal in order (that of each event) and, in one transaction, counts the facts (analytics),
tells people of them (notifications), stores the jobs that they set off, and marks the rows delivered. One
process at a time does it, by a lease whose row stays locked for the turn. Should two believe that they have
it, each row is still delivered once: the second waits for the first, and then finds it delivered.

It shares a process with the booking path, so its turns are short and, when many events sell, far apart.
Measured with 4,000 rows/s over 1,000 events: 24 us of Python a row, at most 1.5 s behind; a look when there
is nothing costs the database 0.5-2 ms.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, TypeAlias, TypeVar
from uuid import UUID

import structlog
from prometheus_client import Counter, Gauge

from evently import analytics, jobs, notifications, sales
from evently.db import Connection, Database, gone
from evently.db.leases import end_lease, take_lease
from evently.jobs import Job
from evently.kit.clock import Clock
from evently.kit.errors import Trouble
from evently.kit.ids import new_id
from evently.sales.facts import Fact
from evently.sales.outbox import JournalFacts, Undelivered

Found = TypeVar("Found")
Reaction: TypeAlias = Callable[[JournalFacts, Fact], Job | None]  # None: this one sets nothing off
Reactions: TypeAlias = Mapping[type[Fact], Sequence[Reaction]]

LEASE: Final = timedelta(seconds=10)  # how long others wait when the holder is killed
# A turn costs 17 values for each event in it and 6 us for each row, so when many events sell it pays to wait
# until there are more.
ROWS_MAX: Final = 4_000  # of one turn
BYTES_MAX: Final = 1_000_000  # of one turn: four thousand facts or so
SLICE_BYTES: Final = 100_000  # that are read at once: 1 ms of a process that also sells
IDLE_SECONDS: Final = 0.2  # between two turns
MANY_ROWS: Final = 200
MANY_SECONDS: Final = 1.0  # between two turns when there were many rows
BUSY_SECONDS: Final = 0.01  # when more are waiting: the booking path comes first
# Until an event that could not be delivered is tried again: another version may have run meanwhile
STUCK: Final = timedelta(seconds=30)
# Delivered rows leave dead entries in the index; most turns therefore look only at the rows of the last
# seconds. A row may come later than that, for a batch may take long and clocks disagree: some turns look at
# all of them, for at most a fiftieth of the time.
LATE: Final = timedelta(seconds=5)
LOOK_BACK: Final = timedelta(seconds=10)
LOOK_BACK_SHARE: Final = 50

_log: Final = structlog.get_logger(__name__)
_delivered = Counter("evently_relay_rows", "Journal rows delivered.")
_stuck = Gauge(
    "evently_relay_stuck_events", "Events whose facts cannot be delivered.", multiprocess_mode="livemax"
)
_behind = Gauge(
    "evently_relay_seconds_behind",
    "Age of the oldest undelivered row when last looked.",
    multiprocess_mode="livemax",
)


class Relay:
    """One process's candidate for the relay."""

    def __init__(self, database: Database, clock: Clock, reactions: Reactions) -> None:
        self._database = database
        self._clock = clock
        self._reactions = reactions
        self._holder = new_id()
        self._leads_until = clock()
        self._since: datetime | None = None  # what is older was delivered, as far as is known
        self._look_back_at = clock()  # when to look whether that is so
        self._stuck: dict[UUID, datetime] = {}  # events that are passed over, until then

    @property
    def leads(self) -> bool:
        """Whether this process is the one, as far as it knows."""
        return self._clock() < self._leads_until

    async def turn(self) -> float:
        """Deliver some rows, if it is ours to do; return how many seconds to wait before the next turn."""
        now = self._clock()
        since = self._since if now < self._look_back_at else None
        if (
            self._leads_until - now > LEASE / 2
            and await self._look(sales.outbox.oldest_undelivered(self._database, since), since) is None
        ):
            _behind.set(0)
            return IDLE_SECONDS
        async with self._database.transaction() as tx:
            if not await take_lease(tx, "relay", self._holder, now, LEASE):
                self._leads_until, self._since = now, None
                _behind.set(0)  # somebody else's to say
                return LEASE.total_seconds() / 4
            rows = await self._look(
                sales.outbox.list_undelivered(tx, ROWS_MAX, BYTES_MAX, since, self._passed_over(now)), since
            )
            if rows:
                _behind.set(max(0.0, (now - rows[0].at).total_seconds()))
                _delivered.inc(await self._deliver(tx, rows, now, sure=since is None))
        self._leads_until = now + LEASE
        return self._pause(rows, now)

    async def retire(self) -> None:
        """Let the next one take over at once."""
        with suppress(Trouble):
            async with self._database.transaction() as tx:
                await end_lease(tx, "relay", self._holder)

    async def _deliver(
        self, tx: Connection, rows: Sequence[Undelivered], now: datetime, *, sure: bool
    ) -> int:
        """Let the facts of rows have all their effects, and return of how many.

        Where that fails on the data, it is tried in halves until the bad event stands alone; that one is
        passed over for a while. Facts that this version does not know are such data: a newer one is being
        installed, and its relay will read them. Unless we are `sure` to have all rows: then one that came
        late may be missing, and the next turn looks back.
        """
        try:
            async with tx.transaction():
                await self._let_happen(tx, rows, now)
                return len(rows)
        except (Trouble, *gone):
            raise
        except Exception:  # noqa: BLE001  # whatever is wrong with one event must not stop the others
            if not sure:
                self._look_back_at = now
                return 0
            events = list(dict.fromkeys(row.event_id for row in rows))
            if len(events) == 1:
                _log.exception("event_stuck", event_id=str(events[0]), seq=rows[0].seq)
                self._stuck[events[0]] = now + STUCK
                return 0
            half = set(events[: len(events) // 2])
            first = await self._deliver(tx, [row for row in rows if row.event_id in half], now, sure=True)
            return first + await self._deliver(
                tx, [row for row in rows if row.event_id not in half], now, sure=True
            )

    async def _let_happen(self, tx: Connection, rows: Sequence[Undelivered], now: datetime) -> None:
        happened = await _read(rows)
        await analytics.count(tx, happened)
        await notifications.add(tx, happened)
        await jobs.defer(tx, self._set_off(happened))
        await sales.outbox.mark_delivered(tx, rows, now)

    def _set_off(self, happened: Sequence[JournalFacts]) -> list[Job]:
        reactions = self._reactions
        found = [
            react(row, each)
            for row in happened
            for each in row.facts
            for react in reactions.get(type(each), ())
        ]
        return [job for job in found if job is not None]

    async def _look(self, looking: Awaitable[Found], since: datetime | None) -> Found:
        """Return what is found; after a long look, the next one is far away."""
        started = time.perf_counter()
        found = await looking
        if since is None:
            took = timedelta(seconds=time.perf_counter() - started)
            self._look_back_at = self._clock() + max(LOOK_BACK, LOOK_BACK_SHARE * took)
        return found

    def _passed_over(self, now: datetime) -> list[UUID]:
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


async def _read(rows: Sequence[Undelivered]) -> list[JournalFacts]:
    happened, size = [], 0
    for row in rows:
        happened.append(row.read())
        size += len(row.facts)
        if size >= SLICE_BYTES:
            size = 0
            await asyncio.sleep(0)
    return happened
