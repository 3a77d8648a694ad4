"""Streams of real processes: two workers tell the same, a quiet stream stays open, and stopping ends all."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from evently.catalogue import Event
from evently.cli.serving import GRACE_SECONDS
from evently.kit.ids import show_id
from evently.web.edge.connections import HEAD_SECONDS_MAX, UNREAD_SECONDS_MAX
from tests.support.box_office import SECRET, BoxOffice, open_box_office
from tests.support.serving import Serving, serving, until
from tests.support.streams import Parser
from tests.support.streams import until as soon

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes the Linux way"),
]
STREAMS = 12  # more than two workers share by chance alone


class Heard(Parser):
    """What a reader on a connection of its own hears."""

    def __init__(self) -> None:
        super().__init__()
        self.code: int | None = None  # of the end of a WebSocket


@asynccontextmanager
async def streaming(server: Serving, event: Event, *, socket: bool) -> AsyncIterator[Heard]:
    """Read a stream of a server, on a connection of its own."""
    heard, path = Heard(), f"/v1/events/{show_id('evt', event.event_id)}/stream"

    async def read() -> None:
        async with (
            httpx2.AsyncClient(base_url=server.url, trust_env=False, timeout=60) as client,
            client.stream("GET", path) as response,
        ):
            assert response.status_code == 200
            async for part in response.aiter_raw():
                heard.add(part)
        heard.ended = True

    async def listen() -> None:
        url = server.url.replace("http:", "ws:") + path
        async with connect(url, proxy=None, ping_interval=None) as connection:
            with suppress(ConnectionClosed):
                while True:
                    message = await connection.recv()
                    assert isinstance(message, str)
                    heard.add_text(message)
        heard.code, heard.ended = connection.close_code, True

    task = asyncio.ensure_future(listen() if socket else read())
    try:
        await soon(lambda: bool(heard.messages) or task.done(), "the first message")
        yield heard
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_two_workers_tell_what_either_sells_and_stopping_ends_all_at_once(
    shared_database_url: str,
) -> None:
    settings = {"database_url": shared_database_url, "secret": SECRET, "access_log": "false"}
    with serving("--workers", "2", **settings) as server:
        until(lambda: server.starts() == 2, "both serve")
        async with AsyncExitStack() as stack:
            office = await stack.enter_async_context(open_box_office(shared_database_url))
            event = await office.open_event(capacity=100)
            streams = [
                await stack.enter_async_context(streaming(server, event, socket=number % 2 == 1))
                for number in range(STREAMS)
            ]
            await sells(office, event, streams)
            quiet = max(HEAD_SECONDS_MAX, UNREAD_SECONDS_MAX) + 6
            await asyncio.sleep(quiet)  # longer than a connection may be silent
            assert all(each.pings for each in streams)
            await sells(office, event, streams)
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            await soon(lambda: all(each.ended for each in streams), "all have ended")
            assert time.monotonic() - began < GRACE_SECONDS / 2, "nobody waited for the grace"
            assert {each.messages[-1].data["reason"] for each in streams} == {"stopping"}
            assert [each.code for each in streams] == [None, 1012] * (STREAMS // 2)
            waits = {each.retry for each in streams[::2]}
            assert len(waits) == STREAMS // 2, "they do not come back at the same moment"
            server.process.wait(60)
            assert "Traceback" not in server.log()
            assert "Cancel" not in server.log()


async def sells(office: BoxOffice, event: Event, streams: list[Heard]) -> None:
    """Sell a ticket in this process, which every reader of the server hears within a second."""
    heard = [len(each.messages) for each in streams]
    assert (await office.book(event, office.as_buyer())).status_code == 201
    began = time.monotonic()
    await soon(
        lambda: all(len(each.messages) > before for each, before in zip(streams, heard, strict=True)),
        "all hear",
    )
    assert time.monotonic() - began < 1.0
    left = {each.messages[-1].data["ticket_types"][0]["available"] for each in streams}
    assert len(left) == 1
