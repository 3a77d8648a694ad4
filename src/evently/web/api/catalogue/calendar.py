"""An event as an entry for calendars."""

from __future__ import annotations

from typing import Any, Final

from evently import catalogue
from evently.kit.errors import Refused
from evently.kit.ids import EventId, show_id
from evently.sales.outcomes import SalesRefusal
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.conditional import etag_of, not_modified
from evently.web.edge.context import Response
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, get
from evently.web.services import Request

_CALENDAR: Final = "text/calendar; charset=utf-8"
_MINUTE: Final = "public, max-age=60"  # it does not show availability


@get(
    "/v1/events/{event_id}/calendar.ics",
    operation_id="getEventCalendar",
    summary="Get a calendar entry of an event",
    description="iCalendar (RFC 5545). Importing it again updates the entry, also after a cancellation.",
    tags=["Events"],
    media_type=_CALENDAR,
    responses=problems(SalesRefusal.EVENT_NOT_FOUND),
    **policy(PUBLIC),
)
async def get_event_calendar(
    request: Request, event_id: FromPath[EventId]
) -> Response[bytes] | Response[None]:
    """Return a calendar with one entry."""
    context = request.context
    event = await catalogue.get_event(context.database, event_id)
    if event.for_members and not await context.access.is_member(
        request.actor, event.organizer_id, "door", "events:read", certainly=True
    ):
        raise Refused(SalesRefusal.EVENT_NOT_FOUND)
    etag, cache_control = etag_of(event.version), "no-store" if event.for_members else _MINUTE
    if unchanged := not_modified(request, etag, cache_control):
        return unchanged
    venue = await catalogue.get_venue(context.database, event.venue_id)
    body, shown = catalogue.calendar_file(event, venue, context.options.public_url), show_id("evt", event_id)
    headers: dict[str, Any] = {
        "etag": etag,
        "cache-control": cache_control,
        "content-disposition": f'attachment; filename="{shown}.ics"',
    }
    return Response(body, headers=headers, media_type=_CALENDAR)


routes: Final = [get_event_calendar]
