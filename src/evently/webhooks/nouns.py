"""The nouns of webhooks: the webhook of an organizer, its deliveries, what came back, the options."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

import msgspec

from evently.kit.errors import Refusal
from evently.kit.public_network import Network

PauseReason: TypeAlias = Literal[
    "by_hand",
    "failing",  # a delivery failed for three days
    "gone",  # the address answered 410
]
DeliveryState: TypeAlias = Literal["pending", "delivered", "skipped"]


class WebhooksRefusal(Refusal):
    """Every refusal of this package."""

    WEBHOOK_NOT_FOUND = "webhook-not-found"
    DELIVERY_NOT_FOUND = "delivery-not-found"
    DELIVERY_NOT_PENDING = "delivery-not-pending"
    TOO_MANY_WEBHOOKS = "too-many-webhooks"
    ROTATED_ALREADY = "rotated-already"


class WebhookOptions(msgspec.Struct, frozen=True):
    """How webhooks are sent. `networks`: those that are not public and may be called all the same."""

    networks: tuple[Network, ...] = ()


class Webhook(msgspec.Struct, frozen=True):
    """An address of an organizer's program that gets messages about facts of these kinds."""

    webhook_id: UUID
    organizer_id: UUID
    address: str
    description: str
    kinds: list[str]
    personal_data: bool
    version: int
    created_by: UUID
    created_at: datetime
    paused_at: datetime | None
    paused_because: PauseReason | None
    failures: int


class Claimed(msgspec.Struct, frozen=True):
    """A webhook that this process sends to. `failures`: attempts in a row that failed."""

    webhook_id: UUID
    organizer_id: UUID
    address: str
    personal_data: bool
    failures: int


class Pending(msgspec.Struct, frozen=True):
    """A delivery that is to be sent."""

    delivery_id: UUID
    about_event_id: UUID
    kind: str
    body: str
    booking_id: UUID | None
    person_id: UUID | None
    created_at: datetime
    attempts: int
    tries: int
    failing_since: datetime | None


class Delivery(msgspec.Struct, frozen=True):
    """A delivery in the log. `status` and `milliseconds` are of the last attempt.

    `about_event_id`: None of a test message.
    """

    delivery_id: UUID
    webhook_id: UUID
    about_event_id: UUID | None
    kind: str
    state: DeliveryState
    created_at: datetime
    due_at: datetime
    attempts: int
    finished_at: datetime | None
    status: int | None
    milliseconds: int | None


class Attempt(msgspec.Struct, frozen=True):
    """What came back. `status`: None when there was no answer; `answer` then says what went wrong."""

    number: int
    at: datetime
    milliseconds: int
    status: int | None
    answer: str


class WholeDelivery(msgspec.Struct, frozen=True):
    """A delivery with its body, as it was stored, and all its attempts, the newest first."""

    delivery: Delivery
    body: str
    attempts: list[Attempt]


class WebhookCounts(msgspec.Struct, frozen=True):
    """How many webhooks there are, how many are paused because they failed or fail now, what waits how long.

    `due_since`: of the delivery that has waited longest, of those that could be sent.
    """

    webhooks: int
    paused: int
    failing: int
    due_since: datetime | None
