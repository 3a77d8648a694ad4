"""Leases: who does a thing that one process at a time should do.

Losing one early costs work done twice, never correctness.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from evently.db.pool import Connection
from evently.db.queries import load_queries

sql: Final = load_queries(__name__)


async def take_lease(tx: Connection, name: str, holder: UUID, now: datetime, lasts: timedelta) -> bool:
    """Take or keep a lease that lasts so long; False when somebody else has it.

    Until the transaction ends nobody else can take it.
    """
    query = sql.take_lease(
        name=name,
        holder=holder,
        now=now,
        expires_at=now + lasts,
        idle_max=f"{lasts // timedelta(milliseconds=1)}ms",
    )
    return await tx.fetchval(*query) is True


async def end_lease(tx: Connection, name: str, holder: UUID) -> None:
    """Let go of a lease."""
    await tx.execute(*sql.end_lease(name=name, holder=holder))
