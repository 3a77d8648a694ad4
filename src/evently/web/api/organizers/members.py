"""The members of an organizer, their roles, and the invitations with which people join."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Final

import msgspec

from evently import accounts
from evently.accounts import AccountsRefusal, MemberRole
from evently.accounts.invitations import Invitation
from evently.accounts.members import Member
from evently.kit.errors import CommonRefusal
from evently.kit.ids import InvitationId, OrganizerId, PersonId, show_id
from evently.web import organizers as web_organizers
from evently.web.api.accounts import Email
from evently.web.api.organizers.organizers import MembershipView, PersonIdText, show_organizer
from evently.web.edge.auth import SIGNED_IN, organizer, policy
from evently.web.edge.conditional import etag_of, not_modified, require_if_match
from evently.web.edge.context import Response
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, delete, get, patch, post
from evently.web.services import Request

_PRIVATE: Final = {"cache-control": "no-store"}
_MEMBERS: Final = "Organizer: members"

InvitationIdText = Annotated[str, msgspec.Meta(examples=["inv_01m7y4ef72ev2sxmcnxfse27zp"])]


class MemberView(msgspec.Struct, frozen=True):
    """A member of an organizer."""

    person_id: PersonIdText
    name: str
    email: str
    role: MemberRole
    since: datetime


class MemberPatch(msgspec.Struct, forbid_unknown_fields=True):
    """What to change."""

    role: MemberRole | msgspec.UnsetType = msgspec.UNSET


class InvitationBody(msgspec.Struct, forbid_unknown_fields=True):
    """The e-mail of the invited person, and the role that they will have."""

    email: Email
    role: MemberRole


class InvitationView(msgspec.Struct, frozen=True):
    """An invitation that has not been accepted."""

    id: InvitationIdText
    email: str
    role: MemberRole
    invited_by: PersonIdText
    created_at: datetime
    expires_at: datetime


class NewInvitationView(InvitationView, frozen=True):
    """An invitation with its code, which is shown only once: send it to the invited person."""

    code: Annotated[str, msgspec.Meta(examples=["evi_3k5m7p9r1t3v5x7z1b3d5f7h9k1m3p5r"])]


class CodeBody(msgspec.Struct, forbid_unknown_fields=True):
    """The code of an invitation."""

    code: Annotated[str, msgspec.Meta(max_length=200, examples=["evi_3k5m7p9r1t3v5x7z1b3d5f7h9k1m3p5r"])]


# Members ----------------------------------------------------------------------------------------------------


@get(
    "/v1/organizers/{organizer_id}/members",
    operation_id="listMembers",
    summary="List the members of an organizer",
    tags=[_MEMBERS],
    responses=problems(),
    **policy(organizer("manager")),
)
async def list_members(
    request: Request, organizer_id: FromPath[OrganizerId], limit: Limit = LIMIT, after: After = None
) -> Response[PageView[MemberView]]:
    """List the members of an organizer."""
    return paginated(
        request,
        await accounts.members.list_members(request.context.database, organizer_id, limit, after),
        _show_member,
    )


@get(
    "/v1/organizers/{organizer_id}/members/{person_id}",
    operation_id="getMember",
    summary="Get a member",
    tags=[_MEMBERS],
    responses=problems(),
    **policy(organizer("manager")),
)
async def get_member(
    request: Request, organizer_id: FromPath[OrganizerId], person_id: FromPath[PersonId]
) -> Response[MemberView] | Response[None]:
    """Return a member of an organizer."""
    member = await accounts.members.get_member(request.context.database, organizer_id, person_id)
    return not_modified(request, etag_of(member.version)) or _answer_member(member)


@patch(
    "/v1/organizers/{organizer_id}/members/{person_id}",
    operation_id="editMember",
    summary="Change the role of a member",
    description="Takes effect within a second. An organizer always has an owner.",
    tags=[_MEMBERS],
    responses=problems(CommonRefusal.STALE, AccountsRefusal.LAST_OWNER),
    **policy(organizer("owner")),
)
async def edit_member(
    request: Request,
    organizer_id: FromPath[OrganizerId],
    person_id: FromPath[PersonId],
    data: JSONBody[MemberPatch],
) -> Response[MemberView]:
    """Change the role of a member."""
    role = None if data.role is msgspec.UNSET else data.role
    seen = partial(require_if_match, request)
    changed = await web_organizers.change_member(request, organizer_id, person_id, role, seen)
    return _answer_member(changed)


@delete(
    "/v1/organizers/{organizer_id}/members/{person_id}",
    operation_id="removeMember",
    summary="Remove a member",
    description="Takes effect within a second. An organizer always has an owner.",
    tags=[_MEMBERS],
    status_code=204,
    responses=problems(CommonRefusal.STALE, AccountsRefusal.LAST_OWNER),
    **policy(organizer("owner")),
)
async def remove_member(
    request: Request, organizer_id: FromPath[OrganizerId], person_id: FromPath[PersonId]
) -> Response[None]:
    """Remove a member of an organizer."""
    await web_organizers.remove_member(request, organizer_id, person_id, partial(require_if_match, request))
    return Response(None, headers=_PRIVATE)


@post(
    "/v1/organizers/{organizer_id}/leave",
    operation_id="leaveOrganizer",
    summary="Leave an organizer",
    description="Ends my membership. The only owner cannot leave.",
    tags=[_MEMBERS],
    status_code=204,
    responses=problems(AccountsRefusal.LAST_OWNER),
    **policy(organizer("door")),
)
async def leave_organizer(request: Request, organizer_id: FromPath[OrganizerId]) -> Response[None]:
    """End the membership of the caller."""
    async with request.context.database.transaction() as tx:
        locked = await accounts.organizers.lock_organizer(tx, organizer_id)
        member = await accounts.members.read_member(tx, locked.organizer_id, request.actor.id)
        await accounts.members.remove_member(tx, member)
    return _answer_removed(request, member)


# Invitations ------------------------------------------------------------------------------------------------


@post(
    "/v1/organizers/{organizer_id}/invitations",
    operation_id="invite",
    summary="Invite a member",
    description=(
        "Creates a code for one person, who gets it by e-mail where this installation sends mail. The code "
        "is shown only once; you may also send it yourself. A person who "
        "is logged in with that e-mail accepts the invitation with the code. The answer is the same whether "
        "or not the e-mail has an account. An earlier invitation to the same e-mail stops working."
    ),
    tags=[_MEMBERS],
    status_code=201,
    responses=problems(AccountsRefusal.ALREADY_MEMBER, AccountsRefusal.LIMIT_REACHED),
    **policy(organizer("owner")),
)
async def invite(
    request: Request, organizer_id: FromPath[OrganizerId], data: JSONBody[InvitationBody]
) -> Response[NewInvitationView]:
    """Invite a person to an organizer."""
    invitation, code = await web_organizers.invite(request, organizer_id, data.email, data.role)
    view = _show_invitation(invitation)
    return Response(
        NewInvitationView(**msgspec.structs.asdict(view), code=code), status_code=201, headers=_PRIVATE
    )


@get(
    "/v1/organizers/{organizer_id}/invitations",
    operation_id="listInvitations",
    summary="List open invitations",
    tags=[_MEMBERS],
    responses=problems(),
    **policy(organizer("owner")),
)
async def list_invitations(
    request: Request, organizer_id: FromPath[OrganizerId], limit: Limit = LIMIT, after: After = None
) -> Response[PageView[InvitationView]]:
    """List the invitations that have not been accepted."""
    context = request.context
    page = await accounts.invitations.list_invitations(
        context.database, organizer_id, context.clock(), limit, after
    )
    return paginated(request, page, _show_invitation)


@post(
    "/v1/organizers/{organizer_id}/invitations/{invitation_id}/withdraw",
    operation_id="withdrawInvitation",
    summary="Withdraw an invitation",
    tags=[_MEMBERS],
    status_code=204,
    responses=problems(),
    **policy(organizer("owner")),
)
async def withdraw_invitation(
    request: Request, organizer_id: FromPath[OrganizerId], invitation_id: FromPath[InvitationId]
) -> Response[None]:
    """Withdraw an invitation."""
    await web_organizers.withdraw_invitation(request, organizer_id, invitation_id)
    return Response(None, headers=_PRIVATE)


@post(
    "/v1/me/invitations/accept",
    operation_id="acceptInvitation",
    summary="Accept an invitation",
    description="Send the code that an owner gave me. It works only for the e-mail that the owner invited.",
    tags=[_MEMBERS],
    status_code=200,
    responses=problems(
        CommonRefusal.NOT_FOUND,
        AccountsRefusal.INVITATION_INVALID,
        AccountsRefusal.ALREADY_MEMBER,
        AccountsRefusal.LIMIT_REACHED,
    ),
    **policy(SIGNED_IN, rate="login"),
)
async def accept_invitation(request: Request, data: JSONBody[CodeBody]) -> Response[MembershipView]:
    """Make the caller a member of the organizer."""
    invitation = await web_organizers.accept_invitation(request, data.code)
    joined = await accounts.organizers.get_organizer(request.context.database, invitation.organizer_id)
    return Response(MembershipView(show_organizer(joined), invitation.role), headers=_PRIVATE)


# Views ------------------------------------------------------------------------------------------------------


def _answer_removed(request: Request, member: Member) -> Response[None]:
    request.context.accounts.roles.forget(member.organizer_id)
    web_organizers.log_change(
        request, "member removed", organizer_id=member.organizer_id, person_id=member.person_id
    )
    return Response(None, headers=_PRIVATE)


def _answer_member(member: Member) -> Response[MemberView]:
    return Response(_show_member(member), headers={"etag": etag_of(member.version), **_PRIVATE})


def _show_member(member: Member) -> MemberView:
    return MemberView(
        person_id=show_id("per", member.person_id),
        name=member.name,
        email=member.email,
        role=member.role,
        since=member.since,
    )


def _show_invitation(invitation: Invitation) -> InvitationView:
    return InvitationView(
        id=show_id("inv", invitation.invitation_id),
        email=invitation.email,
        role=invitation.role,
        invited_by=show_id("per", invitation.invited_by),
        created_at=invitation.created_at,
        expires_at=invitation.expires_at,
    )


routes: Final = [
    list_members,
    get_member,
    edit_member,
    remove_member,
    leave_organizer,
    invite,
    list_invitations,
    withdraw_invitation,
    accept_invitation,
]
