"""Venues: create, change, list.

A change of a venue changes the copy on its events, in the same transaction. `organizing` changes the time
zone of a venue, because it moves the events that take place there, and their sales.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from evently.catalogue import events
from evently.catalogue.checks import check_venue
from evently.catalogue.nouns import LastEdit, Seen, Venue, VenueChanges, VenueTerms
from evently.db import Connection, Database, Record, load_queries
from evently.kit.complaints import Complaints
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import new_id
from evently.kit.shapes import fields_set

sql: Final = load_queries(__name__)


async def create_venue(
    tx: Connection, organizer_id: UUID, terms: VenueTerms, now: datetime, venue_id: UUID | None = None
) -> Venue:
    """Create a venue of an organizer. Refuses `invalid` with every wrong field."""
    complaints = Complaints()
    complaints.check("", terms)
    check_venue(complaints, terms)
    complaints.refuse_if_any()
    made = venue_id or new_id()
    await tx.execute(*sql.insert_venue(venue_id=made, organizer_id=organizer_id, now=now, **_fields(terms)))
    return _venue(await tx.fetchrow(*sql.find_venue(venue_id=made)))


async def lock_venue(
    tx: Connection, venue_id: UUID, changes: VenueChanges, seen: Seen
) -> tuple[Venue, VenueTerms]:
    """Return a venue, locked, and its terms after the changes.

    Refuses `not-found`, `invalid`, and whatever `seen` refuses.
    """
    venue = _venue(await tx.fetchrow(*sql.lock_venue(venue_id=venue_id)))
    seen(venue.version)
    terms = VenueTerms(**{**_fields(venue), **fields_set(changes)})
    complaints = Complaints()
    complaints.check("", changes)
    check_venue(complaints, terms)
    complaints.refuse_if_any()
    return venue, terms


async def update_venue(
    tx: Connection, venue: Venue, terms: VenueTerms, now: datetime, editor_id: UUID | None = None
) -> Venue:
    """Write the terms of a venue that is locked, and its copy on its events. Equal terms change nothing."""
    if _fields(terms) == _fields(venue):
        return venue
    await tx.execute(
        *sql.update_venue(venue_id=venue.venue_id, editor_id=editor_id, now=now, **_fields(terms))
    )
    changed = _venue(await tx.fetchrow(*sql.find_venue(venue_id=venue.venue_id)))
    await events.copy_venue(tx, changed.place, now)
    return changed


async def share_venue(tx: Connection, venue_id: UUID, organizer_id: UUID) -> Venue | None:
    """Return a venue of this organizer, to copy it to an event in this transaction; None without one."""
    row = await tx.fetchrow(*sql.share_venue(venue_id=venue_id))
    return Venue(*row.values()) if row is not None and row["organizer_id"] == organizer_id else None


async def get_venue(database: Database, venue_id: UUID) -> Venue:
    """Return a venue. Refuses `not-found`."""
    return _venue(await database.fetch_row(*sql.find_venue(venue_id=venue_id)))


async def find_last_edit_of_venue(database: Database, venue_id: UUID) -> LastEdit:
    """Return who changed a venue last, and when."""
    row = await database.fetch_row(*sql.find_last_edit(venue_id=venue_id))
    return LastEdit(None, None) if row is None else LastEdit(*row.values())


async def list_venues(database: Database, organizer_id: UUID, limit: int, after: str | None) -> Page[Venue]:
    """Return a page of an organizer's venues, newest first."""
    position = None if after is None else read_cursor(after, tuple[UUID])[0]
    rows = await database.fetch(*sql.list_venues(organizer_id=organizer_id, after=position, limit=limit + 1))
    venues = [Venue(*row.values()) for row in rows[:limit]]
    return Page(venues, write_cursor((venues[-1].venue_id,)) if len(rows) > limit else None)


def _venue(row: Record | None) -> Venue:
    if row is None:
        raise Refused(CommonRefusal.NOT_FOUND, "venue")
    return Venue(*row.values())


def _fields(terms: VenueTerms | Venue) -> dict[str, str]:
    return {name: getattr(terms, name) for name in VenueTerms.__struct_fields__}
