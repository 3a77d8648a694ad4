"""What a reader holds, on every page; and prices with promo codes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from evently.catalogue import Event
from evently.kit.errors import Unavailable
from evently.kit.ids import new_id, show_id
from evently.sales.terms import Conditions
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.paying import sold_under
from tests.support.visitor import Visitor

ONLINE = Conditions(payment="online", hold_seconds=600)
BAR = 'aria-label="Held for you"'


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


async def hold(office: BoxOffice, event: Event, buyer: Visitor, quantity: int = 2) -> str:
    """Hold tickets on the pages; return the address of the booking."""
    address = f"/events/{show_id('evt', event.event_id)}"
    await buyer.read(f"{address}/book?{await office.ticket_type(event)}={quantity}")
    await buyer.submit(f"{address}/bookings")
    assert buyer.heading() == f"Pay for {quantity} tickets"
    return buyer.path


async def test_a_hold_is_said_on_every_page_until_it_is_given_back(office: BoxOffice) -> None:
    event = await office.open_event(terms=sold_under(ONLINE, 5))
    buyer = Visitor(office, office.as_buyer())
    address = f"/events/{show_id('evt', event.event_id)}"
    unknown = f"/events/{show_id('evt', new_id())}"
    pages = ("/", "/events", address, f"{address}/book", "/me/waitlist", unknown, "/accessibility")
    for path in pages:
        assert BAR not in await buyer.read(path), path
    booking = await hold(office, event, buyer)
    assert BAR not in buyer.text, "the page of the booking says it itself"
    for path in pages:
        text = await buyer.read(path)
        assert BAR in text, path
        assert "2 tickets <span>held until</span>" in text
        assert f'href="{booking}">Pay €\u00a050.00</a>' in text
        assert buyer.page is not None
        assert buyer.page.headers["cache-control"] == "no-store", path
        for other in (Visitor(office), Visitor(office, office.as_buyer())):
            assert BAR not in await other.read(path), f"{path} is kept for others"
    for path in (booking, "/me/tickets", "/tickets/tkt_00000000000000000000000000", "/offline"):
        assert BAR not in await buyer.read(path), path
    await buyer.send(f"{booking}/cancel", {})
    assert buyer.heading() == "Cancelled"
    assert "evently-hold" not in buyer.client.cookies
    for path in pages:
        assert BAR not in await buyer.read(path), path


async def test_a_hold_that_ended_elsewhere_is_not_said(office: BoxOffice) -> None:
    event = await office.open_event(terms=sold_under(ONLINE, 5))
    session = office.as_buyer()
    buyer = Visitor(office, session)
    booking = await hold(office, event, buyer)
    assert BAR in await buyer.read("/")
    await office.post(f"/v1{booking}/cancel", session)
    assert BAR not in await buyer.read("/")
    assert "evently-hold" not in buyer.client.cookies


@pytest.mark.parametrize("value", ["", "x", "bkg_", "bkg_00000000000000000000000000", '"><b>'])
async def test_a_forged_cookie_says_nothing(office: BoxOffice, value: str) -> None:
    event = await office.open_event(terms=sold_under(ONLINE, 5))
    holder, thief = Visitor(office, office.as_buyer()), Visitor(office, office.as_buyer())
    booking = await hold(office, event, holder)
    for forged in (value, booking.removeprefix("/bookings/")):
        thief.client.cookies.set("evently-hold", forged, domain="evently.test")
        assert BAR not in await thief.read("/")
        assert thief.status == 200


async def test_a_page_that_needs_no_database_does_not_wait_for_the_hold(
    office: BoxOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = await office.open_event(terms=sold_under(ONLINE, 5))
    buyer = Visitor(office, office.as_buyer())
    await hold(office, event, buyer)

    async def unavailable(*_: object) -> None:
        raise Unavailable

    monkeypatch.setattr("evently.sales.reads.get_booking", unavailable)
    assert BAR not in await buyer.read("/accessibility")
    assert buyer.status == 200


async def test_a_ticket_type_is_one_line_whatever_a_discount_does(office: BoxOffice) -> None:
    event = await office.open_event(terms=sold_under(ONLINE, 9))
    owner, event_id = await office.as_member("owner"), show_id("evt", event.event_id)
    code = {"code": "TENOFF", "kind": "fixed_per_booking", "amount": {"amount": 1_000, "currency": "EUR"}}
    assert (await office.post(f"/v1/events/{event_id}/promo-codes", owner, **code)).status_code == 201
    buyer = Visitor(office, office.as_buyer())
    text = await buyer.read(f"/events/{event_id}/book?{await office.ticket_type(event)}=3&code=tenoff")
    lines = re.findall(r"<div><span>(\d) × Regular</span><span>([^<]*)</span></div>", text)
    assert lines == [("3", "€\u00a075.00")], "ten euros cannot be shared by three"
    assert "− €\u00a010.00" in text
    assert 'class="total"><span>Total</span><span>€\u00a065.00<' in text


async def test_an_offer_is_taken_with_a_promo_code(office: BoxOffice) -> None:
    event = await office.open_event(terms=sold_under(ONLINE, 1))
    owner, event_id = await office.as_member("owner"), show_id("evt", event.event_id)
    code = {"code": "HALF", "kind": "percent", "basis_points": 5_000}
    assert (await office.post(f"/v1/events/{event_id}/promo-codes", owner, **code)).status_code == 201
    first, second = office.as_buyer(), Visitor(office, office.as_buyer())
    held = (await office.book(event, first)).json()["id"]
    type_id = await office.ticket_type(event)
    await second.read(f"/events/{event_id}/waitlist?type={type_id}")
    await second.submit(f"/events/{event_id}/waitlist", type=type_id, quantity="1")
    await office.post(f"/v1/bookings/{held}/cancel", first)
    await second.read("/me/waitlist")
    accept = re.search(r'action="(/waitlist/wle_[^"]*/accept)"', second.text)
    assert accept
    await second.submit(accept[1], code="GUESS")
    assert second.status == 422
    assert "Your tickets are here" in second.text, "the offer stays"
    assert 'value="GUESS"' in second.text
    assert 'aria-invalid="true"' in second.text
    await second.submit(accept[1], code="half")
    assert second.heading() == "Pay for 1 ticket"
    assert "Pay €\u00a012.50" in second.text
