"""HTTP/1.1 of uvicorn, with limits and with problems for requests that are malformed or never end.

The limits: the length of the request line and of the headers, and how long each part may take
(`connections.py`). A request needs exactly one Host (RFC 9112, 3.2), and is HTTP/1.1 or 1.0.

A response whose body is known is written at once, head and body together. uvloop writes to the socket without
waiting, so two writes are two calls of the kernel and two packets: 12 us of processor instead of 25, and the
client wakes up twice.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
import re
import secrets
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from evently.kit.errors import Refused
from evently.web.edge.connections import BODY_BYTES_PER_SECOND_MIN, CONNECTIONS, Unread
from evently.web.edge.problems import PROBLEM_JSON, PROBLEMS, sentence_of
from evently.web.edge.refusals import EdgeRefusal

ADDRESS_BYTES_MAX: Final = 8 * 1024  # RFC 9110, 4.1, asks for at least 8000
LINGER_SECONDS: Final = 1.0
HEADERS_BYTES_MAX: Final = 32 * 1024  # as other servers do


_VERSIONS: Final = frozenset({"1.0", "1.1"})
_OF_A_BODY: Final = frozenset({b"content-length", b"transfer-encoding"})
_KEY_BYTES: Final = 16  # of a WebSocket handshake, before base64
_WITHOUT_LENGTH: Final = frozenset({204, 304})
_OF_THE_CONNECTION: Final = frozenset({b"connection", b"transfer-encoding"})
# No header may contain them (RFC 9110, 5.5); ends of lines are counted
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# A key of the start of a response: the rest of it, the whole body, is the next message
WHOLE: Final = "evently.whole"


class _TooLong(Exception):
    """Raised to end the parsing of a request."""


class Cycle(RequestResponseCycle):
    """One request and its response."""

    _head: Any = None  # of a response whose body follows at once
    _names_checked: Final[set[bytes]] = set()  # of headers; they stand in our source

    async def send(self, message: Any) -> None:
        """Send a part of a response; a start that says `WHOLE` goes together with its body."""
        if message["type"] == "http.response.start" and message.get(WHOLE, False):
            self._head = message
            return
        if (head := self._head) is not None:
            self._head = None
            if self.flow.write_paused and not self.disconnected:
                await self.flow.drain()
            if self.disconnected or self._write_whole(head["status"], head["headers"], message["body"]):
                return
            await super().send(head)
        await super().send(message)

    def _write_whole(self, status: int, given: list[tuple[bytes, bytes]], body: bytes) -> bool:
        """Write a whole response at once; returns False for one that decides about the connection."""
        headers, parts, length = self.default_headers + given, [STATUS_LINE[status]], None
        for name, value in headers:
            if name not in self._names_checked:
                self._check_name(name)
            if name == b"content-length":
                length = int(value)
            elif name in _OF_THE_CONNECTION:
                return False
            parts += (name, b": ", value, b"\r\n")
        lines = 2 + len(headers)  # with the status line and the empty line
        if length is None and status not in _WITHOUT_LENGTH:
            length = len(body)
            parts.append(b"content-length: %d\r\n" % length)
            lines += 1
        if not self.keep_alive:
            parts.append(b"connection: close\r\n")
            lines += 1
        parts.append(b"\r\n")
        head = b"".join(parts)
        if head.count(b"\n") != lines or head.count(b"\r") != lines or _CONTROLS.search(head):
            raise RuntimeError("invalid value of a header")
        if len(body) != (length or 0):
            raise RuntimeError("the body is not as long as its length says")
        # After this point the response is sent.
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.writelines((head, body) if body else (head,))
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        return True

    def _check_name(self, name: bytes) -> None:
        if HEADER_RE.search(name) or name != name.lower():
            raise RuntimeError("invalid name of a header")
        self._names_checked.add(name)


class Protocol(Unread, HttpToolsProtocol):
    """One connection."""

    _head_bytes = 0
    _refused = False
    _refusal = EdgeRefusal.MALFORMED
    _malformed: Refused | None = None
    _due = math.inf  # when the part of the request that is being received must be there
    _part = "head"

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Count the connection, and wait for the headers of its first request."""
        super().connection_made(transport)
        self._due = self.loop.time() + CONNECTIONS.limits.head_seconds
        CONNECTIONS.add(self, self.loop)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        CONNECTIONS.remove(self, self.loop)

    def data_received(self, data: bytes) -> None:
        """Parse received bytes; ignore them once the request is refused.

        As uvicorn's, but a request whose upgrade is ignored (RFC 9110, 7.8), such as one to HTTP/2, is parsed
        again without it: the parser would ignore its body.
        """
        if self._refused:
            return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        except httptools.HttpParserUpgrade as exc:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
            else:
                self.data_received(self._without_upgrade() + data[exc.args[0] :])

    def on_message_begin(self) -> None:
        """Start to count the bytes of a new request, and its seconds; of the first one they have begun."""
        super().on_message_begin()
        self._head_bytes = 0
        if self._due == math.inf:
            self._part, self._due = "head", self.loop.time() + CONNECTIONS.limits.head_seconds

    def on_url(self, url: bytes) -> None:
        """Take a part of the address."""
        super().on_url(url)
        if len(self.url) > ADDRESS_BYTES_MAX:
            self._refusal = EdgeRefusal.ADDRESS_TOO_LONG
            raise _TooLong

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        super().on_header(name, value)
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > HEADERS_BYTES_MAX:
            self._refusal = EdgeRefusal.HEADERS_TOO_LONG
            raise _TooLong

    def on_headers_complete(self) -> None:
        """Refuse a version or Host that RFC 9112 does not allow; then wait for the body."""
        version = self.parser.get_http_version()
        hosts = 0
        for name, _ in self.headers:
            if name == b"host":
                hosts += 1
        if version not in _VERSIONS:
            self._malformed = Refused(EdgeRefusal.MALFORMED, "version")
        elif hosts > 1:
            self._malformed = Refused(EdgeRefusal.MALFORMED, "many_hosts")
        elif hosts == 0 and version == "1.1":
            self._malformed = Refused(EdgeRefusal.MALFORMED, "no_host")
        elif self.parser.should_upgrade() and self._should_upgrade() and not _is_handshake(self.headers):
            self._malformed = Refused(EdgeRefusal.MALFORMED, "handshake")
        if self._malformed is not None:
            raise self._malformed
        self._part, self._due = "body", self.loop.time() + CONNECTIONS.limits.body_seconds
        if not self.parser.should_upgrade():
            self._begin(version)
        elif self._should_upgrade():
            super().on_headers_complete()

    def _begin(self, version: str) -> None:
        """Begin to respond, as uvicorn does for a request without an upgrade."""
        scope, url = self.scope, httptools.parse_url(self.url)
        raw_path = url.path
        path = raw_path.decode("ascii")
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["path"] = self.root_path + (unquote(path) if "%" in path else path)
        scope["raw_path"] = self.root_path.encode("ascii") + raw_path
        scope["query_string"] = url.query or b""
        before: Any = self.cycle  # None before the first request
        self.cycle = Cycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:  # requests that are sent before the response (pipelining) wait for their turn
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_body(self, body: bytes) -> None:
        """Take a part of a body; a long one may take longer."""
        super().on_body(body)
        self._due += len(body) / BODY_BYTES_PER_SECOND_MIN

    def on_message_complete(self) -> None:
        """Wait for nothing more of this request."""
        if not self._ignores_upgrade():
            super().on_message_complete()
            self._due = math.inf

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to `WebSocketProtocol`, which counts itself."""
        CONNECTIONS.remove(self, self.loop)
        super().handle_websocket_upgrade()

    def _should_upgrade(self) -> bool:
        """Return whether the request is for a WebSocket (RFC 6455, 4.1)."""
        return (
            self.parser.get_method() == b"GET"
            and self.parser.get_http_version() == "1.1"
            and _OF_A_BODY.isdisjoint(name for name, _ in self.headers)
            and super()._should_upgrade()
        )

    def _ignores_upgrade(self) -> bool:
        return bool(self.parser.should_upgrade()) and not self._should_upgrade()

    def _without_upgrade(self) -> bytes:
        """Return the head of a request without its upgrade, for a parser of its own."""
        lines = [
            b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        ]
        for name, value in self.headers:
            if name == b"connection":
                value = b",".join(  # noqa: PLW2901
                    option for option in value.split(b",") if option.strip().lower() != b"upgrade"
                )
            if name != b"upgrade":
                lines.append(b"%b: %b" % (name, value))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
        return b"\r\n".join([*lines, b"", b""])

    def shutdown(self) -> None:
        """Finish the answer under way, then close: the server stops."""
        super().shutdown()
        CONNECTIONS.stop()

    def overdue(self, now: float) -> str | None:
        """Return what the client has let wait for too long: head, body or reader; None for nothing."""
        if self.reads_nothing(self.transport.get_write_buffer_size(), now):
            return "reader"
        if now > self._due and not self.flow.read_paused:  # paused: it is us who do not read
            return self._part
        return None

    def end(self, reason: str) -> None:
        """Close the connection; say why to a client that has begun a request and has no answer yet."""
        self._due = math.inf
        if reason == "reader":
            self.transport.abort()
            return
        cycle: Any = self.cycle  # None before the first request
        busy = cycle is not None and not cycle.response_complete
        begun = self._head_bytes > 0 or bool(getattr(self, "url", b""))
        if self.transport.is_closing() or not begun or (busy and cycle.response_started):
            self.transport.close()
            return
        self._refusal = EdgeRefusal.TOO_SLOW
        self.send_400_response(reason)
        if busy:  # the handler learns that the rest will never come
            cycle.disconnected = True
            cycle.message_event.set()

    def send_400_response(self, msg: str) -> None:
        """Send a problem for a malformed request, and close the connection."""
        row = PROBLEMS[self._refusal]
        request_id = secrets.token_hex(8)
        detail = msg if self._refusal is EdgeRefusal.MALFORMED else row.title
        if self._malformed is not None:
            detail = sentence_of(self._malformed)
        body = json.dumps(
            {
                "type": f"/problems/{self._refusal.value}",
                "title": row.title,
                "status": row.status,
                "detail": detail,
                "code": self._refusal.value,
                "request_id": request_id,
            }
        ).encode()
        head = (
            f"HTTP/1.1 {row.status} {HTTPStatus(row.status).phrase}\r\n"
            f"content-type: {PROBLEM_JSON}\r\ncontent-length: {len(body)}\r\n"
            f"x-request-id: {request_id}\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        # A client that is still sending would be reset before it reads the response; so ignore a little more.
        self._refused = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)


def _is_handshake(headers: list[tuple[bytes, bytes]]) -> bool:
    """Return whether a request for a WebSocket has the one key and the one version that there are."""
    keys = [value for name, value in headers if name == b"sec-websocket-key"]
    versions = [value for name, value in headers if name == b"sec-websocket-version"]
    try:
        lengths = [len(base64.b64decode(key, validate=True)) for key in keys]
    except ValueError:
        return False
    return lengths == [_KEY_BYTES] and versions == [b"13"]
