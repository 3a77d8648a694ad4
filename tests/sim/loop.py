"""An event loop in which nothing takes time but sleeping, and sleeping takes none of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class SimulatedLoop(asyncio.BaseEventLoop):
    """Runs what is ready in a fixed order; when nothing is, its time jumps to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._selector = self  # what the base class asks for events, and how long it may wait for them

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> list[object]:
        assert timeout is not None, "everybody waits for somebody else"
        self._now += timeout
        return []

    def _process_events(self, events: list[object]) -> None:
        assert not events

    def _write_to_self(self) -> None:
        """Do nothing: there is no other thread to wake."""


def simulate(history: Coroutine[Any, Any, T]) -> T:
    """Run a history to its end.

    What still runs when a history fails is ended with it: the garbage collector would end it in a later test.
    """
    loop = SimulatedLoop()
    try:
        return loop.run_until_complete(history)
    finally:
        loop.run_until_complete(_end_all_others())
        loop.close()


async def _end_all_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
