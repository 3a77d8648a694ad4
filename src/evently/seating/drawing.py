"""A seat map as a picture (SVG). Pure.

Each section has a colour. Each kind of seat has its own mark: a dashed ring is a restricted view, a ring with
a dot an accessible place, a dark ring the seat of a companion. A browser shows the label of the seat under
the pointer. One metre is `UNITS` units.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from evently.seating.seatmap import Kind, Point, Row, Seat, SeatMap, Section, Shape

UNITS: Final = 20
MARGIN: Final = 3.0  # metres
RADIUS: Final = 0.2
SMALL_SECTION: Final = 20  # seats; for example a box
COLOURS: Final = ("#3b6fb6", "#2a9d8f", "#7a5ea8", "#c8663c", "#4f8a3c", "#b0477a", "#8a6d3b", "#4a7f9e")
LEGEND: Final[tuple[tuple[Kind, str], ...]] = (
    ("standard", "Standard"),
    ("restricted_view", "Restricted view"),
    ("accessible", "Accessible"),
    ("companion", "Companion"),
)
STYLE: Final = """\
text {
font-family: system-ui, "Segoe UI", Roboto, sans-serif; text-anchor: middle; dominant-baseline: central; fill:
#22303c }
.standard { fill: var(--c) }
.restricted_view { fill: #fff; stroke: var(--c); stroke-width: 2.4; stroke-dasharray: 2.6 1.4 }
.accessible { fill: #fff; stroke: var(--c); stroke-width: 1.2 }
.companion { fill: var(--c); stroke: #22303c; stroke-width: 1.6 }
.dot { fill: #0b4fa0 } .stage { fill: #22303c } .area { fill: #e9edf1 }"""


def draw(seat_map: SeatMap) -> str:
    """Return a seat map as SVG."""
    left, top, right, bottom = _frame(seat_map)
    size = max(right - left, bottom - top)
    bottom += 0.06 * size  # for the legend
    box = " ".join(_number(each) for each in (left, top, right - left, bottom - top))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}">',
        f"<title>{escape(seat_map.name)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect x="{_number(left)}" y="{_number(top)}" width="100%" height="100%" fill="#fbfcfd"/>',
        *(_shape(shape, size) for shape in seat_map.shapes),
        *(
            part
            for number, section in enumerate(seat_map.sections)
            for part in _section(section, COLOURS[number % len(COLOURS)])
        ),
        *(_section_name(section, size) for section in seat_map.sections),
        *_legend(left, right, bottom, size),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _frame(seat_map: SeatMap) -> tuple[float, float, float, float]:
    points = [(seat.x, seat.y) for seat in seat_map.seats()] + [
        (point.x, point.y) for shape in seat_map.shapes for point in shape.points
    ]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs) - MARGIN, min(ys) - MARGIN, max(xs) + MARGIN, max(ys) + MARGIN


def _section(section: Section, colour: str) -> Iterator[str]:
    yield f'<g style="--c:{colour}">'
    for row in section.rows:
        yield "".join(_seat(section, row, seat) for seat in row.seats)
    yield "</g>"


def _seat(section: Section, row: Row, seat: Seat) -> str:
    title = f"<title>{escape(f'{section.name}, row {row.printed()}, seat {seat.label}')}</title>"
    return _mark(seat.kind, seat.x, seat.y, RADIUS, title)


def _mark(kind: Kind, x: float, y: float, radius: float, title: str = "") -> str:
    place = f'cx="{_number(x)}" cy="{_number(y)}"'
    mark = f'<circle class="{kind}" {place} r="{_number(radius)}">{title}</circle>'
    return mark if kind != "accessible" else mark + f'<circle class="dot" {place} r="{_number(radius / 2)}"/>'


def _shape(shape: Shape, size: float) -> str:
    middle = _middle(shape.points)
    drawn = ""
    if shape.kind != "text":
        corners = " ".join(f"{_number(point.x)},{_number(point.y)}" for point in shape.points)
        drawn = f'<polygon class="{shape.kind}" points="{corners}"/>'
    colour = "#fff" if shape.kind == "stage" else "#22303c"
    return drawn + (_text(shape.text, middle.x, middle.y, size / 45, colour) if shape.text else "")


def _middle(points: tuple[Point, ...]) -> Point:
    xs, ys = [point.x for point in points], [point.y for point in points]
    return Point((min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2)


def _section_name(section: Section, size: float) -> str:
    """Return the name of a section: in its middle, with a halo; above a small section."""
    seats = [seat for row in section.rows for seat in row.seats]
    if len(seats) < SMALL_SECTION:
        xs, height = [seat.x for seat in seats], size / 100
        return _text(section.name, (min(xs) + max(xs)) / 2, min(seat.y for seat in seats) - height, height)
    row = section.rows[len(section.rows) // 2].seats
    middle = row[len(row) // 2]
    return _text(section.name, middle.x, middle.y, size / 80, halo=True)


def _legend(left: float, right: float, bottom: float, size: float) -> Iterator[str]:
    step, middle = size / 6, (left + right) / 2
    yield f'<g style="--c:{COLOURS[0]}">'
    for number, (kind, label) in enumerate(LEGEND):
        x, y = middle + (number - 2) * step, bottom - 0.035 * size
        transform = f"translate({_number(x)} {_number(y)}) scale({round(size / 45, 2)})"
        yield f'<g transform="{transform}">{_mark(kind, 0, 0, RADIUS)}</g>'
        yield _text(label, x + size / 90, y, size / 75, anchor="start")
    yield "</g>"


def _text(
    text: str,
    x: float,
    y: float,
    height: float,
    colour: str = "#22303c",
    *,
    halo: bool = False,
    anchor: str = "middle",
) -> str:
    style = f"fill:{colour};font-size:{_number(height)}px;text-anchor:{anchor}"
    if halo:
        style += f";font-weight:600;paint-order:stroke;stroke:#fff;stroke-width:{_number(height / 4)}px"
        style += ";pointer-events:none"
    return f'<text x="{_number(x)}" y="{_number(y)}" style="{style}">{escape(text)}</text>'


def _number(metres: float) -> str:
    return f"{metres * UNITS:.1f}".removesuffix(".0")
