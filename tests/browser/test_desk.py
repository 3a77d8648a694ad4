"""The frame of the desk in a browser: axe in both themes and sizes, the menu, small screens."""

from __future__ import annotations

from typing import Any, Final

import pytest
from playwright.async_api import Browser, Page, expect

from evently.kit.clock import utc_now
from tests.browser.test_buying import DESKTOP, NARROWEST, PHONE, faults_of, opened, sign_in
from tests.support.box_office import BoxOffice
from tests.support.desk import address_of, home_of, sign_in_member
from tests.support.serving import Serving

TABS: Final = ("", "/edit", "/tickets", "/tickets/new", "/codes", "/terms", "/copy", "/cancel")
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
            for path in (
                "/organize?choose=yes",
                home_of(office),
                "/organize/events/new",
                address_of(draft),
                *(f"{address_of(event)}{tab}" for tab in TABS),
            )
        }
        if size == PHONE:
            await page.get_by_role("button", name="Menu").click()
            await page.evaluate(axe)
            opened_menu = await page.evaluate("axe.run({ resultTypes: ['violations'], preload: false })")
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
        overview = page.get_by_role("link", name="Overview")
        await expect(overview).to_be_hidden()
        await page.get_by_role("button", name="Menu").focus()
        await page.keyboard.press("Enter")
        await expect(overview).to_be_visible()
        await expect(overview).to_have_attribute("aria-current", "page")
        await page.keyboard.press("Escape")
        await expect(overview).to_be_hidden()
        await page.keyboard.press("Enter")
        await tab_to(page, "Door")
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**{address_of(event)}/door")


async def test_the_page_that_is_open_is_seen_in_the_menu(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_event()
    async with opened(browser, server, viewport={"width": 1280, "height": 400}) as page:
        await sign_in_member(office, page.context, server.url)
        for tab in ("", "/door", "/cancel", "/copy"):
            await page.goto(f"{address_of(event)}{tab}")
            current = page.locator(".rail-menu a[aria-current]")
            await expect(current).to_have_count(1)
            await expect(current).to_be_in_viewport()
            assert await page.evaluate("scrollY") == 0, "the page itself stays where it is"
        await page.get_by_text("All of").click()
        await page.get_by_role("link", name="Events").click()
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
        tabs = [f"{address_of(event)}{tab}" for tab in TABS]
        for path in ("/organize?choose=yes", home_of(office), "/organize/events/new", *tabs):
            await page.goto(path)
            assert await width_of(page) <= NARROWEST["width"], path


async def width_of(page: Page) -> int:
    """Return how wide the page is, whatever the screen shows of it."""
    return int(await page.evaluate("document.documentElement.scrollWidth"))


async def press(page: Page, text: str) -> None:
    """Type with the keyboard."""
    await page.keyboard.type(text)


async def tab_to(page: Page, field: str) -> None:
    """Press Tab until what has this id or name has the focus; it must be seen there."""
    for _ in range(80):
        await page.keyboard.press("Tab")
        focused = await page.evaluate(
            "[document.activeElement.id, document.activeElement.textContent.trim(), "
            "getComputedStyle(document.activeElement).outlineStyle]"
        )
        if field in focused[:2]:
            assert focused[2] != "none", f"{field} shows no focus"
            return
    raise AssertionError(f"{field} cannot be reached with Tab")


async def follow(page: Page, name: str, heading: str) -> None:
    """Follow a link or press a button with the keyboard, and wait for the page with this heading."""
    await tab_to(page, name)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text(heading)


async def test_from_an_empty_account_to_a_published_event_with_a_code_by_keyboard_alone(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    async with opened(browser, server, viewport=DESKTOP) as page:
        await sign_in(office, page.context, server)
        await page.goto("/me")
        await follow(page, "Become an organizer", "Become an organizer")
        await tab_to(page, "name")
        await press(page, "Seven Lighthouses")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Seven Lighthouses")
        await follow(page, "Create your first event", "New event")
        for field, typed in (
            ("title", "Fog and Brass"),
            ("starts_day", f"0520{utc_now().year + 1}"),
            ("venue_name", "Pier 7"),
            ("venue_address", "Pier 7, Lisbon"),
            ("venue_city", "Lisbon"),
            ("venue_country", "Malta"),
            ("price_1", "29,90"),
            ("places_1", "400"),
        ):
            await tab_to(page, field)
            await press(page, typed)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Fog and Brass")
        await expect(page.locator(".checklist .done")).to_have_count(2)
        await tab_to(page, "Preview as a buyer")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("Only members of")).to_contain_text("see this page")
        await expect(page.locator(".price").first).to_contain_text("29.90")
        await tab_to(page, "Back to the desk")
        await page.keyboard.press("Enter")
        await expect(page.locator(".checklist .done")).to_have_count(2)
        await tab_to(page, "Publish it")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status").first).to_contain_text("It is published.")
        await follow(page, "Promo codes", "Promo codes")
        await tab_to(page, "code")
        await press(page, "spring")
        await tab_to(page, "value")
        await press(page, "10")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("link", name="SPRING")).to_be_visible()
        event = await page.get_by_role("link", name="Overview").get_attribute("href")
        assert event is not None
        buyer = event.removeprefix("/organize")
        await page.goto(f"{buyer}?code=spring")
        await expect(page.locator(".promo")).to_contain_text("The prices are those with the code SPRING.")
        await expect(page.get_by_role("button", name="Book")).to_be_visible()
