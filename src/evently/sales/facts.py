"""What can happen to a sale: the facts of the journal, past tense, people by id only.

A journal row holds the facts of one batch as canonical JSON; those bytes are what is hashed. `at` of the row is the instant of all its
facts.
A ticket in a fact is `[ticket_id, ticket_type_id, price_minor]`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

NO_HASH: Final = bytes(32)  # what the first journal row follows

TicketFact: TypeAlias = tuple[UUID, UUID, int]


class _Fact(msgspec.Struct, frozen=True, tag_field="type"):
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


class TicketTypeRetired(_Fact, frozen=True):
    """A ticket type is no longer sold."""

    ticket_type_id: UUID


class BookingHeld(_Fact, frozen=True):
    """Units were held for a buyer until `expires_at`."""

    booking_id: UUID
    buyer_id: UUID
    expires_at: datetime
    tickets: tuple[TicketFact, ...]


class BookingConfirmed(_Fact, frozen=True):
    """Units were booked and confirmed in one step."""

    booking_id: UUID
    buyer_id: UUID
    tickets: tuple[TicketFact, ...]


class HoldConfirmed(_Fact, frozen=True):
    """A hold became a confirmed booking."""

    booking_id: UUID
    tickets: tuple[TicketFact, ...]


class HoldExpired(_Fact, frozen=True):
    """A hold was not confirmed in time; its units are free."""

    booking_id: UUID
    tickets: tuple[TicketFact, ...]


class BookingCancelled(_Fact, frozen=True):
    """A booking ended; `tickets` are those that were still valid. `was` is the state before: held or confirmed."""

    booking_id: UUID
    was: str
    tickets: tuple[TicketFact, ...]


class TicketsCancelled(_Fact, frozen=True):
    """Some tickets of a booking were cancelled; it lives on with the others. `was` as above."""

    booking_id: UUID
    was: str
    tickets: tuple[TicketFact, ...]


Fact: TypeAlias = (
    SaleSetUp
    | SaleChanged
    | SaleOpened
    | SaleCancelled
    | PoolPut
    | PoolRemoved
    | TicketTypePut
    | TicketTypeRetired
    | BookingHeld
    | BookingConfirmed
    | HoldConfirmed
    | HoldExpired
    | BookingCancelled
    | TicketsCancelled
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
