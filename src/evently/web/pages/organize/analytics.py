"""The figures of an event in depth: seats, hours, ticket types, holds, sources; and its waitlist."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final, NamedTuple
from uuid import UUID

from evently import analytics
from evently.analytics import Scope, SlotTotals, Source, details
from evently.analytics.details import BookingOutcomes, SeatFigure, SeatPrices, WaitlistFigures
from evently.kit.ids import EventId
from evently.kit.money import Money
from evently.sales.nouns import WaitlistEntry
from evently.sales.reads import list_waitlist, read_seating
from evently.seating import decode_map
from evently.web.edge.auth import organizer, policy
from evently.web.edge.context import Response
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages.organize.desk import FIGURES, Desk, open_event, render_desk
from evently.web.pages.organize.links import draw_link, short_link
from evently.web.pages.rendering import show
from evently.web.services import Request

WAITLIST: Final = organizer("manager", "bookings:read")
_HEAT_DAYS: Final = 28  # four of each weekday
_DAYS: Final = 14  # in the table
_LEVELS: Final = 4  # of heat, besides none
_PRICES: Final = 3  # shades of sold seats, from cheap to dear
_ENTRIES_MAX: Final = 50  # on a page
_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MARGIN: Final = 1.0  # metres around the hall
After = Annotated[str, QueryParameter(max_length=500)]


class Cell(NamedTuple):
    """The tickets of an hour of the week; `heat`: from 0 to `_LEVELS`."""

    tickets: int
    heat: int


class Day(NamedTuple):
    """What was sold on a day at the venue."""

    at: datetime
    bookings: int
    tickets: int
    cancelled: int


class Conversion(NamedTuple):
    """What became of holds or offers. `percent`: of those that have ended."""

    name: str
    outcomes: BookingOutcomes
    percent: int | None


class SourceRow(NamedTuple):
    """A source. `percent`: of its bookings that were confirmed."""

    via: str
    source: Source
    net: Money
    percent: int


class HallHeat(NamedTuple):
    """The seats as lines of dots, by what they are; `counts` in the same order."""

    view: str
    paths: dict[str, str]
    counts: dict[str, int]
    prices: list[Money]  # the dearest of each shade


@show("/organize/events/{event_id}/analytics", **policy(FIGURES, rate="heavy"))
async def show_analytics(request: Request, event_id: FromPath[EventId]) -> Response[str]:
    """Return the figures of an event in depth."""
    desk = await open_event(request, event_id)
    database, now = request.context.database, request.context.clock()
    hours = analytics.slots_of(now - timedelta(days=_HEAT_DAYS), now, desk.zone, "hour")
    days = analytics.slots_of(now - timedelta(days=_DAYS - 1), now, desk.zone, "day")
    scope = Scope(event_id=event_id)
    types = await details.read_ticket_types(database, event_id)
    conversion = await details.read_conversion(database, event_id)
    sources = await analytics.list_sources(database, event_id)
    return render_desk(
        request,
        desk,
        "analytics.html",
        heat=heat_of(await analytics.read_series(database, scope, hours)),
        weekdays=_WEEKDAYS,
        days=[_day(each) for each in reversed(await analytics.read_series(database, scope, days))],
        types=types,
        conversions=[
            _conversion("Holds", conversion.holds),
            _conversion("Offers to the waitlist", conversion.offers),
        ],
        at_once=conversion.at_once.confirmed,
        sources=[_source(each, types.currency) for each in sources],
        hall=await _hall(request, event_id),
        link=(link := short_link(request, event_id, "poster")),
        qr=draw_link(link),
    )


@show("/organize/events/{event_id}/waitlist", **policy(WAITLIST))
async def show_event_waitlist(
    request: Request, event_id: FromPath[EventId], after: After = ""
) -> Response[str]:
    """Return the waitlists of an event, and who waits, in the order of joining."""
    desk = await open_event(request, event_id)
    database = request.context.database
    page = await list_waitlist(database, event_id, None, _ENTRIES_MAX, after or None)
    found = await details.read_waitlists(database, event_id)
    return render_desk(
        request,
        desk,
        "waitlist.html",
        waitlists=found,
        entries=_entries(desk, page.data, found),
        next_page=page.next_cursor,
    )


class EntryRow(NamedTuple):
    """A waitlist entry in a list."""

    entry: WaitlistEntry
    ticket_type: str
    joined: datetime
    offered: datetime | None


def heat_of(hours: Sequence[SlotTotals]) -> list[list[Cell]]:
    """Return the tickets of each hour of the week, from Monday: seven rows of 24."""
    tickets: Counter[tuple[int, int]] = Counter()
    for each in hours:
        local = each.slot.local_start
        tickets[local.weekday(), local.hour] += sum(found.sums.tickets for found in each.amounts)
    most = max(tickets.values(), default=0)
    return [
        [Cell(count := tickets[day, hour], -(-_LEVELS * count // most) if most else 0) for hour in range(24)]
        for day in range(7)
    ]


def _entries(
    desk: Desk, entries: Sequence[WaitlistEntry], waitlists: Sequence[WaitlistFigures]
) -> list[EntryRow]:
    names = {each.ticket_type_id: each.name for each in waitlists}
    return [
        EntryRow(
            each,
            names.get(each.ticket_type_id, ""),
            each.joined_at.astimezone(desk.zone),
            None if each.offered_at is None else each.offered_at.astimezone(desk.zone),
        )
        for each in entries
    ]


def _day(totals: SlotTotals) -> Day:
    sums = [each.sums for each in totals.amounts]
    return Day(
        totals.slot.local_start,
        sum(each.bookings for each in sums),
        sum(each.tickets for each in sums),
        sum(each.cancelled_tickets for each in sums),
    )


def _conversion(name: str, outcomes: BookingOutcomes) -> Conversion:
    ended = outcomes.placed - outcomes.held
    return Conversion(name, outcomes, round(100 * outcomes.confirmed / ended) if ended else None)


def _source(source: Source, currency: str) -> SourceRow:
    sums = source.sums
    net = Money(sums.amount_minor - sums.cancelled_minor, currency)
    return SourceRow(source.via, source, net, round(100 * sums.bookings / max(1, sums.placed)))


async def _hall(request: Request, event_id: UUID) -> HallHeat | None:
    """Return the seats of an event as they were sold; None without assigned seating."""
    database = request.context.database
    async with database.snapshot() as snapshot:
        seating = await read_seating(snapshot, event_id)
    if seating is None:
        return None
    prices = await details.read_seat_prices(database, event_id)
    return await asyncio.to_thread(draw_hall, seating.layout, prices)


def draw_hall(layout: bytes, prices: SeatPrices) -> HallHeat:
    """Return the seats as dots: free, held, blocked, and sold in three shades by price."""
    seats = list(decode_map(layout).seats())
    sold = sorted({price for price in prices.prices_minor if price is not None})
    bounds = [sold[(len(sold) * part - 1) // _PRICES] for part in range(1, _PRICES + 1)] if sold else []
    kinds = {SeatFigure.FREE: "free", SeatFigure.HELD: "held"}
    dots: dict[str, list[str]] = {}
    for seat, state, price in zip(seats, prices.states, prices.prices_minor, strict=True):
        kind = kinds.get(SeatFigure(state), "blocked")
        if price is not None:
            kind = str(1 + next(number for number, bound in enumerate(bounds) if price <= bound))
        dots.setdefault(kind, []).append(f"M{seat.x:.2f} {seat.y:.2f}h.001")
    left, right = min(seat.x for seat in seats), max(seat.x for seat in seats)
    top, bottom = min(seat.y for seat in seats), max(seat.y for seat in seats)
    view = (
        f"{left - _MARGIN:.2f} {top - _MARGIN:.2f} "
        f"{right - left + 2 * _MARGIN:.2f} {bottom - top + 2 * _MARGIN:.2f}"
    )
    return HallHeat(
        view,
        {kind: "".join(found) for kind, found in dots.items()},
        {kind: len(found) for kind, found in dots.items()},
        [Money(bound, prices.currency) for bound in bounds],
    )


routes: Final = [show_analytics, show_event_waitlist]
