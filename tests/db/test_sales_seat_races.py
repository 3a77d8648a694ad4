"""Concurrent bookings of the same seats through three engines: each seat has one owner."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from datetime import timedelta
from uuid import UUID

import pytest
import pytest_asyncio
from msgspec.structs import replace

from evently.catalogue import Event
from evently.db import Database
from evently.kit.errors import Refused
from evently.kit.ids import new_id
from evently.sales import Engine
from evently.sales import loading as sales_loading
from evently.sales.commands import Command
from evently.sales.commands.bookings import BookingLine, CancelBooking, PlaceBooking
from evently.sales.commands.sale_terms import OpenSale, WakeSale
from evently.sales.commands.seats import BlockSeats, ChangeSeatBlock, PutSeating, UnblockSeats
from evently.sales.outcomes import Booked, Outcome
from evently.sales.reads import find_sale, list_events_to_release
from evently.sales.rules.state import Sale
from evently.sales.terms import SeatBlockTerms
from tests.support.halls import OTHER_HALL, SMALL_HALL, SmallMap
from tests.support.row_checks import check_rows
from tests.support.sales_desk import SalesDesk, booking, open_sales_desk
from tests.support.selling import all_at_once, one_batch, open_engine, say, tally
from tests.support.stored import check_stored

ROWS = SmallMap({"stalls": dict.fromkeys("ABCDEFGHIJ", 20)})  # 200 seats


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    """A sales desk whose rows are checked in the end."""
    async with open_sales_desk(db, batch_commands_max=20) as opened:
        yield opened
    await check_stored(db)
    await check_rows(db)


@pytest_asyncio.fixture
async def engines(desk: SalesDesk, database_url: str) -> AsyncIterator[list[Engine]]:
    """The desk's engine and those of two other processes. Small batches make them meet often."""
    async with AsyncExitStack() as stack:
        others = [
            await stack.enter_async_context(open_engine(database_url, desk.clock, batch_commands_max=20))
            for _ in range(2)
        ]
        yield [desk.engine, *others]


@pytest_asyncio.fixture
async def event(desk: SalesDesk) -> Event:
    """200 seats on sale."""
    return await desk.seated(ROWS.seating({"stalls": list("ABCDEFGHIJ")}))


async def the_type(desk: SalesDesk, event: Event, zone: str = "stalls") -> UUID:
    return (await desk.types(event))[zone]


def seats(event: Event, type_id: UUID, *seat_ids: str, **more: object) -> PlaceBooking:
    return PlaceBooking(event.event_id, new_id(), (BookingLine(type_id, len(seat_ids), seat_ids),), **more)  # type: ignore[arg-type]


def best(event: Event, type_id: UUID, quantity: int) -> PlaceBooking:
    return PlaceBooking(event.event_id, new_id(), (BookingLine(type_id, quantity),))


def given(outcomes: Iterable[Outcome]) -> list[str]:
    """Return all seats that were booked."""
    return [
        str(ticket.seat_id)
        for outcome in outcomes
        if isinstance(outcome, Booked)
        for ticket in outcome.booking.tickets
    ]


def hall_of(engine: Engine, event: Event) -> Sale:
    """Return what a lane has in memory of a sale."""
    return engine._lanes[hash(event.event_id) % len(engine._lanes)]._remembered[event.event_id]


async def test_500_buyers_for_the_same_seats_from_three_processes(
    desk: SalesDesk, engines: list[Engine], event: Event
) -> None:
    type_id = await the_type(desk, event)
    draw = random.Random(5)
    wanted = [draw.sample([f"A{number}" for number in range(1, 21)], 2) for _ in range(500)]
    outcomes = await all_at_once(engines, [seats(event, type_id, *pair) for pair in wanted])
    assert max(Counter(given(outcomes)).values()) == 1
    assert set(tally(outcomes)) == {"confirmed", "seat-taken"}
    claimed = await desk.db.fetch("SELECT seat_number FROM seat_claims ORDER BY seat_number")
    assert len(claimed) == len(given(outcomes))


async def test_best_available_from_three_processes_gives_everybody_other_seats(
    desk: SalesDesk, engines: list[Engine], event: Event
) -> None:
    type_id = await the_type(desk, event)
    outcomes = await all_at_once(engines, [best(event, type_id, 4) for _ in range(60)])
    assert tally(outcomes) == {"confirmed": 50, "sold-out": 10}
    assert sorted(Counter(given(outcomes)).values()) == [1] * 200
    together = [
        {ticket.seat_id[0] for ticket in each.booking.tickets if ticket.seat_id}
        for each in outcomes
        if isinstance(each, Booked)
    ]
    assert all(len(rows) == 1 for rows in together), "five times four are a row"


async def test_named_and_best_seats_and_cancellations_mixed(
    desk: SalesDesk, engines: list[Engine], event: Event
) -> None:
    type_id = await the_type(desk, event)
    draw = random.Random(8)
    booked: list[Outcome] = []
    for _ in range(6):
        wishes: list[Command] = [best(event, type_id, draw.randint(1, 5)) for _ in range(20)]
        wishes += [
            seats(event, type_id, f"{draw.choice('ABCDEFGHIJ')}{draw.randint(1, 20)}") for _ in range(20)
        ]
        given_back = [each.booking for each in booked if isinstance(each, Booked) and draw.random() < 0.5]
        wishes += [
            CancelBooking(event.event_id, each.booking_id, each.buyer_id, each.buyer_id)
            for each in given_back
        ]
        draw.shuffle(wishes)
        booked = [
            each
            for each in await all_at_once(engines, wishes)
            if isinstance(each, Booked) and each.booking.state == "confirmed"
        ]
        await check_stored(desk.db)


async def test_an_engine_that_missed_rows_follows_them(
    desk: SalesDesk, engines: list[Engine], event: Event
) -> None:
    type_id = await the_type(desk, event)
    first, second, _ = engines
    await second.submit(best(event, type_id, 1))
    mine = hall_of(second, event)
    for number in range(30):  # the other one sells, gives back, blocks
        booked = booking(await first.submit(seats(event, type_id, f"B{number % 20 + 1}")))
        if number % 2 == 0 or number == 19:
            await first.submit(CancelBooking(event.event_id, booked.booking_id, booked.buyer_id, None))
        if number == 18:
            break
    await desk.change(
        BlockSeats(event.event_id, ("C1", "C2")),
        BlockSeats(event.event_id, ("D1",)),
        UnblockSeats(event.event_id, ("C2",)),
    )
    assert say(await second.submit(seats(event, type_id, "B2"))) == "seat-taken"
    assert say(await second.submit(seats(event, type_id, "B1"))) == "confirmed"
    assert say(await second.submit(seats(event, type_id, "C1"))) == "seat-taken"
    assert say(await second.submit(seats(event, type_id, "C2"))) == "confirmed"
    assert hall_of(second, event).hall is mine.hall, "it has followed, and loaded nothing anew"


async def test_an_engine_that_missed_too_many_rows_loads_anew(
    desk: SalesDesk, engines: list[Engine], event: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sales_loading, "NEWS_ROWS_MAX", 3)
    type_id = await the_type(desk, event)
    first, second, _ = engines
    await second.submit(best(event, type_id, 1))
    mine = hall_of(second, event).hall
    for number in range(1, 6):
        await first.submit(seats(event, type_id, f"J{number}"))
    assert say(await second.submit(seats(event, type_id, "J5"))) == "seat-taken"
    assert say(await second.submit(seats(event, type_id, "J6"))) == "confirmed"
    assert hall_of(second, event).hall is not mine


async def test_other_zones_are_seen_by_every_engine(desk: SalesDesk, engines: list[Engine]) -> None:
    event = await desk.seated(SMALL_HALL.seating({"stalls": ["A", "B"], "balcony": ["C"]}))
    stalls, balcony = await the_type(desk, event), await the_type(desk, event, "balcony")
    await all_at_once(
        engines, [seats(event, stalls, "A1"), seats(event, stalls, "A2"), seats(event, stalls, "A3")]
    )
    await desk.change(
        PutSeating(event.event_id, SMALL_HALL.seating({"stalls": ["A"], "balcony": ["B", "C"]}))
    )
    again = await all_at_once(
        engines, [seats(event, stalls, "B1"), seats(event, stalls, "B2"), seats(event, stalls, "B3")]
    )
    assert tally(again) == {"seat-of-another-zone": 3}
    outcomes = await all_at_once(
        engines, [seats(event, balcony, "B1"), seats(event, balcony, "B1"), seats(event, balcony, "B1")]
    )
    assert tally(outcomes) == {"confirmed": 1, "seat-taken": 2}


async def test_another_map_is_seen_by_every_engine(desk: SalesDesk, engines: list[Engine]) -> None:
    draft = await desk.seated(SMALL_HALL.seating({"Regular": ["A", "B"]}), opened=False)
    regular = next(iter((await desk.types(draft)).values()))
    assert tally(await all_at_once(engines, [seats(draft, regular, "B1")] * 3)) == {"event-not-found": 3}
    await desk.change(
        PutSeating(draft.event_id, OTHER_HALL.seating({"Regular": ["A"]})), OpenSale(draft.event_id)
    )
    seated = next(
        each
        for each in (await find_sale(desk.db, draft.event_id)).ticket_types.values()
        if each.zone is not None
    )
    assert tally(await all_at_once(engines, [seats(draft, seated.ticket_type_id, "B1")] * 3)) == {
        "unknown-seat": 3
    }
    assert tally(await all_at_once(engines, [best(draft, seated.ticket_type_id, 1)] * 4)) == {
        "confirmed": 3,
        "sold-out": 1,
    }


async def test_a_batch_that_fails_forgets_its_hall(desk: SalesDesk, event: Event) -> None:
    """The seats that it had taken in memory are free again: what was rolled back never happened."""
    type_id = await the_type(desk, event)
    await desk.engine.submit(best(event, type_id, 1))
    before = hall_of(desk.engine, event).hall
    poison = PlaceBooking(event.event_id, new_id(), (BookingLine(type_id, 1, ("C3",)),), key="bad\x00key")
    outcomes = await one_batch(
        desk.db, event, desk.engine, [seats(event, type_id, "C1", "C2"), poison, seats(event, type_id, "C4")]
    )
    assert [say(each) for each in outcomes] == ["confirmed", "CharacterNotInRepertoireError", "confirmed"]
    assert hall_of(desk.engine, event).hall is not before
    assert say(await desk.engine.submit(seats(event, type_id, "C1"))) == "seat-taken"
    assert say(await desk.engine.submit(seats(event, type_id, "C3"))) == "confirmed"


async def test_a_lost_connection_forgets_the_halls(desk: SalesDesk, event: Event) -> None:
    type_id = await the_type(desk, event)
    await desk.engine.submit(best(event, type_id, 1))
    lane = desk.engine._lanes[hash(event.event_id) % 2]
    assert lane._connection is not None
    lane._connection.terminate()
    assert say(await desk.engine.submit(seats(event, type_id, "C1"))) == "confirmed"
    assert say(await desk.engine.submit(seats(event, type_id, "C1"))) == "seat-taken"


async def test_the_key_refuses_what_a_wrong_memory_would_sell(desk: SalesDesk, event: Event) -> None:
    """If a hall in memory is wrong, the primary key of the claims prevents a second sale of the seat."""
    type_id = await the_type(desk, event)
    taken = booking(await desk.engine.submit(seats(event, type_id, "C1")))
    hall = hall_of(desk.engine, event).hall
    assert hall is not None
    hall.release([hall.plan.numbers["C1"]])  # wrong
    with pytest.raises(Exception, match="seat_claims_pk"):
        await desk.engine.submit(seats(event, type_id, "C1"))
    assert say(await desk.engine.submit(seats(event, type_id, "C1"))) == "seat-taken"
    owner = await desk.db.fetch_value(
        "SELECT ticket_id FROM seat_claims WHERE seat_number = $1", taken.tickets[0].seat_number
    )
    assert owner == taken.tickets[0].ticket_id


async def test_a_hall_of_another_past_is_not_believed(
    desk: SalesDesk, engines: list[Engine], event: Event
) -> None:
    """After a failover, the remembered history may be lost, and another may have reached the same number."""
    type_id = await the_type(desk, event)
    head = dict((await desk.db.fetch("SELECT seq, head_hash, head_at FROM sales"))[0])
    await desk.engine.submit(seats(event, type_id, "A1"))
    async with desk.db.transaction() as tx:  # the failover
        for table in ("seat_claims", "ledger", "tickets", "bookings"):
            await tx.execute(f"DELETE FROM {table}")
        await tx.execute("DELETE FROM journal WHERE seq > $1", head["seq"])
        await tx.execute("UPDATE sales SET seq = $1, head_hash = $2, head_at = $3", *head.values())
        await tx.execute("UPDATE pools SET sold = 0")
    assert say(await engines[1].submit(seats(event, type_id, "A2"))) == "confirmed"
    assert say(await engines[1].submit(seats(event, type_id, "A3"))) == "confirmed"
    assert say(await desk.engine.submit(seats(event, type_id, "A2"))) == "seat-taken"
    assert say(await desk.engine.submit(seats(event, type_id, "A1"))) == "confirmed"


async def test_a_block_that_ends_is_released_by_the_sweeper(
    desk: SalesDesk, engines: list[Engine], event: Event
) -> None:
    type_id = await the_type(desk, event)
    block = SeatBlockTerms(new_id(), "Sponsor", desk.clock() + timedelta(minutes=5))
    await desk.change(BlockSeats(event.event_id, ("F1", "F2", "F3"), block))
    assert say(await engines[0].submit(seats(event, type_id, "F1"))) == "seat-taken"
    assert await list_events_to_release(desk.db, desk.clock(), 10) == []
    await desk.change(UnblockSeats(event.event_id, ("F2",)))
    assert say(await engines[0].submit(seats(event, type_id, "F2"))) == "confirmed"
    desk.clock.move(minutes=5)
    assert await list_events_to_release(desk.db, desk.clock(), 10) == [event.event_id]
    await engines[1].submit(WakeSale(event.event_id))
    assert await list_events_to_release(desk.db, desk.clock(), 10) == []
    assert await desk.db.fetch("SELECT block_id FROM seat_blocks") == []
    assert say(await engines[0].submit(seats(event, type_id, "F1"))) == "confirmed"
    assert say(await engines[2].submit(seats(event, type_id, "F3"))) == "confirmed"
    await check_stored(desk.db)


async def test_a_booking_finds_the_seats_of_a_block_that_has_just_ended(
    desk: SalesDesk, engines: list[Engine], event: Event
) -> None:
    type_id = await the_type(desk, event)
    block = SeatBlockTerms(new_id(), "Sponsor", desk.clock() + timedelta(minutes=5))
    await desk.change(BlockSeats(event.event_id, ("G1", "G2"), block))
    assert say(await engines[0].submit(seats(event, type_id, "G1"))) == "seat-taken"
    await desk.change(
        ChangeSeatBlock(event.event_id, replace(block, until=desk.clock() + timedelta(hours=1)))
    )
    desk.clock.move(minutes=5)
    assert say(await engines[0].submit(seats(event, type_id, "G1"))) == "seat-taken"
    desk.clock.move(minutes=55)
    assert say(await engines[0].submit(seats(event, type_id, "G1"))) == "confirmed"
    await check_stored(desk.db)


async def test_blocking_races_with_booking(desk: SalesDesk, engines: list[Engine], event: Event) -> None:
    type_id = await the_type(desk, event)
    named = [f"E{number}" for number in range(1, 21)]

    async def block(seat_id: str) -> str:
        try:
            await desk.change(BlockSeats(event.event_id, (seat_id,)))
        except Refused as refused:
            return str(refused.refusal)
        return "done"

    blocked, booked = await asyncio.gather(
        asyncio.gather(*[block(each) for each in named]),
        all_at_once(engines, [seats(event, type_id, each) for each in named]),
    )
    for mine, theirs in zip(blocked, booked, strict=True):
        assert {mine, say(theirs)} in ({"done", "seat-taken"}, {"seat-taken", "confirmed"})
