"""Opaque keyset cursors: where a page ended, so that the next one starts there however many rows came in between."""

from __future__ import annotations

import base64
import binascii
from typing import Generic, TypeVar

import msgspec

from evently.kit.errors import FieldError, Invalid

Row = TypeVar("Row")
Position = TypeVar("Position")


class Page(msgspec.Struct, Generic[Row], frozen=True):
    """Some rows and the cursor of the next page, None on the last."""

    data: list[Row]
    next_cursor: str | None = None


def write_cursor(position: tuple[object, ...]) -> str:
    """Return the cursor for the sort key of a page's last row."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(position)).rstrip(b"=").decode()


def read_cursor(text: str, shape: type[Position]) -> Position:
    """Return the sort key in a cursor; refuses one that we did not write."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return msgspec.msgpack.decode(raw, type=shape)
    except (binascii.Error, ValueError, UnicodeEncodeError, msgspec.MsgspecError) as exc:
        raise Invalid([FieldError("?after", "This is no cursor of this list.")]) from exc
