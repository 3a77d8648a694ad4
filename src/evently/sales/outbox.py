"""The journal as an outbox: rows whose facts have not had their effects yet.

For the relay, one process at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from evently.db import Connection, Database, load_queries
from evently.sales.facts import Fact, decode_facts

sql: Final = load_queries(__name__)


class JournalFacts(msgspec.Struct, frozen=True):
    """One journal row with its facts."""

    event_id: UUID
    seq: int
    at: datetime
    facts: list[Fact]


class Undelivered(msgspec.Struct, frozen=True):
    """A journal row as it is stored, so that one event's unreadable facts do not stop the others."""

    event_id: UUID
    seq: int
    at: datetime
    facts: bytes

    def read(self) -> JournalFacts:
        """Decode the facts. Raises `msgspec.ValidationError` for facts that this version does not know."""
        return JournalFacts(self.event_id, self.seq, self.at, decode_facts(self.facts))


async def list_undelivered(
    tx: Connection, limit: int, bytes_max: int, since: datetime | None = None, besides: Collection[UUID] = ()
) -> list[Undelivered]:
    """Return the oldest undelivered rows, except those of the events `besides`.

    Rows of one event come in the order of `seq`, without a gap. `bytes_max` limits the bytes of their facts,
    which is what decoding them costs; at least one row is returned. `since`: the caller knows of no older
    undelivered row, which saves the database from searching for one.
    """
    rows = await tx.fetch(
        *sql.list_undelivered(limit=limit, bytes_max=bytes_max, since=since, besides=list(besides))
    )
    return [Undelivered(event_id, seq, at, facts) for event_id, seq, at, facts in rows]


async def mark_delivered(tx: Connection, rows: Sequence[Undelivered], now: datetime) -> None:
    """Mark rows as delivered: their facts have had all their effects.

    The rows of an event must have no gap, as `list_undelivered` returns them.
    """
    firsts: dict[UUID, int] = {}
    lasts: dict[UUID, int] = {}
    for row in rows:
        firsts.setdefault(row.event_id, row.seq)
        lasts[row.event_id] = row.seq
    await tx.execute(
        *sql.mark_delivered(
            event_ids=list(firsts), first_seqs=list(firsts.values()), last_seqs=list(lasts.values()), now=now
        )
    )


async def oldest_undelivered(database: Database, since: datetime | None = None) -> datetime | None:
    """Return the time of the oldest undelivered row, None when everything is delivered.

    `since`: as for `list_undelivered`.
    """
    oldest: datetime | None = await database.fetch_value(*sql.oldest_undelivered(since=since))
    return oldest
