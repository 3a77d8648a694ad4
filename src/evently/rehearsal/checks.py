"""Compares the client journal with the bookings that the server has after a rehearsal, read over HTTP.

compare(journal, records, ticketing)   the findings; every count must be 0
check_room(journal, draw, ...)       those of a waiting room, whose order is computed here again
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

import msgspec

from evently.audit import Finding
from evently.rehearsal.buying import AcknowledgedBooking, BookingShown, ClientJournal, Ticketing, Unsettled
from evently.rehearsal.waiting import PlaceNoted, RoomJournal

_LIVE: Final = ("held", "confirmed")
EXAMPLES_MAX: Final = 3  # shown for each finding
OUT_OF_ORDER: Final = "W3"
# A process may know the pace of a waiting room for a quarter of a second after another one has begun
_TURN_GRACE: Final = timedelta(seconds=0.5)


class PoolShown(msgspec.Struct, frozen=True):
    """A pool's counters, as the API shows them."""

    pool_id: str
    name: str
    capacity: int
    held: int
    sold: int
    set_aside: int


class ProofShown(msgspec.Struct, frozen=True):
    """The answer of `GET /v1/events/{id}/proof`."""

    seq: int
    head_hash: str
    consistent: bool
    differences: list[str]
    stored: list[PoolShown]


class DrawShown(msgspec.Struct):
    """The draw of a waiting room, as the API shows it; `data` has the ids of all pages."""

    seed_hash: str
    seed: str | None
    list_hash: str | None
    public_value: str | None
    data: list[str]
    next_cursor: str | None


class ServerRecords(msgspec.Struct, frozen=True):
    """The records of the server after a rehearsal: all bookings, the proof, and the available units."""

    bookings: list[BookingShown]
    proof: ProofShown
    available: int

    def sold(self) -> int:
        """Return the number of valid tickets."""
        return sum(
            ticket.state != "void"
            for booking in self.bookings
            if booking.state in _LIVE
            for ticket in booking.tickets
        )


def is_clean(findings: Iterable[Finding]) -> bool:
    """Return whether all counts are 0."""
    return all(finding.count == 0 for finding in findings)


def compare(journal: ClientJournal, records: ServerRecords, ticketing: Ticketing) -> list[Finding]:
    """Return the findings; codes are those of the audit (docs/proof.md) where the meaning is the same."""
    bookings = {booking.id: booking for booking in records.bookings}
    return [
        _finding("I1", "Capacity: pools that are oversold", _oversold(records)),
        _finding(
            "I2", "Counters: pools whose counters differ from their tickets", _miscounted(records, ticketing)
        ),
        _finding(
            "I3",
            "Acknowledged bookings: missing, or different from what the buyer was told",
            _missing_or_different(journal, bookings),
        ),
        _finding("I4", "Buyers: bookings that no buyer requested", _not_requested(journal, records.bookings)),
        _finding("I6", "Idempotency: keys with two bookings", journal.contradictions),
        _finding(
            "I11",
            "Journal: counters that differ from a replay of the journal",
            _differences(records.proof),
        ),
        _finding(
            "R1", "Unsold: tickets available although buyers left without", _left_over(journal, records)
        ),
        _finding(
            "R2",
            "Sold: fewer or more tickets than places, although buyers left without",
            _not_all_places(journal, records, ticketing),
        ),
        _finding("R3", "Answers: answers that the API does not document", journal.undocumented),
    ]


def check_room(
    journal: RoomJournal, draw: DrawShown, records: ServerRecords, ticketing: Ticketing
) -> list[Finding]:
    """Return the findings about what the buyers were told in the waiting room."""
    places = list(journal.places.values())
    return [
        _finding("W1", "Places: accounts with two, and places that moved", journal.contradictions),
        _finding(
            "W2", "Draw: positions that differ from those that anybody can compute", _drawn(draw, places)
        ),
        _finding(
            OUT_OF_ORDER,
            "Order: people whose turn came before that of a smaller number",
            _out_of_order(places),
        ),
        _finding(
            "W4",
            "Admissions: bookings of people who had none",
            _not_admitted(journal, records.bookings, ticketing),
        ),
    ]


def positions_of(draw: DrawShown) -> dict[str, int] | None:
    """Compute the order that was drawn, as docs/waiting-room.md explains; None: what was promised differs."""
    if draw.seed is None or draw.list_hash is None or draw.public_value is None:
        return None
    seed, list_hash = bytes.fromhex(draw.seed), _sha256("".join(sorted(draw.data)).encode())
    if (_sha256(seed), list_hash) != (draw.seed_hash, draw.list_hash):
        return None
    suffix = list_hash + draw.public_value
    ranked = sorted(draw.data, key=lambda entry: hmac.digest(seed, (entry + suffix).encode(), "sha256"))
    return {entry: number for number, entry in enumerate(ranked, start=1)}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _drawn(draw: DrawShown, places: Iterable[PlaceNoted]) -> list[str]:
    positions = positions_of(draw)
    if positions is None:
        return ["the seed or the list is not the one that was promised"]
    return [
        f"{told.entry}: told {told.position}, drawn as {positions.get(told.entry)}"
        for told in places
        if told.position is not None
        and (told.position <= len(positions) if told.late else positions.get(told.entry) != told.position)
    ]


def _out_of_order(places: Iterable[PlaceNoted]) -> list[str]:
    """Compare turns with positions. The turn of who came late is not before the coming."""
    turns = sorted(
        (told.position, told.turn_at, told.entry)
        for told in places
        if told.position is not None and told.turn_at is not None and not told.late
    )
    return [
        f"{entry}, number {position}, at {turn_at}: number {before[0]} at {before[1]}"
        for before, (position, turn_at, entry) in itertools.pairwise(turns)
        if turn_at + _TURN_GRACE < before[1]
    ]


def _not_admitted(journal: RoomJournal, bookings: Iterable[BookingShown], ticketing: Ticketing) -> list[str]:
    admitted = {
        ticketing.buyer_ids[number] for number, told in journal.places.items() if told.admission is not None
    }
    return [f"{booking.id} of {booking.buyer_id}" for booking in bookings if booking.buyer_id not in admitted]


def _finding(code: str, title: str, examples: Sequence[str]) -> Finding:
    return Finding(code, title, len(examples), list(examples[:EXAMPLES_MAX]))


def _oversold(records: ServerRecords) -> list[str]:
    return [
        f"{pool.name}: {pool.held} held, {pool.sold} sold, {pool.set_aside} set aside of {pool.capacity}"
        for pool in records.proof.stored
        if pool.held + pool.sold + pool.set_aside > pool.capacity
        or min(pool.held, pool.sold, pool.set_aside) < 0
    ]


def _miscounted(records: ServerRecords, ticketing: Ticketing) -> list[str]:
    live = [booking for booking in records.bookings if booking.state in _LIVE]
    valid = Counter(
        ticket.ticket_type_id for booking in live for ticket in booking.tickets if ticket.state != "void"
    )
    taken: Counter[str] = Counter()
    for kind in ticketing.ticket_types:
        for pool_id in kind.pool_ids:
            taken[pool_id] += valid[kind.id]
    return [
        f"{pool.name}: counts {pool.held + pool.sold}, has {taken[pool.pool_id]} tickets"
        for pool in records.proof.stored
        if pool.held + pool.sold != taken[pool.pool_id]
    ]


def _missing_or_different(journal: ClientJournal, bookings: dict[str, BookingShown]) -> list[str]:
    return [
        f"{acknowledged.booking_id}: {difference}"
        for acknowledged in journal.bookings.values()
        if (difference := _difference(acknowledged, bookings.get(acknowledged.booking_id))) is not None
    ]


def _difference(acknowledged: AcknowledgedBooking, found: BookingShown | None) -> str | None:
    if found is None:
        return "is missing"
    if found.buyer_id != acknowledged.buyer_id:
        return f"belongs to {found.buyer_id}, not {acknowledged.buyer_id}"
    states = _states_of(acknowledged)
    if found.state not in states:
        return f"is {found.state}, not {' or '.join(sorted(states))}"
    kinds = Counter(ticket.ticket_type_id for ticket in found.tickets)
    if kinds != {acknowledged.ticket_type_id: acknowledged.units}:
        return f"has {dict(kinds)}, not {acknowledged.units} of {acknowledged.ticket_type_id}"
    prices = sum(ticket.price.amount for ticket in found.tickets)
    if prices != acknowledged.amount_minor:
        return f"costs {prices}, not {acknowledged.amount_minor}"
    whole = found.state in _LIVE and all(ticket.state != "void" for ticket in found.tickets)
    if whole and acknowledged.total_minor not in (None, found.total.amount):
        return f"costs {found.total.amount} in all, not {acknowledged.total_minor}"
    return None


def _states_of(acknowledged: AcknowledgedBooking) -> set[str]:
    """Return the states that a booking may have after what the server acknowledged."""
    if acknowledged.cancelled:
        return {"cancelled"}
    states = {"confirmed"} if acknowledged.cancelled is False else {"confirmed", "cancelled"}
    if not acknowledged.owed or acknowledged.paid:
        return states
    return {"held", "expired"} if acknowledged.paid is False else states | {"held", "expired"}


def _not_requested(journal: ClientJournal, bookings: Sequence[BookingShown]) -> list[str]:
    """Return the bookings without a request. A request without an answer accounts for one booking."""
    explained: defaultdict[tuple[str, str, int], list[Unsettled]] = defaultdict(list)
    for unsettled in journal.unsettled:
        explained[unsettled.buyer_id, unsettled.ticket_type_id, unsettled.units].append(unsettled)
    found = []
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
            found.append(f"{booking.id} of {booking.buyer_id}")
    return found


def _differences(proof: ProofShown) -> list[str]:
    return proof.differences or ([] if proof.consistent else ["the proof is not consistent"])


def _left_over(journal: ClientJournal, records: ServerRecords) -> list[str]:
    if not journal.without_tickets or records.available == 0:
        return []
    return [f"{records.available} available, {len(journal.without_tickets)} buyers without"]


def _not_all_places(journal: ClientJournal, records: ServerRecords, ticketing: Ticketing) -> list[str]:
    """Compare tickets with places, unless a unit takes more than one place."""
    if not journal.without_tickets or any(len(kind.pool_ids) != 1 for kind in ticketing.ticket_types):
        return []
    return (
        [] if records.sold() == ticketing.places else [f"{records.sold()} sold of {ticketing.places} places"]
    )
