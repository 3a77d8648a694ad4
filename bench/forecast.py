"""Back-tests the forecast of when an event is sold out: `python -m bench.forecast [--demo]`.

It simulates sales of many shapes, asks for a forecast at several moments of each, and counts how often the
true time was inside the range, which should be so in 80 % of the cases. `--demo` fills a temporary database
with the demo and asks the same of its sales, as if their halls had been smaller: then the true time is known.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Final, NamedTuple

from evently.analytics.forecast import TICKETS_MIN, Forecast, Sold, foresee
from evently.db import Database, DatabaseOptions
from evently.db.migrations.runner import migrate
from evently.demo.seeding import seed
from evently.kit.clock import utc_now
from evently.rehearsal.server import own_database, scratch_directory
from evently.sales.facts import BookingConfirmed, HoldConfirmed, decode_facts

SEED: Final = 7  # the constants of the model were chosen with others
_DEMO_SHARES: Final = (0.5, 0.7, 0.9)  # of the tickets that were sold in the end
_OPENED: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_QUANTITIES: Final = (1, 1, 2, 2, 2, 2, 3, 4, 4, 6)  # tickets of a booking, as in the demo
_MOMENTS: Final = (0.1, 0.25, 0.5, 0.75, 0.9)  # of the tickets are sold when it is asked
_SLOTS: Final = (timedelta(minutes=1), timedelta(minutes=15))
_MINUTES_MAX: Final = timedelta(days=3)


class Sale(NamedTuple):
    """A sale that is over: when each ticket was sold, in seconds since the opening.

    `lasts`: how long it was open, or would have been.
    """

    shape: str
    capacity: int
    at: list[float]
    lasts: float

    @property
    def sold_out_after(self) -> float | None:
        """When the last ticket was sold, or None."""
        return self.at[self.capacity - 1] if len(self.at) >= self.capacity else None


class Asked(NamedTuple):
    """A forecast, and what came."""

    shape: str
    moment: float
    forecast: Forecast
    inside: bool | None  # None: it said that it cannot say
    width: float | None  # of the range, as a multiple of the true time


def simulate(seed: int, count: int) -> Iterator[Sale]:
    """Yield sales of every shape in turn."""
    chance = random.Random(seed)
    shapes = list(SHAPES.items())
    for number in range(count):
        name, rate = shapes[number % len(shapes)]
        yield _sale(name, rate, chance)


def back_test(sales: Iterator[Sale]) -> list[Asked]:
    """Ask for a forecast at several moments of each sale."""
    asked = []
    for sale in sales:
        for moment in _MOMENTS:
            one = _ask(sale, moment)
            if one is not None:
                asked.append(one)
    return asked


def share_inside(asked: Sequence[Asked]) -> float:
    """Return the share of forecasts whose range had the true time."""
    given = [one.inside for one in asked if one.inside is not None]
    return sum(given) / len(given)


def _ask(sale: Sale, moment: float) -> Asked | None:
    count = math.ceil(sale.capacity * moment)
    if count >= len(sale.at) or count < 1:
        return None
    after = sale.at[count - 1] + 1e-3
    now = _OPENED + timedelta(seconds=after)
    known = [at for at in sale.at if at <= after]
    left = sale.capacity - len(known)
    if left <= 0 or after >= sale.lasts:
        return None
    forecast = foresee(slots_of(known, after), left, now, _OPENED + timedelta(seconds=sale.lasts))
    if forecast.outlook == "cannot_say":
        return Asked(sale.shape, moment, forecast, None, None)
    true = sale.sold_out_after
    earliest = math.inf if forecast.earliest_at is None else (forecast.earliest_at - _OPENED).total_seconds()
    latest = math.inf if forecast.latest_at is None else (forecast.latest_at - _OPENED).total_seconds()
    inside = latest == math.inf if true is None else earliest <= true <= latest
    width = None if true is None or latest == math.inf else (latest - earliest) / max(1.0, true - after)
    return Asked(sale.shape, moment, forecast, inside, width)


def slots_of(at: Sequence[float], after: float) -> list[Sold]:
    """Return what the figures keep of a sale: minutes of the last three days, quarters of an hour before."""
    slots: list[Sold] = []
    for sold_at in at:
        minute, quarter = _SLOTS
        slot = minute if after - sold_at < _MINUTES_MAX.total_seconds() else quarter
        start = math.floor(sold_at / slot.total_seconds()) * slot
        starts_at = _OPENED + start
        if slots and slots[-1].starts_at == starts_at:
            slots[-1] = slots[-1]._replace(tickets=slots[-1].tickets + 1)
        else:
            slots.append(Sold(starts_at, starts_at + slot, 1))
    return slots


# Shapes: how many tickets a second are sold, by the age of the sale in its own unit of time -----------------

Rate = Callable[[random.Random], tuple[Callable[[float], float], float]]


def _steady(chance: random.Random) -> tuple[Callable[[float], float], float]:
    return (lambda _: 1.0), chance.uniform(0.5, 4)


def _rush(chance: random.Random) -> tuple[Callable[[float], float], float]:
    """A crowd at the opening, then less and less: a power of the age."""
    power = chance.uniform(0.3, 0.9)
    return (lambda age: power * max(age, 1e-4) ** (power - 1)), chance.uniform(0.5, 6)


def _fading(chance: random.Random) -> tuple[Callable[[float], float], float]:
    """Interest that fades like an echo, over some steady rest."""
    rest, half = chance.uniform(0.05, 0.4), chance.uniform(0.15, 1.0)
    return (lambda age: rest + (1 - rest) * 0.5 ** (age / half)), chance.uniform(0.5, 3)


def _late(chance: random.Random) -> tuple[Callable[[float], float], float]:
    """More and more until the event: an evening for which people decide late."""
    rise = chance.uniform(0.5, 2.0)
    return (lambda age: 0.3 + rise * age**2), chance.uniform(0.7, 1.5)


def _days(chance: random.Random) -> tuple[Callable[[float], float], float]:
    """A rush, and then days and nights: in some hours nobody buys."""
    nights, power = chance.uniform(0.5, 0.95), chance.uniform(0.5, 1.0)
    days = chance.uniform(5, 25)

    def rate(age: float) -> float:
        sun = 1 - nights * (0.5 + 0.5 * math.cos(2 * math.pi * age * days))
        return float(sun * power * max(age, 1e-4) ** (power - 1))

    return rate, chance.uniform(0.5, 4)


def _waves(chance: random.Random) -> tuple[Callable[[float], float], float]:
    """Steady, with campaigns: each brings a wave of buyers."""
    waves = [(chance.uniform(0, 1.5), chance.uniform(1, 6)) for _ in range(chance.randint(1, 4))]

    def rate(age: float) -> float:
        return 0.5 + sum(height * math.exp(-(((age - at) / 0.04) ** 2)) for at, height in waves)

    return rate, chance.uniform(0.5, 3)


SHAPES: Final[dict[str, Rate]] = {
    "steady": _steady,
    "rush": _rush,
    "fading": _fading,
    "late": _late,
    "days and nights": _days,
    "waves": _waves,
}
_STEPS: Final = 1_500


def _sale(shape: str, make: Rate, chance: random.Random) -> Sale:
    """Sell a hall: bookings come by chance at the rate of the shape, each of one ticket to six."""
    rate, demand = make(chance)
    capacity = round(10 ** chance.uniform(1.8, 3.6))
    lasts = 10 ** chance.uniform(3.6, 6.7)  # an hour to two months
    ages = [(number + 0.5) / _STEPS for number in range(_STEPS)]
    weights = [rate(age) for age in ages]
    wanted = capacity * demand / (sum(_QUANTITIES) / len(_QUANTITIES))  # bookings, if nothing sold out
    total = sum(weights)
    at: list[float] = []
    for number, weight in enumerate(weights):
        bookings = _poisson(chance, wanted * weight / total)
        for _ in range(bookings):
            at += [(number + chance.random()) / _STEPS * lasts] * chance.choice(_QUANTITIES)
    at.sort()
    return Sale(shape, capacity, at[:capacity], lasts)


def _poisson(chance: random.Random, mean: float) -> int:
    if mean > 50:  # then a normal distribution is as good
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        count += 1
    return count


# The sales of the demo --------------------------------------------------------------------------------------


async def read_demo(database: Database) -> list[Sale]:
    """Return the sales of the demo, each as if its hall had had fewer seats."""
    sales = []
    for row in await database.fetch(
        "SELECT sales.event_id, events.title, sales.on_sale_at, sales.off_sale_at "
        "FROM sales INNER JOIN events ON events.event_id = sales.event_id WHERE sales.state = 'open'"
    ):
        rows = await database.fetch(
            "SELECT at, facts FROM journal WHERE event_id = $1 ORDER BY seq", row["event_id"]
        )
        at = [
            (each["at"] - row["on_sale_at"]).total_seconds()
            for each in rows
            for fact in decode_facts(each["facts"])
            if isinstance(fact, BookingConfirmed | HoldConfirmed)
            for _ in fact.tickets
        ]
        lasts = (row["off_sale_at"] - row["on_sale_at"]).total_seconds()
        sales += [
            Sale(row["title"], capacity, at[:capacity], lasts)
            for share in _DEMO_SHARES
            if (capacity := math.floor(len(at) * share)) > TICKETS_MIN
        ]
    return sales


async def _demo_sales(url: str) -> list[Sale]:
    await asyncio.to_thread(migrate, url)
    database = await Database.open(DatabaseOptions(url))
    try:
        await seed(database, utc_now(), "")
        return await read_demo(database)
    finally:
        await database.close()


def main() -> None:
    """Back-test, and print the calibration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", action="store_true", help="use the sales of the demo")
    parser.add_argument("--sales", type=int, default=1_200, help="how many sales are simulated")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    print(f"Simulated sales, seed {options.seed}")
    _print(back_test(simulate(options.seed, options.sales)))
    if options.demo:
        print("\nSales of the demo, with smaller halls")
        with scratch_directory() as directory, own_database(directory / "data") as url:
            _print(back_test(iter(asyncio.run(_demo_sales(url)))), by_shape=False)


def _print(asked: Sequence[Asked], *, by_shape: bool = True) -> None:
    print(f"{'':24}{'forecasts':>10}{'inside':>9}{'cannot say':>12}{'median width':>14}")
    shapes = sorted({one.shape for one in asked}) if by_shape else []
    _line("all", asked)
    for moment in _MOMENTS:
        _line(f"at {moment:.0%} sold", [one for one in asked if one.moment == moment])
    for shape in shapes:
        _line(shape, [one for one in asked if one.shape == shape])


def _line(name: str, asked: Sequence[Asked]) -> None:
    given = [one for one in asked if one.inside is not None]
    widths = [one.width for one in given if one.width is not None]
    inside = f"{share_inside(given):.1%}" if given else ""
    width = f"{median(widths):.2f}" if widths else ""
    print(f"{name:24}{len(given):>10,}{inside:>9}{len(asked) - len(given):>12,}{width:>14}")


if __name__ == "__main__":
    main()
