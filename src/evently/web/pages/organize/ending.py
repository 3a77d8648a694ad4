"""Cancelling an event, with what that does to money before it is done; deleting a draft; using it again."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from msgspec import UNSET

from evently import checkout, organizing
from evently.kit.errors import Invalid, Refused
from evently.kit.ids import EventId
from evently.kit.money import Money
from evently.organizing import EventCopy
from evently.web.edge.auth import policy
from evently.web.edge.context import Response
from evently.web.edge.problems import PROBLEMS
from evently.web.edge.routing import FromPath
from evently.web.pages.forms import Form, FormError, read_form
from evently.web.pages.organize.desk import (
    MANAGERS,
    Desk,
    event_address,
    open_event,
    organizer_address,
    render_desk,
)
from evently.web.pages.organize.typed import Typed, errors_at, read_reason, same_version
from evently.web.pages.rendering import act, see_other, show
from evently.web.services import Request

_FIELDS: Final = {"/title": "title", "/starts_at": "starts_day", "/starts_at_local": "starts_day"}


@show("/organize/events/{event_id}/cancel", **policy(MANAGERS))
async def show_cancelling(request: Request, event_id: FromPath[EventId]) -> Response[str]:
    """Return what cancelling the event would do now; it changes nothing."""
    return await _cancelling(request, await open_event(request, event_id))


@act("/organize/events/{event_id}/cancel", **policy(MANAGERS))
async def cancel_event(request: Request, event_id: FromPath[EventId]) -> Response[str] | Response[None]:
    """Cancel a published event; its bookings are cancelled and paid back soon afterwards."""
    form, context = await read_form(request), request.context
    reason, errors = read_reason(form)
    if errors:
        return await _cancelling(request, await open_event(request, event_id), form=form, errors=errors)
    async with context.database.transaction() as tx:
        await organizing.cancel_event(
            tx, event_id, context.clock(), keeps_door=form.text("keep_door_money") == "yes", reason=reason
        )
    context.memory.forget(event_id)
    return see_other(event_address(event_id))


@act("/organize/events/{event_id}/delete", **policy(MANAGERS))
async def delete_draft(request: Request, event_id: FromPath[EventId]) -> Response[str] | Response[None]:
    """Delete a draft, unless it was changed since the page was read."""
    form, context = await read_form(request), request.context
    desk = await open_event(request, event_id)
    try:
        async with context.database.transaction() as tx:
            await organizing.delete_event(tx, event_id, same_version(form))
    except Refused as exc:
        status = PROBLEMS[exc.refusal].status
        if status not in (HTTPStatus.PRECONDITION_FAILED, HTTPStatus.CONFLICT):
            raise
        return await _cancelling(request, await open_event(request, event_id), status=status)
    context.memory.forget(event_id)
    return see_other(organizer_address(desk.organizer.organizer_id))


@show("/organize/events/{event_id}/copy", **policy(MANAGERS))
async def show_copying(request: Request, event_id: FromPath[EventId]) -> Response[str]:
    """Return the form that makes the same event at another time."""
    desk = await open_event(request, event_id)
    assert desk.event is not None, "it was just read"
    clock = f"{desk.event.starts_at_local:%H:%M}"
    return _copying(request, desk, Form([("title", desk.event.title), ("starts_clock", clock)]), [])


@act("/organize/events/{event_id}/copy", **policy(MANAGERS))
async def copy_event(request: Request, event_id: FromPath[EventId]) -> Response[str] | Response[None]:
    """Make a draft that sells the same at another time."""
    form, context = await read_form(request), request.context
    desk = await open_event(request, event_id)
    typed = Typed(form)
    starts = typed.moment("starts", required="Enter the day on which it starts.")
    if not form.text("title"):
        typed.wrong("title", "Enter a title.")
    if typed.errors:
        return _copying(request, desk, form, typed.errors)
    copy = EventCopy(title=form.text("title") or UNSET, starts_at_local=starts)
    try:
        async with context.database.transaction() as tx:
            made = await organizing.copy_event(tx, event_id, copy, context.clock())
    except Invalid as exc:
        return _copying(request, desk, form, errors_at(exc, _FIELDS))
    return see_other(f"{event_address(made.event.event_id)}?done=made")


async def _cancelling(
    request: Request,
    desk: Desk,
    *,
    status: int = 200,
    form: Form | None = None,
    errors: Sequence[FormError] = (),
) -> Response[str]:
    assert desk.event is not None, "it was just read"
    found = await checkout.preview_cancellation(request.context.database, desk.event.event_id)
    return render_desk(
        request,
        desk,
        "cancel.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else status,
        form=form or Form([]),
        errors=list(errors),
        changed=status != HTTPStatus.OK,
        found=found,
        to_refund=Money(found.to_refund_minor, found.currency),
        at_door=Money(found.at_door_minor, found.currency),
    )


def _copying(request: Request, desk: Desk, form: Form, errors: list[FormError]) -> Response[str]:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
    return render_desk(request, desk, "copy.html", status=status, form=form, errors=errors)


routes: Final = [show_cancelling, cancel_event, delete_draft, show_copying, copy_event]
