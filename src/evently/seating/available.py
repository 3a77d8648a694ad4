"""Which seats are available, and what is remembered until that changes: best runs, and counts of rows. Pure.

The hall is divided into parts of whole rows. A change says which rows it concerns, so that what is remembered
looks at these rows and their parts again, and at no others.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Final

from evently.seating.groups import COUNT_MAX
from evently.seating.plan import SHIFTED_MAX, Part, Plan, eroded, mask_of

CHANGES_MAX: Final = 10_000  # that are remembered: to look at all parts again takes milliseconds
ROWS_RECOUNTED_MAX: Final = 60  # one by one; for more, it is faster to count all
_HEAP_SHARE: Final = 4  # entries for each part: more are from earlier states


class Available:
    """The available seats: all in `seats`, and those of each part in `of_parts`."""

    def __init__(self, plan: Plan, seats: int) -> None:
        self.plan, self.seats = plan, seats
        self.epoch = 0  # grows when all that is remembered is out of date
        self._divide()

    def change(self, numbers: Sequence[int]) -> None:
        """Take or release seats: those that were available are not, and the others are."""
        self.seats ^= mask_of(numbers)
        if len(numbers) > SHIFTED_MAX or len(self.changed_rows) > CHANGES_MAX:
            self.epoch += 1
            self._divide()
            return
        plan, of_parts, versions = self.plan, self.of_parts, self.versions
        for number in numbers:
            row = plan.row_of_seat[number]
            part = plan.part_of_row[row]
            of_parts[part] ^= 1 << number - plan.parts[part].first
            versions[part] += 1
            self.changed_rows.append(row)

    def _divide(self) -> None:
        cut = Cut(self.seats)
        self.of_parts = [cut.of(part) for part in self.plan.parts]
        self.versions = [0] * len(self.plan.parts)
        self.changed_rows: list[int] = []


class Cut:
    """A set of seats, of which the seats of a part are taken without a look at the others."""

    def __init__(self, seats: int) -> None:
        self._data = seats.to_bytes((seats.bit_length() + 7) // 8, "little")

    def of(self, part: Part) -> int:
        """Return the seats of a part, the first one as bit 0."""
        first = part.first
        piece = int.from_bytes(self._data[first >> 3 : part.end + 7 >> 3], "little")
        return piece >> (first & 7) & part.whole


class BestRun:
    """The best run of a length among some of the seats.

    The parts of the hall are looked at in the order of their distance from the focal point, no further than
    is needed: those that were looked at are in a heap, each with its best run, or with a bound until that is
    needed. A part that has changed enters once more; its earlier entry has an earlier version and is skipped.
    """

    def __init__(self, available: Available, among: int, length: int, *, clean: bool) -> None:
        self._available, self._seats, self._among = available, among, Cut(among)
        self._length, self._clean = length, clean
        self._heap: list[tuple[int, int, int, int]] = []  # bound or score, start or -1, part, version
        self._farther: list[Part] = []  # parts not looked at yet, the nearest last
        self._starts = Cut(0)  # where runs began when the farther parts were found
        self._epoch, self._seen = -1, 0

    def find(self) -> int | None:
        """Return where the best available run begins; None if there is none."""
        self._follow()
        heap, versions = self._heap, self._available.versions
        while heap or self._farther:
            if self._farther and (not heap or self._farther[-1].nearest * self._length <= heap[0][0]):
                self._enter_next()
                continue
            _, start, number, version = heap[0]
            if version != versions[number]:
                heapq.heappop(heap)
            elif start >= 0:
                return start
            elif (best := self._best_of(self._available.plan.parts[number])) is None:
                heapq.heappop(heap)
            else:
                heapq.heapreplace(heap, (*best, number, version))
        return None

    def _enter_next(self) -> None:
        """Enter the next part that has runs."""
        while self._farther:
            part = self._farther.pop()
            if self._starts.of(part):
                self._enter(part)
                return

    def _enter(self, part: Part) -> None:
        # A bound comes before a run of the same score
        bound, version = part.nearest * self._length, self._available.versions[part.number]
        heapq.heappush(self._heap, (bound, -1, part.number, version))

    def _follow(self) -> None:
        """Look again at the parts that have changed."""
        available = self._available
        changed = len(available.changed_rows)
        if self._epoch == available.epoch and self._seen == changed:
            return
        plan = available.plan
        outdated = changed - self._seen > len(plan.parts) or len(self._heap) > _HEAP_SHARE * len(plan.parts)
        if outdated or self._epoch != available.epoch:
            self._start_again()
            return
        for number in {plan.part_of_row[row] for row in available.changed_rows[self._seen :]}:
            self._enter(plan.parts[number])
        self._seen = changed

    def _start_again(self) -> None:
        available, plan, length = self._available, self._available.plan, self._length
        self._epoch, self._seen = available.epoch, len(available.changed_rows)
        starts = eroded(available.seats & self._seats, length) & plan.starts(length)
        if starts and self._clean:
            starts = clean(starts, length, available.seats, plan.joined_after)
        self._heap, self._starts = [], Cut(starts)
        self._farther = plan.parts_with(starts)[::-1] if starts else []

    def _best_of(self, part: Part) -> tuple[int, int] | None:
        """Return the score and the beginning of the best run of a part."""
        available, length = self._available.of_parts[part.number], self._length
        starts = candidates = available & self._among.of(part)
        if length > 1:
            starts = eroded(candidates & part.joined, length - 1) & candidates >> length - 1
        if starts and self._clean:
            starts = clean(starts, length, available, part.joined)
        return min(self._available.plan.scored(part, starts, length)) if starts else None


def clean(starts: int, length: int, available: int, joined: int) -> int:
    """Return the beginnings of runs that leave no orphan (a single available seat) beside them."""
    joined_before = joined << 1
    before = available << 1 & joined_before
    after = available >> 1 & joined
    single_before = before ^ (before & before << 1 & joined_before)
    single_after = after ^ (after & after >> 1 & joined)
    return starts ^ (starts & (single_before | single_after >> length - 1))


class RowCounts:
    """How many of some available seats each row has. See groups.py."""

    def __init__(self, available: Available) -> None:
        self._available = available
        self._epoch, self._seen, self._counts = -1, 0, bytearray()

    def of(self, seats: int) -> int:
        """Return the counts; the seats are those that the counts are always of, as far as available now."""
        available, plan = self._available, self._available.plan
        changed = set(available.changed_rows[self._seen :])
        if self._epoch != available.epoch or len(changed) > ROWS_RECOUNTED_MAX:
            counts = plan.seats_of_rows.totals(seats)
            self._counts = bytearray(counts.to_bytes(len(plan.rows), "little"))
        else:
            for row in changed:
                first, end = plan.row_ends[row]
                self._counts[row] = min(COUNT_MAX, (seats >> first & (1 << end - first) - 1).bit_count())
        self._epoch, self._seen = available.epoch, len(available.changed_rows)
        return int.from_bytes(self._counts, "little")
