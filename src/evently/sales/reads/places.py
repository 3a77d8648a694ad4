"""How full an event is: the places of its pools, each counted once.

A pool that only limits a part of another pool has no places of its own: 100 early birds in a hall of 500 are
500 places. It is such a part when every ticket type that draws on it also draws on the other pool. A pool of
add-ons alone has none either: a locker is not a place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple
from uuid import UUID

from evently.db import Connection, Database, load_queries
from evently.sales.rules.state import Sale

sql: Final = load_queries(__name__)


class Places(NamedTuple):
    """The places of an event: held + sold + set_aside <= capacity."""

    capacity: int = 0
    held: int = 0
    sold: int = 0
    set_aside: int = 0

    @property
    def available(self) -> int:
        """How many are left."""
        return self.capacity - self.held - self.sold - self.set_aside


class CountedPool(NamedTuple):
    """A pool with its counters, and the ticket types that draw on it; `for_add_ons`: only add-ons do."""

    pool_id: UUID
    places: Places
    ticket_type_ids: frozenset[UUID]
    for_add_ons: bool = False


async def list_places(database: Database | Connection, event_ids: Sequence[UUID]) -> dict[UUID, Places]:
    """Return the places of these events; an event without a pool is absent."""
    rows = await database.fetch(*sql.list_pools(event_ids=list(event_ids)))
    return {
        event_id: count_places(
            CountedPool(
                row["pool_id"],
                Places(row["capacity"], row["held"], row["sold"], row["set_aside"]),
                frozenset(row["ticket_type_ids"]),
                row["for_add_ons"],
            )
            for row in group
        )
        for event_id, group in groupby(rows, key=itemgetter("event_id"))
    }


def places_of(sale: Sale) -> Places:
    """Return the places of a sale that was read."""
    drawn_on = {
        pool_id: [terms for terms in sale.ticket_types.values() if pool_id in terms.pool_ids]
        for pool_id in sale.pools
    }
    return count_places(
        CountedPool(
            pool.pool_id,
            Places(pool.capacity, pool.held, pool.sold, pool.set_aside),
            frozenset(terms.ticket_type_id for terms in drawn_on[pool.pool_id]),
            bool(drawn_on[pool.pool_id]) and all(terms.needed_ids for terms in drawn_on[pool.pool_id]),
        )
        for pool in sale.pools.values()
    )


def count_places(pools: Iterable[CountedPool]) -> Places:
    """Return the sum of the pools that are not part of another one."""
    counted = [pool for pool in pools if not pool.for_add_ons]
    whole = [pool.places for pool in counted if not any(_is_part(pool, other) for other in counted)]
    return Places(*(sum(values) for values in zip(*whole, strict=True)))


def _is_part(pool: CountedPool, other: CountedPool) -> bool:
    """Return whether every ticket of a pool takes a place of another one. Of two equal pools, one is."""
    if pool.pool_id == other.pool_id:
        return False
    if pool.ticket_type_ids == other.ticket_type_ids:
        return (pool.places.capacity, pool.pool_id) > (other.places.capacity, other.pool_id)
    return pool.ticket_type_ids < other.ticket_type_ids
