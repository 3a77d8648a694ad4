"""Crash points: a checkout process that crashes before or after a chosen call.

The calls go to the payment gateway, the sales engine and the database.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from evently.checkout import Checkout
from evently.db import Connection, Database
from evently.kit.denominations import Denomination
from evently.kit.ids import new_id
from evently.payments import (
    Authorisation,
    Captured,
    Found,
    Gateway,
    Intent,
    Lost,
    Notice,
    NoticePage,
    PaidBack,
    Refunding,
    Voided,
)
from evently.sales import Engine, EngineOptions
from evently.sales.commands import Command
from evently.sales.outcomes import Outcome
from tests.support.paying import Desk

Answer = TypeVar("Answer")


class ProcessCrashed(BaseException):
    """The process has crashed. Nothing in the product catches this."""


class CrashPoint:
    """Crash a process at the given point, counted from 1; every later call fails too."""

    def __init__(self, points: int) -> None:
        self.points_left = points
        self.passed: list[str] = []

    @property
    def reached(self) -> bool:
        return self.points_left <= 0

    def pass_point(self, where: str) -> None:
        self.points_left -= 1
        self.passed.append(where)
        if self.reached:
            raise ProcessCrashed(where)


class CrashingGateway:
    """A gateway whose caller crashes at the crash point."""

    def __init__(self, inner: Gateway, crash_point: CrashPoint) -> None:
        self.inner = inner
        self._crash_point = crash_point

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

    async def refund(
        self, reference: str, amount_minor: int, key: str, refund_id: UUID, *, of_rest: bool = False
    ) -> Refunding:
        return await self._around(
            "refund",
            lambda: self.inner.refund(reference, amount_minor, key, refund_id, of_rest=of_rest),
        )

    async def list_notices(self, since: datetime, after: str | None) -> NoticePage:
        return await self._around("notices", lambda: self.inner.list_notices(since, after))

    async def list_paid_back(self, reference: str) -> list[PaidBack]:
        return await self._around("paid_back", lambda: self.inner.list_paid_back(reference))

    async def find_payment_id(self, reference: str) -> UUID | None:
        return await self._around("find", lambda: self.inner.find_payment_id(reference))

    def denomination(self, currency: str) -> Denomination:
        return self.inner.denomination(currency)

    def read_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Notice]:
        return self.inner.read_webhook(headers, body, now)

    def storable_method(self, method: str | None) -> str | None:
        return self.inner.storable_method(method)

    async def close(self) -> None:
        await self.inner.close()

    async def _around(self, what: str, call: Callable[[], Awaitable[Answer]]) -> Answer:
        self._crash_point.pass_point(f"before {what}")
        answer = await call()
        self._crash_point.pass_point(f"after {what}")
        return answer


class CrashingEngine(Engine):
    """A sales engine whose caller crashes at the crash point."""

    def __init__(self, inner: Engine, database: Database, clock: Any, crash_point: CrashPoint) -> None:
        super().__init__(database, EngineOptions(), clock, new_id)
        self._inner = inner
        self._crash_point = crash_point

    async def submit(self, command: Command) -> Outcome:
        what = type(command).__name__
        self._crash_point.pass_point(f"before {what}")
        outcome = await self._inner.submit(command)
        self._crash_point.pass_point(f"after {what}")
        return outcome


class CrashingDatabase(Database):
    """A database whose caller crashes at the crash point."""

    def __init__(self, inner: Database, crash_point: CrashPoint) -> None:
        super().__init__(inner._pool, inner._options)
        self._crash_point = crash_point

    @asynccontextmanager
    async def transaction(self, seconds_max: float | None = 30.0) -> AsyncIterator[Connection]:
        self._crash_point.pass_point("before a transaction")
        async with super().transaction(seconds_max) as tx:
            yield tx
        self._crash_point.pass_point("after its commit")


def crashing_checkout(desk: Desk, crash_point: CrashPoint, gateway: Gateway | None = None) -> Checkout:
    """Return the checkout of a process that crashes at the crash point."""
    engine = CrashingEngine(desk.engine, desk.db, desk.clock, crash_point)
    gateways: dict[str, Gateway] = {"demo": CrashingGateway(gateway or desk.demo, crash_point)}
    return Checkout(CrashingDatabase(desk.db, crash_point), engine, gateways, "demo", desk.clock, new_id)
