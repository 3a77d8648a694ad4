"""Scanners: devices that may scan for one event. A manager names them, a code enrols them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec
import structlog

from evently import checkin
from evently.checkin import CheckinRefusal, Scanner
from evently.kit.complaints import Complaints
from evently.kit.ids import EventId, ScannerId, show_id
from evently.kit.shapes import text
from evently.web.door import enrolment_address
from evently.web.edge.auth import PUBLIC, organizer, policy
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, get, post
from evently.web.services import Request

_TAG: Final = "Organizer: check-in"
_MANAGER: Final = organizer("manager")
_CODE: Final = "3k5m7p9r1t3v5x7z1b3d5f7h9k1m3p5r"
_log = structlog.get_logger(__name__)


class ScannerBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new scanner, and the gate at which it stands; an empty one: its people choose."""

    name: Annotated[str, text(80, "Phone of Mina")]
    gate: Annotated[str, text(80, "West gate", blank=True)] = ""


class ScannerView(msgspec.Struct, frozen=True):
    """A device that may scan for one event. `expires_at`: until when its code enrols it.

    `last_used_at` is precise to a minute.
    """

    id: Annotated[str, msgspec.Meta(examples=["scn_01m7y4ef72ev2sxmcnxfse27zp"])]
    name: Annotated[str, msgspec.Meta(examples=["Phone of Mina"])]
    gate: str
    created_at: datetime
    expires_at: Annotated[datetime, msgspec.Meta(examples=["2027-05-18T17:15:00Z"])]
    enrolled_at: Annotated[datetime | None, msgspec.Meta(examples=["2027-05-18T17:02:11Z"])]
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewScannerView(ScannerView, frozen=True):
    """A scanner with the code that enrols its device, once. `address`: what its QR code contains."""

    code: Annotated[str, msgspec.Meta(examples=[_CODE])]
    address: Annotated[str, msgspec.Meta(examples=["https://tickets.example/door/evt_01/enrol?code=3k5m"])]


class ScannersView(msgspec.Struct, frozen=True):
    """The scanners of an event, newest first."""

    data: list[ScannerView]


class EnrolmentBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The code of a scanner."""

    code: Annotated[str, text(80, _CODE)]


class EnrolmentView(msgspec.Struct, frozen=True):
    """What a device works with. The key is shown only once."""

    scanner: ScannerView
    event_id: str
    key: Annotated[
        str, msgspec.Meta(examples=["evk_3k5m7p9r1t3v5x7z1b3d5f7h9k1m3p5r3k5m7p9r1t3v5x7z1b3d5f7h9k1m3p5r"])
    ]


@post(
    "/v1/events/{event_id}/scanners",
    operation_id="createScanner",
    summary="Create a scanner",
    description=(
        "The device is enrolled with the code, once, within a quarter of an hour: its browser opens the "
        "address, or a program sends the code to `POST /v1/scanners/enrolments`."
    ),
    tags=[_TAG],
    responses=problems(CheckinRefusal.TOO_MANY_SCANNERS),
    **policy(_MANAGER),
)
async def create_scanner(
    request: Request, event_id: FromPath[EventId], data: JSONBody[ScannerBody]
) -> Response[NewScannerView]:
    """Create a scanner of an event."""
    complaints = Complaints()
    complaints.check("", data)
    complaints.refuse_if_any()
    context, owner_id = request.context, request.exchange.organizer_id
    async with context.database.transaction() as tx:
        scanner, code = await checkin.create_scanner(
            tx, owner_id, event_id, data.name, data.gate, request.actor.id, context.clock()
        )
    _log_change("scanner created", scanner)
    address = enrolment_address(request, event_id, code)
    view = NewScannerView(**msgspec.structs.asdict(_show(scanner)), code=code, address=address)
    return Response(view, status_code=201, headers=NO_STORE)


@get(
    "/v1/events/{event_id}/scanners",
    operation_id="listScanners",
    summary="List scanners",
    description="Newest first, including revoked ones; without those that no device enrolled in time.",
    tags=[_TAG],
    responses=problems(),
    **policy(_MANAGER),
)
async def list_scanners(request: Request, event_id: FromPath[EventId]) -> Response[ScannersView]:
    """List the scanners of an event."""
    context = request.context
    found = await checkin.list_scanners(context.database, event_id, context.clock())
    return Response(ScannersView([_show(each) for each in found]), headers=NO_STORE)


@post(
    "/v1/events/{event_id}/scanners/{scanner_id}/revoke",
    operation_id="revokeScanner",
    summary="Revoke a scanner",
    description="Permanent. Takes effect within a second. Revoking a revoked scanner changes nothing.",
    tags=[_TAG],
    status_code=200,
    responses=problems(CheckinRefusal.SCANNER_NOT_FOUND),
    **policy(_MANAGER),
)
async def revoke_scanner(
    request: Request, event_id: FromPath[EventId], scanner_id: FromPath[ScannerId]
) -> Response[ScannerView]:
    """Revoke a scanner of an event."""
    context = request.context
    async with context.database.transaction() as tx:
        scanner = await checkin.revoke_scanner(tx, event_id, scanner_id, context.clock())
    context.accounts.keys.forget_all()
    _log_change("scanner revoked", scanner)
    return Response(_show(scanner), headers=NO_STORE)


@post(
    "/v1/scanners/enrolments",
    operation_id="enrolScanner",
    summary="Enrol a device",
    description=(
        "Exchanges the code of a scanner for an API key with the scope `checkin:write`, which works for its "
        "event alone, until the scanner is revoked. A code works once."
    ),
    tags=[_TAG],
    responses=problems(CheckinRefusal.ENROLMENT_ENDED),
    **policy(PUBLIC, rate="login"),
)
async def enrol_scanner(request: Request, data: JSONBody[EnrolmentBody]) -> Response[EnrolmentView]:
    """Enrol a device."""
    context = request.context
    async with context.database.transaction() as tx:
        scanner, key = await checkin.enrol_scanner(tx, data.code, context.clock())
    _log_change("scanner enrolled", scanner)
    view = EnrolmentView(_show(scanner), show_id("evt", scanner.event_id), key)
    return Response(view, status_code=201, headers=NO_STORE)


def _log_change(what: str, scanner: Scanner) -> None:
    _log.info(what, event_id=show_id("evt", scanner.event_id), scanner_id=show_id("scn", scanner.scanner_id))


def _show(scanner: Scanner) -> ScannerView:
    return ScannerView(
        show_id("scn", scanner.scanner_id),
        scanner.name,
        scanner.gate,
        scanner.created_at,
        scanner.expires_at,
        scanner.enrolled_at,
        scanner.last_used_at,
        scanner.revoked_at,
    )


routes: Final = [create_scanner, list_scanners, revoke_scanner, enrol_scanner]
