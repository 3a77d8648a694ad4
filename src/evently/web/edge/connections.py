"""The connections of this process: how many there may be, and which have been silent for too long.

A connection is closed when the headers of a request take longer than 10 s, its body longer than 30 s (and a
second for each 128 KiB), or when its reader has taken nothing of an answer for 10 s. One task looks at all of
them once a second, so a request costs no timer.

There may be fewer than the descriptors of the process allow. A process that is full stops listening until it
has room again: new clients wait in the queue of the kernel, or meet another worker.

All workers listen on the same sockets, and whichever wakes up first would take all that waits: of sixteen
connections of a proxy, which last for hours, all sixteen. So a process that has more connections than another
one stops listening for a moment. And it listens on one of the copies of a socket until it has as many as a
crowd, because each copy gives it a connection in the same turn of the loop. `Loop` can do that, because it
keeps what uvicorn asks it to listen on.
"""

from __future__ import annotations

import asyncio
import enum
import math
import socket
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
import structlog
import uvloop
from prometheus_client import Counter, Gauge

from evently.web.edge.siblings import Siblings

HEAD_SECONDS_MAX: Final = 10.0
BODY_SECONDS_MAX: Final = 30.0
BODY_BYTES_PER_SECOND_MIN: Final = 128 * 1024  # a seat map of 16 MB over a slow line
UNREAD_SECONDS_MAX: Final = 10.0
LOOK_SECONDS: Final = 1.0
# For the database, files, the log, listening sockets, and connections that arrive before listening stops
DESCRIPTORS_RESERVED: Final = 256
# One takes about 10 KB, so that these take 200 MB; more do not fit behind one process in Python
CONNECTIONS_MAX: Final = 20_000
ROOM_AGAIN: Final = 0.95  # a full process listens again when this part of its connections is taken
CROWD: Final = 64  # connections of a process that listens on all copies of its sockets
# Of a process that is ahead. While a sibling hangs, it accepts what it can in one turn, and pauses again
PAUSE_SECONDS: Final = 0.02
AHEAD: Final = 2  # connections more than a sibling has, and an eighth of those
LOG_SECONDS: Final = 10.0  # between two lines about the same thing

_log: Final = structlog.get_logger(__name__)
_open: Final = Gauge("evently_connections", "Open connections.", multiprocess_mode="livesum")
_closed: Final = Counter(
    "evently_connections_closed", "Connections closed because they were silent, by reason.", ["reason"]
)
_full: Final = Counter("evently_connections_full", "How often a process was full and stopped listening.")
_full_now: Final = Gauge(
    "evently_full_workers", "Workers that are full and accept no connections.", multiprocess_mode="livesum"
)


class Pace(enum.IntEnum):
    """How many connections a process accepts in one turn of its loop."""

    NONE = 0
    ONE = 1
    MANY = 2


class ConnectionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one process; tests have shorter ones."""

    head_seconds: float = HEAD_SECONDS_MAX
    body_seconds: float = BODY_SECONDS_MAX
    unread_seconds: float = UNREAD_SECONDS_MAX
    look_seconds: float = LOOK_SECONDS
    connections_max: int = CONNECTIONS_MAX


class Watched(Protocol):
    """A connection, as far as this module knows it."""

    def overdue(self, now: float) -> str | None:
        """Return why it should be closed now, or None."""

    def end(self, reason: str) -> None:
        """Close it."""


class Unread:
    """What a client has not taken of what was sent to it; part of a connection."""

    _unread_bytes = 0  # when they were last looked at
    _unread_since = 0.0

    def reads_nothing(self, waiting: int, now: float) -> bool:
        """Return whether bytes wait for the client, and it has taken none for too long."""
        if waiting == 0 or waiting < self._unread_bytes or self._unread_bytes == 0:
            self._unread_since = now
        self._unread_bytes = waiting
        return waiting > 0 and now - self._unread_since > CONNECTIONS.limits.unread_seconds


class Connections:
    """The connections of this process."""

    def __init__(self) -> None:
        self.limits = ConnectionLimits()
        self.siblings: Siblings | None = None
        self.open: set[Watched] = set()
        self.listening = True  # not full
        self._paused: asyncio.TimerHandle | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._logged_at: dict[str, float] = {}
        self._ends: list[Callable[[], None]] = []

    def when_stopping(self, end: Callable[[], None]) -> None:
        """Call `end` when the server begins to stop: it waits for answers that do not end, for seconds."""
        self._ends.append(end)

    def stop(self) -> None:
        """End what would not end by itself. The server calls it for each of its connections."""
        ends, self._ends = self._ends, []
        for end in ends:
            end()

    def add(self, connection: Watched, loop: asyncio.AbstractEventLoop) -> None:
        """Count a new connection; stop listening if it was the last one that may be."""
        self.open.add(connection)
        if self._looking is None:
            self._looking = loop.call_later(self.limits.look_seconds, self._check, loop)
        if self.listening and len(self.open) >= self.limits.connections_max:
            self.listening = False
            _full.inc()
            _full_now.set(1)
            _open.set(len(self.open))
            self._warn(loop.time(), "full: no more connections are accepted", connections=len(self.open))
        elif self._paused is None and self._is_ahead():
            self._paused = loop.call_later(PAUSE_SECONDS, self._end_pause, loop)
        self._set_pace(loop)

    def remove(self, connection: Watched, loop: asyncio.AbstractEventLoop) -> None:
        """Forget a connection that is closed."""
        self.open.discard(connection)
        if not self.listening and len(self.open) <= self.limits.connections_max * ROOM_AGAIN:
            self.listening = True
            _full_now.set(0)
        self._set_pace(loop)

    def _is_ahead(self) -> bool:
        """Return whether another process has clearly fewer connections."""
        fewest = None if self.siblings is None else self.siblings.fewest()
        return fewest is not None and len(self.open) > fewest + AHEAD + fewest // 8

    def _end_pause(self, loop: asyncio.AbstractEventLoop) -> None:
        self._paused = None
        self._set_pace(loop)

    def _set_pace(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell the other processes how many connections there are; accept as many more as they allow."""
        count = len(self.open)
        if self.siblings is not None:
            self.siblings.put(count)
        if not isinstance(loop, Loop):
            return
        if not self.listening or self._paused is not None:
            loop.accept(Pace.NONE)
        elif count >= CROWD or (loop.pace is Pace.MANY and count >= CROWD // 2):
            loop.accept(Pace.MANY)
        else:
            loop.accept(Pace.ONE)

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close what is overdue, and look again in a second."""
        self._looking = None
        _open.set(len(self.open))
        now, ended = loop.time(), 0
        for connection in list(self.open):
            reason = connection.overdue(now)
            if reason is not None:
                connection.end(reason)
                _closed.labels(reason).inc()
                ended += 1
        if ended:
            self._warn(now, "silent connections were closed", closed=ended, connections=len(self.open))
        if self.open:
            self._looking = loop.call_later(self.limits.look_seconds, self._check, loop)

    def _warn(self, now: float, what: str, **figures: int) -> None:
        if now >= self._logged_at.get(what, -math.inf):
            self._logged_at[what] = now + LOG_SECONDS
            _log.warning(what, connections_max=self.limits.connections_max, **figures)


CONNECTIONS: Final = Connections()  # of this process, as its metrics are


def connections_for(descriptors: int) -> int:
    """Return how many connections a process with so many descriptors may have."""
    return max(1, min(CONNECTIONS_MAX, descriptors - min(DESCRIPTORS_RESERVED, descriptors // 2)))


class ListeningSocket:
    """A socket that is listened on, as uvicorn sees it. It can stop for a while; `pace`: when it listens."""

    def __init__(
        self, factory: Callable[[], Any], listening: socket.socket, options: dict[str, Any], pace: Pace
    ) -> None:
        self.sockets = (listening,)
        self.pace = pace
        self._factory = factory
        self._options = options
        self._server: asyncio.AbstractServer | None = None
        self._starting = False
        self._closed = False

    async def start(self, loop: Loop) -> None:
        """Listen, on a copy of the socket: a server closes its own when it stops."""
        if self._server is not None or self._starting or self._closed:
            return
        self._starting = True
        try:
            self._server = await uvloop.Loop.create_server(
                loop, self._factory, sock=self.sockets[0].dup(), **self._options
            )
        finally:
            self._starting = False
        if self.is_closed() or loop.pace < self.pace:  # meanwhile
            self.stop()

    def is_closed(self) -> bool:
        """Return whether it has stopped for good."""
        return self._closed

    def stop(self) -> None:
        """Stop to listen; connections stay."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def close(self) -> None:
        """Stop for good."""
        self._closed = True
        self.stop()

    async def wait_closed(self) -> None:
        """Nothing is left to wait for: uvicorn waits for the connections itself."""


class Loop(uvloop.Loop):
    """The event loop of a worker, which can stop listening and start again."""

    def __init__(self) -> None:
        super().__init__()
        self.pace = Pace.ONE
        self._listeners: list[ListeningSocket] = []
        self._starting: set[asyncio.Task[None]] = set()

    async def create_server(  # type: ignore[override]  # of its many forms, uvicorn uses this one
        self, factory: Any, *args: Any, sock: Any = None, **options: Any
    ) -> Any:
        """Listen on a socket, in a way that can be interrupted; on a copy of another one only in a crowd."""
        if sock is None:
            return await super().create_server(factory, *args, **options)
        is_copy = any(each.sockets[0].getsockname() == sock.getsockname() for each in self._listeners)
        listener = ListeningSocket(factory, sock, options, Pace.MANY if is_copy else Pace.ONE)
        self._listeners.append(listener)
        if self.pace >= listener.pace:
            await listener.start(self)
        return listener

    def accept(self, pace: Pace) -> None:
        """Accept so many connections in one turn from now on."""
        if pace is self.pace:
            return
        self.pace = pace
        for listener in self._listeners:
            if listener.pace > pace:
                listener.stop()
            else:
                task = self.create_task(listener.start(self))
                self._starting.add(task)
                task.add_done_callback(self._starting.discard)
