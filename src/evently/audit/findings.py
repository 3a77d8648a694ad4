"""What the audit looks for, and what it found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import msgspec

from evently.kit.ids import show_id

TITLES: Final = {
    "I1": "pools with a negative counter, or with more taken than there is",
    "I2": "pools whose counters differ from the tickets",
    "I4": "bookings that nobody asked for, or that somebody else asked for",
    "I5": "tickets with two owners or none, bookings without tickets, seats that differ from the tickets",
    "I6": "idempotency keys with two answers, or with an answer about another booking",
    "I7": "bookings confirmed without their money, money without its booking, more paid back than was paid",
    "I8": "bookings whose rows in the money ledger differ from what the journal calls for",
    "I9": "holds still counted 5 seconds after they ran out, or confirmed afterwards",
    "I10": "waitlist entries overtaken by a later one that fitted no better",
    "I11": "differences between the rows and a replay of the journal; gaps and broken hashes in it",
    "I12": "facts not delivered within a minute, out of order, or counted otherwise than once",
}
EXAMPLES_MAX: Final = 5


class Finding(msgspec.Struct, frozen=True):
    """One invariant: how often it is broken, which must be 0, and a few of the cases."""

    code: str
    title: str
    count: int
    examples: list[str]

    def as_dict(self) -> dict[str, object]:
        """Return it for JSON."""
        return msgspec.structs.asdict(self)


@dataclass(slots=True)
class Tally:
    """What was found of one kind."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, event_id: UUID, what: str, total: int = 1) -> None:
        """Count, and keep the first few."""
        self.count += total
        if len(self.examples) < EXAMPLES_MAX:
            self.examples.append(f"{show_id('evt', event_id)}: {what}")
