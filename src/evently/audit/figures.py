"""The figures of a sale, counted again from the facts of its journal: minutes, holds, sources.

Shares no code with what the relay counts, so that it can contradict it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from evently.sales.facts import (
    BookingCancelled,
    BookingConfirmed,
    BookingHeld,
    EntryWithdrawn,
    Fact,
    HoldConfirmed,
    HoldExpired,
    OfferAccepted,
    TicketsCancelled,
    WaitlistJoined,
)

SOURCES_MAX: Final = 100  # as in analytics/sources.py; later ones are one together
OTHER: Final = "(other)"
CONVERSIONS: Final = ("holds", "confirmed", "expired", "cancelled", "joined", "fulfilled", "withdrawn")
SOURCES: Final = (
    "placed", "bookings", "tickets", "amount_minor", "cancelled_bookings", "cancelled_tickets",
    "cancelled_minor",
)  # fmt: skip
_KINDS: Final = (BookingHeld, HoldConfirmed, HoldExpired, None, WaitlistJoined, OfferAccepted, EntryWithdrawn)


class ReplayedFigures:
    """What the figures of an event must be after some journal rows."""

    def __init__(self) -> None:
        self.minutes: Counter[datetime] = Counter()
        self.booking_sources: dict[UUID, str] = {}
        self._conversions: Counter[str] = Counter()
        self._sources: dict[str, Counter[str]] = {}

    @property
    def conversions(self) -> tuple[int, ...]:
        """The numbers of holds and waitlist entries, in the order of `CONVERSIONS`; empty without any."""
        found = tuple(self._conversions[name] for name in CONVERSIONS)
        return found if any(found) else ()

    @property
    def sources(self) -> dict[str, tuple[int, ...]]:
        """The sums of each source, in the order of `SOURCES`."""
        return {via: tuple(sums[name] for name in SOURCES) for via, sums in self._sources.items()}

    def add(self, at: datetime, facts: Iterable[Fact]) -> None:
        """Add the facts of one journal row."""
        for fact in facts:
            if type(fact) in _KINDS:
                self._conversions[CONVERSIONS[_KINDS.index(type(fact))]] += 1
            if isinstance(fact, BookingCancelled) and fact.was == "held":
                self._conversions["cancelled"] += 1
            if isinstance(fact, BookingConfirmed | HoldConfirmed):
                self.minutes[at.replace(second=0, microsecond=0)] += len(fact.tickets)
            self._add_to_source(fact)

    def _add_to_source(self, fact: Fact) -> None:
        if isinstance(fact, BookingHeld | BookingConfirmed) and fact.via:
            via = fact.via
            if via not in self._sources and len(self._sources.keys() - {OTHER}) >= SOURCES_MAX:
                via = OTHER
            self.booking_sources[fact.booking_id] = via
            self._sources.setdefault(via, Counter())["placed"] += 1
        if not isinstance(fact, BookingConfirmed | HoldConfirmed | BookingCancelled | TicketsCancelled):
            return
        source = self.booking_sources.get(fact.booking_id)
        if source is None:
            return
        sums, worth = self._sources[source], sum(price for _, _, price in fact.tickets)
        if isinstance(fact, BookingConfirmed | HoldConfirmed):
            sums.update(bookings=1, tickets=len(fact.tickets), amount_minor=worth)
        elif fact.was == "confirmed":
            whole = int(isinstance(fact, BookingCancelled))
            sums.update(cancelled_bookings=whole, cancelled_tickets=len(fact.tickets), cancelled_minor=worth)
