"""The palette of the desk: Ctrl K and /, by keyboard alone; without script a page at the same address."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.browser.test_buying import DESKTOP, NARROWEST, PHONE, SERIOUS, faults_of, opened
from tests.support.box_office import BoxOffice
from tests.support.desk import address_of, home_of, sign_in_member
from tests.support.serving import Serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


async def test_by_keyboard_alone(office: BoxOffice, server: Serving, browser: Browser) -> None:
    event = await office.open_event()
    async with opened(browser, server, viewport=DESKTOP) as page:
        await sign_in_member(office, page.context, server.url)
        await page.goto(f"{address_of(event)}/codes")
        await page.keyboard.press("Control+k")
        palette = page.get_by_role("dialog", name="Find")
        await expect(palette.get_by_role("searchbox")).to_be_focused()
        await page.keyboard.type("book")
        await expect(palette.get_by_role("link")).to_have_count(1)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**{address_of(event)}/bookings")
        await page.keyboard.press("/")
        await expect(palette.get_by_role("searchbox")).to_be_focused()
        await page.keyboard.type("mo")
        await expect(palette.get_by_role("link")).to_have_count(2)
        await page.keyboard.press("ArrowDown")
        await expect(palette.get_by_role("link").first).to_be_focused()
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("ArrowDown")
        await expect(palette.get_by_role("searchbox")).to_be_focused()
        await page.keyboard.press("ArrowUp")
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**{home_of(office)}/money")
        await page.keyboard.press("Control+k")
        await expect(palette.get_by_role("searchbox")).to_be_focused()
        await page.keyboard.type("nothing that is there")
        await expect(palette.get_by_role("status")).to_contain_text("Nothing for")
        await page.keyboard.press("Escape")
        await expect(palette).to_be_hidden()


async def test_a_slash_in_a_field_is_a_slash_and_the_key_can_be_switched_off(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_event()
    async with opened(browser, server, viewport=DESKTOP) as page:
        await sign_in_member(office, page.context, server.url)
        await page.goto(f"{address_of(event)}/bookings")
        palette = page.get_by_role("dialog", name="Find")
        field = page.get_by_label("Find a booking")
        await field.fill("a")
        await field.press("/")
        await expect(field).to_have_value("a/")
        await expect(palette).to_have_count(0)
        await page.get_by_role("link", name="Find").click()
        await palette.get_by_label("Open with / as well").uncheck()
        await page.keyboard.press("Escape")
        await page.goto(address_of(event))
        await page.keyboard.press("/")
        await page.keyboard.press("Control+k")
        await expect(palette.get_by_role("searchbox")).to_be_focused()
        await expect(palette.get_by_role("searchbox")).to_have_value("")
        await expect(palette.get_by_label("Open with / as well")).not_to_be_checked()


async def test_without_script_it_is_a_page(office: BoxOffice, server: Serving, browser: Browser) -> None:
    event = await office.open_event()
    async with opened(browser, server, java_script_enabled=False, viewport=DESKTOP) as page:
        await sign_in_member(office, page.context, server.url)
        await page.goto(address_of(event))
        await page.get_by_role("link", name="Find").click()
        await page.get_by_role("searchbox").fill("money")
        await page.get_by_role("searchbox").press("Enter")
        await expect(page.get_by_role("main").get_by_role("link")).to_have_count(2)
        await page.get_by_role("main").get_by_role("link").first.click()
        await page.wait_for_url(f"**{address_of(event)}/money")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_axe_finds_nothing_serious(
    office: BoxOffice, server: Serving, browser: Browser, axe: str, theme: Any, size: Any
) -> None:
    event = await office.open_event()
    await office.book(event, office.as_buyer(), 2)
    async with opened(browser, server, viewport=size, color_scheme=theme, bypass_csp=True) as page:
        await sign_in_member(office, page.context, server.url)
        assert await faults_of(page, f"{home_of(office)}/find?q=m", axe) == []
        await page.goto(address_of(event))
        await page.keyboard.press("Control+k")
        palette = page.get_by_role("dialog", name="Find")
        await expect(palette.get_by_role("searchbox")).to_be_focused()
        await page.keyboard.type("m")
        await expect(palette.get_by_role("link").first).to_be_visible()
        await page.evaluate(axe)
        found = await page.evaluate("axe.run({ resultTypes: ['violations'], preload: false })")
        assert [each["id"] for each in found["violations"] if each["impact"] in SERIOUS] == []
        await page.set_viewport_size(NARROWEST)
        await page.wait_for_function("document.documentElement.scrollWidth <= innerWidth")
