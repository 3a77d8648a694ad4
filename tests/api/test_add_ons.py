"""Add-ons over HTTP and on the pages: parking that is sold only together with a ticket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from evently.catalogue import Event
from evently.kit.ids import show_id
from evently.kit.money import Money
from evently.organizing import NewPool, NewTicketType, SaleTerms
from evently.sales.terms import Conditions
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.desk import open_desk
from tests.support.visitor import Visitor

ONLINE: Final = Conditions(payment="online", hold_seconds=600)


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


def with_parking(
    conditions: Conditions | None = None, places: int = 3, per_needed: int | None = 1
) -> SaleTerms:
    """Return a sale of standing room and boxes, with parking for either."""
    return SaleTerms(
        currency="EUR",
        pools=(NewPool("Hall", 50), NewPool("Car park", places)),
        ticket_types=(
            NewTicketType(name="Standing", price=Money(2_000, "EUR"), pools=("Hall",)),
            NewTicketType(name="Box", price=Money(5_000, "EUR"), pools=("Hall",)),
            NewTicketType(
                name="Parking",
                price=Money(800, "EUR"),
                pools=("Car park",),
                needs=("standing", "Box"),
                per_needed_max=per_needed,
            ),
        ),
        conditions=conditions,
    )


async def open_garage(office: BoxOffice, **options: Any) -> tuple[Event, dict[str, str]]:
    event = await office.open_event(terms=with_parking(**options))
    return event, await office.types(event)


def path_of(event: Event) -> str:
    return f"/v1/events/{show_id('evt', event.event_id)}"


def line(type_id: str, quantity: int = 1) -> dict[str, Any]:
    return {"ticket_type_id": type_id, "quantity": quantity}


async def test_it_is_booked_and_cancelled_with_what_it_needs(office: BoxOffice) -> None:
    event, types = await open_garage(office, conditions=ONLINE)
    buyer, standing, parking = office.as_buyer(), types["Standing"], types["Parking"]
    alone = await office.place(event, buyer, line(parking))
    assert (alone.status_code, alone.json()["code"]) == (409, "add-on-alone")
    assert alone.json()["detail"] == "'Parking' is sold only together with 'Standing' or 'Box'."
    many = await office.place(event, buyer, line(standing), line(parking, 2))
    assert (many.status_code, many.json()["code"]) == (409, "over-booking-limit")
    assert many.json()["detail"] == "At most 1 of 'Parking' with these tickets."
    quote = await office.client.post(
        f"{path_of(event)}/quote", json={"lines": [line(parking)]}, headers=buyer
    )
    assert (quote.status_code, quote.json()["code"]) == (409, "add-on-alone")
    placed = await office.place(event, buyer, line(standing, 2), line(parking, 2))
    assert placed.status_code == 201, placed.text
    booking = placed.json()
    paid = await office.client.post(
        f"/v1/bookings/{booking['id']}/payments", json={"method": "succeeds"}, headers=buyer
    )
    assert paid.status_code < 400, paid.text
    tickets = [ticket["id"] for ticket in booking["tickets"]]
    quoted = await office.client.get(
        f"/v1/bookings/{booking['id']}/cancellation-quote", params={"ticket_ids": tickets[0]}, headers=buyer
    )
    assert [each["ticket_id"] for each in quoted.json()["tickets"]] == [tickets[0], tickets[3]]
    cancelled = await office.client.post(
        f"/v1/bookings/{booking['id']}/cancel", json={"ticket_ids": [tickets[0]]}, headers=buyer
    )
    assert [each["state"] for each in cancelled.json()["tickets"]] == ["void", "valid", "valid", "void"]
    assert cancelled.json()["refunded"]["amount"] == quoted.json()["refund"]["amount"] == 2_800
    desk = await office.as_member("manager")
    preview = await office.client.get(
        f"{path_of(event)}/bookings/{booking['id']}/cancellation-preview",
        params={"ticket_ids": tickets[1]},
        headers=desk,
    )
    assert preview.json()["ticket_ids"] == [tickets[1], tickets[2]]
    assert preview.json()["whole"]


async def test_it_has_no_waitlist_and_counts_for_nothing(office: BoxOffice) -> None:
    event, types = await open_garage(office, places=1, per_needed=None)
    shown = (await office.client.get(path_of(event))).json()
    parking = next(each for each in shown["ticket_types"] if each["name"] == "Parking")
    assert parking["needed_ids"] == [types["Standing"], types["Box"]]
    assert (parking["per_needed_max"], parking["state"], parking["available"]) == (None, "on_sale", 1)
    assert shown["price_from"]["amount"] == 2_000, "parking is no ticket"
    joined = await office.client.post(
        f"{path_of(event)}/waitlist",
        json={"ticket_type_id": types["Parking"], "quantity": 1},
        headers=office.as_buyer(),
    )
    assert (joined.status_code, joined.json()["code"]) == (409, "add-on-alone")
    for quantity in (10, 10, 10, 10, 10):
        answer = await office.place(event, office.as_buyer(), line(types["Standing"], quantity))
        assert answer.status_code == 201, answer.text
    desk = await office.as_member("manager")
    at_desk = await office.client.get(f"{path_of(event)}/ticket-types/{types['Parking']}", headers=desk)
    assert (at_desk.json()["state"], at_desk.json()["available"]) == ("sold_out", 1)
    listed = await office.client.get(f"{path_of(event)}/ticket-types", headers=desk)
    assert [each["state"] for each in listed.json()["data"]] == ["sold_out"] * 3
    held = await office.client.get(
        f"/v1/organizers/{show_id('org', event.organizer_id)}/upcoming-events", headers=desk
    )
    mine = [each for each in held.json()["data"] if each["id"] == show_id("evt", event.event_id)]
    assert [(each["capacity"], each["available"]) for each in mine] == [(50, 0)], "a car park has no places"


async def test_an_organizer_says_what_it_needs(office: BoxOffice) -> None:
    event = await office.open_event(publish=False)
    (regular,) = (await office.types(event)).values()
    desk = await office.as_member("manager")
    path = f"{path_of(event)}/ticket-types"

    async def add(**said: Any) -> Any:
        return await office.client.post(path, json=said, headers=desk)

    def wrong(answer: Any) -> list[tuple[str, str]]:
        assert answer.status_code == 422, answer.text
        return [(each["pointer"], each["code"]) for each in answer.json()["errors"]]

    assert wrong(await add(name="A", per_needed_max=1)) == [("/per_needed_max", "only-of-add-on")]
    unknown = show_id("tty", event.event_id)
    assert wrong(await add(name="A", needed_ids=[unknown])) == [("/needed_ids/0", "unknown-ticket-type")]
    made = await add(name="Locker", needed_ids=[regular], per_needed_max=2)
    assert made.status_code == 201, made.text
    locker = made.json()["id"]
    assert (made.json()["needed_ids"], made.json()["per_needed_max"]) == ([regular], 2)
    assert wrong(await add(name="B", needed_ids=[locker])) == [("/needed_ids/0", "needs-an-add-on")]

    async def change(type_id: str, **said: Any) -> Any:
        etag = (await office.client.get(f"{path}/{type_id}", headers=desk)).headers["etag"]
        return await office.client.patch(f"{path}/{type_id}", json=said, headers=desk | {"If-Match": etag})

    other = (await add(name="Other")).json()["id"]
    assert wrong(await change(regular, needed_ids=[other])) == [("/needed_ids", "needed-itself")]
    assert wrong(await change(other, needed_ids=[other])) == [("/needed_ids/0", "unknown-ticket-type")]
    await office.post(f"{path_of(event)}/publish", desk)
    assert wrong(await change(other, needed_ids=[regular])) == [("/needed_ids", "sold-by-itself")]
    changed = await change(locker, needed_ids=[regular, other], per_needed_max=None)
    assert (changed.json()["needed_ids"], changed.json()["per_needed_max"]) == ([regular, other], None)
    copied = await office.client.post(
        f"{path_of(event)}/copies", json={"starts_at": "2030-05-20T18:00:00Z"}, headers=desk
    )
    assert copied.status_code == 201, copied.text
    theirs = {each["name"]: each for each in copied.json()["ticket_types"]}
    assert theirs["Locker"]["needed_ids"] == [theirs["Regular"]["id"], theirs["Other"]["id"]]
    for type_id in (regular, other):
        etag = (await office.client.get(f"{path}/{type_id}", headers=desk)).headers["etag"]
        await office.client.delete(f"{path}/{type_id}", headers=desk | {"If-Match": etag})
    free = await change(locker, needed_ids=[])
    assert (free.json()["needed_ids"], free.json()["per_needed_max"]) == ([], None)


async def test_a_new_event_names_what_its_add_ons_need(office: BoxOffice) -> None:
    desk = await office.as_member("manager")
    body = {
        "organizer_id": show_id("org", office.venue.organizer_id),
        "venue_id": show_id("ven", office.venue.venue_id),
        "title": "Fog and Brass",
        "starts_at": "2030-05-20T18:00:00Z",
        "ends_at": "2030-05-20T21:00:00Z",
        "currency": "EUR",
        "capacity": 10,
        "ticket_types": [
            {"name": "Parking", "needs": ["REGULAR", "Parking", "Nothing"], "per_needed_max": 1},
            {"name": "Regular"},
            {"name": "Locker", "needs": ["Parking"]},
            {"name": "Child", "per_needed_max": 1},
        ],
    }
    answer = await office.client.post("/v1/events", json=body, headers=desk)
    assert sorted((each["pointer"], each["code"]) for each in answer.json()["errors"]) == [
        ("/ticket_types/0/needs/1", "unknown-ticket-type-name"),
        ("/ticket_types/0/needs/2", "unknown-ticket-type-name"),
        ("/ticket_types/2/needs/0", "needs-an-add-on"),
        ("/ticket_types/3/per_needed_max", "only-of-add-on"),
    ]
    body["ticket_types"] = [{"name": "Parking", "needs": ["REGULAR"]}, {"name": "Regular"}]
    answer = await office.client.post("/v1/events", json=body, headers=desk)
    assert answer.status_code == 201, answer.text
    parking, regular = answer.json()["ticket_types"]
    assert parking["needed_ids"] == [regular["id"]]


async def test_a_visitor_adds_parking_to_the_tickets(office: BoxOffice) -> None:
    event, types = await open_garage(office, conditions=ONLINE)
    address = f"/events/{show_id('evt', event.event_id)}"
    standing, parking = types["Standing"], types["Parking"]
    visitor = Visitor(office, office.as_buyer())
    page = await visitor.read(address)
    assert page.index("Box") < page.index("Add to your tickets") < page.index("Parking</h4>")
    assert "Only together with Standing or Box, at most 1 for each" in page
    page = await visitor.read(f"{address}/book?{parking}=1")
    assert visitor.status == 422
    assert (
        f'<a href="#{parking}">Parking is sold only together with Standing or Box: choose that, too.' in page
    )
    assert f'id="{parking}-wrong"' in page
    assert visitor.form(f"{address}/bookings")[parking] == "1", "what was typed is not lost"
    page = await visitor.read(f"{address}/book?{standing}=1&{parking}=2")
    assert visitor.status == 422
    assert "Parking: at most 1 with these tickets." in page
    assert visitor.form(f"{address}/bookings")[standing] == "1"
    page = await visitor.read(f"{address}/book?{standing}=2")
    assert visitor.status == 200
    assert "At most 2 with these tickets" in page
    added = visitor.form(f"{address}/book")
    assert added == {standing: "2", parking: "0"}
    page = await visitor.read(f"{address}/book?{standing}=2&{parking}=2")
    assert "2 × Parking" in page
    page = await visitor.submit(f"{address}/bookings")
    assert visitor.path.startswith("/bookings/")
    assert "Pay for 4 tickets" in page
    booking = visitor.path
    paid = await office.client.post(
        f"/v1{booking}/payments", json={"method": "succeeds"}, headers=await _headers(visitor)
    )
    assert paid.status_code < 400, paid.text
    page = await visitor.read(f"{booking}/cancel")
    assert page.count("It is cancelled with the tickets that it needs, too") == 2


async def test_nobody_signed_in_is_told_the_same(office: BoxOffice) -> None:
    event, types = await open_garage(office)
    address, visitor = f"/events/{show_id('evt', event.event_id)}", Visitor(office)
    page = await visitor.send(f"{address}/bookings", {types["Parking"]: "1"})
    assert visitor.status == 422
    assert "Parking is sold only together with Standing or Box" in page
    page = await visitor.read(f"{address}/book?{types['Box']}=1&{types['Parking']}=1")
    assert visitor.status == 200
    assert "1 × Parking" in page


async def test_the_desk_makes_an_add_on(office: BoxOffice) -> None:
    desk = await open_desk(office, "manager", terms=with_parking())
    visitor, address = desk.visitor, f"{desk.address}/tickets"
    types = await office.types(desk.event)
    page = await visitor.read(address)
    assert "Only together with" in page
    assert "at most 1 for each" in page
    page = await visitor.read(f"{address}/new")
    assert "Only together with" in page
    assert types["Parking"] not in page, "no add-on needs an add-on"
    fields = [
        *visitor.form(f"{address}/new").items(),
        ("name", "Locker"),
        ("pool", "own"),
        ("places", "20"),
        ("needs", types["Box"]),
        ("per_needed_max", "2"),
    ]
    page = await visitor.send(f"{address}/new", fields)
    assert "The ticket type is added." in page
    locker = (await office.types(desk.event))["Locker"]
    page = await visitor.read(f"{address}/{locker}")
    assert f'value="{types["Box"]}" checked' in page
    page = await visitor.send(
        f"{address}/{locker}", [*visitor.form(f"{address}/{locker}").items(), ("per_needed_max", "1")]
    )
    assert visitor.status == 422, "without what it needs, it has no limit for each"
    assert "Only an add-on has this limit" in page
    page = await visitor.read(f"{address}/{types['Standing']}")
    assert 'id="needs"' not in page, "others need it"


async def _headers(visitor: Visitor) -> dict[str, str]:
    cookie = visitor.client.cookies["evently"]
    return {"Authorization": f"Bearer {cookie.partition('.')[2]}"}
