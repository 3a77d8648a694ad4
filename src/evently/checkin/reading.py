"""What scans need to read: each process reads it for all of its requests together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final
from uuid import UUID

from evently.checkin.scans import CheckInTerms, Holder, find_holders_of, find_settings
from evently.db import Database
from evently.kit.memory import Memory
from evently.kit.together import Together

# A scan may be judged by what the organizer allowed so long ago, where another process has changed it
TERMS_SECONDS: Final = 0.25
_EVENTS_MAX: Final = 200  # with a door at the same time


class DoorReader:
    """Reads what is allowed at doors, and whose tickets are scanned.

    What is asked for at the same moment shares one statement.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._terms: Memory[UUID, CheckInTerms] = Memory(TERMS_SECONDS, _EVENTS_MAX)
        self._together = Together(self._read_holders)

    async def find_terms(self, event_id: UUID) -> CheckInTerms:
        """Return what the organizer of an event allows at its door, at most TERMS_SECONDS ago."""
        return await self._terms.get(event_id, partial(self._read_terms, event_id))

    def forget_terms(self, event_id: UUID) -> None:
        """Forget what was allowed: it has changed."""
        self._terms.forget(event_id)

    async def find_holders(self, event_id: UUID, ticket_ids: Sequence[UUID]) -> dict[UUID, Holder]:
        """Return what is to be seen of tickets at the door, by ticket."""
        return await self._together.add((event_id, ticket_ids)) if ticket_ids else {}

    async def _read_terms(self, event_id: UUID) -> CheckInTerms:
        return (await find_settings(self._database, event_id)).terms

    async def _read_holders(self, asked: Sequence[tuple[UUID, Sequence[UUID]]]) -> list[dict[UUID, Holder]]:
        named = [(event_id, ticket_id) for event_id, ticket_ids in asked for ticket_id in ticket_ids]
        found = await find_holders_of(self._database, named)
        return [
            {each: found[event_id, each] for each in ticket_ids if (event_id, each) in found}
            for event_id, ticket_ids in asked
        ]
