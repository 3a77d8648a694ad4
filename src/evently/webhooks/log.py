"""The log of deliveries: what was sent and what came back; sending again, giving up, test messages."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from evently.db import Connection, Database, Record, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import Refused
from evently.kit.ids import NO_ID, new_id
from evently.webhooks import secrets
from evently.webhooks.messages import TEST, write_test
from evently.webhooks.nouns import (
    Attempt,
    Delivery,
    DeliveryState,
    WebhookCounts,
    WebhooksRefusal,
    WholeDelivery,
)
from evently.webhooks.sending import TROUBLE

sql: Final = load_queries(__name__)

KEPT: Final = timedelta(days=30)  # to see what was sent, and to send it again
SENT_AGAIN_MAX: Final = 10_000  # at a time
ATTEMPTS_MAX: Final = 100  # shown of a delivery
FORGOTTEN_MAX: Final = 5_000  # deleted at a time
_MICROSECOND: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


async def list_deliveries(
    database: Database, webhook_id: UUID, limit: int, after: str | None, state: DeliveryState | None = None
) -> Page[Delivery]:
    """Return a page of the deliveries of a webhook, the newest first."""
    position = None if after is None else read_cursor(after, tuple[UUID])[0]
    rows = await database.fetch(
        *sql.list_deliveries(webhook_id=webhook_id, after=position, state=state, limit=limit + 1)
    )
    page = [_delivery(row) for row in rows[:limit]]
    return Page(page, write_cursor((page[-1].delivery_id,)) if len(rows) > limit else None)


async def get_delivery(database: Database, webhook_id: UUID, delivery_id: UUID) -> WholeDelivery:
    """Return a delivery with its body and what came back. Refuses `delivery-not-found`."""
    row = await database.fetch_row(*sql.find_delivery(webhook_id=webhook_id, delivery_id=delivery_id))
    if row is None:
        raise Refused(WebhooksRefusal.DELIVERY_NOT_FOUND)
    attempts = await database.fetch(*sql.list_attempts(delivery_id=delivery_id, limit=ATTEMPTS_MAX))
    found = {name: row[name] for name in row.keys() if name != "body"}  # noqa: SIM118  # a record
    return WholeDelivery(_delivery(found), row["body"], [Attempt(**each) for each in attempts])


async def send_test(tx: Connection, webhook_id: UUID, now: datetime) -> UUID:
    """Store a test message, and return its id."""
    seq = (now - _EPOCH) // _MICROSECOND
    delivery_id = new_id()
    # Two at the same moment get different places
    while (
        await tx.fetchval(
            *sql.add_test(
                delivery_id=delivery_id,
                webhook_id=webhook_id,
                no_event_id=NO_ID,
                seq=seq,
                kind=TEST,
                body=write_test(webhook_id, now),
                now=now,
            )
        )
        is None
    ):
        seq += 1
    return delivery_id


async def send_again(tx: Connection, webhook_id: UUID, delivery_id: UUID, now: datetime) -> None:
    """Send a delivery again. Refuses `delivery-not-found`."""
    if await tx.fetchval(*sql.send_again(webhook_id=webhook_id, delivery_id=delivery_id, now=now)) is None:
        raise Refused(WebhooksRefusal.DELIVERY_NOT_FOUND)


async def send_range_again(
    tx: Connection, webhook_id: UUID, since: datetime, until: datetime, now: datetime
) -> int:
    """Send what was stored in a span of time again, the oldest first; return how many.

    At most `SENT_AGAIN_MAX`: then there may be more. What waits already is not counted.
    """
    rows = await tx.fetch(
        *sql.send_range_again(
            webhook_id=webhook_id,
            first_id=_first_id(since),
            end_id=_first_id(until),
            now=now,
            limit=SENT_AGAIN_MAX,
        )
    )
    return len(rows)


async def skip(tx: Connection, webhook_id: UUID, delivery_id: UUID, now: datetime) -> None:
    """Give a delivery up that waits: the later ones of its event are sent.

    Refuses `delivery-not-pending`.
    """
    if await tx.fetchval(*sql.skip(webhook_id=webhook_id, delivery_id=delivery_id, now=now)) is None:
        raise Refused(WebhooksRefusal.DELIVERY_NOT_PENDING)


async def forget_old(database: Database, now: datetime) -> None:
    """Delete some deliveries that are older than `KEPT`, and what belongs to removed webhooks."""
    async with database.transaction() as tx:
        await secrets.forget_expired(tx, now)
        await tx.execute(*sql.forget_old(before=_first_id(now - KEPT), limit=FORGOTTEN_MAX))
        await tx.execute(*sql.forget_removed(limit=FORGOTTEN_MAX))
        await tx.execute(*sql.forget_webhooks(before=now - timedelta(hours=1)))


async def count_webhooks(database: Database) -> WebhookCounts:
    """Return how many webhooks there are, how many have trouble, and what waits."""
    row = await database.fetch_row(*sql.count_all(trouble=TROUBLE))
    assert row is not None, "an aggregate has one row"
    return WebhookCounts(**row)


def _first_id(at: datetime) -> UUID:
    """Return the smallest id that is made at an instant."""
    return UUID(int=max(0, int(at.timestamp() * 1000)) << 80)


def _delivery(row: Record | dict[str, object]) -> Delivery:
    found = dict(row)
    if found["about_event_id"] == NO_ID:
        found["about_event_id"] = None
    return Delivery(**found)
