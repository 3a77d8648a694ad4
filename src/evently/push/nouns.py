"""The nouns of push: a message of the outbox, and the options."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

import msgspec

PushState: TypeAlias = Literal[
    "pending",
    "sent",  # the push service has accepted it
    "gone",  # the device accepts no pushes any more, and is deleted
    "failed",  # the push service has refused the message for good
    "expired",  # not sent while it was of use
    "dropped",  # no longer true
]


class PushOptions(msgspec.Struct, frozen=True):
    """How pushes are sent.

    `contact`: whom push services write to about the sender, `mailto:` or `https:`; None: nothing is sent.
    `key`: the private key as text; None: the database keeps one. `base_url`: begins the links of letters.
    """

    contact: str | None
    key: str | None
    base_url: str


class PushMessage(msgspec.Struct, frozen=True):
    """A message for one device that is to be sent."""

    notification_id: UUID
    device_id: UUID
    person_id: UUID
    kind: str
    data: str  # what it is about, as it is stored
    endpoint: str
    device_key: bytes
    auth: bytes
    urgent: bool
    created_at: datetime
    expires_at: datetime
    attempts: int  # this one included
