"""Sums: each fact is counted once, and reports agree with the rows of bookings and tickets."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest
import pytest_asyncio

from evently import analytics, sales
from evently.analytics import Capacity, CurrencyTotals, OutOfOrder, Range, Revenue, Scope, Sums
from evently.analytics.export import ROWS_READ, ExportedBooking, export_bookings
from evently.analytics.sources import OTHER, SOURCES_MAX
from evently.catalogue import Event
from evently.db import Database
from evently.kit.errors import Invalid
from evently.kit.ids import new_id
from evently.kit.money import Money
from evently.organizing import NewTicketType, SaleTerms
from evently.sales import carry_out
from evently.sales.commands.sale_terms import CancelSale, WakeSale
from evently.sales.facts import (
    BookingCancelled,
    BookingConfirmed,
    BookingHeld,
    Fact,
    HoldConfirmed,
    HoldExpired,
    SaleOpened,
    TicketsCancelled,
)
from evently.sales.outbox import JournalFacts
from tests.support.accounts import MovableClock, make_person
from tests.support.catalogue import (
    NOW,
    make_event,
    make_organizer,
    make_venue,
    sale_terms,
    until_somebody_waits,
)
from tests.support.sales_desk import SalesDesk, open_sales_desk

ALWAYS = Range()
SOME_ID = new_id()


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    async with open_sales_desk(db) as opened:
        yield opened


async def journal(db: Database, *events: Event) -> list[JournalFacts]:
    rows = await db.fetch(
        "SELECT event_id, seq, at, facts FROM journal WHERE event_id = ANY($1) ORDER BY at, event_id, seq",
        [e.event_id for e in events],
    )
    return [
        JournalFacts(row["event_id"], row["seq"], row["at"], sales.facts.decode_facts(row["facts"]))
        for row in rows
    ]


async def count(db: Database, rows: Sequence[JournalFacts]) -> None:
    async with db.transaction() as tx:
        await analytics.count(tx, rows)


async def count_all(db: Database, *events: Event) -> None:
    await count(db, await journal(db, *events))


async def report(db: Database, event: Event, asked: Range = ALWAYS) -> Sums:
    found = await analytics.read_report(db, Scope(event_id=event.event_id), asked)
    (amounts,) = found.amounts
    return amounts.sums


# Counting ---------------------------------------------------------------------------------------------------


def tickets(*prices: int) -> tuple[tuple[UUID, UUID, int], ...]:
    return tuple((new_id(), new_id(), price) for price in prices)


@pytest.mark.parametrize(
    ("fact", "counts"),
    [
        (
            BookingConfirmed(SOME_ID, SOME_ID, tickets(100, 250)),
            Sums(bookings=1, tickets=2, amount_minor=350),
        ),
        (HoldConfirmed(SOME_ID, tickets(100)), Sums(bookings=1, tickets=1, amount_minor=100)),
        (
            BookingCancelled(SOME_ID, "confirmed", tickets(100)),
            Sums(cancelled_bookings=1, cancelled_tickets=1, cancelled_minor=100),
        ),
        (
            TicketsCancelled(SOME_ID, "confirmed", tickets(100, 1)),
            Sums(cancelled_tickets=2, cancelled_minor=101),
        ),
        (BookingCancelled(SOME_ID, "held", tickets(100)), Sums()),
        (TicketsCancelled(SOME_ID, "held", tickets(100)), Sums()),
        (BookingHeld(SOME_ID, SOME_ID, NOW, tickets(100)), Sums()),
        (HoldExpired(SOME_ID, tickets(100)), Sums()),
        (SaleOpened(), Sums()),
    ],
    ids=lambda value: type(value).__name__ + (f" {value.was}" if hasattr(value, "was") else ""),
)
async def test_what_counts(db: Database, desk: SalesDesk, fact: Fact, counts: Sums) -> None:
    event = await desk.event()
    at = NOW + timedelta(minutes=22, seconds=30)
    await count(db, [JournalFacts(event.event_id, 1, at, [fact])])
    assert await report(db, event) == counts
    quarter = NOW + timedelta(minutes=15)
    assert await report(db, event, Range(quarter, quarter + timedelta(minutes=15))) == counts
    assert await report(db, event, Range(None, quarter)) == Sums()
    assert await report(db, event, Range(quarter + timedelta(minutes=15), None)) == Sums()


async def trade(desk: SalesDesk, event: Event) -> None:
    await desk.book(event, 2, hold_seconds=60)
    desk.clock.move(minutes=16)
    await desk.engine.submit(WakeSale(event.event_id))
    whole, part = await desk.book(event, 2), await desk.book(event, 5)
    await desk.confirm(await desk.book(event, 3, hold_seconds=60))
    desk.clock.move(minutes=20)
    await desk.cancel(whole)
    await desk.cancel(part, *[ticket.ticket_id for ticket in part.tickets[:2]])


TRADED = Sums(3, 10, 25_000, 1, 4, 10_000)
EARNED = Revenue(25_000, 10_000)  # paid at the door: what was cancelled was never paid


@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_rows_count_once_however_they_are_delivered(db: Database, desk: SalesDesk, size: int) -> None:
    """The rows come in parts; each part comes twice and overlaps the one before."""
    event, other = await desk.event(), await desk.event()
    await trade(desk, event)
    await desk.book(other)
    rows = await journal(db, event, other)
    for start in range(0, len(rows), size):
        await count(db, rows[max(0, start - size) : start + size])
        await count(db, rows[: start + size])
    assert await report(db, event) == TRADED
    assert await report(db, event, Range(NOW - timedelta(days=1), NOW + timedelta(days=1))) == TRADED
    assert await report(db, other) == Sums(bookings=1, tickets=1, amount_minor=2_500)


async def test_a_missing_row_is_not_skipped(db: Database, desk: SalesDesk) -> None:
    event = await desk.event()
    await trade(desk, event)
    rows = await journal(db, event)
    for gap in ([*rows[:2], *rows[3:]], rows[1:], [rows[1], rows[0]]):
        with pytest.raises(OutOfOrder):
            await count(db, gap)
    assert await report(db, event) == Sums()
    await count(db, rows)
    assert await report(db, event) == TRADED


async def test_what_is_rolled_back_was_not_counted(db: Database, desk: SalesDesk) -> None:
    event = await desk.event()
    await trade(desk, event)
    rows = await journal(db, event)
    connection = await db.connect()
    try:
        transaction = connection.transaction()
        await transaction.start()
        await analytics.count(connection, rows)
        await transaction.rollback()
    finally:
        await connection.close()
    assert await report(db, event) == Sums()
    await count(db, rows)
    assert await report(db, event) == TRADED


@pytest.mark.parametrize(
    "counted_before", [0, 3], ids=["an event that nobody has counted", "an event that was counted before"]
)
async def test_two_relays_that_count_the_same_rows_at_once_count_them_once(
    db: Database, desk: SalesDesk, counted_before: int
) -> None:
    event = await desk.event()
    await trade(desk, event)
    rows = await journal(db, event)
    if counted_before:
        await count(db, rows[:counted_before])
    async with db.transaction() as first:
        await analytics.count(first, rows)
        second = asyncio.create_task(count(db, rows))
        await until_somebody_waits(db)
    await second
    assert await report(db, event) == TRADED
    assert await report(db, event, Range(NOW - timedelta(days=1), None)) == TRADED


async def conversions(db: Database, event: Event) -> tuple[int, ...]:
    row = await db.fetch_row(
        "SELECT holds, confirmed, expired, cancelled FROM event_conversions WHERE event_id = $1",
        event.event_id,
    )
    return () if row is None else tuple(row.values())


async def test_holds_are_counted_by_what_became_of_them(db: Database, desk: SalesDesk) -> None:
    event = await desk.event()
    await count_all(db, event)
    assert await conversions(db, event) == ()
    held = [await desk.book(event, 2, hold_seconds=60) for _ in range(4)]
    await desk.book(event, 3)
    await count_all(db, event)
    assert await conversions(db, event) == (4, 0, 0, 0)
    confirmed = await desk.confirm(held[0])
    await desk.cancel(held[1])
    desk.clock.move(minutes=2)
    await desk.engine.submit(WakeSale(event.event_id))
    await desk.book(event, 1, hold_seconds=60)
    await count_all(db, event)
    assert await conversions(db, event) == (5, 1, 2, 1)
    await desk.cancel(confirmed)
    await count_all(db, event)
    assert await conversions(db, event) == (5, 1, 2, 1), "it was confirmed, whatever came later"


async def test_tickets_are_counted_by_minute_and_old_minutes_are_forgotten(
    db: Database, desk: SalesDesk
) -> None:
    event = await desk.event()
    for units in (2, 3):
        await desk.book(event, units)
        desk.clock.move(seconds=61)
    await desk.book(event, 4)
    await count_all(db, event)
    query = "SELECT minute_at, tickets FROM event_minutes WHERE event_id = $1 ORDER BY minute_at"
    minutes = [tuple(row.values()) for row in await db.fetch(query, event.event_id)]
    assert minutes == [(NOW + timedelta(minutes=number), number + 2) for number in range(3)]
    await analytics.forget_minutes(db, NOW + timedelta(days=3, minutes=2))
    assert [tuple(row.values()) for row in await db.fetch(query, event.event_id)] == minutes[2:]


async def sources(db: Database, event: Event) -> dict[str, tuple[int, ...]]:
    found = await analytics.list_sources(db, event.event_id)
    return {each.via: msgspec.structs.astuple(each.sums) for each in found}


async def test_bookings_are_counted_by_source(db: Database, desk: SalesDesk) -> None:
    event = await desk.event()
    await desk.book(event, 5)
    held = await desk.book(event, 2, hold_seconds=60, via="poster")
    await desk.book(event, 1, hold_seconds=60, via="poster")
    booked = await desk.book(event, 3, via="radio-eins")
    await count_all(db, event)
    assert await sources(db, event) == {
        "radio-eins": (1, 1, 3, 7_500, 0, 0, 0),
        "poster": (2, 0, 0, 0, 0, 0, 0),
    }
    await desk.confirm(held)
    await desk.cancel(booked, booked.tickets[0].ticket_id)
    await count_all(db, event)
    await desk.cancel(booked)
    await count_all(db, event)
    assert await sources(db, event) == {
        "poster": (2, 1, 2, 5_000, 0, 0, 0),
        "radio-eins": (1, 1, 3, 7_500, 1, 3, 7_500),
    }


async def test_made_up_sources_are_counted_together(db: Database, desk: SalesDesk) -> None:
    event = await desk.event()
    for number in range(SOURCES_MAX + 5):
        await desk.book(event, 1, via=f"link-{number}")
        if number % 40 == 0:
            await count_all(db, event)
    await desk.book(event, 1, via="link-3")
    await count_all(db, event)
    found = await sources(db, event)
    assert len(found) == SOURCES_MAX + 1
    assert found[OTHER][:3] == (5, 5, 5)
    assert found["link-3"][:3] == (2, 2, 2)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("Poster", "poster"),
        (" radio-eins.de ", "radio-eins.de"),
        ("a" * 40, "a" * 40),
        ("a" * 41, ""),
        ("(other)", ""),
        ("<script>", ""),
        ("tim@example.org", ""),
        ("", ""),
        ("-x", ""),
        ("\u017ft", ""),
    ],
)
def test_what_a_source_is(text: str, source: str) -> None:
    assert analytics.read_source(text) == source


async def test_many_events_in_one_delivery(db: Database, desk: SalesDesk) -> None:
    events = [await desk.event() for _ in range(20)]
    for event in events:
        await desk.book_many(event, 5, 2)
    await count_all(db, *events)
    for event in events:
        assert await report(db, event) == Sums(bookings=5, tickets=10, amount_minor=25_000)


# Reading ----------------------------------------------------------------------------------------------------


def test_no_report_reads_a_booking() -> None:
    text = files("evently.analytics").joinpath("reading.sql").read_text(encoding="utf-8")
    read = set(re.findall(r"(?:FROM|JOIN)\s+([a-z_]+)", text))
    assert read == {"events", "sales", "pools", "event_totals", "event_quarters", "event_minutes"}


async def test_the_report_of_an_event(db: Database, desk: SalesDesk) -> None:
    event = await desk.event(sale_terms(capacity=40))
    await trade(desk, event)
    await desk.book(event, 4, hold_seconds=60)
    scope = Scope(event_id=event.event_id)
    before = await analytics.read_report(db, scope, ALWAYS)
    assert (before.amounts, before.rows_behind) == (
        [CurrencyTotals("EUR", Sums())],
        len(await journal(db, event)),
    )
    await count_all(db, event)
    after = await analytics.read_report(db, scope, ALWAYS)
    assert (after.events, after.amounts, after.rows_behind) == (1, [CurrencyTotals("EUR", TRADED, EARNED)], 0)
    assert after.capacity == Capacity(capacity=40, held=4, sold=6, set_aside=0)


async def test_drafts_and_sandbox_events_count_for_themselves_alone(db: Database, desk: SalesDesk) -> None:
    shown, sandbox = await desk.event(sale_terms(capacity=40)), await desk.event(sale_terms(capacity=70))
    draft = await make_event(db, desk.venue, sale_terms(capacity=90), publish=False)
    async with db.transaction() as tx:
        await tx.execute("UPDATE events SET sandbox = true WHERE event_id = $1", sandbox.event_id)
    for event in (shown, sandbox):
        await trade(desk, event)
    await count_all(db, shown, sandbox)
    for scope in (Scope(organizer_id=desk.venue.organizer_id), Scope()):
        found = await analytics.read_report(db, scope, ALWAYS)
        assert (found.events, found.amounts, found.rows_behind) == (
            1,
            [CurrencyTotals("EUR", TRADED, EARNED)],
            0,
        )
        assert found.capacity == Capacity(40, 0, 6, 0)
        assert (await analytics.read_report(db, scope, Range(NOW, None))).amounts == [
            CurrencyTotals("EUR", TRADED, EARNED)
        ]
        slots = analytics.slots_of(NOW, NOW + timedelta(days=1), ZoneInfo("UTC"), "day")
        assert [point.amounts for point in await analytics.read_series(db, scope, slots)] == [
            [CurrencyTotals("EUR", TRADED, EARNED)],
            [],
        ]
        page = await analytics.list_most_booked(db, scope.organizer_id, ALWAYS, 10, None)
        assert [event.event_id for event in page.data] == [shown.event_id]
    assert await report(db, sandbox) == TRADED
    own = await analytics.read_report(db, Scope(event_id=draft.event_id), ALWAYS)
    assert (own.amounts, own.capacity.capacity) == ([CurrencyTotals("EUR", Sums())], 90)


async def test_a_cancelled_event_has_no_places(db: Database, desk: SalesDesk) -> None:
    event, cancelled = await desk.event(sale_terms(capacity=40)), await desk.event(sale_terms(capacity=70))
    async with db.transaction() as tx:
        await carry_out(tx, CancelSale(cancelled.event_id), NOW)
    found = await analytics.read_report(db, Scope(organizer_id=event.organizer_id), ALWAYS)
    assert (found.events, found.capacity.capacity) == (2, 40)


async def test_currencies_are_never_mixed_and_organizers_see_their_own(db: Database, desk: SalesDesk) -> None:
    yen = SaleTerms(
        currency="JPY", capacity=100, ticket_types=(NewTicketType(name="Regular", price=Money(3000, "JPY")),)
    )
    euros, yens = await desk.event(), await desk.event(yen)
    foreign = await make_event(db, await make_venue(db, await make_organizer(db, "Elsewhere")))
    for event, units in ((euros, 1), (yens, 2), (foreign, 4)):
        await desk.book(event, units)
    await count_all(db, euros, yens, foreign)
    own = await analytics.read_report(db, Scope(organizer_id=desk.venue.organizer_id), ALWAYS)
    assert own.amounts == [
        CurrencyTotals("EUR", Sums(1, 1, 2_500), Revenue(2_500)),
        CurrencyTotals("JPY", Sums(1, 2, 6_000), Revenue(6_000)),
    ]
    everybodys = await analytics.read_report(db, Scope(), Range(NOW, NOW + timedelta(minutes=15)))
    assert everybodys.amounts == [
        CurrencyTotals("EUR", Sums(2, 5, 12_500), Revenue(12_500)),
        CurrencyTotals("JPY", Sums(1, 2, 6_000), Revenue(6_000)),
    ]
    assert (await analytics.read_report(db, Scope(organizer_id=new_id()), ALWAYS)).amounts == []


async def book_at(desk: SalesDesk, event: Event, *instants: str) -> None:
    """Book one unit at each of these instants, in their order."""
    for text in instants:
        desk.clock.now = datetime.fromisoformat(text).astimezone(UTC)
        await desk.book(event)


@pytest.mark.parametrize(
    ("zone", "granularity", "instants", "expected"),
    [
        (
            "Asia/Kathmandu",
            "day",
            [
                "2026-06-02T23:59:59+05:45",
                "2026-06-03T00:00:00+05:45",
                "2026-06-03T23:59:59+05:45",
                "2026-06-04T00:00:00+05:45",
            ],
            {"2026-06-02T00:00:00+05:45": 1, "2026-06-03T00:00:00+05:45": 2, "2026-06-04T00:00:00+05:45": 1},
        ),
        (
            "Asia/Kathmandu",
            "hour",
            ["2026-06-02T17:14:59+00:00", "2026-06-02T17:15:00+00:00", "2026-06-02T18:14:59+00:00"],
            {"2026-06-02T22:00:00+05:45": 1, "2026-06-02T23:00:00+05:45": 2},
        ),
        (
            "America/New_York",
            "day",
            [
                "2026-10-31T23:59:59-04:00",
                "2026-11-01T00:00:00-04:00",
                "2026-11-01T23:59:59-05:00",
                "2026-11-02T00:00:00-05:00",
            ],
            {"2026-10-31T00:00:00-04:00": 1, "2026-11-01T00:00:00-04:00": 2, "2026-11-02T00:00:00-05:00": 1},
        ),
        (
            "America/New_York",
            "hour",
            ["2026-11-01T01:59:59-04:00", "2026-11-01T01:00:00-05:00", "2026-11-01T02:00:00-05:00"],
            {"2026-11-01T01:00:00-04:00": 1, "2026-11-01T01:00:00-05:00": 1, "2026-11-01T02:00:00-05:00": 1},
        ),
        (
            "America/New_York",
            "hour",
            ["2027-03-14T01:59:59-05:00", "2027-03-14T03:00:00-04:00"],
            {"2027-03-14T01:00:00-05:00": 1, "2027-03-14T03:00:00-04:00": 1},
        ),
    ],
)
async def test_a_series_by_the_clock_on_the_wall(
    db: Database,
    desk: SalesDesk,
    zone: str,
    granularity: analytics.Granularity,
    instants: list[str],
    expected: dict[str, int],
) -> None:
    starts_at = NOW + timedelta(days=600)
    event = await desk.event(starts_at=starts_at, ends_at=starts_at + timedelta(hours=1))
    await book_at(desk, event, *instants)
    await count_all(db, event)
    first, last = datetime.fromisoformat(instants[0]), datetime.fromisoformat(instants[-1])
    slots = analytics.slots_of(first, last + timedelta(seconds=1), ZoneInfo(zone), granularity)
    points = await analytics.read_series(db, Scope(event_id=event.event_id), slots)
    assert {
        point.slot.local_start.isoformat(): sum(each.sums.bookings for each in point.amounts)
        for point in points
    } == expected


async def test_a_series_has_every_slot_and_the_sum_of_all(db: Database, desk: SalesDesk) -> None:
    event = await desk.event()
    await trade(desk, event)
    await count_all(db, event)
    slots = analytics.slots_of(
        NOW - timedelta(hours=3), NOW + timedelta(hours=3), ZoneInfo("Europe/Berlin"), "hour"
    )
    points = await analytics.read_series(db, Scope(event_id=event.event_id), slots)
    assert [point.slot for point in points] == slots
    sums = [each.sums for point in points for each in point.amounts]
    assert sum(each.tickets for each in sums) == TRADED.tickets
    assert sum(each.cancelled_minor for each in sums) == TRADED.cancelled_minor
    assert await analytics.read_series(db, Scope(event_id=event.event_id), []) == []


async def test_the_most_booked_events_page_by_page(db: Database, desk: SalesDesk) -> None:
    events = [await desk.event() for _ in range(6)]
    for event, units in zip(events, (3, 9, 3, 1, 7, 0), strict=True):
        if units:
            await desk.book(event, units)
    await desk.cancel(await desk.book(events[3], 8))  # does not make it more booked
    await count_all(db, *events)
    expected = [
        events[1],
        events[4],
        events[2],
        events[0],
        events[3],
    ]  # as many tickets: the later event first
    for asked in (ALWAYS, Range(NOW, NOW + timedelta(minutes=15))):
        for organizer_id in (desk.venue.organizer_id, None):
            found, after = [], None
            for _ in range(10):
                page = await analytics.list_most_booked(db, organizer_id, asked, 2, after)
                found += page.data
                if (after := page.next_cursor) is None:
                    break
            assert [event.event_id for event in found] == [event.event_id for event in expected]
            assert found[0].amounts == CurrencyTotals("EUR", Sums(1, 9, 22_500), Revenue(22_500))
            assert found[0].capacity == Capacity(10_000, 0, 9, 0)
            assert (found[0].title, found[0].state) == ("Jazz by night", "published")
    nothing = await analytics.list_most_booked(db, None, Range(NOW + timedelta(days=1), None), 2, None)
    assert nothing.data == []


async def test_a_cursor_of_something_else_is_refused(db: Database) -> None:
    for cursor in ("nonsense", "kgEC", "ksB_"):
        with pytest.raises(Invalid):
            await analytics.list_most_booked(db, None, ALWAYS, 2, cursor)


# The file of bookings ---------------------------------------------------------------------------------------


async def exported(db: Database, event: Event) -> list[ExportedBooking]:
    return [line async for lines in export_bookings(db, event.event_id) for line in lines]


async def test_every_booking_is_exported_once_in_order(db: Database, desk: SalesDesk) -> None:
    event, other = await desk.event(), await desk.event()
    await trade(desk, event)
    await desk.book(other)
    await desk.book_many(event, 2 * ROWS_READ)
    lists = [lines async for lines in export_bookings(db, event.event_id)]
    assert [len(lines) for lines in lists] == [ROWS_READ, ROWS_READ, 4]
    lines = list(itertools.chain.from_iterable(lists))
    assert len({line.booking_id for line in lines}) == len(lines)
    assert [line.booking_id for line in lines] == sorted(line.booking_id for line in lines)
    assert [(line.state, line.tickets, line.amount_minor, line.currency) for line in lines[:4]] == [
        ("expired", 0, 0, "EUR"),
        ("cancelled", 0, 0, "EUR"),
        ("confirmed", 3, 7_500, "EUR"),
        ("confirmed", 3, 7_500, "EUR"),
    ]
    assert await exported(db, await desk.event()) == []


async def test_an_export_shows_one_instant(db: Database, desk: SalesDesk) -> None:
    event = await desk.event()
    await desk.book_many(event, ROWS_READ + 1)
    lists = export_bookings(db, event.event_id)
    assert len(await anext(lists)) == ROWS_READ
    await desk.book_many(event, 10)
    assert [len(lines) async for lines in lists] == [1]


async def test_people_are_named_and_the_erased_are_not(db: Database, desk: SalesDesk) -> None:
    event, clock = await desk.event(), MovableClock()
    known, erased = (
        await make_person(db, "ada@example.org", clock),
        await make_person(db, "gone@example.org", clock),
    )
    for buyer in (known, erased, new_id()):
        await desk.book(event, buyer=buyer)
    async with db.transaction() as tx:
        await tx.execute(
            "UPDATE people SET email = NULL, name = '', erased_at = $2 WHERE person_id = $1", erased, NOW
        )
    lines = await exported(db, event)
    assert [(line.buyer_name, line.buyer_email, line.erased) for line in lines] == [
        ("ada", "ada@example.org", False),
        ("", None, True),
        (None, None, True),
    ]
