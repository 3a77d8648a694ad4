"""Devices at the door over HTTP: their enrolment, the signed list, counters, conflicts, tickets by a name."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from evently.checkin import digest_code
from evently.kit.clock import utc_now
from evently.kit.ids import show_id
from evently.sales.ticket_code import read_code
from tests.api.test_checkin import Door, open_door
from tests.support.box_office import BoxOffice, open_box_office, problem_of


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


async def enrol(office: BoxOffice, door: Door, **body: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a scanner that a device has enrolled, and the headers of the device."""
    manager = await office.as_member("manager")
    made = await office.client.post(
        f"{door.path}/scanners", json={"name": "Phone of Mina"} | body, headers=manager
    )
    assert made.status_code == 201, made.text
    enrolled = await office.client.post("/v1/scanners/enrolments", json={"code": made.json()["code"]})
    assert enrolled.status_code == 201, enrolled.text
    return made.json(), {"Authorization": f"Bearer {enrolled.json()['key']}"}


async def read_list(office: BoxOffice, door: Door, headers: dict[str, str]) -> dict[str, Any]:
    """Return the list of an event; its signature holds by the key that is published."""
    answer = await office.client.get(f"{door.path}/check-in/list", headers=headers)
    assert answer.status_code == 200, answer.text
    await verify(office, answer.json())
    content: dict[str, Any] = json.loads(answer.json()["signed"])
    return content


async def verify(office: BoxOffice, signed: dict[str, str]) -> None:
    """Verify a list as another program does: by docs/check-in.md."""
    keys = (await office.client.get("/v1/check-in/keys")).json()["keys"]
    (key,) = [each for each in keys if each["kid"] == signed["key_id"]]
    point = ec.EllipticCurvePublicNumbers(_number(key["x"]), _number(key["y"]), ec.SECP256R1())
    raw = base64.urlsafe_b64decode(signed["signature"] + "==")
    assert len(raw) == 64
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    point.public_key().verify(der, signed["signed"].encode(), ec.ECDSA(hashes.SHA256()))


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=="), "big")


def entries_of(content: dict[str, Any]) -> dict[bytes, tuple[str, str]]:
    """Return what a list says of each code: by its hash, the ticket type and the state."""
    states = ("valid", "inside", "outside", "cancelled", "passed_on")
    raw = base64.b64decode(content["tickets"])
    assert len(raw) == 10 * content["count"]
    parts = [raw[at : at + 10] for at in range(0, len(raw), 10)]
    assert parts == sorted(parts), "a device searches by halves"
    return {part[:8]: (content["ticket_types"][part[8]], states[part[9]]) for part in parts}


def hash_of(code: str) -> bytes:
    read = read_code(code)
    assert read is not None
    return digest_code(read.ticket_id, read.secret)


async def test_a_device_is_enrolled_once_and_scans_for_its_event_alone(office: BoxOffice) -> None:
    door, other = await open_door(office), await open_door(office)
    scanner, device = await enrol(office, door, gate="West gate")
    assert scanner["address"].endswith(f"{door.path.removeprefix('/v1/events')}/enrol?code={scanner['code']}")
    again = await office.client.post("/v1/scanners/enrolments", json={"code": scanner["code"]})
    assert problem_of(again, 410) == "enrolment-ended"
    scanned = await office.client.post(
        f"{door.path}/scans", json={"scans": [door.attempt(0, gate="West gate")]}, headers=device
    )
    assert scanned.json()["data"][0]["result"] == "accepted", scanned.text
    foreign = await office.client.post(
        f"{other.path}/scans", json={"scans": [other.attempt(0)]}, headers=device
    )
    assert problem_of(foreign, 404) == "not-found"
    for path, status in ((f"{door.path}/bookings", 403), (f"{door.path}/attendees", 403), ("/v1/me", 403)):
        assert (await office.client.get(path, headers=device)).status_code == status, path
    manager = await office.as_member("manager")
    (listed,) = (await office.client.get(f"{door.path}/scanners", headers=manager)).json()["data"]
    assert (listed["name"], listed["gate"], listed["revoked_at"]) == ("Phone of Mina", "West gate", None)
    await office.context.accounts.keys.record_uses(office.context.database)
    (listed,) = (await office.client.get(f"{door.path}/scanners", headers=manager)).json()["data"]
    assert listed["last_used_at"] is not None
    (inside,) = (
        await office.client.post(f"{door.path}/scans", json={"scans": [door.attempt(0)]}, headers=door.guard)
    ).json()["data"]
    assert inside["before"]["scanned_by_name"] == "Phone of Mina"


async def test_a_revoked_device_scans_nothing(office: BoxOffice) -> None:
    door = await open_door(office)
    scanner, device = await enrol(office, door)
    manager = await office.as_member("manager")
    revoke = f"{door.path}/scanners/{scanner['id']}/revoke"
    first = await office.client.post(revoke, headers=manager)
    assert first.status_code == 200, first.text
    assert (await office.client.post(revoke, headers=manager)).json() == first.json()
    refused = await office.client.get(f"{door.path}/check-in", headers=device)
    assert problem_of(refused, 401) == "token-invalid"
    unknown = f"{door.path}/scanners/{show_id('scn', door.event.event_id)}/revoke"
    assert problem_of(await office.client.post(unknown, headers=manager), 404) == "scanner-not-found"
    stranger = await office.client.post(revoke, headers=door.guard)
    assert problem_of(stranger, 403) == "forbidden"
    owner = await office.as_member("owner")
    organizer = show_id("org", office.venue.organizer_id)
    keys = await office.client.get(f"/v1/organizers/{organizer}/api-keys", headers=owner)
    assert keys.json()["data"] == [], "keys of devices are listed at their event"


async def test_a_code_that_nobody_used_in_time_enrols_nothing(office: BoxOffice) -> None:
    door = await open_door(office)
    manager = await office.as_member("manager")
    made = await office.client.post(f"{door.path}/scanners", json={"name": "Late"}, headers=manager)
    async with office.context.database.transaction() as tx:
        await tx.execute("UPDATE scanners SET expires_at = now() - interval '1 second'")
    late = await office.client.post("/v1/scanners/enrolments", json={"code": made.json()["code"]})
    assert problem_of(late, 410) == "enrolment-ended"
    listed = await office.client.get(f"{door.path}/scanners", headers=manager)
    assert listed.json()["data"] == []
    invented = await office.client.post("/v1/scanners/enrolments", json={"code": "0" * 32})
    assert problem_of(invented, 410) == "enrolment-ended"
    blank = await office.client.post(f"{door.path}/scanners", json={"name": " "}, headers=manager)
    assert problem_of(blank, 422) == "invalid"


async def test_of_two_devices_with_one_code_one_is_enrolled(office: BoxOffice) -> None:
    door = await open_door(office)
    manager = await office.as_member("manager")
    made = (await office.client.post(f"{door.path}/scanners", json={"name": "A"}, headers=manager)).json()
    both = await asyncio.gather(
        *[office.client.post("/v1/scanners/enrolments", json={"code": made["code"]}) for _ in range(4)]
    )
    assert sorted(each.status_code for each in both) == [201, 410, 410, 410]
    keys = await office.context.database.fetch_value("SELECT count(*) FROM api_keys")
    assert keys == 1


async def test_the_list_has_every_code_and_its_signature_holds(office: BoxOffice) -> None:
    door = await open_door(office, 4)
    _, device = await enrol(office, door)
    owner = await office.as_member("owner")
    booking = (await office.client.get(f"{door.path}/bookings", headers=owner)).json()["data"][0]
    await office.client.post(
        f"{door.path}/bookings/{booking['id']}/cancel",
        json={"ticket_ids": [door.tickets[3]["id"]]},
        headers=owner | {"idempotency-key": "a"},
    )
    await door.allow(reentry=True, gates=[{"name": "West", "ticket_type_ids": []}])
    assert (
        await door.results(door.attempt(0), door.attempt(1), door.attempt(1, direction="out"))
        == ["accepted"] * 3
    )
    content = await read_list(office, door, device)
    found = entries_of(content)
    name = content["ticket_types"][0]
    assert [found[hash_of(ticket["code"])] for ticket in door.tickets] == [
        (name, "inside"), (name, "outside"), (name, "valid"), (name, "cancelled"),
    ]  # fmt: skip
    assert (content["names"], content["seats"], content["cancelled"]) == (None, None, False)
    assert (content["reentry"], content["gates"]) == (True, [{"name": "West", "ticket_types": []}])
    for word in ("Ada", "price", *(ticket["code"] for ticket in door.tickets)):
        assert word not in json.dumps(content)


async def test_a_list_that_was_changed_is_found_out(office: BoxOffice) -> None:
    door = await open_door(office)
    _, device = await enrol(office, door)
    signed = (await office.client.get(f"{door.path}/check-in/list", headers=device)).json()
    await verify(office, signed)
    with pytest.raises(InvalidSignature):
        await verify(office, signed | {"signed": signed["signed"].replace("false", "true", 1)})


async def test_names_are_on_the_list_where_the_organizer_allows_it(office: BoxOffice) -> None:
    door = await open_door(office, 2)
    assert (await door.allow(names_offline=True)).json()["names_offline"] is True
    content = await read_list(office, door, door.guard)
    assert content["names"] == ["Ada Lovelace", "Ada Lovelace"]


async def test_a_list_that_is_the_same_is_not_sent_again(office: BoxOffice) -> None:
    door = await open_door(office)
    path = f"{door.path}/check-in/list"
    etag = (await office.client.get(path, headers=door.guard)).headers["etag"]
    office.context.memory.forget_all()
    again = await office.client.get(path, headers=door.guard | {"if-none-match": etag})
    assert (again.status_code, again.headers["etag"]) == (304, etag)
    assert await door.results(door.attempt(0)) == ["accepted"]
    office.context.memory.forget_all()
    changed = await office.client.get(path, headers=door.guard | {"if-none-match": etag})
    assert changed.status_code == 200
    stranger = await office.client.get(path, headers=office.as_buyer())
    assert problem_of(stranger, 403) == "forbidden"


async def test_the_door_is_counted_by_gate_and_by_minute(office: BoxOffice) -> None:
    door = await open_door(office, 4)
    first = door.attempt(0, gate="West")
    await door.results(first, door.attempt(1, gate="West"), door.attempt(1, gate="East"), door.attempt(2))
    await door.results(door.attempt(0, gate="East", offline=True))
    await office.client.post(
        f"{door.path}/scans/{(await last_id(door, 2))}/undo", json={"reason": "x"}, headers=door.guard
    )
    answer = await office.client.get(f"{door.path}/check-in/counters", headers=door.guard)
    counts = answer.json()
    assert (counts["valid"], counts["checked_in"], counts["inside"], counts["conflicts"]) == (4, 2, 2, 1)
    gates = {each["gate"]: (each["admitted"], each["refused"]) for each in counts["gates"]}
    assert gates == {"West": (2, 0), "East": (0, 2), "": (0, 0)}
    assert sum(each["admitted"] for each in counts["minutes"]) == 2
    assert sum(each["refused"] for each in counts["minutes"]) == 2
    same = await office.client.get(
        f"{door.path}/check-in/counters", headers=door.guard | {"if-none-match": answer.headers["etag"]}
    )
    assert same.status_code == 304


async def last_id(door: Door, ticket: int) -> str:
    listed = await door.office.client.get(
        f"{door.path}/scans?ticket_id={door.tickets[ticket]['id']}", headers=door.guard
    )
    found: str = listed.json()["data"][0]["id"]
    return found


async def test_a_conflict_has_both_times_and_nobody_is_put_out(office: BoxOffice) -> None:
    door = await open_door(office)
    _, device = await enrol(office, door, gate="East")
    online = door.attempt(0, gate="West")
    assert await door.results(online) == ["accepted"]
    late = door.attempt(0, gate="East", offline=True, scanned_at="2027-01-01T20:00:00Z")
    merged = await office.client.post(f"{door.path}/scans", json={"scans": [late]}, headers=device)
    assert merged.json()["data"][0]["result"] == "inside"
    (conflict,) = (await office.client.get(f"{door.path}/scans?conflicts=true", headers=door.guard)).json()[
        "data"
    ]
    assert (conflict["id"], conflict["gate"], conflict["scanned_by_name"]) == (
        late["id"], "East", "Phone of Mina",
    )  # fmt: skip
    assert conflict["scanned_at"].startswith("2027-01-01T20:00:00")
    before = conflict["before"]
    assert (before["id"], before["gate"], before["scanned_by_name"]) == (online["id"], "West", "Member")
    assert before["received_at"] <= conflict["received_at"]
    assert conflict["ticket"]["holder_name"] == "Ada Lovelace"
    inside = (await office.client.get(f"{door.path}/check-in", headers=door.guard)).json()["inside"]
    assert inside == 1


async def test_a_ticket_is_found_by_name_and_scanned_without_its_code(office: BoxOffice) -> None:
    door = await open_door(office, 2)

    async def find(words: str) -> list[Any]:
        answer = await office.client.get(
            f"{door.path}/check-in/tickets", params={"q": words}, headers=door.guard
        )
        assert answer.status_code == 200, answer.text
        found: list[Any] = answer.json()["data"]
        return found

    found = await find("lovel")
    assert {each["ticket"]["ticket_id"] for each in found} == {each["id"] for each in door.tickets}
    assert [each["inside"] for each in found] == [None, None]
    assert len(await find(found[0]["ticket"]["reference"])) == 2
    assert await find("%%") == await find("__") == await find("\\\\") == []
    attempt = {
        "id": str(uuid4()),
        "ticket_id": found[0]["ticket"]["ticket_id"],
        "scanned_at": utc_now().isoformat(),
    }
    assert await door.results(attempt, attempt | {"id": str(uuid4())}) == ["accepted", "inside"]
    foreign = attempt | {"id": str(uuid4()), "ticket_id": show_id("tkt", door.event.event_id)}
    assert await door.results(foreign) == ["unknown"]
    both = await door.scan(attempt | {"code": door.tickets[0]["code"]})
    neither = await door.scan({"id": str(uuid4()), "scanned_at": utc_now().isoformat()})
    for answer in (both, neither):
        assert problem_of(answer, 422) == "invalid"
        assert answer.json()["errors"][0]["code"] == "code-or-ticket"


def shown_prices(answer: httpx2.Response) -> bool:
    return any(word in answer.text for word in ("price", "minor", "EUR", "currency"))


async def test_nothing_at_the_door_shows_money(office: BoxOffice) -> None:
    door = await open_door(office)
    await door.results(door.attempt(0))
    for path in ("check-in", "check-in/list", "check-in/counters", "check-in/tickets?q=ada", "scans"):
        answer = await office.client.get(f"{door.path}/{path}", headers=door.guard)
        assert answer.status_code == 200, answer.text
        assert not shown_prices(answer), path
    assert (
        problem_of(await office.client.get(f"{door.path}/scanners", headers=door.guard), 403) == "forbidden"
    )
