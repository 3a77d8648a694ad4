"""Best available, on halls drawn as text.

In a row: `.` available, `X` taken, `R` restricted view, `W` accessible, `C` companion, a space is an aisle.

The focal point is above the middle of the first row, so the middle of that row is the best.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Final

import pytest

from evently.seating import Hall, Plan, SeatMap, canonical
from evently.seating.seatmap import Kind, Point, Row, Seat, Section

KINDS: Final[Mapping[str, Kind]] = {"R": "restricted_view", "W": "accessible", "C": "companion"}


def hall_of(*rows: str, sections: Sequence[int] | None = None, focal: Point | None = None) -> Hall:
    """Return the hall of a drawing, with one zone "a". `sections` has the number of rows of each section."""
    widest = max(len(row) for row in rows)
    lines = iter(enumerate(rows))
    parts = tuple(
        Section(f"S{number}", tuple(_row(*next(lines)) for _ in range(count)))
        for number, count in enumerate(sections or [len(rows)])
    )
    plan = Plan.of(canonical(SeatMap("Drawn", parts, focal or Point((widest - 1) / 4, -1.0))))
    marks = "".join(rows).replace(" ", "")
    return Hall(
        plan, ("a",), bytes(plan.size), [number for number, mark in enumerate(marks) if mark == "X"], ()
    )


def _row(line: int, marks: str) -> Row:
    seats = [
        Seat(f"{line}-{at}", str(at), at * 0.5, line * 1.0, KINDS.get(mark, "standard"))
        for at, mark in enumerate(marks)
        if mark != " "
    ]
    return Row(str(line), tuple(seats))


def drawn(rows: Sequence[str], chosen: Sequence[int] | None) -> list[str] | None:
    """Return the drawing of a hall with the picked seats as `o`."""
    if chosen is None:
        return None
    numbers = iter(range(10_000))
    return [
        "".join(mark if mark == " " else "o" if next(numbers) in chosen else mark for mark in row)
        for row in rows
    ]


ANYBODY: Final = {
    "one takes the middle": (1, ["....."], ["..o.."]),
    "two of four in the middle would leave singles": (2, ["...."], ["oo.."]),
    "side by side in the middle": (2, ["......"], ["..oo.."]),
    "the front row is nearer": (2, ["......", "......"], ["..oo..", "......"]),
    "no orphan beats nearer": (2, ["..XX...", "......."], ["ooXX...", "......."]),
    "taken seats are jumped": (3, ["..XX......"], ["..XXooo..."]),
    "a run that fits leaves nobody": (2, ["X..X...X"], ["XooX...X"]),
    "an orphan rather than apart": (2, ["...", "X.X"], ["oo.", "X.X"]),
    "an aisle is nobody's neighbour": (4, ["... ...", "......."], ["... ...", "oooo..."]),
    "one beside an aisle is clean": (3, ["... ..."], ["ooo ..."]),
    "split over near rows": (4, ["XX..", "XXXX", "..XX", "..XX"], ["XX..", "XXXX", "ooXX", "ooXX"]),
    "split within a row first": (2, [".X.", ".X.", "XXX"], ["oXo", ".X.", "XXX"]),
    "exactly all": (6, ["...", "..."], ["ooo", "ooo"]),
    "more than there are": (7, ["...", "..."], None),
    "none at all": (1, ["XXX"], None),
    "a restricted view last": (1, ["RRR", "..."], ["RRR", "o.."]),
    "a restricted view rather than nothing": (2, ["RRR", "..X", "XXX"], ["RRR", "ooX", "XXX"]),
    "apart with a view rather than together without": (2, ["RR", "X.", ".X"], ["RR", "Xo", "oX"]),
    "a restricted view when nothing else is left": (2, ["RR", "XX"], ["oo", "XX"]),
    "accessible places are kept": (1, ["WCW", "..."], ["WCW", "o.."]),
    "accessible places are kept to the end": (1, ["WCW", "XXX"], None),
}


@pytest.mark.parametrize(("quantity", "rows", "expected"), ANYBODY.values(), ids=list(ANYBODY))
def test_anybody(quantity: int, rows: list[str], expected: list[str] | None) -> None:
    assert drawn(rows, hall_of(*rows).pick("a", quantity)) == expected


ACCESSIBLE: Final = {
    "one place": (1, 1, ["WCCW", "...."], ["oCCW", "...."]),
    "with a companion": (2, 1, ["WC..", "...."], ["oo..", "...."]),
    "a companion's seat rather than any": (2, 1, [".WC.", "...."], [".oo.", "...."]),
    "with more than companions": (3, 1, ["WC..", "...."], ["ooo.", "...."]),
    "two places": (2, 2, ["W..W", "WW.."], ["W..W", "oo.."]),
    "more than there are": (2, 2, ["W..."], None),
    "nobody to sit beside": (2, 1, ["WXXX"], None),
    "more accessible than seats": (1, 2, ["WW"], None),
}


@pytest.mark.parametrize(
    ("quantity", "accessible", "rows", "expected"), ACCESSIBLE.values(), ids=list(ACCESSIBLE)
)
def test_accessible_places(
    quantity: int, accessible: int, rows: list[str], expected: list[str] | None
) -> None:
    assert drawn(rows, hall_of(*rows).pick("a", quantity, accessible=accessible)) == expected


def test_only_the_section_that_is_wanted() -> None:
    hall = hall_of("....", "....", sections=[1, 1])
    assert hall.pick("a", 2, section="S1") == (4, 5)
    hall.take([4, 5, 6])
    assert hall.pick("a", 2, section="S1") is None


def test_groups_are_split_within_one_section_when_one_has_room() -> None:
    rows = ["X.X.", "X.X.", ".X.X", "XXXX"]
    assert drawn(rows, hall_of(*rows, sections=[1, 2, 1]).pick("a", 4)) == ["X.X.", "XoXo", "oXoX", "XXXX"]


def test_zones_do_not_mix() -> None:
    hall = hall_of("....", "....")
    hall.rezone(("a", "b"), bytes([0, 0, 0, 0, 1, 1, 1, 255]))
    assert hall.pick("b", 3) == (4, 5, 6)
    assert hall.pick("b", 4) is None
    assert hall.pick("a", 4) == (0, 1, 2, 3)


def test_picking_takes_nothing_and_is_the_same_again() -> None:
    hall = hall_of("......", "......")
    assert hall.pick("a", 3) == hall.pick("a", 3)
    assert hall.available_in("a") == 12


ORPHANS: Final = [
    ("o....", False),
    (".o...", True),
    ("..o..", False),
    ("oo...", False),
    (".oo..", True),
    ("oo..", False),
    (".oo.", True),
    ("oo.", True),
    ("Xo.X", True),
    ("X.X.o", True),
    ("X.X.oo", True),
    ("X.Xoo", False),  # the single one was single before
    (". ooooo ..", False),  # and so is one between aisles
    ("ooo", False),
]


@pytest.mark.parametrize(("row", "leaves"), ORPHANS)
def test_orphans(row: str, *, leaves: bool) -> None:
    hall = hall_of(row.replace("o", "."))
    assert hall.leaves_orphan([at for at, mark in enumerate(row.replace(" ", "")) if mark == "o"]) == leaves


def test_a_seat_that_is_blocked_is_not_free() -> None:
    hall = hall_of("...")
    hall.block([1])
    assert hall.pick("a", 1) == (0,)
    assert list(hall.states()) == [0, 2, 0]
    hall.unblock([1])
    assert hall.pick("a", 2) == (0, 1)


# Against a reference ----------------------------------------------------------------------------------------


def best_run(hall: Hall, quantity: int) -> tuple[int, ...] | None:
    """Return the best run by trying every run of adjacent available seats."""
    for clean in (True, False):
        found = []
        for block in hall.plan.blocks:
            for start in range(block.first, block.first + block.length - quantity + 1):
                seats = tuple(range(start, start + quantity))
                if all(map(hall.is_available, seats)) and not (clean and hall.leaves_orphan(seats)):
                    found.append((sum(hall.plan.distances[seat] for seat in seats), seats))
        if found:
            return min(found)[1]
    return None


def rows_spanned(hall: Hall, quantity: int) -> int:
    """Return the least number of adjacent rows that have this many available seats."""
    counts: dict[int, int] = {}
    for number in filter(hall.is_available, range(hall.plan.size)):
        counts[hall.plan.row_of_seat[number]] = counts.get(hall.plan.row_of_seat[number], 0) + 1
    ends = [(row, row) for row in counts] + list(combinations(sorted(counts), 2))
    return min(
        end - start
        for start, end in ends
        if sum(counts.get(row, 0) for row in range(start, end + 1)) >= quantity
    )


@pytest.mark.parametrize("seed", range(300))
def test_histories_against_a_reference(seed: int) -> None:
    rnd = random.Random(seed)
    rows = ["".join(rnd.choice(".....X") for _ in range(rnd.randint(1, 9))) for _ in range(rnd.randint(1, 5))]
    hall = hall_of(*rows)
    taken = [number for number in range(hall.plan.size) if not hall.is_available(number)]
    for _ in range(12):
        quantity = rnd.randint(1, 4)
        picked = hall.pick("a", quantity)
        _judge(hall, quantity, picked)
        if picked and rnd.random() < 0.8:
            hall.take(picked)
            taken += picked
        if taken and rnd.random() < 0.4:
            back = rnd.sample(taken, rnd.randint(1, min(3, len(taken))))
            hall.release(back)
            taken = [number for number in taken if number not in back]


def _judge(hall: Hall, quantity: int, picked: tuple[int, ...] | None) -> None:
    if (expected := best_run(hall, quantity)) is not None:
        assert picked == expected
    elif hall.available_in("a") < quantity:
        assert picked is None
    else:
        assert picked is not None
        assert len(set(picked)) == quantity
        assert all(map(hall.is_available, picked))
        spanned = [hall.plan.row_of_seat[number] for number in picked]
        assert max(spanned) - min(spanned) == rows_spanned(hall, quantity)
