"""Loads the tickets of a booking. Reads only; who may see them is decided by the caller."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from evently import attendees, catalogue, sales
from evently.attendees import TicketName
from evently.catalogue import Event
from evently.db import Database, load_queries
from evently.kit.errors import Refused
from evently.kit.ids import show_id
from evently.sales.commands.bookings import UNITS_MAX
from evently.sales.nouns import Booking, Ticket
from evently.sales.ticket_code import write_code
from evently.tickets.nouns import IssuedTicket, IssuedTickets, TicketsRefusal

sql: Final = load_queries(__name__)


async def load_tickets(database: Database, booking: Booking, reader_id: UUID | None) -> IssuedTickets:
    """Return the tickets of a booking, with all that is written on them.

    The buyer sees all of them, another person only those that they hold; codes are there for the holder
    alone. None: an organizer, who sees all tickets and no code. Refuses with `ticket-not-found` where the
    reader would see nothing.
    """
    seen = [
        (number, ticket)
        for number, ticket in enumerate(booking.tickets, 1)
        if reader_id in (None, booking.buyer_id, ticket.holder_id)
    ]
    if not seen:
        raise Refused(TicketsRefusal.TICKET_NOT_FOUND)
    event = await catalogue.get_event(database, booking.event_id)
    venue = await catalogue.get_venue(database, event.venue_id)
    type_ids = list({ticket.ticket_type_id for ticket in booking.tickets})
    types = await database.fetch(
        *sql.list_type_names(event_id=booking.event_id, ticket_type_ids=type_ids, limit=UNITS_MAX)
    )
    names = await database.fetch_row(
        *sql.find_names(organizer_id=event.organizer_id, buyer_id=booking.buyer_id)
    )
    assert names is not None, "an event refers to its organizer"
    given: dict[UUID, TicketName] = {}
    if event.attendee_names != "not_asked":
        given = await attendees.find_names(database, booking)
    type_names = {row["ticket_type_id"]: row["name"] for row in types}
    return IssuedTickets(
        booking,
        event,
        venue,
        names["organizer_name"],
        names["buyer_name"],
        tuple(
            _issue(
                number,
                ticket,
                type_names[ticket.ticket_type_id],
                given.get(ticket.ticket_id) or TicketName(ticket.ticket_id),
                admits=reader_id is not None and _admits(booking, event, ticket),
                held=reader_id in (None, ticket.holder_id or booking.buyer_id),
            )
            for number, ticket in seen
        ),
    )


async def load_ticket_of_person(
    database: Database, person_id: UUID, ticket_id: UUID
) -> tuple[IssuedTickets, IssuedTicket]:
    """Return a ticket that a person has booked or holds, with those of its booking that they may see.

    Refuses with `ticket-not-found`.
    """
    held = await sales.reads.find_held_ticket(database, person_id, ticket_id)
    if held is None:
        raise Refused(TicketsRefusal.TICKET_NOT_FOUND)
    return await _load_with(database, held.booking_id, ticket_id, person_id)


async def load_ticket_of_event(
    database: Database, event_id: UUID, ticket_id: UUID
) -> tuple[IssuedTickets, IssuedTicket]:
    """Return a ticket of an event, with those of its booking; refuses with `ticket-not-found`."""
    booking_id = await database.fetch_value(
        *sql.find_booking_in_event(event_id=event_id, ticket_id=ticket_id)
    )
    if booking_id is None:
        raise Refused(TicketsRefusal.TICKET_NOT_FOUND)
    return await _load_with(database, booking_id, ticket_id, None)


def check_valid(issued: IssuedTickets) -> None:
    """Refuse with `no-valid-ticket`, and say why, when no ticket of the booking has a code."""
    if not issued.admitting:
        if (why := _why_none(issued)) is not None:
            raise why
        if any(ticket.passed_on and ticket.state != "void" for ticket in issued.tickets):
            raise Refused(TicketsRefusal.NO_VALID_TICKET, "passed_on")
        raise Refused(TicketsRefusal.NO_VALID_TICKET, "all_void")


def get_code(issued: IssuedTickets, ticket: IssuedTicket) -> str:
    """Return the code of a ticket, or refuse with `no-valid-ticket` and say why it has none."""
    if ticket.code is None:
        if (why := _why_none(issued)) is not None:
            raise why
        if ticket.passed_on and ticket.state != "void":
            raise Refused(TicketsRefusal.NO_VALID_TICKET, "passed_on")
        raise Refused(TicketsRefusal.NO_VALID_TICKET, "void")
    return ticket.code


async def _load_with(
    database: Database, booking_id: UUID, ticket_id: UUID, reader_id: UUID | None
) -> tuple[IssuedTickets, IssuedTicket]:
    booking = await sales.reads.get_booking(database, booking_id)
    issued = await load_tickets(database, booking, reader_id)
    for ticket in issued.tickets:
        if ticket.ticket_id == ticket_id:
            return issued, ticket
    raise Refused(TicketsRefusal.TICKET_NOT_FOUND)  # it changed hands between the two reads


def _admits(booking: Booking, event: Event, ticket: Ticket) -> bool:
    return booking.confirmed_at is not None and event.state != "cancelled" and ticket.state != "void"


def _issue(
    number: int, ticket: Ticket, type_name: str, given: TicketName, *, admits: bool, held: bool
) -> IssuedTicket:
    return IssuedTicket(
        ticket.ticket_id,
        ticket.ticket_type_id,
        number,
        ticket.state,
        type_name,
        ticket.total_minor(),
        None if ticket.seat_id is None else ticket.seat_label or ticket.seat_id,
        ticket.returning_since is not None,
        write_code(show_id("tkt", ticket.ticket_id), ticket.secret) if admits and held else None,
        given.name if held else None,
        given.version if held else 0,
        ticket.holder_id is not None,
        held,
    )


def _why_none(issued: IssuedTickets) -> Refused | None:
    """Return why no ticket of the booking has a code; None if that depends on the ticket."""
    if issued.event.state == "cancelled":
        return Refused(TicketsRefusal.NO_VALID_TICKET, "event_cancelled")
    if issued.booking.state == "held":
        return Refused(TicketsRefusal.NO_VALID_TICKET, "held")
    if issued.booking.confirmed_at is None:
        return Refused(TicketsRefusal.NO_VALID_TICKET, "never_confirmed")
    return None
