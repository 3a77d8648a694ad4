"""A simulation of selling, decided by a seed: processes with the real engine, a server, a network, clients.

All faults occur: connections are lost before and after each statement, the answer to a commit is lost,
connections hang, the server restarts, processes are killed; requests are lost, repeated and overtaken; clocks
differ. Then the faults end, every client retries until it has its answers, and the rows must match these
answers (tests/sim/checks.py).
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, cast
from uuid import UUID

import asyncpg

from evently.db import Database
from evently.db.pool import errors_as_trouble
from evently.kit.errors import Refused, Trouble
from evently.sales import Engine, EngineOptions, carry_out
from evently.sales.commands import Command
from evently.sales.commands.sale_terms import OpenSale, PutPool, RescheduleEvent, SetUpSale, WakeSale
from evently.sales.outcomes import Outcome
from evently.sales.terms import Conditions, Fees, PoolTerms, TicketTypeTerms
from tests.sim.server import Connection, RoundTripFault, Server

NOON: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
STARTS_AT: Final = NOON + timedelta(days=7)
OPTIONS: Final = EngineOptions(
    lanes=2, batch_commands_max=6, queue_commands_max=12, batch_seconds_max=1.5, silence_seconds_max=0.5
)
PROCESSES: Final = 2
EVENTS: Final = [UUID(int=1), UUID(int=2)]
HALL, BALCONY, STANDARD, LIMITED = (UUID(int=number) for number in (11, 12, 21, 22))
POOLS: Final = (PoolTerms(HALL, "hall", 14), PoolTerms(BALCONY, "balcony", 5))
TICKET_TYPES: Final = (
    TicketTypeTerms(STANDARD, "standard", "", 1, 1000, 4, (HALL,)),
    TicketTypeTerms(LIMITED, "limited", "", 2, 1500, 3, (HALL, BALCONY), per_buyer_max=3),
)
CONDITIONS: Final[dict[UUID, Conditions]] = {  # one event is paid on site, the other online
    EVENTS[0]: Conditions(offer_seconds=2),
    EVENTS[1]: Conditions(payment="online", hold_seconds=2, offer_seconds=2, fees=Fees(50)),
}
KEEPALIVE_SECONDS: Final = 2.0  # the pool ends a connection after this time, so that a hanging one ends
SETTLED_SECONDS: Final = 30.0  # longer than any hold, repeated request or hanging connection
OFFERS_MAX: Final = 40  # made one after the other, until the waitlist is empty


class ReplyLost(Exception):
    """The network or the process failed, and the answer is lost."""


class OutcomeRecord(NamedTuple):
    """The outcome that a process returned, whether or not the client received it."""

    began: float
    at: float
    command: Command
    outcome: Outcome


@dataclass
class FaultRates:
    """The probabilities of the faults; each seed draws its own."""

    lost: float  # share of all round trips to the server
    silent: float
    lost_request: float
    lost_answer: float
    repeated: float
    crash_interval_seconds: float  # mean time between two crashes of a process or of the server
    skew_seconds: float

    @classmethod
    def of(cls, draw: random.Random) -> FaultRates:
        def often(most: float) -> float:
            return draw.choice([0.0, most / 4, most])

        return cls(
            often(0.03),
            often(0.004),
            often(0.2),
            often(0.2),
            often(0.4),
            draw.choice([0.3, 1.0, 1000.0]),
            draw.choice([0.0, 0.5, 5.0]),
        )


@dataclass
class Simulation:
    """The whole simulation. `records` holds all outcomes that any process returned, in order."""

    draw: random.Random
    fault_rates: FaultRates
    faults_on: bool = False
    server: Server = field(init=False)
    processes: list[Process] = field(default_factory=list)
    records: list[OutcomeRecord] = field(default_factory=list)
    asked: list[Command] = field(default_factory=list)
    background: set[asyncio.Task[Any]] = field(default_factory=set)
    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1_000))

    def __post_init__(self) -> None:
        self.server = Server(self.draw, self._draw_fault, OPTIONS.silence_seconds_max)

    def new_id(self) -> UUID:
        return UUID(int=next(self.ids))

    def now(self) -> datetime:
        return NOON + timedelta(seconds=asyncio.get_running_loop().time())

    def chance(self, probability: float) -> bool:
        return self.faults_on and self.draw.random() < probability

    def start_in_background(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine whose result no client waits for."""
        task = asyncio.create_task(coroutine)
        self.background.add(task)

    def _draw_fault(self, text: str) -> RoundTripFault:
        often = 3 if text == "COMMIT" else 1
        if self.chance(self.fault_rates.lost * often):
            return self.draw.choice([RoundTripFault.LOST_BEFORE, RoundTripFault.LOST_AFTER])
        if self.chance(self.fault_rates.silent * often):
            return self.draw.choice([RoundTripFault.HANGS_BEFORE, RoundTripFault.HANGS_AFTER])
        return RoundTripFault.NONE

    async def open(self) -> None:
        """Put the events on sale and start the processes."""
        for event_id in EVENTS:
            made = SetUpSale(
                event_id, "EUR", NOON, NOON + timedelta(days=1), POOLS, TICKET_TYPES, CONDITIONS[event_id]
            )
            for command in (made, OpenSale(event_id)):
                await self.organize(command)
        self.processes += [Process(self) for _ in range(PROCESSES)]
        for process in self.processes:
            await process.start()

    async def organize(self, command: Command) -> None:
        """Carry out an organizer's command in a transaction of its own."""
        connection = await self.server.connect(KEEPALIVE_SECONDS)
        try:
            await connection.execute("BEGIN")
            await carry_out(cast("Any", connection), command, self.now(), self.new_id)
            await connection.execute("COMMIT")
        finally:
            connection.terminate()

    async def change_capacities(self) -> None:
        while self.faults_on:
            await asyncio.sleep(self.draw.random())
            pool = self.draw.choice(POOLS)
            terms = PoolTerms(pool.pool_id, pool.name, max(0, pool.capacity + self.draw.randint(-4, 4)))
            with suppress(Refused, OSError, asyncpg.PostgresError):
                await self.organize(PutPool(self.draw.choice(EVENTS), terms))

    async def reschedule_events(self) -> None:
        """Give the events other starts. The organizer tries again until one is recorded."""
        starts = dict.fromkeys(EVENTS, STARTS_AT)
        while self.faults_on:
            await asyncio.sleep(self.draw.random())
            event_id = self.draw.choice(EVENTS)
            after = starts[event_id] + timedelta(minutes=self.draw.choice([-90, -1, 1, 60]))
            with suppress(Refused, OSError, asyncpg.PostgresError):
                await self.organize(RescheduleEvent(event_id, starts[event_id], after, place_changed=False))
                starts[event_id] = after

    async def crash_at_random(self) -> None:
        """Kill processes and the server at random times."""
        while True:
            await asyncio.sleep(self.draw.expovariate(1 / self.fault_rates.crash_interval_seconds))
            if not self.faults_on:
                return
            if self.draw.random() < 0.3:
                self.server.crash()
                await asyncio.sleep(self.draw.random())
                self.server.away = False
            else:
                process = self.draw.choice(self.processes)
                await process.kill()
                await process.start()

    async def settle(self) -> None:
        """Wait until all requests in the background, all holds and all offers have ended."""
        await asyncio.gather(*self.background)
        await asyncio.sleep(SETTLED_SECONDS)
        for _ in range(OFFERS_MAX):  # each round offers the units of expired offers to the next entries
            for event_id in EVENTS:
                await self.processes[0].submit(WakeSale(event_id))
            await asyncio.sleep(SETTLED_SECONDS)
        for process in self.processes:
            await process.engine.stop()


class Process:
    """A serving process: an engine and its connections, which end with the process.

    A restarted process has no memory of the time before.
    """

    engine: Engine

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._skew = timedelta(seconds=simulation.draw.uniform(-1, 1) * simulation.fault_rates.skew_seconds)
        self._database = SimulatedDatabase(simulation.server)
        self._died: asyncio.Future[None] | None = None

    async def start(self) -> None:
        self._died = asyncio.get_running_loop().create_future()
        self._database = SimulatedDatabase(self._simulation.server)
        self.engine = Engine(
            cast("Database", self._database),
            OPTIONS,
            lambda: self._simulation.now() + self._skew,
            self._simulation.new_id,
        )
        await self.engine.start()

    async def kill(self) -> None:
        assert self._died is not None
        self._died.set_result(None)
        for connection in self._database.connections:
            connection.kill()
        tasks = [lane._task for lane in self.engine._lanes if lane._task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def submit(self, command: Command) -> Outcome:
        """Submit a command to the engine. Raises ReplyLost if the process is killed meanwhile."""
        assert self._died is not None
        began = asyncio.get_running_loop().time()
        asking = asyncio.ensure_future(self.engine.submit(command))
        await asyncio.wait(
            [asking, cast("asyncio.Future[Outcome]", self._died)], return_when=asyncio.FIRST_COMPLETED
        )
        if not asking.done():
            asking.cancel()
            raise ReplyLost
        outcome = asking.result()
        self._simulation.records.append(
            OutcomeRecord(began, asyncio.get_running_loop().time(), command, outcome)
        )
        return outcome

    async def read_glance(self, event_id: UUID) -> None:
        """Read a glance of an event, as visitors do all the time."""
        with suppress(Trouble):
            await self.engine.get_glance(event_id)


class SimulatedCommits:
    """No standby is simulated: the caller of a long commit is told, and nothing else is refused."""

    waiting = False

    def refuse(self) -> None:
        pass

    def note_wait(self) -> None:
        pass

    async def check(self) -> bool:
        return False


class SimulatedDatabase:
    """What the engine needs of a database."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.connections: list[Connection] = []
        self.commits = SimulatedCommits()

    async def connect(self) -> Connection:
        with errors_as_trouble():
            connection = await self._server.connect()
        self.connections.append(connection)
        return connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        with errors_as_trouble():
            connection = await self._server.connect(KEEPALIVE_SECONDS)
            self.connections.append(connection)
        try:
            with errors_as_trouble():
                yield connection
        finally:
            connection.terminate()
