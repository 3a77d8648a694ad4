"""Sections from a few numbers: how rows and seats are named, where seats stand, what is refused."""

from __future__ import annotations

from math import hypot
from typing import Any

import pytest
from msgspec.structs import replace

from evently.kit.complaints import Complaints
from evently.seating import check, compare
from evently.seating.patterns import SectionPattern, check_pattern, make_map, make_section
from evently.seating.seatmap import Section

PLAIN = SectionPattern(name="Stalls", code="ST", rows=3, seats=4)


def rows_of(section: Section) -> list[str]:
    return [f"{row.name}: {' '.join(seat.label for seat in row.seats)}" for row in section.rows]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["A: 1 2 3 4", "B: 1 2 3 4", "C: 1 2 3 4"]),
        ({"numbered_from": "right"}, ["A: 4 3 2 1", "B: 4 3 2 1", "C: 4 3 2 1"]),
        ({"first_seat": 101, "seat_step": 2, "rows": 1}, ["A: 101 103 105 107"]),
        ({"rows_named": "numbers", "first_row": 9, "rows": 2}, ["9: 1 2 3 4", "10: 1 2 3 4"]),
        ({"growth": 1}, ["A: 1 2 3 4", "B: 1 2 3 4 5", "C: 1 2 3 4 5 6"]),
        ({"first_row": 8, "seats": 1}, ["H: 1", "J: 1", "K: 1"]),
        ({"first_row": 8, "seats": 1, "skipped_letters": ""}, ["H: 1", "I: 1", "J: 1"]),
        ({"first_row": 24, "seats": 1, "rows": 2}, ["Z: 1", "AA: 1"]),
        ({"first_row": 26, "seats": 1, "rows": 2, "skipped_letters": ""}, ["Z: 1", "AA: 1"]),
        ({"skipped_letters": "bcd", "seats": 1}, ["A: 1", "E: 1", "F: 1"]),
    ],
)
def test_rows_and_seats_are_named(changes: dict[str, Any], expected: list[str]) -> None:
    section = make_section(replace(PLAIN, **changes))
    named = rows_of(section)
    assert named == expected


def test_an_aisle_parts_a_row_in_its_middle() -> None:
    row = make_section(replace(PLAIN, rows=1, aisles=(2,), spacing=0.5, aisle=1.0)).rows[0]
    assert [seat.x for seat in row.seats] == [-1.25, -0.75, 0.75, 1.25]
    assert {seat.y for seat in row.seats} == {3.0}


def test_rows_turn_around_the_middle_of_the_front_row() -> None:
    rows = make_section(replace(PLAIN, rows=2, seats=2, turned=90.0, spacing=1.0, pitch=1.0, x=5.0)).rows
    assert [(seat.x, seat.y) for seat in rows[0].seats] == [(5.0, 3.5), (5.0, 2.5)]
    assert [(seat.x, seat.y) for seat in rows[1].seats] == [(6.0, 3.5), (6.0, 2.5)]


def test_seats_of_an_arc_are_equally_far_from_its_middle() -> None:
    rows = make_section(replace(PLAIN, seats=30, radius=12.0)).rows
    for number, row in enumerate(rows):
        away = [hypot(seat.x, seat.y - (3.0 - 12.0)) for seat in row.seats]
        assert max(away) - min(away) < 0.02
        assert abs(away[0] - 12.0 - number * 0.9) < 0.02


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"rows": 0}, "/rows"),
        ({"seats": 501}, "/seats"),
        ({"growth": 20, "rows": 500}, "/growth"),
        ({"radius": float("nan")}, "/radius"),
        ({"turned": 400.0}, "/turned"),
        ({"name": " "}, "/name"),
        ({"skipped_letters": "abcdefghijklmnopqrstuvwxyz"}, "/skipped_letters"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], pointer: str) -> None:
    complaints = Complaints()
    check_pattern(complaints, "", replace(PLAIN, **changes))
    assert pointer in {each.pointer for each in complaints.errors}


def test_a_map_of_patterns_is_a_map_and_versions_are_compared() -> None:
    one = make_map("Hall", [PLAIN])
    assert check(one) == []
    assert not compare(one, one)
    other = make_map("Hall", [replace(PLAIN, seats=5, x=3.0), replace(PLAIN, name="Circle", code="C", y=9.0)])
    assert compare(one, other) == (15, 0, 12, 0, 0)
    renamed = make_map("Hall", [replace(PLAIN, name="Parquet")])
    assert compare(one, renamed) == (0, 0, 0, 12, 0)
    assert compare(other, one).removed == 15
