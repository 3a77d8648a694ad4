"""PostgreSQL as far as the engine knows it: the statements of sales/store.sql, row locks, transactions, and connections that die.

An event's rows are one value. A transaction works on a copy and puts it back when it commits, so there is
nothing to undo. What each statement does is written down a second time in statements.py; that the real ones
do the same is what tests/db proves.
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


class Fate(Enum):
    """What becomes of one round trip."""

    WELL = "well"
    LOST_BEFORE = "the connection is lost on the way there"
    LOST_AFTER = "the connection is lost on the way back"
    HANGS_BEFORE = "silence, and nothing was done"
    HANGS_AFTER = "silence, and it was done"


class Server:
    """The rows that are committed, and who holds which lock."""

    def __init__(self, draw: random.Random, fate: Callable[[str], Fate], silence_seconds: float) -> None:
        self.events: dict[UUID, EventRows] = {}
        self.draw = draw
        self.fate = fate
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
        """Lose every connection, and everything that is not committed; take no new ones until `away` is over."""
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
    """One session, seen from both ends: `closed` is the client's knowledge, `_dead` the server's."""

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
        """Warn nobody: there is no standby."""

    def terminate(self) -> None:
        """The client hangs up; the server hears of it, unless the wire is silent."""
        self.closed = True
        self._wake()
        if not self._hanging:
            self._end()

    async def close(self, *, timeout: float = 0) -> None:  # noqa: ARG002, ASYNC109 - as the driver has it
        self.terminate()

    # What happens to it

    def kill(self) -> None:
        """The server ends the session, and the client hears of it."""
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
        fate = self.server.fate(text)
        await self._travel()
        if fate is Fate.LOST_BEFORE:
            self.kill()
            self._check()
        if fate is Fate.HANGS_BEFORE:
            await self._hang()
        answer = await self._do(text, values)
        if fate is Fate.LOST_AFTER:
            self.kill()
            self._check()
        if fate is Fate.HANGS_AFTER:
            await self._hang()
        if self.server.draw.random() < 0.25:  # as good as always, and quicker to simulate
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
        """Wait until the client hangs up. The server waits for the client's next word, and not for ever."""
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
