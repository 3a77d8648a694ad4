"""An HTTP/1.1 client that costs little of the machine that it shares with the server it loads.

    client = HttpClient(Target.parse(url), connections_max=500)
    answer = await client.exchange(request_for("GET", "/v1/events", client.target))

A connection carries one request at a time; nothing is pipelined, and nothing is sent again here: whoever asks
decides what a lost answer means. Loops that send as much as a server can take are in `loops.py`.

Budget: 20 microseconds of processor time a request in a closed loop with uvloop (docs/benchmarks.md); so
there is no task, no timer and no header map for a request, only a callback.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, cast
from urllib.parse import urlsplit

import msgspec

from evently.rehearsal.recording import LOST

HEAD_BYTES_MAX: Final = 64 * 1024  # what servers send at most
# At once: more overflow the server's queue of connections, and wait a second for the next try
CONNECTING_MAX: Final = 128
ANSWER_SECONDS_MAX: Final = 30.0
_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = b"\r\ncontent-length:"
_BODILESS: Final = (204, 304)


class Target(msgspec.Struct, frozen=True):
    """A server: `https` only matters for the connection, `host` and `port` also for the Host header."""

    host: str
    port: int
    https: bool = False

    @classmethod
    def parse(cls, url: str) -> Target:
        """Return the server of a URL; raises ValueError where there is none in it."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} is no http:// or https:// address")
        https = parts.scheme == "https"
        return cls(parts.hostname, parts.port or (443 if https else 80), https)

    def authority(self) -> str:
        """Return what the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.https else 80) else f"{host}:{self.port}"


class Reply(NamedTuple):
    """A complete answer, or `status` LOST where the connection ended before it.

    `head` is in lower case, without the empty line.
    """

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str | None:
        """Return a header; `name` in lower case."""
        start = self.head.find(b"\r\n" + name.encode() + b":")
        if start < 0:
            return None
        end = self.head.find(b"\r\n", start + 2)
        return self.head[start + len(name) + 3 : None if end < 0 else end].strip().decode("latin-1")

    def retry_after(self, otherwise: float = 1.0) -> float:
        """Return how many seconds the server asks to wait."""
        text = self.header("retry-after")
        return float(text) if text is not None and text.isdecimal() else otherwise


NO_ANSWER: Final = Reply(LOST, b"", b"")
OnAnswer = Callable[[Reply], None]


def request_for(
    method: str,
    path: str,
    target: Target,
    *,
    token: str | None = None,
    key: str | None = None,
    body: bytes | None = None,
) -> bytes:
    """Return the bytes of a request; `key` is its Idempotency-Key, `body` is JSON."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {target.authority()}"]
    if token is not None:
        lines.append(f"authorization: Bearer {token}")
    if key is not None:
        lines.append(f"idempotency-key: {key}")
    if body is not None:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join(lines).encode() + _END_OF_HEAD + (body or b"")


class HttpConnection(asyncio.Protocol):
    """One connection. `send` one request at a time; its callback gets the answer, or NO_ANSWER when the connection ends first."""

    __slots__ = ("_body", "_chunked", "_head", "_held", "_missing", "_on_answer", "closed", "transport")

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.closed = False
        self._on_answer: OnAnswer | None = None
        self._head = b""  # of the answer that is arriving, once it is complete
        self._held = b""  # received and not yet understood
        self._body: list[bytes] = []
        self._missing = 0  # bytes of the body; -1 where no length was given
        self._chunked = False

    def send(self, request: bytes, on_answer: OnAnswer) -> None:
        """Send a request."""
        assert self._on_answer is None, "one request at a time"
        self._on_answer = on_answer
        if self.transport is None or self.closed:
            self.closed = True
            self._lose()
        else:
            self.transport.write(request)

    def hang_up(self) -> None:
        """Close after what was written has left, as a person does who closes the page."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # the protocol's
        """Answer a waiting request: a body without a length ends here, anything else is lost."""
        self.closed = True
        self.transport = None
        if self._head and self._missing == -1 and not self._chunked:
            self._complete(b"".join(self._body))
        else:
            self._lose()

    def data_received(self, data: bytes) -> None:
        """Take what arrived. Nearly always this is one whole answer."""
        if not self._head:
            data = self._held + data if self._held else data
            end = data.find(_END_OF_HEAD)
            if end < 0:
                self._held = data
                if len(data) > HEAD_BYTES_MAX:
                    self.abort()
                return
            self._held = b""
            head = data[:end].lower()
            data = data[end + 4 :]
            self._read_head(head)
            if not self._head:  # an interim answer (1xx): the real one follows
                if data:
                    self.data_received(data)
                return
        self._read_body(data)

    def _read_head(self, head: bytes) -> None:
        status = int(head[9:12])
        if status < 200:  # noqa: PLR2004
            return
        self._head = head
        start = head.find(_LENGTH)
        if status in _BODILESS:
            self._missing = 0
        elif start >= 0:
            start += len(_LENGTH)
            end = head.find(b"\r\n", start)
            self._missing = int(head[start:] if end < 0 else head[start:end])
        else:
            self._missing = -1
            self._chunked = b"\r\ntransfer-encoding: chunked" in head

    def _read_body(self, data: bytes) -> None:
        missing = self._missing
        if missing == len(data) and not self._body:
            self._complete(data)
        elif self._chunked:
            self._held += data
            self._read_chunks()
        elif missing < 0:
            self._body.append(data)
        else:
            self._body.append(data[:missing])
            self._missing = missing - len(data)
            if self._missing <= 0:
                self._complete(b"".join(self._body))

    def _read_chunks(self) -> None:
        """Take whole chunks off what was received (RFC 9112, 7.1); trailers are read over."""
        held, at = self._held, 0
        while (line := held.find(b"\r\n", at)) >= 0:
            size = int(held[at:line].split(b";")[0], 16)
            if size == 0:
                if held.find(_END_OF_HEAD, line) < 0:
                    break
                self._complete(b"".join(self._body))
                return
            if len(held) < line + 2 + size + 2:
                break
            self._body.append(held[line + 2 : line + 2 + size])
            at = line + 2 + size + 2
        self._held = held[at:]

    def _complete(self, body: bytes) -> None:
        head, on_answer = self._head, self._on_answer
        # The server speaks unasked: nothing sent on this connection could be told from it
        if on_answer is None:
            self.abort()
            return
        self._head = self._held = b""
        self._body = []
        self._missing = 0
        self._chunked = False
        if b"\r\nconnection: close" in head:
            self.hang_up()
            self.closed = True
        self._on_answer = None
        on_answer(Reply(int(head[9:12]), head, body))

    def _lose(self) -> None:
        on_answer, self._on_answer = self._on_answer, None
        if on_answer is not None:
            on_answer(NO_ANSWER)


async def connect(target: Target) -> HttpConnection:
    """Open a connection; raises OSError."""
    context = ssl.create_default_context() if target.https else None
    _, connection = await asyncio.get_running_loop().create_connection(
        HttpConnection, target.host, target.port, ssl=context
    )
    return connection


async def connect_many(target: Target, count: int) -> list[HttpConnection]:
    """Open many connections, a few at a time; raises OSError."""
    connections: list[HttpConnection] = []
    while len(connections) < count:
        connections += await asyncio.gather(
            *[connect(target) for _ in range(min(CONNECTING_MAX, count - len(connections)))]
        )
    return connections


class HttpClient:
    """At most `connections_max` connections, used by whoever has something to send, first come first served.

    Who waits gets the next connection that is free, whether it was just opened or just used: otherwise, in a
    rush, those who came first would wait for connections being opened while others take the idle ones.
    """

    def __init__(self, target: Target, connections_max: int) -> None:
        self.target = target
        self._connections_max = connections_max
        self._open = 0  # connections that are idle, in use or being opened
        self._connecting: set[asyncio.Task[None]] = set()
        self._idle: list[
            HttpConnection
        ] = []  # the last used one is taken first: it is the least likely to have been closed meanwhile
        self._waiting: deque[asyncio.Future[HttpConnection | None]] = deque()

    async def exchange(
        self, request: bytes, *, hang_up: bool = False, seconds_max: float = ANSWER_SECONDS_MAX
    ) -> Reply:
        """Send a request and return its answer, NO_ANSWER when there was none.

        `hang_up`: close the connection once it is sent.
        """
        connection = self._take_idle() or await self._wait_for_one()
        if connection is None:
            return NO_ANSWER
        try:
            return await _ask(connection, request, hang_up=hang_up, seconds_max=seconds_max)
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().hang_up()

    def _take_idle(self) -> HttpConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
            self._open -= 1
        return None

    async def _wait_for_one(self) -> HttpConnection | None:
        """Return the next free connection; None where one could not be opened."""
        turn: asyncio.Future[HttpConnection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._connect_more()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and (connection := turn.result()) is not None:
                self._give_back(connection)
            raise

    def _connect_more(self) -> None:
        """Open connections for those who wait, a few at a time."""
        wanted = min(len(self._waiting), CONNECTING_MAX) - len(self._connecting)
        for _ in range(min(wanted, self._connections_max - self._open)):
            self._open += 1
            task = asyncio.ensure_future(self._connect())
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect(self) -> None:
        try:
            connection: HttpConnection | None = await connect(self.target)
        except OSError:
            connection = None
            self._open -= 1
        self._hand_over(connection)

    def _give_back(self, connection: HttpConnection) -> None:
        if connection.closed:
            self._open -= 1
            self._connect_more()
        else:
            self._hand_over(connection)

    def _hand_over(self, connection: HttpConnection | None) -> None:
        """Give a connection, or the news that there is none, to whoever waits for longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                break
        else:
            if connection is not None:
                self._idle.append(connection)
        self._connect_more()


async def _ask(connection: HttpConnection, request: bytes, *, hang_up: bool, seconds_max: float) -> Reply:
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[Reply] = loop.create_future()
    connection.send(request, lambda answer: None if answered.done() else answered.set_result(answer))
    if hang_up:
        connection.closed = True
        connection.hang_up()
    watchdog = loop.call_later(seconds_max, connection.abort)
    try:
        return await answered
    except asyncio.CancelledError:
        connection.abort()
        raise
    finally:
        watchdog.cancel()
