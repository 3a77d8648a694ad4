"""Sources: how many bookings came from which campaign link, by the tag in `?via=`.

A source is a word that an organizer puts into a link. It comes with the booking, stands in the journal beside
it, and is counted here by the relay; no person is followed, and no visit that books nothing is counted. A
booking without a source costs nothing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

import msgspec

from evently.db import Connection, Database, load_queries
from evently.sales.facts import (
    BookingCancelled,
    BookingConfirmed,
    BookingHeld,
    HoldConfirmed,
    TicketsCancelled,
)
from evently.sales.outbox import JournalFacts

sql: Final = load_queries(__name__)

SOURCE_CHARACTERS_MAX: Final = 40  # a word, not the name of a person
# Of one event: more links than a campaign has. Bookings by others, which anybody can make up, count as OTHER
SOURCES_MAX: Final = 100
OTHER: Final = "(other)"  # no source is called so
_SOURCE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


_PLACED: Final = (BookingHeld, BookingConfirmed)
_CANCELLED: Final = (BookingCancelled, TicketsCancelled)
_Counting: TypeAlias = BookingConfirmed | HoldConfirmed | BookingCancelled | TicketsCancelled


class SourceSums(msgspec.Struct):
    """What came from one source. `placed`: bookings, held ones included; the others count when confirmed."""

    placed: int = 0
    bookings: int = 0
    tickets: int = 0
    amount_minor: int = 0
    cancelled_bookings: int = 0
    cancelled_tickets: int = 0
    cancelled_minor: int = 0


class Source(msgspec.Struct, frozen=True):
    """A source of an event and what came from it."""

    via: str
    sums: SourceSums


class _Change(NamedTuple):
    event_id: UUID
    booking_id: UUID
    fact: _Counting


def read_source(text: str) -> str:
    """Return the source that a link names, in lower case; empty if it is none."""
    lowered = text.strip().lower()
    return lowered if _SOURCE.fullmatch(lowered) else ""


async def list_sources(database: Database, event_id: UUID) -> list[Source]:
    """Return the sources of an event, those with most tickets first; at most SOURCES_MAX and OTHER."""
    rows = await database.fetch(*sql.list_sources(event_id=event_id))
    return [
        Source(row["via"], SourceSums(**{name: row[name] for name in SourceSums.__struct_fields__}))
        for row in rows
    ]


async def count_sources(tx: Connection, rows: Sequence[JournalFacts]) -> None:
    """Count the bookings of journal rows by source. Their events are locked, and each row is counted once."""
    placed, changes = _sort_out(rows)
    if not placed and not changes:
        return
    known: dict[UUID, set[str]] = defaultdict(set)
    event_ids = sorted({event_id for event_id, _ in placed} | {each.event_id for each in changes})
    for event_id, via in await tx.fetch(*sql.find_sources(event_ids=event_ids)):
        known[event_id].add(via)
    with_sources = known.keys() | {event_id for event_id, _ in placed}
    changes = [each for each in changes if each.event_id in with_sources]
    if not with_sources:
        return
    counted = {key: _known_or_other(known[key[0]], via) for key, via in placed.items()}
    if counted:
        events, bookings = map(list, zip(*counted, strict=True))
        await tx.execute(
            *sql.add_booking_sources(event_ids=events, booking_ids=bookings, vias=list(counted.values()))
        )
    missing = {(each.event_id, each.booking_id) for each in changes} - counted.keys()
    found = dict(counted)
    if missing:
        events, bookings = map(list, zip(*sorted(missing), strict=True))
        for event_id, booking_id, via in await tx.fetch(
            *sql.find_booking_sources(event_ids=events, booking_ids=bookings)
        ):
            found[event_id, booking_id] = via
    await _add_sums(tx, _sums_of(counted, changes, found))


def _sort_out(rows: Iterable[JournalFacts]) -> tuple[dict[tuple[UUID, UUID], str], list[_Change]]:
    """Return the sources of bookings that were placed, and what may count for a source."""
    placed: dict[tuple[UUID, UUID], str] = {}
    changes: list[_Change] = []
    for row in rows:
        for fact in row.facts:
            if isinstance(fact, _PLACED):
                if fact.via:
                    placed[row.event_id, fact.booking_id] = fact.via
                    if isinstance(fact, BookingConfirmed):
                        changes.append(_Change(row.event_id, fact.booking_id, fact))
            elif isinstance(fact, HoldConfirmed) or (
                isinstance(fact, _CANCELLED) and fact.was == "confirmed"
            ):
                changes.append(_Change(row.event_id, fact.booking_id, fact))
    return placed, changes


def _known_or_other(known: set[str], via: str) -> str:
    """Return under which source to count, and remember it."""
    if via not in known and len(known - {OTHER}) >= SOURCES_MAX:
        via = OTHER
    known.add(via)
    return via


def _sums_of(
    placed: Mapping[tuple[UUID, UUID], str],
    changes: Iterable[_Change],
    found: Mapping[tuple[UUID, UUID], str],
) -> dict[tuple[UUID, str], SourceSums]:
    sums: dict[tuple[UUID, str], SourceSums] = defaultdict(SourceSums)
    for (event_id, _), via in placed.items():
        sums[event_id, via].placed += 1
    for event_id, booking_id, fact in changes:
        source = found.get((event_id, booking_id))
        if source is None:
            continue
        tally = sums[event_id, source]
        match fact:
            case BookingConfirmed(tickets=tickets) | HoldConfirmed(tickets=tickets):
                tally.bookings += 1
                tally.tickets += len(tickets)
                tally.amount_minor += sum([ticket[2] for ticket in tickets])
            case BookingCancelled(tickets=tickets) | TicketsCancelled(tickets=tickets):
                tally.cancelled_bookings += type(fact) is BookingCancelled
                tally.cancelled_tickets += len(tickets)
                tally.cancelled_minor += sum([ticket[2] for ticket in tickets])
    return sums


async def _add_sums(tx: Connection, sums: Mapping[tuple[UUID, str], SourceSums]) -> None:
    if not sums:
        return
    keys = sorted(sums)
    tallies = [msgspec.structs.astuple(sums[key]) for key in keys]
    columns = {
        name: [tally[number] for tally in tallies] for number, name in enumerate(SourceSums.__struct_fields__)
    }
    await tx.execute(
        *sql.add_sources(event_ids=[key[0] for key in keys], vias=[key[1] for key in keys], **columns)
    )
