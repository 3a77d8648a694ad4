"""Seats: maps of venues, and which seats of an event are best. Knows nothing of who buys them.

SeatMap, parse, canonical   the format (seatmap.py)
add_seat_map, ...           the maps of venues, in versions (maps.py)
Plan                        a map as selling needs it: seats by number, blocks of adjacent ones (plan.py)
Hall                        the states of one event's seats, and `pick` (hall.py, picking.py)
"""

from evently.seating.hall import Hall
from evently.seating.maps import (
    SeatMapVersion,
    StoredSeatMap,
    add_seat_map,
    add_version,
    find_seat_map,
    get_owner,
    get_seat_map,
    list_seat_maps,
)
from evently.seating.plan import Plan
from evently.seating.seatmap import SeatMap, canonical, check, decode_map, digest_of, json_schema, parse

__all__ = [
    "Hall",
    "Plan",
    "SeatMap",
    "SeatMapVersion",
    "StoredSeatMap",
    "add_seat_map",
    "add_version",
    "canonical",
    "check",
    "decode_map",
    "digest_of",
    "find_seat_map",
    "get_owner",
    "get_seat_map",
    "json_schema",
    "list_seat_maps",
    "parse",
]
