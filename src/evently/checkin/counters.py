"""What happened at the door of an event: by gate, and by minute."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from evently.checkin.scans import count_check_ins
from evently.db import Database, load_queries

sql: Final = load_queries(__name__)

# Devices name the gates: more than these are not shown one by one
GATES_COUNTED_MAX: Final = 100
MINUTES_COUNTED: Final = 120  # of the busiest evening, what a person still looks back at


class GateCount(msgspec.Struct, frozen=True):
    """What happened at a gate; an empty name: devices that have none.

    `admitted`: check-ins that stand; `came_out`: holders who left; `refused`: scans that admitted nobody.
    """

    gate: str
    admitted: int
    came_out: int
    refused: int
    last_at: datetime


class MinuteCount(msgspec.Struct, frozen=True):
    """What the server received in a minute. A minute in which nothing happened is left out."""

    at: datetime
    admitted: int
    refused: int


class DoorCounts(msgspec.Struct, frozen=True):
    """The counters of a door: of the event, by gate, and by minute for two hours.

    `valid`: tickets of confirmed bookings; `checked_in`: those that were used; `inside`: those whose holder
    has not left; `conflicts`: refused scans whose holder a device without a network had admitted.
    """

    valid: int
    checked_in: int
    inside: int
    conflicts: int
    gates: list[GateCount]
    minutes: list[MinuteCount]


async def count_conflicts(database: Database, event_ids: Collection[UUID]) -> dict[UUID, int]:
    """Return the number of conflicts at the doors of these events; an event without any is absent."""
    if not event_ids:
        return {}
    rows = await database.fetch(*sql.count_conflicts_of_events(event_ids=list(event_ids)))
    return {row["event_id"]: row["conflicts"] for row in rows}


async def count_door(database: Database, event_id: UUID, now: datetime) -> DoorCounts:
    """Count what happened at the door of an event; minutes of the last two hours."""
    counts = await count_check_ins(database, event_id)
    gates = await database.fetch(*sql.count_by_gate(event_id=event_id, limit=GATES_COUNTED_MAX))
    since = now - timedelta(minutes=MINUTES_COUNTED)
    minutes = await database.fetch(*sql.count_by_minute(event_id=event_id, since=since))
    conflicts: int = await database.fetch_value(*sql.count_conflicts(event_id=event_id))
    return DoorCounts(
        counts.valid,
        counts.checked_in,
        counts.inside,
        conflicts,
        [GateCount(*row.values()) for row in gates],
        [MinuteCount(*row.values()) for row in minutes],
    )
