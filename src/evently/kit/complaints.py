"""Collects the errors of a request, so that one answer names every wrong field."""

from __future__ import annotations

import msgspec

from evently.kit.errors import FieldError, Invalid, Wrong
from evently.kit.shapes import limit_errors


class Complaints:
    """The errors of a request: `check` limits, add broken rules with `about`, then call `refuse_if_any`."""

    def __init__(self) -> None:
        self.errors: list[FieldError] = []

    def check(self, pointer: str, struct: msgspec.Struct) -> None:
        """Add the fields of a struct that are outside the limits of their types."""
        self.errors += limit_errors(struct, pointer)

    def about(self, pointer: str, code: str, **data: object) -> None:
        """Add one wrong field, with its code and what fills the sentence; see `FieldError`."""
        self.errors.append(FieldError(pointer, code, data))

    def add(self, pointer: str, wrong: Wrong) -> None:
        """Add one wrong field."""
        self.errors.append(FieldError(pointer, *wrong))

    def refuse_if_any(self) -> None:
        """Refuse with `invalid` if any error was added, with all of them."""
        if self.errors:
            raise Invalid(self.errors)


def refuse_wrong(struct: msgspec.Struct) -> None:
    """Refuse a struct with fields that are outside their limits."""
    complaints = Complaints()
    complaints.check("", struct)
    complaints.refuse_if_any()
