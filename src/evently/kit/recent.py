"""What was read a moment ago: one read serves all who ask meanwhile. No lock, no timer."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class _Kept(NamedTuple, Generic[Value]):
    until: float  # monotonic
    value: Value


class Recent(Generic[Key, Value]):
    """Keeps what `read` returns for `seconds` since it was asked, of `kept_max` keys; what was asked for longest ago is forgotten first."""

    def __init__(
        self,
        read: Callable[[Key], Awaitable[Value]],
        seconds: float,
        kept_max: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._seconds = seconds
        self._kept_max = kept_max
        self._monotonic = monotonic
        self._kept: OrderedDict[Key, _Kept[Value]] = OrderedDict()
        self._reading: dict[Key, asyncio.Task[Value]] = {}

    async def get(self, key: Key, other_than: Value | None = None) -> Value:
        """Return what is kept under a key, or read it; `other_than`: of a read that began after the one which returned this."""
        found = self._kept.get(key)
        if found is not None and self._monotonic() < found.until and found.value is not other_than:
            self._kept.move_to_end(key)
            return found.value
        reading = self._reading.get(key)
        if reading is None:
            reading = asyncio.create_task(self._keep(key), name="read recent")
            self._reading[key] = reading
            reading.add_done_callback(lambda done: self._done(key, done))
        return await asyncio.shield(reading)

    async def _keep(self, key: Key) -> Value:
        until = self._monotonic() + self._seconds  # what is read slowly is old when it comes
        value = await self._read(key)
        self._kept[key] = _Kept(until, value)
        self._kept.move_to_end(key)
        while len(self._kept) > self._kept_max:
            self._kept.popitem(last=False)
        return value

    def _done(self, key: Key, done: asyncio.Task[Value]) -> None:
        del self._reading[key]
        if not done.cancelled():
            done.exception()  # those who wait have it; nobody may be left
