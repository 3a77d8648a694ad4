"""The figures of a sale, counted again from its journal, and compared with those that the relay counted.

Shares no code with the counting of the relay, so that it can contradict it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple
from datetime import datetime
from typing import Final
from uuid import UUID

from evently.audit.differences import Differences, differing
from evently.db import Connection, Query, Record, load_queries
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
from evently.sales.replay import Totals

sql: Final = load_queries(__name__)

SOURCES_MAX: Final = 100  # as in analytics/sources.py; later ones are one together
OTHER: Final = "(other)"
CONVERSIONS: Final = ("holds", "confirmed", "expired", "cancelled", "joined", "fulfilled", "withdrawn")
SOURCES: Final = (
    "placed", "bookings", "tickets", "amount_minor", "cancelled_bookings", "cancelled_tickets",
    "cancelled_minor",
)  # fmt: skip
SUMS: Final = (
    "bookings", "tickets", "amount_minor", "cancelled_bookings", "cancelled_tickets", "cancelled_minor",
)  # fmt: skip
_QUARTER_MINUTES: Final = 15
_KINDS: Final = (BookingHeld, HoldConfirmed, HoldExpired, None, WaitlistJoined, OfferAccepted, EntryWithdrawn)


class ReplayedFigures:
    """What the figures of an event must be after some journal rows."""

    def __init__(self) -> None:
        self.totals = Totals()
        self.quarters: dict[datetime, tuple[int, ...]] = {}
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

    def add_totals(self, at: datetime, totals: Totals) -> None:
        """Add what a journal row has changed of the totals to its quarter of an hour."""
        if totals == self.totals:
            return
        before, after = astuple(self.totals), astuple(totals)
        self.totals = Totals(*after)
        quarter_at = at.replace(
            minute=at.minute // _QUARTER_MINUTES * _QUARTER_MINUTES, second=0, microsecond=0
        )
        so_far = self.quarters.get(quarter_at, (0,) * len(SUMS))
        self.quarters[quarter_at] = tuple(
            sums + new - old for sums, new, old in zip(so_far, after, before, strict=True)
        )

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


async def compare_figures(
    snapshot: Connection, sale: Record, figures: ReplayedFigures, differences: Differences
) -> None:
    """Compare all figures of an event, up to the last counted journal row."""

    async def fetch(query: Query) -> list[Record]:
        return await snapshot.fetch(*query(event_id=sale["event_id"]))

    for name in SUMS:
        if (stored := sale[name]) != (replayed := getattr(figures.totals, name)):
            differences.add(
                "I12", f"{name} up to row {sale['counted_seq']} are {stored}, in the journal {replayed}"
            )
    quarters = {
        row["quarter_at"]: tuple(row[name] for name in SUMS) for row in await fetch(sql.read_quarters)
    }
    # Only money moved in a quarter of zeros; money.sql compares it
    quarters = {quarter_at: sums for quarter_at, sums in quarters.items() if any(sums)}
    differences.compare_rows("I12", "the quarter from", SUMS, quarters, figures.quarters)
    rows = await fetch(sql.read_conversions)
    conversions = tuple(rows[0].values()) if rows else ()
    if conversions != figures.conversions:
        differences.compare("I12", "the holds", CONVERSIONS, conversions or None, figures.conversions or None)
    minutes = {row["minute_at"]: (row["tickets"],) for row in await fetch(sql.read_minutes)}
    # Older minutes are deleted
    kept = {at: (tickets,) for at, tickets in figures.minutes.items() if minutes and at >= min(minutes)}
    differences.compare_rows("I12", "the minute", ("tickets",), minutes, kept)
    sources = {via: tuple(sums) for via, *sums in await fetch(sql.read_sources)}
    differences.compare_rows("I12", "the source", SOURCES, sources, figures.sources)
    found = {row[0]: row[1] for row in await fetch(sql.read_booking_sources)}
    for booking_id in differing(found, figures.booking_sources):
        differences.add("I12", f"the source of booking {booking_id} differs from the journal")
