"""What an operator must know about the database server, asked once by `evently doctor`."""

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


async def describe_server(database: Database) -> ServerState:
    """Return the state of the server. Raises `Trouble` when it does not answer."""
    (row,) = await database.fetch(*sql.describe_server())
    return ServerState(**dict(row))
