"""The table of events: draft -> published -> cancelled.

It holds what people read about an event; the verbs in `organizing` change it together with its sale.

The writing functions expect the event's row to be locked by `lock_event` in the same transaction. They decide
nothing.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from evently.catalogue.local_time import keep_wall_times
from evently.catalogue.nouns import Event, EventTerms, LastEdit, VenueCopy
from evently.catalogue.words import WORDS_VERSION, lexemes_of
from evently.db import Connection, Database, Record, load_queries, lock_by_event
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import NO_ID

sql: Final = load_queries(__name__)

_LIKE: Final = re.compile(r"[\\%_]")  # what has a meaning in a pattern
_ESCAPED: Final = r"\\\g<0>"
# The fields of `EventTerms` that are columns: a wall time is stored as an instant
_WRITTEN: Final = [name for name in EventTerms.__struct_fields__ if not name.endswith("_local")]

# From noon until the end of the next day, and an hour for clocks that change in between
_REMINDED_AHEAD: Final = timedelta(hours=37)
# Events that one statement renames: ten megabytes if every description has the largest length
_COPY_PAGE: Final = 500
# Dates of a series: more than a year of evenings
SERIES_DATES_MAX: Final = 400
# Events whose words one transaction makes again: a megabyte, if every description has the largest length
INDEXED_MAX: Final = 50
# The words of a longer text are made in a thread: they take up to 0.1 s, which the event loop cannot wait
_INLINE_CHARACTERS_MAX: Final = 2_000


async def insert_event(
    tx: Connection,
    event_id: UUID,
    terms: EventTerms,
    place: VenueCopy,
    currency: str,
    now: datetime,
    *,
    sandbox: bool = False,
    series_id: UUID | None = None,
) -> None:
    """Write a new draft at a venue, whose row is locked. `terms` has start and end as instants."""
    await tx.execute(
        *sql.insert_event(
            event_id=event_id,
            organizer_id=place.organizer_id,
            currency=currency,
            sandbox=sandbox,
            series_id=series_id,
            now=now,
            **await _columns(terms, place, series_id),
        )
    )


async def update_event(
    tx: Connection, event_id: UUID, terms: EventTerms, place: VenueCopy, series_id: UUID | None
) -> None:
    """Write the terms of an event, with start and end as instants. If it moves, the venue's row is locked."""
    await tx.execute(*sql.update_event(event_id=event_id, **await _columns(terms, place, series_id)))


async def join_series(tx: Connection, event: Event, terms: EventTerms, series_id: UUID) -> None:
    """Make an event, whose row is locked, the first date of a series."""
    columns = await _columns(terms, event.place, series_id)
    await tx.execute(
        *sql.join_series(
            event_id=event.event_id,
            series_id=series_id,
            lexemes=columns["lexemes"],
            words_version=WORDS_VERSION,
        )
    )


async def list_dates(database: Database | Connection, series_id: UUID) -> list[Event]:
    """Return the dates of a series in every state, the soonest first."""
    rows = await database.fetch(*sql.list_dates(series_id=series_id, limit=SERIES_DATES_MAX))
    return [read_event(row) for row in rows]


async def set_picture(tx: Connection, event_id: UUID, image_url: str | None) -> None:
    """Write the picture of an event."""
    await tx.execute(*sql.set_picture(event_id=event_id, image_url=image_url))


async def list_shown(database: Database, addresses: Sequence[str]) -> set[str]:
    """Return those of these addresses of uploaded pictures that an event shows."""
    rows = await database.fetch(*sql.list_shown(addresses=addresses))
    return {row["image_url"] for row in rows}


async def mark_published(tx: Connection, event_id: UUID, now: datetime) -> None:
    """Write that a draft is published."""
    await tx.execute(*sql.publish_event(event_id=event_id, now=now))


async def mark_cancelled(tx: Connection, event_id: UUID, now: datetime, reason: str = "") -> None:
    """Write that a published event is cancelled, and why."""
    await tx.execute(*sql.cancel_event(event_id=event_id, now=now, reason=reason or None))


async def note_change(
    tx: Connection,
    event_id: UUID,
    lowest_price_minor: int | None,
    now: datetime,
    *,
    seated: bool,
    versions: int = 1,
) -> Event:
    """Write a new version of an event after it or its sale changed, with what lists filter by; return it."""
    await tx.execute(
        *sql.note_change(
            event_id=event_id,
            lowest_price_minor=lowest_price_minor,
            seated=seated,
            now=now,
            versions=versions,
        )
    )
    return _found(await tx.fetchrow(*sql.find_events(event_ids=[event_id])))


async def note_editor(tx: Connection, event_id: UUID, editor_id: UUID) -> None:
    """Write who made the newest version of an event, in the transaction that made it."""
    await tx.execute(*sql.note_editor(event_id=event_id, editor_id=editor_id))


async def find_last_edit(database: Database, event_id: UUID) -> LastEdit:
    """Return who made the newest version of an event, and when."""
    row = await database.fetch_row(*sql.find_last_edit(event_id=event_id))
    return LastEdit(None, None) if row is None else LastEdit(*row.values())


async def delete_event(tx: Connection, event_id: UUID) -> None:
    """Delete a draft with its sale."""
    await tx.execute(*sql.delete_event(event_id=event_id))


async def delete_sandbox(tx: Connection, event_id: UUID) -> None:
    """Delete a sandbox event, of which nothing is sold any more, with its sale."""
    await tx.execute(*sql.delete_sandbox(event_id=event_id))


async def lock_event(tx: Connection, event_id: UUID) -> Event:
    """Return an event and lock it until the transaction ends. Refuses `not-found`."""
    return _found(await tx.fetchrow(*sql.lock_event(event_id=event_id)))


async def lock_events_ahead(tx: Connection, venue_id: UUID, after: datetime, limit: int) -> list[Event]:
    """Return some events at a venue that are not cancelled and end after an instant, locked."""
    there = await tx.fetch(*sql.list_events_ahead(venue_id=venue_id, after=after, limit=limit))
    event_ids = [row["event_id"] for row in there]
    rows = await lock_by_event(tx, sql.lock_events_ahead, event_ids, venue_id=venue_id, after=after)
    return [read_event(row) for row in rows]


async def copy_venue(tx: Connection, place: VenueCopy, now: datetime) -> None:
    """Copy a changed venue to its events, page by page. In another time zone, their wall times stay."""
    after = NO_ID
    while there := await tx.fetch(
        *sql.list_events_of_venue(venue_id=place.venue_id, after=after, limit=_COPY_PAGE)
    ):
        after = there[-1]["event_id"]
        event_ids = [row["event_id"] for row in there]
        rows = await lock_by_event(tx, sql.lock_events_of_venue, event_ids, venue_id=place.venue_id)
        lexemes = await asyncio.to_thread(_list_lexemes, rows, place)
        times = [
            keep_wall_times(row["starts_at"], row["ends_at"], ZoneInfo(row["time_zone"]), place.zone)
            for row in rows
        ]
        await tx.execute(
            *sql.update_venue_copies(
                venue_name=place.venue_name,
                city=place.city,
                time_zone=place.time_zone,
                now=now,
                event_ids=[row["event_id"] for row in rows],
                starts_ats=[starts_at for starts_at, _ in times],
                ends_ats=[ends_at for _, ends_at in times],
                lexemes=lexemes,
                words_version=WORDS_VERSION,
            )
        )


async def remake_words(database: Database) -> bool:
    """Make the words of some events again that an older version made; return whether there may be more."""
    async with database.transaction() as tx:
        after, rows = NO_ID, list[Record]()
        while not rows and (
            older := await tx.fetch(*sql.list_words_to_remake(after=after, limit=INDEXED_MAX))
        ):
            after = older[-1]["event_id"]
            rows = await lock_by_event(tx, sql.lock_outdated_words, [row["event_id"] for row in older])
        if rows:
            await tx.execute(
                *sql.update_words(
                    event_ids=[row["event_id"] for row in rows],
                    lexemes=await asyncio.to_thread(_list_lexemes, rows),
                    words_version=WORDS_VERSION,
                )
            )
    return len(older) == INDEXED_MAX


async def get_event(database: Database, event_id: UUID) -> Event:
    """Return an event in any state. Refuses `not-found`."""
    return _found(await database.fetch_row(*sql.find_events(event_ids=[event_id])))


async def find_events(database: Database | Connection, event_ids: Iterable[UUID]) -> dict[UUID, Event]:
    """Return the events that exist, by id."""
    return {
        row["event_id"]: read_event(row)
        for row in await database.fetch(*sql.find_events(event_ids=list(event_ids)))
    }


async def find_titled(
    database: Database, organizer_id: UUID, words: Sequence[str], now: datetime, limit: int
) -> list[Event]:
    """Return events of an organizer whose titles contain all words: those ahead first, the soonest first."""
    patterns = [f"%{_LIKE.sub(_ESCAPED, word)}%" for word in words]
    query = sql.find_titled(organizer_id=organizer_id, patterns=patterns, now=now, limit=limit)
    return [read_event(row) for row in await database.fetch(*query)]


async def list_events_to_remind(
    database: Database, since: datetime | None, now: datetime
) -> list[tuple[UUID, datetime, datetime]]:
    """Return published events that have not begun and whose buyers are due to be reminded, with two instants.

    These are the start, and when the reminder came due: at noon on the day before, on the clocks at the
    venue. `since`: only those that came due after it.
    """
    rows = await database.fetch(*sql.list_to_remind(since=since, now=now, ahead=_REMINDED_AHEAD))
    return [(row["event_id"], row["starts_at"], row["remind_at"]) for row in rows]


def read_event(row: Record) -> Event:
    """Return the event of a row."""
    return msgspec.convert({name: row[name] for name in Event.__struct_fields__}, Event)


def _found(row: Record | None) -> Event:
    if row is None:
        raise Refused(CommonRefusal.NOT_FOUND, "event")
    return read_event(row)


async def _columns(terms: EventTerms, place: VenueCopy, series_id: UUID | None) -> dict[str, object]:
    texts = (terms.title, terms.description, terms.category, terms.tags)
    where = (place.organizer_id, series_id, place.venue_name, place.city)
    if len(terms.description) <= _INLINE_CHARACTERS_MAX:
        lexemes = _lexemes(*texts, *where)
    else:
        lexemes = await asyncio.to_thread(_lexemes, *texts, *where)
    return {
        **{name: getattr(terms, name) for name in _WRITTEN},
        "venue_id": place.venue_id,
        "venue_name": place.venue_name,
        "city": place.city,
        "time_zone": place.time_zone,
        "lexemes": lexemes,
        "words_version": WORDS_VERSION,
    }


def _list_lexemes(rows: Sequence[Record], place: VenueCopy | None = None) -> list[str]:
    """Return the lexemes of each event; those of `place` instead of its venue, if it is given."""
    return [
        " ".join(
            _lexemes(
                *(row["title"], row["description"], row["category"], row["tags"]),
                *(row["organizer_id"], row["series_id"]),
                *((place.venue_name, place.city) if place else (row["venue_name"], row["city"])),
            )
        )
        for row in rows
    ]


def _lexemes(  # the columns of an event of which its words consist
    title: str,
    description: str,
    category: str,
    tags: Iterable[str],
    organizer_id: UUID,
    series_id: UUID | None,
    venue_name: str,
    city: str,
) -> list[str]:
    facets = {
        "city": [city],
        "category": [category],
        "tag": tags,
        "organizer": [organizer_id.hex],
        "series": [] if series_id is None else [series_id.hex],
    }
    return lexemes_of(title, [description, venue_name, city, *tags], facets)
