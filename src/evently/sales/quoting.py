"""What something would cost, or pay back, if it were done now: the answers of the rules, and nothing is done. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from evently.sales.booking_rules import chosen_tickets, not_cancellable
from evently.sales.commands import Booking, Line, No, SalesRefusal
from evently.sales.placing_rules import discounts_of, find_promo, unlocks
from evently.sales.pricing import TicketQuote, amounts_of, quote_cancellation
from evently.sales.state import Batch, Promo, Sale
from evently.sales.terms import Conditions, PromoTerms, TicketTypeTerms
from evently.sales.units import is_due


class LineQuote(msgspec.Struct, frozen=True):
    """What each of the tickets of a line would cost, in minor units. `surcharge_minor` comes on top of the price."""

    ticket_type_id: UUID
    quantity: int
    price_minor: int
    discount_minor: int
    surcharge_minor: int
    fee_minor: int
    tax_minor: int

    def total_minor(self) -> int:
        """Return what one ticket would cost."""
        return self.price_minor - self.discount_minor + self.surcharge_minor


class BookingQuote(msgspec.Struct, frozen=True):
    """What a booking would cost, under which conditions. `unlocked`: hidden ticket types that are sold with the promo code."""

    currency: str
    lines: list[LineQuote]
    conditions: Conditions
    promo: PromoTerms | None
    unlocked: list[TicketTypeTerms]


class CancellationQuote(msgspec.Struct, frozen=True):
    """What cancelling these tickets of a booking would pay back."""

    booking: Booking
    tickets: list[TicketQuote]
    conditions: Conditions
    starts_at: datetime


def quote_booking(sale: Sale, batch: Batch, buyer_id: UUID, lines: Sequence[Line], promo_code: str | None) -> BookingQuote | No:
    """Return what lines would cost; whether as many are there, and on sale yet, is not asked. Without lines: what the code unlocks."""
    if sale.state == "closed":
        return No(SalesRefusal.EVENT_NOT_FOUND)
    if sale.state == "cancelled":
        return No(SalesRefusal.EVENT_CANCELLED)
    promo = None if promo_code is None else find_promo(sale, batch, promo_code, buyer_id)
    if isinstance(promo, No):
        return promo
    for line in lines:
        terms = sale.ticket_types.get(line.ticket_type_id)
        if terms is None or terms.retired or (terms.hidden and not unlocks(promo, terms)):
            return No(SalesRefusal.UNKNOWN_TICKET_TYPE)
    discounts = discounts_of(sale, promo, lines) if promo is not None and lines else {}
    if isinstance(discounts, No):
        return discounts
    _, conditions = sale.conditions_now()
    return BookingQuote(
        sale.currency,
        [_quote_line(sale, conditions, line, discounts.get(line.ticket_type_id, 0)) for line in lines],
        conditions,
        None if promo is None else promo.terms,
        unlocked_by(sale, promo),
    )


def quote_ending(
    booking: Booking, conditions: Conditions, ticket_ids: tuple[UUID, ...] | None, starts_at: datetime, now: datetime
) -> CancellationQuote | No:
    """Return what a buyer who cancels a booking now, or some of its tickets, would get back; or why they cannot cancel."""
    if is_due(booking, now):
        return No(SalesRefusal.HOLD_EXPIRED)
    if no := not_cancellable(booking, conditions, starts_at, now):
        return no
    chosen = chosen_tickets(booking, ticket_ids)
    if isinstance(chosen, No):
        return chosen
    return CancellationQuote(booking, quote_cancellation(booking, chosen, conditions, starts_at, now), conditions, starts_at)


def _quote_line(sale: Sale, conditions: Conditions, line: Line, discount_minor: int) -> LineQuote:
    terms = sale.ticket_types[line.ticket_type_id]
    return LineQuote(terms.ticket_type_id, line.quantity, terms.price_minor, *amounts_of(terms, discount_minor, conditions.fees))


def unlocked_by(sale: Sale, promo: Promo | None) -> list[TicketTypeTerms]:
    """Return the hidden ticket types that are sold with a promo code."""
    return [terms for terms in sale.ticket_types.values() if terms.hidden and not terms.retired and unlocks(promo, terms)]
