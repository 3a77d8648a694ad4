"""A fake server of the part of Stripe's API that we use, with faults on demand and a journal of money.

Form-encoded requests, JSON answers, Stripe's error bodies; idempotency keys as documented (same key and
content: the same answer again, failures of the server included; other content: refused). One request for each
connection, on loopback, in the test's own loop.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import parse_qsl

import httpx2

KEY: Final = "sk_test_fake"
SECRET: Final = "whsec_fake"
DECLINES: Final = {  # payment method -> decline code, as Stripe's own test methods
    "pm_card_chargeDeclined": "generic_decline",
    "pm_card_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_chargeDeclinedExpiredCard": "expired_card",
    "pm_card_chargeDeclinedIncorrectCvc": "incorrect_cvc",
}
METHODS: Final = {
    *DECLINES,
    "pm_card_visa",
    "pm_card_authenticationRequired",
    "pm_late",
    "pm_capture_fails",
    "pm_refund_fails",
    "pm_refund_late",
}
# The least sum of a payment, and what amounts are multiples of (docs.stripe.com/currencies), in Stripe's unit
LEAST: Final = {"gbp": 30, "huf": 17_500, "isk": 1, "ugx": 1, "mga": 1, "kwd": 1, "jpy": 50}
ROUND: Final = {"isk": 100, "ugx": 100, "bhd": 10, "jod": 10, "kwd": 10, "omr": 10, "tnd": 10}

FaultKind = Literal["drop_before", "drop_after", "fail", "fail_after", "too_many", "delay", "garbage"]


class Effect(NamedTuple):
    """A movement of money."""

    kind: Literal["authorised", "captured", "voided", "refunded"]
    intent: str
    amount: int


@dataclass
class Fault:
    """A fault of the next requests whose path ends with a given text. `seconds`: of a delay."""

    kind: FaultKind
    path: str
    times: int = 1
    seconds: float = 0.0


class Refusal(Exception):
    """A response of 4xx."""

    def __init__(self, status: int, kind: str, code: str | None, message: str, **more: object) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"type": kind, "code": code, "message": message, **more}}


@dataclass
class FakeStripe:
    """The state of the server. Tests compare `journal` with our rows."""

    intents: dict[str, dict[str, Any]] = field(default_factory=dict)
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    refunds: dict[str, dict[str, Any]] = field(default_factory=dict)
    disputes: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    journal: list[Effect] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    url: str = ""
    events_listed_max: int = 100  # in a page
    reads_charges: bool = True  # whether the key may
    clock: Callable[[], float] = time.time  # of events
    _answers: dict[str, tuple[str, int, bytes]] = field(default_factory=dict)
    _made: int = 0

    # What tests do

    def fail(self, kind: FaultKind, path: str = "", times: int = 1, seconds: float = 0.0) -> None:
        """Break the next requests whose path ends with `path`."""
        self.faults.append(Fault(kind, path, times, seconds))

    def count(self, kind: str, intent: str | None = None) -> int:
        """Return how often it happened."""
        return sum(effect.kind == kind and intent in (None, effect.intent) for effect in self.journal)

    def forget_keys(self) -> None:
        """Forget all idempotency keys, as after a day."""
        self._answers.clear()

    def buyer(self, intent_id: str, says: Literal["yes", "no"]) -> None:
        """Act as the buyer that an intent needs, or as the bank."""
        intent = self.intents[intent_id]
        assert intent["status"] in {"requires_action", "processing"}
        if says == "yes":
            self._authorise(intent)
        else:
            self._decline(intent, "payment_intent_authentication_failure")

    def pay_session(self, session_id: str, method: str = "pm_card_visa") -> None:
        """Pay on the hosted page."""
        session = self.sessions[session_id]
        assert session["status"] == "open"
        data = session["_intent_data"]
        intent = self._new_intent(
            {**data, "amount": session["amount_total"], "currency": session["currency"]}
        )
        self._confirm(intent, method)
        session |= {"status": "complete", "payment_intent": intent["id"], "payment_status": "unpaid"}
        self._tell("checkout.session.completed", session)

    def expire_authorisation(self, intent_id: str) -> None:
        """Expire an authorisation, as after seven days."""
        self._cancel(self.intents[intent_id], "automatic")

    def settle_refund(self, refund_id: str, status: Literal["succeeded", "failed"]) -> None:
        """Decide on a refund, as the bank."""
        refund = self.refunds[refund_id]
        refund["status"] = status
        self._tell("refund.updated" if status == "succeeded" else "refund.failed", refund)

    def refund_by_hand(self, intent_id: str, amount: int) -> str:
        """Refund in the dashboard: no call of ours."""
        made = self._create_refund({"payment_intent": intent_id, "amount": str(amount)})
        self._tell("charge.refunded", {"id": f"ch_{intent_id}", "payment_intent": intent_id})
        refund_id: str = made["id"]
        return refund_id

    def dispute(self, intent_id: str, amount: int) -> str:
        """Dispute a payment, as the buyer at the bank: the money is withdrawn."""
        made = self._id("du")
        self.disputes[made] = {
            "id": made,
            "object": "dispute",
            "amount": amount,
            "payment_intent": intent_id,
            "status": "needs_response",
        }
        self.journal.append(Effect("refunded", intent_id, amount))
        self._tell("charge.dispute.funds_withdrawn", self.disputes[made])
        return made

    def close_dispute(self, dispute_id: str, status: Literal["won", "lost"]) -> None:
        """Decide on a dispute, as the bank."""
        self.disputes[dispute_id]["status"] = status
        self._tell("charge.dispute.closed", self.disputes[dispute_id])

    async def deliver(
        self,
        to: str,
        *,
        twice: bool = False,
        reordered: bool = False,
        signed_at: float | None = None,
        secret: str = SECRET,
    ) -> list[int]:
        """Send all events so far to an address, as a webhook; returns the answers' statuses."""
        events = self.events[::-1] if reordered else self.events
        async with httpx2.AsyncClient() as client:
            sent = []
            for event in [event for event in events for _ in range(1 + twice)]:
                headers, body = sign(event, signed_at, secret)
                sent.append((await client.post(to, content=body, headers=headers)).status_code)
            return sent

    # What it does

    def answer(
        self, method: str, path: str, params: dict[str, Any], key: str | None
    ) -> tuple[int, bytes, bool]:
        """Return status, body, and whether it is the answer of an earlier request with this key."""
        fingerprint = f"{method} {path} {json.dumps(params, sort_keys=True)}"
        if key is not None and key in self._answers:
            before, status, body = self._answers[key]
            if before != fingerprint:
                refusal = Refusal(
                    400,
                    "idempotency_error",
                    None,
                    "Keys for idempotent requests can only be used with the same parameters.",
                )
                return refusal.status, json.dumps(refusal.body).encode(), False
            return status, body, True
        try:
            status, found = 200, self._route(method, path, params)
        except Refusal as refusal:
            status, found = refusal.status, refusal.body
        body = json.dumps({name: value for name, value in found.items() if not name.startswith("_")}).encode()
        if key is not None and status != 429:
            self._answers[key] = (fingerprint, status, body)
        return status, body, False

    def remember_failure(self, method: str, path: str, params: dict[str, Any], key: str | None) -> None:
        """Store a failure under its key, as Stripe does."""
        if key is not None:
            body = json.dumps(
                {"error": {"type": "api_error", "message": "An unknown error occurred"}}
            ).encode()
            self._answers.setdefault(
                key, (f"{method} {path} {json.dumps(params, sort_keys=True)}", 500, body)
            )

    def _route(self, method: str, path: str, params: dict[str, Any]) -> dict[str, Any]:
        routes: list[tuple[str, str, Callable[..., dict[str, Any]]]] = [
            ("POST", r"/v1/payment_intents", lambda: self._create_intent(params)),
            (
                "GET",
                r"/v1/payment_intents/(\w+)",
                lambda name: self._with_charge(self._get(self.intents, name), params),
            ),
            ("POST", r"/v1/payment_intents/(\w+)/confirm", lambda name: self._confirm_intent(name, params)),
            ("POST", r"/v1/payment_intents/(\w+)/capture", lambda name: self._capture_intent(name, params)),
            ("POST", r"/v1/payment_intents/(\w+)/cancel", self._cancel_intent),
            ("POST", r"/v1/refunds", lambda: self._create_refund(params)),
            ("GET", r"/v1/refunds", lambda: self._list_refunds(params)),
            ("GET", r"/v1/disputes", lambda: self._list_disputes(params)),
            ("GET", r"/v1/events", lambda: self._list_events(params)),
            ("GET", r"/v1/refunds/(\w+)", lambda name: self._get(self.refunds, name)),
            ("POST", r"/v1/checkout/sessions", lambda: self._create_session(params)),
            (
                "GET",
                r"/v1/checkout/sessions/(\w+)",
                lambda name: self._expanded(self._get(self.sessions, name), params),
            ),
            ("POST", r"/v1/checkout/sessions/(\w+)/expire", self._expire_session),
        ]
        for verb, pattern, handler in routes:
            if verb == method and (match := re.fullmatch(pattern, path)):
                return handler(*match.groups())
        raise Refusal(404, "invalid_request_error", None, f"Unrecognized request URL ({method}: {path}).")

    @staticmethod
    def _get(there: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
        if name not in there:
            raise Refusal(404, "invalid_request_error", "resource_missing", f"No such object: '{name}'")
        return there[name]

    def _id(self, prefix: str) -> str:
        self._made += 1
        return f"{prefix}_{self._made:08d}"

    def _create_intent(self, params: dict[str, Any]) -> dict[str, Any]:
        _check_amount(int(params["amount"]), params["currency"], LEAST.get(params["currency"], 50))
        assert params["capture_method"] == "manual"
        return self._new_intent(params)

    def _new_intent(self, params: dict[str, Any]) -> dict[str, Any]:
        made = self._id("pi")
        self.intents[made] = {
            "id": made,
            "object": "payment_intent",
            "status": "requires_payment_method",
            "amount": int(params["amount"]),
            "amount_received": 0,
            "currency": params["currency"],
            "client_secret": f"{made}_secret",
            "cancellation_reason": None,
            "last_payment_error": None,
            "next_action": None,
            "metadata": params.get("metadata", {}),
            "_method": None,
        }
        return self.intents[made]

    def _confirm_intent(self, name: str, params: dict[str, Any]) -> dict[str, Any]:
        intent = self._get(self.intents, name)
        if intent["status"] not in {"requires_payment_method", "requires_confirmation"}:
            raise _unexpected(intent)
        return self._confirm(intent, params["payment_method"])

    def _confirm(self, intent: dict[str, Any], method: str) -> dict[str, Any]:
        if method not in METHODS:
            raise Refusal(
                400,
                "invalid_request_error",
                "resource_missing",
                f"No such PaymentMethod: '{method}'",
                param="payment_method",
            )
        intent["_method"] = method
        if method in DECLINES:
            self._decline(intent, DECLINES[method])
            raise Refusal(
                402, "card_error", "card_declined", "Your card was declined.", decline_code=DECLINES[method]
            )
        if method == "pm_card_authenticationRequired":
            action = {
                "type": "redirect_to_url",
                "redirect_to_url": {"url": f"https://bank.example/{intent['id']}", "return_url": None},
            }
            intent |= {"status": "requires_action", "next_action": action}
            self._tell("payment_intent.requires_action", intent)
        elif method == "pm_late":
            intent["status"] = "processing"
        else:
            self._authorise(intent)
        return intent

    def _authorise(self, intent: dict[str, Any]) -> None:
        intent |= {"status": "requires_capture", "next_action": None}
        self.journal.append(Effect("authorised", intent["id"], intent["amount"]))
        self._tell("payment_intent.amount_capturable_updated", intent)

    def _decline(self, intent: dict[str, Any], code: str) -> None:
        error = {
            "type": "card_error",
            "code": "card_declined",
            "decline_code": code,
            "message": "Your card was declined.",
        }
        intent |= {"status": "requires_payment_method", "next_action": None, "last_payment_error": error}
        self._tell("payment_intent.payment_failed", intent)

    def _capture_intent(self, name: str, params: dict[str, Any]) -> dict[str, Any]:
        intent = self._get(self.intents, name)
        if intent["status"] != "requires_capture":
            raise _unexpected(intent)
        if intent["_method"] == "pm_capture_fails":
            self._cancel(intent, "failed_invoice")
            raise Refusal(
                402, "card_error", "charge_expired_for_capture", "The charge cannot be captured any more."
            )
        amount = int(params.get("amount_to_capture", intent["amount"]))
        intent |= {"status": "succeeded", "amount_received": amount}
        self.journal.append(Effect("captured", name, amount))
        self._tell("payment_intent.succeeded", intent)
        return intent

    def _cancel_intent(self, name: str) -> dict[str, Any]:
        intent = self._get(self.intents, name)
        if intent["status"] in {"succeeded", "canceled", "processing"}:
            raise _unexpected(intent)
        return self._cancel(intent, None)

    def _cancel(self, intent: dict[str, Any], reason: str | None) -> dict[str, Any]:
        if intent["status"] == "requires_capture":
            self.journal.append(Effect("voided", intent["id"], intent["amount"]))
        intent |= {"status": "canceled", "cancellation_reason": reason, "next_action": None}
        self._tell("payment_intent.canceled", intent)
        return intent

    def _create_refund(self, params: dict[str, Any]) -> dict[str, Any]:
        intent = self._get(self.intents, params["payment_intent"])
        amount = int(params["amount"])
        _check_amount(amount, intent["currency"], 1)
        back = sum(
            refund["amount"] for refund in self._refunds_of(intent["id"]) if refund["status"] != "failed"
        )
        if intent["status"] != "succeeded" or back + amount > intent["amount_received"]:
            raise Refusal(
                400,
                "invalid_request_error",
                "charge_already_refunded",
                "Refund amount is greater than the amount left.",
            )
        method = intent["_method"]
        failed = method == "pm_refund_fails" and not self._refunds_of(intent["id"])
        made = self._id("re")
        self.refunds[made] = {
            "id": made,
            "object": "refund",
            "amount": amount,
            "payment_intent": intent["id"],
            "status": "failed" if failed else "pending" if method == "pm_refund_late" else "succeeded",
            "failure_reason": "lost_or_stolen_card" if failed else None,
            "metadata": params.get("metadata", {}),
        }
        if not failed:
            self.journal.append(Effect("refunded", intent["id"], amount))
        self._tell("refund.created", self.refunds[made])
        return self.refunds[made]

    def _refunds_of(self, intent_id: str) -> list[dict[str, Any]]:
        return [refund for refund in self.refunds.values() if refund["payment_intent"] == intent_id]

    def _list_refunds(self, params: dict[str, Any]) -> dict[str, Any]:
        data = self._refunds_of(params["payment_intent"])[::-1]
        return {"object": "list", "url": "/v1/refunds", "has_more": False, "data": data}

    def _list_disputes(self, params: dict[str, Any]) -> dict[str, Any]:
        data = [each for each in self.disputes.values() if each["payment_intent"] == params["payment_intent"]]
        return {"object": "list", "url": "/v1/disputes", "has_more": False, "data": data}

    def _list_events(self, params: dict[str, Any]) -> dict[str, Any]:
        types, since = params["types"].values(), int(params["created"]["gte"])
        wanted = [each for each in self.events if each["type"] in types and each["created"] >= since][::-1]
        if (after := params.get("starting_after")) is not None:
            ids = [each["id"] for each in wanted]
            if after not in ids:
                raise Refusal(400, "invalid_request_error", "resource_missing", f"No such event: '{after}'")
            wanted = wanted[ids.index(after) + 1 :]
        page = wanted[: min(int(params["limit"]), self.events_listed_max)]
        return {
            "object": "list",
            "url": "/v1/events",
            "has_more": len(wanted) > len(page),
            "data": page,
        }

    def _create_session(self, params: dict[str, Any]) -> dict[str, Any]:
        if not 1800 <= int(params["expires_at"]) - time.time() <= 86_400:
            raise Refusal(
                400,
                "invalid_request_error",
                None,
                "expires_at must be 30 minutes to 24 hours away",
                param="expires_at",
            )
        line = params["line_items"]["0"]
        made = self._id("cs")
        self.sessions[made] = {
            "id": made,
            "object": "checkout.session",
            "status": "open",
            "url": f"https://checkout.example/{made}",
            "payment_intent": None,
            "amount_total": int(line["price_data"]["unit_amount"]) * int(line["quantity"]),
            "currency": line["price_data"]["currency"],
            "metadata": params.get("metadata", {}),
            "_intent_data": params["payment_intent_data"],
        }
        return self.sessions[made]

    def _expanded(self, session: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
        if session["payment_intent"] is None or params.get("expand", {}).get("0") != "payment_intent":
            return session
        intent = self.intents[session["payment_intent"]]
        return {
            **session,
            "payment_intent": {name: value for name, value in intent.items() if not name.startswith("_")},
        }

    def _with_charge(self, intent: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
        """Return an intent with its charge, if that is wanted and the key may read charges."""
        if params.get("expand", {}).get("0") != "latest_charge":
            return intent
        if not self.reads_charges:
            raise Refusal(403, "invalid_request_error", None, "The provided key does not have access.")
        if intent["status"] not in {"requires_capture", "succeeded"}:
            return {**intent, "latest_charge": None}
        card = None if intent["_method"] == "pm_late" else {"last4": "4242", "brand": "visa"}
        kind = "sepa_debit" if card is None else "card"
        details = {"type": kind, kind: card or {"last4": "3000"}}
        charge = {"id": f"ch_{intent['id']}", "object": "charge", "payment_method_details": details}
        return {**intent, "latest_charge": charge}

    def _expire_session(self, name: str) -> dict[str, Any]:
        session = self._get(self.sessions, name)
        if session["status"] != "open":
            raise Refusal(400, "invalid_request_error", None, "Only open sessions can be expired")
        session["status"] = "expired"
        self._tell("checkout.session.expired", session)
        return session

    def _tell(self, kind: str, about: dict[str, Any]) -> None:
        shown = {name: value for name, value in about.items() if not name.startswith("_")}
        made = {
            "id": self._id("evt"),
            "object": "event",
            "type": kind,
            "created": int(self.clock()),
            "data": {"object": shown},
        }
        self.events.append(json.loads(json.dumps(made)))


def sign(
    event: dict[str, Any], at: float | None = None, secret: str = SECRET
) -> tuple[dict[str, str], bytes]:
    """Return headers and body of a webhook, signed at an instant; by default now."""
    body = json.dumps(event).encode()
    stamp = int(time.time() if at is None else at)
    signature = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={stamp},v1={signature}", "content-type": "application/json"}, body


def nest(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Return `a[b][0]=c` as nested dictionaries."""
    nested: dict[str, Any] = {}
    for name, value in pairs:
        *path, last = re.findall(r"[^\[\]]+", name)
        inner = nested
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return nested


def _check_amount(amount: int, currency: str, least: int) -> None:
    """Refuse what Stripe does not take: too small a sum, or decimals that the currency does not have."""
    if amount < least:
        raise Refusal(400, "invalid_request_error", "amount_too_small", f"Amount must be at least {least}")
    if amount % ROUND.get(currency, 1):
        raise Refusal(400, "invalid_request_error", "invalid_charge_amount", "The last digits must be 0")


def _unexpected(intent: dict[str, Any]) -> Refusal:
    return Refusal(
        400,
        "invalid_request_error",
        "payment_intent_unexpected_state",
        f"This PaymentIntent is {intent['status']}.",
    )


@asynccontextmanager
async def fake_stripe() -> AsyncIterator[FakeStripe]:
    """Serve on a free port of the loopback."""
    fake = FakeStripe()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _serve(fake, reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()
        await server.wait_closed()


async def _serve(fake: FakeStripe, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lines = head.split("\r\n")
    method, target, _ = lines[0].split(" ")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)
    }
    sent = (await reader.readexactly(int(headers.get("content-length", 0)))).decode()
    path, _, query = target.partition("?")
    params = nest(parse_qsl(query if method == "GET" else sent))
    key = headers.get("idempotency-key") if method == "POST" else None
    fake.requests.append(f"{method} {path}")
    fault = next((fault for fault in fake.faults if fault.times and path.endswith(fault.path)), None)
    kind = None
    if fault is not None:
        fault.times -= 1
        kind = fault.kind
        await asyncio.sleep(fault.seconds)
    if kind == "drop_before":
        return
    if headers.get("authorization") != f"Bearer {KEY}":
        status, body, replayed = (
            401,
            b'{"error": {"type": "invalid_request_error", "message": "Invalid API Key provided"}}',
            False,
        )
    elif kind == "too_many":
        status, body, replayed = (
            429,
            b'{"error": {"type": "invalid_request_error", "code": "rate_limit", "message": "Too many"}}',
            False,
        )
    elif kind == "fail":
        fake.remember_failure(method, path, params, key)
        status, body, replayed = (
            500,
            b'{"error": {"type": "api_error", "message": "An unknown error occurred"}}',
            False,
        )
    else:
        status, body, replayed = fake.answer(method, path, params, key)
    if kind == "fail_after":
        status, body = 500, b'{"error": {"type": "api_error", "message": "An unknown error occurred"}}'
    if kind == "garbage":
        body = b"<html>gateway timeout</html>"
    if kind == "drop_after":
        return
    extra = "idempotent-replayed: true\r\n" if replayed else ""
    reply = (
        f"HTTP/1.1 {status} .\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        f"connection: close\r\n{extra}\r\n"
    )
    writer.write(reply.encode() + body)
    await writer.drain()
