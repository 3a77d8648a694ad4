"""The attendees of an event on paper: who is on the list, in which order, and who may read it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import pytest

from evently.kit.ids import show_id
from evently.web.pages.organize import attendees
from tests.api.test_transfers import somebody
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.desk import address_of
from tests.support.visitor import Visitor

HOSTILE = "<script>alert('x')</script> & \"Co\" '=1+1"


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, demo=True) as opened:
        yield opened


def rows_of(text: str) -> list[list[str]]:
    """Return the cells of the list, as plain text."""
    body = re.search(r"<tbody>(.*?)</tbody>", text, re.DOTALL)
    assert body is not None
    return [
        [
            " ".join(unescape(re.sub(r"<[^>]*>", " ", cell)).split())
            for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL)
        ]
        for row in re.findall(r"<tr>(.*?)</tr>", body[1], re.DOTALL)
    ]


async def test_the_list_is_by_name_with_type_seat_and_reference(office: BoxOffice) -> None:
    event = await office.open_hall()
    types, manager = await office.types(event), Visitor(office, await office.as_member("manager"))
    await manager.read(f"{address_of(event)}/attendees")
    assert "Nobody has a ticket yet." in manager.text
    references = {}
    for name, seat in (("zoe", "S-A-1"), ("Åsa", "S-A-2"), (HOSTILE, "S-A-3"), ("Bo", "S-A-4")):
        buyer = await somebody(office, name)
        line = {"ticket_type_id": types["Stalls"], "seats": [seat]}
        references[name] = (await office.place(event, buyer.headers, line)).json()["reference"]
    held = await office.place(
        event, (await somebody(office, "Abe")).headers, {"ticket_type_id": types["Floor"], "quantity": 1}
    )
    await office.client.post(
        f"/v1/bookings/{held.json()['id']}/cancel", json={}, headers=await office.as_member("owner")
    )
    text = await manager.read(f"{address_of(event)}/attendees")
    assert manager.heading() == "Attendees"
    assert "<script>alert" not in text
    found = rows_of(text)
    names = [row[1] for row in found if row[1] != "Abe"]
    assert names == [HOSTILE, "Åsa", "Bo", "zoe"], "without accents, whatever the case"
    bo = next(row for row in found if row[1] == "Bo")
    assert bo == ["Not yet", "Bo", "Stalls", "Stalls, row A, seat 4", references["Bo"]]
    assert f'href="{address_of(event)}/attendees"' in await manager.read(f"{address_of(event)}/bookings")


async def test_who_has_the_ticket_is_on_the_list_and_its_answers_for_the_door(office: BoxOffice) -> None:
    event, giver = await office.open_event(), await somebody(office, "Giver")
    receiver = await somebody(office, "Receiver")
    path, owner = f"/v1/events/{show_id('evt', event.event_id)}", await office.as_member("owner")
    asked = [
        (await office.post(f"{path}/questions", owner, **body)).json()["id"]
        for body in (
            {"kind": "text", "label": "Meal", "asked_per": "ticket", "at_door": True},
            {"kind": "text", "label": "Phone", "asked_per": "booking"},
        )
    ]
    booking = (await office.book(event, giver.headers, 2)).json()
    first, second = booking["tickets"]
    given: list[dict[str, Any]] = [
        {"question_id": asked[0], "ticket_id": second["id"], "answer": "Soup <i>"},
        {"question_id": asked[1], "answer": "0171"},
    ]
    sent = await office.client.patch(
        f"/v1/bookings/{booking['id']}/answers", json={"answers": given}, headers=giver.headers
    )
    assert sent.status_code == 200, sent.text
    offered = await office.client.post(
        f"/v1/tickets/{first['id']}/transfers", json={"email": receiver.email}, headers=giver.headers
    )
    await office.client.post(f"/v1/transfers/{offered.json()['id']}/accept", headers=receiver.headers)
    scan = {
        "id": "0b7c8e0e-3f0e-4d0a-9a7e-2f1f6d6a8c11",
        "code": second["code"],
        "scanned_at": "2026-01-01T00:00:00Z",
    }
    scanned = await office.post(f"{path}/scans", await office.as_member("door"), scans=[scan])
    assert scanned.json()["data"][0]["result"] == "accepted", scanned.text
    manager = Visitor(office, await office.as_member("manager"))
    text = await manager.read(f"{address_of(event)}/attendees")
    assert "<i>" not in text
    assert "0171" not in text, "the door does not see it"
    reference, name = booking["reference"], rows_of(text)[0][2]
    assert rows_of(text) == [
        ["✓ Used", "Giver", name, "Meal: Soup <i>", reference],
        ["Not yet", "Receiver booked by Giver", name, "", reference],
    ]
    assert "2 tickets, 1 of them used" in text


async def test_a_long_list_comes_in_parts(office: BoxOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attendees, "ON_PAGE_MAX", 2)
    monkeypatch.setattr(attendees, "ANSWERED_AT_ONCE", 1)
    event = await office.open_event()
    for name in ("Eve", "Dan", "Cy", "Bo", "Al"):
        await office.book(event, (await somebody(office, name)).headers, 1)
    manager = Visitor(office, await office.as_member("manager"))
    address = f"{address_of(event)}/attendees"
    found = []
    for part in ("", "?part=2", "?part=3"):
        found += [row[1] for row in rows_of(await manager.read(f"{address}{part}"))]
    assert found == ["Al", "Bo", "Cy", "Dan", "Eve"]
    assert f'href="{address}?part=2"' in manager.text
    assert [row[1] for row in rows_of(await manager.read(f"{address}?part=99"))] == ["Eve"], "the last part"
    for wrong in ("0", "-1", "x"):
        await manager.read(f"{address}?part={wrong}")
        assert manager.status in (400, 404, 422)


async def test_who_may_read_the_list(office: BoxOffice) -> None:
    event = await office.open_event()
    await office.book(event, (await somebody(office, "Robin Roe")).headers, 1)
    address = f"{address_of(event)}/attendees"
    for headers, status in ((await office.as_member("door"), 403), (office.as_buyer(), 404)):
        visitor = Visitor(office, headers)
        text = await visitor.read(address)
        assert visitor.status == status
        assert "Robin Roe" not in text
    nobody = Visitor(office)
    await nobody.read(address)
    assert nobody.path == "/login"


@pytest.mark.parametrize(("text", "found"), [("Ångström", "angstrom"), ("STRASSE", "strasse"), ("ß", "ss")])
def test_names_are_looked_up_without_accents(text: str, found: str) -> None:
    assert attendees.plain(text) == found
