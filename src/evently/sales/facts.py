"""What can happen to a sale: the facts of the journal, past tense, people by id only.

A journal row holds the facts of one batch as canonical JSON; those bytes are what is hashed. `at` of the row
is the instant of all its facts. A ticket in a fact is `[ticket_id, ticket_type_id, price_minor]`; what only
some tickets have stands beside them, in their order: `seats` (numbers in the layout, -1 without), `money`
(`[discount, surcharge, fee, tax]` in minor units), `replaces` (returned tickets, or null). What is left out
has its default.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

from evently.sales.terms import Conditions, PromoTerms

NO_HASH: Final = bytes(32)  # what the first journal row follows

TicketFact: TypeAlias = tuple[UUID, UUID, int]
MoneyFact: TypeAlias = tuple[int, int, int, int]


class _Fact(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True):
    """A fact is told apart by its `type`, the name of its class."""


class SaleSetUp(_Fact, frozen=True):
    """The sale came to be, closed."""

    currency: str
    on_sale_at: datetime
    off_sale_at: datetime


class SaleChanged(_Fact, frozen=True):
    """The sale window changed."""

    on_sale_at: datetime
    off_sale_at: datetime


class SaleOpened(_Fact, frozen=True):
    """The event was published: within its window, it sells."""


class SaleCancelled(_Fact, frozen=True):
    """The event was cancelled: it will never sell again."""


class PoolPut(_Fact, frozen=True):
    """A pool came to be, or changed."""

    pool_id: UUID
    name: str
    capacity: int


class PoolRemoved(_Fact, frozen=True):
    """A pool that no ticket type draws on is gone."""

    pool_id: UUID


class TicketTypePut(_Fact, frozen=True):
    """A ticket type came to be, or changed."""

    ticket_type_id: UUID
    name: str
    price_minor: int
    per_booking_max: int
    per_buyer_max: int | None
    on_sale_at: datetime | None
    off_sale_at: datetime | None
    pool_ids: tuple[UUID, ...]
    zone: str | None = None
    tax_basis_points: int = 0
    tax_included: bool = True
    hidden: bool = False


class TicketTypeRetired(_Fact, frozen=True):
    """A ticket type is no longer sold."""

    ticket_type_id: UUID


class BookingHeld(_Fact, frozen=True):
    """Units were held for a buyer until `expires_at`."""

    booking_id: UUID
    buyer_id: UUID
    expires_at: datetime
    tickets: tuple[TicketFact, ...]
    seats: tuple[int, ...] = ()
    money: tuple[MoneyFact, ...] = ()
    conditions_version: int = 0
    promo_id: UUID | None = None
    entry_id: UUID | None = None  # it is an offer
    replaces: tuple[UUID | None, ...] = ()


class BookingConfirmed(_Fact, frozen=True):
    """Units were booked and confirmed in one step; what they cost is paid at the door."""

    booking_id: UUID
    buyer_id: UUID
    tickets: tuple[TicketFact, ...]
    seats: tuple[int, ...] = ()
    money: tuple[MoneyFact, ...] = ()
    conditions_version: int = 0
    promo_id: UUID | None = None


class HoldExtended(_Fact, frozen=True):
    """A hold lasts longer."""

    booking_id: UUID
    expires_at: datetime


class HoldConfirmed(_Fact, frozen=True):
    """A hold became a confirmed booking: paid with a payment, or at the door."""

    booking_id: UUID
    tickets: tuple[TicketFact, ...]
    payment_id: UUID | None = None
    paid_minor: int = 0


class HoldExpired(_Fact, frozen=True):
    """A hold was not confirmed in time; its units are free, and so are these seats."""

    booking_id: UUID
    tickets: tuple[TicketFact, ...]
    freed: tuple[int, ...] = ()


class BookingCancelled(_Fact, frozen=True):
    """A booking ended; `tickets` are those that were still valid.

    `was` is the state before: held or confirmed.
    """

    booking_id: UUID
    was: str
    tickets: tuple[TicketFact, ...]
    refund_id: UUID | None = None  # something is to be paid back
    refund_minor: int = 0
    unpaid: bool = False  # the payment turned out to be void
    freed: tuple[int, ...] = ()  # seats


class TicketsCancelled(_Fact, frozen=True):
    """Some tickets of a booking were cancelled; it lives on with the others. As above."""

    booking_id: UUID
    was: str
    tickets: tuple[TicketFact, ...]
    refund_id: UUID | None = None
    refund_minor: int = 0
    unpaid: bool = False
    freed: tuple[int, ...] = ()


class PaymentCaptured(_Fact, frozen=True):
    """The payment of a booking was collected."""

    booking_id: UUID
    payment_id: UUID
    amount_minor: int


class RefundSettled(_Fact, frozen=True):
    """What was to be paid back was. `how`: gateway, or never_paid."""

    booking_id: UUID
    refund_id: UUID
    amount_minor: int
    how: str


class TicketsReturned(_Fact, frozen=True):
    """A holder would let tickets go to the waitlist."""

    booking_id: UUID
    ticket_ids: tuple[UUID, ...]


class TicketsKept(_Fact, frozen=True):
    """A holder took that back."""

    booking_id: UUID
    ticket_ids: tuple[UUID, ...]


class TicketUnbound(_Fact, frozen=True):
    """A ticket of an offer stood for a returned one, which was cancelled: it now holds that unit and seat itself."""

    booking_id: UUID
    ticket_id: UUID
    seat: int | None = None


class ConditionsPut(_Fact, frozen=True):
    """Bookings from now on are made under these conditions."""

    version: int
    conditions: Conditions


class SeatingPut(_Fact, frozen=True):
    """The event's seats and zones are these; `zone_of` as in the table, base64."""

    digest: str
    zones: tuple[str, ...]
    zone_of: bytes


class SeatsBlocked(_Fact, frozen=True):
    """Seats were taken off the sale."""

    seats: tuple[int, ...]


class SeatsUnblocked(_Fact, frozen=True):
    """Seats are sold again."""

    seats: tuple[int, ...]


class PromoCodePut(_Fact, frozen=True):
    """A promo code came to be, or changed."""

    promo: PromoTerms


class WaitlistJoined(_Fact, frozen=True):
    """Somebody waits."""

    entry_id: UUID
    buyer_id: UUID
    ticket_type_id: UUID
    quantity: int


class OfferMade(_Fact, frozen=True):
    """A waitlist entry was offered a booking, which is held."""

    entry_id: UUID
    booking_id: UUID


class OfferAccepted(_Fact, frozen=True):
    """An offer was taken; the entry is fulfilled."""

    entry_id: UUID
    booking_id: UUID


class EntryWithdrawn(_Fact, frozen=True):
    """An entry waits no longer. `reason`: left, declined, lapsed, cancelled, over_limit."""

    entry_id: UUID
    reason: str


class UnitsSetAside(_Fact, frozen=True):
    """So many units are now set aside for those who wait for a ticket type."""

    ticket_type_id: UUID
    units: int


Fact: TypeAlias = (
    SaleSetUp
    | SaleChanged
    | SaleOpened
    | SaleCancelled
    | PoolPut
    | PoolRemoved
    | TicketTypePut
    | TicketTypeRetired
    | ConditionsPut
    | SeatingPut
    | SeatsBlocked
    | SeatsUnblocked
    | PromoCodePut
    | BookingHeld
    | BookingConfirmed
    | HoldExtended
    | HoldConfirmed
    | HoldExpired
    | BookingCancelled
    | TicketsCancelled
    | PaymentCaptured
    | RefundSettled
    | TicketsReturned
    | TicketsKept
    | TicketUnbound
    | WaitlistJoined
    | OfferMade
    | OfferAccepted
    | EntryWithdrawn
    | UnitsSetAside
)

_encoder: Final = msgspec.json.Encoder(order="deterministic")
_decoder: Final = msgspec.json.Decoder(list[Fact])


def encode_facts(facts: Sequence[Fact]) -> bytes:
    """Return the canonical bytes of the facts of one batch."""
    return _encoder.encode(facts)


def decode_facts(stored: bytes) -> list[Fact]:
    """Return the facts of one journal row."""
    return _decoder.decode(stored)


def chain(previous_hash: bytes, stored: bytes) -> bytes:
    """Return the hash of a journal row: `sha256(hash of the row before || facts)`."""
    return hashlib.sha256(previous_hash + stored).digest()
