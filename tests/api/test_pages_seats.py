"""What the seat map reads over HTTP: the compact layout, and suggestions that hold nothing."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any, Final
from urllib.parse import urlencode

import pytest

from evently.kit.clock import utc_now
from evently.kit.ids import show_id
from evently.kit.money import Money
from evently.organizing import NewPool, NewTicketType, SaleTerms, SeatingDraft, ZoneDraft
from evently.seating import SeatMap, add_seat_map
from evently.seating.seatmap import Point, Row, Seat, Section
from evently.web.pages import seats
from tests.support.box_office import HALL, BoxOffice, open_box_office
from tests.support.visitor import Visitor

SECTIONS: Final = 500
CHOSEN: Final = 99
LIST_BYTES_MAX: Final = 300_000


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


def attribute(text: str, name: str) -> str:
    return unescape(text.partition(f'{name}="')[2].partition('"')[0])


async def test_the_compact_layout_is_kept_for_ever_under_its_digest(office: BoxOffice) -> None:
    event = await office.open_hall(payment="online")
    address, visitor = f"/events/{show_id('evt', event.event_id)}", Visitor(office)
    text = await visitor.read(f"{address}/seats")
    layout = attribute(text, "data-layout")
    assert f'rel="preload" as="fetch" crossorigin href="{layout}"' in text
    sent = await office.client.get(layout, headers={"accept-encoding": "br"})
    assert sent.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert sent.headers["content-encoding"] == "br"
    states = (await office.client.get(f"/v1{address}/seats")).json()
    found = sent.json()
    assert found["digest"] == states["layout"]["digest"] == layout.rpartition("/")[2]
    assert sum(len(row[3]) for _, rows in found["sections"] for row in rows) == len(states["seats"])
    again = await office.client.get(layout, headers={"if-none-match": sent.headers["etag"]})
    assert again.status_code == 304
    plain = await office.client.get(layout, headers={"accept-encoding": "identity"})
    assert plain.json() == found
    other = await office.client.get(layout[:-1] + ("0" if layout[-1] != "0" else "1"))
    assert other.status_code == 404


async def test_the_page_says_the_zones_with_what_buyers_pay(office: BoxOffice) -> None:
    event = await office.open_hall(payment="online")
    text = await Visitor(office).read(f"/events/{show_id('evt', event.event_id)}/seats")
    zones = json.loads(attribute(text, "data-zones"))
    assert [(zone["name"], zone["letter"], zone["price"]) for zone in zones] == [
        ("Stalls", "B", "from €\u00a020.00"),
        ("Balcony", "A", "€\u00a030.00"),
    ], "in the order of the layout, lettered from the dearest"
    types = await office.types(event)
    assert [each["id"] for each in zones[0]["types"]] == [types["Stalls"], types["Child"]]


async def test_a_suggestion_holds_nothing_and_is_what_a_booking_gets(office: BoxOffice) -> None:
    event = await office.open_hall(payment="door")
    types, address = await office.types(event), f"/events/{show_id('evt', event.event_id)}"
    wish = f"{address}/seats/suggestion?{types['Stalls']}=2&{types['Child']}=1&{types['Balcony']}=1"
    before = (await office.client.get(f"/v1{address}/seats")).json()
    first = (await office.client.get(wish)).json()["seats"]
    assert [each.partition(":")[0] for each in first] == [
        *[types["Stalls"]] * 2,
        types["Child"],
        types["Balcony"],
    ]
    assert len(set(first)) == 4, "no seat twice"
    others = (await office.client.get(f"{wish}&others=1")).json()["seats"]
    assert not {each.partition(":")[2] for each in first} & {each.partition(":")[2] for each in others}
    assert (await office.client.get(wish)).json()["seats"] == first, "nothing was taken"
    after = (await office.client.get(f"/v1{address}/seats")).json()
    assert after == before
    booked = await office.place(
        event,
        office.as_buyer(),
        {"ticket_type_id": types["Stalls"], "quantity": 2},
        {"ticket_type_id": types["Child"], "quantity": 1},
        {"ticket_type_id": types["Balcony"], "quantity": 1},
    )
    seats = {ticket["seat"]["id"] for ticket in booked.json()["tickets"]}
    assert seats == {each.partition(":")[2] for each in first}


async def test_a_suggestion_that_cannot_be_is_empty(office: BoxOffice) -> None:
    event = await office.open_hall(payment="door")
    types, address = await office.types(event), f"/events/{show_id('evt', event.event_id)}"
    for query in (
        f"{types['Balcony']}=4&others=1",
        f"{types['Balcony']}=5",
        f"{types['Stalls']}=1&accessible=1",
        f"{types['Stalls']}=1&section=Balcony",
        f"{types['Floor']}=2",
        f"{types['Stalls']}=many",
        "tty_unknown=2",
        "",
    ):
        found = await office.client.get(f"{address}/seats/suggestion?{query}")
        assert found.json() == {"seats": []}, query
    unknown = await office.client.get(f"/events/{show_id('evt', event.venue_id)}/seats/suggestion")
    assert unknown.status_code == 404


async def test_a_hall_without_a_free_seat_is_shown_with_the_way_to_the_waitlist(office: BoxOffice) -> None:
    event = await office.open_hall(payment="door")
    types, address = await office.types(event), f"/events/{show_id('evt', event.event_id)}"
    for name, quantity in (("Stalls", 6), ("Stalls", 6), ("Balcony", 4)):
        line = {"ticket_type_id": types[name], "quantity": quantity}
        assert (await office.place(event, office.as_buyer(), line)).status_code == 201
    text = await Visitor(office).read(f"{address}/seats")
    assert "Sold out" in text
    assert f'href="{address}/waitlist"' in text
    assert "data-layout" in text, "the map still shows the hall"


async def test_a_choice_that_leaves_one_seat_alone_is_said_with_two_ways_out(office: BoxOffice) -> None:
    event = await office.open_hall(payment="door", orphans_forbidden=True)
    types, address = await office.types(event), f"/events/{show_id('evt', event.event_id)}"
    text = await Visitor(office).read(f"{address}/seats")
    rule = attribute(text, "data-rule")

    async def said(*seats: str) -> object:
        query = "&".join(f"seat={types['Stalls']}:{seat}" for seat in seats)
        return (await office.client.get(f"{rule}?{query}")).json()

    assert await said("S-A-2", "S-A-3") == {
        "orphans": ["S-A-1"],
        "moved": ["S-A-1", "S-A-2"],
        "extended": ["S-A-1", "S-A-2", "S-A-3"],
    }
    none: dict[str, object] = {"orphans": [], "moved": None, "extended": None}
    assert await said("S-A-1", "S-A-2") == none
    assert await said() == none
    assert await said("S-A-99") == none, "a seat that the hall does not have"
    line = {"ticket_type_id": types["Stalls"], "seats": ["S-A-2", "S-A-3"]}
    assert (await office.place(event, office.as_buyer(), line)).json()["code"] == "orphan-seat"


async def test_single_seats_may_stay_where_the_organizer_does_not_mind(office: BoxOffice) -> None:
    event = await office.open_hall(payment="door")
    text = await Visitor(office).read(f"/events/{show_id('evt', event.event_id)}/seats")
    assert attribute(text, "data-rule") == ""


async def test_a_large_section_is_shown_page_by_page(
    office: BoxOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = await office.open_hall(payment="door")
    types, visitor = await office.types(event), Visitor(office)
    address = f"/events/{show_id('evt', event.event_id)}/seats"
    stalls = [f"{types['Stalls']}:S-{row}-{number}" for row in "AB" for number in range(1, 7)]

    def shown() -> list[str]:
        return re.findall(r'class="seat-box"><input[^>]* value="([^"]*)"', visitor.text)

    def ways() -> list[str]:
        return re.findall(r'<button class="chip" form="choice"[^>]*>([^<]*) <span', visitor.text)

    await visitor.read(f"{address}?section=Stalls")
    assert (shown(), ways()) == (stalls, []), "a section that fits is one page"
    monkeypatch.setattr(seats, "SEATS_ON_PAGE_MAX", 8)
    await visitor.read(f"{address}?section=Stalls")
    assert (shown(), ways()) == (stalls[:6], ["Row A", "Row B"]), "a page has whole rows"
    monkeypatch.setattr(seats, "SEATS_ON_PAGE_MAX", 4)
    found = []
    for number in range(1, 5):
        await visitor.read(f"{address}/rows/{number}?section=Stalls")
        assert len(shown()) <= 4
        found += shown()
    assert found == stalls, "every seat is on one page"
    assert ways()[:2] == ["Row A, seats 1 to 4", "Row A, seats 5 to 6"]
    chosen = stalls[0]
    await visitor.read(f"{address}/rows/2?section=Stalls&seat={chosen}")
    assert f'name="seat" value="{chosen}" checked>Stalls, row A, seat 1' in visitor.text, "it stays chosen"
    for wrong in ("0", "5", "99999", "-1", "x", "\u0663"):
        await visitor.read(f"{address}/rows/{wrong}?section=Stalls")
        assert visitor.status == 404, wrong


async def test_suggestions_have_a_limit_of_their_own(database_url: str) -> None:
    async with open_box_office(database_url, rate_suggestions=2) as office:
        event = await office.open_hall(payment="door")
        address = f"/events/{show_id('evt', event.event_id)}/seats"
        asked = (f"{address}/suggestion", f"{address}/orphans", f"{address}/suggestion", f"{address}/orphans")
        statuses = [(await office.client.get(each)).status_code for each in asked]
        assert statuses == [200, 200, 429, 429]
        assert (await office.client.get(address)).status_code == 200, "the page is another matter"


async def test_readers_see_their_own_holds_and_no_others(office: BoxOffice) -> None:
    event = await office.open_hall(payment="online", hold_seconds=600)
    types = await office.types(event)
    address = f"/events/{show_id('evt', event.event_id)}/seats/held"
    headers = office.as_buyer()
    lines: list[dict[str, Any]] = [
        {"ticket_type_id": types["Stalls"], "seats": ["S-A-1", "S-A-2"]},
        {"ticket_type_id": types["Floor"], "quantity": 1},
    ]
    booked = await office.place(event, headers, *lines)
    assert booked.status_code == 201, booked.text
    buyer = Visitor(office, headers)
    (hold,) = json.loads(await buyer.read(address))
    assert hold["seats"] == ["S-A-1", "S-A-2"]
    assert 590 < hold["seconds"] <= 600
    for other in (Visitor(office), Visitor(office, office.as_buyer())):
        assert json.loads(await other.read(address)) == []
    sent = await office.client.get(address)
    assert "no-store" in sent.headers["cache-control"]
    assert (await office.post(f"/v1/bookings/{booked.json()['id']}/cancel", headers)).status_code == 200
    assert json.loads(await buyer.read(address)) == []


async def test_a_list_of_many_sections_stays_small_with_many_chosen_seats(office: BoxOffice) -> None:
    sections = tuple(
        Section(
            f"Section {number}", (Row("A", tuple(Seat(f"{number}-{n}", str(n), n, number) for n in (1, 2))),)
        )
        for number in range(SECTIONS)
    )
    seat_map = SeatMap("A hall of many sections", sections, Point(0.0, -5.0))
    async with office.context.database.transaction() as tx:
        added = await add_seat_map(tx, office.venue.organizer_id, office.venue.venue_id, seat_map, utc_now())
    names = tuple(section.name for section in sections)
    terms = SaleTerms(
        currency="EUR",
        ticket_types=(NewTicketType(name="Seat", price=Money(4000, "EUR"), zone="All"),),
        seating=SeatingDraft(seat_map_id=added.seat_map_id, zones=(ZoneDraft(name="All", sections=names),)),
    )
    event = await office.open_event(terms=terms)
    type_id = (await office.types(event))["Seat"]
    chosen = [("seat", f"{type_id}:{number}-1") for number in range(CHOSEN)]
    visitor, address = Visitor(office), f"/events/{show_id('evt', event.event_id)}/seats"
    plain = await visitor.read(address)
    text = await visitor.read(f"{address}?{urlencode(chosen)}")
    assert text.count('name="section" value="Section ') == SECTIONS
    assert len(text) - len(plain) < 100_000, "a seat that is chosen stands on the page once"
    assert len(text) < LIST_BYTES_MAX


async def open_theatre(office: BoxOffice) -> tuple[str, dict[str, str]]:
    """Put on sale: stalls, a floor without seats, parking for either, cushions for the stalls alone."""
    async with office.context.database.transaction() as tx:
        added = await add_seat_map(tx, office.venue.organizer_id, office.venue.venue_id, HALL, utc_now())
    terms = SaleTerms(
        currency="EUR",
        pools=(NewPool("Floor", 50), NewPool("Car park", 20), NewPool("Cushions", 90)),
        ticket_types=(
            NewTicketType(name="Stalls", price=Money(4000, "EUR"), zone="Stalls"),
            NewTicketType(name="Floor", price=Money(2500, "EUR"), pools=("Floor",)),
            NewTicketType(
                name="Parking", price=Money(800, "EUR"), pools=("Car park",), needs=("Stalls", "Floor")
            ),
            NewTicketType(name="Cushion", price=Money(100, "EUR"), pools=("Cushions",), needs=("Stalls",)),
        ),
        seating=SeatingDraft(
            seat_map_id=added.seat_map_id, zones=(ZoneDraft(name="Stalls", sections=("Stalls",)),)
        ),
    )
    event = await office.open_event(terms=terms)
    return f"/events/{show_id('evt', event.event_id)}", await office.types(event)


async def test_tickets_without_a_seat_are_booked_from_the_page_of_the_event(office: BoxOffice) -> None:
    address, types = await open_theatre(office)
    visitor = Visitor(office, office.as_buyer())
    await visitor.read(address)
    form = visitor.form(f"{address}/bookings")
    expected = {types["Floor"]: "0", types["Parking"]: "0", "code": ""}
    assert form == expected, "what needs no seat; cushions need one"
    assert "In the next step, with your seats" in visitor.text
    assert 'href="#tickets">Choose tickets' in visitor.text
    key = re.search(r'name="key" value="([^"]+)">Book without a seat', visitor.text)
    assert key
    wanted = form | {types["Floor"]: "2", types["Parking"]: "1", "key": key[1]}
    await visitor.send(f"{address}/bookings", wanted)
    booking = visitor.path
    assert booking.startswith("/bookings/bkg_"), visitor.text
    await visitor.send(f"{address}/bookings", wanted)
    assert visitor.path == booking, "a double click books once"
    sold = await office.context.database.fetch_value("SELECT count(*) FROM tickets WHERE seat_id IS NULL")
    assert sold == 3
    await visitor.send(f"{address}/bookings", form | {types["Parking"]: "1", "key": "another"})
    assert visitor.status == 422
    assert "Parking is sold only together with Stalls or Floor: choose that, too." in visitor.text
    assert f"{address}/seats?{types['Parking']}=1" in visitor.text, "with a seat"
    assert 'href="/events/' in visitor.text
    assert "#tickets" in visitor.text, "or without"


async def test_a_visitor_chooses_without_a_seat_and_sees_the_price(office: BoxOffice) -> None:
    address, types = await open_theatre(office)
    visitor = Visitor(office)
    await visitor.read(address)
    assert 'name="key"' not in visitor.text, "the page is the same for everybody"
    await visitor.submit(f"{address}/bookings", **{types["Floor"]: "2"})
    assert (visitor.path, visitor.status) == (f"{address}/book", 200)
    assert visitor.heading() == "Your choice"
    assert "2 × Floor" in visitor.text
    assert f'href="{address}/seats' not in visitor.text, "to change it leads back to the event"


async def test_what_needs_no_seat_stays_chosen_while_seats_are(office: BoxOffice) -> None:
    address, types = await open_theatre(office)
    floor, stalls = types["Floor"], types["Stalls"]
    visitor = Visitor(office)
    await visitor.read(address)
    assert f'formmethod="get" formaction="{address}/seats">Choose seats' in visitor.text
    carried = urlencode({"code": "", floor: "2", types["Parking"]: "0"})
    await visitor.read(f"{address}/seats?{carried}")
    assert "<bdi>2 × Floor</bdi>" in visitor.text
    assert f'href="{address}/book?{floor}=2">Continue without seats' in visitor.text
    assert 'data-others="2" data-amount="5000"' in visitor.text
    assert visitor.text.count(f'name="{floor}" value="2" data-other') == 2, "in both forms"
    assert f'formaction="{address}/seats#rows" name="section" value="Stalls"' in visitor.text, "sections, too"
    await visitor.read(f"{address}/seats?{carried}&section=Stalls")
    assert "<bdi>2 × Floor</bdi>" in visitor.text
    seat = re.search(rf'name="seat" value="({stalls}:[^"]+)"', visitor.text)
    assert seat
    await visitor.read(f"{address}/book?{urlencode({floor: '2', 'seat': unescape(seat[1])})}")
    assert "2 × Floor" in visitor.text
    assert "1 × Stalls" in visitor.text
    assert "90.00" in visitor.text
    back = re.search(r'href="([^"]*)">Change the choice', visitor.text)
    assert back
    await visitor.read(unescape(back[1]))
    assert "<bdi>2 × Floor</bdi>" in visitor.text
    await visitor.read(f"{address}/seats?{floor}=x&{types['Parking']}=99999&{stalls}=2&code=%3Cb%3E")
    assert "data-others" not in visitor.text, "nonsense is left out, and best seats are asked for below"
    assert 'name="code" value="&lt;b&gt;"' in visitor.text


async def test_with_every_seat_taken_the_rest_is_still_sold(office: BoxOffice) -> None:
    address, types = await open_theatre(office)
    await office.context.database.fetch("UPDATE ticket_types SET off_sale_at = now() WHERE name = 'Stalls'")
    visitor = Visitor(office, office.as_buyer())
    await visitor.read(address)
    assert "Choose seats" not in visitor.text
    assert 'class="button first full"' in visitor.text
    assert types["Floor"] in visitor.form(f"{address}/bookings")
