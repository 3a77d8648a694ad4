"""Organizers: the parties that run events. The person who creates one is its first owner."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from evently.accounts.members import MemberRole, add_member
from evently.accounts.people import (
    LAST_CHARACTER,
    email_errors,
    lock_person,
    name_errors,
    normalise_email,
    normalise_name,
)
from evently.accounts.refusals import AccountsRefusal
from evently.db import Connection, Database, Record, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import CommonRefusal, Invalid, Refused

sql: Final = load_queries(__name__)

OWNED_MAX: Final = 50  # organizers of one owner


class Organizer(msgspec.Struct, frozen=True):
    """A party that runs events. `contact_email` is shown to buyers."""

    organizer_id: UUID
    name: str
    contact_email: str
    version: int
    created_at: datetime


class ListedOrganizer(msgspec.Struct, frozen=True):
    """An organizer, as administrators find it, with how many members it has."""

    organizer: Organizer
    members: int


class Membership(msgspec.Struct, frozen=True):
    """An organizer, and the role of a person there."""

    organizer: Organizer
    role: MemberRole


def check_organizer(name: str, contact_email: str) -> tuple[str, str]:
    """Return the name and the contact e-mail of an organizer as they are stored; refuses `invalid`."""
    name, contact_email = normalise_name(name), normalise_email(contact_email)
    if errors := [*name_errors(name, "/name"), *email_errors(contact_email, "/contact_email")]:
        raise Invalid(errors)
    return name, contact_email


async def create_organizer(tx: Connection, organizer: Organizer, owner_id: UUID) -> None:
    """Add an organizer with its owner; refuses with `limit-reached`."""
    await lock_person(tx, owner_id)  # so that the count below is exact
    if await tx.fetchval(*sql.count_owned(person_id=owner_id)) >= OWNED_MAX:
        raise Refused(AccountsRefusal.LIMIT_REACHED, "organizers", count_max=OWNED_MAX)
    # After this point the organizer must be created.
    await tx.execute(*sql.add_organizer(**msgspec.structs.asdict(organizer)))
    await add_member(tx, organizer.organizer_id, owner_id, "owner", organizer.created_at)


async def get_organizer(database: Database, organizer_id: UUID) -> Organizer:
    """Return an organizer; refuses with `not-found`."""
    return _organizer(await database.fetch_row(*sql.find_organizer(organizer_id=organizer_id)))


async def list_memberships(
    database: Database, person_id: UUID, limit: int, after: str | None
) -> Page[Membership]:
    """Return a page of the organizers that a person is a member of, oldest first."""
    position = None if after is None else read_cursor(after, tuple[UUID])[0]
    rows = await database.fetch(*sql.list_memberships(person_id=person_id, after=position, limit=limit + 1))
    found = [_membership(**row) for row in rows[:limit]]
    return Page(found, write_cursor((found[-1].organizer.organizer_id,)) if len(rows) > limit else None)


async def list_organizers(
    database: Database, search: str | None, limit: int, after: str | None
) -> Page[ListedOrganizer]:
    """Return a page of all organizers, the newest first. `search`: the beginning of a name."""
    low = None if search is None else normalise_name(search).lower()
    position = None if after is None else read_cursor(after, tuple[UUID])[0]
    rows = await database.fetch(
        *sql.list_organizers(
            low=low, high=None if low is None else low + LAST_CHARACTER, after=position, limit=limit + 1
        )
    )
    found = [_listed(**row) for row in rows[:limit]]
    return Page(found, write_cursor((found[-1].organizer.organizer_id,)) if len(rows) > limit else None)


async def lock_organizer(tx: Connection, organizer_id: UUID) -> Organizer:
    """Return an organizer, locked: only this transaction changes it, its members, invitations and keys.

    Refuses with `not-found`.
    """
    return _organizer(await tx.fetchrow(*sql.lock_organizer(organizer_id=organizer_id)))


async def edit_organizer(tx: Connection, organizer_id: UUID, name: str, contact_email: str) -> Organizer:
    """Change the name and the contact e-mail of a locked organizer."""
    return _organizer(
        await tx.fetchrow(
            *sql.edit_organizer(organizer_id=organizer_id, name=name, contact_email=contact_email)
        )
    )


def _organizer(row: Record | None) -> Organizer:
    if row is None:
        raise Refused(CommonRefusal.NOT_FOUND, "organizer")
    return Organizer(**row)


def _listed(members: int, **organizer: Any) -> ListedOrganizer:
    return ListedOrganizer(Organizer(**organizer), members)


def _membership(role: MemberRole, **organizer: Any) -> Membership:
    return Membership(Organizer(**organizer), role)
