"""Checks the add-ons of bookings: ticket types that are sold only together with a ticket of another type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from uuid import UUID

from evently.sales import facts
from evently.sales.replay.state import Cancelled, Contradiction, Placed, ReplayedBooking, ReplayedSale


def check_placed(sale: ReplayedSale, fact: Placed) -> None:
    """Check that each add-on of a new booking has what it needs."""
    counts = Counter(type_id for _, type_id, _ in fact.tickets)
    for terms in _add_ons(sale, counts):
        if _missing(terms, counts):
            raise Contradiction(
                f"{fact.booking_id} has {counts[terms.ticket_type_id]} of {terms.ticket_type_id}"
                " without what they need"
            )


def check_cancelled(
    sale: ReplayedSale, booking: ReplayedBooking, before: Iterable[tuple[UUID, int]], fact: Cancelled
) -> None:
    """Check that tickets took with them the add-ons that needed them; `before`: the tickets before that.

    Add-ons that were used, or that another person holds, stay.
    """
    counts = Counter(type_id for type_id, _ in booking.tickets.values())
    for terms in _add_ons(sale, counts):
        were = Counter(type_id for type_id, _ in before)
        own = any(
            type_id == terms.ticket_type_id
            and ticket_id not in sale.check_ins
            and ticket_id not in sale.holders
            for ticket_id, (type_id, _) in booking.tickets.items()
        )
        if own and _missing(terms, counts) > _missing(terms, were):
            raise Contradiction(f"{fact.booking_id} keeps {terms.ticket_type_id} without what it needs")


def _add_ons(sale: ReplayedSale, counts: Counter[UUID]) -> list[facts.TicketTypePut]:
    return [sale.types[type_id] for type_id in counts if sale.types[type_id].needed_ids]


def _missing(terms: facts.TicketTypePut, counts: Counter[UUID]) -> int:
    """Return how many add-ons of a type are too many for the other tickets of their booking."""
    needed, most = sum(counts[type_id] for type_id in terms.needed_ids), terms.per_needed_max
    allowed = (counts[terms.ticket_type_id] if needed else 0) if most is None else needed * most
    return max(counts[terms.ticket_type_id] - allowed, 0)
