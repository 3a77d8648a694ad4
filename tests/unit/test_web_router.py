"""The router: finds the route of a request, reads its arguments, and responds to everything."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest

from evently.kit.errors import Busy, CommonRefusal, Refused
from evently.kit.ids import parse_id
from evently.web.edge.auth import PUBLIC, SIGNED_IN, policy
from evently.web.edge.context import Request, Response
from evently.web.edge.problems import problem
from evently.web.edge.routing import FromPath, HeaderParameter, JSONBody, QueryParameter, delete, get, post
from tests.support.edge import client_of, edge_of

EVENT = "evt_01m7y4ef72ev2sxmcnxfse27zp"
KEY = Annotated[str | None, HeaderParameter(name="Idempotency-Key", min_length=1, max_length=10)]

SINCE = Annotated[int | None, QueryParameter(ge=0, le=2**63 - 1)]
LEAST = Annotated[int, QueryParameter(name="at-least", ge=1, le=100)]


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    quantity: Annotated[int, msgspec.Meta(ge=1, le=10)]
    note: str = ""


@post("/v1/events/{event_id}/wishes", **policy(PUBLIC, rate="bookings"))
async def wish(
    request: Request, event_id: FromPath[str], data: JSONBody[Wish], key: KEY = None
) -> Response[dict[str, Any]]:
    parse_id("evt", event_id)
    if data.quantity == 9:
        raise Busy("bookings")
    if data.quantity == 8:
        return problem(request, Refused(CommonRefusal.FORBIDDEN, "people_only"))
    if data.quantity == 7:
        raise KeyError("bug")
    return Response(
        {"event": event_id, "quantity": data.quantity, "key": key}, headers={"Location": "/v1/wishes/1"}
    )


@get("/v1/events/{event_id}/wishes/{number}", **policy(PUBLIC))
async def read(request: Request, event_id: FromPath[str], number: FromPath[str]) -> dict[str, str]:
    if number == "none":
        raise Refused(CommonRefusal.NOT_FOUND, "event")
    return {"event": event_id, "number": number}


@get("/v1/counts/{thing}", **policy(PUBLIC))
async def count(
    request: Request,
    thing: FromPath[str],
    since: SINCE = None,
    least: LEAST = 1,
    q: Annotated[str | None, QueryParameter()] = None,
) -> dict[str, Any]:
    return {"thing": thing, "since": since, "least": least, "q": q}


@get("/v1/mine", **policy(SIGNED_IN))
async def mine(request: Request) -> None:
    """Never reached without a token."""


ROUTES = [wish, read, count, mine]
# Queries of `count` with what the handler gets, or None where the query is refused.
QUERIES: dict[str, dict[str, Any] | None] = {
    "": {},
    "since=0": {"since": 0},
    "since=17": {"since": 17},
    f"since={2**63 - 1}": {"since": 2**63 - 1},
    "since=17&at-least=3": {"since": 17, "least": 3},
    "at-least=100": {"least": 100},
    f"since={2**63}": None,
    "since=99999999999999999999999999": None,
    "since=-1": None,
    "since=-0": {"since": 0},
    "since=%31": {"since": 1},
    "since=+1": None,
    "since=01": None,
    "since=1.0": {"since": 1},
    "since=1e3": {"since": 1000},
    "since=1_000": None,
    "since=\u0661": None,
    "since=x": None,
    "since=": None,
    "since": None,
    "since=1&since=2": None,
    "since=1&": {"since": 1},
    "&": {},
    "=": None,
    "=1": None,
    "Since=1": None,
    "at-least=0": None,
    "at-least=101": None,
    "least=3": None,
    "q=1": {"q": "1"},
    "since=1&q=2": {"since": 1, "q": "2"},
    "unknown=1": None,
    "since=1&unknown=1": None,
    "since=1;at-least=2": None,
}
JSON = {"Content-Type": "application/json"}
PATH = f"/v1/events/{EVENT}/wishes"
# A request, and the status and code of its response.
EXCHANGES: list[tuple[str, str, dict[str, str], str, int, str | None]] = [
    ("POST", PATH, JSON | {"Idempotency-Key": "k"}, '{"quantity": 1}', 201, None),
    ("POST", PATH, JSON, '{"quantity": 1, "note": "ä"}', 201, None),
    ("POST", PATH, JSON, '{"quantity": 0, "extra": 1}', 422, "invalid"),
    ("POST", PATH, JSON, '{"quantity": 1, "note": "\\u0000"}', 422, "invalid"),
    ("POST", PATH, JSON | {"Idempotency-Key": "k" * 11}, '{"quantity": 1}', 422, "invalid"),
    ("POST", PATH, JSON, "{", 400, "malformed"),
    ("POST", PATH, JSON, "", 400, "malformed"),
    ("POST", PATH, {"Content-Type": "text/plain"}, "{}", 415, "unsupported-media-type"),
    ("POST", PATH, {}, "", 415, "unsupported-media-type"),
    ("POST", PATH, JSON, '{"quantity": 9}', 503, "busy"),
    ("POST", PATH, JSON, '{"quantity": 8}', 403, "forbidden"),
    ("POST", PATH, JSON, '{"quantity": 7}', 500, "internal-error"),
    ("POST", f"{PATH}?unknown=1", JSON, '{"quantity": 1}', 422, "invalid"),
    ("POST", "/v1/events/nonsense/wishes", JSON, '{"quantity": 1}', 404, "not-found"),
    ("POST", "/v1/events/evt_%00/wishes", JSON, '{"quantity": 1}', 404, "not-found"),
    ("POST", "/v1/events/a%2Fb/wishes", JSON, '{"quantity": 1}', 404, "not-found"),
    ("POST", f"{PATH}/", JSON, '{"quantity": 1}', 201, None),
    ("POST", PATH.replace("/events", "//events"), JSON, '{"quantity": 1}', 201, None),
    ("GET", PATH, {}, "", 405, "method-not-allowed"),
    ("PUT", PATH, {}, "", 405, "method-not-allowed"),
    ("OPTIONS", PATH, {}, "", 204, None),
    ("GET", f"{PATH}/3", {}, "", 200, None),
    ("HEAD", f"{PATH}/3", {}, "", 200, None),
    ("GET", f"{PATH}/none", {}, "", 404, "not-found"),
    ("GET", f"{PATH}/n%C3%A4chste", {}, "", 200, None),
    ("GET", "/v1/mine", {}, "", 401, "unauthenticated"),
    ("GET", "/v1/mine", {"Authorization": "Basic abc"}, "", 401, "unauthenticated"),
    ("GET", "/v1/mine", {"Authorization": "Bearer abc"}, "", 401, "token-invalid"),
    ("GET", "/v1/mine?since=17", {}, "", 401, "unauthenticated"),
    ("GET", f"{PATH}/3", {"Authorization": "Bearer abc"}, "", 401, "token-invalid"),
    ("HEAD", "/v1/counts/3?since=17", {}, "", 200, None),
    ("GET", "/v1/counts/3?since=17", {"Authorization": "Bearer abc"}, "", 401, "token-invalid"),
    ("POST", "/v1/counts/3?since=17", JSON, "{}", 405, "method-not-allowed"),
    ("GET", "/v1/mine", {"Host": "a b"}, "", 400, "malformed"),
    ("GET", f"{PATH}/3", {"Host": "[::1]:8000"}, "", 200, None),
    ("GET", "/v1", {}, "", 404, "not-found"),
    ("GET", f"{PATH}/3/4", {}, "", 404, "not-found"),
]


@pytest.mark.parametrize(("method", "path", "headers", "body", "status", "code"), EXCHANGES)
async def test_requests_and_their_responses(
    method: str, path: str, headers: dict[str, str], body: str, status: int, code: str | None
) -> None:
    async with client_of(ROUTES) as client:
        response = await client.request(method, path, headers=headers, content=body)
    assert response.status_code == status
    if code is not None:
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["code"] == code


@pytest.mark.parametrize(("query", "expected"), QUERIES.items())
async def test_queries_are_read_strictly(query: str, expected: dict[str, Any] | None) -> None:
    async with client_of(ROUTES) as client:
        response = await client.get(f"/v1/counts/3?{query}")
    if expected is None:
        assert response.status_code == 422
        assert all(error["pointer"].startswith("?") for error in response.json()["errors"])
    else:
        assert response.json() == {"thing": "3", "since": None, "least": 1, "q": None} | expected


async def test_every_wrong_parameter_is_reported_at_once() -> None:
    async with client_of(ROUTES) as client:
        response = await client.get("/v1/counts/3?since=x&at-least=0&q=%00&other=1")
    assert [error["pointer"] for error in response.json()["errors"]] == [
        "?other",
        "?since",
        "?at-least",
        "?q",
    ]


async def test_allow_names_every_method_of_an_address() -> None:
    @get("/v1/things", **policy(PUBLIC))
    async def things(request: Request) -> None: ...

    @delete("/v1/things", **policy(PUBLIC))
    async def remove(request: Request) -> None: ...

    async with client_of([things, remove]) as client:
        for method, status in (("OPTIONS", 204), ("PUT", 405)):
            response = await client.request(method, "/v1/things")
            assert response.status_code == status
            assert response.headers["allow"] == "DELETE, GET, OPTIONS, HEAD"


async def test_text_in_a_path_wins_over_a_parameter_and_the_rest_takes_slashes() -> None:
    @get("/v1/{name}", **policy(PUBLIC))
    async def named(request: Request, name: FromPath[str]) -> dict[str, str]:
        return {"named": name}

    @get("/v1/fixed", **policy(PUBLIC))
    async def fixed(request: Request) -> dict[str, str]:
        return {"fixed": "fixed"}

    @get("/files/{path:path}", **policy(PUBLIC))
    async def files(request: Request, path: FromPath[str]) -> dict[str, str]:
        return {"path": path}

    async with client_of([named, fixed, files]) as client:
        assert (await client.get("/v1/fixed")).json() == {"fixed": "fixed"}
        assert (await client.get("/v1/other")).json() == {"named": "other"}
        assert (await client.get("/files/a/b.css")).json() == {"path": "a/b.css"}
        assert (await client.get("/files/")).status_code == 404


async def test_a_route_says_where_its_arguments_come_from() -> None:
    @get("/v1/things", **policy(PUBLIC))
    async def things(request: Request, q: str) -> None:
        """Does not say where q comes from."""

    with pytest.raises(AssertionError, match="where q comes from"):
        async with edge_of([things]):
            pass


async def test_an_address_has_one_route_for_a_method() -> None:
    with pytest.raises(AssertionError, match="there twice"):
        async with edge_of([mine, mine]):
            pass


def test_every_route_needs_a_policy() -> None:
    with pytest.raises(TypeError, match="policy"):
        get("/v1/open")


@post("/v1/acts", **policy(PUBLIC))
async def act(request: Request) -> Response[str]:
    return Response("done")


@delete("/v1/acts", **policy(PUBLIC))
async def undo(request: Request) -> Response[None]:
    return Response(None)


@post("/v1/raw", reads_body=True, **policy(PUBLIC))
async def raw(request: Request) -> Response[str]:
    return Response((await request.body()).decode())


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", None),
        (b"{}", None),
        (b" {} \n", None),
        (b'{"refund":false}', "invalid"),
        (b"[]", "invalid"),
        (b"null", "invalid"),
        (b"nonsense", "malformed"),
    ],
)
async def test_a_body_where_none_is_taken_is_refused(method: str, body: bytes, code: str | None) -> None:
    headers = {"content-type": "application/json"}
    async with client_of([act, undo, raw]) as client:
        answer = await client.request(method, "/v1/acts", content=body, headers=headers)
        if code is None:
            assert answer.is_success
        else:
            assert (answer.status_code, answer.json()["code"]) == (400 if code == "malformed" else 422, code)
        assert (await client.post("/v1/raw", content=body)).text == body.decode()
    if b"refund" in body:
        assert answer.json()["errors"] == [
            {"pointer": "/refund", "code": "unknown-field", "detail": "There is no such field."}
        ]


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: str = "none"


@post("/v1/choices", **policy(PUBLIC))
async def choose(request: Request, data: JSONBody[Choice] = Choice()) -> Response[str]:  # noqa: B008
    return Response(data.code)


async def test_a_body_with_a_default_may_be_left_out() -> None:
    json = {"content-type": "application/json"}
    async with client_of([choose]) as client:
        assert (await client.post("/v1/choices")).text == "none"
        assert (await client.post("/v1/choices", content=b" {}")).text == "none"
        assert (await client.post("/v1/choices", content=b"{}", headers=json)).text == "none"
        assert (await client.post("/v1/choices", json={"code": "some"})).text == "some"
        assert (await client.post("/v1/choices", json={"cod": "some"})).status_code == 422
        assert (await client.post("/v1/choices", content=b'{"code": "some"}')).status_code == 415


async def test_an_empty_body_needs_no_media_type() -> None:
    async with client_of([act]) as client:
        assert (await client.post("/v1/acts", content=b"{}")).status_code == 201
        assert (await client.post("/v1/acts", content=b"{ x")).status_code == 415
