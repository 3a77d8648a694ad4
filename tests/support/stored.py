"""The rows of one sale in PostgreSQL, with the interface of `rows.py`: the rules, run through the store."""

from __future__ import annotations

import asyncio
import itertools
import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from evently.db import Connection, Database
from evently.sales.batches import process
from evently.sales.commands import Command
from evently.sales.facts import decode_facts
from evently.sales.loading import load_sales, load_waitlists
from evently.sales.nouns import Booking, CheckIn, Scan, Ticket, Transfer, WaitlistEntry
from evently.sales.outcomes import Done, Outcome
from evently.sales.rules.ledger import Posting
from evently.sales.rules.state import Pool, Refund, Sale
from evently.sales.terms import (
    Conditions,
    PromoTerms,
    Rescheduling,
    SeatBlockTerms,
    Seating,
    TicketTypeTerms,
)
from tests.support.rows import Rows


class StoredRows(Rows):
    """The rows of one sale in a database.

    Batches are decided by several lanes in turn, each with a memory of its own.

    `lanes`: how many; with more than one, each follows what the others did.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, connection: Connection, event_id: UUID, lanes: int = 1
    ) -> None:
        super().__init__()
        self._loop = loop
        self._connection = connection
        self._event_id = event_id
        self._lanes: list[dict[UUID, Sale]] = [{} for _ in range(lanes)]
        self._turn = itertools.count()
        self._new_ids = itertools.count(1_000_000)

    def run(self, commands: Sequence[Command], now: datetime) -> list[Outcome]:
        """Decide one batch as a lane would, and read the rows that it stored."""
        return self._loop.run_until_complete(self._run(commands, now))

    def check(self) -> None:
        """Check the rows as in memory, and that the loader makes the same sale of them."""
        super().check()
        self._loop.run_until_complete(self._check_loader())

    async def _run(self, commands: Sequence[Command], now: datetime) -> list[Outcome]:
        lane = self._lanes[next(self._turn) % len(self._lanes)]
        async with self._connection.transaction():
            (work,), outcomes = await process(
                self._connection, commands, lane, lambda: now, lambda: UUID(int=next(self._new_ids))
            )
        assert work.sale is not None
        lane[self._event_id] = self.sale = work.sale
        if work.sale.next_expiry_at is not None and work.sale.next_expiry_at <= work.batch.now:
            del lane[self._event_id]  # as a lane does
            self.sale = await self._load_anew()
        await read_rows(self._connection, self, self._event_id)
        decided = [outcome for outcome in outcomes if outcome is not None]
        assert len(decided) == len(outcomes), "the time to decide is not limited here"
        for command, outcome in zip(commands, decided, strict=True):
            if isinstance(outcome, Done):
                self._keep_room(work.sale, command, work.batch.now)
        return decided

    async def _check_loader(self) -> None:
        kept, self.sale = self.sale, await self._load_anew()
        self._check_memory(self.sale)
        self.sale = kept

    async def _load_anew(self) -> Sale:
        row = await self._connection.fetchrow(
            "SELECT event_id, state, currency, on_sale_at, off_sale_at, seq, head_hash, "
            "head_at, extras FROM sales WHERE event_id = $1",
            self._event_id,
        )
        assert row is not None
        sale = Sale(*row.values())
        await load_sales(self._connection, [sale], {})
        await load_waitlists(self._connection, {self._event_id: sale})
        return sale


async def check_stored(db: Database) -> None:
    """Check the rows of every sale in a database."""
    async with db.snapshot() as connection:
        for event_id, *_ in await connection.fetch("SELECT event_id FROM sales"):
            rows = StoredRows(asyncio.get_running_loop(), connection, event_id)
            rows.sale = await rows._load_anew()
            await read_rows(connection, rows, event_id)
            rows.room = await _read_room(connection, event_id)
            Rows.check(rows)


async def _read_room(connection: Connection, event_id: UUID) -> dict[str, Any] | None:
    row = await connection.fetchrow("SELECT * FROM waiting_rooms WHERE event_id = $1", event_id)
    if row is None:
        return None
    return {
        "opens_at": row["opens_at"],
        "draws_at": row["draws_at"],
        "seed_hash": row["seed_hash"].hex(),
        "public_source": row["public_source"],
        "closed_at": row["closed_at"],
        "entries": row["listed"],
        "list_hash": row["list_hash"].hex() if row["list_hash"] is not None else None,
        "seed": row["seed"].hex() if row["drawn_at"] else None,
        "public_value": row["public_value"],
        "drawn_at": row["drawn_at"],
    }


async def read_rows(connection: Connection, rows: Rows, event_id: UUID) -> None:
    """Fill `rows` with those of an event, read without the statements of the loader."""
    every = {
        table.strip(): [
            dict(row)
            for row in await connection.fetch(
                f"SELECT * FROM {table} WHERE event_id = $1 ORDER BY {order}", event_id
            )
        ]
        for table, order in _ORDERS.items()
    }
    (sale,) = every["sales"]
    pools = [_make(Pool, row) for row in every["pools"]]
    rows.pools = {
        pool.pool_id: (pool.name, pool.capacity, pool.held, pool.sold, pool.set_aside) for pool in pools
    }
    rows.ticket_types = {row["ticket_type_id"]: _make(TicketTypeTerms, row) for row in every["ticket_types"]}
    rows.conditions = {
        row["version"]: msgspec.json.decode(row["conditions"], type=Conditions)
        for row in every["sale_conditions"]
    }
    rows.reschedulings = [
        Rescheduling(row["rescheduled_at"], row["starts_before"], row["starts_at"], row["place_changed"])
        for row in every["reschedulings"]
    ]
    for row in every["event_seating"]:
        rows.seating = Seating(
            row["digest"], zlib.decompress(row["layout"]), tuple(row["zones"]), row["zone_of"]
        )
    rows.seat_blocks = {
        row["block_id"]: (_make(SeatBlockTerms, row), row["blocked_at"], row["seats"])
        for row in every["seat_blocks"]
    }
    rows.claims = {row["seat_number"]: row["ticket_id"] for row in every["seat_claims"]}
    rows.promos = {
        row["promo_id"]: (_make(PromoTerms, row), row["uses"], row["spent_minor"])
        for row in every["promo_codes"]
    }
    rows.entries = {row["entry_id"]: _make(WaitlistEntry, row) for row in every["waitlist_entries"]}
    rows.aside = {row["ticket_type_id"]: row["units"] for row in every["set_asides"]}
    tickets: dict[UUID, list[Ticket]] = {}
    for row in every["tickets"]:
        tickets.setdefault(row["booking_id"], []).append(_make(Ticket, row))
    rows.bookings = {
        row["booking_id"]: _make(
            Booking, row | {"currency": sale["currency"], "tickets": tuple(tickets[row["booking_id"]])}
        )
        for row in every["bookings"]
    }
    rows.refunds = {row["refund_id"]: _make(Refund, row) for row in every["refunds"]}
    rows.transfers = {row["transfer_id"]: _make(Transfer, row) for row in every["transfers"]}
    rows.void_codes = {(row["ticket_id"], row["secret"]): row["voided_at"] for row in every["void_codes"]}
    rows.scans = {row["scan_id"]: _make(Scan, row) for row in every["scans"]}
    rows.check_ins = {row["ticket_id"]: _make(CheckIn, row) for row in every["check_ins"]}
    rows.ledger = [_make_posting(row, sale["currency"]) for row in every["ledger"]]
    rows.journal = [(row["at"], decode_facts(row["facts"])) for row in every["journal"]]


_ORDERS: Final = {
    "sales": "event_id",
    "pools": "pool_id",
    "ticket_types": "ticket_type_id",
    "sale_conditions": "version",
    "reschedulings": "number",
    "event_seating": "event_id",
    "seat_claims": "seat_number",
    "seat_blocks": "block_id",
    "promo_codes": "promo_id",
    "waitlist_entries": "joined_seq, entry_id",
    "set_asides": "ticket_type_id",
    "tickets": "ticket_id",
    "bookings": "booking_id",
    "refunds": "refund_id",
    "transfers": "transfer_id",
    "void_codes": "ticket_id, secret",
    "scans": "scan_id",
    "check_ins": "ticket_id",
    "ledger": "seq, line",
    "journal": "seq",
}


def _make(kind: Any, row: dict[str, Any]) -> Any:
    names = kind.__struct_fields__ if issubclass(kind, msgspec.Struct) else kind.__slots__
    said = {name: tuple(row[name]) if isinstance(row[name], list) else row[name] for name in names}
    return kind(**said)


def _make_posting(row: dict[str, Any], currency: str) -> Posting:
    assert row["currency"] == currency
    return Posting(row["booking_id"], row["debit"], row["credit"], row["amount_minor"])
