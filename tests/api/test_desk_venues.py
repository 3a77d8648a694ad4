"""Venues and seat maps at the desk, without script: make, change, import, generate, versions."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from evently.kit.ids import show_id
from tests.support.box_office import HALL, BoxOffice, open_box_office
from tests.support.desk import home_of
from tests.support.forms import form_of
from tests.support.visitor import Visitor

PLAN: dict[str, Any] = {
    "name": "Plan",
    "categories": [{"name": "A", "color": "#ff0000"}],
    "zones": [
        {
            "name": "Floor",
            "position": {"x": 0, "y": 0},
            "rows": [
                {
                    "row_number": "A",
                    "position": {"x": 0, "y": 0},
                    "seats": [
                        {
                            "seat_guid": f"s{number}",
                            "seat_number": str(number),
                            "position": {"x": 25 * number, "y": 0},
                            "category": "A",
                        }
                        for number in range(1, 4)
                    ],
                }
            ],
        }
    ],
    "size": {"width": 100, "height": 100},
}


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, rate_heavy=0) as opened:
        yield opened


@pytest.fixture
async def visitor(office: BoxOffice) -> Visitor:
    made = Visitor(office, await office.as_member("manager"))
    office.context.accounts.roles.forget(office.venue.organizer_id)
    return made


async def upload(visitor: Visitor, action: str, content: bytes, **fields: str) -> str:
    """Send a form with a file, as a browser does, and follow where it leads."""
    visitor.page = await visitor.client.post(
        action,
        data=fields,
        files={"file": ("map.json", content, "application/json")},
        headers=visitor.headers | {"sec-fetch-site": "same-origin"},
        follow_redirects=True,
    )
    return visitor.text


def _differences(visitor: Visitor) -> list[tuple[str, ...]]:
    """Return what the page with both versions shows: field, mine, theirs."""
    table = visitor.text.partition("<tbody>")[2].partition("</tbody>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    return [tuple(re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)) for row in rows]


async def test_a_venue_is_made_and_changed(office: BoxOffice, visitor: Visitor) -> None:
    where = f"{home_of(office)}/venues"
    await visitor.read(where)
    assert visitor.heading() == "Venues"
    await visitor.submit(where, name="", address="Ufer 1", city="Köln", country="de", time_zone="Rhine")
    assert visitor.status == 422
    assert visitor.text.count('aria-invalid="true"') == 2
    assert visitor.form(where)["city"] == "Köln"
    await visitor.submit(where, name="Rheinhalle <1>", country="DE", time_zone="Europe/Berlin")
    assert visitor.heading() == "Rheinhalle <1>"
    venue = visitor.path
    chosen = form_of(visitor.text, venue)
    assert chosen["country"] == "DE", "a list, as on the form of an event"
    chosen = {name: chosen[name] for name in ("country", "time_zone")}
    await visitor.submit(venue, name="Rheinhalle", **chosen)
    assert "The venue was changed." in visitor.text
    other = Visitor(office, await office.as_member("manager"))
    office.context.accounts.roles.forget(office.venue.organizer_id)
    await other.read(venue)
    await other.submit(venue, name="Mine", version="1", **chosen)
    assert other.status == 412
    assert other.heading() == "Another editor was first"
    assert '<span dir="auto">Member</span> changed this at <time' in other.text
    assert _differences(other) == [("Name", "Mine", "Rheinhalle")]
    unchanged = "SELECT name FROM venues WHERE version = 2"
    assert await office.context.database.fetch_value(unchanged) == "Rheinhalle"
    await other.submit(venue, **chosen)
    assert other.heading() == "Mine"
    await visitor.submit(venue, name="Also mine", version="2", **chosen)
    assert "Member" in visitor.text
    await office.context.database.fetch("UPDATE venues SET changed_at = NULL, changed_by = NULL")
    await visitor.submit(venue, name="Also mine", version="2", **chosen)
    assert "While you were editing, this was changed." in visitor.text, "before it was written down"


async def test_what_another_time_zone_moves_is_said_before(office: BoxOffice, visitor: Visitor) -> None:
    event = await office.open_event(starts_in=timedelta(days=20))
    venue = f"/organize/venues/{show_id('ven', office.venue.venue_id)}"
    await visitor.read(venue)
    form = form_of(visitor.text, venue)
    await visitor.send(venue, form | {"time_zone": "America/New_York"})
    assert visitor.status == 409
    assert "1 event would move" in visitor.text
    unchanged = await office.context.database.fetch_value(
        "SELECT starts_at FROM events WHERE event_id = $1", event.event_id
    )
    assert unchanged == event.starts_at
    await visitor.submit(venue)
    moved = await office.context.database.fetch_value(
        "SELECT starts_at FROM events WHERE event_id = $1", event.event_id
    )
    assert moved > event.starts_at


async def test_a_map_is_imported(office: BoxOffice, visitor: Visitor) -> None:
    new = f"/organize/venues/{show_id('ven', office.venue.venue_id)}/seat-maps"
    await visitor.read(new)
    for content in (
        b"{",
        b'{"name": "x"}',
        b"[]",
        b"\xff\x00",
        msgspec.json.encode({"name": "x", "sections": 1}),
    ):
        await upload(visitor, new, content)
        assert visitor.status in (400, 422), content
    await upload(visitor, new, msgspec.json.encode(HALL))
    assert visitor.heading() == "Hall"
    assert "16 seats, version 1" in visitor.text
    ours = visitor.path
    saved = await visitor.client.get(f"{ours}/map.json")
    assert msgspec.json.decode(saved.content) == msgspec.json.decode(msgspec.json.encode(HALL))
    await upload(visitor, new, json.dumps(PLAN).encode())
    assert visitor.heading() == "Plan"
    assert "3 seats, version 1" in visitor.text
    await office.open_hall()  # has a copy of an equal map
    other = msgspec.json.decode(msgspec.json.encode(HALL))
    other["sections"][1]["rows"][0]["seats"].pop()
    other["sections"][0]["rows"][0]["seats"][0]["x"] -= 1
    await upload(visitor, ours, msgspec.json.encode(other), version="1")
    assert "1 seat removed" in visitor.text
    assert "1 seat moved" in visitor.text
    assert "1 event with a copy of this map keeps it" in visitor.text
    assert (await visitor.client.get(f"{ours}/map.json")).content == saved.content, "nothing is saved yet"
    await visitor.send(ours, {"version": "1", "agreed": "yes", "map": json.dumps(other)})
    assert "Saved as version 2." in visitor.text
    await visitor.send(ours, {"version": "1", "agreed": "yes", "map": msgspec.json.encode(HALL).decode()})
    assert visitor.status == 412
    assert "Version 2 was saved meanwhile" in visitor.text


async def test_a_map_is_made_of_a_few_numbers(office: BoxOffice, visitor: Visitor) -> None:
    new = f"/organize/venues/{show_id('ven', office.venue.venue_id)}/seat-maps"
    await visitor.read(new)
    await visitor.submit(new, map_name="", rows="0", seats="many", aisles="3,x")
    assert visitor.status == 422
    for field in ("map_name", "seats", "aisles"):
        assert f'id="{field}-wrong"' in visitor.text
    await visitor.submit(new, map_name="Great hall", rows="3", seats="10", aisles="5", name="Stalls")
    assert visitor.heading() == "Great hall"
    assert "30 seats, version 1" in visitor.text
    where = visitor.path
    await visitor.submit(
        f"{where}/sections", name="Circle", code="CI", rows="2", seats="8", radius="12", y="10"
    )
    assert "46 seats, version 2" in visitor.text
    await visitor.submit(f"{where}/sections", name="Circle", code="C2", y="20")
    assert visitor.status == 422, "its name is taken"
    await visitor.submit(f"{where}/sections", name="On top", code="OT", y="3")
    assert visitor.status == 422, "seats would be on top of each other"
    await visitor.read(where)
    await visitor.submit(f"{where}/sections/remove", section="Circle")
    assert "16 seats removed" in visitor.text
    await visitor.submit(where, map=msgspec.json.encode(HALL).decode())
    assert "Saved as version 3." in visitor.text
    stranger = Visitor(office, office.as_buyer())
    for path in (new, where, f"{where}/map.json", f"{where}/section.json?rows=2"):
        await stranger.read(path)
        assert stranger.status == 404
