"""The waiting room before a sale: an equal place for everybody who comes early, and no crowd at the engine.

    WaitingRooms               what a process does: enters, answers polls, admits, verifies admissions
    put_room, remove_room      what organizers do
    put_public_value           draws the order, where a public value was promised
    list_entries               the closed list, for those who compute the order again

The sale has a bit that says whether it has a waiting room; the rule of booking checks it under the lock, so
it holds in every process. Who is admitted proves it with a signed token. See docs/waiting-room.md.
"""

from evently.waitingroom.drawing import hash_list, rank_of, suffix_of
from evently.waitingroom.nouns import (
    ENTRIES_MAX,
    PER_MINUTE_MAX,
    SOURCE_CHARACTERS_MAX,
    VALUE_CHARACTERS_MAX,
    Admission,
    Entry,
    Place,
    PlaceState,
    RoomStage,
    WaitingRoom,
    WaitingRoomRefusal,
    WaitingRoomTerms,
)
from evently.waitingroom.pacing import KEPT, Wait
from evently.waitingroom.polling import RoomNow, WaitingRooms, count_left, next_poll
from evently.waitingroom.rooms import (
    find_room,
    list_entries,
    put_public_value,
    put_room,
    remove_room,
)
from evently.waitingroom.tokens import TOKEN_CHARACTERS_MAX, TokenSigner

__all__ = [
    "ENTRIES_MAX",
    "KEPT",
    "PER_MINUTE_MAX",
    "SOURCE_CHARACTERS_MAX",
    "TOKEN_CHARACTERS_MAX",
    "VALUE_CHARACTERS_MAX",
    "Admission",
    "Entry",
    "Place",
    "PlaceState",
    "RoomNow",
    "RoomStage",
    "TokenSigner",
    "Wait",
    "WaitingRoom",
    "WaitingRoomRefusal",
    "WaitingRoomTerms",
    "WaitingRooms",
    "count_left",
    "find_room",
    "hash_list",
    "list_entries",
    "next_poll",
    "put_public_value",
    "put_room",
    "rank_of",
    "remove_room",
    "suffix_of",
]
