"""Promo codes of an event: a percentage or an amount off, or hidden ticket types unlocked."""

from __future__ import annotations

from typing import Annotated, Any, Final, NamedTuple, cast
from uuid import UUID

from evently import organizing
from evently.db import Connection
from evently.kit.ids import EventId, PromoCodeId, find_id, show_id
from evently.kit.money import Money
from evently.organizing import Added, Edited, PromoChanges, PromoDraft, get_promo
from evently.sales.reads import Promo, Sale, find_sale
from evently.sales.terms import PromoKind, PromoTerms
from evently.web.edge.auth import organizer, policy
from evently.web.edge.context import Response
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages import words
from evently.web.pages.forms import Form, FormError, read_form
from evently.web.pages.organize.desk import MANAGERS, Desk, open_event, render_desk
from evently.web.pages.organize.saving import SAVED, retire, save, show_stale
from evently.web.pages.organize.typed import Typed, same_version, show_moment, show_share
from evently.web.pages.rendering import act, see_other, show
from evently.web.services import Request

_READERS: Final = organizer("manager", "events:read")  # a code is worth money: door members do not see it
_STALE: Final = 412
KINDS: Final[dict[PromoKind, str]] = {
    "percent": "Percent off each ticket",
    "fixed": "An amount off each ticket",
    "fixed_per_booking": "An amount off the booking",
    "unlock": "Only unlocks hidden tickets",
}
_LABELS: Final = {
    "code": "Code",
    "value": "How much off",
    "uses_max": "Bookings with it",
    "per_buyer_max": "Bookings of one buyer",
    "units_per_use_max": "Tickets in one booking",
    "budget": "All discounts together",
    "from_day": "Valid from",
    "from_clock": "Valid from",
    "until_day": "Valid until",
    "until_clock": "Valid until",
}
_FIELDS: Final = {
    "/code": "code",
    "/basis_points": "value",
    "/amount": "value",
    "/ticket_type_ids": "types",
    "/uses_max": "uses_max",
    "/per_buyer_max": "per_buyer_max",
    "/units_per_use_max": "units_per_use_max",
    "/budget": "budget",
    "/from_at": "from_day",
    "/until_at": "until_day",
}
_SAVED: Final = {
    "added": "The code is added. Buyers type it on the page of the event.",
    "saved": "It is saved, for later bookings.",
    "retired": "It is no longer accepted. Bookings that were made with it keep their price.",
}
Done = Annotated[str, QueryParameter(max_length=10)]


class Row(NamedTuple):
    """A code in the list."""

    promo: Promo
    address: str
    worth: str
    spent: Money
    types: list[str]


@show("/organize/events/{event_id}/codes", **policy(_READERS))
async def show_codes(request: Request, event_id: FromPath[EventId], done: Done = "") -> Response[str]:
    """Return the codes of an event with their uses, and the form of a new one."""
    desk = await open_event(request, event_id)
    return await _list(request, desk, Form([("kind", "percent")]), [], done=_SAVED.get(done, ""))


@act("/organize/events/{event_id}/codes", **policy(MANAGERS))
async def add_code(request: Request, event_id: FromPath[EventId]) -> Response[str] | Response[None]:
    """Add a code."""
    form, now = await read_form(request), request.context.clock()
    desk = await open_event(request, event_id)
    sale = await find_sale(request.context.database, event_id)
    typed = Typed(form)
    kind = cast("PromoKind", form.text("kind")) if form.text("kind") in KINDS else "percent"
    draft = PromoDraft(kind=kind, **_read(typed, desk, sale, kind))
    denominations = request.context.checkout.denominations

    async def change(tx: Connection) -> Added:
        return await organizing.add_promo_code(tx, event_id, draft, now, denominations)

    status = await save(request, event_id, typed, _FIELDS, change)
    if status != SAVED:
        return await _list(request, desk, form, typed.errors, status=status)
    return see_other(f"{desk.event_address}/codes?done=added")


@show("/organize/events/{event_id}/codes/{promo_id}", **policy(_READERS))
async def show_code(
    request: Request, event_id: FromPath[EventId], promo_id: FromPath[PromoCodeId]
) -> Response[str]:
    """Return the form of a code."""
    desk = await open_event(request, event_id)
    sale = await find_sale(request.context.database, event_id)
    promo = get_promo(sale, promo_id)
    assert desk.event is not None, "it was just read"
    pairs = list((_values_of(promo.terms, desk, sale) | {"version": str(desk.event.version)}).items())
    pairs += [("types", show_id("tty", type_id)) for type_id in promo.terms.ticket_type_ids]
    return _form(request, desk, sale, promo, Form(pairs), [])


@act("/organize/events/{event_id}/codes/{promo_id}", **policy(MANAGERS))
async def change_code(
    request: Request, event_id: FromPath[EventId], promo_id: FromPath[PromoCodeId]
) -> Response[str] | Response[None]:
    """Change a code for later bookings."""
    form, now = await read_form(request), request.context.clock()
    desk = await open_event(request, event_id)
    sale = await find_sale(request.context.database, event_id)
    promo = get_promo(sale, promo_id)
    typed = Typed(form)
    changes = PromoChanges(**_read(typed, desk, sale, promo.terms.kind, promo.terms))
    denominations = request.context.checkout.denominations

    async def change(tx: Connection) -> Edited:
        return await organizing.change_promo_code(
            tx, event_id, promo_id, changes, now, same_version(form), denominations
        )

    status = await save(request, event_id, typed, _FIELDS, change)
    if status == _STALE:
        assert desk.event is not None, "it was just read"
        theirs, back = _values_of(promo.terms, desk, sale), _address(desk, promo_id)
        return await show_stale(request, desk, form, desk.event.version, _LABELS, theirs, back)
    if status != SAVED:
        return _form(request, desk, sale, promo, form, typed.errors, status=status)
    return see_other(f"{desk.event_address}/codes?done=saved")


@act("/organize/events/{event_id}/codes/{promo_id}/retire", **policy(MANAGERS))
async def retire_code(
    request: Request, event_id: FromPath[EventId], promo_id: FromPath[PromoCodeId]
) -> Response[str] | Response[None]:
    """Stop accepting a code."""
    now = request.context.clock()

    async def change(tx: Connection) -> Edited:
        return await organizing.retire_promo_code(tx, event_id, promo_id, now)

    async def show_list(desk: Desk, errors: list[FormError], status: int) -> Response[str]:
        return await _list(request, desk, Form([]), errors, status=status)

    return await retire(request, event_id, change, show_list, "codes")


def _read(
    typed: Typed, desk: Desk, sale: Sale, kind: PromoKind, before: PromoTerms | None = None
) -> dict[str, Any]:
    """Return the fields that a new and a changed code share."""
    form = typed.form
    if not form.text("code"):
        typed.wrong("code", "Enter the code.")
    percent = typed.share("value") if kind == "percent" else None
    amount = typed.price("value", sale.currency) if kind in {"fixed", "fixed_per_booking"} else None
    if kind != "unlock" and not form.text("value"):
        typed.wrong("value", "Enter how much it takes off.")
    return {
        "code": form.text("code"),
        "basis_points": percent,
        "amount": amount,
        "ticket_type_ids": tuple(
            type_id for text in form.all("types") if (type_id := find_id("tty", text)) is not None
        ),
        "uses_max": typed.number("uses_max"),
        "per_buyer_max": typed.number("per_buyer_max"),
        "units_per_use_max": typed.number("units_per_use_max"),
        "budget": typed.price("budget", sale.currency),
        "from_at": typed.instant("from", desk.zone, None if before is None else before.from_at),
        "until_at": typed.instant("until", desk.zone, None if before is None else before.until_at),
    }


def _values_of(terms: PromoTerms, desk: Desk, sale: Sale) -> dict[str, str]:
    """Return a code as its form shows it."""
    value = "" if terms.kind == "unlock" else words.figures(Money(terms.value, sale.currency))
    return {
        "code": terms.code,
        "kind": terms.kind,
        "value": show_share(terms.value) if terms.kind == "percent" else value,
        "uses_max": _shown(terms.uses_max),
        "per_buyer_max": _shown(terms.per_buyer_max),
        "units_per_use_max": _shown(terms.units_per_use_max),
        "budget": ""
        if terms.budget_minor is None
        else words.figures(Money(terms.budget_minor, sale.currency)),
        **show_moment("from", terms.from_at, desk.zone),
        **show_moment("until", terms.until_at, desk.zone),
    }


def _shown(number: int | None) -> str:
    return "" if number is None else str(number)


def _address(desk: Desk, promo_id: UUID) -> str:
    return f"{desk.event_address}/codes/{show_id('prm', promo_id)}"


def _worth(terms: PromoTerms, currency: str) -> str:
    """Return what a code does, in words."""
    if terms.kind == "unlock":
        return "unlocks hidden tickets"
    if terms.kind == "percent":
        return f"{show_share(terms.value)} % off each ticket"
    amount = words.sum_of(Money(terms.value, currency))
    return f"{amount} off {'each ticket' if terms.kind == 'fixed' else 'the booking'}"


def _type_options(sale: Sale) -> list[tuple[str, str]]:
    return [
        (show_id("tty", terms.ticket_type_id), f"{terms.name} (hidden)" if terms.hidden else terms.name)
        for terms in sale.ticket_types.values()
        if not terms.retired
    ]


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
    sale = await find_sale(request.context.database, desk.event.event_id)
    names = {terms.ticket_type_id: terms.name for terms in sale.ticket_types.values()}
    rows = [
        Row(
            promo,
            _address(desk, promo.terms.promo_id),
            _worth(promo.terms, sale.currency),
            Money(promo.spent_minor, sale.currency),
            [names[type_id] for type_id in promo.terms.ticket_type_ids if type_id in names],
        )
        for promo in sorted(sale.promos.values(), key=lambda each: each.terms.promo_id.bytes)
    ]
    return render_desk(
        request,
        desk,
        "codes.html",
        status=status,
        form=form,
        errors=errors,
        done=done,
        rows=[row for row in rows if not row.promo.terms.retired],
        retired=[row for row in rows if row.promo.terms.retired],
        kind_options=list(KINDS.items()),
        type_options=_type_options(sale),
        currency=sale.currency,
    )


def _form(
    request: Request,
    desk: Desk,
    sale: Sale,
    promo: Promo,
    form: Form,
    errors: list[FormError],
    *,
    status: int = 200,
) -> Response[str]:
    return render_desk(
        request,
        desk,
        "code.html",
        status=status,
        form=form,
        errors=errors,
        promo=promo,
        address=_address(desk, promo.terms.promo_id),
        spent=Money(promo.spent_minor, sale.currency),
        kind=KINDS[promo.terms.kind],
        type_options=_type_options(sale),
        currency=sale.currency,
    )


routes: Final = [show_codes, add_code, show_code, change_code, retire_code]
