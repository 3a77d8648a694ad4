"""Seat maps over HTTP: creation, lists, versions; the faults of a map; large bodies."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
import pytest
import pytest_asyncio

from evently.kit.ids import new_id, show_id
from evently.seating import canonical
from evently.web.edge.examples import own_example
from tests.api.test_catalogue import Headers, code_of, make, pointers
from tests.support.box_office import HALL, BoxOffice, open_box_office
from tests.support.catalogue import make_organizer
from tests.unit.test_seating_pretix import FAULTS as PLAN_FAULTS
from tests.unit.test_seating_pretix import plan, put
from tests.unit.test_seating_pretix import row as plan_row
from tests.unit.test_seating_seatmap import FAULTS, MALFORMED, many
from tests.unit.test_seating_seatmap import content as right_map

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(shared_database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(shared_database_url, rate_heavy=0) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def door(office: BoxOffice) -> Headers:
    """Add the door's member before any request, because memberships are remembered for half a second."""
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
    assert (
        await office.client.get(where, headers={**manager, "If-None-Match": found.headers["etag"]})
    ).status_code == 304
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
            {
                "name": "A",
                "rows": [
                    row("1", seat("a", "1", 0), seat("a", "2", 1), seat("b", "2", 2)),
                    row("1", seat("c", "1", 2.1)),
                ],
            },
            {"name": "A", "rows": []},
        ],
    )
    assert pointers(await office.client.post(maps_of(office), json=wrong, headers=manager)) == {
        "/map/name",
        "/map/sections/1/name",
        "/map/sections/0/rows/0/seats/2/label",
        "/map/sections/0/rows/0/seats/1/id",
        "/map/sections/0/rows/1/name",
        "/map/sections/0/rows/1/seats/0",  # overlaps another seat
        "/map/sections/1/rows",
    }
    shapeless = {
        "map": {
            "name": "Hall",
            "sections": [{"name": 1, "rows": [{"seats": [{"id": "a"}]}]}],
            "colour": "red",
        }
    }
    assert pointers(await office.client.post(maps_of(office), json=shapeless, headers=manager)) >= {
        "/map/sections/0/name",
        "/map/sections/0/rows/0/name",
        "/map/sections/0/rows/0/seats/0/label",
        "/map/colour",
    }


async def test_a_hall_is_generated(office: BoxOffice, manager: Headers) -> None:
    for kind, seats in (("theatre", 777), ("arena", 2_000)):
        made = await office.client.post(
            maps_of(office), json={"generate": {"kind": kind, "seats": seats}}, headers=manager
        )
        assert (made.status_code, made.json()["seats"]) == (201, seats)
    small = await office.client.post(
        maps_of(office), json={"generate": {"kind": "arena", "seats": 10}}, headers=manager
    )
    assert pointers(small) == {"/generate/seats"}
    for body in ({}, {**hall(), "generate": {"kind": "arena", "seats": 2_000}}):
        assert pointers(await office.client.post(maps_of(office), json=body, headers=manager)) == {"/map"}


async def test_a_hall_of_twenty_thousand_seats_fits(office: BoxOffice, manager: Headers) -> None:
    sections = [
        {
            "name": f"S{s}",
            "rows": [
                row(str(r), *[seat(f"s{s}-{r}-{n}", str(n), n + 50 * s, r) for n in range(40)])
                for r in range(50)
            ],
        }
        for s in range(10)
    ]
    body = msgspec.json.encode(hall(sections=sections))
    assert len(body) > office.context.options.body_bytes_max
    made = await office.client.post(
        maps_of(office), content=body, headers={**manager, "Content-Type": "application/json"}
    )
    assert (made.status_code, made.json()["seats"]) == (201, 20_000)
    elsewhere = await office.client.post(
        "/v1/venues", content=body, headers={**manager, "Content-Type": "application/json"}
    )
    assert code_of(elsewhere, 413) == "too-large"
    too_long = {**manager, "Content-Type": "application/json", "Content-Length": str(17 * 2**20)}
    assert (
        code_of(await office.client.post(maps_of(office), content=b"", headers=too_long), 413) == "too-large"
    )


async def test_maps_are_their_organizers(office: BoxOffice, manager: Headers, door: Headers) -> None:
    made = (await office.client.post(maps_of(office), json=hall(), headers=manager)).json()
    where = f"/v1/seat-maps/{made['id']}"
    stranger = await office.as_member("owner", await make_organizer(office.context.database))
    assert (await office.client.get(where, headers=door)).status_code == 200
    assert code_of(await office.client.get(where), 401) == "unauthenticated"
    assert code_of(await office.client.get(where, headers=stranger), 404) == "not-found"
    assert code_of(await office.client.get(maps_of(office), headers=stranger), 404) == "not-found"
    assert (
        code_of(await office.client.post(f"{where}/versions", json=hall(), headers=stranger), 404)
        == "not-found"
    )
    assert (
        code_of(await office.client.post(f"{where}/versions", json=hall(), headers=door), 403) == "forbidden"
    )
    assert code_of(await office.client.post(maps_of(office), json=hall(), headers=door), 403) == "forbidden"
    nowhere = f"/v1/seat-maps/{show_id('smp', new_id())}"
    assert code_of(await office.client.get(nowhere, headers=manager), 404) == "not-found"


async def test_the_examples_are_accepted(office: BoxOffice, manager: Headers) -> None:
    for path, shape in ((maps_of(office), "SeatMapBody"), (f"{maps_of(office)}/import-pretix", "PretixPlan")):
        example = own_example(shape, "")
        assert example is not None
        made = await office.client.post(path, json=example[0], headers=manager)
        assert (made.status_code, made.json()["name"]) == (201, "Great hall")


# Whatever is sent -------------------------------------------------------------------------------------------


def is_json(value: Any) -> bool:
    """Return whether a value can be JSON, which has no NaN."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("path", "value", "pointer"),
    [(path, value, pointer) for path, value, pointer, _ in FAULTS if is_json(value)]
    + MALFORMED
    + [
        ("/sections/0/rows/0/seats/0/x", 1e308, "/sections/0/rows/0/seats/0"),
        ("/sections/0/rows/0/seats/0/y", -1e308, "/sections/0/rows/0/seats/0"),
        ("/sections/0/rows/0/seats/0/label", "\x00", "/sections/0/rows/0/seats/0/label"),
        ("/name", "a\x00b", "/name"),
        ("/sections/0/rows", None, "/sections/0/rows"),
        ("/shapes/0/text", "\x1b[31m", "/shapes/0/text"),
    ],
)
async def test_a_wrong_map_is_answered_with_the_place(
    office: BoxOffice, manager: Headers, path: str, value: Any, pointer: str
) -> None:
    wrong = right_map()
    put(wrong, path, value)
    assert pointers(await office.client.post(maps_of(office), json={"map": wrong}, headers=manager)) == {
        f"/map{pointer}"
    }


async def send(office: BoxOffice, path: str, manager: Headers, body: bytes) -> Any:
    return await office.client.post(
        path, content=body, headers={**manager, "Content-Type": "application/json"}
    )


_OUTSIDE: Final[list[tuple[bytes, int, str]]] = [
    (b'{"name": NaN}', 400, "malformed"),
    (b'{"name": Infinity}', 400, "malformed"),
    (b'{"name": "\xff"}', 400, "malformed"),
    (b'{"name": "\\ud800"}', 400, "malformed"),
    (b"{", 400, "malformed"),
    (b"", 400, "malformed"),
    (b"[" * 100_000, 400, "malformed"),
    (b'{"unknown": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "malformed"),
    (b'{"sections": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}", 400, "malformed"),
    (b"[]", 422, "invalid"),
    (b'"hall"', 422, "invalid"),
    (b"null", 422, "invalid"),
]


@pytest.mark.parametrize(("body", "status", "code"), _OUTSIDE)
@pytest.mark.parametrize("ending", ["", "/import-pretix"])
async def test_what_is_no_map_and_no_plan(
    office: BoxOffice, manager: Headers, ending: str, body: bytes, status: int, code: str
) -> None:
    assert code_of(await send(office, f"{maps_of(office)}{ending}", manager, body), status) == code


async def test_numbers_that_no_computer_holds(office: BoxOffice, manager: Headers) -> None:
    huge = json.dumps(right_map()).replace('"x": 0.5', '"x": 1e400', 1).encode()
    assert pointers(await send(office, maps_of(office), manager, b'{"map": ' + huge + b"}")) == {
        "/map/sections/0/rows/0/seats/1/x"
    }
    huge = json.dumps(plan()).replace('"x": 20', '"x": 1e400', 1).encode()
    answer = await send(office, f"{maps_of(office)}/import-pretix", manager, huge)
    assert pointers(answer) == {"/zones/0/rows/0/seats/1/position/x"}


async def test_too_many_seats(office: BoxOffice, manager: Headers) -> None:
    rows = [
        {"name": str(line), "seats": [{**each, "id": f"{line}{each['id']}", "y": line} for each in many(500)]}
        for line in range(201)
    ]
    body = msgspec.json.encode(
        {"map": {"name": "Everybody", "sections": [{"name": "Everybody", "rows": rows}]}}
    )
    assert pointers(await send(office, maps_of(office), manager, body)) == {"/map/sections"}
    seats = plan_row("a", "1", 0)["seats"] * 170
    short = [
        {key: seat[key] for key in ("seat_guid", "seat_number", "position", "category")} for seat in seats
    ]
    crowded = {
        **plan(),
        "zones": [{"position": {"x": 0, "y": 0}, "rows": [{"row_number": "1", "seats": short}] * 200}],
    }
    assert pointers(
        await send(office, f"{maps_of(office)}/import-pretix", manager, msgspec.json.encode(crowded))
    ) == {"/zones"}


async def test_a_million_seats_are_too_large_to_read(office: BoxOffice, manager: Headers) -> None:
    body = (
        b'{"map":{"name":"x","sections":[{"name":"x","rows":[{"name":"x","seats":['
        + b'{"id":"1","label":"1","x":1,"y":1},' * 1_000_000
    )
    for path in (maps_of(office), f"{maps_of(office)}/import-pretix"):
        assert code_of(await send(office, path, manager, body), 413) == "too-large"


# Plans of pretix --------------------------------------------------------------------------------------------


async def test_a_plan_of_pretix_becomes_a_map_that_can_be_sold(office: BoxOffice, manager: Headers) -> None:
    made = await office.client.post(f"{maps_of(office)}/import-pretix", json=plan(), headers=manager)
    assert made.status_code == 201, made.text
    shown = made.json()
    assert (shown["version"], shown["seats"], shown["name"]) == (1, 9, "Hall")
    assert shown["zones"] == [
        {"name": "Dear", "sections": ["Stalls"], "rows": [], "seats": []},
        {"name": "Cheap", "sections": ["Zone 2"], "rows": [], "seats": []},
    ]
    assert made.headers["location"] == f"/v1/seat-maps/{shown['id']}?version=1"
    types = [
        {"name": zone["name"], "price": {"amount": 4000, "currency": "EUR"}, "zone": zone["name"]}
        for zone in shown["zones"]
    ]
    seating = {"seat_map_id": shown["id"], "zones": shown["zones"]}
    event = await make(office, manager, capacity=..., seating=seating, ticket_types=types)
    assert event.json()["seating"]["zones"] == [{"name": "Dear", "seats": 6}, {"name": "Cheap", "seats": 3}]


async def test_a_plan_of_pretix_becomes_the_next_version(office: BoxOffice, manager: Headers) -> None:
    first = (
        await office.client.post(f"{maps_of(office)}/import-pretix", json=plan(), headers=manager)
    ).json()
    versions = f"/v1/seat-maps/{first['id']}/versions/import-pretix"
    assert (await office.client.post(versions, json=plan(), headers=manager)).json() == first
    larger = plan()
    larger["zones"][1]["rows"].append(plan_row("d", "2", 40, "Cheap"))
    changed = await office.client.post(versions, json=larger, headers=manager)
    assert (changed.status_code, changed.json()["version"], changed.json()["seats"]) == (201, 2, 12)
    whole = await office.client.get(changed.headers["location"], headers=manager)
    assert [section["name"] for section in whole.json()["map"]["sections"]] == ["Stalls", "Zone 2"]


@pytest.mark.parametrize(
    ("path", "value", "pointer"),
    [(path, value, pointer) for path, value, pointer, _ in PLAN_FAULTS if is_json(value)],
)
async def test_a_wrong_plan_is_answered_with_the_place(
    office: BoxOffice, manager: Headers, path: str, value: Any, pointer: str
) -> None:
    wrong = plan()
    put(wrong, path, value)
    assert pointers(
        await office.client.post(f"{maps_of(office)}/import-pretix", json=wrong, headers=manager)
    ) == {pointer}


async def test_all_that_is_missing_in_a_plan_is_told_at_once(office: BoxOffice, manager: Headers) -> None:
    wrong = plan()
    for seat in wrong["zones"][1]["rows"][0]["seats"]:
        del seat["seat_guid"]
    del wrong["categories"], wrong["zones"][0]["position"]
    assert pointers(
        await office.client.post(f"{maps_of(office)}/import-pretix", json=wrong, headers=manager)
    ) == {
        *(f"/zones/1/rows/0/seats/{at}/seat_guid" for at in range(3)),
        "/categories",
        "/zones/0/position",
    }
    assert pointers(
        await office.client.post(f"{maps_of(office)}/import-pretix", json=right_map(), headers=manager)
    ) >= {"/zones"}


async def test_plans_are_imported_by_managers(office: BoxOffice, manager: Headers, door: Headers) -> None:
    made = (await office.client.post(maps_of(office), json=hall(), headers=manager)).json()
    stranger = await office.as_member("owner", await make_organizer(office.context.database))
    for path in (f"{maps_of(office)}/import-pretix", f"/v1/seat-maps/{made['id']}/versions/import-pretix"):
        assert code_of(await office.client.post(path, json=plan()), 401) == "unauthenticated"
        assert code_of(await office.client.post(path, json=plan(), headers=stranger), 404) == "not-found"
        assert code_of(await office.client.post(path, json=plan(), headers=door), 403) == "forbidden"
        assert (
            code_of(
                await office.client.post(path, content=b"x", headers={**manager, "Content-Type": "text/csv"}),
                415,
            )
            == "unsupported-media-type"
        )
