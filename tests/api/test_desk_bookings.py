"""The bookings at the desk: finding one, its story, and each thing that is done when a buyer calls."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from evently.audit import inspect
from evently.kit.ids import new_id, show_id
from tests.api.test_transfers import Somebody, somebody
from tests.db.test_audit import found
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.desk import address_of
from tests.support.visitor import Visitor

HOSTILE = "<script>alert('x')</script> & \"Co\" '=1+1"


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, demo=True) as opened:
        yield opened


async def stage(office: BoxOffice, role: str = "manager") -> tuple[Visitor, Somebody, Any, str]:
    """Return a member at the desk, a buyer, their booking of two seats, and its address."""
    event, buyer = await office.open_hall(), await somebody(office, HOSTILE)
    types = await office.types(event)
    line = {"ticket_type_id": types["Stalls"], "seats": ["S-A-1", "S-A-2"]}
    booking = (await office.place(event, buyer.headers, line)).json()
    visitor = Visitor(office, await office.as_member(role))
    return visitor, buyer, booking, f"{address_of(event)}/bookings/{booking['id']}"


async def test_a_booking_is_found_and_opened(office: BoxOffice) -> None:
    visitor, buyer, booking, address = await stage(office)
    text = await visitor.read(address.rsplit("/", 1)[0])
    assert visitor.heading() == "Bookings"
    assert booking["reference"] in text
    assert "<script>" not in text
    assert buyer.email in await visitor.read(f"{address.rsplit('/', 1)[0]}?q={buyer.email}")
    assert booking["reference"] in visitor.text
    assert "Nothing for “nobody”" in await visitor.read(f"{address.rsplit('/', 1)[0]}?q=nobody")
    text = await visitor.read(address)
    assert visitor.heading() == f"Booking {booking['reference']}"
    assert "Booked: 2 × Stalls." in text
    assert "<script>" not in text
    assert buyer.email in text
    assert all(ticket["code"] not in text for ticket in booking["tickets"]), "no code at the desk"


async def test_seats_are_changed_in_words(office: BoxOffice) -> None:
    visitor, _, booking, address = await stage(office)
    await visitor.read(address)
    first, second = (f"seat-{each['id']}" for each in booking["tickets"])
    await visitor.submit(f"{address}/seats", **{first: "stalls a 4"})
    assert "The tickets have other seats." in visitor.text, visitor.text
    assert "changed seats: Stalls, row A, seat 1 → Stalls, row A, seat 4" in visitor.text
    await visitor.submit(f"{address}/seats", **{first: "nowhere 77", second: "a"})
    assert visitor.status == 422
    assert visitor.text.count('aria-invalid="true"') == 2, "both at once"
    assert "nowhere 77" in visitor.text, "nothing typed is lost"
    await visitor.read(address)
    await visitor.submit(f"{address}/seats", **{first: "S-A-2"})
    assert visitor.status == 409
    assert 'role="alert"' in visitor.text
    await visitor.read(address)
    await visitor.submit(f"{address}/seats")
    assert visitor.status == 422
    await visitor.read(address)
    swap = visitor.form(f"{address}/seats") | {first: "S-A-2", second: "S-A-4"}
    await visitor.send(f"{address}/seats", swap)
    await visitor.send(f"{address}/seats", swap)
    assert "The tickets have other seats." in visitor.text, "sent twice, it acts once"
    assert visitor.text.count("changed seats:") == 2
    assert found(await inspect(office.context.database)) == {}


async def test_names_and_tickets_by_e_mail(office: BoxOffice) -> None:
    visitor, buyer, booking, address = await stage(office)
    ticket = booking["tickets"][0]["id"]
    await visitor.read(address)
    await visitor.send(f"{address}/name", {"ticket": ticket, f"name-{ticket}": HOSTILE})
    assert "The name is changed." in visitor.text
    assert "<script>" not in visitor.text
    await visitor.send(f"{address}/name", {"ticket": ticket, f"name-{ticket}": "x" * 300})
    assert visitor.status == 422
    assert "x" * 300 in visitor.text
    await visitor.send(f"{address}/resend", {})
    assert f"on their way to {buyer.email}" in visitor.text
    for _ in range(5):
        await visitor.send(f"{address}/resend", {})
    assert visitor.status == 409
    assert "sent 5 times within a day" in visitor.text


async def test_the_quote_comes_before_the_cancellation(office: BoxOffice) -> None:
    visitor, buyer, booking, address = await stage(office)
    ticket = booking["tickets"][0]["id"]
    text = await visitor.read(f"{address}/cancel?ticket={ticket}")
    assert visitor.heading() == "Cancel 1 ticket"
    assert "is paid back" in text
    assert re.search(r"40\.00\s+was paid, or is to be paid, at the door", text), text
    before = await office.client.get(f"/v1/bookings/{booking['id']}", headers=buyer.headers)
    assert before.json()["tickets"][0]["state"] == "valid", "nothing was done"
    await visitor.submit(f"{address}/cancel")
    assert "The tickets are cancelled." in visitor.text
    await visitor.read(f"{address}/cancel?ticket={ticket}")
    assert visitor.status == 409
    await visitor.read(f"{address}/cancel")
    await visitor.submit(f"{address}/cancel")
    after = await office.client.get(f"/v1/bookings/{booking['id']}", headers=buyer.headers)
    assert after.json()["state"] == "cancelled"
    assert found(await inspect(office.context.database)) == {}


async def test_who_may_not_see_finds_nothing(office: BoxOffice) -> None:
    visitor, buyer, booking, address = await stage(office)
    door = Visitor(office, await office.as_member("door"))
    for path in (address, address.rsplit("/", 1)[0], f"{address}/cancel"):
        await door.read(path)
        assert door.status == 403
        assert buyer.email not in door.text
        stranger = Visitor(office, buyer.headers)
        await stranger.read(path)
        assert stranger.status in (403, 404)
        assert booking["reference"] not in stranger.text
    other = address_of(await office.open_event())
    for lost in (f"{other}/bookings/{booking['id']}", f"{other}/bookings/{show_id('bkg', new_id())}"):
        await visitor.read(lost)
        assert visitor.status == 404
        await visitor.send(f"{lost}/seats", {})
        assert visitor.status == 404
    await visitor.send(f"{address}/resend", {}, site="cross-site")
    assert visitor.status == 403
