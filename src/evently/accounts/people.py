"""People: their names and e-mails, their platform roles, and their erasure.

Locks are taken in one order everywhere: people (by id), organizers (by id), then the rows that belong to
them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, TypeAlias
from urllib.parse import quote
from uuid import UUID

import asyncpg
import idna
import msgspec

from evently.accounts.refusals import AccountsRefusal
from evently.accounts.tokens import PlatformRole
from evently.db import Connection, Database, Record, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import CommonRefusal, FieldError, Refused
from evently.kit.visible import is_visible, misprints

sql: Final = load_queries(__name__)

EMAIL_CHARACTERS_MAX: Final = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets; bytes in UTF-8
NAME_CHARACTERS_MAX: Final = 200
ERASED_NAME: Final = "erased"
_LOCAL_CHARACTERS_MAX: Final = 64  # RFC 5321, 4.5.3.1.1
_LOCAL: Final = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])")
LAST_CHARACTER: Final = "\U0010ffff"


class Person(msgspec.Struct, frozen=True):
    """An account holder. `email` is None after the erasure, and for the buyers of rehearsals.

    `email_verified_at`: when a code that was sent to the address was entered; None: it may be another
    person's. `locked_at`: since when an administrator keeps the person from logging in.
    """

    person_id: UUID
    email: str | None
    name: str
    role: PlatformRole
    version: int
    created_at: datetime
    erased_at: datetime | None
    email_verified_at: datetime | None = None
    locked_at: datetime | None = None


# Stores a message to a person about what changes in this transaction
StoreNotice: TypeAlias = Callable[[Connection, Person], Awaitable[None]]


async def store_no_notice(tx: Connection, person: Person) -> None:
    """Store no message."""


def normalise_email(text: str) -> str:
    """Return the spelling of an e-mail address that is stored, and by which two addresses are one.

    Lower case, composed, the domain in ASCII: `Müller@MÜLLER.example` is `müller@xn--mller-kva.example`.
    What is not an address stays what it is, for `email_errors`.
    """
    local, at, domain = unicodedata.normalize("NFC", text).strip().lower().rpartition("@")
    return f"{unicodedata.normalize('NFC', local)}{at}{_domain_in_ascii(domain)}"


def link_to(email: str) -> str:
    """Return the link with which a reader writes to an address (RFC 6068).

    An address may have a `?` or `&`, which would add fields and other readers to the message.
    """
    return f"mailto:{quote(email, safe='@+')}"


def normalise_name(text: str) -> str:
    """Return the spelling of a name that is stored: composed, without surplus spaces."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def email_errors(email: str, pointer: str) -> list[FieldError]:
    """Return what is wrong with a normalised e-mail address.

    Accepts dot-atoms (RFC 5321), before the @ also with letters and digits of every script (RFC 6531).
    """
    local, _, domain = email.rpartition("@")
    if len(email.encode()) > EMAIL_CHARACTERS_MAX or len(local.encode()) > _LOCAL_CHARACTERS_MAX:
        return [
            FieldError(
                pointer,
                "email-too-long",
                {"characters_max": EMAIL_CHARACTERS_MAX, "local_characters_max": _LOCAL_CHARACTERS_MAX},
            )
        ]
    if not _LOCAL.fullmatch(_with_plain_letters(local)) or not _DOMAIN.fullmatch(domain):
        return [FieldError(pointer, "not-an-email")]
    return []


def name_errors(name: str, pointer: str, characters_max: int = NAME_CHARACTERS_MAX) -> list[FieldError]:
    """Return what is wrong with a normalised name."""
    if not 1 <= len(name) <= characters_max:
        return [FieldError(pointer, "name-length", {"characters_max": characters_max})]
    if not is_visible(name):
        return [FieldError(pointer, "blank")]
    return [FieldError(pointer, *wrong) for wrong in misprints(name)]


async def add_person(tx: Connection, person: Person, password_hash: str | None) -> bool:
    """Add a person; returns False, and changes nothing, when the e-mail is taken."""
    added = await tx.fetchval(
        *sql.add_person(
            person_id=person.person_id,
            email=person.email,
            name=person.name,
            password_hash=password_hash,
            role=person.role,
            now=person.created_at,
            verified_at=person.email_verified_at,
        )
    )
    return added is not None


async def get_person(database: Database, person_id: UUID) -> Person:
    """Return a person; refuses with `not-found`."""
    return _person(await database.fetch_row(*sql.find_person(person_id=person_id)))


async def find_name(database: Database, actor_id: UUID) -> str | None:
    """Return the name of a person or of an API key, if there is one."""
    name: str | None = await database.fetch_value(*sql.find_name(actor_id=actor_id))
    return name


async def find_by_email(database: Database, email: str) -> tuple[Person, str | None] | None:
    """Return the person with a normalised e-mail, and their password hash."""
    row = await database.fetch_row(*sql.find_by_email(email=email))
    return None if row is None else _with_password(**row)


async def find_password(database: Database, person_id: UUID) -> tuple[Person, str | None]:
    """Return a person and their password hash; refuses with `not-found`."""
    row = await database.fetch_row(*sql.find_password(person_id=person_id))
    if row is None:
        raise _not_found()
    return _with_password(**row)


async def list_people(database: Database, search: str | None, limit: int, after: str | None) -> Page[Person]:
    """Return a page of people, newest first. `search` is the beginning of an e-mail or of a name."""
    low = None if search is None else _start_of(search)
    position = None if after is None else read_cursor(after, tuple[UUID])[0]
    rows = await database.fetch(
        *sql.list_people(
            low=low, high=None if low is None else low + LAST_CHARACTER, after=position, limit=limit + 1
        )
    )
    people = [_person(row) for row in rows[:limit]]
    return Page(people, write_cursor((people[-1].person_id,)) if len(rows) > limit else None)


async def lock_person_shared(tx: Connection, person_id: UUID) -> Person:
    """Lock a person against changes until this transaction ends; others may lock them in the same way.

    Refuses an erased person with `not-found`.
    """
    return _not_erased(await tx.fetchrow(*sql.lock_person_shared(person_id=person_id)))


async def lock_person(tx: Connection, person_id: UUID) -> Person:
    """Return a person, locked for a change; refuses an erased one with `not-found`."""
    return _not_erased(await tx.fetchrow(*sql.lock_person(person_id=person_id)))


async def find_unerased(tx: Connection, person_id: UUID) -> Person | None:
    """Return a person, locked against changes as by `lock_person_shared`; None when the person was erased."""
    person = _person(await tx.fetchrow(*sql.lock_person_shared(person_id=person_id)))
    return person if person.erased_at is None else None


async def find_locked(tx: Connection, person_id: UUID) -> Person | None:
    """Return a person, locked for a change; None when the person was erased, or is not there."""
    row = await tx.fetchrow(*sql.lock_person(person_id=person_id))
    return None if row is None or row["erased_at"] is not None else Person(**row)


async def lock_with_admins(tx: Connection, person_id: UUID) -> Person:
    """Lock a person and every admin, and return the person; refuses an erased one with `not-found`.

    The lock prevents that two admins demote each other at the same time.
    """
    rows = await tx.fetch(*sql.lock_with_admins(person_id=person_id))
    return _not_erased(next((row for row in rows if row["person_id"] == person_id), None))


async def lock_by_email(tx: Connection, email: str) -> Person | None:
    """Return the person with a normalised e-mail, locked for a change."""
    row = await tx.fetchrow(*sql.lock_by_email(email=email))
    return None if row is None else _person(row)


async def find_id_by_email(tx: Connection, email: str) -> UUID | None:
    """Return the id of the person with a normalised e-mail."""
    found: UUID | None = await tx.fetchval(*sql.find_id_by_email(email=email))
    return found


async def verify_email(tx: Connection, person_id: UUID, now: datetime, *, keep_password: bool) -> Person:
    """Write that a locked person reads the e-mails to the address; the first time counts.

    Without `keep_password` the password is deleted: its author did not prove the address.
    """
    return _person(
        await tx.fetchrow(*sql.verify_email(person_id=person_id, now=now, keep_password=keep_password))
    )


async def change_email(tx: Connection, person_id: UUID, email: str, now: datetime) -> Person | None:
    """Change the address of a locked person to a verified one; returns None when it is another person's."""
    try:
        async with tx.transaction():
            return _person(await tx.fetchrow(*sql.change_email(person_id=person_id, email=email, now=now)))
    except asyncpg.UniqueViolationError:  # also of a person who registers at this moment
        return None


async def drop_password(tx: Connection, person_id: UUID) -> None:
    """Delete the password of a locked person, who logs in with codes until there is another one."""
    await tx.execute(*sql.drop_password(person_id=person_id))


async def set_password(tx: Connection, person_id: UUID, password_hash: str) -> None:
    """Set the password hash of a locked person, whatever it was."""
    await tx.execute(*sql.set_password(person_id=person_id, password_hash=password_hash))


async def rename(tx: Connection, person: Person, name: str) -> Person:
    """Change the name of a locked person."""
    return _person(await tx.fetchrow(*sql.rename(person_id=person.person_id, name=name)))


async def change_role(tx: Connection, person: Person, role: PlatformRole) -> Person:
    """Change the platform role of a person who was locked with the admins; refuses with `last-admin`.

    The caller also ends the sessions of the person, because access tokens carry the role.
    """
    if role == "buyer":
        await check_other_admin(tx, person)
    return _person(await tx.fetchrow(*sql.change_role(person_id=person.person_id, role=role)))


async def check_other_admin(tx: Connection, person: Person) -> None:
    """Refuse with `last-admin` when there is no other admin."""
    if person.role == "admin" and not await tx.fetchval(*sql.has_other_admin(person_id=person.person_id)):
        raise Refused(AccountsRefusal.LAST_ADMIN)


async def lock_account(tx: Connection, person: Person, now: datetime) -> Person:
    """Keep a person from logging in; `lock_with_admins` has locked the row. Refuses `last-admin`."""
    await check_other_admin(tx, person)
    return _person(await tx.fetchrow(*sql.set_locked(person_id=person.person_id, locked_at=now)))


async def unlock_account(tx: Connection, person: Person) -> Person:
    """Allow a locked person to log in again."""
    return _person(await tx.fetchrow(*sql.set_locked(person_id=person.person_id, locked_at=None)))


async def confirm_password(tx: Connection, person_id: UUID, password_hash: str) -> bool:
    """Return whether a verified password is still the password, and prevent changes in this transaction."""
    return (
        await tx.fetchval(*sql.confirm_password(person_id=person_id, password_hash=password_hash)) is not None
    )


async def change_password(tx: Connection, person_id: UUID, before: str | None, after: str) -> bool:
    """Replace a password hash; returns False when the stored hash is no longer `before`."""
    return (
        await tx.fetchval(*sql.change_password(person_id=person_id, before=before, after=after)) is not None
    )


async def erase_person(tx: Connection, person_id: UUID, now: datetime) -> None:
    """Erase the personal data of a person.

    The id stays: bookings and journals refer to it. It identifies nobody any more.
    """
    await tx.execute(*sql.erase_person(person_id=person_id, name=ERASED_NAME, now=now))


def _start_of(search: str) -> str:
    """Return the beginning of a name or an e-mail as it is stored; a domain is searched whole."""
    typed = normalise_name(search).lower()
    return normalise_email(typed) if "@" in typed else typed


def _domain_in_ascii(domain: str) -> str:
    """Return an international domain in its xn-- form (RFC 5891, after the mapping of UTS 46)."""
    if domain.isascii() or len(domain) > EMAIL_CHARACTERS_MAX:
        return domain
    try:
        return idna.encode(domain, uts46=True).decode()
    except UnicodeError:  # no name of a domain
        return domain


def _with_plain_letters(local: str) -> str:
    """Return the part before the @ with an `a` for each letter, mark or digit beyond ASCII."""
    return "".join(
        "a" if not character.isascii() and unicodedata.category(character)[0] in "LMN" else character
        for character in local
    )


def _not_erased(row: Record | None) -> Person:
    person = _person(row)
    if person.erased_at is not None:
        raise _not_found()
    return person


def _person(row: Record | None) -> Person:
    if row is None:
        raise _not_found()
    return Person(**row)


def _with_password(password_hash: str | None, **person: Any) -> tuple[Person, str | None]:
    return Person(**person), password_hash


def _not_found() -> Refused:
    return Refused(CommonRefusal.NOT_FOUND, "person")
