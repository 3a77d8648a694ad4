"""Loops that repeat until they are cancelled: call a function, wait, call it again.

`repeat` runs a loop in the current task, `repeating` in a task of its own. A failure never ends a loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog

from evently.kit.errors import Trouble

WARNING_SECONDS: Final = 60.0  # between two warnings of one outage: a loop may fail every second

_log: Final = structlog.get_logger(__name__)


@asynccontextmanager
async def repeating(
    name: str,
    call: Callable[[], Awaitable[float]],
    *,
    failed_seconds: float,
    expected: tuple[type[Exception], ...] = (Trouble,),
) -> AsyncIterator[None]:
    """Repeat `call` in a task of its own while the block runs; see `repeat`."""
    task = asyncio.create_task(
        repeat(name, call, failed_seconds=failed_seconds, expected=expected), name=name
    )
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def repeat(
    name: str,
    call: Callable[[], Awaitable[float]],
    *,
    failed_seconds: float,
    expected: tuple[type[Exception], ...] = (Trouble,),
) -> None:
    """Call `call` until this task is cancelled. It returns the seconds until the next call.

    After an exception, the next call comes `failed_seconds` later. An `expected` exception is a warning: the
    first of an outage, then one a minute. Any other exception is a bug and is logged with its traceback.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "a coroutine runs in a task"
    warned_at: float | None = None
    # A library may answer a cancellation with an exception of its own, or by returning: the task knows.
    while not task.cancelling():
        try:
            pause, warned_at = await call(), None
        except expected as exc:
            if warned_at is None or loop.time() - warned_at >= WARNING_SECONDS:
                _log.warning("interrupted", what=name, cause=repr(exc.__cause__ or exc))
                warned_at = loop.time()
            pause = failed_seconds
        except Exception:  # noqa: BLE001  # an outermost loop: a bug here must not stop all later calls
            _log.exception("call_failed", what=name)
            pause = failed_seconds
        if not task.cancelling():
            await asyncio.sleep(pause)
    raise asyncio.CancelledError
