"""Price zones, as an organizer says them: names for seats of a map, by section, by row (`"Balcony/A"`), or seat by seat. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec

from evently.catalogue import NAME_CHARACTERS_MAX, Complaints
from evently.sales.terms import NOT_FOR_SALE, ZONES_MAX, Seating

COMPLAINTS_MAX: Final = 100  # a list of twenty thousand wrong seats is as clear after a hundred


class SeatChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Seats of a map: all of some sections, all of some rows (section and row, a slash between), some by their ids."""

    sections: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    seats: tuple[str, ...] = ()

    def is_empty(self) -> bool:
        """Return whether it names nothing."""
        return not (self.sections or self.rows or self.seats)


class ZoneDraft(SeatChoice, frozen=True, kw_only=True):
    """A zone. One that names no seats is all the rest, of which there can be one."""

    name: str


class SeatingDraft(msgspec.Struct, frozen=True, kw_only=True):
    """Which map an event copies, in its latest version unless told, and its zones.

    No map: the copy that the event has.
    """

    seat_map_id: UUID | None = None
    version: int | None = None
    zones: tuple[ZoneDraft, ...] = ()


class _Seat(msgspec.Struct):
    id: str


class _Row(msgspec.Struct):
    name: str
    seats: list[_Seat]


class _Section(msgspec.Struct):
    name: str
    rows: list[_Row]


class _Layout(msgspec.Struct):
    sections: list[_Section]


class SeatNames:
    """What the seats of a layout can be called: the numbers of each section, each row and each seat, and the ids by number."""

    def __init__(self, layout: bytes) -> None:
        self.ids: list[str] = []
        self.sections: dict[str, list[int]] = {}
        self.rows: dict[str, list[int]] = {}
        for section in msgspec.json.decode(layout, type=_Layout).sections:
            for row in section.rows:
                numbers = list(range(len(self.ids), len(self.ids) + len(row.seats)))
                self.ids += [seat.id for seat in row.seats]
                self.sections.setdefault(section.name, []).extend(numbers)
                self.rows.setdefault(f"{section.name}/{row.name}", []).extend(numbers)
        self.seats = {seat_id: [number] for number, seat_id in enumerate(self.ids)}

    def chosen(
        self, complaints: Complaints, pointer: str, choice: SeatChoice
    ) -> Iterator[tuple[str, list[int]]]:
        """Yield the seats that each part of a choice means, after where it stands; or note that it means none."""
        kinds: Mapping[str, tuple[Sequence[str], Mapping[str, list[int]], str]] = {
            "sections": (choice.sections, self.sections, "section"),
            "rows": (choice.rows, self.rows, "row (a section and a row, such as Balcony/A)"),
            "seats": (choice.seats, self.seats, "seat"),
        }
        for kind, (names, known, word) in kinds.items():
            for place, name in enumerate(names):
                if len(complaints.errors) >= COMPLAINTS_MAX:
                    return
                where = f"{pointer}/{kind}/{place}"
                if (numbers := known.get(name)) is None:
                    complaints.about(where, f"The map has no such {word}.")
                else:
                    yield where, numbers


def check_zone_names(complaints: Complaints, pointer: str, zones: Sequence[ZoneDraft]) -> None:
    """Note what is wrong with zones whatever the map is."""
    if not zones:
        complaints.about(
            f"{pointer}/zones", "Name at least one zone; one that names no seats is all of them."
        )
    if len(zones) > ZONES_MAX:
        complaints.about(f"{pointer}/zones", f"Must have at most {ZONES_MAX} items.")
    seen: set[str] = set()
    rest_seen = False
    for place, zone in enumerate(zones):
        complaints.about_text(f"{pointer}/zones/{place}/name", zone.name, NAME_CHARACTERS_MAX)
        if same(zone.name) in seen:
            complaints.about(f"{pointer}/zones/{place}/name", "This name is taken.")
        seen.add(same(zone.name))
        if zone.is_empty() and rest_seen:
            complaints.about(
                f"{pointer}/zones/{place}",
                "Another zone is all the rest already: name sections, rows or seats.",
            )
        rest_seen |= zone.is_empty()


def check_zones(complaints: Complaints, pointer: str, zones: Sequence[ZoneDraft], names: SeatNames) -> bytes:
    """Return the zone of each seat, one byte a seat: an index into `zones`, or 255 for none; or note what is wrong with them."""
    zone_of = bytearray([NOT_FOR_SALE]) * len(names.ids)
    rest: int | None = None
    for index, zone in enumerate(zones[:ZONES_MAX]):
        if zone.is_empty():
            rest = index
        for where, numbers in names.chosen(complaints, f"{pointer}/zones/{index}", zone):
            elsewhere = next(
                (number for number in numbers if zone_of[number] not in (NOT_FOR_SALE, index)), None
            )
            if elsewhere is not None:
                complaints.about(
                    where,
                    f"Seat {names.ids[elsewhere]!r} is in the zone {zones[zone_of[elsewhere]].name!r}, too.",
                )
            for number in numbers:
                zone_of[number] = index
    if rest is not None:
        zone_of = bytearray(rest if zone == NOT_FOR_SALE else zone for zone in zone_of)
        if rest not in zone_of:
            complaints.about(f"{pointer}/zones/{rest}", "No seat is left for this zone.")
    return bytes(zone_of)


def seats_by_zone(seating: Seating) -> dict[str, int]:
    """Return how many seats each zone has."""
    counts = Counter(seating.zone_of)
    return {zone: counts[index] for index, zone in enumerate(seating.zones)}


def same(name: str) -> str:
    """Return what people take for the same name."""
    return " ".join(name.split()).casefold()
