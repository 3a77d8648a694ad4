"""The invariants that the audit checks, and its findings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import msgspec

from evently.kit.ids import show_id

# I3 needs what clients were told: tests and rehearsals check it (docs/proof.md)
TITLES: Final = {
    "I1": "Capacity: pools that are oversold, or have a negative counter",
    "I2": "Counters: pools or zones whose counters differ from their tickets",
    "I4": "Buyers: bookings that the buyer did not request",
    "I5": "Tickets and seats: tickets with two bookings or none, bookings without tickets, wrong seats",
    "I6": "Idempotency: keys with two answers, or with an answer about another booking",
    "I7": "Payments and refunds: confirmed but not paid, paid but not confirmed, refunds above the payment",
    "I8": "Ledger: bookings whose postings differ from the journal",
    "I9": "Holds: holds that still take units 5 seconds after they expired, or were confirmed after that",
    "I10": "Waitlist order: entries overtaken by a later entry that fitted no better",
    "I11": "Journal: rows that differ from a replay of the journal; gaps and wrong hashes in the journal",
    "I12": "Delivery and figures: facts delivered after a minute, out of order, or not counted exactly once",
    "I13": "Check-in: tickets that admitted twice, or are used without a scan that the journal contains",
    "I14": "Waiting rooms: people admitted out of order or twice, bookings without an admission",
}
EXAMPLES_MAX: Final = 5


class Finding(msgspec.Struct, frozen=True):
    """The number of breaches of one invariant, which must be 0, and a few examples.

    `note`: how it was checked, where that is worth a word.
    """

    code: str
    title: str
    count: int
    examples: list[str]
    note: str = ""

    def as_dict(self) -> dict[str, object]:
        """Return the finding as a dictionary, for JSON."""
        return msgspec.structs.asdict(self)


@dataclass(slots=True)
class Tally:
    """The breaches of one invariant that were found so far."""

    count: int = 0
    examples: list[str] = field(default_factory=list)
    event_ids: set[UUID] = field(default_factory=set)  # of those that were listed
    unlisted: int = 0  # counted only: there were too many to list

    def add(self, event_id: UUID, what: str, total: int = 1) -> None:
        """Count a breach, and keep the first few as examples."""
        self.count += total
        self.event_ids.add(event_id)
        if len(self.examples) < EXAMPLES_MAX:
            self.examples.append(f"{show_id('evt', event_id)}: {what}")
