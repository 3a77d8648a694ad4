"""What a reader holds on every page, the reader's own time, and today in the month, in a browser."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.async_api import Browser, expect

from evently.kit.clock import utc_now
from evently.sales.terms import Conditions
from tests.browser.test_buying import ONLINE, address, opened, sign_in
from tests.support.box_office import BoxOffice
from tests.support.paying import sold_under
from tests.support.serving import Serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_the_way_back_to_a_hold_is_on_every_page(
    office: BoxOffice, server: Serving, browser: Browser, *, script: bool
) -> None:
    event = await office.open_event(terms=sold_under(ONLINE, 5))
    async with opened(browser, server, java_script_enabled=script) as page:
        await sign_in(office, page.context, server)
        await page.goto(f"{address(event)}/book?{await office.ticket_type(event)}=2")
        await page.get_by_role("button", name="Hold").click()
        await page.wait_for_url("**/bookings/bkg_*")
        held = page.url
        for path in ("/", "/events?view=month", address(event), f"{address(event)}/book", "/me"):
            await page.goto(path)
            bar = page.get_by_role("region", name="Held for you")
            await expect(bar).to_contain_text("held for another" if script else "held until")
        await page.get_by_role("link", name="Pay").click()
        await expect(page).to_have_url(held)
        await page.get_by_role("button", name="Give these tickets back").click()
        await page.goto("/")
        await expect(page.get_by_role("region", name="Held for you")).to_have_count(0)


async def test_the_bar_says_when_the_time_is_over(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    short = Conditions(payment="online", hold_seconds=15)
    event = await office.open_event(terms=sold_under(short, 5))
    async with opened(browser, server) as page:
        await sign_in(office, page.context, server)
        await page.goto(f"{address(event)}/book?{await office.ticket_type(event)}=1")
        await page.get_by_role("button", name="Hold").click()
        await page.wait_for_url("**/bookings/bkg_*")
        await page.goto("/")
        bar = page.get_by_role("region", name="Held for you")
        await expect(bar.locator("time")).to_have_text(re.compile(r"^0:(0\d|1[0-5])$"))
        await expect(bar).to_contain_text("Your time is over", timeout=60_000)
        await bar.get_by_role("link", name="Hold the same again").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Your time is over")


async def test_a_reader_elsewhere_sees_their_own_time_under_that_of_the_venue(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_event(capacity=5)
    async with opened(browser, server, timezone_id="Asia/Tokyo") as page:
        await page.goto(address(event))
        facts = page.locator(".dates")
        await expect(facts).to_contain_text("time in Berlin")
        await expect(facts.locator(".own-time")).to_contain_text("your time")
        there, here = event.starts_at_local, event.starts_at + timedelta(hours=9)
        said = f"{here:%H:%M}"
        if here.date() != there.date():
            said += f" on {here:%a} {here.day} {here:%b}"
        await expect(facts.locator(".own-time")).to_have_text(f"{said}, your time")
    async with opened(browser, server, timezone_id="Europe/Berlin") as page:
        await page.goto(address(event))
        await expect(page.locator(".stepper button").first).to_be_visible()
        await expect(page.locator(".own-time")).to_have_count(0)


async def test_today_is_marked_in_the_month(office: BoxOffice, server: Serving, browser: Browser) -> None:
    await office.open_event(capacity=5, starts_in=timedelta(minutes=5))
    before = utc_now()
    async with opened(browser, server, timezone_id="UTC") as page:
        await page.goto("/events?view=month")
        marked = page.locator("[aria-current=date]")
        days = {f"{day:%Y-%m-%d}" for day in (before, utc_now())}  # two at midnight
        await expect(marked).to_have_attribute("data-day", re.compile("|".join(days)))


async def test_one_minute_before_the_end_a_dialog_offers_more_time(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_event(terms=sold_under(ONLINE, 5))
    async with opened(browser, server) as page:
        await sign_in(office, page.context, server)
        await page.clock.install()
        await page.goto(f"{address(event)}/book?{await office.ticket_type(event)}=2")
        await page.get_by_role("button", name="Hold").click()
        await page.wait_for_url("**/bookings/bkg_*")
        held, dialog = page.url, page.get_by_role("dialog", name="One minute left")
        await expect(page.get_by_role("button", name="I need more time")).to_be_visible()
        await expect(page.locator(".hold")).to_contain_text("for another")  # the script counts
        await page.clock.run_for(8 * 60_000)
        await expect(dialog).to_be_hidden()
        await page.clock.run_for(65_000)
        await expect(dialog).to_be_visible()
        await expect(dialog).to_contain_text("Then the tickets go back on sale.")
        keep = dialog.get_by_role("button", name="Keep them 10 minutes longer")
        on = dialog.get_by_role("button", name="Go on without")
        assert await page.evaluate("document.activeElement.tagName") == "H2", "what is said, no button"
        await page.keyboard.press("Tab")
        await expect(keep).to_be_focused()
        await page.keyboard.press("Tab")
        await expect(on).to_be_focused()
        for _ in range(4):  # past the browser's own buttons, never to what is behind
            await page.keyboard.press("Tab")
            inside = "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
            assert await page.evaluate(inside)
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await page.goto("/")  # the time is the server's: nearly ten minutes are left of it
        await expect(page.get_by_role("region", name="Held for you")).to_contain_text("for another")
        await page.clock.run_for(9 * 60_000 + 5_000)
        await expect(dialog).to_be_visible()
        await keep.press("Enter")
        await expect(page).to_have_url(held)
        await expect(page.get_by_role("button", name="I need more time")).to_have_count(0)
        await expect(page.locator(".hold")).to_contain_text("for another")
        await page.clock.run_for(9 * 60_000 + 5_000)
        await expect(dialog).to_contain_text("They cannot be held any longer.")
        await expect(keep).to_have_count(0)
        await dialog.get_by_role("button", name="Go on").click()
        await expect(dialog).to_be_hidden()


async def test_without_script_there_is_no_dialog(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_event(terms=sold_under(ONLINE, 5))
    async with opened(browser, server, java_script_enabled=False) as page:
        await sign_in(office, page.context, server)
        await page.goto(f"{address(event)}/book?{await office.ticket_type(event)}=1")
        await page.get_by_role("button", name="Hold").click()
        await expect(page.get_by_role("button", name="I need more time")).to_be_visible()
        await expect(page.locator("dialog")).to_be_hidden()
        await page.goto("/")
        await expect(page.locator("dialog")).to_be_hidden()
