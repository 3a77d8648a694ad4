"""Three events that show what seats, prices and the waitlist can do: a theatre, a floor with a seated circle, a sold-out evening.

Like the rest of the demo, all of it happens through the verbs that everybody uses, at believable times: the
theatre's presale was at the box office, and it is paid online since; somebody gave back two tickets of the
sold-out evening an hour ago, and the first in the line has an offer.
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
from evently.sales.commands import (
    Booked,
    BookingLine,
    CancelBooking,
    JoinWaitlist,
    PlaceBooking,
    PutConditions,
)
from evently.sales.reads import read_sale
from evently.sales.terms import Conditions, Fees, RefundWindow
from evently.seating.generate import theatre

VENUE: Final = "kesselhalle"
SEATS: Final = 600
ANNOUNCED_DAYS: Final = 20  # ago
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
_WAITING: Final = (2, 4, 1, 2, 2)  # tickets that those in the line want


class Scene(msgspec.Struct, frozen=True):
    """Who runs the events, where and when they are, who comes."""

    organizer_id: UUID
    venue_id: UUID
    currency: str
    now: datetime
    buyers: Sequence[UUID]
    new_id: Callable[[str], UUID]  # of an event, from its title

    def starts_at(self, weeks: int) -> datetime:
        """Return an evening so many weeks ahead."""
        return (
            (self.now + timedelta(weeks=weeks))
            .replace(hour=18, minute=30, second=0, microsecond=0)
            .astimezone(UTC)
        )


async def add_showcase(tx: Connection, stage: Scene) -> UUID:
    """Add the three events; returns the one that is paid online."""
    seat_map = await seating.add_seat_map(
        tx, stage.organizer_id, stage.venue_id, theatre(SEATS), stage.now - timedelta(days=30)
    )
    online = await _add_theatre(tx, stage, seat_map.seat_map_id)
    await _add_floor_and_circle(tx, stage, seat_map.seat_map_id)
    await _add_sold_out(tx, stage)
    return online


async def _add_theatre(tx: Connection, stage: Scene, seat_map_id: UUID) -> UUID:
    zones = (
        ZoneDraft(name="Stalls", sections=("Stalls",)),
        ZoneDraft(name="Circle", sections=("Circle",)),
        ZoneDraft(name="Boxes"),
    )
    prices = {"Stalls": 4_900, "Circle": 3_400, "Boxes": 7_500}
    types = tuple(
        NewTicketType(name=zone, price=Money(price, stage.currency), zone=zone, tax=Tax(700))
        for zone, price in prices.items()
    )
    reduced = NewTicketType(
        name="Stalls, reduced",
        description="Pupils and students.",
        price=Money(2_900, stage.currency),
        zone="Stalls",
        tax=Tax(700),
    )
    sale = SaleTerms(
        currency=stage.currency,
        ticket_types=(*types, reduced),
        conditions=_AT_THE_DOOR,
        seating=SeatingDraft(seat_map_id=seat_map_id, zones=zones),
    )
    text = (
        "A winter's night in three acts, with the house orchestra and a ballet of eighteen. Seats in the stalls, in the circle, and in "
        "eight boxes at the sides; places for wheelchairs with a seat beside them. Paid online; the presale was at the box office."
    )
    event_id = await _publish(
        tx, stage, "Winter Night at the Theatre", text, Category.THEATRE, ("ballet", "orchestra"), 9, sale
    )
    await organizing.block_seats(tx, event_id, SeatChoice(rows=("Stalls/A",)), _ago(stage, days=19))
    types_by_name = {
        terms.name: terms.ticket_type_id for terms in (await read_sale(tx, event_id)).ticket_types.values()
    }
    for number in range(70):  # the presale
        line = BookingLine(
            types_by_name[("Stalls", "Circle", "Stalls, reduced", "Boxes")[number % 7 % 4]], 1 + number % 4
        )
        await carry_out(
            tx,
            PlaceBooking(event_id, _buyer(stage, number), (line,)),
            _ago(stage, days=18, minutes=-40 * number),
        )
    await carry_out(tx, PutConditions(event_id, _ONLINE), _ago(stage, days=10))
    early = PromoDraft(code="EARLY10", kind="percent", basis_points=1_000, uses_max=200, per_buyer_max=1)
    await organizing.add_promo_code(tx, event_id, early, _ago(stage, days=10))
    return event_id


async def _add_floor_and_circle(tx: Connection, stage: Scene, seat_map_id: UUID) -> None:
    sale = SaleTerms(
        currency=stage.currency,
        pools=(NewPool("Floor", 300),),
        ticket_types=(
            NewTicketType(name="Standing", price=Money(2_800, stage.currency), pools=("Floor",)),
            NewTicketType(name="Circle, seated", price=Money(4_200, stage.currency), zone="Circle"),
            NewTicketType(
                name="Friends of the house",
                price=Money(1_400, stage.currency),
                pools=("Floor",),
                hidden=True,
                per_buyer_max=2,
            ),
        ),
        conditions=_AT_THE_DOOR,
        seating=SeatingDraft(
            seat_map_id=seat_map_id, zones=(ZoneDraft(name="Circle", sections=("Circle",)),)
        ),
    )
    text = (
        "Eleven brass players, two drummers, no sheet music. The stalls are cleared for dancing; whoever would rather sit takes a seat in "
        "the circle. Doors open an hour before, and the bar stays open for an hour after."
    )
    event_id = await _publish(
        tx, stage, "Brass on the Floor", text, Category.MUSIC, ("brass", "dance"), 6, sale
    )
    standing, circle, friends = list((await read_sale(tx, event_id)).ticket_types)
    unlocks = PromoDraft(code="FRIENDS", kind="unlock", ticket_type_ids=(friends,), uses_max=50)
    await organizing.add_promo_code(tx, event_id, unlocks, _ago(stage, days=19))
    for number in range(60):
        line = BookingLine(circle if number % 3 == 0 else standing, 1 + number % 3)
        await carry_out(
            tx,
            PlaceBooking(event_id, _buyer(stage, number), (line,)),
            _ago(stage, days=17, minutes=-90 * number),
        )


async def _add_sold_out(tx: Connection, stage: Scene) -> None:
    sale = SaleTerms(
        currency=stage.currency,
        capacity=40,
        ticket_types=(NewTicketType(name="Table by the stage", price=Money(5_500, stage.currency)),),
        conditions=_AT_THE_DOOR,
    )
    text = (
        "One storyteller, forty chairs and a stove. It was sold out within a day; join the waitlist, and be offered what others give back. "
        "An evening of long stories, told by heart and by candlelight."
    )
    event_id = await _publish(
        tx, stage, "Stories by the Stove", text, Category.LITERATURE, ("storytelling",), 4, sale
    )
    (type_id,) = (await read_sale(tx, event_id)).ticket_types
    booked = [
        await carry_out(
            tx,
            PlaceBooking(event_id, _buyer(stage, number), (BookingLine(type_id, 2),)),
            _ago(stage, days=19, minutes=-number),
        )
        for number in range(20)
    ]
    for number, quantity in enumerate(_WAITING):
        joins = JoinWaitlist(event_id, _buyer(stage, 30 + number), type_id, quantity)
        await carry_out(tx, joins, _ago(stage, days=9, minutes=-60 * number))
    given_back = booked[3].outcome
    assert isinstance(given_back, Booked), "it was booked"
    booking = given_back.booking
    await carry_out(
        tx,
        CancelBooking(event_id, booking.booking_id, booking.buyer_id, booking.buyer_id),
        _ago(stage, minutes=60),
    )


async def _publish(
    tx: Connection,
    stage: Scene,
    title: str,
    text: str,
    category: Category,
    tags: tuple[str, ...],
    weeks: int,
    sale: SaleTerms,
) -> UUID:
    starts_at = stage.starts_at(weeks)
    terms = EventTerms(
        venue_id=stage.venue_id,
        title=title,
        description=text,
        category=category,
        tags=tags,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=3),
    )
    announced = _ago(stage, days=ANNOUNCED_DAYS)
    event_id = stage.new_id(title)
    await organizing.create_event(tx, stage.organizer_id, terms, sale, announced, event_id=event_id)
    await organizing.publish_event(tx, event_id, announced + timedelta(hours=1))
    return event_id


def _ago(stage: Scene, *, days: int = 0, minutes: int = 0) -> datetime:
    return stage.now - timedelta(days=days, minutes=minutes)


def _buyer(stage: Scene, number: int) -> UUID:
    return stage.buyers[number % len(stage.buyers)]
