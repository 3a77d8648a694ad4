"""The watch over the event loop."""

from __future__ import annotations

import asyncio
import time

from structlog.testing import capture_logs

from evently.web.edge.pauses import LoopPauses


async def test_the_longest_pause_of_the_loop_is_logged_once() -> None:
    pauses = LoopPauses()
    with capture_logs() as logged:
        for held in (0.0, 0.2, 0.1):
            await asyncio.sleep(await pauses.step())
            time.sleep(held)  # noqa: ASYNC251  # holds the loop, which is the point
            await pauses.step()
    assert [line["event"] for line in logged] == ["the event loop was held"]
    assert logged[0]["longest_milliseconds"] >= 150
