"""What a ticket costs, and to whom each minor unit goes: whatever the rates, nothing is lost or made up."""

from __future__ import annotations

from collections import Counter
from typing import Final
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from evently.sales.nouns import Ticket
from evently.sales.rules import ledger
from evently.sales.rules.pricing import amounts_of, share_of
from evently.sales.terms import WHOLE, Conditions, Fees, TicketTypeTerms

TYPE: Final = TicketTypeTerms(UUID(int=1), "Regular", "", 1, 1_000, 10, ())
BOOKING: Final = UUID(int=2)
Sold = tuple[TicketTypeTerms, int, Fees]

rates = st.integers(0, WHOLE)
fees_of = st.builds(
    Fees, st.integers(0, 500), rates, st.sampled_from(["buyer", "organizer"]), st.none() | rates
)


@st.composite
def sales(draw: st.DrawFn) -> Sold:
    price = draw(st.integers(0, 100_000))
    terms = replace(TYPE, price_minor=price, tax_basis_points=draw(rates), tax_included=draw(st.booleans()))
    return terms, draw(st.integers(0, price)), draw(fees_of)


def ticket_of(sold: Sold) -> Ticket:
    terms = sold[0]
    return Ticket(UUID(int=3), terms.ticket_type_id, terms.price_minor, "valid", b"", *amounts_of(*sold))


@given(sales())
def test_the_parts_of_a_ticket_add_up(sold: Sold) -> None:
    terms, discount, fees = sold
    ticket = ticket_of(sold)
    split = ledger.split_of([ticket])
    assert sum(split) == ticket.total_minor()
    assert min(split) >= 0
    assert split.tax == ticket.tax_minor + ticket.fee_tax_minor
    assert split.fees == ticket.fee_minor - ticket.fee_tax_minor
    rate = terms.tax_basis_points if fees.tax_basis_points is None else fees.tax_basis_points
    if fees.paid_by == "buyer":
        # The fee without its tax, and the tax of that, are the fee: halves apart, to the minor unit
        assert abs(split.fees * (WHOLE + rate) - ticket.fee_minor * WHOLE) * 2 <= WHOLE + rate
    else:
        assert ticket.fee_tax_minor == 0
    assert discount == ticket.discount_minor


@given(sales(), rates)
def test_the_tax_of_a_fee_changes_nothing_that_is_paid_or_that_the_organizer_gets(
    sold: Sold, rate: int
) -> None:
    terms, discount, fees = sold
    before, after = ticket_of(sold), ticket_of((terms, discount, replace(fees, tax_basis_points=rate)))
    assert replace(after, fee_tax_minor=before.fee_tax_minor) == before
    assert ledger.split_of([after]).organizer == ledger.split_of([before]).organizer


@given(sold=st.lists(sales(), min_size=1, max_size=4), rate=rates, fee_kept=st.booleans())
def test_a_refund_adds_up_and_a_fee_that_is_kept_keeps_its_tax(
    sold: list[Sold], rate: int, *, fee_kept: bool
) -> None:
    buyers = [(terms, discount, replace(fees, paid_by="buyer")) for terms, discount, fees in sold]
    tickets = [ticket_of(each) for each in buyers]
    kept = sum([ticket.fee_minor for ticket in tickets]) if fee_kept else 0
    refundable = sum([ticket.total_minor() for ticket in tickets]) - kept
    refund = share_of(refundable, rate)
    left = Counter(ledger.split_of(tickets)._asdict())
    posted = {("buyer", name): amount for name, amount in left.items()}
    given, postings = ledger.refunded(BOOKING, posted, tickets, refund, fee_kept=fee_kept)
    assert sum(given) == refund
    assert all(0 <= each <= left[name] for name, each in given._asdict().items())
    for posting in postings:
        assert posting.credit == "refunds"
        left[posting.debit] -= posting.amount_minor
    assert left.total() == refundable + kept - refund
    if refund == refundable:
        of_fees = sum([ticket.fee_tax_minor for ticket in tickets]) if fee_kept else 0
        assert left == Counter(organizer=0, tax=of_fees, fees=kept - of_fees)


def test_the_fees_of_conditions_from_before_have_the_rate_of_the_ticket_type() -> None:
    stored = b'{"payment":"online","fees":{"fixed_minor":200,"basis_points":0,"paid_by":"buyer"}}'
    fees = msgspec.json.decode(stored, type=Conditions).fees
    assert (fees, fees.tax_basis_points) == (Fees(200), None)
    terms = replace(TYPE, price_minor=3_400, tax_basis_points=700)
    assert amounts_of(terms, 0, fees) == (0, 200, 200, 222, 13)
