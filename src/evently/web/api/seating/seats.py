"""The seats of an event for everybody: where they are, and which can be had.

Made and compressed once a change, however many look.
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
from evently.sales.commands import SalesRefusal
from evently.sales.reads import SeatBoard
from evently.sales.terms import NOT_FOR_SALE, Seating
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.compression import SMALLEST_BYTES, best_coding, compress
from evently.web.edge.conditional import etag_of, not_modified
from evently.web.edge.context import JSON, Context, Request, Response
from evently.web.edge.memory import Kept
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, QueryParameter, get

_FRESH: Final = "public, max-age=0, must-revalidate"  # as of the availability
_FOR_EVER: Final = "public, max-age=31536000, immutable"  # the address is its content's
_STATES_SECONDS: Final = 5.0  # the key names the version: it is never wrong, and soon nobody asks for it
_LAYOUT_SECONDS: Final = 3_600.0  # compressing the largest takes a second
_encode: Final = msgspec.json.Encoder().encode
_Make: TypeAlias = Callable[[], Awaitable[tuple[str, bytes]]]  # the version and the body
Since: TypeAlias = Annotated[
    int | None, QueryParameter(ge=0, le=2**63 - 1, description="The `seq` of the answer that you have.")
]


class LayoutLink(msgspec.Struct, frozen=True):
    """Where the layout is. `digest` is another when the map or its zones are."""

    digest: str
    url: str


class ZoneTypeView(msgspec.Struct, frozen=True):
    """A ticket type that sells the seats of a zone."""

    id: str
    name: str
    price: Money


class ZoneView(msgspec.Struct, frozen=True):
    """A price zone: who sells its seats, and how many of them are free."""

    name: str
    ticket_types: list[ZoneTypeView]
    free: int


class SeatsView(msgspec.Struct, frozen=True):
    """The states of seats as of journal row `seq`: all of them, or only the `changes`, pairs of a seat's number and its state."""

    event_id: str
    seq: int
    layout: LayoutLink
    seats: str | None
    changes: list[tuple[int, str]] | None
    zones: list[ZoneView]


class LayoutView(msgspec.Struct, frozen=True):
    """The event's copy of a seat map.

    `zone_of`: for each seat in the map's order the index of its zone, null when it is not for sale.
    """

    digest: str
    zones: tuple[str, ...]
    zone_of: list[int | None]
    map: msgspec.Raw


@get(
    "/v1/events/{event_id:str}/seats",
    operation_id="getSeats",
    summary="Which seats can be had",
    description=(
        "At most a quarter of a second old, and the same for everybody. `seats` has one character a seat, in the order of the layout "
        "(section by section, row by row): `0` free, `1` not to be had, `-` not for sale. A seat's place in it is its number, from 0. "
        "With `since`, `seats` is null and `changes` says what has changed since that `seq`, as `[number, state]`. Where that is too long "
        "ago (more than 1,000 rows of the journal, more changes than there are seats, or before who answers first looked) or has not "
        "happened yet for who answers, `changes` is null and `seats` is complete again. Processes look on their own: an answer with a "
        "smaller `seq` than yours is an older one."
    ),
    tags=["Events"],
    responses=problems(SalesRefusal.EVENT_NOT_FOUND, SalesRefusal.NOT_SEATED),
    **policy(PUBLIC, hot=True),
)
async def get_seats(
    request: Request, event_id: FromPath[EventId], since: Since = None
) -> Response[SeatsView] | Response[None]:
    """Return the states of all seats, or what has changed."""
    board = await request.context.boards.look(event_id)
    if since is not None and not board.knows(since):
        since = None  # whatever anybody makes up is one answer, and is kept once
    key = ("seats", board.sale.event_id, board.tag, since)
    return await _send(request, key, board.tag, _FRESH, _STATES_SECONDS, partial(_states, board, since))


@get(
    "/v1/events/{event_id:str}/seats/layout/{digest:str}",
    operation_id="getSeatLayout",
    summary="Where the seats of an event are",
    description=(
        "The event's copy of its venue's seat map, with the zone of each seat. Never changes under one digest, so it may be kept for ever: "
        "`GET /v1/events/{event_id}/seats` names the one that is valid, others are not found."
    ),
    tags=["Events"],
    responses=problems(SalesRefusal.EVENT_NOT_FOUND, SalesRefusal.NOT_SEATED, CommonRefusal.NOT_FOUND),
    **policy(PUBLIC, hot=True),
)
async def get_seat_layout(
    request: Request, event_id: FromPath[EventId], digest: FromPath[str]
) -> Response[LayoutView] | Response[None]:
    """Return the layout of an event."""
    board = await request.context.boards.look(event_id)
    if digest != board.digest:
        raise Refused(CommonRefusal.NOT_FOUND, "layout")
    make = partial(_layout, request.context, board.sale.event_id, digest)
    return await _send(
        request, ("layout", board.sale.event_id, digest), digest, _FOR_EVER, _LAYOUT_SECONDS, make
    )


async def _send(
    request: Request, key: tuple[Hashable, ...], tag: str, cache_control: str, seconds: float, make: _Make
) -> Response[Any]:
    """Send what is kept under a key in the coding that the client wants, or have it made."""
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
        headers |= {
            "content-encoding": coding,
            "vary": "Accept-Encoding",
        }  # the edge says so of what is long and not compressed
        tag = f"{tag}-{coding}"
    headers["etag"] = etag_of(tag)
    return Kept(body, headers["etag"], cache_control, headers, seconds)


async def _states(board: SeatBoard, since: int | None) -> tuple[str, bytes]:
    """Return the states with their version: the board may have moved on since it was asked for."""
    return board.tag, _encode(_show(board, since))


async def _layout(context: Context, event_id: UUID, digest: str) -> tuple[str, bytes]:
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


def _show_zone(board: SeatBoard, zone: str) -> ZoneView:
    types = [
        ZoneTypeView(
            show_id("tty", each.ticket_type_id), each.name, Money(each.price_minor, board.sale.currency)
        )
        for each in board.types.get(zone, ())
    ]
    return ZoneView(zone, types, board.hall.free_in(zone))


routes: Final = [get_seats, get_seat_layout]
