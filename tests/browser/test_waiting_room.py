"""The waiting room in a browser: a person waits, is let in, books, and computes the draw again."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import pytest
from playwright.async_api import Browser, Page, Route, expect

from evently import organizing
from evently.catalogue import Event
from evently.kit.ids import find_id, new_id, show_id
from evently.waitingroom import Wait
from evently.web.pages.waiting_room import wait_in_words
from tests.browser.scenes_waiting_room import put_before_sale
from tests.browser.test_buying import DESKTOP, NARROWEST, PHONE, faults_of, opened, sign_in
from tests.support.box_office import BoxOffice
from tests.support.desk import address_of, sign_in_member
from tests.support.serving import Serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

FRESH_MS = 2_100  # who looks again sooner asks nothing
POLL_MS = 10_000  # longer than any pause between polls here
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
            await others_enter(office, event, 5)
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
        await expect(said).to_contain_text(
            "Everything agrees: the seed (this browser noted its fingerprint before), the list of 6 and its"
        )
        await expect(said).to_contain_text(re.compile(r"Your place came out as number [1-6]\."))
        assert not await faults_of(page, f"{event_address}/waiting-room/draw", axe)
        name = f"evently-seed-{event_address.rpartition('/')[2]}"
        await page.evaluate("name => localStorage.setItem(name, '00')", name)
        await page.get_by_role("button", name="Compute the order").click()
        await expect(said).to_have_text("The seed is not the one that was promised.")


async def test_the_page_says_what_the_polls_say(office: BoxOffice, server: Serving, browser: Browser) -> None:
    """In the words of the page itself. After errors it asks again; a phone that wakes up asks at once."""
    async with opened(browser, server) as page:
        await sign_in(office, page.context, server)
        await page.clock.install()  # so that it can leap
        address = await waiting_in_line(office, page, browser)
        answers: list[dict[str, object]] = []
        polls = 0
        waits = [(0, 40), (30, 61), (59, 119), (60, 120), (61, 500), (3_600, 3_660), (200, None), (10, None)]

        async def answer(route: Route) -> None:
            nonlocal polls
            polls += 1
            if polls == 1:
                await route.fulfill(status=503, headers={"retry-after": "1"})
                return
            await route.fulfill(json=answers[0])

        await page.route("**/waiting-room/place", answer)
        for number, (soonest, latest) in enumerate(waits):
            ahead = len(waits) - number
            answers[:] = [
                {
                    "state": "waiting",
                    "position": 70,
                    "ahead": ahead,
                    "wait_from_seconds": soonest,
                    "wait_to_seconds": latest,
                    "sold_out": False,
                    "poll_after_seconds": 0,
                }
            ]
            await until_asked(page, "[data-ahead]", str(ahead))
            said = f"Your turn comes {wait_in_words(Wait(soonest, latest))}."
            await expect(page.locator("[data-wait]")).to_have_text(said)
            await expect(page.locator("[data-may-sell-out]")).to_be_visible(visible=latest is None)
        before = "person is" if ahead == 1 else "people are"
        await expect(page.locator("[data-before]")).to_have_text(before)
        answers[0] |= {"wait_from_seconds": None, "poll_after_seconds": 3_600, "ahead": 31}
        await until_asked(page, "[data-wait]", "Nobody is let in at this moment.")
        answers[0] |= {"ahead": 30}
        await page.clock.fast_forward(FRESH_MS)
        await page.evaluate("dispatchEvent(new Event('visibilitychange'))")
        await expect(page.locator("[data-ahead]")).to_have_text("30", timeout=60_000)
        await page.unroute("**/waiting-room/place")
        async with office.context.database.transaction() as tx:
            event_id = find_id("evt", address.split("/")[2])
            assert event_id is not None
            await organizing.cancel_event(tx, event_id, office.context.clock())
        await page.clock.fast_forward(FRESH_MS)
        await page.evaluate("dispatchEvent(new Event('online'))")
        await page.get_by_text("This event is cancelled.").wait_for(timeout=60_000)


async def until_asked(page: Page, part: str, text: str) -> None:
    """Make the clock of the page leap, until the answer of a poll is on the page."""
    async with asyncio.timeout(60):
        while await page.locator(part).text_content() != text:
            await page.clock.fast_forward(POLL_MS)
            await page.wait_for_timeout(50)  # an answer takes a moment, in which there is no timer to leap to


async def others_enter(office: BoxOffice, event: Event, count: int) -> None:
    """Enter so many people at once."""
    enter = office.context.waiting_rooms.enter
    await asyncio.gather(*(enter(event.event_id, new_id()) for _ in range(count)))


async def waiting_in_line(office: BoxOffice, page: Page, browser: Browser) -> str:
    """Enter a waiting room that lets one person in each minute; return its address, with the order drawn."""
    for seconds in AHEAD:
        event = await put_before_sale(office, timedelta(seconds=seconds), per_minute=1)
        await others_enter(office, event, 70)
        address = f"/events/{show_id('evt', event.event_id)}/waiting-room"
        await page.goto(address)
        await page.get_by_role("button", name="Enter the waiting room").click()
        await page.locator("[data-place], .note.good").first.wait_for()
        number = page.get_by_role("heading", name=re.compile("^You are number"))
        await number.or_(page.locator(".note.good")).first.wait_for(timeout=90_000)
        if await number.is_visible():
            return address
    raise AssertionError("the turn came at once, again and again")


@pytest.mark.parametrize("options", [{"viewport": PHONE}, {"viewport": DESKTOP, "color_scheme": "dark"}])
async def test_it_is_entered_by_keyboard_and_has_no_fault(
    office: BoxOffice, server: Serving, browser: Browser, axe: str, options: dict[str, object]
) -> None:
    """Also at the desk, in both themes and sizes, and without a wider page on the smallest screen."""
    async with opened(browser, server, **options) as page:
        await sign_in(office, page.context, server)
        event = await put_before_sale(office, timedelta(hours=20), opens_minutes_before=1440)
        upcoming = await put_before_sale(office, timedelta(hours=20))
        address, later = [
            f"/events/{show_id('evt', each.event_id)}/waiting-room" for each in (event, upcoming)
        ]
        assert not await faults_of(page, later, axe)
        await page.goto(address)
        enter = page.get_by_role("button", name="Enter the waiting room")
        for _ in range(30):
            await page.keyboard.press("Tab")
            if await enter.evaluate("button => button === document.activeElement"):
                break
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="You are in").wait_for()
        assert not await faults_of(page, address, axe)
        assert not await faults_of(page, f"{address}/draw", axe)
        await page.set_viewport_size(NARROWEST)
        for path in (address, later, f"{address}/draw"):
            await page.goto(path)
            assert await page.evaluate("document.documentElement.scrollWidth") <= NARROWEST["width"], path
        await sign_in_member(office, page.context, server.url)
        assert not await faults_of(page, f"{address_of(event)}/waiting-room", axe)
