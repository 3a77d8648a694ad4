"""The driver's pool, its connections and its errors.

Releasing a pooled connection runs no RESET (measured: that halves the cost of a borrowed statement), so
nobody may leave session state behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, TypeAlias

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from evently.kit.errors import Busy, OutcomeUnknown, Unavailable

Record: TypeAlias = "asyncpg.Record"
Connection: TypeAlias = "asyncpg.Connection[Record] | PoolConnectionProxy[Record]"

CONNECT_SECONDS_MAX: Final = 10.0
# Waiting longer for a connection than a person waits for a page helps nobody
ACQUIRE_SECONDS_MAX: Final = 5.0
READ_SECONDS_MAX: Final = 15.0  # a read may be cancelled; a statement that can commit never is

# What the driver raises when the server is away, going or not yet there.
gone: Final = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, crashed
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,  # "connection is closed"
    asyncpg.ReadOnlySQLTransactionError,  # a standby answered: the primary is moving
    # No server takes writes; or its last words came while nobody had asked it anything
    asyncpg.InternalClientError,
    ConnectionError,
)


class DatabaseOptions(msgspec.Struct, frozen=True):
    """Where the database is. `url` may name several hosts; the one that accepts writes is used."""

    url: str
    pool_connections_max: int = 8
    prepared_statements: bool = True  # False behind a transaction pooler that cannot carry them


class Database:
    """A pool of connections. Open it with `Database.open`, close it when done."""

    def __init__(self, pool: asyncpg.Pool[Record], options: DatabaseOptions) -> None:
        self._pool = pool
        self._options = options

    @classmethod
    async def open(cls, options: DatabaseOptions) -> Database:
        """Return a database whose connections are made when needed, so that a server may start before its database answers."""
        pool = asyncpg.create_pool(
            min_size=0,
            max_size=options.pool_connections_max,
            reset=_keep_as_it_is,
            **_connect_arguments(options),
        )
        await pool
        return cls(pool, options)

    async def close(self) -> None:
        """Close every connection, waiting a little for those in use."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def fetch(self, query: str, *values: object) -> list[Record]:
        """Read rows, outside any transaction."""
        async with self._borrow() as connection:
            return await connection.fetch(query, *values, timeout=READ_SECONDS_MAX)

    async def fetch_row(self, query: str, *values: object) -> Record | None:
        """Read at most one row."""
        async with self._borrow() as connection:
            return await connection.fetchrow(query, *values, timeout=READ_SECONDS_MAX)

    async def fetch_value(self, query: str, *values: object) -> Any:
        """Read one value, None where there is no row."""
        async with self._borrow() as connection:
            return await connection.fetchval(query, *values, timeout=READ_SECONDS_MAX)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Yield a connection in a transaction that commits at the end of the block.

        Verbs take it and never commit.
        """
        async with self._borrow() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield connection
            except BaseException:
                if not connection.is_closed():
                    await transaction.rollback()
                raise
            await commit(transaction)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """Yield a connection that sees one instant of everything and can write nothing."""
        async with (
            self._borrow() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection

    async def connect(self) -> asyncpg.Connection[Record]:
        """Return a connection of one's own, outside the pool; the caller closes it."""
        with trouble():
            return await asyncpg.connect(**_connect_arguments(self._options))

    @asynccontextmanager
    async def _borrow(self) -> AsyncIterator[PoolConnectionProxy[Record]]:
        with trouble():
            try:
                connection = await self._pool.acquire(timeout=ACQUIRE_SECONDS_MAX)
            except TimeoutError as exc:
                raise Busy("no database connection became free in time") from exc
            try:
                yield connection
            finally:
                await self._pool.release(connection)


async def commit(transaction: asyncpg.transaction.Transaction) -> None:
    """Commit, never cancelled half-way; a connection lost meanwhile leaves the outcome unknown."""
    committing = asyncio.ensure_future(transaction.commit())
    try:
        await asyncio.shield(committing)
    except asyncio.CancelledError:
        await committing
        raise
    except gone as exc:
        raise OutcomeUnknown("the connection was lost while committing") from exc


@contextmanager
def trouble() -> Iterator[None]:
    """Turn the driver's ways of saying that the server is away into `Unavailable`."""
    try:
        yield
    except gone as exc:
        raise Unavailable("the database cannot be reached") from exc


def _connect_arguments(options: DatabaseOptions) -> dict[str, Any]:
    return {
        "dsn": options.url,
        "timeout": CONNECT_SECONDS_MAX,
        "target_session_attrs": "read-write",
        "statement_cache_size": 200 if options.prepared_statements else 0,
        "server_settings": {
            "application_name": "evently",
            "jit": "off",
        },  # our statements are short; compiling them costs more
    }


async def _keep_as_it_is(_connection: object) -> None:
    """Leave the session alone: nobody sets anything on it."""
