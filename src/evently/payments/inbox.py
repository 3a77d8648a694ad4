"""The inbox of what gateways tell by themselves: stored before it is understood, once for each id, handled in its own time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from evently.db import Connection, Database, load_queries
from evently.payments.gateway import Notice, NoticeKind

UNHANDLED_MAX: Final = 200  # in one look; there is another after it
FORGOTTEN_MAX: Final = 5_000  # in one statement, a fraction of a second
KEPT: Final = timedelta(days=90)  # a provider sends again for days; people ask about a payment for weeks

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
    """Keep what a checked request said, with its body as it came; returns those that were not seen before."""
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


async def store_notice(tx: Connection, gateway: str, notice: Notice, body: bytes, now: datetime) -> bool:
    """Keep one notice; False when it was seen before."""
    return bool(await store_notices(tx, gateway, [notice], body, now))


async def list_unhandled(database: Database, limit: int = UNHANDLED_MAX) -> list[StoredNotice]:
    """Return notices that nobody has looked at, oldest first."""
    return [StoredNotice(*row.values()) for row in await database.fetch(*sql.list_unhandled(limit=limit))]


async def mark_handled(tx: Connection, gateway: str, notice_ids: Sequence[str], now: datetime) -> None:
    """Say that these need no look any more."""
    await tx.execute(*sql.mark_handled(gateway=gateway, notice_ids=list(notice_ids), now=now))


async def forget_notices(tx: Connection, now: datetime) -> None:
    """Forget handled notices that are older than `KEPT`; a part of them, where there are many."""
    await tx.execute(*sql.forget_notices(before=now - KEPT, limit=FORGOTTEN_MAX))
