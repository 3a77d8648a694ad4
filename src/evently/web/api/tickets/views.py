"""A ticket as clients see it: with everything that is printed on it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from evently.attendees import NAME_CHARACTERS_MAX
from evently.kit.ids import show_id
from evently.kit.money import Money
from evently.sales.states import TicketState
from evently.tickets import IssuedTicket, IssuedTickets

AttendeeName = Annotated[
    str,
    msgspec.Meta(
        examples=["Grace Hopper"], extra_json_schema={"minLength": 1, "maxLength": NAME_CHARACTERS_MAX}
    ),
]


class TicketEventView(msgspec.Struct, frozen=True):
    """The event of a ticket; the local times are those on the clocks at the venue."""

    id: str
    title: str
    state: str
    starts_at: datetime
    ends_at: datetime
    starts_at_local: datetime
    ends_at_local: datetime
    time_zone: str
    organizer_name: str


class TicketVenueView(msgspec.Struct, frozen=True):
    """The venue of a ticket."""

    id: str
    name: str
    address: str
    city: str
    country: str


class TicketDetailsView(msgspec.Struct, frozen=True):
    """One ticket. `number` counts the tickets of its booking, which has `tickets_of_booking`.

    `code` admits one person. It is null when the ticket admits nobody: before the booking is confirmed, when
    the ticket is void, when the event is cancelled. It is also null in the answers for organizers, and for
    the buyer of a ticket that was `passed_on`: only the person who holds it sees it.
    `amount_due` is what is paid at the door. `returning`: the buyer returned the ticket, and it is offered to
    the waitlist; it stays valid until another buyer takes it. `qr_url`, `pdf_url` and `wallet_url` are null
    where `code` is; `wallet_url` also where this installation has no wallet. `attendee_name`: null when none
    was given; the buyer can change it until `attendee_name_until`, which is null when it stays as it is.
    """

    id: str
    booking_id: str
    reference: str
    number: int
    tickets_of_booking: int
    state: TicketState
    returning: bool
    passed_on: bool
    ticket_type_id: str
    ticket_type_name: str
    total: Money
    amount_due: Money
    seat_label: str | None
    attendee_name: AttendeeName | None
    attendee_name_until: datetime | None
    code: str | None
    event: TicketEventView
    venue: TicketVenueView
    qr_url: str | None
    pdf_url: str | None
    calendar_url: str
    wallet_url: str | None


def show_ticket(
    issued: IssuedTickets, ticket: IssuedTicket, now: datetime, *, with_code: bool, wallet: bool = False
) -> TicketDetailsView:
    """Return a ticket as its buyer sees it, or without its code as others do."""
    event, venue = issued.event, issued.venue
    shown, booking_id = show_id("tkt", ticket.ticket_id), show_id("bkg", issued.booking.booking_id)
    currency = issued.booking.currency
    code = ticket.code if with_code else None
    return TicketDetailsView(
        id=shown,
        booking_id=booking_id,
        reference=issued.reference,
        number=ticket.number,
        tickets_of_booking=len(issued.booking.tickets),
        state=ticket.state,
        returning=ticket.returning,
        passed_on=ticket.passed_on,
        ticket_type_id=show_id("tty", ticket.ticket_type_id),
        ticket_type_name=ticket.type_name,
        total=Money(ticket.total_minor, currency),
        amount_due=Money(ticket.total_minor if issued.due_at_the_door else 0, currency),
        seat_label=ticket.seat_label,
        attendee_name=ticket.attendee_name,
        attendee_name_until=issued.name_ends_at(ticket, now),
        code=code,
        event=TicketEventView(
            show_id("evt", event.event_id),
            event.title,
            event.state,
            event.starts_at,
            event.ends_at,
            event.starts_at_local,
            event.ends_at_local,
            event.time_zone,
            issued.organizer_name,
        ),
        venue=TicketVenueView(
            show_id("ven", venue.venue_id), venue.name, venue.address, venue.city, venue.country
        ),
        qr_url=None if code is None else f"/v1/tickets/{shown}/qr.svg",
        pdf_url=None if code is None else f"/v1/bookings/{booking_id}/tickets.pdf",
        calendar_url=f"/v1/bookings/{booking_id}/calendar.ics",
        wallet_url=f"/v1/tickets/{shown}/wallet" if code is not None and wallet else None,
    )
