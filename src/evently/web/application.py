"""Everything that answers HTTP, put together: `create_asgi(context)` gives the ASGI application."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from litestar import Litestar

from evently.kit.ids import PrefixedId, parse_id
from evently.web.api import (
    accounts,
    admin,
    analytics,
    bookings,
    catalogue,
    docs,
    health,
    notifications,
    organizers,
    organizing,
    payments,
    seating,
    waitlist,
)
from evently.web.edge.auth import guard
from evently.web.edge.context import Context, Request, Response
from evently.web.edge.fastlane import FastLane
from evently.web.edge.middleware import Edge, LongBody, path_pattern
from evently.web.edge.problems import HANDLERS
from evently.web.pages import assets, demo_gateway

FACES: Final = (
    accounts,
    organizers,
    catalogue,
    organizing,
    bookings,
    waitlist,
    payments,
    notifications,
    analytics,
    seating,
    admin,
    health,
    docs,
    assets,
    demo_gateway,
)


def create_asgi(context: Context, routes: list[Any] | None = None, *, fast: bool = True) -> Edge:
    """Return the application.

    Tests of the edge bring their own `routes`, and go the long way with `fast=False`.
    """
    bound: type[Request] = type("BoundRequest", (Request,), {"context": context, "__slots__": ()})
    app = litestar_of(all_routes() if routes is None else routes, bound)
    return Edge(app, FastLane(app, bound) if fast else None, context, long_bodies(app))


def litestar_of(routes: list[Any], request_class: type[Request]) -> Litestar:
    """Return the handlers as an application, without the edge.

    What the edge or we ourselves do better is switched off.
    """
    app = Litestar(
        routes,
        guards=[guard],
        request_class=request_class,
        response_class=Response,
        type_decoders=[(_is_id, _read_path_id)],
        exception_handlers=dict(HANDLERS),
        openapi_config=None,
        logging_config=None,
        request_max_body_size=None,
    )
    for route in app.routes:
        for handler in getattr(route, "route_handlers", []):
            assert "policy" in handler.opt or handler.http_methods == {"OPTIONS"}, f"{handler} has no policy"
    return app


def _is_id(shape: Any) -> bool:
    return isinstance(shape, type) and issubclass(shape, PrefixedId)


def _read_path_id(shape: Any, value: Any) -> UUID:
    """Return the id in a path; one that cannot exist is not found. The guard has checked every other parameter."""
    return parse_id(shape.prefix, value)


def long_bodies(app: Litestar) -> list[LongBody]:
    """Return where bodies may be longer than elsewhere."""
    return [
        LongBody(path_pattern(route.path_format), handler.opt["body_bytes_max"])
        for route in app.routes
        for handler in getattr(route, "route_handlers", [])
        if handler.opt.get("body_bytes_max") is not None
    ]


def all_routes() -> list[Any]:
    """Return the handlers of every face."""
    return [route for face in FACES for route in face.routes]
