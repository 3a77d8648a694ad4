"""The proof: an event's state, made from nothing but its journal. Pure; no line of the rules is used, so that it can contradict them."""

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


@dataclass(slots=True)
class ReplayedBooking:
    """A booking as the journal has it. `tickets` are those that are not void: ticket -> (ticket type, price)."""

    buyer_id: UUID
    state: str
    placed_at: datetime
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

    def _let_happen(self, at: datetime, happened: fact.Fact) -> None:
        match happened:
            case fact.BookingConfirmed() | fact.BookingHeld():
                self._place(at, happened)
            case fact.HoldConfirmed():
                booking = self._in_state(happened.booking_id, "held")
                booking.state = "confirmed"
                self._count(happened.tickets, held=-1, sold=+1)
                self._count_sale(happened.tickets)
            case fact.HoldExpired():
                booking = self._in_state(happened.booking_id, "held")
                booking.state = "expired"
                self._count(happened.tickets, held=-1, sold=0)
            case fact.BookingCancelled() | fact.TicketsCancelled():
                self._cancel(happened)
            case _:
                self._change_terms(happened)

    def _place(self, at: datetime, happened: fact.BookingConfirmed | fact.BookingHeld) -> None:
        if happened.booking_id in self.bookings:
            raise Contradiction(f"{happened.booking_id} was placed twice")
        confirmed = isinstance(happened, fact.BookingConfirmed)
        tickets = {ticket_id: (type_id, price) for ticket_id, type_id, price in happened.tickets}
        state = "confirmed" if confirmed else "held"
        self.bookings[happened.booking_id] = ReplayedBooking(happened.buyer_id, state, at, tickets)
        self._count(happened.tickets, held=0 if confirmed else +1, sold=+1 if confirmed else 0)
        if confirmed:
            self._count_sale(happened.tickets)

    def _cancel(self, happened: fact.BookingCancelled | fact.TicketsCancelled) -> None:
        booking = self._in_state(happened.booking_id, happened.was)
        for ticket_id, _, _ in happened.tickets:
            del booking.tickets[ticket_id]
        confirmed = happened.was == "confirmed"
        self._count(happened.tickets, held=0 if confirmed else -1, sold=-1 if confirmed else 0)
        if confirmed:
            self.totals.cancelled_tickets += len(happened.tickets)
            self.totals.cancelled_minor += sum(price for _, _, price in happened.tickets)
        if isinstance(happened, fact.BookingCancelled):
            booking.state = "cancelled"
            self.totals.cancelled_bookings += confirmed

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
            case fact.PoolRemoved():
                del self.pools[happened.pool_id]
            case fact.TicketTypePut():
                self.pools_of[happened.ticket_type_id] = happened.pool_ids
            case fact.TicketTypeRetired():
                self.retired.add(happened.ticket_type_id)
            case _:
                raise AssertionError(f"a fact that replay does not know: {happened}")

    def _in_state(self, booking_id: UUID, state: str) -> ReplayedBooking:
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

    def _count_sale(self, tickets: Sequence[fact.TicketFact]) -> None:
        self.totals.bookings += 1
        self.totals.tickets += len(tickets)
        self.totals.amount_minor += sum(price for _, _, price in tickets)
