"""Uvicorn's HTTP/1.1 with limits on what comes before the body, and with problems for what cannot be read at all."""

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
    """Ends the parsing of a request."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    _head_bytes = 0
    _refused = False
    _refusal = EdgeRefusal.MALFORMED

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        if not self._refused:
            super().data_received(data)

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take a piece of the address."""
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
        """Answer what cannot be read, with a problem like any other, and close."""
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
            f"HTTP/1.1 {row.status} {HTTPStatus(row.status).phrase}\r\ncontent-type: {PROBLEM_JSON}\r\ncontent-length: {len(body)}\r\n"
            f"x-request-id: {request_id}\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        # A client that is still sending would be reset before it reads; so listen a little longer, to
        # nothing.
        self._refused = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)
