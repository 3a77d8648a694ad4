"""What insight knows of one event beyond the roll-ups: its money, its holds, its waitlist, its ticket types and its seats.

Each answer is one instant's, from the tables that the till itself keeps, in a few statements whatever the
event's size.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec.structs import replace

from evently.db import Database, Record, load_queries
from evently.kit.errors import Refused
from evently.sales.commands import SalesRefusal
from evently.sales.reads import load_hall

sql: Final = load_queries(__name__)

SEAT_FREE: Final = 0
SEAT_HELD: Final = 1
SEAT_SOLD: Final = 2
SEAT_BLOCKED: Final = 3
SEAT_NOT_FOR_SALE: Final = 4


class EventMoney(msgspec.Struct, frozen=True):
    """The ledger of an event in one currency, in minor units.

    `gross - struck - refunded - tax - fees == net`, always.

    `struck`: cancelled before anybody had paid. `settled` of `refunded` is paid back or needed not be. `uncaptured`: authorised and not yet
    collected. `at_door`: still owed on site. `discount` is what was taken off the tickets that are sold now; gross is without it.
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


class Fates(msgspec.Struct, frozen=True):
    """What became of bookings.

    One that was confirmed stays confirmed here, even if it was cancelled later.
    """

    placed: int = 0
    confirmed: int = 0
    expired: int = 0
    cancelled: int = 0
    held: int = 0


class Conversion(msgspec.Struct, frozen=True):
    """Bookings that were confirmed at once, held first, or offered to the waitlist."""

    at_once: Fates
    holds: Fates
    offers: Fates


class WaitlistFigures(msgspec.Struct, frozen=True):
    """The waitlist of a ticket type, in entries unless they are called units."""

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
    """Tickets of confirmed bookings, and what they cost in minor units; `sold` now, and `cancelled`."""

    sold: int = 0
    sold_minor: int = 0
    cancelled: int = 0
    cancelled_minor: int = 0

    def __add__(self, other: TicketSums) -> TicketSums:
        """Return both together."""
        return TicketSums(
            *[
                mine + its
                for mine, its in zip(
                    msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True
                )
            ]
        )


class TypeSums(msgspec.Struct, frozen=True):
    """A ticket type, and the sections in which it sold seats, in the order of the layout."""

    ticket_type_id: UUID
    name: str
    sums: TicketSums
    sections: dict[str, TicketSums]


class TypesReport(msgspec.Struct, frozen=True):
    """An event's ticket types in their order, and the sections of its layout, all of them."""

    currency: str
    ticket_types: list[TypeSums]
    sections: dict[str, TicketSums]


class SeatPrices(msgspec.Struct, frozen=True):
    """Seats in the order of the layout: a state each (`SEAT_FREE` and so on), and what sold ones cost."""

    digest: str
    currency: str
    states: list[int]
    prices_minor: list[int | None]


async def read_money(database: Database, event_id: UUID) -> list[EventMoney]:
    """Return an event's money, by currency."""
    async with database.snapshot() as snapshot:
        rows = await snapshot.fetch(*sql.sum_money(event_id=event_id))
        found = await snapshot.fetch(*sql.sum_discounts(event_id=event_id))
    discounts = {row["currency"]: int(row["discount_minor"]) for row in found}
    return [
        replace(
            EventMoney(row["currency"], *_integers(row, skip=1)),
            discount_minor=discounts.get(row["currency"], 0),
        )
        for row in rows
    ]


async def read_conversion(database: Database, event_id: UUID) -> Conversion:
    """Return what became of an event's bookings."""
    rows = await database.fetch(*sql.count_holds(event_id=event_id))
    fates: dict[str, Any] = {row["kind"]: Fates(*_integers(row, skip=1)) for row in rows}
    return Conversion(*[fates.get(kind, Fates()) for kind in Conversion.__struct_fields__])


async def read_waiting(database: Database, event_id: UUID) -> list[WaitlistFigures]:
    """Return the waitlists of an event, in the order of its ticket types; those that nobody ever joined are left out."""
    rows = await database.fetch(*sql.count_waitlist(event_id=event_id))
    return [WaitlistFigures(row["ticket_type_id"], row["name"], *_integers(row, skip=2)) for row in rows]


async def read_ticket_types(database: Database, event_id: UUID) -> TypesReport:
    """Return what each ticket type of an event sold, and each section."""
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
    return TypesReport(currency, types, totals)


async def read_seat_prices(database: Database, event_id: UUID) -> SeatPrices:
    """Return the states and prices of an event's seats; refuses `not-seated`."""
    row = await database.fetch_row(*sql.read_seat_prices(event_id=event_id))
    if row is None:
        raise Refused(SalesRefusal.NOT_SEATED, "general_admission")
    states = [SEAT_FREE if zone < row["zones"] else SEAT_NOT_FOR_SALE for zone in row["zone_of"]]
    prices: list[int | None] = [None] * len(states)
    for number, state, price in zip(row["numbers"], row["states"], row["prices"], strict=True):
        states[number], prices[number] = state, price
    return SeatPrices(row["digest"], row["currency"], states, prices)


def _type_sums(rows: list[Record], names: tuple[str, ...]) -> TypeSums:
    sums = [(row["section"], TicketSums(*_integers(row, skip=3))) for row in rows]
    sections = {names[section]: each for section, each in sums if section is not None}
    return TypeSums(
        rows[0]["ticket_type_id"], rows[0]["name"], sum([each for _, each in sums], TicketSums()), sections
    )


def _integers(row: Record, skip: int) -> list[int]:
    """Return all columns but the first ones: sums are numeric to the database."""
    return [int(value) for value in list(row.values())[skip:]]
