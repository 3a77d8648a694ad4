"""The checkout: the only place where money meets tickets (docs/checkout.md).

A hold is paid in three steps: the gateway reserves the money, the sales engine confirms the booking, the
gateway captures the money. Where the sales engine refuses, the reserved money is voided. Refunds that the
sales engine has decided are paid back. The checkout must never capture money for a booking that is not
confirmed, nor twice for one booking.
"""

from evently.checkout.checkout import ANSWER_SECONDS_MAX, RESUMED_MAX, Checkout
from evently.checkout.nouns import (
    CancellationProgress,
    CancellationState,
    CheckoutRefusal,
    FailedRefunds,
    ListedRefund,
    ListedRefundState,
    NextAction,
    Paid,
    Payment,
    PaymentChoice,
    PaymentRefundState,
    PaymentState,
    RefundOrigin,
    RefundRow,
)
from evently.checkout.refunding import begin_refunds
from evently.checkout.store import (
    count_failed_refunds,
    find_refund,
    forget_cards,
    forget_event,
    list_attempted,
    list_cards,
    list_payments,
    list_refunds,
    list_refunds_of_booking,
    preview_cancellation,
    read_cancellation,
)
from evently.checkout.store import find_latest_payment as find_payment
from evently.checkout.store import find_payment as find_payment_by_id

__all__ = [
    "ANSWER_SECONDS_MAX",
    "RESUMED_MAX",
    "CancellationProgress",
    "CancellationState",
    "Checkout",
    "CheckoutRefusal",
    "FailedRefunds",
    "ListedRefund",
    "ListedRefundState",
    "NextAction",
    "Paid",
    "Payment",
    "PaymentChoice",
    "PaymentRefundState",
    "PaymentState",
    "RefundOrigin",
    "RefundRow",
    "begin_refunds",
    "count_failed_refunds",
    "find_payment",
    "find_payment_by_id",
    "find_refund",
    "forget_cards",
    "forget_event",
    "list_attempted",
    "list_cards",
    "list_payments",
    "list_refunds",
    "list_refunds_of_booking",
    "preview_cancellation",
    "read_cancellation",
]
