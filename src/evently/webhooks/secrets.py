"""The secrets of webhooks, and the signature of Standard Webhooks.

A secret is shown once. It is stored as it is: to sign, the server needs it (docs/webhooks.md). For some time
after a rotation each message has two signatures, of the new secret and of the one before.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime, timedelta
from secrets import token_bytes
from typing import Final
from uuid import UUID

from standardwebhooks import Webhook as Signer

from evently.db import Connection, Database, load_queries
from evently.kit.errors import Refused
from evently.kit.ids import new_id
from evently.webhooks.nouns import WebhooksRefusal

sql: Final = load_queries(__name__)

SECRET_BYTES: Final = 32
OVERLAP_HOURS_MAX: Final = 72  # as long as a message is tried
FORGOTTEN_MAX: Final = 1_000  # deleted at a time


async def create(tx: Connection, webhook_id: UUID, now: datetime) -> str:
    """Store a new secret of a webhook, and return it as people copy it."""
    secret = token_bytes(SECRET_BYTES)
    await tx.execute(*sql.add(webhook_id=webhook_id, secret_id=new_id(), secret=secret, now=now))
    return f"whsec_{base64.b64encode(secret).decode()}"


async def rotate(tx: Connection, webhook_id: UUID, overlap: timedelta, now: datetime) -> str:
    """Replace the secret of a locked webhook; the one before stays valid for the overlap.

    Refuses `rotated-already` while the one before that is still valid.
    """
    if (ends_at := await tx.fetchval(*sql.find_ending(webhook_id=webhook_id, now=now))) is not None:
        raise Refused(WebhooksRefusal.ROTATED_ALREADY, "ends_at", ends_at=ends_at)
    await tx.execute(*sql.expire(webhook_id=webhook_id, expires_at=now + overlap))
    return await create(tx, webhook_id, now)


async def list_live(database: Database, webhook_id: UUID, now: datetime) -> list[bytes]:
    """Return the secrets that are valid, the newest first."""
    return [row["secret"] for row in await database.fetch(*sql.list_live(webhook_id=webhook_id, now=now))]


async def find_ending(database: Database, webhook_id: UUID, now: datetime) -> datetime | None:
    """Return until when the secret before the present one is valid, too."""
    found: datetime | None = await database.fetch_value(*sql.find_ending(webhook_id=webhook_id, now=now))
    return found


async def forget_expired(tx: Connection, now: datetime) -> None:
    """Delete some secrets that are not valid any more."""
    await tx.execute(*sql.forget_expired(now=now, limit=FORGOTTEN_MAX))


def sign(keys: Sequence[bytes], message_id: str, now: datetime, body: str) -> dict[str, str]:
    """Return the headers of Standard Webhooks: a signature for each secret."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Signer(key).sign(message_id, now, body) for key in keys),
    }
