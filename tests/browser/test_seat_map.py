"""The seat map in a browser: pointer, keyboard and map together, live changes, best available, budgets."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Browser, Page, expect

from evently import organizing
from evently.catalogue import Event
from evently.kit.clock import utc_now
from evently.kit.money import Money
from evently.organizing import NewTicketType, SaleTerms, SeatingDraft, ZoneDraft
from evently.organizing.zones import SeatChoice
from evently.sales.terms import Conditions
from evently.seating import SeatMap, add_seat_map
from evently.seating.generate import arena, theatre
from tests.browser.test_buying import DESKTOP, NARROWEST, PHONE, address, faults_of, opened, sign_in
from tests.support.box_office import BoxOffice
from tests.support.serving import Serving
from tests.support.streams import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

SEATS_PAGE_BYTES_MAX: Final = 80 * 1024
SCRIPT_BYTES_MAX: Final = 30 * 1024
ELEMENTS_MAX: Final = 400  # in the picture of 20,000 seats


async def open_map(office: BoxOffice, seat_map: SeatMap, **conditions: Any) -> Event:
    """Put an event on sale in a hall; its sections are in three zones, in turn."""
    async with office.context.database.transaction() as tx:
        added = await add_seat_map(tx, office.venue.organizer_id, office.venue.venue_id, seat_map, utc_now())
    names = [section.name for section in seat_map.sections]
    zones = tuple(
        ZoneDraft(name=f"Category {number + 1}", sections=tuple(names[number::3])) for number in range(3)
    )
    types = tuple(
        NewTicketType(name=zone.name, price=Money(9000 - 2000 * number, "EUR"), zone=zone.name)
        for number, zone in enumerate(zones)
    )
    terms = SaleTerms(
        currency="EUR",
        ticket_types=types,
        conditions=Conditions(payment="online", hold_seconds=600, **conditions),
        seating=SeatingDraft(seat_map_id=added.seat_map_id, zones=zones),
    )
    return await office.open_event(terms=terms)


async def see(page: Page, event: Event, query: str = "") -> None:
    """Open the page of the seats and wait for the map."""
    await page.goto(f"{address(event)}/seats{query}")
    await page.locator("[data-ready]").wait_for()


async def press_seat(page: Page, seat_id: str) -> None:
    """Click where the map shows a seat, which must be on the screen."""
    place = await page.evaluate(
        """async seatId => {
            const host = document.querySelector("[data-seats]");
            host.querySelector(".seat-picture").scrollIntoView({block: "center"});
            const layout = await (await fetch(host.dataset.layout)).json();
            for (const [, rows] of layout.sections) for (const [, labels, ids, stepsX, stepsY] of rows) {
                let x = 0, y = 0;
                for (let at = 0; at < stepsX.length; at++) {
                    x += stepsX[at]; y += stepsY[at];
                    const counts = typeof labels[0] === "number";
                    const label = counts ? String(labels[0] + labels[1] * at) : labels[at];
                    if ((typeof ids === "string" ? ids + label : ids[at]) !== seatId) continue;
                    const group = document.querySelector(".seat-picture > g");
                    const point = new DOMPoint(x / 100, y / 100).matrixTransform(group.getScreenCTM());
                    return [point.x, point.y];
                }
            }
        }""",
        seat_id,
    )
    assert place is not None, seat_id
    await page.mouse.click(*place)


def chosen_in_address(page: Page) -> list[str]:
    return [each.partition(":")[2] for each in parse_qs(urlsplit(page.url).query).get("seat", [])]


async def has_chosen(page: Page, *seats: str) -> None:
    """Wait until the address names these seats."""
    await until(lambda: chosen_in_address(page) == [*seats], f"{seats} are chosen")


async def test_seats_are_chosen_on_the_map_and_survive_reload_and_back(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_hall(payment="online", hold_seconds=600)
    async with opened(browser, server, viewport=DESKTOP) as page:
        await sign_in(office, page.context, server)
        await see(page, event)
        await press_seat(page, "S-A-2")
        await press_seat(page, "B-A-3")
        await press_seat(page, "S-A-3")
        await press_seat(page, "S-A-3")
        await expect(page.locator(".mark.yours")).to_have_count(2)
        await has_chosen(page, "S-A-2", "B-A-3")
        await expect(page.locator("[data-chosen] li")).to_have_text(
            ["Stalls, row A, seat 2, €\u00a040.00Remove", "Balcony, row A, seat 3, €\u00a030.00Remove"]
        )
        boxes = page.locator("[role=grid] input:checked")
        await expect(boxes).to_have_count(1)
        await page.reload()
        await page.locator("[data-ready]").wait_for()
        await expect(page.locator(".mark.yours")).to_have_count(2)
        await page.get_by_role("button", name="Remove Balcony, row A, seat 3").click()
        await expect(page.locator(".mark.yours")).to_have_count(1)
        await page.get_by_role("button", name="Continue with 1 seat, €\u00a040.00").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Your choice")
        await expect(page.get_by_role("main")).to_contain_text("Stalls, row A, seat 2")
        await page.go_back()
        await expect(page.locator(".mark.yours")).to_have_count(1)
        await page.get_by_role("button", name="Continue with 1 seat").click()
        await page.get_by_role("button", name="Hold for 10 minutes").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Pay for 1 ticket")


async def test_by_keyboard_in_the_list_and_the_map_follows(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await open_map(office, theatre(600))
    async with opened(browser, server, viewport=DESKTOP) as page:
        await see(page, event)
        section = page.get_by_label("Section", exact=True).first
        await section.focus()
        await page.keyboard.press("ArrowDown")
        grid = page.get_by_role("grid")
        await expect(grid).to_be_visible()
        await page.keyboard.press("Tab")
        for key in ("End", "Home", "ArrowRight", "ArrowRight", "Space", "ArrowDown", "ArrowLeft", "Space"):
            await page.keyboard.press(key)
        focused = page.locator(":focus")
        label = await focused.get_attribute("aria-label")
        assert label is not None
        assert label.startswith("Row B seat"), label
        assert "€" in label
        await expect(page.locator(".mark.yours")).to_have_count(2)
        await expect(page.locator(".rings .focused")).to_have_attribute("visibility", "visible")
        ring = await page.locator(".rings .focused").bounding_box()
        frame = await page.locator(".map-frame").bounding_box()
        assert ring is not None
        assert frame is not None
        assert frame["x"] <= ring["x"] <= frame["x"] + frame["width"], "the map shows what has the focus"
        assert await grid.locator("input[tabindex='0']").count() == 1, "one tab stop"
        await page.keyboard.press("Control+End")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.closest('[role=grid]')") is None


async def test_a_chosen_seat_that_another_takes_is_crossed_and_the_nearest_is_offered(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_hall(payment="online", hold_seconds=600)
    types = await office.types(event)
    async with opened(browser, server, viewport=DESKTOP) as page:
        await see(page, event)
        await press_seat(page, "S-A-2")
        await press_seat(page, "S-A-6")
        taken = {"ticket_type_id": types["Stalls"], "seats": ["S-A-2"]}
        assert (await office.place(event, office.as_buyer(), taken)).status_code in {201, 202}
        await expect(page.locator(".mark.gone")).to_have_count(1)
        await expect(page.locator("[data-said]")).to_have_text(
            "Stalls, row A, seat 2 was taken a moment ago."
        )
        await expect(page.locator("[data-chosen] s")).to_have_text("Stalls, row A, seat 2")
        await has_chosen(page, "S-A-6")  # the other one stays chosen
        await page.get_by_role("button", name="Take Stalls, row A, seat ").click()
        await expect(page.locator(".mark.gone")).to_have_count(0)
        await until(lambda: len(chosen_in_address(page)) == 2, "both are chosen")
        chosen = chosen_in_address(page)
        assert chosen[0] == "S-A-6"
        assert chosen[1] in {"S-A-1", "S-A-3", "S-B-2"}


async def test_two_browsers_race_for_one_seat(office: BoxOffice, server: Serving, browser: Browser) -> None:
    event = await office.open_hall(payment="online", hold_seconds=600)
    async with (
        opened(browser, server, viewport=DESKTOP) as first,
        opened(browser, server, viewport=DESKTOP) as second,
    ):
        pages = (first, second)
        for page in pages:
            await sign_in(office, page.context, server)
            await see(page, event)
            await press_seat(page, "B-A-1")
            await page.get_by_role("button", name="Continue with 1 seat").click()
            await page.get_by_role("button", name="Hold for 10 minutes").wait_for()
        await asyncio.gather(
            *(page.get_by_role("button", name="Hold for 10 minutes").click() for page in pages)
        )
        for page in pages:
            decided = page.get_by_role("heading", name="Pay for 1 ticket").or_(page.get_by_role("alert"))
            await expect(decided.first).to_be_visible()
        said = sorted([await page.get_by_role("heading", level=1).inner_text() for page in pages])
        assert said == ["Pay for 1 ticket", "Your choice"]
        loser = first if await first.get_by_role("alert").count() else second
        await expect(loser.get_by_role("alert")).to_contain_text("Balcony, row A, seat 1 was taken")
        await loser.get_by_role("link", name="Choose another seat").click()
        await loser.locator("[data-ready]").wait_for()
        await expect(loser.locator(".mark.yours")).to_have_count(0)


async def test_the_best_seats_are_drawn_before_anything_is_held(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await open_map(office, theatre(600))
    async with opened(browser, server) as page:
        await see(page, event)
        for _ in range(2):
            await page.get_by_role("button", name="One more Category 1").click()
        await page.get_by_role("button", name="Find seats for me").click()
        await expect(page.locator(".mark.suggested")).to_have_count(2)
        first = await page.locator("[data-suggestion] p").inner_text()
        assert first.endswith("€\u00a0180.00. Nothing is held yet."), first
        await page.get_by_role("button", name="Show others").click()
        await expect(page.locator("[data-suggestion] p")).not_to_have_text(first)
        await expect(page.locator(".mark.suggested")).to_have_count(2)
        await page.get_by_role("button", name="Take these").click()
        await expect(page.locator(".mark.yours")).to_have_count(2)
        await until(lambda: len(chosen_in_address(page)) == 2, "both are chosen")
        states = await page.evaluate(
            "fetch(document.querySelector('[data-seats]').dataset.states).then(r => r.json())"
        )
        assert set(states["seats"]) == {"0"}, "nothing is held"
        await page.get_by_role("button", name="Find seats for me").click()


async def test_from_afar_a_tap_comes_nearer_and_chooses_nothing(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await open_map(office, arena(20_000))
    async with opened(browser, server, has_touch=True) as page:
        await see(page, event)
        picture = page.locator(".seat-picture")
        box = await picture.bounding_box()
        assert box is not None
        assert box["height"] <= PHONE["height"] * 0.6, "the page can be scrolled beside the map"
        assert await picture.evaluate("svg => getComputedStyle(svg).touchAction") == "none"
        before = await page.locator(".seat-picture > g").get_attribute("transform")
        await page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.6)
        await expect(page.locator(".seat-picture .number").first).to_be_visible()
        assert await page.locator(".seat-picture > g").get_attribute("transform") != before
        await expect(page.locator(".mark")).to_have_count(0)
        await expect(page.get_by_role("grid")).to_be_visible()
        await page.get_by_role("button", name="Whole hall").click()
        await expect(page.locator(".seat-picture.far")).to_be_visible()


async def test_a_map_of_twenty_thousand_seats_stays_within_its_budget(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await open_map(office, arena(20_000))
    seat_map = arena(20_000)
    taken = tuple(seat.id for number, seat in enumerate(seat_map.seats()) if number % 20 < 9)
    async with office.context.database.transaction() as tx:
        await organizing.block_seats(tx, event.event_id, SeatChoice(seats=taken), utc_now())
    async with opened(browser, server) as page:
        sizes: dict[str, int] = {}
        waiting: list[asyncio.Future[None]] = []

        async def measure(response: Any) -> None:
            if "/stream?" not in response.url:  # which does not end
                sizes[response.url] = (await response.request.sizes())["responseBodySize"]

        page.on("response", lambda response: waiting.append(asyncio.ensure_future(measure(response))))
        await see(page, event)
        await asyncio.gather(*waiting)
        elements = await page.locator(".seat-picture *").count()
        ready_ms = await page.locator("[data-ready]").get_attribute("data-ready")
    counted = {
        url: size for url, size in sizes.items() if not any(each in url for each in ("icon", "webmanifest"))
    }
    print(f"ready {ready_ms} ms after its script, {elements} elements, {sum(counted.values())} bytes")
    assert sum(1 for url in counted if "/seats/layout/" in url) == 1, "preloaded, and loaded once"
    assert sum(counted.values()) <= SEATS_PAGE_BYTES_MAX, counted
    assert sum(size for url, size in counted.items() if url.endswith(".js")) <= SCRIPT_BYTES_MAX, counted
    assert elements <= ELEMENTS_MAX


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_axe_finds_nothing_serious(
    office: BoxOffice, server: Serving, browser: Browser, axe: str, theme: Any, size: Any
) -> None:
    event = await open_map(office, theatre(600))
    async with opened(browser, server, viewport=size, color_scheme=theme, bypass_csp=True) as page:
        await see(page, event)
        assert await faults_of(page, f"{address(event)}/seats", axe) == []
        section = theatre(600).sections[0].name
        await see(page, event, f"?section={section}")
        await page.locator("[role=grid] input").first.check()
        await page.evaluate(axe)
        result = await page.evaluate("axe.run({ resultTypes: ['violations'], preload: false })")
        serious = [each for each in result["violations"] if each["impact"] in {"serious", "critical"}]
        assert [(each["id"], each["nodes"][0]["html"][:200]) for each in serious] == []


async def test_the_smallest_screen_and_forced_colours(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await open_map(office, theatre(600))
    async with opened(browser, server, viewport=NARROWEST, forced_colors="active") as page:
        await see(page, event, f"?section={theatre(600).sections[0].name}")
        assert await page.evaluate("document.documentElement.scrollWidth") <= NARROWEST["width"]
        colours = await page.evaluate(
            "[...document.querySelectorAll('.seat-picture path.free')]"
            ".map(path => getComputedStyle(path).stroke)"
        )
        assert len(set(colours)) >= 3, "the map keeps the colours of its zones"
        for button in await page.locator(".map-buttons button").all():
            box = await button.bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) >= 44


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_without_script_the_rows_are_check_boxes_and_nothing_chosen_is_lost(
    office: BoxOffice, server: Serving, browser: Browser, viewport: Any
) -> None:
    event = await office.open_hall(payment="online", hold_seconds=600)
    async with opened(browser, server, java_script_enabled=False, viewport=viewport) as page:
        await page.goto(f"{address(event)}/seats")
        await expect(page.locator(".map-frame")).to_be_hidden()
        await page.get_by_role("link", name="Stalls").click()
        await page.get_by_role("checkbox", name="Row A seat 2").check()
        await page.get_by_role("button", name="All sections").click()
        await page.get_by_role("button", name="Balcony").click()
        await page.get_by_role("checkbox", name="Row A seat 1").check()
        await page.locator("[data-continue]:visible").first.click()
        await expect(page.get_by_role("main")).to_contain_text("Stalls, row A, seat 2")
        await expect(page.get_by_role("main")).to_contain_text("Balcony, row A, seat 1")


async def test_a_zone_dims_the_others_and_a_lost_connection_says_how_old_the_map_is(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await open_map(office, theatre(600))
    async with opened(browser, server, viewport=DESKTOP) as page:
        await see(page, event)
        chip = page.locator("[data-zone-chip=B]")
        await chip.click()
        await expect(chip).to_have_attribute("aria-pressed", "true")
        dimmed = page.locator(".seat-picture path.free.dim")
        assert 0 < await dimmed.count() < await page.locator(".seat-picture path.free").count()
        await chip.click()
        await expect(dimmed).to_have_count(0)
        await page.clock.install()
        await page.reload()
        await page.locator("[data-ready]").wait_for()
        await page.route("**/v1/events/**", lambda route: route.abort())
        for _ in range(20):  # what is aborted is seen between two steps of the page's clock
            await page.clock.run_for(10_000)
            if await page.locator("[data-lost]").inner_text():
                break
            await asyncio.sleep(0.1)
        await expect(page.locator("[data-lost]")).to_contain_text("No connection. Updated")


async def test_a_seat_left_alone_is_said_while_choosing(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_hall(payment="online", hold_seconds=600, orphans_forbidden=True)
    async with opened(browser, server, viewport=DESKTOP) as page:
        await see(page, event)
        await press_seat(page, "S-A-2")
        warning = page.locator("[data-orphans]")
        await expect(warning).to_contain_text("Stalls, row A, seat 1")
        await page.get_by_role("button", name="Move by one").click()
        await expect(warning).to_be_hidden()
        await has_chosen(page, "S-A-1")
        await press_seat(page, "S-A-3")
        await page.get_by_role("button", name="Take it, too").click()
        await expect(warning).to_be_hidden()
        await expect(page.locator(".mark.yours")).to_have_count(3)


async def test_on_a_phone_the_button_does_not_cover_the_seat_left_alone(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_hall(payment="online", hold_seconds=600, orphans_forbidden=True)
    async with opened(browser, server) as page:
        await page.goto(f"{address(event)}/seats?section=Stalls")
        await page.locator("[data-ready]").wait_for()
        await page.get_by_role("checkbox", name="Row A seat 2,").check()
        warning, bar = page.locator("[data-orphans]"), page.locator(".phone-bar")
        await expect(warning).to_contain_text("Stalls, row A, seat 1")
        await warning.scroll_into_view_if_needed()
        for place in ("end", "start", "center", "nearest"):
            await warning.evaluate(f"node => node.scrollIntoView({{block: '{place}'}})")
            said, covering = await warning.bounding_box(), await bar.bounding_box()
            assert said is not None
            assert covering is not None
            assert said["y"] + said["height"] <= covering["y"], place
        await warning.get_by_role("button", name="Move by one").click()
        await expect(warning).to_be_hidden()


async def test_what_others_take_is_on_the_map_at_once(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_hall(payment="online", hold_seconds=600)
    types = await office.types(event)
    async with opened(browser, server, viewport=DESKTOP) as page:
        async with page.expect_response(lambda response: "/stream?" in response.url):
            await see(page, event)
        await page.route(
            re.compile(r"/seats\?since="), lambda route: route.abort()
        )  # the stream alone tells it
        crosses = page.locator(".seat-picture path.taken.cross")
        await expect(crosses).to_have_count(0)
        line = {"ticket_type_id": types["Balcony"], "quantity": 2}
        assert (await office.place(event, office.as_buyer(), line)).status_code in {201, 202}
        await expect(crosses).to_have_count(1)  # a path for all crosses of the section
        path = await crosses.first.get_attribute("d")
        assert path is not None
        assert path.count("M") == 2


async def test_the_list_stays_where_the_map_cannot_be_loaded(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_hall(payment="online", hold_seconds=600)
    async with opened(browser, server) as page:
        await page.route("**/seats/layout/*", lambda route: route.abort())
        await page.goto(f"{address(event)}/seats")
        await expect(page.locator("[data-seats]")).to_be_hidden()
        await page.get_by_role("link", name="Stalls").click()
        await page.get_by_role("checkbox", name="Row A seat 2").check()
        await page.locator("[data-continue]:visible").first.click()
        await expect(page.get_by_role("main")).to_contain_text("Stalls, row A, seat 2")


@pytest.mark.parametrize(("size", "theme"), [(PHONE, "dark"), (DESKTOP, "light")], ids=["phone", "desktop"])
async def test_what_the_reader_holds_is_not_taken_by_others(
    office: BoxOffice, server: Serving, browser: Browser, size: Any, theme: Any
) -> None:
    event = await office.open_hall(payment="online", hold_seconds=600)
    async with opened(browser, server, viewport=size, color_scheme=theme) as page:
        await sign_in(office, page.context, server)
        await see(page, event)
        await press_seat(page, "S-A-2")
        await press_seat(page, "S-A-3")
        choosing = page.url
        await page.locator("[data-continue]:visible").click()
        await page.get_by_role("button", name="Hold for 10 minutes").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Pay for 2 tickets")
        await page.goto(choosing)
        await page.locator("[data-ready]").wait_for()
        await expect(page.locator(".mark.yours.held")).to_have_count(2)
        await expect(page.locator(".mark.gone")).to_have_count(0)
        assert chosen_in_address(page) == []
        await press_seat(page, "S-A-2")
        await expect(page.locator("[data-said]")).to_have_text("Stalls, row A, seat 2: held for you.")
        await expect(page.get_by_role("region", name="Held for you")).to_contain_text("2 tickets held")


async def test_a_hold_that_ends_leaves_the_map(office: BoxOffice, server: Serving, browser: Browser) -> None:
    event = await office.open_hall(payment="online", hold_seconds=600)
    async with opened(browser, server, viewport=DESKTOP) as page:
        await sign_in(office, page.context, server)
        holds = [{"seconds": 30, "seats": ["B-A-1"]}]
        await page.route("**/seats/held", lambda route: route.fulfill(json=holds))
        await page.clock.install()
        await see(page, event)
        await expect(page.locator(".mark.yours.held")).to_have_count(1)
        holds.clear()
        await page.clock.run_for(32_000)
        await expect(page.locator(".mark.yours.held")).to_have_count(0)


@pytest.mark.parametrize(("size", "theme"), [(PHONE, "dark"), (DESKTOP, "light")], ids=["phone", "desktop"])
async def test_seats_that_come_free_are_marked_and_a_full_hall_says_so(
    office: BoxOffice, server: Serving, browser: Browser, size: Any, theme: Any
) -> None:
    event = await office.open_hall(payment="online", hold_seconds=600)
    types = await office.types(event)

    async def take(name: str, *seats: str) -> Any:
        buyer, line = office.as_buyer(), {"ticket_type_id": types[name], "seats": list(seats)}
        answer = await office.place(event, buyer, line)
        assert answer.status_code in {201, 202}, answer.text
        return buyer, f"/v1/bookings/{answer.json()['id']}/cancel"

    stalls = [f"S-{row}-{seat}" for row in "AB" for seat in range(1, 7)]
    balcony = [f"B-A-{seat}" for seat in range(1, 5)]
    async with opened(browser, server, viewport=size, color_scheme=theme) as page:
        await see(page, event)
        await take("Stalls", *stalls[:6])
        await take("Stalls", *stalls[6:])
        await take("Balcony", *balcony[:2])
        last = await take("Balcony", *balcony[2:])
        full = page.locator("[data-sold-out]")
        await expect(full).to_contain_text("Every seat is taken now")
        await expect(full.get_by_role("link", name="Join the waitlist")).to_be_visible()
        buyer, cancelling = last
        assert (await office.post(cancelling, buyer)).status_code == 200
        await expect(page.locator(".mark.came")).to_have_count(2)
        await expect(full).to_be_hidden()
        buyer, cancelling = await take("Balcony", *balcony[2:])
        await page.reload()
        await page.locator("[data-ready]").wait_for()
        await expect(page.get_by_role("heading", name="Sold out")).to_be_visible()
        async with page.expect_response(lambda response: "/stream?" in response.url):
            await page.reload()
        assert (await office.post(cancelling, buyer)).status_code == 200
        await expect(full).to_contain_text("Seats came free a moment ago.")
        await full.get_by_role("link", name="Show them").click()
        await expect(page.get_by_role("heading", name="Chosen")).to_be_visible()
