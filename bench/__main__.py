"""`python -m bench`: measure and print; with --write, also write docs/benchmarks.md."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
from rich.console import Console

from bench import door, halls, ideal, pages, pauses, streams, waiting
from bench.baselines import TECHNIQUES
from bench.checks import audit_whole
from bench.compare import FILE, Numbers, committed_numbers, compare, numbers_of
from bench.curves import CurvePlan, measure_curves
from bench.load import BROWSER, Measured, book, browse, memory_of, read, refuse, settle, stampede
from bench.machine import commit_measured, decode_microseconds, describe_machine
from bench.results import (
    OURS,
    REFERENCE_MICROSECONDS,
    Benchmark,
    Figure,
    Goal,
    Memory,
    Technique,
    middle_cost,
)
from bench.show import show_comparison, show_costs, show_figures, show_techniques
from bench.stage import HALL_SEATS, OnSale, Preparations, Stage
from bench.write import write_document
from evently.kit.clock import utc_now
from evently.rehearsal.plan import raise_file_limit, run
from evently.rehearsal.server import own_database, scratch_directory

_COLUMNS: Final = 140  # of a log
_BOOKINGS_PER_PAGE: Final = 5  # in the memory run: bookings for each page of events that is read
DOCS: Final = Path(__file__).parent.parent / "docs"
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


Measuring: TypeAlias = Callable[[Goal, Callable[[], Measured]], list[Measured]]
# Of our measurements
PARTS: Final = ("api", "halls", "door", "pages", "waiting", "streams", "pauses", "memory", "curves")


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


def main(arguments: list[str]) -> int:
    """Measure; the exit status is 1 if an audit found breaches."""
    options = _parse(arguments)
    plan = QUICK if options.quick else Plan()
    if options.million:
        plan = msgspec.structs.replace(plan, memory_bookings=1_000_000, memory_steps=20)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _COLUMNS)
    raise_file_limit()
    began = time.monotonic()
    with scratch_directory() as directory, own_database(directory / "data") as url:
        preparations = Preparations(directory, url, options.workers)
        benchmark = Benchmark(
            utc_now(),
            commit_measured(),
            describe_machine(directory),
            preparations.settings(),
            plan.described(),
        )
        console.print(f"Preparing {plan.many:,} events and {plan.people:,} buyers.")
        preparations.prepare(
            hot=max(plan.runs * 8 + 8, plan.curves.hot_events()),
            many=plan.many,
            few=2 * plan.runs,
            people=plan.people,
            halls=2 * plan.runs + 1,
        )
        parts = options.only or PARTS
        if any(part != "curves" for part in parts):
            _measure_ours(preparations, plan, benchmark, console, parts)
        if "curves" in parts:
            _measure_curves(preparations, plan, benchmark, console)
        if not options.ours and not options.only:
            _measure_baselines(preparations, plan, benchmark, console)
        _take_yardstick(benchmark)
    benchmark.scale_goals()
    benchmark.seconds = time.monotonic() - began
    before = None if options.quick else committed_numbers(DOCS)
    _print(benchmark, before, console)
    if options.write:
        write_document(benchmark, DOCS, before)
        console.print(f"Written: {DOCS / 'benchmarks.md'} and {DOCS / FILE}")
    return 1 if benchmark.wrong else 0


def _take_yardstick(benchmark: Benchmark) -> None:
    """Measure how fast the machine is now; it changes while the benchmark runs."""
    benchmark.token_microseconds.append(decode_microseconds())


def _print(benchmark: Benchmark, before: Numbers | None, console: Console) -> None:
    console.print(
        f"Yardstick: {benchmark.yardstick():.1f} us to check a token; "
        f"goals are scaled from {REFERENCE_MICROSECONDS:.0f} us."
    )
    console.print(show_figures(benchmark))
    if benchmark.curves:
        console.print(show_costs(benchmark))
    if benchmark.techniques[1:]:
        console.print(show_techniques(benchmark))
    if before is not None:
        console.print(show_comparison(before, compare(before, numbers_of(benchmark))))
    console.print(
        f"{benchmark.audits} audits found {benchmark.wrong:,} breaches. {benchmark.seconds:,.0f} s."
    )


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m bench", description="Measure the speed goals, and textbook techniques for comparison."
    )
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and .json, with plots")
    parser.add_argument(
        "--quick", action="store_true", help="only check that everything runs: the figures mean nothing"
    )
    parser.add_argument("--ours", action="store_true", help="skip the textbook techniques")
    parser.add_argument(
        "--only", action="append", choices=PARTS, help="measure this part of ours alone; may be repeated"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        help="worker processes of the server; 0 starts one per core, the product's default",
    )
    parser.add_argument(
        "--million",
        action="store_true",
        help="measure the memory over a million bookings instead of a hundred thousand",
    )
    options = parser.parse_args(arguments)
    if options.write and (options.only or options.ours):
        parser.error("--write needs all measurements: leave out --only and --ours")
    return options


# Ours -------------------------------------------------------------------------------------------------------


def _measure_ours(
    preparations: Preparations, plan: Plan, benchmark: Benchmark, console: Console, parts: Sequence[str]
) -> None:
    with preparations.stage() as stage:
        hot = iter(stage.prepared.hot)
        # The first seconds warm up caches, pages and plans.
        book(stage, [next(hot)], plan.fewer_clients, plan.short_seconds)

        def measure(goal: Goal, one_run: Callable[[], Measured]) -> list[Measured]:
            _take_yardstick(benchmark)
            runs = [_rested(preparations, stage, one_run) for _ in range(plan.runs)]
            benchmark.count(runs)
            _say(console, goal.name, runs)
            return runs

        if "api" in parts:
            _measure_api(preparations, stage, hot, plan, benchmark, measure)
        if "halls" in parts:
            _measure_halls(stage, plan, benchmark, measure)
        if "door" in parts:
            _measure_door(stage, plan, benchmark, measure)
        if "pages" in parts:
            _measure_pages(stage, plan, benchmark, measure)
        if "waiting" in parts:
            _measure_waiting(stage, plan, benchmark, measure)
        if "streams" in parts:
            _measure_streams(preparations, stage, plan, benchmark, console)
        if "pauses" in parts:
            _measure_pauses(stage, benchmark, measure)
        if "memory" in parts:
            benchmark.memory = memory = _watch_memory(stage, plan, benchmark, console)
            benchmark.figures.append(Figure(MEMORY, [memory.growth()], _memory_note(memory)))
        _audit(stage, benchmark)


def _audit(stage: Stage, benchmark: Benchmark) -> None:
    """Audit the whole database of a server, with its journals."""
    benchmark.wrong += run(audit_whole(stage))
    benchmark.audits += 1


def _measure_api(
    preparations: Preparations,
    stage: Stage,
    hot: Iterator[OnSale],
    plan: Plan,
    benchmark: Benchmark,
    measure: Measuring,
) -> None:
    few = iter(stage.prepared.few)
    one = measure(ONE_EVENT, lambda: book(stage, [next(hot)], plan.clients, plan.seconds))
    many = measure(MANY_EVENTS, lambda: book(stage, stage.prepared.many, plan.clients, plan.seconds))
    fewer = measure(P99, lambda: book(stage, [next(hot)], plan.fewer_clients, plan.seconds))
    alone = measure(UNLOADED_P99, lambda: book(stage, [next(hot)], 1, plan.short_seconds))
    refused = measure(
        REFUSALS, lambda: refuse(stage, next(few), plan.clients, plan.short_seconds, keyed=False)
    )
    keyed = measure(
        KEYED_REFUSALS, lambda: refuse(stage, next(few), plan.clients, plan.short_seconds, keyed=True)
    )
    read_load = (stage, stage.prepared.hot[0], plan.fewer_clients, plan.short_seconds)
    reads = measure(READS, lambda: read(*read_load, signed_in=False))
    signed_in = read(*read_load, signed_in=True)
    rush = measure(STAMPEDE, lambda: stampede(stage, next(hot), plan.stampede))
    by_clients = {plan.clients: one[0], plan.fewer_clients: fewer[0]}
    for clients in plan.by_clients:
        if clients not in by_clients:
            by_clients[clients] = _rested(
                preparations, stage, partial(book, stage, [next(hot)], clients, plan.short_seconds)
            )
    rates = {clients: by_clients[clients].per_second for clients in plan.by_clients}
    benchmark.techniques.append(Technique(OURS, one, many, rates))
    benchmark.figures += [
        Figure(
            ONE_EVENT, [each.per_second for each in one], f"p50 {one[0].p50:.0f} ms, p99 {one[0].p99:.0f} ms"
        ),
        Figure(
            MANY_EVENTS,
            [each.per_second for each in many],
            f"p50 {many[0].p50:.0f} ms, p99 {many[0].p99:.0f} ms",
        ),
        *_share(benchmark, one),
        _ideal_share(preparations, stage, hot, plan, one),
        Figure(P99, [each.p99 for each in fewer], f"{fewer[0].per_second:,.0f} bookings/s meanwhile"),
        Figure(UNLOADED_P99, [each.p99 for each in alone], f"p50 {alone[0].p50:.1f} ms"),
        Figure(REFUSALS, [each.per_second for each in refused]),
        Figure(KEYED_REFUSALS, [each.per_second for each in keyed]),
        Figure(
            READS,
            [each.per_second for each in reads],
            f"in turn, by visitors; {signed_in.per_second:,.0f}/s signed in",
        ),
        Figure(STAMPEDE, [each.last_answer_seconds for each in rush], f"p50 {rush[0].p50:,.0f} ms"),
        Figure(PER_COMMIT, [each.per_commit or 0.0 for each in one]),
    ]


def _share(benchmark: Benchmark, runs: list[Measured]) -> list[Figure]:
    """Return the share of the bound that the runs reached; nothing where costs cannot be measured."""
    cost = middle_cost(runs)
    if cost is None:
        return []
    cores = benchmark.cores
    found = [each.cost.share(each.per_second, cores) for each in runs if each.cost is not None]
    note = f"bound {cost.bound(cores):,.0f}/s: {cores} cores; {cost.shown()}"
    return [Figure(SHARE, found, note)]


def _ideal_share(
    preparations: Preparations, stage: Stage, hot: Iterator[OnSale], plan: Plan, runs: list[Measured]
) -> Figure:
    """Return the share of what this machine could book without rules, limits and statements."""
    sale = next(hot)
    run(settle(stage))
    answers = ideal.answers_per_second(stage, sale, preparations.directory, plan.clients, plan.short_seconds)
    book(stage, [sale], plan.clients, plan.seconds, audited=False)
    run(settle(stage))
    preparations.checkpoint()
    with preparations.copy() as url:
        copies = ideal.copies_per_second(stage, sale, url)
    allowed = ideal.ideal_per_second(answers, copies)
    note = f"{allowed:,.0f}/s: an empty handler answers {answers:,.0f}/s, rows are copied for {copies:,.0f}/s"
    return Figure(IDEAL_SHARE, [each.per_second / allowed for each in runs], note)


def _measure_halls(stage: Stage, plan: Plan, benchmark: Benchmark, measure: Measuring) -> None:
    """Measure seats and payments; the audit of the whole database at the end checks their bookings."""
    each = iter(stage.prepared.halls)
    (online,) = stage.prepared.online
    named = measure(
        NAMED_SEATS, lambda: halls.book_named(stage, next(each), plan.clients, plan.short_seconds)
    )
    best = measure(BEST_SEATS, lambda: halls.book_best(stage, next(each), plan.clients, plan.short_seconds))
    flows = measure(FLOWS, lambda: halls.buy(stage, online, plan.clients, plan.short_seconds))
    states = measure(
        SEAT_STATES,
        lambda: halls.read_seats(stage, stage.prepared.halls[0], plan.fewer_clients, plan.short_seconds),
    )
    taken = sum(each.others.get(409, 0) for each in named)
    benchmark.figures += [
        Figure(
            NAMED_SEATS,
            [each.per_second for each in named],
            f"two seats each; {taken:,} refused: seat taken",
        ),
        Figure(BEST_SEATS, [each.per_second for each in best], f"two seats each; p99 {best[0].p99:.0f} ms"),
        Figure(
            FLOWS,
            [each.per_second for each in flows],
            f"p50 {flows[0].p50:.0f} ms, p99 {flows[0].p99:.0f} ms",
        ),
        Figure(SEAT_STATES, [each.per_second for each in states], f"p99 {states[0].p99:.0f} ms"),
        Figure(PICKING, [halls.pick_seconds() * 1000 for _ in range(plan.runs)], "without HTTP and database"),
    ]


def _measure_door(stage: Stage, plan: Plan, benchmark: Benchmark, measure: Measuring) -> None:
    """Measure check-ins of one event; the audit of the whole database at the end checks them, too."""
    # The memory run compares all bookings of the last event with those that it made
    tickets = door.Tickets(stage, stage.prepared.hot[-2], plan.door_tickets)
    load = (stage, tickets, plan.fewer_clients, plan.short_seconds)
    single = measure(ADMISSIONS, lambda: door.scan(*load, 1))
    batched = measure(BATCHED_ADMISSIONS, lambda: door.scan(*load, door.BATCH))
    benchmark.figures += [
        Figure(
            ADMISSIONS,
            [each.per_second for each in single],
            f"p50 {single[0].p50:.0f} ms, p99 {single[0].p99:.0f} ms",
        ),
        Figure(
            BATCHED_ADMISSIONS,
            [each.per_second for each in batched],
            f"p99 of a batch {batched[0].p99:.0f} ms",
        ),
    ]


def _measure_pages(stage: Stage, plan: Plan, benchmark: Benchmark, measure: Measuring) -> None:
    """Measure what browsers read; the audit of the whole database at the end checks their bookings."""
    sale = stage.prepared.hot[0]
    load = (stage, sale, plan.fewer_clients, plan.short_seconds)
    kept = measure(KEPT_PAGES, lambda: pages.read_kept(*load))
    rendered = measure(RENDERED_PAGES, lambda: pages.read_rendered(*load))
    booked = measure(PAGE_BOOKINGS, lambda: pages.book(*load))
    benchmark.figures += [
        Figure(KEPT_PAGES, [each.per_second for each in kept], f"p99 {kept[0].p99:.0f} ms"),
        Figure(RENDERED_PAGES, [each.per_second for each in rendered], f"p99 {rendered[0].p99:.0f} ms"),
        Figure(PAGE_BOOKINGS, [each.per_second for each in booked], f"p99 {booked[0].p99:.0f} ms"),
    ]


def _measure_waiting(stage: Stage, plan: Plan, benchmark: Benchmark, measure: Measuring) -> None:
    """Measure who waits; the audit of the whole database at the end checks the draw and the admissions."""
    line, goal = (
        waiting.Line(stage, plan.waiting),
        msgspec.structs.replace(POLLS, name=POLLS.name.format(people=plan.waiting)),
    )
    spent: list[float] = []

    def poll() -> Measured:
        polled = line.poll(stage, plan.fewer_clients, plan.short_seconds)
        spent.append(polled.server_us)
        return polled.measured

    polls = measure(goal, poll)
    benchmark.figures.append(
        Figure(
            goal,
            [each.per_second for each in polls],
            f"p99 {polls[0].p99:.0f} ms; {min(spent):.0f} us of the server's processors for each",
        )
    )


def _measure_pauses(stage: Stage, benchmark: Benchmark, measure: Measuring) -> None:
    """Measure what others wait for while an organizer's large work runs."""
    hall, sale = stage.prepared.halls[-1], stage.prepared.hot[0]  # nobody has booked in this hall
    waits = measure(PAUSES, lambda: pauses.wait_for_others(stage, hall, sale))
    note = (
        f"{HALL_SEATS:,} seats blocked and unblocked, an event proved and exported; p99 {waits[0].p99:.0f} ms"
    )
    benchmark.figures.append(Figure(PAUSES, [each.longest for each in waits], note))


def _measure_streams(
    preparations: Preparations, stage: Stage, plan: Plan, benchmark: Benchmark, console: Console
) -> None:
    """Measure streams at rest and when a ticket is booked, and the map in a browser."""
    run(settle(stage))
    preparations.checkpoint()
    sale = stage.prepared.hot[0]
    load = (stage, sale, plan.streams, plan.stream_seconds, plan.stream_changes)
    changes: list[float] = []
    for goal, sockets in ((IDLE_STREAMS, False), (IDLE_SOCKETS, True)):
        found = streams.follow(*load, sockets=sockets)
        changes += found.change_seconds
        benchmark.figures.append(Figure(_named(goal, plan), [found.added], found.note()))
        console.print(f"{_named(goal, plan).name}: {found.added:.1f} %; {found.note()}")
    note = f"from the answer to the last of them; at worst {max(changes):.2f} s"
    benchmark.figures.append(Figure(_named(CHANGE, plan), changes, note))
    if (browser := streams.find_browser()) is None:
        console.print(f"{MAP_READY.name}: skipped, because there is no Chromium (apt-get install chromium)")
        return
    ready = streams.map_ready_seconds(stage, stage.prepared.halls[0], browser, plan.runs)
    benchmark.figures.append(Figure(MAP_READY, ready, "a phone's screen, a new profile each time"))
    console.print(f"{MAP_READY.name}: {', '.join(f'{each:.2f}' for each in ready)} s")


def _named(goal: Goal, plan: Plan) -> Goal:
    return msgspec.structs.replace(goal, name=goal.name.format(streams=plan.streams))


def _watch_memory(stage: Stage, plan: Plan, benchmark: Benchmark, console: Console) -> Memory:
    """Book and browse in steps, as browsers do, and measure the memory after each."""
    memory = Memory([0], [memory_of(stage)])
    step = plan.memory_bookings // plan.memory_steps
    for number in range(1, plan.memory_steps + 1):
        last = number == plan.memory_steps
        benchmark.count(
            [
                book(
                    stage,
                    [stage.prepared.hot[-1]],
                    plan.clients,
                    600.0,
                    bookings_max=step,
                    audited=last,
                    headers=BROWSER,
                )
            ]
        )
        benchmark.count([browse(stage, plan.clients, step // _BOOKINGS_PER_PAGE)])
        memory.bookings.append(number * step)
        memory.megabytes.append(memory_of(stage))
    console.print(f"{MEMORY.name}: {_memory_note(memory)}")
    return memory


def _memory_note(memory: Memory) -> str:
    return (
        f"{memory.megabytes[0]:.0f} MB before, "
        f"{memory.megabytes[-1]:.0f} MB after {memory.bookings[-1]:,} bookings"
    )


# Curves -----------------------------------------------------------------------------------------------------


def _measure_curves(preparations: Preparations, plan: Plan, benchmark: Benchmark, console: Console) -> None:
    _take_yardstick(benchmark)
    benchmark.curves = measure_curves(
        preparations, plan.curves, partial(_rested, preparations), lambda stage: _audit(stage, benchmark)
    )
    for curve in benchmark.curves:
        for at, runs in zip(curve.at, curve.runs, strict=True):
            benchmark.count(runs)
            _say(console, f"bookings, {at:,} {curve.of}", runs)


# Baselines --------------------------------------------------------------------------------------------------


def _measure_baselines(
    preparations: Preparations, plan: Plan, benchmark: Benchmark, console: Console
) -> None:
    for name in TECHNIQUES:
        technique = _measure_baseline(preparations, plan, name)
        benchmark.techniques.append(technique)
        benchmark.count([*technique.one, *technique.many])
        _say(console, f"{name}, one event", technique.one)
        _say(console, f"{name}, many events", technique.many)
    best = benchmark.best_baseline()
    assert best is not None, "there are baselines"
    with preparations.stage(workers=1) as stage:  # as many as a baseline has
        hot = iter(stage.prepared.hot)
        book(stage, [next(hot)], plan.clients, plan.short_seconds / 3)  # warm up
        ours = [
            _rested(preparations, stage, lambda: book(stage, [next(hot)], plan.clients, plan.short_seconds))
            for _ in range(plan.runs)
        ]
    benchmark.count(ours)
    _say(console, f"{OURS}, one event, one process", ours)
    times = [run.per_second / best.one_per_second() for run in ours]
    note = f"one process each; the best is {best.name}: {best.one_per_second():,.0f}/s"
    benchmark.figures.insert(2, Figure(TIMES_BEST, times, note))


def _measure_baseline(preparations: Preparations, plan: Plan, name: str) -> Technique:
    """Try every number of connections, and measure the best one further.

    The run that chose it counts, too, which favours the baseline.
    """
    one: dict[int, list[Measured]] = {}
    many: dict[int, list[Measured]] = {}
    for connections in plan.connections:
        for measured, runs in zip(_both(preparations, plan, name, connections, 1), (one, many), strict=True):
            runs[connections] = measured
    best_one, best_many = (
        max(runs, key=lambda connections: runs[connections][0].per_second) for runs in (one, many)
    )
    if plan.runs > 1:
        more_one, more_many = _both(preparations, plan, name, best_one, plan.runs - 1)
        one[best_one] += more_one
        if best_many != best_one:
            _, more_many = _both(preparations, plan, name, best_many, plan.runs - 1)
        many[best_many] += more_many
    by_clients = {plan.clients: one[best_one][0].per_second}
    with preparations.stage(name, best_one) as stage:
        for number, clients in enumerate(plan.by_clients):
            if clients not in by_clients:
                once = _rested(
                    preparations,
                    stage,
                    partial(book, stage, [stage.prepared.hot[number]], clients, plan.short_seconds),
                )
                by_clients[clients] = once.per_second
    return Technique(
        name, one[best_one], many[best_many], dict(sorted(by_clients.items())), (best_one, best_many)
    )


def _both(
    preparations: Preparations, plan: Plan, name: str, connections: int, runs: int
) -> tuple[list[Measured], list[Measured]]:
    """Return runs on one event and over many."""
    with preparations.stage(name, connections) as stage:
        hot = iter(stage.prepared.hot)
        book(stage, [next(hot)], plan.clients, plan.short_seconds / 3)  # warm up
        one = [
            _rested(preparations, stage, lambda: book(stage, [next(hot)], plan.clients, plan.short_seconds))
            for _ in range(runs)
        ]
        many = [
            _rested(
                preparations,
                stage,
                lambda: book(stage, stage.prepared.many, plan.clients, plan.short_seconds),
            )
            for _ in range(runs)
        ]
    return one, many


def _rested(preparations: Preparations, stage: Stage, measure: Callable[[], Measured]) -> Measured:
    """Measure once nothing of the run before is left to do."""
    run(settle(stage))
    preparations.checkpoint()
    return measure()


def _say(console: Console, name: str, runs: list[Measured]) -> None:
    rates = ", ".join(f"{each.per_second:,.0f}" for each in runs)
    odd = {status: count for each in runs for status, count in each.others.items()}
    wrong = sum(each.wrong or 0 for each in runs)
    console.print(
        f"{name}: {rates} /s; p99 {runs[0].p99:,.1f} "
        f"ms{f'; others {odd}' if odd else ''}{f'; WRONG: {wrong}' if wrong else ''}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
