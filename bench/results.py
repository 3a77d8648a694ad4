"""The results of a benchmark: figures with their goals, and techniques to compare."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from statistics import median
from typing import Final, Literal

import msgspec

from bench.load import Measured

OURS: Final = "Evently"


class Goal(msgspec.Struct, frozen=True):
    """A speed goal: at least or at most a value; `stretch` is shown beside it."""

    name: str
    unit: str
    value: float
    kind: Literal["at_least", "at_most"]
    stretch: float | None = None

    def is_met(self, found: float) -> bool:
        """Return whether a figure meets the goal."""
        return found >= self.value if self.kind == "at_least" else found <= self.value


class Figure(msgspec.Struct, frozen=True):
    """A goal and the figure of every run; the median counts."""

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


class Benchmark(msgspec.Struct):
    """All results of a benchmark."""

    at: datetime
    commit: str
    machine: dict[str, str]
    settings: dict[str, str]
    plan: dict[str, str]
    figures: list[Figure] = []
    techniques: list[Technique] = []
    memory: Memory | None = None
    wrong: int = 0  # over all audits of all runs
    audits: int = 0
    seconds: float = 0.0

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
