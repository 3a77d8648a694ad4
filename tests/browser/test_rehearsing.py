"""Rehearsals in a browser: started, followed, stopped, their report; axe, small screens, without script."""

from __future__ import annotations

import itertools
import re
from typing import Literal

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.test_buying import DESKTOP, NARROWEST, PHONE, faults_of, opened
from tests.support.box_office import BoxOffice
from tests.support.desk import address_of, sign_in_member
from tests.support.serving import Serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]
PATIENCE_MS = 100_000


async def start(page: Page, address: str, *, buyers: int, seconds: int) -> None:
    """Fill in the form and start a rehearsal."""
    await page.goto(f"{address}/rehearse")
    await page.get_by_label("Buyers", exact=True).fill(str(buyers))
    await page.get_by_label("Within seconds").fill(str(seconds))
    await page.get_by_role("button", name="Start the rehearsal").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Rehearsal")


async def test_a_rehearsal_is_followed_to_its_report(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_event(capacity=30)
    async with opened(browser, server, viewport=DESKTOP) as page:
        await sign_in_member(office, page.context, server.url, "manager")
        await start(page, address_of(event), buyers=40, seconds=8)
        await expect(page.locator('[data-rehearsal="sold-of"]')).to_have_text(
            "of 30 sold", timeout=PATIENCE_MS
        )
        arrived = page.locator('[data-rehearsal="arrived"]')
        await expect(arrived).not_to_have_text("0", timeout=PATIENCE_MS)
        await expect(page.get_by_role("heading", name="Nothing went wrong")).to_be_visible(
            timeout=PATIENCE_MS
        )
        await expect(page.locator("main")).to_contain_text("30 of 30 tickets were sold to 40 buyers")
        if await page.evaluate("typeof uPlot !== 'undefined'"):
            await expect(page.locator("[data-chart] canvas")).to_have_count(3)
        report = page.url
        await page.get_by_role("link", name="All rehearsals").click()
        await expect(page.locator("tbody tr")).to_have_count(1)
        await page.locator("tbody th a").click()
        assert page.url == report


async def test_it_is_stopped_by_keyboard_and_without_script(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_event(capacity=30)
    async with opened(browser, server, viewport=DESKTOP, java_script_enabled=False) as page:
        await sign_in_member(office, page.context, server.url)
        await page.goto(f"{address_of(event)}/rehearse")
        await page.get_by_label("Buyers", exact=True).fill("20")
        await page.get_by_label("Within seconds").fill("120")
        await page.get_by_label("Within seconds").press("Enter")
        # It loads itself again and again: each time there is another button
        await expect(page.locator('[data-state="running"]')).to_be_visible(timeout=PATIENCE_MS)
        await page.get_by_role("button", name="Stop it").press("Enter")
        await expect(page.locator("main")).to_contain_text("A member stopped it.", timeout=PATIENCE_MS)


async def test_what_is_wrong_is_said_at_its_field(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_event(capacity=30)
    async with opened(browser, server) as page:
        await sign_in_member(office, page.context, server.url)
        await page.goto(f"{address_of(event)}/rehearse")
        await page.get_by_label("Buyers", exact=True).fill("6,000")
        await page.get_by_label("Within seconds").fill("7")
        await page.get_by_role("button", name="Start the rehearsal").click()
        await expect(page.get_by_role("alert")).to_contain_text("at most 5,000 buyers")
        assert await page.get_by_label("Buyers", exact=True).input_value() == "6,000", "nothing typed is lost"
        await page.get_by_label("Buyers", exact=True).fill("many")
        await page.get_by_label("Within seconds").fill("0")
        await page.get_by_role("button", name="Start the rehearsal").click()
        await expect(page.get_by_role("alert")).to_contain_text("Enter a whole number.")
        await page.get_by_label("Buyers", exact=True).fill("5")
        await page.get_by_role("button", name="Start the rehearsal").click()
        await expect(page.get_by_role("alert")).to_contain_text("Enter a number of seconds from 1 to 120.")


async def test_axe_finds_nothing_serious(
    office: BoxOffice, server: Serving, browser: Browser, axe: str
) -> None:
    """In both themes and sizes."""
    event, running = await office.open_event(capacity=9), await office.open_event(capacity=9)
    async with opened(browser, server, bypass_csp=True) as page:
        await sign_in_member(office, page.context, server.url)
        await start(page, address_of(event), buyers=12, seconds=1)
        await expect(page.get_by_role("heading", name="Nothing went wrong")).to_be_visible(
            timeout=PATIENCE_MS
        )
        report = page.url
        await start(page, address_of(running), buyers=12, seconds=120)
        await expect(page.locator('[data-rehearsal="sold"]')).to_be_visible(timeout=PATIENCE_MS)
        live = page.url
        form = f"{address_of(event)}/rehearse"
        found = {}
        themes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
        for theme, size in itertools.product(themes, (PHONE, DESKTOP)):
            await page.emulate_media(color_scheme=theme)
            await page.set_viewport_size(size)
            for path in (form, live, report):
                found[path, theme, size["width"]] = await faults_of(page, path, axe)
        await page.set_viewport_size(NARROWEST)
        for path in (form, live, report):
            await page.goto(path)
            wide = await page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert wide <= 0, path
        await page.goto(live)
        await page.get_by_role("button", name=re.compile("Stop")).click()
        await expect(page.locator("main")).to_contain_text("It was stopped", timeout=PATIENCE_MS)
    assert {path: faults for path, faults in found.items() if faults} == {}
