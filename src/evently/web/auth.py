"""Who is asking, and whether they may.

Every route says its policy, `**policy(...)` in its decorator; a route without one fails at start. Policies:

    PUBLIC                       anybody, token or not (a token that is given must still be good)
    SIGNED_IN                    a person, with an access token
    ADMIN                        a person with the platform role admin
    organizer(role, scope)       a member of the organizer of the path's organizer_id, event_id, venue_id or booking_id, with at least that role
                                 (owner > manager > door); an API key of that organizer with that scope; or an admin. scope None: no API key

A foreign draft is not there (404); a foreign event that everybody can see is there, and not yours to change (403).
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from evently.kit.errors import CommonRefusal, Refused
from evently.web.context import ANONYMOUS, Actor, Request
from evently.web.refusals import EdgeRefusal

__all__ = ["ADMIN", "ANONYMOUS", "PUBLIC", "SIGNED_IN", "Actor", "MemberRole", "Policy", "organizer", "policy"]

MemberRole = Literal["owner", "manager", "door"]
RateLimit = Literal["reads", "writes", "bookings", "login", "register"]
RANKS: Final[dict[str, int]] = {"door": 1, "manager": 2, "owner": 3}


class Policy(msgspec.Struct, frozen=True):
    """Who may use a route."""

    who: Literal["public", "signed_in", "admin", "organizer"]
    role: MemberRole | None = None
    scope: str | None = None


PUBLIC: Final = Policy("public")
SIGNED_IN: Final = Policy("signed_in")
ADMIN: Final = Policy("admin")


def organizer(role: MemberRole, scope: str | None = None) -> Policy:
    """Return the policy for the routes of an organizer."""
    return Policy("organizer", role, scope)


def policy(who: Policy, *, limit: RateLimit | None = None, heavy: bool = False) -> dict[str, Any]:
    """Return the keyword arguments for a handler's decorator. `heavy`: a report or an export, of which only a few run at a time."""
    return {"opt": {"policy": who, "limit": limit, "heavy": heavy}}


async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Find the actor and enforce the handler's policy, before the body is read."""
    if isinstance(connection, Request):
        await enforce(connection, handler.opt["policy"])


async def enforce(request: Request, wanted: Policy) -> None:
    """Refuse whoever may not."""
    exchange = request.exchange
    exchange.actor = ANONYMOUS
    if wanted.who != "public":
        raise Refused(EdgeRefusal.UNAUTHENTICATED, "Send an access token or an API key as Authorization: Bearer.")
    if wanted.who == "admin":
        raise Refused(CommonRefusal.FORBIDDEN, "This is for administrators of the platform.")
