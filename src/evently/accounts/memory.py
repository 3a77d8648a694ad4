"""A small memory for answers that may be half a second old."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

REMEMBER_SECONDS: Final = 0.5  # a removed member or a revoked key is refused within a second, reading included
REMEMBERED_MAX: Final = 10_000


class Memory(Generic[Key, Value]):
    """Remembers what `ask` gave for a key, until `REMEMBER_SECONDS` after it was asked. `ticks` counts seconds and never runs backwards."""

    def __init__(self, ticks: Callable[[], float]) -> None:
        self._ticks = ticks
        self._answers: dict[Key, tuple[float, Value]] = {}

    async def get(self, key: Key, ask: Callable[[], Awaitable[Value]]) -> Value:
        """Return the answer for a key."""
        now = self._ticks()
        remembered = self._answers.get(key)
        if remembered is not None and now < remembered[0]:
            return remembered[1]
        value = await ask()
        if len(self._answers) >= REMEMBERED_MAX:
            self._answers.clear()
        self._answers[key] = (now + REMEMBER_SECONDS, value)
        return value

    def forget(self, key: Key) -> None:
        """Ask again next time: this process has just changed the answer."""
        self._answers.pop(key, None)

    def forget_all(self) -> None:
        """Ask again, whatever the key."""
        self._answers.clear()
