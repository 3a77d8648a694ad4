"""Whether tickets are on sale, and what an event costs "from": one answer for pages, availability and lists.

`state_of`, `state_of_sale` and `price_from` are pure. A list loads no hall: how many seats a zone has left
is stored by each batch that changes one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias, TypeVar
from uuid import UUID

from evently.catalogue import SaleSummary
from evently.db import Connection, load_queries
from evently.sales.loading import decode_conditions
from evently.sales.rules.pricing import amounts_of
from evently.sales.rules.state import DEFAULT_CONDITIONS, Sale
from evently.sales.states import SaleState
from evently.sales.terms import TicketTypeTerms

sql: Final = load_queries(__name__)

OnSaleState: TypeAlias = Literal["not_yet_on_sale", "on_sale", "sold_out", "ended", "cancelled"]
# The state of a sale is the first of these that one of its ticket types is in
_BEST_FIRST: Final[tuple[OnSaleState, ...]] = ("on_sale", "not_yet_on_sale", "sold_out")


class SaleWindow(Protocol):
    """A sale: its state and its window."""

    @property
    def state(self) -> SaleState:
        """Closed, open or cancelled."""

    @property
    def on_sale_at(self) -> datetime:
        """The beginning of the window."""

    @property
    def off_sale_at(self) -> datetime:
        """The end of the window, excluded."""


class TypeWindow(Protocol):
    """A ticket type: its price, and its own window, of which either end may be open."""

    @property
    def price_minor(self) -> int:
        """The price of a unit."""

    @property
    def on_sale_at(self) -> datetime | None:
        """The beginning of its own window."""

    @property
    def off_sale_at(self) -> datetime | None:
        """The end of its own window, excluded."""

    @property
    def retired(self) -> bool:
        """Whether it is sold no more."""

    @property
    def needed_ids(self) -> tuple[UUID, ...]:
        """Of an add-on: the ticket types of which it needs a ticket."""


Type = TypeVar("Type", bound=TypeWindow)


class _ListedSale(NamedTuple):
    state: SaleState
    on_sale_at: datetime
    off_sale_at: datetime


class _ListedType(NamedTuple):
    price_minor: int
    on_sale_at: datetime | None
    off_sale_at: datetime | None
    tax_basis_points: int
    tax_included: bool
    retired: bool = False
    needed_ids: tuple[UUID, ...] = ()


def public_types(sale: Sale) -> list[TicketTypeTerms]:
    """Return the ticket types that everybody sees: neither retired nor hidden, and add-ons of these."""
    return without_lone_add_ons(
        [terms for terms in sale.ticket_types.values() if not (terms.retired or terms.hidden)]
    )


def without_lone_add_ons(types: Sequence[TicketTypeTerms]) -> list[TicketTypeTerms]:
    """Return the ticket types without the add-ons of which no needed one is among them."""
    ids = {terms.ticket_type_id for terms in types}
    return [terms for terms in types if not terms.needed_ids or not ids.isdisjoint(terms.needed_ids)]


def state_of(sale: SaleWindow, terms: TypeWindow, available: int, now: datetime) -> OnSaleState:
    """Return whether a ticket type of a sale, of which so many units are available, is on sale."""
    if sale.state == "cancelled":
        return "cancelled"
    if has_ended(sale, terms, now):
        return "ended"
    if (
        sale.state == "closed"
        or now < sale.on_sale_at
        or (terms.on_sale_at is not None and now < terms.on_sale_at)
    ):
        return "not_yet_on_sale"
    return "on_sale" if available > 0 else "sold_out"


def states_of(
    sale: SaleWindow, types: Sequence[tuple[TicketTypeTerms, int]], now: datetime
) -> dict[UUID, OnSaleState]:
    """Return whether each of these ticket types, with its available units, is on sale.

    An add-on is on sale while one of the types that it needs is, too: else it has the best state of those.
    """
    states = {terms.ticket_type_id: state_of(sale, terms, available, now) for terms, available in types}
    for terms, _ in types:
        if terms.needed_ids and states[terms.ticket_type_id] == "on_sale":
            needed = {states[type_id] for type_id in terms.needed_ids if type_id in states}
            states[terms.ticket_type_id] = next((each for each in _BEST_FIRST if each in needed), "ended")
    return states


def state_of_sale(sale: SaleWindow, types: Iterable[tuple[TypeWindow, int]], now: datetime) -> OnSaleState:
    """Return whether any of these ticket types, each with its available units, is on sale.

    Add-ons do not count: nobody can book them when the tickets are sold out.
    """
    if sale.state == "cancelled":
        return "cancelled"
    states = {state_of(sale, terms, available, now) for terms, available in types if not terms.needed_ids}
    return next(
        (state for state in _BEST_FIRST if state in states),
        "ended" if states or now >= sale.off_sale_at else "not_yet_on_sale",
    )


def has_ended(sale: SaleWindow, terms: TypeWindow, now: datetime) -> bool:
    """Return whether a ticket type is not sold any more: retired, or after the end of a window."""
    return (
        terms.retired
        or now >= sale.off_sale_at
        or (terms.off_sale_at is not None and now >= terms.off_sale_at)
    )


def price_from(sale: SaleWindow, types: Sequence[tuple[TypeWindow, int]], now: datetime) -> int | None:
    """Return the lowest price, in minor units, of the ticket types that can be booked now, add-ons apart.

    When none can: the lowest of those that have not ended; when all have ended: the lowest of all. None
    without ticket types. `types` are those that the reader may see, each with its available units: a hidden
    ticket type is among them only for those who name the promo code that unlocks it.
    """
    return lowest_price(candidates(sale, types, now))


def candidates(sale: SaleWindow, types: Sequence[tuple[Type, int]], now: datetime) -> list[Type]:
    """Return the ticket types whose lowest price is that of the event, as `price_from` says."""
    types = [each for each in types if not each[0].needed_ids]
    bookable = [terms for terms, available in types if state_of(sale, terms, available, now) == "on_sale"]
    current = [terms for terms, _ in types if not has_ended(sale, terms, now)]
    return bookable or current or [terms for terms, _ in types]


def lowest_price(types: Iterable[TypeWindow]) -> int | None:
    """Return the lowest price of these ticket types at any time: `price_from` is never below it."""
    return min((terms.price_minor for terms in types if not terms.needed_ids), default=None)


async def list_sale_summaries(
    connection: Connection, event_ids: Sequence[UUID], now: datetime
) -> Mapping[UUID, SaleSummary]:
    """Return what lists show of the sales of these events. An event without public ticket types is absent."""
    summaries: dict[UUID, SaleSummary] = {}
    for event_id, sale, listed in await _list_sales(connection, event_ids, now):
        summaries[event_id] = SaleSummary(
            price_from(sale, listed, now),
            state_of_sale(sale, listed, now) == "on_sale",
        )
    return summaries


async def list_totals_from(
    connection: Connection, event_ids: Sequence[UUID], now: datetime
) -> Mapping[UUID, int]:
    """Return what a buyer pays at least for a ticket of these events, in minor units, with fees and taxes.

    Of the same ticket types as `price_from`. An event without public ticket types is absent.
    """
    rows = await connection.fetch(*sql.list_conditions_now(event_ids=event_ids))
    conditions = {row["event_id"]: decode_conditions(row["conditions"]) for row in rows}
    totals: dict[UUID, int] = {}
    for event_id, sale, listed in await _list_sales(connection, event_ids, now):
        fees = conditions.get(event_id, DEFAULT_CONDITIONS).fees
        totals[event_id] = min(
            terms.price_minor + amounts_of(terms, 0, fees).surcharge_minor
            for terms in candidates(sale, listed, now)
        )
    return totals


async def _list_sales(
    connection: Connection, event_ids: Sequence[UUID], now: datetime
) -> list[tuple[UUID, _ListedSale, list[tuple[_ListedType, int]]]]:
    rows = await connection.fetch(*sql.list_public_types(event_ids=event_ids, now=now))
    found = []
    for event_id, group in groupby(rows, key=itemgetter("event_id")):
        types = list(group)
        listed = [(_ListedType(*row[4:9]), row["available"]) for row in types]
        found.append((event_id, _ListedSale(*types[0][1:4]), listed))
    return found
