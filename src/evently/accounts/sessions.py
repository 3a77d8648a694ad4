"""Sessions: one per login, in a browser or of a client of the API.

A session in a browser has a secret that stays the same. The sessions of other clients have refresh tokens,
which form a chain. Each token is used once and has one child.

    first use                           -> the child
    second use within the grace period  -> the same child: the first answer was lost
    a later use, a use after the child
    was used, or of an older token      -> one of the two users stole it: the session ends (RFC 9700, 4.14.2)

Every function here locks the person before the session, and the session before its tokens.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from evently.accounts.people import Person, get_person, lock_person_shared
from evently.accounts.refusals import AccountsRefusal
from evently.accounts.tokens import Tokens, hash_secret
from evently.db import Connection, Database, Record, load_queries
from evently.kit.errors import Refused
from evently.kit.ids import new_id

sql: Final = load_queries(__name__)

SESSIONS_MAX: Final = 50  # of one person; a new session ends the oldest
LOGIN_AGE_MAX: Final = timedelta(hours=1)  # of a login after which the account itself may be changed
REFRESH_TOKENS_KEPT_MAX: Final = 3000  # of one session: one every 15 minutes for 30 days


class OpenedSession(msgspec.Struct, frozen=True):
    """A session, and the refresh token, or in a browser the secret, that continues it.

    `ended` are the sessions that ended because the person had too many.
    """

    person: Person
    session_id: UUID
    refresh_token: str
    expires_at: datetime
    ended: list[UUID] = []


class Session(msgspec.Struct, frozen=True):
    """A session that has not ended, as its person sees it. `in_browser`: opened on a page."""

    session_id: UUID
    created_at: datetime
    expires_at: datetime
    in_browser: bool


class ReusedToken(msgspec.Struct, frozen=True):
    """A refusal that ended the session, so the transaction must be committed."""

    person_id: UUID
    session_id: UUID


async def open_session(
    tx: Connection, tokens: Tokens, person_id: UUID, now: datetime, *, in_browser: bool = False
) -> OpenedSession:
    """Open a session; refuses an erased person with `not-found`, a locked one with `account-locked`."""
    person = await lock_person_shared(tx, person_id)
    if person.locked_at is not None:
        raise Refused(AccountsRefusal.ACCOUNT_LOCKED)
    session_id, continues = (
        new_id(),
        tokens.new_browser_secret() if in_browser else tokens.new_refresh_token(),
    )
    expires_at = now + timedelta(days=tokens.options.refresh_days_max)
    crowded_out = await tx.fetch(*sql.list_oldest(person_id=person_id, now=now, kept=SESSIONS_MAX - 1))
    ended = await end_sessions(tx, [row["session_id"] for row in crowded_out], now)
    continues_hash = hash_secret(continues)
    await tx.execute(
        *sql.open_session(
            session_id=session_id,
            person_id=person_id,
            now=now,
            expires_at=expires_at,
            browser_hash=continues_hash if in_browser else None,
        )
    )
    if not in_browser:
        await tx.execute(
            *sql.add_token(session_id=session_id, number=1, token_hash=continues_hash, deleted=0)
        )
    return OpenedSession(
        person=person,
        session_id=session_id,
        refresh_token=continues,
        expires_at=expires_at,
        ended=ended,
    )


async def find_in_browser(database: Database, secret: str, now: datetime) -> OpenedSession | None:
    """Return the session that a browser's secret continues, or None when it has ended."""
    row = await database.fetch_row(*sql.find_in_browser(browser_hash=hash_secret(secret), now=now))
    if row is None:
        return None
    return OpenedSession(
        person=await get_person(database, row["person_id"]),
        session_id=row["session_id"],
        refresh_token=secret,
        expires_at=row["expires_at"],
    )


async def refresh_session(
    tx: Connection, tokens: Tokens, refresh_token: str, now: datetime
) -> OpenedSession | ReusedToken:
    """Exchange a refresh token for its child, or end the session of a token that was used before.

    Refuses an unknown or expired token with `refresh-token-invalid`.
    """
    owner = await tx.fetchval(*sql.find_owner(token_hash=hash_secret(refresh_token)))
    if owner is None:
        raise _invalid_token()
    person = await _lock_person(tx, owner)
    # Lock the session, then read the token: a concurrent refresh may have used it before
    session = await tx.fetchrow(*sql.lock_session(token_hash=hash_secret(refresh_token)))
    token = await tx.fetchrow(*sql.find_token(token_hash=hash_secret(refresh_token)))
    if session is None or token is None or session["revoked_at"] is not None or session["expires_at"] <= now:
        raise _invalid_token()
    if not _may_be_used(token, now, tokens.options.grace_seconds):
        await end_sessions(tx, [session["session_id"]], now)
        return ReusedToken(person_id=owner, session_id=session["session_id"])
    child = tokens.child_of(refresh_token)
    if token["used_at"] is None:
        await _add_child(tx, token, hash_secret(child), now)
    return OpenedSession(
        person=person,
        session_id=session["session_id"],
        refresh_token=child,
        expires_at=session["expires_at"],
    )


async def list_sessions(database: Database, person_id: UUID, now: datetime) -> list[Session]:
    """Return the sessions of a person that have not ended, newest first: at most `SESSIONS_MAX`."""
    rows = await database.fetch(*sql.list_sessions(person_id=person_id, now=now, limit=SESSIONS_MAX))
    return [Session(**row) for row in rows]


async def is_session_of(tx: Connection, person_id: UUID, session_id: UUID) -> bool:
    """Return whether a session is a person's."""
    found: bool = await tx.fetchval(*sql.is_session_of(person_id=person_id, session_id=session_id))
    return found


async def check_login_age(tx: Connection, session_id: UUID, now: datetime) -> None:
    """Refuse with `login-too-old` a session that was opened long ago.

    What gives an account away for good needs a login first: a browser that was left open, or a token that
    was stolen, must not be enough.
    """
    if not await tx.fetchval(*sql.is_open_since(session_id=session_id, since=now - LOGIN_AGE_MAX)):
        raise Refused(AccountsRefusal.LOGIN_TOO_OLD)


async def end_sessions(tx: Connection, session_ids: list[UUID], now: datetime) -> list[UUID]:
    """End sessions, and revoke their access tokens everywhere; returns those that had not ended before."""
    return [row["session_id"] for row in await tx.fetch(*sql.end_sessions(session_ids=session_ids, now=now))]


async def end_all_sessions(
    tx: Connection, person_id: UUID, now: datetime, kept: UUID | None = None
) -> list[UUID]:
    """End the sessions of a person whose row is locked, except `kept`; return the ids of those ended."""
    rows = await tx.fetch(*sql.list_live(person_id=person_id, kept=kept))
    return await end_sessions(tx, [row["session_id"] for row in rows], now)


async def _lock_person(tx: Connection, person_id: UUID) -> Person:
    try:
        return await lock_person_shared(tx, person_id)
    except Refused as exc:  # erased meanwhile
        raise _invalid_token() from exc


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
            deleted=number - REFRESH_TOKENS_KEPT_MAX,
        )
    )


def _invalid_token() -> Refused:
    return Refused(AccountsRefusal.REFRESH_TOKEN_INVALID)
