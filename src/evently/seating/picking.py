"""The picking rule: the best available seats for a quantity. Pure and deterministic.

The order of preference: side by side without leaving an orphan (a single available seat); side by side; near
each other, in as few and as near rows of one section as possible, the longest runs first. Among equals, the
seats nearest to the focal point of the map (the least sum of squared distances), then the lowest number.
Accessible places and companion seats are only picked on request, seats with a restricted view only when
nothing else fits.

With accessible places, seats are picked within a stretch of a row that is as long as the quantity; if none
has enough, twice as long, and so on; or else within the narrowest span of rows. See `_pick_accessible`.

Sets of seats are integers: bit `n` is seat `n`. A few shifts of all seats find how many accessible places
each stretch has. The best run of each part of the hall and the number of seats of each row are remembered
until they change (available.py); the narrowest span of rows is found by adding all counts at once
(groups.py).

Budget: 500 requests of one batch in 50 ms, and 5 ms for the worst request in a hall of 100,000 seats. A
request makes some passes over the bits of the hall, and looks at its parts (at most 800) until no other can
be better. No loop is over all seats or rows, so none is slow because it is the first of its kind or because a
map has many rows.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import islice
from operator import or_
from typing import Final, NamedTuple

from evently.seating.available import Available, BestRun, Cut, RowCounts
from evently.seating.plan import Plan, eroded, mask_of, set_bits, span_of

# Of the best runs that are remembered for one hall: fifty in the largest, for a booking of twenty zones
PARTS_MAX: Final = 40_000
RUNS_MIN: Final = 4  # that are remembered in any hall
COUNTS_MAX: Final = 20  # sets of seats whose number in each row is remembered: a byte for each row
# With at least so many rows for each seat, the seats are looked at, instead of the counts of all rows
_ROWS_FOR_EACH: Final = 64
_HIGHEST_SUM: Final = 1 << 80  # more than the squared distances of all seats together


class _Choice(NamedTuple):
    """The seats that a request may have, whether they are available or not."""

    zone: int
    section: int | None
    kinds: tuple[str, ...]


class Picker:
    """Finds seats. The hall reports with `change` which seats are available."""

    def __init__(self, plan: Plan, available: int, zone_masks: Sequence[int]) -> None:
        self._plan = plan
        self._available = Available(plan, available)
        self._zone_masks = zone_masks
        self._best_runs: OrderedDict[tuple[_Choice, int, bool], BestRun] = OrderedDict()
        self._row_counts: OrderedDict[_Choice, RowCounts] = OrderedDict()

    def change(self, numbers: Sequence[int]) -> None:
        """Record that seats are no longer available, or available again."""
        self._available.change(numbers)

    def leaves_orphan(self, numbers: Iterable[int]) -> bool:
        """Return whether taking these seats leaves an orphan that another choice would avoid.

        An orphan is a single available seat that is not single now. Another choice: as many seats of the same
        zones and the same block, in no more runs. Where each choice leaves an orphan, any is as good.
        """
        return next(self._orphans(numbers), 0) != 0

    def orphans_of(self, numbers: Iterable[int]) -> tuple[int, ...]:
        """Return the orphans that taking these seats leaves and another choice would avoid, in order."""
        return tuple(set_bits(reduce(or_, self._orphans(numbers), 0)))

    def _orphans(self, numbers: Iterable[int]) -> Iterator[int]:
        """Yield the avoidable orphans of each block."""
        taken = mask_of(numbers)
        available = self._available.seats
        orphans = self._isolated(available & ~taken) & ~self._isolated(available)
        if not orphans:
            return
        zones = [mask for mask in self._zone_masks if mask & taken]
        for first, length in self._plan.blocks_with(orphans):
            whole = (1 << length) - 1
            chosen = taken >> first & whole
            sold_with = [mask >> first & whole for mask in zones if mask >> first & whole & chosen]
            candidates = reduce(or_, sold_with, 0) & available >> first
            if _has_clean_choice(available >> first & whole, candidates, chosen):
                yield orphans & whole << first

    def _isolated(self, seats: int) -> int:
        """Return the seats without a neighbour among them."""
        return seats & ~(seats << 1 & self._plan.joined_before) & ~(seats >> 1 & self._plan.joined_after)

    def pick(self, zone: int, quantity: int, section: int | None, accessible: int) -> tuple[int, ...] | None:
        """Return the best available seats, in order, or None."""
        if accessible:
            return self._pick_accessible(zone, section, quantity, accessible)
        standard = _Choice(zone, section, ("standard",))
        if (seats := self._together(standard, quantity)) is not None:
            return seats
        if self._zone_masks[zone] & self._plan.kind_masks["restricted_view"]:
            return self._together(_Choice(zone, section, ("standard", "restricted_view")), quantity)
        return None

    def pick_any(self, zone: int, quantity: int) -> tuple[int, ...] | None:
        """Return any available seats of a zone, in order, or None."""
        candidates = self._available.seats & self._zone_masks[zone]
        return None if candidates.bit_count() < quantity else tuple(islice(set_bits(candidates), quantity))

    def _seats_of(self, choice: _Choice) -> int:
        """Return the seats of a choice, available or not."""
        masks = [self._plan.kind_masks[kind] for kind in choice.kinds]
        seats = reduce(or_, masks) & self._zone_masks[choice.zone]
        return seats if choice.section is None else seats & span_of(*self._plan.section_ends[choice.section])

    # Side by side

    def _together(self, choice: _Choice, quantity: int) -> tuple[int, ...] | None:
        """Return seats side by side, or else near each other, or None."""
        first = self._best_run(choice, quantity, is_clean=True).find()
        if first is None:
            candidates = self._available.seats & self._seats_of(choice)
            if candidates.bit_count() < quantity:
                return None
            if self._starts(candidates, quantity):
                first = self._best_run(choice, quantity, is_clean=False).find()
        if first is not None:
            return tuple(range(first, first + quantity))
        assert quantity > 1, "an available seat is a run"
        if candidates.bit_count() * _ROWS_FOR_EACH <= len(self._plan.rows):
            rows = self._plan.rows_with(candidates, quantity)
            span = self._span_of_rows(rows)
        else:
            span = self._narrowest_span({choice: candidates}, [quantity])
        return tuple(set_bits(self._longest_runs(candidates & span, quantity)))

    def _best_run(self, choice: _Choice, length: int, *, is_clean: bool) -> BestRun:
        """Return what is remembered of the best runs of a length."""
        key = choice, length, is_clean
        found = self._best_runs.get(key)
        if found is None:
            if len(self._best_runs) >= max(RUNS_MIN, PARTS_MAX // len(self._plan.parts)):
                self._best_runs.popitem(last=False)
            found = BestRun(self._available, self._seats_of(choice), length, clean=is_clean)
            self._best_runs[key] = found
        else:
            self._best_runs.move_to_end(key)
        return found

    def _starts(self, seats: int, quantity: int) -> int:
        """Return where runs of `quantity` adjacent seats begin."""
        return eroded(seats, quantity) & self._plan.starts(quantity)

    def _nearest_starts(self, starts: int, length: int, count: int) -> list[int]:
        """Return the beginnings of the `count` runs nearest to the focal point, in this order.

        Parts of the hall follow by their nearest seat, so most of them are not looked at.
        """
        found, farthest, cut = list[tuple[int, int]](), _HIGHEST_SUM, Cut(starts)
        for part in self._plan.parts_with(starts):
            if part.nearest * length > farthest:
                break
            if runs := cut.of(part):
                found += self._plan.scored(part, runs, length)
                if len(found) >= count * 4:
                    found = heapq.nsmallest(count, found)
                    farthest = found[-1][0]
        return [start for _, start in heapq.nsmallest(count, found)]

    # Near each other

    def _narrowest_span(self, seats: Mapping[_Choice, int], wanted: Sequence[int]) -> int:
        """Return the narrowest span of rows of one section with the wanted numbers of each set of seats.

        All seats if no section has so many.
        """
        plan = self._plan
        counts = [self._count_by_row(choice, available) for choice, available in seats.items()]
        rows = plan.rows_of_sections.narrowest(counts, wanted, plan.longest_row)
        return self._span_of_rows(rows)

    def _span_of_rows(self, rows: tuple[int, int] | None) -> int:
        """Return the seats of consecutive rows: the first, and the end. None: all seats."""
        ends = self._plan.row_ends
        if rows is None:
            return (1 << self._plan.size) - 1
        return span_of(ends[rows[0]][0], ends[rows[1] - 1][1])

    def _count_by_row(self, choice: _Choice, seats: int) -> int:
        """Return how many available seats of a choice each row has. See groups.py."""
        if choice not in self._row_counts:
            if len(self._row_counts) >= COUNTS_MAX:
                self._row_counts.popitem(last=False)
            self._row_counts[choice] = RowCounts(self._available)
        return self._row_counts[choice].of(seats)

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
                (first,) = self._nearest_starts(starts, missing, 1)
                return chosen | span_of(first, first + missing)
        return chosen

    # Accessible places

    def _pick_accessible(
        self, zone: int, section: int | None, quantity: int, accessible: int
    ) -> tuple[int, ...] | None:
        """Return accessible places, and near them companion seats, or else standard seats.

        The area: a stretch of one row that has enough of both, as long as the quantity, or twice as long,
        four times, and so on; or else the narrowest span of rows of one section; or else all. Among
        stretches, the one with the most companion seats, then the nearest to the focal point. In the area,
        accessible places are picked with the longest runs first, then the seats nearest to them in their
        rows (companion seats first), then those nearest in the order of the map.
        """
        others, available = quantity - accessible, self._available.seats
        of_places = _Choice(zone, section, ("accessible",))
        of_beside = _Choice(zone, section, ("standard", "companion"))
        places = available & self._seats_of(of_places)
        beside = available & self._seats_of(of_beside) if others else 0
        if others < 0 or places.bit_count() < accessible or beside.bit_count() < others:
            return None
        area = self._shortest_stretch(places, beside, accessible, others)
        if area is None:
            both = {of_places: places, of_beside: beside} if others else {of_places: places}
            area = self._narrowest_span(both, [accessible, others] if others else [accessible])
        places, beside = places & area, beside & area
        if places.bit_count() > accessible:
            places = self._longest_runs(places, accessible)
        if beside.bit_count() > others:
            beside = self._nearest_seats(places, beside, others)
        return tuple(set_bits(places | beside))

    def _shortest_stretch(self, places: int, beside: int, accessible: int, others: int) -> int | None:
        """Return the stretch of a row in which seats are picked; None if no row has enough."""
        length = accessible + others
        place_counts = _Counts(places, accessible.bit_length())
        beside_counts = _Counts(beside, others.bit_length())
        place_counts.widen_to(length)
        beside_counts.widen_to(length)
        while stretches := self._plan.stretches(length):
            found = stretches & place_counts.at_least(accessible) & beside_counts.at_least(others)
            if found:
                if others and (companions := beside & self._plan.kind_masks["companion"]):
                    companion_counts = _Counts(companions, length.bit_length())
                    companion_counts.widen_to(length)
                    found = companion_counts.most(found)
                (first,) = self._nearest_starts(found, length, 1)
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

    Bit `n` of `planes[i]` is bit `i` of the count from seat `n` on, so that one addition adds all counts. A
    count stops at the highest number of `planes_max` bits.
    """

    __slots__ = ("planes", "planes_max", "width")

    def __init__(self, seats: int, planes_max: int) -> None:
        self.planes, self.planes_max, self.width = [seats], planes_max, 1

    def double(self) -> None:
        """Count twice as many seats."""
        self._add([plane >> self.width for plane in self.planes])
        self.width *= 2

    def widen_to(self, width: int) -> None:
        """Count `width` seats instead of one: by doubling, and adding one where the width is odd."""
        (single,) = self.planes
        for bit in f"{width:b}"[1:]:
            self.double()
            if bit == "1":
                self._add([single >> self.width])
                self.width += 1

    def _add(self, others: Sequence[int]) -> None:
        """Add the counts of other planes, like an adder: carry by carry."""
        total, carry = list[int](), 0
        for place, plane in enumerate(self.planes):
            added = others[place] if place < len(others) else 0
            either = plane ^ added
            total.append(either ^ carry)
            carry = plane & added | carry & either
        if carry and len(total) < self.planes_max:
            total.append(carry)
        elif carry:
            total = [plane | carry for plane in total]
        self.planes = total

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
