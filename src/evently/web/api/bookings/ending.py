"""Cancel bookings, quote a cancellation, and return tickets to the waitlist."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec

from evently import sales
from evently.kit.complaints import refuse_wrong
from evently.kit.ids import BookingId, EventId, TicketId, show_id
from evently.kit.money import Money
from evently.sales.commands.bookings import UNITS_MAX, CancelBooking, KeepTickets, ReturnTickets
from evently.sales.outcomes import SalesRefusal
from evently.web.api.bookings.bodies import CancelBody, CancelEventBookingBody, TicketIdsBody
from evently.web.api.bookings.views import BookingView, answer_booking
from evently.web.edge.auth import SIGNED_IN, organizer, policy
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.idempotency import IdempotencyKey, fingerprint_of, key_of
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, QueryParameter, get, post
from evently.web.services import Request

_CANCELLING: Final = (
    SalesRefusal.BOOKING_NOT_FOUND,
    SalesRefusal.UNKNOWN_TICKET,
    SalesRefusal.ALREADY_CANCELLED,
    SalesRefusal.HOLD_EXPIRED,
    SalesRefusal.TICKET_USED,
)
_OWN_CANCELLING: Final = (*_CANCELLING, SalesRefusal.TICKET_PASSED_ON)
_RETURNING: Final = (
    SalesRefusal.BOOKING_NOT_FOUND,
    SalesRefusal.UNKNOWN_TICKET,
    SalesRefusal.ALREADY_CANCELLED,
    SalesRefusal.TICKET_USED,
    SalesRefusal.NOT_RETURNABLE,
    SalesRefusal.TICKET_PASSED_ON,
)


class TicketRefundView(msgspec.Struct, frozen=True):
    """What a ticket costs, and how much of it cancelling now would refund."""

    ticket_id: str
    total: Money
    refund: Money


class RefundDeadlineView(msgspec.Struct, frozen=True):
    """The share of the paid amount that is refunded until a deadline; 10000 basis points are all of it."""

    until: datetime
    basis_points: int


class CancellationQuoteView(msgspec.Struct, frozen=True):
    """The refund that cancelling now would cause.

    `refund` counts money paid online only; money paid at the door is paid back there. `window` is the
    refund window that applies now, null when nothing is refunded any more. `windows` are all of them.
    `fee_kept`: the fee is never refunded. Deadlines are counted from the start of the event, or from an
    earlier date of it that the buyer was promised, whichever is better for the buyer. Until
    `give_back_until`, everything is refunded, because the event got another time or place; null when it did
    not.
    """

    booking_id: str
    refund: Money
    tickets: list[TicketRefundView]
    cancellable_until: datetime
    window: RefundDeadlineView | None
    windows: list[RefundDeadlineView]
    fee_kept: bool
    give_back_until: datetime | None


class BookingCancellationPreviewView(msgspec.Struct, frozen=True):
    """What an organizer would do by cancelling a booking, or some of its tickets, now.

    `ticket_ids` would be void; `whole`: the booking would be cancelled with them. `to_refund` would be paid
    back through the gateway: all that was captured for these tickets and not paid back yet, which is
    `refunded` for the booking as a whole. `at_door` was or is to be paid at the door; Evently pays none of it
    back. The ledger takes it back, too, unless the cancellation has `keep_door_money`.
    """

    booking_id: str
    ticket_ids: list[str]
    whole: bool
    to_refund: Money
    refunded: Money
    at_door: Money


@get(
    "/v1/bookings/{booking_id}/cancellation-quote",
    operation_id="quoteCancellation",
    summary="Quote a cancellation",
    description=(
        "Returns the refund for cancelling the whole booking, or the named tickets, now. The time of the "
        "cancellation itself decides the refund. Add-ons that lose with these tickets what they need are "
        "among `tickets`: they are cancelled with them."
    ),
    tags=["Bookings"],
    responses=problems(*_OWN_CANCELLING, SalesRefusal.TOO_LATE_TO_CANCEL),
    **policy(SIGNED_IN),
)
async def quote_cancellation(
    request: Request,
    booking_id: FromPath[BookingId],
    ticket_ids: Annotated[
        list[TicketId] | None,
        QueryParameter(max_length=UNITS_MAX, description="Tickets of the booking. Default: all tickets."),
    ] = None,
) -> Response[CancellationQuoteView]:
    """Return the refund that cancelling a booking of the caller would cause."""
    context = request.context
    chosen = tuple(ticket_ids) if ticket_ids else None
    quote = await sales.reads.find_cancellation_quote(
        context.database, booking_id, request.actor.id, chosen, context.clock()
    )
    return Response(_show_quote(quote, context.clock()), headers=NO_STORE)


@post(
    "/v1/bookings/{booking_id}/cancel",
    operation_id="cancelBooking",
    summary="Cancel a booking",
    description=(
        "Cancels the whole booking, or the named tickets. A confirmed booking can be cancelled until the "
        "event starts, or until an earlier deadline that the organizer sets. A hold is released. Tickets "
        "that another person holds now cannot be cancelled: name the others. Add-ons that lose what they "
        "need are cancelled with the tickets that are named."
    ),
    tags=["Bookings"],
    status_code=200,
    responses=problems(*_OWN_CANCELLING, SalesRefusal.TOO_LATE_TO_CANCEL, SalesRefusal.KEY_REUSED),
    **policy(SIGNED_IN, rate="bookings"),
)
async def cancel_booking(
    request: Request,
    booking_id: FromPath[BookingId],
    data: JSONBody[CancelBody],
    idempotency_key: IdempotencyKey = None,
) -> Response[BookingView]:
    """Cancel a booking of the caller."""
    where = await sales.reads.locate_booking(request.context.database, booking_id)
    command = _cancel_command(request, where.event_id, booking_id, data, idempotency_key)
    own = msgspec.structs.replace(command, buyer_id=request.actor.id, event_starts_at=where.event_starts_at)
    return answer_booking(request, await request.context.engine.submit(own))


@post(
    "/v1/events/{event_id}/bookings/{booking_id}/cancel",
    operation_id="cancelEventBooking",
    summary="Cancel a booking of an event",
    description=(
        "For the organizer, at any time. Everything paid online for the cancelled tickets is refunded. What "
        "was paid at the door is taken out of the ledger, because the organizer pays it back on site, unless "
        "`keep_door_money` is true. The buyer reads the `reason`. See "
        "`GET /v1/events/{event_id}/bookings/{booking_id}/cancellation-preview`."
    ),
    tags=["Organizer: bookings"],
    status_code=200,
    responses=problems(*_CANCELLING, SalesRefusal.EVENT_CANCELLED, SalesRefusal.KEY_REUSED),
    **policy(organizer("manager", "bookings:write")),
)
async def cancel_event_booking(
    request: Request,
    event_id: FromPath[EventId],
    booking_id: FromPath[BookingId],
    data: JSONBody[CancelEventBookingBody],
    idempotency_key: IdempotencyKey = None,
) -> Response[BookingView]:
    """Cancel a booking of the organizer's event."""
    tickets = CancelBody(data.ticket_ids)
    command = _cancel_command(request, event_id, booking_id, tickets, idempotency_key)
    if data.keep_door_money or data.reason is not None:
        refuse_wrong(data)
        command = msgspec.structs.replace(
            command,
            keeps_door=data.keep_door_money,
            reason=data.reason or "",
            fingerprint=fingerprint_of("cancel", booking_id, data),
        )
    return answer_booking(request, await request.context.engine.submit(command), with_codes=False)


@get(
    "/v1/events/{event_id}/bookings/{booking_id}/cancellation-preview",
    operation_id="previewBookingCancellation",
    summary="Preview the cancellation of a booking",
    description=(
        "What cancelling the whole booking, or the named tickets, as its organizer would do now; it changes "
        "nothing. Refused as the cancellation would be."
    ),
    tags=["Organizer: bookings"],
    responses=problems(*_CANCELLING),
    **policy(organizer("manager", "bookings:read")),
)
async def preview_booking_cancellation(
    request: Request,
    event_id: FromPath[EventId],
    booking_id: FromPath[BookingId],
    ticket_ids: Annotated[
        list[TicketId] | None,
        QueryParameter(max_length=UNITS_MAX, description="Tickets of the booking. Default: all tickets."),
    ] = None,
) -> Response[BookingCancellationPreviewView]:
    """Return what cancelling a booking of the organizer's event would do."""
    context, chosen = request.context, tuple(ticket_ids) if ticket_ids else None
    preview = await sales.reads.preview_cancellation(
        context.database, event_id, booking_id, chosen, context.clock()
    )
    booking = preview.booking
    view = BookingCancellationPreviewView(
        show_id("bkg", booking_id),
        [show_id("tkt", ticket_id) for ticket_id in preview.ticket_ids],
        len(preview.ticket_ids) == sum([ticket.state != "void" for ticket in booking.tickets]),
        Money(preview.refund_minor, booking.currency),
        Money(booking.refunded_minor + booking.outside_minor, booking.currency),
        Money(preview.at_door_minor, booking.currency),
    )
    return Response(view, headers=NO_STORE)


@post(
    "/v1/bookings/{booking_id}/return",
    operation_id="returnTickets",
    summary="Return tickets to the waitlist",
    description=(
        "Offers tickets of a sold-out ticket type to the waitlist. The caller keeps the tickets, and they "
        "stay valid, until another buyer takes them; then they are cancelled and refunded. If nobody takes "
        "them, nothing changes."
    ),
    tags=["Bookings"],
    status_code=200,
    responses=problems(
        *_RETURNING,
        SalesRefusal.NOT_SOLD_OUT,
        SalesRefusal.SALE_ENDED,
        SalesRefusal.NOT_ON_SALE_YET,
        SalesRefusal.EVENT_CANCELLED,
    ),
    **policy(SIGNED_IN, rate="bookings"),
)
async def return_tickets(
    request: Request, booking_id: FromPath[BookingId], data: JSONBody[TicketIdsBody]
) -> Response[BookingView]:
    """Offer tickets of the caller to the waitlist."""
    return await _submit_for_tickets(request, ReturnTickets, booking_id, data)


@post(
    "/v1/bookings/{booking_id}/keep",
    operation_id="keepTickets",
    summary="Keep returned tickets",
    description="Withdraws the return of tickets. Refused while one of them is offered to another buyer.",
    tags=["Bookings"],
    status_code=200,
    responses=problems(*_RETURNING),
    **policy(SIGNED_IN, rate="bookings"),
)
async def keep_tickets(
    request: Request, booking_id: FromPath[BookingId], data: JSONBody[TicketIdsBody]
) -> Response[BookingView]:
    """Withdraw the return of tickets of the caller."""
    return await _submit_for_tickets(request, KeepTickets, booking_id, data)


async def _submit_for_tickets(
    request: Request,
    command_type: type[ReturnTickets | KeepTickets],
    booking_id: UUID,
    data: TicketIdsBody,
) -> Response[BookingView]:
    where = await sales.reads.locate_booking(request.context.database, booking_id)
    command = command_type(where.event_id, booking_id, request.actor.id, tuple(data.ticket_ids))
    return answer_booking(request, await request.context.engine.submit(command))


def _cancel_command(
    request: Request, event_id: UUID, booking_id: UUID, data: CancelBody, idempotency_key: str | None
) -> CancelBooking:
    return CancelBooking(
        event_id,
        booking_id,
        request.actor.id,
        None,
        None if data.ticket_ids is None else tuple(data.ticket_ids),
        key=key_of(idempotency_key),
        fingerprint=fingerprint_of("cancel", booking_id, data),
    )


def _show_quote(quote: sales.reads.CancellationQuote, now: datetime) -> CancellationQuoteView:
    currency, conditions, promise = quote.booking.currency, quote.conditions, quote.promise
    window = sales.reads.window_at(conditions, promise.starts_at, now)
    return CancellationQuoteView(
        show_id("bkg", quote.booking.booking_id),
        Money(sum(each.refund_minor for each in quote.tickets), currency),
        [
            TicketRefundView(
                show_id("tkt", each.ticket_id),
                Money(each.total_minor, currency),
                Money(each.refund_minor, currency),
            )
            for each in quote.tickets
        ],
        sales.reads.cancellable_until(quote.booking, conditions, promise),
        None if window is None else _show_window(window, promise),
        [_show_window(each, promise) for each in conditions.refund_windows],
        conditions.fee_kept,
        promise.give_back_until,
    )


def _show_window(window: sales.terms.RefundWindow, promise: sales.reads.Promise) -> RefundDeadlineView:
    until = min(window.ends_at(promise.starts_at), promise.begins_at)
    return RefundDeadlineView(until, window.basis_points)


routes: Final = [
    quote_cancellation,
    cancel_booking,
    cancel_event_booking,
    preview_booking_cancellation,
    return_tickets,
    keep_tickets,
]
