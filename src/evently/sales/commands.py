"""What may be asked of a sale, and what may be answered. Plain values; the ids in a command were made by whoever sends it."""

from __future__ import annotations

from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

from evently.kit.errors import Refusal

LINES_MAX: Final = 20  # ticket types in one booking: more than any event page offers at once
UNITS_MAX: Final = 100  # units in one booking: a school class and its teachers; larger groups talk to the organizer
CAPACITY_MAX: Final = 1_000_000  # of one pool: the largest paid crowds on record are half of it
HOLD_SECONDS_MAX: Final = 3_600
POOLS_MAX: Final = 50  # of one event
TICKET_TYPES_MAX: Final = 100  # of one event, retired ones included


class SalesRefusal(Refusal):
    """Every expected no of the till."""

    EVENT_NOT_FOUND = "event-not-found"
    BOOKING_NOT_FOUND = "booking-not-found"
    UNKNOWN_TICKET_TYPE = "unknown-ticket-type"
    UNKNOWN_TICKET = "unknown-ticket"
    UNKNOWN_POOL = "unknown-pool"
    NOT_ON_SALE_YET = "not-on-sale-yet"
    SALE_ENDED = "sale-ended"
    EVENT_CANCELLED = "event-cancelled"
    OVER_BOOKING_LIMIT = "over-booking-limit"
    OVER_BUYER_LIMIT = "over-buyer-limit"
    SOLD_OUT = "sold-out"
    KEY_REUSED = "key-reused"
    HOLD_EXPIRED = "hold-expired"
    ALREADY_CONFIRMED = "already-confirmed"
    ALREADY_CANCELLED = "already-cancelled"
    TICKET_USED = "ticket-used"
    TOO_LATE_TO_CANCEL = "too-late-to-cancel"
    CAPACITY_TAKEN = "capacity-taken"
    POOL_IN_USE = "pool-in-use"
    TOO_MANY_PARTS = "too-many-parts"
    NOTHING_TO_SELL = "nothing-to-sell"


# What is booked -----------------------------------------------------------------------------------------------------------


class Ticket(msgspec.Struct, frozen=True):
    """One unit of a booking. `state`: valid, used or void; only a confirmed booking's valid ticket admits."""

    ticket_id: UUID
    ticket_type_id: UUID
    price_minor: int
    state: str
    secret: bytes


class Booking(msgspec.Struct, frozen=True):
    """A buyer's claim on units. `state`: held, confirmed, expired or cancelled."""

    event_id: UUID
    booking_id: UUID
    buyer_id: UUID
    state: str
    currency: str
    placed_at: datetime
    expires_at: datetime | None
    confirmed_at: datetime | None
    ended_at: datetime | None
    tickets: tuple[Ticket, ...]

    def total_minor(self) -> int:
        """Return the amount due for the tickets that are not void."""
        return sum(ticket.price_minor for ticket in self.tickets if ticket.state != "void")


# What may be asked --------------------------------------------------------------------------------------------------------


class Line(msgspec.Struct, frozen=True):
    """So many units of one ticket type."""

    ticket_type_id: UUID
    quantity: int


class PlaceBooking(msgspec.Struct, frozen=True):
    """Book units: confirmed at once, or held for `hold_seconds` when given. `lines` name each ticket type once."""

    event_id: UUID
    buyer_id: UUID
    lines: tuple[Line, ...]
    hold_seconds: int | None = None
    key: str | None = None  # the Idempotency-Key of the request, within (event, actor)
    fingerprint: bytes = b""  # of the request: the same key with another one is refused


class ConfirmBooking(msgspec.Struct, frozen=True):
    """Turn a hold into a confirmed booking."""

    event_id: UUID
    booking_id: UUID


class CancelBooking(msgspec.Struct, frozen=True):
    """Cancel a booking, or only the tickets named. `buyer_id` None: the organizer asks, whoever's booking it is."""

    event_id: UUID
    booking_id: UUID
    actor_id: UUID
    buyer_id: UUID | None
    ticket_ids: tuple[UUID, ...] | None = None
    not_after: datetime | None = None  # the start of the event, for a buyer
    key: str | None = None
    fingerprint: bytes = b""


class ExpireHolds(msgspec.Struct, frozen=True):
    """Do nothing: every batch begins by taking back due holds, and this is a reason to run one."""

    event_id: UUID


class PoolTerms(msgspec.Struct, frozen=True):
    """A counted capacity."""

    pool_id: UUID
    name: str
    capacity: int


class TicketTypeTerms(msgspec.Struct, frozen=True):
    """What a buyer picks. A unit takes one unit of each of `pool_ids`."""

    ticket_type_id: UUID
    name: str
    description: str
    position: int
    price_minor: int
    per_booking_max: int
    pool_ids: tuple[UUID, ...]
    per_buyer_max: int | None = None
    on_sale_at: datetime | None = None
    off_sale_at: datetime | None = None
    retired: bool = False


class SetUpSale(msgspec.Struct, frozen=True):
    """Make the sale of a new event, closed."""

    event_id: UUID
    currency: str
    on_sale_at: datetime
    off_sale_at: datetime
    pools: tuple[PoolTerms, ...]
    ticket_types: tuple[TicketTypeTerms, ...]


class ChangeSale(msgspec.Struct, frozen=True):
    """Move the sale window."""

    event_id: UUID
    on_sale_at: datetime
    off_sale_at: datetime


class OpenSale(msgspec.Struct, frozen=True):
    """Sell from now on, within the window. Needs something to sell."""

    event_id: UUID


class CancelSale(msgspec.Struct, frozen=True):
    """Never sell again. The bookings are cancelled afterwards, one page at a time, by a job."""

    event_id: UUID


class PutPool(msgspec.Struct, frozen=True):
    """Add a pool or change it; its capacity goes no lower than what is taken."""

    event_id: UUID
    pool: PoolTerms


class RemovePool(msgspec.Struct, frozen=True):
    """Remove a pool that no ticket type draws on."""

    event_id: UUID
    pool_id: UUID


class PutTicketType(msgspec.Struct, frozen=True):
    """Add a ticket type or change it. The pools of one that has sold cannot be changed."""

    event_id: UUID
    ticket_type: TicketTypeTerms


class RetireTicketType(msgspec.Struct, frozen=True):
    """Stop selling a ticket type; its tickets stay valid."""

    event_id: UUID
    ticket_type_id: UUID


Command: TypeAlias = (
    PlaceBooking
    | ConfirmBooking
    | CancelBooking
    | ExpireHolds
    | SetUpSale
    | ChangeSale
    | OpenSale
    | CancelSale
    | PutPool
    | RemovePool
    | PutTicketType
    | RetireTicketType
)

# What may be answered -----------------------------------------------------------------------------------------------------


class Booked(msgspec.Struct, frozen=True):
    """The booking as the command left it; `replayed` when an earlier request with this key had done it."""

    booking: Booking
    replayed: bool = False


class Done(msgspec.Struct, frozen=True):
    """A command about the sale itself was carried out."""


class No(msgspec.Struct, frozen=True):
    """A refusal, with what it says about this case."""

    refusal: SalesRefusal
    detail: str = ""


Outcome: TypeAlias = Booked | Done | No
