"""Finding bookings by what a caller says, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from evently import checkout, finding
from evently.catalogue import Event
from evently.kit.ids import new_id, parse_id, read_reference, reference_of, show_id
from evently.sales.terms import Conditions
from tests.api.test_transfers import Somebody, somebody
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.desk import address_of
from tests.support.paying import sold_under
from tests.support.visitor import Visitor


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, demo=True) as opened:
        yield opened


async def search(office: BoxOffice, event: Event, typed: str, **more: Any) -> Any:
    path = f"/v1/events/{show_id('evt', event.event_id)}/booking-search"
    answer = await office.client.get(
        path, params={"q": typed, **more}, headers=await office.as_member("manager")
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def found(office: BoxOffice, event: Event, typed: str) -> list[str]:
    return [each["id"] for each in (await search(office, event, typed))["data"]]


async def booked(office: BoxOffice, event: Event, buyer: Somebody) -> str:
    answer = await office.book(event, buyer.headers)
    assert answer.status_code == 201, answer.text
    booking_id: str = answer.json()["id"]
    return booking_id


async def test_by_name_and_address_from_the_beginning_of_each_word(office: BoxOffice) -> None:
    event, other = await office.open_event(), await office.open_event()
    zoe = await somebody(office, "Zoë Müller-O'Brien")
    ada = await somebody(office, "Ada Lovelace")
    first, second = await booked(office, event, zoe), await booked(office, event, ada)
    await booked(office, other, ada)
    for typed in ("zoe", "ZOË", "müller", "muller zo", "O'Brien", "zoë mül", zoe.email, zoe.email[:34]):
        assert await found(office, event, typed) == [first], typed
    assert await found(office, event, "ada love") == [second]
    for nothing in ("ada müller", "adal", "love lace x", "'; DROP TABLE people; --", "\\", "a:* | b", "z'"):
        assert second not in await found(office, event, nothing), nothing
    assert await found(office, event, "") == [second, first], "nothing typed: all of them, the newest first"
    shown = (await search(office, event, "zoe"))["data"][0]
    assert shown["buyer_name"] == "Zoë Müller-O'Brien"
    assert (shown["tickets"], shown["state"], shown["total"]["currency"]) == (1, "confirmed", "EUR")


async def test_a_whole_address_finds_its_person_alone(office: BoxOffice) -> None:
    event, other = await office.open_event(), await office.open_event()
    short = f"{new_id()}@evently.example"
    one, two = await somebody(office, email=short), await somebody(office, email=f"{short}.org")
    mine, longer = await booked(office, event, one), await booked(office, event, two)
    elsewhere = await booked(office, other, two)
    assert await found(office, event, f" {short.upper()} ") == [mine]
    assert await found(office, event, short[:-1]) == [longer, mine], "the beginning of both"
    assert await found(office, other, short) == [elsewhere], "its person has booked nothing here"
    path = f"/v1/organizers/{show_id('org', office.venue.organizer_id)}/booking-search"
    answer = await office.client.get(path, params={"q": short}, headers=await office.as_member("manager"))
    assert [each["id"] for each in answer.json()["data"]] == [mine]


async def test_an_erased_person_is_not_found_and_a_new_name_is(office: BoxOffice) -> None:
    event, zoe = await office.open_event(), await somebody(office, "Zoë Okafor")
    booking = await booked(office, event, zoe)
    await office.client.patch("/v1/me", json={"name": "Mina Ito"}, headers=zoe.headers)
    await office.context.database.fetch(
        "UPDATE people SET name = 'Mina Ito' WHERE person_id = $1", zoe.person_id
    )
    assert await found(office, event, "okafor") == []
    assert await found(office, event, "mina") == [booking]
    await office.context.database.fetch(
        "UPDATE people SET name = 'erased', email = NULL, erased_at = now() WHERE person_id = $1",
        zoe.person_id,
    )
    assert await found(office, event, "mina") == []
    assert await found(office, event, zoe.email) == []


async def test_by_reference_and_id(office: BoxOffice) -> None:
    event, other = await office.open_event(), await office.open_event()
    booking = await booked(office, event, await somebody(office))
    foreign = await booked(office, other, await somebody(office))
    reference = reference_of(parse_id("bkg", booking))
    assert await found(office, event, reference) == [], "the relay has not delivered it"
    await office.deliver()
    for typed in (reference, reference.lower(), reference.replace("-", ""), f" {reference} ", booking):
        assert await found(office, event, typed) == [booking], typed
    assert await found(office, event, reference_of(parse_id("bkg", foreign))) == []
    assert await found(office, event, foreign) == [], "another event's"
    assert await found(office, event, show_id("bkg", new_id())) == []
    held = await office.context.database.fetch_value("SELECT count(*) FROM booking_references")
    assert held == 2


def test_a_reference_is_read_as_it_is_heard() -> None:
    booking_id = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
    reference = reference_of(booking_id)
    assert read_reference(reference) == booking_id.bytes[-5:]
    assert read_reference("OIL0-0000") == read_reference("0110-0000")
    for nonsense in ("", "7K3M-9QW", "7K3M-9QWEX", "ÜK3M-9QWE", "7K3M*9QWE", "u" * 8):
        assert read_reference(nonsense) is None, nonsense


async def test_by_seat_and_by_the_name_on_a_ticket(office: BoxOffice) -> None:
    event, buyer = await office.open_hall(), await somebody(office)
    types = await office.types(event)
    lines = [{"ticket_type_id": types["Stalls"], "seats": ["S-A-1", "S-A-2"]}]
    first = (await office.place(event, buyer.headers, *lines)).json()
    second = (
        await office.place(
            event,
            (await somebody(office)).headers,
            {"ticket_type_id": types["Balcony"], "seats": ["B-A-1"]},
        )
    ).json()
    label = first["tickets"][1]["seat"]["label"]
    for typed in (label, label.lower(), "stalls a 2", "2 A stalls", "A2 stalls"):
        assert await found(office, event, typed) == [first["id"]], typed
    assert await found(office, event, "a1") == [second["id"], first["id"]], "in two sections"
    assert await found(office, event, "stalls a 5") == []
    path = f"/v1/tickets/{first['tickets'][0]['id']}"
    etag = (await office.client.get(path, headers=buyer.headers)).headers["etag"]
    named = await office.client.patch(
        path, json={"attendee_name": "Søren Kierkegaard"}, headers=buyer.headers | {"if-match": etag}
    )
    assert named.status_code == 200, named.text
    assert await found(office, event, "kierke") == [first["id"]]
    assert await found(office, await office.open_event(), "kierke") == [], "of this event alone"
    seats = (await search(office, event, "kierke"))["data"][0]["seats"]
    assert seats == [each["seat"]["label"] for each in first["tickets"]]


async def test_who_got_a_ticket_is_found(office: BoxOffice) -> None:
    event = await office.open_event()
    buyer, friend = await somebody(office, "Mina Ito"), await somebody(office, "Grace Hopper")
    booking = (await office.book(event, buyer.headers)).json()
    offered = await office.client.post(
        f"/v1/tickets/{booking['tickets'][0]['id']}/transfers",
        json={"email": friend.email},
        headers=buyer.headers,
    )
    assert await found(office, event, "hopper") == []
    await office.client.post(f"/v1/transfers/{offered.json()['id']}/accept", headers=friend.headers)
    assert await found(office, event, "hopper") == [booking["id"]]
    assert await found(office, event, "ito") == [booking["id"]]


@pytest.mark.parametrize("found_max", [1_000, 1])
@pytest.mark.parametrize("first_walked_max", [1, 400])
async def test_pages_follow_one_another(
    office: BoxOffice, monkeypatch: pytest.MonkeyPatch, found_max: int, first_walked_max: int
) -> None:
    """With `found_max` of 1, too many people match: the bookings are walked, two at a time."""
    monkeypatch.setattr(finding, "PEOPLE_MAX", found_max)
    monkeypatch.setattr(finding, "NAMED_MAX", found_max)
    monkeypatch.setattr(finding, "FIRST_WALKED_MAX", first_walked_max)
    monkeypatch.setattr(finding, "WALKED_MAX", 2)
    event, made = await office.open_event(), list[str]()
    for number in range(7):
        buyer = await somebody(office, f"Ada {number}" if number % 3 != 1 else "Mina Ito")
        made.append(await booked(office, event, buyer))
    expected = [each for number, each in enumerate(made) if number % 3 != 1]
    seen, after, pages = list[str](), None, 0
    while True:
        more = {"limit": 2} | ({"after": after} if after else {})
        page = await search(office, event, "ada", **more)
        seen += [each["id"] for each in page["data"]]
        assert len(page["data"]) <= 2
        after, pages = page["next_cursor"], pages + 1
        if after is None:
            break
    assert seen == expected[::-1]
    assert pages < 8


async def test_an_organizer_searches_all_events_and_nobody_elses(office: BoxOffice) -> None:
    one, two = await office.open_event(), await office.open_event()
    ada = await somebody(office, "Ada Lovelace")
    mine = [await booked(office, one, ada), await booked(office, two, ada)]
    await office.deliver()
    path = f"/v1/organizers/{show_id('org', office.venue.organizer_id)}/booking-search"
    manager = await office.as_member("manager")
    for typed, expected in (("lovelace", mine[::-1]), (reference_of(parse_id("bkg", mine[0])), mine[:1])):
        answer = await office.client.get(path, params={"q": typed}, headers=manager)
        assert [each["id"] for each in answer.json()["data"]] == expected
    for headers in (await office.as_member("door"), ada.headers):
        refused = await office.client.get(path, params={"q": "ada"}, headers=headers)
        assert refused.status_code in (403, 404)
    event_path = f"/v1/events/{show_id('evt', one.event_id)}/booking-search"
    door = await office.client.get(event_path, params={"q": "ada"}, headers=await office.as_member("door"))
    assert door.status_code == 403


async def test_by_the_last_digits_of_the_card(office: BoxOffice) -> None:
    """Found, told and shown once the money is captured; forgotten with the account."""
    event = await office.open_event(terms=sold_under(Conditions(payment="online", hold_seconds=600), 50))
    buyer, other = await somebody(office, "Ada Lovelace"), await somebody(office)
    booking, foreign = await booked(office, event, buyer), await booked(office, event, other)
    assert await found(office, event, "4242") == [], "nothing is paid"
    paid = await office.post(f"/v1/bookings/{booking}/payments", buyer.headers, method="4242 4242 4242 4242")
    assert paid.status_code == 201, paid.text
    await office.context.checkout.wait_until_idle()
    (payment,) = (await office.client.get(f"/v1/bookings/{booking}/payments", headers=buyer.headers)).json()[
        "data"
    ]
    assert (payment["state"], payment["card_digits"]) == ("captured", "4242")
    for typed in ("4242", " 4242 ", "•••• 4242", "**** 4242", "card ending in 4242"):
        assert await found(office, event, typed) == [booking], typed
    for typed in ("424", "42424", "4242 4242", "0002", "x4242y"):
        assert booking not in await found(office, event, typed), typed
    assert await found(office, await office.open_event(), "4242") == [], "of this event alone"
    path = f"/v1/organizers/{show_id('org', office.venue.organizer_id)}/booking-search?q=4242"
    listed = (await office.client.get(path, headers=await office.as_member("manager"))).json()["data"]
    assert [each["id"] for each in listed] == [booking] != [foreign]
    desk = Visitor(office, await office.as_member("manager"))
    text = await desk.read(f"{address_of(event)}/bookings/{booking}")
    assert "with the card that ends in 4242, and confirmed" in text
    assert "collected, card ending in 4242" in text
    database = office.context.database
    dumped = await database.fetch("SELECT to_jsonb(payments)::text AS row FROM payments")
    assert not any("42424242" in row["row"].replace(" ", "") for row in dumped), "nothing else of the card"
    export = Visitor(office, buyer.headers)
    assert (await export.client.get("/me/export")).json()["cards"] == [
        {"booking_id": booking, "last_digits": "4242"}
    ]
    await checkout.forget_cards(database, buyer.person_id)
    assert await found(office, event, "4242") == []
    assert "ends in" not in await desk.read(f"{address_of(event)}/bookings/{booking}")
