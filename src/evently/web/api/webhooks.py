"""Webhooks of an organizer: register them, read what was sent, send it again; see docs/webhooks.md."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from evently import webhooks
from evently.kit.errors import CommonRefusal
from evently.kit.ids import OrganizerId, WebhookDeliveryId, WebhookId, show_id
from evently.kit.shapes import Instant
from evently.web import webhooks as web_webhooks
from evently.web.edge.auth import organizer, policy
from evently.web.edge.conditional import NO_STORE, etag_of, require_if_match
from evently.web.edge.context import Response
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, QueryParameter, delete, get, patch, post
from evently.web.services import Request
from evently.webhooks import (
    OVERLAP_HOURS_MAX,
    WAITING_MAX,
    Delivery,
    DeliveryState,
    PauseReason,
    Waiting,
    Webhook,
    WebhooksRefusal,
    WebhookTerms,
)

_TAG: Final = "Organizer: webhooks"
_OWNER: Final = organizer("owner", "webhooks:write")
_WEBHOOKS: Final = "/v1/organizers/{organizer_id}/webhooks"
_WEBHOOK: Final = f"{_WEBHOOKS}/{{webhook_id}}"
_DELIVERY: Final = f"{_WEBHOOK}/deliveries/{{delivery_id}}"
_COMMON: Final[Any] = {"tags": [_TAG], **policy(_OWNER)}
_NOBODY_WAITS: Final = Waiting(0, None)
_MESSAGE: Final = (
    '{"type":"event.cancelled","timestamp":"2027-03-01T09:00:00.125Z","data":{"event_id":'
    '"evt_01m7y4ef72ev2sxmcnxfse27zp","seq":417,"url":"/v1/events/evt_01m7y4ef72ev2sxmcnxfse27zp"}}'
)

# What is checked is the domain's: the names stand here for the description alone
KindName = Literal[
    "event.published",
    "event.changed",
    "event.cancelled",
    "booking.confirmed",
    "booking.cancelled",
    "booking.tickets_cancelled",
    "payment.captured",
    "refund.settled",
    "refund.outside",
    "ticket.passed_on",
    "ticket.given_back",
    "ticket.checked_in",
    "ticket.checked_out",
    "ticket.check_in_undone",
    "waitlist.offered",
]
Address = Annotated[str, msgspec.Meta(examples=["https://shop.example/hooks/evently"])]
Description = Annotated[str, msgspec.Meta(examples=["The shop’s stock of programmes"])]
Kinds = Annotated[list[KindName], msgspec.Meta(examples=[["event.changed", "event.cancelled"]])]
PersonalData = Annotated[
    bool,
    msgspec.Meta(
        description="Whether messages have the name and the e-mail address of the person they are about.",
        examples=[False],
    ),
]
WebhookIdText = Annotated[str, msgspec.Meta(examples=["whk_01m7y4ef72ev2sxmcnxfse27zp"])]
DeliveryIdText = Annotated[str, msgspec.Meta(examples=["whd_01m7y4ef72ev2sxmcnxfse27zp"])]
State = Annotated[DeliveryState | None, QueryParameter(description="Return only deliveries in this state.")]


class WebhookBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new webhook: the address of your program, and the kinds of messages that it gets."""

    address: Address
    kinds: Kinds
    description: Description = ""
    personal_data: PersonalData = False


class WebhookPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change."""

    address: Address | UnsetType = UNSET
    kinds: Kinds | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    personal_data: PersonalData | UnsetType = UNSET


class WebhookView(msgspec.Struct, frozen=True):
    """A webhook. `paused_because`: by_hand, failing (for three days), or gone (it answered 410).

    `failures`: attempts in a row that failed. `waiting`: messages that wait, counted up to 10,000;
    `waiting_since`: the oldest of them.
    """

    id: WebhookIdText
    address: Address
    description: Description
    kinds: list[KindName]
    personal_data: PersonalData
    created_at: datetime
    paused_at: Annotated[datetime | None, msgspec.Meta(examples=[None])]
    paused_because: Annotated[PauseReason | None, msgspec.Meta(examples=[None])]
    failures: Annotated[int, msgspec.Meta(examples=[0])]
    waiting: Annotated[int, msgspec.Meta(examples=[0], ge=0, le=WAITING_MAX)]
    waiting_since: Annotated[datetime | None, msgspec.Meta(examples=[None])]


class NewWebhookView(WebhookView, frozen=True):
    """A webhook with the secret that its messages are signed with, which is shown only once."""

    secret: Annotated[str, msgspec.Meta(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="])]


class WebhooksView(msgspec.Struct, frozen=True):
    """The webhooks of an organizer, newest first."""

    data: list[WebhookView]


class RotationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For how long the present secret signs, too."""

    overlap_hours: Annotated[int, msgspec.Meta(ge=0, le=OVERLAP_HOURS_MAX, examples=[24])] = 24


_ROTATION: Final = RotationBody()


class SecretView(msgspec.Struct, frozen=True):
    """The new secret, which is shown only once; and until when the one before is valid."""

    secret: Annotated[str, msgspec.Meta(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="])]
    earlier_until: Annotated[datetime | None, msgspec.Meta(examples=["2027-03-02T09:00:00Z"])]


class DeliveryView(msgspec.Struct, frozen=True):
    """A message for a webhook. `status`, `milliseconds`: of the last attempt.

    `id` is the `webhook-id` of the message, however often it is sent. `status` is null when no answer came.
    `due_at`: of the next attempt, while it is pending.
    """

    id: DeliveryIdText
    event_id: Annotated[str | None, msgspec.Meta(examples=["evt_01m7y4ef72ev2sxmcnxfse27zp"])]
    kind: Annotated[str, msgspec.Meta(examples=["event.cancelled"])]
    state: Annotated[DeliveryState, msgspec.Meta(examples=["delivered"])]
    created_at: datetime
    due_at: Annotated[datetime | None, msgspec.Meta(examples=[None])]
    attempts: Annotated[int, msgspec.Meta(examples=[1])]
    status: Annotated[int | None, msgspec.Meta(examples=[204])]
    milliseconds: Annotated[int | None, msgspec.Meta(examples=[38])]
    finished_at: Annotated[datetime | None, msgspec.Meta(examples=["2027-03-01T09:00:00.600Z"])]


class AttemptView(msgspec.Struct, frozen=True):
    """What came back. `status`: null when there was no answer; `answer` then says what went wrong.

    `answer`: the first four kilobytes.
    """

    number: Annotated[int, msgspec.Meta(examples=[1])]
    at: datetime
    milliseconds: Annotated[int, msgspec.Meta(examples=[38])]
    status: Annotated[int | None, msgspec.Meta(examples=[204])]
    answer: Annotated[str, msgspec.Meta(examples=[""])]


class WholeDeliveryView(DeliveryView, frozen=True):
    """A delivery with what was sent, without what names people, and what came back, newest first."""

    body: Annotated[str, msgspec.Meta(examples=[_MESSAGE])]
    answers: list[AttemptView]


class SendAgainBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A span of time: what was stored in it is sent again. `to`: left out, until now."""

    since: Annotated[Instant, msgspec.Meta(examples=["2027-03-01T09:00:00Z"])] = msgspec.field(name="from")
    until: Annotated[Instant | None, msgspec.Meta(examples=["2027-03-01T12:00:00Z"])] = msgspec.field(
        name="to", default=None
    )


class SentAgainView(msgspec.Struct, frozen=True):
    """How many messages are sent again: at most 10,000 at a time, the oldest first."""

    deliveries: Annotated[int, msgspec.Meta(examples=[12])]


# Webhooks ---------------------------------------------------------------------------------------------------


@post(
    _WEBHOOKS,
    operation_id="registerWebhook",
    summary="Register a webhook",
    description=(
        "From now on, messages of these kinds about all events of the organizer are sent to the address, "
        "signed as Standard Webhooks says. The secret is shown only once. An API key must have "
        "`bookings:read`, too, unless it registers for `event.` kinds alone, without personal data."
    ),
    responses=problems(WebhooksRefusal.TOO_MANY_WEBHOOKS),
    **_COMMON,
)
async def register_webhook(
    request: Request, organizer_id: FromPath[OrganizerId], data: JSONBody[WebhookBody]
) -> Response[NewWebhookView]:
    """Register a webhook of an organizer."""
    terms = WebhookTerms(data.address, data.description, data.kinds, data.personal_data)
    webhook, secret = await web_webhooks.register_webhook(request, organizer_id, terms)
    shown = msgspec.structs.asdict(_show(webhook, _NOBODY_WAITS))
    headers = {"location": _address(organizer_id, webhook.webhook_id), "etag": etag_of(webhook.version)}
    return Response(NewWebhookView(**shown, secret=secret), headers=headers | NO_STORE)


@get(
    _WEBHOOKS,
    operation_id="listWebhooks",
    summary="List webhooks",
    responses=problems(),
    **_COMMON,
)
async def list_webhooks(request: Request, organizer_id: FromPath[OrganizerId]) -> Response[WebhooksView]:
    """List the webhooks of an organizer, newest first."""
    database = request.context.database
    found = await webhooks.list_webhooks(database, organizer_id)
    waiting = await webhooks.count_waiting(database, organizer_id)
    shown = [_show(each, waiting.get(each.webhook_id, _NOBODY_WAITS)) for each in found]
    return Response(WebhooksView(shown), headers=NO_STORE)


@get(
    _WEBHOOK,
    operation_id="getWebhook",
    summary="Get a webhook",
    responses=problems(WebhooksRefusal.WEBHOOK_NOT_FOUND),
    **_COMMON,
)
async def get_webhook(
    request: Request, organizer_id: FromPath[OrganizerId], webhook_id: FromPath[WebhookId]
) -> Response[WebhookView]:
    """Return a webhook."""
    return await _answer(
        request, await webhooks.get_webhook(request.context.database, organizer_id, webhook_id)
    )


@patch(
    _WEBHOOK,
    operation_id="editWebhook",
    summary="Change a webhook",
    description="Another address gets what waits at once. Messages that are stored keep their kinds.",
    responses=problems(WebhooksRefusal.WEBHOOK_NOT_FOUND, CommonRefusal.STALE),
    **_COMMON,
)
async def edit_webhook(
    request: Request,
    organizer_id: FromPath[OrganizerId],
    webhook_id: FromPath[WebhookId],
    data: JSONBody[WebhookPatch],
) -> Response[WebhookView]:
    """Change a webhook."""

    def change(webhook: Webhook) -> WebhookTerms:
        return WebhookTerms(
            webhook.address if data.address is UNSET else data.address,
            webhook.description if data.description is UNSET else data.description,
            webhook.kinds if data.kinds is UNSET else data.kinds,
            webhook.personal_data if data.personal_data is UNSET else data.personal_data,
        )

    seen = partial(require_if_match, request)
    return await _answer(
        request, await web_webhooks.change_webhook(request, organizer_id, webhook_id, seen, change)
    )


@delete(
    _WEBHOOK,
    operation_id="removeWebhook",
    summary="Remove a webhook",
    description="For good, with its log. What waits is not sent any more.",
    responses=problems(WebhooksRefusal.WEBHOOK_NOT_FOUND),
    **_COMMON,
)
async def remove_webhook(
    request: Request, organizer_id: FromPath[OrganizerId], webhook_id: FromPath[WebhookId]
) -> Response[None]:
    """Remove a webhook."""
    await web_webhooks.remove_webhook(request, organizer_id, webhook_id)
    return Response(None, headers=NO_STORE)


@post(
    f"{_WEBHOOK}/pause",
    operation_id="pauseWebhook",
    summary="Pause a webhook",
    description="What happens meanwhile waits, for thirty days. Pausing a paused webhook changes nothing.",
    status_code=200,
    responses=problems(WebhooksRefusal.WEBHOOK_NOT_FOUND),
    **_COMMON,
)
async def pause_webhook(
    request: Request, organizer_id: FromPath[OrganizerId], webhook_id: FromPath[WebhookId]
) -> Response[WebhookView]:
    """Pause a webhook."""
    return await _answer(request, await web_webhooks.pause_webhook(request, organizer_id, webhook_id))


@post(
    f"{_WEBHOOK}/resume",
    operation_id="resumeWebhook",
    summary="Resume a webhook",
    description="What waits is sent now, in order. Also for a webhook that fails: the pauses begin again.",
    status_code=200,
    responses=problems(WebhooksRefusal.WEBHOOK_NOT_FOUND),
    **_COMMON,
)
async def resume_webhook(
    request: Request, organizer_id: FromPath[OrganizerId], webhook_id: FromPath[WebhookId]
) -> Response[WebhookView]:
    """Resume a webhook."""
    return await _answer(request, await web_webhooks.resume_webhook(request, organizer_id, webhook_id))


@post(
    f"{_WEBHOOK}/rotate",
    operation_id="rotateWebhookSecret",
    summary="Rotate the secret of a webhook",
    description=(
        "The new secret is shown only once. During the overlap each message has two signatures, of both "
        "secrets. A further rotation is refused until the overlap has ended."
    ),
    status_code=200,
    responses=problems(WebhooksRefusal.WEBHOOK_NOT_FOUND, WebhooksRefusal.ROTATED_ALREADY),
    **_COMMON,
)
async def rotate_secret(
    request: Request,
    organizer_id: FromPath[OrganizerId],
    webhook_id: FromPath[WebhookId],
    data: JSONBody[RotationBody] = _ROTATION,
) -> Response[SecretView]:
    """Rotate the secret of a webhook."""
    secret = await web_webhooks.rotate_secret(request, organizer_id, webhook_id, data.overlap_hours)
    context = request.context
    until = await webhooks.find_ending(context.database, webhook_id, context.clock())
    return Response(SecretView(secret, until), headers=NO_STORE)


@post(
    f"{_WEBHOOK}/test",
    operation_id="testWebhook",
    summary="Send a test message",
    description="Of the kind `webhook.test`. Get the delivery to see what came back.",
    responses=problems(WebhooksRefusal.WEBHOOK_NOT_FOUND),
    **_COMMON,
)
async def test_webhook(
    request: Request, organizer_id: FromPath[OrganizerId], webhook_id: FromPath[WebhookId]
) -> Response[WholeDeliveryView]:
    """Send a test message."""
    delivery_id = await web_webhooks.send_test(request, organizer_id, webhook_id)
    address = f"{_address(organizer_id, webhook_id)}/deliveries/{show_id('whd', delivery_id)}"
    return await _answer_whole(request, webhook_id, delivery_id, location=address)


# Deliveries -------------------------------------------------------------------------------------------------


@get(
    f"{_WEBHOOK}/deliveries",
    operation_id="listWebhookDeliveries",
    summary="List what was sent",
    description="Newest first, of the last thirty days.",
    responses=problems(WebhooksRefusal.WEBHOOK_NOT_FOUND),
    **_COMMON,
)
async def list_deliveries(
    request: Request,
    organizer_id: FromPath[OrganizerId],
    webhook_id: FromPath[WebhookId],
    state: State = None,
    limit: Limit = LIMIT,
    after: After = None,
) -> Response[PageView[DeliveryView]]:
    """List the deliveries of a webhook."""
    database = request.context.database
    webhook = await webhooks.get_webhook(database, organizer_id, webhook_id)
    page = await webhooks.log.list_deliveries(database, webhook.webhook_id, limit, after, state)
    return paginated(request, page, _show_delivery)


@get(
    _DELIVERY,
    operation_id="getWebhookDelivery",
    summary="Get what was sent, and what came back",
    responses=problems(WebhooksRefusal.WEBHOOK_NOT_FOUND, WebhooksRefusal.DELIVERY_NOT_FOUND),
    **_COMMON,
)
async def get_delivery(
    request: Request,
    organizer_id: FromPath[OrganizerId],
    webhook_id: FromPath[WebhookId],
    delivery_id: FromPath[WebhookDeliveryId],
) -> Response[WholeDeliveryView]:
    """Return a delivery with its body and all answers."""
    await webhooks.get_webhook(request.context.database, organizer_id, webhook_id)
    return await _answer_whole(request, webhook_id, delivery_id)


@post(
    f"{_DELIVERY}/send-again",
    operation_id="sendWebhookDeliveryAgain",
    summary="Send a message again",
    description="With the same id, so that your program can tell.",
    status_code=200,
    responses=problems(WebhooksRefusal.WEBHOOK_NOT_FOUND, WebhooksRefusal.DELIVERY_NOT_FOUND),
    **_COMMON,
)
async def send_again(
    request: Request,
    organizer_id: FromPath[OrganizerId],
    webhook_id: FromPath[WebhookId],
    delivery_id: FromPath[WebhookDeliveryId],
) -> Response[WholeDeliveryView]:
    """Send a delivery again."""
    await web_webhooks.send_again(request, organizer_id, webhook_id, delivery_id)
    return await _answer_whole(request, webhook_id, delivery_id)


@post(
    f"{_DELIVERY}/skip",
    operation_id="skipWebhookDelivery",
    summary="Give a message up",
    description="It is not tried any more, and the later messages of its event are sent.",
    status_code=200,
    responses=problems(WebhooksRefusal.WEBHOOK_NOT_FOUND, WebhooksRefusal.DELIVERY_NOT_PENDING),
    **_COMMON,
)
async def skip_delivery(
    request: Request,
    organizer_id: FromPath[OrganizerId],
    webhook_id: FromPath[WebhookId],
    delivery_id: FromPath[WebhookDeliveryId],
) -> Response[WholeDeliveryView]:
    """Give a delivery up."""
    await web_webhooks.skip(request, organizer_id, webhook_id, delivery_id)
    return await _answer_whole(request, webhook_id, delivery_id)


@post(
    f"{_WEBHOOK}/send-again",
    operation_id="sendWebhookDeliveriesAgain",
    summary="Send the messages of a span of time again",
    description="With the same ids and in order. What waits already is not counted.",
    status_code=200,
    responses=problems(WebhooksRefusal.WEBHOOK_NOT_FOUND),
    **_COMMON,
)
async def send_range_again(
    request: Request,
    organizer_id: FromPath[OrganizerId],
    webhook_id: FromPath[WebhookId],
    data: JSONBody[SendAgainBody],
) -> Response[SentAgainView]:
    """Send deliveries of a span of time again."""
    count = await web_webhooks.send_range_again(request, organizer_id, webhook_id, data.since, data.until)
    return Response(SentAgainView(count), headers=NO_STORE)


def list_messages() -> dict[str, tuple[str, type[msgspec.Struct]]]:
    """Return what webhooks get, by kind, in words and as a type: for the API's description."""
    return {kind: (each.words, webhooks.MESSAGES[kind]) for kind, each in webhooks.ALL_KINDS.items()}


# Views ------------------------------------------------------------------------------------------------------


async def _answer(request: Request, webhook: Webhook) -> Response[WebhookView]:
    waiting = await webhooks.count_waiting(request.context.database, webhook.organizer_id)
    shown = _show(webhook, waiting.get(webhook.webhook_id, _NOBODY_WAITS))
    return Response(shown, headers={"etag": etag_of(webhook.version), **NO_STORE})


async def _answer_whole(
    request: Request, webhook_id: UUID, delivery_id: UUID, **headers: str
) -> Response[WholeDeliveryView]:
    found = await webhooks.log.get_delivery(request.context.database, webhook_id, delivery_id)
    shown = msgspec.structs.asdict(_show_delivery(found.delivery))
    answers = [
        AttemptView(each.number, each.at, each.milliseconds, each.status, each.answer)
        for each in found.attempts
    ]
    whole = WholeDeliveryView(**shown, body=found.body, answers=answers)
    return Response(whole, headers=headers | NO_STORE)


def _address(organizer_id: UUID, webhook_id: UUID) -> str:
    return f"/v1/organizers/{show_id('org', organizer_id)}/webhooks/{show_id('whk', webhook_id)}"


def _show(webhook: Webhook, waiting: Waiting) -> WebhookView:
    kinds: list[KindName] = [kind for kind in webhook.kinds if kind in webhooks.KINDS]  # type: ignore[misc]
    return WebhookView(
        id=show_id("whk", webhook.webhook_id),
        address=webhook.address,
        description=webhook.description,
        kinds=kinds,
        personal_data=webhook.personal_data,
        created_at=webhook.created_at,
        paused_at=webhook.paused_at,
        paused_because=webhook.paused_because,
        failures=webhook.failures,
        waiting=waiting.messages,
        waiting_since=waiting.since,
    )


def _show_delivery(delivery: Delivery) -> DeliveryView:
    return DeliveryView(
        id=show_id("whd", delivery.delivery_id),
        event_id=None if delivery.about_event_id is None else show_id("evt", delivery.about_event_id),
        kind=delivery.kind,
        state=delivery.state,
        created_at=delivery.created_at,
        due_at=delivery.due_at if delivery.state == "pending" else None,
        attempts=delivery.attempts,
        status=delivery.status,
        milliseconds=delivery.milliseconds,
        finished_at=delivery.finished_at,
    )


routes: Final = [
    register_webhook,
    list_webhooks,
    get_webhook,
    edit_webhook,
    remove_webhook,
    pause_webhook,
    resume_webhook,
    rotate_secret,
    test_webhook,
    list_deliveries,
    get_delivery,
    send_again,
    skip_delivery,
    send_range_again,
]
