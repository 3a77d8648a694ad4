"""The engine: hands each command to the lane of its event, and refuses from memory what is sold out."""

from __future__ import annotations

import asyncio
from functools import partial
from uuid import UUID

from prometheus_client import Counter

from evently.db import Database
from evently.kit.clock import Clock
from evently.kit.ids import IdSource
from evently.kit.memory import Memory
from evently.sales.commands import Command
from evently.sales.commands.bookings import PlaceBooking
from evently.sales.glances import GLANCE_SECONDS, Glance
from evently.sales.lanes import SALES_REMEMBERED_MAX, EngineOptions, Lane
from evently.sales.outcomes import No, Outcome, SalesRefusal
from evently.sales.reads.sale import find_sale

_from_memory = Counter("evently_refusals_from_memory", "Sold-out refusals that touched no database.")


class Engine:
    """Runs commands in batches.

    Call `start` before the first `submit`; `stop` answers the pending commands.
    """

    def __init__(self, database: Database, options: EngineOptions, clock: Clock, new_id: IdSource) -> None:
        self._database = database
        self._clock = clock
        self._glances: Memory[UUID, Glance] = Memory(GLANCE_SECONDS, SALES_REMEMBERED_MAX)
        self._lanes = [
            Lane(number, database, options, clock, new_id, self._glances) for number in range(options.lanes)
        ]

    async def start(self) -> None:
        """Start the lanes. Each connects by itself, and reconnects when it must."""
        for lane in self._lanes:
            lane.start()

    async def stop(self) -> None:
        """Refuse new commands, answer the pending ones, close the connections."""
        await asyncio.gather(*[lane.stop() for lane in self._lanes])

    async def submit(self, command: Command) -> Outcome:
        """Return the command's outcome once it is committed.

        Raises Busy, Unavailable (nothing was done) or OutcomeUnknown.
        """
        if self._is_sold_out(command):
            _from_memory.inc()
            return No(SalesRefusal.SOLD_OUT)
        lane = self._lanes[hash(command.event_id) % len(self._lanes)]
        return await lane.add(command)

    def queued(self) -> int:
        """Return how many commands wait for a lane of this process."""
        return sum(lane.queued() for lane in self._lanes)

    def find_glance(self, event_id: UUID) -> Glance | None:
        """Return the glance of an event that this process has in memory, if any."""
        return self._glances.find(event_id)

    async def get_glance(self, event_id: UUID, seq: int = 0) -> Glance:
        """Return a glance of an event: from memory, or by one read that concurrent callers share.

        It is not older than the journal row `seq`, which the caller has seen. Refuses an unknown event.
        """
        read = partial(self._read_glance, event_id)
        found = self._glances.find(event_id) or await self._glances.get(event_id, read)
        if found.seq < seq:
            self._glances.forget(event_id)  # with a read that is under way: it may have begun before the row
            found = await self._glances.get(event_id, read)
        return found

    async def _read_glance(self, event_id: UUID) -> Glance:
        return Glance.of_sale(await find_sale(self._database, event_id), self._clock())

    def _is_sold_out(self, command: Command) -> bool:
        """Return whether memory is enough to refuse a booking.

        It never refuses a request with a key, which may repeat one that succeeded.
        """
        if not isinstance(command, PlaceBooking) or command.key is not None:
            return False
        glance = self.find_glance(command.event_id)
        if glance is None or glance.state != "open":
            return False
        if all(
            line.quantity <= glance.available.get(line.ticket_type_id, line.quantity)
            for line in command.lines
        ):
            return False
        # What a clock has released is available, although no batch has written it yet
        return glance.next_release_at is None or glance.next_release_at > self._clock()
