"""Who gives what of money that is paid back: whatever the order, no account gives more than it got.

Each step is checked by the rows: no account below zero, all empty when everything was paid back, and the
replay, which computes the shares by itself, has the same postings.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from evently.sales.commands import Command
from evently.sales.commands.bookings import (
    BookingLine,
    CancelBooking,
    ConfirmBooking,
    OutsideRefund,
    PlaceBooking,
    RecordCapture,
    RecordOutsideRefunds,
)
from evently.sales.commands.sale_terms import OpenSale, PutConditions, SetUpSale
from evently.sales.facts import (
    BookingCancelled,
    Fact,
    OutsideRefundsRecorded,
    TicketsCancelled,
    decode_facts,
    encode_facts,
)
from evently.sales.nouns import Booking
from evently.sales.outcomes import Booked
from evently.sales.replay import Replay
from evently.sales.replay.state import ReplayedBooking
from evently.sales.rules.ledger import Posting
from evently.sales.terms import Conditions, Fees, PoolTerms, RefundWindow, TicketTypeTerms
from tests.support.rows import Rows

NOON: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
EVENT, BUYER, PAYMENT, POOL = (UUID(int=number) for number in range(1, 5))
TYPES: Final = (UUID(int=11), UUID(int=12), UUID(int=13))
ACCOUNTS: Final = ("organizer", "tax", "fees")

rates = st.sampled_from([0, 700, 1_900, 5_000])
Step = tuple[str, int]
# Cancel a ticket: by its buyer, or by the organizer; others have paid back so many per mille of the payment
steps = st.lists(
    st.tuples(st.sampled_from(["buyer", "organizer"]), st.integers(0, 2))
    | st.tuples(st.just("outside"), st.sampled_from([0, 1, 333, 500, 990, 1_000])),
    max_size=7,
)
conditions_of = st.builds(
    lambda fees, share, kept: Conditions(
        payment="online",
        fees=fees,
        refund_windows=(RefundWindow(0, share),) if share else (),
        fee_kept=kept,
    ),
    st.builds(
        Fees, st.integers(0, 50), rates, st.sampled_from(["buyer", "buyer", "organizer"]), st.none() | rates
    ),
    st.sampled_from([0, 3_333, 5_000, 10_000]),
    st.booleans(),
)
types_of = st.tuples(*[
    st.builds(
        lambda price, rate, included, type_id=type_id: TicketTypeTerms(
            type_id, "type", "", 1, price, 9, (POOL,), tax_basis_points=rate, tax_included=included
        ),
        st.integers(1, 9) | st.integers(10, 2_000),
        rates,
        st.booleans(),
    )
    for type_id in TYPES
])  # fmt: skip


def _as_before(fact: Fact) -> Fact:
    if isinstance(fact, BookingCancelled | TicketsCancelled | OutsideRefundsRecorded):
        return replace(fact, parts=())
    return fact


class Selling:
    """A paid booking with a ticket of each type."""

    def __init__(self, types: tuple[TicketTypeTerms, ...], conditions: Conditions) -> None:
        self.rows = Rows()
        self.older = False
        self.ask(
            SetUpSale(EVENT, "EUR", NOON, NOON + timedelta(days=1), (PoolTerms(POOL, "hall", 9),), types)
        )
        self.ask(PutConditions(EVENT, conditions))
        self.ask(OpenSale(EVENT))
        placed = self.ask(PlaceBooking(EVENT, BUYER, tuple(BookingLine(each, 1) for each in TYPES)))
        assert isinstance(placed, Booked)
        self.booking_id = placed.booking.booking_id
        self.ask(ConfirmBooking(EVENT, self.booking_id, PAYMENT, placed.booking.total_minor()))
        self.ask(RecordCapture(EVENT, self.booking_id, PAYMENT))

    @property
    def booking(self) -> Booking:
        return self.rows.bookings[self.booking_id]

    def ask(self, command: Command) -> Any:
        (outcome,) = self.rows.run([command], NOON)
        if not self.older:
            self.rows.check()
        return outcome

    def left(self) -> int:
        return self.booking.paid_minor - self.booking.refunded_minor - self.booking.outside_minor

    def become_older(self) -> None:
        """Have the journal and the ledger that earlier versions would have written."""
        self.older = True
        journal = [(at, [_as_before(fact) for fact in facts]) for at, facts in self.rows.journal]
        self.rows.journal = [(at, decode_facts(encode_facts(facts))) for at, facts in journal]
        self.rows.ledger = [
            Posting(self.booking_id, debit, credit, amount)
            for _, debit, credit, amount in self.replayed().postings
        ]

    def replayed(self) -> ReplayedBooking:
        again = Replay()
        for at, facts in self.rows.journal:
            again.add(at, facts)
        return again.bookings[self.booking_id]

    def accounts(self) -> list[int]:
        posted = self.rows.posted(self.booking_id).items()
        return [
            sum([amount * ((credit == name) - (debit == name)) for (debit, credit), amount in posted])
            for name in ACCOUNTS
        ]

    def do(self, step: Step) -> None:
        kind, number = step
        if kind == "outside":
            self.outside(self.booking.paid_minor * number // 1_000)
            return
        ticket_ids = (self.booking.tickets[number].ticket_id,)
        by_buyer = kind == "buyer"
        self.ask(
            CancelBooking(
                EVENT,
                self.booking_id,
                BUYER,
                BUYER if by_buyer else None,
                ticket_ids,
                NOON + timedelta(days=9) if by_buyer else None,
            )
        )

    def outside(self, amount_minor: int) -> None:
        refunds = (OutsideRefund("refund", "re_1", amount_minor),) if amount_minor else ()
        known = sum(each.amount_minor for each in self.rows.current_outside(self.booking_id))
        self.ask(RecordOutsideRefunds(EVENT, self.booking_id, PAYMENT, refunds, known))


@given(types=types_of, conditions=conditions_of, told=steps)
@settings(max_examples=150, deadline=None)
def test_no_account_gives_more_than_it_got_and_all_are_empty_in_the_end(
    types: tuple[TicketTypeTerms, ...], conditions: Conditions, told: list[Step]
) -> None:
    sale = Selling(types, conditions)
    if not sale.booking.paid_minor:
        return
    for step in told:
        sale.do(step)
    sale.outside(sale.booking.paid_minor)
    assert sale.accounts() == [0, 0, 0]


@given(types=types_of, conditions=conditions_of, told=steps)
@settings(max_examples=100, deadline=None)
def test_the_accounts_do_not_depend_on_when_others_paid_back(
    types: tuple[TicketTypeTerms, ...], conditions: Conditions, told: list[Step]
) -> None:
    sale, without = Selling(types, conditions), Selling(types, conditions)
    if not sale.booking.paid_minor:
        return
    for step in told:
        sale.do(step)
        if step[0] != "outside":
            without.do(step)
            if not sale.left():
                return  # a fee is not kept when nothing is left
    sale.outside(0)
    if sale.booking.refunded_minor == without.booking.refunded_minor:  # nothing less was left to pay back
        assert sale.accounts() == without.accounts()
    without.outside(sale.booking.paid_minor // 3)
    sale.outside(sale.booking.paid_minor // 3)
    if sale.booking.refunded_minor == without.booking.refunded_minor:
        assert sale.accounts() == without.accounts()


@given(types=types_of, conditions=conditions_of, before=steps, told=steps)
@settings(max_examples=150, deadline=None)
def test_what_earlier_versions_posted_is_put_right_in_the_end(
    types: tuple[TicketTypeTerms, ...], conditions: Conditions, before: list[Step], told: list[Step]
) -> None:
    sale = Selling(types, conditions)
    if not sale.booking.paid_minor:
        return
    for step in before:
        sale.do(step)
    sale.become_older()
    for step in told:
        sale.do(step)
        assert +sale.rows.posted(sale.booking_id) == +sale.replayed().posted
        assert sum(sale.accounts()) == sale.left()
    if sale.left():
        sale.outside(sale.booking.paid_minor)
        assert sale.accounts() == [0, 0, 0]
    assert +sale.rows.posted(sale.booking_id) == +sale.replayed().posted
