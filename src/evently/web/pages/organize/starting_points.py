"""What the form of a new event can begin with, besides an event that there is: times, ticket types, places.

Each is a link that fills the form; everything in it can be changed before the draft is made. The numbers are
only plausible: nobody knows what a hall holds or what a ticket costs.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from evently.catalogue import Category
from evently.kit.money import exponent_of

_UNITS_OF_SMALL_MONEY: Final = 100  # where the smallest coin is the unit, as in Japan, a ticket costs 2,500


class StartingType(NamedTuple):
    """A ticket type. `price`: in whole units of most currencies; 0: free."""

    name: str
    price: int
    places: int


class StartingPoint(NamedTuple):
    """What a kind of event usually has. `note`: what else such an event needs, once it is a draft."""

    name: str
    category: Category
    starts: str
    ends: str
    types: tuple[StartingType, ...]
    note: str = ""

    def fields(self, currency: str) -> list[tuple[str, str]]:
        """Return the fields of the form that it fills."""
        pairs = [
            ("category", self.category.value),
            ("starts_clock", self.starts),
            ("ends_clock", self.ends),
        ]
        for number, each in enumerate(self.types, start=1):
            pairs += [
                (f"type_{number}", each.name),
                (f"price_{number}", _price(each.price, currency)),
                (f"places_{number}", str(each.places)),
            ]
        return pairs


# By the word in the address of the form
STARTING_POINTS: Final = {
    "concert": StartingPoint(
        "Concert, standing",
        Category.MUSIC,
        "20:00",
        "23:00",
        (StartingType("Early bird", 20, 100), StartingType("Regular", 25, 300)),
    ),
    "seated": StartingPoint(
        "Seated hall",
        Category.THEATRE,
        "19:30",
        "22:00",
        (StartingType("Stalls", 42, 200), StartingType("Balcony", 28, 100)),
        "When the draft is made, give it the seats of a map on its page “Seats”, and say on “Tickets” which "
        "ticket type sells which seats. How many there are then follows from the map.",
    ),
    "workshop": StartingPoint(
        "Workshop with few places",
        Category.EDUCATION,
        "10:00",
        "16:00",
        (StartingType("Place", 60, 12),),
        "When the draft is made, its page “Questions” is where you ask what you need to know of each person.",
    ),
    "free": StartingPoint(
        "Free event",
        Category.COMMUNITY,
        "18:00",
        "21:00",
        (StartingType("Free ticket", 0, 100),),
    ),
}


def _price(price: int, currency: str) -> str:
    """Return a price as it is typed; nothing for what is free."""
    if price == 0:
        return ""
    exponent = exponent_of(currency)
    return str(price * _UNITS_OF_SMALL_MONEY) if exponent == 0 else f"{price}.{'0' * exponent}"
