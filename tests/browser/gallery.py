"""Make the pictures of `docs/gallery/`: every state of every page, phone and desktop, light and dark.

    make gallery

A demo is served from an empty directory, a buyer walks through it, and each state is photographed. Look at
the pictures: nobody else does.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, Page, async_playwright

from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.support.serving import serving

GALLERY: Final = Path(__file__).parent.parent.parent / "docs" / "gallery"
# Half of a desktop's points and three quarters of a phone's: sharp enough to judge, small enough to keep
SIZES: Final[dict[str, dict[str, Any]]] = {
    "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 0.75, "is_mobile": False},
    "desktop": {"viewport": {"width": 1280, "height": 900}, "device_scale_factor": 0.5},
}
THEMES: Final = ("light", "dark")
EMAIL: Final = "buyer@evently.example"
PASSWORD: Final = "evently-demo"  # of the demo, printed at its start
Go = Callable[[Page], Awaitable[Any]]


async def main() -> None:
    """Serve a demo and photograph it."""
    if CHROMIUM is None:
        sys.exit("Chromium not found: apt-get install chromium")
    shutil.rmtree(GALLERY, ignore_errors=True)
    GALLERY.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="evently-gallery-") as directory:
        Path(directory).chmod(0o755)
        with serving("--demo", data=f"{directory}/data", access_log="false", workers="1") as server:
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
                for size in SIZES:
                    for theme in THEMES:
                        await photograph(browser, server.url, size, theme)
                await browser.close()


async def photograph(  # noqa: PLR0915  # one walk, from state to state
    browser: Browser, url: str, size: str, theme: Any
) -> None:
    """Walk through every state in one size and theme."""
    context = await browser.new_context(base_url=url, color_scheme=theme, **SIZES[size])
    page = await context.new_page()

    async def shot(name: str, *, whole: bool = False) -> None:
        await page.wait_for_timeout(150)
        await page.screenshot(path=GALLERY / f"{name}-{size}-{theme}.png", full_page=whole)

    async def visit(name: str, path: str, *, whole: bool = False) -> None:
        await page.goto(path)
        await shot(name, whole=whole)

    async def event(query: str) -> str:
        await page.goto(f"/events?q={query}")
        return str(await page.locator(".event a").first.get_attribute("href"))

    await visit("home", "/")
    await visit("found", "/events?q=night")
    await visit("nothing-found", "/events?q=celo&city=Berlin")
    general, sold_out = await event("nachtzug"), await event("fado")
    seated = await event("winter+night+theatre")
    await visit("event", general, whole=True)
    await visit("event-sold-out", sold_out, whole=True)
    await visit("event-seated", seated)
    await visit("not-there", "/nothing")
    await visit("styleguide", "/styleguide", whole=True)
    await visit("accessibility", "/accessibility")
    await page.goto(general)
    await page.get_by_role("button", name="One more").first.click()
    await page.get_by_role("button", name="Book").click()
    await shot("choice")
    choice = page.url
    await page.goto(f"/login?next={re.sub('^https?://[^/]*', '', choice)}")
    await shot("login")
    await visit("no-cookies", "/login/kept")
    await page.goto(f"/login?next={re.sub('^https?://[^/]*', '', choice)}")
    await page.get_by_label("E-mail").fill("somebody@evently.example")
    await page.get_by_role("button", name="Send me a code").click()
    await shot("login-code")
    await page.goto(f"/login?next={re.sub('^https?://[^/]*', '', choice)}")
    await log_in(page)
    await page.goto(choice)
    await shot("choice-signed-in")
    seats = re.sub(r"/[^/]*$", "/seats", seated)
    await visit("seats", seats)
    await page.goto(f"{seats}?section=Stalls")
    await page.locator(".seat-box input").first.check()
    await page.wait_for_timeout(600)  # the map follows
    await shot("seats-chosen")
    await page.locator("#list").scroll_into_view_if_needed()
    await shot("seats-section")
    await page.locator("[data-continue]:visible").first.click()
    await page.get_by_role("button", name="Hold for").click()
    await shot("held")
    held = page.url
    await page.get_by_role("button", name="Pay").click()
    await shot("gateway")
    await page.get_by_role("button", name="Decline").click()
    await visit("declined", held)
    await page.get_by_role("button", name="Pay").click()
    await page.get_by_role("button", name="Pay").first.click()
    await page.wait_for_timeout(500)
    await visit("confirmed", held)
    await page.get_by_role("link", name="Show the ticket").first.click()
    await shot("ticket", whole=True)
    await visit("cancelling", f"{held}/cancel")
    await page.locator("input[name=ticket]").first.check()
    await page.get_by_role("button", name="Cancel the chosen tickets").click()
    await shot("cancelled")
    await visit("my-tickets", "/me/tickets")
    await visit("my-waitlist", "/me/waitlist")
    await visit("account", "/me", whole=True)
    await visit("new-email", "/me/email")
    await page.goto(sold_out)
    await page.get_by_role("link", name="Join the waitlist").first.click()
    await shot("joining")
    await visit("mailbox", "/demo/mail")
    await context.close()


async def log_in(page: Page) -> None:
    """Log in with the password of the demo."""
    await page.get_by_label("E-mail").fill(EMAIL)
    await page.get_by_role("button", name="Use my password").click()
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_load_state()


if __name__ == "__main__":
    asyncio.run(main())
