"""The inbox of notices of gateways: stored once for each id, before they are processed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from evently.db import Connection, Database, load_queries
from evently.payments.gateway import Notice, NoticeKind

PENDING_MAX: Final = 200  # read at a time
FORGOTTEN_MAX: Final = 5_000  # deleted by one statement, in a fraction of a second
# A provider repeats a notice for days, and people ask about a payment for weeks
KEPT: Final = timedelta(days=90)

sql: Final = load_queries(__name__)


class StoredNotice(msgspec.Struct, frozen=True):
    """A notice in the inbox."""

    gateway: str
    notice_id: str
    kind: NoticeKind
    reference: str
    at: datetime
    payment_id: UUID | None
    raw: str
    received_at: datetime


async def store_notices(
    tx: Connection, gateway: str, notices: Sequence[Notice], body: bytes, now: datetime
) -> list[Notice]:
    """Store the notices of a checked request, with its body. Return those that are new."""
    rows = await tx.fetch(
        *sql.store_notices(
            gateway=gateway,
            notice_ids=[notice.notice_id for notice in notices],
            kinds=[notice.kind for notice in notices],
            refs=[notice.reference for notice in notices],
            payment_ids=[notice.payment_id for notice in notices],
            ats=[notice.at for notice in notices],
            raws=[notice.raw for notice in notices],
            body=body,
            now=now,
        ),
    )
    new = {row["notice_id"] for row in rows}
    return [notice for notice in notices if notice.notice_id in new]


async def list_pending(database: Database, limit: int = PENDING_MAX) -> list[StoredNotice]:
    """Return notices that were not processed, oldest first."""
    return [StoredNotice(**row) for row in await database.fetch(*sql.list_pending(limit=limit))]


async def mark_processed(tx: Connection, gateway: str, notice_ids: Sequence[str], now: datetime) -> None:
    """Mark notices processed."""
    await tx.execute(*sql.mark_processed(gateway=gateway, notice_ids=list(notice_ids), now=now))


async def forget_notices(tx: Connection, now: datetime) -> None:
    """Delete some of the notices that were processed longer than `KEPT` ago."""
    await tx.execute(*sql.forget_notices(before=now - KEPT, limit=FORGOTTEN_MAX))
