"""The editor of seat maps in a browser: by pointer and keyboard, with 20,000 seats, axe."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from playwright.async_api import Browser, Page, expect

from evently.kit.clock import utc_now
from evently.kit.ids import show_id
from evently.seating import SeatMap, add_seat_map
from evently.seating.generate import arena
from tests.browser.test_buying import DESKTOP, PHONE, faults_of, opened
from tests.browser.test_desk_seats import lasso
from tests.support.box_office import HALL, BoxOffice
from tests.support.desk import address_of, sign_in_member
from tests.support.serving import Serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


async def add(office: BoxOffice, seat_map: SeatMap) -> str:
    """Add a map to the venue; return its address at the desk."""
    async with office.context.database.transaction() as tx:
        added = await add_seat_map(tx, office.venue.organizer_id, office.venue.venue_id, seat_map, utc_now())
    return f"/organize/seat-maps/{show_id('smp', added.seat_map_id)}"


async def see(page: Page, address: str) -> None:
    await page.goto(address)
    await page.locator("[data-map-editor][data-ready]").wait_for()


async def test_a_hall_is_drawn_and_saved(office: BoxOffice, server: Serving, browser: Browser) -> None:
    address = await add(office, HALL)
    async with opened(browser, server, viewport=DESKTOP) as page:
        await sign_in_member(office, page.context, server.url)
        await see(page, address)
        said = page.locator("[data-map-editor] [data-said]")
        pattern = page.locator("[data-pattern]")
        await pattern.get_by_label("Section", exact=True).fill("Gallery")
        await pattern.get_by_label("Ids begin with").fill("GA")
        await pattern.get_by_label("Rows", exact=True).fill("2")
        await pattern.get_by_label("Seats in the front row").fill("5")
        await pattern.get_by_label("From the stage, metres").fill("14")
        await expect(page.locator("path.preview")).to_have_attribute("d", re_moves(10))
        await pattern.get_by_role("button", name="Add this section").click()
        await expect(said).to_have_text("Gallery was added.")
        await page.get_by_role("button", name="Undo").click()
        await expect(page.locator("[data-section-list] li")).to_have_count(2)
        await page.get_by_role("button", name="Redo").click()
        await expect(page.locator("[data-section-list] li")).to_have_count(3)
        await page.get_by_label("Choose seats").check()
        await lasso(page, 0.02, 0.02, 0.98, 0.98)
        await expect(said).to_have_text("26 seats chosen.")
        await page.locator(".map-frame").focus()
        await page.keyboard.press("Escape")
        await page.locator("[data-section-list]").get_by_label("Gallery").check()
        await expect(said).to_have_text("10 seats chosen.")
        await page.locator(".map-frame").focus()
        await page.keyboard.press("Shift+ArrowRight")
        await page.get_by_role("button", name="Turn").click()
        await page.get_by_label("First row", exact=True).fill("K")
        await page.get_by_role("button", name="Name the rows").click()
        await page.get_by_label("First seat", exact=True).fill("101")
        await page.get_by_role("button", name="Number the seats").click()
        await page.get_by_role("button", name="Make them so").click()
        await page.get_by_role("button", name="See what it changes, and save").click()
        await expect(page.get_by_text("10 seats added")).to_be_visible()
        await page.get_by_role("button", name="Save as version 2").click()
        await expect(page.get_by_text("Saved as version 2.")).to_be_visible()
        saved: Any = await page.evaluate(
            "address => fetch(address).then((it) => it.json())", f"{address}/map.json"
        )
        gallery = saved["sections"][2]
        assert [row["name"] for row in gallery["rows"]] == ["K", "L"]
        assert [seat["label"] for seat in gallery["rows"][0]["seats"]] == ["101", "102", "103", "104", "105"]
        assert {seat["kind"] for seat in gallery["rows"][1]["seats"]} == {"accessible"}
        assert gallery["rows"][0]["seats"][0]["id"] == "GA-A-1", "tickets and zones know their seats by ids"
        middle = sum(seat["x"] for row in gallery["rows"] for seat in row["seats"]) / 10
        assert abs(middle - 1.0) < 0.05, "moved ten steps of ten centimetres"
        assert saved["sections"][:2] == json_of(HALL)["sections"]


async def test_twenty_thousand_seats_stay_fluid(office: BoxOffice, server: Serving, browser: Browser) -> None:
    address = await add(office, arena(20_000))
    async with opened(browser, server, viewport=DESKTOP) as page:
        await sign_in_member(office, page.context, server.url)
        await see(page, address)
        await page.get_by_label("Choose seats").check()
        await lasso(page, 0.02, 0.02, 0.98, 0.98)
        await expect(page.locator("[data-map-editor] [data-said]")).to_have_text("20,000 seats chosen.")
        await page.locator(".map-frame").focus()
        await page.keyboard.press("ArrowRight")
        await expect(page.get_by_role("button", name="Undo")).to_have_attribute("aria-disabled", "false")
        await page.keyboard.press("Control+z")
        await expect(page.get_by_role("button", name="Undo")).to_have_attribute("aria-disabled", "true")
        assert await page.locator("[data-map-editor] svg.seat-picture *").count() < 600


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_axe_finds_nothing_serious_about_maps(
    office: BoxOffice, server: Serving, browser: Browser, axe: str, theme: Any, size: Any
) -> None:
    address = await add(office, HALL)
    venue = f"/organize/venues/{show_id('ven', office.venue.venue_id)}"
    organizer = f"/organize/{show_id('org', office.venue.organizer_id)}"
    async with opened(browser, server, viewport=size, color_scheme=theme, bypass_csp=True) as page:
        await sign_in_member(office, page.context, server.url)
        for path in (address, venue, f"{venue}/seat-maps", f"{organizer}/venues"):
            assert await faults_of(page, path, axe) == []


def re_moves(count: int) -> re.Pattern[str]:
    """Match a path of so many dots."""
    return re.compile(rf"^(M[-\d. ]+h\.001){{{count}}}$")


def json_of(seat_map: SeatMap) -> Any:
    return msgspec.json.decode(msgspec.json.encode(seat_map))


async def test_a_hall_of_a_few_numbers_is_sold(office: BoxOffice, server: Serving, browser: Browser) -> None:
    """From an empty venue to a buyer who sees the free seats: map, event, zones, a block, publishing."""
    venue = f"/organize/venues/{show_id('ven', office.venue.venue_id)}"
    event = await office.open_event(publish=False)
    async with opened(browser, server, viewport=DESKTOP) as page:
        headers = await sign_in_member(office, page.context, server.url)
        await page.goto(f"{venue}/seat-maps")
        await page.get_by_label("Name of the map").fill("Little hall")
        await page.get_by_label("Rows", exact=True).fill("4")
        await page.get_by_label("Seats in the front row").fill("6")
        await page.get_by_role("button", name="Make this map").click()
        await expect(page.get_by_text("24 seats, version 1")).to_be_visible()
        await page.goto(f"{address_of(event)}/seats")
        await page.get_by_label("Seat map of").select_option(label="Little hall, 24 seats")
        await page.get_by_role("button", name="Use this map").click()
        await page.locator("[data-desk-seats][data-ready]").wait_for()
        await page.get_by_label("Choose rows").check()
        await page.locator("summary", has_text="Sections and rows").press("Enter")
        await page.locator("summary", has_text="Rows of Stalls").press("Enter")
        await page.locator('input[name="row"][value="Stalls/A"]').check()
        await page.get_by_label("Or a new zone").fill("Front")
        await page.get_by_role("button", name="Paint these seats").click()
        await page.locator("[data-desk-seats][data-ready]").wait_for()
        await lasso(page, 0.02, 0.02, 0.98, 0.98)
        await expect(page.locator("[data-desk-seats] [data-said]")).to_have_text("24 seats chosen: 24 free.")
        await page.keyboard.press("Escape")
        where = f"/v1/events{address_of(event).removeprefix('/organize/events')}"
        for zone, amount in (("Seats", 2000), ("Front", 4000)):
            pool = await office.client.post(
                f"{where}/pools", json={"name": zone, "capacity": 24}, headers=headers
            )
            sold = {"name": zone, "price": {"amount": amount, "currency": "EUR"}, "zone": zone}
            made = await office.client.post(
                f"{where}/ticket-types", json=sold | {"pool_ids": [pool.json()["id"]]}, headers=headers
            )
            assert made.status_code == 201, made.text
        published = await office.client.post(f"{where}/publish", headers=headers)
        assert published.status_code == 200, published.text
        await page.goto(f"{address_of(event)}/seats")
        await page.locator("[data-desk-seats][data-ready]").wait_for()
        await page.locator("summary", has_text="Single seats").press("Enter")
        await page.get_by_label("Ids of seats").fill("ST-B-1")
        await page.get_by_label("Ids of seats").press("Tab")
        await page.get_by_role("button", name="Block these seats", exact=True).click()
        await expect(page.get_by_text("The seats are blocked")).to_be_visible()
        await page.goto(f"{address_of(event).removeprefix('/organize')}/seats")
        await page.locator("[data-seats][data-ready]").wait_for()
        states = await office.client.get(f"{where}/seats")
        assert states.json()["seats"] == "0" * 6 + "1" + "0" * 17
        assert [zone["name"] for zone in states.json()["zones"]] == ["Seats", "Front"]
