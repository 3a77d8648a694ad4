"""The journal as an outbox: what happened and nobody has reacted to yet.

For the relay, which is one process at a time.
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
    """One journal row, for those who react."""

    event_id: UUID
    seq: int
    at: datetime
    facts: list[Fact]


class Undelivered(msgspec.Struct, frozen=True):
    """A journal row as it is stored: whoever cannot read the facts of one event can go on with those of others."""

    event_id: UUID
    seq: int
    at: datetime
    facts: bytes

    def read(self) -> JournalFacts:
        """Return the row with its facts.

        Raises `msgspec.ValidationError` for facts that this version does not know.
        """
        return JournalFacts(self.event_id, self.seq, self.at, decode_facts(self.facts))


async def list_undelivered(
    tx: Connection, limit: int, bytes_max: int, since: datetime | None = None, besides: Collection[UUID] = ()
) -> list[Undelivered]:
    """Return the oldest undelivered rows, besides those of some events; those of one event in the order of their `seq`, without a gap.

    `bytes_max`: no more rows once their facts have so many bytes, which is what reading them costs. One row comes in any case.
    `since`: there is nothing older, as far as is known, and knowing it saves the database a long look.
    """
    rows = await tx.fetch(
        *sql.list_undelivered(limit=limit, bytes_max=bytes_max, since=since, besides=list(besides))
    )
    return [Undelivered(event_id, seq, at, facts) for event_id, seq, at, facts in rows]


async def mark_delivered(tx: Connection, rows: Sequence[Undelivered], now: datetime) -> None:
    """Note that the facts of these rows have had all their effects.

    They are as `list_undelivered` gave them: without gaps.
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
    """Return since when somebody should have reacted, None when everything is delivered.

    `since`: as above.
    """
    oldest: datetime | None = await database.fetch_value(*sql.oldest_undelivered(since=since))
    return oldest
