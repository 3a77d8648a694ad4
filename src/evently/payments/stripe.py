"""Stripe behind the port, through its own client. An extra.

Payments are payment intents with manual capture, hosted payments are Checkout sessions.

An intent is created first and confirmed afterwards. So an attempt whose answer was lost can be found by
creating it again, which reserves nothing. Stripe keeps a key for a day; where something could happen twice
after that, Stripe is asked first. Sources: docs.stripe.com/api/payment_intents, /api/checkout/sessions,
/api/refunds, /api/idempotent_requests, /webhooks/signature.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

import httpx2
import msgspec
import stripe

from evently.kit.denominations import Denomination
from evently.payments.amounts import denomination_of
from evently.payments.declines import DECLINED, declined
from evently.payments.gateway import (
    ActionNeeded,
    Authorisation,
    Authorised,
    Captured,
    Declined,
    Forged,
    Found,
    GatewayTrouble,
    Intent,
    Lost,
    Notice,
    NoticeKind,
    NoticePage,
    PaidBack,
    Refunded,
    RefundFailed,
    Refunding,
    RefundWaiting,
    Unsettled,
    Voided,
)

if TYPE_CHECKING:
    from stripe.checkout import Session
    from stripe.params import (
        EventListParams,
        PaymentIntentConfirmParams,
        PaymentIntentCreateParams,
        RefundCreateParams,
    )
    from stripe.params.checkout import SessionCreateParams

Answer = TypeVar("Answer")

CALL_SECONDS_MAX: Final = 10.0  # Stripe answers within a few seconds; its own default is 80
TOLERANCE_SECONDS: Final = 300  # between its clock and ours: the default of its libraries
# Stripe allows 30 minutes to 24 hours after the call. The checkout expires a session when the hold ends.
CHECKOUT_SECONDS: Final = 3600
UNEXPECTED_STATE: Final = "payment_intent_unexpected_state"
EVENTS_MAX: Final = 100  # in a page: the same
REFUNDS_MAX: Final = 100  # Stripe's largest page
_METHOD: Final = re.compile(r"(?:pm|card|src|ba|tok)_[A-Za-z0-9_]{1,100}")
_LAST_DIGITS: Final = re.compile(r"[0-9]{4}")
_SENT_NOTHING: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_DECLINES: Final = {  # codes of Stripe (docs.stripe.com/declines/codes) -> our codes
    "insufficient_funds": "insufficient_funds",
    "withdrawal_count_limit_exceeded": "insufficient_funds",
    "card_velocity_exceeded": "insufficient_funds",
    "expired_card": "expired_card",
    "incorrect_number": "wrong_number",
    "invalid_number": "wrong_number",
    "incorrect_cvc": "wrong_code",
    "invalid_cvc": "wrong_code",
    "card_not_supported": "not_supported",
    "currency_not_supported": "not_supported",
    "processing_error": "try_again",
    "issuer_not_available": "try_again",
    "try_again_later": "try_again",
    "reenter_transaction": "try_again",
    "authentication_required": "not_confirmed",
    "payment_intent_authentication_failure": "not_confirmed",
}
_NOT_TAKEN: Final = {  # about the sum, not about the card
    "amount_too_small": "amount_too_small",
    "amount_too_large": "amount_too_large",
    "invalid_charge_amount": "amount_not_taken",
    "currency_not_supported": "currency_not_taken",
}
_NOTICES: Final[dict[str, NoticeKind]] = {
    "payment_intent.amount_capturable_updated": "authorised",
    "checkout.session.completed": "authorised",
    "payment_intent.requires_action": "action_needed",
    "payment_intent.payment_failed": "declined",
    "checkout.session.expired": "declined",
    "payment_intent.succeeded": "captured",
    "payment_intent.canceled": "voided",
    "charge.refunded": "refunded",
    "charge.dispute.created": "refunded",
    "charge.dispute.updated": "refunded",
    "charge.dispute.closed": "refunded",
    "charge.dispute.funds_withdrawn": "refunded",
    "charge.dispute.funds_reinstated": "refunded",
    "refund.failed": "refund_failed",
}
_PAID_BACK_EVENTS: Final = (  # Stripe lists at most 20 types at once
    "charge.refunded",
    "charge.refund.updated",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "refund.created",
    "refund.updated",
    "refund.failed",
)
_REFUND_NOTICES: Final[dict[str, NoticeKind]] = {
    "pending": "refunded",
    "succeeded": "refunded",
    "failed": "refund_failed",
    "canceled": "refund_failed",
}
_WITHDRAWN: Final = frozenset({"needs_response", "under_review", "lost"})  # disputes that hold the money


class _Object(msgspec.Struct):
    """The fields of an event's object that are read here."""

    id: str = ""
    payment_intent: str | None = None
    status: str | None = None
    metadata: dict[str, str] | None = None


class _Data(msgspec.Struct):
    object: _Object


class _Event(msgspec.Struct):
    """The fields of an event that are read here."""

    id: str
    type: str
    created: int
    data: _Data


class _Http(stripe.HTTPClient):
    """The HTTP client of Stripe's client.

    Stripe's own adapter uses httpx, which is no longer maintained, in a way that httpx warns about.
    """

    name = "httpx2"

    def __init__(self) -> None:
        super().__init__()
        self._connections = httpx2.AsyncClient(timeout=CALL_SECONDS_MAX)

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Return content, status and headers of the response."""
        try:
            answer = await self._connections.request(method, url, headers=dict(headers), content=post_data)
        except httpx2.HTTPError as exc:
            raise stripe.APIConnectionError(type(exc).__name__) from exc  # type: ignore[no-untyped-call]
        return answer.content, answer.status_code, answer.headers

    async def close_async(self) -> None:
        """Close the connections."""
        await self._connections.aclose()


class StripeGateway:
    """`Gateway` at Stripe.

    A reference is the id of a Checkout session if Stripe shows the payment page (`hosted`), otherwise of a
    payment intent. Construct the gateway inside a running loop.
    """

    name = "stripe"

    def __init__(self, key: str, webhook_secret: str, api_base: str | None = None) -> None:
        if not key.strip() or not webhook_secret.strip():
            raise ValueError("Stripe needs its secret key and the secret of its webhook")
        self._webhook_secret = webhook_secret
        self._http = _Http()
        self._client = stripe.StripeClient(
            key,
            base_addresses={"api": api_base} if api_base else {},
            http_client=self._http,
            max_network_retries=0,  # `Guarded` retries
        )

    def denomination(self, currency: str) -> Denomination:
        """Return how Stripe writes and limits amounts of a currency."""
        return denomination_of(currency)

    async def authorise(self, intent: Intent) -> Authorisation:
        """Create and confirm a payment intent, or open a Checkout session."""
        with _stripe_errors():
            try:
                if intent.hosted:
                    return _authorisation(await self._of_session(intent, await self._open_session(intent)))
                made = await self._create(intent)
                if intent.method is None or not _is_new(made):
                    return _authorisation(await self._of_intent(intent, made) or Unsettled(made.id))
                return _authorisation(
                    await self._confirm(intent, made.id, intent.method) or Unsettled(made.id)
                )
            except stripe.InvalidRequestError as exc:
                # An unknown method, or a sum that Stripe does not take: nothing was reserved.
                return declined(None, _NOT_TAKEN.get(exc.code or "", "not_accepted"))

    async def find(self, intent: Intent, reference: str | None) -> Found | None:
        """Return the state at Stripe; without a reference, by creating the intent again under its key.

        Creating an intent reserves nothing.
        """
        with _stripe_errors():
            if intent.hosted:
                return await self._of_session(
                    intent, await self._session(reference) if reference else await self._open_session(intent)
                )
            return await self._of_intent(
                intent, await self._retrieve(reference) if reference else await self._create(intent)
            )

    async def capture(self, reference: str, amount_minor: int, key: str) -> Captured | Lost:
        """Capture reserved money.

        Safe to repeat when Stripe has forgotten the key, after a day: it captures an intent only once.
        """
        with _stripe_errors():
            payment = await self._intent_of(reference, with_charge=True)
            digits = None if payment is None else _card_digits(payment)
            if payment is not None and payment.status == "requires_capture":
                capture, name = self._client.v1.payment_intents.capture_async, payment.id
                outside = denomination_of(payment.currency.upper()).write_amount(amount_minor)
                try:
                    payment = await _retry_stale_failure(
                        lambda options: capture(name, {"amount_to_capture": outside}, options), key
                    )
                except (stripe.CardError, stripe.InvalidRequestError) as exc:
                    payment = await self._retrieve(name)
                    if payment.status != "succeeded":
                        return Lost(reference, exc.code or "refused")
        if payment is not None and payment.status == "succeeded":
            return Captured(reference, _received(payment), digits)
        return Lost(
            reference,
            "never authorised" if payment is None else (payment.cancellation_reason or payment.status),
        )

    async def void(self, reference: str, key: str) -> Voided | Captured:
        """Expire an open session, and cancel the intent.

        An intent that cannot be cancelled now is trouble: later it can, or it is captured.
        """
        with _stripe_errors():
            if reference.startswith("cs_"):
                with suppress(stripe.InvalidRequestError):  # it was completed, or has expired
                    await self._client.v1.checkout.sessions.expire_async(
                        reference, {}, {"idempotency_key": f"{key}:session"}
                    )
            payment = await self._intent_of(reference)
            if payment is not None and payment.status not in {"canceled", "succeeded"}:
                payment = await self._cancel(payment.id, key)
        if payment is not None and payment.status == "succeeded":
            return Captured(reference, _received(payment))
        if payment is not None and payment.status != "canceled":
            raise GatewayTrouble(
                f"the payment intent is {payment.status} and cannot be voided now", effect_unknown=False
            )
        return Voided(reference)

    async def refund(
        self, reference: str, amount_minor: int, key: str, refund_id: UUID, *, of_rest: bool = False
    ) -> Refunding:
        """Refund money, unless the intent has a refund with this key.

        Stripe forgets a key after a day, and a refund never.
        """
        with _stripe_errors():
            payment = await self._intent_of(reference)
            if payment is None:
                return RefundFailed(
                    reference, "not_captured", "No money was captured that could be paid back."
                )
            denomination = denomination_of(payment.currency.upper())
            if (problem := denomination.find_inexact(amount_minor)) is not None:
                return RefundFailed(reference, "amount_not_taken", problem.explain().detail)
            refunds = self._client.v1.refunds
            listed = await refunds.list_async({"payment_intent": payment.id, "limit": REFUNDS_MAX})
            made = next((refund for refund in listed.data if _key_of(refund) == key), None)
            if made is None:
                params: RefundCreateParams = {
                    "payment_intent": payment.id,
                    "amount": denomination.write_amount(amount_minor),
                }
                params["metadata"] = {"refund_id": str(refund_id), "key": key}
                try:
                    made = await _retry_stale_failure(
                        lambda options: refunds.create_async(params, options),
                        f"{key}:{amount_minor}" if of_rest else key,
                        f"{key}:again",
                    )
                except stripe.InvalidRequestError as exc:
                    return RefundFailed(
                        reference, exc.code or "refused", exc.user_message or "Stripe refused the refund."
                    )
        return _refunding(reference, made)

    async def list_paid_back(self, reference: str) -> list[PaidBack]:
        """Return the refunds of an intent that have not failed, and the disputes that withdrew money."""
        with _stripe_errors():
            payment = await self._intent_of(reference)
            if payment is None:
                return []
            of = payment.id
            refunds = await self._client.v1.refunds.list_async({"payment_intent": of, "limit": REFUNDS_MAX})
            disputes = await self._client.v1.disputes.list_async({"payment_intent": of, "limit": REFUNDS_MAX})
        denomination = denomination_of(payment.currency.upper())
        return [
            PaidBack(denomination.read_amount(refund.amount), _key_of(refund), refund.id)
            for refund in refunds.data
            if refund.status not in {"failed", "canceled"}
        ] + [
            PaidBack(denomination.read_amount(dispute.amount), None, dispute.id, "dispute")
            for dispute in disputes.data
            if dispute.status in _WITHDRAWN
        ]

    async def list_notices(self, since: datetime, after: str | None) -> NoticePage:
        """Return the events about refunds and disputes, newest first; Stripe lists those of 30 days.

        An event to go on after may be older than that by now; then they are listed from the newest one.
        """
        params: EventListParams = {
            "types": list(_PAID_BACK_EVENTS),
            "created": {"gte": int(since.timestamp())},
            "limit": EVENTS_MAX,
        }
        listing = self._client.v1.events.list_async
        with _stripe_errors():
            try:
                listed = await listing(params if after is None else {**params, "starting_after": after})
            except stripe.InvalidRequestError:
                if after is None:
                    raise
                listed = await listing(params)
        events = [msgspec.convert(each.to_dict(), _Event) for each in listed.data]
        return NoticePage([_notice(each) for each in events], events[-1].id if listed.has_more else None)

    async def find_payment_id(self, reference: str) -> UUID | None:
        """Return our id of the payment of an intent: refunds and disputes name only the intent."""
        if not reference.startswith("pi_"):
            return None
        with _stripe_errors():
            payment = await self._retrieve(reference)
        metadata: dict[str, str] = payment.metadata.to_dict()
        with suppress(ValueError):
            return UUID(metadata.get("payment_id", ""))
        return None

    def read_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Notice]:
        """Check the signature and its age, and return the one notice in the body."""
        signature = headers.get("stripe-signature", "")
        try:
            stripe.WebhookSignature.verify_header(body, signature, self._webhook_secret)
            signed_at = int(next(part[2:] for part in signature.split(",") if part.startswith("t=")))
            event = msgspec.json.decode(body, type=_Event)
        except (stripe.SignatureVerificationError, ValueError, StopIteration) as exc:
            raise Forged("Stripe did not sign this") from exc
        if abs(now.timestamp() - signed_at) > TOLERANCE_SECONDS:
            raise Forged("this was signed too long ago")
        return [_notice(event)]

    def storable_method(self, method: str | None) -> str | None:
        """Return the id of a payment method; anything else, perhaps a card number, becomes an unknown id."""
        return method if method is None or _METHOD.fullmatch(method) else "pm_unknown"

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close_async()

    # Payment intents

    async def _create(self, intent: Intent) -> stripe.PaymentIntent:
        """Create the intent of an attempt, or return the one that was created before."""
        create, key = self._client.v1.payment_intents.create_async, f"{intent.key('authorise')}:create"
        made = await _retry_stale_failure(
            lambda options: create(_intent_params(intent), options), key, f"{key}:again"
        )
        return await self._retrieve(made.id) if _is_replayed(made.last_response) else made

    async def _confirm(self, intent: Intent, reference: str, method: str) -> Found | None:
        confirm, params = self._client.v1.payment_intents.confirm_async, _confirm_params(intent, method)
        try:
            confirmed = await _retry_stale_failure(
                lambda options: confirm(reference, params, options), f"{intent.key('authorise')}:confirm"
            )
        except stripe.CardError:
            confirmed = await self._retrieve(reference)
        except stripe.InvalidRequestError as exc:
            if exc.code != UNEXPECTED_STATE:
                raise
            confirmed = await self._retrieve(reference)  # an earlier call had arrived
        return await self._of_intent(intent, confirmed)

    async def _retrieve(self, reference: str) -> stripe.PaymentIntent:
        return await self._client.v1.payment_intents.retrieve_async(reference)

    async def _retrieve_charged(self, reference: str) -> stripe.PaymentIntent:
        retrieve = self._client.v1.payment_intents.retrieve_async
        try:
            return await retrieve(reference, {"expand": ["latest_charge"]})
        except stripe.PermissionError:  # a restricted key that cannot read charges
            return await self._retrieve(reference)

    async def _cancel(self, reference: str, key: str) -> stripe.PaymentIntent:
        """Cancel an intent. One that cannot be cancelled is returned unchanged."""
        try:
            return await _retry_stale_failure(
                lambda options: self._client.v1.payment_intents.cancel_async(reference, {}, options), key
            )
        except stripe.InvalidRequestError:
            return await self._retrieve(reference)

    async def _intent_of(self, reference: str, *, with_charge: bool = False) -> stripe.PaymentIntent | None:
        """Return the intent behind a reference; None: a session that was never paid.

        `with_charge`: with what the card was charged, if the key may read it.
        """
        if not reference.startswith("cs_"):
            return await (self._retrieve_charged(reference) if with_charge else self._retrieve(reference))
        session = await self._session(reference)
        if with_charge and isinstance(session.payment_intent, stripe.PaymentIntent):
            return await self._retrieve_charged(session.payment_intent.id)
        return session.payment_intent if isinstance(session.payment_intent, stripe.PaymentIntent) else None

    async def _of_intent(self, intent: Intent, payment: stripe.PaymentIntent) -> Found | None:
        """Return the meaning of an intent's state.

        A declined intent is cancelled: the buyer has its secret and could otherwise still pay with it.
        """
        error = payment.last_payment_error
        if (
            intent.method is not None
            and error is not None
            and payment.status in {"requires_payment_method", "canceled"}
        ):
            if payment.status != "canceled":
                await self._cancel(payment.id, f"{intent.key('authorise')}:decline")
            return _declined(payment.id, error.decline_code or error.code)
        return _meaning(payment, asked=intent.method is None)

    # Checkout sessions

    async def _open_session(self, intent: Intent) -> Session:
        options: stripe.RequestOptions = {"idempotency_key": f"{intent.key('authorise')}:session"}
        made = await self._client.v1.checkout.sessions.create_async(_session_params(intent), options)
        return await self._session(made.id)

    async def _session(self, reference: str) -> Session:
        return await self._client.v1.checkout.sessions.retrieve_async(
            reference, {"expand": ["payment_intent"]}
        )

    async def _of_session(self, intent: Intent, session: Session) -> Found | None:
        if session.status == "open":
            return ActionNeeded(session.id, url=session.url)
        if session.status == "expired" or not isinstance(session.payment_intent, stripe.PaymentIntent):
            return declined(session.id, "abandoned")
        found = await self._of_intent(intent, session.payment_intent)
        return None if found is None else msgspec.structs.replace(found, reference=session.id)


def _intent_params(intent: Intent) -> PaymentIntentCreateParams:
    return {
        "amount": denomination_of(intent.currency).write_amount(intent.amount_minor),
        "currency": intent.currency.lower(),
        "capture_method": "manual",
        "automatic_payment_methods": {
            "enabled": True,
            "allow_redirects": "always" if intent.return_url else "never",
        },
        "description": f"{intent.reference} {intent.description}",
        "metadata": _metadata(intent),
    }


def _confirm_params(intent: Intent, method: str) -> PaymentIntentConfirmParams:
    if intent.return_url is None:
        return {"payment_method": method}
    return {"payment_method": method, "return_url": intent.return_url}


def _session_params(intent: Intent) -> SessionCreateParams:
    if intent.return_url is None:
        raise ValueError("a hosted page needs a return_url")
    # From the id of the payment (a UUIDv7 begins with its milliseconds), so that a repeated call is equal.
    began_at = (intent.payment_id.int >> 80) // 1000
    return {
        "mode": "payment",
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": intent.currency.lower(),
                    "unit_amount": denomination_of(intent.currency).write_amount(intent.amount_minor),
                    "product_data": {"name": f"{intent.reference} {intent.description}"},
                },
            }
        ],
        "client_reference_id": str(intent.booking_id),
        "success_url": intent.return_url,
        "cancel_url": intent.return_url,
        "expires_at": began_at + CHECKOUT_SECONDS,
        "metadata": _metadata(intent),
        "payment_intent_data": {"capture_method": "manual", "metadata": _metadata(intent)},
    }


def _received(payment: stripe.PaymentIntent) -> int:
    """Return what was captured of an intent, in minor units."""
    return denomination_of(payment.currency.upper()).read_amount(payment.amount_received)


def _card_digits(payment: stripe.PaymentIntent) -> str | None:
    """Return the last four digits of the card that was charged; None where another method was, or unknown."""
    charge = getattr(payment, "latest_charge", None)  # an id, unless it was asked for
    details = charge.payment_method_details if isinstance(charge, stripe.Charge) else None
    card = getattr(details, "card", None)  # not there where another method was charged
    digits = None if card is None else card.last4
    return digits if digits is not None and _LAST_DIGITS.fullmatch(digits) else None


def _metadata(intent: Intent) -> dict[str, str]:
    return {
        "payment_id": str(intent.payment_id),
        "attempt": str(intent.attempt),
        "event_id": str(intent.event_id),
        "booking_id": str(intent.booking_id),
        "booking": intent.reference,
    }


def _is_new(payment: stripe.PaymentIntent) -> bool:
    return (
        payment.status in {"requires_payment_method", "requires_confirmation"}
        and payment.last_payment_error is None
    )


def _meaning(payment: stripe.PaymentIntent, *, asked: bool) -> Found | None:
    """Return the meaning of an intent's state.

    `asked`: the buyer pays with the gateway's own script, and may try again with it.
    """
    match payment.status:
        case "requires_capture":
            return Authorised(payment.id)
        case "succeeded":
            return Captured(payment.id, _received(payment))
        case "processing":
            return Unsettled(payment.id)
        case "canceled":
            by_itself = payment.cancellation_reason in {"automatic", "expired"}
            return Lost(payment.id, "the authorisation expired") if by_itself else Voided(payment.id)
        case "requires_action":
            redirect = payment.next_action.redirect_to_url if payment.next_action else None
            return ActionNeeded(payment.id, redirect.url if redirect else None, payment.client_secret)
        case _:  # not confirmed yet
            return ActionNeeded(payment.id, client_secret=payment.client_secret) if asked else None


def _authorisation(found: Found | None) -> Authorisation:
    """Return the answer of `authorise` for an intent that has ended: authorised, or abandoned."""
    assert found is not None, "a hosted session has a meaning"
    if isinstance(found, Captured):
        return Authorised(found.reference)
    return declined(found.reference, "abandoned") if isinstance(found, Voided | Lost) else found


def _declined(reference: str, code: str | None) -> Declined:
    return declined(reference, _DECLINES.get(code or "", DECLINED))


def _key_of(refund: stripe.Refund) -> str | None:
    metadata: dict[str, str] = {} if refund.metadata is None else refund.metadata.to_dict()
    return metadata.get("key")


def _refunding(reference: str, refund: stripe.Refund) -> Refunding:
    if refund.status == "succeeded":
        return Refunded(reference, refund.id)
    if refund.status in {"failed", "canceled"}:
        return RefundFailed(reference, refund.failure_reason or "refused", "The bank refused the refund.")
    return RefundWaiting(reference, refund.id)


def _notice(event: _Event) -> Notice:
    about = event.data.object
    kind = _NOTICES.get(event.type, "other")
    if event.type in {"refund.created", "refund.updated", "charge.refund.updated"}:
        kind = _REFUND_NOTICES.get(about.status or "", "other")
    reference = about.payment_intent if about.payment_intent and not about.id.startswith("cs_") else about.id
    payment_id = None
    with suppress(ValueError):
        payment_id = UUID((about.metadata or {}).get("payment_id", ""))
    return Notice(
        event.id, kind, reference, datetime.fromtimestamp(event.created, UTC), payment_id, event.type
    )


async def _retry_stale_failure(
    call: Callable[[stripe.RequestOptions], Awaitable[Answer]], key: str, again: str | None = None
) -> Answer:
    """Make a call; repeat it under another key when Stripe replays an old failure, as it does for a day.

    `again` is the other key. None: without a key, for a call that the state of the intent allows only once.
    """
    try:
        return await call({"idempotency_key": key})
    except stripe.StripeError as exc:
        own = isinstance(exc, stripe.APIError)  # Stripe's failure, not an answer
        if (exc.headers or {}).get("idempotent-replayed") != "true" or (again is not None and not own):
            raise
        return await call({} if again is None else {"idempotency_key": again})


def _is_replayed(response: Any) -> bool:
    return response is not None and response.headers.get("idempotent-replayed") == "true"


@contextmanager
def _stripe_errors() -> Iterator[None]:
    """Raise failures of Stripe and of the network as `GatewayTrouble`; see `stripe._error`."""
    try:
        yield
    except stripe.APIConnectionError as exc:
        sent = not isinstance(exc.__cause__, _SENT_NOTHING)
        raise GatewayTrouble("Stripe cannot be reached", effect_unknown=sent) from exc
    except stripe.RateLimitError as exc:
        raise GatewayTrouble("Stripe limits our rate of calls", effect_unknown=False) from exc
    except (stripe.AuthenticationError, stripe.PermissionError) as exc:
        raise GatewayTrouble("Stripe does not accept our key", effect_unknown=False) from exc
    except stripe.StripeError as exc:
        raise GatewayTrouble(f"Stripe failed: {exc.code or type(exc).__name__}", effect_unknown=True) from exc
