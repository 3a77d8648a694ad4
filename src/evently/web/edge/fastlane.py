"""The short way to the handlers that a crowd calls: `policy(..., hot=True)`.

Litestar takes 80-150 us to find a route, make the handler's arguments and send its answer; this takes 30,
with the same guard, the same validation and the same problems, for handlers that need no more than the
request, ids from the path, headers, a body and a query that may be left out. A handler on the fast lane is an
ordinary handler: it stands in the OpenAPI document, and a test has both ways answer the same. What does not
match a template exactly (a trailing slash) goes the long way, and so does any query but whole numbers,
plainly written and in their limits: what is wrong with one is found there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final, NamedTuple, get_args, get_origin

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.params import HeaderParameter, QueryParameter
from litestar.routes import HTTPRoute
from litestar.types import Receive, Scope, Send

from evently.kit.errors import FieldError, Invalid
from evently.kit.ids import PrefixedId, parse_id
from evently.web.edge.auth import enforce
from evently.web.edge.context import Request, Response
from evently.web.edge.parameters import constrained
from evently.web.edge.problems import answer_to
from evently.web.edge.validation import decode_as, sentence

_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_NUMBER: Final = re.compile(rb"0|[1-9][0-9]{0,18}")
_Values = dict[str, Any]  # by parameter: texts from the path, numbers from the query
_Argument = Callable[[Request, _Values, list[FieldError]], Any]


class HotRoute(NamedTuple):
    """One handler, ready to be called.

    `groups`: parameter in the path -> group of the pattern. `numbers`: name in the query -> parameter and what it must be. `arguments`
    make what it is called with, but for the body.
    """

    handler: HTTPRouteHandler
    template: str
    groups: dict[str, str]
    numbers: dict[bytes, tuple[str, Any]]
    arguments: dict[str, _Argument]
    body_shape: Any

    def query_values(self, query: bytes) -> _Values | None:
        """Return the numbers of a query by parameter, or None when it goes the long way."""
        values: _Values = {}
        for part in query.split(b"&"):
            name, _, text = part.partition(b"=")
            parameter, shape = self.numbers.get(name, ("", None))
            if not parameter or parameter in values or not _NUMBER.fullmatch(text):
                return None
            try:
                values[parameter] = msgspec.convert(int(text), shape)
            except msgspec.ValidationError:
                return None
        return values


class Found(NamedTuple):
    """A hot route with what a request asks it for."""

    route: HotRoute
    path_values: dict[str, str]
    query_values: _Values


class _Routes(NamedTuple):
    """The hot routes of one method: the group that matched says which."""

    pattern: re.Pattern[str]
    by_group: dict[str, HotRoute]


class FastLane:
    """Finds hot routes and serves them."""

    def __init__(self, app: Litestar, request_class: type[Request]) -> None:
        self._app = app
        self._request_class = request_class
        self._methods: dict[str, _Routes] = {}
        hot = [
            (method, route, handler)
            for route in app.routes
            if isinstance(route, HTTPRoute)
            for method, handler in _hot_handlers(route)
        ]
        for method in {method for method, _, _ in hot}:
            self._methods[method] = _compile(
                [(route.path_format, handler) for each, route, handler in hot if each == method]
            )

    def find(self, scope: Any) -> Found | None:
        """Return the hot route of a request, or None."""
        routes = self._methods.get(scope["method"])
        match = None if routes is None else routes.pattern.fullmatch(scope["path"])
        if routes is None or match is None:
            return None
        route = routes.by_group[match.lastgroup or ""]
        query_values = route.query_values(scope["query_string"]) if scope["query_string"] else {}
        return (
            None
            if query_values is None
            else Found(route, {name: match[group] for name, group in route.groups.items()}, query_values)
        )

    async def serve(self, found: Found, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        route = found.route
        told: Any = scope
        told["litestar_app"] = self._app
        told["route_handler"] = route.handler
        told["path_template"] = route.template
        told["path_params"] = found.path_values
        request = self._request_class.light(scope, receive, send)
        try:
            answer = await _call(route, {**found.path_values, **found.query_values}, request)
        except Exception as exc:  # noqa: BLE001  # an outermost loop: every exception has its answer
            answer = answer_to(request, exc)
        await answer(scope, receive, send)


async def _call(route: HotRoute, values: _Values, request: Request) -> Response[Any]:
    await enforce(request, route.handler)
    errors: list[FieldError] = []
    arguments = {name: argument(request, values, errors) for name, argument in route.arguments.items()}
    if errors:
        raise Invalid(errors)
    if route.body_shape is not None:
        arguments["data"] = decode_as(route.body_shape, request.exchange, await request.body())
    result = await route.handler.fn(**arguments)
    answer = result if isinstance(result, Response) else Response(result)
    answer.status_code = answer.status_code or route.handler.status_code
    return answer


def _hot_handlers(route: HTTPRoute) -> list[tuple[str, HTTPRouteHandler]]:
    return [
        (method, handler)
        for method, (handler, _) in route.route_handler_map.items()
        if handler.opt.get("hot")
    ]


def _compile(hot: list[tuple[str, HTTPRouteHandler]]) -> _Routes:
    """Return one pattern for all: `(?P<r0>/v1/events/(?P<r0_event_id>[^/]+)/bookings)|...`."""
    parts, by_group = [], {}
    for number, (template, handler) in enumerate(hot):
        group = f"r{number}"
        names = _PARAMETER.findall(template)
        inner = _PARAMETER.sub(lambda match, group=group: f"(?P<{group}_{match[1]}>[^/]+)", template)  # type: ignore[misc]  # a default binds the loop's value
        parts.append(f"(?P<{group}>{inner})")
        parameters = handler.parsed_fn_signature.parameters
        body = parameters.get("data")
        by_group[group] = HotRoute(
            handler,
            template,
            {name: f"{group}_{name}" for name in names},
            dict(_numbers(handler)),
            {name: _argument(handler, name, names) for name in parameters if name != "data"},
            None if body is None else body.annotation,
        )
    return _Routes(re.compile("|".join(parts)), by_group)


def _numbers(handler: HTTPRouteHandler) -> Iterator[tuple[bytes, tuple[str, Any]]]:
    """Yield the whole numbers that a handler takes from a query, by their names there."""
    for field_name, field in handler.parsed_fn_signature.parameters.items():
        if isinstance(field.kwarg_definition, QueryParameter) and _is_number(shape := constrained(field)):
            yield (field.kwarg_definition.name or field_name).encode(), (field_name, shape)


def _is_number(shape: Any) -> bool:
    return shape is int or (get_origin(shape) is Annotated and get_args(shape)[0] is int)


def _argument(handler: HTTPRouteHandler, name: str, path_names: list[str]) -> _Argument:
    """Return how a parameter of a handler gets its value."""
    if name == "request":
        return lambda request, _values, _errors: request
    shape = handler.parsed_fn_signature.parameters[name].annotation
    if name in path_names and isinstance(shape, type) and issubclass(shape, PrefixedId):
        return lambda _request, values, _errors: parse_id(shape.prefix, values[name])
    if name in path_names:
        return lambda _request, values, _errors: values[name]
    parameter = handler.parsed_fn_signature.parameters[name]
    kwarg = parameter.kwarg_definition
    if isinstance(kwarg, QueryParameter) and parameter.has_default:
        return lambda _request, values, _errors: values.get(name, parameter.default)
    assert isinstance(kwarg, HeaderParameter), (
        f"{handler}: {name} must come from the path, a header, the body or a query that may be left out to be hot"
    )
    assert kwarg.name is not None
    return _header_argument(kwarg.name, kwarg)


def _header_argument(shown: str, kwarg: HeaderParameter) -> _Argument:
    raw = shown.lower()
    shape = Annotated[
        str, msgspec.Meta(min_length=kwarg.min_length, max_length=kwarg.max_length, pattern=kwarg.pattern)
    ]

    def find(request: Request, _values: _Values, errors: list[FieldError]) -> str | None:
        given = request.header(raw)
        if given is None:
            return None
        try:
            return msgspec.convert(given, shape)
        except msgspec.ValidationError as exc:
            errors.append(FieldError(shown, sentence(str(exc))))
            return None

    return find
