"""Finds bookings by what a caller says: a name, an address, a reference, a seat, a name on a ticket, a card.

    find_bookings     a page of the bookings of an event, or of an organizer's events, that match
    list_bookings     the same for all bookings of an event
    add_references    an effect: stores the references of new bookings

Every word must match: names and addresses from their beginning (`ada lov`), a seat by its section, row and
number (`stalls c 12`), a card by its last four digits. A booking pays nothing for it: people and names on
tickets have indexes of their own, seats are found in the plan of the hall, and the relay stores the
references.

Among 1,000,000 bookings of one event, a page takes 2 to 50 ms. Words that many people have are found by a
short walk over the newest bookings; an index of words must read all who have them, which takes 60 ms for a
tenth of a million. Only where the walk finds less than a page, the indexes are asked. Where more than
PEOPLE_MAX people or NAMED_MAX names match and yet few of the newest bookings, a longer walk follows: a page
may then be short and still have a next one. Of an organizer, the caller must say more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from evently.accounts import people
from evently.db import Connection, Database, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.ids import find_id, read_reference
from evently.sales.facts import BookingConfirmed, BookingHeld
from evently.sales.outbox import JournalFacts
from evently.sales.reads import load_hall
from evently.sales.states import BookingPayment, BookingState

sql: Final = load_queries(__name__)

TYPED_CHARACTERS_MAX: Final = 200
WORDS_MAX: Final = 8  # people say two or three
WORD_CHARACTERS_MIN: Final = 2  # of a name: one letter matches a tenth of everybody
PEOPLE_MAX: Final = 5_000  # their bookings are as many look-ups, some 10 us each
NAMED_MAX: Final = 12_000  # tickets whose names match, some 4 us each
FIRST_WALKED_MAX: Final = 400  # bookings of the short walk: some 15 us each
WALKED_MAX: Final = 2_000  # of the longer one
SEATS_MAX: Final = 500  # more are no answer to a caller
EVENTS_MAX: Final = 1_000  # of an organizer, the newest
_SEAT_WORD: Final = re.compile(r"[^\W\d_]+|\d+")
_CARD: Final = re.compile(r"(?:[^\W\d]|[\s*•.…-])*([0-9]{4})\s*")  # 4242, •••• 4242, card ending in 4242
_FILLERS: Final = frozenset({"row", "seat", "section"})


class FoundBooking(msgspec.Struct, frozen=True):
    """A booking in a list. `tickets` are those that are not void; `buyer_name` is None once erased."""

    event_id: UUID
    booking_id: UUID
    state: BookingState
    placed_at: datetime
    buyer_name: str | None
    buyer_email: str | None
    currency: str
    tickets: int
    total_minor: int
    seats: list[str]
    payment: BookingPayment


class Typed(NamedTuple):
    """What was typed that names single bookings."""

    reference: bytes | None
    card_digits: str | None
    seat_numbers: Sequence[int]


class Found(msgspec.Struct, frozen=True):
    """A page of bookings. `say_more`: so many people match that nothing was looked up."""

    page: Page[FoundBooking]
    say_more: bool = False


async def find_bookings(
    database: Database, event_id: UUID, typed: str, limit: int, after: str | None
) -> Found:
    """Return a page of the bookings of an event that match what was typed, newest first."""
    async with database.snapshot() as snapshot:
        words = await _words_of(snapshot, typed)
        if not typed.strip():
            return await _all_of_event(snapshot, event_id, limit, after)
        if not words:
            return Found(Page([], None))
        if (booking_id := find_id("bkg", typed.strip())) is not None:
            return await _only(snapshot, [event_id], booking_id)
        exactly = Typed(read_reference(typed), _card_digits(typed), await _seats(snapshot, event_id, typed))
        addressed = await _addressed(snapshot, typed)
        exact = await _find(snapshot, [event_id], addressed, exactly, limit, after)
        if (addressed and exact) or not _is_name(words):
            return await _described(snapshot, exact[:limit], more=len(exact) > limit)
        has_names = bool(await snapshot.fetchval(*sql.has_names(event_id=event_id)))
        walk = partial(_walk, snapshot, event_id, words, exact, limit, after, has_names=has_names)
        seen, end = await walk(FIRST_WALKED_MAX)
        if len(seen) <= limit and end is not None:
            person_ids = await _matching(snapshot, words)
            named = await _named(snapshot, event_id, words, limit, after) if has_names else []
            if person_ids is not None and named is not None:
                found = await _find(snapshot, [event_id], person_ids, exactly, limit, after)
                merged = sorted({*found, *named}, reverse=True)
                return await _described(snapshot, merged[:limit], more=len(merged) > limit)
            seen, end = await walk(WALKED_MAX)
        return await _walked(snapshot, seen, end, limit)


async def find_bookings_of_organizer(
    database: Database, organizer_id: UUID, typed: str, limit: int, after: str | None
) -> Found:
    """Return a page of the bookings of an organizer's newest events that match, newest first."""
    async with database.snapshot() as snapshot:
        words = await _words_of(snapshot, typed)
        rows = await snapshot.fetch(*sql.list_events(organizer_id=organizer_id, limit=EVENTS_MAX))
        event_ids = [row["event_id"] for row in rows]
        if not words or not event_ids:
            return Found(Page([], None))
        if (booking_id := find_id("bkg", typed.strip())) is not None:
            return await _only(snapshot, event_ids, booking_id)
        exactly = Typed(read_reference(typed), _card_digits(typed), [])
        person_ids: Sequence[UUID] | None = await _addressed(snapshot, typed)
        found = await _find(snapshot, event_ids, person_ids, exactly, limit, after) if person_ids else []
        if not found:
            person_ids = await _matching(snapshot, words)
            found = await _find(snapshot, event_ids, person_ids or (), exactly, limit, after)
        described = await _described(snapshot, found[:limit], more=len(found) > limit)
        return msgspec.structs.replace(described, say_more=person_ids is None)


async def forget_event(tx: Connection, event_id: UUID) -> None:
    """Delete the references of a sandbox event that is removed."""
    await tx.execute(*sql.forget_event(event_id=event_id))


async def add_references(tx: Connection, rows: Sequence[JournalFacts]) -> None:
    """Store the references of the bookings that these facts place: one statement. Harmless to repeat."""
    new = [
        (row.event_id, fact.booking_id)
        for row in rows
        for fact in row.facts
        if isinstance(fact, BookingHeld | BookingConfirmed)
    ]
    if new:
        event_ids, booking_ids = map(list, zip(*new, strict=True))
        await tx.execute(*sql.add_references(event_ids=event_ids, booking_ids=booking_ids))


# What was typed ---------------------------------------------------------------------------------------------


async def _words_of(snapshot: Connection, typed: str) -> list[str]:
    words: list[str] = await snapshot.fetchval(*sql.list_words(typed=typed[:TYPED_CHARACTERS_MAX]))
    return words[:WORDS_MAX]


def _query(words: Sequence[str]) -> str:
    """Return the search for words, each from its beginning. They have neither quotes nor backslashes."""
    return " & ".join(f"'{word}':*" for word in words)


def _card_digits(typed: str) -> str | None:
    """Return the last digits of a card, if only they were typed."""
    found = _CARD.fullmatch(typed)
    return found[1] if found else None


def _is_name(words: Sequence[str]) -> bool:
    return any(len(word) >= WORD_CHARACTERS_MIN for word in words)


async def _addressed(snapshot: Connection, typed: str) -> list[UUID]:
    """Return the person whose whole e-mail address was typed, if so.

    Its words alone would be slow: very many people share those of a domain.
    """
    email = people.normalise_email(typed[:TYPED_CHARACTERS_MAX])
    if "@" not in email:
        return []
    return await snapshot.fetchval(*sql.find_addressed(email=email)) or []


async def _matching(snapshot: Connection, words: Sequence[str]) -> list[UUID] | None:
    """Return the people who match; None when they are too many."""
    if not _is_name(words):
        return []
    found: list[UUID] | None = await snapshot.fetchval(
        *sql.find_matching(query=_query(words), limit=PEOPLE_MAX + 1)
    )
    return None if found is not None and len(found) > PEOPLE_MAX else found or []


async def _named(
    snapshot: Connection, event_id: UUID, words: Sequence[str], limit: int, after: str | None
) -> list[UUID] | None:
    """Return the newest bookings with a ticket whose name matches; None when the names are too many."""
    rows = await snapshot.fetch(
        *sql.find_named(
            event_id=event_id,
            query=f"{_query(words)} & 'event={event_id}'",
            after=_position(after),
            named_max=NAMED_MAX,
            limit=limit + 1,
        )
    )
    return None if any(row["too_many"] for row in rows) else [row["booking_id"] for row in rows]


async def _seats(snapshot: Connection, event_id: UUID, typed: str) -> list[int]:
    """Return the seats whose labels have all the words; none when they are too many to be meant."""
    asked = [word for word in _SEAT_WORD.findall(typed.casefold()) if word not in _FILLERS]
    if not any(word.isdigit() for word in asked):
        return []
    hall = await load_hall(snapshot, event_id)
    if hall is None:
        return []
    wanted, numbers = set(asked), list[int]()
    for number in range(hall.plan.size):
        label = hall.plan.label(number).casefold()
        if wanted.issubset(_SEAT_WORD.findall(label)):
            numbers.append(number)
            if len(numbers) > SEATS_MAX:
                return []
    return numbers


# Finding ----------------------------------------------------------------------------------------------------


async def _find(
    snapshot: Connection,
    event_ids: Sequence[UUID],
    person_ids: Sequence[UUID],
    exactly: Typed,
    limit: int,
    after: str | None,
) -> list[UUID]:
    """Return the newest bookings of people and of what was typed; one more than a page."""
    rows = await snapshot.fetch(
        *sql.find_bookings(
            event_ids=event_ids,
            person_ids=person_ids,
            seat_numbers=exactly.seat_numbers,
            reference=exactly.reference,
            card_digits=exactly.card_digits,
            after=_position(after),
            limit=limit + 1,
        )
    )
    return [row["booking_id"] for row in rows]


async def _walk(
    snapshot: Connection,
    event_id: UUID,
    words: Sequence[str],
    exact: Sequence[UUID],
    limit: int,
    after: str | None,
    walked_max: int,
    *,
    has_names: bool,
) -> tuple[list[UUID], UUID | None]:
    """Walk the newest bookings of an event.

    Return those that match, with those that were found before, newest first: one more than a page, if there
    are so many. And where the walk has ended; None: at the oldest booking.
    """
    rows = await snapshot.fetch(
        *sql.walk_bookings(
            event_id=event_id,
            query=_query(words),
            patterns=[f"%{word}%" for word in words],
            has_names=has_names,
            after=_position(after),
            walked_max=walked_max,
            limit=limit + 1,
        )
    )
    end = next((row["booking_id"] for row in rows if row["is_end"]), None)
    matching = {row["booking_id"] for row in rows if not row["is_end"]} | set(exact)
    seen = sorted([each for each in matching if end is None or each >= end], reverse=True)
    return seen[: limit + 1], end


async def _walked(snapshot: Connection, seen: Sequence[UUID], end: UUID | None, limit: int) -> Found:
    """Return what a walk has found. Where that is less than a page, the next one begins at its end."""
    described = await _described(snapshot, seen[:limit], more=len(seen) > limit)
    if described.page.next_cursor is None and end is not None:
        return Found(Page(described.page.data, write_cursor((end,))))
    return described


async def _all_of_event(snapshot: Connection, event_id: UUID, limit: int, after: str | None) -> Found:
    rows = await snapshot.fetch(*sql.list_newest(event_id=event_id, after=_position(after), limit=limit + 1))
    found = [row["booking_id"] for row in rows]
    return await _described(snapshot, found[:limit], more=len(found) > limit)


async def _only(snapshot: Connection, event_ids: Sequence[UUID], booking_id: UUID) -> Found:
    described = await _described(snapshot, [booking_id], more=False)
    mine = [each for each in described.page.data if each.event_id in event_ids]
    return Found(Page(mine, None))


async def _described(snapshot: Connection, booking_ids: Sequence[UUID], *, more: bool) -> Found:
    rows = await snapshot.fetch(*sql.describe_bookings(booking_ids=booking_ids)) if booking_ids else []
    page = [FoundBooking(**row) for row in rows]
    return Found(Page(page, write_cursor((page[-1].booking_id,)) if more else None))


def _position(after: str | None) -> UUID | None:
    return None if after is None else read_cursor(after, tuple[UUID])[0]
