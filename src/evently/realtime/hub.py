"""The hub of a process: the watched events, their readers, and what is sent to these.

    async with hub.running(): ...
    watched = await hub.watch(event_id)      reads the event, or refuses
    leave = hub.admit(address)               a place for one more stream, or a refusal
    with watched.reading(reader): ...        from now on the reader receives what changes
    hub.stop()                               ends all streams at once

A reader takes a frame at once or not at all: nothing is queued for it beyond what its connection holds (64
KiB of uvicorn's), and one that cannot take a frame is slow: it is dropped, and continues from its last `seq`
when it comes back. So 2,000 readers cost 2,000 writes, and no task, no queue and no timer of their own.

An event is read when the head of its journal has moved, or when the clock passes an instant that matters,
such as the beginning of the sale.
"""

from __future__ import annotations

import asyncio
from collections import Counter as Counts
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Literal, Protocol, TypeAlias
from uuid import UUID

import msgspec
from prometheus_client import Counter, Gauge

from evently.db import Database
from evently.kit.clock import Clock
from evently.kit.errors import Busy, Refusal, Refused
from evently.kit.repeating import repeating
from evently.realtime.frames import PING, Frame, end_frame, frame_of
from evently.realtime.nouns import (
    Availability,
    EndReason,
    SeatStates,
    availability_of,
    changes_between,
    changes_of,
    end_reason,
    next_instant,
    snapshot_of,
)
from evently.sales import GLANCE_SECONDS, Engine, Glance
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import SaleHead, SeatBoard, SeatBoards, list_heads, public_types

DropReason: TypeAlias = Literal[EndReason, "slow"]  # slow: it continues when it comes back

CHECK_SECONDS: Final = 0.25  # between two checks of the heads: as old as an availability may be
PING_SECONDS: Final = 15.0  # proxies close a connection that is silent for 30 s or more
# Of one process: half of the connections that fit behind it (web/edge/connections.py)
STREAMS_MAX: Final = 10_000
# Of one address and process: a whole school behind one address, and still a twentieth of the room
STREAMS_PER_ADDRESS_MAX: Final = 500
# An event without readers is forgotten after so long: a page that is loaded again needs no read
FORGET_SECONDS: Final = 30.0
RETRY_AFTER_SECONDS: Final = 60  # for a client whose address has too many streams
READS_MAX: Final = (
    2  # events that are read at the same time; the others need the connections of the pool, too
)
_WRITES_AT_ONCE: Final = 200  # then others are served: as many take two milliseconds

_open: Final = Gauge("evently_streams", "Open streams.", multiprocess_mode="livesum")
_watched: Final = Gauge("evently_watched_events", "Events that are watched.", multiprocess_mode="livesum")
_ended: Final = Counter("evently_streams_ended", "Streams that ended, by reason.", ["reason"])
_refused: Final = Counter("evently_streams_refused", "Streams that were refused, by limit.", ["limit"])
_frames: Final = Counter("evently_stream_frames", "Messages that were encoded, each for all its readers.")
_written: Final = Counter("evently_stream_writes", "Messages that were written to a reader.")


class RealtimeRefusal(Refusal):
    """What the hub refuses."""

    TOO_MANY_STREAMS = "too-many-streams"


class HubOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of a hub; tests have other ones."""

    check_seconds: float = CHECK_SECONDS
    ping_seconds: float = PING_SECONDS
    streams_max: int = STREAMS_MAX
    streams_per_address_max: int = STREAMS_PER_ADDRESS_MAX
    forget_seconds: float = FORGET_SECONDS


class Reader(Protocol):
    """A stream, as the hub sees it."""

    with_seats: bool

    def take(self, frame: Frame) -> bool:
        """Write a frame now; return False if it cannot be written now."""

    def drop(self, reason: DropReason, last: Frame | None) -> None:
        """End the stream, with a last frame if there is one. The hub has forgotten the reader."""


class Watched:
    """A watched event: its availability when it was last read, and its readers."""

    def __init__(self, event_id: UUID) -> None:
        self.event_id = event_id
        self.head: SaleHead | None = None  # when it was last read
        self.board: SeatBoard | None = None
        self.due_at: datetime | None = None  # the clock may change something then
        self.newest_seq = 0  # the newest row that there was then, which a board may lack
        self.left_at = 0.0  # when a reader came or left last
        self.ready = asyncio.Lock()
        self.readers: set[Reader] = set()
        self._availability: Availability | None = None
        self._digest = ""
        self._states = ""  # of the seats, as of `availability`: the board may be newer
        self._snapshots: dict[bool, Frame] = {}  # the snapshot, by whether it has seats

    @property
    def availability(self) -> Availability:
        """Return the availability; the event was read."""
        assert self._availability is not None, "an event is read before it has readers"
        return self._availability

    @property
    def end(self) -> EndReason | None:
        """Return why nothing will change any more, or None."""
        return end_reason(self.availability)

    def frame_for(self, since: int | None, *, with_seats: bool) -> Frame:
        """Return the first frame of a reader: what has changed since its row, or else everything.

        It has all ticket types: their states may have changed by the clock, without a row.
        """
        known = self.availability
        if since is not None:
            seats = self._changed_seats(since, with_seats=with_seats)
            if seats is not None:
                return frame_of(changes_of(self.event_id, known, list(known.types.values()), seats))
        if (found := self._snapshots.get(with_seats)) is None:
            seated = with_seats and self.board is not None
            seats_now = SeatStates(self._digest, self._states) if seated else None
            found = self._snapshots[with_seats] = frame_of(snapshot_of(self.event_id, known, seats_now))
        return found

    def renew(self, glance: Glance, board: SeatBoard | None, now: datetime) -> dict[bool, Frame]:
        """Keep what was read; return the frames for the readers, by whether they want seats.

        There are none when nothing changed that they receive.
        """
        before, digest = self._availability, "" if board is None else board.digest
        same_hall = digest == self._digest
        self._availability = availability_of(glance, now)
        self.board, self._digest = board, digest
        self._states = "" if board is None else board.states()
        self._snapshots.clear()
        instant = next_instant(glance, now)
        # A glance may be that old, and must not be older than the instant
        self.due_at = None if instant is None else instant + timedelta(seconds=GLANCE_SECONDS)
        if before is None:
            return {}
        frames: dict[bool, Frame] = {}
        for with_seats in {reader.with_seats for reader in self.readers}:
            seats = self._changed_seats(before.seq, with_seats=with_seats)
            if seats is None or not (same_hall or not with_seats):
                frames[with_seats] = self.frame_for(None, with_seats=with_seats)
            elif seats or before[1:] != self.availability[1:]:
                message = changes_between(self.event_id, before, self.availability, seats)
                frames[with_seats] = (
                    frame_of(message) if message else self.frame_for(None, with_seats=with_seats)
                )
        return frames

    def _changed_seats(self, since: int, *, with_seats: bool) -> list[tuple[int, str]] | None:
        """Return the seats that changed since a row; None when that row is too old, or from the future."""
        if since > self.availability.seq:
            return None
        if self.board is None or not with_seats:
            return []
        changes = self.board.changes_since(since)
        return None if changes is None else [(number, self._states[number]) for number, _ in changes]

    @contextmanager
    def reading(self, reader: Reader) -> Iterator[None]:
        """Write to a reader what changes while the block lasts, or until it is dropped."""
        self.readers.add(reader)
        try:
            yield
        finally:
            self.readers.discard(reader)
            self.left_at = asyncio.get_running_loop().time()


class Hub:
    """The hub of one process."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        boards: SeatBoards,
        clock: Clock,
        options: HubOptions = HubOptions(),  # noqa: B008  # frozen
    ) -> None:
        self.options = options
        self._database = database
        self._engine = engine
        self._boards = boards
        self._clock = clock
        self._watched: dict[UUID, Watched] = {}
        self._wake = asyncio.Event()
        self._reads = asyncio.Semaphore(READS_MAX)
        self._addresses: Counts[object] = Counts()
        self.streams = 0
        self.stopping = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch events while the block lasts; then end all streams."""
        async with AsyncExitStack() as stack:
            for name, call in (("streams", self.check), ("ping of streams", self.ping)):
                await stack.enter_async_context(repeating(name, call, failed_seconds=1.0))
            yield
            self.stop()

    def admit(self, address: object, times: int = 1) -> Callable[[], None]:
        """Take a place for a stream, or refuse; return what gives the place back.

        `times`: so many clients share this address.
        """
        options = self.options
        if self.stopping or self.streams >= options.streams_max:
            _refused.labels("process").inc()
            raise Busy("streams")
        most = options.streams_per_address_max * times
        if self._addresses[address] >= most:
            _refused.labels("address").inc()
            raise Refused(
                RealtimeRefusal.TOO_MANY_STREAMS, "limit", limit=most, retry_after=RETRY_AFTER_SECONDS
            )
        self._addresses[address] += 1
        self._count(1)
        return partial(self._leave, address)

    def _leave(self, address: object) -> None:
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]
        self._count(-1)

    def _count(self, more: int) -> None:
        self.streams += more
        _open.set(self.streams)

    async def watch(self, event_id: UUID, since: int | None = None) -> Watched:
        """Return an event that is watched from now on; refuses an event that is unknown, or a draft.

        `since`: the row that a reader knows, perhaps from another process; an older one would take it back.
        """
        watched = self._watched.get(event_id)
        if watched is None:
            watched = self._watched[event_id] = Watched(event_id)
            _watched.set(len(self._watched))
        watched.left_at = asyncio.get_running_loop().time()
        try:
            await self._read(watched, since or 0)
            if watched.availability.seq < (since or 0) <= watched.newest_seq:
                await asyncio.sleep(self.options.check_seconds)  # a board may be that old
                await self._read(watched, since)
        finally:
            if watched.head is None and self._watched.get(event_id) is watched:
                del self._watched[event_id]
                _watched.set(len(self._watched))
        self._wake.set()
        return watched

    def stop(self) -> None:
        """End all streams, now: the server stops, and their readers go to another one."""
        self.stopping = True
        last = end_frame("stopping")
        for watched in self._watched.values():
            _end(watched, "stopping", last)

    async def check(self) -> float:
        """Read what changed of all watched events, and write it; return the seconds until the next check."""
        await self._wake.wait()
        self._forget(asyncio.get_running_loop().time())
        if not self._watched:
            self._wake.clear()
            return 0.0
        heads = await list_heads(self._database, self._watched)
        now = self._clock()
        due = [
            watched
            for event_id, watched in self._watched.items()
            if watched.head is not None
            and (
                heads.get(event_id, watched.head) != watched.head
                or (watched.due_at is not None and watched.due_at <= now)
            )
        ]
        for result in await asyncio.gather(*map(self._read, due), return_exceptions=True):
            if isinstance(result, Exception):
                raise result
        return self.options.check_seconds

    async def _read(self, watched: Watched, since: int | None = None) -> None:
        """Read an event and write the changes to its readers. One read at a time, so that frames keep order.

        `since`: only if the last read was of an older row.
        """
        async with watched.ready, self._reads:
            if since is not None and watched.head is not None and watched.availability.seq >= since:
                return
            heads = await list_heads(self._database, [watched.event_id])
            head = heads.get(watched.event_id)
            if head is None or head.state == "closed":
                raise Refused(SalesRefusal.EVENT_NOT_FOUND)
            board = None
            if head.seated:
                board = await self._boards.get_board(watched.event_id)
                now = self._clock()
                glance = Glance.of(board.sale, public_types(board.sale), now)
            else:
                glance = await self._engine.get_glance(watched.event_id, head.seq)
                now = self._clock()
            watched.newest_seq = head.seq
            # A board may be a quarter of a second old: it is read again at the next check
            watched.head = head if glance.seq >= head.seq else head._replace(seq=glance.seq)
            frames = watched.renew(glance, board, now)
            await _write(watched, frames)

    async def ping(self) -> float:
        """Write a ping to every reader; return the seconds until the next one."""
        for watched in list(self._watched.values()):
            await _write(watched, {True: PING, False: PING})
        return self.options.ping_seconds

    def _forget(self, now: float) -> None:
        """Forget the events that have had no reader for a while."""
        idle = [
            event_id
            for event_id, watched in self._watched.items()
            if not watched.readers
            and watched.head is not None
            and now - watched.left_at > self.options.forget_seconds
        ]
        for event_id in idle:
            del self._watched[event_id]
        if idle:
            _watched.set(len(self._watched))


async def _write(watched: Watched, frames: dict[bool, Frame]) -> None:
    """Write each reader its frame; drop those who cannot take it, and all when it was the last one."""
    if frames and PING not in frames.values():
        _frames.inc(len(frames))
    for number, reader in enumerate(list(watched.readers), start=1):
        frame = frames.get(reader.with_seats)
        if frame is None or reader not in watched.readers:
            continue
        if reader.take(frame):
            _written.inc()
        else:
            watched.readers.discard(reader)
            _drop(reader, "slow", None)
        if not number % _WRITES_AT_ONCE:
            await asyncio.sleep(0)
    if (reason := watched.end) is not None and watched.readers:
        _end(watched, reason, end_frame(reason))


def _end(watched: Watched, reason: EndReason, last: Frame) -> None:
    readers, watched.readers = watched.readers, set()
    for reader in readers:
        _drop(reader, reason, last)


def _drop(reader: Reader, reason: DropReason, last: Frame | None) -> None:
    _ended.labels(reason).inc()
    reader.drop(reason, last)
