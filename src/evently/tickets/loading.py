"""Loads the tickets of a booking. Reads only; who may see them is decided by the caller."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from evently import attendees, catalogue, sales
from evently.attendees import TicketName
from evently.catalogue import Event
from evently.db import Database, Record, load_queries
from evently.kit.errors import Refused
from evently.kit.ids import show_id
from evently.sales.commands import UNITS_MAX, Booking, Ticket
from evently.sales.ticket_code import write_code
from evently.tickets.nouns import IssuedTicket, IssuedTickets, TicketsRefusal

sql: Final = load_queries(__name__)


async def load_tickets(database: Database, booking: Booking) -> IssuedTickets:
    """Return the tickets of a booking, with all that is written on them."""
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
                admits=_admits(booking, event, ticket),
            )
            for number, ticket in enumerate(booking.tickets, 1)
        ),
    )


async def load_ticket_of_buyer(
    database: Database, buyer_id: UUID, ticket_id: UUID
) -> tuple[IssuedTickets, IssuedTicket]:
    """Return a ticket of a buyer, with those of its booking; refuses with `ticket-not-found`."""
    return await _load_with(
        database,
        await database.fetch_row(*sql.find_booking_of_ticket(buyer_id=buyer_id, ticket_id=ticket_id)),
        ticket_id,
    )


async def load_ticket_of_event(
    database: Database, event_id: UUID, ticket_id: UUID
) -> tuple[IssuedTickets, IssuedTicket]:
    """Return a ticket of an event, with those of its booking; refuses with `ticket-not-found`."""
    return await _load_with(
        database,
        await database.fetch_row(*sql.find_booking_in_event(event_id=event_id, ticket_id=ticket_id)),
        ticket_id,
    )


def check_valid(issued: IssuedTickets) -> None:
    """Refuse with `no-valid-ticket`, and say why, when no ticket of the booking has a code."""
    if not issued.admitting:
        raise _why_none(issued) or Refused(TicketsRefusal.NO_VALID_TICKET, "all_void")


def get_code(issued: IssuedTickets, ticket: IssuedTicket) -> str:
    """Return the code of a ticket, or refuse with `no-valid-ticket` and say why it has none."""
    if ticket.code is None:
        raise _why_none(issued) or Refused(TicketsRefusal.NO_VALID_TICKET, "void")
    return ticket.code


async def _load_with(
    database: Database, row: Record | None, ticket_id: UUID
) -> tuple[IssuedTickets, IssuedTicket]:
    if row is None:
        raise Refused(TicketsRefusal.TICKET_NOT_FOUND)
    issued = await load_tickets(database, await sales.reads.get_booking(database, row["booking_id"]))
    for ticket in issued.tickets:
        if ticket.ticket_id == ticket_id:
            return issued, ticket
    raise Refused(TicketsRefusal.TICKET_NOT_FOUND)  # it left the booking between the two reads


def _admits(booking: Booking, event: Event, ticket: Ticket) -> bool:
    return booking.confirmed_at is not None and event.state != "cancelled" and ticket.state != "void"


def _issue(number: int, ticket: Ticket, type_name: str, given: TicketName, *, admits: bool) -> IssuedTicket:
    return IssuedTicket(
        ticket.ticket_id,
        ticket.ticket_type_id,
        number,
        ticket.state,
        type_name,
        ticket.total_minor(),
        None if ticket.seat_id is None else ticket.seat_label or ticket.seat_id,
        ticket.returning_since is not None,
        write_code(show_id("tkt", ticket.ticket_id), ticket.secret) if admits else None,
        given.name,
        given.version,
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
