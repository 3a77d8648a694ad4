"""The outbox: a message for each notification and device. Stored in the caller's transaction, sent later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from evently.db import Connection, Database, load_queries
from evently.mail import KINDS
from evently.mail.nouns import encode_subject
from evently.mail.outbox import subject_of
from evently.notifications import Notification
from evently.push.nouns import PushMessage, PushState

sql: Final = load_queries(__name__)

KEPT: Final = timedelta(days=7)  # so that nothing is sent twice; nobody reads it
FORGOTTEN_MAX: Final = 10_000  # deleted at a time
EXPIRED_MAX: Final = 5_000  # at a time
ANSWER_CHARACTERS_MAX: Final = 200  # of what a push service answers
FAILURES_MAX: Final = 10  # messages in a row that a device did not get; then it is deleted


async def add_for_notifications(tx: Connection, new: Sequence[Notification]) -> None:
    """Store a message for each notification and each device of a person who wants it. Harmless to repeat.

    One statement where nobody has a device, as is usual, and two otherwise.
    """
    person_ids = {each.person_id for each in new if each.kind in KINDS}
    if not person_ids:
        return
    rows = await tx.fetch(*sql.list_people_with_devices(person_ids=list(person_ids)))
    having = {row["person_id"] for row in rows}
    wanted = [(each, KINDS[each.kind]) for each in new if each.person_id in having and each.kind in KINDS]
    if wanted:
        await tx.execute(
            *sql.add_for_notifications(
                ids=[each.notification_id for each, _ in wanted],
                kinds=[each.kind for each, _ in wanted],
                person_ids=[each.person_id for each, _ in wanted],
                datas=[encode_subject(subject_of(each)) for each, _ in wanted],
                topics=[terms.topic for _, terms in wanted],
                urgents=[terms.urgent for _, terms in wanted],
                ats=[each.created_at for each, _ in wanted],
                expires_ats=[each.created_at + terms.kept for each, terms in wanted],
            )
        )


async def claim(tx: Connection, now: datetime, until: datetime, limit: int) -> list[PushMessage]:
    """Claim messages that are due until an instant: what is urgent first. No other process has them then."""
    rows = await tx.fetch(*sql.claim(now=now, until=until, limit=limit))
    return [PushMessage(**row) for row in rows]


async def finish(tx: Connection, message: PushMessage, state: PushState, answer: str, now: datetime) -> None:
    """Write that a message needs no further attempt. A device that is gone, or never works, is deleted."""
    await tx.execute(
        *sql.finish(
            notification_id=message.notification_id,
            device_id=message.device_id,
            state=state,
            answer=answer[:ANSWER_CHARACTERS_MAX],
            now=now,
        )
    )
    if state == "gone":
        await tx.execute(*sql.remove(device_id=message.device_id, endpoint=message.endpoint))
    elif state == "sent":
        await tx.execute(*sql.note_success(device_id=message.device_id))
    elif state in ("failed", "expired"):
        await tx.execute(*sql.note_failure(device_id=message.device_id))
        await tx.execute(*sql.remove_failing(device_id=message.device_id, failures=FAILURES_MAX))


async def postpone(
    tx: Connection, message: PushMessage, due_at: datetime, answer: str, *, attempted: bool = True
) -> None:
    """Write when a message is attempted again; `attempted`: whether this attempt counts."""
    await tx.execute(
        *sql.postpone(
            notification_id=message.notification_id,
            device_id=message.device_id,
            due_at=due_at,
            answer=answer[:ANSWER_CHARACTERS_MAX],
            attempts=message.attempts - (not attempted),
        )
    )


async def expire(database: Database, now: datetime) -> bool:
    """Finish messages that were not sent in time; return whether more are late."""
    async with database.transaction() as tx:
        rows = await tx.fetch(*sql.expire(now=now, limit=EXPIRED_MAX))
    return len(rows) == EXPIRED_MAX


async def forget_old(database: Database, now: datetime) -> None:
    """Delete some of the messages that are older than `KEPT`."""
    milliseconds = int((now - KEPT).timestamp() * 1000)
    async with database.transaction() as tx:
        await tx.execute(*sql.forget_old(before=UUID(int=milliseconds << 80), limit=FORGOTTEN_MAX))


async def oldest_due(database: Database) -> datetime | None:
    """Return since when the message that has waited longest is due; None when none waits."""
    due: datetime | None = await database.fetch_value(*sql.oldest_due())
    return due
