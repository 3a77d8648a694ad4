"""An event's copy of a seat map, with its zones. Later changes of the map do not change the copy."""

from __future__ import annotations

import asyncio
from uuid import UUID

from evently import seating
from evently.db import Connection
from evently.kit.complaints import Complaints
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
    """Return the seats and zones of an event at a venue, or note what is wrong with the draft.

    None: the map was not found. The caller has checked the names of the zones.
    """
    found = await _find_layout(tx, draft, venue_id, present)
    if found is None:
        complaints.about(f"{pointer}/seat_map_id", "unknown-seat-map")
        return None
    digest, layout = found
    # In a thread: the names of 100,000 seats take longer than others may wait for the event loop
    zone_of = await asyncio.to_thread(_divide, complaints, pointer, draft, layout, digest)
    return Seating(digest, layout, tuple(zone.name for zone in draft.zones), zone_of)


def _divide(complaints: Complaints, pointer: str, draft: SeatingDraft, layout: bytes, digest: str) -> bytes:
    """Return the zones, and build the plan, which the sale needs next."""
    seating.plan_of(layout, digest)
    return check_zones(complaints, pointer, draft.zones, SeatNames(layout))


async def _find_layout(
    tx: Connection, draft: SeatingDraft, venue_id: UUID, present: Seating | None
) -> tuple[str, bytes] | None:
    """Return digest and layout of the map that the draft names."""
    if draft.seat_map_id is None:
        return None if present is None else (present.digest, present.layout)
    found = await seating.find_seat_map(tx, draft.seat_map_id, draft.version)
    return None if found is None or found.venue_id != venue_id else (found.digest, found.layout)
