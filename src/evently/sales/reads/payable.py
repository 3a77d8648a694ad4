"""Whether tickets, as organizers price them, can be paid at a gateway, and paid back. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from evently.kit.denominations import AmountProblem, Denomination
from evently.sales.rules.pricing import amounts_of, discount_of, refundable_minor, share_of, total_of
from evently.sales.terms import Conditions, PromoTerms, TicketTypeTerms


class Unpayable(NamedTuple):
    """A ticket that cannot be paid online: what it costs, or what a refund of it would be, and why not."""

    ticket_type: TicketTypeTerms
    promo: PromoTerms | None
    amount_minor: int
    of_refund: bool
    problem: AmountProblem


def find_problem_ticket(
    denomination: Denomination,
    conditions: Conditions,
    ticket_types: Iterable[TicketTypeTerms],
    promos: Iterable[PromoTerms | None],
) -> Unpayable | None:
    """Return the first ticket that cannot be paid online, with one of these promo codes or (None) without."""
    if conditions.payment != "online":
        return None
    codes = [promo for promo in promos if promo is None or not promo.retired]
    for terms in ticket_types:
        if terms.retired:
            continue
        for promo in codes:
            if (found := _find_problem_ticket(denomination, conditions, terms, promo)) is not None:
                return found
    return None


def _find_problem_ticket(
    denomination: Denomination, conditions: Conditions, terms: TicketTypeTerms, promo: PromoTerms | None
) -> Unpayable | None:
    discount = 0 if promo is None else discount_of(promo, terms.ticket_type_id, terms.price_minor)
    if promo is not None and not discount:
        return None
    amounts = amounts_of(terms, discount, conditions.fees)
    total = total_of(terms, amounts)
    # A discount on the booking leaves too little of one ticket, and perhaps enough of several
    of_booking = promo is not None and promo.kind == "fixed_per_booking"
    problem = denomination.find_inexact(total) if of_booking else denomination.find_problem(total)
    if problem is not None:
        return Unpayable(terms, promo, total, of_refund=False, problem=problem)
    refundable = refundable_minor(total, amounts.fee_minor, conditions)
    for window in conditions.refund_windows:
        refund = share_of(refundable, window.basis_points)
        if (problem := denomination.find_inexact(refund)) is not None:
            return Unpayable(terms, promo, refund, of_refund=True, problem=problem)
    return None
