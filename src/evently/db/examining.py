"""What an operator must know about the database server: for `evently doctor`, and for health checks."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from evently.db.pool import Database
from evently.db.queries import load_queries

sql: Final = load_queries(__name__)


class ServerState(msgspec.Struct, frozen=True):
    """A database server.

    `version_number`: 180006 is 18.6. `page_writes`: the setting `full_page_writes`. `connections_max`:
    without those for superusers. `may_create`: this role may create tables, as migrations do.
    """

    version: str
    version_number: int
    is_standby: bool
    fsync: str
    page_writes: str
    synchronous_commit: str
    connections_max: int
    may_create: bool
    now: datetime


class LogCopies(msgspec.Struct, frozen=True):
    """Whether a database server archives its log (WAL).

    `copied_at`, `failed_at`: when it last archived a part of the log, and when it last could not.
    """

    is_on: bool
    copied_at: datetime | None
    failed_at: datetime | None

    @property
    def stopped_at(self) -> datetime | None:
        """Since when at least nothing is archived; None if the last attempt worked."""
        if not self.is_on or self.failed_at is None:
            return None
        if self.copied_at is None:
            return self.failed_at
        return self.copied_at if self.copied_at < self.failed_at else None


async def describe_server(database: Database) -> ServerState:
    """Return the state of the server. Raises `Trouble` when it does not answer."""
    (row,) = await database.fetch(*sql.describe_server())
    return ServerState(**dict(row))


async def read_log_copies(database: Database) -> LogCopies:
    """Return whether the server archives its log. Raises `Trouble` when it does not answer."""
    (row,) = await database.fetch(*sql.read_log_copies())
    return LogCopies(**dict(row))
