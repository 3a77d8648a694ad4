"""What a process does with waiting rooms: it answers polls from memory, and writes only what must last.

A poll is a token, arithmetic on the paces, and for those on the list a look-up in the order that was drawn.
The room is read four times a second, however many people poll; the order once. Who enters at the same moment
shares a transaction, and so do those whose turn has come. Nothing runs by the clock: the first reader after
the sale has begun closes the list and draws, under the lock of the room, and readers change the pace.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID

from evently.db import Database
from evently.kit.clock import Clock
from evently.kit.errors import Refused
from evently.kit.memory import Memory
from evently.kit.together import Together
from evently.sales import Engine, Glance
from evently.sales.outcomes import SalesRefusal
from evently.waitingroom import rooms
from evently.waitingroom.drawing import DrawnList
from evently.waitingroom.nouns import Admission, Entry, Place, WaitingRoom, WaitingRoomRefusal
from evently.waitingroom.pacing import KEPT, Wait, likely_wait, wanted_pace
from evently.waitingroom.rooms import Claim
from evently.waitingroom.tokens import TokenSigner

# As long as a glance: too short for a person to notice
ROOM_SECONDS: Final = 0.25
_ROOMS_MAX: Final = 1_000  # rooms that people poll at the same time
# An order never changes. Another one takes its place in memory before it is as old as this
_ORDER_SECONDS: Final = 86_400.0
_ORDERS_BYTES_MAX: Final = 192 * 1024 * 1024  # eight of the largest ones
_ORDERS_MAX: Final = 1_000
_ADMITTED_MAX: Final = 100_000  # of the last ten minutes: at the fastest pace, some of them are read again
# Commands that wait for the engine: a tenth of a second of its work. Nobody is admitted to wait there
QUEUED_MAX: Final = 500
POLLS_PER_SECOND: Final = 5_000  # of a room; two cores answer 6,200 to 8,700 (docs/benchmarks.md)
_SOON_SECONDS: Final = 2
_DRAWING_SECONDS: Final = 10
_RARELY_SECONDS: Final = 30  # a person wants to see that something happens
_SECONDS_MAX: Final = 120  # whatever the crowd: the turn is kept for ten minutes
_SOON: Final = Wait(0, 60)


class RoomNow(NamedTuple):
    """A waiting room with what is left to be sold behind it."""

    room: WaitingRoom
    glance: Glance
    left: int  # tickets

    @property
    def sold_out(self) -> bool:
        """Whether the sale has begun and nothing is left. The waitlist gets first what is released."""
        return self.left == 0 and self.room.closed_at is not None


class WaitingRooms:
    """The waiting rooms as one process knows them."""

    def __init__(self, database: Database, engine: Engine, secret: bytes, clock: Clock) -> None:
        self._database = database
        self._engine = engine
        self._clock = clock
        self._signer = TokenSigner(secret)
        self._rooms: Memory[UUID, WaitingRoom | None] = Memory(ROOM_SECONDS, _ROOMS_MAX)
        self._orders: Memory[tuple[UUID, bytes], DrawnList] = Memory(
            _ORDER_SECONDS, _ORDERS_MAX, bytes_max=_ORDERS_BYTES_MAX, size_of=lambda order: order.memory_bytes
        )
        self._found: dict[UUID, RoomNow] = {}  # what was found last: many polls find the same
        self._admitted: Memory[UUID, datetime] = Memory(KEPT.total_seconds(), _ADMITTED_MAX)
        self._entering = Together(self._enter_all)
        self._admitting = Together(self._admit_all)

    async def find_room(self, event_id: UUID) -> WaitingRoom | None:
        """Return the waiting room of an event, at most a quarter of a second old; None: it has none."""
        return await self._rooms.get(event_id, partial(self._read, event_id))

    async def get_room(self, event_id: UUID) -> RoomNow:
        """Return the waiting room of a published event. Refuses `event-not-found` and `no-waiting-room`."""
        glance = self._engine.find_glance(event_id) or await self._engine.get_glance(event_id)
        room = self._rooms.find(event_id) or await self.find_room(event_id)
        found = self._found.get(event_id)
        if found is not None and found.room is room and found.glance is glance:
            return found
        if glance.state == "closed":
            raise Refused(SalesRefusal.EVENT_NOT_FOUND)
        if room is None:
            raise Refused(WaitingRoomRefusal.NO_WAITING_ROOM)
        if len(self._found) >= _ROOMS_MAX:
            self._found.clear()
        self._found[event_id] = found = RoomNow(room, glance, count_left(glance, self._clock()))
        return found

    def forget_room(self, event_id: UUID) -> None:
        """Forget a waiting room: it has changed."""
        self._rooms.forget(event_id)

    async def enter(self, event_id: UUID, person_id: UUID) -> Entry:
        """Return the entry of a person: the one that there is, or a new one."""
        self._refuse_ended((await self.get_room(event_id)).glance, self._clock())
        return await self._entering.add((event_id, person_id))

    @staticmethod
    def _refuse_ended(glance: Glance, at: datetime) -> None:
        """Refuse `event-cancelled` and `sale-ended`: there is nothing to wait for."""
        if glance.state == "cancelled":
            raise Refused(SalesRefusal.EVENT_CANCELLED)
        if at >= glance.off_sale_at:
            raise Refused(SalesRefusal.SALE_ENDED, "off_sale_at", off_sale_at=glance.off_sale_at)

    def sign_place(self, entry: Entry) -> str:
        """Return the token of a place."""
        return self._signer.sign_place(entry)

    def read_place(self, token: str, event_id: UUID) -> Entry:
        """Return the entry that a token names. Refuses `place-not-valid`."""
        entry = self._signer.read_place(token)
        if entry is None or entry.event_id != event_id:
            raise Refused(WaitingRoomRefusal.PLACE_NOT_VALID)
        return entry

    def admits(self, token: str | None, event_id: UUID, person_id: UUID) -> bool:
        """Return whether an admission token lets a person book tickets of an event now. Reads nothing."""
        return token is not None and self._signer.admits(token, event_id, person_id, self._clock())

    async def find_place(self, entry: Entry, now: RoomNow) -> Place:
        """Return where a person stands. Whose turn has come is admitted.

        Refuses `place-not-valid`, and after the end `event-cancelled` and `sale-ended`.
        """
        at, room = self._clock(), now.room
        self._refuse_ended(now.glance, at)
        if room.drawn_at is None:
            return Place("entered" if room.closed_at is None else "drawing")
        order = self._orders.find((room.event_id, room.seed_hash)) or await self._order_of(room)
        position = self._position_of(order, room, entry)
        if position is None:
            raise Refused(WaitingRoomRefusal.PLACE_NOT_VALID)  # of a room that was there before this one
        turn_at = rooms.turn_of(room, entry, position)
        if turn_at is None or at < turn_at:
            pace = room.paces.now
            ahead = max(0, position - 1 - pace.admitted_at(at))
            wait = None
            if turn_at is not None and pace.per_minute:
                seconds = (turn_at - at).total_seconds()
                wait = likely_wait(seconds, ahead, now.left, pace.per_minute, room.per_minute)
            return Place("waiting", position, ahead, turn_at, wait=wait)
        admitted_at = self._admitted.find(entry.entry_id)
        if admitted_at is None:
            if self._engine.queued() > QUEUED_MAX and at < turn_at + KEPT / 2:
                return Place("waiting", position, 0, turn_at, wait=_SOON)
            # Who has got an admission is not refused by the time of the turn: the row knows
            admitted_at = await self._admitting.add((entry.event_id, Claim(entry, position, turn_at + KEPT)))
        if admitted_at is None or at >= admitted_at + KEPT:
            return Place("passed", position, turn_at=turn_at)
        self._admitted.put(entry.entry_id, admitted_at)
        expires_at = admitted_at + KEPT
        admission = Admission(self._signer.sign_admission(entry, expires_at), expires_at)
        return Place("admitted", position, 0, turn_at, admission)

    # Reading

    async def _read(self, event_id: UUID) -> WaitingRoom | None:
        room = await rooms.find_room(self._database, event_id, self._clock())
        if room is not None and room.closed_at is None and self._clock() >= room.draws_at:
            async with self._database.transaction() as tx:
                await rooms.close_room(tx, event_id, self._clock())
            room = await rooms.find_room(self._database, event_id, self._clock())
        if room is not None and room.drawn_at is not None and await self._adapt(room):
            room = await rooms.find_room(self._database, event_id, self._clock())
        return room

    async def _adapt(self, room: WaitingRoom) -> bool:
        """Change the pace to what is left, and to what the engine can do; returns whether it has changed."""
        left = count_left(await self._engine.get_glance(room.event_id), self._clock())
        now, last = self._clock(), room.paces.now
        overloaded = self._engine.queued() > QUEUED_MAX
        wanted = wanted_pace(now, last, room.per_minute, left, overloaded=overloaded)
        if wanted is None:
            return False
        async with self._database.transaction() as tx:
            await rooms.change_pace(tx, room.event_id, last, wanted, self._clock())
        return True

    async def _order_of(self, room: WaitingRoom) -> DrawnList | None:
        """Return the order that was drawn; None where it was not."""
        if room.drawn_at is None:
            return None
        read = partial(rooms.read_ranks, self._database, room)
        # The hash of the seed: of a room that was removed and put again the order is another one
        return await self._orders.get((room.event_id, room.seed_hash), read)

    @staticmethod
    def _position_of(order: DrawnList | None, room: WaitingRoom, entry: Entry) -> int | None:
        if order is None:
            return None
        if entry.late_number is None:
            return order.position_of(entry.entry_id)
        return None if room.listed is None else room.listed + entry.late_number

    # Writing, of all that come at the same moment together

    async def _enter_all(self, asked: Sequence[tuple[UUID, UUID]]) -> list[Entry]:
        entries: dict[tuple[UUID, UUID], Entry] = {}
        for event_id in dict.fromkeys(event_id for event_id, _ in asked):
            # The order of a room that was drawn before the transaction began: of others nobody has passed
            room = await self.find_room(event_id)
            order = None if room is None else await self._order_of(room)
            people = list(dict.fromkeys(person_id for event, person_id in asked if event == event_id))
            async with self._database.transaction() as tx:
                entered = await rooms.enter_room(
                    tx, event_id, people, self._clock, partial(self._position_of, order)
                )
            entries |= {(event_id, person_id): entry for person_id, entry in entered.items()}
        return [entries[each] for each in asked]

    async def _admit_all(self, asked: Sequence[tuple[UUID, Claim]]) -> list[datetime | None]:
        admitted: dict[UUID, datetime] = {}
        for event_id in dict.fromkeys(event_id for event_id, _ in asked):
            claims = {each.entry.entry_id: each for event, each in asked if event == event_id}
            async with self._database.transaction() as tx:
                admitted |= await rooms.admit_entries(tx, event_id, list(claims.values()), self._clock())
        return [admitted.get(each.entry.entry_id) for _, each in asked]


def count_left(glance: Glance, now: datetime) -> int:
    """Return how many tickets can be booked now: no add-ons, and none of ticket types outside their window.

    Ticket types that share a pool are counted once each.
    """
    return sum(
        max(0, glance.available[terms.ticket_type_id])
        for terms in glance.types
        if not terms.needed_ids
        and (terms.on_sale_at is None or terms.on_sale_at <= now)
        and (terms.off_sale_at is None or now < terms.off_sale_at)
    )


def next_poll(place: Place, now: RoomNow, entry_id: UUID, at: datetime) -> int:
    """Return after how many seconds to ask again: the nearer the turn, the sooner.

    However many people there are, all of them together ask about `POLLS_PER_SECOND` times in a second: who
    waits for the draw hears of it a little later than others, and the turn is kept.
    """
    room = now.room
    everybody = math.ceil(room.entries / POLLS_PER_SECOND)  # seconds in which each asks once
    rarely = min(max(_RARELY_SECONDS, everybody), _SECONDS_MAX)
    if place.state == "drawing":  # the public value is awaited
        return min(max(_DRAWING_SECONDS, everybody), _SECONDS_MAX)
    if place.state == "entered":
        seconds = (room.draws_at - at).total_seconds()
        spread = int.from_bytes(entry_id.bytes[:2]) / 0x10000 * everybody
        return min(max(1, math.ceil(seconds + spread)), rarely)
    if place.state == "waiting" and place.turn_at is not None:
        seconds = (place.turn_at - at).total_seconds()
        return int(min(max(_SOON_SECONDS, seconds / 4), rarely))
    return rarely
