"""The seats of one event: their states (available, taken, blocked) and their price zones.

Pure: the sales engine keeps a hall in memory and decides what changes.

The available seats are the bits of an integer, so that runs of available seats are found by shifting
(picking.py). To build a hall of 20,000 seats takes a millisecond for each zone.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from typing import Final

from evently.seating.picking import Picker
from evently.seating.plan import Plan, marked


class SeatState(enum.IntEnum):
    """The state of a seat, in memory and in the figures."""

    AVAILABLE = 0
    TAKEN = 1
    BLOCKED = 2
    NOT_FOR_SALE = 3


AVAILABLE, TAKEN, BLOCKED, NOT_FOR_SALE = SeatState  # a global name costs half of an attribute
# A seat outside of all zones: its mark is added to the state, and a claimed seat keeps its state
_OUTSIDE: Final = 4
_STATES: Final = bytes.maketrans(
    bytes([_OUTSIDE | AVAILABLE, _OUTSIDE | TAKEN, _OUTSIDE | BLOCKED]), bytes([NOT_FOR_SALE, TAKEN, BLOCKED])
)


class Hall:
    """The states of all seats. `zone_of[number]` is the index of the zone of a seat; 255 is not for sale."""

    def __init__(
        self, plan: Plan, zones: Sequence[str], zone_of: bytes, taken: Iterable[int], blocked: Iterable[int]
    ) -> None:
        self.plan = plan
        self._states = bytearray(plan.size)
        for numbers, state in ((taken, TAKEN), (blocked, BLOCKED)):
            for number in numbers:
                self._states[number] = state
        self.rezone(zones, zone_of)

    def rezone(self, zones: Sequence[str], zone_of: bytes) -> None:
        """Replace the zones."""
        assert len(zone_of) == self.plan.size, "each seat has a zone, or none"
        self.zones = tuple(zones)
        self.zone_of = bytes(zone_of)
        states, for_sale = bytes(self._states), len(self.zones)
        masks = [
            marked(self.zone_of.translate(_marks([zone]))) if zone in self.zone_of else 0
            for zone in range(for_sale)
        ]
        not_claimed = marked(states.translate(_marks([AVAILABLE])))
        self._available = [(mask & not_claimed).bit_count() for mask in masks]
        sold = marked(self.zone_of.translate(_marks(range(for_sale))))
        self._picker = Picker(self.plan, not_claimed & sold, masks)

    def is_available(self, number: int) -> bool:
        """Return whether a seat can be booked; a seat that is not for sale cannot."""
        return self._states[number] == AVAILABLE and self.zone_of[number] < len(self.zones)

    def zone_of_seat(self, number: int) -> str | None:
        """Return the zone of a seat; None when it is not for sale."""
        zone = self.zone_of[number]
        return self.zones[zone] if zone < len(self.zones) else None

    def available_in(self, zone: str) -> int:
        """Return the number of available seats of a zone."""
        return self._available[self.zones.index(zone)]

    def available_by_zone(self) -> list[int]:
        """Return the number of available seats of each zone, in the order of the zones."""
        return list(self._available)

    def has_claims(self) -> bool:
        """Return whether a seat is taken or blocked."""
        return any(self._states)

    def states(self) -> bytes:
        """Return the `SeatState` of each seat, as one byte."""
        outside = self.zone_of.translate(_marks(range(len(self.zones), 256), _OUTSIDE))
        both = int.from_bytes(self._states, "little") | int.from_bytes(outside, "little")
        return both.to_bytes(self.plan.size, "little").translate(_STATES)

    def take(self, numbers: Iterable[int]) -> None:
        """Take available seats."""
        self.change(numbers, AVAILABLE, TAKEN)

    def release(self, numbers: Iterable[int]) -> None:
        """Release taken seats."""
        self.change(numbers, TAKEN, AVAILABLE)

    def block(self, numbers: Iterable[int]) -> None:
        """Block available seats."""
        self.change(numbers, AVAILABLE, BLOCKED)

    def unblock(self, numbers: Iterable[int]) -> None:
        """Unblock blocked seats."""
        self.change(numbers, BLOCKED, AVAILABLE)

    def change(self, numbers: Iterable[int], before: SeatState, after: SeatState) -> None:
        """Change the state of seats, which must all be in the state `before`."""
        assert AVAILABLE in (before, after), "a claimed seat is released before it is claimed again"
        difference = -1 if before == AVAILABLE else 1
        states, zone_of, for_sale, available = self._states, self.zone_of, len(self.zones), self._available
        changed = list[int]()
        for number in numbers:
            assert states[number] == before, f"seat {number} is {states[number]}, not {before}"
            states[number] = after
            if (zone := zone_of[number]) < for_sale:
                available[zone] += difference
                changed.append(number)
        self._picker.change(changed)

    def pick(
        self, zone: str, quantity: int, section: str | None = None, accessible: int = 0
    ) -> tuple[int, ...] | None:
        """Return the best available seats of a zone, in order, or None. Takes none. See picking.py."""
        wanted_section = None if section is None else self.plan.sections.index(section)
        return self._picker.pick(self.zones.index(zone), quantity, wanted_section, accessible)

    def pick_any(self, zone: str, quantity: int) -> tuple[int, ...] | None:
        """Return any available seats of a zone, in order, or None: for offers, when `pick` finds none."""
        return self._picker.pick_any(self.zones.index(zone), quantity)

    def leaves_orphan(self, numbers: Iterable[int]) -> bool:
        """Return whether taking these seats leaves an orphan that another choice would avoid."""
        return self._picker.leaves_orphan(numbers)

    def orphans_of(self, numbers: Iterable[int]) -> tuple[int, ...]:
        """Return the orphans that taking these seats leaves and another choice would avoid."""
        return self._picker.orphans_of(numbers)


def _marks(values: Iterable[int], mark: int = 1) -> bytes:
    """Return a table for `translate`: `mark` for these bytes, 0 for all others."""
    table = bytearray(256)
    for value in values:
        table[value] = mark
    return bytes(table)
