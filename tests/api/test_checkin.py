"""Check-in over HTTP: scans, what is allowed at the door, and who may ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from evently.audit import inspect
from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.ids import show_id
from tests.api.test_tickets import as_named_buyer
from tests.support.box_office import BoxOffice, open_box_office, problem_of


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


class Door:
    """The door of an event with tickets that were sold."""

    def __init__(self, office: BoxOffice, event: Event, tickets: list[dict[str, Any]], guard: Any) -> None:
        self.office = office
        self.event = event
        self.tickets = tickets
        self.guard = guard
        self.path = f"/v1/events/{show_id('evt', event.event_id)}"

    def attempt(self, number: int, **more: Any) -> dict[str, Any]:
        return {
            "id": str(uuid4()),
            "code": self.tickets[number]["code"],
            "scanned_at": utc_now().isoformat(),
        } | more

    async def scan(self, *attempts: dict[str, Any]) -> httpx2.Response:
        return await self.office.client.post(
            f"{self.path}/scans", json={"scans": list(attempts)}, headers=self.guard
        )

    async def results(self, *attempts: dict[str, Any]) -> list[str]:
        answer = await self.scan(*attempts)
        assert answer.status_code == 200, answer.text
        return [each["result"] for each in answer.json()["data"]]

    async def allow(self, **terms: Any) -> httpx2.Response:
        owner = await self.office.as_member("owner")
        etag = (await self.office.client.get(f"{self.path}/check-in", headers=owner)).headers["etag"]
        return await self.office.client.put(
            f"{self.path}/check-in", json=terms, headers=owner | {"if-match": etag}
        )


async def open_door(office: BoxOffice, quantity: int = 3) -> Door:
    event = await office.open_event(capacity=100, per_booking_max=100)
    buyer = await as_named_buyer(office, "Ada Lovelace")
    booking = (await office.book(event, buyer, quantity)).json()
    return Door(office, event, booking["tickets"], await office.as_member("door"))


async def test_a_ticket_admits_once_and_the_door_sees_whose_it_is(office: BoxOffice) -> None:
    door = await open_door(office)
    first = door.attempt(0, gate="West gate")
    answer = await door.scan(first)
    assert answer.status_code == 200, answer.text
    (scan,) = answer.json()["data"]
    assert (scan["id"], scan["result"], scan["gate"], scan["before"]) == (
        first["id"], "accepted", "West gate", None,
    )  # fmt: skip
    assert scan["ticket"]["holder_name"] == "Ada Lovelace"
    assert scan["ticket"]["ticket_id"] == door.tickets[0]["id"]
    (again,) = (await door.scan(door.attempt(0))).json()["data"]
    assert (again["result"], again["before"]["id"], again["before"]["gate"]) == (
        "inside", first["id"], "West gate",
    )  # fmt: skip
    (repeated,) = (await door.scan(first)).json()["data"]
    assert (repeated["result"], repeated["received_at"]) == ("accepted", scan["received_at"])
    reused = await door.scan(first | {"code": door.tickets[1]["code"]})
    assert problem_of(reused, 422) == "key-reused"
    counts = (await office.client.get(f"{door.path}/check-in", headers=door.guard)).json()
    assert (counts["valid"], counts["checked_in"], counts["inside"]) == (3, 1, 1)
    assert "price" not in answer.text


async def test_two_doors_at_the_same_instant_admit_one(office: BoxOffice) -> None:
    door = await open_door(office, 20)
    answers = await asyncio.gather(*[door.scan(door.attempt(number)) for number in range(20) for _ in "ab"])
    results = [each.json()["data"][0]["result"] for each in answers]
    assert (results.count("accepted"), results.count("inside")) == (20, 20)
    assert [finding for finding in await inspect(office.context.database) if finding.count] == []


async def test_wrong_codes_are_recorded_and_prove_nothing(office: BoxOffice) -> None:
    door, other = await open_door(office), await open_door(office)
    code = door.tickets[0]["code"]
    letter = code[:-1] + ("0" if code[-1] != "0" else "4")
    typed = f"{code[:21].lower()} {code[21:]}"
    attempts = [
        door.attempt(0, code=letter),
        door.attempt(0, code=other.tickets[0]["code"]),
        door.attempt(0, code="https://example.org/menu"),
        door.attempt(0, code="<script>alert(1)</script>"),
        door.attempt(0, code=typed),
    ]
    answer = (await door.scan(*attempts)).json()["data"]
    assert [each["result"] for each in answer] == ["forged", "unknown", "unknown", "unknown", "accepted"]
    assert all(each["ticket"] is None for each in answer[:4])
    listed = (await office.client.get(f"{door.path}/scans?limit=2", headers=door.guard)).json()
    assert len(listed["data"]) == 2
    rest = await office.client.get(f"{door.path}/scans", headers=door.guard)
    assert {each["id"] for each in rest.json()["data"]} == {each["id"] for each in attempts}
    one = await office.client.get(f"{door.path}/scans?ticket_id={door.tickets[0]['id']}", headers=door.guard)
    assert [each["result"] for each in one.json()["data"]] in (["accepted", "forged"], ["forged", "accepted"])


async def test_tickets_that_are_void_admit_nobody(office: BoxOffice) -> None:
    door = await open_door(office)
    owner = await office.as_member("owner")
    booking = (await office.client.get(f"{door.path}/bookings", headers=owner)).json()["data"][0]
    cancelled = await office.client.post(
        f"{door.path}/bookings/{booking['id']}/cancel",
        json={"ticket_ids": [door.tickets[0]["id"]]},
        headers=owner | {"idempotency-key": "a"},
    )
    assert cancelled.status_code == 200, cancelled.text
    assert await door.results(door.attempt(0), door.attempt(1)) == ["cancelled", "accepted"]
    used = await office.client.post(
        f"{door.path}/bookings/{booking['id']}/cancel",
        json={"ticket_ids": [door.tickets[1]["id"]]},
        headers=owner | {"idempotency-key": "b"},
    )
    assert problem_of(used, 409) == "ticket-used"


async def test_gates_times_and_reentry_are_the_organizers(office: BoxOffice) -> None:
    door = await open_door(office)
    standing = door.tickets[0]["ticket_type_id"]
    now = utc_now()
    allowed = await door.allow(
        reentry=True,
        gates=[{"name": " Stage ", "ticket_type_ids": []}, {"name": "Main", "ticket_type_ids": [standing]}],
    )
    assert allowed.status_code == 200, allowed.text
    assert [gate["name"] for gate in allowed.json()["gates"]] == [" Stage ", "Main"]
    assert await door.results(
        door.attempt(0, gate="Stage"),
        door.attempt(0, gate="Main"),
        door.attempt(0, direction="out"),
        door.attempt(0),
    ) == ["wrong_gate", "accepted", "accepted", "accepted"]
    assert (await door.allow(opens_at=(now + timedelta(hours=1)).isoformat())).status_code == 200
    assert await door.results(door.attempt(1), door.attempt(1, offline=True)) == ["too_early", "accepted"]
    assert (await door.allow(closes_at=(now - timedelta(hours=1)).isoformat())).status_code == 200
    assert await door.results(door.attempt(2)) == ["too_late"]
    stranger = show_id("tty", door.event.event_id)
    wrong = await door.allow(
        opens_at=now.isoformat(), closes_at=now.isoformat(),
        gates=[{"name": "A", "ticket_type_ids": [stranger]}, {"name": "A"}, {"name": " "}],
    )  # fmt: skip
    assert {each["pointer"] for each in wrong.json()["errors"]} == {
        "/closes_at", "/gates/0/ticket_type_ids/0", "/gates/1/name", "/gates/2/name",
    }  # fmt: skip
    owner = await office.as_member("owner")
    stale = await office.client.put(f"{door.path}/check-in", json={}, headers=owner | {"if-match": '"1"'})
    assert problem_of(stale, 412) == "stale"
    settings = await office.client.get(f"{door.path}/check-in", headers=owner)
    assert settings.headers["etag"] == '"3"'


async def test_a_mistake_is_undone_with_a_reason(office: BoxOffice) -> None:
    door = await open_door(office)
    first = door.attempt(0)
    assert await door.results(first, door.attempt(0)) == ["accepted", "inside"]
    undo = f"{door.path}/scans/{first['id']}/undo"
    undone = await office.client.post(undo, json={"reason": "the friend's ticket"}, headers=door.guard)
    assert undone.status_code == 200, undone.text
    assert undone.json()["undo_reason"] == "the friend's ticket"
    assert (await office.client.post(undo, json={"reason": "x"}, headers=door.guard)).json() == undone.json()
    assert await door.results(first, door.attempt(0)) == ["accepted", "accepted"]
    for scan_id, problem in ((uuid4(), "scan-not-found"), ("nonsense", "not-found")):
        none = await office.client.post(
            f"{door.path}/scans/{scan_id}/undo", json={"reason": "x"}, headers=door.guard
        )
        assert problem_of(none, 404) == problem
    no_more = await office.client.post(
        f"{door.path}/scans/{(await door.scan(door.attempt(0))).json()['data'][0]['id']}/undo",
        json={"reason": "x"},
        headers=door.guard,
    )
    assert problem_of(no_more, 409) == "not-undoable"
    assert [finding for finding in await inspect(office.context.database) if finding.count] == []


async def test_scans_of_a_day_without_a_network_are_merged_and_conflicts_listed(office: BoxOffice) -> None:
    door = await open_door(office)
    yesterday = (utc_now() - timedelta(days=1)).isoformat()
    assert await door.results(door.attempt(0)) == ["accepted"]
    late = [door.attempt(number, offline=True, scanned_at=yesterday) for number in (0, 1)]
    assert await door.results(*late) == ["inside", "accepted"]
    conflicts = await office.client.get(f"{door.path}/scans?conflicts=true", headers=door.guard)
    assert [each["id"] for each in conflicts.json()["data"]] == [late[0]["id"]]
    counts = (await office.client.get(f"{door.path}/check-in", headers=door.guard)).json()
    assert counts["checked_in"] == 2, "nobody is put out"


async def test_only_the_organizers_people_and_devices_scan(office: BoxOffice) -> None:
    door = await open_door(office)
    buyer = await as_named_buyer(office, "Eve")
    for headers, status in (({}, 401), (buyer, 403)):
        answer = await office.client.post(
            f"{door.path}/scans", json={"scans": [door.attempt(0)]}, headers=headers
        )
        assert answer.status_code == status
    change = await office.client.put(
        f"{door.path}/check-in", json={"reentry": True}, headers=door.guard | {"if-match": "*"}
    )
    assert change.status_code == 403, "the door does not decide what is allowed"
    assert await door.results(door.attempt(0)) == ["accepted"]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"id": "one"}, "/scans/0/id"),
        ({"code": ""}, "/scans/0/code"),
        ({"code": "x" * 2_001}, "/scans/0/code"),
        ({"direction": "sideways"}, "/scans/0/direction"),
        ({"scanned_at": "2027-01-01T10:00:00"}, "/scans/0/scanned_at"),
        ({"gate": "x" * 81}, "/scans/0/gate"),
        ({"result": "accepted"}, "/scans/0/result"),
    ],
)
async def test_a_wrong_field_is_named(office: BoxOffice, wrong: dict[str, Any], pointer: str) -> None:
    door = await open_door(office, 1)
    answer = await door.scan(door.attempt(0) | wrong)
    assert answer.status_code in (400, 422), answer.text
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
