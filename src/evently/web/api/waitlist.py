"""The waitlist: join, leave, list and get entries, accept or decline an offer."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec

from evently import sales
from evently.kit.errors import Refused
from evently.kit.ids import EventId, TicketTypeId, WaitlistEntryId, show_id
from evently.sales.commands import Command
from evently.sales.commands.bookings import UNITS_MAX, BookingLine
from evently.sales.commands.waitlist import AcceptOffer, JoinWaitlist, LeaveWaitlist
from evently.sales.nouns import WaitlistEntry
from evently.sales.outcomes import Booked, Listed, No, SalesRefusal
from evently.sales.states import EntryState, WithdrawalReason
from evently.web.admissions import AdmissionToken, is_admitted
from evently.web.api.bookings import (
    WITHOUT_CODE,
    AcceptBody,
    BookingView,
    PromoCode,
    answer_booking,
    refuse_unpayable,
)
from evently.web.edge.auth import SIGNED_IN, organizer, policy
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.idempotency import IdempotencyKey, fingerprint_of, key_of
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, QueryParameter, delete, get, post
from evently.web.services import Request
from evently.web.unlocking import REFUSALS, count_guess

_TypeId = Annotated[TicketTypeId, msgspec.Meta(examples=["tty_01m7y4ef72ev2sxmcnxfse27zp"])]
_TicketTypeFilter = Annotated[
    TicketTypeId | None, QueryParameter(description="Only entries for this ticket type.")
]


class WaitlistBody(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A ticket type to wait for, and how many tickets. A hidden ticket type needs its promo code."""

    ticket_type_id: _TypeId
    quantity: Annotated[int, msgspec.Meta(ge=1, le=UNITS_MAX, examples=[2])]
    promo_code: Annotated[PromoCode | None, msgspec.Meta(examples=["EARLYBIRD"])] = None


class WaitlistEntryView(msgspec.Struct, frozen=True):
    """A waitlist entry: a buyer waits for a quantity of one ticket type.

    `state`: waiting, offered, fulfilled or withdrawn. `reason` says why an entry is withdrawn: left,
    declined, lapsed (the offer was not accepted in time, or who had returned a ticket came with it),
    cancelled (the event was cancelled) or over_limit (the buyer has reached a limit on tickets).
    `booking_id` is the booking that backs the offer: a hold that the buyer can accept.
    """

    id: str
    event_id: str
    ticket_type_id: str
    quantity: int
    state: EntryState
    reason: WithdrawalReason | None
    joined_at: datetime
    offered_at: datetime | None
    ended_at: datetime | None
    booking_id: str | None


class EstimateView(msgspec.Struct, frozen=True):
    """An estimate of when the entry gets an offer. It is no promise.

    It assumes that tickets are released at the rate of the last two weeks and that no entry before it
    leaves. `units_per_day`: released tickets of this type that were offered to the waitlist, per day.
    `in_time`: the offer comes before the sale ends.
    """

    units_per_day: float
    expected_at: datetime
    in_time: bool


class WaitlistEntryDetailsView(WaitlistEntryView, frozen=True):
    """A waitlist entry with its position and an estimate, or with the end of its offer.

    `position`: its rank in the waitlist of its ticket type, from 1. `units_ahead`: how many tickets the
    entries before it wait for. Both are null when the entry is not waiting. `estimate` is null while no
    ticket has been released yet, and after the sale has ended. `offer_expires_at`: when the offer expires.
    """

    position: int | None
    units_ahead: int | None
    estimate: EstimateView | None
    offer_expires_at: datetime | None


class EventWaitlistEntryView(WaitlistEntryView, frozen=True):
    """A waitlist entry as the organizer sees it."""

    buyer_id: str


class WaitlistEntriesView(msgspec.Struct, frozen=True):
    """Waitlist entries."""

    data: list[WaitlistEntryView]


class WaitlistSizeView(msgspec.Struct, frozen=True):
    """How many entries and tickets wait for a ticket type, and how many entries reached each other state.

    `set_aside_units`: released tickets that are kept for the next entries whose quantity fits.
    """

    ticket_type_id: str
    waiting_entries: int
    waiting_units: int
    offered_entries: int
    offered_units: int
    fulfilled_entries: int
    withdrawn_entries: int
    set_aside_units: int


class WaitlistSizesView(msgspec.Struct, frozen=True):
    """The size of an event's waitlist, by ticket type."""

    data: list[WaitlistSizeView]


@post(
    "/v1/events/{event_id}/waitlist",
    operation_id="joinWaitlist",
    summary="Join the waitlist",
    description=(
        "Released tickets are offered to the waitlist before other buyers can book them. Offers are made in "
        "the order in which entries joined; an entry whose quantity is not available is passed over. A buyer "
        "has one entry for each ticket type. Entries that join before the sale begins get their offers when "
        "it begins, before other buyers can book. If enough tickets are available when an entry joins, the "
        "offer is made at once and lasts no longer than a hold; get the entry to see it. Tickets on sale "
        "that are too few for any entry stay on sale; only released tickets are set aside for the waitlist. "
        "With `promo_code`, buyers can wait for a hidden ticket type that the code unlocks; accepting the "
        "offer uses the code."
    ),
    tags=["Waitlist"],
    responses=problems(
        *REFUSALS,
        SalesRefusal.EVENT_NOT_FOUND,
        SalesRefusal.UNKNOWN_TICKET_TYPE,
        SalesRefusal.SALE_ENDED,
        SalesRefusal.NOT_ADMITTED,
        SalesRefusal.EVENT_CANCELLED,
        SalesRefusal.OVER_BOOKING_LIMIT,
        SalesRefusal.OVER_BUYER_LIMIT,
        SalesRefusal.ALREADY_WAITING,
        SalesRefusal.ADD_ON_ALONE,
        SalesRefusal.WAITLIST_FULL,
        SalesRefusal.KEY_REUSED,
    ),
    **policy(SIGNED_IN, rate="bookings"),
)
async def join_waitlist(
    request: Request,
    event_id: FromPath[EventId],
    data: JSONBody[WaitlistBody],
    idempotency_key: IdempotencyKey = None,
    admission_token: AdmissionToken = None,
) -> Response[WaitlistEntryView]:
    """Add the caller to the waitlist of a ticket type."""
    if data.promo_code is not None:
        await count_guess(request)
    command = JoinWaitlist(
        event_id,
        request.actor.id,
        data.ticket_type_id,
        data.quantity,
        key=key_of(idempotency_key),
        fingerprint=fingerprint_of("join", event_id, data),
        promo_code=data.promo_code,
        admitted=is_admitted(request, event_id, admission_token),
    )
    outcome = await _submit(request, command)
    view = _show_entry(outcome.entry)
    headers = (
        NO_STORE
        | {"location": f"/v1/waitlist/{view.id}"}
        | ({"idempotent-replayed": "true"} if outcome.replayed else {})
    )
    return Response(view, status_code=201, headers=headers)


@delete(
    "/v1/events/{event_id}/waitlist",
    operation_id="leaveWaitlist",
    summary="Leave the waitlist",
    description=(
        "Withdraws the caller's entries for an event, or only the one for a ticket type, and declines their "
        "offers. Returns the entries that were withdrawn."
    ),
    tags=["Waitlist"],
    status_code=200,
    responses=problems(),
    **policy(SIGNED_IN, rate="bookings"),
)
async def leave_waitlist(
    request: Request, event_id: FromPath[EventId], ticket_type_id: _TicketTypeFilter = None
) -> Response[WaitlistEntriesView]:
    """Withdraw the waitlist entries of the caller. Safe to repeat."""
    buyer_id, engine = request.actor.id, request.context.engine
    entries = await sales.reads.list_live_entries(
        request.context.database, event_id, buyer_id, ticket_type_id
    )
    outcomes = await asyncio.gather(
        *[engine.submit(LeaveWaitlist(event_id, each.entry_id, buyer_id)) for each in entries]
    )
    # An entry is missing here if its offer was accepted in the meantime.
    withdrawn = [outcome.entry for outcome in outcomes if isinstance(outcome, Listed)]
    return Response(WaitlistEntriesView([_show_entry(entry) for entry in withdrawn]), headers=NO_STORE)


@get(
    "/v1/me/waitlist",
    operation_id="listMyWaitlist",
    summary="List my waitlist entries",
    tags=["Waitlist"],
    responses=problems(),
    **policy(SIGNED_IN),
)
async def list_my_waitlist(
    request: Request,
    kind: Annotated[
        str,
        QueryParameter(
            pattern="^(live|all)$",
            description="live: only entries that are waiting or offered; all: every entry.",
        ),
    ] = "all",
    limit: Limit = LIMIT,
    after: After = None,
) -> Response[PageView[WaitlistEntryView]]:
    """List the waitlist entries of the caller, newest first."""
    page = await sales.reads.list_entries_of_buyer(
        request.context.database, request.actor.id, limit, after, live=kind == "live"
    )
    return paginated(request, page, _show_entry)


@get(
    "/v1/waitlist/{entry_id}",
    operation_id="getWaitlistEntry",
    summary="Get a waitlist entry",
    description=(
        "Returns the position of the entry in the waitlist of its ticket type, at most one second old, and "
        "an estimate of when it gets an offer. The estimate divides the tickets to be offered by a rate. The "
        "tickets: those of the entries before it, of later entries with a smaller quantity (they can get an "
        "offer first when too few tickets are released for a larger one), and its own. The rate: tickets of "
        "this type that were released and offered to the waitlist over the last fourteen days, or since the "
        "sale began or the first entry joined, if that is later. Offers at the beginning of the sale and "
        "offers on joining do not count. The estimate is null while no ticket has been released, and after "
        "the sale has ended."
    ),
    tags=["Waitlist"],
    responses=problems(SalesRefusal.ENTRY_NOT_FOUND),
    **policy(SIGNED_IN),
)
async def get_waitlist_entry(
    request: Request, entry_id: FromPath[WaitlistEntryId]
) -> Response[WaitlistEntryDetailsView]:
    """Return a waitlist entry of the caller."""
    entry = await _own_entry(request, entry_id)
    position = await request.context.waitlist_positions.get_position(entry)
    return Response(_show_details(entry, position), headers=NO_STORE)


@post(
    "/v1/waitlist/{entry_id}/accept",
    operation_id="acceptOffer",
    summary="Accept an offer",
    description=(
        "A booking that is paid online becomes an ordinary hold: pay it before its `expires_at`. Any other "
        "booking is confirmed at once. With `promo_code`, its tickets get the discount of the code, counted "
        "from the price that was offered. An entry that joined with a promo code uses that code while its "
        "ticket type is hidden, unless another one is sent. If the code is refused, nothing changes: the "
        "offer stays open. "
        "Safe to repeat; an accepted offer takes no other code (`not-offered`)."
    ),
    tags=["Waitlist"],
    status_code=200,
    responses=problems(
        SalesRefusal.ENTRY_NOT_FOUND,
        SalesRefusal.NOT_OFFERED,
        SalesRefusal.OFFER_EXPIRED,
        SalesRefusal.EVENT_CANCELLED,
        *REFUSALS,
        SalesRefusal.AMOUNT_NOT_PAYABLE,
        SalesRefusal.NO_GATEWAY,
    ),
    **policy(SIGNED_IN, rate="bookings"),
)
async def accept_offer(
    request: Request, entry_id: FromPath[WaitlistEntryId], data: JSONBody[AcceptBody] = WITHOUT_CODE
) -> Response[BookingView]:
    """Accept an offer of the caller; return the booking."""
    if data.promo_code is not None:
        await count_guess(request)
    entry = await _own_entry(request, entry_id)
    if entry.state == "offered":  # what was accepted before is only answered again
        line = BookingLine(entry.ticket_type_id, entry.quantity)
        await refuse_unpayable(request, entry.event_id, [line], data.promo_code, entry.promo_id)
    command = AcceptOffer(entry.event_id, entry.entry_id, request.actor.id, data.promo_code)
    outcome = await _submit(request, command)
    assert outcome.booking is not None, "an accepted offer has a booking"
    return answer_booking(request, Booked(outcome.booking))


@post(
    "/v1/waitlist/{entry_id}/decline",
    operation_id="declineOffer",
    summary="Decline an offer",
    description=(
        "Withdraws the entry; its tickets are offered to the next entry. An entry that is still waiting is "
        "withdrawn, too. Safe to repeat."
    ),
    tags=["Waitlist"],
    status_code=200,
    responses=problems(SalesRefusal.ENTRY_NOT_FOUND, SalesRefusal.NOT_OFFERED),
    **policy(SIGNED_IN, rate="bookings"),
)
async def decline_offer(request: Request, entry_id: FromPath[WaitlistEntryId]) -> Response[WaitlistEntryView]:
    """Decline an offer of the caller."""
    entry = await _own_entry(request, entry_id)
    command = LeaveWaitlist(entry.event_id, entry.entry_id, request.actor.id)
    outcome = await _submit(request, command)
    return Response(_show_entry(outcome.entry), headers=NO_STORE)


@get(
    "/v1/events/{event_id}/waitlist",
    operation_id="listEventWaitlist",
    summary="List the waitlist of an event",
    description="Every entry that is waiting or has an offer, in the order in which they joined.",
    tags=["Organizer: bookings"],
    responses=problems(),
    **policy(organizer("door", "bookings:read")),
)
async def list_event_waitlist(
    request: Request,
    event_id: FromPath[EventId],
    ticket_type_id: _TicketTypeFilter = None,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response[PageView[EventWaitlistEntryView]]:
    """List the waitlist entries of an event for its organizer."""
    page = await sales.reads.list_waitlist(request.context.database, event_id, ticket_type_id, limit, after)
    return paginated(request, page, _show_for_organizer)


@delete(
    "/v1/events/{event_id}/waitlist/{entry_id}",
    operation_id="withdrawWaitlistEntry",
    summary="Withdraw a waitlist entry",
    description=(
        "For the organizer: withdraws the entry of a buyer with the reason `cancelled`, and its offer, if it "
        "has one. The buyer gets a notification. Safe to repeat."
    ),
    tags=["Organizer: bookings"],
    status_code=200,
    responses=problems(SalesRefusal.ENTRY_NOT_FOUND, SalesRefusal.NOT_OFFERED),
    **policy(organizer("manager", "bookings:write")),
)
async def withdraw_entry(
    request: Request, event_id: FromPath[EventId], entry_id: FromPath[WaitlistEntryId]
) -> Response[WaitlistEntryView]:
    """Withdraw a waitlist entry of the organizer's event."""
    outcome = await _submit(request, LeaveWaitlist(event_id, entry_id, None))
    return Response(_show_entry(outcome.entry), headers=NO_STORE)


@get(
    "/v1/events/{event_id}/waitlist/depth",
    operation_id="getWaitlistDepth",
    summary="Get the size of an event's waitlist",
    tags=["Organizer: bookings"],
    responses=problems(),
    **policy(organizer("door", "bookings:read")),
)
async def get_waitlist_depth(request: Request, event_id: FromPath[EventId]) -> Response[WaitlistSizesView]:
    """Return how many entries and tickets wait for each ticket type of an event."""
    depths = await sales.reads.list_waitlists(request.context.database, event_id)
    return Response(WaitlistSizesView([_show_size(depth) for depth in depths]), headers=NO_STORE)


async def _submit(request: Request, command: Command) -> Listed:
    """Submit a command about a waitlist entry; return its outcome, or raise its refusal."""
    outcome = await request.context.engine.submit(command)
    if isinstance(outcome, No):
        raise outcome.as_error()
    assert isinstance(outcome, Listed), "the outcome of a waitlist command is an entry"
    return outcome


async def _own_entry(request: Request, entry_id: UUID) -> WaitlistEntry:
    entry = await sales.reads.get_entry(request.context.database, entry_id)
    if entry.buyer_id != request.actor.id:
        raise Refused(SalesRefusal.ENTRY_NOT_FOUND)
    return entry


def _show_entry(entry: WaitlistEntry) -> WaitlistEntryView:
    return WaitlistEntryView(
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


def _show_for_organizer(entry: WaitlistEntry) -> EventWaitlistEntryView:
    return EventWaitlistEntryView(
        **msgspec.structs.asdict(_show_entry(entry)), buyer_id=show_id("per", entry.buyer_id)
    )


def _show_details(entry: WaitlistEntry, place: sales.reads.WaitlistPosition) -> WaitlistEntryDetailsView:
    estimate = place.estimate
    return WaitlistEntryDetailsView(
        **msgspec.structs.asdict(_show_entry(entry)),
        position=place.position,
        units_ahead=place.units_ahead,
        estimate=None
        if estimate is None
        else EstimateView(estimate.units_per_day, estimate.expected_at, estimate.in_time),
        offer_expires_at=place.offer_expires_at,
    )


def _show_size(depth: sales.reads.WaitlistSummary) -> WaitlistSizeView:
    shown = msgspec.structs.asdict(depth) | {"ticket_type_id": show_id("tty", depth.ticket_type_id)}
    return WaitlistSizeView(**shown)


routes: Final = [
    join_waitlist,
    leave_waitlist,
    list_my_waitlist,
    get_waitlist_entry,
    accept_offer,
    decline_offer,
    list_event_waitlist,
    withdraw_entry,
    get_waitlist_depth,
]
