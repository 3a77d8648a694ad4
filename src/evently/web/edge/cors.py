"""Cross-origin requests (CORS; Fetch, 3.2): which pages of other sites may read responses.

No cookie is ever needed, so credentials are not allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from evently.web.edge.context import Response

_EXPOSED: Final = (
    b"ETag, Link, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id, Idempotent-Replayed"
)
_ALLOWED_HEADERS: Final = (
    b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Request-Id,"
    b" Admission-Token, Place-Token, traceparent"
)
_ALLOWED_METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_PREFLIGHT_SECONDS: Final = b"7200"  # browsers keep the response to a preflight no longer
_REQUESTED_METHOD: Final = b"access-control-request-method"


class CrossOrigin:
    """The headers for pages of the allowed `origins`; `*` allows every origin."""

    def __init__(self, origins: Sequence[str]) -> None:
        self.origins = frozenset(origin.encode() for origin in origins)

    def headers(
        self, method: str, request_headers: dict[bytes, bytes], origin: bytes
    ) -> list[tuple[bytes, bytes]]:
        """Return the headers for the response to a request from `origin`."""
        vary = (b"vary", b"Origin")
        if origin not in self.origins and b"*" not in self.origins:
            return [vary]
        found = [vary, (b"access-control-allow-origin", origin), (b"access-control-expose-headers", _EXPOSED)]
        if method == "OPTIONS" and _REQUESTED_METHOD in request_headers:
            found += [
                (b"access-control-allow-methods", _ALLOWED_METHODS),
                (b"access-control-allow-headers", _ALLOWED_HEADERS),
                (b"access-control-max-age", _PREFLIGHT_SECONDS),
            ]
        return found


def is_preflight(method: str, request_headers: dict[bytes, bytes]) -> bool:
    """Return whether a browser asks what it may send."""
    return method == "OPTIONS" and _REQUESTED_METHOD in request_headers and b"origin" in request_headers


def preflight_response() -> Response[None]:
    """Return the response to a preflight; `CrossOrigin.headers` says what is allowed."""
    return Response(None, headers={"allow": _ALLOWED_METHODS.decode()})
