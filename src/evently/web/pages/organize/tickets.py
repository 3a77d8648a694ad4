"""Ticket types and pools of an event: what is sold, for how much, to whom, and when."""

from __future__ import annotations

from typing import Annotated, Any, Final, NamedTuple

from msgspec import UNSET

from evently import organizing
from evently.db import Connection
from evently.kit.ids import EventId, PoolId, TicketTypeId, find_id, show_id
from evently.kit.money import Money
from evently.organizing import (
    Added,
    AddedTicketType,
    Edited,
    NewPool,
    PoolChanges,
    Tax,
    TicketTypeChanges,
    get_part,
)
from evently.sales.reads import OnSaleState, Pool, Sale, find_sale, price_to_buyers, states_of
from evently.sales.terms import TicketTypeTerms
from evently.web.edge.auth import policy
from evently.web.edge.context import Response
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages import words
from evently.web.pages.forms import Form, FormError, read_form
from evently.web.pages.organize.desk import MANAGERS, Desk, open_event, render_desk
from evently.web.pages.organize.saving import SAVED, retire, save, show_stale
from evently.web.pages.organize.typed import Typed, same_version, show_moment, show_share
from evently.web.pages.rendering import act, see_other, show
from evently.web.services import Request

_STALE: Final = 412
_OWN_POOL: Final = "own"
_LABELS: Final = {
    "name": "Name",
    "description": "Description",
    "price": "Price",
    "tax": "Tax",
    "tax_included": "Tax is in the price",
    "per_booking_max": "At most in one booking",
    "per_buyer_max": "At most for one buyer",
    "per_needed_max": "At most for each of these tickets",
    "hidden": "Hidden",
    "zone": "Zone",
    "on_day": "On sale from",
    "on_clock": "On sale from",
    "off_day": "On sale until",
    "off_clock": "On sale until",
    "position": "Place in the list",
}
_FIELDS: Final = {
    "/name": "name",
    "/description": "description",
    "/price": "price",
    "/tax": "tax",
    "/per_booking_max": "per_booking_max",
    "/per_buyer_max": "per_buyer_max",
    "/per_needed_max": "per_needed_max",
    "/needed_ids": "needs",
    "/zone": "zone",
    "/on_sale_at": "on_day",
    "/off_sale_at": "off_day",
    "/position": "position",
    "/pool_ids": "main",
    "/capacity": "places",
}
_SAVED: Final = {
    "added": "The ticket type is added.",
    "saved": "It is saved. A new price is for later bookings: who is paying now pays what was shown.",
    "retired": "It is no longer sold. Tickets that were sold stay valid.",
    "pool": "The number of places is saved.",
}
Done = Annotated[str, QueryParameter(max_length=10)]


class TypeRow(NamedTuple):
    """A ticket type in the list. `pays`: what a buyer pays, with every fee and tax; `needs`: of an add-on."""

    terms: TicketTypeTerms
    address: str
    price: Money
    pays: Money
    state: OnSaleState
    available: int
    pools: list[str]
    needs: list[str]


class PoolRow(NamedTuple):
    """A pool in the list, and the ticket types that draw on it."""

    pool: Pool
    id: str
    types: list[str]


@show("/organize/events/{event_id}/tickets", **policy(MANAGERS))
async def show_tickets(request: Request, event_id: FromPath[EventId], done: Done = "") -> Response[str]:
    """Return what is sold: ticket types with what buyers pay, and pools with their places."""
    desk = await open_event(request, event_id)
    return await _list(request, desk, Form([]), [], done=_SAVED.get(done, ""))


@act("/organize/events/{event_id}/tickets/pools/{pool_id}", **policy(MANAGERS))
async def change_pool(
    request: Request, event_id: FromPath[EventId], pool_id: FromPath[PoolId]
) -> Response[str] | Response[None]:
    """Change how many places a pool has, or its name."""
    form, now = await read_form(request), request.context.clock()
    typed = Typed(form)
    field = f"places_{show_id('pol', pool_id)}"
    places = typed.number(field)
    if places is None:
        typed.wrong(field, "Enter how many places there are.")
    changes = PoolChanges(capacity=0 if places is None else places)

    async def change(tx: Connection) -> Edited:
        return await organizing.change_pool(tx, event_id, pool_id, changes, now, same_version(form))

    status = await save(request, event_id, typed, {"/capacity": field}, change)
    desk = await open_event(request, event_id)
    if status == _STALE:
        sale = await find_sale(request.context.database, event_id)
        theirs = {field: str(get_part(sale.pools, pool_id).capacity)}
        return await _stale(request, desk, form, {field: "Places"}, theirs)
    if status != SAVED:
        errors = [FormError(field, error.text) for error in typed.errors]
        return await _list(request, desk, form, errors, status=status)
    return see_other(f"{desk.event_address}/tickets?done=pool")


@show("/organize/events/{event_id}/tickets/new", **policy(MANAGERS))
async def show_new_type(request: Request, event_id: FromPath[EventId]) -> Response[str]:
    """Return the form of a new ticket type."""
    desk = await open_event(request, event_id)
    sale = await find_sale(request.context.database, event_id)
    pool = _OWN_POOL if not sale.pools else ""
    form = Form([("per_booking_max", "10"), ("tax_included", "yes"), ("pool", pool)])
    return await _form(request, desk, sale, form, [], None)


@act("/organize/events/{event_id}/tickets/new", **policy(MANAGERS))
async def add_type(request: Request, event_id: FromPath[EventId]) -> Response[str] | Response[None]:
    """Add a ticket type, with a pool of its own if that is wanted."""
    form, now = await read_form(request), request.context.clock()
    desk = await open_event(request, event_id)
    sale = await find_sale(request.context.database, event_id)
    typed = Typed(form)
    said = _read(typed, desk, sale)
    places = typed.number("places") if _OWN_POOL in form.all("pool") else None
    if _OWN_POOL in form.all("pool") and not form.text("places"):
        typed.wrong("places", "Enter how many there are.")
    named = [pool_id for text in form.all("pool") if (pool_id := find_id("pol", text)) is not None]
    denominations = request.context.checkout.denominations

    async def change(tx: Connection) -> Added:
        pool_ids = list(named)
        if places is not None:
            pool = NewPool(said["name"] or "Tickets", places)
            pool_ids.append((await organizing.add_pool(tx, event_id, pool, now)).part_id)
        draft = AddedTicketType(**said, pool_ids=tuple(pool_ids))
        return await organizing.add_ticket_type(tx, event_id, draft, now, denominations)

    status = await save(request, event_id, typed, _FIELDS, change)
    if status != SAVED:
        return await _form(request, desk, sale, form, typed.errors, None, status=status)
    return see_other(f"{desk.event_address}/tickets?done=added")


@show("/organize/events/{event_id}/tickets/{ticket_type_id}", **policy(MANAGERS))
async def show_type(
    request: Request, event_id: FromPath[EventId], ticket_type_id: FromPath[TicketTypeId]
) -> Response[str]:
    """Return the form of a ticket type."""
    desk = await open_event(request, event_id)
    sale = await find_sale(request.context.database, event_id)
    terms = get_part(sale.ticket_types, ticket_type_id)
    values = _values_of(terms, desk, sale) | {"version": _version(desk)}
    needs = [("needs", show_id("tty", type_id)) for type_id in terms.needed_ids]
    return await _form(request, desk, sale, Form([*values.items(), *needs]), [], terms)


@act("/organize/events/{event_id}/tickets/{ticket_type_id}", **policy(MANAGERS))
async def change_type(
    request: Request, event_id: FromPath[EventId], ticket_type_id: FromPath[TicketTypeId]
) -> Response[str] | Response[None]:
    """Change a ticket type for later bookings."""
    form, now = await read_form(request), request.context.clock()
    desk = await open_event(request, event_id)
    sale = await find_sale(request.context.database, event_id)
    terms = get_part(sale.ticket_types, ticket_type_id)
    typed = Typed(form)
    changes = TicketTypeChanges(**_read(typed, desk, sale, terms), position=typed.number("position") or UNSET)
    denominations = request.context.checkout.denominations

    async def change(tx: Connection) -> Edited:
        return await organizing.change_ticket_type(
            tx, event_id, ticket_type_id, changes, now, same_version(form), denominations
        )

    status = await save(request, event_id, typed, _FIELDS, change)
    if status == _STALE:
        return await _stale(request, desk, form, _LABELS, _values_of(terms, desk, sale))
    if status != SAVED:
        return await _form(request, desk, sale, form, typed.errors, terms, status=status)
    return see_other(f"{desk.event_address}/tickets?done=saved")


@act("/organize/events/{event_id}/tickets/{ticket_type_id}/retire", **policy(MANAGERS))
async def retire_type(
    request: Request, event_id: FromPath[EventId], ticket_type_id: FromPath[TicketTypeId]
) -> Response[str] | Response[None]:
    """Stop selling a ticket type for good."""
    now = request.context.clock()

    async def change(tx: Connection) -> Edited:
        return await organizing.retire_ticket_type(tx, event_id, ticket_type_id, now)

    async def show_list(desk: Desk, errors: list[FormError], status: int) -> Response[str]:
        return await _list(request, desk, Form([]), errors, status=status)

    return await retire(request, event_id, change, show_list, "tickets")


def _read(typed: Typed, desk: Desk, sale: Sale, before: TicketTypeTerms | None = None) -> dict[str, Any]:
    """Return the fields that a new and a changed ticket type share."""
    form = typed.form
    if not form.text("name"):
        typed.wrong("name", "Enter a name.")
    tax = typed.share("tax")
    return {
        "name": form.text("name"),
        "description": form.text("description").replace("\r\n", "\n"),
        "price": typed.price("price", sale.currency),
        "tax": None if not tax else Tax(tax, included=form.text("tax_included") == "yes"),
        "per_booking_max": typed.number("per_booking_max") or 10,
        "per_buyer_max": typed.number("per_buyer_max"),
        "hidden": form.text("hidden") == "yes",
        "needed_ids": tuple(
            type_id for text in form.all("needs") if (type_id := find_id("tty", text)) is not None
        ),
        "per_needed_max": typed.number("per_needed_max"),
        "zone": form.text("zone") or None,
        "on_sale_at": typed.instant("on", desk.zone, None if before is None else before.on_sale_at),
        "off_sale_at": typed.instant("off", desk.zone, None if before is None else before.off_sale_at),
    }


def _values_of(terms: TicketTypeTerms, desk: Desk, sale: Sale) -> dict[str, str]:
    """Return a ticket type as its form shows it."""
    return {
        "name": terms.name,
        "description": terms.description,
        "price": words.figures(Money(terms.price_minor, sale.currency)) if terms.price_minor else "",
        "tax": show_share(terms.tax_basis_points) if terms.tax_basis_points else "",
        "tax_included": "yes" if terms.tax_included else "",
        "per_booking_max": str(terms.per_booking_max),
        "per_buyer_max": "" if terms.per_buyer_max is None else str(terms.per_buyer_max),
        "per_needed_max": "" if terms.per_needed_max is None else str(terms.per_needed_max),
        "hidden": "yes" if terms.hidden else "",
        "zone": terms.zone or "",
        **show_moment("on", terms.on_sale_at, desk.zone),
        **show_moment("off", terms.off_sale_at, desk.zone),
        "position": str(terms.position),
    }


def _version(desk: Desk) -> str:
    assert desk.event is not None, "only pages of an event have one"
    return str(desk.event.version)


async def _stale(
    request: Request, desk: Desk, form: Form, labels: dict[str, str], theirs: dict[str, str]
) -> Response[str]:
    version = int(_version(desk))
    return await show_stale(request, desk, form, version, labels, theirs, f"{desk.event_address}/tickets")


async def _list(
    request: Request,
    desk: Desk,
    form: Form,
    errors: list[FormError],
    *,
    status: int = 200,
    done: str = "",
) -> Response[str]:
    assert desk.event is not None, "it was just read"
    sale, now = await find_sale(request.context.database, desk.event.event_id), request.context.clock()
    names = {pool.pool_id: pool.name for pool in sale.pools.values()}
    kinds = sorted(sale.ticket_types.values(), key=lambda each: each.position)
    states = states_of(sale, [(terms, sale.available_at(terms, now)) for terms in kinds], now)
    types = [
        TypeRow(
            terms,
            f"{desk.event_address}/tickets/{show_id('tty', terms.ticket_type_id)}",
            Money(terms.price_minor, sale.currency),
            Money(price_to_buyers(sale, terms), sale.currency),
            states[terms.ticket_type_id],
            sale.available_at(terms, now),
            [names[pool_id] for pool_id in terms.pool_ids],
            [sale.ticket_types[type_id].name for type_id in terms.needed_ids],
        )
        for terms in kinds
    ]
    pools = [
        PoolRow(
            pool,
            show_id("pol", pool.pool_id),
            [terms.name for terms in sale.ticket_types.values() if pool.pool_id in terms.pool_ids],
        )
        for pool in sale.pools.values()
    ]
    return render_desk(
        request,
        desk,
        "tickets.html",
        status=status,
        form=form,
        errors=errors,
        done=done,
        types=[row for row in types if not row.terms.retired],
        retired=[row for row in types if row.terms.retired],
        pools=pools,
    )


async def _form(
    request: Request,
    desk: Desk,
    sale: Sale,
    form: Form,
    errors: list[FormError],
    terms: TicketTypeTerms | None,
    *,
    status: int = 200,
) -> Response[str]:
    """Return the form of a ticket type; None: of a new one."""
    zones = [] if sale.hall is None else list(sale.hall.zones)
    return render_desk(
        request,
        desk,
        "ticket_type.html",
        status=status,
        form=form,
        errors=errors,
        terms=terms,
        address=f"{desk.event_address}/tickets/"
        + ("new" if terms is None else show_id("tty", terms.ticket_type_id)),
        currency=sale.currency,
        pays=None if terms is None else Money(price_to_buyers(sale, terms), sale.currency),
        pools=[(show_id("pol", pool.pool_id), pool) for pool in sale.pools.values()],
        chosen=form.all("pool"),
        own=_OWN_POOL,
        zone_options=[("", "No seats: places that are not numbered"), *((zone, zone) for zone in zones)],
        seated=bool(zones),
        needed=_needed_options(sale, terms),
        opens=sale.on_sale_at.astimezone(desk.zone),
        closes=sale.off_sale_at.astimezone(desk.zone),
    )


def _needed_options(sale: Sale, terms: TicketTypeTerms | None) -> list[tuple[str, str]]:
    """Return what a ticket type may need, by id; nothing when it can be no add-on."""
    if terms is not None and not terms.needed_ids:
        is_needed = any(terms.ticket_type_id in other.needed_ids for other in sale.ticket_types.values())
        if sale.state != "closed" or is_needed:
            return []
    return [
        (show_id("tty", each.ticket_type_id), each.name)
        for each in sorted(sale.ticket_types.values(), key=lambda each: each.position)
        if not each.needed_ids
        and each is not terms
        and (not each.retired or (terms is not None and each.ticket_type_id in terms.needed_ids))
    ]


routes: Final = [
    show_tickets,
    change_pool,
    show_new_type,
    add_type,
    show_type,
    change_type,
    retire_type,
]
