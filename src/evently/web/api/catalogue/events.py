"""Events: make, look, change, publish, cancel, erase."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET

from evently import catalogue, organizing
from evently.accounts.organizers import get_organizer
from evently.catalogue import CatalogueRefusal, Event, EventChanges, EventTerms
from evently.kit.errors import CommonRefusal, FieldError, Invalid, Refused
from evently.kit.ids import NO_ID, find_id, parse_id, show_id
from evently.kit.money import Money
from evently.organizing import Edited, NewPool, NewTicketType, SaleTerms, WindowChanges
from evently.sales.commands import SalesRefusal
from evently.sales.reads import (
    Sale,
    price_from,
    public_types,
    read_sale,
    read_types_for,
    state_of,
    state_of_sale,
)
from evently.sales.terms import TicketTypeTerms
from evently.seating import Hall
from evently.web.api.catalogue.answers import send
from evently.web.api.catalogue.sale_shapes import (
    SeatingView,
    TaxView,
    ZoneView,
    conditions_of,
    seating_draft,
    show_to_buyers,
)
from evently.web.api.catalogue.shapes import (
    EventBody,
    EventPatch,
    EventView,
    HostView,
    TypeView,
    taken,
    tax_said,
)
from evently.web.api.catalogue.venues import MANAGERS, show_venue
from evently.web.api.unlocking import REFUSALS, UNLOCKED, PromoCode, count_guess
from evently.web.edge.auth import PUBLIC, SIGNED_IN, policy
from evently.web.edge.conditional import require_if_match
from evently.web.edge.context import Context, Request, Response
from evently.web.edge.memory import Kept, kept
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, delete, get, patch, post

# With the quarter of a second that we keep it ourselves, no cache outlives a sale
FRESH: Final = "public, max-age=1"
_PRIVATE: Final = "no-store"
_TAG: Final = "Events"
_ORGANIZERS: Final = "Organizer: events"
_encode: Final = msgspec.json.Encoder().encode


@post(
    "/v1/events",
    operation_id="createEvent",
    summary="Make an event",
    description=(
        "Makes a draft, which nobody but its organizer sees. The short form gives `capacity` and ticket types; the long form gives "
        "`pools`, each with a name and a capacity, and ticket types that name their pools. A ticket takes one unit of each of its "
        "pools, so 100 early birds inside a hall of 500 are two pools, and the early bird's ticket type names both. With `seating`, ticket "
        "types with a `zone` sell seats of it, and those without are general admission: a standing floor under a seated balcony."
    ),
    tags=[_ORGANIZERS],
    responses=problems(CommonRefusal.FORBIDDEN, CommonRefusal.NOT_FOUND),
    **policy(SIGNED_IN, scope="events:write"),
)
async def create_event(request: Request, data: JSONBody[EventBody]) -> Response[EventView]:
    """Make a draft of an organizer that the actor manages."""
    context = request.context
    organizer_id = await context.access.check_organizer(
        request.actor, {"organizer_id": data.organizer_id}, MANAGERS
    )
    terms = taken(
        EventTerms,
        data,
        venue_id=find_id("ven", data.venue_id) or NO_ID,
        tags=tuple(data.tags),
        starts_at=_one_of("starts_at", data.starts_at, data.starts_at_local),
        ends_at=_one_of("ends_at", data.ends_at, data.ends_at_local),
    )
    async with context.database.transaction() as tx:
        edited = await organizing.create_event(tx, organizer_id, terms, _sale_terms(data), context.clock())
    answer = await _answer_edited(request, edited)
    answer.status_code = 201
    answer.headers["location"] = f"/v1/events/{show_id('evt', edited.event.event_id)}"
    return answer


@get(
    "/v1/events/{event_id:str}",
    operation_id="getEvent",
    summary="One event",
    description=(
        "Published and cancelled events are for everybody, and at most a quarter of a second old; drafts are for members of the organizer. "
        "The `ETag` is what edits send in `If-Match`; it also changes when only the availability does, which stands in no edit's way. "
        "With `promo_code`, the hidden ticket types that it unlocks are shown as well: as of this moment, and to be kept by no cache."
    ),
    tags=[_TAG],
    responses=problems(SalesRefusal.EVENT_NOT_FOUND, *REFUSALS),
    **policy(PUBLIC, hot=True),
)
async def get_event(
    request: Request, event_id: FromPath[str], promo_code: PromoCode = None
) -> Response[EventView] | Response[None]:
    """Return an event; to members of its organizer, and to whoever names a promo code, as it is at this very moment."""
    context, actor = request.context, request.actor
    if promo_code is not None:
        buyer_id = await count_guess(request)
        _, view = await _read_event(context, parse_id("evt", event_id), promo_code, buyer_id)
        return Response(view, headers=UNLOCKED)
    make = partial(_read_kept, context, event_id)
    found = await context.memory.get(event_id, make)
    organizer_id = found.organizer_id
    assert organizer_id is not None, "every event has an organizer"
    if actor.kind != "anonymous" and await context.access.is_member(
        actor, organizer_id, "door", "events:read"
    ):
        return send(request, _private(await make()))
    if found.cache_control == _PRIVATE:
        raise Refused(SalesRefusal.EVENT_NOT_FOUND)
    return send(request, found)


@patch(
    "/v1/events/{event_id:str}",
    operation_id="changeEvent",
    summary="Change an event",
    description="A start that moves must be in the future; a sale that was to end at the start moves with it.",
    tags=[_ORGANIZERS],
    responses=problems(SalesRefusal.EVENT_CANCELLED, 412, 428),
    **policy(MANAGERS),
)
async def change_event(
    request: Request, event_id: FromPath[str], data: JSONBody[EventPatch]
) -> Response[EventView]:
    """Change what an event says, where and when it takes place, when it is sold."""
    context, event = request.context, parse_id("evt", event_id)
    changes = taken(
        EventChanges,
        data,
        venue_id=UNSET if data.venue_id is UNSET else find_id("ven", data.venue_id) or NO_ID,
        tags=UNSET if data.tags is UNSET else tuple(data.tags),
        starts_at=_one_of("starts_at", data.starts_at, data.starts_at_local),
        ends_at=_one_of("ends_at", data.ends_at, data.ends_at_local),
    )
    seen = partial(require_if_match, request)
    async with context.database.transaction() as tx:
        edited = await organizing.change_event(
            tx, event, changes, taken(WindowChanges, data), context.clock(), seen
        )
    return await _answer_edited(request, edited)


@post(
    "/v1/events/{event_id:str}/publish",
    operation_id="publishEvent",
    summary="Publish an event",
    description="Shows it to everybody and opens its sale, within the sale window. Harmless when it is published.",
    tags=[_ORGANIZERS],
    status_code=200,
    responses=problems(
        SalesRefusal.NOTHING_TO_SELL, CatalogueRefusal.STARTED_ALREADY, SalesRefusal.EVENT_CANCELLED
    ),
    **policy(MANAGERS),
)
async def publish_event(request: Request, event_id: FromPath[str]) -> Response[EventView]:
    """Publish a draft."""
    context, event = request.context, parse_id("evt", event_id)
    async with context.database.transaction() as tx:
        edited = await organizing.publish_event(tx, event, context.clock())
    return await _answer_edited(request, edited)


@post(
    "/v1/events/{event_id:str}/cancel",
    operation_id="cancelEvent",
    summary="Cancel an event",
    description="Closes its sale for good; its bookings are cancelled during the next moments. Harmless when it is cancelled.",
    tags=[_ORGANIZERS],
    status_code=200,
    responses=problems(CatalogueRefusal.STILL_A_DRAFT, CatalogueRefusal.ENDED_ALREADY),
    **policy(MANAGERS),
)
async def cancel_event(request: Request, event_id: FromPath[str]) -> Response[EventView]:
    """Cancel a published event."""
    context, event = request.context, parse_id("evt", event_id)
    async with context.database.transaction() as tx:
        edited = await organizing.cancel_event(tx, event, context.clock())
    return await _answer_edited(request, edited)


@delete(
    "/v1/events/{event_id:str}",
    operation_id="deleteEvent",
    summary="Erase a draft",
    description="What was published is cancelled, never erased.",
    tags=[_ORGANIZERS],
    responses=problems(CatalogueRefusal.NOT_A_DRAFT, 412, 428),
    **policy(MANAGERS),
)
async def delete_event(request: Request, event_id: FromPath[str]) -> Response[None]:
    """Erase a draft."""
    context, event = request.context, parse_id("evt", event_id)
    async with context.database.transaction() as tx:
        await organizing.delete_event(tx, event, partial(require_if_match, request))
    context.memory.forget(event_id)
    return Response(None, headers={"cache-control": _PRIVATE})


async def _answer_edited(request: Request, edited: Edited) -> Response[Any]:
    """Return an event as an edit left it, and forget the earlier one."""
    context, (event, sale) = request.context, edited
    context.memory.forget(show_id("evt", event.event_id))
    view = await _show_event(context, event, sale, public_types(sale), context.clock())
    found = _private(_keep(event, view))
    return Response(found.body, headers=found.headers)


async def _read_kept(context: Context, event_id: str) -> Kept:
    return _keep(*await _read_event(context, parse_id("evt", event_id)))


def _keep(event: Event, view: EventView) -> Kept:
    """Return an event as it is sent. A draft is private, and never kept."""
    body = _encode(view)
    if event.state == "draft":
        found = kept(body, _PRIVATE, version=event.version, seconds=0)
    else:
        found = kept(body, FRESH, version=event.version)
    return found._replace(organizer_id=event.organizer_id)


def _private(found: Kept) -> Kept:
    return found._replace(cache_control=_PRIVATE, headers={**found.headers, "cache-control": _PRIVATE})


async def _read_event(
    context: Context, event_id: UUID, promo_code: str | None = None, buyer_id: UUID | None = None
) -> tuple[Event, EventView]:
    async with context.database.snapshot() as snapshot:
        event = (await catalogue.find_events(snapshot, [event_id])).get(event_id)
        if event is None:
            raise Refused(SalesRefusal.EVENT_NOT_FOUND)
        sale, now = await read_sale(snapshot, event_id), context.clock()
        types = await read_types_for(snapshot, sale, buyer_id, promo_code, now)
    return event, await _show_event(context, event, sale, types, now)


async def _show_event(
    context: Context, event: Event, sale: Sale, types: Sequence[TicketTypeTerms], now: datetime
) -> EventView:
    """Return an event as clients see it, with some of its ticket types."""
    price_minor = price_from(sale, types, now)
    venue = await catalogue.get_venue(context.database, event.venue_id)
    host = await get_organizer(context.database, event.organizer_id)
    return EventView(
        id=show_id("evt", event.event_id),
        organizer=HostView(show_id("org", host.organizer_id), host.name, host.contact_email),
        venue=show_venue(venue),
        title=event.title,
        description=event.description,
        category=event.category,
        tags=list(event.tags),
        image_url=event.image_url,
        time_zone=event.time_zone,
        starts_at=event.starts_at,
        starts_at_local=event.starts_at_local,
        ends_at=event.ends_at,
        ends_at_local=event.ends_at_local,
        state=event.state,  # type: ignore[arg-type]  # the schema knows no other
        currency=sale.currency,
        on_sale_at=sale.on_sale_at,
        off_sale_at=sale.off_sale_at,
        sale_state=state_of_sale(sale, [(terms, sale.available(terms)) for terms in types], now),
        price_from=None if price_minor is None else Money(price_minor, sale.currency),
        ticket_types=[TypeView(**type_fields(sale, terms, now)) for terms in types],
        conditions=show_to_buyers(sale.conditions_now()[1], sale.currency),
        seating=None if sale.hall is None else show_seating(sale.hall),
        created_at=event.created_at,
        changed_at=event.changed_at,
        published_at=event.published_at,
        cancelled_at=event.cancelled_at,
    )


def type_fields(sale: Sale, terms: TicketTypeTerms, now: datetime) -> dict[str, Any]:
    """Return what everybody sees of a ticket type."""
    available = sale.available(terms)
    return {
        "id": show_id("tty", terms.ticket_type_id),
        "name": terms.name,
        "description": terms.description,
        "price": Money(terms.price_minor, sale.currency),
        "on_sale_at": terms.on_sale_at,
        "off_sale_at": terms.off_sale_at,
        "per_booking_max": terms.per_booking_max,
        "per_buyer_max": terms.per_buyer_max,
        "zone": terms.zone,
        "tax": TaxView(terms.tax_basis_points, terms.tax_included) if terms.tax_basis_points else None,
        "state": state_of(sale, terms, available, now),
        "available": 0 if sale.state == "cancelled" else available,
    }


def show_seating(hall: Hall) -> SeatingView:
    """Return what everybody sees of assigned seating; the seats themselves have an address of their own."""
    zones = [ZoneView(zone, hall.zone_of.count(index)) for index, zone in enumerate(hall.zones)]
    return SeatingView(hall.plan.digest, sum(zone.seats for zone in zones), zones)


def _sale_terms(data: EventBody) -> SaleTerms:
    conditions, fee_currency = conditions_of(data.conditions)
    return taken(
        SaleTerms,
        data,
        pools=tuple(NewPool(pool.name, pool.capacity) for pool in data.pools),
        ticket_types=tuple(
            taken(NewTicketType, each, pools=tuple(each.pools), **tax_said(each.tax))
            for each in data.ticket_types
        ),
        conditions=conditions,
        fee_currency=fee_currency,
        seating=None if data.seating is None else seating_draft(data.seating),
    )


def _one_of(field: str, instant: Any, wall_time: Any) -> Any:
    """Return the one of two ways to say a moment that was used; what is absent in both stays as absent as it was."""
    absent = (None, UNSET)
    if instant not in absent and wall_time not in absent:
        raise Invalid([FieldError(f"/{field}", f"Give {field} or {field}_local, not both.")])
    return instant if wall_time in absent else wall_time


routes: Final = [create_event, get_event, change_event, publish_event, cancel_event, delete_event]
