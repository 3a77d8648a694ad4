"""The seats of an event over HTTP: states, changes and the layout; each is compressed once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.ids import show_id
from evently.kit.money import Money
from evently.organizing import NewTicketType, SaleTerms, SeatingDraft, ZoneDraft
from evently.sales.reads import BOARD_SECONDS
from evently.sales.reads.seats import CHANGES_MAX
from evently.seating import add_seat_map, canonical
from evently.seating.generate import theatre
from evently.web.api.seating.seats import get_seats
from tests.support.box_office import HALL, BoxOffice, open_box_office, problem_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(shared_database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(shared_database_url) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def theatre_event(office: BoxOffice) -> Event:
    """An event in a theatre whose states are long enough to be compressed."""
    hall = theatre(2_000)
    async with office.context.database.transaction() as tx:
        added = await add_seat_map(tx, office.venue.organizer_id, office.venue.venue_id, hall, utc_now())
    zones = (ZoneDraft(name="All", sections=tuple(section.name for section in hall.sections)),)
    types = (NewTicketType(name="Seat", price=Money(4000, "EUR"), zone="All"),)
    seating = SeatingDraft(seat_map_id=added.seat_map_id, zones=zones)
    return await office.open_event(
        terms=SaleTerms(currency="EUR", pools=(), ticket_types=types, seating=seating)
    )


def seats_of(event: Event) -> str:
    return f"/v1/events/{show_id('evt', event.event_id)}/seats"


async def look(office: BoxOffice, event: Event, **params: Any) -> dict[str, Any]:
    answer = await office.client.get(seats_of(event), params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def look_after(office: BoxOffice, event: Event, seq: int, **params: Any) -> dict[str, Any]:
    """Read the seats until the board has advanced."""
    async with asyncio.timeout(60):
        while (found := await look(office, event, **params))["seq"] == seq:
            await asyncio.sleep(BOARD_SECONDS / 5)
    return found


async def test_states_and_what_changed(office: BoxOffice) -> None:
    event = await office.open_hall()
    types = await office.types(event)
    first = await look(office, event)
    assert first["event_id"] == show_id("evt", event.event_id)
    assert (first["seats"], first["changes"]) == ("0" * 16, None)
    assert [(zone["name"], zone["free"]) for zone in first["zones"]] == [("Stalls", 12), ("Balcony", 4)]
    assert first["zones"][0]["ticket_types"] == [
        {"id": types["Stalls"], "name": "Stalls", "price": {"amount": 4000, "currency": "EUR"}},
        {"id": types["Child"], "name": "Child", "price": {"amount": 2000, "currency": "EUR"}},
    ]
    booked = await office.place(
        event, office.as_buyer(), {"ticket_type_id": types["Stalls"], "seats": ["S-A-2", "S-B-1"]}
    )
    assert booked.status_code == 201, booked.text
    changed = await look_after(office, event, first["seq"], since=first["seq"])
    assert (changed["seats"], changed["changes"]) == (None, [[1, "1"], [6, "1"]])
    assert [zone["free"] for zone in changed["zones"]] == [10, 4]
    assert (await look(office, event))["seats"] == "0100001" + "0" * 9
    assert (await look(office, event, since=changed["seq"]))["changes"] == []
    ancient = await look(office, event, since=0)
    assert (ancient["seats"], ancient["changes"]) == ("0100001" + "0" * 9, None)


async def test_since_is_a_number_in_its_limits(office: BoxOffice) -> None:
    event = await office.open_hall()
    types = await office.types(event)
    first = await look(office, event)
    for seat in ("S-A-1", "S-A-3", "S-A-5"):
        await office.place(event, office.as_buyer(), {"ticket_type_id": types["Stalls"], "seats": [seat]})
    last = first
    while last["seats"].count("1") < 3:
        last = await look_after(office, event, last["seq"])
    for since in (*map(str, range(last["seq"] + 3)), "9223372036854775807"):
        answer = await office.client.get(f"{seats_of(event)}?since={since}")
        assert answer.status_code == 200, since
        assert answer.json()["seq"] == last["seq"], since
        assert (answer.json()["seats"] is None) != (answer.json()["changes"] is None), since
    for since in ("9223372036854775808", "-1", "01", "x", "", "1&since=2"):
        answer = await office.client.get(f"{seats_of(event)}?since={since}")
        assert answer.status_code == 422, since
        assert answer.json()["errors"][0]["pointer"] == "?since", since


async def test_what_is_too_long_ago_or_yet_to_come_is_one_answer_kept_once(office: BoxOffice) -> None:
    event = await office.open_hall()
    first = await look(office, event)
    before = len(office.context.memory._stored)
    for since in (first["seq"] + 1, first["seq"] + 1_000, 2**63 - 1, *range(first["seq"])):
        assert await look(office, event, since=since) == first
    assert len(office.context.memory._stored) <= before + 2  # the board may have been read again
    assert f"more than {CHANGES_MAX:,} rows" in (get_seats.description or "")


async def test_who_has_it_is_told_so(office: BoxOffice) -> None:
    event = await office.open_hall()
    answer = await office.client.get(seats_of(event))
    assert answer.headers["cache-control"] == "public, max-age=0, must-revalidate"
    again = await office.client.get(seats_of(event), headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])
    assert (await office.client.get(seats_of(event), headers={"If-None-Match": '"1-0"'})).status_code == 200


async def test_a_layout_is_for_ever(office: BoxOffice) -> None:
    event = await office.open_hall()
    link = (await look(office, event))["layout"]
    found = await office.client.get(link["url"])
    assert found.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert found.json() == {
        "digest": link["digest"],
        "zones": ["Stalls", "Balcony"],
        "zone_of": [0] * 12 + [1] * 4,
        "map": msgspec.json.decode(canonical(HALL)),
    }
    assert (
        await office.client.get(link["url"], headers={"If-None-Match": found.headers["etag"]})
    ).status_code == 304
    other = await office.client.get(f"{seats_of(event)}/layout/{'0' * 64}")
    assert problem_of(other, 404) == "not-found"


@pytest.mark.parametrize("coding", ["br", "gzip"])
@pytest.mark.parametrize("what", ["states", "layout"])
async def test_it_is_compressed_as_asked_for(
    office: BoxOffice, theatre_event: Event, what: str, coding: str
) -> None:
    url = (
        seats_of(theatre_event) if what == "states" else (await look(office, theatre_event))["layout"]["url"]
    )
    plain = await office.client.get(url, headers={"Accept-Encoding": "identity"})
    packed = await office.client.get(url, headers={"Accept-Encoding": coding})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == coding
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert packed.headers["etag"] == plain.headers["etag"][:-1] + f'-{coding}"'
    assert packed.json() == plain.json()
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
    same = await office.client.get(
        url, headers={"If-None-Match": packed.headers["etag"], "Accept-Encoding": coding}
    )
    assert (same.status_code, same.headers["etag"]) == (304, packed.headers["etag"])


async def test_what_is_not_there(office: BoxOffice) -> None:
    standing = await office.open_event()
    assert problem_of(await office.client.get(seats_of(standing)), 422) == "not-seated"
    draft = await office.open_event(publish=False)
    assert problem_of(await office.client.get(seats_of(draft)), 404) == "event-not-found"
    assert (
        problem_of(await office.client.get(f"{seats_of(draft)}/layout/{'0' * 64}"), 404) == "event-not-found"
    )
    assert problem_of(await office.client.get(seats_of(standing), params={"since": "x"}), 422) == "invalid"
