"""Organizers over HTTP: rights, members, invitations, API keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

import httpx2
import pytest

from evently.accounts import Person
from evently.accounts.people import add_person
from evently.kit.clock import utc_now
from evently.kit.ids import find_id, new_id, show_id
from tests.support.box_office import BoxOffice, open_box_office, problem_of

TERMS: Final = {"name": "Moor Sounds", "contact_email": "hello@moor.example"}


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url) as opened:
        yield opened


class SignedIn:
    """A person with a session; `path` is the organizer they created."""

    def __init__(self, office: BoxOffice, person: Person) -> None:
        self.office = office
        self.person = person
        self.id = show_id("per", person.person_id)
        self.email = person.email
        self.headers = office.as_person(person.person_id, person.role)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        more = {} if body is None else {"json": body}
        return await self.office.client.request(method, path, headers=sent, **more)

    async def found(self) -> str:
        made = await self.ask("POST", "/v1/organizers", TERMS)
        assert made.status_code == 201, made.text
        location: str = made.headers["location"]
        return location


async def signed_in(office: BoxOffice, email: str) -> SignedIn:
    person = Person(new_id(), email, email.partition("@")[0], "buyer", 1, utc_now(), None)
    async with office.context.database.transaction() as tx:
        assert await add_person(tx, person, None)
    return SignedIn(office, person)


async def join(owner: SignedIn, path: str, member: SignedIn, role: str) -> None:
    """Invite a person, who accepts."""
    invited = await owner.ask("POST", f"{path}/invitations", {"email": member.email, "role": role})
    assert invited.status_code == 201, invited.text
    joined = await member.ask("POST", "/v1/me/invitations/accept", {"code": invited.json()["code"]})
    assert (joined.status_code, joined.json()["role"]) == (200, role)


async def test_create_look_and_edit(office: BoxOffice) -> None:
    ada = await signed_in(office, "ada@example.org")
    made = await ada.ask(
        "POST", "/v1/organizers", {"name": " Moor  Sounds", "contact_email": "Hello@Moor.example"}
    )
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    assert made.json().keys() == {"id", "name", "contact_email", "created_at"}
    assert (made.json()["name"], made.json()["contact_email"]) == ("Moor Sounds", "hello@moor.example")
    path = made.headers["location"]
    assert (await ada.ask("GET", path)).json() == made.json()
    assert (await ada.ask("GET", "/v1/organizers")).json()["data"] == [
        {"organizer": made.json(), "role": "owner"}
    ]
    assert problem_of(await ada.ask("PATCH", path, {"name": "Fen"}), 428) == "if-match-missing"
    edited = await ada.ask("PATCH", path, {"name": "Fen Sounds"}, If_Match='"1"')
    assert (edited.json()["name"], edited.json()["contact_email"], edited.headers["etag"]) == (
        "Fen Sounds",
        "hello@moor.example",
        '"2"',
    )
    assert problem_of(await ada.ask("PATCH", path, {"name": "Fen"}, If_Match='"1"'), 412) == "stale"
    wrong = await ada.ask("PATCH", path, {"name": " ", "contact_email": "nobody"}, If_Match="*")
    assert [error["pointer"] for error in wrong.json()["errors"]] == ["/name", "/contact_email"]
    null = await ada.ask("PATCH", path, {"name": None}, If_Match="*")
    assert problem_of(null, 422) == "invalid"


async def test_members(office: BoxOffice) -> None:
    ada, bo = await signed_in(office, "ada@example.org"), await signed_in(office, "bo@example.org")
    path = await ada.found()
    await join(ada, path, bo, "manager")
    members = (await bo.ask("GET", f"{path}/members")).json()["data"]
    assert [(member["email"], member["role"]) for member in members] == [
        ("ada@example.org", "owner"),
        ("bo@example.org", "manager"),
    ]
    assert members[0].keys() == {"person_id", "name", "email", "role", "since"}
    one = await ada.ask("GET", f"{path}/members/{bo.id}")
    assert (one.json(), one.headers["etag"]) == (members[1], '"1"')
    assert (
        problem_of(await ada.ask("PATCH", f"{path}/members/{bo.id}", {"role": "door"}), 428)
        == "if-match-missing"
    )
    changed = await ada.ask("PATCH", f"{path}/members/{bo.id}", {"role": "door"}, If_Match='"1"')
    assert (changed.json()["role"], changed.headers["etag"]) == ("door", '"2"')
    assert problem_of(await bo.ask("GET", f"{path}/members"), 403) == "forbidden"
    assert (await bo.ask("GET", path)).status_code == 200
    assert problem_of(await ada.ask("DELETE", f"{path}/members/{bo.id}", If_Match='"1"'), 412) == "stale"
    assert (await ada.ask("DELETE", f"{path}/members/{bo.id}", If_Match='"2"')).status_code == 204
    assert problem_of(await bo.ask("GET", path), 403) == "forbidden"
    assert problem_of(await ada.ask("GET", f"{path}/members/{bo.id}"), 404) == "not-found"


async def test_there_is_always_an_owner(office: BoxOffice) -> None:
    ada, bo = await signed_in(office, "ada@example.org"), await signed_in(office, "bo@example.org")
    path = await ada.found()
    assert problem_of(await ada.ask("DELETE", f"{path}/members/{ada.id}", If_Match="*"), 409) == "last-owner"
    assert (
        problem_of(await ada.ask("PATCH", f"{path}/members/{ada.id}", {"role": "door"}, If_Match="*"), 409)
        == "last-owner"
    )
    assert problem_of(await ada.ask("POST", f"{path}/leave"), 409) == "last-owner"
    await join(ada, path, bo, "owner")
    assert (await ada.ask("POST", f"{path}/leave")).status_code == 204
    assert problem_of(await ada.ask("GET", path), 403) == "forbidden"
    assert (await bo.ask("GET", path)).status_code == 200


async def test_what_one_process_has_just_allowed_no_other_refuses(
    office: BoxOffice, database_url: str
) -> None:
    """Each process remembers roles for half a second; a no is checked in the database."""
    ada, bo = await signed_in(office, "ada@example.org"), await signed_in(office, "bo@example.org")
    path = await ada.found()
    async with open_box_office(database_url) as other:
        there = [SignedIn(each, bo.person) for each in (office, other)]

        async def statuses(part: str) -> list[int]:
            return [(await each.ask("GET", f"{path}{part}")).status_code for each in there * 3]

        assert await statuses("/members") == [403] * 6, "both remember who is a member"
        await join(ada, path, bo, "door")
        assert await statuses("") == [200] * 6
        assert await statuses("/members") == [403] * 6
        changed = await ada.ask("PATCH", f"{path}/members/{bo.id}", {"role": "manager"}, If_Match="*")
        assert changed.status_code == 200
        assert await statuses("/members") == [200] * 6


async def test_an_api_key_is_known_to_every_process_at_once(office: BoxOffice, database_url: str) -> None:
    ada = await signed_in(office, "ada@example.org")
    path = await ada.found()
    async with open_box_office(database_url) as other:
        for _ in range(3):
            made = await ada.ask("POST", f"{path}/api-keys", {"name": "till", "scopes": ["events:read"]})
            assert made.status_code == 201, made.text
            sent = {"Authorization": f"Bearer {made.json()['key']}"}
            answer = await other.client.get(f"{path}/events", headers=sent)
            assert answer.status_code == 200, answer.text


async def test_an_invitation_says_nothing_about_who_is_here(office: BoxOffice) -> None:
    ada, bo = await signed_in(office, "ada@example.org"), await signed_in(office, "bo@example.org")
    path = await ada.found()
    answers = [
        (await ada.ask("POST", f"{path}/invitations", {"email": email, "role": "door"})).json()
        for email in (bo.email, "no@example.org")
    ]
    assert answers[0].keys() == answers[1].keys()
    shown = (await ada.ask("GET", f"{path}/invitations")).json()["data"]
    assert [invitation["email"] for invitation in shown] == ["bo@example.org", "no@example.org"]
    assert all("code" not in invitation for invitation in shown)
    assert (
        problem_of(await ada.ask("POST", "/v1/me/invitations/accept", {"code": answers[0]["code"]}), 422)
        == "invitation-invalid"
    )
    withdrawn = await ada.ask("POST", f"{path}/invitations/{answers[0]['id']}/withdraw")
    assert withdrawn.status_code == 204
    assert (
        problem_of(await bo.ask("POST", "/v1/me/invitations/accept", {"code": answers[0]["code"]}), 422)
        == "invitation-invalid"
    )
    assert (
        problem_of(await ada.ask("POST", f"{path}/invitations/{answers[0]['id']}/withdraw"), 404)
        == "not-found"
    )
    member = await ada.ask("POST", f"{path}/invitations", {"email": ada.email, "role": "door"})
    assert problem_of(member, 409) == "already-member"


async def test_a_key_does_what_its_scopes_say_until_it_is_revoked(office: BoxOffice) -> None:
    ada = await signed_in(office, "ada@example.org")
    path, other = await ada.found(), await ada.found()
    made = await ada.ask(
        "POST", f"{path}/api-keys", {"name": "Gate tablet", "scopes": ["events:read", "checkin:write"]}
    )
    assert made.status_code == 201, made.text
    key = made.json()
    assert key["key"].startswith(key["hint"])
    listed = (await ada.ask("GET", f"{path}/api-keys")).json()["data"]
    assert listed == [{name: value for name, value in key.items() if name != "key"}]
    as_key = {"Authorization": f"Bearer {key['key']}"}
    assert (await office.client.get(path, headers=as_key)).status_code == 200
    for method, refused in (
        ("GET", other),
        ("GET", f"{path}/members"),
        ("GET", f"{path}/api-keys"),
        ("POST", f"{path}/api-keys"),
        ("POST", f"{path}/leave"),
        ("GET", "/v1/me"),
        ("GET", "/v1/organizers"),
        ("GET", "/v1/admin/users"),
    ):
        assert problem_of(await office.client.request(method, refused, headers=as_key), 403) == "forbidden"
    revoked = await ada.ask("POST", f"{path}/api-keys/{key['id']}/revoke")
    assert revoked.json()["revoked_at"] is not None
    assert problem_of(await office.client.get(path, headers=as_key), 401) == "token-invalid"
    assert (await ada.ask("POST", f"{path}/api-keys/{key['id']}/revoke")).json() == revoked.json()
    assert problem_of(await ada.ask("POST", f"{other}/api-keys/{key['id']}/revoke"), 404) == "not-found"
    for body in (
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["all"]},
        {"name": " ", "scopes": ["events:read"]},
    ):
        assert problem_of(await ada.ask("POST", f"{path}/api-keys", body), 422) == "invalid"


async def test_every_cell_of_who_may_what(office: BoxOffice) -> None:
    """Every route of an organizer refuses every caller without the right, and changes nothing."""
    ada = await signed_in(office, "ada@example.org")
    path = await ada.found()
    people = {
        role: await signed_in(office, f"{role}@example.org")
        for role in ("manager", "door", "stranger", "removed")
    }
    for role in ("manager", "door"):
        await join(ada, path, people[role], role)
    await join(ada, path, people["removed"], "owner")
    assert (await people["removed"].ask("POST", f"{path}/leave")).status_code == 204
    key = (
        await ada.ask("POST", f"{path}/api-keys", {"name": "all", "scopes": ["events:read", "events:write"]})
    ).json()
    invitation = (
        await ada.ask("POST", f"{path}/invitations", {"email": "x@example.org", "role": "owner"})
    ).json()
    member = people["manager"].id
    routes: list[tuple[str, str, Any, set[str]]] = [
        ("GET", path, None, {"manager", "door"}),
        ("PATCH", path, {"name": "Mine"}, set()),
        ("GET", f"{path}/members", None, {"manager"}),
        ("GET", f"{path}/members/{member}", None, {"manager"}),
        ("PATCH", f"{path}/members/{member}", {"role": "owner"}, set()),
        ("DELETE", f"{path}/members/{member}", None, set()),
        ("POST", f"{path}/invitations", {"email": "eve@example.org", "role": "owner"}, set()),
        ("GET", f"{path}/invitations", None, set()),
        ("POST", f"{path}/invitations/{invitation['id']}/withdraw", None, set()),
        ("POST", f"{path}/api-keys", {"name": "mine", "scopes": ["events:write"]}, set()),
        ("GET", f"{path}/api-keys", None, set()),
        ("POST", f"{path}/api-keys/{key['id']}/revoke", None, set()),
    ]
    before = await everything(office)
    for method, route, body, allowed in routes:
        assert problem_of(await office.client.request(method, route, json=body), 401) == "unauthenticated", (
            route
        )
        for role, person in people.items():
            answer = await person.ask(method, route, body, If_Match="*")
            assert answer.status_code == (200 if role in allowed else 403), (method, route, role, answer.text)
    assert await everything(office) == before
    admin = office.as_person(new_id(), "admin")
    for method, route, _, _ in routes:
        if method == "GET":
            assert (await office.client.get(route, headers=admin)).status_code == 200, route


async def everything(office: BoxOffice) -> list[str]:
    """Return all rows about organizers as text."""
    tables = ("organizers", "organizer_members", "organizer_invitations", "api_keys")
    return [
        await office.context.database.fetch_value(
            f"SELECT string_agg({table}::text, ' ' ORDER BY {table}::text) FROM {table}"
        )
        for table in tables
    ]


async def test_what_is_not_there_is_not_found(office: BoxOffice) -> None:
    ada = await signed_in(office, "ada@example.org")
    path, nowhere = await ada.found(), show_id("org", new_id())
    for method, route in (
        ("GET", f"/v1/organizers/{nowhere}"),
        ("GET", "/v1/organizers/org_x"),
        ("GET", f"{path}/members/{show_id('per', new_id())}"),
        ("GET", f"{path}/members/{path.rpartition('/')[2]}"),
        ("POST", f"{path}/api-keys/{show_id('key', new_id())}/revoke"),
        ("POST", f"{path}/invitations/inv_0/withdraw"),
    ):
        assert problem_of(await ada.ask(method, route), 404) == "not-found"


async def test_neighbours_of_an_id_are_not_there(office: BoxOffice) -> None:
    ada = await signed_in(office, "ada@example.org")
    made: UUID | None = find_id("org", (await ada.found()).rpartition("/")[2])
    assert made is not None
    for step in (-2, -1, 1, 2):
        near = show_id("org", UUID(int=made.int + step))
        assert problem_of(await ada.ask("GET", f"/v1/organizers/{near}"), 404) == "not-found"
