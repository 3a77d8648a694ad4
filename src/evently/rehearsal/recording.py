"""When each request was sent, how long its answer took, what it was: three arrays, 18 bytes a request, and what can be read from them."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

LOST: Final = 0  # the status of a request whose connection ended before its answer


class Bin(msgspec.Struct, frozen=True):
    """What was answered in one stretch of time: how many of each result, and the latencies of some of them in order (seconds)."""

    at: float  # its start, seconds from the beginning
    counts: dict[int, int]
    latencies: list[float]


class Recording:
    """Requests by the order of their answers. `result` is an HTTP status, or a code of whoever records."""

    __slots__ = ("latencies", "results", "starts")

    def __init__(self) -> None:
        self.starts = array("d")  # seconds from the beginning
        self.latencies = array("d")  # seconds
        self.results = array("H")

    def __len__(self) -> int:
        return len(self.results)

    def add(self, start: float, latency: float, result: int) -> None:
        """Record a request that was answered."""
        self.starts.append(start)
        self.latencies.append(latency)
        self.results.append(result)

    def counts(self) -> dict[int, int]:
        """Return how many requests had each result."""
        return dict(Counter(self.results))

    def count(self, *results: int) -> int:
        """Return how many requests had one of these results."""
        return sum(self.results.count(result) for result in results)

    def sorted_latencies(self, *results: int) -> list[float]:
        """Return the latencies in order; of these results only, if any are named."""
        if not results:
            return sorted(self.latencies)
        wanted = set(results)
        return sorted(
            latency for latency, result in zip(self.latencies, self.results, strict=True) if result in wanted
        )

    def last_answer_at(self) -> float:
        """Return when the last answer came, in seconds from the beginning."""
        return max(
            (start + latency for start, latency in zip(self.starts, self.latencies, strict=True)), default=0.0
        )

    def bins(self, seconds: float, timed: Iterable[int]) -> list[Bin]:
        """Return what was answered in each stretch of `seconds`, without a gap; latencies of the results in `timed`."""
        wanted = set(timed)
        number = int(self.last_answer_at() / seconds) + 1 if self.results else 0
        counts: list[Counter[int]] = [Counter() for _ in range(number)]
        latencies: list[list[float]] = [[] for _ in range(number)]
        for start, latency, result in zip(self.starts, self.latencies, self.results, strict=True):
            index = int((start + latency) / seconds)
            counts[index][result] += 1
            if result in wanted:
                latencies[index].append(latency)
        return [
            Bin(index * seconds, dict(counts[index]), sorted(latencies[index])) for index in range(number)
        ]


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile of values in order: the smallest that `percent` of them do not exceed; 0 where there are none."""
    if not ordered:
        return 0.0
    rank = -(-len(ordered) * percent // 100)
    return ordered[min(len(ordered), max(1, int(rank))) - 1]
