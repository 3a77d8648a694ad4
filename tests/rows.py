"""The rules of sale with rows in memory: what the store would load and write, in plain dictionaries."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from evently.sales import Replay
from evently.sales.commands import Booking, Command, Outcome, PlaceBooking
from evently.sales.facts import Fact, decode_facts, encode_facts
from evently.sales.rules import Answer, Batch, Sale, decide

LIVE: Final = {"held", "confirmed"}


class Rows:
    """One sale and its rows."""

    def __init__(self) -> None:
        self.sale: Sale | None = None
        self.bookings: dict[UUID, Booking] = {}
        self.answers: dict[tuple[UUID, str], Answer] = {}
        self.journal: list[tuple[datetime, list[Fact]]] = []
        self.replays = 0
        self._ids = itertools.count(1_000_000)

    def run(self, commands: Sequence[Command], now: datetime) -> list[Outcome]:
        """Decide one batch and keep what it changed."""
        batch = Batch(now, lambda: UUID(int=next(self._ids)), lambda: bytes(10))
        batch.bookings = dict(self.bookings)
        batch.answers = dict(self.answers)
        batch.buyer_units = self._buyer_units({command.buyer_id for command in commands if isinstance(command, PlaceBooking)})
        batch.due = [booking.booking_id for booking in self.bookings.values() if is_due(booking, now)]
        self.sale, outcomes = decide(self.sale, batch, commands)
        self.bookings |= {booking.booking_id: booking for booking in batch.placed}
        self.bookings |= batch.moved
        self.answers |= {(actor, key): Answer(answer.fingerprint, answer.booking, stored=True) for actor, key, answer in batch.answered}
        self.replays += len(batch.replayed)
        if batch.facts:
            self.journal.append((now, decode_facts(encode_facts(batch.facts))))
        return outcomes

    def use(self, booking: Booking, count: int) -> None:
        """Let so many of a booking's tickets be scanned at the door."""
        scanned = [ticket.ticket_id for ticket in booking.tickets if ticket.state == "valid"][:count]
        tickets = tuple(replace(ticket, state="used") if ticket.ticket_id in scanned else ticket for ticket in booking.tickets)
        self.bookings[booking.booking_id] = replace(booking, tickets=tickets)

    def check(self) -> None:
        """The counters are what the bookings add up to, nothing is oversold, and the journal tells the same."""
        assert self.sale is not None
        again = Replay()
        for at, facts in self.journal:
            again.add(at, facts)
        assert again.state == self.sale.state
        assert again.retired == {each for each, terms in self.sale.ticket_types.items() if terms.retired}
        assert again.pools.keys() == self.sale.pools.keys()
        held, sold = self._units_of("held"), self._units_of("confirmed")
        for pool_id, pool in self.sale.pools.items():
            assert (pool.held, pool.sold, pool.set_aside) == (held[pool_id], sold[pool_id], 0)
            assert pool.taken() <= pool.capacity
            replayed = again.pools[pool_id]
            assert (replayed.held, replayed.sold, replayed.capacity) == (pool.held, pool.sold, pool.capacity)
        assert {(each, booking.state, booking.buyer_id) for each, booking in again.bookings.items()} == {
            (each, booking.state, booking.buyer_id) for each, booking in self.bookings.items()
        }

    def _units_of(self, state: str) -> Counter[UUID]:
        assert self.sale is not None
        return Counter(
            pool_id
            for booking in self.bookings.values()
            if booking.state == state
            for ticket in booking.tickets
            if ticket.state != "void"
            for pool_id in self.sale.ticket_types[ticket.ticket_type_id].pool_ids
        )

    def _buyer_units(self, buyers: set[UUID]) -> dict[tuple[UUID, UUID], int]:
        return Counter(
            (booking.buyer_id, ticket.ticket_type_id)
            for booking in self.bookings.values()
            if booking.buyer_id in buyers and booking.state in LIVE
            for ticket in booking.tickets
            if ticket.state != "void"
        )


def is_due(booking: Booking, now: datetime) -> bool:
    """Whether a hold has run out."""
    return booking.state == "held" and booking.expires_at is not None and booking.expires_at <= now
