"""Book, look, cancel; availability, the journal and the proof of an event. Placing a booking is the hot path of the whole system."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Final, TypeAlias
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter

from evently import sales
from evently.kit.errors import FieldError, Invalid, Refused
from evently.kit.ids import find_id, parse_id, reference_of, show_id, show_secret
from evently.kit.money import Money
from evently.sales import SalesRefusal
from evently.web.auth import PUBLIC, SIGNED_IN, organizer, policy
from evently.web.conditional import etag_of, not_modified
from evently.web.context import Answer, Request
from evently.web.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.problems import problem, problems

_AT_THE_DOOR: Final = "door"
_NOTHING: Final = "none"
_PRIVATE: Final = {"cache-control": "no-store"}
_FRESH: Final = "public, max-age=0, must-revalidate"  # a shared cache may keep it, and must ask each time: a sale is quicker than a cache
_KEY_LENGTH_MAX: Final = 255
_encode: Final = msgspec.json.Encoder().encode

IdempotencyKey: TypeAlias = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=_KEY_LENGTH_MAX,
        description="Makes the request safe to repeat: the same key and body are answered the same, whatever became of the first answer.",
    ),
]


class LineBody(msgspec.Struct, forbid_unknown_fields=True):
    """So many tickets of one type."""

    ticket_type_id: Annotated[str, msgspec.Meta(examples=["tty_01m7y4ef72ev2sxmcnxfse27zp"])]
    quantity: Annotated[int, msgspec.Meta(ge=1, le=sales.UNITS_MAX, examples=[2])]


class BookingBody(msgspec.Struct, forbid_unknown_fields=True):
    """What to book: each ticket type at most once."""

    lines: Annotated[list[LineBody], msgspec.Meta(min_length=1, max_length=sales.LINES_MAX)]


class CancelBody(msgspec.Struct, forbid_unknown_fields=True):
    """Which tickets to cancel; all of them when none are named."""

    ticket_ids: Annotated[list[str], msgspec.Meta(min_length=1, max_length=sales.UNITS_MAX)] | None = None


class TicketView(msgspec.Struct, frozen=True):
    """One ticket. `code` admits one person; it is null while the booking is not confirmed."""

    id: str
    ticket_type_id: str
    price: Money
    state: str
    code: str | None


class BookingView(msgspec.Struct, frozen=True):
    """One booking. `amount_due` is what its tickets cost, to be paid as `payment` says: at the `door`, or `none`."""

    id: str
    reference: str
    event_id: str
    buyer_id: str
    state: str
    placed_at: datetime
    expires_at: datetime | None
    ended_at: datetime | None
    amount_due: Money
    payment: str
    tickets: list[TicketView]


class TypeAvailability(msgspec.Struct, frozen=True):
    """How many tickets of a type could be booked now."""

    ticket_type_id: str
    available: int


class AvailabilityView(msgspec.Struct, frozen=True):
    """What an event has left, at most a quarter of a second ago. `state`: not_yet_on_sale, on_sale, sold_out, ended, cancelled."""

    event_id: str
    state: str
    on_sale_at: datetime
    off_sale_at: datetime
    ticket_types: list[TypeAvailability]


class JournalRowView(msgspec.Struct, frozen=True):
    """One batch's facts. `hash` is sha256(hash of the row before || facts_text as UTF-8), hexadecimal."""

    seq: int
    at: datetime
    hash: str
    facts_text: str


class PoolCounters(msgspec.Struct, frozen=True):
    """The counters of a pool."""

    pool_id: str
    name: str
    capacity: int
    held: int
    sold: int
    set_aside: int


class ProofView(msgspec.Struct, frozen=True):
    """What is stored beside what a replay of the journal from empty gives. `consistent` says whether they are the same."""

    event_id: str
    seq: int
    head_hash: str
    consistent: bool
    differences: list[str]
    stored: list[PoolCounters]
    recomputed: list[PoolCounters]


_PLACING: Final = (
    SalesRefusal.EVENT_NOT_FOUND,
    SalesRefusal.UNKNOWN_TICKET_TYPE,
    SalesRefusal.SOLD_OUT,
    SalesRefusal.NOT_ON_SALE_YET,
    SalesRefusal.SALE_ENDED,
    SalesRefusal.EVENT_CANCELLED,
    SalesRefusal.OVER_BOOKING_LIMIT,
    SalesRefusal.OVER_BUYER_LIMIT,
    SalesRefusal.KEY_REUSED,
)
_CANCELLING: Final = (
    SalesRefusal.BOOKING_NOT_FOUND,
    SalesRefusal.UNKNOWN_TICKET,
    SalesRefusal.ALREADY_CANCELLED,
    SalesRefusal.HOLD_EXPIRED,
    SalesRefusal.TICKET_USED,
    SalesRefusal.KEY_REUSED,
)


@post(
    "/v1/events/{event_id:str}/bookings",
    operation_id="placeBooking",
    summary="Book tickets",
    description="Confirmed at once: free tickets are free, priced ones are paid at the door.",
    tags=["Bookings"],
    responses=problems(*_PLACING),
    **policy(SIGNED_IN, rate="bookings", hot=True),
)
async def place_booking(
    request: Request, event_id: FromPath[str], data: JSONBody[BookingBody], idempotency_key: IdempotencyKey = None
) -> Answer[BookingView]:
    """Book tickets; answered once the booking is durable."""
    command = sales.PlaceBooking(
        parse_id("evt", event_id),
        request.actor.id,
        _lines(data.lines),
        key=_key(idempotency_key),
        fingerprint=_fingerprint("place", event_id, data),
    )
    return _answer(request, await request.context.engine.submit(command), created=True)


@post(
    "/v1/bookings/{booking_id:str}/cancel",
    operation_id="cancelBooking",
    summary="Cancel my booking, or some of its tickets",
    description="Possible until the event starts.",
    tags=["Bookings"],
    status_code=200,
    responses=problems(*_CANCELLING, SalesRefusal.TOO_LATE_TO_CANCEL),
    **policy(SIGNED_IN, rate="bookings"),
)
async def cancel_booking(
    request: Request, booking_id: FromPath[str], data: JSONBody[CancelBody], idempotency_key: IdempotencyKey = None
) -> Answer[BookingView]:
    """Cancel a booking of whoever asks."""
    where = await sales.locate_booking(request.context.database, parse_id("bkg", booking_id))
    command = _cancel_command(request, where.event_id, booking_id, data, idempotency_key)
    own = msgspec.structs.replace(command, buyer_id=request.actor.id, not_after=where.event_starts_at)
    return _answer(request, await request.context.engine.submit(own), created=False)


@post(
    "/v1/events/{event_id:str}/bookings/{booking_id:str}/cancel",
    operation_id="cancelEventBooking",
    summary="Cancel a buyer's booking, or some of its tickets",
    description="For the organizer, at any time.",
    tags=["Organizer: bookings"],
    status_code=200,
    responses=problems(*_CANCELLING),
    **policy(organizer("manager", "bookings:write")),
)
async def cancel_event_booking(
    request: Request,
    event_id: FromPath[str],
    booking_id: FromPath[str],
    data: JSONBody[CancelBody],
    idempotency_key: IdempotencyKey = None,
) -> Answer[BookingView]:
    """Cancel a booking of the organizer's event."""
    command = _cancel_command(request, parse_id("evt", event_id), booking_id, data, idempotency_key)
    return _answer(request, await request.context.engine.submit(command), created=False)


@get(
    "/v1/bookings/{booking_id:str}",
    operation_id="getBooking",
    summary="One of my bookings",
    tags=["Bookings"],
    responses=problems(SalesRefusal.BOOKING_NOT_FOUND),
    **policy(SIGNED_IN),
)
async def get_booking(request: Request, booking_id: FromPath[str]) -> Answer[BookingView]:
    """Return a booking to its buyer."""
    booking = await sales.get_booking(request.context.database, parse_id("bkg", booking_id))
    if booking.buyer_id != request.actor.id:
        raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
    return Answer(show_booking(booking), headers=_PRIVATE)


@get(
    "/v1/events/{event_id:str}/bookings/{booking_id:str}",
    operation_id="getEventBooking",
    summary="One booking of an event",
    tags=["Organizer: bookings"],
    responses=problems(SalesRefusal.BOOKING_NOT_FOUND),
    **policy(organizer("door", "bookings:read")),
)
async def get_event_booking(request: Request, event_id: FromPath[str], booking_id: FromPath[str]) -> Answer[BookingView]:
    """Return a booking of the organizer's event."""
    booking = await sales.get_booking(request.context.database, parse_id("bkg", booking_id))
    if booking.event_id != parse_id("evt", event_id):
        raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
    return Answer(show_booking(booking), headers=_PRIVATE)


@get(
    "/v1/me/bookings",
    operation_id="listMyBookings",
    summary="My bookings, newest first",
    tags=["Bookings"],
    responses=problems(),
    **policy(SIGNED_IN),
)
async def list_my_bookings(
    request: Request,
    kind: Annotated[str, QueryParameter(pattern="^(upcoming|past|cancelled|all)$", description="upcoming, past, cancelled or all")] = "all",
    limit: Limit = LIMIT,
    after: After = None,
) -> Answer[PageView[BookingView]]:
    """List the bookings of whoever asks. What is over is past; what was cancelled or expired is neither upcoming nor past."""
    context = request.context
    page = await sales.list_bookings_of_buyer(context.database, request.actor.id, kind, context.clock(), limit, after)
    return paginated(request, page, show_booking)


@get(
    "/v1/events/{event_id:str}/bookings",
    operation_id="listEventBookings",
    summary="The bookings of an event, newest first",
    tags=["Organizer: bookings"],
    responses=problems(),
    **policy(organizer("door", "bookings:read")),
)
async def list_event_bookings(
    request: Request,
    event_id: FromPath[str],
    in_state: Annotated[
        str | None,
        QueryParameter(name="state", pattern="^(held|confirmed|expired|cancelled)$", description="held, confirmed, expired or cancelled"),
    ] = None,
    limit: Limit = LIMIT,
    after: After = None,
) -> Answer[PageView[BookingView]]:
    """List an event's bookings for its organizer."""
    page = await sales.list_bookings_of_event(request.context.database, parse_id("evt", event_id), in_state, limit, after)
    return paginated(request, page, show_booking)


@get(
    "/v1/events/{event_id:str}/availability",
    operation_id="getAvailability",
    summary="What is left",
    description="At most a quarter of a second old. However many ask, it costs a handful of statements a second.",
    tags=["Events"],
    responses=problems(SalesRefusal.EVENT_NOT_FOUND),
    **policy(PUBLIC, hot=True),
)
async def get_availability(request: Request, event_id: FromPath[str]) -> Answer[AvailabilityView] | Answer[None]:
    """Return what an event has left."""
    glance = await request.context.engine.look(parse_id("evt", event_id))
    if glance.state == "closed":
        raise Refused(SalesRefusal.EVENT_NOT_FOUND)
    state = _state(glance, request.context.clock())
    etag = etag_of(f"{glance.seq}-{state}")
    if unchanged := not_modified(request, etag, _FRESH):
        return unchanged
    types = [TypeAvailability(show_id("tty", type_id), units) for type_id, units in glance.available.items()]
    view = AvailabilityView(event_id, state, glance.on_sale_at, glance.off_sale_at, types)
    return Answer(view, headers={"etag": etag, "cache-control": _FRESH})


@get(
    "/v1/events/{event_id:str}/journal",
    operation_id="readJournal",
    summary="Everything that ever happened to an event's sale",
    description="In order. Facts name people, tickets and pools by their UUIDs, exactly as they were hashed.",
    tags=["Organizer: proof"],
    responses=problems(),
    **policy(organizer("manager", "events:read")),
)
async def read_journal(
    request: Request, event_id: FromPath[str], limit: Limit = LIMIT, after: After = None
) -> Answer[PageView[JournalRowView]]:
    """Return a page of the journal of an event."""
    page = await sales.list_journal(request.context.database, parse_id("evt", event_id), limit, after)
    return paginated(request, page, _show_journal_row)


@get(
    "/v1/events/{event_id:str}/proof",
    operation_id="proveEvent",
    summary="The counters beside a replay of the journal",
    tags=["Organizer: proof"],
    responses=problems(),
    **policy(organizer("manager", "events:read"), rate="heavy"),
)
async def prove_event(request: Request, event_id: FromPath[str]) -> Answer[ProofView]:
    """Replay the journal of an event from empty and compare it with what is stored, both at one instant."""
    proof = await sales.prove(request.context.database, parse_id("evt", event_id))
    view = ProofView(
        event_id,
        proof.seq,
        proof.head_hash.hex(),
        not proof.differences,
        proof.differences,
        [_counters(pool) for pool in proof.stored],
        [_counters(pool) for pool in proof.recomputed],
    )
    return Answer(view, headers=_PRIVATE)


def show_booking(booking: sales.Booking) -> BookingView:
    """Return a booking as clients see it. Deterministic, so that a replay shows what the first answer showed."""
    currency, total = booking.currency, booking.total_minor()
    confirmed = booking.confirmed_at is not None
    return BookingView(
        show_id("bkg", booking.booking_id),
        reference_of(booking.booking_id),
        show_id("evt", booking.event_id),
        show_id("per", booking.buyer_id),
        booking.state,
        booking.placed_at,
        booking.expires_at,
        booking.ended_at,
        Money(total, currency),
        _AT_THE_DOOR if total else _NOTHING,
        [_show_ticket(ticket, currency, confirmed=confirmed) for ticket in booking.tickets],
    )


def _show_ticket(ticket: sales.Ticket, currency: str, *, confirmed: bool) -> TicketView:
    """Return a ticket. Its code is its id, which finds it, and its secret, which proves it."""
    ticket_id = show_id("tkt", ticket.ticket_id)
    code = ticket_id[4:].upper() + show_secret(ticket.secret) if confirmed else None
    return TicketView(ticket_id, show_id("tty", ticket.ticket_type_id), Money(ticket.price_minor, currency), ticket.state, code)


def _show_journal_row(row: sales.JournalRow) -> JournalRowView:
    return JournalRowView(row.seq, row.at, row.hash.hex(), row.facts.decode())


def _answer(request: Request, outcome: sales.Outcome, *, created: bool) -> Answer[BookingView]:
    if isinstance(outcome, sales.No):
        return problem(request, outcome.refusal, outcome.detail)  # no exception: thousands a second are refused
    assert isinstance(outcome, sales.Booked), "a booking command is answered with a booking"
    view = show_booking(outcome.booking)
    headers = {"cache-control": "no-store"}
    if created:
        headers["location"] = f"/v1/bookings/{view.id}"
    if outcome.replayed:
        headers["idempotent-replayed"] = "true"
    return Answer(view, status_code=201 if created else 200, headers=headers)


def _cancel_command(
    request: Request, event_id: UUID, booking_id: str, data: CancelBody, idempotency_key: str | None
) -> sales.CancelBooking:
    return sales.CancelBooking(
        event_id,
        parse_id("bkg", booking_id),
        request.actor.id,
        None,
        _ticket_ids(data.ticket_ids),
        key=_key(idempotency_key),
        fingerprint=_fingerprint("cancel", booking_id, data),
    )


def _key(given: str | None) -> str | None:
    """Return the key, whether it came quoted (as the draft says) or bare (as everybody sends it); refuses what is no visible ASCII."""
    if given is None:
        return None
    bare = given[1:-1] if len(given) > 1 and given[0] == given[-1] == '"' else given
    if not bare or not bare.isascii() or not bare.isprintable():
        raise Invalid([FieldError("Idempotency-Key", f"is 1 to {_KEY_LENGTH_MAX} printable ASCII characters")])
    return bare


def _lines(lines: list[LineBody]) -> tuple[sales.Line, ...]:
    """Return the lines of a command; refuses what no sale could make sense of, all at once."""
    errors: list[FieldError] = []
    found: dict[UUID, sales.Line] = {}
    for index, line in enumerate(lines):
        type_id = find_id("tty", line.ticket_type_id)
        if type_id is None:
            errors.append(FieldError(f"/lines/{index}/ticket_type_id", "is not an id of the form tty_…"))
        elif type_id in found:
            errors.append(FieldError(f"/lines/{index}/ticket_type_id", "names a ticket type that an earlier line names"))
        else:
            found[type_id] = sales.Line(type_id, line.quantity)
    if sum(line.quantity for line in lines) > sales.UNITS_MAX:
        errors.append(FieldError("/lines", f"is more than {sales.UNITS_MAX} tickets"))
    if errors:
        raise Invalid(errors)
    return tuple(found.values())


def _ticket_ids(texts: list[str] | None) -> tuple[UUID, ...] | None:
    if texts is None:
        return None
    found = [find_id("tkt", text) for text in texts]
    errors = [FieldError(f"/ticket_ids/{index}", "is not an id of the form tkt_…") for index, ticket in enumerate(found) if ticket is None]
    if errors:
        raise Invalid(errors)
    return tuple(ticket for ticket in found if ticket is not None)


def _fingerprint(verb: str, path_id: str, body: msgspec.Struct) -> bytes:
    """Return what a key is bound to: the verb, what it is done to, and the meaning of the body."""
    return hashlib.sha256(b"\n".join((verb.encode(), path_id.encode(), _encode(body)))).digest()


def _state(glance: sales.Glance, now: datetime) -> str:
    if glance.state == "cancelled":
        return "cancelled"
    if now < glance.on_sale_at:
        return "not_yet_on_sale"
    if now >= glance.off_sale_at:
        return "ended"
    return "on_sale" if any(units > 0 for units in glance.available.values()) else "sold_out"


def _counters(pool: sales.Pool) -> PoolCounters:
    return PoolCounters(show_id("pol", pool.pool_id), pool.name, pool.capacity, pool.held, pool.sold, pool.set_aside)


routes: Final = [
    place_booking,
    cancel_booking,
    cancel_event_booking,
    get_booking,
    get_event_booking,
    list_my_bookings,
    list_event_bookings,
    get_availability,
    read_journal,
    prove_event,
]
