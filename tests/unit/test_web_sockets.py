"""WebSockets with real connections: they are counted, bounded, and end; requests that only look like one."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as open_websocket

from evently.web.edge.asgi import Receive, Scope, Send
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.connections import CONNECTIONS, ConnectionLimits
from evently.web.edge.context import Request, Response
from evently.web.edge.routing import get, post
from evently.web.edge.websockets import FRAGMENTS_MAX, MESSAGE_BYTES_MAX
from tests.support.edge import listening

PATIENCE_SECONDS = 60  # on a busy machine
SHORT = ConnectionLimits(
    head_seconds=0.3, body_seconds=0.5, unread_seconds=0.5, look_seconds=0.05, connections_max=50
)
HANDSHAKE = (
    b"Host: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: " + base64.b64encode(b"k" * 16) + b"\r\n"
)
TEXT, PING, CONTINUED = 0x1, 0x9, 0x0


class Echo(Response[bytes]):
    """Sends back what it receives, or `flood` without an end."""

    def __init__(self, *, flood: bool = False) -> None:
        super().__init__(b"")
        self.flood = flood

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        await receive()
        await send({"type": "websocket.accept"})
        while self.flood:
            await send({"type": "websocket.send", "text": "x" * 10_000})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message.get("text", "bytes")})


@get("/echo", **policy(PUBLIC))
async def echo(request: Request) -> Response[bytes]:
    return Echo()


@get("/flood", **policy(PUBLIC))
async def flood(request: Request) -> Response[bytes]:
    return Echo(flood=True)


@get("/read", **policy(PUBLIC))
async def read(request: Request) -> Response[str]:
    return Response("read")


@post("/note", reads_body=True, **policy(PUBLIC))
async def note(request: Request) -> Response[bytes]:
    return Response(await request.body())


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(CONNECTIONS, "limits", SHORT)
    with listening([echo, flood, read, note]) as found:
        yield found
        until(lambda: not CONNECTIONS.open, "no connection is left")


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def speaking(port: int) -> ClientConnection:
    return open_websocket(f"ws://127.0.0.1:{port}/echo", proxy=None, compression="deflate")


def raw(port: int, *, path: str = "/echo", small: bool = False) -> socket.socket:
    """Open a WebSocket by hand, past the response to the handshake."""
    found = socket.socket()
    if small:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    found.settimeout(PATIENCE_SECONDS)
    found.connect(("127.0.0.1", port))
    found.sendall(b"GET %b HTTP/1.1\r\n%b\r\n" % (path.encode(), HANDSHAKE))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += found.recv(1)
    assert head.startswith(b"HTTP/1.1 101 "), head
    assert b"extensions" not in head.lower()
    return found


def framed(opcode: int, data: bytes = b"", *, last: bool = True) -> bytes:
    """Return a frame as clients send it (RFC 6455, 5.2), masked with zeros."""
    length = (
        bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0x80 | 126]) + struct.pack("!H", len(data))
    )
    return bytes([opcode | (0x80 if last else 0)]) + length + bytes(4) + data


def closing_code(connection: socket.socket) -> int:
    """Read until the server has closed; return the code of its closing frame."""
    found = b""
    while part := connection.recv(65536):
        found += part
    assert found[0] == 0x88, found
    return int.from_bytes(found[2:4])


def exchanged(port: int, sent: bytes) -> list[tuple[int, bytes]]:
    """Send bytes and read until the server closes; return the statuses and bodies of the responses."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(sent)
        found = b""
        while part := connection.recv(65536):
            found += part
    answers = []
    while found:
        head, _, found = found.partition(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        answers.append((int(head.split()[1]), found[:length]))
        found = found[length:]
    return answers


def test_a_websocket_is_one_connection_until_it_ends(port: int) -> None:
    with speaking(port) as one, speaking(port):
        one.send("hello")
        assert one.recv(timeout=PATIENCE_SECONDS) == "hello"
        assert one.ping().wait(PATIENCE_SECONDS), "a ping is answered"
        assert len(CONNECTIONS.open) == 2
        time.sleep(1)  # longer than the head of a request may take
        one.send("still there")
        assert one.recv(timeout=PATIENCE_SECONDS) == "still there"
    until(lambda: not CONNECTIONS.open, "they are forgotten")


def test_messages_of_clients_are_bounded(port: int) -> None:
    longest = "x" * MESSAGE_BYTES_MAX
    with speaking(port) as connection:
        connection.send(longest)
        assert connection.recv(timeout=PATIENCE_SECONDS) == longest
        connection.send(longest + "x")
        with pytest.raises(ConnectionClosed) as closed:
            connection.recv(timeout=PATIENCE_SECONDS)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


@pytest.mark.parametrize("part", [b"", b"x" * 2_000], ids=["empty", "long"])
def test_parts_of_a_message_are_bounded(port: int, part: bytes) -> None:
    with raw(port) as connection:
        connection.sendall(framed(TEXT, part, last=False))
        connection.sendall(framed(CONTINUED, part, last=False) * FRAGMENTS_MAX)
        assert closing_code(connection) == 1009


def test_what_breaks_the_rules_ends(port: int) -> None:
    for sent, code in (
        (framed(TEXT, b"\xff"), 1007),
        (b"\x81\x01x", 1002),  # not masked
        (framed(0x3), 1002),  # an opcode that is none
        (framed(CONTINUED, b"x"), 1002),  # of no message
        (framed(PING, b"x" * 126), 1002),
    ):
        with raw(port) as connection:
            connection.sendall(sent)
            assert closing_code(connection) == code, sent


def test_who_reads_nothing_is_disconnected(port: int) -> None:
    with raw(port, path="/flood", small=True):
        until(lambda: not CONNECTIONS.open, "it is disconnected")


def test_who_sends_pings_and_reads_no_answer_is_disconnected(port: int) -> None:
    connection = raw(port, small=True)
    many = framed(PING, b"x" * 125) * 1_000
    with connection, pytest.raises(OSError):  # noqa: PT011, PT012  # reset, or a broken pipe
        for _ in range(3_000):
            connection.sendall(many)


@pytest.mark.parametrize(
    "left_out",
    [b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: " + base64.b64encode(b"k" * 16)],
    ids=["version", "key"],
)
def test_a_handshake_that_lacks_something_is_malformed(port: int, left_out: bytes) -> None:
    for other in (b"X: y", left_out.partition(b":")[0] + b": 8"):
        head = HANDSHAKE.replace(left_out, other)
        ((status, body),) = exchanged(port, b"GET /echo HTTP/1.1\r\n" + head + b"\r\n")
        assert status == 400
        assert "WebSocket" in json.loads(body)["detail"]


def test_an_upgrade_that_cannot_be_is_ignored(port: int) -> None:
    """Each request is read with its body, and the next one on the same connection, too."""
    post_head = b"POST /note HTTP/1.1\r\n" + HANDSHAKE
    to_http2 = (
        b"Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    )
    next_one = b"GET /read HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    for sent, answer in (
        (post_head + b"Content-Length: 2\r\n\r\nhi", (201, b"hi")),
        (post_head + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", (201, b"hi")),
        (b"POST /note HTTP/1.1\r\n" + to_http2 + b"Content-Length: 2\r\n\r\nhi", (201, b"hi")),
        (b"GET /read HTTP/1.1\r\n" + to_http2 + b"\r\n", (200, b"read")),
        (b"GET /read HTTP/1.1\r\n" + HANDSHAKE + b"Content-Length: 0\r\n\r\n", (200, b"read")),
    ):
        assert exchanged(port, sent + next_one) == [answer, (200, b"read")], sent
        for middle in (10, len(sent) - 1):
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
                connection.sendall(sent[:middle])
                time.sleep(0.02)
                connection.sendall(sent[middle:])
                assert connection.recv(65536).endswith(answer[1]), sent
    for sent in (b"GET /read HTTP/1.1\r\n", b"GET /read HTTP/1.0\r\n"):
        assert exchanged(port, sent + HANDSHAKE + b"\r\n") == [(200, b"read")], sent


def test_a_handshake_with_more_headers_than_one_has_ends(port: int) -> None:
    for more in (b"X: y\r\n" * 300, b"X: " + b"y" * 20_000 + b"\r\n"):
        ((status, _),) = exchanged(port, b"GET /echo HTTP/1.1\r\n" + HANDSHAKE + more + b"\r\n")
        assert status == 431
    ((status, _),) = exchanged(port, b"GET /echo?" + b"a" * 8_180 + b" HTTP/1.1\r\n" + HANDSHAKE + b"\r\n")
    assert status == 414


def test_random_bytes_after_the_handshake_leave_nothing(port: int) -> None:
    for _ in range(200):
        with raw(port) as connection:
            connection.sendall(os.urandom(200))
