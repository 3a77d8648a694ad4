"""Add-ons in a browser: their number follows the tickets, with script and without."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, expect

from evently.kit.money import Money
from evently.organizing import NewPool, NewTicketType, SaleTerms
from tests.browser.test_buying import DESKTOP, PHONE, address, faults_of, opened, sign_in
from tests.browser.test_seat_map import press_seat
from tests.support.box_office import BoxOffice
from tests.support.serving import Serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

SALE = SaleTerms(
    currency="EUR",
    pools=(NewPool("Hall", 50), NewPool("Car park", 20), NewPool("Lockers", 20)),
    ticket_types=(
        NewTicketType(name="Standing", price=Money(2_000, "EUR"), pools=("Hall",)),
        NewTicketType(
            name="Parking",
            price=Money(800, "EUR"),
            pools=("Car park",),
            needs=("Standing",),
            per_needed_max=1,
        ),
        NewTicketType(name="Locker", price=Money(300, "EUR"), pools=("Lockers",), needs=("Standing",)),
    ),
)


async def test_the_number_follows_the_tickets(office: BoxOffice, server: Serving, browser: Browser) -> None:
    event = await office.open_event(terms=SALE)
    async with opened(browser, server) as page:
        await sign_in(office, page.context, server)
        await page.goto(address(event))
        parking = page.get_by_label("How many Parking")
        more = page.get_by_role("button", name="One more Parking")
        tickets = page.get_by_role("button", name="One more Standing")
        await expect(more).to_have_attribute("aria-disabled", "true")
        await expect(more).to_have_attribute("title", "Only together with Standing, at most 1 for each")
        await tickets.click()
        await tickets.click()
        await more.click()
        await more.click()
        await expect(parking).to_have_value("2")
        await expect(more).to_have_attribute("aria-disabled", "true")
        await page.get_by_role("button", name="One fewer Standing").click()
        await expect(parking).to_have_value("1")
        await expect(page.get_by_role("status").filter(has_text="Parking")).to_have_text(
            "Parking: at most 1 with these tickets, so your choice is 1 now."
        )
        await page.get_by_role("button", name="Book").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("You are going")
        await expect(page.locator(".ticket")).to_have_count(2)


async def test_without_script_the_error_is_at_the_field(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_event(terms=SALE)
    async with opened(browser, server, java_script_enabled=False) as page:
        await sign_in(office, page.context, server)
        await page.goto(address(event))
        await page.get_by_label("How many Parking").fill("1")
        await page.get_by_role("button", name="Book").click()
        parking = page.get_by_label("How many Parking")
        await expect(parking).to_have_value("1")
        await expect(parking).to_have_attribute("aria-invalid", "true")
        await expect(parking).to_have_accessible_description(
            "Error: Parking is sold only together with Standing: choose that, too. "
            "Only together with Standing, at most 1 for each"
        )
        await page.get_by_label("How many Standing").fill("1")
        await page.get_by_role("button", name="Book").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("You are going")
        await expect(page.locator(".ticket")).to_have_count(2)


async def test_parking_is_added_to_a_choice(office: BoxOffice, server: Serving, browser: Browser) -> None:
    event = await office.open_event(terms=SALE)
    types = await office.types(event)
    standing, parking = types["Standing"], types["Parking"]
    async with opened(browser, server) as page:
        await sign_in(office, page.context, server)
        await page.goto(f"{address(event)}/book?{parking}=1")
        limited = page.get_by_role("button", name="One more Locker")
        await expect(limited).to_have_attribute("aria-disabled", "true")  # the script has run
        await expect(page.get_by_label("How many Parking")).to_have_value("1")
        await page.goto(f"{address(event)}/book?{standing}=2")
        await page.get_by_role("button", name="One more Parking").click()
        await page.get_by_role("button", name="Show the price").click()
        await expect(page.get_by_text("1 × Parking")).to_be_visible()
        await expect(page.locator(".total")).to_contain_text("48")
        await page.get_by_role("button", name="Book, and pay").click()
        await expect(page.locator(".ticket")).to_have_count(3)


async def test_a_floor_is_booked_without_a_seat_or_together_with_one(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_hall(payment="online", hold_seconds=600)
    async with opened(browser, server, viewport=DESKTOP) as page:
        await sign_in(office, page.context, server)
        await page.goto(address(event))
        await expect(page.locator("#tickets .stepper")).to_have_count(1)
        more = page.get_by_role("button", name="One more Floor")
        await more.click()
        await more.click()
        await page.get_by_role("button", name="Choose seats").click()
        await page.locator("[data-ready]").wait_for()
        await expect(page.get_by_text("Also: 2 × Floor.")).to_be_visible()
        await press_seat(page, "S-A-2")
        together = page.get_by_role("button", name="Continue with 1 seat and 2 more, €\u00a090.00")
        await expect(together).to_be_visible()
        await page.reload()
        await page.locator("[data-ready]").wait_for()
        await page.get_by_label("How many Stalls").fill("1")
        await page.get_by_role("button", name="Find seats for me").click()
        await expect(
            page.get_by_role("button", name="Take this", exact=True)
        ).to_be_visible()  # and not these
        await together.click()
        await expect(page.locator(".total")).to_contain_text("90")
        await page.get_by_role("link", name="Change the choice").click()
        await page.get_by_role("link", name="Continue without seats").click()
        await expect(page.locator(".total")).to_contain_text("50")
        await page.goto(address(event))
        await more.click()
        await page.get_by_role("button", name="Book without a seat").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Pay for 1 ticket")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_axe_finds_nothing_serious(
    office: BoxOffice, server: Serving, browser: Browser, axe: str, theme: Any, size: Any
) -> None:
    event = await office.open_event(terms=SALE)
    types, hall = await office.types(event), await office.open_hall()
    standing, parking, floor = types["Standing"], types["Parking"], (await office.types(hall))["Floor"]
    async with opened(browser, server, viewport=size, color_scheme=theme, bypass_csp=True) as page:
        await sign_in(office, page.context, server)
        for path in (
            address(event),
            f"{address(event)}/book?{standing}=2",
            f"{address(event)}/book?{parking}=1",
            address(hall),
            f"{address(hall)}/seats?{floor}=2",
        ):
            assert await faults_of(page, path, axe) == []
