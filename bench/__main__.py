"""`python -m bench`: measure and print; with --write, also write docs/benchmarks.md."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from bench.compare import FILE, Numbers, committed_numbers, compare, numbers_of
from bench.goals import QUICK, Plan
from bench.machine import commit_measured, describe_machine
from bench.measuring import PARTS, measure_baselines, measure_our_curves, measure_ours, take_yardstick
from bench.results import REFERENCE_MICROSECONDS, Benchmark
from bench.show import show_comparison, show_costs, show_figures, show_techniques
from bench.stage import Preparations
from bench.write import write_document
from evently.kit.clock import utc_now
from evently.rehearsal.plan import raise_file_limit
from evently.rehearsal.server import own_database, scratch_directory

_COLUMNS: Final = 140  # of a log
DOCS: Final = Path(__file__).parent.parent / "docs"


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
            measure_ours(preparations, plan, benchmark, console, parts)
        if "curves" in parts:
            measure_our_curves(preparations, plan, benchmark, console)
        if not options.ours and not options.only:
            measure_baselines(preparations, plan, benchmark, console)
        take_yardstick(benchmark)
    benchmark.scale_goals()
    benchmark.seconds = time.monotonic() - began
    before = None if options.quick else committed_numbers(DOCS)
    _print(benchmark, before, console)
    if options.write:
        write_document(benchmark, DOCS, before)
        console.print(f"Written: {DOCS / 'benchmarks.md'} and {DOCS / FILE}")
    return 1 if benchmark.wrong else 0


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
