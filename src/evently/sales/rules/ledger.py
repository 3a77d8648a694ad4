"""The money of a sale, double entry: each posting takes an amount from one account and gives it to another.

Pure.

    buyer      owes what was confirmed and is not captured yet
    door       owes what is paid on site
    gateway    has what was captured and not refunded
    organizer  receives prices, less tax and fees
    tax        receives the tax of prices, and that of fees that buyers pay
    fees       receives fees, less their tax
    refunds    is owed to buyers until it is settled

Confirming debits buyer or door and credits organizer, tax and fees. Capturing debits gateway and credits
buyer. A cancellation with a refund debits organizer, tax and fees and credits refunds; settling the refund
debits refunds and credits gateway. A refund by another hand at the gateway does both at once, and the reverse
when it fails; a refund that the organizer settles by hand debits refunds and credits door.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

from evently.sales.commands import Ticket
from evently.sales.states import SettledBy

_SETTLED_BY: Final = {"gateway": "gateway", "never_paid": "buyer", "by_hand": "door"}
Debtor: TypeAlias = Literal["buyer", "door"]


class Posting(NamedTuple):
    """One row of the ledger."""

    booking_id: UUID
    debit: str
    credit: str
    amount_minor: int


class Split(NamedTuple):
    """An amount by the accounts that receive it."""

    organizer: int
    tax: int
    fees: int


def confirmed(booking_id: UUID, tickets: Iterable[Ticket], owes: Debtor) -> list[Posting]:
    """Return the postings for tickets that were confirmed."""
    return _postings(booking_id, split_of(tickets), owes)


def cancelled_unpaid(booking_id: UUID, tickets: Iterable[Ticket], owes: Debtor) -> list[Posting]:
    """Return the postings for unpaid tickets that were cancelled: the reverse of confirming them."""
    return [_reverse(posting) for posting in confirmed(booking_id, tickets, owes)]


def refunded(
    booking_id: UUID, tickets: Sequence[Ticket], refund_minor: int, *, fee_kept: bool
) -> list[Posting]:
    """Return the postings for paid tickets that were cancelled with a refund.

    Tax and fees give back the share that the refund is of everything that can be refunded. A fee that is kept
    keeps its tax.
    """
    if not refund_minor:
        return []
    whole = split_of(tickets)
    if fee_kept:
        whole = Split(whole.organizer, sum([ticket.tax_minor for ticket in tickets]), 0)
    total = sum(whole)
    tax = whole.tax * refund_minor // total
    fees = whole.fees * refund_minor // total
    share = Split(refund_minor - tax - fees, tax, fees)
    return [_reverse(posting) for posting in _postings(booking_id, share, "refunds")]


def captured(booking_id: UUID, amount_minor: int) -> list[Posting]:
    """Return the posting for a payment that was captured."""
    return [Posting(booking_id, "gateway", "buyer", amount_minor)]


def settled(booking_id: UUID, amount_minor: int, how: SettledBy) -> list[Posting]:
    """Return the posting for a refund that was settled.

    `never_paid`: nothing had been taken, so the refund cancels what the buyer still owes. `by_hand`: the
    organizer paid it back on site.
    """
    return [Posting(booking_id, "refunds", _SETTLED_BY[how], amount_minor)]


def refunded_outside(
    booking_id: UUID, tickets: Iterable[Ticket], before_minor: int, after_minor: int
) -> list[Posting]:
    """Return the postings for refunds at the gateway by another hand, which rise or fall to an amount.

    Tax and fees give their share of the whole booking, by its sum of such refunds.
    """
    before, after = _share_of_outside(tickets, before_minor), _share_of_outside(tickets, after_minor)
    change = Split(*[new - old for old, new in zip(before, after, strict=True)])
    posted = []
    for name, amount in zip(Split._fields, change, strict=True):
        if amount > 0:
            posted.append(Posting(booking_id, name, "refunds", amount))
        elif amount < 0:
            posted.append(Posting(booking_id, "refunds", name, -amount))
    moved = after_minor - before_minor
    if moved > 0:
        posted.append(Posting(booking_id, "refunds", "gateway", moved))
    else:
        posted.append(Posting(booking_id, "gateway", "refunds", -moved))
    return posted


def _share_of_outside(tickets: Iterable[Ticket], amount_minor: int) -> Split:
    whole = split_of(tickets)
    total = sum(whole)
    tax, fees = whole.tax * amount_minor // total, whole.fees * amount_minor // total
    return Split(amount_minor - tax - fees, tax, fees)


def split_of(tickets: Iterable[Ticket]) -> Split:
    """Split the price of tickets by the accounts that receive it."""
    total = tax = fees = 0
    for ticket in tickets:
        total += ticket.price_minor - ticket.discount_minor + ticket.surcharge_minor
        tax += ticket.all_tax_minor()
        fees += ticket.fee_minor - ticket.fee_tax_minor
    return Split(total - tax - fees, tax, fees)


def _postings(booking_id: UUID, split: Split, account: str) -> list[Posting]:
    return [
        Posting(booking_id, account, name, amount)
        for name, amount in zip(Split._fields, split, strict=True)
        if amount
    ]


def _reverse(posting: Posting) -> Posting:
    return Posting(posting.booking_id, posting.credit, posting.debit, posting.amount_minor)
