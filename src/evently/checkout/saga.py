"""The saga of a payment: reserve the money, confirm the booking, capture the money; or void it.

`Saga.resume` goes from the state in the row as far as it can. Any process may call it at any time, any number
of times at once: the gateway does each step once for its key, the sales engine confirms a booking once, and
of two processes that move a row from the same state, one succeeds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import structlog
from prometheus_client import Counter

from evently import sales
from evently.checkout import store
from evently.checkout.nouns import NextAction, Payment, PaymentState
from evently.checkout.store import Change, Rows
from evently.db import Database
from evently.kit.clock import Clock
from evently.payments import (
    ActionNeeded,
    Authorised,
    Captured,
    Declined,
    Found,
    Gateway,
    GatewayTrouble,
    Lost,
    RefundFailed,
    Unsettled,
    Voided,
)
from evently.sales import Engine
from evently.sales.commands.bookings import CancelBooking, ConfirmBooking, RecordCapture
from evently.sales.outcomes import Booked, No, SalesRefusal

STEPS_MAX: Final = 12  # of one call of `resume`: the longest path has six
# How long after a change of state the payment is due. Normally the process that made the change has resumed
# it long before; it has died when the payment is still in that state.
RECHECK_AFTER: Final[dict[PaymentState, timedelta | None]] = {
    "authorising": timedelta(seconds=10),
    "action_needed": timedelta(seconds=30),
    "authorised": timedelta(seconds=10),
    "confirmed": timedelta(seconds=10),
    "voiding": timedelta(seconds=10),
    "losing": timedelta(seconds=10),
    "captured": None,
    "declined": None,
    "voided": None,
    "lost": None,
}
# A call to the gateway whose answer was lost may still arrive there after this long. Until then, a payment
# that the gateway does not know may yet reserve money.
UNHEARD_MAX: Final = timedelta(seconds=90)

_log: Final = structlog.get_logger(__name__)
_ended = Counter("evently_payments", "Payments by gateway and final state.", ["gateway", "state"])

Step: TypeAlias = Callable[[Payment], Awaitable[Change | None]]


class Saga:
    """The steps of payments.

    Raises `Trouble` when the gateway or the database fails; the payment is due again later.
    """

    def __init__(
        self, database: Database, engine: Engine, gateways: Mapping[str, Gateway], clock: Clock
    ) -> None:
        self.rows = Rows(database)
        self._database = database
        self._engine = engine
        self._gateways = gateways
        self._clock = clock
        self._steps: dict[PaymentState, Step] = {
            "authorising": self._authorise,
            "action_needed": self._check_buyer,
            "authorised": self._confirm,
            "confirmed": self._capture,
            "voiding": self._void,
            "losing": self._cancel_unpaid,
        }

    async def resume(self, payment: Payment, until: frozenset[PaymentState] = frozenset()) -> Payment:
        """Resume a payment until it is in a state of `until`, is final, or must wait; return it."""
        for _ in range(STEPS_MAX):
            if payment.state in until or payment.is_final:
                break
            change = await self._steps[payment.state](payment)
            if change is None:
                break
            moved = await self.move(payment, change)
            if moved is None:
                payment = await self._reload(payment, change)
            else:
                waits, payment = moved.state == payment.state, moved
                if waits:
                    break
        return payment

    async def move(self, payment: Payment, change: Change) -> Payment | None:
        """Write a change; None when another process has moved the payment from its state."""
        now = self._clock()
        resume_at = payment.resume_at if change.state == payment.state else recheck_at(now, change.state)
        moved = await self.rows.move(payment, change, now, resume_at)
        if moved is not None and moved.is_final:
            _ended.labels(moved.gateway, moved.state).inc()
        return moved

    async def void_late_authorisation(self, payment: Payment) -> None:
        """Void money that the gateway reserved after the payment had been given up."""
        found = await self._gateway(payment).find(payment.intent(), payment.reference)
        if isinstance(found, Authorised | ActionNeeded | Unsettled | Captured):
            _log.warning("late_authorisation", payment_id=str(payment.payment_id), found=type(found).__name__)
            await self._void_or_refund(payment, found.reference)

    # The steps: each returns the change of the payment, or None when the payment must wait -----------------

    async def _authorise(self, payment: Payment) -> Change | None:
        """Ask the gateway to reserve the money; once it knows the payment, ask for its state.

        After the end of the hold, give the payment up.
        """
        if self._clock() >= payment.expires_at and not await self._is_held(payment):
            return Change(state="voiding", failure_code="hold-expired", failure_message=_TOO_LATE)
        gateway = self._gateway(payment)
        if payment.reference is None:
            return _after(payment, await gateway.authorise(payment.intent()))
        return _after(payment, await gateway.find(payment.intent(), payment.reference))

    async def _check_buyer(self, payment: Payment) -> Change | None:
        """Ask the gateway whether the buyer has acted; give the payment up when the hold has ended."""
        found = await self._gateway(payment).find(payment.intent(), payment.reference)
        if isinstance(found, ActionNeeded | Unsettled) and not await self._is_held(payment):
            return Change(state="voiding", failure_code="hold-expired", failure_message=_TOO_LATE)
        return _after(payment, found)

    async def _confirm(self, payment: Payment) -> Change:
        """Confirm the booking. The sales engine does it with one payment, and only while the hold lasts."""
        outcome = await self._engine.submit(
            ConfirmBooking(payment.event_id, payment.booking_id, payment.payment_id, payment.amount_minor)
        )
        if isinstance(outcome, Booked):
            return Change(state="confirmed")
        assert isinstance(outcome, No), "confirming is answered with a booking or a refusal"
        booking = await self.rows.get_due_booking(payment.booking_id)
        if booking.payment_id == payment.payment_id:
            # It was confirmed and then cancelled: its refund pays back captured money.
            return Change(state="confirmed")
        return Change(state="voiding", failure_code=outcome.refusal.value)

    async def _capture(self, payment: Payment) -> Change:
        """Capture the money, and record it with the sales engine."""
        reference = _reference(payment)
        outcome = await self._gateway(payment).capture(
            reference, payment.amount_minor, payment.intent().key("capture")
        )
        if isinstance(outcome, Lost):
            _log.error("capture_lost", payment_id=str(payment.payment_id), why=outcome.why)
            return Change(state="losing", failure_code="capture-lost", failure_message=outcome.why)
        recorded = await self._engine.submit(
            RecordCapture(payment.event_id, payment.booking_id, payment.payment_id)
        )
        assert isinstance(recorded, Booked), f"the booking was confirmed with this payment: {recorded}"
        return Change(state="captured", card_digits=outcome.card_digits)

    async def _void(self, payment: Payment) -> Change | None:
        """Void the reserved money.

        Without a reference, ask the gateway first. When it does not know the payment, wait for `UNHEARD_MAX`:
        a call may still be on its way.
        """
        reference = payment.reference
        if reference is None:
            found = await self._gateway(payment).find(payment.intent(), None)
            if found is None:
                return Change(state="voided") if self._clock() >= payment.changed_at + UNHEARD_MAX else None
            if isinstance(found, Declined | Voided | Lost):
                return Change(state="voided")
            reference = found.reference
        voided = await self._void_or_refund(payment, reference)
        return Change(state="voided", reference=reference) if voided else None

    async def _cancel_unpaid(self, payment: Payment) -> Change:
        """Cancel the booking that was confirmed with money that cannot be captured.

        A used ticket stays: its holder has entered the event.
        """
        booking = await sales.reads.get_booking(self._database, payment.booking_id)
        unused = tuple(ticket.ticket_id for ticket in booking.tickets if ticket.state == "valid")
        if unused and booking.state == "confirmed":
            command = CancelBooking(
                payment.event_id, payment.booking_id, payment.payment_id, None, unused, unpaid=True
            )
            outcome = await self._engine.submit(command)
            if isinstance(outcome, No) and outcome.refusal not in _NOTHING_TO_CANCEL:
                raise outcome.as_error()
        return Change(state="lost")

    async def _void_or_refund(self, payment: Payment, reference: str) -> bool:
        """Void reserved money; refund it when the gateway had captured it. False: the refund failed."""
        gateway, intent = self._gateway(payment), payment.intent()
        if isinstance(await gateway.void(reference, intent.key("void")), Voided):
            return True
        _log.error("captured_before_void", payment_id=str(payment.payment_id))
        refunded = await gateway.refund(
            reference, payment.amount_minor, intent.key("refund"), payment.payment_id
        )
        if isinstance(refunded, RefundFailed):
            _log.error("not_refunded", payment_id=str(payment.payment_id), code=refunded.code)
            return False
        return True

    async def _reload(self, payment: Payment, change: Change) -> Payment:
        """Return the payment as another process has left it.

        Where that process had given it up before the gateway's answer with the reserved money came, void it.
        """
        found = await store.find_payment(self._database, payment.payment_id)
        assert found is not None, "payments are never deleted"
        if (
            change.state in _RESERVES
            and change.reference is not None
            and found.reference is None
            and found.state == "voided"
        ):
            await self._void_or_refund(payment, change.reference)
        return found

    async def _is_held(self, payment: Payment) -> bool:
        booking = await self.rows.get_due_booking(payment.booking_id)
        return booking.is_held(self._clock())

    def _gateway(self, payment: Payment) -> Gateway:
        return gateway_of(self._gateways, payment.gateway)


_TOO_LATE: Final = "The hold ran out before it was paid."
_RESERVES: Final = frozenset({"authorising", "action_needed", "authorised"})
_NOTHING_TO_CANCEL: Final = frozenset({SalesRefusal.ALREADY_CANCELLED, SalesRefusal.TICKET_USED})


def _reference(payment: Payment) -> str:
    assert payment.reference is not None, "reserved money has a reference"
    return payment.reference


def _after(payment: Payment, found: Found | None) -> Change | None:
    """Return the change that a gateway's answer means for a payment that is not authorised yet."""
    match found:
        case Authorised(reference) | Captured(reference):
            return Change(state="authorised", reference=reference)
        case ActionNeeded(reference, url, client_secret):
            action = NextAction("client" if url is None else "redirect", url, client_secret)
            return Change(state="action_needed", reference=reference, next_action=action)
        case Unsettled(reference):
            return Change(state=payment.state, reference=reference, next_action=payment.next_action)
        case Declined(reference, code, message):
            return Change(state="declined", reference=reference, failure_code=code, failure_message=message)
        case Voided(reference):
            return Change(
                state="declined",
                reference=reference,
                failure_code="cancelled",
                failure_message="The payment was cancelled.",
            )
        case Lost(reference, why):
            return Change(state="declined", reference=reference, failure_code="lost", failure_message=why)
        case None:
            return Change(
                state="declined",
                failure_code="lost",
                failure_message="The gateway does not know this payment.",
            )


def gateway_of(gateways: Mapping[str, Gateway], name: str) -> Gateway:
    """Return the gateway that a payment was made with.

    A gateway that is not configured is trouble: it may be configured again later.
    """
    if name not in gateways:
        raise GatewayTrouble(f"the gateway {name} is not configured", effect_unknown=False)
    return gateways[name]


def recheck_at(now: datetime, state: PaymentState) -> datetime | None:
    """Return when a payment that enters a state now is due; None: the state is final."""
    after = RECHECK_AFTER[state]
    return None if after is None else now + after
