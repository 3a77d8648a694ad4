"""Reads tickets that are passed on: one transfer, a person's, and what a ticket's holder may do."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from evently.db import Connection, Database, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import Refused
from evently.sales.nouns import Transfer
from evently.sales.outcomes import SalesRefusal

sql: Final = load_queries(__name__)


class HeldTicket(msgspec.Struct, frozen=True):
    """Where a ticket belongs, who has booked it, and who holds it."""

    event_id: UUID
    booking_id: UUID
    buyer_id: UUID
    holder_id: UUID
    ticket_id: UUID
    ticket_type_id: UUID
    event_starts_at: datetime


class TransferCounts(msgspec.Struct, frozen=True):
    """How many transfers there were since an instant: by a giver, to an address, of a ticket."""

    by_giver: int
    to_address: int
    of_ticket: int


class TransferStory(msgspec.Struct, frozen=True):
    """A transfer with what people read about it. `receiver` is the name of who accepted.

    Names are None when the account was closed.
    """

    transfer: Transfer
    giver: str | None
    receiver: str | None
    ticket_type_id: UUID
    type_name: str
    seat_label: str | None
    ticket_state: str
    holder_id: UUID

    @property
    def ticket(self) -> str:
        """What names the ticket: its type, and its seat if it has one."""
        if self.seat_label is None:
            return self.type_name
        return f"{self.type_name}, {self.seat_label}"


async def get_transfer(database: Database, transfer_id: UUID) -> TransferStory:
    """Return a transfer, or refuse an unknown one."""
    found = await _list_stories(database, [transfer_id])
    if not found:
        raise Refused(SalesRefusal.TRANSFER_NOT_FOUND)
    return found[0]


async def list_transfers_of_person(
    database: Database, person_id: UUID, address: str | None, limit: int, after: str | None
) -> Page[TransferStory]:
    """Return a page of the transfers of a person, newest first.

    Those that the person made or accepted, and those that are or were offered to their address.
    """
    at, key = (None, None) if after is None else read_cursor(after, tuple[datetime, UUID])
    rows = await database.fetch(
        *sql.list_of_person(person_id=person_id, address=address, at=at, key=key, limit=limit + 1)
    )
    found = await _list_stories(database, [row["transfer_id"] for row in rows[:limit]])
    if len(rows) <= limit:
        return Page(found, None)
    last = found[-1].transfer
    return Page(found, write_cursor((last.offered_at, last.transfer_id)))


async def find_verified_address(database: Database, person_id: UUID) -> str | None:
    """Return the address of a person, to which tickets can be offered, if it is verified."""
    address: str | None = await database.fetch_value(*sql.find_verified_address(person_id=person_id))
    return address


async def list_transfers_of_ticket(database: Database, event_id: UUID, ticket_id: UUID) -> list[Transfer]:
    """Return the transfers of a ticket, newest first: a ticket is offered a few times."""
    rows = await database.fetch(*sql.list_of_ticket(event_id=event_id, ticket_id=ticket_id))
    return [Transfer(*row.values()) for row in rows]


async def find_held_ticket(database: Database, person_id: UUID, ticket_id: UUID) -> HeldTicket | None:
    """Return where a ticket belongs that a person has booked or holds; None: they have no such ticket."""
    row = await database.fetch_row(*sql.find_held(person_id=person_id, ticket_id=ticket_id))
    return None if row is None else HeldTicket(**row)


async def list_received_tickets(database: Database, person_id: UUID, limit: int) -> list[HeldTicket]:
    """Return the tickets that were passed on to a person and are valid or used, by start of the event."""
    rows = await database.fetch(*sql.list_received(person_id=person_id, limit=limit))
    return [HeldTicket(**row) for row in rows]


async def list_received_upcoming(
    tx: Connection, person_id: UUID, now: datetime, limit: int
) -> list[HeldTicket]:
    """Return the valid tickets that were passed on to a person, of events that are not over."""
    return [
        HeldTicket(**row)
        for row in await tx.fetch(*sql.list_received_upcoming(person_id=person_id, now=now, limit=limit))
    ]


async def list_open_of_giver(database: Database | Connection, person_id: UUID, limit: int) -> list[Transfer]:
    """Return open transfers that a person has made."""
    rows = await database.fetch(*sql.list_open_of_giver(person_id=person_id, limit=limit))
    return [Transfer(*row.values()) for row in rows]


async def list_tickets_of_transfers(
    tx: Connection, transfer_ids: Collection[UUID]
) -> list[tuple[UUID, UUID]]:
    """Return the tickets of transfers, with their events."""
    rows = await tx.fetch(*sql.list_tickets(transfer_ids=list(transfer_ids)))
    return [(row["event_id"], row["ticket_id"]) for row in rows]


async def count_transfers(
    database: Database, held: HeldTicket, giver_id: UUID, address: str, since: datetime
) -> TransferCounts:
    """Return how many offers there were since an instant; those of the ticket since ever."""
    row = await database.fetch_row(
        *sql.count_transfers(
            giver_id=giver_id,
            address=address,
            event_id=held.event_id,
            ticket_id=held.ticket_id,
            since=since,
        )
    )
    assert row is not None, "an aggregate has one row"
    return TransferCounts(**row)


async def _list_stories(database: Database, transfer_ids: Sequence[UUID]) -> list[TransferStory]:
    """Return the transfers with these ids, in this order; unknown ones are left out."""
    if not transfer_ids:
        return []
    columns, found = len(Transfer.__struct_fields__), dict[UUID, TransferStory]()
    for row in await database.fetch(*sql.list_stories(transfer_ids=list(transfer_ids))):
        values = tuple(row.values())
        story = TransferStory(Transfer(*values[:columns]), *values[columns:])
        found[story.transfer.transfer_id] = story
    return [found[each] for each in transfer_ids if each in found]
