"""The load client against a small server that misbehaves on purpose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import pytest

from evently.rehearsal.driver import (
    NO_ANSWER,
    HttpClient,
    HttpConnection,
    Reply,
    Target,
    connect,
    request_for,
)
from evently.rehearsal.loops import closed_loop, open_loop, volley
from evently.rehearsal.recording import LOST

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
Script = Callable[
    [int, bytes], list[bytes | None]
]  # the number of the request and the request -> parts to send; None: close


class Scripted(asyncio.Protocol):
    """Answers each request as a script says, each part in a write of its own."""

    def __init__(self, server: TinyServer) -> None:
        self.server = server
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.server.connections += 1

    def data_received(self, data: bytes) -> None:
        self.server.requests.append(data)
        asyncio.ensure_future(self.answer(self.server.script(len(self.server.requests), data)))  # noqa: RUF006  # ends with the test

    async def answer(self, parts: list[bytes | None]) -> None:
        for part in parts:
            if part is None:
                self.transport.close()
            else:
                self.transport.write(part)
                await asyncio.sleep(0)


class TinyServer:
    """What a test knows of its server."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[bytes] = []
        self.connections = 0
        self.server: asyncio.Server | None = None

    def stop(self) -> None:
        """Take no new connections."""
        assert self.server is not None
        self.server.close()


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[tuple[TinyServer, Target]]:
    tiny = TinyServer(script)
    server = await asyncio.get_running_loop().create_server(
        lambda: Scripted(tiny), "127.0.0.1", 0, backlog=1024
    )
    tiny.server = server
    async with server:
        yield tiny, Target("127.0.0.1", server.sockets[0].getsockname()[1])


async def ask(script: Script) -> tuple[Reply, TinyServer]:
    async with serving(script) as (tiny, target):
        client = HttpClient(target, 1)
        answer = await client.exchange(request_for("GET", "/", target))
        client.close()
        return answer, tiny


@pytest.mark.parametrize(
    ("parts", "status", "body"),
    [
        pytest.param([OK], 200, b"hi", id="whole"),
        pytest.param([bytes([byte]) for byte in OK], 200, b"hi", id="byte by byte"),
        pytest.param([b"HTTP/1.1 204 No Content\r\n\r\n"], 204, b"", id="no content"),
        pytest.param(
            [b"HTTP/1.1 304 Not Modified\r\ncontent-length: 77\r\n\r\n"],
            304,
            b"",
            id="not modified has no body, whatever its length says",
        ),
        pytest.param(
            [b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", OK], 200, b"hi", id="early hints first"
        ),
        pytest.param([b"HTTP/1.1 100 Continue\r\n\r\n" + OK], 200, b"hi", id="continue first, in one piece"),
        pytest.param(
            [
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                b"4\r\nWiki\r\n",
                b"6;x=y\r\npedia ",
                b"\r\n0\r\n\r\n",
            ],
            200,
            b"Wikipedia ",
            id="chunked",
        ),
        pytest.param(
            [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-trailer: 1\r\n\r\n"],
            200,
            b"a",
            id="chunked with a trailer",
        ),
        pytest.param(
            [b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nuntil", b" the end", None],
            200,
            b"until the end",
            id="until it closes",
        ),
        pytest.param(
            [b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", None], LOST, b"", id="closed half-way"
        ),
        pytest.param([None], LOST, b"", id="closed without a word"),
    ],
)
async def test_answers(parts: list[bytes | None], status: int, body: bytes) -> None:
    answer, _ = await ask(lambda _number, _request: parts)
    assert (answer.status, answer.body) == (status, body)


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([b"this is not HTTP\r\n\r\n"], id="not HTTP"),
        pytest.param([b"HTTP/1.1 2OO OK\r\ncontent-length: 0\r\n\r\n"], id="a status of letters"),
        pytest.param([b"HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\nhi"], id="a length of letters"),
        pytest.param(
            [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"], id="a chunk without a size"
        ),
        pytest.param([b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"], id="another protocol"),
        pytest.param([b"HTTP/1.1 200 OK\r\nx-thing: " + b"x" * 70_000], id="a head without an end"),
        pytest.param([b"HTTP/1.1 103 Early Hints\r\n\r\n" * 4_000], id="interim replies without an end"),
    ],
)
async def test_a_malformed_reply_is_lost_at_once(parts: list[bytes | None]) -> None:
    answer, _ = await asyncio.wait_for(ask(lambda _number, _request: parts), 60)
    assert answer == NO_ANSWER


@pytest.mark.parametrize("surplus", [OK, OK[:10], b"garbage"])
async def test_a_second_reply_ends_the_connection(surplus: bytes) -> None:
    async with serving(lambda _number, _request: [OK + surplus]) as (tiny, target):
        client = HttpClient(target, 1)
        for _ in range(2):
            assert (await client.exchange(request_for("GET", "/", target))).body == b"hi"
        client.close()
    assert tiny.connections == 2


async def test_a_reply_that_nobody_asked_for_ends_the_connection() -> None:
    async with serving(lambda _number, _request: [OK, OK]) as (tiny, target):
        connection = await connect(target)
        replies: list[Reply] = []
        connection.send(request_for("GET", "/", target), replies.append)
        async with asyncio.timeout(60):
            while not connection.closed:
                await asyncio.sleep(0.001)
    assert [reply.body for reply in replies] == [b"hi"]
    assert tiny.connections == 1


async def test_nobody_gets_the_connection_of_a_request_that_was_cancelled() -> None:
    """Its answer is still to come."""
    async with serving(lambda number, _request: [OK] if number > 1 else []) as (tiny, target):
        client = HttpClient(target, 1)
        first = asyncio.create_task(client.exchange(request_for("GET", "/first", target)))
        async with asyncio.timeout(60):
            while not tiny.requests:
                await asyncio.sleep(0.001)
        second = asyncio.create_task(client.exchange(request_for("GET", "/second", target)))
        await asyncio.sleep(0)
        first.cancel()
        assert (await asyncio.wait_for(second, 60)).body == b"hi"
        assert first.cancelled()
        client.close()
    assert tiny.connections == 2


async def test_a_large_body_in_pieces() -> None:
    body = bytes(range(256)) * 20_000
    pieces: list[bytes | None] = [b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body)]
    pieces += [body[start : start + 60_000] for start in range(0, len(body), 60_000)]
    answer, _ = await ask(lambda _number, _request: pieces)
    assert answer.body == body


async def test_headers() -> None:
    answer, _ = await ask(
        lambda _n, _r: [b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nX-Thing:  a b \r\ncontent-length: 0\r\n\r\n"]
    )
    assert answer.status == 503
    assert answer.retry_after() == 7.0
    assert answer.header("x-thing") == "a b"
    assert answer.header("thing") is None
    assert NO_ANSWER.retry_after(0.5) == 0.5


async def test_what_a_request_says() -> None:
    target = Target.parse("https://tickets.example/ignored")
    assert (target.port, target.https, target.authority()) == (443, True, "tickets.example")
    request = request_for("POST", "/v1/x", Target.parse("http://[::1]:81"), token="t", key="k", body=b"{}")
    assert request == (
        b"POST /v1/x HTTP/1.1\r\nhost: [::1]:81\r\nauthorization: Bearer t\r\nidempotency-key: k\r\n"
        b"content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
    )
    with pytest.raises(ValueError, match="not an http"):
        Target.parse("tickets.example")


async def test_a_connection_is_kept() -> None:
    async with serving(lambda _number, _request: [OK]) as (tiny, target):
        client = HttpClient(target, 10)
        for _ in range(20):
            assert (await client.exchange(request_for("GET", "/", target))).status == 200
        client.close()
    assert tiny.connections == 1


async def test_no_more_connections_than_allowed() -> None:
    async with serving(lambda _number, _request: [OK]) as (tiny, target):
        client = HttpClient(target, 3)
        answers = await asyncio.gather(*[client.exchange(request_for("GET", "/", target)) for _ in range(50)])
        client.close()
    assert {answer.status for answer in answers} == {200}
    assert tiny.connections <= 3


async def test_the_server_asks_to_close() -> None:
    async with serving(
        lambda _n, _r: [b"HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 0\r\n\r\n"]
    ) as (tiny, target):
        client = HttpClient(target, 1)
        assert [(await client.exchange(request_for("GET", "/", target))).status for _ in range(3)] == [
            200,
            200,
            200,
        ]
    assert tiny.connections == 3


async def test_hanging_up_loses_the_answer_and_not_the_request() -> None:
    arrived = asyncio.Event()

    def script(_number: int, _request: bytes) -> list[bytes | None]:
        arrived.set()
        return [OK]

    async with serving(script) as (tiny, target):
        client = HttpClient(target, 1)
        assert await client.exchange(request_for("GET", "/first", target), disconnect=True) == NO_ANSWER
        await asyncio.wait_for(arrived.wait(), 60)
        assert (await client.exchange(request_for("GET", "/second", target))).status == 200
        client.close()
    assert [request.split()[1] for request in tiny.requests] == [b"/first", b"/second"]


async def test_waiting_has_an_end() -> None:
    async with serving(lambda _number, _request: []) as (_, target):
        assert (
            await HttpClient(target, 1).exchange(request_for("GET", "/", target), seconds_max=0.05)
            == NO_ANSWER
        )


async def test_nobody_listens() -> None:
    async with serving(lambda _number, _request: []) as (_, target):
        pass
    assert await HttpClient(target, 1).exchange(request_for("GET", "/", target)) == NO_ANSWER
    with pytest.raises(OSError, match=r"refused|failed"):
        await connect(target)


async def test_sending_on_a_closed_connection_is_lost_at_once() -> None:
    answers: list[Reply] = []
    connection = HttpConnection()
    connection.send(b"", answers.append)
    assert answers == [NO_ANSWER]
    assert connection.closed


async def test_closed_loop_until_there_is_nothing_left() -> None:
    left = list(range(100))
    async with serving(lambda _number, _request: [OK]) as (tiny, target):
        run = await closed_loop(
            target,
            8,
            lambda: request_for("GET", f"/{left.pop()}", target) if left else None,
            30.0,
            keep_status=200,
        )
    assert run.recording.counts() == {200: 100}
    assert run.kept == [b"hi"] * 100
    assert len({request.split()[1] for request in tiny.requests}) == 100
    assert tiny.connections == 8
    assert run.per_second(200) > 0


async def test_closed_loop_ends_with_its_time() -> None:
    async with serving(lambda _number, _request: [OK]) as (_, target):
        run = await closed_loop(target, 2, lambda: request_for("GET", "/", target), 0.1)
    assert 0.05 < run.recording.last_answer_at() < 5
    assert run.recording.counts().keys() == {200}


async def test_closed_loop_connects_again() -> None:
    def script(number: int, _request: bytes) -> list[bytes | None]:
        return [None] if number % 10 == 0 else [OK]

    left = list(range(200))
    async with serving(script) as (tiny, target):
        run = await closed_loop(
            target, 4, lambda: request_for("GET", f"/{left.pop()}", target) if left else None, 30.0
        )
    assert run.recording.counts() == {200: 180, LOST: 20}
    assert tiny.connections > 4


async def test_closed_loop_ends_when_the_server_goes_away() -> None:
    async with serving(lambda number, _request: [OK] if number < 50 else [None]) as (tiny, target):

        def next_request() -> bytes:
            if len(tiny.requests) > 50:
                tiny.stop()
            return request_for("GET", "/", target)

        run = await closed_loop(target, 3, next_request, 30.0)
    assert run.recording.count(200) == 49
    assert run.recording.last_answer_at() < 20


async def test_open_loop_sends_on_time_and_counts_waiting() -> None:
    due = [0.0, 0.0, 0.05, 0.1]
    async with serving(lambda _number, _request: [OK]) as (tiny, target):
        run = await open_loop(
            target, 1, [request_for("GET", f"/{number}", target) for number in range(4)], due
        )
    assert run.recording.counts() == {200: 4}
    assert [request.split()[1] for request in tiny.requests] == [b"/0", b"/1", b"/2", b"/3"]
    assert list(run.recording.starts) == pytest.approx(due)
    assert run.recording.last_answer_at() >= 0.1


async def test_open_loop_with_a_server_that_closes() -> None:
    def script(number: int, _request: bytes) -> list[bytes | None]:
        return [None] if number % 3 == 0 else [OK]

    async with serving(script) as (_, target):
        run = await open_loop(
            target, 2, [request_for("GET", "/", target)] * 30, [number / 1000 for number in range(30)]
        )
    assert run.recording.counts() == {200: 20, LOST: 10}


async def test_volley_uses_a_connection_each() -> None:
    async with serving(lambda _number, _request: [OK]) as (tiny, target):
        run = await volley(target, [request_for("GET", "/", target)] * 300)
    assert run.recording.counts() == {200: 300}
    assert tiny.connections == 300
