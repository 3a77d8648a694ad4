"""Counting: add the facts of journal rows, and their postings in the ledger, to sums, each exactly once.

The sums are those of the event, and of its quarter of an hour; the tickets of each minute; what became of
holds; and the sums of each source. `event_totals.seq` is the last journal row of an event that was counted;
counting holds the lock of that row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

from msgspec.structs import astuple

from evently.analytics.nouns import Conversions, Revenue, Sums, quarter_of
from evently.analytics.sources import count_sources
from evently.db import Connection, Database, Record, load_queries, lock_by_event
from evently.sales.facts import (
    BookingCancelled,
    BookingConfirmed,
    BookingHeld,
    EntryWithdrawn,
    Fact,
    HoldConfirmed,
    HoldExpired,
    OfferAccepted,
    TicketsCancelled,
    WaitlistJoined,
)
from evently.sales.outbox import JournalFacts

sql: Final = load_queries(__name__)

_QUARTER: Final = timedelta(minutes=15)
MINUTES_KEPT: Final = timedelta(days=3)  # the evening of an on-sale, and the days after it
_COLUMNS: Final = (*Sums.__struct_fields__, *Revenue.__struct_fields__)
_CONVERSIONS: Final = Conversions.__struct_fields__
_CONFIRMED: Final = (BookingConfirmed, HoldConfirmed)
_CANCELLED: Final = (BookingCancelled, TicketsCancelled)
_OUTCOMES: Final[Mapping[type[Fact], int]] = {  # which number of `_CONVERSIONS` a fact adds one to
    BookingHeld: _CONVERSIONS.index("holds"),
    HoldConfirmed: _CONVERSIONS.index("confirmed"),
    HoldExpired: _CONVERSIONS.index("expired"),
    WaitlistJoined: _CONVERSIONS.index("joined"),
    OfferAccepted: _CONVERSIONS.index("fulfilled"),
    EntryWithdrawn: _CONVERSIONS.index("withdrawn"),
}
_HOLD_CANCELLED: Final = _CONVERSIONS.index("cancelled")
_NOTHING: Final = (0,) * len(Revenue.__struct_fields__)
# Added up before other tasks get the processor: the booking path runs in the same process
SLICE_ROWS: Final = 500

Quarter: TypeAlias = tuple[UUID, datetime]  # an event, and the start of a quarter of an hour, or of a minute


class Counted:
    """What is added up of some journal rows."""

    __slots__ = ("conversions", "minutes", "quarters")

    def __init__(self) -> None:
        self.quarters: dict[Quarter, Sums] = {}
        self.minutes: dict[Quarter, int] = {}  # tickets
        self.conversions: dict[UUID, list[int]] = {}  # in the order of `_CONVERSIONS`


class OutOfOrder(Exception):
    """The relay delivered a journal row before the one it follows."""


async def count(tx: Connection, rows: Sequence[JournalFacts]) -> None:
    """Count the facts of journal rows, those of one event in the order of `seq`.

    Rows that were counted before are skipped. At most six statements, however many rows, and three more where
    bookings have sources. Raises OutOfOrder when a row before one of these is missing.
    """
    counted = await _lock(tx, sorted({row.event_id for row in rows}))
    rows = _not_counted(rows, counted)
    if not rows:
        return
    added = Counted()
    for start in range(0, len(rows), SLICE_ROWS):
        add_up(rows[start : start + SLICE_ROWS], added)
        await asyncio.sleep(0)
    seqs = {row.event_id: row.seq for row in rows}
    posted = await tx.fetch(
        *sql.sum_ledger(
            event_ids=list(seqs),
            after_seqs=[counted[event_id] for event_id in seqs],
            seqs=list(seqs.values()),
        )
    )
    quarters = _join(added.quarters, posted)
    totals = {event_id: [0] * len(_COLUMNS) for event_id in seqs}
    for (event_id, _), tally in quarters.items():
        totals[event_id] = [before + more for before, more in zip(totals[event_id], tally, strict=True)]
    await tx.execute(
        *sql.add_totals(event_ids=list(seqs), seqs=list(seqs.values()), **_columns(totals.values()))
    )
    if quarters:
        event_ids, quarter_ats = map(list, zip(*quarters, strict=True))
        await tx.execute(
            *sql.add_quarters(event_ids=event_ids, quarter_ats=quarter_ats, **_columns(quarters.values()))
        )
    if added.minutes:
        event_ids, minute_ats = map(list, zip(*sorted(added.minutes), strict=True))
        tickets = [added.minutes[key] for key in sorted(added.minutes)]
        await tx.execute(*sql.add_minutes(event_ids=event_ids, minute_ats=minute_ats, tickets=tickets))
    if added.conversions:
        await _add_conversions(tx, added.conversions)
    await count_sources(tx, rows)


async def forget_minutes(database: Database, now: datetime) -> None:
    """Delete the tickets by minute of days that are over; those by quarter of an hour stay."""
    async with database.transaction() as tx:
        await tx.execute(*sql.forget_minutes(before=now - MINUTES_KEPT))


async def _add_conversions(tx: Connection, found: Mapping[UUID, Sequence[int]]) -> None:
    event_ids = sorted(found)
    columns = {
        name: [found[event_id][number] for event_id in event_ids] for number, name in enumerate(_CONVERSIONS)
    }
    await tx.execute(*sql.add_conversions(event_ids=event_ids, **columns))


def add_up(rows: Iterable[JournalFacts], added: Counted) -> None:
    """Add the facts of rows to the sums of their quarters. A quarter without counted facts gets no sums.

    1 us a fact.
    """
    quarters, minutes = added.quarters, added.minutes
    begins_at = ends_at = None
    for row in rows:
        event_id, at = row.event_id, row.at
        if begins_at is None or ends_at is None or not begins_at <= at < ends_at:
            begins_at = quarter_of(at)
            ends_at = begins_at + _QUARTER
        sums: Sums | None = None
        sold = 0
        outcomes: list[int] = []
        for fact in row.facts:
            if (outcome := _OUTCOMES.get(type(fact))) is not None:
                outcomes.append(outcome)
            if isinstance(fact, _CONFIRMED):
                sums = sums or quarters.setdefault((event_id, begins_at), Sums())
                sums.bookings += 1
                sums.tickets += len(fact.tickets)
                sums.amount_minor += sum([ticket[2] for ticket in fact.tickets])
                sold += len(fact.tickets)
            elif isinstance(fact, _CANCELLED):
                if fact.was == "confirmed":
                    sums = sums or quarters.setdefault((event_id, begins_at), Sums())
                    sums.cancelled_bookings += type(fact) is BookingCancelled
                    sums.cancelled_tickets += len(fact.tickets)
                    sums.cancelled_minor += sum([ticket[2] for ticket in fact.tickets])
                elif type(fact) is BookingCancelled:  # a hold: the end of one that was never confirmed
                    outcomes.append(_HOLD_CANCELLED)
        if sold:
            minute = (event_id, at.replace(second=0, microsecond=0))
            minutes[minute] = minutes.get(minute, 0) + sold
        if outcomes:
            tally = added.conversions.setdefault(event_id, [0] * len(_CONVERSIONS))
            for outcome in outcomes:
                tally[outcome] += 1


async def _lock(tx: Connection, event_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return the last counted row of each event, and lock its counting."""
    counted = await _lock_known(tx, event_ids)
    if new := [event_id for event_id in event_ids if event_id not in counted]:
        await tx.execute(*sql.begin_totals(event_ids=new))
        counted |= await _lock_known(tx, new)
    return counted


async def _lock_known(tx: Connection, event_ids: Sequence[UUID]) -> dict[UUID, int]:
    return {row["event_id"]: row["seq"] for row in await lock_by_event(tx, sql.lock_totals, event_ids)}


def _not_counted(rows: Iterable[JournalFacts], counted: Mapping[UUID, int]) -> list[JournalFacts]:
    left, reached = [], dict(counted)
    for row in rows:
        before = reached[row.event_id]
        if row.seq <= before:
            continue
        if row.seq != before + 1:
            raise OutOfOrder(f"event {row.event_id}: row {row.seq} follows {before}")
        reached[row.event_id] = row.seq
        left.append(row)
    return left


def _join(sums: Mapping[Quarter, Sums], posted: Iterable[Record]) -> dict[Quarter, list[int]]:
    """Return the sums of facts and ledger of each quarter, in the order of `_COLUMNS`.

    The quarters are in the order of their keys.
    """
    revenue = {
        (event_id, quarter_at): [int(minor) for minor in amounts] for event_id, quarter_at, *amounts in posted
    }
    return {
        quarter: [*astuple(sums.get(quarter) or Sums()), *revenue.get(quarter, _NOTHING)]
        for quarter in sorted(sums.keys() | revenue.keys())
    }


def _columns(tallies: Collection[Sequence[int]]) -> dict[str, list[int]]:
    return {name: [tally[number] for tally in tallies] for number, name in enumerate(_COLUMNS)}
