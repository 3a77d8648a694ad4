"""Query parameters for a range of time, `?from=&to=`: instants with an offset (RFC 3339)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from evently.kit.errors import FieldError
from evently.kit.shapes import Instant
from evently.web.edge.routing import QueryParameter

_INSTANT_CHARACTERS_MAX: Final = 40  # RFC 3339 with nanoseconds and an offset has 35


def instant_parameter(name: str, description: str) -> Any:
    """Return a query parameter that takes an instant; `parse_instant` parses its text."""
    return QueryParameter(
        name=name,
        max_length=_INSTANT_CHARACTERS_MAX,
        description=description,
    )


def parse_instant(
    pointer: str, text: str | None, errors: list[FieldError], *, earliest: datetime, latest: datetime
) -> datetime | None:
    """Return the instant in UTC; add an error and return None when the text is none, or out of bounds."""
    if text is None:
        return None
    try:
        at: datetime = msgspec.convert(text, Instant).astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        errors.append(
            FieldError(
                pointer,
                "not-an-instant",
            )
        )
        return None
    if not earliest <= at <= latest:
        errors.append(
            FieldError(pointer, "year-out-of-range", {"earliest": earliest.year, "latest": latest.year})
        )
        return None
    return at
