"""How amounts of a currency are written and limited outside: a payment gateway is not bound to ISO 4217.

Pure. Amounts here are in minor units of ISO 4217; `write_amount` and `read_amount` convert them to those of
the gateway and back. The tables of the gateways are in `payments/`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import msgspec

from evently.kit.errors import Wrong
from evently.kit.money import AMOUNT_MINOR_MAX, exponent_of, show_money


class AmountProblem(NamedTuple):
    """Why an amount cannot be paid. `reason` names a sentence of `amount-not-payable`, `limit` fills it."""

    reason: str
    limit: str

    def explain(self) -> Wrong:
        """Return the reason for an organizer."""
        match self.reason:
            case "too_small":
                return Wrong("gateway-takes-more", {"limit": self.limit})
            case "too_large":
                return Wrong("gateway-takes-less", {"limit": self.limit})
            case _:
                return Wrong("gateway-takes-multiples", {"limit": self.limit})


class Denomination(msgspec.Struct, frozen=True):
    """How a gateway writes and limits amounts of a currency.

    `decimals`: of its own unit. `step_minor`: amounts are multiples of it. The limits are those of a payment,
    not of a refund.
    """

    currency: str
    decimals: int
    step_minor: int = 1
    least_minor: int = 1
    largest_minor: int = AMOUNT_MINOR_MAX

    def find_problem(self, amount_minor: int) -> AmountProblem | None:
        """Return why a payment of this amount is not possible. Nothing has to be paid for 0."""
        if amount_minor == 0:
            return None
        if amount_minor < self.least_minor:
            return AmountProblem("too_small", show_money(self.least_minor, self.currency))
        if amount_minor > self.largest_minor:
            return AmountProblem("too_large", show_money(self.largest_minor, self.currency))
        return self.find_inexact(amount_minor)

    def find_inexact(self, amount_minor: int) -> AmountProblem | None:
        """Return why an amount, of a payment or a refund, cannot be expressed."""
        if amount_minor % self.step_minor == 0:
            return None
        return AmountProblem("inexact", show_money(self.step_minor, self.currency))

    def write_amount(self, amount_minor: int) -> int:
        """Return an amount in the gateway's unit."""
        assert self.find_inexact(amount_minor) is None, "an amount is checked before it is sent"
        by = self.decimals - exponent_of(self.currency)
        return int(amount_minor * 10**by) if by >= 0 else amount_minor // int(10**-by)

    def read_amount(self, amount: int) -> int:
        """Return an amount of the gateway in minor units."""
        by = exponent_of(self.currency) - self.decimals
        return int(amount * 10**by) if by >= 0 else amount // int(10**-by)


Denominations: TypeAlias = Callable[[str], Denomination]


def iso_denomination(currency: str) -> Denomination:
    """Return the denomination of ISO 4217, without limits."""
    return Denomination(currency, exponent_of(currency))
