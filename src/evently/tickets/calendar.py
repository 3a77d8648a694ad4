"""A booking as a calendar entry (RFC 5545): when and where, and what was booked.

Times are instants in UTC, which every reader understands without a description of the time zone. Importing
the entry again updates it: its UID stays, and its SEQUENCE grows with each change of the event and of the
booking. It has no METHOD, as in `catalogue/calendar.py`.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from typing import Final
from uuid import UUID

import icalendar

from evently.kit.ids import show_id
from evently.kit.money import show_money
from evently.tickets.nouns import IssuedTickets
from evently.tickets.wording import address_of

_PRODUCT: Final = "-//Evently//Bookings//EN"
# Of the UID. The id alone is unique in the world; the domain must not change with the address of the server
_DOMAIN: Final = "evently"
_STATUS: Final = {
    "held": "TENTATIVE",
    "confirmed": "CONFIRMED",
    "expired": "CANCELLED",
    "cancelled": "CANCELLED",
}


def calendar_for(issued: IssuedTickets, reader_id: UUID | None, base_url: str) -> bytes:
    """Return the iCalendar object of a booking for one reader, whose page of it is under `base_url`.

    E-mail, API and pages give the same file, so that importing it twice makes one entry.
    """
    path = f"/bookings/{show_id('bkg', issued.booking.booking_id)}"
    if reader_id not in (None, issued.booking.buyer_id):
        path = f"/tickets/{show_id('tkt', issued.tickets[0].ticket_id)}"
    return calendar_of(issued, f"{base_url}{path}" if base_url else None)


def calendar_of(issued: IssuedTickets, url: str | None = None) -> bytes:
    """Return the iCalendar object of a booking; `url` is the address of its page."""
    booking, event, venue = issued.booking, issued.event, issued.venue
    changed_at = max(
        at for at in (event.changed_at, booking.placed_at, booking.confirmed_at, booking.ended_at) if at
    ).replace(microsecond=0)
    entry = icalendar.Event()
    entry.add("uid", f"{show_id('bkg', booking.booking_id)}@{_DOMAIN}")
    entry.add("sequence", sequence_of(issued))
    entry.add("dtstamp", changed_at.astimezone(UTC))
    entry.add("created", booking.placed_at.replace(microsecond=0).astimezone(UTC))
    entry.add("last-modified", changed_at.astimezone(UTC))
    entry.add("dtstart", event.starts_at.astimezone(UTC))
    entry.add("dtend", event.ends_at.astimezone(UTC))
    entry.add("summary", event.title)
    entry.add("description", "\n".join(_lines_of(issued)))
    entry.add("location", ", ".join([venue.name, *address_of(venue)]))
    if url is not None:
        entry.add("url", url)
    entry.add("status", "CANCELLED" if event.state == "cancelled" else _STATUS[booking.state])
    calendar = icalendar.Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add_component(entry)
    made: bytes = calendar.to_ical()
    return made


def sequence_of(issued: IssuedTickets) -> int:
    """Return a number that grows with each change that the entry shows.

    The version of an event only grows; a booking is confirmed once and ends once; a void ticket stays void.
    """
    booking = issued.booking
    void = sum(ticket.state == "void" for ticket in issued.tickets)
    return (
        issued.event.version - 1 + void + (booking.confirmed_at is not None) + (booking.ended_at is not None)
    )


def _lines_of(issued: IssuedTickets) -> list[str]:
    """Return what was booked: a line for each seat, and one for each type of tickets without seats."""
    booked = [ticket for ticket in issued.tickets if ticket.state != "void"]
    unseated = Counter(ticket.type_name for ticket in booked if ticket.seat_label is None)
    due = sum(ticket.total_minor for ticket in booked) if issued.due_at_the_door else 0
    return [
        *(f"{count} x {name}" for name, count in unseated.items()),
        *(f"{each.type_name}: {each.seat_label}" for each in booked if each.seat_label is not None),
        *([f"To pay at the door: {show_money(due, issued.booking.currency)}"] if due else ()),
        f"Booking {issued.reference}",
    ]
