"""The checkout with the real Stripe client, against a fake server of Stripe. Notices come in any order.

The journal of the fake server decides what is right.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest
import pytest_asyncio

from evently.audit import inspect
from evently.checkout import Checkout, Payment, PaymentChoice, find_payment_by_id, list_refunds, reconciling
from evently.db import Database
from evently.kit.errors import Refused
from evently.kit.ids import new_id
from evently.payments import Guarded, GuardOptions
from evently.payments.stripe import StripeGateway
from evently.sales.commands.bookings import CancelBooking, OutsideRefund, RecordOutsideRefunds
from evently.sales.facts import Fact, OutsideRefundsRecorded, RefundSettled, decode_facts
from evently.sales.nouns import Booking
from evently.sales.outcomes import Booked, No
from tests.db.test_audit import deliver, found
from tests.support.fake_stripe import KEY, SECRET, FakeStripe, fake_stripe, sign
from tests.support.paying import Desk, open_desk

QUICK = GuardOptions(tries_max=2, wait_seconds=0.001, wait_seconds_max=0.002, failures_max=50)
VISA = "pm_card_visa"


class StripeDesk:
    """A sales desk whose payments are made with Stripe."""

    def __init__(self, desk: Desk, stripe: FakeStripe) -> None:
        self.desk = desk
        self.stripe = stripe
        self.checkout = self.open()
        self._opened = [self.checkout]

    def open(self) -> Checkout:
        gateway = Guarded(StripeGateway(KEY, SECRET, self.stripe.url), QUICK)
        return Checkout(
            self.desk.db, self.desk.engine, {"stripe": gateway}, "stripe", self.desk.clock, new_id
        )

    async def pay(self, held: Booking, method: str | None = VISA, *, hosted: bool = False) -> Payment:
        wish = PaymentChoice(method, hosted, "https://shop.example/done" if hosted else None)
        paid = await self.checkout.pay(held.booking_id, held.buyer_id, wish)
        await self.checkout.wait_until_idle()
        return await self.look(paid.payment)

    async def look(self, payment: Payment) -> Payment:
        found = await find_payment_by_id(self.desk.db, payment.payment_id)
        assert found is not None
        return found

    async def tell(self, *, times: int = 1, shuffle: random.Random | None = None) -> int:
        """Deliver all notices so far, and return how many were new."""
        events = [event for event in self.stripe.events for _ in range(times)]
        if shuffle is not None:
            shuffle.shuffle(events)
        new = 0
        for event in events:
            headers, body = sign(event, self.desk.clock().timestamp())
            new += await self.checkout.receive("stripe", headers, body)
        await self.checkout.wait_until_idle()
        return new

    def effects(self) -> list[tuple[str, int]]:
        return [(effect.kind, effect.amount) for effect in self.stripe.journal]


@pytest_asyncio.fixture
async def at_stripe(db: Database) -> AsyncIterator[StripeDesk]:
    async with fake_stripe() as stripe, open_desk(db) as desk:
        opened = StripeDesk(desk, stripe)
        yield opened
        await opened.checkout.stop()


async def test_a_card_is_authorised_confirmed_and_captured(at_stripe: StripeDesk) -> None:
    payment = await at_stripe.pay(await at_stripe.desk.hold())
    assert payment.state == "captured"
    assert at_stripe.effects() == [("authorised", 5000), ("captured", 5000)]


async def test_a_declined_card_and_then_another_one(at_stripe: StripeDesk) -> None:
    held = await at_stripe.desk.hold()
    declined = await at_stripe.pay(held, "pm_card_chargeDeclinedInsufficientFunds")
    assert (declined.state, declined.failure_code) == ("declined", "insufficient_funds")
    assert (await at_stripe.pay(held)).state == "captured"
    assert at_stripe.stripe.count("captured") == 1


async def test_a_number_that_is_no_method_is_not_kept(at_stripe: StripeDesk) -> None:
    declined = await at_stripe.pay(await at_stripe.desk.hold(), "4242424242424242")
    assert (declined.state, declined.failure_code, declined.method) == (
        "declined",
        "not_accepted",
        "pm_unknown",
    )


async def test_the_hosted_page_and_its_notices_twice_and_in_any_order(at_stripe: StripeDesk) -> None:
    held = await at_stripe.desk.hold()
    asked = await at_stripe.pay(held, None, hosted=True)
    assert asked.next_action is not None
    assert asked.reference is not None
    assert (asked.state, asked.next_action.kind) == ("action_needed", "redirect")
    at_stripe.stripe.pay_session(asked.reference)
    assert await at_stripe.tell(times=3, shuffle=random.Random(7)) == len(
        at_stripe.stripe.events
    ) - at_stripe.stripe.count("captured")
    assert (await at_stripe.look(asked)).state == "captured"
    await at_stripe.tell(times=2, shuffle=random.Random(8))
    assert await at_stripe.tell() == 0
    assert at_stripe.effects() == [("authorised", 5000), ("captured", 5000)]
    assert (
        await at_stripe.desk.db.fetch_value("SELECT count(*) FROM payment_notices WHERE handled_at IS NULL")
        == 0
    )


@pytest.mark.parametrize("says", ["yes", "no"])
async def test_the_bank_asks_its_customer(at_stripe: StripeDesk, says: str) -> None:
    held = await at_stripe.desk.hold()
    asked = await at_stripe.pay(held, "pm_card_authenticationRequired")
    assert asked.state == "action_needed"
    assert asked.reference is not None
    at_stripe.stripe.buyer(asked.reference, "yes" if says == "yes" else "no")
    await at_stripe.tell()
    assert (await at_stripe.look(asked)).state == ("captured" if says == "yes" else "declined")
    assert at_stripe.stripe.count("captured") == (says == "yes")


async def test_a_notice_after_the_hold_lets_the_money_go(at_stripe: StripeDesk) -> None:
    held = await at_stripe.desk.hold()
    asked = await at_stripe.pay(held, "pm_late")
    assert asked.state == "authorising"
    assert asked.reference is not None
    at_stripe.desk.clock.move(seconds=601)
    at_stripe.stripe.buyer(asked.reference, "yes")
    await at_stripe.tell()
    assert (await at_stripe.look(asked)).state == "voided"
    assert at_stripe.effects() == [("authorised", 5000), ("voided", 5000)]
    at_stripe.desk.clock.move(days=1)
    await at_stripe.tell(times=2)
    assert at_stripe.effects() == [("authorised", 5000), ("voided", 5000)]


async def test_forged_notices_do_nothing_and_leave_nothing(at_stripe: StripeDesk) -> None:
    held = await at_stripe.desk.hold()
    asked = await at_stripe.pay(held, "pm_card_authenticationRequired")
    assert asked.reference is not None
    at_stripe.stripe.buyer(asked.reference, "yes")
    event, now = at_stripe.stripe.events[-1], at_stripe.desk.clock().timestamp()
    good, body = sign(event, now)
    old, old_body = sign(event, now - 3600)
    ahead, ahead_body = sign(event, now + 3600)
    foreign, foreign_body = sign(event, now, "whsec_another")
    for headers, sent in (
        (foreign, foreign_body),
        (old, old_body),
        (ahead, ahead_body),
        ({}, body),
        (good, body + b" "),
        (good, b""),
    ):
        with pytest.raises(Refused, match="webhook-forged"):
            await at_stripe.checkout.receive("stripe", headers, sent)
    assert await at_stripe.desk.db.fetch_value("SELECT count(*) FROM payment_notices") == 0
    assert (await at_stripe.look(asked)).state == "action_needed"
    assert await at_stripe.checkout.receive("stripe", good, body) == 1


async def test_notices_about_what_is_not_ours_are_kept_and_nothing_happens(at_stripe: StripeDesk) -> None:
    await at_stripe.pay(await at_stripe.desk.hold())
    stranger = {**at_stripe.stripe.events[0], "id": "evt_of_somebody"}
    stranger = {
        **stranger,
        "data": {"object": {"id": "pi_of_somebody", "object": "payment_intent", "status": "succeeded"}},
    }
    headers, body = sign(stranger, at_stripe.desk.clock().timestamp())
    assert await at_stripe.checkout.receive("stripe", headers, body) == 1
    await at_stripe.checkout.wait_until_idle()
    assert await at_stripe.desk.db.fetch_value("SELECT handled_at IS NOT NULL FROM payment_notices") is True


async def test_a_notice_that_was_stored_and_not_understood_is_understood_later(at_stripe: StripeDesk) -> None:
    asked = await at_stripe.pay(await at_stripe.desk.hold(), "pm_card_authenticationRequired")
    assert asked.reference is not None
    at_stripe.stripe.buyer(asked.reference, "yes")
    at_stripe.stripe.fail("drop_before", times=100)
    await at_stripe.tell()
    assert (await at_stripe.look(asked)).state == "action_needed"
    at_stripe.stripe.faults.clear()
    other = at_stripe.open()
    assert await other.process_pending_notices() == 2
    await other.stop()
    assert (await at_stripe.look(asked)).state == "captured"
    assert await at_stripe.checkout.process_pending_notices() == 0


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "fail", "fail_after", "too_many", "garbage"])
@pytest.mark.parametrize("place", ["/payment_intents", "/confirm", "/capture"])
async def test_whatever_is_lost_on_the_way_it_is_paid_once(
    at_stripe: StripeDesk, kind: str, place: str
) -> None:
    at_stripe.stripe.fail(kind, place, times=3)  # type: ignore[arg-type]
    held = await at_stripe.desk.hold()
    payment = await at_stripe.pay(held)
    await at_stripe.desk.carry_on(at_stripe.checkout)
    assert (await at_stripe.look(payment)).state == "captured"
    assert at_stripe.effects() == [("authorised", 5000), ("captured", 5000)]
    assert (await at_stripe.desk.booking_now(held)).captured_at is not None


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "fail_after"])
async def test_whatever_is_lost_on_the_way_it_is_paid_back_once(at_stripe: StripeDesk, kind: str) -> None:
    held = await at_stripe.desk.hold()
    await at_stripe.pay(held)
    await at_stripe.desk.engine.submit(CancelBooking(held.event_id, held.booking_id, held.event_id, None))
    at_stripe.stripe.fail(kind, "/refunds", times=3)  # type: ignore[arg-type]
    at_stripe.desk.clock.move(minutes=6)
    await at_stripe.desk.carry_on(at_stripe.checkout)
    assert at_stripe.effects() == [("authorised", 5000), ("captured", 5000), ("refunded", 5000)]


async def test_a_bank_that_refuses_a_refund_late_is_noticed(at_stripe: StripeDesk) -> None:
    held = await at_stripe.desk.hold()
    await at_stripe.pay(held, "pm_refund_late")
    await at_stripe.desk.engine.submit(CancelBooking(held.event_id, held.booking_id, held.event_id, None))
    at_stripe.desk.clock.move(minutes=6)
    await at_stripe.desk.carry_on(at_stripe.checkout, rounds=3)
    (refund_id,) = at_stripe.stripe.refunds
    at_stripe.stripe.settle_refund(refund_id, "failed")
    await at_stripe.tell()
    await at_stripe.desk.carry_on(at_stripe.checkout, rounds=14)
    assert await at_stripe.desk.db.fetch_value("SELECT state FROM payment_refunds") == "failed"


async def test_an_authorisation_that_expired_cancels_the_booking(at_stripe: StripeDesk) -> None:
    payment = await at_stripe.pay(held := await at_stripe.desk.hold(), "pm_capture_fails")
    assert payment.state == "lost"
    assert (await at_stripe.desk.booking_now(held)).state == "cancelled"
    assert at_stripe.stripe.count("captured") == 0


# What others pay back ---------------------------------------------------------------------------------------


async def _audited(at_stripe: StripeDesk) -> None:
    await deliver(at_stripe.desk.db, at_stripe.desk.clock)
    assert {
        finding.code: finding.examples for finding in await inspect(at_stripe.desk.db) if finding.count
    } == {}


async def _cancel(at_stripe: StripeDesk, booking: Booking) -> Booking:
    by_organizer = CancelBooking(booking.event_id, booking.booking_id, booking.event_id, None)
    assert isinstance(await at_stripe.desk.engine.submit(by_organizer), Booked)
    for row in await at_stripe.desk.db.fetch("SELECT event_id, refund_id FROM refunds"):
        await at_stripe.checkout.pay_back(row["event_id"], row["refund_id"])
    return await at_stripe.desk.booking_now(booking)


def _intent_of(at_stripe: StripeDesk) -> str:
    (intent_id,) = at_stripe.stripe.intents
    return intent_id


@pytest.mark.parametrize("hosted", [False, True])
@pytest.mark.parametrize(("outside", "left"), [(5000, 0), (1000, 4000)])
async def test_a_refund_in_the_dashboard_is_recorded_and_only_the_rest_is_paid_back(
    at_stripe: StripeDesk, outside: int, left: int, *, hosted: bool
) -> None:
    held = await at_stripe.desk.hold()
    payment = await at_stripe.pay(held, None if hosted else VISA, hosted=hosted)
    if hosted:
        (session_id,) = at_stripe.stripe.sessions
        at_stripe.stripe.pay_session(session_id)
        await at_stripe.tell()
        payment = await at_stripe.look(payment)
    assert payment.state == "captured"
    refund_id = at_stripe.stripe.refund_by_hand(_intent_of(at_stripe), outside)
    await at_stripe.tell(times=2, shuffle=random.Random(1))
    booking = await at_stripe.desk.booking_now(held)
    assert (booking.state, booking.refunded_minor, booking.outside_minor) == ("confirmed", 0, outside)
    await _audited(at_stripe)
    (listed,) = (await list_refunds(at_stripe.desk.db, held.event_id, "settled", 10, None)).data
    assert (listed.origin, listed.state, listed.amount_minor) == ("gateway", "settled", outside)
    assert (listed.booking_id, listed.payment_id) == (held.booking_id, payment.payment_id)
    assert (listed.reference, listed.created_at) == (refund_id, at_stripe.desk.clock())
    cancelled = await _cancel(at_stripe, booking)
    assert (cancelled.state, cancelled.refunded_minor, cancelled.outside_minor) == (
        "cancelled",
        left,
        outside,
    )
    refunds = (await list_refunds(at_stripe.desk.db, held.event_id, None, 10, None)).data
    assert [(each.origin, each.amount_minor) for each in refunds] == [
        *[("evently", left)] * bool(left),
        ("gateway", outside),
    ]
    back = [amount for kind, amount in at_stripe.effects() if kind == "refunded"]
    assert back == [outside, *[left] * bool(left)]
    await _audited(at_stripe)


@pytest.mark.parametrize("outside", [1000, 5000])
async def test_a_refund_that_others_have_paid_back_in_part_pays_the_rest_and_is_settled(
    at_stripe: StripeDesk, outside: int
) -> None:
    held = await at_stripe.desk.hold()
    await at_stripe.pay(held)
    at_stripe.stripe.refund_by_hand(_intent_of(at_stripe), outside)  # nobody has told us yet
    cancelled = await _cancel(at_stripe, held)
    assert (cancelled.refunded_minor, cancelled.outside_minor) == (5000, 0)
    back = [amount for kind, amount in at_stripe.effects() if kind == "refunded"]
    assert sum(back) == 5000
    await at_stripe.tell()
    refund, other = (await list_refunds(at_stripe.desk.db, held.event_id, None, 10, None)).data
    if refund.origin == "gateway":
        refund, other = other, refund
    assert (refund.origin, refund.state) == ("evently", "settled")
    assert (other.origin, other.state, other.amount_minor) == ("gateway", "settled", outside)
    await _audited(at_stripe)


async def test_a_dispute_takes_the_money_and_gives_it_back_when_it_is_won(at_stripe: StripeDesk) -> None:
    held = await at_stripe.desk.hold()
    await at_stripe.pay(held)
    dispute_id = at_stripe.stripe.dispute(_intent_of(at_stripe), 5000)
    await at_stripe.tell()
    assert (await at_stripe.desk.booking_now(held)).outside_minor == 5000
    at_stripe.stripe.close_dispute(dispute_id, "won")
    await at_stripe.tell()
    assert (await at_stripe.desk.booking_now(held)).outside_minor == 0
    await _audited(at_stripe)
    facts = [fact for row in await _facts(at_stripe, held) for fact in row]
    recorded = [fact.outside_minor for fact in facts if isinstance(fact, OutsideRefundsRecorded)]
    assert recorded == [5000, 0]
    (listed,) = (await list_refunds(at_stripe.desk.db, held.event_id, "reversed", 10, None)).data
    assert (listed.origin, listed.reference, listed.amount_minor) == ("dispute", dispute_id, 5000)
    assert (await list_refunds(at_stripe.desk.db, held.event_id, "settled", 10, None)).data == []


async def test_an_answer_that_another_one_has_overtaken_is_not_recorded(at_stripe: StripeDesk) -> None:
    """Two notices come at once: the first asks before the second refund is made, and records after it."""
    desk, held = at_stripe.desk, await at_stripe.desk.hold()
    payment = await at_stripe.pay(held)
    first = OutsideRefund("refund", at_stripe.stripe.refund_by_hand(_intent_of(at_stripe), 1000), 1000)
    at_stripe.stripe.refund_by_hand(_intent_of(at_stripe), 500)
    await at_stripe.tell()
    late = RecordOutsideRefunds(held.event_id, held.booking_id, payment.payment_id, (first,), 0)
    refused = await desk.engine.submit(late)
    assert isinstance(refused, No)
    assert refused.reason == "recorded_meanwhile"
    assert (await desk.booking_now(held)).outside_minor == 1500
    again = msgspec.structs.replace(late, known_minor=1500)
    await asyncio.gather(desk.engine.submit(again), desk.engine.submit(again))
    assert (await desk.booking_now(held)).outside_minor == 1000
    await at_stripe.checkout.refunds.recheck(payment)
    assert (await desk.booking_now(held)).outside_minor == 1500
    refunds = (await list_refunds(desk.db, held.event_id, None, 10, None)).data
    assert sorted([(each.state, each.amount_minor) for each in refunds]) == [
        ("reversed", 500),
        ("settled", 500),
        ("settled", 1000),
    ]
    await _audited(at_stripe)


async def test_money_that_moved_without_a_notice_is_found(at_stripe: StripeDesk) -> None:
    """No webhook arrives. What is read back is recorded like a notice, once, a page at a time."""
    desk, stripe = at_stripe.desk, at_stripe.stripe
    stripe.clock, stripe.events_listed_max = lambda: desk.clock().timestamp(), 2
    held = await desk.hold()
    await at_stripe.pay(held)
    stripe.refund_by_hand(_intent_of(at_stripe), 1000)
    dispute_id = stripe.dispute(_intent_of(at_stripe), 2000)

    async def reconcile() -> int:
        while await at_stripe.checkout.reconcile():
            pass
        return await at_stripe.checkout.process_pending_notices()

    assert await reconcile() == 3  # refund.created, charge.refunded, charge.dispute.funds_withdrawn
    assert (await desk.booking_now(held)).outside_minor == 3000
    assert await reconcile() == 0
    assert await at_stripe.tell() == len(stripe.events) - 3, "a late webhook changes nothing"
    desk.clock.move(hours=5)
    stripe.close_dispute(dispute_id, "won")
    assert await reconcile() == 1
    assert (await desk.booking_now(held)).outside_minor == 1000
    place = await desk.db.fetch_row("SELECT since, after FROM reconciliations")
    assert place is not None
    assert tuple(place) == (desk.clock() - timedelta(hours=1), None)
    recorded = [
        fact.outside_minor
        for row in await _facts(at_stripe, held)
        for fact in row
        if isinstance(fact, OutsideRefundsRecorded)
    ]
    assert recorded == [3000, 1000]
    await _audited(at_stripe)


async def test_reading_notices_back_goes_on_where_it_stopped(
    at_stripe: StripeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "PAGES_MAX", 1)
    desk, stripe = at_stripe.desk, at_stripe.stripe
    stripe.clock, stripe.events_listed_max = lambda: desk.clock().timestamp(), 1
    held = await desk.hold()
    await at_stripe.pay(held)
    stripe.refund_by_hand(_intent_of(at_stripe), 1000)
    began_at = desk.clock()
    assert await at_stripe.checkout.reconcile()
    desk.clock.move(minutes=20)
    stripe.refund_by_hand(_intent_of(at_stripe), 500)  # after the reading began: the next one finds it
    stripe.fail("fail", "/v1/events", times=10)
    assert not await at_stripe.checkout.reconcile(), "Stripe is down"
    stripe.faults.clear()
    assert not await at_stripe.open().reconcile(), "another process reads the second page"
    assert await desk.db.fetch_value("SELECT since FROM reconciliations") == began_at - timedelta(hours=1)
    assert await desk.db.fetch_value("SELECT count(*) FROM payment_notices") == 2
    while await at_stripe.checkout.reconcile():
        pass
    assert await desk.db.fetch_value("SELECT count(*) FROM payment_notices") == 4
    # An event to go on after that Stripe has forgotten: it is listed from the newest one
    async with desk.db.transaction() as tx:
        await tx.execute("UPDATE reconciliations SET began_at = now(), after = 'evt_forgotten'")
    while await at_stripe.checkout.reconcile():
        pass
    assert await desk.db.fetch_value("SELECT count(*) FROM payment_notices") == 4


async def test_a_refund_that_fails_for_good_is_settled_by_hand(at_stripe: StripeDesk) -> None:
    held = await at_stripe.desk.hold()
    await at_stripe.pay(held, "pm_refund_fails")
    await _cancel(at_stripe, held)
    (refund,) = (await list_refunds(at_stripe.desk.db, held.event_id, None, 10, None)).data
    assert refund.state == "failed"
    person = new_id()
    settle = at_stripe.checkout.settle_refund
    settled, before = await settle(held.event_id, refund.refund_id, person, "Paid back in cash.")
    assert (settled.state, settled.failure_message, before) == ("settled", "Paid back in cash.", False)
    again, before = await settle(held.event_id, refund.refund_id, person, "Paid back in cash.")
    assert (again, before) == (settled, True)
    await _audited(at_stripe)
    told = [fact for row in await _facts(at_stripe, held) for fact in row if isinstance(fact, RefundSettled)]
    assert [(fact.how, fact.person_id, fact.reason) for fact in told] == [
        ("by_hand", person, "Paid back in cash.")
    ]
    async with at_stripe.desk.db.transaction() as tx:
        await tx.execute("UPDATE payment_refunds SET failure_message = 'By bank transfer.'")
    assert found(await inspect(at_stripe.desk.db)).keys() == {"I7"}


async def _facts(at_stripe: StripeDesk, booking: Booking) -> list[list[Fact]]:
    rows = await at_stripe.desk.db.fetch(
        "SELECT facts FROM journal WHERE event_id = $1 ORDER BY seq", booking.event_id
    )
    return [decode_facts(row["facts"]) for row in rows]
