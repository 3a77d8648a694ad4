"""Loops that repeat: they survive failures, and end when they are cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from evently.kit import repeating
from evently.kit.errors import Unavailable
from evently.kit.repeating import repeat


class Loop:
    """A function that follows a script: each call raises or returns one entry. Then it waits for ever."""

    def __init__(self, *script: Exception | float) -> None:
        self.script = list(script)
        self.ended = asyncio.Event()

    async def call(self) -> float:
        if not self.script:
            self.ended.set()
            await asyncio.Event().wait()
        entry = self.script.pop(0)
        if isinstance(entry, Exception):
            raise entry
        return entry


async def logged(loop: Loop) -> list[tuple[str, str]]:
    """Repeat until the script has ended; return level and event of what was logged."""
    with capture_logs() as logs:
        task = asyncio.create_task(repeat("a loop", loop.call, failed_seconds=0))
        await loop.ended.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert {log["what"] for log in logs} <= {"a loop"}
    return [(log["log_level"], log["event"]) for log in logs]


async def test_failures_do_not_end_the_loop_and_bugs_are_errors() -> None:
    assert await logged(Loop(0, Unavailable("away"), ValueError("a bug"), ValueError("a bug"), 0)) == [
        ("warning", "interrupted"),
        ("error", "call_failed"),
        ("error", "call_failed"),
    ]


async def test_an_outage_is_one_warning_and_the_next_outage_another() -> None:
    away = Unavailable("away")
    assert await logged(Loop(away, away, away)) == [("warning", "interrupted")]
    assert await logged(Loop(away, away, 0, away)) == [("warning", "interrupted")] * 2


async def test_a_long_outage_is_a_warning_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "WARNING_SECONDS", 0.0)
    away = Unavailable("away")
    assert await logged(Loop(away, away, away)) == [("warning", "interrupted")] * 3


def _returns() -> float:
    return 0.0


def _raises() -> float:
    raise OSError("closed")


@pytest.mark.parametrize("answer", [_returns, _raises])
async def test_a_call_that_hides_its_cancellation_does_not_keep_the_loop_alive(
    answer: Callable[[], float],
) -> None:
    calls = 0
    begun = asyncio.Event()

    async def call() -> float:
        nonlocal calls
        calls += 1
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return answer()
        return 0.0

    task = asyncio.create_task(repeat("a loop", call, failed_seconds=0))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 60)
    assert calls == 1
