"""What runs by the clock, once each in a small database and in a large one: sweeps, reminders, the relay."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from statistics import median

from bench.asked import Timed
from evently import reactions
from evently.app import running
from evently.config import environment_for, read_config
from evently.kit.clock import utc_now
from evently.reactions import EFFECTS, SCHEDULE
from evently.reactions.relay import Relay


async def time_background(
    small_url: str, large_url: str, told: Callable[[Timed], None], rounds: int
) -> list[Timed]:
    """Run each line of the schedule and the relay on both databases in turn; no server runs meanwhile."""
    found = []
    async with AsyncExitStack() as stack:
        both = [await _services(stack, url) for url in (small_url, large_url)]
        for scheduled in SCHEDULE:

            async def sweep(services: reactions.Services, run: object = scheduled.run) -> None:
                # As while one process leads, which runs it again and again
                await run(services, utc_now() - timedelta(seconds=1))  # type: ignore[operator]

            found.append(await _time(scheduled.name, sweep, both, rounds))
            told(found[-1])
        found.append(await _time("relay", _relay, both, rounds))
        told(found[-1])
    return found


async def _services(stack: AsyncExitStack, url: str) -> reactions.Services:
    settings = environment_for(database_url=url, background="false", gateway="demo")
    context = await stack.enter_async_context(running(read_config(settings)))
    return reactions.Services(
        database=context.database,
        engine=context.engine,
        checkout=context.checkout,
        accounts=context.accounts,
        mail=context.mail,
        push=context.push,
        webhooks=context.webhooks,
        clock=context.clock,
    )


async def _relay(services: reactions.Services) -> None:
    """Run a relay that knows nothing, so that it reads all undelivered rows."""
    relay = Relay(services.database, utc_now, EFFECTS)
    await relay.run_once()
    await relay.retire()


async def _time(
    name: str,
    run: Callable[[reactions.Services], Awaitable[None]],
    both: list[reactions.Services],
    rounds: int,
) -> Timed:
    took: tuple[list[float], list[float]] = ([], [])
    for services in both:
        await run(services)  # what is read from disk for the first time, and what is due
    for _ in range(rounds):
        for services, times in zip(both, took, strict=True):
            began = time.perf_counter()
            await run(services)
            times.append((time.perf_counter() - began) * 1000)
    return Timed("background", name, median(took[0]), median(took[1]), rounds)
