"""Everything that happens because something else has happened, on one screen: facts, schedules, and what they set off.

The relay (relay.py) counts the facts of the journal and stores the jobs that `REACTIONS` names for them,
exactly once; a job runs at least once, so each is harmless to repeat.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from evently import accounts, checkout, jobs, notifications, sales
from evently.accounts import Accounts
from evently.checkout import Checkout
from evently.db import Database, DatabaseOptions, gone
from evently.jobs import Job
from evently.kit.clock import Clock
from evently.kit.errors import Trouble
from evently.kit.ids import parse_id, show_id
from evently.reactions.relay import BUSY_SECONDS, Reaction, Relay
from evently.sales.outbox import JournalFacts

# When this happens ... --------------------------------------------------------------------------------------


def cancel_the_bookings(happened: JournalFacts, _fact: sales.facts.Fact) -> Job:
    """Return the job that cancels the bookings of a cancelled event."""
    event_id = show_id("evt", happened.event_id)
    return Job("cancel_bookings_of_event", {"event_id": event_id}, lock=event_id)


def pay_back(happened: JournalFacts, cancelled: sales.facts.Fact) -> Job | None:
    """Return the job that pays back what was cancelled, if anything is to be paid back."""
    assert isinstance(cancelled, sales.facts.BookingCancelled | sales.facts.TicketsCancelled), (
        "as the table below says"
    )
    return (
        None
        if cancelled.refund_id is None
        else checkout.job_for_refund(happened.event_id, cancelled.refund_id)
    )


REACTIONS: Final[dict[type[sales.facts.Fact], tuple[Reaction, ...]]] = {
    sales.facts.SaleCancelled: (cancel_the_bookings,),
    sales.facts.BookingCancelled: (pay_back,),
    sales.facts.TicketsCancelled: (pay_back,),
}

# ... and by the clock ---------------------------------------------------------------------------------------

# How long holds of events that nobody books are due, about; a booking would free them at once
SWEEP_SECONDS: Final = 1.0
CLOCKS_APART_MAX: Final = timedelta(minutes=1)  # between who moved a sale window and who looks for it
CHECKOUT_SECONDS: Final = 1.0  # how long payments and refunds that are stuck are due, about
LISTEN_AT: Final = "* * * * *"  # every minute, to what gateways told and nobody has understood
FORGET_AT: Final = "*/10 * * * *"  # every ten minutes

# How --------------------------------------------------------------------------------------------------------

FAILED_SECONDS: Final = 1.0  # before a loop tries again
EVENTS_SWEPT_MAX: Final = 200  # at a time: a batch holds 500, and buyers want to be in it
BOOKINGS_CANCELLED_MAX: Final = 200  # at a time, so that a cancelled event does not crowd out those that sell

_log: Final = structlog.get_logger(__name__)


@asynccontextmanager
async def running(
    options: DatabaseOptions,
    database: Database,
    engine: sales.Engine,
    payments: Checkout,
    desk: Accounts,
    clock: Clock,
) -> AsyncIterator[None]:
    """React for as long as the block lasts."""
    relay = Relay(database, clock, REACTIONS)

    async def cancel_bookings_of_event(event_id: str) -> None:
        await cancel_bookings(database, engine, parse_id("evt", event_id))

    async def forget_expired() -> None:
        await accounts.forget_expired(database, clock(), desk.tokens.options.access_seconds_max)
        await notifications.forget_old(database, clock())
        await payments.forget()

    async def resume_payment(payment_id: str) -> None:
        await payments.resume_payment(parse_id("pay", payment_id))

    async def pay_back(event_id: str, refund_id: str) -> None:
        await payments.pay_back(parse_id("evt", event_id), parse_id("rfd", refund_id))

    async def hear_the_unheard() -> None:
        await payments.hear_the_unheard()

    async def look_after_payments() -> float:
        found = relay.leads and await payments.sweep()
        return BUSY_SECONDS if found >= checkout.SWEPT_MAX else CHECKOUT_SECONDS

    async def sweep() -> float:
        found = relay.leads and await expire_due_holds(database, engine, clock)
        return BUSY_SECONDS if found else SWEEP_SECONDS

    looked_at: datetime | None = None

    async def serve() -> float:
        nonlocal looked_at
        if not relay.leads:
            looked_at = None  # whoever leads for the first time looks at all of them
            return SWEEP_SECONDS
        now, since = clock(), looked_at and looked_at - CLOCKS_APART_MAX
        looked_at = None  # after a failure, too
        await serve_lines(database, engine, since, now)
        looked_at = now
        return SWEEP_SECONDS

    async with AsyncExitStack() as stack:
        stack.push_async_callback(relay.retire)
        await stack.enter_async_context(_repeating("relay", relay.turn))
        await stack.enter_async_context(_repeating("sweeper", sweep))
        await stack.enter_async_context(_repeating("waitlist", serve))
        await stack.enter_async_context(_repeating("checkout", look_after_payments))
        tasks: dict[str, jobs.Task] = {
            "cancel_bookings_of_event": cancel_bookings_of_event,
            "resume_payment": resume_payment,
            "pay_back": pay_back,
        }
        await stack.enter_async_context(
            jobs.working(options, tasks, {FORGET_AT: forget_expired, LISTEN_AT: hear_the_unheard})
        )
        yield


async def expire_due_holds(database: Database, engine: sales.Engine, clock: Clock) -> int:
    """Give a batch to events whose holds are due: each begins by taking some of them back.

    Returns to how many; there may be more.
    """
    due = await sales.reads.list_events_with_due_holds(database, clock(), EVENTS_SWEPT_MAX)
    await asyncio.gather(*[engine.submit(sales.commands.ExpireHolds(event_id)) for event_id in due])
    return len(due)


async def serve_lines(database: Database, engine: sales.Engine, since: datetime | None, now: datetime) -> int:
    """Give a batch to events where people wait for what came on sale since an instant (None: ever): it serves them. Returns to how many."""
    found, after = 0, None
    while events := await sales.reads.list_events_to_serve(database, since, now, after, EVENTS_SWEPT_MAX):
        await asyncio.gather(*[engine.submit(sales.commands.ExpireHolds(event_id)) for event_id in events])
        found, after = found + len(events), events[-1]
    return found


async def cancel_bookings(database: Database, engine: sales.Engine, event_id: UUID) -> None:
    """Cancel every live booking of a cancelled event, a page at a time.

    Harmless to repeat: it looks at what is still there.

    A booking with a used ticket stays as it is: somebody was let in with it.
    """
    after: UUID | None = None
    while booking_ids := await sales.reads.list_live_bookings(
        database, event_id, after, BOOKINGS_CANCELLED_MAX
    ):
        commands = [
            sales.commands.CancelBooking(event_id, booking_id, actor_id=event_id, buyer_id=None)
            for booking_id in booking_ids
        ]
        await asyncio.gather(*[engine.submit(command) for command in commands])
        after = booking_ids[-1]


@asynccontextmanager
async def _repeating(name: str, turn: Callable[[], Awaitable[float]]) -> AsyncIterator[None]:
    """Take turns for as long as the block lasts; a turn says how long to wait for the next one."""
    task = asyncio.create_task(_repeat(name, turn), name=name)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _repeat(name: str, turn: Callable[[], Awaitable[float]]) -> None:
    failing = False
    while True:
        try:
            pause, failing = await turn(), False
        except (Trouble, *gone) as exc:
            if not failing:
                _log.warning("interrupted", what=name, cause=repr(exc.__cause__ or exc))
            pause, failing = FAILED_SECONDS, True
        except Exception:  # noqa: BLE001  # an outermost loop: a bug here must not stop what comes after it for ever
            _log.exception("turn_failed", what=name)
            pause = FAILED_SECONDS
        await asyncio.sleep(pause)
