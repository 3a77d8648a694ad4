"""Rehearse an event: how many buyers, how far it is, and what came out of it, in sentences.

The page of a rehearsal keeps itself current (`rehearse.js`); without script, it loads itself again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import markupsafe
import msgspec

from evently import organizing
from evently.kit.errors import Invalid, Refused
from evently.kit.ids import EventId, RehearsalId, show_id
from evently.organizing import rehearsing
from evently.organizing.rehearsing import (
    Rehearsal,
    RehearsalProgress,
    RehearsalRefusal,
    RehearsalReport,
    RehearsalSpec,
    RehearsalState,
    RehearsedWaitingRoom,
)
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import Sale, find_sale, places_of
from evently.web.edge.auth import policy
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.problems import sentence_of
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages import words
from evently.web.pages.forms import Form, FormError, read_form
from evently.web.pages.organize.desk import MANAGERS, event_address, open_event, render_desk
from evently.web.pages.organize.typed import Typed, errors_at
from evently.web.pages.rendering import act, see_other, show
from evently.web.services import Request

_SHOWN_MAX: Final = 20
_BUYERS: Final = 1_000
_CHART: Final = (640, 160)  # of the drawings that stand there without script
_SECOND_MS: Final = 1_000
_REFUSALS: Final = (
    RehearsalRefusal.REHEARSALS_OFF,
    RehearsalRefusal.REHEARSAL_UNDER_WAY,
    RehearsalRefusal.ITSELF_A_COPY,
    SalesRefusal.NOTHING_TO_SELL,
)
_FIELDS: Final = {
    name: name.removeprefix("/") for name in ("/buyers", "/seconds", "/places", "/abandon_percent")
}
_REASONS: Final = {
    "": "",
    "asked": "A member stopped it.",
    "busy": "It was stopped because real buyers came: they go first.",
    "server": "It ended because the server was stopped.",
    "too_long": "It took too long and was stopped.",
    "lost": "Its process died. Start it again.",
    "unreachable": "Its buyers could not reach the server. Ask the one who runs it.",
    "refused": "The event could not be copied any more.",
    "broken": "It broke on our side. The one who runs the server finds the cause in the log.",
}
_ANSWERS: Final = {
    "booked": "booked",
    "replayed": "booked, with a repeated request",
    "sold_out": "refused: sold out",
    "seat_taken": "refused: seat taken",
    "paid": "paid",
    "declined": "card declined",
    "unpaid": "payment pending or too late",
    "refused": "refused for another reason",
    "cancelled": "cancelled",
    "read": "page views",
    "entered": "waiting room entered",
    "polled": "place in the waiting room asked for",
    "busy": "busy, told to try again",
    "lost": "answer lost by the buyer",
    "failed": "failed",
}
After = Annotated[str, QueryParameter(max_length=500)]
Page = Response[str] | Response[None]


class Row(NamedTuple):
    """A rehearsal in the list of earlier ones."""

    rehearsal: Rehearsal
    at: datetime
    address: str
    outcome: str


class Line(NamedTuple):
    """A line of a drawing: its name, its style and its path."""

    name: str
    style: str
    path: str


class Chart(NamedTuple):
    """A drawing, which a script replaces: its lines, and their greatest value."""

    key: str
    title: str
    note: str
    lines: list[Line]
    most: str


class ProgressOnPage(msgspec.Struct, frozen=True):
    """How far a rehearsal is, in the words of its page. `curve`: seconds, tickets sold, refusals."""

    state: RehearsalState
    texts: dict[str, str]
    sold_percent: float
    curve: list[tuple[float, int, int]]


@show("/organize/events/{event_id}/rehearse", **policy(MANAGERS))
async def show_rehearsals(request: Request, event_id: FromPath[EventId], after: After = "") -> Response[str]:
    """Return the form that starts a rehearsal, and the earlier ones."""
    return await _page(request, event_id, after=after or None)


@act("/organize/events/{event_id}/rehearse", **policy(MANAGERS))
async def start_rehearsal(request: Request, event_id: FromPath[EventId]) -> Page:
    """Start a rehearsal."""
    context, form = request.context, await read_form(request)
    typed = Typed(form)
    spec = _read_spec(typed, context.options.rehearsal_buyers_max)
    if spec is None or typed.errors:
        return await _page(request, event_id, form=form, errors=typed.errors)
    try:
        async with context.database.transaction() as tx:
            planned = await organizing.plan_rehearsal(
                tx, event_id, spec, request.actor.id, context.clock(), context.options.rehearsal_buyers_max
            )
    except Invalid as exc:
        return await _page(request, event_id, form=form, errors=errors_at(exc, _FIELDS))
    except Refused as exc:
        if exc.refusal not in _REFUSALS:
            raise
        return await _page(request, event_id, form=form, refused=sentence_of(exc))
    return see_other(_address(planned))


@show("/organize/events/{event_id}/rehearse/{rehearsal_id}", **policy(MANAGERS))
async def show_rehearsal(
    request: Request, event_id: FromPath[EventId], rehearsal_id: FromPath[RehearsalId]
) -> Response[str]:
    """Return a rehearsal: how far it is, or its report."""
    desk = await open_event(request, event_id)
    found = await rehearsing.get_rehearsal(request.context.database, event_id, rehearsal_id)
    charts = [] if found.report is None else _charts(found.report)
    return render_desk(
        request,
        desk,
        "rehearsal.html",
        rehearsal=found,
        address=_address(found),
        requested=found.requested_at.astimezone(desk.zone),
        plan=_plan_in_words(found.plan),
        reason=_REASONS[found.reason],
        now=_progress_on_page(found),
        copy=None if found.copy_id is None else event_address(found.copy_id),
        sentences=[] if found.report is None else _sentences(found),
        answers=[]
        if found.report is None
        else [(_ANSWERS[name], count) for name, count in found.report.answers.items()],
        charts=charts,
        chart_size=_CHART,
        data=_data_of(found),
    )


@show("/organize/events/{event_id}/rehearse/{rehearsal_id}/progress", **policy(MANAGERS))
async def follow_rehearsal(
    request: Request, event_id: FromPath[EventId], rehearsal_id: FromPath[RehearsalId]
) -> Response[ProgressOnPage]:
    """Return how far a rehearsal is, for the script of its page."""
    found = await rehearsing.get_rehearsal(request.context.database, event_id, rehearsal_id)
    return Response(_progress_on_page(found), headers=NO_STORE)


@act("/organize/events/{event_id}/rehearse/{rehearsal_id}/stop", **policy(MANAGERS))
async def stop_rehearsal(
    request: Request, event_id: FromPath[EventId], rehearsal_id: FromPath[RehearsalId]
) -> Page:
    """Stop a rehearsal."""
    context = request.context
    async with context.database.transaction() as tx:
        stopped = await rehearsing.stop_rehearsal(tx, event_id, rehearsal_id, context.clock())
    return see_other(_address(stopped))


async def _page(
    request: Request,
    event_id: UUID,
    *,
    form: Form | None = None,
    errors: Sequence[FormError] = (),
    refused: str = "",
    after: str | None = None,
) -> Response[str]:
    context, desk = request.context, await open_event(request, event_id)
    sale = await find_sale(context.database, event_id)
    page = await rehearsing.list_rehearsals(context.database, event_id, _SHOWN_MAX, after)
    buyers_max = context.options.rehearsal_buyers_max
    _, conditions = sale.conditions_now()
    return render_desk(
        request,
        desk,
        "rehearse.html",
        status=422 if errors else 409 if refused else 200,
        form=form or Form(list(_suggested(sale, buyers_max).items())),
        errors=list(errors),
        refused=refused,
        buyers_max=buyers_max,
        seated=sale.hall is not None,
        online=conditions.payment == "online",
        payable=context.checkout.gateway == "demo",
        capacity=places_of(sale).capacity,
        seconds_max=rehearsing.ARRIVAL_SECONDS_MAX,
        rows=[_row(each, desk.zone) for each in page.data],
        next_page=page.next_cursor,
    )


def _suggested(sale: Sale, buyers_max: int) -> dict[str, str]:
    """Return what the form says before anybody has typed: more buyers than places, within the limit.

    The copy of a sale that has a waiting room has one, too.
    """
    wanted = max(_BUYERS, 2 * places_of(sale).capacity)
    return {
        "buyers": str(min(wanted, buyers_max)),
        "seconds": "10",
        "payments": "yes",
        "abandon_percent": "5",
        "seats": "best",
        "waiting_room": "yes" if sale.has_waiting_room else "",
    }


def _read_spec(typed: Typed, buyers_max: int) -> RehearsalSpec | None:
    """Return what a form asks for; None with errors where it is out of range."""
    form = typed.form
    given: dict[str, Any] = {
        "buyers": typed.number("buyers"),
        "seconds": typed.number("seconds"),
        "places": typed.number("places"),
        "abandon_percent": typed.number("abandon_percent") or 0,
        "payments": form.text("payments") == "yes",
        "seats": form.text("seats") or "best",
        "waiting_room": form.text("waiting_room") == "yes",
    }
    if given["buyers"] is None:
        typed.wrong("buyers", "Enter how many buyers come.")
    if given["seconds"] is None:
        typed.wrong("seconds", "Enter within how many seconds they come.")
    if typed.errors:
        return None
    try:
        return msgspec.convert(given, RehearsalSpec)
    except msgspec.ValidationError as exc:
        field = str(exc).rpartition("`$.")[2].rstrip("`")
        typed.wrong(field if f"/{field}" in _FIELDS else "main", _range_of(field, buyers_max))
        return None


def _range_of(field: str, buyers_max: int) -> str:
    """Return what a field of the form takes."""
    return {
        "buyers": f"Enter a number of buyers from 1 to {buyers_max:,}.",
        "seconds": f"Enter a number of seconds from 1 to {rehearsing.ARRIVAL_SECONDS_MAX}.",
        "places": "Enter a number of places from 1 to 1,000,000.",
        "abandon_percent": f"Enter a percentage from 0 to {rehearsing.ABANDON_PERCENT_MAX}.",
    }.get(field, "Choose one of the answers.")


def _row(rehearsal: Rehearsal, zone: ZoneInfo) -> Row:
    report, progress = rehearsal.report, rehearsal.progress
    outcome = _REASONS[rehearsal.reason]
    if report is not None:
        sold_out = report.sold_out_seconds
        outcome = f"{report.sold:,} of {report.places:,} sold" + (
            "" if sold_out is None else f", sold out after {_seconds(sold_out)}"
        )
    elif rehearsal.is_open:
        outcome = "" if progress is None else f"{progress.sold:,} of {progress.places:,} sold so far"
    return Row(rehearsal, rehearsal.requested_at.astimezone(zone), _address(rehearsal), outcome)


def _address(rehearsal: Rehearsal) -> str:
    return f"{event_address(rehearsal.event_id, 'rehearse')}/{show_id('rhs', rehearsal.rehearsal_id)}"


def _plan_in_words(plan: RehearsalSpec) -> str:
    """Return what was asked for, in a sentence."""
    parts = [f"{words.count(plan.buyers, 'buyer')} within {words.count(plan.seconds, 'second')}"]
    if plan.places is not None:
        parts.append(f"{plan.places:,} places")
    if plan.seats == "chosen":
        parts.append("who choose their seats")
    if plan.waiting_room:
        parts.append("through a waiting room")
    if plan.payments and plan.abandon_percent:
        parts.append(f"{plan.abandon_percent} % never pay")
    return ", ".join(parts)


# While it runs ----------------------------------------------------------------------------------------------


def _progress_on_page(rehearsal: Rehearsal) -> ProgressOnPage:
    progress, buyers = rehearsal.progress, rehearsal.plan.buyers
    if progress is None:
        return ProgressOnPage(rehearsal.state, {}, 0.0, [])
    return ProgressOnPage(
        rehearsal.state,
        _texts(progress, buyers),
        round(100 * min(progress.sold, progress.places) / max(progress.places, 1), 2),
        progress.curve,
    )


def _texts(progress: RehearsalProgress, buyers: int) -> dict[str, str]:
    answered = progress.bookings + progress.refused
    return {
        "sold": f"{progress.sold:,}",
        "sold-of": f"of {progress.places:,} sold",
        "arrived": f"{progress.arrived:,}",
        "arrived-note": f"of {words.count(buyers, 'buyer')}",
        "bookings": f"{progress.bookings:,}",
        "refused": f"{progress.refused:,}",
        "usual": _ms(progress.p50_ms) if answered else "–",
        "slow": _ms(progress.p99_ms) if answered else "–",
        "seconds": f"{progress.seconds:,.0f} s",
    }


# Its report -------------------------------------------------------------------------------------------------


def _sentences(rehearsal: Rehearsal) -> list[str]:
    """Return what came out of a rehearsal, in sentences."""
    report = rehearsal.report
    assert report is not None, "it is done"
    sold = (
        f"{report.sold:,} of {words.count(report.places, 'ticket')} were sold to "
        f"{words.count(rehearsal.plan.buyers, 'buyer')}"
    )
    if report.sold_out_seconds is not None:
        sold += f"; all were taken {_seconds(report.sold_out_seconds)} after the opening"
    half, most = _ms(report.p50_ms), _ms(report.p99_ms)
    said = [f"{sold}.", f"Half of all answers to a booking came within {half}, 99 of 100 within {most}."]
    said.append(
        f"At most {words.count(report.requests_at_once, 'request')} were under way at a time, so that real "
        "buyers go first; waiting for a turn counts."
    )
    if report.without_tickets:
        said.append(f"{words.count(report.without_tickets, 'buyer')} left without tickets: it was sold out.")
    if (room := report.waiting_room) is not None:
        said += _room_sentences(room)
    if report.paid or report.abandoned:
        unpaid = words.count(report.abandoned, "hold was", "holds were")
        said.append(
            f"{words.count(report.paid, 'booking was', 'bookings were')} paid with test cards; "
            f"{unpaid} never paid, and went back on sale."
        )
    if report.cancelled:
        said.append(f"{words.count(report.cancelled, 'booking was', 'bookings were')} cancelled again.")
    if report.gave_up:
        said.append(f"{words.count(report.gave_up, 'buyer')} gave up after errors of the server.")
    return said


def _room_sentences(room: RehearsedWaitingRoom) -> list[str]:
    """Return what happened in the waiting room, in sentences."""
    people, tabs = words.count(room.entered, "person", "people"), words.count(room.tabs, "tab")
    entered = f"{people} entered the waiting room, in {tabs}; {room.late:,} of them came after the draw."
    admitted = (
        f"{room.admitted:,} were let in, in the order that was drawn, at most {room.per_minute:,} a minute."
    )
    said = [f"{entered} {admitted}"]
    if room.told_first_seconds is not None and room.told_last_seconds is not None:
        told = words.count(room.told_sold_out, "person was", "people were")
        first, last = _seconds(room.told_first_seconds), _seconds(room.told_last_seconds)
        said.append(
            f"{told} told while they waited that nothing is left, {first} to {last} after the opening."
        )
    return said


def _charts(report: RehearsalReport) -> list[Chart]:
    line = report.timeline
    return [
        _chart("sold", "Tickets sold", f"of {report.places:,}", [("sold", "first", line.sold)]),
        _chart(
            "answers",
            "Answers each second",
            "bookings, and refusals (dashed)",
            [("bookings", "first", line.booked), ("refusals", "second", line.refused)],
        ),
        _chart(
            "waits",
            "How long a booking took",
            "the usual one, and the slowest of 100 (dashed), in milliseconds",
            [("half of all", "first", line.p50_ms), ("99 of 100", "second", line.p99_ms)],
        ),
    ]


def _chart(key: str, title: str, note: str, lines: Sequence[tuple[str, str, Sequence[float]]]) -> Chart:
    width, height = _CHART
    most = max((value for _, _, values in lines for value in values), default=0) or 1

    def path(values: Sequence[float]) -> str:
        step = width / max(len(values) - 1, 1)
        points = [
            f"{step * at:.1f} {height - height * value / most:.1f}"
            for at, value in enumerate(values)
            if value or key != "waits"  # where nobody booked, nobody waited
        ]
        return "M" + "L".join(points) if points else ""

    drawn = [Line(name, style, path(values)) for name, style, values in lines]
    return Chart(key, title, note, drawn, f"{most:,.0f}")


def _data_of(rehearsal: Rehearsal) -> markupsafe.Markup:
    """Return what the script draws, as JSON inside HTML: numbers alone."""
    progress, report = rehearsal.progress, rehearsal.report
    curve = [] if progress is None else progress.curve
    known = {"curve": curve, "timeline": None if report is None else report.timeline}
    return markupsafe.Markup(msgspec.json.encode(known).decode())  # noqa: S704  # numbers alone


def _ms(milliseconds: float) -> str:
    if milliseconds < _SECOND_MS:
        return f"{milliseconds:,.0f} ms"
    return _seconds(milliseconds / _SECOND_MS)


def _seconds(seconds: float) -> str:
    return f"{seconds:,.1f} s"


routes: Final = [show_rehearsals, start_rehearsal, show_rehearsal, follow_rehearsal, stop_rehearsal]
