"""The export of an event's bookings: CSV (RFC 4180), in constant memory.

No cell of it can run as a formula in a spreadsheet.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Final, TypeAlias

from evently.analytics.export import ExportedBooking, export_bookings
from evently.kit.ids import EventId, reference_of, show_id
from evently.kit.money import exponent_of
from evently.web.cells import BYTE_ORDER_MARK, CSV, cell, encode_rows
from evently.web.edge.auth import organizer, policy
from evently.web.edge.context import Response
from evently.web.edge.downloads import Download
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, QueryParameter, get
from evently.web.services import Request

_COLUMNS: Final = (
    "reference",
    "booking_id",
    "state",
    "buyer_name",
    "buyer_email",
    "tickets",
    "amount",
    "currency",
    "paid",
    "refunded",
    "placed_at",
    "confirmed_at",
    "ended_at",
    "fee",
    "tax",
    "fee_tax",
)
_ERASED: Final = "(erased)"

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
    lists = export_bookings(request.context.database, event_id)
    parts = csv_of_bookings(lists, BYTE_ORDER_MARK if byte_order_mark else b"")
    file = await request.context.downloads.write(parts, request.organizer_id, request.receive)
    request.exchange.leave_slot()
    return Download(
        file,
        filename=f"bookings-{show_id('evt', event_id)}.csv",
        media_type=CSV,
    )


async def csv_of_bookings(
    lists: AsyncGenerator[list[ExportedBooking], None], mark: bytes = b""
) -> AsyncGenerator[bytes, None]:
    """Yield bookings as CSV after a byte order mark; the first line has the names of the columns."""
    head: list[Sequence[str | int]] = [_COLUMNS]
    async with aclosing(lists):
        async for bookings in lists:
            yield mark + encode_rows([*head, *map(_row, bookings)])
            head, mark = [], b""
    if head:
        yield mark + encode_rows(head)


def _row(booking: ExportedBooking) -> tuple[str | int, ...]:
    return (
        reference_of(booking.booking_id),
        show_id("bkg", booking.booking_id),
        booking.state,
        _ERASED if booking.erased else cell(booking.buyer_name),
        _ERASED if booking.erased else cell(booking.buyer_email),
        booking.tickets,
        decimal(booking.amount_minor, booking.currency),
        booking.currency,
        decimal(booking.paid_minor, booking.currency),
        decimal(booking.refunded_minor, booking.currency),
        instant(booking.placed_at),
        instant(booking.confirmed_at),
        instant(booking.ended_at),
        decimal(booking.fee_minor, booking.currency),
        decimal(booking.tax_minor, booking.currency),
        decimal(booking.fee_tax_minor, booking.currency),
    )


def decimal(amount_minor: int, currency: str) -> str:
    """Return an amount as a decimal number, such as `50.00`."""
    exponent = exponent_of(currency)
    return (
        f"{amount_minor // 10**exponent}.{amount_minor % 10**exponent:0{exponent}d}"
        if exponent
        else str(amount_minor)
    )


def instant(at: datetime | None) -> str:
    """Return an instant in UTC, to the second."""
    return "" if at is None else at.isoformat(timespec="seconds").replace("+00:00", "Z")


routes: Final = [export_event_bookings]
