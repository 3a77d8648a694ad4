"""Reactions: everything that happens because a fact was recorded, or because time has passed, on one screen.

    EFFECTS    what the facts of the journal change besides the sale, in the relay's transaction, exactly once
    REACTIONS  which facts store a job
    TASKS      what each job runs, at least once
    SCHEDULE   what runs by the clock, in one process at a time

What only writes to the database is an EFFECT: a figure, a notification with its messages in an outbox, the
deliveries of webhooks. What else speaks to other hosts is a job: a line in REACTIONS, a line in TASKS, and a
module that sends; an effect must not wait for a network. The functions of jobs and of the schedule are in
tasks.py; relay.py delivers the facts; rehearsing.py runs rehearsals; `mail`, `push` and `webhooks` send what
is stored in every process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Final

from evently import analytics, checkout, finding, jobs, webhooks
from evently.db import CONNECTION_ERRORS, DatabaseOptions
from evently.jobs import Task
from evently.kit.errors import Trouble
from evently.kit.repeating import repeating
from evently.reactions import tasks
from evently.reactions.rehearsing import RehearsalOptions, Rehearsals
from evently.reactions.relay import BUSY_SECONDS, Effect, Relay
from evently.reactions.tasks import Reaction, Scheduled, Services
from evently.sales.facts import EventRescheduled, Fact, SaleCancelled

REACTIONS: Final[Mapping[type[Fact], tuple[Reaction, ...]]] = {
    SaleCancelled: (tasks.cancel_bookings_later,),
    EventRescheduled: (tasks.notify_buyers_later,),
}
TASKS: Final[Mapping[str, Task]] = {
    "run_audit": tasks.run_audit,
    "cancel_bookings_of_event": tasks.cancel_bookings_of_event,
    "end_claims_of_person": tasks.end_claims_of_person,
    "notify_buyers": tasks.notify_buyers,
}
# In this order: an event that analytics cannot count reaches nothing else, and is delivered again later.
EFFECTS: Final[tuple[Effect, ...]] = (
    analytics.count,
    tasks.notify,
    tasks.forget_names,
    checkout.begin_refunds,
    finding.add_references,
    webhooks.store,
    partial(tasks.store_jobs, REACTIONS),
)
SCHEDULE: Final = (
    Scheduled("holds", 1.0, tasks.release_units),
    Scheduled("waitlists", 1.0, tasks.open_waitlists),
    Scheduled("payments", 1.0, tasks.resume_payments),
    Scheduled("notices", 60.0, tasks.process_notices),
    Scheduled("reconciliation", 900.0, tasks.reconcile),
    Scheduled("words", 60.0, tasks.remake_words),
    Scheduled("reminders", 60.0, tasks.remind_buyers),
    Scheduled("ending offers", 60.0, tasks.warn_of_ending_offers),
    Scheduled("expired mail", 30.0, tasks.expire_mail),
    Scheduled("expired pushes", 60.0, tasks.expire_pushes),
    Scheduled("sandboxes", 60.0, tasks.remove_sandboxes),
    Scheduled("forgetting", 600.0, tasks.forget_expired),
)

__all__ = ["EFFECTS", "REACTIONS", "SCHEDULE", "TASKS", "Services", "running"]

FAILED_SECONDS: Final = 1.0  # until the relay tries again
LEASE_SECONDS: Final = 1.0  # between two checks of a process that does not hold the relay's lease
_EXPECTED: Final = (Trouble, *CONNECTION_ERRORS)


@asynccontextmanager
async def running(
    options: DatabaseOptions, services: Services, rehearsals: RehearsalOptions | None = None
) -> AsyncIterator[None]:
    """React while the block runs. Of all processes, the holder of the relay's lease runs the schedule.

    `rehearsals`: None where this process runs none.
    """
    relay = Relay(services.database, services.clock, EFFECTS)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(relay.retire)
        loop = repeating("relay", relay.run_once, failed_seconds=FAILED_SECONDS, expected=_EXPECTED)
        await stack.enter_async_context(loop)
        for each in SCHEDULE:
            run = _Periodic(each, services, lambda: relay.leads)
            loop = repeating(each.name, run, failed_seconds=each.seconds, expected=_EXPECTED)
            await stack.enter_async_context(loop)
        loop = repeating("push", services.push.run_once, failed_seconds=FAILED_SECONDS, expected=_EXPECTED)
        await stack.enter_async_context(loop)
        loop = repeating(
            "webhooks", services.webhooks.run_once, failed_seconds=FAILED_SECONDS, expected=_EXPECTED
        )
        await stack.enter_async_context(loop)
        loop = repeating("mail", services.mail.run_once, failed_seconds=FAILED_SECONDS, expected=_EXPECTED)
        await stack.enter_async_context(loop)
        if rehearsals is not None:
            call = Rehearsals(services.database, rehearsals, services.clock).run_once
            loop = repeating("rehearsals", call, failed_seconds=FAILED_SECONDS, expected=_EXPECTED)
            await stack.enter_async_context(loop)
        bound = {name: partial(task, services) for name, task in TASKS.items()}
        await stack.enter_async_context(jobs.working(options, bound))
        yield


class _Periodic:
    """A line of the schedule in this process: runs its function while this process leads."""

    def __init__(self, scheduled: Scheduled, services: Services, leads: Callable[[], bool]) -> None:
        self._scheduled = scheduled
        self._services = services
        self._leads = leads
        self._since: datetime | None = None

    async def __call__(self) -> float:
        if not self._leads():
            self._since = None
            return LEASE_SECONDS
        now, since = self._services.clock(), self._since
        self._since = None  # stays so if the function fails
        more = await self._scheduled.run(self._services, since)
        self._since = now
        return BUSY_SECONDS if more else self._scheduled.seconds
