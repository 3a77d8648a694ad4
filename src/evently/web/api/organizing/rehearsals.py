"""Rehearse an event: simulated buyers book a copy of it on this installation; progress and report."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec

from evently import organizing
from evently.kit.ids import EventId, RehearsalId, show_id
from evently.organizing import rehearsing
from evently.organizing.rehearsing import (
    Rehearsal,
    RehearsalProgress,
    RehearsalReason,
    RehearsalRefusal,
    RehearsalReport,
    RehearsalSpec,
    RehearsalState,
)
from evently.sales.outcomes import SalesRefusal
from evently.web.edge.auth import organizer, policy
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, get, post
from evently.web.services import Request

_TAG: Final = "Rehearsals"
_EARLIER: Final = "2027-03-01T09:00:00Z"


class RehearsalListItem(msgspec.Struct, frozen=True):
    """A rehearsal in a list. `sold`: tickets of the copy; null until its sale opens."""

    id: Annotated[str, msgspec.Meta(examples=["rhs_01m7y4ef72ev2sxmcnxfse27zp"])]
    state: Annotated[RehearsalState, msgspec.Meta(examples=["done"])]
    requested_at: Annotated[datetime, msgspec.Meta(examples=[_EARLIER])]
    plan: RehearsalSpec
    sold: int | None
    clean: Annotated[bool | None, msgspec.Meta(examples=[True])]


class RehearsalView(msgspec.Struct, frozen=True):
    """A rehearsal.

    `state`: waiting until no other rehearsal runs and few real tickets are sold; running; done; failed or
    stopped, and `reason` says why: asked (by a person), busy (real buyers came), server (it was stopped),
    too_long, lost (its process died), unreachable, refused (the event could not be copied) or broken.
    `copy_id`: the event that is sold, which only members see; null before, and after it was removed, a
    quarter of an hour after the end. `clean`: whether nothing was found wrong; null until it is done.
    """

    id: Annotated[str, msgspec.Meta(examples=["rhs_01m7y4ef72ev2sxmcnxfse27zp"])]
    event_id: str
    state: Annotated[RehearsalState, msgspec.Meta(examples=["running"])]
    reason: Annotated[RehearsalReason, msgspec.Meta(examples=[""])]
    requested_at: Annotated[datetime, msgspec.Meta(examples=[_EARLIER])]
    started_at: Annotated[datetime | None, msgspec.Meta(examples=[_EARLIER])]
    finished_at: Annotated[datetime | None, msgspec.Meta(examples=[None])]
    copy_id: Annotated[str | None, msgspec.Meta(examples=[None])]
    plan: RehearsalSpec
    progress: Annotated[RehearsalProgress | None, msgspec.Meta(examples=[None])]
    clean: Annotated[bool | None, msgspec.Meta(examples=[None])]
    report: Annotated[RehearsalReport | None, msgspec.Meta(examples=[None])]


@post(
    "/v1/events/{event_id}/rehearsals",
    operation_id="startRehearsal",
    summary="Rehearse an event",
    description=(
        "Simulated buyers book a copy of the event, over HTTP, as real ones would. One rehearsal runs at a "
        "time; it waits while real tickets are sold quickly, and stops when that begins. No list shows the "
        "copy, no figure counts it, nobody is notified, no money moves, and it is removed afterwards."
    ),
    tags=[_TAG],
    responses=problems(
        SalesRefusal.NOTHING_TO_SELL,
        RehearsalRefusal.REHEARSALS_OFF,
        RehearsalRefusal.REHEARSAL_UNDER_WAY,
        RehearsalRefusal.ITSELF_A_COPY,
    ),
    **policy(organizer("manager", "events:write")),
)
async def start_rehearsal(
    request: Request, event_id: FromPath[EventId], data: JSONBody[RehearsalSpec]
) -> Response[RehearsalView]:
    """Write down that an event is to be rehearsed."""
    context = request.context
    async with context.database.transaction() as tx:
        planned = await organizing.plan_rehearsal(
            tx, event_id, data, request.actor.id, context.clock(), context.options.rehearsal_buyers_max
        )
    view = _show(planned)
    location = f"/v1/events/{view.event_id}/rehearsals/{view.id}"
    return Response(view, status_code=201, headers={"location": location, **NO_STORE})


@get(
    "/v1/events/{event_id}/rehearsals",
    operation_id="listRehearsals",
    summary="List the rehearsals of an event",
    description="The newest first: the last fifty.",
    tags=[_TAG],
    responses=problems(),
    **policy(organizer("manager", "events:read")),
)
async def list_rehearsals(
    request: Request, event_id: FromPath[EventId], limit: Limit = LIMIT, after: After = None
) -> Response[PageView[RehearsalListItem]]:
    """List the rehearsals of an event."""
    page = await rehearsing.list_rehearsals(request.context.database, event_id, limit, after)
    return paginated(request, page, _show_item)


@get(
    "/v1/events/{event_id}/rehearsals/{rehearsal_id}",
    operation_id="getRehearsal",
    summary="Get a rehearsal",
    description="How far it is, about a second old; once it is done, its report.",
    tags=[_TAG],
    responses=problems(),
    **policy(organizer("manager", "events:read")),
)
async def get_rehearsal(
    request: Request, event_id: FromPath[EventId], rehearsal_id: FromPath[RehearsalId]
) -> Response[RehearsalView]:
    """Return a rehearsal with its progress or report."""
    found = await rehearsing.get_rehearsal(request.context.database, event_id, rehearsal_id)
    return Response(_show(found), headers=NO_STORE)


@post(
    "/v1/events/{event_id}/rehearsals/{rehearsal_id}/stop",
    operation_id="stopRehearsal",
    summary="Stop a rehearsal",
    description="It stops at once while it waits, and within seconds while it runs. Safe to repeat.",
    tags=[_TAG],
    status_code=200,
    responses=problems(),
    **policy(organizer("manager", "events:write")),
)
async def stop_rehearsal(
    request: Request, event_id: FromPath[EventId], rehearsal_id: FromPath[RehearsalId]
) -> Response[RehearsalView]:
    """Stop a rehearsal."""
    context = request.context
    async with context.database.transaction() as tx:
        stopped = await rehearsing.stop_rehearsal(tx, event_id, rehearsal_id, context.clock())
    return Response(_show(stopped), headers=NO_STORE)


def _show(rehearsal: Rehearsal) -> RehearsalView:
    report = rehearsal.report
    return RehearsalView(
        id=show_id("rhs", rehearsal.rehearsal_id),
        event_id=show_id("evt", rehearsal.event_id),
        state=rehearsal.state,
        reason=rehearsal.reason,
        requested_at=rehearsal.requested_at,
        started_at=rehearsal.started_at,
        finished_at=rehearsal.finished_at,
        copy_id=None if rehearsal.copy_id is None else show_id("evt", rehearsal.copy_id),
        plan=rehearsal.plan,
        progress=rehearsal.progress,
        clean=None if report is None else report.is_clean,
        report=report,
    )


def _show_item(rehearsal: Rehearsal) -> RehearsalListItem:
    progress, report = rehearsal.progress, rehearsal.report
    sold = None if progress is None else progress.sold
    return RehearsalListItem(
        show_id("rhs", rehearsal.rehearsal_id),
        rehearsal.state,
        rehearsal.requested_at,
        rehearsal.plan,
        sold if report is None else report.sold,
        None if report is None else report.is_clean,
    )


routes: Final = [start_rehearsal, list_rehearsals, get_rehearsal, stop_rehearsal]
