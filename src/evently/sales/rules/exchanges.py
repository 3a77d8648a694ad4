"""The rule of exchanges: tickets of a booking get other seats. Pure.

A ticket stays what it is: its type, its price, its holder. So money, pools and limits do not change, and a
zone has as many available seats as before. Its code changes, and the old one is void at once: a printed
ticket with the old seat admits nobody.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from evently.sales import facts
from evently.sales.commands.exchanges import ExchangeTickets
from evently.sales.nouns import Booking, Ticket
from evently.sales.outcomes import Booked, No, Outcome, SalesRefusal
from evently.sales.rules.moves import claim_seat, record_change, release_seat
from evently.sales.rules.state import Batch, Reissued, Sale
from evently.sales.ticket_code import digest_secret


def exchange_tickets(sale: Sale, batch: Batch, command: ExchangeTickets) -> Outcome:
    """Give tickets other seats of their zone, all or none. Two tickets may swap their seats."""
    booking = batch.bookings.get(command.booking_id)
    if booking is None:
        return No(SalesRefusal.BOOKING_NOT_FOUND)
    if sale.state == "cancelled":
        return No(SalesRefusal.EVENT_CANCELLED)
    if booking.state != "confirmed":
        return No(SalesRefusal.NOT_EXCHANGEABLE, "booking_state", {"state": booking.state})
    named = _named_tickets(booking, command)
    if isinstance(named, No):
        return named
    moving = [(ticket, seat_id) for ticket, seat_id in named if ticket.seat_id != seat_id]
    if not moving:
        return Booked(booking)
    numbers = _seats_to_take(sale, moving)
    if isinstance(numbers, No):
        return numbers
    # After this point the tickets must get the seats.
    return Booked(_exchange(sale, batch, booking, command, [ticket for ticket, _ in moving], numbers))


def _named_tickets(booking: Booking, command: ExchangeTickets) -> list[tuple[Ticket, str]] | No:
    tickets = {ticket.ticket_id: ticket for ticket in booking.tickets}
    named: list[tuple[Ticket, str]] = []
    for ticket_id, seat_id in command.seats:
        ticket = tickets.get(ticket_id)
        if ticket is None:
            return No(SalesRefusal.UNKNOWN_TICKET)
        if ticket.state == "used":
            return No(SalesRefusal.TICKET_USED)
        if ticket.state == "void":
            return No(SalesRefusal.ALREADY_CANCELLED)
        if ticket.seat_number is None:
            return No(SalesRefusal.NOT_SEATED)
        if ticket.returning_since is not None:
            return No(SalesRefusal.NOT_EXCHANGEABLE, "returned")
        named.append((ticket, seat_id))
    assert len({ticket.ticket_id for ticket, _ in named}) == len(named), "a command names each ticket once"
    assert len({seat_id for _, seat_id in named}) == len(named), "a command names each seat once"
    return named


def _seats_to_take(sale: Sale, moving: Sequence[tuple[Ticket, str]]) -> list[int] | No:
    """Return the numbers of the new seats; refuse one that is taken, or of another zone than the ticket's."""
    hall = sale.hall
    assert hall is not None, "a ticket with a seat belongs to the seating"
    left = {ticket.seat_number for ticket, _ in moving}
    numbers: list[int] = []
    for ticket, seat_id in moving:
        number = hall.plan.numbers.get(seat_id)
        if number is None:
            return No(SalesRefusal.UNKNOWN_SEAT, "seat", {"seat_id": seat_id})
        if hall.zone_of_seat(number) != sale.ticket_types[ticket.ticket_type_id].zone:
            return No(SalesRefusal.SEAT_OF_ANOTHER_ZONE, "seat", {"seat_id": seat_id})
        if number not in left and not hall.is_available(number):
            return No(SalesRefusal.SEAT_TAKEN, "seat", {"seat_id": seat_id})
        numbers.append(number)
    return numbers


def _exchange(
    sale: Sale,
    batch: Batch,
    booking: Booking,
    command: ExchangeTickets,
    tickets: Sequence[Ticket],
    numbers: Sequence[int],
) -> Booking:
    assert sale.hall is not None, "seats belong to the seating"
    freed = [ticket.seat_number for ticket in tickets if ticket.seat_number is not None]
    for number in freed:
        release_seat(sale, batch, number)
    sale.hall.take(numbers)
    for ticket, number in zip(tickets, numbers, strict=True):
        claim_seat(batch, number, ticket.ticket_id, was_taken=False)
    moved = [_reseat(sale, batch, ticket, number) for ticket, number in zip(tickets, numbers, strict=True)]
    by_id = {ticket.ticket_id: ticket for ticket in moved}
    changed = replace(booking, tickets=tuple([by_id.get(each.ticket_id, each) for each in booking.tickets]))
    record_change(batch, changed)
    batch.facts.append(
        facts.TicketsExchanged(
            booking.booking_id,
            tuple(by_id),
            tuple(freed),
            tuple(numbers),
            tuple([digest_secret(ticket.secret) for ticket in tickets]),
            tuple([digest_secret(ticket.secret) for ticket in moved]),
            command.actor_id,
            any(ticket.holder_id is None for ticket in tickets),
            tuple(dict.fromkeys(each.holder_id for each in tickets if each.holder_id is not None)),
        )
    )
    return changed


def _reseat(sale: Sale, batch: Batch, ticket: Ticket, number: int) -> Ticket:
    """Return a ticket with another seat and another code."""
    assert sale.hall is not None, "seats belong to the seating"
    plan = sale.hall.plan
    moved = replace(
        ticket,
        seat_number=number,
        seat_id=plan.ids[number],
        seat_label=plan.label(number),
        secret=batch.new_secret(),
    )
    batch.reissued[ticket.ticket_id] = Reissued(ticket.holder_id, moved.secret)
    batch.codes_voided.append((ticket.ticket_id, ticket.secret))
    batch.reseated[ticket.ticket_id] = moved
    return moved
