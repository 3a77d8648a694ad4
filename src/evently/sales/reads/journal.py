"""Reads the journal of an event, as it was hashed: from the database, or from files if it is archived."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from functools import partial
from operator import itemgetter
from typing import Final
from uuid import UUID

import msgspec

from evently.db import Connection, Database, Record, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.sales.facts import BookingHeld, Fact, decode_facts
from evently.sales.journal_files import FilesOfJournal, JournalFile, read_rows
from evently.sales.nouns import Booking

sql: Final = load_queries(__name__)


ROWS_OF_BOOKING_MAX: Final = 1_000  # a hundred tickets, each passed on and checked in several times
OFFERS_SEARCHED_MAX: Final = 20  # returned tickets; each is a search of the journal


class JournalRow(msgspec.Struct, frozen=True):
    """One batch's facts about an event, as they were hashed."""

    seq: int
    at: datetime
    facts: bytes
    hash: bytes


async def list_journal(database: Database, event_id: UUID, limit: int, after: str | None) -> Page[JournalRow]:
    """Return a page of an event's journal, oldest first."""
    after_seq = 0 if after is None else read_cursor(after, tuple[int])[0]
    async with database.snapshot() as snapshot:
        rows = await snapshot.fetch(*sql.list_journal(event_id=event_id, after=after_seq, limit=limit + 1))
        files = await open_journal_files(database, snapshot, event_id)
    page = [
        JournalRow(row["seq"], row["at"], facts, row["hash"])
        async for row, facts in files.complete(_each(rows[:limit]))
    ]
    return Page(page, write_cursor((page[-1].seq,)) if len(rows) > limit else None)


async def list_facts_of_booking(database: Database, booking: Booking) -> list[tuple[datetime, Fact]]:
    """Return the facts about a booking with their instants, oldest first; at most those of 1,000 rows."""
    return [
        (at, fact)
        for at, fact in await _list_naming(database, booking, booking.booking_id)
        if getattr(fact, "booking_id", None) == booking.booking_id
    ]


async def list_offers_of(
    database: Database, booking: Booking, ticket_ids: Sequence[UUID]
) -> list[tuple[datetime, BookingHeld]]:
    """Return the offers of returned tickets of a booking to the waitlist, oldest first, each once.

    They are facts about other bookings, and so searched for by ticket: at most OFFERS_SEARCHED_MAX tickets.
    """
    found: dict[UUID, tuple[datetime, BookingHeld]] = {}
    for ticket_id in ticket_ids[:OFFERS_SEARCHED_MAX]:
        for at, fact in await _list_naming(database, booking, ticket_id):
            if isinstance(fact, BookingHeld) and ticket_id in fact.replaces:
                found[fact.booking_id] = (at, fact)
    return sorted(found.values(), key=itemgetter(0))


async def _list_naming(database: Database, booking: Booking, named: UUID) -> list[tuple[datetime, Fact]]:
    """Return the facts of rows that name an id, since a booking was placed; at most those of 1,000 rows.

    The time of rows never runs backwards, so the first of them is found by halving.
    """
    needle = str(named).encode()
    async with database.snapshot() as snapshot:
        first = await _first_row_at(snapshot, booking)
        rows = await snapshot.fetch(
            *sql.list_naming(event_id=booking.event_id, first=first, needle=needle, limit=ROWS_OF_BOOKING_MAX)
        )
        files = await list_journal_files(snapshot, booking.event_id)
    found = [(row["seq"], row["at"], row["facts"]) for row in rows]
    if files:
        naming = partial(_rows_naming, database.options.archive, files, first, needle)
        found += await asyncio.to_thread(naming)
    return [
        (at, fact)
        for _, at, stored in sorted(found, key=itemgetter(0))[:ROWS_OF_BOOKING_MAX]
        for fact in decode_facts(stored)
    ]


async def _first_row_at(snapshot: Connection, booking: Booking) -> int:
    """Return the first journal row that is not older than the booking."""
    low, high = 1, await snapshot.fetchval(*sql.find_head(event_id=booking.event_id))
    while low < high:
        middle = (low + high) // 2
        at = await snapshot.fetchval(*sql.find_instant(event_id=booking.event_id, seq=middle))
        low, high = (low, middle) if at >= booking.placed_at else (middle + 1, high)
    return low


async def list_journal_files(connection: Connection, event_id: UUID) -> list[JournalFile]:
    """Return the files with the archived rows of an event, in their order."""
    return [JournalFile(**row) for row in await connection.fetch(*sql.list_files(event_id=event_id))]


async def count_journal_files(connection: Connection, event_id: UUID | None) -> int:
    """Return how many events have archived rows: one event, or all."""
    count: int = await connection.fetchval(*sql.count_files(event_id=event_id))
    return count


async def open_journal_files(database: Database, snapshot: Connection, event_id: UUID) -> FilesOfJournal:
    """Return a reader of the archived rows of an event; without any, it is never asked."""
    return FilesOfJournal(database.options.archive, await list_journal_files(snapshot, event_id))


async def _each(rows: Sequence[Record]) -> AsyncIterator[Record]:
    for row in rows:
        yield row


def _rows_naming(
    directory: str | None, files: Sequence[JournalFile], first: int, needle: bytes
) -> list[tuple[int, datetime, bytes]]:
    """Return the archived rows from `first` on whose facts contain a text."""
    found: list[tuple[int, datetime, bytes]] = []
    for file in files:
        if file.last_seq >= first:
            found += [
                (row.seq, row.at, row.facts)
                for row in read_rows(directory, file)
                if row.seq >= first and needle in row.facts
            ]
    return found
