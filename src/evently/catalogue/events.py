"""Events: draft -> published -> cancelled.

This module keeps what people read; `organizing` changes it together with what is sold.

The writing functions expect the event's row to be locked by `lock_event` in the same transaction, and decide
nothing: the verbs do.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from evently.catalogue.nouns import Event, EventTerms, VenueCopy
from evently.catalogue.words import lexemes_of
from evently.db import Connection, Database, Record, load_queries
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import NO_ID

sql: Final = load_queries(__name__)

# Events renamed at once: ten megabytes where every description is as long as it may be
_COPY_PAGE: Final = 500


async def insert_event(
    tx: Connection,
    event_id: UUID,
    terms: EventTerms,
    place: VenueCopy,
    currency: str,
    now: datetime,
    *,
    sandbox: bool = False,
) -> None:
    """Write a new draft at a venue, which is shared. The times of `terms` are instants."""
    await tx.execute(
        *sql.insert_event(
            event_id=event_id,
            organizer_id=place.organizer_id,
            currency=currency,
            sandbox=sandbox,
            now=now,
            **_columns(terms, place),
        )
    )


async def update_event(tx: Connection, event_id: UUID, terms: EventTerms, place: VenueCopy) -> None:
    """Write what an event says about itself; where it moves, the venue is shared.

    The times of `terms` are instants.
    """
    await tx.execute(*sql.update_event(event_id=event_id, **_columns(terms, place)))


async def mark_published(tx: Connection, event_id: UUID, now: datetime) -> None:
    """Write that a draft is published."""
    await tx.execute(*sql.publish_event(event_id=event_id, now=now))


async def mark_cancelled(tx: Connection, event_id: UUID, now: datetime) -> None:
    """Write that a published event is cancelled."""
    await tx.execute(*sql.cancel_event(event_id=event_id, now=now))


async def note_change(
    tx: Connection, event_id: UUID, lowest_price_minor: int | None, now: datetime, *, versions: int = 1
) -> Event:
    """Write a new version of an event that changed, or whose sale did, with its lowest price; return the event."""
    await tx.execute(
        *sql.note_change(event_id=event_id, lowest_price_minor=lowest_price_minor, now=now, versions=versions)
    )
    return _found(await tx.fetchrow(*sql.find_events(event_ids=[event_id])))


async def delete_event(tx: Connection, event_id: UUID) -> None:
    """Erase a draft, with its sale."""
    await tx.execute(*sql.delete_event(event_id=event_id))


async def lock_event(tx: Connection, event_id: UUID) -> Event:
    """Return an event that nobody else changes until the transaction ends; or refuse: not there."""
    return _found(await tx.fetchrow(*sql.lock_event(event_id=event_id)))


async def has_events(tx: Connection, venue_id: UUID) -> bool:
    """Return whether anything takes place at a venue."""
    return bool(await tx.fetchval(*sql.has_events(venue_id=venue_id)))


async def copy_venue(tx: Connection, place: VenueCopy, now: datetime) -> None:
    """Write a changed venue onto its events, page by page."""
    after = NO_ID
    while rows := await tx.fetch(
        *sql.lock_events_of_venue(venue_id=place.venue_id, after=after, limit=_COPY_PAGE)
    ):
        after = rows[-1]["event_id"]
        await tx.execute(
            *sql.update_venue_copies(
                venue_name=place.venue_name,
                city=place.city,
                time_zone=place.time_zone,
                now=now,
                event_ids=[row["event_id"] for row in rows],
                lexemes=[
                    " ".join(_lexemes(place, row["title"], row["description"], row["category"], row["tags"]))
                    for row in rows
                ],
            )
        )


async def get_event(database: Database, event_id: UUID) -> Event:
    """Return an event in whatever state, or refuse: not there."""
    return _found(await database.fetch_row(*sql.find_events(event_ids=[event_id])))


async def find_events(database: Database | Connection, event_ids: Iterable[UUID]) -> dict[UUID, Event]:
    """Return those of the events that are there, by id."""
    return {
        row["event_id"]: read_event(row)
        for row in await database.fetch(*sql.find_events(event_ids=list(event_ids)))
    }


def read_event(row: Record) -> Event:
    """Return the event in a row that has its columns."""
    return msgspec.convert({name: row[name] for name in Event.__struct_fields__}, Event)


def _found(row: Record | None) -> Event:
    if row is None:
        raise Refused(CommonRefusal.NOT_FOUND, "event")
    return read_event(row)


def _columns(terms: EventTerms, place: VenueCopy) -> dict[str, object]:
    return {
        **msgspec.structs.asdict(terms),
        "venue_id": place.venue_id,
        "venue_name": place.venue_name,
        "city": place.city,
        "time_zone": place.time_zone,
        "lexemes": _lexemes(place, terms.title, terms.description, terms.category, terms.tags),
    }


def _lexemes(place: VenueCopy, title: str, description: str, category: str, tags: Iterable[str]) -> list[str]:
    texts = [description, place.venue_name, place.city, *tags]
    facets = {
        "city": [place.city],
        "category": [category],
        "tag": tags,
        "organizer": [place.organizer_id.hex],
    }
    return lexemes_of(title, texts, facets)
