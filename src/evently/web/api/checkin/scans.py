"""Check-in at the door of an event: scans, their undoing, and what the organizer allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec.structs import replace

from evently import checkin
from evently.checkin import CheckInSettings, CheckInTerms, Holder, RecordedScan, VoidCode
from evently.kit.complaints import Complaints
from evently.kit.ids import EventId, TicketId, reference_of, show_id
from evently.kit.shapes import Instant, copy_fields, items, text
from evently.sales.nouns import Scan
from evently.sales.outcomes import SalesRefusal, Scanned
from evently.sales.states import Direction, ScanResult
from evently.web.door import find_answers
from evently.web.edge.auth import organizer, policy
from evently.web.edge.conditional import NO_STORE, etag_of, require_if_match
from evently.web.edge.context import Response
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, QueryParameter, get, post, put
from evently.web.services import Request, Services

_TAG: Final = "Organizer: check-in"
_DOOR: Final = organizer("door", "checkin:write")
_UNPROVEN: Final = frozenset(("unknown", "forged", "passed_on"))
_SCAN_ID: Final = "0b7c8e0e-3f0e-4d0a-9a7e-2f1f6d6a8c11"


class ScanBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scan. The device makes the `id`, a random UUID, and sends the same one when it sends the scan again.

    `scanned_at` is the time by the clock of the device. `offline`: the device had no network, and has
    admitted the holder by its list. `ticket_id` instead of `code`: a person has found the ticket by a name.
    """

    id: Annotated[UUID, msgspec.Meta(examples=[_SCAN_ID])]
    scanned_at: Instant
    code: (
        Annotated[str, text(checkin.CODE_CHARACTERS_MAX, "01M7Y4EF72EV2SXMCNXFSE27ZPD3XK9W2R7QJ5MB8A")] | None
    ) = None
    ticket_id: TicketId | None = None
    direction: Direction = "in"
    gate: Annotated[str, text(80, "West gate", blank=True)] = ""
    offline: bool = False


class ScansBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Scans, in their order."""

    scans: Annotated[list[ScanBody], items(checkin.SCANS_MAX)]


class UndoScanBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a check-in is undone."""

    reason: Annotated[str, text(checkin.REASON_CHARACTERS_MAX, "Scanned the friend's ticket.")]


class ScannedTicketView(msgspec.Struct, frozen=True):
    """What is to be seen of a ticket at the door. Names are null when they are not known."""

    ticket_id: str
    booking_id: str
    reference: str
    ticket_type_name: str
    seat_label: str | None
    attendee_name: Annotated[str | None, msgspec.Meta(examples=["Ada Lovelace"])]
    holder_name: Annotated[str | None, msgspec.Meta(examples=["Ada Lovelace"])]


class ScanView(msgspec.Struct, frozen=True, kw_only=True):
    """A scan. Only after `accepted` may the holder pass.

    `result`: accepted; unknown (the code is of no ticket of this event); forged (the ticket exists, but
    never had this code); passed_on (the code is void since the ticket has another holder or another seat);
    cancelled (the ticket or the event); unpaid (the booking is not confirmed); wrong_gate (the gate admits
    other ticket types); too_early, too_late; inside (the ticket was used, and its holder has not left);
    no_reentry (the holder has left, and cannot come back); outside (a scan outward of a ticket whose holder
    is not inside).
    `ticket` is null when the code proves none. `before`: the ticket's accepted scan before this one, which
    may be why it is refused. `void_code`: why a code is `passed_on`, in the answer to the scan.
    `scanned_by_name`: a person, or a scanner; null when the account was closed. `answers`: what the buyer of
    `ticket` answered to the questions that are shown at the door, each as a line, in the answer to a scan and
    to its undoing.
    """

    id: Annotated[str, msgspec.Meta(examples=[_SCAN_ID])]
    result: ScanResult
    direction: Direction
    gate: str
    scanned_at: datetime
    received_at: datetime
    offline: bool
    undone_at: datetime | None
    undo_reason: str
    ticket_id: str | None
    scanned_by_name: Annotated[str | None, msgspec.Meta(examples=["Phone of Mina"])] = None
    ticket: ScannedTicketView | None = None
    before: ScanBeforeView | None = None
    void_code: VoidCodeView | None = None
    answers: Annotated[list[str], msgspec.Meta(examples=[["What do you eat? Vegan"]])] = []


class VoidCodeView(msgspec.Struct, frozen=True):
    """Why a code is `passed_on`: the ticket was passed on, was moved to another seat, or has changed.

    `changed`: it was given back to its buyer, or moved after it was passed on once. `seat_label`: its seat
    now.
    """

    why: checkin.VoidCodeReason
    seat_label: str | None


class ScanBeforeView(msgspec.Struct, frozen=True):
    """An earlier scan of the same ticket."""

    id: Annotated[str, msgspec.Meta(examples=[_SCAN_ID])]
    direction: Direction
    gate: str
    scanned_at: datetime
    received_at: datetime
    scanned_by_name: Annotated[str | None, msgspec.Meta(examples=["Phone of Mina"])] = None


class ScansView(msgspec.Struct, frozen=True):
    """Scans, in the order of the request."""

    data: list[ScanView]


class FoundTicketView(msgspec.Struct, frozen=True):
    """A ticket. `inside` is null when it was not used."""

    ticket: ScannedTicketView
    inside: bool | None


class FoundTicketsView(msgspec.Struct, frozen=True):
    """Tickets, by name."""

    data: list[FoundTicketView]


class CheckInView(CheckInTerms, frozen=True, kw_only=True):
    """What is allowed at the door, and who came.

    `valid`: tickets of confirmed bookings; `checked_in`: those that were used; `inside`: those whose holder
    has not left.
    """

    valid: int
    checked_in: int
    inside: int


@get(
    "/v1/events/{event_id}/check-in",
    operation_id="getCheckIn",
    summary="Get the check-in of an event",
    tags=[_TAG],
    responses=problems(),
    **policy(_DOOR),
)
async def get_check_in(request: Request, event_id: FromPath[EventId]) -> Response[CheckInView]:
    """Return what is allowed at the door, and how many came."""
    settings = await checkin.find_settings(request.context.database, event_id)
    return await _answer(request, event_id, settings)


@put(
    "/v1/events/{event_id}/check-in",
    operation_id="putCheckIn",
    summary="Set what is allowed at the door",
    description=(
        "Sets the gates of an event with the ticket types that they admit, the time in which the door is "
        "open, and whether a holder who has left may come back. Scans that were accepted stay accepted."
    ),
    tags=[_TAG],
    responses=problems(412, 428),
    **policy(organizer("manager", "events:write")),
)
async def put_check_in(
    request: Request, event_id: FromPath[EventId], data: JSONBody[CheckInTerms]
) -> Response[CheckInView]:
    """Set what is allowed at the door."""
    context, seen = request.context, partial(require_if_match, request)
    async with context.database.transaction() as tx:
        settings = await checkin.put_settings(tx, event_id, data, context.clock(), seen, request.actor.id)
    context.door.forget_terms(event_id)
    return await _answer(request, event_id, settings)


@post(
    "/v1/events/{event_id}/scans",
    operation_id="scanTickets",
    summary="Scan tickets",
    description=(
        "Checks tickets in, or out again. Each ticket admits once: of two scans at the same instant one is "
        "accepted. Every scan is recorded and has a result, also one that is refused. Safe to repeat: a scan "
        "with the same `id` has the result of the first."
    ),
    tags=[_TAG],
    status_code=200,
    responses=problems(SalesRefusal.KEY_REUSED),
    **policy(_DOOR),
)
async def scan_tickets(
    request: Request, event_id: FromPath[EventId], data: JSONBody[ScansBody]
) -> Response[ScansView]:
    """Record scans."""
    _check_scans(data)
    context = request.context
    attempts = [copy_fields(checkin.Attempt, each, scan_id=each.id) for each in data.scans]
    terms = await context.door.find_terms(event_id)
    scanned = await checkin.scan_tickets(
        context.database, context.engine, event_id, terms, attempts, request.actor.id
    )
    void_codes = await checkin.find_void_codes(context.database, event_id, attempts, scanned)
    return Response(ScansView(await _show_all(context, event_id, scanned, void_codes)), headers=NO_STORE)


@post(
    "/v1/events/{event_id}/scans/{scan_id}/undo",
    operation_id="undoScan",
    summary="Undo a check-in",
    description=(
        "Undoes the last check-in of a ticket, which was a mistake: the ticket is valid again. When its "
        "holder had been in before, the ticket stays used, and its holder is outside. Safe to repeat."
    ),
    tags=[_TAG],
    status_code=200,
    responses=problems(SalesRefusal.SCAN_NOT_FOUND, SalesRefusal.NOT_UNDOABLE),
    **policy(_DOOR),
)
async def undo_scan(
    request: Request, event_id: FromPath[EventId], scan_id: FromPath[UUID], data: JSONBody[UndoScanBody]
) -> Response[ScanView]:
    """Undo a check-in."""
    _check(data)
    context = request.context
    undone = await checkin.undo_scan(context.engine, event_id, scan_id, request.actor.id, data.reason)
    (view,) = await _show_all(context, event_id, [undone], {})
    return Response(view, headers=NO_STORE)


@get(
    "/v1/events/{event_id}/scans",
    operation_id="listScans",
    summary="List the scans of an event",
    tags=[_TAG],
    responses=problems(),
    **policy(_DOOR),
)
async def list_scans(
    request: Request,
    event_id: FromPath[EventId],
    *,
    ticket_id: Annotated[
        TicketId | None, QueryParameter(description="Return only scans of this ticket.")
    ] = None,
    conflicts: Annotated[
        bool,
        QueryParameter(
            description="Return only refused scans whose holder a device without a network had admitted."
        ),
    ] = False,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response[PageView[ScanView]]:
    """List the scans of an event, accepted and refused ones, the newest first."""
    database = request.context.database
    page = await checkin.list_scans(
        database, event_id, limit, after, conflicts=conflicts, ticket_id=ticket_id
    )
    shown = [each.scan for each in page.data]
    names = await checkin.find_scanned_by(database, [*shown, *(each.before for each in page.data)])
    holders = await checkin.find_holders(database, event_id, _proven(shown))
    return paginated(request, page, partial(_show_recorded, names=names, holders=holders))


@get(
    "/v1/events/{event_id}/check-in/tickets",
    operation_id="findCheckInTickets",
    summary="Find tickets at the door",
    description=(
        "For holders whose code cannot be read: valid and used tickets whose name or seat contains the "
        "words, or whose booking has this reference; at most 20. The id of a ticket can be scanned instead "
        "of its code."
    ),
    tags=[_TAG],
    responses=problems(),
    **policy(_DOOR),
)
async def find_tickets(
    request: Request,
    event_id: FromPath[EventId],
    *,
    q: Annotated[
        str, QueryParameter(description="A name, a seat, or a reference.", min_length=2, max_length=100)
    ],
) -> Response[FoundTicketsView]:
    """Find tickets by what a guest says."""
    found = await checkin.find_tickets(request.context.database, event_id, q)
    views = [FoundTicketView(_show_holder(each.holder), each.inside) for each in found]
    return Response(FoundTicketsView(views), headers=NO_STORE)


async def _answer(request: Request, event_id: UUID, settings: CheckInSettings) -> Response[CheckInView]:
    counts = await checkin.count_check_ins(request.context.database, event_id)
    view = CheckInView(
        settings.terms.reentry,
        settings.terms.opens_at,
        settings.terms.closes_at,
        settings.terms.gates,
        settings.terms.names_offline,
        valid=counts.valid,
        checked_in=counts.checked_in,
        inside=counts.inside,
    )
    return Response(view, headers={"etag": etag_of(settings.version), **NO_STORE})


def _check(data: msgspec.Struct) -> None:
    complaints = Complaints()
    complaints.check("", data)
    complaints.refuse_if_any()


def _check_scans(data: ScansBody) -> None:
    complaints = Complaints()
    complaints.check("", data)
    for number, scan in enumerate(data.scans):
        if (scan.code is None) == (scan.ticket_id is None):
            complaints.about(f"/scans/{number}/code", "code-or-ticket")
    complaints.refuse_if_any()


def _tickets_of(scanned: Sequence[Scanned]) -> list[UUID]:
    return [each.ticket.ticket_id for each in scanned if each.ticket is not None]


async def _show_all(
    context: Services, event_id: UUID, scanned: Sequence[Scanned], void_codes: Mapping[UUID, VoidCode]
) -> list[ScanView]:
    holders = await context.door.find_holders(event_id, _tickets_of(scanned))
    names = await checkin.find_scanned_by(context.database, [each.before for each in scanned])
    answers = await find_answers(context, event_id, _tickets_of(scanned))
    return [
        replace(
            _show_scanned(each, holders, names, void_codes),
            answers=[] if each.ticket is None else answers.get(each.ticket.ticket_id, []),
        )
        for each in scanned
    ]


def _show_scanned(
    scanned: Scanned,
    holders: Mapping[UUID, Holder],
    names: Mapping[UUID, str],
    void_codes: Mapping[UUID, VoidCode],
) -> ScanView:
    holder = None if scanned.ticket is None else holders.get(scanned.ticket.ticket_id)
    view = _show(scanned.scan, scanned.before, holder, names)
    found = void_codes.get(scanned.scan.scan_id)
    return view if found is None else replace(view, void_code=copy_fields(VoidCodeView, found))


def _show_recorded(
    recorded: RecordedScan, names: Mapping[UUID, str], holders: Mapping[UUID, Holder]
) -> ScanView:
    scan = recorded.scan
    holder = holders.get(scan.ticket_id) if scan.ticket_id is not None else None
    return _show(scan, recorded.before, None if scan.result in _UNPROVEN else holder, names)


def _proven(scans: Sequence[Scan]) -> list[UUID]:
    return [scan.ticket_id for scan in scans if scan.ticket_id is not None and scan.result not in _UNPROVEN]


def _show(scan: Scan, before: Scan | None, holder: Holder | None, names: Mapping[UUID, str]) -> ScanView:
    return copy_fields(
        ScanView,
        scan,
        id=str(scan.scan_id),
        ticket_id=None if scan.ticket_id is None else show_id("tkt", scan.ticket_id),
        scanned_by_name=names.get(scan.scanned_by),
        ticket=None if holder is None else _show_holder(holder),
        before=None
        if before is None
        else copy_fields(
            ScanBeforeView,
            before,
            id=str(before.scan_id),
            scanned_by_name=names.get(before.scanned_by),
        ),
    )


def _show_holder(holder: Holder) -> ScannedTicketView:
    return ScannedTicketView(
        ticket_id=show_id("tkt", holder.ticket_id),
        booking_id=show_id("bkg", holder.booking_id),
        reference=reference_of(holder.booking_id),
        ticket_type_name=holder.type_name,
        seat_label=holder.seat_label,
        attendee_name=holder.attendee_name,
        holder_name=holder.holder_name,
    )


routes: Final = [get_check_in, put_check_in, scan_tickets, undo_scan, list_scans, find_tickets]
