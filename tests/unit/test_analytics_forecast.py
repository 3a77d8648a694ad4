"""The forecast of when an event is sold out: what it says, and that its ranges are as good as they say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from bench.forecast import SEED, back_test, share_inside, simulate
from evently.analytics.evening import PoolNow, TypeNow, tickets_left
from evently.analytics.forecast import TICKETS_MIN, Forecast, Sold, foresee
from evently.kit.ids import new_id

OPENED = datetime(2026, 6, 1, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def slots(*tickets: int, length: timedelta = MINUTE) -> list[Sold]:
    return [
        Sold(OPENED + number * length, OPENED + (number + 1) * length, count)
        for number, count in enumerate(tickets)
    ]


def ask(*tickets: int, left: int, ends: timedelta = timedelta(days=30)) -> Forecast:
    return foresee(slots(*tickets), left, OPENED + len(tickets) * MINUTE, OPENED + ends)


def test_steady_sales_go_on() -> None:
    found = ask(*[10] * 60, left=600)
    assert found.outlook == "likely"
    assert found.middle_at is not None
    assert found.earliest_at is not None
    assert found.latest_at is not None
    now = OPENED + 60 * MINUTE
    assert now + 50 * MINUTE < found.middle_at < now + 70 * MINUTE
    assert now < found.earliest_at < found.middle_at < found.latest_at


def test_a_rush_that_fades_takes_longer_than_its_pace_says() -> None:
    found = ask(400, 100, 60, 40, 30, 25, 20, 18, 15, 12, left=720)
    assert found.middle_at is not None
    assert found.middle_at > OPENED + 70 * MINUTE, "ten more minutes at this pace would be too hopeful"


@pytest.mark.parametrize(
    ("history", "left", "reason"),
    [
        ((1, 2, 1, 2), 100, "too_few"),
        ((), 100, "too_few"),
        ((500,), 100, "too_short"),
        ((500, 0, 0, 0, 0, 2), 100, "too_short"),
    ],
)
def test_few_sales_say_nothing(history: tuple[int, ...], left: int, reason: str) -> None:
    assert ask(*history, left=left) == Forecast("cannot_say", reason=reason)  # type: ignore[arg-type]
    assert sum((1, 2, 1, 2)) < TICKETS_MIN


def test_a_sale_that_will_not_be_sold_out_has_no_date() -> None:
    found = ask(*[1] * 60, left=100_000, ends=timedelta(hours=2))
    assert (found.outlook, found.earliest_at, found.middle_at, found.latest_at) == (
        "unlikely",
        None,
        None,
        None,
    )
    assert found.chance is not None
    assert found.chance < 0.01


def test_a_range_beyond_the_end_of_the_sale_is_open() -> None:
    found = ask(*[10] * 60, left=600, ends=timedelta(hours=2, minutes=5))
    assert found.outlook == "possible"
    assert found.latest_at is None
    assert found.earliest_at is not None
    assert found.chance is not None
    assert 0.4 < found.chance < 0.8


def test_the_ends_of_a_sale_are_no_forecast() -> None:
    sold = slots(*[10] * 60)
    now = OPENED + 60 * MINUTE
    assert foresee(sold, 0, now, now + MINUTE).outlook == "sold_out"
    assert foresee(sold, 5, now, now).reason == "not_on_sale"
    assert foresee(sold, 5, now, now + MINUTE, on_sale=False).reason == "not_on_sale"


def test_every_answer_is_possible() -> None:
    """Histories that stand still, or come at once, give no time before now and raise nothing."""
    for history in ([40, 1, 1, 1, *[0] * 5_000], [1, 1, 1, 40], [*[0] * 900, 1, 1, 1, 40], [10**6] * 5):
        for left in (1, 10, 10**6):
            found = foresee(
                [slot for slot in slots(*history) if slot.tickets],
                left,
                OPENED + len(history) * MINUTE,
                OPENED + timedelta(days=900),
            )
            times = [at for at in (found.earliest_at, found.middle_at, found.latest_at) if at is not None]
            assert times == sorted(times)
            assert all(at >= OPENED + len(history) * MINUTE for at in times)


def test_four_of_five_true_times_are_in_the_range() -> None:
    """The calibration, with sales that the constants of the model were not chosen with."""
    asked = back_test(simulate(SEED, 240))
    given = [one for one in asked if one.inside is not None]
    assert len(given) > 600
    assert 0.77 <= share_inside(given) <= 0.90
    for moment in (0.25, 0.5, 0.75):
        assert share_inside([one for one in given if one.moment == moment]) >= 0.72, moment


# What is left -----------------------------------------------------------------------------------------------


def pool(capacity: int, sold: int = 0, held: int = 0) -> PoolNow:
    return PoolNow(new_id(), "Pool", capacity, held, sold, 0)


def kind(*pools: PoolNow, zone: str | None = None, seats_left: int | None = None) -> TypeNow:
    pool_ids: tuple[UUID, ...] = tuple(each.pool_id for each in pools)
    return TypeNow(new_id(), "Type", pool_ids, zone, seats_left)


def test_types_that_share_a_pool_share_its_units() -> None:
    hall = pool(100, sold=30, held=5)
    assert tickets_left([kind(hall), kind(hall)], [hall]) == 70


def test_types_with_pools_of_their_own_add_up() -> None:
    floor, gallery = pool(100, sold=30), pool(20, sold=20)
    assert tickets_left([kind(floor), kind(gallery)], [floor, gallery]) == 70


def test_a_pool_of_all_types_limits_them_together() -> None:
    hall, early = pool(90, sold=10), pool(25)
    assert tickets_left([kind(hall, early), kind(hall)], [hall, early]) == 80
    halves = [pool(60), pool(60)]
    assert tickets_left([kind(hall, each) for each in halves], [hall, *halves]) == 80


def test_a_hall_with_fewer_seats_than_units_has_its_seats_left() -> None:
    hall = pool(1_000, sold=10, held=2)
    types = [
        kind(hall, zone="A", seats_left=30),
        kind(hall, zone="A", seats_left=30),
        kind(hall, zone="B", seats_left=8),
    ]
    assert tickets_left(types, [hall]) == 40


def test_without_types_nothing_is_left() -> None:
    assert tickets_left([], [pool(10)]) == 0
