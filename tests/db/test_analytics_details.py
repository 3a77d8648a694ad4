"""One event's money, conversion, waitlist, ticket types and seats, beside what was done with it."""

from __future__ import annotations

import itertools
from importlib.resources import files
from uuid import UUID

import msgspec

from evently import analytics, sales
from evently.analytics import Range, Revenue, Scope, details
from evently.db import Database
from evently.sales import Happened
from tests.db.test_audit_extras import bustle, till
from tests.till import Till

__all__ = ["till"]


async def journal_of(db: Database, event_id: UUID) -> list[Happened]:
    rows = await db.fetch("SELECT seq, at, facts FROM journal WHERE event_id = $1 ORDER BY seq", event_id)
    return [Happened(event_id, row["seq"], row["at"], sales.decode_facts(row["facts"])) for row in rows]


async def count(db: Database, *parts: list[Happened]) -> None:
    for part in parts:
        async with db.transaction() as tx:
            await analytics.count(tx, part)


async def test_what_a_busy_event_adds_up_to(db: Database, till: Till) -> None:
    event_id = await bustle(till)
    (money,) = await details.read_money(db, event_id)
    left = money.gross_minor - money.struck_minor - money.refunded_minor - money.tax_minor - money.fees_minor
    assert left == money.net_minor > 0
    paid = await db.fetch_value("SELECT sum(paid_minor)::bigint FROM bookings WHERE captured_at IS NOT NULL")
    decided = await db.fetch_value("SELECT sum(amount_minor)::bigint FROM refunds")
    settled = await db.fetch_value("SELECT sum(amount_minor)::bigint FROM refunds WHERE settled_at IS NOT NULL")
    assert (money.gross_minor, money.captured_minor, money.uncaptured_minor, money.at_door_minor) == (paid, paid, 0, 0)
    assert (money.refunded_minor, money.settled_minor) == (decided, settled)
    assert money.discount_minor > 0
    conversion = await details.read_conversion(db, event_id)
    assert (conversion.at_once.placed, conversion.holds.placed, conversion.holds.confirmed, conversion.holds.held) == (0, 3, 2, 1)
    assert (conversion.offers.placed, conversion.offers.confirmed) == (1, 1)
    waiting = {line.name: line for line in await details.read_waiting(db, event_id)}
    regular = waiting["Regular"]
    assert (regular.joined, regular.waiting, regular.waiting_units, regular.fulfilled, regular.set_aside) == (3, 2, 5, 1, 1)
    types = await details.read_ticket_types(db, event_id)
    assert {each.name: each.sums.sold for each in types.ticket_types} == {"Regular": 3, "Seat": 2}
    assert {name: sums.sold for name, sums in types.sections.items() if sums.sold} == {"stalls": 2}
    seats = await details.read_seat_prices(db, event_id)
    assert [seats.states.count(state) for state in range(5)] == [11, 2, 2, 1, 3]
    assert sum(price is not None for price in seats.prices_minor) == 2


async def test_the_roll_ups_are_the_ledger(db: Database, till: Till) -> None:
    """However the journal is delivered, and over whatever range: what was posted is summed up once, where it happened."""
    event_id = await bustle(till)
    journal = await journal_of(db, event_id)
    await count(db, journal[:7], journal[3:9], journal)
    (money,) = await details.read_money(db, event_id)
    posted = Revenue(money.gross_minor, money.struck_minor, money.refunded_minor, money.tax_minor, money.fees_minor)
    assert 0 not in (posted.gross_minor, posted.refunded_minor, posted.tax_minor, posted.fees_minor)
    assert posted.net_minor() == money.net_minor
    for scope in (Scope(event_id=event_id), Scope(organizer_id=till.venue.organizer_id), Scope()):
        (whole,) = (await analytics.read_report(db, scope, Range())).amounts
        assert whole.revenue == posted
        for quarter_at in {analytics.quarter_of(row.at) for row in journal}:
            parts = [await analytics.read_report(db, scope, asked) for asked in (Range(None, quarter_at), Range(quarter_at, None))]
            halves = [msgspec.structs.astuple(amounts.revenue) for part in parts for amounts in part.amounts]
            assert Revenue(*[sum(each) for each in zip(*halves, strict=True)]) == posted
    (ranked,) = (await analytics.list_most_booked(db, None, Range(), 10, None)).data
    assert ranked.amounts.revenue == posted


async def test_what_was_counted_before_there_was_revenue_is_summed_up(db: Database, till: Till) -> None:
    """By the revision that adds it: as far as the relay had come, and not a row further."""
    event_id = await bustle(till)
    journal = await journal_of(db, event_id)
    await count(db, journal)
    read = "SELECT * FROM event_quarters ORDER BY quarter_at", "SELECT * FROM event_totals"
    expected = [[dict(row) for row in await db.fetch(query)] for query in read]
    async with db.transaction() as tx:
        await tx.execute("DELETE FROM event_quarters; DELETE FROM event_totals")
    await count(db, journal[:8])
    async with db.transaction() as tx:
        for table, name in itertools.product(("event_totals", "event_quarters"), Revenue.__struct_fields__):
            await tx.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
        await tx.execute(files("evently.db.migrations.versions").joinpath("0009_revenue.sql").read_text(encoding="utf-8"))
    await count(db, journal)
    assert [[dict(row) for row in await db.fetch(query)] for query in read] == expected
