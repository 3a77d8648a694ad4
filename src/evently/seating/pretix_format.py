"""The format of pretix's public seating plans, as far as it is read, and what is wrong with a plan before it becomes a map. Pure.

Places are pixels from where the parent is: a seat's from its row, a row's and an area's from their zone. What
the format has besides (identifiers of the editor, sizes, colours, where row numbers are drawn) is not read
and may be anything. Source: the JSON Schema that pretix publishes with its code, and how its editor draws
what the schema leaves open.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

import msgspec

from evently.kit.errors import FieldError
from evently.seating.seatmap import POINTS_MAX, ROWS_MAX, SEATS_MAX, SECTIONS_MAX, SHAPES_MAX, shown

CATEGORIES_MAX: Final = 500  # as many as sections: no hall has more prices
PIXELS_MAX: Final = 1_000_000  # of a place: no screen, and no plan that was drawn on one, is larger

Form: TypeAlias = Literal["polygon", "rectangle", "ellipse", "circle", "text"]


class PretixPlace(msgspec.Struct, frozen=True):
    """A place, or a size along each axis, in pixels."""

    x: float
    y: float

    def plus(self, other: PretixPlace) -> PretixPlace:
        """Return the sum."""
        return PretixPlace(self.x + other.x, self.y + other.y)


ORIGIN: Final = PretixPlace(0.0, 0.0)


class PretixSeat(msgspec.Struct, frozen=True):
    """A seat. `seat_guid` becomes its id, `seat_number` its label. A `category` that is empty is none."""

    seat_guid: str
    seat_number: str
    position: PretixPlace
    category: str


class PretixRow(msgspec.Struct, frozen=True):
    """A row; without a position it is where its zone is."""

    row_number: str
    seats: tuple[PretixSeat, ...]
    position: PretixPlace = ORIGIN


class PretixRectangle(msgspec.Struct, frozen=True):
    """The size of an area whose upper left corner is at its position."""

    width: float
    height: float


class PretixCircle(msgspec.Struct, frozen=True):
    """The size of a round area, its position in the middle."""

    radius: float


class PretixEllipse(msgspec.Struct, frozen=True):
    """The size of an oval area along each axis, its position in the middle."""

    radius: PretixPlace


class PretixPolygon(msgspec.Struct, frozen=True):
    """The corners of an area, from its position."""

    points: tuple[PretixPlace, ...]


class PretixText(msgspec.Struct, frozen=True):
    """What is written; its middle is at `position`, from the area's."""

    text: str
    position: PretixPlace = ORIGIN


class PretixArea(msgspec.Struct, frozen=True):
    """What is drawn: a form, a text, or both.

    `rotation`: of all of it, in degrees, clockwise, about its position.
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
    """A part of the plan."""

    position: PretixPlace
    rows: tuple[PretixRow, ...]
    name: str = ""
    areas: tuple[PretixArea, ...] = ()


class PretixCategory(msgspec.Struct, frozen=True):
    """Seats of one price."""

    name: str


class PretixPlan(msgspec.Struct, frozen=True):
    """A seating plan of pretix. Fields that are not named here are not read."""

    name: str
    categories: tuple[PretixCategory, ...]
    zones: tuple[PretixZone, ...]

    def seats(self) -> Iterator[tuple[int, int, int, PretixSeat]]:
        """Yield each seat after the numbers of its zone, its row and itself."""
        for zone_number, zone in enumerate(self.zones):
            for row_number, row in enumerate(zone.rows):
                for number, seat in enumerate(row.seats):
                    yield zone_number, row_number, number, seat


def plan_faults(plan: PretixPlan) -> Iterator[FieldError]:
    """Yield what is wrong with a plan whatever its map would be: that there is too much of something, or else all the rest."""
    crowded = list(_crowded(plan))
    if crowded:
        yield from crowded
        return  # to look at a million of anything would take as long as the sender likes
    known = {category.name for category in plan.categories} | {""}
    for zone_number, row_number, number, seat in plan.seats():
        pointer = f"/zones/{zone_number}/rows/{row_number}/seats/{number}"
        if seat.category not in known:
            yield FieldError(f"{pointer}/category", f"There is no category {shown(seat.category)}.")
        yield from _far(pointer, seat.position)
    for zone_number, zone in enumerate(plan.zones):
        yield from _far(f"/zones/{zone_number}", zone.position)
        for row_number, row in enumerate(zone.rows):
            yield from _far(f"/zones/{zone_number}/rows/{row_number}", row.position)
        for area_number, area in enumerate(zone.areas):
            pointer = f"/zones/{zone_number}/areas/{area_number}"
            yield from _far(pointer, area.position)
            if area.shape is not None and getattr(area, area.shape) is None:
                yield FieldError(f"{pointer}/{area.shape}", "Missing.")


def _crowded(plan: PretixPlan) -> Iterator[FieldError]:
    yield from _at_most("/categories", len(plan.categories), CATEGORIES_MAX)
    yield from _at_most("/zones", len(plan.zones), SECTIONS_MAX)
    if sum(len(row.seats) for zone in plan.zones for row in zone.rows) > SEATS_MAX:
        yield FieldError("/zones", f"A map has at most {SEATS_MAX:,} seats.")
    if sum(len(zone.areas) for zone in plan.zones) > SHAPES_MAX:
        yield FieldError("/zones", f"A map has at most {SHAPES_MAX} areas and texts.")
    for zone_number, zone in enumerate(plan.zones[:SECTIONS_MAX]):
        yield from _at_most(f"/zones/{zone_number}/rows", len(zone.rows), ROWS_MAX)
        for area_number, area in enumerate(zone.areas[:SHAPES_MAX]):
            points = 0 if area.polygon is None else len(area.polygon.points)
            yield from _at_most(
                f"/zones/{zone_number}/areas/{area_number}/polygon/points", points, POINTS_MAX
            )


def _at_most(pointer: str, count: int, most: int) -> Iterator[FieldError]:
    if count > most:
        yield FieldError(pointer, f"Must have at most {most} items.")


def _far(pointer: str, place: PretixPlace) -> Iterator[FieldError]:
    if not (abs(place.x) <= PIXELS_MAX and abs(place.y) <= PIXELS_MAX):
        yield FieldError(
            f"{pointer}/position", f"Places are at most {PIXELS_MAX:,} pixels from where their parent is."
        )
