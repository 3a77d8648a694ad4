"""A process that dies at a point of its choosing: before or after anything it asks of the gateway, the till or the database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from evently.checkout import Checkout
from evently.db import Connection, Database
from evently.kit.ids import new_id
from evently.payments import Authorisation, Captured, Found, Gateway, Intent, Lost, Notice, Refunding, Voided
from evently.sales import Engine, EngineOptions
from evently.sales.commands import Command, Outcome
from tests.support.paying import Desk

Answer = TypeVar("Answer")


class Died(BaseException):
    """The process is dead: nothing catches this."""


class Fuse:
    """Lets a process live for so many points; from then on everything that it does fails."""

    def __init__(self, points: int) -> None:
        self.left = points
        self.passed: list[str] = []

    @property
    def blown(self) -> bool:
        return self.left <= 0

    def burn(self, where: str) -> None:
        self.left -= 1
        self.passed.append(where)
        if self.blown:
            raise Died(where)


class DoomedGateway:
    """A gateway, as a process with a fuse reaches it."""

    def __init__(self, inner: Gateway, fuse: Fuse) -> None:
        self.inner = inner
        self._fuse = fuse

    @property
    def name(self) -> str:
        return self.inner.name

    async def authorise(self, intent: Intent) -> Authorisation:
        return await self._around("authorise", lambda: self.inner.authorise(intent))

    async def find(self, intent: Intent, reference: str | None) -> Found | None:
        return await self._around("find", lambda: self.inner.find(intent, reference))

    async def capture(self, reference: str, amount_minor: int, key: str) -> Captured | Lost:
        return await self._around("capture", lambda: self.inner.capture(reference, amount_minor, key))

    async def void(self, reference: str, key: str) -> Voided | Captured:
        return await self._around("void", lambda: self.inner.void(reference, key))

    async def refund(self, reference: str, amount_minor: int, key: str, refund_id: UUID) -> Refunding:
        return await self._around(
            "refund", lambda: self.inner.refund(reference, amount_minor, key, refund_id)
        )

    def read_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Notice]:
        return self.inner.read_webhook(headers, body, now)

    def storable_method(self, method: str | None) -> str | None:
        return self.inner.storable_method(method)

    async def close(self) -> None:
        await self.inner.close()

    async def _around(self, what: str, call: Callable[[], Awaitable[Answer]]) -> Answer:
        self._fuse.burn(f"before {what}")
        answer = await call()
        self._fuse.burn(f"after {what}")
        return answer


class DoomedEngine(Engine):
    """The till, as a process with a fuse reaches it."""

    def __init__(self, inner: Engine, database: Database, clock: Any, fuse: Fuse) -> None:
        super().__init__(database, EngineOptions(), clock, new_id)
        self._inner = inner
        self._fuse = fuse

    async def submit(self, command: Command) -> Outcome:
        what = type(command).__name__
        self._fuse.burn(f"before {what}")
        outcome = await self._inner.submit(command)
        self._fuse.burn(f"after {what}")
        return outcome


class DoomedDatabase(Database):
    """The database, as a process with a fuse writes to it."""

    def __init__(self, inner: Database, fuse: Fuse) -> None:
        super().__init__(inner._pool, inner._options)
        self._fuse = fuse

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        self._fuse.burn("before a transaction")
        async with super().transaction() as tx:
            yield tx
        self._fuse.burn("after its commit")


def doomed(desk: Desk, fuse: Fuse, gateway: Gateway | None = None) -> Checkout:
    """Return the checkout of a process with a fuse."""
    engine = DoomedEngine(desk.engine, desk.db, desk.clock, fuse)
    gateways: dict[str, Gateway] = {"demo": DoomedGateway(gateway or desk.demo, fuse)}
    return Checkout(DoomedDatabase(desk.db, fuse), engine, gateways, "demo", desk.clock, new_id)
