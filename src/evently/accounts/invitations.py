"""Invitations: a person joins an organizer with a code that an owner created for the person's e-mail.

The owner sends the code in any way. A person who is logged in with that e-mail redeems it.

If owners could add an e-mail directly, they would learn who has an account. An invitation looks alike whether
or not an account has that e-mail. E-mail addresses are not verified, so the e-mail alone proves nothing; a
code can reach the wrong person, so the code alone proves nothing either. Both are required. The code is shown
once.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from evently.accounts.members import MemberRole, add_member
from evently.accounts.organizers import lock_organizer
from evently.accounts.people import lock_person_shared
from evently.accounts.refusals import AccountsRefusal
from evently.accounts.tokens import hash_secret
from evently.db import Connection, Database, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import crockford, new_id

sql: Final = load_queries(__name__)

INVITATIONS_MAX: Final = 200  # open ones of one organizer
VALID_FOR: Final = timedelta(days=14)
CODE_PREFIX: Final = "evi_"
_CODE_BYTES: Final = 20


class Invitation(msgspec.Struct, frozen=True):
    """A code that has not been redeemed. `email` is what the owner entered; perhaps no account has it."""

    invitation_id: UUID
    organizer_id: UUID
    email: str
    role: MemberRole
    invited_by: UUID
    created_at: datetime
    expires_at: datetime


async def invite(
    tx: Connection, organizer_id: UUID, email: str, role: MemberRole, invited_by: UUID, now: datetime
) -> tuple[Invitation, str]:
    """Invite a normalised e-mail to a locked organizer; returns the invitation and its code.

    Replaces an open invitation to that e-mail.

    Refuses with `already-member` or `limit-reached`.
    """
    if await tx.fetchval(*sql.is_member(organizer_id=organizer_id, email=email)):
        raise Refused(AccountsRefusal.ALREADY_MEMBER)
    if await tx.fetchval(*sql.count_open(organizer_id=organizer_id, email=email, now=now)) >= INVITATIONS_MAX:
        raise Refused(AccountsRefusal.LIMIT_REACHED, "invitations", count_max=INVITATIONS_MAX)
    # After this point the invitation must be written.
    code = CODE_PREFIX + crockford(secrets.token_bytes(_CODE_BYTES)).lower()
    created = Invitation(
        invitation_id=new_id(),
        organizer_id=organizer_id,
        email=email,
        role=role,
        invited_by=invited_by,
        created_at=now,
        expires_at=now + VALID_FOR,
    )
    await tx.execute(*sql.withdraw_from(organizer_id=organizer_id, email=email))
    await tx.execute(*sql.invite(**msgspec.structs.asdict(created), code_hash=hash_secret(code)))
    return created, code


async def list_invitations(
    database: Database, organizer_id: UUID, now: datetime, limit: int, after: str | None
) -> Page[Invitation]:
    """Return a page of an organizer's open invitations, oldest first."""
    position = None if after is None else read_cursor(after, tuple[UUID])[0]
    rows = await database.fetch(
        *sql.list_open(organizer_id=organizer_id, now=now, after=position, limit=limit + 1)
    )
    found = [Invitation(**row) for row in rows[:limit]]
    return Page(found, write_cursor((found[-1].invitation_id,)) if len(rows) > limit else None)


async def withdraw_invitation(tx: Connection, organizer_id: UUID, invitation_id: UUID) -> None:
    """Withdraw an invitation; refuses with `not-found`."""
    if await tx.fetchval(*sql.withdraw(organizer_id=organizer_id, invitation_id=invitation_id)) is None:
        raise Refused(CommonRefusal.NOT_FOUND, "invitation")


async def accept_invitation(tx: Connection, person_id: UUID, code: str, now: datetime) -> Invitation:
    """Redeem a code, once; refuses with `invitation-invalid`.

    The refusal does not tell whether the code is wrong, used, expired, or made for another e-mail.
    """
    person = await lock_person_shared(tx, person_id)
    organizer_id = await tx.fetchval(*sql.find_organizer_of(code_hash=hash_secret(code)))
    if organizer_id is not None:
        await lock_organizer(tx, organizer_id)
    row = await tx.fetchrow(*sql.redeem(code_hash=hash_secret(code), email=person.email, now=now))
    if row is None:
        raise Refused(AccountsRefusal.INVITATION_INVALID)
    invitation = Invitation(**row)
    await add_member(tx, invitation.organizer_id, person_id, invitation.role, now)
    return invitation


async def delete_invitations_to(tx: Connection, email: str) -> None:
    """Delete the invitations to an e-mail that is being erased."""
    await tx.execute(*sql.delete_for_email(email=email))
