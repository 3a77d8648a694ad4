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
debits refunds and credits gateway. A refund by another hand at the gateway was never owed: it debits
organizer, tax and fees and credits gateway, and the reverse when it fails. A refund that the organizer
settles by hand debits refunds and credits door.

Who gives what of the money that is paid back: a refund that the sale decides is shared by what its own
tickets gave each account. What others paid back is shared by what the accounts have left then, and shared
anew whenever that changes. So the order does not matter, no account gives more than it got, and all are empty
when everything was paid back. Shares are rounded by their largest remainders, never one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

from evently.sales.nouns import Ticket
from evently.sales.states import SettledBy

_SETTLED_BY: Final = {"gateway": "gateway", "never_paid": "buyer", "by_hand": "door"}
Debtor: TypeAlias = Literal["buyer", "door"]
# What the ledger has of one booking: the sums of its postings by debit and credit
Posted: TypeAlias = Mapping[tuple[str, str], int]


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
    booking_id: UUID, posted: Posted, tickets: Sequence[Ticket], refund_minor: int, *, fee_kept: bool
) -> tuple[Split, list[Posting]]:
    """Return what each account gives of a refund for paid tickets, and the postings.

    A fee that is kept keeps its tax. What others paid back is shared anew by what is left then.
    """
    parts = split_of(tickets)
    if fee_kept:
        parts = Split(parts.organizer, sum([ticket.tax_minor for ticket in tickets]), 0)
    kept, outside = _kept(posted), _given_outside(posted)
    given = _given(refund_minor, parts, kept)
    left = Split(*[each - gone for each, gone in zip(kept, given, strict=True)])
    postings = [_reverse(posting) for posting in _postings(booking_id, given, "refunds")]
    return given, postings + _moved_outside(booking_id, outside, _shares(sum(outside), left))


def captured(booking_id: UUID, amount_minor: int) -> list[Posting]:
    """Return the posting for a payment that was captured."""
    return [Posting(booking_id, "gateway", "buyer", amount_minor)]


def settled(booking_id: UUID, amount_minor: int, how: SettledBy) -> list[Posting]:
    """Return the posting for a refund that was settled.

    `never_paid`: nothing had been taken, so the refund cancels what the buyer still owes. `by_hand`: the
    organizer paid it back on site.
    """
    return [Posting(booking_id, "refunds", _SETTLED_BY[how], amount_minor)]


def refunded_outside(booking_id: UUID, posted: Posted, moved_minor: int) -> tuple[Split, list[Posting]]:
    """Return what each account gives of all refunds by another hand, and the postings.

    `moved_minor`: by how much these refunds rise, or fall.
    """
    kept, outside = _kept(posted), _given_outside(posted)
    by = kept if any(kept) else _split(_received(posted, name) for name in Split._fields)
    given = _shares(sum(outside) + moved_minor, by)
    return given, _moved_outside(booking_id, outside, given)


def _kept(posted: Posted) -> Split:
    """Return what the accounts would have if nobody else had paid anything back."""
    outside = _given_outside(posted)
    return _split(
        _received(posted, name)
        - sum([amount for (debit, _), amount in posted.items() if debit == name])
        + outside[index]
        for index, name in enumerate(Split._fields)
    )


def _received(posted: Posted, name: str) -> int:
    return sum([amount for (_, credit), amount in posted.items() if credit == name])


def _given_outside(posted: Posted) -> Split:
    """Return what the accounts have given of refunds by another hand.

    Earlier versions posted these like refunds of the sale: none are left when such a refund has failed since.
    """
    given = _split(
        posted.get((name, "gateway"), 0) - posted.get(("gateway", name), 0) for name in Split._fields
    )
    return given if sum(given) >= 0 else Split(0, 0, 0)


def _given(amount_minor: int, parts: Split, kept: Split) -> Split:
    """Share a refund by the parts of its tickets; an account that has less gives what it has."""
    wanted = _shares(amount_minor, parts)
    given = Split(*[max(0, min(each, has)) for each, has in zip(wanted, kept, strict=True)])
    if (lacking := amount_minor - sum(given)) == 0:
        return given
    more = _shares(lacking, Split(*[has - each for each, has in zip(given, kept, strict=True)]))
    return Split(*[each + added for each, added in zip(given, more, strict=True)])


def _shares(amount_minor: int, parts: Split) -> Split:
    """Share an amount in proportion to parts; the largest remainders, the first of equal ones, get the rest.

    No share exceeds its part unless the amount exceeds the sum.
    """
    if amount_minor == sum(parts):
        return parts
    weights = [max(0, each) for each in parts]
    whole = sum(weights)
    if not whole:
        return Split(amount_minor, 0, 0)
    size = abs(amount_minor)
    shares = [size * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: -(size * weights[index] % whole))
    for index in by_remainder[: size - sum(shares)]:
        shares[index] += 1
    return _split(shares if amount_minor >= 0 else [-each for each in shares])


def _moved_outside(booking_id: UUID, before: Split, after: Split) -> list[Posting]:
    changes = [(name, new - old) for name, old, new in zip(Split._fields, before, after, strict=True)]
    return [
        Posting(booking_id, name, "gateway", change)
        if change > 0
        else Posting(booking_id, "gateway", name, -change)
        for name, change in changes
        if change
    ]


def _split(amounts: Iterable[int]) -> Split:
    return Split(*amounts)


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
