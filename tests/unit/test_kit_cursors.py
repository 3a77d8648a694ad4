from __future__ import annotations

import base64
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from evently.kit.cursors import read_cursor, write_cursor
from evently.kit.errors import Invalid
from evently.kit.ids import new_id

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_a_position_survives() -> None:
    position = ("jazz", -5, NOON, new_id())
    assert read_cursor(write_cursor(position), tuple[str, int, datetime, UUID]) == position


@pytest.mark.parametrize(
    "text",
    [
        "",
        "é",
        "!",
        "a",
        "kg",
        "AAAA",
        write_cursor(()),
        write_cursor((1, 2)),
        write_cursor(("x",)),
        write_cursor((None,)),
        "=",
        "a" * 500,
    ],
)
def test_what_we_did_not_write_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        read_cursor(text, tuple[int])


@pytest.mark.parametrize(
    ("position", "shape"),
    [
        ((2**63,), tuple[int]),
        ((2**64 - 1,), tuple[int]),
        (("a\x00b",), tuple[str]),
        ((datetime(2026, 6, 1, 12),), tuple[datetime]),  # noqa: DTZ001  # the point
        (("0001-01-01T00:00:00+23:59",), tuple[datetime]),
        (("9999-12-31T23:59:59-23:59",), tuple[datetime]),
    ],
)
def test_what_the_database_cannot_hold_is_refused(position: tuple[object, ...], shape: type[object]) -> None:
    with pytest.raises(Invalid):
        read_cursor(write_cursor(position), shape)


def test_text_that_is_no_text_is_refused() -> None:
    raw = msgspec.msgpack.encode(("ab",)).replace(b"ab", b"\xff\xfe")
    with pytest.raises(Invalid):
        read_cursor(base64.urlsafe_b64encode(raw).rstrip(b"=").decode(), tuple[str])
