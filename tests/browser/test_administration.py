"""Administration, people and keys, and questions in a browser: axe, small screens, keys that are copied."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, expect

from evently import webhooks
from evently.kit.clock import utc_now
from evently.kit.ids import show_id
from evently.questions import add_question
from evently.sales.terms import Conditions
from tests.api.test_admin import as_admin, fail_a_job
from tests.browser.scenes_people import QUESTIONS
from tests.browser.test_buying import DESKTOP, NARROWEST, PHONE, faults_of, opened
from tests.browser.test_desk import width_of
from tests.support.box_office import BoxOffice
from tests.support.desk import address_of, home_of, sign_in_member
from tests.support.paying import sold_under
from tests.support.serving import Serving
from tests.support.webhooks import register

ADMIN = ("", "/people", "/organizers", "/events", "/health", "/jobs", "/audits", "/acts")
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


async def pages_of(office: BoxOffice, buyer: dict[str, str]) -> list[str]:
    """Return the pages of an event with questions, of its organizer, and of a booking with questions."""
    event = await office.open_event(terms=sold_under(Conditions(payment="online", hold_seconds=600), 50))
    async with office.context.database.transaction() as tx:
        for each in QUESTIONS:
            await add_question(tx, event.event_id, each, utc_now())
    booking = (await office.book(event, buyer, 2)).json()
    home = home_of(office)
    return [
        f"{address_of(event)}/questions",
        f"{home}/people",
        f"{home}/keys",
        f"/bookings/{booking['id']}",
        *await webhooks_of(office, home),
    ]


async def webhooks_of(office: BoxOffice, home: str) -> list[str]:
    """Return the pages of a webhook: with a message that waits, and one that was given up."""
    database, now = office.context.database, utc_now()
    webhook, _ = await register(
        database, office.venue.organizer_id, "http://127.0.0.1:9/hooks", now, "event.changed"
    )
    async with database.transaction() as tx:
        waiting = await webhooks.log.send_test(tx, webhook.webhook_id, now)
        given_up = await webhooks.log.send_test(tx, webhook.webhook_id, now)
        await webhooks.log.skip(tx, webhook.webhook_id, given_up, now)
        paused = await webhooks.lock_webhook(tx, office.venue.organizer_id, webhook.webhook_id)
        await webhooks.pause_webhook(tx, paused, now)
    one = f"{home}/webhooks/{show_id('whk', webhook.webhook_id)}"
    return [
        f"{home}/webhooks",
        one,
        *[f"{one}/deliveries/{show_id('whd', each)}" for each in (waiting, given_up)],
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_axe_finds_nothing_serious(
    office: BoxOffice, server: Serving, browser: Browser, axe: str, theme: Any, size: Any
) -> None:
    admin = await as_admin(office, f"mina-{theme}-{size['width']}@evently.example")
    await fail_a_job(office)
    async with opened(browser, server, viewport=size, color_scheme=theme, bypass_csp=True) as page:
        member = await sign_in_member(office, page.context, server.url)
        found = {path: await faults_of(page, path, axe) for path in await pages_of(office, member)}
        token = admin["Authorization"].removeprefix("Bearer ")
        await page.context.add_cookies(
            [{"name": "evently", "value": f"evb_unknown.{token}", "url": server.url}]
        )
        found |= {path: await faults_of(page, f"/admin{path}", axe) for path in ADMIN}
    assert {path: faults for path, faults in found.items() if faults} == {}


async def test_nothing_scrolls_sideways(office: BoxOffice, server: Serving, browser: Browser) -> None:
    admin = await as_admin(office, "mina-narrow@evently.example")
    async with opened(browser, server, viewport=NARROWEST) as page:
        member = await sign_in_member(office, page.context, server.url)
        wide = {}
        for path in await pages_of(office, member):
            await page.goto(path)
            wide[path] = await width_of(page)
        token = admin["Authorization"].removeprefix("Bearer ")
        await page.context.add_cookies(
            [{"name": "evently", "value": f"evb_unknown.{token}", "url": server.url}]
        )
        for path in ADMIN:
            await page.goto(f"/admin{path}")
            wide[path] = await width_of(page)
    assert {path: width for path, width in wide.items() if width > NARROWEST["width"]} == {}


async def test_a_key_is_copied_with_a_button(office: BoxOffice, server: Serving, browser: Browser) -> None:
    async with opened(browser, server, viewport=DESKTOP) as page:
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await sign_in_member(office, page.context, server.url)
        await page.goto(f"{home_of(office)}/keys")
        await page.get_by_label("Name", exact=True).fill("Gate tablet")
        await page.get_by_label("Check tickets in").check()
        await page.get_by_role("button", name="Make the key").click()
        await page.get_by_role("button", name="Copy").click()
        await expect(page.get_by_text("Copied.")).to_be_visible()
        copied = await page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith("evk_")
        assert copied == await page.locator("#copy-key").input_value()
