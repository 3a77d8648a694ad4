"""Ways out of a choice that would leave a single seat alone. `.` is available, `X` taken, `o` chosen."""

from __future__ import annotations

import random

import pytest

from evently.seating import mend
from tests.unit.test_seating_picking import hall_of


@pytest.mark.parametrize(
    ("before", "orphans", "moved", "extended"),
    [
        ("oo..", None, None, None),
        (".oo.", "o..o", "oo..", "oooo"),
        (".oo...", "o.....", "oo....", "ooo..."),
        ("X.ooX", None, None, None),  # each choice of two leaves one
        (".o.X", "o.o.", "o...", "ooo."),
        (".o....", "o.....", "o.....", "oo...."),
        ("...o.", "....o", "....o", "...oo"),
        ("XXX.oo...", "...o.....", "...oo....", "...ooo..."),
    ],
)
def test_the_ways_out(before: str, orphans: str | None, moved: str | None, extended: str | None) -> None:
    hall = hall_of(before.replace("o", "."))
    found = mend(hall, [number for number, seat in enumerate(before) if seat == "o"])
    if orphans is None:
        assert found is None
        return
    assert found is not None
    size = len(before)
    assert [drawn(each, size) for each in found] == [orphans, moved, extended]


def drawn(numbers: tuple[int, ...] | None, size: int) -> str | None:
    return None if numbers is None else "".join("o" if number in numbers else "." for number in range(size))


def test_both_ways_are_bookable_and_leave_nobody_alone() -> None:
    dice, offered = random.Random(9), 0
    for _ in range(2_000):
        row = "".join(dice.choices(".X", (4, 1), k=dice.randint(4, 14)))
        hall = hall_of(row)
        free = [number for number, seat in enumerate(row) if seat == "."]
        if not free:
            continue
        chosen = dice.sample(free, min(len(free), dice.randint(1, 4)))
        found = mend(hall, chosen)
        assert (found is not None) == hall.leaves_orphan(chosen)
        for way in () if found is None else (found.moved, found.extended):
            if way is not None:
                offered += 1
                assert all(hall.is_available(number) for number in way)
                assert not hall.leaves_orphan(way), (row, chosen, way)
        if found is not None and found.moved is not None:
            assert len(found.moved) == len(set(chosen))
        if found is not None and found.extended is not None:
            assert set(found.extended) == set(chosen) | set(found.orphans)
    assert offered > 500, "the test has seen both"
