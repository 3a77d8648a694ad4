"""Money statements: what the ledger of an event, or of an organizer's events, says of a month or of all time.

    gross - cancelled unpaid - refunded - tax - fees == net

Sums are those of the ledger, row by row, so they equal what the audit recomputes. Taxes are shared by rate.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from evently.db import REPORT_SECONDS_MAX, Database, load_queries

sql: Final = load_queries(__name__)

MONTHS_MAX: Final = 120  # ten years
EVENTS_MAX: Final = 2_000  # of one organizer
_MONTH: Final = re.compile(r"(2[01]\d\d)-(0[1-9]|1[0-2])")
_DECEMBER: Final = 12


class Sums(msgspec.Struct, frozen=True):
    """Sums in minor units. `struck`: cancelled before it was paid."""

    online_minor: int = 0
    door_minor: int = 0
    online_struck_minor: int = 0
    door_struck_minor: int = 0
    refunded_minor: int = 0
    tax_minor: int = 0
    fees_minor: int = 0
    net_minor: int = 0

    @property
    def gross_minor(self) -> int:
        """What buyers owed for every booking that was confirmed."""
        return self.online_minor + self.door_minor

    @property
    def struck_minor(self) -> int:
        """What was cancelled before it was paid."""
        return self.online_struck_minor + self.door_struck_minor

    def __add__(self, other: Sums) -> Sums:
        """Return the sum of both."""
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return Sums(*[mine + theirs for mine, theirs in pairs])


class Tax(msgspec.Struct, frozen=True):
    """The tax at one rate."""

    basis_points: int
    tax_minor: int


class Statement(msgspec.Struct, frozen=True):
    """The money of one currency. `events`: the sums of each event that has some."""

    currency: str
    sums: Sums
    taxes: list[Tax]
    events: dict[UUID, Sums]


class Month(msgspec.Struct, frozen=True):
    """A month of a time zone, as instants."""

    name: str
    from_at: datetime
    to_at: datetime


def month_of(name: str, zone: ZoneInfo) -> Month | None:
    """Return a month by its name, `2026-11`; None for another text."""
    found = _MONTH.fullmatch(name)
    if found is None:
        return None
    year, month = int(found[1]), int(found[2])
    after = (year + 1, 1) if month == _DECEMBER else (year, month + 1)
    from_at, to_at = (datetime(*each, 1, tzinfo=zone).astimezone(UTC) for each in ((year, month), after))
    return Month(name, from_at, to_at)


async def read_statement(
    database: Database, event_ids: list[UUID], month: Month | None = None
) -> list[Statement]:
    """Return the money of events in a month, or of all time, by currency; all as of one instant."""
    span = {"from_at": month and month.from_at, "to_at": month and month.to_at}
    async with database.snapshot(REPORT_SECONDS_MAX) as snapshot:
        rows = await snapshot.fetch(*sql.sum_statement(event_ids=event_ids, **span))
        taxes = await snapshot.fetch(*sql.sum_taxes(event_ids=event_ids, **span))
    by_currency: dict[str, dict[UUID, Sums]] = {}
    for event_id, currency, *sums in rows:
        by_currency.setdefault(currency, {})[event_id] = Sums(*sums)
    return [
        Statement(
            currency,
            sum(events.values(), Sums()),
            [Tax(row["basis_points"], row["tax_minor"]) for row in taxes if row["currency"] == currency],
            events,
        )
        for currency, events in by_currency.items()
    ]


async def list_months(database: Database, event_ids: list[UUID], time_zone: str) -> list[str]:
    """Return the months in which money moved, the newest first."""
    rows = await database.fetch(*sql.list_months(event_ids=event_ids, time_zone=time_zone, limit=MONTHS_MAX))
    return [row["month"] for row in rows]


class EventTitle(msgspec.Struct, frozen=True):
    """An event in the statement of its organizer."""

    event_id: UUID
    title: str
    starts_at: datetime
    time_zone: str


async def list_events(database: Database, organizer_id: UUID) -> list[EventTitle]:
    """Return the events of an organizer that can have money, the newest first."""
    rows = await database.fetch(*sql.list_events(organizer_id=organizer_id, limit=EVENTS_MAX))
    return [EventTitle(**row) for row in rows]
