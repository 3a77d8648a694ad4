"""The waiting room in a browser: a person waits, is let in, books, and computes the draw again."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.async_api import Browser, expect

from evently.kit.ids import new_id, show_id
from tests.browser.scenes_waiting_room import put_before_sale
from tests.browser.test_buying import faults_of, opened, sign_in
from tests.support.box_office import BoxOffice
from tests.support.serving import Serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

AHEAD = (4, 20, 60)  # seconds until the sale: on a busy machine, entering takes longer


async def test_a_person_waits_is_let_in_books_and_computes_the_draw(
    office: BoxOffice, server: Serving, browser: Browser, axe: str
) -> None:
    async with opened(browser, server) as page:
        await sign_in(office, page.context, server)
        far = await put_before_sale(office, timedelta(hours=20), opens_minutes_before=1440)
        address = f"/events/{show_id('evt', far.event_id)}/waiting-room"
        assert not await faults_of(page, address, axe)
        await page.get_by_role("button", name="Enter the waiting room").click()
        await page.get_by_role("heading", name="You are in").wait_for()
        assert not await faults_of(page, address, axe)
        for seconds in AHEAD:
            event = await put_before_sale(office, timedelta(seconds=seconds), per_minute=600)
            for _ in range(5):
                await office.context.waiting_rooms.enter(event.event_id, new_id())
            event_address = f"/events/{show_id('evt', event.event_id)}"
            await page.goto(f"{event_address}/waiting-room")
            await page.get_by_role("button", name="Enter the waiting room").click()
            await page.locator("[data-place], .note.good").first.wait_for()
            if await page.get_by_role("heading", name="You are in").is_visible():
                break
        heading = page.get_by_role("heading", level=1)
        await expect(heading).to_have_text("It is your turn", timeout=90_000)
        await page.get_by_role("link", name="Choose tickets").click()
        await page.get_by_role("button", name=re.compile("^One more")).first.click()
        await page.get_by_role("button", name="Book").click()
        await expect(heading).to_have_text("You are going")
        await page.goto(f"{event_address}/waiting-room/draw")
        await page.get_by_role("button", name="Compute the order").click()
        said = page.locator("[data-said]")
        await expect(said).to_contain_text("Everything agrees: the seed, the list of 6 and its order.")
        await expect(said).to_contain_text(re.compile(r"Your place came out as number [1-6]\."))
        assert not await faults_of(page, f"{event_address}/waiting-room/draw", axe)
