"""Refuses a pooler in front of the database that cannot carry prepared statements.

A pooler in transaction mode gives each transaction any connection to the server, and a statement that was
prepared on one is missing on another, or is there twice. Without this check, the errors come one by one while
tickets are sold, with names that mean nothing to an operator.
"""

from __future__ import annotations

import asyncio
from typing import Final

import asyncpg

from evently.db.pool import Database, DatabaseOptions, Record
from evently.db.queries import load_queries

sql: Final = load_queries(__name__)

# A pooler with few connections to the server lets the check wait for itself; then nothing is known
_SECONDS_MAX: Final = 3.0
_CLIENTS_MAX: Final = 8  # a pooler gives them its idle connections first, in whatever order


class Refused(Exception):
    """The database is not used through this pooler; the message tells the operator why."""


async def refuse_pooler(options: DatabaseOptions) -> None:
    """Refuse a pooler that cannot carry prepared statements, unless none are used."""
    if not options.prepared_statements:
        return
    database = await Database.open(options)
    try:
        if not await carries_prepared_statements(database):
            raise Refused(
                "EVENTLY_DATABASE_URL leads to a pooler that does not carry prepared statements, such as "
                "PgBouncer in transaction mode: set EVENTLY_PREPARED_STATEMENTS=false (or, with PgBouncer "
                "1.21 or newer, its max_prepared_statements to 200)."
            )
    finally:
        await database.close()


async def carries_prepared_statements(database: Database) -> bool:
    """Return whether a statement prepared in one transaction is there in the next one.

    Between the two, another client takes the connection to the server on which it was prepared.
    """
    opened: list[asyncpg.Connection[Record]] = []
    try:
        async with asyncio.timeout(_SECONDS_MAX):
            opened.append(first := await database.connect())  # asks the server something, too
            if await first.fetchval(*sql.read_pid()) == first.get_server_pid():
                return True  # no pooler: it tells its clients numbers of its own
            await first.execute("BEGIN")
            prepared = await first.prepare(sql.read_pid.text)
            prepared_on = await prepared.fetchval()
            await first.execute("COMMIT")
            for _ in range(_CLIENTS_MAX):
                opened.append(other := await database.connect())
                await other.execute("BEGIN")
                if await other.fetchval(*sql.read_pid()) == prepared_on:
                    await prepared.fetchval()
                    break
    except (asyncpg.DuplicatePreparedStatementError, asyncpg.InvalidSQLStatementNameError):
        return False
    except TimeoutError:
        return True
    finally:
        for connection in opened:
            connection.terminate()
    return True
