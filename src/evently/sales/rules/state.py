"""What the rules decide on: the state of one event's sale, and what one batch does to it.

Nothing here decides anything.

A `Sale` lasts from batch to batch, a `Batch` holds what the commands of one batch name and what deciding them
changed. A batch that fails throws both away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from evently.kit.ids import IdSource
from evently.sales import facts as fact
from evently.sales.commands import UNITS_MAX, Booking, WaitlistEntry
from evently.sales.rules.ledger import Posting
from evently.sales.terms import Conditions, PromoTerms, Seating, TicketTypeTerms
from evently.seating import Hall

SecretSource = Callable[[], bytes]
HAS_CONDITIONS, HAS_SEATING, HAS_PROMOS, HAS_WAITLIST, HAS_RETURNS = (
    1,
    2,
    4,
    8,
    16,
)  # bits of `extras`: what has to be loaded at all
# Of each quantity: a few milliseconds to load, and as many offers as a batch should make beside its
# commands
LINE_KNOWN_MAX: Final = 50
BOX_OFFICE: Final = Conditions()  # version 0: those of a sale that has none


@dataclass(slots=True)
class Pool:
    """A pool and its counters. Invariant: held + sold + set_aside <= capacity."""

    pool_id: UUID
    name: str
    capacity: int
    held: int = 0
    sold: int = 0
    set_aside: int = 0

    def taken(self) -> int:
        """Return the units that are not available."""
        return self.held + self.sold + self.set_aside


@dataclass(slots=True)
class Promo:
    """A promo code, and how much of it was used by live bookings."""

    terms: PromoTerms
    uses: int = 0
    spent_minor: int = 0


@dataclass(slots=True)
class ReturnedTicket:
    """A ticket whose holder would let it go; `offered` while somebody has an offer for it."""

    ticket_id: UUID
    booking_id: UUID
    ticket_type_id: UUID
    seat_number: int | None
    since: datetime
    offered: bool = False


class Refund(msgspec.Struct, frozen=True):
    """What is to be paid back to the buyer of a booking."""

    refund_id: UUID
    booking_id: UUID
    amount_minor: int
    decided_at: datetime
    settled_at: datetime | None = None


@dataclass(slots=True)
class Waitlist:
    """Those who wait for a ticket type, by how much they wish for: how many they are, and the first of them, in the order of joining.

    Whoever is not among the first is only counted: a batch that serves all it knows of goes on in another
    one.
    """

    known_max: int = LINE_KNOWN_MAX
    counts: dict[int, int] = field(default_factory=dict)
    firsts: dict[int, dict[UUID, WaitlistEntry]] = field(default_factory=dict)  # the same quantities

    def units(self) -> int:
        """Return what they wish for together."""
        return sum([quantity * count for quantity, count in self.counts.items()])

    def knows(self, units: int) -> bool:
        """Return whether whoever is next is known, among those whom so many units suffice for."""
        return not [quantity for quantity, firsts in self.firsts.items() if quantity <= units and not firsts]

    def is_short(self) -> bool:
        """Return whether all that were known of some are gone, and others of them wait."""
        return not self.knows(UNITS_MAX)

    def first(self, units: int) -> WaitlistEntry | None:
        """Return who joined first of those whom so many units suffice for."""
        heads = [
            next(iter(firsts.values()))
            for quantity, firsts in self.firsts.items()
            if quantity <= units and firsts
        ]
        return min(heads, key=place_in_line, default=None)

    def add(self, entry: WaitlistEntry) -> None:
        """Let somebody wait behind all others."""
        count, firsts = self.counts.get(entry.quantity, 0), self.firsts.setdefault(entry.quantity, {})
        if count == len(firsts) < self.known_max:
            firsts[entry.entry_id] = entry
        self.counts[entry.quantity] = count + 1

    def remove(self, entry: WaitlistEntry) -> None:
        """Let somebody wait no longer."""
        self.firsts[entry.quantity].pop(entry.entry_id, None)
        self.counts[entry.quantity] -= 1
        if not self.counts[entry.quantity]:
            del self.counts[entry.quantity], self.firsts[entry.quantity]


def place_in_line(entry: WaitlistEntry) -> tuple[int, UUID]:
    """Return an entry's place among all that wait for an event: one line for all ticket types, for they may share pools."""
    return entry.joined_seq, entry.entry_id


@dataclass(slots=True)
class Sale:
    """One event's sale as of journal row `seq`.

    True while the journal's head is the same: every change writes a journal row.
    """

    event_id: UUID
    state: str
    currency: str
    on_sale_at: datetime
    off_sale_at: datetime
    seq: int
    head_hash: bytes
    head_at: datetime
    extras: int = 0  # which of the rarer parts there are: bits, below
    pools: dict[UUID, Pool] = field(default_factory=dict)
    ticket_types: dict[UUID, TicketTypeTerms] = field(default_factory=dict)
    next_expiry_at: datetime | None = None  # no hold expires before it
    conditions: dict[int, Conditions] = field(default_factory=dict)  # by version
    hall: Hall | None = None
    promos: dict[str, Promo] = field(default_factory=dict)  # by code
    lines: dict[UUID, Waitlist] = field(default_factory=dict)  # by ticket type: who waits
    # False: there may be lines, not loaded yet; whoever only looks does not need them
    lines_known: bool = False
    aside: dict[UUID, int] = field(default_factory=dict)  # units set aside, by ticket type
    returned: dict[UUID, ReturnedTicket] = field(default_factory=dict)  # by ticket

    def available(self, terms: TicketTypeTerms) -> int:
        """Return how many units of a ticket type could be booked now."""
        if terms.retired:
            return 0
        units = min(
            [
                pool.capacity - pool.held - pool.sold - pool.set_aside
                for pool in map(self.pools.__getitem__, terms.pool_ids)
            ]
        )
        return units if terms.zone is None else min(units, self.free_seats(terms.zone))

    def free_seats(self, zone: str) -> int:
        """Return how many seats of a zone are free and not owed to those who wait."""
        assert self.hall is not None, "a zone is one of the seating"
        owed = sum(
            [units for type_id, units in self.aside.items() if self.ticket_types[type_id].zone == zone]
        )
        return max(0, self.hall.available_in(zone) - owed)

    def conditions_now(self) -> tuple[int, Conditions]:
        """Return the conditions under which bookings are made, and their version."""
        version = len(self.conditions)
        return version, self.conditions.get(version, BOX_OFFICE)

    def conditions_of(self, booking: Booking) -> Conditions:
        """Return the conditions that a booking is frozen to."""
        return self.conditions[booking.conditions_version] if booking.conditions_version else BOX_OFFICE

    def promo(self, promo_id: UUID) -> Promo | None:
        """Return a promo code by its id."""
        return next((promo for promo in self.promos.values() if promo.terms.promo_id == promo_id), None)


@dataclass(slots=True, frozen=True)
class KeyedOutcome:
    """What was answered to a keyed request."""

    fingerprint: bytes
    what: Booking | WaitlistEntry
    stored: bool  # False: decided in this very batch, so its own commit makes a replay durable


class SeatClaim(NamedTuple):
    """What a batch left a seat with. `taken` with a ticket, or without one: blocked."""

    was_taken: bool  # before the batch
    taken: bool
    ticket_id: UUID | None


@dataclass(slots=True)
class Batch:
    """What the commands of one event name, as loaded under the lock; and what deciding them changes, to be written."""

    now: datetime
    new_id: IdSource
    new_secret: SecretSource
    bookings: dict[UUID, Booking] = field(default_factory=dict)
    answers: dict[tuple[UUID, str], KeyedOutcome] = field(default_factory=dict)  # by actor and key
    # Live units by buyer and limited ticket type, of whom may get some
    buyer_units: dict[tuple[UUID, UUID], int] = field(default_factory=dict)
    # Live bookings by buyer and limited promo code
    promo_uses: dict[tuple[UUID, UUID], int] = field(default_factory=dict)
    # That commands name, and those of the offers among the bookings
    entries: dict[UUID, WaitlistEntry] = field(default_factory=dict)
    # Buyers and ticket types of the entries that wait or are offered something
    live: set[tuple[UUID, UUID]] = field(default_factory=set)
    refunds: dict[UUID, Refund] = field(default_factory=dict)  # that commands name
    due: list[UUID] = field(default_factory=list)  # bookings whose hold has run out

    created: bool = False
    terms_changed: bool = False
    released: bool = False  # units fell free, or somebody new wants some: those who wait come first
    # Of ticket types with a line: what could be booked before the command
    for_everybody: dict[UUID, int] = field(default_factory=dict)
    unserved: bool = False  # there are more in line who can be served: it takes another batch
    facts: list[fact.Fact] = field(default_factory=list)
    placed: list[Booking] = field(default_factory=list)
    moved: dict[UUID, Booking] = field(default_factory=dict)  # bookings that changed
    voided: list[UUID] = field(default_factory=list)  # tickets
    # Tickets that are returned, or no longer
    marked: dict[UUID, datetime | None] = field(default_factory=dict)
    unbound: list[UUID] = field(default_factory=list)  # tickets that replace no other any more
    answered: list[tuple[UUID, str, KeyedOutcome]] = field(default_factory=list)
    replayed: list[tuple[UUID, str]] = field(default_factory=list)
    pools_changed: set[UUID] = field(default_factory=set)
    pools_put: set[UUID] = field(default_factory=set)
    pools_removed: list[UUID] = field(default_factory=list)
    types_changed: set[UUID] = field(default_factory=set)
    claims: dict[int, SeatClaim] = field(default_factory=dict)  # by seat
    promos_changed: set[UUID] = field(default_factory=set)
    promos_put: set[UUID] = field(default_factory=set)
    entries_joined: list[WaitlistEntry] = field(default_factory=list)
    entries_moved: dict[UUID, WaitlistEntry] = field(default_factory=dict)
    aside_changed: set[UUID] = field(default_factory=set)  # ticket types
    refunds_decided: list[Refund] = field(default_factory=list)
    refunds_settled: list[UUID] = field(default_factory=list)
    postings: list[Posting] = field(default_factory=list)
    conditions_put: list[int] = field(default_factory=list)  # versions
    seating_put: Seating | None = None

    def extras(self) -> int:
        """Return which of the rarer parts of a sale this batch writes."""
        return (
            HAS_CONDITIONS * bool(self.conditions_put)
            | HAS_SEATING * (self.seating_put is not None)
            | HAS_PROMOS * bool(self.promos_put)
            | HAS_WAITLIST * bool(self.entries_joined)
            | HAS_RETURNS * bool(self.marked)
        )

    def writes(self) -> bool:
        """Return whether anything is to be written at all."""
        return bool(self.facts or self.replayed)

    def writes_terms(self) -> bool:
        """Return whether the sale itself or its parts change: rare, and an organizer's doing."""
        return bool(
            self.created
            or self.terms_changed
            or self.pools_put
            or self.pools_removed
            or self.types_changed
            or self.conditions_put
            or self.promos_put
            or self.seating_put
        )
