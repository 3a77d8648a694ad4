"""Who the caller is, and what role they have at an organizer. It knows no HTTP; `auth.py` calls it.

Access tokens are verified without I/O; roles and API keys are remembered for half a second
(`evently.accounts`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

import msgspec

from evently.accounts import Accounts, AccountsRefusal, Grant, MemberRole, acts
from evently.accounts.keys import ApiKey
from evently.accounts.members import find_role
from evently.db import Database
from evently.kit.clock import Clock
from evently.kit.errors import CommonRefusal, Refusal, Refused
from evently.kit.ids import NO_ID, show_id
from evently.web.edge.refusals import EdgeRefusal

_RANKS: Final[dict[str, int]] = {"door": 1, "manager": 2, "owner": 3}
_KEY_PREFIX: Final = "evk_"
_BEARER: Final = b"bearer "
_SHOWN_MAX: Final = 50_000  # ids of events that are not hidden: 5 MB; then all are forgotten together


class Actor(msgspec.Struct, frozen=True):
    """The caller. `id` is that of a person or an API key; an anonymous caller has none.

    `only_event_id`: the key is that of a device, which may do something for this event alone.
    """

    kind: Literal["anonymous", "person", "api_key"]
    id: UUID
    role: Literal["buyer", "admin"] = "buyer"
    session_id: UUID | None = None
    organizer_id: UUID | None = None
    scopes: frozenset[str] = frozenset()
    only_event_id: UUID | None = None


ANONYMOUS: Final = Actor(kind="anonymous", id=NO_ID)


class Visit(NamedTuple):
    """Who looks at a page; `renewed` is what the browser must keep from now on."""

    actor: Actor
    renewed: Grant


class Policy(msgspec.Struct, frozen=True):
    """Who may call a route."""

    who: Literal["public", "signed_in", "admin", "organizer"]
    role: MemberRole | None = None
    scope: str | None = None


class Hidden(msgspec.Struct, frozen=True):
    """Who else than members knows of an event: the callers of one session. Others get the refusal."""

    session_id: UUID
    refusal: Refusal


class Owner(msgspec.Struct, frozen=True):
    """The organizer of a resource, and whether everybody can see the resource.

    `hidden`: it is there for few, not even by its id: the copy of an event that a rehearsal sells.
    """

    organizer_id: UUID
    public: bool
    hidden: Hidden | None = None


FindOwner: TypeAlias = Callable[[Mapping[str, str]], Awaitable[Owner]]


class Access:
    """Finds actors, and checks what they may do."""

    def __init__(self, database: Database, accounts: Accounts, clock: Clock, find_owner: FindOwner) -> None:
        self._database = database
        self._accounts = accounts
        self._clock = clock
        self._find_owner = find_owner
        self._shown: set[str] = set()

    async def find_actor(self, authorization: bytes, count_guess: Callable[[], Awaitable[None]]) -> Actor:
        """Return the actor of an Authorization header (RFC 6750); refuse an invalid token or key.

        `count_guess` is awaited before the database is asked about an unknown key, and may refuse.
        """
        if authorization[:7].lower() != _BEARER:
            raise Refused(EdgeRefusal.UNAUTHENTICATED, "not_bearer")
        token = authorization[7:].strip().decode("latin-1")
        if token.startswith(_KEY_PREFIX):
            return await self._find_key(token, count_guess)
        claims = self._accounts.tokens.verify_access(token)
        return Actor("person", claims.person_id, claims.role, claims.session_id)

    def read_visitor(self, access_token: str) -> Actor | None:
        """Return whose browser this is, without I/O; None when the access token has expired, or is none."""
        try:
            claims = self._accounts.tokens.verify_access(access_token)
        except Refused:
            return None
        return Actor("person", claims.person_id, claims.role, claims.session_id)

    async def find_device(self, key: str, count_guess: Callable[[], Awaitable[None]]) -> Actor | None:
        """Return the device whose browser has this key, or None when the key does not work (any more)."""
        found = await self._accounts.keys.find_key(self._database, key, self._clock(), count_guess)
        return None if found is None or found.only_event_id is None else _actor_of(found)

    async def renew_visitor(self, browser_secret: str) -> Visit | None:
        """Return whose browser this is, with a new access token, or None when its session has ended."""
        grant = await self._accounts.continue_in_browser(browser_secret)
        actor = None if grant is None else self.read_visitor(grant.access_token)
        return None if grant is None or actor is None else Visit(actor, grant)

    async def is_member(
        self,
        actor: Actor,
        organizer_id: UUID,
        role: MemberRole,
        scope: str | None,
        *,
        certainly: bool = False,
    ) -> bool:
        """Return whether an actor has this role or a higher one; of an API key, whether it has this scope.

        A remembered role is half a second old. `certainly`: the database is asked before a no, because
        another process may just have accepted an invitation.
        """
        if actor.kind == "api_key":
            return actor.organizer_id == organizer_id and scope in actor.scopes
        if actor.kind == "anonymous":
            return False
        if actor.role == "admin":
            return True
        found = await self._accounts.roles.find_role(self._database, organizer_id, actor.id)
        if found is not None and _RANKS[found] >= _RANKS[role]:
            return True
        if not certainly:
            return False
        stored = await find_role(self._database, organizer_id, actor.id)
        if stored != found:
            self._accounts.roles.forget(organizer_id)
        return stored is not None and _RANKS[stored] >= _RANKS[role]

    async def acts_as_admin(self, actor: Actor, organizer_id: UUID, role: MemberRole) -> bool:
        """Return whether an actor has this role at an organizer only as an administrator."""
        if actor.role != "admin":
            return False
        found = await self._accounts.roles.find_role(self._database, organizer_id, actor.id)
        return found is None or _RANKS[found] < _RANKS[role]

    async def opened_until(self, actor: Actor, organizer_id: UUID) -> datetime | None:
        """Return until when an administrator, who has said why, may change things of an organizer."""
        return await acts.opened_until(self._database, actor.id, show_id("org", organizer_id), self._clock())

    async def check_organizer(
        self,
        actor: Actor,
        path_values: dict[str, str],
        wanted: Policy,
        *,
        hides: bool = False,
        writes: bool = False,
    ) -> UUID:
        """Return the organizer of the resource in the path; refuse an actor without the role or scope.

        A stranger gets 404 for a resource that strangers cannot see, and 403 for one that everybody can see.
        `hides`: 404 in either case, for a page about the resource that only members see. `writes`: an
        administrator must have said why.
        """
        assert wanted.role is not None, "such policies are made by organizer(role, scope)"
        if actor.only_event_id is not None and path_values.get("event_id") != show_id(
            "evt", actor.only_event_id
        ):
            raise Refused(CommonRefusal.NOT_FOUND)
        owner = await self._find_owner(path_values)
        if await self.is_member(actor, owner.organizer_id, wanted.role, wanted.scope, certainly=True):
            if writes and await self.acts_as_admin(actor, owner.organizer_id, wanted.role):
                await self._check_reason(actor, owner.organizer_id)
            return owner.organizer_id
        if actor.kind == "api_key" and actor.organizer_id == owner.organizer_id:
            check_scope(actor, wanted.scope)
        belongs = await self.is_member(actor, owner.organizer_id, "door", None, certainly=True)
        if not belongs and (hides or not owner.public):
            raise Refused(CommonRefusal.NOT_FOUND)
        raise Refused(CommonRefusal.FORBIDDEN, "role", role=wanted.role)

    def is_shown(self, event_id: str) -> bool:
        """Return whether an event, by its public id, is known not to be hidden: 0.1 us on every request."""
        return event_id in self._shown

    async def check_shown(self, actor: Actor, event_id: str) -> None:
        """Refuse a hidden event to all but members of its organizer and the callers of its session.

        An event that is not there at all is left to the handler, which knows how to say so.
        """
        try:
            owner = await self._find_owner({"event_id": event_id})
        except Refused:
            return
        if owner.hidden is None:
            if len(self._shown) >= _SHOWN_MAX:
                self._shown.clear()
            self._shown.add(event_id)
        elif actor.session_id != owner.hidden.session_id and not await self.is_member(
            actor, owner.organizer_id, "door", "events:read", certainly=True
        ):
            raise Refused(owner.hidden.refusal)

    async def _check_reason(self, actor: Actor, organizer_id: UUID) -> None:
        if await self.opened_until(actor, organizer_id) is None:
            raise Refused(EdgeRefusal.REASON_NEEDED, "desk", organizer_id=show_id("org", organizer_id))

    async def _find_key(self, text: str, count_guess: Callable[[], Awaitable[None]]) -> Actor:
        key = await self._accounts.keys.find_key(self._database, text, self._clock(), count_guess)
        if key is None:
            raise Refused(AccountsRefusal.TOKEN_INVALID, "api_key")
        return _actor_of(key)


def _actor_of(key: ApiKey) -> Actor:
    return Actor(
        "api_key",
        key.api_key_id,
        organizer_id=key.organizer_id,
        scopes=key.scopes,
        only_event_id=key.only_event_id,
    )


def check_scope(actor: Actor, scope: str | None) -> None:
    """Refuse an API key without this scope."""
    if scope is None:
        raise Refused(CommonRefusal.FORBIDDEN, "people_only")
    if scope not in actor.scopes:
        raise Refused(CommonRefusal.FORBIDDEN, "missing_scope", scope=scope)
