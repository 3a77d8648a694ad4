"""Get and list bookings: those of the caller, and those of an organizer's event."""

from __future__ import annotations

from typing import Annotated, Final

from evently import sales
from evently.kit.errors import Refused
from evently.kit.ids import BookingId, EventId
from evently.sales.nouns import Booking
from evently.sales.outcomes import SalesRefusal
from evently.web.api.bookings.views import (
    BookingDetailsView,
    BookingView,
    show_booking,
    show_booking_details,
    show_booking_without_codes,
    without_codes,
)
from evently.web.edge.auth import SIGNED_IN, organizer, policy
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, QueryParameter, get
from evently.web.services import Request


@get(
    "/v1/bookings/{booking_id}",
    operation_id="getBooking",
    summary="Get a booking",
    tags=["Bookings"],
    responses=problems(SalesRefusal.BOOKING_NOT_FOUND),
    **policy(SIGNED_IN),
)
async def get_booking(request: Request, booking_id: FromPath[BookingId]) -> Response[BookingDetailsView]:
    """Return a booking of the caller, with its refunds and its latest payment."""
    booking = await request.context.bookings.get(booking_id)
    if booking.buyer_id != request.actor.id:
        raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
    return await _show_details(request, booking)


@get(
    "/v1/events/{event_id}/bookings/{booking_id}",
    operation_id="getEventBooking",
    summary="Get a booking of an event",
    tags=["Organizer: bookings"],
    responses=problems(SalesRefusal.BOOKING_NOT_FOUND),
    **policy(organizer("door", "bookings:read")),
)
async def get_event_booking(
    request: Request, event_id: FromPath[EventId], booking_id: FromPath[BookingId]
) -> Response[BookingDetailsView]:
    """Return a booking of the organizer's event, with its refunds and its latest payment."""
    booking = await request.context.bookings.get(booking_id)
    if booking.event_id != event_id:
        raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
    shown = await _show_details(request, booking)
    shown.content = without_codes(shown.content)
    return shown


@get(
    "/v1/me/bookings",
    operation_id="listMyBookings",
    summary="List my bookings",
    tags=["Bookings"],
    responses=problems(),
    **policy(SIGNED_IN),
)
async def list_my_bookings(
    request: Request,
    kind: Annotated[
        str,
        QueryParameter(
            pattern="^(upcoming|past|cancelled|all)$",
            description="Return only these bookings: upcoming, past, cancelled (or expired), or all.",
        ),
    ] = "all",
    limit: Limit = LIMIT,
    after: After = None,
) -> Response[PageView[BookingView]]:
    """List the bookings of the caller, newest first.

    A booking is past when its event has ended. Cancelled and expired bookings are neither upcoming nor past.
    """
    context = request.context
    page = await sales.reads.list_bookings_of_buyer(
        context.database, request.actor.id, kind, context.clock(), limit, after
    )
    return paginated(request, page, show_booking)


@get(
    "/v1/events/{event_id}/bookings",
    operation_id="listEventBookings",
    summary="List the bookings of an event",
    tags=["Organizer: bookings"],
    responses=problems(),
    **policy(organizer("door", "bookings:read")),
)
async def list_event_bookings(
    request: Request,
    event_id: FromPath[EventId],
    in_state: Annotated[
        str | None,
        QueryParameter(
            name="state",
            pattern="^(held|confirmed|expired|cancelled)$",
            description="Return only bookings in this state: held, confirmed, expired or cancelled.",
        ),
    ] = None,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response[PageView[BookingView]]:
    """List the bookings of an event for its organizer, newest first."""
    database = request.context.database
    page = await sales.reads.list_bookings_of_event(database, event_id, in_state, limit, after)
    return paginated(request, page, show_booking_without_codes)


async def _show_details(request: Request, booking: Booking) -> Response[BookingDetailsView]:
    database = request.context.database
    refunds = (
        await sales.reads.list_refunds(database, booking.event_id, booking.booking_id)
        if booking.refunded_minor
        else []
    )
    paid_online = booking.payment == "online"
    payment = await request.context.checkout.find_latest_payment(booking.booking_id) if paid_online else None
    return Response(show_booking_details(booking, refunds, payment), headers=NO_STORE)


routes: Final = [get_booking, get_event_booking, list_my_bookings, list_event_bookings]
