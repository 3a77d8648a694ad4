"""Questions to buyers, people and keys of an organizer, and administration in the gallery."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evently import jobs
from evently.audit import runs
from evently.jobs import Job
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, show_id
from evently.questions import QuestionDraft, add_question
from evently.sales.terms import Conditions
from tests.support.box_office import BoxOffice
from tests.support.desk import address_of, home_of, sign_in_member
from tests.support.paying import sold_under

if TYPE_CHECKING:
    from tests.browser.gallery import Gallery

QUESTIONS = (
    QuestionDraft(
        kind="consent",
        label="I accept the house rules",
        hint="No glass, no dogs. Doors close when the music begins.",
        required=True,
    ),
    QuestionDraft(kind="text", label="What should we know?", hint="A wheelchair, an allergy", at_door=True),
    QuestionDraft(
        kind="choice",
        asked_per="ticket",
        label="What should we cook for you?",
        choices=("Vegetarian", "Vegan", "Fish"),
        required=True,
        at_door=True,
    ),
    QuestionDraft(kind="number", asked_per="ticket", label="How old are you?", smallest=0, largest=120),
)


async def photograph_questions(gallery: Gallery, office: BoxOffice, url: str) -> None:
    """Photograph the questions of an event, at the desk and as its buyer meets them."""
    page = gallery.page
    event = await office.open_event(terms=sold_under(Conditions(payment="online", hold_seconds=600), 60))
    await sign_in_member(office, page.context, url)
    address = f"{address_of(event)}/questions"
    await gallery.visit("questions-none", address, whole=True)
    async with office.context.database.transaction() as tx:
        added = [await add_question(tx, event.event_id, each, utc_now()) for each in QUESTIONS]
    await gallery.visit("questions-desk", address, whole=True, narrow=True)
    await page.get_by_role("button", name="Add the question").click()
    await gallery.shot("questions-desk-wrong", whole=True)
    one = f"{address}/{show_id('qst', added[2].question_id)}"
    await gallery.visit("questions-desk-one", one, whole=True)
    await gallery.visit("questions-desk-delete", f"{one}/delete")
    buyer = await sign_in_member(office, page.context, url, "door")
    booking = (await office.book(event, buyer, 2)).json()
    await gallery.visit("questions-held", f"/bookings/{booking['id']}", whole=True, narrow=True)
    await page.locator("form button.full").click()
    await gallery.shot("questions-held-wrong", whole=True)
    free = await office.open_event()
    async with office.context.database.transaction() as tx:
        for each in QUESTIONS:
            await add_question(tx, free.event_id, each, utc_now())
    booking = (await office.book(free, buyer, 1)).json()
    await gallery.visit("questions-open", f"/bookings/{booking['id']}", whole=True)


async def photograph_team(gallery: Gallery, office: BoxOffice, url: str) -> None:
    """Photograph the members and the keys of an organizer."""
    page, home = gallery.page, home_of(office)
    await sign_in_member(office, page.context, url)
    await _name_members(office)
    await page.goto(f"{home}/people")
    await page.get_by_label("E-mail").fill("zoe@evently.example")
    await page.get_by_label("Manager:").check()
    await page.get_by_role("button", name="Invite", exact=True).click()
    await gallery.shot("team-people", whole=True, narrow=True)
    await page.get_by_role("link", name="Remove").first.click()
    await gallery.shot("team-remove")
    await gallery.visit("team-join", "/organize/join?code=evi_3k5m7p9r1t3v5x7z1b3d5f7h9k1m3p5r")
    await gallery.visit("team-keys-none", f"{home}/keys", whole=True)
    await page.get_by_role("button", name="Make the key").click()
    await gallery.shot("team-keys-wrong", whole=True)
    await page.get_by_label("Name", exact=True).fill("Gate tablet 3")
    await page.get_by_label("Check tickets in").check()
    await page.get_by_role("button", name="Make the key").click()
    await gallery.shot("team-keys-new", whole=True, narrow=True)
    await page.goto(f"{home}/keys")
    await page.get_by_role("button", name="Revoke the key").first.click()
    await gallery.shot("team-keys-revoke", whole=True)


async def _name_members(office: BoxOffice) -> None:
    """Give the members that tests make the names and addresses of people."""
    await office.context.database.fetch(
        "UPDATE people SET name = named.name, email = named.email FROM ("
        "SELECT person_id, (ARRAY['Mina Ito', 'Tarek Haddad', 'Ana Costa', 'Jonas Weber'])[1 + number % 4] "
        "AS name, (ARRAY['mina', 'tarek', 'ana', 'jonas'])[1 + number % 4] "
        "|| right(person_id::text, 4) || '@evently.example' "
        "AS email FROM (SELECT person_id, row_number() OVER (ORDER BY person_id) AS number FROM people "
        "WHERE name = 'Member') AS numbered) AS named WHERE people.person_id = named.person_id"
    )


async def photograph_admin(gallery: Gallery, office: BoxOffice, url: str) -> None:
    """Photograph administration."""
    page, context = gallery.page, office.context
    member = await sign_in_member(office, page.context, url)
    await _name_members(office)
    person_id = context.accounts.tokens.verify_access(
        member["Authorization"].removeprefix("Bearer ")
    ).person_id
    await context.database.fetch(
        "UPDATE people SET role = 'admin', name = 'Mina Ito' WHERE person_id = $1", person_id
    )
    token = office.as_person(person_id, "admin")["Authorization"].removeprefix("Bearer ")
    await page.context.add_cookies([{"name": "evently", "value": f"evb_unknown.{token}", "url": url}])
    await gallery.visit("admin-overview", "/admin", whole=True, narrow=True)
    for name in ("organizers", "events", "health", "people"):
        await gallery.visit(f"admin-{name}", f"/admin/{name}", narrow=True)
    await gallery.visit("admin-nobody", "/admin/people?q=zzzz")
    other = await context.database.fetch_value(
        "SELECT person_id FROM people WHERE role = 'buyer' AND email IS NOT NULL ORDER BY person_id LIMIT 1"
    )
    await page.goto(f"/admin/people/{show_id('per', other)}")
    await page.get_by_role("button", name="Lock it").click()
    await gallery.shot("admin-person-wrong")
    await page.get_by_label("Why").fill("Sells tickets of other people.")
    await page.get_by_role("button", name="Lock it").click()
    await gallery.shot("admin-person", narrow=True)
    await gallery.visit("admin-jobs-none", "/admin/jobs")
    async with context.database.transaction() as tx:
        await jobs.defer(tx, [Job("notify_buyers", {"event_id": show_id("evt", new_id())})])
        await tx.execute(
            "UPDATE procrastinate_jobs SET status = 'failed', attempts = 12 WHERE task_name = 'notify_buyers'"
        )
    await gallery.visit("admin-jobs", "/admin/jobs", narrow=True)
    await page.goto("/admin/audits")
    await page.get_by_label("Why").fill("Before the on-sale of Friday.")
    await page.get_by_role("button", name="Audit everything").click()
    await gallery.shot("admin-audit-running")
    run = page.url.rsplit("/", 1)[1]
    await runs.run(context.database, context.clock, run)
    await gallery.visit("admin-audit", f"/admin/audits/{run}", whole=True, narrow=True)
    await gallery.visit("admin-audits", "/admin/audits")
    await gallery.visit("admin-acts", "/admin/acts", narrow=True)
