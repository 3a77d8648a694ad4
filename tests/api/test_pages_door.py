"""The door's page without script: scanning by hand, finding by name, undoing, enrolment, who may see it."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from evently.checkin import read_list
from evently.kit.ids import show_id
from tests.api.test_checkin import Door, open_door
from tests.api.test_tickets import as_named_buyer
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.visitor import Visitor


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


def address(door: Door) -> str:
    return f"/door/{show_id('evt', door.event.event_id)}"


async def enrol(office: BoxOffice, door: Door) -> tuple[Visitor, str]:
    """Return a phone that was enrolled, and the id of its scanner."""
    manager = await office.as_member("manager")
    made = (await office.client.post(f"{door.path}/scanners", json={"name": "Phone"}, headers=manager)).json()
    phone = Visitor(office)
    await phone.read(f"{address(door)}/enrol?code={made['code']}")
    assert phone.heading() == "Scan tickets with this phone"
    await phone.submit(f"{address(door)}/enrol")
    assert (phone.status, phone.path) == (200, address(door))
    return phone, made["id"]


async def test_a_phone_is_enrolled_and_scans_by_hand(office: BoxOffice) -> None:
    door, other = await open_door(office), await open_door(office)
    phone, scanner_id = await enrol(office, door)
    cookie = next(each for each in phone.client.cookies.jar if each.name == "evently-door")
    assert cookie.path == address(door)
    code = door.tickets[0]["code"]
    said = await phone.submit(address(door), code=f"{code[:20].lower()} {code[20:]}")
    assert "said good" in said
    assert "Ada Lovelace" in said
    again = await phone.submit(address(door), code=code)
    assert "said bad" in again
    assert "by Phone" in again
    assert "said bad" in await phone.submit(address(door), code=other.tickets[0]["code"])
    await phone.submit(address(door), code="")
    assert phone.status == 422
    await phone.submit(address(door), code="x" * 3_000)
    assert phone.status == 422
    await phone.read(address(other))
    assert phone.path == "/login", "the cookie reaches one door"
    manager = await office.as_member("manager")
    await office.client.post(f"{door.path}/scanners/{scanner_id}/revoke", headers=manager)
    await phone.read(address(door))
    assert phone.status == 401
    assert phone.heading() == "This phone is no longer a scanner"


async def test_opening_the_address_enrols_nobody_and_a_code_works_once(office: BoxOffice) -> None:
    door = await open_door(office)
    manager = await office.as_member("manager")
    made = (await office.client.post(f"{door.path}/scanners", json={"name": "P"}, headers=manager)).json()
    link = f"{address(door)}/enrol?code={made['code']}"
    for _ in range(2):  # a messenger draws a preview
        preview = Visitor(office)
        await preview.read(link)
        assert preview.heading() == "Scan tickets with this phone"
    crossing = Visitor(office)
    await crossing.send(f"{address(door)}/enrol", {"code": made["code"]}, site="cross-site")
    assert crossing.status == 403
    other = await open_door(office)
    await crossing.send(f"{address(other)}/enrol", {"code": made["code"]})
    assert crossing.status == 410
    phone = Visitor(office)
    await phone.read(link)
    await phone.submit(f"{address(door)}/enrol")
    assert phone.path == address(door)
    second = Visitor(office)
    await second.send(f"{address(door)}/enrol", {"code": made["code"]})
    assert (second.status, second.heading()) == (410, "This code has ended")
    await second.read(link)
    assert second.status == 410


async def test_a_check_in_is_undone_with_a_reason(office: BoxOffice) -> None:
    door = await open_door(office)
    member = Visitor(office, door.guard)
    await member.read(address(door))
    await member.submit(address(door), code=door.tickets[0]["code"])
    undo = f"{address(door)}/undone"
    await member.send(undo, member.form(undo) | {"reason": " "})
    assert member.status == 422
    await member.read(address(door))
    await member.submit(address(door), code=door.tickets[1]["code"])
    said = await member.submit(undo, reason="the friend's")
    assert "is undone" in said
    await member.send(undo, {"scan_id": "nonsense", "reason": "x"})
    assert member.status == 422
    await member.send(undo, {"scan_id": "0b7c8e0e-3f0e-4d0a-9a7e-2f1f6d6a8c11", "reason": "x"})
    assert member.status == 404


async def test_what_was_let_in_can_be_undone_after_a_reload_and_where_it_is_found(office: BoxOffice) -> None:
    door = await open_door(office, 2)
    phone, _ = await enrol(office, door)
    member = Visitor(office, door.guard)
    undo = f"{address(door)}/undone"
    for visitor, number in ((member, 0), (phone, 1)):
        await visitor.read(address(door))
        await visitor.submit(address(door), code=door.tickets[number]["code"])
    await member.read(address(door))
    assert "Scanned here" in member.text
    assert "Ada Lovelace" in member.text
    assert len(re.findall("Undo the check-in", member.text)) == 1, "what others let in is theirs"
    kept = await phone.read(address(door))
    assert len(re.findall("Undo the check-in", kept)) == 1
    assert "Ada Lovelace" not in kept, "the phone keeps this page, and may keep no names"
    own = (await phone.client.get(f"{address(door)}/own")).json()["scans"]
    assert [(each["name"], each["undone"], each["undoable"]) for each in own] == [
        ("Ada Lovelace", False, True)
    ]
    found = await member.read(f"{address(door)}?q=lovelace")
    assert found.count("is inside") == 2
    assert len(re.findall(r'<form method="post" action="[^"]*" hidden>', found)) == 2, "only Undo is offered"
    assert "<b data-inside>2</b>" in found
    said = await member.submit(undo, reason="another guest")
    assert "is undone" in said
    assert "<b data-inside>1</b>" in said, "counted at once"
    assert "Undone" in await member.read(address(door))
    refused = await phone.client.get(f"{address(door)}/own", headers={"cookie": "evently-door=none"})
    assert refused.status_code == 401 or "scans" not in refused.text


async def test_the_door_sees_the_answers_that_the_organizer_shows_there(office: BoxOffice) -> None:
    event, buyer = await office.open_event(), await as_named_buyer(office, "Ada Lovelace")
    manager = await office.as_member("manager")
    path = f"/v1/events/{show_id('evt', event.event_id)}"
    shown = {"kind": "text", "label": "What do you eat?", "asked_per": "ticket", "at_door": True}
    asked = [
        (await office.post(f"{path}/questions", manager, **body)).json()["id"]
        for body in (shown, {"kind": "text", "label": "Phone", "asked_per": "booking"})
    ]
    booking = (await office.book(event, buyer, 3)).json()
    meals = ("Vegan <b>", "Fish", "Soup\nand bread")
    given = [
        {"question_id": asked[0], "ticket_id": ticket["id"], "answer": meal}
        for ticket, meal in zip(booking["tickets"], meals, strict=True)
    ] + [{"question_id": asked[1], "answer": "0171"}]
    sent = await office.client.patch(
        f"/v1/bookings/{booking['id']}/answers", json={"answers": given}, headers=buyer
    )
    assert sent.status_code == 200, sent.text
    door = Door(office, event, booking["tickets"], await office.as_member("door"))
    member = Visitor(office, door.guard)
    await member.read(address(door))
    typed = await member.submit(address(door), code=door.tickets[0]["code"])
    assert "What do you eat? Vegan &lt;b&gt;" in typed
    assert "0171" not in typed
    let_in = await member.send(address(door), {"ticket_id": door.tickets[1]["id"]})
    assert "What do you eat? Fish" in let_in
    (scan,) = (await door.scan(door.attempt(2))).json()["data"]
    assert (scan["result"], scan["answers"]) == ("accepted", ["What do you eat? Soup and bread"])
    forged = door.attempt(2, code=door.tickets[2]["code"][:-4] + "0000")
    (unproven,) = (await door.scan(forged)).json()["data"]
    assert (unproven["ticket"], unproven["answers"]) == (None, []), "a code that proves nothing shows nothing"
    listed = (await member.client.get(f"{address(door)}/list")).json()
    assert json.loads(listed["signed"])["answers"] is None, "phones keep neither names nor answers"
    await door.allow(names_offline=True)
    content = await read_list(office.context.database, event.event_id, office.context.clock())
    assert content.answers is not None
    assert sorted(content.answers) == [
        "What do you eat? Fish",
        "What do you eat? Soup and bread",
        "What do you eat? Vegan <b>",
    ]


async def test_a_guest_without_a_code_is_found_by_name(office: BoxOffice) -> None:
    door = await open_door(office, 1)
    member = Visitor(office, door.guard)
    assert "Nobody with “Zed” has a ticket." in await member.read(f"{address(door)}?q=Zed")
    await member.read(f"{address(door)}?q=lovelace")
    assert member.page is not None
    assert "evently-door" not in member.page.headers, "names are not kept on a phone"
    ticket = {"ticket_id": door.tickets[0]["id"]}
    assert "said good" in await member.send(address(door), ticket)
    assert "said bad" in await member.send(address(door), ticket)
    assert "is inside" in await member.read(f"{address(door)}?q=lovelace")


async def test_a_guest_who_is_found_by_name_comes_in_at_the_gate_of_the_search(office: BoxOffice) -> None:
    door = await open_door(office, 1)
    await door.allow(gates=[{"name": "Stage", "ticket_type_ids": []}, {"name": "Main"}])
    member = Visitor(office, door.guard)
    for gate, said in (("Stage", "Another gate admits"), ("Main", "said good")):
        await member.read(f"{address(door)}?q=lovelace&gate={gate}")
        found = re.findall(
            r'name="ticket_id" value="([^"]*)"><input type="hidden" name="gate" value="([^"]*)"', member.text
        )
        assert found == [(door.tickets[0]["id"], gate)]
        assert said in await member.send(address(door), {"ticket_id": found[0][0], "gate": found[0][1]})
    hostile = await member.read(f'{address(door)}?q=lovelace&gate="><script>alert(1)</script>')
    assert "<script>alert" not in hostile


async def test_names_with_markup_are_text(office: BoxOffice) -> None:
    event = await office.open_event(capacity=10)
    buyer = await as_named_buyer(office, "<script>alert(1)</script>")
    booking = (await office.book(event, buyer, 1)).json()
    door = Door(office, event, booking["tickets"], await office.as_member("door"))
    await door.allow(gates=[{"name": "<b>West</b>"}])
    member = Visitor(office, door.guard)
    await member.read(address(door))
    pages = [
        await member.submit(address(door), code=door.tickets[0]["code"], gate="<i>x</i>"),
        await member.submit(address(door), code=door.tickets[0]["code"], gate="<i>x</i>"),
        await member.read(f"{address(door)}?q=<script>"),
    ]
    for page in pages:
        for markup in ("<script>alert", "<b>West", "<i>x"):
            assert markup not in page
    assert "&lt;script&gt;alert" in pages[0]


async def test_the_door_shows_no_money_and_nothing_to_strangers(office: BoxOffice) -> None:
    door = await open_door(office)
    member = Visitor(office, door.guard)
    text = await member.read(address(door))
    assert member.status == 200
    for word in ("€", "EUR", "price", "revenue"):
        assert word not in text
    assert member.page is not None
    assert "'wasm-unsafe-eval'" in member.page.headers["content-security-policy"]
    stranger = Visitor(office, office.as_buyer())
    await stranger.read(address(door))
    assert stranger.status == 404
    nobody = Visitor(office)
    await nobody.read(address(door))
    assert nobody.path == "/login"
    draft = await office.open_event(publish=False)
    await stranger.read(f"/door/{show_id('evt', draft.event_id)}")
    assert stranger.status == 404


async def test_the_script_is_answered_with_sentences(office: BoxOffice) -> None:
    door = await open_door(office)
    phone, _ = await enrol(office, door)
    headers = {"sec-fetch-site": "same-origin", "content-type": "application/json"}
    attempt = door.attempt(0, gate="West")

    async def post(path: str, body: object) -> tuple[int, Any]:
        answer = await phone.client.post(f"{address(door)}/{path}", json=body, headers=headers)
        return answer.status_code, answer.json()

    status, said = await post("scans", {"scans": [attempt, door.attempt(0)]})
    assert status == 200
    first, second = said["scans"]
    assert (first["result"], first["word"], first["name"]) == ("accepted", "In", "Ada Lovelace")
    assert second["result"] == "inside"
    assert second["why"].startswith("Used at ")
    assert ", West" in second["why"]
    status, said = await post("scans", {"scans": [attempt | {"code": door.tickets[1]["code"]}]})
    assert (status, "sentence" in said) == (422, True)
    status, said = await post("scans", {"scans": [attempt | {"gate": "x" * 90}]})
    assert (status, "sentence" in said) == (422, True)
    status, said = await post("undo", {"scan_id": attempt["id"], "reason": "x"})
    assert status == 200
    status, said = await post("undo", {"scan_id": second["id"], "reason": "x"})
    assert (status, said["sentence"]) == (409, "This scan checked nothing in.")
    crossing = await phone.client.post(
        f"{address(door)}/scans",
        json={"scans": [attempt]},
        headers=headers | {"sec-fetch-site": "cross-site"},
    )
    assert crossing.status_code == 403
    counters = await phone.client.get(f"{address(door)}/counters")
    assert abs(int(counters.headers["evently-now"]) / 1000 - office.context.clock().timestamp()) < 60
    listed = await phone.client.get(f"{address(door)}/list")
    assert set(listed.json()) == {"signed", "signature", "key_id"}
    same = await phone.client.get(f"{address(door)}/list", headers={"if-none-match": listed.headers["etag"]})
    assert same.status_code == 304
