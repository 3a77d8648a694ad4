"""Compares the rows of an event with a replay of its journal: every column that the journal records.

    compare_events(snapshot, event_id, tallies)   replay one event or all, and count the differences
    journals.py     replays the journal, and checks its hash chain and its deliveries
    bookings.py     compares bookings, tickets, postings and answers; figures.py compares the roll-ups

This module compares the sale and what an organizer sets about it, seats, the waitlist and the door. None of
them uses the rules or the store: a mistake there must not hide itself.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, astuple
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from evently.audit.bookings import compare_bookings
from evently.audit.differences import Differences, Rows, differing
from evently.audit.figures import compare_figures
from evently.audit.findings import Tally
from evently.audit.journals import ReplayedJournal
from evently.db import Connection, Query, Record, load_queries
from evently.sales.replay import Replay
from evently.sales.terms import Conditions
from evently.seating import decode_map, digest_of

sql: Final = load_queries(__name__)

# The relay needs a fraction of a second; a minute allows for a relay that was killed.
DELIVERED_WITHIN: Final = timedelta(seconds=60)
# Bookings replayed at a time: up to 250 MB. Each further part of an event reads its journal once more.
FOLLOWED_MAX: Final = 100_000
_SALES_PREFETCHED: Final = 1_000
_SALE: Final = ("state", "currency", "on_sale_at", "off_sale_at", "extras")


async def compare_events(
    snapshot: Connection, event_id: UUID | None, tallies: Mapping[str, Tally], archive: str | None = None
) -> None:
    """Compare the rows of one event, or of all events, with a replay of the journal.

    `archive`: the directory with the files of archived journals.
    """
    async for sale in snapshot.cursor(
        *sql.list_sales(event_id=event_id, delivered_within=DELIVERED_WITHIN), prefetch=_SALES_PREFETCHED
    ):
        await _compare_event(snapshot, sale, Differences(sale["event_id"], tallies), archive)


async def _compare_event(
    snapshot: Connection, sale: Record, differences: Differences, archive: str | None
) -> None:
    """Replay the journal of an event, then compare the rows with the replay."""
    parts = 1 + sale["bookings_stored"] // FOLLOWED_MAX
    journal = ReplayedJournal(sale, parts, differences, archive)
    replay = await journal.check_and_replay(snapshot)
    if replay is None:
        return
    seats = await _SaleComparison(snapshot, sale, replay, differences).compare()
    await compare_figures(snapshot, sale, journal.figures, differences)
    await compare_bookings(snapshot, replay, seats, differences)
    for part in range(1, parts):
        del replay  # two of them would take twice the memory
        replay = await journal.replay_part(snapshot, part)
        if replay is None:
            return
        await compare_bookings(snapshot, replay, seats, differences)


class _SaleComparison:
    """The comparison of one event's rows with a replay of its journal, without bookings and figures."""

    def __init__(self, snapshot: Connection, sale: Record, replay: Replay, differences: Differences) -> None:
        self._snapshot = snapshot
        self._sale = sale
        self._event_id: UUID = sale["event_id"]
        self._replay = replay
        self._found = differences

    async def compare(self) -> list[tuple[str, str]]:
        """Compare the rows; return the ids and labels of the seats, by their number."""
        await self._compare_sale()
        seats = await self._compare_seating()
        await self._compare_waiting_room()
        for what, query, replayed in self._tables():
            await self._compare_table("I11", what, query, replayed)
        await self._compare_settled()
        await self._compare_door()
        for sentence in self._replay.overtaken:
            self._found.add("I10", sentence)
        return seats

    async def _compare_sale(self) -> None:
        replayed = self._replay
        self._found.compare(
            "I11",
            "the sale",
            _SALE,
            tuple(self._sale[name] for name in _SALE),
            tuple(getattr(replayed, name) for name in _SALE),
        )
        if replayed.at is not None:
            self._found.compare("I11", "the sale", ("head_at",), (self._sale["head_at"],), (replayed.at,))
        said = await self._snapshot.fetchval(*sql.find_event_reason(event_id=self._event_id))
        self._found.compare("I11", "the event", ("reason",), (said or "",), (replayed.cancellation_reason,))
        rows = await self._snapshot.fetch(*sql.read_reschedulings(event_id=self._event_id))
        if [tuple(row.values()) for row in rows] != [
            (number, *msgspec.structs.astuple(each))
            for number, each in enumerate(replayed.reschedulings, start=1)
        ]:
            self._found.add("I11", "the times and places of the event differ from the journal")
        stored = {
            row["version"]: _read_conditions(row["conditions"])
            for row in await self._snapshot.fetch(*sql.read_conditions(event_id=self._event_id))
        }
        for version in differing(stored, replayed.conditions):
            self._found.add("I11", f"version {version} of the conditions differs from the journal")

    async def _compare_waiting_room(self) -> None:
        """Compare what a waiting room promised and drew."""
        row = await self._snapshot.fetchrow(*sql.read_waiting_room(event_id=self._event_id))
        room = self._replay.waiting_room
        if row is None or room is None:
            if (row is None) != (room is None):
                self._found.add("I14", "the waiting room differs from the journal")
            return
        replayed = asdict(room)
        self._found.compare(
            "I14", "the waiting room", tuple(replayed), tuple(row.values()), tuple(replayed.values())
        )

    async def _compare_seating(self) -> list[tuple[str, str]]:
        """Compare the seat map, its digest and the zones; return the id and the label of each seat."""
        row = await self._snapshot.fetchrow(*sql.read_seating(event_id=self._event_id))
        stored = None if row is None else (row["digest"], tuple(row["zones"]), row["zone_of"])
        if stored != self._replay.seating:
            self._found.add("I11", "the seating differs from the journal")
            return []
        if row is None:
            return []
        self._compare_seats_left(row)
        try:
            layout = zlib.decompress(row["layout"])
        except zlib.error as exc:
            self._found.add("I11", f"the seat map cannot be read: {exc}")
            return []
        if digest_of(layout) != row["digest"]:
            self._found.add("I11", "the seat map does not match its digest")
            return []
        return [
            (seat.id, f"{section.name}, row {line.printed()}, seat {seat.label}")
            for section in decode_map(layout).sections
            for line in section.rows
            for seat in line.seats
        ]

    def _compare_seats_left(self, row: Record) -> None:
        """Compare how many seats the zones have left, which lists show."""
        taken = Counter([row["zone_of"][number] for number in self._replay.seats])
        left = [row["zone_of"].count(zone) - taken[zone] for zone in range(len(row["zones"]))]
        if row["available"] != left:
            self._found.add("I2", f"the zones have {row['available']} seats left, in the journal {left}")

    def _tables(self) -> Iterator[tuple[str, Query, Rows]]:
        """Yield the tables that are compared as a whole: name, statement, and the replayed rows by key.

        The values of a row are in the order of the statement's columns, without the key.
        """
        replayed = self._replay
        yield "pool", sql.read_pools, {pool_id: astuple(pool)[1:] for pool_id, pool in replayed.pools.items()}
        yield (
            "ticket type",
            sql.read_ticket_types,
            {type_id: self._replayed_type(type_id) for type_id in replayed.types},
        )
        yield "seat", sql.read_claims, {number: (owner,) for number, owner in replayed.seats.items()}
        yield (
            "block of seats",
            sql.read_seat_blocks,
            {
                block_id: (block.name, block.until, block.blocked_at, tuple(sorted(block.seats)))
                for block_id, block in replayed.seat_blocks.items()
            },
        )
        yield (
            "promo code",
            sql.read_promos,
            {
                promo_id: (*msgspec.structs.astuple(promo.terms)[1:], promo.uses, promo.spent_minor)
                for promo_id, promo in replayed.promos.items()
            },
        )
        yield (
            "refund",
            sql.read_refunds,
            {refund_id: astuple(refund)[:4] for refund_id, refund in replayed.refunds.items()},
        )
        yield "reason of the cancellation", sql.read_reasons, dict(replayed.reasons)
        yield (
            "outside refund",
            sql.read_outside,
            {refund_id: astuple(refund) for refund_id, refund in replayed.outside.items()},
        )
        yield (
            "transfer",
            sql.read_transfers,
            {transfer_id: astuple(transfer) for transfer_id, transfer in replayed.transfers.items()},
        )
        yield (
            "void code of ticket",
            sql.read_void_codes,
            {
                f"{ticket_id} {digest.hex()}": (voided_at,)
                for (ticket_id, digest), voided_at in replayed.void_codes.items()
            },
        )
        yield "code of ticket", sql.read_codes, {each: (digest,) for each, digest in replayed.codes.items()}
        yield (
            "waitlist entry",
            sql.read_entries,
            {entry_id: astuple(entry) for entry_id, entry in replayed.entries.items()},
        )
        yield (
            "set-aside of ticket type",
            sql.read_set_asides,
            {type_id: (units,) for type_id, units in replayed.set_asides.items()},
        )

    def _replayed_type(self, type_id: UUID) -> tuple[Any, ...]:
        _, *fields = msgspec.structs.astuple(self._replay.types[type_id])
        return (*fields, type_id in self._replay.retired)

    async def _compare_door(self) -> None:
        """Compare the tickets that are used, and the scans that were accepted."""
        replayed = self._replay
        await self._compare_table(
            "I13",
            "the check-in of ticket",
            sql.read_check_ins,
            {ticket_id: astuple(each) for ticket_id, each in replayed.check_ins.items()},
        )
        await self._compare_table(
            "I13",
            "the accepted scan",
            sql.read_accepted,
            {scan_id: astuple(each) for scan_id, each in replayed.scans.items()},
        )

    async def _compare_settled(self) -> None:
        """Compare how refunds were settled; money.sql finds those that only one side records as settled.

        Facts of earlier versions have no reason.
        """
        for refund_id, how, reason in await self._snapshot.fetch(*sql.read_settled(event_id=self._event_id)):
            refund = self._replay.refunds.get(refund_id)
            if refund is None:
                continue
            if refund.how not in (None, how):
                self._found.add("I7", f"refund {refund_id} was settled as {how}, in the journal {refund.how}")
            elif refund.reason not in ("", reason):
                self._found.add("I7", f"refund {refund_id} has another reason than in the journal")

    async def _compare_table(self, code: str, what: str, query: Query, replayed: Rows) -> None:
        rows = await self._snapshot.fetch(*query(event_id=self._event_id))
        names = tuple(rows[0].keys())[1:] if rows else ()
        stored: Rows = {
            key: tuple(tuple(each) if isinstance(each, list) else each for each in rest)
            for key, *rest in rows
        }
        self._found.compare_rows(code, what, names, stored, replayed)


def _read_conditions(stored: bytes) -> Conditions | None:
    """Return conditions, or None for other bytes than were written: fields added later may be missing."""
    try:
        canonical = msgspec.json.encode(msgspec.json.decode(stored))
        return msgspec.json.decode(stored, type=Conditions) if canonical == stored else None
    except msgspec.MsgspecError:
        return None
