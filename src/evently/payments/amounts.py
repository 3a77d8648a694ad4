"""Stripe's amounts: its unit of each currency, and the least and largest sum of a payment.

Source: docs.stripe.com/currencies (zero-decimal currencies, special cases, minimum and maximum amounts).
"""

from __future__ import annotations

from functools import cache
from typing import Final

from evently.kit.denominations import Denomination
from evently.kit.money import exponent_of

# Its number of decimals where it is not that of ISO 4217
_DECIMALS: Final = {
    # Without decimals in fact; written with two, which are 00, for older integrations
    "ISK": 2,
    "UGX": 2,
    "MGA": 0,  # two in ISO 4217
}
_THREE_DECIMALS: Final = 3  # their last digit must be 0
_LAST_DIGIT: Final = 10
# In Stripe's unit. Where the account is paid out in another currency, that one's least amount counts after
# the conversion, so Stripe may still refuse a sum that this table allows.
_LEAST: Final = {
    **dict.fromkeys("AUD BRL CAD CHF EUR INR JPY NZD SGD USD".split(), 50),
    **dict.fromkeys("AED MYR PLN RON".split(), 200),
    **dict.fromkeys("NOK SEK".split(), 300),
    **dict.fromkeys("MXN THB".split(), 1_000),
    "GBP": 30,
    "BGN": 100,
    "DKK": 250,
    "HKD": 400,
    "CZK": 1_500,
    "HUF": 17_500,
}
_LARGEST: Final = {"IDR": 10**12 - 1, "COP": 10**10 - 1, "INR": 10**9 - 1}
_LARGEST_ELSEWHERE: Final = 10**8 - 1  # eight digits


@cache
def denomination_of(currency: str) -> Denomination:
    """Return how Stripe writes and limits amounts of a currency."""
    exponent = exponent_of(currency)
    decimals = _DECIMALS.get(currency, exponent)
    step = _LAST_DIGIT if exponent == _THREE_DECIMALS else 10 ** max(exponent - decimals, 0)
    bare = Denomination(currency, decimals, step)
    largest = bare.read_amount(_LARGEST.get(currency, _LARGEST_ELSEWHERE))
    least = bare.read_amount(_LEAST.get(currency, 1))
    return Denomination(currency, decimals, step, max(least, step), largest - largest % step)
