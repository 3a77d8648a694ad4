"""Reading: reports, series and rankings from the sums.

The cost depends on the number of events, and of quarters with sales, not on the number of bookings.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec

from evently.analytics.nouns import (
    EARLIEST,
    LATEST,
    Capacity,
    CurrencyTotals,
    EventSums,
    Range,
    Report,
    Revenue,
    Scope,
    Slot,
    SlotTotals,
    Sums,
)
from evently.db import Connection, Database, Record, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor

sql: Final = load_queries(__name__)

_SUMS: Final = Sums.__struct_fields__
_REVENUE: Final = Revenue.__struct_fields__
BigInt = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


async def read_report(database: Database, scope: Scope, asked: Range) -> Report:
    """Return the sums of a scope over a range, and its present capacity, all as of one instant."""
    async with database.snapshot() as snapshot:
        totals = await snapshot.fetch(*sql.sum_totals(**_of(scope)))
        capacity = await snapshot.fetchrow(*sql.sum_capacity(**_of(scope)))
        if asked == Range():
            amounts = {row["currency"]: _amounts(row["currency"], row) for row in totals}
        else:
            amounts = await _sum_range(snapshot, scope, asked)
    assert capacity is not None, "a sum without a group is one row"
    return Report(
        asked,
        sum(row["events"] for row in totals),
        int(sum(row["rows_behind"] for row in totals)),
        [amounts.get(row["currency"]) or CurrencyTotals(row["currency"], Sums()) for row in totals],
        _capacity(capacity),
    )


async def read_series(database: Database, scope: Scope, slots: Sequence[Slot]) -> list[SlotTotals]:
    """Return the sums of a scope in each slot. The slots have no gaps (`slots_of`)."""
    if not slots:
        return []
    starts = [slot.starts_at for slot in slots]
    rows = await database.fetch(*sql.sum_slots(**_of(scope), starts=starts, ends_at=slots[-1].ends_at))
    by_slot = {slot: list(found) for slot, found in groupby(rows, key=lambda row: row["slot"])}
    return [
        SlotTotals(slot, [_amounts(row["currency"], row) for row in by_slot.get(number, ())])
        for number, slot in enumerate(slots, start=1)
    ]


async def list_most_booked(
    database: Database, organizer_id: UUID | None, asked: Range, limit: int, after: str | None
) -> Page[EventSums]:
    """Return a page of the events with the most tickets booked and not cancelled in a range.

    The events are those of an organizer; None: of the platform.
    """
    tickets, event_id = (None, None) if after is None else read_cursor(after, tuple[BigInt, UUID])
    shared = {
        "organizer_id": organizer_id,
        "platform": organizer_id is None,
        "after_tickets": tickets,
        "after_event": event_id,
        "limit": limit + 1,
    }
    query = (
        sql.rank_by_totals(**shared) if asked == Range() else sql.rank_by_quarters(**shared, **_ends(asked))
    )
    async with database.snapshot() as snapshot:
        rows = await snapshot.fetch(*query)
        event_ids = [row["event_id"] for row in rows[:limit]]
        described = await snapshot.fetch(*sql.describe_events(event_ids=event_ids)) if rows else []
    events = {row["event_id"]: row for row in described}
    page = [_event(events[row["event_id"]], row) for row in rows[:limit]]
    return Page(page, write_cursor(_position(page[-1])) if len(rows) > limit else None)


async def _sum_range(snapshot: Connection, scope: Scope, asked: Range) -> dict[str, CurrencyTotals]:
    """Return the amounts of the whole range by currency, as if it were one slot."""
    from_at, to_at = _ends(asked).values()
    rows = await snapshot.fetch(*sql.sum_slots(**_of(scope), starts=[from_at], ends_at=to_at))
    return {row["currency"]: _amounts(row["currency"], row) for row in rows}


def _of(scope: Scope) -> dict[str, Any]:
    return {"event_id": scope.event_id, "organizer_id": scope.organizer_id, "platform": scope == Scope()}


def _ends(asked: Range) -> dict[str, Any]:
    return {"from_at": asked.from_at or EARLIEST, "to_at": asked.to_at or LATEST}


def _amounts(currency: str, row: Record) -> CurrencyTotals:
    sums = Sums(**{name: int(row[name]) for name in _SUMS})
    return CurrencyTotals(currency, sums, Revenue(**{name: int(row[name]) for name in _REVENUE}))


def _capacity(row: Record) -> Capacity:
    return Capacity(**{name: int(row[name]) for name in Capacity.__struct_fields__})


def _event(event: Record, sums: Record) -> EventSums:
    return EventSums(
        event_id=event["event_id"],
        title=event["title"],
        starts_at=event["starts_at"],
        state=event["state"],
        amounts=_amounts(event["currency"], sums),
        capacity=_capacity(event),
    )


def _position(last: EventSums) -> tuple[int, UUID]:
    return last.amounts.sums.tickets - last.amounts.sums.cancelled_tickets, last.event_id


async def count_tickets_from(database: Database, since: datetime) -> int:
    """Return how many tickets the platform has sold since an instant at most three days ago, as counted."""
    return int(await database.fetch_value(*sql.count_tickets_from(since=since)))
