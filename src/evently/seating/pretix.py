"""Import of the public seating plans of pretix (pretix_format.py), which have positions in pixels. Pure.

A zone becomes a section. The positions of zone, row and seat are added, and scaled so that the median
distance to the nearest seat is `SPACING`. Categories are prices and no part of a map: the import returns
their seats separately, in the form of the price zones of an event. Areas become hints for drawing; colours
are not imported. The focal point is the middle of the shape whose text is a word for a stage, or else the
middle of the upper edge of the seats.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from math import cos, hypot, inf, pi, radians, sin
from statistics import median
from typing import Final

import msgspec

from evently.kit.errors import FieldError, Invalid
from evently.seating.pretix_format import (
    ORIGIN,
    PretixArea,
    PretixPlace,
    PretixPlan,
    PretixRow,
    PretixZone,
    plan_faults,
)
from evently.seating.seatmap import (
    FAULTS_MAX,
    SHAPES_MAX,
    Point,
    Row,
    Seat,
    SeatMap,
    Section,
    Shape,
    check,
    malformed,
)

SPACING: Final = 0.55  # metres
# Metres, for plans without neighbours: pretix draws a seat of half a metre 20 pixels wide
PIXEL: Final = 0.025
CELL_SEATS_MAX: Final = 16  # of a grid with about two seats in each cell
CORNERS_MIN: Final = 3  # of an area
OVAL_POINTS: Final = 24
# Endings of words for a stage
STAGES: Final = (
    "stage",
    "bühne",
    "scène",
    "scena",
    "escenario",
    "palcoscenico",
    "podium",
    "screen",
    "leinwand",
)
NOT_STAGES: Final = {"backstage"}


class ZoneChoice(msgspec.Struct, frozen=True):
    """The seats of a category, as a price zone: whole sections, whole rows (`Balcony/A`), single seats."""

    name: str
    sections: tuple[str, ...]
    rows: tuple[str, ...]
    seats: tuple[str, ...]


def import_pretix(content: object) -> tuple[SeatMap, list[ZoneChoice]]:
    """Return the map and the categories of decoded JSON. Refuses with `invalid`, with all faults."""
    try:
        plan = msgspec.convert(content, PretixPlan)
    except msgspec.ValidationError as exc:
        raise Invalid(malformed(PretixPlan, content)) from exc
    return import_plan(plan)


def import_plan(plan: PretixPlan) -> tuple[SeatMap, list[ZoneChoice]]:
    """Return the map of a plan, and its categories with their seats; categories without seats are left out.

    Refuses with `invalid`, with all faults.
    """
    if faults := list(islice(plan_faults(plan), FAULTS_MAX)):
        raise Invalid(faults)
    scale = _scale(plan)
    drawn = [(at, shape) for at, area, zone in _areas(plan) for shape in _shapes(area, zone, scale)]
    seat_map = _map_of(plan, tuple(shape for _, shape in drawn), scale)
    if faults := [
        _fault_of_plan(fault, plan, [at for at, _ in drawn])
        for fault in check(seat_map)
        if fault.pointer != "/focal_point"
    ]:
        # The focal point is computed from shapes or seats: out of range, it is reported as one of them
        raise Invalid(faults)
    # After the faults: their places are those of the list
    ordered = tuple(
        Section(section.name, tuple(_from_end_to_end(row) for row in section.rows))
        for section in seat_map.sections
    )
    return msgspec.structs.replace(seat_map, sections=ordered), _choices(plan, seat_map)


# The map ----------------------------------------------------------------------------------------------------


def _map_of(plan: PretixPlan, shapes: tuple[Shape, ...], scale: float) -> SeatMap:
    seated = [zone for zone in plan.zones if zone.rows]  # other zones have only areas
    names = _distinct(
        [
            zone.name.strip() or f"Zone {number}"
            for number, zone in enumerate(plan.zones, start=1)
            if zone.rows
        ]
    )
    sections = tuple(_section(name, zone, scale) for name, zone in zip(names, seated, strict=True))
    return SeatMap(plan.name, sections, _focal_point(sections, shapes), shapes)


def _scale(plan: PretixPlan) -> float:
    """Return the size of a pixel in metres: the median distance to the nearest seat is `SPACING`.

    The order of a list is no geometry: a table may be listed across, a row from its middle.
    """
    places, alone = list[PretixPlace](), True
    for zone in plan.zones:
        for row in zone.rows:
            at = zone.position.plus(row.position)
            places += [at.plus(seat.position) for seat in row.seats]
            alone = alone and len(row.seats) <= 1
    nearest = [] if alone else _nearest_distances(places)
    return SPACING / median(nearest) if nearest else PIXEL


def _nearest_distances(places: list[PretixPlace]) -> list[float]:
    """Return the distance of each seat to the nearest one, if there is one within a few average distances.

    A grid finds it. Each cell has a few seats at most, so that no plan takes longer than others.
    """
    xs, ys = sorted([place.x for place in places]), sorted([place.y for place in places])
    some = len(places) // 20  # seats far away from all others do not count
    width, height = xs[-1 - some] - xs[some], ys[-1 - some] - ys[some]
    cell = 1.5 * max((width * height / len(places)) ** 0.5, max(width, height) / len(places))
    if cell <= 0:
        return []
    grid = defaultdict[tuple[int, int], list[PretixPlace]](list)
    for place in places:
        inside = grid[int(place.x // cell), int(place.y // cell)]
        if len(inside) < CELL_SEATS_MAX:
            inside.append(place)
    found: list[float] = []
    for (column, line), inside in list(grid.items()):
        near = [
            other
            for across in (-1, 0, 1)
            for along in (-1, 0, 1)
            for other in grid.get((column + across, line + along), ())
        ]
        for place in inside:
            distances = [hypot(other.x - place.x, other.y - place.y) for other in near]
            found += [min(apart)] if (apart := [each for each in distances if each > 0]) else []
    return found


def _from_end_to_end(row: Row) -> Row:
    """Return a row with its seats along the line on which they are, if the list jumps to and fro."""
    xs, ys = [seat.x for seat in row.seats], [seat.y for seat in row.seats]
    is_across = max(xs) - min(xs) >= max(ys) - min(ys)
    along = sorted(row.seats, key=lambda seat: (seat.x, seat.y) if is_across else (seat.y, seat.x))
    return Row(row.name, tuple(along), row.label) if _path(along) < _path(row.seats) - 0.01 else row


def _path(seats: Sequence[Seat]) -> float:
    return sum(hypot(right.x - left.x, right.y - left.y) for left, right in pairwise(seats))


def _section(name: str, zone: PretixZone, scale: float) -> Section:
    names = _distinct(
        [row.row_number.strip() or str(number) for number, row in enumerate(zone.rows, start=1)]
    )
    return Section(
        name,
        tuple(
            _row(name, row, zone.position, scale, printed)
            for name, row, printed in zip(names, zone.rows, _printed(zone, names), strict=True)
        ),
    )


def _printed(zone: PretixZone, names: list[str]) -> list[str]:
    """Return what is printed as the names of rows: their numbers, unless two tickets would be the same."""
    seats = Counter((row.row_number.strip(), seat.seat_number) for row in zone.rows for seat in row.seats)
    return [
        number
        if (number := row.row_number.strip()) not in ("", name)
        and all(seats[number, seat.seat_number] == 1 for seat in row.seats)
        else ""
        for name, row in zip(names, zone.rows, strict=True)
    ]


def _row(name: str, row: PretixRow, at: PretixPlace, scale: float, printed: str) -> Row:
    points = [_point(at.plus(row.position).plus(seat.position), scale) for seat in row.seats]
    return Row(
        name,
        tuple(
            Seat(seat.seat_guid, seat.seat_number, at.x, at.y)
            for seat, at in zip(row.seats, points, strict=True)
        ),
        printed,
    )


def _distinct(names: list[str]) -> list[str]:
    """Return the names, made distinct: a number is added to a name that occurs before."""
    taken, found, times = set(names), list[str](), Counter[str]()
    for name in names:
        times[name] += 1
        new = name
        while times[name] > 1 and (new := f"{name} ({times[name]})") in taken:
            times[name] += 1
        taken.add(new)
        found.append(new)
    return found


def _point(place: PretixPlace, scale: float) -> Point:
    return Point(round(place.x * scale, 3), round(place.y * scale, 3))


# Areas ------------------------------------------------------------------------------------------------------


def _areas(plan: PretixPlan) -> Iterator[tuple[str, PretixArea, PretixPlace]]:
    """Yield the pointer of each area, the area, and the position of its zone."""
    for zone_number, zone in enumerate(plan.zones):
        for number, area in enumerate(zone.areas):
            yield f"/zones/{zone_number}/areas/{number}", area, zone.position


def _shapes(area: PretixArea, zone: PretixPlace, scale: float) -> Iterator[Shape]:
    """Yield the form and the text of an area: one shape if it is a stage or the text is in its middle."""
    middle, corners = zone.plus(area.position), _corners(area)
    text = "" if area.text is None else " ".join(area.text.text.split())
    written = ORIGIN if area.text is None else area.text.position
    at = _point(middle.plus(_rotated(written, area.rotation)), scale)
    points = tuple(_point(middle.plus(_rotated(corner, area.rotation)), scale) for corner in corners)
    if len(points) >= CORNERS_MIN:
        is_stage = _is_stage(text)
        is_inside = is_stage or _distance(at, _middle(points)) <= SPACING
        yield Shape("stage" if is_stage else "area", points, text if is_inside else "")
        if is_inside:
            return
    if text:
        yield Shape("text", (at,), text)


def _corners(area: PretixArea) -> list[PretixPlace]:
    """Return the corners of an area, relative to its position; a text has none."""
    if area.shape == "rectangle" and area.rectangle is not None:
        width, height = area.rectangle.width, area.rectangle.height
        return [PretixPlace(0, 0), PretixPlace(width, 0), PretixPlace(width, height), PretixPlace(0, height)]
    if area.shape == "circle" and area.circle is not None:
        return _oval(area.circle.radius, area.circle.radius)
    if area.shape == "ellipse" and area.ellipse is not None:
        return _oval(area.ellipse.radius.x, area.ellipse.radius.y)
    if area.shape == "polygon" and area.polygon is not None:
        return list(area.polygon.points)
    return []


def _oval(across: float, along: float) -> list[PretixPlace]:
    turns = [2 * pi * number / OVAL_POINTS for number in range(OVAL_POINTS)]
    return [PretixPlace(across * cos(turn), along * sin(turn)) for turn in turns]


def _rotated(corner: PretixPlace, rotation: float) -> PretixPlace:
    across, along = cos(radians(rotation)), sin(radians(rotation))
    return PretixPlace(corner.x * across - corner.y * along, corner.x * along + corner.y * across)


def _distance(one: Point, other: Point) -> float:
    return hypot(one.x - other.x, one.y - other.y)


def _middle(points: tuple[Point, ...]) -> Point:
    xs, ys = [point.x for point in points], [point.y for point in points]
    return Point(round((min(xs) + max(xs)) / 2, 3), round((min(ys) + max(ys)) / 2, 3))


def _is_stage(text: str) -> bool:
    return any(
        word.endswith(STAGES) and word not in NOT_STAGES for word in re.findall(r"\w+", text.casefold())
    )


def _focal_point(sections: tuple[Section, ...], shapes: tuple[Shape, ...]) -> Point:
    stages = [shape for shape in shapes if _is_stage(shape.text)]
    if stages:
        return _middle(min(stages, key=lambda shape: shape.kind != "stage").points)
    places = tuple(
        Point(seat.x, seat.y) for section in sections for row in section.rows for seat in row.seats
    )
    top = min((place.y for place in places), default=inf)
    return Point(_middle(places).x, top) if places else Point(0.0, 0.0)


# Categories -------------------------------------------------------------------------------------------------


def _choices(plan: PretixPlan, seat_map: SeatMap) -> list[ZoneChoice]:
    """Return the seats of each category in the shortest form: by section, else by row, else by seat."""
    category_of = {seat.seat_guid: seat.category for *_, seat in plan.seats()}
    keys = Counter(f"{section.name}/{row.name}" for section in seat_map.sections for row in section.rows)
    sections, rows, seats = (
        defaultdict[str, list[str]](list),
        defaultdict[str, list[str]](list),
        defaultdict[str, list[str]](list),
    )
    for section in seat_map.sections:
        if category := _only({category_of[seat.id] for row in section.rows for seat in row.seats}):
            sections[category].append(section.name)
            continue
        for row in section.rows:
            key = f"{section.name}/{row.name}"
            if (category := _only({category_of[seat.id] for seat in row.seats})) and keys[key] == 1:
                rows[category].append(key)
                continue
            for seat in row.seats:
                seats[category_of[seat.id]].append(seat.id)
    names = dict.fromkeys(category.name for category in plan.categories if category.name)
    every = [ZoneChoice(name, tuple(sections[name]), tuple(rows[name]), tuple(seats[name])) for name in names]
    return [choice for choice in every if choice.sections or choice.rows or choice.seats]


def _only(categories: set[str]) -> str:
    """Return the category if there is only one, else an empty text."""
    return next(iter(categories)) if len(categories) == 1 else ""


# Faults -----------------------------------------------------------------------------------------------------

_FIELDS: Final = {"id": "seat_guid", "label": "seat_number"}


def _fault_of_plan(fault: FieldError, plan: PretixPlan, drawn: list[str]) -> FieldError:
    """Return a fault of the map with its pointer in the plan.

    `drawn` has the pointer of the area of each shape.
    """
    match fault.pointer.split("/")[1:]:
        case ["sections"]:
            return FieldError("/zones", fault.code, fault.data)
        case ["sections", section, *rest]:
            zone = [number for number, zone in enumerate(plan.zones) if zone.rows][int(section)]
            words = ["zones", str(zone), *rest]
            words[-1] = (
                "row_number"
                if rest[0] == "rows" and rest[-1] == "name"
                else _FIELDS.get(words[-1], words[-1])
            )
            return FieldError("/" + "/".join(words), fault.code, fault.data)
        case ["shapes"]:
            return FieldError(
                "/zones",
                "too-many-loose-shapes",
                {"shapes_max": SHAPES_MAX},
            )
        case ["shapes", shape, "text"]:
            return FieldError(f"{drawn[int(shape)]}/text/text", fault.code, fault.data)
        case ["shapes", shape, *_]:
            return FieldError(drawn[int(shape)], fault.code, fault.data)
        case _:
            return fault
