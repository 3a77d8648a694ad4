"""Commands about bookings and their money."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final
from uuid import UUID

import msgspec

from evently.sales.commands import Command, Needs
from evently.sales.states import OutsideKind, SettledBy

LINES_MAX: Final = 20  # ticket types in one booking: more than any event page offers at once
# Units in one booking: a school class and its teachers; larger groups talk to the organizer
UNITS_MAX: Final = 100


class BookingLine(msgspec.Struct, frozen=True):
    """A quantity of one ticket type, with these seats (as many ids as units) or the best available ones.

    `section` restricts the best available seats to a section of the seat map. `accessible` of them are
    accessible seats; the others are beside those.
    """

    ticket_type_id: UUID
    quantity: int
    seats: tuple[str, ...] | None = None
    section: str | None = None
    accessible: int = 0


class PlaceBooking(Command, frozen=True):
    """Book units. `lines` name each ticket type once, and no seat twice.

    A booking to be paid online is held for the time in the conditions, or for `hold_seconds` when given; any
    other booking is confirmed at once.
    """

    needs: ClassVar = Needs(key=True, buyer_units=True, buyer_holds=True, promo_uses=True, may_release=False)

    buyer_id: UUID
    lines: tuple[BookingLine, ...]
    hold_seconds: int | None = None
    key: str | None = None  # the Idempotency-Key of the request; unique within (event, actor)
    fingerprint: bytes = b""  # of the request: a request with the same key and another fingerprint is refused
    promo_code: str | None = None  # case does not matter
    via: str = ""  # the source of the booking: recorded in the journal, and without effect on the sale
    admitted: bool = False  # by the waiting room of the sale: its token was verified

    @property
    def actor_id(self) -> UUID:
        """Return whose idempotency key it is."""
        return self.buyer_id

    def ticket_type_ids(self) -> list[UUID]:
        """Return the ticket types that are booked."""
        return [line.ticket_type_id for line in self.lines]


class ConfirmBooking(Command, frozen=True):
    """Confirm a hold: with a payment that authorised the amount due, or to be paid on site."""

    needs: ClassVar = Needs(booking=True, may_release=False)

    booking_id: UUID
    payment_id: UUID | None = None
    amount_minor: int = 0


class ExtendHold(Command, frozen=True):
    """Restart the time of a hold, from now; once per hold."""

    needs: ClassVar = Needs(booking=True, may_release=False)

    booking_id: UUID
    buyer_id: UUID


class RecordCapture(Command, frozen=True):
    """Record that the payment of a confirmed booking was captured. Harmless to repeat."""

    needs: ClassVar = Needs(booking=True, may_release=False)

    booking_id: UUID
    payment_id: UUID


class RecordRefund(Command, frozen=True):
    """Record that a refund was settled: by the gateway, not at all (nothing was taken), or by a person.

    Harmless to repeat. `person_id`: who settled it by hand. `reason`: why, in their words.
    """

    needs: ClassVar = Needs(booking=True, refund=True, may_release=False)

    booking_id: UUID
    refund_id: UUID
    how: SettledBy = "gateway"
    person_id: UUID | None = None
    reason: str = ""


class OutsideRefund(msgspec.Struct, frozen=True):
    """Captured money that was paid back at the gateway by another hand. `reference`: the gateway's id."""

    kind: OutsideKind
    reference: str
    amount_minor: int


class RecordOutsideRefunds(Command, frozen=True):
    """Record what others have paid back of a captured payment at the gateway: all that is current there.

    `known_minor` is the sum that was recorded when the gateway was asked: an answer that another one has
    overtaken is refused. Harmless to repeat. What covers refunds that the sale has decided already is not
    counted again.
    """

    needs: ClassVar = Needs(booking=True, outside=True, posted=True, may_release=False)

    booking_id: UUID
    payment_id: UUID
    refunds: tuple[OutsideRefund, ...]
    known_minor: int


class CancelBooking(Command, frozen=True):
    """Cancel a booking, or only the tickets named.

    `buyer_id` is None when the organizer cancels; then any booking can be cancelled and everything paid is
    refunded. A buyer is refunded what the conditions say, counted from `event_starts_at`, or from a start
    that was promised since the booking, whichever is better for the buyer. `unpaid`: the
    payment that confirmed the booking turned out to be void; nothing is refunded, because nothing was taken.
    `keeps_door`, of an organizer: what was paid at the door is kept. Captured money never is. `actor_id` is
    the event where it was cancelled as a whole. `reason`, of an organizer: why, in their words.
    """

    needs: ClassVar = Needs(key=True, booking=True, posted=True)

    booking_id: UUID
    actor_id: UUID
    buyer_id: UUID | None
    ticket_ids: tuple[UUID, ...] | None = None
    event_starts_at: datetime | None = None  # set for buyers: their deadline and refund depend on it
    key: str | None = None
    fingerprint: bytes = b""
    unpaid: bool = False
    keeps_door: bool = False
    reason: str = ""


class ReturnTickets(Command, frozen=True):
    """Offer tickets of a confirmed booking to the waitlist. Harmless to repeat.

    The holder keeps them until an offer for them is accepted.
    """

    needs: ClassVar = Needs(booking=True, posted=True)

    booking_id: UUID
    buyer_id: UUID
    ticket_ids: tuple[UUID, ...]


class KeepTickets(Command, frozen=True):
    """Stop offering returned tickets to the waitlist, unless they are offered to an entry now.

    Harmless to repeat.
    """

    needs: ClassVar = Needs(booking=True)

    booking_id: UUID
    buyer_id: UUID
    ticket_ids: tuple[UUID, ...]
