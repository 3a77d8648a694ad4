"""Which topics a person wants to be told about, by which channel. What was never chosen is wanted.

What was never chosen is wanted by push, too: nothing is pushed before a person turns a device on.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal, TypeAlias, get_args
from uuid import UUID

import msgspec

from evently.db import Connection, Database, load_queries
from evently.kit.errors import Refusal, Refused

sql: Final = load_queries(__name__)

Topic: TypeAlias = Literal[
    "tickets",  # tickets and money: bookings, payments, cancellations, refunds
    "changes",  # an event gets another time or place
    "waitlist",  # offers, their last hours and their end
    "reminders",  # the day before an event
]
Channel: TypeAlias = Literal["email", "push"]
TOPICS: Final[tuple[Topic, ...]] = get_args(Topic)
CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)
# What a buyer needs cannot be refused by e-mail; by push, everything can
REQUIRED: Final[frozenset[Topic]] = frozenset({"tickets"})


class NotificationsRefusal(Refusal):
    """Every refusal of notifications."""

    TOPIC_REQUIRED = "topic-required"


class Choice(msgspec.Struct, frozen=True):
    """Whether a person wants a topic by a channel."""

    topic: Topic
    channel: Channel
    wanted: bool


async def list_choices(database: Database, person_id: UUID) -> list[Choice]:
    """Return the choices of a person: one for each topic and channel."""
    rows = await database.fetch(*sql.list_choices(person_id=person_id))
    chosen: Mapping[tuple[str, str], bool] = {(topic, channel): wanted for topic, channel, wanted in rows}
    return [
        Choice(topic, channel, wanted=chosen.get((topic, channel), True))
        for topic in TOPICS
        for channel in CHANNELS
    ]


async def choose(tx: Connection, person_id: UUID, choice: Choice, now: datetime) -> None:
    """Store a choice of a person; refuses to refuse what is required by e-mail. Harmless to repeat."""
    if choice.topic in REQUIRED and choice.channel == "email" and not choice.wanted:
        raise Refused(NotificationsRefusal.TOPIC_REQUIRED)
    await tx.execute(
        *sql.choose(
            person_id=person_id, topic=choice.topic, channel=choice.channel, wanted=choice.wanted, now=now
        )
    )


async def forget_choices(tx: Connection, person_id: UUID) -> None:
    """Delete the choices of a person who is being erased."""
    await tx.execute(*sql.forget_choices(person_id=person_id))
