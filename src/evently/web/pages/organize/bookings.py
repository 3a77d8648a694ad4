"""The bookings of an event: finding them, one with its story, and what is done when a buyer calls.

Each form calls the verb of the API and leads back to the booking. The quote of a cancellation is a page of
its own, before anything is done.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from evently import accounts, attendees, checkin, checkout, finding, questions
from evently.attendees import TicketName
from evently.kit.errors import Invalid, Refused
from evently.kit.ids import BookingId, EventId, RefundId, find_id, find_uuid, reference_of, show_id
from evently.kit.money import Money
from evently.sales.commands.bookings import CancelBooking
from evently.sales.commands.exchanges import ExchangeTickets
from evently.sales.nouns import Booking, Ticket
from evently.sales.outcomes import No, SalesRefusal
from evently.sales.reads import list_type_names, load_hall, preview_cancellation
from evently.web.edge.auth import organizer, policy
from evently.web.edge.context import Response
from evently.web.edge.idempotency import fingerprint_of
from evently.web.edge.problems import sentence_of
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.exports import send_attendees, send_bookings
from evently.web.mending import put_name, resend
from evently.web.pages import words
from evently.web.pages.forms import Form, FormError, errors_of, read_form
from evently.web.pages.organize.desk import Desk, event_address, open_event, render_desk
from evently.web.pages.organize.typed import read_reason
from evently.web.pages.rendering import act, new_key, see_other, show
from evently.web.services import Request
from evently.web.stories import read_story

READS: Final = organizer("manager", "bookings:read")
WRITES: Final = organizer("manager", "bookings:write")
SETTLES: Final = organizer("owner", "bookings:write")
SHOWN_MAX: Final = 50  # more than a screen
REASON_CHARACTERS_MAX: Final = 500
_DONE: Final = {
    "seats": "The tickets have other seats. Their holders get the new tickets by e-mail.",
    "name": "The name is changed.",
    "cancelled": "The tickets are cancelled.",
    "settled": "The refund is settled.",
    "undone": "That check-in is undone. The ticket is valid again.",
    "asked": "The payment provider is asked again.",
}
_WORDS: Final = re.compile(r"[^\W\d_]+|\d+")
_FILLERS: Final = frozenset({"row", "seat"})

Typed = Annotated[str, QueryParameter(max_length=finding.TYPED_CHARACTERS_MAX)]
After = Annotated[str, QueryParameter(max_length=500)]
Done = Annotated[str, QueryParameter(max_length=20)]
Chosen = Annotated[list[str] | None, QueryParameter(name="ticket", max_length=100)]


class _Seats(msgspec.Struct, frozen=True):
    """What a repeated form must have in common."""

    seats: tuple[tuple[UUID, str], ...]


class _Cancelled(msgspec.Struct, frozen=True):
    """What a repeated form must have in common."""

    ticket_ids: tuple[UUID, ...]
    keeps_door: bool
    reason: str


class Row(NamedTuple):
    """A booking in the list."""

    booking: finding.FoundBooking
    reference: str
    address: str
    total: Money


class Used(NamedTuple):
    """The last scan of a ticket that was used. `is_in`: it can be undone; else its holder has left."""

    scan_id: str
    at: datetime
    gate: str
    by: str | None
    is_in: bool


class TicketRow(NamedTuple):
    """A ticket of the booking that is shown. `holder`: to whom it was passed on."""

    id: str
    number: int
    type: str
    ticket: Ticket
    total: Money
    name: TicketName
    holder: str | None
    used: Used | None


@show("/organize/events/{event_id}/bookings", **policy(READS))
async def list_bookings(
    request: Request, event_id: FromPath[EventId], q: Typed = "", after: After = ""
) -> Response[str]:
    """Return the bookings that match what was typed, newest first; all of them when nothing was."""
    desk = await open_event(request, event_id)
    found = await finding.find_bookings(request.context.database, event_id, q, SHOWN_MAX, after or None)
    following = found.page.next_cursor
    here = event_address(event_id, "bookings")
    rows = [
        Row(
            each,
            reference_of(each.booking_id),
            booking_address(event_id, each.booking_id),
            Money(each.total_minor, each.currency),
        )
        for each in found.page.data
    ]
    following_address = (
        following and f"{here}?{urlencode({'q': q, 'after': following} if q else {'after': following})}"
    )
    return render_desk(
        request, desk, "bookings.html", q=q, rows=rows, here=here, following=following_address, after=after
    )


@show("/organize/events/{event_id}/bookings/{booking_id}", **policy(READS))
async def show_booking(
    request: Request, event_id: FromPath[EventId], booking_id: FromPath[BookingId], done: Done = ""
) -> Response[str]:
    """Return a booking with its story."""
    return await _show(request, event_id, booking_id, done=done)


@act("/organize/events/{event_id}/bookings/{booking_id}/resend", **policy(WRITES))
async def resend_tickets(
    request: Request, event_id: FromPath[EventId], booking_id: FromPath[BookingId]
) -> Response[None] | Response[str]:
    """Send the tickets again."""
    booking = await _booking(request, event_id, booking_id)
    try:
        await resend(request, booking)
    except Refused as exc:
        return await _show(request, event_id, booking_id, no=sentence_of(exc))
    return see_other(f"{booking_address(event_id, booking_id)}?done=resent")


@act("/organize/events/{event_id}/bookings/{booking_id}/seats", **policy(WRITES))
async def change_seats(
    request: Request, event_id: FromPath[EventId], booking_id: FromPath[BookingId]
) -> Response[None] | Response[str]:
    """Give tickets other seats: those at whose field something was typed."""
    form, booking = await read_form(request), await _booking(request, event_id, booking_id)
    typed = {
        ticket.ticket_id: text
        for ticket in booking.tickets
        if (text := form.text(f"seat-{show_id('tkt', ticket.ticket_id)}"))
    }
    seats, errors = await _read_seats(request, booking, typed)
    if not typed:
        first = next((each for each in booking.tickets if each.state == "valid"), booking.tickets[0])
        errors = [FormError(f"seat-{show_id('tkt', first.ticket_id)}", "Type the new seat of a ticket.")]
    if errors:
        return await _show(request, event_id, booking_id, errors=errors, typed=dict(form.pairs))
    pairs = tuple(seats.items())
    command = ExchangeTickets(
        event_id,
        booking_id,
        request.actor.id,
        pairs,
        form.text("key") or None,
        fingerprint_of("exchange", booking_id, _Seats(pairs)),
    )
    outcome = await request.context.engine.submit(command)
    if isinstance(outcome, No):
        no = sentence_of(outcome.as_error())
        return await _show(request, event_id, booking_id, no=no, typed=dict(form.pairs))
    return see_other(f"{booking_address(event_id, booking_id)}?done=seats")


@act("/organize/events/{event_id}/bookings/{booking_id}/name", **policy(WRITES))
async def change_name(
    request: Request, event_id: FromPath[EventId], booking_id: FromPath[BookingId]
) -> Response[None] | Response[str]:
    """Change the name on a ticket; an empty field takes it back."""
    form, booking = await read_form(request), await _booking(request, event_id, booking_id)
    chosen = form.text("ticket")
    ticket_id = find_id("tkt", chosen)
    if ticket_id is None or ticket_id not in {each.ticket_id for each in booking.tickets}:
        raise Refused(SalesRefusal.UNKNOWN_TICKET)
    field = f"name-{chosen}"
    try:
        await put_name(request, event_id, ticket_id, form.text(field) or None)
    except Invalid as exc:
        errors = errors_of(exc, {"/attendee_name": field})
        return await _show(request, event_id, booking_id, errors=errors, typed=dict(form.pairs))
    except Refused as exc:
        return await _show(request, event_id, booking_id, no=sentence_of(exc), typed=dict(form.pairs))
    return see_other(f"{booking_address(event_id, booking_id)}?done=name")


@show("/organize/events/{event_id}/bookings/{booking_id}/cancel", **policy(READS))
async def quote(
    request: Request, event_id: FromPath[EventId], booking_id: FromPath[BookingId], chosen: Chosen = None
) -> Response[str]:
    """Return what cancelling the chosen tickets would pay back; it changes nothing."""
    return await _quote(request, event_id, booking_id, chosen or [])


@act("/organize/events/{event_id}/bookings/{booking_id}/cancel", **policy(WRITES))
async def cancel(
    request: Request, event_id: FromPath[EventId], booking_id: FromPath[BookingId]
) -> Response[None] | Response[str]:
    """Cancel the tickets that the page showed."""
    form, booking = await read_form(request), await _booking(request, event_id, booking_id)
    shown = form.all("ticket")
    ticket_ids = tuple(each for text in shown if (each := find_id("tkt", text)) is not None)
    if not ticket_ids:
        return await _quote(request, event_id, booking_id, shown)
    reason, errors = read_reason(form)
    if errors:
        return await _quote(request, event_id, booking_id, shown, form=form, errors=errors)
    keeps_door = form.text("keep_door_money") == "yes"
    command = CancelBooking(
        event_id,
        booking.booking_id,
        request.actor.id,
        None,
        ticket_ids,
        key=form.text("key") or None,
        fingerprint=fingerprint_of("cancel", booking_id, _Cancelled(ticket_ids, keeps_door, reason)),
        keeps_door=keeps_door,
        reason=reason,
    )
    outcome = await request.context.engine.submit(command)
    if isinstance(outcome, No):
        return await _quote(request, event_id, booking_id, shown, no=sentence_of(outcome.as_error()))
    return see_other(f"{booking_address(event_id, booking_id)}?done=cancelled")


@act("/organize/events/{event_id}/bookings/{booking_id}/refunds/{refund_id}/retry", **policy(WRITES))
async def repeat_refund(
    request: Request,
    event_id: FromPath[EventId],
    booking_id: FromPath[BookingId],
    refund_id: FromPath[RefundId],
) -> Response[None] | Response[str]:
    """Ask the gateway again for a refund that failed."""
    try:
        await request.context.checkout.retry_refund(event_id, refund_id)
    except Refused as exc:
        return await _show(request, event_id, booking_id, no=sentence_of(exc))
    return see_other(f"{booking_address(event_id, booking_id)}?done=asked")


@act("/organize/events/{event_id}/bookings/{booking_id}/refunds/{refund_id}/settle", **policy(SETTLES))
async def settle(
    request: Request,
    event_id: FromPath[EventId],
    booking_id: FromPath[BookingId],
    refund_id: FromPath[RefundId],
) -> Response[None] | Response[str]:
    """Settle a refund that an owner has paid back outside."""
    form = await read_form(request)
    reason, field = form.text("reason"), f"reason-{show_id('rfd', refund_id)}"
    if not 1 <= len(reason) <= REASON_CHARACTERS_MAX:
        errors = [
            FormError(field, f"Say how it was paid back, in at most {REASON_CHARACTERS_MAX} characters.")
        ]
        return await _show(request, event_id, booking_id, errors=errors, typed={field: reason})
    try:
        await request.context.checkout.settle_refund(event_id, refund_id, request.actor.id, reason)
    except Refused as exc:
        return await _show(request, event_id, booking_id, no=sentence_of(exc), typed={field: reason})
    return see_other(f"{booking_address(event_id, booking_id)}?done=settled")


@act(
    "/organize/events/{event_id}/bookings/{booking_id}/undone",
    **policy(organizer("manager", "checkin:write")),
)
async def undo_check_in(
    request: Request, event_id: FromPath[EventId], booking_id: FromPath[BookingId]
) -> Response[None] | Response[str]:
    """Undo the check-in of a ticket with a reason, as the door does."""
    form, booking = await read_form(request), await _booking(request, event_id, booking_id)
    context, reason = request.context, form.text("reason")
    ticket_id, scan_id = find_id("tkt", form.text("ticket")), find_uuid(form.text("scan_id"))
    used = [each.ticket_id for each in booking.tickets if each.ticket_id == ticket_id]
    scan = (await checkin.find_check_ins(context.database, event_id, used)).get(used[0]) if used else None
    if scan is None or scan.scan_id != scan_id:
        no = "This ticket was scanned again meanwhile, or its check-in is undone: look at its state."
        return await _show(request, event_id, booking_id, no=no)
    field = f"undo-{form.text('ticket')}"
    if not 1 <= len(reason) <= checkin.REASON_CHARACTERS_MAX:
        wrong = FormError(field, f"Say why, in 1 to {checkin.REASON_CHARACTERS_MAX} characters.")
        return await _show(request, event_id, booking_id, errors=[wrong], typed={field: reason})
    try:
        await checkin.undo_scan(context.engine, event_id, scan.scan_id, request.actor.id, reason)
    except Refused as exc:
        return await _show(request, event_id, booking_id, no=sentence_of(exc))
    return see_other(f"{booking_address(event_id, booking_id)}?done=undone")


@show("/organize/events/{event_id}/bookings.csv", **policy(READS, rate="heavy"))
async def save_bookings(request: Request, event_id: FromPath[EventId]) -> Response[bytes]:
    """Return the bookings of an event as CSV."""
    return await send_bookings(request, event_id)


@show("/organize/events/{event_id}/attendees.csv", **policy(READS, rate="heavy"))
async def save_attendees(request: Request, event_id: FromPath[EventId]) -> Response[bytes]:
    """Return the tickets of an event with the names on them and every answer, as CSV."""
    return await send_attendees(request, event_id)


def booking_address(event_id: UUID, booking_id: UUID) -> str:
    """Return the address of a booking at the desk."""
    return event_address(event_id, f"bookings/{show_id('bkg', booking_id)}")


async def _booking(request: Request, event_id: UUID, booking_id: UUID) -> Booking:
    booking = await request.context.bookings.get(booking_id)
    if booking.event_id != event_id:
        raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
    return booking


async def _show(
    request: Request,
    event_id: UUID,
    booking_id: UUID,
    *,
    done: str = "",
    no: str = "",
    errors: list[FormError] | None = None,
    typed: dict[str, str] | None = None,
) -> Response[str]:
    context, desk = request.context, await open_event(request, event_id)
    booking = await _booking(request, event_id, booking_id)
    buyer = await _person(request, booking.buyer_id)
    refunds = (
        await checkout.list_refunds_of_booking(context.database, event_id, booking_id, booking.payment_id)
        if booking.payment_id is not None
        else []
    )
    paid_online = booking.payment == "online"
    saying = (
        f"The tickets are on their way to {buyer.email}." if done == "resent" and buyer else _DONE.get(done)
    )
    numbers = {ticket.ticket_id: number for number, ticket in enumerate(booking.tickets, 1)}
    given = await questions.list_given(context.database, event_id, [booking_id, *numbers])
    return render_desk(
        request,
        desk,
        "booking.html",
        answers=[(each, numbers.get(each.ticket_id) if each.ticket_id else None) for each in given],
        status=422 if errors else 409 if no else 200,
        booking=booking,
        reference=reference_of(booking_id),
        address=booking_address(event_id, booking_id),
        list_address=event_address(event_id, "bookings"),
        buyer=buyer,
        tickets=await _tickets(request, desk, booking),
        total=Money(booking.total_minor(), booking.currency),
        refunds=[(each, Money(each.amount_minor, each.currency)) for each in refunds],
        payment=await context.checkout.find_latest_payment(booking_id) if paid_online else None,
        story=[(each, each.at.astimezone(desk.zone)) for each in await read_story(context.database, booking)],
        done=saying,
        no=no,
        errors=errors or [],
        typed=typed or {},
        key=new_key(),
        names_asked=desk.event is not None and desk.event.attendee_names != "not_asked",
        settles=desk.role == "owner",
    )


async def _tickets(request: Request, desk: Desk, booking: Booking) -> list[TicketRow]:
    database = request.context.database
    async with database.snapshot() as snapshot:
        types = await list_type_names(snapshot, [booking.event_id])
    asked = desk.event is not None and desk.event.attendee_names != "not_asked"
    names = await attendees.find_names(database, booking) if asked else {}
    used = [each.ticket_id for each in booking.tickets if each.state == "used"]
    scans = await checkin.find_check_ins(database, booking.event_id, used)
    by = await checkin.find_scanned_by(database, scans.values())
    rows = []
    for number, ticket in enumerate(booking.tickets, 1):
        holder = None if ticket.holder_id is None else await _person(request, ticket.holder_id)
        passed_on = ticket.holder_id is not None
        scan = scans.get(ticket.ticket_id)
        rows.append(
            TicketRow(
                show_id("tkt", ticket.ticket_id),
                number,
                types[ticket.ticket_type_id],
                ticket,
                Money(ticket.total_minor(), booking.currency),
                names.get(ticket.ticket_id) or TicketName(ticket.ticket_id),
                (holder.name if holder else "another person") if passed_on else None,
                None
                if scan is None
                else Used(
                    str(scan.scan_id),
                    scan.received_at.astimezone(desk.zone),
                    scan.gate,
                    by.get(scan.scanned_by),
                    scan.direction == "in",
                ),
            )
        )
    return rows


async def _person(request: Request, person_id: UUID) -> accounts.Person | None:
    try:
        person = await accounts.people.get_person(request.context.database, person_id)
    except Refused:
        return None
    return person if person.erased_at is None else None


async def _quote(
    request: Request,
    event_id: UUID,
    booking_id: UUID,
    shown: list[str],
    *,
    no: str = "",
    form: Form | None = None,
    errors: Sequence[FormError] = (),
) -> Response[str]:
    desk, booking = await open_event(request, event_id), await _booking(request, event_id, booking_id)
    ticket_ids = tuple(each for text in shown if (each := find_id("tkt", text)) is not None)
    preview = None
    if not no:
        try:
            preview = await preview_cancellation(
                request.context.database, event_id, booking_id, ticket_ids or None, request.context.clock()
            )
        except Refused as exc:
            no = sentence_of(exc)
    chosen = set(preview.ticket_ids) if preview else set(ticket_ids)
    return render_desk(
        request,
        desk,
        "booking_cancel.html",
        status=409 if no else 422 if errors else 200,
        form=form or Form([]),
        errors=list(errors),
        booking=booking,
        reference=reference_of(booking_id),
        address=booking_address(event_id, booking_id),
        tickets=[each for each in await _tickets(request, desk, booking) if each.ticket.ticket_id in chosen],
        refund=Money(preview.refund_minor, booking.currency) if preview else None,
        at_door=Money(preview.at_door_minor, booking.currency) if preview else None,
        counted=words.count(len(chosen), "ticket"),
        more=bool(ticket_ids) and len(chosen) > len(ticket_ids),
        no=no,
        key=new_key(),
    )


async def _read_seats(
    request: Request, booking: Booking, typed: dict[UUID, str]
) -> tuple[dict[UUID, str], list[FormError]]:
    """Return the ids of the seats that were typed, as ids or in words; and what is wrong with them."""
    seats: dict[UUID, str] = {}
    errors: list[FormError] = []
    if not typed:
        return seats, errors
    async with request.context.database.snapshot() as snapshot:
        hall = await load_hall(snapshot, booking.event_id)
    if hall is None:
        return seats, [FormError("main", "This event has no seats.")]
    for ticket_id, text in typed.items():
        field = f"seat-{show_id('tkt', ticket_id)}"
        if text in hall.plan.numbers:
            found = [text]
        else:
            asked = {word for word in _WORDS.findall(text.casefold()) if word not in _FILLERS}
            found = [
                hall.plan.ids[number]
                for number in range(hall.plan.size)
                if asked and asked.issubset(_WORDS.findall(hall.plan.label(number).casefold()))
            ]
        if not found:
            errors.append(FormError(field, f"There is no seat “{text}”: type section, row and seat."))
        elif len(found) > 1:
            errors.append(FormError(field, f"“{text}” is {len(found):,} seats: type section, row and seat."))
        elif found[0] in seats.values():
            errors.append(FormError(field, "Another ticket gets this seat already."))
        else:
            seats[ticket_id] = found[0]
    return seats, errors


routes: Final = [
    list_bookings,
    save_bookings,
    save_attendees,
    show_booking,
    undo_check_in,
    resend_tickets,
    change_seats,
    change_name,
    quote,
    cancel,
    repeat_refund,
    settle,
]
