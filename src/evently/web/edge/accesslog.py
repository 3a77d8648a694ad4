"""The access log: one line per request.

It is written without a logging library, which was measured at 30 us per line; this takes 2.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import msgspec

from evently.web.edge.exchange import Exchange

_PATH_LENGTH_MAX: Final = 500


class AccessLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is logged of a request: no query, no body, and of the headers only the ids."""

    timestamp: datetime
    level: str
    message: str
    method: str
    path: str
    route: str
    status: int
    milliseconds: float
    bytes: int
    client: str
    request_id: str
    trace_id: str | None = None


_encode: Final = msgspec.json.Encoder().encode


def access_line(
    exchange: Exchange, method: str, status: int, seconds: float, sent_bytes: int, *, pretty: bool
) -> str:
    """Return the line for a request whose response was sent."""
    scope = exchange.scope
    now, milliseconds = datetime.now(UTC), round(seconds * 1000, 3)
    if pretty:
        path = repr(scope["path"][:_PATH_LENGTH_MAX])[1:-1]  # no control characters on the terminal
        start = f"{now:%H:%M:%S} {method:<6} {status or '---'} {milliseconds:9.1f} ms"
        return f"{start}  {path}  {exchange.request_id}"
    line = AccessLine(
        now,
        "info",
        "request",
        method,
        scope["path"][:_PATH_LENGTH_MAX],
        scope.get("path_template", "unmatched"),
        status,
        milliseconds,
        sent_bytes,
        exchange.client.address,
        exchange.request_id,
        exchange.trace_id,
    )
    return _encode(line).decode()
