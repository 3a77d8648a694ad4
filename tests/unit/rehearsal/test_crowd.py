from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from evently.rehearsal.crowd import (
    EAGER_SHARE,
    EARLY_SHARE,
    SPREADS_MAX,
    CrowdOptions,
    call_early,
    make_crowd,
)


def test_the_same_seed_brings_the_same_crowd() -> None:
    assert make_crowd(CrowdOptions(500, 1)) == make_crowd(CrowdOptions(500, 1))
    assert make_crowd(CrowdOptions(500, 1)) != make_crowd(CrowdOptions(500, 2))


@given(st.integers(1, 300), st.integers(), st.floats(0.1, 60))
def test_everybody_comes_in_order_and_in_time(buyers: int, seed: int, spread_seconds: float) -> None:
    crowd = make_crowd(CrowdOptions(buyers, seed, spread_seconds))
    assert [buyer.number for buyer in crowd] == list(range(buyers))
    arrivals = [buyer.arrives_at for buyer in crowd]
    assert arrivals == sorted(arrivals)
    assert arrivals[0] >= 0
    assert arrivals[-1] <= max(SPREADS_MAX * spread_seconds, 3.0)
    assert all(1 <= buyer.units <= 4 and 0 <= buyer.type_draw < 1 and buyer.tries_max >= 1 for buyer in crowd)


def test_a_rush_at_the_opening_and_a_tail() -> None:
    crowd = make_crowd(CrowdOptions(10_000, 3, 2.0))
    in_first_half_second = sum(buyer.arrives_at < 0.5 for buyer in crowd) / len(crowd)
    assert EAGER_SHARE < in_first_half_second < EAGER_SHARE + 0.2
    late = sum(buyer.arrives_at > 4.0 for buyer in crowd) / len(crowd)
    assert 0.05 < late < 0.15
    assert Counter(buyer.units for buyer in crowd).most_common(1)[0][0] == 2


def test_every_habit_occurs() -> None:
    crowd = make_crowd(CrowdOptions(1_000, 5))
    for habit in ("reads_event", "disconnects", "clicks_twice", "takes_fewer"):
        assert {getattr(buyer, habit) for buyer in crowd} == {True, False}, habit
    assert any(buyer.cancels_after is not None for buyer in crowd)


def test_before_a_waiting_room_most_of_the_same_buyers_come_early() -> None:
    crowd = make_crowd(CrowdOptions(5_000, 3))
    called = call_early(crowd, 10.0, 3)
    assert called == call_early(crowd, 10.0, 3)
    arrivals = [buyer.arrives_at for buyer in called]
    assert arrivals == sorted(arrivals)
    assert arrivals[0] >= -10.0
    early = sum(at < 0 for at in arrivals) / len(called)
    assert EARLY_SHARE - 0.05 < early < EARLY_SHARE + 0.05
    assert {buyer.tabs > 1 for buyer in called} == {buyer.poll_times > 1 for buyer in called} == {True, False}
    ours = ("arrives_at", "tabs", "poll_times")
    for before, after in zip(crowd, sorted(called, key=lambda buyer: buyer.number), strict=True):
        same = {name: getattr(before, name) for name in ours}
        assert replace(after, **same) == before
