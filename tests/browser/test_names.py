"""Names on tickets in a browser: with script and without, by keyboard, in both themes and sizes."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, expect

from evently.catalogue import Event
from evently.kit.ids import show_id
from tests.browser.test_buying import DESKTOP, NARROWEST, PHONE, faults_of, opened, sign_in
from tests.support.box_office import BoxOffice
from tests.support.serving import Serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

LONGEST = "Wolfeschlegelsteinhausenbergerdorff" * 5


async def open_event(office: BoxOffice, asked: str = "required") -> Event:
    """Put an event on sale whose organizer asks for names."""
    event = await office.open_event(capacity=50)
    path, owner = f"/v1/events/{show_id('evt', event.event_id)}", await office.as_member("owner")
    etag = (await office.client.get(path, headers=owner)).headers["etag"]
    changed = await office.client.patch(
        path, json={"attendee_names": asked}, headers=owner | {"if-match": etag}
    )
    assert changed.status_code == 200, changed.text
    return event


async def book(office: BoxOffice, server: Serving, page: Page, event: Event) -> str:
    """Book two tickets and return the path of the booking."""
    await sign_in(office, page.context, server)
    type_id = await office.ticket_type(event)
    await page.goto(f"/events/{show_id('evt', event.event_id)}/book?{type_id}=2")
    await page.get_by_role("button", name="Book, and pay").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("You are going")
    return urlsplit(page.url).path


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_names_are_given_for_all_tickets_and_changed_on_one(
    office: BoxOffice, server: Serving, browser: Browser, *, script: bool
) -> None:
    event = await open_event(office)
    async with opened(browser, server, java_script_enabled=script) as page:
        path = await book(office, server, page, event)
        await expect(page.get_by_role("heading", name="2 tickets need a name")).to_be_visible()
        await page.get_by_role("link", name="To the names").click()
        first = page.get_by_label(re.compile("^Ticket 1:"))
        second = page.get_by_label(re.compile("^Ticket 2:"))
        await first.fill("Grace Hopper")
        await second.fill("   ")
        await page.get_by_role("button", name="Save the names").click()
        await expect(page.get_by_role("alert")).to_contain_text("Ticket 2: must not be blank.")
        await page.get_by_role("alert").get_by_role("link").click()
        await expect(second).to_be_focused()
        await expect(first).to_have_value("Grace Hopper")
        await second.fill("محمد")
        await page.get_by_role("button", name="Save the names").click()
        await expect(page.get_by_role("status").first).to_have_text("The names are saved.")
        await expect(page.get_by_text("need a name")).to_have_count(0)
        assert urlsplit(page.url).path == path
        await page.reload()
        await expect(first).to_have_value("Grace Hopper")
        await page.get_by_role("link", name="Show the ticket").first.click()
        await page.get_by_text("Change the name").click()
        await page.get_by_label("Name", exact=True).fill("Ada Lovelace")
        await page.get_by_role("button", name="Save the name").click()
        await expect(page.get_by_role("definition").filter(has_text="Ada Lovelace")).to_be_visible()


async def test_names_are_given_by_keyboard_alone(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await open_event(office)
    async with opened(browser, server) as page:
        await book(office, server, page, event)
        await page.get_by_label(re.compile("^Ticket 1:")).focus()
        await page.keyboard.type("Grace Hopper")
        await page.keyboard.press("Tab")
        await page.keyboard.type("Linus")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status").first).to_have_text("The names are saved.")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_axe_finds_nothing_serious_where_names_are_written(
    office: BoxOffice, server: Serving, browser: Browser, axe: str, theme: Any, size: Any
) -> None:
    event = await open_event(office)
    async with opened(browser, server, viewport=size, color_scheme=theme, bypass_csp=True) as page:
        path = await book(office, server, page, event)
        ticket = await page.get_by_role("link", name="Show the ticket").first.get_attribute("href")
        assert ticket is not None
        assert await faults_of(page, path, axe) == []
        assert await faults_of(page, ticket, axe) == []
        await page.goto(path)
        await page.get_by_label(re.compile("^Ticket 1:")).fill("   ")
        await page.get_by_role("button", name="Save the names").click()
        await page.evaluate(axe)
        result = await page.evaluate("axe.run({ resultTypes: ['violations'], preload: false })")
        serious = [
            fault["id"] for fault in result["violations"] if fault["impact"] in ("serious", "critical")
        ]
        assert serious == []


async def test_a_long_name_stays_inside_the_smallest_screen(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await open_event(office)
    async with opened(browser, server, viewport=NARROWEST) as page:
        path = await book(office, server, page, event)
        await page.get_by_label(re.compile("^Ticket 1:")).fill(LONGEST)
        await page.get_by_role("button", name="Save the names").click()
        await expect(page.get_by_role("status").first).to_have_text("The names are saved.")
        ticket = await page.get_by_role("link", name="Show the ticket").first.get_attribute("href")
        for each in (path, ticket or ""):
            await page.goto(each)
            assert await page.evaluate("document.documentElement.scrollWidth") <= NARROWEST["width"], each
