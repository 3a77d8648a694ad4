"""The relay: each fact has its effects exactly once and in order, even if the relay's process dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from evently import sales
from evently.catalogue import Event
from evently.db import Database
from evently.kit.errors import Unavailable
from evently.kit.ids import new_id
from evently.reactions import EFFECTS
from evently.reactions import relay as relaying
from evently.reactions.relay import BUSY_SECONDS, IDLE_SECONDS, LEASE, Relay
from evently.sales import store
from evently.sales.commands.bookings import BookingLine, PlaceBooking
from evently.sales.commands.sale_terms import CancelSale
from tests.support.catalogue import until_somebody_waits
from tests.support.sales_desk import ManualClock, SalesDesk, open_sales_desk


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    async with open_sales_desk(db) as opened:
        yield opened


async def deliver(relay: Relay, clock: ManualClock) -> int:
    """Run the relay until nothing is left, and return how many runs it took."""
    for turn in range(1, 1000):
        if await relay.run_once() == IDLE_SECONDS:
            return turn
        clock.move(seconds=BUSY_SECONDS)
    raise AssertionError("the relay does not end")


async def figures(db: Database, event: Event) -> dict[str, Any]:
    row = await db.fetch_row(
        "SELECT seq, bookings, tickets, amount_minor, cancelled_bookings, cancelled_tickets, cancelled_minor "
        "FROM event_totals WHERE event_id = $1",
        event.event_id,
    )
    return dict(row) if row else {}


async def undelivered(db: Database) -> int:
    count: int = await db.fetch_value("SELECT count(*) FROM journal WHERE delivered_at IS NULL")
    return count


async def jobs(db: Database) -> list[tuple[str, str]]:
    return [
        tuple(row)
        for row in await db.fetch("SELECT task_name, args->>'event_id' FROM procrastinate_jobs ORDER BY id")
    ]


@asynccontextmanager
async def holding_back(db: Database, event: Event) -> AsyncIterator[None]:
    """Hold up the relay that counts an event, in the middle of its transaction."""
    connection = await db.connect()
    try:
        async with connection.transaction():
            await connection.execute(
                "SELECT FROM event_totals WHERE event_id = $1 FOR UPDATE", event.event_id
            )
            yield
    finally:
        await connection.close()


async def kill_who_waits(db: Database) -> None:
    await until_somebody_waits(db)
    await db.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND datname = current_database() AND query LIKE '%event_totals%'"
    )


async def test_the_relay_does_not_wait_for_a_batch(db: Database, desk: SalesDesk) -> None:
    """Sums refer to a sale that a batch has locked, and must not wait for it.

    The batch may need rows that the relay's transaction refers to.
    """
    events = [await desk.event() for _ in range(3)]
    for event in events:
        await desk.book(event)
    connection = await db.connect()
    try:
        async with connection.transaction():
            await connection.fetch(*store.sql.lock_sales(event_ids=[event.event_id for event in events]))
            async with asyncio.timeout(60):
                await deliver(Relay(db, desk.clock, EFFECTS), desk.clock)
    finally:
        await connection.close()
    assert [(await figures(db, event))["bookings"] for event in events] == [1, 1, 1]


async def begun(desk: SalesDesk, relay: Relay) -> Event:
    """Return an event with one booking that was delivered, so that it has totals."""
    event = await desk.event()
    await desk.book(event)
    await deliver(relay, desk.clock)
    return event


async def test_everything_is_delivered_once(db: Database, desk: SalesDesk) -> None:
    relay, event = Relay(db, desk.clock, EFFECTS), await desk.event()
    first = await desk.book(event, 3)
    await desk.book(event, 2)
    await desk.cancel(first, first.tickets[0].ticket_id)
    await deliver(relay, desk.clock)
    await desk.cancel(first)
    await deliver(relay, desk.clock)
    await deliver(relay, desk.clock)

    assert await undelivered(db) == 0
    sale = await sales.reads.find_sale(db, event.event_id)
    assert await figures(db, event) == {
        "seq": sale.seq,
        "bookings": 2,
        "tickets": 5,
        "amount_minor": 12_500,
        "cancelled_bookings": 1,
        "cancelled_tickets": 3,
        "cancelled_minor": 7_500,
    }


async def test_more_than_one_turn_is_delivered_in_order(
    db: Database, desk: SalesDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaying, "ROWS_MAX", 7)
    relay = Relay(db, desk.clock, EFFECTS)
    events = [await desk.event() for _ in range(3)]
    for _ in range(10):  # one row each, all at the same instant
        await asyncio.gather(*[desk.book(event) for event in events])
    assert await deliver(relay, desk.clock) == 6  # 36 rows
    assert [(await figures(db, event))["bookings"] for event in events] == [10, 10, 10]
    assert await undelivered(db) == 0


async def test_a_turn_is_bounded_by_what_its_facts_cost(
    db: Database, desk: SalesDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay, event = Relay(db, desk.clock, EFFECTS), await desk.event()
    await deliver(relay, desk.clock)
    monkeypatch.setattr(relaying, "BYTES_MAX", 5_000)
    for _ in range(4):
        await desk.book_many(event, 30)  # 7 KB of facts in one row
    assert await relay.run_once() == BUSY_SECONDS
    assert (await figures(db, event))["seq"] == 3, "one row comes, however long it is"
    await deliver(relay, desk.clock)
    assert (await figures(db, event))["bookings"] == 120


async def test_a_crash_before_the_commit_delivers_nothing_and_the_next_turn_everything(
    db: Database, desk: SalesDesk
) -> None:
    relay = Relay(db, desk.clock, EFFECTS)
    event = await begun(desk, relay)
    await desk.book_many(event, 5)
    async with holding_back(db, event):
        turn = asyncio.create_task(relay.run_once())
        await kill_who_waits(db)
        with pytest.raises(Unavailable):
            await turn
    assert (await figures(db, event))["bookings"] == 1
    assert await undelivered(db) > 0
    await deliver(relay, desk.clock)
    assert (await figures(db, event))["bookings"] == 6
    assert await undelivered(db) == 0


async def test_a_relay_that_is_stopped_in_the_middle_leaves_nothing_behind(
    db: Database, desk: SalesDesk
) -> None:
    relay = Relay(db, desk.clock, EFFECTS)
    event = await begun(desk, relay)
    await desk.book(event)
    async with holding_back(db, event):
        turn = asyncio.create_task(relay.run_once())
        await until_somebody_waits(db)
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
    await relay.retire()
    await deliver(Relay(db, desk.clock, EFFECTS), desk.clock)
    assert (await figures(db, event))["bookings"] == 2


async def test_the_other_one_waits_for_its_turn(db: Database, desk: SalesDesk) -> None:
    first, second = Relay(db, desk.clock, EFFECTS), Relay(db, desk.clock, EFFECTS)
    event = await begun(desk, first)
    await desk.book(event)
    assert await second.run_once() == LEASE.total_seconds() / 4
    assert (first.leads, second.leads) == (True, False)
    assert (await figures(db, event))["bookings"] == 1


async def test_two_at_once_with_an_expired_lease_count_once(db: Database, desk: SalesDesk) -> None:
    """The first relay is slow: in the middle of its run, its lease ends and another relay takes it."""
    first, second = Relay(db, desk.clock, EFFECTS), Relay(db, desk.clock, EFFECTS)
    event = await begun(desk, first)
    await desk.book_many(event, 5)
    async with holding_back(db, event):
        slow = asyncio.create_task(first.run_once())
        await until_somebody_waits(db)
        desk.clock.move(seconds=11)
        heir = asyncio.create_task(second.run_once())
    await asyncio.gather(slow, heir)
    assert (await figures(db, event))["bookings"] == 6
    await deliver(second, desk.clock)
    assert (await figures(db, event))["bookings"] == 6


async def test_an_heir_does_what_the_dead_one_did_not(db: Database, desk: SalesDesk) -> None:
    first, second = Relay(db, desk.clock, EFFECTS), Relay(db, desk.clock, EFFECTS)
    event = await begun(desk, first)
    await desk.book_many(event, 5)
    async with holding_back(db, event):
        dying = asyncio.create_task(first.run_once())
        await kill_who_waits(db)
        with pytest.raises(Unavailable):
            await dying
    assert await second.run_once() == LEASE.total_seconds() / 4
    desk.clock.move(seconds=11)
    await deliver(second, desk.clock)
    assert (await figures(db, event))["bookings"] == 6


async def test_relays_that_fight_over_the_lease_while_everybody_books(db: Database, desk: SalesDesk) -> None:
    """Each relay has its own clock, and the clocks disagree, so that each often believes it has the lease."""
    events = [await desk.event() for _ in range(5)]
    clocks = [ManualClock(desk.clock.now) for _ in range(3)]
    relays = [Relay(db, clock, EFFECTS) for clock in clocks]
    selling = asyncio.Event()

    async def relay_on(relay: Relay, clock: ManualClock) -> None:
        while not selling.is_set():
            await relay.run_once()
            clock.move(seconds=LEASE.total_seconds() / 3)

    fight = [asyncio.create_task(relay_on(relay, clock)) for relay, clock in zip(relays, clocks, strict=True)]
    for _ in range(20):
        booked = await asyncio.gather(*[desk.book(event, 2) for event in events for _ in range(4)])
        await asyncio.gather(*[desk.cancel(each) for each in booked[::7]])
    selling.set()
    await asyncio.gather(*fight)
    desk.clock.now = max(clock.now for clock in clocks)
    desk.clock.move(seconds=10)
    await deliver(Relay(db, desk.clock, EFFECTS), desk.clock)

    for event in events:
        booked_now = await db.fetch_value("SELECT count(*) FROM bookings WHERE event_id = $1", event.event_id)
        cancelled = await db.fetch_value(
            "SELECT count(*) FROM bookings WHERE event_id = $1 AND state = 'cancelled'", event.event_id
        )
        found = await figures(db, event)
        assert (found["bookings"], found["cancelled_bookings"]) == (booked_now, cancelled)
        assert booked_now == 80
    assert await undelivered(db) == 0


async def test_a_reaction_is_stored_once_and_with_the_facts_it_belongs_to(
    db: Database, desk: SalesDesk
) -> None:
    relay = Relay(db, desk.clock, EFFECTS)
    event, other = await begun(desk, relay), await desk.event()
    await desk.engine.submit(CancelSale(event.event_id))
    await desk.book(other)
    async with holding_back(db, event):
        turn = asyncio.create_task(relay.run_once())
        await kill_who_waits(db)
        with pytest.raises(Unavailable):
            await turn
    assert await jobs(db) == []
    for _ in range(3):
        await deliver(relay, desk.clock)
    (job,) = await jobs(db)
    assert job[0] == "cancel_bookings_of_event"


@pytest.mark.parametrize(
    ("break_it", "mend_it"),
    [
        pytest.param(
            'UPDATE journal SET facts = \'[{"type": "FromTheFuture"}]\' WHERE event_id = $1 AND seq = 4',
            "UPDATE journal SET facts = '[]' WHERE event_id = $1 AND seq = 4",
            id="facts that this version does not know",
        ),
        pytest.param(
            "UPDATE journal SET delivered_at = at WHERE event_id = $1 AND seq = 4",
            "UPDATE journal SET delivered_at = NULL WHERE event_id = $1 AND seq = 4",
            id="a row that was skipped",
        ),
    ],
)
async def test_a_broken_event_does_not_stop_the_others(
    db: Database, desk: SalesDesk, break_it: str, mend_it: str
) -> None:
    relay = Relay(db, desk.clock, EFFECTS)
    events = [await begun(desk, relay) for _ in range(5)]
    for _ in range(3):
        await asyncio.gather(*[desk.book(event) for event in events])
    broken = events[2]
    async with db.transaction() as tx:
        await tx.execute(break_it, broken.event_id)

    await deliver(relay, desk.clock)
    await deliver(relay, desk.clock)
    assert [(await figures(db, event))["bookings"] for event in events] == [4, 4, 1, 4, 4]

    async with db.transaction() as tx:
        await tx.execute(mend_it, broken.event_id)
    desk.clock.move(seconds=30)
    await deliver(relay, desk.clock)
    assert await undelivered(db) == 0


async def test_a_late_row_is_found(db: Database, desk: SalesDesk) -> None:
    """One batch takes long to commit.

    Later rows of other events are delivered before it; then the event sells again.
    """
    relay = Relay(db, desk.clock, EFFECTS)
    slow, other = [await begun(desk, relay) for _ in range(2)]
    (ticket_type,) = (await desk.types(slow)).values()
    async with db.transaction() as tx:
        await sales.carry_out(
            tx, PlaceBooking(slow.event_id, new_id(), (BookingLine(ticket_type, 1),)), desk.clock()
        )
        desk.clock.move(seconds=9)
        await desk.book(other)
        await deliver(relay, desk.clock)
        assert (await figures(db, other))["bookings"] == 2
    await desk.book(slow)
    await deliver(relay, desk.clock)
    assert (await figures(db, slow))["bookings"] == 3, "at once, for the next row shows that one is missing"


async def test_a_late_last_row_is_found_by_looking_back(db: Database, desk: SalesDesk) -> None:
    relay = Relay(db, desk.clock, EFFECTS)
    slow, other = [await begun(desk, relay) for _ in range(2)]
    (ticket_type,) = (await desk.types(slow)).values()
    async with db.transaction() as tx:
        await sales.carry_out(
            tx, PlaceBooking(slow.event_id, new_id(), (BookingLine(ticket_type, 1),)), desk.clock()
        )
        desk.clock.move(seconds=9)
        await desk.book(other)
        await deliver(relay, desk.clock)
    desk.clock.move(seconds=10)
    await deliver(relay, desk.clock)
    assert (await figures(db, slow))["bookings"] == 2


async def test_what_was_counted_already_is_only_marked(db: Database, desk: SalesDesk) -> None:
    relay = Relay(db, desk.clock, EFFECTS)
    event = await begun(desk, relay)
    async with db.transaction() as tx:
        await tx.execute("UPDATE journal SET delivered_at = NULL")
    await deliver(relay, desk.clock)
    assert (await figures(db, event))["bookings"] == 1
    assert await undelivered(db) == 0
