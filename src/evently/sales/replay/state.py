"""What a journal has told so far: plain values, which the modules beside this one change.

Nothing here knows the rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

from evently.sales import facts as fact
from evently.sales.terms import Conditions, PromoTerms

Placed: TypeAlias = fact.BookingConfirmed | fact.BookingHeld
Cancelled: TypeAlias = fact.BookingCancelled | fact.TicketsCancelled


class Contradiction(Exception):
    """The journal says what cannot be: a fact about something that is not there, or not in that state."""


class TicketDetails(NamedTuple):
    """What only some tickets have besides a type and a price."""

    discount_minor: int = 0
    surcharge_minor: int = 0
    fee_minor: int = 0
    tax_minor: int = 0
    seat: int | None = None
    replaces: UUID | None = None


NOTHING_MORE = TicketDetails()


Posted: TypeAlias = tuple[
    int, str, str, int
]  # a row that the ledger must have: seq of the journal row, debit, credit, amount


@dataclass(slots=True)
class ReplayedPool:
    """A pool as the journal has it."""

    pool_id: UUID
    name: str
    capacity: int
    held: int = 0
    sold: int = 0
    set_aside: int = 0

    def taken(self) -> int:
        """Return the units that are not available."""
        return self.held + self.sold + self.set_aside

    def check(self) -> None:
        """Raise Contradiction for what no pool can be, even for a moment."""
        if (
            self.held < 0
            or self.sold < 0
            or self.set_aside < 0
            or self.held + self.sold + self.set_aside > self.capacity
        ):
            raise Contradiction(
                f"pool {self.pool_id} has {self.held} held, {self.sold} sold and {self.set_aside} set aside of {self.capacity}"
            )


@dataclass(slots=True)
class ReplayedBooking:
    """A booking as the journal has it.

    `tickets` are those that are not void: ticket -> (ticket type, price).
    """

    buyer_id: UUID
    state: str
    placed_at: datetime
    expires_at: datetime | None
    confirmed_at: datetime | None
    ended_at: datetime | None
    tickets: dict[UUID, tuple[UUID, int]]
    more: dict[UUID, TicketDetails]  # of those tickets, void ones too, that have more than a price
    conditions_version: int
    promo_id: UUID | None
    entry_id: UUID | None = None
    extended: bool = False
    payment_id: UUID | None = None
    paid_minor: int = 0
    captured_at: datetime | None = None
    refunded_minor: int = 0
    voided: dict[UUID, tuple[UUID, int]] = field(default_factory=dict)  # as `tickets`
    postings: list[Posted] = field(default_factory=list)

    @property
    def posted(self) -> Counter[tuple[str, str]]:
        """What was moved in all, by debit and credit."""
        sums: Counter[tuple[str, str]] = Counter()
        for _, debit, credit, amount_minor in self.postings:
            sums[debit, credit] += amount_minor
        return sums


@dataclass(slots=True)
class ReplayedEntry:
    """A waitlist entry as the journal has it."""

    buyer_id: UUID
    ticket_type_id: UUID
    quantity: int
    joined_at: datetime
    joined_seq: int
    state: str = "waiting"
    reason: str = ""
    offered_at: datetime | None = None
    booking_id: UUID | None = None
    ended_at: datetime | None = None


@dataclass(slots=True)
class ReplayedRefund:
    """What is to be paid back, as the journal has it."""

    booking_id: UUID
    amount_minor: int
    decided_at: datetime
    settled_at: datetime | None = None
    how: str | None = None  # gateway or never_paid

    @property
    def settled(self) -> bool:
        """Whether it was paid back, or nothing had been taken."""
        return self.settled_at is not None


@dataclass(slots=True)
class ReplayedPromo:
    """A promo code as the journal has it."""

    terms: PromoTerms
    uses: int = 0
    spent_minor: int = 0
    by_buyer: Counter[UUID] = field(default_factory=Counter)  # live bookings


@dataclass(slots=True)
class PromoUse:
    """What a live booking used of a promo code."""

    promo_id: UUID
    buyer_id: UUID
    spent_minor: int


@dataclass(slots=True)
class Replacement:
    """A ticket of an offer that stands for a returned one: it has no unit and no seat of its own yet."""

    ticket_type_id: UUID
    state: str  # of its booking


@dataclass(slots=True)
class Totals:
    """What insight counts: bookings when they are confirmed, cancellations of confirmed ones when they happen."""

    bookings: int = 0
    tickets: int = 0
    amount_minor: int = 0
    cancelled_bookings: int = 0
    cancelled_tickets: int = 0
    cancelled_minor: int = 0


@dataclass(slots=True)
class ReplayedSale:
    """An event's sale as the journal has told it up to row `seq`."""

    part: tuple[int, int] = (0, 1)  # which, of how many; `bookings` are those of this part
    seq: int = 0
    at: datetime | None = None  # of that row
    state: str = ""
    currency: str = ""
    on_sale_at: datetime | None = None
    off_sale_at: datetime | None = None
    extras: int = 0  # the bits of `sales.extras`
    pools: dict[UUID, ReplayedPool] = field(default_factory=dict)
    types: dict[UUID, fact.TicketTypePut] = field(default_factory=dict)
    retired: set[UUID] = field(default_factory=set)
    bookings: dict[UUID, ReplayedBooking] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    conditions: dict[int, Conditions] = field(default_factory=dict)  # by version
    seating: tuple[str, tuple[str, ...], bytes] | None = None  # digest, zones, zone of each seat
    seats: dict[int, UUID | None] = field(default_factory=dict)  # claimed ones: ticket, or None for blocked
    aside: dict[UUID, int] = field(default_factory=dict)  # by ticket type
    promos: dict[UUID, ReplayedPromo] = field(default_factory=dict)
    entries: dict[UUID, ReplayedEntry] = field(default_factory=dict)
    # Sentences: who was offered something before somebody who fitted as well
    overtaken: list[str] = field(default_factory=list)
    refunds: dict[UUID, ReplayedRefund] = field(default_factory=dict)
    returning: dict[UUID, datetime] = field(default_factory=dict)  # tickets, and since when
    # By ticket type: quantities of those who wait, in line
    waiting: dict[UUID, dict[UUID, int]] = field(default_factory=dict)
    standing: dict[UUID, Replacement] = field(default_factory=dict)  # by ticket
    promo_uses: dict[UUID, PromoUse] = field(default_factory=dict)  # by live booking
    offers_ended: list[UUID] = field(default_factory=list)  # entries whose hold has ended in this row
    accepted: UUID | None = (
        # The booking of an offer that the fact before accepted: what it gets then is a hold like any other
        None
    )

    def follows(self, booking_id: UUID) -> bool:
        """Return whether a booking is of this part."""
        part, parts = self.part
        return parts == 1 or booking_id.int % parts == part

    def in_state(self, booking_id: UUID, state: str) -> ReplayedBooking | None:
        """Return a booking that must be in that state; None when it is not of this part."""
        if not self.follows(booking_id):
            return None
        booking = self.bookings[booking_id]
        if booking.state != state:
            raise Contradiction(f"{booking_id} is {booking.state}, not {state}")
        return booking

    def now(self) -> datetime:
        """Return when what is being told happened."""
        assert self.at is not None, "something is being told"
        return self.at

    def count(self, tickets: Iterable[fact.TicketFact], *, held: int = 0, sold: int = 0) -> None:
        """Count the units of tickets; one that stands for another has none of its own."""
        standing = self.standing
        own = (
            [type_id for ticket_id, type_id, _ in tickets if ticket_id not in standing]
            if standing
            else [each[1] for each in tickets]
        )
        units = (
            {own[0]: len(own)} if own and own.count(own[0]) == len(own) else Counter(own)
        )  # mostly of one type
        for type_id, number in units.items():
            for pool_id in self.types[type_id].pool_ids:
                pool = self.pools[pool_id]
                pool.held += held * number
                pool.sold += sold * number
                pool.check()

    def take_seat(self, number: int, owner: UUID | None) -> None:
        """Give a seat to a ticket, or block it (None)."""
        if number in self.seats:
            raise Contradiction(f"seat {number} was given away twice")
        self.seats[number] = owner
