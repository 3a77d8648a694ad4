from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evently.organizing.rehearsals import scale


@pytest.mark.parametrize(
    ("capacities", "places", "expected"),
    [
        ([500], 20, [20]),
        ([600, 300, 100], 10, [6, 3, 1]),
        ([1, 1, 1], 10, [4, 3, 3]),
        ([1000, 1], 5, [5, 0]),
        ([0, 0], 7, [7, 0]),
        ([3, 3], 600, [300, 300]),
    ],
)
def test_scaling(capacities: list[int], places: int, expected: list[int]) -> None:
    assert scale(capacities, places) == expected


@given(st.lists(st.integers(0, 1_000_000), min_size=1, max_size=50), st.integers(1, 1_000_000))
def test_scaling_loses_no_place(capacities: list[int], places: int) -> None:
    scaled = scale(capacities, places)
    assert sum(scaled) == places
    assert min(scaled) >= 0
    if sum(capacities):
        assert all(
            abs(share - capacity * places / sum(capacities)) < 1
            for share, capacity in zip(scaled, capacities, strict=True)
        )
