"""Webhooks of an organizer: registered, tried, changed; what was sent, and what came back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Final, NamedTuple
from uuid import UUID

import msgspec

from evently import webhooks
from evently.kit.errors import CommonRefusal, Invalid, Refused
from evently.kit.ids import OrganizerId, WebhookDeliveryId, WebhookId, show_id
from evently.web import webhooks as web_webhooks
from evently.web.edge.auth import policy
from evently.web.edge.context import Response
from evently.web.edge.problems import PROBLEMS, sentence_of
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages.forms import Form, FormError, errors_of, read_form
from evently.web.pages.organize.desk import OWNERS, open_desk, organizer_address, render_desk
from evently.web.pages.rendering import act, see_other, show
from evently.web.services import Request
from evently.webhooks import KINDS, WAITING_MAX, Waiting, Webhook, WebhooksRefusal, WebhookTerms

_SHOWN_MAX: Final = 30  # messages on a page
_OVERLAP_HOURS: Final = 24
_FIELDS: Final = {"/address": "address", "/description": "description", "/kinds": "kinds", "/from": "from"}
_KIND_WORDS: Final = [(kind, each.words) for kind, each in KINDS.items()]
_SAVED: Final = {
    "tested": "A test message is on its way: it stands below in a moment.",
    "paused": "Nothing is sent until you resume it. What happens meanwhile waits.",
    "resumed": "What waits is sent now, in order.",
    "changed": "It is saved.",
    "removed": "The webhook is removed.",
    "again": "It is sent again in a moment.",
    "skipped": "It is given up: the later messages of its event are sent.",
}
Saved = Annotated[str, QueryParameter(max_length=10)]
After = Annotated[str, QueryParameter(max_length=500)]
Page = Response[str] | Response[None]


class Row(NamedTuple):
    """A webhook in the list. `waiting`: how many messages wait, in words."""

    webhook: Webhook
    address: str
    waiting: str


@show("/organize/{organizer_id}/webhooks", **policy(OWNERS))
async def show_webhooks(
    request: Request, organizer_id: FromPath[OrganizerId], saved: Saved = ""
) -> Response[str]:
    """Return the webhooks of an organizer, and the form of a new one."""
    return await _list(request, organizer_id, Form([]), done=_SAVED.get(saved, ""))


@act("/organize/{organizer_id}/webhooks", **policy(OWNERS))
async def register_webhook(request: Request, organizer_id: FromPath[OrganizerId]) -> Page:
    """Register a webhook, and show its secret once: it is in no address, and no cache stores the page."""
    form = await read_form(request)
    try:
        webhook, secret = await web_webhooks.register_webhook(request, organizer_id, _terms_of(form))
    except Invalid as exc:
        return await _list(request, organizer_id, form, errors_of(exc, _FIELDS))
    except Refused as exc:
        if exc.refusal is not WebhooksRefusal.TOO_MANY_WEBHOOKS:
            raise
        return await _list(request, organizer_id, form, [FormError("address", sentence_of(exc))])
    return await _one(request, organizer_id, webhook.webhook_id, secret=secret)


@show("/organize/{organizer_id}/webhooks/{webhook_id}", **policy(OWNERS))
async def show_webhook(
    request: Request,
    organizer_id: FromPath[OrganizerId],
    webhook_id: FromPath[WebhookId],
    saved: Saved = "",
    after: After = "",
) -> Response[str]:
    """Return a webhook with what was sent, the newest first."""
    return await _one(request, organizer_id, webhook_id, done=_SAVED.get(saved, ""), after=after or None)


@act("/organize/{organizer_id}/webhooks/{webhook_id}", **policy(OWNERS))
async def change_webhook(
    request: Request, organizer_id: FromPath[OrganizerId], webhook_id: FromPath[WebhookId]
) -> Page:
    """Change a webhook."""
    form = await read_form(request)
    try:
        await web_webhooks.change_webhook(
            request, organizer_id, webhook_id, partial(_check_version, form), lambda _: _terms_of(form)
        )
    except Invalid as exc:
        return await _one(request, organizer_id, webhook_id, form=form, errors=errors_of(exc, _FIELDS))
    except Refused as exc:
        if exc.refusal is not CommonRefusal.STALE:
            raise
        other = FormError("main", "It was changed meanwhile. What you see now is how it is; change it again.")
        return await _one(
            request, organizer_id, webhook_id, errors=[other], status=PROBLEMS[exc.refusal].status
        )
    return see_other(f"{_address(organizer_id, webhook_id)}?saved=changed")


@act("/organize/{organizer_id}/webhooks/{webhook_id}/test", **policy(OWNERS))
async def send_test(
    request: Request, organizer_id: FromPath[OrganizerId], webhook_id: FromPath[WebhookId]
) -> Page:
    """Send a test message."""
    await web_webhooks.send_test(request, organizer_id, webhook_id)
    return see_other(f"{_address(organizer_id, webhook_id)}?saved=tested")


@act("/organize/{organizer_id}/webhooks/{webhook_id}/pause", **policy(OWNERS))
async def pause_webhook(
    request: Request, organizer_id: FromPath[OrganizerId], webhook_id: FromPath[WebhookId]
) -> Page:
    """Pause a webhook."""
    await web_webhooks.pause_webhook(request, organizer_id, webhook_id)
    return see_other(f"{_address(organizer_id, webhook_id)}?saved=paused")


@act("/organize/{organizer_id}/webhooks/{webhook_id}/resume", **policy(OWNERS))
async def resume_webhook(
    request: Request, organizer_id: FromPath[OrganizerId], webhook_id: FromPath[WebhookId]
) -> Page:
    """Resume a webhook, or try again now what has failed."""
    await web_webhooks.resume_webhook(request, organizer_id, webhook_id)
    return see_other(f"{_address(organizer_id, webhook_id)}?saved=resumed")


@act("/organize/{organizer_id}/webhooks/{webhook_id}/rotate", **policy(OWNERS))
async def rotate_secret(
    request: Request, organizer_id: FromPath[OrganizerId], webhook_id: FromPath[WebhookId]
) -> Page:
    """Make a new secret, and show it once."""
    try:
        secret = await web_webhooks.rotate_secret(request, organizer_id, webhook_id, _OVERLAP_HOURS)
    except Refused as exc:
        if exc.refusal is not WebhooksRefusal.ROTATED_ALREADY:
            raise
        return await _one(
            request,
            organizer_id,
            webhook_id,
            errors=[FormError("secret", sentence_of(exc))],
            status=PROBLEMS[exc.refusal].status,
        )
    return await _one(request, organizer_id, webhook_id, secret=secret)


@act("/organize/{organizer_id}/webhooks/{webhook_id}/remove", **policy(OWNERS))
async def remove_webhook(
    request: Request, organizer_id: FromPath[OrganizerId], webhook_id: FromPath[WebhookId]
) -> Page:
    """Remove a webhook for good, once the reader has confirmed it."""
    if (await read_form(request)).text("confirm") != "yes":
        return await _one(request, organizer_id, webhook_id, asked=True)
    await web_webhooks.remove_webhook(request, organizer_id, webhook_id)
    return see_other(f"{organizer_address(organizer_id)}/webhooks?saved=removed")


@act("/organize/{organizer_id}/webhooks/{webhook_id}/send-again", **policy(OWNERS))
async def send_range_again(
    request: Request, organizer_id: FromPath[OrganizerId], webhook_id: FromPath[WebhookId]
) -> Page:
    """Send the messages of a span of time again."""
    form = await read_form(request)
    since, until = _instant_of(form.text("from")), _instant_of(form.text("to"))
    errors = [] if since is not None else [FormError("from", "Enter a date and a time.")]
    if form.text("to") and until is None:
        errors.append(FormError("to", "This is not a date with a time."))
    if errors or since is None:
        return await _one(request, organizer_id, webhook_id, form=form, errors=errors)
    try:
        count = await web_webhooks.send_range_again(request, organizer_id, webhook_id, since, until)
    except Invalid as exc:
        return await _one(request, organizer_id, webhook_id, form=form, errors=errors_of(exc, _FIELDS))
    done = f"{count:,} {'message is' if count == 1 else 'messages are'} sent again."
    return await _one(request, organizer_id, webhook_id, done=done)


@show("/organize/{organizer_id}/webhooks/{webhook_id}/deliveries/{delivery_id}", **policy(OWNERS))
async def show_delivery(
    request: Request,
    organizer_id: FromPath[OrganizerId],
    webhook_id: FromPath[WebhookId],
    delivery_id: FromPath[WebhookDeliveryId],
    saved: Saved = "",
) -> Response[str]:
    """Return a message with everything that came back."""
    return await _delivery(request, organizer_id, webhook_id, delivery_id, done=_SAVED.get(saved, ""))


@act("/organize/{organizer_id}/webhooks/{webhook_id}/deliveries/{delivery_id}/send-again", **policy(OWNERS))
async def send_again(
    request: Request,
    organizer_id: FromPath[OrganizerId],
    webhook_id: FromPath[WebhookId],
    delivery_id: FromPath[WebhookDeliveryId],
) -> Page:
    """Send a message again."""
    await web_webhooks.send_again(request, organizer_id, webhook_id, delivery_id)
    return see_other(f"{_address(organizer_id, webhook_id, delivery_id)}?saved=again")


@act("/organize/{organizer_id}/webhooks/{webhook_id}/deliveries/{delivery_id}/skip", **policy(OWNERS))
async def skip_delivery(
    request: Request,
    organizer_id: FromPath[OrganizerId],
    webhook_id: FromPath[WebhookId],
    delivery_id: FromPath[WebhookDeliveryId],
) -> Page:
    """Give a message up."""
    try:
        await web_webhooks.skip(request, organizer_id, webhook_id, delivery_id)
    except Refused as exc:
        if exc.refusal is not WebhooksRefusal.DELIVERY_NOT_PENDING:
            raise
        return await _delivery(request, organizer_id, webhook_id, delivery_id, refused=exc)
    return see_other(f"{_address(organizer_id, webhook_id, delivery_id)}?saved=skipped")


async def _list(
    request: Request,
    organizer_id: UUID,
    form: Form,
    errors: Sequence[FormError] = (),
    done: str = "",
) -> Response[str]:
    database = request.context.database
    desk = await open_desk(request, organizer_id)
    found = await webhooks.list_webhooks(database, organizer_id)
    waiting = await webhooks.count_waiting(database, organizer_id)
    return render_desk(
        request,
        desk,
        "webhooks.html",
        status=422 if errors else 200,
        rows=[
            Row(each, _address(organizer_id, each.webhook_id), _words_of(waiting.get(each.webhook_id)))
            for each in found
        ],
        kinds=_KIND_WORDS,
        form=form,
        errors=list(errors),
        done=done,
    )


async def _one(
    request: Request,
    organizer_id: UUID,
    webhook_id: UUID,
    *,
    form: Form | None = None,
    errors: Sequence[FormError] = (),
    status: int = 422,
    done: str = "",
    secret: str = "",
    asked: bool = False,
    after: str | None = None,
) -> Response[str]:
    context = request.context
    webhook = await webhooks.get_webhook(context.database, organizer_id, webhook_id)
    desk = await open_desk(request, organizer_id)
    page = await webhooks.log.list_deliveries(context.database, webhook_id, _SHOWN_MAX, after)
    earlier = await webhooks.find_ending(context.database, webhook_id, context.clock()) if secret else None
    typed = form if form is not None and form.text("address") else _form_of(webhook, form)
    return render_desk(
        request,
        desk,
        "webhook.html",
        status=status if errors else 200,
        webhook=webhook,
        address=_address(organizer_id, webhook_id),
        deliveries=[(each, each.created_at.astimezone(UTC)) for each in page.data],
        next_page=page.next_cursor,
        kinds=_KIND_WORDS,
        form=typed,
        errors=list(errors),
        done=done,
        secret=secret,
        earlier_until=earlier and earlier.astimezone(UTC),
        asked=asked,
    )


async def _delivery(
    request: Request,
    organizer_id: UUID,
    webhook_id: UUID,
    delivery_id: UUID,
    *,
    done: str = "",
    refused: Refused | None = None,
) -> Response[str]:
    database = request.context.database
    webhook = await webhooks.get_webhook(database, organizer_id, webhook_id)
    found = await webhooks.log.get_delivery(database, webhook_id, delivery_id)
    desk = await open_desk(request, organizer_id)
    body = msgspec.json.format(found.body, indent=2)
    return render_desk(
        request,
        desk,
        "webhook_delivery.html",
        status=200 if refused is None else PROBLEMS[refused.refusal].status,
        webhook=webhook,
        address=_address(organizer_id, webhook_id),
        here_address=_address(organizer_id, webhook_id, delivery_id),
        delivery=found.delivery,
        stored=found.delivery.created_at.astimezone(UTC),
        due=found.delivery.due_at.astimezone(UTC),
        body=body,
        attempts=[(each, each.at.astimezone(UTC)) for each in found.attempts],
        errors=[] if refused is None else [FormError("main", sentence_of(refused))],
        done=done,
    )


def _address(organizer_id: UUID, webhook_id: UUID, delivery_id: UUID | None = None) -> str:
    address = f"{organizer_address(organizer_id)}/webhooks/{show_id('whk', webhook_id)}"
    return address if delivery_id is None else f"{address}/deliveries/{show_id('whd', delivery_id)}"


def _words_of(waiting: Waiting | None) -> str:
    if waiting is None or waiting.messages == 0:
        return ""
    return f"{waiting.messages:,}{' or more' if waiting.messages == WAITING_MAX else ''}"


def _terms_of(form: Form) -> WebhookTerms:
    return WebhookTerms(
        form.text("address"), form.text("description"), form.all("kind"), form.text("personal_data") == "yes"
    )


def _form_of(webhook: Webhook, typed: Form | None) -> Form:
    """Return a webhook as its form shows it, with what was typed into another form of the page."""
    pairs = [("address", webhook.address), ("description", webhook.description)]
    pairs += [("kind", kind) for kind in webhook.kinds]
    pairs += [("personal_data", "yes")] if webhook.personal_data else []
    return Form([*pairs, *([] if typed is None else typed.pairs)])


def _check_version(form: Form, version: int) -> None:
    if form.text("version") != str(version):
        raise Refused(CommonRefusal.STALE)


def _instant_of(text: str) -> datetime | None:
    """Return what a field for a date with a time contains, as UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if found.tzinfo is not None else found.replace(tzinfo=UTC)


routes: Final = [
    show_webhooks,
    register_webhook,
    show_webhook,
    change_webhook,
    send_test,
    pause_webhook,
    resume_webhook,
    rotate_secret,
    remove_webhook,
    send_range_again,
    show_delivery,
    send_again,
    skip_delivery,
]
