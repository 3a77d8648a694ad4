"""The compact layout says what the API's layout says: the same seats in the same order, to the centimetre."""

from __future__ import annotations

import json
from itertools import accumulate
from typing import Any, Final

import brotli
import pytest

from evently.sales.terms import NOT_FOR_SALE
from evently.seating import SeatMap, canonical, compact, parse
from evently.seating.generate import arena, theatre
from evently.seating.plan import Plan

ZONES: Final = ("Dear", "Cheap")
ARENA_BYTES_MAX: Final = 16 * 1024  # 20,000 seats, as they are sent


def sent(seat_map: SeatMap, zone_of: bytes) -> Any:
    return json.loads(compact(canonical(seat_map), "a digest", ZONES, zone_of))


def decoded(layout: Any) -> list[tuple[str, str, str, str, int, int, str, int | None]]:
    """Return the seats as the page reads them: section, row, label, id, x, y, kind, zone."""
    seats = []
    for section, rows in layout["sections"]:
        for label, labels, ids, steps_x, steps_y, kinds, zones, *_ in rows:
            across, down = list(accumulate(steps_x)), list(accumulate(steps_y))
            for place, (x, y) in enumerate(zip(across, down, strict=True)):
                counted = isinstance(labels[0], int)
                name = str(labels[0] + labels[1] * place) if counted else labels[place]
                seat_id = ids + name if isinstance(ids, str) else ids[place]
                kind = layout["kinds"][int(kinds[place])] if kinds else "standard"
                zone = zones[place] if isinstance(zones, list) else zones
                seats.append((section, label, name, seat_id, x, y, kind, zone))
    return seats


def told(seat_map: SeatMap, zone_of: bytes) -> list[tuple[str, str, str, str, int, int, str, int | None]]:
    """Return the same of the map."""
    zones = iter(zone_of)
    return [
        (
            section.name,
            row.printed(),
            seat.label,
            seat.id,
            round(seat.x * 100),
            round(seat.y * 100),
            seat.kind,
            None if (zone := next(zones)) == NOT_FOR_SALE else zone,
        )
        for section in seat_map.sections
        for row in section.rows
        for seat in row.seats
    ]


def odd_hall() -> SeatMap:
    """Return a map with everything that is not regular: labels, ids, kinds, aisles, thirds of a metre."""
    rows: list[list[tuple[str, str, float, str]]] = [
        [("x1", "01", 0.0, "standard"), ("x2", "02", 1 / 3, "accessible"), ("x3", "03", 2 / 3, "companion")],
        [("R7", "7", 0.0, "standard"), ("R5", "5", 0.5, "standard"), ("R3", "3", 3.5, "restricted_view")],
        [("solo", "Königsloge", -1.005, "standard")],
        [("n٣", "٣", 0.0, "standard"), ("n٤", "٤", 0.6, "standard")],
        [("big", "99999999999", 0.0, "standard"), ("big2", "2", 0.6, "standard")],
    ]
    return parse(
        {
            "name": "Odd",
            "focal_point": {"x": 1.25, "y": -3},
            "shapes": [{"kind": "text", "points": [{"x": 1, "y": 2}], "text": "Bar"}],
            "sections": [
                {
                    "name": "Parkett “1”",
                    "rows": [
                        {
                            "name": f"Row {number}",
                            "label": "same" if number == 1 else "",
                            "seats": [
                                {"id": seat_id, "label": label, "x": x, "y": number * 2.0, "kind": kind}
                                for seat_id, label, x, kind in seats
                            ],
                        }
                        for number, seats in enumerate(rows)
                    ],
                }
            ],
        }
    )


@pytest.mark.parametrize(
    "seat_map", [odd_hall(), theatre(600), arena(5_000)], ids=["odd", "theatre", "arena"]
)
def test_nothing_is_lost(seat_map: SeatMap) -> None:
    size = sum(1 for _ in seat_map.seats())
    zone_of = bytes((0, 0, 1, NOT_FOR_SALE)[number % 4] for number in range(size))
    layout = sent(seat_map, zone_of)
    assert decoded(layout) == told(seat_map, zone_of)
    assert layout["digest"] == "a digest"
    assert layout["zones"] == list(ZONES)
    assert layout["focal_point"] == [round(seat_map.focal_point.x * 100), round(seat_map.focal_point.y * 100)]
    assert [(kind, text) for kind, text, _ in layout["shapes"]] == [
        (shape.kind, shape.text) for shape in seat_map.shapes
    ]


def test_blocks_are_those_of_the_plan() -> None:
    seat_map = theatre(600)
    size = sum(1 for _ in seat_map.seats())
    blocks, first = [], 0
    for _, rows in sent(seat_map, bytes(size))["sections"]:
        for row in rows:
            starts = [0, *(row[7] if len(row) > 7 else ())]
            ends = [*starts[1:], len(row[3])]
            blocks += [(first + start, end - start) for start, end in zip(starts, ends, strict=True)]
            first += len(row[3])
    assert blocks == [tuple(block) for block in Plan.of(canonical(seat_map)).blocks]


def test_rounding_does_not_add_up() -> None:
    """A seat is at most half a centimetre away from where the map has it, however long its row is."""
    row = [{"id": f"s{number}", "label": f"{number}", "x": number / 3, "y": 0} for number in range(1, 400)]
    seat_map = parse({"name": "Long", "sections": [{"name": "S", "rows": [{"name": "A", "seats": row}]}]})
    places = decoded(sent(seat_map, bytes(len(row))))
    assert max(abs(place[4] / 100 - (number + 1) / 3) for number, place in enumerate(places)) <= 0.005


def test_an_arena_of_twenty_thousand_seats_is_small() -> None:
    body = compact(canonical(arena(20_000)), "0" * 64, ZONES, bytes(20_000))
    assert len(brotli.compress(body, quality=9)) <= ARENA_BYTES_MAX
