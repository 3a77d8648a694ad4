"""The truth afterwards: the money statement of an event and of an organizer, and the proof.

The sums are those of the ledger; the proof replays all facts and says in one sentence whether they agree.
"""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from evently.analytics.statements import (
    EventTitle,
    Month,
    Statement,
    Sums,
    list_events,
    list_months,
    month_of,
    read_statement,
)
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import EventId, OrganizerId, show_id
from evently.kit.money import Money, exponent_of
from evently.sales.reads import prove
from evently.web.cells import BYTE_ORDER_MARK, CSV, cell, encode_rows
from evently.web.edge.auth import organizer, policy
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages import words
from evently.web.pages.organize.desk import (
    Desk,
    event_address,
    open_desk,
    open_event,
    organizer_address,
    render_desk,
)
from evently.web.pages.rendering import show
from evently.web.services import Request

FIGURES: Final = organizer("manager", "analytics:read")
PROOFS: Final = organizer("manager", "events:read")
_UTC: Final = "UTC"
_WHOLE: Final = 100  # basis points of one per cent
MonthName = Annotated[str, QueryParameter(max_length=7)]


class Line(NamedTuple):
    """A line of a statement; `strong`: a sum of those above."""

    name: str
    amount: str
    strong: bool = False


class Part(NamedTuple):
    """The statement of one currency: its lines, and gross and net of each event."""

    currency: str
    lines: list[Line]
    events: list[tuple[EventTitle, str, str]]


class Asked(NamedTuple):
    """What is shown: of which events, in which month, on the clocks of which zone."""

    events: list[EventTitle]
    month: Month | None
    zone: str


@show("/organize/events/{event_id}/money", **policy(FIGURES, rate="heavy"))
async def show_event_money(
    request: Request, event_id: FromPath[EventId], month: MonthName = ""
) -> Response[str]:
    """Return the statement of an event."""
    desk = await open_event(request, event_id)
    return await _render(request, desk, _of_event(desk, month), event_address(event_id, "money"))


@show("/organize/events/{event_id}/money.csv", **policy(FIGURES, rate="heavy"))
async def save_event_money(
    request: Request, event_id: FromPath[EventId], month: MonthName = ""
) -> Response[bytes]:
    """Return the statement of an event as CSV."""
    desk = await open_event(request, event_id)
    return await _save(request, _of_event(desk, month), f"money-{show_id('evt', event_id)}")


@show("/organize/{organizer_id}/money", **policy(FIGURES, rate="heavy"))
async def show_money_of_organizer(
    request: Request, organizer_id: FromPath[OrganizerId], month: MonthName = ""
) -> Response[str]:
    """Return the statement of all events of an organizer."""
    desk = await open_desk(request, organizer_id)
    asked = await _of_organizer(request, organizer_id, month)
    return await _render(request, desk, asked, f"{organizer_address(organizer_id)}/money")


@show("/organize/{organizer_id}/money.csv", **policy(FIGURES, rate="heavy"))
async def save_money_of_organizer(
    request: Request, organizer_id: FromPath[OrganizerId], month: MonthName = ""
) -> Response[bytes]:
    """Return the statement of all events of an organizer as CSV."""
    asked = await _of_organizer(request, organizer_id, month)
    return await _save(request, asked, f"money-{show_id('org', organizer_id)}")


@show("/organize/events/{event_id}/journal", **policy(PROOFS, rate="heavy"))
async def show_proof(request: Request, event_id: FromPath[EventId]) -> Response[str]:
    """Replay the journal of an event, and say whether what is stored agrees with it."""
    desk = await open_event(request, event_id)
    proof = await prove(request.context.database, event_id)
    return render_desk(
        request,
        desk,
        "journal.html",
        proof=proof,
        balances=[
            (each, signed(each.stored_minor, proof.currency), signed(each.recomputed_minor, proof.currency))
            for each in proof.balances
        ],
    )


def signed(amount_minor: int, currency: str) -> str:
    """Return an amount that may be below zero."""
    shown = words.sum_of(Money(abs(amount_minor), currency))
    return f"\u2212{shown}" if amount_minor < 0 else shown


def _of_event(desk: Desk, month: str) -> Asked:
    event = desk.event
    assert event is not None, "it is a page of an event"
    title = EventTitle(event.event_id, event.title, event.starts_at, event.time_zone)
    return Asked([title], _month(month, event.time_zone), event.time_zone)


async def _of_organizer(request: Request, organizer_id: UUID, month: str) -> Asked:
    events = await list_events(request.context.database, organizer_id)
    zone = events[0].time_zone if events else _UTC
    return Asked(events, _month(month, zone), zone)


def _month(name: str, zone: str) -> Month | None:
    if not name:
        return None
    month = month_of(name, ZoneInfo(zone))
    if month is None:
        raise Refused(CommonRefusal.NOT_FOUND)
    return month


async def _render(request: Request, desk: Desk, asked: Asked, address: str) -> Response[str]:
    database, event_ids = request.context.database, [each.event_id for each in asked.events]
    statements = await read_statement(database, event_ids, asked.month)
    return render_desk(
        request,
        desk,
        "money.html",
        parts=[_part(each, asked.events) for each in statements],
        months=await list_months(database, event_ids, asked.zone),
        month=asked.month.name if asked.month else "",
        zone=asked.zone,
        address=address,
        several=desk.event is None,
    )


def _part(statement: Statement, events: list[EventTitle]) -> Part:
    currency = statement.currency
    listed = [
        (each, signed(sums.gross_minor, currency), signed(sums.net_minor, currency))
        for each in events
        if (sums := statement.events.get(each.event_id)) is not None
    ]
    lines = [Line(name, signed(minor, currency), strong) for name, minor, strong in _lines(statement)]
    return Part(currency, lines, listed)


def _lines(statement: Statement) -> list[tuple[str, int, bool]]:
    """Return the lines of a statement: what comes in, what goes out, and what the organizer keeps."""
    sums: Sums = statement.sums
    taxes = [(f"Tax at {each.basis_points / _WHOLE:g} %", -each.tax_minor, False) for each in statement.taxes]
    return [
        ("Booked, to be paid online", sums.online_minor, False),
        ("Booked, to be paid at the door", sums.door_minor, False),
        ("Gross", sums.gross_minor, True),
        ("Cancelled before it was paid, online", -sums.online_struck_minor, False),
        ("Cancelled before it was paid, at the door", -sums.door_struck_minor, False),
        ("Refunds", -sums.refunded_minor, False),
        *taxes,
        ("Taxes", -sums.tax_minor, True),
        ("Fees", -sums.fees_minor, True),
        ("Net", sums.net_minor, True),
    ]


async def _save(request: Request, asked: Asked, name: str) -> Response[bytes]:
    event_ids = [each.event_id for each in asked.events]
    statements = await read_statement(request.context.database, event_ids, asked.month)
    month = asked.month.name if asked.month else ""
    rows: list[tuple[str, ...]] = [("month", "event_id", "event", "line", "amount", "currency")]
    for statement in statements:
        currency = statement.currency
        rows += [
            (month, "", "", line, _decimal(minor, currency), currency) for line, minor, _ in _lines(statement)
        ]
        for each in asked.events:
            if (sums := statement.events.get(each.event_id)) is not None:
                event = (show_id("evt", each.event_id), cell(each.title))
                rows += [
                    (month, *event, line, _decimal(minor, currency), currency)
                    for line, minor in (("Gross", sums.gross_minor), ("Net", sums.net_minor))
                ]
    filename = f"{name}-{month}.csv" if month else f"{name}.csv"
    headers = {"content-disposition": f'attachment; filename="{filename}"', **NO_STORE}
    return Response(BYTE_ORDER_MARK + encode_rows(rows), headers=headers, media_type=CSV)


def _decimal(amount_minor: int, currency: str) -> str:
    exponent = exponent_of(currency)
    whole, rest = divmod(abs(amount_minor), 10**exponent)
    shown = f"{whole}.{rest:0{exponent}d}" if exponent else str(whole)
    return f"-{shown}" if amount_minor < 0 else shown


routes: Final = [
    show_event_money,
    save_event_money,
    show_money_of_organizer,
    save_money_of_organizer,
    show_proof,
]
