"""Opaque keyset cursors: the sort key of the last row of a page.

The next page starts after that key, however many rows were added in between.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec

from evently.kit.errors import FieldError, Invalid

Row = TypeVar("Row")
Position = TypeVar("Position")


class Page(msgspec.Struct, Generic[Row], frozen=True):
    """Some rows, and the cursor of the next page (None on the last page)."""

    data: list[Row]
    next_cursor: str | None = None


def write_cursor(position: tuple[object, ...]) -> str:
    """Return the cursor for the sort key of the last row of a page."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(position)).rstrip(b"=").decode()


def read_cursor(text: str, shape: type[Position]) -> Position:
    """Return the sort key in a cursor; refuses a text that is not a cursor with `invalid`."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        position: Any = msgspec.msgpack.decode(raw, type=shape)
        for part in position:
            _check(part)
    except (binascii.Error, ValueError, OverflowError, msgspec.MsgspecError) as exc:
        raise Invalid([FieldError("?after", "not-a-cursor")]) from exc
    return position  # type: ignore[no-any-return]  # it was decoded as `shape`


def _check(part: object) -> None:
    """Raise ValueError or OverflowError for a value that the database cannot store."""
    if isinstance(part, int) and not -(2**63) <= part < 2**63:
        raise OverflowError
    if isinstance(part, str) and "\x00" in part:
        raise ValueError
    if isinstance(part, datetime):
        if part.tzinfo is None:
            raise ValueError
        part.astimezone(UTC)
