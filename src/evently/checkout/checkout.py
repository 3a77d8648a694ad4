"""The checkout as requests, webhooks and the schedule use it.

A request does what it can within a bound and answers with what is known by then; the work that it began
continues in this process. If the process dies, the row becomes due, and another process resumes it
(`Checkout.resume_due`).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
import structlog
from msgspec.structs import replace

from evently import questions
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
from evently.checkout.reconciling import Reconciliation
from evently.checkout.refunding import SETTLED_BY_HAND, Refunds
from evently.checkout.saga import Saga, recheck_at
from evently.checkout.store import Change
from evently.db import Database
from evently.kit.clock import Clock
from evently.kit.denominations import Denominations, iso_denomination
from evently.kit.errors import Refused, Trouble
from evently.kit.ids import IdSource, show_id
from evently.payments import DemoGateway, Forged, Gateway, Guarded, Notice, inbox
from evently.payments.inbox import StoredNotice
from evently.sales import Engine
from evently.sales.outcomes import SalesRefusal, amount_refusal

ANSWER_SECONDS_MAX: Final = 8.0  # a request waits no longer for a gateway; a person would think that it hangs
STUCK_AFTER: Final = timedelta(days=1)  # then a person may settle a refund that the gateway does not answer
BEGIN_TRIES_MAX: Final = 4  # to begin a payment while other requests begin and end payments of the booking
# Payments that continue in the background after their answer; the others become due and are resumed
SPAWNED_MAX: Final = 500
# Due payments, and as many due refunds, that one process resumes at once: it also sells, and a payment costs
# it half a millisecond
RESUMED_MAX: Final = 100
# A buyer gets an answer in these states: the booking is paid, they must do something, or it will not be paid.
_ANSWERS: Final[frozenset[PaymentState]] = frozenset(
    {"action_needed", "confirmed", "captured", "declined", "voiding", "voided", "losing", "lost"}
)
_TO_BE_ENDED: Final[frozenset[PaymentState]] = frozenset({"confirmed", "voiding", "losing"})
_WITHOUT_CLAIM: Final[frozenset[PaymentState]] = frozenset({"declined", "voided", "lost"})

_RESERVING_NOTICES: Final = frozenset({"authorised", "action_needed", "captured"})
_REFUNDING_NOTICES: Final = frozenset({"refunded", "refund_failed"})

Result = TypeVar("Result")

_log: Final = structlog.get_logger(__name__)


class Checkout:
    """The checkout of one process.

    `gateways` by name. New payments are made with `gateway`. None: nothing is sold online, but see
    `find_gateway`.
    """

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
        assert gateway is None or gateway in gateways, "the gateway of new payments is one of the gateways"
        self.gateways = gateways
        self.saga = Saga(database, engine, gateways, clock)
        self.refunds = Refunds(database, engine, self.saga, gateways, clock)
        self._reconciliation = Reconciliation(database, gateways, clock)
        self._gateway = gateway
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._answer_seconds_max = answer_seconds_max
        self._spawned: set[asyncio.Task[Any]] = set()
        self._resuming: set[UUID] = set()  # due payments and refunds that this process is resuming

    @property
    def denominations(self) -> Denominations:
        """How the gateway of new payments writes and limits amounts; without one, as ISO 4217 does."""
        return iso_denomination if self._gateway is None else self.gateways[self._gateway].denomination

    async def stop(self) -> None:
        """Wait for background work, within a bound, then cancel it and close the gateways.

        The next process resumes what was cancelled.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self._answer_seconds_max):
                await self.wait_until_idle()
        left = list(self._spawned)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for gateway in self.gateways.values():
            await gateway.close()

    @property
    def gateway(self) -> str | None:
        """The gateway that the operator has named; None: nothing may be published for payment online."""
        return self._gateway

    async def find_latest_payment(self, booking_id: UUID) -> Payment | None:
        """Return the latest payment of a booking. Callers at the same moment share one statement."""
        return await self.saga.rows.find_latest(booking_id)

    async def find_gateway(self) -> str | None:
        """Return the gateway of new payments; None: nothing is paid online.

        Where no gateway is named and the latest payment was made with the demo gateway, the demo gateway
        remains for the events that are on sale already: until it had to be named, it was the default.
        """
        if self._gateway is not None:
            return self._gateway
        latest = await store.find_latest_gateway(self._database)
        return latest if latest == DemoGateway.name and latest in self.gateways else None

    async def wait_until_idle(self) -> None:
        """Return when no background work is left."""
        while self._spawned:
            await asyncio.wait(self._spawned)

    # Buyers -------------------------------------------------------------------------------------------------

    async def pay(
        self, booking_id: UUID, buyer_id: UUID, choice: PaymentChoice, key: str | None = None
    ) -> Paid:
        """Pay for a booking, or resume the payment that it has.

        Refuse a booking that cannot or need not be paid.

        The answer is what is known within a few seconds: `authorising` means that the gateway has not
        answered yet, and that the checkout continues to ask it.
        """
        due = await self.saga.rows.get_due_booking(booking_id)
        if due.buyer_id != buyer_id:
            raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
        gateway = await self.find_gateway()
        choice = self._storable(gateway, choice)
        fingerprint = hashlib.sha256(booking_id.bytes + msgspec.json.encode(choice)).digest()
        for _ in range(BEGIN_TRIES_MAX):
            now = self._clock()
            no = self._no_payment(due, gateway, now) or await questions.why_unanswered(
                self._database, due.event_id, booking_id
            )
            begun = (
                None
                if gateway is None or no is not None
                else await self.saga.rows.begin(self._attempt(due, gateway, choice, fingerprint, now), key)
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
            if (same := await self._supersede(due, fingerprint)) is not None:
                return Paid(await self._advance(same), replayed=True)
            due = await self.saga.rows.get_due_booking(booking_id)
        raise Refused(CheckoutRefusal.PAYMENT_PENDING)

    def _storable(self, gateway: str | None, choice: PaymentChoice) -> PaymentChoice:
        """Return a choice without a card number, so that it may be stored."""
        return (
            choice
            if gateway is None
            else replace(choice, method=self.gateways[gateway].storable_method(choice.method))
        )

    def _no_payment(self, due: DueBooking, gateway: str | None, now: datetime) -> Refused | None:
        """Return why a booking cannot, or need not, be paid now."""
        if due.state == "confirmed":
            return Refused(SalesRefusal.ALREADY_CONFIRMED)
        if due.state == "cancelled":
            return Refused(SalesRefusal.ALREADY_CANCELLED)
        if not due.is_held(now):
            return Refused(SalesRefusal.HOLD_EXPIRED)
        if due.accept_first:
            return Refused(SalesRefusal.NOT_OFFERED, "accept_first")
        if not due.online or due.amount_minor == 0:
            return Refused(CheckoutRefusal.NOTHING_TO_PAY)
        if gateway is None:
            return Refused(CheckoutRefusal.NOTHING_TO_PAY, "no_online_payments")
        problem = self.gateways[gateway].denomination(due.currency).find_problem(due.amount_minor)
        if problem is None:
            return None
        return amount_refusal(problem, due.amount_minor, due.currency).as_error()

    def _attempt(
        self, due: DueBooking, gateway: str, choice: PaymentChoice, fingerprint: bytes, now: datetime
    ) -> Payment:
        assert due.expires_at is not None, "a hold has an end"
        return Payment(
            event_id=due.event_id,
            payment_id=self._new_id(),
            booking_id=due.booking_id,
            buyer_id=due.buyer_id,
            attempt=0,
            fingerprint=fingerprint,
            gateway=gateway,
            method=choice.method,
            hosted=choice.hosted,
            return_url=choice.return_url,
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
            resume_at=recheck_at(now, "authorising"),
            tries=0,
        )

    async def _supersede(self, due: DueBooking, fingerprint: bytes) -> Payment | None:
        """Return the live payment of the same choice; void one of another choice that waits for its buyer."""
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
            self._spawn(self._resume(given_up))
        return None

    async def _advance(self, payment: Payment, until: frozenset[PaymentState] = _ANSWERS) -> Payment:
        """Resume a payment in the background; return it in a state of `until`, or after a while as it is."""
        if payment.state in until:
            return payment
        answer: asyncio.Future[Payment | None] = asyncio.get_running_loop().create_future()
        task = self._spawn(self._resume_to_its_end(payment, until, answer))
        either: set[asyncio.Future[Any]] = {answer, task}
        await asyncio.wait(either, timeout=self._answer_seconds_max, return_when=asyncio.FIRST_COMPLETED)
        known = answer.result() if answer.done() else task.result() if task.done() else None
        if known is None:
            known = await store.find_payment(self._database, payment.payment_id)
            assert known is not None, "payments are never deleted"
        return known

    async def _resume_to_its_end(
        self, payment: Payment, until: frozenset[PaymentState], answer: asyncio.Future[Payment | None]
    ) -> None:
        """Resume a payment until the buyer can get an answer, answer, then bring the payment to its end."""
        known = await self._resume(payment, until)
        answer.set_result(known)
        if known is not None and known.state in _TO_BE_ENDED and len(self._spawned) < SPAWNED_MAX:
            await self._resume(known)

    # The schedule and organizers ----------------------------------------------------------------------------

    async def resume_due(self, limit: int = RESUMED_MAX) -> int:
        """Resume due payments and refunds in the background. Return how many were due; there may be more.

        Each is due again after a pause that doubles, whatever happens to this process. Payments of a gateway
        that is down stay due, so that none waits through a long pause when it is back: until then, one at a
        time finds that out.
        """
        limit -= len(self._resuming)
        if limit <= 0:
            return 0
        limited = {
            name: calls
            for name, gateway in self.gateways.items()
            if isinstance(gateway, Guarded) and (calls := gateway.calls_max()) is not None
        }
        async with self._database.transaction() as tx:
            now = self._clock()
            payments = await store.take_due_payments(tx, now, limit, without=list(limited))
            for name, calls in limited.items():
                if calls:
                    payments += await store.take_due_payments(tx, now, calls, only=name)
            refunds = await store.take_due_refunds(tx, now, limit)
        for payment in payments:
            self._spawn_once(payment.payment_id, partial(self._resume, payment))
        for event_id, refund_id in refunds:
            self._spawn_once(refund_id, partial(self.pay_back, event_id, refund_id))
        return len(payments) + len(refunds)

    async def pay_back(self, event_id: UUID, refund_id: UUID) -> None:
        """Pay back a refund that the sales engine has decided. Harmless to repeat."""
        try:
            await self.refunds.carry_out(event_id, refund_id)
        except Trouble as trouble:
            _log.warning("refund_waits", refund_id=str(refund_id), cause=repr(trouble.__cause__ or trouble))

    async def retry_refund(self, event_id: UUID, refund_id: UUID) -> RefundRow:
        """Make a failed refund due again, as a new attempt. Refuse a refund that has not failed."""
        async with self._database.transaction() as tx:
            retried = await store.retry_refund(tx, event_id, refund_id, self._clock())
        refund = await store.find_refund(self._database, event_id, refund_id)
        if refund is None:
            raise Refused(SalesRefusal.REFUND_NOT_FOUND)
        if not retried:
            raise Refused(CheckoutRefusal.REFUND_NOT_FAILED, "state", state=refund.state)
        return refund

    async def settle_refund(
        self, event_id: UUID, refund_id: UUID, person_id: UUID, reason: str
    ) -> tuple[RefundRow, bool]:
        """Settle a refund that a person has paid back outside; return it, and whether it had been before.

        Refuse a refund that has not failed, and that the gateway was not asked for in vain for a day.
        """
        refund = await store.find_refund(self._database, event_id, refund_id)
        if refund is None:
            raise Refused(SalesRefusal.REFUND_NOT_FOUND)
        if refund.state == "settled" and refund.failure_code == SETTLED_BY_HAND:
            return refund, True
        stuck = refund.state == "asking" and refund.changed_at <= self._clock() - STUCK_AFTER
        if refund.state != "failed" and not stuck:
            raise Refused(CheckoutRefusal.REFUND_NOT_FAILED, "state", state=refund.state)
        await self.refunds.settle_by_hand(refund, person_id, reason)
        settled = await store.find_refund(self._database, event_id, refund_id)
        assert settled is not None, "refunds are never deleted"
        return settled, False

    # Gateways -----------------------------------------------------------------------------------------------

    async def receive(self, name: str, headers: Mapping[str, str], body: bytes) -> int:
        """Check and store the notices of a gateway's webhook; process them in the background.

        Return how many of them were new.
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
            self._spawn(self._process_notice(name, notice))
        return len(new)

    async def resume_by_reference(self, name: str, reference: str) -> Payment | None:
        """Resume the payment with this reference at a gateway, and return it as `pay` does; None: unknown."""
        payment = await store.find_payment_by_reference(self._database, name, reference)
        return payment if payment is None else await self._advance(payment, _ANSWERS - {"action_needed"})

    async def process_pending_notices(self) -> int:
        """Process the notices that were stored and not processed; return how many.

        The process that stored one died, or the gateway or the database could not be reached.
        """
        notices = await inbox.list_pending(self._database)
        for notice in notices:
            await self._process_notice(notice.gateway, notice)
        return len(notices)

    async def reconcile(self) -> bool:
        """Store the notices that gateways sent and that were not received; return whether there may be more.

        They are processed like received ones.
        """
        return await self._reconciliation.run()

    async def forget_notices(self) -> None:
        """Delete some of the notices that were processed long ago."""
        async with self._database.transaction() as tx:
            await inbox.forget_notices(tx, self._clock())

    async def _process_notice(self, name: str, notice: Notice | StoredNotice) -> None:
        """Recheck the payment that a notice names; the notice itself is only a hint.

        A notice about a payment of another installation is marked processed, too.
        """
        try:
            payment = await self._payment_of(name, notice)
            if payment is not None:
                await self._recheck(payment, notice)
            async with self._database.transaction() as tx:
                await inbox.mark_processed(tx, name, [notice.notice_id], self._clock())
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
        found = await store.find_payment_by_reference(self._database, name, notice.reference)
        if found is not None or notice.kind not in _REFUNDING_NOTICES:
            return found
        # A refund or dispute by another hand names only what was charged, not the page that it was paid on.
        payment_id = await self.gateways[name].find_payment_id(notice.reference)
        found = None if payment_id is None else await store.find_payment(self._database, payment_id)
        return found if found is not None and found.gateway == name else None

    async def _recheck(self, payment: Payment, notice: Notice | StoredNotice) -> None:
        if not payment.is_final:
            payment = await self.saga.resume(payment)
        if payment.state in _WITHOUT_CLAIM and notice.kind in _RESERVING_NOTICES:
            await self.saga.void_late_authorisation(payment)
        elif payment.state == "captured" and notice.kind in _REFUNDING_NOTICES:
            await self.refunds.recheck(payment)

    # Background work ----------------------------------------------------------------------------------------

    async def _resume(self, payment: Payment, until: frozenset[PaymentState] = frozenset()) -> Payment | None:
        """Resume a payment; None when the gateway or the database fails: the row is due again later."""
        try:
            return await self.saga.resume(payment, until)
        except Trouble as trouble:
            _log.warning(
                "payment_waits", payment_id=str(payment.payment_id), cause=repr(trouble.__cause__ or trouble)
            )
            return None

    def _spawn(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Run work in the background of this process."""
        task = asyncio.create_task(work, name="checkout")
        self._spawned.add(task)
        task.add_done_callback(self._ended)
        return task

    def _spawn_once(self, row_id: UUID, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Resume a due row in the background, unless this process still does: a gateway may be slow."""
        if row_id not in self._resuming:
            self._resuming.add(row_id)
            self._spawn(work()).add_done_callback(lambda _: self._resuming.discard(row_id))

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._spawned.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("payment_stuck", exc_info=error)


_REPLACED: Final = "Another way of paying was chosen."
