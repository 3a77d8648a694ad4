"""The outcomes of commands, refusals among them: plain values."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from evently.kit.denominations import AmountProblem
from evently.kit.errors import Refusal, Refused
from evently.kit.money import show_money
from evently.sales.nouns import Booking, CheckIn, Scan, Ticket, Transfer, WaitlistEntry


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
    ADD_ON_ALONE = "add-on-alone"
    NOT_AN_ADD_ON = "not-an-add-on"
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
    UNKNOWN_SEAT_BLOCK = "unknown-seat-block"
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
    NOT_EXCHANGEABLE = "not-exchangeable"
    SCAN_NOT_FOUND = "scan-not-found"
    NOT_UNDOABLE = "not-undoable"
    NOT_ADMITTED = "not-admitted"
    WAITING_ROOM_FIXED = "waiting-room-fixed"


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
