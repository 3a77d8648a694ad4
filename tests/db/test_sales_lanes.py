"""A lane that cannot finish a batch at once: a sale that stays locked, and deciding that takes too long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import pytest
import pytest_asyncio

from evently.db import Database, DatabaseOptions
from evently.kit.errors import Unavailable
from evently.kit.ids import new_id
from evently.sales import Engine, EngineOptions
from evently.sales.batches import SEATS_ON_LOOP_MAX
from evently.sales.commands.bookings import LINES_MAX, BookingLine, PlaceBooking
from evently.sales.commands.waitlist import JoinWaitlist
from evently.sales.outcomes import Booked
from tests.support.catalogue import until_somebody_waits
from tests.support.halls import SmallMap
from tests.support.row_checks import check_rows
from tests.support.sales_desk import SalesDesk, open_sales_desk
from tests.support.selling import DEADLINE_SECONDS, ask_again, held_up, open_engine, place


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    """A sales desk whose rows are checked at the end."""
    async with open_sales_desk(db) as opened:
        yield opened
    await check_rows(db)


async def test_a_locked_sale_stops_no_other_event(desk: SalesDesk, database_url: str) -> None:
    locked, others = await desk.event(), [await desk.event() for _ in range(5)]
    types = {event.event_id: (await desk.types(event))["Regular"] for event in (locked, *others)}
    async with open_engine(database_url, desk.clock, lanes=1, lock_seconds_max=0.05) as engine:

        async def book(event: object) -> object:
            return await engine.submit(place(event, types[event.event_id]))  # type: ignore[arg-type, attr-defined]

        async with held_up(desk.db, locked):
            waiting = [asyncio.create_task(book(locked)) for _ in range(3)]
            await until_somebody_waits(desk.db)
            for _ in range(3):  # alone, and in one batch with commands of the locked sale
                waiting.append(asyncio.create_task(book(locked)))
                async with asyncio.timeout(DEADLINE_SECONDS):
                    served = await asyncio.gather(*map(book, others))
                assert all(isinstance(outcome, Booked) for outcome in served)
            assert not any(task.done() for task in waiting)
        booked = [await task for task in waiting]
    ids = [outcome.booking.booking_id for outcome in booked if isinstance(outcome, Booked)]
    assert len(ids) == 6
    assert ids == sorted(ids), "decided in the order of arrival"


async def test_what_comes_while_a_batch_waits_for_its_lock_joins_it(
    desk: SalesDesk, database_url: str
) -> None:
    event, other = await desk.event(), await desk.event()
    types = {each.event_id: (await desk.types(each))["Regular"] for each in (event, other)}
    rows = "SELECT count(*) FROM journal WHERE event_id = $1"
    before = await desk.db.fetch_value(rows, event.event_id)
    async with open_engine(
        database_url, desk.clock, lanes=1, lock_seconds_max=DEADLINE_SECONDS, batch_commands_max=5
    ) as engine:

        async def book(wanted: object) -> object:
            return await engine.submit(place(wanted, types[wanted.event_id]))  # type: ignore[arg-type, attr-defined]

        async with held_up(desk.db, event):
            waiting = [asyncio.create_task(book(event))]
            await until_somebody_waits(desk.db)
            waiting += [asyncio.create_task(book(each)) for each in (event, other, *[event] * 5)]
            while engine.queued() < len(waiting) - 1:
                await asyncio.sleep(0)
        outcomes = await asyncio.gather(*waiting)
    ids = [outcome.booking.booking_id for outcome in outcomes if isinstance(outcome, Booked)]
    elsewhere = ids.pop(2)
    assert len(ids) == 7
    assert ids == sorted(ids), "decided in the order of arrival"
    assert ids[4] < elsewhere < ids[5], (
        "five make a batch; an event that is not locked waits for the next one"
    )
    assert await desk.db.fetch_value(rows, event.event_id) - before == 2, "a journal row for each batch"


async def test_a_sale_that_stays_locked_is_trouble(desk: SalesDesk, database_url: str) -> None:
    event = await desk.event()
    regular = (await desk.types(event))["Regular"]
    async with open_engine(
        database_url, desk.clock, lanes=1, lock_seconds_max=0.05, batch_seconds_max=0.3
    ) as engine:
        async with held_up(desk.db, event):
            with pytest.raises(Unavailable):
                await engine.submit(place(event, regular))
        # A busy machine may need more than 0.3 seconds for a batch
        assert isinstance(await ask_again(engine, place(event, regular, key="k")), Booked)


async def test_what_is_decided_in_time_is_committed_and_the_rest_follows(
    desk: SalesDesk, database_url: str
) -> None:
    events = [await desk.event() for _ in range(3)]
    types = [(await desk.types(event))["Regular"] for event in events]
    async with open_engine(database_url, desk.clock, lanes=1, decide_seconds_max=0.0) as engine:
        outcomes = await asyncio.gather(
            *[
                engine.submit(place(event, regular))
                for _ in range(20)
                for event, regular in zip(events, types, strict=True)
            ]
        )
    assert all(isinstance(outcome, Booked) for outcome in outcomes)
    assert await desk.db.fetch_value("SELECT count(*) FROM journal") >= 60, "one booking for each batch"


async def test_many_wishes_in_a_large_hall_do_not_hold_the_event_loop(
    desk: SalesDesk, database_url: str
) -> None:
    """Each booking is decided where its ids are made: on the event loop, or beside it."""
    rows = [chr(ord("A") + number) for number in range(LINES_MAX)]
    sizes = dict.fromkeys(rows, SEATS_ON_LOOP_MAX // LINES_MAX // (LINES_MAX - 1) + 1) | {"A": 1}
    event = await desk.seated(SmallMap({"stalls": sizes}).seating({row: [row] for row in rows}))
    types = await desk.types(event)
    beside: list[bool] = []

    def make_id() -> UUID:
        beside.append(threading.current_thread() is not threading.main_thread())
        return new_id()

    async def is_decided_beside(rows: Sequence[str]) -> bool:
        beside.clear()
        lines = tuple(BookingLine(types[row], 1) for row in rows)
        assert isinstance(await engine.submit(PlaceBooking(event.event_id, new_id(), lines)), Booked)
        return all(beside)

    database = await Database.open(DatabaseOptions(database_url))
    engine = Engine(database, EngineOptions(lanes=1), desk.clock, make_id)
    await engine.start()
    try:
        assert not await is_decided_beside(rows[1:])
        assert await is_decided_beside(rows)
        assert not await is_decided_beside(rows[1:2])
        await engine.submit(JoinWaitlist(event.event_id, new_id(), types["A"], 1))
        assert await is_decided_beside(rows[1:2]), "many entries might be offered seats at once"
    finally:
        await engine.stop()
        await database.close()
