"""Tickets in the hand: one ticket with its QR code on the screen, all of a booking as PDF, and wallets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

import markupsafe

from evently import attendees, sales, tickets
from evently.attendees import AttendeesRefusal
from evently.catalogue import Event
from evently.kit.errors import Invalid, Refused
from evently.kit.ids import BookingId, TicketId, show_id
from evently.kit.money import Money
from evently.questions import QuestionsRefusal
from evently.sales.outcomes import SalesRefusal
from evently.tickets import APPLE_PASS, IssuedTicket, IssuedTickets, TicketsRefusal
from evently.web.edge.auth import SIGNED_IN, policy
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.problems import PROBLEMS
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages.browsing import event_address
from evently.web.pages.forms import Form, FormError, errors_of, read_form
from evently.web.pages.names import why_not_saved
from evently.web.pages.offline import kept_for
from evently.web.pages.questions import QuestionsOnPage, save_typed, show_questions
from evently.web.pages.questions import why_not_saved as why_no_answers
from evently.web.pages.rendering import act, render, see_other, show
from evently.web.services import Request

_NAME: Final = "attendee_name"
Saved = Annotated[str, QueryParameter(max_length=10)]


@show("/tickets/{ticket_id}", **policy(SIGNED_IN))
async def show_ticket(request: Request, ticket_id: FromPath[TicketId], saved: Saved = "") -> Response[str]:
    """Return a ticket of the reader, as large as the door's reader wants it."""
    database, reader_id = request.context.database, request.actor.id
    issued, ticket = await tickets.load_ticket_of_person(database, reader_id, ticket_id)
    asked = await _ask(request, issued, ticket)
    return await _page(request, issued, ticket, saved=saved, asked=asked)


@act("/tickets/{ticket_id}/name", **policy(SIGNED_IN))
async def name_ticket(request: Request, ticket_id: FromPath[TicketId]) -> Response[str] | Response[None]:
    """Write the name on a ticket of the reader; an empty field takes it back."""
    form, context = await read_form(request), request.context
    issued, ticket = await tickets.load_ticket_of_person(context.database, request.actor.id, ticket_id)
    typed, name = form.raw(_NAME), None
    if typed:
        name, wrong = attendees.check_name(typed, f"/{_NAME}")
        if wrong:
            errors = errors_of(Invalid(wrong[:1]), {f"/{_NAME}": _NAME})
            return await _page(request, issued, ticket, typed=typed, errors=errors)
    try:
        if not ticket.held:
            raise Refused(AttendeesRefusal.NAME_FIXED, "passed_on")
        async with context.database.transaction() as tx:
            names: dict[UUID, str | None] = {ticket_id: name}
            await attendees.put_names(tx, issued.event, issued.booking, names, context.clock())
    except Refused as exc:
        if not isinstance(exc.refusal, AttendeesRefusal):
            raise
        return await _page(request, issued, ticket, refused=exc)
    return see_other(f"/tickets/{show_id('tkt', ticket_id)}?saved=name#name")


@act("/tickets/{ticket_id}/answers", **policy(SIGNED_IN))
async def answer_questions(request: Request, ticket_id: FromPath[TicketId]) -> Response[str] | Response[None]:
    """Write what the reader, to whom a ticket was passed on, answers to the questions of the organizer."""
    form = await read_form(request)
    issued, ticket = await tickets.load_ticket_of_person(
        request.context.database, request.actor.id, ticket_id
    )
    try:
        errors = await save_typed(request, issued.event, issued.booking, form, only=ticket_id)
    except Refused as exc:
        if not isinstance(exc.refusal, QuestionsRefusal):
            raise
        asked = await _ask(request, issued, ticket, form)
        return await _page(request, issued, ticket, refused=exc, asked=asked)
    if errors:
        asked = await _ask(request, issued, ticket, form, errors)
        return await _page(request, issued, ticket, errors=errors, asked=asked)
    return see_other(f"/tickets/{show_id('tkt', ticket_id)}?saved=answers#questions")


async def _ask(
    request: Request,
    issued: IssuedTickets,
    ticket: IssuedTicket,
    typed: Form | None = None,
    errors: Sequence[FormError] = (),
) -> QuestionsOnPage | None:
    """Return what the reader is asked about a ticket that was passed on; its buyer answers on the booking."""
    if issued.booking.buyer_id == request.actor.id:
        return None
    label = {ticket.ticket_id: tickets.label_of(issued, ticket)}
    return await show_questions(
        request, issued.event, issued.booking, label, typed, errors, only=ticket.ticket_id
    )


async def _page(
    request: Request,
    issued: IssuedTickets,
    ticket: IssuedTicket,
    *,
    typed: str | None = None,
    errors: Sequence[FormError] = (),
    refused: Refused | None = None,
    saved: str = "",
    asked: QuestionsOnPage | None = None,
) -> Response[str]:
    event, numbers = issued.event, [each.ticket_id for each in issued.admitting]
    here = numbers.index(ticket.ticket_id) if ticket.ticket_id in numbers else None
    others = None if here is None else (numbers[here - 1 : here], numbers[here + 1 : here + 2])
    label = tickets.label_of(issued, ticket)
    apple, google = request.context.wallets.offered(request.context.clock())
    ends_at = issued.name_ends_at(ticket, request.context.clock())
    return render(
        request,
        "ticket.html",
        status=PROBLEMS[refused.refusal].status if refused is not None else 422 if errors else 200,
        headers={} if ticket.code is None or errors or refused else kept_for(request),
        ticket=ticket,
        issued=issued,
        event=event,
        event_address=event_address(event),
        booking_address=f"/bookings/{show_id('bkg', issued.booking.booking_id)}",
        received=issued.booking.buyer_id != request.actor.id,
        qr=None if ticket.code is None else markupsafe.Markup(tickets.qr_svg(ticket.code, label)),  # noqa: S704
        before=others and [show_id("tkt", each) for each in others[0]],
        after=others and [show_id("tkt", each) for each in others[1]],
        price=Money(ticket.total_minor, issued.booking.currency),
        apple=apple is not None,
        google=google is not None,
        name_ends=ends_at and ends_at.astimezone(event.place.zone),
        typed=ticket.attendee_name or "" if typed is None else typed,
        errors=errors,
        no=None if refused is None else _why_not(refused, event),
        saved=saved,
        asked=asked,
        offered_to=await _offered_to(request, issued, ticket),
    )


async def _offered_to(request: Request, issued: IssuedTickets, ticket: IssuedTicket) -> str | None:
    """Return the address to which the reader offers a ticket now."""
    event_id, reader_id = issued.event.event_id, request.actor.id
    found = await sales.reads.list_transfers_of_ticket(request.context.database, event_id, ticket.ticket_id)
    mine = [each for each in found if each.state == "offered" and each.giver_id == reader_id]
    return mine[0].address if mine else None


def _why_not(refused: Refused, event: Event) -> str:
    if isinstance(refused.refusal, QuestionsRefusal):
        return why_no_answers(refused, event)
    return why_not_saved(refused, event)


@show("/tickets/{ticket_id}/apple.pkpass", **policy(SIGNED_IN))
async def apple_pass(request: Request, ticket_id: FromPath[TicketId]) -> Response[bytes]:
    """Return a ticket of the reader as a pass for Apple Wallet."""
    context = request.context
    apple, _ = context.wallets.offered(context.clock())
    if apple is None:
        raise Refused(TicketsRefusal.NO_WALLET)
    issued, ticket = await tickets.load_ticket_of_person(context.database, request.actor.id, ticket_id)
    tickets.get_code(issued, ticket)
    name = f"{issued.reference}-{ticket.number}.pkpass"
    headers = {**NO_STORE, "content-disposition": f'attachment; filename="{name}"'}
    content = await asyncio.to_thread(apple.pass_of, issued, ticket)
    return Response(content, headers=headers, media_type=APPLE_PASS)


@show("/tickets/{ticket_id}/google-wallet", **policy(SIGNED_IN))
async def google_wallet(request: Request, ticket_id: FromPath[TicketId]) -> Response[None]:
    """Go to the page of Google on which a ticket of the reader is saved: its link has the code in it."""
    context = request.context
    _, google = context.wallets.offered(now := context.clock())
    if google is None:
        raise Refused(TicketsRefusal.NO_WALLET)
    issued, ticket = await tickets.load_ticket_of_person(context.database, request.actor.id, ticket_id)
    tickets.get_code(issued, ticket)
    return see_other(await asyncio.to_thread(google.url_for, issued, ticket, now))


@show("/bookings/{booking_id}/tickets.pdf", **policy(SIGNED_IN))
async def tickets_pdf(request: Request, booking_id: FromPath[BookingId]) -> Response[bytes]:
    """Return the tickets of a booking of the reader as PDF."""
    issued = await _tickets_of_reader(request, booking_id)
    tickets.check_valid(issued)
    headers = {**NO_STORE, "content-disposition": f'inline; filename="tickets-{issued.reference}.pdf"'}
    return Response(
        await request.context.printer.pdf_of(issued), headers=headers, media_type="application/pdf"
    )


@show("/bookings/{booking_id}/calendar.ics", **policy(SIGNED_IN))
async def booking_calendar(request: Request, booking_id: FromPath[BookingId]) -> Response[bytes]:
    """Return a booking of the reader as a calendar entry: the file that the e-mail has, too."""
    issued = await _tickets_of_reader(request, booking_id)
    headers = {**NO_STORE, "content-disposition": f'attachment; filename="booking-{issued.reference}.ics"'}
    body = tickets.calendar_for(issued, request.actor.id, request.context.options.public_url)
    return Response(body, headers=headers, media_type="text/calendar; charset=utf-8")


async def _tickets_of_reader(request: Request, booking_id: UUID) -> IssuedTickets:
    """Return the tickets of a booking of which the reader is the buyer, or holds a ticket."""
    booking, reader_id = await request.context.bookings.get(booking_id), request.actor.id
    if reader_id not in (booking.buyer_id, *(ticket.holder_id for ticket in booking.tickets)):
        raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
    return await tickets.load_tickets(request.context.database, booking, reader_id)


routes: Final = [
    show_ticket,
    name_ticket,
    answer_questions,
    apple_pass,
    google_wallet,
    tickets_pdf,
    booking_calendar,
]
