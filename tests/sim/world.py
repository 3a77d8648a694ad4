"""A small world, decided by a seed: processes with the real engine, a server that fails, clients who insist, a network that repeats itself.

Everything that may go wrong does: connections are lost before and after each statement, a commit's answer is
lost, wires fall silent, the server restarts, processes are killed; requests are lost, repeated and overtaken;
clocks differ. Then everything works again, every client gets its answers, and the rows must be what the
clients were told (tests/sim/verdict.py).
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
from evently.db.pool import trouble
from evently.kit.errors import Refused, Trouble
from evently.sales import Engine, EngineOptions, carry_out
from evently.sales.commands import Command, ExpireHolds, OpenSale, Outcome, PutPool, SetUpSale
from evently.sales.terms import Conditions, Fees, PoolTerms, TicketTypeTerms
from tests.sim.server import Connection, Fate, Server

NOON: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
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
KEEPALIVE_SECONDS: Final = 2.0  # a connection of the pool does not live longer, so that silence ends
SETTLED_SECONDS: Final = 30.0  # after which everything is over: holds, repeated requests, silence
OFFERS_MAX: Final = 40  # one after the other, until nobody waits


class Lost(Exception):
    """The network, or the process, went away with the answer."""


class Mention(NamedTuple):
    """What some process answered, whether or not anybody heard it."""

    began: float
    at: float
    command: Command
    outcome: Outcome


@dataclass
class Weather:
    """How often what goes wrong; each seed has its own."""

    lost: float  # of all round trips to the server
    silent: float
    lost_request: float
    lost_answer: float
    repeated: float
    blow_seconds: float  # between a process or the server being killed
    skew_seconds: float

    @classmethod
    def of(cls, draw: random.Random) -> Weather:
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
class World:
    """The whole of it. `mentions` is everything that was ever answered, in order."""

    draw: random.Random
    weather: Weather
    stormy: bool = False
    server: Server = field(init=False)
    processes: list[Process] = field(default_factory=list)
    mentions: list[Mention] = field(default_factory=list)
    asked: list[Command] = field(default_factory=list)
    errands: set[asyncio.Task[Any]] = field(default_factory=set)
    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1_000))

    def __post_init__(self) -> None:
        self.server = Server(self.draw, self._fate, OPTIONS.silence_seconds_max)

    def new_id(self) -> UUID:
        return UUID(int=next(self.ids))

    def now(self) -> datetime:
        return NOON + timedelta(seconds=asyncio.get_running_loop().time())

    def chance(self, probability: float) -> bool:
        return self.stormy and self.draw.random() < probability

    def send(self, errand: Coroutine[Any, Any, None]) -> None:
        """Let something happen that nobody waits for."""
        task = asyncio.create_task(errand)
        self.errands.add(task)

    def _fate(self, text: str) -> Fate:
        often = 3 if text == "COMMIT" else 1
        if self.chance(self.weather.lost * often):
            return self.draw.choice([Fate.LOST_BEFORE, Fate.LOST_AFTER])
        if self.chance(self.weather.silent * often):
            return self.draw.choice([Fate.HANGS_BEFORE, Fate.HANGS_AFTER])
        return Fate.WELL

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
        while self.stormy:
            await asyncio.sleep(self.draw.random())
            pool = self.draw.choice(POOLS)
            terms = PoolTerms(pool.pool_id, pool.name, max(0, pool.capacity + self.draw.randint(-4, 4)))
            with suppress(Refused, OSError, asyncpg.PostgresError):
                await self.organize(PutPool(self.draw.choice(EVENTS), terms))

    async def strike(self) -> None:
        """Kill processes and the server now and then."""
        while True:
            await asyncio.sleep(self.draw.expovariate(1 / self.weather.blow_seconds))
            if not self.stormy:
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
        """Let everything end: what was sent, what was held."""
        await asyncio.gather(*self.errands)
        await asyncio.sleep(SETTLED_SECONDS)
        for _ in range(OFFERS_MAX):  # each lets somebody else have what lapsed
            for event_id in EVENTS:
                await self.processes[0].submit(ExpireHolds(event_id))
            await asyncio.sleep(SETTLED_SECONDS)
        for process in self.processes:
            await process.engine.stop()


class Process:
    """A serving process: an engine and its connections, which go when it goes.

    Started again, it remembers nothing.
    """

    engine: Engine

    def __init__(self, world: World) -> None:
        self._world = world
        self._skew = timedelta(seconds=world.draw.uniform(-1, 1) * world.weather.skew_seconds)
        self._database = SimulatedDatabase(world.server)
        self._died: asyncio.Future[None] | None = None

    async def start(self) -> None:
        self._died = asyncio.get_running_loop().create_future()
        self._database = SimulatedDatabase(self._world.server)
        self.engine = Engine(
            cast("Database", self._database),
            OPTIONS,
            lambda: self._world.now() + self._skew,
            self._world.new_id,
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
        """Ask the engine. Raises Lost where the process dies meanwhile."""
        assert self._died is not None
        began = asyncio.get_running_loop().time()
        asking = asyncio.ensure_future(self.engine.submit(command))
        await asyncio.wait(
            [asking, cast("asyncio.Future[Outcome]", self._died)], return_when=asyncio.FIRST_COMPLETED
        )
        if not asking.done():
            asking.cancel()
            raise Lost
        outcome = asking.result()
        self._world.mentions.append(Mention(began, asyncio.get_running_loop().time(), command, outcome))
        return outcome

    async def look(self, event_id: UUID) -> None:
        """Look at an event, as its visitors do all the time."""
        with suppress(Trouble):
            await self.engine.look(event_id)


class SimulatedDatabase:
    """What the engine needs of a database."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.connections: list[Connection] = []

    async def connect(self) -> Connection:
        with trouble():
            connection = await self._server.connect()
        self.connections.append(connection)
        return connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        with trouble():
            connection = await self._server.connect(KEEPALIVE_SECONDS)
            self.connections.append(connection)
        try:
            with trouble():
                yield connection
        finally:
            connection.terminate()
