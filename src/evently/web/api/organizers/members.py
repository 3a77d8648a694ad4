"""Who belongs to an organizer, as what, and how somebody joins: by an invitation's code."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec

from evently import accounts
from evently.accounts import AccountsRefusal, Invitation, Member, MemberRole
from evently.kit.errors import CommonRefusal, Invalid
from evently.kit.ids import InvitationId, OrganizerId, PersonId, show_id
from evently.web.api.accounts import Email
from evently.web.api.organizers.organizers import MembershipView, PersonIdText, audit, show_organizer
from evently.web.edge.auth import SIGNED_IN, organizer, policy
from evently.web.edge.conditional import etag_of, not_modified, require_if_match
from evently.web.edge.context import Request, Response
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, delete, get, patch, post

_PRIVATE: Final = {"cache-control": "no-store"}
_MEMBERS: Final = "Organizer: members"

InvitationIdText = Annotated[str, msgspec.Meta(examples=["inv_01m7y4ef72ev2sxmcnxfse27zp"])]


class MemberView(msgspec.Struct, frozen=True):
    """Somebody who belongs to an organizer."""

    person_id: PersonIdText
    name: str
    email: str
    role: MemberRole
    since: datetime


class MemberPatch(msgspec.Struct, forbid_unknown_fields=True):
    """What to change."""

    role: MemberRole | msgspec.UnsetType = msgspec.UNSET


class InvitationBody(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to invite, as what."""

    email: Email
    role: MemberRole


class InvitationView(msgspec.Struct, frozen=True):
    """An invitation that waits to be accepted."""

    id: InvitationIdText
    email: str
    role: MemberRole
    invited_by: PersonIdText
    created_at: datetime
    expires_at: datetime


class NewInvitationView(InvitationView, frozen=True):
    """An invitation with its code, which is shown this once: hand it to whom it is for."""

    code: Annotated[str, msgspec.Meta(examples=["evi_3k5m7p9r1t3v5x7z1b3d5f7h9k1m3p5r"])]


class CodeBody(msgspec.Struct, forbid_unknown_fields=True):
    """The code of an invitation."""

    code: Annotated[str, msgspec.Meta(max_length=200, examples=["evi_3k5m7p9r1t3v5x7z1b3d5f7h9k1m3p5r"])]


# Members ----------------------------------------------------------------------------------------------------


@get(
    "/v1/organizers/{organizer_id:str}/members",
    operation_id="listMembers",
    summary="Who belongs to an organizer",
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
        await accounts.list_members(request.context.database, organizer_id, limit, after),
        _show_member,
    )


@get(
    "/v1/organizers/{organizer_id:str}/members/{person_id:str}",
    operation_id="getMember",
    summary="One member",
    tags=[_MEMBERS],
    responses=problems(),
    **policy(organizer("manager")),
)
async def get_member(
    request: Request, organizer_id: FromPath[OrganizerId], person_id: FromPath[PersonId]
) -> Response[MemberView] | Response[None]:
    """Return a member of an organizer."""
    member = await accounts.get_member(request.context.database, organizer_id, person_id)
    return not_modified(request, etag_of(member.version)) or _answer_member(member)


@patch(
    "/v1/organizers/{organizer_id:str}/members/{person_id:str}",
    operation_id="editMember",
    summary="Change a member's role",
    description="Counts within a second. An organizer always has an owner.",
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
    """Change what a member may do."""
    context = request.context
    async with context.database.transaction() as tx:
        locked = await accounts.lock_organizer(tx, organizer_id)
        member = await accounts.read_member(tx, locked.organizer_id, person_id)
        require_if_match(request, member.version)
        if data.role is msgspec.UNSET or data.role == member.role:
            return _answer_member(member)
        member = await accounts.change_member_role(tx, member, data.role)
    context.accounts.roles.forget(member.organizer_id)
    audit(
        request,
        "member role changed",
        organizer_id=member.organizer_id,
        person_id=member.person_id,
        role=member.role,
    )
    return _answer_member(member)


@delete(
    "/v1/organizers/{organizer_id:str}/members/{person_id:str}",
    operation_id="removeMember",
    summary="Remove a member",
    description="Counts within a second. An organizer always has an owner.",
    tags=[_MEMBERS],
    status_code=204,
    responses=problems(CommonRefusal.STALE, AccountsRefusal.LAST_OWNER),
    **policy(organizer("owner")),
)
async def remove_member(
    request: Request, organizer_id: FromPath[OrganizerId], person_id: FromPath[PersonId]
) -> Response[None]:
    """Remove a member of an organizer."""
    async with request.context.database.transaction() as tx:
        locked = await accounts.lock_organizer(tx, organizer_id)
        member = await accounts.read_member(tx, locked.organizer_id, person_id)
        require_if_match(request, member.version)
        await accounts.remove_member(tx, member)
    return _gone(request, member)


@post(
    "/v1/organizers/{organizer_id:str}/leave",
    operation_id="leaveOrganizer",
    summary="Leave an organizer",
    description="I no longer belong to it. Its only owner cannot leave.",
    tags=[_MEMBERS],
    status_code=204,
    responses=problems(AccountsRefusal.LAST_OWNER),
    **policy(organizer("door")),
)
async def leave_organizer(request: Request, organizer_id: FromPath[OrganizerId]) -> Response[None]:
    """Remove whoever asks from an organizer."""
    async with request.context.database.transaction() as tx:
        locked = await accounts.lock_organizer(tx, organizer_id)
        member = await accounts.read_member(tx, locked.organizer_id, request.actor.id)
        await accounts.remove_member(tx, member)
    return _gone(request, member)


# Invitations ------------------------------------------------------------------------------------------------


@post(
    "/v1/organizers/{organizer_id:str}/invitations",
    operation_id="invite",
    summary="Invite somebody",
    description=(
        "Gives a code for one person, which is shown this once: hand it over yourself. Whoever is logged in with that e-mail accepts it; "
        "both are needed. The answer is the same whether or not the e-mail has an account, and an earlier invitation to it stops working."
    ),
    tags=[_MEMBERS],
    status_code=201,
    responses=problems(AccountsRefusal.ALREADY_MEMBER, AccountsRefusal.LIMIT_REACHED),
    **policy(organizer("owner")),
)
async def invite(
    request: Request, organizer_id: FromPath[OrganizerId], data: JSONBody[InvitationBody]
) -> Response[NewInvitationView]:
    """Invite somebody to an organizer."""
    context, email = request.context, accounts.normalise_email(data.email)
    if errors := accounts.email_errors(email, "/email"):
        raise Invalid(errors)
    async with context.database.transaction() as tx:
        locked = await accounts.lock_organizer(tx, organizer_id)
        invitation, code = await accounts.invite(
            tx, locked.organizer_id, email, data.role, request.actor.id, context.clock()
        )
    audit(
        request,
        "member invited",
        organizer_id=locked.organizer_id,
        invitation_id=invitation.invitation_id,
        role=data.role,
    )
    view = _show_invitation(invitation)
    return Response(
        NewInvitationView(**msgspec.structs.asdict(view), code=code), status_code=201, headers=_PRIVATE
    )


@get(
    "/v1/organizers/{organizer_id:str}/invitations",
    operation_id="listInvitations",
    summary="Open invitations",
    tags=[_MEMBERS],
    responses=problems(),
    **policy(organizer("owner")),
)
async def list_invitations(
    request: Request, organizer_id: FromPath[OrganizerId], limit: Limit = LIMIT, after: After = None
) -> Response[PageView[InvitationView]]:
    """List the invitations that wait to be accepted."""
    context = request.context
    page = await accounts.list_invitations(context.database, organizer_id, context.clock(), limit, after)
    return paginated(request, page, _show_invitation)


@post(
    "/v1/organizers/{organizer_id:str}/invitations/{invitation_id:str}/withdraw",
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
    """Take back an invitation."""
    async with request.context.database.transaction() as tx:
        locked = await accounts.lock_organizer(tx, organizer_id)
        await accounts.withdraw_invitation(tx, locked.organizer_id, invitation_id)
    audit(
        request,
        "invitation withdrawn",
        organizer_id=locked.organizer_id,
        invitation_id=invitation_id,
    )
    return Response(None, headers=_PRIVATE)


@post(
    "/v1/me/invitations/accept",
    operation_id="acceptInvitation",
    summary="Accept an invitation",
    description="With the code that an owner gave me, which is made for the e-mail of my account.",
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
    """Join an organizer."""
    context = request.context
    async with context.database.transaction() as tx:
        invitation = await accounts.accept_invitation(tx, request.actor.id, data.code, context.clock())
    context.accounts.roles.forget(invitation.organizer_id)
    audit(request, "invitation accepted", organizer_id=invitation.organizer_id, role=invitation.role)
    joined = await accounts.get_organizer(context.database, invitation.organizer_id)
    return Response(MembershipView(show_organizer(joined), invitation.role), headers=_PRIVATE)


# Shown ------------------------------------------------------------------------------------------------------


def _gone(request: Request, member: Member) -> Response[None]:
    request.context.accounts.roles.forget(member.organizer_id)
    audit(request, "member removed", organizer_id=member.organizer_id, person_id=member.person_id)
    return Response(None, headers=_PRIVATE)


def _answer_member(member: Member) -> Response[MemberView]:
    return Response(_show_member(member), headers={"etag": etag_of(member.version), **_PRIVATE})


def _show_member(member: Member) -> MemberView:
    return MemberView(show_id("per", member.person_id), member.name, member.email, member.role, member.since)


def _show_invitation(invitation: Invitation) -> InvitationView:
    return InvitationView(
        show_id("inv", invitation.invitation_id),
        invitation.email,
        invitation.role,
        show_id("per", invitation.invited_by),
        invitation.created_at,
        invitation.expires_at,
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
