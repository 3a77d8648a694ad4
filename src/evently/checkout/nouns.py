"""The nouns of the checkout: states with their transitions, refusals, and frozen structs of rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from evently.kit.errors import Refusal
from evently.kit.ids import reference_of
from evently.payments import Intent

PaymentState: TypeAlias = Literal[
    "authorising",  # the gateway is asked to reserve the money
    "action_needed",  # the buyer must act: on a page of the gateway, or with a code of the bank
    "authorised",  # the money is reserved; the sales engine is asked to confirm the booking
    "confirmed",  # the booking is confirmed; the gateway is asked to capture the money
    "captured",
    "declined",
    "voiding",  # the gateway is asked to void the reserved money
    "voided",
    "losing",  # the money cannot be captured; the sales engine is asked to cancel the booking
    "lost",
]
PAYMENT_TRANSITIONS: Final[Mapping[PaymentState, frozenset[PaymentState]]] = {
    "authorising": frozenset({"action_needed", "authorised", "declined", "voiding"}),
    "action_needed": frozenset({"authorised", "declined", "voiding"}),
    "authorised": frozenset({"confirmed", "voiding"}),
    "confirmed": frozenset({"captured", "losing"}),
    "voiding": frozenset({"voided"}),
    "losing": frozenset({"lost"}),
    "captured": frozenset(),
    "declined": frozenset(),
    "voided": frozenset(),
    "lost": frozenset(),
}
FINAL: Final = frozenset({state for state, following in PAYMENT_TRANSITIONS.items() if not following})
# Can still take money, or has taken it
LIVE: Final[frozenset[PaymentState]] = frozenset(
    {"authorising", "action_needed", "authorised", "confirmed", "captured"}
)
# The booking is confirmed with it
PAID: Final[frozenset[PaymentState]] = frozenset({"confirmed", "captured"})

# How far a refund is with the gateway. The refund itself (sales.states.RefundState) is pending while this is
# asking or failed, and settled otherwise.
PaymentRefundState: TypeAlias = Literal[
    "asking",  # the gateway is asked to pay back
    "settled",  # paid back
    "never_paid",  # the payment took no money that could be paid back
    "failed",  # a person may order the next attempt
]
PAYMENT_REFUND_TRANSITIONS: Final[Mapping[PaymentRefundState, frozenset[PaymentRefundState]]] = {
    "asking": frozenset({"settled", "never_paid", "failed"}),
    "settled": frozenset({"failed"}),  # a bank may refuse a refund days later
    "never_paid": frozenset(),
    "failed": frozenset({"asking", "settled"}),  # by a person: again at the gateway, or paid back outside
}
# Who made a refund: Evently, another hand at the gateway, or the buyer's bank
RefundOrigin: TypeAlias = Literal["evently", "gateway", "dispute"]
# `reversed`: the money of a refund by another hand came back; it had failed, or the dispute was won
ListedRefundState: TypeAlias = Literal["asking", "settled", "never_paid", "failed", "reversed"]
CancellationState: TypeAlias = Literal["not_cancelled", "cancelling", "refunding", "stuck", "done"]


class CheckoutRefusal(Refusal):
    """Every refusal of the checkout."""

    PAYMENT_NOT_FOUND = "payment-not-found"
    PAYMENT_PENDING = "payment-pending"
    NOTHING_TO_PAY = "nothing-to-pay"
    REFUND_NOT_FAILED = "refund-not-failed"
    UNKNOWN_GATEWAY = "unknown-gateway"
    WEBHOOK_FORGED = "webhook-forged"


class FailedRefunds(msgspec.Struct, frozen=True):
    """An event with refunds that failed: a person must order the next attempt, or pay back outside."""

    event_id: UUID
    title: str
    refunds: int


class PaymentChoice(msgspec.Struct, frozen=True):
    """How a buyer wants to pay.

    `method` is the gateway's name of a payment method; None: the gateway asks the buyer. `hosted`: on a page
    of the gateway.
    """

    method: str | None = None
    hosted: bool = False
    return_url: str | None = None


class NextAction(msgspec.Struct, frozen=True):
    """What the buyer must do.

    `redirect`: open `url`; `client`: give `client_secret` to the gateway's own script.
    """

    kind: Literal["redirect", "client"]
    url: str | None = None
    client_secret: str | None = None


class Payment(msgspec.Struct, frozen=True):
    """A buyer's attempt at paying for a booking."""

    event_id: UUID
    payment_id: UUID
    booking_id: UUID
    buyer_id: UUID
    attempt: int
    fingerprint: bytes
    gateway: str
    method: str | None
    hosted: bool
    return_url: str | None
    description: str
    expires_at: datetime  # the end of the hold when the payment began
    reference: str | None  # the gateway's id of the payment
    next_action: NextAction | None
    failure_code: str | None
    failure_message: str | None
    state: PaymentState
    amount_minor: int
    currency: str
    created_at: datetime
    changed_at: datetime
    resume_at: datetime | None  # when it is due; None: it is final
    tries: int  # how often it was due in this state
    card_digits: str | None = None  # the last four, once the money is captured

    def intent(self) -> Intent:
        """Return what the gateway is asked for. Equal for an attempt, however often it is asked."""
        return Intent(
            payment_id=self.payment_id,
            attempt=self.attempt,
            event_id=self.event_id,
            booking_id=self.booking_id,
            amount_minor=self.amount_minor,
            currency=self.currency,
            reference=reference_of(self.booking_id),
            description=self.description,
            expires_at=self.expires_at,
            method=self.method,
            return_url=self.return_url,
            hosted=self.hosted,
        )

    @property
    def is_final(self) -> bool:
        """Whether its state has no transitions."""
        return self.state in FINAL


class Paid(msgspec.Struct, frozen=True):
    """The payment that a request gets.

    `replayed`: an earlier request with this key, or with the same choice, had begun it.
    """

    payment: Payment
    replayed: bool


class RefundRow(msgspec.Struct, frozen=True):
    """A refund at the gateway."""

    event_id: UUID
    refund_id: UUID
    booking_id: UUID
    payment_id: UUID
    amount_minor: int
    attempt: int
    reference: str | None
    failure_code: str | None
    failure_message: str | None
    state: PaymentRefundState
    created_at: datetime
    changed_at: datetime
    resume_at: datetime | None
    tries: int
    currency: str


class ListedRefund(msgspec.Struct, frozen=True):
    """A refund as its organizer sees it: one that was decided here, or one by another hand at the gateway.

    `reference`: the gateway's id of it.
    """

    refund_id: UUID
    booking_id: UUID
    payment_id: UUID
    origin: RefundOrigin
    state: ListedRefundState
    amount_minor: int
    currency: str
    attempt: int
    reference: str | None
    failure_code: str | None
    failure_message: str | None
    created_at: datetime  # when it was begun, or recorded
    changed_at: datetime


class DueBooking(msgspec.Struct, frozen=True):
    """What a payment needs to know about a booking."""

    event_id: UUID
    booking_id: UUID
    buyer_id: UUID
    state: str
    expires_at: datetime | None
    online: bool  # its conditions ask for an online payment
    amount_minor: int
    currency: str
    payment_id: UUID | None  # the payment that confirmed it
    description: str
    accept_first: bool = False  # an offer that uses a promo code when it is accepted

    def is_held(self, now: datetime) -> bool:
        """Return whether it is a hold that has not ended."""
        return self.state == "held" and self.expires_at is not None and self.expires_at > now


class CancellationPreview(msgspec.Struct, frozen=True):
    """What cancelling an event now would do."""

    currency: str
    bookings: int  # that would be cancelled
    bookings_used: int  # with a used ticket: they stay
    to_refund_minor: int  # through the gateway
    at_door_minor: int  # paid, or to be paid, at the door: Evently moves none of it


class CancellationProgress(msgspec.Struct, frozen=True):
    """How far the cancellation of an event is."""

    event_state: str
    currency: str
    bookings: int
    bookings_left: int
    refunds: int
    refunds_settled: int
    refunds_failed: int
    refunded_minor: int  # of settled refunds
    to_refund_minor: int  # of all refunds

    @property
    def state(self) -> CancellationState:
        """The first step that is not finished: bookings are cancelled, then their refunds are settled."""
        if self.event_state != "cancelled":
            return "not_cancelled"
        if self.bookings_left:
            return "cancelling"
        unsettled = self.refunds - self.refunds_settled
        if unsettled:
            return "stuck" if unsettled == self.refunds_failed else "refunding"
        return "done"
