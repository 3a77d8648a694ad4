"""Dates: repeat an event, and publish, change or cancel all dates of its series."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

from evently import catalogue, organizing
from evently.catalogue import Event
from evently.db import Connection
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import EventId
from evently.organizing import EditedDate, NewDates, SeriesChanges
from evently.web.edge.auth import organizer, policy
from evently.web.edge.context import Response
from evently.web.edge.problems import PROBLEMS
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages.forms import Form, read_form
from evently.web.pages.organize.desk import MANAGERS, Desk, open_event, render_desk
from evently.web.pages.organize.saving import SAVED, save
from evently.web.pages.organize.typed import Typed, read_clock, read_reason
from evently.web.pages.rendering import act, see_other, show
from evently.web.services import Request

_READERS: Final = organizer("manager", "events:read")
_EVERY: Final = {
    "week": ("Every week", "FREQ=WEEKLY"),
    "day": ("Every day", "FREQ=DAILY"),
    "fortnight": ("Every two weeks", "FREQ=WEEKLY;INTERVAL=2"),
    "month": ("Every month, on the same day", "FREQ=MONTHLY"),
    "rule": ("By a rule of your own", ""),
    "hand": ("On days that I write down", ""),
}
_FIELDS: Final = {"/rule": "rule", "/starts_at_local": "days"}
_LINES_MAX: Final = 100
_COUNT_MAX: Final = 100
Done = Annotated[str, QueryParameter(max_length=10)]
_SAVED: Final = {"added": "The dates are there, as drafts. Look at them, then publish them."}


@show("/organize/events/{event_id}/dates", **policy(_READERS))
async def show_dates(request: Request, event_id: FromPath[EventId], done: Done = "") -> Response[str]:
    """Return the dates of an event, and the form that adds more."""
    desk = await open_event(request, event_id)
    return await _page(request, desk, Typed(Form([("every", "week"), ("count", "8")])), _SAVED.get(done, ""))


@act("/organize/events/{event_id}/dates", **policy(MANAGERS, rate="heavy"))
async def add_dates(request: Request, event_id: FromPath[EventId]) -> Response[str] | Response[None]:
    """Add dates, or show which there would be."""
    typed, now = Typed(await read_form(request)), request.context.clock()
    desk = await open_event(request, event_id)
    new, planned = _read(typed), list[Event]()
    shows = typed.form.text("do") == "show"

    async def change(tx: Connection) -> None:
        planned.extend(await organizing.add_dates(tx, event_id, new, now, dry_run=shows))

    if typed.errors:
        return await _page(request, desk, typed, status=422)
    status = await save(request, event_id, typed, _fields(typed.form), change, dry_run=shows)
    if status != SAVED:
        return await _page(request, desk, typed, status=status)
    if shows:
        return await _page(request, desk, typed, planned=planned)
    return see_other(f"{desk.event_address}/dates?done=added")


@act("/organize/events/{event_id}/dates/publish", **policy(MANAGERS, rate="heavy"))
async def publish_all(request: Request, event_id: FromPath[EventId]) -> Response[str]:
    """Publish all drafts of the series."""
    context = request.context
    desk, series_id = await _open_series(request, event_id)
    results = await organizing.publish_series(
        context.database,
        series_id,
        context.clock(),
        context.checkout.denominations,
        paid_online=context.checkout.gateway is not None,
    )
    return await _results(request, desk, results, "published")


@act("/organize/events/{event_id}/dates/texts", **policy(MANAGERS, rate="heavy"))
async def change_all(request: Request, event_id: FromPath[EventId]) -> Response[str]:
    """Give all dates ahead the texts of this one."""
    desk, series_id = await _open_series(request, event_id)
    event = desk.event
    assert event is not None, "it was just read"
    changes = SeriesChanges(
        title=event.title,
        description=event.description,
        category=event.category,
        tags=event.tags,
        image_url=event.image_url,
    )
    context = request.context
    results = await organizing.change_series(context.database, series_id, changes, context.clock())
    return await _results(request, desk, results, "changed")


@act("/organize/events/{event_id}/dates/cancel", **policy(MANAGERS, rate="heavy"))
async def cancel_all(request: Request, event_id: FromPath[EventId]) -> Response[str]:
    """Cancel all published dates ahead, once the reader has said so twice."""
    form = await read_form(request)
    desk, series_id = await _open_series(request, event_id)
    context = request.context
    reason, errors = read_reason(form)
    if form.text("confirmed") != "yes" or errors:
        dates = await catalogue.list_dates(context.database, series_id)
        now = context.clock()
        ahead = [event for event in dates if event.state == "published" and event.starts_at > now]
        status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
        shown = {"ahead": ahead, "form": form, "errors": errors}
        return render_desk(request, desk, "cancel_dates.html", status=status, **shown)
    keeps_door = form.text("keep_door_money") == "yes"
    results = await organizing.cancel_series(
        context.database, series_id, context.clock(), keeps_door=keeps_door, reason=reason
    )
    return await _results(request, desk, results, "cancelled")


async def _open_series(request: Request, event_id: UUID) -> tuple[Desk, UUID]:
    desk = await open_event(request, event_id)
    assert desk.event is not None, "it was just read"
    if desk.event.series_id is None:
        raise Refused(CommonRefusal.NOT_FOUND, "series")
    return desk, desk.event.series_id


def _read(typed: Typed) -> NewDates:
    """Return the dates that a form asks for; note what cannot be read."""
    form = typed.form
    every = form.text("every") if form.text("every") in _EVERY else "week"
    if every == "hand":
        return NewDates(starts_at_local=_read_days(typed))
    if every == "rule":
        if not form.text("rule"):
            typed.wrong("rule", "Enter a rule such as FREQ=WEEKLY;BYDAY=FR,SA;COUNT=12.")
        return NewDates(rule=form.text("rule"))
    count = typed.number("count")
    if count is None or not 1 < count <= _COUNT_MAX:
        typed.wrong("count", f"Enter how many dates there are, with this one: 2 to {_COUNT_MAX}.")
        return NewDates()
    return NewDates(rule=f"{_EVERY[every][1]};COUNT={count}")


def _read_days(typed: Typed) -> tuple[datetime, ...]:
    """Return the starts of a list, one in each line, such as `2027-05-21 20:00`."""
    lines = [line.strip() for line in typed.form.text("days").splitlines() if line.strip()]
    if not 1 <= len(lines) <= _LINES_MAX:
        typed.wrong("days", f"Write 1 to {_LINES_MAX} dates, one in each line.")
        return ()
    found = []
    for line in lines:
        day, _, clock = line.replace(",", " ").partition(" ")
        try:
            date = datetime.strptime(day, "%Y-%m-%d").date()  # noqa: DTZ007 - a wall time
        except ValueError:
            date = None
        at = read_clock(clock)
        if date is None or at is None:
            typed.wrong("days", f"“{line[:40]}” is no date such as 2027-05-21 20:00.")
            return ()
        found.append(datetime.combine(date, at))
    return tuple(found)


def _fields(form: Form) -> dict[str, str]:
    """Return at which input an error stands: a rule that was chosen has no input of its own."""
    simple = form.text("every") not in {"rule", "hand"}
    return _FIELDS | ({"/rule": "count"} if simple else {})


async def _results(request: Request, desk: Desk, results: Sequence[EditedDate], done: str) -> Response[str]:
    for event, _ in results:
        request.context.memory.forget(event.event_id)
    refused = [
        (event, PROBLEMS[refusal].title, PROBLEMS[refusal].explanation)
        for event, refusal in results
        if refusal is not None
    ]
    count = len(results) - len(refused)
    said = (
        f"{count} {'date is' if count == 1 else 'dates are'} {done}."
        if results
        else "Nothing was left to do."
    )
    typed = Typed(Form([("every", "week"), ("count", "8")]))
    return await _page(request, desk, typed, said, refused=refused)


async def _page(
    request: Request,
    desk: Desk,
    typed: Typed,
    done: str = "",
    *,
    planned: Sequence[Event] = (),
    refused: Sequence[tuple[Event, str, str]] = (),
    status: int = 200,
) -> Response[str]:
    context, event = request.context, desk.event
    assert event is not None, "pages of an event have one"
    dates = (
        [event] if event.series_id is None else await catalogue.list_dates(context.database, event.series_id)
    )
    now = context.clock()
    return render_desk(
        request,
        desk,
        "dates.html",
        status=status,
        form=typed.form,
        errors=typed.errors,
        dates=planned or dates,
        planned=bool(planned),
        every=[(name, text) for name, (text, _) in _EVERY.items()],
        drafts=sum(each.state == "draft" and each.starts_at > now for each in dates),
        published=sum(each.state == "published" and each.starts_at > now for each in dates),
        done=done,
        refused=refused,
        now=now,
    )


routes: Final = [show_dates, add_dates, publish_all, change_all, cancel_all]
