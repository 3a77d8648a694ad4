"""The verbs of waiting rooms that write. Each locks the room; the sale is locked after it, and last."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
from msgspec.structs import replace

from evently import catalogue
from evently.catalogue import Seen, whichever_version
from evently.db import Connection, Database, load_queries
from evently.kit.complaints import Complaints
from evently.kit.errors import Refused
from evently.sales import carry_out
from evently.sales.commands.waiting_rooms import (
    CloseWaitingRoom,
    DrawWaitingRoom,
    PutWaitingRoom,
    RemoveWaitingRoom,
)
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import read_sale
from evently.waitingroom.drawing import RANK_BYTES, DrawnList, pads_of, suffix_of
from evently.waitingroom.nouns import (
    ENTRIES_MAX,
    VALUE_CHARACTERS_MAX,
    Entry,
    WaitingRoom,
    WaitingRoomRefusal,
    WaitingRoomTerms,
)
from evently.waitingroom.pacing import KEPT, Pace, Paces

sql: Final = load_queries(__name__)

_SEED_BYTES: Final = 32
_PACES_READ: Final = KEPT + timedelta(minutes=1)  # a place is not kept longer, so earlier paces say nothing
# Turns that may come at once after a time in which nobody came: as many as in ten seconds
_UNUSED_MAX: Final = timedelta(seconds=10)


async def find_room(database: Database | Connection, event_id: UUID, now: datetime) -> WaitingRoom | None:
    """Return the waiting room of an event, with its last paces; None: it has none."""
    query = sql.find_room(event_id=event_id, paces_since=now - _PACES_READ)
    row = await (database.fetch_row if isinstance(database, Database) else database.fetchrow)(*query)
    if row is None:
        return None
    *room, numbers, froms_at, admitted_throughs, per_minutes = list[Any](row.values())
    paces = zip(numbers, froms_at, admitted_throughs, per_minutes, strict=True)
    return WaitingRoom(*[*room, Paces([Pace(*each) for each in paces])])


async def get_room(tx: Connection, event_id: UUID, now: datetime) -> WaitingRoom:
    """Return the waiting room of an event, locked. Refuses `no-waiting-room`."""
    room = await _lock_room(tx, event_id, now)
    if room is None:
        raise Refused(WaitingRoomRefusal.NO_WAITING_ROOM)
    return room


async def _lock_room(tx: Connection, event_id: UUID, now: datetime) -> WaitingRoom | None:
    is_there = await tx.fetchval(*sql.lock_room(event_id=event_id))
    return await find_room(tx, event_id, now) if is_there else None


# What organizers do -----------------------------------------------------------------------------------------


async def put_room(
    tx: Connection, event_id: UUID, terms: WaitingRoomTerms, now: datetime, seen: Seen = whichever_version
) -> WaitingRoom:
    """Put a waiting room before a sale, or change it; refuses `invalid`, and what `seen` refuses.

    Once it has opened only the pace can change: the rest was promised to those who are in it.
    """
    complaints = Complaints()
    complaints.check("", terms)
    complaints.refuse_if_any()
    event = await catalogue.lock_event(tx, event_id)
    if event.state == "cancelled":
        raise Refused(SalesRefusal.EVENT_CANCELLED, "no_more_changes")
    draws_at = (await read_sale(tx, event_id)).on_sale_at
    opens_at = draws_at - timedelta(minutes=terms.opens_minutes_before)
    before = await _lock_room(tx, event_id, now)
    seen(before.version if before else 0)
    if before is not None and now >= before.opens_at:
        if (opens_at, terms.public_source.strip()) != (before.opens_at, before.public_source):
            raise Refused(SalesRefusal.WAITING_ROOM_FIXED, "open")
        await tx.execute(*sql.change_per_minute(event_id=event_id, per_minute=terms.per_minute, now=now))
        return await get_room(tx, event_id, now)
    seed = before.seed if before else os.urandom(_SEED_BYTES)
    await tx.execute(
        *sql.put_room(
            event_id=event_id,
            opens_at=opens_at,
            draws_at=draws_at,
            per_minute=terms.per_minute,
            public_source=terms.public_source.strip(),
            seed=seed,
            now=now,
        )
    )
    room = await get_room(tx, event_id, now)
    await carry_out(tx, PutWaitingRoom(event_id, room.opens_at, room.seed_hash, room.public_source), now)
    return room


async def remove_room(tx: Connection, event_id: UUID, now: datetime, seen: Seen = whichever_version) -> None:
    """Remove a waiting room that has not opened. Refuses `no-waiting-room`."""
    await catalogue.lock_event(tx, event_id)
    room = await get_room(tx, event_id, now)
    seen(room.version)
    if now >= room.opens_at:
        raise Refused(SalesRefusal.WAITING_ROOM_FIXED, "open")
    await tx.execute(*sql.remove_room(event_id=event_id))
    await carry_out(tx, RemoveWaitingRoom(event_id), now)


async def put_public_value(tx: Connection, event_id: UUID, value: str, now: datetime) -> None:
    """Draw the order with the public value. Refuses `public-value-not-wanted`; harmless to repeat."""
    value = value.strip()
    assert 0 < len(value) <= VALUE_CHARACTERS_MAX, "the body was checked"
    room = await get_room(tx, event_id, now)
    if not room.public_source:
        raise Refused(WaitingRoomRefusal.VALUE_NOT_WANTED, "none")
    if room.drawn_at is not None:
        if room.public_value == value:
            return
        raise Refused(WaitingRoomRefusal.VALUE_NOT_WANTED, "drawn")
    if room.closed_at is None:
        if now < room.draws_at:
            raise Refused(WaitingRoomRefusal.VALUE_NOT_WANTED, "open", draws_at=room.draws_at)
        room = await _close(tx, room, now)
    await _draw(tx, room, value, now)


# The draw ---------------------------------------------------------------------------------------------------


async def close_room(tx: Connection, event_id: UUID, now: datetime) -> None:
    """Close the list if the sale has begun; draw the order if no public value was promised."""
    room = await get_room(tx, event_id, now)
    if room.closed_at is None and now >= room.draws_at:
        await _close_and_draw(tx, room, now)


async def _close_and_draw(tx: Connection, room: WaitingRoom, now: datetime) -> WaitingRoom:
    room = await _close(tx, room, now)
    return room if room.public_source else await _draw(tx, room, "", now)


async def _close(tx: Connection, room: WaitingRoom, now: datetime) -> WaitingRoom:
    row = await tx.fetchrow(*sql.hash_list(event_id=room.event_id))
    assert row is not None, "an aggregate has one row"
    list_hash, listed = row["list_hash"], row["listed"]
    await tx.execute(*sql.close_room(event_id=room.event_id, now=now, listed=listed, list_hash=list_hash))
    await carry_out(tx, CloseWaitingRoom(room.event_id, listed, list_hash), now)
    return replace(room, closed_at=now, listed=listed, list_hash=list_hash)


async def _draw(tx: Connection, room: WaitingRoom, public_value: str, now: datetime) -> WaitingRoom:
    await tx.execute(*sql.draw_room(event_id=room.event_id, now=now, public_value=public_value))
    pace = Pace(1, now, 0, room.per_minute)
    await tx.execute(*sql.add_pace(event_id=room.event_id, **pace._asdict()))
    await carry_out(tx, DrawWaitingRoom(room.event_id, room.seed, public_value), now)
    return replace(room, drawn_at=now, public_value=public_value, paces=Paces([pace]))


async def read_ranks(database: Database, room: WaitingRoom) -> DrawnList:
    """Return the order that was drawn."""
    assert room.drawn_at is not None, "the order was drawn"
    assert room.list_hash is not None, "it was drawn from a closed list"
    suffix, pads = suffix_of(room.list_hash, room.public_value or ""), pads_of(room.seed)
    ranks = await database.fetch_value(
        *sql.read_ranks(
            event_id=room.event_id,
            outer_pad=pads.outer,
            inner_pad=pads.inner,
            suffix=suffix,
            rank_bytes=RANK_BYTES,
        )
    )
    return DrawnList(room.seed, suffix, ranks)


async def list_entries(database: Database, event_id: UUID, after: UUID, limit: int) -> list[str]:
    """Return ids of entries on the list, in hexadecimal, after one of them."""
    rows = await database.fetch(*sql.list_entries(event_id=event_id, after=after, limit=limit))
    return [row["entry"] for row in rows]


# Entering and being admitted --------------------------------------------------------------------------------


def is_passed(room: WaitingRoom, entry: Entry, position: int | None, now: datetime) -> bool:
    """Return whether the turn of an entry has passed: it was not used, or what it gave has ended."""
    if entry.admitted_at is not None:
        return now >= entry.admitted_at + KEPT
    turn_at = turn_of(room, entry, position)
    return turn_at is not None and now >= turn_at + KEPT


def turn_of(room: WaitingRoom, entry: Entry, position: int | None) -> datetime | None:
    """Return when the turn of an entry came or comes; None: it is not known."""
    if position is None or not room.paces:
        return None
    turn_at = room.paces.turn_of(position)
    return None if turn_at is None else max(turn_at, entry.entered_at)


async def enter_room(
    tx: Connection,
    event_id: UUID,
    person_ids: Sequence[UUID],
    clock: Callable[[], datetime],
    position_of: Callable[[WaitingRoom, Entry], int | None],
) -> dict[UUID, Entry]:
    """Return the entries of people, by person: those that they have, or new ones.

    A person whose turn has passed gets a new place, at the end. `clock` is read under the lock: an
    entry is on the list if the sale had not begun when the room was locked.
    """
    room = await get_room(tx, event_id, clock())
    now = clock()
    if now < room.opens_at:
        seconds = math.ceil((room.opens_at - now).total_seconds())
        raise Refused(WaitingRoomRefusal.NOT_OPEN, "opens_at", opens_at=room.opens_at, retry_after=seconds)
    if room.closed_at is None and now >= room.draws_at:
        room = await _close_and_draw(tx, room, now)
    found = [
        Entry(*row)
        for row in await tx.fetch(*sql.find_live_entries(event_id=event_id, person_ids=person_ids))
    ]
    passed = [each for each in found if is_passed(room, each, position_of(room, each), now)]
    if passed:
        ended = [each.entry_id for each in passed]
        await tx.execute(*sql.end_entries(event_id=event_id, now=now, entry_ids=ended))
    entries = {each.person_id: each for each in found if each not in passed}
    new = [person_id for person_id in person_ids if person_id not in entries]
    if new:
        entries |= await _add(tx, room, new, now)
    return entries


async def _add(
    tx: Connection, room: WaitingRoom, person_ids: Sequence[UUID], now: datetime
) -> Mapping[UUID, Entry]:
    if room.entries + len(person_ids) > ENTRIES_MAX:
        raise Refused(WaitingRoomRefusal.FULL, "entries_max", entries_max=ENTRIES_MAX)
    late = None if room.listed is None else room.entries - room.listed
    added = [
        Entry(room.event_id, uuid4(), person_id, now, None if late is None else late + number)
        for number, person_id in enumerate(person_ids, start=1)
    ]
    await tx.execute(
        *sql.add_entries(
            event_id=room.event_id,
            now=now,
            entry_ids=[each.entry_id for each in added],
            person_ids=person_ids,
            late_numbers=[each.late_number for each in added],
        )
    )
    await tx.execute(*sql.count_entries(event_id=room.event_id, entries=room.entries + len(added)))
    if room.paces:
        await _forget_unused(tx, room, now)
    return {each.person_id: each for each in added}


async def _forget_unused(tx: Connection, room: WaitingRoom, now: datetime) -> None:
    """Begin a new pace when nobody has waited for a while: turns that nobody took do not come all at once."""
    last = room.paces.now
    unused = last.admitted_at(now) - room.entries
    if unused > last.admitted_at(last.from_at + _UNUSED_MAX) - last.admitted_through:
        await _add_pace(tx, room.event_id, last, now, room.entries, last.per_minute)


async def change_pace(tx: Connection, event_id: UUID, seen: Pace, per_minute: int, now: datetime) -> None:
    """Begin another pace, unless another process has begun one since `seen`."""
    room = await get_room(tx, event_id, now)
    last = room.paces.now
    if last.number == seen.number:
        # Turns of positions that nobody has yet come at the new pace
        through = min(last.admitted_at(now), max(room.entries, last.admitted_through))
        await _add_pace(tx, event_id, last, now, through, per_minute)


async def _add_pace(
    tx: Connection, event_id: UUID, last: Pace, now: datetime, admitted_through: int, per_minute: int
) -> None:
    pace = Pace(last.number + 1, max(now, last.from_at), admitted_through, per_minute)
    await tx.execute(*sql.add_pace(event_id=event_id, **pace._asdict()))


class Claim(msgspec.Struct, frozen=True):
    """An entry whose turn has come, with its position, and until when its place is kept."""

    entry: Entry
    position: int
    kept_until: datetime


async def admit_entries(
    tx: Connection, event_id: UUID, claims: Sequence[Claim], now: datetime
) -> dict[UUID, datetime]:
    """Write down that entries got their admission; return when they got it, by entry.

    An entry that came back too late, or has ended, is not among them.
    """
    rows = await tx.fetch(
        *sql.admit_entries(
            event_id=event_id,
            now=now,
            entry_ids=[each.entry.entry_id for each in claims],
            positions=[each.position for each in claims],
            kept_until=[each.kept_until for each in claims],
        )
    )
    return {row["entry_id"]: row["admitted_at"] for row in rows}
