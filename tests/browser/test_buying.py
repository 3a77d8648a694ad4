"""A buyer's way in a browser: with script and without, by keyboard alone, in both themes and sizes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from evently.catalogue import Event
from evently.kit.ids import new_id, show_id
from evently.sales.terms import Conditions
from tests.browser.conftest import VIOLATIONS
from tests.support.box_office import BoxOffice
from tests.support.paying import sold_under
from tests.support.serving import Serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

PHONE: Final[Any] = {"width": 390, "height": 844}
DESKTOP: Final[Any] = {"width": 1280, "height": 900}
NARROWEST: Final[Any] = {"width": 320, "height": 700}
ONLINE: Final = Conditions(payment="online", hold_seconds=600)
PASSWORD: Final = "a long enough pass phrase"
SERIOUS: Final = ("serious", "critical")
PAGE_BYTES_MAX: Final = 60 * 1024
PAGE_REQUESTS_MAX: Final = 5
SCRIPT_BYTES_MAX: Final = 30 * 1024


@asynccontextmanager
async def opened(browser: Browser, server: Serving, **options: Any) -> AsyncIterator[Page]:
    """Open a page in a new browser; fail on what it says to the console, and on requests to other hosts."""
    context = await browser.new_context(base_url=server.url, **{"viewport": PHONE, **options})
    faults: list[str] = []
    own = urlsplit(server.url).netloc
    page = await context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "warning" else None)
    page.on("request", lambda sent: faults.append(sent.url) if urlsplit(sent.url).netloc != own else None)
    try:
        yield page
    finally:
        await context.close()
    assert faults == []


async def person(office: BoxOffice) -> tuple[str, str]:
    """Return the e-mail and password of a new person."""
    email = f"{new_id()}@evently.example"
    await office.context.accounts.register(email, "Zoë Okafor", PASSWORD, None)
    return email, PASSWORD


async def sign_in(office: BoxOffice, context: BrowserContext, server: Serving) -> None:
    """Put the session of a new person into a browser."""
    email, password = await person(office)
    grant = await office.context.accounts.login(email, password, None, in_browser=True)
    value = f"{grant.refresh_token}.{grant.access_token}"
    await context.add_cookies([{"name": "evently", "value": value, "url": server.url}])


def address(event: Event) -> str:
    return f"/events/{show_id('evt', event.event_id)}"


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_from_the_home_page_to_a_paid_ticket(
    office: BoxOffice, server: Serving, browser: Browser, *, script: bool
) -> None:
    event = await office.open_event(terms=sold_under(ONLINE, 50), starts_in=timedelta(hours=2))
    email, password = await person(office)
    async with opened(browser, server, java_script_enabled=script) as page:
        await page.goto("/")  # what begins soonest comes first
        await page.locator(f".event a[href^='{address(event)}']").first.click()
        if script:
            await page.get_by_role("button", name="One more").first.click()
            await page.get_by_role("button", name="One more").first.click()
        else:
            await page.get_by_role("spinbutton").first.fill("2")
        await page.get_by_role("button", name="Book").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Your choice")
        await page.get_by_role("main").get_by_role("link", name="Log in").click()
        await page.get_by_label("E-mail").fill(email)
        await page.get_by_label("Password").fill(password)
        await page.get_by_role("button", name="Log in").click()
        await page.get_by_role("button", name="Hold for 10 minutes").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Pay for 2 tickets")
        held = page.url
        await page.get_by_role("button", name="Pay €").click()
        await page.get_by_role("button", name="Decline").click()
        await page.goto(held)
        await expect(page.get_by_role("alert")).to_contain_text("Your bank said no")
        await page.get_by_role("button", name="Pay €").click()
        await page.get_by_role("button", name="Pay").first.click()
        await page.get_by_role("link", name="Back to the shop").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("You are going")
        assert page.url == held, "one address for a booking's whole life"
        await page.go_back()
        assert "/pay/" in page.url
        await page.goto("/me/tickets")
        await expect(page.locator(".ticket-row")).to_have_count(1)


async def test_by_keyboard_alone(office: BoxOffice, server: Serving, browser: Browser) -> None:
    event = await office.open_event(capacity=20)
    async with opened(browser, server) as page:
        await sign_in(office, page.context, server)
        await page.goto(address(event))
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.locator("#main")).to_be_focused()  # the skip link leads to the content
        await reach(page, "One more")
        await page.keyboard.press("Enter")
        await page.keyboard.press("Enter")
        await reach(page, "Book")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("You are going")
        await expect(page.locator(".ticket")).to_have_count(2)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_enter_in_a_quantity_goes_on_and_in_a_promo_code_applies_it(
    office: BoxOffice, server: Serving, browser: Browser, *, script: bool
) -> None:
    event = await office.open_event(terms=sold_under(ONLINE, 50))
    path = f"/v1/events/{show_id('evt', event.event_id)}/promo-codes"
    half = {"code": "HALF", "kind": "percent", "basis_points": 5000}
    assert (await office.post(path, await office.as_member("owner"), **half)).status_code == 201
    async with opened(browser, server, java_script_enabled=script) as page:
        await page.goto(address(event))
        quantity = page.get_by_role("spinbutton").first
        await quantity.fill("2")
        await quantity.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Your choice")
        await page.goto(address(event))
        await page.get_by_text("I have a promo code").click()
        await page.get_by_label("Promo code").fill("half")
        await page.get_by_label("Promo code").press("Enter")
        await page.wait_for_url("**code=half*")
        await expect(page.get_by_label("Promo code")).to_have_value("half")
        await expect(page.locator("s").first).to_be_visible()  # the price without the code


async def reach(page: Page, name: str) -> None:
    """Press Tab until something with this name has the focus; it must be seen there."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        said = await page.evaluate(
            "(document.activeElement.getAttribute('aria-label') || document.activeElement.textContent).trim()"
        )
        if said.startswith(name):
            outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"{name} shows no focus"
            return
    raise AssertionError(f"{name} cannot be reached with Tab")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_axe_finds_nothing_serious(
    office: BoxOffice, server: Serving, browser: Browser, axe: str, theme: Any, size: Any
) -> None:
    event = await office.open_event(terms=sold_under(ONLINE, 5))
    type_id = await office.ticket_type(event)
    async with opened(browser, server, viewport=size, color_scheme=theme, bypass_csp=True) as page:
        found = {}
        for path in (
            "/",
            "/events?q=nothing-like-this",
            address(event),
            "/login",
            "/signup",
            "/accessibility",
        ):
            found[path] = await faults_of(page, path, axe)
        await sign_in(office, page.context, server)
        await page.goto(f"{address(event)}/book?{type_id}=2")
        await page.get_by_role("button", name="Hold for").click()
        await page.wait_for_url("**/bookings/bkg_*")
        held = urlsplit(page.url).path
        for path in (f"{address(event)}/book?{type_id}=1", held, "/me/tickets", "/nothing"):
            found[path] = await faults_of(page, path, axe)
    assert {path: faults for path, faults in found.items() if faults} == {}


async def faults_of(page: Page, path: str, axe: str) -> list[str]:
    """Return what axe finds on a page that is serious."""
    await page.goto(path)
    await page.evaluate(axe)
    violations = await page.evaluate(VIOLATIONS)
    return [
        f"{fault['id']}: {node['html'][:120]}"
        for fault in violations
        if fault["impact"] in SERIOUS
        for node in fault["nodes"]
    ]


async def test_no_page_scrolls_sideways_on_the_smallest_screen(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_event(terms=sold_under(ONLINE, 5))
    type_id = await office.ticket_type(event)
    async with opened(browser, server, viewport=NARROWEST) as page:
        await sign_in(office, page.context, server)
        for path in (
            "/",
            "/events",
            address(event),
            f"{address(event)}/book?{type_id}=1",
            "/me/tickets",
            "/login",
        ):
            await page.goto(path)
            assert await page.evaluate("document.documentElement.scrollWidth") <= NARROWEST["width"], path


async def test_an_event_page_stays_within_its_budget(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_event(capacity=5)
    async with opened(browser, server) as page:
        sizes: dict[str, int] = {}

        async def measure(response: Any) -> None:
            if "/stream" in response.url:  # it does not end
                return
            sizes[response.url] = (await response.request.sizes())["responseBodySize"]

        page.on("response", lambda response: waiting.append(asyncio.ensure_future(measure(response))))
        waiting: list[asyncio.Future[None]] = []
        await page.goto(address(event), wait_until="networkidle")
        await asyncio.gather(*waiting)
        shift = await page.evaluate(
            "new Promise(done => { let sum = 0; new PerformanceObserver(list => list.getEntries().forEach("
            "entry => { sum += entry.value })).observe({type: 'layout-shift', buffered: true});"
            "setTimeout(() => done(sum), 300) })"
        )
    counted = {url: size for url, size in sizes.items() if "icon" not in url and "manifest" not in url}
    assert len(counted) <= PAGE_REQUESTS_MAX, counted
    assert sum(counted.values()) <= PAGE_BYTES_MAX, counted
    assert sum(size for url, size in counted.items() if url.endswith(".js")) <= SCRIPT_BYTES_MAX, counted
    assert shift <= 0.02


async def test_a_hold_that_ends_on_the_screen_offers_the_same_again(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_event(terms=sold_under(Conditions(payment="online", hold_seconds=15), 5))
    type_id = await office.ticket_type(event)
    async with opened(browser, server) as page:
        await sign_in(office, page.context, server)
        await page.goto(f"{address(event)}/book?{type_id}=2")
        await page.get_by_role("button", name="Hold").click()
        await expect(page.locator(".hold")).to_contain_text("Held for you for another")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Your time is over", timeout=60_000)
        await page.get_by_role("link", name="Hold the same again").click()
        await expect(page.locator(".lines")).to_contain_text("2 ×")
