"""Random histories of the simulation (tests/sim/simulation.py).

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

from evently.sales import batches, lanes
from tests.sim.checks import check
from tests.sim.clients import Client
from tests.sim.loop import simulate
from tests.sim.simulation import FaultRates, Simulation
from tests.support.selling import say

SEEDS: Final = 1_000
SEEDS_TO_PROVE: Final = 100_000
BLOCKS: Final = 20  # that can run side by side
CLIENTS: Final = 5
WISHES: Final = 6  # of each client


async def history(seed: int) -> Simulation:
    """Run a simulation until everything is settled."""
    draw = random.Random(seed)
    simulation = Simulation(draw, FaultRates.of(draw))
    await simulation.open()
    simulation.faults_on = True
    crashes = [
        asyncio.create_task(simulation.crash_at_random()),
        asyncio.create_task(simulation.change_capacities()),
        asyncio.create_task(simulation.reschedule_events()),
    ]
    lives = [asyncio.create_task(Client(simulation, number).live(WISHES)) for number in range(CLIENTS)]
    await asyncio.wait(lives, timeout=draw.choice([1.0, 4.0, 16.0]))
    simulation.faults_on = False
    await asyncio.gather(*lives, *crashes)
    await simulation.settle()
    return simulation


@contextmanager
def simulated_time() -> Iterator[None]:
    """Make the engine measure time with the simulated loop."""

    def now() -> float:
        return asyncio.get_running_loop().time()

    with pytest.MonkeyPatch.context() as patch, capture_logs():
        for module in (lanes, batches):
            patch.setattr(module, "time", SimpleNamespace(monotonic=now, perf_counter=now, process_time=now))
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
            check(simulate(history(seed)))
        except BaseException:
            print(f"seed {seed}: pytest tests/sim --seed {seed}")
            raise


def test_a_seed_is_one_history() -> None:
    def told(simulation: Simulation) -> list[str]:
        return [f"{record.at:.9f} {say(record.outcome)}" for record in simulation.records]

    assert told(simulate(history(7))) == told(simulate(history(7)))
