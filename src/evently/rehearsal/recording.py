"""The recording of a rehearsal or a benchmark: start, latency and result of each request.

Three arrays, 18 bytes per request, with counts, percentiles and time lines computed from them.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

LOST: Final = 0  # the status of a request whose connection ended before its answer


class Bin(msgspec.Struct, frozen=True):
    """The answers of one interval: the number of each result, and sorted latencies in seconds."""

    at: float  # its start, seconds from the beginning
    counts: dict[int, int]
    latencies: list[float]


class Recording:
    """Requests in the order of their answers. `result` is an HTTP status, or a code of the caller."""

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
        """Return the number of requests with each result."""
        return dict(Counter(self.results))

    def count(self, *results: int) -> int:
        """Return the number of requests with one of these results."""
        return sum(self.results.count(result) for result in results)

    def sorted_latencies(self, *results: int) -> list[float]:
        """Return the sorted latencies of requests with one of these results, or of all requests."""
        if not results:
            return sorted(self.latencies)
        wanted = set(results)
        return sorted(
            latency for latency, result in zip(self.latencies, self.results, strict=True) if result in wanted
        )

    def last_answer_at(self) -> float:
        """Return the time of the last answer, in seconds from the beginning."""
        return max(
            (start + latency for start, latency in zip(self.starts, self.latencies, strict=True)), default=0.0
        )

    def peak(self, *results: int) -> int:
        """Return how many requests with one of these results, or of all, were sent in the busiest second."""
        wanted = set(results)
        seconds = Counter(
            int(start)
            for start, result in zip(self.starts, self.results, strict=True)
            if not wanted or result in wanted
        )
        return max(seconds.values(), default=0)

    def bins(self, seconds: float, timed: Iterable[int]) -> list[Bin]:
        """Return the answers by interval, without a gap, with the latencies of the results in `timed`."""
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
    """Return the nearest-rank percentile of sorted values; 0 if there are none.

    It is the smallest value that `percent` percent of the values do not exceed.
    """
    if not ordered:
        return 0.0
    rank = -(-len(ordered) * percent // 100)
    return ordered[min(len(ordered), max(1, int(rank))) - 1]
