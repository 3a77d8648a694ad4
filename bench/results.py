"""The results of a benchmark: figures with their goals, techniques to compare, and curves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from statistics import median
from typing import Final, Literal

import msgspec

from bench.load import Measured
from bench.processor import Cost, cores_of_machine

OURS: Final = "Evently"
REFERENCE_MICROSECONDS: Final = 21.0  # to check a token, on the machine for which goals are set
OLDER_MICROSECONDS: Final = 31.0  # on the machine for which the first goals were set
_RATES: Final = {"/s"}  # units of what a faster machine does more of
_TIMES: Final = {"s", "ms", "%"}  # units of what it needs less of; % is a share of a core


class Goal(msgspec.Struct, frozen=True):
    """A speed goal: at least or at most a value, on a machine that checks a token in `microseconds`.

    `stretch` is shown beside it.
    """

    name: str
    unit: str
    value: float
    kind: Literal["at_least", "at_most"]
    stretch: float | None = None
    microseconds: float = OLDER_MICROSECONDS

    def on(self, microseconds: float) -> Goal:
        """Return the goal for a machine that checks a token in `microseconds`."""
        factor = scale(self.unit, self.microseconds / microseconds)
        stretch = None if self.stretch is None else self.stretch * factor
        return msgspec.structs.replace(
            self, value=self.value * factor, stretch=stretch, microseconds=microseconds
        )

    def is_met(self, found: float) -> bool:
        """Return whether a figure meets the goal."""
        return found >= self.value if self.kind == "at_least" else found <= self.value


def scale(unit: str, speed: float) -> float:
    """Return by what a figure grows on a machine that is `speed` times as fast."""
    return speed if unit in _RATES else 1 / speed if unit in _TIMES else 1.0


class Figure(msgspec.Struct, frozen=True):
    """A goal for this machine and the figure of every run; the median counts."""

    goal: Goal
    found: list[float]
    note: str = ""

    def middle(self) -> float:
        """Return the median of the runs."""
        return median(self.found)

    def is_met(self) -> bool:
        """Return whether the goal is met."""
        return self.goal.is_met(self.middle())


class Technique(msgspec.Struct, frozen=True):
    """The runs of one technique: on one event, spread over many events, and by number of clients.

    `connections` are the best numbers for one event and for many.
    """

    name: str
    one: list[Measured]
    many: list[Measured]
    by_clients: dict[int, float]
    connections: tuple[int, int] | None = None

    def one_per_second(self) -> float:
        """Return bookings per second on one event."""
        return median(run.per_second for run in self.one)

    def many_per_second(self) -> float:
        """Return bookings per second over many events."""
        return median(run.per_second for run in self.many)


class Memory(msgspec.Struct, frozen=True):
    """Resident memory of the worker in MB, after each number of bookings."""

    bookings: list[int]
    megabytes: list[float]

    def growth(self) -> float:
        """Return the growth in MB over the second half of the bookings, when all caches are full."""
        return self.megabytes[-1] - self.megabytes[len(self.megabytes) // 2]


class Curve(msgspec.Struct, frozen=True):
    """Bookings by what grows: the number of clients, worker processes or events, and the runs at each."""

    of: str
    at: list[int]
    runs: list[list[Measured]]

    def per_second(self) -> list[float]:
        """Return bookings per second at each point."""
        return [median(run.per_second for run in runs) for runs in self.runs]

    def p99(self) -> list[float]:
        """Return the 99th percentile of the latency in ms at each point."""
        return [median(run.p99 for run in runs) for runs in self.runs]

    def costs(self) -> list[Cost | None]:
        """Return what a booking cost at each point."""
        return [middle_cost(runs) for runs in self.runs]


def middle_cost(runs: Sequence[Measured]) -> Cost | None:
    """Return the medians of what a booking cost, or None where it was not measured."""
    costs = [run.cost for run in runs if run.cost is not None]
    if not costs:
        return None
    return Cost(
        median(cost.server for cost in costs),
        median(cost.postgres for cost in costs),
        median(cost.clients for cost in costs),
    )


class Benchmark(msgspec.Struct):
    """All results of a benchmark. `token_microseconds`: the yardstick, each time it was taken."""

    at: datetime
    commit: str
    machine: dict[str, str]
    settings: dict[str, str]
    plan: dict[str, str]
    figures: list[Figure] = []
    techniques: list[Technique] = []
    memory: Memory | None = None
    curves: list[Curve] = []
    token_microseconds: list[float] = []
    cores: int = msgspec.field(default_factory=cores_of_machine)
    wrong: int = 0  # over all audits of all runs
    audits: int = 0
    seconds: float = 0.0

    def yardstick(self) -> float:
        """Return the microseconds that a check of a token took while the benchmark ran."""
        return median(self.token_microseconds)

    def scale_goals(self) -> None:
        """Set the goals of all figures to what they are on a machine with this yardstick."""
        here = self.yardstick()
        self.figures = [msgspec.structs.replace(each, goal=each.goal.on(here)) for each in self.figures]

    def best_baseline(self) -> Technique | None:
        """Return the textbook technique with the highest rate on one event."""
        baselines = [technique for technique in self.techniques if technique.name != OURS]
        return max(baselines, key=Technique.one_per_second, default=None)

    def count(self, runs: Sequence[Measured]) -> None:
        """Add the breaches that the audits of some runs found."""
        for run in runs:
            if run.wrong is not None:
                self.wrong += run.wrong
                self.audits += 1
