"""Administration over HTTP: accounts, jobs, audits, health; every act is written down with its reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx2
import pytest

from evently import jobs
from evently.accounts import Person, acts
from evently.accounts.people import add_person
from evently.audit import runs
from evently.jobs import Job
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, show_id
from tests.support.box_office import BoxOffice, open_box_office, problem_of

PASSWORD = "a sentence that nobody guesses"


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, demo=True) as opened:
        yield opened


async def add(office: BoxOffice, email: str, role: Any = "buyer") -> UUID:
    person = Person(new_id(), email, email.split("@", maxsplit=1)[0].capitalize(), role, 1, utc_now(), None)
    async with office.context.database.transaction() as tx:
        assert await add_person(tx, person, None)
    return person.person_id


async def as_admin(office: BoxOffice, email: str = "mina@evently.example") -> dict[str, str]:
    return office.as_person(await add(office, email, "admin"), "admin")


async def registered(office: BoxOffice, email: str) -> UUID:
    await office.context.accounts.register(email, "Ada Lovelace", PASSWORD, None)
    found: UUID = await office.context.database.fetch_value(
        "SELECT person_id FROM people WHERE email = $1", email
    )
    return found


async def login(office: BoxOffice, email: str) -> httpx2.Response:
    return await office.post("/v1/auth/login", {}, email=email, password=PASSWORD)


async def done(office: BoxOffice, admin: dict[str, str]) -> list[tuple[str, str, str]]:
    listed = (await office.client.get("/v1/admin/acts", headers=admin)).json()["data"]
    return [(each["kind"], each["subject"], each["reason"]) for each in listed]


async def test_a_locked_account_is_out_at_once_and_comes_back(office: BoxOffice) -> None:
    admin, person_id = await as_admin(office), await registered(office, "ada@evently.example")
    session = (await login(office, "ada@evently.example")).json()
    bearer = {"Authorization": f"Bearer {session['access_token']}"}
    assert (await office.client.get("/v1/me", headers=bearer)).status_code == 200
    path = f"/v1/admin/users/{show_id('per', person_id)}"
    for wrong in ("", "  \u200b", "x" * 501, "a\u202eb"):
        refused = await office.post(f"{path}/lock", admin, reason=wrong)
        assert problem_of(refused, 422) == "invalid"
        assert [each["pointer"] for each in refused.json()["errors"]] == ["/reason"]
    locked = await office.post(f"{path}/lock", admin, reason="  Sells the  tickets of others. ")
    assert locked.status_code == 200
    assert locked.json()["locked_at"] is not None
    assert (await office.client.get("/v1/me", headers=bearer)).status_code == 401
    renewed = await office.post("/v1/auth/refresh", {}, refresh_token=session["refresh_token"])
    assert renewed.status_code == 401
    assert problem_of(await login(office, "ada@evently.example"), 403) == "account-locked"
    assert (await office.post(f"{path}/lock", admin, reason="Again")).status_code == 200, "harmless"
    assert (await office.post(f"{path}/unlock", admin, reason="A mistake")).json()["locked_at"] is None
    assert (await login(office, "ada@evently.example")).status_code in (200, 201)
    ended = await office.post(f"{path}/end-sessions", admin, reason="Asked for by phone")
    assert ended.json() == {"ended": 1}
    shown = show_id("per", person_id)
    assert await done(office, admin) == [
        ("sessions_ended", shown, "Asked for by phone"),
        ("account_unlocked", shown, "A mistake"),
        ("account_locked", shown, "Sells the tickets of others."),
    ]


async def test_a_role_is_changed_with_a_reason_and_an_administrator_stays(office: BoxOffice) -> None:
    first_id = await add(office, "mina@evently.example", "admin")
    admin, other_id = office.as_person(first_id, "admin"), await add(office, "bo@evently.example")
    path = f"/v1/admin/users/{show_id('per', other_id)}"
    headers = admin | {"if-match": "*"}
    without = await office.client.patch(path, json={"role": "admin"}, headers=headers)
    assert [each["code"] for each in without.json()["errors"]] == ["reason-missing"]
    made = await office.client.patch(path, json={"role": "admin", "reason": "Joins us"}, headers=headers)
    assert (made.status_code, made.json()["role"]) == (200, "admin")
    mine = f"/v1/admin/users/{show_id('per', first_id)}"
    assert problem_of(await office.post(f"{mine}/lock", admin, reason="Try"), 409) == "not-yourself"
    other = office.as_person(other_id, "admin")
    assert (await office.post(f"{mine}/lock", other, reason="On leave")).status_code == 200
    last = await office.client.patch(
        path, json={"role": "buyer", "reason": "Leaves"}, headers=other | {"if-match": "*"}
    )
    assert problem_of(last, 409) == "last-admin", "the other administrator cannot log in"
    assert [kind for kind, _, _ in await done(office, other)] == ["account_locked", "made_admin"]


async def test_acts_cannot_be_changed_unnoticed_and_take_turns(office: BoxOffice) -> None:
    admin = await as_admin(office)
    ids = [await add(office, f"p{number}@evently.example") for number in range(6)]
    database = office.context.database
    assert await acts.find_break(database) is None
    answers = await asyncio.gather(
        *[
            office.post(f"/v1/admin/users/{show_id('per', each)}/lock", admin, reason="All at once")
            for each in ids
        ]
    )
    assert {each.status_code for each in answers} == {200}
    assert await acts.find_break(database) is None
    assert await database.fetch_value("SELECT max(number) FROM admin_acts") == 6
    for change in (
        "UPDATE admin_acts SET reason = 'Another' WHERE number = 3",
        "UPDATE admin_acts SET subject = '' WHERE number = 3",
        "UPDATE admin_acts SET at = at - interval '1 second' WHERE number = 3",
        "DELETE FROM admin_acts WHERE number = 3",
    ):
        async with database.transaction() as tx:
            stored = await tx.fetchrow("SELECT * FROM admin_acts WHERE number = 3")
            assert stored is not None
            await tx.execute(change)
        assert await acts.find_break(database) == 3, change
        async with database.transaction() as tx:
            await tx.execute("DELETE FROM admin_acts WHERE number = 3")
            await tx.execute(
                "INSERT INTO admin_acts VALUES ($1, $2, $3, $4, $5, $6, $7)", *dict(stored).values()
            )
        assert await acts.find_break(database) is None


async def test_only_administrators_administer(office: BoxOffice) -> None:
    owner, person_id = await office.as_member("owner"), await add(office, "ada@evently.example")
    path = f"/v1/admin/users/{show_id('per', person_id)}"
    for method, where in (
        ("GET", "/v1/admin/users"),
        ("GET", "/v1/admin/organizers"),
        ("GET", "/v1/admin/health"),
        ("GET", "/v1/admin/jobs"),
        ("GET", "/v1/admin/audits"),
        ("GET", "/v1/admin/acts"),
        ("POST", f"{path}/lock"),
        ("POST", f"{path}/unlock"),
        ("POST", f"{path}/end-sessions"),
        ("POST", "/v1/admin/audits"),
        ("POST", "/v1/admin/jobs/1/retry"),
    ):
        body = {"reason": "Try"} if method == "POST" else None
        answer = await office.client.request(method, where, headers=owner, json=body)
        assert problem_of(answer, 403) == "forbidden", where
        assert (await office.client.request(method, where, json=body)).status_code == 401, where
    assert await office.context.database.fetch_value("SELECT count(*) FROM admin_acts") == 0


async def test_organizers_are_found_by_the_beginning_of_their_name(office: BoxOffice) -> None:
    admin = await as_admin(office)
    await office.as_member("owner")
    found = (await office.client.get("/v1/admin/organizers?q=KLANG", headers=admin)).json()["data"]
    assert [(each["name"], each["members"]) for each in found] == [("Klangwerk", 1)]
    nothing = await office.client.get("/v1/admin/organizers?q=lang", headers=admin)
    assert nothing.json() == {"data": [], "next_cursor": None}


async def fail_a_job(office: BoxOffice) -> int:
    """Store a job, and use its attempts up."""
    async with office.context.database.transaction() as tx:
        await jobs.defer(tx, [Job("notify_buyers", {"event_id": "evt_x"}, lock="evt_x")])
        number: int = await tx.fetchval(
            "UPDATE procrastinate_jobs SET status = 'failed', attempts = 12 RETURNING id"
        )
    return number


async def test_a_failed_job_is_attempted_once_more(office: BoxOffice) -> None:
    admin = await as_admin(office)
    assert (await office.client.get("/v1/admin/jobs", headers=admin)).json()["data"] == []
    number = await fail_a_job(office)
    (listed,) = (await office.client.get("/v1/admin/jobs", headers=admin)).json()["data"]
    assert (listed["id"], listed["task"], listed["attempts"]) == (number, "notify_buyers", 12)
    said = (await office.client.get("/v1/admin/health", headers=admin)).json()["data"]
    (about,) = [each for each in said if each["name"] == "Jobs"]
    assert (about["status"], "1 failed for good" in about["text"]) == ("warn", True)
    retried = await office.post(f"/v1/admin/jobs/{number}/retry", admin, reason="The host is back")
    assert retried.status_code == 204
    for wrong in (number, 0, "x", "9" * 40):
        again = await office.post(f"/v1/admin/jobs/{wrong}/retry", admin, reason="Again")
        assert problem_of(again, 409) == "job-not-failed", wrong
    assert await done(office, admin) == [("job_retried", f"job {number}", "The host is back")]
    state = await office.context.database.fetch_value("SELECT status::text FROM procrastinate_jobs")
    assert state == "todo"


async def test_health_is_said_in_sentences(office: BoxOffice) -> None:
    said = (await office.client.get("/v1/admin/health", headers=await as_admin(office))).json()["data"]
    names = {each["name"] for each in said}
    assert {"Database", "Relay", "Lanes", "Jobs", "E-mail", "Disk", "Size", "Clock"} <= names
    assert all(each["text"].endswith(".") and each["status"] in ("pass", "warn", "fail") for each in said)


async def test_an_audit_runs_apart_one_at_a_time(office: BoxOffice) -> None:
    admin, context = await as_admin(office), office.context
    event = await office.open_event()
    await office.book(event, office.as_buyer(), 3)
    await office.deliver()
    both = await asyncio.gather(
        *[office.post("/v1/admin/audits", admin, reason="Before the opening") for _ in range(2)]
    )
    assert sorted(each.status_code for each in both) == [201, 409]
    assert {problem_of(each, 409) for each in both if each.status_code == 409} == {"audit-running"}
    (started,) = [each.json() for each in both if each.status_code == 201]
    assert (started["state"], started["breaches"]) == ("waiting", None)
    assert [kind for kind, _, _ in await done(office, admin)] == ["audit_started"]
    await runs.run(context.database, context.clock, started["id"])
    path = f"/v1/admin/audits/{started['id']}"
    found = (await office.client.get(path, headers=admin)).json()
    assert (found["state"], found["breaches"], found["failure"]) == ("done", 0, "")
    assert "I1" in {each["code"] for each in found["findings"]}
    await context.database.fetch("UPDATE pools SET sold = sold + 1")
    again = (await office.post("/v1/admin/audits", admin, reason="To be sure")).json()
    await runs.run(context.database, context.clock, again["id"])
    await runs.run(context.database, context.clock, started["id"])  # harmless to repeat
    listed = (await office.client.get("/v1/admin/audits", headers=admin)).json()["data"]
    assert [each["id"] for each in listed] == [again["id"], started["id"]]
    assert listed[0]["breaches"] > 0
    assert listed[1]["breaches"] == 0
    assert problem_of(await office.client.get(f"{path[:-3]}zzz", headers=admin), 404) == "not-found"
