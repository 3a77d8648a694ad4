"""What waiting rooms are made of: plain values, and the refusals."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from evently.kit.errors import Refusal
from evently.kit.shapes import number, text
from evently.waitingroom.pacing import Paces, Wait

OPENS_MINUTES_MAX: Final = 1_440  # before the sale: nobody waits for longer than a day
PER_MINUTE_MAX: Final = 60_000  # a thousand people a second: more than a sale can serve
SOURCE_CHARACTERS_MAX: Final = 300
VALUE_CHARACTERS_MAX: Final = 300
# Of one room. The order takes 24 bytes of memory for each entry, in each process that answers polls
ENTRIES_MAX: Final = 1_000_000

RoomStage: TypeAlias = Literal["upcoming", "open", "drawing", "admitting"]


class WaitingRoomRefusal(Refusal):
    """Every refusal of waiting rooms. The sale has two more of its own."""

    NO_WAITING_ROOM = "no-waiting-room"
    NOT_OPEN = "waiting-room-not-open"
    FULL = "waiting-room-full"
    PLACE_NOT_VALID = "place-not-valid"
    VALUE_NOT_WANTED = "public-value-not-wanted"


class WaitingRoomTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an organizer sets. Everybody who enters before the sale begins has an equal place.

    `opens_minutes_before`: the sale. `per_minute`: at most so many people are admitted in a minute.
    `public_source`: where a random value will be read that nobody can know before the list is closed, such as
    a round of drand, or what a notary draws; empty: there is none.
    """

    opens_minutes_before: Annotated[int, number(1, OPENS_MINUTES_MAX, 60)] = 60
    per_minute: Annotated[int, number(1, PER_MINUTE_MAX, 600)] = 600
    public_source: Annotated[
        str,
        text(
            SOURCE_CHARACTERS_MAX, "drand quicknet, round 14520000: its randomness in hexadecimal", blank=True
        ),
    ] = ""


class StoredRoom(msgspec.Struct, frozen=True):
    """A row of `waiting_rooms`. `seed` is secret until `drawn_at` is set."""

    event_id: UUID
    opens_at: datetime
    draws_at: datetime
    per_minute: int
    public_source: str
    seed: bytes
    seed_hash: bytes
    entries: int
    closed_at: datetime | None
    listed: int | None
    list_hash: bytes | None
    drawn_at: datetime | None
    public_value: str | None
    version: int


class WaitingRoom(StoredRoom, frozen=True):
    """A waiting room with its last paces, as one read of the database shows it."""

    paces: Paces

    def stage(self, now: datetime) -> RoomStage:
        """Return what happens there now."""
        if self.drawn_at is not None:
            return "admitting"
        if self.closed_at is not None or now >= self.draws_at:
            return "drawing"
        return "open" if now >= self.opens_at else "upcoming"


class Entry(msgspec.Struct, frozen=True):
    """The entry of a person. `late_number` is None for those on the list that is drawn."""

    event_id: UUID
    entry_id: UUID
    person_id: UUID
    entered_at: datetime
    late_number: int | None
    admitted_at: datetime | None = None
    position: int | None = None


class Admission(msgspec.Struct, frozen=True):
    """An admission to a sale, proven by its token."""

    token: str
    expires_at: datetime


PlaceState: TypeAlias = Literal["entered", "drawing", "waiting", "admitted", "passed"]


class Place(msgspec.Struct, frozen=True):
    """Where a person stands now.

    `entered`: the list is open. `drawing`: it is closed, and the order is not drawn. `passed`: the turn came,
    and was not used in time. `ahead`: how many people are admitted before. `turn_at`: when the turn comes at
    the pace of now; None: nobody is admitted now. `wait`: how long it is likely to take, of who waits while
    people are admitted.
    """

    state: PlaceState
    position: int | None = None
    ahead: int | None = None
    turn_at: datetime | None = None
    admission: Admission | None = None
    wait: Wait | None = None
