"""An administrator at the desk of others: looks, and changes things only after saying why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from evently.accounts import acts
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, show_id
from tests.api.test_admin import add, as_admin, done
from tests.support.box_office import BoxOffice, open_box_office, problem_of
from tests.support.catalogue import make_organizer
from tests.support.desk import address_of, home_of
from tests.support.visitor import Visitor


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, demo=True) as opened:
        yield opened


def organizer_of(office: BoxOffice) -> str:
    return show_id("org", office.venue.organizer_id)


async def test_an_administrator_looks_and_says_why_before_a_change(office: BoxOffice) -> None:
    admin, event = Visitor(office, await as_admin(office)), await office.open_event(publish=False)
    publish = f"{address_of(event)}/publish"
    text = await admin.read(address_of(event))
    assert "You look as an administrator" in text
    fields = admin.form(publish)
    await admin.send(publish, fields)
    assert (admin.status, admin.heading()) == (403, "Say why first")
    why = f"/admin/organizers/{organizer_of(office)}/open"
    assert f'href="{why}?next=' in admin.text
    assert "You look as an administrator" in await admin.read(address_of(event)), "nothing was done"
    await admin.read(f"{why}?next={address_of(event)}")
    await admin.submit(why, reason=" ")
    assert admin.status == 422
    assert admin.form(why)["next"] == address_of(event)
    await admin.submit(why, reason="Asked for by <b>phone</b>")
    assert admin.path == address_of(event), "back to where the change is made"
    assert "You act as an administrator" in admin.text
    await admin.send(publish, fields)
    assert admin.status == 200
    published = await office.context.database.fetch_value(
        "SELECT state FROM events WHERE event_id = $1", event.event_id
    )
    assert published == "published"
    assert "Asked for by &lt;b&gt;phone&lt;/b&gt;" in await admin.read("/admin/acts")
    assert "Acted for an organizer" in admin.text
    assert await acts.find_break(office.context.database) is None


async def test_the_form_of_the_desk_leads_back_and_nowhere_else(office: BoxOffice) -> None:
    admin, why = Visitor(office, await as_admin(office)), f"/admin/organizers/{organizer_of(office)}/open"
    await admin.read(f"{home_of(office)}/venues")
    await admin.submit(why, reason="Helps")
    assert admin.path == f"{home_of(office)}/venues"
    await admin.send(why, {"reason": "Helps", "next": "//elsewhere.example"})
    assert admin.path == home_of(office)


async def test_the_reason_holds_for_one_organizer_one_administrator_and_an_hour(office: BoxOffice) -> None:
    first_id, second_id = (
        await add(office, "mina@evently.example", "admin"),
        await add(office, "bo@evently.example", "admin"),
    )
    first, second = office.as_person(first_id, "admin"), office.as_person(second_id, "admin")
    other = show_id("org", await make_organizer(office.context.database))
    mine = organizer_of(office)

    async def status(organizer: str, headers: dict[str, str]) -> int:
        path = f"/v1/organizers/{organizer}/invitations"
        invited = await office.post(path, headers, email=f"{new_id()}@evently.example", role="door")
        return invited.status_code

    refused = await office.post(
        f"/v1/organizers/{mine}/invitations", first, email="ada@evently.example", role="door"
    )
    assert problem_of(refused, 403) == "reason-needed"
    assert refused.json()["organizer_id"] == mine
    assert (await office.client.get(f"/v1/organizers/{mine}/members", headers=first)).status_code == 200
    opened = await office.post(f"/v1/admin/organizers/{mine}/open", first, reason="  Asked for by  phone ")
    assert opened.status_code == 200
    assert opened.json()["organizer_id"] == mine
    assert await status(mine, first) == 201
    assert (await status(other, first), await status(mine, second)) == (403, 403)
    assert await done(office, first) == [("desk_opened", mine, "Asked for by phone")]
    database, now = office.context.database, utc_now()
    assert await acts.opened_until(database, first_id, mine, now + timedelta(minutes=59)) is not None
    assert await acts.opened_until(database, first_id, mine, now + timedelta(minutes=61)) is None
    for wrong in ("", "x" * 501):
        assert (
            problem_of(await office.post(f"/v1/admin/organizers/{mine}/open", first, reason=wrong), 422)
            == "invalid"
        )
    nobody = show_id("org", new_id())
    assert problem_of(await office.post(f"/v1/admin/organizers/{nobody}/open", first, reason="x"), 404)
    owner = await office.as_member("owner")
    assert problem_of(await office.post(f"/v1/admin/organizers/{mine}/open", owner, reason="x"), 403)


async def test_an_administrator_who_belongs_to_the_organizer_is_a_member(office: BoxOffice) -> None:
    person_id, event = await add(office, "mina@evently.example", "admin"), await office.open_event()
    await office.context.database.fetch(
        "INSERT INTO organizer_members (organizer_id, person_id, role, version, since) "
        "VALUES ($1, $2, 'owner', 1, now())",
        office.venue.organizer_id,
        person_id,
    )
    office.context.accounts.roles.forget(office.venue.organizer_id)
    admin = Visitor(office, office.as_person(person_id, "admin"))
    assert "as an administrator" not in await admin.read(address_of(event))
    await admin.read(f"{home_of(office)}/venues")
    assert "as an administrator" not in admin.text
    invited = await office.post(
        f"/v1/organizers/{organizer_of(office)}/invitations",
        office.as_person(person_id, "admin"),
        email="ada@evently.example",
        role="door",
    )
    assert invited.status_code == 201


async def test_a_member_sees_no_banner(office: BoxOffice) -> None:
    member, event = Visitor(office, await office.as_member("door")), await office.open_event()
    assert "as an administrator" not in await member.read(address_of(event))
