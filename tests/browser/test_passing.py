"""A ticket is passed on, in two browsers: from the form to the mailbox, the new account, the ticket."""

from __future__ import annotations

import asyncio
import re
from email.parser import BytesParser
from email.policy import default
from typing import Any, Final

import pytest
from playwright.async_api import Browser, Page, expect

from evently.kit.ids import new_id
from tests.browser.test_buying import DESKTOP, PHONE, address, faults_of, opened, sign_in
from tests.support.box_office import BoxOffice
from tests.support.serving import Serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

MAIL_SECONDS: Final = 60


@pytest.fixture(scope="module")
def server(demo_server: Serving) -> Serving:
    """Return the server with the mailbox of the demo."""
    return demo_server


async def book_and_offer(office: BoxOffice, page: Page, server: Serving, email: str) -> str:
    """Book a ticket, offer it, and return its code."""
    event = await office.open_event(capacity=20)
    await sign_in(office, page.context, server)
    await page.goto(address(event))
    await page.get_by_role("spinbutton").first.fill("1")
    await page.get_by_role("button", name="Book").click()
    await page.get_by_role("link", name="Show the ticket").click()
    code = await page.locator("p.code").inner_text()
    await page.get_by_role("link", name="Pass on").click()
    await page.get_by_label("E-mail of the person who gets it").fill(email)
    await page.get_by_role("button", name="Offer the ticket").click()
    await expect(page.get_by_text(email)).to_be_visible()
    return code


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_pass_one_on(office: BoxOffice, server: Serving, browser: Browser, *, script: bool) -> None:
    email = f"{new_id()}@evently.example"
    async with opened(browser, server, java_script_enabled=script) as giver:
        code = await book_and_offer(office, giver, server, email)
        form = giver.url
        async with opened(browser, server, java_script_enabled=script) as receiver:
            link = await mailed(office, email, r"/transfers/trf_[0-9a-z]{26}")
            await receiver.goto(link)
            await receiver.get_by_role("link", name="Log in to see it").click()
            await receiver.get_by_label("E-mail").fill(email)
            await receiver.get_by_role("button", name="Send me a code").click()
            await receiver.get_by_label("Code").fill(await mailed(office, email, r"\b\d{6}\b"))
            await receiver.get_by_role("button", name="Log in").click()
            await receiver.get_by_label("Name").fill("Ada Lovelace")
            await receiver.get_by_role("button", name="Go on").click()
            await expect(receiver.get_by_role("heading", level=1)).to_have_text("A ticket for you")
            await receiver.get_by_role("button", name="Accept the ticket").click()
            await receiver.get_by_role("link", name="Show my ticket").click()
            assert await receiver.locator("p.code").inner_text() != code
        await giver.goto(form)
        await expect(giver.get_by_role("status")).to_contain_text("You passed this ticket on")
        await giver.get_by_role("link", name="The ticket", exact=True).click()
        await expect(giver.locator(".qr")).to_have_count(0)


async def mailed(office: BoxOffice, email: str, pattern: str) -> str:
    """Return what stands in the newest e-mail to an address that has it. The server sends once a second."""
    async with asyncio.timeout(MAIL_SECONDS):
        while True:
            raw = await office.context.database.fetch_value(
                "SELECT rendered FROM mail_messages WHERE address = $1 AND rendered IS NOT NULL "
                "ORDER BY message_id DESC LIMIT 1",
                email,
            )
            if raw is not None:
                body = BytesParser(policy=default).parsebytes(raw).get_body(("plain",))
                assert body is not None
                if found := re.search(pattern, body.get_content()):
                    return found[0]
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_axe_finds_nothing_serious_when_tickets_are_passed_on(
    office: BoxOffice, server: Serving, browser: Browser, axe: str, theme: Any, size: Any
) -> None:
    async with opened(browser, server, viewport=size, color_scheme=theme, bypass_csp=True) as page:
        await book_and_offer(office, page, server, f"{new_id()}@evently.example")
        form = page.url
        transfer = await page.locator("form[action$=withdraw]").get_attribute("action")
        assert transfer is not None
        found = {
            path: await faults_of(page, path, axe) for path in (form, transfer.removesuffix("/withdraw"))
        }
        await page.goto(form)
        await page.get_by_role("button", name="Take the offer back").click()
        found["taken back"] = await faults_of(page, form, axe)
    assert {path: faults for path, faults in found.items() if faults} == {}
