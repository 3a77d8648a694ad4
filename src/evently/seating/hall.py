"""The seats of one event: which are free, taken, blocked, and of which price zone.

Pure; whoever decides keeps it in memory.

The free seats of a block are bits of an integer, so that runs of free seats are found by shifting
(picking.py). Building one takes 20 ms for 20,000 seats.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from evently.seating.picking import Picker
from evently.seating.plan import Plan

FREE: Final = 0
TAKEN: Final = 1
BLOCKED: Final = 2
NOT_FOR_SALE: Final = 3
NO_ZONE: Final = 255


class Hall:
    """The states of all seats. `zone_of[number]` is the index of a seat's zone; 255: not for sale."""

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
        """Let the zones be others."""
        assert len(zone_of) == self.plan.size, "each seat has a zone, or none"
        self.zones = tuple(zones)
        self.zone_of = bytes(zone_of)
        self._free = [0] * len(self.zones)
        states = self._states
        free: list[int] = []  # masks, by block
        zone_masks: list[dict[int, int]] = []  # by block: which seats are of each zone
        for block in self.plan.blocks:
            mask, of_zone = 0, dict[int, int]()
            for place, zone in enumerate(self.zone_of[block.first : block.first + block.length]):
                if zone < len(self.zones):
                    of_zone[zone] = of_zone.get(zone, 0) | 1 << place
                    if states[block.first + place] == FREE:
                        mask |= 1 << place
                        self._free[zone] += 1
            free.append(mask)
            zone_masks.append(of_zone)
        self._picker = Picker(self.plan, free, zone_masks)

    def is_free(self, number: int) -> bool:
        """Return whether a seat can be had; one that is not for sale cannot."""
        return self._states[number] == FREE and self.zone_of[number] < len(self.zones)

    def zone_of_seat(self, number: int) -> str | None:
        """Return the zone of a seat, None when it is not for sale."""
        zone = self.zone_of[number]
        return self.zones[zone] if zone < len(self.zones) else None

    def free_in(self, zone: str) -> int:
        """Return how many seats of a zone are free."""
        return self._free[self.zones.index(zone)]

    def states(self) -> bytes:
        """Return one byte a seat: 0 free, 1 taken, 2 blocked, 3 not for sale."""
        return bytes(
            [
                NOT_FOR_SALE if state == FREE and zone >= len(self.zones) else state
                for state, zone in zip(self._states, self.zone_of, strict=True)
            ]
        )

    def take(self, numbers: Iterable[int]) -> None:
        """Let free seats be taken."""
        self._close(numbers, TAKEN)

    def give_back(self, numbers: Iterable[int]) -> None:
        """Let taken seats be free."""
        self._open(numbers, TAKEN)

    def block(self, numbers: Iterable[int]) -> None:
        """Take free seats off the sale."""
        self._close(numbers, BLOCKED)

    def unblock(self, numbers: Iterable[int]) -> None:
        """Let blocked seats be free."""
        self._open(numbers, BLOCKED)

    def pick(
        self, zone: str, quantity: int, section: str | None = None, accessible: int = 0
    ) -> tuple[int, ...] | None:
        """Return the best available seats of a zone, in order, or None; none is taken by that. picking.py says which are best."""
        wanted_section = None if section is None else self.plan.sections.index(section)
        return self._picker.pick(self.zones.index(zone), quantity, wanted_section, accessible)

    def pick_any(self, zone: str, quantity: int) -> tuple[int, ...] | None:
        """Return free seats of a zone of whatever kind and wherever, in order, or None: for those to whom any is better than none."""
        index = self.zones.index(zone)
        free = [
            number
            for number, state in enumerate(self._states)
            if state == FREE and self.zone_of[number] == index
        ]
        return tuple(free[:quantity]) if len(free) >= quantity else None

    def leaves_orphan(self, numbers: Sequence[int]) -> bool:
        """Return whether taking these seats would leave a single free one, which now has a free seat beside it."""
        return self._picker.leaves_orphan(numbers)

    def _close(self, numbers: Iterable[int], state: int) -> None:
        for number in numbers:
            assert self._states[number] == FREE, f"seat {number} is not free"
            self._states[number] = state
            if (zone := self.zone_of[number]) < len(self.zones):
                self._free[zone] -= 1
                self._picker.close(number)

    def _open(self, numbers: Iterable[int], state: int) -> None:
        for number in numbers:
            assert self._states[number] == state, f"seat {number} is {self._states[number]}, not {state}"
            self._states[number] = FREE
            if (zone := self.zone_of[number]) < len(self.zones):
                self._free[zone] += 1
                self._picker.open(number)
