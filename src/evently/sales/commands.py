"""The commands that a sale accepts, and the outcomes that it gives: plain values.

A command's ids were created by the caller. Each command declares in `needs` what must be loaded before it can
be decided; loading.py reads that and knows no command. A new command is a struct here, a rule, and a line in
the table of `sales/rules`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from evently.kit.denominations import AmountProblem
from evently.kit.errors import Refusal, Refused
from evently.kit.money import show_money
from evently.sales.states import (
    BookingPayment,
    BookingState,
    Direction,
    EntryState,
    OutsideKind,
    ScanResult,
    SettledBy,
    TicketState,
    TransferState,
    WithdrawalReason,
)
from evently.sales.terms import Conditions, PoolTerms, PromoTerms, Seating, TicketTypeTerms

LINES_MAX: Final = 20  # ticket types in one booking: more than any event page offers at once
# Units in one booking: a school class and its teachers; larger groups talk to the organizer
UNITS_MAX: Final = 100
# Waiting entries of one event: cancelling the event withdraws all of them in one batch
WAITING_MAX: Final = 10_000


class SalesRefusal(Refusal):
    """Every refusal of the sales engine."""

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
    TOO_MANY_HOLDS = "too-many-holds"
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
    NO_GATEWAY = "no-gateway"
    UNKNOWN_SEAT = "unknown-seat"
    SEAT_TAKEN = "seat-taken"
    SEAT_OF_ANOTHER_ZONE = "seat-of-another-zone"
    ORPHAN_SEAT = "orphan-seat"
    NOT_SEATED = "not-seated"
    SEATS_IN_USE = "seats-in-use"
    ALREADY_EXTENDED = "already-extended"
    PAYMENT_MISMATCH = "payment-mismatch"
    AMOUNT_NOT_PAYABLE = "amount-not-payable"
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
    TICKETS_AHEAD = "tickets-ahead"
    TRANSFER_NOT_FOUND = "transfer-not-found"
    TRANSFER_ENDED = "transfer-ended"
    NOT_TRANSFERABLE = "not-transferable"
    TICKET_PASSED_ON = "ticket-passed-on"
    TOO_MANY_TRANSFERS = "too-many-transfers"
    SCAN_NOT_FOUND = "scan-not-found"
    NOT_UNDOABLE = "not-undoable"


# What is booked ---------------------------------------------------------------------------------------------


class Ticket(msgspec.Struct, frozen=True):
    """One unit of a booking. Only a valid ticket of a confirmed booking admits."""

    ticket_id: UUID
    ticket_type_id: UUID
    price_minor: int
    state: TicketState
    secret: bytes
    discount_minor: int = 0
    # On top of the price: the fee that the buyer pays, and the tax that the price does not include
    surcharge_minor: int = 0
    fee_minor: int = 0  # paid by the buyer or by the organizer
    tax_minor: int = 0  # included in the price or on top of it
    fee_tax_minor: int = 0  # included in a fee that the buyer pays
    seat_number: int | None = None
    seat_id: str | None = None
    seat_label: str | None = None
    # The returned ticket whose unit and seat this one takes over when its booking is confirmed. Until then
    # this ticket has neither.
    replaces: UUID | None = None
    returning_since: datetime | None = None  # since when its holder offers it to the waitlist
    holder_id: UUID | None = None  # to whom it was passed on; None: its buyer holds it

    def total_minor(self) -> int:
        """Return what the buyer pays for it."""
        return self.price_minor - self.discount_minor + self.surcharge_minor

    def all_tax_minor(self) -> int:
        """Return all the tax in the total."""
        return self.tax_minor + self.fee_tax_minor


class Booking(msgspec.Struct, frozen=True):
    """A buyer's claim on units."""

    event_id: UUID
    booking_id: UUID
    buyer_id: UUID
    state: BookingState
    currency: str
    placed_at: datetime
    expires_at: datetime | None
    confirmed_at: datetime | None
    ended_at: datetime | None
    tickets: tuple[Ticket, ...]
    conditions_version: int = 0
    promo_id: UUID | None = None
    entry_id: UUID | None = None  # of the waitlist entry that this booking is, or was, an offer to
    extended: bool = False
    payment: BookingPayment = "door"
    payment_id: UUID | None = None  # of the payment that confirmed it
    paid_minor: int = 0  # authorised when it was confirmed
    captured_at: datetime | None = None
    refunded_minor: int = 0  # the sum of its refunds, pending ones included
    outside_minor: int = 0  # paid back at the gateway by another hand

    def total_minor(self) -> int:
        """Return the amount due for the tickets that are not void."""
        return sum(ticket.total_minor() for ticket in self.tickets if ticket.state != "void")

    def is_returning(self) -> bool:
        """Return whether a ticket of it is offered to the waitlist."""
        return any(ticket.returning_since is not None for ticket in self.tickets)


class WaitlistEntry(msgspec.Struct, frozen=True):
    """One buyer's wish for a quantity of a ticket type.

    `reason` says why it was withdrawn, else it is empty. `promo_id`: the promo code that unlocked its hidden
    ticket type; accepting its offer uses the code.
    """

    event_id: UUID
    entry_id: UUID
    buyer_id: UUID
    ticket_type_id: UUID
    quantity: int
    state: EntryState
    reason: WithdrawalReason | Literal[""]
    joined_at: datetime
    joined_seq: int
    offered_at: datetime | None = None
    booking_id: UUID | None = None
    ended_at: datetime | None = None
    promo_id: UUID | None = None


class Transfer(msgspec.Struct, frozen=True):
    """A holder's offer of a ticket to the person with an e-mail address.

    `address` is None once it was forgotten. `receiver_id`: who accepted.
    """

    event_id: UUID
    transfer_id: UUID
    booking_id: UUID
    ticket_id: UUID
    giver_id: UUID
    address: str | None
    state: TransferState
    offered_at: datetime
    expires_at: datetime
    receiver_id: UUID | None = None
    ended_at: datetime | None = None


class Scan(msgspec.Struct, frozen=True):
    """One attempt at a gate. `ticket_id` is None when the code is of no ticket of the event.

    `offline`: the device decided it by its list, before the server knew; a refused one is a conflict.
    """

    scan_id: UUID  # made by the device
    ticket_id: UUID | None
    direction: Direction
    result: ScanResult
    gate: str  # its name, empty where the event has none
    scanned_by: UUID  # a person, or an API key
    scanned_at: datetime  # by the clock of the device
    received_at: datetime
    offline: bool = False
    undone_at: datetime | None = None
    undone_by: UUID | None = None
    undo_reason: str = ""


class CheckIn(msgspec.Struct, frozen=True):
    """That a ticket is used: its holder came in, `entries` times. `scan_id` is its last accepted scan."""

    ticket_id: UUID
    entries: int
    inside: bool
    scan_id: UUID
    checked_in_at: datetime  # for the first time


# What a command needs ---------------------------------------------------------------------------------------


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What loading.py must load before a command is decided. Each need names the fields that it reads."""

    key: bool = False  # `actor_id`, `key`: the outcome of an earlier request with this key
    booking: bool = False  # `booking_id`: the booking, and bookings related to it by returned tickets
    # `entry_id`: the waitlist entry, the booking that it was offered, and the bookings of returned tickets
    entry: bool = False
    refund: bool = False  # `refund_id`
    transfer: bool = False  # `transfer_id`
    outside: bool = False  # `booking_id`: its refunds by another hand that are current
    posted: bool = False  # `booking_id`: what the ledger has of it, when it was paid
    live_entries: bool = False  # `buyer_id`: the buyer's entries that wait or have an offer
    waiting_entries: bool = False  # every waiting entry of the event
    # `buyer_id`, `ticket_type_ids()`: the buyer's live units of ticket types with a limit per buyer
    buyer_units: bool = False
    # `buyer_id`, `hold_seconds`: the buyer's live holds, when the booking may be held
    buyer_holds: bool = False
    # `scan_id`: the scan, its ticket's booking and check-in
    scan: bool = False
    ticket: bool = False  # `ticket_id`: the ticket's booking and check-in; None: there is none
    # `buyer_id`, `promo_code`: how often the buyer has used each promo code; also with an entry that has one
    promo_uses: bool = False
    # The command may release units or make entries fit that did not fit before. When no command of a batch
    # may, the waitlist's buyers are not loaded; should units be released all the same, the next batch serves
    # it.
    may_release: bool = True


# Commands ---------------------------------------------------------------------------------------------------


class Command(msgspec.Struct, frozen=True):
    """A request to change the sale of one event."""

    needs: ClassVar[Needs]

    event_id: UUID


class BookingLine(msgspec.Struct, frozen=True):
    """A quantity of one ticket type, with these seats (as many ids as units) or the best available ones.

    `section` restricts the best available seats to a section of the seat map. `accessible` of them are
    accessible seats; the others are beside those.
    """

    ticket_type_id: UUID
    quantity: int
    seats: tuple[str, ...] | None = None
    section: str | None = None
    accessible: int = 0


class PlaceBooking(Command, frozen=True):
    """Book units. `lines` name each ticket type once, and no seat twice.

    A booking to be paid online is held for the time in the conditions, or for `hold_seconds` when given; any
    other booking is confirmed at once.
    """

    needs: ClassVar = Needs(key=True, buyer_units=True, buyer_holds=True, promo_uses=True, may_release=False)

    buyer_id: UUID
    lines: tuple[BookingLine, ...]
    hold_seconds: int | None = None
    key: str | None = None  # the Idempotency-Key of the request; unique within (event, actor)
    fingerprint: bytes = b""  # of the request: a request with the same key and another fingerprint is refused
    promo_code: str | None = None  # case does not matter

    @property
    def actor_id(self) -> UUID:
        """Return whose idempotency key it is."""
        return self.buyer_id

    def ticket_type_ids(self) -> list[UUID]:
        """Return the ticket types that are booked."""
        return [line.ticket_type_id for line in self.lines]


class ConfirmBooking(Command, frozen=True):
    """Confirm a hold: with a payment that authorised the amount due, or to be paid on site."""

    needs: ClassVar = Needs(booking=True, may_release=False)

    booking_id: UUID
    payment_id: UUID | None = None
    amount_minor: int = 0


class ExtendHold(Command, frozen=True):
    """Restart the time of a hold, from now; once per hold."""

    needs: ClassVar = Needs(booking=True, may_release=False)

    booking_id: UUID
    buyer_id: UUID


class RecordCapture(Command, frozen=True):
    """Record that the payment of a confirmed booking was captured. Harmless to repeat."""

    needs: ClassVar = Needs(booking=True, may_release=False)

    booking_id: UUID
    payment_id: UUID


class RecordRefund(Command, frozen=True):
    """Record that a refund was settled: by the gateway, not at all (nothing was taken), or by a person.

    Harmless to repeat. `person_id`: who settled it by hand. `reason`: why, in their words.
    """

    needs: ClassVar = Needs(booking=True, refund=True, may_release=False)

    booking_id: UUID
    refund_id: UUID
    how: SettledBy = "gateway"
    person_id: UUID | None = None
    reason: str = ""


class OutsideRefund(msgspec.Struct, frozen=True):
    """Captured money that was paid back at the gateway by another hand. `reference`: the gateway's id."""

    kind: OutsideKind
    reference: str
    amount_minor: int


class RecordOutsideRefunds(Command, frozen=True):
    """Record what others have paid back of a captured payment at the gateway: all that is current there.

    `known_minor` is the sum that was recorded when the gateway was asked: an answer that another one has
    overtaken is refused. Harmless to repeat. What covers refunds that the sale has decided already is not
    counted again.
    """

    needs: ClassVar = Needs(booking=True, outside=True, posted=True, may_release=False)

    booking_id: UUID
    payment_id: UUID
    refunds: tuple[OutsideRefund, ...]
    known_minor: int


class CancelBooking(Command, frozen=True):
    """Cancel a booking, or only the tickets named.

    `buyer_id` is None when the organizer cancels; then any booking can be cancelled and everything paid is
    refunded. A buyer is refunded what the conditions say, counted from `event_starts_at`, or from a start
    that was promised since the booking, whichever is better for the buyer. `unpaid`: the
    payment that confirmed the booking turned out to be void; nothing is refunded, because nothing was taken.
    `keeps_door`, of an organizer: what was paid at the door is kept. Captured money never is.
    """

    needs: ClassVar = Needs(key=True, booking=True, posted=True)

    booking_id: UUID
    actor_id: UUID
    buyer_id: UUID | None
    ticket_ids: tuple[UUID, ...] | None = None
    event_starts_at: datetime | None = None  # set for buyers: their deadline and refund depend on it
    key: str | None = None
    fingerprint: bytes = b""
    unpaid: bool = False
    keeps_door: bool = False


class ReturnTickets(Command, frozen=True):
    """Offer tickets of a confirmed booking to the waitlist. Harmless to repeat.

    The holder keeps them until an offer for them is accepted.
    """

    needs: ClassVar = Needs(booking=True, posted=True)

    booking_id: UUID
    buyer_id: UUID
    ticket_ids: tuple[UUID, ...]


class KeepTickets(Command, frozen=True):
    """Stop offering returned tickets to the waitlist, unless they are offered to an entry now.

    Harmless to repeat.
    """

    needs: ClassVar = Needs(booking=True)

    booking_id: UUID
    buyer_id: UUID
    ticket_ids: tuple[UUID, ...]


class OfferTransfer(Command, frozen=True):
    """Offer a ticket to the person with an e-mail address, which is normalised.

    The id of the transfer comes from the caller, who repeats a request with the same id.
    """

    needs: ClassVar = Needs(booking=True, transfer=True, may_release=False)

    booking_id: UUID
    ticket_id: UUID
    transfer_id: UUID
    giver_id: UUID
    address: str
    event_starts_at: datetime


class AcceptTransfer(Command, frozen=True):
    """Accept a ticket that is offered to the receiver's address, which they have verified.

    Its code changes. `ticket_type_id`: of the ticket, for the limit per buyer. Harmless to repeat.
    """

    needs: ClassVar = Needs(booking=True, transfer=True, buyer_units=True, may_release=False)

    booking_id: UUID
    transfer_id: UUID
    buyer_id: UUID  # the receiver
    address: str
    ticket_type_id: UUID
    event_starts_at: datetime

    def ticket_type_ids(self) -> list[UUID]:
        """Return the id of the ticket's type, in a list of one."""
        return [self.ticket_type_id]


class DeclineTransfer(Command, frozen=True):
    """Decline a ticket that is offered to this address. Harmless to repeat."""

    needs: ClassVar = Needs(transfer=True, may_release=False)

    transfer_id: UUID
    address: str


class WithdrawTransfer(Command, frozen=True):
    """Take back an offer of a ticket that nobody has accepted. Harmless to repeat."""

    needs: ClassVar = Needs(transfer=True, may_release=False)

    transfer_id: UUID
    giver_id: UUID


class GiveBackTicket(Command, frozen=True):
    """Give a ticket that was passed on back to its buyer; its code changes."""

    needs: ClassVar = Needs(booking=True, may_release=False)

    booking_id: UUID
    ticket_id: UUID
    holder_id: UUID


class JoinWaitlist(Command, frozen=True):
    """Add a waitlist entry for a quantity of a ticket type; `promo_code` unlocks a hidden one."""

    needs: ClassVar = Needs(key=True, live_entries=True, buyer_units=True, promo_uses=True)

    buyer_id: UUID
    ticket_type_id: UUID
    quantity: int
    key: str | None = None
    fingerprint: bytes = b""
    promo_code: str | None = None  # case does not matter

    @property
    def actor_id(self) -> UUID:
        """Return whose idempotency key it is."""
        return self.buyer_id

    def ticket_type_ids(self) -> list[UUID]:
        """Return the id of the ticket type that the entry waits for, in a list of one."""
        return [self.ticket_type_id]


class LeaveWaitlist(Command, frozen=True):
    """Withdraw a waitlist entry; its offer, if it has one, is declined. Harmless to repeat.

    `buyer_id` is None when the organizer withdraws it; then its reason is `cancelled`.
    """

    needs: ClassVar = Needs(entry=True)

    entry_id: UUID
    buyer_id: UUID | None


class AcceptOffer(Command, frozen=True):
    """Accept an offer: it becomes a hold to be paid in time, or confirmed when nothing is paid online.

    With `promo_code`, its tickets get the discount of the code; when the code is refused, the offer stays. An
    entry whose hidden ticket type a code unlocked uses that code, unless another one is named.
    """

    needs: ClassVar = Needs(entry=True, promo_uses=True)

    entry_id: UUID
    buyer_id: UUID
    promo_code: str | None = None  # case does not matter


class ScanTicket(Command, frozen=True):
    """Check a ticket in, or out again, at a gate. Every attempt is recorded. Harmless to repeat.

    `reentry`, `ticket_type_ids` (None: all), `opens_at` and `closes_at` are what the organizer allows at this
    gate. `offline`: the device has admitted the holder already, by its list.
    """

    needs: ClassVar = Needs(scan=True, ticket=True, may_release=False)

    scan_id: UUID
    ticket_id: UUID | None  # None: the code cannot be read
    secret: bytes
    direction: Direction
    scanned_by: UUID
    scanned_at: datetime
    gate: str = ""
    reentry: bool = False
    ticket_type_ids: frozenset[UUID] | None = None
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    offline: bool = False


class UndoScan(Command, frozen=True):
    """Undo the last check-in of a ticket, which was a mistake. Harmless to repeat."""

    needs: ClassVar = Needs(scan=True, may_release=False)

    scan_id: UUID
    undone_by: UUID
    reason: str


class WakeSale(Command, frozen=True):
    """Run a batch: every batch begins by expiring due holds and serving the waitlist."""

    needs: ClassVar = Needs()


class SetUpSale(Command, frozen=True):
    """Create the sale of a new event, closed."""

    needs: ClassVar = Needs()

    currency: str
    on_sale_at: datetime
    off_sale_at: datetime
    pools: tuple[PoolTerms, ...]
    ticket_types: tuple[TicketTypeTerms, ...]
    conditions: Conditions | None = None
    seating: Seating | None = None


class ChangeSale(Command, frozen=True):
    """Change the sale window."""

    needs: ClassVar = Needs()

    on_sale_at: datetime
    off_sale_at: datetime


class RescheduleEvent(Command, frozen=True):
    """Record that the event got another start or place, because what buyers were promised depends on it."""

    needs: ClassVar = Needs(may_release=False)

    starts_before: datetime
    starts_at: datetime
    place_changed: bool


class OpenSale(Command, frozen=True):
    """Open the sale: it sells within its window. Refused without a ticket type to sell."""

    needs: ClassVar = Needs()


class CancelSale(Command, frozen=True):
    """Cancel the sale for good. A job cancels the bookings afterwards, one page at a time.

    `keeps_door`: as in `CancelBooking`, for all of them.
    """

    needs: ClassVar = Needs(waiting_entries=True)

    keeps_door: bool = False


class PutPool(Command, frozen=True):
    """Add a pool or change it; its capacity cannot fall below what is held and sold."""

    needs: ClassVar = Needs()

    pool: PoolTerms


class RemovePool(Command, frozen=True):
    """Remove a pool that no ticket type draws on."""

    needs: ClassVar = Needs()

    pool_id: UUID


class PutTicketType(Command, frozen=True):
    """Add a ticket type or change it. The pools of one that has sold cannot be changed."""

    needs: ClassVar = Needs()

    ticket_type: TicketTypeTerms


class RetireTicketType(Command, frozen=True):
    """Stop selling a ticket type; its tickets stay valid."""

    needs: ClassVar = Needs(waiting_entries=True)

    ticket_type_id: UUID


class PutConditions(Command, frozen=True):
    """Change the conditions for bookings from now on; earlier bookings keep theirs."""

    needs: ClassVar = Needs()

    conditions: Conditions


class PutSeating(Command, frozen=True):
    """Give the event a copy of a seat map, or other zones.

    Another map needs a sale that is closed and has claimed no seat; a claimed seat keeps its zone.
    """

    needs: ClassVar = Needs()

    seating: Seating


class BlockSeats(Command, frozen=True):
    """Take free seats off the sale. Harmless to repeat; refused for all seats when one of them is taken."""

    needs: ClassVar = Needs()

    seats: tuple[str, ...]


class UnblockSeats(Command, frozen=True):
    """Put blocked seats back on sale. Harmless to repeat."""

    needs: ClassVar = Needs()

    seats: tuple[str, ...]


class PutPromoCode(Command, frozen=True):
    """Add a promo code or change it; its limits cannot fall below what was used."""

    needs: ClassVar = Needs()

    promo: PromoTerms


class RetirePromoCode(Command, frozen=True):
    """Stop accepting a promo code; bookings that used it keep their price."""

    needs: ClassVar = Needs()

    promo_id: UUID


Keyed: TypeAlias = PlaceBooking | CancelBooking | JoinWaitlist

# Outcomes ---------------------------------------------------------------------------------------------------


class Booked(msgspec.Struct, frozen=True):
    """The booking as the command left it; `replayed` when an earlier request with the same key did it."""

    booking: Booking
    replayed: bool = False


class Listed(msgspec.Struct, frozen=True):
    """The waitlist entry as the command left it, with its booking once it has an offer."""

    entry: WaitlistEntry
    booking: Booking | None = None
    replayed: bool = False


class Transferred(msgspec.Struct, frozen=True):
    """The transfer as the command left it; `replayed` when an earlier command did it."""

    transfer: Transfer
    replayed: bool = False


class Scanned(msgspec.Struct, frozen=True):
    """The scan as the command left it, with the ticket when the code was right, and its check-in.

    `before` is the ticket's last accepted scan before this one: why it was refused, perhaps.
    """

    scan: Scan
    ticket: Ticket | None = None
    check_in: CheckIn | None = None
    before: Scan | None = None
    replayed: bool = False


class Done(msgspec.Struct, frozen=True):
    """A command without a booking or an entry succeeded."""


class No(msgspec.Struct, frozen=True):
    """A refusal. `reason` names the sentence for this case in `web/edge/problems.toml`; `data` fills it."""

    refusal: SalesRefusal
    reason: str = ""
    data: dict[str, Any] = {}

    def as_error(self) -> Refused:
        """Return the exception of this refusal, for code outside a batch."""
        return Refused(self.refusal, self.reason, **self.data)


def amount_refusal(problem: AmountProblem, amount_minor: int, currency: str) -> No:
    """Return the refusal of a sum that the gateway does not take."""
    amount, limit = show_money(amount_minor, currency), problem.limit
    match problem.reason:
        case "too_small":
            return No(SalesRefusal.AMOUNT_NOT_PAYABLE, "too_small", {"amount": amount, "limit": limit})
        case "too_large":
            return No(SalesRefusal.AMOUNT_NOT_PAYABLE, "too_large", {"amount": amount, "limit": limit})
        case _:
            return No(SalesRefusal.AMOUNT_NOT_PAYABLE, "inexact", {"amount": amount, "limit": limit})


Outcome: TypeAlias = Booked | Listed | Transferred | Scanned | Done | No
