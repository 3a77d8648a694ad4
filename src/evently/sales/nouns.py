"""What is sold, waited for, passed on and scanned: the records of a sale. Plain values."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from evently.sales.states import (
    BookingPayment,
    BookingState,
    Direction,
    EntryState,
    ScanResult,
    TicketState,
    TransferState,
    WithdrawalReason,
)


class Ticket(msgspec.Struct, frozen=True):
    """One unit of a booking. Only a valid ticket of a confirmed booking admits."""

    ticket_id: UUID
    ticket_type_id: UUID
    price_minor: int
    state: TicketState
    secret: bytes
    discount_minor: int = 0
    # On top of the price: the fee that the buyer pays, and the tax that the price does not include
    surcharge_minor: int = 0
    fee_minor: int = 0  # paid by the buyer or by the organizer
    tax_minor: int = 0  # included in the price or on top of it
    fee_tax_minor: int = 0  # included in a fee that the buyer pays
    seat_number: int | None = None
    seat_id: str | None = None
    seat_label: str | None = None
    # The returned ticket whose unit and seat this one takes over when its booking is confirmed. Until then
    # this ticket has neither.
    replaces: UUID | None = None
    returning_since: datetime | None = None  # since when its holder offers it to the waitlist
    holder_id: UUID | None = None  # to whom it was passed on; None: its buyer holds it

    def total_minor(self) -> int:
        """Return what the buyer pays for it."""
        return self.price_minor - self.discount_minor + self.surcharge_minor

    def all_tax_minor(self) -> int:
        """Return all the tax in the total."""
        return self.tax_minor + self.fee_tax_minor


class Booking(msgspec.Struct, frozen=True):
    """A buyer's claim on units."""

    event_id: UUID
    booking_id: UUID
    buyer_id: UUID
    state: BookingState
    currency: str
    placed_at: datetime
    expires_at: datetime | None
    confirmed_at: datetime | None
    ended_at: datetime | None
    tickets: tuple[Ticket, ...]
    conditions_version: int = 0
    promo_id: UUID | None = None
    entry_id: UUID | None = None  # of the waitlist entry that this booking is, or was, an offer to
    extended: bool = False
    payment: BookingPayment = "door"
    payment_id: UUID | None = None  # of the payment that confirmed it
    paid_minor: int = 0  # authorised when it was confirmed
    captured_at: datetime | None = None
    refunded_minor: int = 0  # the sum of its refunds, pending ones included
    outside_minor: int = 0  # paid back at the gateway by another hand

    def total_minor(self) -> int:
        """Return the amount due for the tickets that are not void."""
        return sum(ticket.total_minor() for ticket in self.tickets if ticket.state != "void")

    def is_returning(self) -> bool:
        """Return whether a ticket of it is offered to the waitlist."""
        return any(ticket.returning_since is not None for ticket in self.tickets)


class WaitlistEntry(msgspec.Struct, frozen=True):
    """One buyer's wish for a quantity of a ticket type.

    `reason` says why it was withdrawn, else it is empty. `promo_id`: the promo code that unlocked its hidden
    ticket type; accepting its offer uses the code.
    """

    event_id: UUID
    entry_id: UUID
    buyer_id: UUID
    ticket_type_id: UUID
    quantity: int
    state: EntryState
    reason: WithdrawalReason | Literal[""]
    joined_at: datetime
    joined_seq: int
    offered_at: datetime | None = None
    booking_id: UUID | None = None
    ended_at: datetime | None = None
    promo_id: UUID | None = None


class Transfer(msgspec.Struct, frozen=True):
    """A holder's offer of a ticket to the person with an e-mail address.

    `address` is None once it was forgotten. `receiver_id`: who accepted.
    """

    event_id: UUID
    transfer_id: UUID
    booking_id: UUID
    ticket_id: UUID
    giver_id: UUID
    address: str | None
    state: TransferState
    offered_at: datetime
    expires_at: datetime
    receiver_id: UUID | None = None
    ended_at: datetime | None = None


class Scan(msgspec.Struct, frozen=True):
    """One attempt at a gate. `ticket_id` is None when the code is of no ticket of the event.

    `offline`: the device decided it by its list, before the server knew; a refused one is a conflict.
    """

    scan_id: UUID  # made by the device
    ticket_id: UUID | None
    direction: Direction
    result: ScanResult
    gate: str  # its name, empty where the event has none
    scanned_by: UUID  # a person, or an API key
    scanned_at: datetime  # by the clock of the device
    received_at: datetime
    offline: bool = False
    undone_at: datetime | None = None
    undone_by: UUID | None = None
    undo_reason: str = ""


class CheckIn(msgspec.Struct, frozen=True):
    """That a ticket is used: its holder came in, `entries` times. `scan_id` is its last accepted scan."""

    ticket_id: UUID
    entries: int
    inside: bool
    scan_id: UUID
    checked_in_at: datetime  # for the first time
