"""The events of bookings, as the pages of bookings show them. They are kept as long as public answers are.

What a booking is comes from the database each time; what its event is called may be a quarter of a second
old. So thousands of buyers who look at their new booking read its event a few times a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID

from evently import catalogue, sales
from evently.catalogue import Event
from evently.db import Database
from evently.kit.errors import Refused
from evently.kit.memory import Memory
from evently.sales.outcomes import SalesRefusal
from evently.web.edge.memory import KEPT_SECONDS

_REMEMBERED_MAX: Final = 1_000  # events; 3 KB each


class BookedEvent(NamedTuple):
    """An event with the names of its ticket types, retired ones included. `read` names this reading."""

    event: Event
    type_names: dict[UUID, str]
    read: object


class BookedEvents:
    """The events of bookings that this process has read a moment ago."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._memory: Memory[UUID, BookedEvent] = Memory(KEPT_SECONDS, _REMEMBERED_MAX)

    async def get(self, event_id: UUID, type_ids: Iterable[UUID]) -> BookedEvent:
        """Return the event of a booking, with the names of at least these ticket types."""
        read = partial(self._read, event_id)
        found = await self._memory.get(event_id, read)
        if not found.type_names.keys() >= set(type_ids):  # one was added since
            self._memory.forget(event_id)
            found = await self._memory.get(event_id, read)
        return found

    async def _read(self, event_id: UUID) -> BookedEvent:
        async with self._database.snapshot() as snapshot:
            event = (await catalogue.find_events(snapshot, [event_id])).get(event_id)
            if event is None:
                raise Refused(SalesRefusal.EVENT_NOT_FOUND)
            return BookedEvent(event, await sales.reads.list_type_names(snapshot, [event_id]), object())
