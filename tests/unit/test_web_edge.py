"""The one middleware: what it promises about every answer."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import zlib
from collections.abc import AsyncIterator
from typing import Any

import brotli
import httpx2
import msgspec
import pytest

from evently.kit.errors import Busy, OutcomeUnknown, Unavailable
from evently.payments import GatewayTrouble
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.compression import best_coding
from evently.web.edge.context import Request, Response
from evently.web.edge.routing import JSONBody, get, post
from tests.support.edge import Stream, client_of, edge_of

LONG = "a ticket, please. " * 200


class Note(msgspec.Struct, forbid_unknown_fields=True):
    text: str


@get("/short", **policy(PUBLIC))
async def short(request: Request) -> Response[Note]:
    return Response(Note("short"), headers={"etag": '"1"', "cache-control": "public, max-age=5"})


@get("/long", **policy(PUBLIC))
async def long(request: Request) -> Response[Note]:
    return Response(Note(LONG), headers={"etag": '"7"'})


@get("/page", **policy(PUBLIC))
async def page(request: Request) -> Response[str]:
    return Response(
        "<p>",
        media_type="text/html; charset=utf-8",
        headers={"content-security-policy": "default-src 'self'"},
    )


@get("/stream", media_type="text/csv", **policy(PUBLIC))
async def stream(request: Request) -> Stream:
    async def lines() -> AsyncIterator[str]:
        for number in range(300):
            yield f"{number},a line\n"

    return Stream(lines(), media_type="text/csv")


@get("/events", media_type="text/event-stream", **policy(PUBLIC))
async def events(request: Request) -> Stream:
    async def messages() -> AsyncIterator[str]:
        for _ in range(100):
            yield "data: a message that is long enough\n\n"

    return Stream(messages(), media_type="text/event-stream")


@post("/note", **policy(PUBLIC))
async def note(request: Request, data: JSONBody[Note]) -> Response[Note]:
    return Response(data, status_code=200)


class FrozenDatabase(Unavailable):
    """A kind of trouble that the table of problems does not name."""


@get("/fail/{how}", **policy(PUBLIC))
async def fail(request: Request) -> None:
    raise {
        "bug": KeyError("secret"),
        "busy": Busy("bookings"),
        "away": Unavailable("unreachable"),
        "unknown": OutcomeUnknown("lost"),
        "kind of away": FrozenDatabase("silent", seconds_max="2"),
        "gateway": GatewayTrouble("Stripe does not accept our key", effect_unknown=True),
    }[request.path_values["how"]]


@get("/half", **policy(PUBLIC))
async def half(request: Request) -> Stream:
    async def lines() -> AsyncIterator[str]:
        yield "a beginning"
        raise KeyError("half-way")

    return Stream(lines(), media_type="text/plain")


ROUTES = [short, long, page, stream, events, note, fail, half]


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(ROUTES) as opened:
        yield opened


def test_request_ids() -> None:
    """Made unless given, unless what was given could hurt a log."""

    async def story() -> None:
        async with client_of(ROUTES) as client:
            made = {(await client.get("/short")).headers["x-request-id"] for _ in range(3)}
            assert len(made) == 3
            for given, kept in {
                "abc-123": True,
                "a" * 128: True,
                "a" * 129: False,
                "a b": False,
                'a"b': False,
                "ä": False,
                "": False,
            }.items():
                answer = await client.get("/short", headers=[(b"X-Request-Id", given.encode())])
                assert (answer.headers["x-request-id"] == given) is kept, given
            refused = await client.get("/nothing", headers={"X-Request-Id": "mine"})
            assert refused.headers["x-request-id"] == refused.json()["request_id"] == "mine"

    asyncio.run(story())


async def test_every_answer_has_the_security_headers(client: httpx2.AsyncClient) -> None:
    for path in ("/short", "/nothing", "/fail/bug"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert "strict-transport-security" not in headers
        assert "server" not in headers
    assert (await client.get("/page")).headers["content-security-policy"] == "default-src 'self'"


async def test_strict_transport_only_where_it_is_https() -> None:
    async with client_of(ROUTES, public_url="https://tickets.example") as client:
        assert "max-age=" in (await client.get("/short")).headers["strict-transport-security"]
        assert (await client.get("/nothing")).json()["type"] == "https://tickets.example/problems/not-found"


async def test_answers_are_not_stored_unless_they_say_so(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/short")).headers["cache-control"] == "public, max-age=5"
    assert (await client.get("/long")).headers["cache-control"] == "no-store"
    assert (await client.get("/nothing")).headers["cache-control"] == "no-store"


async def test_what_has_no_route_is_a_problem_too(client: httpx2.AsyncClient) -> None:
    for answer, status, code in (
        (await client.get("/nothing"), 404, "not-found"),
        (await client.put("/short"), 405, "method-not-allowed"),
        (await client.request("BREW", "/short"), 405, "method-not-allowed"),
        (await client.get("/short", headers={"Host": "a b"}), 400, "malformed"),
    ):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        said = answer.json()
        assert said["code"] == code
        assert said["status"] == status
        assert said["type"] == f"/problems/{code}"
        assert said["title"]
        assert said["detail"]
    assert set((await client.put("/short")).headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


async def test_options_say_what_is_possible(client: httpx2.AsyncClient) -> None:
    answer = await client.options("/short")
    assert answer.status_code == 204
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


async def test_head_is_get_without_a_body(client: httpx2.AsyncClient) -> None:
    got, head = await client.get("/short"), await client.head("/short")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == got.headers["content-length"]
    assert head.headers["etag"] == got.headers["etag"]
    assert (await client.head("/note")).status_code == 405


@pytest.mark.parametrize(
    ("how", "code", "status", "wait"),
    [
        ("busy", "busy", 503, "1"),
        ("away", "database-unavailable", 503, "2"),
        ("unknown", "outcome-unknown", 503, "1"),
        ("kind of away", "database-unavailable", 503, "2"),
        ("gateway", "unavailable", 503, "5"),
    ],
)
async def test_trouble_is_answered_with_when_to_come_back(
    client: httpx2.AsyncClient, how: str, code: str, status: int, wait: str
) -> None:
    answer = await client.get(f"/fail/{how}")
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (status, code, wait)
    assert "Stripe" not in answer.text, "what a gateway says is not for everybody"


async def test_a_bug_is_answered_and_logged_and_tells_nothing(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await client.get("/fail/bug", headers={"X-Request-Id": "the-one"})
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal-error"
    assert answer.json()["request_id"] == "the-one"
    assert "secret" not in answer.text


async def test_an_answer_that_breaks_off_is_not_taken_for_whole() -> None:
    async with edge_of(ROUTES) as edge:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        with pytest.raises(Exception, match=r"half-way|after response started"):
            await edge(_scope("/half"), _no_body, send)
    assert sent[-1].get("more_body", False), "the last part must not look like the end"


@pytest.mark.parametrize("length", ["300000", "99999999999999999999"])
async def test_a_body_that_says_it_is_too_long_is_not_read(client: httpx2.AsyncClient, length: str) -> None:
    answer = await client.post(
        "/note", headers={"Content-Length": length, "Content-Type": "application/json"}, content=b""
    )
    assert answer.status_code == 413
    assert answer.json()["code"] == "too-large"
    assert answer.headers["connection"] == "close"


async def test_a_body_that_does_not_say_how_long_it_is_is_counted() -> None:
    async def chunks(size: int) -> AsyncIterator[bytes]:
        yield b'{"text":"'
        for _ in range(size):
            yield b"x" * 100
        yield b'"}'

    async with client_of(ROUTES, body_bytes_max=1000) as client:
        headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
        assert (await client.post("/note", headers=headers, content=chunks(9))).status_code == 200
        refused = await client.post("/note", headers=headers, content=chunks(11))
        assert refused.status_code == 413
        assert refused.json()["code"] == "too-large"


async def test_long_answers_are_compressed(client: httpx2.AsyncClient) -> None:
    plain = await client.get("/long", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == "Accept-Encoding"
    assert plain.headers["etag"] == '"7"'
    for coding, unpack in {"br": brotli.decompress, "gzip": lambda raw: zlib.decompress(raw, 31)}.items():
        async with client.stream("GET", "/long", headers={"Accept-Encoding": coding}) as answer:
            raw = b"".join([part async for part in answer.aiter_raw()])
        assert answer.headers["content-encoding"] == coding
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers["etag"] == f'"7-{coding}"', "other bytes, another tag"
        assert len(raw) < len(plain.content) / 5
        assert unpack(raw) == plain.content


async def test_short_answers_and_streams_of_events_are_not_compressed(client: httpx2.AsyncClient) -> None:
    headers = {"Accept-Encoding": "br, gzip"}
    short_one, messages = (
        await client.get("/short", headers=headers),
        await client.get("/events", headers=headers),
    )
    for answer in (short_one, messages):
        assert "content-encoding" not in answer.headers
        assert "vary" not in answer.headers
    assert messages.text.count("data:") == 100


async def test_streams_are_compressed_as_they_come(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/stream", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "content-length" not in answer.headers
    assert answer.text.splitlines() == [f"{number},a line" for number in range(300)]


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (b"", None),
        (b"gzip", "gzip"),
        (b"br", "br"),
        (b"gzip, deflate, br", "br"),
        (b"gzip;q=1.0, br;q=0.5", "gzip"),
        (b"br;q=0, gzip", "gzip"),
        (b"*", "br"),
        (b"*;q=0", None),
        (b"br;q=0, *", "gzip"),
        (b"identity", None),
        (b"GZIP", "gzip"),
        (b"gzip;q=nonsense", None),
        (b"\xff\xfe", None),
    ],
)
def test_the_coding_that_is_wanted_most(accepted: bytes, coding: str | None) -> None:
    assert best_coding(accepted) == coding


async def test_pages_of_allowed_origins_may_call() -> None:
    async with client_of(ROUTES, cors_origins=("https://shop.example",)) as client:
        mine = await client.get("/short", headers={"Origin": "https://shop.example"})
        assert mine.headers["access-control-allow-origin"] == "https://shop.example"
        assert mine.headers["vary"] == "Origin"
        exposed = mine.headers["access-control-expose-headers"]
        for name in (
            "ETag",
            "Link",
            "RateLimit",
            "RateLimit-Policy",
            "Retry-After",
            "Location",
            "X-Request-Id",
            "Idempotent-Replayed",
        ):
            assert name in exposed.split(", ")
        assert "access-control-allow-credentials" not in mine.headers
        foreign = await client.get("/short", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in foreign.headers
        assert foreign.headers["vary"] == "Origin"
        assert "vary" not in (await client.get("/short")).headers
        refused = await client.get("/nothing", headers={"Origin": "https://shop.example"})
        assert refused.headers["access-control-allow-origin"] == "https://shop.example", (
            "pages must be able to read problems"
        )


async def test_browsers_may_ask_before_they_call() -> None:
    asked = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    async with client_of(ROUTES, cors_origins=("https://shop.example",)) as client:
        answer = await client.options("/note", headers=asked)
        assert answer.status_code == 204
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert "Idempotency-Key" in answer.headers["access-control-allow-headers"]
        foreign = await client.options("/note", headers=asked | {"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in foreign.headers
    async with client_of(ROUTES) as client:
        assert "access-control-allow-origin" not in (await client.options("/note", headers=asked)).headers


async def test_the_access_log_has_one_line_per_request(capsys: pytest.CaptureFixture[str]) -> None:
    async with edge_of(ROUTES, access_log=True) as edge:
        transport = httpx2.ASGITransport(app=edge)
        async with httpx2.AsyncClient(transport=transport, base_url="http://evently.example") as client:
            trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
            headers = {"Traceparent": trace, "X-Request-Id": "one", "Authorization": "Bearer hidden"}
            await client.post("/note?q=hidden", headers=headers, json={"text": "hidden"})
            await client.get("/nothing%0A", headers={"X-Request-Id": "two", "Traceparent": "nonsense"})
        edge.close()
    text = capsys.readouterr().err
    first, second = (json.loads(line) for line in text.splitlines())
    assert "hidden" not in text
    assert (first["method"], first["path"], first["route"], first["status"]) == (
        "POST",
        "/note",
        "/note",
        422,
    )
    assert (first["request_id"], first["trace_id"], first["client"]) == (
        "one",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "127.0.0.1",
    )
    assert first["milliseconds"] >= 0
    assert first["bytes"] > 100
    assert (second["route"], second["status"]) == ("unmatched", 404)
    assert "trace_id" not in second


async def test_a_web_socket_where_there_is_none_gets_the_response_to_a_request() -> None:
    """ASGI calls that a denial: the server sends it in the place of the handshake."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async with edge_of(ROUTES) as edge:
        await edge({**_scope("/nowhere"), "type": "websocket"}, _no_body, send)
    assert [each["type"] for each in sent] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]
    assert sent[0]["status"] == 404


async def test_a_client_that_goes_away_is_no_alarm(caplog: pytest.LogCaptureFixture) -> None:
    async with edge_of(ROUTES) as edge:

        async def gone() -> Any:
            return {"type": "http.disconnect"}

        async def send(_: Any) -> None:
            """Nobody is there."""

        with caplog.at_level(logging.WARNING):
            await edge(
                _scope("/note", "POST", [(b"content-type", b"application/json"), (b"content-length", b"10")]),
                gone,
                send,
            )
    assert caplog.records == []


def _scope(path: str, method: str = "GET", headers: list[tuple[bytes, bytes]] | None = None) -> Any:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers or [],
        "client": ("127.0.0.1", 1234),
        "server": ("127.0.0.1", 80),
        "state": {},
    }


async def _no_body() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


@pytest.mark.parametrize("path", ["/short", "/long", "/short?unknown=1", "/nowhere"])
async def test_nothing_of_a_request_is_kept(path: str) -> None:
    """Whatever a process keeps of each request, an object even, fills it up in a month."""
    async with client_of([short, long]) as client:

        async def kept_by(requests: int) -> int:
            gc.collect()
            before = len(gc.get_objects())
            for _ in range(requests):
                await client.get(path)
            gc.collect()
            return len(gc.get_objects()) - before

        await kept_by(50)
        assert await kept_by(200) < 100
