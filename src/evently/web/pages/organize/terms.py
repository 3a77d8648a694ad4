"""The terms of an event: how it is paid and paid back, and names on tickets."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from evently import organizing
from evently.db import Connection
from evently.kit.ids import EventId
from evently.kit.money import Money
from evently.organizing import ConditionsChanges, Edited, EventChanges, FeesChanges
from evently.sales.reads import Sale, find_sale
from evently.sales.terms import Conditions, PaidBy, RefundWindow
from evently.web.edge.auth import policy
from evently.web.edge.context import Response
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages import words
from evently.web.pages.forms import Form, FormError, read_form
from evently.web.pages.organize.desk import MANAGERS, Desk, open_event, render_desk
from evently.web.pages.organize.saving import SAVED, save, show_stale
from evently.web.pages.organize.typed import Typed, same_version, show_hours, show_share
from evently.web.pages.rendering import act, see_other, show
from evently.web.services import Request

_STALE: Final = 412
_WINDOWS: Final = 4  # rows of refund windows in the form; the API takes ten
_MINUTE: Final = 60
_HOUR: Final = 3_600
NAMES: Final = {
    "not_asked": "Not asked",
    "optional": "Buyers may write them",
    "required": "Buyers are asked until they are there",
}
_LABELS: Final = {
    "payment": "Paid",
    "hold_minutes": "Held for, in minutes",
    "offer_hours": "Offers to the waitlist, in hours",
    "fee_fixed": "Fee for each ticket",
    "fee_share": "Fee in percent",
    "fee_paid_by": "Who pays the fee",
    "fee_kept": "The fee is kept",
    **{f"hours_{number}": f"Refund {number}: until how long before" for number in range(1, _WINDOWS + 1)},
    **{f"share_{number}": f"Refund {number}: percent" for number in range(1, _WINDOWS + 1)},
    "cancel_hours_before": "Cancelling ends, before the start",
    "give_back_days": "Days to give back after a move",
    "holds_per_buyer_max": "Unpaid bookings of one buyer",
    "held_units_per_buyer_max": "Tickets in them",
    "orphans_forbidden": "No single seats left over",
}
_NAMES_LABELS: Final = {"attendee_names": "Names on tickets", "names_hours_before": "Fixed, before the start"}
_FIELDS: Final = {
    "/payment": "payment",
    "/hold_seconds": "hold_minutes",
    "/offer_seconds": "offer_hours",
    "/fees": "fee_fixed",
    "/fees/basis_points": "fee_share",
    "/fee_kept": "fee_kept",
    **{f"/refund_windows/{index}": f"hours_{index + 1}" for index in range(_WINDOWS)},
    **{f"/refund_windows/{index}/basis_points": f"share_{index + 1}" for index in range(_WINDOWS)},
    "/refund_windows": "hours_1",
    "/cancel_hours_before": "cancel_hours_before",
    "/give_back_days": "give_back_days",
    "/holds_per_buyer_max": "holds_per_buyer_max",
    "/held_units_per_buyer_max": "held_units_per_buyer_max",
    "/names_hours_before": "names_hours_before",
}
_SAVED: Final = {
    "terms": "The terms are saved, for later bookings. Those that were made keep theirs.",
    "names": "It is saved.",
}
Done = Annotated[str, QueryParameter(max_length=10)]


@show("/organize/events/{event_id}/terms", **policy(MANAGERS))
async def show_terms(request: Request, event_id: FromPath[EventId], done: Done = "") -> Response[str]:
    """Return the terms, in two forms."""
    desk = await open_event(request, event_id)
    return await _page(request, desk, Form([]), [], done=_SAVED.get(done, ""))


@act("/organize/events/{event_id}/terms", **policy(MANAGERS))
async def change_terms(request: Request, event_id: FromPath[EventId]) -> Response[str] | Response[None]:
    """Change how later bookings are paid, held and paid back."""
    form, now = await read_form(request), request.context.clock()
    desk = await open_event(request, event_id)
    sale = await find_sale(request.context.database, event_id)
    typed = Typed(form)
    changes = ConditionsChanges(**_read(typed, sale))
    denominations = request.context.checkout.denominations

    async def change(tx: Connection) -> Edited:
        return await organizing.change_conditions(
            tx, event_id, changes, now, same_version(form), denominations
        )

    status = await save(request, event_id, typed, _FIELDS, change)
    theirs = _values_of(sale.conditions_now()[1], sale.currency)
    return await _answer(request, desk, typed, status, "terms", _LABELS, theirs)


@act("/organize/events/{event_id}/terms/names", **policy(MANAGERS))
async def change_names(request: Request, event_id: FromPath[EventId]) -> Response[str] | Response[None]:
    """Change whether buyers write names on tickets, and until when."""
    form, now = await read_form(request), request.context.clock()
    desk = await open_event(request, event_id)
    typed = Typed(form)
    chosen: Any = form.text("attendee_names") if form.text("attendee_names") in NAMES else "optional"
    changes = EventChanges(attendee_names=chosen, names_hours_before=typed.span("names_hours_before") or 0)

    async def change(tx: Connection) -> Edited:
        return await organizing.change_event(tx, event_id, changes, now, same_version(form))

    status = await save(request, event_id, typed, _FIELDS, change)
    return await _answer(request, desk, typed, status, "names", _NAMES_LABELS, _names_of(desk))


async def _answer(
    request: Request,
    desk: Desk,
    typed: Typed,
    status: int,
    done: str,
    labels: dict[str, str],
    theirs: dict[str, str],
) -> Response[str] | Response[None]:
    assert desk.event is not None, "it was just read"
    address = f"{desk.event_address}/terms"
    if status == _STALE:
        return await show_stale(request, desk, typed.form, desk.event.version, labels, theirs, address)
    if status != SAVED:
        return await _page(request, desk, typed.form, typed.errors, status=status)
    return see_other(f"{address}?done={done}")


def _read(typed: Typed, sale: Sale) -> dict[str, Any]:
    """Return the conditions that were typed; what a form rounds stays as it is unless it was touched."""
    form, before = typed.form, _values_of(sale.conditions_now()[1], sale.currency)
    touched = {name for name, value in before.items() if form.text(name) != value}
    fixed = typed.price("fee_fixed", sale.currency)
    payment = "door" if form.text("payment") == "door" else "online"
    paid_by: PaidBy = "organizer" if form.text("fee_paid_by") == "organizer" else "buyer"
    said: dict[str, Any] = {
        "payment": payment,
        "fees": FeesChanges(fixed=fixed, basis_points=typed.share("fee_share") or 0, paid_by=paid_by),
        "fee_kept": form.text("fee_kept") == "yes",
        "cancel_hours_before": typed.span("cancel_hours_before") or 0,
        "give_back_days": typed.number("give_back_days") or 0,
        "orphans_forbidden": form.text("orphans_forbidden") == "yes",
    }
    windows = _read_windows(typed)
    if any(name.startswith(("hours_", "share_")) for name in touched):
        said["refund_windows"] = windows
    for field, name, unit in (
        ("hold_minutes", "hold_seconds", _MINUTE),
        ("offer_hours", "offer_seconds", _HOUR),
        ("holds_per_buyer_max", "holds_per_buyer_max", 1),
        ("held_units_per_buyer_max", "held_units_per_buyer_max", 1),
    ):
        number = typed.number(field)
        if number is None:
            typed.wrong(field, "Enter a number.")
        elif field in touched:
            said[name] = number * unit
    return said


def _read_windows(typed: Typed) -> tuple[RefundWindow, ...]:
    """Return the refund windows that were typed; a row without hours and percent does not count."""
    windows = []
    for number in range(1, _WINDOWS + 1):
        hours, share = typed.span(f"hours_{number}"), typed.share(f"share_{number}")
        if not typed.form.text(f"hours_{number}") and not typed.form.text(f"share_{number}"):
            continue
        if hours is None:
            typed.wrong(f"hours_{number}", "Enter until how long before the start, such as 14 days.")
        if share is None:
            typed.wrong(f"share_{number}", "Enter how many percent are paid back.")
        windows.append(RefundWindow(hours or 0, share or 0))
    return tuple(windows)


def _values_of(conditions: Conditions, currency: str) -> dict[str, str]:
    """Return conditions as their form shows them."""
    fees = conditions.fees
    values = {
        "payment": conditions.payment,
        "hold_minutes": _divided(conditions.hold_seconds, _MINUTE),
        "offer_hours": _divided(conditions.offer_seconds, _HOUR),
        "fee_fixed": words.figures(Money(fees.fixed_minor, currency)) if fees.fixed_minor else "",
        "fee_share": show_share(fees.basis_points) if fees.basis_points else "",
        "fee_paid_by": fees.paid_by,
        "fee_kept": "yes" if conditions.fee_kept else "",
        "cancel_hours_before": show_hours(conditions.cancel_hours_before),
        "give_back_days": str(conditions.give_back_days),
        "holds_per_buyer_max": str(conditions.holds_per_buyer_max),
        "held_units_per_buyer_max": str(conditions.held_units_per_buyer_max),
        "orphans_forbidden": "yes" if conditions.orphans_forbidden else "",
    }
    for number in range(1, _WINDOWS + 1):
        window = conditions.refund_windows[number - 1 : number]
        values[f"hours_{number}"] = show_hours(window[0].hours_before) if window else ""
        values[f"share_{number}"] = show_share(window[0].basis_points) if window else ""
    return values


def _divided(seconds: int, unit: int) -> str:
    return str(max(1, round(seconds / unit)))


def _names_of(desk: Desk) -> dict[str, str]:
    assert desk.event is not None, "only pages of an event have one"
    return {
        "attendee_names": desk.event.attendee_names,
        "names_hours_before": show_hours(desk.event.names_hours_before),
    }


async def _page(
    request: Request,
    desk: Desk,
    sent: Form,
    errors: list[FormError],
    *,
    status: int = 200,
    done: str = "",
) -> Response[str]:
    """Return the page; of the two forms, the one that was sent shows what was typed."""
    event = desk.event
    assert event is not None, "it was just read"
    event_id: UUID = event.event_id
    sale = await find_sale(request.context.database, event_id)
    _, conditions = sale.conditions_now()
    forms = {
        "terms": _values_of(conditions, sale.currency) | {"version": str(event.version)},
        "names": _names_of(desk) | {"version": str(event.version)},
    }
    was_sent = request.scope["path"].rpartition("/")[2] if errors else ""
    shown = {name: sent if was_sent == name else Form(list(values.items())) for name, values in forms.items()}
    return render_desk(
        request,
        desk,
        "terms.html",
        status=status,
        forms=shown,
        errors=errors,
        done=done,
        currency=sale.currency,
        windows=range(1, _WINDOWS + 1),
        more_windows=len(conditions.refund_windows) > _WINDOWS,
        refunds=words.refund_terms(conditions, event.starts_at, desk.zone),
        name_options=list(NAMES.items()),
        seated=sale.hall is not None,
        takes_payments=await request.context.checkout.find_gateway() is not None,
    )


routes: Final = [show_terms, change_terms, change_names]
