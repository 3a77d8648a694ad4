"""When an event will be sold out: a range, or that nobody can say. Pure.

    foresee(history, left, ...)   the range in which the last ticket is sold in four of five cases

The model is a straight line on log-log paper: what was sold after a time `t` grows like `t ** b`. Steady
sales have `b = 1`, the rush after an opening has less, sales that speed up before the event have more. `b` is
measured twice, over the last half and the last quarter of the tickets. The range is as wide as the model was
wrong in sales that were simulated: `python -m bench.forecast` measures it again. docs/forecast.md says more.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from statistics import NormalDist
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

Outlook: TypeAlias = Literal["sold_out", "likely", "possible", "unlikely", "cannot_say"]

TICKETS_MIN: Final = 30  # fewer say nothing about a pace
SLOTS_MIN: Final = 4  # with sales in them: a rush of one minute has no shape yet
CHANCE_LIKELY: Final = 0.9  # of the range: with more, it ends before the sale does
CHANCE_UNLIKELY: Final = 0.1
INSIDE: Final = 0.8  # of the true times should be in the range
_Z: Final = NormalDist().inv_cdf(0.5 + INSIDE / 2)
_EXPONENTS: Final = (0.12, 4.0)  # beyond, the line is no model of a sale
_AHEAD_MAX: Final = timedelta(days=3 * 365)
# How wrong the logarithm of the growth was, in simulated sales (bench/forecast.py)
_ALWAYS: Final = 0.2
_FEW_SOLD: Final = 14.0
_FEW_LEFT: Final = 4.0
_FAR: Final = 0.1


class Sold(NamedTuple):
    """Tickets that were sold in a slot of time."""

    starts_at: datetime
    ends_at: datetime
    tickets: int


class Forecast(msgspec.Struct, frozen=True):
    """When the last ticket is sold: with a probability of 80 % from `earliest_at` to `latest_at`.

    `latest_at` is None when the range reaches beyond the end of the sale, and all three are None when it lies
    beyond it (`unlikely`), and without a forecast. `chance`: that it is sold out before the sale ends.
    `reason` says why there is no forecast.
    """

    outlook: Outlook
    earliest_at: datetime | None = None
    middle_at: datetime | None = None
    latest_at: datetime | None = None
    chance: float | None = None
    reason: Literal["", "not_on_sale", "too_few", "too_short"] = ""


class Growth(NamedTuple):
    """The logarithm by which the age of the sale must still grow: the middle, and its relative error."""

    age_seconds: float
    middle: float
    error: float

    def seconds_at(self, z: float) -> float:
        """Return how long it takes from now, `z` standard deviations from the middle."""
        return self.age_seconds * math.expm1(min(self.middle * math.exp(z * self.error), 50.0))


def foresee(
    history: Sequence[Sold], left: int, now: datetime, off_sale_at: datetime, *, on_sale: bool = True
) -> Forecast:
    """Return the forecast of a sale. `history`: in order; `left`: tickets that can still be sold."""
    if left <= 0:
        return Forecast("sold_out")
    if not on_sale or now >= off_sale_at:
        return Forecast("cannot_say", reason="not_on_sale")
    sold = [slot for slot in history if slot.tickets > 0]
    if sum(slot.tickets for slot in sold) < TICKETS_MIN:
        return Forecast("cannot_say", reason="too_few")
    if len(sold) < SLOTS_MIN:
        return Forecast("cannot_say", reason="too_short")
    growth = growth_of(sold, left, now)
    chance = _chance(growth, (off_sale_at - now).total_seconds())
    if chance < CHANCE_UNLIKELY:
        return Forecast("unlikely", chance=chance)
    earliest, middle, latest = (_instant(now, growth.seconds_at(z)) for z in (-_Z, 0.0, _Z))
    certain = chance >= CHANCE_LIKELY
    return Forecast(
        "likely" if certain else "possible",
        earliest,
        middle if middle < off_sale_at else None,
        latest if certain else None,
        chance,
    )


def growth_of(sold: Sequence[Sold], left: int, now: datetime) -> Growth:
    """Return by how much the sale must still grow older until all is sold."""
    opened = sold[0].starts_at
    age = max(1.0, (now - opened).total_seconds())
    times = [0.0, *[min(age, (slot.ends_at - opened).total_seconds()) for slot in sold]]
    totals = [0, *accumulate(slot.tickets for slot in sold)]
    total = totals[-1]
    exponents = [_exponent(times, totals, age, share) for share in (0.5, 0.75)]
    exponent = math.sqrt(exponents[0] * exponents[1])
    line = math.log1p(left / total)
    error = math.sqrt(_ALWAYS**2 + _FEW_SOLD / total + _FEW_LEFT / left + (_FAR * line) ** 2)
    return Growth(age, line / exponent, error)


def _exponent(times: Sequence[float], totals: Sequence[int], age: float, share: float) -> float:
    """Return the slope of the line from when a share of the tickets was sold until now."""
    wanted = totals[-1] * share
    index = bisect_left(totals, wanted)
    before, after = totals[index - 1], totals[index]
    part = (wanted - before) / (after - before)
    then = times[index - 1] + (times[index] - times[index - 1]) * part
    least, most = _EXPONENTS
    if then <= 0 or then >= age:
        return most if then >= age else least
    return min(most, max(least, math.log(1 / share) / math.log(age / then)))


def _chance(growth: Growth, seconds: float) -> float:
    """Return the probability that all is sold within so many seconds."""
    wanted = math.log1p(seconds / growth.age_seconds)
    if wanted <= 0:
        return 0.0
    return round(NormalDist().cdf(math.log(wanted / growth.middle) / growth.error), 3)


def _instant(now: datetime, seconds: float) -> datetime:
    return now + min(timedelta(seconds=min(seconds, _AHEAD_MAX.total_seconds())), _AHEAD_MAX)
