"""Three events that show seats, prices and the waitlist: a theatre, a concert, a sold-out evening.

Like the rest of the demo, they use the functions that the API uses, at times in the past. The presale of the
theatre was paid on site, and tickets are paid online since. The concert has a floor and a seated circle. An
hour ago a buyer cancelled two tickets of the sold-out evening, and the first waitlist entry has an offer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from evently import organizing, seating
from evently.catalogue import Category, EventTerms
from evently.db import Connection
from evently.kit.money import Money
from evently.organizing import (
    NewPool,
    NewTicketType,
    PromoDraft,
    SaleTerms,
    SeatChoice,
    SeatingDraft,
    Tax,
    ZoneDraft,
)
from evently.sales import carry_out
from evently.sales.commands.bookings import BookingLine, CancelBooking, PlaceBooking
from evently.sales.commands.sale_terms import PutConditions
from evently.sales.commands.waitlist import JoinWaitlist
from evently.sales.outcomes import Booked
from evently.sales.reads import read_sale
from evently.sales.terms import Conditions, Fees, RefundWindow
from evently.seating.generate import theatre

VENUE: Final = "kesselhalle"
SEATS: Final = 600
ANNOUNCED_DAYS: Final = 20  # before now
_ONLINE: Final = Conditions(
    payment="online",
    hold_seconds=600,
    offer_seconds=2 * 86_400,
    fees=Fees(50, 300),
    refund_windows=(RefundWindow(7 * 24, 10_000), RefundWindow(24, 5_000)),
    cancel_hours_before=24,
    fee_kept=True,
)
_AT_THE_DOOR: Final = msgspec.structs.replace(_ONLINE, payment="door", fees=Fees())
_WAITING: Final = (2, 4, 1, 2, 2)  # quantities of the waitlist entries


class Scene(msgspec.Struct, frozen=True):
    """The setting of the three events: organizer, venue, time, buyers."""

    organizer_id: UUID
    venue_id: UUID
    currency: str
    now: datetime
    buyers: Sequence[UUID]
    new_id: Callable[[str], UUID]  # of an event, from its title

    def starts_at(self, weeks: int) -> datetime:
        """Return the start of an evening so many weeks from now."""
        return (
            (self.now + timedelta(weeks=weeks))
            .replace(hour=18, minute=30, second=0, microsecond=0)
            .astimezone(UTC)
        )


async def add_showcase(tx: Connection, scene: Scene) -> UUID:
    """Add the three events; returns the id of the one that is paid online."""
    seat_map = await seating.add_seat_map(
        tx, scene.organizer_id, scene.venue_id, theatre(SEATS), scene.now - timedelta(days=30)
    )
    online = await _add_theatre(tx, scene, seat_map.seat_map_id)
    await _add_floor_and_circle(tx, scene, seat_map.seat_map_id)
    await _add_sold_out(tx, scene)
    return online


async def _add_theatre(tx: Connection, scene: Scene, seat_map_id: UUID) -> UUID:
    zones = (
        ZoneDraft(name="Stalls", sections=("Stalls",)),
        ZoneDraft(name="Circle", sections=("Circle",)),
        ZoneDraft(name="Boxes"),
    )
    prices = {"Stalls": 4_900, "Circle": 3_400, "Boxes": 7_500}
    types = tuple(
        NewTicketType(name=zone, price=Money(price, scene.currency), zone=zone, tax=Tax(700))
        for zone, price in prices.items()
    )
    reduced = NewTicketType(
        name="Stalls, reduced",
        description="Pupils and students.",
        price=Money(2_900, scene.currency),
        zone="Stalls",
        tax=Tax(700),
    )
    sale = SaleTerms(
        currency=scene.currency,
        ticket_types=(*types, reduced),
        conditions=_AT_THE_DOOR,
        seating=SeatingDraft(seat_map_id=seat_map_id, zones=zones),
    )
    text = (
        "A winter's night in three acts, with the house orchestra and a ballet of eighteen. Seats in the "
        "stalls, "
        "in the circle, and in eight boxes at the sides; places for wheelchairs with a seat beside them. "
        "Paid "
        "online; the presale was at the box office."
    )
    event_id = await _publish(
        tx, scene, "Winter Night at the Theatre", text, Category.THEATRE, ("ballet", "orchestra"), 9, sale
    )
    await organizing.block_seats(tx, event_id, SeatChoice(rows=("Stalls/A",)), _ago(scene, days=19))
    types_by_name = {
        terms.name: terms.ticket_type_id for terms in (await read_sale(tx, event_id)).ticket_types.values()
    }
    for number in range(70):  # the presale
        line = BookingLine(
            types_by_name[("Stalls", "Circle", "Stalls, reduced", "Boxes")[number % 7 % 4]], 1 + number % 4
        )
        await carry_out(
            tx,
            PlaceBooking(event_id, _buyer(scene, number), (line,)),
            _ago(scene, days=18, minutes=-40 * number),
        )
    await carry_out(tx, PutConditions(event_id, _ONLINE), _ago(scene, days=10))
    early = PromoDraft(code="EARLY10", kind="percent", basis_points=1_000, uses_max=200, per_buyer_max=1)
    await organizing.add_promo_code(tx, event_id, early, _ago(scene, days=10))
    amount = Money(1_000, scene.currency)
    family = PromoDraft(code="FAMILY", kind="fixed_per_booking", amount=amount)
    await organizing.add_promo_code(tx, event_id, family, _ago(scene, days=10))
    return event_id


async def _add_floor_and_circle(tx: Connection, scene: Scene, seat_map_id: UUID) -> None:
    sale = SaleTerms(
        currency=scene.currency,
        pools=(NewPool("Floor", 300), NewPool("Courtyard", 40)),
        ticket_types=(
            NewTicketType(name="Standing", price=Money(2_800, scene.currency), pools=("Floor",)),
            NewTicketType(name="Circle, seated", price=Money(4_200, scene.currency), zone="Circle"),
            NewTicketType(
                name="Friends of the house",
                price=Money(1_400, scene.currency),
                pools=("Floor",),
                hidden=True,
                per_buyer_max=2,
            ),
            NewTicketType(
                name="Parking in the courtyard",
                description="From an hour before until midnight.",
                price=Money(900, scene.currency),
                pools=("Courtyard",),
                needs=("Standing", "Circle, seated"),
                per_needed_max=1,
            ),
        ),
        conditions=_AT_THE_DOOR,
        seating=SeatingDraft(
            seat_map_id=seat_map_id, zones=(ZoneDraft(name="Circle", sections=("Circle",)),)
        ),
    )
    text = (
        "Eleven brass players, two drummers, no sheet music. The stalls are cleared for dancing; if you "
        "would rather sit, take a seat in the circle. Doors open an hour before, and the bar stays open for "
        "an hour after."
    )
    event_id = await _publish(
        tx, scene, "Brass on the Floor", text, Category.MUSIC, ("brass", "dance"), 6, sale
    )
    standing, circle, friends, parking = list((await read_sale(tx, event_id)).ticket_types)
    unlocks = PromoDraft(code="FRIENDS", kind="unlock", ticket_type_ids=(friends,), uses_max=50)
    await organizing.add_promo_code(tx, event_id, unlocks, _ago(scene, days=19))
    for number in range(60):
        lines = [BookingLine(circle if number % 3 == 0 else standing, 1 + number % 3)]
        lines += [BookingLine(parking, 1)] if number % 4 == 0 else []
        await carry_out(
            tx,
            PlaceBooking(event_id, _buyer(scene, number), tuple(lines)),
            _ago(scene, days=17, minutes=-90 * number),
        )


async def _add_sold_out(tx: Connection, scene: Scene) -> None:
    sale = SaleTerms(
        currency=scene.currency,
        capacity=40,
        ticket_types=(NewTicketType(name="Table by the stage", price=Money(5_500, scene.currency)),),
        conditions=_AT_THE_DOOR,
    )
    text = (
        "One storyteller, forty chairs and a stove. It was sold out within a day; join the waitlist, and be "
        "offered what others give back. An evening of long stories, told by heart and by candlelight."
    )
    event_id = await _publish(
        tx, scene, "Stories by the Stove", text, Category.LITERATURE, ("storytelling",), 4, sale
    )
    (type_id,) = (await read_sale(tx, event_id)).ticket_types
    booked = [
        await carry_out(
            tx,
            PlaceBooking(event_id, _buyer(scene, number), (BookingLine(type_id, 2),)),
            _ago(scene, days=19, minutes=-number),
        )
        for number in range(20)
    ]
    for number, quantity in enumerate(_WAITING):
        joins = JoinWaitlist(event_id, _buyer(scene, 30 + number), type_id, quantity)
        await carry_out(tx, joins, _ago(scene, days=9, minutes=-60 * number))
    cancelled = booked[3].outcome
    assert isinstance(cancelled, Booked), "carry_out raises refusals"
    booking = cancelled.booking
    await carry_out(
        tx,
        CancelBooking(event_id, booking.booking_id, booking.buyer_id, booking.buyer_id),
        _ago(scene, minutes=60),
    )


async def _publish(
    tx: Connection,
    scene: Scene,
    title: str,
    text: str,
    category: Category,
    tags: tuple[str, ...],
    weeks: int,
    sale: SaleTerms,
) -> UUID:
    starts_at = scene.starts_at(weeks)
    terms = EventTerms(
        venue_id=scene.venue_id,
        title=title,
        description=text,
        category=category,
        tags=tags,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=3),
    )
    announced = _ago(scene, days=ANNOUNCED_DAYS)
    event_id = scene.new_id(title)
    await organizing.create_event(tx, scene.organizer_id, terms, sale, announced, event_id=event_id)
    await organizing.publish_event(tx, event_id, announced + timedelta(hours=1))
    return event_id


def _ago(scene: Scene, *, days: int = 0, minutes: int = 0) -> datetime:
    return scene.now - timedelta(days=days, minutes=minutes)


def _buyer(scene: Scene, number: int) -> UUID:
    return scene.buyers[number % len(scene.buyers)]
