"""A page of the attendees of a large event, among many events: read along the key, not all and then sorted.

Counted in pages that the database touches, not in time.
"""

from __future__ import annotations

import json
from typing import Final
from uuid import UUID

import psycopg

from evently.attendees import sql
from evently.db import Database

EVENTS, TICKETS, OF_LARGE = 200, 20, 4_000
PAGES_MAX: Final = 1_500  # a page of 51 touches some 500; all tickets of the event some 40,000
LARGE: Final = UUID(int=1)
_SEED: Final = """
INSERT INTO events (
    event_id, organizer_id, venue_id, title, description, category, tags, venue_name, city, time_zone,
    starts_at, ends_at, state, sandbox, search, currency, version, created_at, changed_at, published_at
)
SELECT
    lpad(to_hex(n), 32, '0')::uuid, gen_random_uuid(), gen_random_uuid(), 'Title', '', 'music', '{}', 'Hall',
    'City', 'UTC', now() + interval '1 day', now() + interval '2 days', 'published', false, '', 'EUR', 1,
    now(), now(), now()
FROM generate_series(1, %(events)s) AS n;
INSERT INTO sales (event_id, state, currency, on_sale_at, off_sale_at, seq, head_hash, head_at)
SELECT event_id, 'open', 'EUR', now(), starts_at, 1, decode(repeat('00', 32), 'hex'), now() FROM events;
INSERT INTO ticket_types (
    event_id, ticket_type_id, name, description, position, price_minor, per_booking_max, pool_ids, retired
)
SELECT event_id, event_id, 'Type', '', 1, 1000, 10, ARRAY[event_id], false FROM events;
INSERT INTO people (person_id, email, name, role, version, created_at)
SELECT
    md5('person' || n)::uuid, 'buyer' || n || '@example.org', 'Buyer ' || n, 'buyer', 1, now()
FROM generate_series(1, 2000) AS n;
INSERT INTO bookings (event_id, booking_id, buyer_id, state, placed_at, confirmed_at, payment)
SELECT
    event_id, md5(event_id::text || n)::uuid, md5('person' || 1 + n %% 2000)::uuid, 'confirmed', now(), now(),
    'none'
FROM
    events
    CROSS JOIN generate_series(1, %(of_large)s) AS n
WHERE n <= %(tickets)s OR event_id = %(large)s;
INSERT INTO tickets (event_id, ticket_id, booking_id, ticket_type_id, price_minor, state, secret)
SELECT event_id, booking_id, booking_id, event_id, 1000, 'valid', decode(repeat('00', 10), 'hex')
FROM bookings;
INSERT INTO attendee_names (event_id, ticket_id, buyer_id, name, version, named_at)
SELECT event_id, booking_id, buyer_id, 'Guest', 1, now() FROM bookings WHERE booking_id::text < '8';
"""


async def test_a_page_of_many_attendees_reads_little(db: Database, database_url: str) -> None:
    sizes = {"events": EVENTS, "tickets": TICKETS, "of_large": OF_LARGE, "large": LARGE}
    with psycopg.connect(database_url, autocommit=True) as connection:
        for statement in _SEED.split(";\n"):
            if statement.strip():
                connection.execute(statement.encode(), sizes)
        connection.execute("VACUUM ANALYZE")
    text, *values = sql.list_attendees(event_id=LARGE, after=None, named=None, limit=51)
    async with db.snapshot() as snapshot:
        plan = json.loads(await snapshot.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}", *values))
    touched = plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"]
    assert plan[0]["Plan"]["Actual Rows"] == 51
    assert touched <= PAGES_MAX
