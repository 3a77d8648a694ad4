"""What a ticket costs and what is refunded for it.

Pure, in integer minor units; halves round up, once per ticket.

The price is the organizer's price less the discount. Tax is included in it or comes on top. The fee comes on
top when the buyer pays it, and includes its own tax; otherwise it is deducted from the organizer's part, and
the tax of the price is all the tax there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol
from uuid import UUID

import msgspec

from evently.sales.nouns import Booking, Ticket
from evently.sales.states import BookingPayment
from evently.sales.terms import (
    WHOLE,
    Conditions,
    Fees,
    PromoTerms,
    RefundWindow,
    Rescheduling,
    TicketTypeTerms,
)


class TicketAmounts(NamedTuple):
    """The amounts of one ticket besides its price; the names are those of `Ticket`."""

    discount_minor: int
    surcharge_minor: int
    fee_minor: int
    tax_minor: int
    fee_tax_minor: int


class TicketQuote(msgspec.Struct, frozen=True):
    """What cancelling a ticket now would refund."""

    ticket_id: UUID
    total_minor: int
    refund_minor: int


NOTHING: Final = TicketAmounts(0, 0, 0, 0, 0)


class PricedType(Protocol):
    """A ticket type, as far as its amounts depend on it."""

    @property
    def price_minor(self) -> int:
        """The price of a unit."""

    @property
    def tax_basis_points(self) -> int:
        """The tax, in basis points of the price."""

    @property
    def tax_included(self) -> bool:
        """Whether the tax is in the price, else on top of it."""


def amounts_of(terms: PricedType, discount_minor: int, fees: Fees) -> TicketAmounts:
    """Return the amounts of a ticket of a type that is sold with a discount."""
    price = terms.price_minor - discount_minor
    assert discount_minor >= 0 <= price, "a discount is at most the price"
    if price == 0 or not (terms.tax_basis_points or fees.fixed_minor or fees.basis_points):
        return TicketAmounts(discount_minor, 0, 0, 0, 0) if discount_minor else NOTHING
    fee = fees.fixed_minor + share_of(price, fees.basis_points)
    if terms.tax_included:
        tax = _tax_within(price, terms.tax_basis_points)
        surcharge = 0
    else:
        tax = surcharge = share_of(price, terms.tax_basis_points)
    fee_tax = 0
    if fees.paid_by == "buyer":
        surcharge += fee
        rate = terms.tax_basis_points if fees.tax_basis_points is None else fees.tax_basis_points
        fee_tax = _tax_within(fee, rate)
    else:
        # The organizer's part is never negative
        fee = min(fee, price - (tax if terms.tax_included else 0))
    return TicketAmounts(discount_minor, surcharge, fee, tax, fee_tax)


def payment_of(conditions: Conditions, tickets: Iterable[Ticket]) -> BookingPayment:
    """Return how a new booking of these tickets is paid."""
    return conditions.payment if any(ticket.total_minor() for ticket in tickets) else "none"


def discount_of(promo: PromoTerms, ticket_type_id: UUID, price_minor: int) -> int:
    """Return the discount of a promo code on one ticket of a type: as on a booking of that ticket alone."""
    if promo.ticket_type_ids and ticket_type_id not in promo.ticket_type_ids:
        return 0
    if promo.kind == "percent":
        return share_of(price_minor, promo.value)
    return 0 if promo.kind == "unlock" else min(price_minor, promo.value)


def total_of(terms: TicketTypeTerms, amounts: TicketAmounts) -> int:
    """Return what a ticket of a type with these amounts costs its buyer."""
    return terms.price_minor - amounts.discount_minor + amounts.surcharge_minor


class Promise(NamedTuple):
    """What the deadlines of a booking are counted from.

    `starts_at`: the latest start that its buyer was promised since it was placed; a later one is better.
    `begins_at`: the start of the event now: nothing is cancelled after it. `give_back_until`: until then its
    tickets may be given back in full; None: no new time or place.
    """

    starts_at: datetime
    begins_at: datetime
    give_back_until: datetime | None = None


def promise_to(
    booking: Booking, conditions: Conditions, reschedulings: Sequence[Rescheduling], starts_at: datetime
) -> Promise:
    """Return what a buyer was promised. `starts_at`: of the event now."""
    later = [each for each in reschedulings if each.at >= booking.placed_at]
    if not later:
        return Promise(starts_at, starts_at)
    until = later[-1].at + timedelta(days=conditions.give_back_days)
    begins_at = later[-1].starts_at
    return Promise(
        max([begins_at, *[max(each.starts_before, each.starts_at) for each in later]]),
        begins_at,
        min(until, begins_at) if conditions.give_back_days else None,
    )


def may_give_back(promise: Promise, now: datetime) -> bool:
    """Return whether tickets may be given back in full, because the event got another time or place."""
    return promise.give_back_until is not None and now < promise.give_back_until


def window_at(conditions: Conditions, starts_at: datetime, now: datetime) -> RefundWindow | None:
    """Return the refund window that is open; of several, the one that ends first."""
    still_open = [window for window in conditions.refund_windows if now < window.ends_at(starts_at)]
    return max(still_open, key=lambda window: window.hours_before, default=None)


def cancellable_until(booking: Booking, conditions: Conditions, promise: Promise) -> datetime:
    """Return the instant from which the buyer can no longer cancel; for a hold, the start of the event."""
    if booking.state != "confirmed":
        return promise.begins_at
    deadline = promise.starts_at - timedelta(hours=conditions.cancel_hours_before)
    deadline = min(deadline, promise.begins_at)
    return deadline if promise.give_back_until is None else max(deadline, promise.give_back_until)


def refund_of(ticket: Ticket, conditions: Conditions, promise: Promise, now: datetime) -> int:
    """Return the refund for a paid ticket that its buyer cancels now; never more than it cost."""
    if may_give_back(promise, now):
        return ticket.total_minor()
    window = window_at(conditions, promise.starts_at, now)
    return 0 if window is None else share_of(refundable_of(ticket, conditions), window.basis_points)


def refundable_of(ticket: Ticket, conditions: Conditions) -> int:
    """Return the most that can be refunded for a paid ticket."""
    return refundable_minor(ticket.total_minor(), ticket.fee_minor, conditions)


def refundable_minor(total_minor: int, fee_minor: int, conditions: Conditions) -> int:
    """Return the most that can be refunded for a ticket that costs this much, with this fee."""
    kept = fee_minor if conditions.fee_kept and conditions.fees.paid_by == "buyer" else 0
    return total_minor - kept


def quote_cancellation(
    booking: Booking, tickets: Iterable[Ticket], conditions: Conditions, promise: Promise, now: datetime
) -> list[TicketQuote]:
    """Return what cancelling these tickets of a booking now would refund, for each ticket."""
    left = booking.paid_minor - booking.refunded_minor - booking.outside_minor
    quotes = []
    for ticket in tickets:
        refund = min(refund_of(ticket, conditions, promise, now), left)
        left -= refund
        quotes.append(TicketQuote(ticket.ticket_id, ticket.total_minor(), refund))
    return quotes


def share_of(amount: int, basis_points: int) -> int:
    """Return so many ten-thousandths of an amount."""
    return _divide(amount * basis_points, WHOLE)


def _tax_within(amount: int, basis_points: int) -> int:
    return amount - _divide(amount * WHOLE, WHOLE + basis_points)


def _divide(amount: int, by: int) -> int:
    return (2 * amount + by) // (2 * by)
