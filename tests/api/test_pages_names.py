"""Names on tickets, on the pages of a booking and of a ticket, as a browser without script uses them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest

from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.ids import parse_id, show_id
from evently.sales.terms import Conditions
from tests.api.test_attendees import set_names
from tests.api.test_tickets import as_named_buyer
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.paying import sold_under
from tests.support.visitor import Visitor

HOSTILE = '"><script>alert(1)</script><b style="x">&amp;\u00a0{{ 7*7 }}'


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


async def booked(
    office: BoxOffice, quantity: int = 3, *, online: bool = False, **setting: Any
) -> tuple[Event, Visitor, dict[str, str], Any]:
    """Return an event under a setting, its buyer as a visitor and over the API, and the booking."""
    terms = sold_under(Conditions(payment="online", hold_seconds=600), 50) if online else None
    event = await office.open_event(**({"terms": terms} if terms else {"capacity": 50}))
    if setting:
        assert (await set_names(office, event, **setting)).status_code == 200
    session = await as_named_buyer(office, "Ada Lovelace")
    booking = (await office.book(event, session, quantity)).json()
    return event, Visitor(office, session), session, booking


def fields_of(booking: Any) -> list[str]:
    return [f"name_{ticket['id']}" for ticket in booking["tickets"]]


async def names_of(office: BoxOffice, session: dict[str, str], booking: Any) -> list[str | None]:
    listed = await office.client.get(f"/v1/bookings/{booking['id']}/tickets", headers=session)
    return [each["attendee_name"] for each in listed.json()["data"]]


def plain(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


async def test_all_names_of_a_booking_are_given_at_once(office: BoxOffice) -> None:
    _, visitor, session, booking = await booked(office)
    address, (first, second, third) = f"/bookings/{booking['id']}", fields_of(booking)
    await visitor.read(address)
    assert visitor.form(f"{address}/names") == {first: "", second: "", third: ""}
    await visitor.submit(f"{address}/names", **{first: " Grace  Hopper ", third: "山田 太郎"})
    assert (visitor.status, visitor.path) == (200, address)
    assert "The names are saved." in visitor.text
    assert await names_of(office, session, booking) == ["Grace Hopper", None, "山田 太郎"]
    assert visitor.form(f"{address}/names") == {first: "Grace Hopper", second: "", third: "山田 太郎"}
    await visitor.submit(f"{address}/names", **{first: ""})
    assert await names_of(office, session, booking) == [None, None, "山田 太郎"]
    page = await visitor.read(f"/tickets/{booking['tickets'][2]['id']}")
    assert "Name 山田 太郎 Booked by Ada Lovelace" in plain(page)
    (field,) = visitor.form(f"/tickets/{booking['tickets'][2]['id']}/name").items()
    assert field == ("attendee_name", "山田 太郎")


async def test_every_error_is_said_at_once_and_nothing_typed_is_lost(office: BoxOffice) -> None:
    _, visitor, session, booking = await booked(office)
    address, (first, second, third) = f"/bookings/{booking['id']}", fields_of(booking)
    await visitor.read(address)
    await visitor.submit(f"{address}/names", **{second: "Grace"})
    typed = {first: "N" * 201, second: "   ", third: "\u202eecarG"}
    await visitor.submit(f"{address}/names", **typed)
    assert visitor.status == 422
    assert visitor.form(f"{address}/names") == typed
    said = plain(visitor.text)
    assert "Ticket 1: a name has 1 to 200 characters." in said
    assert "Ticket 2: must not be blank." in said
    assert "Ticket 3: must not contain characters that change the direction of text." in said
    assert visitor.text.count('aria-invalid="true"') == 3
    for field in (first, second, third):
        assert f'href="#{field}"' in visitor.text
        assert f'id="{field}"' in visitor.text
    assert "<title>Error: " in visitor.text
    assert await names_of(office, session, booking) == [None, "Grace", None], "nothing was written"


async def test_hostile_names_are_text_wherever_they_stand(office: BoxOffice) -> None:
    _, visitor, session, booking = await booked(office, 1)
    address, (field,) = f"/bookings/{booking['id']}", fields_of(booking)
    stored = HOSTILE.replace("\u00a0", " ")
    await visitor.read(address)
    await visitor.submit(f"{address}/names", **{field: HOSTILE})
    assert await names_of(office, session, booking) == [stored]
    for path in (address, f"/tickets/{booking['tickets'][0]['id']}"):
        page = await visitor.read(path)
        assert "<script>alert" not in page
        assert 'style="x"' not in page
        assert stored in unescape(page), "it is there, as text"
    await visitor.read(address)
    assert visitor.form(f"{address}/names") == {field: stored}


async def test_required_names_are_an_open_task_until_they_are_there(office: BoxOffice) -> None:
    _, visitor, session, booking = await booked(office, 2, attendee_names="required", names_hours_before=24)
    address, (first, second) = f"/bookings/{booking['id']}", fields_of(booking)
    assert "2 tickets need a name" in await visitor.read(address)
    assert "Missing" in await visitor.read(f"/tickets/{booking['tickets'][0]['id']}")
    await visitor.read(address)
    await visitor.submit(f"{address}/names", **{first: "Grace Hopper"})
    assert "1 ticket needs a name" in visitor.text
    await visitor.submit(f"{address}/names", **{second: "Linus"})
    assert "needs a name" not in visitor.text
    assert await names_of(office, session, booking) == ["Grace Hopper", "Linus"]
    assert "Missing" not in await visitor.read(f"/tickets/{booking['tickets'][0]['id']}")


@pytest.mark.parametrize("asked", ["optional", "required"])
async def test_names_are_given_while_the_tickets_are_held(office: BoxOffice, asked: str) -> None:
    _, visitor, session, booking = await booked(office, 2, online=True, attendee_names=asked)
    assert booking["state"] == "held"
    address, (first, second) = f"/bookings/{booking['id']}", fields_of(booking)
    await visitor.read(address)
    assert visitor.heading() == "Pay for 2 tickets", "missing names do not stand in the way of paying"
    await visitor.submit(f"{address}/names", **{first: "Grace", second: "\u2028"})
    assert visitor.status == 422
    await visitor.submit(f"{address}/names", **{second: "Linus"})
    assert await names_of(office, session, booking) == ["Grace", "Linus"]
    await visitor.submit(f"{address}/pay")
    assert visitor.path.startswith("/pay/")


async def test_after_the_time_the_page_says_when_it_was(office: BoxOffice) -> None:
    event, visitor, session, booking = await booked(office, 2)
    address, (first, _) = f"/bookings/{booking['id']}", fields_of(booking)
    await visitor.read(address)
    await visitor.submit(f"{address}/names", **{first: "Grace"})
    fields = visitor.form(f"{address}/names") | {first: "Linus"}
    ended = utc_now() - timedelta(minutes=1)
    await set_names(office, event, names_until=ended.isoformat(), attendee_names="required")
    text = await visitor.send(f"{address}/names", fields)
    assert visitor.status == 409
    local = ended.astimezone(event.place.zone)
    until = f"Names could be changed until {local:%a} {local.day} {local:%b %Y}, {local:%H:%M}."
    assert f"{until} Nothing was saved." in plain(text)
    assert f'action="{address}/names"' not in text
    text = await visitor.read(address)
    assert until in plain(text)
    assert "Ticket 1: Regular Grace" in plain(text)
    assert "need a name" not in text, "a task that cannot be done is no task"
    assert await names_of(office, session, booking) == ["Grace", None]
    assert "Change the name" not in await visitor.read(f"/tickets/{booking['tickets'][0]['id']}")


async def test_a_ticket_that_was_cancelled_meanwhile_costs_no_other_name(office: BoxOffice) -> None:
    _, visitor, session, booking = await booked(office, 3)
    address, (first, second, third) = f"/bookings/{booking['id']}", fields_of(booking)
    await visitor.read(address)
    form = visitor.form(f"{address}/names")
    await office.post(
        f"/v1/bookings/{booking['id']}/cancel", session, ticket_ids=[booking["tickets"][0]["id"]]
    )
    await visitor.send(f"{address}/names", form | {first: "Void", second: "Grace"})
    assert visitor.path == address
    assert await names_of(office, session, booking) == [None, "Grace", None]
    await visitor.read(address)
    assert visitor.form(f"{address}/names") == {second: "Grace", third: ""}


async def test_a_returned_ticket_keeps_its_name_and_the_others_can_change(office: BoxOffice) -> None:
    event = await office.open_event(capacity=2)
    session = await as_named_buyer(office, "Ada Lovelace")
    booking = (await office.book(event, session, 2)).json()
    visitor, address = Visitor(office, session), f"/bookings/{booking['id']}"
    first, second = fields_of(booking)
    await visitor.read(address)
    await visitor.submit(f"{address}/names", **{first: "Grace"})
    form = visitor.form(f"{address}/names")
    returned = await office.post(
        f"/v1/bookings/{booking['id']}/return", session, ticket_ids=[booking["tickets"][0]["id"]]
    )
    assert returned.status_code == 200, returned.text
    await visitor.send(f"{address}/names", form | {first: "Linus", second: "Edsger"})
    assert visitor.status == 409
    assert "This ticket is offered to the waitlist." in visitor.text
    assert visitor.form(f"{address}/names") == {second: "Edsger"}, "what was typed for the other stays"
    await visitor.submit(f"{address}/names")
    assert await names_of(office, session, booking) == ["Grace", "Edsger"]


async def test_no_names_are_shown_where_none_are_asked_for(office: BoxOffice) -> None:
    _, visitor, session, booking = await booked(office, 1, attendee_names="not_asked")
    address = f"/bookings/{booking['id']}"
    assert "Names on the tickets" not in await visitor.read(address)
    text = await visitor.send(f"{address}/names", {fields_of(booking)[0]: "Grace"})
    assert visitor.status == 409
    assert "does not ask for names" in text
    assert await names_of(office, session, booking) == [None]


async def test_another_person_writes_no_names(office: BoxOffice) -> None:
    _, _, session, booking = await booked(office, 1)
    stranger = Visitor(office, await as_named_buyer(office, "Mallory"))
    await stranger.send(f"/bookings/{booking['id']}/names", {fields_of(booking)[0]: "Mallory"})
    assert stranger.status == 404
    elsewhere = Visitor(office, session)
    await elsewhere.send(
        f"/bookings/{booking['id']}/names", {fields_of(booking)[0]: "Mallory"}, site="cross-site"
    )
    assert elsewhere.status == 403
    assert await names_of(office, session, booking) == [None]


async def test_the_copy_of_the_data_has_the_names_that_a_person_gave(office: BoxOffice) -> None:
    event, visitor, _, booking = await booked(office, 2)
    address, (first, _) = f"/bookings/{booking['id']}", fields_of(booking)
    await visitor.read(address)
    await visitor.submit(f"{address}/names", **{first: "Grace Hopper"})
    await visitor.read("/me/export")
    assert visitor.page is not None
    (given,) = visitor.page.json()["attendee_names"]
    assert (given["ticket_id"], given["name"]) == (booking["tickets"][0]["id"], "Grace Hopper")
    assert given["event_id"] == show_id("evt", event.event_id)


async def test_a_name_is_given_and_taken_back_on_the_ticket_itself(office: BoxOffice) -> None:
    _, visitor, session, booking = await booked(office, 2)
    path = f"/tickets/{booking['tickets'][0]['id']}"
    await visitor.read(path)
    await visitor.submit(f"{path}/name", attendee_name="\u202ecarG")
    assert visitor.status == 422
    assert visitor.form(f"{path}/name") == {"attendee_name": "\u202ecarG"}
    assert "Must not contain characters that change the direction of text." in visitor.text
    assert visitor.page is not None
    assert "evently-reader" not in visitor.page.headers, "a page with an error is not kept"
    await visitor.submit(f"{path}/name", attendee_name="Grace Hopper")
    assert (visitor.status, visitor.path) == (200, path)
    assert "The name is saved." in visitor.text
    assert await names_of(office, session, booking) == ["Grace Hopper", None]
    await visitor.submit(f"{path}/name", attendee_name="")
    assert await names_of(office, session, booking) == [None, None]


async def test_who_holds_a_ticket_names_it_and_the_buyer_does_not_see_the_name(office: BoxOffice) -> None:
    event, visitor, _, booking = await booked(office, 2, attendee_names="required")
    address, (first, second) = f"/bookings/{booking['id']}", fields_of(booking)
    await visitor.read(address)
    await visitor.submit(f"{address}/names", **{first: "Grace", second: "Linus"})
    form = visitor.form(f"{address}/names")
    other = await as_named_buyer(office, "Bob")
    bob = (await office.client.get("/v1/me", headers=other)).json()["id"]
    async with office.context.database.transaction() as tx:
        await tx.execute(
            "UPDATE tickets SET holder_id = $1 WHERE ticket_id = $2",
            parse_id("per", bob),
            parse_id("tkt", booking["tickets"][0]["id"]),
        )
    path = f"/tickets/{booking['tickets'][0]['id']}"
    holder = Visitor(office, other)
    assert "Grace" not in await holder.read(path)
    await holder.submit(f"{path}/name", attendee_name="Bob the holder")
    assert "Bob the holder" in await holder.read(path)
    for page in (address, path):
        assert "Bob the holder" not in await visitor.read(page)
    await visitor.send(f"{address}/names", form | {first: "Mallory"})
    await visitor.send(f"{path}/name", {"attendee_name": "Mallory"})
    assert visitor.status == 409
    said = (await office.client.get(f"/v1{path}", headers=other)).json()
    assert said["attendee_name"] == "Bob the holder"
    manager = await office.as_member("manager")
    listed = await office.client.get(
        f"/v1/events/{show_id('evt', event.event_id)}/attendees", headers=manager
    )
    assert [each["attendee_name"] for each in listed.json()["data"]] == ["Bob the holder", "Linus"]
