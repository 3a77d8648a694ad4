"""The judge must notice: every kind of lie is planted, and found under its own code and no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from msgspec.structs import replace

from evently.rehearsal.buying import (
    BookingShown,
    ClientJournal,
    MoneyShown,
    Ticketing,
    TicketShown,
    Told,
    TypeOnSale,
    Unsettled,
)
from evently.rehearsal.crowd import CrowdOptions, make_crowd
from evently.rehearsal.judgement import Ledger, PoolShown, ProofShown, is_clean, judge

KIND: Final = TypeOnSale("tty_1", "Standing", 1000, 4, ["pol_1"])
TICKETING: Final = Ticketing("evt_1", 5, [KIND], ["per_1", "per_2", "per_3"], ["a", "b", "c"])
LEFT: Final = make_crowd(CrowdOptions(1, 1))
World = tuple[ClientJournal, Ledger]


def booking(booking_id: str, buyer_id: str, units: int, state: str = "confirmed") -> BookingShown:
    ticket = TicketShown("tty_1", MoneyShown(1000, "EUR"), "valid" if state == "confirmed" else "void")
    return BookingShown(
        booking_id,
        buyer_id,
        state,
        MoneyShown(1000 * units if state == "confirmed" else 0, "EUR"),
        [ticket] * units,
    )


def world() -> World:
    """Buyer 1 has two tickets, buyer 2 cancelled one, buyer 3 has three; somebody went away without."""
    journal = ClientJournal(left=list(LEFT))
    for told in (
        Told("bkg_1", "per_1", "tty_1", 2, 2000),
        Told("bkg_2", "per_2", "tty_1", 1, 1000),
        Told("bkg_3", "per_3", "tty_1", 3, 3000),
    ):
        journal.add(told, 0.5, 5)
    journal.take_back(journal.bookings["bkg_2"], 1.0)
    bookings = [
        booking("bkg_1", "per_1", 2),
        booking("bkg_2", "per_2", 1, "cancelled"),
        booking("bkg_3", "per_3", 3),
    ]
    return journal, Ledger(
        bookings,
        ProofShown(7, "00", consistent=True, differences=[], stored=[PoolShown("pol_1", "Hall", 5, 0, 5, 0)]),
        0,
    )


def with_booking(ledger: Ledger, index: int, **changes: object) -> Ledger:
    bookings = list(ledger.bookings)
    bookings[index] = replace(bookings[index], **changes)
    return replace(ledger, bookings=bookings)


def with_pool(ledger: Ledger, **changes: int) -> Ledger:
    return replace(ledger, proof=replace(ledger.proof, stored=[replace(ledger.proof.stored[0], **changes)]))


def without_first(ledger: Ledger) -> Ledger:
    return replace(ledger, bookings=ledger.bookings[1:])


def owed(journal: ClientJournal, ledger: Ledger, *, paid: bool | None) -> Ledger:
    """The first booking was held until it is paid."""
    journal.bookings["bkg_1"].owed, journal.bookings["bkg_1"].paid = True, paid
    return ledger


def codes(journal: ClientJournal, ledger: Ledger) -> set[str]:
    return {finding.code for finding in judge(journal, ledger, TICKETING) if finding.count}


def test_an_honest_world_is_clean() -> None:
    assert is_clean(judge(*world(), TICKETING))


LIES: Final[dict[str, tuple[Callable[[ClientJournal, Ledger], Ledger], set[str]]]] = {
    "oversold": (lambda _, ledger: with_pool(ledger, capacity=4), {"I1"}),
    "a counter drifted": (lambda _, ledger: with_pool(ledger, sold=4), {"I2"}),
    "a booking is lost": (lambda _, ledger: without_first(ledger), {"I2", "I3", "R2"}),
    "a booking changed hands": (lambda _, ledger: with_booking(ledger, 0, buyer_id="per_9"), {"I3"}),
    "a cancellation is lost": (lambda _, ledger: with_booking(ledger, 1, state="confirmed"), {"I3"}),
    "a ticket is missing": (
        lambda _, ledger: with_booking(ledger, 0, tickets=ledger.bookings[0].tickets[:1]),
        {"I2", "I3", "R2"},
    ),
    "another price": (
        lambda _, ledger: with_booking(
            ledger, 0, tickets=[TicketShown("tty_1", MoneyShown(999, "EUR"), "valid")] * 2
        ),
        {"I3"},
    ),
    "a booking nobody asked for": (
        lambda _, ledger: replace(
            ledger, bookings=[*ledger.bookings, booking("bkg_4", "per_1", 1, "cancelled")]
        ),
        {"I4"},
    ),
    "the journal differs": (
        lambda _, ledger: replace(ledger, proof=replace(ledger.proof, consistent=False)),
        {"I11"},
    ),
    "tickets left over": (lambda _, ledger: replace(ledger, available=1), {"R1"}),
    "fewer sold than places": (
        lambda _, ledger: with_pool(with_booking(ledger, 2, state="cancelled"), sold=2),
        {"I3", "R2"},
    ),
    "a hold that was never paid is confirmed": (
        lambda journal, ledger: owed(journal, ledger, paid=False),
        {"I3"},
    ),
    "a paid booking has run out": (
        lambda journal, ledger: with_pool(
            with_booking(owed(journal, ledger, paid=True), 0, state="expired"), sold=3
        ),
        {"I3", "R2"},
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_every_lie_is_found(name: str) -> None:
    tell, expected = LIES[name]
    journal, ledger = world()
    assert codes(journal, tell(journal, ledger)) == expected


def test_two_answers_to_one_key_and_strange_answers() -> None:
    journal, ledger = world()
    journal.contradictions.append("POST: two")
    journal.strange += ["500"] * 5
    findings = {finding.code: finding for finding in judge(journal, ledger, TICKETING)}
    assert findings["I6"].count == 1
    assert (findings["R3"].count, len(findings["R3"].examples)) == (5, 3)


def test_a_lost_answer_explains_one_booking_of_what_was_asked_for() -> None:
    journal, ledger = world()
    more = replace(ledger, bookings=[*ledger.bookings, booking("bkg_4", "per_1", 2, "cancelled")])
    journal.unsettled.append(Unsettled("per_1", "tty_1", 1))
    assert codes(journal, more) == {"I4"}
    journal.unsettled.append(Unsettled("per_1", "tty_1", 2))
    assert codes(journal, more) == set()
    twice = replace(more, bookings=[*more.bookings, booking("bkg_5", "per_1", 2, "cancelled")])
    assert codes(journal, twice) == {"I4"}


@pytest.mark.parametrize("state", ["confirmed", "cancelled"])
def test_a_cancellation_without_an_answer_may_have_happened(state: str) -> None:
    journal, ledger = world()
    journal.bookings["bkg_2"].cancelled = None
    assert "I3" not in codes(journal, with_booking(ledger, 1, state=state))


def test_tickets_may_be_left_when_nobody_wants_them() -> None:
    journal, ledger = world()
    journal.left.clear()
    assert codes(journal, replace(ledger, available=1)) == set()


@pytest.mark.parametrize(
    ("paid", "state", "sold"),
    [(True, "confirmed", 5), (False, "expired", 3), (None, "confirmed", 5), (None, "expired", 3)],
)
def test_what_was_held_may_stand_as_its_buyer_was_told(*, paid: bool | None, state: str, sold: int) -> None:
    journal, ledger = world()
    journal.left.clear()
    told = with_pool(with_booking(owed(journal, ledger, paid=paid), 0, state=state), sold=sold)
    assert codes(journal, told) == set()
