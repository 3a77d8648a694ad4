"""WebSocket (RFC 6455) of uvicorn, within the limits of connections (`connections.py`).

`Protocol` hands a connection over when a request asks for a WebSocket, and forgets it; from then on an object
of this class counts for it. A client that takes nothing of what was sent for 10 s is disconnected, and so is
one that has not answered a ping for 30 s, which is sent once a minute. Messages of clients are bounded in
bytes and fragments; the next one is read when the application has taken the one before.

    1008   the message was not expected, or is no text
    1009   the message is too long
    1012   the server stops: open another one, elsewhere or later
    1013   the client reads too slowly

Nothing is compressed: that would take a compressor and its window for each connection, and a frame is encoded
once for all readers.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from evently.web.edge.asgi import Message, Scope, Send
from evently.web.edge.connections import CONNECTIONS, Unread
from evently.web.edge.context import Request
from evently.web.edge.cookies import own_origins

MESSAGE_BYTES_MAX: Final = 4_096  # of a client; no stream needs one
FRAGMENTS_MAX: Final = 16  # of a message; without a limit, empty ones would need no bytes
PING_SECONDS: Final = 60.0  # a client that has vanished holds its place for so long, and for the answer
PONG_SECONDS: Final = 30.0
CLOSE_SECONDS: Final = 2.0  # for the client's half of the closing handshake; the server may be stopping

NORMAL: Final = 1000
UNEXPECTED: Final = 1008
TOO_LONG: Final = 1009
STOPPING: Final = 1012
SLOW: Final = 1013


class WebSocketProtocol(Unread, WebSocketsSansIOProtocol):
    """One connection, from its handshake on."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.close_timeout = CLOSE_SECONDS
        self.ping_interval, self.ping_timeout = PING_SECONDS, PONG_SECONDS
        self.conn.max_message_size = MESSAGE_BYTES_MAX
        self.conn.available_extensions = None  # such as compression

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        super().connection_made(transport)
        CONNECTIONS.add(self, self.loop)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        CONNECTIONS.remove(self, self.loop)

    def data_received(self, data: bytes) -> None:
        """Take bytes; the first ones are the whole handshake, so one that is none yet never will be."""
        super().data_received(data)
        if not self.handshake_initiated:
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def handle_cont(self, event: Any) -> None:
        """Take a part of a message."""
        if self.close_sent:
            return
        if len(self.frames) < FRAGMENTS_MAX:
            super().handle_cont(event)
        else:
            self.conn.fail(TOO_LONG, "too many fragments")
            self.handle_parser_exception()

    def handle_ping(self) -> None:
        """Answer a ping; a client that sends more of them than it reads answers is disconnected."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.transport.abort()

    def shutdown(self) -> None:
        """Tell the application that the server stops; it ends the connection after a last message."""
        CONNECTIONS.stop()

    def overdue(self, now: float) -> str | None:
        """Return "reader" when the client has taken nothing for too long."""
        return "reader" if self.reads_nothing(self.transport.get_write_buffer_size(), now) else None

    def end(self, reason: str) -> None:  # noqa: ARG002  # there is one
        """Close the connection; a closing frame would wait behind what the client does not read."""
        self.transport.abort()


def as_request(scope: Scope, send: Send) -> tuple[Scope, Send]:
    """Return a handshake as a GET request: it has a route, a policy, limits and refusals like any other.

    A response that is none of a WebSocket's is sent in its place (ASGI: Websocket Denial Response).
    """

    async def send_either(message: Message) -> None:
        kind = message["type"]
        await send({**message, "type": f"websocket.{kind}"} if kind.startswith("http.") else message)

    return {**scope, "method": "GET"}, send_either


def allows_origin(request: Request) -> bool:
    """Return whether the page that asks for a WebSocket may read it; browsers themselves allow every page."""
    origin = request.header("origin")
    allowed = request.context.options.cors_origins
    return origin is None or origin in own_origins(request) or origin in allowed or "*" in allowed
