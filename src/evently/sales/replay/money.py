"""What is owed and moved, told by the journal: the rows that the ledger must have, refunds, promo codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from evently.sales import facts as fact
from evently.sales.replay.state import (
    NOTHING_MORE,
    Cancelled,
    Contradiction,
    Placed,
    PromoUse,
    ReplayedBooking,
    ReplayedSale,
)
from evently.sales.terms import Conditions

HAS_PROMOS = 4  # of `sales.extras`


class _Parts(NamedTuple):
    """The price of tickets by who gets it."""

    organizer: int
    tax: int
    fees: int


def post_confirmation(
    told: ReplayedSale, booking: ReplayedBooking, tickets: Sequence[fact.TicketFact], owes: str
) -> int:
    """Post what confirming these tickets owes to whom; return the whole."""
    if not booking.more:  # the most of them: nothing but a price
        price_minor = sum([price for _, _, price in tickets])
        if price_minor:
            booking.postings.append((told.seq, owes, "organizer", price_minor))
        return price_minor
    parts = _parts(booking, tickets)
    _post(
        told,
        booking,
        [(owes, account, amount) for account, amount in zip(_Parts._fields, parts, strict=True)],
    )
    return sum(parts)


def post_cancellation(told: ReplayedSale, booking: ReplayedBooking, happened: Cancelled) -> None:
    """Post what is undone, because nobody had paid; or what is owed back: of tax and fees the same share as of the whole."""
    parts = _parts(booking, happened.tickets)
    if booking.payment_id is None or happened.unpaid:
        owed = "door" if booking.payment_id is None else "buyer"
        _post(
            told,
            booking,
            [(account, owed, amount) for account, amount in zip(_Parts._fields, parts, strict=True)],
        )
        return
    refund = happened.refund_minor
    conditions = told.conditions[booking.conditions_version] if booking.conditions_version else Conditions()
    fees_kept = conditions.fee_kept and conditions.fees.paid_by == "buyer" and refund < sum(parts)
    whole = sum(parts) - (parts.fees if fees_kept else 0)
    if refund > whole:
        raise Contradiction(f"{refund} is to be paid back for what cost {whole}")
    if refund:
        tax = parts.tax * refund // whole
        fees = 0 if fees_kept else parts.fees * refund // whole
        _post(
            told,
            booking,
            [
                ("organizer", "refunds", refund - tax - fees),
                ("tax", "refunds", tax),
                ("fees", "refunds", fees),
            ],
        )


def capture(told: ReplayedSale, happened: fact.PaymentCaptured) -> None:
    """The payment of a booking was collected."""
    if not told.follows(happened.booking_id):
        return
    booking = told.bookings[happened.booking_id]
    if booking.captured_at is not None or (booking.payment_id, booking.paid_minor) != (
        happened.payment_id,
        happened.amount_minor,
    ):
        raise Contradiction(f"{happened.booking_id} was captured twice, or with another payment")
    booking.captured_at = told.at
    _post(told, booking, [("gateway", "buyer", happened.amount_minor)])


def settle(told: ReplayedSale, happened: fact.RefundSettled) -> None:
    """What was to be paid back was, or nothing had been taken."""
    refund = told.refunds[happened.refund_id]
    if refund.settled or (refund.booking_id, refund.amount_minor) != (
        happened.booking_id,
        happened.amount_minor,
    ):
        raise Contradiction(f"refund {happened.refund_id} was settled twice, or is another")
    refund.settled_at, refund.how = told.at, happened.how
    if told.follows(happened.booking_id):
        booking = told.bookings[happened.booking_id]
        _post(
            told,
            booking,
            [("refunds", "gateway" if happened.how == "gateway" else "buyer", happened.amount_minor)],
        )


def use_promo(told: ReplayedSale, happened: Placed) -> None:
    """A booking was placed with a promo code."""
    assert happened.promo_id is not None, "there is a promo code"
    promo = told.promos[happened.promo_id]
    use = PromoUse(happened.promo_id, happened.buyer_id, sum([money[0] for money in happened.money]))
    promo.uses += 1
    promo.spent_minor += use.spent_minor
    promo.by_buyer[use.buyer_id] += 1
    told.promo_uses[happened.booking_id] = use
    terms = promo.terms
    for used, limit in (
        (promo.uses, terms.uses_max),
        (promo.spent_minor, terms.budget_minor),
        (promo.by_buyer[use.buyer_id], terms.per_buyer_max),
    ):
        if limit is not None and used > limit:
            raise Contradiction(f"promo code {terms.promo_id} was used for {used}, of {limit}")


def give_promo_back(told: ReplayedSale, booking_id: UUID) -> None:
    """A booking has ended, and with it the use of its promo code."""
    if (use := told.promo_uses.pop(booking_id, None)) is not None:
        promo = told.promos[use.promo_id]
        promo.uses -= 1
        promo.spent_minor -= use.spent_minor
        promo.by_buyer[use.buyer_id] -= 1


def _parts(booking: ReplayedBooking, tickets: Sequence[fact.TicketFact]) -> _Parts:
    if not booking.more:
        return _Parts(sum([price for _, _, price in tickets]), 0, 0)
    due = tax = fees = 0
    for ticket_id, _, price in tickets:
        more = booking.more.get(ticket_id, NOTHING_MORE)
        due += price - more.discount_minor + more.surcharge_minor
        tax += more.tax_minor
        fees += more.fee_minor
    return _Parts(due - tax - fees, tax, fees)


def _post(told: ReplayedSale, booking: ReplayedBooking, moves: Sequence[tuple[str, str, int]]) -> None:
    booking.postings += [(told.seq, *move) for move in moves if move[2]]
