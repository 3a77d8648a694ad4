"""The picking rule: the best available seats for a quantity. Pure and deterministic.

The order of preference: side by side without leaving an orphan (a single available seat); side by side; near
each other, in as few and as near rows of one section as possible, the longest runs first. Among equals, the
seats nearest to the focal point of the map (the least sum of squared distances), then the lowest number.
Accessible places and companion seats are only picked on request, seats with a restricted view only when
nothing else fits.

With accessible places, seats are picked within a stretch of a row that is as long as the quantity; if none
has enough, twice as long, and so on; or else within the narrowest span of rows. See `_pick_accessible`.

Sets of seats are integers: bit `n` is seat `n`. A few shifts of all seats find where runs of `n` seats begin,
which of them would leave an orphan, and how many accessible places each stretch has. No request needs more
than the sets, so none is slow because it is the first of its kind; the best run of a part of the hall is
remembered until the part changes.

Budget: 500 requests of one batch in 50 ms, and 5 ms for the worst request in a hall of 100,000 seats. The
cost of a request is a number of passes over the hall, which depends on the quantity alone, and a loop over
rows.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import compress, islice
from operator import or_, sub
from typing import Final

from evently.seating.plan import Plan, bits_of, eroded, mask_of, set_bits, span_of

PARTS_MAX: Final = 10_000  # remembered for one hall: twelve kinds of requests in the largest
_HIGHEST_SUM: Final = 1 << 80  # more than the squared distances of all seats together


class Picker:
    """Finds seats. The hall reports with `remove` and `add` which seats are available."""

    def __init__(self, plan: Plan, available: int, zone_masks: Sequence[int]) -> None:
        self._plan = plan
        self._available = available
        self._zone_masks = zone_masks
        # By part and length of a run: the bits where runs begin, and the score and the beginning of the best
        self._best_of_parts: dict[tuple[int, int], tuple[int, tuple[int, int]]] = {}
        # By section: the bits of seats, and how many of them each row has; twice, for two sets of seats
        self._counts: dict[tuple[int, int], tuple[int, list[int]]] = {}

    def remove(self, seats: int) -> None:
        """Record that a set of seats is no longer available."""
        self._available &= ~seats

    def add(self, seats: int) -> None:
        """Record that a set of seats is available again."""
        self._available |= seats

    def leaves_orphan(self, numbers: Iterable[int]) -> bool:
        """Return whether taking these seats leaves an orphan that another choice would avoid.

        An orphan is a single available seat that is not single now. Another choice: as many seats of the same
        zones and the same block, in no more runs. Where each choice leaves an orphan, any is as good.
        """
        taken = mask_of(numbers)
        orphans = self._isolated(self._available & ~taken) & ~self._isolated(self._available)
        if not orphans:
            return False
        zones = [mask for mask in self._zone_masks if mask & taken]
        for first, length in self._plan.blocks_with(orphans):
            whole = (1 << length) - 1
            chosen = taken >> first & whole
            sold_with = [mask >> first & whole for mask in zones if mask >> first & whole & chosen]
            candidates = reduce(or_, sold_with, 0) & self._available >> first
            if _has_clean_choice(self._available >> first & whole, candidates, chosen):
                return True
        return False

    def _isolated(self, seats: int) -> int:
        """Return the seats without a neighbour among them."""
        return seats & ~(seats << 1 & self._plan.joined_before) & ~(seats >> 1 & self._plan.joined_after)

    def pick(self, zone: int, quantity: int, section: int | None, accessible: int) -> tuple[int, ...] | None:
        """Return the best available seats, in order, or None."""
        candidates = self._available & self._zone_masks[zone]
        if section is not None:
            candidates &= span_of(*self._plan.section_ends[section])
        if accessible:
            return self._pick_accessible(candidates, quantity, accessible)
        return self._pick_standard(candidates, quantity)

    def pick_any(self, zone: int, quantity: int) -> tuple[int, ...] | None:
        """Return any available seats of a zone, in order, or None."""
        candidates = self._available & self._zone_masks[zone]
        return None if candidates.bit_count() < quantity else tuple(islice(set_bits(candidates), quantity))

    # Without accessible places

    def _pick_standard(self, candidates: int, quantity: int) -> tuple[int, ...] | None:
        kinds = self._plan.kind_masks
        standard = candidates & kinds["standard"]
        if (seats := self._together(standard, quantity)) is not None:
            return seats
        if restricted := candidates & kinds["restricted_view"]:
            return self._together(standard | restricted, quantity)
        return None

    def _together(self, candidates: int, quantity: int) -> tuple[int, ...] | None:
        """Return seats side by side, or else near each other, or None."""
        if starts := self._starts(candidates, quantity):
            first = self._nearest_start(self._clean(starts, quantity) or starts, quantity)
            return tuple(range(first, first + quantity))
        if quantity == 1 or candidates.bit_count() < quantity:
            return None
        span = self._narrowest_span(candidates, 0, quantity, 0)
        return tuple(set_bits(self._longest_runs(candidates & span, quantity)))

    def _starts(self, seats: int, quantity: int) -> int:
        """Return where runs of `quantity` adjacent seats begin."""
        return eroded(seats, quantity) & self._plan.starts(quantity)

    def _clean(self, starts: int, quantity: int) -> int:
        """Return the beginnings of runs that leave no orphan beside them."""
        single_before, single_after = self._singles_beside()
        return starts & ~single_before & ~(single_after >> quantity - 1)

    def _singles_beside(self) -> tuple[int, int]:
        """Return the seats with a single available seat before them, and those with one after them."""
        plan, available = self._plan, self._available
        before = available << 1 & plan.joined_before
        after = available >> 1 & plan.joined_after
        return before & ~(before << 1 & plan.joined_before), after & ~(after >> 1 & plan.joined_after)

    def _nearest_start(self, starts: int, length: int) -> int:
        """Return the beginning of the run that is the nearest to the focal point.

        Parts of the hall follow by their nearest seat, so most of them are not looked at.
        """
        best = (_HIGHEST_SUM, 0)
        for number, nearest, part in self._parts_of(starts):
            if nearest * length > best[0]:
                break
            best = min(best, self._best_of_part(number, part, length))
        return best[1]

    def _nearest_starts(self, starts: int, length: int, count: int) -> list[int]:
        """Return the beginnings of the `count` runs nearest to the focal point, in this order."""
        best = list[tuple[int, int]]()
        for number, nearest, part in self._parts_of(starts):
            if len(best) == count and nearest * length > best[-1][0]:
                break
            best = heapq.nsmallest(count, [*best, *self._runs_of_part(number, part, length)])
        return [start for _, start in best]

    def _parts_of(self, starts: int) -> Iterator[tuple[int, int, int]]:
        """Yield number, nearest seat and bits of the parts that have any of these bits, the nearest first."""
        lowest, highest = (starts & -starts).bit_length() - 1, starts.bit_length()
        for number, (nearest, first, end) in enumerate(self._plan.parts):
            if end > lowest and first < highest and (part := starts >> first & (1 << end - first) - 1):
                yield number, nearest, part

    def _best_of_part(self, number: int, part: int, length: int) -> tuple[int, int]:
        """Return the score and the beginning of the best run of a part; once for equal bits."""
        known = self._best_of_parts.get((number, length))
        if known is not None and known[0] == part:
            return known[1]
        if len(self._best_of_parts) >= PARTS_MAX:
            self._best_of_parts.clear()
        found = min(self._runs_of_part(number, part, length))
        self._best_of_parts[number, length] = part, found
        return found

    def _runs_of_part(self, number: int, part: int, length: int) -> Iterator[tuple[int, int]]:
        """Yield the scores and the beginnings of the runs of a part."""
        sums, (_, first, end) = self._plan.sums, self._plan.parts[number]
        scored = zip(
            map(sub, sums[first + length : end + length], sums[first:end]), range(first, end), strict=False
        )
        return compress(scored, bits_of(part))

    # Near each other

    def _narrowest_span(self, seats: int, others: int, wanted: int, others_wanted: int) -> int:
        """Return the narrowest span of rows of one section with the wanted numbers of two sets of seats.

        All seats if no section has so many.
        """
        plan, best, width = self._plan, None, self._plan.size + 1
        for section, (first, end) in enumerate(plan.section_ends):
            whole = (1 << end - first) - 1
            some, other = seats >> first & whole, others >> first & whole
            if some.bit_count() < wanted or other.bit_count() < others_wanted:
                continue
            counts = self._count_by_row(section, some, 0)
            if max(counts) * (width - 1) < wanted:
                continue
            other_counts = self._count_by_row(section, other, 1) if others_wanted else counts
            span = _narrowest(counts, other_counts, wanted, others_wanted)
            if span[1] - span[0] < width:
                width, row = span[1] - span[0], plan.section_rows[section][0]
                best = plan.row_ends[row + span[0]][0], plan.row_ends[row + span[1] - 1][1]
                if width == 1:
                    break
        return (1 << plan.size) - 1 if best is None else span_of(*best)

    def _count_by_row(self, section: int, seats: int, which: int) -> list[int]:
        """Return how many seats of a section each row has. Equal bits are counted once."""
        known = self._counts.get((section, which))
        if known is not None and known[0] == seats:
            return known[1]
        plan, count = self._plan, f"{seats:b}"[::-1].count
        start, (row, end_row) = plan.section_ends[section][0], plan.section_rows[section]
        counts = [count("1", first - start, end - start) for first, end in plan.row_ends[row:end_row]]
        self._counts[section, which] = seats, counts
        return counts

    def _longest_runs(self, seats: int, quantity: int) -> int:
        """Return `quantity` of the seats: the longest runs first, so that few are alone; then the nearest."""
        plan = self._plan
        longer = [seats]  # where runs of at least 1, 2, 3 ... seats begin
        while len(longer) < quantity and (starts := seats & longer[-1] >> 1 & plan.joined_after):
            longer.append(starts)
        heads = seats & ~(seats << 1 & plan.joined_before)
        chosen, missing = 0, quantity
        for length in range(len(longer), 0, -1):
            if length < missing:
                exact = heads & longer[length - 1] & ~(longer[length] if length < len(longer) else 0)
                for first in self._nearest_starts(exact, length, missing // length) if exact else ():
                    chosen |= span_of(first, first + length)
                    missing -= length
            if not missing:
                break
            if missing <= length and (starts := self._starts(seats & ~chosen, missing)):
                first = self._nearest_start(starts, missing)
                return chosen | span_of(first, first + missing)
        return chosen

    # Accessible places

    def _pick_accessible(self, candidates: int, quantity: int, accessible: int) -> tuple[int, ...] | None:
        """Return accessible places, and near them companion seats, or else standard seats.

        The area: a stretch of one row that has enough of both, as long as the quantity, or twice as long,
        four times, and so on; or else the narrowest span of rows of one section; or else all. Among
        stretches, the one with the most companion seats, then the nearest to the focal point. In the area,
        accessible places are picked with the longest runs first, then the seats nearest to them in their
        rows (companion seats first), then those nearest in the order of the map.
        """
        kinds, others = self._plan.kind_masks, quantity - accessible
        places = candidates & kinds["accessible"]
        beside = candidates & (kinds["companion"] | kinds["standard"]) if others else 0
        if others < 0 or places.bit_count() < accessible or beside.bit_count() < others:
            return None
        area = self._shortest_stretch(places, beside, accessible, others)
        if area is None:
            area = self._narrowest_span(places, beside, accessible, others)
        places, beside = places & area, beside & area
        if places.bit_count() > accessible:
            places = self._longest_runs(places, accessible)
        if beside.bit_count() > others:
            beside = self._nearest_seats(places, beside, others)
        return tuple(set_bits(places | beside))

    def _shortest_stretch(self, places: int, beside: int, accessible: int, others: int) -> int | None:
        """Return the stretch of a row in which seats are picked; None if no row has enough."""
        length = accessible + others
        place_counts, beside_counts = _Counts(places), _Counts(beside)
        place_counts.widen_to(length)
        beside_counts.widen_to(length)
        while stretches := self._plan.stretches(length):
            found = stretches & place_counts.at_least(accessible) & beside_counts.at_least(others)
            if found:
                if others and (companions := beside & self._plan.kind_masks["companion"]):
                    companion_counts = _Counts(companions)
                    companion_counts.widen_to(length)
                    found = companion_counts.most(found)
                first = self._nearest_start(found, length)
                return span_of(first, first + length)
            place_counts.double()
            beside_counts.double()
            length *= 2
        return None

    def _nearest_seats(self, places: int, beside: int, count: int) -> int:
        """Return the seats nearest to `places`: in the same rows, or else in the order of the map."""

        def near(distance: int) -> int:
            return self._within(places, distance) & beside

        farthest = self._plan.longest_row
        distance = bisect_left(range(farthest), count, key=lambda each: near(each).bit_count())
        chosen = near(distance - 1) if distance else 0
        edge = near(distance) & ~chosen
        for seats in (edge & self._plan.kind_masks["companion"], edge):
            chosen |= mask_of(islice(set_bits(seats & ~chosen), count - chosen.bit_count()))
        missing = count - chosen.bit_count()
        return chosen | _next_in_order(places, beside & ~chosen, missing) if missing else chosen

    def _within(self, seats: int, distance: int) -> int:
        """Return the seats that are at most `distance` seats away in the same row."""
        reached = 0
        while reached < distance:
            step = min(reached + 1, distance - reached)
            inside = self._plan.stretches(step + 1)
            seats |= (seats & inside) << step | seats >> step & inside
            reached += step
        return seats


class _Counts:
    """How many of some seats are among the `width` seats from each seat on, as bits of numbers.

    Bit `n` of `planes[i]` is bit `i` of the count from seat `n` on, so that one addition adds all counts.
    """

    __slots__ = ("planes", "width")

    def __init__(self, seats: int) -> None:
        self.planes, self.width = [seats], 1

    def double(self) -> None:
        """Count twice as many seats."""
        self.planes = _sum(self.planes, [plane >> self.width for plane in self.planes])
        self.width *= 2

    def widen_to(self, width: int) -> None:
        """Count `width` seats instead of one: by doubling, and adding one where the width is odd."""
        (single,) = self.planes
        for bit in f"{width:b}"[1:]:
            self.double()
            if bit == "1":
                self.planes = _sum(self.planes, [single >> self.width])
                self.width += 1

    def at_least(self, number: int) -> int:
        """Return the bits whose count is at least `number`; all bits (-1) for zero."""
        equal, more = -1, 0
        for place in range(max(len(self.planes), number.bit_length()) - 1, -1, -1):
            plane = self.planes[place] if place < len(self.planes) else 0
            if number >> place & 1:
                equal &= plane
            else:
                more |= equal & plane
                equal &= ~plane
        return equal | more

    def most(self, among: int) -> int:
        """Return those bits whose count is the highest."""
        for plane in reversed(self.planes):
            among = among & plane or among
        return among


def _sum(one: Sequence[int], other: Sequence[int]) -> list[int]:
    """Return the sums of the counts of two lists of planes, like an adder: carry by carry."""
    total, carry = list[int](), 0
    for place, plane in enumerate(one):
        added = other[place] if place < len(other) else 0
        either = plane ^ added
        total.append(either ^ carry)
        carry = plane & added | carry & either
    return [*total, carry] if carry else total


def _narrowest(
    counts: Sequence[int], other_counts: Sequence[int], wanted: int, others_wanted: int
) -> tuple[int, int]:
    """Return the narrowest span of rows (first, end) with the wanted numbers; there is one."""
    best, width = (0, len(counts)), len(counts) + 1
    first = have = others = 0
    for index, count in enumerate(counts):
        have += count
        others += other_counts[index]
        while (
            have - counts[first] >= wanted and others - other_counts[first] >= others_wanted and first < index
        ):
            have -= counts[first]
            others -= other_counts[first]
            first += 1
        if index - first + 1 < width and have >= wanted and others >= others_wanted:
            width, best = index - first + 1, (first, index + 1)
            if width == 1:
                break
    return best


def _next_in_order(places: int, seats: int, count: int) -> int:
    """Return the seats whose numbers are the nearest to the first of `places`."""
    anchor = (places & -places).bit_length() - 1
    after = [anchor + step for step in islice(set_bits(seats >> anchor), count)]
    before, below = list[int](), seats & (1 << anchor) - 1
    while below and len(before) < count:
        before.append(below.bit_length() - 1)
        below ^= 1 << before[-1]
    return mask_of(sorted([*before, *after], key=lambda number: (abs(number - anchor), number))[:count])


def _has_clean_choice(available: int, candidates: int, chosen: int) -> bool:
    """Return whether as many candidates as are chosen, in no more runs, would leave no orphan in a block.

    `reached[n]` has a bit for each number of seats that `n` runs can be without leaving an orphan.
    """
    quantity = chosen.bit_count()
    runs_max = (chosen & ~(chosen << 1)).bit_count()
    reached = [1] + [0] * runs_max
    for first, end in _runs(available):
        inside = candidates >> first & (1 << end - first) - 1
        lengths = [
            length
            for length in range(1, min(quantity, end - first) + 1)
            # One seat must not be left before the run, nor after it
            if eroded(inside, length) & ~(1 << 1) & ~(1 << end - first - length >> 1)
        ]
        for runs in range(runs_max, 0, -1):
            for length in lengths:
                reached[runs] |= reached[runs - 1] << length
    return any(counts >> quantity & 1 for counts in reached)


def _runs(seats: int) -> Iterator[tuple[int, int]]:
    """Yield the runs of set bits: the first and the end."""
    passed = 0
    while seats:
        zeros = (seats & -seats).bit_length() - 1
        seats >>= zeros
        length = (~seats & seats + 1).bit_length() - 1
        yield passed + zeros, passed + zeros + length
        seats >>= length
        passed += zeros + length
