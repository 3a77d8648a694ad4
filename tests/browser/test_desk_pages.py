"""Pages of the desk and of administration in a browser: axe in both themes and sizes, by keyboard alone."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from evently.kit.ids import show_id
from tests.api.test_admin import as_admin
from tests.browser.test_buying import DESKTOP, NARROWEST, PHONE, faults_of, opened
from tests.browser.test_desk import follow, press, tab_to, width_of
from tests.support.box_office import BoxOffice
from tests.support.desk import address_of, home_of, sign_in_member
from tests.support.serving import Serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

PAGES_OF_EVENT = ("attendees", "money", "journal", "dates", "waitlist", "questions", "door", "waiting-room")


async def pages_of(office: BoxOffice) -> list[str]:
    """Return the pages of a sold event and of its organizer that have no test of their own."""
    event = await office.open_event(capacity=20)
    booking = (await office.book(event, office.as_buyer(), 2)).json()["id"]
    address, home = address_of(event), home_of(office)
    venue = f"/organize/venues/{show_id('ven', office.venue.venue_id)}"
    return [
        f"{address}/bookings",
        f"{address}/bookings?q=nobody",
        f"{address}/bookings/{booking}",
        f"{address}/bookings/{booking}/cancel",
        *(f"{address}/{tab}" for tab in PAGES_OF_EVENT),
        *(f"{home}/{place}" for place in ("money", "venues", "people", "keys")),
        venue,
        f"{venue}/seat-maps",
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_axe_finds_nothing_serious_on_the_pages_of_a_sale(
    office: BoxOffice, server: Serving, browser: Browser, axe: str, theme: Any, size: Any
) -> None:
    paths = await pages_of(office)
    async with opened(browser, server, viewport=size, color_scheme=theme, bypass_csp=True) as page:
        await sign_in_member(office, page.context, server.url)
        found = {path: await faults_of(page, path, axe) for path in paths}
    assert {path: faults for path, faults in found.items() if faults} == {}


async def test_the_pages_of_a_sale_do_not_scroll_sideways(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    wide = {}
    async with opened(browser, server, viewport=NARROWEST) as page:
        await sign_in_member(office, page.context, server.url)
        for path in await pages_of(office):
            await page.goto(path)
            wide[path] = await width_of(page)
    assert {path: width for path, width in wide.items() if width > NARROWEST["width"]} == {}


async def test_a_booking_is_found_and_cancelled_by_keyboard_alone(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_event(capacity=20)
    booking = (await office.book(event, office.as_buyer(), 2)).json()
    async with opened(browser, server, viewport=DESKTOP) as page:
        await sign_in_member(office, page.context, server.url)
        await page.goto(address_of(event))
        await follow(page, "Bookings", "Bookings")
        await tab_to(page, "q")
        await press(page, booking["reference"])
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/bookings?q=*")
        await expect(page.locator("main tbody tr")).to_have_count(1)
        await page.locator("main tbody a").first.focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text(f"Booking {booking['reference']}")
        await choose(page, "ticket")
        await follow(page, "See what cancelling pays back", "Cancel 1 ticket")
        await tab_to(page, "Cancel 1 ticket")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("cancelled")


async def test_a_question_is_asked_and_a_person_invited_by_keyboard_alone(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_event(capacity=20)
    async with opened(browser, server, viewport=DESKTOP) as page:
        await sign_in_member(office, page.context, server.url)
        await page.goto(address_of(event))
        await follow(page, "Questions", "Questions to buyers")
        await choose(page, "kind")
        await tab_to(page, "label")
        await press(page, "How do you come here?")
        await tab_to(page, "Add the question")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("link", name="How do you come here?")).to_be_visible()
        await tab_to(page, await page.locator(".rail-places summary").inner_text())
        await page.keyboard.press("Enter")
        await follow(page, "People", "People")
        await tab_to(page, "email")
        await press(page, "zoe@evently.example")
        await choose(page, "role")
        await tab_to(page, "Invite")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("rowheader", name="zoe@evently.example")).to_be_visible()


async def test_an_account_is_locked_by_keyboard_alone(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    admin = await as_admin(office, "mina-keyboard@evently.example")
    await office.context.accounts.register("mallory@evently.example", "Mallory", "a long pass phrase", None)
    token = admin["Authorization"].removeprefix("Bearer ")
    async with opened(browser, server, viewport=DESKTOP) as page:
        await page.context.add_cookies(
            [{"name": "evently", "value": f"evb_unknown.{token}", "url": server.url}]
        )
        await page.goto("/admin")
        await follow(page, "People", "People")
        await tab_to(page, "q")
        await press(page, "mallory")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/admin/people?q=mallory*")
        await follow(page, "Mallory", "Mallory")
        await tab_to(page, "Lock it, and end its log-ins")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("Say why")
        await reach(page, "reason")
        await press(page, "Sells tickets of other people.")
        await tab_to(page, "Lock it, and end its log-ins")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("Locked", exact=True)).to_be_visible()


async def reach(page: Page, name: str) -> None:
    """Press Tab until a field of this name has the focus."""
    for _ in range(80):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.name") == name:
            return
    raise AssertionError(f"{name} cannot be reached with Tab")


async def choose(page: Page, name: str) -> None:
    """Reach a box or a radio button of this name, and choose it."""
    await reach(page, name)
    await page.keyboard.press("Space")
