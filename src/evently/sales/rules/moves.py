"""The few moves that every rule is made of: tickets come to be, units and seats are taken and given back, bookings are remembered. Pure.

Each move changes the sale, notes in the batch what is to be written, and checks nothing but what must hold:
the rules have decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from evently.sales import facts as fact
from evently.sales.commands import Booking, No, SalesRefusal, Ticket
from evently.sales.rules.pricing import NOTHING, TicketAmounts, amounts_of
from evently.sales.rules.state import Batch, Sale, SeatClaim
from evently.sales.terms import Conditions, TicketTypeTerms

NO_SEAT = -1  # in a fact

# What is sold, and when -------------------------------------------------------------------------------------


def not_selling(
    sale: Sale, on_sale_at: datetime | None, off_sale_at: datetime | None, now: datetime
) -> No | None:
    """Return why nothing is sold at the moment."""
    if sale.state == "closed":
        return No(SalesRefusal.EVENT_NOT_FOUND)  # a draft is nobody's to see
    if sale.state == "cancelled":
        return No(SalesRefusal.EVENT_CANCELLED)
    if on_sale_at is not None and now < on_sale_at:
        return No(SalesRefusal.NOT_ON_SALE_YET, "on_sale_at", {"on_sale_at": on_sale_at})
    if off_sale_at is not None and now >= off_sale_at:
        return No(SalesRefusal.SALE_ENDED, "off_sale_at", {"off_sale_at": off_sale_at})
    return None


def over_buyer_limit(batch: Batch, buyer_id: UUID, terms: TicketTypeTerms, quantity: int) -> No | None:
    """Return why a buyer gets no more of a ticket type."""
    if terms.per_buyer_max is None:
        return None
    has = batch.buyer_units.get((buyer_id, terms.ticket_type_id), 0)
    if has + quantity <= terms.per_buyer_max:
        return None
    return No(
        SalesRefusal.OVER_BUYER_LIMIT,
        "buyer_has",
        {"per_buyer_max": terms.per_buyer_max, "ticket_type": terms.name, "has": has},
    )


# Tickets ----------------------------------------------------------------------------------------------------


def make_tickets(
    sale: Sale,
    batch: Batch,
    terms: TicketTypeTerms,
    conditions: Conditions,
    quantity: int,
    seats: Sequence[int],
    discount_minor: int = 0,
) -> list[Ticket]:
    """Make tickets of one type, for seats when there are any."""
    new_id, new_secret, type_id, price = (
        batch.new_id,
        batch.new_secret,
        terms.ticket_type_id,
        terms.price_minor,
    )
    amounts = amounts_of(terms, discount_minor, conditions.fees) if price else NOTHING
    if not seats and amounts == NOTHING:  # the hot path: nothing but a price
        return [Ticket(new_id(), type_id, price, "valid", new_secret()) for _ in range(quantity)]
    if not seats:
        return [Ticket(new_id(), type_id, price, "valid", new_secret(), *amounts) for _ in range(quantity)]
    assert len(seats) == quantity, "a ticket with assigned seating has one seat"
    return [_seated(sale, batch, terms, amounts, number) for number in seats]


def _seated(sale: Sale, batch: Batch, terms: TicketTypeTerms, amounts: TicketAmounts, number: int) -> Ticket:
    assert sale.hall is not None, "a seat is one of the seating"
    plan = sale.hall.plan
    return Ticket(
        batch.new_id(),
        terms.ticket_type_id,
        terms.price_minor,
        "valid",
        batch.new_secret(),
        *amounts,
        seat_number=number,
        seat_id=plan.ids[number],
        seat_label=plan.label(number),
    )


def valid_tickets(booking: Booking) -> tuple[Ticket, ...]:
    """Return the tickets that still stand for something."""
    return tuple([ticket for ticket in booking.tickets if ticket.state == "valid"])


def is_due(booking: Booking, now: datetime) -> bool:
    """Return whether a hold has run out."""
    return booking.state == "held" and booking.expires_at is not None and booking.expires_at <= now


# Bookings ---------------------------------------------------------------------------------------------------


def place(sale: Sale, batch: Batch, booking: Booking) -> None:
    """Let a new booking have its units and seats.

    Its units are there, and its seats were taken in the hall.
    """
    held = booking.state == "held"
    move_units(sale, batch, booking.tickets, held=1 if held else 0, sold=0 if held else 1)
    for ticket in booking.tickets:
        if sale.ticket_types[ticket.ticket_type_id].per_buyer_max is not None:
            place_of = (booking.buyer_id, ticket.ticket_type_id)
            batch.buyer_units[place_of] = batch.buyer_units.get(place_of, 0) + 1
        if ticket.seat_number is not None and ticket.replaces is None:
            claim_seat(batch, ticket.seat_number, ticket.ticket_id, was_taken=False)
    batch.placed.append(booking)
    batch.facts.append(_placed_fact(booking))
    if booking.expires_at is not None:
        batch.bookings[booking.booking_id] = booking  # whoever ends it in this batch must find it
        sale.next_expiry_at = min(booking.expires_at, sale.next_expiry_at or booking.expires_at)


def _placed_fact(booking: Booking) -> fact.Fact:
    tickets = booking.tickets
    seats = seats_of(tickets)
    money = tuple(
        [
            (ticket.discount_minor, ticket.surcharge_minor, ticket.fee_minor, ticket.tax_minor)
            for ticket in tickets
        ]
    )
    if not any(map(any, money)):
        money = ()
    if booking.expires_at is None:
        return fact.BookingConfirmed(
            booking.booking_id,
            booking.buyer_id,
            ticket_facts(tickets),
            seats,
            money,
            booking.conditions_version,
            booking.promo_id,
        )
    replaces = tuple([ticket.replaces for ticket in tickets]) if booking.entry_id is not None else ()
    return fact.BookingHeld(
        booking.booking_id,
        booking.buyer_id,
        booking.expires_at,
        ticket_facts(tickets),
        seats,
        money,
        booking.conditions_version,
        booking.promo_id,
        booking.entry_id,
        replaces if any(replaces) else (),
    )


def remember(batch: Batch, booking: Booking) -> None:
    """Note that a booking has changed."""
    batch.bookings[booking.booking_id] = batch.moved[booking.booking_id] = booking


def give_back(sale: Sale, batch: Batch, booking: Booking, tickets: Sequence[Ticket]) -> None:
    """Take units and seats away from tickets of a booking that end; what they only stood for is returned once more."""
    held = booking.state == "held"
    move_units(sale, batch, tickets, held=-1 if held else 0, sold=0 if held else -1)
    batch.released = True
    for ticket in tickets:
        place_of = (booking.buyer_id, ticket.ticket_type_id)
        if place_of in batch.buyer_units:
            batch.buyer_units[place_of] -= 1
        if ticket.replaces is not None:
            if returned := sale.returned.get(ticket.replaces):
                returned.offered = False
        elif ticket.seat_number is not None:
            free_seat(sale, batch, ticket.seat_number)


def move_units(sale: Sale, batch: Batch, tickets: Sequence[Ticket], *, held: int, sold: int) -> None:
    """Count the units of tickets otherwise; a ticket that replaces another one has none of its own."""
    for ticket in tickets:
        if ticket.replaces is not None:
            continue
        for pool_id in sale.ticket_types[ticket.ticket_type_id].pool_ids:
            pool = sale.pools[pool_id]
            pool.held += held
            pool.sold += sold
            batch.pools_changed.add(pool_id)


def give_promo_back(sale: Sale, batch: Batch, booking: Booking) -> None:
    """Let a promo code be used again: the booking that used it has ended."""
    promo = None if booking.promo_id is None else sale.promo(booking.promo_id)
    if promo is None:
        return
    promo.uses -= 1
    promo.spent_minor -= sum(ticket.discount_minor for ticket in booking.tickets)
    batch.promos_changed.add(promo.terms.promo_id)
    used = (booking.buyer_id, promo.terms.promo_id)
    if used in batch.promo_uses:
        batch.promo_uses[used] -= 1


def set_aside(sale: Sale, batch: Batch, type_id: UUID, units: int) -> None:
    """Let so many units be set aside for those who wait for a ticket type."""
    change = units - sale.aside.get(type_id, 0)
    if change == 0:
        return
    sale.aside[type_id] = units
    for pool_id in sale.ticket_types[type_id].pool_ids:
        sale.pools[pool_id].set_aside += change
        batch.pools_changed.add(pool_id)
    batch.aside_changed.add(type_id)
    batch.facts.append(fact.UnitsSetAside(type_id, units))


# Seats ------------------------------------------------------------------------------------------------------


def claim_seat(batch: Batch, number: int, ticket_id: UUID | None, *, was_taken: bool) -> None:
    """Note whose a seat is now (None: blocked); the hall knows already."""
    before = batch.claims.get(number)
    batch.claims[number] = SeatClaim(
        was_taken if before is None else before.was_taken, taken=True, ticket_id=ticket_id
    )


def free_seat(sale: Sale, batch: Batch, number: int) -> None:
    """Let a seat that a ticket has be free."""
    assert sale.hall is not None, "a seat is one of the seating"
    sale.hall.release([number])
    clear_claim(batch, number)


def clear_claim(batch: Batch, number: int) -> None:
    """Note that a seat is free; the hall knows already."""
    before = batch.claims.get(number)
    batch.claims[number] = SeatClaim(
        True if before is None else before.was_taken, taken=False, ticket_id=None
    )


# Facts ------------------------------------------------------------------------------------------------------


def ticket_facts(tickets: Iterable[Ticket]) -> tuple[fact.TicketFact, ...]:
    """Return tickets as facts name them."""
    return tuple([(ticket.ticket_id, ticket.ticket_type_id, ticket.price_minor) for ticket in tickets])


def seats_of(tickets: Iterable[Ticket]) -> tuple[int, ...]:
    """Return the seats of tickets as facts name them: nothing when none has one."""
    numbers = [ticket.seat_number for ticket in tickets]
    if not any(number is not None for number in numbers):
        return ()
    return tuple([NO_SEAT if number is None else number for number in numbers])


def freed_by(tickets: Iterable[Ticket]) -> tuple[int, ...]:
    """Return the seats that fall free when these tickets end: not those of the tickets that they only stand for."""
    return tuple(
        [
            ticket.seat_number
            for ticket in tickets
            if ticket.seat_number is not None and ticket.replaces is None
        ]
    )


def without(booking: Booking, ended: Iterable[UUID]) -> tuple[Ticket, ...]:
    """Return the tickets of a booking with some of them void."""
    gone = set(ended)
    return tuple(
        [
            replace(ticket, state="void", returning_since=None, replaces=None)
            if ticket.ticket_id in gone
            else ticket
            for ticket in booking.tickets
        ]
    )
