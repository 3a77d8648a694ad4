"""Events: create, get, change, publish, cancel, delete."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import msgspec

from evently import catalogue, organizing
from evently.accounts.organizers import get_organizer
from evently.catalogue import CatalogueRefusal, Event
from evently.kit.complaints import refuse_wrong
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import EventId, show_id
from evently.kit.money import Money
from evently.kit.shapes import copy_fields
from evently.organizing import Edited, EventChanges, EventCopy
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import (
    OnSaleState,
    Sale,
    price_from,
    public_types,
    read_sale,
    read_types_for,
    state_of_sale,
    states_of,
)
from evently.sales.terms import TicketTypeTerms
from evently.seating import Hall
from evently.web.api.catalogue.answers import send
from evently.web.api.catalogue.sale_shapes import (
    SeatingView,
    TaxView,
    ZoneView,
    show_to_buyers,
)
from evently.web.api.catalogue.shapes import (
    WITHOUT_REASON,
    CancelEventBody,
    EventBody,
    EventView,
    HostView,
    TypeView,
)
from evently.web.api.catalogue.venues import MANAGERS, show_venue
from evently.web.edge.auth import PUBLIC, SIGNED_IN, organizer, policy
from evently.web.edge.conditional import require_if_match
from evently.web.edge.context import Response
from evently.web.edge.memory import Kept, kept
from evently.web.edge.problems import problems, sentence_of
from evently.web.edge.refusals import EdgeRefusal
from evently.web.edge.routing import FromPath, JSONBody, QueryParameter, delete, get, patch, post
from evently.web.pictures import naming_here, whole_address
from evently.web.services import Request, Services
from evently.web.unlocking import REFUSALS, UNLOCKED, PromoCode, count_guess

# Added to the quarter of a second in our own memory: no cache shows a sale for longer
FRESH: Final = "public, max-age=1"
_REHEARSED: Final = "private, max-age=1"  # of the copy of an event: its simulated buyers read it
_PRIVATE: Final = "no-store"
_TAG: Final = "Events"
_ORGANIZERS: Final = "Organizer: events"
Shown = TypeVar("Shown", bound=TypeView)

_encode: Final = msgspec.json.Encoder().encode


class ObstacleView(msgspec.Struct, frozen=True):
    """A problem that publishing would have: its code, and what it says about the event."""

    code: Annotated[str, msgspec.Meta(examples=["nothing-to-sell"])]
    detail: Annotated[str, msgspec.Meta(examples=["The event has no ticket type that can be sold."])]


class PublishingCheckView(msgspec.Struct, frozen=True):
    """What keeps a draft from being published."""

    obstacles: list[ObstacleView]


@post(
    "/v1/events",
    operation_id="createEvent",
    summary="Create an event",
    description=(
        "Creates a draft, which only members of its organizer see. The short form gives `capacity` and "
        "ticket types. The long form gives `pools`, each with a name and a capacity, and ticket types that "
        "name their pools. A ticket takes one unit of each of its pools: 100 early birds in a hall of 500 "
        "are two pools, and the ticket type of the early birds names both. With `seating`, ticket types "
        "with a `zone` sell its seats, and those without are general admission, such as a standing floor "
        "under a seated balcony."
    ),
    tags=[_ORGANIZERS],
    responses=problems(CommonRefusal.FORBIDDEN, CommonRefusal.NOT_FOUND, EdgeRefusal.REASON_NEEDED),
    **policy(SIGNED_IN, scope="events:write"),
)
async def create_event(request: Request, data: JSONBody[EventBody]) -> Response[EventView]:
    """Create a draft of an organizer that the caller manages."""
    context = request.context
    organizer_id = await context.access.check_organizer(
        request.actor, {"organizer_id": data.organizer_id}, MANAGERS, writes=True
    )
    async with context.database.transaction() as tx:
        edited = await organizing.create_event(
            tx,
            organizer_id,
            naming_here(context.options.public_url, data.event),
            data.sale,
            context.clock(),
            denominations=context.checkout.denominations,
        )
    return _created(await answer_edited(request, edited), edited)


@post(
    "/v1/events/{event_id}/copies",
    operation_id="copyEvent",
    summary="Copy an event",
    description=(
        "Creates a draft with the texts, venue, pools, ticket types, seats and conditions of this event, in "
        "whatever state it is, at another time. The end, the end of the sale, the windows of ticket types "
        "and the time until which names can be changed move with the start, on the clocks at the venue. "
        "Retired ticket types, promo codes, blocked seats and what is set for the door are not copied."
    ),
    tags=[_ORGANIZERS],
    **policy(MANAGERS),
)
async def copy_event(
    request: Request, event_id: FromPath[EventId], data: JSONBody[EventCopy]
) -> Response[EventView]:
    """Copy an event to another date."""
    context = request.context
    async with context.database.transaction() as tx:
        edited = await organizing.copy_event(tx, event_id, data, context.clock())
    return _created(await answer_edited(request, edited), edited)


@get(
    "/v1/events/{event_id}",
    operation_id="getEvent",
    summary="Get an event",
    description=(
        "Everybody can get published and cancelled events, at most a quarter of a second old; drafts are "
        "for members of the organizer. Send the `ETag` in `If-Match` with a change. It also changes with "
        "the availability, which makes no change stale. With `promo_code`, the answer includes the hidden "
        "ticket types that the code unlocks; it is then read at this moment, and caches do not store it."
    ),
    tags=[_TAG],
    responses=problems(SalesRefusal.EVENT_NOT_FOUND, *REFUSALS),
    **policy(PUBLIC),
)
async def get_event(
    request: Request, event_id: FromPath[EventId], promo_code: PromoCode = None
) -> Response[EventView] | Response[None]:
    """Return an event; for members of its organizer and with a promo code, as it is at this moment."""
    context, actor = request.context, request.actor
    if promo_code is not None:
        buyer_id = await count_guess(request)
        _, view = await _read_event(context, event_id, promo_code, buyer_id)
        return Response(view, headers=UNLOCKED)
    make = partial(_read_kept, context, event_id)
    found = await context.memory.get(event_id, make)
    organizer_id = found.organizer_id
    assert organizer_id is not None, "every event has an organizer"
    if actor.kind != "anonymous" and await context.access.is_member(
        actor,
        organizer_id,
        "door",
        "events:read",
        certainly=found.cache_control == _PRIVATE,  # of a draft, which others are told not to be there
    ):
        return send(request, _private(await make()))
    if found.cache_control == _PRIVATE:
        raise Refused(SalesRefusal.EVENT_NOT_FOUND)
    return send(request, found)


@patch(
    "/v1/events/{event_id}",
    operation_id="changeEvent",
    summary="Change an event",
    description=(
        "A new start must be in the future. If the sale ends when the event starts, its end moves with the "
        "start."
    ),
    tags=[_ORGANIZERS],
    responses=problems(SalesRefusal.EVENT_CANCELLED, 412, 428),
    **policy(MANAGERS),
)
async def change_event(
    request: Request, event_id: FromPath[EventId], data: JSONBody[EventChanges]
) -> Response[EventView]:
    """Change what people read about an event, its venue and times, or its sale window."""
    context, seen = request.context, partial(require_if_match, request)
    data = naming_here(context.options.public_url, data)
    async with context.database.transaction() as tx:
        edited = await organizing.change_event(tx, event_id, data, now := context.clock(), seen)
        if edited.event.changed_at == now:
            await catalogue.note_editor(tx, event_id, request.actor.id)
    return await answer_edited(request, edited)


@post(
    "/v1/events/{event_id}/publish",
    operation_id="publishEvent",
    summary="Publish an event",
    description="Shows it to everybody and opens its sale, within the sale window. Safe to repeat.",
    tags=[_ORGANIZERS],
    status_code=200,
    responses=problems(
        SalesRefusal.NOTHING_TO_SELL,
        SalesRefusal.NO_GATEWAY,
        SalesRefusal.AMOUNT_NOT_PAYABLE,
        CatalogueRefusal.STARTED_ALREADY,
        SalesRefusal.EVENT_CANCELLED,
    ),
    **policy(MANAGERS),
)
async def publish_event(request: Request, event_id: FromPath[EventId]) -> Response[EventView]:
    """Publish a draft."""
    context = request.context
    paid_online = context.checkout.gateway is not None
    async with context.database.transaction() as tx:
        edited = await organizing.publish_event(
            tx, event_id, context.clock(), context.checkout.denominations, paid_online=paid_online
        )
    return await answer_edited(request, edited)


@get(
    "/v1/events/{event_id}/publishing-check",
    operation_id="checkPublishing",
    summary="Check whether an event can be published",
    description="What `publishEvent` would refuse now, all of it. Nothing: the draft can be published.",
    tags=[_ORGANIZERS],
    responses=problems(),
    **policy(organizer("manager", "events:read")),
)
async def check_publishing(request: Request, event_id: FromPath[EventId]) -> Response[PublishingCheckView]:
    """Return what keeps a draft from being published."""
    context = request.context
    async with context.database.snapshot() as snapshot:
        event = (await catalogue.find_events(snapshot, [event_id])).get(event_id)
        if event is None:
            raise Refused(CommonRefusal.NOT_FOUND)
        sale = await read_sale(snapshot, event_id)
    found = organizing.list_obstacles(
        event,
        sale,
        context.clock(),
        context.checkout.denominations,
        paid_online=context.checkout.gateway is not None,
    )
    view = PublishingCheckView([ObstacleView(each.refusal.value, sentence_of(each)) for each in found])
    return Response(view, headers={"cache-control": _PRIVATE})


@post(
    "/v1/events/{event_id}/cancel",
    operation_id="cancelEvent",
    summary="Cancel an event",
    description=(
        "Closes its sale for good and cancels its bookings soon afterwards, also after its end. Everything "
        "that was paid online is paid back; nothing that was paid at the door. The ledger takes that out, "
        "because the organizer pays it back on site, unless `keep_door_money` is true. Buyers read the "
        "`reason`. See `GET /v1/events/{event_id}/cancellation-preview`. Safe to repeat: the first reason "
        "stays."
    ),
    tags=[_ORGANIZERS],
    status_code=200,
    responses=problems(CatalogueRefusal.STILL_A_DRAFT),
    **policy(MANAGERS),
)
async def cancel_event(
    request: Request,
    event_id: FromPath[EventId],
    data: JSONBody[CancelEventBody] = WITHOUT_REASON,
    *,
    keep_door_money: Annotated[
        bool,
        QueryParameter(
            description="Whether what was paid at the door stays with the organizer. Default: false."
        ),
    ] = False,
) -> Response[EventView]:
    """Cancel a published event."""
    refuse_wrong(data)
    context, reason = request.context, data.reason or ""
    async with context.database.transaction() as tx:
        edited = await organizing.cancel_event(
            tx, event_id, context.clock(), keeps_door=keep_door_money, reason=reason
        )
    return await answer_edited(request, edited)


@delete(
    "/v1/events/{event_id}",
    operation_id="deleteEvent",
    summary="Delete a draft",
    description="A published event can be cancelled, but not deleted.",
    tags=[_ORGANIZERS],
    responses=problems(CatalogueRefusal.NOT_A_DRAFT, 412, 428),
    **policy(MANAGERS),
)
async def delete_event(request: Request, event_id: FromPath[EventId]) -> Response[None]:
    """Delete a draft."""
    context = request.context
    async with context.database.transaction() as tx:
        await organizing.delete_event(tx, event_id, partial(require_if_match, request))
    context.memory.forget(event_id)
    return Response(None, headers={"cache-control": _PRIVATE})


async def answer_edited(request: Request, edited: Edited) -> Response[Any]:
    """Return an event as an edit left it, and forget the kept answer."""
    context, (event, sale) = request.context, edited
    context.memory.forget(event.event_id)
    view = await _show_event(context, event, sale, public_types(sale), context.clock())
    found = _private(_keep(event, view))
    return Response(found.body, headers=found.headers)


def _created(answer: Response[Any], edited: Edited) -> Response[Any]:
    answer.status_code = 201
    answer.headers["location"] = f"/v1/events/{show_id('evt', edited.event.event_id)}"
    return answer


async def _read_kept(context: Services, event_id: UUID) -> Kept:
    return _keep(*await _read_event(context, event_id))


def _keep(event: Event, view: EventView) -> Kept:
    """Return the answer with an event. That with a draft is private and not kept; no proxy keeps a copy."""
    body = _encode(view)
    if event.state == "draft":
        found = kept(body, _PRIVATE, version=event.version, seconds=0)
    elif event.sandbox:
        found = kept(body, _REHEARSED, version=event.version)
    else:
        found = kept(body, FRESH, version=event.version)
    return found._replace(organizer_id=event.organizer_id)


def _private(found: Kept) -> Kept:
    return found._replace(cache_control=_PRIVATE, headers={**found.headers, "cache-control": _PRIVATE})


async def _read_event(
    context: Services, event_id: UUID, promo_code: str | None = None, buyer_id: UUID | None = None
) -> tuple[Event, EventView]:
    async with context.database.snapshot() as snapshot:
        event = (await catalogue.find_events(snapshot, [event_id])).get(event_id)
        if event is None:
            raise Refused(SalesRefusal.EVENT_NOT_FOUND)
        sale, now = await read_sale(snapshot, event_id), context.clock()
        types = await read_types_for(snapshot, sale, buyer_id, promo_code, now)
    return event, await _show_event(context, event, sale, types, now)


async def _show_event(
    context: Services, event: Event, sale: Sale, types: Sequence[TicketTypeTerms], now: datetime
) -> EventView:
    """Return an event as clients see it, with some of its ticket types."""
    units = [(terms, sale.available_at(terms, now)) for terms in types]
    price_minor = price_from(sale, units, now)
    states = states_of(sale, units, now)
    venue = await catalogue.get_venue(context.database, event.venue_id)
    host = await get_organizer(context.database, event.organizer_id)
    return copy_fields(
        EventView,
        event,
        id=show_id("evt", event.event_id),
        image_url=whole_address(context.options.public_url, event.image_url),
        series_id=None if event.series_id is None else show_id("ser", event.series_id),
        organizer=HostView(show_id("org", host.organizer_id), host.name, host.contact_email),
        venue=show_venue(venue),
        on_sale_at=sale.on_sale_at,
        off_sale_at=sale.off_sale_at,
        sale_state=state_of_sale(sale, units, now),
        price_from=None if price_minor is None else Money(price_minor, sale.currency),
        ticket_types=[
            show_type(TypeView, sale, terms, available, states[terms.ticket_type_id])
            for terms, available in units
        ],
        conditions=show_to_buyers(sale.conditions_now()[1], sale.currency),
        seating=None if sale.hall is None else show_seating(sale.hall),
    )


def show_type(
    shape: type[Shown], sale: Sale, terms: TicketTypeTerms, available: int, state: OnSaleState, **more: Any
) -> Shown:
    """Return a ticket type as everybody sees it, or with `more` as its organizer sees it."""
    return copy_fields(
        shape,
        terms,
        id=show_id("tty", terms.ticket_type_id),
        price=Money(terms.price_minor, sale.currency),
        tax=TaxView(terms.tax_basis_points, terms.tax_included) if terms.tax_basis_points else None,
        state=state,
        available=0 if sale.state == "cancelled" else available,
        needed_ids=[show_id("tty", type_id) for type_id in terms.needed_ids],
        **more,
    )


def show_seating(hall: Hall) -> SeatingView:
    """Return the zones of assigned seating; `listSeats` returns the seats."""
    zones = [ZoneView(zone, hall.zone_of.count(index)) for index, zone in enumerate(hall.zones)]
    return SeatingView(hall.plan.digest, sum(zone.seats for zone in zones), zones)


routes: Final = [
    create_event,
    copy_event,
    get_event,
    change_event,
    check_publishing,
    publish_event,
    cancel_event,
    delete_event,
]
