"""Details of one event: money, conversion, waitlist, ticket types and seats, compared with its history."""

from __future__ import annotations

import itertools
import random
from datetime import timedelta
from importlib.resources import files
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from evently import analytics, sales
from evently.analytics import Range, Revenue, Scope, details, slots_of
from evently.analytics.export import export_bookings
from evently.catalogue import Event
from evently.db import Database
from evently.kit.ids import new_id
from evently.kit.money import Money
from evently.organizing import Tax
from evently.sales.commands.bookings import (
    BookingLine,
    OutsideRefund,
    PlaceBooking,
    RecordOutsideRefunds,
    RecordRefund,
)
from evently.sales.commands.sale_terms import PutPromoCode, WakeSale
from evently.sales.outbox import JournalFacts
from evently.sales.terms import Conditions, Fees, PromoTerms, RefundWindow
from tests.db.test_audit_extras import bustle, desk, pay
from tests.support.catalogue import sale_terms
from tests.support.sales_desk import SalesDesk, booking

__all__ = ["desk"]


async def journal_of(db: Database, event_id: UUID) -> list[JournalFacts]:
    rows = await db.fetch("SELECT seq, at, facts FROM journal WHERE event_id = $1 ORDER BY seq", event_id)
    return [
        JournalFacts(event_id, row["seq"], row["at"], sales.facts.decode_facts(row["facts"])) for row in rows
    ]


async def count(db: Database, *parts: list[JournalFacts]) -> None:
    for part in parts:
        async with db.transaction() as tx:
            await analytics.count(tx, part)


async def test_what_a_busy_event_adds_up_to(db: Database, desk: SalesDesk) -> None:
    event_id = await bustle(desk)
    (money,) = await details.read_money(db, event_id)
    left = money.gross_minor - money.struck_minor - money.refunded_minor - money.tax_minor - money.fees_minor
    assert left == money.net_minor > 0
    paid = await db.fetch_value("SELECT sum(paid_minor)::bigint FROM bookings WHERE captured_at IS NOT NULL")
    decided = await db.fetch_value("SELECT sum(amount_minor)::bigint FROM refunds")
    settled = await db.fetch_value(
        "SELECT sum(amount_minor)::bigint FROM refunds WHERE settled_at IS NOT NULL"
    )
    assert (money.gross_minor, money.captured_minor, money.uncaptured_minor, money.at_door_minor) == (
        paid,
        paid,
        0,
        0,
    )
    outside = await db.fetch_value("SELECT sum(outside_minor)::bigint FROM bookings")
    assert (money.refunded_minor, money.settled_minor) == (decided + outside, settled + outside)
    assert money.discount_minor > 0
    conversion = await details.read_conversion(db, event_id)
    assert (
        conversion.at_once.placed,
        conversion.holds.placed,
        conversion.holds.confirmed,
        conversion.holds.held,
    ) == (0, 4, 2, 1)
    assert (conversion.offers.placed, conversion.offers.confirmed) == (1, 1)
    waiting = {line.name: line for line in await details.read_waitlists(db, event_id)}
    regular = waiting["Regular"]
    assert (regular.joined, regular.waiting, regular.waiting_units, regular.fulfilled, regular.set_aside) == (
        3,
        2,
        5,
        1,
        1,
    )
    types = await details.read_ticket_types(db, event_id)
    assert {each.name: each.sums.sold for each in types.ticket_types} == {"Regular": 3, "Seat": 2}
    assert {name: sums.sold for name, sums in types.sections.items() if sums.sold} == {"stalls": 2}
    seats = await details.read_seat_prices(db, event_id)
    assert [seats.states.count(state) for state in range(5)] == [9, 2, 2, 3, 3]
    assert sum(price is not None for price in seats.prices_minor) == 2


async def test_the_roll_ups_are_the_ledger(db: Database, desk: SalesDesk) -> None:
    """Each posting is summed once, in its quarter, however the journal is delivered and for every range."""
    event_id = await bustle(desk)
    journal = await journal_of(db, event_id)
    await count(db, journal[:7], journal[3:9], journal)
    (money,) = await details.read_money(db, event_id)
    posted = Revenue(
        money.gross_minor, money.struck_minor, money.refunded_minor, money.tax_minor, money.fees_minor
    )
    assert 0 not in (posted.gross_minor, posted.refunded_minor, posted.tax_minor, posted.fees_minor)
    assert posted.net_minor() == money.net_minor
    for scope in (Scope(event_id=event_id), Scope(organizer_id=desk.venue.organizer_id), Scope()):
        (whole,) = (await analytics.read_report(db, scope, Range())).amounts
        assert whole.revenue == posted
        for quarter_at in {analytics.quarter_of(row.at) for row in journal}:
            parts = [
                await analytics.read_report(db, scope, asked)
                for asked in (Range(None, quarter_at), Range(quarter_at, None))
            ]
            halves = [msgspec.structs.astuple(amounts.revenue) for part in parts for amounts in part.amounts]
            assert Revenue(*[sum(each) for each in zip(*halves, strict=True)]) == posted
    (ranked,) = (await analytics.list_most_booked(db, None, Range(), 10, None)).data
    assert ranked.amounts.revenue == posted


async def test_what_was_counted_before_there_was_revenue_is_summed_up(db: Database, desk: SalesDesk) -> None:
    """The revision that adds revenue counts the rows that the relay has counted, and no further row."""
    event_id = await bustle(desk)
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
        await tx.execute(
            files("evently.db.migrations.versions").joinpath("0009_revenue.sql").read_text(encoding="utf-8")
        )
    await count(db, journal)
    assert [[dict(row) for row in await db.fetch(query)] for query in read] == expected


async def test_the_export_has_what_others_paid_back(db: Database, desk: SalesDesk) -> None:
    starts_at = desk.clock() + timedelta(days=30)
    terms = msgspec.structs.replace(sale_terms(capacity=10), conditions=Conditions("online"))
    event = await desk.event(terms, starts_at=starts_at, ends_at=starts_at + timedelta(hours=3))
    line = BookingLine(next(iter((await desk.types(event)).values())), 2)
    held = booking(await desk.engine.submit(PlaceBooking(event.event_id, new_id(), (line,))))
    bought = await pay(desk, held)
    assert bought.payment_id is not None
    await desk.cancel(bought, bought.tickets[0].ticket_id)
    await desk.engine.submit(
        RecordOutsideRefunds(
            event.event_id, held.booking_id, bought.payment_id, (OutsideRefund("refund", "re_1", 300),), 0
        )
    )
    ((row,),) = [rows async for rows in export_bookings(db, event.event_id)]
    assert (row.tickets, row.paid_minor, row.refunded_minor) == (1, 5_000, 2_800)


SOLD = (  # everything that decides what a ticket costs, and what comes back of it
    (
        Conditions("online", fees=Fees(100, 500), refund_windows=(RefundWindow(0, 5_000),), fee_kept=True),
        1_900,
        True,
    ),
    (
        Conditions("online", fees=Fees(30, 250, "organizer"), refund_windows=(RefundWindow(0, 10_000),)),
        700,
        False,
    ),
    (Conditions("door", fees=Fees(0, 333)), 1_111, False),
)


async def deal(desk: SalesDesk, event: Event, draw: random.Random) -> None:
    """Run one buyer, who pays or forgets, and perhaps returns some tickets, or all."""
    line = BookingLine(next(iter((await desk.types(event)).values())), draw.randint(1, 3))
    code = draw.choice((None, "TENTH"))
    held = booking(await desk.engine.submit(PlaceBooking(event.event_id, new_id(), (line,), promo_code=code)))
    desk.clock.move(minutes=draw.randint(0, 9))
    if held.state == "held" and draw.random() < 0.3:
        desk.clock.move(minutes=11)
        await desk.engine.submit(WakeSale(event.event_id))
        return
    bought = await pay(desk, held) if held.state == "held" else held
    if draw.random() < 0.5:
        await desk.cancel(bought, *[ticket.ticket_id for ticket in bought.tickets[: draw.randint(0, 1)]])
    for refund in await sales.reads.list_refunds(desk.db, event.event_id, bought.booking_id):
        if draw.random() < 0.5:
            await desk.engine.submit(RecordRefund(event.event_id, bought.booking_id, refund.refund_id))


async def test_whatever_was_sold_and_however_it_is_delivered_the_sums_are_the_ledgers(
    db: Database, desk: SalesDesk
) -> None:
    draw, began = random.Random(7), desk.clock()
    events = []
    for conditions, basis_points, included in SOLD:
        starts_at = desk.clock() + timedelta(days=30)
        terms = sale_terms(capacity=200, price=Money(1_999, "EUR"), tax=Tax(basis_points, included))
        terms = msgspec.structs.replace(terms, conditions=conditions)
        events.append(await desk.event(terms, starts_at=starts_at, ends_at=starts_at + timedelta(hours=3)))
        await desk.change(PutPromoCode(events[-1].event_id, PromoTerms(new_id(), "TENTH", "percent", 1_000)))
    journals: dict[UUID, list[JournalFacts]] = {}
    for _ in range(4):
        for event in draw.choices(events, k=12):
            await deal(desk, event, draw)
        journals = {event.event_id: await journal_of(db, event.event_id) for event in events}
        await count(db, *[journal[: draw.randint(0, len(journal))] for journal in journals.values()])
    await count(db, list(itertools.chain(*journals.values())))
    posted = {}
    for event in events:
        (money,) = await details.read_money(db, event.event_id)
        posted[event.event_id] = (
            money.gross_minor,
            money.struck_minor,
            money.refunded_minor,
            money.tax_minor,
            money.fees_minor,
        )
        (amounts,) = (await analytics.read_report(db, Scope(event_id=event.event_id), Range())).amounts
        assert (msgspec.structs.astuple(amounts.revenue), amounts.revenue.net_minor()) == (
            posted[event.event_id],
            money.net_minor,
        )
    whole = tuple(sum(each) for each in zip(*posted.values(), strict=True))
    assert 0 not in whole
    slots = slots_of(began, desk.clock(), ZoneInfo("UTC"), "hour")
    for scope in (Scope(organizer_id=desk.venue.organizer_id), Scope()):
        (amounts,) = (await analytics.read_report(db, scope, Range())).amounts
        assert msgspec.structs.astuple(amounts.revenue) == whole
        points = [
            each.revenue for point in await analytics.read_series(db, scope, slots) for each in point.amounts
        ]
        assert len(points) > 3
        assert tuple(sum(each) for each in zip(*map(msgspec.structs.astuple, points), strict=True)) == whole
