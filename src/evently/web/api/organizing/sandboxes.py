"""Sandboxes: an event for a rehearsal that runs elsewhere, and buyers with access tokens for it.

`evently rehearse` is the client; there may be others. They are removed after a day.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

import msgspec

from evently import accounts, catalogue, organizing, waitingroom
from evently.accounts.rehearsals import REHEARSAL_BUYERS_MAX
from evently.catalogue import Event
from evently.db import Connection
from evently.kit.ids import EventId, OrganizerId, show_id
from evently.kit.money import Money
from evently.organizing.rehearsing import SANDBOX_ELSEWHERE, add_sandbox
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import Sale
from evently.sales.terms import CAPACITY_MAX, TicketTypeTerms
from evently.waitingroom import PER_MINUTE_MAX, WaitingRoomTerms
from evently.web.edge.auth import organizer, policy
from evently.web.edge.context import Response
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, post
from evently.web.services import Request, Services

_TOKENS_AT_ONCE: Final = 200  # then other requests are served: after 4 ms
_PLACES: Final = 1_000  # of a fresh event, by default
_OPENS_SECONDS_MAX: Final = 600  # of a sale with a waiting room: the tokens of its buyers must last

Buyers = Annotated[int, msgspec.Meta(ge=1, le=REHEARSAL_BUYERS_MAX, examples=[5_000])]
Places = Annotated[int, msgspec.Meta(ge=1, le=CAPACITY_MAX, examples=[1_000])]


class RehearsedRoom(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A waiting room before the sale, which begins after so many seconds. The room is open until then."""

    opens_after_seconds: Annotated[int, msgspec.Meta(ge=1, le=_OPENS_SECONDS_MAX, examples=[10])]
    per_minute: Annotated[int, msgspec.Meta(ge=1, le=PER_MINUTE_MAX, examples=[600])] = 600


class SandboxBody(msgspec.Struct, forbid_unknown_fields=True):
    """How many buyers, and how many places the sandbox event has: by default as many as the event.

    Without `waiting_room` it is on sale at once.
    """

    buyers: Buyers
    places: Places | None = None
    waiting_room: RehearsedRoom | None = None


class FreshSandboxBody(SandboxBody, forbid_unknown_fields=True):
    """How many buyers and places. `seated`: with seats. `hold_seconds`: paid online within this time."""

    seated: bool = False
    hold_seconds: Annotated[int, msgspec.Meta(ge=1, le=600, examples=[5])] | None = None


class RehearsedType(msgspec.Struct, frozen=True):
    """A ticket type of the sandbox event. A ticket takes one unit of each of `pool_ids`."""

    id: str
    name: str
    price: Money
    per_booking_max: int
    per_buyer_max: int | None
    pool_ids: list[str]


class RehearsalBuyer(msgspec.Struct, frozen=True):
    """A simulated buyer."""

    id: str
    access_token: str


class SandboxView(msgspec.Struct, frozen=True):
    """A sandbox event. `places`: the capacity of all pools together.

    The tokens cannot be refreshed: a rehearsal is over before they expire.

    `hold_seconds`: how long a booking is held for its payment online; null: paid at the door. `seat_ids`:
    all seats, row by row. `opens_in_seconds`: when its sale begins, from this answer; null: at once.
    """

    event_id: str
    title: str
    places: int
    ticket_types: list[RehearsedType]
    buyers: list[RehearsalBuyer]
    tokens_expire_at: datetime
    hold_seconds: int | None
    seat_ids: list[str]
    opens_in_seconds: Annotated[float | None, msgspec.Meta(examples=[None])]


@post(
    "/v1/events/{event_id}/sandboxes",
    operation_id="makeSandbox",
    summary="Make a copy of an event for a rehearsal elsewhere",
    description=(
        "Creates a copy of the event that is on sale at once, and people who may book it. No list shows "
        "the copy, no figure counts it, and it is removed after a day. For rehearsals that run elsewhere, "
        "such as with `evently rehearse`; `startRehearsal` runs one here."
    ),
    tags=["Rehearsals"],
    responses=problems(SalesRefusal.NOTHING_TO_SELL, SalesRefusal.NO_GATEWAY),
    **policy(organizer("manager", "events:write"), rate="heavy"),
)
async def make_sandbox(
    request: Request, event_id: FromPath[EventId], data: JSONBody[SandboxBody]
) -> Response[SandboxView]:
    """Copy an event for a rehearsal."""
    context, now = request.context, request.context.clock()
    async with context.database.transaction() as tx:
        buyers = await accounts.rehearsals.add_rehearsal_buyers(tx, data.buyers, now)
        event, sale = await organizing.copy_for_rehearsal(
            tx, event_id, data.places, now, opens_in=_opens_in(data.waiting_room)
        )
        await _put_waiting_room(tx, event.event_id, data.waiting_room, now)
        await add_sandbox(tx, event.event_id, buyers, now + SANDBOX_ELSEWHERE)
        if context.checkout.gateway is None:
            organizing.refuse_online_payment(sale)
    return await _answer(context, event, sale, buyers, now)


@post(
    "/v1/organizers/{organizer_id}/sandboxes",
    operation_id="makeFreshSandbox",
    summary="Make an event for a rehearsal elsewhere",
    description=(
        "Creates an event that is on sale at once, and people who may book it. No list shows the event, no "
        "figure counts it, and it is removed after a day."
    ),
    tags=["Rehearsals"],
    responses=problems(SalesRefusal.NO_GATEWAY),
    **policy(organizer("manager", "events:write"), rate="heavy"),
)
async def make_fresh_sandbox(
    request: Request, organizer_id: FromPath[OrganizerId], data: JSONBody[FreshSandboxBody]
) -> Response[SandboxView]:
    """Create an event for a rehearsal."""
    context, now = request.context, request.context.clock()
    venues = await catalogue.list_venues(context.database, organizer_id, 1, None)
    venue_id = venues.data[0].venue_id if venues.data else None
    async with context.database.transaction() as tx:
        buyers = await accounts.rehearsals.add_rehearsal_buyers(tx, data.buyers, now)
        event, sale = await organizing.make_for_rehearsal(
            tx,
            organizer_id,
            venue_id,
            data.places or _PLACES,
            now,
            seated=data.seated,
            hold_seconds=data.hold_seconds,
            opens_in=_opens_in(data.waiting_room),
        )
        await _put_waiting_room(tx, event.event_id, data.waiting_room, now)
        await add_sandbox(tx, event.event_id, buyers, now + SANDBOX_ELSEWHERE)
        if context.checkout.gateway is None:
            organizing.refuse_online_payment(sale)
    return await _answer(context, event, sale, buyers, now)


def _opens_in(room: RehearsedRoom | None) -> timedelta:
    return timedelta() if room is None else timedelta(seconds=room.opens_after_seconds)


async def _put_waiting_room(
    tx: Connection, event_id: UUID, room: RehearsedRoom | None, now: datetime
) -> None:
    """Put a waiting room, which is open from now on, before the sale of a sandbox event."""
    if room is None:
        return
    terms = WaitingRoomTerms(math.ceil(room.opens_after_seconds / 60), room.per_minute)
    await waitingroom.put_room(tx, event_id, terms, now)


async def _answer(
    context: Services, event: Event, sale: Sale, buyers: Sequence[UUID], now: datetime
) -> Response[SandboxView]:
    tokens = context.accounts.tokens
    session_id = accounts.rehearsals.session_of(event.event_id)
    views: list[RehearsalBuyer] = []
    for number, person_id in enumerate(buyers, start=1):
        views.append(
            RehearsalBuyer(show_id("per", person_id), tokens.issue_access(person_id, "buyer", session_id))
        )
        if number % _TOKENS_AT_ONCE == 0:
            await asyncio.sleep(0)
    _, conditions = sale.conditions_now()
    view = SandboxView(
        show_id("evt", event.event_id),
        event.title,
        sum(pool.capacity for pool in sale.pools.values()),
        [_show_type(terms, sale.currency) for terms in sale.ticket_types.values()],
        views,
        now + timedelta(seconds=tokens.options.access_seconds_max),
        conditions.hold_seconds if conditions.payment == "online" else None,
        [] if sale.hall is None else list(sale.hall.plan.ids),
        (sale.on_sale_at - context.clock()).total_seconds() if sale.on_sale_at > now else None,
    )
    return Response(
        view,
        status_code=201,
        headers={"location": f"/v1/events/{view.event_id}", "cache-control": "no-store"},
    )


def _show_type(terms: TicketTypeTerms, currency: str) -> RehearsedType:
    return RehearsedType(
        show_id("tty", terms.ticket_type_id),
        terms.name,
        Money(terms.price_minor, currency),
        terms.per_booking_max,
        terms.per_buyer_max,
        [show_id("pol", pool_id) for pool_id in terms.pool_ids],
    )


routes: Final = [make_sandbox, make_fresh_sandbox]
