"""Reads the journal of an event, as it was hashed."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from evently.db import Connection, Database, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.sales.facts import Fact, decode_facts
from evently.sales.nouns import Booking

sql: Final = load_queries(__name__)


ROWS_OF_BOOKING_MAX: Final = 1_000  # a hundred tickets, each passed on and checked in several times


class JournalRow(msgspec.Struct, frozen=True):
    """One batch's facts about an event, as they were hashed."""

    seq: int
    at: datetime
    facts: bytes
    hash: bytes


async def list_journal(database: Database, event_id: UUID, limit: int, after: str | None) -> Page[JournalRow]:
    """Return a page of an event's journal, oldest first."""
    after_seq = 0 if after is None else read_cursor(after, tuple[int])[0]
    rows = await database.fetch(*sql.list_journal(event_id=event_id, after=after_seq, limit=limit + 1))
    page = [JournalRow(**row) for row in rows[:limit]]
    return Page(page, write_cursor((page[-1].seq,)) if len(rows) > limit else None)


async def list_facts_of_booking(database: Database, booking: Booking) -> list[tuple[datetime, Fact]]:
    """Return the facts about a booking with their instants, oldest first; at most those of 1,000 rows.

    The rows since it was placed are searched for its id. The time of rows never runs backwards, so the first
    of them is found by halving.
    """
    async with database.snapshot() as snapshot:
        first = await _first_row_at(snapshot, booking)
        rows = await snapshot.fetch(
            *sql.list_naming(
                event_id=booking.event_id,
                first=first,
                needle=str(booking.booking_id).encode(),
                limit=ROWS_OF_BOOKING_MAX,
            )
        )
    return [
        (row["at"], fact)
        for row in rows
        for fact in decode_facts(row["facts"])
        if getattr(fact, "booking_id", None) == booking.booking_id
    ]


async def _first_row_at(snapshot: Connection, booking: Booking) -> int:
    """Return the first journal row that is not older than the booking."""
    low, high = 1, await snapshot.fetchval(*sql.find_head(event_id=booking.event_id))
    while low < high:
        middle = (low + high) // 2
        at = await snapshot.fetchval(*sql.find_instant(event_id=booking.event_id, seq=middle))
        low, high = (low, middle) if at >= booking.placed_at else (middle + 1, high)
    return low
