"""The judge must notice: every kind of lie is planted, and found under its own code and no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from msgspec.structs import replace

from evently.rehearsal.buying import (
    AcknowledgedBooking,
    BookingShown,
    ClientJournal,
    MoneyShown,
    Ticketing,
    TicketShown,
    TypeOnSale,
    Unsettled,
)
from evently.rehearsal.checks import PoolShown, ProofShown, ServerRecords, compare, is_clean
from evently.rehearsal.crowd import CrowdOptions, make_crowd

KIND: Final = TypeOnSale("tty_1", "Standing", 1000, 4, ["pol_1"])
TICKETING: Final = Ticketing("evt_1", 5, [KIND], ["per_1", "per_2", "per_3"], ["a", "b", "c"])
LEFT: Final = make_crowd(CrowdOptions(1, 1))
Sides = tuple[ClientJournal, ServerRecords]


def booking(booking_id: str, buyer_id: str, units: int, state: str = "confirmed") -> BookingShown:
    ticket = TicketShown("tty_1", MoneyShown(1000, "EUR"), "valid" if state == "confirmed" else "void")
    return BookingShown(
        booking_id,
        buyer_id,
        state,
        MoneyShown(1000 * units if state == "confirmed" else 0, "EUR"),
        [ticket] * units,
    )


def sides() -> Sides:
    """Buyer 1 has two tickets, buyer 2 cancelled one, buyer 3 has three; one left without any."""
    journal = ClientJournal(without_tickets=list(LEFT))
    for acknowledged in (
        AcknowledgedBooking("bkg_1", "per_1", "tty_1", 2, 2000),
        AcknowledgedBooking("bkg_2", "per_2", "tty_1", 1, 1000),
        AcknowledgedBooking("bkg_3", "per_3", "tty_1", 3, 3000),
    ):
        journal.record_booking(acknowledged, 0.5, 5)
    journal.record_cancellation(journal.bookings["bkg_2"], 1.0)
    bookings = [
        booking("bkg_1", "per_1", 2),
        booking("bkg_2", "per_2", 1, "cancelled"),
        booking("bkg_3", "per_3", 3),
    ]
    return journal, ServerRecords(
        bookings,
        ProofShown(7, "00", consistent=True, differences=[], stored=[PoolShown("pol_1", "Hall", 5, 0, 5, 0)]),
        0,
    )


def with_booking(records: ServerRecords, index: int, **changes: object) -> ServerRecords:
    bookings = list(records.bookings)
    bookings[index] = replace(bookings[index], **changes)
    return replace(records, bookings=bookings)


def with_pool(records: ServerRecords, **changes: int) -> ServerRecords:
    return replace(
        records, proof=replace(records.proof, stored=[replace(records.proof.stored[0], **changes)])
    )


def without_first(records: ServerRecords) -> ServerRecords:
    return replace(records, bookings=records.bookings[1:])


def owed(journal: ClientJournal, records: ServerRecords, *, paid: bool | None) -> ServerRecords:
    """The first booking was held until it is paid."""
    journal.bookings["bkg_1"].owed, journal.bookings["bkg_1"].paid = True, paid
    return records


def codes(journal: ClientJournal, records: ServerRecords) -> set[str]:
    return {finding.code for finding in compare(journal, records, TICKETING) if finding.count}


def test_an_honest_world_is_clean() -> None:
    assert is_clean(compare(*sides(), TICKETING))


LIES: Final[dict[str, tuple[Callable[[ClientJournal, ServerRecords], ServerRecords], set[str]]]] = {
    "oversold": (lambda _, records: with_pool(records, capacity=4), {"I1"}),
    "a counter drifted": (lambda _, records: with_pool(records, sold=4), {"I2"}),
    "a booking is lost": (lambda _, records: without_first(records), {"I2", "I3", "R2"}),
    "a booking changed hands": (lambda _, records: with_booking(records, 0, buyer_id="per_9"), {"I3"}),
    "a cancellation is lost": (lambda _, records: with_booking(records, 1, state="confirmed"), {"I3"}),
    "a ticket is missing": (
        lambda _, records: with_booking(records, 0, tickets=records.bookings[0].tickets[:1]),
        {"I2", "I3", "R2"},
    ),
    "another price": (
        lambda _, records: with_booking(
            records, 0, tickets=[TicketShown("tty_1", MoneyShown(999, "EUR"), "valid")] * 2
        ),
        {"I3"},
    ),
    "a booking nobody asked for": (
        lambda _, records: replace(
            records, bookings=[*records.bookings, booking("bkg_4", "per_1", 1, "cancelled")]
        ),
        {"I4"},
    ),
    "the journal differs": (
        lambda _, records: replace(records, proof=replace(records.proof, consistent=False)),
        {"I11"},
    ),
    "tickets left over": (lambda _, records: replace(records, available=1), {"R1"}),
    "fewer sold than places": (
        lambda _, records: with_pool(with_booking(records, 2, state="cancelled"), sold=2),
        {"I3", "R2"},
    ),
    "a hold that was never paid is confirmed": (
        lambda journal, records: owed(journal, records, paid=False),
        {"I3"},
    ),
    "a paid booking has run out": (
        lambda journal, records: with_pool(
            with_booking(owed(journal, records, paid=True), 0, state="expired"), sold=3
        ),
        {"I3", "R2"},
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_every_lie_is_found(name: str) -> None:
    tell, expected = LIES[name]
    journal, records = sides()
    assert codes(journal, tell(journal, records)) == expected


def test_two_answers_to_one_key_and_strange_answers() -> None:
    journal, records = sides()
    journal.contradictions.append("POST: two")
    journal.undocumented += ["500"] * 5
    findings = {finding.code: finding for finding in compare(journal, records, TICKETING)}
    assert findings["I6"].count == 1
    assert (findings["R3"].count, len(findings["R3"].examples)) == (5, 3)


def test_a_lost_answer_explains_one_booking_of_what_was_asked_for() -> None:
    journal, records = sides()
    more = replace(records, bookings=[*records.bookings, booking("bkg_4", "per_1", 2, "cancelled")])
    journal.unsettled.append(Unsettled("per_1", "tty_1", 1))
    assert codes(journal, more) == {"I4"}
    journal.unsettled.append(Unsettled("per_1", "tty_1", 2))
    assert codes(journal, more) == set()
    twice = replace(more, bookings=[*more.bookings, booking("bkg_5", "per_1", 2, "cancelled")])
    assert codes(journal, twice) == {"I4"}


@pytest.mark.parametrize("state", ["confirmed", "cancelled"])
def test_a_cancellation_without_an_answer_may_have_happened(state: str) -> None:
    journal, records = sides()
    journal.bookings["bkg_2"].cancelled = None
    assert "I3" not in codes(journal, with_booking(records, 1, state=state))


def test_tickets_may_be_left_when_nobody_wants_them() -> None:
    journal, records = sides()
    journal.without_tickets.clear()
    assert codes(journal, replace(records, available=1)) == set()


@pytest.mark.parametrize(
    ("paid", "state", "sold"),
    [(True, "confirmed", 5), (False, "expired", 3), (None, "confirmed", 5), (None, "expired", 3)],
)
def test_what_was_held_may_stand_as_its_buyer_was_told(*, paid: bool | None, state: str, sold: int) -> None:
    journal, records = sides()
    journal.without_tickets.clear()
    acknowledged = with_pool(with_booking(owed(journal, records, paid=paid), 0, state=state), sold=sold)
    assert codes(journal, acknowledged) == set()
