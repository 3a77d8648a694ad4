"""The money of a sale, double entry: each posting takes an amount from one account and gives it to another.

Pure.

    buyer      owes what was confirmed and is not captured yet
    door       owes what is paid on site
    gateway    has what was captured and not paid back
    organizer  gets prices, less tax and fees
    tax, fees  get their part of each ticket
    refunds    is owed to buyers, until it is paid back

Confirming debits buyer or door and credits organizer, tax and fees; capturing debits gateway and credits
buyer; a cancellation that pays back debits organizer, tax and fees and credits refunds; settling it debits
refunds and credits gateway.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from evently.sales.commands import Ticket


class Posting(NamedTuple):
    """One row of the ledger."""

    booking_id: UUID
    debit: str
    credit: str
    amount_minor: int


class Split(NamedTuple):
    """An amount by who gets it."""

    organizer: int
    tax: int
    fees: int


def confirmed(booking_id: UUID, tickets: Iterable[Ticket], owes: str) -> list[Posting]:
    """Tickets were confirmed; `owes`: buyer or door."""
    return _moves(booking_id, split_of(tickets), owes)


def undone(booking_id: UUID, tickets: Iterable[Ticket], owes: str) -> list[Posting]:
    """Tickets were cancelled that nobody had paid for: the opposite."""
    return [_turned(posting) for posting in confirmed(booking_id, tickets, owes)]


def paid_back(
    booking_id: UUID, tickets: Sequence[Ticket], refund_minor: int, *, fee_kept: bool
) -> list[Posting]:
    """Tickets were cancelled that had been paid, and so much is owed back: of tax and fees the same share as of all that can be."""
    whole = split_of(tickets)
    total = whole.organizer + whole.tax + (0 if fee_kept else whole.fees)
    if not refund_minor:
        return []
    tax = whole.tax * refund_minor // total
    fees = 0 if fee_kept else whole.fees * refund_minor // total
    share = Split(refund_minor - tax - fees, tax, fees)
    return [_turned(posting) for posting in _moves(booking_id, share, "refunds")]


def captured(booking_id: UUID, amount_minor: int) -> list[Posting]:
    """The payment was collected."""
    return [Posting(booking_id, "gateway", "buyer", amount_minor)]


def settled(booking_id: UUID, amount_minor: int, how: str) -> list[Posting]:
    """What was owed back was paid back through the gateway; or the buyer's debt of as much was struck, because nothing had been taken."""
    return [Posting(booking_id, "refunds", "gateway" if how == "gateway" else "buyer", amount_minor)]


def split_of(tickets: Iterable[Ticket]) -> Split:
    """Return who gets what of the price of tickets."""
    total = tax = fees = 0
    for ticket in tickets:
        total += ticket.price_minor - ticket.discount_minor + ticket.surcharge_minor
        tax += ticket.tax_minor
        fees += ticket.fee_minor
    return Split(total - tax - fees, tax, fees)


def _moves(booking_id: UUID, split: Split, account: str) -> list[Posting]:
    return [
        Posting(booking_id, account, name, amount)
        for name, amount in zip(Split._fields, split, strict=True)
        if amount
    ]


def _turned(posting: Posting) -> Posting:
    return Posting(posting.booking_id, posting.credit, posting.debit, posting.amount_minor)
