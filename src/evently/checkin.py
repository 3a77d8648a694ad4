"""Check-in: who comes in at the door of an event, and what the organizer allows there.

    find_settings, put_settings   gates and their ticket types, times, re-entry
    scan_tickets                  scans, decided under the lock of the sale; a repeated scan is harmless
    undo_scan                     a check-in was a mistake
    list_scans, count_check_ins   what happened at the door, newest first; how many are inside

The engine decides (sales/rules/check_ins.py). This module reads codes, tells the engine what the organizer
allows at a gate, and finds the names that people at the door want to see.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec

from evently.catalogue import Seen, whichever_version
from evently.db import Connection, Database, load_queries
from evently.kit.complaints import Complaints
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.ids import TicketTypeId
from evently.kit.shapes import Instant, copy_fields, items, text
from evently.sales import Engine
from evently.sales.commands.check_ins import ScanTicket, UndoScan
from evently.sales.nouns import Scan
from evently.sales.outcomes import No, Scanned
from evently.sales.reads import read_sale
from evently.sales.states import Direction
from evently.sales.ticket_code import read_code

sql: Final = load_queries(__name__)

GATES_MAX: Final = 50
SCANS_MAX: Final = 200  # in one request: what a device has gathered without a network
CODE_CHARACTERS_MAX: Final = 2_000  # a QR code that is no ticket may hold anything
REASON_CHARACTERS_MAX: Final = 200

GateName = Annotated[str, text(80, "West gate")]


class Gate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A gate of an event, and the ticket types that it admits; null: all of them."""

    name: GateName
    ticket_type_ids: Annotated[tuple[TicketTypeId, ...], items(100)] | None = None


class CheckInTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an organizer allows at the door.

    `reentry`: who has left may come back with the same ticket. Before `opens_at` and from `closes_at` on,
    nobody is admitted; null: no limit. A scan at a gate that is not in `gates` admits every ticket type.
    """

    reentry: bool = False
    opens_at: Instant | None = None
    closes_at: Instant | None = None
    gates: Annotated[tuple[Gate, ...], items(GATES_MAX)] = ()


class CheckInSettings(msgspec.Struct, frozen=True):
    """The terms of an event's door. `version` counts the changes; 0: the defaults."""

    terms: CheckInTerms = CheckInTerms()
    version: int = 0


class Attempt(msgspec.Struct, frozen=True):
    """A scan as a device reports it. `scan_id` is made by the device, and the same when it is sent again."""

    scan_id: UUID
    code: str
    scanned_at: datetime
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
    return CheckInSettings(terms, row["version"])


async def put_settings(
    tx: Connection, event_id: UUID, terms: CheckInTerms, now: datetime, seen: Seen = whichever_version
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
            now=now,
        )
    )
    seen(version - 1)
    return CheckInSettings(terms, version)


async def scan_tickets(
    database: Database, engine: Engine, event_id: UUID, attempts: Sequence[Attempt], scanned_by: UUID
) -> list[Scanned]:
    """Record scans, in one batch of the engine when it is idle; returns their outcomes in order."""
    terms = (await find_settings(database, event_id)).terms
    gates = {gate.name.strip(): gate.ticket_type_ids for gate in terms.gates}
    outcomes = await asyncio.gather(
        *[engine.submit(_command(event_id, each, scanned_by, terms, gates)) for each in attempts]
    )
    for outcome in outcomes:
        if isinstance(outcome, No):
            raise outcome.as_error()
    return [outcome for outcome in outcomes if isinstance(outcome, Scanned)]


def _command(
    event_id: UUID,
    attempt: Attempt,
    scanned_by: UUID,
    terms: CheckInTerms,
    gates: Mapping[str, Sequence[UUID] | None],
) -> ScanTicket:
    code, gate = read_code(attempt.code), attempt.gate.strip()
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


async def undo_scan(engine: Engine, event_id: UUID, scan_id: UUID, undone_by: UUID, reason: str) -> Scanned:
    """Undo a check-in, the last of its ticket. Refuses `scan-not-found` and `not-undoable`."""
    outcome = await engine.submit(UndoScan(event_id, scan_id, undone_by, reason))
    if isinstance(outcome, No):
        raise outcome.as_error()
    assert isinstance(outcome, Scanned), "a scan is answered with a scan"
    return outcome


async def find_holders(database: Database, event_id: UUID, ticket_ids: Sequence[UUID]) -> dict[UUID, Holder]:
    """Return what is to be seen of tickets at the door, by ticket."""
    if not ticket_ids:
        return {}
    rows = await database.fetch(*sql.find_holders(event_id=event_id, ticket_ids=list(set(ticket_ids))))
    return {row["ticket_id"]: Holder(**row) for row in rows}


async def list_scans(
    database: Database,
    event_id: UUID,
    limit: int,
    after: str | None,
    *,
    conflicts: bool = False,
    ticket_id: UUID | None = None,
) -> Page[Scan]:
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
    scans = [Scan(*row.values()) for row in rows[:limit]]
    cursor = write_cursor((scans[-1].received_at, scans[-1].scan_id)) if len(rows) > limit else None
    return Page(scans, cursor)


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
