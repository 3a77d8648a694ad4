"""Workers share what connects to them, and a crowd is still accepted."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from evently.web.edge import connections as module
from evently.web.edge.connections import AHEAD, CROWD, Connections, Loop, Pace
from evently.web.edge.siblings import Siblings

COPIES = 16
JOINS = (
    "import sys; from pathlib import Path; from evently.web.edge.siblings import Siblings; "
    "found = Siblings(Path(sys.argv[1])); found.put(int(sys.argv[2])); print('here', flush=True); "
    "sys.stdin.read(); found.leave()"
)


class Others(Siblings):
    """The other processes, as the test says."""

    def __init__(self, fewest: int | None) -> None:
        self.least = fewest
        self.said: list[int] = []

    def put(self, count: int) -> None:
        self.said.append(count)

    def fewest(self) -> int | None:
        return self.least


class Peer(asyncio.Protocol):
    """A connection that does nothing but be counted."""

    def __init__(self, connections: Connections) -> None:
        self.connections = connections

    def connection_made(self, _: asyncio.BaseTransport) -> None:
        self.connections.add(self, asyncio.get_running_loop())

    def connection_lost(self, _: Exception | None) -> None:
        self.connections.remove(self, asyncio.get_running_loop())

    def overdue(self, _: float) -> str | None:
        return None

    def end(self, reason: str) -> None: ...


@contextmanager
def clients(port: int, count: int) -> Iterator[None]:
    """Connect: the kernel lets them wait until a worker accepts them."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        yield


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


def run(test: Callable[[Connections, Loop, int], Awaitable[None]], siblings: Siblings | None) -> None:
    """Listen on a socket and its copies, as a worker does, while the test lasts."""
    connections = Connections()
    connections.siblings = siblings

    async def whole(copies: Sequence[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Loop)
        servers = [
            await loop.create_server(lambda: Peer(connections), sock=each, backlog=4 * CROWD)
            for each in copies
        ]
        try:
            await test(connections, loop, copies[0].getsockname()[1])
        finally:
            for server in servers:
                server.close()

    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=4 * CROWD))
        copies = [stack.enter_context(listening.dup()) for _ in range(COPIES)]
        stack.enter_context(asyncio.Runner(loop_factory=Loop)).run(whole(copies))


def test_a_process_that_is_ahead_leaves_the_rest_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 3600.0)
    others = Others(0)

    async def test(connections: Connections, loop: Loop, port: int) -> None:
        with clients(port, 4 * AHEAD):
            await until(lambda: loop.pace is Pace.NONE)
            for _ in range(100):  # turns of the loop
                await asyncio.sleep(0)
            assert len(connections.open) == AHEAD + 1
            assert others.said[-1] == AHEAD + 1, "the others know"

    run(test, others)


@pytest.mark.parametrize("fewest", [0, None, 1_000], ids=["it hangs", "there is none", "it has more"])
def test_all_are_accepted_whatever_the_others_do(monkeypatch: pytest.MonkeyPatch, fewest: int | None) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.001)

    async def test(connections: Connections, loop: Loop, port: int) -> None:
        with clients(port, 20):
            await until(lambda: len(connections.open) == 20)
        await until(lambda: not connections.open)
        await until(lambda: loop.pace is Pace.ONE)

    run(test, Others(fewest))


def test_a_crowd_is_accepted_faster_than_the_first() -> None:
    async def test(connections: Connections, loop: Loop, port: int) -> None:
        with clients(port, CROWD - 1):
            await until(lambda: len(connections.open) == CROWD - 1)
            paces = [loop.pace]
            with clients(port, 3 * CROWD):
                await until(lambda: len(connections.open) == 4 * CROWD - 1)
                paces.append(loop.pace)
        await until(lambda: not connections.open)
        assert [*paces, loop.pace] == [Pace.ONE, Pace.MANY, Pace.ONE]

    run(test, None)


@contextmanager
def another(path: Path, count: int) -> Iterator[subprocess.Popen[str]]:
    """Run another process that has so many connections."""
    with subprocess.Popen(
        [sys.executable, "-c", JOINS, str(path), str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        yield process


def test_processes_know_how_many_connections_the_others_have(tmp_path: Path) -> None:
    path = tmp_path / "connections"
    mine = Siblings(path)
    assert mine.fewest() is None
    with another(path, 5), another(path, 3) as third:
        mine.put(1)
        assert mine.fewest() == 3
        third.communicate()  # it leaves
        assert mine.fewest() == 5
    assert mine.fewest() is None
    mine.leave()


def test_the_place_of_a_killed_process_is_cleared_by_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "connections"
    with another(path, 7) as first, another(path, 9) as second:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        mine = Siblings(path)
        assert mine.fewest() == 9
        second.communicate()
        assert mine.fewest() is None
        mine.leave()
