"""The simulated buyers of a rehearsal: when each arrives, and what each does.

    make_crowd(options)           the buyers, in the order of their arrival
    call_early(crowd, seconds)    the same buyers before a sale with a waiting room

Pure: the same options make the same crowd; nothing here uses a clock or a connection.

The shape of a rush: a third of the buyers wait in front of the page and click when the sale opens, each after
a human reaction time (half of a normal distribution, 0.25 s wide). The others arrive later, exponentially
distributed: after `spread_seconds` on average and at most five times that. Most want two tickets. Some read
the event first, some click twice, some lose the answer (they close the page, or their train enters a tunnel)
and send the same request again; some take fewer tickets, come back for returned tickets, or cancel. The
shares are assumptions, chosen to exercise every path; they are not measurements of a real audience.

Before a sale with a waiting room there is no click to be quick with: most buyers come before the opening, at
any time. Some open many tabs, as bots do; some have a phone that sleeps, and ask rarely.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

import msgspec
from msgspec.structs import replace

EAGER_SHARE: Final = 0.35
REACTION_SECONDS: Final = 0.25
SPREADS_MAX: Final = 5.0
UNITS: Final = (1, 2, 3, 4)
UNITS_WEIGHTS: Final = (25, 50, 12, 13)
READ_SHARE: Final = 0.7
THINK_SECONDS: Final = 0.3
DISCONNECT_SHARE: Final = 0.04
DOUBLE_CLICK_SHARE: Final = 0.02
TAKE_FEWER_SHARE: Final = 0.6
CANCEL_SHARE: Final = 0.05
CANCEL_SECONDS: Final = 1.5
DECLINED_SHARE: Final = 0.08
TRIES_MAX: Final = (4, 10)  # least and most tries of a failing request, before the buyer gives up
RETURNS_MAX: Final = 3
RETURN_SECONDS: Final = 1.0
EARLY_SHARE: Final = 0.8
TABS_SHARE: Final = 0.03
TABS: Final = (5, 20)  # least and most of those who open many
SLEEPY_SHARE: Final = 0.1
SLEEPY_TIMES: Final = 3.0  # as long between two polls


class CrowdOptions(msgspec.Struct, frozen=True):
    """The size and the shape of a crowd."""

    buyers: int
    seed: int
    spread_seconds: float = 2.0
    abandon_share: float = 0.0  # share of the buyers with a hold who never pay


class Buyer(msgspec.Struct, frozen=True):
    """One simulated buyer. `arrives_at` counts seconds from the opening, other times from the step before."""

    number: int
    arrives_at: float
    units: int
    type_draw: float  # chooses the ticket type: 0 <= type_draw < 1
    reads_event: bool
    thinks_seconds: float
    disconnects: bool
    clicks_twice: bool
    takes_fewer: bool  # when the wanted quantity is sold out
    tries_max: int
    returns_max: int
    return_seconds: float
    cancels_after: float | None
    abandons: bool = False  # holds tickets, and never pays
    declined_first: bool = False  # the first card fails
    seat_draw: int = 0  # chooses the seats
    tabs: int = 1  # in which the waiting room is open
    poll_times: float = 1.0  # as long between two polls as the server says


def make_crowd(options: CrowdOptions) -> list[Buyer]:
    """Return the buyers in the order of their arrival, numbered from 0."""
    random = Random(options.seed)  # noqa: S311  # a simulation that can be repeated
    arrivals = sorted(_arrival(random, options.spread_seconds) for _ in range(options.buyers))
    wallets = Random(options.seed + 1)  # noqa: S311  # apart, so that the crowd is the same whether or not it pays
    return [
        replace(
            _buyer(random, number, arrives_at),
            abandons=wallets.random() < options.abandon_share,
            declined_first=wallets.random() < DECLINED_SHARE,
            seat_draw=wallets.getrandbits(32),
        )
        for number, arrives_at in enumerate(arrivals)
    ]


def call_early(crowd: Sequence[Buyer], seconds: float, seed: int) -> list[Buyer]:
    """Return the same buyers, most of whom come in the seconds before the opening, in order of arrival."""
    random = Random(seed + 2)  # noqa: S311  # as above
    called = []
    for buyer in crowd:
        early, at = random.random() < EARLY_SHARE, random.uniform(-seconds, 0.0)
        tabs, many = random.random() < TABS_SHARE, random.randint(*TABS)
        sleepy = random.random() < SLEEPY_SHARE
        called.append(
            replace(
                buyer,
                arrives_at=at if early else buyer.arrives_at,
                tabs=many if tabs else 1,
                poll_times=SLEEPY_TIMES if sleepy else 1.0,
            )
        )
    return sorted(called, key=lambda buyer: buyer.arrives_at)


def _arrival(random: Random, spread_seconds: float) -> float:
    if random.random() < EAGER_SHARE:
        return abs(random.gauss(0.0, REACTION_SECONDS))
    return min(random.expovariate(1.0 / spread_seconds), SPREADS_MAX * spread_seconds)


def _buyer(random: Random, number: int, arrives_at: float) -> Buyer:
    return Buyer(
        number=number,
        arrives_at=arrives_at,
        units=random.choices(UNITS, UNITS_WEIGHTS)[0],
        type_draw=random.random(),
        reads_event=random.random() < READ_SHARE,
        thinks_seconds=random.expovariate(1.0 / THINK_SECONDS),
        disconnects=random.random() < DISCONNECT_SHARE,
        clicks_twice=random.random() < DOUBLE_CLICK_SHARE,
        takes_fewer=random.random() < TAKE_FEWER_SHARE,
        tries_max=random.randint(*TRIES_MAX),
        returns_max=random.randint(0, RETURNS_MAX),
        return_seconds=RETURN_SECONDS * (0.5 + random.random()),
        cancels_after=random.expovariate(1.0 / CANCEL_SECONDS) if random.random() < CANCEL_SHARE else None,
    )
