"""Everything recomputed and compared: the audit that ends every benchmark and every rehearsal; it may run while tickets are being sold.

    audit(options, event)             open the database, inspect it, close it: what the command line does
    inspect(database, event_id)       the same on a database that is open
    show(findings)                    a table for the terminal

It sees one instant of the whole database (REPEATABLE READ, read only) and takes no lock, so nobody waits for it. I1, I2, I5, I6, I7 and I9
are set-based statements; I4, I8, I10, I11 and I12 replay each event's journal from empty and lay it beside the rows, one event at a time,
the largest ones in several parts, because each booking that is followed takes a kilobyte. Nothing here uses a line of what it checks: not
the rules, not the engine, not the counting of the roll-ups.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from dataclasses import astuple, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from rich.table import Table

from evently.db import Connection, Database, DatabaseOptions, Query, Record, load_queries
from evently.kit.ids import parse_id, show_id
from evently.sales import NO_HASH, Contradiction, Replay, Totals, chain, decode_facts, find_sale
from evently.sales.replay import ReplayedBooking

sql: Final = load_queries(__name__)

TITLES: Final = {
    "I1": "pools with a negative counter, or with more taken than there is",
    "I2": "pools whose counters differ from the tickets",
    "I4": "bookings that nobody asked for, or that somebody else asked for",
    "I5": "tickets with two owners or none, bookings without tickets, seats that differ from the tickets",
    "I6": "idempotency keys with two answers, or with an answer about another booking",
    "I7": "bookings confirmed without their money, money without its booking, more paid back than was paid",
    "I8": "bookings whose rows in the money ledger differ from what the journal calls for",
    "I9": "holds still counted 5 seconds after they ran out, or confirmed afterwards",
    "I10": "waitlist entries overtaken by a later one that fitted no better",
    "I11": "differences between the rows and a replay of the journal; gaps and broken hashes in it",
    "I12": "facts not delivered within a minute, out of order, or counted otherwise than once",
}
EXAMPLES_MAX: Final = 5
HOLD_GRACE: Final = timedelta(seconds=5)  # the sweeper comes by every second; five allow for a busy one
CHECKOUT_GRACE: Final = timedelta(minutes=5)  # between what the gateway did and what the till knows of it: a job is tried again within that
DELIVERED_WITHIN: Final = timedelta(seconds=60)  # the relay needs a fraction of a second; a minute allows for one that was killed
CLOCKS_DIFFER_MAX: Final = timedelta(seconds=5)  # of two machines, one of which took over the relay from the other
FOLLOWED_MAX: Final = 250_000  # bookings at a time: 250 MB; each further part of an event reads its journal once more
_ROWS_READ: Final = 1_000  # at a time
_JOURNAL_ROWS_READ: Final = 100  # at a time: a few megabytes of facts at the most
_QUARTER_MINUTES: Final = 15
_SUMS: Final = ("bookings", "tickets", "amount_minor", "cancelled_bookings", "cancelled_tickets", "cancelled_minor")


class Finding(msgspec.Struct, frozen=True):
    """One invariant: how often it is broken, which must be 0, and a few of the cases."""

    code: str
    title: str
    count: int
    examples: list[str]

    def as_dict(self) -> dict[str, object]:
        """Return it for JSON."""
        return msgspec.structs.asdict(self)


async def audit(options: DatabaseOptions, event: str | None = None) -> list[Finding]:
    """Inspect the database at an address, or one event of it (`evt_...`); refuses one that is not there."""
    event_id = None if event is None else parse_id("evt", event)
    database = await Database.open(options)
    try:
        if event_id is not None:
            await find_sale(database, event_id)
        return await inspect(database, event_id)
    finally:
        await database.close()


async def inspect(database: Database, event_id: UUID | None = None) -> list[Finding]:
    """Return what every invariant has to say about one instant, whether anything was found or not."""
    tallies = {code: Tally() for code in TITLES}
    async with database.snapshot() as snapshot:
        for code, query in _SET_BASED:
            await _ask(snapshot, query, event_id, tallies[code])
        async for sale in snapshot.cursor(*sql.list_sales(event_id=event_id, delivered_within=DELIVERED_WITHIN), prefetch=_ROWS_READ):
            await _Retelling(sale, tallies).compare(snapshot)
    return [Finding(code, title, tallies[code].count, tallies[code].examples) for code, title in TITLES.items()]


def show(findings: list[Finding]) -> Table:
    """Return the findings for the terminal."""
    table = Table("", "found", "what must not be", box=None, pad_edge=False)
    for finding in findings:
        style = "green" if finding.count == 0 else "bold red"
        table.add_row(finding.code, f"[{style}]{finding.count:,}[/]", "\n".join([finding.title, *map(_escaped, finding.examples)]))
    return table


@dataclass(slots=True)
class Tally:
    """What was found of one kind."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, event_id: UUID, what: str, total: int = 1) -> None:
        """Count, and keep the first few."""
        self.count += total
        if len(self.examples) < EXAMPLES_MAX:
            self.examples.append(f"{show_id('evt', event_id)}: {what}")


# Set-based ----------------------------------------------------------------------------------------------------------------------

_SET_BASED: Final = (
    ("I1", sql.find_oversold_pools),
    ("I2", sql.find_miscounted_pools),
    ("I5", sql.find_wrong_tickets),
    ("I5", sql.find_wrong_seats),
    ("I6", sql.find_wrong_answers),
    ("I7", sql.find_wrong_payments),
    ("I9", sql.find_stale_holds),
)


async def _ask(snapshot: Connection, query: Query, event_id: UUID | None, tally: Tally) -> None:
    values: dict[str, object] = {"event_id": event_id, "examples_max": EXAMPLES_MAX}
    if "grace" in query.parameters:
        values["grace"] = CHECKOUT_GRACE if query is sql.find_wrong_payments else HOLD_GRACE
    rows = await snapshot.fetch(*query(**values))
    for row in rows:
        tally.add(row["event_id"], row["what"], total=0)
    tally.count += rows[0]["total"] if rows else 0


# Retold from the journal ----------------------------------------------------------------------------------------------------------


class _Retelling:
    """One event, told again from its journal, beside its rows."""

    def __init__(self, sale: Record, tallies: dict[str, Tally]) -> None:
        self._sale = sale
        self._event_id: UUID = sale["event_id"]
        self._tallies = tallies
        self._parts = 1 + sale["bookings_stored"] // FOLLOWED_MAX
        self._replay = Replay((0, self._parts))
        self._broken = False  # what cannot have happened was told: from there on, nothing can be compared
        self._delivered_seq = 0  # of the last row that was delivered
        self._delivered_at: datetime | None = None
        self._counted = Totals()  # up to where the roll-ups have counted
        self._quarters: dict[datetime, tuple[int, ...]] = {}

    async def compare(self, snapshot: Connection) -> None:
        """Replay, then lay it beside the rows."""
        await self._retell(snapshot)
        if self._broken:
            return
        self._compare_sale()
        await self._compare_parts(snapshot)
        await self._compare_rest(snapshot)
        await self._compare_sums(snapshot)
        await self._compare_bookings(snapshot)
        for part in range(1, self._parts):
            self._replay = Replay((part, self._parts))
            async for row in self._journal(snapshot):
                if not self._let_happen(row):
                    return
            await self._compare_bookings(snapshot)

    def _journal(self, snapshot: Connection) -> AsyncIterable[Record]:
        return snapshot.cursor(*sql.read_journal(event_id=self._event_id), prefetch=_JOURNAL_ROWS_READ)

    def _found(self, code: str, what: str) -> None:
        self._tallies[code].add(self._event_id, what)

    async def _retell(self, snapshot: Connection) -> None:
        """Let the journal happen again, and look at the chain and at the deliveries on the way."""
        seq, hash_before = 0, NO_HASH
        async for row in self._journal(snapshot):
            if row["seq"] != seq + 1:
                self._found("I11", f"journal row {row['seq']} follows {seq}")
            if row["hash"] != chain(hash_before, row["facts"]):
                self._found("I11", f"the hash of journal row {row['seq']} is wrong")
            self._look_at_delivery(row, seq)
            seq, hash_before = row["seq"], row["hash"]
            before = astuple(self._replay.totals)
            if not self._let_happen(row):
                return
            if seq <= self._sale["counted_seq"]:
                self._sum_up(row["at"], before)
        if (seq, hash_before) != (self._sale["seq"], self._sale["head_hash"]):
            self._found("I11", f"the journal ends at row {seq}, the sale at {self._sale['seq']}, or with another hash")
        if self._delivered_seq != self._sale["counted_seq"]:
            self._found("I12", f"delivered up to row {self._delivered_seq}, counted up to {self._sale['counted_seq']}")

    def _look_at_delivery(self, row: Record, seq_before: int) -> None:
        """Look at whether a row was delivered, and after the one before it."""
        seq, delivered_at = row["seq"], row["delivered_at"]
        if delivered_at is None:
            if row["at"] < self._sale["old_at"]:
                self._found("I12", f"journal row {seq} was never delivered")
            return
        before = self._delivered_at or delivered_at
        if self._delivered_seq != seq_before or delivered_at < before - CLOCKS_DIFFER_MAX:
            self._found("I12", f"journal row {seq} was delivered before the one before it")
        self._delivered_seq, self._delivered_at = seq, delivered_at

    def _let_happen(self, row: Record) -> bool:
        """Tell one row; returns whether the tale can go on."""
        try:
            self._replay.add(row["at"], decode_facts(row["facts"]))
        except (Contradiction, msgspec.MsgspecError) as exc:
            self._found("I11", f"journal row {row['seq']} cannot have happened: {exc}")
            self._broken = True
        return not self._broken

    def _sum_up(self, at: datetime, before: tuple[int, ...]) -> None:
        after = astuple(self._replay.totals)
        if after == before:
            return
        self._counted = Totals(*after)
        quarter_at = at.replace(minute=at.minute // _QUARTER_MINUTES * _QUARTER_MINUTES, second=0, microsecond=0)
        so_far = self._quarters.get(quarter_at, (0,) * len(_SUMS))
        self._quarters[quarter_at] = tuple(sums + new - old for sums, new, old in zip(so_far, after, before, strict=True))

    def _compare_sale(self) -> None:
        for name in ("state", "currency", "on_sale_at", "off_sale_at"):
            if (stored := self._sale[name]) != (told := getattr(self._replay, name)):
                self._found("I11", f"{name} of the sale is {stored}, by the journal {told}")

    async def _compare_parts(self, snapshot: Connection) -> None:
        """Pools with their counters; ticket types with the pools that they draw on."""
        rows = await snapshot.fetch(*sql.read_pools(event_id=self._event_id))
        pools = {row["pool_id"]: tuple(row.values()) for row in rows}
        told = {pool_id: astuple(pool) for pool_id, pool in self._replay.pools.items()}
        for pool_id, stored, expected in _differing(pools, told):
            self._found("I11", f"pool {pool_id} is {_plain(stored)}, by the journal {_plain(expected)}")
        types = {
            row["ticket_type_id"]: (tuple(row["pool_ids"]), row["retired"])
            for row in await snapshot.fetch(*sql.read_ticket_types(event_id=self._event_id))
        }
        told = {type_id: (tuple(pool_ids), type_id in self._replay.retired) for type_id, pool_ids in self._replay.pools_of.items()}
        for type_id, _, _ in _differing(types, told):
            self._found("I11", f"ticket type {type_id} differs from the journal's")

    async def _compare_rest(self, snapshot: Connection) -> None:
        """Seats, promo codes, refunds, the waitlist and its order."""
        told = self._replay
        event_id = self._event_id
        for what, query, expected in (
            ("seat", sql.read_claims, {number: (owner,) for number, owner in told.seats.items()}),
            ("promo code", sql.read_promos, {promo_id: astuple(promo) for promo_id, promo in told.promos.items()}),
            ("refund", sql.read_refunds, {refund_id: astuple(refund) for refund_id, refund in told.refunds.items()}),
            ("waitlist entry", sql.read_entries, {entry_id: astuple(entry)[:4] for entry_id, entry in told.entries.items()}),
        ):
            rows = {key: tuple(rest) for key, *rest in await snapshot.fetch(*query(event_id=event_id))}
            for key, stored, by_journal in _differing(rows, expected):
                self._found("I11", f"{what} {key} is {_plain(stored)}, by the journal {_plain(by_journal)}")
        conditions = {row["version"]: row["conditions"] for row in await snapshot.fetch(*sql.read_conditions(event_id=event_id))}
        for version, _, _ in _differing(
            conditions, {version: msgspec.json.encode(each, order="deterministic") for version, each in told.conditions.items()}
        ):
            self._found("I11", f"the conditions of version {version} differ from the journal's")
        seating = await snapshot.fetchrow(*sql.read_seating(event_id=event_id))
        if (None if seating is None else (seating["digest"], tuple(seating["zones"]), seating["zone_of"])) != told.seating:
            self._found("I11", "the seating differs from the journal's")
        for sentence in told.overtaken:
            self._found("I10", sentence)

    async def _compare_money(self, snapshot: Connection) -> None:
        """The ledger of the bookings of this part. How a refund is shared among accounts is left to it; that it sums up is not."""
        stored: dict[UUID, Counter[tuple[str, str]]] = {}
        for booking_id, debit, credit, currency, amount in await snapshot.fetch(*sql.read_ledger(event_id=self._event_id)):
            if self._replay.follows(booking_id):
                stored.setdefault(booking_id, Counter())["" if credit == "refunds" else debit, credit] += amount
                if currency != self._sale["currency"]:
                    self._found("I8", f"booking {booking_id} has money in {currency}")
        told = {booking_id: +booking.posted for booking_id, booking in self._replay.bookings.items() if +booking.posted}
        for booking_id, rows, by_journal in _differing(stored, told):
            self._found("I8", f"booking {booking_id} has {dict(rows or {})}, by the journal {dict(by_journal or {})}")

    async def _compare_bookings(self, snapshot: Connection) -> None:
        await self._compare_money(snapshot)
        left = self._replay.bookings
        async for booking_id, buyer_id, stands, tickets in _bookings(snapshot, self._event_id):
            if not self._replay.follows(booking_id):
                continue
            told = left.pop(booking_id, None)
            if told is None:
                self._found("I4", f"booking {booking_id} is not in the journal")
            elif told.buyer_id != buyer_id:
                self._found("I4", f"booking {booking_id} is of {buyer_id}; {told.buyer_id} asked for it")
            elif (as_told := _stands(told)) != stands:
                self._found("I11", f"booking {booking_id} is {_plain(stands)}, by the journal {_plain(as_told)}")
            elif told.tickets != tickets:
                self._found("I11", f"booking {booking_id} has other tickets than by the journal")
        for booking_id in left:
            self._found("I11", f"booking {booking_id} is in the journal alone")

    async def _compare_sums(self, snapshot: Connection) -> None:
        """The roll-ups, up to where they have counted."""
        for name in _SUMS:
            if (stored := self._sale[name]) != (told := getattr(self._counted, name)):
                self._found("I12", f"{name} up to row {self._sale['counted_seq']} are {stored}, by the journal {told}")
        rows = await snapshot.fetch(*sql.read_quarters(event_id=self._event_id))
        quarters = {row["quarter_at"]: tuple(row[name] for name in _SUMS) for row in rows}
        for quarter_at, stored, expected in _differing(quarters, self._quarters):
            self._found("I12", f"the quarter from {quarter_at} counts {_plain(stored)}, by the journal {_plain(expected)}")


async def _bookings(
    snapshot: Connection, event_id: UUID
) -> AsyncIterator[tuple[UUID, UUID, tuple[object, ...], dict[UUID, tuple[UUID, int]]]]:
    """Yield the bookings of an event: id, buyer, how it stands (`_stands`), and the tickets that are not void."""
    head: tuple[Any, ...] = ()
    tickets: dict[UUID, tuple[UUID, int]] = {}
    async for booking_id, buyer_id, *stands, ticket_id, type_id, price in snapshot.cursor(
        *sql.read_bookings(event_id=event_id), prefetch=_ROWS_READ
    ):
        if not head or head[0] != booking_id:
            if head:
                yield (*head, tickets)
            head, tickets = (booking_id, buyer_id, tuple(stands)), {}
        if ticket_id is not None:
            tickets[ticket_id] = (type_id, price)
    if head:
        yield (*head, tickets)


def _stands(booking: ReplayedBooking) -> tuple[object, ...]:
    return (
        booking.state,
        booking.placed_at,
        booking.expires_at,
        booking.confirmed_at,
        booking.ended_at,
        booking.conditions_version,
        booking.promo_id,
        booking.entry_id,
        booking.payment_id,
        booking.paid_minor,
        booking.captured_at,
        booking.refunded_minor,
    )


def _differing(stored: dict[Any, Any], told: dict[Any, Any]) -> Iterator[tuple[Any, Any, Any]]:
    for key in sorted(stored.keys() | told.keys()):
        if stored.get(key) != told.get(key):
            yield key, stored.get(key), told.get(key)


def _plain(values: tuple[object, ...] | None) -> str:
    return "not there" if values is None else ", ".join(str(value) for value in values)


def _escaped(text: str) -> str:
    return "  " + text.replace("[", r"\[")
