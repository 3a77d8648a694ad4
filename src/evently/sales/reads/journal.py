"""Reads the journal of an event, as it was hashed."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from evently.db import Database, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor

sql: Final = load_queries(__name__)


class JournalRow(msgspec.Struct, frozen=True):
    """One batch's facts about an event, as they were hashed."""

    seq: int
    at: datetime
    facts: bytes
    hash: bytes


async def list_journal(database: Database, event_id: UUID, limit: int, after: str | None) -> Page[JournalRow]:
    """Return a page of an event's journal, oldest first."""
    after_seq = 0 if after is None else read_cursor(after, tuple[int])[0]
    rows = await database.fetch(*sql.list_journal(event_id=event_id, after=after_seq, limit=limit + 1))
    page = [JournalRow(**row) for row in rows[:limit]]
    return Page(page, write_cursor((page[-1].seq,)) if len(rows) > limit else None)
