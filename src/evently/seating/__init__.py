"""Seats: the seat maps of venues, and the best available seats of an event. Knows nothing about buyers.

SeatMap, parse, canonical   the format of a seat map (seatmap.py)
add_seat_map, ...           the seat maps of venues, in versions (maps.py)
Plan                        numbered seats, and blocks of adjacent seats, computed from a map (plan.py)
Hall                        the states of the seats of one event, and `pick` (hall.py, picking.py)
draw                        a seat map as SVG (drawing.py)
mend                        a choice that would leave a single seat alone (mending.py)
compact                     the layout for the map on a page (compact.py)
arena, theatre              generated seat maps (generate.py)
make_map, make_section      sections from a few numbers (patterns.py)
compare                     what differs between two versions of a map (comparing.py)
import_pretix               seating plans of pretix (pretix.py, pretix_format.py)
"""

from evently.seating.compact import compact
from evently.seating.comparing import MapDifference, compare
from evently.seating.hall import Hall, SeatState
from evently.seating.maps import (
    SeatMapVersion,
    StoredSeatMap,
    add_seat_map,
    add_version,
    find_seat_map,
    get_owner,
    get_seat_map,
    list_digests,
    list_seat_maps,
)
from evently.seating.mending import Mended, mend
from evently.seating.patterns import SectionPattern, check_pattern, make_map, make_section
from evently.seating.plan import Plan, known_plan, plan_of
from evently.seating.seatmap import SeatMap, canonical, check, decode_map, digest_of, json_schema, parse

__all__ = [
    "Hall",
    "MapDifference",
    "Mended",
    "Plan",
    "SeatMap",
    "SeatMapVersion",
    "SeatState",
    "SectionPattern",
    "StoredSeatMap",
    "add_seat_map",
    "add_version",
    "canonical",
    "check",
    "check_pattern",
    "compact",
    "compare",
    "decode_map",
    "digest_of",
    "find_seat_map",
    "get_owner",
    "get_seat_map",
    "json_schema",
    "known_plan",
    "list_digests",
    "list_seat_maps",
    "make_map",
    "make_section",
    "mend",
    "parse",
    "plan_of",
]
