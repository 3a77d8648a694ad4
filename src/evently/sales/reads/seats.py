"""Reads which seats of an event are free, at most a quarter of a second ago. Decides nothing.

A process loads an event's seats once and then follows the event's journal. Any number of callers cost one
statement in `BOARD_SECONDS`, and a few more when the journal has grown. The hash chain proves that the
followed rows lead to the head. When they do not (after a failover), or when the seating itself has changed,
the seats are loaded again, as of one instant.
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

from evently.db import Connection, Database, load_queries
from evently.kit.errors import Refused
from evently.kit.memory import Memory
from evently.sales import loading
from evently.sales.facts import Fact, chain, decode_facts
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads.on_sale import public_types
from evently.sales.reads.sale import read_head
from evently.sales.reads.sale import sql as sale_sql
from evently.sales.rules.seat_changes import apply_facts, changes_seating, seat_changes
from evently.sales.rules.state import HAS_SEATING, Sale
from evently.seating import Hall, SeatState

sql: Final = load_queries(__name__)

BOARD_SECONDS: Final = 0.25  # as long as a glance
# In a process: 200 KB each for 20,000 seats, beside the plans, which the engine has too
BOARDS_MAX: Final = 200
# Journal rows whose changes a board keeps: minutes of a rush, hours of an ordinary day
CHANGES_MAX: Final = 1_000
# The characters of the API: buyers see no difference between a taken and a blocked seat
CHARACTERS: Final = {
    SeatState.AVAILABLE: "0",
    SeatState.TAKEN: "1",
    SeatState.BLOCKED: "1",
    SeatState.NOT_FOR_SALE: "-",
}
# What organizers see, in the order of `SeatState`; a held seat is one of the taken
_FOR_ORGANIZERS: Final = bytes.maketrans(bytes([*SeatState]), b"0sb-")
_HELD: Final = ord("h")
_TRANSLATION: Final = bytes.maketrans(
    bytes(CHARACTERS), "".join(CHARACTERS.values()).encode("ascii")
)  # from the bytes of `Hall.states`


class ZoneType(NamedTuple):
    """A ticket type that sells the seats of a zone."""

    ticket_type_id: UUID
    name: str
    price_minor: int


class BestAvailable(NamedTuple):
    """Best available seats of a zone: how many, of which section, and how many places for wheelchairs."""

    zone: str
    quantity: int
    section: str | None = None
    accessible: int = 0


class SeatBoard:
    """The seats of one event as of journal row `seq`, with the whole `sale` as of the same row.

    It changes in place, but only while its reader awaits: read it without awaiting in between.
    """

    def __init__(self, sale: Sale, hall: Hall, types: dict[str, list[ZoneType]]) -> None:
        self.sale = sale
        self.hall = hall
        self.types = types
        self.digest = _digest(hall)
        self._states = bytearray(hall.states().translate(_TRANSLATION))
        self._changes: deque[tuple[int, ...]] = deque()  # by journal row, up to `seq`
        self._changed = 0  # the seats in `_changes`

    @property
    def seq(self) -> int:
        """Return the journal row of which the board is true."""
        return self.sale.seq

    @property
    def tag(self) -> str:
        """Return the version: the row and its hash, because a failover may replace a row."""
        return f"{self.sale.seq}-{self.sale.head_hash.hex()[:8]}"

    def states(self) -> str:
        """Return one of `CHARACTERS` for each seat, in the order of the layout."""
        return self._states.decode("ascii")

    def knows(self, seq: int) -> bool:
        """Return whether the board has the changes since a row: not too old a row, and not a future one."""
        return 0 <= self.seq - seq <= len(self._changes)

    def changes_since(self, seq: int) -> list[tuple[int, str]] | None:
        """Return the seats that changed since a row with their characters; None when the row is not known."""
        if not self.knows(seq):
            return None
        rows = self.seq - seq
        numbers = {number for row in islice(reversed(self._changes), rows) for number in row}
        return [(number, chr(self._states[number])) for number in sorted(numbers)]

    def advance(self, sale: Sale, news: Sequence[Sequence[Fact]], types: dict[str, list[ZoneType]]) -> None:
        """Apply further journal rows to the board."""
        for facts in news:
            apply_facts(self.hall, facts)
            changes = list(seat_changes(facts))
            for change in changes:
                for number in change.seats:
                    self._states[number] = self._character(number, change.after)
            self._keep_changes(tuple([number for change in changes for number in change.seats]))
        self.sale, self.types = sale, types

    def suggest(self, lines: Sequence[BestAvailable], others: int = 0) -> list[tuple[int, ...]] | None:
        """Return the seats that a booking of these lines would get now, for each line; None if not all fit.

        `others` passes over as many suggestions. Takes nothing.
        """
        taken = list[int]()
        try:
            for _ in range(others):
                if self._suggest_once(lines, taken) is None:
                    return None
            return self._suggest_once(lines, taken)
        finally:
            self.hall.release(taken)

    def _suggest_once(self, lines: Sequence[BestAvailable], taken: list[int]) -> list[tuple[int, ...]] | None:
        """Suggest as a booking picks: lines of one zone and section together. Takes the seats, for now."""
        found: list[tuple[int, ...]] = [()] * len(lines)
        areas: dict[tuple[str, str | None], list[int]] = {}
        for place, line in enumerate(lines):
            areas.setdefault((line.zone, line.section), []).append(place)
        for (zone, section), places in areas.items():
            quantity = sum(lines[place].quantity for place in places)
            accessible = sum(lines[place].accessible for place in places)
            numbers = self.hall.pick(zone, quantity, section, accessible)
            if numbers is None:
                return None
            self.hall.take(numbers)
            taken += numbers
            left = iter(numbers)
            for place in places:
                found[place] = tuple(islice(left, lines[place].quantity))
        return found

    def _keep_changes(self, numbers: tuple[int, ...]) -> None:
        """Keep the changes of a row. Forget the oldest when listing them is longer than listing all seats."""
        self._changes.append(numbers)
        self._changed += len(numbers)
        while len(self._changes) > CHANGES_MAX or self._changed > len(self._states):
            self._changed -= len(self._changes.popleft())

    def _character(self, number: int, state: SeatState) -> int:
        if state == SeatState.AVAILABLE and self.hall.zone_of_seat(number) is None:
            state = SeatState.NOT_FOR_SALE
        return ord(CHARACTERS[state])


class SeatBoards:
    """The seat boards of a process. The least recently used ones are forgotten first."""

    def __init__(
        self,
        database: Database,
        monotonic: Callable[[], float] = time.monotonic,
        boards_max: int = BOARDS_MAX,
    ) -> None:
        self._database = database
        self._boards: Memory[UUID, SeatBoard] = Memory(BOARD_SECONDS, boards_max, monotonic=monotonic)

    async def get_board(self, event_id: UUID) -> SeatBoard:
        """Return the board of an event.

        Refuses an event that is unknown, a draft, or without assigned seating.

        Concurrent callers share one read.
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
            if not sale.extras & HAS_SEATING:
                raise Refused(SalesRefusal.NOT_SEATED)
            news = None if known is None else await _news(snapshot, known.sale, sale)
            sale.hall = known.hall if known is not None and news is not None else None
            # Its own hall, which is as new as it is from the end of this function on, is not loaded again
            await loading.load_sales(snapshot, [sale], {event_id: sale})
        if known is not None and news is not None:
            known.advance(sale, news, _types_by_zone(sale))
            return known
        assert sale.hall is not None, "a sale with seating has a hall"
        return SeatBoard(sale, sale.hall, _types_by_zone(sale))


async def list_events_with_map(snapshot: Connection, digests: Sequence[str], limit: int) -> list[UUID]:
    """Return the newest events that have a copy of one of these layouts."""
    rows = await snapshot.fetch(*sql.list_events_with_map(digests=list(digests), limit=limit))
    return [row["event_id"] for row in rows]


async def list_held_seats(snapshot: Connection, event_id: UUID) -> list[int]:
    """Return the numbers of the seats that are held, and not yet sold."""
    held: list[int] = await snapshot.fetchval(*sql.list_held_seats(event_id=event_id))
    return held


def show_states(hall: Hall, held: Sequence[int]) -> str:
    """Return a character for each seat: `0` available, `h` held, `s` sold, `b` blocked, `-` in no zone."""
    states = bytearray(hall.states().translate(_FOR_ORGANIZERS))
    for number in held:
        states[number] = _HELD
    return states.decode("ascii")


async def _news(snapshot: Connection, older: Sale, sale: Sale) -> list[tuple[Fact, ...]] | None:
    """Return the facts between two versions of a sale, by journal row.

    None when the journal does not connect them, or when the seating itself has changed.
    """
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


def _types_by_zone(sale: Sale) -> dict[str, list[ZoneType]]:
    """Return the public ticket types that sell the seats of each zone, in the organizer's order."""
    types: dict[str, list[ZoneType]] = {}
    for terms in public_types(sale):
        if terms.zone is not None:
            types.setdefault(terms.zone, []).append(
                ZoneType(terms.ticket_type_id, terms.name, terms.price_minor)
            )
    return types


def _digest(hall: Hall) -> str:
    return picture_digest(hall.plan.digest, hall.zones, hall.zone_of)


def picture_digest(layout_digest: str, zones: Sequence[str], zone_of: bytes) -> str:
    """Return the version of what selling does not change, the layout with its zones, in hexadecimal."""
    return hashlib.sha256("\0".join([layout_digest, *zones]).encode() + b"\0" + zone_of).hexdigest()
