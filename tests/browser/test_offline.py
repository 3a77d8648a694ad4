"""Tickets without a network, in a real browser: what is kept, for whom, until when, and what is not."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest
from playwright.async_api import Browser, Error, Page, expect

from evently.kit.ids import show_id
from tests.browser.conftest import VIOLATIONS
from tests.browser.test_buying import DESKTOP, PHONE, SERIOUS, address, opened, sign_in
from tests.support.box_office import BoxOffice
from tests.support.serving import Serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

KEPT: Final = (
    "caches.open('evently-tickets').then(kept => kept.keys()).then(all => all.map(each => each.url))"
)
ALL: Final = """(async () => {
  const found = [];
  for (const name of await caches.keys())
    for (const each of await (await caches.open(name)).keys()) found.push(new URL(each.url).pathname);
  return found;
})()"""
SECONDS: Final = 60


async def until(check: Callable[[], Awaitable[bool]], what: str) -> None:
    for _ in range(SECONDS * 10):
        if await check():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"not in time: {what}")


async def kept(page: Page) -> set[str]:
    """Return the addresses of the pages that the browser keeps."""
    return {"/" + url.split("/", 3)[3] for url in await page.evaluate(KEPT)} - {"/me/tickets/offline"}


async def book(page: Page, office: BoxOffice, quantity: int = 2) -> tuple[str, list[str]]:
    """Book, and let the browser keep the tickets; return the addresses of the booking and its tickets."""
    event = await office.open_event(capacity=20)
    await page.goto(address(event))
    await page.get_by_role("spinbutton").first.fill(str(quantity))
    await page.get_by_role("button", name="Book").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("You are going")
    booking = page.url
    found = page.get_by_role("link", name=re.compile("Show the ticket"))
    tickets = [str(await each.get_attribute("href")) for each in await found.all()]
    assert len(tickets) == quantity
    await page.goto(tickets[0])
    await expect(page.get_by_text("kept on this device")).to_be_visible()
    await until(lambda: has(page, {"/me/tickets", *tickets}), "the tickets are kept")
    return booking, tickets


async def has(page: Page, paths: set[str]) -> bool:
    return paths <= await kept(page)


async def test_a_ticket_opens_without_a_network(office: BoxOffice, server: Serving, browser: Browser) -> None:
    async with opened(browser, server) as page:
        await sign_in(office, page.context, server)
        _, tickets = await book(page, office)
        shown = await page.locator(".qr svg").inner_html()
        await page.context.set_offline(True)  # playwright's
        await page.goto(tickets[0])
        assert await page.locator(".qr svg").inner_html() == shown
        await expect(page.get_by_role("status").first).to_contain_text("No network. This is as it was on")
        assert await page.evaluate("getComputedStyle(document.querySelector('.qr')).display") == "grid"
        assert await page.evaluate(
            "document.fonts.ready.then((fonts) => fonts.check('16px \"Instrument Sans\"'))"
        )
        await page.get_by_role("link", name="Next ticket").click()
        await expect(page.get_by_text("Ticket 2 of 2", exact=True)).to_be_visible()
        await page.goto("/me/tickets")
        await expect(page.locator(".ticket-row")).to_have_count(1)
        await expect(page.get_by_role("status").first).to_contain_text("No network.")
        await page.goto("/events")
        await expect(page.get_by_role("heading", level=1)).to_have_text("No network")
        await expect(page.get_by_text("As they were on")).to_be_visible()
        await expect(page.get_by_role("heading", level=3)).to_have_text("Jazz by night")
        await page.get_by_role("main").get_by_role("link", name="Regular").first.click()
        await expect(page.locator(".qr svg")).to_be_visible()
        await page.context.set_offline(False)
        await page.goto(tickets[0])
        await expect(page.locator(".qr svg")).to_be_visible()
        await expect(page.get_by_text("No network.")).to_have_count(0)


async def test_nothing_but_tickets_and_their_files_is_kept(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    async with opened(browser, server) as page:
        await sign_in(office, page.context, server)
        _, tickets = await book(page, office)
        for path in ("/", "/events", "/me", "/me/notifications", "/accessibility"):
            await page.goto(path)
        found = set(await page.evaluate(ALL))
        pages = {path for path in found if not path.startswith("/static/")}
        assert pages == {*tickets, "/me/tickets", "/me/tickets/offline", "/offline"}
        assert {path.split("/", 3)[3] for path in found - pages} <= {
            "evently.css",
            "vendor/instrument-sans/instrument-sans-latin-wght-normal.woff2",
            "vendor/instrument-sans/instrument-sans-latin-ext-wght-normal.woff2",
            "icon.svg",
            "awake.js",
            "page.js",
            "offline.js",
        }


async def test_a_visitor_without_an_account_keeps_nothing(server: Serving, browser: Browser) -> None:
    async with opened(browser, server) as page:
        for path in ("/", "/events", "/login"):
            await page.goto(path)
        assert await page.evaluate("navigator.serviceWorker.getRegistrations().then(all => all.length)") == 0


async def test_a_cancelled_ticket_is_shown_as_it_is_and_kept_no_more(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    async with opened(browser, server) as page:
        await sign_in(office, page.context, server)
        booking, tickets = await book(page, office)
        await cancel(office, tickets[0])  # on another device
        await page.goto(tickets[0])
        await expect(page.get_by_text("This ticket is void")).to_be_visible()
        await until(lambda: has_none(page, {tickets[0]}), "it is not kept any more")
        await cancel(office, tickets[1])
        await page.goto(booking)  # any contact is enough: a form was sent, or a minute has passed
        await page.get_by_role("button", name="Dark colours").click()
        await until(lambda: is_empty(page), "nothing is kept")


async def is_empty(page: Page) -> bool:
    return await kept(page) == set()


async def cancel(office: BoxOffice, ticket: str) -> None:
    """Cancel a ticket as its buyer."""
    database = office.context.database
    rows = await database.fetch(
        "SELECT booking_id, ticket_id, buyer_id FROM tickets JOIN bookings USING (event_id, booking_id)"
    )
    row = next(each for each in rows if ticket.endswith(show_id("tkt", each["ticket_id"])))
    answer = await office.post(
        f"/v1/bookings/{show_id('bkg', row['booking_id'])}/cancel",
        office.as_person(row["buyer_id"]),
        ticket_ids=[show_id("tkt", row["ticket_id"])],
    )
    assert answer.status_code == 200, answer.text


async def test_logging_out_deletes_what_is_kept(office: BoxOffice, server: Serving, browser: Browser) -> None:
    async with opened(browser, server) as page:
        await sign_in(office, page.context, server)
        _, tickets = await book(page, office)
        await page.goto("/me/tickets")
        await page.get_by_role("button", name="Log out").click()
        await expect(page).to_have_url(f"{server.url}/")
        assert await kept(page) == set()
        await page.context.set_offline(True)
        with pytest.raises(Error, match="ERR_"):
            await page.goto(tickets[0])


async def test_logging_out_without_a_network_deletes_it_too(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    async with opened(browser, server) as page:
        await sign_in(office, page.context, server)
        await book(page, office)
        await page.goto("/me/tickets")
        await page.context.set_offline(True)
        await page.get_by_role("button", name="Log out").click()
        await expect(page.get_by_text("log out again with a network")).to_be_visible()
        assert await kept(page) == set()


async def test_another_person_in_the_same_browser_finds_nothing(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    async with opened(browser, server) as page:
        await sign_in(office, page.context, server)
        _, tickets = await book(page, office)
        await sign_in(office, page.context, server)  # without logging out
        await page.goto("/me/tickets")
        await until(lambda: has_none(page, {*tickets}), "the tickets of the first person are gone")
        await page.context.set_offline(True)
        for path in tickets:
            with contextlib.suppress(Error):  # the browser's own page, or ours without tickets
                await page.goto(path)
            assert await page.locator(".qr").count() == 0
            assert "Jazz by night" not in await page.content()


async def has_none(page: Page, paths: set[str]) -> bool:
    return not paths & await kept(page)


async def test_a_session_that_ended_elsewhere_deletes_what_is_kept(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    async with opened(browser, server) as page:
        await sign_in(office, page.context, server)
        _, tickets = await book(page, office)
        await page.context.clear_cookies()
        await page.goto(tickets[0])
        await expect(page).to_have_url(re.compile("/login"))
        assert await kept(page) == set()


async def test_a_page_of_an_earlier_release_keeps_its_look(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    async with opened(browser, server) as page:
        await sign_in(office, page.context, server)
        _, tickets = await book(page, office)
        await page.evaluate(
            """async (path) => {
              const cache = await caches.open("evently-tickets");
              const before = await cache.match(path);
              const text = (await before.text()).replace(/static\\/[0-9a-f]{12}/g, "static/0123456789ab");
              await cache.put(path, new Response(text, { headers: before.headers }));
            }""",
            tickets[0],
        )
        await page.context.set_offline(True)
        await page.goto(tickets[0])
        assert "0123456789ab" in await page.content()
        assert await page.evaluate("getComputedStyle(document.querySelector('.qr')).display") == "grid"


@pytest.mark.parametrize(
    "network",
    [
        "() => new Promise(() => {})",
        "async () => new Response('', { status: 503 })",
        "async () => new Response('', { status: 502 })",
    ],
    ids=["carries nothing", "the server starts", "the proxy has no server"],
)
async def test_a_network_that_does_not_help_is_none(
    office: BoxOffice, server: Serving, browser: Browser, network: str
) -> None:
    async with opened(browser, server) as page:
        await sign_in(office, page.context, server)
        _, tickets = await book(page, office, 1)
        (worker,) = page.context.service_workers
        await worker.evaluate(f"() => {{ self.fetch = {network}; }}")
        await page.goto(tickets[0])
        await expect(page.locator(".qr svg")).to_be_visible()
        await expect(page.get_by_role("status").first).to_contain_text("No network. This is as it was on")


async def test_an_answer_that_a_bug_spoilt_is_shown_and_not_hidden_by_what_is_kept(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    async with opened(browser, server) as page:
        await sign_in(office, page.context, server)
        _, tickets = await book(page, office, 1)
        (worker,) = page.context.service_workers
        await worker.evaluate("() => { self.fetch = async () => new Response('broken', { status: 500 }); }")
        await page.goto(tickets[0])
        assert await page.inner_text("body") == "broken"
        assert tickets[0] in await kept(page), "it opens again as soon as the server does"


async def test_the_policies_stay_strict(office: BoxOffice, server: Serving, browser: Browser) -> None:
    async with opened(browser, server) as page:
        await sign_in(office, page.context, server)
        _, tickets = await book(page, office)
        online = await page.goto(tickets[0])
        await page.context.set_offline(True)
        offline = await page.goto(tickets[0])
        assert online is not None
        assert offline is not None
        assert offline.from_service_worker
        for name in ("content-security-policy", "x-content-type-options", "referrer-policy"):
            assert offline.headers[name] == online.headers[name]
        assert offline.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_axe_finds_nothing_serious_offline(
    office: BoxOffice, server: Serving, browser: Browser, axe: str, size: Any, theme: str
) -> None:
    async with opened(browser, server, viewport=size, color_scheme=theme, bypass_csp=True) as page:
        await sign_in(office, page.context, server)
        _, tickets = await book(page, office, 1)
        await page.context.set_offline(True)
        for path in ("/events", tickets[0], "/me/tickets"):
            await page.goto(path)
            await page.evaluate(axe)
            found = await page.evaluate(VIOLATIONS)
            assert [each["id"] for each in found if each["impact"] in SERIOUS] == [], path
