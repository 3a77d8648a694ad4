"""Whether tickets are on sale, and what an event costs "from"."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import pytest

from evently.sales.reads import OnSaleState, lowest_price, price_from, state_of, state_of_sale, states_of
from evently.sales.states import SaleState
from evently.sales.terms import TicketTypeTerms

DAY = timedelta(days=1)
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


class Window(NamedTuple):
    state: SaleState = "open"
    on_sale_at: datetime = NOW - DAY
    off_sale_at: datetime = NOW + DAY


class Type(NamedTuple):
    price_minor: int = 100
    on_sale_at: datetime | None = None
    off_sale_at: datetime | None = None
    retired: bool = False
    needed_ids: tuple[UUID, ...] = ()


@pytest.mark.parametrize(
    ("sale", "ticket_type", "available", "expected"),
    [
        (Window(), Type(), 1, "on_sale"),
        (Window(), Type(), 0, "sold_out"),
        (Window(on_sale_at=NOW), Type(), 1, "on_sale"),
        (Window(on_sale_at=NOW + DAY / 2), Type(), 1, "not_yet_on_sale"),
        (Window(off_sale_at=NOW), Type(), 1, "ended"),
        (Window(), Type(on_sale_at=NOW + DAY / 2), 1, "not_yet_on_sale"),
        (Window(), Type(on_sale_at=NOW - DAY, off_sale_at=NOW), 1, "ended"),
        (Window(), Type(retired=True), 1, "ended"),
        (Window("closed"), Type(), 1, "not_yet_on_sale"),
        (Window("closed"), Type(off_sale_at=NOW), 1, "ended"),
        (Window("cancelled"), Type(), 1, "cancelled"),
        (Window("cancelled"), Type(retired=True), 0, "cancelled"),
    ],
)
def test_a_ticket_type(sale: Window, ticket_type: Type, available: int, expected: OnSaleState) -> None:
    assert state_of(sale, ticket_type, available, NOW) == expected


LATER, OVER = Type(on_sale_at=NOW + DAY / 2), Type(off_sale_at=NOW)


@pytest.mark.parametrize(
    ("sale", "types", "expected"),
    [
        (Window(), [(Type(), 1), (LATER, 1)], "on_sale"),
        (Window(), [(Type(), 0), (LATER, 1)], "not_yet_on_sale"),
        (Window(), [(Type(), 0), (OVER, 1)], "sold_out"),
        (Window(), [(OVER, 1)], "ended"),
        (Window(), [], "not_yet_on_sale"),
        (Window(off_sale_at=NOW), [], "ended"),
        (Window("cancelled"), [(Type(), 1)], "cancelled"),
    ],
)
def test_a_sale_has_the_best_state_of_its_ticket_types(
    sale: Window, types: list[tuple[Type, int]], expected: OnSaleState
) -> None:
    assert state_of_sale(sale, types, NOW) == expected


def test_the_price_is_that_of_the_cheapest_ticket_type_that_can_be_booked() -> None:
    cheap, dear = Type(50, off_sale_at=NOW + DAY / 2), Type(100)
    both = [(dear, 1), (cheap, 1)]
    assert price_from(Window(), both, NOW) == 50
    assert price_from(Window(), [(dear, 1), (cheap, 0)], NOW) == 100, "the cheap one is sold out"
    assert price_from(Window(), [(dear, 0), (cheap, 0)], NOW) == 50, "both are sold out"
    assert price_from(Window("closed"), [(dear, 1), (cheap, 0)], NOW) == 50, "none is on sale"
    assert price_from(Window(), both, NOW + DAY / 2) == 100
    assert price_from(Window(), both, NOW + DAY) == 50, "all have ended"
    assert price_from(Window(), [(dear, 1), (LATER, 1)], NOW) == 100
    assert price_from(Window(), [], NOW) is None
    assert lowest_price([dear, cheap]) == 50


TICKET, OTHER, ADD_ON = UUID(int=1), UUID(int=2), UUID(int=3)
PARKING = TicketTypeTerms(ADD_ON, "parking", "", 3, 10, 4, (), needed_ids=(TICKET, OTHER))


@pytest.mark.parametrize(
    ("ticket", "other", "add_on", "expected"),
    [
        ((0, None, None), (1, None, None), 1, "on_sale"),
        ((1, None, None), (0, None, None), 0, "sold_out"),
        ((0, None, None), (0, None, None), 1, "sold_out"),
        ((0, None, None), (1, NOW + DAY / 2, None), 1, "not_yet_on_sale"),
        ((0, None, None), (1, None, NOW), 1, "sold_out"),
        ((1, None, NOW), (1, None, NOW), 1, "ended"),
    ],
)
def test_an_add_on_is_on_sale_with_what_it_needs(
    ticket: tuple[int, datetime | None, datetime | None],
    other: tuple[int, datetime | None, datetime | None],
    add_on: int,
    expected: OnSaleState,
) -> None:
    types = [
        (TicketTypeTerms(type_id, "type", "", 1, 100, 4, (), None, on_sale_at, off_sale_at), units)
        for type_id, (units, on_sale_at, off_sale_at) in ((TICKET, ticket), (OTHER, other))
    ]
    types.append((PARKING, add_on))
    assert states_of(Window(), types, NOW)[ADD_ON] == expected
    assert states_of(Window("cancelled"), types, NOW)[ADD_ON] == "cancelled"
    of_sale = state_of_sale(Window(), types, NOW)
    assert of_sale == state_of_sale(Window(), types[:2], NOW), "add-ons change nothing"
    assert price_from(Window(), types, NOW) == 100
    assert lowest_price(terms for terms, _ in types) == 100


def test_an_add_on_alone_is_no_event() -> None:
    assert state_of_sale(Window(), [(PARKING, 1)], NOW) == "not_yet_on_sale"
    assert states_of(Window(), [(PARKING, 1)], NOW) == {ADD_ON: "ended"}
    assert price_from(Window(), [(PARKING, 1)], NOW) is None
