"""One POST to the address of a webhook, and what came back.

Redirects are not followed. The whole call takes ten seconds at most, and 4 KB of the answer are kept.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import httpcore2

from evently.kit.public_network import Network, NotPublic, PublicNetwork, Resolve, resolve
from evently.webhooks.addresses import is_usual

SECONDS_MAX: Final = 10.0  # of one call
ANSWER_BYTES_MAX: Final = 4_096
RETRY_AFTER_MAX: Final = 3_600.0  # seconds: a program that asks for more is called again after this
_CONNECTIONS_MAX: Final = 200  # of one process; more than its workers use at a time
_KEPT_SECONDS: Final = 15.0  # a connection, after its last call
_LATER: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_FAULTS: Final = (
    httpcore2.NetworkError,
    httpcore2.TimeoutException,
    httpcore2.ProtocolError,
    httpcore2.UnsupportedProtocol,
    OSError,
    TimeoutError,
)


class Answer(NamedTuple):
    """What came back. `status`: None when there was no answer; `text` then says what went wrong.

    `retry_after`: seconds until the program wants to be called again, if it says so.
    """

    status: int | None
    text: str
    milliseconds: int
    retry_after: float | None = None

    @property
    def accepted(self) -> bool:
        """Whether the program has the message."""
        return self.status is not None and HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def gone(self) -> bool:
        """Whether the program wants no messages any more."""
        return self.status == HTTPStatus.GONE


class _Reading:
    """What has been read of an answer so far."""

    __slots__ = ("retry_after", "status", "text")

    def __init__(self) -> None:
        self.status: int | None = None
        self.retry_after: float | None = None
        self.text = bytearray()


class Caller:
    """The connections of one process. `networks`: those that are allowed although they are not public."""

    def __init__(
        self,
        networks: tuple[Network, ...] = (),
        find: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        context = tls or ssl.create_default_context()
        self._usual = _open_pool(PublicNetwork(find, networks), context)
        # What is unusual about an address is allowed in these networks alone
        self._allowed = _open_pool(PublicNetwork(find, networks, public=False), context)

    async def send(self, address: str, headers: dict[str, str], content: bytes) -> Answer:
        """Hand a message over."""
        parts = urlsplit(address)
        given = {"host": parts.netloc, "content-length": str(len(content)), **headers}
        pool = self._usual if is_usual(parts) else self._allowed
        began, reading = time.perf_counter(), _Reading()
        try:
            async with asyncio.timeout(SECONDS_MAX):
                await _post(pool, address, given, content, reading)
        except NotPublic:
            return Answer(None, "The address leads to a network that is not public.", _since(began))
        except TimeoutError:
            if reading.status is None:
                return Answer(None, f"No answer within {SECONDS_MAX:.0f} seconds.", _since(began))
        except _FAULTS as exc:
            if reading.status is None:
                return Answer(None, f"No answer: {_words_of(exc)}.", _since(began))
        # A status is an answer, also where the text after it does not end
        text = bytes(reading.text[:ANSWER_BYTES_MAX]).decode("utf-8", "replace").replace("\x00", "\ufffd")
        return Answer(reading.status, text, _since(began), reading.retry_after)

    async def close(self) -> None:
        """Close the connections."""
        await self._usual.aclose()
        await self._allowed.aclose()


def _open_pool(network: PublicNetwork, tls: ssl.SSLContext) -> httpcore2.AsyncConnectionPool:
    return httpcore2.AsyncConnectionPool(
        ssl_context=tls,
        max_connections=_CONNECTIONS_MAX,
        keepalive_expiry=_KEPT_SECONDS,
        network_backend=network,
    )


async def _post(
    pool: httpcore2.AsyncConnectionPool,
    address: str,
    headers: dict[str, str],
    content: bytes,
    reading: _Reading,
) -> None:
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    async with pool.stream("POST", address, headers=pairs, content=content) as answer:
        names = {name.lower(): value for name, value in answer.headers}
        reading.status = answer.status
        reading.retry_after = _seconds_of(names.get(b"retry-after") if answer.status in _LATER else None)
        async for part in answer.aiter_stream():
            reading.text += part
            if len(reading.text) >= ANSWER_BYTES_MAX:
                break  # the connection is closed with the block


def _seconds_of(retry_after: bytes | None) -> float | None:
    text = b"" if retry_after is None else retry_after.strip()
    return min(float(text[:9]), RETRY_AFTER_MAX) if text.isdigit() else None


def _words_of(exc: Exception) -> str:
    """Return what went wrong, in a few words that name nothing of our network."""
    if isinstance(exc, httpcore2.ConnectError):
        cause = f"{exc} {exc.__cause__ or ''}".lower()
        if "certificate" in cause or "ssl" in cause:
            return "the certificate is not valid for this name, or TLS failed"
        return "no address" if "no address" in cause else "the connection was refused, or failed"
    if isinstance(exc, httpcore2.ProtocolError):
        return "what came back is not HTTP, or the connection was closed"
    return "the connection was lost"


def _since(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)
