"""Users of the platform, for administrators: list, search, get, change a role."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec
import structlog

from evently import accounts
from evently.accounts import AccountsRefusal, Person, PlatformRole
from evently.kit.errors import CommonRefusal
from evently.kit.ids import PersonId, show_id
from evently.web.edge.auth import ADMIN, policy
from evently.web.edge.conditional import NO_STORE, etag_of, not_modified, require_if_match
from evently.web.edge.context import Response
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, QueryParameter, get, patch
from evently.web.services import Request

_TAG: Final = "Administration"
_SEARCH_CHARACTERS_MAX: Final = 254
_log = structlog.get_logger(__name__)


class UserView(msgspec.Struct, frozen=True):
    """A person's account, as administrators see it.

    After an account is deleted, `email` is null and `name` says that the account was deleted.
    """

    id: Annotated[str, msgspec.Meta(examples=["per_01m7y4ef72ev2sxmcnxfse27zp"])]
    email: str | None
    name: str
    role: PlatformRole
    created_at: datetime
    erased_at: datetime | None


class RolePatch(msgspec.Struct, forbid_unknown_fields=True):
    """The changes to a user."""

    role: PlatformRole | msgspec.UnsetType = msgspec.UNSET


@get(
    "/v1/admin/users",
    operation_id="listUsers",
    summary="List users",
    tags=[_TAG],
    responses=problems(),
    **policy(ADMIN),
)
async def list_users(
    request: Request,
    q: Annotated[
        str | None,
        QueryParameter(
            max_length=_SEARCH_CHARACTERS_MAX,
            description="Return only users whose e-mail or name begins with this text, ignoring case.",
        ),
    ] = None,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response[PageView[UserView]]:
    """List the accounts of all people, newest first."""
    return paginated(
        request, await accounts.people.list_people(request.context.database, q, limit, after), _show
    )


@get(
    "/v1/admin/users/{person_id}",
    operation_id="getUser",
    summary="Get a user",
    tags=[_TAG],
    responses=problems(),
    **policy(ADMIN),
)
async def get_user(request: Request, person_id: FromPath[PersonId]) -> Response[UserView] | Response[None]:
    """Return the account of one person."""
    person = await accounts.people.get_person(request.context.database, person_id)
    return not_modified(request, etag_of(person.version)) or _answer(person)


@patch(
    "/v1/admin/users/{person_id}",
    operation_id="editUser",
    summary="Change a user's role",
    description=(
        "Ends the user's sessions, so that the new role applies within a second; the user must log in again. "
        "The platform's last administrator cannot lose the role."
    ),
    tags=[_TAG],
    responses=problems(CommonRefusal.STALE, AccountsRefusal.LAST_ADMIN),
    **policy(ADMIN),
)
async def edit_user(
    request: Request, person_id: FromPath[PersonId], data: JSONBody[RolePatch]
) -> Response[UserView]:
    """Change the platform role of a person and end their sessions."""
    context = request.context
    async with context.database.transaction() as tx:
        person = await accounts.people.lock_with_admins(tx, person_id)
        require_if_match(request, person.version)
        if data.role is msgspec.UNSET or data.role == person.role:
            return _answer(person)
        person = await accounts.people.change_role(tx, person, data.role)
        ended = await accounts.end_all_sessions(tx, person.person_id, context.clock())
    context.accounts.revocations.add(ended)
    _log.info(
        "role changed", actor_id=str(request.actor.id), person_id=str(person.person_id), role=person.role
    )
    return _answer(person)


def _answer(person: Person) -> Response[UserView]:
    return Response(_show(person), headers={"etag": etag_of(person.version), **NO_STORE})


def _show(person: Person) -> UserView:
    return UserView(
        show_id("per", person.person_id),
        person.email,
        person.name,
        person.role,
        person.created_at,
        person.erased_at,
    )


routes: Final = [list_users, get_user, edit_user]
