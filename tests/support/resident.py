"""Measures the resident memory of a server over many answers; run it as a process of its own.

    python -m tests.support.resident ANSWERS    prints a JSON object: kind of answer -> growth in MB

The server is ours, with its protocol and the garbage collector as `serve` sets it; the client is a socket in
a thread, and sends what browsers send.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
import uvloop

from evently.app import tune_garbage_collector
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.context import Request, Response
from evently.web.edge.protocol import Protocol
from evently.web.edge.routing import get
from tests.support.edge import Stream, edge_of

BROWSER = (
    b"Host: evently.example\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    b"Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: %s\r\n"
    b"Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\n"
)
WARM_ANSWERS = 300
LONG = [f"ticket {number}, please" for number in range(400)]

# Kind -> method, path, codings, whether every request has a connection of its own
KINDS = {
    "whole br": (b"GET", b"/long", b"gzip, deflate, br, zstd", False),
    "whole gzip": (b"GET", b"/long", b"gzip, deflate", False),
    "whole plain": (b"GET", b"/long", b"identity", False),
    "stream br": (b"GET", b"/stream", b"gzip, deflate, br, zstd", False),
    "stream gzip": (b"GET", b"/stream", b"gzip, deflate", False),
    "head br": (b"HEAD", b"/long", b"gzip, deflate, br, zstd", False),
    "problem br": (b"GET", b"/problem?%s" % (b"x=1&" * 100), b"gzip, deflate, br, zstd", False),
    "one connection each br": (b"GET", b"/long", b"gzip, deflate, br, zstd", True),
}


@get("/long", **policy(PUBLIC))
async def long(request: Request) -> Response[list[str]]:
    """Return a long body at once."""
    return Response(LONG)


@get("/stream", media_type="text/csv", **policy(PUBLIC))
async def stream(request: Request) -> Stream:
    """Return a long body in parts."""

    async def lines() -> AsyncIterator[str]:
        for number in range(20):
            yield f"{number},a line that is long enough to be compressed\n" * 10

    return Stream(lines(), media_type="text/csv")


def resident_megabytes() -> float:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1024**2


async def main(answers: int) -> None:
    """Serve, ask, and print the growth of each kind."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    async with edge_of([long, stream]) as edge:
        config = uvicorn.Config(edge, http=Protocol, lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listening]))
        tune_garbage_collector()
        grown: dict[str, float] = {}
        for kind in KINDS:
            await asyncio.to_thread(ask, listening.getsockname()[1], kind, WARM_ANSWERS)
            before = resident_megabytes()
            await asyncio.to_thread(ask, listening.getsockname()[1], kind, answers)
            grown[kind] = round(resident_megabytes() - before, 1)
        server.should_exit = True
        await serving
    sys.stdout.write(json.dumps(grown))


def ask(port: int, kind: str, answers: int) -> None:
    """Send requests of one kind, one after the other, and read their answers."""
    method, path, codings, single = KINDS[kind]
    close = b"Connection: close\r\n" if single else b""
    request = b"%s %s HTTP/1.1\r\n%s%s\r\n" % (method, path, BROWSER % codings, close)
    connection: socket.socket | None = None
    for _ in range(answers):
        connection = connection or socket.create_connection(("127.0.0.1", port), timeout=60)
        connection.sendall(request)
        read(connection, method)
        if single:
            connection.close()
            connection = None
    if connection is not None:
        connection.close()


def read(connection: socket.socket, method: bytes) -> None:
    """Read one answer, to its last byte."""
    found = b""
    while b"\r\n\r\n" not in found:
        found += received(connection)
    head, _, body = found.partition(b"\r\n\r\n")
    if method == b"HEAD":
        return
    if b"transfer-encoding: chunked" in head:
        while not body.endswith(b"0\r\n\r\n"):
            body += received(connection)
        return
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        body += received(connection)


def received(connection: socket.socket) -> bytes:
    """Return the next bytes; there must be some."""
    part = connection.recv(65536)
    assert part, "the server closed the connection"
    return part


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as `serve`; it sets TCP_NODELAY
        runner.run(main(int(sys.argv[1])))
