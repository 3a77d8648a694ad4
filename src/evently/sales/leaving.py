"""What a person's claims become when the account is closed: they end with it.

    end_claims_later   in the transaction that erases the person: refuses while tickets would be lost
    end_claims         as a job, and at once: holds, offers and waitlist entries end; tickets on request
    forget_addresses   of people to whom tickets were offered long ago

It never decides a cancellation: each one is a command like the buyer's own.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias
from uuid import UUID

from evently.db import Connection, Database, load_queries
from evently.jobs import Job, defer
from evently.kit.errors import Refused
from evently.kit.ids import show_id
from evently.kit.money import Money
from evently.sales import reads
from evently.sales.commands.bookings import CancelBooking
from evently.sales.commands.transfers import GiveBackTicket, WithdrawTransfer
from evently.sales.commands.waitlist import LeaveWaitlist
from evently.sales.engine import Engine
from evently.sales.outcomes import No, SalesRefusal

sql: Final = load_queries(__name__)

JOB: Final = "end_claims_of_person"
ADDRESS_KEPT: Final = timedelta(days=30)  # after a transfer has ended, so that its giver sees to whom it went
PAGE_MAX: Final = 100  # claims that end at a time, as many as a page of a list has

# What becomes of valid tickets: they are cancelled as their conditions say, or nobody can use them any more
Confirmed: TypeAlias = Literal["cancel_tickets", "lose_tickets"]


async def end_claims_later(
    tx: Connection, person_id: UUID, *, confirmed: Confirmed | None, now: datetime
) -> None:
    """Store the job that ends a person's claims.

    Refuses `tickets-ahead` while the person has valid tickets of events that are not over, unless they
    confirm what becomes of them.
    """
    ahead = await reads.list_tickets_ahead(tx, person_id, now)
    if ahead and confirmed is None:
        raise Refused(
            SalesRefusal.TICKETS_AHEAD,
            "tickets",
            tickets=sum(each.tickets for each in ahead),
            named=[show_id("bkg", each.booking_id) for each in ahead],
            bookings=[
                {
                    "id": show_id("bkg", each.booking_id),
                    "tickets": each.tickets,
                    "refund": None if each.refund_minor is None else Money(each.refund_minor, each.currency),
                }
                for each in ahead
            ],
        )
    shown = show_id("per", person_id)
    await defer(tx, [Job(JOB, {"person_id": shown, "confirmed": confirmed or ""}, lock=shown)])


async def end_claims(
    database: Database, engine: Engine, person_id: UUID, now: datetime, *, cancel_tickets: bool
) -> None:
    """Withdraw a person's waitlist entries, release their holds, and cancel their tickets if they wish it.

    Tickets that they offer to others are theirs again before; tickets that others passed on to them go back
    to the buyers. Harmless to repeat. Tickets that their conditions no longer let buyers cancel stay as they
    are.
    """
    await _end_transfers(database, engine, person_id, now)
    after: str | None = None
    while True:
        entries = await reads.list_entries_of_buyer(database, person_id, PAGE_MAX, after, live=True)
        await asyncio.gather(
            *[engine.submit(LeaveWaitlist(each.event_id, each.entry_id, person_id)) for each in entries.data]
        )
        after = entries.next_cursor
        if after is None:
            break
    while True:
        bookings = await reads.list_bookings_of_buyer(database, person_id, "upcoming", now, PAGE_MAX, after)
        for each in bookings.data:
            if each.state == "held" or cancel_tickets:
                valid = [
                    ticket.ticket_id
                    for ticket in each.tickets
                    if ticket.state == "valid" and ticket.holder_id is None
                ]
                if not valid:
                    continue  # each of them was used
                where = await reads.locate_booking(database, each.booking_id)
                command = CancelBooking(
                    each.event_id,
                    each.booking_id,
                    person_id,
                    person_id,
                    tuple(valid),
                    event_starts_at=where.event_starts_at,
                )
                await engine.submit(command)
        after = bookings.next_cursor
        if after is None:
            break


async def _end_transfers(database: Database, engine: Engine, person_id: UUID, now: datetime) -> None:
    while offered := await reads.list_open_of_giver(database, person_id, PAGE_MAX):
        outcomes = await asyncio.gather(
            *[engine.submit(WithdrawTransfer(each.event_id, each.transfer_id, person_id)) for each in offered]
        )
        if all(isinstance(outcome, No) for outcome in outcomes):
            break  # accepted or expired a moment ago
    async with database.transaction() as tx:
        received = await reads.list_received_upcoming(tx, person_id, now, PAGE_MAX)
    await asyncio.gather(
        *[
            engine.submit(GiveBackTicket(each.event_id, each.booking_id, each.ticket_id, person_id))
            for each in received
        ]
    )
    async with database.transaction() as tx:
        await tx.execute(*sql.forget_addresses_of_person(person_id=person_id))


async def forget_addresses(database: Database, now: datetime) -> None:
    """Delete the addresses of transfers that ended long ago."""
    async with database.transaction() as tx:
        await tx.execute(*sql.forget_addresses(before=now - ADDRESS_KEPT))
