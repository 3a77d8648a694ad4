"""Sales figures of an event, an organizer and the platform: reports, series, the most booked events.

The handlers of a scope (event, organizer, platform) name the scope and who may read it; `_report`,
`_series` and `_most_booked` answer for every scope.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

from evently import analytics, catalogue
from evently.analytics import EARLIEST, LATEST, Range, Scope
from evently.kit.errors import FieldError, Invalid
from evently.kit.ids import EventId, OrganizerId
from evently.web.api.analytics.views import (
    MostBookedEventView,
    SalesReportView,
    SeriesView,
    show_event,
    show_point,
    show_report,
)
from evently.web.api.ranges import instant_parameter, parse_instant
from evently.web.edge.auth import ADMIN, organizer, policy
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, QueryParameter, get
from evently.web.services import Request

_DEFAULT_RANGE: Final = {"day": timedelta(days=30), "hour": timedelta(hours=48)}

_REPORT: Final = (
    "Bookings count when they are confirmed, cancellations when they happen. The range is rounded outwards "
    "to quarters of an hour; the answer contains the rounded range."
)
_SERIES: Final = (
    f"Returns the whole days or hours of the time zone that cover the range, at most {analytics.SLOTS_MAX}, "
    "including those without bookings. Default: the last 30 days or 48 hours."
)
_MOST_BOOKED: Final = (
    "Ordered by tickets booked and not cancelled in the range, most first. The range is rounded outwards to "
    "quarters of an hour. Default: all time."
)
_OF_EVENT: Final[dict[str, Any]] = {
    "tags": ["Organizer: analytics"],
    "responses": problems(),
    **policy(organizer("manager", "analytics:read")),
}
_OF_ORGANIZER: Final[dict[str, Any]] = {
    "tags": ["Organizer: analytics"],
    "responses": problems(),
    **policy(organizer("manager", "analytics:read"), rate="heavy"),
}
_OF_PLATFORM: Final[dict[str, Any]] = {
    "tags": ["Administration"],
    "responses": problems(),
    **policy(ADMIN, rate="heavy"),
}

From: TypeAlias = Annotated[
    str | None, instant_parameter("from", "The start of the range, included (RFC 3339).")
]
To: TypeAlias = Annotated[str | None, instant_parameter("to", "The end of the range, excluded (RFC 3339).")]
Granularity: TypeAlias = Annotated[
    Literal["day", "hour"],
    QueryParameter(name="granularity", description="The length of a point: day or hour."),
]
Zone: TypeAlias = Annotated[
    str | None,
    QueryParameter(name="time_zone", max_length=60, description="An IANA time zone, such as Asia/Kathmandu."),
]


@get(
    "/v1/events/{event_id}/analytics",
    operation_id="getEventAnalytics",
    summary="Get the sales report of an event",
    description=_REPORT,
    **_OF_EVENT,
)
async def get_event_analytics(
    request: Request, event_id: FromPath[EventId], from_: From = None, to: To = None
) -> Response[SalesReportView]:
    """Return the sales figures of an event."""
    return await _report(request, Scope(event_id=event_id), from_, to)


@get(
    "/v1/events/{event_id}/analytics/series",
    operation_id="getEventSeries",
    summary="Get the sales of an event by day or hour",
    description=f"{_SERIES} The default time zone is the event's.",
    **_OF_EVENT,
)
async def get_event_series(
    request: Request,
    event_id: FromPath[EventId],
    granularity: Granularity = "day",
    from_: From = None,
    to: To = None,
    time_zone: Zone = None,
) -> Response[SeriesView]:
    """Return the sales figures of an event by day or hour."""
    event = await catalogue.get_event(request.context.database, event_id)
    zone = time_zone or event.time_zone
    return await _series(request, Scope(event_id=event.event_id), granularity, from_, to, zone)


@get(
    "/v1/organizers/{organizer_id}/analytics",
    operation_id="getOrganizerAnalytics",
    summary="Get the sales report of an organizer",
    description=_REPORT,
    **_OF_ORGANIZER,
)
async def get_organizer_analytics(
    request: Request, organizer_id: FromPath[OrganizerId], from_: From = None, to: To = None
) -> Response[SalesReportView]:
    """Return the sales figures of an organizer's events."""
    return await _report(request, Scope(organizer_id=organizer_id), from_, to)


@get(
    "/v1/organizers/{organizer_id}/analytics/series",
    operation_id="getOrganizerSeries",
    summary="Get the sales of an organizer by day or hour",
    description=f"{_SERIES} The default time zone is UTC.",
    **_OF_ORGANIZER,
)
async def get_organizer_series(
    request: Request,
    organizer_id: FromPath[OrganizerId],
    granularity: Granularity = "day",
    from_: From = None,
    to: To = None,
    time_zone: Zone = None,
) -> Response[SeriesView]:
    """Return the sales figures of an organizer's events by day or hour."""
    scope = Scope(organizer_id=organizer_id)
    return await _series(request, scope, granularity, from_, to, time_zone)


@get(
    "/v1/organizers/{organizer_id}/analytics/events",
    operation_id="listMostBookedEventsOfOrganizer",
    summary="List the most booked events of an organizer",
    description=_MOST_BOOKED,
    **_OF_ORGANIZER,
)
async def list_most_booked_of_organizer(
    request: Request,
    organizer_id: FromPath[OrganizerId],
    from_: From = None,
    to: To = None,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response[PageView[MostBookedEventView]]:
    """List the most booked events of an organizer."""
    return await _most_booked(request, organizer_id, from_, to, limit, after)


@get(
    "/v1/admin/analytics",
    operation_id="getPlatformAnalytics",
    summary="Get the sales report of the platform",
    description=_REPORT,
    **_OF_PLATFORM,
)
async def get_platform_analytics(
    request: Request, from_: From = None, to: To = None
) -> Response[SalesReportView]:
    """Return the sales figures of all events."""
    return await _report(request, Scope(), from_, to)


@get(
    "/v1/admin/analytics/series",
    operation_id="getPlatformSeries",
    summary="Get the sales of the platform by day or hour",
    description=f"{_SERIES} The default time zone is UTC.",
    **_OF_PLATFORM,
)
async def get_platform_series(
    request: Request,
    granularity: Granularity = "day",
    from_: From = None,
    to: To = None,
    time_zone: Zone = None,
) -> Response[SeriesView]:
    """Return the sales figures of all events by day or hour."""
    return await _series(request, Scope(), granularity, from_, to, time_zone)


@get(
    "/v1/admin/analytics/events",
    operation_id="listMostBookedEvents",
    summary="List the most booked events",
    description=_MOST_BOOKED,
    **_OF_PLATFORM,
)
async def list_most_booked(
    request: Request, from_: From = None, to: To = None, limit: Limit = LIMIT, after: After = None
) -> Response[PageView[MostBookedEventView]]:
    """List the most booked events of the platform."""
    return await _most_booked(request, None, from_, to, limit, after)


async def _report(
    request: Request, scope: Scope, from_: str | None, to: str | None
) -> Response[SalesReportView]:
    report = await analytics.read_report(request.context.database, scope, _parse_range(from_, to))
    return Response(show_report(report), headers=NO_STORE)


async def _series(
    request: Request,
    scope: Scope,
    granularity: Literal["day", "hour"],
    from_: str | None,
    to: str | None,
    time_zone: str | None,
) -> Response[SeriesView]:
    zone = time_zone or "UTC"
    asked = _parse_range(from_, to, time_zone=zone)
    to_at = asked.to_at or request.context.clock()
    from_at = asked.from_at or max(EARLIEST, to_at - _DEFAULT_RANGE[granularity])
    if to_at <= from_at:
        raise Invalid([FieldError("?from", "not-before-to")])
    slots = analytics.slots_of(from_at, to_at, ZoneInfo(zone), granularity)
    totals = await analytics.read_series(request.context.database, scope, slots)
    points = [show_point(each) for each in totals]
    view = SeriesView(granularity, zone, slots[0].starts_at, slots[-1].ends_at, points)
    return Response(view, headers=NO_STORE)


async def _most_booked(
    request: Request,
    organizer_id: UUID | None,
    from_: str | None,
    to: str | None,
    limit: int,
    after: str | None,
) -> Response[PageView[MostBookedEventView]]:
    asked = _parse_range(from_, to)
    page = await analytics.list_most_booked(request.context.database, organizer_id, asked, limit, after)
    return paginated(request, page, show_event)


def _parse_range(from_: str | None, to: str | None, time_zone: str | None = None) -> Range:
    """Return the range in quarters of an hour; refuse with every error in it and in the time zone."""
    errors: list[FieldError] = []
    from_at = parse_instant("?from", from_, errors, earliest=EARLIEST, latest=LATEST)
    to_at = parse_instant("?to", to, errors, earliest=EARLIEST, latest=LATEST)
    if from_at is not None and to_at is not None and to_at <= from_at:
        errors.append(FieldError("?to", "not-after-from"))
    if time_zone is not None and time_zone not in catalogue.time_zones():
        errors.append(FieldError("?time_zone", "not-a-time-zone"))
    if errors:
        raise Invalid(errors)
    return analytics.round_outwards(from_at, to_at)


routes: Final = [
    get_event_analytics,
    get_event_series,
    get_organizer_analytics,
    get_organizer_series,
    list_most_booked_of_organizer,
    get_platform_analytics,
    get_platform_series,
    list_most_booked,
]
