"""The relay's half: adds the facts of journal rows to the sums of their event and of their quarter of an hour, each exactly once.

`event_totals.seq` says how far an event has been counted; whoever counts holds the lock of that row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from evently.analytics.nouns import Sums, quarter_of
from evently.db import Connection, load_queries
from evently.sales import Fact, Happened
from evently.sales.facts import BookingCancelled, BookingConfirmed, HoldConfirmed, TicketsCancelled

sql: Final = load_queries(__name__)


class OutOfOrder(Exception):
    """The relay delivered a journal row before the one it follows."""


async def count(tx: Connection, rows: Sequence[Happened]) -> None:
    """Count the facts of journal rows, those of one event in the order of `seq`. Rows that were counted before are passed over.

    Three statements, however many rows. Raises OutOfOrder when a row is missing before one of these.
    """
    rows = _not_counted(rows, await _lock(tx, sorted({row.event_id for row in rows})))
    if not rows:
        return
    seqs = {row.event_id: row.seq for row in rows}
    totals, quarters = add_up(rows)
    await tx.execute(*sql.add_totals(event_ids=list(seqs), seqs=list(seqs.values()), **_columns(totals[event_id] for event_id in seqs)))
    if quarters:
        places = sorted(quarters)
        await tx.execute(
            *sql.add_quarters(
                event_ids=[event_id for event_id, _ in places],
                quarter_ats=[quarter_at for _, quarter_at in places],
                **_columns(quarters[place] for place in places),
            )
        )


def add_up(rows: Sequence[Happened]) -> tuple[defaultdict[UUID, Sums], dict[tuple[UUID, datetime], Sums]]:
    """Return the sums of the rows by event, and by event and quarter of an hour (only those in which something counts)."""
    totals: defaultdict[UUID, Sums] = defaultdict(Sums)
    quarters: defaultdict[tuple[UUID, datetime], Sums] = defaultdict(Sums)
    for row in rows:
        counted = [fact for fact in row.facts if type(fact) in _COUNTED]
        if counted:
            total, quarter = totals[row.event_id], quarters[row.event_id, quarter_of(row.at)]
            for fact in counted:
                _add(total, quarter, fact)
    return totals, quarters


async def _lock(tx: Connection, event_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return how far each event was counted, and keep everybody else from counting on."""
    stood = await _lock_known(tx, event_ids)
    if fresh := [event_id for event_id in event_ids if event_id not in stood]:
        await tx.execute(*sql.begin_totals(event_ids=fresh))
        stood |= await _lock_known(tx, fresh)
    return stood


async def _lock_known(tx: Connection, event_ids: Sequence[UUID]) -> dict[UUID, int]:
    return {row["event_id"]: row["seq"] for row in await tx.fetch(*sql.lock_totals(event_ids=event_ids))}


def _not_counted(rows: Iterable[Happened], stood: dict[UUID, int]) -> list[Happened]:
    left = []
    for row in rows:
        before = stood[row.event_id]
        if row.seq <= before:
            continue
        if row.seq != before + 1:
            raise OutOfOrder(f"event {row.event_id}: row {row.seq} follows {before}")
        stood[row.event_id] = row.seq
        left.append(row)
    return left


def _add(total: Sums, quarter: Sums, fact: Fact) -> None:
    match fact:
        case BookingConfirmed(tickets=tickets) | HoldConfirmed(tickets=tickets):
            price = sum([ticket[2] for ticket in tickets])
            for sums in (total, quarter):
                sums.bookings += 1
                sums.tickets += len(tickets)
                sums.amount_minor += price
        case BookingCancelled(was="confirmed", tickets=tickets) | TicketsCancelled(was="confirmed", tickets=tickets):
            price = sum([ticket[2] for ticket in tickets])
            for sums in (total, quarter):
                sums.cancelled_bookings += type(fact) is BookingCancelled
                sums.cancelled_tickets += len(tickets)
                sums.cancelled_minor += price


_COUNTED: Final = frozenset({BookingConfirmed, HoldConfirmed, BookingCancelled, TicketsCancelled})


def _columns(sums: Iterable[Sums]) -> dict[str, list[int]]:
    every = list(sums)
    return {
        "bookings": [each.bookings for each in every],
        "tickets": [each.tickets for each in every],
        "amounts_minor": [each.amount_minor for each in every],
        "cancelled_bookings": [each.cancelled_bookings for each in every],
        "cancelled_tickets": [each.cancelled_tickets for each in every],
        "cancelled_minor": [each.cancelled_minor for each in every],
    }
