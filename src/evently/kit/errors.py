"""The three kinds of errors (docs/style.md): expected refusals, trouble from outside, and bugs.

    Exception
    ├── Refused            an expected outcome, with the refusal code of a domain
    │   └── Invalid        a well-formed request with wrong values: every wrong field, not only the first
    └── Trouble            something outside failed; the same request may work later
        ├── Busy           a limit is reached; nothing was done
        ├── Unavailable    the database cannot be reached, or has no space; nothing was done
        │   └── WrongClock the clock of this process is wrong; nothing was done
        └── OutcomeUnknown the connection was lost in a commit; repeat with the same key to get the outcome
            └── CommitsWait a standby or a disk does not confirm commits

Bugs are `AssertionError`s and every other exception that is not caught.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import msgspec


class Refusal(StrEnum):
    """Base of every domain's refusals. The value is the stable `code` that clients see."""


class Wrong(NamedTuple):
    """What is wrong with a value: `code` names a sentence in `field_errors.toml`, and `data` fills it.

    A part of the data may be such a sentence itself.
    """

    code: str
    data: Mapping[str, object] = {}

    @property
    def detail(self) -> str:
        """The sentence."""
        shown = {
            name: value.detail if isinstance(value, Wrong) else value for name, value in self.data.items()
        }
        return read_sentences()[self.code].format_map(shown)


class FieldError(msgspec.Struct, frozen=True):
    """One wrong field: `pointer` is an RFC 6901 JSON pointer into the request body.

    `code` and `data` are those of `Wrong`.
    """

    pointer: str
    code: str
    data: Mapping[str, object] = {}

    @property
    def detail(self) -> str:
        """The sentence."""
        return Wrong(self.code, self.data).detail


@cache
def read_sentences() -> Mapping[str, str]:
    """Return what the codes of wrong fields mean, by code."""
    text = files(__package__).joinpath("field_errors.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


class Refused(Exception):
    """A domain refused a request.

    The words are not here: `refusal` and `reason` name a sentence in `web/edge/problems.toml`, and `data`
    fills it.
    """

    def __init__(self, refusal: Refusal, reason: str = "", **data: object) -> None:
        super().__init__(f"{refusal.value}: {reason}" if reason else refusal.value)
        self.refusal = refusal
        self.reason = reason
        self.data = data


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
        super().__init__(CommonRefusal.INVALID)
        self.errors = errors


class Trouble(Exception):
    """Something outside this process failed: the database, a gateway, the network.

    Clients are told to try again after `retry_after_seconds`. The words are not here: `reason` names a
    sentence for what the kind of trouble is outside, and `data` fills it, as in `Refused`. `response`: what
    the other side responded, or what is wrong with it, for the log alone.
    """

    retry_after_seconds = 1

    def __init__(self, reason: str = "", *, response: str = "", **data: object) -> None:
        shown = response or ", ".join([reason, *[f"{name} {value}" for name, value in data.items()]])
        super().__init__(shown or type(self).__name__)
        self.reason = reason
        self.data = data


class Busy(Trouble):
    """A queue is full. Nothing was done."""


class Unavailable(Trouble):
    """The database cannot be reached. Nothing was done."""

    retry_after_seconds = 2


class WrongClock(Unavailable):
    """The clock of this process differs from the database's. Nothing was done."""

    retry_after_seconds = 5


class OutcomeUnknown(Trouble):
    """The connection was lost while a commit was under way: it may or may not have happened."""


class CommitsWait(OutcomeUnknown):
    """Commits are not confirmed: a standby or a disk is away. What was sent will count when it is back."""

    retry_after_seconds = 2
