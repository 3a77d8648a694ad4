"""The journal as an outbox: what happened and nobody has reacted to yet. For the relay, which is one process at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from evently.db import Connection, Database, load_queries
from evently.sales.facts import Fact, decode_facts

sql: Final = load_queries(__name__)


class Happened(msgspec.Struct, frozen=True):
    """One journal row, for those who react."""

    event_id: UUID
    seq: int
    at: datetime
    facts: list[Fact]


async def list_undelivered(tx: Connection, limit: int) -> list[Happened]:
    """Return the oldest undelivered rows; those of one event in the order of their `seq`, without a gap."""
    rows = await tx.fetch(*sql.list_undelivered(limit=limit))
    return [Happened(event_id, seq, at, decode_facts(facts)) for event_id, seq, at, facts in rows]


async def mark_delivered(tx: Connection, rows: Sequence[Happened], now: datetime) -> None:
    """Note that the facts of these rows have had all their effects."""
    await tx.execute(*sql.mark_delivered(event_ids=[row.event_id for row in rows], seqs=[row.seq for row in rows], now=now))


async def oldest_undelivered(database: Database) -> datetime | None:
    """Return since when somebody should have reacted, None when everything is delivered."""
    oldest: datetime | None = await database.fetch_value(*sql.oldest_undelivered())
    return oldest
