"""Tables to download: CSV (RFC 4180) that a spreadsheet can open without harm, sent while it is being read, in constant memory."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final

from litestar.types import Receive, Scope, Send

from evently.analytics.export import BookingLine
from evently.kit.ids import reference_of, show_id
from evently.kit.money import exponent_of
from evently.web.edge.context import Response

CSV: Final = "text/csv; charset=utf-8; header=present"
EXPORT_SECONDS_MAX: Final = 600  # a reader so slow holds a snapshot of the database for too long
# A cell that begins like this is run as a formula by spreadsheets (OWASP, CSV injection), in their full-width
# forms by some.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
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
)
_ERASED: Final = "(erased)"


class Download(Response[bytes]):
    """An answer that is sent part by part, as a file.

    Ends early when nobody listens any more; breaks off after EXPORT_SECONDS_MAX.
    """

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
        left = asyncio.ensure_future(_until_left(receive))
        try:
            async with asyncio.timeout(EXPORT_SECONDS_MAX), aclosing(self._parts) as parts:  # type: ignore[type-var]  # they are generators
                await self._send(parts, left, send)
        finally:
            left.cancel()

    async def _send(self, parts: AsyncIterator[bytes], left: asyncio.Future[None], send: Send) -> None:
        part = await anext(parts, b"")  # whatever refuses does so before the answer has begun
        start: Any = {
            "type": "http.response.start",
            "status": 200,
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in self.headers.items()],
        }
        await send(start)
        while part and not left.done():
            await send({"type": "http.response.body", "body": part, "more_body": True})
            part = await anext(parts, b"")
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def csv_of_bookings(lists: AsyncIterator[list[BookingLine]]) -> AsyncIterator[bytes]:
    """Yield bookings as CSV, the names of the columns first."""
    head: list[Sequence[str | int]] = [_COLUMNS]
    async for bookings in lists:
        yield _lines([*head, *map(_row, bookings)])
        head = []
    if head:
        yield _lines(head)


def _row(booking: BookingLine) -> tuple[str | int, ...]:
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
    )


def cell(text: str | None) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    if not text:
        return ""
    return f"'{text}" if text.startswith(_FORMULA) else text


def decimal(amount_minor: int, currency: str) -> str:
    """Return an amount as a plain decimal number, `50.00`."""
    exponent = exponent_of(currency)
    return (
        f"{amount_minor // 10**exponent}.{amount_minor % 10**exponent:0{exponent}d}"
        if exponent
        else str(amount_minor)
    )


def instant(at: datetime | None) -> str:
    """Return an instant to the second, in UTC."""
    return "" if at is None else at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _lines(rows: Iterable[Sequence[str | int]]) -> bytes:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue().encode()


async def _until_left(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
