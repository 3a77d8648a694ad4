"""The short way answers what the long way answers."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from litestar import get, post
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter

from evently.kit.errors import Busy, CommonRefusal, Refused
from evently.kit.ids import parse_id
from evently.web.edge.auth import PUBLIC, SIGNED_IN, policy
from evently.web.edge.context import Request, Response
from evently.web.edge.problems import problem
from tests.support.edge import client_of, edge_of

EVENT = "evt_01m7y4ef72ev2sxmcnxfse27zp"
KEY = Annotated[str | None, HeaderParameter(name="Idempotency-Key", min_length=1, max_length=10)]

SINCE = Annotated[int | None, QueryParameter(ge=0, le=2**63 - 1)]
LEAST = Annotated[int, QueryParameter(name="at-least", ge=1, le=100)]


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    quantity: Annotated[int, msgspec.Meta(ge=1, le=10)]
    note: str = ""


@post("/v1/events/{event_id:str}/wishes", **policy(PUBLIC, hot=True, rate="bookings"))
async def wish(
    request: Request, event_id: FromPath[str], data: JSONBody[Wish], key: KEY = None
) -> Response[dict[str, Any]]:
    parse_id("evt", event_id)
    if data.quantity == 9:
        raise Busy("full")
    if data.quantity == 8:
        return problem(request, Refused(CommonRefusal.FORBIDDEN, "people_only"))
    if data.quantity == 7:
        raise KeyError("bug")
    return Response(
        {"event": event_id, "quantity": data.quantity, "key": key}, headers={"Location": "/v1/wishes/1"}
    )


@get("/v1/events/{event_id:str}/wishes/{number:str}", **policy(PUBLIC, hot=True))
async def read(request: Request, event_id: FromPath[str], number: FromPath[str]) -> dict[str, str]:
    if number == "none":
        raise Refused(CommonRefusal.NOT_FOUND, "event")
    return {"event": event_id, "number": number}


@get("/v1/counts/{thing:str}", **policy(PUBLIC, hot=True))
async def count(
    request: Request,
    thing: FromPath[str],
    since: SINCE = None,
    least: LEAST = 1,
    q: Annotated[str | None, QueryParameter()] = None,
) -> dict[str, Any]:
    return {"thing": thing, "since": since, "least": least, "q": q}


@get("/v1/mine", **policy(SIGNED_IN, hot=True))
async def mine(request: Request) -> None:
    """Never reached without a token."""


ROUTES = [wish, read, count, mine]
QUERIES = {  # and whether it goes the short way
    "": True,
    "since=0": True,
    "since=17": True,
    f"since={2**63 - 1}": True,
    "since=17&at-least=3": True,
    "at-least=100": True,
    f"since={2**63}": False,
    "since=99999999999999999999999999": False,
    "since=-1": False,
    "since=-0": False,
    "since=%31": False,
    "since=+1": False,
    "since=01": False,
    "since=1.0": False,
    "since=1e3": False,
    "since=1_000": False,
    "since=\u0661": False,
    "since=x": False,
    "since=": False,
    "since": False,
    "since=1&since=2": False,
    "since=1&": False,
    "&": False,
    "=": False,
    "=1": False,
    "Since=1": False,
    "at-least=0": False,
    "at-least=101": False,
    "least=3": False,
    "q=1": False,
    "since=1&q=2": False,
    "unknown=1": False,
    "since=1&unknown=1": False,
    "since=1;at-least=2": False,
}
JSON = {"Content-Type": "application/json"}
PATH = f"/v1/events/{EVENT}/wishes"
EXCHANGES: list[tuple[str, str, dict[str, str], str]] = [
    ("POST", PATH, JSON | {"Idempotency-Key": "k"}, '{"quantity": 1}'),
    ("POST", PATH, JSON, '{"quantity": 1, "note": "ä"}'),
    ("POST", PATH, JSON, '{"quantity": 0, "extra": 1}'),
    ("POST", PATH, JSON, '{"quantity": 1, "note": "\\u0000"}'),
    ("POST", PATH, JSON | {"Idempotency-Key": "k" * 11}, '{"quantity": 1}'),
    ("POST", PATH, JSON, "{"),
    ("POST", PATH, JSON, ""),
    ("POST", PATH, {"Content-Type": "text/plain"}, "{}"),
    ("POST", PATH, {}, ""),
    ("POST", PATH, JSON, '{"quantity": 9}'),
    ("POST", PATH, JSON, '{"quantity": 8}'),
    ("POST", PATH, JSON, '{"quantity": 7}'),
    ("POST", f"{PATH}?unknown=1", JSON, '{"quantity": 1}'),
    ("POST", "/v1/events/nonsense/wishes", JSON, '{"quantity": 1}'),
    ("POST", "/v1/events/evt_%00/wishes", JSON, '{"quantity": 1}'),
    ("POST", "/v1/events/a%2Fb/wishes", JSON, '{"quantity": 1}'),
    ("POST", f"{PATH}/", JSON, '{"quantity": 1}'),
    ("GET", PATH, {}, ""),
    ("PUT", PATH, {}, ""),
    ("OPTIONS", PATH, {}, ""),
    ("GET", f"{PATH}/3", {}, ""),
    ("HEAD", f"{PATH}/3", {}, ""),
    ("GET", f"{PATH}/none", {}, ""),
    ("GET", f"{PATH}/n%C3%A4chste", {}, ""),
    ("GET", "/v1/mine", {}, ""),
    ("GET", "/v1/mine", {"Authorization": "Basic abc"}, ""),
    ("GET", "/v1/mine", {"Authorization": "Bearer abc"}, ""),
    ("GET", f"{PATH}/3", {"Authorization": "Bearer abc"}, ""),
    *[("GET", f"/v1/counts/3?{query}", {}, "") for query in QUERIES],
    ("HEAD", "/v1/counts/3?since=17", {}, ""),
    ("GET", "/v1/counts/3?since=17", {"Authorization": "Bearer abc"}, ""),
    ("POST", "/v1/counts/3?since=17", JSON, "{}"),
    ("GET", "/v1/mine?since=17", {}, ""),
]


@pytest.mark.parametrize(("method", "path", "headers", "body"), EXCHANGES)
async def test_both_ways_answer_the_same(method: str, path: str, headers: dict[str, str], body: str) -> None:
    answers = []
    for fast in (True, False):
        async with client_of(ROUTES, fast=fast) as client:
            answer = await client.request(
                method, path, headers=headers | {"X-Request-Id": "same"}, content=body
            )
            answers.append((answer.status_code, dict(sorted(answer.headers.items())), answer.content))
    assert answers[0] == answers[1]


async def test_hot_routes_really_go_the_short_way() -> None:
    async with edge_of(ROUTES) as edge:
        assert edge.fast_lane is not None
        found = edge.fast_lane.find({"method": "POST", "path": PATH, "query_string": b""})
        assert found is not None
        assert found.route.template == "/v1/events/{event_id}/wishes"
        for method, path, query in (
            ("POST", f"{PATH}/", b""),
            ("POST", PATH, b"a=1"),
            ("DELETE", PATH, b""),
            ("GET", PATH, b""),
        ):
            assert edge.fast_lane.find({"method": method, "path": path, "query_string": query}) is None


@pytest.mark.parametrize(("query", "is_short"), QUERIES.items())
async def test_only_plain_numbers_in_a_query_go_the_short_way(query: str, *, is_short: bool) -> None:
    async with edge_of(ROUTES) as edge:
        assert edge.fast_lane is not None
        found = edge.fast_lane.find({"method": "GET", "path": "/v1/counts/3", "query_string": query.encode()})
        assert (found is not None) == is_short


async def test_a_handler_that_needs_more_cannot_be_hot() -> None:
    @get("/v1/things", **policy(PUBLIC, hot=True))
    async def things(request: Request, q: Annotated[str, QueryParameter()]) -> None:
        """Has a query that it needs."""

    with pytest.raises(AssertionError, match="to be hot"):
        async with edge_of([things]):
            pass


async def test_every_route_needs_a_policy() -> None:
    @get("/v1/open")
    async def forgotten() -> None:
        """Has no policy."""

    with pytest.raises(AssertionError, match="no policy"):
        async with edge_of([forgotten]):
            pass
