"""The goals, and how much is measured to see whether they are reached."""

from __future__ import annotations

from functools import partial
from typing import Final

import msgspec

from bench.curves import CurvePlan
from bench.results import REFERENCE_MICROSECONDS, Goal

_goal: Final = partial(Goal, microseconds=REFERENCE_MICROSECONDS)  # a goal for the machine of reference
ONE_EVENT: Final = _goal("durable bookings/s on one event, 256 clients", "/s", 12_000, "at_least")
MANY_EVENTS: Final = _goal("durable bookings/s over 1,000 events, 256 clients", "/s", 10_000, "at_least")
TIMES_BEST: Final = Goal("times the best textbook technique, one event", "x", 5, "at_least")
SHARE: Final = Goal("share of the bound of this machine that is reached, one event", "", 0.75, "at_least")
IDEAL_SHARE: Final = Goal("share of what an empty handler and bare rows would allow", "", 0.75, "at_least")
P99: Final = _goal("p99 of a booking at 64 clients", "ms", 20, "at_most")
UNLOADED_P99: Final = _goal("p99 of a booking, one client", "ms", 3, "at_most")
REFUSALS: Final = _goal("sold-out refusals/s without a key, from memory", "/s", 25_000, "at_least")
KEYED_REFUSALS: Final = _goal("sold-out refusals/s with a key, through the batch", "/s", 18_000, "at_least")
READS: Final = _goal("event page and availability reads/s", "/s", 30_000, "at_least")
STAMPEDE: Final = _goal("5,000 clients at one instant: last answer", "s", 0.5, "at_most")
PER_COMMIT: Final = Goal("bookings per commit at saturation", "", 100, "at_least")
NAMED_SEATS: Final = _goal(
    "bookings/s of named seats in a hall of 20,000, 256 clients", "/s", 7_000, "at_least"
)
BEST_SEATS: Final = _goal(
    "bookings/s of best available seats in a hall of 20,000, 256 clients", "/s", 7_000, "at_least"
)
FLOWS: Final = _goal(
    "held, paid with the demo gateway and confirmed, whole flows/s, 256 clients", "/s", 3_000, "at_least"
)
ADMISSIONS: Final = Goal(
    "admissions/s at one door, one scan in a request, 64 clients", "/s", 1_000, "at_least"
)
BATCHED_ADMISSIONS: Final = Goal("admissions/s at one door, in batches of 50", "/s", 1_000, "at_least")
SEAT_STATES: Final = Goal("states of 20,000 seats/s, compressed", "/s", 1_500, "at_least")
KEPT_PAGES: Final = Goal("pages of an event/s, kept and compressed", "/s", 15_000, "at_least")
RENDERED_PAGES: Final = Goal("pages of an event/s, rendered for one reader", "/s", 5_000, "at_least")
PAGE_BOOKINGS: Final = Goal(
    "bookings over the page/s: form, redirect, page, 64 clients", "/s", 1_500, "at_least"
)
POLLS: Final = Goal("places in a waiting room of {people:,}, polled/s", "/s", 20_000, "at_least")
IDLE_STREAMS: Final = Goal("{streams:,} idle streams: processor that they add", "%", 1, "at_most")
IDLE_SOCKETS: Final = Goal("{streams:,} idle WebSockets: processor that they add", "%", 1, "at_most")
CHANGE: Final = Goal("a booking reaches all {streams:,} streams", "s", 0.5, "at_most")
MAP_READY: Final = Goal(
    "map of 20,000 seats in headless Chromium, from the start of its script", "s", 0.3, "at_most"
)
PAUSES: Final = Goal("longest answer to a reader while large work runs", "ms", 50, "at_most")
PICKING: Final = Goal("500 times the best four of 20,000 seats, picked in one batch", "ms", 50, "at_most")
MEMORY: Final = Goal("memory of the server: growth over the second half of many bookings", "MB", 5, "at_most")


class Plan(msgspec.Struct, frozen=True):
    """The size of the benchmark. The defaults take about fifteen minutes on two cores."""

    seconds: float = 4.0
    short_seconds: float = 2.5
    runs: int = 3
    many: int = 1_000
    people: int = 5_000
    clients: int = 256
    fewer_clients: int = 64
    by_clients: tuple[int, ...] = (16, 64, 256)
    connections: tuple[int, ...] = (12, 24)
    stampede: int = 5_000
    door_tickets: int = 60_000
    waiting: int = 100_000
    streams: int = 2_000
    stream_seconds: float = 30.0  # two pings to all
    stream_changes: int = 5
    memory_bookings: int = 100_000
    memory_steps: int = 10
    curves: CurvePlan = CurvePlan()

    def described(self) -> dict[str, str]:
        """Return the plan as a table of the document."""
        return {
            "Runs": f"{self.runs} of each, {self.seconds:g} s or {self.short_seconds:g} s; the median counts",
            "Clients": f"closed loop, kept-alive connections, {self.people:,} buyers in turn, "
            "one ticket per booking, with Idempotency-Key",
            "Server": "a process per core, with tokens, rate limits, access log, metrics and the relay",
            "Baselines": f"pooled connections {', '.join(map(str, self.connections))}: "
            "the best number for one event, and for many events",
        }


QUICK: Final = Plan(
    seconds=0.5,
    short_seconds=0.3,
    runs=1,
    many=20,
    people=200,
    clients=32,
    fewer_clients=16,
    by_clients=(8, 32),
    connections=(8,),
    stampede=200,
    door_tickets=2_000,
    waiting=500,
    streams=100,
    stream_seconds=1.0,
    stream_changes=1,
    memory_bookings=1_000,
    memory_steps=4,
    curves=CurvePlan(clients=(16,), workers=(2,), events=(1, 20), busy=16, seconds=0.3, runs=1),
)
