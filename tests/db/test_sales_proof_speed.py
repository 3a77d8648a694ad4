"""The proof of an event right after its on-sale: its cost grows with its rows, whatever the statistics know.

Counted in pages that the database touches, not in time.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Final
from uuid import UUID

import psycopg
import pytest

from evently.db import Database
from evently.kit.clock import utc_now
from evently.kit.ids import new_id
from evently.sales.reads.proof import sql

_EVENT: Final = """
INSERT INTO events (
    event_id, organizer_id, venue_id, title, description, category, tags, image_url, venue_name, city,
    time_zone, starts_at, ends_at, state, sandbox, search, currency, price_from_minor, version,
    created_at, changed_at, published_at
)
VALUES (
    %(event)s, %(event)s, %(event)s, 'Title', '', 'music', '{}', NULL, 'Hall', 'City', 'UTC', %(now)s,
    %(end)s, 'published', false, '', 'EUR', 0, 1, %(now)s, %(now)s, %(now)s
)
"""
_SALE: Final = """
INSERT INTO sales (event_id, state, currency, on_sale_at, off_sale_at, seq, head_hash, head_at)
VALUES (%(event)s, 'open', 'EUR', %(now)s, %(end)s, 1, decode(repeat('00', 32), 'hex'), %(now)s)
"""
_BOOKINGS: Final = """
INSERT INTO bookings (event_id, booking_id, buyer_id, state, placed_at, confirmed_at, payment)
SELECT
    %(event)s, md5(%(event)s::text || n)::uuid, md5('buyer' || n)::uuid, 'confirmed', %(now)s, %(now)s, 'none'
FROM generate_series(1, %(count)s) AS n
"""
_TICKETS: Final = """
INSERT INTO tickets (event_id, ticket_id, booking_id, ticket_type_id, price_minor, state, secret)
SELECT
    %(event)s, md5('ticket' || %(event)s::text || n)::uuid, md5(%(event)s::text || n)::uuid, %(event)s, 0,
    'valid', decode(repeat('00', 10), 'hex')
FROM generate_series(1, %(count)s) AS n
"""


def sell(connection: psycopg.Connection, count: int) -> UUID:
    """Store an event with so many bookings of one ticket; the statistics do not learn of it."""
    now = utc_now()
    values = {"event": new_id(), "now": now, "end": now + timedelta(days=1), "count": count}
    for statement in (_EVENT, _SALE, _BOOKINGS, _TICKETS):
        connection.execute(statement, values)
    return UUID(str(values["event"]))


async def pages_touched(db: Database, event_id: UUID, *, hash_joins: bool) -> int:
    query = sql.count_rows(event_id=event_id)
    async with db.snapshot(hash_joins=hash_joins) as snapshot:
        plan = json.loads(
            await snapshot.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query[0]}", *query[1:])
        )[0]["Plan"]
        return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


@pytest.fixture(scope="module")
def fresh_events(shared_database_url: str) -> tuple[UUID, UUID]:
    """Return two events of 1,000 and 4,000 bookings that came after the last ANALYZE."""
    with psycopg.connect(shared_database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE bookings SET (autovacuum_enabled = false)")
        connection.execute("ALTER TABLE tickets SET (autovacuum_enabled = false)")
        sell(connection, 4_000)  # the statistics know one event alone, and expect one row of any other
        connection.execute("ANALYZE")
        return sell(connection, 1_000), sell(connection, 4_000)


async def test_the_proof_of_a_fresh_event_is_linear(
    shared_db: Database, fresh_events: tuple[UUID, UUID]
) -> None:
    small, large = [await pages_touched(shared_db, event, hash_joins=True) for event in fresh_events]
    assert large < 5 * small, "four times the rows"


async def test_without_hash_joins_it_is_not(shared_db: Database, fresh_events: tuple[UUID, UUID]) -> None:
    """The control: the same statements read far more pages when the planner may choose nested loops."""
    _, large = fresh_events
    planned = await pages_touched(shared_db, large, hash_joins=False)
    assert planned > 2 * await pages_touched(shared_db, large, hash_joins=True)
