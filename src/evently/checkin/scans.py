"""Scans at the door of an event, and what the organizer allows there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from evently.catalogue import LastEdit, Seen, whichever_version
from evently.db import Connection, Database, load_queries
from evently.kit.complaints import Complaints
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.ids import TicketTypeId, find_id
from evently.kit.shapes import Instant, copy_fields, items, text
from evently.sales import Engine
from evently.sales.commands.check_ins import ScanTicket, UndoScan
from evently.sales.nouns import Scan
from evently.sales.outcomes import No, Scanned
from evently.sales.reads import read_sale
from evently.sales.states import Direction
from evently.sales.ticket_code import TicketCode, read_code

sql: Final = load_queries(__name__)

GATES_MAX: Final = 50
SCANS_MAX: Final = 200  # in one request: what a device has gathered without a network
CODE_CHARACTERS_MAX: Final = 2_000  # a QR code that is no ticket may hold anything
REASON_CHARACTERS_MAX: Final = 200
REFERENCE_BYTES: Final = 5  # of a booking's id, its last ones (kit/ids.py)
TICKETS_MAX: Final = 20  # found by a name: a person at the door looks at no more
OWN_SCANS_MAX: Final = 20
SCANS_LOOKED_AT: Final = 2_000  # of all devices: a page of a phone reads no more

GateName = Annotated[str, text(80, "West gate")]
VoidCodeReason: TypeAlias = Literal["passed_on", "moved", "changed"]


class Gate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A gate of an event, and the ticket types that it admits; null: all of them."""

    name: GateName
    ticket_type_ids: Annotated[tuple[TicketTypeId, ...], items(100)] | None = None


class CheckInTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an organizer allows at the door.

    `reentry`: who has left may come back with the same ticket. Before `opens_at` and from `closes_at` on,
    nobody is admitted; null: no limit. A scan at a gate that is not in `gates` admits every ticket type.
    `names_offline`: the list that devices keep has the names on the tickets.
    """

    reentry: bool = False
    opens_at: Instant | None = None
    closes_at: Instant | None = None
    gates: Annotated[tuple[Gate, ...], items(GATES_MAX)] = ()
    names_offline: bool = False


class CheckInSettings(msgspec.Struct, frozen=True):
    """The terms of an event's door. `version` counts the changes; 0: the defaults."""

    terms: CheckInTerms = CheckInTerms()
    version: int = 0


class Attempt(msgspec.Struct, frozen=True):
    """A scan as a device reports it. `scan_id` is made by the device, and the same when it is sent again.

    `ticket_id` instead of a code: a person at the door has found the ticket by a name.
    """

    scan_id: UUID
    scanned_at: datetime
    code: str | None = None
    ticket_id: UUID | None = None
    direction: Direction = "in"
    gate: str = ""
    offline: bool = False


class Holder(msgspec.Struct, frozen=True):
    """What people at the door want to see of a ticket. The names are None when they are not known."""

    ticket_id: UUID
    booking_id: UUID
    type_name: str
    seat_label: str | None
    attendee_name: str | None
    holder_name: str | None


class FoundTicket(msgspec.Struct, frozen=True):
    """A ticket that was looked for by a name. `inside` is null when it was not used; then `scan_id`, too.

    `scan_id`: its last accepted scan.
    """

    holder: Holder
    inside: bool | None
    scan_id: UUID | None


class OwnScan(msgspec.Struct, frozen=True):
    """A check-in by the person or device that asks. `undoable`: nothing has happened to its ticket since."""

    scan: Scan
    undoable: bool


class VoidCode(msgspec.Struct, frozen=True):
    """Why a ticket has another code than the one that was scanned, and its seat now.

    `changed`: given back to its buyer, or moved after it was passed on once.
    """

    why: VoidCodeReason
    seat_label: str | None


class RecordedScan(msgspec.Struct, frozen=True):
    """A scan in a list. `before`: of a refused scan, the accepted scan of its ticket before it."""

    scan: Scan
    before: Scan | None


class Counts(msgspec.Struct, frozen=True):
    """How many tickets are valid, how many were checked in, how many of those are inside now."""

    valid: int
    checked_in: int
    inside: int


async def find_settings(database: Database, event_id: UUID) -> CheckInSettings:
    """Return what the organizer of an event allows at its door."""
    row = await database.fetch_row(*sql.find_settings(event_id=event_id))
    if row is None:
        return CheckInSettings()
    terms = CheckInTerms(row["reentry"], row["opens_at"], row["closes_at"], _read_gates(row["gates"]))
    terms = msgspec.structs.replace(terms, names_offline=row["names_offline"])
    return CheckInSettings(terms, row["version"])


async def find_last_edit(database: Database, event_id: UUID) -> LastEdit:
    """Return who changed last what is allowed at the door of an event, and when."""
    row = await database.fetch_row(*sql.find_last_edit(event_id=event_id))
    return LastEdit(None, None) if row is None else LastEdit(*row.values())


async def put_settings(
    tx: Connection,
    event_id: UUID,
    terms: CheckInTerms,
    now: datetime,
    seen: Seen = whichever_version,
    editor_id: UUID | None = None,
) -> CheckInSettings:
    """Change what is allowed at the door of an event; refuses `invalid`, and what `seen` refuses."""
    complaints = Complaints()
    complaints.check("", terms)
    if terms.opens_at is not None and terms.closes_at is not None and terms.opens_at >= terms.closes_at:
        complaints.about("/closes_at", "not-after", field="`opens_at`")
    names = [gate.name.strip() for gate in terms.gates]
    types = (await read_sale(tx, event_id)).ticket_types
    for number, gate in enumerate(terms.gates):
        if names.index(names[number]) < number:
            complaints.about(f"/gates/{number}/name", "given-twice")
        for position, type_id in enumerate(gate.ticket_type_ids or ()):
            if type_id not in types:
                complaints.about(f"/gates/{number}/ticket_type_ids/{position}", "unknown-ticket-type")
    complaints.refuse_if_any()
    # Two editors take turns: the row of the event's settings is written before it is read
    version: int = await tx.fetchval(
        *sql.put_settings(
            event_id=event_id,
            reentry=terms.reentry,
            opens_at=terms.opens_at,
            closes_at=terms.closes_at,
            gates=_write_gates(terms.gates),
            names_offline=terms.names_offline,
            now=now,
            editor_id=editor_id,
        )
    )
    seen(version - 1)
    return CheckInSettings(terms, version)


async def scan_tickets(
    database: Database,
    engine: Engine,
    event_id: UUID,
    terms: CheckInTerms,
    attempts: Sequence[Attempt],
    scanned_by: UUID,
) -> list[Scanned]:
    """Record scans, in one batch of the engine when it is idle; returns their outcomes in order.

    `terms`: what is allowed at the door.
    """
    gates = {gate.name.strip(): gate.ticket_type_ids for gate in terms.gates}
    codes = await _find_codes(database, event_id, attempts)
    outcomes = await asyncio.gather(
        *[
            engine.submit(_command(event_id, each, code, scanned_by, terms, gates))
            for each, code in zip(attempts, codes, strict=True)
        ]
    )
    for outcome in outcomes:
        if isinstance(outcome, No):
            raise outcome.as_error()
    return [outcome for outcome in outcomes if isinstance(outcome, Scanned)]


async def _find_codes(
    database: Database, event_id: UUID, attempts: Sequence[Attempt]
) -> list[TicketCode | None]:
    """Return what was scanned: the code that was read, or that of the ticket that was found by a name."""
    if named := [each.ticket_id for each in attempts if each.ticket_id is not None]:
        rows = await database.fetch(*sql.find_secrets(event_id=event_id, ticket_ids=named))
        secrets = {row["ticket_id"]: row["secret"] for row in rows}
    found: list[TicketCode | None] = []
    for each in attempts:
        if each.ticket_id is None:
            found.append(read_code(each.code or ""))
        else:
            secret = secrets.get(each.ticket_id)
            found.append(None if secret is None else TicketCode(each.ticket_id, secret))
    return found


def _command(
    event_id: UUID,
    attempt: Attempt,
    code: TicketCode | None,
    scanned_by: UUID,
    terms: CheckInTerms,
    gates: Mapping[str, Sequence[UUID] | None],
) -> ScanTicket:
    gate = attempt.gate.strip()
    allowed = gates.get(gate)
    return ScanTicket(
        event_id,
        attempt.scan_id,
        None if code is None else code.ticket_id,
        b"" if code is None else code.secret,
        attempt.direction,
        scanned_by,
        attempt.scanned_at,
        gate,
        terms.reentry,
        None if allowed is None else frozenset(allowed),
        terms.opens_at,
        terms.closes_at,
        attempt.offline,
    )


async def find_void_codes(
    database: Database, event_id: UUID, attempts: Sequence[Attempt], scanned: Sequence[Scanned]
) -> dict[UUID, VoidCode]:
    """Return what happened to tickets whose codes are void, by scan."""
    codes = {
        each.scan_id: code
        for each, outcome in zip(attempts, scanned, strict=True)
        if outcome.scan.result == "passed_on" and (code := read_code(each.code or "")) is not None
    }
    if not codes:
        return {}
    rows = await database.fetch(
        *sql.find_void_codes(
            event_id=event_id,
            ticket_ids=[code.ticket_id for code in codes.values()],
            secrets=[code.secret for code in codes.values()],
        )
    )
    found = {(row["ticket_id"], row["secret"]): VoidCode(row["why"], row["seat_label"]) for row in rows}
    return {scan_id: found[code] for scan_id, code in codes.items() if code in found}


async def undo_scan(engine: Engine, event_id: UUID, scan_id: UUID, undone_by: UUID, reason: str) -> Scanned:
    """Undo a check-in, the last of its ticket. Refuses `scan-not-found` and `not-undoable`."""
    outcome = await engine.submit(UndoScan(event_id, scan_id, undone_by, reason))
    if isinstance(outcome, No):
        raise outcome.as_error()
    assert isinstance(outcome, Scanned), "a scan is answered with a scan"
    return outcome


async def find_holders(database: Database, event_id: UUID, ticket_ids: Sequence[UUID]) -> dict[UUID, Holder]:
    """Return what is to be seen of tickets at the door, by ticket."""
    found = await find_holders_of(database, [(event_id, ticket_id) for ticket_id in ticket_ids])
    return {ticket_id: holder for (_, ticket_id), holder in found.items()}


async def find_holders_of(
    database: Database, named: Sequence[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], Holder]:
    """Return the same for tickets of any events, by event and ticket."""
    if not named:
        return {}
    distinct = list(dict.fromkeys(named))
    rows = await database.fetch(
        *sql.find_holders(
            event_ids=[event_id for event_id, _ in distinct],
            ticket_ids=[ticket_id for _, ticket_id in distinct],
        )
    )
    return {(event_id, holder[0]): Holder(*holder) for event_id, *holder in (row.values() for row in rows)}


async def list_scans(
    database: Database,
    event_id: UUID,
    limit: int,
    after: str | None,
    *,
    conflicts: bool = False,
    ticket_id: UUID | None = None,
) -> Page[RecordedScan]:
    """Return a page of the scans of an event, the newest first.

    `conflicts`: only those that a device without a network had admitted, and that are refused now.
    """
    position = (None, None) if after is None else read_cursor(after, tuple[datetime, UUID])
    rows = await database.fetch(
        *sql.list_scans(
            event_id=event_id,
            ticket_id=ticket_id,
            conflicts=conflicts,
            after_at=position[0],
            after_id=position[1],
            limit=limit + 1,
        )
    )
    scans = [_recorded(*row.values()) for row in rows[:limit]]
    last = scans[-1].scan if scans else None
    cursor = write_cursor((last.received_at, last.scan_id)) if last and len(rows) > limit else None
    return Page(scans, cursor)


def _recorded(*values: Any) -> RecordedScan:
    own, before = values[: len(Scan.__struct_fields__)], values[len(Scan.__struct_fields__) :]
    return RecordedScan(Scan(*own), None if before[0] is None else Scan(*before))


async def list_own_scans(database: Database, event_id: UUID, scanned_by: UUID) -> list[OwnScan]:
    """Return the last check-ins that a person or a device made at a door, the newest first.

    At most OWN_SCANS_MAX, among the newest SCANS_LOOKED_AT scans of the event.
    """
    rows = await database.fetch(
        *sql.list_own_scans(
            event_id=event_id, scanned_by=scanned_by, looked_at=SCANS_LOOKED_AT, limit=OWN_SCANS_MAX
        )
    )
    found = [(Scan(*values), is_last) for *values, is_last in (row.values() for row in rows)]
    return [OwnScan(scan, is_last and scan.undone_at is None) for scan, is_last in found]


async def find_check_ins(database: Database, event_id: UUID, ticket_ids: Sequence[UUID]) -> dict[UUID, Scan]:
    """Return the last accepted scans of these tickets, by ticket; a ticket that was not used is absent."""
    if not ticket_ids:
        return {}
    rows = await database.fetch(*sql.find_check_ins(event_id=event_id, ticket_ids=list(ticket_ids)))
    scans = [Scan(*row.values()) for row in rows]
    return {scan.ticket_id: scan for scan in scans if scan.ticket_id is not None}


class Undone(msgspec.Struct, frozen=True):
    """Why a check-in was undone. `by`: the name of the person or device; None when the account was closed."""

    by: str | None
    reason: str


async def find_undone(database: Database, event_id: UUID, scan_ids: Sequence[UUID]) -> dict[UUID, Undone]:
    """Return why check-ins were undone, and by whom, by scan."""
    if not scan_ids:
        return {}
    rows = await database.fetch(*sql.list_undone(event_id=event_id, scan_ids=list(scan_ids)))
    names = await _find_names(database, {row["undone_by"] for row in rows})
    return {row["scan_id"]: Undone(names.get(row["undone_by"]), row["undo_reason"]) for row in rows}


async def find_scanned_by(database: Database, scans: Iterable[Scan | None]) -> dict[UUID, str]:
    """Return the names of the people and devices that scanned, by their ids."""
    return await _find_names(database, {scan.scanned_by for scan in scans if scan is not None})


async def _find_names(database: Database, ids: Collection[UUID]) -> dict[UUID, str]:
    if not ids:
        return {}
    rows = await database.fetch(*sql.find_scanned_by(ids=list(ids)))
    return {row["id"]: row["name"] for row in rows}


async def find_tickets(database: Database, event_id: UUID, words: str) -> list[FoundTicket]:
    """Return tickets of confirmed bookings by a name, a seat or the reference of a booking.

    At most TICKETS_MAX; names and seats contain the words.
    """
    reference = find_id("bkg", "bkg_" + "0" * 18 + "".join(words.split()).replace("-", "").lower())
    pattern = "%" + re.sub(r"([\\%_])", r"\\\1", " ".join(words.split())) + "%"
    rows = await database.fetch(
        *sql.find_tickets(
            event_id=event_id,
            pattern=pattern,
            ending=None if reference is None else reference.bytes[-REFERENCE_BYTES:],
            limit=TICKETS_MAX,
        )
    )
    holders = await find_holders(database, event_id, [row["ticket_id"] for row in rows])
    return [FoundTicket(holders[row["ticket_id"]], row["inside"], row["scan_id"]) for row in rows]


async def count_check_ins(database: Database, event_id: UUID) -> Counts:
    """Count the tickets of an event that can come, have come, and are inside."""
    row = await database.fetch_row(*sql.count_check_ins(event_id=event_id))
    assert row is not None, "a count is one row"
    return Counts(**row)


def _read_gates(stored: str) -> tuple[Gate, ...]:
    gates = msgspec.json.decode(stored, type=list[_Stored])
    return tuple([copy_fields(Gate, gate) for gate in gates])


def _write_gates(gates: Sequence[Gate]) -> str:
    return msgspec.json.encode([_Stored(gate.name.strip(), gate.ticket_type_ids) for gate in gates]).decode()


class _Stored(msgspec.Struct, frozen=True):
    """A gate in the column `gates`."""

    name: str
    ticket_type_ids: tuple[UUID, ...] | None
