"""The ASGI application of the product: the edge around the routes of every face and page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from evently.web.api import (
    accounts,
    admin,
    analytics,
    attendees,
    bookings,
    catalogue,
    checkin,
    docs,
    health,
    notifications,
    organizers,
    organizing,
    passkeys,
    payments,
    questions,
    realtime,
    seating,
    tickets,
    waiting_room,
    waitlist,
    webhooks,
)
from evently.web.edge.middleware import Edge
from evently.web.edge.router import Router
from evently.web.edge.routing import Route
from evently.web.pages import (
    account,
    assets,
    browsing,
    choosing,
    demo_gateway,
    demo_mail,
    door,
    events,
    organize,
    pictures,
    poster_picture,
    sessions,
    site,
    unsubscribing,
)
from evently.web.pages import admin as admin_pages
from evently.web.pages import bookings as booking_pages
from evently.web.pages import notifications as notification_pages
from evently.web.pages import offline as offline_pages
from evently.web.pages import passing as passing_pages
from evently.web.pages import passkeys as passkey_pages
from evently.web.pages import seat_map as seat_map_pages
from evently.web.pages import seats as seat_pages
from evently.web.pages import tickets as ticket_pages
from evently.web.pages import waiting_room as waiting_room_pages
from evently.web.pages import (
    waitlist as waitlist_pages,
)
from evently.web.pages.trouble import respond_with_page
from evently.web.services import Request, Services

FACES: Final = (
    accounts,
    passkeys,
    organizers,
    catalogue,
    organizing,
    bookings,
    realtime,
    tickets,
    attendees,
    questions,
    checkin,
    waiting_room,
    waitlist,
    payments,
    notifications,
    analytics,
    seating,
    webhooks,
    admin,
    health,
    docs,
)
PAGES: Final = (
    browsing,
    events,
    pictures,
    poster_picture,
    choosing,
    seat_pages,
    seat_map_pages,
    booking_pages,
    waiting_room_pages,
    waitlist_pages,
    ticket_pages,
    passing_pages,
    offline_pages,
    door,
    sessions,
    passkey_pages,
    account,
    demo_gateway,
    demo_mail,
    notification_pages,
    unsubscribing,
    organize,
    admin_pages,
    site,
    assets,
)


def create_asgi(context: Services, routes: Sequence[Route] | None = None) -> Edge:
    """Return the application. Tests of the edge bring their own `routes`."""
    served = tuple(all_routes() if routes is None else routes)
    members = {"context": context, "routes": served, "__slots__": ()}
    bound: type[Request] = type("BoundRequest", (Request,), members)
    return Edge(Router(served, bound, respond_with_page), context)


def all_routes() -> list[Route]:
    """Return the routes of every face and page."""
    return [route for room in (*FACES, *PAGES) for route in room.routes]
