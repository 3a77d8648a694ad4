"""Streams behind real HAProxy and nginx, as docs/operations.md configures them, with short timeouts."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import uvicorn

from evently.catalogue import Event
from evently.kit.repeating import repeating
from evently.web.edge.protocol import Protocol
from evently.web.edge.websockets import WebSocketProtocol
from tests.support.box_office import BoxOffice, open_box_office
from tests.support.marks import needs
from tests.support.proxies import MISSING, documented, haproxy, nginx
from tests.support.reading import Heard, streaming
from tests.support.streams import until

pytestmark = [
    pytest.mark.timeout(120),
    needs(MISSING),
]
SILENT_SECONDS = 2  # then these proxies close a connection
RUNS = {"haproxy": haproxy, "nginx": nginx}


@pytest.fixture
async def office(shared_database_url: str) -> AsyncIterator[BoxOffice]:
    async with open_box_office(shared_database_url) as opened:
        yield opened


@asynccontextmanager
async def served(office: BoxOffice) -> AsyncIterator[int]:
    """Serve the application of a box office; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            office.asgi,
            http=Protocol,
            ws=WebSocketProtocol,
            lifespan="off",
            log_config=None,
            access_log=False,
        )
        server = uvicorn.Server(config)
        task = asyncio.ensure_future(server.serve([listener]))
        try:
            await until(lambda: server.started, "it serves")
            yield listener.getsockname()[1]
        finally:
            server.should_exit = server.force_exit = True
            await task


def impatient(program: str) -> str:
    """Return the documented configuration, but with short timeouts."""
    text = documented(program)
    if program == "haproxy":
        return text.replace("60s", f"{SILENT_SECONDS}s")
    version = "proxy_http_version 1.1;"
    return text.replace(version, f"{version} proxy_read_timeout {SILENT_SECONDS}s;")


@asynccontextmanager
async def pings(office: BoxOffice) -> AsyncIterator[None]:
    """Ping more often than the proxies close, as the server does with their usual timeouts."""

    async def ping() -> float:
        await office.context.hub.ping()
        return SILENT_SECONDS / 4

    async with repeating("pings", ping, failed_seconds=1.0):
        yield


@pytest.mark.parametrize("program", RUNS)
async def test_streams_pass_at_once_and_stay_open(office: BoxOffice, program: str) -> None:
    event = await office.open_event(capacity=50)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(served(office))
        front = stack.enter_context(RUNS[program](port, text=impatient(program)))
        await stack.enter_async_context(pings(office))
        streams = [
            await stack.enter_async_context(streaming(f"http://127.0.0.1:{front}", event, socket=socket))
            for socket in (False, True)
        ]
        assert [each.messages[0].name for each in streams] == ["snapshot", "snapshot"]
        await sells(office, event, streams)
        await asyncio.sleep(2.5 * SILENT_SECONDS)
        assert not any(each.ended for each in streams)
        assert all(each.pings >= 5 for each in streams)
        await sells(office, event, streams)
    assert office.context.hub.streams == 0


@pytest.mark.parametrize("program", RUNS)
async def test_without_pings_these_proxies_would_close_them(office: BoxOffice, program: str) -> None:
    event = await office.open_event()
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(served(office))
        front = stack.enter_context(RUNS[program](port, text=impatient(program)))
        for socket_ in (False, True):
            url = f"http://127.0.0.1:{front}"
            stream = await stack.enter_async_context(streaming(url, event, socket=socket_))
            await until(lambda stream=stream: stream.ended, "it is closed")  # type: ignore[misc]


async def sells(office: BoxOffice, event: Event, streams: list[Heard]) -> None:
    """Sell a ticket, which every reader hears while the streams are open: nothing is held back."""
    heard = [len(each.messages) for each in streams]
    assert (await office.book(event, office.as_buyer())).status_code == 201
    await until(
        lambda: all(len(each.messages) > n for each, n in zip(streams, heard, strict=True)), "all hear"
    )
    assert not any(each.ended for each in streams)
