"""Collecting what is wrong with a request, so that one answer names every wrong field."""

from __future__ import annotations

import msgspec

from evently.kit.errors import FieldError, Invalid
from evently.kit.shapes import limit_errors


class Complaints:
    """What is wrong with a request: `check` the limits, `about` each broken rule, then `refuse_if_any`."""

    def __init__(self) -> None:
        self.errors: list[FieldError] = []

    def check(self, pointer: str, said: msgspec.Struct) -> None:
        """Note the fields of a struct that are outside the limits of their types."""
        self.errors += limit_errors(said, pointer)

    def about(self, pointer: str, detail: str) -> None:
        """Note one wrong field."""
        self.errors.append(FieldError(pointer, detail))

    def refuse_if_any(self) -> None:
        """Refuse `invalid` with everything that was noted."""
        if self.errors:
            raise Invalid(self.errors)
