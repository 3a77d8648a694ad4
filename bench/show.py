"""The tables for the terminal, and their cells for the document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from bench.compare import Compared, Numbers
from bench.results import OURS, Benchmark, Figure, Technique

COST_COLUMNS: Final = ("bookings/s", "p99", "server", "PostgreSQL", "load generator", "bound", "share")
COMPARED_COLUMNS: Final = ("before", "scaled", "now", "times as good", "noise", "")


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


def show_costs(benchmark: Benchmark) -> Table:
    """Return what a booking costs at each point of the curves, one per row."""
    table = Table(title="Bookings, and what one costs in us of a processor", title_justify="left")
    for name in ("", *COST_COLUMNS):
        table.add_column(name, justify="left" if not name else "right")
    for cells in cost_rows(benchmark):
        table.add_row(*cells)
    return table


def show_comparison(before: Numbers, rows: Sequence[Compared]) -> Table:
    """Return the figures of two benchmarks, one per row; what is slower or faster stands out."""
    table = Table(title=f"Compared with commit {before.commit}", title_justify="left")
    for name in ("", *COMPARED_COLUMNS):
        table.add_column(name, justify="left" if not name else "right")
    styles = {"slower": "bold red", "faster": "green", "": ""}
    for row in rows:
        table.add_row(*compared_cells(row), style=styles[row.verdict()])
    return table


def cost_rows(benchmark: Benchmark) -> list[list[str]]:
    """Return the rows of the table of costs."""
    rows = []
    for curve in benchmark.curves:
        points = zip(curve.at, curve.per_second(), curve.p99(), curve.costs(), strict=True)
        for at, per_second, p99, cost in points:
            cells = [f"{at:,} {curve.of if at != 1 else curve.of.removesuffix('s')}"]
            cells += [f"{per_second:,.0f}", f"{p99:,.1f} ms"]
            if cost is None:
                cells += [""] * 5
            else:
                cells += [f"{each:.0f}" for each in (cost.server, cost.postgres, cost.clients)]
                cells += [
                    f"{cost.bound(benchmark.cores):,.0f}",
                    f"{cost.share(per_second, benchmark.cores):.2f}",
                ]
            rows.append(cells)
    return rows


def compared_cells(row: Compared) -> list[str]:
    """Return the row of a comparison."""
    return [
        row.name,
        *[in_unit(value, row.unit) for value in (row.before, row.scaled, row.now)],
        "" if row.ratio is None else f"{row.ratio:.2f}",
        f"{row.noise:.2f}",
        row.verdict(),
    ]


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
    value = f"{goal.value:,.0f}" if goal.value >= 10 or goal.value == int(goal.value) else f"{goal.value:.2g}"
    return f"{sign} {value} {goal.unit}{stretch}".strip()


def value_of(figure: Figure, value: float) -> str:
    """Return a value as text, with its unit."""
    return in_unit(value, figure.goal.unit)


def in_unit(value: float, unit: str) -> str:
    """Return a value as text, with its unit."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".strip()


def runs_of(figure: Figure) -> str:
    """Return the values of all runs as text."""
    return " · ".join(value_of(figure, value).split(" ")[0] for value in figure.found)
