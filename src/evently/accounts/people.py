"""People: who they are, what the platform lets them do, and how they are forgotten.

Locks are taken in one order everywhere: people (by id), organizers (by id), then what belongs to them.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from evently.accounts.refusals import AccountsRefusal
from evently.accounts.tokens import PlatformRole
from evently.db import Connection, Database, Record, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import CommonRefusal, FieldError, Refused

sql: Final = load_queries(__name__)

EMAIL_CHARACTERS_MAX: Final = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets
NAME_CHARACTERS_MAX: Final = 200
ERASED_NAME: Final = "erased"
_LOCAL_CHARACTERS_MAX: Final = 64  # RFC 5321, 4.5.3.1.1
_LOCAL: Final = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])")
_LAST_CHARACTER: Final = "\U0010ffff"


class Person(msgspec.Struct, frozen=True):
    """Somebody. `email` is None once the person is erased."""

    person_id: UUID
    email: str | None
    name: str
    role: PlatformRole
    version: int
    created_at: datetime
    erased_at: datetime | None


def normalise_email(text: str) -> str:
    """Return an e-mail address in the one spelling that we keep."""
    return unicodedata.normalize("NFC", text).strip().lower()


def normalise_name(text: str) -> str:
    """Return a name in the one spelling that we keep: composed, without space around it or twice in it."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def email_errors(email: str, pointer: str) -> list[FieldError]:
    """Return what is wrong with a normalised e-mail address: the dot-atoms of RFC 5321, in ASCII (a foreign domain in its xn-- form)."""
    local, _, domain = email.rpartition("@")
    if len(email) > EMAIL_CHARACTERS_MAX or len(local) > _LOCAL_CHARACTERS_MAX:
        return [
            FieldError(
                pointer,
                f"An e-mail address has at most {EMAIL_CHARACTERS_MAX} characters, {_LOCAL_CHARACTERS_MAX} of them before the @.",
            )
        ]
    if not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        return [FieldError(pointer, "This is no e-mail address.")]
    return []


def name_errors(name: str, pointer: str) -> list[FieldError]:
    """Return what is wrong with a normalised name."""
    if not 1 <= len(name) <= NAME_CHARACTERS_MAX:
        return [FieldError(pointer, f"A name has 1 to {NAME_CHARACTERS_MAX} characters.")]
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in name):
        return [FieldError(pointer, "A name has no control characters.")]
    return []


async def add_person(tx: Connection, person: Person, password_hash: str | None) -> bool:
    """Add somebody; returns False, and changes nothing, where the e-mail is taken."""
    added = await tx.fetchval(
        *sql.add_person(
            person_id=person.person_id,
            email=person.email,
            name=person.name,
            password_hash=password_hash,
            role=person.role,
            now=person.created_at,
        )
    )
    return added is not None


async def get_person(database: Database, person_id: UUID) -> Person:
    """Return a person; refuses with `not-found`."""
    return _person(await database.fetch_row(*sql.find_person(person_id=person_id)))


async def find_by_email(database: Database, email: str) -> tuple[Person, str | None] | None:
    """Return the person with a normalised e-mail, and the hash of their password."""
    row = await database.fetch_row(*sql.find_by_email(email=email))
    return None if row is None else (_person(row), row["password_hash"])


async def find_password(database: Database, person_id: UUID) -> tuple[Person, str | None]:
    """Return a person with the hash of their password; refuses with `not-found`."""
    row = await database.fetch_row(*sql.find_password(person_id=person_id))
    return _person(row), row["password_hash"] if row is not None else None


async def list_people(database: Database, search: str | None, limit: int, after: str | None) -> Page[Person]:
    """Return a page of people, newest first. `search` is how an e-mail or a name begins."""
    low = None if search is None else normalise_name(search).lower()
    position = None if after is None else read_cursor(after, tuple[UUID])[0]
    rows = await database.fetch(
        *sql.list_people(
            low=low, high=None if low is None else low + _LAST_CHARACTER, after=position, limit=limit + 1
        )
    )
    people = [_person(row) for row in rows[:limit]]
    return Page(people, write_cursor((people[-1].person_id,)) if len(rows) > limit else None)


async def hold_person(tx: Connection, person_id: UUID) -> Person:
    """Return a person who stays as they are until the transaction ends; refuses with `not-found` whoever is erased."""
    return _present(await tx.fetchrow(*sql.hold_person(person_id=person_id)))


async def lock_person(tx: Connection, person_id: UUID) -> Person:
    """Return a person whom only this transaction changes; refuses with `not-found` whoever is erased."""
    return _present(await tx.fetchrow(*sql.lock_person(person_id=person_id)))


async def lock_with_admins(tx: Connection, person_id: UUID) -> Person:
    """Lock a person and every admin, so that two admins cannot depose each other; returns the person, or refuses with `not-found`."""
    rows = await tx.fetch(*sql.lock_with_admins(person_id=person_id))
    return _present(next((row for row in rows if row["person_id"] == person_id), None))


async def rename(tx: Connection, person: Person, name: str) -> Person:
    """Change the name of a locked person."""
    return _person(await tx.fetchrow(*sql.rename(person_id=person.person_id, name=name)))


async def change_role(tx: Connection, person: Person, role: PlatformRole) -> Person:
    """Change the platform role of a person locked with the admins; refuses with `last-admin`.

    End their sessions, too: access tokens carry the role.
    """
    if role == "buyer":
        await check_other_admin(tx, person)
    return _person(await tx.fetchrow(*sql.change_role(person_id=person.person_id, role=role)))


async def check_other_admin(tx: Connection, person: Person) -> None:
    """Refuse with `last-admin` where nobody else is one."""
    if person.role == "admin" and not await tx.fetchval(*sql.has_other_admin(person_id=person.person_id)):
        raise Refused(AccountsRefusal.LAST_ADMIN)


async def confirm_password(tx: Connection, person_id: UUID, password_hash: str) -> bool:
    """Return whether the verified password is still the password, and keep it so until the transaction ends."""
    return (
        await tx.fetchval(*sql.confirm_password(person_id=person_id, password_hash=password_hash)) is not None
    )


async def change_password(tx: Connection, person_id: UUID, before: str | None, after: str) -> bool:
    """Store another hash of a password; returns False where the one before is no longer the one that was looked at."""
    return (
        await tx.fetchval(*sql.change_password(person_id=person_id, before=before, after=after)) is not None
    )


async def erase_person(tx: Connection, person_id: UUID, now: datetime) -> None:
    """Erase what a person can be known by.

    The id stays: bookings and journals name it, and say no more than that somebody was there.
    """
    await tx.execute(*sql.erase_person(person_id=person_id, name=ERASED_NAME, now=now))


def _present(row: Record | None) -> Person:
    person = _person(row)
    if person.erased_at is not None:
        raise _not_there()
    return person


def _person(row: Record | None) -> Person:
    if row is None:
        raise _not_there()
    return Person(
        row["person_id"],
        row["email"],
        row["name"],
        row["role"],
        row["version"],
        row["created_at"],
        row["erased_at"],
    )


def _not_there() -> Refused:
    return Refused(CommonRefusal.NOT_FOUND, "person")
