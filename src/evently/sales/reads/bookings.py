"""Reads bookings: one, a buyer's, an event's; with their refunds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from evently.db import Connection, Database, Record, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import Refused
from evently.kit.together import Together
from evently.sales import loading
from evently.sales.nouns import Booking, Ticket
from evently.sales.outcomes import SalesRefusal
from evently.sales.rules.state import Refund
from evently.sales.terms import Conditions, Rescheduling

sql: Final = load_queries(__name__)

TICKETS_AHEAD_MAX: Final = 100  # bookings that a refusal names
# In a row of `read_bookings`, after the currency and the address
_FIRST_OF_TICKET: Final = 2 + len(sql.columns["booking"])
KINDS: Final = ("upcoming", "past", "cancelled", "all")  # of a buyer's bookings


class BookingOwner(msgspec.Struct, frozen=True):
    """Where a booking belongs, and what its cancellation depends on."""

    event_id: UUID
    buyer_id: UUID
    event_starts_at: datetime


class SeenBooking(NamedTuple):
    """A booking, and to which addresses tickets of it are offered now, by ticket."""

    booking: Booking
    offered_to: dict[UUID, str]


class Bookings:
    """Reads bookings by their ids. Those that are asked for at the same moment share one statement.

    It begins after each of them was asked for, so none is older than its request.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._together = Together(self._read)

    async def get(self, booking_id: UUID) -> Booking:
        """Return a booking with its tickets, or refuse an unknown one."""
        return (await self.get_with_offers(booking_id)).booking

    async def get_with_offers(self, booking_id: UUID) -> SeenBooking:
        """Return a booking with what is offered of it, or refuse an unknown one."""
        return _found(await self._together.add(booking_id))

    async def _read(self, booking_ids: Sequence[UUID]) -> list[SeenBooking | None]:
        found = await _read(self._database, booking_ids)
        return [found.get(booking_id) for booking_id in booking_ids]


async def get_booking(database: Database, booking_id: UUID) -> Booking:
    """Return a booking with its tickets, or refuse an unknown one."""
    return _found((await _read(database, [booking_id])).get(booking_id)).booking


async def get_bookings(database: Database | Connection, booking_ids: Collection[UUID]) -> dict[UUID, Booking]:
    """Return bookings with their tickets, by id; unknown ones are left out."""
    return {key: seen.booking for key, seen in (await _read(database, booking_ids)).items()}


async def locate_booking(database: Database, booking_id: UUID) -> BookingOwner:
    """Return where a booking belongs, or refuse an unknown one."""
    row = await database.fetch_row(*sql.locate_booking(booking_id=booking_id))
    if row is None:
        raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
    return BookingOwner(row["event_id"], row["buyer_id"], row["starts_at"])


async def list_type_names(connection: Connection, event_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the names of the ticket types of some events, retired ones included."""
    rows = await connection.fetch(*sql.list_type_names(event_ids=event_ids))
    return {row["ticket_type_id"]: row["name"] for row in rows}


async def list_promo_texts(connection: Connection, event_id: UUID, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return promo codes of an event as buyers type them, by id, retired ones included."""
    rows = await connection.fetch(*sql.list_promo_texts(event_id=event_id, promo_ids=list(ids)))
    return {row["promo_id"]: row["code"] for row in rows}


async def list_bookings_of_buyer(
    database: Database, buyer_id: UUID, kind: str, now: datetime, limit: int, after: str | None
) -> Page[Booking]:
    """Return a page of a buyer's bookings, newest first.

    `kind` is one of `KINDS`; a booking is past when its event has ended.
    """
    async with database.snapshot() as snapshot:
        rows = await snapshot.fetch(
            *sql.list_of_buyer(buyer_id=buyer_id, kind=kind, now=now, after=_position(after), limit=limit + 1)
        )
        return await _page(snapshot, rows, limit)


async def list_held_bookings(
    database: Database, event_id: UUID, buyer_id: UUID, now: datetime, limit: int
) -> list[Booking]:
    """Return what a buyer holds at an event and has not paid, oldest first, without offers."""
    async with database.snapshot() as snapshot:
        rows = await snapshot.fetch(
            *sql.list_held_of_buyer(event_id=event_id, buyer_id=buyer_id, now=now, limit=limit)
        )
        return await _load(snapshot, rows)


async def list_bookings_of_event(
    database: Database, event_id: UUID, state: str | None, limit: int, after: str | None
) -> Page[Booking]:
    """Return a page of an event's bookings, newest first."""
    async with database.snapshot() as snapshot:
        rows = await snapshot.fetch(
            *sql.list_of_event(event_id=event_id, state=state, after=_position(after), limit=limit + 1)
        )
        return await _page(snapshot, rows, limit)


async def list_live_bookings(
    database: Database, event_id: UUID, after: UUID | None, limit: int
) -> list[UUID]:
    """Return the ids of a page of the live bookings of an event, in order."""
    return [
        row["booking_id"]
        for row in await database.fetch(*sql.list_live_of_event(event_id=event_id, after=after, limit=limit))
    ]


async def list_upcoming_with_tickets(
    tx: Connection, buyer_id: UUID, now: datetime
) -> list[tuple[Booking, datetime]]:
    """Return a person's bookings with valid tickets of events that are not over, and the starts of these."""
    rows = await tx.fetch(
        *sql.list_upcoming_with_tickets(buyer_id=buyer_id, now=now, limit=TICKETS_AHEAD_MAX)
    )
    return list(zip(await _load(tx, rows), [row["starts_at"] for row in rows], strict=True))


async def list_events_to_release(database: Database, now: datetime, limit: int) -> list[UUID]:
    """Return events of which the clock ends something: due holds and transfers, or a window."""
    return [
        row["event_id"] for row in await database.fetch(*sql.list_events_to_release(now=now, limit=limit))
    ]


async def list_refunds(database: Database, event_id: UUID, booking_id: UUID) -> list[Refund]:
    """Return the refunds of a booking, oldest first."""
    rows = await database.fetch(*sql.list_refunds(event_id=event_id, booking_id=booking_id))
    return [Refund(**row) for row in rows]


async def list_cancellation_reasons(database: Database, event_id: UUID, booking_id: UUID) -> list[str]:
    """Return why the organizer cancelled tickets of a booking, each reason once, oldest first."""
    rows = await database.fetch(*sql.list_cancellation_reasons(event_id=event_id, booking_id=booking_id))
    return list(dict.fromkeys(row["reason"] for row in rows))


async def find_cancellation_reason(database: Database, event_id: UUID, seq: int, line: int) -> str:
    """Return why the organizer cancelled what a fact of the journal tells; empty if nothing was said."""
    return (
        await database.fetch_value(*sql.find_cancellation_reason(event_id=event_id, seq=seq, line=line)) or ""
    )


async def sum_outside(database: Database, event_id: UUID, booking_id: UUID) -> int:
    """Return the sum of the refunds of a booking by another hand that are current, as far as is recorded."""
    total: int = await database.fetch_value(*sql.sum_outside(event_id=event_id, booking_id=booking_id))
    return total


async def find_conditions(
    database: Database | Connection, versions: Collection[tuple[UUID, int]]
) -> dict[tuple[UUID, int], Conditions]:
    """Return conditions by event and version."""
    event_ids, numbers = [event_id for event_id, _ in versions], [version for _, version in versions]
    rows = await database.fetch(*sql.list_conditions(event_ids=event_ids, versions=numbers))
    return {(event_id, version): loading.decode_conditions(stored) for event_id, version, stored in rows}


async def list_reschedulings(
    database: Database | Connection, event_ids: Collection[UUID]
) -> dict[UUID, list[Rescheduling]]:
    """Return the changes of the time or place of events while they were on sale, in their order, by event."""
    found: dict[UUID, list[Rescheduling]] = {event_id: [] for event_id in event_ids}
    for event_id, *rescheduling in await database.fetch(
        *loading.sql.load_reschedulings(event_ids=list(found))
    ):
        found[event_id].append(Rescheduling(*rescheduling))
    return found


async def _read(database: Database | Connection, booking_ids: Collection[UUID]) -> dict[UUID, SeenBooking]:
    """Return the bookings that exist, by id."""
    found: dict[UUID, SeenBooking] = {}
    rows = await database.fetch(*sql.read_bookings(booking_ids=list(set(booking_ids))))
    for booking_id, tickets in groupby(rows, key=itemgetter("booking_id")):
        values = [tuple(row) for row in tickets]
        currency, _, *columns = values[0][:_FIRST_OF_TICKET]
        booking = loading.make_booking(columns, currency, [Ticket(*row[_FIRST_OF_TICKET:]) for row in values])
        offered_to = {
            ticket.ticket_id: row[1]
            for ticket, row in zip(booking.tickets, values, strict=True)
            if row[1] is not None
        }
        found[booking_id] = SeenBooking(booking, offered_to)
    return found


def _found(booking: SeenBooking | None) -> SeenBooking:
    if booking is None:
        raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
    return booking


def _position(after: str | None) -> UUID | None:
    return None if after is None else read_cursor(after, tuple[UUID])[0]


async def _page(snapshot: Connection, rows: Sequence[Record], limit: int) -> Page[Booking]:
    bookings = await _load(snapshot, rows[:limit])
    return Page(bookings, write_cursor((bookings[-1].booking_id,)) if len(rows) > limit else None)


async def _load(snapshot: Connection, rows: Sequence[Record]) -> list[Booking]:
    currencies = {row["event_id"]: row["currency"] for row in rows}
    bookings = await loading.load_bookings(
        snapshot, [(row["event_id"], row["booking_id"]) for row in rows], currencies
    )
    by_id = {booking.booking_id: booking for booking in bookings}
    return [by_id[row["booking_id"]] for row in rows]
