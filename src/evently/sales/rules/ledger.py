"""The money of a sale, double entry: each posting takes an amount from one account and gives it to another.

Pure.

    buyer      owes what was confirmed and is not captured yet
    door       owes what is paid on site
    gateway    has what was captured and not refunded
    organizer  receives prices, less tax and fees
    tax, fees  receive their part of each ticket
    refunds    is owed to buyers until it is settled

Confirming debits buyer or door and credits organizer, tax and fees. Capturing debits gateway and credits
buyer. A cancellation with a refund debits organizer, tax and fees and credits refunds; settling the refund
debits refunds and credits gateway.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias
from uuid import UUID

from evently.sales.commands import Ticket
from evently.sales.states import SettledBy

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

    Tax and fees give back the share that the refund is of everything that can be refunded.
    """
    whole = split_of(tickets)
    total = whole.organizer + whole.tax + (0 if fee_kept else whole.fees)
    if not refund_minor:
        return []
    tax = whole.tax * refund_minor // total
    fees = 0 if fee_kept else whole.fees * refund_minor // total
    share = Split(refund_minor - tax - fees, tax, fees)
    return [_reverse(posting) for posting in _postings(booking_id, share, "refunds")]


def captured(booking_id: UUID, amount_minor: int) -> list[Posting]:
    """Return the posting for a payment that was captured."""
    return [Posting(booking_id, "gateway", "buyer", amount_minor)]


def settled(booking_id: UUID, amount_minor: int, how: SettledBy) -> list[Posting]:
    """Return the posting for a refund that was settled.

    `never_paid`: nothing had been taken, so the refund cancels what the buyer still owes.
    """
    return [Posting(booking_id, "refunds", "gateway" if how == "gateway" else "buyer", amount_minor)]


def split_of(tickets: Iterable[Ticket]) -> Split:
    """Split the price of tickets by the accounts that receive it."""
    total = tax = fees = 0
    for ticket in tickets:
        total += ticket.price_minor - ticket.discount_minor + ticket.surcharge_minor
        tax += ticket.tax_minor
        fees += ticket.fee_minor
    return Split(total - tax - fees, tax, fees)


def _postings(booking_id: UUID, split: Split, account: str) -> list[Posting]:
    return [
        Posting(booking_id, account, name, amount)
        for name, amount in zip(Split._fields, split, strict=True)
        if amount
    ]


def _reverse(posting: Posting) -> Posting:
    return Posting(posting.booking_id, posting.credit, posting.debit, posting.amount_minor)
