"""Pools and ticket types of an event.

Each change leaves a new version of the event, which is what `If-Match` names.
"""

from __future__ import annotations

from functools import partial
from typing import Final, TypeVar
from uuid import UUID

from msgspec import UNSET

from evently import catalogue, organizing
from evently.catalogue import Event
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import NO_ID, find_id, parse_id, show_id
from evently.organizing import NewPool, PoolChanges, TicketTypeChanges, TicketTypeDraft
from evently.sales.commands import SalesRefusal
from evently.sales.reads import Pool, Sale, read_sale
from evently.sales.terms import TicketTypeTerms
from evently.web.api.catalogue.events import type_fields
from evently.web.api.catalogue.shapes import (
    OrganizersTypeView,
    PoolBody,
    PoolPatch,
    PoolView,
    TypeBody,
    TypePatch,
    taken,
    tax_said,
)
from evently.web.api.catalogue.venues import MANAGERS, MEMBERS
from evently.web.edge.auth import policy
from evently.web.edge.conditional import etag_of, require_if_match
from evently.web.edge.context import Context, Request, Response
from evently.web.edge.lists import PageView
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, delete, get, patch, post

View = TypeVar("View")

_POOLS: Final = "Organizer: pools"
_TYPES: Final = "Organizer: ticket types"


@get(
    "/v1/events/{event_id:str}/pools",
    operation_id="listPools",
    summary="The pools of an event",
    tags=[_POOLS],
    responses=problems(),
    **policy(MEMBERS),
)
async def list_pools(request: Request, event_id: FromPath[str]) -> Response[PageView[PoolView]]:
    """Return every pool with its counters; an event has few."""
    event, sale = await look_at_sale(request.context, event_id)
    return answer_part(event, PageView([_show_pool(pool) for pool in sale.pools.values()], None))


@get(
    "/v1/events/{event_id:str}/pools/{pool_id:str}",
    operation_id="getPool",
    summary="One pool",
    tags=[_POOLS],
    responses=problems(),
    **policy(MEMBERS),
)
async def get_pool(request: Request, event_id: FromPath[str], pool_id: FromPath[str]) -> Response[PoolView]:
    """Return a pool with its counters."""
    event, sale = await look_at_sale(request.context, event_id)
    return answer_part(event, _show_pool(_part(sale.pools, parse_id("pol", pool_id))))


@post(
    "/v1/events/{event_id:str}/pools",
    operation_id="addPool",
    summary="Add a pool",
    tags=[_POOLS],
    responses=problems(SalesRefusal.TOO_MANY_PARTS, SalesRefusal.EVENT_CANCELLED),
    **policy(MANAGERS),
)
async def add_pool(request: Request, event_id: FromPath[str], data: JSONBody[PoolBody]) -> Response[PoolView]:
    """Give an event one more pool."""
    context, event = request.context, parse_id("evt", event_id)
    async with context.database.transaction() as tx:
        added = await organizing.add_pool(tx, event, NewPool(data.name, data.capacity), context.clock())
    view = _show_pool(added.sale.pools[added.part_id])
    return answer_made_part(request, added.event, "pools", view.id, view)


@patch(
    "/v1/events/{event_id:str}/pools/{pool_id:str}",
    operation_id="changePool",
    summary="Change a pool",
    description="Its capacity can be raised, and lowered to what is held, sold and set aside.",
    tags=[_POOLS],
    responses=problems(SalesRefusal.CAPACITY_TAKEN, SalesRefusal.EVENT_CANCELLED, 412, 428),
    **policy(MANAGERS),
)
async def change_pool(
    request: Request, event_id: FromPath[str], pool_id: FromPath[str], data: JSONBody[PoolPatch]
) -> Response[PoolView]:
    """Rename a pool or change its capacity."""
    context, event, pool = request.context, parse_id("evt", event_id), parse_id("pol", pool_id)
    changes, seen = taken(PoolChanges, data), partial(require_if_match, request)
    async with context.database.transaction() as tx:
        changed, sale = await organizing.change_pool(tx, event, pool, changes, context.clock(), seen)
    return answer_changed_part(request, changed, _show_pool(sale.pools[pool]))


@delete(
    "/v1/events/{event_id:str}/pools/{pool_id:str}",
    operation_id="removePool",
    summary="Remove a pool",
    description="One that no ticket type draws on, retired ones included.",
    tags=[_POOLS],
    responses=problems(SalesRefusal.POOL_IN_USE, SalesRefusal.EVENT_CANCELLED, 412, 428),
    **policy(MANAGERS),
)
async def remove_pool(request: Request, event_id: FromPath[str], pool_id: FromPath[str]) -> Response[None]:
    """Take away a pool."""
    context, event, pool = request.context, parse_id("evt", event_id), parse_id("pol", pool_id)
    async with context.database.transaction() as tx:
        changed, _ = await organizing.remove_pool(
            tx, event, pool, context.clock(), partial(require_if_match, request)
        )
    return answer_changed_part(request, changed, None)


@get(
    "/v1/events/{event_id:str}/ticket-types",
    operation_id="listTicketTypes",
    summary="The ticket types of an event, retired ones too",
    tags=[_TYPES],
    responses=problems(),
    **policy(MEMBERS),
)
async def list_ticket_types(
    request: Request, event_id: FromPath[str]
) -> Response[PageView[OrganizersTypeView]]:
    """Return every ticket type, in the order of the page; an event has few."""
    event, sale = await look_at_sale(request.context, event_id)
    return answer_part(
        event,
        PageView([_show_type(request.context, sale, terms) for terms in sale.ticket_types.values()], None),
    )


@get(
    "/v1/events/{event_id:str}/ticket-types/{ticket_type_id:str}",
    operation_id="getTicketType",
    summary="One ticket type",
    tags=[_TYPES],
    responses=problems(),
    **policy(MEMBERS),
)
async def get_ticket_type(
    request: Request, event_id: FromPath[str], ticket_type_id: FromPath[str]
) -> Response[OrganizersTypeView]:
    """Return a ticket type."""
    event, sale = await look_at_sale(request.context, event_id)
    return answer_part(
        event, _show_type(request.context, sale, _part(sale.ticket_types, parse_id("tty", ticket_type_id)))
    )


@post(
    "/v1/events/{event_id:str}/ticket-types",
    operation_id="addTicketType",
    summary="Add a ticket type",
    tags=[_TYPES],
    responses=problems(SalesRefusal.TOO_MANY_PARTS, SalesRefusal.EVENT_CANCELLED),
    **policy(MANAGERS),
)
async def add_ticket_type(
    request: Request, event_id: FromPath[str], data: JSONBody[TypeBody]
) -> Response[OrganizersTypeView]:
    """Give an event one more ticket type, the last on its page."""
    context, event = request.context, parse_id("evt", event_id)
    draft, pool_ids = taken(TicketTypeDraft, data, **tax_said(data.tax)), _pool_ids(data.pool_ids)
    async with context.database.transaction() as tx:
        added = await organizing.add_ticket_type(tx, event, draft, pool_ids, context.clock())
    view = _show_type(context, added.sale, added.sale.ticket_types[added.part_id])
    return answer_made_part(request, added.event, "ticket-types", view.id, view)


@patch(
    "/v1/events/{event_id:str}/ticket-types/{ticket_type_id:str}",
    operation_id="changeTicketType",
    summary="Change a ticket type",
    description="A price is that of later bookings. The pools stay once the event is published.",
    tags=[_TYPES],
    responses=problems(SalesRefusal.POOL_IN_USE, SalesRefusal.EVENT_CANCELLED, 412, 428),
    **policy(MANAGERS),
)
async def change_ticket_type(
    request: Request, event_id: FromPath[str], ticket_type_id: FromPath[str], data: JSONBody[TypePatch]
) -> Response[OrganizersTypeView]:
    """Change a ticket type."""
    context, event, ticket_type = request.context, parse_id("evt", event_id), parse_id("tty", ticket_type_id)
    pool_ids = UNSET if data.pool_ids is UNSET else _pool_ids(data.pool_ids)
    changes, seen = (
        taken(TicketTypeChanges, data, pool_ids=pool_ids, **tax_said(data.tax)),
        partial(require_if_match, request),
    )
    async with context.database.transaction() as tx:
        changed, sale = await organizing.change_ticket_type(
            tx, event, ticket_type, changes, context.clock(), seen
        )
    return answer_changed_part(request, changed, _show_type(context, sale, sale.ticket_types[ticket_type]))


@delete(
    "/v1/events/{event_id:str}/ticket-types/{ticket_type_id:str}",
    operation_id="retireTicketType",
    summary="Retire a ticket type",
    description="It is not sold any more; its tickets stay valid.",
    tags=[_TYPES],
    responses=problems(SalesRefusal.EVENT_CANCELLED, 412, 428),
    **policy(MANAGERS),
)
async def retire_ticket_type(
    request: Request, event_id: FromPath[str], ticket_type_id: FromPath[str]
) -> Response[None]:
    """Stop selling a ticket type for good."""
    context, event, ticket_type = request.context, parse_id("evt", event_id), parse_id("tty", ticket_type_id)
    async with context.database.transaction() as tx:
        changed, _ = await organizing.retire_ticket_type(
            tx, event, ticket_type, context.clock(), partial(require_if_match, request)
        )
    return answer_changed_part(request, changed, None)


async def look_at_sale(context: Context, event_id: str) -> tuple[Event, Sale]:
    """Return an event and its sale at one instant."""
    event_id_ = parse_id("evt", event_id)
    async with context.database.snapshot() as snapshot:
        event = (await catalogue.find_events(snapshot, [event_id_])).get(event_id_)
        if event is None:
            raise Refused(CommonRefusal.NOT_FOUND)
        return event, await read_sale(snapshot, event_id_)


def _pool_ids(texts: list[str]) -> tuple[UUID, ...]:
    return tuple(find_id("pol", text) or NO_ID for text in texts)


def _part(parts: dict[UUID, View], part_id: UUID) -> View:
    part = parts.get(part_id)
    if part is None:
        raise Refused(CommonRefusal.NOT_FOUND, "part")
    return part


def _show_pool(pool: Pool) -> PoolView:
    available = pool.capacity - pool.taken()
    return PoolView(
        show_id("pol", pool.pool_id),
        pool.name,
        pool.capacity,
        pool.held,
        pool.sold,
        pool.set_aside,
        available,
    )


def _show_type(context: Context, sale: Sale, terms: TicketTypeTerms) -> OrganizersTypeView:
    return OrganizersTypeView(
        **type_fields(sale, terms, context.clock()),
        position=terms.position,
        pool_ids=[show_id("pol", pool_id) for pool_id in terms.pool_ids],
        hidden=terms.hidden,
        retired=terms.retired,
    )


def answer_part(event: Event, view: View) -> Response[View]:
    """Return a part of an event, under its version."""
    return Response(view, headers={"etag": etag_of(event.version), "cache-control": "no-store"})


def answer_changed_part(request: Request, event: Event, view: View) -> Response[View]:
    """Return a part that was changed a moment ago, and let nobody here see the old one."""
    request.context.memory.forget(show_id("evt", event.event_id))
    return answer_part(event, view)


def answer_made_part(request: Request, event: Event, kind: str, part_id: str, view: View) -> Response[View]:
    """Return a part that was made a moment ago; `kind` is the list it is in."""
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
