"""Tickets in the hand: one ticket with its QR code on the screen, and all of a booking as PDF."""

from __future__ import annotations

from typing import Final

import markupsafe

from evently import tickets
from evently.kit.errors import Refused
from evently.kit.ids import BookingId, TicketId, show_id
from evently.kit.money import Money
from evently.sales.commands import SalesRefusal
from evently.web.edge.auth import SIGNED_IN, policy
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.routing import FromPath
from evently.web.pages.browsing import event_address
from evently.web.pages.rendering import render, show
from evently.web.services import Request


@show("/tickets/{ticket_id}", **policy(SIGNED_IN))
async def show_ticket(request: Request, ticket_id: FromPath[TicketId]) -> Response[str]:
    """Return a ticket of the reader, as large as the door's reader wants it."""
    issued, ticket = await tickets.load_ticket_of_buyer(request.context.database, request.actor.id, ticket_id)
    event, numbers = issued.event, [each.ticket_id for each in issued.admitting]
    here = numbers.index(ticket_id) if ticket_id in numbers else None
    others = None if here is None else (numbers[here - 1 : here], numbers[here + 1 : here + 2])
    label = tickets.label_of(issued, ticket)
    return render(
        request,
        "ticket.html",
        ticket=ticket,
        issued=issued,
        event=event,
        event_address=event_address(event),
        booking_address=f"/bookings/{show_id('bkg', issued.booking.booking_id)}",
        qr=None if ticket.code is None else markupsafe.Markup(tickets.qr_svg(ticket.code, label)),  # noqa: S704
        before=others and [show_id("tkt", each) for each in others[0]],
        after=others and [show_id("tkt", each) for each in others[1]],
        price=Money(ticket.total_minor, issued.booking.currency),
    )


@show("/bookings/{booking_id}/tickets.pdf", **policy(SIGNED_IN))
async def tickets_pdf(request: Request, booking_id: FromPath[BookingId]) -> Response[bytes]:
    """Return the tickets of a booking of the reader as PDF."""
    context = request.context
    booking = await context.bookings.get(booking_id)
    if booking.buyer_id != request.actor.id:
        raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
    issued = await tickets.load_tickets(context.database, booking)
    tickets.check_valid(issued)
    headers = {**NO_STORE, "content-disposition": f'inline; filename="tickets-{issued.reference}.pdf"'}
    return Response(await context.printer.pdf_of(issued), headers=headers, media_type="application/pdf")


routes: Final = [show_ticket, tickets_pdf]
