"""Payments of a booking, refunds and the cancellation of an event, and the webhooks of payment gateways."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from evently import checkout, sales
from evently.checkout import (
    CancellationProgress,
    CancellationState,
    CheckoutRefusal,
    ListedRefund,
    ListedRefundState,
    Payment,
    PaymentChoice,
    PaymentState,
    RefundOrigin,
    RefundRow,
)
from evently.kit.errors import FieldError, Invalid, Refused
from evently.kit.ids import BookingId, EventId, PaymentId, RefundId, show_id
from evently.kit.money import Money
from evently.questions import QuestionsRefusal
from evently.sales.outcomes import SalesRefusal
from evently.web.edge.auth import PUBLIC, SIGNED_IN, organizer, policy
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.idempotency import IdempotencyKey, key_of
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, QueryParameter, get, post
from evently.web.services import Request

_METHOD_CHARACTERS_MAX: Final = 200
_ADDRESS_CHARACTERS_MAX: Final = 2_000
_REASON_CHARACTERS_MAX: Final = 500  # a few sentences

ShownState: TypeAlias = Literal[
    "waiting", "action_needed", "confirmed", "captured", "declined", "voided", "lost"
]
# The state of a payment's row (`Payment.state`) -> the state that a buyer sees. A buyer need not know which
# of two rows is written first, or that a void is still on its way to the gateway.
_SHOWN: Final[dict[PaymentState, ShownState]] = {
    "authorising": "waiting",
    "authorised": "waiting",
    "action_needed": "action_needed",
    "confirmed": "confirmed",
    "captured": "captured",
    "declined": "declined",
    "voiding": "voided",
    "voided": "voided",
    "losing": "lost",
    "lost": "lost",
}
_MESSAGES: Final[dict[ShownState, str]] = {
    "waiting": (
        "The payment provider has not answered yet. We keep asking, and keep your tickets until the hold "
        "expires. Do not pay again."
    ),
    "action_needed": "The payment needs an action from you: follow next_action.",
    "confirmed": "Your booking is confirmed. The money is being collected.",
    "captured": "Paid. Your booking is confirmed.",
    "declined": "The payment was declined; nothing was taken. You can try again while your tickets are held.",
    "voided": "No money was taken: the booking could not be confirmed, or another payment replaced this one.",
    "lost": "The money could not be collected, so the booking was cancelled. No money was taken.",
}


class PaymentBody(msgspec.Struct, forbid_unknown_fields=True):
    """How to pay for a booking.

    `method` names a payment method to the gateway: for Stripe, the id of a payment method; for the demo
    gateway, the number or the name of a test card. Without `method`, the buyer chooses one on a page of the
    gateway (`hosted`) or in the gateway's own script. The gateway's page sends the buyer back to
    `return_url`.
    """

    method: (
        Annotated[str, msgspec.Meta(min_length=1, max_length=_METHOD_CHARACTERS_MAX, examples=["succeeds"])]
        | None
    ) = None
    hosted: bool = False
    return_url: (
        Annotated[
            str,
            msgspec.Meta(
                pattern=r"^https?://[^\s]+$",
                max_length=_ADDRESS_CHARACTERS_MAX,
                examples=["https://shop.example/after-payment"],
            ),
        ]
        | None
    ) = None


class NextActionView(msgspec.Struct, frozen=True):
    """The action that the buyer must take.

    `kind`: with `redirect`, open `url`; with `client`, pass `client_secret` to the gateway's own script.
    """

    kind: Annotated[str, msgspec.Meta(examples=["redirect"])]
    url: Annotated[str | None, msgspec.Meta(examples=["https://tickets.example/pay/demo_0197a1b2c3d4"])]
    client_secret: Annotated[str | None, msgspec.Meta(examples=[None])]


class FailureView(msgspec.Struct, frozen=True):
    """Why a payment or a refund failed. `code` is stable; `message` is for people."""

    code: Annotated[str, msgspec.Meta(examples=["card_declined"])]
    message: Annotated[
        str, msgspec.Meta(examples=["Your bank declined the payment. Try another card, or ask your bank."])
    ]


class PaymentView(msgspec.Struct, frozen=True):
    """One attempt to pay for a booking.

    `state`: `waiting` (for the gateway) and `action_needed` (by the buyer) are in progress. With
    `confirmed` (the money is authorised) and `captured` (the money is collected) the booking is confirmed.
    With `declined`, `voided` and `lost` no money was taken. `message` tells the buyer what happens next.
    `card_digits`: the last four digits of the card, once the money is collected, where the gateway tells
    them; nothing else of a card is stored.
    """

    id: Annotated[str, msgspec.Meta(examples=["pay_01m7y4ef72ev2sxmcnxfse27zp"])]
    event_id: str
    booking_id: str
    attempt: Annotated[int, msgspec.Meta(examples=[1])]
    state: Annotated[ShownState, msgspec.Meta(examples=["captured"])]
    message: Annotated[str, msgspec.Meta(examples=[_MESSAGES["captured"]])]
    amount: Money
    gateway: Annotated[str, msgspec.Meta(examples=["demo"])]
    next_action: NextActionView | None
    failure: FailureView | None
    card_digits: Annotated[str | None, msgspec.Meta(examples=["4242"])]
    created_at: datetime
    changed_at: datetime


class PaymentsView(msgspec.Struct, frozen=True):
    """The attempts to pay for a booking, latest first."""

    data: list[PaymentView]


class RefundView(msgspec.Struct, frozen=True):
    """One refund of an event.

    `origin`: `evently` (decided by a cancellation here), `gateway` (made at the payment gateway by another
    hand, for example in its dashboard), `dispute` (the buyer's bank took the money back). `state`: `asking`
    (the gateway has not confirmed it yet), `settled` (paid back), `never_paid` (no money had been taken),
    `failed` (the organizer must retry it, or pay it back by hand and settle it), `reversed` (a refund made at
    the gateway has failed, or a dispute was won: the money is back). A refund that was settled by hand has
    the `failure` code `settled-by-hand`, and the reason as its message. `reference` is the gateway's id of
    the refund or dispute. `created_at` is when Evently began the refund, or recorded it.
    """

    id: Annotated[str, msgspec.Meta(examples=["rfd_01m7y4ef72ev2sxmcnxfse27zp"])]
    booking_id: str
    payment_id: Annotated[str, msgspec.Meta(examples=["pay_01m7y4ef72ev2sxmcnxfse27zp"])]
    origin: Annotated[RefundOrigin, msgspec.Meta(examples=["evently"])]
    state: Annotated[ListedRefundState, msgspec.Meta(examples=["settled"])]
    amount: Money
    attempt: Annotated[int, msgspec.Meta(examples=[1])]
    reference: Annotated[str | None, msgspec.Meta(examples=["re_3PvQ9bLkdIwHu7ix0"])]
    failure: FailureView | None
    created_at: datetime
    changed_at: datetime


class SettlementBody(msgspec.Struct, forbid_unknown_fields=True):
    """Why a refund counts as settled, for the organizer's own records; without names of people."""

    reason: Annotated[
        str,
        msgspec.Meta(
            min_length=1, max_length=_REASON_CHARACTERS_MAX, examples=["Paid back in cash at the box office."]
        ),
    ]


class CancellationPreviewView(msgspec.Struct, frozen=True):
    """What cancelling an event now would do.

    `bookings` would be cancelled; `bookings_used` have a used ticket and stay. `to_refund` would be paid back
    through the gateway: all that was captured and not paid back yet. `at_door` was or is to be paid at the
    door; Evently pays none of it back. The ledger takes it back, too, unless the cancellation has
    `keep_door_money`.
    """

    event_id: str
    bookings: Annotated[int, msgspec.Meta(examples=[1200])]
    bookings_used: Annotated[int, msgspec.Meta(examples=[0])]
    to_refund: Money
    at_door: Money


class CancellationView(msgspec.Struct, frozen=True):
    """The progress of an event's cancellation.

    `state`: `not_cancelled`; `cancelling` while bookings are left to cancel; `refunding` while refunds are
    not settled; `stuck` when every refund that is not settled has failed; `done`. A booking with a used
    ticket is not cancelled and counts in `bookings_left`. The refunds include those of bookings that were
    cancelled before the event was.
    """

    event_id: str
    state: Annotated[CancellationState, msgspec.Meta(examples=["refunding"])]
    bookings: Annotated[int, msgspec.Meta(examples=[1200])]
    bookings_left: Annotated[int, msgspec.Meta(examples=[0])]
    refunds_decided: Annotated[int, msgspec.Meta(examples=[1100])]
    refunds_settled: Annotated[int, msgspec.Meta(examples=[1040])]
    refunds_failed: Annotated[int, msgspec.Meta(examples=[0])]
    to_refund: Money
    refunded: Money


class ReceivedView(msgspec.Struct, frozen=True):
    """The result of a webhook. `new` counts the notices of the request that had not been received before."""

    new: Annotated[int, msgspec.Meta(examples=[1])]


_PAYING: Final = (
    SalesRefusal.BOOKING_NOT_FOUND,
    SalesRefusal.HOLD_EXPIRED,
    SalesRefusal.ALREADY_CONFIRMED,
    SalesRefusal.ALREADY_CANCELLED,
    SalesRefusal.KEY_REUSED,
    CheckoutRefusal.PAYMENT_PENDING,
    CheckoutRefusal.NOTHING_TO_PAY,
    SalesRefusal.AMOUNT_NOT_PAYABLE,
    SalesRefusal.NOT_OFFERED,
    QuestionsRefusal.ANSWERS_MISSING,
)


@post(
    "/v1/bookings/{booking_id}/payments",
    operation_id="payBooking",
    summary="Pay for a booking",
    description=(
        "Answers within seconds with the state of the payment; `state` and `message` say what happens next. "
        "While a payment is in progress, repeating the request with the same body returns that payment with "
        "201, even without an `Idempotency-Key`. A different body replaces a payment that waits for the "
        "buyer."
    ),
    tags=["Payments"],
    responses=problems(*_PAYING),
    **policy(SIGNED_IN, rate="bookings"),
)
async def pay_booking(
    request: Request,
    booking_id: FromPath[BookingId],
    data: JSONBody[PaymentBody],
    idempotency_key: IdempotencyKey = None,
) -> Response[PaymentView]:
    """Pay for a booking of the caller."""
    if data.hosted and data.return_url is None:
        raise Invalid([FieldError("/return_url", "needed-with-hosted")])
    choice = PaymentChoice(data.method, data.hosted, data.return_url)
    key = key_of(idempotency_key)
    paid = await request.context.checkout.pay(booking_id, request.actor.id, choice, key)
    view = show_payment(paid.payment)
    replayed = {"idempotent-replayed": "true"} if paid.replayed and key is not None else {}
    return Response(
        view, status_code=201, headers={**NO_STORE, **replayed, "location": f"/v1/payments/{view.id}"}
    )


@get(
    "/v1/bookings/{booking_id}/payments",
    operation_id="listPayments",
    summary="List the payments of a booking",
    description="Every attempt to pay for the booking, latest first.",
    tags=["Payments"],
    responses=problems(SalesRefusal.BOOKING_NOT_FOUND),
    **policy(SIGNED_IN),
)
async def list_payments(request: Request, booking_id: FromPath[BookingId]) -> Response[PaymentsView]:
    """Return the attempts to pay for a booking of the caller."""
    database = request.context.database
    if (await sales.reads.locate_booking(database, booking_id)).buyer_id != request.actor.id:
        raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
    return Response(
        PaymentsView([show_payment(each) for each in await checkout.list_payments(database, booking_id)]),
        headers=NO_STORE,
    )


@get(
    "/v1/payments/{payment_id}",
    operation_id="getPayment",
    summary="Get a payment",
    description="Poll this after a payment that was `waiting` or `action_needed`, to get its present state.",
    tags=["Payments"],
    responses=problems(CheckoutRefusal.PAYMENT_NOT_FOUND),
    **policy(SIGNED_IN),
)
async def get_payment(request: Request, payment_id: FromPath[PaymentId]) -> Response[PaymentView]:
    """Return a payment of the caller."""
    payment = await checkout.find_payment_by_id(request.context.database, payment_id)
    if payment is None or payment.buyer_id != request.actor.id:
        raise Refused(CheckoutRefusal.PAYMENT_NOT_FOUND)
    return Response(show_payment(payment), headers=NO_STORE)


@get(
    "/v1/events/{event_id}/refunds",
    operation_id="listRefunds",
    summary="List the refunds of an event",
    description=(
        "Newest first. A `failed` refund must be retried, or paid back by hand and settled. Refunds and "
        "disputes that were made at the payment gateway by another hand are listed, too: see `origin`."
    ),
    tags=["Organizer: payments"],
    responses=problems(),
    **policy(organizer("manager", "bookings:read")),
)
async def list_refunds(
    request: Request,
    event_id: FromPath[EventId],
    in_state: Annotated[
        str | None,
        QueryParameter(
            name="state",
            pattern="^(asking|settled|never_paid|failed|reversed)$",
            description="Return only refunds in this state: asking, settled, never_paid, failed or reversed.",
        ),
    ] = None,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response[PageView[RefundView]]:
    """List the refunds of an event for its organizer."""
    page = await checkout.list_refunds(request.context.database, event_id, in_state, limit, after)
    return paginated(request, page, _show_refund)


@post(
    "/v1/events/{event_id}/refunds/{refund_id}/retry",
    operation_id="retryRefund",
    summary="Retry a failed refund",
    description="Starts the next attempt. List the refunds again after a few seconds to get the result.",
    tags=["Organizer: payments"],
    status_code=200,
    responses=problems(SalesRefusal.REFUND_NOT_FOUND, CheckoutRefusal.REFUND_NOT_FAILED),
    **policy(organizer("manager", "bookings:write")),
)
async def retry_refund(
    request: Request, event_id: FromPath[EventId], refund_id: FromPath[RefundId]
) -> Response[RefundView]:
    """Retry a failed refund of the organizer's event."""
    refund = await request.context.checkout.retry_refund(event_id, refund_id)
    return Response(_show_refund(refund), headers=NO_STORE)


@post(
    "/v1/events/{event_id}/refunds/{refund_id}/settle",
    operation_id="settleRefund",
    summary="Settle a refund paid outside",
    description=(
        "For a refund that was paid back outside of Evently: in cash, or by bank transfer. Only a `failed` "
        "refund, or one that the gateway has not answered for a day. The event's journal records who settled "
        "it. Safe to repeat."
    ),
    tags=["Organizer: payments"],
    status_code=200,
    responses=problems(SalesRefusal.REFUND_NOT_FOUND, CheckoutRefusal.REFUND_NOT_FAILED),
    **policy(organizer("owner", "bookings:write")),
)
async def settle_refund(
    request: Request,
    event_id: FromPath[EventId],
    refund_id: FromPath[RefundId],
    data: JSONBody[SettlementBody],
) -> Response[RefundView]:
    """Settle a refund that an owner of the organizer has paid back outside."""
    person_id = request.actor.id
    refund, before = await request.context.checkout.settle_refund(event_id, refund_id, person_id, data.reason)
    replayed = {"idempotent-replayed": "true"} if before else {}
    return Response(_show_refund(refund), headers={**NO_STORE, **replayed})


@get(
    "/v1/events/{event_id}/cancellation-preview",
    operation_id="previewCancellation",
    summary="Preview the cancellation of an event",
    description="What cancelling the event now would do; it changes nothing.",
    tags=["Organizer: payments"],
    responses=problems(SalesRefusal.EVENT_NOT_FOUND),
    **policy(organizer("manager", "bookings:read")),
)
async def preview_cancellation(
    request: Request, event_id: FromPath[EventId]
) -> Response[CancellationPreviewView]:
    """Return what cancelling the organizer's event would do."""
    found = await checkout.preview_cancellation(request.context.database, event_id)
    view = CancellationPreviewView(
        show_id("evt", event_id),
        found.bookings,
        found.bookings_used,
        Money(found.to_refund_minor, found.currency),
        Money(found.at_door_minor, found.currency),
    )
    return Response(view, headers=NO_STORE)


@get(
    "/v1/events/{event_id}/cancellation",
    operation_id="getCancellation",
    summary="Get the progress of an event's cancellation",
    description=(
        "After an event is cancelled, its bookings are cancelled and refunded in the background, some at a "
        "time. This continues after a restart of the server."
    ),
    tags=["Organizer: payments"],
    responses=problems(),
    **policy(organizer("manager", "bookings:read")),
)
async def get_cancellation(request: Request, event_id: FromPath[EventId]) -> Response[CancellationView]:
    """Return the progress of the cancellation of the organizer's event."""
    progress = await checkout.read_cancellation(request.context.database, event_id)
    return Response(_show_cancellation(show_id("evt", event_id), progress), headers=NO_STORE)


@post(
    "/v1/gateways/{name}/webhooks",
    operation_id="receiveWebhook",
    summary="Receive a webhook of a payment gateway",
    description=(
        "For payment gateways. The body has the gateway's own format, and its signature is verified. The "
        "notices are stored before the answer and processed after it; a repeated notice changes nothing."
    ),
    tags=["Gateways"],
    status_code=200,
    responses=problems(CheckoutRefusal.UNKNOWN_GATEWAY, CheckoutRefusal.WEBHOOK_FORGED),
    reads_body=True,
    **policy(PUBLIC, rate="unlimited"),
)
async def receive_webhook(request: Request, name: FromPath[str]) -> Response[ReceivedView]:
    """Store the notices of a payment gateway and have them processed."""
    headers = {
        key.decode("latin-1"): value.decode("latin-1") for key, value in request.exchange.headers.items()
    }
    new = await request.context.checkout.receive(name, headers, await request.body())
    return Response(ReceivedView(new), headers=NO_STORE)


def show_payment(payment: Payment) -> PaymentView:
    """Return a payment as its buyer sees it."""
    action = payment.next_action
    state = _SHOWN[payment.state]
    return PaymentView(
        show_id("pay", payment.payment_id),
        show_id("evt", payment.event_id),
        show_id("bkg", payment.booking_id),
        payment.attempt,
        state,
        _MESSAGES[state],
        Money(payment.amount_minor, payment.currency),
        payment.gateway,
        None if action is None else NextActionView(action.kind, action.url, action.client_secret),
        _show_failure(payment.failure_code, payment.failure_message, _MESSAGES[state]),
        payment.card_digits,
        payment.created_at,
        payment.changed_at,
    )


def _show_refund(refund: RefundRow | ListedRefund) -> RefundView:
    return RefundView(
        show_id("rfd", refund.refund_id),
        show_id("bkg", refund.booking_id),
        show_id("pay", refund.payment_id),
        "evently" if isinstance(refund, RefundRow) else refund.origin,
        refund.state,
        Money(refund.amount_minor, refund.currency),
        refund.attempt,
        refund.reference,
        _show_failure(refund.failure_code, refund.failure_message, "This refund must be paid back by hand."),
        refund.created_at,
        refund.changed_at,
    )


def _show_cancellation(event_id: str, progress: CancellationProgress) -> CancellationView:
    return CancellationView(
        event_id,
        progress.state,
        progress.bookings,
        progress.bookings_left,
        progress.refunds,
        progress.refunds_settled,
        progress.refunds_failed,
        Money(progress.to_refund_minor, progress.currency),
        Money(progress.refunded_minor, progress.currency),
    )


def _show_failure(code: str | None, message: str | None, default: str) -> FailureView | None:
    return None if code is None else FailureView(code, message or default)


routes: Final = [
    pay_booking,
    list_payments,
    get_payment,
    list_refunds,
    retry_refund,
    settle_refund,
    preview_cancellation,
    get_cancellation,
    receive_webhook,
]
