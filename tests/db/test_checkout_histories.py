"""Random histories of the money of one booking: repeated payments, crashes, notices, ends of holds.

However it went, it ends in one of two ways (`judge` in test_checkout_crashes): paid, confirmed and captured
once; or nothing taken, and the place free; and what was decided to be paid back is paid back once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evently.checkout import Checkout, PaymentChoice, list_payments
from evently.db import Database, DatabaseOptions
from evently.kit.errors import Refused, Trouble
from evently.sales.commands.bookings import CancelBooking, ExtendHold
from evently.sales.commands.sale_terms import CancelSale, WakeSale
from evently.sales.nouns import Booking
from evently.sales.outcomes import Booked
from tests.db.test_checkout_crashes import judge
from tests.support.crash_points import CrashPoint, ProcessCrashed, crashing_checkout
from tests.support.paying import Desk, open_desk

METHODS = ("succeeds", "declined", "asks", "late", "answer-lost", "request-lost", "capture-fails")
POINTS_MAX = 24

pay = st.tuples(
    st.just("pay"), st.sampled_from(METHODS), st.integers(1, POINTS_MAX), st.sampled_from(("a", "b", None))
)
pay_thrice = st.tuples(st.just("pay at once"), st.sampled_from(METHODS), st.integers(2, 4))
resume = st.tuples(st.just("resume"), st.integers(1, POINTS_MAX))
buyer = st.tuples(st.sampled_from(("approve", "decline", "approve and tell", "tell")))
time = st.tuples(st.just("wait"), st.sampled_from((5, 30, 100, 400, 601)))
till = st.tuples(
    st.sampled_from(
        ("expire", "extend", "cancel", "cancel one", "organizer cancels", "event cancelled", "sweep")
    )
)
histories = st.lists(st.one_of(pay, pay_thrice, resume, buyer, time, till), min_size=1, max_size=12)


class History:
    """One booking and its random history."""

    def __init__(self, desk: Desk, held: Booking) -> None:
        self.desk = desk
        self.held = held

    async def happen(self, what: tuple[Any, ...]) -> None:
        verb = str(what[0]).replace(" ", "_")
        with suppress(Refused, ProcessCrashed):
            await getattr(self, f"_{verb}")(*what[1:])

    async def end(self) -> str:
        """Resume everything until it is final, and return the end."""
        desk = self.desk
        await desk.carry_on(desk.open())
        desk.clock.move(seconds=4000)
        await desk.engine.submit(WakeSale(self.held.event_id))
        await desk.carry_on(desk.open())
        return await judge(desk, self.held)

    async def _pay(self, method: str, points: int, key: str | None) -> None:
        await self._die_at(
            points,
            lambda process: process.pay(self.held.booking_id, self.held.buyer_id, PaymentChoice(method), key),
        )

    async def _pay_at_once(self, method: str, times: int) -> None:
        processes = [self.desk.open() for _ in range(times)]
        calls = [
            process.pay(self.held.booking_id, self.held.buyer_id, PaymentChoice(method))
            for process in processes
        ]
        await asyncio.gather(*calls, return_exceptions=True)
        for process in processes:
            await process.wait_until_idle()

    async def _resume(self, points: int) -> None:
        for payment in await list_payments(self.desk.db, self.held.booking_id):
            with suppress(Trouble):
                await self._die_at(points, lambda process, each=payment: process.saga.resume(each))  # type: ignore[misc]

    async def _die_at(self, points: int, work: Callable[[Checkout], Any]) -> None:
        process = crashing_checkout(self.desk, CrashPoint(points))
        try:
            await work(process)
        finally:
            await process.wait_until_idle()

    async def _approve(self) -> None:
        for reference in await self._references():
            await self.desk.demo.approve(reference)

    async def _decline(self) -> None:
        for reference in await self._references():
            await self.desk.demo.decline(reference)

    async def _approve_and_tell(self) -> None:
        await self._approve()
        await self._tell()

    async def _tell(self) -> None:
        process = self.desk.open()
        for reference in await self._references():
            await asyncio.gather(*[process.resume_by_reference("demo", reference) for _ in range(2)])
        await process.wait_until_idle()

    async def _references(self) -> list[str]:
        payments = await list_payments(self.desk.db, self.held.booking_id)
        return [payment.reference for payment in payments if payment.reference is not None]

    async def _wait(self, seconds: int) -> None:
        self.desk.clock.move(seconds=seconds)

    async def _expire(self) -> None:
        await self.desk.engine.submit(WakeSale(self.held.event_id))

    async def _extend(self) -> None:
        await self.desk.engine.submit(
            ExtendHold(self.held.event_id, self.held.booking_id, self.held.buyer_id)
        )

    async def _cancel(self) -> None:
        await self._cancelled(self.held.buyer_id, None)

    async def _cancel_one(self) -> None:
        valid = [
            ticket.ticket_id
            for ticket in (await self.desk.booking_now(self.held)).tickets
            if ticket.state == "valid"
        ]
        if valid:
            await self._cancelled(self.held.buyer_id, (valid[0],))

    async def _organizer_cancels(self) -> None:
        await self._cancelled(None, None)

    async def _cancelled(self, buyer_id: Any, ticket_ids: Any) -> None:
        outcome = await self.desk.engine.submit(
            CancelBooking(self.held.event_id, self.held.booking_id, self.held.buyer_id, buyer_id, ticket_ids)
        )
        if isinstance(outcome, Booked):
            rows = await self.desk.db.fetch(
                "SELECT refund_id FROM refunds WHERE booking_id = $1", self.held.booking_id
            )
            await asyncio.gather(
                *[
                    self.desk.open().pay_back(self.held.event_id, row["refund_id"])
                    for row in rows
                    for _ in range(2)
                ]
            )

    async def _event_cancelled(self) -> None:
        await self.desk.engine.submit(CancelSale(self.held.event_id))

    async def _sweep(self) -> None:
        process = self.desk.open()
        await self.desk.carry_on(process, rounds=1)


@asynccontextmanager
async def desk_at(url: str) -> AsyncIterator[Desk]:
    database = await Database.open(DatabaseOptions(url))
    async with open_desk(database) as desk:
        yield desk
    await database.close()


@pytest.mark.timeout(280)
def test_every_history_ends_in_one_of_two_ways(database_url: str, prove: bool) -> None:  # noqa: FBT001  # a fixture
    ends: list[str] = []

    @settings(
        max_examples=3_000 if prove else 60,
        deadline=None,
        database=None,
        derandomize=not prove,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(histories)
    def live(history: list[tuple[Any, ...]]) -> None:
        async def run() -> None:
            history_of = History(desk, await desk.hold())
            for what in history:
                await history_of.happen(what)
            ends.append(await history_of.end())

        runner.run(run())

    with asyncio.Runner() as runner:
        opened = desk_at(database_url)
        desk = runner.run(opened.__aenter__())
        try:
            live()
        finally:
            runner.run(opened.__aexit__(None, None, None))
    assert set(ends) == {"paid", "free"}
