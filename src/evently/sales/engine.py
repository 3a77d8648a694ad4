"""Lanes and batches: commands that arrive while a batch is being committed become the next batch.

A lane owns one connection and runs one transaction at a time: gather -> lock and load -> decide -> write ->
commit -> answer. There is no timer: an idle lane answers in the time of one transaction, and a busy lane
gathers larger batches by itself. Correctness needs nothing else: the processes take turns on the row locks,
once per batch.

It must never answer before the commit, cancel a statement that can commit, or confirm anything from memory.

Budget at saturation, one process on one core: 40 microseconds of Python a booking (docs/benchmarks.md).
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import os
import time
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg
import msgspec
import structlog
from prometheus_client import Counter, Gauge, Histogram

from evently.db import CONNECTION_ERRORS, CheckedClock, Connection, Database, Record, unavailable
from evently.kit.clock import Clock
from evently.kit.denominations import Denominations, iso_denomination
from evently.kit.errors import Busy, OutcomeUnknown, Trouble, Unavailable
from evently.kit.ids import IdSource, new_id
from evently.kit.memory import Memory
from evently.sales import store
from evently.sales.commands import Command, Done, No, Outcome, PlaceBooking, SalesRefusal, WakeSale
from evently.sales.loading import Work
from evently.sales.reads.on_sale import public_types
from evently.sales.reads.sale import find_sale
from evently.sales.rules import decide
from evently.sales.rules.state import Batch, Sale
from evently.sales.states import SaleState
from evently.sales.terms import TicketTypeTerms

log: Final = structlog.get_logger(__name__)

# How long a process may refuse from memory: too short for a person to notice, long enough to relieve the
# database
GLANCE_SECONDS: Final = 0.25
CLOSE_SECONDS_MAX: Final = 5.0  # a connection that does not close by itself is dropped
SALES_REMEMBERED_MAX: Final = 10_000  # of one lane: about 20 MB
_PLAIN_WARNING: Final = "01000"  # SQLSTATE
_SECRET_BYTES: Final = 10  # 80 random bits: a ticket code cannot be guessed

_batches = Counter("evently_batches", "Batches by result.", ["result"])
_commands = Counter("evently_commands", "Commands by kind and outcome.", ["kind", "outcome"])
_batch_size = Histogram(
    "evently_batch_commands", "Commands in a batch.", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500)
)
_batch_seconds = Histogram(
    "evently_batch_seconds",
    "Time of a batch from the lock to the commit.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
_commit_seconds = Histogram(
    "evently_commit_seconds",
    "Time of the commit alone.",
    buckets=(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.5),
)
_queued = Gauge(
    "evently_queued_commands", "Commands waiting for a lane.", ["lane"], multiprocess_mode="livesum"
)
_from_memory = Counter("evently_refusals_from_memory", "Sold-out refusals that touched no database.")


class EngineOptions(msgspec.Struct, frozen=True):
    """The limits of the engine."""

    lanes: int = 2
    batch_commands_max: int = 500  # larger batches gain nothing (measured) and delay their first command
    batch_events_max: int = 500  # 1 on a cluster, where a transaction locks one event
    queue_commands_max: int = 20_000  # of one lane: about four seconds' work at full speed
    batch_seconds_max: float = 30.0  # then the connection is dropped, and the outcome is unknown
    # A batch that sends nothing for so long loses its connection: the server ends the transaction and its
    # locks
    silence_seconds_max: float = 5.0
    denominations: Denominations = iso_denomination  # of the gateway that buyers pay with


class Glance(NamedTuple):
    """What a process remembers of a sale: true when it was taken, and kept for `GLANCE_SECONDS`."""

    seq: int
    state: SaleState
    on_sale_at: datetime
    off_sale_at: datetime
    types: Sequence[TicketTypeTerms]  # neither retired nor hidden
    available: Mapping[UUID, int]  # units by ticket type, of the same ones
    next_release_at: datetime | None  # from then on, more units may be available

    @classmethod
    def of(cls, sale: Sale, types: Sequence[TicketTypeTerms], now: datetime) -> Glance:
        """Return the glance of a sale, with these of its ticket types."""
        return cls(
            sale.seq,
            sale.state,
            sale.on_sale_at,
            sale.off_sale_at,
            types,
            {terms.ticket_type_id: sale.available_at(terms, now) for terms in types},
            sale.next_release_at(),
        )


class Pending(NamedTuple):
    """A command and the future on which its request waits."""

    command: Command
    answer: asyncio.Future[Outcome]


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

    def find_glance(self, event_id: UUID) -> Glance | None:
        """Return the glance of an event that this process has in memory, if any."""
        return self._glances.find(event_id)

    async def get_glance(self, event_id: UUID) -> Glance:
        """Return a glance of an event: from memory, or by one read that concurrent callers share.

        Refuses an unknown event.
        """
        return self._glances.find(event_id) or await self._glances.get(
            event_id, partial(self._read_glance, event_id)
        )

    async def _read_glance(self, event_id: UUID) -> Glance:
        return _glance_of(await find_sale(self._database, event_id), self._clock())

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


class Lane:
    """One connection and the commands that wait for it."""

    def __init__(
        self,
        number: int,
        database: Database,
        options: EngineOptions,
        clock: Clock,
        new_id: IdSource,
        glances: Memory[UUID, Glance],
    ) -> None:
        self._queued = _queued.labels(str(number))
        self._database = database
        self._options = options
        silence_ms = int(options.silence_seconds_max * 1000)
        self._begin = f"BEGIN; SET LOCAL idle_in_transaction_session_timeout = {silence_ms}"
        self._clock = clock
        self._new_id = new_id
        self._glances = glances
        self._pending: deque[Pending] = deque()
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._connection: asyncpg.Connection[Record] | None = None
        self._remembered: OrderedDict[UUID, Sale] = OrderedDict()
        self._warned = False

    def start(self) -> None:
        """Start running batches."""
        self._task = asyncio.create_task(self._run(), name="lane")

    async def stop(self) -> None:
        """Refuse new commands and return when the pending ones are answered."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task

    def add(self, command: Command) -> asyncio.Future[Outcome]:
        """Queue a command. Its future is its own, so that a cancelled request cancels nothing else."""
        if self._stopping or len(self._pending) >= self._options.queue_commands_max:
            raise Busy("the server is stopping" if self._stopping else "too many bookings are waiting")
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._pending.append(Pending(command, answer))
        self._wake.set()
        return answer

    async def _run(self) -> None:
        while not (self._stopping and not self._pending):
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                taken = self._take()
                self._queued.set(len(self._pending))
                await self._run_batch(taken)
        if self._connection is not None:
            with contextlib.suppress(*CONNECTION_ERRORS):
                await self._connection.close(timeout=CLOSE_SECONDS_MAX)

    def _take(self) -> list[Pending]:
        """Take the commands of the next batch from the queue, in the order of arrival, up to its limits."""
        events: set[UUID] = set()
        taken: list[Pending] = []
        pending, options = self._pending, self._options
        while pending and len(taken) < options.batch_commands_max:
            event_id = pending[0].command.event_id
            if event_id not in events and len(events) >= options.batch_events_max:
                break
            events.add(event_id)
            taken.append(pending.popleft())
        return taken

    async def _run_batch(self, pending: Sequence[Pending]) -> None:
        """Run a batch and answer its commands.

        A batch that fails on its data is run again in halves until the bad command is alone.
        """
        try:
            works, outcomes = await self._with_deadline([command for command, _ in pending])
        except Trouble as trouble:
            _batches.labels("trouble").inc()
            self._drop()
            _fail(pending, trouble)
            if isinstance(trouble, Unavailable):
                # Wait, or requests that keep arriving would be failed in a busy loop
                await asyncio.sleep(0.05)
        except Exception as error:  # the outermost loop: a faulty command must not stop the sale
            self._forget(pending)
            if len(pending) == 1:
                _batches.labels("poison").inc()
                log.exception(
                    "poison_command",
                    command=type(pending[0].command).__name__,
                    event_id=str(pending[0].command.event_id),
                )
                _fail(pending, error)
                return
            middle = len(pending) // 2
            await self._run_batch(pending[:middle])
            await self._run_batch(pending[middle:])
        else:
            _batches.labels("committed").inc()
            _batch_size.observe(len(pending))
            for (_, answer), outcome in zip(pending, outcomes, strict=True):
                if not answer.done():  # done: its request was cancelled
                    answer.set_result(outcome)
            self._remember(works)
            self._add_follow_up_batches(works)
            _count(pending, outcomes)

    async def _with_deadline(self, commands: Sequence[Command]) -> tuple[list[Work], list[Outcome]]:
        connection = await self._connected()
        started = time.perf_counter()
        # A connection that hangs is dropped, never cancelled: a cancel could hit a commit that has already
        # happened
        watchdog = asyncio.get_running_loop().call_later(
            self._options.batch_seconds_max, connection.terminate
        )
        try:
            return await self._in_transaction(connection, commands)
        finally:
            watchdog.cancel()
            _batch_seconds.observe(time.perf_counter() - started)

    async def _in_transaction(
        self, connection: asyncpg.Connection[Record], commands: Sequence[Command]
    ) -> tuple[list[Work], list[Outcome]]:
        try:
            await connection.execute(self._begin)
            works, outcomes = await process(
                connection,
                commands,
                self._remembered,
                self._clock,
                self._new_id,
                self._options.denominations,
            )
            if not any(work.batch.writes() for work in works):
                await connection.execute("ROLLBACK")  # nothing was written: save the flush of a commit
                return works, outcomes
        except BaseException as exc:
            await self._roll_back(connection)
            if isinstance(exc, CONNECTION_ERRORS):
                raise unavailable(exc) from exc
            raise
        started = time.perf_counter()
        self._warned = False
        try:
            done = await connection.execute("COMMIT")
        except CONNECTION_ERRORS as exc:
            raise OutcomeUnknown("the connection was lost while committing") from exc
        assert done == "COMMIT", "the server answers COMMIT of a failed transaction with ROLLBACK"
        if self._warned:
            raise OutcomeUnknown("the standby did not confirm the commit")
        _commit_seconds.observe(time.perf_counter() - started)
        return works, outcomes

    async def _connected(self) -> asyncpg.Connection[Record]:
        if self._connection is None or self._connection.is_closed():
            self._remembered.clear()
            try:
                self._connection = await self._database.connect()
                await self._check_clock(self._connection)
            except Trouble as trouble:
                # Queued requests would only wait for the next attempt to fail
                _fail(self._pending, trouble)
                self._pending.clear()
                raise
            self._connection.add_log_listener(self._note_warning)
        return self._connection

    async def _check_clock(self, connection: asyncpg.Connection[Record]) -> None:
        """Compare the clocks before anything is decided by ours."""
        if isinstance(self._clock, CheckedClock):
            try:
                await self._clock.compare(connection)
            except CONNECTION_ERRORS as exc:
                raise unavailable(exc) from exc
            self._clock()

    async def _roll_back(self, connection: asyncpg.Connection[Record]) -> None:
        """Roll back; drop a connection that cannot even do that."""
        try:
            await connection.execute("ROLLBACK")
        except (*CONNECTION_ERRORS, asyncpg.PostgresError):
            self._drop()

    def _drop(self) -> None:
        """Close the connection.

        The next batch connects to the server that takes writes then, with an empty memory.
        """
        if self._connection is not None:
            self._connection.terminate()

    def _note_warning(self, _connection: object, message: asyncpg.PostgresLogMessage) -> None:
        """Note a warning during a commit.

        A commit whose wait for the standby was cancelled succeeds with a warning, in the server's language. A
        failover may lose it.
        """
        self._warned |= message.sqlstate == _PLAIN_WARNING

    def _remember(self, works: Sequence[Work]) -> None:
        for work in works:
            sale = work.sale
            if sale is None:
                continue
            if sale.next_expiry_at is not None and sale.next_expiry_at <= work.batch.now:
                # That hold has expired; when the next one expires is not known
                self._remembered.pop(work.event_id, None)
            else:
                self._remembered[work.event_id] = sale
                self._remembered.move_to_end(work.event_id)
            self._glances.put(work.event_id, _glance_of(sale, work.batch.now))
        while len(self._remembered) > SALES_REMEMBERED_MAX:
            self._remembered.popitem(last=False)

    def _add_follow_up_batches(self, works: Sequence[Work]) -> None:
        """Queue another batch for events with unserved entries: one batch serves only so many."""
        if self._stopping:
            return  # the next process that runs the sweepers serves all waitlists
        for work in works:
            if work.batch.unserved:
                answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
                answer.add_done_callback(asyncio.Future.exception)  # no request waits for it
                self._pending.append(Pending(WakeSale(work.event_id), answer))

    def _forget(self, pending: Sequence[Pending]) -> None:
        for command, _ in pending:
            self._remembered.pop(command.event_id, None)


def _glance_of(sale: Sale, now: datetime) -> Glance:
    return Glance.of(sale, public_types(sale), now)


class CarriedOut(NamedTuple):
    """A command's outcome, and the sale that it left."""

    outcome: Outcome
    sale: Sale


async def carry_out(
    transaction: Connection,
    command: Command,
    now: datetime,
    new_id: IdSource = new_id,
    *,
    known: Sale | None = None,
) -> CarriedOut:
    """Run one command inside the caller's transaction; raise a refusal as `Refused`.

    For an organizer's edits, together with their own tables. After a refusal the caller must roll back. The
    sale stays locked until the caller commits: call it last. `known`: the sale as the caller has read it. The
    engine loads it again only if its journal has grown since, and changes it in place.
    """
    remembered = {} if known is None else {known.event_id: known}
    (work,), (outcome,) = await process(transaction, [command], remembered, lambda: now, new_id)
    if isinstance(outcome, No):
        raise outcome.as_error()
    while work.batch.unserved and work.sale is not None:  # one batch serves only so many waitlist entries
        remembered = {work.event_id: work.sale}
        (work,), _ = await process(transaction, [WakeSale(command.event_id)], remembered, lambda: now, new_id)
    assert work.sale is not None, "a command that succeeds leaves a sale"
    return CarriedOut(outcome, work.sale)


async def process(
    connection: Connection,
    commands: Sequence[Command],
    remembered: Mapping[UUID, Sale],
    clock: Clock,
    new_id: IdSource,
    denominations: Denominations = iso_denomination,
) -> tuple[list[Work], list[Outcome]]:
    """Lock, load, decide and write inside the caller's transaction.

    Returns each event's work, and the outcomes in the commands' order.
    """
    now = clock()
    by_event: dict[UUID, list[int]] = {}
    for index, command in enumerate(commands):
        by_event.setdefault(command.event_id, []).append(index)
    works = [
        Work(
            event_id,
            None,
            Batch(now, new_id, _new_secret, denominations),
            [commands[index] for index in indexes],
        )
        for event_id, indexes in by_event.items()
    ]
    await store.lock_and_load(connection, works, remembered)
    outcomes: list[Outcome] = [Done()] * len(commands)
    for work in works:
        work.sale, decided = decide(work.sale, work.batch, work.commands)
        for index, outcome in zip(by_event[work.event_id], decided, strict=True):
            outcomes[index] = outcome
    await store.write(connection, works)
    return works, outcomes


def _new_secret() -> bytes:
    return os.urandom(_SECRET_BYTES)


def _fail(pending: Sequence[Pending], error: Exception) -> None:
    for _, answer in pending:
        if not answer.done():
            answer.set_exception(error)


def _count(pending: Sequence[Pending], outcomes: Sequence[Outcome]) -> None:
    results = [outcome.refusal.value if isinstance(outcome, No) else "done" for outcome in outcomes]
    kinds = [type(command).__name__ for command, _ in pending]
    for (kind, result), times in collections.Counter(zip(kinds, results, strict=True)).items():
        _commands.labels(kind, result).inc(times)
