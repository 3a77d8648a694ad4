"""What organizers set must be payable: the gateway takes the price of each ticket, and can pay it back.

A price, fee, tax, discount or share of a refund that it cannot take is refused when it is set, and again when
the event is published. An event that is paid at the door has no such limits.
"""

from __future__ import annotations

from collections.abc import Iterable

from evently.kit.complaints import Complaints
from evently.kit.denominations import Denominations
from evently.kit.errors import Refused, Wrong
from evently.kit.money import show_money
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import Sale, Unpayable, find_problem_ticket
from evently.sales.terms import Conditions, PromoTerms, TicketTypeTerms


def check_payable(
    complaints: Complaints,
    pointer: str,
    denominations: Denominations,
    sale: Sale,
    *,
    conditions: Conditions | None = None,
    ticket_types: Iterable[TicketTypeTerms] | None = None,
    promos: Iterable[PromoTerms | None] | None = None,
) -> None:
    """Note a ticket of a sale that could not be paid online.

    What is about to be set is given; the rest is that of the sale.
    """
    found = _find(denominations, sale, conditions, ticket_types, promos)
    if found is not None:
        complaints.add(pointer, explain(found, sale.currency))


def check_sale_payable(denominations: Denominations, sale: Sale) -> None:
    """Refuse `amount-not-payable` for a sale with a ticket that could not be paid online."""
    found = _find(denominations, sale, None, None, None)
    if found is None:
        return
    name, limit = found.ticket_type.name, found.problem.limit
    amount = show_money(found.amount_minor, sale.currency)
    if found.of_refund:
        raise Refused(SalesRefusal.AMOUNT_NOT_PAYABLE, "refund", ticket_type=name, amount=amount, limit=limit)
    raise Refused(SalesRefusal.AMOUNT_NOT_PAYABLE, "ticket", ticket_type=name, amount=amount, limit=limit)


def explain(found: Unpayable, currency: str) -> Wrong:
    """Return why a ticket cannot be paid online, for its organizer."""
    name, amount = found.ticket_type.name, show_money(found.amount_minor, currency)
    why = found.problem.explain()
    if found.promo is None:
        if found.of_refund:
            return Wrong("refund-not-payable", {"ticket_type": name, "amount": amount, "why": why})
        return Wrong("ticket-not-payable", {"ticket_type": name, "amount": amount, "why": why})
    code = found.promo.code
    if found.of_refund:
        return Wrong(
            "refund-with-code-not-payable",
            {"ticket_type": name, "promo_code": code, "amount": amount, "why": why},
        )
    return Wrong(
        "ticket-with-code-not-payable",
        {"ticket_type": name, "promo_code": code, "amount": amount, "why": why},
    )


def _find(
    denominations: Denominations,
    sale: Sale,
    conditions: Conditions | None,
    ticket_types: Iterable[TicketTypeTerms] | None,
    promos: Iterable[PromoTerms | None] | None,
) -> Unpayable | None:
    return find_problem_ticket(
        denominations(sale.currency),
        sale.conditions_now()[1] if conditions is None else conditions,
        sale.ticket_types.values() if ticket_types is None else ticket_types,
        [None, *[promo.terms for promo in sale.promos.values()]] if promos is None else promos,
    )
