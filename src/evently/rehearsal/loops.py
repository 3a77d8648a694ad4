"""Loops that send as much as a server can take, or as much as they are told, and record how it went.

    await closed_loop(target, 64, next_request, seconds=5)            each client sends when it has its answer
    await open_loop(target, 256, requests, due=[0.0, 0.001, ...])     requests leave on time, whatever the server does
    await volley(target, requests)                                    every client at one instant

The latency of an open loop counts from when a request was due, so that a slow server is not excused by the
requests it kept from being sent (coordinated omission).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from evently.rehearsal.driver import NO_ANSWER, HttpConnection, Reply, Target, connect, connect_many
from evently.rehearsal.recording import Recording

LINGER_SECONDS_MAX: Final = 10.0  # how long a loop waits for the answers to what it has sent
NextRequest = Callable[[], bytes | None]


class LoopResult(msgspec.Struct):
    """What a loop did. `kept` are the bodies of the answers whose status it was asked to keep, in the order they came."""

    recording: Recording
    kept: list[bytes]

    def per_second(self, *statuses: int) -> float:
        """Return answers with these statuses a second, from the first request to the last answer."""
        return self.recording.count(*statuses) / (self.recording.last_answer_at() or 1.0)


class _Loop:
    """What all loops share: clients with a connection each, the record of answers, and an end when no client has anything left to do."""

    def __init__(self, target: Target, keep_status: int | None) -> None:
        self.run = LoopResult(Recording(), [])
        self.began = 0.0
        self._target = target
        self._keep_status = keep_status
        self._connections: set[HttpConnection] = set()
        self._over = asyncio.Event()
        self._reconnecting: set[asyncio.Task[None]] = set()

    def start(self, connections: Sequence[HttpConnection]) -> None:
        self.began = time.perf_counter()
        self._connections.update(connections)
        for connection in connections:
            self._idle(connection)

    def _idle(self, connection: HttpConnection) -> None:
        """Give a client that has its answer something to do."""
        raise NotImplementedError

    def _retire(self, connection: HttpConnection) -> None:
        """Do without a client."""
        connection.hang_up()
        self._connections.discard(connection)
        if not self._connections:
            self._over.set()

    def _send(self, connection: HttpConnection, request: bytes, due: float) -> None:
        def on_answer(answer: Reply) -> None:
            self._record(due, answer)
            if connection.closed:
                self._replace(connection)
            else:
                self._idle(connection)

        connection.send(request, on_answer)

    def _record(self, due: float, answer: Reply) -> None:
        self.run.recording.add(due - self.began, time.perf_counter() - due, answer.status)
        if answer.status == self._keep_status:
            self.run.kept.append(answer.body)

    def _replace(self, gone: HttpConnection) -> None:
        task = asyncio.ensure_future(self._connect_again(gone))
        self._reconnecting.add(task)
        task.add_done_callback(self._reconnecting.discard)

    async def _connect_again(self, gone: HttpConnection) -> None:
        try:
            connection = await connect(self._target)
        except OSError:
            self._retire(gone)  # the server does not take this client back
            return
        self._connections.remove(gone)
        self._connections.add(connection)
        self._idle(connection)

    async def wait(self, seconds_max: float) -> LoopResult:
        """Return when every client is done; what is still open after `seconds_max` is lost."""
        try:
            async with asyncio.timeout(seconds_max):
                await self._over.wait()
        except TimeoutError:
            for connection in list(self._connections):
                connection.abort()
            await self._over.wait()
        return self.run


class _ClosedLoop(_Loop):
    """Clients that send their next request when they have the answer to the last."""

    def __init__(
        self, target: Target, next_request: NextRequest, seconds: float, keep_status: int | None
    ) -> None:
        super().__init__(target, keep_status)
        self._next_request = next_request
        self._until = time.perf_counter() + seconds

    def _idle(self, connection: HttpConnection) -> None:
        now = time.perf_counter()
        request = self._next_request() if now < self._until else None
        if request is None:
            self._retire(connection)
        else:
            self._send(connection, request, now)


class _OpenLoop(_Loop):
    """Requests that leave when they are due, on whichever connection is idle; the others queue, and their waiting counts."""

    def __init__(
        self, target: Target, requests: Sequence[bytes], due: Sequence[float], keep_status: int | None
    ) -> None:
        super().__init__(target, keep_status)
        self._requests = requests
        self._due = due
        self._waiting: deque[HttpConnection] = deque()
        self._queue: deque[int] = deque()
        self._all_due = False

    def _idle(self, connection: HttpConnection) -> None:
        if connection.closed:  # while it was idle
            self._replace(connection)
        elif self._queue:
            index = self._queue.popleft()
            self._send(connection, self._requests[index], self.began + self._due[index])
        elif self._all_due:
            self._retire(connection)
        else:
            self._waiting.append(connection)

    def _retire(self, connection: HttpConnection) -> None:
        super()._retire(connection)
        if not self._connections:
            self._give_up()

    async def send_all(self) -> None:
        """Let every request leave when it is due."""
        for index, due in enumerate(self._due):
            if (wait := self.began + due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            self._queue.append(index)
            if self._waiting:
                self._idle(self._waiting.popleft())
        self._all_due = True
        while self._waiting:
            self._retire(self._waiting.popleft())
        if not self._connections:
            self._give_up()

    def _give_up(self) -> None:
        """Record what nobody is left to send."""
        for index in self._queue:
            self._record(self.began + self._due[index], NO_ANSWER)
        self._queue.clear()


async def closed_loop(
    target: Target, clients: int, next_request: NextRequest, seconds: float, *, keep_status: int | None = None
) -> LoopResult:
    """Let each of `clients` send its next request when it has the answer to the last, until `seconds` are over or there is no next.

    A client whose connection was lost connects again. Raises OSError when the first connections cannot be
    made.
    """
    connections = await connect_many(target, clients)
    loop = _ClosedLoop(target, next_request, seconds, keep_status)
    loop.start(connections)
    return await loop.wait(seconds + LINGER_SECONDS_MAX)


async def open_loop(
    target: Target,
    connections: int,
    requests: Sequence[bytes],
    due: Sequence[float],
    *,
    keep_status: int | None = None,
) -> LoopResult:
    """Send each request when it is due (seconds from the beginning, in order), over at most `connections`; latency counts from then.

    A connection that was lost is made again. Raises OSError when the first ones cannot be made.
    """
    opened = await connect_many(target, connections)
    loop = _OpenLoop(target, requests, due, keep_status)
    loop.start(opened)
    await loop.send_all()
    return await loop.wait(LINGER_SECONDS_MAX)


async def volley(target: Target, requests: Sequence[bytes], *, keep_status: int | None = None) -> LoopResult:
    """Send every request at one instant, each on a connection of its own that was opened before."""
    return await open_loop(target, len(requests), requests, [0.0] * len(requests), keep_status=keep_status)
