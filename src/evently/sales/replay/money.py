"""Applies the money of facts to the replayed sale: ledger rows, refunds, uses of promo codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple
from uuid import UUID

from evently.sales import facts
from evently.sales.replay.state import (
    NOTHING_MORE,
    Cancelled,
    Contradiction,
    PromoUse,
    ReplayedBooking,
    ReplayedOutside,
    ReplayedSale,
    TicketDetails,
)
from evently.sales.states import BookingPayment
from evently.sales.terms import Conditions

_SETTLED_BY = {"gateway": "gateway", "never_paid": "buyer", "by_hand": "door"}  # account by how
HAS_PROMOS, DOOR_KEPT = 4, 128  # of `sales.extras`


class _Parts(NamedTuple):
    """The price of tickets by the accounts that receive it."""

    organizer: int
    tax: int
    fees: int


def post_confirmation(
    sale: ReplayedSale, booking: ReplayedBooking, tickets: Sequence[facts.TicketFact], owes: str
) -> int:
    """Post the confirmation of these tickets; return their total."""
    if not booking.more:  # most tickets have nothing but a price
        price_minor = sum([price for _, _, price in tickets])
        if price_minor:
            booking.postings.append((sale.seq, owes, "organizer", price_minor))
        return price_minor
    parts = _parts(booking, tickets)
    _post(
        sale,
        booking,
        [(owes, account, amount) for account, amount in zip(_Parts._fields, parts, strict=True)],
    )
    return sum(parts)


def payment_of(
    sale: ReplayedSale, booking: ReplayedBooking, tickets: Sequence[facts.TicketFact]
) -> BookingPayment:
    """Return how a held booking is paid: as its conditions say, unless it costs nothing."""
    if not sum(_parts(booking, tickets)):
        return "none"
    return sale.conditions[booking.conditions_version].payment if booking.conditions_version else "door"


def post_cancellation(sale: ReplayedSale, booking: ReplayedBooking, fact: Cancelled) -> None:
    """Post a cancellation: the reverse of the confirmation when it was unpaid, else the refund.

    Each account gives its share of the refund; a fee that is kept keeps its tax.
    """
    parts = _parts(booking, fact.tickets)
    if fact.door_kept:
        if booking.payment_id is not None or fact.refund_minor:
            raise Contradiction(f"{fact.booking_id} was paid online, but its money was kept")
        if sale.state == "cancelled" and not sale.extras & DOOR_KEPT:
            raise Contradiction(f"money of {fact.booking_id} was kept, but its event pays back all of it")
        return
    if booking.payment_id is None or fact.unpaid:
        owed = "door" if booking.payment_id is None else "buyer"
        _post(
            sale,
            booking,
            [(account, owed, amount) for account, amount in zip(_Parts._fields, parts, strict=True)],
        )
        return
    refund = fact.refund_minor
    conditions = sale.conditions[booking.conditions_version] if booking.conditions_version else Conditions()
    left = booking.paid_minor - booking.refunded_minor - booking.outside_minor
    kept = conditions.fee_kept and conditions.fees.paid_by == "buyer" and refund < min(sum(parts), left)
    if kept:
        tax_of_fees = sum([_more(booking, ticket_id).fee_tax_minor for ticket_id, _, _ in fact.tickets])
        parts = _Parts(parts.organizer, parts.tax - tax_of_fees, 0)
    whole = sum(parts)
    if refund > whole:
        raise Contradiction(f"{refund} is refunded for tickets that cost {whole}")
    if fact.parts:
        _refund_by_shares(sale, booking, fact, parts)
    elif refund:  # decided by an earlier version
        tax = parts.tax * refund // whole
        fees = parts.fees * refund // whole
        _post(
            sale,
            booking,
            [
                ("organizer", "refunds", refund - tax - fees),
                ("tax", "refunds", tax),
                ("fees", "refunds", fees),
            ],
        )


def capture(sale: ReplayedSale, fact: facts.PaymentCaptured) -> None:
    """Capture the payment of a booking."""
    if not sale.follows(fact.booking_id):
        return
    booking = sale.bookings[fact.booking_id]
    if booking.captured_at is not None or (booking.payment_id, booking.paid_minor) != (
        fact.payment_id,
        fact.amount_minor,
    ):
        raise Contradiction(f"{fact.booking_id} was captured twice, or with another payment")
    booking.captured_at = sale.at
    _post(sale, booking, [("gateway", "buyer", fact.amount_minor)])


def settle(sale: ReplayedSale, fact: facts.RefundSettled) -> None:
    """Settle a refund."""
    refund = sale.refunds[fact.refund_id]
    if refund.settled or (refund.booking_id, refund.amount_minor) != (
        fact.booking_id,
        fact.amount_minor,
    ):
        raise Contradiction(f"refund {fact.refund_id} was settled twice, or differs")
    refund.settled_at, refund.how, refund.reason = sale.at, fact.how, fact.reason
    if sale.follows(fact.booking_id):
        booking = sale.bookings[fact.booking_id]
        _post(
            sale,
            booking,
            [("refunds", _SETTLED_BY[fact.how], fact.amount_minor)],
        )


def refund_outside(sale: ReplayedSale, fact: facts.OutsideRefundsRecorded) -> None:
    """Record refunds at the gateway by another hand: post by how much their sum has changed."""
    _record_current(sale, fact)
    if not sale.follows(fact.booking_id):
        return
    booking = sale.bookings[fact.booking_id]
    if booking.captured_at is None or booking.payment_id != fact.payment_id:
        raise Contradiction(f"{fact.booking_id} was refunded outside without a captured payment")
    if not 0 <= fact.outside_minor <= booking.paid_minor - booking.refunded_minor:
        raise Contradiction(f"{fact.outside_minor} was refunded outside for {fact.booking_id}")
    total = sum([amount for _, _, _, amount in fact.refunds])
    if fact.refunds and fact.outside_minor != min(total, booking.paid_minor - booking.refunded_minor):
        raise Contradiction(f"{fact.outside_minor} of {total} was refunded outside for {fact.booking_id}")
    every = {**booking.tickets, **booking.voided}
    whole = _parts(booking, [(ticket_id, *of) for ticket_id, of in every.items()])
    moved = fact.outside_minor - booking.outside_minor
    new, old = fact.outside_minor, booking.outside_minor
    if fact.parts:
        booking.outside_minor = new
        _share_outside(sale, booking, fact, moved)
        return
    tax = whole.tax * new // sum(whole) - whole.tax * old // sum(whole)
    fees = whole.fees * new // sum(whole) - whole.fees * old // sum(whole)
    booking.outside_minor = new
    for account, amount in (("organizer", moved - tax - fees), ("tax", tax), ("fees", fees)):
        way = (account, "refunds") if amount > 0 else ("refunds", account)
        _post(sale, booking, [(*way, abs(amount))])
    way = ("refunds", "gateway") if moved > 0 else ("gateway", "refunds")
    _post(sale, booking, [(*way, abs(moved))])


def _refund_by_shares(sale: ReplayedSale, booking: ReplayedBooking, fact: Cancelled, parts: _Parts) -> None:
    """Post a refund by the parts of its tickets, and what others paid back by what is left then."""
    kept, outside = _without_outside(booking)
    wanted = _by_remainders(fact.refund_minor, parts)
    given = [max(min(want, has), 0) for want, has in zip(wanted, kept, strict=True)]
    if lacking := fact.refund_minor - sum(given):
        more = _by_remainders(lacking, [has - each for has, each in zip(kept, given, strict=True)])
        given = [each + added for each, added in zip(given, more, strict=True)]
    if tuple(given) != fact.parts:
        raise Contradiction(f"{fact.parts} is given of a refund of {fact.booking_id} instead of {given}")
    left = [has - each for has, each in zip(kept, given, strict=True)]
    _post(
        sale,
        booking,
        [(account, "refunds", amount) for account, amount in zip(_Parts._fields, given, strict=True)],
    )
    _move_outside(sale, booking, outside, _by_remainders(sum(outside), left))


def _share_outside(
    sale: ReplayedSale, booking: ReplayedBooking, fact: facts.OutsideRefundsRecorded, moved: int
) -> None:
    kept, outside = _without_outside(booking)
    if not any(kept):  # others paid everything back, when earlier versions recorded it
        kept = [
            sum([amount for _, _, credit, amount in booking.postings if credit == account])
            for account in _Parts._fields
        ]
    given = _by_remainders(sum(outside) + moved, kept)
    if tuple(given) != fact.parts:
        raise Contradiction(f"{fact.parts} is given outside for {fact.booking_id} instead of {given}")
    _move_outside(sale, booking, outside, given)


def _without_outside(booking: ReplayedBooking) -> tuple[list[int], list[int]]:
    """Return what the accounts would have without refunds by another hand, and what they gave of those.

    Earlier versions posted these like refunds of the sale: when such a one fails, nothing is taken back here.
    """
    kept, given = [], []
    for account in _Parts._fields:
        own = [(debit, credit, amount) for _, debit, credit, amount in booking.postings]
        at_gateway = sum([amount for debit, credit, amount in own if (debit, credit) == (account, "gateway")])
        back = sum([amount for debit, credit, amount in own if (debit, credit) == ("gateway", account)])
        kept.append(
            sum(
                [
                    amount if credit == account else -amount
                    for debit, credit, amount in own
                    if account in (debit, credit)
                ]
            )
        )
        given.append(at_gateway - back)
    if sum(given) < 0:
        return kept, [0, 0, 0]
    return [has + gone for has, gone in zip(kept, given, strict=True)], given


def _by_remainders(amount: int, parts: Sequence[int]) -> list[int]:
    """Share an amount in proportion to parts, exactly, and then in whole units by the largest remainders."""
    if amount == sum(parts):
        return list(parts)
    whole = sum([part for part in parts if part > 0])
    if whole == 0:
        return [amount, *[0 for _ in parts[1:]]]
    exact = [Fraction(abs(amount) * max(part, 0), whole) for part in parts]
    shares = [int(each) for each in exact]
    while sum(shares) < abs(amount):
        gaps = [share - each for share, each in zip(shares, exact, strict=True)]
        shares[gaps.index(min(gaps))] += 1
    return shares if amount >= 0 else [-each for each in shares]


def _move_outside(
    sale: ReplayedSale, booking: ReplayedBooking, before: Sequence[int], after: Sequence[int]
) -> None:
    for account, old, new in zip(_Parts._fields, before, after, strict=True):
        way = (account, "gateway") if new > old else ("gateway", account)
        _post(sale, booking, [(*way, abs(new - old))])


def _record_current(sale: ReplayedSale, fact: facts.OutsideRefundsRecorded) -> None:
    """Record which refunds by another hand are current: the others of the booking are reversed."""
    before = sale.outside_current.get(fact.booking_id, set())
    current = {refund_id for refund_id, *_ in fact.refunds}
    for refund_id, kind, reference, amount_minor in fact.refunds:
        new = ReplayedOutside(fact.booking_id, kind, reference, amount_minor, sale.now())
        if refund_id not in before:
            if refund_id in sale.outside:
                raise Contradiction(f"refund {refund_id} was recorded twice")
            sale.outside[refund_id] = new
        elif replace(new, recorded_at=sale.outside[refund_id].recorded_at) != sale.outside[refund_id]:
            raise Contradiction(f"refund {refund_id} was another when it was recorded")
    for refund_id in before - current:
        sale.outside[refund_id].reversed_at = sale.now()
    sale.outside_current[fact.booking_id] = current


def use_promo(
    sale: ReplayedSale, booking_id: UUID, use: PromoUse, tickets: Sequence[facts.TicketFact]
) -> None:
    """Count the use of a promo code by a booking, and check its limits."""
    promo = sale.promos[use.promo_id]
    promo.uses += 1
    promo.spent_minor += use.spent_minor
    promo.by_buyer[use.buyer_id] += 1
    sale.promo_uses[booking_id] = use
    terms = promo.terms
    named = terms.ticket_type_ids
    units = len([type_id for _, type_id, _ in tickets if not named or type_id in named])
    for used, limit in (
        (units, terms.units_per_use_max),
        (promo.uses, terms.uses_max),
        (promo.spent_minor, terms.budget_minor),
        (promo.by_buyer[use.buyer_id], terms.per_buyer_max),
        (use.spent_minor, terms.value if terms.kind == "fixed_per_booking" else None),
    ):
        if limit is not None and used > limit:
            raise Contradiction(f"promo code {terms.promo_id} was used for {used}, but its limit is {limit}")


def discount_offer(sale: ReplayedSale, booking: ReplayedBooking, fact: facts.OfferDiscounted) -> None:
    """Give the tickets of an offer the amounts that a promo code leaves."""
    before = sum(_parts(booking, fact.tickets))
    booking.promo_id, booking.more_offered = fact.promo_id, dict(booking.more)
    fee_taxes = fact.fee_taxes or (0,) * len(fact.tickets)
    for (ticket_id, _, price), (discount, surcharge, fee, tax), fee_tax in zip(
        fact.tickets, fact.money, fee_taxes, strict=True
    ):
        if not (0 <= discount <= price and 0 <= fee_tax <= fee):
            raise Contradiction(f"ticket {ticket_id} costs {price}, its discount is {discount}")
        booking.more[ticket_id] = booking.more.get(ticket_id, NOTHING_MORE)._replace(
            discount_minor=discount,
            surcharge_minor=surcharge,
            fee_minor=fee,
            tax_minor=tax,
            fee_tax_minor=fee_tax,
        )
    if sum(_parts(booking, fact.tickets)) > before:
        raise Contradiction(f"{fact.booking_id} costs more with a promo code than without")
    booking.payment = payment_of(sale, booking, fact.tickets)


def release_promo(sale: ReplayedSale, booking_id: UUID) -> None:
    """Give back the use of a promo code when the booking that used it ends."""
    if (use := sale.promo_uses.pop(booking_id, None)) is not None:
        promo = sale.promos[use.promo_id]
        promo.uses -= 1
        promo.spent_minor -= use.spent_minor
        promo.by_buyer[use.buyer_id] -= 1


def _parts(booking: ReplayedBooking, tickets: Sequence[facts.TicketFact]) -> _Parts:
    if not booking.more:
        return _Parts(sum([price for _, _, price in tickets]), 0, 0)
    due = tax = fees = 0
    for ticket_id, _, price in tickets:
        more = _more(booking, ticket_id)
        due += price - more.discount_minor + more.surcharge_minor
        tax += more.tax_minor + more.fee_tax_minor
        fees += more.fee_minor - more.fee_tax_minor
    return _Parts(due - tax - fees, tax, fees)


def _more(booking: ReplayedBooking, ticket_id: UUID) -> TicketDetails:
    return booking.more.get(ticket_id, NOTHING_MORE)


def _post(sale: ReplayedSale, booking: ReplayedBooking, postings: Sequence[tuple[str, str, int]]) -> None:
    booking.postings += [(sale.seq, *posting) for posting in postings if posting[2]]
