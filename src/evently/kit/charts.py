"""Charts as SVG text, for reports, benchmarks and pages.

    line_chart(title, at, series)     lines over an x axis: `at` and the values of each series have one length
    bar_chart(title, bars)            horizontal bars on the scale of the largest value
    ring_chart(title, parts, ...)     shares of a whole
    standalone(svg)                   a chart as a file of its own

Values are floats in any unit: `unit` names that of the x axis (seconds by default), `show` formats values of
the y axis. A drawing is 520 units wide and as high as it needs, and scales with its page. There is no script
and no external font. Colours are CSS variables for light and dark pages; `STYLE` defines them, and a page
includes it once. Names and titles are escaped. The `<title>` of a shape shows its numbers when the pointer is
over it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Final

import msgspec

# Colours that remain distinct for people with any colour vision, on light and dark backgrounds.
STYLE: Final = """
:root { color-scheme: light dark; --paper: #fcfcfb; --card: #ffffff; --ink: #16181d; --soft: #575c66;
  --faint: #8a8f99;
  --line: #e4e5e8; --blue: #2a78d6; --green: #1baf7a; --amber: #eda100; --violet: #6a5acd; --red: #e34948;
  --grey: #a4a8b0;
  --good: #0b7a4b; --bad: #c22f2e; }
@media (prefers-color-scheme: dark) { :root { --paper: #111317; --card: #191c21; --ink: #eceef1;
  --soft: #b3b8c1; --faint: #7f8590;
  --line: #2b2f36; --blue: #4c93ea; --green: #22a878; --amber: #d39411; --violet: #9c8ff0; --red: #ea6a68;
  --grey: #6d737d;
  --good: #3ecf8e; --bad: #ff7b79; } }
.chart { display: block; width: 100%; height: auto;
  font: 12px/1.3 system-ui, -apple-system, "Segoe UI", sans-serif; }
.chart text { fill: var(--soft); }
.chart .strong { fill: var(--ink); font-weight: 600; }
.chart .grid { stroke: var(--line); stroke-width: 1; }
.chart .axis { stroke: var(--faint); stroke-width: 1; }
.chart .curve { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.chart .mark { stroke: var(--faint); stroke-width: 1; stroke-dasharray: 4 4; }
.chart .hover { fill: var(--ink); fill-opacity: 0; }
.chart .hover:hover { fill-opacity: 0.06; }
"""

WIDTH: Final = 520  # of the drawing, in its own units
_RIGHT: Final = 12
_TOP: Final = 46
_BOTTOM: Final = 28
_CHARACTER_WIDTH: Final = 6.4  # average of the 12 px font, to place a legend
_TICKS: Final = 4
_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)

Show = Callable[[float], str]


class Series(msgspec.Struct, frozen=True):
    """One line: a value for each point of the chart's x axis.

    `colour` names a variable of `STYLE`; `area` fills below it.
    """

    name: str
    colour: str
    values: list[float]
    area: bool = False


class Bar(msgspec.Struct, frozen=True):
    """One bar; `note` is shown after its value."""

    name: str
    value: float
    colour: str = "blue"
    note: str = ""


class Mark(msgspec.Struct, frozen=True):
    """A dashed vertical line with a name, at a value of the x axis."""

    at: float
    name: str


def show_number(value: float) -> str:
    """Return a number as text: 12,345 or 3.4 or 0.25."""
    if value == 0 or abs(value) >= 100 or value == int(value):  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.2f}".rstrip("0").rstrip(".")  # noqa: PLR2004


def ticks(highest: float, count: int = _TICKS) -> list[float]:
    """Return round numbers from 0 to at least `highest`, about `count` steps apart."""
    if highest <= 0:
        return [0.0, 1.0]
    rough = highest / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step * power for step in _STEPS if step * power >= rough * 0.999)
    return [step * number for number in range(math.ceil(highest / step - 1e-9) + 1)]


def line_chart(
    title: str,
    at: Sequence[float],
    series: Sequence[Series],
    *,
    unit: str = " s",
    show: Show = show_number,
    height: int = 260,
    marks: Sequence[Mark] = (),
    doubling: bool = False,
) -> str:
    """Return a chart of lines; `at` holds the x value of each point, in `unit`.

    `doubling`: the x axis is logarithmic, with a label at each point; all of `at` are above 0.
    """
    y_ticks = ticks(max((value for line in series for value in line.values), default=0.0))
    left = max(len(show(tick)) for tick in y_ticks) * _CHARACTER_WIDTH + 12
    plot = _Plot(at, y_ticks, left, height, doubling=doubling)
    parts = [
        _grid(plot, show, unit),
        _legend(series),
        *[_curve(plot, line) for line in series],
        *[_mark(plot, mark) for mark in marks],
    ]
    parts += _hovers(plot, series, show, unit)
    return _svg(title, height, parts)


def bar_chart(
    title: str, bars: Sequence[Bar], *, show: Show = show_number, row_height: int = 30, label_width: int = 180
) -> str:
    """Return a chart of horizontal bars, on the scale of the largest value."""
    highest = max((bar.value for bar in bars), default=0.0) or 1.0
    room = (
        WIDTH
        - label_width
        - 20
        - max((len(f"{show(bar.value)} {bar.note}") for bar in bars), default=0) * _CHARACTER_WIDTH
    )
    parts = []
    for row, bar in enumerate(bars):
        y = row * row_height + 6
        length = max(2.0, bar.value / highest * room) if bar.value else 0.0
        value_at = label_width + length + 8
        parts.append(
            f"<g><title>{escape(bar.name)}: {escape(show(bar.value))} {escape(bar.note)}</title>"
            f'<text x="{label_width - 10}" y="{y + 13}" text-anchor="end">{escape(bar.name)}</text>'
            f'<rect x="{label_width}" y="{y}" width="{length:.1f}" height="{row_height - 12}" rx="3" '
            f'fill="var(--{bar.colour})"/>'
            f'<text x="{value_at:.1f}" y="{y + 13}"><tspan class="strong">{escape(show(bar.value))}</tspan> '
            f"{escape(bar.note)}</text></g>"
        )
    return _svg(title, len(bars) * row_height + 6, parts)


def ring_chart(title: str, parts: Sequence[Bar], centre: str, caption: str) -> str:
    """Return a ring of shares with a legend beside it; `centre` and `caption` are the text in its middle."""
    total = sum(part.value for part in parts) or 1.0
    radius, x, y = 74.0, 92.0, 104.0
    length = 2 * math.pi * radius
    drawn, turned = [], 0.0
    for row, part in enumerate(parts):
        share = part.value / total
        name = f"{escape(part.name)}: {escape(show_number(part.value))} ({share:.1%})"
        gap = 2.0 if 0 < share < 1 else 0.0
        drawn.append(
            f'<circle cx="{x}" cy="{y}" r="{radius}" fill="none" stroke="var(--{part.colour})" '
            f'stroke-width="26" '
            f'stroke-dasharray="{max(0.0, share * length - gap):.2f} {length:.2f}" '
            f'stroke-dashoffset="{-turned * length:.2f}" '
            f'transform="rotate(-90 {x} {y})"><title>{name}</title></circle>'
        )
        line = 56 + row * 26
        drawn.append(
            f'<rect x="206" y="{line - 10}" width="12" height="12" rx="3" fill="var(--{part.colour})"/>'
            f'<text x="226" y="{line}">{escape(part.name)}</text>'
            f'<text x="450" y="{line}" text-anchor="end"><tspan '
            f'class="strong">{escape(show_number(part.value))}</tspan></text>'
            f'<text x="510" y="{line}" text-anchor="end">{share:.1%}</text>'
        )
        turned += share
    drawn.append(
        f'<text x="{x}" y="{y + 2}" text-anchor="middle" class="strong" '
        f'font-size="26">{escape(centre)}</text>'
    )
    drawn.append(f'<text x="{x}" y="{y + 22}" text-anchor="middle">{escape(caption)}</text>')
    return _svg(title, max(208, 56 + len(parts) * 26), drawn)


def standalone(svg: str) -> str:
    """Return a chart as an SVG file that is readable on light and dark pages."""
    head, rest = svg.split(">", 1)
    ground = '<rect width="100%" height="100%" rx="8" fill="var(--paper)"/>'
    return f'{head} xmlns="http://www.w3.org/2000/svg"><style>{STYLE.strip()}</style>{ground}{rest}\n'


# Parts ------------------------------------------------------------------------------------------------------


class _Plot:
    """Converts values to coordinates of the drawing."""

    def __init__(
        self,
        at: Sequence[float],
        y_ticks: Sequence[float],
        left: float,
        height: int,
        *,
        doubling: bool = False,
    ) -> None:
        self.at = list(at)
        self.left = left
        self.y_ticks = y_ticks
        self.bottom = height - _BOTTOM
        self._doubling = doubling
        places = [self._place(each) for each in self.at]
        self._first = places[0] if places else 0.0
        self._span = (places[-1] - self._first if len(places) > 1 else 0.0) or 1.0

    def x(self, at: float) -> float:
        return self.left + (self._place(at) - self._first) / self._span * (WIDTH - self.left - _RIGHT)

    def y(self, value: float) -> float:
        return self.bottom - value / self.y_ticks[-1] * (self.bottom - _TOP)

    def x_ticks(self) -> list[float]:
        if self._doubling:
            return self.at
        return [
            tick
            for tick in ticks(self._first + self._span, 6)
            if self._first <= tick <= self._first + self._span + 1e-9
        ]

    def _place(self, at: float) -> float:
        return math.log2(at) if self._doubling else at


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )


def _grid(plot: _Plot, show: Show, unit: str) -> str:
    rows = [
        f'<path class="{"grid" if tick else "axis"}" d="M{plot.left:.1f} '
        f'{plot.y(tick):.1f}H{WIDTH - _RIGHT}"/>'
        f'<text x="{plot.left - 8:.1f}" y="{plot.y(tick) + 4:.1f}" '
        f'text-anchor="end">{escape(show(tick))}</text>'
        for tick in plot.y_ticks
    ]
    labels = [(plot.x(tick), f"{show_number(tick)}{unit}") for tick in plot.x_ticks()]
    columns = [  # the last label is moved to the left if it would leave the drawing
        f'<text x="{min(x, WIDTH - len(label) * _CHARACTER_WIDTH / 2 - 2):.1f}" y="{plot.bottom + 18}" '
        f'text-anchor="middle">{label}</text>'
        for x, label in labels
    ]
    return "".join(rows + columns)


def _legend(series: Sequence[Series]) -> str:
    x, parts = 2.0, []
    for line in series:
        parts.append(
            f'<rect x="{x:.0f}" y="8" width="12" height="12" rx="3" fill="var(--{line.colour})"/>'
            f'<text x="{x + 18:.0f}" y="18">{escape(line.name)}</text>'
        )
        x += 18 + len(line.name) * _CHARACTER_WIDTH + 22
    return "".join(parts)


def _curve(plot: _Plot, line: Series) -> str:
    points = [f"{plot.x(at):.1f},{plot.y(value):.1f}" for at, value in zip(plot.at, line.values, strict=True)]
    if not points:
        return ""
    curve = f'<polyline class="curve" stroke="var(--{line.colour})" points="{" ".join(points)}"/>'
    if not line.area:
        return curve
    ground = f"{plot.x(plot.at[-1]):.1f},{plot.bottom} {plot.x(plot.at[0]):.1f},{plot.bottom}"
    return (
        f'<polygon fill="var(--{line.colour})" fill-opacity="0.14" points="{" ".join(points)} '
        f'{ground}"/>{curve}'
    )


def _mark(plot: _Plot, mark: Mark) -> str:
    x = plot.x(mark.at)
    anchor, shift = ("end", -6) if x > WIDTH * 0.7 else ("start", 6)
    return (
        f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 14}" y2="{plot.bottom}"/>'
        f'<text x="{x + shift:.1f}" y="{_TOP - 7}" text-anchor="{anchor}">{escape(mark.name)}</text>'
    )


def _hovers(plot: _Plot, series: Sequence[Series], show: Show, unit: str) -> list[str]:
    """Return an invisible column for each point, whose title lists all values there."""
    width = (WIDTH - plot.left - _RIGHT) / max(1, len(plot.at) - 1)
    parts = []
    for index, at in enumerate(plot.at):
        text = f"{show_number(at)}{unit}&#10;" + "&#10;".join(
            f"{escape(line.name)}: {escape(show(line.values[index]))}" for line in series
        )
        x = max(plot.left, plot.x(at) - width / 2)
        shown = min(width, WIDTH - _RIGHT - x)
        parts.append(
            f'<rect class="hover" x="{x:.1f}" y="{_TOP}" width="{shown:.1f}" height="{plot.bottom - _TOP}">'
            f"<title>{text}</title></rect>"
        )
    return parts
