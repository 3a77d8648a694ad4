"""Background work: due holds expire, waitlists open, the bookings of a cancelled event are cancelled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest_asyncio
from msgspec.structs import replace

from evently import reactions
from evently.accounts import Accounts, TokenOptions
from evently.catalogue import Event
from evently.checkout import Checkout
from evently.db import Database, DatabaseOptions
from evently.kit.clock import utc_now
from evently.kit.ids import new_id
from evently.reactions import EFFECTS, Services
from evently.reactions.relay import IDLE_SECONDS, Relay
from evently.reactions.tasks import (
    cancel_bookings,
    notify_buyers,
    notify_buyers_later,
    release_due,
    serve_waitlists,
)
from evently.sales import Engine, EngineOptions
from evently.sales.commands.bookings import BookingLine, PlaceBooking
from evently.sales.commands.sale_terms import CancelSale, ChangeSale, PutTicketType, RescheduleEvent
from evently.sales.commands.waitlist import JoinWaitlist
from evently.sales.facts import SaleCancelled
from evently.sales.outbox import JournalFacts
from evently.sales.outcomes import Booked
from evently.sales.reads import find_sale, list_sale_summaries
from tests.support.catalogue import sale_terms
from tests.support.mail import make_mail
from tests.support.push import make_push
from tests.support.sales_desk import SalesDesk, open_sales_desk, until
from tests.support.webhooks import make_webhooks


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    async with open_sales_desk(db) as opened:
        yield opened


@asynccontextmanager
async def running(desk: SalesDesk, url: str) -> AsyncIterator[None]:
    accounts = Accounts(desk.db, utc_now, TokenOptions(bytes(32)))
    checkout = Checkout(desk.db, desk.engine, {}, None, desk.clock, new_id)
    services = Services(
        desk.db,
        desk.engine,
        checkout,
        accounts,
        make_mail(desk.db, desk.clock),
        make_push(desk.db, desk.clock),
        make_webhooks(desk.db, desk.clock),
        desk.clock,
    )
    async with reactions.running(DatabaseOptions(url), services):
        yield


async def count(db: Database, event: Event, state: str) -> int:
    found: int = await db.fetch_value(
        "SELECT count(*) FROM bookings WHERE event_id = $1 AND state = $2", event.event_id, state
    )
    return found


async def taken(db: Database, event: Event) -> int:
    (pool,) = (await find_sale(db, event.event_id)).pools.values()
    return pool.taken()


async def test_due_holds_expire_and_others_stay(db: Database, desk: SalesDesk) -> None:
    events = [await desk.event() for _ in range(3)]
    for event in events:
        await desk.book_many(event, 5, 2, hold_seconds=60)
        await desk.book_many(event, 5, 2, hold_seconds=61)
        await desk.book_many(event, 5, 2)
    desk.clock.move(seconds=60)
    assert await release_due(db, desk.engine, desk.clock) == 3
    assert await release_due(db, desk.engine, desk.clock) == 0
    for event in events:
        assert [await count(db, event, state) for state in ("held", "expired", "confirmed")] == [5, 5, 5]
        assert await taken(db, event) == 20


async def test_more_due_holds_than_one_batch_takes_back(db: Database, desk: SalesDesk) -> None:
    event = await desk.event()
    await desk.book_many(event, 1200, hold_seconds=60)
    desk.clock.move(seconds=60)
    turns = 0
    while await release_due(db, desk.engine, desk.clock):
        turns += 1
    assert turns == 3
    assert await taken(db, event) == 0


async def test_a_waitlist_is_served_at_the_opening_of_the_sale_when_nobody_books(
    db: Database, desk: SalesDesk, database_url: str
) -> None:
    noon = desk.clock()
    events = [await desk.event() for _ in range(3)]
    for hours, event in zip((1, 1, 2), events, strict=True):
        await desk.change(
            ChangeSale(event.event_id, noon + timedelta(hours=hours), noon + timedelta(hours=9))
        )
        type_id = next(iter((await desk.types(event)).values()))
        await desk.engine.submit(JoinWaitlist(event.event_id, new_id(), type_id, 2))
    assert await serve_waitlists(db, desk.engine, None, desk.clock()) == 0
    desk.clock.move(hours=1)
    assert await serve_waitlists(db, desk.engine, noon, desk.clock()) == 2
    assert [await count(db, event, "held") for event in events] == [1, 1, 0]
    assert await serve_waitlists(db, desk.engine, noon, desk.clock()) == 0, "who has an offer does not wait"
    desk.clock.move(hours=1)
    async with running(desk, database_url):

        async def the_last_is_served() -> bool:
            return await count(db, events[2], "held") == 1

        await until(the_last_is_served)


async def test_what_the_end_of_a_window_frees_is_free_from_that_instant(
    db: Database, desk: SalesDesk, database_url: str
) -> None:
    event = await desk.event(sale_terms(capacity=4))
    sale = await find_sale(db, event.event_id)
    (regular,) = sale.ticket_types.values()
    ends_at = desk.clock() + timedelta(seconds=8)
    early = replace(regular, ticket_type_id=new_id(), name="Early", off_sale_at=ends_at)
    await desk.change(PutTicketType(event.event_id, early))
    outcome = await desk.engine.submit(
        PlaceBooking(event.event_id, new_id(), (BookingLine(early.ticket_type_id, 4),))
    )
    assert isinstance(outcome, Booked)
    await desk.engine.submit(JoinWaitlist(event.event_id, new_id(), early.ticket_type_id, 3))
    await desk.cancel(outcome.booking, *[ticket.ticket_id for ticket in outcome.booking.tickets[:2]])

    async def available() -> tuple[int, int, bool]:
        glance = await Engine(db, EngineOptions(), desk.clock, new_id).get_glance(event.event_id)
        async with db.snapshot() as snapshot:
            summaries = await list_sale_summaries(snapshot, [event.event_id], desk.clock())
        sale = await find_sale(db, event.event_id)
        units = glance.available[regular.ticket_type_id]
        return units, sale.available_at(regular, desk.clock()), summaries[event.event_id].available

    assert await available() == (0, 0, False)
    assert (await desk.engine.get_glance(event.event_id)).next_release_at == ends_at
    desk.clock.move(seconds=7.999)
    assert await release_due(db, desk.engine, desk.clock) == 0
    desk.clock.move(seconds=0.001)
    assert await available() == (2, 2, True), "before any batch"
    wanted = PlaceBooking(event.event_id, new_id(), (BookingLine(regular.ticket_type_id, 2),))
    async with running(desk, database_url):

        async def nothing_is_set_aside() -> bool:
            (pool,) = (await find_sale(db, event.event_id)).pools.values()
            return pool.set_aside == 0

        await until(nothing_is_set_aside)
    assert await release_due(db, desk.engine, desk.clock) == 0
    assert isinstance(await desk.engine.submit(wanted), Booked)


async def test_a_waitlist_that_cannot_be_served_stays(db: Database, desk: SalesDesk) -> None:
    event = await desk.event(sale_terms(capacity=2))
    (type_id,) = (await desk.types(event)).values()
    await desk.book(event, 2)
    opened = desk.clock()
    await desk.engine.submit(JoinWaitlist(event.event_id, new_id(), type_id, 2))
    desk.clock.move(hours=1)
    assert await serve_waitlists(db, desk.engine, None, desk.clock()) == 1
    assert await serve_waitlists(db, desk.engine, opened, desk.clock()) == 0
    assert await count(db, event, "held") == 0


async def test_the_bookings_of_a_cancelled_event_are_cancelled(db: Database, desk: SalesDesk) -> None:
    event, other = await desk.event(), await desk.event()
    await desk.book_many(event, 450, 2)
    await desk.book_many(event, 20, hold_seconds=600)
    partly = await desk.book(event, 3)
    await desk.cancel(partly, partly.tickets[0].ticket_id)
    await desk.book_many(other, 5)
    await desk.engine.submit(CancelSale(event.event_id))

    await cancel_bookings(db, desk.engine, event.event_id)
    assert await count(db, event, "cancelled") == 471
    assert await taken(db, event) == 0
    assert await taken(db, other) == 5

    seq = (await find_sale(db, event.event_id)).seq
    await cancel_bookings(db, desk.engine, event.event_id)
    assert (await find_sale(db, event.event_id)).seq == seq, "a second time there is nothing to do"


async def test_whoever_has_booked_is_told_of_a_new_date_once(db: Database, desk: SalesDesk) -> None:
    event = await desk.event()
    bookings = await desk.book_many(event, 5, 2)
    gone = await desk.book(event, 1)
    await desk.cancel(gone)
    desk.clock.move(seconds=1)
    starts_at = event.starts_at
    for days in (1, 2):
        sale = await find_sale(db, event.event_id)
        moved = starts_at + timedelta(days=days)
        await desk.change(RescheduleEvent(event.event_id, starts_at, moved, place_changed=False))
        seq, at = sale.seq + 1, desk.clock()
        desk.clock.move(seconds=1)
        await desk.book(event, 1)  # knows the new date
        job = notify_buyers_later(JournalFacts(event.event_id, seq, at, []), SaleCancelled())
        accounts = Accounts(db, utc_now, TokenOptions(bytes(32)))
        checkout = Checkout(db, desk.engine, {}, None, desk.clock, new_id)
        for _ in range(2):
            await notify_buyers(
                Services(
                    db,
                    desk.engine,
                    checkout,
                    accounts,
                    make_mail(desk.db, desk.clock),
                    make_push(desk.db, desk.clock),
                    make_webhooks(desk.db, desk.clock),
                    desk.clock,
                ),
                **job.arguments,
            )
        told = await db.fetch(
            "SELECT booking_id, person_id FROM notifications WHERE event_id = $1 AND seq = $2",
            event.event_id,
            seq,
        )
        assert len(told) == len({row["booking_id"] for row in told}) == len(bookings) + days - 1
        assert gone.booking_id not in {row["booking_id"] for row in told}


async def test_a_used_ticket_keeps_its_booking(db: Database, desk: SalesDesk) -> None:
    event = await desk.event()
    used, unused = await desk.book(event, 2), await desk.book(event, 2)
    async with db.transaction() as tx:
        await tx.execute("UPDATE tickets SET state = 'used' WHERE ticket_id = $1", used.tickets[0].ticket_id)
    await desk.engine.submit(CancelSale(event.event_id))
    await cancel_bookings(db, desk.engine, event.event_id)
    states = {
        row["booking_id"]: row["state"] for row in await db.fetch("SELECT booking_id, state FROM bookings")
    }
    assert states == {used.booking_id: "confirmed", unused.booking_id: "cancelled"}


async def test_effects_jobs_and_schedule_run_in_the_background(
    db: Database, desk: SalesDesk, database_url: str
) -> None:
    cancelled, held, sold = await desk.event(), await desk.event(), await desk.event()
    await desk.book_many(cancelled, 250)
    await desk.book_many(held, 10, hold_seconds=60)
    await desk.book_many(sold, 10)
    desk.clock.move(seconds=61)
    async with running(desk, database_url):
        await desk.engine.submit(CancelSale(cancelled.event_id))

        async def all_happened() -> bool:
            return (await taken(db, cancelled), await taken(db, held), await taken(db, sold)) == (
                0,
                0,
                10,
            ) and not await db.fetch_value("SELECT count(*) FROM journal WHERE delivered_at IS NULL")

        await until(all_happened)
    counted = await db.fetch_row(
        "SELECT bookings, cancelled_bookings FROM event_totals WHERE event_id = $1", cancelled.event_id
    )
    assert counted is not None
    assert tuple(counted) == (250, 250)
    # The next process need not wait for the lease.
    assert await Relay(db, desk.clock, EFFECTS).run_once() == IDLE_SECONDS


async def test_the_loops_come_back_when_the_database_does(
    db: Database, desk: SalesDesk, database_url: str
) -> None:
    event = await desk.event(sale_terms(capacity=50))
    async with running(desk, database_url):
        for round_ in range(1, 3):
            await desk.book_many(event, 5)
            await db.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

            async def counted(bookings: int = 5 * round_) -> bool:
                return bool(
                    await db.fetch_value(
                        "SELECT bookings = $2 FROM event_totals WHERE event_id = $1", event.event_id, bookings
                    )
                )

            await until(counted)
            await desk.db.fetch("SELECT 1")
