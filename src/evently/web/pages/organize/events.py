"""An event at a glance: its state, how full it is, and its ticket types."""

from __future__ import annotations

from typing import Final, NamedTuple

from evently.kit.ids import EventId
from evently.kit.money import Money
from evently.sales.reads import (
    OnSaleState,
    Sale,
    find_sale,
    places_of,
    price_to_buyers,
    state_of,
    state_of_sale,
)
from evently.web.edge.auth import policy
from evently.web.edge.context import Response
from evently.web.edge.routing import FromPath
from evently.web.pages.organize.desk import MEMBERS, open_event, render_desk
from evently.web.pages.rendering import show
from evently.web.services import Request


class TypeRow(NamedTuple):
    """A ticket type at the desk. `price`: what a buyer pays, with every fee and tax."""

    name: str
    price: Money
    state: OnSaleState
    available: int
    hidden: bool
    zone: str | None


@show("/organize/events/{event_id}", **policy(MEMBERS))
async def show_event(request: Request, event_id: FromPath[EventId]) -> Response[str]:
    """Return an event at a glance."""
    desk = await open_event(request, event_id)
    sale, now = await find_sale(request.context.database, event_id), request.context.clock()
    sold = [terms for terms in sale.ticket_types.values() if not terms.retired]
    state = state_of_sale(sale, [(terms, sale.available_at(terms, now)) for terms in sold], now)
    return render_desk(
        request,
        desk,
        "event.html",
        places=places_of(sale),
        state=state,
        types=_types(sale, request),
        opens=sale.on_sale_at.astimezone(desk.zone),
        now=now,
    )


def _types(sale: Sale, request: Request) -> list[TypeRow]:
    now = request.context.clock()
    rows = []
    for terms in sorted(sale.ticket_types.values(), key=lambda each: each.position):
        if terms.retired:
            continue
        available = sale.available_at(terms, now)
        price = Money(price_to_buyers(sale, terms), sale.currency)
        state = state_of(sale, terms, available, now)
        rows.append(TypeRow(terms.name, price, state, available, terms.hidden, terms.zone))
    return rows


routes: Final = [show_event]
