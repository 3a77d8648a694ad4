"""API keys of organizers: for programs.

A key has scopes, is shown once, stored as a hash, and works until it is revoked.

    evk_<52 characters of secret><8 characters of checksum>     all Crockford base32, lower case

The checksum refuses what is mistyped or made up before anybody asks the database.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Literal, get_args
from uuid import UUID

import msgspec

from evently.accounts.refusals import AccountsRefusal
from evently.accounts.tokens import hash_secret
from evently.db import Connection, Database, Record, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import crockford, new_id
from evently.kit.memory import Memory

sql: Final = load_queries(__name__)

ScopeName = Literal[
    "events:read", "events:write", "bookings:read", "bookings:write", "analytics:read", "checkin:write"
]

SCOPES: Final[tuple[ScopeName, ...]] = get_args(ScopeName)
KEYS_MAX: Final = 100  # live ones of one organizer
# A key that was revoked by another process is refused within a second, reading included
KEYS_SECONDS: Final = 0.5
KEYS_KEPT_MAX: Final = 10_000  # in one process, unknown keys included
KEY_PREFIX: Final = "evk_"
USED_AT_PRECISION: Final = timedelta(minutes=1)  # a write per minute and key, however busy it is
_USES_MAX: Final = 10_000  # keys used by one process between two notes
_SECRET_BYTES: Final = 32
_CHECKSUM_BYTES: Final = 5
_HINT_CHARACTERS: Final = 8
_SHAPE: Final = re.compile(r"(evk_[0-9a-hjkmnp-tv-z]{52})([0-9a-hjkmnp-tv-z]{8})")


class ApiKey(msgspec.Struct, frozen=True):
    """What is known of a key once it was shown. `hint` is how it begins."""

    api_key_id: UUID
    organizer_id: UUID
    name: str
    hint: str
    scopes: frozenset[str]
    created_by: UUID
    created_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


class KeyRing:
    """Verifies keys for the guard, remembering answers for half a second, and notes when they were used."""

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._memory: Memory[bytes, ApiKey | None] = Memory(KEYS_SECONDS, KEYS_KEPT_MAX, monotonic=ticks)
        self._uses: dict[UUID, datetime] = {}

    async def find_key(self, database: Database, text: str, now: datetime) -> ApiKey | None:
        """Return the live key that `text` is, or None."""
        shape = _SHAPE.fullmatch(text)
        if shape is None or checksum_of(shape[1]) != shape[2]:
            return None
        secret_hash = hash_secret(text)
        key = await self._memory.get(secret_hash, lambda: _find_live(database, secret_hash))
        if key is not None and len(self._uses) < _USES_MAX:
            self._uses[key.api_key_id] = now
        return key

    def forget_all(self) -> None:
        """Look again next time: this process has just revoked a key."""
        self._memory.forget_all()

    async def note_uses(self, database: Database) -> None:
        """Write down when keys were used since the last note. What cannot be written is kept for the next."""
        uses = dict(self._uses)
        if not uses:
            return
        async with database.transaction() as tx:
            await tx.execute(
                *sql.note_uses(
                    api_key_ids=list(uses), used_at=list(uses.values()), precision=USED_AT_PRECISION
                )
            )
        self._uses = {key_id: at for key_id, at in self._uses.items() if uses.get(key_id) != at}


async def create_key(
    tx: Connection, organizer_id: UUID, name: str, scopes: frozenset[str], created_by: UUID, now: datetime
) -> tuple[ApiKey, str]:
    """Make a key of a locked organizer; returns it with its text, which is not stored.

    Refuses with `limit-reached`.
    """
    if await tx.fetchval(*sql.count_live(organizer_id=organizer_id)) >= KEYS_MAX:
        raise Refused(AccountsRefusal.LIMIT_REACHED, "api_keys", count_max=KEYS_MAX)
    # After this point the key must be created.
    body = KEY_PREFIX + crockford(secrets.token_bytes(_SECRET_BYTES)).lower()
    text = body + checksum_of(body)
    key = ApiKey(new_id(), organizer_id, name, text[:_HINT_CHARACTERS], scopes, created_by, now)
    await tx.execute(
        *sql.add_key(
            api_key_id=key.api_key_id,
            organizer_id=organizer_id,
            name=name,
            hint=key.hint,
            secret_hash=hash_secret(text),
            scopes=sorted(scopes),
            created_by=created_by,
            now=now,
        )
    )
    return key, text


async def list_keys(database: Database, organizer_id: UUID, limit: int, after: str | None) -> Page[ApiKey]:
    """Return a page of an organizer's keys, the revoked among them, newest first."""
    position = None if after is None else read_cursor(after, tuple[UUID])[0]
    rows = await database.fetch(*sql.list_keys(organizer_id=organizer_id, after=position, limit=limit + 1))
    keys = [_key(row) for row in rows[:limit]]
    return Page(keys, write_cursor((keys[-1].api_key_id,)) if len(rows) > limit else None)


async def revoke_key(tx: Connection, organizer_id: UUID, api_key_id: UUID, now: datetime) -> ApiKey:
    """Revoke a key, for good; once more changes nothing. Refuses with `not-found`."""
    row = await tx.fetchrow(*sql.revoke_key(organizer_id=organizer_id, api_key_id=api_key_id, now=now))
    if row is None:
        raise Refused(CommonRefusal.NOT_FOUND, "api_key")
    return _key(row)


def checksum_of(body: str) -> str:
    """Return the last characters of a key whose first ones are `body`."""
    return crockford(hashlib.sha256(body.encode()).digest()[:_CHECKSUM_BYTES]).lower()


async def _find_live(database: Database, secret_hash: bytes) -> ApiKey | None:
    row = await database.fetch_row(*sql.find_live(secret_hash=secret_hash))
    return None if row is None else _key(row)


def _key(row: Record) -> ApiKey:
    return ApiKey(
        row["api_key_id"],
        row["organizer_id"],
        row["name"],
        row["hint"],
        frozenset(row["scopes"]),
        row["created_by"],
        row["created_at"],
        row["last_used_at"],
        row["revoked_at"],
    )
