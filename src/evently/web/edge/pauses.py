"""Watches the event loop: while Python computes something long, this process answers nobody."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog
from prometheus_client import Histogram

STEP_SECONDS: Final = 0.05
PAUSE_SECONDS_MAX: Final = 0.05  # a longer one is a fault of ours, or a machine that is too busy
WARNING_SECONDS: Final = 10.0  # between two warnings
_log: Final = structlog.get_logger(__name__)
_pauses: Final = Histogram(
    "evently_loop_pause_seconds",
    "How long the event loop was late, looked at twenty times a second.",
    buckets=(0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)


class LoopPauses:
    """Measures how late the loop is; `step` is called again and again."""

    def __init__(self) -> None:
        self._due: float | None = None
        self._longest = 0.0
        self._warn_at = 0.0

    async def step(self) -> float:
        """Measure one pause; return the seconds until the next measurement."""
        now = asyncio.get_running_loop().time()
        if self._due is not None:
            pause = max(0.0, now - self._due)
            _pauses.observe(pause)
            self._longest = max(self._longest, pause)
        if self._longest > PAUSE_SECONDS_MAX and now >= self._warn_at:
            _log.warning("the event loop was held", longest_milliseconds=round(self._longest * 1000))
            self._longest, self._warn_at = 0.0, now + WARNING_SECONDS
        self._due = asyncio.get_running_loop().time() + STEP_SECONDS
        return STEP_SECONDS
