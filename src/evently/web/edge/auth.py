"""Who is asking, and whether they may.

Every route has a policy, `**policy(...)` in its decorator. Policies:

    PUBLIC                       anybody, token or not (a token that is given must still be good)
    SIGNED_IN                    a person, with an access token; with scope=..., an API key that has it, too
    ADMIN                        a person with the platform role admin
    organizer(role, scope)       a member of the organizer of the path's organizer_id, event_id, venue_id or seat_map_id, with at least
                                 that role (owner > manager > door); an API key of that organizer with that scope; or an admin.
                                 scope None: no API key

A foreign draft is not there (404); a foreign event that everybody can see is there, and not yours to change
(403).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import msgspec

from evently.accounts import MemberRole
from evently.accounts.attempts import network_of
from evently.kit.errors import CommonRefusal, Refused
from evently.web.edge.access import ANONYMOUS, Access, Actor, Policy, check_scope
from evently.web.edge.context import Request
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

    `rate` names a limit of `limits.py`; by default reads for GET and writes for other methods. Of `heavy` ones,
    reports and exports, only a few run at a time. `body_bytes_max` allows longer bodies than other routes take.
    """
    return {
        "policy": msgspec.structs.replace(who, scope=scope or who.scope),
        "rate": rate,
        "body_bytes_max": body_bytes_max,
    }


async def enforce(request: Request, route: Route) -> None:
    """Refuse whoever may not, or asks too often."""
    exchange, access = request.exchange, request.context.access
    wanted = route.policy
    given = exchange.headers.get(b"authorization")
    if given is None or (wanted.who == "public" and request.scope["method"] != "GET"):
        exchange.actor = ANONYMOUS  # logging in again must not fail because of an old token
    else:
        exchange.actor = await access.find_actor(given)
    await _count(request, route)
    if wanted.who != "public":
        await _check(request, wanted, access)


async def _check(request: Request, wanted: Policy, access: Access) -> None:
    exchange = request.exchange
    actor = exchange.actor
    if actor.kind == "anonymous":
        raise Refused(EdgeRefusal.UNAUTHENTICATED, "send_bearer")
    if wanted.who == "organizer":
        exchange.organizer_id = await access.check_organizer(actor, request.path_values, wanted)
    elif actor.kind == "api_key":
        check_scope(actor, wanted.scope)
    elif wanted.who == "admin" and actor.role != "admin":
        raise Refused(CommonRefusal.FORBIDDEN, "admins_only")


@lru_cache(maxsize=10_000)
def _network(client: str) -> str:
    """Return what counts as one address: of IPv6, the /64 that one subscriber has."""
    return network_of(client)


def counted(request: Request) -> object:
    """Return whose requests a limit counts: the actor's, or of nobody we know, the address's."""
    exchange = request.exchange
    return _network(exchange.client) if exchange.actor is ANONYMOUS else exchange.actor.id


async def _count(request: Request, route: Route) -> None:
    """Count the request against its limit, and let it wait for its turn where only a few run at a time."""
    exchange, limits = request.exchange, request.context.limits
    rate = route.rate or ("reads" if request.scope["method"] == "GET" else "writes")
    await limits.check(rate, _network(exchange.client) if rate in _BY_ADDRESS else counted(request), exchange)
    if rate == "heavy":
        await limits.enter_heavy(exchange)
