"""An HTTP/1.1 client that uses little processor time, because it shares the machine with the server it loads.

    client = HttpClient(Target.parse(url), connections_max=500)
    answer = await client.exchange(request_for("GET", "/v1/events", client.target))

A connection carries one request at a time, without pipelining. The client never retries: the caller decides
what a lost answer means. Loops that send as many requests as a server can answer are in `loops.py`.

Budget: 20 microseconds of processor time per request in a closed loop with uvloop (docs/benchmarks.md);
measured: 11. Therefore a request has no task, no timer and no header map, only a callback.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, cast
from urllib.parse import urlsplit

import httptools
import msgspec

from evently.rehearsal.recording import LOST

HEAD_BYTES_MAX: Final = 64 * 1024  # more than servers send
# Connections opened at once: more would overflow the server's backlog, and the kernel retries after a second.
CONNECTING_MAX: Final = 128
ANSWER_SECONDS_MAX: Final = 30.0
_END_OF_HEAD: Final = b"\r\n\r\n"
_FRAMING: Final = (b"content-length", b"transfer-encoding")  # a body without these ends with the connection


class Target(msgspec.Struct, frozen=True):
    """The address of a server: host, port, and whether to use TLS."""

    host: str
    port: int
    https: bool = False

    @classmethod
    def parse(cls, url: str) -> Target:
        """Return the server of a URL; raises ValueError if it is not an http or https URL."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} is not an http:// or https:// URL")
        https = parts.scheme == "https"
        return cls(parts.hostname, parts.port or (443 if https else 80), https)

    def authority(self) -> str:
        """Return the value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.https else 80) else f"{host}:{self.port}"


class Reply(NamedTuple):
    """A complete reply, or status LOST where the connection ended before the reply was complete."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the first header of this name; `name` is in lower case."""
        wanted = name.encode()
        return next(
            (value.strip().decode("latin-1") for found, value in self.headers if found.lower() == wanted),
            None,
        )

    def retry_after(self, otherwise: float = 1.0) -> float:
        """Return the seconds of the Retry-After header, or `otherwise`."""
        text = self.header("retry-after")
        return float(text) if text is not None and text.isdecimal() else otherwise


NO_ANSWER: Final = Reply(LOST, (), b"")
OnAnswer = Callable[[Reply], None]


def request_for(
    method: str,
    path: str,
    target: Target,
    *,
    token: str | None = None,
    key: str | None = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return the bytes of a request; `key` is its Idempotency-Key, `body` is JSON, `headers` are more."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {target.authority()}"]
    if token is not None:
        lines.append(f"authorization: Bearer {token}")
    if key is not None:
        lines.append(f"idempotency-key: {key}")
    if headers is not None:
        lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join(lines).encode() + _END_OF_HEAD + (body or b"")


class HttpConnection(asyncio.Protocol):
    """One connection, which carries one request at a time.

    The callback of `send` gets the reply, or NO_ANSWER when the connection ends before the reply is complete.
    """

    __slots__ = (
        "_body",
        "_complete",
        "_head_bytes",
        "_headers",
        "_on_answer",
        "_parser",
        "_status",
        "closed",
        "transport",
    )

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.closed = False
        self._on_answer: OnAnswer | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._status = 0  # of the reply that is arriving, once its head is complete
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._head_bytes = 0  # received while the head is incomplete
        self._complete = False

    def send(self, request: bytes, on_answer: OnAnswer) -> None:
        """Send a request."""
        assert self._on_answer is None, "one request at a time"
        self._on_answer = on_answer
        if self.transport is None or self.closed:
            self.closed = True
            self._lose()
        else:
            self.transport.write(request)

    def disconnect(self) -> None:
        """Close the connection once all written bytes are sent, as a browser does when its page is closed."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    # Callbacks of the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's class only behaves like one

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # the signature is the protocol's
        """Answer the pending request: a body without a length is complete now, any other reply is lost."""
        self.closed = True
        self.transport = None
        framed = any(name.lower() in _FRAMING for name, _ in self._headers)
        if self._status and not framed:
            self._deliver()
        else:
            self._lose()

    def data_received(self, data: bytes) -> None:
        """Parse received bytes; nearly always they are one whole reply."""
        # Bytes without a request: a later reply could not be told apart from them.
        if self._on_answer is None:
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.closed = True
            self.abort()
        if self._complete:
            self._deliver()
        elif not self._status:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self.abort()

    # Callbacks of the parser

    def on_message_begin(self) -> None:
        """Refuse a second reply to one request."""
        if self._complete:
            raise _UnexpectedReply

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Keep the status; the status of an interim reply (1xx) is not kept."""
        status = self._parser.get_status_code()
        self._status = status if status >= 200 else 0  # noqa: PLR2004  # the first status that is final

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Finish the reply, or forget the headers of an interim one: the final reply follows."""
        if not self._status:
            self._headers.clear()
            return
        self._complete = True
        if not self._parser.should_keep_alive():
            self.closed = True

    def _deliver(self) -> None:
        reply = Reply(self._status, self._headers, b"".join(self._body))
        on_answer, self._on_answer = self._on_answer, None
        self._status = self._head_bytes = 0
        self._headers, self._body = [], []
        self._complete = False
        if self.closed:
            self.disconnect()
        assert on_answer is not None, "bytes without a request are not parsed"
        on_answer(reply)

    def _lose(self) -> None:
        on_answer, self._on_answer = self._on_answer, None
        if on_answer is not None:
            on_answer(NO_ANSWER)


class _UnexpectedReply(Exception):
    """Stops the parser at a reply that no request has asked for."""


async def connect(target: Target) -> HttpConnection:
    """Open a connection; raises OSError."""
    context = ssl.create_default_context() if target.https else None
    _, connection = await asyncio.get_running_loop().create_connection(
        HttpConnection, target.host, target.port, ssl=context
    )
    return connection


async def connect_many(target: Target, count: int) -> list[HttpConnection]:
    """Open many connections, a limited number at a time; raises OSError."""
    connections: list[HttpConnection] = []
    while len(connections) < count:
        connections += await asyncio.gather(
            *[connect(target) for _ in range(min(CONNECTING_MAX, count - len(connections)))]
        )
    return connections


class HttpClient:
    """A pool of at most `connections_max` connections; callers get one in the order in which they asked.

    A waiting caller gets the next free connection, whether it was just opened or just used. Otherwise, in a
    rush, early callers would wait for new connections while later callers take the idle ones.
    """

    def __init__(self, target: Target, connections_max: int) -> None:
        self.target = target
        self._connections_max = connections_max
        self._open = 0  # connections that are idle, in use or being opened
        self._connecting: set[asyncio.Task[None]] = set()
        # The last used connection is taken first: it is the least likely to have been closed meanwhile.
        self._idle: list[HttpConnection] = []
        self._waiting: deque[asyncio.Future[HttpConnection | None]] = deque()

    async def exchange(
        self, request: bytes, *, disconnect: bool = False, seconds_max: float = ANSWER_SECONDS_MAX
    ) -> Reply:
        """Send a request and return its answer, or NO_ANSWER.

        `disconnect` closes the connection as soon as the request is sent.
        """
        connection = self._take_idle() or await self._wait_for_one()
        if connection is None:
            return NO_ANSWER
        try:
            return await _ask(connection, request, disconnect=disconnect, seconds_max=seconds_max)
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().disconnect()

    def _take_idle(self) -> HttpConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
            self._open -= 1
        return None

    async def _wait_for_one(self) -> HttpConnection | None:
        """Return the next free connection, or None if a connection could not be opened."""
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
        """Open connections for waiting callers, a limited number at a time."""
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
        """Give a connection, or None after a failure, to the caller that has waited longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                break
        else:
            if connection is not None:
                self._idle.append(connection)
        self._connect_more()


async def _ask(connection: HttpConnection, request: bytes, *, disconnect: bool, seconds_max: float) -> Reply:
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[Reply] = loop.create_future()
    connection.send(request, lambda answer: None if answered.done() else answered.set_result(answer))
    if disconnect:
        connection.closed = True
        connection.disconnect()
    watchdog = loop.call_later(seconds_max, connection.abort)
    try:
        return await answered
    except asyncio.CancelledError:
        connection.closed = True  # nobody else gets it: its answer is still to come
        connection.abort()
        raise
    finally:
        watchdog.cancel()
