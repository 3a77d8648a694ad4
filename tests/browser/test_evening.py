"""The evening of an on-sale in a browser: figures that follow the sale, a lost stream, axe, small screens."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.browser.test_buying import DESKTOP, NARROWEST, PHONE, faults_of, opened
from tests.support.box_office import BoxOffice
from tests.support.desk import address_of, sign_in_member
from tests.support.serving import Serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
PATIENCE_MS = 60_000


async def test_the_page_follows_the_sale(office: BoxOffice, server: Serving, browser: Browser) -> None:
    event = await office.open_event(capacity=7)
    await office.book(event, office.as_buyer(), 1)
    async with opened(browser, server, viewport=DESKTOP) as page:
        await sign_in_member(office, page.context, server.url)
        await page.goto(address_of(event))
        sold = page.locator('[data-evening="sold"]')
        await expect(sold).to_have_text("1")
        await expect(page.locator("[data-how]")).to_have_text(", live", timeout=PATIENCE_MS)
        await office.book(event, office.as_buyer(), 3)
        await expect(sold).to_have_text("4", timeout=PATIENCE_MS)
        await expect(page.locator('[data-evening="left"]')).to_have_text("3")
        await office.book(event, office.as_buyer(), 3)
        await expect(page.locator('[data-evening="until"]')).to_have_text("Sold out", timeout=PATIENCE_MS)
        await expect(page.locator("[data-state]")).to_have_attribute("data-state", "sold_out")


async def test_the_curve_is_drawn_by_script(office: BoxOffice, server: Serving, browser: Browser) -> None:
    event = await office.open_event(capacity=50)
    await office.book(event, office.as_buyer(), 5)
    async with opened(browser, server, viewport=DESKTOP) as page:
        await sign_in_member(office, page.context, server.url)
        await page.goto(address_of(event))
        if not await page.evaluate("typeof uPlot !== 'undefined'"):
            pytest.skip("uPlot was not fetched")
        await expect(page.locator("[data-plot] canvas")).to_be_visible(timeout=PATIENCE_MS)
        await expect(page.locator("[data-plot] > svg")).to_have_count(0)


async def test_a_lost_stream_says_how_old_the_figures_are(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_event()
    async with opened(browser, server) as page:
        await sign_in_member(office, page.context, server.url)
        await page.route("**/evening", lambda route: route.abort())
        await page.goto(address_of(event))
        await expect(page.locator("[data-how]")).to_contain_text("seconds ago", timeout=2 * PATIENCE_MS)
        await expect(page.locator('[data-live="lost"]')).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_axe_finds_nothing_serious(
    office: BoxOffice, server: Serving, browser: Browser, axe: str, theme: Any, size: Any
) -> None:
    event, hall = await office.open_event(capacity=20), await office.open_hall()
    await office.book(event, office.as_buyer(), 3)
    async with opened(browser, server, viewport=size, color_scheme=theme, bypass_csp=True) as page:
        await sign_in_member(office, page.context, server.url)
        found = {
            path: await faults_of(page, path, axe)
            for path in (
                address_of(event),
                f"{address_of(event)}/analytics",
                f"{address_of(hall)}/analytics",
                f"{address_of(event)}/waitlist",
            )
        }
    assert {path: faults for path, faults in found.items() if faults} == {}


async def test_nothing_scrolls_sideways(office: BoxOffice, server: Serving, browser: Browser) -> None:
    event = await office.open_event(capacity=1_000_000)
    await office.book(event, office.as_buyer(), 3)
    async with opened(browser, server, viewport=NARROWEST) as page:
        await sign_in_member(office, page.context, server.url)
        for rest in ("", "/analytics", "/waitlist"):
            await page.goto(address_of(event) + rest)
            wide = await page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert wide <= 0, rest
