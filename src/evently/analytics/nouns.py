"""The nouns of analytics: scopes, ranges, and the structs of reports."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

import msgspec

# Since 1972 every offset from UTC is a multiple of a quarter of an hour. No sale here is older than EARLIEST.
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)

Granularity: TypeAlias = Literal["day", "hour"]


class Scope(msgspec.Struct, frozen=True):
    """An event, an organizer, or, with neither, the platform."""

    event_id: UUID | None = None
    organizer_id: UUID | None = None


class Range(msgspec.Struct, frozen=True):
    """From an instant, included, to another, excluded; both at quarters of an hour. None: no limit."""

    from_at: datetime | None = None
    to_at: datetime | None = None


class Slot(msgspec.Struct, frozen=True):
    """A day or an hour of a time zone, from `starts_at` to `ends_at`, both in UTC.

    `local_start` is `starts_at` in the time zone.
    """

    starts_at: datetime
    ends_at: datetime
    local_start: datetime


class Sums(msgspec.Struct):
    """What was counted. Cancelled tickets are also part of the booked ones, in this range or before."""

    bookings: int = 0
    tickets: int = 0
    amount_minor: int = 0
    cancelled_bookings: int = 0
    cancelled_tickets: int = 0
    cancelled_minor: int = 0


class Conversions(msgspec.Struct):
    """What became of holds, offers to the waitlist included, and how many waitlist entries there were."""

    holds: int = 0
    confirmed: int = 0
    expired: int = 0
    cancelled: int = 0
    joined: int = 0
    fulfilled: int = 0
    withdrawn: int = 0

    def held(self) -> int:
        """Return the holds that are neither confirmed, expired nor cancelled."""
        return self.holds - self.confirmed - self.expired - self.cancelled

    def waiting(self) -> int:
        """Return the waitlist entries that wait, or have an offer."""
        return self.joined - self.fulfilled - self.withdrawn


class Revenue(msgspec.Struct, frozen=True):
    """The ledger, in minor units.

    `struck`: cancelled before it was paid. Tax and fees are without those that were paid back.
    """

    gross_minor: int = 0
    struck_minor: int = 0
    refunded_minor: int = 0
    tax_minor: int = 0
    fees_minor: int = 0

    def net_minor(self) -> int:
        """Return what the organizer keeps. Negative when more was paid back than sold."""
        return self.gross_minor - self.struck_minor - self.refunded_minor - self.tax_minor - self.fees_minor


class CurrencyTotals(msgspec.Struct, frozen=True):
    """The sums of the events of one currency: by the prices of their tickets, and by the ledger."""

    currency: str
    sums: Sums
    revenue: Revenue = Revenue()


class Capacity(msgspec.Struct, frozen=True):
    """The counters of all pools together, now."""

    capacity: int
    held: int
    sold: int
    set_aside: int


class Report(msgspec.Struct, frozen=True):
    """The sums of a range. `rows_behind`: journal rows that are not counted yet."""

    range: Range
    events: int
    rows_behind: int
    amounts: list[CurrencyTotals]
    capacity: Capacity


class SlotTotals(msgspec.Struct, frozen=True):
    """The sums of a slot, by currency. A currency without sums is left out."""

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
    """Return the start of the quarter of an hour that contains an instant."""
    return at.replace(minute=at.minute - at.minute % 15, second=0, microsecond=0)
