"""Notifications to people: offers, confirmed and cancelled bookings, refunds, reminders.

The relay makes notifications from the facts of the journal, in the transaction that marks them delivered.
Their key is their place in the journal, so a fact notifies at most once. A fact that concerns all buyers of
an event notifies at most once for each booking: a job does that. What the clock asks for has a negative `seq`
in its key, which is the same whenever the schedule repeats it. A notification holds ids only; the code that
shows or sends it reads the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from evently.db import Connection, Database, Record, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import NO_ID, new_id
from evently.notifications.choices import forget_choices
from evently.sales.facts import (
    BookingCancelled,
    BookingConfirmed,
    EntryWithdrawn,
    Fact,
    HoldConfirmed,
    HoldExpired,
    OfferAccepted,
    OfferMade,
    RefundSettled,
    TicketGivenBack,
    TicketsCancelled,
    TicketsExchanged,
    TicketUnbound,
    TransferAccepted,
    TransferEnded,
)
from evently.sales.outbox import JournalFacts

sql: Final = load_queries(__name__)

KEPT: Final = timedelta(days=365)  # an older one is read already, or never will be
FORGOTTEN_MAX: Final = 10_000  # deleted at a time
ENDING_MAX: Final = 1_000  # offers in one transaction
# The places of what the clock asks for: no journal row has a `seq` below 1
_OFFER_ENDING_SEQ: Final = -1
# Half a working day to decide, if the offer is that long; a quarter of a short one
LAST_HOURS: Final = timedelta(hours=3)
# An offer shorter than this ends before a warning would be read
WARNED_OFFER_MIN: Final = timedelta(minutes=20)


class NewNotification(msgspec.Struct, frozen=True):
    """A notification that a fact asks for. `line`: the place of the fact in its journal row.

    `person_id` is None when the statement finds the person by the booking or the waitlist entry.
    """

    line: int
    kind: str
    person_id: UUID | None = None
    booking_id: UUID | None = None
    entry_id: UUID | None = None
    refund_id: UUID | None = None
    apart_id: UUID = NO_ID  # tells the notifications of one fact apart


class Notification(msgspec.Struct, frozen=True):
    """A notification of a person. The kinds are listed with the table (migrations 0014, 0019, 0028).

    `seq` and `line`: the place of its fact in the journal; `seq` is negative for what the clock asked for.
    """

    notification_id: UUID
    person_id: UUID
    event_id: UUID
    kind: str
    booking_id: UUID | None
    entry_id: UUID | None
    refund_id: UUID | None
    created_at: datetime
    read_at: datetime | None
    seq: int
    line: int


async def add(
    tx: Connection, rows: Sequence[JournalFacts], unpaid: Collection[UUID] = frozenset()
) -> list[Notification]:
    """Store the notifications of these journal rows: one statement, however many rows. Harmless to repeat.

    `unpaid`: bookings with a payment; if their hold has expired, it was declined or late: notify the buyer.
    Returns the notifications that were not stored before.
    """
    new = [(row, notification) for row in rows for notification in notifications_of(row.facts, unpaid)]
    if not new:
        return []
    return _stored(
        await tx.fetch(
            *sql.add(
                event_ids=[row.event_id for row, _ in new],
                seqs=[row.seq for row, _ in new],
                lines=[notification.line for _, notification in new],
                ids=[new_id() for _ in new],
                person_ids=[notification.person_id for _, notification in new],
                kinds=[notification.kind for _, notification in new],
                booking_ids=[notification.booking_id for _, notification in new],
                entry_ids=[notification.entry_id for _, notification in new],
                refund_ids=[notification.refund_id for _, notification in new],
                apart_ids=[notification.apart_id for _, notification in new],
                ats=[row.at for row, _ in new],
            )
        )
    )


async def add_for_bookings(
    tx: Connection, event_id: UUID, seq: int, kind: str, at: datetime, booking_ids: Sequence[UUID]
) -> list[Notification]:
    """Store a notification to the buyers of these bookings, and to whom they have passed tickets on.

    Harmless to repeat. Bookings that were placed after the row, or are live no more, are left out, and so are
    reminders of bookings of which others hold every ticket. Returns the notifications that were not stored
    before.
    """
    about: dict[str, Any] = {"event_id": event_id, "seq": seq, "kind": kind, "at": at}
    new = {"booking_ids": booking_ids, "ids": [new_id() for _ in booking_ids]}
    stored = _stored(await tx.fetch(*sql.add_for_bookings(**about, **new)))
    held = [
        row["ticket_id"]
        for row in await tx.fetch(*sql.list_passed_on(event_id=event_id, booking_ids=booking_ids))
    ]
    if held:
        new = {"ticket_ids": held, "ids": [new_id() for _ in held]}
        stored += _stored(await tx.fetch(*sql.add_for_holders(**about, **new)))
    return stored


async def add_for_cancelled_tickets(tx: Connection, rows: Sequence[JournalFacts]) -> list[Notification]:
    """Notify people whose tickets were cancelled that others had passed on to them. Harmless to repeat."""
    lost = [
        (row, line, ticket_id)
        for row in rows
        for line, fact in enumerate(row.facts)
        if isinstance(fact, BookingCancelled | TicketsCancelled) and fact.was == "confirmed"
        for ticket_id, *_ in fact.tickets
    ]
    if not lost:
        return []
    return _stored(
        await tx.fetch(
            *sql.add_for_cancelled_tickets(
                event_ids=[row.event_id for row, _, _ in lost],
                seqs=[row.seq for row, _, _ in lost],
                lines=[line for _, line, _ in lost],
                ticket_ids=[ticket_id for _, _, ticket_id in lost],
                ids=[new_id() for _ in lost],
                ats=[row.at for row, _, _ in lost],
            )
        )
    )


async def add_reminders(
    tx: Connection, event_id: UUID, starts_at: datetime, now: datetime, booking_ids: Sequence[UUID]
) -> list[Notification]:
    """Store a reminder of the start of an event for each of these bookings, once for each start.

    Bookings that are not confirmed are left out. Returns the reminders that were not stored before.
    """
    seq = -int(starts_at.timestamp())
    return await add_for_bookings(tx, event_id, seq, "event_reminder", now, booking_ids)


async def add_for_ending_offers(tx: Connection, now: datetime) -> list[Notification]:
    """Notify people whose offer is in its last hours, once; return the notifications.

    The last hours are a quarter of the offer's time, and at most `LAST_HOURS`.
    """
    ending = await tx.fetch(
        *sql.list_ending_offers(
            now=now, last_hours=LAST_HOURS, shortest=WARNED_OFFER_MIN, seq=_OFFER_ENDING_SEQ, limit=ENDING_MAX
        )
    )
    return _stored(
        await tx.fetch(
            *sql.add_for_offers(
                event_ids=[row["event_id"] for row in ending],
                booking_ids=[row["booking_id"] for row in ending],
                ids=[new_id() for _ in ending],
                seq=_OFFER_ENDING_SEQ,
                now=now,
            )
        )
        if ending
        else []
    )


async def list_notifications(
    database: Database, person_id: UUID, limit: int, after: str | None, *, unread: bool = False
) -> Page[Notification]:
    """Return a page of a person's notifications, newest first; only those not read, when `unread`."""
    position = None if after is None else read_cursor(after, tuple[UUID])[0]
    rows = await database.fetch(
        *sql.list_of_person(person_id=person_id, unread=unread, after=position, limit=limit + 1)
    )
    page = [Notification(**row) for row in rows[:limit]]
    return Page(page, write_cursor((page[-1].notification_id,)) if len(rows) > limit else None)


async def mark_read(tx: Connection, person_id: UUID, notification_id: UUID, now: datetime) -> Notification:
    """Mark a person's notification as read, or refuse: not found. Harmless to repeat."""
    row = await tx.fetchrow(*sql.mark_read(person_id=person_id, notification_id=notification_id, now=now))
    if row is None:
        raise Refused(CommonRefusal.NOT_FOUND)
    return Notification(**row)


async def forget_person(tx: Connection, person_id: UUID) -> None:
    """Delete the notifications and the choices of a person who is being erased."""
    await tx.execute(*sql.forget_person(person_id=person_id))
    await forget_choices(tx, person_id)


async def forget_old(database: Database, now: datetime) -> None:
    """Delete some of the notifications that are older than `KEPT`."""
    async with database.transaction() as tx:
        await tx.execute(*sql.forget_old(before=now - KEPT, limit=FORGOTTEN_MAX))


def notifications_of(facts: Sequence[Fact], unpaid: Collection[UUID] = frozenset()) -> list[NewNotification]:
    """Return the notifications that the facts of a journal row ask for.

    Holds ask for none, and neither does their expiry, unless the booking is one of the `unpaid`.
    """
    resold = _resold(facts)
    found = [
        *[_notification_of(line, each, unpaid, resold=line in resold) for line, each in enumerate(facts)],
        *[each for line, fact in enumerate(facts) for each in _about_holders(line, fact)],
    ]
    return [notification for notification in found if notification is not None]


def _stored(rows: Sequence[Record]) -> list[Notification]:
    return [Notification(**row) for row in rows]


def _notification_of(
    line: int, fact: Fact, unpaid: Collection[UUID], *, resold: bool
) -> NewNotification | None:
    match fact:
        case HoldExpired(booking_id=booking_id) if booking_id in unpaid:
            return NewNotification(line, "payment_failed", booking_id=booking_id)
        case BookingCancelled(booking_id=booking_id, was="confirmed", unpaid=True):
            return NewNotification(line, "payment_failed", booking_id=booking_id)
        case BookingConfirmed(booking_id=booking_id, buyer_id=buyer_id):
            return NewNotification(line, "booking_confirmed", buyer_id, booking_id)
        case HoldConfirmed(booking_id=booking_id):
            return NewNotification(line, "booking_confirmed", booking_id=booking_id)
        case BookingCancelled(booking_id=booking_id, was="confirmed"):
            return NewNotification(
                line,
                "return_taken" if resold else "booking_cancelled",
                booking_id=booking_id,
                refund_id=fact.refund_id,
            )
        case TicketsCancelled(booking_id=booking_id, was="confirmed"):
            return NewNotification(
                line,
                "return_taken" if resold else "tickets_cancelled",
                booking_id=booking_id,
                refund_id=fact.refund_id,
            )
        case RefundSettled(booking_id=booking_id, refund_id=refund_id, how="gateway"):
            return NewNotification(line, "refund_paid", booking_id=booking_id, refund_id=refund_id)
        case OfferMade(entry_id=entry_id, booking_id=booking_id):
            return NewNotification(line, "offer_made", booking_id=booking_id, entry_id=entry_id)
        case EntryWithdrawn(entry_id=entry_id, reason="lapsed"):
            return NewNotification(line, "offer_lapsed", entry_id=entry_id)
        case EntryWithdrawn(entry_id=entry_id, reason="cancelled" | "over_limit"):  # not by the buyer
            return NewNotification(line, "entry_withdrawn", entry_id=entry_id)
    return None


def _about_holders(line: int, fact: Fact) -> list[NewNotification]:
    """Return the notifications about tickets that are passed on or exchanged: one fact may tell several."""
    match fact:
        case TransferAccepted(giver_id=giver_id, receiver_id=receiver_id, booking_id=booking_id):
            return [
                NewNotification(line, "transfer_accepted", giver_id, booking_id),
                NewNotification(line, "ticket_received", receiver_id, booking_id, apart_id=fact.transfer_id),
            ]
        case TransferEnded(how="declined", giver_id=giver_id, booking_id=booking_id):
            return [NewNotification(line, "transfer_declined", giver_id, booking_id)]
        case TransferEnded(how="expired", giver_id=giver_id, booking_id=booking_id):
            return [NewNotification(line, "transfer_expired", giver_id, booking_id)]
        case TicketGivenBack(booking_id=booking_id):
            return [NewNotification(line, "ticket_given_back", booking_id=booking_id)]
        case TicketsExchanged(booking_id=booking_id, buyer_holds=buyer_holds, holder_ids=holder_ids):
            buyer = [NewNotification(line, "seats_changed", booking_id=booking_id)] if buyer_holds else []
            return buyer + [
                NewNotification(line, "seats_changed", holder_id, booking_id, apart_id=holder_id)
                for holder_id in holder_ids
            ]
    return []


def _resold(facts: Sequence[Fact]) -> set[int]:
    """Return the lines that cancel returned tickets because another buyer has accepted an offer for them.

    They come after the confirmation of that offer, and before the facts that give it these units.
    """
    resold: set[int] = set()
    since: list[int] = []
    confirmed: UUID | None = None
    for line, fact in enumerate(facts):
        if isinstance(fact, HoldConfirmed):
            confirmed, since = fact.booking_id, []
        elif isinstance(fact, BookingCancelled | TicketsCancelled):
            since.append(line)
        elif isinstance(fact, TicketUnbound) and fact.booking_id == confirmed:
            resold.update(since)
        elif not isinstance(fact, OfferAccepted):
            confirmed = None
    return resold
