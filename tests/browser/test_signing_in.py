"""A buyer's way without a password, in a browser: a code from the mailbox of the demo, to the ticket."""

from __future__ import annotations

import asyncio
import re
from typing import Final

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import VIOLATIONS
from tests.browser.test_buying import DESKTOP, PHONE, SERIOUS, address, opened
from tests.support.box_office import BoxOffice
from tests.support.serving import Serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

MAIL_SECONDS: Final = 60


@pytest.fixture(scope="module")
def server(demo_server: Serving) -> Serving:
    """Return the server with the mailbox of the demo."""
    return demo_server


async def open_message(context: BrowserContext, email: str) -> Page:
    """Return the page of the latest message to an address, in a tab of its own."""
    tab = await context.new_page()
    await tab.goto(f"/demo/mail?to={email}")
    message = tab.get_by_role("link", name=re.compile("is your code"))
    for _ in range(MAIL_SECONDS * 2):  # the server sends once a second
        if await message.count():
            break
        await asyncio.sleep(0.5)
        await tab.reload()
    await message.first.click()
    return tab


async def code_in(context: BrowserContext, email: str) -> str:
    tab = await open_message(context, email)
    found = re.search(r"\b(\d{6}) is your code", await tab.inner_text("body"))
    assert found
    await tab.close()
    return found[1]


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_a_stranger_books_with_a_name_an_e_mail_and_a_code(
    office: BoxOffice, server: Serving, browser: Browser, *, script: bool
) -> None:
    event = await office.open_event(capacity=20)
    email = f"zoe.{script}@example.org".lower()
    async with opened(browser, server, java_script_enabled=script) as page:
        await page.goto(address(event))
        await page.get_by_role("spinbutton").first.fill("2")
        await page.get_by_role("button", name="Book").click()
        await page.get_by_label("Name").fill("Zoë Okafor")
        await page.get_by_label("E-mail").fill("zoe at example")
        await page.get_by_role("button", name="Send me a code").click()
        await expect(page.get_by_role("alert")).to_contain_text("not an e-mail address")
        assert await page.get_by_label("Name").input_value() == "Zoë Okafor"
        await page.get_by_label("E-mail").fill(email)
        await page.get_by_role("button", name="Send me a code").click()
        await expect(page.get_by_text(event.title).first).to_be_visible()
        code = await code_in(page.context, email)
        await page.get_by_label("Code").fill(f"{code[:3]} {code[3:]}")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Your choice")
        await page.get_by_role("button", name="Book").first.click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("You are going")
        await page.goto("/me")
        await expect(page.get_by_text("Confirmed", exact=True)).to_be_visible()


async def test_the_link_in_the_message_logs_in_on_another_device(server: Serving, browser: Browser) -> None:
    email = "phone@example.org"
    async with opened(browser, server, viewport=DESKTOP) as page:
        await page.goto("/signup?next=/me")
        await page.get_by_label("Name").fill("Zoë Okafor")
        await page.get_by_label("E-mail").fill(email)
        await page.get_by_role("button", name="Send me a code").click()
        tab = await open_message(page.context, email)
        found = re.search(r"https?://[^\s\"<]*/login/link\?\S+", await tab.inner_text("body"))
        assert found
    link = found[0].partition("/login/link")[2]
    async with opened(browser, server, viewport=PHONE) as phone:
        await phone.goto(f"/login/link{link}")
        await expect(phone.get_by_role("heading", level=1)).to_have_text("Log in here?")
        await phone.get_by_role("button", name="Log in").dblclick()
        await expect(phone.get_by_role("heading", level=1)).to_have_text("My account")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_axe_finds_nothing_serious_on_these_pages(
    office: BoxOffice, server: Serving, browser: Browser, axe: str, size: dict[str, int], theme: str
) -> None:
    email = f"axe.{size['width']}.{theme}@example.org"
    async with opened(browser, server, viewport=size, color_scheme=theme, bypass_csp=True) as page:

        async def check(path: str) -> None:
            await page.evaluate(axe)
            found = await page.evaluate(VIOLATIONS)
            serious = [each["id"] for each in found if each["impact"] in SERIOUS]
            assert serious == [], f"{path}: {serious}"

        for path in ("/login", "/signup", "/forgot", "/login/link?link=none", "/reset"):
            await page.goto(path)
            await check(path)
        await page.goto("/login?next=/me")
        await page.get_by_label("E-mail").fill(email)
        await page.get_by_role("button", name="Send me a code").click()
        await check("/login/code")
        code = await code_in(page.context, email)
        await page.get_by_label("Code").fill(code)
        await page.get_by_role("button", name="Log in").click()
        await check("/login/code, of somebody new")
        await page.get_by_label("Name").fill("Zoë Okafor")
        await page.get_by_role("button", name="Go on").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("My account")
        await check("/me")
        await page.goto("/me/delete")
        await check("/me/delete")
