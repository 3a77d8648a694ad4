"""Seat maps over HTTP: made, listed, changed in versions; every fault of a map with its place; bodies as large as halls are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from evently.kit.ids import new_id, show_id
from evently.seating import canonical
from tests.api.test_catalogue import Headers, code_of, pointers
from tests.box_office import HALL, BoxOffice, open_box_office
from tests.catalogue import make_organizer

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(shared_database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(shared_database_url, rate_heavy=0) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def door(office: BoxOffice) -> Headers:
    """Somebody at the door: before anybody asks, for who is a member is remembered for half a second."""
    return await office.as_member("door")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def manager(office: BoxOffice) -> Headers:
    return await office.as_member("manager")


def hall(**changes: Any) -> dict[str, Any]:
    content: dict[str, Any] = msgspec.json.decode(canonical(HALL))
    return {"map": {**content, **changes}}


def row(name: str, *seats: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "seats": list(seats)}


def seat(seat_id: str, label: str, x: float, y: float = 0.0) -> dict[str, Any]:
    return {"id": seat_id, "label": label, "x": x, "y": y}


def maps_of(office: BoxOffice) -> str:
    return f"/v1/venues/{show_id('ven', office.venue.venue_id)}/seat-maps"


async def test_a_map_and_its_versions(office: BoxOffice, manager: Headers) -> None:
    made = await office.client.post(maps_of(office), json=hall(), headers=manager)
    assert made.status_code == 201, made.text
    first = made.json()
    assert (first["version"], first["seats"], first["name"]) == (1, 16, "Hall")
    where = f"/v1/seat-maps/{first['id']}"
    assert made.headers["location"] == f"{where}?version=1"
    found = await office.client.get(where, headers=manager)
    assert found.json() == {**first, "map": hall()["map"]}
    assert (await office.client.get(where, headers={**manager, "If-None-Match": found.headers["etag"]})).status_code == 304
    same = await office.client.post(f"{where}/versions", json=hall(), headers=manager)
    assert same.json() == first
    changed = await office.client.post(f"{where}/versions", json=hall(name="Larger hall"), headers=manager)
    assert (changed.status_code, changed.json()["version"]) == (201, 2)
    assert changed.json()["digest"] != first["digest"]
    assert (await office.client.get(where, headers=manager)).json()["name"] == "Larger hall"
    old = await office.client.get(where, params={"version": 1}, headers=manager)
    assert old.json() == found.json()
    assert "immutable" in old.headers["cache-control"]
    assert code_of(await office.client.get(where, params={"version": 3}, headers=manager), 404) == "not-found"
    assert pointers(await office.client.get(where, params={"version": 0}, headers=manager)) == {"?version"}
    listed = await office.client.get(maps_of(office), headers=manager)
    assert changed.json() in listed.json()["data"]


async def test_every_fault_of_a_map_is_told_with_its_place(office: BoxOffice, manager: Headers) -> None:
    wrong = hall(
        name=" ",
        sections=[
            {"name": "A", "rows": [row("1", seat("a", "1", 0), seat("a", "2", 1), seat("b", "2", 2)), row("1", seat("c", "1", 2.1))]},
            {"name": "A", "rows": []},
        ],
    )
    assert pointers(await office.client.post(maps_of(office), json=wrong, headers=manager)) == {
        "/map/name",
        "/map/sections/1/name",
        "/map/sections/0/rows/0/seats/2/label",
        "/map/sections/0/rows/0/seats/1/id",
        "/map/sections/0/rows/1/name",
        "/map/sections/0/rows/1/seats/0",  # on top of another
        "/map/sections/1/rows",
    }
    shapeless = {"map": {"name": "Hall", "sections": [{"name": 1, "rows": [{"seats": [{"id": "a"}]}]}], "colour": "red"}}
    assert pointers(await office.client.post(maps_of(office), json=shapeless, headers=manager)) >= {
        "/map/sections/0/name",
        "/map/sections/0/rows/0/name",
        "/map/sections/0/rows/0/seats/0/label",
        "/map/colour",
    }


async def test_a_hall_is_generated(office: BoxOffice, manager: Headers) -> None:
    for kind, seats in (("theatre", 777), ("arena", 2_000)):
        made = await office.client.post(maps_of(office), json={"generate": {"kind": kind, "seats": seats}}, headers=manager)
        assert (made.status_code, made.json()["seats"]) == (201, seats)
    small = await office.client.post(maps_of(office), json={"generate": {"kind": "arena", "seats": 10}}, headers=manager)
    assert pointers(small) == {"/generate/seats"}
    for body in ({}, {**hall(), "generate": {"kind": "arena", "seats": 2_000}}):
        assert pointers(await office.client.post(maps_of(office), json=body, headers=manager)) == {"/map"}


async def test_a_hall_of_twenty_thousand_seats_fits(office: BoxOffice, manager: Headers) -> None:
    sections = [
        {"name": f"S{s}", "rows": [row(str(r), *[seat(f"s{s}-{r}-{n}", str(n), n + 50 * s, r) for n in range(40)]) for r in range(50)]}
        for s in range(10)
    ]
    body = msgspec.json.encode(hall(sections=sections))
    assert len(body) > office.context.options.body_bytes_max
    made = await office.client.post(maps_of(office), content=body, headers={**manager, "Content-Type": "application/json"})
    assert (made.status_code, made.json()["seats"]) == (201, 20_000)
    elsewhere = await office.client.post("/v1/venues", content=body, headers={**manager, "Content-Type": "application/json"})
    assert code_of(elsewhere, 413) == "too-large"
    too_long = {**manager, "Content-Type": "application/json", "Content-Length": str(17 * 2**20)}
    assert code_of(await office.client.post(maps_of(office), content=b"", headers=too_long), 413) == "too-large"


async def test_maps_are_their_organizers(office: BoxOffice, manager: Headers, door: Headers) -> None:
    made = (await office.client.post(maps_of(office), json=hall(), headers=manager)).json()
    where = f"/v1/seat-maps/{made['id']}"
    stranger = await office.as_member("owner", await make_organizer(office.context.database))
    assert (await office.client.get(where, headers=door)).status_code == 200
    assert code_of(await office.client.get(where), 401) == "unauthenticated"
    assert code_of(await office.client.get(where, headers=stranger), 404) == "not-found"
    assert code_of(await office.client.get(maps_of(office), headers=stranger), 404) == "not-found"
    assert code_of(await office.client.post(f"{where}/versions", json=hall(), headers=stranger), 404) == "not-found"
    assert code_of(await office.client.post(f"{where}/versions", json=hall(), headers=door), 403) == "forbidden"
    assert code_of(await office.client.post(maps_of(office), json=hall(), headers=door), 403) == "forbidden"
    nowhere = f"/v1/seat-maps/{show_id('smp', new_id())}"
    assert code_of(await office.client.get(nowhere, headers=manager), 404) == "not-found"
