"""Where the rows of events are: on one server, or spread over the nodes of a cluster (Citus) by `event_id`.

The same statements run on both. On a cluster two things differ: statements name their events once more where
they join arrays (`routed` in a `.sql` file), and rows are locked event by event.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

import asyncpg

from evently.db.queries import Query, load_queries, placement

sql: Final = load_queries(__name__)


class Source(Protocol):
    """What rows are read from: a database, or one of its connections."""

    def fetch(self, query: str, /, *values: Any) -> Awaitable[list[asyncpg.Record]]:
        """Return the rows of a statement."""


async def find_placement(connection: Source) -> None:
    """Find out whether the database of this process is one of a cluster.

    Its extension is enough: a database that has it, and does not spread its tables, locks event by event as
    well as any other.
    """
    (row,) = await connection.fetch(*sql.find_cluster())
    placement.is_spread = row["is_cluster"]


async def lock_by_event(
    source: Source, query: Query, event_ids: Sequence[UUID], **values: object
) -> list[asyncpg.Record]:
    """Lock rows of some events in the order of their keys, and return them.

    In one statement; on a cluster in one for each event, because it refuses to lock rows of several shards.
    The order is the same, so two transactions never wait for each other in a circle.
    """
    if not placement.is_spread:
        return await source.fetch(*query(event_ids=event_ids, **values))
    rows: list[asyncpg.Record] = []
    for event_id in sorted(set(event_ids)):
        rows += await source.fetch(*query(event_ids=[event_id], **values))
    return rows
