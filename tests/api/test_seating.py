"""The seats of events over HTTP: zones, pools of their own, blocked seats, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from evently.kit.ids import new_id, show_id
from evently.sales import store
from tests.api.test_catalogue import Headers, code_of, event_body, make, pointers, seen
from tests.support.box_office import HALL, BoxOffice, open_box_office
from tests.support.catalogue import make_venue

pytestmark = pytest.mark.asyncio(loop_scope="module")
STALLS = {"name": "Stalls", "sections": ["Stalls"]}
BALCONY = {"name": "Balcony", "rows": ["Balcony/A"]}
EUROS = {"amount": 4000, "currency": "EUR"}


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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hall(office: BoxOffice, manager: Headers) -> str:
    return await add_map(office, manager, office.venue.venue_id)


async def add_map(office: BoxOffice, manager: Headers, venue_id: Any) -> str:
    body = {"map": msgspec.to_builtins(HALL)}
    made = await office.client.post(
        f"/v1/venues/{show_id('ven', venue_id)}/seat-maps", json=body, headers=manager
    )
    added: str = made.json()["id"]
    return added


def seated(hall: str, *zones: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "capacity": ...,
        "pools": [{"name": "Floor", "capacity": 50}],
        "seating": {"seat_map_id": hall, "zones": list(zones or (STALLS, BALCONY))},
        "ticket_types": [
            {"name": "Stalls", "price": EUROS, "zone": "stalls"},
            {"name": "Child", "zone": "Stalls"},
            {"name": "Balcony", "zone": "Balcony"},
            {"name": "Floor", "pools": ["Floor"]},
        ],
        **more,
    }


async def book(office: BoxOffice, where: str, ticket_type: dict[str, Any], *seats: str) -> None:
    line = {"ticket_type_id": ticket_type["id"], "quantity": len(seats), "seats": list(seats)}
    booked = await office.client.post(f"{where}/bookings", json={"lines": [line]}, headers=office.as_buyer())
    assert booked.status_code == 201, booked.text


async def test_a_mixed_event(office: BoxOffice, manager: Headers, hall: str) -> None:
    event = await make(office, manager, **seated(hall))
    shown = event.json()
    assert shown["seating"]["zones"] == [{"name": "Stalls", "seats": 12}, {"name": "Balcony", "seats": 4}]
    assert [(each["name"], each["zone"], each["available"]) for each in shown["ticket_types"]] == [
        ("Stalls", "Stalls", 12),
        ("Child", "Stalls", 12),
        ("Balcony", "Balcony", 4),
        ("Floor", None, 50),
    ]
    pools = await office.client.get(f"{event.headers['location']}/pools", headers=manager)
    assert {pool["name"]: pool["capacity"] for pool in pools.json()["data"]} == {
        "Floor": 50,
        "Stalls": 12,
        "Balcony": 4,
    }
    counts = await office.client.get(f"{event.headers['location']}/seating", headers=manager)
    assert counts.json()["map_version"] == shown["seating"]["map_version"]
    assert counts.json()["zones"][0] == {"name": "Stalls", "seats": 12, "free": 12, "taken": 0, "blocked": 0}


async def test_everything_wrong_with_seating_is_said_at_once(
    office: BoxOffice, manager: Headers, hall: str
) -> None:
    zones = (
        {"name": "One", "sections": ["Stalls", "Gods"]},
        {"name": "one ", "rows": ["Stalls/A"], "seats": ["S-B-1", "nowhere"]},
        {"name": ""},
        {"name": "Rest"},
    )
    body = event_body(office, **seated(hall, *zones))
    assert pointers(await office.client.post("/v1/events", json=body, headers=manager)) == {
        "/seating/zones/0/sections/1",
        "/seating/zones/1/name",
        "/seating/zones/1/rows/0",
        "/seating/zones/1/seats/0",
        "/seating/zones/1/seats/1",
        "/seating/zones/2/name",
        "/seating/zones/3",
        "/ticket_types/0/zone",
        "/ticket_types/1/zone",
        "/ticket_types/2/zone",
    }
    none = event_body(office, **seated(hall, seating={"seat_map_id": hall, "zones": []}))
    assert "/seating/zones" in pointers(await office.client.post("/v1/events", json=none, headers=manager))


async def test_a_map_of_another_venue_is_not_there(office: BoxOffice, manager: Headers, hall: str) -> None:
    other = await add_map(
        office, manager, (await make_venue(office.context.database, office.venue.organizer_id)).venue_id
    )
    for seating in (
        {"seat_map_id": other, "zones": [STALLS]},
        {"seat_map_id": show_id("smp", new_id()), "zones": [STALLS]},
        {"seat_map_id": "smp_x", "zones": [STALLS]},
        {"seat_map_id": hall, "version": 9, "zones": [STALLS]},
        {"zones": [STALLS]},
    ):
        body = event_body(office, seating=seating)
        assert pointers(await office.client.post("/v1/events", json=body, headers=manager)) == {
            "/seating/seat_map_id"
        }, seating


async def test_other_zones_leave_taken_seats_where_they_are(
    office: BoxOffice, manager: Headers, hall: str
) -> None:
    event = await make(office, manager, **seated(hall))
    where = event.headers["location"]
    await book(office, where, event.json()["ticket_types"][1], "S-A-1")
    front = {"name": "Front", "rows": ["Stalls/B"]}
    moved = {"zones": [{"name": "Stalls", "rows": ["Stalls/A"]}, BALCONY, front]}
    unseen = await office.client.put(f"{where}/seating", json=moved, headers=manager)
    assert code_of(unseen, 428) == "if-match-missing"
    changed = await office.client.put(f"{where}/seating", json=moved, headers=seen(event, manager))
    assert changed.status_code == 200, changed.text
    assert changed.json()["zones"][0] == {"name": "Stalls", "seats": 6, "free": 5, "taken": 1, "blocked": 0}
    pools = await office.client.get(f"{where}/pools", headers=manager)
    assert {pool["name"]: pool["capacity"] for pool in pools.json()["data"]}["Stalls"] == 6
    added = await office.client.post(
        f"{where}/ticket-types", json={"name": "Front", "zone": "front"}, headers=manager
    )
    assert (added.status_code, added.json()["zone"], added.json()["available"]) == (201, "Front", 6)
    stale = await office.client.put(f"{where}/seating", json=moved, headers=seen(event, manager))
    assert code_of(stale, 412) == "stale"
    anywhere = {**manager, "If-Match": "*"}
    taken = {
        "zones": [{"name": "Stalls", "rows": ["Stalls/B"]}, BALCONY, {"name": "Front", "rows": ["Stalls/A"]}]
    }
    assert (
        code_of(await office.client.put(f"{where}/seating", json=taken, headers=anywhere), 409)
        == "seats-in-use"
    )
    assert (
        code_of(await office.client.put(f"{where}/seating", json={"zones": [BALCONY]}, headers=anywhere), 409)
        == "seats-in-use"
    )
    nowhere = {"name": "x", "zone": "Gods"}
    assert "/zone" in pointers(
        await office.client.post(f"{where}/ticket-types", json=nowhere, headers=manager)
    )


async def test_a_draft_gets_seats_later(office: BoxOffice, manager: Headers, hall: str) -> None:
    draft = await make(office, manager, publish=False)
    where = draft.headers["location"]
    assert draft.json()["seating"] is None
    assert code_of(await office.client.get(f"{where}/seating", headers=manager), 422) == "not-seated"
    given = await office.client.put(
        f"{where}/seating",
        json={"seat_map_id": hall, "zones": [{"name": "Seats"}]},
        headers=seen(draft, manager),
    )
    assert (given.status_code, given.json()["not_for_sale"]) == (200, 0)
    assert (await office.client.get(where, headers=manager)).json()["seating"]["zones"] == [
        {"name": "Seats", "seats": 16}
    ]


async def test_seats_are_blocked_and_unblocked(
    office: BoxOffice, manager: Headers, hall: str, door: Headers
) -> None:
    event = await make(office, manager, **seated(hall))
    where = event.headers["location"]
    for _ in range(2):  # harmless to repeat
        blocked = await office.client.post(
            f"{where}/seats/block", json={"rows": ["Stalls/A"], "seats": ["B-A-1"]}, headers=manager
        )
        assert blocked.status_code == 200, blocked.text
        assert [(zone["free"], zone["blocked"]) for zone in blocked.json()["zones"]] == [(6, 6), (3, 1)]
    assert (await office.client.get(where)).json()["ticket_types"][0]["available"] == 6
    freed = await office.client.post(f"{where}/seats/unblock", json={"sections": ["Stalls"]}, headers=manager)
    assert [zone["free"] for zone in freed.json()["zones"]] == [12, 3]
    await book(office, where, event.json()["ticket_types"][1], "S-B-3")
    taken = await office.client.post(f"{where}/seats/block", json={"sections": ["Stalls"]}, headers=manager)
    assert code_of(taken, 409) == "seat-taken"
    counts = await office.client.get(f"{where}/seating", headers=manager)
    assert counts.json()["zones"][0] == {"name": "Stalls", "seats": 12, "free": 11, "taken": 1, "blocked": 0}
    for body, expected in (
        ({}, {""}),
        ({"seats": ["x"], "rows": ["A"], "sections": ["y"]}, {"/seats/0", "/rows/0", "/sections/0"}),
    ):
        assert (
            pointers(await office.client.post(f"{where}/seats/block", json=body, headers=manager)) == expected
        )
    plain = await make(office, manager)
    answer = await office.client.post(
        f"{plain.headers['location']}/seats/block", json={"seats": ["x"]}, headers=manager
    )
    assert code_of(answer, 422) == "not-seated"
    assert (
        code_of(
            await office.client.post(f"{where}/seats/block", json={"seats": ["S-A-1"]}, headers=door), 403
        )
        == "forbidden"
    )


async def test_seats_are_blocked_under_a_name(
    office: BoxOffice, manager: Headers, hall: str, door: Headers
) -> None:
    event = await make(office, manager, **seated(hall))
    where = event.headers["location"]
    blocks = f"{where}/seat-blocks"
    until = "2031-03-01T12:00:00Z"
    body = {"name": " Sponsor ", "until": until, "rows": ["Stalls/A"], "seats": ["B-A-1"]}
    made = await office.client.post(blocks, json=body, headers=manager)
    assert made.status_code == 201, made.text
    block = made.json()
    assert (block["name"], block["until"], len(block["seats"])) == ("Sponsor", until, 7)
    await book(office, where, event.json()["ticket_types"][1], "S-B-1")
    for seats in (["S-A-1"], ["S-B-1"]):  # blocked already, sold
        refused = await office.client.post(blocks, json={"name": "Crew", "seats": seats}, headers=manager)
        assert code_of(refused, 409) == "seat-taken"
    states = await office.client.get(f"{where}/seats/states", headers=manager)
    assert states.json()["seats"] == "bbbbbbs00000b000"
    assert code_of(await office.client.get(f"{where}/seats/states", headers=office.as_buyer()), 403)
    left = await office.client.post(f"{where}/seats/unblock", json={"seats": ["S-A-1"]}, headers=manager)
    assert left.status_code == 200
    (listed,) = (await office.client.get(blocks, headers=door)).json()["data"]
    assert (listed["id"], len(listed["seats"])) == (block["id"], 6)
    one = f"{blocks}/{block['id']}"
    changed = await office.client.patch(one, json={"name": "Press", "until": None}, headers=manager)
    assert (changed.json()["name"], changed.json()["until"]) == ("Press", None)
    past = await office.client.patch(one, json={"until": "2020-01-01T12:00:00Z"}, headers=manager)
    assert pointers(past) == {"/until"}
    for sent in ({"seats": ["B-A-2"]}, {"name": "x"}):
        assert code_of(await office.client.post(blocks, json=sent, headers=manager), 422) == "invalid"
    assert code_of(await office.client.delete(one, headers=door), 403) == "forbidden"
    gone = await office.client.delete(one, headers=manager)
    assert gone.status_code == 204, gone.text
    assert code_of(await office.client.delete(one, headers=manager), 404) == "unknown-seat-block"
    assert (await office.client.get(blocks, headers=manager)).json()["data"] == []
    proof = await office.client.get(f"{where}/proof", headers=manager)
    assert proof.json()["differences"] == []


async def test_seats_are_painted_with_a_zone(
    office: BoxOffice, manager: Headers, hall: str, door: Headers
) -> None:
    draft = await make(office, manager, publish=False, **seated(hall))
    where = draft.headers["location"]
    paint = f"{where}/seating/paint"

    async def painted(**body: Any) -> Any:
        return await office.client.post(paint, json=body, headers=await seen_now())

    async def seen_now() -> Headers:
        return manager | {"if-match": (await office.client.get(where, headers=manager)).headers["etag"]}

    assert (await office.client.post(paint, json={"zone": "x"}, headers=manager)).status_code == 428
    made = await painted(zone="Front", rows=["Stalls/A"])
    assert made.status_code == 200, made.text
    assert {zone["name"]: zone["seats"] for zone in made.json()["zones"]} == {
        "Stalls": 6,
        "Balcony": 4,
        "Front": 6,
    }
    again = await painted(zone=" front ", seats=["S-B-1"])
    assert {zone["name"]: zone["seats"] for zone in again.json()["zones"]}["Front"] == 7
    pools = await office.client.get(f"{where}/pools", headers=manager)
    assert {each["name"]: each["capacity"] for each in pools.json()["data"]}["Stalls"] == 5
    assert (await painted(zone=None, rows=["Stalls/A"])).json()["not_for_sale"] == 6
    assert code_of(await painted(zone="Front", sections=["Stalls"]), 409) == "seats-in-use"
    assert pointers(await painted(zone="", rows=["Stalls/A"])) == {"/zone"}
    assert pointers(await painted(zone="Front", rows=["Stalls/Z"])) == {"/rows/0"}
    await book(
        office,
        (public := (await make(office, manager, **seated(hall)))).headers["location"],
        public.json()["ticket_types"][0],
        "S-A-1",
    )
    where, paint = public.headers["location"], f"{public.headers['location']}/seating/paint"
    assert code_of(await painted(zone="Front", rows=["Stalls/A"]), 409) == "seats-in-use"
    assert (await painted(zone="Balcony", rows=["Stalls/B"])).status_code == 200


async def test_a_held_seat_is_told_from_a_sold_one(office: BoxOffice, manager: Headers, hall: str) -> None:
    event = await make(office, manager, **seated(hall, conditions={"payment": "online"}))
    where = event.headers["location"]
    await book(office, where, event.json()["ticket_types"][0], "S-B-1")
    states = await office.client.get(f"{where}/seats/states", headers=manager)
    assert states.json()["seats"] == "000000h000000000"


async def test_a_whole_hall_is_blocked_in_several_statements(
    office: BoxOffice, manager: Headers, hall: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CLAIMS_MAX", 5)
    event = await make(office, manager, **seated(hall))
    where = event.headers["location"]
    whole = {"sections": ["Stalls", "Balcony"] * 3}  # a repeated name counts once
    for verb, left in (("block", [0, 0]), ("unblock", [12, 4]), ("block", [0, 0])):
        changed = await office.client.post(f"{where}/seats/{verb}", json=whole, headers=manager)
        assert changed.status_code == 200, changed.text
        assert [zone["free"] for zone in changed.json()["zones"]] == left
    proof = await office.client.get(f"{where}/proof", headers=manager)
    assert proof.json()["differences"] == []


async def test_a_rehearsal_has_the_same_hall(office: BoxOffice, manager: Headers, hall: str) -> None:
    event = await make(office, manager, **seated(hall, conditions={"payment": "door", "hold_seconds": 7}))
    where = event.headers["location"]
    await office.client.post(f"{where}/seats/block", json={"seats": ["B-A-1"]}, headers=manager)
    copied = await office.client.post(f"{where}/sandboxes", json={"buyers": 1}, headers=manager)
    assert copied.status_code == 201, copied.text
    copy = f"/v1/events/{copied.json()['event_id']}"
    mine, theirs = [
        (await office.client.get(f"{each}/seating", headers=manager)).json() for each in (where, copy)
    ]
    assert mine == theirs
    assert (await office.client.get(f"{copy}/conditions", headers=manager)).json()["hold_seconds"] == 7
    assert copied.json()["places"] == 66
    scaled = await office.client.post(f"{where}/sandboxes", json={"buyers": 1, "places": 5}, headers=manager)
    assert pointers(scaled) == {"/places"}
