"""Bookings by number of clients, workers and events: where more of something helps, and where not."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

import msgspec

from bench.load import Measured, book
from bench.results import Curve
from bench.stage import OnSale, Preparations, Stage

CLIENTS: Final = "clients"
WORKERS: Final = "workers"
EVENTS: Final = "events"

Rested: TypeAlias = Callable[[Stage, Callable[[], Measured]], Measured]
Audit: TypeAlias = Callable[[Stage], None]


class CurvePlan(msgspec.Struct, frozen=True):
    """The points of the curves; `busy` clients book where another number grows."""

    clients: tuple[int, ...] = (1, 4, 16, 64, 256, 1_024)
    workers: tuple[int, ...] = (1, 2, 4, 8)
    events: tuple[int, ...] = (1, 10, 100, 1_000)
    busy: int = 256
    seconds: float = 2.5
    runs: int = 3

    def hot_events(self) -> int:
        """Return the number of events that one server needs: each run on one event takes a new one."""
        return 1 + max(len(self.clients) * self.runs + sum(self.events[:-1]), self.runs)


def measure_curves(preparations: Preparations, plan: CurvePlan, rested: Rested, audit: Audit) -> list[Curve]:
    """Measure all curves. Every run is checked, and `audit` audits each server at its end."""
    with preparations.stage() as stage:
        hot = _warmed(stage, plan)
        by_clients = [_runs(stage, hot, clients, plan, rested) for clients in plan.clients]
        by_events = [_runs_over(stage, sales, plan, rested) for sales in _events(stage, hot, plan.events)]
        audit(stage)
    by_workers = []
    for workers in plan.workers:
        with preparations.stage(workers=workers) as stage:
            by_workers.append(_runs(stage, _warmed(stage, plan), plan.busy, plan, rested))
            audit(stage)
    return [
        Curve(CLIENTS, list(plan.clients), by_clients),
        Curve(WORKERS, list(plan.workers), by_workers),
        Curve(EVENTS, list(plan.events), by_events),
    ]


def _warmed(stage: Stage, plan: CurvePlan) -> Iterator[OnSale]:
    """Return the events of a new server, without the one whose sale warmed up caches and plans."""
    hot = iter(stage.prepared.hot)
    book(stage, [next(hot)], plan.busy, plan.seconds / 3)
    return hot


def _runs(
    stage: Stage, hot: Iterator[OnSale], clients: int, plan: CurvePlan, rested: Rested
) -> list[Measured]:
    sales = list(itertools.islice(hot, plan.runs))
    return [
        rested(stage, lambda sale=sale: book(stage, [sale], clients, plan.seconds))  # type: ignore[misc]
        for sale in sales
    ]


def _runs_over(stage: Stage, sales: Sequence[OnSale], plan: CurvePlan, rested: Rested) -> list[Measured]:
    return [rested(stage, lambda: book(stage, sales, plan.busy, plan.seconds)) for _ in range(plan.runs)]


def _events(stage: Stage, hot: Iterator[OnSale], counts: Sequence[int]) -> Iterator[list[OnSale]]:
    """Yield the events of each point; no event is in two of them, because each set is audited by itself."""
    for count in counts[:-1]:
        yield list(itertools.islice(hot, count))
    yield stage.prepared.many[: counts[-1]]
