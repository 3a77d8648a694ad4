"""Terms: what an organizer sets about a sale.

Pools, ticket types, conditions, promo codes, seating. Plain values.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from evently.kit.shapes import number, text

CAPACITY_MAX: Final = 1_000_000  # of one pool: the largest paid crowds on record are half of it
POOLS_MAX: Final = 50  # of one event
TICKET_TYPES_MAX: Final = 100  # of one event, retired ones included
PROMO_CODES_MAX: Final = 1_000  # of one event, retired ones included: a sale keeps all of them in memory
PROMO_CODE_CHARACTERS_MAX: Final = 40
ZONES_MAX: Final = 100  # of one event: more colours than a plan can show
SEAT_BLOCKS_MAX: Final = 200  # of one event: a sale keeps all of them in memory
HOLD_SECONDS_MAX: Final = 3_600
OFFER_SECONDS_MAX: Final = 7 * 86_400
HOLDS_PER_BUYER_MAX: Final = 100  # more would be no limit: a purchase is one hold
HELD_UNITS_PER_BUYER_MAX: Final = 10_000  # a hundred holds of the largest bookings
REFUND_WINDOWS_MAX: Final = 10
CONDITIONS_MAX: Final = 1_000  # versions of one event
NOT_FOR_SALE: Final = 255  # in `zone_of`
WHOLE: Final = 10_000  # basis points

RESCHEDULINGS_MAX: Final = 1_000  # of one event: a sale keeps all of them in memory
GIVE_BACK_DAYS_MAX: Final = 366
HOURS_BEFORE_MAX: Final = 8_784  # a year: refunds are not promised further ahead

CANCELLATION_REASON_CHARACTERS_MAX: Final = 500  # a few sentences

PaymentMode: TypeAlias = Literal["online", "door"]
PaidBy: TypeAlias = Literal["buyer", "organizer"]
BasisPoints = Annotated[int, number(0, WHOLE, 500, "Ten-thousandths: 500 is five percent.")]
GiveBackDays = Annotated[int, number(0, GIVE_BACK_DAYS_MAX, 14)]
HoursBefore = Annotated[int, number(0, HOURS_BEFORE_MAX, 48)]
CancellationReason = Annotated[
    str, text(CANCELLATION_REASON_CHARACTERS_MAX, "The heating of the hall has failed.")
]
PromoKind: TypeAlias = Literal["percent", "fixed", "fixed_per_booking", "unlock"]


class PoolTerms(msgspec.Struct, frozen=True):
    """A counted capacity."""

    pool_id: UUID
    name: str
    capacity: int


class TicketTypeTerms(msgspec.Struct, frozen=True):
    """A ticket type. A unit takes one unit of each of its pools, and a seat of its zone if it has one.

    `hidden`: sold only with a promo code that unlocks it. `tax_included`: tax is in the price, else on top of
    it. `needed_ids`: it is an add-on, sold only together with a ticket of one of these types;
    `per_needed_max`: at most so many for each of those.
    """

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
    zone: str | None = None
    tax_basis_points: int = 0
    tax_included: bool = True
    hidden: bool = False
    needed_ids: tuple[UUID, ...] = ()
    per_needed_max: int | None = None


class Fees(msgspec.Struct, frozen=True):
    """The fee for selling a ticket: a fixed amount plus a share of the discounted price.

    Free tickets have none. `tax_basis_points`: the tax in a fee that buyers pay; None: the rate of the ticket
    type.
    """

    fixed_minor: int = 0
    basis_points: int = 0
    paid_by: PaidBy = "buyer"
    tax_basis_points: int | None = None


class RefundWindow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The share of the paid amount that is refunded until `hours_before` hours before the start."""

    hours_before: HoursBefore
    basis_points: BasisPoints

    def ends_at(self, starts_at: datetime) -> datetime:
        """Return the end of the window for an event that starts at this instant."""
        return starts_at - timedelta(hours=self.hours_before)


class Conditions(msgspec.Struct, frozen=True):
    """Conditions of sale, frozen on each booking.

    The default is a box office: paid at the door, cancelled freely until the start.

    `refund_windows`: of those still open, the one with the most hours applies; without one, nothing is
    refunded. `cancel_hours_before`: later than that, buyers cannot cancel. `fee_kept`: the buyer's fee is
    never refunded. `give_back_days`: for how many days after the event gets another time or place a buyer may
    give tickets back in full, at most until it starts.
    """

    payment: PaymentMode = "door"
    hold_seconds: int = 600
    offer_seconds: int = 3_600
    fees: Fees = Fees()
    refund_windows: tuple[RefundWindow, ...] = (RefundWindow(0, WHOLE),)
    cancel_hours_before: int = 0
    fee_kept: bool = False
    # For one buyer and event, offers of the waitlist apart: nobody keeps an event from all others
    holds_per_buyer_max: int = 2
    held_units_per_buyer_max: int = 20
    orphans_forbidden: bool = (
        False  # for seats that buyers name; the best available seats avoid orphans anyway
    )
    give_back_days: int = 14


class Rescheduling(msgspec.Struct, frozen=True):
    """A change of the time or place of an event on sale: when it was made, and the start before and after."""

    at: datetime
    starts_before: datetime
    starts_at: datetime
    place_changed: bool


class PromoTerms(msgspec.Struct, frozen=True):
    """A promo code. `value`: a discount on each ticket, in basis points or minor units, or on the booking.

    `ticket_type_ids`: the ticket types that it applies to; empty: all. A code of any kind unlocks the hidden
    ticket types that it names.
    """

    promo_id: UUID
    code: str  # upper case
    kind: PromoKind
    value: int
    ticket_type_ids: tuple[UUID, ...] = ()
    uses_max: int | None = None
    per_buyer_max: int | None = None
    budget_minor: int | None = None
    from_at: datetime | None = None
    until_at: datetime | None = None
    retired: bool = False
    units_per_use_max: int | None = None  # units that it applies to, in one booking


class SeatBlockTerms(msgspec.Struct, frozen=True):
    """A name for blocked seats, such as a partner's; at `until` those that are left are unblocked."""

    block_id: UUID
    name: str
    until: datetime | None = None


class Seating(msgspec.Struct, frozen=True):
    """An event's copy of a seat map.

    `layout` is its canonical JSON; `zone_of` has one byte a seat: the index of its zone, or 255.
    """

    digest: str
    layout: bytes
    zones: tuple[str, ...]
    zone_of: bytes
