"""The page of an event without script: what Enter does in its form, and the way of members to their desk."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from evently.kit.ids import new_id, show_id
from evently.sales.terms import Conditions
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.catalogue import make_organizer
from tests.support.desk import address_of
from tests.support.paying import sold_under
from tests.support.visitor import Visitor

ONLINE = Conditions(payment="online", hold_seconds=600)
MANAGE = "Manage this event"


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


# Enter ------------------------------------------------------------------------------------------------------


def pressed_by_enter(visitor: Visitor, action: str) -> dict[str, str]:
    """Return the fields that a browser sends after Enter: those of the form, and of its first button."""
    form = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', visitor.text, re.DOTALL)
    assert form is not None
    buttons = re.findall(r"<button[^>]*>", form[0])
    assert all('type="' not in button for button in buttons), "each of them sends the form"
    name, value = (re.search(rf'{field}="([^"]*)"', buttons[0]) for field in ("name", "value"))
    pressed = {name[1]: value[1] if value else ""} if name else {}
    return visitor.form(action) | pressed


async def half_price(office: BoxOffice) -> tuple[str, str]:
    """Return the address of an event with the promo code HALF, and its ticket type."""
    event = await office.open_event(terms=sold_under(ONLINE, 5))
    event_id = show_id("evt", event.event_id)
    code = {"code": "HALF", "kind": "percent", "basis_points": 5000}
    made = await office.post(f"/v1/events/{event_id}/promo-codes", await office.as_member("owner"), **code)
    assert made.status_code == 201, made.text
    return f"/events/{event_id}", await office.ticket_type(event)


async def test_enter_in_a_quantity_goes_on(office: BoxOffice) -> None:
    address, type_id = await half_price(office)
    visitor, buyer = Visitor(office), Visitor(office, office.as_buyer())
    await visitor.read(address)
    await visitor.send(
        f"{address}/bookings", pressed_by_enter(visitor, f"{address}/bookings") | {type_id: "2"}
    )
    assert visitor.path == f"{address}/book"
    await buyer.read(address)
    await buyer.send(f"{address}/bookings", pressed_by_enter(buyer, f"{address}/bookings") | {type_id: "2"})
    assert buyer.heading() == "Pay for 2 tickets"


async def test_enter_in_the_field_of_the_promo_code_applies_it_and_enter_again_goes_on(
    office: BoxOffice,
) -> None:
    address, type_id = await half_price(office)
    buyer = Visitor(office, office.as_buyer())
    await buyer.read(address)
    typed = {type_id: "2", "code": " half "}
    await buyer.send(f"{address}/bookings", pressed_by_enter(buyer, f"{address}/bookings") | typed)
    assert buyer.path == address, "nothing is booked at a price that nobody has seen"
    assert "12.50" in buyer.text
    assert buyer.form(f"{address}/bookings")[type_id] == "2"
    await buyer.send(f"{address}/bookings", pressed_by_enter(buyer, f"{address}/bookings"))
    assert buyer.heading() == "Pay for 2 tickets"
    assert "25.00" in buyer.text


async def test_enter_after_the_promo_code_was_deleted_shows_the_price_without_it(office: BoxOffice) -> None:
    address, type_id = await half_price(office)
    buyer = Visitor(office, office.as_buyer())
    await buyer.read(f"{address}?{type_id}=1&code=half")
    fields = pressed_by_enter(buyer, f"{address}/bookings") | {"code": ""}
    await buyer.send(f"{address}/bookings", fields)
    assert buyer.path == address
    assert "12.50" not in buyer.text
    assert buyer.form(f"{address}/bookings")[type_id] == "1"


async def test_enter_beside_seats_takes_the_tickets_without_one(office: BoxOffice) -> None:
    event = await office.open_hall()
    address, types = f"/events/{show_id('evt', event.event_id)}", await office.types(event)
    buyer = Visitor(office, office.as_buyer())
    await buyer.read(address)
    await buyer.send(
        f"{address}/bookings", pressed_by_enter(buyer, f"{address}/bookings") | {types["Floor"]: "1"}
    )
    assert buyer.path == f"{address}/book"
    assert "Floor" in buyer.text


# The way to the desk ----------------------------------------------------------------------------------------


async def read_as(office: BoxOffice, address: str, headers: dict[str, str]) -> Visitor:
    visitor = Visitor(office, headers)
    await visitor.read(address)
    assert visitor.status == 200
    return visitor


@pytest.mark.parametrize("query", ["", "?code=half"])
async def test_members_alone_see_the_way_to_the_desk(office: BoxOffice, query: str) -> None:
    address, _ = await half_price(office)
    desk = f'href="/organize{address}"'
    members = [await office.as_member(role) for role in ("owner", "manager", "door")]
    elsewhere = await office.as_member("owner", await make_organizer(office.context.database, "Others"))
    admin = office.as_person(new_id(), "admin")
    office.context.accounts.roles.forget(office.venue.organizer_id)
    for headers in (*members, elsewhere, admin, office.as_buyer(), *members):
        found = await read_as(office, f"{address}{query}", headers)
        assert (MANAGE in found.text) == (headers in members)
        assert (desk in found.text) == (headers in members)
        assert found.page is not None
        assert found.page.headers["cache-control"] == "no-store"
        assert "evently-desk" not in found.page.headers


async def test_the_kept_page_knows_of_nobody(office: BoxOffice) -> None:
    event = await office.open_event(capacity=5)
    address = f"/events/{show_id('evt', event.event_id)}"
    visitor, again = Visitor(office), Visitor(office)
    before = await visitor.read(address)
    owner = await office.as_member("owner")
    office.context.accounts.roles.forget(office.venue.organizer_id)
    member = await read_as(office, address, owner)
    assert MANAGE in member.text
    assert await again.read(address) == before
    assert MANAGE not in before
    assert again.page is not None
    assert again.page.headers["cache-control"] == "public, max-age=1"


async def test_a_buyer_who_holds_tickets_gets_no_way_to_the_desk(office: BoxOffice) -> None:
    address, type_id = await half_price(office)
    buyer = Visitor(office, office.as_buyer())
    await buyer.read(address)
    await buyer.submit(f"{address}/bookings", **{type_id: "1"})
    assert buyer.heading() == "Pay for 1 ticket"
    assert MANAGE not in await buyer.read(address)
    assert "held" in buyer.text
    buyer.client.cookies.delete("evently")
    assert MANAGE not in await buyer.read(address), "logged out, with the hold in a cookie"


async def test_the_way_leads_to_the_event_at_the_desk(office: BoxOffice) -> None:
    event: Any = await office.open_event()
    owner = await read_as(
        office, f"/events/{show_id('evt', event.event_id)}", await office.as_member("owner")
    )
    await owner.read(address_of(event))
    assert owner.status == 200
    assert event.title in owner.text
