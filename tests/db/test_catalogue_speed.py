"""Browsing a big catalogue: whatever is asked, a small part of it is read.

Counted in pages that the database touches, not in time.
"""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from typing import Any, Final

import psycopg
import pytest

from evently.catalogue import EventSearch, Sort, search_for
from evently.catalogue.browse import CANDIDATES_MAX, _start_of, candidates_query, list_currencies, sql
from evently.catalogue.words import tsquery_of
from evently.db import Database
from evently.kit.clock import utc_now
from evently.kit.money import CURRENCIES, Money
from evently.sales.reads import on_sale

PAGES_MAX: Final = 2_000  # the table alone has 2,857

_SEED: Final = """
INSERT INTO events (
    event_id, organizer_id, venue_id, title, description, category, tags, image_url, venue_name, city,
    time_zone, starts_at, ends_at, state, sandbox, search, currency, price_from_minor, version,
    created_at, changed_at, published_at, seated
)
SELECT
    gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'Title', repeat('word ', 150), 'music', '{}',
    NULL, 'Hall', 'City', 'UTC',
    now() + (n - 5000) * interval '30 minutes', now() + (n - 4996) * interval '30 minutes',
    'published', false,
    array_to_tsvector(
        ARRAY['everywhere', 'word' || n % 1000, 'rare' || n, 'city=c' || n % 100, 'category=k' || n % 10,
            '東', '京', CASE WHEN n % 1000 = 0 THEN '東京' ELSE '京都' END, '都東']
    ),
    'EUR', (n * 7919 % 10000)::bigint, 1, now(), now(), now() - n * interval '1 minute',
    n % 200 = 0
FROM generate_series(1, 20000) AS n;
INSERT INTO sales (event_id, state, currency, on_sale_at, off_sale_at, seq, head_hash, head_at)
SELECT
    event_id, 'open', 'EUR', starts_at - interval '300 days', starts_at, 1, decode(repeat('00', 32), 'hex'),
    now()
FROM events;
INSERT INTO pools (event_id, pool_id, name, capacity, held, sold, set_aside)
SELECT event_id, event_id, 'Pool', 10, 0, CASE WHEN version % 5 = 0 THEN 10 ELSE 5 END, 0 FROM events;
INSERT INTO ticket_types (
    event_id, ticket_type_id, name, description, position, price_minor, per_booking_max, pool_ids, retired
)
SELECT event_id, event_id, 'Type', '', 1, price_from_minor, 10, ARRAY[event_id], false FROM events;
"""


@pytest.fixture(scope="module", autouse=True)
def _big_catalogue(shared_database_url: str) -> None:
    with psycopg.connect(shared_database_url, autocommit=True) as connection:
        connection.execute(_SEED)
        connection.execute("VACUUM ANALYZE")


async def pages_touched(db: Database, query: tuple[Any, ...]) -> int:
    async with db.snapshot() as snapshot:
        await snapshot.execute(*sql.plan_for_these_values())
        plan = json.loads(
            await snapshot.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query[0]}", *query[1:])
        )[0]["Plan"]
        return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


WORDS: Final = (
    "",
    "everywhere",
    "every",
    "word7",
    "rare77",
    "nowhere",
    "everywhere word7",
    "東京",
    "京都東",
    "東京 word7",
)
FACETS: Final = ((), (("city", "c7"),), (("category", "k3"), ("city", "c3")))
PRICES: Final = (None, Money(0, "EUR"), Money(5_000, "EUR"), Money(5_000, "USD"))


@pytest.mark.parametrize("sort", [Sort.SOONEST, Sort.LATEST, Sort.NEWEST])
@pytest.mark.parametrize("limit", [21, CANDIDATES_MAX])
async def test_every_combination_reads_little(shared_db: Database, sort: Sort, limit: int) -> None:
    now = utc_now()
    dear: dict[str, int] = {}
    for typed, facets, price, days in itertools.product(WORDS, FACETS, PRICES, (None, 100)):
        ends_after = None if days is None else now + timedelta(days=days)
        wish = EventSearch(search_for(typed, facets), sort, ends_after=ends_after, price_max=price)
        asked = candidates_query(wish, tsquery_of(wish.search), now, _start_of(wish), limit)
        touched = await pages_touched(shared_db, asked)
        if touched > PAGES_MAX:
            dear[f"{typed!r} {facets} {price} {days}"] = touched
    assert dear == {}


@pytest.mark.parametrize("sort", [Sort.SOONEST, Sort.LATEST, Sort.NEWEST])
@pytest.mark.parametrize("seated", [True, False])
async def test_events_with_seats_are_found_by_reading_little(
    shared_db: Database, sort: Sort, *, seated: bool
) -> None:
    now = utc_now()
    for typed, facets, price in itertools.product(("", "everywhere", "word7"), FACETS, PRICES):
        wish = EventSearch(search_for(typed, facets), sort, price_max=price, seated=seated)
        asked = candidates_query(wish, tsquery_of(wish.search), now, _start_of(wish), 21)
        assert await pages_touched(shared_db, asked) <= PAGES_MAX, (typed, facets, price)


async def test_the_currencies_are_found_by_reading_little(shared_db: Database) -> None:
    assert await list_currencies(shared_db) == ["EUR"]
    assert await pages_touched(shared_db, sql.list_currencies(currencies=list(CURRENCIES))) <= 1_000


async def test_the_sales_of_few_events_are_read(shared_db: Database) -> None:
    rows = await shared_db.fetch("SELECT event_id FROM events LIMIT $1", CANDIDATES_MAX)
    touched = await pages_touched(
        shared_db,
        on_sale.sql.list_public_types(now=utc_now(), event_ids=[row["event_id"] for row in rows]),
    )
    assert touched < 20 * CANDIDATES_MAX
