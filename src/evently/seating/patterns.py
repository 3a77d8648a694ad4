"""Sections from a few numbers: rows, seats, how they are counted, aisles, arcs. Pure.

The same pattern always gives the same section, with the same ids of seats.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import cos, radians, sin
from typing import Annotated, Final, Literal

import msgspec

from evently.kit.complaints import Complaints
from evently.kit.shapes import items, number, text
from evently.seating.generate import AISLE, ROW_PITCH, THEATRE_SPACING
from evently.seating.seatmap import (
    ID_CHARACTERS_MAX,
    METRES_MAX,
    NAME_CHARACTERS_MAX,
    ROW_SEATS_MAX,
    ROWS_MAX,
    Point,
    Row,
    Seat,
    SeatMap,
    Section,
    Shape,
)

PATTERNS_MAX: Final = 100  # in one map
CODE_CHARACTERS_MAX: Final = 20
GROWTH_MAX: Final = 20
NUMBER_MAX: Final = 100_000
STEPS: Final = (1, 2)
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_STAGE: Final = ((-5.0, -4.0), (5.0, -4.0), (5.0, -1.0), (-5.0, -1.0))

Metres = Annotated[float, msgspec.Meta(examples=[0.55])]


class SectionPattern(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A section to be made: its front row has its middle at `x`, `y`; rows follow away from the stage.

    `code` begins the ids of its seats. `rows_named`: A, B, ... without `skipped_letters`, or 1, 2, ....
    `first_row`: 3 begins with C or 3. `numbered_from`: the end of the row at which seats are counted from,
    as seen from the stage's side of the map. `aisles`: after so many seats. `growth`: more seats in each row
    than in the one before. `radius`: of the arc of the front row; 0: straight. `turned`: degrees, 0 faces up.
    """

    name: Annotated[str, text(NAME_CHARACTERS_MAX, "Stalls")]
    code: Annotated[str, text(CODE_CHARACTERS_MAX, "ST")]
    rows: Annotated[int, number(1, ROWS_MAX, 12)]
    seats: Annotated[int, number(1, ROW_SEATS_MAX, 20)]
    rows_named: Literal["letters", "numbers"] = "letters"
    first_row: Annotated[int, number(1, NUMBER_MAX, 1)] = 1
    skipped_letters: Annotated[str, text(len(_LETTERS) - 1, "IO", blank=True)] = "IO"
    numbered_from: Literal["left", "right"] = "left"
    first_seat: Annotated[int, number(0, NUMBER_MAX, 1)] = 1
    seat_step: Annotated[int, number(STEPS[0], STEPS[-1], 1, "2: odd or even numbers.")] = 1
    aisles: Annotated[tuple[int, ...], items(20, [[10]])] = ()
    growth: Annotated[int, number(0, GROWTH_MAX, 0)] = 0
    radius: Annotated[float, msgspec.Meta(examples=[14.0])] = 0.0
    x: Annotated[float, msgspec.Meta(examples=[0.0])] = 0.0
    y: Annotated[float, msgspec.Meta(examples=[3.0])] = 3.0
    turned: Annotated[float, msgspec.Meta(examples=[0.0])] = 0.0
    spacing: Metres = THEATRE_SPACING
    pitch: Metres = ROW_PITCH
    aisle: Metres = AISLE


def check_pattern(complaints: Complaints, pointer: str, pattern: SectionPattern) -> None:
    """Note what is wrong with a pattern, whatever else the map has."""
    complaints.check(pointer, pattern)
    for name, smallest, largest in (
        ("radius", 0.0, METRES_MAX),
        ("x", -METRES_MAX, METRES_MAX),
        ("y", -METRES_MAX, METRES_MAX),
        ("turned", -360.0, 360.0),
        ("spacing", 0.3, 10.0),
        ("pitch", 0.3, 10.0),
        ("aisle", 0.0, 50.0),
    ):
        if not smallest <= getattr(pattern, name) <= largest:  # NaN is not
            complaints.about(f"{pointer}/{name}", "out-of-range", smallest=smallest, largest=largest)
    if pattern.seats + pattern.growth * (pattern.rows - 1) > ROW_SEATS_MAX:
        complaints.about(f"{pointer}/growth", "out-of-range", smallest=0, largest=ROW_SEATS_MAX)
    letters = set(pattern.skipped_letters.upper())
    if pattern.rows_named == "letters" and not set(_LETTERS) - letters:
        complaints.about(f"{pointer}/skipped_letters", "too-many-items", items_max=len(_LETTERS) - 1)


def make_section(pattern: SectionPattern) -> Section:
    """Return the section of a pattern without complaints."""
    return Section(pattern.name.strip(), tuple(_row(pattern, place) for place in range(pattern.rows)))


def make_map(name: str, patterns: Sequence[SectionPattern]) -> SeatMap:
    """Return a map of patterns without complaints, with a stage at the top."""
    corners = tuple(Point(x, y) for x, y in _STAGE)
    return SeatMap(
        name, tuple(make_section(each) for each in patterns), shapes=(Shape("stage", corners, "Stage"),)
    )


def _row(pattern: SectionPattern, place: int) -> Row:
    name = _row_name(pattern, pattern.first_row + place)
    positions = list(_positions(pattern, place))
    count = len(positions)
    seats = []
    for index, (x, y) in enumerate(positions):
        counted = index if pattern.numbered_from == "left" else count - 1 - index
        label = str(pattern.first_seat + pattern.seat_step * counted)
        seat_id = f"{pattern.code.strip()}-{name}-{label}"
        seats.append(Seat(seat_id[:ID_CHARACTERS_MAX], label, x, y))
    return Row(name, tuple(seats))


def _row_name(pattern: SectionPattern, ordinal: int) -> str:
    if pattern.rows_named == "numbers":
        return str(ordinal)
    skipped = set(pattern.skipped_letters.upper())
    letters = [letter for letter in _LETTERS if letter not in skipped]
    name, left = "", ordinal
    while left:
        left, index = divmod(left - 1, len(letters))
        name = letters[index] + name
    return name


def _positions(pattern: SectionPattern, place: int) -> Iterator[tuple[float, float]]:
    """Yield the places of the seats of a row, in metres, from the left as seen with the stage above."""
    count, depth = pattern.seats + pattern.growth * place, place * pattern.pitch
    along = [
        index * pattern.spacing + pattern.aisle * sum(1 for after in pattern.aisles if 0 < after <= index)
        for index in range(count)
    ]
    middle, angle = along[-1] / 2, radians(pattern.turned)
    for offset in along:
        across, away = offset - middle, depth
        if pattern.radius:
            reach = pattern.radius + depth
            across, away = reach * sin((offset - middle) / reach), reach * cos((offset - middle) / reach)
            away -= pattern.radius
        yield (
            round(pattern.x + across * cos(angle) + away * sin(angle), 2),
            round(pattern.y - across * sin(angle) + away * cos(angle), 2),
        )
