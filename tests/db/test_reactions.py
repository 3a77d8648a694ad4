"""What happens by itself: due holds are taken back, a cancelled event's bookings are cancelled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest_asyncio

from evently import reactions
from evently.accounts import Accounts, TokenOptions
from evently.catalogue import Event
from evently.checkout import Checkout
from evently.db import Database, DatabaseOptions
from evently.kit.clock import utc_now
from evently.kit.ids import new_id
from evently.reactions import REACTIONS, cancel_bookings, expire_due_holds, serve_lines
from evently.reactions.relay import IDLE_SECONDS, Relay
from evently.sales.commands import CancelSale, ChangeSale, JoinWaitlist
from evently.sales.reads import find_sale
from tests.support.catalogue import sale_terms
from tests.support.till import Till, open_till, until


@pytest_asyncio.fixture
async def till(db: Database) -> AsyncIterator[Till]:
    async with open_till(db) as opened:
        yield opened


@asynccontextmanager
async def running(till: Till, url: str) -> AsyncIterator[None]:
    desk = Accounts(till.db, utc_now, TokenOptions(bytes(32)))
    checkout = Checkout(till.db, till.engine, {}, None, till.clock, new_id)
    async with reactions.running(DatabaseOptions(url), till.db, till.engine, checkout, desk, till.clock):
        yield


async def count(db: Database, event: Event, state: str) -> int:
    found: int = await db.fetch_value(
        "SELECT count(*) FROM bookings WHERE event_id = $1 AND state = $2", event.event_id, state
    )
    return found


async def taken(db: Database, event: Event) -> int:
    (pool,) = (await find_sale(db, event.event_id)).pools.values()
    return pool.taken()


async def test_due_holds_are_taken_back_and_others_stay(db: Database, till: Till) -> None:
    events = [await till.event() for _ in range(3)]
    for event in events:
        await till.book_many(event, 5, 2, hold_seconds=60)
        await till.book_many(event, 5, 2, hold_seconds=61)
        await till.book_many(event, 5, 2)
    till.clock.move(seconds=60)
    assert await expire_due_holds(db, till.engine, till.clock) == 3
    assert await expire_due_holds(db, till.engine, till.clock) == 0
    for event in events:
        assert [await count(db, event, state) for state in ("held", "expired", "confirmed")] == [5, 5, 5]
        assert await taken(db, event) == 20


async def test_more_due_holds_than_one_batch_takes_back(db: Database, till: Till) -> None:
    event = await till.event()
    await till.book_many(event, 1200, hold_seconds=60)
    till.clock.move(seconds=60)
    turns = 0
    while await expire_due_holds(db, till.engine, till.clock):
        turns += 1
    assert turns == 3
    assert await taken(db, event) == 0


async def test_those_who_wait_for_an_opening_are_served_when_nobody_books(
    db: Database, till: Till, database_url: str
) -> None:
    noon = till.clock()
    events = [await till.event() for _ in range(3)]
    for hours, event in zip((1, 1, 2), events, strict=True):
        await till.change(
            ChangeSale(event.event_id, noon + timedelta(hours=hours), noon + timedelta(hours=9))
        )
        type_id = next(iter((await till.types(event)).values()))
        await till.engine.submit(JoinWaitlist(event.event_id, new_id(), type_id, 2))
    assert await serve_lines(db, till.engine, None, till.clock()) == 0
    till.clock.move(hours=1)
    assert await serve_lines(db, till.engine, noon, till.clock()) == 2
    assert [await count(db, event, "held") for event in events] == [1, 1, 0]
    assert await serve_lines(db, till.engine, noon, till.clock()) == 0, "who has an offer does not wait"
    till.clock.move(hours=1)
    async with running(till, database_url):

        async def the_last_is_served() -> bool:
            return await count(db, events[2], "held") == 1

        await until(the_last_is_served)


async def test_a_line_that_cannot_be_served_is_looked_at_and_left(db: Database, till: Till) -> None:
    event = await till.event(sale_terms(capacity=2))
    (type_id,) = (await till.types(event)).values()
    await till.book(event, 2)
    opened = till.clock()
    await till.engine.submit(JoinWaitlist(event.event_id, new_id(), type_id, 2))
    till.clock.move(hours=1)
    assert await serve_lines(db, till.engine, None, till.clock()) == 1
    assert await serve_lines(db, till.engine, opened, till.clock()) == 0
    assert await count(db, event, "held") == 0


async def test_the_bookings_of_a_cancelled_event_are_cancelled(db: Database, till: Till) -> None:
    event, other = await till.event(), await till.event()
    await till.book_many(event, 450, 2)
    await till.book_many(event, 20, hold_seconds=600)
    partly = await till.book(event, 3)
    await till.cancel(partly, partly.tickets[0].ticket_id)
    await till.book_many(other, 5)
    await till.engine.submit(CancelSale(event.event_id))

    await cancel_bookings(db, till.engine, event.event_id)
    assert await count(db, event, "cancelled") == 471
    assert await taken(db, event) == 0
    assert await taken(db, other) == 5

    seq = (await find_sale(db, event.event_id)).seq
    await cancel_bookings(db, till.engine, event.event_id)
    assert (await find_sale(db, event.event_id)).seq == seq, "a second time there is nothing to do"


async def test_a_used_ticket_keeps_its_booking(db: Database, till: Till) -> None:
    event = await till.event()
    used, unused = await till.book(event, 2), await till.book(event, 2)
    async with db.transaction() as tx:
        await tx.execute("UPDATE tickets SET state = 'used' WHERE ticket_id = $1", used.tickets[0].ticket_id)
    await till.engine.submit(CancelSale(event.event_id))
    await cancel_bookings(db, till.engine, event.event_id)
    states = {
        row["booking_id"]: row["state"] for row in await db.fetch("SELECT booking_id, state FROM bookings")
    }
    assert states == {used.booking_id: "confirmed", unused.booking_id: "cancelled"}


async def test_all_of_it_runs_by_itself(db: Database, till: Till, database_url: str) -> None:
    cancelled, held, sold = await till.event(), await till.event(), await till.event()
    await till.book_many(cancelled, 250)
    await till.book_many(held, 10, hold_seconds=60)
    await till.book_many(sold, 10)
    till.clock.move(seconds=61)
    async with running(till, database_url):
        await till.engine.submit(CancelSale(cancelled.event_id))

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
    # Whoever comes next need not wait for the lease.
    assert await Relay(db, till.clock, REACTIONS).turn() == IDLE_SECONDS


async def test_the_loops_come_back_when_the_database_does(
    db: Database, till: Till, database_url: str
) -> None:
    event = await till.event(sale_terms(capacity=50))
    async with running(till, database_url):
        for round_ in range(1, 3):
            await till.book_many(event, 5)
            await db.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

            async def counted(bookings: int = 5 * round_) -> bool:
                return bool(
                    await db.fetch_value(
                        "SELECT bookings = $2 FROM event_totals WHERE event_id = $1", event.event_id, bookings
                    )
                )

            await until(counted)
            await till.db.fetch("SELECT 1")
