"""HTTP/1.1 of uvicorn, with limits on the request line and headers, and problems for malformed requests."""

from __future__ import annotations

import json
import secrets
from http import HTTPStatus
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from evently.web.edge.problems import PROBLEM_JSON, PROBLEMS
from evently.web.edge.refusals import EdgeRefusal

ADDRESS_BYTES_MAX: Final = 8 * 1024  # RFC 9110, 4.1, asks for at least 8000
LINGER_SECONDS: Final = 1.0
HEADERS_BYTES_MAX: Final = 32 * 1024  # as other servers do


class _TooLong(Exception):
    """Raised to end the parsing of a request."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    _head_bytes = 0
    _refused = False
    _refusal = EdgeRefusal.MALFORMED

    def data_received(self, data: bytes) -> None:
        """Parse received bytes; ignore them once the request is refused."""
        if not self._refused:
            super().data_received(data)

    def on_message_begin(self) -> None:
        """Start to count the bytes of a new request."""
        super().on_message_begin()
        self._head_bytes = 0

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

    def send_400_response(self, msg: str) -> None:
        """Send a problem for a malformed request, and close the connection."""
        row = PROBLEMS[self._refusal]
        request_id = secrets.token_hex(8)
        body = json.dumps(
            {
                "type": f"/problems/{self._refusal.value}",
                "title": row.title,
                "status": row.status,
                "detail": msg if self._refusal is EdgeRefusal.MALFORMED else row.title,
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
