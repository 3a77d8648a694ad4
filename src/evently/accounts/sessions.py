"""Sessions: one log-in each.

A session's refresh tokens form a line in which each is used once and has one child.

    refreshed once                      -> the child
    again within the grace              -> the same child: the answer was lost on its way
    again later, or after the child was
    used, or a token from further up    -> stolen, by whoever came first or last: the session ends (RFC 9700, 4.14.2)

Every verb here takes the session's row before its tokens, and the person's row before the session's.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from evently.accounts.people import Person, hold_person
from evently.accounts.refusals import AccountsRefusal
from evently.accounts.tokens import Tokens, hash_secret
from evently.db import Connection, Record, load_queries
from evently.kit.errors import Refused
from evently.kit.ids import new_id

sql: Final = load_queries(__name__)

SESSIONS_MAX: Final = 50  # of one person; the oldest ends when another begins
REFRESH_TOKENS_KEPT_MAX: Final = 3000  # of one session: thirty days of one every quarter of an hour


class Opened(msgspec.Struct, frozen=True):
    """A session with the refresh token that continues it.

    `ended` are other sessions that ended because of it.
    """

    person: Person
    session_id: UUID
    refresh_token: str
    expires_at: datetime
    ended: list[UUID] = []


class Broken(msgspec.Struct, frozen=True):
    """A refusal that changed something, so the transaction must be committed: the session ended."""

    refusal: AccountsRefusal
    person_id: UUID
    session_id: UUID


async def open_session(tx: Connection, tokens: Tokens, person_id: UUID, now: datetime) -> Opened:
    """Begin a session of a person; refuses with `not-found` whoever is erased."""
    person = await hold_person(tx, person_id)
    session_id, refresh_token = new_id(), tokens.new_refresh_token()
    expires_at = now + timedelta(days=tokens.options.refresh_days_max)
    crowded_out = await tx.fetch(*sql.list_oldest(person_id=person_id, now=now, kept=SESSIONS_MAX - 1))
    ended = await end_sessions(tx, [row["session_id"] for row in crowded_out], now)
    await tx.execute(
        *sql.open_session(session_id=session_id, person_id=person_id, now=now, expires_at=expires_at)
    )
    await tx.execute(
        *sql.add_token(session_id=session_id, number=1, token_hash=hash_secret(refresh_token), forgotten=0)
    )
    return Opened(person, session_id, refresh_token, expires_at, ended)


async def refresh_session(
    tx: Connection, tokens: Tokens, refresh_token: str, now: datetime
) -> Opened | Broken:
    """Exchange a refresh token for its child; refuses with `refresh-token-invalid`, or ends the session of one that was used before."""
    owner = await tx.fetchval(*sql.find_owner(token_hash=hash_secret(refresh_token)))
    if owner is None:
        raise _unknown()
    person = await _hold(tx, owner)
    # The session's lock first; only then is the token read, as whoever had the lock before us left it.
    session = await tx.fetchrow(*sql.lock_session(token_hash=hash_secret(refresh_token)))
    token = await tx.fetchrow(*sql.find_token(token_hash=hash_secret(refresh_token)))
    if session is None or token is None or session["revoked_at"] is not None or session["expires_at"] <= now:
        raise _unknown()
    if not _may_be_used(token, now, tokens.options.grace_seconds):
        await end_sessions(tx, [session["session_id"]], now)
        return Broken(AccountsRefusal.REFRESH_TOKEN_REUSED, owner, session["session_id"])
    child = tokens.child_of(refresh_token)
    if token["used_at"] is None:
        await _add_child(tx, token, hash_secret(child), now)
    return Opened(person, session["session_id"], child, session["expires_at"])


async def end_sessions(tx: Connection, session_ids: list[UUID], now: datetime) -> list[UUID]:
    """End sessions, and tell every process; returns those that had not ended before."""
    return [row["session_id"] for row in await tx.fetch(*sql.end_sessions(session_ids=session_ids, now=now))]


async def end_all_sessions(
    tx: Connection, person_id: UUID, now: datetime, kept: UUID | None = None
) -> list[UUID]:
    """End every session of a locked person, but for the one that is kept; returns those that had not ended before."""
    rows = await tx.fetch(*sql.list_live(person_id=person_id, kept=kept))
    return await end_sessions(tx, [row["session_id"] for row in rows], now)


async def _hold(tx: Connection, person_id: UUID) -> Person:
    try:
        return await hold_person(tx, person_id)
    except Refused as exc:  # erased meanwhile
        raise _unknown() from exc


def _may_be_used(token: Record, now: datetime, grace_seconds: int) -> bool:
    if token["used_at"] is None:
        return True
    return not token["child_was_used"] and now <= token["used_at"] + timedelta(seconds=grace_seconds)


async def _add_child(tx: Connection, token: Record, child_hash: bytes, now: datetime) -> None:
    number = token["number"] + 1
    await tx.execute(*sql.use_token(session_id=token["session_id"], number=token["number"], now=now))
    await tx.execute(
        *sql.add_token(
            session_id=token["session_id"],
            number=number,
            token_hash=child_hash,
            forgotten=number - REFRESH_TOKENS_KEPT_MAX,
        )
    )


def _unknown() -> Refused:
    return Refused(AccountsRefusal.REFRESH_TOKEN_INVALID)
