"""Webhooks of an organizer: registered, tried, changed; what was sent, and what came back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from evently import webhooks
from evently.catalogue import LastEdit
from evently.kit.errors import CommonRefusal, Invalid, Refusal, Refused
from evently.kit.ids import OrganizerId, WebhookDeliveryId, WebhookId, show_id
from evently.web import webhooks as web_webhooks
from evently.web.edge.auth import policy
from evently.web.edge.context import Response
from evently.web.edge.problems import PROBLEMS, sentence_of
from evently.web.edge.routing import FromPath, QueryParameter, Route
from evently.web.pages.forms import Form, FormError, errors_of, read_form
from evently.web.pages.organize.desk import OWNERS, open_desk, organizer_address, render_desk
from evently.web.pages.organize.saving import Version, show_versions
from evently.web.pages.rendering import act, see_other, show
from evently.web.services import Request
from evently.webhooks import KINDS, WAITING_MAX, Waiting, Webhook, WebhooksRefusal, WebhookTerms

_WEBHOOKS: Final = "/organize/{organizer_id}/webhooks"
_WEBHOOK: Final = f"{_WEBHOOKS}/{{webhook_id}}"
_DELIVERY: Final = f"{_WEBHOOK}/deliveries/{{delivery_id}}"
_SHOWN_MAX: Final = 30  # messages on a page
_OVERLAP_HOURS: Final = 24
_UTC: Final = ZoneInfo("UTC")
_FIELDS: Final = {"/address": "address", "/description": "description", "/kinds": "kinds", "/from": "from"}
_LABELS: Final = {"address": "Address", "description": "Description", "kinds": "Gets", "people": "People"}
_KIND_WORDS: Final = [(kind, each.words) for kind, each in KINDS.items()]
# The refusals that a page explains, and at which of its fields
_EXPLAINED: Final[Mapping[Refusal, str]] = {
    WebhooksRefusal.TOO_MANY_WEBHOOKS: "address",
    WebhooksRefusal.ROTATED_ALREADY: "secret",
    WebhooksRefusal.DELIVERY_NOT_PENDING: "main",
}
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


class Explained(NamedTuple):
    """What a page says of an act that was refused, and the status of the answer."""

    errors: Sequence[FormError] = ()
    status: int = 200


_NOTHING: Final = Explained()


@show(_WEBHOOKS, **policy(OWNERS))
async def show_webhooks(
    request: Request, organizer_id: FromPath[OrganizerId], saved: Saved = ""
) -> Response[str]:
    """Return the webhooks of an organizer, and the form of a new one."""
    return await _list(request, organizer_id, Form([]), done=_SAVED.get(saved, ""))


@act(_WEBHOOKS, **policy(OWNERS))
async def register_webhook(request: Request, organizer_id: FromPath[OrganizerId]) -> Page:
    """Register a webhook, and show its secret once: it is in no address, and no cache stores the page."""
    form = await read_form(request)
    try:
        webhook, secret = await web_webhooks.register_webhook(request, organizer_id, _terms_of(form))
    except Refused as exc:
        return await _list(request, organizer_id, form, _explain(exc))
    return await _one(request, organizer_id, webhook.webhook_id, secret=secret)


@show(_WEBHOOK, **policy(OWNERS))
async def show_webhook(
    request: Request,
    organizer_id: FromPath[OrganizerId],
    webhook_id: FromPath[WebhookId],
    saved: Saved = "",
    after: After = "",
) -> Response[str]:
    """Return a webhook with what was sent, the newest first."""
    return await _one(request, organizer_id, webhook_id, done=_SAVED.get(saved, ""), after=after or None)


@act(_WEBHOOK, **policy(OWNERS))
async def change_webhook(
    request: Request, organizer_id: FromPath[OrganizerId], webhook_id: FromPath[WebhookId]
) -> Page:
    """Change a webhook; where another person has changed it meanwhile, show both versions."""
    form = await read_form(request)
    terms = _terms_of(form)
    try:
        await web_webhooks.change_webhook(
            request, organizer_id, webhook_id, partial(_check_version, form), lambda _: terms
        )
    except Refused as exc:
        if exc.refusal is CommonRefusal.STALE:
            return await _both_versions(request, organizer_id, webhook_id, form)
        return await _one(request, organizer_id, webhook_id, form, _explain(exc))
    return _saved("changed", organizer_id, webhook_id)


def _button(path: str, what: str, verb: Callable[[Request, UUID, UUID], Awaitable[object]]) -> Route:
    """Declare a form of one button: it does something to a webhook, and the page says what was done."""

    @act(f"{_WEBHOOK}/{path}", **policy(OWNERS))
    async def handle(
        request: Request, organizer_id: FromPath[OrganizerId], webhook_id: FromPath[WebhookId]
    ) -> Page:
        await verb(request, organizer_id, webhook_id)
        return _saved(what, organizer_id, webhook_id)

    return handle


send_test: Final = _button("test", "tested", web_webhooks.send_test)
pause_webhook: Final = _button("pause", "paused", web_webhooks.pause_webhook)
resume_webhook: Final = _button("resume", "resumed", web_webhooks.resume_webhook)


@act(f"{_WEBHOOK}/rotate", **policy(OWNERS))
async def rotate_secret(
    request: Request, organizer_id: FromPath[OrganizerId], webhook_id: FromPath[WebhookId]
) -> Page:
    """Make a new secret, and show it once."""
    try:
        secret = await web_webhooks.rotate_secret(request, organizer_id, webhook_id, _OVERLAP_HOURS)
    except Refused as exc:
        return await _one(request, organizer_id, webhook_id, explained=_explain(exc))
    return await _one(request, organizer_id, webhook_id, secret=secret)


@act(f"{_WEBHOOK}/remove", **policy(OWNERS))
async def remove_webhook(
    request: Request, organizer_id: FromPath[OrganizerId], webhook_id: FromPath[WebhookId]
) -> Page:
    """Remove a webhook for good, once the reader has confirmed it."""
    if (await read_form(request)).text("confirm") != "yes":
        return await _one(request, organizer_id, webhook_id, asked=True)
    await web_webhooks.remove_webhook(request, organizer_id, webhook_id)
    return _saved("removed", organizer_id)


@act(f"{_WEBHOOK}/send-again", **policy(OWNERS))
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
        return await _one(request, organizer_id, webhook_id, form, Explained(errors, 422))
    try:
        count = await web_webhooks.send_range_again(request, organizer_id, webhook_id, since, until)
    except Refused as exc:
        return await _one(request, organizer_id, webhook_id, form, _explain(exc))
    done = f"{count:,} {'message is' if count == 1 else 'messages are'} sent again."
    return await _one(request, organizer_id, webhook_id, done=done)


@show(_DELIVERY, **policy(OWNERS))
async def show_delivery(
    request: Request,
    organizer_id: FromPath[OrganizerId],
    webhook_id: FromPath[WebhookId],
    delivery_id: FromPath[WebhookDeliveryId],
    saved: Saved = "",
) -> Response[str]:
    """Return a message with everything that came back."""
    return await _delivery(request, organizer_id, webhook_id, delivery_id, done=_SAVED.get(saved, ""))


@act(f"{_DELIVERY}/send-again", **policy(OWNERS))
async def send_again(
    request: Request,
    organizer_id: FromPath[OrganizerId],
    webhook_id: FromPath[WebhookId],
    delivery_id: FromPath[WebhookDeliveryId],
) -> Page:
    """Send a message again."""
    await web_webhooks.send_again(request, organizer_id, webhook_id, delivery_id)
    return _saved("again", organizer_id, webhook_id, delivery_id)


@act(f"{_DELIVERY}/skip", **policy(OWNERS))
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
        return await _delivery(request, organizer_id, webhook_id, delivery_id, _explain(exc))
    return _saved("skipped", organizer_id, webhook_id, delivery_id)


async def _list(
    request: Request, organizer_id: UUID, form: Form, explained: Explained = _NOTHING, done: str = ""
) -> Response[str]:
    database = request.context.database
    desk = await open_desk(request, organizer_id)
    found = await webhooks.list_webhooks(database, organizer_id)
    waiting = await webhooks.count_waiting(database, organizer_id)
    return render_desk(
        request,
        desk,
        "webhooks.html",
        status=explained.status,
        rows=[
            Row(each, _address(organizer_id, each.webhook_id), _words_of(waiting.get(each.webhook_id)))
            for each in found
        ],
        kinds=_KIND_WORDS,
        form=form,
        errors=explained.errors,
        done=done,
    )


async def _one(
    request: Request,
    organizer_id: UUID,
    webhook_id: UUID,
    form: Form | None = None,
    explained: Explained = _NOTHING,
    *,
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
    return render_desk(
        request,
        desk,
        "webhook.html",
        status=explained.status,
        webhook=webhook,
        address=_address(organizer_id, webhook_id),
        deliveries=[(each, each.created_at.astimezone(UTC)) for each in page.data],
        next_page=page.next_cursor,
        kinds=_KIND_WORDS,
        form=form if form is not None and form.text("version") else _form_of(webhook, form),
        errors=explained.errors,
        done=done,
        secret=secret,
        earlier_until=earlier and earlier.astimezone(UTC),
        asked=asked,
    )


async def _both_versions(request: Request, organizer_id: UUID, webhook_id: UUID, form: Form) -> Response[str]:
    webhook = await webhooks.get_webhook(request.context.database, organizer_id, webhook_id)
    mine, theirs = _values_of(_terms_of(form)), _values_of(webhook)
    return await show_versions(
        request,
        await open_desk(request, organizer_id),
        form,
        webhook.version,
        [Version(label, mine[field], theirs[field]) for field, label in _LABELS.items()],
        LastEdit(None, None),
        _address(organizer_id, webhook_id),
        (webhook.address, _UTC),
    )


async def _delivery(
    request: Request,
    organizer_id: UUID,
    webhook_id: UUID,
    delivery_id: UUID,
    explained: Explained = _NOTHING,
    *,
    done: str = "",
) -> Response[str]:
    database = request.context.database
    webhook = await webhooks.get_webhook(database, organizer_id, webhook_id)
    found = await webhooks.log.get_delivery(database, webhook_id, delivery_id)
    return render_desk(
        request,
        await open_desk(request, organizer_id),
        "webhook_delivery.html",
        status=explained.status,
        webhook=webhook,
        address=_address(organizer_id, webhook_id),
        here_address=_address(organizer_id, webhook_id, delivery_id),
        delivery=found.delivery,
        stored=found.delivery.created_at.astimezone(UTC),
        due=found.delivery.due_at.astimezone(UTC),
        body=msgspec.json.format(found.body, indent=2),
        attempts=[(each, each.at.astimezone(UTC)) for each in found.attempts],
        errors=explained.errors,
        done=done,
    )


def _explain(exc: Refused) -> Explained:
    """Return what a page says of a refusal; raise those that no page of webhooks explains."""
    status = PROBLEMS[exc.refusal].status
    if isinstance(exc, Invalid):
        return Explained(errors_of(exc, _FIELDS), status)
    if exc.refusal not in _EXPLAINED:
        raise exc
    return Explained([FormError(_EXPLAINED[exc.refusal], sentence_of(exc))], status)


def _saved(
    what: str, organizer_id: UUID, webhook_id: UUID | None = None, delivery_id: UUID | None = None
) -> Response[None]:
    """Return the way to the page that says what was done."""
    return see_other(f"{_address(organizer_id, webhook_id, delivery_id)}?saved={what}")


def _address(organizer_id: UUID, webhook_id: UUID | None = None, delivery_id: UUID | None = None) -> str:
    address = f"{organizer_address(organizer_id)}/webhooks"
    if webhook_id is not None:
        address += f"/{show_id('whk', webhook_id)}"
    return address if delivery_id is None else f"{address}/deliveries/{show_id('whd', delivery_id)}"


def _words_of(waiting: Waiting | None) -> str:
    if waiting is None or waiting.messages == 0:
        return ""
    return f"{waiting.messages:,}{' or more' if waiting.messages == WAITING_MAX else ''}"


def _terms_of(form: Form) -> WebhookTerms:
    return WebhookTerms(
        form.text("address"), form.text("description"), form.all("kind"), form.text("personal_data") == "yes"
    )


def _values_of(terms: WebhookTerms | Webhook) -> dict[str, str]:
    """Return a webhook in words, to compare two versions."""
    return {
        "address": terms.address,
        "description": terms.description,
        "kinds": "\n".join(words for kind, words in _KIND_WORDS if kind in terms.kinds),
        "people": "Messages name them" if terms.personal_data else "",
    }


def _form_of(webhook: Webhook, typed: Form | None) -> Form:
    """Return a webhook as its form shows it, with what was typed into another form of the page."""
    pairs = [(name, str(getattr(webhook, name))) for name in ("address", "description", "version")]
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
