"""The relay's half: adds the facts of journal rows, and their ledger, to the sums of their event and quarter of an hour, each exactly once.

`event_totals.seq` says how far an event has been counted; whoever counts holds the lock of that row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

from evently.analytics.nouns import Sums, quarter_of
from evently.db import Connection, load_queries
from evently.sales import Fact, Happened
from evently.sales.facts import BookingCancelled, BookingConfirmed, HoldConfirmed, TicketsCancelled

sql: Final = load_queries(__name__)

_QUARTER: Final = timedelta(minutes=15)
SLICE_ROWS: Final = 500  # that are added up before others get the processor: the booking path runs in the same process

Quarters: TypeAlias = dict[tuple[UUID, datetime], Sums]  # by event and quarter of an hour


class OutOfOrder(Exception):
    """The relay delivered a journal row before the one it follows."""


async def count(tx: Connection, rows: Sequence[Happened]) -> None:
    """Count the facts of journal rows, those of one event in the order of `seq`. Rows that were counted before are passed over.

    Four statements, however many rows. Raises OutOfOrder when a row is missing before one of these.
    """
    stood = await _lock(tx, sorted({row.event_id for row in rows}))
    rows = _not_counted(rows, stood)
    if not rows:
        return
    quarters: Quarters = {}
    for start in range(0, len(rows), SLICE_ROWS):
        add_up(rows[start : start + SLICE_ROWS], quarters)
        await asyncio.sleep(0)
    seqs = {row.event_id: row.seq for row in rows}
    totals = _totals(seqs, quarters)
    await tx.execute(*sql.add_totals(event_ids=list(seqs), seqs=list(seqs.values()), **_columns(totals)))
    if quarters:
        places = sorted(quarters)
        await tx.execute(
            *sql.add_quarters(
                event_ids=[event_id for event_id, _ in places],
                quarter_ats=[quarter_at for _, quarter_at in places],
                **_columns([quarters[place] for place in places]),
            )
        )
    await tx.execute(*sql.add_revenue(event_ids=list(seqs), after_seqs=[stood[event_id] for event_id in seqs], seqs=list(seqs.values())))


def add_up(rows: Iterable[Happened], quarters: Quarters) -> None:
    """Add the facts of rows to the sums of their quarters; a quarter in which nothing counts is not begun. 2 us a row."""
    begins_at = ends_at = None
    for row in rows:
        if begins_at is None or ends_at is None or not begins_at <= row.at < ends_at:
            begins_at = quarter_of(row.at)
            ends_at = begins_at + _QUARTER
        for fact in row.facts:
            if _counts(fact):
                sums = quarters.get((row.event_id, begins_at))
                if sums is None:
                    sums = quarters[row.event_id, begins_at] = Sums()
                _add(sums, fact)


def _totals(seqs: Iterable[UUID], quarters: Quarters) -> list[Sums]:
    """Return the sums of events over their quarters, in the order of the events."""
    totals = {event_id: Sums() for event_id in seqs}
    for (event_id, _), sums in quarters.items():
        total = totals[event_id]
        for name in Sums.__struct_fields__:
            setattr(total, name, getattr(total, name) + getattr(sums, name))
    return list(totals.values())


async def _lock(tx: Connection, event_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return how far each event was counted, and keep everybody else from counting on."""
    stood = await _lock_known(tx, event_ids)
    if fresh := [event_id for event_id in event_ids if event_id not in stood]:
        await tx.execute(*sql.begin_totals(event_ids=fresh))
        stood |= await _lock_known(tx, fresh)
    return stood


async def _lock_known(tx: Connection, event_ids: Sequence[UUID]) -> dict[UUID, int]:
    return {row["event_id"]: row["seq"] for row in await tx.fetch(*sql.lock_totals(event_ids=event_ids))}


def _not_counted(rows: Iterable[Happened], stood: Mapping[UUID, int]) -> list[Happened]:
    left, reached = [], dict(stood)
    for row in rows:
        before = reached[row.event_id]
        if row.seq <= before:
            continue
        if row.seq != before + 1:
            raise OutOfOrder(f"event {row.event_id}: row {row.seq} follows {before}")
        reached[row.event_id] = row.seq
        left.append(row)
    return left


def _counts(fact: Fact) -> bool:
    """Return whether a fact counts: what is held and then let go never does."""
    if isinstance(fact, BookingCancelled | TicketsCancelled):
        return fact.was == "confirmed"
    return isinstance(fact, BookingConfirmed | HoldConfirmed)


def _add(sums: Sums, fact: Fact) -> None:
    match fact:
        case BookingConfirmed(tickets=tickets) | HoldConfirmed(tickets=tickets):
            sums.bookings += 1
            sums.tickets += len(tickets)
            sums.amount_minor += sum([ticket[2] for ticket in tickets])
        case BookingCancelled(tickets=tickets) | TicketsCancelled(tickets=tickets):
            sums.cancelled_bookings += type(fact) is BookingCancelled
            sums.cancelled_tickets += len(tickets)
            sums.cancelled_minor += sum([ticket[2] for ticket in tickets])


def _columns(every: Sequence[Sums]) -> dict[str, list[int]]:
    return {
        "bookings": [each.bookings for each in every],
        "tickets": [each.tickets for each in every],
        "amounts_minor": [each.amount_minor for each in every],
        "cancelled_bookings": [each.cancelled_bookings for each in every],
        "cancelled_tickets": [each.cancelled_tickets for each in every],
        "cancelled_minor": [each.cancelled_minor for each in every],
    }
