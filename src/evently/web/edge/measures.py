"""The metrics of requests: one histogram of their duration, whose count is the number of requests.

Labels have a bounded number of values: routes are templates, and unknown methods count as one.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Final

from prometheus_client import Histogram

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12)

_ERROR: Final = 500  # from this status on the server is to blame
_FAILURES_MAX: Final = 1_000  # that are remembered
_failures: Final[deque[float]] = deque(maxlen=_FAILURES_MAX)

_requests: Final = Histogram(
    "evently_http_request_seconds",
    "Time from request to response.",
    ["method", "route", "status"],
    buckets=_SECONDS,
)


class Measures:
    """Keeps the histogram of each route, because finding it costs more than counting."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, int], Histogram] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request whose response was sent."""
        histogram = self._found.get((method, route, status))
        if histogram is None:
            known_method = method if method in _METHODS else "other"
            histogram = self._found[known_method, route, status] = _requests.labels(
                known_method, route, str(status)
            )
        histogram.observe(seconds)
        if status >= _ERROR:
            _failures.append(time.monotonic())


def count_failures(seconds: float) -> int:
    """Return how many answers of this process were server errors within the last seconds, at most 1,000."""
    since = time.monotonic() - seconds
    return sum(at >= since for at in _failures)
