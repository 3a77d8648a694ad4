"""Seat maps of venues. A version never changes; an event has its own copy of one."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar
from uuid import UUID

import msgspec

from evently import catalogue, seating
from evently.kit.complaints import Complaints
from evently.kit.errors import FieldError, Invalid
from evently.kit.ids import SeatMapId, VenueId, show_id
from evently.kit.shapes import items, text
from evently.seating import SeatMap, SeatMapVersion, SectionPattern
from evently.seating.generate import ARENA_SEATS, THEATRE_SEATS, arena, theatre
from evently.seating.patterns import PATTERNS_MAX
from evently.seating.pretix import ZoneChoice, import_plan
from evently.seating.pretix_format import PretixPlan
from evently.seating.seatmap import NAME_CHARACTERS_MAX
from evently.web.api.catalogue.sale_shapes import SeatMapIdText
from evently.web.api.catalogue.shapes import VenueIdText
from evently.web.api.catalogue.venues import MANAGERS, MEMBERS
from evently.web.edge.auth import policy
from evently.web.edge.conditional import etag_of, not_modified
from evently.web.edge.context import JSON, Response
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, QueryParameter, get, post
from evently.web.services import Request, Services

_TAG: Final = "Organizer: seat maps"
MAP_BYTES_MAX: Final = 16 * 1024 * 1024  # the largest map: 100,000 seats, as JSON with spaces
_FOR_EVER: Final = "private, max-age=31536000, immutable"  # a version never changes
_HALLS: Final = {"arena": (arena, ARENA_SEATS), "theatre": (theatre, THEATRE_SEATS)}
_IMPORTING: Final = (
    f"The body is a seating plan as the editor of pretix saves it, of up to {MAP_BYTES_MAX // 2**20} MiB. "
    "Zones become sections. Seats keep their ids (`seat_guid`) and labels (`seat_number`). The plan is "
    "scaled so that neighbours sit 0.55 m apart. Areas and texts are kept as hints for drawing. `zones` of "
    "the answer are the categories of the plan, in the form that `seating.zones` of an event accepts. One "
    "answer reports all errors with their places in the plan: missing values and values of a wrong type, "
    "seats without an id, ids that occur twice, labels that occur twice in a row of seats, unknown "
    "categories, rows and plans without seats, seats on top of each other, positions too far away, and "
    "numbers above a limit."
)
_encode: Final = msgspec.json.Encoder().encode
Version: TypeAlias = Annotated[
    int | None, QueryParameter(ge=1, le=2**31 - 1, description="The version; the latest if not given.")
]


class SeatMapView(msgspec.Struct, frozen=True):
    """A version of a seat map, without its layout.

    `digest` identifies the layout; equal layouts have equal digests.
    """

    id: SeatMapIdText
    version: int
    venue_id: VenueIdText
    name: str
    seats: int
    digest: str
    created_at: datetime


class WholeSeatMapView(SeatMapView, frozen=True):
    """A version of a seat map with its layout."""

    map: SeatMap


class ImportedSeatMapView(SeatMapView, frozen=True):
    """A version of a seat map that was imported.

    `zones` are the price categories of the plan, in the form of the price zones of an event.
    """

    zones: list[ZoneChoice]


class MapDifferenceView(msgspec.Struct, frozen=True):
    """How many seats differ from the latest version, which is `version`.

    `relabelled`: what tickets print, the section, the row or the seat's label, is another.
    """

    version: int
    added: int
    removed: int
    moved: int
    relabelled: int
    other_kind: int


View = TypeVar("View", bound=SeatMapView)


class GenerateBody(msgspec.Struct, forbid_unknown_fields=True):
    """A realistic hall of exactly this size: an arena of 2,000 to 60,000, or a theatre of 200 to 3,000."""

    kind: Literal["arena", "theatre"]
    seats: Annotated[int, msgspec.Meta(examples=[20_000])]


class BuildBody(msgspec.Struct, forbid_unknown_fields=True):
    """A hall of sections, each described by a few numbers: rows, seats, aisles, arcs."""

    name: Annotated[str, text(NAME_CHARACTERS_MAX, "Great hall")]
    sections: Annotated[tuple[SectionPattern, ...], items(PATTERNS_MAX)]


class SeatMapBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A seat map: either `map`, or one to `generate`, or one to `build`.

    A map has sections of rows of seats, in metres, the front row first.
    """

    map: SeatMap | None = None
    generate: GenerateBody | None = None
    build: BuildBody | None = None


@post(
    "/v1/venues/{venue_id}/seat-maps",
    operation_id="addSeatMap",
    summary="Add a seat map to a venue",
    description=f"One answer reports all errors. The body may have up to {MAP_BYTES_MAX // 2**20} MiB.",
    tags=[_TAG],
    responses=problems(413),
    **policy(MANAGERS, rate="heavy", body_bytes_max=MAP_BYTES_MAX),
)
async def add_seat_map(
    request: Request, venue_id: FromPath[VenueId], data: JSONBody[SeatMapBody]
) -> Response[SeatMapView]:
    """Add a seat map to a venue."""
    seat_map = await asyncio.to_thread(_map_of, data)
    return _created(_show(await _add_map(request.context, venue_id, seat_map)))


@post(
    "/v1/venues/{venue_id}/seat-maps/import-pretix",
    operation_id="importSeatMap",
    summary="Import a seat map from pretix",
    description=_IMPORTING,
    tags=[_TAG],
    responses=problems(413),
    **policy(MANAGERS, rate="heavy", body_bytes_max=MAP_BYTES_MAX),
)
async def import_seat_map(
    request: Request, venue_id: FromPath[VenueId], data: JSONBody[PretixPlan]
) -> Response[ImportedSeatMapView]:
    """Add a seat map to a venue from a pretix plan."""
    seat_map, zones = await asyncio.to_thread(import_plan, data)
    return _created(_show_imported(await _add_map(request.context, venue_id, seat_map), zones))


@get(
    "/v1/venues/{venue_id}/seat-maps",
    operation_id="listSeatMaps",
    summary="List the seat maps of a venue",
    description="The oldest first.",
    tags=[_TAG],
    responses=problems(),
    **policy(MEMBERS),
)
async def list_seat_maps(
    request: Request, venue_id: FromPath[VenueId], limit: Limit = LIMIT, after: After = None
) -> Response[PageView[SeatMapView]]:
    """List seat maps, each in its latest version."""
    page = await seating.list_seat_maps(request.context.database, venue_id, limit, after)
    return paginated(request, page, _show)


@get(
    "/v1/seat-maps/{seat_map_id}",
    operation_id="getSeatMap",
    summary="Get a seat map with its layout",
    tags=[_TAG],
    responses=problems(),
    **policy(MEMBERS, rate="heavy"),
)
async def get_seat_map(
    request: Request, seat_map_id: FromPath[SeatMapId], version: Version = None
) -> Response[WholeSeatMapView] | Response[None]:
    """Return a version of a seat map. The stored layout is sent as it is, without parsing it."""
    found = await seating.get_seat_map(request.context.database, seat_map_id, version)
    cache_control = "private, no-cache" if version is None else _FOR_EVER
    etag = etag_of(found.version)
    if unchanged := not_modified(request, etag, cache_control):
        return unchanged
    body = _encode(msgspec.structs.asdict(_show(found)) | {"map": msgspec.Raw(found.layout)})
    sent: Any = body
    return Response(sent, headers={"etag": etag, "cache-control": cache_control}, media_type=JSON)


@post(
    "/v1/seat-maps/{seat_map_id}/versions",
    operation_id="addSeatMapVersion",
    summary="Add a version of a seat map",
    description="Events keep the version that they copied. A map equal to the latest version adds none.",
    tags=[_TAG],
    responses=problems(413),
    **policy(MANAGERS, rate="heavy", body_bytes_max=MAP_BYTES_MAX),
)
async def add_seat_map_version(
    request: Request, seat_map_id: FromPath[SeatMapId], data: JSONBody[SeatMapBody]
) -> Response[SeatMapView]:
    """Change a seat map."""
    seat_map = await asyncio.to_thread(_map_of, data)
    return _created(_show(await _add_version(request.context, seat_map_id, seat_map)))


@post(
    "/v1/seat-maps/{seat_map_id}/versions/preview",
    operation_id="previewSeatMapVersion",
    summary="See what a version of a seat map would change",
    description=(
        "Changes nothing. Compares a map with the latest version, seat by seat: a seat is known by its `id`."
    ),
    tags=[_TAG],
    status_code=200,
    responses=problems(413),
    **policy(MANAGERS, rate="heavy", body_bytes_max=MAP_BYTES_MAX),
)
async def preview_seat_map_version(
    request: Request, seat_map_id: FromPath[SeatMapId], data: JSONBody[SeatMapBody]
) -> Response[MapDifferenceView]:
    """Compare a map with the latest version."""
    seat_map = await asyncio.to_thread(_map_of, data)
    latest = await seating.get_seat_map(request.context.database, seat_map_id)
    found = await asyncio.to_thread(lambda: seating.compare(seating.decode_map(latest.layout), seat_map))
    view = MapDifferenceView(version=latest.version, **found._asdict())
    return Response(view, headers={"cache-control": "no-store"})


@post(
    "/v1/seat-maps/{seat_map_id}/versions/import-pretix",
    operation_id="importSeatMapVersion",
    summary="Import a version of a seat map from pretix",
    description="Events keep the version that they copied. A plan equal to the latest version adds none.\n\n"
    + _IMPORTING,
    tags=[_TAG],
    responses=problems(413),
    **policy(MANAGERS, rate="heavy", body_bytes_max=MAP_BYTES_MAX),
)
async def import_seat_map_version(
    request: Request, seat_map_id: FromPath[SeatMapId], data: JSONBody[PretixPlan]
) -> Response[ImportedSeatMapView]:
    """Change a seat map to a pretix plan."""
    seat_map, zones = await asyncio.to_thread(import_plan, data)
    return _created(_show_imported(await _add_version(request.context, seat_map_id, seat_map), zones))


async def _add_map(context: Services, venue_id: UUID, seat_map: SeatMap) -> SeatMapVersion:
    owner = (await catalogue.get_venue(context.database, venue_id)).organizer_id
    async with context.database.transaction() as tx:
        return await seating.add_seat_map(tx, owner, venue_id, seat_map, context.clock())


async def _add_version(context: Services, seat_map_id: UUID, seat_map: SeatMap) -> SeatMapVersion:
    async with context.database.transaction() as tx:
        return await seating.add_version(tx, seat_map_id, seat_map, context.clock())


def _map_of(body: SeatMapBody) -> SeatMap:
    """Return the given or generated map; refuses with all errors of the map.

    Runs in a thread: the largest map takes a second, and other requests need the event loop.
    """
    if sum(each is not None for each in (body.map, body.generate, body.build)) != 1:
        raise Invalid([FieldError("/map", "map-or-generate")])
    if body.generate is not None:
        return _generated(body.generate)
    pointer, seat_map = "/map", body.map
    if body.build is not None:
        pointer, seat_map = "/build", _built(body.build)
    assert seat_map is not None, "one of them is given"
    if faults := seating.check(seat_map):
        raise Invalid([FieldError(f"{pointer}{fault.pointer}", fault.code, fault.data) for fault in faults])
    return seat_map


def _built(wanted: BuildBody) -> SeatMap:
    complaints = Complaints()
    complaints.check("/build", wanted)
    for number, pattern in enumerate(wanted.sections[:PATTERNS_MAX]):
        seating.check_pattern(complaints, f"/build/sections/{number}", pattern)
    complaints.refuse_if_any()
    return seating.make_map(wanted.name.strip(), wanted.sections)


def _generated(wanted: GenerateBody) -> SeatMap:
    make, (fewest, most) = _HALLS[wanted.kind]
    if not fewest <= wanted.seats <= most:
        raise Invalid([FieldError("/generate/seats", "out-of-range", {"smallest": fewest, "largest": most})])
    return make(wanted.seats)


def _show(known: SeatMapVersion) -> SeatMapView:
    return SeatMapView(
        id=show_id("smp", known.seat_map_id),
        version=known.version,
        venue_id=show_id("ven", known.venue_id),
        name=known.name,
        seats=known.seats,
        digest=known.digest,
        created_at=known.created_at,
    )


def _show_imported(known: SeatMapVersion, zones: list[ZoneChoice]) -> ImportedSeatMapView:
    return ImportedSeatMapView(**msgspec.structs.asdict(_show(known)), zones=zones)


def _created(view: View) -> Response[View]:
    where = f"/v1/seat-maps/{view.id}?version={view.version}"
    return Response(
        view,
        status_code=201,
        headers={"location": where, "etag": etag_of(view.version), "cache-control": "no-store"},
    )


routes: Final = [
    add_seat_map,
    import_seat_map,
    list_seat_maps,
    get_seat_map,
    add_seat_map_version,
    preview_seat_map_version,
    import_seat_map_version,
]
