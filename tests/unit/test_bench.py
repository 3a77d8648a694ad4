"""The benchmark's document, from made-up figures: what is measured is another matter."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from bench.compare import (
    NOISE_MIN,
    Compared,
    KeptCurve,
    KeptFigure,
    Numbers,
    committed_numbers,
    compare,
    numbers_of,
    read_numbers,
    scaled_curve,
)
from bench.curves import CurvePlan
from bench.ideal import ideal_per_second
from bench.load import Measured, measured
from bench.processor import Clock, Cost, cores_of_machine, parent_of, seconds_used
from bench.results import OURS, Benchmark, Curve, Figure, Goal, Memory, Technique
from bench.show import show_comparison, show_costs, show_figures, show_techniques
from bench.write import draw, write_document
from evently.rehearsal.loops import LoopResult
from evently.rehearsal.recording import Recording

COST = Cost(100.0, 50.0, 50.0)


def run_of(per_second: float, wrong: int | None = 0) -> Measured:
    return Measured(per_second, 10.0, 20.0, 30.0, 1000, {}, 5.0, wrong, cost=COST)


def curve(of: str, rates: dict[int, float]) -> Curve:
    return Curve(of, list(rates), [[run_of(rate), run_of(rate * 2), run_of(0.0)] for rate in rates.values()])


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
        token_microseconds=[30.0, 31.0, 32.0],
        cores=2,
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
    made.curves += [
        curve("clients", {1: 400.0, 64: 4_000.0, 1_024: 5_000.0}),
        curve("workers", {1: 4_000.0, 2: 5_000.0}),
        curve("events", {1: 5_000.0, 1_000: 3_000.0}),
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
        == {
            *("one-event.svg", "many-events.svg", "by-clients.svg", "memory.svg"),
            *(f"{of}-{what}.svg" for of in ("clients", "workers", "events") for what in ("rate", "latency")),
        }
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
        "**31.0 us** while this was measured",
        "| 1 client | 400 | 20.0 ms | 100 | 50 | 50 | 10,000 | 0.04 |",
        "| 1,024 clients | 5,000 | 20.0 ms | 100 | 50 | 50 | 10,000 | 0.50 |",
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


# The bound --------------------------------------------------------------------------------------------------


def test_the_bound_is_what_all_cores_can_book() -> None:
    assert COST.total() == 200.0
    assert COST.bound(2) == 10_000.0
    assert COST.share(7_500.0, 2) == 0.75


def stat_of(proc: Path, process: int, parent: int, name: str, ticks: str, children: str) -> None:
    """Write what the kernel shows of a process: its name may contain anything."""
    (proc / f"{process}/task/{process}").mkdir(parents=True)
    (proc / f"{process}/stat").write_text(
        f"{process} ({name}) S {parent} 1 1 0 -1 4194304 100 0 0 0 {ticks} 20 0 1 0 5 1 1\n", encoding="ascii"
    )
    (proc / f"{process}/task/{process}/children").write_text(children, encoding="ascii")


def test_the_time_of_a_process_is_that_of_its_whole_family(tmp_path: Path) -> None:
    stat_of(tmp_path, 10, 1, "server", "100 50 30 20", "11 12 13 ")
    stat_of(tmp_path, 11, 10, "a) S (b", "200 100 0 0", "14 ")
    stat_of(tmp_path, 12, 10, "worker", "10 10 0 0", "")
    stat_of(tmp_path, 14, 11, "grandchild", "1 1 1 1", "")
    second = os.sysconf("SC_CLK_TCK")
    assert seconds_used(10, tmp_path) == pytest.approx((200 + 300 + 20 + 4) / second)
    assert seconds_used(13, tmp_path) == 0.0, "it ended in between"
    assert parent_of(11, tmp_path) == 10
    assert parent_of(13, tmp_path) == 0


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")
def test_a_child_that_worked_is_in_the_cost() -> None:
    """Burn 0.3 s of processor time in a child that ends before the clock is read."""
    clock = Clock(os.getpid(), 0)
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", burn], check=True)
    cost = clock.cost_of(10)
    assert cost is not None
    assert cost.server >= 0.25e6 / 10
    assert cost.postgres == 0.0
    assert clock.cost_of(0) is None


def test_nothing_is_measured_without_a_server() -> None:
    assert Clock(0, 0).cost_of(10) is None
    assert cores_of_machine() >= 1


# The yardstick, and what was measured before ----------------------------------------------------------------


def test_goals_are_scaled_to_the_machine() -> None:
    """A machine that needs twice the time for a token needs to book half as much."""
    rate = Goal("bookings/s", "/s", 12_000, "at_least", 14_000, microseconds=21.0).on(42.0)
    assert (rate.value, rate.stretch) == (6_000.0, 7_000.0)
    assert Goal("p99", "ms", 20, "at_most", microseconds=21.0).on(42.0).value == 40.0
    assert Goal("share", "", 0.75, "at_least", microseconds=21.0).on(42.0).value == 0.75
    assert Goal("memory", "MB", 5, "at_most", microseconds=21.0).on(42.0).value == 5


def test_the_goals_of_a_benchmark_are_scaled_by_its_yardstick() -> None:
    made = benchmark()
    made.figures = [Figure(Goal("bookings/s", "/s", 6_200, "at_least", microseconds=15.5), [4_000.0])]
    assert made.yardstick() == 31.0
    assert not made.figures[0].is_met()
    made.scale_goals()
    assert made.figures[0].goal.value == 3_100.0
    assert made.figures[0].is_met()


def numbers(token_us: float = 20.0, **figures: KeptFigure) -> Numbers:
    at = datetime(2026, 2, 1, tzinfo=UTC)
    curves = {"clients": KeptCurve([1, 64], [1_000.0, 4_000.0], [2.0, 20.0])}
    return Numbers(1, "abc", at, token_us, 2, figures, curves)


def rates(*found: float) -> KeptFigure:
    return KeptFigure("/s", "more", list(found))


def times(*found: float) -> KeptFigure:
    return KeptFigure("ms", "less", list(found))


def compare_one(before: KeptFigure, now: KeptFigure, then_us: float, now_us: float) -> Compared:
    (row,) = compare(numbers(then_us, one=before), numbers(now_us, one=now))
    return row


@pytest.mark.parametrize(
    ("before", "now", "then_us", "now_us", "ratio", "verdict"),
    [
        # the same machine
        (rates(1_000, 1_000, 1_000), rates(1_000, 1_000, 1_000), 20, 20, 1.0, ""),
        (rates(1_000, 1_000, 1_000), rates(800, 800, 800), 20, 20, 0.8, "slower"),
        (times(10, 10, 10), times(20, 20, 20), 20, 20, 0.5, "slower"),
        (times(10, 10, 10), times(5, 5, 5), 20, 20, 2.0, "faster"),
        # half as fast a machine: half the rate is the same code
        (rates(1_000, 1_000, 1_000), rates(500, 500, 500), 20, 40, 1.0, ""),
        (rates(1_000, 1_000, 1_000), rates(1_000, 1_000, 1_000), 20, 40, 2.0, "faster"),
        (times(10, 10, 10), times(20, 20, 20), 20, 40, 1.0, ""),
        (times(10, 10, 10), times(10, 10, 10), 40, 20, 0.5, "slower"),
        # what does not depend on the machine
        (KeptFigure("", "more", [60.0]), KeptFigure("", "more", [30.0]), 20, 40, 0.5, "slower"),
        (KeptFigure("MB", "less", [5.0]), KeptFigure("MB", "less", [5.0]), 20, 40, 1.0, ""),
        # within the noise of both: 10 % and 20 %
        (rates(1_000, 900, 1_000), rates(750, 600, 800), 20, 20, 0.75, ""),
        (rates(1_000, 900, 1_000), rates(690, 552, 690), 20, 20, 0.69, "slower"),
        # nothing to divide by
        (KeptFigure("MB", "less", [0.0]), KeptFigure("MB", "less", [3.0]), 20, 20, None, ""),
        (rates(1_000), rates(0.0), 20, 20, 0.0, "slower"),
    ],
)
def test_figures_are_compared_after_scaling(
    before: KeptFigure, now: KeptFigure, then_us: float, now_us: float, ratio: float | None, verdict: str
) -> None:
    row = compare_one(before, now, then_us, now_us)
    assert row.ratio == (None if ratio is None else pytest.approx(ratio))
    assert row.verdict() == verdict


def test_the_noise_is_that_of_both_and_never_nothing() -> None:
    assert rates(1_000, 1_000, 1_000).noise() == NOISE_MIN
    assert compare_one(rates(100, 80, 110), rates(100, 130, 100), 20, 20).noise == pytest.approx(0.5)


def test_only_what_both_measured_is_compared() -> None:
    before = numbers(a=rates(1.0), b=rates(1.0), c=times(1.0))
    now = numbers(b=rates(1.0), c=rates(1.0), d=rates(1.0))
    assert [row.name for row in compare(before, now)] == ["b"]


def test_earlier_curves_are_scaled_if_their_points_are_the_same() -> None:
    found = scaled_curve(numbers(20.0), numbers(40.0), "clients")
    assert found == KeptCurve([1, 64], [500.0, 2_000.0], [4.0, 40.0])
    assert scaled_curve(numbers(), numbers(), "workers") is None
    other = numbers_of(benchmark())
    assert scaled_curve(numbers(), other, "clients") is None


def test_numbers_are_written_and_read_again(tmp_path: Path) -> None:
    made = benchmark()
    write_document(made, tmp_path)
    text = (tmp_path / "benchmarks.json").read_bytes()
    assert read_numbers(text) == numbers_of(made)
    assert read_numbers(text.replace(b'"format": 1', b'"format": 2')) is None
    assert read_numbers(b"{}") is None
    assert read_numbers(b"\xff") is None


def test_a_benchmark_is_compared_with_what_is_committed_and_not_with_the_file(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    docs = tmp_path / "docs"
    docs.mkdir()
    assert committed_numbers(docs) is None, "there is no repository"
    git("init")
    write_document(benchmark(), docs)
    assert committed_numbers(docs) is None, "nothing is committed"
    git("add", ".")
    git("commit", "-m", "numbers")
    made = benchmark()
    made.figures = made.figures[:1]
    write_document(made, docs)
    found = committed_numbers(docs)
    assert found is not None
    assert set(found.figures) == {"bookings/s", "p99"}


def test_the_document_says_what_got_slower(tmp_path: Path) -> None:
    made = benchmark()
    before = numbers_of(made)
    kept = before.figures["bookings/s"]
    faster = msgspec.structs.replace(kept, found=[value * 4 for value in kept.found])
    before = msgspec.structs.replace(before, figures={**before.figures, "bookings/s": faster})
    write_document(made, tmp_path, before)
    document = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert "| bookings/s | 24,000 /s | 24,000 /s | 6,000 /s | 0.25 | 1.00 |  |" in document
    assert "\n\n\n" not in document
    steady = msgspec.structs.replace(kept, found=[24_000.0] * 3)
    made.figures[0] = msgspec.structs.replace(made.figures[0], found=[6_000.0] * 3)
    before = msgspec.structs.replace(before, figures={"bookings/s": steady})
    write_document(made, tmp_path, before)
    document = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert "| bookings/s | 24,000 /s | 24,000 /s | 6,000 /s | 0.25 | 0.10 | **slower** |" in document


# Plots of the curves ----------------------------------------------------------------------------------------


def test_curves_are_drawn_with_those_of_before_and_the_same_each_time() -> None:
    made = benchmark()
    plots = draw(made, numbers_of(made))
    assert plots == draw(made, numbers_of(made))
    for name in ("clients-rate", "clients-latency", "workers-rate", "events-latency"):
        chart = ET.fromstring(plots[name])  # noqa: S314  # our own text
        before, now = chart.iter("polyline")
        assert before.attrib["points"] == now.attrib["points"], "nothing has changed"
    (alone,) = ET.fromstring(draw(made)["clients-rate"]).iter("polyline")  # noqa: S314  # our own text
    assert len(alone.attrib["points"].split()) == 3


def test_a_server_has_events_enough_for_the_curves() -> None:
    assert CurvePlan().hot_events() >= 1 + 6 * 3 + 1 + 10 + 100
    assert CurvePlan(clients=(1,), events=(1,), runs=5).hot_events() >= 1 + 5


def test_the_tables_of_costs_and_comparison_fit_a_terminal() -> None:
    made = benchmark()
    before = numbers_of(made)
    console = Console(width=140, record=True, quiet=True)
    console.print(show_costs(made), show_comparison(before, compare(before, before)))
    assert made.curves[0].costs() == [COST] * 3


def test_what_both_halves_allow_together() -> None:
    assert ideal_per_second(20_000.0, 20_000.0) == pytest.approx(10_000.0)
    assert ideal_per_second(45_000.0, 22_500.0) == pytest.approx(15_000.0)
