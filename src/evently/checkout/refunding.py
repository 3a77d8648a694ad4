"""Paying back what the till has decided to pay back: once, however often it is asked for.

The gateway is asked with the key `refund:attempt`, so that a repetition tells how far the refund is and never
pays twice. An attempt that fails for good is for a person to look at; the next attempt is theirs to order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import structlog
from prometheus_client import Counter

from evently.checkout import store
from evently.checkout.nouns import Payment, RefundRow, RefundState
from evently.checkout.saga import Saga, gateway_of
from evently.db import Database
from evently.kit.clock import Clock
from evently.payments import Gateway, RefundByHand, Refunded, RefundFailed, Refunding, RefundWaiting
from evently.sales import Engine
from evently.sales.commands import Booked, RecordRefund

_log: Final = structlog.get_logger(__name__)
_refunds = Counter("evently_refunds", "Attempts at refunds by gateway and result.", ["gateway", "result"])
_BY_HAND: Final = "by-hand"


class Refunds:
    """Carries out refunds. Raises `Trouble` when the world fails; the row then says that somebody must go on."""

    def __init__(
        self, database: Database, engine: Engine, saga: Saga, gateways: Mapping[str, Gateway], clock: Clock
    ) -> None:
        self._database = database
        self._engine = engine
        self._saga = saga
        self._gateways = gateways
        self._clock = clock

    async def carry_out(self, event_id: UUID, refund_id: UUID) -> None:
        """Pay back, or find out how far that is.

        Harmless to repeat. Money that was not taken yet is taken first.
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

    async def check_again(self, payment: Payment) -> None:
        """Look whether what was paid back has come back since: a bank may refuse it days later."""
        for refund_id in await store.list_settled_refunds(self._database, payment):
            refund = await store.find_refund(self._database, payment.event_id, refund_id)
            assert refund is not None, "refunds are never deleted"
            told = await self._ask(refund, payment)
            if isinstance(told, RefundFailed):
                await self._fail(refund, payment, told)

    async def _ask(self, refund: RefundRow, payment: Payment) -> Refunding:
        assert payment.reference is not None, "what was captured has a name"
        key = f"{refund.refund_id}:{refund.attempt}"
        gateway = gateway_of(self._gateways, payment.gateway)
        return await gateway.refund(payment.reference, refund.amount_minor, key, refund.refund_id)

    async def _note(self, refund: RefundRow, payment: Payment, told: Refunding) -> None:
        match told:
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
                await self._fail(refund, payment, told)

    async def _settle(
        self, refund: RefundRow, how: str, reference: str | None = None, code: str | None = None
    ) -> None:
        """Tell the till, then note it: a crash in between tells the till again, which is harmless."""
        outcome = await self._engine.submit(
            RecordRefund(refund.event_id, refund.booking_id, refund.refund_id, how)
        )
        assert isinstance(outcome, Booked), f"the till has decided on this refund: {outcome}"
        state: RefundState = "settled" if how == "gateway" else "never_paid"
        await store.move_refund(
            self._database, refund, state, self._clock(), reference=reference, failure_code=code
        )

    async def _fail(self, refund: RefundRow, payment: Payment, told: RefundFailed) -> None:
        _refunds.labels(payment.gateway, "failed").inc()
        _log.error(
            "refund_failed", refund_id=str(refund.refund_id), event_id=str(refund.event_id), code=told.code
        )
        await store.move_refund(
            self._database,
            refund,
            "failed",
            self._clock(),
            failure_code=told.code,
            failure_message=told.message,
        )

    async def _payment_of(self, refund: RefundRow) -> Payment:
        payment = await store.find_payment(self._database, refund.payment_id)
        assert payment is not None, "a refund is of a payment"
        return payment
