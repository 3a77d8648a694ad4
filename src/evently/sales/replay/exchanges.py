"""Applies exchanges to the replayed sale: tickets get other seats and other codes."""

from __future__ import annotations

from uuid import UUID

from evently.sales import facts
from evently.sales.replay.state import NOTHING_MORE, Contradiction, ReplayedBooking, ReplayedSale
from evently.sales.replay.transfers import HAS_TRANSFERS, reissue


def exchange(sale: ReplayedSale, fact: facts.TicketsExchanged) -> None:
    """Give tickets of a confirmed booking other seats."""
    sale.extras |= HAS_TRANSFERS
    booking = sale.in_state(fact.booking_id, "confirmed")
    for ticket_id, freed in zip(fact.ticket_ids, fact.freed, strict=True):
        if ticket_id in sale.check_ins or ticket_id in sale.returning:
            raise Contradiction(f"ticket {ticket_id} got another seat after it was used or returned")
        if sale.seats.pop(freed) != ticket_id:
            raise Contradiction(f"ticket {ticket_id} left seat {freed}, which it did not have")
    for ticket_id, seat in zip(fact.ticket_ids, fact.seats, strict=True):
        sale.take_seat(seat, ticket_id)
        if booking is not None:
            _reseat(sale, booking, ticket_id, seat)
    for ticket_id, voided, issued in zip(fact.ticket_ids, fact.voided, fact.issued, strict=True):
        reissue(sale, ticket_id, voided, issued)


def _reseat(sale: ReplayedSale, booking: ReplayedBooking, ticket_id: UUID, seat: int) -> None:
    """Change the seat of a ticket that the booking has, within the zone of its type."""
    type_id, _ = booking.tickets[ticket_id]
    if sale.seating is None or seat >= len(sale.seating[2]):
        raise Contradiction(f"there is no seat {seat}")
    _, zones, zone_of = sale.seating
    zone = zones[zone_of[seat]] if zone_of[seat] < len(zones) else None
    if zone != sale.types[type_id].zone:
        raise Contradiction(f"ticket {ticket_id} got seat {seat}, in another zone")
    before = booking.more.get(ticket_id, NOTHING_MORE)
    booking.more[ticket_id] = before._replace(seat=seat)
    if before.seat is not None:
        booking.seats_left.setdefault(ticket_id, set()).add(before.seat)
