"""What is attached to messages: the tickets as PDF, the event as a calendar file."""

from __future__ import annotations

from typing import Final

import structlog

from evently import catalogue, tickets
from evently.db import Database
from evently.kit.errors import Refused
from evently.kit.ids import reference_of, show_id
from evently.mail.envelope import Attachment
from evently.mail.nouns import Message
from evently.mail.reading import Story
from evently.tickets import TicketPrinter

_WITH_TICKETS: Final = frozenset({"booking_confirmed", "event_reminder"})
_WITH_CALENDAR: Final = frozenset({"booking_confirmed", "event_rescheduled"})
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
        found = [
            await self._tickets(story) if message.kind in _WITH_TICKETS else None,
            self._calendar(story) if message.kind in _WITH_CALENDAR else None,
        ]
        return tuple(each for each in found if each is not None)

    async def _tickets(self, story: Story) -> Attachment | None:
        """Return the tickets that admit; None when there are none, or when the file is too large."""
        if story.booking is None:
            return None
        issued = await tickets.load_tickets(self._database, story.booking)
        try:
            tickets.check_valid(issued)
        except Refused:
            return None
        content = await self._printer.pdf_of(issued)
        if len(content) > BYTES_MAX:
            _log.warning("tickets_not_attached", booking_id=show_id("bkg", story.booking.booking_id))
            return None
        filename = f"tickets-{reference_of(story.booking.booking_id)}.pdf"
        return Attachment("your tickets", filename, "application/pdf", content)

    def _calendar(self, story: Story) -> Attachment:
        content = catalogue.calendar_file(story.event, story.about.venue, self._base_url)
        return Attachment(
            "an entry for your calendar",
            "event.ics",
            "text/calendar",
            content,
        )
