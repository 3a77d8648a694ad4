"""Saving what an editor typed: every error at its field, or both versions when another editor was first.

save          carry out a verb; returns the status of the answer, 0 when it was saved
retire        stop selling or accepting something for good, and back to its list
show_stale    the page with both versions of an event: keep mine, or take theirs
show_versions the same, of anything that has versions
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from evently import accounts, catalogue, organizing
from evently.catalogue import LastEdit
from evently.db import Connection
from evently.kit.errors import CommonRefusal, Invalid, Refused
from evently.organizing import Edited
from evently.web.edge.context import Response
from evently.web.edge.problems import PROBLEMS, sentence_of
from evently.web.pages.forms import Form, FormError, read_form
from evently.web.pages.organize.desk import Desk, open_event, render_desk
from evently.web.pages.organize.typed import Typed, errors_at
from evently.web.pages.rendering import see_other
from evently.web.services import Request

SAVED: Final = 0
_NOT_KEPT: Final = frozenset({"version", "confirmed", "moves"})


class Version(NamedTuple):
    """What two editors have typed into a field."""

    label: str
    mine: str
    theirs: str


class _Wrong(Exception):
    """Raised in a transaction that must not be committed."""


async def save(
    request: Request,
    event_id: UUID,
    typed: Typed,
    fields: Mapping[str, str],
    change: Callable[[Connection], Awaitable[Any]],
    *,
    dry_run: bool = False,
) -> int:
    """Carry out an edit of an event; return 0, or the status of the answer with what `typed` has noted.

    `fields`: the id of the input for each pointer of a refusal. `dry_run`: check everything, change nothing.
    """
    context = request.context
    payable = await context.checkout.find_gateway() is not None
    try:
        async with context.database.transaction() as tx:
            changed = await change(tx)
            if isinstance(changed, tuple):  # an event with its sale: `Edited` or `Added`
                organizing.refuse_unpayable(Edited(changed[0], changed[1]), payable=payable)
                if str(changed[0].version) != typed.form.text("version"):  # the same one: nothing changed
                    await catalogue.note_editor(tx, event_id, request.actor.id)
            if typed.errors or dry_run:
                raise _Wrong
    except _Wrong:
        return HTTPStatus.UNPROCESSABLE_ENTITY if typed.errors else SAVED
    except Invalid as exc:
        for error in errors_at(exc, fields):
            typed.wrong(*error)
        return HTTPStatus.UNPROCESSABLE_ENTITY
    except Refused as exc:
        status = PROBLEMS[exc.refusal].status
        if status == HTTPStatus.CONFLICT:
            typed.wrong("main", sentence_of(exc))
        elif exc.refusal is not CommonRefusal.STALE:
            raise
        return status
    context.memory.forget(event_id)
    return SAVED


async def retire(
    request: Request,
    event_id: UUID,
    change: Callable[[Connection], Awaitable[Edited]],
    show_list: Callable[[Desk, list[FormError], int], Awaitable[Response[str]]],
    tab: str,
) -> Response[str] | Response[None]:
    """Stop selling or accepting something of an event for good; back to its list, `tab` of the event.

    `show_list`: the list with what is wrong, and the status of the answer.
    """
    typed = Typed(await read_form(request))
    status = await save(request, event_id, typed, {}, change)
    desk = await open_event(request, event_id)
    if status != SAVED:
        return await show_list(desk, typed.errors, status)
    return see_other(f"{desk.event_address}/{tab}?done=retired")


async def show_stale(
    request: Request,
    desk: Desk,
    form: Form,
    version: int,
    labels: Mapping[str, str],
    theirs: Mapping[str, str],
    back: str,
) -> Response[str]:
    """Return the page with both versions. `theirs`: the fields as they are; `back`: the page of the form."""
    assert desk.event is not None, "a page of an event"
    versions = [
        Version(label, form.text(field), theirs[field]) for field, label in labels.items() if field in theirs
    ]
    last = await catalogue.find_last_edit(request.context.database, desk.event.event_id)
    return await show_versions(request, desk, form, version, versions, last, back)


async def show_versions(
    request: Request,
    desk: Desk,
    form: Form,
    version: int,
    versions: Sequence[Version],
    last: LastEdit,
    back: str,
    place: tuple[str, ZoneInfo] | None = None,
) -> Response[str]:
    """Return the same page about anything that two editors have changed. `version`: the stored one.

    `last`: who was first; `place`: what it is about, and the zone of its clocks; None: the event.
    """
    title, zone = place or (desk.event.title if desk.event else "", desk.zone)
    return render_desk(
        request,
        desk,
        "stale.html",
        status=HTTPStatus.PRECONDITION_FAILED,
        action=request.scope["path"],
        about=title,
        pairs=[pair for pair in form.pairs if pair[0] not in _NOT_KEPT],
        version=version,
        differences=[each for each in versions if _same(each.mine) != _same(each.theirs)],
        editor=await name_of_editor(request, last.editor_id),
        changed_at=None if last.edited_at is None else last.edited_at.astimezone(zone),
        back=back,
    )


async def name_of_editor(request: Request, editor_id: UUID | None) -> str:
    """Return who was first, as the reader knows them; nothing if it is not known."""
    if editor_id is None:
        return ""
    if editor_id == request.actor.id:
        return "you, in another window,"
    return await accounts.people.find_name(request.context.database, editor_id) or ""


def _same(text: str) -> str:
    return text.replace("\r\n", "\n").strip()
