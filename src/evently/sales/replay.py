"""The proof: an event's state, made from nothing but its journal. Pure; no line of the rules is used, so that it can contradict them.

A fact about something that is not there, or not in that state, is a contradiction; so is any moment at which more of a pool is taken than
there is. It costs 6 us a fact, and 800 bytes a booking: of the largest events, follow the bookings part by part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from evently.sales import facts as fact


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
        if self.held < 0 or self.sold < 0 or self.taken() > self.capacity:
            raise Contradiction(f"pool {self.pool_id} has {self.held} held and {self.sold} sold of {self.capacity}")


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

    def _let_happen(self, at: datetime, happened: fact.Fact) -> None:
        match happened:
            case fact.BookingConfirmed() | fact.BookingHeld():
                self._place(at, happened)
            case fact.HoldConfirmed():
                if booking := self._held(happened):
                    booking.state, booking.confirmed_at = "confirmed", at
                self._count(happened.tickets, held=-1, sold=+1)
                self._count_sale(happened.tickets)
            case fact.HoldExpired():
                if booking := self._held(happened):
                    booking.state, booking.ended_at = "expired", at
                self._count(happened.tickets, held=-1, sold=0)
            case fact.BookingCancelled() | fact.TicketsCancelled():
                self._cancel(at, happened)
            case _:
                self._change_terms(happened)

    def _place(self, at: datetime, happened: fact.BookingConfirmed | fact.BookingHeld) -> None:
        expires_at = happened.expires_at if isinstance(happened, fact.BookingHeld) else None
        held = expires_at is not None
        if self.follows(happened.booking_id):
            if happened.booking_id in self.bookings:
                raise Contradiction(f"{happened.booking_id} was placed twice")
            state, confirmed_at = ("held", None) if held else ("confirmed", at)
            tickets = _by_id(happened.tickets)
            self.bookings[happened.booking_id] = ReplayedBooking(happened.buyer_id, state, at, expires_at, confirmed_at, None, tickets)
        self._count(happened.tickets, held=+1 if held else 0, sold=0 if held else +1)
        if not held:
            self._count_sale(happened.tickets)

    def _held(self, happened: fact.HoldConfirmed | fact.HoldExpired) -> ReplayedBooking | None:
        """Return the booking whose hold ends, with just those tickets; None when it is not of this part."""
        booking = self._in_state(happened.booking_id, "held")
        if booking is not None and booking.tickets != _by_id(happened.tickets):
            raise Contradiction(f"{happened.booking_id} has other tickets")
        return booking

    def _cancel(self, at: datetime, happened: fact.BookingCancelled | fact.TicketsCancelled) -> None:
        confirmed, whole = happened.was == "confirmed", isinstance(happened, fact.BookingCancelled)
        if booking := self._in_state(happened.booking_id, happened.was):
            for ticket_id, type_id, price in happened.tickets:
                if booking.tickets.pop(ticket_id) != (type_id, price):
                    raise Contradiction(f"ticket {ticket_id} was another when it was booked")
            if whole == bool(booking.tickets):
                raise Contradiction(f"{happened.booking_id} has {len(booking.tickets)} tickets left")
            if whole:
                booking.state, booking.ended_at = "cancelled", at
        self._count(happened.tickets, held=0 if confirmed else -1, sold=-1 if confirmed else 0)
        if confirmed:
            self.totals.cancelled_bookings += whole
            self.totals.cancelled_tickets += len(happened.tickets)
            self.totals.cancelled_minor += sum(price for _, _, price in happened.tickets)

    def _change_terms(self, happened: fact.Fact) -> None:
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
            case _:
                raise AssertionError(f"a fact that replay does not know: {happened}")

    def _in_state(self, booking_id: UUID, state: str) -> ReplayedBooking | None:
        """Return a booking that must be in that state; None when it is not of this part."""
        if not self.follows(booking_id):
            return None
        booking = self.bookings[booking_id]
        if booking.state != state:
            raise Contradiction(f"{booking_id} is {booking.state}, not {state}")
        return booking

    def _count(self, tickets: Sequence[fact.TicketFact], *, held: int, sold: int) -> None:
        for _, type_id, _ in tickets:
            for pool_id in self.pools_of[type_id]:
                pool = self.pools[pool_id]
                pool.held += held
                pool.sold += sold
                pool.check()

    def _count_sale(self, tickets: Sequence[fact.TicketFact]) -> None:
        self.totals.bookings += 1
        self.totals.tickets += len(tickets)
        self.totals.amount_minor += sum(price for _, _, price in tickets)


def _by_id(tickets: Sequence[fact.TicketFact]) -> dict[UUID, tuple[UUID, int]]:
    return {ticket_id: (type_id, price) for ticket_id, type_id, price in tickets}
