"""Passkeys in a real browser, with an authenticator that Chromium pretends to have."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

import pytest
from playwright.async_api import Browser, CDPSession, Page, expect

from tests.browser.conftest import VIOLATIONS
from tests.browser.test_buying import DESKTOP, PASSWORD, PHONE, SERIOUS, address, opened, person
from tests.support.box_office import BoxOffice
from tests.support.serving import Serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def server(demo_server: Serving) -> Serving:
    """Return the server with the mailbox of the demo, by the name of this machine."""
    return demo_server.at(demo_server.url.replace("127.0.0.1", "localhost"))


AUTHENTICATOR: Final[dict[str, Any]] = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


class Authenticator:
    """The device of a browser, over the protocol of its tools."""

    def __init__(self, tools: CDPSession, name: str) -> None:
        self.tools = tools
        self.name = name

    async def credentials(self) -> list[dict[str, Any]]:
        """Return the passkeys on the device."""
        found = await self.tools.send("WebAuthn.getCredentials", {"authenticatorId": self.name})
        listed: list[dict[str, Any]] = found["credentials"]
        return listed

    async def put(self, credential: dict[str, Any]) -> None:
        """Put a passkey on the device, in the place of the one with its id."""
        both = {"authenticatorId": self.name, "credentialId": credential["credentialId"]}
        if await self.credentials():
            await self.tools.send("WebAuthn.removeCredential", both)
        await self.tools.send(
            "WebAuthn.addCredential", {"authenticatorId": self.name, "credential": credential}
        )

    async def obey(self, *, present: bool) -> None:
        """Touch the device when it asks, or do not."""
        both = {"authenticatorId": self.name, "enabled": present}
        await self.tools.send("WebAuthn.setAutomaticPresenceSimulation", both)


async def plug_in(page: Page, **options: Any) -> Authenticator:
    """Give a browser a device that keeps passkeys."""
    tools = await page.context.new_cdp_session(page)
    await tools.send("WebAuthn.enable", {"enableUI": False})
    added = await tools.send("WebAuthn.addVirtualAuthenticator", {"options": {**AUTHENTICATOR, **options}})
    return Authenticator(tools, added["authenticatorId"])


async def without_suggestions(page: Page) -> None:
    """Take the suggestions of the e-mail field from a browser: older ones have none.

    The device answers at once here, so it would take a suggestion before any button could be pressed.
    """
    await page.add_init_script("PublicKeyCredential.isConditionalMediationAvailable = async () => false")


async def log_in(page: Page, email: str) -> None:
    await page.goto("/login?next=/me")
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_role("button", name="Use my password").click()
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("My account")


async def add_passkey(page: Page, name: str) -> None:
    passkeys = page.locator("#passkeys")
    await passkeys.get_by_label("Name for a new passkey").fill(name)
    await passkeys.get_by_role("button", name="Add a passkey").click()
    await expect(page.get_by_text("Your passkey is added")).to_be_visible()


async def log_out(page: Page) -> None:
    await page.get_by_role("button", name="Log out here").click()
    await page.wait_for_url(re.compile(r"^[^/]+//[^/]+/$"))


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_a_passkey_is_added_and_is_the_first_choice_from_then_on(
    office: BoxOffice, server: Serving, browser: Browser, size: dict[str, int]
) -> None:
    email, _ = await person(office)
    async with opened(browser, server, viewport=size) as page:
        await without_suggestions(page)
        device = await plug_in(page)
        await log_in(page, email)
        await add_passkey(page, "My telephone")
        await expect(page.locator("#passkeys")).to_contain_text("My telephone")
        await expect(page.locator("#passkeys")).to_contain_text("not used yet")
        [kept] = await device.credentials()
        assert (kept["rpId"], kept["isResidentCredential"]) == ("localhost", True)
        await log_out(page)
        await page.goto("/login?next=/me/waitlist")
        first = page.get_by_role("main").get_by_role("button").first
        await expect(first).to_have_text("Log in with a passkey")
        await first.click()
        await expect(page).to_have_url(f"{server.url}/me/waitlist")
        await page.goto("/me")
        await expect(page.locator("#passkeys")).to_contain_text("last used")


async def test_the_e_mail_field_suggests_the_passkey_and_nothing_is_typed(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    email, _ = await person(office)
    async with opened(browser, server) as page:
        await plug_in(page)
        await log_in(page, email)
        await add_passkey(page, "Telephone")
        await log_out(page)
        await page.goto("/login?next=/me/waitlist")
        # With a device that answers at once, the suggestion is taken without a press of any button
        await expect(page).to_have_url(f"{server.url}/me/waitlist")


async def test_a_buyer_with_a_passkey_books_without_typing(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_event(capacity=20)
    email, _ = await person(office)
    async with opened(browser, server) as page:
        await plug_in(page)
        await log_in(page, email)
        await add_passkey(page, "Telephone")
        await log_out(page)
        await page.goto(address(event))
        await page.get_by_role("spinbutton").first.fill("2")
        await page.get_by_role("button", name="Book").click()
        await page.get_by_role("button", name="Log in with a passkey").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Your choice")
        await page.get_by_role("button", name="Book").first.click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("You are going")


async def test_several_passkeys_are_listed_and_removed_one_by_one(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    email, _ = await person(office)
    async with opened(browser, server) as page:
        await without_suggestions(page)
        first = await plug_in(page)
        await log_in(page, email)
        await add_passkey(page, "Laptop")
        await page.locator("#passkeys").get_by_role("button", name="Add a passkey").click()
        await expect(page.get_by_role("status").filter(has_text="already")).to_be_visible()
        await first.tools.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": first.name})
        second = await plug_in(page, transport="usb")
        await page.goto("/me")
        await add_passkey(page, "Security key")
        [kept] = await second.credentials()
        await page.get_by_role("button", name="Remove the passkey Security key").click()
        await expect(page.get_by_text("This passkey is removed")).to_be_visible()
        await expect(page.locator("#passkeys li")).to_have_count(1)
        async with asyncio.timeout(60):  # the page tells the device that the passkey is of no use any more
            while await second.credentials():
                await asyncio.sleep(0.1)
        await log_out(page)
        await second.tools.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": second.name})
        third = await plug_in(page)  # a device that was told nothing
        await third.put(kept)
        await page.goto("/login")
        await page.get_by_role("button", name="Log in with a passkey").click()
        await expect(page.get_by_role("alert")).to_contain_text("not known here")


async def test_a_copied_key_logs_nobody_in(office: BoxOffice, server: Serving, browser: Browser) -> None:
    email, _ = await person(office)
    async with opened(browser, server) as page:
        await without_suggestions(page)
        device = await plug_in(page)
        await log_in(page, email)
        await add_passkey(page, "Security key")
        [copy] = await device.credentials()
        await log_out(page)
        await page.goto("/login?next=/me")
        await page.get_by_role("button", name="Log in with a passkey").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("My account")
        await log_out(page)
        await page.goto("/login")
        await device.put(copy)  # as it was before that log-in
        await page.get_by_role("button", name="Log in with a passkey").click()
        await expect(page.get_by_role("alert")).to_contain_text("not known here")
        await page.goto("/demo/mail?to=" + email)
        for _ in range(120):  # the server sends once a second
            if await page.get_by_text("may have been copied").count():
                break
            await asyncio.sleep(0.5)
            await page.reload()
        await expect(page.get_by_text("may have been copied").first).to_be_visible()


async def test_a_refused_touch_is_told_and_the_form_stays_of_use(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    email, _ = await person(office)
    async with opened(browser, server) as page:
        await plug_in(page, isUserVerified=False)
        await log_in(page, email)
        await page.get_by_label("Name for a new passkey").fill("Telephone")
        await page.locator("#passkeys").get_by_role("button", name="Add a passkey").click()
        await expect(page.get_by_role("status").filter(has_text="No passkey was used")).to_be_visible()
        assert await page.get_by_label("Name for a new passkey").input_value() == "Telephone"


async def test_without_script_passkeys_are_listed_and_not_offered(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    async with opened(browser, server, java_script_enabled=False) as page:
        email, _ = await person(office)
        await log_in(page, email)
        await expect(page.get_by_role("button", name="Add a passkey")).to_be_hidden()
        await page.context.add_cookies([{"name": "evently-passkey", "value": "yes", "url": server.url}])
        await log_out(page)
        await page.goto("/login")
        await expect(page.get_by_role("button", name="Log in with a passkey")).to_be_hidden()
        await expect(page.get_by_label("E-mail")).to_be_visible()


async def test_at_an_address_of_ip_the_page_says_where_passkeys_are_made(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    email, _ = await person(office)
    here = server.at(server.url.replace("localhost", "127.0.0.1"))
    async with opened(browser, here) as page:
        await log_in(page, email)
        await expect(page.get_by_role("button", name="Add a passkey")).to_be_hidden()
        await expect(page.get_by_role("link", name=server.url)).to_be_visible()
        await log_out(page)
        await page.goto("/login")
        await expect(page.get_by_role("button", name="Log in with a passkey")).to_be_hidden()


async def test_a_browser_without_cookies_is_told_so(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    email, _ = await person(office)
    async with opened(browser, server) as page:

        async def without(route: Any, sent: Any) -> None:
            headers = {name: value for name, value in sent.headers.items() if name != "cookie"}
            headers["sec-fetch-site"] = "same-origin"
            answer = await route.fetch(headers=headers, max_redirects=0)
            await page.context.clear_cookies()  # which this request has kept
            kept = {name: value for name, value in answer.headers.items() if name != "set-cookie"}
            await route.fulfill(response=answer, headers=kept)

        await page.context.route("**/*", without)
        await page.goto("/login?next=/me")
        await page.get_by_label("E-mail").fill(email)
        await page.get_by_role("button", name="Send me a code").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Your browser keeps no cookies")
        # A request that is still on its way would fail the next test of this browser
        await page.context.unroute_all(behavior="wait")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_axe_finds_nothing_serious_on_these_pages(
    office: BoxOffice, server: Serving, browser: Browser, axe: str, size: dict[str, int], theme: str
) -> None:
    email, _ = await person(office)
    async with opened(browser, server, viewport=size, color_scheme=theme, bypass_csp=True) as page:

        async def check(path: str) -> None:
            await page.evaluate(axe)
            found = await page.evaluate(VIOLATIONS)
            serious = [each["id"] for each in found if each["impact"] in SERIOUS]
            assert serious == [], f"{path}: {serious}"

        device = await plug_in(page)
        await log_in(page, email)
        await add_passkey(page, "Telephone")
        await check("/me with a passkey")
        for path in ("/me/email", "/me/email/code"):
            await page.goto(path)
            await check(path)
        await device.obey(present=False)
        await page.goto("/me")
        await log_out(page)
        await page.goto("/login")
        await check("/login with a passkey")
        await page.goto("/login/kept")
        await check("/login/kept")
