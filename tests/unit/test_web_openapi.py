"""The API's description: true, complete, and the one that was reviewed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import schemathesis

from evently.kit.errors import Refused
from evently.web.api.webhooks import list_messages
from evently.web.application import all_routes
from evently.web.documentation import asyncapi_json, openapi_json, postman_json
from evently.web.edge.clients import Client
from evently.web.edge.exchange import Exchange
from evently.web.edge.openapi import PLACEHOLDER, TAGS, describe, operations_of
from evently.web.edge.postman import unwalked
from evently.web.edge.problems import PROBLEMS
from evently.web.edge.routing import Route
from evently.web.edge.validation import decode_as
from tests.support.edge import client_of

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT: dict[str, Any] = json.loads(openapi_json())
OPERATIONS = operations_of(all_routes())
NAMES = [f"{operation.method.lower()} {operation.path}" for operation in OPERATIONS]


def described(operation: Route) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][operation.path][operation.method.lower()]
    return found


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference."""
    found: Any = part
    while "$ref" in found:
        place: Any = DOCUMENT
        for name in found["$ref"].removeprefix("#/").split("/"):
            place = place[name]
        found = place
    return dict(found)


@pytest.mark.parametrize(
    ("file", "made"),
    [("openapi.json", openapi_json), ("asyncapi.json", asyncapi_json), ("postman.json", postman_json)],
)
def test_what_was_reviewed_is_what_is_served(file: str, made: Any) -> None:
    assert (DOCS / file).read_text(encoding="utf-8") == made(), (
        "run `make openapi` and look at the difference"
    )


def test_the_document_is_openapi() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    schema.validate()
    assert len(list(schema.get_all_operations())) == len(OPERATIONS)


def test_operations_have_ids_that_are_their_own() -> None:
    ids = [described(operation)["operationId"] for operation in OPERATIONS]
    assert sorted(ids) == sorted(set(ids))
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", each) for each in ids), ids


@pytest.mark.parametrize("operation", OPERATIONS, ids=NAMES)
def test_operations_are_explained(operation: Route) -> None:
    found = described(operation)
    assert found["summary"]
    assert found["description"]
    assert len(found["tags"]) == 1
    successes = [status for status in found["responses"] if status.startswith("2")]
    assert len(successes) == 1
    for status in found["responses"]:
        answer = resolved(found["responses"][status])
        assert answer["description"], status
        assert "X-Request-Id" in answer["headers"], status
        if status.startswith(("4", "5")):
            assert list(answer["content"]) == ["application/problem+json"]
            assert answer["content"]["application/problem+json"]["schema"] == {
                "$ref": "#/components/schemas/Problem"
            }
            for code, example in answer["content"]["application/problem+json"]["examples"].items():
                assert PROBLEMS[code].status == int(status)
                assert example["value"]["code"] == code
    wanted = {"400", "422", "429", "500", "503"}
    if operation.body is not None:
        wanted |= {"413", "415"}
    if operation.policy.who != "public":
        wanted |= {"401", "403"}
        assert found["security"]
    if "{" in operation.path:
        wanted |= {"404"}
    assert wanted <= set(found["responses"])


@pytest.mark.parametrize(
    "operation",
    [each for each in OPERATIONS if each.body is not None],
    ids=lambda each: each.operation_id,
)
def test_examples_are_taken_by_the_operations_they_stand_at(operation: Route) -> None:
    """An example that is pasted must work, as far as words and numbers go."""
    content = described(operation)["requestBody"]["content"]["application/json"]
    exchange = Exchange({}, {b"content-type": b"application/json"}, "id", Client("127.0.0.1"))
    try:
        decode_as(operation.body, exchange, msgspec.json.encode(content["example"]))
    except Refused as refused:
        pytest.fail(f"{content['example']}: {getattr(refused, 'errors', refused)}")


def test_bodies_and_answers_say_what_they_are() -> None:
    placeholders = []
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            for content in [
                operation.get("requestBody", {}).get("content", {}),
                *(resolved(answer).get("content", {}) for answer in operation["responses"].values()),
            ]:
                for media in content.values():
                    placeholders += [
                        f"{method} {path}: {name}" for name in _placeholders(media.get("example"))
                    ]
    assert placeholders == [], "fields without an example"


def _placeholders(value: Any, name: str = "") -> list[str]:
    if isinstance(value, dict):
        return [found for key, part in value.items() for found in _placeholders(part, f"{name}/{key}")]
    if isinstance(value, list):
        return [found for part in value for found in _placeholders(part, f"{name}/*")]
    return [name] if value == PLACEHOLDER else []


async def test_it_is_served_and_cached() -> None:
    async with client_of(None, public_url="https://tickets.example") as client:
        answer = await client.get("/openapi.json")
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["servers"] == [{"url": "https://tickets.example"}]
        assert answer.json()["paths"] == DOCUMENT["paths"]
        assert (
            await client.get("/openapi.json", headers={"If-None-Match": answer.headers["etag"]})
        ).status_code == 304


def test_describing_changes_nothing() -> None:
    routes = all_routes()
    first, second = (describe(routes, messages=list_messages()) for _ in range(2))
    assert first == second == DOCUMENT


def test_the_collection_has_every_operation() -> None:
    """Also one that the walk does not name: it follows in a folder of its own. A stream does not end."""
    collection = json.loads(postman_json())
    assert collection["info"]["schema"].endswith("/v2.1.0/collection.json")
    requests = [request for folder in collection["item"] for request in folder["item"]]
    sent = set()
    for request in requests:
        url = request["request"]["url"]
        assert url["raw"].startswith("{{baseUrl}}/")
        assert {part[1:] for part in url["path"] if part.startswith(":")} == {
            variable["key"] for variable in url.get("variable", [])
        }
        if "body" in request["request"]:
            json.loads(request["request"]["body"]["raw"])
        path = re.sub(r":(\w+)", r"{\1}", url["raw"].removeprefix("{{baseUrl}}"))
        sent.add((request["request"]["method"], path))
    streams = {operation for operation in OPERATIONS if operation.media_type == "text/event-stream"}
    assert {(each.method, each.path) for each in OPERATIONS if each not in streams} <= sent
    assert unwalked(DOCUMENT, []) == [
        each.operation_id for each in sorted(set(OPERATIONS) - streams, key=OPERATIONS.index)
    ]


def test_the_collection_uses_only_variables_that_it_sets() -> None:
    collection = json.loads(postman_json())
    known = {each["key"] for each in collection["variable"]}
    made: set[str] = {"baseUrl"}
    for folder in collection["item"]:
        for request in folder["item"]:
            scripts = [json.dumps(each["script"]["exec"]) for each in request["event"]]
            if request["event"][0]["listen"] == "prerequest":
                made |= set(re.findall(r"collectionVariables\.set\('(\w+)'", scripts[0]))
            used = set(re.findall(r"\{\{(\w+)\}\}", json.dumps(request["request"])))
            assert used <= made | {"etag"}, request["name"]
            made |= set(re.findall(r"collectionVariables\.set\('(\w+)'", scripts[-1]))
    assert made <= known | {"tries"}


def test_examples_and_defaults_fit_their_schemas() -> None:
    """Linters check it, too (tests/api/test_clients.py), where npm is there."""
    wrong, checked = [], 0
    validators: dict[str, Any] = {}
    registry = jsonschema_rs.Registry([("urn:evently:api", {"components": DOCUMENT["components"]})])
    for where, schema, example in _examples_in(DOCUMENT, ""):
        text = json.dumps(schema).replace('"$ref": "#/', '"$ref": "urn:evently:api#/')
        if text not in validators:
            validators[text] = jsonschema_rs.Draft202012Validator(
                json.loads(text), validate_formats=True, registry=registry
            )
        wrong += [f"{where}: {error.message}" for error in validators[text].iter_errors(example)]
        checked += 1
    assert wrong == []
    assert checked > 1_000


def _examples_in(value: Any, where: str) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Yield each example and default of the document, with its schema."""
    if isinstance(value, list):
        for index, part in enumerate(value):
            yield from _examples_in(part, f"{where}/{index}")
    if not isinstance(value, dict):
        return
    if isinstance(value.get("schema"), dict):
        if "example" in value:
            yield f"{where}/example", value["schema"], value["example"]
        for name, example in value.get("examples", {}).items():
            yield f"{where}/examples/{name}", value["schema"], example["value"]
    elif isinstance(value.get("examples"), list) or "default" in value:
        for example in value.get("examples", []) + ([value["default"]] if "default" in value else []):
            yield where, {name: part for name, part in value.items() if name != "examples"}, example
    for name, part in value.items():
        if name not in ("example", "examples"):
            yield from _examples_in(part, f"{where}/{name}")


def test_every_tag_is_described() -> None:
    used = {tag for operation in OPERATIONS for tag in operation.tags}
    assert used == set(TAGS), "src/evently/web/edge/tags.toml"


def test_an_edit_takes_the_version_that_was_read() -> None:
    """A generated client can send only parameters that are described."""
    for operation in OPERATIONS:
        found = described(operation)
        names = {each["name"] for each in found.get("parameters", []) if each["in"] == "header"}
        assert ("428" in found["responses"]) == ("If-Match" in names), operation.operation_id
