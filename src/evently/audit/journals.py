"""Replays the journal of one event, and checks the journal itself: its hash chain and its deliveries.

Facts that were archived are read from their files (sales/journal_files.py).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from evently.audit.differences import Differences
from evently.audit.figures import ReplayedFigures
from evently.db import Connection, Record, load_queries
from evently.sales.facts import NO_HASH, chain, decode_facts
from evently.sales.journal_files import FilesOfJournal, JournalFile, JournalFileBroken
from evently.sales.reads import list_journal_files
from evently.sales.replay import Contradiction, Replay

sql: Final = load_queries(__name__)

# Between the clocks of two machines, one of which took over the relay from the other.
CLOCKS_DIFFER_MAX: Final = timedelta(seconds=5)
_ROWS_PREFETCHED: Final = 100  # a few megabytes of facts at most


class ReplayedJournal:
    """The journal of an event and its replay. The bookings of a large event are replayed in parts.

    `figures`: of the rows that the relay has counted.
    """

    def __init__(self, sale: Record, parts: int, differences: Differences, archive: str | None) -> None:
        self.figures = ReplayedFigures()
        self._sale = sale
        self._event_id: UUID = sale["event_id"]
        self._parts = parts
        self._differences = differences
        self._archive = archive
        self._files: list[JournalFile] = []
        self._broken = False  # the journal contradicts itself: its replay cannot be compared with anything
        self._delivered_seq = 0  # of the last delivered row
        self._delivered_at: datetime | None = None

    async def check_and_replay(self, snapshot: Connection) -> Replay | None:
        """Check the journal, and replay the first part of the bookings. None: it cannot be compared."""
        self._files = await list_journal_files(snapshot, self._event_id)
        replay = Replay((0, self._parts))
        seq, hash_before = 0, NO_HASH
        async for row, facts in self._rows(snapshot):
            if row["seq"] != seq + 1:
                self._differences.add("I11", f"journal row {row['seq']} follows {seq}")
            if row["hash"] != chain(hash_before, facts):
                self._differences.add("I11", f"the hash of journal row {row['seq']} is wrong")
            self._check_delivery(row, seq)
            seq, hash_before = row["seq"], row["hash"]
            if not self._apply(replay, row, facts):
                return None
            if seq <= self._sale["counted_seq"]:
                self.figures.add(row["at"], decode_facts(facts))
                self.figures.add_totals(row["at"], replay.totals)
        if self._broken:
            return None
        self._check_end(seq, hash_before)
        return replay

    async def replay_part(self, snapshot: Connection, part: int) -> Replay | None:
        """Replay another part of the bookings. None: it cannot be compared."""
        replay = Replay((part, self._parts))
        async for row, facts in self._rows(snapshot):
            if not self._apply(replay, row, facts):
                break
        return None if self._broken else replay

    async def _rows(self, snapshot: Connection) -> AsyncIterator[tuple[Record, bytes]]:
        """Yield the rows with their facts; where a file does not have them, the journal is broken."""
        rows = snapshot.cursor(*sql.read_journal(event_id=self._event_id), prefetch=_ROWS_PREFETCHED)
        try:
            async for row, facts in FilesOfJournal(self._archive, self._files).complete(rows):
                yield row, facts
        except JournalFileBroken as broken:
            self._differences.add("I11", str(broken))
            self._broken = True

    def _apply(self, replay: Replay, row: Record, facts: bytes) -> bool:
        """Apply a row to the replay; returns whether the replay can continue."""
        try:
            replay.add(row["at"], decode_facts(facts))
        except (Contradiction, msgspec.MsgspecError) as exc:
            self._differences.add("I11", f"journal row {row['seq']} contradicts the rows before it: {exc}")
            self._broken = True
        return not self._broken

    def _check_delivery(self, row: Record, seq_before: int) -> None:
        """Check that a row was delivered, and after the row before it."""
        seq, delivered_at = row["seq"], row["delivered_at"]
        if delivered_at is None:
            if row["at"] < self._sale["old_at"]:
                self._differences.add("I12", f"journal row {seq} was not delivered")
            return
        before = self._delivered_at or row["at"]
        if self._delivered_seq != seq_before or delivered_at < before - CLOCKS_DIFFER_MAX:
            self._differences.add("I12", f"journal row {seq} was delivered before row {seq_before}")
        self._delivered_seq, self._delivered_at = seq, delivered_at

    def _check_end(self, seq: int, last_hash: bytes) -> None:
        """Compare the end of the journal, and of what was delivered, with what is recorded of them."""
        if (seq, last_hash) != (self._sale["seq"], self._sale["head_hash"]):
            self._differences.add(
                "I11",
                f"the journal ends at row {seq}; the sale records row {self._sale['seq']} or another hash",
            )
        if self._delivered_seq != self._sale["counted_seq"]:
            self._differences.add(
                "I12", f"delivered up to row {self._delivered_seq}, counted up to {self._sale['counted_seq']}"
            )
