"""The OpenAPI 3.1 document, made from the routes: parameters, bodies, responses, policies, problems.

msgspec, which decodes the bodies, also describes them. The problems that every route can respond with (400,
401, 429, ...) are added from its policy and its parameters, so that no route lists them.
"""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from importlib.resources import files
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin

import msgspec

from evently import __version__
from evently.kit.errors import CommonRefusal
from evently.kit.ids import PrefixedId
from evently.web.edge.access import Policy
from evently.web.edge.binding import Parameter, parameters_of
from evently.web.edge.context import JSON, Response
from evently.web.edge.examples import named_example, own_example
from evently.web.edge.problems import PROBLEM_JSON, PROBLEMS, Problem, ProblemType
from evently.web.edge.refusals import EdgeRefusal
from evently.web.edge.routing import Route

_REFERENCE: Final = "#/components/schemas/{name}"
_DESCRIPTION: Final = """\
A ticketing API that stays correct and fast when many buyers want the same tickets in the same second.

- Errors are `application/problem+json` (RFC 9457). `code` names the kind of error, `detail` describes this
  case, and `errors` lists every wrong field. `type` is the address of a page that explains the error.
- Send `Idempotency-Key` to make a booking safe to repeat: the same key with the same body gets the same
  answer, even if the first answer was lost.
- Lists are pages. Send `next_cursor` as `after` to get the next page; the `Link` header contains its address.
- Edits need `If-Match` with the `ETag` that you read, and merge the body into the resource (RFC 7396). Public
  reads answer `If-None-Match` with 304.
- Times are in UTC. Amounts are integers in the minor unit of their currency.
- After a 429 or 503, wait `Retry-After` seconds and repeat the request.
"""
_SCHEMES: Final = {
    "accessToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "Returned by POST /v1/auth/login; expires after 15 minutes.",
    },
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "description": (
            "The API key of an organizer, `evk_...`, with scopes; created by "
            "POST /v1/organizers/{organizer_id}/api-keys."
        ),
    },
}
_HEADERS: Final = {
    "X-Request-Id": (
        "The id of the request in the server's log; the id that you sent, if you sent one.",
        {"type": "string"},
    ),
    "RateLimit-Policy": (
        "The rate limit that applies to this request.",
        {"type": "string", "examples": ['"bookings";q=120;w=60']},
    ),
    "RateLimit": (
        "The remaining requests, and the seconds until the limit resets.",
        {"type": "string", "examples": ['"bookings";r=119;t=1']},
    ),
    "ETag": (
        "The version of what was read; `If-Match` and `If-None-Match` take it.",
        {"type": "string", "examples": ['"1"']},
    ),
    "Retry-After": ("The number of seconds to wait before the next request.", {"type": "integer"}),
    "WWW-Authenticate": ("The authentication scheme to use.", {"type": "string", "examples": ["Bearer"]}),
}
_ROLES: Final[dict[str | None, str]] = {
    None: "",
    "door": "door, manager or owner",
    "manager": "manager or owner",
    "owner": "owner",
}
_IF_MATCH: Final = {CommonRefusal.STALE.value, EdgeRefusal.IF_MATCH_MISSING.value}
_WEBHOOKS: Final = "Organizer: webhooks"
_SIGNED: Final = {
    "webhook-id": (
        "The id of the message, however often it is sent.",
        "whd_01m7y4ef72ev2sxmcnxfse27zp",
    ),
    "webhook-timestamp": ("When it is sent, in seconds since 1970.", "1803891600"),
    "webhook-signature": (
        "`v1,` and the HMAC-SHA256 of id, timestamp and body in base64; two of them during a rotation.",
        "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    ),
}
_IF_MATCH_PARAMETER: Final = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "schema": {"type": "string", "examples": ['"1"']},
    "description": "The `ETag` that you read; `*` matches every version.",
}
PLACEHOLDER: Final = "text"  # stands where no example is known; a test fails if it occurs
_KINDS: Final[tuple[tuple[Any, str], ...]] = (  # of JSON; in Python a bool is an int
    (NoneType, "null"),
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PAGE: Final = re.compile(r"PageView_(\w+)_")
TAGS: Final[dict[str, str]] = tomllib.loads(
    files(__package__).joinpath("tags.toml").read_text(encoding="utf-8")
)
# First what buyers need, then what organizers need, then what operators need
_TAGS_FIRST: Final = (
    "Accounts", "Passkeys", "Events", "Bookings", "Payments", "Tickets", "Waitlist", "Waiting room",
    "Notifications", "Organizers", "Organizer: events",
)  # fmt: skip
_TAGS_LAST: Final = ("Rehearsals", "Gateways", "Administration", "Health")

Json = dict[str, Any]


def operations_of(routes: Iterable[Route]) -> list[Route]:
    """Return every route of the document, in a stable order."""
    return sorted(
        (route for route in routes if route.include_in_schema),
        key=lambda route: (route.path, _METHODS.index(route.method)),
    )


def describe(
    routes: Iterable[Route],
    public_url: str = "",
    messages: Mapping[str, tuple[str, type[msgspec.Struct]]] = MappingProxyType({}),
) -> Json:
    """Return the OpenAPI document. `messages`: what webhooks get, by kind, in words and as a type."""
    operations = operations_of(routes)
    shapes = _Shapes(operations, [shape for _, shape in messages.values()])
    paths: dict[str, Json] = {}
    for route in operations:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, shapes)
    found: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "Evently",
            "version": __version__,
            "description": _DESCRIPTION,
            "contact": {"name": "Evently"} | ({"url": public_url} if public_url else {}),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": public_url or "/"}],
        "tags": [
            {"name": tag, "description": TAGS.get(tag, "")}
            for tag in sorted(
                dict.fromkeys(tag for route in operations for tag in route.tags or ()), key=_place_of_tag
            )
        ],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(shapes.components.items())),
            "responses": dict(sorted(shapes.responses.items())),
            "headers": {
                name: {"description": text, "schema": schema} for name, (text, schema) in _HEADERS.items()
            },
            "securitySchemes": _SCHEMES,
        },
    }
    if messages:
        found["webhooks"] = {
            kind: {"post": _message(kind, words, shapes.of(shape), shapes)}
            for kind, (words, shape) in messages.items()
        }
    return found


def _place_of_tag(tag: str) -> int:
    """Return where a tag stands in the document; those with the same place keep their order."""
    if tag in _TAGS_FIRST:
        return _TAGS_FIRST.index(tag) - len(_TAGS_FIRST)
    return _TAGS_LAST.index(tag) + 1 if tag in _TAGS_LAST else 0


def _message(kind: str, words: str, schema: Json, shapes: _Shapes) -> Json:
    name = "".join(part.capitalize() for part in kind.replace(".", "_").split("_"))
    return {
        "operationId": f"receive{name}",
        "summary": words,
        "description": "Sent to webhooks of organizers, signed as Standard Webhooks says.",
        "tags": [_WEBHOOKS],
        "security": [],
        "parameters": [
            {
                "name": header,
                "in": "header",
                "required": True,
                "description": text,
                "schema": {"type": "string", "examples": [example]},
            }
            for header, (text, example) in _SIGNED.items()
        ],
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": schema, "example": shapes.example_of(schema)}},
        },
        "responses": {
            "2XX": {"description": "The program has the message."},
            "410": {"description": "The program wants no messages any more: the webhook is paused."},
            "default": {"description": "The message is sent again later."},
        },
    }


class _Shapes:
    """The schemas of all bodies and responses, described together so that each becomes one component."""

    def __init__(self, operations: list[Route], more: Iterable[Any] = ()) -> None:
        self.responses: dict[str, Json] = {}
        self._types: list[Any] = [Problem, *more]
        for route in operations:
            self._types += [
                shape for shape in (route.body, *_contents(route)) if shape not in (None, bytes, str)
            ]
            self._types += [parameter.shape for parameter in parameters_of(route)]
        schemas, components = msgspec.json.schema_components(
            self._types, schema_hook=_schema_of, ref_template=_REFERENCE
        )
        self._schemas = [_renamed(schema) for schema in schemas]
        self.components = {
            _page_name(name): _described(_dated(_plainer(_renamed(component))))
            for name, component in components.items()
        }

    def refusal(self, codes: tuple[str, ...]) -> Json:
        """Return a reference to the response for any of these codes; each response is described once."""
        name = "_".join(codes)
        if name not in self.responses:
            self.responses[name] = _refusal(codes, self.of(Problem))
        return {"$ref": f"#/components/responses/{name}"}

    def of(self, shape: Any) -> Json:
        """Return the schema of a type that the constructor collected."""
        found: Json = self._schemas[
            next(index for index, known in enumerate(self._types) if known is shape or known == shape)
        ]
        return found

    def example_of(self, schema: Json, name: str = "", owner: str = "") -> Any:
        """Return an example of a schema, built from its own examples and its field names.

        Optional fields without an example are left out.
        """
        if "$ref" in schema:
            owner = schema["$ref"].rpartition("/")[2]
            return self.example_of(self.components[owner], name, owner)
        if (known := own_example(owner, name)) is not None:
            return known[0]
        if schema.get("examples"):
            return schema["examples"][0]
        if (known := named_example(owner, name)) is not None and _fits(schema, known[0]):
            return known[0]
        if "enum" in schema:
            return schema["enum"][0]
        if "anyOf" in schema:
            return self.example_of(schema["anyOf"][0], name, owner)
        if "properties" in schema:
            return {key: self.example_of(part, key, owner) for key, part in _shown_fields(schema)}
        if "prefixItems" in schema:
            return [
                self.example_of(part, f"{name}/{index}", owner)
                for index, part in enumerate(schema["prefixItems"])
            ]
        if schema.get("type") == "array":
            return (
                [self.example_of(schema["items"], name.removesuffix("s"), owner)]
                if schema.get("items")
                else []
            )
        if "default" in schema:
            return schema["default"]
        plain = {
            "integer": schema.get("minimum", 1),
            "number": 0.5,
            "boolean": True,
            "null": None,
            "object": {},
        }
        return plain.get(schema.get("type", "string"), PLACEHOLDER)


def _schema_of(shape: type[Any]) -> Json:
    """Return the schema of a type that msgspec does not know: an id is text outside."""
    assert issubclass(shape, PrefixedId), f"{shape} has no schema"
    return {"type": "string"}


def _operation(route: Route, shapes: _Shapes) -> Json:
    found: Json = {
        "operationId": route.operation_id,
        "summary": route.summary,
        "description": "\n\n".join(
            part
            for part in (route.description or _prose(route.handler.__doc__), _describe_policy(route.policy))
            if part
        ),
        "tags": list(route.tags or ()),
        "security": _security(route.policy),
    }
    if route.policy.scope:
        found["x-scope"] = route.policy.scope
    parameters = [_parameter(parameter, shapes) for parameter in parameters_of(route)]
    if _names_version(route):
        parameters.append(_IF_MATCH_PARAMETER)
    if parameters:
        found["parameters"] = parameters
    if route.body is not None:
        schema = shapes.of(route.body)
        found["requestBody"] = {
            "required": route.body_default is None,
            "content": {JSON: {"schema": schema, "example": shapes.example_of(schema)}},
        }
    if route.body_type is not None:
        binary = {"type": "string", "format": "binary"}
        found["requestBody"] = {"required": True, "content": {route.body_type: {"schema": binary}}}
    found["responses"] = {**_successes(route, shapes), **_refusals(route, shapes)}
    return found


def _parameter(parameter: Parameter, shapes: _Shapes) -> Json:
    schema = dict(shapes.of(parameter.shape))
    if parameter.place == "path" and (known := named_example("", parameter.name)) is not None:
        schema["examples"] = [known[0]]
    if parameter.place == "query" and parameter.default is not None:
        schema["default"] = msgspec.to_builtins(parameter.default)
    found: Json = {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "schema": schema,
    }
    if parameter.description:
        found["description"] = parameter.description
    return found


def _fits(schema: Json, value: Any) -> bool:
    """Return whether a value has a type of the schema. An example by name can be meant for another field."""
    if "enum" in schema:
        return value in schema["enum"]
    kinds = {part.get("type", "object" if "$ref" in part else None) for part in schema.get("anyOf", [schema])}
    kind = next(name for shape, name in _KINDS if isinstance(value, shape))
    return None in kinds or kind in kinds or (kind == "integer" and "number" in kinds)


def _successes(route: Route, shapes: _Shapes) -> Json:
    names = ["X-Request-Id", "RateLimit-Policy", "RateLimit"]
    if _names_version(route) or None in _contents(route)[1:]:
        names.append("ETag")
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    found: Json = {}
    for shape in _contents(route):
        if shape is None:
            status = 304 if len(_contents(route)) > 1 else 204
            found[str(status)] = {"description": HTTPStatus(status).phrase, "headers": headers}
            continue
        plain = shape in (bytes, str)
        media_type = str(route.media_type or ("text/plain" if plain else JSON))
        schema = _text_or_bytes(media_type) if plain else shapes.of(shape)
        content: Json = (
            {"schema": schema} if plain else {"schema": schema, "example": shapes.example_of(schema)}
        )
        found[str(route.status_code)] = {
            "description": HTTPStatus(route.status_code).phrase,
            "headers": headers,
            "content": {media_type: content},
        }
    return found


def _text_or_bytes(media_type: str) -> Json:
    return {"type": "string"} if media_type.startswith("text/") else {"type": "string", "format": "binary"}


def _refusals(route: Route, shapes: _Shapes) -> Json:
    by_status: dict[int, list[str]] = {}
    for code in [*route.responses, *_common_codes(route)]:
        codes = by_status.setdefault(PROBLEMS[code].status, [])
        if code not in codes:
            codes.append(code)
    return {str(status): shapes.refusal(tuple(sorted(codes))) for status, codes in sorted(by_status.items())}


def _refusal(codes: tuple[str, ...], schema: Json) -> Json:
    rows = {str(code): PROBLEMS[code] for code in codes}
    status = next(iter(rows.values())).status
    headers = [
        "X-Request-Id",
        *(["Retry-After"] if status in (429, 503) else []),
        *(["WWW-Authenticate"] if status == HTTPStatus.UNAUTHORIZED else []),
    ]
    return {
        "description": "; ".join(f"`{code}`: {row.title}" for code, row in rows.items()),
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
        "content": {
            PROBLEM_JSON: {
                "schema": schema,
                "examples": {code: {"value": _example(code, row)} for code, row in rows.items()},
            }
        },
    }


def _example(code: str, row: ProblemType) -> Json:
    found: Json = {
        "type": f"/problems/{code}",
        "title": row.title,
        "status": row.status,
        "detail": row.explanation,
        "code": code,
        "request_id": "9f2c41d07a3b-1f4",
    }
    if code == CommonRefusal.INVALID:
        found["errors"] = [
            {"pointer": "/lines/0/quantity", "code": "not-as-expected", "detail": "Expected an integer >= 1."}
        ]
    return found


def _common_codes(route: Route) -> Iterator[str]:
    """Yield the codes that every route of this kind can respond with."""
    policy = route.policy
    yield from (EdgeRefusal.MALFORMED, EdgeRefusal.ADDRESS_TOO_LONG, EdgeRefusal.HEADERS_TOO_LONG)
    if policy.who != "public" or route.method == "GET":
        yield from (EdgeRefusal.UNAUTHENTICATED, "token-invalid", "token-expired")
    if policy.who in ("admin", "organizer") or policy.scope or policy.who == "signed_in":
        yield CommonRefusal.FORBIDDEN
    if policy.who == "organizer" and route.method != "GET":
        yield EdgeRefusal.REASON_NEEDED
    if "{" in route.path:
        yield CommonRefusal.NOT_FOUND
    if route.body is not None or route.body_type is not None:
        yield from (EdgeRefusal.TOO_LARGE, EdgeRefusal.MEDIA_TYPE, EdgeRefusal.TOO_SLOW)
    if _names_version(route):
        yield from (CommonRefusal.STALE, EdgeRefusal.IF_MATCH_MISSING)
    yield from (CommonRefusal.INVALID, EdgeRefusal.RATE_LIMITED, EdgeRefusal.INTERNAL)
    yield from (EdgeRefusal.BUSY, EdgeRefusal.DATABASE_UNAVAILABLE, EdgeRefusal.WRONG_CLOCK)
    if route.method != "GET":
        yield from (EdgeRefusal.OUTCOME_UNKNOWN, EdgeRefusal.COMMITS_WAIT)


def _names_version(route: Route) -> bool:
    """Return whether a request names the version that it edits."""
    return bool(set(route.responses) & _IF_MATCH)


def _security(policy: Policy) -> list[Json]:
    if policy.who == "public":
        return []
    # Only OAuth names its scopes here; the description and `x-scope` say which one a key needs
    key: list[Json] = [{"apiKey": []}] if policy.scope else []
    return [{"accessToken": []}, *key]


def _describe_policy(policy: Policy) -> str:
    key = f", or an API key with the scope `{policy.scope}`" if policy.scope else ""
    return {
        "public": "",
        "signed_in": f"Requires an access token{key}.",
        "admin": "Requires an administrator of the platform.",
        "organizer": f"Requires a member of the organizer with the role {_ROLES[policy.role]}{key}.",
    }[policy.who]


def _contents(route: Route) -> list[Any]:
    """Return the types of a route's responses; None stands for a response without content."""
    shapes: list[Any] = []
    declared = route.returns
    for member in get_args(declared) if get_origin(declared) in (Union, UnionType) else (declared,):
        shape = get_args(member)[0] if get_origin(member) is Response else member
        shape = None if shape in (None, NoneType) else shape
        if isinstance(shape, type) and not issubclass(shape, (msgspec.Struct, bytes, str)):
            shape = bytes  # a stream
        if shape not in shapes:
            shapes.append(shape)
    return shapes


def _dated(schema: Json) -> Json:
    """Add the format to instants: by convention, their names end in `_at`."""
    for name, part in schema.get("properties", {}).items():
        for choice in part.get("anyOf", [part]):
            if (name == "at" or name.endswith("_at")) and choice.get("type") == "string":
                choice["format"] = "date-time"
    return schema


def _plainer(schema: Any) -> Any:
    """Say some things as generators of clients read them.

    They ask for the `items` of a pair, and read no `false`; `prefixItems` and `maxItems` still say which item
    stands where, and that there are no others. They write wrong code for a single value that is no text.
    """
    if isinstance(schema, list):
        return [_plainer(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: _plainer(part) for name, part in schema.items()}
    if "prefixItems" in schema:
        found = schema["prefixItems"]
        parts = [part for index, part in enumerate(found) if part not in found[:index]]
        schema["items"] = {"anyOf": parts} if len(parts) > 1 else parts[0]
    match schema.get("enum"):
        case [bool()]:
            del schema["enum"]
            schema["type"] = "boolean"
    return schema


def _renamed(schema: Any) -> Any:
    """Rename pages: BookingViewPage instead of PageView_BookingView_."""
    if isinstance(schema, dict):
        return {
            name: _reference(part) if name == "$ref" else _renamed(part)
            for name, part in schema.items()
            if name != "title" or not isinstance(part, str)
        }
    if isinstance(schema, list | tuple):
        return [_renamed(part) for part in schema]
    return schema


def _reference(text: str) -> str:
    head, _, name = text.rpartition("/")
    return f"{head}/{_page_name(name)}"


def _page_name(name: str) -> str:
    return _PAGE.sub(r"\1Page", name)


def _shown_fields(schema: Json) -> list[tuple[str, Json]]:
    """Return the fields of an example: the required ones, and those with an example of their own."""
    required = schema.get("required", ())
    return [
        (key, part) for key, part in schema["properties"].items() if key in required or part.get("examples")
    ]


def _described(component: Json) -> Json:
    """Unwrap the lines of a schema's description: msgspec copies docstrings unchanged."""
    if "description" in component:
        component["description"] = _prose(component["description"])
    return component


def _prose(docstring: str | None) -> str:
    """Return the paragraphs of a docstring, each on one line."""
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(docstring or "").split("\n\n"))
