"""Each fact is needed, and so is each of its fields: without it, or with another value, a story finds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, get_args
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import fields, replace

from evently.sales.facts import Fact, decode_facts
from tests.sim.test_mutants import STORIES
from tests.support import rows
from tests.support.stories import tell

KINDS: Final[tuple[type[Any], ...]] = get_args(Fact)
# What only the journal has: who settled a refund by hand and why, where buyers came from, who cancelled, who
# gave other seats and who is told. The figures by source are compared in I12, and why something was cancelled
# in I11 (tests/db/test_audit_columns.py).
ONLY_TOLD: Final = {
    ("RefundSettled", "person_id"),
    ("RefundSettled", "reason"),
    ("BookingHeld", "via"),
    ("BookingConfirmed", "via"),
    ("BookingCancelled", "by"),
    ("BookingCancelled", "person_id"),
    ("BookingCancelled", "reason"),
    ("SaleCancelled", "reason"),
    ("TicketsCancelled", "by"),
    ("TicketsCancelled", "person_id"),
    ("TicketsCancelled", "reason"),
    ("TicketsExchanged", "person_id"),
    ("TicketsExchanged", "buyer_holds"),
    ("TicketsExchanged", "holder_ids"),
}
FIELDS: Final = [
    (kind, field.name)
    for kind in KINDS
    for field in fields(kind)
    if (kind.__name__, field.name) not in ONLY_TOLD
]


def _another(value: Any) -> Any:
    """Return another value of the same type. A text of few values becomes one that it never has."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return "" if value else "x"
    if isinstance(value, bytes):
        return b"" if value else b"x"
    if isinstance(value, UUID):
        return UUID(int=value.int ^ 1)
    if isinstance(value, datetime):
        return value + timedelta(seconds=1)
    if isinstance(value, tuple):
        return (*value[:-1], _another(value[-1])) if value else value
    if isinstance(value, msgspec.Struct):
        last = fields(value)[-1].name
        return replace(value, **{last: _another(getattr(value, last))})
    return value


@cache
def _stories() -> dict[type[Any], list[str]]:
    """Return the stories in whose journals each kind of fact is read, the shortest first."""
    found: dict[type[Any], list[str]] = {kind: [] for kind in KINDS}
    for story in sorted(STORIES, key=len):
        seen: set[type[Any]] = set()

        def read(stored: bytes, seen: set[type[Any]] = seen) -> list[Fact]:
            decoded = decode_facts(stored)
            seen.update(map(type, decoded))
            return decoded

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rows, "decode_facts", read)
            tell(story)
        for kind in seen:
            found[kind].append(story)
    return found


def _finds(
    monkeypatch: pytest.MonkeyPatch, kind: type[Any], change: Callable[[Fact], Sequence[Fact]]
) -> bool:
    """Return whether a story finds what a change does to each fact of a kind in the journal."""
    stories = _stories()[kind]  # others are not changed by it

    def read(stored: bytes) -> list[Fact]:
        return [each for fact in decode_facts(stored) for each in change(fact)]

    monkeypatch.setattr(rows, "decode_facts", read)
    for story in stories:
        try:
            tell(story)
        except Exception:  # noqa: BLE001  # a contradiction, a difference, or what follows from them
            return True
    return False


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_fact_is_needed(monkeypatch: pytest.MonkeyPatch, kind: type[Any]) -> None:
    assert _finds(monkeypatch, kind, lambda fact: [] if isinstance(fact, kind) else [fact])


@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=lambda each: getattr(each, "__name__", each))
def test_each_field_is_needed(monkeypatch: pytest.MonkeyPatch, kind: type[Any], name: str) -> None:
    def change(fact: Fact) -> list[Fact]:
        if not isinstance(fact, kind):
            return [fact]
        return [replace(fact, **{name: _another(getattr(fact, name))})]

    assert _finds(monkeypatch, kind, change)
