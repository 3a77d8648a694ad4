"""Loops of requests for benchmarks, and the recording of their answers.

    await closed_loop(target, 64, next_request, seconds=5)           a client sends when it has its answer
    await open_loop(target, 256, requests, due=[0.0, 0.001, ...])    requests are sent at fixed times
    await volley(target, requests)                                   all requests are sent at one instant

The latency in an open loop counts from the time at which a request was due. Otherwise a slow server would
delay requests and look faster than it is (coordinated omission).
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

LINGER_SECONDS_MAX: Final = 10.0  # after the end of a loop, for the answers to requests under way
NextRequest = Callable[[], bytes | None]


class LoopResult(msgspec.Struct):
    """The result of a loop. `kept` holds the bodies of answers with the status `keep_status`, in order."""

    recording: Recording
    kept: list[bytes]

    def per_second(self, *statuses: int) -> float:
        """Return the rate of answers with these statuses, from the first request to the last answer."""
        return self.recording.count(*statuses) / (self.recording.last_answer_at() or 1.0)


class _Loop:
    """The common part of all loops: clients with a connection each, the recording, the end of the loop."""

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
        """Send the next request of a client that has its answer, or retire the client."""
        raise NotImplementedError

    def _retire(self, connection: HttpConnection) -> None:
        """Close the connection of a client that has nothing to send; the last one ends the loop."""
        connection.disconnect()
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
            self._retire(gone)  # the server accepts no new connection
            return
        self._connections.remove(gone)
        self._connections.add(connection)
        self._idle(connection)

    async def wait(self, seconds_max: float) -> LoopResult:
        """Return when every client is retired; requests without an answer after `seconds_max` are lost."""
        try:
            async with asyncio.timeout(seconds_max):
                await self._over.wait()
        except TimeoutError:
            for connection in list(self._connections):
                connection.abort()
            await self._over.wait()
        return self.run


class _ClosedLoop(_Loop):
    """Clients that send a request when they have the answer to the one before."""

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
    """Requests that are sent when they are due, on any idle connection; time in the queue counts."""

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
        """Send or queue every request when it is due."""
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
        """Record the queued requests as lost: no connection remains."""
        for index in self._queue:
            self._record(self.began + self._due[index], NO_ANSWER)
        self._queue.clear()


async def closed_loop(
    target: Target, clients: int, next_request: NextRequest, seconds: float, *, keep_status: int | None = None
) -> LoopResult:
    """Run clients that each send a request when they have the answer to the one before.

    The loop ends after `seconds`, or when `next_request` returns None. A client whose connection is lost
    connects again. Raises OSError if the first connections cannot be opened.
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
    """Send each request when it is due, over at most `connections` connections.

    `due` is in seconds from the beginning, in order; latencies count from then. A lost connection is opened
    again. Raises OSError if the first connections cannot be opened.
    """
    opened = await connect_many(target, connections)
    loop = _OpenLoop(target, requests, due, keep_status)
    loop.start(opened)
    await loop.send_all()
    return await loop.wait(LINGER_SECONDS_MAX)


async def volley(target: Target, requests: Sequence[bytes], *, keep_status: int | None = None) -> LoopResult:
    """Send all requests at one instant, each on a connection of its own that was opened before."""
    return await open_loop(target, len(requests), requests, [0.0] * len(requests), keep_status=keep_status)
