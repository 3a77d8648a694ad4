"""Where the processor time of the server goes: `python -m bench.profile`.

Lets people book on one event, be refused by a sold-out one, and poll their places in a waiting room. Each
load runs twice: once for its rate and its processor time, once while py-spy looks 200 times a second at the
thread of each process of the server that has the interpreter's lock. A sample belongs to the part of the
program that is deepest on its stack; what a library does counts for the part that has called it. The whole
processor time, with that of the kernel, is divided as the samples are.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from bench.load import Measured, book, refuse
from bench.machine import commit_measured, describe_machine
from bench.processor import seconds_used
from bench.sections import PROFILE, put_section
from bench.stage import FEW_PLACES, Preparations, Stage
from bench.waiting import Line
from evently.rehearsal.plan import raise_file_limit
from evently.rehearsal.server import own_database, scratch_directory

DOCUMENT: Final = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_SECONDS: Final = 10.0
_WARM_SECONDS: Final = 3.0
_CLIENTS: Final = 256
_PEOPLE: Final = 5_000  # as in `make bench`
_WAITING: Final = 100_000
_SAMPLES_PER_SECOND: Final = 200
OTHER: Final = "event loop: sockets and timers"
_SERVER: Final = "server library: uvicorn, httptools"
_EDGE: Final = "edge: routing, limits, checking, logging, metrics"
_STATEMENTS: Final = "statements: parameters, rows, driver"
_RELAY: Final = "relay, and what follows a sale"
_RELAY_FRAME: Final = "evently/reactions/"  # a task of its own: all that it calls is its
# Part of the path of a frame, and what it belongs to; the first one that fits counts
_PARTS: Final = (
    ("uvicorn/protocols/", _SERVER),
    ("evently/web/edge/protocol", _SERVER),
    ("evently/web/edge/", _EDGE),
    ("evently/kit/logs", _EDGE),
    ("evently/accounts/", "identification: tokens and sessions"),
    ("evently/web/", "handlers and their answers"),
    ("evently/waitingroom/", "waiting room"),
    ("evently/sales/store", _STATEMENTS),
    ("evently/sales/loading", _STATEMENTS),
    ("evently/db/", _STATEMENTS),
    ("asyncpg/", _STATEMENTS),
    ("evently/sales/", "deciding: lanes, rules, journal"),
    ("evently/", "other parts of Evently"),
)


class Profiled(msgspec.Struct, frozen=True):
    """A load: its rate, and the processor time of the server for each request in us, whole and by part."""

    what: str
    per_second: float
    server_us: float
    samples: int
    parts: dict[str, float]


def part_of(stack: str) -> str:
    """Return the part of the program that a sample belongs to; `stack`: frames from the outermost one."""
    if _RELAY_FRAME in stack:
        return _RELAY
    for frame in reversed(stack.split(";")):
        for piece, part in _PARTS:
            if piece in frame:
                return part
    return OTHER


def count_parts(lines: Iterable[str]) -> Counter[str]:
    """Return the samples of each part; `lines`: each a stack and a count."""
    counted: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        counted[part_of(stack)] += int(count)
    return counted


def main(arguments: list[str]) -> int:
    """Measure and print."""
    options = _parse(arguments)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    raise_file_limit()
    with scratch_directory() as directory, own_database(directory / "data") as url:
        preparations = Preparations(directory, url)
        preparations.prepare(hot=2, many=1, few=2, people=_PEOPLE, halls=1)
        with preparations.stage() as stage:
            hot, sold_out = stage.prepared.hot[1], stage.prepared.few

            def booked(seconds: float) -> Measured:
                return book(stage, [hot], _CLIENTS, seconds, audited=False)

            def refused(seconds: float) -> Measured:
                return refuse(stage, sold_out[0], _CLIENTS, seconds, keyed=False)

            line = Line(stage, _WAITING)
            found = [
                _profile(stage, directory, "bookings on one event", booked),
                _profile(stage, directory, f"refusals, {FEW_PLACES:,} places sold out", refused),
                _profile(
                    stage,
                    directory,
                    f"polls in a waiting room of {_WAITING:,}",
                    lambda seconds: line.poll(stage, _CLIENTS, seconds).measured,
                ),
            ]
        machine = describe_machine(directory)
    text = describe(found, machine)
    console.print(text, markup=False)
    if options.write:
        put_section(DOCUMENT, PROFILE, text)
    return 0


def describe(found: list[Profiled], machine: dict[str, str]) -> str:
    """Return the section of the document."""
    dearest: Counter[str] = Counter()
    for each in found:
        for part, microseconds in each.parts.items():
            dearest[part] = max(dearest[part], round(microseconds))
    head = "| | " + " | ".join(each.what for each in found) + " |"
    rows = [
        "| requests/s | " + " | ".join(f"{each.per_second:,.0f}" for each in found) + " |",
        "| **server, us for each** | " + " | ".join(f"**{each.server_us:.0f}**" for each in found) + " |",
        *(
            f"| {part} | " + " | ".join(f"{each.parts.get(part, 0.0):.0f}" for each in found) + " |"
            for part, _ in dearest.most_common()
        ),
    ]
    table = "\n".join([head, "|---" + "|---:" * len(found) + "|", *rows])
    samples = ", ".join(f"{each.samples:,}" for each in found)
    return f"""\
Written by `python -m bench.profile --write`, commit {commit_measured()}. The processor time of all processes
of the server, in microseconds for each request, and how it divides: {samples} samples of py-spy, each counted
for the deepest part of Evently or of the server library on its stack. {_CLIENTS} clients; the load generator
and PostgreSQL share the processors and are not in the table.

{table}

{machine["Processor"]}, {machine["Memory"]}.
"""


def _profile(stage: Stage, directory: Path, what: str, load: Callable[[float], Measured]) -> Profiled:
    load(_WARM_SECONDS)
    before = seconds_used(stage.server.process_id)
    measured = load(_SECONDS)
    spent = seconds_used(stage.server.process_id) - before
    raw = directory / "samples.txt"
    seconds = int(_SECONDS) - 2  # py-spy needs a moment to begin
    command = (
        "record", "--subprocesses", "--pid", str(stage.server.process_id), "--gil", "--nonblocking",
        "--rate", str(_SAMPLES_PER_SECOND), "--duration", str(seconds), "--format", "raw",
        "--output", str(raw),
    )  # fmt: skip
    program = str(Path(sys.executable).parent / "py-spy")
    with subprocess.Popen((program, *command), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as spy:
        load(_SECONDS)
        _, errors = spy.communicate()
    if spy.returncode:
        raise SystemExit(f"py-spy cannot look at the server: {errors.decode(errors='replace').strip()}")
    counted = count_parts(raw.read_text(encoding="utf-8").splitlines())
    server_us, samples = spent / measured.answers * 1e6, counted.total()
    parts = {part: server_us * count / samples for part, count in counted.items()}
    return Profiled(what, measured.per_second, server_us, samples, parts)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.profile", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the section of docs/benchmarks.md")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
