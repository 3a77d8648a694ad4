"""Checks of a simulation: the rows hold the invariants and match the outcomes that clients received."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Final
from uuid import UUID

from evently.sales.commands.bookings import CancelBooking, ConfirmBooking, PlaceBooking
from evently.sales.facts import decode_facts
from evently.sales.nouns import Booking
from evently.sales.outcomes import Booked
from evently.sales.replay import Replay
from tests.sim.simulation import EVENTS, TICKET_TYPES, Simulation
from tests.sim.statements import EventRows, Row

_MOVE: Final = ("rescheduled_at", "starts_before", "starts_at", "place_changed")
POOLS_OF: Final = {terms.ticket_type_id: terms.pool_ids for terms in TICKET_TYPES}


def check(simulation: Simulation) -> None:
    """Fail unless the rows of all events are right."""
    for event_id in EVENTS:
        rows = simulation.server.events[event_id]
        _check_counters(rows)
        _check_limits(rows)
        _check_money(rows)
        _check_journal(rows)
        _check_answers(simulation, event_id, rows)
        _check_bookings(simulation, event_id, rows)


def _live(rows: EventRows, *states: str) -> list[tuple[Row, Row]]:
    return [
        (booking, ticket)
        for ticket in rows.tickets.values()
        if ticket["state"] != "void" and (booking := rows.bookings[ticket["booking_id"]])["state"] in states
    ]


def _check_counters(rows: EventRows) -> None:
    units = {
        state: Counter(
            pool_id for _, ticket in _live(rows, state) for pool_id in POOLS_OF[ticket["ticket_type_id"]]
        )
        for state in ("held", "confirmed")
    }
    for pool_id, pool in rows.pools.items():
        assert (pool["held"], pool["sold"]) == (units["held"][pool_id], units["confirmed"][pool_id])
        assert pool["held"] + pool["sold"] + pool["set_aside"] <= pool["capacity"]
        assert pool["set_aside"] == sum(
            aside["units"] for type_id, aside in rows.asides.items() if pool_id in POOLS_OF[type_id]
        )
        assert pool["held"] == 0, "every hold is over"
    for type_id, aside in rows.asides.items():
        wished = [
            entry["quantity"]
            for entry in rows.entries.values()
            if entry["state"] == "waiting" and entry["ticket_type_id"] == type_id
        ]
        assert aside["units"] <= sum(wished), "nothing stays set aside when nobody waits"
        assert all(quantity > aside["units"] for quantity in wished if aside["units"]), (
            "what suffices is offered"
        )
    assert all(entry["state"] != "offered" for entry in rows.entries.values()), "every offer is over"


def _check_money(rows: EventRows) -> None:
    """The ledger of each booking equals the booking, and no refund exceeds its payment."""
    for booking_id, booking in rows.bookings.items():
        posted = Counter[str]()
        for row in rows.ledger.values():
            if row["booking_id"] == booking_id:
                posted[row["debit"]] += row["amount_minor"]
                posted[row["credit"]] -= row["amount_minor"]
        decided = sum(
            refund["amount_minor"] for refund in rows.refunds.values() if refund["booking_id"] == booking_id
        )
        assert posted["buyer"] == booking["paid_minor"], "the simulation captures nothing"
        assert -posted["refunds"] == booking["refunded_minor"] == decided <= booking["paid_minor"]
        if booking["state"] == "cancelled":
            assert decided == booking["paid_minor"]


def _check_limits(rows: EventRows) -> None:
    has = Counter(
        (booking["buyer_id"], ticket["ticket_type_id"])
        for booking, ticket in _live(rows, "held", "confirmed")
    )
    for terms in TICKET_TYPES:
        most = max(
            (units for (_, type_id), units in has.items() if type_id == terms.ticket_type_id), default=0
        )
        assert terms.per_buyer_max is None or most <= terms.per_buyer_max


def _check_journal(rows: EventRows) -> None:
    again, before, at = Replay(), bytes(32), None
    for seq in range(1, len(rows.journal) + 1):
        row = rows.journal[seq]
        assert row["hash"] == hashlib.sha256(before + row["facts"]).digest()
        assert at is None or row["at"] >= at
        before, at = row["hash"], row["at"]
        again.add(at, decode_facts(row["facts"]))
    assert (rows.sale["seq"], rows.sale["head_hash"], rows.sale["head_at"]) == (len(rows.journal), before, at)
    assert not again.overtaken
    assert [tuple(row[name] for name in _MOVE) for _, row in sorted(rows.reschedulings.items())] == [
        (each.at, each.starts_before, each.starts_at, each.place_changed) for each in again.reschedulings
    ]
    assert list(rows.reschedulings) == list(range(1, len(again.reschedulings) + 1))
    stored = {
        each: (pool["capacity"], pool["held"], pool["sold"], pool["set_aside"])
        for each, pool in rows.pools.items()
    }
    assert stored == {
        each: (pool.capacity, pool.held, pool.sold, pool.set_aside) for each, pool in again.pools.items()
    }
    assert {each: row["state"] for each, row in rows.entries.items()} == {
        each: entry.state for each, entry in again.entries.items()
    }
    live: dict[UUID, set[UUID]] = {booking_id: set() for booking_id in rows.bookings}
    for ticket_id, ticket in rows.tickets.items():
        if ticket["state"] != "void":
            live[ticket["booking_id"]].add(ticket_id)
    told = {
        each: (booking.buyer_id, booking.state, set(booking.tickets))
        for each, booking in again.bookings.items()
    }
    assert {each: (row["buyer_id"], row["state"], live[each]) for each, row in rows.bookings.items()} == told


def _check_answers(simulation: Simulation, event_id: UUID, rows: EventRows) -> None:
    """A key has one answer for one body, which the rows confirm; it was executed only after a request."""
    answers: dict[tuple[UUID, str], tuple[bytes, Booking]] = {}
    since: dict[tuple[UUID, str, bytes], float] = {}
    for record in simulation.records:
        command, outcome = record.command, record.outcome
        if (
            isinstance(command, PlaceBooking | CancelBooking)
            and command.key is not None
            and command.event_id == event_id
        ):
            place = (command.buyer_id if isinstance(command, PlaceBooking) else command.actor_id, command.key)
            request = (*place, command.fingerprint)
            if isinstance(outcome, Booked):
                answer = command.fingerprint, outcome.booking
                assert answers.setdefault(place, answer) == answer
                since.setdefault(request, record.at)
            else:
                assert record.began <= since.get(request, record.began), (
                    "what was answered once is answered so ever after"
                )
    for place, (fingerprint, booking) in answers.items():
        assert (rows.keys[place]["fingerprint"], rows.keys[place]["booking_id"]) == (
            fingerprint,
            booking.booking_id,
        )
    asked = {
        (
            command.buyer_id if isinstance(command, PlaceBooking) else command.actor_id,
            command.key,
            command.fingerprint,
        )
        for command in simulation.asked
        if isinstance(command, PlaceBooking | CancelBooking)
    }
    assert {(*place, row["fingerprint"]) for place, row in rows.keys.items()} <= asked


def _check_bookings(simulation: Simulation, event_id: UUID, rows: EventRows) -> None:
    """Check that buyers have exactly the tickets that were confirmed to them and not cancelled."""
    records = [
        (each.command, each.outcome.booking)
        for each in simulation.records
        if isinstance(each.outcome, Booked)
    ]
    mine = [(command, booking) for command, booking in records if booking.event_id == event_id]
    given_back = {
        each
        for command in simulation.asked
        if isinstance(command, CancelBooking)
        for each in _named(command, rows)
    }
    for command, booking in mine:
        row = rows.bookings[booking.booking_id]
        assert row["buyer_id"] == booking.buyer_id
        for ticket in booking.tickets:
            stored = rows.tickets[ticket.ticket_id]
            assert (stored["ticket_type_id"], stored["price_minor"], stored["secret"]) == (
                ticket.ticket_type_id,
                ticket.price_minor,
                ticket.secret,
            )
            assert stored["state"] == "void" or ticket.state == "valid", "what was cancelled stays cancelled"
            assert stored["state"] == "valid" or ticket.ticket_id in given_back, "nobody asked to cancel it"
        if isinstance(command, ConfirmBooking) or booking.state == "confirmed":
            assert row["state"] in {"confirmed", "cancelled"}
        if booking.state == "cancelled":
            assert row["state"] == "cancelled"
    keyed = {row["booking_id"] for row in rows.keys.values()}
    unkeyed = Counter(
        row["buyer_id"]
        for booking_id, row in rows.bookings.items()
        if booking_id not in keyed and not row["entry_id"]
    )
    asked = Counter(
        command.buyer_id
        for command in simulation.asked
        if isinstance(command, PlaceBooking) and command.key is None and command.event_id == event_id
    )
    assert unkeyed <= asked, "a request without a key is carried out once at most"


def _named(command: CancelBooking, rows: EventRows) -> list[UUID]:
    if command.ticket_ids is not None:
        return list(command.ticket_ids)
    return [
        ticket_id for ticket_id, ticket in rows.tickets.items() if ticket["booking_id"] == command.booking_id
    ]
