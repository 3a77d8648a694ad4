"""Property tests of the split of a discount over the tickets of a booking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from evently.sales.rules.promos import Discounted, Wanted, spread_discount

AMOUNTS: Final = st.integers(1, 2**31 - 1)


@st.composite
def bookings(draw: st.DrawFn, step: int = 1) -> list[Wanted]:
    """Return tickets that a booking may want, of different types; prices are multiples of a step."""
    numbers = draw(st.lists(st.integers(1, 100), min_size=1, max_size=20, unique=True))
    prices = st.one_of(st.integers(0, 20), st.integers(0, 10**9))
    quantities = st.integers(1, 100)
    return [Wanted(UUID(int=number), draw(prices) * step, draw(quantities)) for number in numbers]


def total_of(wanted: Sequence[Wanted]) -> int:
    return sum(each.price_minor * each.quantity for each in wanted)


def discounts_of(wanted: Sequence[Wanted], amount: int, step: int = 1) -> dict[UUID, list[int]]:
    """Return the discount of each ticket, by type."""
    split = spread_discount(amount, wanted, step)
    assert split.keys() == {each.ticket_type_id for each in wanted}
    assert all(each.quantity > 0 for tickets in split.values() for each in tickets)
    return {
        type_id: [each.discount_minor for each in tickets for _ in range(each.quantity)]
        for type_id, tickets in split.items()
    }


@given(bookings(), AMOUNTS)
def test_the_sum_is_exact_and_each_ticket_costs_at_least_nothing(wanted: list[Wanted], amount: int) -> None:
    discounts = discounts_of(wanted, amount)
    assert sum(map(sum, discounts.values())) == min(amount, total_of(wanted))
    for each in wanted:
        assert len(discounts[each.ticket_type_id]) == each.quantity
        assert all(0 <= discount <= each.price_minor for discount in discounts[each.ticket_type_id])


@given(bookings(), AMOUNTS)
def test_each_ticket_gets_its_proportion_to_the_minor_unit(wanted: list[Wanted], amount: int) -> None:
    discounts, total = discounts_of(wanted, amount), total_of(wanted)
    for each in wanted:
        floor = each.price_minor if amount >= total else amount * each.price_minor // total
        assert set(discounts[each.ticket_type_id]) <= {floor, floor + 1}
        assert discounts[each.ticket_type_id] == sorted(discounts[each.ticket_type_id], reverse=True)


@given(bookings(), AMOUNTS, st.randoms())
def test_the_order_of_the_lines_does_not_matter(wanted: list[Wanted], amount: int, draw: object) -> None:
    shuffled = list(wanted)
    draw.shuffle(shuffled)  # type: ignore[attr-defined]
    assert discounts_of(shuffled, amount) == discounts_of(wanted, amount)


@given(st.integers(1, 1_000), st.integers(1, 10**6), st.data())
def test_it_is_split_in_the_steps_of_the_gateway(step: int, steps: int, data: st.DataObject) -> None:
    wanted = data.draw(bookings(step))
    discounts = discounts_of(wanted, steps * step, step)
    assert sum(map(sum, discounts.values())) == min(steps * step, total_of(wanted))
    for each in wanted:
        for discount in discounts[each.ticket_type_id]:
            assert 0 <= discount <= each.price_minor
            assert discount % step == 0


@given(bookings(), AMOUNTS, st.integers(2, 1_000))
def test_other_prices_are_split_to_the_minor_unit(wanted: list[Wanted], amount: int, step: int) -> None:
    discounts = discounts_of(wanted, amount, step)
    assert sum(map(sum, discounts.values())) == min(amount, total_of(wanted))
    for each in wanted:
        assert all(0 <= discount <= each.price_minor for discount in discounts[each.ticket_type_id])


def test_what_is_left_goes_to_the_largest_remainders() -> None:
    cheap, dear, free = (Wanted(UUID(int=number), price, 1) for number, price in ((1, 1), (2, 2), (3, 0)))
    assert discounts_of([cheap, dear], 1) == {cheap.ticket_type_id: [0], dear.ticket_type_id: [1]}
    assert discounts_of([cheap, dear], 2) == {cheap.ticket_type_id: [1], dear.ticket_type_id: [1]}
    assert discounts_of([free], 9) == {free.ticket_type_id: [0]}
    twins = [Wanted(UUID(int=number), 5, 2) for number in (8, 7)]
    assert discounts_of(twins, 3) == {UUID(int=7): [1, 1], UUID(int=8): [1, 0]}
    assert spread_discount(7, [Wanted(UUID(int=1), 5, 2)])[UUID(int=1)] == [
        Discounted(1, 4),
        Discounted(1, 3),
    ]
