"""Make the pictures of `docs/gallery/`: the pages for buyers in every state, in both sizes and themes.

    make gallery
    .venv/bin/python -m tests.browser.gallery month held    only the pictures whose names begin so

A demo is served with further events (scenes.py); a buyer walks through it, and each state is photographed in
both sizes and themes. Pages of trouble come from an application in this process in which something breaks.
Look at the pictures: nobody else does.
"""

from __future__ import annotations

import asyncio
import io
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import psycopg
from PIL import Image
from playwright.async_api import Browser, Page, Route, async_playwright

from evently import demo
from evently.db import DatabaseOptions
from evently.kit.errors import Busy, Refused
from evently.web.edge.refusals import EdgeRefusal
from tests.browser import (
    scenes_add_ons,
    scenes_desk,
    scenes_desk_bookings,
    scenes_door,
    scenes_evening,
    scenes_own,
    scenes_people,
    scenes_pictures,
    scenes_rehearsing,
    scenes_seats,
    scenes_waiting_room,
    scenes_webhooks,
)
from tests.browser.conftest import ARGUMENTS, CHROMIUM, SETTINGS
from tests.browser.scenes import Buyer, Scenes, set_scenes
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.postgres import cloned_database, in_database, running_server
from tests.support.serving import serving

GALLERY: Final = Path(__file__).parent.parent.parent / "docs" / "gallery"
PHONE: Final[Any] = {"width": 390, "height": 844}
DESKTOP: Final[Any] = {"width": 1280, "height": 900}
NARROWEST: Final[Any] = {"width": 320, "height": 700}  # also a desktop at 400 %
# Sharp enough to judge, small enough to keep
SIZES: Final = {"phone": (PHONE, 0.6), "desktop": (DESKTOP, 0.4)}
NARROW_SIZE: Final = {"narrow": (NARROWEST, 0.6)}
THEMES: Final[tuple[Any, ...]] = ("light", "dark")
COLOURS: Final = 96
HEIGHT_MAX: Final = 2_200  # of a page that is shown as a whole
# Each part photographs its pages in a browser of its own, with sessions that it makes.
# The names of its pictures begin with the word here, so that they can be made without all others.
PARTS: Final = {
    "add-ons": scenes_add_ons.photograph,
    "ending": scenes_own.photograph_ending,
    "names": scenes_own.photograph_names,
    "passing": scenes_own.photograph_passing,
    "passkeys": scenes_own.photograph_passkeys,
    "undo": scenes_own.photograph_undo,
    "kept": scenes_own.photograph_kept,
    "desk-booking": scenes_desk_bookings.photograph,
    "desk": scenes_desk.photograph,
    "door": scenes_door.photograph,
    "seats-desk": scenes_seats.photograph,
    "rehearse": scenes_rehearsing.photograph,
    "questions": scenes_people.photograph_questions,
    "team": scenes_people.photograph_team,
    "admin": scenes_people.photograph_admin,  # before sales are spread over an hour: an audit finds that
    "evening": scenes_evening.photograph,
    "webhooks": scenes_webhooks.photograph,
    "room": scenes_waiting_room.photograph,
    "picture": scenes_pictures.photograph,
}
NOT_THERE: Final = "/events/evt_00000000000000000000000000"


class Gallery:
    """Photographs what a page shows, if its name is wanted."""

    def __init__(self, page: Page, wanted: list[str]) -> None:
        self.page = page
        self.wanted = wanted

    async def shot(
        self, name: str, *, whole: bool = False, narrow: bool = False, fresh: bool = False
    ) -> None:
        """Take the pictures of a state.

        `whole`: of the whole page; `narrow`: one in the narrowest size, too; `fresh`: load it in each size.
        """
        if self.wanted and not name.startswith(tuple(self.wanted)):
            return
        await self._check(name)
        sizes = SIZES | (NARROW_SIZE if narrow else {})
        for size, (viewport, scale) in sizes.items():
            await self.page.set_viewport_size(viewport)
            if fresh:
                await self.page.reload()
                await self.page.wait_for_timeout(500)
            if whole:  # bars at the edges of the screen stand at those of the page
                height = await self.page.evaluate("document.documentElement.scrollHeight")
                await self.page.set_viewport_size(
                    {"width": viewport["width"], "height": min(height, HEIGHT_MAX)}
                )
                await self.page.evaluate("scrollTo(0, 0)")
            for theme in THEMES if size != "narrow" else THEMES[:1]:
                await self.page.emulate_media(color_scheme=theme)
                await self.page.wait_for_timeout(120)
                shrink(await self.page.screenshot(), scale, GALLERY / f"{name}-{size}-{theme}.png")
        await self.page.set_viewport_size(DESKTOP)
        await self.page.emulate_media(color_scheme="light")

    async def _check(self, name: str) -> None:
        """Stop at a page that is broken: nobody may notice its picture."""
        kind, text = await self.page.evaluate("[document.contentType, document.body.innerText]")
        if kind != "text/html" or ("broke on our side" in text and name != "broken"):
            sys.exit(f"{name} is broken: {text}")
        await self.page.evaluate("document.fonts.ready.then(() => true)")

    async def visit(self, name: str, path: str, **how: bool) -> None:
        """Open a page and photograph it."""
        await self.page.goto(path)
        await self.shot(name, **how)


def shrink(taken: bytes, scale: float, path: Path) -> None:
    """Write a picture smaller and with few colours."""
    with Image.open(io.BytesIO(taken)) as image:
        size = (round(image.width * scale), round(image.height * scale))
        small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        few = small.quantize(COLOURS, Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE)
        few.save(path, optimize=True)


async def main(wanted: list[str]) -> None:
    """Serve a demo and photograph it."""
    if CHROMIUM is None:
        sys.exit("Chromium not found: apt-get install chromium")
    GALLERY.mkdir(parents=True, exist_ok=True)
    if not wanted:
        for path in GALLERY.glob("*.png"):
            path.unlink()
    with (
        running_server() as address,
        psycopg.connect(address.socket_url, autocommit=True) as admin,
        cloned_database(admin) as full,
        cloned_database(admin) as empty,
    ):
        url = in_database(address.socket_url, full)
        await demo.fill(DatabaseOptions(url=url))
        async with (
            open_box_office(url, demo=True) as office,
            open_box_office(in_database(address.socket_url, empty), demo=True) as fresh,
        ):
            scenes = await set_scenes(office)
            await _photograph_all(url, office, fresh, scenes, wanted)


async def _photograph_all(
    database_url: str, office: BoxOffice, fresh: BoxOffice, scenes: Scenes, wanted: list[str]
) -> None:
    with serving(database_url=database_url, demo="true", **SETTINGS) as server:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            if not wanted or not all(name.startswith(tuple(PARTS)) for name in wanted):
                await _photograph_buyers(browser, server.url, office, fresh, scenes, wanted)
            for part, photograph in PARTS.items():
                if not wanted or any(name.startswith(part) for name in wanted):
                    async with opened(browser, server.url, wanted) as gallery:
                        await photograph(gallery, office, server.url)
            await browser.close()


async def _photograph_buyers(
    browser: Browser, url: str, office: BoxOffice, fresh: BoxOffice, scenes: Scenes, wanted: list[str]
) -> None:
    async with opened(browser, url, wanted) as gallery:
        await finding(gallery, scenes)
        await events(gallery, scenes)
        await trouble(gallery, office, fresh)
        await signing_in(gallery, scenes)
    async with opened(browser, url, wanted) as gallery:
        buyer = await scenes.buyer(gallery.page.context, url)
        await seats(gallery, scenes)
        await paying(gallery, scenes, buyer)
        await after_booking(gallery, scenes, buyer)
        await mine(gallery, scenes, buyer)
    async with opened(browser, url, wanted, timezone_id="Asia/Tokyo") as gallery:
        await gallery.visit("event-elsewhere", scenes.plain)
    async with opened(browser, url, wanted, java_script_enabled=False) as gallery:
        await gallery.visit("event-without-script", scenes.plain, whole=True)
        await gallery.visit("seats-without-script", f"{scenes.hall}/seats?section=Stalls", whole=True)


@asynccontextmanager
async def opened(browser: Browser, url: str, wanted: list[str], **options: Any) -> AsyncIterator[Gallery]:
    """Open a browser of its own."""
    context = await browser.new_context(base_url=url, viewport=DESKTOP, **options)
    yield Gallery(await context.new_page(), wanted)
    await context.close()


async def finding(gallery: Gallery, scenes: Scenes) -> None:
    """Photograph the lists."""
    page = gallery.page
    await gallery.visit("home", "/", narrow=True)
    await gallery.visit("found", "/events?q=night&price_max=60&currency=EUR")
    await gallery.visit("found-in-japanese", "/events?city=Tokyo")
    await gallery.visit("month", scenes.month, whole=True, narrow=True)
    await gallery.visit("month-empty", f"{scenes.month}&q=celo")
    await gallery.visit("nothing-found", "/events?q=celo&city=Berlin")
    await gallery.visit("styleguide", "/styleguide", whole=True)
    await gallery.visit("accessibility", "/accessibility")
    await page.goto("/events")
    await page.locator("details summary").first.click()
    await gallery.shot("filters", narrow=True)


async def events(gallery: Gallery, scenes: Scenes) -> None:
    """Photograph an event in each of its states."""
    await gallery.visit("event", scenes.plain, whole=True, narrow=True)
    await gallery.visit("event-seated", scenes.hall)
    await gallery.visit("event-few-left", scenes.few, whole=True)
    await gallery.visit("event-sold-out", scenes.sold_out, whole=True)
    await gallery.visit("event-partly-sold-out", scenes.many_types, whole=True)
    await gallery.visit("event-not-yet", scenes.not_yet)
    await gallery.visit("event-sale-ended", scenes.sale_ended)
    await gallery.visit("event-over", scenes.over)
    await gallery.visit("event-cancelled", scenes.cancelled)
    await gallery.visit("event-code-wrong", f"{scenes.plain}?code=GUESS", whole=True)
    await gallery.visit("event-long-title", scenes.long_title, narrow=True)
    await gallery.visit("event-long-words", scenes.long_words, whole=True, narrow=True)
    await gallery.visit("event-arabic", scenes.arabic)
    await gallery.visit("event-japanese", scenes.japanese)
    await gallery.visit("seats-sold-out", f"{scenes.full_hall}/seats", fresh=True)


async def signing_in(gallery: Gallery, scenes: Scenes) -> None:
    """Photograph the ways into an account, from a choice on."""
    page = gallery.page
    await page.goto(scenes.plain)
    await gallery.visit("choice-empty", f"{scenes.plain_id}/book")
    await gallery.visit("choice", scenes.choice, narrow=True)
    login = f"/login?next={scenes.choice.replace('?', '%3F')}"
    await gallery.visit("login", login)
    await page.get_by_label("E-mail").fill("nobody")
    await page.get_by_role("button", name="Send me a code").click()
    await gallery.shot("login-wrong")
    await page.get_by_role("button", name="Use my password").click()
    await page.get_by_label("E-mail").fill("nobody@evently.example")
    await page.get_by_label("Password").fill("a wrong pass phrase")
    await page.get_by_role("button", name="Log in").click()
    await gallery.shot("login-password-wrong")
    await gallery.visit("signup", f"/signup?next={scenes.choice.replace('?', '%3F')}")
    await gallery.visit("forgot", "/forgot")
    await page.get_by_label("E-mail").fill("gallery@evently.example")
    await page.get_by_role("button", name="Send me a code").click()
    await gallery.shot("reset")
    await page.goto(login)
    await page.get_by_label("E-mail").fill("gallery@evently.example")
    await page.get_by_role("button", name="Send me a code").click()
    await gallery.shot("login-code")
    await page.get_by_label("Code").fill("000000")
    await page.get_by_role("button", name="Log in").click()
    await gallery.shot("login-code-wrong")
    await gallery.visit("no-cookies", "/login/kept")
    await gallery.visit("login-link-over", "/login/link?link=over")
    await gallery.visit("mailbox", "/demo/mail")
    await page.locator(".messages a").first.click()
    await gallery.shot("mailbox-message")


async def seats(gallery: Gallery, scenes: Scenes) -> None:
    """Photograph the map and the list."""
    page = gallery.page
    await gallery.visit("seats", f"{scenes.theatre}/seats", fresh=True)
    await page.goto(f"{scenes.theatre}/seats?section=Stalls")
    await page.locator(".seat-box input").first.check()
    await page.wait_for_timeout(600)  # the map follows
    await gallery.shot("seats-chosen", fresh=True)
    await page.locator("#list").scroll_into_view_if_needed()
    await gallery.shot("seats-section")
    await page.goto(f"{scenes.strict_hall}/seats?section=Stalls")
    await page.get_by_role("checkbox", name="Row A seat 2,").check()
    await page.locator("[data-orphans]:visible").wait_for()
    await page.locator("[data-orphans]").scroll_into_view_if_needed()
    await gallery.shot("seats-one-left-alone")
    await page.goto(f"{scenes.hall}/book?{scenes.two_seats}")
    await gallery.shot("choice-seats")
    await scenes.take_seat()
    await page.get_by_role("button", name="Hold for").click()
    await gallery.shot("seat-taken")
    await page.goto(f"{scenes.hall}/book?{scenes.code_choice}")
    await gallery.shot("choice-code")
    await page.goto(f"{scenes.few_id}/book?{scenes.few_type}=4")
    await page.get_by_role("button", name="Book").first.click()
    await gallery.shot("fewer-left")


async def paying(gallery: Gallery, scenes: Scenes, buyer: Buyer) -> None:
    """Photograph a booking from the hold to the tickets."""
    page = gallery.page
    await page.goto(f"{scenes.theatre}/book?{scenes.theatre_choice}")
    await gallery.shot("choice-signed-in")
    await page.get_by_role("button", name="Hold for").click()
    held = re.sub("^https?://[^/]*", "", page.url)
    await gallery.shot("held", narrow=True)
    await gallery.visit("hold-bar", "/", narrow=True)
    await page.goto(held)
    await page.get_by_role("button", name="Pay", exact=False).first.click()
    await gallery.shot("gateway")
    await page.goto(held)
    await gallery.shot("bank-asks")
    await page.get_by_role("link", name="Go on to pay").click()
    await page.get_by_role("button", name="Decline").click()
    await gallery.visit("declined", held)
    late = await scenes.hold(buyer)
    await scenes.pay(late, buyer, "late")
    await gallery.visit("paying", f"/bookings/{late}")
    await page.goto(held)
    await page.get_by_role("button", name="Pay").click()
    await page.get_by_role("button", name="Pay").first.click()
    await page.wait_for_timeout(800)
    await gallery.visit("confirmed", held, narrow=True)
    await page.get_by_role("link", name="Show the ticket").first.click()
    await gallery.shot("ticket", whole=True, narrow=True)
    await gallery.visit("cancelling", f"{held}/cancel", narrow=True)
    await page.get_by_role("button", name="Cancel the chosen tickets").click()
    await gallery.shot("cancelling-nothing")
    await page.locator("input[name=ticket]").first.check()
    await page.get_by_role("button", name="Cancel the chosen tickets").click()
    await gallery.shot("cancelled-partly")


async def after_booking(gallery: Gallery, scenes: Scenes, buyer: Buyer) -> None:
    """Photograph bookings that ended otherwise."""
    page = gallery.page
    brief = await scenes.book("brief", buyer)
    full = await scenes.book("full", buyer)
    await gallery.visit("returning-choice", f"/bookings/{full}/cancel")
    await page.locator("input[name=ticket]").first.check()
    await page.get_by_role("button", name="Return them").click()
    await gallery.shot("returning")
    shared, others = await scenes.sell_out("shared", buyer)
    await page.goto(f"/bookings/{shared}/cancel")
    await page.locator("input[name=ticket]").first.check()
    await scenes.cancel_one(others)  # meanwhile
    await page.get_by_role("button", name="Return them").click()
    await gallery.shot("returning-nobody-waits")
    for name, booking in (await scenes.bookings_of(buyer)).items():
        await gallery.visit(name, f"/bookings/{booking}")
    await page.wait_for_timeout(5_000)
    await gallery.visit("expired", f"/bookings/{brief}")
    await gallery.visit("too-late", f"/bookings/{await scenes.too_late(buyer)}/cancel")
    await gallery.visit("ticket-void", f"/tickets/{await scenes.void_ticket(buyer)}")


async def mine(gallery: Gallery, scenes: Scenes, buyer: Buyer) -> None:
    """Photograph what belongs to a person."""
    page = gallery.page
    await gallery.visit("my-tickets", "/me/tickets", narrow=True)
    await gallery.visit("me", "/me", whole=True, narrow=True)
    await gallery.visit("new-email", "/me/email")
    await gallery.visit("notifications", "/me/notifications")
    await gallery.visit("deleting", "/me/delete")
    await page.goto("/me/delete")
    await page.get_by_role("button", name="Delete my account").click()
    await gallery.shot("deleting-wrong")
    await gallery.visit("waitlist-none", "/me/waitlist")
    await gallery.visit("joining", f"{scenes.sold_out_id}/waitlist?type={scenes.sold_out_type}")
    await page.get_by_role("button", name="Join the waitlist").click()
    await gallery.shot("waiting")
    await scenes.offer(buyer)
    await gallery.visit("offered", "/me/waitlist", narrow=True)
    await page.locator("details summary").first.click()
    await page.get_by_label("Promo code").first.fill("GUESS")
    await page.get_by_role("button", name="Take").first.click()
    await gallery.shot("offered-code-wrong")
    await page.get_by_role("button", name="Pass on").first.click()
    await gallery.shot("waitlist-over")


async def trouble(gallery: Gallery, office: BoxOffice, fresh: BoxOffice) -> None:
    """Photograph what cannot be shown, and a fresh platform."""
    await gallery.visit("not-there", "/nothing")
    await gallery.visit("event-not-there", NOT_THERE)
    await from_here(gallery, "empty-platform", fresh, "/")
    await from_here(gallery, "empty-month", fresh, "/events?view=month")
    limited = Refused(EdgeRefusal.RATE_LIMITED, "limit", limit=600, window_seconds=60, retry_after=12)
    for name, exc in (
        ("broken", RuntimeError("broken on purpose")),
        ("full", Busy()),
        ("too-many", limited),
        ("another-site", Refused(EdgeRefusal.CROSS_SITE)),
    ):
        with breaking(exc):
            await from_here(gallery, name, office, "/")


@contextmanager
def breaking(exc: Exception) -> Iterator[None]:
    """Make every list of events fail in this process."""
    with patch("evently.catalogue.browse", side_effect=exc):
        yield


async def from_here(gallery: Gallery, name: str, office: BoxOffice, path: str) -> None:
    """Photograph a page of the application in this process; its files come from the server."""
    office.context.memory.forget_all()
    answer = await office.client.get(path, headers={"accept": "text/html"})

    async def fulfil(route: Route) -> None:
        await route.fulfill(status=answer.status_code, body=answer.text, content_type="text/html")

    address = f"**/gallery-{name}"
    await gallery.page.route(address, fulfil)
    await gallery.visit(name, f"/gallery-{name}")
    await gallery.page.unroute(address)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
