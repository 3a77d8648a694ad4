"""Readers of the streams of a server, each on a connection of its own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import httpx2
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from evently.catalogue import Event
from evently.kit.ids import show_id
from tests.support.streams import Parser, until


class Heard(Parser):
    """What a reader on a connection of its own hears."""

    def __init__(self) -> None:
        super().__init__()
        self.code: int | None = None  # of the end of a WebSocket

    async def read(self, url: str, path: str) -> None:
        """Read a stream of events to its end."""
        async with (
            httpx2.AsyncClient(base_url=url, trust_env=False, timeout=60) as client,
            client.stream("GET", path) as response,
        ):
            assert response.status_code == 200
            with suppress(httpx2.HTTPError):  # the connection was lost
                async for part in response.aiter_raw():
                    self.add(part)
        self.ended = True

    async def listen(self, url: str, path: str) -> None:
        """Read a WebSocket to its end."""
        async with connect(url.replace("http:", "ws:") + path, proxy=None, ping_interval=None) as connection:
            with suppress(ConnectionClosed):
                while True:
                    message = await connection.recv()
                    assert isinstance(message, str)
                    self.add_text(message)
        self.code, self.ended = connection.close_code, True


@asynccontextmanager
async def streaming(url: str, event: Event, *, socket: bool) -> AsyncIterator[Heard]:
    """Read a stream of a server once, on a connection of its own."""
    heard, path = Heard(), _path(event)
    task = asyncio.ensure_future(heard.listen(url, path) if socket else heard.read(url, path))
    try:
        await until(lambda: bool(heard.messages) or task.done(), "the first message")
        yield heard
    finally:
        task.cancel()
        await asyncio.wait([task])


class Follower(Heard):
    """A reader who opens a stream again when it ends, as docs/live.md says.

    `opened_at`: the moment that it chose for each attempt. A busy machine begins some of them later.
    """

    def __init__(self, url: str, event: Event, *, socket: bool) -> None:
        super().__init__()
        self.opened_at: list[float] = []
        self._url = url
        self._event = event
        self._socket = socket

    async def follow(self) -> None:
        """Follow the event until this is cancelled."""
        clock = asyncio.get_running_loop().time
        self.opened_at.append(clock())
        while True:
            path = _path(self._event) + (f"?since={self.messages[-1].id}" if self.messages else "")
            with suppress(httpx2.HTTPError, OSError, WebSocketException):
                await (self.listen(self._url, path) if self._socket else self.read(self._url, path))
            if self.messages and self.messages[-1].name == "end":
                assert self.messages.pop().data["reason"] == "stopping"
            self.forget_part()
            pause = random.uniform(1, 5) if self._socket else (self.retry or 1_000) / 1_000
            self.opened_at.append(clock() + pause)
            await asyncio.sleep(pause)


@asynccontextmanager
async def following_all(followers: Sequence[Follower]) -> AsyncIterator[None]:
    """Run these followers while the block lasts."""
    tasks = [asyncio.ensure_future(each.follow()) for each in followers]
    try:
        await until(lambda: all(each.messages for each in followers), "the first messages")
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks), "none has failed"


def _path(event: Event) -> str:
    return f"/v1/events/{show_id('evt', event.event_id)}/stream"
