"""A busy server accepts a crowd, although uvloop accepts one connection per socket and turn."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from evently.cli.serving import ACCEPTED_AT_ONCE, _listening
from evently.config import Config, environment_for
from evently.rehearsal.plan import run

CROWD = 10 * ACCEPTED_AT_ONCE


class Counting(asyncio.Protocol):
    """Counts connections."""

    def __init__(self, made: list[asyncio.BaseTransport]) -> None:
        self.made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made.append(transport)


@contextmanager
def crowd(port: int) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(CROWD):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        yield


async def turns_until_all_are_in(listening: list[socket.socket]) -> int:
    """Return how many turns of the loop it took to let in a crowd that was there before the first."""
    loop, made = asyncio.get_running_loop(), list[asyncio.BaseTransport]()
    servers = [
        await loop.create_server(lambda: Counting(made), sock=each, backlog=CROWD) for each in listening
    ]
    with crowd(listening[0].getsockname()[1]):
        turns = 0
        while len(made) < CROWD:
            await asyncio.sleep(0)
            turns += 1
    for transport in made:
        transport.abort()  # type: ignore[attr-defined]  # every transport of a stream has it
    for server in servers:
        server.close()
        await server.wait_closed()
    return turns


def test_a_crowd_is_let_in() -> None:
    with _listening(Config(port=0)) as listening:
        assert len({each.getsockname() for each in listening}) == 1
        assert run(turns_until_all_are_in(listening)) <= 2 * CROWD // ACCEPTED_AT_ONCE


def test_a_server_ends_with_its_workers_when_nobody_reads_where_it_is(database_url: str) -> None:
    """As after `evently serve | head -1`, or when the starting process was killed."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "evently", "serve", "--port", str(port)]
    environment = environment_for(database_url=database_url)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(100) == 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_a_health_check_does_not_load_the_migrations() -> None:
    code = (
        "import sys; from evently.db.revision import newest_revision; assert newest_revision(); "
        "print('alembic' in sys.modules)"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout.strip()
        == "False"
    )
