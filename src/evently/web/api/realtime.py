"""What changes about an event, as a stream of server-sent events (WHATWG HTML, 9.2) or over WebSocket.

A stream holds its connection and nothing else: one task that waits until its client leaves. The hub
(`evently/realtime`) encodes each message once and writes it to all streams.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Annotated, Any, Final, Literal, NamedTuple

from evently.kit.errors import Refused
from evently.kit.ids import EventId
from evently.realtime import DropReason, Frame, Hub, RealtimeRefusal, Watched, end_frame, reconnect_line
from evently.sales.outcomes import SalesRefusal
from evently.web.edge.asgi import Message, Receive, Scope, Send
from evently.web.edge.auth import PUBLIC, address_key, policy
from evently.web.edge.context import Response
from evently.web.edge.exchange import exchange_of
from evently.web.edge.limits import UNKNOWN_TIMES, UnknownClients
from evently.web.edge.problems import problems
from evently.web.edge.refusals import EdgeRefusal
from evently.web.edge.routing import FromPath, HeaderParameter, QueryParameter, get
from evently.web.edge.websockets import NORMAL, SLOW, STOPPING, UNEXPECTED, allows_origin
from evently.web.services import Request

_EVENT_STREAM: Final = "text/event-stream"
# Of nginx and of what is built on it: send each part at once
_UNBUFFERED: Final = {"cache-control": "no-store, no-transform", "x-accel-buffering": "no"}
_SEQ_MAX: Final = 2**63 - 1
_LEFT: Final = frozenset({"http.disconnect", "websocket.disconnect"})
_CLOSE_CODES: Final[dict[str, int]] = {
    "cancelled": NORMAL,
    "ended": NORMAL,
    "stopping": STOPPING,
    "slow": SLOW,
    "unexpected": UNEXPECTED,
}

Since = Annotated[
    int | None,
    QueryParameter(ge=0, le=_SEQ_MAX, description="The `seq` of the last message or answer that you have."),
]
LastEventId = Annotated[
    str | None,
    HeaderParameter(
        name="Last-Event-ID",
        max_length=40,
        description="The id of the last message, which browsers send again; it counts before `since`.",
    ),
]
WithSeats = Annotated[
    bool, QueryParameter(name="seats", description="Whether to send the states of seats. Default: true.")
]


@get(
    "/v1/events/{event_id}/stream",
    operation_id="streamEvent",
    summary="Follow the availability of an event",
    description=(
        "A stream of server-sent events, which stays open: a `snapshot`, then `changes` within a second of "
        "each booking, and an `end` when the event is cancelled, its sale has ended, or the server stops. "
        "The `id` of a message is its journal row (`seq`). A browser's `EventSource` opens the stream again "
        "by itself and continues after its last message; other clients send `Last-Event-ID` or `since`. A "
        "`snapshot` comes again when that row is too old. A `ping` comes every 15 seconds. Over HTTP/1.0 the "
        "stream ends after the first message. The same messages come over WebSocket at the same address; "
        "`/asyncapi.json` describes both."
    ),
    tags=["Events"],
    media_type=_EVENT_STREAM,
    responses=problems(
        SalesRefusal.EVENT_NOT_FOUND, RealtimeRefusal.TOO_MANY_STREAMS, EdgeRefusal.ORIGIN_NOT_ALLOWED
    ),
    **policy(PUBLIC),
)
async def stream_event(
    request: Request,
    event_id: FromPath[EventId],
    since: Since = None,
    last_event_id: LastEventId = None,
    seats: WithSeats = True,  # noqa: FBT002  # a parameter of the query
) -> Response[bytes]:
    """Return the stream of an event."""
    hub, exchange = request.context.hub, request.exchange
    if request.scope["type"] == "websocket" and not allows_origin(request):
        raise Refused(EdgeRefusal.ORIGIN_NOT_ALLOWED)
    key = address_key(exchange.client)
    # The edge calls it when the stream has ended, however it ends
    exchange.release = hub.admit(key, UNKNOWN_TIMES if isinstance(key, UnknownClients) else 1)
    known = since if last_event_id is None else _read_seq(last_event_id)
    return EventStream(hub, await hub.watch(event_id, known), known, with_seats=seats)


class Ending(NamedTuple):
    """How a stream ends that its client has not left: the last message, and why."""

    reason: DropReason | Literal["unexpected"]
    last: Frame | None


class EventStream(Response[bytes]):
    """A stream, which the hub writes to while this waits until the client leaves."""

    def __init__(self, hub: Hub, watched: Watched, since: int | None, *, with_seats: bool) -> None:
        super().__init__(b"", headers=_UNBUFFERED)
        self.with_seats = with_seats
        self._hub = hub
        self._watched = watched
        self._since = since
        self._is_socket = False
        self._send: Send | None = None
        self._task: asyncio.Task[Any] | None = None
        self._ending: Ending | None = None  # set by the hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the first message, and stay open until the client leaves or the hub ends the stream."""
        if scope["type"] == "websocket":
            await self._speak(receive, send)
            return
        headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        headers.append((b"content-type", _EVENT_STREAM.encode()))
        if exchange_of(scope).is_head:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        elif scope["http_version"] == "1.0":  # it knows no chunks
            first = reconnect_line() + self._frame().part["body"]
            headers.append((b"content-length", b"%d" % len(first)))
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": first, "more_body": False})
        else:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": reconnect_line(), "more_body": True})
            if (ending := await self._follow(receive, send)) is not None:
                last = b"" if ending.last is None else ending.last.part["body"]
                await send({"type": "http.response.body", "body": last, "more_body": False})

    async def _speak(self, receive: Receive, send: Send) -> None:
        """Send the same messages over a WebSocket. To send to a client that has left raises OSError."""
        self._is_socket = True
        await receive()  # websocket.connect
        with suppress(OSError):
            await send({"type": "websocket.accept"})
            if (ending := await self._follow(receive, send)) is not None:
                if ending.last is not None:
                    await send(ending.last.text_part)
                code = _CLOSE_CODES[ending.reason]
                await send({"type": "websocket.close", "code": code, "reason": ending.reason})

    def take(self, frame: Frame) -> bool:
        """Write a frame if the connection has room; `send` waits only if it has none."""
        assert self._send is not None, "the hub knows no stream before its first message"
        writing = self._send(self._part(frame)).__await__()
        try:
            next(writing)
        except StopIteration:
            return True
        except Exception:  # noqa: BLE001  # an outermost loop: the other readers of the hub must not notice
            return False
        writing.close()
        return False

    def drop(self, reason: DropReason, last: Frame | None) -> None:
        """End the stream."""
        assert self._task is not None, "the hub knows no stream before its first message"
        self._ending = Ending(reason, last)
        self._task.cancel()

    async def _follow(self, receive: Receive, send: Send) -> Ending | None:
        """Send the first message, and wait; return how the stream ends, or None when the client left."""
        watched = self._watched
        while True:
            seen = watched.availability
            await send(self._part(self._frame()))
            self._since = seen.seq
            if watched.availability is seen:  # or else the other readers have received more meanwhile
                break
        if (reason := "stopping" if self._hub.stopping else watched.end) is not None:
            return Ending(reason, end_frame(reason))
        self._send, self._task = send, asyncio.current_task()
        with watched.reading(self):
            try:
                while (kind := (await receive())["type"]) not in _LEFT:
                    if kind == "websocket.receive":
                        return Ending("unexpected", None)
            except asyncio.CancelledError:
                if self._ending is None:
                    raise
                assert self._task is not None, "it was cancelled"
                self._task.uncancel()
                return self._ending
        return None

    def _frame(self) -> Frame:
        return self._watched.frame_for(self._since, with_seats=self.with_seats)

    def _part(self, frame: Frame) -> Message:
        return frame.text_part if self._is_socket else frame.part


def _read_seq(text: str) -> int | None:
    """Return the row that a `Last-Event-ID` names. What is none is as good as no id: a snapshot comes."""
    return int(text) if text.isascii() and text.isdigit() and int(text) <= _SEQ_MAX else None


routes: Final = [stream_event]
