"""Writes docs/benchmarks.md with its plots, and docs/benchmarks.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import jinja2

from bench.compare import KeptCurve, Numbers, compare, numbers_of, scaled_curve, write_numbers
from bench.results import OLDER_MICROSECONDS, OURS, REFERENCE_MICROSECONDS, Benchmark, Curve
from bench.sections import kept_sections
from bench.show import (
    COMPARED_COLUMNS,
    COST_COLUMNS,
    cells_of,
    compared_cells,
    cost_rows,
    goal_of,
    runs_of,
    value_of,
)
from evently.kit.charts import Bar, Series, bar_chart, line_chart, standalone

_COLOURS: Final = {
    OURS: "blue",
    "row-lock": "amber",
    "optimistic": "violet",
    "conditional": "green",
    "job-queue": "grey",
}


def write_document(benchmark: Benchmark, docs: Path, before: Numbers | None = None) -> None:
    """Write the document, its plots and its numbers; `before` are those of an earlier benchmark."""
    plots = docs / "benchmarks"
    plots.mkdir(parents=True, exist_ok=True)
    for name, svg in draw(benchmark, before).items():
        (plots / f"{name}.svg").write_text(standalone(svg), encoding="utf-8")
    path = docs / "benchmarks.md"
    kept = kept_sections(path.read_text(encoding="utf-8")) if path.exists() else ""
    path.write_text(render(benchmark, before) + (f"\n{kept}" if kept else ""), encoding="utf-8")
    write_numbers(benchmark, docs)


def draw(benchmark: Benchmark, before: Numbers | None = None) -> dict[str, str]:
    """Return the plots as SVG, by name."""
    plots: dict[str, str] = {}
    for curve in benchmark.curves:
        earlier = None if before is None else scaled_curve(before, numbers_of(benchmark), curve.of)
        plots |= _curve(curve, earlier)
    if benchmark.techniques[1:]:
        one = sorted(benchmark.techniques, key=lambda technique: -technique.one_per_second())
        many = sorted(benchmark.techniques, key=lambda technique: -technique.many_per_second())
        plots["one-event"] = _bars(
            "Bookings a second on one event", [(each.name, each.one_per_second()) for each in one]
        )
        plots["many-events"] = _bars(
            "Bookings a second over many events", [(each.name, each.many_per_second()) for each in many]
        )
        plots["by-clients"] = _by_clients(benchmark)
    if benchmark.memory is not None:
        at = [float(bookings) for bookings in benchmark.memory.bookings]
        series = [Series("resident memory, MB, by bookings", "blue", benchmark.memory.megabytes, area=True)]
        plots["memory"] = line_chart("Memory by bookings", at, series, unit="")
    return plots


def render(benchmark: Benchmark, before: Numbers | None = None) -> str:
    """Return the document as Markdown."""
    environment = jinja2.Environment(  # noqa: S701  # Markdown of our own figures
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    template = environment.from_string(
        Path(__file__).with_name("benchmarks.md.jinja").read_text(encoding="utf-8")
    )
    figures = [
        [
            figure.goal.name,
            goal_of(figure),
            value_of(figure, figure.middle()),
            "yes" if figure.is_met() else "**no**",
            runs_of(figure),
            figure.note,
        ]
        for figure in benchmark.figures
    ]
    return template.render(
        benchmark=benchmark,
        goals=_rows(figures),
        techniques=_rows([_emphasised(cells_of(technique)) for technique in benchmark.techniques]),
        compared=bool(benchmark.techniques[1:]),
        best=benchmark.best_baseline(),
        reference=REFERENCE_MICROSECONDS,
        older=OLDER_MICROSECONDS,
        cost_head=_head(COST_COLUMNS),
        costs=_rows(cost_rows(benchmark)),
        before=before,
        compared_head=_head(COMPARED_COLUMNS),
        comparison=_comparison(benchmark, before),
    )


def _comparison(benchmark: Benchmark, before: Numbers | None) -> str:
    if before is None:
        return ""
    rows = [compared_cells(row) for row in compare(before, numbers_of(benchmark))]
    return _rows([[*cells[:-1], f"**{cells[-1]}**" if cells[-1] else ""] for cells in rows])


def _curve(curve: Curve, earlier: KeptCurve | None) -> dict[str, str]:
    """Return two plots: bookings per second, and p99, by what grows."""
    at = [float(each) for each in curve.at]
    rates = [Series("bookings/s", "blue", curve.per_second())]
    waits = [Series("p99, ms", "violet", curve.p99())]
    if earlier is not None:
        rates.insert(0, Series("before, scaled to this machine", "grey", earlier.per_second))
        waits.insert(0, Series("before, scaled to this machine", "grey", earlier.p99_ms))
    return {
        f"{curve.of}-rate": line_chart(
            f"Bookings a second by number of {curve.of}", at, rates, unit="", doubling=True
        ),
        f"{curve.of}-latency": line_chart(
            f"p99 in ms by number of {curve.of}", at, waits, unit="", doubling=True
        ),
    }


def _bars(title: str, values: Sequence[tuple[str, float]]) -> str:
    return bar_chart(title, [Bar(name, value, _COLOURS[name]) for name, value in values], label_width=100)


def _by_clients(benchmark: Benchmark) -> str:
    clients = list(benchmark.techniques[0].by_clients)
    bars = [
        Bar(f"{technique.name}, {number}", technique.by_clients[number], _COLOURS[technique.name])
        for technique in benchmark.techniques
        for number in clients
    ]
    return bar_chart(
        "Bookings a second on one event, by number of clients", bars, label_width=120, row_height=24
    )


def _head(names: Sequence[str]) -> str:
    return f"| | {' | '.join(names)} |\n|---|{'---:|' * len(names)}"


def _rows(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _emphasised(cells: list[str]) -> list[str]:
    return [f"**{cell}**" for cell in cells] if cells[0] == OURS else cells
