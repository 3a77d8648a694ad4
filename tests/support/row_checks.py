"""Checks of a database's rows: they hold the invariants I1, I2, I6 and I11 and match what clients received.

These checks share the replay of the journal with the product and nothing else. The tests of the audit
check the product's own audit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from evently.db import Connection, Database
from evently.sales.commands.bookings import CancelBooking, PlaceBooking
from evently.sales.facts import decode_facts
from evently.sales.nouns import Booking
from evently.sales.reads import get_booking
from evently.sales.replay import Replay
from tests.support.booking_clients import JournalEntry

_LIVE_UNITS: Final = """
    SELECT bookings.event_id, pool_id, bookings.state, count(*) AS units
    FROM bookings
    JOIN tickets USING (event_id, booking_id)
    JOIN ticket_types USING (event_id, ticket_type_id)
    CROSS JOIN unnest(pool_ids) AS pool_id
    WHERE bookings.state IN ('held', 'confirmed') AND tickets.state <> 'void'
    GROUP BY bookings.event_id, pool_id, bookings.state
"""
_BOOKINGS: Final = """
    SELECT booking_id, buyer_id, bookings.state, placed_at,
        array_agg(ticket_id || ' ' || ticket_type_id || ' ' || price_minor ORDER BY ticket_id)
            FILTER (WHERE tickets.state <> 'void')
    FROM bookings JOIN tickets USING (event_id, booking_id)
    WHERE event_id = $1
    GROUP BY event_id, booking_id
"""


async def check_rows(db: Database) -> None:
    """Fail unless all rows hold the invariants."""
    async with db.snapshot() as snapshot:
        await _check_counters(snapshot)
        await _check_keys(snapshot)
        for row in await snapshot.fetch("SELECT event_id, seq, head_hash, head_at FROM sales"):
            await _check_journal(snapshot, *row)


async def _check_counters(snapshot: Connection) -> None:
    """I1: nothing is oversold. I2: the counters are what the tickets add up to."""
    units = {(event, pool, state): count for event, pool, state, count in await snapshot.fetch(_LIVE_UNITS)}
    for pool in await snapshot.fetch("SELECT * FROM pools"):
        place = pool["event_id"], pool["pool_id"]
        assert min(pool["held"], pool["sold"], pool["set_aside"]) >= 0, pool
        assert pool["held"] + pool["sold"] + pool["set_aside"] <= pool["capacity"], pool
        assert (pool["held"], pool["sold"]) == (
            units.get((*place, "held"), 0),
            units.get((*place, "confirmed"), 0),
        ), pool


async def _check_keys(snapshot: Connection) -> None:
    """I6: a key has one booking, its actor's or one that the organizer cancelled; or one waitlist entry."""
    orphans = await snapshot.fetchval("""
        SELECT count(*) FROM idempotency_keys AS keys
        WHERE
            NOT EXISTS (
                SELECT FROM bookings AS b WHERE b.event_id = keys.event_id AND b.booking_id = keys.booking_id
            )
            AND NOT EXISTS (
                SELECT FROM waitlist_entries AS e
                WHERE e.event_id = keys.event_id AND e.entry_id = keys.entry_id
            )
    """)
    assert orphans == 0


async def _check_journal(
    snapshot: Connection, event_id: UUID, seq: int, head_hash: bytes, head_at: datetime
) -> None:
    """I11: the journal has no gap, a valid chain, increasing times, and it equals the rows."""
    again, before, at = Replay(), bytes(32), None
    rows = await snapshot.fetch(
        "SELECT seq, at, facts, hash FROM journal WHERE event_id = $1 ORDER BY seq", event_id
    )
    for number, row in enumerate(rows, start=1):
        assert row["seq"] == number
        assert row["hash"] == hashlib.sha256(before + row["facts"]).digest()
        assert at is None or row["at"] >= at
        before, at = row["hash"], row["at"]
        again.add(at, decode_facts(row["facts"]))
    assert (len(rows), before) == (seq, head_hash)
    assert at is None or at == head_at
    pools = await snapshot.fetch(
        "SELECT pool_id, capacity, held, sold FROM pools WHERE event_id = $1", event_id
    )
    assert {tuple(pool) for pool in pools} == {
        (each, pool.capacity, pool.held, pool.sold) for each, pool in again.pools.items()
    }
    stored = {row["booking_id"]: tuple(row)[1:] for row in await snapshot.fetch(_BOOKINGS, event_id)}
    told = {
        each: (
            booking.buyer_id,
            booking.state,
            booking.placed_at,
            sorted(f"{ticket} {kind} {price}" for ticket, (kind, price) in booking.tickets.items()) or None,
        )
        for each, booking in again.bookings.items()
    }
    assert stored == told


async def check_client_journals(db: Database, journals: Sequence[Sequence[JournalEntry]]) -> None:
    """Check I3, I4 and I6: stored bookings and clients' answers are the same, and each key has one answer.

    Every request must have an answer.
    """
    entries = [entry for journal in journals for entry in journal]
    requests = {entry.key: entry.request for entry in entries if entry.request}
    answers = _answers_by_key(entries)
    assert requests.keys() == answers.keys() | {entry.key for entry in entries if entry.refusal}, (
        "a request has no answer"
    )
    stored = {
        row["key"]: row["booking_id"]
        for row in await db.fetch("SELECT key, booking_id FROM idempotency_keys")
    }
    assert stored == {key: booking.booking_id for key, booking in answers.items()}, (
        "a key is answered exactly when it has an effect"
    )
    placed = {
        booking.booking_id: key for key, booking in answers.items() if isinstance(requests[key], PlaceBooking)
    }
    assert {
        row["booking_id"] for row in await db.fetch("SELECT booking_id FROM bookings")
    } == placed.keys(), "a booking that no client requested"
    cancelled = _cancelled_tickets(requests, answers)
    for booking_id, key in placed.items():
        request, told, found = requests[key], answers[key], await get_booking(db, booking_id)
        assert isinstance(request, PlaceBooking)
        gone = cancelled.get(booking_id, set())
        assert found.buyer_id == request.buyer_id
        wanted = [line.ticket_type_id for line in request.lines for _ in range(line.quantity)]
        assert [ticket.ticket_type_id for ticket in told.tickets] == wanted
        expected = [
            msgspec.structs.replace(ticket, state="void" if ticket.ticket_id in gone else "valid")
            for ticket in told.tickets
        ]
        assert list(found.tickets) == expected
        assert found.state == (
            "cancelled" if gone == {ticket.ticket_id for ticket in told.tickets} else "confirmed"
        )


def _answers_by_key(entries: Sequence[JournalEntry]) -> dict[str, Booking]:
    """Return the answer to each key; repeated answers must be equal."""
    answers: dict[str, Booking] = {}
    for entry in entries:
        if entry.booked is not None:
            assert answers.setdefault(entry.key, entry.booked.booking) == entry.booked.booking
    return answers


def _cancelled_tickets(
    requests: dict[str, PlaceBooking | CancelBooking], answers: dict[str, Booking]
) -> dict[UUID, set[UUID]]:
    """Return the tickets of each booking that a cancellation was confirmed for."""
    cancelled: dict[UUID, set[UUID]] = {}
    for key, booking in answers.items():
        request = requests[key]
        if isinstance(request, CancelBooking):
            named = request.ticket_ids or [ticket.ticket_id for ticket in booking.tickets]
            cancelled.setdefault(booking.booking_id, set()).update(named)
    return cancelled
