"""The waiting room before a sale: enter it, poll one's place, recompute the draw; what its organizer sets."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec

from evently import waitingroom
from evently.kit.complaints import Complaints
from evently.kit.errors import FieldError, Invalid, Refused
from evently.kit.ids import NO_ID, EventId, find_uuid, show_id
from evently.kit.shapes import text
from evently.sales.outcomes import SalesRefusal
from evently.waitingroom import (
    TOKEN_CHARACTERS_MAX,
    VALUE_CHARACTERS_MAX,
    Entry,
    Place,
    PlaceState,
    RoomNow,
    RoomStage,
    WaitingRoomRefusal,
    WaitingRoomTerms,
    next_poll,
)
from evently.web.api.catalogue.answers import send
from evently.web.edge.auth import PUBLIC, SIGNED_IN, address_key, organizer, policy
from evently.web.edge.conditional import NO_STORE, etag_of, require_if_match
from evently.web.edge.context import Response
from evently.web.edge.memory import Kept, kept
from evently.web.edge.problems import problems
from evently.web.edge.routing import (
    FromPath,
    HeaderParameter,
    JSONBody,
    QueryParameter,
    delete,
    get,
    post,
    put,
)
from evently.web.services import Request

_TAG: Final = "Waiting room"
_ORGANIZERS: Final = "Organizer: waiting room"
_PAGE: Final = 10_000  # entries of the draw in one answer: 400 KB
_DRAWN_SECONDS: Final = 60.0  # what was drawn never changes
_ENTRY: Final = "5f0c1e0a9d7b4c2e8a6f3b1d2c4e6f80"
_SIGNED: Final = "QQGNjuO8dheyqIzJdXzP7uYBjY7jvHYXsqiMyXV8z-4BnY7jvH"
_HASH: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_encode: Final = msgspec.json.Encoder().encode

_PlaceToken = Annotated[
    str,
    HeaderParameter(
        name="Place-Token",
        max_length=TOKEN_CHARACTERS_MAX,
        description="The `token` of the answer to entering.",
    ),
]
_Digits = Annotated[str, msgspec.Meta(examples=[_HASH])]


class WaitingRoomView(msgspec.Struct, frozen=True):
    """The waiting room of an event, at most half a second old.

    `stage`: upcoming; open (who enters now gets an equal place); drawing (the list is closed, and the public
    value is not known yet); admitting. `draws_at`: when the sale begins, the list closes and the order is
    drawn. `per_minute`: at most so many people are admitted in a minute; `per_minute_now`: as many as it are
    now, which may be fewer when few tickets are left or the system has much to do. `seed_hash`: SHA-256 of
    the seed, published before anybody could enter. `public_source`: where the public value is read; empty:
    there is none. `entries`: how many people have entered; `listed`: how many of them were on the list when
    it closed. `sold_out`: nothing is left now; tickets that come back go to the waitlist first.
    """

    event_id: str
    stage: Annotated[RoomStage, msgspec.Meta(examples=["admitting"])]
    opens_at: Annotated[datetime, msgspec.Meta(examples=["2027-03-01T08:00:00Z"])]
    draws_at: Annotated[datetime, msgspec.Meta(examples=["2027-03-01T09:00:00Z"])]
    per_minute: Annotated[int, msgspec.Meta(examples=[600])]
    per_minute_now: Annotated[int | None, msgspec.Meta(examples=[600])]
    public_source: Annotated[str, msgspec.Meta(examples=[""])]
    seed_hash: _Digits
    entries: Annotated[int, msgspec.Meta(examples=[1842])]
    listed: Annotated[int | None, msgspec.Meta(examples=[1620])]
    list_hash: Annotated[str | None, msgspec.Meta(examples=[_HASH])]
    drawn_at: Annotated[datetime | None, msgspec.Meta(examples=["2027-03-01T09:00:00.125Z"])]
    sold_out: Annotated[bool, msgspec.Meta(examples=[False])]


class AdmissionView(msgspec.Struct, frozen=True):
    """An admission: send `token` as `Admission-Token` when you book, before it expires."""

    token: Annotated[str, msgspec.Meta(examples=[_SIGNED])]
    expires_at: Annotated[datetime, msgspec.Meta(examples=["2027-03-01T09:10:00Z"])]


class PlaceView(msgspec.Struct, frozen=True):
    """A place in the waiting room.

    `state`: entered (the list is open); drawing (it is closed, and the public value is awaited); waiting;
    admitted; passed (the turn came, and was not used within ten minutes, or the ten minutes to book are over:
    enter again for a new place). `position`: in the order, from 1. `ahead`: how many people are admitted
    before. `turn_at`: when the turn comes at the pace of now; null: nobody is admitted now.
    `wait_from_seconds` and `wait_to_seconds`: how long it is likely to take, if nobody who is before buys,
    and if each of them takes a ticket; the second is null when everything may be sold before. `sold_out`:
    nothing is left now, and people join the waitlist. Poll again after `poll_after_seconds`, which
    `Retry-After` says, too.
    """

    state: Annotated[PlaceState, msgspec.Meta(examples=["waiting"])]
    position: Annotated[int | None, msgspec.Meta(examples=[118])]
    ahead: Annotated[int | None, msgspec.Meta(examples=[42])]
    turn_at: Annotated[datetime | None, msgspec.Meta(examples=["2027-03-01T09:00:12Z"])]
    wait_from_seconds: Annotated[int | None, msgspec.Meta(examples=[4])]
    wait_to_seconds: Annotated[int | None, msgspec.Meta(examples=[7])]
    admission: Annotated[AdmissionView | None, msgspec.Meta(examples=[None])]
    sold_out: Annotated[bool, msgspec.Meta(examples=[False])]
    poll_after_seconds: Annotated[int, msgspec.Meta(examples=[4])]


class EnteredView(PlaceView, frozen=True):
    """A place, with the token with which it is polled.

    `id`: the entry on the public list, which says nothing about its person. `late`: the list was closed when
    the person came, so the place is after all that are on it.
    """

    id: Annotated[str, msgspec.Meta(examples=[_ENTRY])]
    token: Annotated[str, msgspec.Meta(examples=[_SIGNED])]
    late: Annotated[bool, msgspec.Meta(examples=[False])]


class DrawView(msgspec.Struct, frozen=True):
    """Everything that is needed to compute the order again; `docs/waiting-room.md` has a program.

    The rank of an entry is HMAC-SHA-256 of its id, the list hash and the public value, one after the other as
    text, under the seed; the smallest rank is first. The list hash is SHA-256 of all ids on the list, in
    order, one after the other. `seed`, `public_value` and `drawn_at` are null until the order is drawn, the
    list until it is closed. `data`: a page of the ids on the list, in order.
    """

    event_id: str
    opens_at: Annotated[datetime, msgspec.Meta(examples=["2027-03-01T08:00:00Z"])]
    draws_at: Annotated[datetime, msgspec.Meta(examples=["2027-03-01T09:00:00Z"])]
    seed_hash: _Digits
    public_source: Annotated[str, msgspec.Meta(examples=[""])]
    listed: Annotated[int | None, msgspec.Meta(examples=[1620])]
    list_hash: Annotated[str | None, msgspec.Meta(examples=[_HASH])]
    drawn_at: Annotated[datetime | None, msgspec.Meta(examples=["2027-03-01T09:00:00.125Z"])]
    seed: Annotated[str | None, msgspec.Meta(examples=[_HASH])]
    public_value: Annotated[str | None, msgspec.Meta(examples=[""])]
    data: Annotated[list[str], msgspec.Meta(examples=[[_ENTRY]])]
    next_cursor: Annotated[str | None, msgspec.Meta(examples=[None])]


class PublicValueBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The public value, as everybody can read it at its source. Spaces around it do not count."""

    value: Annotated[str, text(VALUE_CHARACTERS_MAX, _HASH)]


@get(
    "/v1/events/{event_id}/waiting-room",
    operation_id="getWaitingRoom",
    summary="Get the waiting room of an event",
    tags=[_TAG],
    responses=problems(SalesRefusal.EVENT_NOT_FOUND, WaitingRoomRefusal.NO_WAITING_ROOM),
    **policy(PUBLIC),
)
async def get_waiting_room(request: Request, event_id: FromPath[EventId]) -> Response[WaitingRoomView]:
    """Return the waiting room of an event."""
    now = await request.context.waiting_rooms.get_room(event_id)
    return _answer(request, now)


@put(
    "/v1/events/{event_id}/waiting-room",
    operation_id="putWaitingRoom",
    summary="Put a waiting room before a sale",
    description=(
        "Until the sale begins, everybody who enters gets an equal place; then the order is drawn. Bookings "
        "need an admission from then on. Possible until the sale begins, and while nobody waits on the "
        "waitlist. Its beginning cannot be changed any more, and once the waiting room has opened only "
        "`per_minute` can. A change of a waiting room that is there names its version in `If-Match`. With "
        "`public_source`, the order is drawn when you send the public value, and nobody is admitted before."
    ),
    tags=[_ORGANIZERS],
    responses=problems(SalesRefusal.WAITING_ROOM_FIXED, SalesRefusal.EVENT_CANCELLED, 412, 428),
    **policy(organizer("manager", "events:write")),
)
async def put_waiting_room(
    request: Request, event_id: FromPath[EventId], data: JSONBody[WaitingRoomTerms]
) -> Response[WaitingRoomView]:
    """Put a waiting room before a sale, or change it."""
    context = request.context

    def seen(version: int) -> None:
        if version:
            require_if_match(request, version)

    async with context.database.transaction() as tx:
        room = await waitingroom.put_room(tx, event_id, data, context.clock(), seen)
    context.waiting_rooms.forget_room(event_id)
    glance = await context.engine.get_glance(event_id)
    return _answer(request, RoomNow(room, glance, waitingroom.count_left(glance, context.clock())))


@delete(
    "/v1/events/{event_id}/waiting-room",
    operation_id="removeWaitingRoom",
    summary="Remove the waiting room of a sale",
    description="Possible until it opens: then people have a place in it.",
    tags=[_ORGANIZERS],
    responses=problems(
        WaitingRoomRefusal.NO_WAITING_ROOM,
        SalesRefusal.WAITING_ROOM_FIXED,
        SalesRefusal.EVENT_CANCELLED,
        412,
        428,
    ),
    **policy(organizer("manager", "events:write")),
)
async def remove_waiting_room(request: Request, event_id: FromPath[EventId]) -> Response[None]:
    """Remove a waiting room that has not opened."""
    context = request.context
    async with context.database.transaction() as tx:
        await waitingroom.remove_room(tx, event_id, context.clock(), partial(require_if_match, request))
    context.waiting_rooms.forget_room(event_id)
    return Response(None, headers=NO_STORE)


@post(
    "/v1/events/{event_id}/waiting-room/public-value",
    operation_id="putPublicValue",
    summary="Draw the order with the public value",
    description=(
        "For a waiting room with a `public_source`: sends what was read there after the list was closed. The "
        "order is drawn at once. Everybody can compare the value with its source. Safe to repeat."
    ),
    tags=[_ORGANIZERS],
    status_code=200,
    responses=problems(
        WaitingRoomRefusal.NO_WAITING_ROOM,
        WaitingRoomRefusal.VALUE_NOT_WANTED,
    ),
    **policy(organizer("manager", "events:write")),
)
async def put_public_value(
    request: Request, event_id: FromPath[EventId], data: JSONBody[PublicValueBody]
) -> Response[WaitingRoomView]:
    """Draw the order with the public value."""
    complaints = Complaints()
    complaints.check("", data)
    complaints.refuse_if_any()
    context = request.context
    async with context.database.transaction() as tx:
        await waitingroom.put_public_value(tx, event_id, data.value, context.clock())
    context.waiting_rooms.forget_room(event_id)
    return _answer(request, await context.waiting_rooms.get_room(event_id))


@post(
    "/v1/events/{event_id}/waiting-room/entries",
    operation_id="enterWaitingRoom",
    summary="Enter a waiting room",
    description=(
        "Gives the caller a place: one for each account, however often it enters. Until the sale begins all "
        "places are equal; who comes later is behind all others. Poll the place with its `token`."
    ),
    tags=[_TAG],
    responses=problems(
        SalesRefusal.EVENT_NOT_FOUND,
        SalesRefusal.EVENT_CANCELLED,
        SalesRefusal.SALE_ENDED,
        WaitingRoomRefusal.NO_WAITING_ROOM,
        WaitingRoomRefusal.NOT_OPEN,
        WaitingRoomRefusal.FULL,
    ),
    **policy(SIGNED_IN, rate="bookings"),
)
async def enter_waiting_room(request: Request, event_id: FromPath[EventId]) -> Response[EnteredView]:
    """Give the caller a place."""
    found = request.context.waiting_rooms
    entry = await found.enter(event_id, request.actor.id)
    now = await found.get_room(event_id)
    view = _show_place(request, entry, await found.find_place(entry, now), now)
    entered = EnteredView(
        **msgspec.structs.asdict(view),
        id=entry.entry_id.hex,
        token=found.sign_place(entry),
        late=entry.late_number is not None,
    )
    return Response(entered, status_code=201, headers=_headers(view))


@get(
    "/v1/events/{event_id}/waiting-room/place",
    operation_id="getPlace",
    summary="Get a place in a waiting room",
    description=(
        "Answers from memory, so you may poll it; `poll_after_seconds` says when. When the turn has come, "
        "the answer has an admission. A place is kept for ten minutes after its turn has come."
    ),
    tags=[_TAG],
    responses=problems(
        SalesRefusal.EVENT_NOT_FOUND,
        SalesRefusal.EVENT_CANCELLED,
        SalesRefusal.SALE_ENDED,
        WaitingRoomRefusal.NO_WAITING_ROOM,
        WaitingRoomRefusal.PLACE_NOT_VALID,
    ),
    **policy(PUBLIC, rate="unlimited"),
)
async def get_place(
    request: Request, event_id: FromPath[EventId], place_token: _PlaceToken
) -> Response[PlaceView]:
    """Return where a person stands."""
    found = request.context.waiting_rooms
    entry = await _read_place(request, event_id, place_token)
    now = await found.get_room(event_id)
    view = _show_place(request, entry, await found.find_place(entry, now), now)
    return Response(view, headers=_headers(view))


async def _read_place(request: Request, event_id: UUID, token: str) -> Entry:
    """Return the entry that a token names, and count the poll as its person's.

    Very many people may share an address; what is no token counts as its address's.
    """
    limits, exchange = request.context.limits, request.exchange
    try:
        entry = request.context.waiting_rooms.read_place(token, event_id)
    except Refused:
        await limits.check("reads", address_key(exchange.client), exchange)
        raise
    await limits.check("reads", entry.person_id, exchange)
    return entry


@get(
    "/v1/events/{event_id}/waiting-room/draw",
    operation_id="getDraw",
    summary="Get the draw of a waiting room",
    description=(
        "Everything that is needed to compute the order again. Ids of entries say nothing about people. In "
        f"pages of {_PAGE:,} entries: the next one with `after={{next_cursor}}`."
    ),
    tags=[_TAG],
    responses=problems(SalesRefusal.EVENT_NOT_FOUND, WaitingRoomRefusal.NO_WAITING_ROOM),
    **policy(PUBLIC),
)
async def get_draw(
    request: Request,
    event_id: FromPath[EventId],
    after: Annotated[
        str | None, QueryParameter(max_length=32, description="The `next_cursor` of the page before.")
    ] = None,
) -> Response[DrawView]:
    """Return a page of the draw."""
    context = request.context
    last = NO_ID if after is None else find_uuid(after)
    if last is None:
        raise Invalid([FieldError("?after", "not-a-cursor")])
    now = await context.waiting_rooms.get_room(event_id)
    key = ("draw", event_id, last, now.room.closed_at, now.room.drawn_at)
    found: Kept = await context.memory.get(key, partial(_read_draw, request, now, last))
    answer: Response[Any] = send(request, found)
    return answer


async def _read_draw(request: Request, now: RoomNow, after: UUID) -> Kept:
    room, entries = now.room, list[str]()
    if room.closed_at is not None:
        entries = await waitingroom.list_entries(request.context.database, room.event_id, after, _PAGE)
    drawn = room.drawn_at is not None
    view = DrawView(
        show_id("evt", room.event_id),
        room.opens_at,
        room.draws_at,
        room.seed_hash.hex(),
        room.public_source,
        room.listed,
        None if room.list_hash is None else room.list_hash.hex(),
        room.drawn_at,
        room.seed.hex() if drawn else None,
        room.public_value,
        entries,
        entries[-1] if len(entries) == _PAGE else None,
    )
    if drawn:
        return kept(_encode(view), f"public, max-age={_DRAWN_SECONDS:.0f}", seconds=_DRAWN_SECONDS)
    return kept(_encode(view), "public, max-age=0, must-revalidate")


def _answer(request: Request, now: RoomNow) -> Response[WaitingRoomView]:
    room = now.room
    at = request.context.clock()
    view = WaitingRoomView(
        show_id("evt", room.event_id),
        room.stage(at),
        room.opens_at,
        room.draws_at,
        room.per_minute,
        room.paces.now.per_minute if room.paces else None,
        room.public_source,
        room.seed_hash.hex(),
        room.entries,
        room.listed,
        None if room.list_hash is None else room.list_hash.hex(),
        room.drawn_at,
        now.sold_out,
    )
    return Response(view, headers={"etag": etag_of(room.version), **NO_STORE})


def _show_place(request: Request, entry: Entry, place: Place, now: RoomNow) -> PlaceView:
    admission, wait = place.admission, place.wait
    return PlaceView(
        place.state,
        place.position,
        place.ahead,
        place.turn_at,
        None if wait is None else wait.soonest,
        None if wait is None else wait.latest,
        None if admission is None else AdmissionView(admission.token, admission.expires_at),
        now.sold_out,
        next_poll(place, now, entry.entry_id, request.context.clock()),
    )


def _headers(view: PlaceView) -> dict[str, str]:
    return {**NO_STORE, "retry-after": str(view.poll_after_seconds)}


routes: Final = [
    get_waiting_room,
    put_waiting_room,
    remove_waiting_room,
    put_public_value,
    enter_waiting_room,
    get_place,
    get_draw,
]
