"""Passkeys: the rows. What proves one is in `passkey_logins.py`.

A passkey is a key pair. Its private key stays on a device of the person, or with a provider that copies it to
all their devices; the public key is stored here. Several belong to one person, each with a name.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from evently.accounts.people import name_errors, normalise_name
from evently.accounts.refusals import AccountsRefusal
from evently.db import Connection, Database, Record, load_queries
from evently.kit.errors import CommonRefusal, Invalid, Refused

sql: Final = load_queries(__name__)

PASSKEYS_MAX: Final = 20  # of one person: a few devices and security keys, over years
NAME_CHARACTERS_MAX: Final = 60  # "Ada's telephone"; a list shows it on one line


class Passkey(msgspec.Struct, frozen=True):
    """A passkey, as its person sees it.

    `credential_id`: what its device calls it. `synced`: a provider copies it to other devices of the person.
    `copied_at`: since when a second copy of a key that has no copies is known; it logs nobody in any more.
    """

    passkey_id: UUID
    person_id: UUID
    credential_id: bytes
    name: str
    transports: list[str]
    synced: bool
    created_at: datetime
    last_used_at: datetime | None
    copied_at: datetime | None


class StoredKey(msgspec.Struct, frozen=True):
    """What checks the signature of a passkey."""

    passkey_id: UUID
    person_id: UUID
    public_key: bytes  # COSE (RFC 9052, 7)
    sign_count: int  # of the latest use; 0 of keys that count nothing
    copied_at: datetime | None


async def list_passkeys(database: Database | Connection, person_id: UUID) -> list[Passkey]:
    """Return the passkeys of a person, oldest first: at most `PASSKEYS_MAX`."""
    rows = await database.fetch(*sql.list_passkeys(person_id=person_id, limit=PASSKEYS_MAX))
    return [_passkey(row) for row in rows]


async def find_key(database: Database, credential_id: bytes) -> StoredKey | None:
    """Return the key with an id, of any person."""
    row = await database.fetch_row(*sql.find_key(credential_id=credential_id))
    return None if row is None else StoredKey(**row)


async def lock_key(tx: Connection, passkey_id: UUID) -> StoredKey | None:
    """Return a key, locked for a use; None when it was removed."""
    row = await tx.fetchrow(*sql.lock_key(passkey_id=passkey_id))
    return None if row is None else StoredKey(**row)


async def add_passkey(tx: Connection, passkey: Passkey, public_key: bytes, sign_count: int) -> bool:
    """Add a passkey of a locked person; returns False when its id is taken.

    Refuses with `limit-reached`.
    """
    if await tx.fetchval(*sql.count_passkeys(person_id=passkey.person_id)) >= PASSKEYS_MAX:
        raise Refused(AccountsRefusal.LIMIT_REACHED, "passkeys", count_max=PASSKEYS_MAX)
    added = await tx.fetchval(
        *sql.add_passkey(
            passkey_id=passkey.passkey_id,
            person_id=passkey.person_id,
            credential_id=passkey.credential_id,
            public_key=public_key,
            sign_count=sign_count,
            name=passkey.name,
            transports=passkey.transports,
            synced=passkey.synced,
            now=passkey.created_at,
        )
    )
    return added is not None


async def record_use(
    tx: Connection, passkey_id: UUID, sign_count: int, *, synced: bool, now: datetime
) -> None:
    """Write that a locked key logged its person in."""
    await tx.execute(*sql.record_use(passkey_id=passkey_id, sign_count=sign_count, synced=synced, now=now))


async def record_copy(tx: Connection, passkey_id: UUID, now: datetime) -> None:
    """Write that a second copy of a locked key is known."""
    await tx.execute(*sql.record_copy(passkey_id=passkey_id, now=now))


async def rename_passkey(tx: Connection, person_id: UUID, passkey_id: UUID, name: str) -> Passkey:
    """Change the name of a passkey; refuses with `not-found`, or with `invalid`."""
    chosen = check_name(name)
    row = await tx.fetchrow(*sql.rename_passkey(person_id=person_id, passkey_id=passkey_id, name=chosen))
    if row is None:
        raise _not_found()
    return _passkey(row)


async def remove_passkey(tx: Connection, person_id: UUID, passkey_id: UUID) -> str:
    """Remove a passkey, and return its name; refuses with `not-found`."""
    name: str | None = await tx.fetchval(*sql.remove_passkey(person_id=person_id, passkey_id=passkey_id))
    if name is None:
        raise _not_found()
    return name


async def remove_newer(tx: Connection, person_id: UUID, since: datetime) -> None:
    """Remove the passkeys that a locked person got since an instant."""
    await tx.execute(*sql.remove_newer(person_id=person_id, since=since))


async def remove_all(tx: Connection, person_id: UUID) -> None:
    """Remove the passkeys of a locked person."""
    await tx.execute(*sql.remove_all(person_id=person_id))


async def use_challenge(tx: Connection, challenge_hash: bytes, expires_at: datetime) -> bool:
    """Write that a challenge was used; returns False when it was before."""
    used = await tx.fetchval(*sql.use_challenge(challenge_hash=challenge_hash, expires_at=expires_at))
    return used is not None


def check_name(name: str) -> str:
    """Return the spelling of a name that is stored; refuses a wrong one with `invalid`."""
    chosen = normalise_name(name)
    if errors := name_errors(chosen, "/name", NAME_CHARACTERS_MAX):
        raise Invalid(errors)
    return chosen


def _not_found() -> Refused:
    return Refused(CommonRefusal.NOT_FOUND, "passkey")


def _passkey(row: Record) -> Passkey:
    return Passkey(**row)
