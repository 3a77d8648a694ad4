"""Finding at the desk: pages, events and bookings from one field, as each role may see them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from evently.catalogue import Event
from evently.kit.ids import parse_id, reference_of, show_id
from tests.api.test_transfers import somebody
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.catalogue import make_organizer
from tests.support.desk import address_of, home_of
from tests.support.visitor import Visitor


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, demo=True) as opened:
        yield opened


async def titled(office: BoxOffice, title: str, **more: object) -> Event:
    event = await office.open_event(**more)  # type: ignore[arg-type]
    await office.context.database.fetch(
        "UPDATE events SET title = $1 WHERE event_id = $2", title, event.event_id
    )
    return event


def hits(text: str) -> list[str]:
    """Return where the results lead, in their order."""
    part = text.partition('id="found"')[2]
    return re.findall(r'<li><a href="([^"]*)"', part)


async def test_a_page_an_event_and_a_booking_are_found(office: BoxOffice) -> None:
    later = await titled(office, "100% Brass_Night", starts_in=timedelta(days=60))
    sooner = await titled(office, "Brass & Fog", starts_in=timedelta(days=20))
    draft = await titled(office, "Brass, a draft", publish=False, starts_in=timedelta(days=90))
    ada = await somebody(office, "Ada <b>Brassington</b>")
    booking = (await office.book(later, ada.headers)).json()["id"]
    await office.deliver()
    visitor, find = Visitor(office, await office.as_member("manager")), f"{home_of(office)}/find"
    assert hits(await visitor.read(find))[:3] == [address_of(sooner), address_of(later), address_of(draft)]
    assert visitor.heading() == "Find"
    found = hits(await visitor.read(f"{find}?q=brass"))
    assert found[:3] == [address_of(sooner), address_of(later), address_of(draft)], "the soonest first"
    assert hits(await visitor.read(f"{find}?q=brassi")) == [f"{address_of(later)}/bookings/{booking}"]
    assert "Ada &lt;b&gt;Brassington&lt;/b&gt;" in visitor.text
    for typed in (reference_of(parse_id("bkg", booking)), booking):
        assert hits(await visitor.read(f"{find}?q={typed}")) == [f"{address_of(later)}/bookings/{booking}"]
    for typed, expected in (
        ("100%25", [later]),
        ("%25", [later]),
        ("_night", [later]),
        ("fog+brass", [sooner]),
    ):
        assert hits(await visitor.read(f"{find}?q={typed}")) == [address_of(each) for each in expected], typed
    assert "Nothing for “&lt;i&gt;”." in await visitor.read(f"{find}?q=%3Ci%3E")


async def test_the_event_from_which_one_comes_is_first(office: BoxOffice) -> None:
    one, two = await office.open_event(), await office.open_event()
    ada = await somebody(office, "Ada Lovelace")
    mine = [(await office.book(each, ada.headers)).json()["id"] for each in (one, two)]
    visitor, find = Visitor(office, await office.as_member("owner")), f"{home_of(office)}/find"
    of_one = f"event={show_id('evt', one.event_id)}"
    assert hits(await visitor.read(f"{find}?q=lovelace&{of_one}")) == [
        f"{address_of(one)}/bookings/{mine[0]}"
    ]
    assert len(hits(await visitor.read(f"{find}?q=lovelace"))) == 2
    assert hits(await visitor.read(f"{find}?q=mon&{of_one}")) == [
        f"{address_of(one)}/money",
        f"{home_of(office)}/money",
    ]
    assert hits(await visitor.read(f"{find}?q=mon")) == [f"{home_of(office)}/money"]
    assert f'href="{home_of(office)}/find?{of_one}"' in await visitor.read(address_of(one))


async def test_nobody_finds_more_than_they_may_open(office: BoxOffice) -> None:
    event = await titled(office, "Brass")
    ada = await somebody(office, "Ada Lovelace")
    await office.book(event, ada.headers)
    elsewhere = await make_organizer(office.context.database)
    find, of_event = f"{home_of(office)}/find", f"event={show_id('evt', event.event_id)}"
    door = Visitor(office, await office.as_member("door"))
    assert hits(await door.read(f"{find}?q=lovelace&{of_event}")) == [], "the door sees no buyers"
    assert hits(await door.read(f"{find}?q=money&{of_event}")) == [], "and no money"
    assert hits(await door.read(f"{find}?q=brass")) == [address_of(event)]
    stranger = Visitor(office, await office.as_member("owner", elsewhere))
    await stranger.read(f"{find}?q=brass")
    assert stranger.status == 404
    theirs = f"/organize/{show_id('org', elsewhere)}/find"
    for typed in ("brass", "lovelace", "money"):
        text = await stranger.read(f"{theirs}?q={typed}&{of_event}")
        assert not any(address_of(event) in each for each in hits(text)), (
            "another organizer's event is nothing"
        )
    for nonsense in ("evt_nonsense", show_id("evt", elsewhere)):
        await stranger.read(f"{theirs}?event={nonsense}")
        assert stranger.status == 200
