"""What people see of the waitlist: entries, their place in the line, how long it may take.

Nothing here decides anything.
"""

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
from evently.sales.commands import WAITING_MAX, SalesRefusal, WaitlistEntry
from evently.sales.rules.state import HAS_WAITLIST
from evently.sales.terms import TICKET_TYPES_MAX

sql: Final = load_queries(__name__)

OBSERVED: Final = timedelta(days=14)  # what was offered longer ago says little about tomorrow
# A first offer a minute after the first entry does not make sixty an hour
OBSERVED_MIN: Final = timedelta(hours=1)
# How old a look at a line may be: nobody's place changes faster than they can read it
LINE_SECONDS: Final = 1.0
LINES_MAX: Final = 50  # of one process: 2 MB each for the longest
LOOKS_MAX: Final = 3  # at a line for somebody who should be in it
_DAY: Final = timedelta(days=1)


class Estimate(msgspec.Struct, frozen=True):
    """When an entry may be offered something, if units keep falling free as they did, and nobody leaves.

    `in_time`: before the sale ends.

    What was offered when the sale began, or on joining, did not fall free and is not counted. Whoever wishes
    for less may be passed the units that are not enough for a group, also from behind it, and so is counted
    before it.
    """

    units_per_day: float
    expected_at: datetime
    in_time: bool


class WaitlistPosition(msgspec.Struct, frozen=True):
    """How an entry stands: its place in the line of its ticket type, from 1, while it waits; until when its offer lasts, if it has one."""

    position: int | None
    units_ahead: int | None
    estimate: Estimate | None
    offer_expires_at: datetime | None


class WaitlistSummary(msgspec.Struct, frozen=True):
    """How long the line for a ticket type is, and what became of those who waited."""

    ticket_type_id: UUID
    waiting_entries: int
    waiting_units: int
    offered_entries: int
    offered_units: int
    fulfilled_entries: int
    withdrawn_entries: int
    set_aside_units: int


async def get_entry(database: Database, entry_id: UUID) -> WaitlistEntry:
    """Return a waitlist entry, or refuse: not there."""
    row = await database.fetch_row(*sql.find_entry(entry_id=entry_id))
    if row is None:
        raise Refused(SalesRefusal.ENTRY_NOT_FOUND)
    return WaitlistEntry(*row.values())


class WaitlistSnapshot(NamedTuple):
    """Who waits for a ticket type, as of one instant, and how fast they are served."""

    places: Mapping[UUID, int]  # of entries, from 0
    units_before: Sequence[int]  # by place: what is wished for before it
    by_quantity: Mapping[int, Sequence[int]]  # the places of those who wish for so much
    units_offered: int  # since `since`
    since: datetime
    on_sale_at: datetime
    off_sale_at: datetime

    def standing(self, entry: WaitlistEntry, now: datetime) -> WaitlistPosition | None:
        """Return how an entry stands that waits; None when it was not in line then."""
        place = self.places.get(entry.entry_id)
        if place is None:
            return None
        units_ahead = self.units_before[place]
        passed_by = sum(
            [
                quantity * (len(places) - bisect_right(places, place))
                for quantity, places in self.by_quantity.items()
                if quantity < entry.quantity
            ]
        )
        to_come = units_ahead + passed_by + entry.quantity
        estimate = estimate_of(
            self.units_offered, self.since, to_come, self.on_sale_at, self.off_sale_at, now
        )
        return WaitlistPosition(place + 1, units_ahead, estimate, None)


class WaitlistPositions:
    """How those who wait stand, by a look at their line that is at most a second old: thousands may ask, and it costs a read a second."""

    def __init__(
        self, database: Database, clock: Clock, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._clock = clock
        self._snapshots: Memory[tuple[UUID, UUID], WaitlistSnapshot] = Memory(
            LINE_SECONDS, LINES_MAX, monotonic=monotonic
        )

    async def find_standing(self, entry: WaitlistEntry) -> WaitlistPosition:
        """Return how an entry stands: its place in line and an estimate while it waits, the end of its offer while it has one."""
        if entry.state == "waiting":
            now, place = self._clock(), (entry.event_id, entry.ticket_type_id)
            for _ in range(LOOKS_MAX):
                snapshot = await self._snapshots.get(place, partial(self._read, place))
                if (standing := snapshot.standing(entry, now)) is not None:
                    return standing
                # An entry that has just joined is not in a snapshot of a second ago
                self._snapshots.forget_value(place, snapshot)
        ends_at = await self._database.fetch_value(
            *sql.find_offer_end(event_id=entry.event_id, entry_id=entry.entry_id)
        )
        return WaitlistPosition(None, None, None, ends_at)

    async def _read(self, place: tuple[UUID, UUID]) -> WaitlistSnapshot:
        (event_id, ticket_type_id), now = place, self._clock()
        of_type = {"event_id": event_id, "ticket_type_id": ticket_type_id}
        async with self._database.snapshot() as snapshot:
            line = await snapshot.fetch(*sql.read_line(**of_type, limit=WAITING_MAX))
            offers = await snapshot.fetchrow(*sql.measure_offers(**of_type, since=now - OBSERVED))
        assert offers is not None, "somebody waits for it, so there is the ticket type"
        by_quantity: dict[int, list[int]] = {}
        for number, (_, quantity) in enumerate(line):
            by_quantity.setdefault(quantity, []).append(number)
        on_sale_at = offers["on_sale_at"]
        return WaitlistSnapshot(
            {entry_id: number for number, (entry_id, _) in enumerate(line)},
            list(accumulate([quantity for _, quantity in line], initial=0)),
            by_quantity,
            offers["units"],
            max(now - OBSERVED, offers["first_joined_at"], *([on_sale_at] if on_sale_at <= now else [])),
            on_sale_at,
            offers["off_sale_at"],
        )


def estimate_of(
    units_offered: int,
    since: datetime,
    units_to_come: int,
    on_sale_at: datetime,
    off_sale_at: datetime,
    now: datetime,
) -> Estimate | None:
    """Return when so many more units will have been offered, at the rate at which they were since an instant.

    None where nothing is known, for none were, and where nothing will be offered any more, for the sale has
    ended.
    """
    if units_offered == 0 or now >= off_sale_at:
        return None
    a_unit = max(now - since, OBSERVED_MIN) / units_offered
    expected_in = min(
        a_unit * units_to_come, timedelta(days=3_650)
    )  # after ten years it does not matter when
    expected_at = max(now, on_sale_at) + expected_in
    return Estimate(round(_DAY / a_unit, 2), expected_at, expected_at < off_sale_at)


async def list_live_entries(
    database: Database, event_id: UUID, buyer_id: UUID, ticket_type_id: UUID | None
) -> list[WaitlistEntry]:
    """Return the entries of a buyer that wait, or have an offer, at an event: one for each ticket type at the most."""
    rows = await database.fetch(
        *sql.list_live_entries_of(
            event_id=event_id, buyer_id=buyer_id, ticket_type_id=ticket_type_id, limit=TICKET_TYPES_MAX
        )
    )
    return [WaitlistEntry(*row.values()) for row in rows]


async def list_entries_of_buyer(
    database: Database, buyer_id: UUID, limit: int, after: str | None, *, live: bool
) -> Page[WaitlistEntry]:
    """Return a page of a buyer's waitlist entries, newest first; only those that wait or have an offer, when `live`."""
    position = None if after is None else read_cursor(after, tuple[UUID])[0]
    rows = await database.fetch(
        *sql.list_entries_of_buyer(buyer_id=buyer_id, live=live, after=position, limit=limit + 1)
    )
    page = [WaitlistEntry(*row.values()) for row in rows[:limit]]
    return Page(page, write_cursor((page[-1].entry_id,)) if len(rows) > limit else None)


async def list_line(
    database: Database, event_id: UUID, ticket_type_id: UUID | None, limit: int, after: str | None
) -> Page[WaitlistEntry]:
    """Return a page of those who wait or have an offer at an event, in the order in which they joined."""
    after_seq, after_id = (None, None) if after is None else read_cursor(after, tuple[int, UUID])
    rows = await database.fetch(
        *sql.list_line(
            event_id=event_id,
            ticket_type_id=ticket_type_id,
            after_seq=after_seq,
            after_id=after_id,
            limit=limit + 1,
        )
    )
    page = [WaitlistEntry(*row.values()) for row in rows[:limit]]
    return Page(page, write_cursor((page[-1].joined_seq, page[-1].entry_id)) if len(rows) > limit else None)


async def list_depths(database: Database, event_id: UUID) -> list[WaitlistSummary]:
    """Return how long the line is for each ticket type of an event that anybody ever waited for."""
    return [
        WaitlistSummary(*row.values()) for row in await database.fetch(*sql.list_depths(event_id=event_id))
    ]


async def list_events_to_serve(
    database: Database, since: datetime | None, now: datetime, after: UUID | None, limit: int
) -> list[UUID]:
    """Return events, in order, where people wait for what came on sale after an instant, or (None) for whatever is on sale."""
    parts = {"has_waitlist": HAS_WAITLIST, "since": since, "now": now, "after": after, "limit": limit}
    return [row["event_id"] for row in await database.fetch(*sql.list_events_to_serve(**parts))]
