"""Webhooks in a browser: bookings reach a program of docs/webhooks.md, also after it was down; the pages."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from evently.catalogue import Event
from evently.kit.clock import utc_now
from tests.browser.conftest import SETTINGS, VIOLATIONS
from tests.browser.test_buying import (
    DESKTOP,
    NARROWEST,
    PHONE,
    SERIOUS,
    address,
    faults_of,
    opened,
    sign_in,
)
from tests.browser.test_desk import width_of
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.desk import home_of, sign_in_member
from tests.support.serving import Serving, serving
from tests.support.webhooks import LOOPBACK, open_program, receiving, register, reserved_port

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

PATIENCE_SECONDS: Final = 60.0
NETWORKS: Final = ",".join(str(each) for each in LOOPBACK)
LONG: Final = "https://shop.evently.example/" + "a-very-long-way-to-the-hooks/" * 8
ANSWER: Final = 'No room for   it:\n  {"shop": "<b>closed</b>",\n   "since": ' + "9" * 120 + "}"


@pytest.fixture(scope="module")
def server(shared_database_url: str) -> Iterator[Serving]:
    """Serve the database of the module; programs on this machine may be called."""
    with serving(database_url=shared_database_url, webhook_networks=NETWORKS, **SETTINGS) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def office(shared_database_url: str, server: Serving) -> AsyncIterator[BoxOffice]:
    """Yield a box office on the database that the server serves, to set the scene."""
    async with open_box_office(shared_database_url, webhook_networks=NETWORKS) as opened_office:
        yield opened_office


# A program that was down ------------------------------------------------------------------------------------


async def book(page: Page, event: Event) -> str:
    """Book a ticket as people do; return the reference."""
    await page.goto(address(event))
    await page.get_by_role("spinbutton").first.fill("1")
    await page.get_by_role("button", name="Book").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("You are going")
    said = await page.get_by_text(re.compile(r"^Booking [0-9A-Z]{4}-[0-9A-Z]{4}$")).inner_text()
    return said.removeprefix("Booking ")


async def cancel(page: Page) -> None:
    """Cancel the booking of this page."""
    await page.goto(f"{page.url}/cancel")
    await page.get_by_role("button", name="Cancel the chosen tickets").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Cancelled")


async def listed(owner: Page, state: str) -> None:
    """Look at what was sent until the newest message is in this state."""
    newest = owner.locator("tbody tr").first
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await newest.count() or state not in await newest.inner_text():
            await asyncio.sleep(0.1)
            await owner.reload()


async def printed(process: asyncio.subprocess.Process, lines: int) -> list[str]:
    """Return the next lines that a program prints."""
    assert process.stdout is not None
    return [(await process.stdout.readline()).decode().strip() for _ in range(lines)]


@asynccontextmanager
async def without_pauses(office: BoxOffice) -> AsyncIterator[None]:
    """Try what has failed again at once, instead of in seconds or minutes, as long as this lasts."""

    async def hurry() -> None:
        while True:
            await office.context.database.fetch(
                "UPDATE webhook_deliveries SET due_at = created_at WHERE state = 'pending'"
            )
            await office.context.database.fetch("UPDATE webhooks SET quiet_until = NULL")
            await asyncio.sleep(0.1)

    hurrying = asyncio.create_task(hurry())
    try:
        yield
    finally:
        hurrying.cancel()
        await asyncio.gather(hurrying, return_exceptions=True)


async def registered(page: Page, home: str, program: str) -> str:
    """Register a program for bookings at the desk; return its secret."""
    await page.goto(f"{home}/webhooks")
    await page.get_by_label("Address", exact=True).fill(program)
    await page.get_by_label("A booking was confirmed").check()
    await page.get_by_label("A booking was cancelled").check()
    await page.get_by_role("button", name="Register it").click()
    return await page.get_by_label("The secret").input_value()


async def test_a_program_that_was_down_gets_everything_in_order(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_event(capacity=20)
    with reserved_port() as port:
        async with opened(browser, server, viewport=DESKTOP) as owner, opened(browser, server) as buyer:
            await sign_in_member(office, owner.context, server.url)
            await sign_in(office, buyer.context, server)
            secret = await registered(owner, home_of(office), f"http://127.0.0.1:{port}/hooks")
            await owner.get_by_role("link", name="Webhooks").first.click()
            await owner.get_by_role("link", name=f":{port}/hooks").click()
            async with receiving("python", secret, port) as program:
                first = await book(buyer, event)
                assert await printed(program, 1) == [f"booking.confirmed {first}"]
                await listed(owner, "Delivered")
            second = await book(buyer, event)
            await listed(owner, "Fails")
            await cancel(buyer)
            third = await book(buyer, event)
            async with receiving("python", secret, port) as program, without_pauses(office):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    assert await printed(program, 3) == [
                        f"booking.confirmed {second}",
                        f"booking.cancelled {second}",
                        f"booking.confirmed {third}",
                    ]
                await listed(owner, "Delivered")
            await expect(owner.get_by_text("Delivered", exact=True)).to_have_count(4)
    sent = await office.context.database.fetch(
        "SELECT deliveries.kind, attempts.status FROM webhook_deliveries AS deliveries "
        "JOIN webhook_attempts AS attempts USING (delivery_id) JOIN webhooks USING (webhook_id) "
        "WHERE deliveries.about_event_id = $1 AND webhooks.address = $2 ORDER BY attempts.at",
        event.event_id,
        f"http://127.0.0.1:{port}/hooks",
    )
    accepted = [row["kind"] for row in sent if row["status"] == 204]
    assert accepted == ["booking.confirmed", "booking.confirmed", "booking.cancelled", "booking.confirmed"]
    failed = {row["kind"] for row in sent if row["status"] is None}
    assert failed == {"booking.confirmed"}, "while it was down, it was tried with the first message alone"


# Pages ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def failing(office: BoxOffice) -> AsyncIterator[tuple[str, str]]:
    """Yield the pages of a webhook that fails and of its message, beside one with a long address."""
    organizer_id, now = office.venue.organizer_id, utc_now()
    await register(office.context.database, organizer_id, LONG, now, "event.cancelled")
    async with open_program() as program:
        program.answer = lambda _: f"503 Away\r\n\r\n{ANSWER}"
        await register(office.context.database, organizer_id, program.address, now)
        event = await office.open_event(capacity=20)
        await office.book(event, office.as_buyer())
        headers = await office.as_member("owner")
        home = f"/v1{home_of(office).replace('/organize/', '/organizers/')}/webhooks"
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                found = (await office.client.get(home, headers=headers)).json()["data"][0]
                log = await office.client.get(f"{home}/{found['id']}/deliveries", headers=headers)
                answered = [each["id"] for each in log.json()["data"] if each["attempts"]]
                if answered:
                    break
                await asyncio.sleep(0.1)
        page = f"{home_of(office)}/webhooks/{found['id']}"
        yield page, f"{page}/deliveries/{answered[0]}"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_axe_finds_nothing_serious_on_the_pages_of_webhooks(
    office: BoxOffice, server: Serving, browser: Browser, axe: str, theme: Any, size: Any
) -> None:
    async with (
        failing(office) as (one, message),
        opened(browser, server, viewport=size, color_scheme=theme, bypass_csp=True) as page,
    ):
        await sign_in_member(office, page.context, server.url)
        everything = f"{home_of(office)}/webhooks"
        found = {path: await faults_of(page, path, axe) for path in (everything, one, message)}
        for button in ("Register it", "Make a new secret", "Remove the webhook"):
            await page.goto(everything if button == "Register it" else one)
            await page.get_by_role("button", name=button).click()
            found[button] = await faults_here(page, axe)
        await page.goto(one)
        await someone_else_changes(office)
        await page.get_by_label("Description").fill("The lights")
        await page.get_by_role("button", name="Save").click()
        found["both versions"] = await faults_here(page, axe)
    assert {path: faults for path, faults in found.items() if faults} == {}


async def faults_here(page: Page, axe: str) -> list[str]:
    """Return what axe finds on this page that is serious."""
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await page.evaluate(axe)
    return [fault["id"] for fault in await page.evaluate(VIOLATIONS) if fault["impact"] in SERIOUS]


async def someone_else_changes(office: BoxOffice) -> None:
    """Change every webhook, as another owner does."""
    await office.context.database.fetch(
        "UPDATE webhooks SET version = version + 1, description = 'The shop', kinds = '{event.changed}'"
    )


async def test_the_pages_of_webhooks_do_not_scroll_sideways(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    wide = {}
    async with failing(office) as (one, message), opened(browser, server, viewport=NARROWEST) as page:
        await sign_in_member(office, page.context, server.url)
        for path in (f"{home_of(office)}/webhooks", one, message):
            await page.goto(path)
            wide[path] = await width_of(page)
        shown = await page.get_by_text("No room for").first.evaluate("element => element.innerText")
    assert {path: width for path, width in wide.items() if width > NARROWEST["width"]} == {}
    assert shown == ANSWER, "an answer is shown as it came"


async def test_two_owners_see_both_versions(office: BoxOffice, server: Serving, browser: Browser) -> None:
    async with (
        failing(office) as (one, _),
        opened(browser, server, viewport=DESKTOP, java_script_enabled=False) as page,
    ):
        await sign_in_member(office, page.context, server.url)
        await page.goto(one)
        await page.get_by_label("Description").fill("The lights")
        await someone_else_changes(office)
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Another editor was first")
        row = page.get_by_role("row", name="Description")
        await expect(row.get_by_role("cell")).to_have_text(["The lights", "The shop"])
        await page.get_by_role("button", name="Keep mine").click()
        await expect(page.get_by_text("It is saved.")).to_be_visible()
        await expect(page.get_by_label("Description")).to_have_value("The lights")
        assert await page.get_by_role("checkbox", checked=True).count() > 1, "with all kinds that were chosen"
