"""The connection pool, its connections, and the driver's errors.

The pool runs no RESET when a connection is released (measured: this halves the cost of a statement), so no
code may leave session state behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final, TypeAlias

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from evently.db.clusters import find_placement
from evently.db.commits import COMMIT_SECONDS_MAX, Commits
from evently.db.queries import load_queries
from evently.kit.errors import Busy, CommitsWait, OutcomeUnknown, Unavailable

sql: Final = load_queries(__name__)

Record: TypeAlias = "asyncpg.Record"
Connection: TypeAlias = "asyncpg.Connection[Record] | PoolConnectionProxy[Record]"

CONNECT_SECONDS_MAX: Final = 10.0
# As long as a person waits for a page
ACQUIRE_SECONDS_MAX: Final = 5.0
READ_SECONDS_MAX: Final = 15.0
TRANSACTION_SECONDS_MAX: Final = 30.0  # as long as a batch of the sales engine
REPORT_SECONDS_MAX: Final = 600.0  # exports, proofs and audits read whole events
# A server that is well answers a cancelled statement at once; see `_borrow`
CANCEL_SECONDS_MAX: Final = 2.0

# What the driver raises when the server cannot do its work, whatever it is asked: it cannot be reached, shuts
# down or starts up, or lacks disk space, memory or connections. No data is wrong, so nothing is halved
_OUT_OF_RESOURCES: Final = (
    asyncpg.InsufficientResourcesError,  # SQLSTATE class 53: the disk is full, no memory, no connections
    asyncpg.PostgresSystemError,  # class 58: an error of the disk
)
CONNECTION_ERRORS: Final = (
    OSError,
    *_OUT_OF_RESOURCES,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # class 57: shutting down, starting up, crashed, dropped
    asyncpg.InterfaceError,  # "connection is closed"
    asyncpg.ReadOnlySQLTransactionError,  # a standby answered, during a failover
    # No server accepts writes; or the server sent a message that the driver did not expect
    asyncpg.InternalClientError,
    ConnectionError,
)


class DatabaseOptions(msgspec.Struct, frozen=True):
    """Where the database is. `url` may name several hosts; the one that accepts writes is used."""

    url: str
    pool_connections_max: int = 8
    read_seconds_max: float = READ_SECONDS_MAX
    commit_seconds_max: float = COMMIT_SECONDS_MAX  # of a transaction that has a limit at all
    prepared_statements: bool = True  # False behind a transaction pooler that cannot carry them
    archive: str | None = None  # the directory of archived journals


class Database:
    """A pool of connections. Open it with `Database.open` and close it at the end.

    `commits` tells whether they wait; several pools of a process may share it.
    """

    def __init__(
        self, pool: asyncpg.Pool[Record], options: DatabaseOptions, commits: Commits | None = None
    ) -> None:
        self._pool = pool
        self._options = options
        self._own_commits = commits is None
        self._is_placed = False  # whether it is known where the rows of events are
        self.commits = commits or Commits(self.connect)

    @property
    def options(self) -> DatabaseOptions:
        """Where the database is."""
        return self._options

    @classmethod
    async def open(cls, options: DatabaseOptions, commits: Commits | None = None) -> Database:
        """Return a database that connects when needed, so that a server can start before its database."""
        pool = asyncpg.create_pool(
            min_size=0,
            max_size=options.pool_connections_max,
            reset=_no_reset,
            **_connect_arguments(options),
        )
        await pool
        return cls(pool, options, commits)

    async def close(self) -> None:
        """Close all connections, and wait up to `CONNECT_SECONDS_MAX` for those in use."""
        if self._own_commits:
            await self.commits.close()
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def fetch(self, query: str, *values: object) -> list[Record]:
        """Read rows, outside a transaction."""
        async with self._borrow(self._options.read_seconds_max) as connection:
            return await connection.fetch(query, *values)

    async def fetch_row(self, query: str, *values: object) -> Record | None:
        """Read at most one row."""
        async with self._borrow(self._options.read_seconds_max) as connection:
            return await connection.fetchrow(query, *values)

    async def fetch_value(self, query: str, *values: object) -> Any:
        """Read one value; None when there is no row."""
        async with self._borrow(self._options.read_seconds_max) as connection:
            return await connection.fetchval(query, *values)

    @asynccontextmanager
    async def transaction(
        self, seconds_max: float | None = TRANSACTION_SECONDS_MAX
    ) -> AsyncIterator[Connection]:
        """Yield a connection in a transaction that commits at the end of the block.

        Functions that receive it never commit. After `seconds_max` the connection is dropped. Raises
        `CommitsWait` while commits wait. None: there is no limit, for the commit neither.
        """
        self.commits.refuse()
        async with self._borrow(seconds_max) as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield connection
            except BaseException:
                if not connection.is_closed():
                    await transaction.rollback()
                raise
            limit = None if seconds_max is None else self._options.commit_seconds_max
            await commit(transaction, self.commits, limit)

    @asynccontextmanager
    async def snapshot(
        self, seconds_max: float | None = TRANSACTION_SECONDS_MAX, *, hash_joins: bool = False
    ) -> AsyncIterator[Connection]:
        """Yield a read-only connection that sees all tables as of one instant.

        `hash_joins`: no join is a nested loop. For statements that read all rows of an event: right after an
        on-sale the statistics do not know its rows, and the planner expects one of them where there are
        20,000; a nested loop is quadratic then (22.9 s against 0.2 s).
        """
        async with (
            self._borrow(seconds_max) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            if hash_joins:
                await connection.execute(*sql.avoid_nested_loops())
            yield connection

    async def connect(self) -> asyncpg.Connection[Record]:
        """Return a connection outside the pool; the caller closes it."""
        with errors_as_trouble():
            connection: asyncpg.Connection[Record] = await asyncpg.connect(
                **_connect_arguments(self._options)
            )
            try:
                await self._find_placement(connection)
            except BaseException:
                connection.terminate()
                raise
            return connection

    @asynccontextmanager
    async def _borrow(self, seconds_max: float | None) -> AsyncIterator[PoolConnectionProxy[Record]]:
        """Yield a connection of the pool; drop it after `seconds_max`.

        It is dropped, not cancelled: the driver waits for the answer to its cancellation, and a frozen server
        gives none.
        """
        with errors_as_trouble():
            try:
                connection = await self._pool.acquire(timeout=ACQUIRE_SECONDS_MAX)
            except TimeoutError as exc:
                raise Busy("connections") from exc
            watchdog = (
                None
                if seconds_max is None
                else asyncio.get_running_loop().call_later(seconds_max, connection.terminate)
            )
            try:
                await self._find_placement(connection)
                yield connection
            finally:
                if watchdog is not None:
                    watchdog.cancel()
                # The pool drops a connection whose cancelled statement does not end in time
                with suppress(TimeoutError):
                    await self._pool.release(connection, timeout=CANCEL_SECONDS_MAX)

    async def _find_placement(self, connection: Connection) -> None:
        if not self._is_placed:
            await find_placement(connection)
            self._is_placed = True


async def commit(
    transaction: asyncpg.transaction.Transaction, commits: Commits, seconds_max: float | None
) -> None:
    """Commit, without being cancelled in between.

    Raises OutcomeUnknown when the connection is lost. After `seconds_max`, the server is asked to wait no
    longer for its standby, and CommitsWait is raised: the commit is valid, but a failover may lose it.
    """
    committing = asyncio.ensure_future(transaction.commit())
    loop = asyncio.get_running_loop()
    watchdog = None if seconds_max is None else loop.call_later(seconds_max, committing.cancel)
    try:
        await asyncio.shield(committing)
    except asyncio.CancelledError:
        if committing.done() and committing.cancelled():
            commits.note_wait()
            raise CommitsWait("sent", seconds=f"{seconds_max:g}") from None
        await asyncio.wait({committing})
        if not committing.cancelled():
            committing.exception()  # the caller is gone: nobody else looks at it
        raise
    except CONNECTION_ERRORS as exc:
        raise OutcomeUnknown("lost") from exc
    finally:
        if watchdog is not None:
            watchdog.cancel()


@contextmanager
def errors_as_trouble() -> Iterator[None]:
    """Turn the connection errors of the driver into `Unavailable`."""
    try:
        yield
    except CONNECTION_ERRORS as exc:
        raise unavailable(exc) from exc


def unavailable(exc: BaseException) -> Unavailable:
    """Return what a connection error of the driver means, for people."""
    if isinstance(exc, _OUT_OF_RESOURCES):
        return Unavailable("no_room")
    return Unavailable("unreachable")


def _connect_arguments(options: DatabaseOptions) -> dict[str, Any]:
    return {
        "dsn": options.url,
        "timeout": CONNECT_SECONDS_MAX,
        "target_session_attrs": "read-write",
        "statement_cache_size": 200 if options.prepared_statements else 0,
        # Statements are short: to compile them costs more than it saves
        "server_settings": {"application_name": "evently", "jit": "off"},
    }


async def _no_reset(_connection: object) -> None:
    """Do nothing: no code changes the session of a connection."""
