"""A lane that cannot finish a batch at once: a sale that stays locked, and deciding that takes too long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from evently.db import Database
from evently.kit.errors import Unavailable
from evently.sales.outcomes import Booked
from tests.support.catalogue import until_somebody_waits
from tests.support.row_checks import check_rows
from tests.support.sales_desk import SalesDesk, open_sales_desk
from tests.support.selling import DEADLINE_SECONDS, held_up, open_engine, place


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


async def test_a_sale_that_stays_locked_is_trouble(desk: SalesDesk, database_url: str) -> None:
    event = await desk.event()
    regular = (await desk.types(event))["Regular"]
    async with open_engine(
        database_url, desk.clock, lanes=1, lock_seconds_max=0.05, batch_seconds_max=0.3
    ) as engine:
        async with held_up(desk.db, event):
            with pytest.raises(Unavailable):
                await engine.submit(place(event, regular))
        assert isinstance(await engine.submit(place(event, regular)), Booked)


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
