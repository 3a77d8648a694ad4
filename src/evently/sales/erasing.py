"""Erases what was sold of a sandbox event. Nothing else that was sold is ever erased.

lock_delivered   lock the sale; whether the relay has delivered all of its facts
erase_sale       delete bookings, tickets and all that belongs to them
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from evently.db import Connection, load_queries

sql: Final = load_queries(__name__)


async def lock_delivered(tx: Connection, event_id: UUID) -> bool:
    """Lock a sale until the transaction ends; return whether all facts of its journal are delivered."""
    await tx.execute(*sql.lock_sale(event_id=event_id))
    return await tx.fetchval(*sql.find_undelivered(event_id=event_id)) is None


async def erase_sale(tx: Connection, event_id: UUID) -> None:
    """Delete what was sold. The caller has locked the sale, and deletes the event of a sandbox."""
    await tx.execute(*sql.erase_sale(event_id=event_id))
