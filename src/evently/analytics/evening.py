"""The evening of an on-sale: the figures of one event now, for all who watch it.

    evenings.get(event_id)   what was sold, how fast, and until when; at most a second old

All who watch an event share one read a second of sums and counters: no booking is counted, and no reader has
a query of their own. What the pools count is as of the journal row `seq`; what the relay counts is as of
`counted_seq`, usually a fraction of a second behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from evently.analytics.counting import MINUTES_KEPT
from evently.analytics.forecast import Forecast, Sold, foresee
from evently.analytics.nouns import Conversions, Revenue, Sums
from evently.db import Connection, Database, Record, load_queries
from evently.kit.clock import Clock
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.memory import Memory
from evently.sales.reads import Places, list_places
from evently.sales.states import SaleState

sql: Final = load_queries(__name__)

EVENING_SECONDS: Final = 1.0  # how old it may be
EVENINGS_MAX: Final = 200  # of a process: each with four thousand minutes at most
_MINUTE: Final = timedelta(minutes=1)
_QUARTER: Final = timedelta(minutes=15)
_PACES: Final = (_MINUTE, timedelta(minutes=5), timedelta(minutes=15))
_SUMS: Final = Sums.__struct_fields__
_REVENUE: Final = Revenue.__struct_fields__


class PoolNow(NamedTuple):
    """The counters of a pool."""

    pool_id: UUID
    name: str
    capacity: int
    held: int
    sold: int
    set_aside: int


class TypeNow(NamedTuple):
    """What limits a ticket type: its pools, and its zone with the seats that are left."""

    ticket_type_id: UUID
    name: str
    pool_ids: tuple[UUID, ...]
    zone: str | None
    seats_left: int | None
    is_add_on: bool = False


class Evening(msgspec.Struct, frozen=True):
    """The figures of a sale.

    `pools`, `places` (each place once, however many pools count it) and `state` are as of the journal row
    `seq`, at `at`; `sums`, `revenue`, `conversions`, `minutes` and `today` (tickets since midnight at the
    venue) are as of the row `counted_seq`. `minutes`: tickets that were sold in each minute with sales,
    cancelled ones included, in order. `left`: tickets that are not sold yet, held ones included;
    `available`: those that can be booked now. Both leave out add-ons, which nobody can book alone.
    """

    event_id: UUID
    title: str
    at: datetime
    seq: int
    counted_seq: int
    event_state: str
    state: SaleState
    on_sale_at: datetime
    off_sale_at: datetime
    starts_at: datetime
    ends_at: datetime
    time_zone: str
    currency: str
    pools: list[PoolNow]
    places: Places
    types: list[TypeNow]
    left: int
    available: int
    sums: Sums
    revenue: Revenue
    conversions: Conversions
    today: int
    minutes: list[tuple[datetime, int]]
    forecast: Forecast

    def paces(self) -> list[int]:
        """Return the tickets of the last minute, the last five, and the last fifteen, all of them full."""
        until = self.at.replace(second=0, microsecond=0)
        return [
            sum(tickets for minute_at, tickets in self.minutes if until - length <= minute_at < until)
            for length in _PACES
        ]


class Evenings:
    """The evenings that are watched in this process."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._memory: Memory[UUID, Evening] = Memory(EVENING_SECONDS, EVENINGS_MAX)
        self._older: Memory[UUID, list[Sold]] = Memory(_QUARTER.total_seconds(), EVENINGS_MAX)

    async def get(self, event_id: UUID) -> Evening:
        """Return the figures of an event, at most a second old; refuses an unknown event."""
        return await self._memory.get(event_id, partial(self._read, event_id))

    async def _read(self, event_id: UUID) -> Evening:
        before, now = self._memory.find_stale(event_id), self._clock()
        older = await self._older.get(event_id, partial(self._read_older, event_id))
        async with self._database.snapshot() as snapshot:
            return await read_evening(snapshot, event_id, now, before, older)

    async def _read_older(self, event_id: UUID) -> list[Sold]:
        """Return what was sold before the minutes that are kept."""
        rows = await self._database.fetch(*sql.read_quarters(event_id=event_id))
        return [Sold(at, at + _QUARTER, tickets) for at, tickets in rows]


async def read_evening(
    snapshot: Connection,
    event_id: UUID,
    now: datetime,
    before: Evening | None = None,
    older: Sequence[Sold] = (),
) -> Evening:
    """Return the figures of an event, all as of one instant.

    `before`: an earlier answer, whose minutes need not be read again. `older`: what was sold before the first
    minute that is kept.
    """
    row = await snapshot.fetchrow(*sql.read_sale(event_id=event_id))
    if row is None:
        raise Refused(CommonRefusal.NOT_FOUND, "event")
    known = [] if before is None else [each for each in before.minutes[:-1] if each[0] > now - MINUTES_KEPT]
    since = before.minutes[-1][0] if before is not None and before.minutes else None
    found = await snapshot.fetch(*sql.read_minutes(event_id=event_id, since=since))
    # A minute of before may be deleted by now; the newest one may have grown
    minutes = [*known, *[(at, tickets) for at, tickets in found]]
    pools = [PoolNow(*pool) for pool in await snapshot.fetch(*sql.read_pools(event_id=event_id))]
    types = [_type(each) for each in await snapshot.fetch(*sql.read_types(event_id=event_id))]
    zone = ZoneInfo(row["time_zone"])
    midnight = datetime.combine(now.astimezone(zone).date(), time(), zone)
    today = await snapshot.fetchval(*sql.sum_today(event_id=event_id, since=midnight))
    entries = [each for each in types if not each.is_add_on]
    left = tickets_left(entries, pools)
    # What was sold counts add-ons, so the forecast counts them among what is left, until nothing else is
    to_sell = tickets_left(types, pools) if left else 0
    first = minutes[0][0] if minutes else now
    history = [
        *[slot for slot in older if slot.ends_at <= first],
        *[Sold(at, at + _MINUTE, tickets) for at, tickets in minutes],
    ]
    on_sale = row["state"] == "open" and row["on_sale_at"] <= now
    return Evening(
        event_id=event_id,
        title=row["title"],
        at=now,
        seq=row["seq"],
        counted_seq=row["counted_seq"],
        event_state=row["event_state"],
        state=row["state"],
        on_sale_at=row["on_sale_at"],
        off_sale_at=row["off_sale_at"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        time_zone=row["time_zone"],
        currency=row["currency"],
        pools=pools,
        places=(await list_places(snapshot, [event_id])).get(event_id, Places()),
        types=types,
        left=left,
        available=tickets_available(entries, pools),
        sums=Sums(**{name: row[name] for name in _SUMS}),
        revenue=Revenue(**{name: row[name] for name in _REVENUE}),
        conversions=Conversions(
            holds=row["holds"],
            confirmed=row["confirmed"],
            expired=row["expired"],
            cancelled=row["holds_cancelled"],
            joined=row["joined"],
            fulfilled=row["fulfilled"],
            withdrawn=row["withdrawn"],
        ),
        today=int(today),
        minutes=minutes,
        forecast=foresee(history, to_sell, now, row["off_sale_at"], on_sale=on_sale),
    )


def tickets_left(types: Sequence[TypeNow], pools: Sequence[PoolNow]) -> int:
    """Return how many tickets can still be sold, those that are held or set aside included."""
    left = {pool.pool_id: max(0, pool.capacity - pool.sold) for pool in pools}
    return _tickets(types, left, {pool.pool_id: pool.held for pool in pools})


def tickets_available(types: Sequence[TypeNow], pools: Sequence[PoolNow]) -> int:
    """Return how many tickets can be booked now."""
    free = {pool.pool_id: pool.capacity - pool.sold - pool.held - pool.set_aside for pool in pools}
    return _tickets(types, free, {})


def _tickets(types: Sequence[TypeNow], units: Mapping[UUID, int], held: Mapping[UUID, int]) -> int:
    """Return how many tickets so many units of pools are.

    Types that share a pool share its units. Of types with several pools the smallest counts; where a hall has
    fewer seats than its pool has units, its seats do, with those that are held.
    """
    total = 0
    for group in _groups(types):
        sets = {frozenset(each.pool_ids) for each in group}
        shared = frozenset.intersection(*sets)
        bounds = [sum(min(units[pool_id] for pool_id in each - shared or each) for each in sets)]
        bounds += [units[pool_id] for pool_id in shared]
        if all(each.seats_left is not None for each in group):
            zones = {each.zone: each.seats_left or 0 for each in group}
            in_hand = max(sum(held.get(pool_id, 0) for pool_id in each) for each in sets)
            bounds.append(sum(zones.values()) + in_hand)
        total += min(bounds)
    return total


def _groups(types: Sequence[TypeNow]) -> list[list[TypeNow]]:
    """Return the ticket types by the pools that connect them."""
    groups: list[tuple[set[UUID], list[TypeNow]]] = []
    for each in types:
        pool_ids, members = set(each.pool_ids), [each]
        apart = []
        for known, others in groups:
            if known & pool_ids:
                pool_ids, members = pool_ids | known, [*others, *members]
            else:
                apart.append((known, others))
        groups = [*apart, (pool_ids, members)]
    return [members for _, members in groups]


def _type(row: Record) -> TypeNow:
    return TypeNow(
        row["ticket_type_id"],
        row["name"],
        tuple(row["pool_ids"]),
        row["zone"],
        row["seats_left"],
        row["is_add_on"],
    )
