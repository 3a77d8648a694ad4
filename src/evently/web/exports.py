"""The exports of an event: its bookings, and its attendees with their answers, as CSV (RFC 4180).

In constant memory, for the API and for the pages of the desk. No cell can run as a formula in a spreadsheet.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Final
from uuid import UUID

from evently import attendees, questions
from evently.analytics.export import ExportedBooking, export_bookings
from evently.attendees import Attendee
from evently.db import Database
from evently.kit.ids import reference_of, show_id
from evently.kit.money import exponent_of
from evently.questions import GivenAnswer, Question
from evently.web.cells import BYTE_ORDER_MARK, CSV, cell, encode_rows
from evently.web.edge.context import Response
from evently.web.edge.downloads import Download
from evently.web.services import Request

_BOOKING_COLUMNS: Final = (
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
_ATTENDEE_COLUMNS: Final = (
    "reference",
    "booking_id",
    "ticket_id",
    "ticket_type",
    "seat",
    "state",
    "attendee_name",
    "buyer_name",
)
_ERASED: Final = "(erased)"


async def send_bookings(request: Request, event_id: UUID, mark: bytes = BYTE_ORDER_MARK) -> Response[bytes]:
    """Write the bookings of an event as CSV after a byte order mark; then send it, without the database."""
    parts = csv_of_bookings(export_bookings(request.context.database, event_id), mark)
    return await _send(request, parts, f"bookings-{show_id('evt', event_id)}.csv")


async def send_attendees(request: Request, event_id: UUID, mark: bytes = BYTE_ORDER_MARK) -> Response[bytes]:
    """Do the same with the attendees of an event. Each question has a column."""
    database = request.context.database
    asked = await questions.list_questions(database, event_id)
    lists = attendees.export_attendees(database, event_id)
    parts = _csv_of_attendees(database, event_id, asked, lists, mark)
    return await _send(request, parts, f"attendees-{show_id('evt', event_id)}.csv")


async def _send(request: Request, parts: AsyncGenerator[bytes, None], filename: str) -> Response[bytes]:
    file = await request.context.downloads.write(parts, request.organizer_id, request.receive)
    request.exchange.leave_slot()
    return Download(file, filename=filename, media_type=CSV)


async def csv_of_bookings(
    lists: AsyncGenerator[list[ExportedBooking], None], mark: bytes = b""
) -> AsyncGenerator[bytes, None]:
    """Yield bookings as CSV after a byte order mark; the first line has the names of the columns."""
    head: list[Sequence[str | int]] = [_BOOKING_COLUMNS]
    async with aclosing(lists):
        async for bookings in lists:
            yield mark + encode_rows([*head, *map(_booking_row, bookings)])
            head, mark = [], b""
    if head:
        yield mark + encode_rows(head)


def _booking_row(booking: ExportedBooking) -> tuple[str | int, ...]:
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


async def _csv_of_attendees(
    database: Database,
    event_id: UUID,
    asked: Sequence[Question],
    lists: AsyncGenerator[list[Attendee], None],
    mark: bytes,
) -> AsyncGenerator[bytes, None]:
    yield mark + encode_rows([(*_ATTENDEE_COLUMNS, *[cell(each.label) for each in asked])])
    async with aclosing(lists):
        async for found in lists:
            given = await _answers_about(database, event_id, found) if asked else {}
            yield encode_rows([_attendee_row(each, asked, given) for each in found])


async def _answers_about(
    database: Database, event_id: UUID, found: Sequence[Attendee]
) -> Mapping[tuple[UUID, UUID], GivenAnswer]:
    """Return the answers about these tickets and their bookings, by question and by ticket or booking."""
    subjects = [each.ticket_id for each in found] + [each.booking_id for each in found]
    given = await questions.list_given(database, event_id, subjects)
    return {(each.question_id, each.ticket_id or each.booking_id): each for each in given}


def _attendee_row(
    attendee: Attendee, asked: Sequence[Question], given: Mapping[tuple[UUID, UUID], GivenAnswer]
) -> Sequence[str]:
    return (
        reference_of(attendee.booking_id),
        show_id("bkg", attendee.booking_id),
        show_id("tkt", attendee.ticket_id),
        cell(attendee.type_name),
        cell(attendee.seat_label),
        attendee.state,
        cell(attendee.name),
        cell(attendee.buyer_name),
        *[cell(_words_of(given.get((each.question_id, _subject_of(each, attendee))))) for each in asked],
    )


def _subject_of(question: Question, attendee: Attendee) -> UUID:
    return attendee.ticket_id if question.asked_per == "ticket" else attendee.booking_id


def _words_of(given: GivenAnswer | None) -> str | None:
    if given is None:
        return None
    return (
        f"{given.answer} (to an earlier wording)"
        if given.kind == "consent" and given.reworded
        else given.answer
    )
