"""Compares the rows of an event with a replay of its journal: every column that the journal records.

    compare_events(snapshot, event_id, tallies)   replay one event or all, and count the differences

Never uses the rules or the store: a mistake there must not hide itself.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from evently.audit.figures import CONVERSIONS, SOURCES, ReplayedFigures
from evently.audit.findings import Tally
from evently.db import Connection, Query, Record, load_queries
from evently.sales.facts import NO_HASH, chain, decode_facts
from evently.sales.journal_files import FilesOfJournal, JournalFile, JournalFileBroken
from evently.sales.nouns import Booking, Ticket, WaitlistEntry
from evently.sales.reads import list_journal_files
from evently.sales.replay import Contradiction, Replay, ReplayedBooking, Totals
from evently.sales.replay.state import NOTHING_MORE, ReplayedEntry, TicketDetails
from evently.sales.terms import Conditions
from evently.seating import decode_map, digest_of

sql: Final = load_queries(__name__)

# The relay needs a fraction of a second; a minute allows for a relay that was killed.
DELIVERED_WITHIN: Final = timedelta(seconds=60)
# Between the clocks of two machines, one of which took over the relay from the other.
CLOCKS_DIFFER_MAX: Final = timedelta(seconds=5)
# Bookings replayed at a time: up to 250 MB. Each further part of an event reads its journal once more.
FOLLOWED_MAX: Final = 100_000
_ROWS_PREFETCHED: Final = 1_000
_JOURNAL_ROWS_PREFETCHED: Final = 100  # a few megabytes of facts at most
_QUARTER_MINUTES: Final = 15
_SUMS: Final = (
    "bookings",
    "tickets",
    "amount_minor",
    "cancelled_bookings",
    "cancelled_tickets",
    "cancelled_minor",
)
_SALE: Final = ("state", "currency", "on_sale_at", "off_sale_at", "extras")
_NO_SEAT: Final[tuple[str | None, str | None]] = (None, None)

Rows = dict[Any, tuple[Any, ...]]


async def compare_events(
    snapshot: Connection, event_id: UUID | None, tallies: Mapping[str, Tally], archive: str | None = None
) -> None:
    """Compare the rows of one event, or of all events, with a replay of the journal.

    `archive`: the directory with the files of archived journals.
    """
    async for sale in snapshot.cursor(
        *sql.list_sales(event_id=event_id, delivered_within=DELIVERED_WITHIN), prefetch=_ROWS_PREFETCHED
    ):
        await _EventComparison(sale, tallies, archive).compare(snapshot)


class _EventComparison:
    """The comparison of one event's rows with a replay of its journal."""

    def __init__(self, sale: Record, tallies: Mapping[str, Tally], archive: str | None) -> None:
        self._archive = archive
        self._files: list[JournalFile] = []
        self._sale = sale
        self._event_id: UUID = sale["event_id"]
        self._tallies = tallies
        self._parts = 1 + sale["bookings_stored"] // FOLLOWED_MAX
        self._replay = Replay((0, self._parts))
        self._broken = False  # the journal contradicts itself: its replay cannot be compared with anything
        self._delivered_seq = 0  # of the last delivered journal row
        self._delivered_at: datetime | None = None
        self._counted = Totals()  # up to the last journal row that the roll-ups have counted
        self._quarters: dict[datetime, tuple[int, ...]] = {}
        self._figures = ReplayedFigures()  # up to the same row
        self._seats: list[tuple[str, str]] = []  # id and label by number

    async def compare(self, snapshot: Connection) -> None:
        """Replay the journal, then compare the rows with the replay."""
        self._files = await list_journal_files(snapshot, self._event_id)
        await self._replay_journal(snapshot)
        if self._broken:
            return
        await self._compare_sale(snapshot)
        await self._compare_seating(snapshot)
        await self._compare_waiting_room(snapshot)
        for what, query, replayed in self._tables():
            await self._compare_table(snapshot, what, query, replayed)
        await self._compare_settled(snapshot)
        await self._compare_door(snapshot)
        for sentence in self._replay.overtaken:
            self._found("I10", sentence)
        await self._compare_sums(snapshot)
        await self._compare_figures(snapshot)
        await self._compare_bookings(snapshot)
        for part in range(1, self._parts):
            if not await self._replay_part(snapshot, part):
                return
            await self._compare_bookings(snapshot)

    async def _replay_part(self, snapshot: Connection, part: int) -> bool:
        """Replay another part of the bookings; returns whether they can be compared."""
        self._replay = Replay((part, self._parts))
        async for row, facts in self._journal(snapshot):
            if not self._apply(row, facts):
                break
        return not self._broken

    async def _journal(self, snapshot: Connection) -> AsyncIterator[tuple[Record, bytes]]:
        """Yield the rows with their facts; where a file does not have them, the journal is broken."""
        rows = snapshot.cursor(*sql.read_journal(event_id=self._event_id), prefetch=_JOURNAL_ROWS_PREFETCHED)
        try:
            async for row, facts in FilesOfJournal(self._archive, self._files).complete(rows):
                yield row, facts
        except JournalFileBroken as broken:
            self._found("I11", str(broken))
            self._broken = True

    def _found(self, code: str, what: str) -> None:
        self._tallies[code].add(self._event_id, what)

    # The journal

    async def _replay_journal(self, snapshot: Connection) -> None:
        """Replay the journal, and check its hash chain and its deliveries."""
        seq, hash_before = 0, NO_HASH
        async for row, facts in self._journal(snapshot):
            if row["seq"] != seq + 1:
                self._found("I11", f"journal row {row['seq']} follows {seq}")
            if row["hash"] != chain(hash_before, facts):
                self._found("I11", f"the hash of journal row {row['seq']} is wrong")
            self._check_delivery(row, seq)
            seq, hash_before = row["seq"], row["hash"]
            before = astuple(self._replay.totals)
            if not self._apply(row, facts):
                return
            if seq <= self._sale["counted_seq"]:
                self._add_to_quarter(row["at"], before)
                self._figures.add(row["at"], decode_facts(facts))
        if self._broken:
            return
        if (seq, hash_before) != (self._sale["seq"], self._sale["head_hash"]):
            self._found(
                "I11",
                f"the journal ends at row {seq}; the sale records row {self._sale['seq']} or another hash",
            )
        if self._delivered_seq != self._sale["counted_seq"]:
            self._found(
                "I12", f"delivered up to row {self._delivered_seq}, counted up to {self._sale['counted_seq']}"
            )

    def _check_delivery(self, row: Record, seq_before: int) -> None:
        """Check that a journal row was delivered, and after the row before it."""
        seq, delivered_at = row["seq"], row["delivered_at"]
        if delivered_at is None:
            if row["at"] < self._sale["old_at"]:
                self._found("I12", f"journal row {seq} was not delivered")
            return
        before = self._delivered_at or row["at"]
        if self._delivered_seq != seq_before or delivered_at < before - CLOCKS_DIFFER_MAX:
            self._found("I12", f"journal row {seq} was delivered before row {seq_before}")
        self._delivered_seq, self._delivered_at = seq, delivered_at

    def _apply(self, row: Record, facts: bytes) -> bool:
        """Apply a journal row to the replay; returns whether the replay can continue."""
        try:
            self._replay.add(row["at"], decode_facts(facts))
        except (Contradiction, msgspec.MsgspecError) as exc:
            self._found("I11", f"journal row {row['seq']} contradicts the rows before it: {exc}")
            self._broken = True
        return not self._broken

    def _add_to_quarter(self, at: datetime, before: tuple[int, ...]) -> None:
        """Add the change of the totals to the quarter of an hour in which it happened."""
        after = astuple(self._replay.totals)
        if after == before:
            return
        self._counted = Totals(*after)
        quarter_at = at.replace(
            minute=at.minute // _QUARTER_MINUTES * _QUARTER_MINUTES, second=0, microsecond=0
        )
        so_far = self._quarters.get(quarter_at, (0,) * len(_SUMS))
        self._quarters[quarter_at] = tuple(
            sums + new - old for sums, new, old in zip(so_far, after, before, strict=True)
        )

    # The sale and its tables

    async def _compare_sale(self, snapshot: Connection) -> None:
        replayed = self._replay
        self._compare(
            "I11",
            "the sale",
            _SALE,
            tuple(self._sale[name] for name in _SALE),
            tuple(getattr(replayed, name) for name in _SALE),
        )
        if replayed.at is not None:
            self._compare("I11", "the sale", ("head_at",), (self._sale["head_at"],), (replayed.at,))
        rows = await snapshot.fetch(*sql.read_reschedulings(event_id=self._event_id))
        if [tuple(row.values()) for row in rows] != [
            (number, *msgspec.structs.astuple(each))
            for number, each in enumerate(replayed.reschedulings, start=1)
        ]:
            self._found("I11", "the times and places of the event differ from the journal")
        stored = {
            row["version"]: _read_conditions(row["conditions"])
            for row in await snapshot.fetch(*sql.read_conditions(event_id=self._event_id))
        }
        for version in _differing(stored, replayed.conditions):
            self._found("I11", f"version {version} of the conditions differs from the journal")

    async def _compare_waiting_room(self, snapshot: Connection) -> None:
        """Compare what a waiting room promised and drew."""
        row = await snapshot.fetchrow(*sql.read_waiting_room(event_id=self._event_id))
        room = self._replay.waiting_room
        if row is None or room is None:
            if (row is None) != (room is None):
                self._found("I14", "the waiting room differs from the journal")
            return
        replayed = asdict(room)
        self._compare(
            "I14", "the waiting room", tuple(replayed), tuple(row.values()), tuple(replayed.values())
        )

    async def _compare_seating(self, snapshot: Connection) -> None:
        """Compare the seat map, its digest and the zones."""
        row = await snapshot.fetchrow(*sql.read_seating(event_id=self._event_id))
        if (
            None if row is None else (row["digest"], tuple(row["zones"]), row["zone_of"])
        ) != self._replay.seating:
            self._found("I11", "the seating differs from the journal")
        elif row is not None:
            self._compare_seats_left(row)
            try:
                layout = zlib.decompress(row["layout"])
            except zlib.error as exc:
                self._found("I11", f"the seat map cannot be read: {exc}")
                return
            if digest_of(layout) != row["digest"]:
                self._found("I11", "the seat map does not match its digest")
                return
            self._seats = [
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
            self._found("I2", f"the zones have {row['available']} seats left, in the journal {left}")

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

    async def _compare_door(self, snapshot: Connection) -> None:
        """Compare the tickets that are used, and the scans that were accepted."""
        replayed = self._replay
        await self._compare_table(
            snapshot,
            "the check-in of ticket",
            sql.read_check_ins,
            {ticket_id: astuple(each) for ticket_id, each in replayed.check_ins.items()},
            code="I13",
        )
        await self._compare_table(
            snapshot,
            "the accepted scan",
            sql.read_accepted,
            {scan_id: astuple(each) for scan_id, each in replayed.scans.items()},
            code="I13",
        )

    async def _compare_settled(self, snapshot: Connection) -> None:
        """Compare how refunds were settled; money.sql finds those that only one side records as settled.

        Facts of earlier versions have no reason.
        """
        for refund_id, how, reason in await snapshot.fetch(*sql.read_settled(event_id=self._event_id)):
            refund = self._replay.refunds.get(refund_id)
            if refund is None:
                continue
            if refund.how not in (None, how):
                self._found("I7", f"refund {refund_id} was settled as {how}, in the journal {refund.how}")
            elif refund.reason not in ("", reason):
                self._found("I7", f"refund {refund_id} has another reason than in the journal")

    def _replayed_type(self, type_id: UUID) -> tuple[Any, ...]:
        _, *fields = msgspec.structs.astuple(self._replay.types[type_id])
        return (*fields, type_id in self._replay.retired)

    async def _compare_table(
        self, snapshot: Connection, what: str, query: Query, replayed: Rows, code: str = "I11"
    ) -> None:
        rows = await snapshot.fetch(*query(event_id=self._event_id))
        names = tuple(rows[0].keys())[1:] if rows else ()
        stored: Rows = {
            key: tuple(tuple(each) if isinstance(each, list) else each for each in rest)
            for key, *rest in rows
        }
        for key in _differing(stored, replayed):
            self._compare(code, f"{what} {key}", names, stored.get(key), replayed.get(key))

    def _compare(
        self,
        code: str,
        what: str,
        names: Sequence[str],
        stored: tuple[Any, ...] | None,
        replayed: tuple[Any, ...] | None,
    ) -> None:
        """Report the values that differ."""
        if stored is None:
            self._found(code, f"{what} is only in the journal")
        elif replayed is None:
            self._found(code, f"{what} is not in the journal")
        elif differences := [
            f"{name} is {mine}, in the journal {theirs}"
            for name, mine, theirs in zip(names, stored, replayed, strict=True)
            if mine != theirs
        ]:
            self._found(code, f"{what}: {'; '.join(differences)}")

    # Bookings

    async def _compare_bookings(self, snapshot: Connection) -> None:
        await self._compare_money(snapshot)
        await self._compare_answers(snapshot)
        left = self._replay.bookings
        async for booking_id, buyer_id, stored, tickets in _bookings(snapshot, self._event_id):
            if not self._replay.follows(booking_id):
                continue
            replayed = left.pop(booking_id, None)
            if replayed is None:
                self._found("I4", f"booking {booking_id} is not in the journal")
            elif replayed.buyer_id != buyer_id:
                self._found(
                    "I4", f"booking {booking_id} belongs to {buyer_id}; {replayed.buyer_id} requested it"
                )
            else:
                if (as_replayed := _as_stored(replayed)) != stored:
                    self._compare("I11", f"booking {booking_id}", _BOOKING, stored, as_replayed)
                self._compare_tickets(booking_id, replayed, tickets)
        for booking_id in left:
            self._found("I11", f"booking {booking_id} is only in the journal")

    def _compare_tickets(self, booking_id: UUID, booking: ReplayedBooking, tickets: Rows) -> None:
        replayed: Rows = {}
        returning, holders = self._replay.returning, self._replay.holders
        for which, void in ((booking.tickets, False), (booking.voided, True)):
            for ticket_id, (type_id, price) in which.items():
                more = booking.more.get(ticket_id, NOTHING_MORE)
                seat = _NO_SEAT
                if more.seat is not None:
                    seat = self._seats[more.seat] if more.seat < len(self._seats) else seat
                replayed[ticket_id] = (
                    type_id,
                    price,
                    void,
                    *more,
                    returning.get(ticket_id),
                    *seat,
                    holders.get(ticket_id),
                )
        for ticket_id in _differing(tickets, replayed):
            self._compare(
                "I11",
                f"ticket {ticket_id} of booking {booking_id}",
                _TICKET,
                tickets.get(ticket_id),
                replayed.get(ticket_id),
            )

    async def _compare_money(self, snapshot: Connection) -> None:
        """Compare the postings of the bookings of this part."""
        stored: dict[UUID, list[tuple[Any, ...]]] = {}
        async for booking_id, *posted in snapshot.cursor(
            *sql.read_ledger(event_id=self._event_id), prefetch=_ROWS_PREFETCHED
        ):
            if self._replay.follows(booking_id):
                stored.setdefault(booking_id, []).append(tuple(posted))
        replayed = {
            booking_id: booking.postings
            for booking_id, booking in self._replay.bookings.items()
            if booking.postings
        }
        for booking_id in sorted(stored.keys() | replayed.keys()):
            rows, by_journal = sorted(stored.get(booking_id, ())), sorted(replayed.get(booking_id, ()))
            if rows != by_journal:
                self._found(
                    "I8", f"booking {booking_id} has {_money(rows)}, in the journal {_money(by_journal)}"
                )

    async def _compare_answers(self, snapshot: Connection) -> None:
        """Compare answers with the replay: the fields that never change of a booking or waitlist entry."""
        replayed = self._replay
        async for key, booking_id, entry_id, answer in snapshot.cursor(
            *sql.read_answers(event_id=self._event_id), prefetch=_ROWS_PREFETCHED
        ):
            try:
                if entry_id is not None:
                    right = entry_id in replayed.entries and _is_about_entry(
                        _decode_entry(answer), replayed.entries[entry_id]
                    )
                else:
                    right = booking_id not in replayed.bookings or _is_about(
                        _decode_booking(answer), replayed.bookings[booking_id], replayed.currency
                    )
            except msgspec.MsgspecError:
                right = False
            if not right:
                self._found("I6", f"the answer to key {key!r} differs from the journal")

    # Roll-ups

    async def _compare_sums(self, snapshot: Connection) -> None:
        """Compare the roll-ups with the totals of the replay, up to the last counted journal row."""
        for name in _SUMS:
            if (stored := self._sale[name]) != (replayed := getattr(self._counted, name)):
                self._found(
                    "I12",
                    f"{name} up to row {self._sale['counted_seq']} are {stored}, in the journal {replayed}",
                )
        rows = await snapshot.fetch(*sql.read_quarters(event_id=self._event_id))
        quarters = {row["quarter_at"]: tuple(row[name] for name in _SUMS) for row in rows}
        # Only money moved in a quarter of zeros; money.sql compares it
        quarters = {quarter_at: sums for quarter_at, sums in quarters.items() if any(sums)}
        for quarter_at in _differing(quarters, self._quarters):
            self._compare(
                "I12",
                f"the quarter from {quarter_at}",
                _SUMS,
                quarters.get(quarter_at),
                self._quarters.get(quarter_at),
            )

    async def _compare_figures(self, snapshot: Connection) -> None:
        """Compare the tickets by minute, what became of holds, and the sources, up to the same row."""
        figures = self._figures
        rows = await snapshot.fetch(*sql.read_conversions(event_id=self._event_id))
        stored = tuple(rows[0].values()) if rows else ()
        if stored != figures.conversions:
            self._compare("I12", "the holds", CONVERSIONS, stored or None, figures.conversions or None)
        minutes = {
            row["minute_at"]: (row["tickets"],) for row in await self._fetch(snapshot, sql.read_minutes)
        }
        # Older minutes are deleted
        kept = {at: (tickets,) for at, tickets in figures.minutes.items() if minutes and at >= min(minutes)}
        for at in _differing(minutes, kept):
            self._compare("I12", f"the minute {at}", ("tickets",), minutes.get(at), kept.get(at))
        sources = {via: tuple(sums) for via, *sums in await self._fetch(snapshot, sql.read_sources)}
        for via in _differing(sources, figures.sources):
            self._compare("I12", f"the source {via}", SOURCES, sources.get(via), figures.sources.get(via))
        found = {row[0]: row[1] for row in await self._fetch(snapshot, sql.read_booking_sources)}
        for booking_id in _differing(found, figures.booking_sources):
            self._found("I12", f"the source of booking {booking_id} differs from the journal")

    async def _fetch(self, snapshot: Connection, query: Query) -> list[Record]:
        return await snapshot.fetch(*query(event_id=self._event_id))


_BOOKING: Final = (
    "state", "placed_at", "expires_at", "confirmed_at", "ended_at", "conditions_version", "promo_id",
    "entry_id", "extended", "payment", "payment_id", "paid_minor", "captured_at", "refunded_minor",
    "outside_minor",
)  # fmt: skip
_TICKET: Final = (
    "ticket_type_id", "price_minor", "void", "discount_minor", "surcharge_minor", "fee_minor", "tax_minor",
    "fee_tax_minor", "seat_number", "replaces", "returning_since", "seat_id", "seat_label", "holder_id",
)  # fmt: skip
_TICKET_FROM: Final = 2 + len(_BOOKING)  # in a row of `read_bookings`


def _read_conditions(stored: bytes) -> Conditions | None:
    """Return conditions, or None for other bytes than were written: fields added later may be missing."""
    try:
        canonical = msgspec.json.encode(msgspec.json.decode(stored))
        return msgspec.json.decode(stored, type=Conditions) if canonical == stored else None
    except msgspec.MsgspecError:
        return None


def _as_stored(booking: ReplayedBooking) -> tuple[Any, ...]:
    return (
        booking.state,
        booking.placed_at,
        booking.expires_at,
        booking.confirmed_at,
        booking.ended_at,
        booking.conditions_version,
        booking.promo_id,
        booking.entry_id,
        booking.extended,
        booking.payment,
        booking.payment_id,
        booking.paid_minor,
        booking.captured_at,
        booking.refunded_minor,
        booking.outside_minor,
    )


_decode_booking: Final = msgspec.msgpack.Decoder(Booking).decode
_decode_entry: Final = msgspec.msgpack.Decoder(WaitlistEntry).decode


def _is_about(answer: Booking, replayed: ReplayedBooking, currency: str) -> bool:
    """Return whether the fields of an answer that never change are those of the booking."""
    tickets = {
        ticket.ticket_id: (
            (ticket.ticket_type_id, ticket.price_minor),
            (
                ticket.discount_minor,
                ticket.surcharge_minor,
                ticket.fee_minor,
                ticket.tax_minor,
                ticket.fee_tax_minor,
                _seat_now(ticket, replayed),
            ),
        )
        for ticket in answer.tickets
    }
    if (
        answer.buyer_id,
        answer.currency,
        answer.placed_at,
        answer.conditions_version,
        answer.entry_id,
    ) != (
        replayed.buyer_id,
        currency,
        replayed.placed_at,
        replayed.conditions_version,
        replayed.entry_id,
    ):
        return False
    if (answer.promo_id, tickets) == (replayed.promo_id, _expected(replayed, replayed.more)):
        return True
    # The answer may be older than the promo code with which an offer was accepted
    older = replayed.more_offered
    return older is not None and (answer.promo_id, tickets) == (None, _expected(replayed, older))


def _seat_now(ticket: Ticket, replayed: ReplayedBooking) -> int | None:
    """Return the seat of a ticket in an answer, or that of now when the answer is older than an exchange."""
    if ticket.seat_number in replayed.seats_left.get(ticket.ticket_id, ()):
        return replayed.more[ticket.ticket_id].seat
    return ticket.seat_number


def _expected(replayed: ReplayedBooking, more: Mapping[UUID, TicketDetails]) -> dict[UUID, Any]:
    return {
        ticket_id: (what, more.get(ticket_id, NOTHING_MORE)[:6])
        for ticket_id, what in [*replayed.tickets.items(), *replayed.voided.items()]
    }


def _is_about_entry(answer: WaitlistEntry, replayed: ReplayedEntry) -> bool:
    mine = (
        answer.buyer_id,
        answer.ticket_type_id,
        answer.quantity,
        answer.joined_at,
        answer.joined_seq,
        answer.promo_id,
    )
    return mine == (
        replayed.buyer_id,
        replayed.ticket_type_id,
        replayed.quantity,
        replayed.joined_at,
        replayed.joined_seq,
        replayed.promo_id,
    )


async def _bookings(
    snapshot: Connection, event_id: UUID
) -> AsyncIterator[tuple[UUID, UUID, tuple[Any, ...], Rows]]:
    """Yield the bookings of an event: id, buyer, the `_BOOKING` values, the `_TICKET` values by ticket."""
    head: tuple[Any, ...] = ()
    tickets: Rows = {}
    async for row in snapshot.cursor(*sql.read_bookings(event_id=event_id), prefetch=_ROWS_PREFETCHED):
        if not head or head[0] != row[0]:
            if head:
                yield (*head, tickets)
            head, tickets = (row[0], row[1], tuple(row[2:_TICKET_FROM])), {}
        if (ticket_id := row[_TICKET_FROM]) is not None:
            tickets[ticket_id] = tuple(row[_TICKET_FROM + 1 :])
    if head:
        yield (*head, tickets)


def _differing(stored: Mapping[Any, Any], replayed: Mapping[Any, Any]) -> list[Any]:
    """Return the keys whose values differ, sorted."""
    if stored == replayed:
        return []
    return sorted([key for key in stored.keys() | replayed.keys() if stored.get(key) != replayed.get(key)])


def _money(postings: Sequence[tuple[Any, ...]]) -> str:
    return (
        ", ".join(f"{amount} from {debit} to {credit} (row {seq})" for seq, debit, credit, amount in postings)
        or "nothing"
    )
