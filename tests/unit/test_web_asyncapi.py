"""The description of the streams is AsyncAPI: it obeys the schema of the specification."""

from __future__ import annotations

import copy
import json
from typing import Any, Final

import jsonschema_rs
import pytest

from evently.web.api.streams import describe_streams
from tests.support.edge import client_of
from tests.support.npm import npm_file

HOSTED: Final = "https://tickets.example/box"


@pytest.fixture(scope="module")
def metaschema() -> Any:
    """Return what the specification publishes to check documents with."""
    text = npm_file(
        "@asyncapi/specs",
        "6.11.1",
        "sha512-A3WBLqAKGoJ2+6FWFtpjBlCQ1oFCcs4GxF7zsIGvNqp/klGUHjlA3aAcZ9XMMpLGE8zPeYDz2x9FmO6DSuKraQ==",
        "schemas/3.0.0.json",
    )
    return jsonschema_rs.Draft7Validator(json.loads(text))


@pytest.mark.parametrize("public_url", ["", HOSTED])
def test_the_document_is_asyncapi(metaschema: Any, public_url: str) -> None:
    found = [str(error) for error in metaschema.iter_errors(describe_streams(public_url))]
    assert found == []


def test_the_schema_would_find_a_mistake(metaschema: Any) -> None:
    wrong: list[tuple[str, ...]] = [
        ("info", "title"),
        ("operations", "streamEvent", "action"),
        ("channels", "eventStream", "bindings", "ws", "method"),
    ]
    for *path, last in wrong:
        document: Any = copy.deepcopy(describe_streams(HOSTED))
        place = document
        for name in path:
            place = place[name]
        place[last] = {"no": "such thing"}
        assert not metaschema.is_valid(document), last


async def test_it_names_the_server_for_both_protocols() -> None:
    async with client_of(None, public_url=HOSTED) as client:
        document = (await client.get("/asyncapi.json")).json()
    assert document["servers"] == {
        protocol: {"host": "tickets.example", "protocol": protocol, "pathname": "/box"}
        for protocol in ("https", "wss")
    }
    assert document == describe_streams(HOSTED)


def test_every_reference_leads_somewhere() -> None:
    document = describe_streams(HOSTED)
    found = 0

    def follow(part: Any) -> None:
        nonlocal found
        for name, value in part.items() if isinstance(part, dict) else enumerate(part):
            if name == "$ref":
                place: Any = document
                for step in value.removeprefix("#/").split("/"):
                    place = place[step]
                found += 1
            elif isinstance(value, dict | list):
                follow(value)

    follow(document)
    assert found > 10
