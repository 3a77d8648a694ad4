"""The buyers of a rehearsal: people without an e-mail or a password, who exist to be shown on bookings and can never log in."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from evently.db import Connection, load_queries
from evently.kit.ids import new_id

sql: Final = load_queries(__name__)

# At once: their access tokens are an answer of seven megabytes, made in half a second
REHEARSAL_BUYERS_MAX: Final = 20_000


async def add_rehearsal_buyers(tx: Connection, count: int, now: datetime) -> list[UUID]:
    """Add 1 to REHEARSAL_BUYERS_MAX buyers for a rehearsal, called `Rehearsal buyer 1` and so on; returns their ids in that order."""
    assert 1 <= count <= REHEARSAL_BUYERS_MAX, "the edge counts"
    person_ids = [new_id() for _ in range(count)]
    await tx.execute(*sql.add_rehearsal_buyers(person_ids=person_ids, now=now))
    return person_ids
