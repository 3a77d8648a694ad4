"""Rehearsals: sandbox events, on sale at once, which no list shows and no figure of the platform counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from evently import catalogue
from evently.catalogue import NAME_CHARACTERS_MAX, EventTerms, VenueTerms
from evently.db import Connection
from evently.kit.errors import CommonRefusal, FieldError, Invalid, Refused
from evently.kit.ids import new_id
from evently.kit.money import Money
from evently.organizing.copies import set_up_copy
from evently.organizing.edits import Edited, write_version
from evently.organizing.events import create_event, publish_event, terms_of
from evently.organizing.terms import SaleTerms
from evently.organizing.ticket_types import NewTicketType
from evently.sales import carry_out
from evently.sales.commands.sale_terms import OpenSale, PutConditions, PutTicketType
from evently.sales.commands.seats import BlockSeats, PutSeating
from evently.sales.reads import Sale, read_sale
from evently.sales.terms import Conditions, Seating
from evently.seating import Hall, SeatMap, SeatState, canonical, digest_of
from evently.seating.seatmap import Point, Row, Seat, Section

# The earliest start of a sandbox event, so that its tickets can be cancelled
_AHEAD: Final = timedelta(days=1)
_LASTS: Final = timedelta(hours=3)
HOLD_SECONDS_MAX: Final = 30  # of a copy that is paid online: holds that nobody pays expire in the rehearsal
_TITLE: Final = "Rehearsal: "
_VENUE: Final = VenueTerms("Rehearsal hall", "Nowhere 1", "Nowhere", "DE", "Europe/Berlin")
_PRICE: Final = Money(2500, "EUR")
_ZONE: Final = "Seats"
_ROW_SEATS: Final = 40
_SECTION_ROWS: Final = 25
_SEAT_METRES: Final = 0.55
_ROW_METRES: Final = 0.9
_AISLE_METRES: Final = 1.2
_SECTION_METRES: Final = 26.0


async def copy_for_rehearsal(
    tx: Connection,
    event_id: UUID,
    places: int | None,
    now: datetime,
    conditions: Callable[[Conditions], Conditions] | None = None,
    *,
    opens_in: timedelta = timedelta(),
) -> Edited:
    """Create a published sandbox copy of any event, also of a draft, with every ticket type on sale.

    `places`: the capacity of all pools together, in the original's proportions; None: as in the original.
    With assigned seating `places` is refused, for the copy has the seats of the hall. `conditions`: those of
    the copy, from the original's. `opens_in`: when its sale begins, from now. It has no add-ons: its
    simulated buyers want tickets. Refuses `nothing-to-sell`.
    """
    original = (await catalogue.find_events(tx, [event_id])).get(event_id)
    if original is None:
        raise Refused(CommonRefusal.NOT_FOUND, "event")
    sale = await read_sale(tx, event_id)
    if sale.hall is not None and places is not None:
        raise Invalid([FieldError("/places", "places-of-seats")])
    starts_at = max(original.starts_at, now + _AHEAD)
    terms = replace(
        terms_of(original),
        title=(_TITLE + original.title)[:NAME_CHARACTERS_MAX],
        starts_at=starts_at,
        ends_at=starts_at + (original.ends_at - original.starts_at),
    )
    made = new_id()
    scaled = None if places is None else partial(scale, places=places)
    await catalogue.insert_event(tx, made, terms, original.place, sale.currency, now, sandbox=True)
    window = now + opens_in, starts_at
    command = await set_up_copy(tx, sale, made, window, capacities=scaled, add_ons=False)
    _, copy = await carry_out(tx, command, now)
    if sale.hall is not None and (blocked := _blocked(sale.hall)):
        _, copy = await carry_out(tx, BlockSeats(made, blocked), now, known=copy)
    _, before = sale.conditions_now()
    if conditions is not None and (after := conditions(before)) != before:
        _, copy = await carry_out(tx, PutConditions(made, after), now, known=copy)
    await catalogue.mark_published(tx, made, now)
    _, copy = await carry_out(tx, OpenSale(made), now, known=copy)
    return await write_version(tx, copy, now, versions=0)


def shorten_holds(conditions: Conditions, *, paid: bool) -> Conditions:
    """Return conditions under which a rehearsal ends soon; `paid`: online as before, else at the door."""
    if conditions.payment != "online":
        return conditions
    if not paid:
        return replace(conditions, payment="door")
    return replace(conditions, hold_seconds=min(conditions.hold_seconds, HOLD_SECONDS_MAX))


async def make_for_rehearsal(
    tx: Connection,
    organizer_id: UUID,
    venue_id: UUID | None,
    places: int,
    now: datetime,
    *,
    seated: bool = False,
    hold_seconds: int | None = None,
    opens_in: timedelta = timedelta(),
    sandbox: bool = True,
) -> Edited:
    """Create a published sandbox event with one ticket type, at a venue of the organizer, or at a new one.

    `seated`: each place is a seat of a plain hall. `hold_seconds`: paid online within this time; None: at
    the door. `opens_in`: when the sale begins, from now. Without `sandbox` it is an ordinary event: buyers
    see its pages, which a benchmark measures.
    """
    if venue_id is None:
        venue_id = (await catalogue.create_venue(tx, organizer_id, _VENUE, now)).venue_id
    starts_at = now + _AHEAD
    terms = EventTerms(
        venue_id=venue_id,
        title=f"{_TITLE}{places:,} places",
        starts_at=starts_at,
        ends_at=starts_at + _LASTS,
    )
    sale = SaleTerms(
        currency=_PRICE.currency,
        on_sale_at=now + opens_in if opens_in else None,
        capacity=places,
        ticket_types=(NewTicketType(name="Standing", price=_PRICE),),
    )
    event, draft = await create_event(tx, organizer_id, terms, sale, now, sandbox=sandbox)
    if seated:
        draft = await _seat(tx, draft, places, now)
    if hold_seconds is not None:
        conditions = Conditions("online", hold_seconds=hold_seconds)
        await carry_out(tx, PutConditions(event.event_id, conditions), now, known=draft)
    return await publish_event(tx, event.event_id, now)


async def _seat(tx: Connection, sale: Sale, places: int, now: datetime) -> Sale:
    """Make the only ticket type of an event sell the seats of a plain hall."""
    seating = await asyncio.to_thread(_plain_seating, places)
    _, sale = await carry_out(tx, PutSeating(sale.event_id, seating), now, known=sale)
    (terms,) = sale.ticket_types.values()
    command = PutTicketType(sale.event_id, replace(terms, name="Seat", zone=_ZONE))
    return (await carry_out(tx, command, now, known=sale)).sale


def _plain_seating(places: int) -> Seating:
    """Return the seats of a plain hall: in a thread, for many take a second."""
    layout = canonical(plain_hall(places))
    return Seating(digest_of(layout), layout, (_ZONE,), bytes(places))


def plain_hall(places: int) -> SeatMap:
    """Return a map of so many seats: sections side by side, rows of forty with an aisle in the middle."""
    left = places
    sections: list[Section] = []
    while left:
        number = len(sections)
        rows: list[Row] = []
        while left and len(rows) < _SECTION_ROWS:
            seats = min(left, _ROW_SEATS)
            rows.append(
                Row(
                    str(len(rows) + 1), tuple(_plain_seat(number, len(rows), place) for place in range(seats))
                )
            )
            left -= seats
        sections.append(Section(f"Block {number + 1}", tuple(rows)))
    return SeatMap("Rehearsal hall", tuple(sections), Point(len(sections) * _SECTION_METRES / 2, -5.0))


def _plain_seat(section: int, row: int, place: int) -> Seat:
    aisle = _AISLE_METRES if place >= _ROW_SEATS // 2 else 0.0
    x = round(section * _SECTION_METRES + place * _SEAT_METRES + aisle, 2)
    return Seat(f"{section + 1}-{row + 1}-{place + 1}", str(place + 1), x, round(row * _ROW_METRES, 2))


def scale(capacities: Sequence[int], places: int) -> list[int]:
    """Scale the capacities so that their sum is `places`.

    Shares are rounded down; then those with the largest remainders get one more.
    """
    total = sum(capacities)
    if not capacities:
        return []
    if total == 0:
        return [places, *[0] * (len(capacities) - 1)]
    shares = [capacity * places // total for capacity in capacities]
    by_remainder = sorted(range(len(capacities)), key=lambda index: -(capacities[index] * places % total))
    for index in by_remainder[: places - sum(shares)]:
        shares[index] += 1
    return shares


def _blocked(hall: Hall) -> tuple[str, ...]:
    """Return the ids of the blocked seats."""
    return tuple(
        seat_id
        for seat_id, state in zip(hall.plan.ids, hall.states(), strict=True)
        if state == SeatState.BLOCKED
    )
