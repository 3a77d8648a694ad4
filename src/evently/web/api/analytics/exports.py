"""The export of an event's bookings: CSV (RFC 4180), streamed from the database in constant memory.

No cell of it can run as a formula in a spreadsheet.
"""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any, Final, TypeAlias

from evently.analytics.export import ExportedBooking, export_bookings
from evently.kit.ids import EventId, reference_of, show_id
from evently.kit.money import exponent_of
from evently.kit.visible import is_visible
from evently.web.edge.asgi import Receive, Scope, Send
from evently.web.edge.auth import organizer, policy
from evently.web.edge.context import Response
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, QueryParameter, get
from evently.web.services import Request

CSV: Final = "text/csv; charset=utf-8; header=present"
EXPORT_SECONDS_MAX: Final = 600  # a slower reader would keep a snapshot of the database open for too long
# By this, spreadsheets recognise UTF-8; without it, Excel reads `ZoÃ«` for `Zoë`
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
# Spreadsheets run a cell that begins with one of these characters as a formula (OWASP, CSV injection); some
# do so for the full-width and small forms too.
_FORMULA: Final = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212"
_IS_FORMULA: Final = re.compile(f"[{_FORMULA}]").match
# Between two cells: what depends on the spreadsheet's language, and line breaks
_SEPARATORS: Final = frozenset(",;|\t\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
# Any other text is harmless: in names and e-mails, these characters follow a letter
_SUSPECT: Final = re.compile(f"(?:^|[^0-9A-Za-z.])[{_FORMULA}]")
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
    """Stream the bookings of an event as CSV."""
    lists = export_bookings(request.context.database, event_id)
    return Download(
        csv_of_bookings(lists, _BYTE_ORDER_MARK if byte_order_mark else b""),
        filename=f"bookings-{show_id('evt', event_id)}.csv",
        media_type=CSV,
    )


class Download(Response[bytes]):
    """A streamed file. It ends when the client disconnects, and aborts after EXPORT_SECONDS_MAX."""

    def __init__(self, parts: AsyncIterator[bytes], *, filename: str, media_type: str) -> None:
        headers = {
            "content-disposition": f'attachment; filename="{filename}"',
            "cache-control": "no-store",
            "content-type": media_type,
        }
        super().__init__(b"", status_code=200, headers=headers)
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI, by name
        """Send the parts."""
        disconnected = asyncio.ensure_future(_wait_for_disconnect(receive))
        try:
            # The parts come from an asynchronous generator, which has `aclose`.
            async with asyncio.timeout(EXPORT_SECONDS_MAX), aclosing(self._parts) as parts:  # type: ignore[type-var]
                await self._send(parts, disconnected, send)
        finally:
            disconnected.cancel()

    async def _send(
        self, parts: AsyncIterator[bytes], disconnected: asyncio.Future[None], send: Send
    ) -> None:
        # Read the first part before the response starts, so that a refusal can still be answered as a
        # problem.
        part = await anext(parts, b"")
        start: Any = {
            "type": "http.response.start",
            "status": 200,
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in self.headers.items()],
        }
        await send(start)
        while part and not disconnected.done():
            await send({"type": "http.response.body", "body": part, "more_body": True})
            part = await anext(parts, b"")
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def csv_of_bookings(
    lists: AsyncIterator[list[ExportedBooking]], mark: bytes = b""
) -> AsyncIterator[bytes]:
    """Yield bookings as CSV after a byte order mark; the first line has the names of the columns."""
    head: list[Sequence[str | int]] = [_COLUMNS]
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


def cell(text: str | None) -> str:
    """Return the text of a cell, escaped so that no spreadsheet runs it, or a part of it, as a formula.

    A cell begins at the start and after every separator. Spreadsheets skip quotes, spaces and characters that
    cannot be seen before it.
    """
    if not text or not _SUSPECT.search(text):
        return text or ""
    escaped, begins = "", True
    for character in text:
        escaped += f"'{character}" if begins and _IS_FORMULA(character) else character
        begins = character in _SEPARATORS or (begins and (character == '"' or not is_visible(character)))
    return escaped


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


def encode_rows(rows: Iterable[Sequence[str | int]]) -> bytes:
    """Return rows as lines of CSV."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue().encode()


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


routes: Final = [export_event_bookings]
