"""What is attached to messages: the tickets as PDF, the booking as a calendar entry."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import structlog

from evently import tickets
from evently.db import Database
from evently.kit.errors import Refused
from evently.kit.ids import show_id
from evently.mail.envelope import Attachment
from evently.mail.nouns import Message
from evently.mail.reading import Story
from evently.tickets import IssuedTickets, TicketPrinter

_WITH_TICKETS: Final = frozenset(
    {"booking_confirmed", "event_reminder", "ticket_received", "seats_changed", "tickets_resent"}
)
# Importing the entry again updates it: another time, or cancelled
_WITH_CALENDAR: Final = frozenset(
    {
        "booking_confirmed",
        "event_rescheduled",
        "booking_cancelled",
        "ticket_received",
        "seats_changed",
        "tickets_resent",
    }
)
# Mail servers take ten megabytes and more; beyond this, the page of the booking is the better way
BYTES_MAX: Final = 5_000_000

_log: Final = structlog.get_logger(__name__)


class Files:
    """Makes the attachments of messages."""

    def __init__(self, database: Database, printer: TicketPrinter, base_url: str) -> None:
        self._database = database
        self._printer = printer
        self._base_url = base_url

    async def attach(self, message: Message, story: Story) -> tuple[Attachment, ...]:
        """Return the attachments of a message."""
        if story.booking is None or message.kind not in _WITH_TICKETS | _WITH_CALENDAR:
            return ()
        try:
            issued = await tickets.load_tickets(self._database, story.booking, message.person_id)
        except Refused:  # the ticket has another holder by now
            return ()
        found = [
            await self._tickets(issued) if message.kind in _WITH_TICKETS else None,
            self._calendar(issued, message.person_id) if message.kind in _WITH_CALENDAR else None,
        ]
        return tuple(each for each in found if each is not None)

    async def _tickets(self, issued: IssuedTickets) -> Attachment | None:
        """Return the tickets that admit; None when there are none, or when the file is too large."""
        try:
            tickets.check_valid(issued)
        except Refused:
            return None
        content = await self._printer.pdf_of(issued)
        if len(content) > BYTES_MAX:
            _log.warning("tickets_not_attached", booking_id=show_id("bkg", issued.booking.booking_id))
            return None
        return Attachment("your tickets", f"tickets-{issued.reference}.pdf", "application/pdf", content)

    def _calendar(self, issued: IssuedTickets, reader_id: UUID | None) -> Attachment:
        content = tickets.calendar_for(issued, reader_id, self._base_url)
        return Attachment(
            "an entry for your calendar", f"booking-{issued.reference}.ics", "text/calendar", content
        )
