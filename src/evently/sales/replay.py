"""The proof: an event's state, made from nothing but its journal. Pure; no line of the rules is used, so that it can contradict them.

A fact about something that is not there, or not in that state, is a contradiction; so is any moment at which more of a pool is taken than
there is, a seat has two owners, or more is paid back than was paid. It costs 12 us a booking (measured, on two slow cores), and a kilobyte
of memory: of the largest events, follow the bookings part by part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from evently.sales import facts as fact
from evently.sales.terms import Conditions

Placed: TypeAlias = fact.BookingConfirmed | fact.BookingHeld
Cancelled: TypeAlias = fact.BookingCancelled | fact.TicketsCancelled


@dataclass(slots=True)
class ReplayedPool:
    """A pool as the journal has it."""

    pool_id: UUID
    name: str
    capacity: int
    held: int = 0
    sold: int = 0
    set_aside: int = 0

    def taken(self) -> int:
        """Return the units that are not available."""
        return self.held + self.sold + self.set_aside

    def check(self) -> None:
        """Raise Contradiction for what no pool can be, even for a moment."""
        if self.held < 0 or self.sold < 0 or self.set_aside < 0 or self.taken() > self.capacity:
            raise Contradiction(
                f"pool {self.pool_id} has {self.held} held, {self.sold} sold and {self.set_aside} set aside of {self.capacity}"
            )


@dataclass(slots=True)
class ReplayedBooking:
    """A booking as the journal has it. `tickets` are those that are not void: ticket -> (ticket type, price)."""

    buyer_id: UUID
    state: str
    placed_at: datetime
    expires_at: datetime | None
    confirmed_at: datetime | None
    ended_at: datetime | None
    tickets: dict[UUID, tuple[UUID, int]]
    money: dict[UUID, fact.MoneyFact]  # of those tickets that have more than a price
    conditions_version: int = 0
    promo_id: UUID | None = None
    entry_id: UUID | None = None
    payment_id: UUID | None = None
    paid_minor: int = 0
    captured_at: datetime | None = None
    refunded_minor: int = 0
    posted: Counter[tuple[str, str]] = field(default_factory=Counter)  # by debit and credit, summed up

    def due_of(self, ticket_id: UUID, price: int) -> tuple[int, int, int]:
        """Return what a ticket costs its buyer, and how much of that are tax and fee."""
        discount, surcharge, fee, tax = self.money.get(ticket_id, (0, 0, 0, 0))
        return price - discount + surcharge, tax, fee


@dataclass(slots=True)
class ReplayedEntry:
    """A waitlist entry as the journal has it."""

    buyer_id: UUID
    ticket_type_id: UUID
    quantity: int
    state: str = "waiting"
    booking_id: UUID | None = None


@dataclass(slots=True)
class ReplayedRefund:
    """What is to be paid back, as the journal has it."""

    booking_id: UUID
    amount_minor: int
    settled: bool = False


@dataclass(slots=True)
class ReplayedPromo:
    """A promo code as the journal has it."""

    uses: int = 0
    spent_minor: int = 0


@dataclass(slots=True)
class Standing:
    """A ticket of an offer that stands for a returned one: it has no unit and no seat of its own yet."""

    ticket_type_id: UUID
    state: str  # of its booking


@dataclass(slots=True)
class Totals:
    """What insight counts: bookings when they are confirmed, cancellations of confirmed ones when they happen."""

    bookings: int = 0
    tickets: int = 0
    amount_minor: int = 0
    cancelled_bookings: int = 0
    cancelled_tickets: int = 0
    cancelled_minor: int = 0


class Contradiction(Exception):
    """The journal says what cannot be: a fact about something that is not there, or not in that state."""


@dataclass(slots=True)
class Replay:
    """Feed it the facts of an event in order with `add`; then look at it."""

    part: tuple[int, int] = (0, 1)  # which, of how many; `bookings` are those of this part
    state: str = ""
    currency: str = ""
    on_sale_at: datetime | None = None
    off_sale_at: datetime | None = None
    pools: dict[UUID, ReplayedPool] = field(default_factory=dict)
    pools_of: dict[UUID, tuple[UUID, ...]] = field(default_factory=dict)  # of a ticket type
    retired: set[UUID] = field(default_factory=set)
    bookings: dict[UUID, ReplayedBooking] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    conditions: dict[int, Conditions] = field(default_factory=dict)  # by version
    seating: tuple[str, tuple[str, ...], bytes] | None = None  # digest, zones, zone of each seat
    seats: dict[int, UUID | None] = field(default_factory=dict)  # claimed ones: ticket, or None for blocked
    aside: dict[UUID, int] = field(default_factory=dict)  # by ticket type
    promos: dict[UUID, ReplayedPromo] = field(default_factory=dict)
    entries: dict[UUID, ReplayedEntry] = field(default_factory=dict)
    overtaken: list[str] = field(default_factory=list)  # sentences: who was offered something before somebody who fitted as well
    refunds: dict[UUID, ReplayedRefund] = field(default_factory=dict)
    returning: set[UUID] = field(default_factory=set)  # tickets
    _waiting: dict[UUID, dict[UUID, int]] = field(default_factory=dict)  # by ticket type: quantities of those who wait, in line
    _standing: dict[UUID, Standing] = field(default_factory=dict)  # by ticket
    _promo_of: dict[UUID, tuple[UUID, int]] = field(default_factory=dict)  # by live booking: promo code, and what it took off

    def add(self, at: datetime, facts: Sequence[fact.Fact]) -> None:
        """Let the facts of one journal row happen. Raises Contradiction."""
        try:
            for each in facts:
                self._let_happen(at, each)
        except KeyError as exc:
            raise Contradiction(f"nothing is known of {exc.args[0]}") from exc

    def follows(self, booking_id: UUID) -> bool:
        """Return whether a booking is of this part."""
        part, parts = self.part
        return parts == 1 or booking_id.int % parts == part

    def _let_happen(self, at: datetime, happened: fact.Fact) -> None:  # noqa: PLR0912  # a table
        match happened:
            case fact.BookingConfirmed() | fact.BookingHeld():
                self._place(at, happened)
            case fact.HoldConfirmed():
                self._confirm(at, happened)
            case fact.HoldExpired():
                if booking := self._held(happened):
                    booking.state, booking.ended_at = "expired", at
                self._end(happened.booking_id, happened.tickets, happened.freed, was="held", whole=True)
            case fact.BookingCancelled() | fact.TicketsCancelled():
                self._cancel(at, happened)
            case fact.HoldExtended():
                if booking := self._in_state(happened.booking_id, "held"):
                    if booking.expires_at is None or happened.expires_at < booking.expires_at:
                        raise Contradiction(f"{happened.booking_id} was made shorter")
                    booking.expires_at = happened.expires_at
            case fact.PaymentCaptured() | fact.RefundSettled():
                self._move_money(at, happened)
            case fact.TicketUnbound():
                self._unbind(happened)
            case fact.SeatsBlocked() | fact.SeatsUnblocked() | fact.SeatingPut():
                self._change_seats(happened)
            case fact.WaitlistJoined() | fact.OfferMade() | fact.OfferAccepted() | fact.EntryWithdrawn() | fact.UnitsSetAside():
                self._wait(happened)
            case fact.TicketsReturned():
                self.returning.update(happened.ticket_ids)
            case fact.TicketsKept():
                self.returning.difference_update(happened.ticket_ids)
            case _:
                self._change_terms(happened)

    # Bookings

    def _place(self, at: datetime, happened: Placed) -> None:
        held = isinstance(happened, fact.BookingHeld)
        expires_at = happened.expires_at if isinstance(happened, fact.BookingHeld) else None
        state = "held" if held else "confirmed"
        if self.follows(happened.booking_id):
            if happened.booking_id in self.bookings:
                raise Contradiction(f"{happened.booking_id} was placed twice")
            booking = ReplayedBooking(
                happened.buyer_id, state, at, expires_at, None if held else at, None, _by_id(happened.tickets), _money_of(happened)
            )
            booking.conditions_version, booking.promo_id = happened.conditions_version, happened.promo_id
            if isinstance(happened, fact.BookingHeld):
                booking.entry_id = happened.entry_id
            else:
                self._post_confirmation(booking, happened.tickets, "door")
            self.bookings[happened.booking_id] = booking
        if happened.promo_id is not None:
            off = sum([money[0] for money in happened.money])
            self._promo_of[happened.booking_id] = (happened.promo_id, off)
            self._use_promo(happened.promo_id, 1, off)
        self._stand_or_take(happened, state)
        self._count(happened.tickets, state, +1)
        if not held:
            self._count_sale(happened.tickets)

    def _stand_or_take(self, happened: Placed, state: str) -> None:
        """Note which tickets stand for returned ones, and which seats the others take."""
        replaces = happened.replaces if isinstance(happened, fact.BookingHeld) else ()
        for place, (ticket_id, type_id, _) in enumerate(happened.tickets):
            if replaces and (other := replaces[place]) is not None:
                if other not in self.returning:
                    raise Contradiction(f"ticket {other} is offered, and was not returned")
                self._standing[ticket_id] = Standing(type_id, state)
            elif happened.seats and happened.seats[place] >= 0:
                self._take_seat(happened.seats[place], ticket_id)

    def _confirm(self, at: datetime, happened: fact.HoldConfirmed) -> None:
        if booking := self._held(happened):
            if booking.expires_at is not None and at >= booking.expires_at:
                raise Contradiction(f"{happened.booking_id} was confirmed after it had run out")
            booking.state, booking.confirmed_at = "confirmed", at
            booking.payment_id, booking.paid_minor = happened.payment_id, happened.paid_minor
            due = self._post_confirmation(booking, happened.tickets, "door" if happened.payment_id is None else "buyer")
            if happened.payment_id is not None and due != happened.paid_minor:
                raise Contradiction(f"{happened.booking_id} costs {due}, and {happened.paid_minor} was paid")
        self._count(happened.tickets, "held", -1)
        self._count(happened.tickets, "confirmed", +1)
        for ticket_id, _, _ in happened.tickets:
            if standing := self._standing.get(ticket_id):
                standing.state = "confirmed"
        self._count_sale(happened.tickets)

    def _held(self, happened: fact.HoldConfirmed | fact.HoldExpired) -> ReplayedBooking | None:
        """Return the booking whose hold ends, with just those tickets; None when it is not of this part."""
        booking = self._in_state(happened.booking_id, "held")
        if booking is not None and booking.tickets != _by_id(happened.tickets):
            raise Contradiction(f"{happened.booking_id} has other tickets")
        return booking

    def _cancel(self, at: datetime, happened: Cancelled) -> None:
        whole = isinstance(happened, fact.BookingCancelled)
        if booking := self._in_state(happened.booking_id, happened.was):
            if happened.was == "confirmed":
                self._post_cancellation(booking, happened)
            for ticket_id, type_id, price in happened.tickets:
                if booking.tickets.pop(ticket_id) != (type_id, price):
                    raise Contradiction(f"ticket {ticket_id} was another when it was booked")
            if whole == bool(booking.tickets):
                raise Contradiction(f"{happened.booking_id} has {len(booking.tickets)} tickets left")
            if whole:
                booking.state, booking.ended_at = "cancelled", at
            booking.refunded_minor += happened.refund_minor
            if booking.refunded_minor > booking.paid_minor:
                raise Contradiction(f"{happened.booking_id} was paid {booking.paid_minor}, and {booking.refunded_minor} is to be paid back")
        if happened.refund_id is not None:
            if happened.refund_id in self.refunds or happened.refund_minor <= 0:
                raise Contradiction(f"refund {happened.refund_id} was decided twice, or is none")
            self.refunds[happened.refund_id] = ReplayedRefund(happened.booking_id, happened.refund_minor)
        self._end(happened.booking_id, happened.tickets, happened.freed, was=happened.was, whole=whole)
        if happened.was == "confirmed":
            self.totals.cancelled_bookings += whole
            self.totals.cancelled_tickets += len(happened.tickets)
            self.totals.cancelled_minor += sum([price for _, _, price in happened.tickets])

    def _end(self, booking_id: UUID, tickets: Sequence[fact.TicketFact], freed: Sequence[int], *, was: str, whole: bool) -> None:
        """Give back what tickets had: units, seats, the use of a promo code."""
        self._count(tickets, was, -1)
        gone = {ticket_id for ticket_id, _, _ in tickets}
        for number in freed:
            if self.seats.pop(number) not in gone:
                raise Contradiction(f"seat {number} was freed by somebody who did not have it")
        self.returning -= gone
        for ticket_id in gone:
            self._standing.pop(ticket_id, None)
        if whole and (used := self._promo_of.pop(booking_id, None)):
            self._use_promo(used[0], -1, -used[1])

    def _unbind(self, happened: fact.TicketUnbound) -> None:
        standing = self._standing.pop(happened.ticket_id)
        self._count([(happened.ticket_id, standing.ticket_type_id, 0)], standing.state, +1)
        if happened.seat is not None:
            self._take_seat(happened.seat, happened.ticket_id)

    def _in_state(self, booking_id: UUID, state: str) -> ReplayedBooking | None:
        """Return a booking that must be in that state; None when it is not of this part."""
        if not self.follows(booking_id):
            return None
        booking = self.bookings[booking_id]
        if booking.state != state:
            raise Contradiction(f"{booking_id} is {booking.state}, not {state}")
        return booking

    # Units and seats

    def _count(self, tickets: Sequence[fact.TicketFact], state: str, change: int) -> None:
        for ticket_id, type_id, _ in tickets:
            if ticket_id in self._standing:
                continue
            for pool_id in self.pools_of[type_id]:
                pool = self.pools[pool_id]
                if state == "held":
                    pool.held += change
                else:
                    pool.sold += change
                pool.check()

    def _count_sale(self, tickets: Sequence[fact.TicketFact]) -> None:
        self.totals.bookings += 1
        self.totals.tickets += len(tickets)
        self.totals.amount_minor += sum([price for _, _, price in tickets])

    def _take_seat(self, number: int, owner: UUID | None) -> None:
        if number in self.seats:
            raise Contradiction(f"seat {number} was given away twice")
        self.seats[number] = owner

    def _change_seats(self, happened: fact.Fact) -> None:
        match happened:
            case fact.SeatsBlocked():
                for number in happened.seats:
                    self._take_seat(number, None)
            case fact.SeatsUnblocked():
                for number in happened.seats:
                    if self.seats.pop(number) is not None:
                        raise Contradiction(f"seat {number} was not blocked")
            case fact.SeatingPut():
                if self.seating is not None and self.seating[0] != happened.digest and self.seats:
                    raise Contradiction("the map has changed under seats that were taken")
                self.seating = (happened.digest, happened.zones, happened.zone_of)

    # Money

    def _post_confirmation(self, booking: ReplayedBooking, tickets: Sequence[fact.TicketFact], owes: str) -> int:
        """Post what confirming these tickets owes to whom; return the whole."""
        whole = 0
        for ticket_id, _, price in tickets:
            due, tax, fee = booking.due_of(ticket_id, price)
            whole += due
            booking.posted[owes, "organizer"] += due - tax - fee
            booking.posted[owes, "tax"] += tax
            booking.posted[owes, "fees"] += fee
        return whole

    def _post_cancellation(self, booking: ReplayedBooking, happened: Cancelled) -> None:
        """Post what is undone, or paid back: how a refund is shared out is the ledger's business, its sum is ours."""
        if booking.payment_id is not None and not happened.unpaid:
            booking.posted["", "refunds"] += happened.refund_minor
            return
        owed = "door" if booking.payment_id is None else "buyer"
        for ticket_id, _, price in happened.tickets:
            due, tax, fee = booking.due_of(ticket_id, price)
            booking.posted["organizer", owed] += due - tax - fee
            booking.posted["tax", owed] += tax
            booking.posted["fees", owed] += fee

    def _move_money(self, at: datetime, happened: fact.Fact) -> None:
        match happened:
            case fact.PaymentCaptured():
                if booking := self.bookings[happened.booking_id] if self.follows(happened.booking_id) else None:
                    if booking.captured_at is not None or (booking.payment_id, booking.paid_minor) != (
                        happened.payment_id,
                        happened.amount_minor,
                    ):
                        raise Contradiction(f"{happened.booking_id} was captured twice, or with another payment")
                    booking.captured_at = at
                    booking.posted["gateway", "buyer"] += happened.amount_minor
            case fact.RefundSettled():
                refund = self.refunds[happened.refund_id]
                if refund.settled or (refund.booking_id, refund.amount_minor) != (happened.booking_id, happened.amount_minor):
                    raise Contradiction(f"refund {happened.refund_id} was settled twice, or is another")
                refund.settled = True
                if self.follows(happened.booking_id):
                    to = "gateway" if happened.how == "gateway" else "buyer"
                    self.bookings[happened.booking_id].posted["refunds", to] += happened.amount_minor

    def _use_promo(self, promo_id: UUID, uses: int, spent_minor: int) -> None:
        promo = self.promos[promo_id]
        promo.uses += uses
        promo.spent_minor += spent_minor

    # Waiting

    def _wait(self, happened: fact.Fact) -> None:
        match happened:
            case fact.WaitlistJoined():
                entry = ReplayedEntry(happened.buyer_id, happened.ticket_type_id, happened.quantity)
                if self.entries.setdefault(happened.entry_id, entry) is not entry:
                    raise Contradiction(f"entry {happened.entry_id} has joined twice")
                self._waiting.setdefault(happened.ticket_type_id, {})[happened.entry_id] = happened.quantity
            case fact.OfferMade():
                entry = self._entry(happened.entry_id, "waiting")
                self._look_for_overtaken(happened.entry_id, entry)
                entry.state, entry.booking_id = "offered", happened.booking_id
            case fact.OfferAccepted():
                entry = self._entry(happened.entry_id, "offered")
                if entry.booking_id != happened.booking_id:
                    raise Contradiction(f"entry {happened.entry_id} was offered another booking")
                entry.state = "fulfilled"
            case fact.EntryWithdrawn():
                entry = self.entries[happened.entry_id]
                if entry.state not in ("waiting", "offered"):
                    raise Contradiction(f"entry {happened.entry_id} is {entry.state}, and was withdrawn")
                self._waiting[entry.ticket_type_id].pop(happened.entry_id, None)
                entry.state = "withdrawn"
            case fact.UnitsSetAside():
                change = happened.units - self.aside.get(happened.ticket_type_id, 0)
                self.aside[happened.ticket_type_id] = happened.units
                for pool_id in self.pools_of[happened.ticket_type_id]:
                    self.pools[pool_id].set_aside += change
                    self.pools[pool_id].check()

    def _entry(self, entry_id: UUID, state: str) -> ReplayedEntry:
        entry = self.entries[entry_id]
        if entry.state != state:
            raise Contradiction(f"entry {entry_id} is {entry.state}, not {state}")
        return entry

    def _look_for_overtaken(self, entry_id: UUID, entry: ReplayedEntry) -> None:
        """Whoever waits for as much or less, and joined before, should have been asked before."""
        line = self._waiting[entry.ticket_type_id]
        for other, quantity in line.items():
            if other == entry_id:
                break
            if quantity <= entry.quantity:
                self.overtaken.append(f"entry {other} was overtaken by {entry_id}")
        del line[entry_id]

    # Terms

    def _change_terms(self, happened: fact.Fact) -> None:  # noqa: PLR0912  # a table
        match happened:
            case fact.SaleSetUp():
                self.state, self.currency = "closed", happened.currency
                self.on_sale_at, self.off_sale_at = happened.on_sale_at, happened.off_sale_at
            case fact.SaleChanged():
                self.on_sale_at, self.off_sale_at = happened.on_sale_at, happened.off_sale_at
            case fact.SaleOpened():
                self.state = "open"
            case fact.SaleCancelled():
                self.state = "cancelled"
            case fact.PoolPut():
                pool = self.pools.setdefault(happened.pool_id, ReplayedPool(happened.pool_id, happened.name, happened.capacity))
                pool.name, pool.capacity = happened.name, happened.capacity
                pool.check()
            case fact.PoolRemoved():
                if self.pools.pop(happened.pool_id).taken():
                    raise Contradiction(f"pool {happened.pool_id} was removed with units taken")
            case fact.TicketTypePut():
                self.pools_of[happened.ticket_type_id] = happened.pool_ids
            case fact.TicketTypeRetired():
                self.retired.add(happened.ticket_type_id)
            case fact.ConditionsPut():
                if happened.version != len(self.conditions) + 1:
                    raise Contradiction(f"conditions {happened.version} follow {len(self.conditions)}")
                self.conditions[happened.version] = happened.conditions
            case fact.PromoCodePut():
                self.promos.setdefault(happened.promo.promo_id, ReplayedPromo())
            case _:
                raise AssertionError(f"a fact that replay does not know: {happened}")


def _by_id(tickets: Sequence[fact.TicketFact]) -> dict[UUID, tuple[UUID, int]]:
    return {ticket_id: (type_id, price) for ticket_id, type_id, price in tickets}


def _money_of(happened: Placed) -> dict[UUID, fact.MoneyFact]:
    return {ticket[0]: money for ticket, money in zip(happened.tickets, happened.money, strict=False)}
