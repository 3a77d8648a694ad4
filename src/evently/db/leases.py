"""Leases: work that one process at a time should do.

A lease that is lost too early costs duplicate work, never correctness.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from evently.db.pool import Connection
from evently.db.queries import load_queries

sql: Final = load_queries(__name__)


async def take_lease(tx: Connection, name: str, holder: UUID, now: datetime, lasts: timedelta) -> bool:
    """Take or extend a lease; return False when another process holds it.

    The row stays locked until the transaction ends, so no other process can take the lease before.
    """
    query = sql.take_lease(
        name=name,
        holder=holder,
        now=now,
        expires_at=now + lasts,
        latest=now + 2 * lasts,  # clocks differ
        idle_max=f"{lasts // timedelta(milliseconds=1)}ms",
    )
    return await tx.fetchval(*query) is True


async def end_lease(tx: Connection, name: str, holder: UUID) -> None:
    """End a lease, so that another process can take it at once."""
    await tx.execute(*sql.end_lease(name=name, holder=holder))
