"""A Postman collection (format 2.1), made from the OpenAPI document and a walk through it.

The walk says in which order operations are called, by whom, with which bodies, and what is kept of an answer
for the requests after it. So the collection runs from top to bottom. Each request asserts its status and the
fields of its answer. Operations that the walk does not name follow in a folder of their own; they assert only
that the answer is one that the document describes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from uuid import NAMESPACE_URL, uuid5

Json = dict[str, Any]

_SCHEMA: Final = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_JSON: Final = "application/json"
_STREAM: Final = "text/event-stream"
_REST: Final = "Other requests"
_TRIES_MAX: Final = 80  # of a request that is repeated until something has happened
_PAUSE_MILLISECONDS: Final = 150
_HEADERS: Final = {"If-Match": "{{etag}}", "Idempotency-Key": "{{$guid}}"}
# After every request: an edit names the version that was read last.
_AFTER_EACH: Final = [
    "const etag = pm.response.headers.get('ETag');",
    "if (etag) pm.collectionVariables.set('etag', etag);",
]


class Step(NamedTuple):
    """A request of the walk: an operation by its id, or the address of a page.

    `by` names whose token is sent; `path` and `query` are values of parameters, by default the variable with
    the parameter's name. `keep`: variables and where their values stand in the answer, such as `data.0.id`.
    `checks`: conditions in JavaScript on `answer`. `until`: the request is repeated until this one holds.
    `script` runs at the end, `before` runs before the request.
    """

    operation: str
    by: str = ""
    name: str = ""
    path: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    body: Any = None
    status: int = 0
    keep: Mapping[str, str] = {}
    checks: Sequence[str] = ()
    until: str = ""
    script: Sequence[str] = ()
    before: Sequence[str] = ()


class Chapter(NamedTuple):
    """Steps that belong together, by default those of one person."""

    name: str
    by: str
    steps: Sequence[Step]


class _Operation(NamedTuple):
    """An operation of the document, and where it stands."""

    method: str
    path: str
    described: Json


def collect(document: Json, walk: Iterable[Chapter] = ()) -> Json:
    """Return the collection. The same document and walk give the same collection, including its ids."""
    walk = tuple(walk)
    operations = {
        item[method]["operationId"]: _Operation(method, path, item[method])
        for path, item in document["paths"].items()
        for method in _METHODS
        if method in item
    }
    maker = _Maker(document, operations)
    folders = [maker.folder(chapter) for chapter in walk]
    if rest := unwalked(document, walk):
        steps = [Step(each, path=_examples(operations[each].described)) for each in rest]
        folders.append(maker.folder(Chapter(_REST, walk[-1].by if walk else "", steps)))
    return {
        "info": {
            "_postman_id": str(uuid5(NAMESPACE_URL, document["info"]["title"])),
            "name": document["info"]["title"],
            "description": document["info"]["description"],
            "version": document["info"]["version"],
            "schema": _SCHEMA,
        },
        "event": [_event("test", _AFTER_EACH)],
        "variable": [
            {"key": "baseUrl", "value": "http://127.0.0.1:8000"},
            *({"key": name, "value": ""} for name in maker.variables()),
        ],
        "item": folders,
    }


def unwalked(document: Json, walk: Iterable[Chapter]) -> list[str]:
    """Return the operations that the walk does not name. Streams do not end, so no request reads them."""
    walked = {step.operation for chapter in walk for step in chapter.steps}
    return [
        operation["operationId"]
        for item in document["paths"].values()
        for operation in item.values()
        if operation["operationId"] not in walked and not _is_stream(operation)
    ]


def _is_stream(operation: Json) -> bool:
    return any(_STREAM in answer.get("content", {}) for answer in operation["responses"].values())


class _Maker:
    """Makes requests, and remembers the variables that they use."""

    def __init__(self, document: Json, operations: Mapping[str, _Operation]) -> None:
        self._schemas = document["components"]["schemas"]
        self._operations = operations
        self._seen: dict[str, None] = {"etag": None}

    def variables(self) -> list[str]:
        return list(self._seen)

    def folder(self, chapter: Chapter) -> Json:
        return {"name": chapter.name, "item": [self._item(step, chapter) for step in chapter.steps]}

    def _item(self, step: Step, chapter: Chapter) -> Json:
        known, operations = chapter.name != _REST, self._operations
        if step.operation.startswith("/"):
            request: Json = {"method": "GET", "header": [], "url": _address(step), "auth": {"type": "noauth"}}
            name, test = step.name, [_status(200)]
        else:
            assert step.operation in operations, f"the walk names {step.operation}, which is no operation"
            found = operations[step.operation]
            request = self._request(found, step, step.by or chapter.by)
            name = step.name or found.described["summary"]
            test = self._asserts(found.described, step) if known else _documented(found.described)
        test += _keeps(step) + list(step.script)
        item: Json = {"name": name, "request": request, "response": []}
        item["event"] = [_event("test", _repeated(step.until, name, test) if step.until else test)]
        if step.before:
            item["event"].insert(0, _event("prerequest", step.before))
        for text in re.findall(r"\{\{(\w+)\}\}", json.dumps(request)):
            self._seen.setdefault(text)
        for text in re.findall(r"collectionVariables\.set\(['\"](\w+)", json.dumps(item["event"])):
            self._seen.setdefault(text)
        self._seen.pop("baseUrl", None)
        return item

    def _request(self, found: _Operation, step: Step, by: str) -> Json:
        parameters = found.described.get("parameters", [])
        request: Json = {
            "method": found.method.upper(),
            "description": found.described["description"],
            "header": [_header(each, step) for each in parameters if each["in"] == "header"],
            "url": _url(found.path, parameters, step),
            "auth": {"type": "noauth"},
        }
        request["header"] += [
            {"key": name, "value": value}
            for name, value in step.headers.items()
            if name not in {each["key"] for each in request["header"]}
        ]
        if step.by or found.described["security"]:
            token = {"key": "token", "value": f"{{{{{by}_token}}}}", "type": "string"}
            request["auth"] = {"type": "bearer", "bearer": [token]}
        if "requestBody" in found.described or step.body is not None:
            (kind,) = found.described.get("requestBody", {}).get("content", {_JSON: None})
            if kind != _JSON:
                request["header"].append({"key": "Content-Type", "value": kind})
                request["body"] = {"mode": "raw", "raw": json.dumps(step.body or "The bytes")}
                return request
            body = step.body
            if body is None:
                body = found.described["requestBody"]["content"][_JSON]["example"]
            request["header"].append({"key": "Content-Type", "value": _JSON})
            request["body"] = {
                "mode": "raw",
                "raw": json.dumps(body, indent=2, ensure_ascii=False),
                "options": {"raw": {"language": "json"}},
            }
        return request

    def _asserts(self, operation: Json, step: Step) -> list[str]:
        status = step.status or int(next(each for each in operation["responses"] if each.startswith("2")))
        lines = [_status(status)]
        described = operation["responses"].get(str(status), {})
        if status >= HTTPStatus.BAD_REQUEST:
            lines.append("const answer = pm.response.json();")
            fields = self._schemas["Problem"]["required"]
        elif "application/json" in described.get("content", {}):
            lines.append("const answer = pm.response.json();")
            fields = self._required(described["content"]["application/json"]["schema"])
        else:
            fields = []
        if fields:
            keys = json.dumps(fields)
            lines.append(f"pm.test('has its fields', () => pm.expect(answer).to.include.all.keys({keys}));")
        return lines + [
            f"pm.test({json.dumps(check)}, () => pm.expect({check}).to.equal(true));" for check in step.checks
        ]

    def _required(self, schema: Json) -> list[str]:
        if "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        return list(schema.get("required", ()))


def _examples(operation: Json) -> dict[str, str]:
    """Return the examples of the parameters in a path, for a request that knows nothing better."""
    parameters = [each for each in operation.get("parameters", []) if each["in"] == "path"]
    return {each["name"]: _named(each)["value"] or "unknown" for each in parameters}


def _documented(operation: Json) -> list[str]:
    statuses = [int(status) for status in operation["responses"] if not status.startswith("5")]
    return [
        f"pm.test('an answer that is described', () => pm.expect({statuses}).to.include(pm.response.code));"
    ]


def _status(status: int) -> str:
    return f"pm.test('{status} {HTTPStatus(status).phrase}', () => pm.response.to.have.status({status}));"


def _keeps(step: Step) -> list[str]:
    def part(place: str) -> str:
        return "".join(f"[{each}]" if each.isdigit() else f".{each}" for each in place.split("."))

    return [
        f"pm.collectionVariables.set('{name}', answer{part(place)});" for name, place in step.keep.items()
    ]


def _repeated(until: str, name: str, test: list[str]) -> list[str]:
    """Return the script of a request that is sent again until a condition holds, or often enough."""
    return [
        "const tries = Number(pm.collectionVariables.get('tries') || 0) + 1;",
        f"if (!({until}) && tries < {_TRIES_MAX}) {{",
        "  pm.collectionVariables.set('tries', tries);",
        f"  setTimeout(() => {{}}, {_PAUSE_MILLISECONDS});",
        f"  pm.execution.setNextRequest({json.dumps(name)});",
        "} else {",
        "  pm.collectionVariables.set('tries', 0);",
        f"  pm.test({json.dumps(until)}, () => pm.expect(Boolean({until})).to.equal(true));",
        *("  " + line for line in test),
        "}",
    ]


def _event(when: str, lines: Sequence[str]) -> Json:
    return {"listen": when, "script": {"type": "text/javascript", "exec": list(lines)}}


def _address(step: Step) -> Json:
    path, _, query = step.operation.partition("?")
    pairs = [each.partition("=") for each in query.split("&") if each]
    return {
        "raw": "{{baseUrl}}" + step.operation,
        "host": ["{{baseUrl}}"],
        "path": path.strip("/").split("/"),
        "query": [{"key": name, "value": value} for name, _, value in pairs],
    }


def _url(path: str, parameters: list[Json], step: Step) -> Json:
    shown = re.sub(r"\{(\w+)\}", r":\1", path)
    query = [
        _named(each) | {"disabled": not each["required"]}
        if each["name"] not in step.query
        else _named(each) | {"value": step.query[each["name"]]}
        for each in parameters
        if each["in"] == "query"
    ]
    return {
        "raw": "{{baseUrl}}" + shown,
        "host": ["{{baseUrl}}"],
        "path": shown.strip("/").split("/"),
        "variable": [
            _named(each) | {"value": step.path.get(each["name"], f"{{{{{each['name']}}}}}")}
            for each in parameters
            if each["in"] == "path"
        ],
        "query": query,
    }


def _header(parameter: Json, step: Step) -> Json:
    name = parameter["name"]
    value = step.headers.get(name, _HEADERS.get(name))
    sent = parameter["required"] or value is not None
    return _named(parameter) | ({} if value is None else {"value": value}) | {"disabled": not sent}


def _named(parameter: Json) -> Json:
    schema = parameter["schema"]
    example = (schema.get("examples") or [schema.get("default", "")])[0]
    return {"key": parameter["name"], "value": str(example), "description": parameter.get("description", "")}
