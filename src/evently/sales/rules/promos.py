"""The rules of promo codes: whether a buyer may use one now, what it takes off, its uses. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias
from uuid import UUID

from evently.sales.nouns import Booking, WaitlistEntry
from evently.sales.outcomes import No, SalesRefusal
from evently.sales.rules.pricing import discount_of
from evently.sales.rules.state import Batch, Promo, Sale
from evently.sales.terms import TicketTypeTerms


class Wanted(NamedTuple):
    """Tickets of one type that a booking wants, and the price of each."""

    ticket_type_id: UUID
    price_minor: int
    quantity: int


class Discounted(NamedTuple):
    """So many tickets of one type with this discount each."""

    quantity: int
    discount_minor: int


# By ticket type. A type has two elements when its tickets cannot share a discount on the booking evenly.
Discounts: TypeAlias = Mapping[UUID, Sequence[Discounted]]


def find_promo(sale: Sale, batch: Batch, code: str, buyer_id: UUID) -> Promo | No:
    """Return the promo code that a buyer names, or refuse when it cannot be used now."""
    promo = sale.promos.get(code.strip().upper())
    if promo is None or promo.terms.retired:
        return No(SalesRefusal.UNKNOWN_PROMO_CODE)
    terms = promo.terms
    if (terms.from_at is not None and batch.now < terms.from_at) or (
        terms.until_at is not None and batch.now >= terms.until_at
    ):
        return No(SalesRefusal.PROMO_CODE_NOT_VALID, "time")
    if terms.uses_max is not None and promo.uses >= terms.uses_max:
        return No(SalesRefusal.PROMO_CODE_USED_UP)
    if (
        terms.per_buyer_max is not None
        and batch.promo_uses.get((buyer_id, terms.promo_id), 0) >= terms.per_buyer_max
    ):
        return No(SalesRefusal.PROMO_CODE_USED_UP, "by_buyer")
    return promo


def unlocks(promo: Promo | None, terms: TicketTypeTerms) -> bool:
    """Return whether a promo code unlocks a hidden ticket type."""
    return promo is not None and terms.ticket_type_id in promo.terms.ticket_type_ids


def unlocking_code(sale: Sale, entry: WaitlistEntry) -> str | None:
    """Return the code that an entry uses when its offer is accepted.

    None: its ticket type was not hidden when it joined, or is no longer.
    """
    if entry.promo_id is None or not sale.ticket_types[entry.ticket_type_id].hidden:
        return None
    promo = sale.promo(entry.promo_id)
    assert promo is not None, "promo codes are retired, never removed"
    return promo.terms.code


def discounts_of(promo: Promo, wanted: Sequence[Wanted], step_minor: int = 1) -> Discounts | No:
    """Return the discounts of a promo code on tickets. `wanted` names each ticket type once.

    Refuses a code that applies to none of them, or whose budget is too small, or that one use gives to fewer
    units. `step_minor`: a discount on the booking is split into multiples of it, where that is possible.
    """
    named = promo.terms.ticket_type_ids
    if named and not any(each.ticket_type_id in named for each in wanted):
        return No(SalesRefusal.PROMO_CODE_NOT_VALID, "ticket_types")
    units_max = promo.terms.units_per_use_max
    if units_max is not None and units_max < sum(
        [each.quantity for each in wanted if not named or each.ticket_type_id in named]
    ):
        return No(SalesRefusal.PROMO_CODE_NOT_VALID, "units", {"units_per_use_max": units_max})
    discounts: dict[UUID, Sequence[Discounted]] = {
        each.ticket_type_id: (
            Discounted(each.quantity, discount_of(promo.terms, each.ticket_type_id, each.price_minor)),
        )
        for each in wanted
    }
    if promo.terms.kind == "fixed_per_booking":
        those = [each for each in wanted if not named or each.ticket_type_id in named]
        discounts.update(spread_discount(promo.terms.value, those, step_minor))
    spent = promo.spent_minor + sum(
        [each.quantity * each.discount_minor for tickets in discounts.values() for each in tickets]
    )
    if promo.terms.budget_minor is not None and spent > promo.terms.budget_minor:
        return No(SalesRefusal.PROMO_CODE_USED_UP)
    return discounts


def spread_discount(amount_minor: int, wanted: Sequence[Wanted], step_minor: int = 1) -> Discounts:
    """Split a discount on a booking over its tickets, in proportion to their prices.

    Its sum is exact: the amount, or the sum of the prices when that is less. No ticket gets more than its
    price. What proportions leave goes to the largest remainders, of equal ones to the smaller ticket type id
    (Hamilton's method); so the order of `wanted` does not matter.
    """
    total = sum([each.price_minor * each.quantity for each in wanted])
    if amount_minor >= total:
        return {each.ticket_type_id: (Discounted(each.quantity, each.price_minor),) for each in wanted}
    if any(minor % step_minor for minor in (amount_minor, *[each.price_minor for each in wanted])):
        step_minor = 1
    shares = {
        each.ticket_type_id: divmod(amount_minor * each.price_minor, total * step_minor) for each in wanted
    }
    quantities = {each.ticket_type_id: each.quantity for each in wanted}
    left = amount_minor // step_minor - sum(
        [steps * quantities[type_id] for type_id, (steps, _) in shares.items()]
    )
    discounts: dict[UUID, Sequence[Discounted]] = {}
    for type_id in sorted(shares, key=lambda each: (-shares[each][1], each)):
        steps, quantity = shares[type_id][0], quantities[type_id]
        more = min(left, quantity)
        left -= more
        tickets = (
            Discounted(more, (steps + 1) * step_minor),
            Discounted(quantity - more, steps * step_minor),
        )
        discounts[type_id] = [each for each in tickets if each.quantity]
    assert left == 0, "the remainders are fewer than the tickets that have one"
    return discounts


def use_promo(batch: Batch, promo: Promo, booking: Booking) -> None:
    """Count the use of a promo code by a booking."""
    promo.uses += 1
    promo.spent_minor += sum([ticket.discount_minor for ticket in booking.tickets])
    batch.promos_changed.add(promo.terms.promo_id)
    if promo.terms.per_buyer_max is not None:
        used = (booking.buyer_id, promo.terms.promo_id)
        batch.promo_uses[used] = batch.promo_uses.get(used, 0) + 1
