"""Import of pretix's public seating-plan JSON, which has places in pixels. Pure.

A zone becomes a section. The places of zone, row and seat add up; they are scaled so that the median distance of neighbours is
`SPACING`. Categories are prices and not of the map: which seats are in them is told beside it. Areas become hints for drawing; colours
are left out. The focal point is the middle of the area that calls itself a stage, or else the middle of the upper edge of the seats.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice, pairwise
from math import cos, hypot, pi, radians, sin
from statistics import median
from typing import Final

import msgspec

from evently.kit.errors import FieldError, Invalid
from evently.seating.seatmap import FAULTS_MAX, Point, Row, Seat, SeatMap, Section, Shape, check, malformed

CORNERS_MIN: Final = 3  # of an area
SPACING: Final = 0.55  # metres
CIRCLE_POINTS: Final = 24


class Place(msgspec.Struct, frozen=True):
    """A place in pixels, from where its parent is."""

    x: float = 0.0
    y: float = 0.0

    def plus(self, other: Place) -> Place:
        """Return the sum."""
        return Place(self.x + other.x, self.y + other.y)


class PlanSeat(msgspec.Struct, frozen=True):
    """A seat."""

    seat_guid: str
    seat_number: str
    position: Place
    category: str


class PlanRow(msgspec.Struct, frozen=True):
    """A row; without a position it is where its zone is."""

    row_number: str
    seats: tuple[PlanSeat, ...]
    position: Place = Place()


class Rectangle(msgspec.Struct, frozen=True):
    """The size of an area."""

    width: float = 0.0
    height: float = 0.0


class Circle(msgspec.Struct, frozen=True):
    """The size of a round area."""

    radius: float = 0.0


class Polygon(msgspec.Struct, frozen=True):
    """The corners of an area."""

    points: tuple[Place, ...] = ()


class Caption(msgspec.Struct, frozen=True):
    """What is written on an area, and where."""

    text: str = ""


class Area(msgspec.Struct, frozen=True):
    """Something that is drawn. `rotation`: in degrees, clockwise, about its position."""

    shape: str
    position: Place = Place()
    rectangle: Rectangle = Rectangle()
    circle: Circle = Circle()
    polygon: Polygon = Polygon()
    text: Caption = Caption()
    rotation: float = 0.0


class Zone(msgspec.Struct, frozen=True):
    """A part of the plan."""

    position: Place
    rows: tuple[PlanRow, ...]
    name: str = ""
    areas: tuple[Area, ...] = ()


class Category(msgspec.Struct, frozen=True):
    """A price."""

    name: str


class SeatingPlan(msgspec.Struct, frozen=True):
    """The whole."""

    name: str
    categories: tuple[Category, ...]
    zones: tuple[Zone, ...]


def import_pretix(content: object) -> tuple[SeatMap, dict[str, list[str]]]:
    """Return the map of a plan, and the ids of the seats of each category. Refuses `invalid` with all faults."""
    try:
        plan = msgspec.convert(content, SeatingPlan)
    except msgspec.ValidationError as exc:
        raise Invalid(malformed(SeatingPlan, content)) from exc
    if faults := list(islice(_unknown_categories(plan), FAULTS_MAX)):
        raise Invalid(faults)
    seat_map = _map_of(plan)
    if faults := [_in_the_plan(fault, plan) for fault in check(seat_map)]:
        raise Invalid(faults)
    return seat_map, _seats_by_category(plan)


def _unknown_categories(plan: SeatingPlan) -> Iterator[FieldError]:
    known = {category.name for category in plan.categories}
    for zone_number, zone in enumerate(plan.zones):
        for row_number, row in enumerate(zone.rows):
            for number, seat in enumerate(row.seats):
                if seat.category not in known:
                    pointer = f"/zones/{zone_number}/rows/{row_number}/seats/{number}/category"
                    yield FieldError(pointer, f"There is no category {seat.category!r}.")


def _seats_by_category(plan: SeatingPlan) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {category.name: [] for category in plan.categories}
    for zone in plan.zones:
        for row in zone.rows:
            for seat in row.seats:
                found[seat.category].append(seat.seat_guid)
    return found


# The map ----------------------------------------------------------------------------------------------------------------------


def _map_of(plan: SeatingPlan) -> SeatMap:
    scale = _scale(plan)
    seated = [zone for zone in plan.zones if zone.rows]  # others only have areas
    names = _distinct([zone.name.strip() or f"Zone {number}" for number, zone in enumerate(plan.zones, start=1) if zone.rows])
    sections = tuple(_section(name, zone, scale) for name, zone in zip(names, seated, strict=True))
    shapes = tuple(_shape(area, zone.position, scale) for zone in plan.zones for area in zone.areas)
    return SeatMap(plan.name, sections, _focal_point(sections, shapes), shapes)


def _scale(plan: SeatingPlan) -> float:
    """Return the metres of a pixel."""
    steps = [
        hypot(right.position.x - left.position.x, right.position.y - left.position.y)
        for zone in plan.zones
        for row in zone.rows
        for left, right in pairwise(row.seats)
    ]
    between = median(steps) if steps else 0.0
    return SPACING / between if between > 0 else 1.0


def _section(name: str, zone: Zone, scale: float) -> Section:
    names = _distinct([row.row_number for row in zone.rows])
    return Section(name, tuple(_row(name, row, zone.position, scale) for name, row in zip(names, zone.rows, strict=True)))


def _row(name: str, row: PlanRow, at: Place, scale: float) -> Row:
    points = [_point(at.plus(row.position).plus(seat.position), scale) for seat in row.seats]
    return Row(name, tuple(Seat(seat.seat_guid, seat.seat_number, at.x, at.y) for seat, at in zip(row.seats, points, strict=True)))


def _distinct(names: list[str]) -> list[str]:
    """Return the names; those that are there already with a number behind."""
    taken, found, times = set(names), list[str](), Counter[str]()
    for name in names:
        times[name] += 1
        new = name
        while times[name] > 1 and (new := f"{name} ({times[name]})") in taken:
            times[name] += 1
        taken.add(new)
        found.append(new)
    return found


def _point(place: Place, scale: float) -> Point:
    return Point(round(place.x * scale, 3), round(place.y * scale, 3))


# Areas ------------------------------------------------------------------------------------------------------------------------


def _shape(area: Area, zone: Place, scale: float) -> Shape:
    middle, text = zone.plus(area.position), area.text.text
    points = tuple(_point(middle.plus(_turned(corner, area.rotation)), scale) for corner in _corners(area))
    is_stage = "stage" in text.lower()
    if len(points) < CORNERS_MIN:
        return Shape("text", (_point(middle, scale),), text)
    return Shape("stage" if is_stage else "area", points, text)


def _corners(area: Area) -> list[Place]:
    """Return where its corners are from its position."""
    width, height = area.rectangle.width, area.rectangle.height
    if area.shape == "rectangle":
        return [Place(0, 0), Place(width, 0), Place(width, height), Place(0, height)]
    if area.shape == "circle":
        turns = [2 * pi * number / CIRCLE_POINTS for number in range(CIRCLE_POINTS)]
        return [Place(area.circle.radius * cos(turn), area.circle.radius * sin(turn)) for turn in turns]
    return list(area.polygon.points)


def _turned(corner: Place, rotation: float) -> Place:
    across, along = cos(radians(rotation)), sin(radians(rotation))
    return Place(corner.x * across - corner.y * along, corner.x * along + corner.y * across)


def _focal_point(sections: tuple[Section, ...], shapes: tuple[Shape, ...]) -> Point:
    stage = next((shape.points for shape in shapes if shape.kind == "stage"), ())
    places = [(point.x, point.y) for point in stage]
    seats = [(seat.x, seat.y) for section in sections for row in section.rows for seat in row.seats]
    if not (places or seats):
        return Point(0.0, 0.0)
    xs, ys = [x for x, _ in places or seats], [y for _, y in places or seats]
    return Point(round((min(xs) + max(xs)) / 2, 3), round((min(ys) + max(ys)) / 2 if places else min(ys), 3))


# Faults -----------------------------------------------------------------------------------------------------------------------

_FIELDS: Final = {"id": "seat_guid", "label": "seat_number"}


def _in_the_plan(fault: FieldError, plan: SeatingPlan) -> FieldError:
    """Return a fault of the map with the pointer of where it is in the plan."""
    match fault.pointer.split("/")[1:]:
        case ["sections", section, *rest]:
            zone = [number for number, zone in enumerate(plan.zones) if zone.rows][int(section)]
            words = ["zones", str(zone), *rest]
            if rest[0] == "rows" and rest[-1] == "name":
                words[-1] = "row_number"
        case ["sections"]:
            words = ["zones"]
        case ["shapes", shape, *rest]:
            areas = [[str(zone), "areas", str(area)] for zone, each in enumerate(plan.zones) for area in range(len(each.areas))]
            words = ["zones", *areas[int(shape)], *rest]
        case words:
            pass
    words[-1] = _FIELDS.get(words[-1], words[-1])
    return FieldError("/" + "/".join(words), fault.detail)
