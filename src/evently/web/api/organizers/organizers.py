"""Organizers and their API keys. Their members are in members.py."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec

from evently import accounts
from evently.accounts import AccountsRefusal, MemberRole, Organizer
from evently.accounts.keys import SCOPES, ApiKey, ScopeName
from evently.accounts.organizers import Membership
from evently.kit.errors import CommonRefusal
from evently.kit.ids import ApiKeyId, OrganizerId, show_id
from evently.web import organizers as web_organizers
from evently.web.api.accounts import Email, Name
from evently.web.edge.auth import SIGNED_IN, organizer, policy
from evently.web.edge.conditional import etag_of, not_modified, require_if_match
from evently.web.edge.context import Response
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, get, patch, post
from evently.web.services import Request

_PRIVATE: Final = {"cache-control": "no-store"}
_ORGANIZERS: Final = "Organizers"
_KEYS: Final = "Organizer: API keys"

OrganizerIdText = Annotated[str, msgspec.Meta(examples=["org_01m7y4ef72ev2sxmcnxfse27zp"])]
PersonIdText = Annotated[str, msgspec.Meta(examples=["per_01m7y4ef72ev2sxmcnxfse27zp"])]
ApiKeyIdText = Annotated[str, msgspec.Meta(examples=["key_01m7y4ef72ev2sxmcnxfse27zp"])]
Scopes = Annotated[
    list[ScopeName], msgspec.Meta(min_length=1, max_length=20, examples=[["bookings:read", "checkin:write"]])
]


class OrganizerBody(msgspec.Struct, forbid_unknown_fields=True):
    """A new organizer. Buyers see its name and contact e-mail."""

    name: Name
    contact_email: Email


class OrganizerPatch(msgspec.Struct, forbid_unknown_fields=True):
    """What to change."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    contact_email: Email | msgspec.UnsetType = msgspec.UNSET


class OrganizerView(msgspec.Struct, frozen=True):
    """A party that runs events."""

    id: OrganizerIdText
    name: str
    contact_email: str
    created_at: datetime


class MembershipView(msgspec.Struct, frozen=True):
    """An organizer, and my role there."""

    organizer: OrganizerView
    role: MemberRole


class ApiKeyBody(msgspec.Struct, forbid_unknown_fields=True):
    """A new API key."""

    name: Annotated[
        str, msgspec.Meta(examples=["Gate tablet 3"], extra_json_schema={"minLength": 1, "maxLength": 200})
    ]
    scopes: Scopes


class ApiKeyView(msgspec.Struct, frozen=True):
    """An API key without its secret. `hint` is its first characters."""

    id: ApiKeyIdText
    name: str
    hint: Annotated[str, msgspec.Meta(examples=["evk_7k3m"])]
    scopes: list[ScopeName]
    created_by: PersonIdText
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewApiKeyView(ApiKeyView, frozen=True):
    """An API key with its secret, which is shown only once."""

    key: Annotated[
        str, msgspec.Meta(examples=["evk_3k5m7p9r1t3v5x7z1b3d5f7h9k1m3p5r3k5m7p9r1t3v5x7z1b3d5f7h9k1m3p5r"])
    ]


# Organizers -------------------------------------------------------------------------------------------------


@post(
    "/v1/organizers",
    operation_id="createOrganizer",
    summary="Create an organizer",
    description="The caller becomes its owner.",
    tags=[_ORGANIZERS],
    status_code=201,
    responses=problems(CommonRefusal.NOT_FOUND, AccountsRefusal.LIMIT_REACHED),
    **policy(SIGNED_IN),
)
async def create_organizer(request: Request, data: JSONBody[OrganizerBody]) -> Response[OrganizerView]:
    """Create an organizer."""
    created = await web_organizers.create_organizer(request, data.name, data.contact_email)
    view = show_organizer(created)
    headers = {"location": f"/v1/organizers/{view.id}", "etag": etag_of(created.version), **_PRIVATE}
    return Response(view, status_code=201, headers=headers)


@get(
    "/v1/organizers",
    operation_id="listMyOrganizers",
    summary="List my organizers",
    tags=[_ORGANIZERS],
    responses=problems(),
    **policy(SIGNED_IN),
)
async def list_organizers(
    request: Request, limit: Limit = LIMIT, after: After = None
) -> Response[PageView[MembershipView]]:
    """List the organizers of which the caller is a member."""
    page = await accounts.organizers.list_memberships(
        request.context.database, request.actor.id, limit, after
    )
    return paginated(request, page, _show_membership)


@get(
    "/v1/organizers/{organizer_id}",
    operation_id="getOrganizer",
    summary="Get an organizer",
    tags=[_ORGANIZERS],
    responses=problems(),
    **policy(organizer("door", "events:read")),
)
async def get_organizer(
    request: Request, organizer_id: FromPath[OrganizerId]
) -> Response[OrganizerView] | Response[None]:
    """Return an organizer."""
    found = await accounts.organizers.get_organizer(request.context.database, organizer_id)
    return not_modified(request, etag_of(found.version)) or _answer_organizer(found)


@patch(
    "/v1/organizers/{organizer_id}",
    operation_id="editOrganizer",
    summary="Change an organizer",
    tags=[_ORGANIZERS],
    responses=problems(CommonRefusal.STALE),
    **policy(organizer("owner")),
)
async def edit_organizer(
    request: Request, organizer_id: FromPath[OrganizerId], data: JSONBody[OrganizerPatch]
) -> Response[OrganizerView]:
    """Change an organizer."""
    async with request.context.database.transaction() as tx:
        found = await accounts.organizers.lock_organizer(tx, organizer_id)
        require_if_match(request, found.version)
        name, contact_email = accounts.organizers.check_organizer(
            found.name if data.name is msgspec.UNSET else data.name,
            found.contact_email if data.contact_email is msgspec.UNSET else data.contact_email,
        )
        if (name, contact_email) != (found.name, found.contact_email):
            found = await accounts.organizers.edit_organizer(tx, found.organizer_id, name, contact_email)
    return _answer_organizer(found)


# API keys ---------------------------------------------------------------------------------------------------


@post(
    "/v1/organizers/{organizer_id}/api-keys",
    operation_id="createApiKey",
    summary="Create an API key",
    description=(
        "The key is shown only once and is stored as a hash. It may do what its scopes allow, for this "
        "organizer only, until it is revoked."
    ),
    tags=[_KEYS],
    status_code=201,
    responses=problems(AccountsRefusal.LIMIT_REACHED),
    **policy(organizer("owner")),
)
async def create_api_key(
    request: Request, organizer_id: FromPath[OrganizerId], data: JSONBody[ApiKeyBody]
) -> Response[NewApiKeyView]:
    """Create an API key of an organizer."""
    key, text = await web_organizers.create_key(request, organizer_id, data.name, frozenset(data.scopes))
    return Response(
        NewApiKeyView(**msgspec.structs.asdict(_show_key(key)), key=text), status_code=201, headers=_PRIVATE
    )


@get(
    "/v1/organizers/{organizer_id}/api-keys",
    operation_id="listApiKeys",
    summary="List API keys",
    description="Newest first, including revoked keys.",
    tags=[_KEYS],
    responses=problems(),
    **policy(organizer("owner")),
)
async def list_api_keys(
    request: Request, organizer_id: FromPath[OrganizerId], limit: Limit = LIMIT, after: After = None
) -> Response[PageView[ApiKeyView]]:
    """List the API keys of an organizer."""
    return paginated(
        request,
        await accounts.keys.list_keys(request.context.database, organizer_id, limit, after),
        _show_key,
    )


@post(
    "/v1/organizers/{organizer_id}/api-keys/{api_key_id}/revoke",
    operation_id="revokeApiKey",
    summary="Revoke an API key",
    description="Permanent. Takes effect within a second. Revoking a revoked key changes nothing.",
    tags=[_KEYS],
    status_code=200,
    responses=problems(),
    **policy(organizer("owner")),
)
async def revoke_api_key(
    request: Request, organizer_id: FromPath[OrganizerId], api_key_id: FromPath[ApiKeyId]
) -> Response[ApiKeyView]:
    """Revoke an API key of an organizer."""
    key = await web_organizers.revoke_key(request, organizer_id, api_key_id)
    return Response(_show_key(key), headers=_PRIVATE)


# Views ------------------------------------------------------------------------------------------------------


def _answer_organizer(found: Organizer) -> Response[OrganizerView]:
    return Response(show_organizer(found), headers={"etag": etag_of(found.version), **_PRIVATE})


def show_organizer(found: Organizer) -> OrganizerView:
    """Return the view of an organizer."""
    return OrganizerView(
        id=show_id("org", found.organizer_id),
        name=found.name,
        contact_email=found.contact_email,
        created_at=found.created_at,
    )


def _show_membership(membership: Membership) -> MembershipView:
    return MembershipView(show_organizer(membership.organizer), membership.role)


def _show_key(key: ApiKey) -> ApiKeyView:
    return ApiKeyView(
        id=show_id("key", key.api_key_id),
        name=key.name,
        hint=key.hint,
        scopes=[scope for scope in SCOPES if scope in key.scopes],
        created_by=show_id("per", key.created_by),
        created_at=key.created_at,
        last_used_at=key.last_used_at,
        revoked_at=key.revoked_at,
    )


routes: Final = [
    create_organizer,
    list_organizers,
    get_organizer,
    edit_organizer,
    create_api_key,
    list_api_keys,
    revoke_api_key,
]
