"""A sales desk for tests: events on sale, an engine, a clock that the test moves, and verbs for bookings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from evently import sales
from evently.catalogue import Event, Venue
from evently.db import Database
from evently.kit.ids import new_id
from evently.organizing import SaleTerms
from evently.sales import Engine, EngineOptions, carry_out
from evently.sales.commands import Command
from evently.sales.commands.bookings import BookingLine, CancelBooking, ConfirmBooking, PlaceBooking
from evently.sales.commands.sale_terms import OpenSale, PutConditions, PutTicketType
from evently.sales.commands.seats import PutSeating
from evently.sales.nouns import Booking
from evently.sales.outcomes import Booked, Outcome
from evently.sales.terms import Conditions, Seating, TicketTypeTerms
from tests.support.catalogue import NOW, make_event, make_organizer, make_venue, sale_terms

PATIENCE_SECONDS: Final = 20.0
# On a busy machine, what was meant as one batch would become several
PATIENT: Final[dict[str, Any]] = {"decide_seconds_max": PATIENCE_SECONDS}


class ManualClock:
    """A clock that stands still: `clock()` returns its time, `move` advances it."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, **ahead: float) -> None:
        """Advance the clock."""
        self.now += timedelta(**ahead)


class SalesDesk:
    """The sales of the events of one organizer."""

    def __init__(self, db: Database, engine: Engine, clock: ManualClock, venue: Venue) -> None:
        self.db = db
        self.engine = engine
        self.clock = clock
        self.venue = venue

    async def event(self, sale: SaleTerms | None = None, **changes: Any) -> Event:
        """Put one more event on sale."""
        return await make_event(
            self.db, self.venue, sale or sale_terms(capacity=10_000), now=self.clock(), **changes
        )

    async def seated(
        self,
        seating: Seating,
        conditions: Conditions | None = None,
        *,
        capacity: int = 100_000,
        opened: bool = True,
        **ticket_type: Any,
    ) -> Event:
        """Put an event with seats on sale: one pool, and a ticket type for each zone with the zone's name."""
        event = await make_event(
            self.db, self.venue, sale_terms(capacity=capacity), publish=False, now=self.clock()
        )
        sale = await sales.reads.find_sale(self.db, event.event_id)
        changes: list[Command] = [PutSeating(event.event_id, seating)]
        changes += [PutConditions(event.event_id, conditions)] if conditions is not None else []
        for position, zone in enumerate(seating.zones):
            said: dict[str, Any] = {"price_minor": 1000, "per_booking_max": 10, **ticket_type}
            terms = TicketTypeTerms(
                new_id(), zone, "", position, pool_ids=tuple(sale.pools), zone=zone, **said
            )
            changes.append(PutTicketType(event.event_id, terms))
        await self.change(*changes, *[OpenSale(event.event_id)] * opened)
        return event

    async def change(self, *commands: Command) -> None:
        """Carry out an organizer's commands, each in a transaction of its own."""
        for command in commands:
            async with self.db.transaction() as tx:
                await carry_out(tx, command, self.clock())

    async def types(self, event: Event) -> dict[str, UUID]:
        """Return the ticket types of an event by name."""
        return {
            terms.name: terms.ticket_type_id
            for terms in (await sales.reads.find_sale(self.db, event.event_id)).ticket_types.values()
        }

    async def book(self, event: Event, units: int = 1, *, buyer: UUID | None = None, **more: Any) -> Booking:
        """Book units of the first ticket type; `hold_seconds=` holds them."""
        line = BookingLine(next(iter((await self.types(event)).values())), units)
        return booking(
            await self.engine.submit(PlaceBooking(event.event_id, buyer or new_id(), (line,), **more))
        )

    async def book_many(self, event: Event, times: int, units: int = 1, **more: Any) -> list[Booking]:
        """Book for many buyers at the same time."""
        line = BookingLine(next(iter((await self.types(event)).values())), units)
        commands = [PlaceBooking(event.event_id, new_id(), (line,), **more) for _ in range(times)]
        return [
            booking(outcome)
            for outcome in await asyncio.gather(*[self.engine.submit(command) for command in commands])
        ]

    async def confirm(self, held: Booking) -> Booking:
        """Confirm a hold."""
        return booking(await self.engine.submit(ConfirmBooking(held.event_id, held.booking_id)))

    async def cancel(self, booked: Booking, *tickets: UUID) -> Booking:
        """Cancel a booking, or some of its tickets."""
        command = CancelBooking(
            booked.event_id, booked.booking_id, booked.buyer_id, booked.buyer_id, tickets or None
        )
        return booking(await self.engine.submit(command))


def booking(outcome: Outcome) -> Booking:
    """Return the booking of an outcome; any other outcome fails the test."""
    assert isinstance(outcome, Booked), outcome
    return outcome.booking


@asynccontextmanager
async def open_sales_desk(db: Database, **engine: Any) -> AsyncIterator[SalesDesk]:
    """Open a sales desk whose clock starts at `NOW`, and close it."""
    clock = ManualClock()
    desk = SalesDesk(
        db,
        Engine(db, EngineOptions(**(PATIENT | engine)), clock, new_id),
        clock,
        await make_venue(db, await make_organizer(db)),
    )
    await desk.engine.start()
    try:
        yield desk
    finally:
        await desk.engine.stop()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return once the condition holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await condition():
            await asyncio.sleep(0.02)
