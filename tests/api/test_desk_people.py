"""The desk: members, invitations by e-mail, API keys; as a browser without script uses them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from evently.accounts import Person
from evently.accounts.people import add_person
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, show_id
from evently.mail.nouns import MemberInvited, decode_subject
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.desk import open_desk
from tests.support.visitor import Visitor


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, demo=True) as opened:
        yield opened


async def person(office: BoxOffice, email: str, name: str = "Zoë Okafor") -> Visitor:
    added = Person(new_id(), email, name, "buyer", 1, utc_now(), None)
    async with office.context.database.transaction() as tx:
        assert await add_person(tx, added, None)
    return Visitor(office, office.as_person(added.person_id))


async def test_a_person_is_invited_by_e_mail_joins_and_is_removed(office: BoxOffice) -> None:
    desk = await open_desk(office)
    address = f"{desk.home}/people"
    await desk.visitor.read(address)
    assert desk.visitor.heading() == "People"
    await desk.visitor.submit(address, email="nobody")
    assert desk.visitor.status == 422
    assert "Choose what this person may do." in desk.visitor.text
    assert "This is not an e-mail address." in desk.visitor.text
    assert desk.visitor.form(address)["email"] == "nobody", "nothing typed is lost"
    await desk.visitor.submit(address, email=" Zoe@Evently.example ", role="manager")
    assert "The invitation is on its way." in desk.visitor.text
    assert "zoe@evently.example" in desk.visitor.text
    stored = await office.context.database.fetch_value(
        "SELECT data FROM mail_messages WHERE kind = 'member_invited' AND address = 'zoe@evently.example'"
    )
    about = decode_subject(stored)
    assert isinstance(about, MemberInvited)
    assert about.organizer == "Klangwerk"
    assert about.role == "a manager"
    zoe, other = await person(office, "zoe@evently.example"), await person(office, "bo@evently.example")
    await other.read(about.path)
    await other.submit("/organize/join")
    assert (other.status, other.heading()) == (422, "Join an organizer"), "it is for another address"
    await zoe.read(about.path)
    await zoe.submit("/organize/join")
    assert (zoe.status, zoe.path) == (200, desk.home)
    await zoe.read(address)
    assert zoe.status == 200
    assert "Invite a person" not in zoe.text, "a manager reads; owners change"
    await zoe.send(address, {"email": "x@evently.example", "role": "owner"})
    assert zoe.status == 403
    await desk.visitor.read(address)
    assert "Withdraw the invitation" not in desk.visitor.text
    removal = ""
    for member in re.findall(r'action="(\S+)/role"', desk.visitor.text):
        if "Zoë" in await desk.visitor.read(f"{member}/remove"):
            removal = member
    await desk.visitor.read(f"{removal}/remove")
    await desk.visitor.submit(f"{removal}/remove")
    assert "This person is no member any more." in desk.visitor.text
    await zoe.read(address)
    assert zoe.status == 404


async def test_an_invitation_is_withdrawn_and_its_code_ends(office: BoxOffice) -> None:
    desk = await open_desk(office)
    address = f"{desk.home}/people"
    await desk.visitor.read(address)
    await desk.visitor.submit(address, email="zoe@evently.example", role="door")
    stored = await office.context.database.fetch_value(
        "SELECT data FROM mail_messages WHERE kind = 'member_invited'"
    )
    (withdrawal,) = re.findall(r'action="(\S+/withdraw)"', desk.visitor.text)
    await desk.visitor.submit(withdrawal)
    assert "The invitation is withdrawn" in desk.visitor.text
    await desk.visitor.send(withdrawal, {})
    assert desk.visitor.status == 404
    assert "Nothing was done." in desk.visitor.text
    about = decode_subject(stored)
    assert isinstance(about, MemberInvited)
    zoe = await person(office, "zoe@evently.example")
    await zoe.read(about.path)
    await zoe.submit("/organize/join")
    assert zoe.status == 422


async def test_without_mail_the_link_is_shown_once(database_url: str) -> None:
    async with open_box_office(database_url, gateway="demo") as office:
        desk = await open_desk(office)
        address = f"{desk.home}/people"
        await desk.visitor.read(address)
        await desk.visitor.submit(address, email="zoe@evently.example", role="door")
        (link,) = re.findall(r'value="[^"]*(/organize/join\?code=evi_\w+)"', desk.visitor.text)
        assert link not in await desk.visitor.read(address)
        zoe = await person(office, "zoe@evently.example")
        await zoe.read(link)
        await zoe.submit("/organize/join")
        assert (zoe.status, zoe.path) == (200, desk.home)


async def test_the_last_owner_stays_and_two_owners_see_each_other(office: BoxOffice) -> None:
    desk = await open_desk(office)
    address = f"{desk.home}/people"
    page = await desk.visitor.read(address)
    (one,) = re.findall(r'action="(\S+)/role"', page)
    await desk.visitor.send(f"{one}/role", {"version": "1", "role": "door"})
    assert desk.visitor.status == 409
    assert "An organizer needs an owner." in desk.visitor.text
    await desk.visitor.read(f"{one}/remove")
    await desk.visitor.submit(f"{one}/remove")
    assert desk.visitor.status == 409
    other = Visitor(office, await office.as_member("owner"))
    office.context.accounts.roles.forget(office.venue.organizer_id)
    await other.read(address)
    (second,) = [each for each in re.findall(r'action="(\S+)/role"', other.text) if each != one]
    await desk.visitor.send(f"{second}/role", {"version": "1", "role": "manager"})
    assert "The role is changed." in desk.visitor.text
    await desk.visitor.send(f"{second}/role", {"version": "1", "role": "owner"})
    assert desk.visitor.status == 412
    assert "Another owner has changed this person meanwhile." in desk.visitor.text
    await desk.visitor.send(f"{second}/role", {"version": "2", "role": "emperor"})
    assert desk.visitor.status == 422


async def test_a_key_is_shown_once_works_and_is_revoked(office: BoxOffice) -> None:
    desk = await open_desk(office)
    address = f"{desk.home}/keys"
    await desk.visitor.read(address)
    await desk.visitor.submit(address, name=" ")
    assert desk.visitor.status == 422
    assert "Choose what the key may do." in desk.visitor.text
    await desk.visitor.send(
        address, [("name", "<b>Gate</b>"), ("scope", "bookings:read"), ("scope", "checkin:write")]
    )
    assert desk.visitor.status == 200
    (text,) = re.findall(r'value="(evk_\w+)"', desk.visitor.text)
    assert "no-store" in desk.visitor.page.headers["cache-control"]  # type: ignore[union-attr]
    assert "&lt;b&gt;Gate" in desk.visitor.text
    path = f"/v1/events/{show_id('evt', desk.event.event_id)}/attendees"
    bearer = {"Authorization": f"Bearer {text}"}
    assert (await office.client.get(path, headers=bearer)).status_code == 200
    page = await desk.visitor.read(address)
    assert text not in page
    assert "never" in page
    await office.context.accounts.keys.record_uses(office.context.database)
    assert "never" not in await desk.visitor.read(address), "its last use is shown"
    (revocation,) = re.findall(r'action="(\S+/revoke)"', desk.visitor.text)
    await desk.visitor.submit(revocation)
    assert "Programs that use it stop at once" in desk.visitor.text
    assert (await office.client.get(path, headers=bearer)).status_code == 200, "asked first"
    await desk.visitor.submit(revocation)
    assert "The key is revoked" in desk.visitor.text
    assert (await office.client.get(path, headers=bearer)).status_code == 401


@pytest.mark.parametrize("role", ["manager", "door"])
async def test_only_owners_see_keys(office: BoxOffice, role: str) -> None:
    desk = await open_desk(office, role)
    await desk.visitor.read(f"{desk.home}/keys")
    assert desk.visitor.status == 403
    await desk.visitor.send(f"{desk.home}/keys", {"name": "x", "scope": "events:read"})
    assert desk.visitor.status == 403
    assert await office.context.database.fetch_value("SELECT count(*) FROM api_keys") == 0
    home = await desk.visitor.read(desk.home)
    assert "API keys" not in home
