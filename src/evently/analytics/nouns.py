"""What is asked and what is answered. Plain values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

import msgspec

# Since 1972 every offset from UTC is a multiple of a quarter of an hour; nobody sold through us before.
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)

Granularity: TypeAlias = Literal["day", "hour"]


class Scope(msgspec.Struct, frozen=True):
    """Whose figures: of an event, of an organizer, or, with neither, of the platform."""

    event_id: UUID | None = None
    organizer_id: UUID | None = None


class Range(msgspec.Struct, frozen=True):
    """From an instant, included, to another, excluded; both at quarters of an hour.

    None: without an end on that side.
    """

    from_at: datetime | None = None
    to_at: datetime | None = None


class Slot(msgspec.Struct, frozen=True):
    """A day or an hour of a time zone, from `starts_at` to `ends_at`, both in UTC; `local_start` is the former on the wall."""

    starts_at: datetime
    ends_at: datetime
    local_start: datetime


class Sums(msgspec.Struct):
    """What was counted. Whatever was cancelled is also part of what was booked, in this range or before."""

    bookings: int = 0
    tickets: int = 0
    amount_minor: int = 0
    cancelled_bookings: int = 0
    cancelled_tickets: int = 0
    cancelled_minor: int = 0


class Revenue(msgspec.Struct, frozen=True):
    """What the ledger says, in minor units.

    `struck`: cancelled before anybody had paid. Of tax and fees, what was given back is off.
    """

    gross_minor: int = 0
    struck_minor: int = 0
    refunded_minor: int = 0
    tax_minor: int = 0
    fees_minor: int = 0

    def net_minor(self) -> int:
        """Return what the organizer keeps. Negative where more was given back than sold."""
        return self.gross_minor - self.struck_minor - self.refunded_minor - self.tax_minor - self.fees_minor


class CurrencyTotals(msgspec.Struct, frozen=True):
    """The sums of the events that sell in one currency, by the prices of their tickets, and by what was owed and paid for them."""

    currency: str
    sums: Sums
    revenue: Revenue = Revenue()


class Capacity(msgspec.Struct, frozen=True):
    """What the pools hold, now, all together."""

    capacity: int
    held: int
    sold: int
    set_aside: int


class Report(msgspec.Struct, frozen=True):
    """The sums of a range. `rows_behind`: journal rows that the relay has yet to count."""

    range: Range
    events: int
    rows_behind: int
    amounts: list[CurrencyTotals]
    capacity: Capacity


class SlotTotals(msgspec.Struct, frozen=True):
    """The sums of a slot, by currency; a currency in which nothing happened is left out."""

    slot: Slot
    amounts: list[CurrencyTotals]


class EventSums(msgspec.Struct, frozen=True):
    """One event among the most booked."""

    event_id: UUID
    title: str
    starts_at: datetime
    state: str
    amounts: CurrencyTotals
    capacity: Capacity


def quarter_of(at: datetime) -> datetime:
    """Return the start of the quarter of an hour in which an instant lies."""
    return at.replace(minute=at.minute - at.minute % 15, second=0, microsecond=0)
