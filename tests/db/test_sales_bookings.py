"""Reading bookings by their ids: whole, as of one instant, and together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from evently import sales
from evently.db import Database
from evently.kit.errors import Refused
from evently.kit.ids import new_id
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import Bookings
from tests.support.sales_desk import SalesDesk, open_sales_desk
from tests.support.statements import statements_of


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[SalesDesk]:
    async with open_sales_desk(db) as opened:
        yield opened


async def test_a_booking_is_read_whole(desk: SalesDesk) -> None:
    event, other = await desk.event(), await desk.event()
    booked = [await desk.book(event, 3), await desk.book(other), await desk.book(event, 2)]
    cancelled = await desk.cancel(booked[2], booked[2].tickets[0].ticket_id)
    bookings = Bookings(desk.db)
    for each in (booked[0], booked[1], cancelled):
        assert await bookings.get(each.booking_id) == each
        assert await sales.reads.get_booking(desk.db, each.booking_id) == each


async def test_bookings_that_are_asked_for_at_one_moment_share_a_statement(desk: SalesDesk) -> None:
    event = await desk.event()
    booked = [await desk.book(event, units) for units in (1, 2, 3, 1, 2)]
    bookings = Bookings(desk.db)
    assert await bookings.get(booked[0].booking_id) == booked[0]
    with statements_of(desk.db) as sent:
        found = await asyncio.gather(*[bookings.get(each.booking_id) for each in booked * 2])
    assert found == booked * 2
    assert len(sent) == 1


async def test_a_read_that_is_asked_for_after_a_change_sees_it(desk: SalesDesk) -> None:
    event = await desk.event()
    first, second = await desk.book(event), await desk.book(event)
    bookings = Bookings(desk.db)
    under_way = asyncio.ensure_future(bookings.get(first.booking_id))
    for _ in range(3):  # its statement has begun
        await asyncio.sleep(0)
    cancelled = await desk.cancel(first), await desk.cancel(second)
    again = await asyncio.gather(bookings.get(first.booking_id), bookings.get(second.booking_id))
    assert tuple(again) == cancelled
    assert (await under_way).booking_id == first.booking_id


async def test_an_unknown_booking_is_refused_and_its_neighbours_are_not(desk: SalesDesk) -> None:
    booked = await desk.book(await desk.event())
    bookings = Bookings(desk.db)
    found, unknown = await asyncio.gather(
        bookings.get(booked.booking_id), bookings.get(new_id()), return_exceptions=True
    )
    assert found == booked
    assert isinstance(unknown, Refused)
    assert unknown.refusal is SalesRefusal.BOOKING_NOT_FOUND
    with pytest.raises(Refused):
        await sales.reads.get_booking(desk.db, new_id())
