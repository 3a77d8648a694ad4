"""The way of a payment, one step at a time: reserve the money, confirm the booking, take the money; or let go of it.

`Saga.resume` goes on from the state in the row as far as it can. It may be called at any time, by anybody, any number of times at once: the
gateway does a thing once for a key, the till confirms a booking once, and of two who change a row from one state one does.
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
from evently.sales.commands import Booked, CancelBooking, ConfirmBooking, No, RecordCapture, SalesRefusal

STEPS_MAX: Final = 12  # of one resumption: the longest way has six
# How long after a change of state somebody looks whether it was forgotten. Whoever made the change normally
# goes on at once.
LOOK_AFTER: Final[dict[PaymentState, timedelta | None]] = {
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
# A call to the gateway that somebody made and did not hear the end of may arrive so much later; nothing is
# concluded from silence before.
SILENCE: Final = timedelta(seconds=90)

_log: Final = structlog.get_logger(__name__)
_ended = Counter(
    "evently_payments", "Payments by gateway and the state that they came to.", ["gateway", "state"]
)

Step: TypeAlias = Callable[[Payment], Awaitable[Change | None]]


class Saga:
    """The steps of payments. Raises `Trouble` when the world fails; the row then says where to go on."""

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
            "action_needed": self._look,
            "authorised": self._confirm,
            "confirmed": self._capture,
            "voiding": self._void,
            "losing": self._lose,
        }

    async def resume(self, payment: Payment, until: frozenset[PaymentState] = frozenset()) -> Payment:
        """Go on with a payment until it is in one of these states, is final, or must wait for somebody; return it."""
        for _ in range(STEPS_MAX):
            if payment.state in until or payment.is_final:
                break
            change = await self._steps[payment.state](payment)
            if change is None:
                break
            moved = await self.move(payment, change)
            if moved is None:
                payment = await self._overtaken(payment, change)
            else:
                waits, payment = moved.state == payment.state, moved
                if waits:
                    break
        return payment

    async def move(self, payment: Payment, change: Change) -> Payment | None:
        """Write a change; None when the payment has left its state meanwhile."""
        now = self._clock()
        resume_at = payment.resume_at if change.state == payment.state else look_at(now, change.state)
        moved = await self.rows.move(payment, change, now, resume_at)
        if moved is not None and moved.is_final:
            _ended.labels(moved.gateway, moved.state).inc()
        return moved

    async def let_go(self, payment: Payment) -> None:
        """Let go of money that a payment without any claim on it has reserved after all: the answer came when nobody waited any more."""
        found = await self._gateway(payment).find(payment.intent(), payment.reference)
        if isinstance(found, Authorised | ActionNeeded | Unsettled | Captured):
            _log.warning("late_authorisation", payment_id=str(payment.payment_id), found=type(found).__name__)
            await self._release(payment, found.reference)

    # The steps: each returns what it makes of the payment, or None when there is nothing to do but wait -----

    async def _authorise(self, payment: Payment) -> Change | None:
        """Ask the gateway to reserve the money; once it knows of the payment, or nobody wants it any more, ask what became of it."""
        if self._clock() >= payment.expires_at and not await self._is_wanted(payment):
            return Change(state="voiding", failure_code="hold-expired", failure_message=_TOO_LATE)
        gateway = self._gateway(payment)
        if payment.reference is None:
            return _after(payment, await gateway.authorise(payment.intent()))
        return _after(payment, await gateway.find(payment.intent(), payment.reference))

    async def _look(self, payment: Payment) -> Change | None:
        """Ask the gateway whether the buyer has done what was needed; without a hold to pay for, stop asking for it."""
        found = await self._gateway(payment).find(payment.intent(), payment.reference)
        if isinstance(found, ActionNeeded | Unsettled) and not await self._is_wanted(payment):
            return Change(state="voiding", failure_code="hold-expired", failure_message=_TOO_LATE)
        return _after(payment, found)

    async def _confirm(self, payment: Payment) -> Change:
        """Ask the till. It confirms a booking with one payment; with any other, and after the hold, it refuses."""
        outcome = await self._engine.submit(
            ConfirmBooking(payment.event_id, payment.booking_id, payment.payment_id, payment.amount_minor)
        )
        if isinstance(outcome, Booked):
            return Change(state="confirmed")
        assert isinstance(outcome, No), "confirming is answered with a booking or a refusal"
        booking = await self.rows.get_due_booking(payment.booking_id)
        if booking.payment_id == payment.payment_id:
            return Change(
                state="confirmed"
            )  # and cancelled since: what is paid back of it must have been taken
        return Change(state="voiding", failure_code=outcome.refusal.value)

    async def _capture(self, payment: Payment) -> Change:
        """Take the money, and tell the till."""
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
        return Change(state="captured")

    async def _void(self, payment: Payment) -> Change | None:
        """Let go of the money. When nobody knows whether any was reserved, ask, and believe a no only after a while."""
        reference = payment.reference
        if reference is None:
            found = await self._gateway(payment).find(payment.intent(), None)
            if found is None:
                return Change(state="voided") if self._clock() >= payment.changed_at + SILENCE else None
            if isinstance(found, Declined | Voided | Lost):
                return Change(state="voided")
            reference = found.reference
        return (
            Change(state="voided", reference=reference) if await self._release(payment, reference) else None
        )

    async def _lose(self, payment: Payment) -> Change:
        """Cancel the booking that was confirmed with money that never came.

        A used ticket stays: somebody was let in with it.
        """
        booking = await sales.reads.get_booking(self._database, payment.booking_id)
        unused = tuple(ticket.ticket_id for ticket in booking.tickets if ticket.state == "valid")
        if unused and booking.state == "confirmed":
            command = CancelBooking(
                payment.event_id, payment.booking_id, payment.payment_id, None, unused, unpaid=True
            )
            outcome = await self._engine.submit(command)
            if isinstance(outcome, No) and outcome.refusal not in _CANCELLED_MEANWHILE:
                raise outcome.as_error()
        return Change(state="lost")

    async def _release(self, payment: Payment, reference: str) -> bool:
        """Let go of reserved money; give back what was taken before we could. False: not yet."""
        gateway, intent = self._gateway(payment), payment.intent()
        if isinstance(await gateway.void(reference, intent.key("void")), Voided):
            return True
        _log.error("taken_before_it_was_let_go", payment_id=str(payment.payment_id))
        given_back = await gateway.refund(
            reference, payment.amount_minor, intent.key("refund"), payment.payment_id
        )
        if isinstance(given_back, RefundFailed):
            _log.error("not_given_back", payment_id=str(payment.payment_id), code=given_back.code)
            return False
        return True

    async def _overtaken(self, payment: Payment, change: Change) -> Payment:
        """Return the payment as somebody else has left it.

        When they gave it up before we heard what was reserved, that is let go.
        """
        found = await store.find_payment(self._database, payment.payment_id)
        assert found is not None, "payments are never deleted"
        if (
            change.state in _RESERVES
            and change.reference is not None
            and found.reference is None
            and found.state == "voided"
        ):
            await self._release(payment, change.reference)
        return found

    async def _is_wanted(self, payment: Payment) -> bool:
        booking = await self.rows.get_due_booking(payment.booking_id)
        return booking.is_held(self._clock())

    def _gateway(self, payment: Payment) -> Gateway:
        return gateway_of(self._gateways, payment.gateway)


_TOO_LATE: Final = "The hold ran out before it was paid."
_RESERVES: Final = frozenset({"authorising", "action_needed", "authorised"})
_CANCELLED_MEANWHILE: Final = frozenset({SalesRefusal.ALREADY_CANCELLED, SalesRefusal.TICKET_USED})


def _reference(payment: Payment) -> str:
    assert payment.reference is not None, "the gateway has a name for what it has reserved"
    return payment.reference


def _after(payment: Payment, found: Found | None) -> Change | None:
    """Return what the gateway's answer makes of a payment that is not authorised yet."""
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
                failure_message="The gateway knows nothing of this payment.",
            )


def gateway_of(gateways: Mapping[str, Gateway], name: str) -> Gateway:
    """Return the gateway that a payment was made with.

    One that is configured no longer is trouble: it may be again.
    """
    if name not in gateways:
        raise GatewayTrouble(f"there is no gateway {name} here", effect_unknown=False)
    return gateways[name]


def look_at(now: datetime, state: PaymentState) -> datetime | None:
    """Return when somebody should look at a payment that comes to a state now; None: nobody needs to."""
    after = LOOK_AFTER[state]
    return None if after is None else now + after
