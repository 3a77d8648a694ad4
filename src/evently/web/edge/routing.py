"""What a face declares its routes with: a decorator for each method, and where each argument comes from.

    @get("/v1/events/{event_id}", operation_id="getEvent", summary="Get an event", tags=["Events"],
         responses=problems(SalesRefusal.EVENT_NOT_FOUND), **policy(PUBLIC))
    async def get_event(request: Request, event_id: FromPath[EventId]) -> Response[EventView]: ...

A handler takes the request and, by the annotation of each argument:

    FromPath[T]                                a parameter of the path: an id, or text
    JSONBody[T]                                the body, named `data`; with a default, it may be left out
    Annotated[T, QueryParameter(...)]          a parameter of the query
    Annotated[T, HeaderParameter(name=...)]    a header

A decorator only collects; `router.py` finds routes and calls them, `binding.py` reads the arguments,
`openapi.py` describes them.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

from evently.web.edge.access import Policy

T = TypeVar("T")
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Rate = Literal["reads", "writes", "bookings", "login", "register", "heavy", "suggestions", "unlimited"]
_STATUS: Final[dict[str, int]] = {"POST": HTTPStatus.CREATED, "DELETE": HTTPStatus.NO_CONTENT}


@dataclass(frozen=True, kw_only=True)
class _Limits:
    """What a parameter may be; `name` is what clients call it, by default the name of the argument."""

    name: str | None = None
    description: str | None = None
    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None


class QueryParameter(_Limits):
    """Marks an argument that comes from the query."""


class HeaderParameter(_Limits):
    """Marks an argument that comes from a header."""


class PathParameter:
    """Marks an argument that comes from the path."""


class Body:
    """Marks the argument that is the body."""


FromPath: TypeAlias = Annotated[T, PathParameter()]
JSONBody: TypeAlias = Annotated[T, Body()]


class Argument:
    """One argument of a handler: its name, its annotation without the marker, the marker and the default."""

    def __init__(self, name: str, annotation: Any, default: Any) -> None:
        parts = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
        markers = [part for part in parts[1:] if isinstance(part, _MARKERS)]
        rest = tuple(part for part in parts[1:] if not isinstance(part, _MARKERS))
        self.name = name
        self.marker = markers[0] if markers else None
        self.shape: Any = annotated(parts[0], rest)
        self.has_default = default is not inspect.Parameter.empty
        self.default = default if self.has_default else None


_MARKERS: Final = (QueryParameter, HeaderParameter, PathParameter, Body)


def annotated(shape: Any, metas: tuple[Any, ...]) -> Any:
    """Return `Annotated[shape, *metas]`, which Python 3.11 cannot spell; without metas, the shape."""
    return operator.getitem(Annotated, (shape, *metas)) if metas else shape


@dataclass(eq=False, kw_only=True)
class Route:
    """A handler at its address, with who may call it, how often, and how the API's description shows it.

    `reads_body`: the handler reads the bytes of the body itself; `body_type`: what they are, for the
    description. A route with neither that nor a body refuses one that was sent. `is_page`: a page for people:
    the caller is found by the cookie instead of the `Authorization` header, and a refusal is a page, too.
    """

    handler: Callable[..., Any]
    method: Method
    path: str
    policy: Policy
    rate: Rate | None
    body_bytes_max: int | None
    reads_body: bool
    body_type: str | None
    status_code: int
    media_type: str | None
    responses: Sequence[str]
    operation_id: str | None
    summary: str | None
    description: str | None
    tags: Sequence[str]
    include_in_schema: bool
    is_page: bool

    @cached_property
    def arguments(self) -> tuple[Argument, ...]:
        """The arguments of the handler, but for the request."""
        hints = get_type_hints(self.handler, include_extras=True)
        return tuple(
            Argument(name, hints[name], parameter.default)
            for name, parameter in inspect.signature(self.handler).parameters.items()
            if name != "request"
        )

    @cached_property
    def body(self) -> Any:
        """The type of the body, or None for a route without one."""
        return next((each.shape for each in self.arguments if isinstance(each.marker, Body)), None)

    @cached_property
    def body_default(self) -> Any:
        """The body of a request that sends none, or None where it is required."""
        return next((each.default for each in self.arguments if isinstance(each.marker, Body)), None)

    @cached_property
    def returns(self) -> Any:
        """The type that the handler returns."""
        return get_type_hints(self.handler, include_extras=True)["return"]


_Decorator: TypeAlias = Callable[[Callable[..., Any]], Route]


def _decorator(method: Method) -> Callable[..., _Decorator]:
    def declare(
        path: str,
        *,
        policy: Policy,
        rate: Rate | None = None,
        body_bytes_max: int | None = None,
        reads_body: bool = False,
        body_type: str | None = None,
        status_code: int | None = None,
        media_type: str | None = None,
        responses: Sequence[str] = (),
        operation_id: str | None = None,
        summary: str | None = None,
        description: str | None = None,
        tags: Sequence[str] = (),
        include_in_schema: bool = True,
        is_page: bool = False,
    ) -> _Decorator:
        def decorate(handler: Callable[..., Any]) -> Route:
            return Route(
                handler=handler,
                method=method,
                path=path,
                policy=policy,
                rate=rate,
                body_bytes_max=body_bytes_max,
                reads_body=reads_body,
                body_type=body_type,
                status_code=status_code or _STATUS.get(method, HTTPStatus.OK),
                media_type=media_type,
                responses=responses,
                operation_id=operation_id,
                summary=summary,
                description=description,
                tags=tags,
                include_in_schema=include_in_schema,
                is_page=is_page,
            )

        return decorate

    return declare


get: Final = _decorator("GET")
post: Final = _decorator("POST")
put: Final = _decorator("PUT")
patch: Final = _decorator("PATCH")
delete: Final = _decorator("DELETE")
