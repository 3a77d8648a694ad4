"""The pages of the waitlist over HTTP, as a browser without script uses them."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator

import pytest

from evently import organizing
from evently.kit.ids import show_id
from evently.kit.money import Money
from evently.organizing import AddedTicketType, PromoDraft
from evently.sales.terms import Conditions
from tests.api.test_tickets import as_named_buyer
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.paying import sold_under
from tests.support.push import CONTACT, Phone
from tests.support.visitor import Visitor


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


async def test_a_buyer_waits_is_offered_a_ticket_and_takes_it(office: BoxOffice) -> None:
    event = await office.open_event(terms=sold_under(Conditions(payment="online", hold_seconds=600), 1))
    first, second = office.as_buyer(), Visitor(office, office.as_buyer())
    held = (await office.book(event, first)).json()["id"]
    type_id = await office.ticket_type(event)
    address = f"/events/{show_id('evt', event.event_id)}"
    office.context.memory.forget_all()
    await second.read(address)
    link = re.search(rf'href="({address}/waitlist\?type=[^"]*)"', second.text)
    assert link, "a sold-out ticket type leads to the waitlist"
    await second.read(link[1])
    await second.submit(f"{address}/waitlist", type=type_id, quantity="two")
    assert second.status == 422
    await second.submit(f"{address}/waitlist", type=type_id, quantity="1")
    assert second.path == "/me/waitlist"
    assert "number <b>1</b> in line" in second.text
    assert "You are in line" in second.text
    assert "and stand here." in second.text, "nothing else tells where there is neither mail nor push"
    assert "You are in line" not in await second.read("/me/waitlist"), "said once"
    await second.read(link[1])
    await second.submit(f"{address}/waitlist", type=type_id)
    assert second.path == "/me/waitlist", "who waits already is shown where"
    await office.post(f"/v1/bookings/{held}/cancel", first)
    await second.read("/me/waitlist")
    assert "Your tickets are here" in second.text
    accept = re.search(r'action="(/waitlist/wle_[^"]*/accept)"', second.text)
    assert accept
    stranger = Visitor(office, office.as_buyer())
    await stranger.send(accept[1], {})
    assert stranger.status == 404
    await second.send(accept[1], {})
    assert second.heading() == "Pay for 1 ticket"
    await second.send(accept[1], {})
    assert second.heading() == "Pay for 1 ticket", "accepting twice is accepting once"


async def test_a_promo_code_leads_to_the_waitlist_of_a_hidden_ticket_type(office: BoxOffice) -> None:
    event = await office.open_event(capacity=1)
    context, now = office.context, office.context.clock()
    async with context.database.transaction() as tx:
        draft = AddedTicketType(name="Crew", price=Money(1000, "EUR"), hidden=True)
        added = await organizing.add_ticket_type(tx, event.event_id, draft, now)
        crew = added.part_id
        code = PromoDraft(code="CREW-2", kind="unlock", ticket_type_ids=(crew,))
        await organizing.add_promo_code(tx, event.event_id, code, now)
    booked = (await office.book(event, holder := office.as_buyer())).json()["id"]
    address, type_id = f"/events/{show_id('evt', event.event_id)}", show_id("tty", crew)
    visitor = Visitor(office, office.as_buyer())
    assert "Crew" not in await visitor.read(f"{address}/waitlist")
    await visitor.read(f"{address}/waitlist?code=NONE")
    assert visitor.status == 422
    assert 'value="NONE"' in visitor.text
    await visitor.read(f"{address}?code=crew-2")
    link = re.search(rf'href="({address}/waitlist\?type={type_id}[^"]*)"', visitor.text)
    assert link, "a sold-out ticket type leads to the waitlist with the code"
    stranger = Visitor(office)
    await stranger.read(html.unescape(link[1]))
    await stranger.submit(f"{address}/waitlist", quantity="1")
    assert stranger.path == "/login"
    assert "code%3Dcrew-2" in stranger.text, "the code is kept for after the log-in"
    await visitor.read(html.unescape(link[1]))
    assert "Crew" in visitor.text
    await visitor.submit(f"{address}/waitlist", type=type_id, quantity="1")
    assert visitor.path == "/me/waitlist"
    assert "1 × Crew" in visitor.text
    await office.post(f"/v1/bookings/{booked}/cancel", holder)
    await visitor.read("/me/waitlist")
    accept = re.search(r'action="(/waitlist/wle_[^"]*/accept)"', visitor.text)
    assert accept
    await visitor.send(accept[1], {})
    assert visitor.path.startswith("/bookings/"), visitor.text


async def test_an_offer_is_passed_on(office: BoxOffice) -> None:
    event = await office.open_event(capacity=1)
    first, waiting = office.as_buyer(), [Visitor(office, office.as_buyer()) for _ in range(2)]
    booked = (await office.book(event, first)).json()["id"]
    type_id = await office.ticket_type(event)
    address = f"/events/{show_id('evt', event.event_id)}/waitlist"
    for visitor in waiting:
        await visitor.send(address, {"type": type_id, "quantity": "1"})
    await office.post(f"/v1/bookings/{booked}/cancel", first)
    await waiting[0].read("/me/waitlist")
    leave = re.search(r'action="(/waitlist/wle_[^"]*/leave)"', waiting[0].text)
    assert leave
    await waiting[0].send(leave[1], {})
    assert "You passed the offer on." in waiting[0].text
    assert "Your tickets are here" in await waiting[1].read("/me/waitlist")


async def test_a_visitor_logs_in_before_joining(office: BoxOffice) -> None:
    event = await office.open_event(capacity=1)
    visitor = Visitor(office)
    address = f"/events/{show_id('evt', event.event_id)}/waitlist"
    await visitor.send(address, {"type": await office.ticket_type(event), "quantity": "1"})
    assert visitor.path == "/login"
    await visitor.read("/me/waitlist")
    assert visitor.path == "/login"


async def test_who_joins_is_told_how_an_offer_is_said_and_what_is_quicker(database_url: str) -> None:
    async with open_box_office(database_url, demo=True, push_contact=CONTACT) as office:
        event = await office.open_event(capacity=1)
        await office.book(event, office.as_buyer())
        session = await as_named_buyer(office, "Ada")
        waiting, type_id = Visitor(office, session), await office.ticket_type(event)
        form = {"type": type_id, "quantity": "1", "key": "one"}
        path = f"/events/{show_id('evt', event.event_id)}/waitlist"
        await waiting.send(path, form)
        assert "an e-mail says so. A message on this device is quicker." in waiting.text
        assert 'href="/me/notifications#devices"' in waiting.text
        await waiting.send("/me/notifications", {"only": "necessary"})
        await waiting.send(path, form)
        assert "and stand here. A message on this device" in waiting.text, "the reader wants no e-mail of it"
        await waiting.send("/me/notifications", [("topic", "waitlist"), ("push", "waitlist")])
        phone = Phone("phone")
        await waiting.send("/me/devices", phone.form)
        await waiting.send(path, form)
        assert "an e-mail and this device say so." in waiting.text
        assert "is quicker" not in waiting.text
