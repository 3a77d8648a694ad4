"""Money statements as people read them: the same lines as a page, as CSV, as PDF and over the API.

of_event, of_organizer   what is asked for: of which events, in which month
read                     the statements, one for each currency, as of one instant
lines_of                 what comes in, what goes out, and what the organizer keeps
encode_csv, print_pdf    the lines as files
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from evently.analytics.statements import (
    EventTitle,
    Month,
    Statement,
    list_events,
    month_of,
    read_statement,
)
from evently.catalogue import Event
from evently.db import Database
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import show_id
from evently.kit.money import exponent_of, show_money
from evently.tickets import Press
from evently.tickets.typefaces import Setting, Typefaces
from evently.web.cells import BYTE_ORDER_MARK, cell, encode_rows

PDF: Final = "application/pdf"
_UTC: Final = "UTC"
_WHOLE: Final = 100  # basis points of one per cent
_HAN: Final = "zh"
_TEMPLATE: Final = Path(__file__).parent / "statement.typ"
_MONTHS: Final = (
    "January February March April May June July August September October November December".split()
)

LineKind: TypeAlias = Literal[
    "online", "door", "gross", "online_struck", "door_struck", "refunds", "tax", "taxes", "fees", "net"
]

_SUMS: Final = frozenset({"gross", "taxes", "net"})


class Line(NamedTuple):
    """A line of a statement; what goes out is below zero. `basis_points`: the rate of a tax."""

    kind: LineKind
    name: str
    amount_minor: int
    strong: bool = False
    basis_points: int | None = None

    @property
    def is_sum(self) -> bool:
        """Whether it is a sum of other lines; those that are none add up to `net`."""
        return self.kind in _SUMS


class Asked(NamedTuple):
    """What is shown: the money of an event or an organizer (`subject`: its id), in which month and zone."""

    subject: str
    title: str
    events: list[EventTitle]
    month: Month | None
    zone: str

    @property
    def month_name(self) -> str:
        """The month as `2026-11`; empty: all time."""
        return "" if self.month is None else self.month.name

    @property
    def file_name(self) -> str:
        """The name of a file with it, without its ending."""
        return f"money-{self.subject}-{self.month_name}" if self.month else f"money-{self.subject}"


def of_event(event: Event, month: str) -> Asked:
    """Return what is asked for: the money of one event. Refuses `not-found` for what is no month."""
    title = EventTitle(event.event_id, event.title, event.starts_at, event.time_zone)
    zone = event.time_zone
    return Asked(show_id("evt", event.event_id), event.title, [title], _month(month, zone), zone)


async def of_organizer(database: Database, organizer_id: UUID, month: str) -> Asked:
    """Return what is asked for: the money of all events of an organizer, on the clocks of the newest."""
    events = await list_events(database, organizer_id)
    zone = events[0].time_zone if events else _UTC
    return Asked(show_id("org", organizer_id), "All events", events, _month(month, zone), zone)


async def read(database: Database, asked: Asked) -> list[Statement]:
    """Return the statements, one for each currency."""
    return await read_statement(database, [each.event_id for each in asked.events], asked.month)


def lines_of(statement: Statement) -> list[Line]:
    """Return the lines of a statement, in their order."""
    sums = statement.sums
    taxes = [
        Line("tax", f"Tax at {each.basis_points / _WHOLE:g} %", -each.tax_minor, False, each.basis_points)
        for each in statement.taxes
    ]
    return [
        Line("online", "Booked, with payment online", sums.online_minor),
        Line("door", "Booked, with payment at the door", sums.door_minor),
        Line("gross", "Gross", sums.gross_minor, strong=True),
        Line("online_struck", "Cancelled before it was paid, online", -sums.online_struck_minor),
        Line("door_struck", "Cancelled before it was paid, at the door", -sums.door_struck_minor),
        Line("refunds", "Refunds", -sums.refunded_minor),
        *taxes,
        Line("taxes", "Taxes", -sums.tax_minor, strong=True),
        Line("fees", "Fees", -sums.fees_minor, strong=True),
        Line("net", "Net", sums.net_minor, strong=True),
    ]


def events_of(asked: Asked, statement: Statement) -> list[tuple[EventTitle, int, int]]:
    """Return the events that have money in a statement, with gross and net of each, the newest first."""
    return [
        (each, sums.gross_minor, sums.net_minor)
        for each in asked.events
        if (sums := statement.events.get(each.event_id)) is not None
    ]


def signed(amount_minor: int, currency: str) -> str:
    """Return an amount that may be below zero."""
    shown = show_money(abs(amount_minor), currency)
    return f"\u2212{shown}" if amount_minor < 0 else shown


def encode_csv(asked: Asked, statements: Sequence[Statement]) -> bytes:
    """Return statements as CSV: the lines of each currency, then gross and net of each event."""
    month = asked.month_name
    rows: list[tuple[str, ...]] = [("month", "event_id", "event", "line", "amount", "currency")]
    for statement in statements:
        currency = statement.currency
        rows += [
            (month, "", "", line.name, _decimal(line.amount_minor, currency), currency)
            for line in lines_of(statement)
        ]
        for event, gross, net in events_of(asked, statement):
            named = (month, show_id("evt", event.event_id), cell(event.title))
            rows += [
                (*named, name, _decimal(minor, currency), currency)
                for name, minor in (("Gross", gross), ("Net", net))
            ]
    return BYTE_ORDER_MARK + encode_rows(rows)


# As PDF -----------------------------------------------------------------------------------------------------


class PrintedLine(msgspec.Struct):
    """A line as it is printed."""

    name: Setting
    amount: Setting
    strong: bool


class PrintedEvent(msgspec.Struct):
    """An event as it is printed."""

    title: Setting
    day: str
    gross: Setting
    net: Setting


class PrintedPart(msgspec.Struct):
    """The statement of a currency as it is printed."""

    currency: str
    lines: list[PrintedLine]
    events: list[PrintedEvent]


class PrintedStatement(msgspec.Struct):
    """What the template prints."""

    fonts: tuple[str, ...]
    document: Setting
    organizer: Setting
    title: Setting
    period: str
    zone: str
    as_of: str
    parts: list[PrintedPart]


async def print_pdf(
    press: Press, asked: Asked, statements: Sequence[Statement], organizer: str, now: datetime
) -> bytes:
    """Return statements as PDF, tagged for screen readers (PDF/UA-1). Raises Busy."""
    write = partial(_write, asked, statements, organizer, now)
    return await press.run(lambda: press.draw(_TEMPLATE, write, now))


def _write(
    asked: Asked, statements: Sequence[Statement], organizer: str, now: datetime, typefaces: Typefaces
) -> PrintedStatement:
    put: Callable[[str], Setting] = partial(typefaces.set, han=_HAN)
    period = _period(asked.month)
    several = len(asked.events) > 1
    return PrintedStatement(
        fonts=put("").fonts,
        document=put(f"Money statement, {period}: {asked.title}"),
        organizer=put(organizer),
        title=put(asked.title),
        period=period,
        zone=asked.zone,
        as_of=_moment(now.astimezone(ZoneInfo(asked.zone))),
        parts=[_write_part(asked, each, put, several=several) for each in statements],
    )


def _write_part(
    asked: Asked, statement: Statement, put: Callable[[str], Setting], *, several: bool
) -> PrintedPart:
    currency = statement.currency
    events = events_of(asked, statement) if several else []
    return PrintedPart(
        currency,
        [
            PrintedLine(put(line.name), put(signed(line.amount_minor, currency)), line.strong)
            for line in lines_of(statement)
        ],
        [
            PrintedEvent(
                put(event.title),
                _day(event.starts_at.astimezone(ZoneInfo(event.time_zone))),
                put(signed(gross, currency)),
                put(signed(net, currency)),
            )
            for event, gross, net in events
        ],
    )


def _month(name: str, zone: str) -> Month | None:
    if not name:
        return None
    month = month_of(name, ZoneInfo(zone))
    if month is None:
        raise Refused(CommonRefusal.NOT_FOUND)
    return month


def _period(month: Month | None) -> str:
    if month is None:
        return "All time"
    year, number = month.name.split("-")
    return f"{_MONTHS[int(number) - 1]} {year}"


def _day(local: datetime) -> str:
    return f"{local.day} {_MONTHS[local.month - 1][:3]} {local.year}"


def _moment(local: datetime) -> str:
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year}, {local:%H:%M}"


def _decimal(amount_minor: int, currency: str) -> str:
    exponent = exponent_of(currency)
    whole, rest = divmod(abs(amount_minor), 10**exponent)
    shown = f"{whole}.{rest:0{exponent}d}" if exponent else str(whole)
    return f"-{shown}" if amount_minor < 0 else shown
