"""Changes of a venue. One of its time zone moves the events that take place there, and their sales."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from evently import catalogue
from evently.catalogue import CatalogueRefusal, Event, Seen, Venue, VenueChanges, whichever_version
from evently.db import Connection
from evently.kit.errors import FieldError, Invalid, Refused
from evently.kit.shapes import fields_set
from evently.organizing.edits import edit_times
from evently.organizing.events import follow
from evently.sales.reads import read_sale

# Events ahead that one change of a time zone moves: each has its sale changed, in ten milliseconds
EVENTS_MOVED_MAX: Final = 200
_ZONES_APART_MAX: Final = timedelta(hours=26)  # the time zones that are furthest apart


class VenueMove(NamedTuple):
    """An event before its venue gets another time zone, and its start and end afterwards."""

    event: Event
    starts_at: datetime
    ends_at: datetime


class ChangedVenue(NamedTuple):
    """A venue after a change, and the events that the change moves."""

    venue: Venue
    moves: list[VenueMove]


async def change_venue(
    tx: Connection,
    venue_id: UUID,
    changes: VenueChanges,
    now: datetime,
    seen: Seen = whichever_version,
    *,
    dry_run: bool | None = None,
    editor_id: UUID | None = None,
) -> ChangedVenue:
    """Change a venue, and its copy on its events. Another time zone keeps their wall times.

    `dry_run`: change nothing, and return what would be. None: refuse a change that moves events ahead.

    Refuses `not-found`, `venue-in-use`, `invalid`, and whatever `seen` refuses.
    """
    venue, terms = await catalogue.lock_venue(tx, venue_id, changes, seen)
    moves: list[VenueMove] = []
    if terms.time_zone != venue.time_zone:
        moves = await _lock_moves(tx, venue, ZoneInfo(terms.time_zone), now)
    if moves and dry_run is None:
        raise Refused(CatalogueRefusal.VENUE_IN_USE, "moves", count=len(moves), time_zone=terms.time_zone)
    if dry_run:
        return ChangedVenue(replace(venue, **fields_set(changes)), moves)
    # After this point the change must succeed, unless a sale would end before it begins.
    changed = await catalogue.update_venue(tx, venue, terms, now, editor_id)
    for move in moves:
        await _change_sale(tx, move, now)
    return ChangedVenue(changed, moves)


async def _lock_moves(tx: Connection, venue: Venue, zone: ZoneInfo, now: datetime) -> list[VenueMove]:
    """Return the events ahead of a venue, locked, that another time zone moves: at most EVENTS_MOVED_MAX."""
    events = await catalogue.lock_events_ahead(
        tx, venue.venue_id, now - _ZONES_APART_MAX, EVENTS_MOVED_MAX + 1
    )
    if len(events) > EVENTS_MOVED_MAX:
        raise Refused(CatalogueRefusal.VENUE_IN_USE, "too_many", count_max=EVENTS_MOVED_MAX)
    moves = [
        VenueMove(event, *catalogue.keep_wall_times(event.starts_at, event.ends_at, venue.place.zone, zone))
        for event in events
    ]
    return [
        move
        for move in moves
        if (move.starts_at, move.ends_at) != (move.event.starts_at, move.event.ends_at)
        and max(move.ends_at, move.event.ends_at) > now
    ]


async def _change_sale(tx: Connection, move: VenueMove, now: datetime) -> None:
    """Move the end of an event's sale with the event: at its start, at its end, or stay."""
    event, starts_at, ends_at = move
    sale = await read_sale(tx, event.event_id)
    off_sale_at = min(follow(sale.off_sale_at, event, starts_at, ends_at), ends_at)
    if off_sale_at <= sale.on_sale_at:
        raise Invalid([FieldError("/time_zone", "sale-would-end-first", {"event": event.title})])
    after = replace(event, starts_at=starts_at)
    await edit_times(tx, event, sale, after, (sale.on_sale_at, off_sale_at), now)
