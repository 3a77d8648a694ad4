"""How somebody joins an organizer: by a code that an owner makes for an e-mail.

The owner hands the code over as they like; whoever is logged in with that e-mail redeems it.

Asking to add an e-mail directly would tell every organizer who has an account here; an invitation is the same
whether or not anybody has that e-mail. Addresses are not verified, so the e-mail alone is no proof, and a
code can go astray, so the code alone is none either: both are needed. The code is shown once.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from evently.accounts.members import MemberRole, add_member
from evently.accounts.organizers import lock_organizer
from evently.accounts.people import hold_person
from evently.accounts.refusals import AccountsRefusal
from evently.accounts.tokens import hash_secret
from evently.db import Connection, Database, Record, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import crockford, new_id

sql: Final = load_queries(__name__)

INVITATIONS_MAX: Final = 200  # open ones of one organizer
LIFE: Final = timedelta(days=14)
CODE_PREFIX: Final = "evi_"
_CODE_BYTES: Final = 20


class Invitation(msgspec.Struct, frozen=True):
    """A code that waits to be redeemed. `email` is whom the owner named; nobody need have it."""

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
    """Invite a normalised e-mail to a locked organizer; returns the code.

    An open invitation of that e-mail is replaced.

    Refuses with `already-member` or `limit-reached`.
    """
    if await tx.fetchval(*sql.is_member(organizer_id=organizer_id, email=email)):
        raise Refused(AccountsRefusal.ALREADY_MEMBER)
    if await tx.fetchval(*sql.count_open(organizer_id=organizer_id, email=email, now=now)) >= INVITATIONS_MAX:
        raise Refused(AccountsRefusal.LIMIT_REACHED, "invitations", count_max=INVITATIONS_MAX)
    # After this point the invitation must be written.
    code = CODE_PREFIX + crockford(secrets.token_bytes(_CODE_BYTES)).lower()
    made = Invitation(new_id(), organizer_id, email, role, invited_by, now, now + LIFE)
    await tx.execute(*sql.withdraw_from(organizer_id=organizer_id, email=email))
    await tx.execute(*sql.invite(**msgspec.structs.asdict(made), code_hash=hash_secret(code)))
    return made, code


async def list_invitations(
    database: Database, organizer_id: UUID, now: datetime, limit: int, after: str | None
) -> Page[Invitation]:
    """Return a page of an organizer's open invitations, oldest first."""
    position = None if after is None else read_cursor(after, tuple[UUID])[0]
    rows = await database.fetch(
        *sql.list_open(organizer_id=organizer_id, now=now, after=position, limit=limit + 1)
    )
    found = [_invitation(row) for row in rows[:limit]]
    return Page(found, write_cursor((found[-1].invitation_id,)) if len(rows) > limit else None)


async def withdraw_invitation(tx: Connection, organizer_id: UUID, invitation_id: UUID) -> None:
    """Take back an invitation; refuses with `not-found`."""
    if await tx.fetchval(*sql.withdraw(organizer_id=organizer_id, invitation_id=invitation_id)) is None:
        raise Refused(CommonRefusal.NOT_FOUND, "invitation")


async def accept_invitation(tx: Connection, person_id: UUID, code: str, now: datetime) -> Invitation:
    """Redeem a code, once; refuses with `invitation-invalid` a code that is wrong, used, expired, or another's, without saying which."""
    person = await hold_person(tx, person_id)
    organizer_id = await tx.fetchval(*sql.find_organizer_of(code_hash=hash_secret(code)))
    if organizer_id is not None:
        await lock_organizer(tx, organizer_id)
    row = await tx.fetchrow(*sql.redeem(code_hash=hash_secret(code), email=person.email, now=now))
    if row is None:
        raise Refused(AccountsRefusal.INVITATION_INVALID)
    invitation = _invitation(row)
    await add_member(tx, invitation.organizer_id, person_id, invitation.role, now)
    return invitation


async def forget_invitations_to(tx: Connection, email: str) -> None:
    """Forget the invitations to an e-mail that is being erased."""
    await tx.execute(*sql.forget_email(email=email))


def _invitation(row: Record) -> Invitation:
    return Invitation(
        row["invitation_id"],
        row["organizer_id"],
        row["email"],
        row["role"],
        row["invited_by"],
        row["created_at"],
        row["expires_at"],
    )
