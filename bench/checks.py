"""The audit that ends every run: a throughput figure without a clean audit is not a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from bench.stage import OnSale, Stage
from evently.audit import audit
from evently.db import Database, DatabaseOptions, load_queries
from evently.kit.ids import parse_id

sql: Final = load_queries(__name__)

_AT_ONCE: Final = 50_000  # ids in one statement


class _BookingId(msgspec.Struct):
    id: str


class Tally:
    """The acknowledged bookings of some events, to compare with the database.

    `unsure` requests may have booked without an answer.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._told: dict[UUID, None] = {}
        self._unsure = 0
        self._events: dict[UUID, None] = {}
        self._units = 1  # tickets of a booking

    def add(self, events: Sequence[OnSale], bodies: Sequence[bytes], unsure: int) -> None:
        """Add the answers of a run."""
        decoder = msgspec.json.Decoder(_BookingId)
        self._told |= {parse_id("bkg", decoder.decode(body).id): None for body in bodies}
        self._events |= {event.event_id: None for event in events}
        self._unsure += unsure
        (self._units,) = {event.units for event in events}

    async def check(self) -> int:
        """Return the number of breaches in all events added so far; it must be 0."""
        database = await Database.open(DatabaseOptions(self._stage.database_url))
        connection = await database.connect()
        try:
            events, told = list(self._events), list(self._told)
            lost = sum(
                [
                    await connection.fetchval(
                        *sql.count_lost(booking_ids=told[start : start + _AT_ONCE], units=self._units)
                    )
                    for start in range(0, len(told), _AT_ONCE)
                ]
            )
            bookings = await connection.fetchval(*sql.count_bookings(event_ids=events))
            pools = await connection.fetchval(*sql.count_wrong_pools(event_ids=events))
            keys = await connection.fetchval(*sql.count_wrong_keys(event_ids=events))
        finally:
            await connection.close()
            await database.close()
        unasked = max(0, bookings - len(self._told) - self._unsure)
        return int(lost + pools + keys + unasked)


async def audit_whole(stage: Stage) -> int:
    """Return the number of breaches that the product's own audit finds in the whole database."""
    return sum(finding.count for finding in await audit(DatabaseOptions(stage.database_url)))
