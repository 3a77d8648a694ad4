"""One event in detail, for those who sell it: its money, its holds, its waitlist, its ticket types and its seats, as they are now."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from evently.analytics import details
from evently.analytics.details import EventMoney, Fates, TicketSums, TypesReport, WaitlistFigures
from evently.kit.ids import EventId, show_id
from evently.sales.commands import SalesRefusal
from evently.web.api.analytics.reports import Total, ratio
from evently.web.edge.auth import organizer, policy
from evently.web.edge.context import Request, Response
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, get

_PRIVATE: Final = {"cache-control": "no-store"}
_TAG: Final = "Organizer: analytics"
_MANAGERS: Final[dict[str, Any]] = policy(organizer("manager", "analytics:read"), rate="heavy")

Rate = Annotated[
    float | None,
    msgspec.Meta(description="From 0 to 1; null where there is nothing to divide by.", examples=[0.75]),
]


class MoneyView(msgspec.Struct, frozen=True):
    """The money of an event in one currency, from its ledger: `gross - cancelled_unpaid - refunded - tax - fees` is `net`, exactly.

    `gross`: what buyers were to pay for everything that was ever confirmed, discounts taken off, fees and tax that come on top included.
    `cancelled_unpaid`: the part of it that was cancelled before anybody had paid. `refunded` was decided to be paid back, `settled` is the
    part of it that has been. `tax`, `fees` and `net`, the organizer's, are what is left of each after that. `captured` was collected,
    settled or not; `outstanding` is authorised and not collected, or held back by a payment that failed; `due_at_door` is to be paid on
    site. `discount` is what was taken off the tickets that are sold now; it is no part of the sum.
    """

    gross: Total
    cancelled_unpaid: Total
    refunded: Total
    settled: Total
    tax: Total
    fees: Total
    net: Total
    captured: Total
    outstanding: Total
    due_at_door: Total
    discount: Total


class EventMoneyView(msgspec.Struct, frozen=True):
    """The money of an event, by currency."""

    amounts: list[MoneyView]


class FatesView(msgspec.Struct, frozen=True):
    """What became of the bookings that were placed: they add up.

    `confirmed` ones may have been cancelled since; `held` ones are open.

    `rate` is confirmed ones by those that are decided, which all are but the held ones.
    """

    placed: int
    confirmed: int
    expired: int
    cancelled: int
    held: int
    rate: Rate


class ConversionView(msgspec.Struct, frozen=True):
    """How many holds, and offers to the waitlist, became bookings.

    `confirmed_at_once`: bookings that needed no hold.
    """

    confirmed_at_once: int
    holds: FatesView
    offers: FatesView


class WithdrawnView(msgspec.Struct, frozen=True):
    """Why entries wait no longer: they left, declined an offer or let it lapse, the event was cancelled, or they had reached a limit."""

    left: int
    declined: int
    lapsed: int
    cancelled: int
    over_limit: int


class WaitingTypeView(msgspec.Struct, frozen=True):
    """The waitlist of a ticket type: entries, each for one unit or more.

    What is `waiting` and `offered` is so now.

    `ever_offered` had an offer at some time. `fill_rate` is fulfilled entries by all that ever joined. `set_aside_units` fell free and
    wait for the next whom they suffice.
    """

    ticket_type_id: str
    name: str
    joined: int
    waiting: int
    waiting_units: int
    offered: int
    offered_units: int
    ever_offered: int
    fulfilled: int
    fulfilled_units: int
    withdrawn: WithdrawnView
    fill_rate: Rate
    set_aside_units: int


class WaitlistReportView(msgspec.Struct, frozen=True):
    """The waitlists of an event, of the ticket types for which anybody ever waited."""

    ticket_types: list[WaitingTypeView]


class SoldView(msgspec.Struct, frozen=True):
    """Tickets of confirmed bookings: `sold` now, and `cancelled`, with what they cost.

    Refunds belong to bookings and not to tickets: how much was paid back is in the money of the event.
    """

    sold: int
    sold_amount: Total
    cancelled: int
    cancelled_amount: Total


class SectionSalesView(msgspec.Struct, frozen=True):
    """What was sold in a section of the layout."""

    section: str
    sums: SoldView


class TypeSalesView(msgspec.Struct, frozen=True):
    """What a ticket type sold, and in which sections; none without assigned seating."""

    ticket_type_id: str
    name: str
    sums: SoldView
    sections: list[SectionSalesView]


class TypesReportView(msgspec.Struct, frozen=True):
    """Every ticket type of an event, and every section of its layout."""

    ticket_types: list[TypeSalesView]
    sections: list[SectionSalesView]


class SeatPricesView(msgspec.Struct, frozen=True):
    """A heat map: two arrays with an element for each seat, in the order of the layout that `digest` names.

    `states`: 0 free, 1 held, 2 sold, 3 blocked, 4 not for sale. `prices`: what a sold seat cost, in minor units of `currency`, discounts
    taken off, fees and tax on top included; otherwise null.
    """

    digest: str
    currency: str
    states: Annotated[list[int], msgspec.Meta(examples=[[0, 2, 1, 3, 4]])]
    prices: Annotated[list[int | None], msgspec.Meta(examples=[[None, 4000, None, None, None]])]


@get(
    "/v1/events/{event_id:str}/analytics/money",
    operation_id="getEventMoney",
    summary="The money of an event",
    description="All that was ever sold, from the ledger, at one instant.",
    tags=[_TAG],
    responses=problems(),
    **_MANAGERS,
)
async def get_event_money(request: Request, event_id: FromPath[EventId]) -> Response[EventMoneyView]:
    """Return what an event took, gave back and is owed."""
    found = await details.read_money(request.context.database, event_id)
    return Response(EventMoneyView([_show_money(each) for each in found]), headers=_PRIVATE)


@get(
    "/v1/events/{event_id:str}/analytics/conversion",
    operation_id="getEventConversion",
    summary="How many holds became bookings",
    description="Of all that was ever held or offered, at one instant.",
    tags=[_TAG],
    responses=problems(),
    **_MANAGERS,
)
async def get_event_conversion(request: Request, event_id: FromPath[EventId]) -> Response[ConversionView]:
    """Return what became of an event's holds and offers."""
    found = await details.read_conversion(request.context.database, event_id)
    view = ConversionView(found.at_once.confirmed, _show_fates(found.holds), _show_fates(found.offers))
    return Response(view, headers=_PRIVATE)


@get(
    "/v1/events/{event_id:str}/analytics/waitlist",
    operation_id="getEventWaitlistReport",
    summary="How the waitlist of an event does",
    description="By ticket type, at one instant.",
    tags=[_TAG],
    responses=problems(),
    **_MANAGERS,
)
async def get_event_waitlist(request: Request, event_id: FromPath[EventId]) -> Response[WaitlistReportView]:
    """Return how many wait, and what became of those who did."""
    found = await details.read_waiting(request.context.database, event_id)
    return Response(WaitlistReportView([_show_waiting(each) for each in found]), headers=_PRIVATE)


@get(
    "/v1/events/{event_id:str}/analytics/ticket-types",
    operation_id="getEventTicketTypeSales",
    summary="What each ticket type and section sold",
    description="All that was ever sold, at one instant. With assigned seating, by section of the layout, too.",
    tags=[_TAG],
    responses=problems(),
    **_MANAGERS,
)
async def get_event_ticket_types(request: Request, event_id: FromPath[EventId]) -> Response[TypesReportView]:
    """Return what was sold by ticket type and by section."""
    found = await details.read_ticket_types(request.context.database, event_id)
    return Response(_show_types(found), headers=_PRIVATE)


@get(
    "/v1/events/{event_id:str}/analytics/seats",
    operation_id="getEventSeatPrices",
    summary="Which seats sold, and for how much",
    description="The seats of the event's layout as arrays in its order, at one instant: what a heat map needs.",
    tags=[_TAG],
    responses=problems(SalesRefusal.NOT_SEATED),
    **_MANAGERS,
)
async def get_event_seat_prices(request: Request, event_id: FromPath[EventId]) -> Response[SeatPricesView]:
    """Return the states and prices of all seats."""
    found = await details.read_seat_prices(request.context.database, event_id)
    return Response(
        SeatPricesView(found.digest, found.currency, found.states, found.prices_minor), headers=_PRIVATE
    )


def _show_money(found: EventMoney) -> MoneyView:
    amounts = (
        found.gross_minor,
        found.struck_minor,
        found.refunded_minor,
        found.settled_minor,
        found.tax_minor,
        found.fees_minor,
        found.net_minor,
        found.captured_minor,
        found.uncaptured_minor,
        found.at_door_minor,
        found.discount_minor,
    )
    return MoneyView(*[Total(amount, found.currency) for amount in amounts])


def _show_fates(found: Fates) -> FatesView:
    rate = ratio(found.confirmed, found.placed - found.held)
    return FatesView(found.placed, found.confirmed, found.expired, found.cancelled, found.held, rate)


def _show_waiting(found: WaitlistFigures) -> WaitingTypeView:
    return WaitingTypeView(
        show_id("tty", found.ticket_type_id),
        found.name,
        found.joined,
        found.waiting,
        found.waiting_units,
        found.offered,
        found.offered_units,
        found.ever_offered,
        found.fulfilled,
        found.fulfilled_units,
        WithdrawnView(found.left, found.declined, found.lapsed, found.cancelled, found.over_limit),
        ratio(found.fulfilled, found.joined),
        found.set_aside,
    )


def _show_types(found: TypesReport) -> TypesReportView:
    types = [
        TypeSalesView(
            show_id("tty", each.ticket_type_id),
            each.name,
            _show_sold(each.sums, found.currency),
            _show_sections(each.sections, found.currency),
        )
        for each in found.ticket_types
    ]
    return TypesReportView(types, _show_sections(found.sections, found.currency))


def _show_sections(sections: dict[str, TicketSums], currency: str) -> list[SectionSalesView]:
    return [SectionSalesView(name, _show_sold(sums, currency)) for name, sums in sections.items()]


def _show_sold(sums: TicketSums, currency: str) -> SoldView:
    return SoldView(
        sums.sold, Total(sums.sold_minor, currency), sums.cancelled, Total(sums.cancelled_minor, currency)
    )


routes: Final = [
    get_event_money,
    get_event_conversion,
    get_event_waitlist,
    get_event_ticket_types,
    get_event_seat_prices,
]
