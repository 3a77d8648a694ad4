"""What administrators did: who, when, what, about whom, and why. Acts are written down and never change.

    record          write an act down, in the transaction of what was done
    list_acts       the newest first; about one subject
    opened_until    until when an administrator may change things at the desk of an organizer
    find_break      the first act that is missing or was changed, if there is one
    check_reason    a reason as it is stored, and what is wrong with it

Each act has a hash of the act before and of its own content, as rows of a journal have.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from evently.db import Connection, Database, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import FieldError
from evently.kit.visible import is_visible, misprints

sql: Final = load_queries(__name__)

ActKind: TypeAlias = Literal[
    "made_admin",
    "made_buyer",
    "account_locked",
    "account_unlocked",
    "sessions_ended",
    "job_retried",
    "audit_started",
    "desk_opened",
]

REASON_CHARACTERS_MAX: Final = 500  # a few sentences
DESK_OPEN: Final = timedelta(hours=1)  # an administrator who says why may change things at a desk so long
_READ: Final = 1_000  # acts at a time
_FIRST: Final = bytes(32)


class Act(msgspec.Struct, frozen=True):
    """An act of an administrator. `subject`: an id as people see it; empty: the platform."""

    number: int
    admin_id: UUID
    at: datetime
    kind: str
    subject: str
    reason: str
    admin_name: str = ""


def check_reason(text: str, pointer: str) -> tuple[str, list[FieldError]]:
    """Return a reason as it is stored, and what is wrong with what was typed."""
    reason = " ".join(text.split())
    if not is_visible(reason):
        return "", [FieldError(pointer, "reason-missing")]
    if len(reason) > REASON_CHARACTERS_MAX:
        return "", [FieldError(pointer, "too-many-characters", {"characters_max": REASON_CHARACTERS_MAX})]
    return reason, [FieldError(pointer, *wrong) for wrong in misprints(reason)]


async def record(
    tx: Connection, admin_id: UUID, kind: ActKind, subject: str, reason: str, now: datetime
) -> None:
    """Write an act down. `reason` passed `check_reason`."""
    await tx.fetchval(*sql.lock_acts())
    last = await tx.fetchrow(*sql.find_last())
    act = Act((last["number"] if last else 0) + 1, admin_id, now, kind, subject, reason)
    values = {name: getattr(act, name) for name in ("number", "admin_id", "at", "kind", "subject", "reason")}
    await tx.execute(*sql.add_act(**values, hash=_hash(last["hash"] if last else _FIRST, act)))


async def list_acts(
    database: Database, limit: int, after: str | None, *, subject: str | None = None
) -> Page[Act]:
    """Return a page of acts, the newest first."""
    position = None if after is None else read_cursor(after, tuple[int])[0]
    rows = await database.fetch(*sql.list_acts(subject=subject, after=position, limit=limit + 1))
    acts = [Act(**row) for row in rows[:limit]]
    return Page(acts, write_cursor((acts[-1].number,)) if len(rows) > limit else None)


async def opened_until(database: Database, admin_id: UUID, organizer: str, now: datetime) -> datetime | None:
    """Return until when the desk of an organizer is open for an administrator, who has said why; or None."""
    at: datetime | None = await database.fetch_value(
        *sql.find_opening(admin_id=admin_id, subject=organizer, after=now - DESK_OPEN)
    )
    return None if at is None else at + DESK_OPEN


async def find_break(database: Database) -> int | None:
    """Return the number of the first act that is missing or was changed; None: all are as written."""
    number, before = 0, _FIRST
    while rows := await database.fetch(*sql.read_acts(after=number, limit=_READ)):
        for row in rows:
            stored = row["hash"]
            act = Act(*[row[name] for name in ("number", "admin_id", "at", "kind", "subject", "reason")])
            if act.number != number + 1 or stored != _hash(before, act):
                return number + 1
            number, before = act.number, stored
    return None


def _hash(before: bytes, act: Act) -> bytes:
    said = (act.number, act.admin_id, act.at.astimezone(UTC), act.kind, act.subject, act.reason)
    return hashlib.sha256(before + msgspec.json.encode(said)).digest()
