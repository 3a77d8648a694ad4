"""What the seat map on the page of the seats reads: the compact layout, and a suggestion of seats.

The states of the seats come from the API. The layout of a digest never changes, so browsers keep it for ever.
A suggestion is a read: it holds nothing, and the next reader may get the same.
"""

from __future__ import annotations

import asyncio
import math
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

import brotli
import msgspec

from evently import sales, seating
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import EventId, show_id
from evently.kit.money import Money
from evently.sales.commands.bookings import UNITS_MAX
from evently.sales.reads import BestAvailable, SeatBoard, public_types, state_of
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.compression import best_coding, compress
from evently.web.edge.conditional import NO_STORE, etag_of, not_modified
from evently.web.edge.context import JSON, Response
from evently.web.edge.memory import Kept
from evently.web.edge.routing import FromPath
from evently.web.pages.events import EventOnPage, TypeOnPage
from evently.web.pages.forms import Form, parse_form
from evently.web.pages.rendering import show
from evently.web.services import Request, Services

LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
COLOURS: Final = "abcdef"
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_LAYOUT_SECONDS: Final = 3_600.0
_BROTLI_QUALITY: Final = 9  # of 150 KB, once: 30 ms for a tenth less than 4
_OTHERS_MAX: Final = 9
_HOLDS_MAX: Final = 20  # of a reader at one event; a rule allows far fewer
_encode: Final = msgspec.json.Encoder().encode


def layout_address(event_id: UUID, digest: str) -> str:
    """Return the address of the compact layout."""
    return f"/events/{show_id('evt', event_id)}/seats/layout/{digest}"


@show("/events/{event_id}/seats/layout/{digest}", **policy(PUBLIC))
async def show_layout(
    request: Request, event_id: FromPath[EventId], digest: FromPath[str]
) -> Response[bytes] | Response[None]:
    """Return the compact layout of an event: see `seating.compact`."""
    board = await request.context.boards.get_board(event_id)
    if digest != board.digest:
        raise Refused(CommonRefusal.NOT_FOUND, "layout")
    etag = etag_of(digest)
    if (unchanged := not_modified(request, etag, _FOR_EVER)) is not None:
        return unchanged
    coding = best_coding(request.exchange.headers.get(b"accept-encoding", b""))
    make = partial(_layout, request.context, event_id, digest, coding)
    found = await request.context.memory.get(("compact layout", event_id, digest, coding), make)
    return Response(found.body, headers=found.headers, media_type=JSON)


async def _layout(context: Services, event_id: UUID, digest: str, coding: str | None) -> Kept:
    async with context.database.snapshot() as snapshot:
        found = await sales.reads.read_seating(snapshot, event_id)
    if found is None or sales.reads.picture_digest(found.digest, found.zones, found.zone_of) != digest:
        raise Refused(CommonRefusal.NOT_FOUND, "layout")
    body = await asyncio.to_thread(seating.compact, found.layout, digest, found.zones, found.zone_of)
    headers = {"cache-control": _FOR_EVER, "vary": "Accept-Encoding", "etag": etag_of(digest)}
    if coding is not None:
        body = await asyncio.to_thread(_compressed, body, coding)
        headers |= {"content-encoding": coding, "etag": etag_of(f"{digest}-{coding}")}
    return Kept(body, headers["etag"], _FOR_EVER, headers, _LAYOUT_SECONDS)


def _compressed(body: bytes, coding: str) -> bytes:
    if coding != "br":
        return compress(body, coding)
    found: bytes = brotli.compress(body, mode=brotli.MODE_TEXT, quality=_BROTLI_QUALITY)
    return found


class Suggestion(msgspec.Struct, frozen=True):
    """Seats that are free now, as a form sends them; none when not all lines fit."""

    seats: list[str]


@show("/events/{event_id}/seats/suggestion", **policy(PUBLIC, rate="suggestions"))
async def show_suggestion(request: Request, event_id: FromPath[EventId]) -> Response[Suggestion]:
    """Return the best available seats for a form of ticket types with quantities. Holds nothing.

    The board has everything that it needs, so many suggestions cost the database no more than one.
    """
    board = await request.context.boards.get_board(event_id)
    form = parse_form(request.scope["query_string"].decode("latin-1"))
    lines = _read_lines(form, board, request.context.clock())
    found = board.suggest([line for _, line in lines], min(_number(form, "others"), _OTHERS_MAX))
    ids = board.hall.plan.ids
    seats = [
        f"{name}:{ids[number]}"
        for (name, _), numbers in zip(lines, found or (), strict=False)
        for number in numbers
    ]
    return Response(Suggestion(seats), headers=NO_STORE)


class Orphans(msgspec.Struct, frozen=True):
    """The ids of seats that a choice leaves alone; and of two other choices that leave none, if there are."""

    orphans: list[str]
    moved: list[str] | None
    extended: list[str] | None


@show("/events/{event_id}/seats/orphans", **policy(PUBLIC, rate="suggestions"))
async def show_orphans(request: Request, event_id: FromPath[EventId]) -> Response[Orphans]:
    """Return which single seats a choice leaves alone. A booking is refused for it if `orphans_forbidden`."""
    board = await request.context.boards.get_board(event_id)
    hall, ids = board.hall, board.hall.plan.ids
    chosen = [
        number
        for value in parse_form(request.scope["query_string"].decode("latin-1")).all("seat")
        if (number := hall.plan.numbers.get(value.partition(":")[2])) is not None
        and hall.is_available(number)
    ][:UNITS_MAX]
    mended = seating.mend(hall, chosen)
    if mended is None:
        return Response(Orphans([], None, None), headers=NO_STORE)
    others = [None if each is None else [ids[number] for number in each] for each in mended[1:]]
    return Response(Orphans([ids[number] for number in mended.orphans], *others), headers=NO_STORE)


class Held(msgspec.Struct, frozen=True):
    """A hold of the reader: the seconds that are left, and the ids of its seats."""

    seconds: int
    seats: list[str]


@show("/events/{event_id}/seats/held", **policy(PUBLIC))
async def show_held(request: Request, event_id: FromPath[EventId]) -> Response[list[Held]]:
    """Return what the reader holds and has not paid, in any browser; nothing without a session."""
    context, actor = request.context, request.actor
    if actor.kind != "person":
        return Response([], headers=NO_STORE)
    now = context.clock()
    holds = await sales.reads.list_held_bookings(context.database, event_id, actor.id, now, _HOLDS_MAX)
    found = [
        Held(
            math.ceil((hold.expires_at - now).total_seconds()),
            [each.seat_id for each in hold.tickets if each.seat_id is not None and each.state != "void"],
        )
        for hold in holds
        if hold.expires_at is not None
    ]
    return Response(found, headers=NO_STORE)


def _read_lines(form: Form, board: SeatBoard, now: datetime) -> list[tuple[str, BestAvailable]]:
    """Return what a form asks for, with the public id of each ticket type, in the organizer's order."""
    section: str | None = form.text("section")
    if section not in board.hall.plan.sections:
        section = None
    accessible, lines, left = _number(form, "accessible"), list[tuple[str, BestAvailable]](), UNITS_MAX
    sale = board.sale
    for terms in sorted(public_types(sale), key=lambda each: each.position):
        name, zone = show_id("tty", terms.ticket_type_id), terms.zone
        quantity = min(_number(form, name), left)
        if not quantity or zone is None or zone not in board.hall.zones:
            continue
        if state_of(sale, terms, sale.available_at(terms, now), now) == "on_sale":
            lines.append((name, BestAvailable(zone, quantity, section, min(accessible, quantity))))
            left -= quantity
    return lines


def _number(form: Form, name: str) -> int:
    text = form.text(name)
    return int(text[:6]) if text.isdecimal() and text.isascii() else 0


class ZoneOnPage(msgspec.Struct, frozen=True):
    """A price zone of the map: its letter and colour, and the ticket types on sale that sell its seats."""

    letter: str
    colour: str
    name: str
    price: str  # the lowest, as the page shows it; empty when nothing of the zone is on sale
    types: list[ZoneTypeOnPage]


class ZoneTypeOnPage(msgspec.Struct, frozen=True):
    """A ticket type of a zone: what a form sends, its price in minor units, how many one booking may have."""

    id: str
    name: str
    amount: int
    price: str
    most: int


def zones_of(page: EventOnPage, board: SeatBoard, shown: Any) -> list[ZoneOnPage]:
    """Return the zones in the order of the layout, lettered from the dearest. `shown` writes a price."""
    types = [
        [each for each in page.types if each.zone == zone and each.state == "on_sale"]
        for zone in board.hall.zones
    ]
    lowest = [min((each.price.amount for each in zone), default=None) for zone in types]
    order = sorted(range(len(types)), key=lambda index: (lowest[index] is None, -(lowest[index] or 0)))
    rank = {index: place for place, index in enumerate(order)}
    currency = page.sale.currency
    return [
        ZoneOnPage(
            LETTERS[rank[index] % len(LETTERS)],
            COLOURS[rank[index] % len(COLOURS)],
            zone,
            _from(types[index], currency, shown),
            [
                ZoneTypeOnPage(each.id, each.name, each.price.amount, shown(each.price), each.most)
                for each in types[index]
            ],
        )
        for index, zone in enumerate(board.hall.zones)
    ]


def _from(types: list[TypeOnPage], currency: str, shown: Any) -> str:
    prices = {each.price.amount for each in types}
    if not prices:
        return ""
    lowest: str = shown(Money(min(prices), currency))
    return lowest if len(prices) == 1 else f"from {lowest}"


def encode_zones(zones: list[ZoneOnPage]) -> str:
    """Return the zones for an attribute of the page."""
    return _encode(zones).decode()


routes: Final = [show_layout, show_suggestion, show_orphans, show_held]
