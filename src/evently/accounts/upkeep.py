"""Deletion of expired rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from evently.accounts import attempts, codes, invitations, passkeys, sessions
from evently.accounts.revocations import OVERLAP
from evently.db import Database

DELETED_MAX: Final = 1000  # rows of each table in one transaction, which takes milliseconds
SESSIONS_KEPT: Final = timedelta(
    days=1
)  # after they expired; their last access tokens have expired long before


async def delete_expired(database: Database, now: datetime, access_seconds_max: int) -> None:
    """Delete expired sessions, revocations, attempts, invitations, codes and challenges.

    Call it every few minutes, in one process or in several.
    """
    life = timedelta(seconds=access_seconds_max)
    async with database.transaction() as tx:
        await tx.execute(*sessions.sql.delete_revocations(before=now - life - 2 * OVERLAP, limit=DELETED_MAX))
        await tx.execute(*sessions.sql.delete_sessions(before=now - SESSIONS_KEPT, limit=DELETED_MAX))
        await tx.execute(
            *attempts.sql.delete_old(before=now - attempts.UNKNOWN_PERIOD, now=now, limit=DELETED_MAX)
        )
        await tx.execute(*invitations.sql.delete_expired(now=now, limit=DELETED_MAX))
        # A code that was used in its last second can still be repeated
        await tx.execute(*codes.sql.delete_expired(before=now - codes.GRACE, limit=DELETED_MAX))
        await tx.execute(*passkeys.sql.delete_challenges(before=now, limit=DELETED_MAX))
