"""The checkout: the only place where money meets tickets (docs/checkout.md).

A hold is paid: the gateway reserves the money, the till confirms the booking, the gateway takes the money;
where the till says no, it is let go. What the till decides to pay back is paid back. It must never take money
for a booking that is not confirmed, nor twice for one.
"""

from evently.checkout.checkout import ANSWER_SECONDS_MAX, SWEPT_MAX, Checkout, job_for_payment, job_for_refund
from evently.checkout.nouns import (
    CancellationProgress,
    CancellationState,
    CheckoutRefusal,
    NextAction,
    Paid,
    Payment,
    PaymentChoice,
    PaymentState,
    RefundRow,
    RefundState,
)
from evently.checkout.store import find_latest_payment as find_payment
from evently.checkout.store import find_payment as find_payment_by_id
from evently.checkout.store import find_refund, list_payments, list_refunds, read_cancellation

__all__ = [
    "ANSWER_SECONDS_MAX",
    "SWEPT_MAX",
    "CancellationProgress",
    "CancellationState",
    "Checkout",
    "CheckoutRefusal",
    "NextAction",
    "Paid",
    "Payment",
    "PaymentChoice",
    "PaymentState",
    "RefundRow",
    "RefundState",
    "find_payment",
    "find_payment_by_id",
    "find_refund",
    "job_for_payment",
    "job_for_refund",
    "list_payments",
    "list_refunds",
    "read_cancellation",
]
