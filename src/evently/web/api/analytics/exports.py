"""The export of an event's bookings: CSV (RFC 4180), in constant memory.

No cell of it can run as a formula in a spreadsheet.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from evently.kit.ids import EventId
from evently.web.cells import BYTE_ORDER_MARK
from evently.web.edge.auth import organizer, policy
from evently.web.edge.context import Response
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, QueryParameter, get
from evently.web.exports import send_bookings
from evently.web.services import Request

ByteOrderMark: TypeAlias = Annotated[
    bool,
    QueryParameter(
        description="false: leave out the byte order mark, by which spreadsheets recognise UTF-8."
    ),
]


@get(
    "/v1/events/{event_id}/bookings.csv",
    operation_id="exportBookings",
    summary="Export the bookings of an event",
    description=(
        "Returns a CSV file of all bookings at one instant, oldest first, in UTF-8 with a byte order mark. "
        "The answer begins when the file is complete. "
        "What a spreadsheet would run as a formula follows an apostrophe, also after a semicolon or a "
        "tabulator, at which some spreadsheets begin a cell."
    ),
    tags=["Organizer: analytics"],
    media_type="text/csv",
    responses=problems(),
    **policy(organizer("manager", "bookings:read"), rate="heavy"),
)
async def export_event_bookings(
    request: Request, event_id: FromPath[EventId], *, byte_order_mark: ByteOrderMark = True
) -> Response[bytes]:
    """Write the bookings of an event as CSV; then send the file, without the database."""
    return await send_bookings(request, event_id, BYTE_ORDER_MARK if byte_order_mark else b"")


routes: Final = [export_event_bookings]
