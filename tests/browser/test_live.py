"""What a page says changes by itself while others book; by the stream, and without one by asking."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.test_buying import address, opened
from tests.support.box_office import BoxOffice
from tests.support.proxies import MISSING, nginx
from tests.support.serving import Serving
from tests.support.streams import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]


def row(page: Page) -> Any:
    return page.locator("[data-type]").first


async def streaming(page: Page, path: str) -> None:
    """Open a page, and wait until its stream has begun."""
    async with page.expect_response(lambda response: "/stream" in response.url):
        await page.goto(path)


async def asks_until(page: Page, text: str) -> None:
    """Run the clock of a page until it has asked and shows a text; an answer may be a second old."""
    for _ in range(10):
        await page.clock.run_for(16_000)
        try:
            await expect(row(page)).to_contain_text(text, timeout=1_500)
        except AssertionError:
            continue
        return
    await expect(row(page)).to_contain_text(text)


async def test_one_books_and_the_page_of_the_other_says_so(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_event(capacity=5)
    async with opened(browser, server) as page, opened(browser, server) as other:
        for each in (page, other):
            await each.route("**/availability", lambda route: route.abort())  # the stream alone tells it
            await streaming(each, address(event))
            await expect(row(each)).to_contain_text("5 left")
        await page.get_by_role("button", name="One more").click()
        await page.get_by_role("button", name="One more").click()
        assert (await office.book(event, office.as_buyer(), 4)).status_code == 201
        for each in (page, other):
            await expect(row(each)).to_contain_text("1 left")
        await expect(page.get_by_role("spinbutton").first).to_have_value("1")
        await expect(page.get_by_role("status").first).to_contain_text("only 1 left")
        assert (await office.book(event, office.as_buyer(), 1)).status_code == 201
        await expect(row(page)).to_contain_text("Sold out")
        await expect(page.get_by_role("link", name="Join the waitlist")).to_be_visible()
        await expect(page.get_by_role("button", name="Book")).to_be_hidden()
        await expect(page.locator("[data-badge]")).to_have_text("Sold out")
        await page.get_by_role("link", name="Join the waitlist").click()
        await page.wait_for_url(re.compile(r"/waitlist\?type=tty_"))


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
        await asks_until(page, "3 left")
        await page.clock.run_for(16_000)
        await until(lambda: len(asked) >= 2, "it asks again")
        assert asked[0] is None
        assert asked[-1] is not None, "what has not changed is not sent again"


async def test_behind_a_proxy_that_holds_streams_back_it_asks(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    if "nginx" in MISSING:
        pytest.skip("nginx not found: apt-get install nginx (make test does, as root)")
    event = await office.open_event(capacity=5)
    target = urlsplit(server.url).port
    assert target is not None
    rules = "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;"
    with nginx(target, rules) as port:
        behind = server.at(f"http://127.0.0.1:{port}")
        async with opened(browser, behind) as page:
            await page.clock.install()
            sent: list[str] = []
            page.on("request", lambda request: sent.append(request.url))
            await page.goto(address(event))
            await expect(row(page)).to_contain_text("5 left")
            await page.clock.run_for(5_000)
            await until(lambda: any("/stream" in url for url in sent), "the stream is opened")
            assert (await office.book(event, office.as_buyer(), 2)).status_code == 201
            await asks_until(page, "3 left")


async def test_a_stream_that_falls_silent_is_noticed(
    office: BoxOffice, server: Serving, browser: Browser
) -> None:
    event = await office.open_event(capacity=5)
    async with silencing(server.url) as relay:
        behind = server.at(relay.url)
        async with opened(browser, behind) as page:
            await page.clock.install()
            await page.goto(address(event))
            await page.clock.run_for(5_000)
            assert (await office.book(event, office.as_buyer(), 1)).status_code == 201
            await expect(row(page)).to_contain_text("4 left")
            relay.silent = True
            assert (await office.book(event, office.as_buyer(), 2)).status_code == 201
            await page.clock.run_for(30_000)
            await asks_until(page, "2 left")
            await until(lambda: relay.streams_left > 0, "the page has given the stream up")


class Relay:
    """Passes connections on; a `silent` one says nothing more of the streams."""

    def __init__(self) -> None:
        self.url = ""
        self.silent = False
        self.streams_left = 0


@asynccontextmanager
async def silencing(target: str) -> AsyncIterator[Relay]:
    """Run a relay in front of a server."""
    relay, parts = Relay(), urlsplit(target)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inward, outward = await asyncio.open_connection(parts.hostname, parts.port)
        streams = False

        async def answer() -> None:
            while data := await inward.read(65536):
                if not (streams and relay.silent):
                    writer.write(data)
            writer.close()

        answering = asyncio.ensure_future(answer())
        try:
            while data := await reader.read(65536):
                streams = streams or b"/stream" in data
                outward.write(data)
        except ConnectionError:
            pass
        relay.streams_left += streams
        answering.cancel()
        outward.close()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        relay.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield relay
