"""Reads what a message is about, at the moment when it is sent: so it says what is true then.

A message that is no longer true is dropped: a reminder of a cancelled booking, an offer that has ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from evently import accounts, attendees, catalogue, sales
from evently.accounts import Organizer
from evently.catalogue import Event, Venue
from evently.db import Database, load_queries
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import show_id
from evently.kit.memory import Memory
from evently.mail.nouns import Notified
from evently.sales.nouns import Booking, WaitlistEntry
from evently.sales.terms import Rescheduling

sql: Final = load_queries(__name__)

REMEMBERED_SECONDS: Final = 10.0  # thousands of messages are about one event
REMEMBERED_MAX: Final = 200  # events


class Dropped(Exception):
    """The message is no longer true."""


class About(msgspec.Struct, frozen=True):
    """An event with what its messages name."""

    event: Event
    venue: Venue
    organizer: Organizer
    type_names: Mapping[UUID, str]
    rescheduling: Rescheduling | None  # the latest


class Story(msgspec.Struct, frozen=True):
    """What a message about an event tells. `unnamed`: required names that are missing, in a reminder."""

    about: About
    booking: Booking | None
    entry: WaitlistEntry | None
    refund_minor: int | None
    unnamed: int = 0
    reader_id: UUID | None = None  # to whom the message goes
    reason: str = ""  # why the organizer cancelled

    @property
    def event(self) -> Event:
        """The event."""
        return self.about.event

    @property
    def page(self) -> str:
        """The path of the page with the reader's tickets: of the booking, for its buyer."""
        booking = self.booking
        assert booking is not None, "a story about tickets has a booking"
        if self.reader_id in (None, booking.buyer_id):
            return f"/bookings/{show_id('bkg', booking.booking_id)}"
        if booking.tickets:
            return f"/tickets/{show_id('tkt', booking.tickets[0].ticket_id)}"
        return "/me/tickets"


class Reader:
    """Reads stories. Remembers events for some seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._events: Memory[UUID, About] = Memory(REMEMBERED_SECONDS, REMEMBERED_MAX)

    async def find_name(self, person_id: UUID | None) -> str:
        """Return the name of a person; empty for nobody, and for a person who is not there."""
        if person_id is None:
            return ""
        try:
            return (await accounts.people.get_person(self._database, person_id)).name
        except Refused:
            return ""

    async def read(self, kind: str, subject: Notified, now: datetime, reader_id: UUID | None = None) -> Story:
        """Return the story of a message of a kind to a reader; raises Dropped when it is no longer true.

        Without a reader, it is told as to the buyer.
        """
        try:
            about = await self._events.get(subject.event_id, lambda: self._read_event(subject.event_id))
            booking, entry = await self._read_claim(subject)
            refund_minor = await self._read_refund(subject)
            reason = await self._read_reason(subject, about.event)
        except Refused as exc:
            raise Dropped("what it is about is not there any more") from exc
        if booking is not None and reader_id not in (None, booking.buyer_id):
            # What was passed on to the reader; if it is theirs no more, then what was
            own = tuple([each for each in booking.tickets if each.holder_id == reader_id])
            booking = msgspec.structs.replace(booking, tickets=own)
        unnamed = await self._count_unnamed(kind, about.event, booking, now)
        story = Story(about, booking, entry, refund_minor, unnamed, reader_id, reason)
        check(kind, story, now)
        return story

    async def check_offered(self, transfer_id: UUID) -> None:
        """Raise Dropped when a ticket is no longer offered."""
        try:
            story = await sales.reads.get_transfer(self._database, transfer_id)
        except Refused as exc:
            raise Dropped("the offer is not there any more") from exc
        if story.transfer.state != "offered":
            raise Dropped("the offer has ended")

    async def read_about(self, event_id: UUID, now: datetime) -> About:
        """Return an event with what messages name; raises Dropped when it has begun or was cancelled."""
        try:
            about = await self._events.get(event_id, lambda: self._read_event(event_id))
        except Refused as exc:
            raise Dropped("the event is not there any more") from exc
        if not _lies_ahead(about.event, now):
            raise Dropped("the event has begun or was cancelled")
        return about

    async def _read_event(self, event_id: UUID) -> About:
        event = await catalogue.get_event(self._database, event_id)
        rows = await self._database.fetch(*sql.list_type_names(event_id=event_id))
        found = await sales.reads.list_reschedulings(self._database, [event_id])
        reschedulings = found.get(event_id, [])
        return About(
            event,
            await catalogue.get_venue(self._database, event.venue_id),
            await accounts.organizers.get_organizer(self._database, event.organizer_id),
            {row["ticket_type_id"]: row["name"] for row in rows},
            reschedulings[-1] if reschedulings else None,
        )

    async def _read_claim(self, subject: Notified) -> tuple[Booking | None, WaitlistEntry | None]:
        booking = (
            None
            if subject.booking_id is None
            else await sales.reads.get_booking(self._database, subject.booking_id)
        )
        entry = (
            None
            if subject.entry_id is None
            else await sales.reads.get_entry(self._database, subject.entry_id)
        )
        return booking, entry

    async def _count_unnamed(self, kind: str, event: Event, booking: Booking | None, now: datetime) -> int:
        if kind != "event_reminder" or booking is None or event.attendee_names != "required":
            return 0
        names = await attendees.find_names(self._database, booking)
        return attendees.unnamed(event, booking, names, now)

    async def _read_refund(self, subject: Notified) -> int | None:
        if subject.refund_id is None or subject.booking_id is None:
            return None
        refunds = await sales.reads.list_refunds(self._database, subject.event_id, subject.booking_id)
        found = next((refund for refund in refunds if refund.refund_id == subject.refund_id), None)
        if found is None:
            raise Refused(CommonRefusal.NOT_FOUND)
        return found.amount_minor

    async def _read_reason(self, subject: Notified, event: Event) -> str:
        """Return why the organizer cancelled: these tickets, or else the event."""
        said = ""
        if subject.seq > 0:
            place = (subject.event_id, subject.seq, subject.line)
            said = await sales.reads.find_cancellation_reason(self._database, *place)
        return said or event.cancellation_reason or ""


def check(kind: str, story: Story, now: datetime) -> None:
    """Raise Dropped when a message is no longer true."""
    event, booking = story.event, story.booking
    if kind == "booking_confirmed" and booking is not None and booking.state != "confirmed":
        raise Dropped("the booking was cancelled meanwhile")
    if kind in ("ticket_received", "seats_changed") and not (booking is not None and booking.tickets):
        raise Dropped("the ticket has another holder again")
    if kind in ("seats_changed", "tickets_resent") and (booking is None or booking.state != "confirmed"):
        raise Dropped("the booking was cancelled meanwhile")
    if kind in ("event_rescheduled", "event_reminder") and not _lies_ahead(event, now):
        raise Dropped("the event has begun or was cancelled")
    if kind == "event_reminder" and (booking is None or booking.state != "confirmed"):
        raise Dropped("the booking was cancelled")
    if kind in ("offer_made", "offer_ending") and (
        booking is None or booking.state != "held" or booking.expires_at is None or booking.expires_at <= now
    ):
        raise Dropped("the offer has ended")


def _lies_ahead(event: Event, now: datetime) -> bool:
    return event.state == "published" and event.starts_at > now
