"""The seat maps of a venue. A version never changes."""

from __future__ import annotations

import pytest

from evently import seating
from evently.db import Database
from evently.kit.errors import Refused
from evently.kit.ids import new_id
from evently.seating.generate import theatre
from tests.support.catalogue import NOW, make_organizer, make_venue


async def test_versions_of_a_map(db: Database) -> None:
    venue = await make_venue(db, await make_organizer(db))
    small, large = theatre(200), theatre(300)
    async with db.transaction() as tx:
        first = await seating.add_seat_map(tx, venue.organizer_id, venue.venue_id, small, NOW)
        assert await seating.add_version(tx, first.seat_map_id, small, NOW) == first, (
            "the same content is the same version"
        )
        second = await seating.add_version(tx, first.seat_map_id, large, NOW)
        other = await seating.add_seat_map(tx, venue.organizer_id, venue.venue_id, large, NOW)
    assert (first.version, first.seats, second.version, second.seats) == (1, 200, 2, 300)
    assert second.digest == other.digest
    assert (await seating.get_seat_map(db, first.seat_map_id)).version == 2
    assert seating.decode_map((await seating.get_seat_map(db, first.seat_map_id, 1)).layout) == small
    page = await seating.list_seat_maps(db, venue.venue_id, 1, None)
    assert page.data == [second]
    assert (await seating.list_seat_maps(db, venue.venue_id, 1, page.next_cursor)).data == [other]


async def test_what_is_not_there(db: Database) -> None:
    with pytest.raises(Refused, match="not-found"):
        await seating.get_seat_map(db, new_id())
    async with db.transaction() as tx:
        with pytest.raises(Refused, match="not-found"):
            await seating.add_version(tx, new_id(), theatre(200), NOW)
