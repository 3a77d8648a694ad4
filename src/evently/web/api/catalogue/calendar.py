"""An event for people's calendars."""

from __future__ import annotations

from typing import Any, Final

from evently import catalogue
from evently.catalogue import calendar_of
from evently.kit.errors import Refused
from evently.kit.ids import parse_id
from evently.sales.commands import SalesRefusal
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.conditional import etag_of, not_modified
from evently.web.edge.context import Request, Response
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, get

_CALENDAR: Final = "text/calendar; charset=utf-8"
_MINUTE: Final = "public, max-age=60"  # it shows nothing that is sold
# Of the UID: the id alone is unique in the world, and stays wherever we are served from
_DOMAIN: Final = "evently"


@get(
    "/v1/events/{event_id:str}/calendar.ics",
    operation_id="getEventCalendar",
    summary="An event for the calendar",
    description="iCalendar (RFC 5545). Importing it again updates the entry, also when the event is cancelled.",
    tags=["Events"],
    media_type=_CALENDAR,
    responses=problems(SalesRefusal.EVENT_NOT_FOUND),
    **policy(PUBLIC),
)
async def get_event_calendar(request: Request, event_id: FromPath[str]) -> Response[bytes] | Response[None]:
    """Return a calendar with one entry."""
    context = request.context
    event = await catalogue.get_event(context.database, parse_id("evt", event_id))
    if event.state == "draft" and not await context.access.is_member(
        request.actor, event.organizer_id, "door", "events:read"
    ):
        raise Refused(SalesRefusal.EVENT_NOT_FOUND)
    etag, cache_control = etag_of(event.version), "no-store" if event.state == "draft" else _MINUTE
    if unchanged := not_modified(request, etag, cache_control):
        return unchanged
    venue = await catalogue.get_venue(context.database, event.venue_id)
    address = ", ".join([venue.name, *venue.address.splitlines(), venue.city])
    base = context.options.public_url
    body = calendar_of(
        event, f"{event_id}@{_DOMAIN}", address, f"{base}/v1/events/{event_id}" if base else None
    )
    headers: dict[str, Any] = {
        "etag": etag,
        "cache-control": cache_control,
        "content-disposition": f'attachment; filename="{event_id}.ics"',
    }
    return Response(body, headers=headers, media_type=_CALENDAR)


routes: Final = [get_event_calendar]
