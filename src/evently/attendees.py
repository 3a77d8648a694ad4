"""Whose names are on tickets: one for each ticket, given by its holder until a time that the organizer sets.

    find_names        the names on the tickets of a booking; find_names_of: of some; NameReader shares
    put_names         give, change or take back names; refuses what can no longer be changed
    why_fixed         why the name on a ticket cannot be changed, if so
    clear_names       forget the names on tickets that have got other holders
    forget_person     forget every name that a person gave; list_names_of returns them
    list_attendees    the tickets of an event with their names; export_attendees is all of them

A name decides nothing about units, money or the door. So the engine does not know it, it is written without
the lock of its sale, and it is not in the journal, from which nothing can be erased. A name counts only while
the ticket belongs to the holder who gave it. Names are personal data: none is ever logged.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from evently.accounts import people
from evently.catalogue import Event, Seen, whichever_version
from evently.db import REPORT_SECONDS_MAX, Connection, Database, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import FieldError, Refusal, Refused
from evently.kit.together import Together
from evently.kit.visible import is_visible, misprints
from evently.sales.nouns import Booking, Ticket
from evently.sales.states import TicketState

sql: Final = load_queries(__name__)

NAME_CHARACTERS_MAX: Final = people.NAME_CHARACTERS_MAX
ROWS_READ: Final = 200  # of an export at a time: 2 ms of a process that also sells
GIVEN_MAX: Final = 10_000  # names of one person in an export: more than a person books in a life


class AttendeesRefusal(Refusal):
    """Every refusal of this package."""

    NAMES_NOT_ASKED = "names-not-asked"
    NAME_FIXED = "name-fixed"


class TicketName(msgspec.Struct, frozen=True):
    """The name on a ticket. `version` counts its changes; 0: none was ever given."""

    ticket_id: UUID
    name: str | None = None
    version: int = 0


class ExportedName(msgspec.Struct, frozen=True):
    """A name as the person who gave it may read it."""

    event_id: UUID
    ticket_id: UUID
    name: str | None
    named_at: datetime


class Attendee(msgspec.Struct, frozen=True):
    """A ticket of a confirmed booking, as the organizer of its event sees it.

    `buyer_name` is None when the account of the buyer was closed.
    """

    ticket_id: UUID
    booking_id: UUID
    ticket_type_id: UUID
    type_name: str
    seat_label: str | None
    state: TicketState
    name: str | None
    buyer_name: str | None


def check_name(text: str, pointer: str) -> tuple[str, list[FieldError]]:
    """Return a name as it is stored, and what is wrong with what was typed."""
    if not is_visible(text):
        return "", [FieldError(pointer, "blank")]
    if wrong := [FieldError(pointer, *each) for each in misprints(text.strip())]:
        return "", wrong
    name = people.normalise_name(text)
    return name, people.name_errors(name, pointer)


def why_fixed(
    event: Event, booking: Booking, state: TicketState, now: datetime, *, returning: bool
) -> Refused | None:
    """Return why the name on a ticket in this state cannot be changed; None when it can."""
    if event.attendee_names == "not_asked":
        return Refused(AttendeesRefusal.NAMES_NOT_ASKED)
    if event.state == "cancelled":
        return Refused(AttendeesRefusal.NAME_FIXED, "event_cancelled")
    lapsed = booking.state == "held" and booking.expires_at is not None and booking.expires_at <= now
    if lapsed or booking.state not in ("held", "confirmed"):
        return Refused(AttendeesRefusal.NAME_FIXED, "booking_ended")
    if state == "void":
        return Refused(AttendeesRefusal.NAME_FIXED, "void")
    if state == "used":
        return Refused(AttendeesRefusal.NAME_FIXED, "used")
    if returning:
        return Refused(AttendeesRefusal.NAME_FIXED, "returned")
    if now >= event.names_end_at:
        return Refused(AttendeesRefusal.NAME_FIXED, "too_late", until=event.names_end_at)
    return None


def unnamed(event: Event, booking: Booking, names: Mapping[UUID, TicketName], now: datetime) -> int:
    """Return how many required names are missing that the buyer, who holds these tickets, can still give."""
    if event.attendee_names != "required":
        return 0
    there = {each.ticket_id for each in names.values() if each.name is not None}
    return sum(
        ticket.ticket_id not in there
        and ticket.holder_id is None
        and _why_fixed(event, booking, ticket, now) is None
        for ticket in booking.tickets
    )


class NameReader:
    """Reads the names of bookings. Those that are asked for at the same moment share one statement."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._together = Together(self._read)

    async def find(self, booking: Booking) -> dict[UUID, TicketName]:
        """Return the names on the tickets of a booking, by ticket."""
        return await self._together.add(booking)

    async def _read(self, bookings: Sequence[Booking]) -> list[dict[UUID, TicketName]]:
        found = await _find(self._database, bookings)
        return [
            {each.ticket_id: found[each.ticket_id] for each in booking.tickets if each.ticket_id in found}
            for booking in bookings
        ]


async def find_names(database: Database | Connection, booking: Booking) -> dict[UUID, TicketName]:
    """Return the names that the holders of the tickets of a booking gave them, by ticket."""
    return await _find(database, [booking])


async def find_names_of(
    database: Database | Connection, bookings: Sequence[Booking]
) -> dict[UUID, TicketName]:
    """Return the same for some bookings, in one statement."""
    return await _find(database, bookings) if bookings else {}


async def put_names(
    tx: Connection,
    event: Event,
    booking: Booking,
    names: Mapping[UUID, str | None],
    now: datetime,
    seen: Seen = whichever_version,
    *,
    by_organizer: bool = False,
) -> dict[UUID, TicketName]:
    """Write names on tickets that a person holds, and return those of the booking. None takes a name back.

    `by_organizer`: also after the time until which the person can change it.

    One person holds all the tickets that are named. `names` passed `check_name`. `seen` gets the version of
    each and may refuse it (If-Match). Refuses `names-not-asked` and `name-fixed`; then nothing is written. A
    cancellation at the same moment may win: then a void ticket has a name.
    """
    for ticket in booking.tickets:
        if ticket.ticket_id in names and (refused := _why_fixed(event, booking, ticket, now)) is not None:
            if by_organizer and refused.reason == "too_late":
                continue
            raise refused
    holders = {_holder(booking, ticket) for ticket in booking.tickets if ticket.ticket_id in names}
    holder_id = holders.pop() if holders else booking.buyer_id
    assert not holders, "a person names their own tickets"
    # Two changes by one person take turns, and none survives the erasure of the person
    await people.lock_person(tx, holder_id)
    found = await find_names(tx, booking)
    for ticket_id in names:
        seen(found[ticket_id].version if ticket_id in found else 0)
    changed = {
        ticket_id: name
        for ticket_id, name in names.items()
        if name != (found[ticket_id].name if ticket_id in found else None)
    }
    if changed:
        rows = await tx.fetch(
            *sql.put_names(
                event_id=booking.event_id,
                buyer_id=holder_id,
                ticket_ids=list(changed),
                names=list(changed.values()),
                now=now,
            )
        )
        found |= {row["ticket_id"]: TicketName(**row) for row in rows}
    return found


async def clear_names(tx: Connection, event_ids: Sequence[UUID], ticket_ids: Sequence[UUID]) -> None:
    """Forget the names on tickets that have got other holders, unless these have given them names.

    Harmless to repeat.
    """
    await tx.execute(*sql.clear_names(event_ids=event_ids, ticket_ids=ticket_ids))


async def forget_person(tx: Connection, person_id: UUID) -> None:
    """Delete every name that a person gave."""
    await tx.execute(*sql.forget_person(person_id=person_id))


async def list_names_of(database: Database, person_id: UUID) -> list[ExportedName]:
    """Return the names that a person gave, for that person."""
    rows = await database.fetch(*sql.list_names_of(person_id=person_id, limit=GIVEN_MAX))
    return [ExportedName(**row) for row in rows]


async def list_attendees(
    database: Database, event_id: UUID, limit: int, after: str | None, *, named: bool | None = None
) -> Page[Attendee]:
    """Return a page of the tickets of confirmed bookings that are not void, in the order of their ids.

    `named`: only those with a name, or only those without.
    """
    position = None if after is None else read_cursor(after, tuple[UUID])[0]
    rows = await database.fetch(
        *sql.list_attendees(event_id=event_id, after=position, named=named, limit=limit + 1)
    )
    attendees = [Attendee(**row) for row in rows[:limit]]
    return Page(attendees, write_cursor((attendees[-1].ticket_id,)) if len(rows) > limit else None)


async def export_attendees(database: Database, event_id: UUID) -> AsyncGenerator[list[Attendee], None]:
    """Yield all that `list_attendees` lists, as of one instant, in lists of at most ROWS_READ."""
    async with database.snapshot(REPORT_SECONDS_MAX) as snapshot:
        cursor = await snapshot.cursor(
            *sql.list_attendees(event_id=event_id, after=None, named=None, limit=None)
        )
        while rows := await cursor.fetch(ROWS_READ):
            yield [Attendee(**row) for row in rows]


async def _find(database: Database | Connection, bookings: Sequence[Booking]) -> dict[UUID, TicketName]:
    """Return the names on the tickets of some bookings, by ticket."""
    tickets = [
        (booking.event_id, ticket.ticket_id, _holder(booking, ticket))
        for booking in bookings
        for ticket in booking.tickets
    ]
    event_ids, ticket_ids, holder_ids = map(list, zip(*tickets, strict=True)) if tickets else ([], [], [])
    rows = await database.fetch(
        *sql.find_names(event_ids=event_ids, ticket_ids=ticket_ids, holder_ids=holder_ids)
    )
    return {row["ticket_id"]: TicketName(**row) for row in rows}


def _holder(booking: Booking, ticket: Ticket) -> UUID:
    return ticket.holder_id or booking.buyer_id


def _why_fixed(event: Event, booking: Booking, ticket: Ticket, now: datetime) -> Refused | None:
    return why_fixed(event, booking, ticket.state, now, returning=ticket.returning_since is not None)
