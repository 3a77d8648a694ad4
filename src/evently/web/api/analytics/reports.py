"""What was sold, for those who sell it: sums, series by day or hour, the most booked events, and the bookings of an event as a file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from evently import analytics, catalogue
from evently.analytics import EARLIEST, LATEST, CurrencyTotals, Range, Scope
from evently.analytics.export import export_bookings
from evently.kit.errors import FieldError, Invalid
from evently.kit.ids import EventId, OrganizerId, show_id
from evently.web.api.analytics.exports import CSV, Download, csv_of_bookings
from evently.web.edge.auth import ADMIN, organizer, policy
from evently.web.edge.context import Request, Response
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, QueryParameter, get
from evently.web.edge.validation import Instant

_PRIVATE: Final = {"cache-control": "no-store"}
_PAST_UNLESS_TOLD: Final = {"day": timedelta(days=30), "hour": timedelta(hours=48)}
_ROUNDED: Final = (
    "Bookings count when they are confirmed, cancellations when they happen. "
    "The range is rounded outwards to quarters of an hour; the answer says which it is."
)
_WHOLE: Final = (
    f"Whole days or hours of the time zone that cover the range, at most {analytics.SLOTS_MAX}; "
    "those in which nothing happened are there, too. Unless told, the last 30 days or 48 hours."
)
_MOST: Final = (
    "In the order of tickets booked and not cancelled in the range, which is rounded outwards to quarters of an hour; "
    "everything that was ever sold unless told."
)

From: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        name="from",
        max_length=40,
        description="Only from this instant on (RFC 3339).",
        schema_extra={"format": "date-time"},
    ),
]
To: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        name="to",
        max_length=40,
        description="Only before this instant (RFC 3339).",
        schema_extra={"format": "date-time"},
    ),
]
Granularity: TypeAlias = Annotated[
    Literal["day", "hour"], QueryParameter(name="granularity", description="day or hour")
]
Zone: TypeAlias = Annotated[
    str | None,
    QueryParameter(name="time_zone", max_length=60, description="IANA time zone, such as Asia/Kathmandu."),
]


class Total(msgspec.Struct, frozen=True):
    """An amount of money, in minor units. A net amount is negative where more was cancelled than booked."""

    amount: int
    currency: str


class RevenueView(msgspec.Struct, frozen=True):
    """What the ledger says of the range: `gross - cancelled_unpaid - refunded - tax - fees` is `net`, the organizer's, exactly.

    A booking counts when it is confirmed, a refund when it is decided. What was given back of tax and fees is
    off.
    """

    gross: Total
    cancelled_unpaid: Total
    refunded: Total
    tax: Total
    fees: Total
    net: Total


class AmountsView(msgspec.Struct, frozen=True):
    """What was booked and what was cancelled in one currency, by the prices of the tickets; `net` is the difference.

    `revenue` is what was owed and paid for them: with discounts, fees, taxes and what is paid back.
    """

    booked: Total
    cancelled: Total
    net: Total
    revenue: RevenueView


class SumsView(msgspec.Struct, frozen=True):
    """What was counted. `cancellation_rate`: bookings cancelled whole, by bookings confirmed in the range; null when there were none."""

    bookings: int
    tickets: int
    cancelled_bookings: int
    cancelled_tickets: int
    cancellation_rate: float | None
    amounts: list[AmountsView]


class CapacityView(msgspec.Struct, frozen=True):
    """What there is to sell now, and how much of it is sold: `utilisation` from 0 to 1, null without any capacity."""

    capacity: int
    held: int
    sold: int
    set_aside: int
    utilisation: float | None


class ReportView(msgspec.Struct, frozen=True):
    """Sums of a range (null: without an end), and the capacity now.

    `journal_rows_behind` are yet to be counted; that takes a second.
    """

    from_at: datetime | None
    to_at: datetime | None
    events: int
    sums: SumsView
    capacity: CapacityView
    journal_rows_behind: int


class PointView(msgspec.Struct, frozen=True):
    """The sums of one day or hour. `local_start` is its start on the wall, with the offset."""

    starts_at: datetime
    local_start: str
    sums: SumsView


class SeriesView(msgspec.Struct, frozen=True):
    """Points without a gap."""

    granularity: Literal["day", "hour"]
    time_zone: str
    from_at: datetime
    to_at: datetime
    points: list[PointView]


class MostBookedView(msgspec.Struct, frozen=True):
    """One of the most booked events."""

    event_id: str
    title: str
    starts_at: datetime
    state: str
    sums: SumsView
    capacity: CapacityView


@get(
    "/v1/events/{event_id:str}/analytics",
    operation_id="getEventAnalytics",
    summary="What an event has sold",
    description=_ROUNDED,
    tags=["Organizer: analytics"],
    responses=problems(),
    **policy(organizer("manager", "analytics:read")),
)
async def get_event_analytics(
    request: Request, event_id: FromPath[EventId], from_: From = None, to: To = None
) -> Response[ReportView]:
    """Return the sums of an event."""
    return await _report(request, Scope(event_id=event_id), from_, to)


@get(
    "/v1/events/{event_id:str}/analytics/series",
    operation_id="getEventSeries",
    summary="What an event has sold, by day or hour",
    description=f"{_WHOLE} The time zone is the event's unless told.",
    tags=["Organizer: analytics"],
    responses=problems(),
    **policy(organizer("manager", "analytics:read")),
)
async def get_event_series(
    request: Request,
    event_id: FromPath[EventId],
    granularity: Granularity = "day",
    from_: From = None,
    to: To = None,
    time_zone: Zone = None,
) -> Response[SeriesView]:
    """Return the sums of an event by day or hour."""
    event = await catalogue.get_event(request.context.database, event_id)
    return await _series(
        request, Scope(event_id=event.event_id), granularity, from_, to, time_zone or event.time_zone
    )


@get(
    "/v1/organizers/{organizer_id:str}/analytics",
    operation_id="getOrganizerAnalytics",
    summary="What an organizer has sold",
    description=_ROUNDED,
    tags=["Organizer: analytics"],
    responses=problems(),
    **policy(organizer("manager", "analytics:read"), rate="heavy"),
)
async def get_organizer_analytics(
    request: Request, organizer_id: FromPath[OrganizerId], from_: From = None, to: To = None
) -> Response[ReportView]:
    """Return the sums of an organizer's events."""
    return await _report(request, Scope(organizer_id=organizer_id), from_, to)


@get(
    "/v1/organizers/{organizer_id:str}/analytics/series",
    operation_id="getOrganizerSeries",
    summary="What an organizer has sold, by day or hour",
    description=f"{_WHOLE} The time zone is UTC unless told.",
    tags=["Organizer: analytics"],
    responses=problems(),
    **policy(organizer("manager", "analytics:read"), rate="heavy"),
)
async def get_organizer_series(
    request: Request,
    organizer_id: FromPath[OrganizerId],
    granularity: Granularity = "day",
    from_: From = None,
    to: To = None,
    time_zone: Zone = None,
) -> Response[SeriesView]:
    """Return the sums of an organizer's events by day or hour."""
    return await _series(
        request, Scope(organizer_id=organizer_id), granularity, from_, to, time_zone or "UTC"
    )


@get(
    "/v1/organizers/{organizer_id:str}/analytics/events",
    operation_id="listMostBookedEventsOfOrganizer",
    summary="An organizer's most booked events",
    description=_MOST,
    tags=["Organizer: analytics"],
    responses=problems(),
    **policy(organizer("manager", "analytics:read"), rate="heavy"),
)
async def list_most_booked_of_organizer(
    request: Request,
    organizer_id: FromPath[OrganizerId],
    from_: From = None,
    to: To = None,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response[PageView[MostBookedView]]:
    """List the most booked events of an organizer."""
    return await _most_booked(request, organizer_id, from_, to, limit, after)


@get(
    "/v1/admin/analytics",
    operation_id="getPlatformAnalytics",
    summary="What the platform has sold",
    description=_ROUNDED,
    tags=["Administration"],
    responses=problems(),
    **policy(ADMIN, rate="heavy"),
)
async def get_platform_analytics(request: Request, from_: From = None, to: To = None) -> Response[ReportView]:
    """Return the sums of all events."""
    return await _report(request, Scope(), from_, to)


@get(
    "/v1/admin/analytics/series",
    operation_id="getPlatformSeries",
    summary="What the platform has sold, by day or hour",
    description=f"{_WHOLE} The time zone is UTC unless told.",
    tags=["Administration"],
    responses=problems(),
    **policy(ADMIN, rate="heavy"),
)
async def get_platform_series(
    request: Request,
    granularity: Granularity = "day",
    from_: From = None,
    to: To = None,
    time_zone: Zone = None,
) -> Response[SeriesView]:
    """Return the sums of all events by day or hour."""
    return await _series(request, Scope(), granularity, from_, to, time_zone or "UTC")


@get(
    "/v1/admin/analytics/events",
    operation_id="listMostBookedEvents",
    summary="The most booked events",
    description=_MOST,
    tags=["Administration"],
    responses=problems(),
    **policy(ADMIN, rate="heavy"),
)
async def list_most_booked(
    request: Request, from_: From = None, to: To = None, limit: Limit = LIMIT, after: After = None
) -> Response[PageView[MostBookedView]]:
    """List the most booked events of all."""
    return await _most_booked(request, None, from_, to, limit, after)


@get(
    "/v1/events/{event_id:str}/bookings.csv",
    operation_id="exportBookings",
    summary="The bookings of an event as a file",
    description="As they are at one instant, oldest first. A cell that a spreadsheet would take for a formula begins with an apostrophe.",
    tags=["Organizer: analytics"],
    media_type="text/csv",
    responses=problems(),
    **policy(organizer("manager", "bookings:read"), rate="heavy"),
)
async def export_event_bookings(request: Request, event_id: FromPath[EventId]) -> Response[bytes]:
    """Send an event's bookings."""
    lists = export_bookings(request.context.database, event_id)
    return Download(
        csv_of_bookings(lists), filename=f"bookings-{show_id('evt', event_id)}.csv", media_type=CSV
    )


async def _report(request: Request, scope: Scope, from_: str | None, to: str | None) -> Response[ReportView]:
    asked = _range(from_, to)
    report = await analytics.read_report(request.context.database, scope, asked)
    capacity = _show_capacity(report.capacity)
    view = ReportView(
        asked.from_at, asked.to_at, report.events, _show_sums(report.amounts), capacity, report.rows_behind
    )
    return Response(view, headers=_PRIVATE)


async def _series(
    request: Request,
    scope: Scope,
    granularity: Literal["day", "hour"],
    from_: str | None,
    to: str | None,
    time_zone: str,
) -> Response[SeriesView]:
    asked = _range(from_, to, known_zone=time_zone)
    to_at = asked.to_at or request.context.clock()
    from_at = asked.from_at or max(EARLIEST, to_at - _PAST_UNLESS_TOLD[granularity])
    if to_at <= from_at:
        raise Invalid([FieldError("?from", "Must be before `to`, which is now unless told.")])
    slots = analytics.slots_of(from_at, to_at, ZoneInfo(time_zone), granularity)
    points = await analytics.read_series(request.context.database, scope, slots)
    shown = [
        PointView(point.slot.starts_at, point.slot.local_start.isoformat(), _show_sums(point.amounts))
        for point in points
    ]
    return Response(
        SeriesView(granularity, time_zone, slots[0].starts_at, slots[-1].ends_at, shown), headers=_PRIVATE
    )


async def _most_booked(
    request: Request,
    organizer_id: UUID | None,
    from_: str | None,
    to: str | None,
    limit: int,
    after: str | None,
) -> Response[PageView[MostBookedView]]:
    page = await analytics.list_most_booked(
        request.context.database, organizer_id, _range(from_, to), limit, after
    )
    return paginated(request, page, _show_event)


def _range(from_: str | None, to: str | None, known_zone: str | None = None) -> Range:
    """Return the range asked for, in quarters of an hour; refuses everything that is wrong with it, and with the time zone, at once."""
    errors: list[FieldError] = []
    from_at, to_at = _instant("?from", from_, errors), _instant("?to", to, errors)
    if from_at is not None and to_at is not None and to_at <= from_at:
        errors.append(FieldError("?to", "Must be after `from`."))
    if known_zone is not None and known_zone not in catalogue.time_zones():
        errors.append(FieldError("?time_zone", "This is no time zone of the IANA database."))
    if errors:
        raise Invalid(errors)
    return analytics.round_outwards(from_at, to_at)


def _instant(pointer: str, text: str | None, errors: list[FieldError]) -> datetime | None:
    if text is None:
        return None
    try:
        at: datetime = msgspec.convert(text, Instant).astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        errors.append(
            FieldError(
                pointer,
                "This is no instant with an offset, such as 2027-05-20T18:00:00Z (a plus sign is sent as %2B).",
            )
        )
        return None
    if not EARLIEST <= at <= LATEST:
        errors.append(FieldError(pointer, f"Must lie between {EARLIEST.year} and {LATEST.year}."))
    return at


def _show_event(event: analytics.EventSums) -> MostBookedView:
    sums, capacity = _show_sums([event.amounts]), _show_capacity(event.capacity)
    return MostBookedView(
        show_id("evt", event.event_id), event.title, event.starts_at, event.state, sums, capacity
    )


def _show_sums(amounts: Sequence[CurrencyTotals]) -> SumsView:
    every = [each.sums for each in amounts]
    bookings, cancelled = sum(sums.bookings for sums in every), sum(sums.cancelled_bookings for sums in every)
    return SumsView(
        bookings,
        sum(sums.tickets for sums in every),
        cancelled,
        sum(sums.cancelled_tickets for sums in every),
        ratio(cancelled, bookings),
        [_show_amounts(each) for each in amounts],
    )


def _show_amounts(amounts: CurrencyTotals) -> AmountsView:
    currency, sums, revenue = amounts.currency, amounts.sums, amounts.revenue
    posted = RevenueView(
        *[Total(amount, currency) for amount in (*msgspec.structs.astuple(revenue), revenue.net_minor())]
    )
    net = sums.amount_minor - sums.cancelled_minor
    return AmountsView(
        Total(sums.amount_minor, currency),
        Total(sums.cancelled_minor, currency),
        Total(net, currency),
        posted,
    )


def _show_capacity(found: analytics.Capacity) -> CapacityView:
    return CapacityView(
        found.capacity, found.held, found.sold, found.set_aside, ratio(found.sold, found.capacity)
    )


def ratio(part: int, whole: int) -> float | None:
    """Return a share, from 0 to 1; None where there is nothing to divide by."""
    return round(part / whole, 6) if whole else None


routes: Final = [
    get_event_analytics,
    get_event_series,
    get_organizer_analytics,
    get_organizer_series,
    list_most_booked_of_organizer,
    get_platform_analytics,
    get_platform_series,
    list_most_booked,
    export_event_bookings,
]
