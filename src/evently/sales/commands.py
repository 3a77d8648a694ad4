"""What may be asked of a sale, and what may be answered.

Plain values; the ids in a command were made by whoever sends it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

import msgspec

from evently.kit.errors import Refusal, Refused
from evently.sales.terms import Conditions, PoolTerms, PromoTerms, Seating, TicketTypeTerms

LINES_MAX: Final = 20  # ticket types in one booking: more than any event page offers at once
# Units in one booking: a school class and its teachers; larger groups talk to the organizer
UNITS_MAX: Final = 100
WAITING_MAX: Final = 10_000  # who waits for one event: calling it off sends all of them home in one batch


class SalesRefusal(Refusal):
    """Every expected no of the till."""

    EVENT_NOT_FOUND = "event-not-found"
    BOOKING_NOT_FOUND = "booking-not-found"
    UNKNOWN_TICKET_TYPE = "unknown-ticket-type"
    UNKNOWN_TICKET = "unknown-ticket"
    UNKNOWN_POOL = "unknown-pool"
    NOT_ON_SALE_YET = "not-on-sale-yet"
    SALE_ENDED = "sale-ended"
    EVENT_CANCELLED = "event-cancelled"
    OVER_BOOKING_LIMIT = "over-booking-limit"
    OVER_BUYER_LIMIT = "over-buyer-limit"
    SOLD_OUT = "sold-out"
    KEY_REUSED = "key-reused"
    HOLD_EXPIRED = "hold-expired"
    ALREADY_CONFIRMED = "already-confirmed"
    ALREADY_CANCELLED = "already-cancelled"
    TICKET_USED = "ticket-used"
    TOO_LATE_TO_CANCEL = "too-late-to-cancel"
    CAPACITY_TAKEN = "capacity-taken"
    POOL_IN_USE = "pool-in-use"
    TOO_MANY_PARTS = "too-many-parts"
    NOTHING_TO_SELL = "nothing-to-sell"
    UNKNOWN_SEAT = "unknown-seat"
    SEAT_TAKEN = "seat-taken"
    SEAT_OF_ANOTHER_ZONE = "seat-of-another-zone"
    ORPHAN_SEAT = "orphan-seat"
    NOT_SEATED = "not-seated"
    SEATS_IN_USE = "seats-in-use"
    ALREADY_EXTENDED = "already-extended"
    PAYMENT_MISMATCH = "payment-mismatch"
    REFUND_NOT_FOUND = "refund-not-found"
    UNKNOWN_PROMO_CODE = "unknown-promo-code"
    PROMO_CODE_NOT_VALID = "promo-code-not-valid"
    PROMO_CODE_USED_UP = "promo-code-used-up"
    PROMO_CODE_TAKEN = "promo-code-taken"
    PROMO_CODE_LIMIT_TOO_LOW = "promo-code-limit-too-low"
    ENTRY_NOT_FOUND = "waitlist-entry-not-found"
    ALREADY_WAITING = "already-waiting"
    WAITLIST_FULL = "waitlist-full"
    NOT_OFFERED = "not-offered"
    OFFER_EXPIRED = "offer-expired"
    NOT_SOLD_OUT = "not-sold-out"
    NOT_RETURNABLE = "not-returnable"


# What is booked ---------------------------------------------------------------------------------------------


class Ticket(msgspec.Struct, frozen=True):
    """One unit of a booking. `state`: valid, used or void; only a confirmed booking's valid ticket admits."""

    ticket_id: UUID
    ticket_type_id: UUID
    price_minor: int
    state: str
    secret: bytes
    discount_minor: int = 0
    surcharge_minor: int = 0  # on top of the price: the fee that the buyer pays, the tax that is not included
    fee_minor: int = 0  # whoever pays it
    tax_minor: int = 0  # included or on top
    seat_number: int | None = None
    seat_id: str | None = None
    seat_label: str | None = None
    replaces: UUID | None = (
        # The returned ticket whose unit and seat it takes when its booking is confirmed; none of its own
        # before
        None
    )
    returning_since: datetime | None = None  # its holder would let it go to somebody on the waitlist

    def total_minor(self) -> int:
        """Return what the buyer pays for it."""
        return self.price_minor - self.discount_minor + self.surcharge_minor


class Booking(msgspec.Struct, frozen=True):
    """A buyer's claim on units. `state`: held, confirmed, expired or cancelled."""

    event_id: UUID
    booking_id: UUID
    buyer_id: UUID
    state: str
    currency: str
    placed_at: datetime
    expires_at: datetime | None
    confirmed_at: datetime | None
    ended_at: datetime | None
    tickets: tuple[Ticket, ...]
    conditions_version: int = 0
    promo_id: UUID | None = None
    entry_id: UUID | None = None  # it is, or was, an offer to this waitlist entry
    extended: bool = False
    payment_id: UUID | None = None  # that confirmed it
    paid_minor: int = 0  # authorised when it was confirmed
    captured_at: datetime | None = None
    refunded_minor: int = 0  # decided to be paid back

    def total_minor(self) -> int:
        """Return the amount due for the tickets that are not void."""
        return sum(ticket.total_minor() for ticket in self.tickets if ticket.state != "void")


class WaitlistEntry(msgspec.Struct, frozen=True):
    """One buyer's wish for a quantity.

    `state`: waiting, offered, fulfilled, withdrawn; `reason` says why it is withdrawn.
    """

    event_id: UUID
    entry_id: UUID
    buyer_id: UUID
    ticket_type_id: UUID
    quantity: int
    state: str
    reason: str
    joined_at: datetime
    joined_seq: int
    offered_at: datetime | None = None
    booking_id: UUID | None = None
    ended_at: datetime | None = None


# What may be asked ------------------------------------------------------------------------------------------


class BookingLine(msgspec.Struct, frozen=True):
    """So many units of one ticket type; with assigned seating these seats (as many ids as units), or the best available ones.

    `section` narrows the best available ones to a section of the map; so many of them are to be `accessible`, the others beside those.
    """

    ticket_type_id: UUID
    quantity: int
    seats: tuple[str, ...] | None = None
    section: str | None = None
    accessible: int = 0


class PlaceBooking(msgspec.Struct, frozen=True):
    """Book units. `lines` name each ticket type once, and no seat twice.

    What is to be paid online is held as long as the conditions say, or for `hold_seconds` when given;
    everything else is confirmed at once.
    """

    event_id: UUID
    buyer_id: UUID
    lines: tuple[BookingLine, ...]
    hold_seconds: int | None = None
    key: str | None = None  # the Idempotency-Key of the request, within (event, actor)
    fingerprint: bytes = b""  # of the request: the same key with another one is refused
    promo_code: str | None = None  # in any case


class ConfirmBooking(msgspec.Struct, frozen=True):
    """Turn a hold into a confirmed booking: paid with a payment that authorised what is due, or on site."""

    event_id: UUID
    booking_id: UUID
    payment_id: UUID | None = None
    amount_minor: int = 0


class ExtendHold(msgspec.Struct, frozen=True):
    """Give a hold its time once more, from now; once."""

    event_id: UUID
    booking_id: UUID
    buyer_id: UUID


class RecordCapture(msgspec.Struct, frozen=True):
    """The payment of a confirmed booking was collected. Harmless to repeat."""

    event_id: UUID
    booking_id: UUID
    payment_id: UUID


class RecordRefund(msgspec.Struct, frozen=True):
    """What was to be paid back was paid back; or never needs to be, because nothing was taken.

    Harmless to repeat.

    `how`: gateway, or never_paid.
    """

    event_id: UUID
    booking_id: UUID
    refund_id: UUID
    how: str = "gateway"


class CancelBooking(msgspec.Struct, frozen=True):
    """Cancel a booking, or only the tickets named.

    `buyer_id` None: the organizer asks, whoever's booking it is.

    A buyer gets back what the conditions say, counted from `not_after`; for the organizer everything that was paid is paid back.
    `unpaid`: the payment that confirmed it turned out to be void; nothing is paid back, for nothing was taken.
    """

    event_id: UUID
    booking_id: UUID
    actor_id: UUID
    buyer_id: UUID | None
    ticket_ids: tuple[UUID, ...] | None = None
    not_after: datetime | None = None  # the start of the event, for a buyer
    key: str | None = None
    fingerprint: bytes = b""
    unpaid: bool = False


class ReturnTickets(msgspec.Struct, frozen=True):
    """Offer tickets of a confirmed booking to the waitlist; they stay their holder's until somebody takes them. Harmless to repeat."""

    event_id: UUID
    booking_id: UUID
    buyer_id: UUID
    ticket_ids: tuple[UUID, ...]


class KeepTickets(msgspec.Struct, frozen=True):
    """Take the return of tickets back, unless they are offered to somebody at the moment.

    Harmless to repeat.
    """

    event_id: UUID
    booking_id: UUID
    buyer_id: UUID
    ticket_ids: tuple[UUID, ...]


class JoinWaitlist(msgspec.Struct, frozen=True):
    """Wait for a quantity of a ticket type."""

    event_id: UUID
    buyer_id: UUID
    ticket_type_id: UUID
    quantity: int
    key: str | None = None
    fingerprint: bytes = b""


class LeaveWaitlist(msgspec.Struct, frozen=True):
    """Wait no longer, or decline an offer. Harmless to repeat."""

    event_id: UUID
    entry_id: UUID
    buyer_id: UUID


class AcceptOffer(msgspec.Struct, frozen=True):
    """Take an offer: it becomes a hold like any other, to be paid in time; or a confirmed booking, with nothing to pay online."""

    event_id: UUID
    entry_id: UUID
    buyer_id: UUID


class ExpireHolds(msgspec.Struct, frozen=True):
    """Do nothing: every batch begins by taking back due holds, and this is a reason to run one."""

    event_id: UUID


class SetUpSale(msgspec.Struct, frozen=True):
    """Make the sale of a new event, closed."""

    event_id: UUID
    currency: str
    on_sale_at: datetime
    off_sale_at: datetime
    pools: tuple[PoolTerms, ...]
    ticket_types: tuple[TicketTypeTerms, ...]
    conditions: Conditions | None = None
    seating: Seating | None = None


class ChangeSale(msgspec.Struct, frozen=True):
    """Move the sale window."""

    event_id: UUID
    on_sale_at: datetime
    off_sale_at: datetime


class OpenSale(msgspec.Struct, frozen=True):
    """Sell from now on, within the window. Needs something to sell."""

    event_id: UUID


class CancelSale(msgspec.Struct, frozen=True):
    """Never sell again. The bookings are cancelled afterwards, one page at a time, by a job."""

    event_id: UUID


class PutPool(msgspec.Struct, frozen=True):
    """Add a pool or change it; its capacity goes no lower than what is taken."""

    event_id: UUID
    pool: PoolTerms


class RemovePool(msgspec.Struct, frozen=True):
    """Remove a pool that no ticket type draws on."""

    event_id: UUID
    pool_id: UUID


class PutTicketType(msgspec.Struct, frozen=True):
    """Add a ticket type or change it. The pools of one that has sold cannot be changed."""

    event_id: UUID
    ticket_type: TicketTypeTerms


class RetireTicketType(msgspec.Struct, frozen=True):
    """Stop selling a ticket type; its tickets stay valid."""

    event_id: UUID
    ticket_type_id: UUID


class PutConditions(msgspec.Struct, frozen=True):
    """Sell under other conditions from now on; what was booked keeps its own."""

    event_id: UUID
    conditions: Conditions


class PutSeating(msgspec.Struct, frozen=True):
    """Give the event a copy of a seat map, or other zones.

    A new map needs a sale that is closed and has claimed no seat; a claimed seat keeps its zone.
    """

    event_id: UUID
    seating: Seating


class BlockSeats(msgspec.Struct, frozen=True):
    """Take free seats off the sale. Harmless to repeat; refused whole when one of them is taken."""

    event_id: UUID
    seats: tuple[str, ...]


class UnblockSeats(msgspec.Struct, frozen=True):
    """Sell blocked seats again. Harmless to repeat."""

    event_id: UUID
    seats: tuple[str, ...]


class PutPromoCode(msgspec.Struct, frozen=True):
    """Add a promo code or change it; its limits go no lower than what was used."""

    event_id: UUID
    promo: PromoTerms


class RetirePromoCode(msgspec.Struct, frozen=True):
    """Take no more bookings with a promo code; those that were made keep their price."""

    event_id: UUID
    promo_id: UUID


Command: TypeAlias = (
    PlaceBooking
    | ConfirmBooking
    | ExtendHold
    | RecordCapture
    | RecordRefund
    | CancelBooking
    | ReturnTickets
    | KeepTickets
    | JoinWaitlist
    | LeaveWaitlist
    | AcceptOffer
    | PutConditions
    | PutSeating
    | BlockSeats
    | UnblockSeats
    | PutPromoCode
    | RetirePromoCode
    | ExpireHolds
    | SetUpSale
    | ChangeSale
    | OpenSale
    | CancelSale
    | PutPool
    | RemovePool
    | PutTicketType
    | RetireTicketType
)

# What may be answered ---------------------------------------------------------------------------------------


class Booked(msgspec.Struct, frozen=True):
    """The booking as the command left it; `replayed` when an earlier request with this key had done it."""

    booking: Booking
    replayed: bool = False


class Listed(msgspec.Struct, frozen=True):
    """The waitlist entry as the command left it, with its booking once it is offered one."""

    entry: WaitlistEntry
    booking: Booking | None = None
    replayed: bool = False


class Done(msgspec.Struct, frozen=True):
    """A command about the sale itself was carried out."""


class No(msgspec.Struct, frozen=True):
    """A refusal. `reason` names the sentence for this case in `web/edge/problems.toml`; `data` fills it."""

    refusal: SalesRefusal
    reason: str = ""
    data: dict[str, Any] = {}

    def as_error(self) -> Refused:
        """Return the exception of this refusal, for code outside a batch."""
        return Refused(self.refusal, self.reason, **self.data)


Outcome: TypeAlias = Booked | Listed | Done | No
