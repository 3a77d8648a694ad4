"""What organizers do for a buyer who calls, as the API and the pages do it."""

from __future__ import annotations

from uuid import UUID

from evently import attendees, mail, tickets
from evently.kit.errors import Invalid
from evently.sales.nouns import Booking
from evently.web.services import Request


async def resend(request: Request, booking: Booking) -> str:
    """Send the valid tickets of a booking to its buyer once more; return the address."""
    context = request.context
    tickets.check_valid(await tickets.load_tickets(context.database, booking, booking.buyer_id))
    async with context.database.transaction() as tx:
        return await mail.resend_tickets(
            tx, booking.event_id, booking.booking_id, booking.buyer_id, context.clock()
        )


async def put_name(request: Request, event_id: UUID, ticket_id: UUID, typed: str | None) -> str | None:
    """Write a name on a ticket of an event, or (None) take it back; return the name as it is stored."""
    context = request.context
    name = None
    if typed is not None:
        name, wrong = attendees.check_name(typed, "/attendee_name")
        if wrong:
            raise Invalid(wrong)
    issued, _ = await tickets.load_ticket_of_event(context.database, event_id, ticket_id)
    async with context.database.transaction() as tx:
        await attendees.put_names(
            tx, issued.event, issued.booking, {ticket_id: name}, context.clock(), by_organizer=True
        )
    return name
