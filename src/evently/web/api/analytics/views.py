"""Sales figures as clients see them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from evently import analytics
from evently.analytics import CurrencyTotals
from evently.kit.ids import show_id


class SignedMoney(msgspec.Struct, frozen=True):
    """An amount in minor units of `currency`. A net amount is negative if more was cancelled than booked."""

    amount: int
    currency: str


class RevenueView(msgspec.Struct, frozen=True):
    """The revenue of a range from the ledger: `gross - cancelled_unpaid - refunded - tax - fees` is `net`.

    `net` is what the organizer keeps. A booking counts when it is confirmed, a refund when it is decided. The
    tax and the fees of what was refunded are subtracted. `tax` includes the tax of fees that buyers pay;
    `fees` are without it.
    """

    gross: SignedMoney
    cancelled_unpaid: SignedMoney
    refunded: SignedMoney
    tax: SignedMoney
    fees: SignedMoney
    net: SignedMoney


class SalesAmountsView(msgspec.Struct, frozen=True):
    """The ticket prices of what was booked and cancelled in one currency; `net` is the difference.

    `revenue` counts what buyers owed and paid: with discounts, fees, taxes and refunds.
    """

    booked: SignedMoney
    cancelled: SignedMoney
    net: SignedMoney
    revenue: RevenueView


class SalesFiguresView(msgspec.Struct, frozen=True):
    """The number of bookings and tickets, and their amounts by currency.

    `cancellation_rate`: bookings that were cancelled whole, divided by bookings confirmed in the range; null
    if there were none.
    """

    bookings: int
    tickets: int
    cancelled_bookings: int
    cancelled_tickets: int
    cancellation_rate: float | None
    amounts: list[SalesAmountsView]


class CapacityView(msgspec.Struct, frozen=True):
    """The counters of all pools now. `utilisation`: sold / capacity, from 0 to 1, null without capacity."""

    capacity: int
    held: int
    sold: int
    set_aside: int
    utilisation: float | None


class SalesReportView(msgspec.Struct, frozen=True):
    """The sales figures of a range, and the present capacity. An open end of the range is null.

    `journal_rows_behind`: journal rows that are not counted yet; counting takes about a second.
    """

    from_at: datetime | None
    to_at: datetime | None
    events: int
    sums: SalesFiguresView
    capacity: CapacityView
    journal_rows_behind: int


class SeriesPointView(msgspec.Struct, frozen=True):
    """The sales figures of one day or hour. `local_start`: its start in the time zone, with the offset."""

    starts_at: datetime
    local_start: str
    sums: SalesFiguresView


class SeriesView(msgspec.Struct, frozen=True):
    """Sales figures by day or hour, without gaps."""

    granularity: Literal["day", "hour"]
    time_zone: str
    from_at: datetime
    to_at: datetime
    points: list[SeriesPointView]


class MostBookedEventView(msgspec.Struct, frozen=True):
    """An event in the list of the most booked events, with its sales figures."""

    event_id: str
    title: str
    starts_at: datetime
    state: str
    sums: SalesFiguresView
    capacity: CapacityView


def show_report(report: analytics.Report) -> SalesReportView:
    """Return a report as clients see it."""
    return SalesReportView(
        report.range.from_at,
        report.range.to_at,
        report.events,
        _show_figures(report.amounts),
        _show_capacity(report.capacity),
        report.rows_behind,
    )


def show_point(totals: analytics.SlotTotals) -> SeriesPointView:
    """Return the totals of a day or an hour as clients see them."""
    return SeriesPointView(
        totals.slot.starts_at, totals.slot.local_start.isoformat(), _show_figures(totals.amounts)
    )


def show_event(event: analytics.EventSums) -> MostBookedEventView:
    """Return an event in the list of the most booked events as clients see it."""
    return MostBookedEventView(
        show_id("evt", event.event_id),
        event.title,
        event.starts_at,
        event.state,
        _show_figures([event.amounts]),
        _show_capacity(event.capacity),
    )


def ratio(part: int, whole: int) -> float | None:
    """Return a share from 0 to 1; None if the whole is zero."""
    return round(part / whole, 6) if whole else None


def _show_figures(amounts: Sequence[CurrencyTotals]) -> SalesFiguresView:
    every = [each.sums for each in amounts]
    bookings, cancelled = sum(sums.bookings for sums in every), sum(sums.cancelled_bookings for sums in every)
    return SalesFiguresView(
        bookings,
        sum(sums.tickets for sums in every),
        cancelled,
        sum(sums.cancelled_tickets for sums in every),
        ratio(cancelled, bookings),
        [_show_amounts(each) for each in amounts],
    )


def _show_amounts(amounts: CurrencyTotals) -> SalesAmountsView:
    currency, sums, revenue = amounts.currency, amounts.sums, amounts.revenue
    posted = (*msgspec.structs.astuple(revenue), revenue.net_minor())
    return SalesAmountsView(
        SignedMoney(sums.amount_minor, currency),
        SignedMoney(sums.cancelled_minor, currency),
        SignedMoney(sums.amount_minor - sums.cancelled_minor, currency),
        RevenueView(*[SignedMoney(amount, currency) for amount in posted]),
    )


def _show_capacity(found: analytics.Capacity) -> CapacityView:
    return CapacityView(
        found.capacity, found.held, found.sold, found.set_aside, ratio(found.sold, found.capacity)
    )
