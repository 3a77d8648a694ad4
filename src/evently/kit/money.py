"""Money: an integer number of minor units and an ISO 4217 currency. Never a float."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

# Ten billion euros: far above the price of any ticket. Times any quantity it is far below 2**63
AMOUNT_MINOR_MAX: Final = 10**12

# Currencies whose minor unit is not a hundredth (ISO 4217, list one)
_EXPONENTS: Final = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
}
CURRENCIES: Final = frozenset(_EXPONENTS) | frozenset(
    (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF "
        "CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD "
        "HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK "
        "MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD "
        "RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS "
        "UAH USD UYU UZS VES WST XCD YER ZAR ZMW ZWG"
    ).split()
)


class Money(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`amount` in minor units of `currency`: 5000 EUR is fifty euros, 5000 JPY five thousand yen."""

    amount: Annotated[int, msgspec.Meta(ge=0, le=AMOUNT_MINOR_MAX, examples=[5000])]
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$", examples=["EUR"])]


def exponent_of(currency: str) -> int:
    """Return the number of decimals of `currency`."""
    return _EXPONENTS.get(currency, 2)


def show_money(amount_minor: int, currency: str) -> str:
    """Return an amount as text for people, such as `1,150.00 EUR`."""
    exponent = exponent_of(currency)
    if exponent == 0:
        return f"{amount_minor:,} {currency}"
    sign = "-" if amount_minor < 0 else ""
    whole, rest = divmod(abs(amount_minor), 10**exponent)
    return f"{sign}{whole:,}.{rest:0{exponent}d} {currency}"
