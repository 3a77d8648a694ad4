"""The format of a seat map: sections of rows of seats, as JSON (docs/seat-maps.md). Pure.

`parse` refuses with all faults of a map. `canonical` returns the bytes that are stored and hashed, so that
equal maps have equal digests.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from math import hypot
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeAlias, get_args, get_origin
from unicodedata import category, normalize

import msgspec

from evently.kit.errors import FieldError, Invalid
from evently.kit.pieces import decode_long
from evently.kit.visible import is_visible, misprints

SEATS_MAX: Final = 100_000  # more than the largest stadium of the world sells
SECTIONS_MAX: Final = 500
ROWS_MAX: Final = 500  # of a section
ROW_SEATS_MAX: Final = 500
SHAPES_MAX: Final = 500
POINTS_MAX: Final = 200  # of a shape
NAME_CHARACTERS_MAX: Final = 80
ID_CHARACTERS_MAX: Final = 60
METRES_MAX: Final = 2_000.0  # from the origin, on each axis: no hall is larger
SEATS_APART_MIN: Final = 0.3  # metres; seats with a smaller distance overlap
FAULTS_MAX: Final = 100  # in one answer
# Persian words and joined emoji need these, which cannot be seen themselves
_JOINERS: Final = {0x200C: "", 0x200D: ""}
_FORMAT: Final = frozenset({"Cf", "Co"})

Kind: TypeAlias = Literal["standard", "accessible", "companion", "restricted_view"]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a map. Fields that are left out have their defaults."""


class Point(_Part, frozen=True):
    """A position in metres: x to the right, y downwards, away from the upper edge."""

    x: float
    y: float


class Seat(_Part, frozen=True):
    """A place for one person. `id` is unique in the map, `label` in its row."""

    id: str
    label: str
    x: float
    y: float
    kind: Kind = "standard"


class Row(_Part, frozen=True):
    """A row of seats, from one end to the other. `label` is printed on tickets; by default the name."""

    name: str
    seats: tuple[Seat, ...]
    label: str = ""

    def printed(self) -> str:
        """Return the name for people, which another row of the section may have, too."""
        return self.label or self.name


class Section(_Part, frozen=True):
    """A section with rows, the front row first."""

    name: str
    rows: tuple[Row, ...]


class Shape(_Part, frozen=True):
    """A hint for drawing: a stage, an area such as a standing floor, or a text at its first point."""

    kind: Literal["stage", "area", "text"]
    points: tuple[Point, ...]
    text: str = ""


class SeatMap(_Part, frozen=True):
    """A seat map of a venue. The nearer a seat is to `focal_point`, which people watch, the better it is."""

    name: str
    sections: tuple[Section, ...]
    focal_point: Point = Point(0.0, 0.0)
    shapes: tuple[Shape, ...] = ()

    def seats(self) -> Iterator[Seat]:
        """Yield all seats, in the order of their numbers."""
        for section in self.sections:
            for row in section.rows:
                yield from row.seats


_encode: Final = msgspec.json.Encoder(order="deterministic").encode


def parse(content: Any) -> SeatMap:
    """Return the map of decoded JSON; refuses with `invalid`, with all its faults."""
    try:
        seat_map = msgspec.convert(content, SeatMap)
    except msgspec.ValidationError as exc:
        raise Invalid(malformed(SeatMap, content)) from exc
    if faults := check(seat_map):
        raise Invalid(faults)
    return seat_map


def canonical(seat_map: SeatMap) -> bytes:
    """Return the bytes of a map that are stored, hashed and sent."""
    sections: Any = tuple(_encoded(section) for section in seat_map.sections)
    return _encode(msgspec.structs.replace(seat_map, sections=sections))


def _encoded(section: Section) -> Section:
    """Return a section with encoded rows: the encoder stops all threads, so it gets one row at a time."""
    rows: Any = tuple(msgspec.Raw(_encode(row)) for row in section.rows)
    return Section(section.name, rows)


def digest_of(layout: bytes) -> str:
    """Return the SHA-256 of the canonical bytes of a layout, hexadecimal."""
    return hashlib.sha256(layout).hexdigest()


def decode_map(layout: bytes) -> SeatMap:
    """Return the map of canonical bytes."""
    seat_map: SeatMap = decode_long(SeatMap, layout)
    return seat_map


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the format."""
    (schema,), components = msgspec.json.schema_components([SeatMap], ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Seat map",
        **schema,
        "$defs": components,
    }


# Faults -----------------------------------------------------------------------------------------------------


def check(seat_map: SeatMap) -> list[FieldError]:
    """Return the faults of a map, at most `FAULTS_MAX`."""
    faults: list[FieldError] = []
    for fault in _faults(seat_map):
        faults.append(fault)
        if len(faults) == FAULTS_MAX:
            break
    return faults


def _faults(seat_map: SeatMap) -> Iterator[FieldError]:
    yield from _text("/name", seat_map.name, NAME_CHARACTERS_MAX)
    yield from _points("/focal_point", [seat_map.focal_point])
    yield from _count("/sections", len(seat_map.sections), SECTIONS_MAX)
    if sum(len(row.seats) for section in seat_map.sections for row in section.rows) > SEATS_MAX:
        yield FieldError("/sections", "too-many-seats", {"seats_max": SEATS_MAX})
        return  # the time to check more seats would have no limit
    yield from _duplicates("/sections", [section.name for section in seat_map.sections], "name", "section")
    for number, section in enumerate(seat_map.sections):
        yield from _section_faults(f"/sections/{number}", section)
    yield from _shape_faults(seat_map)
    yield from _id_faults(seat_map)
    yield from _overlaps(seat_map)


def _section_faults(pointer: str, section: Section) -> Iterator[FieldError]:
    yield from _text(f"{pointer}/name", section.name, NAME_CHARACTERS_MAX)
    yield from _count(f"{pointer}/rows", len(section.rows), ROWS_MAX)
    yield from _duplicates(
        f"{pointer}/rows", [row.name for row in section.rows], "name", "row of this section"
    )
    tickets: set[tuple[str, str]] = set()
    for number, row in enumerate(section.rows):
        at = f"{pointer}/rows/{number}"
        printed = {(row.printed(), seat.label) for seat in row.seats}
        if row.label and not tickets.isdisjoint(printed):
            yield FieldError(f"{at}/label", "label-printed-twice")
        tickets |= printed
        yield from _text(f"{at}/name", row.name, NAME_CHARACTERS_MAX)
        if row.label:
            yield from _text(f"{at}/label", row.label, NAME_CHARACTERS_MAX)
        yield from _count(f"{at}/seats", len(row.seats), ROW_SEATS_MAX)
        yield from _duplicates(f"{at}/seats", [seat.label for seat in row.seats], "label", "seat of this row")
        for place, seat in enumerate(row.seats):
            yield from _text(f"{at}/seats/{place}/id", seat.id, ID_CHARACTERS_MAX)
            yield from _text(f"{at}/seats/{place}/label", seat.label, NAME_CHARACTERS_MAX)
            yield from _points(f"{at}/seats/{place}", [Point(seat.x, seat.y)])


def _shape_faults(seat_map: SeatMap) -> Iterator[FieldError]:
    if len(seat_map.shapes) > SHAPES_MAX:
        yield FieldError("/shapes", "too-many-items", {"items_max": SHAPES_MAX})
        return
    for number, shape in enumerate(seat_map.shapes):
        least = 1 if shape.kind == "text" else 3
        if not least <= len(shape.points) <= POINTS_MAX:
            yield FieldError(
                f"/shapes/{number}/points", "number-of-items", {"items_min": least, "items_max": POINTS_MAX}
            )
        if len(shape.text) > NAME_CHARACTERS_MAX or not _is_printable(shape.text):
            yield FieldError(
                f"/shapes/{number}/text",
                "visible-characters-max",
                {"characters_max": NAME_CHARACTERS_MAX},
            )
        yield from _points(f"/shapes/{number}/points", shape.points)


def _id_faults(seat_map: SeatMap) -> Iterator[FieldError]:
    counts = Counter(seat.id for seat in seat_map.seats())
    if len(counts) == sum(counts.values()):
        return
    seen: set[str] = set()
    for pointer, seat in _seats_with_pointers(seat_map):
        if seat.id in seen:
            yield FieldError(f"{pointer}/id", "seat-id-taken", {"seat": quoted(seat.id)})
        seen.add(seat.id)


def _overlaps(seat_map: SeatMap) -> Iterator[FieldError]:
    """Yield seats that overlap. A grid finds the neighbours: 100,000 seats take a second, not a day."""
    grid: dict[tuple[int, int], list[Seat]] = {}
    for pointer, seat in _seats_with_pointers(seat_map):
        if not _is_in_range(seat.x, seat.y):
            continue  # this is another fault, and the coordinates may be NaN
        column, line = int(seat.x // SEATS_APART_MIN), int(seat.y // SEATS_APART_MIN)
        near = [
            other
            for across in (-1, 0, 1)
            for along in (-1, 0, 1)
            for other in grid.get((column + across, line + along), ())
        ]
        for other in near:
            if hypot(other.x - seat.x, other.y - seat.y) < SEATS_APART_MIN:
                yield FieldError(
                    pointer,
                    "seats-overlap",
                    {"seat": quoted(other.id), "metres_min": SEATS_APART_MIN},
                )
                break
        grid.setdefault((column, line), []).append(seat)


def _seats_with_pointers(seat_map: SeatMap) -> Iterator[tuple[str, Seat]]:
    for section_number, section in enumerate(seat_map.sections):
        for row_number, row in enumerate(section.rows):
            for place, seat in enumerate(row.seats):
                yield f"/sections/{section_number}/rows/{row_number}/seats/{place}", seat


def _text(pointer: str, text: str, characters_max: int) -> Iterator[FieldError]:
    if not is_visible(text) or len(text) > characters_max or not _is_printable(text):
        yield FieldError(pointer, "visible-characters", {"characters_max": characters_max})


def _is_printable(text: str) -> bool:
    """Return whether a text has no characters that cannot be seen, but joiners."""
    if text.isascii():
        return text.isprintable()
    return not any(misprints(text)) and not _FORMAT.intersection(map(category, text.translate(_JOINERS)))


def _count(pointer: str, count: int, most: int) -> Iterator[FieldError]:
    if not 1 <= count <= most:
        yield FieldError(pointer, "number-of-items", {"items_min": 1, "items_max": most})


def _points(pointer: str, points: Iterable[Point]) -> Iterator[FieldError]:
    if not all(_is_in_range(point.x, point.y) for point in points):
        yield FieldError(pointer, "metres-too-far", {"metres_max": METRES_MAX})


def _is_in_range(x: float, y: float) -> bool:
    """Return whether a position is within the limit; NaN is not."""
    return abs(x) <= METRES_MAX and abs(y) <= METRES_MAX


def _duplicates(pointer: str, names: Iterable[str], field: str, noun: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for number, name in enumerate(names):
        # An é has two encodings, which look alike
        normalised = name if len(name) > NAME_CHARACTERS_MAX else normalize("NFC", name)
        if normalised in seen:
            yield FieldError(
                f"{pointer}/{number}/{field}",
                "taken-on-the-map",
                {"kind": noun, "field": field, "name": quoted(name)},
            )
        seen.add(normalised)


def quoted(text: str) -> str:
    """Return a text in quotes; only the beginning of a long text, because a hundred faults may quote it."""
    return repr(text if len(text) <= NAME_CHARACTERS_MAX else f"{text[:NAME_CHARACTERS_MAX]}…")


# All values of a wrong type: msgspec reports only the first
# --------------------------------------------------


def malformed(shape: type[msgspec.Struct], content: Any) -> list[FieldError]:
    """Return the faults of JSON values that do not have the type of their field, at most `FAULTS_MAX`.

    Only for structs whose fields have the names of the JSON members.
    """
    return list(islice(_malformed(shape, content, ""), FAULTS_MAX))


def _malformed(shape: Any, value: Any, pointer: str) -> Iterator[FieldError]:
    """Yield the faults of a JSON value: a struct, a tuple of one type, a plain value, or an optional one."""
    members = (
        [each for each in get_args(shape) if each is not NoneType] if get_origin(shape) is UnionType else []
    )
    if len(members) == 1 and value is not None:
        shape = members[0]
    if isinstance(value, dict) and isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        yield from _malformed_fields(shape, value, pointer)
    elif isinstance(value, list) and get_origin(shape) is tuple:
        for index, item in enumerate(value):
            yield from _malformed(get_args(shape)[0], item, f"{pointer}/{index}")
    else:
        try:
            msgspec.convert(value, shape)
        except msgspec.ValidationError as exc:
            yield FieldError(pointer, "not-as-expected", {"message": f"{exc}."})


def _malformed_fields(
    shape: type[msgspec.Struct], value: dict[str, Any], pointer: str
) -> Iterator[FieldError]:
    known = msgspec.structs.fields(shape)
    for field in known:
        if field.name in value:
            yield from _malformed(field.type, value[field.name], f"{pointer}/{field.name}")
        elif field.required:
            yield FieldError(f"{pointer}/{field.name}", "missing")
    if not shape.__struct_config__.forbid_unknown_fields:
        return
    for name in sorted(map(str, value.keys() - {field.name for field in known})):
        yield FieldError(
            f"{pointer}/{name[:NAME_CHARACTERS_MAX].replace('~', '~0').replace('/', '~1')}",
            "unknown-field",
        )
