"""How full an event is: every place once."""

from __future__ import annotations

from uuid import UUID

import pytest

from evently.sales.reads.places import CountedPool, Places, count_places


def pool(number: int, capacity: int, types: str, sold: int = 0, *, add_ons: bool = False) -> CountedPool:
    return CountedPool(
        UUID(int=number),
        Places(capacity, 0, sold, 0),
        frozenset(UUID(bytes=b"%16s" % each.encode()) for each in types),
        add_ons,
    )


@pytest.mark.parametrize(
    ("pools", "capacity", "sold"),
    [
        ([], 0, 0),
        ([pool(1, 500, "ab", 7)], 500, 7),
        ([pool(1, 500, ""), pool(2, 80, "")], 80, 0),  # nothing is sold yet
        ([pool(1, 100, "a", 3), pool(2, 500, "ab", 7)], 500, 7),  # early birds in a hall
        ([pool(1, 80, "a", 1), pool(2, 40, "b", 2)], 120, 3),  # stalls and balcony
        ([pool(1, 80, "a"), pool(2, 40, "a")], 40, 0),  # the smaller one limits
        ([pool(1, 40, "a"), pool(2, 40, "a")], 40, 0),  # equal ones are one
        ([pool(1, 10, "a"), pool(2, 50, "ab"), pool(3, 90, "abc"), pool(4, 5, "d")], 95, 0),
        ([pool(1, 80, "a", 3), pool(2, 50, "b", 9, add_ons=True)], 80, 3),  # parking
    ],
)
def test_a_pool_that_limits_a_part_of_another_has_no_places_of_its_own(
    pools: list[CountedPool], capacity: int, sold: int
) -> None:
    counted = count_places(pools)
    assert (counted.capacity, counted.sold) == (capacity, sold)
    assert count_places(pools[::-1]) == counted
