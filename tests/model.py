"""What selling means, once more and as plainly as possible: no counters, no facts, no code of the rules.

The model knows who was given what, and counts whenever it wants to know. Asked about a command, it names every reason against it; the rules
must then refuse for one of these reasons, or carry the command out where there is none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from evently.sales.commands import (
    Booked,
    CancelBooking,
    CancelSale,
    Command,
    ConfirmBooking,
    Done,
    ExpireHolds,
    No,
    OpenSale,
    Outcome,
    PlaceBooking,
    PoolTerms,
    PutPool,
    SalesRefusal,
    TicketTypeTerms,
)


@dataclass
class Claim:
    """What a buyer was given: ticket -> ticket type."""

    buyer_id: UUID
    tickets: dict[UUID, UUID]
    expires_at: datetime | None  # None: confirmed
    ended: SalesRefusal | None = None  # what whoever comes too late is told


@dataclass
class Model:
    """One sale. `now` is set before each command."""

    pools: dict[UUID, PoolTerms]
    ticket_types: dict[UUID, TicketTypeTerms]
    now: datetime
    open: bool = True
    claims: dict[UUID, Claim] = field(default_factory=dict)
    answers: dict[tuple[UUID, str], tuple[bytes, UUID]] = field(default_factory=dict)

    def judge(self, command: Command, outcome: Outcome) -> None:
        """Accept what the rules answered, and remember it; or fail."""
        for claim in self.claims.values():
            if claim.ended is None and claim.expires_at is not None and claim.expires_at <= self.now:
                claim.ended = SalesRefusal.HOLD_EXPIRED
        if self._judge_replay(command, outcome):
            return
        reasons = self.reasons_against(command)
        if isinstance(outcome, No):
            assert outcome.refusal in reasons, f"{command} was refused for {outcome.refusal}, not for one of {reasons}"
        else:
            assert not reasons, f"{command} was carried out in spite of {reasons}"
            self._carry_out(command, outcome)

    def taken(self, pool_id: UUID) -> tuple[int, int]:
        """Return the units of a pool that are held and sold."""
        units = [0, 0]
        for claim in self.claims.values():
            if claim.ended is None:
                kinds = claim.tickets.values()
                units[claim.expires_at is None] += sum(pool_id in self.ticket_types[kind].pool_ids for kind in kinds)
        return units[0], units[1]

    def available(self, pool_id: UUID) -> int:
        return self.pools[pool_id].capacity - sum(self.taken(pool_id))

    def reasons_against(self, command: Command) -> set[SalesRefusal]:
        """Return every reason to refuse a command."""
        match command:
            case PlaceBooking():
                return self._against_placing(command)
            case ConfirmBooking():
                claim = self.claims[command.booking_id]
                late = {SalesRefusal.ALREADY_CONFIRMED} if claim.ended is None and claim.expires_at is None else _ended(claim)
                return late if self.open else late | {SalesRefusal.EVENT_CANCELLED}
            case CancelBooking():
                return self._against_cancelling(command)
            case PutPool():
                short = command.pool.capacity < sum(self.taken(command.pool.pool_id))
                return {SalesRefusal.CAPACITY_TAKEN} if short else set()
            case OpenSale():
                return set() if self.open else {SalesRefusal.EVENT_CANCELLED}
            case _:
                return set()

    def _against_placing(self, command: PlaceBooking) -> set[SalesRefusal]:
        reasons = set() if self.open else {SalesRefusal.EVENT_CANCELLED}
        needs = dict.fromkeys(self.pools, 0)
        for line in command.lines:
            terms = self.ticket_types[line.ticket_type_id]
            if line.quantity > terms.per_booking_max:
                reasons.add(SalesRefusal.OVER_BOOKING_LIMIT)
            if terms.per_buyer_max is not None and self._has(command.buyer_id, terms) + line.quantity > terms.per_buyer_max:
                reasons.add(SalesRefusal.OVER_BUYER_LIMIT)
            if terms.on_sale_at is not None and self.now < terms.on_sale_at:
                reasons.add(SalesRefusal.NOT_ON_SALE_YET)
            if terms.off_sale_at is not None and self.now >= terms.off_sale_at:
                reasons.add(SalesRefusal.SALE_ENDED)
            for pool_id in terms.pool_ids:
                needs[pool_id] += line.quantity
        if any(units > self.available(pool_id) for pool_id, units in needs.items() if units):
            reasons.add(SalesRefusal.SOLD_OUT)
        return reasons

    def _against_cancelling(self, command: CancelBooking) -> set[SalesRefusal]:
        claim = self.claims[command.booking_id]
        if command.buyer_id not in {None, claim.buyer_id}:
            return {SalesRefusal.BOOKING_NOT_FOUND}
        reasons = _ended(claim)
        if command.not_after is not None and self.now >= command.not_after:
            reasons.add(SalesRefusal.TOO_LATE_TO_CANCEL)
        if command.ticket_ids is not None and not claim.tickets.keys() >= set(command.ticket_ids):
            reasons.add(SalesRefusal.ALREADY_CANCELLED)  # every ticket that is named was once this booking's
        return reasons

    def _has(self, buyer_id: UUID, terms: TicketTypeTerms) -> int:
        mine = [claim for claim in self.claims.values() if claim.buyer_id == buyer_id and claim.ended is None]
        return sum(kind == terms.ticket_type_id for claim in mine for kind in claim.tickets.values())

    def _judge_replay(self, command: Command, outcome: Outcome) -> bool:
        """Return whether the key of a command has been answered before, and then accept only that answer."""
        if not isinstance(command, PlaceBooking | CancelBooking) or command.key is None:
            return False
        actor_id = command.buyer_id if isinstance(command, PlaceBooking) else command.actor_id
        earlier = self.answers.get((actor_id, command.key))
        if earlier is None:
            if isinstance(outcome, Booked):
                self.answers[actor_id, command.key] = command.fingerprint, outcome.booking.booking_id
            return False
        if earlier[0] != command.fingerprint:
            assert outcome == No(SalesRefusal.KEY_REUSED)
        else:
            assert isinstance(outcome, Booked)
            assert outcome.replayed
            assert outcome.booking.booking_id == earlier[1]
        return True

    def _carry_out(self, command: Command, outcome: Outcome) -> None:
        match command:
            case PlaceBooking():
                self._place(command, outcome)
            case ConfirmBooking():
                self.claims[command.booking_id].expires_at = None
            case CancelBooking():
                self._cancel(command)
            case PutPool():
                self.pools[command.pool.pool_id] = command.pool
            case CancelSale():
                self.open = False
            case _:
                assert isinstance(command, ExpireHolds | OpenSale)
                assert outcome == Done()

    def _place(self, command: PlaceBooking, outcome: Outcome) -> None:
        assert isinstance(outcome, Booked)
        booking = outcome.booking
        assert booking.booking_id not in self.claims
        tickets = {ticket.ticket_id: ticket.ticket_type_id for ticket in booking.tickets}
        for line in command.lines:
            assert list(tickets.values()).count(line.ticket_type_id) == line.quantity
        assert booking.total_minor() == sum(self.ticket_types[line.ticket_type_id].price_minor * line.quantity for line in command.lines)
        expires_at = None if command.hold_seconds is None else self.now + timedelta(seconds=command.hold_seconds)
        self.claims[booking.booking_id] = Claim(command.buyer_id, tickets, expires_at)

    def _cancel(self, command: CancelBooking) -> None:
        claim = self.claims[command.booking_id]
        for ticket_id in command.ticket_ids or tuple(claim.tickets):
            claim.tickets.pop(ticket_id, None)
        if not claim.tickets:
            claim.ended = SalesRefusal.ALREADY_CANCELLED


def _ended(claim: Claim) -> set[SalesRefusal]:
    return set() if claim.ended is None else {claim.ended}
