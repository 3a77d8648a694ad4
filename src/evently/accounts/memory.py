"""A small memory for answers that may be half a second old."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

# A removed member or a revoked key is refused within a second, reading included
REMEMBER_SECONDS: Final = 0.5
REMEMBERED_MAX: Final = 10_000


class Memory(Generic[Key, Value]):
    """Remembers what `ask` gave for a key, until `REMEMBER_SECONDS` after it was asked; all who ask meanwhile wait for the one answer.

    `ticks` counts seconds and never runs backwards.
    """

    def __init__(self, ticks: Callable[[], float]) -> None:
        self._ticks = ticks
        self._answers: dict[Key, tuple[float, Value]] = {}
        self._asking: dict[Key, asyncio.Task[Value]] = {}

    async def get(self, key: Key, ask: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """Return the answer for a key."""
        now = self._ticks()
        remembered = self._answers.get(key)
        if remembered is not None and now < remembered[0]:
            return remembered[1]
        asking = self._asking.get(key)
        if asking is None:
            asking = asyncio.ensure_future(ask())
            self._asking[key] = asking
            asking.add_done_callback(partial(self._remember, key, now + REMEMBER_SECONDS))
        return await asyncio.shield(asking)  # whoever goes away must not take the answer with them

    def forget(self, key: Key) -> None:
        """Ask again next time: this process has just changed the answer."""
        self._answers.pop(key, None)
        self._asking.pop(key, None)

    def forget_all(self) -> None:
        """Ask again, whatever the key."""
        self._answers.clear()
        self._asking.clear()

    def _remember(self, key: Key, until: float, asked: asyncio.Task[Value]) -> None:
        if self._asking.get(key) is not asked:
            return  # it was forgotten while it was under way
        del self._asking[key]
        if asked.cancelled() or asked.exception() is not None:
            return
        if len(self._answers) >= REMEMBERED_MAX:
            self._answers.clear()
        self._answers[key] = (until, asked.result())
