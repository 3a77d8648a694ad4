"""The seats of an event: its copy of a seat map with zones, and the blocked seats.

No edit changes a seat that is taken.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from uuid import UUID

from evently.catalogue import Seen, whichever_version
from evently.db import Connection
from evently.kit.complaints import Complaints
from evently.kit.errors import Refused
from evently.kit.visible import fold_name
from evently.organizing.edits import Edited, lock_changeable, lock_for_edit, write_version
from evently.organizing.maps import copy_map
from evently.organizing.zones import (
    SeatChoice,
    SeatingDraft,
    SeatNames,
    ZoneDraft,
    ZonePainting,
    check_zone_names,
    seats_by_zone,
)
from evently.sales import carry_out
from evently.sales.commands.sale_terms import PutPool
from evently.sales.commands.seats import BlockSeats, PutSeating, UnblockSeats
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import Sale, read_seating
from evently.sales.terms import PoolTerms, Seating


async def put_seating(
    tx: Connection, event_id: UUID, draft: SeatingDraft, now: datetime, seen: Seen = whichever_version
) -> Edited:
    """Set the seats of an event, or divide them into other zones.

    Refuses `seats-in-use` if a seat that may have been sold would change.

    A pool with the name of a zone that had one unit for each of its seats still has so afterwards.
    """
    event, sale = await lock_for_edit(tx, event_id, seen)
    before = await read_seating(tx, event_id)
    complaints = Complaints()
    complaints.check("", draft)
    check_zone_names(complaints, "", draft.zones)
    after = await copy_map(tx, complaints, "", draft, event.venue_id, before)
    complaints.refuse_if_any()
    assert after is not None, "it was complained about"
    if after == before:
        return Edited(event, sale)
    _, sale = await carry_out(tx, PutSeating(event_id, after), now, known=sale)
    for pool in _resized(sale, before, after):
        _, sale = await carry_out(tx, PutPool(event_id, pool), now, known=sale)
    return await write_version(tx, sale, now)


async def paint_seats(
    tx: Connection, event_id: UUID, painting: ZonePainting, now: datetime, seen: Seen = whichever_version
) -> Edited:
    """Move chosen seats to a zone, which may be new, or take them out of all zones.

    Zones without seats end. Refuses `seats-in-use` like `put_seating`, and `not-seated`.
    """
    event = await lock_changeable(tx, event_id, seen)
    before = await read_seating(tx, event_id)
    if before is None:
        raise Refused(SalesRefusal.NOT_SEATED, "general_admission")
    if painting.zone is not None:
        complaints = Complaints()
        complaints.check("", painting)
        complaints.refuse_if_any()
    draft = await asyncio.to_thread(_painted, before, painting)
    return await put_seating(tx, event.event_id, draft, now)


async def block_seats(tx: Connection, event_id: UUID, choice: SeatChoice, now: datetime) -> Edited:
    """Block free seats: they are not for sale.

    All or none: refuses `seat-taken`. The version of the event stays, so no other edit becomes stale.
    """
    event = await lock_changeable(tx, event_id)
    seats = await choose_seats(tx, event_id, choice)
    return Edited(event, (await carry_out(tx, BlockSeats(event_id, seats), now)).sale)


async def unblock_seats(tx: Connection, event_id: UUID, choice: SeatChoice, now: datetime) -> Edited:
    """Sell blocked seats again; chosen seats that are not blocked stay as they are."""
    event = await lock_changeable(tx, event_id)
    seats = await choose_seats(tx, event_id, choice)
    return Edited(event, (await carry_out(tx, UnblockSeats(event_id, seats), now)).sale)


async def choose_seats(tx: Connection, event_id: UUID, choice: SeatChoice) -> tuple[str, ...]:
    """Return the ids of chosen seats. Refuses `not-seated`, `invalid`."""
    seating = await read_seating(tx, event_id)
    if seating is None:
        raise Refused(SalesRefusal.NOT_SEATED, "general_admission")
    return await asyncio.to_thread(_seats_of, seating.layout, choice)


def _seats_of(layout: bytes, choice: SeatChoice) -> tuple[str, ...]:
    """Return the ids of the chosen seats: in a thread, for there may be 100,000."""
    complaints = Complaints()
    if choice.is_empty():
        complaints.about("", "no-seats-named")
    names = SeatNames(layout)
    numbers = {number for _, some in names.find(complaints, "", choice) for number in some}
    complaints.refuse_if_any()
    return tuple([names.ids[number] for number in sorted(numbers)])


def _painted(before: Seating, painting: ZonePainting) -> SeatingDraft:
    """Return the zones after chosen seats were moved: in a thread, for there may be 100,000."""
    chosen = set(
        _seats_of(
            before.layout,
            SeatChoice(**{name: getattr(painting, name) for name in SeatChoice.__struct_fields__}),
        )
    )
    seats: dict[str, list[str]] = {zone: [] for zone in before.zones}
    zone = None if painting.zone is None else painting.zone.strip()
    if zone is not None:
        # A zone is known by its name, however its letters are written
        zone = next((each for each in before.zones if fold_name(each) == fold_name(zone)), zone)
        seats.setdefault(zone, [])
    for seat_id, index in zip(SeatNames(before.layout).ids, before.zone_of, strict=True):
        if seat_id in chosen:
            if zone is not None:
                seats[zone].append(seat_id)
        elif index < len(before.zones):
            seats[before.zones[index]].append(seat_id)
    return SeatingDraft(
        zones=tuple([ZoneDraft(name=name, seats=tuple(ids)) for name, ids in seats.items() if ids])
    )


def _resized(sale: Sale, before: Seating | None, after: Seating) -> list[PoolTerms]:
    """Return the pools whose capacity follows the number of seats of their zone."""
    earlier, seats = {} if before is None else seats_by_zone(before), seats_by_zone(after)
    return [
        PoolTerms(pool.pool_id, pool.name, seats[pool.name])
        for pool in sale.pools.values()
        if pool.name in seats and pool.capacity == earlier.get(pool.name) != seats[pool.name]
    ]
