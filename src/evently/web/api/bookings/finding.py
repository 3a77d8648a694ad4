"""Find bookings by what a caller says."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from evently import finding
from evently.kit.ids import EventId, OrganizerId, reference_of, show_id
from evently.kit.money import Money
from evently.sales.states import BookingPayment, BookingState
from evently.web.edge.auth import organizer, policy
from evently.web.edge.context import Response
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, QueryParameter, get
from evently.web.services import Request

_COMMON: Final[dict[str, Any]] = {
    "tags": ["Organizer: bookings"],
    "responses": problems(),
    **policy(organizer("manager", "bookings:read")),
}
Typed: TypeAlias = Annotated[
    str,
    QueryParameter(
        max_length=finding.TYPED_CHARACTERS_MAX,
        description="A name, an address, a reference, a name on a ticket, a seat, or a card's last digits.",
    ),
]


class FoundBookingView(msgspec.Struct, frozen=True):
    """A booking in a list. `total` is what its tickets cost that are not void; `tickets` counts them.

    `buyer_name` and `buyer_email` are null when the account of the buyer was closed.
    """

    id: Annotated[str, msgspec.Meta(examples=["bkg_01m7y4ef72ev2sxmcnxfse27zp"])]
    reference: Annotated[str, msgspec.Meta(examples=["SE27-ZP4W"])]
    event_id: Annotated[str, msgspec.Meta(examples=["evt_01m7y4ef72ev2sxmcnxfse27zp"])]
    state: BookingState
    placed_at: datetime
    buyer_name: Annotated[str | None, msgspec.Meta(examples=["Ada Lovelace"])]
    buyer_email: Annotated[str | None, msgspec.Meta(examples=["ada@evently.example"])]
    tickets: int
    seats: list[Annotated[str, msgspec.Meta(examples=["Stalls, row C, seat 12"])]]
    total: Money
    payment: BookingPayment


@get(
    "/v1/events/{event_id}/booking-search",
    operation_id="findEventBookings",
    summary="Find bookings of an event",
    description=(
        "Returns the bookings that match every word, newest first: names and e-mail addresses of buyers, "
        "of people to whom tickets were passed on, and names on tickets, from the beginning of a word; a "
        "seat by its section, row and number (`stalls c 12`); a reference (`7K3M-9QWE`), an id, or the last "
        "four digits of the card that paid it. Where thousands of people match, a page may be short, or "
        "empty, and still have a next one."
    ),
    **_COMMON,
)
async def find_event_bookings(
    request: Request, event_id: FromPath[EventId], q: Typed, limit: Limit = LIMIT, after: After = None
) -> Response[PageView[FoundBookingView]]:
    """Find bookings of an event."""
    found = await finding.find_bookings(request.context.database, event_id, q, limit, after)
    return paginated(request, found.page, _show)


@get(
    "/v1/organizers/{organizer_id}/booking-search",
    operation_id="findOrganizerBookings",
    summary="Find bookings of an organizer",
    description=(
        "Returns the bookings of the thousand newest events of an organizer that match every word, newest "
        "first: names and e-mail addresses of buyers and of people to whom tickets were passed on, a "
        "reference, an id, or the last four digits of a card. Words that more than 5,000 people have find "
        "no names: add another word."
    ),
    **_COMMON,
)
async def find_organizer_bookings(
    request: Request,
    organizer_id: FromPath[OrganizerId],
    q: Typed,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response[PageView[FoundBookingView]]:
    """Find bookings of an organizer's events."""
    database = request.context.database
    found = await finding.find_bookings_of_organizer(database, organizer_id, q, limit, after)
    return paginated(request, found.page, _show)


def _show(booking: finding.FoundBooking) -> FoundBookingView:
    return FoundBookingView(
        show_id("bkg", booking.booking_id),
        reference_of(booking.booking_id),
        show_id("evt", booking.event_id),
        booking.state,
        booking.placed_at,
        booking.buyer_name,
        booking.buyer_email,
        booking.tickets,
        booking.seats,
        Money(booking.total_minor, booking.currency),
        booking.payment,
    )


routes: Final = [find_event_bookings, find_organizer_bookings]
