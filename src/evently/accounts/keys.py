"""API keys: they let programs act for an organizer.

A key has scopes, is shown once, is stored as a hash, and works until it is revoked.

    evk_<52 characters of secret><8 characters of checksum>     all Crockford base32, lower case

The checksum detects a mistyped key without a question to the database. Invented keys may have a right one:
they count against a rate limit before the database is asked.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Awaitable, Callable
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
    "events:read",
    "events:write",
    "bookings:read",
    "bookings:write",
    "analytics:read",
    "checkin:write",
    "webhooks:write",
]

SCOPES: Final[tuple[ScopeName, ...]] = get_args(ScopeName)
KEYS_MAX: Final = 100  # live keys of one organizer
# A key that was revoked by another process is refused within a second, reading included
KEYS_SECONDS: Final = 0.5
KEYS_KEPT_MAX: Final = 10_000  # in one process, unknown keys included
KEY_PREFIX: Final = "evk_"
USED_AT_PRECISION: Final = timedelta(minutes=1)  # at most one write per minute and key
_USES_MAX: Final = 10_000  # keys used by one process between two writes
_SECRET_BYTES: Final = 32
_CHECKSUM_BYTES: Final = 5
_HINT_CHARACTERS: Final = 8
_SHAPE: Final = re.compile(r"(evk_[0-9a-hjkmnp-tv-z]{52})([0-9a-hjkmnp-tv-z]{8})")


class ApiKey(msgspec.Struct, frozen=True):
    """A key without its secret. `hint` is its first characters.

    `only_event_id`: it works for this event alone.
    """

    api_key_id: UUID
    organizer_id: UUID
    name: str
    hint: str
    scopes: frozenset[str]
    created_by: UUID
    created_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    only_event_id: UUID | None = None


class KeyRing:
    """Verifies the keys of requests, remembers them for half a second, and records when they were used."""

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._memory: Memory[bytes, ApiKey | None] = Memory(KEYS_SECONDS, KEYS_KEPT_MAX, monotonic=ticks)
        self._uses: dict[UUID, datetime] = {}

    async def find_key(
        self,
        database: Database,
        text: str,
        now: datetime,
        count_guess: Callable[[], Awaitable[None]] | None = None,
    ) -> ApiKey | None:
        """Return the live key with this text, or None.

        `count_guess` is awaited before the database is asked about a key that was not live when it was last
        seen here: anybody can make up keys with a right checksum.
        """
        shape = _SHAPE.fullmatch(text)
        if shape is None or checksum_of(shape[1]) != shape[2]:
            return None
        secret_hash = hash_secret(text)
        if count_guess is not None and self._memory.find_stale(secret_hash) is None:
            await count_guess()
        key = await self._memory.get(secret_hash, lambda: _find_live(database, secret_hash))
        if key is not None and len(self._uses) < _USES_MAX:
            self._uses[key.api_key_id] = now
        return key

    def forget_all(self) -> None:
        """Forget all keys, because this process has just revoked one."""
        self._memory.forget_all()

    async def record_uses(self, database: Database) -> None:
        """Store when keys were used since the last call. After a failure, the next call stores them."""
        uses = dict(self._uses)
        if not uses:
            return
        async with database.transaction() as tx:
            await tx.execute(
                *sql.record_uses(
                    api_key_ids=list(uses), used_at=list(uses.values()), precision=USED_AT_PRECISION
                )
            )
        self._uses = {key_id: at for key_id, at in self._uses.items() if uses.get(key_id) != at}


async def create_key(
    tx: Connection,
    organizer_id: UUID,
    name: str,
    scopes: frozenset[str],
    created_by: UUID,
    now: datetime,
    only_event_id: UUID | None = None,
) -> tuple[ApiKey, str]:
    """Create a key of a locked organizer; returns it with its text, which is not stored.

    `only_event_id`: the key of a device, which works for this event alone. Its caller limits their number.
    Refuses with `limit-reached`.
    """
    if only_event_id is None and await tx.fetchval(*sql.count_live(organizer_id=organizer_id)) >= KEYS_MAX:
        raise Refused(AccountsRefusal.LIMIT_REACHED, "api_keys", count_max=KEYS_MAX)
    # After this point the key must be created.
    body = KEY_PREFIX + crockford(secrets.token_bytes(_SECRET_BYTES)).lower()
    text = body + checksum_of(body)
    key = ApiKey(
        api_key_id=new_id(),
        organizer_id=organizer_id,
        name=name,
        hint=text[:_HINT_CHARACTERS],
        scopes=scopes,
        created_by=created_by,
        created_at=now,
        only_event_id=only_event_id,
    )
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
            only_event_id=only_event_id,
        )
    )
    return key, text


async def list_keys(database: Database, organizer_id: UUID, limit: int, after: str | None) -> Page[ApiKey]:
    """Return a page of the keys of an organizer, newest first, including revoked ones."""
    position = None if after is None else read_cursor(after, tuple[UUID])[0]
    rows = await database.fetch(*sql.list_keys(organizer_id=organizer_id, after=position, limit=limit + 1))
    keys = [_key(row) for row in rows[:limit]]
    return Page(keys, write_cursor((keys[-1].api_key_id,)) if len(rows) > limit else None)


async def revoke_key(tx: Connection, organizer_id: UUID, api_key_id: UUID, now: datetime) -> ApiKey:
    """Revoke a key permanently; a second call changes nothing. Refuses with `not-found`."""
    row = await tx.fetchrow(*sql.revoke_key(organizer_id=organizer_id, api_key_id=api_key_id, now=now))
    if row is None:
        raise Refused(CommonRefusal.NOT_FOUND, "api_key")
    return _key(row)


def checksum_of(body: str) -> str:
    """Return the checksum with which a key ends whose first characters are `body`."""
    return crockford(hashlib.sha256(body.encode()).digest()[:_CHECKSUM_BYTES]).lower()


async def _find_live(database: Database, secret_hash: bytes) -> ApiKey | None:
    row = await database.fetch_row(*sql.find_live(secret_hash=secret_hash))
    return None if row is None else _key(row)


def _key(row: Record) -> ApiKey:
    return ApiKey(**{**row, "scopes": frozenset(row["scopes"])})
