"""What accounts forget by themselves."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from evently.accounts import attempts, invitations, sessions
from evently.accounts.revocations import OVERLAP
from evently.db import Database

FORGOTTEN_MAX: Final = 1000  # rows of a kind at a time: a transaction of milliseconds
SESSIONS_KEPT: Final = timedelta(days=1)  # after they expired: their last access tokens are long gone


async def forget_expired(database: Database, now: datetime, access_seconds_max: int) -> None:
    """Forget what no longer matters. Meant to be called every few minutes, by one process or by several."""
    life = timedelta(seconds=access_seconds_max)
    async with database.transaction() as tx:
        await tx.execute(
            *sessions.sql.forget_revocations(before=now - life - 2 * OVERLAP, limit=FORGOTTEN_MAX)
        )
        await tx.execute(*sessions.sql.forget_sessions(before=now - SESSIONS_KEPT, limit=FORGOTTEN_MAX))
        await tx.execute(
            *attempts.sql.forget_old(before=now - attempts.STRANGERS_PERIOD, now=now, limit=FORGOTTEN_MAX)
        )
        await tx.execute(*invitations.sql.forget_expired(now=now, limit=FORGOTTEN_MAX))
