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
from evently.kit.ids import new_id
from evently.organizing import SaleTerms
from evently.payments import DemoGateway, Gateway
from evently.sales.nouns import Booking
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
        """Hold units of an event; by default of a new one."""
        held = await self.book(event or await self.hall(), units)
        assert held.state == "held"
        return held

    async def pay(self, held: Booking, method: str | None = "succeeds", **more: Any) -> Payment:
        """Pay for a hold, as its buyer, and wait for the background work."""
        paid = await self.try_to_pay(held, method, **more)
        await self.checkout.wait_until_idle()
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
        """Resume what is due while time passes, until nothing is left to resume."""
        for _ in range(rounds):
            await checkout.resume_due()
            await checkout.wait_until_idle()
            if not await unfinished(self.db):
                return
            self.clock.move(seconds=30)

    async def effects(self, payment: Payment) -> list[str]:
        """Return the effects of a payment in the gateway's own journal."""
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


async def unfinished(db: Database) -> int:
    """Return how many payments and refunds are not final."""
    found: int = await db.fetch_value(
        "SELECT (SELECT count(*) FROM payments WHERE resume_at IS NOT NULL)"
        " + (SELECT count(*) FROM refunds WHERE settled_at IS NULL)"
    )
    return found
