"""Best available: which seats are proposed for a quantity. Pure and deterministic.

In this order of wishes: side by side without leaving a single seat free beside them; side by side; near each
other, in as few and as near rows of one section as possible. Among equals, nearest to the focal point of the
map (the least sum of squared distances), then the lowest number. Accessible places and their companions are
only given to those who ask for them, seats with a restricted view only when nothing else fits.

The free seats of a block (plan.py) are the bits of an integer: where runs of `n` begin is found with a few
shifts, and so is which of them would leave an orphan. For each wish a heap holds the best run of every block;
blocks that have changed since it was last asked are put in anew, and what comes up that is older than its
block is dropped. Rows are counted likewise for those who get no seats side by side.

Budget: 500 wishes of one batch in 50 ms. Measured in a hall of 20,000 on a slow day of two slow cores: 500
times four seats 34 ms, 41 ms with seats given back in between; where 17,000 were taken at random, so that
most wishes are split, 146 ms.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from evently.seating.plan import Block, Plan, bits

# Kinds of wishes remembered for one hall: a heap of the largest has a thousand entries
HEAPS_MAX: Final = 200


class SeatRequest(NamedTuple):
    """What is looked for."""

    zone: int
    quantity: int
    section: int | None
    restricted: bool  # seats with a restricted view will do
    clean: bool  # no orphans


class SeatRun(NamedTuple):
    """The best run of a block as it was in a version of it."""

    score: int
    first: int  # its first seat
    block: int
    version: int


class _Counts:
    """How many seats each row has for those who would take any of a zone.

    `ends`: of each row, where its section ends.
    """

    __slots__ = ("blocks", "counts", "ends", "index", "read", "rows")

    def __init__(self, blocks: list[Block]) -> None:
        self.rows = list(dict.fromkeys([block.row for block in blocks]))
        self.index = {row: index for index, row in enumerate(self.rows)}
        self.blocks: list[list[Block]] = [[] for _ in self.rows]
        for block in blocks:
            self.blocks[self.index[block.row]].append(block)
        sections = [of_row[0].section for of_row in self.blocks]
        last_of = {section: index for index, section in enumerate(sections)}
        self.ends = [last_of[section] + 1 for section in sections]
        self.counts = [0] * len(self.rows)
        self.read = -1  # nothing is counted yet


class _Heap:
    """The best runs for a wish. `read`: how much of the log of changed blocks it knows."""

    __slots__ = ("read", "runs")

    def __init__(self, runs: list[SeatRun], read: int) -> None:
        self.runs = runs
        self.read = read


class Picker:
    """Finds seats; whoever takes them says so with `close`."""

    def __init__(self, plan: Plan, free: list[int], zone_masks: list[dict[int, int]]) -> None:
        self._plan = plan
        self._free = free  # masks of all free seats, by block
        self._zone_masks = zone_masks
        self._versions = [0] * len(plan.blocks)
        self._changed: list[int] = []  # blocks, in the order of their changes
        self._heaps: dict[SeatRequest, _Heap] = {}
        self._blocks: dict[tuple[int, int | None], list[Block]] = {}  # of a zone, and a section of it
        self._counts: dict[tuple[int, int | None, bool], _Counts] = {}

    def close(self, number: int) -> None:
        """A seat is no longer free."""
        block = self._plan.block_of[number]
        self._free[block] &= ~(1 << number - self._plan.blocks[block].first)
        self._note(block)

    def open(self, number: int) -> None:
        """A seat is free again."""
        block = self._plan.block_of[number]
        self._free[block] |= 1 << number - self._plan.blocks[block].first
        self._note(block)

    def _note(self, block: int) -> None:
        """A change may make a block better, too: fewer seats may leave no orphan."""
        self._versions[block] += 1
        self._changed.append(block)
        if len(self._changed) > 10 * len(self._versions):  # heaps that lag so far behind are made anew
            self._changed.clear()
            self._heaps.clear()
            self._counts.clear()

    def leaves_orphan(self, numbers: Sequence[int]) -> bool:
        """Return whether taking these free seats leaves a single one free that has a free neighbour now."""
        taken: dict[int, int] = {}
        for number in numbers:
            block = self._plan.block_of[number]
            taken[block] = taken.get(block, 0) | 1 << number - self._plan.blocks[block].first
        return any(
            _singles(self._free[block] & ~mask) & ~_singles(self._free[block])
            for block, mask in taken.items()
        )

    def pick(self, zone: int, quantity: int, section: int | None, accessible: int) -> tuple[int, ...] | None:
        """Return the best available seats, in order, or None."""
        if accessible:
            return self._pick_accessible(zone, quantity, section, accessible)
        for restricted in (False, True):
            for clean in (True, False):
                if run := self._best_run(SeatRequest(zone, quantity, section, restricted, clean)):
                    return tuple(range(run.first, run.first + quantity))
            if quantity > 1 and (seats := self._split(zone, quantity, section, restricted=restricted)):
                return seats
        return None

    # Side by side

    def _best_run(self, wish: SeatRequest) -> SeatRun | None:
        runs = self._runs_for(wish)
        while runs and runs[0].version != self._versions[runs[0].block]:
            heapq.heappop(runs)
        return runs[0] if runs else None

    def _runs_for(self, wish: SeatRequest) -> list[SeatRun]:
        heap = self._heaps.get(wish)
        if heap is None:
            if len(self._heaps) >= HEAPS_MAX:
                self._heaps.clear()
            found = [self._best_of_block(wish, block) for block in self._blocks_of(wish.zone, wish.section)]
            heap = self._heaps[wish] = _Heap([run for run in found if run is not None], len(self._changed))
            heapq.heapify(heap.runs)
        for number in dict.fromkeys(self._changed[heap.read :]):
            block = self._plan.blocks[number]
            if wish.section in (None, block.section) and (run := self._best_of_block(wish, block)):
                heapq.heappush(heap.runs, run)
        heap.read = len(self._changed)
        return heap.runs

    def _best_of_block(self, wish: SeatRequest, block: Block) -> SeatRun | None:
        quantity = wish.quantity
        starts = _starts(self._wanted(wish.zone, block, restricted=wish.restricted), quantity)
        if wish.clean and starts:
            free = self._free[block.number]
            left_single = (free << 1) & ~(free << 2)
            right_single = (free >> quantity) & ~(free >> (quantity + 1))
            starts &= ~left_single & ~right_single
        if not starts:
            return None
        start = next(start for start in block.order(quantity) if starts >> start & 1)
        return SeatRun(
            block.score(start, quantity), block.first + start, block.number, self._versions[block.number]
        )

    def _wanted(self, zone: int, block: Block, *, restricted: bool) -> int:
        """Return the free seats of a zone that anybody may have."""
        kinds = block.masks["standard"] | (block.masks["restricted_view"] if restricted else 0)
        return self._free[block.number] & self._zone_masks[block.number].get(zone, 0) & kinds

    def _blocks_of(self, zone: int, section: int | None) -> list[Block]:
        key = (zone, section)
        blocks = self._blocks.get(key)
        if blocks is None:
            blocks = [
                block
                for block in self._plan.blocks
                if zone in self._zone_masks[block.number] and section in (None, block.section)
            ]
            self._blocks[key] = blocks
        return blocks

    # Near each other

    def _split(
        self, zone: int, quantity: int, section: int | None, *, restricted: bool
    ) -> tuple[int, ...] | None:
        """Return seats of as few and as near rows of one section as possible; of several sections only when none has as many."""
        counted = self._count(zone, section, restricted=restricted)
        span = _narrowest(counted, quantity)
        if span is None and sum(counted.counts) < quantity:
            return None
        first, end = span or (0, len(counted.rows))
        pieces = [
            (block, mask)
            for of_row in counted.blocks[first:end]
            for block in of_row
            if (mask := self._wanted(zone, block, restricted=restricted))
        ]
        return self._nearest(pieces, quantity)

    def _count(self, zone: int, section: int | None, *, restricted: bool) -> _Counts:
        """Return the counts of the rows; only rows that have changed since they were asked for are counted again."""
        key = (zone, section, restricted)
        counted = self._counts.get(key)
        if counted is None:
            counted = self._counts[key] = _Counts(self._blocks_of(zone, section))
        rows: Iterable[int] = range(len(counted.rows))
        if counted.read >= 0:
            changed = {self._plan.blocks[block].row for block in self._changed[counted.read :]}
            rows = [counted.index[row] for row in changed if row in counted.index]
        for index in rows:
            counted.counts[index] = sum(
                [
                    self._wanted(zone, block, restricted=restricted).bit_count()
                    for block in counted.blocks[index]
                ]
            )
        counted.read = len(self._changed)
        return counted

    def _nearest(self, pieces: Sequence[tuple[Block, int]], quantity: int) -> tuple[int, ...]:
        """Return seats of these blocks: the longest runs first, so that few are alone; the nearest of equals."""
        runs = sorted(
            [run for block, mask in pieces for run in _runs(block, mask)],
            key=lambda run: (-min(len(run), quantity), self._far(run)),
        )
        chosen: list[int] = []
        for run in runs:
            missing = quantity - len(chosen)
            if missing == 0:
                break
            chosen += min(
                [run[start : start + missing] for start in range(max(1, len(run) - missing + 1))],
                key=self._far,
            )
        return tuple(sorted(chosen))

    def _far(self, seats: Iterable[int]) -> tuple[int, int]:
        numbers = list(seats)
        return sum([self._plan.distances[number] for number in numbers]), numbers[0]

    # Accessible places

    def _pick_accessible(
        self, zone: int, quantity: int, section: int | None, accessible: int
    ) -> tuple[int, ...] | None:
        """Return accessible places and seats beside them: companions first, then any neighbours; the nearest to the first place."""
        blocks = self._blocks_of(zone, section)

        def free_of(kind: str) -> list[int]:
            masks = [
                (block, self._free[block.number] & self._zone_masks[block.number][zone] & block.masks[kind])
                for block in blocks
            ]
            return [block.first + place for block, mask in masks if mask for place in bits(mask)]

        places = free_of("accessible")
        others = quantity - accessible
        if others < 0 or len(places) < accessible:
            return None
        beside = (
            [(0, number) for number in free_of("companion")] + [(1, number) for number in free_of("standard")]
            if others
            else []
        )
        if len(beside) < others:
            return None
        best = None
        for anchor in places:
            near = self._distance_to(anchor)
            chosen = heapq.nsmallest(accessible, places, key=lambda number: (near(number), number))
            with_them = heapq.nsmallest(others, beside, key=lambda each: (near(each[1]) + each[0], each[1]))
            cost = sum([near(number) for number in chosen]) + sum([near(number) for _, number in with_them])
            found = (
                cost,
                self._plan.distances[anchor],
                tuple(sorted([*chosen, *[number for _, number in with_them]])),
            )
            best = found if best is None else min(best, found)
        return None if best is None else best[2]

    def _distance_to(self, anchor: int) -> Callable[[int], int]:
        """Return how far seats are from one: in seats of its row, then in rows, then in sections."""
        plan = self._plan
        row, section = plan.row_of_seat[anchor], plan.section_of_seat[anchor]

        def near(number: int) -> int:
            if plan.row_of_seat[number] == row:
                return abs(number - anchor)
            return 1_000 * abs(plan.row_of_seat[number] - row) + 1_000_000 * (
                plan.section_of_seat[number] != section
            )

        return near


def _narrowest(counted: _Counts, quantity: int) -> tuple[int, int] | None:
    """Return the narrowest span of rows of one section that has as many seats, the first of equals: from, until."""
    counts, ends, best = counted.counts, counted.ends, None
    first, have, width = 0, 0, len(counts) + 1
    for index, count in enumerate(counts):
        have += count
        while ends[first] <= index:
            have -= counts[first]
            first += 1
        while have - counts[first] >= quantity:
            have -= counts[first]
            first += 1
        if have >= quantity and index - first < width:
            width, best = index - first, (first, index + 1)
    return best


def _starts(mask: int, quantity: int) -> int:
    """Return where runs of so many set bits begin.

    Doubles the length that is known, so it takes log(quantity) shifts.
    """
    length = 1
    while length < quantity and mask:
        step = min(length, quantity - length)
        mask &= mask >> step
        length += step
    return mask


def _singles(mask: int) -> int:
    """Return the set bits without a set neighbour."""
    return mask & ~(mask << 1) & ~(mask >> 1)


def _runs(block: Block, mask: int) -> list[range]:
    """Return the runs of set bits of a block as seats."""
    runs: list[range] = []
    while mask:
        start = (mask & -mask).bit_length() - 1
        length = ((mask >> start) ^ ((mask >> start) + 1)).bit_length() - 1
        runs.append(range(block.first + start, block.first + start + length))
        mask &= ~(((1 << length) - 1) << start)
    return runs
