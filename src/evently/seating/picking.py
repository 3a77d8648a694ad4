"""The picking rule: the best available seats for a quantity. Pure and deterministic.

The order of preference: side by side without leaving an orphan (a single available seat); side by side; near
each other, in as few and as near rows of one section as possible. Among equals, the seats nearest to the
focal point of the map (the least sum of squared distances), then the lowest number. Accessible places and
companion seats are only picked on request, seats with a restricted view only when nothing else fits.

The available seats of a block (plan.py) are the bits of an integer. A few shifts find where runs of `n` seats
begin, and which of them would leave an orphan. For each kind of request, a heap holds the best run of every
block. Before a heap is used, the blocks that changed since its last use are added again; a run whose version
is older than its block is dropped when it reaches the top. Seats are counted by row in the same way, for
requests that are split.

Budget: 500 requests of one batch in 50 ms. Measured in a hall of 20,000 seats, on two slow cores on a slow
day: 500 requests for four seats take 34 ms, or 41 ms with releases in between; when 17,000 seats were taken
at random, so that most requests are split, 146 ms.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from evently.seating.plan import Block, Plan, set_bits

# Kinds of requests with a heap, for one hall; a heap of the largest hall has a thousand entries
HEAPS_MAX: Final = 200


class SeatRequest(NamedTuple):
    """A kind of request, for seats side by side."""

    zone: int
    quantity: int
    section: int | None
    restricted: bool  # seats with a restricted view are allowed
    clean: bool  # orphans are not allowed


class SeatRun(NamedTuple):
    """The best run of a block, as of a version of the block."""

    score: int
    first: int  # the first seat
    block: int
    version: int


class _RowCounts:
    """The available seats of a zone, counted by row. `ends` has, for each row, the end of its section."""

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
        self.read = -1  # nothing has been counted


class _Heap:
    """The best runs for a kind of request. `read` is how much of the log of changed blocks they include."""

    __slots__ = ("read", "runs")

    def __init__(self, runs: list[SeatRun], read: int) -> None:
        self.runs = runs
        self.read = read


class Picker:
    """Finds seats. The hall reports with `remove` and `add` which seats are available."""

    def __init__(self, plan: Plan, available: list[int], zone_masks: list[dict[int, int]]) -> None:
        self._plan = plan
        self._available = available  # masks of all available seats, by block
        self._zone_masks = zone_masks
        self._versions = [0] * len(plan.blocks)
        self._changed: list[int] = []  # blocks, in the order of their changes
        self._heaps: dict[SeatRequest, _Heap] = {}
        self._blocks: dict[tuple[int, int | None], list[Block]] = {}  # by zone and section
        self._counts: dict[tuple[int, int | None, bool], _RowCounts] = {}

    def remove(self, number: int) -> None:
        """Record that a seat is no longer available."""
        block = self._plan.block_of[number]
        self._available[block] &= ~(1 << number - self._plan.blocks[block].first)
        self._record_change(block)

    def add(self, number: int) -> None:
        """Record that a seat is available again."""
        block = self._plan.block_of[number]
        self._available[block] |= 1 << number - self._plan.blocks[block].first
        self._record_change(block)

    def _record_change(self, block: int) -> None:
        """Log a changed block. A removed seat can even improve it: a run may no longer leave an orphan."""
        self._versions[block] += 1
        self._changed.append(block)
        if len(self._changed) > 10 * len(self._versions):  # all heaps are built anew
            self._changed.clear()
            self._heaps.clear()
            self._counts.clear()

    def leaves_orphan(self, numbers: Sequence[int]) -> bool:
        """Return whether taking these seats leaves an orphan that has an available neighbour now."""
        taken: dict[int, int] = {}
        for number in numbers:
            block = self._plan.block_of[number]
            taken[block] = taken.get(block, 0) | 1 << number - self._plan.blocks[block].first
        return any(
            _isolated(self._available[block] & ~mask) & ~_isolated(self._available[block])
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

    def _best_run(self, request: SeatRequest) -> SeatRun | None:
        runs = self._runs_for(request)
        while runs and runs[0].version != self._versions[runs[0].block]:
            heapq.heappop(runs)
        return runs[0] if runs else None

    def _runs_for(self, request: SeatRequest) -> list[SeatRun]:
        heap = self._heaps.get(request)
        if heap is None:
            if len(self._heaps) >= HEAPS_MAX:
                self._heaps.clear()
            found = [
                self._best_of_block(request, block)
                for block in self._blocks_of(request.zone, request.section)
            ]
            heap = self._heaps[request] = _Heap([run for run in found if run is not None], len(self._changed))
            heapq.heapify(heap.runs)
        for number in dict.fromkeys(self._changed[heap.read :]):
            block = self._plan.blocks[number]
            if request.section in (None, block.section) and (run := self._best_of_block(request, block)):
                heapq.heappush(heap.runs, run)
        heap.read = len(self._changed)
        return heap.runs

    def _best_of_block(self, request: SeatRequest, block: Block) -> SeatRun | None:
        quantity = request.quantity
        starts = _starts(self._candidates(request.zone, block, restricted=request.restricted), quantity)
        if request.clean and starts:
            available = self._available[block.number]
            left_single = (available << 1) & ~(available << 2)
            right_single = (available >> quantity) & ~(available >> (quantity + 1))
            starts &= ~left_single & ~right_single
        if not starts:
            return None
        start = next(start for start in block.order(quantity) if starts >> start & 1)
        return SeatRun(
            block.score(start, quantity), block.first + start, block.number, self._versions[block.number]
        )

    def _candidates(self, zone: int, block: Block, *, restricted: bool) -> int:
        """Return the available seats of a zone that are picked without a request for accessible places."""
        kinds = block.masks["standard"] | (block.masks["restricted_view"] if restricted else 0)
        return self._available[block.number] & self._zone_masks[block.number].get(zone, 0) & kinds

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
        """Return seats in as few and as near rows of one section as possible.

        They are in several sections only when no section has enough.
        """
        counted = self._count(zone, section, restricted=restricted)
        span = _narrowest_span(counted, quantity)
        if span is None and sum(counted.counts) < quantity:
            return None
        first, end = span or (0, len(counted.rows))
        pieces = [
            (block, mask)
            for of_row in counted.blocks[first:end]
            for block in of_row
            if (mask := self._candidates(zone, block, restricted=restricted))
        ]
        return self._nearest(pieces, quantity)

    def _count(self, zone: int, section: int | None, *, restricted: bool) -> _RowCounts:
        """Return the counts of the rows. Only rows that changed since the last call are counted again."""
        key = (zone, section, restricted)
        counted = self._counts.get(key)
        if counted is None:
            counted = self._counts[key] = _RowCounts(self._blocks_of(zone, section))
        rows: Iterable[int] = range(len(counted.rows))
        if counted.read >= 0:
            changed = {self._plan.blocks[block].row for block in self._changed[counted.read :]}
            rows = [counted.index[row] for row in changed if row in counted.index]
        for index in rows:
            counted.counts[index] = sum(
                [
                    self._candidates(zone, block, restricted=restricted).bit_count()
                    for block in counted.blocks[index]
                ]
            )
        counted.read = len(self._changed)
        return counted

    def _nearest(self, pieces: Sequence[tuple[Block, int]], quantity: int) -> tuple[int, ...]:
        """Return seats of these blocks: the longest runs first, so that few are alone; then the nearest."""
        runs = sorted(
            [run for block, mask in pieces for run in _runs(block, mask)],
            key=lambda run: (-min(len(run), quantity), self._distance(run)),
        )
        chosen: list[int] = []
        for run in runs:
            missing = quantity - len(chosen)
            if missing == 0:
                break
            chosen += min(
                [run[start : start + missing] for start in range(max(1, len(run) - missing + 1))],
                key=self._distance,
            )
        return tuple(sorted(chosen))

    def _distance(self, seats: Iterable[int]) -> tuple[int, int]:
        numbers = list(seats)
        return sum([self._plan.distances[number] for number in numbers]), numbers[0]

    # Accessible places

    def _pick_accessible(
        self, zone: int, quantity: int, section: int | None, accessible: int
    ) -> tuple[int, ...] | None:
        """Return accessible places, and near them companion seats, or else standard seats."""
        blocks = self._blocks_of(zone, section)

        def available_of(kind: str) -> list[int]:
            masks = [
                (
                    block,
                    self._available[block.number] & self._zone_masks[block.number][zone] & block.masks[kind],
                )
                for block in blocks
            ]
            return [block.first + place for block, mask in masks if mask for place in set_bits(mask)]

        places = available_of("accessible")
        others = quantity - accessible
        if others < 0 or len(places) < accessible:
            return None
        beside = (
            [(0, number) for number in available_of("companion")]
            + [(1, number) for number in available_of("standard")]
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
        """Return a function: the distance of a seat from `anchor`, in seats, then rows, then sections."""
        plan = self._plan
        row, section = plan.row_of_seat[anchor], plan.section_of_seat[anchor]

        def near(number: int) -> int:
            if plan.row_of_seat[number] == row:
                return abs(number - anchor)
            return 1_000 * abs(plan.row_of_seat[number] - row) + 1_000_000 * (
                plan.section_of_seat[number] != section
            )

        return near


def _narrowest_span(counted: _RowCounts, quantity: int) -> tuple[int, int] | None:
    """Return the narrowest span of rows (first, end) of one section with enough seats, or None."""
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
    """Return the bits at which runs of `quantity` set bits begin.

    The known length doubles with each shift, so it takes log(quantity) shifts.
    """
    length = 1
    while length < quantity and mask:
        step = min(length, quantity - length)
        mask &= mask >> step
        length += step
    return mask


def _isolated(mask: int) -> int:
    """Return the set bits without a set neighbour."""
    return mask & ~(mask << 1) & ~(mask >> 1)


def _runs(block: Block, mask: int) -> list[range]:
    """Return the runs of set bits of a block as ranges of seat numbers."""
    runs: list[range] = []
    while mask:
        start = (mask & -mask).bit_length() - 1
        length = ((mask >> start) ^ ((mask >> start) + 1)).bit_length() - 1
        runs.append(range(block.first + start, block.first + start + length))
        mask &= ~(((1 << length) - 1) << start)
    return runs
