"""Concurrent commands through two engines with separate pools and memories give the result of one process."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest_asyncio

from evently.db import Database
from evently.kit.errors import Refused
from evently.kit.ids import new_id
from evently.organizing import NewPool, NewTicketType, SaleTerms
from evently.sales import Engine, carry_out
from evently.sales.commands import Command
from evently.sales.commands.bookings import CancelBooking, ConfirmBooking
from evently.sales.commands.sale_terms import PutPool
from evently.sales.outcomes import Booked
from evently.sales.terms import PoolTerms
from tests.support.catalogue import sale_terms
from tests.support.row_checks import check_rows
from tests.support.sales_desk import SalesDesk, open_sales_desk
from tests.support.selling import Skewed, all_at_once, open_engine, place, pools, say, tally


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    """A sales desk whose rows are checked at the end."""
    async with open_sales_desk(db, batch_commands_max=20) as opened:
        yield opened
    await check_rows(db)


@pytest_asyncio.fixture
async def both(desk: SalesDesk, database_url: str) -> AsyncIterator[list[Engine]]:
    """The desk's engine and another process's. Small batches make them meet often."""
    async with open_engine(database_url, desk.clock, batch_commands_max=20) as other:
        yield [desk.engine, other]


async def test_500_for_100_units_sell_exactly_100(desk: SalesDesk, both: list[Engine]) -> None:
    event = await desk.event(sale_terms(capacity=100))
    regular = (await desk.types(event))["Regular"]
    wishes = [place(event, regular, key=f"k{number}" if number % 2 else None) for number in range(500)]
    assert tally(await all_at_once(both, wishes)) == {"confirmed": 100, "sold-out": 400}
    assert (await pools(desk.db, event))["Admission"].sold == 100


async def test_200_requests_of_one_buyer_do_not_pass_the_limit_by_one(
    desk: SalesDesk, both: list[Engine]
) -> None:
    event = await desk.event(sale_terms(capacity=1000, per_buyer_max=7))
    regular, buyer = (await desk.types(event))["Regular"], new_id()
    wishes = [place(event, regular, 1 + number % 2, buyer, key=f"k{number}") for number in range(200)]
    outcomes = await all_at_once(both, wishes)
    assert sum(len(outcome.booking.tickets) for outcome in outcomes if isinstance(outcome, Booked)) == 7
    assert set(tally(outcomes)) == {"confirmed", "over-buyer-limit"}


async def test_nested_pools_never_disagree(desk: SalesDesk, both: list[Engine]) -> None:
    hall, early, stage = NewPool("hall", 60), NewPool("early", 30), NewPool("stage", 10)
    kinds = {"late": ("hall",), "bird": ("hall", "early"), "front": ("hall", "early", "stage")}
    types = tuple(NewTicketType(name=name, pools=drawn) for name, drawn in kinds.items())
    event = await desk.event(SaleTerms(currency="EUR", pools=(hall, early, stage), ticket_types=types))
    ids = await desk.types(event)
    draw = random.Random(7)
    wishes = [
        place(event, ids[draw.choice(list(kinds))], draw.randint(1, 3), key=f"k{number}")
        for number in range(300)
    ]
    assert set(tally(await all_at_once(both, wishes))) == {"confirmed", "sold-out"}
    assert (await pools(desk.db, event))["hall"].sold == 60


async def test_cancelling_twice_at_once_gives_back_once(desk: SalesDesk, both: list[Engine]) -> None:
    event = await desk.event(sale_terms(capacity=10))
    booked = await desk.book(event, 4)
    await desk.book(event, 6)
    cancel = CancelBooking(event.event_id, booked.booking_id, booked.buyer_id, booked.buyer_id)
    assert tally(await all_at_once(both, [cancel] * 40)) == {"cancelled": 1, "already-cancelled": 39}
    assert (await pools(desk.db, event))["Admission"].sold == 6


async def test_each_ticket_is_cancelled_once(desk: SalesDesk, both: list[Engine]) -> None:
    event = await desk.event(sale_terms(capacity=10))
    booked = await desk.book(event, 5)
    singles = [
        CancelBooking(
            event.event_id,
            booked.booking_id,
            booked.buyer_id,
            None,
            (ticket.ticket_id,),
            key=f"{ticket.ticket_id}",
            fingerprint=b"1",
        )
        for ticket in booked.tickets
    ]
    outcomes = await all_at_once(both, singles * 4)
    assert tally(outcomes) == {"confirmed": 4, "cancelled": 1, "confirmed again": 12, "cancelled again": 3}
    assert (await pools(desk.db, event))["Admission"].sold == 0


async def test_a_hold_is_confirmed_or_lost(desk: SalesDesk, both: list[Engine]) -> None:
    event = await desk.event(sale_terms(capacity=40))
    holds = [await desk.book(event, 1, hold_seconds=60) for _ in range(40)]
    rivals = [
        command
        for held in holds
        for command in (
            ConfirmBooking(event.event_id, held.booking_id),
            CancelBooking(event.event_id, held.booking_id, held.buyer_id, held.buyer_id),
        )
    ]
    counts = tally(await all_at_once(both, rivals))
    assert counts["cancelled"] == 40, "a booking is cancelled before it is confirmed, or after"
    assert counts.get("confirmed", 0) + counts.get("already-cancelled", 0) == 40
    assert (await pools(desk.db, event))["Admission"].taken() == 0


async def test_a_due_hold_is_free_without_any_sweeper(desk: SalesDesk, both: list[Engine]) -> None:
    event = await desk.event(sale_terms(capacity=10))
    regular = (await desk.types(event))["Regular"]
    held = await desk.book(event, 10, hold_seconds=60)
    assert say(await both[1].submit(place(event, regular, key="k"))) == "sold-out"
    desk.clock.move(seconds=60)
    rivals: list[Command] = [
        ConfirmBooking(event.event_id, held.booking_id),
        *[place(event, regular, 10) for _ in range(9)],
    ]
    assert tally(await all_at_once(both, rivals)) == {"hold-expired": 1, "confirmed": 1, "sold-out": 8}


async def test_no_deadlock_over_many_events(desk: SalesDesk, both: list[Engine]) -> None:
    events = [await desk.event(sale_terms(capacity=30)) for _ in range(8)]
    types = [(await desk.types(event))["Regular"] for event in events]
    draw = random.Random(11)
    picks = [draw.randrange(8) for _ in range(600)]
    counts = tally(
        await all_at_once(
            both, [place(events[pick], types[pick], key=f"k{number}") for number, pick in enumerate(picks)]
        )
    )
    assert counts == {"confirmed": 240, "sold-out": 360}


async def test_capacity_is_never_lowered_below_what_is_taken(desk: SalesDesk, both: list[Engine]) -> None:
    event = await desk.event(sale_terms(capacity=300))
    regular, pool = (await desk.types(event))["Regular"], (await pools(desk.db, event))["Admission"]
    lowered = [300]
    refusals: list[str] = []

    async def lower() -> None:
        while not refusals:
            try:
                async with desk.db.transaction() as tx:
                    await carry_out(
                        tx,
                        PutPool(event.event_id, PoolTerms(pool.pool_id, pool.name, lowered[-1] - 20)),
                        desk.clock(),
                    )
            except Refused as refused:
                refusals.append(refused.refusal)
            else:
                lowered.append(lowered[-1] - 20)

    async def book() -> int:
        outcomes = await all_at_once(both, [place(event, regular, key=f"k{number}") for number in range(300)])
        return tally(outcomes)["confirmed"]

    _, sold = await asyncio.gather(lower(), book())
    after = (await pools(desk.db, event))["Admission"]
    assert (after.capacity, after.sold) == (lowered[-1], sold)
    assert sold <= after.capacity
    assert refusals == ["capacity-taken"]


async def test_an_event_has_one_time_whatever_the_clocks(desk: SalesDesk, database_url: str) -> None:
    event = await desk.event()
    regular = (await desk.types(event))["Regular"]
    async with (
        open_engine(database_url, Skewed(desk.clock, timedelta(hours=1))) as fast,
        open_engine(database_url, Skewed(desk.clock, -timedelta(hours=1))) as slow,
    ):
        outcomes = [
            await engine.submit(place(event, regular))
            for engine in (desk.engine, fast, slow, desk.engine, slow, fast)
        ]
    placed = [outcome.booking.placed_at for outcome in outcomes if isinstance(outcome, Booked)]
    assert placed == sorted(placed)
    assert placed[0] < placed[1] == placed[-1]
