"""Pools and ticket types of an event.

Each change leaves a new version of the event, which clients name in `If-Match`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final, TypeVar
from uuid import UUID

from evently import catalogue, organizing
from evently.catalogue import Event
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import EventId, PoolId, TicketTypeId, show_id
from evently.kit.shapes import copy_fields
from evently.organizing import AddedTicketType, Edited, NewPool, PoolChanges, TicketTypeChanges, get_part
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import Pool, Sale, read_sale, states_of
from evently.sales.terms import TicketTypeTerms
from evently.web.api.catalogue.events import show_type
from evently.web.api.catalogue.shapes import OrganizersTypeView, PoolView
from evently.web.api.catalogue.venues import MANAGERS, MEMBERS
from evently.web.edge.auth import policy
from evently.web.edge.conditional import etag_of, require_if_match
from evently.web.edge.context import Response
from evently.web.edge.lists import PageView
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, delete, get, patch, post
from evently.web.services import Request, Services

View = TypeVar("View")

_POOLS: Final = "Organizer: pools"
_TYPES: Final = "Organizer: ticket types"


@get(
    "/v1/events/{event_id}/pools",
    operation_id="listPools",
    summary="List the pools of an event",
    tags=[_POOLS],
    responses=problems(),
    **policy(MEMBERS),
)
async def list_pools(request: Request, event_id: FromPath[EventId]) -> Response[PageView[PoolView]]:
    """List the pools of an event with their counters, in one page."""
    event, sale = await read_event_and_sale(request.context, event_id)
    return answer_part(event, PageView([_show_pool(pool) for pool in sale.pools.values()], None))


@get(
    "/v1/events/{event_id}/pools/{pool_id}",
    operation_id="getPool",
    summary="Get a pool",
    tags=[_POOLS],
    responses=problems(),
    **policy(MEMBERS),
)
async def get_pool(
    request: Request, event_id: FromPath[EventId], pool_id: FromPath[PoolId]
) -> Response[PoolView]:
    """Return a pool with its counters."""
    event, sale = await read_event_and_sale(request.context, event_id)
    return answer_part(event, _show_pool(get_part(sale.pools, pool_id)))


@post(
    "/v1/events/{event_id}/pools",
    operation_id="addPool",
    summary="Add a pool",
    tags=[_POOLS],
    responses=problems(SalesRefusal.TOO_MANY_PARTS, SalesRefusal.EVENT_CANCELLED),
    **policy(MANAGERS),
)
async def add_pool(
    request: Request, event_id: FromPath[EventId], data: JSONBody[NewPool]
) -> Response[PoolView]:
    """Add a pool to an event."""
    context = request.context
    async with context.database.transaction() as tx:
        added = await organizing.add_pool(tx, event_id, data, context.clock())
    view = _show_pool(added.sale.pools[added.part_id])
    return answer_added_part(request, added.event, "pools", view.id, view)


@patch(
    "/v1/events/{event_id}/pools/{pool_id}",
    operation_id="changePool",
    summary="Change a pool",
    description=(
        "Its capacity cannot fall below the units that are held and sold. Units that are set aside are "
        "released first."
    ),
    tags=[_POOLS],
    responses=problems(SalesRefusal.CAPACITY_TAKEN, SalesRefusal.EVENT_CANCELLED, 412, 428),
    **policy(MANAGERS),
)
async def change_pool(
    request: Request, event_id: FromPath[EventId], pool_id: FromPath[PoolId], data: JSONBody[PoolChanges]
) -> Response[PoolView]:
    """Rename a pool or change its capacity."""
    context, seen = request.context, partial(require_if_match, request)
    async with context.database.transaction() as tx:
        event, sale = await organizing.change_pool(tx, event_id, pool_id, data, context.clock(), seen)
    return answer_changed_part(request, event, _show_pool(sale.pools[pool_id]))


@delete(
    "/v1/events/{event_id}/pools/{pool_id}",
    operation_id="removePool",
    summary="Remove a pool",
    description="Only a pool that no ticket type draws on can be removed; retired ticket types count.",
    tags=[_POOLS],
    responses=problems(SalesRefusal.POOL_IN_USE, SalesRefusal.EVENT_CANCELLED, 412, 428),
    **policy(MANAGERS),
)
async def remove_pool(
    request: Request, event_id: FromPath[EventId], pool_id: FromPath[PoolId]
) -> Response[None]:
    """Remove a pool."""
    context, seen = request.context, partial(require_if_match, request)
    async with context.database.transaction() as tx:
        event, _ = await organizing.remove_pool(tx, event_id, pool_id, context.clock(), seen)
    return answer_changed_part(request, event, None)


@get(
    "/v1/events/{event_id}/ticket-types",
    operation_id="listTicketTypes",
    summary="List the ticket types of an event",
    tags=[_TYPES],
    responses=problems(),
    **policy(MEMBERS),
)
async def list_ticket_types(
    request: Request, event_id: FromPath[EventId]
) -> Response[PageView[OrganizersTypeView]]:
    """List the ticket types of an event in the order of its page, retired ones too, in one page."""
    event, sale = await read_event_and_sale(request.context, event_id)
    return answer_part(
        event,
        PageView(_show_types(request.context, sale, sale.ticket_types.values()), None),
    )


@get(
    "/v1/events/{event_id}/ticket-types/{ticket_type_id}",
    operation_id="getTicketType",
    summary="Get a ticket type",
    tags=[_TYPES],
    responses=problems(),
    **policy(MEMBERS),
)
async def get_ticket_type(
    request: Request, event_id: FromPath[EventId], ticket_type_id: FromPath[TicketTypeId]
) -> Response[OrganizersTypeView]:
    """Return a ticket type."""
    event, sale = await read_event_and_sale(request.context, event_id)
    return answer_part(event, _show_type(request.context, sale, get_part(sale.ticket_types, ticket_type_id)))


@post(
    "/v1/events/{event_id}/ticket-types",
    operation_id="addTicketType",
    summary="Add a ticket type",
    tags=[_TYPES],
    description=(
        "With `needed_ids` it is an add-on, such as parking: it is sold only together with a ticket of one "
        "of these types, in the same booking. It is cancelled with the last of them, and has neither seats "
        "nor a waitlist."
    ),
    responses=problems(
        SalesRefusal.TOO_MANY_PARTS,
        SalesRefusal.NOT_AN_ADD_ON,
        SalesRefusal.EVENT_CANCELLED,
        SalesRefusal.NO_GATEWAY,
    ),
    **policy(MANAGERS),
)
async def add_ticket_type(
    request: Request, event_id: FromPath[EventId], data: JSONBody[AddedTicketType]
) -> Response[OrganizersTypeView]:
    """Add a ticket type to an event, the last on its page."""
    context, payable = request.context, await is_payable(request.context)
    async with context.database.transaction() as tx:
        added = await organizing.add_ticket_type(
            tx, event_id, data, context.clock(), context.checkout.denominations
        )
        organizing.refuse_unpayable(Edited(added.event, added.sale), payable=payable)
    view = _show_type(context, added.sale, added.sale.ticket_types[added.part_id])
    return answer_added_part(request, added.event, "ticket-types", view.id, view)


@patch(
    "/v1/events/{event_id}/ticket-types/{ticket_type_id}",
    operation_id="changeTicketType",
    summary="Change a ticket type",
    description="A new price is for later bookings. The pools cannot change once the event is published.",
    tags=[_TYPES],
    responses=problems(
        SalesRefusal.POOL_IN_USE,
        SalesRefusal.NOT_AN_ADD_ON,
        SalesRefusal.EVENT_CANCELLED,
        SalesRefusal.NO_GATEWAY,
        412,
        428,
    ),
    **policy(MANAGERS),
)
async def change_ticket_type(
    request: Request,
    event_id: FromPath[EventId],
    ticket_type_id: FromPath[TicketTypeId],
    data: JSONBody[TicketTypeChanges],
) -> Response[OrganizersTypeView]:
    """Change a ticket type."""
    context, seen = request.context, partial(require_if_match, request)
    payable = await is_payable(context)
    async with context.database.transaction() as tx:
        event, sale = await organizing.change_ticket_type(
            tx, event_id, ticket_type_id, data, context.clock(), seen, context.checkout.denominations
        )
        organizing.refuse_unpayable(Edited(event, sale), payable=payable)
    return answer_changed_part(request, event, _show_type(context, sale, sale.ticket_types[ticket_type_id]))


@delete(
    "/v1/events/{event_id}/ticket-types/{ticket_type_id}",
    operation_id="retireTicketType",
    summary="Retire a ticket type",
    description="It is no longer sold; its tickets stay valid.",
    tags=[_TYPES],
    responses=problems(SalesRefusal.EVENT_CANCELLED, 412, 428),
    **policy(MANAGERS),
)
async def retire_ticket_type(
    request: Request, event_id: FromPath[EventId], ticket_type_id: FromPath[TicketTypeId]
) -> Response[None]:
    """Stop selling a ticket type for good."""
    context, seen = request.context, partial(require_if_match, request)
    async with context.database.transaction() as tx:
        event, _ = await organizing.retire_ticket_type(tx, event_id, ticket_type_id, context.clock(), seen)
    return answer_changed_part(request, event, None)


async def is_payable(context: Services) -> bool:
    """Return whether bookings can be paid online. Ask before a transaction: it may read the database."""
    return await context.checkout.find_gateway() is not None


async def read_event_and_sale(context: Services, event_id: UUID) -> tuple[Event, Sale]:
    """Return an event and its sale at one instant. Refuses `not-found`."""
    async with context.database.snapshot() as snapshot:
        event = (await catalogue.find_events(snapshot, [event_id])).get(event_id)
        if event is None:
            raise Refused(CommonRefusal.NOT_FOUND)
        return event, await read_sale(snapshot, event_id)


def _show_pool(pool: Pool) -> PoolView:
    return copy_fields(
        PoolView, pool, id=show_id("pol", pool.pool_id), available=pool.capacity - pool.taken()
    )


def _show_type(context: Services, sale: Sale, terms: TicketTypeTerms) -> OrganizersTypeView:
    needed = [sale.ticket_types[type_id] for type_id in terms.needed_ids]
    return _show_types(context, sale, [terms, *needed])[0]


def _show_types(context: Services, sale: Sale, types: Iterable[TicketTypeTerms]) -> list[OrganizersTypeView]:
    """Return ticket types as their organizer sees them; those that add-ons need must be among them."""
    now = context.clock()
    units = [(terms, sale.available_at(terms, now)) for terms in types]
    states = states_of(sale, units, now)
    return [
        show_type(
            OrganizersTypeView,
            sale,
            terms,
            available,
            states[terms.ticket_type_id],
            pool_ids=[show_id("pol", pool_id) for pool_id in terms.pool_ids],
        )
        for terms, available in units
    ]


def answer_part(event: Event, view: View) -> Response[View]:
    """Return a part of an event, with its version as the `ETag`."""
    return Response(view, headers={"etag": etag_of(event.version), "cache-control": "no-store"})


def answer_changed_part(request: Request, event: Event, view: View) -> Response[View]:
    """Return a part that an edit has changed, and forget the kept answer with the event."""
    request.context.memory.forget(event.event_id)
    return answer_part(event, view)


def answer_added_part(request: Request, event: Event, kind: str, part_id: str, view: View) -> Response[View]:
    """Return a part that an edit has added to the list `kind`."""
    answer = answer_changed_part(request, event, view)
    answer.status_code = 201
    answer.headers["location"] = f"/v1/events/{show_id('evt', event.event_id)}/{kind}/{part_id}"
    return answer


routes: Final = [
    list_pools,
    get_pool,
    add_pool,
    change_pool,
    remove_pool,
    list_ticket_types,
    get_ticket_type,
    add_ticket_type,
    change_ticket_type,
    retire_ticket_type,
]
