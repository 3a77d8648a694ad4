"""What can happen to a sale: the facts of the journal, in the past tense, with people by id only.

A journal row holds the facts of one batch as canonical JSON; its hash covers exactly these bytes. `at` of the
row is the instant of all its facts. A ticket in a fact is `[ticket_id, ticket_type_id, price_minor]`. What
only some tickets have is listed beside them, in their order: `seats` (numbers in the layout, -1 without one),
`money` (`[discount, surcharge, fee, tax]` in minor units), `fee_taxes` (in minor units), `replaces` (returned
tickets, or null). A field that is left out has its default. The names of facts and fields are stored: they
never change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

from evently.sales.states import (
    BookingState,
    CancelledBy,
    OutsideKind,
    SettledBy,
    TransferEnd,
    WithdrawalReason,
)
from evently.sales.terms import Conditions, PromoTerms

NO_HASH: Final = bytes(32)  # the hash before the first journal row

TicketFact: TypeAlias = tuple[UUID, UUID, int]
# [refund_id, kind, the gateway's reference, amount_minor]
OutsideFact: TypeAlias = tuple[UUID, OutsideKind, str, int]
MoneyFact: TypeAlias = tuple[int, int, int, int]


class _Fact(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True):
    """A fact. Its JSON field `type` is the name of its class."""


class SaleSetUp(_Fact, frozen=True):
    """The sale was created, closed."""

    currency: str
    on_sale_at: datetime
    off_sale_at: datetime


class SaleChanged(_Fact, frozen=True):
    """The sale window changed."""

    on_sale_at: datetime
    off_sale_at: datetime


class SaleOpened(_Fact, frozen=True):
    """The sale was opened: it sells within its window."""


class SaleCancelled(_Fact, frozen=True):
    """The sale was cancelled for good.

    `door_kept`: the organizer keeps what was paid at the door for its bookings. `reason`: why, in their
    words.
    """

    door_kept: bool = False
    reason: str = ""


class EventRescheduled(_Fact, frozen=True):
    """The event got another start or another place while it was on sale."""

    starts_before: datetime
    starts_at: datetime
    place_changed: bool = False


class PoolPut(_Fact, frozen=True):
    """A pool was added or changed."""

    pool_id: UUID
    name: str
    capacity: int


class PoolRemoved(_Fact, frozen=True):
    """A pool that no ticket type draws on was removed."""

    pool_id: UUID


class TicketTypePut(_Fact, frozen=True):
    """A ticket type was added or changed."""

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
    needed_ids: tuple[UUID, ...] = ()
    per_needed_max: int | None = None


class TicketTypeRetired(_Fact, frozen=True):
    """A ticket type was retired: it is no longer sold."""

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
    entry_id: UUID | None = None  # the booking is an offer to this entry
    replaces: tuple[UUID | None, ...] = ()
    fee_taxes: tuple[int, ...] = ()
    via: str = ""  # the source that its buyer came from: the tag of a campaign link


class BookingConfirmed(_Fact, frozen=True):
    """Units were booked and confirmed in one step; they are paid at the door."""

    booking_id: UUID
    buyer_id: UUID
    tickets: tuple[TicketFact, ...]
    seats: tuple[int, ...] = ()
    money: tuple[MoneyFact, ...] = ()
    conditions_version: int = 0
    promo_id: UUID | None = None
    fee_taxes: tuple[int, ...] = ()
    via: str = ""


class HoldExtended(_Fact, frozen=True):
    """A hold got more time."""

    booking_id: UUID
    expires_at: datetime


class HoldConfirmed(_Fact, frozen=True):
    """A hold was confirmed: paid with a payment, or to be paid at the door."""

    booking_id: UUID
    tickets: tuple[TicketFact, ...]
    payment_id: UUID | None = None
    paid_minor: int = 0


class HoldExpired(_Fact, frozen=True):
    """A hold was not confirmed in time; its units were released, and these seats."""

    booking_id: UUID
    tickets: tuple[TicketFact, ...]
    freed: tuple[int, ...] = ()


class BookingCancelled(_Fact, frozen=True):
    """A booking was cancelled; `tickets` are those that were still valid.

    `was` is its state before: held or confirmed. `door_kept`: it was confirmed to be paid at the door, and
    the organizer keeps that money. `parts`: what organizer, tax and fees give of the refund; earlier versions
    did not say it, and rounded otherwise. `by`: who cancelled; `person_id`: of the organizer, which person or
    API key. `reason`: why the organizer did it, in their words.
    """

    booking_id: UUID
    was: BookingState
    tickets: tuple[TicketFact, ...]
    refund_id: UUID | None = None  # of the refund, if there is one
    refund_minor: int = 0
    unpaid: bool = False  # the payment turned out to be void
    freed: tuple[int, ...] = ()  # seats that were released
    door_kept: bool = False
    parts: tuple[int, ...] = ()
    by: CancelledBy = ""
    person_id: UUID | None = None
    reason: str = ""


class TicketsCancelled(_Fact, frozen=True):
    """Some tickets of a booking were cancelled; it keeps the others. Fields as in `BookingCancelled`."""

    booking_id: UUID
    was: BookingState
    tickets: tuple[TicketFact, ...]
    refund_id: UUID | None = None
    refund_minor: int = 0
    unpaid: bool = False
    freed: tuple[int, ...] = ()
    door_kept: bool = False
    parts: tuple[int, ...] = ()
    by: CancelledBy = ""
    person_id: UUID | None = None
    reason: str = ""


class PaymentCaptured(_Fact, frozen=True):
    """The payment of a booking was captured."""

    booking_id: UUID
    payment_id: UUID
    amount_minor: int


class RefundSettled(_Fact, frozen=True):
    """A refund was settled: by the gateway, `never_paid`, because nothing had been taken, or `by_hand`.

    `person_id`: who settled it by hand. `reason`: why, in their words.
    """

    booking_id: UUID
    refund_id: UUID
    amount_minor: int
    how: SettledBy
    person_id: UUID | None = None
    reason: str = ""


class OutsideRefundsRecorded(_Fact, frozen=True):
    """Money of a booking was paid back at the gateway by another hand: `outside_minor` in all.

    It falls when such a refund fails, or when a dispute is won. Refunds that the sale decides are not in it.
    `refunds`: all that are current, with their whole amounts; earlier versions recorded only the sum.
    `parts`: what organizer, tax and fees give of `outside_minor`; earlier versions did not say it, and
    posted such money like a refund of the sale.
    """

    booking_id: UUID
    payment_id: UUID
    outside_minor: int
    refunds: tuple[OutsideFact, ...] = ()
    parts: tuple[int, ...] = ()


class TicketsReturned(_Fact, frozen=True):
    """A holder offered tickets to the waitlist."""

    booking_id: UUID
    ticket_ids: tuple[UUID, ...]


class TicketsKept(_Fact, frozen=True):
    """A holder kept returned tickets after all."""

    booking_id: UUID
    ticket_ids: tuple[UUID, ...]


class TicketUnbound(_Fact, frozen=True):
    """A replacement ticket got the unit and seat of the returned ticket, which was voided."""

    booking_id: UUID
    ticket_id: UUID
    seat: int | None = None


class TransferOffered(_Fact, frozen=True):
    """A holder offered a ticket to the person with an e-mail address, which the journal does not have."""

    transfer_id: UUID
    booking_id: UUID
    ticket_id: UUID
    giver_id: UUID
    expires_at: datetime


class TransferAccepted(_Fact, frozen=True):
    """The ticket of a transfer belongs to the receiver; its code was changed.

    `voided` and `issued`: the digests of the secrets of the old code and of the new one.
    """

    transfer_id: UUID
    booking_id: UUID
    giver_id: UUID
    receiver_id: UUID
    voided: bytes
    issued: bytes


class TransferEnded(_Fact, frozen=True):
    """A transfer ended without being accepted."""

    transfer_id: UUID
    booking_id: UUID
    giver_id: UUID
    how: TransferEnd


class TicketGivenBack(_Fact, frozen=True):
    """A ticket that was passed on belongs to its buyer again; `voided` and `issued` as in a transfer."""

    booking_id: UUID
    ticket_id: UUID
    holder_id: UUID
    voided: bytes
    issued: bytes


class TicketsExchanged(_Fact, frozen=True):
    """The organizer gave tickets of a booking other seats, and other codes.

    Of each ticket, in their order: its seat before and since, and the digests of the secrets of its old code
    and of the new one. `person_id`: who did it, a person or an API key. `holder_ids`: those who hold tickets
    that were passed on, each once.
    """

    booking_id: UUID
    ticket_ids: tuple[UUID, ...]
    freed: tuple[int, ...]
    seats: tuple[int, ...]
    voided: tuple[bytes, ...]
    issued: tuple[bytes, ...]
    person_id: UUID
    buyer_holds: bool = True  # one of the tickets at least
    holder_ids: tuple[UUID, ...] = ()


class TicketCheckedIn(_Fact, frozen=True):
    """A ticket was checked in at the door. `again`: its holder had left, and came back."""

    booking_id: UUID
    ticket_id: UUID
    scan_id: UUID
    again: bool = False


class TicketCheckedOut(_Fact, frozen=True):
    """The holder of a ticket left, and may come back with it."""

    booking_id: UUID
    ticket_id: UUID
    scan_id: UUID


class CheckInUndone(_Fact, frozen=True):
    """The last check-in of a ticket was a mistake.

    The ticket is valid again; when its holder had been in before, it is used, and its holder outside.
    """

    booking_id: UUID
    ticket_id: UUID
    scan_id: UUID


class ConditionsPut(_Fact, frozen=True):
    """The conditions for bookings from now on were set."""

    version: int
    conditions: Conditions


class SeatingPut(_Fact, frozen=True):
    """The seating was set; `zone_of` as in the table `event_seating`, base64."""

    digest: str
    zones: tuple[str, ...]
    zone_of: bytes


class SeatsBlocked(_Fact, frozen=True):
    """Seats were blocked; if `block_id` is given, as a block with a name, or as more seats of it."""

    seats: tuple[int, ...]
    block_id: UUID | None = None
    name: str = ""
    until: datetime | None = None


class SeatsUnblocked(_Fact, frozen=True):
    """Seats were unblocked: by the organizer, or because their block has ended. They left their blocks."""

    seats: tuple[int, ...]


class SeatBlockChanged(_Fact, frozen=True):
    """A block of seats got another name, or another end."""

    block_id: UUID
    name: str
    until: datetime | None = None


class PromoCodePut(_Fact, frozen=True):
    """A promo code was added or changed."""

    promo: PromoTerms


class WaitlistJoined(_Fact, frozen=True):
    """A waitlist entry was added. `promo_id`: the promo code that unlocked its hidden ticket type."""

    entry_id: UUID
    buyer_id: UUID
    ticket_type_id: UUID
    quantity: int
    promo_id: UUID | None = None


class OfferMade(_Fact, frozen=True):
    """A waitlist entry was offered a booking, which is held."""

    entry_id: UUID
    booking_id: UUID


class OfferAccepted(_Fact, frozen=True):
    """An offer was accepted; its entry is fulfilled."""

    entry_id: UUID
    booking_id: UUID


class OfferDiscounted(_Fact, frozen=True):
    """An offer is about to be accepted with a promo code: its tickets have these amounts from now on."""

    entry_id: UUID
    booking_id: UUID
    promo_id: UUID
    tickets: tuple[TicketFact, ...]
    money: tuple[MoneyFact, ...]
    fee_taxes: tuple[int, ...] = ()


class EntryWithdrawn(_Fact, frozen=True):
    """An entry was withdrawn."""

    entry_id: UUID
    reason: WithdrawalReason


class UnitsSetAside(_Fact, frozen=True):
    """The number of units set aside for the waitlist of a ticket type changed."""

    ticket_type_id: UUID
    units: int


class WaitingRoomPut(_Fact, frozen=True):
    """The sale has a waiting room: who books needs an admission from it.

    `seed_hash`: SHA-256 of the seed, in hexadecimal. `public_source`: where the public value will be read.
    """

    opens_at: datetime
    seed_hash: str
    public_source: str = ""


class WaitingRoomRemoved(_Fact, frozen=True):
    """The sale has no waiting room any more."""


class WaitingRoomClosed(_Fact, frozen=True):
    """The list of a waiting room was closed. `list_hash`: SHA-256 of it, in hexadecimal."""

    entries: int
    list_hash: str


class WaitingRoomDrawn(_Fact, frozen=True):
    """The order of a waiting room was drawn; its seed, in hexadecimal, is public from then on."""

    seed: str
    public_value: str = ""


Fact: TypeAlias = (
    SaleSetUp
    | SaleChanged
    | SaleOpened
    | SaleCancelled
    | EventRescheduled
    | PoolPut
    | PoolRemoved
    | TicketTypePut
    | TicketTypeRetired
    | ConditionsPut
    | SeatingPut
    | SeatsBlocked
    | SeatsUnblocked
    | SeatBlockChanged
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
    | OutsideRefundsRecorded
    | TicketsReturned
    | TicketsKept
    | TicketUnbound
    | TransferOffered
    | TransferAccepted
    | TransferEnded
    | TicketGivenBack
    | TicketsExchanged
    | TicketCheckedIn
    | TicketCheckedOut
    | CheckInUndone
    | WaitlistJoined
    | OfferMade
    | OfferDiscounted
    | OfferAccepted
    | EntryWithdrawn
    | UnitsSetAside
    | WaitingRoomPut
    | WaitingRoomRemoved
    | WaitingRoomClosed
    | WaitingRoomDrawn
)

_encoder: Final = msgspec.json.Encoder(order="deterministic")
_decoder: Final = msgspec.json.Decoder(list[Fact])


def encode_facts(facts: Sequence[Fact]) -> bytes:
    """Encode the facts of one batch in their canonical bytes."""
    return _encoder.encode(facts)


def decode_facts(stored: bytes) -> list[Fact]:
    """Decode the facts of one journal row."""
    return _decoder.decode(stored)


def chain(previous_hash: bytes, stored: bytes) -> bytes:
    """Return the hash of a journal row: `sha256(hash of the previous row || facts)`."""
    return hashlib.sha256(previous_hash + stored).digest()
