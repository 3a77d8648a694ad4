"""The tickets of a booking with all that is written on them, and why there may be none."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from evently import attendees
from evently.catalogue import Event, Venue
from evently.kit.errors import Refusal
from evently.kit.ids import reference_of
from evently.sales.nouns import Booking
from evently.sales.states import TicketState


class TicketsRefusal(Refusal):
    """Every refusal of this package."""

    TICKET_NOT_FOUND = "ticket-not-found"
    NO_VALID_TICKET = "no-valid-ticket"
    NO_WALLET = "no-wallet"


class WalletError(Exception):
    """A key or a certificate for a wallet cannot be used; the message tells the operator why."""


class IssuedTicket(msgspec.Struct, frozen=True):
    """One ticket.

    `number` counts the tickets of the booking from 1. `code` is None unless the ticket admits, or has
    admitted, its holder, who is the reader. `total_minor` is what it costs, fees and taxes included.
    `name_version` counts the changes of the name. `passed_on`: its buyer has passed it on.
    `held`: by the reader.
    """

    ticket_id: UUID
    ticket_type_id: UUID
    number: int
    state: TicketState
    type_name: str
    total_minor: int
    seat_label: str | None
    returning: bool
    code: str | None
    attendee_name: str | None = None
    name_version: int = 0
    passed_on: bool = False
    held: bool = True


class IssuedTickets(msgspec.Struct, frozen=True):
    """The tickets of a booking that the reader may see, void ones included.

    `buyer_name` is None when the account of the buyer was closed.
    """

    booking: Booking
    event: Event
    venue: Venue
    organizer_name: str
    buyer_name: str | None
    tickets: tuple[IssuedTicket, ...]

    @property
    def reference(self) -> str:
        """The short reference of the booking, for people."""
        return reference_of(self.booking.booking_id)

    @property
    def count(self) -> int:
        """How many tickets the booking has, those that the reader may not see included."""
        return max(len(self.booking.tickets), len(self.tickets))

    @property
    def due_at_the_door(self) -> bool:
        """Whether the tickets are paid at the door, and not paid yet."""
        booking = self.booking
        return booking.payment == "door" and booking.payment_id is None and booking.ended_at is None

    def name_ends_at(self, ticket: IssuedTicket, now: datetime) -> datetime | None:
        """Return until when the reader can change the name on a ticket; None when it stays as it is."""
        if not ticket.held:
            return None
        refused = attendees.why_fixed(self.event, self.booking, ticket.state, now, returning=ticket.returning)
        return None if refused is not None else self.event.names_end_at

    @property
    def admitting(self) -> list[IssuedTicket]:
        """The tickets that have a code."""
        return [ticket for ticket in self.tickets if ticket.code is not None]
