"""Measures the product part by part, its curves, and the textbook techniques."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, TypeAlias

import msgspec
from rich.console import Console

from bench import door, goals, halls, ideal, pages, pauses, streams, waiting
from bench.baselines import TECHNIQUES
from bench.checks import audit_whole
from bench.curves import measure_curves
from bench.goals import Plan
from bench.load import BROWSER, Measured, book, browse, memory_of, read, refuse, settle, stampede
from bench.machine import decode_microseconds
from bench.results import OURS, Benchmark, Figure, Goal, Memory, Technique, middle_cost
from bench.stage import HALL_SEATS, OnSale, Preparations, Stage
from evently.rehearsal.plan import run

Measuring: TypeAlias = Callable[[Goal, Callable[[], Measured]], list[Measured]]
# Of our measurements
PARTS: Final = ("api", "halls", "door", "pages", "waiting", "streams", "pauses", "memory", "curves")
_BOOKINGS_PER_PAGE: Final = 5  # in the memory run: bookings for each page of events that is read


def take_yardstick(benchmark: Benchmark) -> None:
    """Measure how fast the machine is now; it changes while the benchmark runs."""
    benchmark.token_microseconds.append(decode_microseconds())


def measure_ours(
    preparations: Preparations, plan: Plan, benchmark: Benchmark, console: Console, parts: Sequence[str]
) -> None:
    """Measure parts of the product, and audit what they have left."""
    with preparations.stage() as stage:
        hot = iter(stage.prepared.hot)
        # The first seconds warm up caches, pages and plans.
        book(stage, [next(hot)], plan.fewer_clients, plan.short_seconds)

        def measure(goal: Goal, one_run: Callable[[], Measured]) -> list[Measured]:
            take_yardstick(benchmark)
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
            benchmark.figures.append(Figure(goals.MEMORY, [memory.growth()], _memory_note(memory)))
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
    one = measure(goals.ONE_EVENT, lambda: book(stage, [next(hot)], plan.clients, plan.seconds))
    many = measure(goals.MANY_EVENTS, lambda: book(stage, stage.prepared.many, plan.clients, plan.seconds))
    fewer = measure(goals.P99, lambda: book(stage, [next(hot)], plan.fewer_clients, plan.seconds))
    alone = measure(goals.UNLOADED_P99, lambda: book(stage, [next(hot)], 1, plan.short_seconds))
    refused = measure(
        goals.REFUSALS, lambda: refuse(stage, next(few), plan.clients, plan.short_seconds, keyed=False)
    )
    keyed = measure(
        goals.KEYED_REFUSALS, lambda: refuse(stage, next(few), plan.clients, plan.short_seconds, keyed=True)
    )
    read_load = (stage, stage.prepared.hot[0], plan.fewer_clients, plan.short_seconds)
    reads = measure(goals.READS, lambda: read(*read_load, signed_in=False))
    signed_in = read(*read_load, signed_in=True)
    rush = measure(goals.STAMPEDE, lambda: stampede(stage, next(hot), plan.stampede))
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
            goals.ONE_EVENT,
            [each.per_second for each in one],
            f"p50 {one[0].p50:.0f} ms, p99 {one[0].p99:.0f} ms",
        ),
        Figure(
            goals.MANY_EVENTS,
            [each.per_second for each in many],
            f"p50 {many[0].p50:.0f} ms, p99 {many[0].p99:.0f} ms",
        ),
        *_share(benchmark, one),
        _ideal_share(preparations, stage, hot, plan, one),
        Figure(goals.P99, [each.p99 for each in fewer], f"{fewer[0].per_second:,.0f} bookings/s meanwhile"),
        Figure(goals.UNLOADED_P99, [each.p99 for each in alone], f"p50 {alone[0].p50:.1f} ms"),
        Figure(goals.REFUSALS, [each.per_second for each in refused]),
        Figure(goals.KEYED_REFUSALS, [each.per_second for each in keyed]),
        Figure(
            goals.READS,
            [each.per_second for each in reads],
            f"in turn, by visitors; {signed_in.per_second:,.0f}/s signed in",
        ),
        Figure(goals.STAMPEDE, [each.last_answer_seconds for each in rush], f"p50 {rush[0].p50:,.0f} ms"),
        Figure(goals.PER_COMMIT, [each.per_commit or 0.0 for each in one]),
    ]


def _share(benchmark: Benchmark, runs: list[Measured]) -> list[Figure]:
    """Return the share of the bound that the runs reached; nothing where costs cannot be measured."""
    cost = middle_cost(runs)
    if cost is None:
        return []
    cores = benchmark.cores
    found = [each.cost.share(each.per_second, cores) for each in runs if each.cost is not None]
    note = f"bound {cost.bound(cores):,.0f}/s: {cores} cores; {cost.shown()}"
    return [Figure(goals.SHARE, found, note)]


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
    return Figure(goals.IDEAL_SHARE, [each.per_second / allowed for each in runs], note)


def _measure_halls(stage: Stage, plan: Plan, benchmark: Benchmark, measure: Measuring) -> None:
    """Measure seats and payments; the audit of the whole database at the end checks their bookings."""
    each = iter(stage.prepared.halls)
    (online,) = stage.prepared.online
    named = measure(
        goals.NAMED_SEATS, lambda: halls.book_named(stage, next(each), plan.clients, plan.short_seconds)
    )
    best = measure(
        goals.BEST_SEATS, lambda: halls.book_best(stage, next(each), plan.clients, plan.short_seconds)
    )
    flows = measure(goals.FLOWS, lambda: halls.buy(stage, online, plan.clients, plan.short_seconds))
    states = measure(
        goals.SEAT_STATES,
        lambda: halls.read_seats(stage, stage.prepared.halls[0], plan.fewer_clients, plan.short_seconds),
    )
    taken = sum(each.others.get(409, 0) for each in named)
    benchmark.figures += [
        Figure(
            goals.NAMED_SEATS,
            [each.per_second for each in named],
            f"two seats each; {taken:,} refused: seat taken",
        ),
        Figure(
            goals.BEST_SEATS, [each.per_second for each in best], f"two seats each; p99 {best[0].p99:.0f} ms"
        ),
        Figure(
            goals.FLOWS,
            [each.per_second for each in flows],
            f"p50 {flows[0].p50:.0f} ms, p99 {flows[0].p99:.0f} ms",
        ),
        Figure(goals.SEAT_STATES, [each.per_second for each in states], f"p99 {states[0].p99:.0f} ms"),
        Figure(
            goals.PICKING,
            [halls.pick_seconds() * 1000 for _ in range(plan.runs)],
            "without HTTP and database",
        ),
    ]


def _measure_door(stage: Stage, plan: Plan, benchmark: Benchmark, measure: Measuring) -> None:
    """Measure check-ins of one event; the audit of the whole database at the end checks them, too."""
    # The memory run compares all bookings of the last event with those that it made
    tickets = door.Tickets(stage, stage.prepared.hot[-2], plan.door_tickets)
    load = (stage, tickets, plan.fewer_clients, plan.short_seconds)
    single = measure(goals.ADMISSIONS, lambda: door.scan(*load, 1))
    batched = measure(goals.BATCHED_ADMISSIONS, lambda: door.scan(*load, door.BATCH))
    benchmark.figures += [
        Figure(
            goals.ADMISSIONS,
            [each.per_second for each in single],
            f"p50 {single[0].p50:.0f} ms, p99 {single[0].p99:.0f} ms",
        ),
        Figure(
            goals.BATCHED_ADMISSIONS,
            [each.per_second for each in batched],
            f"p99 of a batch {batched[0].p99:.0f} ms",
        ),
    ]


def _measure_pages(stage: Stage, plan: Plan, benchmark: Benchmark, measure: Measuring) -> None:
    """Measure what browsers read; the audit of the whole database at the end checks their bookings."""
    sale = stage.prepared.hot[0]
    load = (stage, sale, plan.fewer_clients, plan.short_seconds)
    kept = measure(goals.KEPT_PAGES, lambda: pages.read_kept(*load))
    rendered = measure(goals.RENDERED_PAGES, lambda: pages.read_rendered(*load))
    booked = measure(goals.PAGE_BOOKINGS, lambda: pages.book(*load))
    benchmark.figures += [
        Figure(goals.KEPT_PAGES, [each.per_second for each in kept], f"p99 {kept[0].p99:.0f} ms"),
        Figure(goals.RENDERED_PAGES, [each.per_second for each in rendered], f"p99 {rendered[0].p99:.0f} ms"),
        Figure(goals.PAGE_BOOKINGS, [each.per_second for each in booked], f"p99 {booked[0].p99:.0f} ms"),
    ]


def _measure_waiting(stage: Stage, plan: Plan, benchmark: Benchmark, measure: Measuring) -> None:
    """Measure who waits; the audit of the whole database at the end checks the draw and the admissions."""
    line = waiting.Line(stage, plan.waiting)
    goal = msgspec.structs.replace(goals.POLLS, name=goals.POLLS.name.format(people=plan.waiting))
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
    waits = measure(goals.PAUSES, lambda: pauses.wait_for_others(stage, hall, sale))
    note = (
        f"{HALL_SEATS:,} seats blocked and unblocked, an event proved and exported; p99 {waits[0].p99:.0f} ms"
    )
    benchmark.figures.append(Figure(goals.PAUSES, [each.longest for each in waits], note))


def _measure_streams(
    preparations: Preparations, stage: Stage, plan: Plan, benchmark: Benchmark, console: Console
) -> None:
    """Measure streams at rest and when a ticket is booked, and the map in a browser."""
    run(settle(stage))
    preparations.checkpoint()
    sale = stage.prepared.hot[0]
    load = (stage, sale, plan.streams, plan.stream_seconds, plan.stream_changes)
    changes: list[float] = []
    for goal, sockets in ((goals.IDLE_STREAMS, False), (goals.IDLE_SOCKETS, True)):
        found = streams.follow(*load, sockets=sockets)
        changes += found.change_seconds
        benchmark.figures.append(Figure(_named(goal, plan), [found.added], found.note()))
        console.print(f"{_named(goal, plan).name}: {found.added:.1f} %; {found.note()}")
    note = f"from the answer to the last of them; at worst {max(changes):.2f} s"
    benchmark.figures.append(Figure(_named(goals.CHANGE, plan), changes, note))
    if (browser := streams.find_browser()) is None:
        console.print(
            f"{goals.MAP_READY.name}: skipped, because there is no Chromium (apt-get install chromium)"
        )
        return
    ready = streams.map_ready_seconds(stage, stage.prepared.halls[0], browser, plan.runs)
    benchmark.figures.append(Figure(goals.MAP_READY, ready, "a phone's screen, a new profile each time"))
    console.print(f"{goals.MAP_READY.name}: {', '.join(f'{each:.2f}' for each in ready)} s")


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
    console.print(f"{goals.MEMORY.name}: {_memory_note(memory)}")
    return memory


def _memory_note(memory: Memory) -> str:
    return (
        f"{memory.megabytes[0]:.0f} MB before, "
        f"{memory.megabytes[-1]:.0f} MB after {memory.bookings[-1]:,} bookings"
    )


# Curves -----------------------------------------------------------------------------------------------------


def measure_our_curves(
    preparations: Preparations, plan: Plan, benchmark: Benchmark, console: Console
) -> None:
    """Measure bookings by number of clients, workers and events."""
    take_yardstick(benchmark)
    benchmark.curves = measure_curves(
        preparations, plan.curves, partial(_rested, preparations), lambda stage: _audit(stage, benchmark)
    )
    for curve in benchmark.curves:
        for at, runs in zip(curve.at, curve.runs, strict=True):
            benchmark.count(runs)
            _say(console, f"bookings, {at:,} {curve.of}", runs)


# Baselines --------------------------------------------------------------------------------------------------


def measure_baselines(preparations: Preparations, plan: Plan, benchmark: Benchmark, console: Console) -> None:
    """Measure the textbook techniques, and how many times faster one process of the product is."""
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
    benchmark.figures.insert(2, Figure(goals.TIMES_BEST, times, note))


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
