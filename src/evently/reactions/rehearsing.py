"""Rehearsals that organizers have started: one at a time, in a process of its own; and their removal.

    Rehearsals.run_once   runs the rehearsal that has waited longest, if no other process runs one
    remove_sandboxes      removes a sandbox event that is due, with its buyers and everything that they did

The process has a low priority and a limited number of requests under way, so that real buyers go first. It
ends with this one: it reads that its standard input is closed. The process that gets the lease after another
one has died writes down that its rehearsal has failed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
import structlog

from evently import accounts, analytics, catalogue, checkin, checkout, finding, payments, sales
from evently.db import Connection, Database, DatabaseOptions
from evently.db.leases import end_lease, take_lease
from evently.kit.clock import Clock
from evently.kit.errors import Trouble
from evently.kit.ids import new_id
from evently.organizing import rehearsing
from evently.organizing.rehearsing import Rehearsal

LEASE: Final = timedelta(seconds=30)  # how long the next rehearsal waits when a machine dies
RENEW_SECONDS: Final = 5.0
IDLE_SECONDS: Final = 2.0
BUSY_SECONDS: Final = 10.0
END_SECONDS_MAX: Final = 5.0  # for the process to end when the server stops
RUN_SECONDS_MAX: Final = 900.0  # the access tokens of its buyers work as long
# Real tickets within about two minutes: more is an on-sale, and its buyers go first
REAL_TICKETS_MAX: Final = 600
CALM: Final = timedelta(minutes=2)
_LEASE: Final = "rehearsals"
_log: Final = structlog.get_logger(__name__)


class RehearsalOptions(msgspec.Struct, frozen=True):
    """`url`: of the server. `paid`: payments cost nothing here. `secret`: signs the tokens of the buyers."""

    url: str
    requests_max: int
    paid: bool
    secret: bytes


class Assignment(msgspec.Struct, frozen=True):
    """What the process of a rehearsal reads from its standard input."""

    rehearsal: Rehearsal
    options: RehearsalOptions
    database: DatabaseOptions


class Rehearsals:
    """Runs rehearsals, while it holds the lease."""

    def __init__(self, database: Database, options: RehearsalOptions, clock: Clock) -> None:
        self._database = database
        self._options = options
        self._clock = clock
        self._holder = new_id()

    async def run_once(self) -> float:
        """Run the rehearsal that has waited longest to its end; return the seconds until the next call."""
        if not await rehearsing.are_any_open(self._database):
            return IDLE_SECONDS
        calm = await is_calm(self._database, self._clock())
        taken = None
        async with self._database.transaction() as tx:
            now = self._clock()
            if not await take_lease(tx, _LEASE, self._holder, now, LEASE):
                return IDLE_SECONDS
            await rehearsing.fail_lost_rehearsals(tx, now)
            if calm:
                taken = await rehearsing.take_rehearsal(tx, now)
            if taken is None:
                await end_lease(tx, _LEASE, self._holder)
        if taken is None:
            return IDLE_SECONDS if calm else BUSY_SECONDS
        try:
            await self._run(taken)
        finally:
            async with self._database.transaction() as tx:
                await end_lease(tx, _LEASE, self._holder)
        return IDLE_SECONDS

    async def _run(self, rehearsal: Rehearsal) -> None:
        """Run a rehearsal in a process; whatever becomes of that, the rehearsal ends."""
        assignment = Assignment(rehearsal, self._options, self._database.options)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "evently.rehearsal",
            stdin=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None, "it is a pipe"
        assert process.stderr is not None, "it is a pipe"
        reason: rehearsing.RehearsalReason = "server"  # unless it ends by itself
        errors = asyncio.ensure_future(process.stderr.read())
        try:
            process.stdin.write(msgspec.json.encode(assignment) + b"\n")
            await self._wait(process)
            reason = "too_long" if process.returncode is None else "broken"
        finally:
            process.stdin.close()
            await _end(process)
            said = await errors
            if process.returncode != 0 and reason == "broken":
                _log.error("rehearsal failed", cause=said.decode(errors="replace").strip()[-2_000:])
            async with self._database.transaction() as tx:
                state: rehearsing.RehearsalEnd = "failed" if reason == "broken" else "stopped"
                await rehearsing.end_rehearsal(tx, rehearsal, state, self._clock(), reason=reason)

    async def _wait(self, process: asyncio.subprocess.Process) -> None:
        """Wait for the end of a process, at most RUN_SECONDS_MAX, and keep the lease meanwhile."""
        ended = asyncio.ensure_future(process.wait())
        until = asyncio.get_running_loop().time() + RUN_SECONDS_MAX
        try:
            while not ended.done() and asyncio.get_running_loop().time() < until:
                await asyncio.wait([ended], timeout=RENEW_SECONDS)
                try:
                    async with self._database.transaction() as tx:
                        await take_lease(tx, _LEASE, self._holder, self._clock(), LEASE)
                except Trouble:  # the process notices it, too
                    continue
        finally:
            ended.cancel()


async def is_calm(database: Database, now: datetime) -> bool:
    """Return whether so few real tickets are sold that a rehearsal disturbs nobody."""
    return await analytics.count_tickets_from(database, now - CALM) <= REAL_TICKETS_MAX


async def _end(process: asyncio.subprocess.Process) -> None:
    """Wait until a process has ended, whose standard input is closed; kill it after a while."""
    try:
        async with asyncio.timeout(END_SECONDS_MAX):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def remove_next_sandbox(database: Database, clock: Clock, stuck: set[UUID]) -> bool:
    """Remove a sandbox event that is due, in one transaction; return whether there may be another one.

    In one transaction, because half of a sale is a breach of every invariant. One with facts that the relay
    has not delivered yet is left for later: it is added to `stuck`.
    """
    async with database.transaction() as tx:
        due = await rehearsing.take_due_sandbox(tx, clock(), list(stuck))
        if due is None:
            return False
        event_id, buyer_ids = due
        if not await sales.erasing.lock_delivered(tx, event_id):
            stuck.add(event_id)
            return True
        for forget in _FORGET:
            await forget(tx, event_id)
        await payments.demo.forget_charges(tx, await checkout.forget_event(tx, event_id))
        await sales.erasing.erase_sale(tx, event_id)
        await rehearsing.forget_sandbox(tx, event_id)
        await catalogue.delete_sandbox(tx, event_id)
        await accounts.rehearsals.remove_rehearsal_buyers(tx, buyer_ids)
    return True


_FORGET: Final[tuple[Callable[[Connection, UUID], Awaitable[None]], ...]] = (
    finding.forget_event,
    checkin.forget_event,
)
