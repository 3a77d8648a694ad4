"""What checkout speaks of.

Plain values; the transitions of the states are listed with their tables (migration 0006).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from evently.kit.errors import Refusal
from evently.kit.ids import reference_of
from evently.payments import Intent

PaymentState: TypeAlias = Literal[
    "authorising",
    "action_needed",
    "authorised",
    "confirmed",
    "captured",
    "declined",
    "voiding",
    "voided",
    "losing",
    "lost",
]
RefundState: TypeAlias = Literal["asking", "settled", "never_paid", "failed"]
CancellationState: TypeAlias = Literal["not_cancelled", "cancelling", "refunding", "stuck", "done"]

FINAL: Final = frozenset({"captured", "declined", "voided", "lost"})
# Can still take money, or has
LIVE: Final = frozenset({"authorising", "action_needed", "authorised", "confirmed", "captured"})
PAID: Final = frozenset({"confirmed", "captured"})  # with it the booking is confirmed


class CheckoutRefusal(Refusal):
    """Every expected no of the checkout."""

    PAYMENT_NOT_FOUND = "payment-not-found"
    PAYMENT_PENDING = "payment-pending"
    NOTHING_TO_PAY = "nothing-to-pay"
    REFUND_NOT_FAILED = "refund-not-failed"
    UNKNOWN_GATEWAY = "unknown-gateway"
    WEBHOOK_FORGED = "webhook-forged"


class PaymentChoice(msgspec.Struct, frozen=True):
    """How a buyer wants to pay.

    `method` in the gateway's words, None: the buyer is asked; `hosted`: on a page of the gateway.
    """

    method: str | None = None
    hosted: bool = False
    return_url: str | None = None


class NextAction(msgspec.Struct, frozen=True):
    """What the buyer must do.

    `redirect`: open `url`; `client`: hand `client_secret` to the gateway's own script.
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
    expires_at: datetime  # the end of the hold when it began
    reference: str | None  # the gateway's name for it
    next_action: NextAction | None
    failure_code: str | None
    failure_message: str | None
    state: PaymentState
    amount_minor: int
    currency: str
    created_at: datetime
    changed_at: datetime
    resume_at: datetime | None
    tries: int

    def intent(self) -> Intent:
        """Return what the gateway is asked. The same for an attempt, however often it is asked."""
        return Intent(
            self.payment_id,
            self.attempt,
            self.event_id,
            self.booking_id,
            self.amount_minor,
            self.currency,
            reference_of(self.booking_id),
            self.description,
            self.expires_at,
            self.method,
            self.return_url,
            self.hosted,
        )

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.state in FINAL


class Paid(msgspec.Struct, frozen=True):
    """The payment that a request gets; `replayed` when an earlier request with this key, or the same wish, had begun it."""

    payment: Payment
    replayed: bool


class RefundRow(msgspec.Struct, frozen=True):
    """How far paying back is."""

    event_id: UUID
    refund_id: UUID
    booking_id: UUID
    payment_id: UUID
    amount_minor: int
    attempt: int
    reference: str | None
    failure_code: str | None
    failure_message: str | None
    state: RefundState
    created_at: datetime
    changed_at: datetime
    resume_at: datetime | None
    tries: int
    currency: str


class DueBooking(msgspec.Struct, frozen=True):
    """What a payment must know of a booking."""

    event_id: UUID
    booking_id: UUID
    buyer_id: UUID
    state: str
    expires_at: datetime | None
    online: bool  # its conditions ask to be paid so
    amount_minor: int
    currency: str
    payment_id: UUID | None  # that confirmed it
    description: str

    def is_held(self, now: datetime) -> bool:
        """Return whether it still waits to be paid."""
        return self.state == "held" and self.expires_at is not None and self.expires_at > now


class CancellationProgress(msgspec.Struct, frozen=True):
    """How far the cancellation of an event is. Amounts are those of the refunds in that state."""

    event_state: str
    currency: str
    bookings: int
    bookings_left: int
    refunds: int
    refunds_settled: int
    refunds_failed: int
    refunded_minor: int  # settled
    to_refund_minor: int  # decided

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
