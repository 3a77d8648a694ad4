"""The truth afterwards: the money statement of an event and of an organizer, and the proof.

The sums are those of the ledger; the proof replays all facts and says in one sentence whether they agree.
"""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple

from evently.analytics.details import EventMoney, read_money
from evently.analytics.statements import EventTitle, Statement, list_months
from evently.kit.ids import EventId, OrganizerId
from evently.kit.money import Money
from evently.sales.reads import prove
from evently.web import statements
from evently.web.cells import CSV
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
from evently.web.statements import PDF, Asked, events_of, lines_of

FIGURES: Final = organizer("manager", "analytics:read")
PROOFS: Final = organizer("manager", "events:read")
MonthName = Annotated[str, QueryParameter(max_length=7)]


class Row(NamedTuple):
    """A line of a statement; `strong`: a sum of those above."""

    name: str
    amount: str
    strong: bool


class Part(NamedTuple):
    """The statement of one currency: what it comes to, its lines, and gross and net of each event."""

    currency: str
    summary: list[Row]
    lines: list[Row]
    events: list[tuple[EventTitle, str, str]]


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
    return await _save_csv(request, _of_event(await open_event(request, event_id), month))


@show("/organize/events/{event_id}/money.pdf", **policy(FIGURES, rate="heavy"))
async def print_event_money(
    request: Request, event_id: FromPath[EventId], month: MonthName = ""
) -> Response[bytes]:
    """Return the statement of an event as PDF."""
    desk = await open_event(request, event_id)
    return await _save_pdf(request, desk, _of_event(desk, month))


@show("/organize/{organizer_id}/money", **policy(FIGURES, rate="heavy"))
async def show_money_of_organizer(
    request: Request, organizer_id: FromPath[OrganizerId], month: MonthName = ""
) -> Response[str]:
    """Return the statement of all events of an organizer."""
    desk = await open_desk(request, organizer_id)
    asked = await statements.of_organizer(request.context.database, organizer_id, month)
    return await _render(request, desk, asked, f"{organizer_address(organizer_id)}/money")


@show("/organize/{organizer_id}/money.csv", **policy(FIGURES, rate="heavy"))
async def save_money_of_organizer(
    request: Request, organizer_id: FromPath[OrganizerId], month: MonthName = ""
) -> Response[bytes]:
    """Return the statement of all events of an organizer as CSV."""
    return await _save_csv(
        request, await statements.of_organizer(request.context.database, organizer_id, month)
    )


@show("/organize/{organizer_id}/money.pdf", **policy(FIGURES, rate="heavy"))
async def print_money_of_organizer(
    request: Request, organizer_id: FromPath[OrganizerId], month: MonthName = ""
) -> Response[bytes]:
    """Return the statement of all events of an organizer as PDF."""
    desk = await open_desk(request, organizer_id)
    asked = await statements.of_organizer(request.context.database, organizer_id, month)
    return await _save_pdf(request, desk, asked)


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
    assert desk.event is not None, "it is a page of an event"
    return statements.of_event(desk.event, month)


async def _render(request: Request, desk: Desk, asked: Asked, address: str) -> Response[str]:
    database = request.context.database
    found = await statements.read(database, asked)
    # What was paid is known of all time: a payment may be in another month than its booking
    now = desk.event is not None and asked.month is None
    paid = await read_money(database, desk.event.event_id) if now and desk.event is not None else []
    by_currency = {each.currency: each for each in paid}
    return render_desk(
        request,
        desk,
        "money.html",
        parts=[_part(asked, each, by_currency.get(each.currency)) for each in found],
        months=await list_months(database, [each.event_id for each in asked.events], asked.zone),
        month=asked.month_name,
        zone=asked.zone,
        address=address,
        several=desk.event is None,
    )


def _part(asked: Asked, statement: Statement, paid: EventMoney | None) -> Part:
    currency = statement.currency
    return Part(
        currency,
        _summary(statement, paid),
        [Row(each.name, signed(each.amount_minor, currency), each.strong) for each in lines_of(statement)],
        [
            (event, signed(gross, currency), signed(net, currency))
            for event, gross, net in events_of(asked, statement)
        ],
    )


def _summary(statement: Statement, paid: EventMoney | None) -> list[Row]:
    """Return what an organizer asks first: what was sold, what is left of it, and where that money is."""
    sums, currency = statement.sums, statement.currency
    rows = [
        ("Sold", sums.gross_minor - sums.struck_minor, True),
        ("Paid back, or to be", -sums.refunded_minor, False),
        ("Taxes", -sums.tax_minor, False),
        ("Fees", -sums.fees_minor, False),
        ("Left for you", sums.net_minor, True),
    ]
    if paid is not None:
        rows.append(("Paid online", paid.captured_minor, False))
        if paid.uncaptured_minor:
            rows.append(("Reserved online, not yet taken", paid.uncaptured_minor, False))
        rows.append(("Due at the door", paid.at_door_minor, False))
    return [Row(name, signed(amount_minor, currency), strong) for name, amount_minor, strong in rows]


async def _save_csv(request: Request, asked: Asked) -> Response[bytes]:
    found = await statements.read(request.context.database, asked)
    headers = {"content-disposition": f'attachment; filename="{asked.file_name}.csv"', **NO_STORE}
    return Response(statements.encode_csv(asked, found), headers=headers, media_type=CSV)


async def _save_pdf(request: Request, desk: Desk, asked: Asked) -> Response[bytes]:
    context = request.context
    found = await statements.read(context.database, asked)
    made = await statements.print_pdf(
        context.printer.press, asked, found, desk.organizer.name, context.clock()
    )
    headers = {"content-disposition": f'inline; filename="{asked.file_name}.pdf"', **NO_STORE}
    return Response(made, headers=headers, media_type=PDF)


routes: Final = [
    show_event_money,
    save_event_money,
    print_event_money,
    show_money_of_organizer,
    save_money_of_organizer,
    print_money_of_organizer,
    show_proof,
]
