"""Series: further dates of an event, and what is done to all dates at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec

from evently import catalogue, organizing
from evently.catalogue import Event
from evently.kit.complaints import refuse_wrong
from evently.kit.errors import CommonRefusal
from evently.kit.ids import NO_ID, EventId, SeriesId, show_id
from evently.kit.shapes import WallTime, copy_fields
from evently.organizing import EditedDate, NewDates, SeriesChanges
from evently.sales.outcomes import SalesRefusal
from evently.web.api.catalogue.shapes import WITHOUT_REASON, CancelEventBody, EventIdText, SeriesIdText, State
from evently.web.api.catalogue.venues import MANAGERS, MEMBERS
from evently.web.edge.auth import policy
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, QueryParameter, get, patch, post
from evently.web.pictures import naming_here
from evently.web.services import Request

_TAG: Final = "Organizer: series"
_ONE_BY_ONE: Final = (
    " Each date is changed on its own, one after the other; a date that refuses is listed with its problem. "
    "Safe to repeat."
)


class DateView(msgspec.Struct, frozen=True):
    """A date of a series. `event_id`: null for a date that is not made yet."""

    event_id: EventIdText | None
    title: str
    state: State
    starts_at: datetime
    starts_at_local: WallTime
    ends_at: datetime


class SeriesView(msgspec.Struct, frozen=True):
    """The dates of a series, the soonest first. `id`: null before there is one."""

    id: SeriesIdText | None
    dates: list[DateView]


class EditedDateView(msgspec.Struct, frozen=True):
    """A date after an edit of its series. `problem`: the code of the refusal, if it was refused."""

    event_id: EventIdText
    starts_at: datetime
    state: State
    problem: Annotated[str | None, msgspec.Meta(examples=["nothing-to-sell"])]


class EditedSeriesView(msgspec.Struct, frozen=True):
    """The dates that an edit concerned, the soonest first."""

    id: SeriesIdText
    dates: list[EditedDateView]


@post(
    "/v1/events/{event_id}/dates",
    operation_id="addDates",
    summary="Add dates to an event",
    description=(
        "Makes drafts like this event (see `copyEvent`) on further dates, by a rule of RFC 5545 or by hand; "
        "together they are a series. Dates that the series has are not made again. With `dry_run`, answers "
        "which dates there would be. All are made, or none."
    ),
    tags=[_TAG],
    responses=problems(SalesRefusal.EVENT_CANCELLED),
    **policy(MANAGERS, rate="heavy"),
)
async def add_dates(
    request: Request,
    event_id: FromPath[EventId],
    data: JSONBody[NewDates],
    *,
    dry_run: Annotated[bool, QueryParameter(description="Only show the dates. Default: false.")] = False,
) -> Response[SeriesView]:
    """Add dates to an event."""
    context = request.context
    async with context.database.transaction() as tx:
        dates = await organizing.add_dates(tx, event_id, data, context.clock(), dry_run=dry_run)
    if not dry_run:
        context.memory.forget(event_id)
    return Response(_show(dates), status_code=200 if dry_run else 201, headers=NO_STORE)


@get(
    "/v1/series/{series_id}",
    operation_id="getSeries",
    summary="Get a series",
    description="All dates in every state, for members. `GET /v1/events?series=` lists what everybody sees.",
    tags=[_TAG],
    responses=problems(CommonRefusal.NOT_FOUND),
    **policy(MEMBERS),
)
async def get_series(request: Request, series_id: FromPath[SeriesId]) -> Response[SeriesView]:
    """Return the dates of a series."""
    dates = await catalogue.list_dates(request.context.database, series_id)
    return Response(_show(dates), headers=NO_STORE)


@patch(
    "/v1/series/{series_id}",
    operation_id="changeSeries",
    summary="Change all dates ahead",
    description="Changes the dates that have not begun and are not cancelled." + _ONE_BY_ONE,
    tags=[_TAG],
    responses=problems(CommonRefusal.NOT_FOUND),
    **policy(MANAGERS, rate="heavy"),
)
async def change_series(
    request: Request, series_id: FromPath[SeriesId], data: JSONBody[SeriesChanges]
) -> Response[EditedSeriesView]:
    """Change what people read about a series."""
    context = request.context
    data = naming_here(context.options.public_url, data)
    results = await organizing.change_series(context.database, series_id, data, context.clock())
    return _answer(request, series_id, results)


@post(
    "/v1/series/{series_id}/publish",
    operation_id="publishSeries",
    summary="Publish all drafts of a series",
    description="Publishes the dates that have not begun." + _ONE_BY_ONE,
    tags=[_TAG],
    status_code=200,
    responses=problems(CommonRefusal.NOT_FOUND),
    **policy(MANAGERS, rate="heavy"),
)
async def publish_series(request: Request, series_id: FromPath[SeriesId]) -> Response[EditedSeriesView]:
    """Publish the drafts of a series."""
    context = request.context
    results = await organizing.publish_series(
        context.database,
        series_id,
        context.clock(),
        context.checkout.denominations,
        paid_online=context.checkout.gateway is not None,
    )
    return _answer(request, series_id, results)


@post(
    "/v1/series/{series_id}/cancel",
    operation_id="cancelSeries",
    summary="Cancel all dates ahead",
    description=(
        "Cancels the published dates that have not begun, as `cancelEvent` does, with the same `reason`. "
        "Drafts stay." + _ONE_BY_ONE
    ),
    tags=[_TAG],
    status_code=200,
    responses=problems(CommonRefusal.NOT_FOUND),
    **policy(MANAGERS, rate="heavy"),
)
async def cancel_series(
    request: Request,
    series_id: FromPath[SeriesId],
    data: JSONBody[CancelEventBody] = WITHOUT_REASON,
    *,
    keep_door_money: Annotated[
        bool,
        QueryParameter(
            description="Whether what was paid at the door stays with the organizer. Default: false."
        ),
    ] = False,
) -> Response[EditedSeriesView]:
    """Cancel the dates of a series."""
    refuse_wrong(data)
    context, reason = request.context, data.reason or ""
    results = await organizing.cancel_series(
        context.database, series_id, context.clock(), keeps_door=keep_door_money, reason=reason
    )
    return _answer(request, series_id, results)


def _answer(request: Request, series_id: UUID, results: Sequence[EditedDate]) -> Response[EditedSeriesView]:
    for event, _ in results:
        request.context.memory.forget(event.event_id)
    dates = [
        copy_fields(
            EditedDateView,
            event,
            event_id=show_id("evt", event.event_id),
            problem=None if refusal is None else refusal.value,
        )
        for event, refusal in results
    ]
    return Response(EditedSeriesView(show_id("ser", series_id), dates), headers=NO_STORE)


def _show(dates: Sequence[Event]) -> SeriesView:
    series_id = dates[0].series_id if dates else None
    return SeriesView(
        None if series_id is None else show_id("ser", series_id),
        [
            copy_fields(
                DateView,
                event,
                event_id=None if event.event_id == NO_ID else show_id("evt", event.event_id),
            )
            for event in dates
        ],
    )


routes: Final = [add_dates, get_series, change_series, publish_series, cancel_series]
