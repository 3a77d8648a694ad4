"""The frame of the desk in a browser: axe in both themes and sizes, the menu, small screens."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.test_buying import DESKTOP, NARROWEST, PHONE, faults_of, opened
from tests.support.box_office import BoxOffice
from tests.support.desk import address_of, home_of, sign_in_member
from tests.support.serving import Serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_axe_finds_nothing_serious_at_the_desk(
    office: BoxOffice, server: Serving, browser: Browser, axe: str, theme: Any, size: Any
) -> None:
    event, draft = await office.open_event(capacity=20), await office.open_event(publish=False)
    await office.book(event, office.as_buyer(), 3)
    async with opened(browser, server, viewport=size, color_scheme=theme, bypass_csp=True) as page:
        await sign_in_member(office, page.context, server.url)
        found = {
            path: await faults_of(page, path, axe)
            for path in ("/organize?choose=yes", home_of(office), address_of(event), address_of(draft))
        }
        if size == PHONE:
            await page.get_by_role("button", name="Menu").click()
            await page.evaluate(axe)
            opened_menu = await page.evaluate("axe.run()")
            found["menu"] = [
                each["id"] for each in opened_menu["violations"] if each["impact"] in ("serious", "critical")
            ]
    assert {path: faults for path, faults in found.items() if faults} == {}


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_the_menu_of_a_phone_opens_by_keyboard(
    office: BoxOffice, server: Serving, browser: Browser, *, script: bool
) -> None:
    event = await office.open_event()
    async with opened(browser, server, java_script_enabled=script) as page:
        await sign_in_member(office, page.context, server.url)
        await page.goto(address_of(event))
        events = page.get_by_role("link", name="Events")
        await expect(events).to_be_hidden()
        await page.get_by_role("button", name="Menu").focus()
        await page.keyboard.press("Enter")
        await expect(events).to_be_visible()
        await expect(page.get_by_role("link", name="Overview")).to_have_attribute("aria-current", "page")
        await page.keyboard.press("Escape")
        await expect(events).to_be_hidden()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**{home_of(office)}")


async def test_beside_the_page_the_menu_is_always_there(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    async with opened(browser, server, viewport=DESKTOP) as page:
        await sign_in_member(office, page.context, server.url)
        await page.goto(home_of(office))
        await expect(page.get_by_role("link", name="Events")).to_be_visible()
        await expect(page.get_by_role("button", name="Menu")).to_be_hidden()


async def test_the_desk_does_not_scroll_sideways(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_event(name="Grundstücksverkehrsgenehmigungszuständigkeitsübertragung")
    async with opened(browser, server, viewport=NARROWEST) as page:
        await sign_in_member(office, page.context, server.url)
        for path in ("/organize?choose=yes", home_of(office), address_of(event)):
            await page.goto(path)
            assert await width_of(page) <= NARROWEST["width"], path


async def width_of(page: Page) -> int:
    """Return how wide the page is, whatever the screen shows of it."""
    return int(await page.evaluate("document.documentElement.scrollWidth"))
