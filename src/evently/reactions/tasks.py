"""What runs in the background: the jobs that facts store, and the functions of the schedule.

Each is harmless to repeat: a job runs at least once, and two processes may both believe that they lead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

import msgspec

from evently import (
    accounts,
    analytics,
    attendees,
    catalogue,
    checkout,
    jobs,
    mail,
    notifications,
    organizing,
    push,
    questions,
    sales,
    webhooks,
)
from evently.accounts import Accounts
from evently.audit import runs
from evently.checkout import Checkout
from evently.db import Connection, Database
from evently.jobs import Job
from evently.kit.clock import Clock
from evently.kit.ids import parse_id, show_id
from evently.mail import Mail
from evently.notifications import Notification
from evently.push import Push
from evently.reactions.rehearsing import remove_next_sandbox
from evently.sales.commands.bookings import CancelBooking
from evently.sales.commands.sale_terms import WakeSale
from evently.sales.facts import (
    Fact,
    HoldExpired,
    SaleCancelled,
    TicketGivenBack,
    TransferAccepted,
    TransferOffered,
)
from evently.sales.outbox import JournalFacts
from evently.webhooks import Webhooks

EVENTS_SWEPT_MAX: Final = 200  # at a time: a batch holds 500 commands, and buyers want to be in it
# At a time, so that a cancelled event does not crowd out the events that sell
BOOKINGS_CANCELLED_MAX: Final = 200
BUYERS_NOTIFIED_MAX: Final = 1_000  # in one transaction: some ten milliseconds
SANDBOXES_REMOVED_MAX: Final = 20  # at a time; each is a transaction of a second at most
# Between the clock of the process that moved a sale window and the clock of the one that serves waitlists
CLOCKS_APART_MAX: Final = timedelta(minutes=1)


class Services(msgspec.Struct, frozen=True):
    """What background work is done with."""

    database: Database
    engine: sales.Engine
    checkout: Checkout
    accounts: Accounts
    mail: Mail
    push: Push
    webhooks: Webhooks
    clock: Clock


class Scheduled(NamedTuple):
    """A line of the schedule.

    `run` gets the instant at which its last successful run in this process began; None after a failure, and
    while another process may have run it. It returns whether there is more to do at once.
    """

    name: str
    seconds: float  # between two runs
    run: Callable[[Services, datetime | None], Awaitable[bool]]


Reaction: TypeAlias = Callable[[JournalFacts, Fact], Job]

# Effects ----------------------------------------------------------------------------------------------------


async def notify(tx: Connection, rows: Sequence[JournalFacts]) -> None:
    """Store the notifications of these facts, and the e-mails of those that their people want by e-mail."""
    expired = [
        (row.event_id, fact.booking_id) for row in rows for fact in row.facts if isinstance(fact, HoldExpired)
    ]
    unpaid = await checkout.list_attempted(tx, expired) if expired else frozenset()
    new = await notifications.add(tx, rows, unpaid)
    new += await notifications.add_for_cancelled_tickets(tx, rows)
    await send_later(tx, new)
    for row in rows:
        offered = [fact.transfer_id for fact in row.facts if isinstance(fact, TransferOffered)]
        if offered:
            await mail.add_ticket_offers(tx, offered, row.at)


async def send_later(tx: Connection, new: Sequence[Notification]) -> None:
    """Store the e-mails and the pushes of these notifications, for people who want them."""
    await mail.add_for_notifications(tx, new)
    await push.add_for_notifications(tx, new)


async def forget_names(tx: Connection, rows: Sequence[JournalFacts]) -> None:
    """Forget the names on tickets that have got other holders, and what earlier ones answered about them."""
    passed_on = [
        (row.event_id, fact.ticket_id)
        for row in rows
        for fact in row.facts
        if isinstance(fact, TicketGivenBack)
    ]
    if accepted := [
        fact.transfer_id for row in rows for fact in row.facts if isinstance(fact, TransferAccepted)
    ]:
        passed_on += await sales.reads.list_tickets_of_transfers(tx, accepted)
    if passed_on:
        events, tickets = zip(*passed_on, strict=True)
        await attendees.clear_names(tx, events, tickets)
        await questions.clear_answers(tx, events, tickets)


# Jobs -------------------------------------------------------------------------------------------------------


async def store_jobs(
    reactions: Mapping[type[Fact], Sequence[Reaction]], tx: Connection, rows: Sequence[JournalFacts]
) -> None:
    """Store the jobs of these facts, in their order."""
    found = [
        reaction(row, fact)
        for row in rows
        for fact in row.facts
        for reaction in reactions.get(type(fact), ())
    ]
    await jobs.defer(tx, found)


def cancel_bookings_later(row: JournalFacts, fact: Fact) -> Job:
    """Return the job that cancels the bookings of a cancelled event."""
    event_id = show_id("evt", row.event_id)
    keep = {"door_money": "keep"} if isinstance(fact, SaleCancelled) and fact.door_kept else {}
    return Job("cancel_bookings_of_event", {"event_id": event_id, **keep}, lock=event_id)


async def cancel_bookings_of_event(services: Services, event_id: str, door_money: str = "") -> None:
    """Cancel every live booking of a cancelled event; see `cancel_bookings`."""
    await cancel_bookings(
        services.database, services.engine, parse_id("evt", event_id), keeps_door=door_money == "keep"
    )


async def cancel_bookings(
    database: Database, engine: sales.Engine, event_id: UUID, *, keeps_door: bool = False
) -> None:
    """Cancel every live booking of a cancelled event, a page at a time.

    A booking with a used ticket stays confirmed: its holder has entered the event. Repeated, it cancels the
    bookings that are still live.
    """
    after: UUID | None = None
    while booking_ids := await sales.reads.list_live_bookings(
        database, event_id, after, BOOKINGS_CANCELLED_MAX
    ):
        commands = [
            CancelBooking(event_id, booking_id, actor_id=event_id, buyer_id=None, keeps_door=keeps_door)
            for booking_id in booking_ids
        ]
        await asyncio.gather(*[engine.submit(command) for command in commands])
        after = booking_ids[-1]


async def end_claims_of_person(services: Services, person_id: str, confirmed: str) -> None:
    """End the holds, offers and waitlist entries of a person who has closed their account."""
    await sales.leaving.end_claims(
        services.database,
        services.engine,
        parse_id("per", person_id),
        services.clock(),
        cancel_tickets=confirmed == "cancel_tickets",
    )
    await checkout.forget_cards(services.database, parse_id("per", person_id))


async def run_audit(services: Services, run_id: str) -> None:
    """Audit the whole database for an administrator."""
    await runs.run(services.database, services.clock, run_id)


def notify_buyers_later(row: JournalFacts, _fact: Fact) -> Job:
    """Return the job that notifies the buyers of an event of its new time or place."""
    event_id = show_id("evt", row.event_id)
    return Job(
        "notify_buyers", {"event_id": event_id, "seq": str(row.seq), "at": row.at.isoformat()}, lock=event_id
    )


async def notify_buyers(services: Services, event_id: str, seq: str, at: str) -> None:
    """Notify everyone who had booked, once for each booking, that the event has another time or place."""
    event, after = parse_id("evt", event_id), None
    while booking_ids := await sales.reads.list_live_bookings(
        services.database, event, after, BUYERS_NOTIFIED_MAX
    ):
        async with services.database.transaction() as tx:
            new = await notifications.add_for_bookings(
                tx, event, int(seq), "event_rescheduled", datetime.fromisoformat(at), booking_ids
            )
            await send_later(tx, new)
        after = booking_ids[-1]


# The schedule -----------------------------------------------------------------------------------------------


async def release_units(services: Services, _since: datetime | None) -> bool:
    """Release units of events that nobody books. On the others, each batch releases them itself."""
    return await release_due(services.database, services.engine, services.clock) > 0


async def release_due(database: Database, engine: sales.Engine, clock: Clock) -> int:
    """Run a batch on events with due holds, or with units set aside until a window that has ended.

    Each batch begins by expiring some due holds and by setting aside what the waitlist can still get. Return
    the number of events. There may be more events, and more due holds of these.
    """
    due = await sales.reads.list_events_to_release(database, clock(), EVENTS_SWEPT_MAX)
    await asyncio.gather(*[engine.submit(WakeSale(event_id)) for event_id in due])
    return len(due)


async def open_waitlists(services: Services, since: datetime | None) -> bool:
    """Serve the waitlists of ticket types that have come on sale since the last run."""
    since = since and since - CLOCKS_APART_MAX
    await serve_waitlists(services.database, services.engine, since, services.clock())
    return False


async def serve_waitlists(
    database: Database, engine: sales.Engine, since: datetime | None, now: datetime
) -> int:
    """Run a batch on events with waiting entries for ticket types that came on sale after `since`.

    Each batch serves the waitlist. None: all ticket types on sale. Return the number of events.
    """
    found, after = 0, None
    while events := await sales.reads.list_events_to_serve(database, since, now, after, EVENTS_SWEPT_MAX):
        await asyncio.gather(*[engine.submit(WakeSale(event_id)) for event_id in events])
        found, after = found + len(events), events[-1]
    return found


async def resume_payments(services: Services, _since: datetime | None) -> bool:
    """Resume payments and refunds that are due; see `Checkout.resume_due`."""
    return await services.checkout.resume_due() >= checkout.RESUMED_MAX


async def process_notices(services: Services, _since: datetime | None) -> bool:
    """Process the notices of gateways that were stored and never processed."""
    await services.checkout.process_pending_notices()
    return False


async def reconcile(services: Services, _since: datetime | None) -> bool:
    """Ask the gateways for notices about money that was paid back, in case they were never received."""
    return await services.checkout.reconcile()


async def remake_words(services: Services, _since: datetime | None) -> bool:
    """Make the search words of some events again that a previous version made; see `catalogue.words`."""
    return await catalogue.remake_words(services.database)


async def remind_buyers(services: Services, since: datetime | None) -> bool:
    """Remind buyers of events on the day before, at noon there; see `remind`."""
    await remind(services.database, since and since - CLOCKS_APART_MAX, services.clock())
    return False


async def remind(database: Database, since: datetime | None, now: datetime) -> int:
    """Store reminders of events whose reminder came due after `since`; None: of all that have not begun.

    Each buyer gets one for each start, however often this is repeated; who booked after the reminder was due
    gets none. Return the number of events.
    """
    found = await catalogue.list_events_to_remind(database, since, now)
    for event_id, starts_at, remind_at in found:
        after: UUID | None = None
        while booking_ids := await sales.reads.list_live_bookings(
            database, event_id, after, BUYERS_NOTIFIED_MAX
        ):
            async with database.transaction() as tx:
                new = await notifications.add_reminders(tx, event_id, starts_at, remind_at, booking_ids)
                await send_later(tx, new)
            after = booking_ids[-1]
    return len(found)


async def warn_of_ending_offers(services: Services, _since: datetime | None) -> bool:
    """Notify people whose offers are in their last hours."""
    async with services.database.transaction() as tx:
        new = await notifications.add_for_ending_offers(tx, services.clock())
        await send_later(tx, new)
    return len(new) == notifications.ENDING_MAX


async def expire_mail(services: Services, _since: datetime | None) -> bool:
    """Finish e-mails that were not sent in time; their secrets are deleted."""
    return await mail.expire(services.database, services.clock())


async def expire_pushes(services: Services, _since: datetime | None) -> bool:
    """Finish pushes that were not sent in time."""
    return await push.expire(services.database, services.clock())


async def forget_expired(services: Services, _since: datetime | None) -> bool:
    """Delete what nobody needs any more: expired sessions, old notifications, e-mails, notices, pictures."""
    now = services.clock()
    await push.forget_ended(services.database)
    await push.forget_old(services.database, now)
    await accounts.delete_expired(services.database, now, services.accounts.tokens.options.access_seconds_max)
    await notifications.forget_old(services.database, now)
    await mail.forget_old(services.database, now)
    await webhooks.forget_old(services.database, now)
    await sales.leaving.forget_addresses(services.database, now)
    await services.checkout.forget_notices()
    await analytics.forget_minutes(services.database, now)
    await organizing.forget_unshown_pictures(services.database, now)
    return False


async def remove_sandboxes(services: Services, _since: datetime | None) -> bool:
    """Remove the sandbox events of rehearsals that ended a while ago."""
    stuck = set[UUID]()
    for _ in range(SANDBOXES_REMOVED_MAX):
        if not await remove_next_sandbox(services.database, services.clock, stuck):
            return False
    return True
