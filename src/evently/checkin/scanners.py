"""Scanners: devices that may scan for one event, and nothing else.

A manager names a scanner and shows the device its code: a QR code that works once, for a quarter of an hour.
The device exchanges it for an API key with the scope `checkin:write`, bound to the event, which works until
the scanner is revoked.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from evently.accounts import keys
from evently.accounts.organizers import lock_organizer
from evently.db import Connection, Database, Record, load_queries
from evently.kit.errors import Refusal, Refused
from evently.kit.ids import crockford, new_id

sql: Final = load_queries(__name__)

SCANNERS_MAX: Final = 200  # of an event that are not revoked: a stadium has a hundred gates
ENROLMENT_SECONDS: Final = 900  # to walk to the device; a photo of the code is worth nothing afterwards
_CODE_BYTES: Final = 20
_SCOPES: Final = frozenset(("checkin:write",))


class CheckinRefusal(Refusal):
    """Every refusal of this package."""

    ENROLMENT_ENDED = "enrolment-ended"
    SCANNER_NOT_FOUND = "scanner-not-found"
    TOO_MANY_SCANNERS = "too-many-scanners"


class Scanner(msgspec.Struct, frozen=True):
    """A device at the door of an event. `expires_at`: until when it can be enrolled.

    `last_used_at` is a minute coarse.
    """

    scanner_id: UUID
    event_id: UUID
    name: str
    gate: str
    created_by: UUID
    created_at: datetime
    expires_at: datetime
    enrolled_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


class NewScanner(NamedTuple):
    """A scanner with the code that enrols its device. The code is not stored, only its hash."""

    scanner: Scanner
    code: str


async def create_scanner(
    tx: Connection,
    organizer_id: UUID,
    event_id: UUID,
    name: str,
    gate: str,
    created_by: UUID,
    now: datetime,
) -> NewScanner:
    """Create a scanner for an event of an organizer. Refuses `too-many-scanners`."""
    await lock_organizer(tx, organizer_id)
    if await tx.fetchval(*sql.count_scanners(event_id=event_id, now=now)) >= SCANNERS_MAX:
        raise Refused(CheckinRefusal.TOO_MANY_SCANNERS, "count", count_max=SCANNERS_MAX)
    # After this point the scanner must be created.
    code = crockford(secrets.token_bytes(_CODE_BYTES)).lower()
    scanner = Scanner(
        new_id(), event_id, name, gate.strip(), created_by, now, now + timedelta(seconds=ENROLMENT_SECONDS)
    )
    await tx.execute(
        *sql.add_scanner(
            scanner_id=scanner.scanner_id,
            event_id=event_id,
            organizer_id=organizer_id,
            name=name,
            gate=scanner.gate,
            code_hash=_hash(code),
            expires_at=scanner.expires_at,
            created_by=created_by,
            now=now,
        )
    )
    return NewScanner(scanner, code)


async def find_enrolment(database: Database, code: str, now: datetime) -> Scanner | None:
    """Return the scanner that a code would enrol now, or None."""
    row = await database.fetch_row(*sql.find_enrolment(code_hash=_hash(code), now=now))
    return None if row is None else _scanner(row)


async def enrol_scanner(tx: Connection, code: str, now: datetime) -> tuple[Scanner, str]:
    """Exchange a code for the key of a device, once. Refuses `enrolment-ended`."""
    found = await tx.fetchrow(*sql.find_organizer_of(code_hash=_hash(code), now=now))
    if found is None:
        raise Refused(CheckinRefusal.ENROLMENT_ENDED)
    await lock_organizer(tx, found["organizer_id"])
    key, text = await keys.create_key(
        tx, found["organizer_id"], found["name"], _SCOPES, found["created_by"], now, found["event_id"]
    )
    # Of two devices with one code, the second waits for the lock, and finds nothing to enrol
    row = await tx.fetchrow(
        *sql.enrol(event_id=found["event_id"], code_hash=_hash(code), api_key_id=key.api_key_id, now=now)
    )
    if row is None:
        raise Refused(CheckinRefusal.ENROLMENT_ENDED)
    return _scanner(row), text


async def list_scanners(database: Database, event_id: UUID, now: datetime) -> list[Scanner]:
    """Return the scanners of an event, newest first, without those that nobody enrolled in time."""
    rows = await database.fetch(*sql.list_scanners(event_id=event_id, now=now, limit=2 * SCANNERS_MAX))
    return [_scanner(row) for row in rows]


async def find_scanner(database: Database, api_key_id: UUID) -> Scanner | None:
    """Return the scanner whose device has a key, or None."""
    row = await database.fetch_row(*sql.find_scanner(api_key_id=api_key_id))
    return None if row is None else _scanner(row)


async def revoke_scanner(tx: Connection, event_id: UUID, scanner_id: UUID, now: datetime) -> Scanner:
    """Revoke a scanner for good, and its key; a second call changes nothing. Refuses `scanner-not-found`."""
    row = await tx.fetchrow(*sql.revoke_scanner(event_id=event_id, scanner_id=scanner_id, now=now))
    if row is None:
        raise Refused(CheckinRefusal.SCANNER_NOT_FOUND)
    if row["api_key_id"] is not None:
        await keys.revoke_key(tx, row["organizer_id"], row["api_key_id"], now)
    found = await tx.fetchrow(*sql.get_scanner(event_id=event_id, scanner_id=scanner_id))
    assert found is not None, "a scanner is never deleted"
    return _scanner(found)


def _hash(code: str) -> bytes:
    return hashlib.sha256("".join(code.split()).lower().encode()).digest()


def _scanner(row: Record) -> Scanner:
    return Scanner(**row)


async def forget_event(tx: Connection, event_id: UUID) -> None:
    """Delete what is allowed at the door of a sandbox event that is removed, and its devices."""
    await tx.execute(*sql.forget_event(event_id=event_id))
