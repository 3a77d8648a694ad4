"""The checkout desk: what requests, jobs and the gateways ask for.

A request does what it can within a bound and answers what is known; what it began goes on in this process,
and should that die, by a job: the row says when somebody should look at it (`sweep`).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
import structlog
from msgspec.structs import replace

from evently import jobs
from evently.checkout import store
from evently.checkout.nouns import (
    LIVE,
    PAID,
    CheckoutRefusal,
    DueBooking,
    Paid,
    Payment,
    PaymentChoice,
    PaymentState,
    RefundRow,
)
from evently.checkout.refunding import Refunds
from evently.checkout.saga import Saga, look_at
from evently.checkout.store import Change
from evently.db import Database
from evently.jobs import Job
from evently.kit.clock import Clock
from evently.kit.errors import Refused, Trouble
from evently.kit.ids import IdSource, show_id
from evently.payments import Forged, Gateway, Notice, inbox
from evently.payments.inbox import StoredNotice
from evently.sales import Engine
from evently.sales.commands import SalesRefusal

ANSWER_SECONDS_MAX: Final = 8.0  # a request waits no longer for a gateway; a person would think that it hangs
ROOM_TRIES_MAX: Final = 4  # to begin a payment while others begin and end theirs
GOING_ON_MAX: Final = 500  # payments of one process that go on after their answer; others wait for a job
SWEPT_MAX: Final = 200  # payments, and refunds, at a time
# What a buyer can be told about: it is paid, they must do something, or it will not be.
_ANSWERS: Final[frozenset[PaymentState]] = frozenset(
    {"action_needed", "confirmed", "captured", "declined", "voiding", "voided", "losing", "lost"}
)
_TO_BE_ENDED: Final = frozenset({"confirmed", "voiding", "losing"})
_UNWANTED: Final = frozenset({"declined", "voided", "lost"})

_TAKES: Final = frozenset({"authorised", "action_needed", "captured"})
_GIVES_BACK: Final = frozenset({"refunded", "refund_failed"})

Result = TypeVar("Result")

_log: Final = structlog.get_logger(__name__)


class Checkout:
    """One process's desk. `gateways` by name; `gateway` is the one that new payments are made with, None: nothing is paid online."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        gateways: Mapping[str, Gateway],
        gateway: str | None,
        clock: Clock,
        new_id: IdSource,
        *,
        answer_seconds_max: float = ANSWER_SECONDS_MAX,
    ) -> None:
        assert gateway is None or gateway in gateways, "new payments are made with a gateway that there is"
        self.gateways = gateways
        self.saga = Saga(database, engine, gateways, clock)
        self.refunds = Refunds(database, engine, self.saga, gateways, clock)
        self._gateway = gateway
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._answer_seconds_max = answer_seconds_max
        self._going_on: set[asyncio.Task[Any]] = set()

    async def stop(self) -> None:
        """Let what goes on end, within a bound, and the gateways go; what is left undone is left to a job."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._answer_seconds_max):
                await self.quiet()
        left = list(self._going_on)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for gateway in self.gateways.values():
            await gateway.close()

    # Buyers -------------------------------------------------------------------------------------------------

    async def pay(
        self, booking_id: UUID, buyer_id: UUID, wish: PaymentChoice, key: str | None = None
    ) -> Paid:
        """Pay for a booking, or go on with the payment that it has. Refuses what cannot or need not be paid.

        The answer is what is known within a few seconds: `authorising` means that the gateway has not
        answered, and that we go on asking.
        """
        due = await self.saga.rows.get_due_booking(booking_id)
        if due.buyer_id != buyer_id:
            raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
        wish = self._storable(wish)
        fingerprint = hashlib.sha256(booking_id.bytes + msgspec.json.encode(wish)).digest()
        for _ in range(ROOM_TRIES_MAX):
            now = self._clock()
            no = self._no_payment(due, now)
            begun = (
                None if no else await self.saga.rows.begin(self._attempt(due, wish, fingerprint, now), key)
            )
            if begun is not None:
                return Paid(await self._advance(begun), replayed=False)
            if (
                key is not None
                and (again := await store.find_payment_by_key(self._database, due.event_id, buyer_id, key))
                is not None
            ):
                if again.fingerprint != fingerprint:
                    raise Refused(SalesRefusal.KEY_REUSED)
                return Paid(await self._advance(again), replayed=True)
            if no is not None:
                raise no
            if (same := await self._make_way(due, fingerprint)) is not None:
                return Paid(await self._advance(same), replayed=True)
            due = await self.saga.rows.get_due_booking(booking_id)
        raise Refused(CheckoutRefusal.PAYMENT_PENDING)

    def _storable(self, wish: PaymentChoice) -> PaymentChoice:
        """Return a wish as it may be kept: without a card number."""
        return (
            wish
            if self._gateway is None
            else replace(wish, method=self.gateways[self._gateway].storable_method(wish.method))
        )

    def _no_payment(self, due: DueBooking, now: datetime) -> Refused | None:
        """Return why a booking cannot, or need not, be paid now."""
        if due.state == "confirmed":
            return Refused(SalesRefusal.ALREADY_CONFIRMED)
        if due.state == "cancelled":
            return Refused(SalesRefusal.ALREADY_CANCELLED)
        if not due.is_held(now):
            return Refused(SalesRefusal.HOLD_EXPIRED)
        if not due.online or due.amount_minor == 0:
            return Refused(CheckoutRefusal.NOTHING_TO_PAY)
        return (
            Refused(CheckoutRefusal.NOTHING_TO_PAY, "no_online_payments") if self._gateway is None else None
        )

    def _attempt(self, due: DueBooking, wish: PaymentChoice, fingerprint: bytes, now: datetime) -> Payment:
        assert self._gateway is not None, "somebody takes the money"
        assert due.expires_at is not None, "what can be paid is held until some time"
        return Payment(
            event_id=due.event_id,
            payment_id=self._new_id(),
            booking_id=due.booking_id,
            buyer_id=due.buyer_id,
            attempt=0,
            fingerprint=fingerprint,
            gateway=self._gateway,
            method=wish.method,
            hosted=wish.hosted,
            return_url=wish.return_url,
            description=due.description,
            expires_at=due.expires_at,
            reference=None,
            next_action=None,
            failure_code=None,
            failure_message=None,
            state="authorising",
            amount_minor=due.amount_minor,
            currency=due.currency,
            created_at=now,
            changed_at=now,
            resume_at=look_at(now, "authorising"),
            tries=0,
        )

    async def _make_way(self, due: DueBooking, fingerprint: bytes) -> Payment | None:
        """Return the live payment that came of the same wish; let one that waits for its buyer make way for another wish of theirs."""
        latest = await store.find_latest_payment(self._database, due.booking_id)
        if latest is None or latest.state not in LIVE or latest.state in PAID:
            return None
        if latest.fingerprint == fingerprint:
            return latest
        if latest.state != "action_needed":
            raise Refused(CheckoutRefusal.PAYMENT_PENDING, payment_id=show_id("pay", latest.payment_id))
        given_up = await self.saga.move(
            latest, Change(state="voiding", failure_code="replaced", failure_message=_REPLACED)
        )
        if given_up is not None:
            self._go_on(self._resume(given_up))
        return None

    async def _advance(self, payment: Payment, until: frozenset[PaymentState] = _ANSWERS) -> Payment:
        """Go on with a payment; return it once there is something to tell, or after a while as it is.

        It goes on by itself.
        """
        if payment.state in until:
            return payment
        answer: asyncio.Future[Payment | None] = asyncio.get_running_loop().create_future()
        task = self._go_on(self._live(payment, until, answer))
        either: set[asyncio.Future[Any]] = {answer, task}
        await asyncio.wait(either, timeout=self._answer_seconds_max, return_when=asyncio.FIRST_COMPLETED)
        told = answer.result() if answer.done() else task.result() if task.done() else None
        if told is None:
            told = await store.find_payment(self._database, payment.payment_id)
            assert told is not None, "payments are never deleted"
        return told

    async def _live(
        self, payment: Payment, until: frozenset[PaymentState], answer: asyncio.Future[Payment | None]
    ) -> None:
        """Tell what there is to tell of a payment, and then bring it to its end."""
        told = await self._resume(payment, until)
        answer.set_result(told)
        if told is not None and told.state in _TO_BE_ENDED and len(self._going_on) < GOING_ON_MAX:
            await self._resume(told)

    # Jobs ---------------------------------------------------------------------------------------------------

    async def resume_payment(self, payment_id: UUID) -> None:
        """Go on with a payment. Harmless to repeat."""
        payment = await store.find_payment(self._database, payment_id)
        assert payment is not None, "payments are never deleted"
        await self._resume(payment)

    async def pay_back(self, event_id: UUID, refund_id: UUID) -> None:
        """Pay back what the till has decided to. Harmless to repeat."""
        try:
            await self.refunds.carry_out(event_id, refund_id)
        except Trouble as trouble:
            _log.warning("refund_waits", refund_id=str(refund_id), cause=repr(trouble.__cause__ or trouble))

    async def sweep(self, limit: int = SWEPT_MAX) -> int:
        """Store a job for what somebody should look at. Returns how many; there may be more."""
        async with self._database.transaction() as tx:
            now = self._clock()
            payments = await store.take_due_payments(tx, now, limit)
            refunds = await store.take_due_refunds(tx, now, limit)
            await jobs.defer(tx, [job_for_payment(payment_id) for _, payment_id in payments])
            await jobs.defer(tx, [job_for_refund(event_id, refund_id) for event_id, refund_id in refunds])
        return len(payments) + len(refunds)

    async def retry_refund(self, event_id: UUID, refund_id: UUID) -> RefundRow:
        """Try anew, by a job, to pay back what could not be. Refuses what has not failed."""
        async with self._database.transaction() as tx:
            retried = await store.retry_refund(tx, event_id, refund_id, self._clock())
            await jobs.defer(tx, [job_for_refund(event_id, refund_id)] if retried else [])
        refund = await store.find_refund(self._database, event_id, refund_id)
        if refund is None:
            raise Refused(SalesRefusal.REFUND_NOT_FOUND)
        if not retried:
            raise Refused(CheckoutRefusal.REFUND_NOT_FAILED, "state", state=refund.state)
        return refund

    # Gateways -----------------------------------------------------------------------------------------------

    async def receive(self, name: str, headers: Mapping[str, str], body: bytes) -> int:
        """Take what a gateway tells: checked, stored, answered; understood afterwards.

        Returns how much of it was new.
        """
        gateway = self.gateways.get(name)
        if gateway is None:
            raise Refused(CheckoutRefusal.UNKNOWN_GATEWAY)
        now = self._clock()
        try:
            notices = gateway.read_webhook(headers, body, now)
        except Forged as exc:
            raise Refused(CheckoutRefusal.WEBHOOK_FORGED) from exc
        async with self._database.transaction() as tx:
            new = await inbox.store_notices(tx, name, notices, body, now)
        for notice in new:
            self._go_on(self._hear(name, notice))
        return len(new)

    async def hear_of(self, name: str, reference: str) -> Payment | None:
        """Go on with the payment that a gateway calls so: something has happened to it.

        None: it is not ours.
        """
        payment = await store.find_payment_by_reference(self._database, name, reference)
        return payment if payment is None else await self._advance(payment, _ANSWERS - {"action_needed"})

    async def hear_the_unheard(self) -> int:
        """Understand what was stored and not understood: its process died, or the world failed."""
        notices = await inbox.list_unhandled(self._database)
        for notice in notices:
            await self._hear(notice.gateway, notice)
        return len(notices)

    async def forget(self) -> None:
        """Forget what gateways told long ago."""
        async with self._database.transaction() as tx:
            await inbox.forget_notices(tx, self._clock())

    async def _hear(self, name: str, notice: Notice | StoredNotice) -> None:
        """Understand a notice: it is a hint to look, never the truth.

        A payment that is not ours is somebody else's.
        """
        try:
            payment = await self._payment_of(name, notice)
            if payment is not None:
                await self._look_again(payment, notice)
            async with self._database.transaction() as tx:
                await inbox.mark_handled(tx, name, [notice.notice_id], self._clock())
        except Trouble as trouble:
            _log.warning(
                "notice_waits",
                gateway=name,
                notice_id=notice.notice_id,
                cause=repr(trouble.__cause__ or trouble),
            )

    async def _payment_of(self, name: str, notice: Notice | StoredNotice) -> Payment | None:
        if notice.payment_id is not None:
            found = await store.find_payment(self._database, notice.payment_id)
            return found if found is not None and found.gateway == name else None
        return await store.find_payment_by_reference(self._database, name, notice.reference)

    async def _look_again(self, payment: Payment, notice: Notice | StoredNotice) -> None:
        if not payment.is_final:
            payment = await self.saga.resume(payment)
        if payment.state in _UNWANTED and notice.kind in _TAKES:
            await self.saga.let_go(payment)
        elif payment.state == "captured" and notice.kind in _GIVES_BACK:
            await self.refunds.check_again(payment)

    # How ----------------------------------------------------------------------------------------------------

    async def _resume(self, payment: Payment, until: frozenset[PaymentState] = frozenset()) -> Payment | None:
        """Go on with a payment; None when the world fails: the row says when somebody will look at it again."""
        try:
            return await self.saga.resume(payment, until)
        except Trouble as trouble:
            _log.warning(
                "payment_waits", payment_id=str(payment.payment_id), cause=repr(trouble.__cause__ or trouble)
            )
            return None

    async def quiet(self) -> None:
        """Return when nothing goes on any more."""
        while self._going_on:
            await asyncio.wait(self._going_on)

    def _go_on(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        task = asyncio.create_task(work, name="checkout")
        self._going_on.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._going_on.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("payment_stuck", exc_info=error)


_REPLACED: Final = "Another way of paying was chosen."


def job_for_payment(payment_id: UUID) -> Job:
    """Return the job that goes on with a payment."""
    shown = show_id("pay", payment_id)
    return Job("resume_payment", {"payment_id": shown}, lock=shown)


def job_for_refund(event_id: UUID, refund_id: UUID) -> Job:
    """Return the job that pays back."""
    shown = show_id("rfd", refund_id)
    return Job("pay_back", {"event_id": show_id("evt", event_id), "refund_id": shown}, lock=shown)
