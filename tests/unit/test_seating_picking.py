"""Best available, on halls drawn as text.

In a row: `.` available, `X` taken, `R` restricted view, `W` accessible, `C` companion, a space is an aisle.

The focal point is above the middle of the first row, so the middle of that row is the best.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations
from types import FrameType
from typing import Any, Final

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
    ("oo.", False),  # two of three leave one single, whichever they are
    (".oo", False),
    ("Xo.X", False),
    ("ooo.", False),
    (".o.", True),  # at either end, one of three leaves two together
    ("oo.XX..", True),  # there are two together
    ("oo.X.X.", False),  # there are two, but apart
    ("o.oX..X", True),  # they are apart anyway
    (". oo. ..", False),  # beyond an aisle are other blocks
    ("X.X.o", True),
    ("X.X.oo", False),
    ("X.Xoo", False),  # the single one was single before
    (". ooooo ..", False),  # and so is one between aisles
    ("ooo", False),
]


@pytest.mark.parametrize(("row", "leaves"), ORPHANS)
def test_orphans(row: str, *, leaves: bool) -> None:
    hall = hall_of(row.replace("o", "."))
    assert hall.leaves_orphan([at for at, mark in enumerate(row.replace(" ", "")) if mark == "o"]) == leaves


@pytest.mark.parametrize("seed", range(100))
def test_orphans_against_a_reference(seed: int) -> None:
    rnd = random.Random(seed)
    hall = hall_of("".join(rnd.choice("....X") for _ in range(rnd.randint(1, 9))))
    hall.rezone(("a", "b"), bytes(rnd.choice([0, 0, 0, 1]) for _ in range(hall.plan.size)))
    of_zone = [n for n in range(hall.plan.size) if hall.is_available(n) and hall.zone_of_seat(n) == "a"]

    def runs(seats: Sequence[int]) -> int:
        return sum(n - 1 not in seats for n in seats)

    for chosen in [each for n in range(1, 5) for each in combinations(of_zone, n)]:
        others = [each for each in combinations(of_zone, len(chosen)) if runs(each) <= runs(chosen)]
        leaves = {each: leaves_single(hall, each) for each in others}
        # Within one run of available seats, only choices side by side are compared
        if hall.leaves_orphan(chosen) != (leaves[chosen] and not all(leaves.values())):
            assert runs(chosen) > 1
            assert not hall.leaves_orphan(chosen)


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
                if all(map(hall.is_available, seats)) and not (clean and leaves_single(hall, seats)):
                    found.append((sum(hall.plan.distances[seat] for seat in seats), seats))
        if found:
            return min(found)[1]
    return None


def leaves_single(hall: Hall, chosen: Sequence[int]) -> bool:
    """Return whether an available seat loses its only available neighbour in its block."""

    def singles(seats: set[int]) -> set[int]:
        return {
            n
            for block in hall.plan.blocks
            for n in seats.intersection(range(block.first, block.first + block.length))
            if not {n - 1, n + 1} & seats.intersection(range(block.first, block.first + block.length))
        }

    available = {n for n in range(hall.plan.size) if hall.is_available(n)}
    return bool(singles(available - set(chosen)) - singles(available))


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


# Accessible places, against a reference ---------------------------------------------------------------------


def best_area(hall: Hall, places: list[int], beside: list[int], accessible: int, others: int) -> list[int]:
    """Return the area in which accessible places are picked, by trying every stretch and every span."""
    row_of, distances = hall.plan.row_of_seat, hall.plan.distances
    length = accessible + others
    while length <= hall.plan.size:
        found = []
        for first in range(hall.plan.size - length + 1):
            stretch = range(first, first + length)
            some, more = [n for n in stretch if n in places], [n for n in stretch if n in beside]
            if row_of[first] == row_of[stretch[-1]] and len(some) >= accessible and len(more) >= others:
                companions = sum(hall.plan.kinds[n] == "companion" for n in more)
                found.append((-companions, sum(distances[n] for n in stretch), list(stretch)))
        if found:
            return min(found)[2]
        length *= 2
    spans = []
    for first, end in combinations(range(len(hall.plan.rows) + 1), 2):
        span = [n for n in range(hall.plan.size) if first <= row_of[n] < end]
        enough = sum(n in places for n in span) >= accessible and sum(n in beside for n in span) >= others
        if enough and hall.plan.rows[first][0] == hall.plan.rows[end - 1][0]:
            spans.append((end - first, first, span))
    return min(spans)[2] if spans else list(range(hall.plan.size))


def longest_runs(hall: Hall, seats: list[int], quantity: int) -> list[int]:
    """Return seats of the longest runs, the nearest first."""

    def runs(of: list[int], length: int) -> list[list[int]]:
        starts = [[*range(first, first + length)] for first in of]
        whole = [run for run in starts if set(run) <= set(of)]
        blocks = [range(block.first, block.first + block.length) for block in hall.plan.blocks]
        together = [run for run in whole if any(set(run) <= set(block) for block in blocks)]
        return sorted(together, key=lambda run: (sum(hall.plan.distances[n] for n in run), run))

    chosen: list[int] = []
    while len(chosen) < quantity:
        left = [n for n in seats if n not in chosen]
        length = next(n for n in range(quantity - len(chosen), 0, -1) if runs(left, n))
        chosen += runs(left, length)[0]
    return chosen


def best_accessible(hall: Hall, quantity: int, accessible: int) -> tuple[int, ...] | None:
    """Return accessible places and seats near them, by the words of the rule."""
    plan, others = hall.plan, quantity - accessible
    available = [n for n in range(plan.size) if hall.is_available(n)]
    places = [n for n in available if plan.kinds[n] == "accessible"]
    beside = [n for n in available if plan.kinds[n] in ("companion", "standard")] if others else []
    if others < 0 or len(places) < accessible or len(beside) < others:
        return None
    area = best_area(hall, places, beside, accessible, others)
    chosen = longest_runs(hall, [n for n in places if n in area], accessible)

    def nearness(number: int) -> tuple[int, bool, int]:
        near = [abs(number - n) for n in chosen if plan.row_of_seat[n] == plan.row_of_seat[number]]
        if near:
            return min(near), plan.kinds[number] != "companion", number
        return plan.size + abs(number - min(chosen)), False, number

    return tuple(sorted([*chosen, *sorted([n for n in beside if n in area], key=nearness)[:others]]))


@pytest.mark.parametrize("seed", range(250))
def test_accessible_places_against_a_reference(seed: int) -> None:
    rnd = random.Random(seed)
    marks = rnd.choice(["...WC", ".WX", "WCWCX.", "....W ", "XXX.W", ".WRX C"])
    rows = [
        rnd.choice(marks.replace(" ", "")) + "".join(rnd.choice(marks) for _ in range(rnd.randint(0, 8)))
        for _ in range(rnd.randint(1, 5))
    ]
    first = rnd.randint(1, len(rows))
    hall = hall_of(*rows, sections=[first, len(rows) - first] if first < len(rows) else [first])
    for _ in range(6):
        quantity = rnd.randint(1, 5)
        accessible = rnd.randint(1, quantity)
        picked = hall.pick("a", quantity, accessible=accessible)
        assert picked == best_accessible(hall, quantity, accessible)
        if picked and rnd.random() < 0.5:
            hall.take(picked)


# The cost of a request --------------------------------------------------------------------------------------

# Lines of Python: a loop over all seats, or over all rows, has more, and one over the 800 parts of the hall
# has some hundreds
LINES_MAX: Final = 10_000
BOOKING_LINES_MAX: Final = 70_000  # of a booking of twenty lines; this takes 15 to 30 milliseconds


@pytest.fixture(scope="module", params=[20, 1], ids=["rows of 20", "rows of one"])
def large(request: pytest.FixtureRequest) -> Plan:
    """Return the plan of a hall of 100,000 seats, where every third place is accessible."""
    row_seats: int = request.param
    rows = 2_000 // row_seats if row_seats > 1 else 400
    sections = tuple(
        Section(f"S{number}", tuple(_large_row(number, rows, line, row_seats) for line in range(rows)))
        for number in range(100_000 // (rows * row_seats))
    )
    return Plan.of(canonical(SeatMap("Large", sections)))


def _large_row(section: int, rows: int, line: int, seats: int) -> Row:
    kinds: Sequence[Kind] = ["standard", "accessible", "standard"]
    return Row(
        str(line),
        tuple(
            Seat(
                f"{section}-{line}-{at}",
                str(at),
                section % 25 * 12 + at * 0.5,
                section // 25 * rows * 0.5 + line * 0.5,
                kinds[(at + line * (seats == 1)) % 3],
            )
            for at in range(seats)
        ),
    )


TAKEN: Final[Mapping[str, Callable[[int], bool]]] = {
    "free": lambda _: False,
    "a chessboard": lambda number: (number + number // 20) % 2 == 1,
    "every other row": lambda number: number // 20 % 2 == 1,
    "only the last seats": lambda number: number < 99_000,
    "scattered": lambda number: number % 499 > 1,
}


@pytest.mark.parametrize("taken", TAKEN)
@pytest.mark.parametrize(("quantity", "accessible"), [(2, 0), (100, 0), (2, 1), (100, 1), (100, 50)])
def test_no_request_walks_through_all_seats(large: Plan, taken: str, quantity: int, accessible: int) -> None:
    states = [number for number in range(large.size) if TAKEN[taken](number)]
    for section in (None, large.sections[-1]):
        hall = Hall(large, ("a",), bytes(large.size), states, [])
        assert lines_of(partial(hall.pick, "a", quantity, section, accessible)) < LINES_MAX
    assert lines_of(partial(hall.available_in, "a")) < 100
    assert lines_of(partial(hall.pick_any, "a", quantity)) < 1_000


@pytest.mark.parametrize("taken", TAKEN)
@pytest.mark.parametrize(("quantity", "accessible"), [(1, 0), (2, 0), (5, 0), (5, 2)])
def test_no_booking_walks_through_all_seats(large: Plan, taken: str, quantity: int, accessible: int) -> None:
    rnd, zones = random.Random(1), tuple(f"zone {number}" for number in range(20))
    states = [number for number in range(large.size) if TAKEN[taken](number)]
    hall = Hall(large, zones, bytes(rnd.randrange(20) for _ in range(large.size)), states, [])

    def book() -> None:
        for zone in zones:
            hall.take(hall.pick(zone, quantity, accessible=accessible) or ())

    assert lines_of(book) < BOOKING_LINES_MAX


def lines_of(call: Callable[[], object]) -> int:
    """Return how many lines of Python a call runs: its cost, but on no clock."""
    lines = 0

    def trace(_frame: FrameType, what: str, _argument: object) -> Any:
        nonlocal lines
        lines += what == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return lines
