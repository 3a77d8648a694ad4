"""Push services: one POST for each message (RFC 8030), and what its answer means.

Redirects are not followed, little of an answer is read, and none of it reaches anybody but the log's readers.
"""

from __future__ import annotations

import asyncio
import ssl
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

import httpcore2

from evently.kit.public_network import NotPublic, PublicNetwork

SECONDS_MAX: Final = 10.0  # of one call
CONNECTIONS_MAX: Final = 8  # of one process
_KEPT_SECONDS: Final = 30.0  # a connection, after its last message
_ANSWER_BYTES_MAX: Final = 4_096
RETRY_AFTER_MAX: Final = 3_600.0  # seconds: a service that asks for more is asked again after this
_GONE: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_LATER: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
_FAULTS: Final = (
    httpcore2.NetworkError,
    httpcore2.TimeoutException,
    httpcore2.ProtocolError,
    OSError,
    TimeoutError,
)


class Delivery(NamedTuple):
    """What became of a message. `seconds`: when the service wants to be asked again, if it says so."""

    result: Literal["accepted", "gone", "later", "refused"]
    text: str
    seconds: float | None = None


class PushServices:
    """The connections of one process. `network` and `tls` are others in tests alone."""

    def __init__(
        self,
        network: httpcore2.AsyncNetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._connections = httpcore2.AsyncConnectionPool(
            ssl_context=tls or ssl.create_default_context(),
            max_connections=CONNECTIONS_MAX,
            keepalive_expiry=_KEPT_SECONDS,
            network_backend=network or PublicNetwork(),
        )

    async def send(self, endpoint: str, headers: dict[str, str], content: bytes) -> Delivery:
        """Hand a message over."""
        given = {"host": urlsplit(endpoint).netloc, "content-length": str(len(content)), **headers}
        try:
            async with asyncio.timeout(SECONDS_MAX):
                return await self._post(endpoint, given, content)
        except NotPublic:
            return Delivery("refused", "its address is not public")
        except _FAULTS as exc:
            return Delivery("later", f"no answer ({type(exc).__name__})")

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.aclose()

    async def _post(self, endpoint: str, headers: dict[str, str], content: bytes) -> Delivery:
        pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        async with self._connections.stream("POST", endpoint, headers=pairs, content=content) as answer:
            text, size = f"{answer.status}", 0
            async for part in answer.aiter_stream():
                size += len(part)
                if size > _ANSWER_BYTES_MAX:
                    break  # the connection is closed with the block
            return _read(answer.status, dict(answer.headers), text)


def _read(status: int, headers: dict[bytes, bytes], text: str) -> Delivery:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Delivery("accepted", text)
    if status in _GONE:
        return Delivery("gone", text)
    if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        names = {name.lower(): value for name, value in headers.items()}
        return Delivery("later", text, _seconds_of(names.get(b"retry-after"), names.get(b"date")))
    return Delivery("refused", text)


def _seconds_of(retry_after: bytes | None, date: bytes | None) -> float | None:
    """Return the pause that a service asks for: a number of seconds, or a date beside its own."""
    if retry_after is None:
        return None
    text = retry_after.decode("latin-1").strip()
    if text.isdecimal() and text.isascii():
        return min(float(text[:9]), RETRY_AFTER_MAX)
    if date is None:
        return None
    try:
        asked = parsedate_to_datetime(text) - parsedate_to_datetime(date.decode("latin-1"))
    except (ValueError, TypeError):
        return None
    return min(max(asked.total_seconds(), 0.0), RETRY_AFTER_MAX)
