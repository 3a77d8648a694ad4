"""The format of the public seating plans of pretix, as far as it is read, and the validation of a plan. Pure.

Positions are pixels relative to the parent: of a seat to its row, of a row or an area to their zone. Other
parts of the format (identifiers of the editor, sizes, colours, the positions of row numbers) are not read and
not validated. Source: the JSON Schema that pretix publishes with its code, and, for what the schema leaves
open, its editor.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

import msgspec

from evently.kit.errors import FieldError
from evently.seating.seatmap import POINTS_MAX, ROWS_MAX, SEATS_MAX, SECTIONS_MAX, SHAPES_MAX, quoted

CATEGORIES_MAX: Final = 500  # like sections: no hall has more prices
PIXELS_MAX: Final = 1_000_000  # of a position: no plan that was drawn on a screen is larger

Form: TypeAlias = Literal["polygon", "rectangle", "ellipse", "circle", "text"]


class PretixPlace(msgspec.Struct, frozen=True):
    """A position, or a size along each axis, in pixels."""

    x: float
    y: float

    def plus(self, other: PretixPlace) -> PretixPlace:
        """Return the sum of two positions."""
        return PretixPlace(self.x + other.x, self.y + other.y)


ORIGIN: Final = PretixPlace(0.0, 0.0)


class PretixSeat(msgspec.Struct, frozen=True):
    """A seat. `seat_guid` becomes its id, `seat_number` its label. An empty `category` means none."""

    seat_guid: str
    seat_number: str
    position: PretixPlace
    category: str


class PretixRow(msgspec.Struct, frozen=True):
    """A row. Without a position it has the position of its zone."""

    row_number: str
    seats: tuple[PretixSeat, ...]
    position: PretixPlace = ORIGIN


class PretixRectangle(msgspec.Struct, frozen=True):
    """The size of a rectangular area; its position is the upper left corner."""

    width: float
    height: float


class PretixCircle(msgspec.Struct, frozen=True):
    """The size of a round area; its position is the middle."""

    radius: float


class PretixEllipse(msgspec.Struct, frozen=True):
    """The size of an oval area along each axis; its position is the middle."""

    radius: PretixPlace


class PretixPolygon(msgspec.Struct, frozen=True):
    """The corners of an area, relative to its position."""

    points: tuple[PretixPlace, ...]


class PretixText(msgspec.Struct, frozen=True):
    """The text of an area; its middle is at `position`, relative to the position of the area."""

    text: str
    position: PretixPlace = ORIGIN


class PretixArea(msgspec.Struct, frozen=True):
    """A form, a text, or both.

    `rotation` turns all of it around its position, in degrees, clockwise.
    """

    shape: Form | None = None
    position: PretixPlace = ORIGIN
    rectangle: PretixRectangle | None = None
    circle: PretixCircle | None = None
    ellipse: PretixEllipse | None = None
    polygon: PretixPolygon | None = None
    text: PretixText | None = None
    rotation: float = 0.0


class PretixZone(msgspec.Struct, frozen=True):
    """A part of the plan, with rows of seats, areas, or both."""

    position: PretixPlace
    rows: tuple[PretixRow, ...]
    name: str = ""
    areas: tuple[PretixArea, ...] = ()


class PretixCategory(msgspec.Struct, frozen=True):
    """A price category."""

    name: str


class PretixPlan(msgspec.Struct, frozen=True):
    """A seating plan of pretix. Other fields are ignored."""

    name: str
    categories: tuple[PretixCategory, ...]
    zones: tuple[PretixZone, ...]

    def seats(self) -> Iterator[tuple[int, int, int, PretixSeat]]:
        """Yield the indexes of zone, row and seat, and the seat."""
        for zone_number, zone in enumerate(self.zones):
            for row_number, row in enumerate(zone.rows):
                for number, seat in enumerate(row.seats):
                    yield zone_number, row_number, number, seat


def plan_faults(plan: PretixPlan) -> Iterator[FieldError]:
    """Yield the faults of a plan that do not depend on its map: exceeded limits, or else all others."""
    exceeded = list(_exceeded_limits(plan))
    if exceeded:
        yield from exceeded
        return  # the time to check more items would have no limit
    known = {category.name for category in plan.categories} | {""}
    for zone_number, row_number, number, seat in plan.seats():
        pointer = f"/zones/{zone_number}/rows/{row_number}/seats/{number}"
        if seat.category not in known:
            yield FieldError(f"{pointer}/category", "unknown-category", {"category": quoted(seat.category)})
        yield from _out_of_range(pointer, seat.position)
    for zone_number, zone in enumerate(plan.zones):
        yield from _out_of_range(f"/zones/{zone_number}", zone.position)
        for row_number, row in enumerate(zone.rows):
            yield from _out_of_range(f"/zones/{zone_number}/rows/{row_number}", row.position)
        for area_number, area in enumerate(zone.areas):
            pointer = f"/zones/{zone_number}/areas/{area_number}"
            yield from _out_of_range(pointer, area.position)
            if area.shape is not None and getattr(area, area.shape) is None:
                yield FieldError(f"{pointer}/{area.shape}", "missing")


def _exceeded_limits(plan: PretixPlan) -> Iterator[FieldError]:
    yield from _at_most("/categories", len(plan.categories), CATEGORIES_MAX)
    yield from _at_most("/zones", len(plan.zones), SECTIONS_MAX)
    if sum(len(row.seats) for zone in plan.zones for row in zone.rows) > SEATS_MAX:
        yield FieldError("/zones", "too-many-seats", {"seats_max": SEATS_MAX})
    if sum(len(zone.areas) for zone in plan.zones) > SHAPES_MAX:
        yield FieldError("/zones", "too-many-shapes", {"shapes_max": SHAPES_MAX})
    for zone_number, zone in enumerate(plan.zones[:SECTIONS_MAX]):
        yield from _at_most(f"/zones/{zone_number}/rows", len(zone.rows), ROWS_MAX)
        for area_number, area in enumerate(zone.areas[:SHAPES_MAX]):
            points = 0 if area.polygon is None else len(area.polygon.points)
            yield from _at_most(
                f"/zones/{zone_number}/areas/{area_number}/polygon/points", points, POINTS_MAX
            )


def _at_most(pointer: str, count: int, most: int) -> Iterator[FieldError]:
    if count > most:
        yield FieldError(pointer, "too-many-items", {"items_max": most})


def _out_of_range(pointer: str, place: PretixPlace) -> Iterator[FieldError]:
    if not (abs(place.x) <= PIXELS_MAX and abs(place.y) <= PIXELS_MAX):
        yield FieldError(f"{pointer}/position", "pixels-too-far", {"pixels_max": PIXELS_MAX})
