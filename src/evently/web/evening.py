"""The evening of an on-sale as organizers see it: as JSON, and as a stream that follows it.

A stream is one task of one reader. All readers of an event share one read a second (`analytics.Evenings`), so
a reader costs the database nothing. A stream ends after ten minutes, and a browser opens it again: a person
who is no member any more gets no other one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from evently.analytics import Evening
from evently.kit.errors import Trouble
from evently.kit.ids import show_id
from evently.realtime import reconnect_line
from evently.web.edge.asgi import Receive, Scope, Send
from evently.web.edge.auth import address_key
from evently.web.edge.context import Response
from evently.web.edge.exchange import exchange_of
from evently.web.edge.limits import UNKNOWN_TIMES, UnknownClients
from evently.web.edge.measures import count_failures
from evently.web.services import Request, Services

EVENT_STREAM: Final = "text/event-stream"
STREAM_SECONDS_MAX: Final = 600.0  # then the right to read it is checked again
_UNBUFFERED: Final = {"cache-control": "no-store, no-transform", "x-accel-buffering": "no"}
_CHECK_SECONDS: Final = 1.0  # as old as an evening may be
_SAY_SECONDS: Final = 5.0  # a reader sees by the time in each message that the stream lives
_FAILURE_SECONDS: Final = 900.0
_encode: Final = msgspec.json.Encoder().encode

EveningState: TypeAlias = Literal[
    "draft", "not_yet_on_sale", "on_sale", "sold_out", "ended", "past", "cancelled"
]


class PoolNowView(msgspec.Struct, frozen=True):
    """The counters of a pool."""

    pool_id: str
    name: str
    capacity: int
    held: int
    sold: int
    set_aside: int


class HoldsNowView(msgspec.Struct, frozen=True):
    """What became of all holds, offers to the waitlist included.

    `rate`: `confirmed` divided by the holds that have ended; null while none has.
    """

    placed: int
    confirmed: int
    expired: int
    cancelled: int
    held: int
    rate: float | None


class WaitlistNowView(msgspec.Struct, frozen=True):
    """Waitlist entries: `waiting` wait, or have an offer."""

    joined: int
    waiting: int
    fulfilled: int
    withdrawn: int


class PaceView(msgspec.Struct, frozen=True):
    """The tickets that were sold in the last full minute, the last five and the last fifteen."""

    minute: int
    five_minutes: int
    quarter: int


class ForecastView(msgspec.Struct, frozen=True):
    """When the last ticket is sold: in four of five cases from `earliest_at` to `latest_at`.

    `outlook`: sold_out; likely; possible, then `latest_at` is null, because the range reaches beyond the end
    of the sale; unlikely; or cannot_say, and `reason` says why: not_on_sale, too_few or too_short (sales).
    `chance`: that it is sold out before the sale ends.
    """

    outlook: Literal["sold_out", "likely", "possible", "unlikely", "cannot_say"]
    earliest_at: Annotated[datetime | None, msgspec.Meta(examples=["2026-06-01T18:40:00Z"])]
    middle_at: Annotated[datetime | None, msgspec.Meta(examples=["2026-06-01T19:20:00Z"])]
    latest_at: Annotated[datetime | None, msgspec.Meta(examples=["2026-06-01T20:10:00Z"])]
    chance: float | None
    reason: Annotated[Literal["", "not_on_sale", "too_few", "too_short"], msgspec.Meta(examples=[""])]


class EngineNowView(msgspec.Struct, frozen=True):
    """How the server is doing: the process that answers.

    `queued`: requests for tickets that wait for their turn. `failures`: answers with a server error within a
    quarter of an hour. `journal_rows_behind`: rows that the sums do not have yet.
    """

    queued: int
    failures: int
    journal_rows_behind: int


class EveningView(msgspec.Struct, frozen=True, tag="evening", tag_field="type"):
    """The figures of a sale now.

    Capacity, sold, held, set aside and pools are as of the journal row `seq`. What is booked and cancelled,
    revenue, holds, waitlist and minutes are as of the row `counted_seq`, usually less than a second behind.
    `left`: tickets that are not sold yet, held ones included; `available`: those that can be booked now; both
    without add-ons.
    `today`: tickets since midnight at the venue, less those that were cancelled. `minutes`: pairs of a minute
    and the tickets that were sold in it; a stream sends those that are new.
    """

    event_id: str
    at: datetime
    seq: int
    counted_seq: int
    state: EveningState
    on_sale_at: datetime
    off_sale_at: datetime
    capacity: int
    sold: int
    held: int
    set_aside: int
    left: int
    available: int
    pools: list[PoolNowView]
    bookings: int
    tickets: int
    cancelled_bookings: int
    cancelled_tickets: int
    today: int
    currency: str
    gross_minor: int
    net_minor: int
    pace: PaceView
    holds: HoldsNowView
    waitlist: WaitlistNowView
    forecast: ForecastView
    engine: EngineNowView
    minutes: list[tuple[datetime, int]]


def state_of(evening: Evening) -> EveningState:
    """Return the state of a sale, as its organizer thinks of it."""
    if "cancelled" in (evening.state, evening.event_state):
        return "cancelled"
    if evening.state == "closed":
        return "draft"
    if evening.at >= evening.ends_at:
        return "past"
    if evening.at >= evening.off_sale_at:
        return "ended"
    if evening.at < evening.on_sale_at:
        return "not_yet_on_sale"
    return "on_sale" if evening.available > 0 else "sold_out"


def show_evening(evening: Evening, context: Services) -> EveningView:
    """Return an evening as clients see it."""
    outcomes, sums, forecast = evening.conversions, evening.sums, evening.forecast
    ended = outcomes.holds - outcomes.held()
    return EveningView(
        event_id=show_id("evt", evening.event_id),
        at=evening.at,
        seq=evening.seq,
        counted_seq=evening.counted_seq,
        state=state_of(evening),
        on_sale_at=evening.on_sale_at,
        off_sale_at=evening.off_sale_at,
        capacity=evening.places.capacity,
        sold=evening.places.sold,
        held=evening.places.held,
        set_aside=evening.places.set_aside,
        left=evening.left,
        available=evening.available,
        pools=[PoolNowView(show_id("pol", each.pool_id), *each[1:]) for each in evening.pools],
        bookings=sums.bookings,
        tickets=sums.tickets,
        cancelled_bookings=sums.cancelled_bookings,
        cancelled_tickets=sums.cancelled_tickets,
        today=evening.today,
        currency=evening.currency,
        gross_minor=evening.revenue.gross_minor,
        net_minor=evening.revenue.net_minor(),
        pace=PaceView(*evening.paces()),
        holds=HoldsNowView(
            outcomes.holds,
            outcomes.confirmed,
            outcomes.expired,
            outcomes.cancelled,
            outcomes.held(),
            round(outcomes.confirmed / ended, 6) if ended else None,
        ),
        waitlist=WaitlistNowView(outcomes.joined, outcomes.waiting(), outcomes.fulfilled, outcomes.withdrawn),
        forecast=ForecastView(
            forecast.outlook,
            forecast.earliest_at,
            forecast.middle_at,
            forecast.latest_at,
            forecast.chance,
            forecast.reason,
        ),
        engine=EngineNowView(
            context.engine.queued(),
            count_failures(_FAILURE_SECONDS),
            max(0, evening.seq - evening.counted_seq),
        ),
        minutes=evening.minutes,
    )


Show: TypeAlias = Callable[[Evening, Services], Any]  # a struct with `minutes`


async def open_evening_stream(request: Request, event_id: UUID, show: Show = show_evening) -> EveningStream:
    """Return the stream of an evening, within the limits of all streams; refuses an unknown event.

    `show` makes the message of an evening.
    """
    hub, exchange = request.context.hub, request.exchange
    key = address_key(exchange.client)
    # The edge calls it when the stream has ended, however it ends
    exchange.release = hub.admit(key, UNKNOWN_TIMES if isinstance(key, UnknownClients) else 1)
    return EveningStream(request.context, event_id, await request.context.evenings.get(event_id), show)


class EveningStream(Response[bytes]):
    """A stream of evenings: the whole one first, then each that differs, with its new minutes."""

    def __init__(
        self,
        context: Services,
        event_id: UUID,
        first: Evening,
        show: Show = show_evening,
        *,
        seconds_max: float = STREAM_SECONDS_MAX,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(b"", headers=_UNBUFFERED)
        self._context = context
        self._event_id = event_id
        self._first = first
        self._show = show
        self._seconds_max = seconds_max
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send evenings until the reader leaves, the server stops, or the time is over."""
        headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        headers.append((b"content-type", EVENT_STREAM.encode()))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if exchange_of(scope).is_head:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await send({"type": "http.response.body", "body": reconnect_line(), "more_body": True})
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await self._follow(leaving, send)
        finally:
            leaving.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _follow(self, leaving: asyncio.Future[None], send: Send) -> None:
        until = self._monotonic() + self._seconds_max
        evening: Evening = self._first
        sent: Evening | None = None
        said_at = 0.0
        while not leaving.done() and not self._context.hub.stopping and self._monotonic() < until:
            now = self._monotonic()
            if sent is None or _moved(evening) != _moved(sent) or now - said_at >= _SAY_SECONDS:
                message = self._message(evening, sent)
                await send({"type": "http.response.body", "body": message, "more_body": True})
                sent, said_at = evening, now
            await asyncio.wait([leaving], timeout=_CHECK_SECONDS)
            try:
                evening = await self._context.evenings.get(self._event_id)
            except Trouble:  # the reader sees by the time of the last message how old it is
                continue

    def _message(self, evening: Evening, sent: Evening | None) -> bytes:
        """Return an evening as it is sent, with the minutes that the reader does not have yet."""
        view = self._show(evening, self._context)
        if sent is not None and sent.minutes:
            since = sent.minutes[-1][0]  # it may have grown
            new = [each for each in evening.minutes if each[0] >= since]
            view = msgspec.structs.replace(view, minutes=new)
        return b"event: evening\nid: %d\ndata: %b\n\n" % (evening.seq, _encode(view))


def _moved(evening: Evening) -> tuple[Any, ...]:
    """Return what tells an evening from another one, besides the clock."""
    return evening.seq, evening.counted_seq, state_of(evening), evening.title


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
