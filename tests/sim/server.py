"""The simulated PostgreSQL: the engine's statements, row locks, transactions, and connections that fail.

An event's rows are one value. A transaction works on a copy and puts it back when it commits, so there is
nothing to undo. The module statements.py implements each statement a second time; tests/db proves that the
real statements do the same.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any
from uuid import UUID

import asyncpg

from evently.db import Query
from evently.sales import loading, store
from evently.sales.reads import sale as sale_reads
from tests.sim.statements import STATEMENTS, EventRows, Row


class RoundTripFault(Enum):
    """The fault of one round trip."""

    NONE = "no fault"
    LOST_BEFORE = "the connection is lost before the server has received the statement"
    LOST_AFTER = "the connection is lost after the server has executed the statement"
    HANGS_BEFORE = "no answer, and the statement was not executed"
    HANGS_AFTER = "no answer, and the statement was executed"


class Server:
    """The committed rows, and the connection that holds each lock."""

    def __init__(
        self, draw: random.Random, draw_fault: Callable[[str], RoundTripFault], silence_seconds: float
    ) -> None:
        self.events: dict[UUID, EventRows] = {}
        self.draw = draw
        self.draw_fault = draw_fault
        self.silence_seconds = silence_seconds
        self.away = False
        self.connections: set[Connection] = set()
        self.commits = 0
        self._owners: dict[UUID, Connection] = {}
        self._waiting: dict[UUID, deque[asyncio.Future[None]]] = defaultdict(deque)
        self.queries: dict[str, Query] = {
            query.text: query for query in (*store.sql, *loading.sql, *sale_reads.sql)
        }

    async def connect(self, seconds_max: float | None = None) -> Connection:
        await asyncio.sleep(self.draw.random() * 0.005)
        if self.away:
            raise ConnectionRefusedError
        connection = Connection(self)
        self.connections.add(connection)
        if seconds_max is not None:
            asyncio.get_running_loop().call_later(seconds_max, connection.kill)
        return connection

    def crash(self) -> None:
        """Lose all connections and all uncommitted rows; refuse new connections while `away` is set."""
        self.away = True
        for connection in sorted(self.connections, key=lambda each: each.number):
            connection.kill()

    async def lock(self, connection: Connection, event_id: UUID) -> None:
        while (owner := self._owners.get(event_id)) is not None and owner is not connection:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting[event_id].append(waiter)
            try:
                await connection.wait_for(waiter)
            except asyncpg.PostgresError:
                self._call_next(event_id)
                raise
        self._owners[event_id] = connection

    def unlock(self, connection: Connection) -> None:
        for event_id in [each for each, owner in self._owners.items() if owner is connection]:
            del self._owners[event_id]
            self._call_next(event_id)

    def _call_next(self, event_id: UUID) -> None:
        waiting = self._waiting[event_id]
        while waiting and event_id not in self._owners:
            waiter = waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return


class Connection:
    """One session: `closed` is what the client knows, `_dead` what the server knows."""

    _numbers = 0

    def __init__(self, server: Server) -> None:
        self.server = server
        self.number = Connection._numbers = Connection._numbers + 1
        self.closed = False
        self._dead = False
        self._hanging = False
        self._works: dict[UUID, EventRows] = {}
        self._waiting: asyncio.Future[None] | None = None

    # What the engine and the store call

    async def fetch(self, text: str, *values: object) -> list[Row]:
        rows: list[Row] = await self._round_trip(text, values)
        return rows

    async def fetchrow(self, text: str, *values: object) -> Row | None:
        rows = await self.fetch(text, *values)
        return rows[0] if rows else None

    async def execute(self, text: str, *values: object) -> str:
        await self._round_trip(text, values)
        return text.partition(" ")[0]

    def is_closed(self) -> bool:
        return self.closed

    def add_log_listener(self, _listener: object) -> None:
        """Do nothing: there is no standby, so there are no warnings."""

    def terminate(self) -> None:
        """Close the client's end; the server notices, unless the connection hangs."""
        self.closed = True
        self._wake()
        if not self._hanging:
            self._end()

    async def close(self, *, timeout: float = 0) -> None:  # noqa: ARG002, ASYNC109 - as the driver has it
        self.terminate()

    # What happens to it

    def kill(self) -> None:
        """End the session at the server; the client notices."""
        self._end()
        self.closed = True
        self._wake()

    async def wait_for(self, waiter: asyncio.Future[None]) -> None:
        self._waiting = waiter
        try:
            await waiter
        finally:
            self._waiting = None
        self._check()

    def rows_of(self, event_id: UUID) -> EventRows | None:
        """Return the transaction's own copy of an event's rows."""
        if event_id not in self._works and event_id in self.server.events:
            self._works[event_id] = self.server.events[event_id].copy()
        return self._works.get(event_id)

    def make(self, event_id: UUID, sale: Row) -> None:
        self._works[event_id] = EventRows(sale)

    async def _round_trip(self, text: str, values: Sequence[object]) -> Any:
        self._check()
        fault = self.server.draw_fault(text)
        await self._travel()
        if fault is RoundTripFault.LOST_BEFORE:
            self.kill()
            self._check()
        if fault is RoundTripFault.HANGS_BEFORE:
            await self._hang()
        answer = await self._do(text, values)
        if fault is RoundTripFault.LOST_AFTER:
            self.kill()
            self._check()
        if fault is RoundTripFault.HANGS_AFTER:
            await self._hang()
        # A quarter of the answers are delayed: this finds as much as delaying all, and simulates faster.
        if self.server.draw.random() < 0.25:
            await self._travel()
        return answer

    async def _do(self, text: str, values: Sequence[object]) -> Any:
        if text.startswith("BEGIN"):
            self._works.clear()
            return None
        if text in {"COMMIT", "ROLLBACK"}:
            if text == "COMMIT":
                self.server.events.update(self._works)
                self.server.commits += 1
            self._end_transaction()
            return None
        query = self.server.queries[text]
        arguments: dict[str, Any] = dict(zip(query.parameters, values, strict=True))
        if "FOR NO KEY UPDATE" in text:
            for event_id in sorted(arguments["event_ids"]):
                await self.server.lock(self, event_id)
        return STATEMENTS[query.name](self, arguments)

    async def _travel(self) -> None:
        await asyncio.sleep(self.server.draw.random() * 0.002)
        self._check()

    async def _hang(self) -> None:
        """Wait until the client closes. The server waits for the next statement for a limited time."""
        self._hanging = True
        asyncio.get_running_loop().call_later(self.server.silence_seconds, self._end)
        await self.wait_for(asyncio.get_running_loop().create_future())

    def _check(self) -> None:
        if self.closed:
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _end(self) -> None:
        self._dead = True
        self.server.connections.discard(self)
        self._end_transaction()

    def _end_transaction(self) -> None:
        self._works.clear()
        self.server.unlock(self)
