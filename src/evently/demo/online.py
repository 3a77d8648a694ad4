"""The online bookings of the demo's theatre, through the checkout and the demo gateway.

Most are paid at once; some with a card that is declined first, or with a promo code; some holds expire; two
bookings are cancelled and refunded. The demo gateway and the sales engine have transactions of their own, so
this runs after the single transaction of `seeding`. If it is interrupted, fewer bookings exist, each
complete.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from evently import sales
from evently.checkout import Checkout, PaymentChoice
from evently.db import Database
from evently.kit.ids import new_id
from evently.payments import DemoGateway
from evently.sales import Engine, EngineOptions
from evently.sales.commands.bookings import BookingLine, CancelBooking, PlaceBooking
from evently.sales.commands.sale_terms import WakeSale
from evently.sales.nouns import Booking
from evently.sales.outcomes import Booked, Outcome

_BUYERS: Final = 32
_EVERY: Final = timedelta(hours=6, minutes=23)
_CHOSEN: Final = ("Stalls", "Circle", "Stalls, reduced", "Circle", "Stalls")
_PROMOS: Final = {1: "EARLY10", 3: "FAMILY"}  # each used by one buyer in four
_UNPAID: Final = frozenset({6, 17, 29})
_DECLINED_FIRST: Final = frozenset({3, 12, 21})
_CANCELLED: Final = {10: 1, 23: None}  # the number of cancelled tickets; None: all


class _Shop(NamedTuple):
    """The sales engine, the checkout, and a clock that the demo moves."""

    database: Database
    engine: Engine
    checkout: Checkout
    clock: _Clock


class _Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


async def buy_online(database: Database, event_id: UUID, buyers: Sequence[UUID], now: datetime) -> None:
    """Book seats of an event that is paid online, in the days before `now`."""
    types = {
        terms.name: terms.ticket_type_id
        for terms in (await sales.reads.find_sale(database, event_id)).ticket_types.values()
    }
    async with _open(database, now) as shop:
        for number in range(_BUYERS):
            shop.clock.now = now - (_BUYERS - number) * _EVERY
            line = BookingLine(types[_CHOSEN[number % len(_CHOSEN)]], 1 + number % 3)
            promo_code = _PROMOS.get(number % 4)
            held = _booked(
                await shop.engine.submit(
                    PlaceBooking(event_id, buyers[number % len(buyers)], (line,), promo_code=promo_code)
                )
            )
            if number in _UNPAID:
                shop.clock.now += timedelta(minutes=11)
                await shop.engine.submit(WakeSale(event_id))
                continue
            for card in ("declined", "succeeds") if number in _DECLINED_FIRST else ("succeeds",):
                shop.clock.now += timedelta(seconds=95)
                await shop.checkout.pay(held.booking_id, held.buyer_id, PaymentChoice(card))
                await shop.checkout.wait_until_idle()
            if number in _CANCELLED:
                shop.clock.now += timedelta(hours=3)
                await _cancel(shop, held, _CANCELLED[number])


@asynccontextmanager
async def _open(database: Database, now: datetime) -> AsyncIterator[_Shop]:
    clock = _Clock(now)
    engine = Engine(database, EngineOptions(lanes=1), clock, new_id)
    checkout = Checkout(database, engine, {"demo": DemoGateway(database, clock)}, "demo", clock, new_id)
    await engine.start()
    try:
        yield _Shop(database, engine, checkout, clock)
    finally:
        await checkout.stop()
        await engine.stop()


async def _cancel(shop: _Shop, booking: Booking, tickets: int | None) -> None:
    chosen = None if tickets is None else tuple(ticket.ticket_id for ticket in booking.tickets[:tickets])
    _booked(
        await shop.engine.submit(
            CancelBooking(booking.event_id, booking.booking_id, booking.buyer_id, booking.buyer_id, chosen)
        )
    )
    for refund in await sales.reads.list_refunds(shop.database, booking.event_id, booking.booking_id):
        shop.clock.now += timedelta(seconds=4)
        await shop.checkout.pay_back(booking.event_id, refund.refund_id)


def _booked(outcome: Outcome) -> Booking:
    assert isinstance(outcome, Booked), f"seats are available and the sale is open: {outcome}"
    return outcome.booking
