"""The layout of a hall for the map on a page: the same seats as the API's, in a tenth of its bytes. Pure.

Positions are whole centimetres: the first seat of a row, then the step from each seat to the next, so that a
straight row repeats itself and compresses to almost nothing. Rows without aisles have no list of blocks.

    [name of the section, rows]
    [label, seat labels, seat ids, x, y, kinds, zones, blocks]    a row

    seat labels   [first, step] where they count, else a list of texts
    seat ids      what stands before the label, where that is all, else a list of texts
    kinds         an index of `KINDS` for each seat, as digits; an empty text: all are standard
    zones         the index of the zone, null when not for sale; a list where seats of a row differ
    blocks        the places in the row at which a block begins after an aisle
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Any, Final

import msgspec

from evently.seating.plan import KINDS, parts_between_aisles
from evently.seating.seatmap import Point, Row, Seat, Section, decode_map

_CENTIMETRES: Final = 100
_KIND_DIGITS: Final = {kind: str(index) for index, kind in enumerate(KINDS)}
_encode: Final = msgspec.json.Encoder().encode


def compact(layout: bytes, digest: str, zones: Sequence[str], zone_of: bytes) -> bytes:
    """Return the compact layout of the canonical bytes of a map, as JSON. A large one takes 0.1 s."""
    seat_map = decode_map(layout)
    zone_indexes = iter([zone if zone < len(zones) else None for zone in zone_of])
    # Encoded part by part: the encoder stops all other threads meanwhile
    sections = [msgspec.Raw(_encode(_section(section, zone_indexes))) for section in seat_map.sections]
    return _encode(
        {
            "digest": digest,
            "zones": zones,
            "kinds": KINDS,
            "focal_point": _flat([seat_map.focal_point]),
            "shapes": [[shape.kind, shape.text, _flat(shape.points)] for shape in seat_map.shapes],
            "sections": sections,
        }
    )


def _section(section: Section, zone_indexes: Iterator[int | None]) -> list[Any]:
    return [section.name, [_row(row, list(islice(zone_indexes, len(row.seats)))) for row in section.rows]]


def _row(row: Row, zones: list[int | None]) -> list[Any]:
    labels = [seat.label for seat in row.seats]
    found: list[Any] = [
        row.printed(),
        _counted(labels) or labels,
        _prefix(row.seats),
        _steps(seat.x for seat in row.seats),
        _steps(seat.y for seat in row.seats),
        _kinds(row.seats),
        zones[0] if len(set(zones)) == 1 else zones,
        [start for start, _ in parts_between_aisles(row.seats)][1:],
    ]
    if not found[-1]:
        found.pop()
    return found


def _counted(labels: Sequence[str]) -> list[int] | None:
    """Return the first number and the step of labels that count evenly, or None."""
    if not (labels[0].isascii() and labels[0].isdecimal() and len(labels[0]) < 10):  # noqa: PLR2004
        return None
    first = int(labels[0])
    step = int(labels[1]) - first if len(labels) > 1 and labels[1].isdecimal() and len(labels[1]) < 10 else 1  # noqa: PLR2004
    counted = [str(first + step * place) for place in range(len(labels))]
    return [first, step] if counted == list(labels) else None


def _prefix(seats: Sequence[Seat]) -> str | list[str]:
    first = seats[0]
    prefix = first.id.removesuffix(first.label)
    if all(seat.id == prefix + seat.label for seat in seats):
        return prefix
    return [seat.id for seat in seats]


def _steps(metres: Iterable[float]) -> list[int]:
    """Return the first position, then the steps: of rounded positions, so that no error adds up."""
    positions = [_to_centimetres(each) for each in metres]
    return [positions[0], *(after - before for before, after in pairwise(positions))]


def _kinds(seats: Sequence[Seat]) -> str:
    digits = "".join([_KIND_DIGITS[seat.kind] for seat in seats])
    return digits if digits.strip("0") else ""


def _flat(points: Iterable[Point]) -> list[int]:
    return [_to_centimetres(each) for point in points for each in (point.x, point.y)]


def _to_centimetres(metres: float) -> int:
    return round(metres * _CENTIMETRES)
