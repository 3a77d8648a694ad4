"""Reads the waitlist: entries, their positions, estimates, summaries. Decides nothing."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import accumulate
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from evently.db import Database, load_queries
from evently.kit.clock import Clock
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import Refused
from evently.kit.memory import Memory
from evently.sales.commands.waitlist import WAITING_MAX
from evently.sales.nouns import WaitlistEntry
from evently.sales.outcomes import SalesRefusal
from evently.sales.rules.state import HAS_WAITLIST
from evently.sales.terms import TICKET_TYPES_MAX

sql: Final = load_queries(__name__)

OBSERVED: Final = timedelta(days=14)  # older offers say little about the rate of coming ones
# One offer a minute after the first entry must not become a rate of sixty an hour
OBSERVED_MIN: Final = timedelta(hours=1)
# The age of a snapshot: a position does not change faster than a person reads it
SNAPSHOT_SECONDS: Final = 1.0
SNAPSHOTS_MAX: Final = 50  # in a process: 2 MB each for the longest waitlists
SNAPSHOTS_TRIED_MAX: Final = 3  # to find the position of an entry that should be in one
_DAY: Final = timedelta(days=1)
_EXPECTED_IN_MAX: Final = timedelta(days=3_650)  # a later date would say no more, and could overflow


class Estimate(msgspec.Struct, frozen=True):
    """When an entry may get an offer, if units are released at the observed rate and no entry leaves.

    `in_time`: before the sale ends. Units that were offered when the sale began, or to an entry as it joined,
    were not released, so they do not count for the rate. An entry for a smaller quantity may be served before
    an earlier group, so it counts as being before it.
    """

    units_per_day: float
    expected_at: datetime
    in_time: bool


class WaitlistPosition(msgspec.Struct, frozen=True):
    """The position of a waiting entry among those for its ticket type, from 1; or the end of its offer."""

    position: int | None
    units_ahead: int | None
    estimate: Estimate | None
    offer_expires_at: datetime | None


class WaitlistSummary(msgspec.Struct, frozen=True):
    """The waitlist of a ticket type in numbers: entries and units by state."""

    ticket_type_id: UUID
    waiting_entries: int
    waiting_units: int
    offered_entries: int
    offered_units: int
    fulfilled_entries: int
    withdrawn_entries: int
    set_aside_units: int


async def get_entry(database: Database, entry_id: UUID) -> WaitlistEntry:
    """Return a waitlist entry, or refuse an unknown one."""
    row = await database.fetch_row(*sql.find_entry(entry_id=entry_id))
    if row is None:
        raise Refused(SalesRefusal.ENTRY_NOT_FOUND)
    return WaitlistEntry(**row)


async def find_code(database: Database, event_id: UUID, promo_id: UUID) -> str | None:
    """Return the text of the promo code with which an entry joined."""
    code: str | None = await database.fetch_value(*sql.find_code(event_id=event_id, promo_id=promo_id))
    return code


class WaitlistSnapshot(NamedTuple):
    """The waiting entries for a ticket type at one instant, and the rate at which they are served."""

    positions: Mapping[UUID, int]  # by entry, from 0
    units_before: Sequence[int]  # by position: the units that the entries before it want
    by_quantity: Mapping[int, Sequence[int]]  # the positions of the entries of each quantity
    units_offered: int  # since `since`
    since: datetime
    on_sale_at: datetime
    off_sale_at: datetime

    def position_of(self, entry: WaitlistEntry, now: datetime) -> WaitlistPosition | None:
        """Return the position of a waiting entry; None when it was not waiting at that instant."""
        position = self.positions.get(entry.entry_id)
        if position is None:
            return None
        units_ahead = self.units_before[position]
        overtaking = sum(
            [
                quantity * (len(positions) - bisect_right(positions, position))
                for quantity, positions in self.by_quantity.items()
                if quantity < entry.quantity
            ]
        )
        to_come = units_ahead + overtaking + entry.quantity
        estimate = estimate_of(
            self.units_offered, self.since, to_come, self.on_sale_at, self.off_sale_at, now
        )
        return WaitlistPosition(position + 1, units_ahead, estimate, None)


class WaitlistPositions:
    """Positions of waitlist entries, from snapshots at most a second old.

    One read a second serves any number of callers.
    """

    def __init__(
        self, database: Database, clock: Clock, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._clock = clock
        self._snapshots: Memory[tuple[UUID, UUID], WaitlistSnapshot] = Memory(
            SNAPSHOT_SECONDS, SNAPSHOTS_MAX, monotonic=monotonic
        )

    async def get_position(self, entry: WaitlistEntry) -> WaitlistPosition:
        """Return a waiting entry's position with an estimate, or the end of an entry's offer."""
        return (await self.get_positions([entry]))[entry.entry_id]

    async def get_positions(self, entries: Sequence[WaitlistEntry]) -> dict[UUID, WaitlistPosition]:
        """Return the same for some entries, by entry: the ends of their offers in one statement."""
        found: dict[UUID, WaitlistPosition] = {}
        for entry in entries:
            if entry.state == "waiting" and (position := await self._find(entry)) is not None:
                found[entry.entry_id] = position
        rest = [each for each in entries if each.entry_id not in found]
        if rest:
            rows = await self._database.fetch(
                *sql.list_offer_ends(
                    event_ids=[each.event_id for each in rest], entry_ids=[each.entry_id for each in rest]
                )
            )
            ends = {row["entry_id"]: row["expires_at"] for row in rows}
            for each in rest:
                found[each.entry_id] = WaitlistPosition(None, None, None, ends.get(each.entry_id))
        return found

    async def _find(self, entry: WaitlistEntry) -> WaitlistPosition | None:
        now, key = self._clock(), (entry.event_id, entry.ticket_type_id)
        for _ in range(SNAPSHOTS_TRIED_MAX):
            snapshot = await self._snapshots.get(key, partial(self._read, key))
            if (position := snapshot.position_of(entry, now)) is not None:
                return position
            # An entry that has just joined is not in a snapshot of a second ago
            self._snapshots.forget_value(key, snapshot)
        return None

    async def _read(self, key: tuple[UUID, UUID]) -> WaitlistSnapshot:
        (event_id, ticket_type_id), now = key, self._clock()
        of_type = {"event_id": event_id, "ticket_type_id": ticket_type_id}
        async with self._database.snapshot() as snapshot:
            waiting = await snapshot.fetch(*sql.list_waiting(**of_type, limit=WAITING_MAX))
            offers = await snapshot.fetchrow(*sql.measure_offers(**of_type, since=now - OBSERVED))
        assert offers is not None, "an entry waits for the ticket type, so it exists"
        by_quantity: dict[int, list[int]] = {}
        for number, (_, quantity) in enumerate(waiting):
            by_quantity.setdefault(quantity, []).append(number)
        on_sale_at = offers["on_sale_at"]
        return WaitlistSnapshot(
            positions={entry_id: number for number, (entry_id, _) in enumerate(waiting)},
            units_before=list(accumulate([quantity for _, quantity in waiting], initial=0)),
            by_quantity=by_quantity,
            units_offered=offers["units"],
            since=max(
                now - OBSERVED, offers["first_joined_at"], *([on_sale_at] if on_sale_at <= now else [])
            ),
            on_sale_at=on_sale_at,
            off_sale_at=offers["off_sale_at"],
        )


def estimate_of(
    units_offered: int,
    since: datetime,
    units_to_come: int,
    on_sale_at: datetime,
    off_sale_at: datetime,
    now: datetime,
) -> Estimate | None:
    """Return when so many more units will have been offered, at the rate observed since an instant.

    None when no units were offered yet, and when the sale has ended.
    """
    if units_offered == 0 or now >= off_sale_at:
        return None
    time_per_unit = max(now - since, OBSERVED_MIN) / units_offered
    expected_in = min(time_per_unit * units_to_come, _EXPECTED_IN_MAX)
    expected_at = max(now, on_sale_at) + expected_in
    return Estimate(round(_DAY / time_per_unit, 2), expected_at, expected_at < off_sale_at)


async def list_live_entries(
    database: Database, event_id: UUID, buyer_id: UUID, ticket_type_id: UUID | None
) -> list[WaitlistEntry]:
    """Return the live entries of a buyer at an event: at most one for each ticket type."""
    rows = await database.fetch(
        *sql.list_live_entries_of(
            event_id=event_id, buyer_id=buyer_id, ticket_type_id=ticket_type_id, limit=TICKET_TYPES_MAX
        )
    )
    return [WaitlistEntry(**row) for row in rows]


async def list_entries_of_buyer(
    database: Database, buyer_id: UUID, limit: int, after: str | None, *, live: bool
) -> Page[WaitlistEntry]:
    """Return a page of a buyer's waitlist entries, newest first.

    `live`: only those that wait or have an offer.
    """
    position = None if after is None else read_cursor(after, tuple[UUID])[0]
    rows = await database.fetch(
        *sql.list_entries_of_buyer(buyer_id=buyer_id, live=live, after=position, limit=limit + 1)
    )
    page = [WaitlistEntry(**row) for row in rows[:limit]]
    return Page(page, write_cursor((page[-1].entry_id,)) if len(rows) > limit else None)


async def list_waitlist(
    database: Database, event_id: UUID, ticket_type_id: UUID | None, limit: int, after: str | None
) -> Page[WaitlistEntry]:
    """Return a page of the entries that wait or have an offer at an event, in the order of joining."""
    after_seq, after_id = (None, None) if after is None else read_cursor(after, tuple[int, UUID])
    rows = await database.fetch(
        *sql.list_waitlist(
            event_id=event_id,
            ticket_type_id=ticket_type_id,
            after_seq=after_seq,
            after_id=after_id,
            limit=limit + 1,
        )
    )
    page = [WaitlistEntry(**row) for row in rows[:limit]]
    return Page(page, write_cursor((page[-1].joined_seq, page[-1].entry_id)) if len(rows) > limit else None)


async def list_waitlists(database: Database, event_id: UUID) -> list[WaitlistSummary]:
    """Return a summary for each ticket type of an event that ever had a waitlist entry."""
    rows = await database.fetch(*sql.list_waitlists(event_id=event_id))
    return [WaitlistSummary(**row) for row in rows]


async def list_events_to_serve(
    database: Database, since: datetime | None, now: datetime, after: UUID | None, limit: int
) -> list[UUID]:
    """Return events, in order, with waiting entries for ticket types that came on sale after `since`.

    None: with waiting entries for any ticket type on sale.
    """
    arguments = {"has_waitlist": HAS_WAITLIST, "since": since, "now": now, "after": after, "limit": limit}
    return [row["event_id"] for row in await database.fetch(*sql.list_events_to_serve(**arguments))]
