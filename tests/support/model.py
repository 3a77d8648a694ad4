"""What selling means, once more and as plainly as possible: no counters, no facts, no code of the rules.

The model knows who was given what, who waits, and what was promised to whom; it counts whenever it wants to
know. Asked about a command, it names every reason against it; the rules must then refuse for one of these
reasons, or carry the command out where there is none. Which seats are the best it does not know: it only sees
to it that they were free.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from evently.sales.commands import Command
from evently.sales.commands.bookings import (
    CancelBooking,
    ConfirmBooking,
    ExtendHold,
    KeepTickets,
    PlaceBooking,
    RecordCapture,
    ReturnTickets,
)
from evently.sales.commands.check_ins import ScanTicket, UndoScan
from evently.sales.commands.exchanges import ExchangeTickets
from evently.sales.commands.sale_terms import (
    CancelSale,
    ChangeSale,
    PutConditions,
    PutPool,
    PutTicketType,
    RescheduleEvent,
    RetirePromoCode,
    RetireTicketType,
)
from evently.sales.commands.seats import BlockSeats, UnblockSeats
from evently.sales.commands.transfers import (
    AcceptTransfer,
    DeclineTransfer,
    GiveBackTicket,
    OfferTransfer,
    WithdrawTransfer,
)
from evently.sales.commands.waitlist import AcceptOffer, JoinWaitlist, LeaveWaitlist
from evently.sales.nouns import Booking, Transfer, WaitlistEntry
from evently.sales.outcomes import Booked, Listed, No, Outcome, SalesRefusal, Scanned
from evently.sales.terms import Conditions, PoolTerms, PromoTerms, TicketTypeTerms

FORGED: Final = b"forged"  # a secret that no ticket has
UNKNOWN: Final = UUID(int=8_999_999)  # an id that no ticket has


@dataclass(eq=False)
class Passing:
    """A ticket that is offered to another person, or was."""

    claim: Claim = field(repr=False)
    ticket_id: UUID
    giver_id: UUID
    address: str
    expires_at: datetime
    state: str = "offered"
    receiver_id: UUID | None = None


@dataclass
class Ticket:
    """One sold or held unit. `replaces`: the returned ticket whose unit and seat it will take over."""

    type_id: UUID
    price_minor: int
    total_minor: int
    discount_minor: int = 0
    seat: str | None = None
    replaces: UUID | None = None
    returned_at: datetime | None = None
    # Another holder than the buyer; the secret, unknown in the batch that made it; to whom it is offered
    holder_id: UUID | None = None
    secret: bytes | None = None
    passing: Passing | None = None
    # How often its holder came in, whether they are inside, and the last accepted scan
    entries: int = 0
    inside: bool = False
    last_scan_id: UUID | None = None


@dataclass
class Claim:
    """What a buyer was given. `expires_at` None: confirmed."""

    buyer_id: UUID
    tickets: dict[UUID, Ticket]
    expires_at: datetime | None
    conditions: Conditions
    promo_id: UUID | None = None
    entry_id: UUID | None = None
    extended: bool = False
    payment_id: UUID | None = None
    paid_minor: int = 0
    refunded_minor: int = 0
    captured: bool = False
    # Since it was made the event has moved: the latest start that was promised meanwhile, the start now, and
    # until when everything may be given back
    promised_at: datetime | None = None
    begins_at: datetime | None = None
    give_back_until: datetime | None = None
    discounts_minor: int = 0
    ended: SalesRefusal | None = None  # the refusal of a late command

    def live(self) -> bool:
        return self.ended is None

    def due_minor(self) -> int:
        return sum(ticket.total_minor for ticket in self.tickets.values())


@dataclass
class Waiting:
    """An entry of the waitlist."""

    entry_id: UUID
    buyer_id: UUID
    type_id: UUID
    quantity: int
    state: str = "waiting"
    offer: Claim | None = None
    new: bool = True  # joined in this batch


@dataclass
class Attempt:
    """A scan at the door."""

    ticket_id: UUID | None
    direction: str
    result: str
    undone: bool = False


@dataclass
class Model:
    """One sale: `begin` before each batch, `judge` after each command, `end` when the rows are written."""

    pools: dict[UUID, PoolTerms]
    ticket_types: dict[UUID, TicketTypeTerms]
    conditions: Conditions
    seats: dict[str, str]  # their zones
    promo: PromoTerms
    now: datetime
    on_sale_at: datetime
    off_sale_at: datetime
    open: bool = True
    retired: set[UUID] = field(default_factory=set)
    promo_retired: bool = False
    moves: list[RescheduleEvent] = field(default_factory=list)  # of this batch
    claims: dict[UUID, Claim] = field(default_factory=dict)
    line: list[Waiting] = field(default_factory=list)  # in the order in which they joined
    aside: dict[UUID, int] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
    answers: dict[tuple[UUID, str], tuple[bytes, UUID]] = field(default_factory=dict)
    scans: dict[UUID, Attempt] = field(default_factory=dict)
    transfers: dict[UUID, Passing] = field(default_factory=dict)
    void_codes: set[tuple[UUID, bytes]] = field(default_factory=set)
    # Of ticket types with a line: what could be booked before a command
    public_units: dict[UUID, int] = field(default_factory=dict)
    unseen: list[Waiting] = field(default_factory=list)  # whose offers were made in this batch
    _ids: int = 0

    # Batches

    def begin(self, now: datetime) -> None:
        """Expire due holds, and serve the waitlist: its ticket types may be on sale by now."""
        self._note_public_units()
        for waiting in self.line:
            waiting.new = False
        self.moves.clear()
        self.now = now
        due = [
            claim
            for claim in self.claims.values()
            if claim.live() and claim.expires_at is not None and claim.expires_at <= now
        ]
        for claim in due:
            self._end(claim, SalesRefusal.HOLD_EXPIRED)
        for passing in self.transfers.values():
            if passing.state == "offered" and passing.expires_at <= now:
                self._stop_passing(passing, "expired")
        self._serve()

    def judge(self, command: Command, outcome: Outcome) -> None:
        """Accept what the rules answered, and remember it; or fail."""
        if self._judge_replay(command, outcome):
            return
        self._note_public_units()
        if isinstance(command, ScanTicket):
            self._judge_scan(command, outcome)
            return
        reasons = self.reasons_against(command)
        if isinstance(outcome, No):
            allowed = reasons | self._perhaps(command)
            assert outcome.refusal in allowed, (
                f"{command} was refused for {outcome}, not for one of {allowed}"
            )
        else:
            assert not reasons, f"{command} was carried out in spite of {reasons}"
            self._carry_out(command, outcome)

    def end(
        self,
        bookings: Mapping[UUID, Booking],
        entries: Mapping[UUID, WaitlistEntry],
        transfers: Mapping[UUID, Transfer],
    ) -> None:
        """Learn the ids of the offers that were made, and that everybody has what was to be expected."""
        for waiting in self.unseen:
            assert waiting.offer is not None
            booking_id = entries[waiting.entry_id].booking_id
            assert booking_id is not None
            made = bookings[booking_id]
            mine = Counter((each.type_id, each.replaces) for each in waiting.offer.tickets.values())
            left = [each for each in made.tickets if each.state != "void"]
            assert Counter((each.ticket_type_id, each.replaces) for each in left) == mine
            due = waiting.offer.due_minor()
            # It may have been accepted with the code in the batch that made it
            # None is left of an offer that was declined in the batch that made it
            prices = [(each.price_minor, each.discount_minor) for each in waiting.offer.tickets.values()]
            waiting.offer.tickets = {
                each.ticket_id: Ticket(
                    each.ticket_type_id,
                    price_minor,
                    each.total_minor(),
                    discount_minor,
                    each.seat_id,
                    each.replaces,
                )
                for each, (price_minor, discount_minor) in zip(left, prices, strict=True)
            }
            assert waiting.offer.due_minor() == due, "it costs what it cost when it was made"
            self.claims[booking_id] = waiting.offer
        self.unseen.clear()
        assert {each.entry_id: each.state for each in self.line} == {
            each.entry_id: each.state for each in entries.values()
        }
        assert {each: (row.state, row.receiver_id) for each, row in transfers.items()} == {
            each: (passing.state, passing.receiver_id) for each, passing in self.transfers.items()
        }
        assert self.claims.keys() == bookings.keys()
        for booking_id, claim in self.claims.items():
            _compare(claim, bookings[booking_id])

    # Counting

    def taken(self, pool_id: UUID) -> tuple[int, int]:
        """Return the units of a pool that are held and sold."""
        units = [0, 0]
        for claim in self._live():
            own = [ticket for ticket in claim.tickets.values() if ticket.replaces is None]
            units[claim.expires_at is None] += sum(
                pool_id in self.ticket_types[ticket.type_id].pool_ids for ticket in own
            )
        return units[0], units[1]

    def promised(self, pool_id: UUID) -> int:
        return sum(
            units for type_id, units in self.aside.items() if pool_id in self.ticket_types[type_id].pool_ids
        )

    def _live(self) -> list[Claim]:
        unseen = [each.offer for each in self.unseen if each.offer is not None and each.offer.live()]
        return [claim for claim in self.claims.values() if claim.live()] + unseen

    def _live_tickets(self) -> Iterable[tuple[UUID, Ticket]]:
        for claim in self._live():
            yield from claim.tickets.items()

    def _free_units(self, pool_id: UUID) -> int:
        return self.pools[pool_id].capacity - sum(self.taken(pool_id))

    def _free_seats(self, zone: str) -> int:
        all_seats = [
            seat for seat, its_zone in self.seats.items() if its_zone == zone and seat not in self.blocked
        ]
        taken = [
            each
            for _, each in self._live_tickets()
            if each.replaces is None and self.ticket_types[each.type_id].zone == zone
        ]
        return len(all_seats) - len(taken)

    def _free(self, terms: TicketTypeTerms) -> int:
        """Return what could be offered to the waitlist."""
        free = min(self._free_units(pool_id) for pool_id in terms.pool_ids)
        return free if terms.zone is None else min(free, self._free_seats(terms.zone))

    def _for_sale(self, needs: Mapping[UUID, int]) -> bool:
        """Return whether anybody may have so many units of ticket types: what is promised is not free."""
        units: Counter[UUID] = Counter()
        zones: Counter[str] = Counter()
        for type_id, quantity in needs.items():
            units.update(dict.fromkeys(self.ticket_types[type_id].pool_ids, quantity))
            zones.update({zone: quantity for zone in [self.ticket_types[type_id].zone] if zone is not None})
        promised = {
            zone: sum(n for each, n in self.aside.items() if self.ticket_types[each].zone == zone)
            for zone in zones
        }
        return all(
            needed <= self._free_units(pool_id) - self.promised(pool_id) for pool_id, needed in units.items()
        ) and all(needed <= self._free_seats(zone) - promised[zone] for zone, needed in zones.items())

    def _has(self, buyer_id: UUID, terms: TicketTypeTerms) -> int:
        """Return the units that a buyer has booked or received. Those that were passed on still count."""
        return sum(
            buyer_id in {claim.buyer_id, ticket.holder_id}
            for claim in self._live()
            for ticket in claim.tickets.values()
            if ticket.type_id == terms.ticket_type_id
        )

    def _over_limit(self, buyer_id: UUID, terms: TicketTypeTerms, quantity: int) -> bool:
        return terms.per_buyer_max is not None and self._has(buyer_id, terms) + quantity > terms.per_buyer_max

    def _taken_seats(self) -> set[str]:
        return {
            each.seat for _, each in self._live_tickets() if each.seat is not None and each.replaces is None
        } | self.blocked

    def _returned(self, type_id: UUID) -> list[UUID]:
        stood_for = {each.replaces for _, each in self._live_tickets()}
        returned = [
            (ticket.returned_at, ticket_id)
            for ticket_id, ticket in self._live_tickets()
            if ticket.returned_at is not None and ticket.type_id == type_id and ticket_id not in stood_for
        ]
        return [ticket_id for _, ticket_id in sorted(returned)]

    # The line

    def _note_public_units(self) -> None:
        waited_for = {each.type_id for each in self.line if each.state == "waiting"}
        self.public_units = {type_id: self._units_for_sale(type_id) for type_id in waited_for}

    def _units_for_sale(self, type_id: UUID) -> int:
        units = 0
        while self._for_sale({type_id: units + 1}):
            units += 1
        return units

    def _serve(self) -> None:
        """Offer available units to the first entries that fit; set aside the rest for the others."""
        public_units = {
            type_id: self.public_units.get(type_id, self._units_for_sale(type_id))
            for type_id in self.ticket_types
        }
        owed = {
            type_id: self._free(terms) - public_units[type_id] for type_id, terms in self.ticket_types.items()
        }
        waiting = [each for each in self.line if each.state == "waiting"]
        for each in waiting:
            terms = self.ticket_types[each.type_id]
            returned = self._returned(each.type_id)
            if not self._sells(terms) or each.quantity > self._free(terms) + len(returned):
                continue
            if self._over_limit(each.buyer_id, terms, each.quantity):
                each.state = "withdrawn"
                continue
            self._offer(each, min(each.quantity, self._free(terms)), returned)
        self.aside = {}
        left = {pool_id: self._free_units(pool_id) for pool_id in self.pools}
        seats = {zone: self._free_seats(zone) for zone in set(self.seats.values())}
        waiting = [
            each
            for each in self.line
            if each.state == "waiting" and self._sells(self.ticket_types[each.type_id])
        ]
        for type_id in dict.fromkeys(each.type_id for each in waiting):
            terms = self.ticket_types[type_id]
            wished = min(
                sum(each.quantity for each in waiting if each.type_id == type_id), max(0, owed[type_id])
            )
            units = min(
                wished, *(left[pool_id] for pool_id in terms.pool_ids), seats.get(terms.zone or "", wished)
            )
            self.aside[type_id] = units
            for pool_id in terms.pool_ids:
                left[pool_id] -= units
            if terms.zone is not None:
                seats[terms.zone] -= units

    def _offer(self, waiting: Waiting, own: int, returned: list[UUID]) -> None:
        price_minor = self.ticket_types[waiting.type_id].price_minor
        total = _total(price_minor, self.conditions)
        stand_for: list[UUID | None] = [None] * own + list(returned[: waiting.quantity - own])
        tickets = {
            self._nobody_knows(): Ticket(waiting.type_id, price_minor, total, replaces=each)
            for each in stand_for
        }
        seconds = self.conditions.offer_seconds
        if waiting.new:
            seconds = min(seconds, self.conditions.hold_seconds)
        expires_at = self.now + timedelta(seconds=seconds)
        waiting.offer = Claim(
            waiting.buyer_id, tickets, expires_at, self.conditions, entry_id=waiting.entry_id
        )
        self._promise_all(waiting.offer)
        waiting.state = "offered"
        self.unseen.append(waiting)

    def _nobody_knows(self) -> UUID:
        self._ids += 1
        return UUID(int=self._ids, version=4)

    def _sells(self, terms: TicketTypeTerms) -> bool:
        return self.open and terms.ticket_type_id not in self.retired and not self._out_of_window(terms)

    def _out_of_window(self, terms: TicketTypeTerms) -> set[SalesRefusal]:
        return self._early(self.on_sale_at, terms.on_sale_at) | self._late(terms)

    def _early(self, *starts: datetime | None) -> set[SalesRefusal]:
        early = any(each is not None and self.now < each for each in starts)
        return {SalesRefusal.NOT_ON_SALE_YET} if early else set()

    def _late(self, terms: TicketTypeTerms) -> set[SalesRefusal]:
        ends = [self.off_sale_at, terms.off_sale_at or self.off_sale_at]
        late = any(self.now >= each for each in ends)
        return {SalesRefusal.SALE_ENDED} if late else set()

    def _entry(self, entry_id: UUID) -> Waiting:
        return next(each for each in self.line if each.entry_id == entry_id)

    # Reasons

    def reasons_against(self, command: Command) -> set[SalesRefusal]:
        """Return every reason to refuse a command."""
        called_off = set() if self.open else {SalesRefusal.EVENT_CANCELLED}
        match command:
            case PlaceBooking():
                return called_off | self._against_placing(command)
            case ConfirmBooking():
                return self._against_confirming(command, called_off)
            case ExtendHold():
                return self._against_extending(command)
            case CancelBooking():
                return self._against_cancelling(command)
            case RecordCapture():
                claim = self.claims[command.booking_id]
                return set() if claim.payment_id == command.payment_id else {SalesRefusal.PAYMENT_MISMATCH}
            case ReturnTickets() | KeepTickets():
                return self._against_returning(command)
            case JoinWaitlist():
                return called_off | self._against_joining(command)
            case AcceptOffer():
                return self._against_accepting(command, called_off)
            case LeaveWaitlist():
                return (
                    {SalesRefusal.NOT_OFFERED}
                    if self._entry(command.entry_id).state == "fulfilled"
                    else set()
                )
            case _:
                return self._against_ticket(command, called_off)

    def _against_ticket(self, command: Command, called_off: set[SalesRefusal]) -> set[SalesRefusal]:
        match command:
            case UndoScan():
                return self._against_undoing(command)
            case ExchangeTickets():
                return called_off | self._against_exchanging(command)
            case OfferTransfer() | AcceptTransfer() | DeclineTransfer() | WithdrawTransfer():
                return self._against_passing(command)
            case GiveBackTicket():
                return self._against_giving_back(command)
            case _:
                return self._against_changing(command, called_off)

    def _against_changing(self, command: Command, called_off: set[SalesRefusal]) -> set[SalesRefusal]:
        match command:
            case ChangeSale() | RescheduleEvent():
                return called_off
            case PutPool():
                pool_id = command.pool.pool_id
                short = command.pool.capacity < sum(self.taken(pool_id))
                return {SalesRefusal.CAPACITY_TAKEN} if short else set()
            case BlockSeats():
                return (
                    {SalesRefusal.SEAT_TAKEN}
                    if set(command.seats) & (self._taken_seats() - self.blocked)
                    else set()
                )
            case _:
                return set()

    def _against_extending(self, command: ExtendHold) -> set[SalesRefusal]:
        claim = self.claims[command.booking_id]
        mine = set() if claim.buyer_id == command.buyer_id else {SalesRefusal.BOOKING_NOT_FOUND}
        offered = claim.entry_id is not None and self._entry(claim.entry_id).state == "offered"
        return (
            mine
            | _not_held(claim)
            | ({SalesRefusal.ALREADY_EXTENDED} if claim.extended or offered else set())
        )

    def _perhaps(self, command: Command) -> set[SalesRefusal]:
        """Return facts that the model cannot derive: the seats of offers that this batch made."""
        names_seats = isinstance(command, BlockSeats | ExchangeTickets) or (
            isinstance(command, PlaceBooking) and any(each.seats for each in command.lines)
        )
        return {SalesRefusal.SEAT_TAKEN} if names_seats and self.unseen else set()

    def _against_placing(self, command: PlaceBooking) -> set[SalesRefusal]:
        reasons: set[SalesRefusal] = set()
        for line in command.lines:
            terms = self.ticket_types[line.ticket_type_id]
            if line.ticket_type_id in self.retired:
                reasons.add(SalesRefusal.UNKNOWN_TICKET_TYPE)
            if line.quantity > terms.per_booking_max:
                reasons.add(SalesRefusal.OVER_BOOKING_LIMIT)
            if self._over_limit(command.buyer_id, terms, line.quantity):
                reasons.add(SalesRefusal.OVER_BUYER_LIMIT)
            if terms.needed_ids:
                needed = sum(o.quantity for o in command.lines if o.ticket_type_id in terms.needed_ids)
                if not needed:
                    reasons.add(SalesRefusal.ADD_ON_ALONE)
                elif line.quantity > self._allowed(terms, needed):
                    reasons.add(SalesRefusal.OVER_BOOKING_LIMIT)
            reasons |= self._out_of_window(terms)
            if set(line.seats or ()) & self._taken_seats():
                reasons.add(SalesRefusal.SEAT_TAKEN)
        if self._over_hold_limit(command):
            reasons.add(SalesRefusal.TOO_MANY_HOLDS)
        if not self._for_sale({line.ticket_type_id: line.quantity for line in command.lines}):
            reasons.add(SalesRefusal.SOLD_OUT)
        if command.promo_code is not None:
            prices = [
                self.ticket_types[line.ticket_type_id].price_minor
                for line in command.lines
                for _ in range(line.quantity)
            ]
            reasons |= self._against_promo(command.buyer_id, prices)
        return reasons

    def _allowed(self, terms: TicketTypeTerms, needed: int) -> int:
        """Return how many add-ons may go with so many tickets that they need."""
        if terms.per_needed_max is not None:
            return terms.per_needed_max * needed
        return 100 if needed else 0

    def _too_many(self, tickets: Iterable[Ticket], terms: TicketTypeTerms) -> int:
        kinds = Counter(ticket.type_id for ticket in tickets)
        needed = sum(kinds[each] for each in terms.needed_ids)
        return max(0, kinds[terms.ticket_type_id] - self._allowed(terms, needed))

    def _against_promo(self, buyer_id: UUID, prices: Iterable[int]) -> set[SalesRefusal]:
        if self.promo_retired:
            return {SalesRefusal.UNKNOWN_PROMO_CODE}
        with_it = [claim for claim in self._live() if claim.promo_id is not None]
        mine = [claim for claim in with_it if claim.buyer_id == buyer_id]
        spent = sum(claim.discounts_minor for claim in with_it) + sum(map(_discount, prices))
        assert self.promo.uses_max is not None
        assert self.promo.per_buyer_max is not None
        assert self.promo.budget_minor is not None
        used_up = (
            len(with_it) >= self.promo.uses_max
            or len(mine) >= self.promo.per_buyer_max
            or spent > self.promo.budget_minor
        )
        return {SalesRefusal.PROMO_CODE_USED_UP} if used_up else set()

    def _over_hold_limit(self, command: PlaceBooking) -> bool:
        is_free = not any(self.ticket_types[line.ticket_type_id].price_minor for line in command.lines)
        if command.hold_seconds is None and (self.conditions.payment != "online" or is_free):
            return False
        held = [
            len(claim.tickets)
            for claim in self.claims.values()
            if claim.live()
            and claim.buyer_id == command.buyer_id
            and claim.entry_id is None
            and claim.expires_at is not None
        ]
        one_max = max(self.ticket_types[line.ticket_type_id].per_booking_max for line in command.lines)
        units = sum(held) + sum(line.quantity for line in command.lines)
        return len(held) >= self.conditions.holds_per_buyer_max or units > max(
            one_max, self.conditions.held_units_per_buyer_max
        )

    def _against_confirming(
        self, command: ConfirmBooking, called_off: set[SalesRefusal]
    ) -> set[SalesRefusal]:
        claim = self.claims[command.booking_id]
        if (
            claim.live()
            and claim.expires_at is None
            and command.payment_id is not None
            and claim.payment_id == command.payment_id
        ):
            return set()
        due = claim.due_minor()
        on_site = command.payment_id is None and (due == 0 or claim.conditions.payment == "door")
        paid = command.payment_id is not None and due > 0 and command.amount_minor == due
        return _not_held(claim) | called_off | (set() if on_site or paid else {SalesRefusal.PAYMENT_MISMATCH})

    def _against_cancelling(self, command: CancelBooking) -> set[SalesRefusal]:
        claim = self.claims[command.booking_id]
        if command.buyer_id not in {None, claim.buyer_id}:
            return {SalesRefusal.BOOKING_NOT_FOUND}
        reasons = _ended(claim)
        if command.event_starts_at is not None and self.now >= self._last_cancellation(
            claim, command.event_starts_at
        ):
            reasons.add(SalesRefusal.TOO_LATE_TO_CANCEL)
        if command.ticket_ids is not None and not claim.tickets.keys() >= set(command.ticket_ids):
            reasons.add(SalesRefusal.ALREADY_CANCELLED)  # every ticket that is named was once this booking's
        return (
            reasons | _used(claim, command.ticket_ids) | _others(claim, command.ticket_ids, command.buyer_id)
        )

    def _last_cancellation(self, claim: Claim, starts_at: datetime) -> datetime:
        """Return when a buyer can no longer cancel an event that starts then."""
        begins_at = claim.begins_at or starts_at
        if claim.expires_at is not None:
            return begins_at
        deadline = (claim.promised_at or starts_at) - timedelta(hours=claim.conditions.cancel_hours_before)
        deadline = min(deadline, begins_at)
        return max(deadline, claim.give_back_until or deadline)

    def _against_returning(self, command: ReturnTickets | KeepTickets) -> set[SalesRefusal]:
        claim = self.claims[command.booking_id]
        reasons = set() if claim.buyer_id == command.buyer_id else {SalesRefusal.BOOKING_NOT_FOUND}
        reasons |= _used(claim, command.ticket_ids) | _others(claim, command.ticket_ids, command.buyer_id)
        gone = set(command.ticket_ids) - claim.tickets.keys()
        if gone:
            reasons.add(SalesRefusal.ALREADY_CANCELLED)
        there = [each for each in command.ticket_ids if each not in gone]
        if isinstance(command, KeepTickets):
            stood_for = {each.replaces for _, each in self._live_tickets()}
            return reasons | ({SalesRefusal.NOT_RETURNABLE} if stood_for & set(there) else set())
        if not self.open:
            reasons.add(SalesRefusal.EVENT_CANCELLED)
        if self.now >= self.off_sale_at:
            reasons.add(SalesRefusal.SALE_ENDED)
        reasons |= self._early(self.on_sale_at)
        if not claim.live() or claim.expires_at is not None:
            reasons.add(SalesRefusal.NOT_RETURNABLE)
        if any(claim.tickets[each].passing for each in there):
            reasons.add(SalesRefusal.NOT_RETURNABLE)
        fresh = {claim.tickets[each].type_id for each in there if claim.tickets[each].returned_at is None}
        if any(self.ticket_types[type_id].needed_ids for type_id in fresh):
            reasons.add(SalesRefusal.NOT_RETURNABLE)
        if any(self._for_sale({type_id: 1}) for type_id in fresh):
            reasons.add(SalesRefusal.NOT_SOLD_OUT)
        return reasons

    def _against_joining(self, command: JoinWaitlist) -> set[SalesRefusal]:
        terms = self.ticket_types[command.ticket_type_id]
        reasons = self._late(terms) | ({SalesRefusal.ADD_ON_ALONE} if terms.needed_ids else set())
        if command.ticket_type_id in self.retired:
            reasons.add(SalesRefusal.UNKNOWN_TICKET_TYPE)
        if command.quantity > terms.per_booking_max:
            reasons.add(SalesRefusal.OVER_BOOKING_LIMIT)
        if self._over_limit(command.buyer_id, terms, command.quantity):
            reasons.add(SalesRefusal.OVER_BUYER_LIMIT)
        if any(
            (each.buyer_id, each.type_id) == (command.buyer_id, command.ticket_type_id)
            and each.state in {"waiting", "offered"}
            for each in self.line
        ):
            reasons.add(SalesRefusal.ALREADY_WAITING)
        return reasons

    def _against_accepting(self, command: AcceptOffer, called_off: set[SalesRefusal]) -> set[SalesRefusal]:
        waiting = self._entry(command.entry_id)
        if waiting.state == "waiting":
            return {SalesRefusal.NOT_OFFERED}
        if waiting.state == "withdrawn":
            return {SalesRefusal.OFFER_EXPIRED}
        assert waiting.offer is not None
        if waiting.state == "fulfilled":
            late = command.promo_code is not None and waiting.offer.promo_id is None
            return {SalesRefusal.NOT_OFFERED} if late else set()
        if command.promo_code is None:
            return called_off
        prices = [ticket.price_minor for ticket in waiting.offer.tickets.values()]
        return called_off | self._against_promo(command.buyer_id, prices)

    # Passing tickets on, and other seats

    def _against_passing(
        self, command: OfferTransfer | AcceptTransfer | DeclineTransfer | WithdrawTransfer
    ) -> set[SalesRefusal]:
        if isinstance(command, OfferTransfer):
            return self._against_offering(command)
        passing = self.transfers.get(command.transfer_id)
        if passing is None:
            return {SalesRefusal.TRANSFER_NOT_FOUND}
        match command:
            case AcceptTransfer():
                if (passing.state, passing.receiver_id) == ("accepted", command.buyer_id):
                    return set()
                known, again = passing.address == command.address, "nothing"
            case DeclineTransfer():
                known, again = passing.address == command.address, "declined"
            case WithdrawTransfer():
                known, again = passing.giver_id == command.giver_id, "withdrawn"
        if not known:
            return {SalesRefusal.TRANSFER_NOT_FOUND}
        if passing.state != "offered":
            return set() if passing.state == again else {SalesRefusal.TRANSFER_ENDED}
        return (
            self._against_accepting_ticket(command, passing) if isinstance(command, AcceptTransfer) else set()
        )

    def _against_offering(self, command: OfferTransfer) -> set[SalesRefusal]:
        if (earlier := self.transfers.get(command.transfer_id)) is not None:
            same = (earlier.ticket_id, earlier.giver_id, earlier.address)
            repeated = same == (command.ticket_id, command.giver_id, command.address)
            return set() if repeated else {SalesRefusal.KEY_REUSED}
        claim = self.claims[command.booking_id]
        reasons = self._against_moving(claim, command.ticket_id)
        ticket = claim.tickets.get(command.ticket_id)
        if ticket is None or (ticket.holder_id or claim.buyer_id) != command.giver_id:
            return reasons | {SalesRefusal.UNKNOWN_TICKET}
        if ticket.passing is not None:
            same_person = ticket.passing.address == command.address
            return reasons if same_person else reasons | {SalesRefusal.NOT_TRANSFERABLE}
        return reasons | self._begun(command.event_starts_at)

    def _against_accepting_ticket(self, command: AcceptTransfer, passing: Passing) -> set[SalesRefusal]:
        claim = passing.claim
        reasons = self._against_moving(claim, passing.ticket_id) | self._begun(command.event_starts_at)
        if command.buyer_id == passing.giver_id:
            reasons.add(SalesRefusal.NOT_TRANSFERABLE)
        terms = self.ticket_types[command.ticket_type_id]
        if command.buyer_id != claim.buyer_id and self._over_limit(command.buyer_id, terms, 1):
            reasons.add(SalesRefusal.OVER_BUYER_LIMIT)
        return reasons

    def _against_moving(self, claim: Claim, ticket_id: UUID) -> set[SalesRefusal]:
        """Return why a ticket cannot get another holder."""
        reasons = set() if self.open else {SalesRefusal.EVENT_CANCELLED}
        ticket = claim.tickets.get(ticket_id)
        if ticket is None:
            return reasons | {SalesRefusal.ALREADY_CANCELLED}
        if ticket.entries:
            reasons.add(SalesRefusal.TICKET_USED)
        if claim.expires_at is not None or ticket.returned_at is not None:
            reasons.add(SalesRefusal.NOT_TRANSFERABLE)
        return reasons

    def _begun(self, starts_at: datetime) -> set[SalesRefusal]:
        return {SalesRefusal.NOT_TRANSFERABLE} if self.now >= starts_at else set()

    def _against_giving_back(self, command: GiveBackTicket) -> set[SalesRefusal]:
        ticket = self.claims[command.booking_id].tickets.get(command.ticket_id)
        if ticket is None:
            return {SalesRefusal.UNKNOWN_TICKET, SalesRefusal.ALREADY_CANCELLED}
        if ticket.holder_id != command.holder_id:
            return {SalesRefusal.UNKNOWN_TICKET}
        return {SalesRefusal.TICKET_USED} if ticket.entries else set()

    def _against_exchanging(self, command: ExchangeTickets) -> set[SalesRefusal]:
        claim, reasons = self.claims[command.booking_id], set[SalesRefusal]()
        if not claim.live() or claim.expires_at is not None:
            reasons.add(SalesRefusal.NOT_EXCHANGEABLE)
        for ticket_id, _ in command.seats:
            ticket = claim.tickets.get(ticket_id)
            if ticket is None:
                reasons.add(SalesRefusal.ALREADY_CANCELLED)
                continue
            if ticket.entries:
                reasons.add(SalesRefusal.TICKET_USED)
            if ticket.seat is None:
                reasons.add(SalesRefusal.NOT_SEATED)
            if ticket.returned_at is not None:
                reasons.add(SalesRefusal.NOT_EXCHANGEABLE)
        moving = {seat: claim.tickets[each].seat for each, seat in command.seats if each in claim.tickets}
        moving = {seat: before for seat, before in moving.items() if seat != before}
        if moving.keys() & (self._taken_seats() - set(moving.values())):
            reasons.add(SalesRefusal.SEAT_TAKEN)
        return reasons

    def _pass_on(
        self, command: OfferTransfer | AcceptTransfer | DeclineTransfer | WithdrawTransfer | GiveBackTicket
    ) -> None:
        match command:
            case OfferTransfer() if command.transfer_id not in self.transfers:
                claim = self.claims[command.booking_id]
                ticket = claim.tickets[command.ticket_id]
                if ticket.passing is not None:
                    return  # offered to the same person before
                until = min(self.now + timedelta(days=7), command.event_starts_at)
                ticket.passing = Passing(claim, command.ticket_id, command.giver_id, command.address, until)
                self.transfers[command.transfer_id] = ticket.passing
            case AcceptTransfer() if (passing := self.transfers[command.transfer_id]).state == "offered":
                ticket = passing.claim.tickets[passing.ticket_id]
                mine = command.buyer_id == passing.claim.buyer_id
                ticket.holder_id = None if mine else command.buyer_id
                passing.receiver_id = command.buyer_id
                self._stop_passing(passing, "accepted")
                self._new_code(passing.ticket_id, ticket)
            case DeclineTransfer() if (passing := self.transfers[command.transfer_id]).state == "offered":
                self._stop_passing(passing, "declined")
            case WithdrawTransfer() if (passing := self.transfers[command.transfer_id]).state == "offered":
                self._stop_passing(passing, "withdrawn")
            case GiveBackTicket():
                ticket = self.claims[command.booking_id].tickets[command.ticket_id]
                ticket.holder_id = None
                if ticket.passing is not None:
                    self._stop_passing(ticket.passing, "withdrawn")
                self._new_code(command.ticket_id, ticket)

    def _stop_passing(self, passing: Passing, how: str) -> None:
        passing.state = how
        passing.claim.tickets[passing.ticket_id].passing = None

    def _new_code(self, ticket_id: UUID, ticket: Ticket) -> None:
        if ticket.secret is not None:
            self.void_codes.add((ticket_id, ticket.secret))
        ticket.secret = None

    def _exchange(self, command: ExchangeTickets) -> None:
        claim = self.claims[command.booking_id]
        for ticket_id, seat in command.seats:
            ticket = claim.tickets[ticket_id]
            if ticket.seat != seat:
                ticket.seat = seat
                self._new_code(ticket_id, ticket)

    # The door

    def _find_ticket(self, ticket_id: UUID | None) -> tuple[Claim, Ticket] | None:
        found = [claim for claim in self.claims.values() if ticket_id in claim.tickets]
        return (found[0], found[0].tickets[ticket_id]) if ticket_id is not None and found else None

    def _judge_scan(self, command: ScanTicket, outcome: Outcome) -> None:
        if (earlier := self.scans.get(command.scan_id)) is not None:
            if (earlier.ticket_id, earlier.direction) != (_known(command.ticket_id), command.direction):
                assert outcome == No(SalesRefusal.KEY_REUSED)
                return
            assert isinstance(outcome, Scanned)
            assert outcome.replayed
            assert outcome.scan.result == earlier.result
            return
        assert isinstance(outcome, Scanned)
        assert not outcome.replayed
        assert outcome.scan.result == self._result_of(command)
        ticket_id = _known(command.ticket_id)
        self.scans[command.scan_id] = Attempt(ticket_id, command.direction, outcome.scan.result)
        if outcome.scan.result == "accepted":
            found = self._find_ticket(ticket_id)
            assert found is not None
            _, ticket = found
            if ticket.returned_at is not None or ticket.passing is not None:
                assert ticket_id is not None
                self._its_holder_is_here(ticket_id, ticket)
            ticket.inside = command.direction == "in"
            ticket.entries += ticket.inside
            ticket.last_scan_id = command.scan_id

    def _its_holder_is_here(self, ticket_id: UUID, ticket: Ticket) -> None:
        """Nobody else can have the ticket: the offer for it ends, the offer of it too."""
        if ticket.passing is not None:
            self._stop_passing(ticket.passing, "withdrawn")
        ticket.returned_at = None
        for claim in self._live():
            if any(each.replaces == ticket_id for each in claim.tickets.values()):
                self._cancel(claim, tuple(claim.tickets), None)
                self._serve()

    def _result_of(self, command: ScanTicket) -> str:
        if command.ticket_id in {None, UNKNOWN}:
            return "unknown"
        if command.secret == FORGED:
            return "forged"
        if (command.ticket_id, command.secret) in self.void_codes:
            return "passed_on"
        found = self._find_ticket(command.ticket_id)
        if found is None or not self.open:
            return "cancelled"
        claim, ticket = found
        if claim.expires_at is not None:  # held, or expired
            return "unpaid"
        if command.direction == "out":
            return "accepted" if ticket.inside else "outside"
        if command.ticket_type_ids is not None and ticket.type_id not in command.ticket_type_ids:
            return "wrong_gate"
        if not command.offline and command.opens_at is not None and self.now < command.opens_at:
            return "too_early"
        if not command.offline and command.closes_at is not None and self.now >= command.closes_at:
            return "too_late"
        if ticket.inside:
            return "inside"
        return "accepted" if not ticket.entries or command.reentry else "no_reentry"

    def _against_undoing(self, command: UndoScan) -> set[SalesRefusal]:
        attempt = self.scans.get(command.scan_id)
        if attempt is None:
            return {SalesRefusal.SCAN_NOT_FOUND}
        if attempt.undone:
            return set()
        found = self._find_ticket(attempt.ticket_id)
        is_check_in = (attempt.result, attempt.direction) == ("accepted", "in")
        is_last = is_check_in and found is not None and found[1].last_scan_id == command.scan_id
        return set() if is_last else {SalesRefusal.NOT_UNDOABLE}

    def _undo(self, command: UndoScan) -> None:
        attempt = self.scans[command.scan_id]
        if attempt.undone:
            return
        attempt.undone = True
        found = self._find_ticket(attempt.ticket_id)
        assert found is not None
        found[1].inside = False
        found[1].entries -= 1

    # Effects

    def _judge_replay(self, command: Command, outcome: Outcome) -> bool:
        """Return whether the key of a command has been answered before, and then accept only that answer."""
        if not isinstance(command, PlaceBooking | CancelBooking | JoinWaitlist) or command.key is None:
            return False
        actor_id = command.actor_id if isinstance(command, CancelBooking) else command.buyer_id
        earlier = self.answers.get((actor_id, command.key))
        if earlier is None:
            if isinstance(outcome, Booked | Listed):
                self.answers[actor_id, command.key] = command.fingerprint, _named(outcome)
            return False
        if earlier[0] != command.fingerprint:
            assert outcome == No(SalesRefusal.KEY_REUSED)
        else:
            assert isinstance(outcome, Booked | Listed)
            assert outcome.replayed
            assert _named(outcome) == earlier[1]
        return True

    def _carry_out(self, command: Command, outcome: Outcome) -> None:
        match command:
            case ReturnTickets() | KeepTickets():
                self._give_away(command)
            case JoinWaitlist():
                self._join(command, outcome)
            case AcceptOffer():
                self._accept(self._entry(command.entry_id), with_promo=command.promo_code is not None)
            case LeaveWaitlist():
                self._leave(self._entry(command.entry_id))
            case PlaceBooking():
                self._place(command, outcome)
            case ConfirmBooking() if self.claims[command.booking_id].expires_at is not None:
                self._confirm(self.claims[command.booking_id], command.payment_id, command.amount_minor)
            case ExtendHold():
                claim = self.claims[command.booking_id]
                claim.extended = True
                self._prolong(claim)
            case CancelBooking():
                claim = self.claims[command.booking_id]
                self._cancel(claim, command.ticket_ids or tuple(claim.tickets), command.event_starts_at)
                self._serve()
            case RecordCapture():
                self.claims[command.booking_id].captured = True
            case _:
                self._change_ticket(command)

    def _change_ticket(self, command: Command) -> None:
        match command:
            case UndoScan():
                self._undo(command)
            case ExchangeTickets():
                self._exchange(command)
            case (
                OfferTransfer() | AcceptTransfer() | DeclineTransfer() | WithdrawTransfer() | GiveBackTicket()
            ):
                self._pass_on(command)
            case _:
                self._change(command)

    def _change(self, command: Command) -> None:
        match command:
            case PutPool():
                self.pools[command.pool.pool_id] = command.pool
                self._serve()
            case BlockSeats() if set(command.seats) - self.blocked:
                self.blocked |= set(command.seats)
                self._serve()
            case UnblockSeats() if set(command.seats) & self.blocked:
                self.blocked -= set(command.seats)
                self._serve()
            case PutConditions():
                self.conditions = command.conditions
            case PutTicketType():
                self.ticket_types[command.ticket_type.ticket_type_id] = command.ticket_type
                self._serve()
            case RetirePromoCode():
                self.promo_retired = True
            case RescheduleEvent():
                self.moves.append(command)
                for claim in self._live():
                    self._promise(claim, command)
            case ChangeSale():
                self.on_sale_at, self.off_sale_at = command.on_sale_at, command.off_sale_at
                self._serve()
            case RetireTicketType() if command.ticket_type_id not in self.retired:
                self.retired.add(command.ticket_type_id)
                self._send_home(command.ticket_type_id)
                self._serve()
            case CancelSale() if self.open:
                self.open = False
                self._send_home(None)
                self._serve()
            case _:
                pass

    def _send_home(self, type_id: UUID | None) -> None:
        for waiting in self.line:
            if waiting.state == "waiting" and type_id in {None, waiting.type_id}:
                waiting.state = "withdrawn"

    def _promise_all(self, claim: Claim) -> None:
        """Who books in the same instant was promised the start before."""
        for move in self.moves:
            self._promise(claim, move)

    def _promise(self, claim: Claim, move: RescheduleEvent) -> None:
        """Note what a claim may rely on since the event has moved: the best of all starts."""
        days = timedelta(days=claim.conditions.give_back_days)
        claim.promised_at = max(claim.promised_at or move.starts_before, move.starts_at)
        claim.begins_at = move.starts_at
        claim.give_back_until = min(self.now + days, move.starts_at) if days else None

    def _give_away(self, command: ReturnTickets | KeepTickets) -> None:
        tickets = [self.claims[command.booking_id].tickets[each] for each in command.ticket_ids]
        if isinstance(command, KeepTickets):
            for ticket in tickets:
                ticket.returned_at = None
        elif fresh := [ticket for ticket in tickets if ticket.returned_at is None]:
            for ticket in fresh:
                ticket.returned_at = self.now
            self._serve()

    def _place(self, command: PlaceBooking, outcome: Outcome) -> None:
        assert isinstance(outcome, Booked)
        booking = outcome.booking
        assert booking.booking_id not in self.claims
        promo = command.promo_code is not None
        tickets = {}
        for each in booking.tickets:
            price_minor = self.ticket_types[each.ticket_type_id].price_minor
            discount = _discount(price_minor) if promo else 0
            total = _total(price_minor - discount, self.conditions)
            assert (each.seat_id is None) == (self.ticket_types[each.ticket_type_id].zone is None)
            tickets[each.ticket_id] = Ticket(each.ticket_type_id, price_minor, total, discount, each.seat_id)
        for line in command.lines:
            mine = [ticket.seat for ticket in tickets.values() if ticket.type_id == line.ticket_type_id]
            assert len(mine) == line.quantity
            assert line.seats is None or set(line.seats) == set(mine)
        seats = [ticket.seat for ticket in tickets.values() if ticket.seat is not None]
        assert not set(seats) & self._taken_seats()
        assert len(set(seats)) == len(seats)
        hold_seconds = command.hold_seconds
        if (
            hold_seconds is None
            and self.conditions.payment == "online"
            and any(ticket.total_minor for ticket in tickets.values())
        ):
            hold_seconds = self.conditions.hold_seconds
        expires_at = None if hold_seconds is None else self.now + timedelta(seconds=hold_seconds)
        claim = Claim(
            command.buyer_id, tickets, expires_at, self.conditions, self.promo.promo_id if promo else None
        )
        claim.discounts_minor = sum(ticket.discount_minor for ticket in tickets.values())
        self.claims[booking.booking_id] = claim
        self._promise_all(claim)

    def _prolong(self, claim: Claim) -> None:
        assert claim.expires_at is not None
        claim.expires_at = max(claim.expires_at, self.now + timedelta(seconds=claim.conditions.hold_seconds))

    def _confirm(self, claim: Claim, payment_id: UUID | None, paid_minor: int) -> None:
        claim.expires_at, claim.payment_id, claim.paid_minor = None, payment_id, paid_minor
        if claim.entry_id is not None:
            self._entry(claim.entry_id).state = "fulfilled"
        replaced = {ticket.replaces for ticket in claim.tickets.values()} - {None}
        for ticket in claim.tickets.values():
            ticket.replaces = None
        for holder in self._live():
            if theirs := holder.tickets.keys() & replaced:
                self._cancel(holder, tuple(theirs), None)
        if replaced:
            self._serve()

    def _cancel(self, claim: Claim, ticket_ids: Iterable[UUID], event_starts_at: datetime | None) -> None:
        ticket_ids = [*ticket_ids, *self._along(claim, ticket_ids)]
        for ticket_id in ticket_ids:
            if (passing := claim.tickets[ticket_id].passing) is not None:
                self._stop_passing(passing, "withdrawn")
        gone = [claim.tickets.pop(ticket_id) for ticket_id in dict.fromkeys(ticket_ids)]
        if claim.payment_id is not None:
            claim.refunded_minor += sum(self._paid_back(claim, ticket, event_starts_at) for ticket in gone)
        self._set_free(ticket_ids)
        if not claim.tickets:
            self._end(claim, SalesRefusal.ALREADY_CANCELLED)

    def _along(self, claim: Claim, ticket_ids: Iterable[UUID]) -> list[UUID]:
        """Return the add-ons that go with tickets: the newest that are still their buyer's, and unused."""
        left = {each: ticket for each, ticket in claim.tickets.items() if each not in set(ticket_ids)}
        along: list[UUID] = []
        for terms in self.ticket_types.values():
            if not terms.needed_ids:
                continue
            mine = [
                each
                for each, ticket in left.items()
                if ticket.type_id == terms.ticket_type_id and ticket.holder_id is None and not ticket.entries
            ]
            more = self._too_many(left.values(), terms) - self._too_many(claim.tickets.values(), terms)
            along += mine[len(mine) - more :] if 0 < more < len(mine) else mine if more > 0 else []
        return along

    def _paid_back(self, claim: Claim, ticket: Ticket, event_starts_at: datetime | None) -> int:
        if event_starts_at is None or (
            claim.give_back_until is not None and self.now < claim.give_back_until
        ):
            return ticket.total_minor
        counted_from = claim.promised_at or event_starts_at
        open_windows = [
            each
            for each in claim.conditions.refund_windows
            if self.now < counted_from - timedelta(hours=each.hours_before)
        ]
        share = max(open_windows, key=lambda each: each.hours_before).basis_points if open_windows else 0
        return ticket.total_minor * share // 10_000  # halves of even amounts

    def _set_free(self, ticket_ids: Iterable[UUID]) -> None:
        """Give the units of tickets that are no more to those that stood for them."""
        gone = set(ticket_ids)
        for _, ticket in self._live_tickets():
            if ticket.replaces in gone:
                ticket.replaces = None

    def _end(self, claim: Claim, why: SalesRefusal) -> None:
        claim.ended = why
        if claim.entry_id is not None and (waiting := self._entry(claim.entry_id)).state == "offered":
            waiting.state = "withdrawn"

    def _join(self, command: JoinWaitlist, outcome: Outcome) -> None:
        assert isinstance(outcome, Listed)
        assert outcome.entry.state == "waiting"
        self.line.append(
            Waiting(outcome.entry.entry_id, command.buyer_id, command.ticket_type_id, command.quantity)
        )
        self._serve()

    def _accept(self, waiting: Waiting, *, with_promo: bool) -> None:
        if waiting.state == "fulfilled":
            return
        assert waiting.offer is not None
        waiting.state = "fulfilled"
        if with_promo:
            waiting.offer.promo_id = self.promo.promo_id
            for ticket in waiting.offer.tickets.values():
                ticket.discount_minor = _discount(ticket.price_minor)  # of the price that was offered
                ticket.total_minor = _total(
                    ticket.price_minor - ticket.discount_minor, waiting.offer.conditions
                )
            waiting.offer.discounts_minor = sum(
                ticket.discount_minor for ticket in waiting.offer.tickets.values()
            )
        if waiting.offer.due_minor() and waiting.offer.conditions.payment == "online":
            self._prolong(waiting.offer)
        else:
            self._confirm(waiting.offer, None, 0)

    def _leave(self, waiting: Waiting) -> None:
        if waiting.state == "withdrawn":
            return
        offered = waiting.state == "offered"
        waiting.state = "withdrawn"
        if offered:
            assert waiting.offer is not None
            self._cancel(waiting.offer, tuple(waiting.offer.tickets), None)
        self._serve()


def _compare(claim: Claim, booking: Booking) -> None:
    state = "confirmed" if claim.expires_at is None else "held"
    if claim.ended is not None:
        state = "expired" if claim.ended == SalesRefusal.HOLD_EXPIRED else "cancelled"
    assert booking.state == state
    assert (booking.payment_id, booking.paid_minor, booking.refunded_minor) == (
        claim.payment_id,
        claim.paid_minor,
        claim.refunded_minor,
    )
    assert (booking.captured_at is not None) == claim.captured
    assert claim.refunded_minor <= claim.paid_minor
    if claim.live():
        assert booking.expires_at == claim.expires_at or claim.expires_at is None
        live = {each.ticket_id: each for each in booking.tickets if each.state != "void"}
        assert live.keys() == claim.tickets.keys()
        for ticket_id, ticket in claim.tickets.items():
            theirs = live[ticket_id]
            assert (theirs.total_minor(), theirs.seat_id, theirs.replaces) == (
                ticket.total_minor,
                ticket.seat,
                ticket.replaces,
            )
            assert theirs.returning_since == ticket.returned_at
            assert theirs.holder_id == ticket.holder_id
            assert (theirs.state == "used") == (ticket.entries > 0)
            if ticket.secret is None:
                ticket.secret = theirs.secret
            assert theirs.secret == ticket.secret, "a code changes with its holder and its seat alone"


def _used(claim: Claim, ticket_ids: Iterable[UUID] | None) -> set[SalesRefusal]:
    named = set(claim.tickets if ticket_ids is None else ticket_ids) & claim.tickets.keys()
    used = claim.live() and any(claim.tickets[each].entries for each in named)
    return {SalesRefusal.TICKET_USED} if used else set()


def _others(claim: Claim, ticket_ids: Iterable[UUID] | None, buyer_id: UUID | None) -> set[SalesRefusal]:
    """Return whether a buyer names a ticket that another person holds."""
    named = set(claim.tickets if ticket_ids is None else ticket_ids) & claim.tickets.keys()
    others = buyer_id is not None and any(claim.tickets[each].holder_id is not None for each in named)
    return {SalesRefusal.TICKET_PASSED_ON} if others else set()


def _known(ticket_id: UUID | None) -> UUID | None:
    return None if ticket_id == UNKNOWN else ticket_id


def _discount(price_minor: int) -> int:
    return price_minor // 10  # ten per cent of whole tens


def _total(price_minor: int, conditions: Conditions) -> int:
    return price_minor + (conditions.fees.fixed_minor if price_minor else 0)


def _named(outcome: Booked | Listed) -> UUID:
    return outcome.booking.booking_id if isinstance(outcome, Booked) else outcome.entry.entry_id


def _ended(claim: Claim) -> set[SalesRefusal]:
    return set() if claim.ended is None else {claim.ended}


def _not_held(claim: Claim) -> set[SalesRefusal]:
    return {SalesRefusal.ALREADY_CONFIRMED} if claim.live() and claim.expires_at is None else _ended(claim)
