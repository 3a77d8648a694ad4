"""The replayed state of an event: plain values, changed by the other modules here.

Nothing here knows the rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias
from uuid import UUID

from evently.sales import facts
from evently.sales.states import (
    BookingPayment,
    BookingState,
    Direction,
    EntryState,
    OutsideKind,
    SaleState,
    SettledBy,
    TransferState,
    WithdrawalReason,
)
from evently.sales.terms import Conditions, PromoTerms, Rescheduling

Placed: TypeAlias = facts.BookingConfirmed | facts.BookingHeld
Cancelled: TypeAlias = facts.BookingCancelled | facts.TicketsCancelled


class Contradiction(Exception):
    """A fact contradicts the facts before it: what it is about does not exist, or is in another state."""


class TicketDetails(NamedTuple):
    """The details that only some tickets have, besides a type and a price."""

    discount_minor: int = 0
    surcharge_minor: int = 0
    fee_minor: int = 0
    tax_minor: int = 0
    fee_tax_minor: int = 0
    seat: int | None = None
    replaces: UUID | None = None


NOTHING_MORE = TicketDetails()


# A row that the ledger must have: `seq` of the journal row, debit, credit, amount
Posted: TypeAlias = tuple[int, str, str, int]


@dataclass(slots=True)
class ReplayedPool:
    """A pool."""

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
        """Raise Contradiction for counters that no pool may have, even for a moment."""
        if (
            self.held < 0
            or self.sold < 0
            or self.set_aside < 0
            or self.held + self.sold + self.set_aside > self.capacity
        ):
            raise Contradiction(
                f"pool {self.pool_id} has {self.held} held, {self.sold} sold and {self.set_aside} set aside,"
                f" of {self.capacity}"
            )


@dataclass(slots=True)
class ReplayedBooking:
    """A booking. `tickets` are those that are not void: ticket -> (ticket type, price)."""

    buyer_id: UUID
    state: BookingState
    placed_at: datetime
    expires_at: datetime | None
    confirmed_at: datetime | None
    ended_at: datetime | None
    tickets: dict[UUID, tuple[UUID, int]]
    more: dict[UUID, TicketDetails]  # of tickets, void ones too, that have more than a price
    conditions_version: int
    promo_id: UUID | None
    entry_id: UUID | None = None
    extended: bool = False
    payment: BookingPayment = "door"
    payment_id: UUID | None = None
    paid_minor: int = 0
    captured_at: datetime | None = None
    refunded_minor: int = 0
    outside_minor: int = 0
    voided: dict[UUID, tuple[UUID, int]] = field(default_factory=dict)  # like `tickets`
    more_offered: dict[UUID, TicketDetails] | None = None  # `more` before a promo code discounted the offer
    seats_left: dict[UUID, set[int]] = field(default_factory=dict)  # that tickets had before an exchange
    postings: list[Posted] = field(default_factory=list)

    @property
    def posted(self) -> Counter[tuple[str, str]]:
        """Return the sum of the postings by debit and credit."""
        sums: Counter[tuple[str, str]] = Counter()
        for _, debit, credit, amount_minor in self.postings:
            sums[debit, credit] += amount_minor
        return sums


@dataclass(slots=True)
class ReplayedEntry:
    """A waitlist entry."""

    buyer_id: UUID
    ticket_type_id: UUID
    quantity: int
    joined_at: datetime
    joined_seq: int
    state: EntryState = "waiting"
    reason: WithdrawalReason | Literal[""] = ""
    offered_at: datetime | None = None
    booking_id: UUID | None = None
    ended_at: datetime | None = None
    promo_id: UUID | None = None


@dataclass(slots=True)
class ReplayedRefund:
    """A refund."""

    booking_id: UUID
    amount_minor: int
    decided_at: datetime
    settled_at: datetime | None = None
    how: SettledBy | None = None
    reason: str = ""  # why a person settled it by hand

    @property
    def settled(self) -> bool:
        """Return whether it is settled."""
        return self.settled_at is not None


@dataclass(slots=True)
class ReplayedOutside:
    """A refund by another hand."""

    booking_id: UUID
    kind: OutsideKind
    reference: str
    amount_minor: int
    recorded_at: datetime
    reversed_at: datetime | None = None


@dataclass(slots=True)
class ReplayedTransfer:
    """A ticket that was offered to another person."""

    booking_id: UUID
    ticket_id: UUID
    giver_id: UUID
    state: TransferState
    offered_at: datetime
    expires_at: datetime
    receiver_id: UUID | None = None
    ended_at: datetime | None = None


@dataclass(slots=True)
class ReplayedSeatBlock:
    """Blocked seats with a name."""

    name: str
    until: datetime | None
    blocked_at: datetime
    seats: set[int] = field(default_factory=set)


@dataclass(slots=True)
class ReplayedWaitingRoom:
    """A waiting room before the sale. `draws_at`: when its list closes. Hashes, seed: in hexadecimal."""

    opens_at: datetime
    draws_at: datetime
    seed_hash: str
    public_source: str
    closed_at: datetime | None = None
    entries: int | None = None
    list_hash: str | None = None
    seed: str | None = None
    public_value: str | None = None
    drawn_at: datetime | None = None


@dataclass(slots=True)
class ReplayedPromo:
    """A promo code and its use by live bookings."""

    terms: PromoTerms
    uses: int = 0
    spent_minor: int = 0
    by_buyer: Counter[UUID] = field(default_factory=Counter)  # number of live bookings


@dataclass(slots=True)
class PromoUse:
    """The use of a promo code by a live booking."""

    promo_id: UUID
    buyer_id: UUID
    spent_minor: int


@dataclass(slots=True)
class Replacement:
    """A ticket of an offer that is to replace a returned one: it has no unit and no seat of its own yet."""

    ticket_type_id: UUID
    state: BookingState  # of its booking


@dataclass(slots=True)
class ReplayedCheckIn:
    """That a ticket is used."""

    entries: int
    inside: bool
    scan_id: UUID
    checked_in_at: datetime


@dataclass(slots=True)
class ReplayedScan:
    """An accepted scan."""

    ticket_id: UUID
    direction: Direction
    received_at: datetime
    undone_at: datetime | None = None


@dataclass(slots=True)
class Totals:
    """What analytics counts: bookings when they are confirmed, and cancellations of confirmed ones."""

    bookings: int = 0
    tickets: int = 0
    amount_minor: int = 0
    cancelled_bookings: int = 0
    cancelled_tickets: int = 0
    cancelled_minor: int = 0


@dataclass(slots=True)
class ReplayedSale:
    """An event's sale as of journal row `seq`."""

    part: tuple[int, int] = (0, 1)  # number and count; `bookings` has only those of this part
    seq: int = 0
    at: datetime | None = None  # of row `seq`
    line: int = 0  # of the fact in row `seq`, from 0
    state: SaleState | Literal[""] = ""
    currency: str = ""
    on_sale_at: datetime | None = None
    off_sale_at: datetime | None = None
    extras: int = 0  # the bits of `sales.extras`
    pools: dict[UUID, ReplayedPool] = field(default_factory=dict)
    types: dict[UUID, facts.TicketTypePut] = field(default_factory=dict)
    retired: set[UUID] = field(default_factory=set)
    bookings: dict[UUID, ReplayedBooking] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    conditions: dict[int, Conditions] = field(default_factory=dict)  # by version
    reschedulings: list[Rescheduling] = field(default_factory=list)
    seating: tuple[str, tuple[str, ...], bytes] | None = None  # digest, zones, zone of each seat
    seats: dict[int, UUID | None] = field(default_factory=dict)  # claimed ones: ticket, or None for blocked
    seat_blocks: dict[UUID, ReplayedSeatBlock] = field(default_factory=dict)
    set_asides: dict[UUID, int] = field(default_factory=dict)  # units, by ticket type
    waiting_room: ReplayedWaitingRoom | None = None
    promos: dict[UUID, ReplayedPromo] = field(default_factory=dict)
    entries: dict[UUID, ReplayedEntry] = field(default_factory=dict)
    # Sentences: an entry that got an offer before an earlier one that fitted as well
    overtaken: list[str] = field(default_factory=list)
    refunds: dict[UUID, ReplayedRefund] = field(default_factory=dict)
    cancellation_reason: str = ""  # of the event
    reasons: dict[str, tuple[UUID, str]] = field(default_factory=dict)  # of cancellations, by their place
    # Refunds by another hand; and by booking the ids of the current ones
    outside: dict[UUID, ReplayedOutside] = field(default_factory=dict)
    outside_current: dict[UUID, set[UUID]] = field(default_factory=dict)
    returning: dict[UUID, datetime] = field(default_factory=dict)  # tickets, and since when
    transfers: dict[UUID, ReplayedTransfer] = field(default_factory=dict)
    passing: dict[UUID, UUID] = field(default_factory=dict)  # by ticket: its open transfer
    holders: dict[UUID, UUID] = field(default_factory=dict)  # of tickets that their buyers do not hold
    # The digests of secrets: by ticket that of its code, if it was changed; void ones with ticket and instant
    codes: dict[UUID, bytes] = field(default_factory=dict)
    void_codes: dict[tuple[UUID, bytes], datetime] = field(default_factory=dict)
    # By ticket type: the quantities of waiting entries, in the order of joining
    waiting: dict[UUID, dict[UUID, int]] = field(default_factory=dict)
    replacements: dict[UUID, Replacement] = field(default_factory=dict)  # by ticket
    check_ins: dict[UUID, ReplayedCheckIn] = field(default_factory=dict)  # by ticket
    scans: dict[UUID, ReplayedScan] = field(default_factory=dict)  # accepted ones
    promo_uses: dict[UUID, PromoUse] = field(default_factory=dict)  # by live booking
    offers_ended: list[UUID] = field(default_factory=list)  # entries of which the hold ended in this row
    offers_discounted: list[UUID] = field(default_factory=list)  # entries whose offer got a code in this row
    # The booking of the offer that the previous fact accepted: it is an ordinary hold from then on
    accepted: UUID | None = None

    def follows(self, booking_id: UUID) -> bool:
        """Return whether a booking is in this part."""
        part, parts = self.part
        return parts == 1 or booking_id.int % parts == part

    def in_state(self, booking_id: UUID, state: BookingState) -> ReplayedBooking | None:
        """Return a booking that must be in a state; None when it is in another part."""
        if not self.follows(booking_id):
            return None
        booking = self.bookings[booking_id]
        if booking.state != state:
            raise Contradiction(f"{booking_id} is {booking.state}, not {state}")
        return booking

    def now(self) -> datetime:
        """Return the time of the row that is being applied."""
        assert self.at is not None, "a row is being applied"
        return self.at

    def count(self, tickets: Iterable[facts.TicketFact], *, held: int = 0, sold: int = 0) -> None:
        """Add to the counters of the tickets' pools. A replacement ticket has no units of its own."""
        replacements = self.replacements
        own = (
            [type_id for ticket_id, type_id, _ in tickets if ticket_id not in replacements]
            if replacements
            else [each[1] for each in tickets]
        )
        # Most bookings have one ticket type
        units = {own[0]: len(own)} if own and own.count(own[0]) == len(own) else Counter(own)
        for type_id, number in units.items():
            for pool_id in self.types[type_id].pool_ids:
                pool = self.pools[pool_id]
                pool.held += held * number
                pool.sold += sold * number
                pool.check()

    def take_seat(self, number: int, owner: UUID | None) -> None:
        """Give a seat to a ticket, or block it (None)."""
        if number in self.seats:
            raise Contradiction(f"seat {number} was claimed twice")
        self.seats[number] = owner
