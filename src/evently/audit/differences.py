"""What differs between the rows of one event and a replay of its journal, told in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from evently.audit.findings import Tally

Rows = dict[Any, tuple[Any, ...]]  # by key, without it


class Differences:
    """Adds the differences of one event to the tallies of the invariants."""

    def __init__(self, event_id: UUID, tallies: Mapping[str, Tally]) -> None:
        self.event_id = event_id
        self._tallies = tallies

    def add(self, code: str, what: str) -> None:
        """Add a difference; `code` is that of the invariant."""
        self._tallies[code].add(self.event_id, what)

    def compare_rows(self, code: str, what: str, names: Sequence[str], stored: Rows, replayed: Rows) -> None:
        """Add the rows that differ. `what` is followed by the key of a row; `names` are of its values."""
        for key in differing(stored, replayed):
            self.compare(code, f"{what} {key}", names, stored.get(key), replayed.get(key))

    def compare(
        self,
        code: str,
        what: str,
        names: Sequence[str],
        stored: tuple[Any, ...] | None,
        replayed: tuple[Any, ...] | None,
    ) -> None:
        """Add what differs in one row, or that only one side has it (the other one is None)."""
        if stored is None:
            self.add(code, f"{what} is only in the journal")
        elif replayed is None:
            self.add(code, f"{what} is not in the journal")
        elif differences := [
            f"{name} is {mine}, in the journal {theirs}"
            for name, mine, theirs in zip(names, stored, replayed, strict=True)
            if mine != theirs
        ]:
            self.add(code, f"{what}: {'; '.join(differences)}")


def differing(stored: Mapping[Any, Any], replayed: Mapping[Any, Any]) -> list[Any]:
    """Return the keys whose values differ, sorted."""
    if stored == replayed:
        return []
    return sorted([key for key in stored.keys() | replayed.keys() if stored.get(key) != replayed.get(key)])
