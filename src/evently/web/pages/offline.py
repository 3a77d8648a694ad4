"""Tickets without a network: the service worker, what it keeps, and the page for what cannot be reached.

The service worker keeps the pages of tickets that name their reader in the header `evently-reader`, and the
door of an enrolled phone (`evently-door`), and shows them when no answer comes. It is served at the root, so
that its scope is the whole site; its own policy allows it to fetch from here and nothing else.
"""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

import msgspec

from evently import attendees, catalogue, sales
from evently.kit.ids import show_id
from evently.sales.nouns import Booking
from evently.web.edge.assets import asset_address, asset_names, assets_version, load_asset
from evently.web.edge.auth import PUBLIC, SIGNED_IN, policy
from evently.web.edge.conditional import NO_STORE, etag_of, not_modified
from evently.web.edge.context import Response
from evently.web.edge.routing import get
from evently.web.pages import words
from evently.web.pages.rendering import render_kept, show
from evently.web.services import Request

READER: Final = "evently-reader"
_TICKETS_MAX: Final = 300  # more than one person holds; the service worker reads the first ones ahead
_BOOKINGS_MAX: Final = 50
_WORKER: Final = "service-worker.js"
# What the page of a ticket is made of, besides itself
_FILES: Final = (
    "evently.css",
    "vendor/instrument-sans/instrument-sans-latin-wght-normal.woff2",
    "vendor/instrument-sans/instrument-sans-latin-ext-wght-normal.woff2",
    "icon.svg",
    "awake.js",
    "offline.js",
    "page.js",
)
# What the door of an enrolled phone needs beyond that; other phones never load it
_DOOR_FILES: Final = (
    "door.css",
    "door.js",
    "door/camera.js",
    "door/codes.js",
    "door/lists.js",
    "door/signals.js",
    "door/store.js",
    "vendor/zxing-wasm/index.js",
    "vendor/zxing-wasm/share.js",
    "vendor/zxing-wasm/zxing_reader.wasm",
)
_POLICY: Final = "default-src 'none'; connect-src 'self'"
_NO_CACHE: Final = "no-cache"  # a browser asks whether it is still the same
_VERSION_BYTES: Final = 9


class TicketToKeep(msgspec.Struct, frozen=True):
    """A ticket that admits its reader. Another `version`: its page reads differently."""

    address: str
    version: str
    title: str
    when: str
    where: str
    name: str


class TicketsToKeep(msgspec.Struct, frozen=True):
    """The tickets of a reader that may be kept: at most `_TICKETS_MAX`, soonest first."""

    reader: str
    tickets: list[TicketToKeep]


def kept_for(request: Request) -> dict[str, str]:
    """Return the header of a page that the service worker keeps for its reader."""
    return {READER: show_id("per", request.actor.id)}


@get("/service-worker.js", include_in_schema=False, **policy(PUBLIC))
async def service_worker(request: Request) -> Response[bytes] | Response[None]:
    """Return the service worker of this release. Browsers ask for it again with every page."""
    text, etag = _worker()
    headers = {"cache-control": _NO_CACHE, "etag": etag, "content-security-policy": _POLICY}
    if (unchanged := not_modified(request, etag, _NO_CACHE)) is not None:
        unchanged.headers |= headers
        return unchanged
    return Response(text, headers=headers, media_type="text/javascript; charset=utf-8")


@show("/offline", **policy(PUBLIC))
async def offline(request: Request) -> Response[bytes] | Response[None]:
    """Return the page that the service worker shows in the place of one that cannot be reached."""

    async def read() -> dict[str, Any]:
        return {}

    return await render_kept(request, "offline", "offline.html", read)


@show("/me/tickets/offline", **policy(SIGNED_IN))
async def tickets_to_keep(request: Request) -> Response[TicketsToKeep]:
    """Return the tickets of the reader that the service worker may keep: it deletes all others."""
    context = request.context
    page = await sales.reads.list_bookings_of_buyer(
        context.database, request.actor.id, "upcoming", context.clock(), _BOOKINGS_MAX, None
    )
    received = await _received(request)
    bookings = [each for each in page.data if each.confirmed_at is not None]
    bookings += {each.booking_id: each for each in received.values()}.values()
    event_ids = list({booking.event_id for booking in bookings})
    async with context.database.snapshot() as snapshot:
        events = await catalogue.find_events(snapshot, event_ids)
        names = await sales.reads.list_type_names(snapshot, event_ids)
        named = [each for each in bookings if events[each.event_id].attendee_names != "not_asked"]
        given = await attendees.find_names_of(snapshot, named)
        transfers = await sales.reads.list_open_of_giver(snapshot, request.actor.id, _TICKETS_MAX)
    offered = {each.ticket_id: each.address for each in transfers}
    bookings = [each for each in bookings if events[each.event_id].state != "cancelled"]
    bookings.sort(key=lambda each: events[each.event_id].starts_at)
    found = [
        _ticket(booking, number, events[booking.event_id], names, (given.get(ticket.ticket_id), offered))
        for booking in bookings
        for number, ticket in enumerate(booking.tickets)
        if ticket.state != "void"
        and (
            ticket.ticket_id in received
            or (booking.buyer_id == request.actor.id and ticket.holder_id is None)
        )
    ]
    tickets = TicketsToKeep(show_id("per", request.actor.id), found[:_TICKETS_MAX])
    return Response(tickets, headers=NO_STORE, media_type="application/json")


async def _received(request: Request) -> dict[UUID, Booking]:
    """Return the bookings of the valid tickets that were passed on to the reader, by ticket."""
    database, person_id = request.context.database, request.actor.id
    async with database.transaction() as tx:
        held = await sales.reads.list_received_upcoming(tx, person_id, request.context.clock(), _BOOKINGS_MAX)
        bookings = await sales.reads.get_bookings(tx, {each.booking_id for each in held})
    return {each.ticket_id: bookings[each.booking_id] for each in held}


def _ticket(
    booking: Booking,
    number: int,
    event: catalogue.Event,
    names: dict[UUID, str],
    more: tuple[attendees.TicketName | None, dict[UUID, str | None]],
) -> TicketToKeep:
    """Return a ticket; `more` of it: its name, and to whom its holder offers which tickets."""
    ticket, count, (given, offered) = booking.tickets[number], len(booking.tickets), more
    name = names.get(ticket.ticket_type_id, "Ticket")
    printed = msgspec.json.encode(
        (
            ticket,
            given,
            offered.get(ticket.ticket_id),
            event.version,
            event.venue_name,
            event.city,
            booking.payment_id,
            name,
            assets_version(),
        )
    )
    seat = ticket.seat_label or ticket.seat_id
    which = seat or (f"{number + 1} of {count}" if count > 1 else None)
    return TicketToKeep(
        f"/tickets/{show_id('tkt', ticket.ticket_id)}",
        blake2b(printed, digest_size=_VERSION_BYTES).hexdigest(),
        event.title,
        words.moment(event.starts_at_local),
        f"{event.venue_name}, {event.city}",
        name if which is None else which if which.startswith(name) else f"{name}, {which}",
    )


@cache
def _worker() -> tuple[bytes, str]:
    """Return the script with the files of this release, and its tag."""
    files, door = (
        [asset_address(name) for name in names if name in asset_names()] for names in (_FILES, _DOOR_FILES)
    )
    release = msgspec.json.encode({"version": assets_version(), "files": files, "door": door})
    text = b"const RELEASE = " + release + b";\n\n" + load_asset(_WORKER).bodies[None]
    return text, etag_of(blake2b(text, digest_size=_VERSION_BYTES).hexdigest())


routes: Final = [service_worker, offline, tickets_to_keep]
