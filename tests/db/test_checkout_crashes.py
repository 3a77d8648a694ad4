"""The process dies between any two steps of a payment or a refund, and another process resumes it.

The end is always one of two: paid, confirmed and captured once; or nothing taken, and the place free. The
gateway's own journal says which.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from uuid import UUID

import pytest
import pytest_asyncio

from evently.checkout import Checkout, Payment, PaymentChoice, list_payments
from evently.db import Database
from evently.kit.errors import Refused
from evently.sales.commands.bookings import CancelBooking
from evently.sales.commands.sale_terms import WakeSale
from evently.sales.nouns import Booking
from evently.sales.reads import find_sale
from tests.support.crash_points import CrashPoint, ProcessCrashed, crashing_checkout
from tests.support.paying import Desk, open_desk

POINTS_MAX = 60  # the longest of these lives has fewer


@pytest_asyncio.fixture
async def desk(db: Database) -> AsyncIterator[Desk]:
    async with open_desk(db) as opened:
        yield opened


async def judge(desk: Desk, held: Booking) -> str:
    """Return `paid` or `free`. Anything else fails the test."""
    payments = await list_payments(desk.db, held.booking_id)
    taken = back = 0
    for payment in payments:
        assert payment.is_final, payment.state
        effects = await desk.demo.list_effects(payment.payment_id)
        kinds = [effect.kind for effect in effects]
        assert max(kinds.count("authorised"), kinds.count("captured"), kinds.count("voided")) <= 1
        assert ("captured" in kinds) == (payment.state == "captured"), (payment.state, kinds)
        if "authorised" in kinds and payment.state not in {"captured", "lost"}:
            assert "voided" in kinds, (payment.state, kinds)
        taken += sum(effect.amount_minor for effect in effects if effect.kind == "captured")
        back += sum(effect.amount_minor for effect in effects if effect.kind == "refunded")
    booking = await desk.booking_now(held)
    captured = [payment.payment_id for payment in payments if payment.state == "captured"]
    assert len(captured) <= 1
    if captured:
        assert (booking.payment_id, booking.paid_minor) == (captured[0], taken)
        assert booking.captured_at is not None
        assert back == booking.refunded_minor
    assert not await desk.db.fetch_value("SELECT count(*) FROM refunds WHERE settled_at IS NULL")
    if booking.state == "confirmed":
        assert captured
        return "paid"
    assert booking.state in {"expired", "cancelled"}
    assert back == taken
    (pool,) = (await find_sale(desk.db, held.event_id)).pools.values()
    assert pool.taken() == 0
    return "free"


async def let_end(desk: Desk, held: Booking) -> None:
    """Resume everything in a new process, and expire a hold that is not paid."""
    await desk.carry_on(desk.open())
    desk.clock.move(seconds=700)
    await desk.engine.submit(WakeSale(held.event_id))
    await desk.carry_on(desk.open())


async def each_death(
    desk: Desk,
    live: Callable[[Checkout, Booking], Awaitable[None]],
    after: Callable[[Booking], Awaitable[str]],
) -> list[str]:
    """Repeat a life, each time with the crash one point later, until it ends without a crash.

    Return how each life ended.
    """
    ends: list[str] = []
    for points in range(1, POINTS_MAX):
        held, crash_point = await desk.hold(), CrashPoint(points)
        process = crashing_checkout(desk, crash_point)
        with suppress(ProcessCrashed):
            await live(process, held)
        await process.wait_until_idle()
        ends.append(await after(held))
        if not crash_point.reached:
            return ends
    raise AssertionError("it never ended")


def pays(method: str) -> Callable[[Checkout, Booking], Awaitable[None]]:
    async def live(process: Checkout, held: Booking) -> None:
        await process.pay(held.booking_id, held.buyer_id, PaymentChoice(method), "a key")

    return live


@pytest.mark.parametrize("method", ["succeeds", "answer-lost", "request-lost", "late"])
async def test_a_payment_that_is_resumed_in_time_is_paid(desk: Desk, method: str) -> None:
    async def after(held: Booking) -> str:
        begun = await list_payments(desk.db, held.booking_id)
        await let_end(desk, held)
        end = await judge(desk, held)
        assert end == ("paid" if begun else "free")
        return end

    ends = await each_death(desk, pays(method), after)
    assert ends[0] == "free"
    assert set(ends[2:]) == {"paid"}


@pytest.mark.parametrize("method", ["succeeds", "answer-lost", "request-lost", "late", "asks"])
async def test_a_payment_that_is_resumed_too_late_takes_nothing(desk: Desk, method: str) -> None:
    async def after(held: Booking) -> str:
        confirmed = (await desk.booking_now(held)).state == "confirmed"
        desk.clock.move(seconds=601)
        await let_end(desk, held)
        end = await judge(desk, held)
        assert end == ("paid" if confirmed else "free")
        return end

    ends = await each_death(desk, pays(method), after)
    assert len(ends) >= 4


@pytest.mark.parametrize("method", ["declined", "capture-fails"])
async def test_a_card_that_fails_leaves_nothing(desk: Desk, method: str) -> None:
    async def after(held: Booking) -> str:
        await let_end(desk, held)
        return await judge(desk, held)

    assert set(await each_death(desk, pays(method), after)) == {"free"}


async def test_the_key_gets_the_same_payment_after_any_death(desk: Desk) -> None:
    async def after(held: Booking) -> str:
        again = desk.open()
        paid = await again.pay(held.booking_id, held.buyer_id, PaymentChoice("succeeds"), "a key")
        await again.wait_until_idle()
        assert paid.payment.attempt == 1
        assert paid.payment.state in {"confirmed", "captured"}
        await let_end(desk, held)
        return await judge(desk, held)

    assert set(await each_death(desk, pays("succeeds"), after)) == {"paid"}


async def test_a_hold_that_is_cancelled_during_the_payment_costs_nothing(desk: Desk) -> None:
    async def live(process: Checkout, held: Booking) -> None:
        with suppress(Refused):
            await process.pay(held.booking_id, held.buyer_id, PaymentChoice("asks"), "a key")
        await desk.engine.submit(CancelBooking(held.event_id, held.booking_id, held.buyer_id, held.buyer_id))
        for payment in await list_payments(desk.db, held.booking_id):
            if payment.reference is not None:
                await desk.demo.approve(payment.reference)
            await process.saga.resume(await desk.look(payment))

    async def after(held: Booking) -> str:
        await let_end(desk, held)
        return await judge(desk, held)

    assert set(await each_death(desk, live, after)) == {"free"}


@pytest.mark.parametrize("method", ["late", "asks"])
async def test_a_process_that_dies_while_it_resumes_what_is_due_loses_nothing(
    desk: Desk, method: str
) -> None:
    async def live(process: Checkout, held: Booking) -> None:
        payment = await desk.pay(held, method)
        assert payment.reference is not None
        await desk.demo.approve(payment.reference)
        desk.clock.move(seconds=40)
        await process.resume_due()
        await process.wait_until_idle()

    async def after(held: Booking) -> str:
        await let_end(desk, held)
        return await judge(desk, held)

    assert set(await each_death(desk, live, after)) == {"paid"}


@pytest.mark.parametrize("method", ["succeeds", "refund-fails"])
async def test_a_refund_is_made_once(desk: Desk, method: str) -> None:
    async def live(process: Checkout, held: Booking) -> None:
        payment = await desk.pay(held, method)
        await desk.engine.submit(CancelBooking(held.event_id, held.booking_id, held.event_id, None))
        await process.pay_back(held.event_id, await only_refund(desk, held))
        assert payment.state == "captured"

    async def after(held: Booking) -> str:
        await desk.carry_on(desk.open(), rounds=14)
        await desk.checkout.wait_until_idle()
        if method == "refund-fails":
            refund_id = await only_refund(desk, held)
            await desk.checkout.retry_refund(held.event_id, refund_id)
            await desk.carry_on(desk.open())
        end = await judge(desk, held)
        payment = await latest(desk, held)
        effects = await desk.effects(payment)
        assert effects.count("refunded") == 1
        return end

    assert set(await each_death(desk, live, after)) == {"free"}


async def test_what_is_cancelled_before_it_is_captured_is_captured_and_paid_back(desk: Desk) -> None:
    async def live(process: Checkout, held: Booking) -> None:
        crash_point = CrashPoint(9)  # the booking is confirmed, and nothing is captured
        first = crashing_checkout(desk, crash_point)
        with suppress(ProcessCrashed):
            await first.pay(held.booking_id, held.buyer_id, PaymentChoice("succeeds"))
        await first.wait_until_idle()
        assert (await desk.booking_now(held)).state == "confirmed"
        await desk.engine.submit(CancelBooking(held.event_id, held.booking_id, held.event_id, None))
        await process.pay_back(held.event_id, await only_refund(desk, held))

    async def after(held: Booking) -> str:
        await desk.carry_on(desk.open())
        assert await desk.effects(await latest(desk, held)) == ["authorised", "captured", "refunded"]
        return await judge(desk, held)

    assert set(await each_death(desk, live, after)) == {"free"}


async def only_refund(desk: Desk, held: Booking) -> UUID:
    found: UUID = await desk.db.fetch_value(
        "SELECT refund_id FROM refunds WHERE booking_id = $1", held.booking_id
    )
    return found


async def latest(desk: Desk, held: Booking) -> Payment:
    return (await list_payments(desk.db, held.booking_id))[0]
