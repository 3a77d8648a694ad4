"""Reads the sale of an event: window, pools with counters, ticket types, seating."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from evently.db import Connection, Database, load_queries
from evently.kit.errors import Refused
from evently.kit.ids import NO_ID, new_id
from evently.sales import loading
from evently.sales.outcomes import No, SalesRefusal
from evently.sales.reads.on_sale import public_types, without_lone_add_ons
from evently.sales.rules.promos import find_promo, unlocks
from evently.sales.rules.state import HAS_SEATING, Batch, Promo, Sale
from evently.sales.states import SaleState
from evently.sales.terms import Seating, TicketTypeTerms

sql: Final = load_queries(__name__)


class SaleHead(NamedTuple):
    """The newest journal row of an event, with its hash: a failover may replace a row."""

    seq: int
    hash: bytes
    state: SaleState
    seated: bool


async def read_sale(connection: Connection, event_id: UUID) -> Sale:
    """Return the whole sale of an event but its waitlists, as the connection's transaction sees it."""
    sale = await read_head(connection, event_id)
    await loading.load_sales(connection, [sale], {})
    return sale


async def read_head(connection: Connection, event_id: UUID) -> Sale:
    """Return a sale with the columns of its row alone: without pools, ticket types or seats."""
    row = await connection.fetchrow(*sql.read_sale(event_id=event_id))
    if row is None:
        raise Refused(SalesRefusal.EVENT_NOT_FOUND)
    return Sale(**row)


async def list_heads(database: Database, event_ids: Iterable[UUID]) -> dict[UUID, SaleHead]:
    """Return the newest journal rows of these events; an unknown event is absent."""
    return {
        row["event_id"]: SaleHead(
            row["seq"], row["head_hash"], row["state"], bool(row["extras"] & HAS_SEATING)
        )
        for row in await database.fetch(*sql.list_heads(event_ids=list(event_ids)))
    }


async def find_sale(database: Database, event_id: UUID) -> Sale:
    """Return the whole sale of an event but its waitlists, at one instant."""
    async with database.snapshot() as snapshot:
        return await read_sale(snapshot, event_id)


async def list_ticket_types(database: Database, event_id: UUID) -> dict[UUID, TicketTypeTerms]:
    """Return the ticket types of an event by id, retired ones included."""
    return await loading.load_ticket_types(database, event_id)


async def read_types_for(
    connection: Connection, sale: Sale, buyer_id: UUID | None, promo_code: str | None, now: datetime
) -> list[TicketTypeTerms]:
    """Return the public ticket types and those that a promo code unlocks; or refuse as booking would.

    `buyer_id` is None for a caller who is not signed in.
    """
    if promo_code is None:
        return public_types(sale)
    if sale.state == "closed":
        raise Refused(SalesRefusal.EVENT_NOT_FOUND)
    batch = Batch(now, new_id, bytes)
    if buyer_id is not None:
        batch.promo_uses = await loading.load_promo_uses(connection, sale.event_id, buyer_id)
    promo = find_promo(sale, batch, promo_code, buyer_id or NO_ID)
    if isinstance(promo, No):
        raise promo.as_error()
    unlocked = {terms.ticket_type_id for terms in unlocked_by(sale, promo)}
    return without_lone_add_ons(
        [
            terms
            for terms in sale.ticket_types.values()
            if not terms.retired and (not terms.hidden or terms.ticket_type_id in unlocked)
        ]
    )


def unlocked_by(sale: Sale, promo: Promo | None) -> list[TicketTypeTerms]:
    """Return the hidden ticket types that a promo code unlocks."""
    return [
        terms
        for terms in sale.ticket_types.values()
        if terms.hidden and not terms.retired and unlocks(promo, terms)
    ]


async def read_seating(connection: Connection, event_id: UUID) -> Seating | None:
    """Return an event's seating with the whole layout, or None without assigned seating."""
    row = await connection.fetchrow(*loading.sql.load_seating(event_ids=[event_id]))
    if row is None:
        return None
    packed = await connection.fetchval(*loading.sql.load_layout(event_id=event_id))
    layout = await asyncio.to_thread(zlib.decompress, packed)
    return Seating(row["digest"], layout, tuple(row["zones"]), row["zone_of"])
