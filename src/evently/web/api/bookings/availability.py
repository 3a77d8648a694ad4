"""The availability of an event: how many tickets of each type can be booked."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from evently import sales
from evently.kit.errors import Refused
from evently.kit.ids import EventId, show_id
from evently.realtime import TicketTypeAvailability, show_types
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import OnSaleState
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.conditional import etag_of, not_modified
from evently.web.edge.context import Response
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, get
from evently.web.services import Request
from evently.web.unlocking import REFUSALS, UNLOCKED, PromoCode, count_guess

# Shared caches may store the answer but must revalidate it each time, because a sale changes faster than a
# cache expires.
_FRESH: Final = "public, max-age=0, must-revalidate"


class AvailabilityView(msgspec.Struct, frozen=True):
    """The availability of an event, at most a quarter of a second old.

    `state`: not_yet_on_sale, on_sale, sold_out, ended or cancelled. `next_release_at`: the earliest instant
    at which more tickets of any type may be released by the clock, because a hold or an offer expires, or the
    sale of a ticket type with units set aside for its waitlist ends; null: there is none. Released units are
    offered to the waitlist first. Bookings that are cancelled release units at any time.
    """

    event_id: str
    state: OnSaleState
    on_sale_at: datetime
    off_sale_at: datetime
    next_release_at: datetime | None
    ticket_types: list[TicketTypeAvailability]


@get(
    "/v1/events/{event_id}/availability",
    operation_id="getAvailability",
    summary="Get the availability of an event",
    description=(
        "Returns how many tickets of each type can be booked, and when the clock may release more "
        "(`next_release_at`). The answer is at most a quarter of a second old and cheap for the server, so "
        "you may poll it. With `promo_code`, the answer includes the hidden "
        "ticket types that the code unlocks; it is then read at this moment, and caches do not store it."
    ),
    tags=["Events"],
    responses=problems(SalesRefusal.EVENT_NOT_FOUND, *REFUSALS),
    **policy(PUBLIC),
)
async def get_availability(
    request: Request, event_id: FromPath[EventId], promo_code: PromoCode = None
) -> Response[AvailabilityView] | Response[None]:
    """Return how many tickets of each type of an event can be booked."""
    if promo_code is not None:
        glance = await _unlocked_glance(request, event_id, promo_code)
        now = request.context.clock()
        shown = _show(show_id("evt", event_id), glance, _state(glance, now), now)
        return Response(shown, headers=UNLOCKED)
    glance = await request.context.engine.get_glance(event_id)
    if glance.state == "closed":
        raise Refused(SalesRefusal.EVENT_NOT_FOUND)
    now = request.context.clock()
    state = _state(glance, now)
    # Units that a clock released are counted before the journal has grown, and so are their next releases
    releases = sum(at.timestamp() for at in glance.releases.values())
    shown = _show(show_id("evt", event_id), glance, state, now)
    states = "".join(each.state[0] for each in shown.ticket_types)
    etag = etag_of(f"{glance.seq}-{state}-{states}-{sum(glance.available.values())}-{releases:.6f}")
    if unchanged := not_modified(request, etag, _FRESH):
        return unchanged
    return Response(shown, headers={"etag": etag, "cache-control": _FRESH})


async def _unlocked_glance(request: Request, event_id: UUID, promo_code: str) -> sales.Glance:
    """Return the availability of an event at this moment, with the ticket types that a promo code unlocks."""
    buyer_id, now = await count_guess(request), request.context.clock()
    async with request.context.database.snapshot() as snapshot:
        sale = await sales.reads.read_sale(snapshot, event_id)
        types = await sales.reads.read_types_for(snapshot, sale, buyer_id, promo_code, now)
    return sales.Glance.of(sale, types, now)


def _show(event_id: str, glance: sales.Glance, state: OnSaleState, now: datetime) -> AvailabilityView:
    return AvailabilityView(
        event_id,
        state,
        glance.on_sale_at,
        glance.off_sale_at,
        glance.next_release_at,
        show_types(glance, now),
    )


def _state(glance: sales.Glance, now: datetime) -> OnSaleState:
    types = [(terms, glance.available[terms.ticket_type_id]) for terms in glance.types]
    return sales.reads.state_of_sale(glance, types, now)


routes: Final = [get_availability]
