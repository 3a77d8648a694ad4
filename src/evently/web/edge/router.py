"""The way of every request to its handler: find the route, enforce its policy, bind the arguments, call it.

Budget: 10 us of processor for a request with a body and a header, of which finding the route takes one
(docs/decisions/one-door.md). So paths are looked up part by part in dicts, and what can be computed about a
route is computed at start.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from evently.kit.errors import CommonRefusal, Refused
from evently.web.edge.asgi import Receive, Scope, Send
from evently.web.edge.auth import enforce, enter_heavy
from evently.web.edge.binding import Binding
from evently.web.edge.context import Request, Response
from evently.web.edge.exchange import exchange_of
from evently.web.edge.problems import problem, respond_to
from evently.web.edge.refusals import EdgeRefusal
from evently.web.edge.routing import Route
from evently.web.edge.validation import decode_body

# The characters of a host and a port (RFC 3986, 3.2); a server refuses any other (RFC 9112, 3.2).
_API: Final = "/v1/"
RespondTo: TypeAlias = Callable[[Request, Exception], Response[Any]]
_HOST: Final = re.compile(rb"[0-9A-Za-z!$&'()*+,;=\-._~:\[\]@%]*\Z")

_NO_BODY: Final = (b"", b"{}")


class _NoFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a route that takes none."""


class _Bound(NamedTuple):
    """A route with how its arguments are read."""

    route: Route
    binding: Binding
    names: tuple[str, ...]  # of the parameters of its path, in order


# A test opens the application hundreds of times
_binding_of: Final = cache(Binding)


class _Node:
    """One part of the paths: what may follow it, and the routes that end here, by method."""

    __slots__ = ("children", "methods", "parameter", "rest")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.parameter: _Node | None = None  # any text
        self.rest: _Node | None = None  # any text, slashes included
        self.methods: dict[str, _Bound] = {}

    def below(self, part: str) -> _Node:
        """Return the node of the next part of a path, made if it is not there."""
        if part.endswith(":path}"):
            self.rest = self.rest or _Node()
            return self.rest
        if part.startswith("{"):
            self.parameter = self.parameter or _Node()
            return self.parameter
        return self.children.setdefault(part, _Node())


class Router:
    """The ASGI application of these routes. Empty parts of a path (`//`, a slash at the end) do not count."""

    def __init__(
        self,
        routes: Iterable[Route],
        request_class: type[Request],
        respond_with_page: RespondTo | None = None,
    ) -> None:
        self._request_class = request_class
        self._respond_with_page = respond_with_page
        self._root = _Node()
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        node, names = self._root, []
        for part in _parts(route.path):
            node = node.below(part)
            if part.startswith("{"):
                names.append(part.strip("{}").partition(":")[0])
        assert route.method not in node.methods, f"{route.method} {route.path} is there twice"
        node.methods[route.method] = _Bound(route, _binding_of(route), tuple(names))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request."""
        request = self._request_class(scope, receive)
        try:
            response = await self._respond(request)
        except Exception as exc:  # noqa: BLE001  # an outermost loop: every exception has its response
            response = self._respond_to(request, exc)
        await response(scope, receive, send)

    def _respond_to(self, request: Request, exc: Exception) -> Response[Any]:
        """Return the response to an exception: a page for people, a problem for programs."""
        with_page = self._respond_with_page
        if with_page is None or not _is_for_page(request):
            return respond_to(request, exc)
        return with_page(request, exc)

    async def _respond(self, request: Request) -> Response[Any]:
        scope = request.scope
        host = request.exchange.headers.get(b"host")
        if host is not None and not _HOST.match(host):
            raise Refused(EdgeRefusal.MALFORMED, "bad_host")
        methods, values = self._find(scope["path"])
        if not methods:
            raise Refused(CommonRefusal.NOT_FOUND)
        bound = methods.get(scope["method"])
        if bound is None:
            return _other_method(request, methods)
        request.route = route = bound.route
        scope["path_template"] = route.path
        request.path_values = dict(zip(bound.names, values, strict=True))
        await enforce(request, route)
        arguments = bound.binding.arguments(request)
        # A slot is taken when the whole body is here: who sends it slowly holds none
        if route.body is not None:
            body = await request.body()
            if route.rate == "heavy":
                await enter_heavy(request)
            if route.body_default is not None and body.strip() in _NO_BODY:
                arguments["data"] = route.body_default
            else:
                arguments["data"] = await decode_body(route.body, request.exchange, body)
        else:
            if not route.reads_body and scope["method"] != "GET":
                await _check_no_body(request)
            if route.rate == "heavy":
                await enter_heavy(request)
        result = await route.handler(**arguments)
        response: Response[Any] = result if isinstance(result, Response) else Response(result)
        response.status_code = response.status_code or route.status_code
        response.media_type = response.media_type or route.media_type
        return response

    def body_bytes_max(self, path: str) -> int:
        """Return how long a body the routes at a path take, beyond what every route takes; 0 for none."""
        methods, _ = self._find(path)
        return max((bound.route.body_bytes_max or 0 for bound in methods.values()), default=0)

    def _find(self, path: str) -> tuple[dict[str, _Bound], list[str]]:
        """Return the routes at a path, by method, and the texts of its parameters."""
        node, values, parts = self._root, [], _parts(path)
        for index, part in enumerate(parts):
            if (child := node.children.get(part)) is not None:
                node = child
            elif node.parameter is not None:
                node = node.parameter
                values.append(part)
            elif node.rest is not None:
                return node.rest.methods, [*values, "/".join(parts[index:])]
            else:
                return {}, []
        return node.methods, values


async def _check_no_body(request: Request) -> None:
    """Refuse a body on a route that takes none; an empty one and `{}` are fine.

    Otherwise a wish that the route does not know, or a typing error, would change nothing in silence.
    """
    headers = request.exchange.headers
    if headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers:
        return
    body = (await request.body()).strip()
    if body not in _NO_BODY:
        await decode_body(_NoFields, request.exchange, body)


def _is_for_page(request: Request) -> bool:
    """Return whether a person will read the response: of a page, or at an address that is not there."""
    if request.route is not None:
        return request.route.is_page
    accepted = exchange_of(request.scope).headers.get(b"accept", b"")
    return b"text/html" in accepted and not request.scope["path"].startswith(_API)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _other_method(request: Request, methods: Iterable[str]) -> Response[Any]:
    """Return the response to OPTIONS, and to a method that the address does not have."""
    allow = {"allow": ", ".join(sorted({*methods, "OPTIONS"}))}
    if request.scope["method"] == "OPTIONS":
        return Response(None, headers=allow)
    response = problem(request, Refused(EdgeRefusal.METHOD_NOT_ALLOWED))
    response.headers = {**response.headers, **allow}
    return response
