"""The three kinds of no (docs/style.md): a refusal is expected, trouble is the world's, a bug is ours.

    Exception
    ├── Refused            an expected answer, carrying the domain's refusal code
    │   └── Invalid        the request is well formed and still wrong: every wrong field, not only the first
    └── Trouble            the world failed; the same request may work later
        ├── Busy           we are full; nothing was done
        ├── Unavailable    the database cannot be reached; nothing was done
        └── OutcomeUnknown the connection was lost while committing; retry with the same key to learn the outcome

Bugs are `AssertionError`s and everything else that nobody catches.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Refusal(StrEnum):
    """Base of every domain's refusals. The value is the stable `code` that clients see."""


class FieldError(msgspec.Struct, frozen=True):
    """One wrong field: `pointer` is an RFC 6901 JSON pointer into the request body."""

    pointer: str
    detail: str


class Refused(Exception):
    """A domain said no. `detail` speaks about this case; the code's fixed title lives in `web/problems.py`."""

    def __init__(self, refusal: Refusal, detail: str = "", **extra: object) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal
        self.detail = detail
        self.extra = extra


class CommonRefusal(Refusal):
    """What any domain may answer."""

    INVALID = "invalid"
    NOT_FOUND = "not-found"
    FORBIDDEN = "forbidden"
    STALE = "stale"


class Invalid(Refused):
    """Fields that are well formed and still wrong."""

    def __init__(self, errors: list[FieldError]) -> None:
        assert errors, "a validation failure names at least one field"
        super().__init__(CommonRefusal.INVALID, errors[0].detail)
        self.errors = errors


class Trouble(Exception):
    """The world failed. `retry_after_seconds` is what the client is told."""

    retry_after_seconds = 1


class Busy(Trouble):
    """A queue is full. Nothing was done."""


class Unavailable(Trouble):
    """The database cannot be reached. Nothing was done."""

    retry_after_seconds = 2


class OutcomeUnknown(Trouble):
    """The connection was lost while a commit was under way: it may or may not have happened."""
