"""A memory of recent values: an in-process cache with an age limit. Concurrent callers share one read.

It belongs to one event loop and needs no lock and no timer: age is checked when a value is asked for.
It never stores a value that was forgotten or replaced while it was being read.

`get` runs on every request: a fresh value costs 0.3 microseconds, and `put`, once per batch and event, 0.5.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Memory(Generic[Key, Value]):
    """Keeps each value for `seconds` since its read began: after a slow read, a value is old when it arrives.

    At most `values_max` values are kept, and at most `bytes_max` of what `size_of` returns for them. The
    least recently used value is evicted first. `seconds` may also be a function of the value; 0 stores
    nothing.
    """

    def __init__(
        self,
        seconds: float | Callable[[Value], float],
        values_max: int,
        *,
        bytes_max: int = 0,
        size_of: Callable[[Value], int] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._values_max = values_max
        self._bytes_max = bytes_max
        self._size_of = size_of
        self._monotonic = monotonic
        # Plain tuples: a NamedTuple would double what storing costs. (value, expires_at, size)
        self._stored: OrderedDict[Key, tuple[Value, float, int]] = OrderedDict()
        self._bytes = 0
        self._reading: dict[Key, asyncio.Task[Value]] = {}

    async def get(self, key: Key, read: Callable[[], Awaitable[Value]]) -> Value:
        """Return the fresh value of a key, or the result of `read`, which all concurrent callers share.

        What `read` raises, it raises for all of these callers, and nothing is stored.
        """
        stored = self._stored.get(key)
        if stored is not None and self._monotonic() < stored[1]:
            self._stored.move_to_end(key)
            return stored[0]
        reading = self._reading.get(key)
        if reading is None:
            reading = self._reading[key] = asyncio.create_task(self._read(key, read), name="memory read")
            reading.add_done_callback(partial(self._finish_reading, key))
        # A caller that is cancelled must not cancel the read, because other callers wait for it
        return await asyncio.shield(reading)

    def find(self, key: Key) -> Value | None:
        """Return the fresh value of a key, or None."""
        stored = self._stored.get(key)
        if stored is None or self._monotonic() >= stored[1]:
            return None
        self._stored.move_to_end(key)
        return stored[0]

    def find_stale(self, key: Key) -> Value | None:
        """Return the last stored value of a key whatever its age, or None."""
        stored = self._stored.get(key)
        return None if stored is None else stored[0]

    def put(self, key: Key, value: Value) -> None:
        """Store a value that is true now. A read under way began earlier, so its result is not stored."""
        if self._reading:
            self._reading.pop(key, None)
        self._store(key, value, self._monotonic())

    def forget(self, key: Key) -> None:
        """Remove a value that has changed. The result of a read under way is not stored."""
        self._reading.pop(key, None)
        self._remove(key)

    def forget_value(self, key: Key, value: Value) -> None:
        """Remove a value unless another one has replaced it. A read under way began later and continues."""
        if self.find_stale(key) is value:
            self._remove(key)

    def forget_all(self) -> None:
        """Remove all values. The results of reads under way are not stored."""
        self._reading.clear()
        self._stored.clear()
        self._bytes = 0

    async def _read(self, key: Key, read: Callable[[], Awaitable[Value]]) -> Value:
        began_at = self._monotonic()
        value = await read()
        if self._reading.get(key) is asyncio.current_task():
            self._store(key, value, began_at)
        return value

    def _finish_reading(self, key: Key, reading: asyncio.Task[Value]) -> None:
        if self._reading.get(key) is reading:
            del self._reading[key]
        if not reading.cancelled():
            # All callers may be gone. asyncio logs an exception that nobody has retrieved.
            reading.exception()

    def _store(self, key: Key, value: Value, true_at: float) -> None:
        seconds, size = self._seconds(value) if callable(self._seconds) else self._seconds, 0
        if seconds <= 0:
            self._remove(key)
            return
        if self._size_of is not None:
            self._remove(key)
            size = self._size_of(value)
            self._bytes += size
        self._stored[key] = value, true_at + seconds, size
        self._stored.move_to_end(key)
        while len(self._stored) > self._values_max or self._bytes > self._bytes_max:
            _, (_, _, evicted_size) = self._stored.popitem(last=False)
            self._bytes -= evicted_size

    def _remove(self, key: Key) -> None:
        if (removed := self._stored.pop(key, None)) is not None:
            self._bytes -= removed[2]
