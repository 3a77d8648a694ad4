"""Bodies and parameters: every error at once, and an answer to whatever anybody sends."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import httpx2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evently.kit.errors import Invalid, Refused
from evently.kit.shapes import Instant
from evently.seating.pretix_format import PretixPlan
from evently.web.application import all_routes
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.binding import parameters_of
from evently.web.edge.clients import Client
from evently.web.edge.context import Request, Response
from evently.web.edge.exchange import Exchange
from evently.web.edge.lists import LIMIT, After, Limit
from evently.web.edge.openapi import operations_of
from evently.web.edge.routing import FromPath, HeaderParameter, JSONBody, QueryParameter, get, post
from evently.web.edge.validation import decode_as
from evently.web.passkeys import AddingAnswer, AddingCredential, LoginAnswer, LoginCredential
from tests.support.edge import client_of


class Line(msgspec.Struct, forbid_unknown_fields=True):
    kind: str
    quantity: Annotated[int, msgspec.Meta(ge=1, le=10)]


class Card(msgspec.Struct, tag="card", tag_field="method", forbid_unknown_fields=True):
    number: Annotated[str, msgspec.Meta(pattern="^[0-9]{4}$")]


class Cash(msgspec.Struct, tag="cash", tag_field="method", forbid_unknown_fields=True):
    coins: Annotated[list[int], msgspec.Meta(max_length=3)]


class Order(msgspec.Struct, forbid_unknown_fields=True):
    lines: Annotated[list[Line], msgspec.Meta(min_length=1)]
    name: Annotated[str, msgspec.Meta(max_length=5)] | None = None
    at: Instant | None = None
    payment: Card | Cash | None = None
    places: dict[str, int] = {}
    share: float = 0.0

    def __post_init__(self) -> None:
        if self.name == "never":
            raise ValueError("this name is never taken")


HEADERS = {b"content-type": b"application/json"}


def decode(body: bytes, headers: dict[bytes, bytes] = HEADERS) -> Any:
    return decode_as(Order, Exchange({}, headers, "id", Client("127.0.0.1")), body)


def errors_of(body: bytes) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        decode(body)
    return {error.pointer: error.detail for error in caught.value.errors}


def test_a_byte_order_mark_is_ignored() -> None:
    assert errors_of(b'\xef\xbb\xbf{"name":"a"}') == errors_of(b'{"name":"a"}')


def test_what_is_right_is_decoded() -> None:
    order = decode(
        b'{"lines":[{"kind":"a","quantity":1}],"at":"2027-05-20T20:00:00+02:00","payment":{"method":"card","number":"1234"}}'
    )
    assert order.lines == [Line("a", 1)]
    assert order.at == datetime(2027, 5, 20, 18, tzinfo=UTC)
    assert order.payment == Card("1234")


def test_every_wrong_field_is_named() -> None:
    body = b"""{"lines":[{"kind":1,"quantity":11,"extra":1},{},[],{"kind":"a","quantity":"2"}],
                "name":"abcdef","at":"2027-05-20T18:00:00",
                "payment":{"method":"card","number":"12"},"places":{"a":1,"b":"x"},"other":1,"share":true}"""
    found = errors_of(body)
    assert set(found) == {
        "/lines/0/kind",
        "/lines/0/quantity",
        "/lines/0/extra",
        "/lines/1/kind",
        "/lines/1/quantity",
        "/lines/2",
        "/lines/3/quantity",
        "/name",
        "/at",
        "/payment/number",
        "/places/b",
        "/other",
        "/share",
    }
    assert found["/lines/1/kind"] == "Missing."
    assert found["/other"] == "There is no such field."
    assert found["/lines/0/quantity"] == "Expected an integer <= 10."
    assert "timezone" in found["/at"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"null", ""),
        (b"[]", ""),
        (b"7", ""),
        (b"{}", "/lines"),
        (b'{"lines":[]}', "/lines"),
        (b'{"lines":{}}', "/lines"),
        (b'{"lines":[{"kind":"a","quantity":1}],"payment":{"method":"gold"}}', "/payment"),
        (b'{"lines":[{"kind":"a","quantity":1}],"payment":{"number":"1234"}}', "/payment"),
        (
            b'{"lines":[{"kind":"a","quantity":1}],"payment":{"method":"cash","coins":[1,2,3,4]}}',
            "/payment/coins",
        ),
        (b'{"lines":[{"kind":"a","quantity":1}],"name":"never"}', ""),
        (b'{"lines":[{"kind":"a","quantity":1}],"a/b~c":1}', "/a~1b~0c"),
        (b'{"lines":[{"kind":"a","quantity":1e400}]}', "/lines/0/quantity"),
        (b'{"lines":[{"kind":"a","quantity":99999999999999999999999999}]}', "/lines/0/quantity"),
        (b'{"lines":[{"kind":"a","quantity":-1}]}', "/lines/0/quantity"),
        (b'{"lines":[{"kind":"a","quantity":1.5}]}', "/lines/0/quantity"),
        (b'{"lines":[{"kind":"a","quantity":true}]}', "/lines/0/quantity"),
        (b'{"lines":[{"kind":"a\\u0000","quantity":1}]}', "/lines/0/kind"),
        (b'{"lines":[{"kind":"a","quantity":1}],"places":{"\\u0000":1}}', "/places/\x00"),
        (b'{"lines":[{"kind":"a","quantity":1}],"at":"9999-12-31T23:59:59-23:00"}', "/at"),
        (b'{"lines":[{"kind":"a","quantity":1}],"at":"0001-01-01T00:00:00+23:00"}', "/at"),
        (b'{"lines":[{"kind":"a","quantity":1}],"at":"0000-01-01T00:00:00Z"}', "/at"),
    ],
)
def test_what_can_be_read_and_is_wrong_is_invalid(body: bytes, pointer: str) -> None:
    assert list(errors_of(body)) == [pointer]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"lines":[{"kind":"a","quantity":1}]} more',
        b'{"share":NaN}',
        b'{"share":Infinity}',
        b'{"lines":\xff}',
        b'{"name":"\xff"}',
        b'{"name":"\\ud800"}',
        b'{"name":"\\udc00\\ud800"}',
        b'{"name":"\x00"}',
        b'{"name":"\n"}',
        b'{"other":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[" * 100_000,
    ],
)
def test_what_cannot_be_read_is_malformed(body: bytes) -> None:
    with pytest.raises(Refused) as caught:
        decode(body)
    assert caught.value.refusal == "malformed"


def test_of_a_key_given_twice_the_last_counts() -> None:
    assert decode(b'{"lines":[{"kind":"a","quantity":1}],"name":"one","name":"two"}').name == "two"


def test_zero_in_a_backslash_is_no_nul() -> None:
    assert decode(b'{"lines":[{"kind":"\\\\u0000","quantity":1}]}').lines[0].kind == "\\u0000"


def test_no_more_than_a_hundred_errors_are_listed() -> None:
    body = (
        b'{"lines":[{"kind":"a","quantity":1}],'
        + b",".join(b'"x%d":1' % number for number in range(5000))
        + b"}"
    )
    assert len(errors_of(body)) == 100


@pytest.mark.parametrize(
    "media_type",
    [
        b"text/plain",
        b"",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data",
        b"application/jsonp",
        None,
    ],
)
def test_other_media_types_are_refused(media_type: bytes | None) -> None:
    headers = {} if media_type is None else {b"content-type": media_type}
    with pytest.raises(Refused) as caught:
        decode(b"{}", headers)
    assert caught.value.refusal == "unsupported-media-type"


@pytest.mark.parametrize(
    "media_type", [b"application/json; charset=utf-8", b"Application/JSON", b"application/merge-patch+json"]
)
def test_json_by_any_spelling_is_taken(media_type: bytes) -> None:
    assert decode(b'{"lines":[{"kind":"a","quantity":1}]}', {b"content-type": media_type})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(Order.__struct_fields__), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_decoded_or_refused(value: object) -> None:
    try:
        decode(msgspec.json.encode(value))
    except Invalid as refused:
        errors = refused.errors
    else:
        return
    assert errors
    assert all(error.pointer == "" or error.pointer.startswith("/") for error in errors)


@given(st.binary(max_size=60))
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        decode(body)


# Parameters


@get("/search", **policy(PUBLIC))
async def search(
    request: Request,
    q: Annotated[str, QueryParameter(max_length=5)],
    limit: Limit = LIMIT,
    after: After = None,
    kind: Annotated[Literal["a", "b"] | None, QueryParameter()] = None,
    tag: Annotated[list[str] | None, QueryParameter()] = None,
    since: Annotated[Instant | None, QueryParameter()] = None,
    trace: Annotated[str | None, HeaderParameter(name="X-Trace", max_length=3)] = None,
) -> Response[dict[str, Any]]:
    return Response(
        {"q": q, "limit": limit, "after": after, "kind": kind, "tag": tag, "since": since, "trace": trace}
    )


@post("/orders/{order_id}", **policy(PUBLIC))
async def change(request: Request, order_id: FromPath[str], data: JSONBody[Order]) -> Response[Order]:
    return Response(data, status_code=200)


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of([search, change]) as opened:
        yield opened


async def test_parameters_arrive(client: httpx2.AsyncClient) -> None:
    answer = await client.get(
        "/search?q=x&limit=5&kind=b&tag=1&tag=2&since=2027-05-20T18:00:00Z", headers={"X-Trace": "abc"}
    )
    assert answer.json() == {
        "q": "x",
        "limit": 5,
        "after": None,
        "kind": "b",
        "tag": ["1", "2"],
        "since": "2027-05-20T18:00:00Z",
        "trace": "abc",
    }
    assert (await client.get("/search?q=")).json()["q"] == ""


@pytest.mark.parametrize(
    ("query", "pointers"),
    [
        ("", ["?q"]),
        ("q=toolong&limit=0&kind=c&nonsense=1&since=2027", ["?kind", "?limit", "?nonsense", "?q", "?since"]),
        ("q=x&limit=101", ["?limit"]),
        ("q=x&limit=-1", ["?limit"]),
        ("q=x&limit=abc", ["?limit"]),
        ("q=x&limit=", ["?limit"]),
        ("q=x&limit=99999999999999999999999", ["?limit"]),
        ("q=x&limit=1&limit=2", ["?limit"]),
        ("q=%00", ["?q"]),
        ("q=x&tag=%00", ["?tag"]),
        ("q=x&since=2027-05-20T18:00:00", ["?since"]),
        ("q=x&%00=1", ["?\x00"]),
        ("q=x&after=" + "a" * 501, ["?after"]),
    ],
)
async def test_every_wrong_parameter_is_named(
    client: httpx2.AsyncClient, query: str, pointers: list[str]
) -> None:
    answer = await client.get(f"/search?{query}")
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid"
    assert sorted(error["pointer"] for error in answer.json()["errors"]) == pointers


async def test_a_wrong_header_is_named(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/search", headers={"X-Trace": "too long"})
    assert [error["pointer"] for error in answer.json()["errors"]] == ["?q", "X-Trace"]


async def test_a_missing_body_is_malformed_json(client: httpx2.AsyncClient) -> None:
    missing = await client.post("/orders/1", headers={"Content-Type": "application/json"})
    assert (missing.status_code, missing.json()["code"]) == (400, "malformed")
    assert (await client.post("/orders/1")).status_code == 415


# Every body and every parameter of the API


# What others write may say more: exports of pretix, and browsers about passkeys
FROM_OTHERS: Final = {PretixPlan, LoginCredential, LoginAnswer, AddingCredential, AddingAnswer}


def _loose(info: Any, place: str, seen: set[Any]) -> Iterator[str]:
    """Yield where a shape takes fields that nobody knows, or instants that could be anywhere."""
    match info:
        case msgspec.inspect.DateTimeType(tz=None):
            yield f"{place}: an instant without a time zone"
        case (
            msgspec.inspect.ListType(item_type=inner)
            | msgspec.inspect.DictType(value_type=inner)
            | msgspec.inspect.Metadata(type=inner)
        ):
            yield from _loose(inner, f"{place}/*", seen)
        case msgspec.inspect.UnionType(types=members):
            for member in members:
                yield from _loose(member, place, seen)
        case msgspec.inspect.StructType(cls=cls) if (
            cls not in seen and cls not in FROM_OTHERS
        ):  # what others export may say more
            if not info.forbid_unknown_fields:
                yield f"{place}: {cls.__name__} takes unknown fields"
            for field in info.fields:
                yield from _loose(field.type, f"{place}/{field.encode_name}", seen | {cls})


def test_nothing_is_taken_that_would_be_ignored_or_guessed() -> None:
    found: list[str] = []
    for operation in operations_of(all_routes()):
        name = str(operation.operation_id)
        if operation.body is not None:
            found += _loose(msgspec.inspect.type_info(operation.body), name, set())
        for parameter in parameters_of(operation):
            found += _loose(msgspec.inspect.type_info(parameter.shape), f"{name}?{parameter.name}", set())
    assert found == []


def _texts_for_ids(info: msgspec.inspect.Type, place: str) -> Iterator[str]:
    """Yield where a body takes text for an id."""
    match info:
        case msgspec.inspect.StrType() if re.search(r"_ids?(/\*)?$", place):
            yield place
        case msgspec.inspect.Metadata(type=inner):
            yield from _texts_for_ids(inner, place)
        case msgspec.inspect.ListType(item_type=inner):
            yield from _texts_for_ids(inner, f"{place}/*")
        case msgspec.inspect.UnionType(types=members):
            for member in members:
                yield from _texts_for_ids(member, place)
        case msgspec.inspect.StructType(fields=inner_fields):
            for field in inner_fields:
                yield from _texts_for_ids(field.type, f"{place}/{field.encode_name}")


def test_ids_are_read_by_their_types() -> None:
    """A face that takes text for an id would have to parse it, and to say what is wrong with it."""
    found: list[str] = []
    for route in operations_of(all_routes()):
        name = str(route.operation_id)
        for parameter in parameters_of(route):
            found += _texts_for_ids(msgspec.inspect.type_info(parameter.shape), f"{name}?{parameter.name}")
        if route.body is not None:
            found += _texts_for_ids(msgspec.inspect.type_info(route.body), name)
    # The policy checks the organizers, and responds with 404 as for an id in a path. Jobs have numbers.
    assert found == [
        "retryJob?job_id",
        "createEvent/organizer_id",
        "createVenue/organizer_id",
    ]
