"""Compression of responses with Brotli or gzip; chunk by chunk if the response is streamed.

Small responses, media types that are compressed already, and streams of events are not compressed.

A Brotli compressor holds half a megabyte: a whole body is compressed without one, and a stream's lives until
its last chunk.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from functools import lru_cache
from typing import Any, Final, Protocol

import brotli

# A smaller response fits in one packet anyway, and Brotli takes 90 us: too much for a small booking
SMALLEST_BYTES: Final = 1_400
# A larger body takes more than some milliseconds (gzip: 40 MB/s), in which nobody else would be answered
_ON_THE_LOOP_BYTES_MAX: Final = 128 * 1024
_BROTLI_QUALITY: Final = 4  # 5 is twice as slow for 3 % less
# Of a body that is compressed for one reader, such as the page of a booking: 17 us for 3 KB, not 52, and 13 %
# more bytes
_QUICK_QUALITY: Final = 1
_QUICK_BYTES_MAX: Final = 16 * 1024
_GZIP_LEVEL: Final = 5
_GZIP_WINDOW: Final = 31  # zlib writes the header of gzip
_WORTH_IT: Final = re.compile(rb"(text/(?!event-stream)|application/(.+\+)?(json|xml|javascript)|image/svg)")
_CODINGS: Final = ("br", "gzip")
_CODING: Final = re.compile(r"\s*([\w*-]+)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?))?\s*")
_VARY: Final = (b"vary", b"Accept-Encoding")


class Compressor(Protocol):
    """Compresses a response part by part."""

    def add(self, body: bytes, *, last: bool) -> bytes:
        """Return the compressed bytes that are ready after this part."""


class _Brotli:
    def __init__(self) -> None:
        self._state = brotli.Compressor(mode=brotli.MODE_TEXT, quality=_BROTLI_QUALITY)

    def add(self, body: bytes, *, last: bool) -> bytes:
        found: bytes = self._state.process(body)
        return found + self._state.finish() if last else found


class _Gzip:
    def __init__(self) -> None:
        self._state = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)

    def add(self, body: bytes, *, last: bool) -> bytes:
        found = self._state.compress(body)
        return found + self._state.flush() if last else found


def choose_coding(
    headers: list[tuple[bytes, bytes]], request_headers: dict[bytes, bytes], body: bytes, *, whole: bool
) -> str | None:
    """Return the coding in which a response is sent, or None; change the response's headers in place.

    `whole`: this is the whole body.
    """
    if whole and len(body) < SMALLEST_BYTES:
        return None
    names: dict[bytes, Any] = dict(headers)
    if b"content-encoding" in names or not _WORTH_IT.match(names.get(b"content-type", b"")):
        return None
    headers.append(_VARY)
    coding = best_coding(request_headers.get(b"accept-encoding", b""))
    if coding is None:
        return None
    headers[:] = [_of_coding(name, value, coding) for name, value in headers if name != b"content-length"]
    headers.append((b"content-encoding", coding.encode()))
    return coding


def compressor_of(coding: str) -> Compressor:
    """Return a new compressor, for the parts of one response."""
    return _Brotli() if coding == "br" else _Gzip()


@lru_cache(maxsize=256)
def best_coding(accepted: bytes) -> str | None:
    """Return the coding of the highest weight in an Accept-Encoding (RFC 9110, 12.5.3); of equals, Brotli."""
    weights: dict[str, float] = {}
    for part in accepted.decode("latin-1").split(","):
        if match := _CODING.fullmatch(part):
            weights[match[1].lower()] = float(match[2] or 1)
    found = max(_CODINGS, key=lambda coding: weights.get(coding, weights.get("*", 0)))
    return found if weights.get(found, weights.get("*", 0)) > 0 else None


def compress(body: bytes, coding: str) -> bytes:
    """Return a whole body, compressed."""
    if coding == "br":
        quality = _QUICK_QUALITY if len(body) <= _QUICK_BYTES_MAX else _BROTLI_QUALITY
        found: bytes = brotli.compress(body, mode=brotli.MODE_TEXT, quality=quality)
        return found
    return _Gzip().add(body, last=True)


async def compress_aside(body: bytes, coding: str) -> bytes:
    """Return a whole body, compressed; a large one in a thread, so that others are answered meanwhile."""
    if len(body) <= _ON_THE_LOOP_BYTES_MAX:
        return compress(body, coding)
    return await asyncio.to_thread(compress, body, coding)


def _of_coding(name: bytes, value: bytes, coding: str) -> tuple[bytes, bytes]:
    """Return a header of the compressed response: other bytes need another ETag (see `conditional.py`)."""
    if name == b"etag" and value.endswith(b'"'):
        return name, value[:-1] + f'-{coding}"'.encode()
    return name, value
