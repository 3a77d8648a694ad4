"""A Postman collection (format 2.1), made from the OpenAPI document.

It has a folder for each tag and a request, with an example, for each operation. Its variables are
`baseUrl`, and `accessToken`, which the log-in request sets.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

Json = dict[str, Any]

_SCHEMA: Final = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_KEEP_TOKEN: Final = [
    "const answer = pm.response.json();",
    "if (answer.access_token) pm.collectionVariables.set('accessToken', answer.access_token);",
]


def collect(document: Json) -> Json:
    """Return the collection. The same document gives the same collection, including its ids."""
    folders: dict[str, list[Json]] = {tag["name"]: [] for tag in document["tags"]}
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                folders[item[method]["tags"][0]].append(_request(path, method, item[method]))
    return {
        "info": {
            "_postman_id": str(uuid5(NAMESPACE_URL, document["info"]["title"])),
            "name": document["info"]["title"],
            "description": document["info"]["description"],
            "version": document["info"]["version"],
            "schema": _SCHEMA,
        },
        "auth": {
            "type": "bearer",
            "bearer": [{"key": "token", "value": "{{accessToken}}", "type": "string"}],
        },
        "variable": [
            {"key": "baseUrl", "value": "http://127.0.0.1:8000"},
            {"key": "accessToken", "value": ""},
        ],
        "item": [{"name": name, "item": requests} for name, requests in folders.items() if requests],
    }


def _request(path: str, method: str, operation: Json) -> Json:
    parameters = operation.get("parameters", [])
    request: Json = {
        "method": method.upper(),
        "description": operation["description"],
        "header": [
            _named(each) | {"disabled": not each["required"]} for each in parameters if each["in"] == "header"
        ],
        "url": _url(path, parameters),
    }
    if not operation["security"]:
        request["auth"] = {"type": "noauth"}
    if "requestBody" in operation:
        example = operation["requestBody"]["content"]["application/json"]["example"]
        request["header"].append({"key": "Content-Type", "value": "application/json"})
        request["body"] = {
            "mode": "raw",
            "raw": json.dumps(example, indent=2, ensure_ascii=False),
            "options": {"raw": {"language": "json"}},
        }
    found: Json = {"name": operation["summary"], "request": request, "response": []}
    if operation["operationId"] in {"login", "refresh"}:
        found["event"] = [{"listen": "test", "script": {"type": "text/javascript", "exec": _KEEP_TOKEN}}]
    return found


def _url(path: str, parameters: list[Json]) -> Json:
    shown = re.sub(r"\{(\w+)\}", r":\1", path)
    query = [
        _named(each) | {"disabled": not each["required"]} for each in parameters if each["in"] == "query"
    ]
    return {
        "raw": "{{baseUrl}}" + shown,
        "host": ["{{baseUrl}}"],
        "path": shown.strip("/").split("/"),
        "variable": [_named(each) for each in parameters if each["in"] == "path"],
        "query": query,
    }


def _named(parameter: Json) -> Json:
    schema = parameter["schema"]
    example = (schema.get("examples") or [schema.get("default", "")])[0]
    return {"key": parameter["name"], "value": str(example), "description": parameter.get("description", "")}
