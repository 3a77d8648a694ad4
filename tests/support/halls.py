"""Small seat maps for tests. The id of a seat is its row and its number, such as `A1`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from evently.sales.terms import NOT_FOR_SALE, Seating
from evently.seating import Plan


class SmallMap:
    """A map of a few rows. `sections` has the number of seats of each row, by section.

    `kinds` has the kinds of seats that are not standard, `labels` those of rows that do not print their name.
    """

    def __init__(
        self,
        sections: Mapping[str, Mapping[str, int]],
        kinds: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self.ids = [
            f"{row}{number}"
            for rows in sections.values()
            for row, seats in rows.items()
            for number in range(1, seats + 1)
        ]
        content = {
            "name": "Small hall",
            "sections": [
                _section(name, rows, kinds or {}, labels or {}, at)
                for at, (name, rows) in enumerate(sections.items())
            ],
        }
        self.layout = json.dumps(content).encode()
        self.digest = Plan.of(self.layout).digest

    def seating(self, zones: Mapping[str, Sequence[str]]) -> Seating:
        """Return the seating of the map, with price zones of whole rows."""
        index = {row: number for number, rows in enumerate(zones.values()) for row in rows}
        zone_of = bytes(index.get(seat_id[0], NOT_FOR_SALE) for seat_id in self.ids)
        return Seating(self.digest, self.layout, tuple(zones), zone_of)


def _section(
    name: str, rows: Mapping[str, int], kinds: Mapping[str, str], labels: Mapping[str, str], at: int
) -> dict[str, Any]:
    return {
        "name": name,
        "rows": [
            {
                "name": row,
                "label": labels.get(row, ""),
                "seats": [
                    {
                        "id": f"{row}{number}",
                        "label": str(number),
                        "x": number,
                        "y": at * 10 + depth,
                        "kind": kinds.get(f"{row}{number}", "standard"),
                    }
                    for number in range(1, seats + 1)
                ],
            }
            for depth, (row, seats) in enumerate(rows.items())
        ],
    }


SMALL_HALL: Final = SmallMap(
    {"stalls": {"A": 6, "B": 6}, "balcony": {"C": 4}, "floor": {"D": 3}},
    {"D1": "accessible", "D2": "companion"},
    {"B": "Box"},
)
OTHER_HALL: Final = SmallMap({"stalls": {"A": 3}})
