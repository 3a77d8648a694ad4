"""A reader of streams: opens one on the application in this process, and keeps what it receives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

PATIENCE_SECONDS: Final = 60.0  # tests share the processors with browsers


class Message(msgspec.Struct):
    """One event of a stream, as a browser reads it."""

    name: str = "message"
    id: str = ""
    data: Any = None


class Parser:
    """Reads events (WHATWG HTML, 9.2.6) from parts that end anywhere."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.pings = 0
        self.retry: int | None = None
        self.ended = False
        self._rest = b""

    def add(self, part: bytes) -> None:
        """Take in a part of the body."""
        *blocks, self._rest = (self._rest + part).split(b"\n\n")
        for block in blocks:
            message = Message()
            for line in block.decode().split("\n"):
                field, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if field == "retry":
                    self.retry = int(value)
                elif field == "event":
                    message.name = value
                elif field == "id":
                    message.id = value
                else:
                    assert field == "data", line
                    message.data = msgspec.json.decode(value)
            if message.data is not None:
                assert message.data["type"] == message.name
                self.keep(message)

    def forget_part(self) -> None:
        """Forget the beginning of a message whose rest will not come."""
        self._rest = b""

    def keep(self, message: Message) -> None:
        """Keep a message; pings are only counted."""
        if message.name == "ping":
            self.pings += 1
        else:
            self.messages.append(message)

    def add_text(self, text: str) -> None:
        """Take in a message over WebSocket, which says its own name and row."""
        data = msgspec.json.decode(text)
        self.keep(Message(data["type"], str(data.get("seq", "")), data))


class Stream(Parser):
    """An open stream. `blocked` makes it slow: nothing can be written to it.

    Over WebSocket the status of an open one is 101, `closed` is the code of its end, and `say` sends a text.
    """

    def __init__(self) -> None:
        super().__init__()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.done = False
        self.leave = asyncio.Event()
        self.blocked = False
        self.unblocked = asyncio.Event()
        self.closed: int | None = None
        self.body = b""  # of a refusal
        self._received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def begin(self, *, socket: bool) -> None:
        """Give the application the request."""
        request = {"type": "http.request", "body": b"", "more_body": False}
        self._received.put_nowait({"type": "websocket.connect"} if socket else request)

    def say(self, text: str) -> None:
        """Send a message, which only a WebSocket can."""
        self._received.put_nowait({"type": "websocket.receive", "text": text})

    def go(self, *, socket: bool) -> None:
        """Leave."""
        self.leave.set()
        kind = "websocket" if socket else "http"
        self._received.put_nowait({"type": f"{kind}.disconnect", "code": 1001})

    async def receive(self) -> dict[str, Any]:
        """Give the application what the client sends."""
        return await self._received.get()

    async def send(self, message: Any) -> None:
        """Take what the application sends."""
        if self.blocked:
            await self.unblocked.wait()
        kind = message["type"].removeprefix("websocket.")
        if kind in {"http.response.start", "accept"}:
            self.status = message.get("status", 101)
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        elif kind == "send":
            self.add_text(message["text"])
        elif kind == "close":
            self.closed, self.done = message["code"], True
        elif self.headers.get("content-type") == "text/event-stream":
            self.add(message["body"])
            self.done = not message["more_body"]
        else:
            self.body += message["body"]

    async def has(self, messages: int) -> list[Message]:
        """Wait until so many messages have come, and return all of them."""
        await until(lambda: len(self.messages) >= messages, f"{messages} messages: {self.messages}")
        return self.messages

    async def ends(self) -> list[Message]:
        """Wait until the stream ends, and return all messages."""
        await until(lambda: self.done, f"the end: {self.messages}")
        return self.messages


@asynccontextmanager
async def following(
    asgi: Any,
    address: str,
    *,
    socket: bool = False,
    method: str = "GET",
    version: str = "1.1",
    **headers: str,
) -> AsyncIterator[Stream]:
    """Open a stream while the block lasts, in the way of a server; then the client goes."""
    parts = urlsplit(address)
    stream = Stream()
    stream.begin(socket=socket)
    kind = {"type": "websocket"} if socket else {"type": "http", "method": method}
    scope = {
        **kind,
        "http_version": version,
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "headers": [
            (b"host", b"evently.example"),
            *[(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        ],
        "client": ("192.0.2.7", 1),
        "scheme": "ws" if socket else "http",
    }
    task = asyncio.ensure_future(asgi(scope, stream.receive, stream.send))
    try:
        await until(lambda: stream.status != 0 or task.done(), "the beginning")
        yield stream
    finally:
        stream.go(socket=socket)
        stream.unblocked.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await task


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"in time: {what}"
        await asyncio.sleep(0.01)


def applied(messages: list[Message]) -> dict[str, Any]:
    """Return the availability after these messages, the first of which is a snapshot."""
    known: dict[str, Any] = {}
    for message in messages:
        said = dict(message.data)
        if message.name == "snapshot":
            known = said | {"ticket_types": {each["ticket_type_id"]: each for each in said["ticket_types"]}}
        elif message.name == "changes":
            types = known["ticket_types"] | {each["ticket_type_id"]: each for each in said["ticket_types"]}
            seats = known["seats"]
            if said["seats"]:
                states = list(seats["states"])
                for number, state in said["seats"]:
                    states[number] = state
                seats = seats | {"states": "".join(states)}
            known = said | {"ticket_types": types, "seats": seats}
    return known
