"""Payments: the outcome of a hold, by the sales engine, the rows and the gateway's own journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import circuitbreaker
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from evently import organizing, reactions
from evently.accounts import Accounts, TokenOptions
from evently.audit import inspect
from evently.checkout import (
    Checkout,
    Payment,
    PaymentChoice,
    find_payment,
    find_refund,
    list_payments,
    list_refunds,
    preview_cancellation,
    read_cancellation,
)
from evently.checkout.store import take_due_refunds
from evently.db import Database, DatabaseOptions
from evently.kit.clock import utc_now
from evently.kit.errors import Refused
from evently.kit.ids import new_id
from evently.payments import Authorisation, DemoGateway, GatewayTrouble, Guarded, GuardOptions, Intent, demo
from evently.reactions.relay import Relay
from evently.reactions.tasks import cancel_bookings, cancel_bookings_later
from evently.sales.commands.bookings import CancelBooking, ExtendHold
from evently.sales.commands.sale_terms import CancelSale, WakeSale
from evently.sales.facts import decode_facts
from evently.sales.nouns import Booking
from evently.sales.outbox import JournalFacts
from evently.sales.outcomes import Booked
from evently.sales.terms import Conditions, RefundWindow
from tests.db.test_audit import deliver, found
from tests.support.mail import make_mail
from tests.support.paying import Desk, open_desk, sold_under
from tests.support.push import make_push
from tests.support.sales_desk import until
from tests.support.selling import open_engine
from tests.support.webhooks import make_webhooks


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[Desk]:
    async with open_desk(db) as opened:
        yield opened


async def refused(desk: Desk, held: Booking, *how: Any, **more: Any) -> str:
    with pytest.raises(Refused) as no:
        await desk.try_to_pay(held, *how, **more)
    return str(no.value.refusal.value)


async def cancel(
    desk: Desk, booked: Booking, *, by_buyer: bool = False, tickets: int | None = None
) -> Booking:
    ids = None if tickets is None else tuple(ticket.ticket_id for ticket in booked.tickets[:tickets])
    start = desk.clock() + timedelta(days=10)
    buyer_id = booked.buyer_id if by_buyer else None
    outcome = await desk.engine.submit(
        CancelBooking(booked.event_id, booked.booking_id, booked.buyer_id, buyer_id, ids, start)
    )
    assert isinstance(outcome, Booked), outcome
    return outcome.booking


async def refund_ids(desk: Desk, booked: Booking) -> list[Any]:
    rows = await desk.db.fetch(
        "SELECT refund_id FROM refunds WHERE booking_id = $1 ORDER BY refund_id", booked.booking_id
    )
    return [row["refund_id"] for row in rows]


# Paying -----------------------------------------------------------------------------------------------------


async def test_a_hold_that_is_paid_is_confirmed_and_then_captured(desk: Desk) -> None:
    held = await desk.hold()
    paid = await desk.try_to_pay(held)
    assert (paid.payment.state, paid.replayed) == ("confirmed", False)
    await desk.checkout.wait_until_idle()
    assert (await desk.look(paid.payment)).state == "captured"
    booking = await desk.booking_now(held)
    assert (booking.state, booking.payment_id, booking.paid_minor) == (
        "confirmed",
        paid.payment.payment_id,
        5000,
    )
    assert booking.captured_at is not None
    assert await desk.effects(paid.payment) == ["authorised", "captured"]
    shown = await find_payment(desk.db, held.booking_id)
    assert shown is not None
    assert shown.state == "captured"


async def test_a_declined_card_leaves_the_hold_for_another_try(desk: Desk) -> None:
    held = await desk.hold()
    first = await desk.pay(held, "no-money")
    assert (first.state, first.failure_code, first.attempt) == ("declined", "insufficient_funds", 1)
    assert (await desk.booking_now(held)).state == "held"
    second = await desk.pay(held)
    assert (second.state, second.attempt) == ("captured", 2)
    assert [payment.state for payment in await list_payments(desk.db, held.booking_id)] == [
        "captured",
        "declined",
    ]
    assert await desk.effects(first) == []


async def test_a_key_is_answered_with_its_payment(desk: Desk) -> None:
    held = await desk.hold()
    first = await desk.try_to_pay(held, "declined", key="one")
    again = await desk.try_to_pay(held, "declined", key="one")
    assert (again.payment.payment_id, again.payment.state, again.replayed) == (
        first.payment.payment_id,
        "declined",
        True,
    )
    assert await refused(desk, held, "succeeds", key="one") == "key-reused"
    await desk.try_to_pay(held, key="two")
    assert (await desk.try_to_pay(held, key="two")).payment.state in {"confirmed", "captured"}


async def test_what_cannot_be_paid_is_refused(desk: Desk) -> None:
    paid = await desk.hold()
    await desk.pay(paid)
    assert await refused(desk, paid) == "already-confirmed"
    cancelled = await desk.hold()
    await cancel(desk, cancelled)
    assert await refused(desk, cancelled) == "already-cancelled"
    due = await desk.hold()
    desk.clock.move(seconds=600)
    assert await refused(desk, due) == "hold-expired"
    await desk.engine.submit(WakeSale(due.event_id))
    assert await refused(desk, due) == "hold-expired"
    at_the_door = await desk.book(await desk.hall(conditions=Conditions()), hold_seconds=600)
    assert await refused(desk, at_the_door) == "nothing-to-pay"
    mine = await desk.hold()
    with pytest.raises(Refused, match="booking-not-found"):
        await desk.checkout.pay(mine.booking_id, new_id(), PaymentChoice())
    with pytest.raises(Refused, match="booking-not-found"):
        await desk.checkout.pay(new_id(), mine.buyer_id, PaymentChoice())
    without = Checkout(desk.db, desk.engine, {}, None, desk.clock, new_id)
    with pytest.raises(Refused, match="nothing-to-pay"):
        await without.pay(mine.booking_id, mine.buyer_id, PaymentChoice())


async def test_a_hold_that_was_extended_can_be_paid_longer(desk: Desk) -> None:
    held = await desk.hold()
    desk.clock.move(seconds=599)
    await desk.engine.submit(ExtendHold(held.event_id, held.booking_id, held.buyer_id))
    desk.clock.move(seconds=500)
    assert (await desk.pay(held)).state == "captured"


async def test_the_buyer_is_asked_on_a_page(desk: Desk) -> None:
    held = await desk.hold()
    asked = (await desk.try_to_pay(held, None, hosted=True, return_url="https://shop.example/done")).payment
    assert asked.state == "action_needed"
    assert asked.next_action is not None
    assert asked.next_action.kind == "redirect"
    assert asked.reference is not None
    assert asked.next_action.url == f"/pay/{asked.reference}"
    assert (
        await desk.try_to_pay(held, None, hosted=True, return_url="https://shop.example/done")
    ).payment == asked, "the same wish"
    await desk.demo.approve(asked.reference)
    told = await desk.checkout.resume_by_reference("demo", asked.reference)
    await desk.checkout.wait_until_idle()
    assert told is not None
    assert told.state == "confirmed"
    assert (await desk.look(asked)).state == "captured"
    assert await desk.checkout.resume_by_reference("demo", "nothing of ours") is None


async def test_a_buyer_who_declines_may_try_again(desk: Desk) -> None:
    held = await desk.hold()
    asked = (await desk.try_to_pay(held, "asks")).payment
    assert asked.reference is not None
    await desk.demo.decline(asked.reference)
    await desk.checkout.resume_by_reference("demo", asked.reference)
    assert (await desk.look(asked)).state == "declined"
    assert (await desk.pay(held)).state == "captured"


async def test_a_page_makes_way_for_another_card_and_a_waiting_payment_does_not(desk: Desk) -> None:
    held = await desk.hold()
    asked = (await desk.try_to_pay(held, "asks")).payment
    assert (await desk.pay(held)).state == "captured"
    assert ((await desk.look(asked)).state, await desk.effects(asked)) == ("voided", ["voided"])
    other = await desk.hold()
    waiting = (await desk.try_to_pay(other, "late")).payment
    assert waiting.state == "authorising"
    assert await refused(desk, other) == "payment-pending"
    desk.clock.move(seconds=20)
    await desk.carry_on(desk.checkout)
    assert (await desk.look(waiting)).state == "captured"


async def test_a_payment_after_the_end_of_the_hold_is_voided(desk: Desk) -> None:
    held = await desk.hold()
    asked = (await desk.try_to_pay(held, "asks")).payment
    assert asked.reference is not None
    desk.clock.move(seconds=601)
    await desk.demo.approve(asked.reference)
    await desk.checkout.resume_by_reference("demo", asked.reference)
    await desk.checkout.wait_until_idle()
    late = await desk.look(asked)
    assert (late.state, late.failure_code) == ("voided", "hold-expired")
    assert await desk.effects(asked) == ["authorised", "voided"]


async def test_no_money_is_taken_for_an_event_that_was_cancelled_before_the_confirmation(desk: Desk) -> None:
    event = await desk.hall()
    held = await desk.hold(event)
    await desk.engine.submit(CancelSale(event.event_id))
    payment = await desk.pay(held)
    assert (payment.state, payment.failure_code) == ("voided", "event-cancelled")
    assert await desk.effects(payment) == ["authorised", "voided"]


async def test_a_booking_that_became_cheaper_is_paid_again(desk: Desk) -> None:
    held = await desk.hold(units=3)
    asked = (await desk.try_to_pay(held, "asks")).payment
    assert asked.reference is not None
    await cancel(desk, held, by_buyer=True, tickets=1)
    await desk.demo.approve(asked.reference)
    await desk.checkout.resume_by_reference("demo", asked.reference)
    await desk.checkout.wait_until_idle()
    assert (await desk.look(asked)).failure_code == "payment-mismatch"
    assert (await desk.pay(held)).amount_minor == 5000
    assert (await desk.booking_now(held)).paid_minor == 5000


async def test_money_that_cannot_be_collected_cancels_the_booking(desk: Desk) -> None:
    held = await desk.hold()
    payment = await desk.pay(held, "capture-fails")
    assert (payment.state, payment.failure_code) == ("lost", "capture-lost")
    booking = await desk.booking_now(held)
    assert (booking.state, booking.refunded_minor) == ("cancelled", 0)
    assert {ticket.state for ticket in booking.tickets} == {"void"}
    assert await balance(desk, held) == {}


async def test_a_used_ticket_stays_when_its_money_never_came(desk: Desk) -> None:
    held = await desk.hold()
    async with desk.db.transaction() as tx:
        await tx.execute("UPDATE tickets SET state = 'used' WHERE ticket_id = $1", held.tickets[0].ticket_id)
    assert (await desk.pay(held, "capture-fails")).state == "lost"
    booking = await desk.booking_now(held)
    assert [booking.state, *sorted(ticket.state for ticket in booking.tickets)] == [
        "confirmed",
        "used",
        "void",
    ]


# Trouble ----------------------------------------------------------------------------------------------------


class Moody(DemoGateway):
    """The demo gateway, when it is down, slow, or has a bug."""

    away = False
    slow: asyncio.Event | None = None
    bug: UUID | None = None  # the payment that raises it
    asked = 0

    async def authorise(self, intent: Intent) -> Authorisation:
        self.asked += 1
        assert intent.payment_id != self.bug, "a bug"
        if self.away:
            raise GatewayTrouble("away", effect_unknown=False)
        if self.slow is not None:
            await self.slow.wait()
        return await super().authorise(intent)


async def test_while_the_gateway_is_away_holds_are_kept_and_then_paid(desk: Desk) -> None:
    gateway = Moody(desk.db, desk.clock)
    desk.checkout = desk.open(gateway)
    gateway.away = True
    held, lost = await desk.hold(), await desk.hold()
    payments = [await desk.pay(held), await desk.pay(lost)]
    assert {payment.state for payment in payments} == {"authorising"}
    assert (await desk.try_to_pay(held)).payment.payment_id == payments[0].payment_id
    desk.clock.move(seconds=60)
    await desk.carry_on(desk.checkout, rounds=2)
    assert (await desk.booking_now(held)).state == "held"
    gateway.away = False
    await desk.carry_on(desk.checkout)
    assert [(await desk.look(payment)).state for payment in payments] == ["captured", "captured"]


async def test_a_gateway_that_never_comes_back_takes_nothing(desk: Desk) -> None:
    gateway = Moody(desk.db, desk.clock)
    desk.checkout = desk.open(gateway)
    gateway.away = True
    payment = await desk.pay(await desk.hold())
    desk.clock.move(seconds=601)
    await desk.carry_on(desk.checkout)
    assert ((await desk.look(payment)).state, await desk.effects(payment)) == ("voided", [])


async def test_a_slow_gateway_is_not_waited_for(desk: Desk) -> None:
    gateway = Moody(desk.db, desk.clock)
    gateway.slow = asyncio.Event()
    desk.checkout = desk.open(gateway, answer_seconds_max=0.05)
    payment = (await desk.try_to_pay(await desk.hold())).payment
    assert payment.state == "authorising"
    gateway.slow.set()
    await desk.checkout.wait_until_idle()
    assert (await desk.look(payment)).state == "captured"


async def test_a_late_authorisation_is_voided(desk: Desk) -> None:
    gateway = Moody(desk.db, desk.clock)
    gateway.slow = asyncio.Event()
    slow = desk.open(gateway, answer_seconds_max=0.05)
    held = await desk.hold()
    payment = (await slow.pay(held.booking_id, held.buyer_id, PaymentChoice("succeeds"))).payment
    desk.clock.move(seconds=601)
    await desk.carry_on(desk.open())
    assert (await desk.look(payment)).state == "voided"
    gateway.slow.set()
    await slow.wait_until_idle()
    assert await desk.effects(payment) == ["authorised", "voided"]


async def test_a_stuck_payment_is_resumed_after_growing_pauses(desk: Desk) -> None:
    gateway = Moody(desk.db, desk.clock)
    desk.checkout = desk.open(gateway)
    gateway.away = True
    await desk.pay(
        await desk.hold(await desk.hall(conditions=Conditions(payment="online", hold_seconds=3600)))
    )
    asked, resumed = gateway.asked, []
    for second in range(0, 1800, 10):
        if await desk.checkout.resume_due():
            resumed.append(second)
        await desk.checkout.wait_until_idle()
        desk.clock.move(seconds=10)
    assert resumed[:4] == [10, 20, 30, 40]
    assert resumed[-1] - resumed[-2] == 300
    assert len(resumed) < 15
    assert gateway.asked - asked == len(resumed)


async def test_payments_of_a_gateway_that_is_down_stay_due_until_it_is_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuitbreaker, "monotonic", lambda: desk.clock().timestamp())
    gateway = Moody(desk.db, desk.clock)
    desk.checkout = desk.open(Guarded(gateway, GuardOptions(tries_max=1, failures_max=2, open_seconds=15)))
    hall = await desk.hall(conditions=Conditions(payment="online", hold_seconds=3600))
    gateway.away = True
    payments = [await desk.pay(await desk.hold(hall)) for _ in range(4)]
    assert gateway.asked == 2, "then the breaker is open"

    async def resume(seconds: int) -> int:
        desk.clock.move(seconds=seconds)
        found = await desk.checkout.resume_due()
        await desk.checkout.wait_until_idle()
        return found

    assert await resume(10) == 0, "they are due, and there is nobody to ask"
    assert [await resume(15) for _ in range(3)] == [1, 1, 1], "one finds out, and the breaker opens again"
    assert gateway.asked == 5
    tries = await desk.db.fetch("SELECT tries FROM payments ORDER BY tries")
    assert [each["tries"] for each in tries] == [0, 1, 1, 1], "only what was asked for counts as a try"

    gateway.away = False
    assert await resume(15) == 1
    assert await resume(1) == 3, "all others at once"
    assert {(await desk.look(each)).state for each in payments} == {"captured"}


async def test_a_process_resumes_a_payment_once_at_a_time(desk: Desk) -> None:
    gateway = Moody(desk.db, desk.clock)
    gateway.away = True
    desk.checkout = desk.open(gateway)
    payment = await desk.pay(await desk.hold())
    process = desk.open(gateway)
    gateway.away, gateway.slow, gateway.asked = False, asyncio.Event(), 0
    for _ in range(5):
        desk.clock.move(seconds=40)
        assert await process.resume_due() == 1
        await asyncio.sleep(0)
    gateway.slow.set()
    await process.wait_until_idle()
    assert gateway.asked == 1
    assert (await desk.look(payment)).state == "captured"


async def test_a_bug_in_one_resumption_does_not_stop_the_others(desk: Desk) -> None:
    gateway = Moody(desk.db, desk.clock)
    desk.checkout = desk.open(gateway)
    gateway.away = True
    payments = [await desk.pay(await desk.hold()) for _ in range(3)]
    gateway.away, gateway.bug = False, payments[1].payment_id
    with capture_logs() as logs:
        await desk.carry_on(desk.checkout, rounds=3)
    assert {log["event"] for log in logs if log["log_level"] == "error"} == {"payment_stuck"}
    states = [(await desk.look(payment)).state for payment in payments]
    assert states == ["captured", "authorising", "captured"]
    gateway.bug = None
    await desk.carry_on(desk.checkout)
    assert (await desk.look(payments[1])).state == "captured"


# Many at once -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keyed", [True, False])
async def test_twenty_payments_of_one_booking_at_once_pay_once(
    desk: Desk, database_url: str, *, keyed: bool
) -> None:
    held = await desk.hold()
    async with open_engine(database_url, desk.clock) as other:
        processes = [desk.checkout, Checkout(desk.db, other, {"demo": desk.demo}, "demo", desk.clock, new_id)]
        methods = ["succeeds", "answer-lost", "declined", "asks"]

        async def pay(number: int) -> str:
            key = f"key {number}" if keyed else None
            wish = PaymentChoice(methods[number % 4] if keyed else "succeeds")
            try:
                return (
                    await processes[number % 2].pay(held.booking_id, held.buyer_id, wish, key)
                ).payment.state
            except Refused as no:
                return no.refusal.value

        told = await asyncio.gather(*[pay(number) for number in range(20)])
        for process in processes:
            await process.wait_until_idle()
        await desk.carry_on(desk.checkout)
    if (await desk.booking_now(held)).state != "confirmed":
        assert keyed, told
        await desk.pay(held)
    payments = await list_payments(desk.db, held.booking_id)
    effects = [kind for payment in payments for kind in await desk.effects(payment)]
    assert effects.count("captured") == 1, told
    assert effects.count("authorised") - effects.count("voided") <= 1
    assert (await desk.booking_now(held)).state == "confirmed"
    assert await balance(desk, held) == {"gateway": 5000, "organizer": -5000}


async def test_one_key_at_once_is_one_payment(desk: Desk) -> None:
    held = await desk.hold()
    processes = [desk.open() for _ in range(4)]
    wish = PaymentChoice("declined")
    paid = await asyncio.gather(
        *[processes[n % 4].pay(held.booking_id, held.buyer_id, wish, "one") for n in range(20)]
    )
    assert len({each.payment.payment_id for each in paid}) == 1
    assert [each.replayed for each in paid].count(False) == 1
    assert len(await list_payments(desk.db, held.booking_id)) == 1


async def test_a_hundred_refunds_of_one_cancellation_pay_back_once(desk: Desk) -> None:
    held = await desk.hold()
    payment = await desk.pay(held)
    await cancel(desk, held)
    (refund_id,) = await refund_ids(desk, held)
    processes = [desk.open() for _ in range(4)]
    await asyncio.gather(*[processes[number % 4].pay_back(held.event_id, refund_id) for number in range(100)])
    assert await desk.effects(payment) == ["authorised", "captured", "refunded"]
    assert await balance(desk, held) == {}


async def test_paying_and_expiring_at_once_ends_one_way(desk: Desk) -> None:
    event = await desk.hall(1000)
    holds = [await desk.hold(event) for _ in range(10)]
    desk.clock.move(seconds=599)
    paying = [asyncio.create_task(desk.try_to_pay(held)) for held in holds]
    for _ in range(5):
        await asyncio.sleep(0)
    desk.clock.move(seconds=1)
    await desk.engine.submit(WakeSale(event.event_id))
    told = await asyncio.gather(*paying, return_exceptions=True)
    await desk.carry_on(desk.checkout)
    for held, outcome in zip(holds, told, strict=True):
        booking = await desk.booking_now(held)
        if isinstance(outcome, BaseException):
            assert booking.state == "expired"
            continue
        effects = await desk.effects(outcome.payment)
        assert (
            effects
            == {"confirmed": ["authorised", "captured"], "expired": ["authorised", "voided"]}[booking.state]
        )


# Refunds ----------------------------------------------------------------------------------------------------


async def balance(desk: Desk, booking: Booking) -> dict[str, int]:
    """Return the balance of each account for a booking, debits positive. Balanced accounts are left out."""
    rows = await desk.db.fetch(
        "SELECT debit, credit, amount_minor FROM ledger WHERE booking_id = $1", booking.booking_id
    )
    found: dict[str, int] = {}
    for row in rows:
        found[row["debit"]] = found.get(row["debit"], 0) + row["amount_minor"]
        found[row["credit"]] = found.get(row["credit"], 0) - row["amount_minor"]
    return {account: amount for account, amount in found.items() if amount}


async def test_tickets_are_paid_back_one_by_one(desk: Desk) -> None:
    held = await desk.hold(units=3)
    payment = await desk.pay(held)
    for _ in range(3):
        left = [ticket for ticket in (await desk.booking_now(held)).tickets if ticket.state == "valid"]
        await desk.cancel(held, left[0].ticket_id)
        for refund_id in await refund_ids(desk, held):
            await desk.checkout.pay_back(held.event_id, refund_id)
    assert sorted(await desk.effects(payment)) == [
        "authorised",
        "captured",
        "refunded",
        "refunded",
        "refunded",
    ]
    assert (await desk.booking_now(held)).refunded_minor == 7500
    assert await balance(desk, held) == {}


async def test_a_refund_is_due_as_soon_as_its_fact_is_delivered(desk: Desk) -> None:
    event = await desk.hall()
    held = [await desk.hold(event) for _ in range(3)]
    payments = [await desk.pay(each) for each in held]
    for each in held[:2]:
        await cancel(desk, each)
    relay = Relay(desk.db, desk.clock, reactions.EFFECTS)
    await relay.run_once()
    assert await desk.checkout.resume_due() == 2
    await desk.checkout.wait_until_idle()
    assert [(await desk.effects(payment))[-1] for payment in payments] == ["refunded", "refunded", "captured"]
    assert await desk.checkout.resume_due() == 0
    assert await desk.db.fetch_value("SELECT count(*) FROM procrastinate_jobs") == 0

    async with desk.db.transaction() as tx:
        await tx.execute("UPDATE journal SET delivered_at = NULL")
    desk.clock.move(seconds=60)
    await relay.run_once()
    assert await desk.checkout.resume_due() == 0, "delivered again, it begins nothing"


async def test_half_is_paid_back_when_the_conditions_say_so(desk: Desk) -> None:
    half = Conditions(payment="online", refund_windows=(RefundWindow(0, 5_000),))
    held = await desk.hold(await desk.hall(conditions=half))
    payment = await desk.pay(held)
    await cancel(desk, held, by_buyer=True)
    (refund_id,) = await refund_ids(desk, held)
    await desk.checkout.pay_back(held.event_id, refund_id)
    effects = await desk.demo.list_effects(payment.payment_id)
    assert [(effect.kind, effect.amount_minor) for effect in effects][-1] == ("refunded", 2500)
    assert await balance(desk, held) == {"gateway": 2500, "organizer": -2500}


async def test_a_refund_that_fails_is_tried_again_by_hand(desk: Desk) -> None:
    held = await desk.hold()
    payment = await desk.pay(held, "refund-fails")
    await cancel(desk, held)
    (refund_id,) = await refund_ids(desk, held)
    with pytest.raises(Refused, match="refund-not-found"):
        await desk.checkout.retry_refund(held.event_id, refund_id)
    await desk.checkout.pay_back(held.event_id, refund_id)
    await desk.checkout.pay_back(held.event_id, refund_id)
    (failed,) = (await list_refunds(desk.db, held.event_id, "failed", 10, None)).data
    assert (failed.refund_id, failed.state, failed.failure_code, failed.attempt) == (
        refund_id,
        "failed",
        "card_refused",
        1,
    )
    assert (await read_cancellation(desk.db, held.event_id)).refunds_failed == 1
    await desk.checkout.retry_refund(held.event_id, refund_id)
    with pytest.raises(Refused, match="refund-not-failed"):
        await desk.checkout.retry_refund(held.event_id, refund_id)
    await desk.carry_on(desk.checkout)
    settled = await find_refund(desk.db, held.event_id, refund_id)
    assert settled is not None
    assert (settled.state, settled.attempt, settled.failure_code) == ("settled", 2, None)
    assert await desk.effects(payment) == ["authorised", "captured", "refund_failed", "refunded"]
    assert (await list_refunds(desk.db, held.event_id, "failed", 10, None)).data == []


async def test_a_refund_that_everybody_forgot_is_found(desk: Desk) -> None:
    held = await desk.hold()
    payment = await desk.pay(held)
    await cancel(desk, held)
    desk.clock.move(minutes=6)
    await desk.carry_on(desk.open())
    assert await desk.effects(payment) == ["authorised", "captured", "refunded"]


async def test_refunds_that_were_never_begun_are_all_begun_at_once(desk: Desk) -> None:
    """The gateway is slow or down meanwhile: beginning them does not wait for its answers."""
    for _ in range(3):
        held = await desk.hold()
        await desk.pay(held)
        await cancel(desk, held)
    desk.clock.move(minutes=6)
    async with desk.db.transaction() as tx:
        assert len(await take_due_refunds(tx, desk.clock(), limit=1)) == 1
    assert await desk.db.fetch_value("SELECT count(*) FROM payment_refunds WHERE state = 'asking'") == 3


async def test_what_was_never_taken_is_not_paid_back(desk: Desk) -> None:
    """A ticket is cancelled while the money is reserved; then the money cannot be captured."""
    held = await desk.hold(units=2)
    gateway = Moody(desk.db, desk.clock)
    asked = await desk.open(gateway).pay(held.booking_id, held.buyer_id, PaymentChoice("asks"))
    payment = await with_card(desk, asked.payment, "capture-fails")
    await desk.checkout.saga.resume(payment, frozenset({"confirmed"}))
    await cancel(desk, held, tickets=1)
    await desk.carry_on(desk.checkout)
    desk.clock.move(minutes=6)
    await desk.carry_on(desk.checkout)
    assert (await desk.look(payment)).state == "lost"
    assert [refund.state for refund in (await list_refunds(desk.db, held.event_id, None, 10, None)).data] == [
        "never_paid"
    ]
    assert (await desk.booking_now(held)).state == "cancelled"
    assert await desk.effects(payment) == ["authorised"]
    assert await balance(desk, held) == {}


async def with_card(desk: Desk, payment: Payment, card: str) -> Payment:
    """Approve the charge as the buyer; from then on its card behaves like another one."""
    assert payment.reference is not None
    await desk.demo.approve(payment.reference)
    async with desk.db.transaction() as tx:
        await tx.execute("UPDATE demo_charges SET card = $2 WHERE reference = $1", payment.reference, card)
    return await desk.look(payment)


async def test_a_cancelled_event_is_paid_back_and_shows_its_progress(desk: Desk) -> None:
    event = await desk.hall()
    paid = [await desk.hold(event) for _ in range(5)]
    for held in paid:
        await desk.pay(held)
    await desk.hold(event)
    await desk.engine.submit(CancelSale(event.event_id))
    before = await read_cancellation(desk.db, event.event_id)
    assert (before.bookings, before.bookings_left, before.refunds) == (6, 6, 0)
    await cancel_bookings(desk.db, desk.engine, event.event_id)
    decided = await read_cancellation(desk.db, event.event_id)
    assert (decided.bookings_left, decided.refunds, decided.refunds_settled, decided.to_refund_minor) == (
        0,
        5,
        0,
        25_000,
    )
    desk.clock.move(minutes=6)
    await desk.carry_on(desk.checkout)
    after = await read_cancellation(desk.db, event.event_id)
    assert (after.refunds_settled, after.refunds_failed, after.refunded_minor) == (5, 0, 25_000)


async def test_an_event_that_did_not_take_place_is_paid_back_after_its_end(desk: Desk) -> None:
    event = await desk.hall()
    payments = [await desk.pay(await desk.hold(event)) for _ in range(2)]
    assert payments[0].reference is not None
    assert await desk.demo.refund_outside(payments[0].reference, 1000)
    await desk.checkout.refunds.recheck(payments[0])
    door = await desk.event(sold_under(Conditions("door")))
    await desk.book(door, 2)
    preview = await preview_cancellation(desk.db, event.event_id)
    assert (preview.bookings, preview.bookings_used, preview.to_refund_minor, preview.at_door_minor) == (
        2,
        0,
        9_000,
        0,
    )
    at_door = await preview_cancellation(desk.db, door.event_id)
    assert (at_door.bookings, at_door.to_refund_minor, at_door.at_door_minor) == (1, 0, 5_000)
    desk.clock.now = event.ends_at + timedelta(days=1)
    async with desk.db.transaction() as tx:
        await organizing.cancel_event(tx, event.event_id, desk.clock())
    await cancel_bookings(desk.db, desk.engine, event.event_id)
    desk.clock.move(minutes=6)
    await desk.carry_on(desk.checkout)
    after = await read_cancellation(desk.db, event.event_id)
    assert (after.refunds_settled, after.refunds_failed, after.refunded_minor) == (2, 0, 9_000)
    async with desk.db.transaction() as tx:
        await organizing.cancel_event(tx, door.event_id, desk.clock(), keeps_door=True)
    (row,) = await desk.db.fetch(
        "SELECT seq, at, facts FROM journal WHERE event_id = $1 ORDER BY seq DESC LIMIT 1", door.event_id
    )
    (fact,) = decode_facts(row["facts"])
    job = cancel_bookings_later(JournalFacts(door.event_id, row["seq"], row["at"], [fact]), fact)
    assert job.arguments["door_money"] == "keep"
    await cancel_bookings(desk.db, desk.engine, door.event_id, keeps_door=True)
    posted = await desk.db.fetch("SELECT debit, amount_minor FROM ledger WHERE event_id = $1", door.event_id)
    assert [tuple(each) for each in posted] == [("door", 5_000)]
    await deliver(desk.db, desk.clock)
    assert found(await inspect(desk.db, door.event_id)) == {}


async def test_refunds_at_the_demo_gateway_are_found_without_a_notice(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "NOTICES_MAX", 2)
    paid = [await desk.hold() for _ in range(3)]
    for held in paid:
        payment = await desk.pay(held)
        assert payment.reference is not None
        assert await desk.demo.refund_outside(payment.reference, 700)
    assert not await desk.checkout.reconcile()
    assert await desk.checkout.process_pending_notices() == 3
    assert [(await desk.booking_now(held)).outside_minor for held in paid] == [700] * 3
    assert not await desk.checkout.reconcile()
    assert await desk.checkout.process_pending_notices() == 0
    await deliver(desk.db, desk.clock)
    assert found(await inspect(desk.db)) == {}


async def test_payments_and_refunds_are_finished_in_the_background(desk: Desk, database_url: str) -> None:
    event = await desk.hall()
    held = [await desk.hold(event) for _ in range(3)]
    for each in held[:2]:
        await desk.pay(each)
    late = (await desk.try_to_pay(held[2], "late")).payment
    desk.clock.move(seconds=20)
    people = Accounts(desk.db, utc_now, TokenOptions(bytes(32)))
    services = reactions.Services(
        desk.db,
        desk.engine,
        desk.checkout,
        people,
        make_mail(desk.db, desk.clock),
        make_push(desk.db, desk.clock),
        make_webhooks(desk.db, desk.clock),
        desk.clock,
    )
    async with reactions.running(DatabaseOptions(database_url), services):

        async def captured() -> bool:
            return (await desk.look(late)).state == "captured"

        await until(captured)
        await desk.engine.submit(CancelSale(event.event_id))

        async def paid_back() -> bool:
            progress = await read_cancellation(desk.db, event.event_id)
            return (progress.bookings_left, progress.refunds_settled) == (0, 3)

        await until(paid_back)
    assert await desk.effects(late) == ["authorised", "captured", "refunded"]
