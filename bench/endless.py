"""Asks whether one event sells its millionth ticket as fast as its first: `python -m bench.endless`.

Sells one event in steps, and after each step a fresh event for a moment, as a control: what else the machine
does, and the size of the database, are the same for both. Beside rate and latency it notes memory, dead rows
and the work of autovacuum. It ends with an audit of everything. Exit status 1: breaches.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from statistics import median
from typing import Final

import msgspec
import psycopg
from rich.console import Console

from bench.checks import audit_whole
from bench.load import book, memory_of, settle
from bench.machine import commit_measured, describe_machine
from bench.sections import ENDLESS, put_section
from bench.stage import PLACES, Preparations, Stage
from evently.rehearsal.plan import raise_file_limit, run
from evently.rehearsal.server import own_database, scratch_directory

DOCUMENT: Final = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_CLIENTS: Final = 64
_PEOPLE: Final = 5_000
_STEP_SECONDS_MAX: Final = 900.0
_CONTROL_SECONDS: Final = 3.0
_ENDS: Final = 3  # steps at the start and at the end that are compared
_WATCHED: Final = ("sales", "pools", "bookings", "tickets", "journal")


class Step(msgspec.Struct, frozen=True):
    """What was seen in one step: of the event, and of a fresh one right after it.

    `dead` and `live`: rows of the hottest tables, by table. `vacuumed`: how often autovacuum was there.
    """

    bookings: int
    per_second: float
    p99: float
    fresh_per_second: float
    fresh_p99: float
    megabytes: float
    dead: dict[str, int]
    vacuumed: int
    kilobytes: int  # of `sales` and `pools`


def main(arguments: list[str]) -> int:
    """Sell and print."""
    options = _parse(arguments)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    raise_file_limit()
    steps: list[Step] = []
    with scratch_directory(options.directory) as directory, own_database(directory / "data") as url:
        preparations = Preparations(directory, url)
        preparations.prepare(hot=options.steps + 2, many=1, few=1, people=_PEOPLE, halls=1)
        with preparations.stage() as stage:
            book(stage, [stage.prepared.hot[-1]], _CLIENTS, _CONTROL_SECONDS, audited=False)  # warms up
            for number in range(options.steps):
                steps.append(_sell(stage, number, options.bookings // options.steps, steps))
                console.print(_said(steps[-1]))
            run(settle(stage))
            began = time.monotonic()
            breaches = run(audit_whole(stage))
            seconds = time.monotonic() - began
        machine = describe_machine(directory)
    console.print(_summary(steps))
    console.print(f"The audit found {breaches:,} breaches in {seconds:,.0f} s.")
    if options.write:
        put_section(DOCUMENT, ENDLESS, describe(steps, breaches, seconds, machine))
    return 1 if breaches else 0


def describe(steps: list[Step], breaches: int, seconds: float, machine: dict[str, str]) -> str:
    """Return the section of the document."""
    rows = [
        f"| {step.bookings:,} | {step.per_second:,.0f} | {step.fresh_per_second:,.0f} | {step.p99:.0f} | "
        f"{step.fresh_p99:.0f} | {step.megabytes:.0f} | {sum(step.dead.values()):,} | {step.vacuumed} | "
        f"{step.kilobytes:,} |"
        for step in steps
    ]
    table = "\n".join(
        [
            "| bookings | /s | fresh event, /s | p99, ms | fresh event, ms | memory, MB | dead rows "  # noqa: ISC004
            "| autovacuums | `sales`, `pools`, kB |",
            "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
            *rows,
        ]
    )
    return f"""\
Written by `python -m bench.endless --write`, commit {commit_measured()}. {_CLIENTS} clients book one ticket
each, {steps[-1].bookings:,} in all. After each step, a fresh event is sold for a moment: a control, for it
has the same machine and the same database. {_summary(steps)}

{table}

The audit at the end found {breaches:,} breaches in {seconds:,.0f} s. {machine["Processor"]}.
"""


def _sell(stage: Stage, number: int, bookings: int, before: list[Step]) -> Step:
    """Sell one step, and then a fresh event for a moment."""
    sale, fresh = stage.prepared.hot[0], stage.prepared.hot[number + 1]
    sold = book(stage, [sale], _CLIENTS, _STEP_SECONDS_MAX, bookings_max=bookings, audited=False)
    assert sold.answers == bookings, f"{sold.answers:,} of {bookings:,} were booked; others: {sold.others}"
    control = book(stage, [fresh], _CLIENTS, _CONTROL_SECONDS, audited=False)
    with psycopg.connect(stage.database_url) as connection:
        rows = connection.execute(
            "SELECT relname, n_dead_tup, autovacuum_count FROM pg_stat_user_tables WHERE relname = ANY(%s)",
            (list(_WATCHED),),
        ).fetchall()
        size = connection.execute(
            "SELECT (pg_total_relation_size('sales') + pg_total_relation_size('pools')) / 1024"
        ).fetchone()
    assert size is not None, "an expression has a row"
    return Step(
        bookings + (before[-1].bookings if before else 0),
        sold.per_second,
        sold.p99,
        control.per_second,
        control.p99,
        memory_of(stage),
        {name: dead for name, dead, _ in rows},
        sum(count for *_, count in rows),
        size[0],
    )


def _summary(steps: list[Step]) -> str:
    """Compare the end with the start."""
    first, last = steps[:_ENDS], steps[-_ENDS:]

    def of(part: list[Step], name: str) -> float:
        return float(median(getattr(step, name) for step in part))

    def beside(part: list[Step], name: str) -> float:
        return float(median(getattr(step, name) / getattr(step, f"fresh_{name}") for step in part))

    return (
        f"Medians of the last {len(last)} steps beside the first {len(first)}: rate "
        f"{of(last, 'per_second') / of(first, 'per_second'):.2f}x, "
        f"p99 {of(last, 'p99') / of(first, 'p99'):.2f}x; measured against the fresh event, rate "
        f"{beside(last, 'per_second') / beside(first, 'per_second'):.2f}x, "
        f"p99 {beside(last, 'p99') / beside(first, 'p99'):.2f}x. "
        f"Memory of the largest worker: {of(first, 'megabytes'):.0f} MB, then {of(last, 'megabytes'):.0f} MB."
    )


def _said(step: Step) -> str:
    return (
        f"{step.bookings:>9,} bookings: {step.per_second:,.0f}/s, p99 {step.p99:.0f} ms; a fresh event "
        f"{step.fresh_per_second:,.0f}/s, {step.fresh_p99:.0f} ms; {step.megabytes:.0f} MB, "
        f"{sum(step.dead.values()):,} dead rows, {step.vacuumed} autovacuums, {step.kilobytes:,} kB"
    )


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.endless", description=__doc__)
    parser.add_argument("--bookings", type=int, default=PLACES, help="in all, at most a million")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--directory", type=Path, help="where the database is made, and removed again")
    parser.add_argument("--write", action="store_true", help="write the section of docs/benchmarks.md")
    options = parser.parse_args(arguments)
    if options.bookings > PLACES:
        parser.error(f"the event has {PLACES:,} places")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
