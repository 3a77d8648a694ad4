"""The benchmark's document, from made-up figures: what is measured is another matter."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from bench.load import Measured, measured
from bench.results import OURS, Benchmark, Figure, Goal, Memory, Technique
from bench.show import show_figures, show_techniques
from bench.write import write_document
from evently.rehearsal.loops import LoopResult
from evently.rehearsal.recording import Recording


def run_of(per_second: float, wrong: int | None = 0) -> Measured:
    return Measured(per_second, 10.0, 20.0, 30.0, 1000, {}, 5.0, wrong)


def technique(name: str, one: float, many: float, connections: tuple[int, int] | None = None) -> Technique:
    rates = {16: one / 2, 64: one, 256: one}
    return Technique(
        name, [run_of(one), run_of(one * 2), run_of(one * 3)], [run_of(many)], rates, connections
    )


def benchmark() -> Benchmark:
    made = Benchmark(
        datetime(2026, 3, 1, tzinfo=UTC),
        "abc",
        {"Processor": "two cores"},
        {"fsync": "on"},
        {"Runs": "3"},
        seconds=480.0,
    )
    made.figures.append(
        Figure(Goal("bookings/s", "/s", 5_000, "at_least", 8_000), [4_000.0, 6_000.0, 9_000.0], "p99 8 ms")
    )
    made.figures.append(Figure(Goal("p99", "ms", 10, "at_most"), [12.0]))
    made.techniques += [
        technique(OURS, 3_000, 2_500),
        technique("row-lock", 200, 900, (4, 12)),
        technique("conditional", 400, 800, (12, 12)),
        technique("optimistic", 100, 700, (4, 4)),
        technique("job-queue", 150, 150, (4, 4)),
    ]
    made.memory = Memory([0, 10, 20, 30, 40], [100.0, 110.0, 115.0, 115.5, 116.0])
    for each in made.techniques:
        made.count([*each.one, *each.many])
    return made


def test_the_middle_run_counts_against_the_goal() -> None:
    bookings, p99 = benchmark().figures
    assert (bookings.middle(), bookings.is_met()) == (6_000.0, True)
    assert p99.is_met() is False


def test_the_best_baseline_is_the_best_on_one_event() -> None:
    best = benchmark().best_baseline()
    assert best is not None
    assert (best.name, best.one_per_second()) == ("conditional", 800.0)


def test_audits_are_counted_and_so_is_what_they_found() -> None:
    made = benchmark()
    assert (made.audits, made.wrong) == (20, 0)
    made.count([run_of(1.0, wrong=3), run_of(1.0, wrong=None)])
    assert (made.audits, made.wrong) == (21, 3)


def test_memory_grows_over_the_second_half() -> None:
    memory = benchmark().memory
    assert memory is not None
    assert memory.growth() == pytest.approx(1.0)


def test_the_document_and_its_plots(tmp_path: Path) -> None:
    write_document(benchmark(), tmp_path)
    document = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    plots = set(re.findall(r"\(benchmarks/([a-z-]+\.svg)\)", document))
    assert (
        plots
        == {path.name for path in (tmp_path / "benchmarks").iterdir()}
        == {"one-event.svg", "many-events.svg", "by-clients.svg", "memory.svg"}
    )
    for name in plots:
        assert ET.parse(tmp_path / "benchmarks" / name).getroot().tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314  # our own
    for said in (
        "| bookings/s | >= 5,000 /s, stretch 8,000 | 6,000 /s | yes |",
        "| **no** |",
        "**6,000**",
        "4 / 12",
        "20 audits",
        "8 minutes",
    ):
        assert said in document, said
    assert "\n\n\n" not in document


def test_without_baselines_nothing_is_compared(tmp_path: Path) -> None:
    made = benchmark()
    del made.techniques[1:]
    write_document(made, tmp_path)
    assert (
        "textbook"
        not in (tmp_path / "benchmarks.md")
        .read_text(encoding="utf-8")
        .split("## Memory")[0]
        .split("## The goals")[1]
    )


def test_the_tables_fit_a_terminal() -> None:
    console = Console(width=140, record=True, file=None, quiet=True)
    console.print(show_figures(benchmark()), show_techniques(benchmark()))
    assert console.width == 140


def test_what_a_run_measured() -> None:
    recording = Recording()
    for start, latency, status in ((0.0, 0.5, 201), (0.5, 0.5, 201), (1.0, 1.0, 503)):
        recording.add(start, latency, status)
    found = measured(LoopResult(recording, []), 201)
    assert (found.per_second, found.answers, found.others, found.last_answer_seconds) == (
        1.0,
        2,
        {503: 1},
        2.0,
    )
    assert (found.p50, found.p99, found.longest) == (500.0, 500.0, 500.0)
