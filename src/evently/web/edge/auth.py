"""The policies of routes, and their enforcement.

Every route has a policy, `**policy(...)` in its decorator. Policies:

    PUBLIC                   everybody, with a token or without (a token that is sent must be valid)
    SIGNED_IN                a person, with an access token; with scope=..., also an API key with that scope
    ADMIN                    a person with the platform role admin
    organizer(role, scope)   a member of the organizer, with at least that role (owner > manager > door); an
                             API key of that organizer with that scope (None: no API key); or an admin. The
                             path names the organizer: organizer_id, event_id, venue_id,
                             seat_map_id or series_id. An admin who is no such member changes something
                             only after saying why (`accounts.acts`)

The draft of another organizer is not found (404); a published event of another organizer is forbidden (403).
What a rehearsal sells (`access.Hidden`) is there for members of its organizer and for its simulated buyers.
Pages of the desk of another organizer are not found in either case.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any, Final

import msgspec

from evently.accounts import MemberRole
from evently.accounts.attempts import network_of
from evently.kit.errors import CommonRefusal, Refused
from evently.web.edge.access import ANONYMOUS, Access, Actor, Policy, check_scope
from evently.web.edge.clients import Client
from evently.web.edge.context import Request
from evently.web.edge.cookies import (
    check_same_origin,
    forget_session,
    keep_session,
    read_device,
    read_session,
)
from evently.web.edge.limits import UnknownClients
from evently.web.edge.refusals import EdgeRefusal
from evently.web.edge.routing import Rate, Route

__all__ = [
    "ADMIN",
    "ANONYMOUS",
    "PUBLIC",
    "SIGNED_IN",
    "Actor",
    "MemberRole",
    "Policy",
    "address_key",
    "counted",
    "organizer",
    "policy",
]

_BY_ADDRESS: Final = frozenset({"login", "register"})

PUBLIC: Final = Policy("public")
SIGNED_IN: Final = Policy("signed_in")
ADMIN: Final = Policy("admin")


def organizer(role: MemberRole, scope: str | None = None) -> Policy:
    """Return the policy for the routes of an organizer."""
    return Policy("organizer", role, scope)


def policy(
    who: Policy,
    *,
    rate: Rate | None = None,
    scope: str | None = None,
    body_bytes_max: int | None = None,
) -> dict[str, Any]:
    """Return the keyword arguments for a route's decorator.

    `rate` names a limit of `limits.py`; by default reads for GET and writes for other methods. Of `heavy`
    ones, reports and exports, only a few run at a time. `body_bytes_max` allows longer bodies than other
    routes take.
    """
    return {
        "policy": msgspec.structs.replace(who, scope=scope or who.scope),
        "rate": rate,
        "body_bytes_max": body_bytes_max,
    }


async def enforce(request: Request, route: Route) -> None:
    """Find the actor of a request; refuse an actor who may not call the route, or calls too often.

    Where the path names an event that is hidden, the actor must be one of those who know of it. This is the
    only place that checks it, for the API and for pages; the routes of an organizer ask for a role anyway.
    """
    exchange, access = request.exchange, request.context.access
    wanted = route.policy
    if route.is_page:
        await _find_visitor(request)
    else:
        given = exchange.headers.get(b"authorization")
        if given is None or (wanted.who == "public" and request.scope["method"] != "GET"):
            exchange.actor = ANONYMOUS  # a log-in must not fail because of an old token
        else:
            exchange.actor = await access.find_actor(given, partial(_count_guess, request))
    await _count(request, route)
    if wanted.who != "public":
        await _check(request, route, access)
    if wanted.who != "organizer":
        event_id = request.path_values.get("event_id")
        if event_id is not None and not access.is_shown(event_id):
            await access.check_shown(exchange.actor, event_id)


async def _count_guess(request: Request) -> None:
    """Count a cookie or an API key that may be made up, as its client, before the database is asked."""
    exchange = request.exchange
    await request.context.limits.check("reads", address_key(exchange.client), exchange)


async def _find_visitor(request: Request) -> None:
    """Find who looks at a page, by the cookie; refuse what another site made this browser send.

    The cookie of a device reaches the pages of its door alone, and comes first there: a phone is enrolled for
    everybody who holds it.

    Browsers say whose page sent a request: `Sec-Fetch-Site` on https and loopback, else `Origin` with every
    POST. So no secret has to stand in a form, and pages can be kept.
    """
    exchange = request.exchange
    if request.scope["method"] != "GET":
        check_same_origin(request)
    exchange.actor = ANONYMOUS
    access = request.context.access
    if (key := read_device(request)) is not None:
        device = await access.find_device(key, partial(_count_guess, request))
        if device is not None:
            exchange.actor = device
            return
    given = read_session(request)
    if given is None:
        return
    secret, token = given
    if (actor := access.read_visitor(token)) is not None:
        exchange.actor = actor
        return
    await _count_guess(request)
    visit = await access.renew_visitor(secret)
    if visit is None:
        forget_session(request)
        return
    exchange.actor = visit.actor
    keep_session(request, visit.renewed)


async def _check(request: Request, route: Route, access: Access) -> None:
    exchange, wanted = request.exchange, route.policy
    actor = exchange.actor
    if actor.kind == "anonymous":
        raise Refused(EdgeRefusal.UNAUTHENTICATED, "send_bearer")
    if wanted.who == "organizer":
        exchange.organizer_id = await access.check_organizer(
            actor,
            request.path_values,
            wanted,
            hides=route.is_page,
            writes=request.scope["method"] != "GET",
        )
    elif actor.kind == "api_key":
        check_scope(actor, wanted.scope)
    elif wanted.who == "admin" and actor.role != "admin":
        raise Refused(CommonRefusal.FORBIDDEN, "admins_only")


@lru_cache(maxsize=10_000)
def _network(address: str) -> str:
    return network_of(address)


def address_key(client: Client) -> object:
    """Return the key of a client's address: of IPv6, the /64 that one subscriber has."""
    if client.proxy is not None:
        return UnknownClients(client.proxy)
    return _network(client.address) if ":" in client.address else client.address


def counted(request: Request) -> object:
    """Return the key of a rate limit: the actor, or for an anonymous caller the address."""
    exchange = request.exchange
    return address_key(exchange.client) if exchange.actor is ANONYMOUS else exchange.actor.id


async def _count(request: Request, route: Route) -> None:
    """Count the request against its rate limit."""
    exchange, limits = request.exchange, request.context.limits
    rate = route.rate or ("reads" if request.scope["method"] == "GET" else "writes")
    key = address_key(exchange.client) if rate in _BY_ADDRESS else counted(request)
    await limits.check(rate, key, exchange)


async def enter_heavy(request: Request) -> None:
    """Wait until one more report of the request's organizer may run."""
    exchange = request.exchange
    owner = getattr(exchange, "organizer_id", None) or counted(request)
    await request.context.limits.enter_heavy(exchange, owner)
