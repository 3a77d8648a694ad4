"""The waitlist: join, leave, see how one stands, accept or decline an offer; and the line as the organizer sees it."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec

from evently import sales
from evently.kit.errors import FieldError, Invalid, Refused
from evently.kit.ids import find_id, parse_id, show_id
from evently.sales.commands import SalesRefusal
from evently.web.api.bookings import BookingView, answer_booking
from evently.web.edge.auth import SIGNED_IN, organizer, policy
from evently.web.edge.context import Request, Response
from evently.web.edge.idempotency import IdempotencyKey, fingerprint_of, key_of
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problem, problems
from evently.web.edge.routing import FromPath, JSONBody, QueryParameter, delete, get, post

_PRIVATE: Final = {"cache-control": "no-store"}
_TypeId = Annotated[str, msgspec.Meta(examples=["tty_01m7y4ef72ev2sxmcnxfse27zp"])]
_OfType = Annotated[str | None, QueryParameter(description="Only of this ticket type.")]


class WaitlistBody(msgspec.Struct, forbid_unknown_fields=True):
    """What to wait for."""

    ticket_type_id: _TypeId
    quantity: Annotated[int, msgspec.Meta(ge=1, le=sales.commands.UNITS_MAX, examples=[2])]


class EntryView(msgspec.Struct, frozen=True):
    """A wish for so many tickets of one type. `state`: waiting, offered, fulfilled, or withdrawn.

    `reason` says why it is withdrawn: left, declined, lapsed (the offer was not accepted in time), cancelled (the event), or over_limit
    (the buyer has as many as one may have by now). `booking_id` is the offer: a hold, to be accepted.
    """

    id: str
    event_id: str
    ticket_type_id: str
    quantity: int
    state: str
    reason: str | None
    joined_at: datetime
    offered_at: datetime | None
    ended_at: datetime | None
    booking_id: str | None


class EstimateView(msgspec.Struct, frozen=True):
    """When something may be offered, if tickets fall free as they did in the last two weeks, and nobody leaves; nobody promises that.

    `units_per_day`: tickets of this type that fell free and were offered to the waitlist, by the day. `in_time`: before the sale ends.
    """

    units_per_day: float
    expected_at: datetime
    in_time: bool


class StandingView(EntryView, frozen=True):
    """An entry and how it stands.

    `position` in the line of its ticket type, from 1, and how many units those before it wait for.

    `estimate` is null as long as nothing has fallen free, for then nothing is known, and when the sale has ended. `offer_expires_at`: until
    when an offer lasts.
    """

    position: int | None
    units_ahead: int | None
    estimate: EstimateView | None
    offer_expires_at: datetime | None


class WaitingView(EntryView, frozen=True):
    """An entry as the organizer sees it."""

    buyer_id: str


class EntriesView(msgspec.Struct, frozen=True):
    """Some entries."""

    data: list[EntryView]


class DepthView(msgspec.Struct, frozen=True):
    """How long the line for a ticket type is, and what became of those who waited.

    `set_aside_units` wait for the next who fit.
    """

    ticket_type_id: str
    waiting_entries: int
    waiting_units: int
    offered_entries: int
    offered_units: int
    fulfilled_entries: int
    withdrawn_entries: int
    set_aside_units: int


class DepthsView(msgspec.Struct, frozen=True):
    """The depth of an event's waitlist, by ticket type."""

    data: list[DepthView]


@post(
    "/v1/events/{event_id:str}/waitlist",
    operation_id="joinWaitlist",
    summary="Wait for tickets",
    description=(
        "What falls free is offered to those who wait before anybody can book it: first come, first served, among those for whom it is "
        "enough. One entry for each ticket type. Those who join before the sale begins come first when it does, before whoever books then; "
        "while it has not begun, nobody is offered anything. If enough is there at once, the offer is made at once, for no longer than a "
        "hold lasts: look at the entry. What is on sale and not enough for those who wait stays on sale; only what falls free is set aside "
        "for them."
    ),
    tags=["Waitlist"],
    responses=problems(
        SalesRefusal.EVENT_NOT_FOUND,
        SalesRefusal.UNKNOWN_TICKET_TYPE,
        SalesRefusal.SALE_ENDED,
        SalesRefusal.EVENT_CANCELLED,
        SalesRefusal.OVER_BOOKING_LIMIT,
        SalesRefusal.OVER_BUYER_LIMIT,
        SalesRefusal.ALREADY_WAITING,
        SalesRefusal.WAITLIST_FULL,
        SalesRefusal.KEY_REUSED,
    ),
    **policy(SIGNED_IN, rate="bookings"),
)
async def join_waitlist(
    request: Request,
    event_id: FromPath[str],
    data: JSONBody[WaitlistBody],
    idempotency_key: IdempotencyKey = None,
) -> Response[EntryView]:
    """Let whoever asks wait."""
    command = sales.commands.JoinWaitlist(
        parse_id("evt", event_id),
        request.actor.id,
        _type_id(data.ticket_type_id, "/ticket_type_id"),
        data.quantity,
        key=key_of(idempotency_key),
        fingerprint=fingerprint_of("join", event_id, data),
    )
    outcome = await request.context.engine.submit(command)
    if isinstance(outcome, sales.commands.No):
        return problem(request, outcome.refusal, outcome.detail)
    assert isinstance(outcome, sales.commands.Listed), "joining is answered with an entry"
    view = _show_entry(outcome.entry)
    headers = (
        _PRIVATE
        | {"location": f"/v1/waitlist/{view.id}"}
        | ({"idempotent-replayed": "true"} if outcome.replayed else {})
    )
    return Response(view, status_code=201, headers=headers)


@delete(
    "/v1/events/{event_id:str}/waitlist",
    operation_id="leaveWaitlist",
    summary="Wait no longer",
    description="Ends all my entries at an event, or the one of a ticket type; an offer is declined. Answered with those that have ended.",
    tags=["Waitlist"],
    status_code=200,
    responses=problems(),
    **policy(SIGNED_IN, rate="bookings"),
)
async def leave_waitlist(
    request: Request, event_id: FromPath[str], ticket_type_id: _OfType = None
) -> Response[EntriesView]:
    """Let whoever asks wait no longer. Harmless to repeat."""
    event, buyer_id, engine = parse_id("evt", event_id), request.actor.id, request.context.engine
    wanted = None if ticket_type_id is None else _type_id(ticket_type_id, "?ticket_type_id")
    entries = await sales.reads.list_live_entries(request.context.database, event, buyer_id, wanted)
    outcomes = await asyncio.gather(
        *[engine.submit(sales.commands.LeaveWaitlist(event, each.entry_id, buyer_id)) for each in entries]
    )
    left = [
        outcome.entry for outcome in outcomes if isinstance(outcome, sales.commands.Listed)
    ]  # the others were accepted meanwhile
    return Response(EntriesView([_show_entry(entry) for entry in left]), headers=_PRIVATE)


@get(
    "/v1/me/waitlist",
    operation_id="listMyWaitlist",
    summary="What I wait for, newest first",
    tags=["Waitlist"],
    responses=problems(),
    **policy(SIGNED_IN),
)
async def list_my_waitlist(
    request: Request,
    kind: Annotated[
        str, QueryParameter(pattern="^(live|all)$", description="live (waiting or offered), or all")
    ] = "all",
    limit: Limit = LIMIT,
    after: After = None,
) -> Response[PageView[EntryView]]:
    """List the waitlist entries of whoever asks."""
    page = await sales.reads.list_entries_of_buyer(
        request.context.database, request.actor.id, limit, after, live=kind == "live"
    )
    return paginated(request, page, _show_entry)


@get(
    "/v1/waitlist/{entry_id:str}",
    operation_id="getWaitlistEntry",
    summary="How my wish stands",
    description=(
        "Its place in the line of its ticket type, as it was a second ago at the most, and how long it may take: what is wished for "
        "before it, behind it by those who wish for less (they are asked first where it is not enough for a group), and by itself, at "
        "the rate at which tickets of this type fell free and were offered to those who waited, in the last fourteen days, or since the "
        "sale began, or since somebody waits. What was there when the sale began, and what is offered on joining, is not counted. Null "
        "while nothing has fallen free, and when the sale has ended."
    ),
    tags=["Waitlist"],
    responses=problems(SalesRefusal.ENTRY_NOT_FOUND),
    **policy(SIGNED_IN),
)
async def get_waitlist_entry(request: Request, entry_id: FromPath[str]) -> Response[StandingView]:
    """Return an entry to whoever waits."""
    entry = await _own_entry(request, entry_id)
    standing = await request.context.lines.find_standing(entry)
    return Response(_show_standing(entry, standing), headers=_PRIVATE)


@post(
    "/v1/waitlist/{entry_id:str}/accept",
    operation_id="acceptOffer",
    summary="Take what I am offered",
    description=(
        "What is to be paid online becomes a hold like any other: pay it before its `expires_at`. Everything else is confirmed. Harmless "
        "to repeat."
    ),
    tags=["Waitlist"],
    status_code=200,
    responses=problems(
        SalesRefusal.ENTRY_NOT_FOUND,
        SalesRefusal.NOT_OFFERED,
        SalesRefusal.OFFER_EXPIRED,
        SalesRefusal.EVENT_CANCELLED,
    ),
    **policy(SIGNED_IN, rate="bookings"),
)
async def accept_offer(request: Request, entry_id: FromPath[str]) -> Response[BookingView]:
    """Take the offer of whoever asks; answered with the booking."""
    entry = await _own_entry(request, entry_id)
    outcome = await request.context.engine.submit(
        sales.commands.AcceptOffer(entry.event_id, entry.entry_id, request.actor.id)
    )
    if isinstance(outcome, sales.commands.No):
        return problem(request, outcome.refusal, outcome.detail)
    assert isinstance(outcome, sales.commands.Listed), "accepting is answered with an entry"
    assert outcome.booking is not None, "what was accepted is a booking"
    return await answer_booking(request, sales.commands.Booked(outcome.booking))


@post(
    "/v1/waitlist/{entry_id:str}/decline",
    operation_id="declineOffer",
    summary="Let what I am offered go",
    description="The next in line is asked, and I wait no longer. An entry that has no offer yet is left. Harmless to repeat.",
    tags=["Waitlist"],
    status_code=200,
    responses=problems(SalesRefusal.ENTRY_NOT_FOUND, SalesRefusal.NOT_OFFERED),
    **policy(SIGNED_IN, rate="bookings"),
)
async def decline_offer(request: Request, entry_id: FromPath[str]) -> Response[EntryView]:
    """Decline the offer of whoever asks."""
    entry = await _own_entry(request, entry_id)
    outcome = await request.context.engine.submit(
        sales.commands.LeaveWaitlist(entry.event_id, entry.entry_id, request.actor.id)
    )
    if isinstance(outcome, sales.commands.No):
        return problem(request, outcome.refusal, outcome.detail)
    assert isinstance(outcome, sales.commands.Listed), "leaving is answered with an entry"
    return Response(_show_entry(outcome.entry), headers=_PRIVATE)


@get(
    "/v1/events/{event_id:str}/waitlist",
    operation_id="listEventWaitlist",
    summary="Who waits for tickets of an event",
    description="Those who wait or have an offer, in the order in which they joined.",
    tags=["Organizer: bookings"],
    responses=problems(),
    **policy(organizer("door", "bookings:read")),
)
async def list_event_waitlist(
    request: Request,
    event_id: FromPath[str],
    ticket_type_id: _OfType = None,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response[PageView[WaitingView]]:
    """List the line of an event for its organizer."""
    wanted = None if ticket_type_id is None else _type_id(ticket_type_id, "?ticket_type_id")
    page = await sales.reads.list_line(
        request.context.database, parse_id("evt", event_id), wanted, limit, after
    )
    return paginated(request, page, _show_waiting)


@get(
    "/v1/events/{event_id:str}/waitlist/depth",
    operation_id="getWaitlistDepth",
    summary="How long the lines of an event are",
    tags=["Organizer: bookings"],
    responses=problems(),
    **policy(organizer("door", "bookings:read")),
)
async def get_waitlist_depth(request: Request, event_id: FromPath[str]) -> Response[DepthsView]:
    """Return the depth of an event's waitlist, by ticket type."""
    depths = await sales.reads.list_depths(request.context.database, parse_id("evt", event_id))
    return Response(DepthsView([_show_depth(depth) for depth in depths]), headers=_PRIVATE)


async def _own_entry(request: Request, entry_id: str) -> sales.commands.WaitlistEntry:
    entry = await sales.reads.get_entry(request.context.database, parse_id("wle", entry_id))
    if entry.buyer_id != request.actor.id:
        raise Refused(SalesRefusal.ENTRY_NOT_FOUND)
    return entry


def _type_id(text: str, pointer: str) -> UUID:
    found = find_id("tty", text)
    if found is None:
        raise Invalid([FieldError(pointer, "is not an id of the form tty_…")])
    return found


def _show_entry(entry: sales.commands.WaitlistEntry) -> EntryView:
    return EntryView(
        show_id("wle", entry.entry_id),
        show_id("evt", entry.event_id),
        show_id("tty", entry.ticket_type_id),
        entry.quantity,
        entry.state,
        entry.reason or None,
        entry.joined_at,
        entry.offered_at,
        entry.ended_at,
        None if entry.booking_id is None else show_id("bkg", entry.booking_id),
    )


def _show_waiting(entry: sales.commands.WaitlistEntry) -> WaitingView:
    return WaitingView(**msgspec.structs.asdict(_show_entry(entry)), buyer_id=show_id("per", entry.buyer_id))


def _show_standing(
    entry: sales.commands.WaitlistEntry, standing: sales.reads.WaitlistPosition
) -> StandingView:
    estimate = standing.estimate
    return StandingView(
        **msgspec.structs.asdict(_show_entry(entry)),
        position=standing.position,
        units_ahead=standing.units_ahead,
        estimate=None
        if estimate is None
        else EstimateView(estimate.units_per_day, estimate.expected_at, estimate.in_time),
        offer_expires_at=standing.offer_expires_at,
    )


def _show_depth(depth: sales.reads.WaitlistSummary) -> DepthView:
    shown = msgspec.structs.asdict(depth) | {"ticket_type_id": show_id("tty", depth.ticket_type_id)}
    return DepthView(**shown)


routes: Final = [
    join_waitlist,
    leave_waitlist,
    list_my_waitlist,
    get_waitlist_entry,
    accept_offer,
    decline_offer,
    list_event_waitlist,
    get_waitlist_depth,
]
