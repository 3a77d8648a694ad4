"""The ASGI application of the product: the edge around the routes of every face and page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

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
from evently.web.edge.middleware import Edge
from evently.web.edge.router import Router
from evently.web.edge.routing import Route
from evently.web.pages import assets, demo_gateway
from evently.web.services import Request, Services

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
)
PAGES: Final = (demo_gateway, assets)


def create_asgi(context: Services, routes: Sequence[Route] | None = None) -> Edge:
    """Return the application. Tests of the edge bring their own `routes`."""
    served = tuple(all_routes() if routes is None else routes)
    members = {"context": context, "routes": served, "__slots__": ()}
    bound: type[Request] = type("BoundRequest", (Request,), members)
    return Edge(Router(served, bound), context)


def all_routes() -> list[Route]:
    """Return the routes of every face and page."""
    return [route for room in (*FACES, *PAGES) for route in room.routes]
