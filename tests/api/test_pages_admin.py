"""The pages of administration, as a browser without script uses them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from evently.audit import runs
from evently.kit.ids import show_id
from tests.api.test_admin import add, as_admin, fail_a_job
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.visitor import Visitor

PAGES = ("", "/people", "/organizers", "/events", "/health", "/jobs", "/audits", "/acts")


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(database_url, demo=True) as opened:
        yield opened


async def test_every_page_is_there_for_administrators_alone(office: BoxOffice) -> None:
    admin = Visitor(office, await as_admin(office))
    owner = Visitor(office, await office.as_member("owner"))
    for page in PAGES:
        await admin.read(f"/admin{page}")
        assert admin.status == 200, page
        assert admin.heading()
        await owner.read(f"/admin{page}")
        assert owner.status == 403, page
        visitor = Visitor(office)
        await visitor.read(f"/admin{page}")
        assert visitor.path == "/login"


async def test_a_person_is_found_locked_and_unlocked_with_reasons(office: BoxOffice) -> None:
    admin = Visitor(office, await as_admin(office))
    ada = await add(office, "ada@evently.example")
    await admin.read("/admin/people?q=ADA")
    address = f"/admin/people/{show_id('per', ada)}"
    assert address in admin.text
    assert "Mina" not in re.sub(r"<header.*?</header>", "", admin.text, flags=re.DOTALL)
    await admin.read("/admin/people?q=<script>")
    assert "Nobody found" in admin.text
    assert "<script>”" not in admin.text
    await admin.read(address)
    await admin.submit(f"{address}/lock", reason=" ")
    assert admin.status == 422
    assert "Say why: it is kept with what you do." in admin.text
    await admin.submit(f"{address}/lock", reason="Sells <b>tickets</b> of others")
    assert "The account is locked" in admin.text
    assert "Sells &lt;b&gt;tickets&lt;/b&gt; of others" in admin.text
    fields = admin.form(f"{address}/unlock") | {"reason": "Joins us"}
    await admin.send(f"{address}/role", fields | {"version": "1"})
    assert admin.status == 412
    assert "has changed meanwhile" in admin.text
    await admin.submit(f"{address}/unlock", reason="A mistake")
    assert "The account is unlocked." in admin.text
    fields = admin.form(f"{address}/lock") | {"reason": "Joins us"}
    await admin.send(f"{address}/role", fields)
    assert "The role is changed" in admin.text
    await admin.send(f"{address}/sessions", fields)
    assert "The sessions have ended." in admin.text
    await admin.send(f"{address}/nonsense", fields)
    assert admin.status == 404
    mine = Visitor(office, office.as_person(ada, "admin"))
    told = (await mine.client.get("/me/export", headers=mine.headers)).json()["done_by_administrators"]
    assert told[-1]["reason"] == "Sells <b>tickets</b> of others", "whom it is about may read it"
    await admin.read("/admin/acts")
    text = admin.text
    acts = ("Ended the sessions", "Made an administrator", "Unlocked an account", "Locked an account")
    places = [text.index(words) for words in acts]
    assert places == sorted(places), "the newest first"
    assert "all seals agree" in text
    await office.context.database.fetch("UPDATE admin_acts SET reason = 'Nothing' WHERE number = 1")
    assert "Act 1 is missing, or was changed" in await admin.read("/admin/acts")


async def test_a_failed_job_is_attempted_again_from_its_page(office: BoxOffice) -> None:
    admin = Visitor(office, await as_admin(office))
    assert "No job has failed" in await admin.read("/admin/jobs")
    number = await fail_a_job(office)
    assert "Needs you" in await admin.read("/admin")
    await admin.read("/admin/jobs")
    await admin.submit(f"/admin/jobs/{number}/retry")
    assert admin.status == 422
    await admin.submit(f"/admin/jobs/{number}/retry", reason="The host is back")
    assert "The job is attempted once more." in admin.text
    assert "No job has failed" in admin.text


async def test_an_audit_is_asked_for_and_its_result_is_a_sentence(office: BoxOffice) -> None:
    admin, context = Visitor(office, await as_admin(office)), office.context
    await admin.read("/admin/audits")
    await admin.submit("/admin/audits")
    assert admin.status == 422
    await admin.submit("/admin/audits", reason="Before the opening")
    assert admin.heading() == "The audit is running"
    assert admin.page is not None
    assert admin.page.headers["refresh"] == "3"
    run = admin.path
    await admin.read("/admin/audits")
    await admin.submit("/admin/audits", reason="Another")
    assert admin.status == 409
    assert "One audit runs at a time" in admin.text
    await runs.run(context.database, context.clock, run.rsplit("/", 1)[1])
    await admin.read(run)
    assert admin.heading() == "Everything agrees"
    assert "refresh" not in admin.page.headers
