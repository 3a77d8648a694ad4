"""The tickets of a booking, as a list and as documents, for their holders alone: they contain the codes."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import msgspec

from evently import tickets
from evently.kit.errors import Refused
from evently.kit.ids import BookingId
from evently.sales.outcomes import SalesRefusal
from evently.tickets import IssuedTickets, TicketsRefusal
from evently.web.api.tickets.reading import PRIVATE
from evently.web.api.tickets.views import TicketDetailsView, show_ticket
from evently.web.edge.auth import SIGNED_IN, policy
from evently.web.edge.conditional import NO_STORE, etag_of, not_modified
from evently.web.edge.context import Response
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, get
from evently.web.services import Request

_PDF: Final = "application/pdf"
_CALENDAR: Final = "text/calendar; charset=utf-8"


class TicketsView(msgspec.Struct, frozen=True):
    """All tickets of a booking, void ones included."""

    data: list[TicketDetailsView]


@get(
    "/v1/bookings/{booking_id}/tickets",
    operation_id="listTicketsOfBooking",
    summary="List the tickets of a booking",
    tags=["Tickets"],
    responses=problems(SalesRefusal.BOOKING_NOT_FOUND),
    **policy(SIGNED_IN),
)
async def list_tickets_of_booking(request: Request, booking_id: FromPath[BookingId]) -> Response[TicketsView]:
    """List the tickets of a booking of the caller with everything that is printed on them."""
    context = request.context
    issued, now = await _tickets_of(request, booking_id), context.clock()
    wallet = any(context.wallets.offered(now))
    data = [show_ticket(issued, each, now, with_code=True, wallet=wallet) for each in issued.tickets]
    return Response(TicketsView(data), headers=NO_STORE)


@get(
    "/v1/bookings/{booking_id}/tickets.pdf",
    operation_id="getTicketsPdf",
    summary="Get the tickets of a booking as PDF",
    description=(
        "One A4 page for each ticket that admits and that the caller holds; void tickets are left out. The "
        "file is tagged for screen "
        "readers (PDF/UA-1). The same tickets give the same bytes. A character that cannot be printed is "
        "replaced by `[?]`, and the ticket says which one it was."
    ),
    tags=["Tickets"],
    media_type=_PDF,
    responses=problems(SalesRefusal.BOOKING_NOT_FOUND, TicketsRefusal.NO_VALID_TICKET),
    **policy(SIGNED_IN),
)
async def get_tickets_pdf(
    request: Request, booking_id: FromPath[BookingId]
) -> Response[bytes] | Response[None]:
    """Return the tickets of a booking of the caller as PDF."""
    issued = await _tickets_of(request, booking_id)
    tickets.check_valid(issued)
    etag = etag_of(tickets.pdf_tag(issued))
    if unchanged := not_modified(request, etag, PRIVATE):
        return unchanged
    headers = {
        "etag": etag,
        "cache-control": PRIVATE,
        "content-disposition": f'inline; filename="tickets-{issued.reference}.pdf"',
    }
    return Response(await request.context.printer.pdf_of(issued), headers=headers, media_type=_PDF)


@get(
    "/v1/bookings/{booking_id}/calendar.ics",
    operation_id="getBookingCalendar",
    summary="Get a calendar entry of a booking",
    description=(
        "iCalendar (RFC 5545), with times in UTC. Importing it again updates the entry, also after a "
        "cancellation."
    ),
    tags=["Tickets"],
    media_type=_CALENDAR,
    responses=problems(SalesRefusal.BOOKING_NOT_FOUND),
    **policy(SIGNED_IN),
)
async def get_booking_calendar(
    request: Request, booking_id: FromPath[BookingId]
) -> Response[bytes] | Response[None]:
    """Return a booking of the caller as a calendar with one entry."""
    issued = await _tickets_of(request, booking_id)
    body = tickets.calendar_for(issued, request.actor.id, request.context.options.public_url)
    etag = etag_of(tickets.digest_of(body))
    if unchanged := not_modified(request, etag, PRIVATE):
        return unchanged
    headers = {
        "etag": etag,
        "cache-control": PRIVATE,
        "content-disposition": f'attachment; filename="{issued.reference}.ics"',
    }
    return Response(body, headers=headers, media_type=_CALENDAR)


async def _tickets_of(request: Request, booking_id: UUID) -> IssuedTickets:
    booking, reader_id = await request.context.bookings.get(booking_id), request.actor.id
    if reader_id not in (booking.buyer_id, *(ticket.holder_id for ticket in booking.tickets)):
        raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
    return await tickets.load_tickets(request.context.database, booking, reader_id)


routes: Final = [list_tickets_of_booking, get_tickets_pdf, get_booking_calendar]
