"""The evening of an on-sale: the figures of one event now, and a stream of them; and its sources."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from evently import analytics
from evently.kit.ids import EventId
from evently.realtime import RealtimeRefusal
from evently.sales.reads import find_sale
from evently.web.api.analytics.views import SignedMoney
from evently.web.edge.auth import organizer, policy
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, get
from evently.web.evening import EVENT_STREAM, EveningView, open_evening_stream, show_evening
from evently.web.services import Request

_FOR_MANAGERS: Final[dict[str, Any]] = {
    "tags": ["Organizer: analytics"],
    **policy(organizer("manager", "analytics:read")),
}


class SourceView(msgspec.Struct, frozen=True):
    """What came from one campaign link, by the word in its `?via=`.

    `placed`: bookings, held ones included; `bookings`, `tickets` and `booked` (their prices) count when they
    are confirmed.
    """

    via: Annotated[str, msgspec.Meta(examples=["poster"])]
    placed: int
    bookings: int
    tickets: int
    booked: SignedMoney
    cancelled_bookings: int
    cancelled_tickets: int
    cancelled: SignedMoney


class SourcesView(msgspec.Struct, frozen=True):
    """The sources of an event, those with most tickets first.

    At most a hundred; all bookings of further ones count as `(other)`. Bookings without a source are not
    among them.
    """

    sources: list[SourceView]


@get(
    "/v1/events/{event_id}/analytics/evening",
    operation_id="getEvening",
    summary="Get the figures of a sale now",
    description=(
        "How much was sold, how fast, and in which range of time it may be sold out. At most a second old, "
        "and cheap for the server: all who ask share one read."
    ),
    responses=problems(),
    **_FOR_MANAGERS,
)
async def get_evening(request: Request, event_id: FromPath[EventId]) -> Response[EveningView]:
    """Return the figures of a sale now."""
    evening = await request.context.evenings.get(event_id)
    return Response(show_evening(evening, request.context), headers=NO_STORE)


@get(
    "/v1/events/{event_id}/analytics/evening/stream",
    operation_id="streamEvening",
    summary="Follow the figures of a sale",
    description=(
        "A stream of server-sent events: an `evening` with everything, then another one within a second of "
        "each change, and at least every five seconds, with the minutes that are new. The stream ends after "
        "ten minutes: open it again."
    ),
    media_type=EVENT_STREAM,
    responses=problems(RealtimeRefusal.TOO_MANY_STREAMS),
    **_FOR_MANAGERS,
)
async def stream_evening(request: Request, event_id: FromPath[EventId]) -> Response[bytes]:
    """Return the stream of the figures of a sale."""
    return await open_evening_stream(request, event_id)


@get(
    "/v1/events/{event_id}/analytics/sources",
    operation_id="listSources",
    summary="List the sources of an event",
    description=(
        "How many bookings came from which campaign link: a link to the page of the event that ends with "
        "`?via=poster`, or a booking over the API with `via`. Nobody is followed: a visit without a booking "
        "is not counted."
    ),
    responses=problems(),
    **_FOR_MANAGERS,
)
async def list_sources(request: Request, event_id: FromPath[EventId]) -> Response[SourcesView]:
    """Return the sources of an event."""
    database = request.context.database
    currency = (await find_sale(database, event_id)).currency
    found = await analytics.list_sources(database, event_id)
    return Response(SourcesView([_show(each, currency) for each in found]), headers=NO_STORE)


def _show(source: analytics.Source, currency: str) -> SourceView:
    sums = source.sums
    return SourceView(
        source.via,
        sums.placed,
        sums.bookings,
        sums.tickets,
        SignedMoney(sums.amount_minor, currency),
        sums.cancelled_bookings,
        sums.cancelled_tickets,
        SignedMoney(sums.cancelled_minor, currency),
    )


routes: Final = [get_evening, stream_evening, list_sources]
