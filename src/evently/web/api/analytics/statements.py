"""Money statements: of an event and of an organizer, of a month or of all time, as JSON and as PDF."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from evently import catalogue
from evently.accounts.organizers import get_organizer
from evently.analytics.statements import Statement
from evently.kit.ids import EventId, OrganizerId, show_id
from evently.web import statements
from evently.web.api.analytics.views import SignedMoney
from evently.web.edge.auth import organizer, policy
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, QueryParameter, get
from evently.web.services import Request
from evently.web.statements import PDF, Asked, LineKind, events_of, lines_of

_COMMON: Final[dict[str, Any]] = {
    "tags": ["Organizer: analytics"],
    "responses": problems(),
    **policy(organizer("manager", "analytics:read"), rate="heavy"),
}
_SAID: Final = (
    "The sums are those of the ledger, as of one instant. Months are those on the clocks of `time_zone`. "
    "What goes out is below zero: the lines that are no sums add up to `net`. Tax is shared by the rates "
    "of the ticket types as they are now."
)
_OF_ORGANIZER: Final = (
    " Of the organizer's events that were published; of the 2,000 newest ones where there are more. The time "
    "zone is that of the newest event."
)
MonthName: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        pattern=r"^2[01]\d\d-(0[1-9]|1[0-2])$", description="A month, such as 2026-11. Default: all time."
    ),
]


class StatementLineView(msgspec.Struct, frozen=True):
    """A line of a statement.

    `kind`: `online` and `door` (what buyers owed for every booking that was confirmed, by how it is paid),
    `gross` (their sum), `online_struck` and `door_struck` (cancelled before it was paid), `refunds`, `tax`
    (one line for each rate, with `tax_basis_points`), `taxes` (their sum), `fees`, and `net`: what the
    organizer keeps. `name` says the same to people. `is_sum`: a sum of lines above it, or the result.
    """

    kind: Annotated[LineKind, msgspec.Meta(examples=["tax"])]
    name: Annotated[str, msgspec.Meta(examples=["Tax at 19 %"])]
    amount: SignedMoney
    is_sum: Annotated[bool, msgspec.Meta(examples=[False])]
    tax_basis_points: Annotated[int | None, msgspec.Meta(examples=[1900])]


class EventSumsView(msgspec.Struct, frozen=True):
    """Gross and net of an event."""

    event_id: str
    title: str
    starts_at: datetime
    gross: SignedMoney
    net: SignedMoney


class CurrencyStatementView(msgspec.Struct, frozen=True):
    """The statement of one currency, and gross and net of each event that has money in it."""

    currency: str
    lines: list[StatementLineView]
    events: list[EventSumsView]


class MoneyStatementView(msgspec.Struct, frozen=True):
    """A money statement, by currency; without any where no money has moved. `month` null: of all time."""

    month: Annotated[str | None, msgspec.Meta(examples=["2026-11"])]
    time_zone: str
    statements: list[CurrencyStatementView]


@get(
    "/v1/events/{event_id}/money-statement",
    operation_id="getEventMoneyStatement",
    summary="Get the money statement of an event",
    description=_SAID,
    **_COMMON,
)
async def get_event_statement(
    request: Request, event_id: FromPath[EventId], month: MonthName = None
) -> Response[MoneyStatementView]:
    """Return the money statement of an event."""
    event = await catalogue.get_event(request.context.database, event_id)
    return await _answer(request, statements.of_event(event, month or ""))


@get(
    "/v1/events/{event_id}/money-statement.pdf",
    operation_id="getEventMoneyStatementPdf",
    summary="Get the money statement of an event as PDF",
    description="The same lines on A4 pages, tagged for screen readers (PDF/UA-1).",
    media_type=PDF,
    **_COMMON,
)
async def get_event_statement_pdf(
    request: Request, event_id: FromPath[EventId], month: MonthName = None
) -> Response[bytes]:
    """Return the money statement of an event as PDF."""
    database = request.context.database
    event = await catalogue.get_event(database, event_id)
    owner = await get_organizer(database, event.organizer_id)
    return await _print(request, statements.of_event(event, month or ""), owner.name)


@get(
    "/v1/organizers/{organizer_id}/money-statement",
    operation_id="getOrganizerMoneyStatement",
    summary="Get the money statement of an organizer",
    description=_SAID + _OF_ORGANIZER,
    **_COMMON,
)
async def get_organizer_statement(
    request: Request, organizer_id: FromPath[OrganizerId], month: MonthName = None
) -> Response[MoneyStatementView]:
    """Return the money statement of an organizer's events."""
    return await _answer(
        request, await statements.of_organizer(request.context.database, organizer_id, month or "")
    )


@get(
    "/v1/organizers/{organizer_id}/money-statement.pdf",
    operation_id="getOrganizerMoneyStatementPdf",
    summary="Get the money statement of an organizer as PDF",
    description="The same lines on A4 pages, tagged for screen readers (PDF/UA-1)." + _OF_ORGANIZER,
    media_type=PDF,
    **_COMMON,
)
async def get_organizer_statement_pdf(
    request: Request, organizer_id: FromPath[OrganizerId], month: MonthName = None
) -> Response[bytes]:
    """Return the money statement of an organizer's events as PDF."""
    database = request.context.database
    asked = await statements.of_organizer(database, organizer_id, month or "")
    return await _print(request, asked, (await get_organizer(database, organizer_id)).name)


async def _answer(request: Request, asked: Asked) -> Response[MoneyStatementView]:
    found = await statements.read(request.context.database, asked)
    view = MoneyStatementView(
        asked.month_name or None, asked.zone, [_show_currency(asked, each) for each in found]
    )
    return Response(view, headers=NO_STORE)


async def _print(request: Request, asked: Asked, organizer_name: str) -> Response[bytes]:
    context = request.context
    found = await statements.read(context.database, asked)
    made = await statements.print_pdf(context.printer.press, asked, found, organizer_name, context.clock())
    headers = {**NO_STORE, "content-disposition": f'inline; filename="{asked.file_name}.pdf"'}
    return Response(made, headers=headers, media_type=PDF)


def _show_currency(asked: Asked, statement: Statement) -> CurrencyStatementView:
    currency = statement.currency
    return CurrencyStatementView(
        currency,
        [
            StatementLineView(
                line.kind, line.name, SignedMoney(line.amount_minor, currency), line.is_sum, line.basis_points
            )
            for line in lines_of(statement)
        ],
        [
            EventSumsView(
                show_id("evt", event.event_id),
                event.title,
                event.starts_at,
                SignedMoney(gross, currency),
                SignedMoney(net, currency),
            )
            for event, gross, net in events_of(asked, statement)
        ],
    )


routes: Final = [
    get_event_statement,
    get_event_statement_pdf,
    get_organizer_statement,
    get_organizer_statement_pdf,
]
