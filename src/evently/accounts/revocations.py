"""Sessions that have ended although their access tokens have not expired, in the memory of each process.

Whoever ends a session writes a row in the same transaction; every process asks for the news 2.5 times a
second, on a connection of its own so that a busy pool cannot delay it. A revocation thus counts everywhere
within a second. When the database cannot be asked, what is known stays known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from evently.db import Connection, Database, Record, load_queries
from evently.kit.clock import Clock
from evently.kit.repeating import repeat

sql: Final = load_queries(__name__)

POLL_SECONDS: Final = 0.4
POLL_SECONDS_MAX: Final = 0.8  # between polls that fail, and for one poll
# A row may become visible this long after its `at`: slow transactions, clocks that differ
OVERLAP: Final = timedelta(seconds=60)


class Reads(Protocol):
    """A database, or a connection."""

    async def fetch(self, query: str, *values: object) -> list[Record]:
        """Read rows."""
        ...


class Revocations:
    """The ended sessions. `session_id in revocations` is what the hot path asks."""

    def __init__(self, clock: Clock, access_seconds_max: int) -> None:
        self._clock = clock
        self._life = timedelta(seconds=access_seconds_max) + OVERLAP
        self._ended: dict[UUID, datetime] = {}
        self._asked_at: datetime | None = None
        self._connection: Connection | None = None  # of `run`

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._ended

    def __len__(self) -> int:
        return len(self._ended)

    def add(self, session_ids: Iterable[UUID]) -> None:
        """Learn what this process has just committed, without waiting for the news."""
        self._ended.update(dict.fromkeys(session_ids, self._clock()))

    async def refresh(self, database: Reads) -> None:
        """Learn what is new, and forget the sessions whose last access token has expired."""
        now = self._clock()
        since = (self._asked_at or now - self._life) - OVERLAP
        for row in await database.fetch(*sql.list_news(since=since)):
            self._ended[row["session_id"]] = row["at"]
        self._asked_at = now
        for session_id in [session_id for session_id, at in self._ended.items() if at < now - self._life]:
            del self._ended[session_id]

    async def run(self, database: Database) -> None:
        """Poll until cancelled, on a connection of its own."""
        try:
            # Every exception is expected: a process that stops polling would accept ended sessions.
            await repeat(
                "revocations",
                lambda: self._poll(database),
                failed_seconds=POLL_SECONDS_MAX,
                expected=(Exception,),
            )
        finally:
            self._disconnect()

    async def _poll(self, database: Database) -> float:
        try:
            self._connection = self._connection or await database.connect()
            async with asyncio.timeout(POLL_SECONDS_MAX):
                await self.refresh(self._connection)
        except Exception:
            self._disconnect()
            raise
        return POLL_SECONDS

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
