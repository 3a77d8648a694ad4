"""The short way to the handlers that a crowd calls: `policy(..., hot=True)`.

Litestar takes 80-150 us to find a route, make the handler's arguments and send its answer; this takes 30, with the same guard, the same
validation and the same problems, for handlers that need no more than the request, ids from the path, headers and a body. A handler on the
fast lane is an ordinary handler: it stands in the OpenAPI document, and a test has both ways answer the same. What does not match a
template exactly (a trailing slash, a query) goes the long way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.params import HeaderParameter, QueryParameter
from litestar.routes import HTTPRoute
from litestar.types import Receive, Scope, Send

from evently.kit.errors import FieldError, Invalid
from evently.web.auth import enforce
from evently.web.context import Answer, Request
from evently.web.problems import answer_to
from evently.web.validation import decode_as, sentence

_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_Argument = Callable[[Request, dict[str, str], list[FieldError]], Any]


class HotRoute(NamedTuple):
    """One handler, ready to be called.

    `groups`: parameter in the path -> group of the pattern. `arguments` make what it is called with, but for the body.
    """

    handler: HTTPRouteHandler
    template: str
    groups: dict[str, str]
    arguments: dict[str, _Argument]
    body_shape: Any


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
        hot = [(method, route, handler) for route in app.routes if isinstance(route, HTTPRoute) for method, handler in _hot_handlers(route)]
        for method in {method for method, _, _ in hot}:
            self._methods[method] = _compile([(route.path_format, handler) for each, route, handler in hot if each == method])

    def find(self, scope: Any) -> tuple[HotRoute, re.Match[str]] | None:
        """Return the hot route of a request, or None."""
        routes = self._methods.get(scope["method"])
        if routes is None or scope["query_string"]:
            return None
        match = routes.pattern.fullmatch(scope["path"])
        return None if match is None else (routes.by_group[match.lastgroup or ""], match)

    async def serve(self, found: tuple[HotRoute, re.Match[str]], scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        route, match = found
        told: Any = scope
        told["litestar_app"] = self._app
        told["route_handler"] = route.handler
        told["path_template"] = route.template
        told["path_params"] = values = {name: match[group] for name, group in route.groups.items()}
        request = self._request_class.light(scope, receive, send)
        try:
            answer = await _call(route, values, request)
        except Exception as exc:  # noqa: BLE001  # an outermost loop: every exception has its answer
            answer = answer_to(request, exc)
        await answer(scope, receive, send)


async def _call(route: HotRoute, values: dict[str, str], request: Request) -> Answer[Any]:
    await enforce(request, route.handler)
    errors: list[FieldError] = []
    arguments = {name: argument(request, values, errors) for name, argument in route.arguments.items()}
    if errors:
        raise Invalid(errors)
    if route.body_shape is not None:
        arguments["data"] = decode_as(route.body_shape, request.exchange, await request.body())
    result = await route.handler.fn(**arguments)
    answer = result if isinstance(result, Answer) else Answer(result)
    answer.status_code = answer.status_code or route.handler.status_code
    return answer


def _hot_handlers(route: HTTPRoute) -> list[tuple[str, HTTPRouteHandler]]:
    return [(method, handler) for method, (handler, _) in route.route_handler_map.items() if handler.opt.get("hot")]


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
            {name: _argument(handler, name, names) for name in parameters if name != "data"},
            None if body is None else body.annotation,
        )
    return _Routes(re.compile("|".join(parts)), by_group)


def _argument(handler: HTTPRouteHandler, name: str, path_names: list[str]) -> _Argument:
    """Return how a parameter of a handler gets its value."""
    if name == "request":
        return lambda request, _values, _errors: request
    if name in path_names:
        return lambda _request, values, _errors: values[name]
    parameter = handler.parsed_fn_signature.parameters[name]
    kwarg = parameter.kwarg_definition
    if isinstance(kwarg, QueryParameter) and parameter.has_default:
        return lambda _request, _values, _errors: parameter.default  # a request with a query goes the long way
    assert isinstance(kwarg, HeaderParameter), (
        f"{handler}: {name} must come from the path, a header, the body or a query that may be left out to be hot"
    )
    assert kwarg.name is not None
    return _header_argument(kwarg.name, kwarg)


def _header_argument(shown: str, kwarg: HeaderParameter) -> _Argument:
    raw = shown.lower()
    shape = Annotated[str, msgspec.Meta(min_length=kwarg.min_length, max_length=kwarg.max_length, pattern=kwarg.pattern)]

    def find(request: Request, _values: dict[str, str], errors: list[FieldError]) -> str | None:
        given = request.header(raw)
        if given is None:
            return None
        try:
            return msgspec.convert(given, shape)
        except msgspec.ValidationError as exc:
            errors.append(FieldError(shown, sentence(str(exc))))
            return None

    return find
