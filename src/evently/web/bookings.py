"""Book, look, cancel; availability, the journal and the proof of an event. The booking route is the hot path of the whole system."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.params import Parameter

from evently import catalogue, sales
from evently.kit.errors import FieldError, Invalid, Refused
from evently.kit.ids import find_id, parse_id, reference_of, show_id, show_secret
from evently.kit.money import Money
from evently.web.auth import PUBLIC, SIGNED_IN, Actor, organizer, policy
from evently.web.conditional import etag_of, not_modified
from evently.web.context import Context
from evently.web.lists import After, Limit, PageView, paginated
from evently.web.problems import problems

_AT_THE_DOOR: Final = "door"
_NOTHING: Final = "none"
_encode: Final = msgspec.json.Encoder().encode

IdempotencyKey = Annotated[
    str | None,
    Parameter(
        header="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Makes the request safe to repeat: the same key and body are answered the same, whatever happened to the first answer.",
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


@post(
    "/v1/events/{event_id:str}/bookings",
    operation_id="placeBooking",
    summary="Book tickets",
    description="Free tickets are free; priced ones are confirmed at once and paid at the door.",
    tags=["Bookings"],
    responses=problems(
        401,
        "event-not-found",
        "unknown-ticket-type",
        "sold-out",
        "not-on-sale-yet",
        "sale-ended",
        "event-cancelled",
        "over-booking-limit",
        "over-buyer-limit",
        "key-reused",
        413,
        415,
        422,
        429,
        503,
    ),
    **policy(SIGNED_IN, rate="bookings"),
)
async def place_booking(
    event_id: str, data: BookingBody, actor: Actor, context: Context, idempotency_key: IdempotencyKey = None
) -> Response[BookingView]:
    """Book tickets; answered once the booking is durable."""
    command = sales.PlaceBooking(
        parse_id("evt", event_id),
        actor.id,
        _lines(data.lines),
        key=idempotency_key,
        fingerprint=_fingerprint("place", event_id, data),
    )
    return _answer(await context.engine.submit(command), created=True)


@post(
    "/v1/bookings/{booking_id:str}/cancel",
    operation_id="cancelBooking",
    summary="Cancel a booking or some of its tickets",
    tags=["Bookings"],
    status_code=200,
    responses=problems(
        401,
        "booking-not-found",
        "unknown-ticket",
        "already-cancelled",
        "hold-expired",
        "ticket-used",
        "too-late-to-cancel",
        "key-reused",
        413,
        415,
        422,
        429,
        503,
    ),
    **policy(SIGNED_IN, rate="bookings", scope="bookings:write"),
)
async def cancel_booking(
    booking_id: str, actor: Actor, context: Context, data: CancelBody | None = None, idempotency_key: IdempotencyKey = None
) -> Response[BookingView]:
    """Cancel: buyers their own until the event starts, managers of the organizer any."""
    body = data or CancelBody()
    booking = await sales.get_booking(context.database, parse_id("bkg", booking_id))
    event = await catalogue.get_event(context.database, booking.event_id)
    is_buyer = booking.buyer_id == actor.id
    if not is_buyer and not await context.access.is_member(actor, event.organizer_id, "manager", "bookings:write"):
        raise Refused(sales.SalesRefusal.BOOKING_NOT_FOUND)
    command = sales.CancelBooking(
        booking.event_id,
        booking.booking_id,
        actor.id,
        actor.id if is_buyer else None,
        _ticket_ids(body.ticket_ids),
        event.starts_at if is_buyer else None,
        idempotency_key,
        _fingerprint("cancel", booking_id, body),
    )
    return _answer(await context.engine.submit(command), created=False)


@get(
    "/v1/bookings/{booking_id:str}",
    operation_id="getBooking",
    summary="One booking",
    tags=["Bookings"],
    responses=problems(401, "booking-not-found", 429, 503),
    **policy(SIGNED_IN, scope="bookings:read"),
)
async def get_booking(booking_id: str, actor: Actor, context: Context) -> BookingView:
    """Return a booking to its buyer, and to members of its organizer."""
    booking = await sales.get_booking(context.database, parse_id("bkg", booking_id))
    if booking.buyer_id != actor.id:
        event = await catalogue.get_event(context.database, booking.event_id)
        if not await context.access.is_member(actor, event.organizer_id, "door", "bookings:read"):
            raise Refused(sales.SalesRefusal.BOOKING_NOT_FOUND)
    return show_booking(booking)


@get(
    "/v1/me/bookings",
    operation_id="listMyBookings",
    summary="My bookings, newest first",
    tags=["Bookings"],
    responses=problems(401, 422, 429, 503),
    **policy(SIGNED_IN),
)
async def list_my_bookings(
    request: Request[Any, Any, Any],
    actor: Actor,
    context: Context,
    kind: Annotated[str, Parameter(description="upcoming, past, cancelled or all", pattern="^(upcoming|past|cancelled|all)$")] = "all",
    limit: Limit = 20,
    after: After = None,
) -> Response[PageView[BookingView]]:
    """List the bookings of whoever asks."""
    page = await sales.list_bookings_of_buyer(context.database, actor.id, kind, context.clock(), limit, after)
    return paginated(request, page, show_booking)


@get(
    "/v1/events/{event_id:str}/bookings",
    operation_id="listEventBookings",
    summary="The bookings of an event, newest first",
    tags=["Bookings"],
    responses=problems(401, 403, 404, 422, 429, 503),
    **policy(organizer("door", "bookings:read")),
)
async def list_event_bookings(
    request: Request[Any, Any, Any],
    event_id: str,
    context: Context,
    state: Annotated[str | None, Parameter(pattern="^(held|confirmed|expired|cancelled)$")] = None,
    limit: Limit = 20,
    after: After = None,
) -> Response[PageView[BookingView]]:
    """List an event's bookings for its organizer."""
    page = await sales.list_bookings_of_event(context.database, parse_id("evt", event_id), state, limit, after)
    return paginated(request, page, show_booking)


@get(
    "/v1/events/{event_id:str}/availability",
    operation_id="getAvailability",
    summary="What is left",
    tags=["Events"],
    responses=problems("event-not-found", 429, 503),
    **policy(PUBLIC),
)
async def get_availability(request: Request[Any, Any, Any], event_id: str, context: Context) -> Response[AvailabilityView]:
    """Return what an event has left. Costs no statement when somebody asked in the last quarter of a second."""
    event = parse_id("evt", event_id)
    glance = await context.engine.look(event)
    if glance.state == "closed":
        raise Refused(sales.SalesRefusal.EVENT_NOT_FOUND)
    state = _state(glance, context.clock())
    headers = {"ETag": etag_of(f"{glance.seq}-{state}"), "Cache-Control": "public, max-age=0, must-revalidate"}
    if not_modified(request, headers["ETag"]):
        return Response(content=None, status_code=304, headers=headers)  # type: ignore[arg-type]
    types = [TypeAvailability(show_id("tty", type_id), units) for type_id, units in glance.available.items()]
    return Response(AvailabilityView(event_id, state, glance.on_sale_at, glance.off_sale_at, types), headers=headers)


@get(
    "/v1/events/{event_id:str}/journal",
    operation_id="readJournal",
    summary="Everything that ever happened to an event's sale",
    tags=["Proof"],
    responses=problems(401, 403, 404, 422, 429, 503),
    **policy(organizer("manager", "events:read")),
)
async def read_journal(
    event_id: str,
    context: Context,
    after_seq: Annotated[int, Parameter(query="after", ge=0, le=2**62, description="the `seq` after which to read")] = 0,
    limit: Limit = 20,
) -> PageView[JournalRowView]:
    """Read the journal of an event in order. Facts name people, tickets and pools by their UUIDs, exactly as they were hashed."""
    rows = await sales.list_journal(context.database, parse_id("evt", event_id), after_seq, limit + 1)
    views = [JournalRowView(row.seq, row.at, row.hash.hex(), row.facts.decode()) for row in rows[:limit]]
    return PageView(views, str(views[-1].seq) if len(rows) > limit else None)


@get(
    "/v1/events/{event_id:str}/proof",
    operation_id="proveEvent",
    summary="Counters beside a replay of the journal",
    tags=["Proof"],
    responses=problems(401, 403, 404, 429, 503),
    **policy(organizer("manager", "events:read"), rate="heavy"),
)
async def prove_event(event_id: str, context: Context) -> ProofView:
    """Replay the journal of an event from empty and compare it with what is stored, both at one instant."""
    proof = await sales.prove(context.database, parse_id("evt", event_id))
    return ProofView(
        event_id,
        proof.seq,
        proof.head_hash.hex(),
        not proof.differences,
        proof.differences,
        [_counters(pool) for pool in proof.stored],
        [_counters(pool) for pool in proof.recomputed],
    )


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


def _answer(outcome: sales.Outcome, *, created: bool) -> Response[BookingView]:
    if isinstance(outcome, sales.No):
        raise Refused(outcome.refusal, outcome.detail)
    assert isinstance(outcome, sales.Booked), "a booking command is answered with a booking"
    view = show_booking(outcome.booking)
    headers = {"Cache-Control": "no-store"}
    if created:
        headers["Location"] = f"/v1/bookings/{view.id}"
    if outcome.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(view, status_code=201 if created else 200, headers=headers)


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
    get_booking,
    list_my_bookings,
    list_event_bookings,
    get_availability,
    read_journal,
    prove_event,
]
