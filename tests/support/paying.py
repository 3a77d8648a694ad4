"""A sales desk with a checkout, and what tests of payments share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from evently import sales
from evently.catalogue import Event
from evently.checkout import Checkout, Paid, Payment, PaymentChoice, find_payment_by_id
from evently.db import Database
from evently.kit.ids import new_id, parse_id
from evently.organizing import SaleTerms
from evently.payments import DemoGateway, Gateway
from evently.sales.commands import Booking
from evently.sales.terms import Conditions
from tests.support.catalogue import sale_terms
from tests.support.sales_desk import SalesDesk, open_sales_desk

ONLINE = Conditions(payment="online", hold_seconds=600)


class Desk(SalesDesk):
    """A sales desk whose bookings are paid online, with the demo gateway."""

    checkout: Checkout
    demo: DemoGateway

    def open(self, gateway: Gateway | None = None, **options: Any) -> Checkout:
        """Return a checkout as a process of its own would have it; `gateway` in front of the demo one."""
        gateways: Mapping[str, Gateway] = {"demo": gateway or self.demo}
        return Checkout(self.db, self.engine, gateways, "demo", self.clock, new_id, **options)

    async def hall(self, capacity: int = 100, conditions: Conditions = ONLINE) -> Event:
        """Put an event on sale that is paid online."""
        return await self.event(sold_under(conditions, capacity))

    async def hold(self, event: Event | None = None, units: int = 2) -> Booking:
        """Hold units of an event, a new one unless told."""
        held = await self.book(event or await self.hall(), units)
        assert held.state == "held"
        return held

    async def pay(self, held: Booking, method: str | None = "succeeds", **more: Any) -> Payment:
        """Pay for a hold, as its buyer, and let everything go on that does."""
        paid = await self.try_to_pay(held, method, **more)
        await self.checkout.quiet()
        return await self.look(paid.payment)

    async def try_to_pay(
        self, held: Booking, method: str | None = "succeeds", key: str | None = None, **wish: Any
    ) -> Paid:
        """Pay for a hold, as its buyer, and return the first answer."""
        return await self.checkout.pay(held.booking_id, held.buyer_id, PaymentChoice(method, **wish), key)

    async def look(self, payment: Payment) -> Payment:
        """Return a payment as it is now."""
        found = await find_payment_by_id(self.db, payment.payment_id)
        assert found is not None
        return found

    async def booking_now(self, booking: Booking) -> Booking:
        """Return a booking as it is now."""
        return await sales.reads.get_booking(self.db, booking.booking_id)

    async def carry_on(self, checkout: Checkout, rounds: int = 40) -> None:
        """Let time pass and the sweeper and its jobs work, until nothing is left to be done."""
        for _ in range(rounds):
            await checkout.sweep()
            await run_jobs(self.db, checkout)
            await checkout.quiet()
            if not await unfinished(self.db):
                return
            self.clock.move(seconds=30)

    async def effects(self, payment: Payment) -> list[str]:
        """Return what the gateway did for a payment, by its own journal."""
        return [effect.kind for effect in await self.demo.list_effects(payment.payment_id)]


@asynccontextmanager
async def open_desk(db: Database, **engine: Any) -> AsyncIterator[Desk]:
    """Open a sales desk and its checkout at `NOW`, and close them."""
    async with open_sales_desk(db, **engine) as sales_desk:
        desk = Desk(sales_desk.db, sales_desk.engine, sales_desk.clock, sales_desk.venue)
        desk.demo = DemoGateway(db, sales_desk.clock)
        desk.checkout = desk.open()
        try:
            yield desk
        finally:
            await desk.checkout.stop()


def sold_under(conditions: Conditions, capacity: int = 100) -> SaleTerms:
    """Return how an event is sold under these conditions: one ticket type for 25 euros."""
    return msgspec.structs.replace(sale_terms(capacity=capacity), conditions=conditions)


async def run_jobs(db: Database, checkout: Checkout) -> int:
    """Do the jobs that are stored, as the worker would; returns how many."""
    async with db.transaction() as tx:
        rows = await tx.fetch(
            "UPDATE procrastinate_jobs SET status = 'succeeded' WHERE status = 'todo' RETURNING task_name, args::text AS args"
        )
    for row in rows:
        await run_job(checkout, row["task_name"], row["args"])
    return len(rows)


async def run_job(checkout: Checkout, task: str, arguments: str) -> None:
    """Do one job."""
    said: dict[str, str] = msgspec.json.decode(arguments)
    if task == "resume_payment":
        await checkout.resume_payment(parse_id("pay", said["payment_id"]))
    elif task == "pay_back":
        await checkout.pay_back(parse_id("evt", said["event_id"]), parse_id("rfd", said["refund_id"]))


async def unfinished(db: Database) -> int:
    """Return how many payments and refunds somebody must look at."""
    found: int = await db.fetch_value(
        "SELECT (SELECT count(*) FROM payments WHERE resume_at IS NOT NULL) + (SELECT count(*) FROM refunds WHERE settled_at IS NULL)"
    )
    return found
