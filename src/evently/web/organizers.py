"""What the API and the pages do with organizers, their members and keys; log who changed what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

import structlog

from evently import accounts, mail
from evently.accounts import MemberRole, Organizer
from evently.accounts.invitations import Invitation
from evently.accounts.keys import ApiKey
from evently.accounts.members import Member
from evently.kit.errors import Invalid
from evently.kit.ids import new_id
from evently.web.services import Request

ROLE_WORDS: Final[dict[MemberRole, str]] = {
    "owner": "an owner",
    "manager": "a manager",
    "door": "a member at the door",
}
_log: Final = structlog.get_logger(__name__)


async def create_organizer(request: Request, name: str, contact_email: str) -> Organizer:
    """Create an organizer, whose owner is the caller; refuses `invalid` and `limit-reached`."""
    context = request.context
    name, contact_email = accounts.organizers.check_organizer(name, contact_email)
    created = Organizer(new_id(), name, contact_email, version=1, created_at=context.clock())
    async with context.database.transaction() as tx:
        await accounts.organizers.create_organizer(tx, created, request.actor.id)
    context.accounts.roles.forget(created.organizer_id)
    log_change(request, "organizer created", organizer_id=created.organizer_id)
    return created


async def invite(
    request: Request, organizer_id: UUID, email: str, role: MemberRole
) -> tuple[Invitation, str]:
    """Invite an address to an organizer; return the invitation and its code, which is not stored.

    The address gets an e-mail with the code, where mail is sent. Refuses `invalid`, `already-member` and
    `limit-reached`.
    """
    context, email = request.context, accounts.people.normalise_email(email)
    if errors := accounts.people.email_errors(email, "/email"):
        raise Invalid(errors)
    now = context.clock()
    async with context.database.transaction() as tx:
        locked = await accounts.organizers.lock_organizer(tx, organizer_id)
        invitation, code = await accounts.invitations.invite(
            tx, locked.organizer_id, email, role, request.actor.id, now
        )
        if context.mail.on:
            inviter = await accounts.people.lock_person_shared(tx, request.actor.id)
            await mail.add(
                tx,
                mail.MemberInvited(
                    locked.name, inviter.name, ROLE_WORDS[role], f"/organize/join?{urlencode({'code': code})}"
                ),
                address=email,
                person_id=None,
                expires_at=invitation.expires_at,
                now=now,
            )
    log_change(
        request,
        "member invited",
        organizer_id=locked.organizer_id,
        invitation_id=invitation.invitation_id,
        role=role,
    )
    return invitation, code


async def withdraw_invitation(request: Request, organizer_id: UUID, invitation_id: UUID) -> None:
    """Withdraw an invitation. Refuses `not-found`."""
    async with request.context.database.transaction() as tx:
        locked = await accounts.organizers.lock_organizer(tx, organizer_id)
        await accounts.invitations.withdraw_invitation(tx, locked.organizer_id, invitation_id)
    log_change(request, "invitation withdrawn", organizer_id=locked.organizer_id, invitation_id=invitation_id)


async def accept_invitation(request: Request, code: str) -> Invitation:
    """Make the caller a member of the organizer whose owner made the code.

    Refuses `invitation-invalid`, `already-member` and `limit-reached`.
    """
    context = request.context
    async with context.database.transaction() as tx:
        invitation = await accounts.invitations.accept_invitation(tx, request.actor.id, code, context.clock())
    context.accounts.roles.forget(invitation.organizer_id)
    log_change(request, "invitation accepted", organizer_id=invitation.organizer_id, role=invitation.role)
    return invitation


async def change_member(
    request: Request,
    organizer_id: UUID,
    person_id: UUID,
    role: MemberRole | None,
    seen: Callable[[int], None],
) -> Member:
    """Change the role of a member; None changes nothing. Refuses `last-owner`, and what `seen` refuses."""
    context = request.context
    async with context.database.transaction() as tx:
        locked = await accounts.organizers.lock_organizer(tx, organizer_id)
        member = await accounts.members.read_member(tx, locked.organizer_id, person_id)
        seen(member.version)
        if role is None or role == member.role:
            return member
        member = await accounts.members.change_member_role(tx, member, role)
    context.accounts.roles.forget(member.organizer_id)
    log_change(
        request,
        "member role changed",
        organizer_id=member.organizer_id,
        person_id=member.person_id,
        role=member.role,
    )
    return member


async def remove_member(
    request: Request, organizer_id: UUID, person_id: UUID, seen: Callable[[int], None]
) -> None:
    """Remove a member. Refuses `last-owner`, and what `seen` refuses."""
    context = request.context
    async with context.database.transaction() as tx:
        locked = await accounts.organizers.lock_organizer(tx, organizer_id)
        member = await accounts.members.read_member(tx, locked.organizer_id, person_id)
        seen(member.version)
        await accounts.members.remove_member(tx, member)
    context.accounts.roles.forget(member.organizer_id)
    log_change(request, "member removed", organizer_id=member.organizer_id, person_id=member.person_id)


async def create_key(
    request: Request, organizer_id: UUID, name: str, scopes: frozenset[str]
) -> tuple[ApiKey, str]:
    """Create an API key; return it with its text, which is not stored. Refuses `invalid`, `limit-reached`."""
    context, name = request.context, accounts.people.normalise_name(name)
    if errors := accounts.people.name_errors(name, "/name"):
        raise Invalid(errors)
    async with context.database.transaction() as tx:
        locked = await accounts.organizers.lock_organizer(tx, organizer_id)
        key, text = await accounts.keys.create_key(
            tx, locked.organizer_id, name, scopes, request.actor.id, context.clock()
        )
    log_change(
        request,
        "API key created",
        organizer_id=locked.organizer_id,
        api_key_id=key.api_key_id,
        scopes=sorted(key.scopes),
    )
    return key, text


async def revoke_key(request: Request, organizer_id: UUID, api_key_id: UUID) -> ApiKey:
    """Revoke an API key for good; harmless to repeat. Refuses `not-found`."""
    context = request.context
    async with context.database.transaction() as tx:
        key = await accounts.keys.revoke_key(tx, organizer_id, api_key_id, context.clock())
    context.accounts.keys.forget_all()
    log_change(request, "API key revoked", organizer_id=key.organizer_id, api_key_id=key.api_key_id)
    return key


def log_change(request: Request, message: str, **objects: object) -> None:
    """Log a change and its actor. Ids only: no name, no e-mail, no secret."""
    _log.info(
        message,
        actor_id=str(request.actor.id),
        **{name: value if isinstance(value, list) else str(value) for name, value in objects.items()},
    )
