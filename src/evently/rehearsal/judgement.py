"""Whether what the buyers were told is what the server sold: counts that must be 0, read over the same HTTP that everybody uses."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from evently.audit import Finding
from evently.rehearsal.buying import BookingShown, ClientJournal, Ticketing, Told, Unsettled

_LIVE: Final = ("held", "confirmed")
EXAMPLES_MAX: Final = 3  # of each finding, shown to whoever must look into it


class PoolShown(msgspec.Struct, frozen=True):
    """A pool's counters, as the API shows them."""

    pool_id: str
    name: str
    capacity: int
    held: int
    sold: int
    set_aside: int


class ProofShown(msgspec.Struct, frozen=True):
    """What `GET /v1/events/{id}/proof` answers."""

    seq: int
    head_hash: str
    consistent: bool
    differences: list[str]
    stored: list[PoolShown]


class Ledger(msgspec.Struct, frozen=True):
    """What the server says afterwards: every booking of the event, its proof, and what is still available."""

    bookings: list[BookingShown]
    proof: ProofShown
    available: int

    def sold(self) -> int:
        """Return how many tickets are valid."""
        return sum(
            ticket.state != "void"
            for booking in self.bookings
            if booking.state in _LIVE
            for ticket in booking.tickets
        )


def is_clean(findings: Iterable[Finding]) -> bool:
    """Return whether nothing was found."""
    return all(finding.count == 0 for finding in findings)


def judge(journal: ClientJournal, ledger: Ledger, ticketing: Ticketing) -> list[Finding]:
    """Compare. The codes are those of the audit (docs/proof.md) where they mean the same."""
    bookings = {booking.id: booking for booking in ledger.bookings}
    return [
        _finding("I1", "pools that are oversold", _oversold(ledger)),
        _finding("I2", "pools whose counter is not the number of tickets", _miscounted(ledger, ticketing)),
        _finding(
            "I3", "acknowledged bookings that are missing or differ", _missing_or_different(journal, bookings)
        ),
        _finding("I4", "bookings that nobody asked for", _unasked(journal, ledger.bookings)),
        _finding("I6", "keys that were answered with two bookings", journal.contradictions),
        _finding(
            "I11", "differences between the counters and a replay of the journal", _differences(ledger.proof)
        ),
        _finding("R1", "tickets left over although somebody went away without", _left_over(journal, ledger)),
        _finding(
            "R2",
            "tickets sold other than the places, although somebody went away without",
            _not_all_places(journal, ledger, ticketing),
        ),
        _finding("R3", "answers that the API does not document", journal.strange),
    ]


def _finding(code: str, title: str, examples: Sequence[str]) -> Finding:
    return Finding(code, title, len(examples), list(examples[:EXAMPLES_MAX]))


def _oversold(ledger: Ledger) -> list[str]:
    return [
        f"{pool.name}: {pool.held} held, {pool.sold} sold, {pool.set_aside} set aside of {pool.capacity}"
        for pool in ledger.proof.stored
        if pool.held + pool.sold + pool.set_aside > pool.capacity
        or min(pool.held, pool.sold, pool.set_aside) < 0
    ]


def _miscounted(ledger: Ledger, ticketing: Ticketing) -> list[str]:
    live = [booking for booking in ledger.bookings if booking.state in _LIVE]
    valid = Counter(
        ticket.ticket_type_id for booking in live for ticket in booking.tickets if ticket.state != "void"
    )
    taken: Counter[str] = Counter()
    for kind in ticketing.ticket_types:
        for pool_id in kind.pool_ids:
            taken[pool_id] += valid[kind.id]
    return [
        f"{pool.name}: counts {pool.held + pool.sold}, has {taken[pool.pool_id]} tickets"
        for pool in ledger.proof.stored
        if pool.held + pool.sold != taken[pool.pool_id]
    ]


def _missing_or_different(journal: ClientJournal, bookings: dict[str, BookingShown]) -> list[str]:
    return [
        f"{told.booking_id}: {difference}"
        for told in journal.bookings.values()
        if (difference := _difference(told, bookings.get(told.booking_id))) is not None
    ]


def _difference(told: Told, found: BookingShown | None) -> str | None:
    if found is None:
        return "is not there"
    if found.buyer_id != told.buyer_id:
        return f"belongs to {found.buyer_id}, not {told.buyer_id}"
    states = _states_of(told)
    if found.state not in states:
        return f"is {found.state}, not {' or '.join(sorted(states))}"
    kinds = Counter(ticket.ticket_type_id for ticket in found.tickets)
    if kinds != {told.ticket_type_id: told.units}:
        return f"has {dict(kinds)}, not {told.units} of {told.ticket_type_id}"
    prices = sum(ticket.price.amount for ticket in found.tickets)
    return None if prices == told.amount_minor else f"costs {prices}, not {told.amount_minor}"


def _states_of(told: Told) -> set[str]:
    """Return how a booking may stand after what its buyer was told."""
    if told.cancelled:
        return {"cancelled"}
    states = {"confirmed"} if told.cancelled is False else {"confirmed", "cancelled"}
    if not told.owed or told.paid:
        return states
    return {"held", "expired"} if told.paid is False else states | {"held", "expired"}


def _unasked(journal: ClientJournal, bookings: Sequence[BookingShown]) -> list[str]:
    """A buyer who gave up without an answer explains one booking of what was asked for, and no more."""
    explained: defaultdict[tuple[str, str, int], list[Unsettled]] = defaultdict(list)
    for unsettled in journal.unsettled:
        explained[unsettled.buyer_id, unsettled.ticket_type_id, unsettled.units].append(unsettled)
    unasked = []
    for booking in bookings:
        if booking.id in journal.bookings:
            continue
        kinds = {ticket.ticket_type_id for ticket in booking.tickets}
        reasons = explained.get(
            (booking.buyer_id, kinds.pop() if len(kinds) == 1 else "", len(booking.tickets))
        )
        if reasons:
            reasons.pop()
        else:
            unasked.append(f"{booking.id} of {booking.buyer_id}")
    return unasked


def _differences(proof: ProofShown) -> list[str]:
    return proof.differences or ([] if proof.consistent else ["the proof is not consistent"])


def _left_over(journal: ClientJournal, ledger: Ledger) -> list[str]:
    if not journal.left or ledger.available == 0:
        return []
    return [f"{ledger.available} available, {len(journal.left)} buyers without"]


def _not_all_places(journal: ClientJournal, ledger: Ledger, ticketing: Ticketing) -> list[str]:
    """Only where each unit takes one place can as many tickets as places be sold."""
    if not journal.left or any(len(kind.pool_ids) != 1 for kind in ticketing.ticket_types):
        return []
    return [] if ledger.sold() == ticketing.places else [f"{ledger.sold()} sold of {ticketing.places} places"]
