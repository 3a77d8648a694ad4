"""Lanes: commands that arrive while a batch is being committed become the next batch.

A lane owns one connection and runs one transaction at a time: gather -> run the batch (batches.py) -> commit
-> answer. There is no timer: an idle lane answers in the time of one transaction, and a busy lane gathers
larger batches by itself. Correctness needs nothing else: the processes take turns on the row locks, once per
batch. What comes while a batch waits for its locks still joins it: the more processes take turns, the larger
their batches become.

A commit may wait for a standby that has stopped. Its requests are told so in time (`CommitsWait`), and the
lane waits on, with its one connection: what it sent counts as soon as the standby has it.

It must never answer before the commit, cancel a statement that can commit, or confirm anything from memory.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Container, Sequence
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg
import msgspec
import structlog
from prometheus_client import Counter, Gauge, Histogram

from evently.db import (
    COMMIT_SECONDS_MAX,
    CONNECTION_ERRORS,
    CheckedClock,
    Database,
    Record,
    lock_by_event,
    unavailable,
)
from evently.kit.clock import Clock
from evently.kit.denominations import Denominations, iso_denomination
from evently.kit.errors import Busy, CommitsWait, OutcomeUnknown, Trouble, Unavailable
from evently.kit.ids import IdSource
from evently.kit.memory import Memory
from evently.sales import store
from evently.sales.batches import process
from evently.sales.commands import Command
from evently.sales.commands.sale_terms import WakeSale
from evently.sales.glances import Glance
from evently.sales.loading import Work
from evently.sales.outcomes import No, Outcome
from evently.sales.rules.state import Sale

log: Final = structlog.get_logger(__name__)

CLOSE_SECONDS_MAX: Final = 5.0  # a connection that does not close by itself is dropped
AGAIN_SECONDS: Final = 5.0  # until the next look at a commit that waits longer than a batch may take
SALES_REMEMBERED_MAX: Final = 10_000  # of one lane: about 20 MB
_PLAIN_WARNING: Final = "01000"  # SQLSTATE

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
_undecided = Counter("evently_undecided_commands", "Commands left to a later batch: deciding took too long.")
_locked = Counter(
    "evently_locked_sales", "Times that a sale stayed locked by another transaction for too long."
)


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of the engine."""

    lanes: int = 2
    batch_commands_max: int = 500  # larger batches gain nothing (measured) and delay their first command
    # The event loop of the process stands still while a batch is decided. 500 ordinary bookings take 12 ms
    decide_seconds_max: float = 0.02
    # Other processes lock a sale for one batch, some milliseconds. After this long the lane serves other
    # events first
    lock_seconds_max: float = 0.25
    queue_commands_max: int = 20_000  # of one lane: about four seconds' work at full speed
    batch_seconds_max: float = 30.0  # then the connection is dropped, and the outcome is unknown
    # Then the requests that wait for the commit are told so, and no other batch begins until one is confirmed
    commit_seconds_max: float = COMMIT_SECONDS_MAX
    # A batch that sends nothing for so long loses its connection: the server ends the transaction and its
    # locks
    silence_seconds_max: float = 5.0
    denominations: Denominations = iso_denomination  # of the gateway that buyers pay with


class Pending(NamedTuple):
    """A command and the future on which its request waits."""

    command: Command
    answer: asyncio.Future[Outcome]
    since: float  # of the monotonic clock


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
        lock_ms = int(options.lock_seconds_max * 1000)
        self._begin = (
            f"BEGIN; SET LOCAL idle_in_transaction_session_timeout = {silence_ms};"
            f" SET LOCAL lock_timeout = {lock_ms}"
        )
        self._clock = clock
        self._new_id = new_id
        self._glances = glances
        self._pending: deque[Pending] = deque()
        self._running: Sequence[Pending] = ()  # the commands of the batch that runs
        # Events whose sale another transaction holds locked, and until when the lane serves others first
        self._locked_until: dict[UUID, float] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._connection: asyncpg.Connection[Record] | None = None
        self._watchdog: asyncio.TimerHandle | None = None
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

    def queued(self) -> int:
        """Return how many commands wait."""
        return len(self._pending)

    def add(self, command: Command) -> asyncio.Future[Outcome]:
        """Queue a command. Its future is its own, so that a cancelled request cancels nothing else."""
        self._database.commits.refuse()
        if self._stopping or len(self._pending) >= self._options.queue_commands_max:
            raise Busy("stopping") if self._stopping else Busy("bookings")
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._pending.append(Pending(command, answer, time.monotonic()))
        self._wake.set()
        return answer

    async def _run(self) -> None:
        while not (self._stopping and not self._pending):
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                taken = self._take()
                self._queued.set(len(self._pending))
                await self._run_batch(taken, late=partial(self._take_late, taken))
        if self._connection is not None:
            with contextlib.suppress(*CONNECTION_ERRORS):
                await self._connection.close(timeout=CLOSE_SECONDS_MAX)

    def _take(self) -> list[Pending]:
        """Take the commands of the next batch from the queue, in the order of arrival, up to its limits."""
        if self._locked_until and (unlocked := self._take_unlocked()):
            return unlocked
        count = min(len(self._pending), self._options.batch_commands_max)
        return [self._pending.popleft() for _ in range(count)]

    def _take_unlocked(self) -> list[Pending]:
        """Take the commands of events that are not known to be locked; nothing, if there are none."""
        now = time.monotonic()
        self._locked_until = {
            event_id: until for event_id, until in self._locked_until.items() if until > now
        }
        unlocked, locked = list[Pending](), list[Pending]()
        for each in self._pending:
            fits = len(unlocked) < self._options.batch_commands_max
            if fits and each.command.event_id not in self._locked_until:
                unlocked.append(each)
            else:
                locked.append(each)
        self._pending = deque(locked)
        return unlocked

    def _take_late(self, taken: list[Pending], events: Container[UUID]) -> list[Command]:
        """Add the commands of these events that have come since to a batch; return them.

        A command is passed over, not overtaken: those of one event stay in the order of arrival.
        """
        room = self._options.batch_commands_max - len(taken)
        late, passed_over = list[Pending](), list[Pending]()
        while self._pending and len(late) < room:
            each = self._pending.popleft()
            (late if each.command.event_id in events else passed_over).append(each)
        self._pending.extendleft(reversed(passed_over))
        taken += late
        return [each.command for each in late]

    async def _run_batch(
        self,
        pending: Sequence[Pending],
        late: Callable[[Container[UUID]], Sequence[Command]] = lambda _: (),
    ) -> None:
        """Run a batch and answer its commands. `late` adds commands to it while it is being run.

        A batch that fails on its data is run again in halves until the bad command is alone.
        """
        self._running = pending
        try:
            works, outcomes = await self._with_deadline([each.command for each in pending], late)
        except asyncpg.LockNotAvailableError:
            await self._step_aside(pending)
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
            undecided: list[Pending] = []
            for each, outcome in zip(pending, outcomes, strict=True):
                if outcome is None:
                    if not _has_answer(each):
                        undecided.append(each)
                elif not each.answer.done():  # done: its request was cancelled
                    each.answer.set_result(outcome)
            self._pending.extendleft(reversed(undecided))
            _undecided.inc(len(undecided))
            self._remember(works)
            self._add_follow_up_batches(works)
            _count(pending, outcomes)

    async def _step_aside(self, pending: Sequence[Pending]) -> None:
        """Run the commands of the batch whose sales are free; leave the others until their lock is released.

        Another transaction has held the lock of a sale for longer than batches do. Its commands wait at most
        as long as a batch may take, and events that share the lane do not wait for it.
        """
        _batches.labels("locked").inc()
        if await self._commits_wait(pending):
            self._fail_all(pending, CommitsWait("waits"))
            return
        events = {each.command.event_id for each in pending}
        free = await self._find_unlocked(events) if len(events) > 1 else set[UUID]()
        now = time.monotonic()
        for event_id in events - free:
            _locked.inc()
            self._locked_until[event_id] = now + self._options.lock_seconds_max
        waiting = [each for each in pending if each.command.event_id not in free]
        late = [each for each in waiting if now - each.since > self._options.batch_seconds_max]
        _fail(late, Unavailable("locked"))
        self._pending.extendleft(each for each in reversed(waiting) if not each.answer.done())
        if free:
            await self._run_batch([each for each in pending if each.command.event_id in free])

    async def _find_unlocked(self, events: set[UUID]) -> set[UUID]:
        """Return the events whose sale no other transaction has locked at this moment."""
        try:
            rows = await lock_by_event(self._database, store.sql.find_unlocked, list(events))
        except Trouble:
            return set()
        return {row["event_id"] for row in rows}

    async def _with_deadline(
        self, commands: Sequence[Command], late: Callable[[Container[UUID]], Sequence[Command]]
    ) -> tuple[list[Work], list[Outcome | None]]:
        connection = await self._connected()
        started = time.perf_counter()
        # A connection that hangs is dropped, never cancelled: a cancel could hit a commit that has already
        # happened
        self._watch(connection, self._options.batch_seconds_max)
        try:
            return await self._in_transaction(connection, commands, late)
        finally:
            assert self._watchdog is not None, "it was set above"
            self._watchdog.cancel()
            _batch_seconds.observe(time.perf_counter() - started)

    async def _in_transaction(
        self,
        connection: asyncpg.Connection[Record],
        commands: Sequence[Command],
        late: Callable[[Container[UUID]], Sequence[Command]],
    ) -> tuple[list[Work], list[Outcome | None]]:
        try:
            await connection.execute(self._begin)
            works, outcomes = await process(
                connection,
                commands,
                self._remembered,
                self._clock,
                self._new_id,
                self._options.denominations,
                self._options.decide_seconds_max,
                late=late,
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
        waiting = asyncio.get_running_loop().call_later(
            self._options.commit_seconds_max, self._stop_waiting_for_commit
        )
        try:
            done = await connection.execute("COMMIT")
        except CONNECTION_ERRORS as exc:
            raise OutcomeUnknown("lost") from exc
        finally:
            waiting.cancel()
        assert done == "COMMIT", "the server answers COMMIT of a failed transaction with ROLLBACK"
        if self._warned:
            raise OutcomeUnknown("standby")
        _commit_seconds.observe(time.perf_counter() - started)
        return works, outcomes

    def _watch(self, connection: asyncpg.Connection[Record], seconds: float) -> None:
        self._watchdog = asyncio.get_running_loop().call_later(seconds, self._give_up, connection)

    def _give_up(self, connection: asyncpg.Connection[Record]) -> None:
        """Drop the connection of a batch that takes too long, unless commits wait.

        They wait as long as another connection says so, so that this one has not been lost silently.
        """
        if self._database.commits.waiting and not self._stopping:
            self._watch(connection, AGAIN_SECONDS)
        else:
            connection.terminate()

    def _stop_waiting_for_commit(self) -> None:
        """Answer the requests that wait for the commit, and those that wait behind it; the lane waits on."""
        self._database.commits.note_wait()
        _fail(self._running, CommitsWait("sent", seconds=f"{self._options.commit_seconds_max:g}"))
        self._fail_all((), CommitsWait("waits"))

    async def _commits_wait(self, pending: Sequence[Pending]) -> bool:
        """Return whether the locks that a batch waits for are held by commits that wait.

        The commit may be another process's. It is asked only when a command has waited as long as a commit
        may.
        """
        commits = self._database.commits
        if commits.waiting:
            return True
        oldest = min(each.since for each in pending)
        return time.monotonic() - oldest > self._options.commit_seconds_max and await commits.check()

    def _fail_all(self, pending: Sequence[Pending], trouble: Trouble) -> None:
        """Fail these commands and all that wait."""
        _fail(pending, trouble)
        _fail(self._pending, trouble)
        self._pending.clear()

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
                # The first hold has expired, and when the next one expires is not known: load it again
                self._remembered.pop(work.event_id, None)
            else:
                self._remembered[work.event_id] = sale
                self._remembered.move_to_end(work.event_id)
            self._glances.put(work.event_id, Glance.of_sale(sale, work.batch.now))
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
                self._pending.append(Pending(WakeSale(work.event_id), answer, time.monotonic()))

    def _forget(self, pending: Sequence[Pending]) -> None:
        for each in pending:
            self._remembered.pop(each.command.event_id, None)


def _fail(pending: Sequence[Pending], error: Exception) -> None:
    for each in pending:
        if not each.answer.done():
            each.answer.set_exception(error)


def _has_answer(each: Pending) -> bool:
    """Return whether the request has an answer; one that was cancelled has none."""
    return each.answer.done() and not each.answer.cancelled()


def _count(pending: Sequence[Pending], outcomes: Sequence[Outcome | None]) -> None:
    results = [
        (type(each.command).__name__, outcome.refusal.value if isinstance(outcome, No) else "done")
        for each, outcome in zip(pending, outcomes, strict=True)
        if outcome is not None
    ]
    for (kind, result), times in collections.Counter(results).items():
        _commands.labels(kind, result).inc(times)
