"""Seats at the desk in a browser: the lasso, the keyboard, live states, 20,000 seats, axe."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from evently.catalogue import Event
from evently.seating.generate import arena
from tests.browser.test_buying import DESKTOP, NARROWEST, PHONE, faults_of, opened
from tests.browser.test_seat_map import ELEMENTS_MAX, open_map
from tests.support.box_office import BoxOffice
from tests.support.desk import address_of, sign_in_member
from tests.support.serving import Serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


async def see(page: Page, event: Event) -> None:
    """Open the page of the seats and wait for the map."""
    await page.goto(f"{address_of(event)}/seats")
    await page.locator("[data-desk-seats][data-ready]").wait_for()


async def lasso(page: Page, left: float, top: float, right: float, bottom: float) -> None:
    """Draw a line around a part of the map, in shares of its width and height."""
    picture = page.locator("svg.seat-picture")
    await picture.evaluate("node => node.scrollIntoView({block: 'center', behavior: 'instant'})")
    box = await picture.bounding_box()
    assert box is not None
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in corners]
    await page.mouse.move(*places[0])
    await page.mouse.down()
    for place in places[1:]:
        await page.mouse.move(*place, steps=4)
    await page.mouse.up()


async def test_a_lasso_blocks_seats_and_a_buyer_sees_it(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_hall()
    async with opened(browser, server, viewport=DESKTOP) as page:
        await sign_in_member(office, page.context, server.url)
        await see(page, event)
        said = page.locator("[data-said]")
        await expect(said).to_have_text("Nothing is chosen.")
        await lasso(page, 0.02, 0.02, 0.98, 0.98)
        await expect(said).to_have_text("16 seats chosen: 16 free.")
        await expect(page.locator('input[name="section"][value="Stalls"]')).to_be_checked()
        await page.keyboard.press("Escape")
        await expect(said).to_have_text("Nothing is chosen.")
        await page.get_by_label("Choose rows").check()
        await lasso(page, 0.02, 0.02, 0.98, 0.13)
        await expect(said).to_have_text("6 seats chosen: 6 free.")
        await page.get_by_label("For whom, or why").first.fill("Nordlicht")
        await page.get_by_role("button", name="Block these seats", exact=True).click()
        await expect(page.get_by_text("The seats are blocked")).to_be_visible()
        await page.locator("[data-desk-seats][data-ready]").wait_for()
        await expect(page.locator("path.blocked")).to_have_count(1)
        await expect(page.get_by_text("Nordlicht, 6 seats")).to_be_visible()
        states = await office.client.get(
            f"/v1/events{address_of(event).removeprefix('/organize/events')}/seats"
        )
        assert states.json()["seats"] == "1" * 6 + "0" * 10


async def test_zones_are_painted_by_keyboard(office: BoxOffice, server: Serving, browser: Browser) -> None:
    event = await office.open_hall()
    async with opened(browser, server, viewport=DESKTOP) as page:
        await sign_in_member(office, page.context, server.url)
        await see(page, event)
        await page.locator("summary", has_text="Sections and rows").press("Enter")
        balcony = page.locator('input[name="section"][value="Balcony"]')
        await balcony.focus()
        await page.keyboard.press("Space")
        await expect(page.locator("[data-said]")).to_have_text("4 seats chosen: 4 free.")
        await balcony.press("Space")
        rows = page.locator("summary", has_text="Rows of Stalls")
        await rows.focus()
        await page.keyboard.press("Enter")
        await page.locator('input[name="row"][value="Stalls/B"]').press("Space")
        await expect(page.locator('input[name="section"][value="Stalls"]')).to_have_js_property(
            "indeterminate", value=True
        )
        await page.get_by_label("Or a new zone").fill("Rear stalls")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("The seats are in their zone.")).to_be_visible()
        await page.locator("[data-desk-seats][data-ready]").wait_for()
        await expect(page.get_by_role("row", name="Rear stalls")).to_contain_text("No ticket type sells it")


async def test_what_buyers_do_is_seen_at_once(office: BoxOffice, server: Serving, browser: Browser) -> None:
    event = await office.open_hall(payment="online", hold_seconds=600)
    types = await office.types(event)
    async with opened(browser, server, viewport=DESKTOP) as page:
        await sign_in_member(office, page.context, server.url)
        await see(page, event)
        seats = {"ticket_type_id": types["Stalls"], "seats": ["S-A-2", "S-A-3"]}
        assert (await office.place(event, office.as_buyer(), seats)).status_code == 201
        await expect(page.locator("path.held-seat")).to_have_count(1)
        row = page.locator("[data-zone-row]", has_text="Stalls")
        await expect(row.locator('[data-count="held"]')).to_have_text("2")
        await expect(row.locator('[data-count="free"]')).to_have_text("10")


async def test_twenty_thousand_seats_stay_few_elements(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await open_map(office, arena(20_000))
    async with opened(browser, server, viewport=DESKTOP) as page:
        await sign_in_member(office, page.context, server.url)
        await see(page, event)
        await lasso(page, 0.02, 0.02, 0.98, 0.98)
        await expect(page.locator("[data-said]")).to_have_text("20,000 seats chosen: 20,000 free.")
        assert await page.locator("svg.seat-picture *").count() < ELEMENTS_MAX
        await page.get_by_role("button", name="Block these seats", exact=True).click()
        await expect(page.get_by_text("The seats are blocked")).to_be_visible(timeout=60_000)
        await expect(page.get_by_text("20,000 seats are blocked without a name.")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_axe_finds_nothing_serious_about_seats(
    office: BoxOffice, server: Serving, browser: Browser, axe: str, theme: Any, size: Any
) -> None:
    seated, plain = await office.open_hall(), await office.open_event(publish=False)
    async with opened(browser, server, viewport=size, color_scheme=theme, bypass_csp=True) as page:
        headers = await sign_in_member(office, page.context, server.url)
        where = f"/v1/events{address_of(seated).removeprefix('/organize/events')}"
        made = await office.client.post(
            f"{where}/seat-blocks", json={"name": "Press", "rows": ["Stalls/A"]}, headers=headers
        )
        assert made.status_code == 201
        for event in (seated, plain):
            assert await faults_of(page, f"{address_of(event)}/seats", axe) == []


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_the_seats_do_not_scroll_sideways(
    office: BoxOffice, server: Serving, browser: Browser, *, script: bool
) -> None:
    event = await office.open_hall()
    async with opened(browser, server, viewport=NARROWEST, java_script_enabled=script) as page:
        await sign_in_member(office, page.context, server.url)
        await page.goto(f"{address_of(event)}/seats")
        width = await page.locator("main").evaluate("node => document.documentElement.scrollWidth")
        assert width <= NARROWEST["width"]
