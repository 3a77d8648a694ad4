"""Rate limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evently.kit.errors import Busy, Refused
from evently.web.edge import limits as module
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.clients import Client
from evently.web.edge.context import Request, Response
from evently.web.edge.exchange import Exchange
from evently.web.edge.limits import UNKNOWN_TIMES, Limit, Limits, RateState
from evently.web.edge.options import RateOptions
from evently.web.edge.routing import JSONBody, get, post
from tests.support.edge import Stream, client_of, edge_of


class Hand:
    """A clock's hand."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def test_a_minutes_worth_at_once_then_one_at_a_time() -> None:
    hand = Hand()
    limit = Limit("bookings", 6, hand)
    assert [limit.hit("a").left for _ in range(6)] == [5, 4, 3, 2, 1, 0]
    assert limit.hit("a") == RateState(allowed=False, left=0, seconds=10)
    assert limit.hit("b").allowed, "each key has its own count"
    hand.at += 9.5
    assert limit.hit("a") == RateState(allowed=False, left=0, seconds=1)
    hand.at += 0.5
    assert limit.hit("a") == RateState(allowed=True, left=0, seconds=60)
    hand.at += 60
    assert limit.hit("a") == RateState(allowed=True, left=5, seconds=10)


@given(st.lists(st.floats(min_value=0, max_value=40), max_size=80), st.integers(min_value=1, max_value=20))
def test_no_minute_ever_sees_more_than_twice_the_limit(pauses: list[float], per_minute: int) -> None:
    """A full bucket allows its content and its refill, never more, wherever the minute begins."""
    hand, allowed = Hand(), []
    limit = Limit("x", per_minute, hand)
    for pause in pauses:
        hand.at += pause
        if limit.hit("key").allowed:
            allowed.append(hand.at)
    for start in allowed:
        assert sum(start <= at < start + 60 for at in allowed) <= 2 * per_minute


def test_keys_that_owe_nothing_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEYS_MAX", 100)
    hand = Hand()
    limit = Limit("x", 60, hand)
    for number in range(100):
        limit.hit(number)
    hand.at += 2
    limit.hit("late")
    assert len(limit._even_at) == 1
    for number in range(1000):
        limit.hit(number)
    assert len(limit._even_at) == 1001, "keys with a recent request are kept, however many there are"


@get("/read", **policy(PUBLIC))
async def read(request: Request) -> Response[str]:
    return Response("read")


@post("/login", **policy(PUBLIC, rate="login"))
async def login(request: Request) -> Response[str]:
    return Response("in")


@get("/report", **policy(PUBLIC, rate="heavy"))
async def report(request: Request) -> Stream:
    async def lines() -> AsyncIterator[str]:
        yield "a report"

    return Stream(lines())


@get("/broken-report", **policy(PUBLIC, rate="heavy"))
async def broken(request: Request) -> None:
    raise KeyError("report")


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    text: str


@post("/heavy", **policy(PUBLIC, rate="heavy"))
async def heavy(request: Request, data: JSONBody[Wish]) -> Response[str]:
    return Response("heavy")


ROUTES = [read, login, report, broken]


async def test_answers_say_what_is_left_and_when_to_come_back() -> None:
    async with client_of(ROUTES, rates=RateOptions(reads=2)) as client:
        first, second, third = [await client.get("/read") for _ in range(3)]
    assert first.headers["ratelimit-policy"] == '"reads";q=2;w=60'
    assert first.headers["ratelimit"] == '"reads";r=1;t=30'
    assert second.headers["ratelimit"] == '"reads";r=0;t=60'
    assert third.status_code == 429
    assert third.json()["code"] == "rate-limited"
    assert third.headers["retry-after"] == "30"
    assert third.headers["ratelimit"] == '"reads";r=0;t=30'
    assert third.json()["retry_after"] == 30


async def test_without_a_limit_nothing_is_said() -> None:
    async with client_of(ROUTES, rates=RateOptions(reads=0)) as client:
        assert "ratelimit" not in (await client.get("/read")).headers


async def test_an_address_is_limited_whatever_the_account() -> None:
    async with client_of(ROUTES, rates=RateOptions(login=2), trusted_proxies=("127.0.0.1",)) as client:
        same = [await client.post("/login", headers={"X-Forwarded-For": "192.0.2.1"}) for _ in range(3)]
        other = await client.post("/login", headers={"X-Forwarded-For": "192.0.2.2"})
        # One IPv6 subscriber has a whole /64.
        many = [
            await client.post("/login", headers={"X-Forwarded-For": f"2001:db8::{number}"})
            for number in range(3)
        ]
    assert [answer.status_code for answer in same] == [201, 201, 429]
    assert other.status_code == 201
    assert many[2].status_code == 429


async def test_few_reports_run_at_a_time() -> None:
    limits = Limits(RateOptions(), heavy_reads_max=1)
    first, second = (Exchange({}, {}, "id", Client("127.0.0.1")) for _ in range(2))
    await limits.enter_heavy(first, "a")
    waiting = asyncio.create_task(limits.enter_heavy(second, "b"))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert first.release is not None
    first.release()
    await waiting
    assert second.release is not None


async def test_one_organizer_has_one_report_at_a_time() -> None:
    limits = Limits(RateOptions(), heavy_reads_max=2)
    first, second, other = (Exchange({}, {}, "id", Client("127.0.0.1")) for _ in range(3))
    await limits.enter_heavy(first, "a")
    waiting = asyncio.create_task(limits.enter_heavy(second, "a"))
    await asyncio.sleep(0)
    await limits.enter_heavy(other, "b")
    assert not waiting.done()
    for exchange in (first, other):
        assert exchange.release is not None
        exchange.release()
    await waiting
    assert second.release is not None
    second.release()
    assert limits._turns == {}, "nobody is remembered who has none"


async def test_a_report_that_waits_too_long_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEAVY_WAIT_SECONDS_MAX", 0.01)
    limits = Limits(RateOptions(), heavy_reads_max=1)
    await limits.enter_heavy(Exchange({}, {}, "id", Client("127.0.0.1")), object())
    with pytest.raises(Busy):
        await limits.enter_heavy(Exchange({}, {}, "id", Client("127.0.0.1")), object())


async def test_the_turn_of_a_report_ends_with_its_answer() -> None:
    async with client_of(ROUTES, heavy_reads_max=1) as client:
        for _ in range(3):
            assert (await client.get("/report")).status_code == 200
            assert (await client.get("/broken-report")).status_code == 500


async def test_without_its_store_each_process_counts_for_itself() -> None:
    limits = Limits(RateOptions(reads=2, store_url="memory://"), heavy_reads_max=1)
    try:
        exchange = Exchange({}, {}, "id", Client("127.0.0.1"))
        await limits.check("reads", "a", exchange)
        await limits.check("reads", "a", exchange)
        with pytest.raises(Refused):
            await limits.check("reads", "a", exchange)
    finally:
        await limits.close()


async def test_the_address_in_the_answer_comes_from_the_client(capsys: pytest.CaptureFixture[str]) -> None:
    async with client_of(ROUTES, rates=RateOptions(reads=1), trusted_proxies=("127.0.0.0/8",)) as client:
        answers: list[httpx2.Response] = [
            await client.get("/read", headers={"X-Forwarded-For": f"192.0.2.{n}"}) for n in (1, 2, 1)
        ]
    assert [answer.status_code for answer in answers] == [200, 200, 429]


async def test_a_slot_is_taken_when_the_whole_body_is_there() -> None:
    async with edge_of([heavy], heavy_reads_max=1) as edge:
        limits, arrived, rest = edge.context.limits, asyncio.Event(), asyncio.Event()
        sent: list[int] = []

        async def receive() -> dict[str, object]:
            if not arrived.is_set():
                arrived.set()
                return {"type": "http.request", "body": b'{"text":', "more_body": True}
            await rest.wait()
            return {"type": "http.request", "body": b'"a"}', "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                sent.append(message["status"])

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/heavy",
            "query_string": b"",
            "client": ("127.0.0.1", 1),
            "headers": [(b"host", b"a"), (b"content-type", b"application/json")],
        }
        slow = asyncio.create_task(edge(scope, receive, send))
        await arrived.wait()
        quick = Exchange({}, {}, "id", Client("127.0.0.1"))
        await asyncio.wait_for(limits.enter_heavy(quick, "another"), 30)
        assert quick.release is not None
        quick.release()
        rest.set()
        await slow
        assert sent == [201]


HIDDEN = ["unknown", "_hidden", "", None]  # what a proxy says of a client that it does not name


@pytest.mark.parametrize("said", HIDDEN)
async def test_clients_that_a_proxy_does_not_name_do_not_share_the_limit_of_one(
    said: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    rates = RateOptions(login=2)
    headers = {} if said is None else {"X-Forwarded-For": said}
    async with client_of(ROUTES, rates=rates, trusted_proxies=("127.0.0.1",)) as client:
        answers = [await client.post("/login", headers=headers) for _ in range(2 * UNKNOWN_TIMES + 1)]
        named = await client.post("/login", headers={"X-Forwarded-For": "192.0.2.1"})
    assert [answer.status_code for answer in answers] == [201] * (2 * UNKNOWN_TIMES) + [429]
    assert answers[0].headers["ratelimit-policy"] == f'"login";q={2 * UNKNOWN_TIMES};w=60'
    assert named.status_code == 201, "their limit is their own"
    assert capsys.readouterr().out.count("a trusted proxy does not tell") == 1


async def test_the_checks_of_a_load_balancer_are_no_reason_to_warn(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with client_of(None, trusted_proxies=("127.0.0.1",)) as client:
        assert (await client.get("/livez")).status_code == 200
    assert "a trusted proxy" not in capsys.readouterr().out
