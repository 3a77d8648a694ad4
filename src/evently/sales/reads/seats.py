"""What seats look like to everybody: which are free, at most a quarter of a second ago.

Shows, and decides nothing.

A process reads an event's seats once, then follows its journal: however many look, it costs a statement in
`BOARD_SECONDS`, and a few more where something happened. The hash chain proves that what was followed leads
to the head; where it does not (after a failover), or the seating itself is another, everything is read anew,
as of one instant.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import Final, NamedTuple
from uuid import UUID

from evently.db import Connection, Database
from evently.kit.errors import Refused
from evently.kit.memory import Memory
from evently.sales import loading
from evently.sales.commands import SalesRefusal
from evently.sales.facts import Fact, chain, decode_facts
from evently.sales.reads.sale import read_head
from evently.sales.reads.sale import sql as sale_sql
from evently.sales.rules.seat_changes import changes_seating, follow, seat_changes
from evently.sales.rules.state import HAS_SEATING, Sale
from evently.seating import Hall

BOARD_SECONDS: Final = 0.25  # as long as a glance: a person does not notice, a database does
# Of one process: 200 KB each for 20,000 seats, and the plans, which the engine has, too
BOARDS_MAX: Final = 200
CHANGES_MAX: Final = 1_000  # journal rows that a board can tell: minutes of a rush, hours of any other day
_SHOWN: Final = (b"0", b"1", b"1", b"-")  # by state of a hall: free, taken, blocked, not for sale


class ZoneType(NamedTuple):
    """A ticket type that sells the seats of a zone."""

    ticket_type_id: UUID
    name: str
    price_minor: int


class SeatBoard:
    """The seats of one event as of journal row `seq`.

    Changes in place, never while nobody waits: read it without awaiting.
    """

    def __init__(self, sale: Sale, hall: Hall, types: dict[str, list[ZoneType]]) -> None:
        self.sale = sale
        self.hall = hall
        self.types = types
        self.digest = _digest(hall)
        self._states = bytearray(b"".join([_SHOWN[state] for state in hall.states()]))
        self._changes: deque[tuple[int, ...]] = deque()  # by journal row, up to `seq`
        self._changed = 0  # numbers in all of them

    @property
    def seq(self) -> int:
        """The journal row of which all this is true."""
        return self.sale.seq

    @property
    def tag(self) -> str:
        """Names the version: the row and its hash, for after a failover a row may be another."""
        return f"{self.sale.seq}-{self.sale.head_hash.hex()[:8]}"

    def states(self) -> str:
        """Return a character a seat, in the order of the layout: 0 free, 1 not to be had, - not for sale."""
        return self._states.decode("ascii")

    def knows(self, seq: int) -> bool:
        """Return whether the board can tell what changed since a row: one not too long ago, and not in the future."""
        return 0 <= self.seq - seq <= len(self._changes)

    def changes_since(self, seq: int) -> list[tuple[int, str]] | None:
        """Return the seats that changed since a row, with what they are now; None where the board does not know."""
        if not self.knows(seq):
            return None
        rows = self.seq - seq
        numbers = {number for row in islice(reversed(self._changes), rows) for number in row}
        return [(number, chr(self._states[number])) for number in sorted(numbers)]

    def advance(self, sale: Sale, news: Sequence[Sequence[Fact]], types: dict[str, list[ZoneType]]) -> None:
        """Let the board be as it is after more journal rows."""
        for facts in news:
            follow(self.hall, facts)
            changes = list(seat_changes(facts))
            for change in changes:
                for number in change.seats:
                    self._states[number] = self._character(number, change.state)
            self._remember(tuple([number for change in changes for number in change.seats]))
        self.sale, self.types = sale, types

    def _remember(self, numbers: tuple[int, ...]) -> None:
        """Keep what a row changed, and forget the oldest where it is longer to tell what changed than what is."""
        self._changes.append(numbers)
        self._changed += len(numbers)
        while len(self._changes) > CHANGES_MAX or self._changed > len(self._states):
            self._changed -= len(self._changes.popleft())

    def _character(self, number: int, state: str) -> int:
        if state in {"taken", "blocked"}:
            return ord("1")
        return ord("-") if self.hall.zone_of_seat(number) is None else ord("0")


class SeatBoards:
    """The boards of a process, the least asked for forgotten first."""

    def __init__(
        self,
        database: Database,
        monotonic: Callable[[], float] = time.monotonic,
        boards_max: int = BOARDS_MAX,
    ) -> None:
        self._database = database
        self._boards: Memory[UUID, SeatBoard] = Memory(BOARD_SECONDS, boards_max, monotonic=monotonic)

    async def look(self, event_id: UUID) -> SeatBoard:
        """Return the board of an event, or refuse: not there, not on sale yet, or without assigned seating.

        One read serves all who ask.
        """
        return self._boards.find(event_id) or await self._boards.get(event_id, partial(self._read, event_id))

    async def _read(self, event_id: UUID) -> SeatBoard:
        known = self._boards.find_stale(event_id)
        head = await self._database.fetch_row(*sale_sql.read_sale(event_id=event_id))
        if (
            known is None
            or head is None
            or (head["seq"], head["head_hash"]) != (known.sale.seq, known.sale.head_hash)
        ):
            return await self._renew(event_id, known)
        return known

    async def _renew(self, event_id: UUID, known: SeatBoard | None) -> SeatBoard:
        async with self._database.snapshot() as snapshot:
            sale = await read_head(snapshot, event_id)
            if sale.state == "closed":
                raise Refused(SalesRefusal.EVENT_NOT_FOUND)
            types = await _load_types(snapshot, event_id)
            news = None if known is None else await _news(snapshot, known.sale, sale)
            if known is not None and news is not None:
                known.advance(sale, news, types)
                return known
            hall = await loading.load_hall(snapshot, event_id) if sale.extras & HAS_SEATING else None
        if hall is None:
            raise Refused(SalesRefusal.NOT_SEATED)
        return SeatBoard(sale, hall, types)


async def _news(snapshot: Connection, older: Sale, sale: Sale) -> list[tuple[Fact, ...]] | None:
    """Return what happened between, by journal row; None when the journal does not lead from there to here, or to another seating."""
    limit = loading.NEWS_ROWS_MAX
    if not 0 <= sale.seq - older.seq <= limit:
        return None
    stored = [
        row["facts"]
        for row in await snapshot.fetch(
            *loading.sql.load_news(event_id=sale.event_id, seq=older.seq, limit=limit)
        )
    ]
    head = older.head_hash
    for each in stored:
        head = chain(head, each)
    if head != sale.head_hash:
        return None
    news = [tuple(decode_facts(each)) for each in stored]
    return None if any(changes_seating(facts) for facts in news) else news


async def _load_types(snapshot: Connection, event_id: UUID) -> dict[str, list[ZoneType]]:
    """Return what sells the seats of each zone to everybody, in the order of the organizer."""
    types: dict[str, list[ZoneType]] = {}
    for row in await snapshot.fetch(*loading.sql.load_ticket_types(event_ids=[event_id])):
        if row["zone"] is not None and not (row["retired"] or row["hidden"]):
            types.setdefault(row["zone"], []).append(
                ZoneType(row["ticket_type_id"], row["name"], row["price_minor"])
            )
    return types


def _digest(hall: Hall) -> str:
    return picture_digest(hall.plan.digest, hall.zones, hall.zone_of)


def picture_digest(layout_digest: str, zones: Sequence[str], zone_of: bytes) -> str:
    """Return the version of what does not change while seats are sold: of the layout together with its zones, hexadecimal."""
    return hashlib.sha256("\0".join([layout_digest, *zones]).encode() + b"\0" + zone_of).hexdigest()
