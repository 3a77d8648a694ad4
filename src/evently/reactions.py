"""Everything that happens because something else has happened, on one screen: facts, schedules, and what they set off.

The relay reads the journal in order and, in one transaction, counts the facts (analytics), stores the jobs that `REACTIONS` names for
them, and marks the rows delivered. One process at a time does it, by a lease whose row stays locked for the turn. Facts are counted and
jobs stored exactly once; what jobs do runs at least once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Final, TypeVar
from uuid import UUID

import structlog
from prometheus_client import Counter, Gauge

from evently import accounts, analytics, jobs, sales
from evently.accounts import Accounts
from evently.db import Connection, Database, DatabaseOptions, gone
from evently.db.leases import end_lease, take_lease
from evently.jobs import Job
from evently.kit.clock import Clock
from evently.kit.errors import Trouble
from evently.kit.ids import new_id, parse_id, show_id
from evently.sales import Happened, Undelivered

# When this happens ... ------------------------------------------------------------------------------------------------------


def cancel_the_bookings(happened: Happened) -> Job:
    """Return the job that cancels the bookings of a cancelled event."""
    event_id = show_id("evt", happened.event_id)
    return Job("cancel_bookings_of_event", {"event_id": event_id}, lock=event_id)


REACTIONS: Final[dict[type[sales.Fact], tuple[Callable[[Happened], Job], ...]]] = {
    sales.SaleCancelled: (cancel_the_bookings,),
}

# ... and by the clock -------------------------------------------------------------------------------------------------------

SWEEP_SECONDS: Final = 1.0  # how long holds of events that nobody books are due, about; a booking would free them at once
FORGET_AT: Final = "*/10 * * * *"  # every ten minutes

# How ------------------------------------------------------------------------------------------------------------------------

LEASE: Final = timedelta(seconds=10)  # how long others wait when the holder is killed
# A turn costs 17 values for each event in it and 6 us for each row, so when many events sell it pays to wait until there are more.
ROWS_MAX: Final = 4_000  # of one turn
BYTES_MAX: Final = 1_000_000  # of one turn: four thousand facts or so
SLICE_BYTES: Final = 100_000  # that are read at once: 1 ms of a process that also sells
IDLE_SECONDS: Final = 0.2  # between two turns
MANY_ROWS: Final = 200
MANY_SECONDS: Final = 1.0  # between two turns when there were many rows
BUSY_SECONDS: Final = 0.01  # when more are waiting: the booking path comes first
STUCK: Final = timedelta(seconds=30)  # until an event that could not be delivered is tried again: another version may have run meanwhile
# Delivered rows leave dead entries in the index; most turns therefore look only at the rows of the last seconds. A row may come later than
# that, for a batch may take long and clocks disagree: some turns look at all of them, for at most a fiftieth of the time.
LATE: Final = timedelta(seconds=5)
LOOK_BACK: Final = timedelta(seconds=10)
LOOK_BACK_SHARE: Final = 50
FAILED_SECONDS: Final = 1.0
EVENTS_SWEPT_MAX: Final = 200
BOOKINGS_CANCELLED_MAX: Final = 200  # at a time, so that a cancelled event does not crowd out those that sell

Found = TypeVar("Found")

_log: Final = structlog.get_logger(__name__)
_delivered = Counter("evently_relay_rows", "Journal rows delivered.")
_stuck = Gauge("evently_relay_stuck_events", "Events whose facts cannot be delivered.", multiprocess_mode="livemax")
_behind = Gauge("evently_relay_seconds_behind", "Age of the oldest undelivered row when last looked.", multiprocess_mode="livemax")


@asynccontextmanager
async def running(options: DatabaseOptions, database: Database, engine: sales.Engine, desk: Accounts, clock: Clock) -> AsyncIterator[None]:
    """React for as long as the block lasts."""
    relay = Relay(database, clock)

    async def cancel_bookings_of_event(event_id: str) -> None:
        await cancel_bookings(database, engine, parse_id("evt", event_id))

    async def forget_expired() -> None:
        await accounts.forget_expired(database, clock(), desk.tokens.options.access_seconds_max)

    async def sweep() -> float:
        found = relay.leads and await expire_due_holds(database, engine, clock)
        return BUSY_SECONDS if found else SWEEP_SECONDS

    async with AsyncExitStack() as stack:
        stack.push_async_callback(relay.retire)
        await stack.enter_async_context(_repeating("relay", relay.turn))
        await stack.enter_async_context(_repeating("sweeper", sweep))
        tasks = {"cancel_bookings_of_event": cancel_bookings_of_event}
        await stack.enter_async_context(jobs.working(options, tasks, {FORGET_AT: forget_expired}))
        yield


class Relay:
    """One process's candidate for the relay."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
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
        if self._leads_until - now > LEASE / 2 and await self._look(sales.oldest_undelivered(self._database, since), since) is None:
            _behind.set(0)
            return IDLE_SECONDS
        async with self._database.transaction() as tx:
            if not await take_lease(tx, "relay", self._holder, now, LEASE):
                self._leads_until, self._since = now, None
                _behind.set(0)  # somebody else's to say
                return LEASE.total_seconds() / 4
            rows = await self._look(sales.list_undelivered(tx, ROWS_MAX, BYTES_MAX, since, self._passed_over(now)), since)
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

    async def _deliver(self, tx: Connection, rows: Sequence[Undelivered], now: datetime, *, sure: bool) -> int:
        """Let the facts of rows have all their effects, and return of how many.

        Where that fails on the data, it is tried in halves until the bad event stands alone; that one is passed over for a while. Facts
        that this version does not know are such data: a newer one is being installed, and its relay will read them. Unless we are `sure`
        to have all rows: then one that came late may be missing, and the next turn looks back.
        """
        try:
            async with tx.transaction():
                await _let_happen(tx, rows, now)
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
            return first + await self._deliver(tx, [row for row in rows if row.event_id not in half], now, sure=True)

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
        if len(rows) == ROWS_MAX or sum(len(row.facts) for row in rows) >= BYTES_MAX or self._look_back_at <= now:
            return BUSY_SECONDS
        return MANY_SECONDS if len(rows) >= MANY_ROWS else IDLE_SECONDS


async def _let_happen(tx: Connection, rows: Sequence[Undelivered], now: datetime) -> None:
    happened = await _read(rows)
    await analytics.count(tx, happened)
    await jobs.defer(tx, [react(row) for row in happened for each in row.facts for react in REACTIONS.get(type(each), ())])
    await sales.mark_delivered(tx, rows, now)


async def _read(rows: Sequence[Undelivered]) -> list[Happened]:
    happened, size = [], 0
    for row in rows:
        happened.append(row.read())
        size += len(row.facts)
        if size >= SLICE_BYTES:
            size = 0
            await asyncio.sleep(0)
    return happened


async def expire_due_holds(database: Database, engine: sales.Engine, clock: Clock) -> int:
    """Give a batch to events whose holds are due: each begins by taking some of them back. Returns to how many; there may be more."""
    due = await sales.list_events_with_due_holds(database, clock(), EVENTS_SWEPT_MAX)
    await asyncio.gather(*[engine.submit(sales.ExpireHolds(event_id)) for event_id in due])
    return len(due)


async def cancel_bookings(database: Database, engine: sales.Engine, event_id: UUID) -> None:
    """Cancel every live booking of a cancelled event, a page at a time. Harmless to repeat: it looks at what is still there.

    A booking with a used ticket stays as it is: somebody was let in with it.
    """
    after: UUID | None = None
    while booking_ids := await sales.list_live_bookings(database, event_id, after, BOOKINGS_CANCELLED_MAX):
        commands = [sales.CancelBooking(event_id, booking_id, actor_id=event_id, buyer_id=None) for booking_id in booking_ids]
        await asyncio.gather(*[engine.submit(command) for command in commands])
        after = booking_ids[-1]


@asynccontextmanager
async def _repeating(name: str, turn: Callable[[], Awaitable[float]]) -> AsyncIterator[None]:
    """Take turns for as long as the block lasts; a turn says how long to wait for the next one."""
    task = asyncio.create_task(_repeat(name, turn), name=name)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _repeat(name: str, turn: Callable[[], Awaitable[float]]) -> None:
    failing = False
    while True:
        try:
            pause, failing = await turn(), False
        except (Trouble, *gone) as exc:
            if not failing:
                _log.warning("interrupted", what=name, cause=repr(exc.__cause__ or exc))
            pause, failing = FAILED_SECONDS, True
        except Exception:  # noqa: BLE001  # an outermost loop: a bug here must not stop what comes after it for ever
            _log.exception("turn_failed", what=name)
            pause = FAILED_SECONDS
        await asyncio.sleep(pause)
