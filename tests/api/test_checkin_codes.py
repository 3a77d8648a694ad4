"""Codes that no longer count: the door says what happened to their tickets, over HTTP and on the page."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from evently.audit import inspect
from evently.kit.clock import utc_now
from evently.kit.ids import show_id
from tests.api.test_checkin import Door
from tests.api.test_checkin_devices import entries_of, hash_of
from tests.api.test_exchanges import Call, call, exchange
from tests.api.test_transfers import Somebody, accepted, set_stage, somebody
from tests.api.test_waitlist import Waitlist, sold_out, told
from tests.db.test_audit import found
from tests.support.box_office import BoxOffice, open_box_office, problem_of
from tests.support.visitor import Visitor


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, demo=True) as opened:
        yield opened


async def scan(office: BoxOffice, event_path: str, code: str, **more: Any) -> Any:
    """Return what the door is answered about a code."""
    attempt = {"id": str(uuid4()), "code": code, "scanned_at": utc_now().isoformat()} | more
    answer = await office.client.post(
        f"{event_path}/scans", json={"scans": [attempt]}, headers=await office.as_member("door")
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["data"][0]


async def type_code(office: BoxOffice, event_path: str, code: str) -> str:
    """Return what the page of the door says of a typed code."""
    member = Visitor(office, await office.as_member("door"))
    door = f"/door/{event_path.rsplit('/', 1)[1]}"
    await member.read(door)
    return await member.submit(door, code=code)


async def pass_on(office: BoxOffice, ticket_id: str, giver: Somebody, receiver: Somebody) -> None:
    offered = await office.client.post(
        f"/v1/tickets/{ticket_id}/transfers", json={"email": receiver.email}, headers=giver.headers
    )
    path = f"/v1/transfers/{offered.json()['id']}/accept"
    assert (await office.client.post(path, headers=receiver.headers)).status_code == 200


def event_path_of(made: Call) -> str:
    return made.path.rsplit("/", 2)[0]


async def test_the_door_says_where_an_exchanged_ticket_was_moved(office: BoxOffice) -> None:
    made = await call(office)
    path, code = event_path_of(made), made.booking["tickets"][0]["code"]
    assert (await exchange(office, made, (0, "S-A-4"))).status_code == 200
    said = await scan(office, path, code)
    seat = said["void_code"]["seat_label"]
    assert (said["result"], said["void_code"]["why"], said["ticket"]) == ("passed_on", "moved", None)
    assert "4" in seat
    assert f"moved to {seat}. The new ticket counts." in await type_code(office, path, code)
    other = await scan(office, path, made.booking["tickets"][1]["code"])
    assert (other["result"], other["void_code"]) == ("accepted", None)


async def test_the_door_says_that_a_ticket_was_passed_on_or_given_back(office: BoxOffice) -> None:
    made, friend = await call(office), await somebody(office)
    path, ticket = event_path_of(made), made.booking["tickets"][0]
    await pass_on(office, ticket["id"], made.buyer, friend)
    theirs = (await office.client.get(f"/v1/tickets/{ticket['id']}", headers=friend.headers)).json()["code"]
    assert (await scan(office, path, ticket["code"]))["void_code"]["why"] == "passed_on"
    assert "The ticket of its new holder counts." in await type_code(office, path, ticket["code"])
    given = await office.client.post(f"/v1/tickets/{ticket['id']}/give-back", headers=friend.headers)
    assert given.status_code == 204
    assert (await scan(office, path, theirs))["void_code"]["why"] == "changed"
    assert (await scan(office, path, ticket["code"]))["void_code"]["why"] == "passed_on", "it stays so"
    said = await type_code(office, path, theirs)
    assert "This code is old" in said
    assert "and is for" in said
    mine = (await office.client.get(f"/v1/tickets/{ticket['id']}", headers=made.buyer.headers)).json()["code"]
    assert (await scan(office, path, mine))["result"] == "accepted"


async def test_a_ticket_without_a_seat_that_was_given_back_has_another_code(office: BoxOffice) -> None:
    stage = await set_stage(office)
    await accepted(office, stage)
    theirs = (await office.client.get(stage.path, headers=stage.receiver.headers)).json()["code"]
    await office.client.post(f"{stage.path}/give-back", headers=stage.receiver.headers)
    path = f"/v1/events/{stage.booking['event_id']}"
    assert (await scan(office, path, theirs))["void_code"] == {"why": "changed", "seat_label": None}
    assert "got another code since." in await type_code(office, path, theirs)


async def test_the_list_has_the_seat_to_which_a_ticket_was_moved(office: BoxOffice) -> None:
    made = await call(office)
    code = made.booking["tickets"][0]["code"]
    await exchange(office, made, (0, "S-A-4"))
    guard = await office.as_member("door")
    answer = await office.client.get(f"{event_path_of(made)}/check-in/list", headers=guard)
    content = json.loads(answer.json()["signed"])
    places = list(entries_of(content))
    assert entries_of(content)[hash_of(code)][1] == "passed_on"
    moved = content["seats"][places.index(hash_of(code))]
    assert moved == (await scan(office, event_path_of(made), code))["void_code"]["seat_label"]


async def returned(office: BoxOffice, waitlist: Waitlist, number: int = 0) -> Any:
    """Return a ticket of a sold-out event to the waitlist."""
    ticket = waitlist.booking["tickets"][number]
    path = f"/v1/bookings/{waitlist.booking['id']}/return"
    answer = await office.post(path, waitlist.holder, ticket_ids=[ticket["id"]])
    assert answer.status_code == 200, answer.text
    return ticket


async def test_a_returned_ticket_admits_its_holder_and_ends_the_offer_for_it(office: BoxOffice) -> None:
    waitlist, ann = await sold_out(office), office.as_buyer()
    ticket, entry = await returned(office, waitlist), await waitlist.join(ann)
    assert (await waitlist.get(entry, ann))["state"] == "offered"
    path = f"/v1/events/{show_id('evt', waitlist.event.event_id)}"
    first = await scan(office, path, ticket["code"])
    assert first["result"] == "accepted"
    ended = await waitlist.get(entry, ann)
    assert (ended["state"], ended["reason"]) == ("withdrawn", "lapsed")
    assert problem_of(await waitlist.act(entry, "accept", ann), 409) == "offer-expired"
    assert [each["kind"] for each in await told(office, ann)] == ["offer_lapsed", "offer_made"]
    undone = await office.post(
        f"{path}/scans/{first['id']}/undo", await office.as_member("door"), reason="the wrong person"
    )
    assert undone.status_code == 200
    await returned(office, waitlist)
    again = await waitlist.join(ann)
    assert (await waitlist.act(again, "accept", ann)).json()["state"] == "confirmed"
    assert (await scan(office, path, ticket["code"]))["result"] == "cancelled", "it was sold again"
    assert found(await inspect(office.context.database)) == {}
    proof = await office.client.get(f"{path}/proof", headers=await office.as_member("manager"))
    assert proof.json()["consistent"] is True


async def test_who_pays_for_a_returned_ticket_whose_holder_comes_pays_nothing(office: BoxOffice) -> None:
    waitlist, ann = await sold_out(office, payment="online"), office.as_buyer()
    ticket, entry = await returned(office, waitlist), await waitlist.join(ann)
    held = (await waitlist.act(entry, "accept", ann)).json()
    path = f"/v1/events/{show_id('evt', waitlist.event.event_id)}"
    assert (await scan(office, path, ticket["code"]))["result"] == "accepted"
    paid = await office.post(f"/v1/bookings/{held['id']}/payments", ann, method="succeeds")
    await office.context.checkout.wait_until_idle()
    assert problem_of(paid, 409) == "already-cancelled"
    mine = (await office.client.get(f"/v1/bookings/{held['id']}", headers=ann)).json()
    assert mine["state"] == "cancelled"
    assert found(await inspect(office.context.database)) == {}


async def test_times_of_another_day_have_their_date(office: BoxOffice) -> None:
    waitlist = await sold_out(office)
    event_id = show_id("evt", waitlist.event.event_id)
    door = Door(office, waitlist.event, waitlist.booking["tickets"], await office.as_member("door"))
    opens = utc_now() + timedelta(days=2)
    assert (await door.allow(opens_at=opens.isoformat())).status_code == 200
    said = await type_code(office, f"/v1/events/{event_id}", door.tickets[0]["code"])
    assert f"{opens:%b %Y}" in said.partition("The door opens at ")[2][:40]
