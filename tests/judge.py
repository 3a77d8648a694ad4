"""The judge: whether the rows of a database can be true (I1, I2, I6, I11 of the proof), and whether they are what clients were told.

It shares the replay of the journal with the product and nothing else; the product's own audit is judged elsewhere.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from evently.db import Connection, Database
from evently.sales import NO_HASH, Replay, chain, decode_facts

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
        array_agg(ticket_id || ' ' || ticket_type_id || ' ' || price_minor ORDER BY ticket_id) FILTER (WHERE tickets.state <> 'void')
    FROM bookings JOIN tickets USING (event_id, booking_id)
    WHERE event_id = $1
    GROUP BY event_id, booking_id
"""


async def judge(db: Database) -> None:
    """Fail unless every row can be true."""
    async with db.snapshot() as snapshot:
        await _judge_counters(snapshot)
        await _judge_keys(snapshot)
        for row in await snapshot.fetch("SELECT event_id, seq, head_hash, head_at FROM sales"):
            await _judge_journal(snapshot, *row)


async def _judge_counters(snapshot: Connection) -> None:
    """I1: nothing is oversold. I2: the counters are what the tickets add up to."""
    units = {(event, pool, state): count for event, pool, state, count in await snapshot.fetch(_LIVE_UNITS)}
    for pool in await snapshot.fetch("SELECT * FROM pools"):
        place = pool["event_id"], pool["pool_id"]
        assert min(pool["held"], pool["sold"], pool["set_aside"]) >= 0, pool
        assert pool["held"] + pool["sold"] + pool["set_aside"] <= pool["capacity"], pool
        assert (pool["held"], pool["sold"]) == (units.get((*place, "held"), 0), units.get((*place, "confirmed"), 0)), pool


async def _judge_keys(snapshot: Connection) -> None:
    """I6: a key has one booking, its actor's or one that the organizer cancelled."""
    orphans = await snapshot.fetchval("""
        SELECT count(*) FROM idempotency_keys AS keys
        WHERE NOT EXISTS (SELECT FROM bookings WHERE bookings.event_id = keys.event_id AND bookings.booking_id = keys.booking_id)
    """)
    assert orphans == 0


async def _judge_journal(snapshot: Connection, event_id: UUID, seq: int, head_hash: bytes, head_at: datetime) -> None:
    """I11: the journal has no gap, its chain holds, its time never runs backwards, and it tells what the rows say."""
    again, before, at = Replay(), NO_HASH, None
    rows = await snapshot.fetch("SELECT seq, at, facts, hash FROM journal WHERE event_id = $1 ORDER BY seq", event_id)
    for number, row in enumerate(rows, start=1):
        assert row["seq"] == number
        assert row["hash"] == chain(before, row["facts"])
        assert at is None or row["at"] >= at
        before, at = row["hash"], row["at"]
        again.add(at, decode_facts(row["facts"]))
    assert (len(rows), before) == (seq, head_hash)
    assert at is None or at == head_at
    pools = await snapshot.fetch("SELECT pool_id, capacity, held, sold FROM pools WHERE event_id = $1", event_id)
    assert {tuple(pool) for pool in pools} == {(each, pool.capacity, pool.held, pool.sold) for each, pool in again.pools.items()}
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
