"""Who does what in each scene. `footage.next_sentence()` begins the next sentence of the script."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from playwright.async_api import Browser, Page, expect

from evently.kit.clock import utc_now
from evently.kit.ids import new_id
from evently.sales.commands.bookings import BookingLine, PlaceBooking
from evently.sales.reads import find_sale
from film.footage import Footage, Terminal, filming
from tests.api.test_checkin import open_door
from tests.browser import test_door
from tests.browser.scenes import Scenes
from tests.browser.scenes_evening import on_sale, sell, spread
from tests.support.box_office import BoxOffice
from tests.support.desk import address_of, sign_in_member
from tests.support.film import write_film as write_camera_film
from tests.support.serving import Serving, environment, serving

PHONE: Final[Any] = {"width": 390, "height": 740}
DESKTOP: Final[Any] = {"width": 1100, "height": 640}
_PASSWORD: Final = "evently-demo"  # noqa: S105  # of everybody in the demo
_SLOW_MS: Final = 700  # a person looks before they act
_TOUCH: Final = """addEventListener("pointerdown", ({ clientX, clientY }) => {
  const dot = document.createElement("div");
  Object.assign(dot.style, {
    position: "fixed", left: `${clientX - 18}px`, top: `${clientY - 18}px`, width: "36px", height: "36px",
    borderRadius: "50%", background: "rgba(80, 110, 220, .45)", zIndex: 99999, pointerEvents: "none",
  });
  document.documentElement.append(dot);
  setTimeout(() => dot.remove(), 600);
}, true)"""


class Stage(NamedTuple):
    """What scenes play on: a served demo, a box office on its database, a browser, and a directory."""

    office: BoxOffice
    server: Serving
    browser: Browser
    directory: Path


@asynccontextmanager
async def phone(stage: Stage, footage: Footage, name: str) -> AsyncIterator[Page]:
    """Yield the page of a phone that is filmed."""
    context = await stage.browser.new_context(
        base_url=stage.server.url, viewport=PHONE, device_scale_factor=1.5, has_touch=True
    )
    await context.add_init_script(_TOUCH)
    page = await context.new_page()
    async with filming(footage, name, page):
        yield page
    await context.close()


async def pause(page: Page, milliseconds: int = _SLOW_MS) -> None:
    """Let people look."""
    await page.wait_for_timeout(milliseconds)


async def scroll(page: Page, points: int) -> None:
    """Scroll slowly."""
    for _ in range(12):
        await page.mouse.wheel(0, points / 12)
        await page.wait_for_timeout(40)


async def desk(stage: Stage, footage: Footage) -> None:
    """Go from an empty account to an event on sale, with a promo code."""
    context = await stage.browser.new_context(
        base_url=stage.server.url, viewport=DESKTOP, device_scale_factor=1
    )
    page = await context.new_page()
    await Scenes(stage.office).buyer(page.context, stage.server.url)
    await page.goto("/me")
    async with filming(footage, "desktop", page):
        footage.next_sentence()
        await page.get_by_role("link", name="Become an organizer").click()
        await page.locator("#name").press_sequentially("Seven Lighthouses", delay=60)
        await pause(page)
        await page.keyboard.press("Enter")
        await pause(page, 1_200)
        await create_event(page, footage)
        await publish(page, footage)
        await add_code(page, footage)
    await context.close()


async def create_event(page: Page, footage: Footage) -> None:
    """Fill in what an event needs, slowly."""
    footage.next_sentence()
    await page.get_by_role("link", name="Create your first event").click()
    await page.locator("#title").press_sequentially("Fog and Brass", delay=60)
    await page.locator("#starts_day").fill((utc_now() + timedelta(days=60)).date().isoformat())
    await pause(page)
    for field, text in (
        ("venue_name", "Pier 7"),
        ("venue_address", "Pier 7, Valletta"),
        ("venue_city", "Valletta"),
    ):
        await page.locator(f"#{field}").press_sequentially(text, delay=40)
    await page.locator("#venue_country").select_option(label="Malta")
    await pause(page)
    await page.locator("#price_1").press_sequentially("29.90", delay=60)
    await page.locator("#places_1").press_sequentially("400", delay=60)
    await pause(page)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Fog and Brass")


async def publish(page: Page, footage: Footage) -> None:
    """Look at the event as a buyer, and publish it."""
    footage.next_sentence()
    await pause(page, 2_500)
    await page.get_by_role("link", name="Preview as a buyer").click()
    await pause(page, 2_500)
    await page.get_by_role("link", name="Back to the desk").click()
    await pause(page, 1_000)
    await page.get_by_role("button", name="Publish it").click()
    await expect(page.get_by_role("status").first).to_contain_text("It is published.")
    footage.next_sentence()
    await pause(page, 2_500)


async def add_code(page: Page, footage: Footage) -> None:
    """Make a promo code."""
    footage.next_sentence()
    await page.get_by_role("link", name="Promo codes").click()
    await pause(page)
    await page.locator("#code").press_sequentially("spring", delay=60)
    await page.locator("#value").press_sequentially("10", delay=60)
    await pause(page)
    await page.keyboard.press("Enter")
    await pause(page, 2_000)


async def shop(stage: Stage, footage: Footage) -> None:
    """Buy two seats, from the list of events to the ticket."""
    async with phone(stage, footage, "phone") as page:
        await find(page, footage)
        await choose_seats(page, footage)
        await sign_in_by_code(stage, page, footage)
        await pay(page, footage)


async def find(page: Page, footage: Footage) -> None:
    """Find an event."""
    footage.next_sentence()
    await page.goto("/")
    await pause(page, 1_500)
    await page.get_by_label("Search events").press_sequentially("winter night", delay=60)
    await page.get_by_role("button", name="Search").click()
    await pause(page, 1_200)
    await page.locator(".event a").first.click()
    footage.next_sentence()
    await pause(page, 900)
    await scroll(page, 420)
    await pause(page, 900)


async def choose_seats(page: Page, footage: Footage) -> None:
    """Choose two seats."""
    await page.get_by_role("link", name="Choose seats").first.click()
    footage.next_sentence()
    await pause(page, 2_500)
    await page.goto(f"{page.url.split('?')[0]}?section=Stalls")
    await pause(page, 1_200)
    await choose(page, 2)
    await pause(page, 1_000)
    await page.locator("[data-continue]:visible").first.click()


async def sign_in_by_code(stage: Stage, page: Page, footage: Footage) -> None:
    """Make an account on the way."""
    email = f"zoe.okafor.{new_id().hex[-4:]}@evently.example"
    footage.next_sentence()
    await pause(page)
    await page.get_by_label("Name").fill("Zoë Okafor")
    await page.get_by_label("E-mail").fill(email)
    await pause(page)
    await page.get_by_role("button", name="Send me a code").click()
    code = await code_for(stage, email)
    await pause(page)
    await page.get_by_label("Code").press_sequentially(code, delay=90)
    await page.get_by_role("button", name="Log in").click()
    await pause(page)


async def pay(page: Page, footage: Footage) -> None:
    """Hold the seats, pay them, and open a ticket."""
    await page.get_by_role("button", name="Hold for").click()
    footage.next_sentence()
    held = page.url
    await pause(page, 2_000)
    await page.get_by_role("button", name=re.compile("^Pay")).click()
    footage.next_sentence()
    await pause(page, 1_500)
    await page.get_by_role("button", name=re.compile("^Pay")).first.click()
    await pause(page, 900)
    await page.goto(held)
    await expect(page.get_by_role("heading", level=1)).to_have_text("You are going", timeout=30_000)
    footage.next_sentence()
    await pause(page, 1_200)
    await scroll(page, 500)
    await pause(page)
    await page.get_by_role("link", name="Show the ticket").first.click()
    footage.next_sentence()
    await pause(page, 2_000)
    await scroll(page, 400)
    await pause(page, 1_000)


async def choose(page: Page, seats: int, first: int = 0) -> None:
    """Tick seats of the list below the map; the map follows."""
    boxes = page.locator(".seat-box input")
    for number in range(first, first + seats):
        await boxes.nth(number).check(force=True)
        await pause(page, 350)


async def code_for(stage: Stage, email: str) -> str:
    """Read the code that was sent, in the mailbox of the demo."""
    context = await stage.browser.new_context(base_url=stage.server.url)
    page = await context.new_page()
    for _ in range(60):
        await page.goto(f"/demo/mail?to={email}")
        if found := re.search(r"(\d{6}) is your code", await page.inner_text("body")):
            await context.close()
            return found[1]
        await page.wait_for_timeout(500)
    raise RuntimeError("no code came")


async def race(stage: Stage, footage: Footage) -> None:
    """Let two buyers want the same two seats."""
    theatre = (await stage.office.client.get("/v1/events?q=winter+night&limit=1")).json()["data"][0]["id"]
    async with AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(phone(stage, footage, name)) for name in ("left", "right")]
        for page in pages:
            await Scenes(stage.office).buyer(page.context, stage.server.url)
            await page.goto(f"/events/{theatre}/seats?section=Stalls")
        footage.next_sentence()
        await pause(pages[0], 800)
        await asyncio.gather(*[choose(page, 2, 6) for page in pages])
        await asyncio.gather(*[page.locator("[data-continue]:visible").first.click() for page in pages])
        buttons = [page.get_by_role("button", name="Hold for") for page in pages]
        await asyncio.gather(*[button.wait_for() for button in buttons])
        await pause(pages[0], 1_000)
        footage.next_sentence()
        await asyncio.gather(*[button.click() for button in buttons])
        await pause(pages[0], 1_200)
        footage.next_sentence()
        await pause(pages[0], 2_500)
        footage.next_sentence()
        await pause(pages[0], 1_000)


async def rehearsal(stage: Stage, footage: Footage) -> None:
    """Rehearse with 5,000 buyers, in a terminal."""
    terminal = Terminal(footage, "terminal")
    footage.next_sentence()
    await terminal.type("evently rehearse --buyers 5000 --places 1000")
    sold = Once(footage.next_sentence)
    checked = Once(footage.next_sentence)

    def see(text: str) -> None:
        if "bookings/s" in text:
            sold()
        if "must be 0" in text:
            checked()

    report = str(stage.directory / "rehearsal.html")
    await terminal.run(
        evently("rehearse", "--buyers", "5000", "--places", "1000", "--report", report), environment(), see
    )
    sold()
    checked()
    await asyncio.sleep(2)


async def kill(stage: Stage, footage: Footage) -> None:
    """Kill a worker and the database while 5,000 buyers book; then audit."""
    data = stage.directory / "data"
    with serving("--demo", data=str(data), workers="2", access_log="false") as server:
        token = await owner_token(stage, server)
        above, below = Terminal(footage, "1", rows=15), Terminal(footage, "2", rows=8)
        footage.next_sentence()
        await above.type("evently rehearse --url $SERVER --buyers 5000 --places 20000")
        selling = asyncio.Event()
        arguments = evently(
            *("rehearse", "--url", server.url, "--buyers", "5000", "--places", "20000"),
            *("--report", str(stage.directory / "killed.html")),
        )
        running = asyncio.create_task(
            above.run(
                arguments,
                environment(token=token),
                lambda text: selling.set() if "bookings/s" in text else None,
            )
        )
        await selling.wait()
        await asyncio.sleep(1.5)
        footage.next_sentence()
        await strike(below, server.workers()[0], "a worker")
        await asyncio.sleep(2.0)
        footage.next_sentence()
        await strike(below, server.postgres(), "PostgreSQL")
        await asyncio.sleep(1.0)
        footage.next_sentence()
        status = await running
        footage.next_sentence()
        await asyncio.sleep(2)
        footage.next_sentence()
        await below.type("evently audit")
        found = await below.run(evently("audit", "--data", str(data)), environment())
        await asyncio.sleep(2)
        if status or found:
            raise RuntimeError(f"the rehearsal ended with {status}, the audit with {found}")


async def strike(terminal: Terminal, pid: int, what: str) -> None:
    """Kill a process, as the terminal says."""
    await terminal.type(f"kill -9 {pid}  # {what}")
    os.kill(pid, signal.SIGKILL)


async def owner_token(stage: Stage, server: Serving) -> str:
    """Return an access token of the owner of an organizer of a demo."""
    context = await stage.browser.new_context(base_url=server.url)
    login = {"email": "owner@evently.example", "password": _PASSWORD}
    answer = await context.request.post("/v1/auth/login", data=login)
    token: str = (await answer.json())["access_token"]
    await context.close()
    return token


async def evening(stage: Stage, footage: Footage) -> None:
    """Sell while an organizer looks."""
    office = stage.office
    event = await on_sale(office, "An Evening of Small Machines", 3_000)
    await sell(office, event, 500)
    await spread(office, event)
    context = await stage.browser.new_context(
        base_url=stage.server.url, viewport=DESKTOP, device_scale_factor=1
    )
    page = await context.new_page()
    await sign_in_member(office, context, stage.server.url)
    await page.goto(address_of(event))
    await pause(page, 1_500)
    async with filming(footage, "desktop", page):
        selling = asyncio.create_task(sell_on(stage, event))
        for _ in range(2):
            footage.next_sentence()
            await pause(page, 7_000)
        footage.next_sentence()
        await scroll(page, 420)
        await pause(page, 6_500)
        selling.cancel()
        await asyncio.wait([selling])
    await context.close()


async def sell_on(stage: Stage, event: Any) -> None:
    """Sell some tickets a second until this is cancelled."""
    chance = random.Random(5)  # a story
    (type_id,) = (await find_sale(stage.office.context.database, event.event_id)).ticket_types
    while True:
        line = BookingLine(type_id, chance.choice((1, 2, 2, 2, 3, 4)))
        await stage.office.context.engine.submit(
            PlaceBooking(event.event_id, new_id(), (line,), hold_seconds=chance.choice((600, None, None)))
        )
        await asyncio.sleep(chance.expovariate(12))


async def door(stage: Stage, footage: Footage) -> None:
    """Film one ticket at two doors."""
    opened = await open_door(stage.office, 3)
    film = write_camera_film(stage.directory / "ticket.y4m", [opened.tickets[0]["code"]])
    async with test_door.filming(stage.server, film, 2) as contexts, AsyncExitStack() as stack:
        pages = [await context.new_page() for context in contexts]
        for name, page in zip(("left", "right"), pages, strict=True):
            await stack.enter_async_context(filming(footage, name, page))
        left, right = pages
        footage.next_sentence()
        await test_door.enrol(stage.office, opened, left, name="Phone at the east gate")
        await left.locator("[data-answer][data-result]").wait_for(state="attached")
        footage.next_sentence()
        await pause(left, 1_200)
        await test_door.enrol(stage.office, opened, right, name="Phone at the west gate")
        await right.locator("[data-answer][data-result]").wait_for(state="attached")
        footage.next_sentence()
        await pause(right, 2_500)
        footage.next_sentence()
        await left.context.set_offline(True)
        await pause(left, 1_500)
        await test_door.type_code(left, opened.tickets[1]["code"])
        await pause(left, 3_500)


class Once:
    """Does something the first time that it is called."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act: Callable[[], None] | None = act

    def __call__(self) -> None:
        """Do it now, unless it is done."""
        if self._act is not None:
            self._act()
            self._act = None


def evently(*arguments: str) -> list[str]:
    """Return the command of Evently that belongs to this interpreter."""
    return [sys.executable, "-m", "evently", *arguments]


PLAYS: Final[Mapping[str, Callable[[Stage, Footage], Awaitable[None]]]] = {
    "desk": desk,
    "shop": shop,
    "race": race,
    "rehearsal": rehearsal,
    "kill": kill,
    "evening": evening,
    "door": door,
}
