"""Revoked sessions, in the memory of each process: sessions that ended before their access tokens expired.

The transaction that ends a session also writes a revocation. Every process polls for new revocations 2.5
times a second, on its own connection, so that a busy pool cannot delay it. A revocation thus takes effect
everywhere within a second. While the database cannot be reached, the known revocations stay in effect.
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
# A row may become visible this long after its `at`, because of slow transactions and clocks that differ
OVERLAP: Final = timedelta(seconds=60)


class Reader(Protocol):
    """A database, or a connection."""

    async def fetch(self, query: str, *values: object) -> list[Record]:
        """Read rows."""
        ...


class Revocations:
    """The revoked sessions. The hot path evaluates `session_id in revocations`."""

    def __init__(self, clock: Clock, access_seconds_max: int) -> None:
        self._clock = clock
        self._life = timedelta(seconds=access_seconds_max) + OVERLAP
        self._ended: dict[UUID, datetime] = {}
        self._read_at: datetime | None = None
        self._connection: Connection | None = None  # of `run`

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._ended

    def __len__(self) -> int:
        return len(self._ended)

    def add(self, session_ids: Iterable[UUID]) -> None:
        """Add sessions whose end this process has just committed, without waiting for the next poll."""
        self._ended.update(dict.fromkeys(session_ids, self._clock()))

    async def refresh(self, database: Reader) -> None:
        """Read new revocations, and remove the sessions whose last access token has expired."""
        now = self._clock()
        since = (self._read_at or now - self._life) - OVERLAP
        for row in await database.fetch(*sql.list_recent(since=since)):
            self._ended[row["session_id"]] = row["at"]
        self._read_at = now
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
