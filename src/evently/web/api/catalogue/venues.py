"""Venues: create, get, list, change."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from evently import catalogue, organizing
from evently.catalogue import CatalogueRefusal, Venue, VenueChanges
from evently.kit.errors import CommonRefusal
from evently.kit.ids import OrganizerId, VenueId, show_id
from evently.kit.shapes import copy_fields
from evently.organizing import VenueMove
from evently.web.api.catalogue.shapes import ChangedVenueView, VenueBody, VenueMoveView, VenueView
from evently.web.edge.auth import SIGNED_IN, organizer, policy
from evently.web.edge.conditional import etag_of, not_modified, require_if_match
from evently.web.edge.context import Response
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.refusals import EdgeRefusal
from evently.web.edge.routing import FromPath, JSONBody, QueryParameter, get, patch, post
from evently.web.services import Request

_TAG: Final = "Organizer: venues"
MANAGERS: Final = organizer("manager", "events:write")  # may change what an organizer offers
MEMBERS: Final = organizer("door", "events:read")


@post(
    "/v1/venues",
    operation_id="createVenue",
    summary="Create a venue",
    tags=[_TAG],
    responses=problems(CommonRefusal.FORBIDDEN, CommonRefusal.NOT_FOUND, EdgeRefusal.REASON_NEEDED),
    **policy(SIGNED_IN, scope="events:write"),
)
async def create_venue(request: Request, data: JSONBody[VenueBody]) -> Response[VenueView]:
    """Create a venue of an organizer that the caller manages."""
    context = request.context
    organizer_id = await context.access.check_organizer(
        request.actor, {"organizer_id": data.organizer_id}, MANAGERS, writes=True
    )
    async with context.database.transaction() as tx:
        venue = await catalogue.create_venue(tx, organizer_id, data, context.clock())
    answer = _answer(venue)
    answer.status_code = 201
    answer.headers["location"] = f"/v1/venues/{answer.content.id}"
    return answer


@get(
    "/v1/venues/{venue_id}",
    operation_id="getVenue",
    summary="Get a venue",
    tags=[_TAG],
    responses=problems(),
    **policy(MEMBERS),
)
async def get_venue(request: Request, venue_id: FromPath[VenueId]) -> Response[VenueView] | Response[None]:
    """Return a venue to members of its organizer. Others see it on its events."""
    venue = await catalogue.get_venue(request.context.database, venue_id)
    return not_modified(request, etag_of(venue.version)) or _answer(venue)


@get(
    "/v1/organizers/{organizer_id}/venues",
    operation_id="listVenues",
    summary="List the venues of an organizer",
    tags=[_TAG],
    responses=problems(),
    **policy(MEMBERS),
)
async def list_venues(
    request: Request, organizer_id: FromPath[OrganizerId], limit: Limit = LIMIT, after: After = None
) -> Response[PageView[VenueView]]:
    """List the venues of an organizer, newest first."""
    page = await catalogue.list_venues(request.context.database, organizer_id, limit, after)
    return paginated(request, page, show_venue)


@patch(
    "/v1/venues/{venue_id}",
    operation_id="changeVenue",
    summary="Change a venue",
    description=(
        "Its events show the change at once. Another time zone corrects a mistake: the local times of the "
        "venue's events stay and become other instants. Local times that its clocks skip become those after "
        "the gap. A change that moves events ahead is refused until `dry_run` is sent: `true` changes "
        "nothing and answers with the events that would move, `false` makes the change. Sale "
        "windows are instants and stay, but a sale that ends at the start or the end of its event still does."
    ),
    tags=[_TAG],
    responses=problems(CatalogueRefusal.VENUE_IN_USE, 412, 428),
    **policy(MANAGERS),
)
async def change_venue(
    request: Request,
    venue_id: FromPath[VenueId],
    data: JSONBody[VenueChanges],
    dry_run: Annotated[
        bool | None,
        QueryParameter(description="Needed when events move. True: list them and change nothing."),
    ] = None,
) -> Response[ChangedVenueView]:
    """Change a venue and its copy on its events."""
    context = request.context
    seen = partial(require_if_match, request)
    async with context.database.transaction() as tx:
        venue, moves = await organizing.change_venue(
            tx, venue_id, data, context.clock(), seen, dry_run=dry_run, editor_id=request.actor.id
        )
    for move in moves:
        context.memory.forget(move.event.event_id)
    zone = venue.place.zone
    view = copy_fields(ChangedVenueView, show_venue(venue), moves=[_show_move(move, zone) for move in moves])
    return Response(view, headers={"etag": etag_of(venue.version), "cache-control": "no-store"})


def show_venue(venue: Venue) -> VenueView:
    """Return a venue as clients see it."""
    return copy_fields(
        VenueView,
        venue,
        id=show_id("ven", venue.venue_id),
        organizer_id=show_id("org", venue.organizer_id),
    )


def _show_move(move: VenueMove, zone: ZoneInfo) -> VenueMoveView:
    return copy_fields(
        VenueMoveView,
        move.event,
        event_id=show_id("evt", move.event.event_id),
        new_starts_at=move.starts_at,
        new_starts_at_local=catalogue.wall_time_of(move.starts_at, zone),
        new_ends_at=move.ends_at,
        new_ends_at_local=catalogue.wall_time_of(move.ends_at, zone),
    )


def _answer(venue: Venue) -> Response[VenueView]:
    return Response(show_venue(venue), headers={"etag": etag_of(venue.version), "cache-control": "no-store"})


routes: Final = [create_venue, get_venue, list_venues, change_venue]
