"""Details of one event beyond the sums: its money, holds, waitlists, ticket types and seats.

Each report is as of one instant. It reads the tables of the sales engine in a few statements, whatever the
size of the event.
"""

from __future__ import annotations

import enum
from decimal import Decimal
from itertools import groupby
from typing import Final, TypeVar
from uuid import UUID

import msgspec
from msgspec.structs import replace

from evently.db import Database, Record, load_queries
from evently.kit.errors import Refused
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import load_hall

Row = TypeVar("Row", bound=msgspec.Struct)

sql: Final = load_queries(__name__)


class SeatFigure(enum.IntEnum):
    """What the figures show of a seat: its `SeatState`, with taken split into held and sold."""

    FREE = 0
    HELD = 1
    SOLD = 2
    BLOCKED = 3
    NOT_FOR_SALE = 4


class EventMoney(msgspec.Struct, frozen=True):
    """The ledger of an event in one currency, in minor units.

    `gross - struck - refunded - tax - fees == net`, always.

    `struck`: cancelled before it was paid. `settled`: the part of `refunded` that was paid back, or need not
    be. `uncaptured`: authorised and not captured yet. `at_door`: still owed on site. `discount`: of the
    tickets that are sold now; `gross` does not contain it.
    """

    currency: str
    gross_minor: int
    struck_minor: int
    refunded_minor: int
    tax_minor: int
    fees_minor: int
    net_minor: int
    captured_minor: int
    settled_minor: int
    uncaptured_minor: int
    at_door_minor: int
    discount_minor: int = 0


class BookingOutcomes(msgspec.Struct, frozen=True):
    """Bookings by outcome.

    A booking that was confirmed counts as confirmed, even if it was cancelled later.
    """

    placed: int = 0
    confirmed: int = 0
    expired: int = 0
    cancelled: int = 0
    held: int = 0


class Conversion(msgspec.Struct, frozen=True):
    """Outcomes of bookings that were confirmed at once, of holds, and of offers to the waitlist."""

    at_once: BookingOutcomes
    holds: BookingOutcomes
    offers: BookingOutcomes


class WaitlistFigures(msgspec.Struct, frozen=True):
    """The waitlist of a ticket type. Figures are entries, unless their name says units."""

    ticket_type_id: UUID
    name: str
    joined: int
    waiting: int
    waiting_units: int
    offered: int
    offered_units: int
    ever_offered: int
    fulfilled: int
    fulfilled_units: int
    left: int
    declined: int
    lapsed: int
    cancelled: int
    over_limit: int
    set_aside: int


class TicketSums(msgspec.Struct, frozen=True):
    """Tickets of confirmed bookings, now `sold` or `cancelled`, and their prices in minor units."""

    sold: int = 0
    sold_minor: int = 0
    cancelled: int = 0
    cancelled_minor: int = 0

    def __add__(self, other: TicketSums) -> TicketSums:
        """Return the sum of both."""
        return TicketSums(
            sold=self.sold + other.sold,
            sold_minor=self.sold_minor + other.sold_minor,
            cancelled=self.cancelled + other.cancelled,
            cancelled_minor=self.cancelled_minor + other.cancelled_minor,
        )


class TicketTypeSums(msgspec.Struct, frozen=True):
    """The sums of a ticket type, in total and by section; sections are in the order of the layout."""

    ticket_type_id: UUID
    name: str
    sums: TicketSums
    sections: dict[str, TicketSums]


class TicketTypesReport(msgspec.Struct, frozen=True):
    """The ticket types of an event in their order, and all sections of its layout."""

    currency: str
    ticket_types: list[TicketTypeSums]
    sections: dict[str, TicketSums]


class SeatPrices(msgspec.Struct, frozen=True):
    """Seats in the order of the layout: the `SeatFigure` of each, and the prices of sold seats."""

    digest: str
    currency: str
    states: list[int]
    prices_minor: list[int | None]


async def read_money(database: Database, event_id: UUID) -> list[EventMoney]:
    """Return the money of an event, by currency."""
    async with database.snapshot() as snapshot:
        rows = await snapshot.fetch(*sql.sum_money(event_id=event_id))
        found = await snapshot.fetch(*sql.sum_discounts(event_id=event_id))
    discounts = {row["currency"]: int(row["discount_minor"]) for row in found}
    return [
        replace(_struct(EventMoney, row), discount_minor=discounts.get(row["currency"], 0)) for row in rows
    ]


async def read_conversion(database: Database, event_id: UUID) -> Conversion:
    """Return the outcomes of an event's bookings."""
    rows = await database.fetch(*sql.count_holds(event_id=event_id))
    by_kind = {row["kind"]: _struct(BookingOutcomes, row) for row in rows}
    return Conversion(**{kind: by_kind.get(kind, BookingOutcomes()) for kind in Conversion.__struct_fields__})


async def read_waitlists(database: Database, event_id: UUID) -> list[WaitlistFigures]:
    """Return the waitlists of an event that were ever joined, in the order of its ticket types."""
    rows = await database.fetch(*sql.count_waitlist(event_id=event_id))
    return [_struct(WaitlistFigures, row) for row in rows]


async def read_ticket_types(database: Database, event_id: UUID) -> TicketTypesReport:
    """Return the tickets of each ticket type and of each section of an event."""
    async with database.snapshot() as snapshot:
        hall = await load_hall(snapshot, event_id)
        sections = hall.plan.section_of_seat if hall is not None else []
        names = hall.plan.sections if hall is not None else ()
        rows = await snapshot.fetch(*sql.sum_ticket_types(event_id=event_id, sections=sections))
        currency = await snapshot.fetchval(*sql.read_currency(event_id=event_id))
    types = [
        _type_sums(list(found), names) for _, found in groupby(rows, key=lambda row: row["ticket_type_id"])
    ]
    totals = {
        name: sum([each.sections[name] for each in types if name in each.sections], TicketSums())
        for name in names
    }
    return TicketTypesReport(currency, types, totals)


async def read_seat_prices(database: Database, event_id: UUID) -> SeatPrices:
    """Return the states and prices of an event's seats; refuses `not-seated`."""
    row = await database.fetch_row(*sql.read_seat_prices(event_id=event_id))
    if row is None:
        raise Refused(SalesRefusal.NOT_SEATED, "general_admission")
    free, not_for_sale = int(SeatFigure.FREE), int(SeatFigure.NOT_FOR_SALE)
    states = [free if zone < row["zones"] else not_for_sale for zone in row["zone_of"]]
    prices: list[int | None] = [None] * len(states)
    for number, state, price in zip(row["numbers"], row["states"], row["prices"], strict=True):
        states[number], prices[number] = state, price
    return SeatPrices(row["digest"], row["currency"], states, prices)


def _type_sums(rows: list[Record], names: tuple[str, ...]) -> TicketTypeSums:
    sums = [(row["section"], _struct(TicketSums, row)) for row in rows]
    sections = {names[section]: each for section, each in sums if section is not None}
    return TicketTypeSums(
        rows[0]["ticket_type_id"], rows[0]["name"], sum([each for _, each in sums], TicketSums()), sections
    )


def _struct(kind: type[Row], row: Record) -> Row:
    """Return the columns of a row as a struct, by name.

    Sums are numeric in the database and become integers.
    """
    fields = kind.__struct_fields__
    values = {name: row[name] for name in fields if name in row}
    return kind(
        **{name: int(value) if isinstance(value, Decimal) else value for name, value in values.items()}
    )
