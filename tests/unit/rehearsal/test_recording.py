from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evently.rehearsal.recording import Recording, percentile


def recording_of(*requests: tuple[float, float, int]) -> Recording:
    recording = Recording()
    for request in requests:
        recording.add(*request)
    return recording


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1.0), (1, 1.0), (50, 50.0), (99, 99.0), (99.5, 100.0), (100, 100.0)]
)
def test_percentile_is_the_nearest_rank(percent: float, expected: float) -> None:
    assert percentile([float(value) for value in range(1, 101)], percent) == expected


def test_percentile_of_little() -> None:
    assert percentile([], 99) == 0.0
    assert percentile([7.0], 1) == 7.0


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 100))
def test_percentile_is_one_of_the_values(values: list[float], percent: float) -> None:
    ordered = sorted(values)
    found = percentile(ordered, percent)
    assert found in ordered
    assert sum(value <= found for value in ordered) >= len(ordered) * percent / 100 - 1e-6


def test_counts_and_latencies() -> None:
    recording = recording_of((0.0, 0.3, 201), (0.1, 0.1, 409), (0.2, 0.2, 201))
    assert recording.counts() == {201: 2, 409: 1}
    assert recording.count(201, 409) == 3
    assert recording.sorted_latencies(201) == [0.2, 0.3]
    assert recording.sorted_latencies() == [0.1, 0.2, 0.3]
    assert recording.last_answer_at() == pytest.approx(0.4)
    assert recording_of().last_answer_at() == 0.0


def test_bins_count_when_the_answer_came_and_leave_no_gap() -> None:
    bins = recording_of((0.0, 0.5, 201), (0.9, 0.3, 409), (3.0, 0.1, 201)).bins(1.0, [201])
    assert [stretch.at for stretch in bins] == [0.0, 1.0, 2.0, 3.0]
    assert [stretch.counts for stretch in bins] == [{201: 1}, {409: 1}, {}, {201: 1}]
    assert [stretch.latencies for stretch in bins] == [[0.5], [], [], [0.1]]
    assert recording_of().bins(1.0, []) == []
