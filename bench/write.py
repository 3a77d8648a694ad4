"""Writes docs/benchmarks.md and its plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import jinja2

from bench.results import OURS, Benchmark
from bench.show import cells_of, goal_of, runs_of, value_of
from evently.kit.charts import Bar, Series, bar_chart, line_chart, standalone

_COLOURS: Final = {
    OURS: "blue",
    "row-lock": "amber",
    "optimistic": "violet",
    "conditional": "green",
    "job-queue": "grey",
}


def write_document(benchmark: Benchmark, docs: Path) -> None:
    """Write the document and its plots."""
    plots = docs / "benchmarks"
    plots.mkdir(parents=True, exist_ok=True)
    for name, svg in draw(benchmark).items():
        (plots / f"{name}.svg").write_text(standalone(svg), encoding="utf-8")
    (docs / "benchmarks.md").write_text(render(benchmark), encoding="utf-8")


def draw(benchmark: Benchmark) -> dict[str, str]:
    """Return the plots as SVG, by name."""
    plots = {}
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


def render(benchmark: Benchmark) -> str:
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
    )


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


def _rows(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _emphasised(cells: list[str]) -> list[str]:
    return [f"**{cell}**" for cell in cells] if cells[0] == OURS else cells
