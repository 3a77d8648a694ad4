"""Stores the deliveries of facts, in the transaction of the relay in which the facts are delivered.

Where no organizer of the facts' events has a webhook, this is one statement for a run of the relay.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from evently.db import Connection, load_queries
from evently.kit.ids import new_id
from evently.sales.outbox import JournalFacts
from evently.webhooks.messages import Note, Place, notes_of, write

sql: Final = load_queries(__name__)


class _Listening(NamedTuple):
    """An event with the webhooks of its organizer, and the kinds that each gets."""

    currency: str
    published_at: datetime | None
    webhooks: dict[UUID, frozenset[str]]


class _New(NamedTuple):
    """A message, and the webhooks that get it."""

    row: JournalFacts
    note: Note
    webhook_ids: list[UUID]


async def store(tx: Connection, rows: Sequence[JournalFacts]) -> None:
    """Store the deliveries of these facts. Harmless to repeat."""
    # First, because most events have no webhook, and notes of all their facts cost the relay a seventh
    listening = await _list_for_events(tx, {row.event_id for row in rows})
    new = [
        _New(row, note, wanting)
        for row in rows
        if (event := listening.get(row.event_id)) is not None
        for note in notes_of(row.facts)
        if _is_public(row, note, event)
        if (wanting := [each for each, kinds in event.webhooks.items() if note.kind in kinds])
    ]
    if new:
        await _add(tx, new, await _write(tx, new, listening))


def _is_public(row: JournalFacts, note: Note, event: _Listening) -> bool:
    """Return whether others may know of a fact: what was changed about a draft is its organizer's alone."""
    if note.kind != "event.changed":
        return True
    return event.published_at is not None and row.at > event.published_at


async def _list_for_events(tx: Connection, event_ids: set[UUID]) -> dict[UUID, _Listening]:
    found: dict[UUID, _Listening] = {}
    for row in await tx.fetch(*sql.list_for_events(event_ids=sorted(event_ids))):
        event = found.setdefault(row["event_id"], _Listening(row["currency"], row["published_at"], {}))
        event.webhooks[row["webhook_id"]] = frozenset(row["kinds"])
    return found


async def _write(tx: Connection, new: Sequence[_New], listening: Mapping[UUID, _Listening]) -> list[str]:
    """Return the body of each message."""
    confirmed = [(row.event_id, note.booking_id) for row, note, _ in new if note.kind == "booking.confirmed"]
    totals: dict[UUID, int] = defaultdict(int)
    if confirmed:
        event_ids, booking_ids = map(list, zip(*confirmed, strict=True))
        for found in await tx.fetch(*sql.sum_bookings(event_ids=event_ids, booking_ids=booking_ids)):
            totals[found["booking_id"]] = found["total_minor"]
    transfer_ids = [note.transfer_id for _, note, _ in new if note.transfer_id is not None]
    tickets: dict[UUID, UUID] = {}
    if transfer_ids:
        tickets = {
            found["transfer_id"]: found["ticket_id"]
            for found in await tx.fetch(*sql.list_passed_on(transfer_ids=transfer_ids))
        }
    return [
        write(
            note,
            Place(row.event_id, row.seq, row.at, listening[row.event_id].currency),
            total_minor=0 if note.booking_id is None else totals[note.booking_id],
            ticket_id=None if note.transfer_id is None else tickets[note.transfer_id],
        )
        for row, note, _ in new
    ]


async def _add(tx: Connection, new: Sequence[_New], bodies: Sequence[str]) -> None:
    each = [
        (webhook_id, row, note, body)
        for (row, note, webhook_ids), body in zip(new, bodies, strict=True)
        for webhook_id in webhook_ids
    ]
    await tx.execute(
        *sql.add(
            ids=[new_id() for _ in each],
            webhook_ids=[webhook_id for webhook_id, _, _, _ in each],
            event_ids=[row.event_id for _, row, _, _ in each],
            seqs=[row.seq for _, row, _, _ in each],
            lines=[note.line for _, _, note, _ in each],
            kinds=[note.kind for _, _, note, _ in each],
            bodies=[body for _, _, _, body in each],
            booking_ids=[note.booking_id for _, _, note, _ in each],
            person_ids=[note.person_id for _, _, note, _ in each],
            ats=[row.at for _, row, _, _ in each],
        )
    )
