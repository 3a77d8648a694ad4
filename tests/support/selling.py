"""Helpers of engine tests: an engine of another process, commands at once, a sale that is held up."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from evently.catalogue import Event
from evently.db import Database, DatabaseOptions
from evently.kit.clock import Clock
from evently.kit.errors import Trouble
from evently.kit.ids import new_id
from evently.sales import Engine, EngineOptions
from evently.sales.commands import Command
from evently.sales.commands.bookings import BookingLine, CancelBooking, PlaceBooking
from evently.sales.outcomes import Booked, Listed, No, Outcome
from evently.sales.reads import Pool, find_sale
from tests.support.catalogue import until_somebody_waits
from tests.support.sales_desk import PATIENT

DEADLINE_SECONDS: Final = 30.0


@asynccontextmanager
async def database_at(url: str, **options: Any) -> AsyncIterator[Database]:
    """Open a pool, as another process would."""
    database = await Database.open(DatabaseOptions(url, **options))
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def open_engine(url: str, clock: Clock, **options: Any) -> AsyncIterator[Engine]:
    """Run an engine as in another process: with a pool, connections and a memory of its own."""
    async with database_at(url) as database:
        engine = Engine(database, EngineOptions(**(PATIENT | options)), clock, new_id)
        await engine.start()
        try:
            yield engine
        finally:
            await engine.stop()


@asynccontextmanager
async def held_up(db: Database, event: Event) -> AsyncIterator[None]:
    """Make every batch of an event wait."""
    connection = await db.connect()
    try:
        async with connection.transaction():
            await connection.fetch("SELECT FROM sales WHERE event_id = $1 FOR UPDATE", event.event_id)
            yield
    finally:
        await connection.close()


async def one_batch(
    db: Database, event: Event, engine: Engine, commands: Sequence[Command]
) -> list[Outcome | BaseException]:
    """Decide all commands in one batch; return an outcome or an exception for each."""
    async with held_up(db, event):
        first = asyncio.create_task(engine.submit(CancelBooking(event.event_id, new_id(), new_id(), None)))
        await until_somebody_waits(db)
        rest = [asyncio.ensure_future(engine.submit(command)) for command in commands]
        await asyncio.sleep(0)  # let them queue
    await first
    return await asyncio.gather(*rest, return_exceptions=True)


async def all_at_once(engines: Sequence[Engine], commands: Iterable[Command]) -> list[Outcome]:
    """Submit commands to the engines in turn."""
    return await asyncio.gather(
        *[engines[number % len(engines)].submit(command) for number, command in enumerate(commands)]
    )


async def ask_again(engine: Engine, command: Command) -> Outcome:
    """Ask with the same key until there is an answer."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            try:
                return await engine.submit(command)
            except Trouble:
                await asyncio.sleep(0.02)


def place(
    event: Event,
    ticket_type: UUID,
    units: int = 1,
    buyer: UUID | None = None,
    key: str | None = None,
    **more: Any,
) -> PlaceBooking:
    """Return a command that books units of one ticket type."""
    fingerprint = hashlib.sha256(f"{ticket_type} {units}".encode()).digest()
    return PlaceBooking(
        event.event_id,
        buyer or new_id(),
        (BookingLine(ticket_type, units),),
        key=key,
        fingerprint=fingerprint,
        **more,
    )


def tally(outcomes: Iterable[Outcome | BaseException]) -> dict[str, int]:
    """Count outcomes by kind."""
    return dict(Counter(say(outcome) for outcome in outcomes))


def say(outcome: Outcome | BaseException) -> str:
    """Return the state of the booking, the refusal, or the exception."""
    if isinstance(outcome, Booked):
        return f"{outcome.booking.state} again" if outcome.replayed else outcome.booking.state
    if isinstance(outcome, Listed):
        return f"{outcome.entry.state} again" if outcome.replayed else outcome.entry.state
    return outcome.refusal.value if isinstance(outcome, No) else type(outcome).__name__


async def pools(db: Database, event: Event) -> dict[str, Pool]:
    """Return the pools of an event by name."""
    return {pool.name: pool for pool in (await find_sale(db, event.event_id)).pools.values()}


async def eventually(check: Callable[[], bool]) -> None:
    """Wait until a check holds."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not check():
            await asyncio.sleep(0.01)


class Skewed:
    """A clock with a constant error."""

    def __init__(self, clock: Clock, ahead: Any) -> None:
        self._clock = clock
        self._ahead = ahead

    def __call__(self) -> datetime:
        now: datetime = self._clock() + self._ahead
        return now
