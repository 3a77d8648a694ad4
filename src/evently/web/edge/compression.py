"""Compression of answers: Brotli or gzip, of what is worth it, chunk by chunk where the answer is streamed.

Never of a stream of events.
"""

from __future__ import annotations

import re
import zlib
from functools import lru_cache
from typing import Any, Final, Protocol

import brotli

# Less is as quick uncompressed: one packet; and a booking of a few tickets stays cheap (Brotli takes 90 us)
SMALLEST_BYTES: Final = 1_400
_BROTLI_QUALITY: Final = 4  # 5 is twice as slow for 3 % less
_GZIP_LEVEL: Final = 5
_GZIP_WINDOW: Final = 31  # zlib's way of saying: with gzip's header
_WORTH_IT: Final = re.compile(rb"(text/(?!event-stream)|application/(.+\+)?(json|xml|javascript)|image/svg)")
_CODINGS: Final = ("br", "gzip")
_CODING: Final = re.compile(r"\s*([\w*-]+)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?))?\s*")
_VARY: Final = (b"vary", b"Accept-Encoding")


class Compressor(Protocol):
    """Takes the answer as it comes."""

    def add(self, body: bytes, *, last: bool) -> bytes:
        """Return what is ready of the answer up to here."""


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


def compressor_for(
    headers: list[tuple[bytes, bytes]], asked: dict[bytes, bytes], body: bytes, *, whole: bool
) -> Compressor | None:
    """Return how to compress an answer, or None; changes its headers in place.

    `whole`: the body is all there is of it.
    """
    if whole and len(body) < SMALLEST_BYTES:
        return None
    names: dict[bytes, Any] = dict(headers)
    if b"content-encoding" in names or not _WORTH_IT.match(names.get(b"content-type", b"")):
        return None
    headers.append(_VARY)
    coding = best_coding(asked.get(b"accept-encoding", b""))
    if coding is None:
        return None
    headers[:] = [_of_coding(name, value, coding) for name, value in headers if name != b"content-length"]
    headers.append((b"content-encoding", coding.encode()))
    return _Brotli() if coding == "br" else _Gzip()


@lru_cache(maxsize=256)
def best_coding(accepted: bytes) -> str | None:
    """Return the coding to use for an Accept-Encoding (RFC 9110, 12.5.3): the one with the highest weight, Brotli first among equals."""
    weights: dict[str, float] = {}
    for part in accepted.decode("latin-1").split(","):
        if match := _CODING.fullmatch(part):
            weights[match[1].lower()] = float(match[2] or 1)
    found = max(_CODINGS, key=lambda coding: weights.get(coding, weights.get("*", 0)))
    return found if weights.get(found, weights.get("*", 0)) > 0 else None


def compress(body: bytes, coding: str) -> bytes:
    """Return a whole body in a coding, for who keeps it."""
    return (_Brotli() if coding == "br" else _Gzip()).add(body, last=True)


def _of_coding(name: bytes, value: bytes, coding: str) -> tuple[bytes, bytes]:
    """Return a header as it is for the compressed answer: other bytes, so another entity tag (`conditional.py` knows)."""
    if name == b"etag" and value.endswith(b'"'):
        return name, value[:-1] + f'-{coding}"'.encode()
    return name, value
