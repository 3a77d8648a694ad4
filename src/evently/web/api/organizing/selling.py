"""How an event is sold: its conditions and its seats.

Each change leaves a new version of the event, which clients name in `If-Match`.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Final

from evently import organizing
from evently.kit.errors import Refused
from evently.kit.ids import EventId
from evently.organizing import ConditionsChanges, Edited, SeatChoice, SeatingDraft, ZonePainting
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import Sale
from evently.seating import SeatState
from evently.web.api.catalogue.sale_shapes import (
    ConditionsView,
    OrganizersSeatingView,
    ZoneCountsView,
    show_conditions,
)
from evently.web.api.catalogue.venues import MANAGERS, MEMBERS
from evently.web.api.organizing.parts import (
    answer_changed_part,
    answer_part,
    is_payable,
    read_event_and_sale,
)
from evently.web.edge.auth import policy
from evently.web.edge.conditional import require_if_match
from evently.web.edge.context import Response
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, get, patch, post, put
from evently.web.services import Request

_CONDITIONS: Final = "Organizer: conditions of sale"
_SEATING: Final = "Organizer: seating"
SEATS_BYTES_MAX: Final = 8 * 1024 * 1024  # a body may name every seat of the largest map


@get(
    "/v1/events/{event_id}/conditions",
    operation_id="getConditions",
    summary="Get the conditions of sale",
    tags=[_CONDITIONS],
    responses=problems(),
    **policy(MEMBERS),
)
async def get_conditions(request: Request, event_id: FromPath[EventId]) -> Response[ConditionsView]:
    """Return the conditions of new bookings."""
    event, sale = await read_event_and_sale(request.context, event_id)
    return answer_part(event, _show_conditions(sale))


@patch(
    "/v1/events/{event_id}/conditions",
    operation_id="changeConditions",
    summary="Change the conditions of sale",
    description=(
        "Changes are for later bookings. Earlier bookings keep the conditions under which they were made, "
        "also for cancellations and refunds."
    ),
    tags=[_CONDITIONS],
    responses=problems(
        SalesRefusal.TOO_MANY_PARTS, SalesRefusal.EVENT_CANCELLED, SalesRefusal.NO_GATEWAY, 412, 428
    ),
    **policy(MANAGERS),
)
async def change_conditions(
    request: Request, event_id: FromPath[EventId], data: JSONBody[ConditionsChanges]
) -> Response[ConditionsView]:
    """Change how tickets are paid, held and refunded."""
    context, seen = request.context, partial(require_if_match, request)
    payable = await is_payable(context)
    async with context.database.transaction() as tx:
        event, sale = await organizing.change_conditions(
            tx, event_id, data, context.clock(), seen, context.checkout.denominations
        )
        organizing.refuse_unpayable(Edited(event, sale), payable=payable)
    return answer_changed_part(request, event, _show_conditions(sale))


@get(
    "/v1/events/{event_id}/seating",
    operation_id="getSeating",
    summary="Get the seat counts of an event",
    tags=[_SEATING],
    responses=problems(SalesRefusal.NOT_SEATED),
    **policy(MEMBERS),
)
async def get_seating(request: Request, event_id: FromPath[EventId]) -> Response[OrganizersSeatingView]:
    """Return the price zones with the numbers of their free, taken and blocked seats."""
    event, sale = await read_event_and_sale(request.context, event_id)
    return answer_part(event, _show_seating(sale))


@put(
    "/v1/events/{event_id}/seating",
    operation_id="putSeating",
    summary="Set the seats of an event",
    description=(
        "Copies a seat map of the venue and divides it into price zones. Without `seat_map_id` the event "
        "keeps its copy and gets other zones. Another map needs a draft without blocked seats; with other "
        "zones, taken seats must stay in their zone. If a pool has the name of a zone and as many units as "
        "the zone has seats, its capacity follows the zone."
    ),
    tags=[_SEATING],
    responses=problems(
        SalesRefusal.SEATS_IN_USE, SalesRefusal.CAPACITY_TAKEN, SalesRefusal.EVENT_CANCELLED, 412, 428
    ),
    **policy(MANAGERS, rate="heavy", body_bytes_max=SEATS_BYTES_MAX),
)
async def put_seating(
    request: Request, event_id: FromPath[EventId], data: JSONBody[SeatingDraft]
) -> Response[OrganizersSeatingView]:
    """Copy a seat map, or divide the copy into other price zones."""
    context, seen = request.context, partial(require_if_match, request)
    async with context.database.transaction() as tx:
        event, sale = await organizing.put_seating(tx, event_id, data, context.clock(), seen)
    return answer_changed_part(request, event, _show_seating(sale))


@post(
    "/v1/events/{event_id}/seating/paint",
    operation_id="paintSeats",
    summary="Move seats to a price zone",
    description=(
        "The other seats keep their zones. A zone that is left without seats ends. Taken seats must stay in "
        "their zone, and a zone that a ticket type sells must keep a seat."
    ),
    tags=[_SEATING],
    status_code=200,
    responses=problems(
        SalesRefusal.SEATS_IN_USE,
        SalesRefusal.CAPACITY_TAKEN,
        SalesRefusal.NOT_SEATED,
        SalesRefusal.EVENT_CANCELLED,
        412,
        428,
    ),
    **policy(MANAGERS, rate="heavy", body_bytes_max=SEATS_BYTES_MAX),
)
async def paint_seats(
    request: Request, event_id: FromPath[EventId], data: JSONBody[ZonePainting]
) -> Response[OrganizersSeatingView]:
    """Move seats to a zone."""
    context, seen = request.context, partial(require_if_match, request)
    async with context.database.transaction() as tx:
        event, sale = await organizing.paint_seats(tx, event_id, data, context.clock(), seen)
    return answer_changed_part(request, event, _show_seating(sale))


@post(
    "/v1/events/{event_id}/seats/block",
    operation_id="blockSeats",
    summary="Block seats",
    description=(
        "Blocked seats are not for sale. Blocks all of them or, if one is taken, none. Safe to repeat; no "
        "change becomes stale."
    ),
    tags=[_SEATING],
    status_code=200,
    responses=problems(SalesRefusal.SEAT_TAKEN, SalesRefusal.NOT_SEATED, SalesRefusal.EVENT_CANCELLED),
    **policy(MANAGERS, body_bytes_max=SEATS_BYTES_MAX),
)
async def block_seats(
    request: Request, event_id: FromPath[EventId], data: JSONBody[SeatChoice]
) -> Response[OrganizersSeatingView]:
    """Block free seats."""
    context = request.context
    async with context.database.transaction() as tx:
        event, sale = await organizing.block_seats(tx, event_id, data, context.clock())
    return answer_changed_part(request, event, _show_seating(sale))


@post(
    "/v1/events/{event_id}/seats/unblock",
    operation_id="unblockSeats",
    summary="Unblock seats",
    description=(
        "Puts blocked seats back on sale. Chosen seats that are not blocked stay as they are. Safe to repeat."
    ),
    tags=[_SEATING],
    status_code=200,
    responses=problems(SalesRefusal.NOT_SEATED, SalesRefusal.EVENT_CANCELLED),
    **policy(MANAGERS, body_bytes_max=SEATS_BYTES_MAX),
)
async def unblock_seats(
    request: Request, event_id: FromPath[EventId], data: JSONBody[SeatChoice]
) -> Response[OrganizersSeatingView]:
    """Sell blocked seats again."""
    context = request.context
    async with context.database.transaction() as tx:
        event, sale = await organizing.unblock_seats(tx, event_id, data, context.clock())
    return answer_changed_part(request, event, _show_seating(sale))


def _show_conditions(sale: Sale) -> ConditionsView:
    version, conditions = sale.conditions_now()
    return show_conditions(version, conditions, sale.currency)


def _show_seating(sale: Sale) -> OrganizersSeatingView:
    hall = sale.hall
    if hall is None:
        raise Refused(SalesRefusal.NOT_SEATED, "general_admission")
    counts = Counter(zip(hall.zone_of, hall.states(), strict=True))
    zones = [_show_zone(counts, index, zone) for index, zone in enumerate(hall.zones)]
    return OrganizersSeatingView(
        hall.plan.digest, hall.plan.size, hall.plan.size - sum(zone.seats for zone in zones), zones
    )


def _show_zone(counts: Counter[tuple[int, int]], index: int, zone: str) -> ZoneCountsView:
    free, taken, blocked = (
        counts[index, state] for state in (SeatState.AVAILABLE, SeatState.TAKEN, SeatState.BLOCKED)
    )
    return ZoneCountsView(zone, free + taken + blocked, free, taken, blocked)


routes: Final = [
    get_conditions,
    change_conditions,
    get_seating,
    put_seating,
    paint_seats,
    block_seats,
    unblock_seats,
]
