"""The waiting room without script: put at the desk, entered, waited for, let in, booked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from evently.kit.ids import new_id, show_id
from tests.api.test_waiting_room import HOUR, MovedClock, Room, clock
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.catalogue import sale_terms
from tests.support.desk import Desk, open_desk
from tests.support.visitor import Visitor

__all__ = ["clock"]


@pytest.fixture
async def office(database_url: str, clock: MovedClock) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


async def desk_with_sale_ahead(office: BoxOffice) -> Desk:
    terms = replace(sale_terms(capacity=100), on_sale_at=office.context.clock() + 2 * HOUR)
    return await open_desk(office, terms=terms)


async def test_from_the_desk_to_a_booking(office: BoxOffice, clock: MovedClock) -> None:
    desk = await desk_with_sale_ahead(office)
    page, room = f"{desk.address}/waiting-room", Room(office, clock, desk.event)
    shown = await desk.visitor.read(page)
    assert "Put a waiting room" in shown
    shown = await desk.visitor.submit(page, per_minute="many", opens_minutes_before="60")
    assert desk.visitor.status == 422
    assert "Enter a whole number." in shown
    shown = await desk.visitor.submit(page, per_minute="60", opens_minutes_before="60")
    assert "The waiting room is saved." in shown
    event = f"/events/{show_id('evt', desk.event.event_id)}"
    person = new_id()
    buyer, address = Visitor(office, office.as_person(person)), f"{event}/waiting-room"
    assert "This sale has a waiting room" in await buyer.read(event)
    assert "The waiting room opens on" in await buyer.read(address)
    room.move(HOUR)
    _log_in(buyer, office, person)  # the session of an hour ago has ended
    await buyer.read(address)
    shown = await buyer.submit(address)
    assert "You are in" in shown
    assert '<noscript><meta http-equiv="refresh"' in shown
    assert "You are in" in await buyer.read(address)
    room.move(HOUR)
    _log_in(buyer, office, person)
    shown = await buyer.read(address)
    assert 'data-place="' in shown
    assert "You are number" in shown
    refused = await _book(buyer, event, await office.ticket_type(desk.event))
    assert "Go to the waiting room" in refused
    assert buyer.status == 409
    room.move(timedelta(seconds=2))
    shown = await buyer.read(address)
    assert "It is your turn" in shown
    booked = await _book(buyer, event, await office.ticket_type(desk.event))
    assert buyer.status == 200, booked
    assert "/bookings/" in str(buyer.page.url if buyer.page else "")
    draw = await buyer.read(f"{address}/draw")
    assert "Compute the order" in draw
    assert 'data-entry=""' not in draw


def _log_in(visitor: Visitor, office: BoxOffice, person: UUID) -> None:
    token = office.as_person(person)["Authorization"].removeprefix("Bearer ")
    visitor.client.cookies.set("evently", f"evb_unknown.{token}", domain="evently.test")


async def _book(buyer: Visitor, event: str, type_id: str) -> str:
    await buyer.read(f"{event}/book?{type_id}=1")
    return await buyer.submit(f"{event}/bookings")


async def test_the_public_value_is_sent_from_the_desk(office: BoxOffice, clock: MovedClock) -> None:
    desk = await desk_with_sale_ahead(office)
    page, room = f"{desk.address}/waiting-room", Room(office, clock, desk.event)
    await desk.visitor.read(page)
    source = "The <b>number</b> of the notary"
    shown = await desk.visitor.submit(page, public_source=source)
    assert "<b>number</b>" not in shown
    event = f"/events/{show_id('evt', desk.event.event_id)}"
    member = desk.headers["Authorization"].removeprefix("Bearer ")
    person = office.context.accounts.tokens.verify_access(member).person_id
    room.move(2 * HOUR + timedelta(minutes=1))
    _log_in(desk.visitor, office, person)
    shown = await desk.visitor.read(page)
    assert "Send the public value" in shown
    await desk.visitor.submit(f"{page}/value", value=" ")
    assert desk.visitor.status == 422
    shown = await desk.visitor.submit(f"{page}/value", value="31")
    assert "The order is drawn." in shown
    shown = await Visitor(office).read(f"{event}/waiting-room/draw")
    assert "Compare the public value with its source" in shown


async def test_a_waiting_room_that_opened_cannot_be_removed_at_the_desk(
    office: BoxOffice, clock: MovedClock
) -> None:
    desk = await desk_with_sale_ahead(office)
    page = f"{desk.address}/waiting-room"
    await desk.visitor.read(page)
    shown = await desk.visitor.submit(page, opens_minutes_before="119")
    assert "Remove the waiting room" in shown
    form = desk.visitor.form(f"{page}/remove")
    clock.ahead += timedelta(minutes=2)
    shown = await desk.visitor.send(f"{page}/remove", form)
    assert desk.visitor.status == 409
    assert "The waiting room has opened" in shown
    assert "Remove the waiting room" not in shown


async def test_a_visitor_logs_in_first_and_other_events_have_none(
    office: BoxOffice, clock: MovedClock
) -> None:
    desk = await desk_with_sale_ahead(office)
    page = f"{desk.address}/waiting-room"
    event = f"/events/{show_id('evt', desk.event.event_id)}"
    visitor = Visitor(office)
    await visitor.read(f"{event}/waiting-room")
    assert visitor.status == 404
    await desk.visitor.read(page)
    await desk.visitor.submit(page, opens_minutes_before="1440")
    Room(office, clock, desk.event).move(timedelta(seconds=1))
    assert "Log in and enter" in await visitor.read(f"{event}/waiting-room")
    await visitor.submit(f"{event}/waiting-room")
    assert "/login" in str(visitor.page.url if visitor.page else "")
