"""The bookings and cancellations of the demo's events, planned before any is carried out.

The plan depends only on the event, and respects capacity and limits, so that no booking is refused.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from evently.demo.programme import EventSpec
from evently.sales.reads import Sale
from evently.sales.terms import TicketTypeTerms

_QUANTITIES: Final = (1, 1, 2, 2, 2, 2, 3, 4, 4, 6)
_RUSH: Final = (1.0, 2.2)  # of a beta distribution: most bookings are soon after the opening
_STAYING: Final = 14  # bookings for each one that is cancelled
_TRIES_MAX: Final = 50


class PlannedBooking(msgspec.Struct, frozen=True):
    """A booking, and perhaps its cancellation."""

    at: datetime
    buyer_id: UUID
    ticket_type_id: UUID
    quantity: int
    cancelled_at: datetime | None = None


class Crowd:
    """The buyers of one event between the opening and the end of its sale."""

    def __init__(
        self, spec: EventSpec, sale: Sale, buyers: Sequence[UUID], opened: datetime, closed: datetime
    ) -> None:
        self._random = random.Random(f"{spec.title} {spec.week}")  # noqa: S311  # a story, no secret
        self._sale = sale
        self._types = list(sale.ticket_types.values())
        self._buyers = buyers
        self._opened, self._closed = opened, closed
        self._left = {pool.pool_id: pool.capacity for pool in sale.pools.values()}
        self._bought: Counter[tuple[UUID, UUID]] = Counter()

    def plan(self, units: int) -> list[PlannedBooking]:
        """Return bookings that leave so many units sold, or all there are, and some that are cancelled."""
        planned: list[PlannedBooking] = []
        while units > 0 and (booking := self._plan_one(units)) is not None:
            planned.append(booking)
            units -= booking.quantity
        cancelled = [self._plan_one(2) for _ in range(len(planned) // _STAYING)]
        return planned + [self._with_cancellation(booking) for booking in cancelled if booking is not None]

    def _plan_one(self, units: int) -> PlannedBooking | None:
        for _ in range(_TRIES_MAX):
            at = self._opened + (self._closed - self._opened) * self._random.betavariate(*_RUSH)
            buyer_id, terms = self._random.choice(self._buyers), self._random.choice(self._types)
            quantity = min(self._random.choice(_QUANTITIES), units, terms.per_booking_max)
            if self._is_possible(at, buyer_id, terms, quantity):
                self._bought[buyer_id, terms.ticket_type_id] += quantity
                for pool_id in terms.pool_ids:
                    self._left[pool_id] -= quantity
                return PlannedBooking(at, buyer_id, terms.ticket_type_id, quantity)
        return None

    def _is_possible(self, at: datetime, buyer_id: UUID, terms: TicketTypeTerms, quantity: int) -> bool:
        if terms.off_sale_at is not None and at >= terms.off_sale_at:
            return False
        if (
            terms.per_buyer_max is not None
            and self._bought[buyer_id, terms.ticket_type_id] + quantity > terms.per_buyer_max
        ):
            return False
        return all(self._left[pool_id] >= quantity for pool_id in terms.pool_ids)

    def _with_cancellation(self, booking: PlannedBooking) -> PlannedBooking:
        return msgspec.structs.replace(
            booking, cancelled_at=booking.at + (self._closed - booking.at) * self._random.uniform(0.1, 0.9)
        )
