"""The attendees of an event, for its organizer: its tickets with the names on them, as a list and as CSV."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from evently import attendees
from evently.attendees import Attendee
from evently.kit.ids import EventId, reference_of, show_id
from evently.sales.states import TicketState
from evently.web.api.analytics.exports import ByteOrderMark
from evently.web.api.tickets.views import AttendeeName
from evently.web.cells import BYTE_ORDER_MARK
from evently.web.edge.auth import organizer, policy
from evently.web.edge.context import Response
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, QueryParameter, get
from evently.web.exports import send_attendees
from evently.web.services import Request

_TAG: Final = "Organizer: bookings"


class AttendeeView(msgspec.Struct, frozen=True):
    """A ticket and the name on it. `attendee_name` is null when none was given.

    `buyer_name` is null when the account of the buyer was closed.
    """

    ticket_id: str
    booking_id: str
    reference: str
    ticket_type_id: str
    ticket_type_name: str
    seat_label: str | None
    state: TicketState
    attendee_name: AttendeeName | None
    buyer_name: Annotated[str | None, msgspec.Meta(examples=["Ada Lovelace"])]


@get(
    "/v1/events/{event_id}/attendees",
    operation_id="listAttendees",
    summary="List the attendees of an event",
    tags=[_TAG],
    responses=problems(),
    **policy(organizer("door", "bookings:read")),
)
async def list_attendees(
    request: Request,
    event_id: FromPath[EventId],
    *,
    named: Annotated[
        bool | None,
        QueryParameter(description="Return only tickets with a name (true), or only those without (false)."),
    ] = None,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response[PageView[AttendeeView]]:
    """List the tickets of confirmed bookings with the names on them, the oldest first, without void ones."""
    page = await attendees.list_attendees(request.context.database, event_id, limit, after, named=named)
    return paginated(request, page, _show)


@get(
    "/v1/events/{event_id}/attendees.csv",
    operation_id="exportAttendees",
    summary="Export the attendees of an event",
    description=(
        "Returns a CSV file of the tickets of confirmed bookings at one instant, without void ones, the "
        "oldest first: in UTF-8, and escaped for spreadsheets as `exportBookings` does. Each question to "
        "buyers has a column, also after it was retired."
    ),
    tags=[_TAG],
    media_type="text/csv",
    responses=problems(),
    **policy(organizer("manager", "bookings:read"), rate="heavy"),
)
async def export_attendees(
    request: Request, event_id: FromPath[EventId], *, byte_order_mark: ByteOrderMark = True
) -> Response[bytes]:
    """Write the attendees of an event as CSV; then send the file, without the database."""
    return await send_attendees(request, event_id, BYTE_ORDER_MARK if byte_order_mark else b"")


def _show(attendee: Attendee) -> AttendeeView:
    return AttendeeView(
        ticket_id=show_id("tkt", attendee.ticket_id),
        booking_id=show_id("bkg", attendee.booking_id),
        reference=reference_of(attendee.booking_id),
        ticket_type_id=show_id("tty", attendee.ticket_type_id),
        ticket_type_name=attendee.type_name,
        seat_label=attendee.seat_label,
        state=attendee.state,
        attendee_name=attendee.name,
        buyer_name=attendee.buyer_name,
    )


routes: Final = [list_attendees, export_attendees]
