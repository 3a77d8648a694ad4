"""Who comes when, and what they want.

Pure: the same options give the same crowd, and nothing here knows of clocks or connections.

The shape of a rush. A third of the buyers sits in front of the page and clicks when the sale opens, each
after a human reaction (half of a normal distribution, 0.25 s wide). The others come as the word goes round:
exponentially, `spread_seconds` on average, nobody later than five times that. Most want two tickets. Some
look at the event first, some click twice, some lose the answer on the way (they close the page, or a train
enters a tunnel) and send the same request again; some settle for fewer, come back for returned tickets, or
change their mind and cancel. The shares are assumptions, chosen to exercise every path, not measurements of
anybody's audience.
"""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec
from msgspec.structs import replace

BUYERS_MAX: Final = 20_000  # the access tokens of one rehearsal (web/rehearsals.py)
EAGER_SHARE: Final = 0.35
REACTION_SECONDS: Final = 0.25
SPREADS_MAX: Final = 5.0
UNITS: Final = (1, 2, 3, 4)
UNITS_WEIGHTS: Final = (25, 50, 12, 13)
LOOK_SHARE: Final = 0.7
THINK_SECONDS: Final = 0.3
HANG_UP_SHARE: Final = 0.04
DOUBLE_CLICK_SHARE: Final = 0.02
SETTLE_SHARE: Final = 0.6
CANCEL_SHARE: Final = 0.05
CANCEL_SECONDS: Final = 1.5
DECLINED_SHARE: Final = 0.08
TRIES_MAX: Final = (4, 10)  # after trouble, before giving up
RETURNS_MAX: Final = 3
RETURN_SECONDS: Final = 1.0


class CrowdOptions(msgspec.Struct, frozen=True):
    """How many come, over how long."""

    buyers: int
    seed: int
    spread_seconds: float = 2.0
    abandon_share: float = 0.0  # of those who hold something that is to be paid


class Buyer(msgspec.Struct, frozen=True):
    """One simulated buyer. Seconds are relative to the opening (`arrives_at`) or to what happened before."""

    number: int
    arrives_at: float
    units: int
    taste: float  # 0 <= taste < 1: which ticket type
    looks: bool
    thinks_seconds: float
    hangs_up: bool
    clicks_twice: bool
    settles: bool  # for fewer
    tries_max: int
    returns_max: int
    return_seconds: float
    cancels_after: float | None
    abandons: bool = False  # holds tickets, and never pays
    declined_first: bool = False  # the first card fails
    dice: int = 0  # which seats


def make_crowd(options: CrowdOptions) -> list[Buyer]:
    """Return the buyers in the order of their arrival; `number` is their place in it, from 0."""
    random = Random(options.seed)  # noqa: S311  # a simulation that can be repeated
    arrivals = sorted(_arrival(random, options.spread_seconds) for _ in range(options.buyers))
    wallets = Random(options.seed + 1)  # noqa: S311  # apart, so that the crowd is the same whether or not it pays
    return [
        replace(
            _buyer(random, number, arrives_at),
            abandons=wallets.random() < options.abandon_share,
            declined_first=wallets.random() < DECLINED_SHARE,
            dice=wallets.getrandbits(32),
        )
        for number, arrives_at in enumerate(arrivals)
    ]


def _arrival(random: Random, spread_seconds: float) -> float:
    if random.random() < EAGER_SHARE:
        return abs(random.gauss(0.0, REACTION_SECONDS))
    return min(random.expovariate(1.0 / spread_seconds), SPREADS_MAX * spread_seconds)


def _buyer(random: Random, number: int, arrives_at: float) -> Buyer:
    return Buyer(
        number=number,
        arrives_at=arrives_at,
        units=random.choices(UNITS, UNITS_WEIGHTS)[0],
        taste=random.random(),
        looks=random.random() < LOOK_SHARE,
        thinks_seconds=random.expovariate(1.0 / THINK_SECONDS),
        hangs_up=random.random() < HANG_UP_SHARE,
        clicks_twice=random.random() < DOUBLE_CLICK_SHARE,
        settles=random.random() < SETTLE_SHARE,
        tries_max=random.randint(*TRIES_MAX),
        returns_max=random.randint(0, RETURNS_MAX),
        return_seconds=RETURN_SECONDS * (0.5 + random.random()),
        cancels_after=random.expovariate(1.0 / CANCEL_SECONDS) if random.random() < CANCEL_SHARE else None,
    )
