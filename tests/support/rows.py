"""The rules of sale with rows in memory: what the store would load and write, in plain dictionaries.

A batch is given what loading.py would give it and no more, so that a rule that needs more fails here; and
only what the store would write is kept. What then is in memory must be what anybody would load, and the rows
must add up.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec.structs import replace

from evently.kit.shapes import copy_fields
from evently.sales.commands import Command
from evently.sales.commands.bookings import OutsideRefund
from evently.sales.commands.check_ins import ScanTicket
from evently.sales.commands.sale_terms import WakeSale
from evently.sales.commands.waiting_rooms import (
    CloseWaitingRoom,
    DrawWaitingRoom,
    PutWaitingRoom,
    RemoveWaitingRoom,
)
from evently.sales.facts import (
    BookingCancelled,
    Fact,
    TicketsCancelled,
    TicketTypePut,
    decode_facts,
    encode_facts,
)
from evently.sales.nouns import Booking, CheckIn, Scan, Ticket, Transfer, WaitlistEntry
from evently.sales.outcomes import Done, Outcome, Scanned
from evently.sales.replay import Replay
from evently.sales.replay.state import NOTHING_MORE
from evently.sales.rules import decide
from evently.sales.rules.ledger import Posting
from evently.sales.rules.offers import can_serve
from evently.sales.rules.pricing import TicketAmounts
from evently.sales.rules.state import (
    WAITLIST_KNOWN_MAX,
    Batch,
    KeyedOutcome,
    Pool,
    Promo,
    Refund,
    ReturnedTicket,
    Sale,
    SeatBlock,
    Waitlist,
    waitlist_key,
)
from evently.sales.states import (
    BOOKING_TRANSITIONS,
    ENTRY_TRANSITIONS,
    REFUND_TRANSITIONS,
    SALE_TRANSITIONS,
    TICKET_TRANSITIONS,
    TRANSFER_TRANSITIONS,
    Transitions,
)
from evently.sales.terms import Conditions, PromoTerms, Rescheduling, SeatBlockTerms, Seating, TicketTypeTerms
from evently.sales.ticket_code import digest_secret
from evently.seating import Hall, Plan

LIVE: Final = {"held", "confirmed"}
_LIVE_ENTRY: Final = {"waiting", "offered"}


class Rows:
    """One sale and its rows.

    `remember`: the sale stays in memory between batches, as in a lane without competition.

    `known_max`: the number of waiting entries per quantity that a batch loads; further batches serve the
    rest, as a lane would run them.
    """

    def __init__(self, *, remember: bool = True, known_max: int = WAITLIST_KNOWN_MAX) -> None:
        self.remember = remember
        self.known_max = known_max
        self.sale: Sale | None = None
        self.pools: dict[UUID, tuple[str, int, int, int, int]] = {}
        self.ticket_types: dict[UUID, TicketTypeTerms] = {}
        self.conditions: dict[int, Conditions] = {}
        self.reschedulings: list[Rescheduling] = []
        self.seating: Seating | None = None
        self.claims: dict[int, UUID | None] = {}
        self.seat_blocks: dict[UUID, tuple[SeatBlockTerms, datetime, list[int]]] = {}
        self.promos: dict[UUID, tuple[PromoTerms, int, int]] = {}
        self.entries: dict[UUID, WaitlistEntry] = {}
        self.aside: dict[UUID, int] = {}
        self.bookings: dict[UUID, Booking] = {}
        self.refunds: dict[UUID, Refund] = {}
        # Refunds by another hand: booking, refund, and whether it was reversed
        self.outside: dict[UUID, tuple[UUID, OutsideRefund, bool]] = {}
        self.transfers: dict[UUID, Transfer] = {}
        self.void_codes: dict[tuple[UUID, bytes], datetime] = {}
        self.scans: dict[UUID, Scan] = {}
        self.check_ins: dict[UUID, CheckIn] = {}
        self.room: dict[str, Any] | None = None  # the waiting room, as its own tables have it
        self.ledger: list[Posting] = []
        self.answers: dict[tuple[UUID, str], KeyedOutcome] = {}
        self.journal: list[tuple[datetime, list[Fact]]] = []
        self.replays = 0
        self._ids = itertools.count(1_000_000)
        self._secrets = itertools.count(1)

    def run(self, commands: Sequence[Command], now: datetime) -> list[Outcome]:
        """Decide one batch and keep what it changed."""
        outcomes, unserved = self._decide(commands, now)
        while unserved:
            assert self.sale is not None, "somebody waits for it"
            _, unserved = self._decide([WakeSale(self.sale.event_id)], now)
        return outcomes

    def _decide(self, commands: Sequence[Command], now: datetime) -> tuple[list[Outcome], bool]:
        if self.sale is not None and not self.remember:
            self.sale = self.load()
        if self.sale is not None and any(each.must_reload() for each in self.sale.waitlists.values()):
            self.sale.waitlists = self.waitlists()
        batch = Batch(now, lambda: UUID(int=next(self._ids)), self._new_secret)
        if self.sale is not None:
            _Loading(self, self.sale, batch).load(commands)
        batch.changed = _Changes(BOOKING_TRANSITIONS, self.bookings, batch.placed)
        batch.entries_changed = _Changes(ENTRY_TRANSITIONS, self.entries, batch.entries_joined)
        batch.transfers_changed = _Changes(TRANSFER_TRANSITIONS, self.transfers, batch.transfers_offered)
        before = "closed" if self.sale is None else self.sale.state  # a new sale is closed
        self.sale, outcomes = decide(self.sale, batch, commands)
        if self.sale is not None:
            _check_transition(SALE_TRANSITIONS, before, self.sale.state)
        if self.sale is not None and batch.writes():
            self._keep(self.sale, batch)
            for command, outcome in zip(commands, outcomes, strict=True):
                if isinstance(outcome, Done):
                    self._keep_room(self.sale, command, now)
        return outcomes, batch.unserved

    def _new_secret(self) -> bytes:
        return next(self._secrets).to_bytes(10, "big")

    def use(self, booking: Booking, count: int) -> None:
        """Scan this many of a booking's tickets at the door."""
        for ticket in [each for each in booking.tickets if each.state == "valid"][:count]:
            now, scan_id = self.journal[-1][0], UUID(int=next(self._ids))
            scan = ScanTicket(
                booking.event_id, scan_id, ticket.ticket_id, ticket.secret, "in", UUID(int=1), now
            )
            (outcome,) = self.run([scan], now)
            assert isinstance(outcome, Scanned)
            assert outcome.scan.result == "accepted"

    # What is loaded

    def load(self) -> Sale:
        """Return the sale as a lane without memory would load it."""
        known = self.sale
        assert known is not None
        sale = Sale(
            known.event_id,
            known.state,
            known.currency,
            known.on_sale_at,
            known.off_sale_at,
            known.seq,
            known.head_hash,
            known.head_at,
            known.extras,
        )
        sale.pools = {each: Pool(each, *row) for each, row in self.pools.items()}
        sale.ticket_types = dict(self.ticket_types)
        sale.next_expiry_at = min(
            (each.expires_at for each in self.bookings.values() if each.state == "held" and each.expires_at),
            default=None,
        )
        sale.conditions = dict(self.conditions)
        sale.reschedulings = list(self.reschedulings)
        sale.promos = {terms.code: Promo(terms, uses, spent) for terms, uses, spent in self.promos.values()}
        sale.waitlists = self.waitlists()
        sale.set_asides = {type_id: units for type_id, units in self.aside.items() if units}
        sale.returned = self._returned()
        sale.transfers = {each.ticket_id: each for each in self.transfers.values() if each.state == "offered"}
        sale.next_transfer_end_at = min((each.expires_at for each in sale.transfers.values()), default=None)
        sale.hall = self._hall()
        sale.seat_blocks = {
            block_id: SeatBlock(terms, at, set(seats))
            for block_id, (terms, at, seats) in self.seat_blocks.items()
        }
        ends = [terms.until for terms, _, _ in self.seat_blocks.values() if terms.until is not None]
        sale.next_unblock_at = min(ends, default=None)
        return sale

    def waitlists(self) -> dict[UUID, Waitlist]:
        """Return the waitlists, with as many entries as a batch knows."""
        waitlists: dict[UUID, Waitlist] = {}
        for entry in sorted(self.entries.values(), key=waitlist_key):
            if entry.state == "waiting":
                waitlists.setdefault(entry.ticket_type_id, Waitlist(self.known_max)).add(entry)
        return waitlists

    def _returned(self) -> dict[UUID, ReturnedTicket]:
        offered = {ticket.replaces for ticket in self.tickets("held")}
        return {
            ticket.ticket_id: ReturnedTicket(
                ticket.ticket_id,
                booking.booking_id,
                ticket.ticket_type_id,
                ticket.seat_number,
                ticket.returning_since,
                ticket.ticket_id in offered,
            )
            for booking in self.bookings.values()
            for ticket in booking.tickets
            if ticket.state == "valid" and ticket.returning_since is not None
        }

    def _hall(self) -> Hall | None:
        if self.seating is None:
            return None
        taken = [number for number, ticket_id in self.claims.items() if ticket_id is not None]
        blocked = [number for number, ticket_id in self.claims.items() if ticket_id is None]
        return Hall(Plan.of(self.seating.layout), self.seating.zones, self.seating.zone_of, taken, blocked)

    # What is written

    def _keep(self, sale: Sale, batch: Batch) -> None:
        if batch.facts:
            sale.seq += 1
            self.journal.append((batch.now, decode_facts(encode_facts(batch.facts))))
        sale.extras |= batch.extras()
        assert bool(batch.facts) or not batch.postings, "money moves with a fact"
        self.replays += len(batch.replayed)
        self.answers |= {
            (actor, key): KeyedOutcome(answer.fingerprint, answer.what, stored=True)
            for actor, key, answer in batch.answered
        }
        self._keep_terms(sale, batch)
        self._keep_bookings(batch)
        self._keep_seats(batch)
        self._keep_seat_blocks(sale, batch)
        self._keep_waitlist(sale, batch)
        self._keep_transfers(batch)
        self._keep_scans(batch)
        self.ledger += batch.postings
        for refund in batch.refunds_decided:
            assert refund.refund_id not in self.refunds
            assert refund.state in REFUND_TRANSITIONS[None]
            self.refunds[refund.refund_id] = refund
        for refund_id in batch.refunds_settled:
            settled = replace(self.refunds[refund_id], settled_at=batch.now)
            assert settled.state in REFUND_TRANSITIONS[self.refunds[refund_id].state]
            self.refunds[refund_id] = settled
        for refund_id in batch.outside_reversed:
            booking_id, outside, was_reversed = self.outside[refund_id]
            assert not was_reversed
            self.outside[refund_id] = (booking_id, outside, True)
        for refund_id, new in batch.outside_recorded.items():
            assert refund_id not in self.outside
            self.outside[refund_id] = (new.booking_id, new.refund, not new.lasts)

    def _keep_room(self, sale: Sale, command: Command, now: datetime) -> None:
        """Keep what the waiting room's own part writes in the same transaction."""
        match command:
            case PutWaitingRoom():
                self.room = {
                    "opens_at": command.opens_at,
                    "draws_at": sale.on_sale_at,
                    "seed_hash": command.seed_hash.hex(),
                    "public_source": command.public_source,
                    "closed_at": None,
                    "entries": None,
                    "list_hash": None,
                    "seed": None,
                    "public_value": None,
                    "drawn_at": None,
                }
            case RemoveWaitingRoom():
                self.room = None
            case CloseWaitingRoom() if self.room is not None:
                self.room |= {
                    "closed_at": now, "entries": command.entries, "list_hash": command.list_hash.hex()
                }  # fmt: skip
            case DrawWaitingRoom() if self.room is not None:
                self.room |= {
                    "seed": command.seed.hex(), "public_value": command.public_value, "drawn_at": now
                }  # fmt: skip
            case _:
                pass

    def _keep_transfers(self, batch: Batch) -> None:
        for transfer in batch.transfers_offered:
            assert transfer.state == "offered"
            assert transfer.transfer_id not in self.transfers
            self.transfers[transfer.transfer_id] = transfer
        for transfer_id, moved in batch.transfers_changed.items():
            fixed = {"state": "", "receiver_id": None, "ended_at": None}
            assert replace(self.transfers[transfer_id], **fixed) == replace(moved, **fixed)
            self.transfers[transfer_id] = moved
        for ticket_id, secret in batch.codes_voided:
            assert (ticket_id, secret) not in self.void_codes
            self.void_codes[ticket_id, secret] = batch.now

    def current_outside(self, booking_id: UUID) -> dict[OutsideRefund, UUID]:
        """Return the current refunds of a booking by another hand."""
        return {
            refund: refund_id
            for refund_id, (owner, refund, is_reversed) in self.outside.items()
            if owner == booking_id and not is_reversed
        }

    def posted(self, booking_id: UUID) -> Counter[tuple[str, str]]:
        """Return what the ledger has of a booking, by debit and credit."""
        posted: Counter[tuple[str, str]] = Counter()
        for posting in self.ledger:
            if posting.booking_id == booking_id:
                posted[posting.debit, posting.credit] += posting.amount_minor
        return posted

    def _keep_terms(self, sale: Sale, batch: Batch) -> None:
        for pool_id in batch.pools_removed:
            self.pools.pop(pool_id)
        for pool_id in (batch.pools_put | batch.pools_changed) - set(batch.pools_removed):
            pool = sale.pools[pool_id]
            self.pools[pool_id] = (pool.name, pool.capacity, pool.held, pool.sold, pool.set_aside)
        self.ticket_types |= {type_id: sale.ticket_types[type_id] for type_id in batch.types_changed}
        self.conditions |= {version: sale.conditions[version] for version in batch.conditions_put}
        self.reschedulings += sale.reschedulings[len(sale.reschedulings) - batch.rescheduled :]
        for promo_id in batch.promos_changed | batch.promos_put:
            promo = sale.promo(promo_id)
            assert promo is not None
            self.promos[promo_id] = (promo.terms, promo.uses, promo.spent_minor)
        if batch.seating_put is not None:
            self.seating = batch.seating_put

    def _keep_bookings(self, batch: Batch) -> None:
        for booking in batch.placed:
            assert booking.booking_id not in self.bookings
            assert booking.state in BOOKING_TRANSITIONS[None]
            assert all(ticket.state in TICKET_TRANSITIONS[None] for ticket in booking.tickets)
            self.bookings[booking.booking_id] = booking
        for booking_id, moved in batch.changed.items():
            kept = self.bookings[booking_id]
            self.bookings[booking_id] = replace(moved, tickets=kept.tickets, promo_id=kept.promo_id)
        for offer in batch.discounted:
            kept, amounts = self.bookings[offer.booking_id], {each.ticket_id: each for each in offer.tickets}
            assert kept.promo_id is None
            self.bookings[offer.booking_id] = replace(
                kept,
                promo_id=offer.promo_id,
                tickets=tuple(_priced(ticket, amounts[ticket.ticket_id]) for ticket in kept.tickets),
            )
        for booking in list(self.bookings.values()):
            tickets = tuple(_written(ticket, batch) for ticket in booking.tickets)
            self.bookings[booking.booking_id] = replace(booking, tickets=tickets)
        for booking_id, booking in batch.bookings.items():
            assert self.bookings[booking_id] == booking, (
                "what is written of a booking is what the rules made of it"
            )

    def _keep_seats(self, batch: Batch) -> None:
        for number, claim in batch.claims.items():
            if claim.was_taken:
                del self.claims[number]
        for number, claim in batch.claims.items():
            if claim.taken:
                assert number not in self.claims, "a seat has one owner"
                self.claims[number] = claim.ticket_id

    def _keep_seat_blocks(self, sale: Sale, batch: Batch) -> None:
        for block_id in batch.seat_blocks_changed:
            self.seat_blocks.pop(block_id, None)
            if (block := sale.seat_blocks.get(block_id)) is not None:
                self.seat_blocks[block_id] = (block.terms, block.blocked_at, sorted(block.seats))

    def _keep_waitlist(self, sale: Sale, batch: Batch) -> None:
        for entry in batch.entries_joined:
            assert entry.state == "waiting"
            self.entries[entry.entry_id] = entry
        for entry_id, moved in batch.entries_changed.items():
            assert replace(
                self.entries[entry_id], state="", reason="", offered_at=None, booking_id=None, ended_at=None
            ) == replace(moved, state="", reason="", offered_at=None, booking_id=None, ended_at=None)
            self.entries[entry_id] = moved
        self.aside |= {type_id: sale.set_asides[type_id] for type_id in batch.set_asides_changed}

    def _keep_scans(self, batch: Batch) -> None:
        for scan in batch.scanned:
            assert scan.scan_id not in self.scans
            self.scans[scan.scan_id] = scan
        self.scans |= batch.undone
        for ticket_id, check_in in batch.check_ins_changed.items():
            self.check_ins.pop(ticket_id, None)
            if check_in is not None:
                self.check_ins[ticket_id] = check_in

    # What must always be so

    def tickets(self, *states: str) -> list[Ticket]:
        """Return the tickets that are not void, of bookings in these states."""
        return [
            ticket
            for each in self.bookings.values()
            if each.state in states
            for ticket in each.tickets
            if ticket.state != "void"
        ]

    def check(self) -> None:
        """Check that counters and journal equal the rows, and memory a fresh load; nothing is oversold."""
        assert self.sale is not None
        self._check_memory(self.sale)
        self._check_pools()
        self._check_seats()
        self._check_money()
        self._check_promos()
        self._check_waitlist(self.sale)
        self._check_transfers()
        self._check_replay(self.sale)

    def _check_memory(self, sale: Sale) -> None:
        loaded = self.load()
        for name in ("pools", "ticket_types", "conditions", "reschedulings", "promos"):
            assert getattr(sale, name) == getattr(loaded, name), name
        assert sale.returned == loaded.returned
        assert sale.transfers == loaded.transfers
        if loaded.next_transfer_end_at is not None:
            assert sale.next_transfer_end_at is not None
            assert sale.next_transfer_end_at <= loaded.next_transfer_end_at
        assert {type_id: units for type_id, units in sale.set_asides.items() if units} == loaded.set_asides
        assert sale.seat_blocks == loaded.seat_blocks
        assert sale.next_unblock_at == loaded.next_unblock_at
        self._check_waitlists_in_memory(sale)
        assert (sale.hall is None) == (loaded.hall is None)
        if sale.hall is not None and loaded.hall is not None:
            assert sale.hall.states() == loaded.hall.states()
            assert all(
                sale.hall.available_in(zone) == loaded.hall.available_in(zone) for zone in sale.hall.zones
            )
        if loaded.next_expiry_at is not None:
            assert sale.next_expiry_at is not None
            assert sale.next_expiry_at <= loaded.next_expiry_at
        releases = sale.next_releases(sale.ticket_types.values())
        for type_id, at in loaded.next_releases(sale.ticket_types.values()).items():
            assert releases[type_id] <= at, "nothing is released before the next release"

    def _check_waitlists_in_memory(self, sale: Sale) -> None:
        waiting = sorted(
            [entry for entry in self.entries.values() if entry.state == "waiting"], key=waitlist_key
        )
        assert {each.ticket_type_id for each in waiting} == {
            type_id for type_id, line in sale.waitlists.items() if line.counts
        }
        for type_id, line in sale.waitlists.items():
            wishes = [entry for entry in waiting if entry.ticket_type_id == type_id]
            assert line.counts == Counter(entry.quantity for entry in wishes)
            assert line.firsts.keys() == line.counts.keys()
            for quantity, firsts in line.firsts.items():
                assert (
                    list(firsts.values())
                    == [entry for entry in wishes if entry.quantity == quantity][: len(firsts)]
                )

    def _check_pools(self) -> None:
        held, sold = self._units_of("held"), self._units_of("confirmed")
        aside: Counter[UUID] = Counter()
        for type_id, units in self.aside.items():
            aside.update(dict.fromkeys(self.ticket_types[type_id].pool_ids, units))
        for pool_id, (_, capacity, *counted) in self.pools.items():
            assert counted == [held[pool_id], sold[pool_id], aside[pool_id]]
            assert 0 <= sum(counted) <= capacity

    def _units_of(self, state: str) -> Counter[UUID]:
        own = [ticket for ticket in self.tickets(state) if ticket.replaces is None]
        return Counter(
            pool_id for ticket in own for pool_id in self.ticket_types[ticket.ticket_type_id].pool_ids
        )

    def _check_seats(self) -> None:
        seats = {
            ticket.seat_number: ticket.ticket_id for ticket in self.tickets(*LIVE) if ticket.replaces is None
        }
        seats.pop(None, None)
        assert len(seats) == sum(
            ticket.seat_number is not None and ticket.replaces is None for ticket in self.tickets(*LIVE)
        )
        assert {
            number: ticket_id for number, ticket_id in self.claims.items() if ticket_id is not None
        } == seats
        for ticket in self.tickets(*LIVE):
            assert (self.ticket_types[ticket.ticket_type_id].zone is None) == (ticket.seat_number is None)
        members = [number for _, _, seats in self.seat_blocks.values() for number in seats]
        assert len(members) == len(set(members)), "a seat is in one block"
        assert all(number in self.claims and self.claims[number] is None for number in members)

    def _check_money(self) -> None:
        balances: Counter[str] = Counter()
        buyers: Counter[UUID] = Counter()
        for posting in self.ledger:
            assert posting.amount_minor > 0
            balances[posting.debit] += posting.amount_minor
            balances[posting.credit] -= posting.amount_minor
            buyers[posting.booking_id] += (
                (posting.debit == "buyer") - (posting.credit == "buyer")
            ) * posting.amount_minor
        assert sum(balances.values()) == 0
        open_refunds = sum(
            refund.amount_minor for refund in self.refunds.values() if refund.settled_at is None
        )
        assert balances["refunds"] == -open_refunds
        on_site = [
            each for each in self.bookings.values() if each.state == "confirmed" and each.payment_id is None
        ]
        totals = {
            ticket.ticket_id: ticket.total_minor()
            for booking in self.bookings.values()
            for ticket in booking.tickets
        }
        kept = [
            totals[ticket_id]
            for _, row in self.journal
            for fact in row
            if isinstance(fact, BookingCancelled | TicketsCancelled) and fact.door_kept
            for ticket_id, *_ in fact.tickets
        ]
        assert balances["door"] == sum(each.total_minor() for each in on_site) + sum(kept)
        for booking in self.bookings.values():
            self._check_accounts(booking)
            refunds = [
                refund.amount_minor
                for refund in self.refunds.values()
                if refund.booking_id == booking.booking_id
            ]
            assert booking.refunded_minor == sum(refunds) <= booking.paid_minor
            outside = sum([each.amount_minor for each in self.current_outside(booking.booking_id)])
            assert booking.outside_minor == min(outside, booking.paid_minor - sum(refunds))
            assert (booking.payment_id is None) == (booking.paid_minor == 0)
            if booking.captured_at is not None:
                assert buyers[booking.booking_id] <= 0

    def _check_accounts(self, booking: Booking) -> None:
        has: Counter[str] = Counter()
        for (debit, credit), amount_minor in self.posted(booking.booking_id).items():
            has[credit] += amount_minor
            has[debit] -= amount_minor
        received = [has[name] for name in ("organizer", "tax", "fees")]
        assert min(received) >= 0, "no account pays back more than it got"
        left = booking.paid_minor - booking.refunded_minor - booking.outside_minor
        assert left > 0 or booking.payment_id is None or not any(received), "all was paid back"

    def _check_promos(self) -> None:
        for promo_id, (terms, uses, spent) in self.promos.items():
            with_it = [
                each for each in self.bookings.values() if each.promo_id == promo_id and each.state in LIVE
            ]
            assert uses == len(with_it)
            assert spent == sum(ticket.discount_minor for each in with_it for ticket in each.tickets)
            assert terms.uses_max is None or uses <= terms.uses_max
            assert terms.budget_minor is None or spent <= terms.budget_minor

    def _check_waitlist(self, sale: Sale) -> None:
        offers = {each.entry_id for each in self.bookings.values() if each.state == "held"}
        for entry in self.entries.values():
            assert entry.state != "offered" or entry.entry_id in offers
        live = [
            (entry.buyer_id, entry.ticket_type_id)
            for entry in self.entries.values()
            if entry.state in {"waiting", "offered"}
        ]
        assert len(set(live)) == len(live), "one live entry of a buyer for a ticket type"
        for type_id, units in self.aside.items():
            wanted = sale.waitlists[type_id].units() if type_id in sale.waitlists else 0
            assert 0 <= units <= wanted, "nothing stays set aside when nobody waits"
        replaced = [ticket.replaces for ticket in self.tickets("held") if ticket.replaces is not None]
        assert len(set(replaced)) == len(replaced), "a returned ticket is offered once"
        assert all(ticket.replaces is None for ticket in self.tickets("confirmed"))
        assert set(replaced) <= sale.returned.keys(), "what an offer is to replace is returned"

    def _check_transfers(self) -> None:
        tickets = {each.ticket_id: each for booking in self.bookings.values() for each in booking.tickets}
        for transfer in self.transfers.values():
            ticket = tickets[transfer.ticket_id]
            assert transfer.state != "offered" or ticket.state != "void", "a void ticket is offered to nobody"
            assert transfer.state != "offered" or ticket.returning_since is None
        for booking in self.bookings.values():
            for ticket in booking.tickets:
                assert ticket.holder_id != booking.buyer_id, "the buyer is no holder"
                assert ticket.holder_id is None or ticket.returning_since is None
        for ticket_id, secret in self.void_codes:
            assert tickets[ticket_id].secret != secret, "a void code stays void"

    def _check_replay(self, sale: Sale) -> None:
        again = Replay()
        for at, facts in self.journal:
            again.add(at, facts)
        assert again.state == sale.state
        assert again.retired == {each for each, terms in sale.ticket_types.items() if terms.retired}
        assert again.pools.keys() == sale.pools.keys()
        for pool_id, pool in sale.pools.items():
            replayed = again.pools[pool_id]
            counted = (replayed.held, replayed.sold, replayed.set_aside, replayed.capacity)
            assert counted == (pool.held, pool.sold, pool.set_aside, pool.capacity)
        of_sale = ("currency", "on_sale_at", "off_sale_at", "extras")
        assert [getattr(again, name) for name in of_sale] == [getattr(sale, name) for name in of_sale]
        assert again.types == {
            each: copy_fields(TicketTypePut, terms) for each, terms in self.ticket_types.items()
        }
        assert {each: promo.terms for each, promo in again.promos.items()} == {
            each: terms for each, (terms, _, _) in self.promos.items()
        }
        seating = self.seating
        assert again.seating == (
            None if seating is None else (seating.digest, seating.zones, seating.zone_of)
        )
        assert {each: pool.name for each, pool in again.pools.items()} == {
            each: pool.name for each, pool in sale.pools.items()
        }
        assert again.reschedulings == self.reschedulings
        assert (None if again.waiting_room is None else asdict(again.waiting_room)) == self.room
        assert sale.has_waiting_room == (self.room is not None)
        assert again.conditions == self.conditions
        assert again.seats == self.claims
        assert {
            each: (SeatBlockTerms(each, block.name, block.until), block.blocked_at, sorted(block.seats))
            for each, block in again.seat_blocks.items()
        } == self.seat_blocks
        assert {each: units for each, units in again.set_asides.items() if units} == {
            each: units for each, units in self.aside.items() if units
        }
        assert {each: (promo.uses, promo.spent_minor) for each, promo in again.promos.items()} == {
            each: (uses, spent_minor) for each, (_, uses, spent_minor) in self.promos.items()
        }
        assert {
            each: (refund.booking_id, refund.amount_minor, refund.settled)
            for each, refund in again.refunds.items()
        } == {
            each: (refund.booking_id, refund.amount_minor, refund.settled_at is not None)
            for each, refund in self.refunds.items()
        }
        assert {
            each: (refund.booking_id, refund.reference, refund.amount_minor, refund.reversed_at is not None)
            for each, refund in again.outside.items()
        } == {
            each: (booking_id, refund.reference, refund.amount_minor, is_reversed)
            for each, (booking_id, refund, is_reversed) in self.outside.items()
        }
        names = [name for name in WaitlistEntry.__struct_fields__ if name not in {"event_id", "entry_id"}]
        assert {each: [getattr(entry, name) for name in names] for each, entry in again.entries.items()} == {
            each: [getattr(entry, name) for name in names] for each, entry in self.entries.items()
        }
        names = "booking_id ticket_id giver_id state offered_at expires_at receiver_id ended_at".split()
        assert {each: [getattr(row, name) for name in names] for each, row in again.transfers.items()} == {
            each: [getattr(row, name) for name in names] for each, row in self.transfers.items()
        }
        assert again.void_codes == {
            (ticket_id, digest_secret(secret)): at for (ticket_id, secret), at in self.void_codes.items()
        }
        assert not again.overtaken
        assert {
            each: CheckIn(each, row.entries, row.inside, row.scan_id, row.checked_in_at)
            for each, row in again.check_ins.items()
        } == self.check_ins
        tickets = [ticket for booking in self.bookings.values() for ticket in booking.tickets]
        assert {each.ticket_id for each in tickets if each.state == "used"} == self.check_ins.keys()
        assert {each: astuple(scan) for each, scan in again.scans.items()} == {
            each: (scan.ticket_id, scan.direction, scan.received_at, scan.undone_at)
            for each, scan in self.scans.items()
            if scan.result == "accepted"
        }
        self._check_replayed_bookings(again)

    def _check_replayed_bookings(self, again: Replay) -> None:
        names = (
            "buyer_id state placed_at expires_at confirmed_at ended_at extended promo_id "
            "entry_id payment payment_id paid_minor captured_at "
            "refunded_minor outside_minor conditions_version"
        ).split()
        assert again.bookings.keys() == self.bookings.keys()
        for booking_id, booking in self.bookings.items():
            replayed = again.bookings[booking_id]
            assert [getattr(replayed, name) for name in names] == [getattr(booking, name) for name in names]
            for ticket in booking.tickets:
                kept = replayed.voided if ticket.state == "void" else replayed.tickets
                assert kept[ticket.ticket_id] == (ticket.ticket_type_id, ticket.price_minor)
                more = (
                    ticket.discount_minor,
                    ticket.surcharge_minor,
                    ticket.fee_minor,
                    ticket.tax_minor,
                    ticket.fee_tax_minor,
                    ticket.seat_number,
                    ticket.replaces,
                )
                assert replayed.more.get(ticket.ticket_id, NOTHING_MORE) == more
                assert again.returning.get(ticket.ticket_id) == ticket.returning_since
                assert again.holders.get(ticket.ticket_id) == ticket.holder_id
                digest = digest_secret(ticket.secret)
                assert again.codes.get(ticket.ticket_id, digest) == digest
            assert +self.posted(booking_id) == +replayed.posted


def _priced(ticket: Ticket, like: Ticket) -> Ticket:
    """Return a ticket with the amounts of another one."""
    return replace(ticket, **{name: getattr(like, name) for name in TicketAmounts._fields})


def _written(ticket: Ticket, batch: Batch) -> Ticket:
    """Return a ticket after the statements of the store, in their order."""
    if ticket.ticket_id in batch.returning_changed:
        ticket = replace(ticket, returning_since=batch.returning_changed[ticket.ticket_id])
    if ticket.ticket_id in batch.reissued:
        again = batch.reissued[ticket.ticket_id]
        ticket = replace(ticket, holder_id=again.holder_id, secret=again.secret)
    if ticket.ticket_id in batch.reseated:
        other = batch.reseated[ticket.ticket_id]
        seat = {name: getattr(other, name) for name in ("seat_number", "seat_id", "seat_label")}
        ticket = replace(ticket, **seat)
    if ticket.ticket_id in batch.unbound:
        ticket = replace(ticket, replaces=None)
    if ticket.ticket_id in batch.voided:
        ticket = replace(ticket, state="void", returning_since=None, replaces=None)
    if ticket.ticket_id in batch.used_changed:
        ticket = replace(ticket, state=batch.used_changed[ticket.ticket_id])
    return ticket


class _Changes(dict[UUID, Any]):
    """The changed bookings or entries of a batch. Checks each transition, also several of one booking.

    `rows`: those before the batch. `new`: those that the batch has added.
    """

    def __init__(self, table: Transitions[Any], rows: Mapping[UUID, Any], new: Sequence[Any]) -> None:
        super().__init__()
        self._table = table
        self._rows = rows
        self._new = new

    def __setitem__(self, key: UUID, after: Any) -> None:
        before = self.get(key) or self._rows.get(key)
        if before is None:
            (before,) = [each for each in self._new if _id_of(each) == key]
        _check_transition(self._table, before.state, after.state)
        for old, new in zip(getattr(before, "tickets", ()), getattr(after, "tickets", ()), strict=True):
            _check_transition(TICKET_TRANSITIONS, old.state, new.state)
        super().__setitem__(key, after)


def _id_of(added: Booking | WaitlistEntry | Transfer) -> UUID:
    if isinstance(added, Transfer):
        return added.transfer_id
    return added.booking_id if isinstance(added, Booking) else added.entry_id


def _check_transition(table: Transitions[Any], before: Any, after: Any) -> None:
    assert after == before or after in table[before], f"{before} -> {after} is not an allowed transition"


class _Loading:
    """What loading.py does for a batch, on rows in memory."""

    def __init__(self, rows: Rows, sale: Sale, batch: Batch) -> None:
        self.rows = rows
        self.sale = sale
        self.batch = batch
        self.tickets = set[UUID | None]()  # that commands name, and those of scans that they name

    def load(self, commands: Sequence[Command]) -> None:
        rows, batch = self.rows, self.batch
        keys = {(each.actor_id, each.key) for each in _needing(commands, "key") if each.key is not None}
        batch.answers = {key: answer for key, answer in rows.answers.items() if key in keys}
        self._entries(commands)
        self._scans(commands)
        self._bookings(commands)
        refunds = {command.refund_id for command in _needing(commands, "refund")}
        batch.refunds = {each: refund for each, refund in rows.refunds.items() if each in refunds}
        transfers = {command.transfer_id for command in _needing(commands, "transfer")}
        batch.transfers = {each: row for each, row in rows.transfers.items() if each in transfers}
        for command in _needing(commands, "outside"):
            batch.outside[command.booking_id] = rows.current_outside(command.booking_id)
        paid = {command.booking_id for command in _needing(commands, "posted")}
        batch.posted = {
            each: rows.posted(each)
            for each, booking in batch.bookings.items()
            if booking.payment_id is not None and (each in paid or booking.is_returning())
        }
        self._buyer_units(commands)
        holding = {each.buyer_id for each in _needing(commands, "buyer_holds")}
        for booking in rows.bookings.values():
            if (
                booking.buyer_id in holding
                and booking.state == "held"
                and booking.entry_id is None
                and not is_due(booking, batch.now)
            ):
                units = sum(ticket.state != "void" for ticket in booking.tickets)
                batch.buyer_holds.setdefault(booking.buyer_id, {})[booking.booking_id] = units
        buyers = {
            each.buyer_id
            for each in _needing(commands, "promo_uses")
            if each.promo_code is not None or self._has_code(each)
        }
        batch.promo_uses = Counter(
            (each.buyer_id, each.promo_id)
            for each in rows.bookings.values()
            if each.buyer_id in buyers and each.promo_id is not None and each.state in LIVE
        )

    def _has_code(self, command: Any) -> bool:
        entry = self.batch.entries.get(command.entry_id) if command.needs.entry else None
        return entry is not None and entry.promo_id is not None

    def _entries(self, commands: Sequence[Command]) -> None:
        named = {command.entry_id for command in _needing(commands, "entry")}
        buyers = {command.buyer_id for command in _needing(commands, "live_entries")}
        all_waiting = bool(_needing(commands, "waiting_entries"))
        self.batch.entries = {
            each: entry
            for each, entry in self.rows.entries.items()
            if each in named
            or (entry.buyer_id in buyers and entry.state in _LIVE_ENTRY)
            or (all_waiting and entry.state == "waiting")
        }
        entries = self.batch.entries.values()
        self.batch.live = {
            (entry.buyer_id, entry.ticket_type_id) for entry in entries if entry.state in _LIVE_ENTRY
        }

    def _scans(self, commands: Sequence[Command]) -> None:
        rows, batch = self.rows, self.batch
        named = {command.scan_id for command in _needing(commands, "scan")}
        batch.scans = {each: scan for each, scan in rows.scans.items() if each in named}
        self.tickets = {command.ticket_id for command in _needing(commands, "ticket")}
        self.tickets |= {scan.ticket_id for scan in batch.scans.values()}
        batch.check_ins = {each: row for each, row in rows.check_ins.items() if each in self.tickets}
        batch.void_codes = {each for each in rows.void_codes if each[0] in self.tickets}
        batch.scans |= {row.scan_id: rows.scans[row.scan_id] for row in batch.check_ins.values()}

    def _bookings(self, commands: Sequence[Command]) -> None:
        rows, batch = self.rows, self.batch
        named = {command.booking_id for command in _needing(commands, "booking")}
        named |= {
            booking.booking_id
            for booking in rows.bookings.values()
            if any(ticket.ticket_id in self.tickets for ticket in booking.tickets)
        }
        if _needing(commands, "entry"):
            named |= {entry.booking_id for entry in batch.entries.values() if entry.booking_id is not None}
            named |= {returned.booking_id for returned in self.sale.returned.values()}
        if self.sale.next_expiry_at is not None and self.sale.next_expiry_at <= batch.now:
            due = [booking for booking in rows.bookings.values() if is_due(booking, batch.now)]
            batch.due = [
                each.booking_id for each in sorted(due, key=lambda each: (each.expires_at, each.booking_id))
            ]
        named |= set(batch.due)
        batch.bookings = {each: booking for each, booking in rows.bookings.items() if each in named}
        related = {
            ticket.replaces or ticket.ticket_id
            for booking in batch.bookings.values()
            for ticket in booking.tickets
            if ticket.replaces is not None or ticket.returning_since is not None
        }
        batch.bookings |= {
            each.booking_id: each for each in rows.bookings.values() if _concerns(each, related)
        }
        for booking in batch.bookings.values():
            if booking.entry_id is not None:
                batch.entries.setdefault(booking.entry_id, rows.entries[booking.entry_id])

    def _buyer_units(self, commands: Sequence[Command]) -> None:
        limited = {
            terms.ticket_type_id
            for terms in self.sale.ticket_types.values()
            if terms.per_buyer_max is not None
        }
        waitlists = [waitlist for type_id, waitlist in self.sale.waitlists.items() if type_id in limited]
        if not self.batch.due and not any(command.needs.may_release for command in commands):
            waitlists = waitlists if can_serve(self.sale, self.batch) else []
        buyers = {
            entry.buyer_id
            for waitlist in waitlists
            for firsts in waitlist.firsts.values()
            for entry in firsts.values()
        }
        buyers |= {
            command.buyer_id
            for command in _needing(commands, "buyer_units")
            if limited & set(command.ticket_type_ids())
        }
        self.batch.buyer_units = {(buyer_id, type_id): 0 for buyer_id in buyers for type_id in limited}
        for booking in self.rows.bookings.values():
            for ticket in booking.tickets if booking.state in LIVE else ():
                if (
                    ticket.state != "void"
                    and (booking.buyer_id, ticket.ticket_type_id) in self.batch.buyer_units
                ):
                    self.batch.buyer_units[booking.buyer_id, ticket.ticket_type_id] += 1
                received = (ticket.holder_id, ticket.ticket_type_id)
                if ticket.state != "void" and received in self.batch.buyer_units:
                    self.batch.buyer_units[received] += 1


def _needing(commands: Sequence[Command], need: str) -> list[Any]:
    return [command for command in commands if getattr(command.needs, need)]


def _concerns(booking: Booking, tickets: set[UUID]) -> bool:
    return any(
        ticket.ticket_id in tickets or (ticket.replaces in tickets and ticket.state == "valid")
        for ticket in booking.tickets
    )


def is_due(booking: Booking, now: datetime) -> bool:
    """Whether a hold has run out."""
    return booking.state == "held" and booking.expires_at is not None and booking.expires_at <= now
