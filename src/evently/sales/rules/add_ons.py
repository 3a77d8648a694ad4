"""The rules of add-ons: ticket types that are sold only together with a ticket of another type. Pure.

What an add-on needs is a ticket of one of the types that it names, in the same booking, and not an add-on
itself. It holds of the booking, not of the holders: a ticket and its add-on may be passed on apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from evently.sales.nouns import Booking, Ticket
from evently.sales.outcomes import No, SalesRefusal
from evently.sales.rules.state import Sale
from evently.sales.terms import TicketTypeTerms


class Units(Protocol):
    """So many units of a ticket type, such as a booking line."""

    @property
    def ticket_type_id(self) -> UUID:
        """The ticket type."""

    @property
    def quantity(self) -> int:
        """How many."""


def refuse_add_ons(types: Mapping[UUID, TicketTypeTerms], lines: Sequence[Units]) -> No | None:
    """Refuse add-ons without a ticket that they need, and more of them than its tickets allow."""
    for line in lines:
        terms = types[line.ticket_type_id]
        if not terms.needed_ids:
            continue
        needed = sum([other.quantity for other in lines if other.ticket_type_id in terms.needed_ids])
        if not needed:
            names = " or ".join([repr(types[type_id].name) for type_id in terms.needed_ids])
            return No(SalesRefusal.ADD_ON_ALONE, "needed", {"ticket_type": terms.name, "needed": names})
        if terms.per_needed_max is not None and line.quantity > needed * terms.per_needed_max:
            return No(
                SalesRefusal.OVER_BOOKING_LIMIT,
                "per_needed_max",
                {"quantity_max": needed * terms.per_needed_max, "ticket_type": terms.name},
            )
    return None


def with_add_ons(
    types: Mapping[UUID, TicketTypeTerms], booking: Booking, chosen: Sequence[Ticket]
) -> tuple[Ticket, ...]:
    """Return chosen tickets of a booking, and the add-ons that would lose with them what they need.

    `types`: those of its tickets; none are needed of a booking with a single type. Of several add-ons the
    newest go first. Those that were used, or that another person holds, stay.
    """
    left = [ticket for ticket in booking.tickets if ticket.state != "void"]
    type_ids = dict.fromkeys([ticket.ticket_type_id for ticket in left])
    if len(type_ids) == 1:
        return tuple(chosen)
    add_ons = [types[type_id] for type_id in type_ids if types[type_id].needed_ids]
    if not add_ons:
        return tuple(chosen)
    gone = {ticket.ticket_id for ticket in chosen}
    staying = [ticket for ticket in left if ticket.ticket_id not in gone]
    along: list[Ticket] = []
    for terms in add_ons:
        count = _lacking(terms, staying) - _lacking(terms, left)
        own = [
            ticket
            for ticket in staying
            if ticket.ticket_type_id == terms.ticket_type_id
            and ticket.state == "valid"
            and ticket.holder_id is None
        ]
        along += own[-count:] if count > 0 else []
    return (*chosen, *along)


def _lacking(terms: TicketTypeTerms, tickets: Iterable[Ticket]) -> int:
    """Return how many of these tickets are add-ons of a type without a ticket that they need."""
    type_ids = [ticket.ticket_type_id for ticket in tickets]
    needed = sum([type_id in terms.needed_ids for type_id in type_ids])
    count = type_ids.count(terms.ticket_type_id)
    if terms.per_needed_max is None:
        return 0 if needed else count
    return max(0, count - needed * terms.per_needed_max)


def not_an_add_on(sale: Sale, terms: TicketTypeTerms) -> No | None:
    """Refuse a ticket type that cannot need what it names."""
    if not terms.needed_ids:
        return None
    earlier = sale.ticket_types.get(terms.ticket_type_id)
    if terms.ticket_type_id in terms.needed_ids or not sale.ticket_types.keys() >= set(terms.needed_ids):
        return No(SalesRefusal.UNKNOWN_TICKET_TYPE)
    if any(sale.ticket_types[type_id].needed_ids for type_id in terms.needed_ids) or any(
        terms.ticket_type_id in other.needed_ids for other in sale.ticket_types.values()
    ):
        return No(SalesRefusal.NOT_AN_ADD_ON, "chain")
    if terms.zone is not None:
        return No(SalesRefusal.NOT_AN_ADD_ON, "zone")
    if sale.state != "closed" and earlier is not None and not earlier.needed_ids:
        return No(SalesRefusal.NOT_AN_ADD_ON, "published")
    return None
