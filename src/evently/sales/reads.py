"""What people look at: bookings, availability, the journal. Nothing here decides anything."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from evently.db import Connection, Database, Record, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import Refused
from evently.kit.ids import new_id
from evently.sales import loading
from evently.sales.commands import Booking, Line, No, SalesRefusal
from evently.sales.placing_rules import find_promo
from evently.sales.quoting import BookingQuote, CancellationQuote, quote_booking, quote_ending, unlocked_by
from evently.sales.state import Batch, Refund, Sale
from evently.sales.terms import Conditions, Seating, TicketTypeTerms

sql: Final = load_queries(__name__)

_NOBODY: Final = UUID(int=0)  # has used no code
KINDS: Final = ("upcoming", "past", "cancelled", "all")  # of a buyer's bookings


class Whereabouts(msgspec.Struct, frozen=True):
    """Where a booking is."""

    event_id: UUID
    buyer_id: UUID
    event_starts_at: datetime


class JournalRow(msgspec.Struct, frozen=True):
    """One batch's facts about an event, as they were hashed."""

    seq: int
    at: datetime
    facts: bytes
    hash: bytes


async def get_booking(database: Database, booking_id: UUID) -> Booking:
    """Return a booking with its tickets, or refuse: not there."""
    async with database.snapshot() as snapshot:
        row = await snapshot.fetchrow(*sql.find_booking(booking_id=booking_id))
        if row is None:
            raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
        return (await _whole(snapshot, [row]))[0]


async def locate_booking(database: Database, booking_id: UUID) -> Whereabouts:
    """Return where a booking is, or refuse: not there."""
    row = await database.fetch_row(*sql.locate_booking(booking_id=booking_id))
    if row is None:
        raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
    return Whereabouts(*row.values())


async def list_bookings_of_buyer(
    database: Database, buyer_id: UUID, kind: str, now: datetime, limit: int, after: str | None
) -> Page[Booking]:
    """Return a page of a buyer's bookings, newest first. `kind` is one of `KINDS`; the event's end divides upcoming from past."""
    async with database.snapshot() as snapshot:
        rows = await snapshot.fetch(*sql.list_of_buyer(buyer_id=buyer_id, kind=kind, now=now, after=_position(after), limit=limit + 1))
        return await _page(snapshot, rows, limit)


async def list_bookings_of_event(database: Database, event_id: UUID, state: str | None, limit: int, after: str | None) -> Page[Booking]:
    """Return a page of an event's bookings, newest first."""
    async with database.snapshot() as snapshot:
        rows = await snapshot.fetch(*sql.list_of_event(event_id=event_id, state=state, after=_position(after), limit=limit + 1))
        return await _page(snapshot, rows, limit)


async def list_live_bookings(database: Database, event_id: UUID, after: UUID | None, limit: int) -> list[UUID]:
    """Return the ids of some live bookings of an event, in order."""
    return [row["booking_id"] for row in await database.fetch(*sql.list_live_of_event(event_id=event_id, after=after, limit=limit))]


async def list_events_with_due_holds(database: Database, now: datetime, limit: int) -> list[UUID]:
    """Return events with holds to take back."""
    return [row["event_id"] for row in await database.fetch(*sql.list_events_with_due_holds(now=now, limit=limit))]


async def read_sale(connection: Connection, event_id: UUID) -> Sale:
    """Return the sale of an event as the connection's transaction sees it: window, pools with counters, ticket types."""
    row = await connection.fetchrow(*sql.read_sale(event_id=event_id))
    if row is None:
        raise Refused(SalesRefusal.EVENT_NOT_FOUND)
    sale = Sale(*row.values())
    await loading.load_sales(connection, [sale], {})
    return sale


async def find_sale(database: Database, event_id: UUID) -> Sale:
    """Return the sale of an event at one instant."""
    async with database.snapshot() as snapshot:
        return await read_sale(snapshot, event_id)


async def read_types_for(
    connection: Connection, sale: Sale, buyer_id: UUID | None, promo_code: str | None, now: datetime
) -> list[TicketTypeTerms]:
    """Return the ticket types that a buyer sees (None: nobody we know), and those that a code unlocks; or refuse as booking would."""
    shown = [terms for terms in sale.ticket_types.values() if not (terms.retired or terms.hidden)]
    if promo_code is None:
        return shown
    if sale.state == "closed":
        raise Refused(SalesRefusal.EVENT_NOT_FOUND)
    batch = Batch(now, new_id, bytes)
    if buyer_id is not None:
        batch.promo_uses = await loading.load_promo_uses(connection, sale.event_id, buyer_id)
    promo = find_promo(sale, batch, promo_code, buyer_id or _NOBODY)
    if isinstance(promo, No):
        raise Refused(promo.refusal, promo.detail)
    return shown + unlocked_by(sale, promo)


async def read_seating(connection: Connection, event_id: UUID) -> Seating | None:
    """Return an event's copy of a seat map with its zones, or None without assigned seating. Reads the whole layout."""
    row = await connection.fetchrow(*loading.sql.load_seating(event_ids=[event_id]))
    if row is None:
        return None
    layout = zlib.decompress(await connection.fetchval(*loading.sql.load_layout(event_id=event_id)))
    return Seating(row["digest"], layout, tuple(row["zones"]), row["zone_of"])


async def list_refunds(database: Database, event_id: UUID, booking_id: UUID) -> list[Refund]:
    """Return what is, or was, paid back for a booking, oldest first."""
    rows = await database.fetch(*sql.list_refunds(event_id=event_id, booking_id=booking_id))
    return [Refund(*row.values()) for row in rows]


async def list_paid_at_door(database: Database, bookings: Sequence[Booking]) -> set[UUID]:
    """Return which of these bookings are offers that are paid at the door: of a hold, its conditions alone say that."""
    offers = [each for each in bookings if each.entry_id is not None and each.confirmed_at is None and each.conditions_version]
    if not offers:
        return set()
    conditions = await _find_conditions(database, {(each.event_id, each.conditions_version) for each in offers})
    return {each.booking_id for each in offers if conditions[each.event_id, each.conditions_version].payment == "door"}


async def find_booking_quote(
    database: Database, event_id: UUID, buyer_id: UUID, lines: Sequence[Line], promo_code: str | None, now: datetime
) -> BookingQuote:
    """Return what lines would cost a buyer, or refuse as booking them would; whether as many are there is not asked."""
    async with database.snapshot() as snapshot:
        row = await snapshot.fetchrow(*sql.read_sale(event_id=event_id))
        if row is None:
            raise Refused(SalesRefusal.EVENT_NOT_FOUND)
        sale, batch = Sale(*row.values()), Batch(now, new_id, bytes)
        await loading.load_prices(snapshot, sale, batch, None if promo_code is None else buyer_id)
    quote = quote_booking(sale, batch, buyer_id, lines, promo_code)
    if isinstance(quote, No):
        raise Refused(quote.refusal, quote.detail)
    return quote


async def find_cancellation_quote(
    database: Database, booking_id: UUID, buyer_id: UUID, ticket_ids: tuple[UUID, ...] | None, now: datetime
) -> CancellationQuote:
    """Return what a buyer who cancels now would get back, or refuse as cancelling would."""
    where = await locate_booking(database, booking_id)
    if where.buyer_id != buyer_id:
        raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
    booking = await get_booking(database, booking_id)
    version = (booking.event_id, booking.conditions_version)
    conditions = (await _find_conditions(database, {version}))[version] if booking.conditions_version else Conditions()
    quote = quote_ending(booking, conditions, ticket_ids, where.event_starts_at, now)
    if isinstance(quote, No):
        raise Refused(quote.refusal, quote.detail)
    return quote


async def list_journal(database: Database, event_id: UUID, limit: int, after: str | None) -> Page[JournalRow]:
    """Return a page of an event's journal, oldest first."""
    after_seq = 0 if after is None else read_cursor(after, tuple[int])[0]
    rows = await database.fetch(*sql.list_journal(event_id=event_id, after=after_seq, limit=limit + 1))
    page = [JournalRow(*row.values()) for row in rows[:limit]]
    return Page(page, write_cursor((page[-1].seq,)) if len(rows) > limit else None)


async def _find_conditions(database: Database, versions: Collection[tuple[UUID, int]]) -> dict[tuple[UUID, int], Conditions]:
    event_ids, numbers = [event_id for event_id, _ in versions], [version for _, version in versions]
    rows = await database.fetch(*sql.list_conditions(event_ids=event_ids, versions=numbers))
    return {(event_id, version): loading.decode_conditions(stored) for event_id, version, stored in rows}


def _position(after: str | None) -> UUID | None:
    return None if after is None else read_cursor(after, tuple[UUID])[0]


async def _page(snapshot: Connection, rows: Sequence[Record], limit: int) -> Page[Booking]:
    bookings = await _whole(snapshot, rows[:limit])
    return Page(bookings, write_cursor((bookings[-1].booking_id,)) if len(rows) > limit else None)


async def _whole(snapshot: Connection, rows: Sequence[Record]) -> list[Booking]:
    currencies = {row["event_id"]: row["currency"] for row in rows}
    bookings = await loading.load_bookings(snapshot, [(row["event_id"], row["booking_id"]) for row in rows], currencies)
    by_id = {booking.booking_id: booking for booking in bookings}
    return [by_id[row["booking_id"]] for row in rows]
