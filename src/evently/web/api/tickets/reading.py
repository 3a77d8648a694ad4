"""Get one ticket: its buyer with the code, the organizer of its event without; and the code as a QR code."""

from __future__ import annotations

from typing import Final

from evently import tickets
from evently.kit.ids import EventId, TicketId
from evently.tickets import IssuedTicket, IssuedTickets, TicketsRefusal
from evently.web.api.tickets.views import TicketDetailsView, show_ticket
from evently.web.edge.auth import SIGNED_IN, organizer, policy
from evently.web.edge.conditional import NO_STORE, etag_of, not_modified
from evently.web.edge.context import Response
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, get
from evently.web.services import Request, Services

_SVG: Final = "image/svg+xml"
PRIVATE: Final = "private, no-cache"  # only the buyer's own browser keeps it, and asks each time


@get(
    "/v1/tickets/{ticket_id}",
    operation_id="getTicket",
    summary="Get a ticket",
    description="Send the `ETag` in `If-Match` to change the name on it.",
    tags=["Tickets"],
    responses=problems(TicketsRefusal.TICKET_NOT_FOUND),
    **policy(SIGNED_IN),
)
async def get_ticket(request: Request, ticket_id: FromPath[TicketId]) -> Response[TicketDetailsView]:
    """Return a ticket of the caller with everything that is printed on it."""
    context = request.context
    issued, ticket = await tickets.load_ticket_of_person(context.database, request.actor.id, ticket_id)
    return answer_ticket(context, issued, ticket)


@get(
    "/v1/events/{event_id}/tickets/{ticket_id}",
    operation_id="getEventTicket",
    summary="Get a ticket of an event",
    tags=["Organizer: bookings"],
    responses=problems(TicketsRefusal.TICKET_NOT_FOUND),
    **policy(organizer("door", "bookings:read")),
)
async def get_event_ticket(
    request: Request, event_id: FromPath[EventId], ticket_id: FromPath[TicketId]
) -> Response[TicketDetailsView]:
    """Return a ticket of the organizer's event, without its code."""
    context = request.context
    issued, ticket = await tickets.load_ticket_of_event(context.database, event_id, ticket_id)
    return Response(show_ticket(issued, ticket, context.clock(), with_code=False), headers=NO_STORE)


@get(
    "/v1/tickets/{ticket_id}/qr.svg",
    operation_id="getTicketQrCode",
    summary="Get the QR code of a ticket",
    description="SVG, black on white with its quiet zone. Show it at least 40 mm wide.",
    tags=["Tickets"],
    media_type=_SVG,
    responses=problems(TicketsRefusal.TICKET_NOT_FOUND, TicketsRefusal.NO_VALID_TICKET),
    **policy(SIGNED_IN),
)
async def get_ticket_qr_code(
    request: Request, ticket_id: FromPath[TicketId]
) -> Response[bytes] | Response[None]:
    """Return the code of a ticket of the caller as a QR code."""
    issued, ticket = await tickets.load_ticket_of_person(
        request.context.database, request.actor.id, ticket_id
    )
    drawn = tickets.qr_svg(tickets.get_code(issued, ticket), tickets.label_of(issued, ticket)).encode()
    etag = etag_of(tickets.digest_of(drawn))
    if unchanged := not_modified(request, etag, PRIVATE):
        return unchanged
    return Response(drawn, headers={"etag": etag, "cache-control": PRIVATE}, media_type=_SVG)


def answer_ticket(
    context: Services, issued: IssuedTickets, ticket: IssuedTicket
) -> Response[TicketDetailsView]:
    """Return the response with a ticket for its buyer; its tag names the version of the name on it."""
    now = context.clock()
    view = show_ticket(issued, ticket, now, with_code=True, wallet=any(context.wallets.offered(now)))
    return Response(view, headers=NO_STORE | {"etag": etag_of(ticket.name_version)})


routes: Final = [get_ticket, get_event_ticket, get_ticket_qr_code]
