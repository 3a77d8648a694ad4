"""Realistic halls of an exact size, for demos, rehearsals and tests, and blocks for other halls. Pure.

The origin is the focal point: the middle of the edge of the stage. The audience sits below it (y grows away
from the stage). All lengths are in metres. Equal arguments always give equal maps.

An arena is designed for 20,000 seats and scales with the square root of its seats. It has a floor, a lower
tier, and an upper tier with as many rows as are needed. A theatre has stalls, a circle and boxes. The rear
rows are shortened until the number of seats is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from math import atan2, cos, degrees, radians, sin, sqrt
from typing import Final, TypeAlias

from evently.seating.seatmap import Kind, Point, Row, Seat, SeatMap, Section, Shape

ARENA_SEATS: Final = (2_000, 60_000)  # the fewest and the most
THEATRE_SEATS: Final = (200, 3_000)

PLATFORM: Final = 4  # places for wheelchairs and companions, in the middle of a row
# Degrees from the axis of a theatre: seats further out do not see the whole stage
FAR_SIDE: Final = 33.0
ARENA_SPACING: Final = 0.5  # from seat to seat
THEATRE_SPACING: Final = 0.55
ROW_PITCH: Final = 0.9  # from row to row
AISLE: Final = 1.2
ROW_LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ"  # I and O are read as 1 and 0

Points: TypeAlias = list[tuple[float, float]]
KindOf: TypeAlias = Callable[
    [int, int, int, float, float], Kind
]  # row, index in the row, seats in the row, x, y


@dataclass(frozen=True, slots=True)
class SectionDraft:
    """A section before it has labels: `rows` of points, the front row first. Seat ids begin with `code`."""

    name: str
    code: str
    rows: list[Points]
    letters: bool = False  # rows are A, B, C instead of 1, 2, 3
    kind_of: KindOf = lambda *_: "standard"

    def section(self) -> Section:
        """Return the section with names, labels and ids."""
        return Section(self.name, tuple(self._row(number, points) for number, points in enumerate(self.rows)))

    def _row(self, number: int, points: Points) -> Row:
        name = row_letters(number) if self.letters else str(number + 1)
        kinds = [self.kind_of(number, place, len(points), x, y) for place, (x, y) in enumerate(points)]
        seats = [
            Seat(f"{self.code}-{name}-{place}", str(place), x, y, kind)
            for place, ((x, y), kind) in enumerate(zip(points, kinds, strict=True), start=1)
        ]
        return Row(name, tuple(seats))


def row_letters(number: int) -> str:
    """Return the name of a row: A, B, ... Z, AA, AB, ..., without I and O."""
    times, letter = divmod(number, len(ROW_LETTERS))
    return (ROW_LETTERS[times - 1] if times else "") + ROW_LETTERS[letter]


# Blocks: the rows of a section ------------------------------------------------------------------------------


def straight_rows(
    middle: tuple[float, float],
    facing: float,
    width: float,
    rows: int,
    *,
    spacing: float = THEATRE_SPACING,
    pitch: float = ROW_PITCH,
) -> list[Points]:
    """Return the rows of a rectangle.

    `middle` is the middle of the front row. `facing` is the direction in which the rows follow, in degrees; 0
    is away from the stage.
    """
    seats = max(1, int(width / spacing + 1e-9) + 1)
    out, along = (sin(radians(facing)), cos(radians(facing))), (cos(radians(facing)), -sin(radians(facing)))
    places = [(place - (seats - 1) / 2) * spacing for place in range(seats)]
    return [
        [
            _rounded(
                middle[0] + out[0] * row * pitch + along[0] * at,
                middle[1] + out[1] * row * pitch + along[1] * at,
            )
            for at in places
        ]
        for row in range(rows)
    ]


def curved_rows(
    centre: tuple[float, float],
    radius: float,
    angles: Sequence[float],
    rows: int,
    *,
    spacing: float = THEATRE_SPACING,
    pitch: float = ROW_PITCH,
    aisle: float = AISLE,
) -> list[Points]:
    """Return rows on arcs.

    `angles` are the beginning, the aisles and the end of an arc, in degrees; 0 is away from the stage.
    """
    return [_arc(centre, radius + row * pitch, angles, spacing, aisle) for row in range(rows)]


def _arc(
    centre: tuple[float, float], radius: float, angles: Sequence[float], spacing: float, aisle: float
) -> Points:
    points: Points = []
    for begin, end in pairwise([radians(angle) for angle in angles]):
        room = (end - begin) * radius - aisle
        seats = max(1, int(room / spacing + 1e-9) + 1)
        for place in range(seats):
            angle = (begin + end) / 2 + (place - (seats - 1) / 2) * spacing / radius
            points.append(_rounded(centre[0] + radius * sin(angle), centre[1] + radius * cos(angle)))
    return points


def _rounded(x: float, y: float) -> tuple[float, float]:
    return round(x, 2), round(y, 2)


# An arena ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Bowl:
    """The inner edge of the tiers: a U with round corners around the floor. Scale 1 is for 20,000 seats."""

    scale: float

    @property
    def half_width(self) -> float:
        return 19.0 * self.scale

    @property
    def far_end(self) -> float:
        return 48.0 * self.scale

    @property
    def near_end(self) -> float:
        return -9.0 * self.scale

    @property
    def corner(self) -> float:
        return 9.0 * self.scale

    def ring(self, away: float, rows: int) -> Iterator[list[Points]]:
        """Yield the rows of each section of a tier, from one side of the stage around to the other.

        `away` is the distance of the front row from the edge.
        """
        sides, ends = max(1, round(5 * self.scale)), max(1, round(2 * self.scale))
        length = (self.far_end - self.corner - self.near_end) / sides
        width = 2 * (self.half_width - self.corner) / ends
        side, back = self.half_width + away, self.far_end + away
        middles = [self.near_end + (number + 0.5) * length for number in range(sides)]
        for y in middles:
            yield straight_rows((-side, y), -90, length - AISLE, rows, spacing=ARENA_SPACING)
        yield from self._corner(-1, away, rows)
        for number in range(ends):
            x = -self.half_width + self.corner + (number + 0.5) * width
            yield straight_rows((x, back), 0, width - AISLE, rows, spacing=ARENA_SPACING)
        yield from self._corner(1, away, rows)
        for y in reversed(middles):
            yield straight_rows((side, y), 90, length - AISLE, rows, spacing=ARENA_SPACING)

    def _corner(self, side: int, away: float, rows: int) -> Iterator[list[Points]]:
        centre = (side * (self.half_width - self.corner), self.far_end - self.corner)
        pieces = max(1, round(away / self.corner))  # in the upper tier, a corner is twice as wide
        step = 90 / pieces
        first = -90 if side < 0 else 0
        for number in range(pieces):
            angles = (first + number * step, first + (number + 1) * step)
            yield curved_rows(centre, self.corner + away, angles, rows, spacing=ARENA_SPACING)


def arena(seats: int = 20_000) -> SeatMap:
    """Return an arena with a stage at one end: a floor, and two tiers around it."""
    _check(seats, ARENA_SEATS, "An arena")
    scale = sqrt(seats / 20_000)
    bowl = _Bowl(scale)
    lower_rows = max(4, round(20 * scale))
    floor = list(_floor(scale))
    lower = list(_ring_sections(bowl, 100, 1.0, lower_rows, lower_rows - 1))
    missing = seats - _size(floor) - _size(lower)
    upper_away = 1.0 + lower_rows * ROW_PITCH + 3.5 * max(scale, 0.6)
    rows = next(rows for rows in count(1) if _size(_ring_sections(bowl, 300, upper_away, rows, 0)) >= missing)
    upper = list(_ring_sections(bowl, 300, upper_away, rows, 0))
    _shorten(upper, _size(upper) - missing)
    sections = tuple(block.section() for block in [*floor, *lower, *upper])
    return SeatMap(f"Arena, {seats:,} seats", sections, Point(0.0, 0.0), _arena_shapes(scale, bowl))


def _ring_sections(
    bowl: _Bowl, hundred: int, away: float, rows: int, platform: int
) -> Iterator[SectionDraft]:
    """Yield the sections of a tier. `platform` is the row that is reached without steps."""

    def kind_of(row: int, place: int, seats: int, _x: float, y: float) -> Kind:
        if row == platform and (kind := _platform_kind(place, seats)):
            return kind
        return "restricted_view" if y < -1.0 else "standard"

    for number, points in enumerate(bowl.ring(away, rows), start=hundred + 1):
        yield SectionDraft(str(number), str(number), points, kind_of=kind_of)


def _platform_kind(place: int, seats: int) -> Kind | None:
    """Return the kind of a seat in the middle of a row without steps: accessible, companion, and so on."""
    begin = (seats - PLATFORM) // 2
    if not 0 <= place - begin < PLATFORM or begin < 1:
        return None
    return "accessible" if (place - begin) % 2 == 0 else "companion"


def _floor(scale: float) -> Iterator[SectionDraft]:
    """Yield the blocks in front of the stage, three beside each other, with the names A, B, ..."""
    width, rows = 10.2 * scale, max(3, round(9 * scale))
    depth = rows * ROW_PITCH + AISLE
    lines = max(1, int(36 * scale / depth))

    def kind_of(row: int, place: int, seats: int, _x: float, _y: float) -> Kind:
        return (row == rows - 1 and _platform_kind(place, seats)) or "standard"

    for line in range(lines):
        for column in range(3):
            name = f"Floor {ROW_LETTERS[line * 3 + column]}"
            middle = ((column - 1) * (width + AISLE), 11 * scale + line * depth)
            points = straight_rows(middle, 0, width - ARENA_SPACING, rows, spacing=ARENA_SPACING)
            yield SectionDraft(
                name, f"F{ROW_LETTERS[line * 3 + column]}", points, letters=True, kind_of=kind_of
            )


def _arena_shapes(scale: float, bowl: _Bowl) -> tuple[Shape, ...]:
    corners = [(-13, -9), (13, -9), (13, 0), (-13, 0)]
    stage = Shape("stage", _to_points((x * scale, y * scale) for x, y in corners), "Stage")
    walk = [(-1.6, 0), (1.6, 0), (1.6, 5), (3, 5), (3, 8), (-3, 8), (-3, 5), (-1.6, 5)]
    runway = Shape("stage", _to_points((x * scale, y * scale) for x, y in walk))
    width, end, corner = bowl.half_width, bowl.far_end, bowl.corner
    edge = [
        (-width, bowl.near_end),
        (width, bowl.near_end),
        *_bend(width - corner, end - corner, corner, 90, 0),
    ]
    floor = Shape("area", _to_points([*edge, *_bend(-width + corner, end - corner, corner, 0, -90)]))
    return floor, stage, runway


def _bend(x: float, y: float, radius: float, begin: float, end: float) -> Iterator[tuple[float, float]]:
    for step in range(13):
        angle = radians(begin + (end - begin) * step / 12)
        yield x + radius * sin(angle), y + radius * cos(angle)


# A theatre --------------------------------------------------------------------------------------------------

_CENTRE: Final = (0.0, -13.0)  # of all arcs
_STALLS: Final = (-31.0, -12.0, 12.0, 31.0)
_CIRCLE: Final = (-37.0, -14.0, 14.0, 37.0)


def theatre(seats: int = 800) -> SeatMap:
    """Return a theatre: stalls with two aisles, a circle behind them, and boxes at the sides."""
    _check(seats, THEATRE_SEATS, "A theatre")
    boxes = list(_boxes(min(4, seats // 150)))
    front = 17.0
    rows = next(rows for rows in count(1) if _size([_stalls(front, rows + 1)]) > 0.62 * seats)
    stalls = _stalls(front, rows)
    missing = seats - _size([stalls, *boxes])
    behind = front + rows * ROW_PITCH + 2.6
    circle_rows = next(rows for rows in count(1) if _size([_circle(behind, rows)]) >= missing)
    circle = _circle(behind, circle_rows)
    _shorten([circle], _size([circle]) - missing)
    sections = tuple(block.section() for block in [stalls, circle, *boxes])
    return SeatMap(f"Theatre, {seats:,} seats", sections, Point(0.0, 0.0), _theatre_shapes())


def _stalls(radius: float, rows: int) -> SectionDraft:
    def kind_of(row: int, place: int, seats: int, x: float, y: float) -> Kind:
        from_the_end = min(place, seats - 1 - place)
        if row == rows - 1 and from_the_end < PLATFORM:  # beside the doors
            return "accessible" if from_the_end % 2 == 0 else "companion"
        return "restricted_view" if abs(x) > 1.9 * y else "standard"

    return SectionDraft(
        "Stalls", "ST", curved_rows(_CENTRE, radius, _STALLS, rows), letters=True, kind_of=kind_of
    )


def _circle(radius: float, rows: int) -> SectionDraft:
    def kind_of(_row: int, _place: int, _seats: int, x: float, y: float) -> Kind:
        return "restricted_view" if _is_far_side(x, y - _CENTRE[1]) else "standard"

    return SectionDraft(
        "Circle", "CI", curved_rows(_CENTRE, radius, _CIRCLE, rows), letters=True, kind_of=kind_of
    )


def _is_far_side(x: float, away: float) -> bool:
    return abs(degrees(atan2(x, away))) > FAR_SIDE


def _boxes(of_a_side: int) -> Iterator[SectionDraft]:
    """Yield the boxes, the nearest to the stage first. A box has two rows of two seats."""
    for side, name in ((-1, "left"), (1, "right")):
        for number in range(of_a_side):
            middle = (side * (12.5 + 0.95 * number), 2.0 + 2.3 * number)
            kind: Kind = "restricted_view" if number == 0 else "standard"
            points = straight_rows(middle, side * 70, THEATRE_SPACING, 2)
            yield SectionDraft(
                f"Box {number + 1} {name}",
                f"B{number + 1}{name[0].upper()}",
                points,
                kind_of=lambda *_, kind=kind: kind,
            )


def _theatre_shapes() -> tuple[Shape, ...]:
    edge = [(sin(radians(angle)) * 14.0, cos(radians(angle)) * 14.0 - 14.0) for angle in range(36, -37, -4)]
    stage = Shape("stage", _to_points([(-7.5, -8.0), (7.5, -8.0), *edge]), "Stage")
    return (stage,)


# Common to both ---------------------------------------------------------------------------------------------


def _check(seats: int, limits: tuple[int, int], what: str) -> None:
    if not limits[0] <= seats <= limits[1]:
        raise ValueError(f"{what} has {limits[0]:,} to {limits[1]:,} seats, not {seats:,}.")


def _size(blocks: Iterable[SectionDraft]) -> int:
    return sum(len(points) for block in blocks for points in block.rows)


def _shorten(blocks: Sequence[SectionDraft], surplus: int) -> None:
    """Remove seats from the rear rows, in turns from each section and from both ends of the row."""
    turn = 0
    while surplus:
        for block in blocks:
            if surplus and block.rows:
                block.rows[-1].pop(0 if turn % 2 else -1)
                surplus -= 1
                if not block.rows[-1]:
                    block.rows.pop()
        turn += 1


def _to_points(places: Iterable[tuple[float, float]]) -> tuple[Point, ...]:
    return tuple(Point(round(x, 2), round(y, 2)) for x, y in places)
