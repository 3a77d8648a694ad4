"""What was found out, as nouns: figures with their goals, techniques side by side."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from statistics import median
from typing import Final, Literal

import msgspec

from bench.load import Measured

OURS: Final = "Evently"


class Goal(msgspec.Struct, frozen=True):
    """A row of the speed goals. `at_least` or `at_most` the value; `stretch` is said beside it."""

    name: str
    unit: str
    value: float
    kind: Literal["at_least", "at_most"]
    stretch: float | None = None

    def is_met(self, found: float) -> bool:
        """Return whether a figure is good enough."""
        return found >= self.value if self.kind == "at_least" else found <= self.value


class Figure(msgspec.Struct, frozen=True):
    """A goal and what every run found; the middle one counts."""

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
    """How one technique did: runs on one hot event, runs spread over many, and by number of clients.

    `connections` suit it best on each.
    """

    name: str
    one: list[Measured]
    many: list[Measured]
    by_clients: dict[int, float]
    connections: tuple[int, int] | None = None

    def one_per_second(self) -> float:
        """Return bookings a second on one event."""
        return median(run.per_second for run in self.one)

    def many_per_second(self) -> float:
        """Return bookings a second over many events."""
        return median(run.per_second for run in self.many)


class Memory(msgspec.Struct, frozen=True):
    """Resident memory of the process that answers, in MB, after so many bookings."""

    bookings: list[int]
    megabytes: list[float]

    def growth(self) -> float:
        """Return how many MB came on top over the second half, when every cache is full."""
        return self.megabytes[-1] - self.megabytes[len(self.megabytes) // 2]


class Benchmark(msgspec.Struct):
    """Everything."""

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
        """Return the textbook technique that is best on one hot event."""
        baselines = [technique for technique in self.techniques if technique.name != OURS]
        return max(baselines, key=Technique.one_per_second, default=None)

    def count(self, runs: Sequence[Measured]) -> None:
        """Add what the audits of some runs found."""
        for run in runs:
            if run.wrong is not None:
                self.wrong += run.wrong
                self.audits += 1
