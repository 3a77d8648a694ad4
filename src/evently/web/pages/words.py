"""How pages write prices, times and numbers, in English for readers of every language.

Prices have the sign of the currency where everybody knows it, else its code. Times are those at the venue.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import markupsafe

from evently.kit.money import Money, exponent_of
from evently.sales.terms import WHOLE, Conditions, PromoTerms

_SIGNS: Final = {
    "EUR": "€ ",
    "GBP": "£",
    "USD": "$",
    "JPY": "¥",
    "INR": "₹",
    "KRW": "₩",
    "BRL": "R$ ",
    "AUD": "A$",
    "NZD": "NZ$",
    "CAD": "C$",
    "MXN": "MX$",
}
_NO_BREAK: Final = "\u00a0"
_EMPTY_LINES: Final = re.compile(r"\r\n?[ \t]*\r\n?|\n[ \t]*\r?\n")
_FEW: Final = 20
_FEW_SHARE: Final = 10  # a tenth


def breakable(address: str) -> markupsafe.Markup:
    """Return an e-mail address that breaks before a dot or an at sign where it is too long for a line."""
    return markupsafe.Markup("<wbr>").join(re.split(r"(?=[.@])", address))


def money(amount: Money) -> str:
    """Return a price, such as `€ 1,150.00`; nothing to pay is `free`."""
    return "free" if amount.amount == 0 else sum_of(amount)


def sum_of(amount: Money) -> str:
    """Return an amount in figures, also when it is zero: `€ 0.00`."""
    exponent = exponent_of(amount.currency)
    whole, rest = divmod(amount.amount, 10**exponent)
    shown = f"{whole:,}" + (f".{rest:0{exponent}d}" if exponent else "")
    sign = _SIGNS.get(amount.currency, f"{amount.currency} ")
    return f"{sign}{shown}".replace(" ", _NO_BREAK)


def figures(amount: Money) -> str:
    """Return an amount as people type it into a form: `30` or `29.90`, without its currency."""
    exponent = exponent_of(amount.currency)
    whole, rest = divmod(amount.amount, 10**exponent)
    return f"{whole}.{rest:0{exponent}d}" if rest else str(whole)


def day(moment: datetime) -> str:
    """Return a date, such as `Fri 18 Dec 2026`."""
    return f"{moment:%a} {moment.day} {moment:%b %Y}"


def long_day(moment: datetime) -> str:
    """Return a date in full, such as `Friday 18 December 2026`."""
    return f"{moment:%A} {moment.day} {moment:%B %Y}"


def clock(moment: datetime) -> str:
    """Return a time of day: `20:00`."""
    return f"{moment:%H:%M}"


def moment(local: datetime) -> str:
    """Return a date and time in short, such as `Fri 18 Dec 2026, 20:00`."""
    return f"{day(local)}, {clock(local)}"


def clock_near(local: datetime, now: datetime) -> str:
    """Return a time of day, with the date when it is another day than now."""
    return clock(local) if local.date() == now.date() else moment(local)


def span(starts: datetime, ends: datetime) -> str:
    """Return when something that starts and ends is over: a time of day, with the date if it is another."""
    if ends.date() == starts.date() or ends - starts < timedelta(hours=12):
        return f"until {clock(ends)}"
    return f"until {moment(ends)}"


def count(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: `1 ticket`, `2 tickets`."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def few_left(available: int, capacity: int) -> bool:
    """Return whether so few are left that a buyer should know: fewer than twenty, or a tenth."""
    return available < few_below(capacity)


def few_below(capacity: int) -> int:
    """Return the number of tickets below which a buyer should know how many are left."""
    return max(_FEW, capacity // _FEW_SHARE)


def listed(words: Sequence[str], joint: str = "and") -> str:
    """Return words in a sentence: `A, B and C`."""
    return f" {joint} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def with_seat(type_name: str, seat: str | None) -> str:
    """Return the ticket type and the seat, of which the label may begin with the same word."""
    if seat is None:
        return type_name
    return seat if seat.startswith(type_name) else f"{type_name}, {seat}"


def paragraphs(text: str) -> list[str]:
    """Return a text in paragraphs: empty lines stand between them, however a browser ends lines."""
    return [part.strip() for part in _EMPTY_LINES.split(text) if part.strip()]


def promo_terms(promo: PromoTerms, currency: str) -> list[str]:
    """Return in sentences what a promo code does, and which limits it has for one booking and one person."""
    if promo.kind == "fixed_per_booking":
        amount = sum_of(Money(promo.value, currency))
        said = [f"The code {promo.code} takes {amount} off the booking: the next step shows the price."]
    elif promo.kind == "unlock":
        said = [f"The code {promo.code} opens more tickets."]
    else:
        said = [f"The prices are those with the code {promo.code}."]
    if promo.units_per_use_max is not None:
        said.append(f"It is good for {count(promo.units_per_use_max, 'ticket')} in one booking.")
    if promo.per_buyer_max is not None:
        times = "once" if promo.per_buyer_max == 1 else f"{promo.per_buyer_max} times"
        said.append(f"Each person can use it {times}.")
    return said


def refund_terms(conditions: Conditions, starts_at: datetime, zone: ZoneInfo) -> list[str]:
    """Return in sentences what a buyer gets back who cancels, and until when."""
    ends_at = starts_at - timedelta(hours=conditions.cancel_hours_before)
    last = moment(ends_at.astimezone(zone))
    if conditions.payment == "door":
        until = last if conditions.cancel_hours_before else "it starts"
        return [f"You can cancel until {until}. You pay at the door, so there is nothing to pay back."]
    said, reached = [], False
    for window in sorted(conditions.refund_windows, key=lambda each: -each.hours_before):
        if window.basis_points == 0 or reached:
            continue
        reached = window.ends_at(starts_at) >= ends_at  # later windows begin when nothing can be cancelled
        until = moment(min(window.ends_at(starts_at), ends_at).astimezone(zone))
        share = window.basis_points / (WHOLE / 100)
        back = "everything you paid" if window.basis_points == WHOLE else f"{share:g} % of what you paid"
        said.append(f"Cancel until {until}, and you get back {back}.")
    if not said:
        said.append("Tickets that you cancel are not paid back.")
    elif conditions.fee_kept:
        said.append("The fee is not paid back.")
    if conditions.cancel_hours_before:
        said.append(f"After {last} tickets cannot be cancelled.")
    if conditions.give_back_days:
        said.append(
            f"If the time or the place changes, you can give tickets back in full for "
            f"{count(conditions.give_back_days, 'day')}."
        )
    said.append("If the event is cancelled, you get back everything that you paid online.")
    return said
