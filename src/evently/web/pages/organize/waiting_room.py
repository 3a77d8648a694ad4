"""The waiting room at the desk: put one before the sale, see who is there, send the public value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple
from uuid import UUID

from evently import waitingroom
from evently.catalogue import Seen
from evently.kit.errors import CommonRefusal, Invalid, Refused
from evently.kit.ids import EventId
from evently.sales.reads import find_sale, public_types
from evently.waitingroom import VALUE_CHARACTERS_MAX, WaitingRoomTerms
from evently.web.edge.auth import policy
from evently.web.edge.context import Response
from evently.web.edge.problems import PROBLEMS, sentence_of
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages.forms import Form, FormError, errors_of, read_form
from evently.web.pages.organize.desk import MANAGERS, event_address, open_event, render_desk
from evently.web.pages.rendering import act, see_other, show
from evently.web.services import Request

Done = Annotated[str, QueryParameter(max_length=10)]
_DONE: Final = {
    "saved": "The waiting room is saved.",
    "removed": "The waiting room is removed. The sale opens for everybody at once.",
    "drawn": "The order is drawn.",
}
_FIELDS: Final = {
    "/opens_minutes_before": "opens_minutes_before",
    "/per_minute": "per_minute",
    "/public_source": "public_source",
}
_NUMBER_DIGITS_MAX: Final = 9


class Filled(NamedTuple):
    """The form as it stands there."""

    opens_minutes_before: str
    per_minute: str
    public_source: str
    version: str


@show("/organize/events/{event_id}/waiting-room", **policy(MANAGERS))
async def show_waiting_room(request: Request, event_id: FromPath[EventId], done: Done = "") -> Response[str]:
    """Return the waiting room of an event at the desk."""
    return await _page(request, event_id, done=_DONE.get(done))


@act("/organize/events/{event_id}/waiting-room", **policy(MANAGERS))
async def put_waiting_room(request: Request, event_id: FromPath[EventId]) -> Response[str] | Response[None]:
    """Put a waiting room before the sale, or change it."""
    form, context = await read_form(request), request.context
    filled, errors = _filled(form), list[FormError]()
    minutes = _number(form, "opens_minutes_before", errors)
    per_minute = _number(form, "per_minute", errors)
    if errors:
        return await _page(request, event_id, filled=filled, errors=errors)
    terms = WaitingRoomTerms(minutes, per_minute, filled.public_source)
    try:
        async with context.database.transaction() as tx:
            await waitingroom.put_room(tx, event_id, terms, context.clock(), _seen(filled.version))
    except Invalid as exc:
        return await _page(request, event_id, filled=filled, errors=errors_of(exc, _FIELDS))
    except Refused as exc:
        return await _refused(request, event_id, exc, filled)
    context.waiting_rooms.forget_room(event_id)
    context.memory.forget(event_id)
    return see_other(event_address(event_id, "waiting-room?done=saved"))


@act("/organize/events/{event_id}/waiting-room/remove", **policy(MANAGERS))
async def remove_waiting_room(
    request: Request, event_id: FromPath[EventId]
) -> Response[str] | Response[None]:
    """Remove the waiting room."""
    form, context = await read_form(request), request.context
    try:
        async with context.database.transaction() as tx:
            await waitingroom.remove_room(tx, event_id, context.clock(), _seen(form.text("version")))
    except Refused as exc:
        return await _refused(request, event_id, exc)
    context.waiting_rooms.forget_room(event_id)
    context.memory.forget(event_id)
    return see_other(event_address(event_id, "waiting-room?done=removed"))


@act("/organize/events/{event_id}/waiting-room/value", **policy(MANAGERS))
async def put_public_value(request: Request, event_id: FromPath[EventId]) -> Response[str] | Response[None]:
    """Draw the order with the public value."""
    form, context = await read_form(request), request.context
    value = form.text("value")
    if not 0 < len(value) <= VALUE_CHARACTERS_MAX:
        errors = [FormError("value", f"Enter the value: 1 to {VALUE_CHARACTERS_MAX} characters.")]
        return await _page(request, event_id, errors=errors)
    try:
        async with context.database.transaction() as tx:
            await waitingroom.put_public_value(tx, event_id, value, context.clock())
    except Refused as exc:
        return await _refused(request, event_id, exc)
    context.waiting_rooms.forget_room(event_id)
    return see_other(event_address(event_id, "waiting-room?done=drawn"))


def _seen(shown: str) -> Seen:
    def seen(version: int) -> None:
        if str(version) != shown:
            raise Refused(CommonRefusal.STALE)

    return seen


def _filled(form: Form) -> Filled:
    return Filled(
        form.text("opens_minutes_before"),
        form.text("per_minute"),
        form.text("public_source"),
        form.text("version"),
    )


def _number(form: Form, field: str, errors: list[FormError]) -> int:
    typed = form.text(field)
    if not typed.isdecimal() or len(typed) > _NUMBER_DIGITS_MAX:
        errors.append(FormError(field, "Enter a whole number."))
        return 0
    return int(typed)


async def _refused(
    request: Request, event_id: UUID, exc: Refused, filled: Filled | None = None
) -> Response[str]:
    if PROBLEMS[exc.refusal].status not in (409, 412):
        raise exc
    return await _page(request, event_id, filled=filled, refused=exc)


async def _page(
    request: Request,
    event_id: UUID,
    *,
    filled: Filled | None = None,
    errors: Sequence[FormError] = (),
    refused: Refused | None = None,
    done: str | None = None,
) -> Response[str]:
    context, desk = request.context, await open_event(request, event_id)
    now = context.clock()
    context.waiting_rooms.forget_room(event_id)
    room = await context.waiting_rooms.find_room(event_id)
    sale = await find_sale(context.database, event_id)
    defaults = WaitingRoomTerms()
    stored = Filled(str(defaults.opens_minutes_before), str(defaults.per_minute), "", "0")
    if room is not None:
        minutes = round((room.draws_at - room.opens_at).total_seconds() / 60)
        stored = Filled(str(minutes), str(room.per_minute), room.public_source, str(room.version))
    shown = stored if filled is None else filled._replace(version=stored.version)
    stale = refused is not None and refused.refusal is CommonRefusal.STALE
    zone = desk.zone
    return render_desk(
        request,
        desk,
        "waiting_room.html",
        status=PROBLEMS[refused.refusal].status if refused else 422 if errors else 200,
        room=room,
        stage=None if room is None else room.stage(now),
        fixed=room is not None and now >= room.opens_at,
        begun=now >= sale.on_sale_at,
        opens=None if room is None else room.opens_at.astimezone(zone),
        draws=sale.on_sale_at.astimezone(zone),
        through=room.paces.now.admitted_at(now) if room is not None and room.paces else 0,
        unlimited=[terms.name for terms in public_types(sale) if terms.per_buyer_max is None],
        filled=shown,
        stored=stored,
        stale=stale,
        no=sentence_of(refused) if refused is not None and not stale else None,
        errors=errors,
        done=done,
    )


routes: Final = [show_waiting_room, put_waiting_room, remove_waiting_room, put_public_value]
