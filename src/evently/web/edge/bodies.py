"""Limits on the length of request bodies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from evently.kit.errors import Refused
from evently.web.edge.asgi import Message, Receive
from evently.web.edge.refusals import EdgeRefusal

DRAINED_BYTES_MAX: Final = 64 * 1024 * 1024  # nothing of it is kept
DRAINING_SECONDS_MAX: Final = 5.0
_LENGTH_DIGITS_MAX: Final = 15


class BodyLimit:
    """The limits of all routes.

    `bytes_max` is what every route takes. `route_bytes_max` returns what the routes at a path take; it is
    called only for bodies that are too long for most routes.
    """

    def __init__(self, bytes_max: int, route_bytes_max: Callable[[str], int]) -> None:
        self._bytes_max = bytes_max
        self._route_bytes_max = route_bytes_max

    def check_length(self, content_length: bytes, path: str) -> None:
        """Refuse a body whose Content-Length is too large."""
        if len(content_length) > _LENGTH_DIGITS_MAX:
            raise self._too_large(path)
        self._check(int(content_length), path)

    def counted(self, receive: Receive, path: str) -> Receive:
        """Return a `receive` that refuses once the body is too long. For bodies without a Content-Length."""
        taken_bytes = 0

        async def receive_counted() -> Message:
            nonlocal taken_bytes
            message = await receive()
            taken_bytes += len(message.get("body", b""))
            self._check(taken_bytes, path)
            return message

        return receive_counted

    def _check(self, body_bytes: int, path: str) -> None:
        if body_bytes > self._bytes_max and body_bytes > self._limit(path):
            raise self._too_large(path)

    def _limit(self, path: str) -> int:
        return max(self._bytes_max, self._route_bytes_max(path))

    def _too_large(self, path: str) -> Refused:
        return Refused(EdgeRefusal.TOO_LARGE, "bytes_max", bytes_max=self._limit(path))


async def drain(receive: Receive) -> None:
    """Read the rest of a body that is too long, up to a limit.

    A client that is still sending when the connection is closed is reset before it reads the response.
    """
    left = DRAINED_BYTES_MAX
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAINING_SECONDS_MAX):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
