"""How an event is sold: its conditions and its seats.

Each change leaves a new version of the event, which is what `If-Match` names.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Final

from evently import organizing
from evently.kit.errors import Refused
from evently.kit.ids import parse_id
from evently.sales.commands import SalesRefusal
from evently.sales.reads import Sale
from evently.seating import Hall
from evently.web.api.catalogue.sale_shapes import (
    ConditionsPatch,
    ConditionsView,
    OrganizersSeatingView,
    SeatChoiceBody,
    SeatingBody,
    ZoneCountsView,
    conditions_changes,
    seat_choice,
    seating_draft,
    show_conditions,
)
from evently.web.api.catalogue.venues import MANAGERS, MEMBERS
from evently.web.api.organizing.parts import answer_changed_part, answer_part, look_at_sale
from evently.web.edge.auth import policy
from evently.web.edge.conditional import require_if_match
from evently.web.edge.context import Request, Response
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, get, patch, post, put

_CONDITIONS: Final = "Organizer: conditions of sale"
_SEATING: Final = "Organizer: seating"
SEATS_BYTES_MAX: Final = 8 * 1024 * 1024  # of a body that may name every seat of the largest map
_FREE, _TAKEN, _BLOCKED = range(3)  # in `Hall.states`


@get(
    "/v1/events/{event_id:str}/conditions",
    operation_id="getConditions",
    summary="The conditions of sale",
    tags=[_CONDITIONS],
    responses=problems(),
    **policy(MEMBERS),
)
async def get_conditions(request: Request, event_id: FromPath[str]) -> Response[ConditionsView]:
    """Return the conditions under which bookings are made now."""
    event, sale = await look_at_sale(request.context, event_id)
    return answer_part(event, _show_conditions(sale))


@patch(
    "/v1/events/{event_id:str}/conditions",
    operation_id="changeConditions",
    summary="Change the conditions of sale",
    description="Later bookings are made under them; those that were made keep theirs, to be cancelled and refunded as they were sold.",
    tags=[_CONDITIONS],
    responses=problems(SalesRefusal.TOO_MANY_PARTS, SalesRefusal.EVENT_CANCELLED, 412, 428),
    **policy(MANAGERS),
)
async def change_conditions(
    request: Request, event_id: FromPath[str], data: JSONBody[ConditionsPatch]
) -> Response[ConditionsView]:
    """Change how tickets are paid, held and refunded."""
    context, event = request.context, parse_id("evt", event_id)
    changes, seen = conditions_changes(data), partial(require_if_match, request)
    async with context.database.transaction() as tx:
        changed, sale = await organizing.change_conditions(tx, event, changes, context.clock(), seen)
    return answer_changed_part(request, changed, _show_conditions(sale))


@get(
    "/v1/events/{event_id:str}/seating",
    operation_id="getSeating",
    summary="The seats of an event, counted",
    tags=[_SEATING],
    responses=problems(SalesRefusal.NOT_SEATED),
    **policy(MEMBERS),
)
async def get_seating(request: Request, event_id: FromPath[str]) -> Response[OrganizersSeatingView]:
    """Return the price zones with how many of their seats are free, taken and blocked."""
    event, sale = await look_at_sale(request.context, event_id)
    return answer_part(event, _show_seating(sale))


@put(
    "/v1/events/{event_id:str}/seating",
    operation_id="putSeating",
    summary="Give an event its seats, or other zones",
    description=(
        "Copies a map of the venue; without `seat_map_id` the event keeps its copy and gets other zones. Another map needs a draft of "
        "which no seat is blocked; other zones leave taken seats where they are. A pool that had as many units as the zone of its name has "
        "seats goes on having that."
    ),
    tags=[_SEATING],
    responses=problems(
        SalesRefusal.SEATS_IN_USE, SalesRefusal.CAPACITY_TAKEN, SalesRefusal.EVENT_CANCELLED, 412, 428
    ),
    **policy(MANAGERS, rate="heavy", body_bytes_max=SEATS_BYTES_MAX),
)
async def put_seating(
    request: Request, event_id: FromPath[str], data: JSONBody[SeatingBody]
) -> Response[OrganizersSeatingView]:
    """Copy a seat map and divide it into price zones."""
    context, event = request.context, parse_id("evt", event_id)
    draft, seen = seating_draft(data), partial(require_if_match, request)
    async with context.database.transaction() as tx:
        changed, sale = await organizing.put_seating(tx, event, draft, context.clock(), seen)
    return answer_changed_part(request, changed, _show_seating(sale))


@post(
    "/v1/events/{event_id:str}/seats/block",
    operation_id="blockSeats",
    summary="Take seats off the sale",
    description="All or none of them: refused when one is taken. Harmless to repeat, and in the way of nobody's edit.",
    tags=[_SEATING],
    status_code=200,
    responses=problems(SalesRefusal.SEAT_TAKEN, SalesRefusal.NOT_SEATED, SalesRefusal.EVENT_CANCELLED),
    **policy(MANAGERS, body_bytes_max=SEATS_BYTES_MAX),
)
async def block_seats(
    request: Request, event_id: FromPath[str], data: JSONBody[SeatChoiceBody]
) -> Response[OrganizersSeatingView]:
    """Block free seats."""
    context, event = request.context, parse_id("evt", event_id)
    async with context.database.transaction() as tx:
        changed, sale = await organizing.block_seats(tx, event, seat_choice(data), context.clock())
    return answer_changed_part(request, changed, _show_seating(sale))


@post(
    "/v1/events/{event_id:str}/seats/unblock",
    operation_id="unblockSeats",
    summary="Sell blocked seats again",
    description="Of the seats chosen, those that are not blocked stay as they are. Harmless to repeat.",
    tags=[_SEATING],
    status_code=200,
    responses=problems(SalesRefusal.NOT_SEATED, SalesRefusal.EVENT_CANCELLED),
    **policy(MANAGERS, body_bytes_max=SEATS_BYTES_MAX),
)
async def unblock_seats(
    request: Request, event_id: FromPath[str], data: JSONBody[SeatChoiceBody]
) -> Response[OrganizersSeatingView]:
    """Free blocked seats."""
    context, event = request.context, parse_id("evt", event_id)
    async with context.database.transaction() as tx:
        changed, sale = await organizing.unblock_seats(tx, event, seat_choice(data), context.clock())
    return answer_changed_part(request, changed, _show_seating(sale))


def _show_conditions(sale: Sale) -> ConditionsView:
    version, conditions = sale.conditions_now()
    return show_conditions(version, conditions, sale.currency)


def _show_seating(sale: Sale) -> OrganizersSeatingView:
    hall = sale.hall
    if hall is None:
        raise Refused(SalesRefusal.NOT_SEATED, "general_admission")
    zones = [_show_zone(hall, index, zone) for index, zone in enumerate(hall.zones)]
    return OrganizersSeatingView(
        hall.plan.digest, hall.plan.size, hall.plan.size - sum(zone.seats for zone in zones), zones
    )


def _show_zone(hall: Hall, index: int, zone: str) -> ZoneCountsView:
    counts = Counter(state for state, of in zip(hall.states(), hall.zone_of, strict=True) if of == index)
    return ZoneCountsView(zone, counts.total(), counts[_FREE], counts[_TAKEN], counts[_BLOCKED])


routes: Final = [get_conditions, change_conditions, get_seating, put_seating, block_seats, unblock_seats]
