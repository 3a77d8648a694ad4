"""The textbook techniques against overselling: each is an engine that decides in the database.

    row-lock      SELECT ... FOR UPDATE on the pool, look, write, commit: one transaction a booking
    optimistic    read the counters, write only if they are unchanged, else again
    conditional   one statement: UPDATE ... WHERE enough is left
    job-queue     store a job, one worker carries out one after the other

They are given what helps them: the terms of a sale are read once and kept, a booking is one statement,
connections are pooled and as many as suit each best (the benchmark tries), there is no journal and no limit
per buyer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from evently.db import Connection, Database, load_queries
from evently.kit.clock import Clock
from evently.kit.errors import Busy
from evently.kit.ids import new_id
from evently.sales import Engine, EngineOptions
from evently.sales.commands import Command
from evently.sales.commands.bookings import PlaceBooking
from evently.sales.nouns import Booking, Ticket
from evently.sales.outcomes import Booked, No, Outcome, SalesRefusal
from evently.sales.reads import Sale, find_sale

sql: Final = load_queries(__name__)

TRIES_MAX: Final = 200  # optimistic: then 503, as any bounded retry must end
# Optimistic: a random part of it before the next try, so that not everybody comes at once
PAUSE_SECONDS: Final = 0.002

_encode: Final = msgspec.msgpack.Encoder().encode
_decode_booking: Final = msgspec.msgpack.Decoder(Booking).decode
_decode_command: Final = msgspec.msgpack.Decoder(PlaceBooking).decode


class Baseline(Engine):
    """The common part of the techniques: terms in memory, the rows of a booking, replays."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, EngineOptions(lanes=1), clock, new_id)
        self.database = database
        self.clock = clock
        self._sales: dict[UUID, Sale] = {}

    async def start(self) -> None:
        """Start the engine."""

    async def stop(self) -> None:
        """Stop the engine."""

    async def submit(self, command: Command) -> Outcome:
        """Return the outcome of a command once it is committed."""
        assert isinstance(command, PlaceBooking), "the benchmark only books"
        sale = self._sales.get(command.event_id)
        if sale is None:
            sale = self._sales[command.event_id] = await find_sale(self.database, command.event_id)
        if (no := refusal_of(command, sale, self.clock())) is not None:
            return no
        try:
            return await self.place(command, sale)
        except asyncpg.UniqueViolationError:
            return await self._replay(command)

    async def place(self, command: PlaceBooking, sale: Sale) -> Outcome:
        """Book, or refuse because too few units are available."""
        raise NotImplementedError

    async def _replay(self, command: PlaceBooking) -> Outcome:
        row = await self.database.fetch_row(
            *sql.find_answer(event_id=command.event_id, actor_id=command.buyer_id, key=command.key)
        )
        assert row is not None, "the key was there a moment ago"
        if row["fingerprint"] != command.fingerprint:
            return No(SalesRefusal.KEY_REUSED)
        earlier: Booking = _decode_booking(row["answer"])
        return Booked(earlier, replayed=True)


class RowLock(Baseline):
    """SELECT ... FOR UPDATE."""

    async def place(self, command: PlaceBooking, sale: Sale) -> Outcome:
        """Lock the pool, check it, write, commit."""
        booking, values = booking_of(command, sale, self.clock())
        async with self.database.transaction() as tx:
            available = await tx.fetchval(
                *sql.lock_pool(event_id=command.event_id, pool_id=values["pool_id"])
            )
            if available < values["units"]:
                return No(SalesRefusal.SOLD_OUT)
            await tx.fetchval(*sql.book_locked(**values))
        return Booked(booking)


class Optimistic(Baseline):
    """Optimistic locking: read, and write only if the counters are unchanged."""

    async def place(self, command: PlaceBooking, sale: Sale) -> Outcome:
        """Retry until no other booking has changed the counters."""
        booking, values = booking_of(command, sale, self.clock())
        for _ in range(TRIES_MAX):
            row = await self.database.fetch_row(
                *sql.read_pool(event_id=command.event_id, pool_id=values["pool_id"])
            )
            assert row is not None, "the sale has this pool"
            held, sold, set_aside, capacity = row.values()
            if held + sold + set_aside + values["units"] > capacity:
                return No(SalesRefusal.SOLD_OUT)
            if await write(
                self.database, sql.book_if_unchanged(**values, held=held, sold=sold, set_aside=set_aside)
            ):
                return Booked(booking)
            await asyncio.sleep(random.random() * PAUSE_SECONDS)
        raise Busy("bookings")  # others changed the counters each time


class Conditional(Baseline):
    """UPDATE ... WHERE enough is left."""

    async def place(self, command: PlaceBooking, sale: Sale) -> Outcome:
        """Write if enough units are available."""
        booking, values = booking_of(command, sale, self.clock())
        if await write(self.database, sql.book_if_enough(**values)):
            return Booked(booking)
        return No(SalesRefusal.SOLD_OUT)


class JobQueue(Baseline):
    """A durable queue and one worker.

    The worker hears of jobs and answers in memory: no polling, which helps it.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        self._waiting: dict[UUID, asyncio.Future[Outcome]] = {}
        self._wake = asyncio.Semaphore(0)
        self._worker: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the worker."""
        async with self.database.transaction() as tx:
            await tx.execute(*sql.create_jobs())
        self._worker = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Stop the worker."""
        assert self._worker is not None
        self._worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._worker

    async def place(self, command: PlaceBooking, sale: Sale) -> Outcome:  # noqa: ARG002  # the worker looks
        """Store a job and wait for its outcome."""
        job_id = new_id()
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[job_id] = answer
        await write(self.database, sql.enqueue(job_id=job_id, command=_encode(command)))
        self._wake.release()
        return await answer

    async def _work(self) -> None:
        connection = await self.database.connect()
        try:
            while True:
                await self._wake.acquire()
                async with connection.transaction():
                    job_id, outcome = await self._carry_out(connection)
                self._waiting.pop(job_id).set_result(outcome)
        finally:
            await connection.close()

    async def _carry_out(self, connection: Connection) -> tuple[UUID, Outcome]:
        row = await connection.fetchrow(*sql.take_job())
        assert row is not None, "one was stored for each time we are woken"
        command = _decode_command(row["command"])
        booking, values = booking_of(command, self._sales[command.event_id], self.clock())
        booked = await connection.fetchval(*sql.book_if_enough(**values))
        outcome: Outcome = Booked(booking) if booked else No(SalesRefusal.SOLD_OUT)
        job_id: UUID = row["job_id"]
        return job_id, outcome


TECHNIQUES: Final[dict[str, Callable[[Database, Clock], Baseline]]] = {
    "row-lock": RowLock,
    "optimistic": Optimistic,
    "conditional": Conditional,
    "job-queue": JobQueue,
}


def refusal_of(command: PlaceBooking, sale: Sale, now: datetime) -> No | None:
    """Return the refusal of a booking that its terms alone decide, or None."""
    assert len(command.lines) == 1, "the benchmark books one ticket type at a time"
    terms = sale.ticket_types.get(command.lines[0].ticket_type_id)
    if terms is None:
        return No(SalesRefusal.UNKNOWN_TICKET_TYPE)
    assert len(terms.pool_ids) == 1, "and one pool"
    if sale.state != "open" or now < sale.on_sale_at:
        return No(SalesRefusal.NOT_ON_SALE_YET)
    if now >= sale.off_sale_at:
        return No(SalesRefusal.SALE_ENDED)
    return No(SalesRefusal.OVER_BOOKING_LIMIT) if command.lines[0].quantity > terms.per_booking_max else None


def booking_of(command: PlaceBooking, sale: Sale, now: datetime) -> tuple[Booking, dict[str, Any]]:
    """Return the booking of a command, and the values that the statements write."""
    [line] = command.lines
    terms = sale.ticket_types[line.ticket_type_id]
    tickets = tuple(
        Ticket(new_id(), line.ticket_type_id, terms.price_minor, "valid", os.urandom(10))
        for _ in range(line.quantity)
    )
    booking = Booking(
        command.event_id,
        new_id(),
        command.buyer_id,
        "confirmed",
        sale.currency,
        now,
        None,
        now,
        None,
        tickets,
    )
    return booking, {
        "event_id": command.event_id,
        "pool_id": terms.pool_ids[0],
        "units": line.quantity,
        "booking_id": booking.booking_id,
        "buyer_id": command.buyer_id,
        "now": now,
        "key": command.key,
        "fingerprint": command.fingerprint,
        "answer": _encode(booking),
        "ticket_type_id": line.ticket_type_id,
        "price_minor": terms.price_minor,
        "ticket_ids": [ticket.ticket_id for ticket in tickets],
        "secrets": [ticket.secret for ticket in tickets],
    }


async def write(database: Database, query: tuple[str, *tuple[object, ...]]) -> Any:
    """Run one writing statement in a transaction of its own, and return its value."""
    return await database.fetch_value(*query)
