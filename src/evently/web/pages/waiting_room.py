"""The waiting room of a sale: enter, see where one stands, be let in; and the draw, computed in the browser.

Without script the page asks again by itself. With script it polls, and is asked for again only when something
else is true.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from evently.kit.errors import Refused
from evently.kit.ids import EventId, show_id
from evently.sales.outcomes import SalesRefusal
from evently.waitingroom import Entry, Place, RoomNow, RoomStage, Wait, WaitingRoomRefusal, next_poll
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.context import Response
from evently.web.edge.problems import PROBLEMS, sentence_of
from evently.web.edge.routing import FromPath
from evently.web.pages.admitting import keep_admission, keep_place, read_place_token
from evently.web.pages.events import EventOnPage, recent_event
from evently.web.pages.forms import read_form
from evently.web.pages.rendering import act, render, see_other, show
from evently.web.services import Request

_SOON_SECONDS: Final = 5
_LATER_SECONDS: Final = 30
_MINUTE: Final = 60


class PlaceOnPage(NamedTuple):
    """Where the reader stands. Times are those at the venue."""

    entry: str  # on the public list
    token: str
    state: str
    position: int | None
    ahead: int | None
    wait: str  # until the turn, in words; empty: nobody is let in now
    may_sell_out: bool
    late: bool
    until: datetime | None  # of an admission
    refresh_seconds: int


class RoomOnPage(NamedTuple):
    """A waiting room as its page shows it. Times are those at the venue."""

    stage: RoomStage
    opens: datetime
    draws: datetime
    entries: int
    listed: int | None
    per_minute: int | None
    public_source: str
    public_value: str | None  # None: not drawn yet
    seed_hash: str
    list_hash: str | None
    sold_out: bool
    ended: bool


@show("/events/{event_id}/waiting-room", **policy(PUBLIC))
async def show_waiting_room(request: Request, event_id: FromPath[EventId]) -> Response[str]:
    """Return the page of a waiting room, as it is for the reader."""
    return await _show(request, event_id)


@act("/events/{event_id}/waiting-room", **policy(PUBLIC, rate="bookings"))
async def enter(request: Request, event_id: FromPath[EventId]) -> Response[str] | Response[None]:
    """Give the reader a place; a visitor logs in first."""
    await read_form(request)
    address = f"/events/{show_id('evt', event_id)}/waiting-room"
    if request.actor.kind == "anonymous":
        return see_other(f"/login?{urlencode({'next': address})}")
    try:
        entry = await request.context.waiting_rooms.enter(event_id, request.actor.id)
    except Refused as exc:
        if exc.refusal not in (*WaitingRoomRefusal, SalesRefusal.EVENT_CANCELLED, SalesRefusal.SALE_ENDED):
            raise
        if exc.refusal is WaitingRoomRefusal.NO_WAITING_ROOM:
            raise
        return await _show(request, event_id, exc)
    keep_place(request, entry)
    return see_other(address)


@show("/events/{event_id}/waiting-room/draw", **policy(PUBLIC))
async def show_draw(request: Request, event_id: FromPath[EventId]) -> Response[str]:
    """Return the page on which a browser computes the draw again."""
    page, now = await _read(request, event_id)
    entry = _entry_of(request, event_id)
    return render(
        request,
        "waiting_room_draw.html",
        page=page,
        room=_show_room(page, now, request.context.clock()),
        drawn=now.room.drawn_at is not None,
        entry="" if entry is None or entry.late_number else entry.entry_id.hex,
        address=f"/v1/events/{show_id('evt', event_id)}/waiting-room/draw",
        back=f"/events/{show_id('evt', event_id)}/waiting-room",
        event_id=show_id("evt", event_id),
    )


async def _read(request: Request, event_id: UUID) -> tuple[EventOnPage, RoomNow]:
    now = await request.context.waiting_rooms.get_room(event_id)
    page = await recent_event(request, event_id)
    if page.event.for_members:
        raise Refused(SalesRefusal.EVENT_NOT_FOUND)
    return page, now


async def _show(request: Request, event_id: UUID, refused: Refused | None = None) -> Response[str]:
    page, now = await _read(request, event_id)
    at, entry = request.context.clock(), _entry_of(request, event_id)
    room = _show_room(page, now, at)
    place = None
    if entry is not None and not room.ended:
        try:
            found = await request.context.waiting_rooms.find_place(entry, now)
        except Refused:  # of a room that was there before this one; or it ended at this moment
            found = None
        if found is not None:
            if found.admission is not None:
                keep_admission(request, event_id, found.admission, at)
            place = _show_place(request, page, entry, found, now)
    return render(
        request,
        "waiting_room.html",
        status=200 if refused is None else PROBLEMS[refused.refusal].status,
        page=page,
        room=room,
        place=place,
        no=None if refused is None else sentence_of(refused),
        signed_in=request.actor.kind != "anonymous",
        refresh_seconds=place.refresh_seconds if place else _until(room, at),
        address=f"/events/{show_id('evt', event_id)}",
        event_id=show_id("evt", event_id),
    )


def _entry_of(request: Request, event_id: UUID) -> Entry | None:
    """Return the entry that the browser keeps, if it is the reader's."""
    token = read_place_token(request)
    if token is None or request.actor.kind == "anonymous":
        return None
    try:
        entry = request.context.waiting_rooms.read_place(token, event_id)
    except Refused:
        return None
    return entry if entry.person_id == request.actor.id else None


def _show_room(page: EventOnPage, now: RoomNow, at: datetime) -> RoomOnPage:
    room, zone = now.room, page.event.place.zone
    return RoomOnPage(
        room.stage(at),
        room.opens_at.astimezone(zone),
        room.draws_at.astimezone(zone),
        room.entries,
        room.listed,
        room.paces.now.per_minute if room.paces else None,
        room.public_source,
        room.public_value,
        room.seed_hash.hex(),
        None if room.list_hash is None else room.list_hash.hex(),
        now.sold_out,
        "cancelled" in (page.event.state, now.glance.state)
        or page.state == "ended"
        or at >= now.glance.off_sale_at,
    )


def _show_place(request: Request, page: EventOnPage, entry: Entry, place: Place, now: RoomNow) -> PlaceOnPage:
    zone, at, wait = page.event.place.zone, request.context.clock(), place.wait
    return PlaceOnPage(
        entry.entry_id.hex,
        request.context.waiting_rooms.sign_place(entry),
        place.state,
        place.position,
        place.ahead,
        "" if wait is None else wait_in_words(wait),
        wait is not None and wait.latest is None,
        entry.late_number is not None,
        None if place.admission is None else place.admission.expires_at.astimezone(zone),
        max(_SOON_SECONDS, next_poll(place, now, entry.entry_id, at)),
    )


def wait_in_words(wait: Wait) -> str:
    """Return how long a person waits, in words. `waiting.js` says it with the same ones."""
    soonest = wait.soonest // _MINUTE
    if wait.latest is None:
        return f"in {_minutes_in_words(soonest)} at the soonest" if soonest else "soon"
    if wait.latest <= _MINUTE:
        return "within a minute"
    latest = math.ceil(wait.latest / _MINUTE)
    if soonest == 0:
        return f"within {latest} minutes"
    return (
        f"in about {soonest} to {latest} minutes"
        if soonest < latest
        else f"in about {_minutes_in_words(latest)}"
    )


def _minutes_in_words(minutes: int) -> str:
    return "a minute" if minutes == 1 else f"{minutes} minutes"


def _until(room: RoomOnPage, at: datetime) -> int:
    """Return after how many seconds a page without a place is another one, or nearly."""
    return _seconds_until(room.opens, at) if room.stage == "upcoming" else _LATER_SECONDS


def _seconds_until(moment: datetime, at: datetime) -> int:
    seconds = math.ceil((moment - at).total_seconds())
    return min(max(_SOON_SECONDS, seconds), _LATER_SECONDS)


routes: Final = [show_waiting_room, enter, show_draw]
