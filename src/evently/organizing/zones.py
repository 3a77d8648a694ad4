"""Price zones of an event: names for seats of a map, by section, by row (`"Balcony/A"`), or by seat. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final

import msgspec

from evently.catalogue import NAME_CHARACTERS_MAX
from evently.kit.complaints import Complaints
from evently.kit.ids import SeatMapReference
from evently.kit.shapes import items, text
from evently.organizing.names import check_names
from evently.sales.terms import NOT_FOR_SALE, ZONES_MAX, Seating
from evently.seating import decode_map

COMPLAINTS_MAX: Final = 100  # a list of twenty thousand wrong seats is as clear after a hundred

ZoneName = Annotated[str, text(NAME_CHARACTERS_MAX, "Stalls")]
SeatMapId = Annotated[SeatMapReference, msgspec.Meta(examples=["smp_01m7y4ef72ev2sxmcnxfse27zp"])]
Sections = Annotated[
    tuple[str, ...], msgspec.Meta(description="Names of sections of the map.", examples=[["Balcony"]])
]
Rows = Annotated[
    tuple[str, ...],
    msgspec.Meta(
        description="A section and a row, with a slash between.", examples=[["Stalls/A", "Stalls/B"]]
    ),
]
Seats = Annotated[
    tuple[str, ...], msgspec.Meta(description="Ids of seats.", examples=[["stalls-c-1", "stalls-c-2"]])
]


class SeatChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seats: all seats of some sections, all seats of some rows, and some seats by their ids, together."""

    sections: Sections = ()
    rows: Rows = ()
    seats: Seats = ()

    def is_empty(self) -> bool:
        """Return whether it names nothing."""
        return not (self.sections or self.rows or self.seats)


class ZoneDraft(SeatChoice, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price zone. One zone may name no seats: it has all others. Seats of no zone are not for sale."""

    name: ZoneName


class ZonePainting(SeatChoice, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seats for a zone: one that is there, or a new one. Null: they are in no zone, and not for sale."""

    zone: ZoneName | None


class SeatingDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The seats of an event: a copy of a seat map of its venue, divided into zones.

    Without `version`, the latest version; without `seat_map_id`, the copy that the event has.
    """

    seat_map_id: SeatMapId | None = None
    version: int | None = None
    zones: Annotated[tuple[ZoneDraft, ...], items(ZONES_MAX, [[{"name": "Seats"}]])]


class SeatNames:
    """The names of a layout: the seat numbers of each section, row and seat, and the seat ids by number."""

    def __init__(self, layout: bytes) -> None:
        self.ids: list[str] = []
        self.sections: dict[str, list[int]] = {}
        self.rows: dict[str, list[int]] = {}
        for section in decode_map(layout).sections:
            for row in section.rows:
                numbers = list(range(len(self.ids), len(self.ids) + len(row.seats)))
                self.ids += [seat.id for seat in row.seats]
                self.sections.setdefault(section.name, []).extend(numbers)
                self.rows.setdefault(f"{section.name}/{row.name}", []).extend(numbers)
        self.seats = {seat_id: [number] for number, seat_id in enumerate(self.ids)}

    def find(
        self, complaints: Complaints, pointer: str, choice: SeatChoice
    ) -> Iterator[tuple[str, list[int]]]:
        """Yield the pointer and the seats of each name in a choice; note names that the map does not have."""
        kinds: Mapping[str, tuple[Sequence[str], Mapping[str, list[int]], str]] = {
            "sections": (choice.sections, self.sections, "section"),
            "rows": (choice.rows, self.rows, "row (a section and a row, such as Balcony/A)"),
            "seats": (choice.seats, self.seats, "seat"),
        }
        for kind, (names, known, word) in kinds.items():
            seen = set[str]()
            for index, name in enumerate(names):
                if len(complaints.errors) >= COMPLAINTS_MAX:
                    return
                if name in seen:  # each repetition of a section may be 100,000 seats of work
                    continue
                seen.add(name)
                where = f"{pointer}/{kind}/{index}"
                if (numbers := known.get(name)) is None:
                    complaints.about(where, "not-on-the-map", kind=word)
                else:
                    yield where, numbers


def check_zone_names(complaints: Complaints, pointer: str, zones: Sequence[ZoneDraft]) -> None:
    """Note what is wrong with zones, whatever the map is."""
    if not zones:
        complaints.about(f"{pointer}/zones", "zone-missing")
    check_names(complaints, f"{pointer}/zones", [zone.name for zone in zones])
    empty = [index for index, zone in enumerate(zones) if zone.is_empty()]
    for index in empty[1:]:
        complaints.about(
            f"{pointer}/zones/{index}",
            "second-zone-of-the-rest",
        )


def check_zones(complaints: Complaints, pointer: str, zones: Sequence[ZoneDraft], names: SeatNames) -> bytes:
    """Return a byte for each seat: the index of its zone, or 255. Note what is wrong with the zones."""
    zone_of = bytearray([NOT_FOR_SALE]) * len(names.ids)
    rest: int | None = None
    for index, zone in enumerate(zones[:ZONES_MAX]):
        if zone.is_empty():
            rest = index
        for where, numbers in names.find(complaints, f"{pointer}/zones/{index}", zone):
            elsewhere = next(
                (number for number in numbers if zone_of[number] not in (NOT_FOR_SALE, index)), None
            )
            if elsewhere is not None:
                complaints.about(
                    where,
                    "seat-in-another-zone",
                    seat=names.ids[elsewhere],
                    zone=zones[zone_of[elsewhere]].name,
                )
            for number in numbers:
                zone_of[number] = index
    if rest is not None:
        zone_of = bytearray(rest if zone == NOT_FOR_SALE else zone for zone in zone_of)
        if rest not in zone_of:
            complaints.about(f"{pointer}/zones/{rest}", "zone-without-seats")
    return bytes(zone_of)


def seats_by_zone(seating: Seating) -> dict[str, int]:
    """Return how many seats each zone has."""
    counts = Counter(seating.zone_of)
    return {zone: counts[index] for index, zone in enumerate(seating.zones)}
