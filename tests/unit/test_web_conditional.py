"""ETag, If-None-Match and If-Match."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.conditional import etag_of, not_modified, require_if_match
from evently.web.edge.context import Request, Response
from evently.web.edge.routing import get, patch
from tests.support.edge import client_of

TEXT = "some text " * 500


@get("/thing", **policy(PUBLIC))
async def read(request: Request) -> Response[str] | Response[None]:
    return not_modified(request, etag_of(7), "public") or Response(
        TEXT, headers={"etag": etag_of(7)}, media_type="text/plain"
    )


@patch("/thing", **policy(PUBLIC))
async def edit(request: Request) -> Response[str]:
    require_if_match(request, 7)
    return Response("done", headers={"etag": etag_of(8)})


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of([read, edit]) as opened:
        yield opened


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ('"7"', 304),
        ('W/"7"', 304),
        ('"6", "7"', 304),
        ('"6","7-br"', 304),
        ("*", 304),
        ('"6"', 200),
        ('"77"', 200),
        ("7", 200),
        ('"7-zip"', 200),
        ("", 200),
        ('"', 200),
    ],
)
async def test_what_the_client_has_is_not_sent_again(
    client: httpx2.AsyncClient, given: str, status: int
) -> None:
    answer = await client.get("/thing", headers={"If-None-Match": given})
    assert answer.status_code == status
    if status == 304:
        assert answer.content == b""
        assert answer.headers["cache-control"] == "public"
        assert "content-length" not in answer.headers


async def test_the_tag_of_a_compressed_answer_is_its_own_and_works(client: httpx2.AsyncClient) -> None:
    first = await client.get("/thing", headers={"Accept-Encoding": "br"})
    assert first.headers["etag"] == '"7-br"'
    again = await client.get(
        "/thing", headers={"Accept-Encoding": "br", "If-None-Match": first.headers["etag"]}
    )
    assert (again.status_code, again.headers["etag"]) == (304, '"7-br"')
    assert (await client.patch("/thing", headers={"If-Match": first.headers["etag"]})).status_code == 200


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ('"7"', 200),
        ('"6", "7"', 200),
        ("*", 200),
        ('"6"', 412),
        ('W/"7"', 200),  # a proxy that compresses writes this
        ('"6", W/"7"', 200),
        ('W/"7-gzip"', 200),
        ('W/"6"', 412),
        ('w/"77"', 412),
        ("7", 412),
        ("", 412),
        (None, 428),
    ],
)
async def test_an_edit_names_the_version_it_edits(
    client: httpx2.AsyncClient, given: str | None, status: int
) -> None:
    answer = await client.patch("/thing", headers={} if given is None else {"If-Match": given})
    assert answer.status_code == status
    if status == 412:
        assert answer.json()["code"] == "stale"
        assert answer.json()["current_etag"] == '"7"'
    if status == 428:
        assert answer.json()["code"] == "if-match-missing"
