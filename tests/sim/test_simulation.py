"""Random histories of a small world (tests/sim/world.py).

A failing seed is printed; `pytest tests/sim --seed N` runs it again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Final

import pytest
from structlog.testing import capture_logs

from evently.sales import engine
from tests.sim.clients import Client
from tests.sim.loop import simulate
from tests.sim.verdict import judge
from tests.sim.world import Weather, World
from tests.support.selling import say

SEEDS: Final = 1_000
SEEDS_TO_PROVE: Final = 100_000
BLOCKS: Final = 20  # that can run side by side
CLIENTS: Final = 5
WISHES: Final = 6  # of each client


async def history(seed: int) -> World:
    """Let a world live until everything is settled."""
    draw = random.Random(seed)
    world = World(draw, Weather.of(draw))
    await world.open()
    world.stormy = True
    disasters = [asyncio.create_task(world.strike()), asyncio.create_task(world.change_capacities())]
    lives = [asyncio.create_task(Client(world, number).live(WISHES)) for number in range(CLIENTS)]
    await asyncio.wait(lives, timeout=draw.choice([1.0, 4.0, 16.0]))
    world.stormy = False
    await asyncio.gather(*lives, *disasters)
    await world.settle()
    return world


@contextmanager
def simulated_time() -> Iterator[None]:
    """Let the engine's stopwatch be the loop's."""

    def now() -> float:
        return asyncio.get_running_loop().time()

    with pytest.MonkeyPatch.context() as patch, capture_logs():
        patch.setattr(engine, "time", SimpleNamespace(monotonic=now, perf_counter=now))
        yield


@pytest.fixture(autouse=True)
def _simulated_time() -> Iterator[None]:
    with simulated_time():
        yield


def seeds_of(block: int, config: pytest.Config) -> list[int]:
    if (seed := config.getoption("seed")) is not None:
        return [seed] if block == 0 else []
    return list(range(block, SEEDS_TO_PROVE if config.getoption("prove") else SEEDS, BLOCKS))


@pytest.mark.parametrize("block", range(BLOCKS))
def test_histories(block: int, pytestconfig: pytest.Config) -> None:
    for seed in seeds_of(block, pytestconfig):
        try:
            judge(simulate(history(seed)))
        except BaseException:
            print(f"seed {seed}: pytest tests/sim --seed {seed}")
            raise


def test_a_seed_is_one_history() -> None:
    def told(world: World) -> list[str]:
        return [f"{mention.at:.9f} {say(mention.outcome)}" for mention in world.mentions]

    assert told(simulate(history(7))) == told(simulate(history(7)))
