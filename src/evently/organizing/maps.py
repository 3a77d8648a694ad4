"""An event's copy of a seat map, with its zones: taken once, so that the map may go on changing."""

from __future__ import annotations

from uuid import UUID

from evently import seating
from evently.catalogue import Complaints
from evently.db import Connection
from evently.organizing.zones import SeatingDraft, SeatNames, check_zones
from evently.sales.terms import Seating


async def copy_map(
    tx: Connection,
    complaints: Complaints,
    pointer: str,
    draft: SeatingDraft,
    venue_id: UUID,
    present: Seating | None = None,
) -> Seating | None:
    """Return the seats of an event at a venue as its organizer wants them; or note what is wrong with that, which may come to nothing.

    The names of the zones have been looked at before.
    """
    found = await _find_layout(tx, draft, venue_id, present)
    if found is None:
        complaints.about(
            f"{pointer}/seat_map_id", "There is no such seat map of this venue, or no such version of it."
        )
        return None
    digest, layout = found
    zone_of = check_zones(complaints, pointer, draft.zones, SeatNames(layout))
    return Seating(digest, layout, tuple(zone.name for zone in draft.zones), zone_of)


async def _find_layout(
    tx: Connection, draft: SeatingDraft, venue_id: UUID, present: Seating | None
) -> tuple[str, bytes] | None:
    """Return digest and layout of the map that is meant."""
    if draft.seat_map_id is None:
        return None if present is None else (present.digest, present.layout)
    found = await seating.find_seat_map(tx, draft.seat_map_id, draft.version)
    return None if found is None or found.venue_id != venue_id else (found.digest, found.layout)
