"""Members of organizers and their roles: owner > manager > door. An organizer always has an owner.

Every change holds the lock of the organizer (`organizers.lock_organizer`), so two owners cannot remove each
other at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec

from evently.accounts.refusals import AccountsRefusal
from evently.db import Connection, Database, Record, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.memory import Memory

sql: Final = load_queries(__name__)

MemberRole = Literal["owner", "manager", "door"]

MEMBERS_MAX: Final = 500  # of one organizer: the stewards of a festival
# A member who was removed by another process is refused within a second, reading included
ROLES_SECONDS: Final = 0.5
ROLES_KEPT_MAX: Final = 10_000  # organizers, in one process


class Member(msgspec.Struct, frozen=True):
    """A person who belongs to an organizer. `since` is when they joined."""

    organizer_id: UUID
    person_id: UUID
    name: str
    email: str
    role: MemberRole
    version: int
    since: datetime


class Roles:
    """The roles of members, remembered for half a second: every request checks them.

    All roles of an organizer are read together: when many people who are not members request an event, that
    costs one statement, not one per person.
    """

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._memory: Memory[UUID, dict[UUID, MemberRole]] = Memory(
            ROLES_SECONDS, ROLES_KEPT_MAX, monotonic=ticks
        )

    async def find_role(self, database: Database, organizer_id: UUID, person_id: UUID) -> MemberRole | None:
        """Return the role of a person at an organizer, or None for a person who is not a member."""
        roles = await self._memory.get(organizer_id, lambda: _list_roles(database, organizer_id))
        return roles.get(person_id)

    def forget(self, organizer_id: UUID) -> None:
        """Forget the roles of an organizer, because this process has just changed one."""
        self._memory.forget(organizer_id)


async def find_role(database: Database, organizer_id: UUID, person_id: UUID) -> MemberRole | None:
    """Return the stored role of a person at an organizer, or None for a person who is not a member."""
    role: MemberRole | None = await database.fetch_value(
        *sql.find_role(organizer_id=organizer_id, person_id=person_id)
    )
    return role


async def add_member(
    tx: Connection, organizer_id: UUID, person_id: UUID, role: MemberRole, now: datetime
) -> None:
    """Add a person to a locked organizer; refuses with `already-member` or `limit-reached`."""
    if await tx.fetchval(*sql.count_members(organizer_id=organizer_id)) >= MEMBERS_MAX:
        raise Refused(AccountsRefusal.LIMIT_REACHED, "members", count_max=MEMBERS_MAX)
    if (
        await tx.fetchval(*sql.add_member(organizer_id=organizer_id, person_id=person_id, role=role, now=now))
        is None
    ):
        raise Refused(AccountsRefusal.ALREADY_MEMBER)


async def get_member(database: Database, organizer_id: UUID, person_id: UUID) -> Member:
    """Return a member; refuses with `not-found`."""
    return _member(await database.fetch_row(*sql.find_member(organizer_id=organizer_id, person_id=person_id)))


async def list_members(database: Database, organizer_id: UUID, limit: int, after: str | None) -> Page[Member]:
    """Return a page of the members of an organizer."""
    position = None if after is None else read_cursor(after, tuple[UUID])[0]
    rows = await database.fetch(*sql.list_members(organizer_id=organizer_id, after=position, limit=limit + 1))
    members = [_member(row) for row in rows[:limit]]
    return Page(members, write_cursor((members[-1].person_id,)) if len(rows) > limit else None)


async def read_member(tx: Connection, organizer_id: UUID, person_id: UUID) -> Member:
    """Return a member of a locked organizer; refuses with `not-found`."""
    return _member(await tx.fetchrow(*sql.find_member(organizer_id=organizer_id, person_id=person_id)))


async def change_member_role(tx: Connection, member: Member, role: MemberRole) -> Member:
    """Change the role of a member of a locked organizer; refuses with `last-owner`."""
    if role != "owner":
        await _check_other_owner(tx, member)
    await tx.execute(
        *sql.change_role(organizer_id=member.organizer_id, person_id=member.person_id, role=role)
    )
    return msgspec.structs.replace(member, role=role, version=member.version + 1)


async def remove_member(tx: Connection, member: Member) -> None:
    """Remove a member from a locked organizer; refuses with `last-owner`."""
    await _check_other_owner(tx, member)
    await tx.execute(*sql.remove_member(organizer_id=member.organizer_id, person_id=member.person_id))


async def leave_all(tx: Connection, person_id: UUID) -> None:
    """Remove a locked person from every organizer; refuses with `last-owner` if one would have no owner."""
    await tx.fetch(*sql.lock_organizers_of(person_id=person_id))
    names = [row["name"] for row in await tx.fetch(*sql.list_solely_owned(person_id=person_id))]
    if names:
        raise Refused(AccountsRefusal.LAST_OWNER, "of", organizers=names)
    await tx.execute(*sql.leave_all(person_id=person_id))


async def _check_other_owner(tx: Connection, member: Member) -> None:
    others = await tx.fetchval(
        *sql.has_other_owner(organizer_id=member.organizer_id, person_id=member.person_id)
    )
    if member.role == "owner" and not others:
        raise Refused(AccountsRefusal.LAST_OWNER)


def _member(row: Record | None) -> Member:
    if row is None:
        raise Refused(CommonRefusal.NOT_FOUND, "member")
    return Member(**row)


async def _list_roles(database: Database, organizer_id: UUID) -> dict[UUID, MemberRole]:
    rows = await database.fetch(*sql.list_roles(organizer_id=organizer_id, limit=MEMBERS_MAX))
    return {row["person_id"]: row["role"] for row in rows}
