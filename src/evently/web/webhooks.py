"""What owners do to the webhooks of an organizer, for the API and the pages alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from evently import webhooks
from evently.db import Connection
from evently.kit.errors import FieldError, Invalid
from evently.kit.ids import show_id
from evently.web.edge.access import check_scope
from evently.web.services import Request
from evently.webhooks import OVERLAP_HOURS_MAX, Webhook, WebhookTerms

# What an API key must be allowed to read to be sent it
_BOOKINGS: Final = "bookings:read"
_log: Final = structlog.get_logger(__name__)

Changing = Callable[[Webhook], WebhookTerms]


async def register_webhook(request: Request, organizer_id: UUID, terms: WebhookTerms) -> tuple[Webhook, str]:
    """Register a webhook; return it with its secret. Refuses `invalid`, `forbidden`, `too-many-webhooks`."""
    _check_rights(request, terms.kinds, personal_data=terms.personal_data)
    context = request.context
    async with context.database.transaction() as tx:
        webhook, secret = await webhooks.register(
            tx, organizer_id, terms, request.actor.id, context.webhooks.options, context.clock()
        )
    _note(request, "webhook registered", webhook)
    return webhook, secret


async def change_webhook(
    request: Request, organizer_id: UUID, webhook_id: UUID, seen: Callable[[int], None], change: Changing
) -> Webhook:
    """Change a webhook of which the caller has `seen` this version. Refuses `invalid`, `forbidden`."""
    async with _locked(request, organizer_id, webhook_id) as (tx, webhook, now):
        seen(webhook.version)
        terms = change(webhook)
        _check_rights(request, terms.kinds, personal_data=terms.personal_data)
        changed = await webhooks.change_webhook(tx, webhook, terms, request.context.webhooks.options, now)
    _note(request, "webhook changed", changed)
    return changed


async def pause_webhook(request: Request, organizer_id: UUID, webhook_id: UUID) -> Webhook:
    """Pause a webhook."""
    async with _locked(request, organizer_id, webhook_id) as (tx, webhook, now):
        paused = await webhooks.pause_webhook(tx, webhook, now)
    _note(request, "webhook paused by hand", paused)
    return paused


async def resume_webhook(request: Request, organizer_id: UUID, webhook_id: UUID) -> Webhook:
    """Resume a webhook: what waits is sent now."""
    async with _locked(request, organizer_id, webhook_id) as (tx, webhook, now):
        resumed = await webhooks.resume_webhook(tx, webhook, now)
    _note(request, "webhook resumed", resumed)
    return resumed


async def rotate_secret(request: Request, organizer_id: UUID, webhook_id: UUID, overlap_hours: int) -> str:
    """Give a webhook another secret, and return it. Refuses `invalid`, `rotated-already`."""
    if not 0 <= overlap_hours <= OVERLAP_HOURS_MAX:
        raise Invalid(
            [FieldError("/overlap_hours", "out-of-range", {"smallest": 0, "largest": OVERLAP_HOURS_MAX})]
        )
    async with _locked(request, organizer_id, webhook_id) as (tx, webhook, now):
        secret = await webhooks.rotate_secret(tx, webhook, timedelta(hours=overlap_hours), now)
    _note(request, "webhook secret rotated", webhook)
    return secret


async def remove_webhook(request: Request, organizer_id: UUID, webhook_id: UUID) -> None:
    """Remove a webhook for good."""
    async with _locked(request, organizer_id, webhook_id) as (tx, webhook, now):
        await webhooks.remove_webhook(tx, webhook, now)
    _note(request, "webhook removed", webhook)


async def send_test(request: Request, organizer_id: UUID, webhook_id: UUID) -> UUID:
    """Send a test message; return the id of its delivery."""
    async with _locked(request, organizer_id, webhook_id) as (tx, webhook, now):
        return await webhooks.log.send_test(tx, webhook.webhook_id, now)


async def send_again(request: Request, organizer_id: UUID, webhook_id: UUID, delivery_id: UUID) -> None:
    """Send a delivery again. Refuses `delivery-not-found`."""
    async with _locked(request, organizer_id, webhook_id) as (tx, webhook, now):
        await webhooks.log.send_again(tx, webhook.webhook_id, delivery_id, now)


async def send_range_again(
    request: Request, organizer_id: UUID, webhook_id: UUID, since: datetime, until: datetime | None
) -> int:
    """Send what was stored in a span of time again; return how many. Refuses `invalid`."""
    end = until or request.context.clock()
    if since >= end:
        raise Invalid([FieldError("/from", "not-before-to")])
    async with _locked(request, organizer_id, webhook_id) as (tx, webhook, now):
        count = await webhooks.log.send_range_again(tx, webhook.webhook_id, since, end, now)
    _note(request, "webhook messages sent again", webhook)
    return count


async def skip(request: Request, organizer_id: UUID, webhook_id: UUID, delivery_id: UUID) -> None:
    """Give a delivery up. Refuses `delivery-not-pending`."""
    async with _locked(request, organizer_id, webhook_id) as (tx, webhook, now):
        await webhooks.log.skip(tx, webhook.webhook_id, delivery_id, now)


@asynccontextmanager
async def _locked(
    request: Request, organizer_id: UUID, webhook_id: UUID
) -> AsyncIterator[tuple[Connection, Webhook, datetime]]:
    """Lock a webhook of an organizer, in a transaction. Refuses `webhook-not-found`."""
    context = request.context
    async with context.database.transaction() as tx:
        yield tx, await webhooks.lock_webhook(tx, organizer_id, webhook_id), context.clock()


def _check_rights(request: Request, kinds: Collection[str], *, personal_data: bool) -> None:
    """Refuse an API key that would be sent what it may not read."""
    if request.actor.kind != "api_key":
        return
    if personal_data or any(not kind.startswith("event.") for kind in kinds):
        check_scope(request.actor, _BOOKINGS)


def _note(request: Request, what: str, webhook: Webhook) -> None:
    _log.info(what, actor_id=str(request.actor.id), webhook_id=show_id("whk", webhook.webhook_id))
