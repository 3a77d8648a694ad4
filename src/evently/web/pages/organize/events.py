"""An event at a glance: its state, how full it is, and its ticket types."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal, NamedTuple
from uuid import UUID

from evently import checkout, organizing, seating
from evently.catalogue import CatalogueRefusal, Event
from evently.kit.errors import Refusal, Refused
from evently.kit.ids import EventId
from evently.kit.money import Money
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import (
    OnSaleState,
    Sale,
    find_sale,
    places_of,
    price_to_buyers,
    state_of_sale,
    states_of,
)
from evently.web.edge.auth import policy
from evently.web.edge.context import Response
from evently.web.edge.problems import sentence_of
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages import words
from evently.web.pages.browsing import event_address as buyers_address
from evently.web.pages.organize.desk import MANAGERS, MEMBERS, event_address, open_event, render_desk
from evently.web.pages.organize.links import draw_link, short_link, site_address
from evently.web.pages.organize.live import data_of, read_panel
from evently.web.pages.rendering import act, see_other, show
from evently.web.services import Request

Done = Annotated[str, QueryParameter(max_length=20)]


class TypeRow(NamedTuple):
    """A ticket type at the desk. `price`: what a buyer pays, with every fee and tax."""

    name: str
    price: Money
    state: OnSaleState
    available: int
    hidden: bool
    zone: str | None


class Step(NamedTuple):
    """A line of the checklist of a draft: done, missing (it cannot be published), or better (advice)."""

    kind: Literal["done", "missing", "better"]
    text: str
    link: str = ""  # the page on which it is mended
    name: str = ""


_DONE: Final = {
    "made": "The draft is made. Here is what it needs before you publish it.",
    "published": "It is published. Buyers find it under this address.",
}
_MENDED_AT: Final[dict[Refusal, tuple[str, str]]] = {
    CatalogueRefusal.STARTED_ALREADY: ("edit", "Change the time"),
    SalesRefusal.NOTHING_TO_SELL: ("tickets", "Add tickets"),
    SalesRefusal.NO_GATEWAY: ("terms", "Change how it is paid"),
    SalesRefusal.AMOUNT_NOT_PAYABLE: ("tickets", "Change the price"),
}


@show("/organize/events/{event_id}", **policy(MEMBERS))
async def show_event(request: Request, event_id: FromPath[EventId], done: Done = "") -> Response[str]:
    """Return an event at a glance; of a draft, also what is missing."""
    return await _page(request, event_id, done=_DONE.get(done, ""))


@act("/organize/events/{event_id}/publish", **policy(MANAGERS))
async def publish_event(request: Request, event_id: FromPath[EventId]) -> Response[str] | Response[None]:
    """Publish a draft; or say what it still needs."""
    context = request.context
    try:
        async with context.database.transaction() as tx:
            await organizing.publish_event(
                tx,
                event_id,
                context.clock(),
                context.checkout.denominations,
                paid_online=context.checkout.gateway is not None,
            )
    except Refused as exc:
        if exc.refusal not in _MENDED_AT:
            raise
        return await _page(request, event_id, refused=sentence_of(exc))
    context.memory.forget(event_id)
    return see_other(f"{event_address(event_id)}?done=published")


async def _page(request: Request, event_id: UUID, *, done: str = "", refused: str = "") -> Response[str]:
    desk = await open_event(request, event_id)
    assert desk.event is not None, "it was just read"
    sale, now = await find_sale(request.context.database, event_id), request.context.clock()
    sold = [terms for terms in sale.ticket_types.values() if not terms.retired]
    state = state_of_sale(sale, [(terms, sale.available_at(terms, now)) for terms in sold], now)
    is_draft, progress = desk.event.state == "draft", None
    if desk.event.state == "cancelled" and desk.manages:
        progress = await checkout.read_cancellation(request.context.database, event_id)
    return render_desk(
        request,
        desk,
        "event.html",
        status=409 if refused else 200,
        done=done,
        refused=refused,
        steps=await _checklist(request, desk.event, sale, now) if is_draft and desk.manages else [],
        progress=progress,
        paid_back=None if progress is None else Money(progress.refunded_minor, progress.currency),
        to_refund=None if progress is None else Money(progress.to_refund_minor, progress.currency),
        places=places_of(sale),
        state=state,
        types=_types(sale, now),
        link=f"{site_address(request)}{buyers_address(desk.event)}",
        qr=draw_link(short_link(request, event_id)),
        now=now,
        evening=(evening := await read_panel(request, desk) if desk.manages and not is_draft else None),
        evening_data=None if evening is None else data_of(evening.now),
    )


async def _checklist(request: Request, event: Event, sale: Sale, now: datetime) -> list[Step]:
    """Return what a draft has, what it cannot be published without, and what makes it better."""
    context, at = request.context, event_address(event.event_id)
    found = organizing.list_obstacles(
        event, sale, now, context.checkout.denominations, paid_online=context.checkout.gateway is not None
    )
    steps = []
    for exc in found:
        tab, name = _MENDED_AT[exc.refusal]
        steps.append(Step("missing", sentence_of(exc), f"{at}/{tab}", name))
    refusals = {exc.refusal for exc in found}
    if CatalogueRefusal.STARTED_ALREADY not in refusals:
        starts = words.moment(event.starts_at_local)
        steps.append(Step("done", f"It starts on {starts}, at {event.venue_name} in {event.city}."))
    if SalesRefusal.NOTHING_TO_SELL not in refusals:
        count = sum(not terms.retired for terms in sale.ticket_types.values())
        steps.append(Step("done", f"It has {words.count(count, 'ticket type')}."))
    if sale.hall is None and await _has_map(request, event.venue_id):
        text = "Buyers choose no seats, although the venue has a map of its seats."
        steps.append(Step("better", text, f"{at}/seats", "Give it seats"))
    if not event.description.strip():
        steps.append(Step("better", "It has no description yet.", f"{at}/edit", "Write one"))
    if event.image_url is None:
        steps.append(Step("better", "It has no picture: a poster is drawn for it.", f"{at}/edit", "Add one"))
    _, conditions = sale.conditions_now()
    refunds = words.refund_terms(conditions, event.starts_at, event.place.zone)[0]
    steps.append(Step("better", f"Refunds, as buyers read it: {refunds}", f"{at}/terms", "Change the terms"))
    return steps


async def _has_map(request: Request, venue_id: UUID) -> bool:
    return bool((await seating.list_seat_maps(request.context.database, venue_id, 1, None)).data)


def _types(sale: Sale, now: datetime) -> list[TypeRow]:
    types = [terms for terms in sale.ticket_types.values() if not terms.retired]
    units = [
        (terms, sale.available_at(terms, now)) for terms in sorted(types, key=lambda each: each.position)
    ]
    states = states_of(sale, units, now)
    return [
        TypeRow(
            terms.name,
            Money(price_to_buyers(sale, terms), sale.currency),
            states[terms.ticket_type_id],
            available,
            terms.hidden,
            terms.zone,
        )
        for terms, available in units
    ]


routes: Final = [show_event, publish_event]
