"""The door at the desk without script: phones are enrolled and removed, settings, counters, conflicts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from uuid import uuid4

import pytest

from evently.kit.clock import utc_now
from evently.kit.ids import show_id
from tests.api.test_checkin import Door
from tests.api.test_tickets import as_named_buyer
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.desk import Desk, open_desk
from tests.support.visitor import Visitor


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


async def sold(office: BoxOffice, desk: Desk, name: str = "Ada Lovelace") -> Door:
    booking = (await office.book(desk.event, await as_named_buyer(office, name), 2)).json()
    return Door(office, desk.event, booking["tickets"], await office.as_member("door"))


async def test_a_phone_is_enrolled_from_the_desk_and_removed(office: BoxOffice) -> None:
    desk = await open_desk(office)
    door = await sold(office, desk)
    page = f"{desk.address}/door"
    await desk.visitor.read(page)
    said = await desk.visitor.submit(f"{page}/scanners", scanner_name="Phone <b>1</b>")
    assert "<b>1</b>" not in said
    assert "<svg" in said
    link = unescape(re.search(r'value="http://evently.test(/door/[^"]*)"', said)[1])  # type: ignore[index]
    phone = Visitor(office)
    await phone.read(link)
    await phone.submit(f"/door/{show_id('evt', desk.event.event_id)}/enrol")
    await phone.submit(f"/door/{show_id('evt', desk.event.event_id)}", code=door.tickets[0]["code"])
    listed = await desk.visitor.read(page)
    assert "enrol?code=" not in listed, "a code is shown once"
    action = re.search(r'action="([^"]*/revoke)"', listed)
    assert action
    removed = await desk.visitor.send(action[1], {})
    assert "Removed" in removed
    await phone.read(f"/door/{show_id('evt', desk.event.event_id)}")
    assert phone.status == 401
    await desk.visitor.read(page)
    await desk.visitor.submit(f"{page}/scanners", scanner_name=" ")
    assert desk.visitor.status == 422


async def test_settings_are_saved_and_a_second_editor_sees_both(office: BoxOffice) -> None:
    desk = await open_desk(office)
    page = f"{desk.address}/door"
    other = Visitor(office, await office.as_member("manager"))
    await desk.visitor.read(page)
    await other.read(page)
    fields = desk.visitor.form(f"{page}/settings") | {
        "gate-0": "West gate", "every-0": "yes", "gate-1": "Stage", "reentry": "yes",
        "opens_at": "2030-05-18T19:00",
    }  # fmt: skip
    said = await desk.visitor.send(f"{page}/settings", fields)
    assert "The settings are saved" in said
    owner = desk.headers
    terms = (
        await office.client.get(f"/v1/events/{show_id('evt', desk.event.event_id)}/check-in", headers=owner)
    ).json()
    assert [(gate["name"], gate["ticket_type_ids"]) for gate in terms["gates"]] == [
        ("West gate", None), ("Stage", []),
    ]  # fmt: skip
    assert (terms["reentry"], terms["names_offline"]) == (True, False)
    assert terms["opens_at"].startswith("2030-05-18")
    late = await other.submit(f"{page}/settings", **{"gate-0": "Mine"})
    assert other.status == 412
    assert '<span dir="auto">Member</span> changed this at <time' in late
    assert "Mine" in late
    assert "West gate: every ticket type" in late
    assert "2030-05-18 19:00" in late
    await other.submit(f"{page}/settings")
    assert other.status == 200
    wrong = await other.submit(f"{page}/settings", opens_at="soon", closes_at="2030-05-18T19:00")
    assert other.status == 422
    assert 'value="soon"' in wrong
    twice = await other.submit(f"{page}/settings", **{"opens_at": "", "gate-0": "A", "gate-1": "A"})
    assert other.status == 422
    assert "Given more than once" in twice


async def test_conflicts_have_both_times_and_names_with_markup_are_text(office: BoxOffice) -> None:
    desk = await open_desk(office)
    door = await sold(office, desk, "<script>alert(1)</script>")
    await door.results(door.attempt(0, gate="<i>West</i>"))
    await door.results(door.attempt(0, gate="East", offline=True, scanned_at=utc_now().isoformat()))
    await door.results(
        {"id": str(uuid4()), "code": "nonsense", "scanned_at": utc_now().isoformat(), "offline": True}
    )
    said = await desk.visitor.read(f"{desk.address}/door")
    assert "Conflicts" in said
    assert said.count("East") >= 1
    for markup in ("<script>alert", "<i>West"):
        assert markup not in said
    assert len(re.findall(r"\d\d:\d\d", said)) >= 2


async def test_door_staff_see_counters_and_no_settings_strangers_nothing(office: BoxOffice) -> None:
    desk = await open_desk(office, "door")
    said = await desk.visitor.read(f"{desk.address}/door")
    assert desk.visitor.status == 200
    assert "Checked in" in said
    for word in ("Phones that scan", "What is allowed", "€", "EUR"):
        assert word not in said
    await desk.visitor.send(f"{desk.address}/door/scanners", {"scanner_name": "x"})
    assert desk.visitor.status == 403
    stranger = Visitor(office, office.as_buyer())
    await stranger.read(f"{desk.address}/door")
    assert stranger.status == 404


async def test_times_at_the_door_that_nobody_touched_keep_their_seconds(office: BoxOffice) -> None:
    desk = await open_desk(office)
    api, page = f"/v1/events/{show_id('evt', desk.event.event_id)}/check-in", f"{desk.address}/door"
    exact = "2030-05-18T19:00:59Z"
    put = await office.client.put(
        api, json={"opens_at": exact, "closes_at": exact}, headers=desk.headers | {"if-match": "*"}
    )
    assert put.status_code == 422, "it closes after it opens"
    times = {"opens_at": exact, "closes_at": "2030-05-19T02:00:30Z"}
    await office.client.put(api, json=times, headers=desk.headers | {"if-match": "*"})
    await desk.visitor.read(page)
    await desk.visitor.submit(f"{page}/settings", closes_at="2030-05-19T05:00")
    terms = (await office.client.get(api, headers=desk.headers)).json()
    assert (terms["opens_at"], terms["closes_at"]) == (exact, "2030-05-19T03:00:00Z")


async def test_the_desk_says_on_its_first_pages_that_doors_disagree(office: BoxOffice) -> None:
    desk = await open_desk(office)
    door = await sold(office, desk)
    for page in (desk.home, desk.address):
        assert "at the door: a ticket was used before" not in await desk.visitor.read(page)
    await door.results(door.attempt(0))
    late = {"offline": True, "scanned_at": utc_now().isoformat()}
    await door.results(door.attempt(0, **late), door.attempt(1, **late))
    for page in (desk.home, desk.address):
        said = await desk.visitor.read(page)
        assert "1 conflict at the door: a ticket was used before." in said
        assert f'href="{desk.address}/door' in said
    guard = Visitor(office, door.guard)
    for page in (desk.home, desk.address):
        assert "1 conflict" not in await guard.read(page), "they are for managers, as all that needs a person"
