"""The plan of a seat map: numbered seats, and rows that are split into blocks of adjacent seats.

Pure and immutable; events with the same map share a plan.

Seats are numbered from 0 in the order of the layout, section by section and row by row. A block is a part of
a row between aisles, so its seats are adjacent and their numbers consecutive. To compute the plan of 20,000
seats takes 50 ms.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, compress, pairwise
from math import hypot
from operator import add, sub
from statistics import median
from typing import Final, NamedTuple

from evently.seating.groups import Groups
from evently.seating.seatmap import Row, Seat, SeatMap, decode_map, digest_of

KINDS: Final = ("standard", "restricted_view", "accessible", "companion")
PART_SEATS: Final = 128  # of a part, at least: fewer parts are looked at, or fewer seats of each
FEW_SEATS: Final = 500  # are looked at one by one, in a tenth of a millisecond
SHIFTED_MAX: Final = 200  # seats: as many as a booking has, or a few
ERODED_MAX: Final = 16  # sets that a plan remembers, of a bit for each seat
_PIECE_BYTES: Final = 32  # of a set, which are looked at together
_DIGITS: Final = bytes.maketrans(b"\x00\x01", b"01")
_BITS: Final = bytes.maketrans(b"01", b"\x00\x01")
PLANS_MAX: Final = 64  # in memory: 20 MB each for the largest halls
AISLE: Final = 1.6  # times the median gap of a row: seats with a wider gap are not adjacent


class Block(NamedTuple):
    """Adjacent seats of one row: from `first` on, `length` numbers."""

    first: int
    length: int


class Part(NamedTuple):
    """Some whole rows: the least squared distance of a seat, the number, the first seat and the end.

    `whole` has a bit for each seat; `joined` has those that are adjacent to the next one.
    """

    nearest: int
    number: int
    first: int
    end: int
    whole: int
    joined: int


class Plan:
    """The seats of a map: `ids[number]`, `numbers[id]`, `distances[number]` from the focal point, squared.

    `sections` are names; `rows` are pairs of names, of the section and the row. Tickets show
    `row_labels` and `seat_labels`. `joined_after` has the seats
    that are adjacent to the next one, `joined_before` those that are adjacent to the one before.
    """

    def __init__(self, seat_map: SeatMap, digest: str) -> None:
        self.digest = digest
        self.sections = tuple(section.name for section in seat_map.sections)
        self.rows: list[tuple[str, str]] = []  # names of section and row
        self.row_ends: list[tuple[int, int]] = []  # the first seat of each row, and the end
        self.section_rows: list[tuple[int, int]] = []  # the first row of each section, and the end
        self.blocks: list[Block] = []
        self.section_of_seat: list[int] = []
        self.row_of_seat: list[int] = []
        self.distances: list[int] = []  # in square centimetres
        self.kinds: list[str] = []
        self.row_labels: list[str] = []
        self.seat_labels: list[str] = []
        ids: list[str] = []
        focal = seat_map.focal_point
        for section_number, section in enumerate(seat_map.sections):
            self.section_rows.append((len(self.rows), len(self.rows) + len(section.rows)))
            for row in section.rows:
                self._add_row(section_number, section.name, row, (focal.x, focal.y))
                ids += [seat.id for seat in row.seats]
        self.ids = tuple(ids)
        self.size = len(ids)
        self.numbers = {seat_id: number for number, seat_id in enumerate(ids)}
        self._add_masks()

    def _add_masks(self) -> None:
        """Compute what picking needs: sets of seats as integers, and sums."""
        # The sum of the distances of a run is one subtraction
        self.sums = (0, *accumulate(self.distances))
        self.kind_masks = {kind: marked([each == kind for each in self.kinds]) for kind in KINDS}
        seats = [self.row_ends[first][0] for first, _ in self.section_rows] + [self.size]
        self.section_ends = list(pairwise(seats))  # the first seat of each section, and the end
        self._block_starts = [block.first for block in self.blocks]
        self.joined_after = _joined([(block.first, block.first + block.length) for block in self.blocks])
        self.joined_before = self.joined_after << 1
        self.row_joined = _joined(self.row_ends)
        self.longest_row = max([end - first for first, end in self.row_ends], default=0)
        self.seats_of_rows = Groups(self.row_ends)
        self.rows_of_sections = Groups(self.section_rows)
        # The row of each seat, with a step from section to section that is wider than all rows
        self._places = list(
            map(add, self.row_of_seat, [each * len(self.rows) for each in self.section_of_seat])
        )
        self.parts: list[Part] = []  # in the order of seats
        self.part_of_row: list[int] = []
        self._split_in_parts()
        self._part_firsts = [part.first for part in self.parts]
        self._parts_by_distance = sorted(self.parts)
        self._eroded: dict[tuple[int, int], int] = {}

    def _split_in_parts(self) -> None:
        """Divide the seats into parts of whole rows."""
        start = 0
        for _, end in self.row_ends:
            self.part_of_row.append(len(self.parts))
            if end - start >= PART_SEATS or end == self.size:
                nearest, whole = min(self.distances[start:end]), (1 << end - start) - 1
                joined = self.joined_after >> start & whole
                self.parts.append(Part(nearest, len(self.parts), start, end, whole, joined))
                start = end

    def parts_with(self, seats: int) -> list[Part]:
        """Return at least the parts that have any of these seats, the nearest to the focal point first."""
        if seats.bit_count() <= FEW_SEATS:
            return sorted({self.parts[self.part_of_row[self.row_of_seat[each]]] for each in set_bits(seats)})
        lowest = (seats & -seats).bit_length() - 1
        first = bisect_right(self._part_firsts, lowest) - 1
        end = bisect_right(self._part_firsts, seats.bit_length() - 1)
        if (end - first) * 4 > len(self.parts):
            return self._parts_by_distance
        return sorted(self.parts[first:end])

    def scored(self, part: Part, starts: int, length: int) -> Iterator[tuple[int, int]]:
        """Yield the scores (sums of squared distances) and the beginnings of runs that begin in a part."""
        sums, first, end, bits = self.sums, part.first, part.end, bits_of(starts)
        scores = compress(map(sub, sums[first + length : end + length], sums[first:end]), bits)
        return zip(scores, compress(range(first, end), bits), strict=False)

    def rows_with(self, seats: int, quantity: int) -> tuple[int, int] | None:
        """Return the narrowest span of rows of a section with so many of some seats: the first, and the end.

        The first of several; None if no section has so many. Looks at the seats one by one.
        """
        places = [self._places[each] for each in set_bits(seats)]
        widths = list(map(sub, places[quantity - 1 :], places))
        narrowest = min(widths)
        if narrowest >= len(self.rows):
            return None
        first = places[widths.index(narrowest)] % len(self.rows)
        return first, first + narrowest + 1

    def blocks_with(self, seats: int) -> list[Block]:
        """Return the blocks that have any of these seats."""
        found = {bisect_right(self._block_starts, number) - 1 for number in set_bits(seats)}
        return [self.blocks[number] for number in sorted(found)]

    def starts(self, quantity: int) -> int:
        """Return the seats at which runs of adjacent seats begin, available or not."""
        return self._runs_in(self.joined_after, 0, quantity) if quantity > 1 else -1

    def stretches(self, length: int) -> int:
        """Return the seats at which stretches of one row begin, with or without aisles."""
        return self._runs_in(self.row_joined, 1, length) if length > 1 else (1 << self.size) - 1

    def _runs_in(self, joined: int, which: int, length: int) -> int:
        """Return where runs of joined seats begin, from memory if the length was used lately."""
        found = self._eroded.get((which, length))
        if found is None:
            if len(self._eroded) >= ERODED_MAX:
                self._eroded.clear()
            found = self._eroded[which, length] = eroded(joined, length - 1)
        return found

    @classmethod
    def of(cls, layout: bytes) -> Plan:
        """Return the plan of a layout: the canonical JSON of a map."""
        return cls(decode_map(layout), digest_of(layout))

    def label(self, number: int) -> str:
        """Return the text for a ticket, such as "Stalls, row C, seat 12"."""
        row = self.row_of_seat[number]
        return f"{self.rows[row][0]}, row {self.row_labels[row]}, seat {self.seat_labels[number]}"

    def _add_row(self, section_number: int, section: str, row: Row, focal: tuple[float, float]) -> None:
        row_number, first = len(self.rows), len(self.kinds)
        self.rows.append((section, row.name))
        self.row_labels.append(row.printed())
        distances = [
            round(((seat.x - focal[0]) ** 2 + (seat.y - focal[1]) ** 2) * 10_000) for seat in row.seats
        ]
        self.distances += distances
        self.kinds += [seat.kind for seat in row.seats]
        self.row_ends.append((first, len(self.kinds)))
        self.section_of_seat += [section_number] * len(row.seats)
        self.row_of_seat += [row_number] * len(row.seats)
        self.seat_labels += [seat.label for seat in row.seats]
        self.blocks += [Block(first + start, end - start) for start, end in parts_between_aisles(row.seats)]


# The plans that were used last: building one is slow, and events with the same map share it
_plans: OrderedDict[str, Plan] = OrderedDict()


def known_plan(digest: str) -> Plan | None:
    """Return the plan of a digest if it is in memory."""
    return _plans.get(digest)


def plan_of(layout: bytes, digest: str) -> Plan:
    """Return the plan of a layout, from memory if it is known. A large one is built in a thread first."""
    plan = _plans.get(digest)
    if plan is None:
        plan = _plans[digest] = Plan.of(layout)
        while len(_plans) > PLANS_MAX:
            _plans.popitem(last=False)
    return plan


def parts_between_aisles(seats: Sequence[Seat]) -> Iterator[tuple[int, int]]:
    """Yield the beginning and the end of each part of a row between aisles."""
    gaps = [hypot(right.x - left.x, right.y - left.y) for left, right in pairwise(seats)]
    widest = AISLE * median(gaps) if gaps else 0.0
    start = 0
    for place, gap in enumerate(gaps, start=1):
        if gap > widest:
            yield start, place
            start = place
    yield start, len(seats)


# Sets of seats as integers ----------------------------------------------------------------------------------


def set_bits(mask: int) -> Iterator[int]:
    """Yield the indexes of the set bits, from the lowest. Looks at a few bytes at a time."""
    whole = mask.to_bytes((mask.bit_length() + 7) // 8, "little")
    data = whole.lstrip(b"\0")
    passed = (len(whole) - len(data)) * 8
    for start in range(0, len(data), _PIECE_BYTES):
        piece = int.from_bytes(data[start : start + _PIECE_BYTES], "little")
        while piece:
            lowest = piece & -piece
            yield passed + start * 8 + lowest.bit_length() - 1
            piece ^= lowest


def mask_of(numbers: Iterable[int]) -> int:
    """Return the set of some seats. A few are shifted; for many, that would be quadratic."""
    chosen = list(numbers)
    if len(chosen) <= SHIFTED_MAX:
        mask = 0
        for number in chosen:
            mask |= 1 << number
        return mask
    marks = bytearray(max(chosen) + 1)
    for number in chosen:
        marks[number] = 1
    return marked(marks)


def marked(marks: Iterable[int]) -> int:
    """Return the set of the seats whose mark is 1; the others have 0."""
    return int(bytes(marks).translate(_DIGITS)[::-1] or b"0", 2)


def bits_of(mask: int) -> bytes:
    """Return the bits, from the lowest, as bytes 0 and 1."""
    return f"{mask:b}".encode().translate(_BITS)[::-1]


def span_of(first: int, end: int) -> int:
    """Return the set of consecutive seats."""
    return (1 << end - first) - 1 << first


def eroded(mask: int, quantity: int) -> int:
    """Return the bits at which runs of `quantity` set bits begin.

    The known length doubles with each shift, so it takes log(quantity) shifts.
    """
    length = 1
    while length < quantity and mask:
        step = min(length, quantity - length)
        mask &= mask >> step
        length += step
    return mask


def _joined(ranges: Sequence[tuple[int, int]]) -> int:
    """Return the set of all seats of these ranges but the last of each."""
    marks = bytearray(b"\x01" * ranges[-1][1]) if ranges else bytearray()
    for _, end in ranges:
        marks[end - 1] = 0
    return marked(marks)
