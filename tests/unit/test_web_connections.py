"""Connections that are silent, half-sent, or too many; with real sockets and short limits."""

from __future__ import annotations

import json
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import msgspec
import pytest

from evently.kit.descriptors import raise_descriptor_limit
from evently.web.edge import connections as module
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.connections import CONNECTIONS, ConnectionLimits, connections_for
from evently.web.edge.context import Request, Response
from evently.web.edge.routing import JSONBody, get, post
from tests.support.edge import listening

LONG = b"x" * 32_000_000  # more than the kernel's buffers take
SHORT = ConnectionLimits(
    head_seconds=1.0, body_seconds=1.0, unread_seconds=1.0, look_seconds=0.05, connections_max=8
)
GET = b"GET /read HTTP/1.1\r\nHost: a\r\n\r\n"
PATIENCE_SECONDS = 60  # on a busy machine
CONNECTED: list[socket.socket] = []  # of one test
HEAD = b"POST /note HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


class Note(msgspec.Struct, forbid_unknown_fields=True):
    text: str


@get("/read", **policy(PUBLIC))
async def read(request: Request) -> Response[str]:
    return Response("read")


@get("/long", **policy(PUBLIC))
async def long(request: Request) -> Response[bytes]:
    return Response(LONG, media_type="application/octet-stream")


@post("/note", **policy(PUBLIC))
async def note(request: Request, data: JSONBody[Note]) -> Response[Note]:
    return Response(data)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Serve in a thread, with short limits; yield the port."""
    monkeypatch.setattr(CONNECTIONS, "limits", SHORT)
    with listening([read, long, note]) as port:
        yield port
        while CONNECTED:
            CONNECTED.pop().close()


def connect(port: int, sent: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
    CONNECTED.append(connection)
    connection.sendall(sent)
    return connection


def everything(connection: socket.socket) -> bytes:
    """Return all that comes until the server closes."""
    found = b""
    while part := connection.recv(65536):
        found += part
    return found


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /re",
        b"GET /read HTTP/1.1\r\nX: ",
        HEAD + b"Content-Length: 100\r\n\r\n" + b'{"text":',
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n8\r\n" + b'{"te',
    ],
    ids=["silence", "half a line", "half the headers", "half a body", "half a chunk"],
)
def test_a_connection_that_says_nothing_more_is_closed(port: int, sent: bytes) -> None:
    began = time.monotonic()
    answer = everything(connect(port, sent))
    assert time.monotonic() - began < PATIENCE_SECONDS
    if not sent:
        assert answer == b""
        return
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(body)["code"] == "request-timeout"


def test_a_connection_that_drips_is_closed(port: int) -> None:
    connection = connect(port, HEAD + b"Content-Length: 100000\r\n\r\n")
    began = time.monotonic()
    with suppress(OSError):  # reset, or a broken pipe
        while time.monotonic() - began < PATIENCE_SECONDS:
            connection.sendall(b" ")
            time.sleep(0.05)
    assert time.monotonic() - began < PATIENCE_SECONDS


def test_who_answers_in_time_stays(port: int) -> None:
    connection = connect(port)
    for _ in range(3):
        connection.sendall(GET)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        time.sleep(1.2)  # longer than headers may take; a connection that is kept alive may rest


def test_a_reader_that_takes_nothing_is_disconnected(port: int) -> None:
    connection = socket.socket()
    CONNECTED.append(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.connect(("127.0.0.1", port))
    connection.sendall(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while CONNECTIONS.open and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not CONNECTIONS.open


def test_a_full_process_listens_again_when_there_is_room(port: int) -> None:
    kept = [connect(port, GET) for _ in range(SHORT.connections_max)]
    assert all(each.recv(65536).startswith(b"HTTP/1.1 200 ") for each in kept)
    assert not CONNECTIONS.listening
    waiting = connect(port, GET)  # the kernel lets it wait
    waiting.settimeout(0.2)
    with pytest.raises(TimeoutError):
        waiting.recv(65536)
    assert len(CONNECTIONS.open) == SHORT.connections_max
    kept[0].close()
    kept[1].close()
    waiting.settimeout(PATIENCE_SECONDS)
    assert waiting.recv(65536).startswith(b"HTTP/1.1 200 ")
    for each in kept:
        each.close()


def test_there_are_fewer_connections_than_descriptors() -> None:
    assert connections_for(1024) == 1024 - module.DESCRIPTORS_RESERVED
    assert connections_for(1_048_576) == module.CONNECTIONS_MAX
    assert connections_for(100) == 50


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 900), hard))
        raise_descriptor_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= min(hard, soft)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
