"""The seat maps of venues. A version never changes.

An event has a copy of its version, so a new version affects no event.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from evently.db import Connection, Database, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import new_id
from evently.seating.seatmap import SeatMap, canonical, digest_of

sql: Final = load_queries(__name__)


class SeatMapVersion(msgspec.Struct, frozen=True):
    """A version of a seat map, without its layout."""

    seat_map_id: UUID
    version: int
    venue_id: UUID
    organizer_id: UUID
    name: str
    digest: str
    seats: int
    created_at: datetime


class StoredSeatMap(SeatMapVersion, frozen=True):
    """A version of a seat map. `layout` is its canonical JSON."""

    layout: bytes


async def add_seat_map(
    tx: Connection, organizer_id: UUID, venue_id: UUID, seat_map: SeatMap, now: datetime
) -> SeatMapVersion:
    """Add a seat map to a venue."""
    digest, packed = await asyncio.to_thread(_packed, seat_map)
    seats = sum(1 for _ in seat_map.seats())
    added = SeatMapVersion(
        seat_map_id=new_id(),
        version=1,
        venue_id=venue_id,
        organizer_id=organizer_id,
        name=seat_map.name,
        digest=digest,
        seats=seats,
        created_at=now,
    )
    await _insert(tx, added, packed)
    return added


async def add_version(
    tx: Connection,
    seat_map_id: UUID,
    seat_map: SeatMap,
    now: datetime,
    seen: Callable[[int], None] = lambda _latest: None,
) -> SeatMapVersion:
    """Add the next version of a seat map; a map equal to the latest version adds none.

    `seen` gets the number of the latest version, and may refuse. Refuses with `not-found`.
    """
    row = await tx.fetchrow(*sql.lock_latest(seat_map_id=seat_map_id))
    if row is None:
        raise Refused(CommonRefusal.NOT_FOUND, "seat_map")
    latest = SeatMapVersion(**row)
    seen(latest.version)
    digest, packed = await asyncio.to_thread(_packed, seat_map)
    if digest == latest.digest:
        return latest
    seats = sum(1 for _ in seat_map.seats())
    changes: dict[str, Any] = {
        "version": latest.version + 1,
        "digest": digest,
        "seats": seats,
        "name": seat_map.name,
    }
    added = msgspec.structs.replace(latest, created_at=now, **changes)
    await _insert(tx, added, packed)
    return added


async def find_seat_map(
    tx: Connection, seat_map_id: UUID, version: int | None = None
) -> StoredSeatMap | None:
    """Return a version of a seat map, by default the latest; None when it does not exist."""
    row = await tx.fetchrow(*sql.find_version(seat_map_id=seat_map_id, version=version))
    if row is None:
        return None
    known = dict(row)
    return StoredSeatMap(**known | {"layout": await asyncio.to_thread(zlib.decompress, known["layout"])})


async def get_seat_map(database: Database, seat_map_id: UUID, version: int | None = None) -> StoredSeatMap:
    """Return a version of a seat map, by default the latest. Refuses with `not-found`."""
    async with database.snapshot() as snapshot:
        found = await find_seat_map(snapshot, seat_map_id, version)
    if found is None:
        raise Refused(CommonRefusal.NOT_FOUND, "seat_map_version")
    return found


async def get_owner(database: Database, seat_map_id: UUID) -> UUID:
    """Return the organizer that owns a seat map. Refuses with `not-found`."""
    row = await database.fetch_row(*sql.find_owner(seat_map_id=seat_map_id))
    if row is None:
        raise Refused(CommonRefusal.NOT_FOUND, "seat_map")
    owner: UUID = row["organizer_id"]
    return owner


async def list_digests(snapshot: Connection, seat_map_id: UUID) -> list[str]:
    """Return the digests of all versions of a seat map."""
    return [row["digest"] for row in await snapshot.fetch(*sql.list_digests(seat_map_id=seat_map_id))]


async def list_seat_maps(
    database: Database, venue_id: UUID, limit: int, after: str | None
) -> Page[SeatMapVersion]:
    """Return a page of the seat maps of a venue, each in its latest version, oldest first."""
    position = None if after is None else read_cursor(after, tuple[UUID])[0]
    rows = await database.fetch(*sql.list_of_venue(venue_id=venue_id, after=position, limit=limit + 1))
    page = [SeatMapVersion(**row) for row in rows[:limit]]
    return Page(page, write_cursor((page[-1].seat_map_id,)) if len(rows) > limit else None)


def _packed(seat_map: SeatMap) -> tuple[str, bytes]:
    """Return the digest and the compressed layout of a map: in a thread, for a large map takes a second."""
    layout = canonical(seat_map)
    return digest_of(layout), zlib.compress(layout)


async def _insert(tx: Connection, added: SeatMapVersion, packed: bytes) -> None:
    await tx.execute(*sql.add_version(**msgspec.structs.asdict(added), layout=packed))
