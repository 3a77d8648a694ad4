"""What a page says changes by itself while others book; by the stream, and without one by asking."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.test_buying import address, opened
from tests.support.box_office import BoxOffice
from tests.support.serving import Serving
from tests.support.streams import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]


def row(page: Page) -> Any:
    return page.locator("[data-type]").first


async def streaming(page: Page, path: str) -> None:
    """Open a page, and wait until its stream has begun."""
    async with page.expect_response(lambda response: "/stream" in response.url):
        await page.goto(path)


async def test_one_books_and_the_page_of_the_other_says_so(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_event(capacity=5)
    async with opened(browser, server) as page, opened(browser, server) as other:
        for each in (page, other):
            await streaming(each, address(event))
            await expect(row(each)).to_contain_text("5 left")
        await page.get_by_role("button", name="One more").click()
        await page.get_by_role("button", name="One more").click()
        assert (await office.book(event, office.as_buyer(), 4)).status_code == 201
        for each in (page, other):
            await expect(row(each)).to_contain_text("1 left", timeout=2_000)
        await expect(page.get_by_role("spinbutton").first).to_have_value("1")
        await expect(page.get_by_role("status").first).to_contain_text("only 1 left")
        assert (await office.book(event, office.as_buyer(), 1)).status_code == 201
        await expect(row(page)).to_contain_text("Sold out", timeout=2_000)
        await expect(page.get_by_role("link", name="Join the waitlist")).to_be_visible()
        await expect(page.get_by_role("button", name="Book")).to_be_hidden()
        await expect(page.locator("[data-badge]")).to_have_text("Sold out")
        await page.get_by_role("link", name="Join the waitlist").click()
        assert "/waitlist?type=tty_" in page.url


async def test_without_a_stream_it_asks(office: BoxOffice, server: Serving, browser: Browser) -> None:
    event = await office.open_event(capacity=5)
    async with opened(browser, server) as page:
        asked: list[str | None] = []
        await page.clock.install()
        await page.route("**/stream*", lambda route: route.abort())

        async def pass_on(route: Any) -> None:
            asked.append(await route.request.header_value("if-none-match"))
            await route.continue_()

        await page.route("**/availability", pass_on)
        await page.goto(address(event))
        await expect(row(page)).to_contain_text("5 left")
        assert (await office.book(event, office.as_buyer(), 2)).status_code == 201
        await page.clock.run_for(20_000)
        await expect(row(page)).to_contain_text("3 left")
        await page.clock.run_for(16_000)
        await until(lambda: len(asked) >= 2, "it asks again")
        assert asked[0] is None
        assert asked[-1] is not None, "what has not changed is not sent again"
