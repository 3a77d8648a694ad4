"""The seats of an event: their layout and their states, for everybody.

An answer is encoded and compressed once per change, for any number of callers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

import msgspec

from evently import sales
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import EventId, show_id
from evently.kit.money import Money
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import SeatBoard
from evently.sales.terms import NOT_FOR_SALE, Seating
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.compression import SMALLEST_BYTES, best_coding, compress
from evently.web.edge.conditional import etag_of, not_modified
from evently.web.edge.context import JSON, Response
from evently.web.edge.memory import Kept
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, QueryParameter, get
from evently.web.services import Request, Services

_FRESH: Final = "public, max-age=0, must-revalidate"  # like the availability of an event
_FOR_EVER: Final = "public, max-age=31536000, immutable"  # the URL names the content
_STATES_SECONDS: Final = 5.0  # never stale, because the key contains the version
_LAYOUT_SECONDS: Final = 3_600.0  # the largest takes a second to compress
_encode: Final = msgspec.json.Encoder().encode
_Make: TypeAlias = Callable[[], Awaitable[tuple[str, bytes]]]  # the version and the body
Since: TypeAlias = Annotated[
    int | None, QueryParameter(ge=0, le=2**63 - 1, description="The `seq` of the last answer that you have.")
]


class LayoutLink(msgspec.Struct, frozen=True):
    """The URL of the layout. `digest` changes when the map or its zones change."""

    digest: str
    url: str


class ZoneTypeView(msgspec.Struct, frozen=True):
    """A ticket type that sells the seats of a zone."""

    id: str
    name: str
    price: Money


class ZoneSeatsView(msgspec.Struct, frozen=True):
    """A price zone: the ticket types that sell its seats, and the number of available seats (`free`)."""

    name: str
    ticket_types: list[ZoneTypeView]
    free: int


class SeatsView(msgspec.Struct, frozen=True):
    """The states of seats as of journal row `seq`.

    Either all of them (`seats`), or the `changes`: pairs of a seat number and the state of the seat.
    """

    event_id: str
    seq: int
    layout: LayoutLink
    seats: str | None
    changes: list[tuple[int, str]] | None
    zones: list[ZoneSeatsView]


class LayoutView(msgspec.Struct, frozen=True):
    """The event's copy of a seat map.

    `zone_of` has the index of the zone of each seat, in the order of the map; null when it is not for sale.
    """

    digest: str
    zones: tuple[str, ...]
    zone_of: list[int | None]
    map: msgspec.Raw


@get(
    "/v1/events/{event_id}/seats",
    operation_id="getSeats",
    summary="Get the states of the seats of an event",
    description=(
        "At most a quarter of a second old, and the same for everybody. `seats` has one character per seat, "
        "in the order of the layout (section by section, row by row): `0` available, `1` not available, `-` "
        "not for sale. The number of a seat is its index in `seats`, from 0. With `since`, `seats` is null "
        "and `changes` lists what has changed since that `seq`, as `[number, state]`. `changes` is null and "
        "`seats` is complete if `since` is too long ago (more than 1,000 rows of the journal, more changes "
        "than seats, or before the server process first read the event) or is a row that the process has not "
        "read yet. Each server process reads for itself: an answer with a smaller `seq` than yours is older."
    ),
    tags=["Events"],
    responses=problems(SalesRefusal.EVENT_NOT_FOUND, SalesRefusal.NOT_SEATED),
    **policy(PUBLIC),
)
async def get_seats(
    request: Request, event_id: FromPath[EventId], since: Since = None
) -> Response[SeatsView] | Response[None]:
    """Return the states of all seats, or what has changed."""
    board = await request.context.boards.get_board(event_id)
    if since is not None and not board.knows(since):
        since = None  # all rows that the board does not know share one stored answer
    key = ("seats", board.sale.event_id, board.tag, since)
    return await _send(request, key, board.tag, _FRESH, _STATES_SECONDS, partial(_states, board, since))


@get(
    "/v1/events/{event_id}/seats/layout/{digest}",
    operation_id="getSeatLayout",
    summary="Get the seat layout of an event",
    description=(
        "The event's copy of the seat map, with the zone of each seat. The layout of a digest never changes, "
        "so it may be cached forever. `GET /v1/events/{event_id}/seats` names the current digest; others are "
        "not found."
    ),
    tags=["Events"],
    responses=problems(SalesRefusal.EVENT_NOT_FOUND, SalesRefusal.NOT_SEATED, CommonRefusal.NOT_FOUND),
    **policy(PUBLIC),
)
async def get_seat_layout(
    request: Request, event_id: FromPath[EventId], digest: FromPath[str]
) -> Response[LayoutView] | Response[None]:
    """Return the layout of an event."""
    board = await request.context.boards.get_board(event_id)
    if digest != board.digest:
        raise Refused(CommonRefusal.NOT_FOUND, "layout")
    make = partial(_layout, request.context, board.sale.event_id, digest)
    return await _send(
        request, ("layout", board.sale.event_id, digest), digest, _FOR_EVER, _LAYOUT_SECONDS, make
    )


async def _send(
    request: Request, key: tuple[Hashable, ...], tag: str, cache_control: str, seconds: float, make: _Make
) -> Response[Any]:
    """Send the stored answer of a key in the coding that the client prefers, or make it."""
    etag = etag_of(tag)
    if unchanged := not_modified(request, etag, cache_control):
        return unchanged
    coding = best_coding((request.header("accept-encoding") or "").encode("latin-1"))
    found = await request.context.memory.get(
        (*key, coding), partial(_pack, make, coding, cache_control, seconds)
    )
    return Response(found.body, headers=found.headers, media_type=JSON)


async def _pack(make: _Make, coding: str | None, cache_control: str, seconds: float) -> Kept:
    tag, body = await make()
    headers = {"cache-control": cache_control}
    if coding is not None and len(body) >= SMALLEST_BYTES:
        body = await asyncio.to_thread(compress, body, coding)
        # The edge sets `vary` on long answers that are not compressed
        headers |= {"content-encoding": coding, "vary": "Accept-Encoding"}
        tag = f"{tag}-{coding}"
    headers["etag"] = etag_of(tag)
    return Kept(
        body=body, etag=headers["etag"], cache_control=cache_control, headers=headers, seconds=seconds
    )


async def _states(board: SeatBoard, since: int | None) -> tuple[str, bytes]:
    """Return the states and their version. The board may have advanced since the request read its tag."""
    return board.tag, _encode(_show(board, since))


async def _layout(context: Services, event_id: UUID, digest: str) -> tuple[str, bytes]:
    async with context.database.snapshot() as snapshot:
        seating = await sales.reads.read_seating(snapshot, event_id)
    if (
        seating is None
        or sales.reads.picture_digest(seating.digest, seating.zones, seating.zone_of) != digest
    ):
        raise Refused(CommonRefusal.NOT_FOUND, "layout")
    return digest, await asyncio.to_thread(_encode_layout, seating, digest)


def _encode_layout(seating: Seating, digest: str) -> bytes:
    zone_of = [None if zone == NOT_FOR_SALE else zone for zone in seating.zone_of]
    return _encode(LayoutView(digest, seating.zones, zone_of, msgspec.Raw(seating.layout)))


def _show(board: SeatBoard, since: int | None) -> SeatsView:
    event_id = show_id("evt", board.sale.event_id)
    changes = None if since is None else board.changes_since(since)
    return SeatsView(
        event_id=event_id,
        seq=board.seq,
        layout=LayoutLink(board.digest, f"/v1/events/{event_id}/seats/layout/{board.digest}"),
        seats=board.states() if changes is None else None,
        changes=changes,
        zones=[_show_zone(board, zone) for zone in board.hall.zones],
    )


def _show_zone(board: SeatBoard, zone: str) -> ZoneSeatsView:
    types = [
        ZoneTypeView(
            show_id("tty", each.ticket_type_id), each.name, Money(each.price_minor, board.sale.currency)
        )
        for each in board.types.get(zone, ())
    ]
    return ZoneSeatsView(zone, types, board.hall.available_in(zone))


routes: Final = [get_seats, get_seat_layout]
