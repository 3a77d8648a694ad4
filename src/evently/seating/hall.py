"""The seats of one event: their states (available, taken, blocked) and their price zones.

Pure: the sales engine keeps a hall in memory and decides what changes.

The available seats of a block are the bits of an integer, so that runs of available seats are found by
shifting (picking.py). To build a hall of 20,000 seats takes 20 ms.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence

from evently.seating.picking import Picker
from evently.seating.plan import Plan


class SeatState(enum.IntEnum):
    """The state of a seat, in memory and in the figures."""

    AVAILABLE = 0
    TAKEN = 1
    BLOCKED = 2
    NOT_FOR_SALE = 3


AVAILABLE, TAKEN, BLOCKED, NOT_FOR_SALE = SeatState  # a global name costs half of an attribute


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
        self._available = [0] * len(self.zones)
        states = self._states
        available: list[int] = []  # masks, by block
        zone_masks: list[dict[int, int]] = []  # by block: the seats of each zone
        for block in self.plan.blocks:
            mask, of_zone = 0, dict[int, int]()
            for place, zone in enumerate(self.zone_of[block.first : block.first + block.length]):
                if zone < len(self.zones):
                    of_zone[zone] = of_zone.get(zone, 0) | 1 << place
                    if states[block.first + place] == AVAILABLE:
                        mask |= 1 << place
                        self._available[zone] += 1
            available.append(mask)
            zone_masks.append(of_zone)
        self._picker = Picker(self.plan, available, zone_masks)

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

    def has_claims(self) -> bool:
        """Return whether a seat is taken or blocked."""
        return any(self._states)

    def states(self) -> bytes:
        """Return the `SeatState` of each seat, as one byte."""
        return bytes(
            [
                NOT_FOR_SALE if state == AVAILABLE and zone >= len(self.zones) else state
                for state, zone in zip(self._states, self.zone_of, strict=True)
            ]
        )

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
        leaving = before == AVAILABLE
        update, difference = (self._picker.remove, -1) if leaving else (self._picker.add, 1)
        for number in numbers:
            assert self._states[number] == before, f"seat {number} is {self._states[number]}, not {before}"
            self._states[number] = after
            if (zone := self.zone_of[number]) < len(self.zones):
                self._available[zone] += difference
                update(number)

    def pick(
        self, zone: str, quantity: int, section: str | None = None, accessible: int = 0
    ) -> tuple[int, ...] | None:
        """Return the best available seats of a zone, in order, or None. Takes none. See picking.py."""
        wanted_section = None if section is None else self.plan.sections.index(section)
        return self._picker.pick(self.zones.index(zone), quantity, wanted_section, accessible)

    def pick_any(self, zone: str, quantity: int) -> tuple[int, ...] | None:
        """Return any available seats of a zone, in order, or None: for offers, when `pick` finds none."""
        index = self.zones.index(zone)
        available = [
            number
            for number, state in enumerate(self._states)
            if state == AVAILABLE and self.zone_of[number] == index
        ]
        return tuple(available[:quantity]) if len(available) >= quantity else None

    def leaves_orphan(self, numbers: Sequence[int]) -> bool:
        """Return whether taking these seats would leave a single available seat that is not single now."""
        return self._picker.leaves_orphan(numbers)
