"""The buyers of a rehearsal: people without e-mail and password, who appear on bookings and cannot log in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from evently.db import Connection, load_queries
from evently.kit.ids import new_id

sql: Final = load_queries(__name__)

# In one request: its answer holds their access tokens, seven megabytes that take half a second to make
REHEARSAL_BUYERS_MAX: Final = 20_000


def session_of(event_id: UUID) -> UUID:
    """Return the session of all access tokens of the buyers of a sandbox event.

    By it the edge knows them: others are told that there is no such event.
    """
    return event_id


async def add_rehearsal_buyers(tx: Connection, count: int, now: datetime) -> list[UUID]:
    """Add 1 to REHEARSAL_BUYERS_MAX buyers for a rehearsal; returns their ids.

    Their names are `Rehearsal buyer 1`, `Rehearsal buyer 2` and so on, in the order of the ids.
    """
    assert 1 <= count <= REHEARSAL_BUYERS_MAX, "the caller checks the count"
    person_ids = [new_id() for _ in range(count)]
    await tx.execute(*sql.add_rehearsal_buyers(person_ids=person_ids, now=now))
    return person_ids


async def remove_rehearsal_buyers(tx: Connection, person_ids: Sequence[UUID]) -> None:
    """Remove the buyers of a rehearsal whose sandbox event is removed."""
    await tx.execute(*sql.remove_buyers(person_ids=list(person_ids)))
