"""The analytics of one event in detail, at this moment: money, conversion, waitlist, ticket types, seats."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from evently.analytics import details
from evently.analytics.details import (
    BookingOutcomes,
    EventMoney,
    TicketSums,
    TicketTypesReport,
    WaitlistFigures,
)
from evently.kit.ids import EventId, show_id
from evently.sales.outcomes import SalesRefusal
from evently.web.api.analytics.views import SignedMoney, ratio
from evently.web.edge.auth import organizer, policy
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, get
from evently.web.services import Request

_FOR_MANAGERS: Final[dict[str, Any]] = {
    "tags": ["Organizer: analytics"],
    **policy(organizer("manager", "analytics:read"), rate="heavy"),
}

Rate = Annotated[
    float | None,
    msgspec.Meta(description="A share from 0 to 1; null if there is nothing to count.", examples=[0.75]),
]


class MoneyView(msgspec.Struct, frozen=True):
    """The money of an event in one currency: `gross - cancelled_unpaid - refunded - tax - fees` is `net`.

    All amounts come from the event's ledger. `gross`: what buyers owed for every booking that was ever
    confirmed: prices minus discounts, plus fees and taxes that are added to the price. `cancelled_unpaid`:
    the part of it that was cancelled before it was paid. `refunded`: refunds that are decided; `settled`:
    the part of them that is paid back. `tax`, `fees` and `net` (what the organizer keeps) are the amounts
    left after cancellations and refunds; `tax` includes the tax of fees that buyers pay, and `fees` are
    without it. `captured`: money collected, including money that was paid back
    later. `outstanding`: money authorised and not collected yet, or held back because a payment failed.
    `due_at_door`: to be paid on site. `discount`: the discounts on the tickets that are sold now; it is not
    part of the equation.
    """

    gross: SignedMoney
    cancelled_unpaid: SignedMoney
    refunded: SignedMoney
    settled: SignedMoney
    tax: SignedMoney
    fees: SignedMoney
    net: SignedMoney
    captured: SignedMoney
    outstanding: SignedMoney
    due_at_door: SignedMoney
    discount: SignedMoney


class EventMoneyView(msgspec.Struct, frozen=True):
    """The money of an event, by currency."""

    amounts: list[MoneyView]


class HoldOutcomesView(msgspec.Struct, frozen=True):
    """How many holds were confirmed, expired, cancelled, or are still held; they add up to `placed`.

    `confirmed` includes bookings that were cancelled later. `rate`: `confirmed` divided by the holds that
    are no longer held.
    """

    placed: int
    confirmed: int
    expired: int
    cancelled: int
    held: int
    rate: Rate


class ConversionView(msgspec.Struct, frozen=True):
    """How many holds, and offers to the waitlist, became confirmed bookings.

    `confirmed_at_once`: bookings that were confirmed without a hold.
    """

    confirmed_at_once: int
    holds: HoldOutcomesView
    offers: HoldOutcomesView


class WithdrawnView(msgspec.Struct, frozen=True):
    """How many waitlist entries were withdrawn, by reason.

    The buyer left, declined an offer or did not accept it in time, the event was cancelled, or the buyer had
    reached a limit.
    """

    left: int
    declined: int
    lapsed: int
    cancelled: int
    over_limit: int


class TicketTypeWaitlistView(msgspec.Struct, frozen=True):
    """The waitlist of a ticket type, counted in entries; fields that end in `_units` count tickets.

    `waiting` and `offered` are present numbers; `joined`, `ever_offered`, `fulfilled` and `withdrawn` count
    all entries since the beginning. `fill_rate`: `fulfilled` divided by `joined`. `set_aside_units`:
    released tickets that are kept for the next entries whose quantity fits.
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
    """The waitlists of an event: one for each ticket type that a buyer ever waited for."""

    ticket_types: list[TicketTypeWaitlistView]


class TicketSalesView(msgspec.Struct, frozen=True):
    """Tickets of confirmed bookings, `sold` now or `cancelled`, and what they cost.

    Refunds belong to bookings, not to tickets; the money of the event contains them.
    """

    sold: int
    sold_amount: SignedMoney
    cancelled: int
    cancelled_amount: SignedMoney


class SectionSalesView(msgspec.Struct, frozen=True):
    """The ticket sales of a section of the layout."""

    section: str
    sums: TicketSalesView


class TicketTypeSalesView(msgspec.Struct, frozen=True):
    """The ticket sales of a ticket type and of each section; no sections without assigned seating."""

    ticket_type_id: str
    name: str
    sums: TicketSalesView
    sections: list[SectionSalesView]


class TicketSalesReportView(msgspec.Struct, frozen=True):
    """The ticket sales of every ticket type of an event, and of every section of its layout."""

    ticket_types: list[TicketTypeSalesView]
    sections: list[SectionSalesView]


class SeatPricesView(msgspec.Struct, frozen=True):
    """The state and the price of each seat: two arrays in the seat order of the layout that `digest` names.

    `states`: 0 free, 1 held, 2 sold, 3 blocked, 4 not for sale. `prices`: what the buyer of a sold seat
    pays in minor units of `currency`, with discount, and with fee and tax if they are added to the price;
    null for other seats.
    """

    digest: str
    currency: str
    states: Annotated[list[int], msgspec.Meta(examples=[[0, 2, 1, 3, 4]])]
    prices: Annotated[list[int | None], msgspec.Meta(examples=[[None, 4000, None, None, None]])]


@get(
    "/v1/events/{event_id}/analytics/money",
    operation_id="getEventMoney",
    summary="Get the money of an event",
    description="Sums the whole ledger of the event. All amounts are of the same instant.",
    responses=problems(),
    **_FOR_MANAGERS,
)
async def get_event_money(request: Request, event_id: FromPath[EventId]) -> Response[EventMoneyView]:
    """Return the amounts that an event took, refunded and is owed."""
    found = await details.read_money(request.context.database, event_id)
    return Response(EventMoneyView([_show_money(each) for each in found]), headers=NO_STORE)


@get(
    "/v1/events/{event_id}/analytics/conversion",
    operation_id="getEventConversion",
    summary="Get the conversion of an event",
    description="Counts all holds and offers of the event by their outcome, at the same instant.",
    responses=problems(),
    **_FOR_MANAGERS,
)
async def get_event_conversion(request: Request, event_id: FromPath[EventId]) -> Response[ConversionView]:
    """Return how many holds and offers of an event were confirmed, expired or cancelled."""
    found = await details.read_conversion(request.context.database, event_id)
    view = ConversionView(found.at_once.confirmed, _show_outcomes(found.holds), _show_outcomes(found.offers))
    return Response(view, headers=NO_STORE)


@get(
    "/v1/events/{event_id}/analytics/waitlist",
    operation_id="getEventWaitlistReport",
    summary="Get the waitlist report of an event",
    description="Counts the waitlist entries of each ticket type, all at the same instant.",
    responses=problems(),
    **_FOR_MANAGERS,
)
async def get_event_waitlist(request: Request, event_id: FromPath[EventId]) -> Response[WaitlistReportView]:
    """Return how many entries wait, and how many were offered, fulfilled or withdrawn."""
    found = await details.read_waitlists(request.context.database, event_id)
    return Response(WaitlistReportView([_show_waitlist(each) for each in found]), headers=NO_STORE)


@get(
    "/v1/events/{event_id}/analytics/ticket-types",
    operation_id="getEventTicketTypeSales",
    summary="Get the ticket sales of an event",
    description=(
        "Returns all ticket sales of the event by ticket type and, with assigned seating, by section of the "
        "layout. All figures are of the same instant."
    ),
    responses=problems(),
    **_FOR_MANAGERS,
)
async def get_event_ticket_types(
    request: Request, event_id: FromPath[EventId]
) -> Response[TicketSalesReportView]:
    """Return the ticket sales of an event by ticket type and by section."""
    found = await details.read_ticket_types(request.context.database, event_id)
    return Response(_show_ticket_sales(found), headers=NO_STORE)


@get(
    "/v1/events/{event_id}/analytics/seats",
    operation_id="getEventSeatPrices",
    summary="Get the states and prices of an event's seats",
    description="Returns two arrays in the seat order of the event's layout, for a heat map.",
    responses=problems(SalesRefusal.NOT_SEATED),
    **_FOR_MANAGERS,
)
async def get_event_seat_prices(request: Request, event_id: FromPath[EventId]) -> Response[SeatPricesView]:
    """Return the state and the price of each seat."""
    found = await details.read_seat_prices(request.context.database, event_id)
    return Response(
        SeatPricesView(found.digest, found.currency, found.states, found.prices_minor), headers=NO_STORE
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
    return MoneyView(*[SignedMoney(amount, found.currency) for amount in amounts])


def _show_outcomes(found: BookingOutcomes) -> HoldOutcomesView:
    rate = ratio(found.confirmed, found.placed - found.held)
    return HoldOutcomesView(found.placed, found.confirmed, found.expired, found.cancelled, found.held, rate)


def _show_waitlist(found: WaitlistFigures) -> TicketTypeWaitlistView:
    return TicketTypeWaitlistView(
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


def _show_ticket_sales(found: TicketTypesReport) -> TicketSalesReportView:
    types = [
        TicketTypeSalesView(
            show_id("tty", each.ticket_type_id),
            each.name,
            _show_sums(each.sums, found.currency),
            _show_sections(each.sections, found.currency),
        )
        for each in found.ticket_types
    ]
    return TicketSalesReportView(types, _show_sections(found.sections, found.currency))


def _show_sections(sections: dict[str, TicketSums], currency: str) -> list[SectionSalesView]:
    return [SectionSalesView(name, _show_sums(sums, currency)) for name, sums in sections.items()]


def _show_sums(sums: TicketSums, currency: str) -> TicketSalesView:
    return TicketSalesView(
        sums.sold,
        SignedMoney(sums.sold_minor, currency),
        sums.cancelled,
        SignedMoney(sums.cancelled_minor, currency),
    )


routes: Final = [
    get_event_money,
    get_event_conversion,
    get_event_waitlist,
    get_event_ticket_types,
    get_event_seat_prices,
]
