"""The tables for the terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from bench.results import OURS, Benchmark, Figure, Technique


def show_figures(benchmark: Benchmark) -> Table:
    """Return the goals with the measured figures."""
    table = Table(title="Speed goals", title_justify="left")
    for name in ("", "goal", "measured", "runs", ""):
        table.add_column(name, justify="left" if not name else "right")
    for figure in benchmark.figures:
        style = "green" if figure.is_met() else "bold red"
        table.add_row(
            figure.goal.name,
            goal_of(figure),
            Text(value_of(figure, figure.middle()), style=style),
            runs_of(figure),
            figure.note,
        )
    return table


def show_techniques(benchmark: Benchmark) -> Table:
    """Return the techniques, one per row."""
    table = Table(title="Durable bookings a second, side by side", title_justify="left")
    for name in ("", "one event", "p99", "many events", "p99", "connections", "found wrong"):
        table.add_column(name, justify="left" if not name else "right")
    for technique in benchmark.techniques:
        table.add_row(*cells_of(technique), style="bold" if technique.name == OURS else "")
    return table


def cells_of(technique: Technique) -> list[str]:
    """Return the row of a technique."""
    connections = technique.connections
    return [
        technique.name,
        f"{technique.one_per_second():,.0f}",
        f"{technique.one[0].p99:,.0f} ms",
        f"{technique.many_per_second():,.0f}",
        f"{technique.many[0].p99:,.0f} ms",
        "2 lanes"
        if connections is None
        else f"{connections[0]}"
        if len(set(connections)) == 1
        else f"{connections[0]} / {connections[1]}",
        str(sum(run.wrong or 0 for run in [*technique.one, *technique.many])),
    ]


def goal_of(figure: Figure) -> str:
    """Return a goal as text."""
    goal = figure.goal
    sign = ">=" if goal.kind == "at_least" else "<="
    stretch = f", stretch {goal.stretch:,.0f}" if goal.stretch is not None else ""
    value = f"{goal.value:,.0f}" if goal.value >= 1 else f"{goal.value:g}"
    return f"{sign} {value} {goal.unit}{stretch}".strip()


def value_of(figure: Figure, value: float) -> str:
    """Return a value as text, with its unit."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {figure.goal.unit}".strip()


def runs_of(figure: Figure) -> str:
    """Return the values of all runs as text."""
    return " · ".join(value_of(figure, value).split(" ")[0] for value in figure.found)
