"""Refunds: pay back what the sales engine has decided, once, however often it is asked for.

The gateway is asked with the key `refund:attempt`, so a repetition returns the state of the refund and never
pays twice. An attempt that fails for good needs a person, who may order the next attempt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import structlog
from prometheus_client import Counter

from evently import sales
from evently.checkout import store
from evently.checkout.nouns import Payment, PaymentRefundState, RefundRow
from evently.checkout.saga import Saga, gateway_of
from evently.db import Connection, Database
from evently.kit.clock import Clock
from evently.payments import (
    Gateway,
    GatewayTrouble,
    PaidBack,
    RefundByHand,
    Refunded,
    RefundFailed,
    Refunding,
    RefundWaiting,
)
from evently.sales import Engine
from evently.sales.commands.bookings import OutsideRefund, RecordOutsideRefunds, RecordRefund
from evently.sales.facts import BookingCancelled, TicketsCancelled
from evently.sales.outbox import JournalFacts
from evently.sales.outcomes import Booked, No
from evently.sales.states import SettledBy

_log: Final = structlog.get_logger(__name__)
_refunds = Counter("evently_refunds", "Attempts at refunds by gateway and result.", ["gateway", "result"])
_BY_HAND: Final = "by-hand"
_BY_OTHERS: Final = "by-others"  # the reference of a refund whose money others had paid back before
LISTED_TRIES_MAX: Final = 4  # to record what the gateway lists, while other notices record it, too
SETTLED_BY_HAND: Final = "settled-by-hand"  # the audit knows it, too (audit/comparison.sql)


async def begin_refunds(tx: Connection, rows: Sequence[JournalFacts]) -> None:
    """Begin the refunds that these journal rows decide: each is due at once. Harmless to repeat."""
    decided = [
        (row.event_id, fact.refund_id, row.at)
        for row in rows
        for fact in row.facts
        if isinstance(fact, BookingCancelled | TicketsCancelled) and fact.refund_id is not None
    ]
    if decided:
        await store.begin_refunds(tx, decided)


class Refunds:
    """Carries out refunds.

    Raises `Trouble` when the gateway or the database fails; the refund is due again later.
    """

    def __init__(
        self, database: Database, engine: Engine, saga: Saga, gateways: Mapping[str, Gateway], clock: Clock
    ) -> None:
        self._database = database
        self._engine = engine
        self._saga = saga
        self._gateways = gateways
        self._clock = clock

    async def carry_out(self, event_id: UUID, refund_id: UUID) -> None:
        """Ask the gateway for a refund and record its answer.

        Asking again uses the same key, which pays nothing twice. Reserved money is captured first; the refund
        of a lost payment settles as `never_paid`.
        """
        refund = await store.begin_refund(self._database, event_id, refund_id, self._clock())
        if refund is None or refund.state != "asking":
            return
        payment = await self._payment_of(refund)
        if not payment.is_final:
            payment = await self._saga.resume(payment)
        if payment.state == "lost":
            await self._settle(refund, "never_paid")
        elif payment.state == "captured":
            await self._note(refund, payment, await self._ask(refund, payment))

    async def recheck(self, payment: Payment) -> None:
        """Ask the gateway what others have paid back, and which settled refunds have failed since.

        A bank may refuse a refund days later.
        """
        await self._record_outside(payment)
        for refund_id in await store.list_settled_refunds(self._database, payment):
            refund = await store.find_refund(self._database, payment.event_id, refund_id)
            assert refund is not None, "refunds are never deleted"
            if refund.failure_code == SETTLED_BY_HAND:
                continue
            answer = await self._ask(refund, payment)
            if isinstance(answer, RefundFailed):
                answer = await self._ask_for_rest(refund, payment, answer)
            if isinstance(answer, RefundFailed):
                await self._fail(refund, payment, answer)

    async def _ask(self, refund: RefundRow, payment: Payment) -> Refunding:
        assert payment.reference is not None, "captured money has a reference"
        key = f"{refund.refund_id}:{refund.attempt}"
        gateway = gateway_of(self._gateways, payment.gateway)
        return await gateway.refund(payment.reference, refund.amount_minor, key, refund.refund_id)

    async def _record_outside(self, payment: Payment) -> list[PaidBack]:
        """Record with the sales engine what others have paid back; return what was paid back in all."""
        assert payment.reference is not None, "captured money has a reference"
        gateway = gateway_of(self._gateways, payment.gateway)
        for _ in range(LISTED_TRIES_MAX):
            known_minor = await sales.reads.sum_outside(self._database, payment.event_id, payment.booking_id)
            paid_back = await gateway.list_paid_back(payment.reference)
            outside = [
                OutsideRefund(each.kind, each.reference, each.amount_minor)
                for each in paid_back
                if each.key is None and each.amount_minor > 0
            ]
            outcome = await self._engine.submit(
                RecordOutsideRefunds(
                    payment.event_id, payment.booking_id, payment.payment_id, tuple(outside), known_minor
                )
            )
            if isinstance(outcome, Booked):
                return paid_back
            assert isinstance(outcome, No), f"the payment was captured: {outcome}"
            assert outcome.reason == "recorded_meanwhile", f"the payment was captured: {outcome}"
        raise GatewayTrouble("others keep telling of refunds of this payment", effect_unknown=False)

    async def _ask_for_rest(self, refund: RefundRow, payment: Payment, failed: RefundFailed) -> Refunding:
        """Return the answer to a refund of what others have left, where they have paid back a part of it."""
        paid_back = await self._record_outside(payment)
        key = f"{refund.refund_id}:{refund.attempt}"
        outside = any(each.key is None for each in paid_back)
        left = payment.amount_minor - sum([each.amount_minor for each in paid_back if each.key != key])
        if not outside or left >= refund.amount_minor:
            return failed
        assert payment.reference is not None, "captured money has a reference"
        if left <= 0:
            return Refunded(payment.reference, _BY_OTHERS)
        gateway = gateway_of(self._gateways, payment.gateway)
        return await gateway.refund(payment.reference, left, key, refund.refund_id, of_rest=True)

    async def settle_by_hand(self, refund: RefundRow, person_id: UUID, reason: str) -> None:
        """Record that a person of the organizer has paid a refund back outside, and why."""
        await self._engine.submit(
            RecordRefund(refund.event_id, refund.booking_id, refund.refund_id, "by_hand", person_id, reason)
        )
        await store.move_refund(
            self._database,
            refund,
            "settled",
            self._clock(),
            failure_code=SETTLED_BY_HAND,
            failure_message=reason,
        )

    async def _note(self, refund: RefundRow, payment: Payment, answer: Refunding) -> None:
        match answer:
            case Refunded(_, refund_reference):
                _refunds.labels(payment.gateway, "settled").inc()
                await self._settle(refund, "gateway", refund_reference)
            case RefundByHand():
                _refunds.labels(payment.gateway, "by_hand").inc()
                await self._settle(refund, "gateway", None, _BY_HAND)
            case RefundWaiting(_, refund_reference):
                await store.move_refund(
                    self._database, refund, "asking", self._clock(), reference=refund_reference
                )
            case RefundFailed():
                rest = await self._ask_for_rest(refund, payment, answer)
                if isinstance(rest, RefundFailed):
                    await self._fail(refund, payment, rest)
                else:
                    await self._note(refund, payment, rest)

    async def _settle(
        self, refund: RefundRow, how: SettledBy, reference: str | None = None, code: str | None = None
    ) -> None:
        """Record the refund with the sales engine, then in its row.

        A crash in between records it with the sales engine twice, which is harmless.
        """
        outcome = await self._engine.submit(
            RecordRefund(refund.event_id, refund.booking_id, refund.refund_id, how)
        )
        assert isinstance(outcome, Booked), f"the sales engine has decided this refund: {outcome}"
        state: PaymentRefundState = "settled" if how == "gateway" else "never_paid"
        await store.move_refund(
            self._database, refund, state, self._clock(), reference=reference, failure_code=code
        )

    async def _fail(self, refund: RefundRow, payment: Payment, answer: RefundFailed) -> None:
        _refunds.labels(payment.gateway, "failed").inc()
        _log.error(
            "refund_failed", refund_id=str(refund.refund_id), event_id=str(refund.event_id), code=answer.code
        )
        await store.move_refund(
            self._database,
            refund,
            "failed",
            self._clock(),
            failure_code=answer.code,
            failure_message=answer.message,
        )

    async def _payment_of(self, refund: RefundRow) -> Payment:
        payment = await store.find_payment(self._database, refund.payment_id)
        assert payment is not None, "a refund is of a payment"
        return payment
