"""What an event has left."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec
from litestar import get
from litestar.params import FromPath

from evently import sales
from evently.kit.errors import Refused
from evently.kit.ids import parse_id, show_id
from evently.sales import SalesRefusal
from evently.web.auth import PUBLIC, policy
from evently.web.conditional import etag_of, not_modified
from evently.web.context import Answer, Request
from evently.web.problems import problems

_FRESH: Final = "public, max-age=0, must-revalidate"  # a shared cache may keep it, and must ask each time: a sale is quicker than a cache


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


def _state(glance: sales.Glance, now: datetime) -> str:
    if glance.state == "cancelled":
        return "cancelled"
    if now < glance.on_sale_at:
        return "not_yet_on_sale"
    if now >= glance.off_sale_at:
        return "ended"
    return "on_sale" if any(units > 0 for units in glance.available.values()) else "sold_out"


routes: Final = [get_availability]
