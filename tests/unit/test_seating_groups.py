"""Counts by group, and what a picker remembers, against plain loops and a picker that remembers nothing."""

from __future__ import annotations

import random
from itertools import accumulate, pairwise

import pytest

from evently.sales.commands.bookings import UNITS_MAX
from evently.seating import Hall, Plan, canonical
from evently.seating.available import ROWS_RECOUNTED_MAX
from evently.seating.generate import theatre
from evently.seating.groups import COUNT_MAX, Groups
from evently.seating.plan import SHIFTED_MAX, mask_of


def test_a_booking_has_no_more_seats_than_a_byte_counts() -> None:
    assert UNITS_MAX <= COUNT_MAX


@pytest.mark.parametrize("seed", range(100))
def test_counts_against_loops(seed: int) -> None:
    rnd = random.Random(seed)
    longest = rnd.choice([1, 3, 20, 300])
    groups = list(
        pairwise(accumulate([rnd.randint(1, longest) for _ in range(rnd.randint(1, 30))], initial=0))
    )
    places, size = Groups(groups), groups[-1][1]
    members = [number for number in range(size) if rnd.random() < rnd.choice([0.1, 0.9])]
    totals = places.totals(mask_of(members)).to_bytes(len(groups), "little")
    counted = [sum(first <= number < end for number in members) for first, end in groups]
    assert list(totals) == [min(COUNT_MAX, count) for count in counted]

    counts = [[rnd.choice([0, 0, 1, 5, 40]) for _ in range(size)] for _ in range(rnd.randint(1, 2))]
    wanted = [rnd.choice([1, 4, 30, 100, COUNT_MAX]) for _ in counts]
    windows = [
        (end - start, start)
        for first, last in groups
        for start in range(first, last)
        for end in _ends(counts, wanted, start, last)
    ]
    found = places.narrowest([int.from_bytes(bytes(each), "little") for each in counts], wanted)
    assert found == ((min(windows)[1], sum(min(windows))) if windows else None)


def _ends(counts: list[list[int]], wanted: list[int], start: int, last: int) -> list[int]:
    """Return the end of the shortest window from a place that has enough, if there is one."""
    have = [0] * len(counts)
    for place in range(start, last):
        have = [some + each[place] for some, each in zip(have, counts, strict=True)]
        if all(some >= least for some, least in zip(have, wanted, strict=True)):
            return [place + 1]
    return []


@pytest.mark.parametrize("seed", range(20))
def test_what_is_remembered_is_true_after_every_change(seed: int) -> None:
    rnd = random.Random(seed)
    plan = Plan.of(canonical(theatre(1_500)))
    zone_of = bytes(rnd.choice([0, 0, 0, 1]) for _ in range(plan.size))
    hall = Hall(plan, ("a", "b"), zone_of, (), ())
    taken: list[int] = []
    assert len(plan.rows) < ROWS_RECOUNTED_MAX * 3
    for _ in range(40):
        if rnd.random() < 0.15:
            free = [number for number in range(plan.size) if hall.is_available(number)]
            many = rnd.sample(free, min(len(free), rnd.choice([5, 60, SHIFTED_MAX * 2])))
            hall.take(many)
            taken += many
        if taken and rnd.random() < 0.4:
            rnd.shuffle(taken)
            some, taken = taken[:40], taken[40:]
            hall.release(some)
        quantity = rnd.choice([1, 2, 3, 7])
        request = (
            rnd.choice("ab"),
            quantity,
            rnd.choice([None, None, *plan.sections]),
            rnd.choice([0, 0, 1, quantity]),
        )
        picked = hall.pick(*request)
        assert picked == Hall(plan, ("a", "b"), zone_of, taken, ()).pick(*request)
        if picked:
            hall.take(picked)
            taken += picked
