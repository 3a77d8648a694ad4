"""What the rules decide on: the state of one event's sale, and what one batch does to it.

Nothing here decides.

A `Sale` is kept from batch to batch. A `Batch` holds what the commands of one batch need and what deciding
them changed. When a batch fails, both are thrown away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from evently.kit.denominations import Denominations, iso_denomination
from evently.kit.ids import IdSource
from evently.sales.commands.bookings import UNITS_MAX, OutsideRefund
from evently.sales.facts import Fact
from evently.sales.nouns import Booking, CheckIn, Scan, Ticket, Transfer, WaitlistEntry
from evently.sales.rules.ledger import Posting
from evently.sales.states import RefundState, SaleState, TicketState
from evently.sales.terms import (
    Conditions,
    PromoTerms,
    Rescheduling,
    SeatBlockTerms,
    Seating,
    TicketTypeTerms,
)
from evently.seating import Hall

SecretSource = Callable[[], bytes]

# Bits of `sales.extras`: which of the rarer parts a sale has ever had, so that only those are loaded
HAS_CONDITIONS, HAS_SEATING, HAS_PROMOS, HAS_WAITLIST, HAS_RETURNS, HAS_RESCHEDULINGS = (1, 2, 4, 8, 16, 32)
HAS_TRANSFERS = 64  # or codes that are void
HAS_SEAT_BLOCKS = 256
HAS_WAITING_ROOM = 512  # who books needs an admission
DOOR_KEPT = 128  # it was cancelled, and the organizer keeps what was paid at the door
# Entries of each quantity in memory: a few milliseconds to load, and as many offers as a batch should make
# beside its commands
WAITLIST_KNOWN_MAX: Final = 50
DEFAULT_CONDITIONS: Final = Conditions()  # version 0: a sale that has never had conditions


@dataclass(slots=True)
class Pool:
    """A pool and its counters. Invariant: held + sold + set_aside <= capacity."""

    pool_id: UUID
    name: str
    capacity: int
    held: int = 0
    sold: int = 0
    set_aside: int = 0

    def taken(self) -> int:
        """Return the units that are not available."""
        return self.held + self.sold + self.set_aside


@dataclass(slots=True)
class Promo:
    """A promo code and its use by live bookings."""

    terms: PromoTerms
    uses: int = 0
    spent_minor: int = 0


@dataclass(slots=True)
class SeatBlock:
    """Blocked seats with a name: those of its seats that are still blocked."""

    terms: SeatBlockTerms
    blocked_at: datetime
    seats: set[int]


@dataclass(slots=True)
class ReturnedTicket:
    """A ticket that its holder offers to the waitlist; `offered` while an entry has an offer for it."""

    ticket_id: UUID
    booking_id: UUID
    ticket_type_id: UUID
    seat_number: int | None
    since: datetime
    offered: bool = False


class Reissued(NamedTuple):
    """A ticket whose code a batch changes: its holder and its secret from then on."""

    holder_id: UUID | None
    secret: bytes


class OutsideRecorded(NamedTuple):
    """A refund by another hand that a batch records; `lasts`: no later command of the batch reverses it."""

    booking_id: UUID
    refund: OutsideRefund
    lasts: bool = True


class Refund(msgspec.Struct, frozen=True):
    """Money to be paid back to the buyer of a booking."""

    refund_id: UUID
    booking_id: UUID
    amount_minor: int
    decided_at: datetime
    settled_at: datetime | None = None

    @property
    def state(self) -> RefundState:
        """Return whether it is settled."""
        return "pending" if self.settled_at is None else "settled"


@dataclass(slots=True)
class Waitlist:
    """The waiting entries for a ticket type, by quantity: their number, and the first ones in order.

    The other entries are only counted. When a batch has served all the entries that it knows, another batch
    loads more and continues.
    """

    known_max: int = WAITLIST_KNOWN_MAX
    counts: dict[int, int] = field(default_factory=dict)  # by quantity
    firsts: dict[int, dict[UUID, WaitlistEntry]] = field(default_factory=dict)  # has the keys of `counts`

    def units(self) -> int:
        """Return the units that all waiting entries want together."""
        return sum([quantity * count for quantity, count in self.counts.items()])

    def knows_next(self, units: int) -> bool:
        """Return whether the next entry that so many units suffice for is in memory."""
        return not [quantity for quantity, firsts in self.firsts.items() if quantity <= units and not firsts]

    def must_reload(self) -> bool:
        """Return whether the known entries of some quantity are used up while others still wait."""
        return not self.knows_next(UNITS_MAX)

    def first_fitting(self, units: int) -> WaitlistEntry | None:
        """Return the earliest entry that so many units suffice for."""
        heads = [
            next(iter(firsts.values()))
            for quantity, firsts in self.firsts.items()
            if quantity <= units and firsts
        ]
        return min(heads, key=waitlist_key, default=None)

    def add(self, entry: WaitlistEntry) -> None:
        """Append an entry."""
        count, firsts = self.counts.get(entry.quantity, 0), self.firsts.setdefault(entry.quantity, {})
        if count == len(firsts) < self.known_max:
            firsts[entry.entry_id] = entry
        self.counts[entry.quantity] = count + 1

    def remove(self, entry: WaitlistEntry) -> None:
        """Remove an entry that no longer waits."""
        self.firsts[entry.quantity].pop(entry.entry_id, None)
        self.counts[entry.quantity] -= 1
        if not self.counts[entry.quantity]:
            del self.counts[entry.quantity], self.firsts[entry.quantity]


def waitlist_key(entry: WaitlistEntry) -> tuple[int, UUID]:
    """Return an entry's sort key: one order for all ticket types, because they may share pools."""
    return entry.joined_seq, entry.entry_id


@dataclass(slots=True)
class Sale:
    """One event's sale as of journal row `seq`.

    It is true while the journal's head is the same, because every change writes a journal row.
    """

    event_id: UUID
    state: SaleState
    currency: str
    on_sale_at: datetime
    off_sale_at: datetime
    seq: int
    head_hash: bytes
    head_at: datetime
    extras: int = 0  # bits: which of the rarer parts it has ever had
    pools: dict[UUID, Pool] = field(default_factory=dict)
    ticket_types: dict[UUID, TicketTypeTerms] = field(default_factory=dict)
    next_expiry_at: datetime | None = None  # no hold expires before it
    conditions: dict[int, Conditions] = field(default_factory=dict)  # by version
    reschedulings: list[Rescheduling] = field(default_factory=list)  # in their order
    hall: Hall | None = None
    seat_blocks: dict[UUID, SeatBlock] = field(default_factory=dict)
    next_unblock_at: datetime | None = None  # no block of seats ends before it
    promos: dict[str, Promo] = field(default_factory=dict)  # by code
    waitlists: dict[UUID, Waitlist] = field(default_factory=dict)  # by ticket type
    # False: the waitlists are not loaded yet. Only deciding needs them; reads do not.
    waitlists_known: bool = False
    set_asides: dict[UUID, int] = field(default_factory=dict)  # units set aside, by ticket type
    returned: dict[UUID, ReturnedTicket] = field(default_factory=dict)  # by ticket
    transfers: dict[UUID, Transfer] = field(default_factory=dict)  # open ones, by ticket
    next_transfer_end_at: datetime | None = None  # no open transfer ends by the clock before it

    @property
    def has_waiting_room(self) -> bool:
        """Whether who books needs an admission from a waiting room."""
        return bool(self.extras & HAS_WAITING_ROOM)

    def pays_door_back(self) -> bool:
        """Return whether it was cancelled, and what was paid at the door is paid back to everybody."""
        return self.state == "cancelled" and not self.extras & DOOR_KEPT

    def available(self, terms: TicketTypeTerms) -> int:
        """Return how many units of a ticket type could be booked now."""
        if terms.retired:
            return 0
        units = min(
            [
                pool.capacity - pool.held - pool.sold - pool.set_aside
                for pool in map(self.pools.__getitem__, terms.pool_ids)
            ]
        )
        return units if terms.zone is None else min(units, self.available_seats(terms.zone))

    def available_at(self, terms: TicketTypeTerms, now: datetime) -> int:
        """Return how many units of a ticket type are available now, before a batch has released them.

        Units that are set aside for a ticket type whose window has ended are available.
        """
        lapsed = {
            type_id: units
            for type_id, units in self.set_asides.items()
            if units and self.ends_at(type_id) <= now
        }
        if not lapsed or terms.retired:
            return self.available(terms)
        pools = [self.pools[pool_id] for pool_id in terms.pool_ids]
        units = min([pool.capacity - pool.taken() + self._units_of(lapsed, pool.pool_id) for pool in pools])
        return units if terms.zone is None else min(units, self.available_seats(terms.zone, lapsed))

    def available_seats(self, zone: str, lapsed: Container[UUID] = ()) -> int:
        """Return how many seats of a zone are free, less those that are set aside for the waitlist.

        `lapsed`: ticket types for which nothing is set aside any more.
        """
        assert self.hall is not None, "a zone belongs to the seating"
        aside = sum(
            [
                units
                for type_id, units in self.set_asides.items()
                if self.ticket_types[type_id].zone == zone and type_id not in lapsed
            ]
        )
        return max(0, self.hall.available_in(zone) - aside)

    def ends_at(self, type_id: UUID) -> datetime:
        """Return the end of a ticket type's window."""
        own = self.ticket_types[type_id].off_sale_at
        return self.off_sale_at if own is None else min(own, self.off_sale_at)

    def next_releases(self, types: Iterable[TicketTypeTerms]) -> dict[UUID, datetime]:
        """Return the next instants at which units of these ticket types may be released without a command.

        A hold or an offer ends, or the window of a ticket type for which units are set aside, in the same
        pools or the same zone; or a block of seats, in any zone. None are released before, perhaps none then:
        holds are confirmed, too. A ticket type is absent if there is no such instant before its own window
        ends.
        """
        if self.state != "open" or (
            self.next_expiry_at is None and self.next_unblock_at is None and not self.set_asides
        ):
            return {}
        instants = self._releases_by_part()
        releases = {}
        for terms in types:
            found = [instants[part] for part in _parts(terms) if part in instants]
            if found and min(found) < self.ends_at(terms.ticket_type_id):
                releases[terms.ticket_type_id] = min(found)
        return releases

    def _releases_by_part(self) -> dict[UUID | str, datetime]:
        held = {pool.pool_id for pool in self.pools.values() if pool.held}
        instants: dict[UUID | str, datetime] = {}
        for type_id, terms in self.ticket_types.items():
            ends = [self.ends_at(type_id)] if self.set_asides.get(type_id) else []
            if self.next_expiry_at is not None and not held.isdisjoint(terms.pool_ids):
                ends.append(self.next_expiry_at)
            if self.next_unblock_at is not None and terms.zone is not None:
                ends.append(self.next_unblock_at)
            for part in _parts(terms) if ends else ():
                instants[part] = min([*ends, instants.get(part, ends[0])])
        return instants

    def _units_of(self, set_asides: Mapping[UUID, int], pool_id: UUID) -> int:
        return sum([n for type_id, n in set_asides.items() if pool_id in self.ticket_types[type_id].pool_ids])

    def conditions_now(self) -> tuple[int, Conditions]:
        """Return the version and the conditions under which bookings are placed now."""
        version = len(self.conditions)
        return version, self.conditions.get(version, DEFAULT_CONDITIONS)

    def conditions_of(self, booking: Booking) -> Conditions:
        """Return the conditions under which a booking was placed."""
        version = booking.conditions_version
        return self.conditions[version] if version else DEFAULT_CONDITIONS

    def promo(self, promo_id: UUID) -> Promo | None:
        """Return a promo code by its id."""
        return next((promo for promo in self.promos.values() if promo.terms.promo_id == promo_id), None)


def _parts(terms: TicketTypeTerms) -> tuple[UUID | str, ...]:
    """Return what a ticket type shares with others: its pools and its zone."""
    return terms.pool_ids if terms.zone is None else (*terms.pool_ids, terms.zone)


@dataclass(slots=True, frozen=True)
class KeyedOutcome:
    """The outcome of a keyed request."""

    fingerprint: bytes
    what: Booking | WaitlistEntry
    stored: bool  # False: decided in this very batch, whose commit makes the replay durable


class SeatClaim(NamedTuple):
    """The state in which a batch leaves a seat. Taken without a ticket means blocked."""

    was_taken: bool  # before the batch
    taken: bool
    ticket_id: UUID | None


@dataclass(slots=True)
class Batch:
    """What the commands on one event need, loaded under the lock; and what deciding them changes."""

    now: datetime
    new_id: IdSource
    new_secret: SecretSource
    denominations: Denominations = iso_denomination  # of the gateway that buyers pay with

    # Loaded
    bookings: dict[UUID, Booking] = field(default_factory=dict)
    answers: dict[tuple[UUID, str], KeyedOutcome] = field(default_factory=dict)  # by actor and key
    # Live units by buyer and ticket type with a limit per buyer; of buyers who may get some in this batch
    buyer_units: dict[tuple[UUID, UUID], int] = field(default_factory=dict)
    # Units of live holds by buyer and booking, offers apart; of buyers who may get a hold in this batch
    buyer_holds: dict[UUID, dict[UUID, int]] = field(default_factory=dict)
    # Live bookings by buyer and promo code
    promo_uses: dict[tuple[UUID, UUID], int] = field(default_factory=dict)
    # Entries that commands name, and those whose offers are among the bookings
    entries: dict[UUID, WaitlistEntry] = field(default_factory=dict)
    # (buyer, ticket type) of entries that wait or have an offer
    live: set[tuple[UUID, UUID]] = field(default_factory=set)
    refunds: dict[UUID, Refund] = field(default_factory=dict)  # that commands name
    transfers: dict[UUID, Transfer] = field(default_factory=dict)  # that commands name
    # By booking: the refunds by another hand that are current, with their ids
    outside: dict[UUID, dict[OutsideRefund, UUID]] = field(default_factory=dict)
    # By booking: what the ledger has of it, by debit and credit; of paid ones that may be refunded
    posted: dict[UUID, Counter[tuple[str, str]]] = field(default_factory=dict)
    scans: dict[UUID, Scan] = field(default_factory=dict)  # that commands name, and the last of their tickets
    check_ins: dict[UUID, CheckIn] = field(default_factory=dict)  # by ticket, of tickets that commands name
    void_codes: set[tuple[UUID, bytes]] = field(default_factory=set)  # their tickets and old secrets
    due: list[UUID] = field(default_factory=list)  # bookings whose hold has expired
    # By ticket: its booking, for scans; made when one is looked for, of so many bookings
    booking_of: dict[UUID, UUID] = field(default_factory=dict)
    bookings_indexed: int = 0

    # For serving the waitlist. Units were released or an entry joined: serve it before the next command.
    serve_waitlist: bool = False
    # Units of each waitlisted ticket type that anybody could book before the command
    public_units: dict[UUID, int] = field(default_factory=dict)
    unserved: bool = False  # entries that fit remain, but are not loaded: another batch must serve them

    # To be written
    created: bool = False
    terms_changed: bool = False
    facts: list[Fact] = field(default_factory=list)
    placed: list[Booking] = field(default_factory=list)
    discounted: list[Booking] = field(default_factory=list)  # offers: their promo code and valid tickets
    changed: dict[UUID, Booking] = field(default_factory=dict)
    voided: list[UUID] = field(default_factory=list)  # tickets
    # Why the organizer cancelled: the place of the fact, the booking, the reason
    reasons: list[tuple[int, UUID, str]] = field(default_factory=list)
    # Tickets that were returned (since when) or kept after all (None)
    returning_changed: dict[UUID, datetime | None] = field(default_factory=dict)
    unbound: list[UUID] = field(default_factory=list)  # tickets that no longer replace another one
    transfers_offered: list[Transfer] = field(default_factory=list)
    transfers_changed: dict[UUID, Transfer] = field(default_factory=dict)
    reissued: dict[UUID, Reissued] = field(default_factory=dict)  # by ticket
    reseated: dict[UUID, Ticket] = field(default_factory=dict)  # tickets that got another seat
    codes_voided: list[tuple[UUID, bytes]] = field(default_factory=list)  # tickets and old secrets
    scanned: list[Scan] = field(default_factory=list)  # new ones
    undone: dict[UUID, Scan] = field(default_factory=dict)  # scans
    check_ins_changed: dict[UUID, CheckIn | None] = field(default_factory=dict)  # by ticket; None: undone
    used_changed: dict[UUID, TicketState] = field(default_factory=dict)  # tickets that are used, or no longer
    answered: list[tuple[UUID, str, KeyedOutcome]] = field(default_factory=list)
    replayed: list[tuple[UUID, str]] = field(default_factory=list)
    pools_changed: set[UUID] = field(default_factory=set)  # counters only
    pools_put: set[UUID] = field(default_factory=set)
    pools_removed: list[UUID] = field(default_factory=list)
    types_changed: set[UUID] = field(default_factory=set)
    claims: dict[int, SeatClaim] = field(default_factory=dict)  # by seat
    seat_blocks_changed: set[UUID] = field(default_factory=set)
    promos_changed: set[UUID] = field(default_factory=set)  # uses only
    promos_put: set[UUID] = field(default_factory=set)
    entries_joined: list[WaitlistEntry] = field(default_factory=list)
    entries_changed: dict[UUID, WaitlistEntry] = field(default_factory=dict)
    set_asides_changed: set[UUID] = field(default_factory=set)  # ticket types
    refunds_decided: list[Refund] = field(default_factory=list)
    refunds_settled: list[UUID] = field(default_factory=list)
    outside_recorded: dict[UUID, OutsideRecorded] = field(default_factory=dict)  # by refund
    outside_reversed: list[UUID] = field(default_factory=list)  # stored refunds by another hand
    postings: list[Posting] = field(default_factory=list)
    postings_summed: int = 0  # the first so many are in `posted`
    conditions_put: list[int] = field(default_factory=list)  # versions
    rescheduled: int = 0  # the last so many of the sale's reschedulings are new
    seating_put: Seating | None = None

    def posted_of(self, booking_id: UUID) -> Counter[tuple[str, str]]:
        """Return what the ledger has of a booking, with the postings of this batch."""
        for posting in self.postings[self.postings_summed :]:
            of_booking = self.posted.setdefault(posting.booking_id, Counter())
            of_booking[posting.debit, posting.credit] += posting.amount_minor
        self.postings_summed = len(self.postings)
        return self.posted.get(booking_id, Counter())

    def extras(self) -> int:
        """Return which of the rarer parts of a sale this batch writes, as bits."""
        return (
            HAS_CONDITIONS * bool(self.conditions_put)
            | HAS_SEATING * (self.seating_put is not None)
            | HAS_PROMOS * bool(self.promos_put)
            | HAS_WAITLIST * bool(self.entries_joined)
            | HAS_RETURNS * bool(self.returning_changed)
            | HAS_RESCHEDULINGS * bool(self.rescheduled)
            | HAS_TRANSFERS * bool(self.transfers_offered or self.codes_voided)
            | HAS_SEAT_BLOCKS * bool(self.seat_blocks_changed)
        )

    def writes(self) -> bool:
        """Return whether there is anything to write."""
        return bool(self.facts or self.replayed or self.scanned)

    def writes_terms(self) -> bool:
        """Return whether the sale itself or its terms change: rare, and only by organizers."""
        return bool(
            self.created
            or self.terms_changed
            or self.pools_put
            or self.pools_removed
            or self.types_changed
            or self.conditions_put
            or self.rescheduled
            or self.promos_put
            or self.seating_put
        )
