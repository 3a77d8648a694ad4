"""Seat maps of venues, in versions that never change. Events take copies."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from evently import catalogue, seating
from evently.kit.errors import FieldError, Invalid
from evently.kit.ids import parse_id, show_id
from evently.seating import SeatMap, SeatMapVersion
from evently.seating.generate import ARENA_SEATS, THEATRE_SEATS, arena, theatre
from evently.web.auth import policy
from evently.web.catalogue.sale_shapes import SeatMapId
from evently.web.catalogue.shapes import VenueId
from evently.web.catalogue.venues import MANAGERS, MEMBERS
from evently.web.conditional import etag_of, not_modified
from evently.web.context import JSON, Answer, Request
from evently.web.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.problems import problems

_TAG: Final = "Organizer: seat maps"
MAP_BYTES_MAX: Final = 16 * 1024 * 1024  # the largest map, 100,000 seats, written with spaces
_FOR_EVER: Final = "private, max-age=31536000, immutable"  # what a version says never changes
_HALLS: Final = {"arena": (arena, ARENA_SEATS), "theatre": (theatre, THEATRE_SEATS)}
_encode: Final = msgspec.json.Encoder().encode
Version: TypeAlias = Annotated[int | None, QueryParameter(ge=1, le=2**31 - 1, description="This version; the latest unless told.")]


class SeatMapView(msgspec.Struct, frozen=True):
    """A version of a seat map, without its layout. `digest` names the layout for ever; equal layouts have one digest."""

    id: SeatMapId
    version: int
    venue_id: VenueId
    name: str
    seats: int
    digest: str
    created_at: datetime


class WholeSeatMapView(SeatMapView, frozen=True):
    """A version of a seat map with its layout."""

    map: SeatMap


class GenerateBody(msgspec.Struct, forbid_unknown_fields=True):
    """A believable hall of exactly so many seats: an arena of 2,000 to 60,000, or a theatre of 200 to 3,000."""

    kind: Literal["arena", "theatre"]
    seats: Annotated[int, msgspec.Meta(examples=[20_000])]


class SeatMapBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A seat map: one that is given, with sections of rows of seats, in metres, the front row first; or one to be generated."""

    map: SeatMap | None = None
    generate: GenerateBody | None = None


@post(
    "/v1/venues/{venue_id:str}/seat-maps",
    operation_id="addSeatMap",
    summary="Add a seat map to a venue",
    description=f"Everything wrong with it is said at once. The body may have up to {MAP_BYTES_MAX // 2**20} MiB.",
    tags=[_TAG],
    responses=problems(413),
    **policy(MANAGERS, rate="heavy", body_bytes_max=MAP_BYTES_MAX),
)
async def add_seat_map(request: Request, venue_id: FromPath[str], data: JSONBody[SeatMapBody]) -> Answer[SeatMapView]:
    """Give a venue one more seat map."""
    context, venue = request.context, parse_id("ven", venue_id)
    seat_map = await asyncio.to_thread(_map_of, data)
    owner = (await catalogue.get_venue(context.database, venue)).organizer_id
    async with context.database.transaction() as tx:
        added = await seating.add_seat_map(tx, owner, venue, seat_map, context.clock())
    return _made(added)


@get(
    "/v1/venues/{venue_id:str}/seat-maps",
    operation_id="listSeatMaps",
    summary="The seat maps of a venue, the oldest first",
    tags=[_TAG],
    responses=problems(),
    **policy(MEMBERS),
)
async def list_seat_maps(
    request: Request, venue_id: FromPath[str], limit: Limit = LIMIT, after: After = None
) -> Answer[PageView[SeatMapView]]:
    """List seat maps, each in its latest version."""
    page = await seating.list_seat_maps(request.context.database, parse_id("ven", venue_id), limit, after)
    return paginated(request, page, _show)


@get(
    "/v1/seat-maps/{seat_map_id:str}",
    operation_id="getSeatMap",
    summary="A seat map with its layout",
    tags=[_TAG],
    responses=problems(),
    **policy(MEMBERS, rate="heavy"),
)
async def get_seat_map(request: Request, seat_map_id: FromPath[str], version: Version = None) -> Answer[WholeSeatMapView] | Answer[None]:
    """Return a version of a seat map. The layout is sent as it is stored: no seat of it becomes an object."""
    found = await seating.get_seat_map(request.context.database, parse_id("smp", seat_map_id), version)
    cache_control = "private, no-cache" if version is None else _FOR_EVER
    etag = etag_of(found.version)
    if unchanged := not_modified(request, etag, cache_control):
        return unchanged
    body = _encode(msgspec.structs.asdict(_show(found)) | {"map": msgspec.Raw(found.layout)})
    sent: Any = body
    return Answer(sent, headers={"etag": etag, "cache-control": cache_control}, media_type=JSON)


@post(
    "/v1/seat-maps/{seat_map_id:str}/versions",
    operation_id="addSeatMapVersion",
    summary="Add the next version of a seat map",
    description="Events keep the version that they copied. What the latest version says already makes none.",
    tags=[_TAG],
    responses=problems(413),
    **policy(MANAGERS, rate="heavy", body_bytes_max=MAP_BYTES_MAX),
)
async def add_seat_map_version(request: Request, seat_map_id: FromPath[str], data: JSONBody[SeatMapBody]) -> Answer[SeatMapView]:
    """Change a seat map."""
    context, map_id = request.context, parse_id("smp", seat_map_id)
    seat_map = await asyncio.to_thread(_map_of, data)
    async with context.database.transaction() as tx:
        added = await seating.add_version(tx, map_id, seat_map, context.clock())
    return _made(added)


def _map_of(body: SeatMapBody) -> SeatMap:
    """Return the map that is given or to be generated; refuses with everything that is wrong with it.

    For a thread: the largest takes a second, and buyers want the processor, too.
    """
    if (body.map is None) == (body.generate is None):
        raise Invalid([FieldError("/map", "Give a map, or say in generate which one to make.")])
    if body.generate is not None:
        return _generated(body.generate)
    assert body.map is not None, "it is one of the two"
    if faults := seating.check(body.map):
        raise Invalid([FieldError(f"/map{fault.pointer}", fault.detail) for fault in faults])
    return body.map


def _generated(wanted: GenerateBody) -> SeatMap:
    make, (fewest, most) = _HALLS[wanted.kind]
    if not fewest <= wanted.seats <= most:
        raise Invalid([FieldError("/generate/seats", f"Must be from {fewest} to {most}.")])
    return make(wanted.seats)


def _show(known: SeatMapVersion) -> SeatMapView:
    return SeatMapView(
        show_id("smp", known.seat_map_id),
        known.version,
        show_id("ven", known.venue_id),
        known.name,
        known.seats,
        known.digest,
        known.created_at,
    )


def _made(added: SeatMapVersion) -> Answer[SeatMapView]:
    view = _show(added)
    where = f"/v1/seat-maps/{view.id}?version={view.version}"
    return Answer(view, status_code=201, headers={"location": where, "etag": etag_of(view.version), "cache-control": "no-store"})


routes: Final = [add_seat_map, list_seat_maps, get_seat_map, add_seat_map_version]
