"""The webhooks of an organizer: register, change, pause, resume, rotate the secret, remove."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from evently.accounts.organizers import lock_organizer
from evently.db import Connection, Database, Record, load_queries
from evently.kit.errors import FieldError, Invalid, Refused
from evently.kit.ids import new_id
from evently.kit.visible import misprints
from evently.webhooks import secrets
from evently.webhooks.addresses import ADDRESS_CHARACTERS_MAX, is_address
from evently.webhooks.messages import KINDS
from evently.webhooks.nouns import Webhook, WebhookOptions, WebhooksRefusal

sql: Final = load_queries(__name__)

WEBHOOKS_MAX: Final = 20  # of an organizer: each adds a row for each fact
DESCRIPTION_CHARACTERS_MAX: Final = 200
WAITING_MAX: Final = 10_000  # counted; more is many


class WebhookTerms(NamedTuple):
    """What an organizer sets about a webhook."""

    address: str
    description: str
    kinds: Collection[str]
    personal_data: bool


class Waiting(NamedTuple):
    """How many deliveries wait, up to `WAITING_MAX`, and since when the oldest."""

    messages: int
    since: datetime | None


def check_terms(terms: WebhookTerms, options: WebhookOptions) -> WebhookTerms:
    """Return terms as they are stored. Refuses `invalid`, with every wrong field."""
    address, description = terms.address.strip(), terms.description.strip()
    errors = []
    if not is_address(address, allows_private=bool(options.networks)):
        errors.append(
            FieldError("/address", "not-a-public-address", {"characters_max": ADDRESS_CHARACTERS_MAX})
        )
    if len(description) > DESCRIPTION_CHARACTERS_MAX:
        errors.append(
            FieldError("/description", "too-many-characters", {"characters_max": DESCRIPTION_CHARACTERS_MAX})
        )
    errors += [FieldError("/description", *wrong) for wrong in misprints(description)]
    if not terms.kinds or not set(terms.kinds) <= KINDS.keys():
        errors.append(FieldError("/kinds", "no-kinds"))
    if errors:
        raise Invalid(errors)
    kinds = [kind for kind in KINDS if kind in terms.kinds]
    return WebhookTerms(address, description, kinds, terms.personal_data)


async def register(
    tx: Connection,
    organizer_id: UUID,
    terms: WebhookTerms,
    created_by: UUID,
    options: WebhookOptions,
    now: datetime,
) -> tuple[Webhook, str]:
    """Register a webhook; return it with its secret. Refuses `invalid`, `too-many-webhooks`."""
    terms = check_terms(terms, options)
    await lock_organizer(tx, organizer_id)
    if await tx.fetchval(*sql.count(organizer_id=organizer_id)) >= WEBHOOKS_MAX:
        raise Refused(WebhooksRefusal.TOO_MANY_WEBHOOKS, "count", count_max=WEBHOOKS_MAX)
    # After this point the webhook must be registered.
    webhook_id = new_id()
    row = await tx.fetchrow(
        *sql.add(
            webhook_id=webhook_id,
            organizer_id=organizer_id,
            created_by=created_by,
            now=now,
            **{**terms._asdict(), "kinds": list(terms.kinds)},
        )
    )
    return _webhook(row), await secrets.create(tx, webhook_id, now)


async def list_webhooks(database: Database, organizer_id: UUID) -> list[Webhook]:
    """Return the webhooks of an organizer, the newest first."""
    rows = await database.fetch(*sql.list_webhooks(organizer_id=organizer_id, limit=WEBHOOKS_MAX))
    return [Webhook(**row) for row in rows]


async def get_webhook(database: Database, organizer_id: UUID, webhook_id: UUID) -> Webhook:
    """Return a webhook of an organizer. Refuses `webhook-not-found`."""
    return _webhook(await database.fetch_row(*sql.find(organizer_id=organizer_id, webhook_id=webhook_id)))


async def lock_webhook(tx: Connection, organizer_id: UUID, webhook_id: UUID) -> Webhook:
    """Lock a webhook before it changes. Refuses `webhook-not-found`."""
    return _webhook(await tx.fetchrow(*sql.lock(organizer_id=organizer_id, webhook_id=webhook_id)))


async def change_webhook(
    tx: Connection, webhook: Webhook, terms: WebhookTerms, options: WebhookOptions, now: datetime
) -> Webhook:
    """Change a locked webhook. Refuses `invalid`. Another address gets what waits at once."""
    terms = check_terms(terms, options)
    if terms.address != webhook.address:
        await tx.execute(*sql.try_again(webhook_id=webhook.webhook_id, now=now))
    return _webhook(
        await tx.fetchrow(
            *sql.change(webhook_id=webhook.webhook_id, **{**terms._asdict(), "kinds": list(terms.kinds)})
        )
    )


async def pause_webhook(tx: Connection, webhook: Webhook, now: datetime) -> Webhook:
    """Send nothing to a locked webhook until it is resumed; what happens meanwhile waits."""
    if webhook.paused_at is not None:
        return webhook
    return _webhook(await tx.fetchrow(*sql.pause(webhook_id=webhook.webhook_id, now=now)))


async def resume_webhook(tx: Connection, webhook: Webhook, now: datetime) -> Webhook:
    """Send what waits to a locked webhook now, whether it was paused or only failed."""
    await tx.execute(*sql.try_again(webhook_id=webhook.webhook_id, now=now))
    return _webhook(await tx.fetchrow(*sql.resume(webhook_id=webhook.webhook_id)))


async def rotate_secret(tx: Connection, webhook: Webhook, overlap: timedelta, now: datetime) -> str:
    """Give a locked webhook another secret, and return it. Refuses `rotated-already`."""
    return await secrets.rotate(tx, webhook.webhook_id, overlap, now)


async def remove_webhook(tx: Connection, webhook: Webhook, now: datetime) -> None:
    """Remove a locked webhook for good: nothing waits for it any more."""
    await tx.execute(*sql.remove(webhook_id=webhook.webhook_id, now=now))


async def count_waiting(database: Database, organizer_id: UUID) -> dict[UUID, Waiting]:
    """Return what waits for each webhook of an organizer."""
    rows = await database.fetch(*sql.count_waiting(organizer_id=organizer_id, limit=WAITING_MAX))
    return {row["webhook_id"]: Waiting(row["messages"], row["since"]) for row in rows}


def _webhook(row: Record | None) -> Webhook:
    if row is None:
        raise Refused(WebhooksRefusal.WEBHOOK_NOT_FOUND)
    return Webhook(**row)
