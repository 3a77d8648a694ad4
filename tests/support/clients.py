"""Clients that book, cancel and insist, and the diary in which each writes what it asks before it asks, and what it was told.

`python -m tests.support.clients URL DIARY EVENT SEED WISHES [DEATH]` is a process full of them, which a test may kill: whoever takes over the diary
begins with what was left unanswered. DEATH is the point at which the process kills itself, in the middle of a batch.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

from evently.db import Connection, Database, DatabaseOptions
from evently.kit.clock import utc_now
from evently.kit.errors import Trouble
from evently.kit.ids import new_id
from evently.sales import Engine, EngineOptions, store
from evently.sales.commands import Booked, Booking, BookingLine, CancelBooking, No, Outcome, PlaceBooking
from evently.sales.loading import Work
from evently.sales.reads import find_sale

CLIENTS: Final = 16  # of a process
RETRY_SECONDS: Final = 0.02
INSIST_SECONDS_MAX: Final = 60.0
DEATHS: Final = ("before-apply", "before-commit", "commit-sent", "committed")
_BATCHES_OF_A_LIFE: Final = 5

Wish: TypeAlias = PlaceBooking | CancelBooking


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of a diary, about one key: what is about to be asked, or what was answered, or that there was no answer."""

    key: str
    place: PlaceBooking | None = None
    cancel: CancelBooking | None = None
    booked: Booked | None = None
    refusal: str | None = None
    trouble: str | None = None

    @property
    def wish(self) -> Wish | None:
        return self.place or self.cancel


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Entry).decode


class Diary:
    """A file that survives its process: an entry is there once `write` returns."""

    def __init__(self, path: Path) -> None:
        self.entries = [_decode(line) for line in path.read_bytes().splitlines()] if path.exists() else []
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, entry: Entry) -> None:
        self.entries.append(entry)
        os.write(self._file, _encode(entry) + b"\n")

    def unanswered(self) -> list[Wish]:
        """Return the requests that nothing was heard of."""
        answered = {entry.key for entry in self.entries if entry.booked or entry.refusal}
        return [entry.wish for entry in self.entries if entry.wish and entry.key not in answered]

    def wishes(self) -> int:
        return sum(entry.wish is not None for entry in self.entries)


async def insist(engine: Engine, wish: Wish, diary: Diary, *, first: bool = True) -> Outcome:
    """Ask until there is an answer, always with the same key."""
    assert wish.key is not None
    if first:
        diary.write(
            Entry(
                wish.key,
                wish if isinstance(wish, PlaceBooking) else None,
                wish if isinstance(wish, CancelBooking) else None,
            )
        )
    async with asyncio.timeout(INSIST_SECONDS_MAX):
        while True:
            try:
                outcome = await engine.submit(wish)
            except Trouble as trouble:
                diary.write(Entry(wish.key, trouble=type(trouble).__name__))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if isinstance(outcome, No):
                diary.write(Entry(wish.key, refusal=outcome.refusal.value))
            else:
                assert isinstance(outcome, Booked)
                diary.write(Entry(wish.key, booked=outcome))
            return outcome


class Client:
    """Somebody who books a little, cancels a little, and sends some things twice."""

    def __init__(
        self, engine: Engine, event_id: UUID, ticket_types: Sequence[UUID], diary: Diary, draw: random.Random
    ) -> None:
        self._engine = engine
        self._event_id = event_id
        self._ticket_types = ticket_types
        self._diary = diary
        self._draw = draw
        self._me = new_id()
        self._mine: list[Booking] = []

    async def live(self, wishes: int) -> None:
        for _ in range(wishes):
            wish = self._cancellation() if self._mine and self._draw.random() < 0.4 else self._booking()
            outcome = await insist(self._engine, wish, self._diary)
            if (
                isinstance(outcome, Booked)
                and outcome.booking.state == "confirmed"
                and isinstance(wish, PlaceBooking)
            ):
                self._mine.append(outcome.booking)
            if self._draw.random() < 0.1:
                await asyncio.gather(
                    *[insist(self._engine, wish, self._diary, first=False) for _ in range(2)]
                )

    def _booking(self) -> PlaceBooking:
        lines = (BookingLine(self._draw.choice(self._ticket_types), self._draw.randint(1, 3)),)
        return PlaceBooking(self._event_id, self._me, lines, None, str(new_id()), _fingerprint(lines))

    def _cancellation(self) -> CancelBooking:
        booking = self._mine.pop(self._draw.randrange(len(self._mine)))
        some = (
            tuple(ticket.ticket_id for ticket in booking.tickets[:1]) if self._draw.random() < 0.5 else None
        )
        fingerprint = _fingerprint((booking.booking_id, some))
        return CancelBooking(
            self._event_id, booking.booking_id, self._me, self._me, some, None, str(new_id()), fingerprint
        )


async def let_clients_live(
    engine: Engine, event_id: UUID, ticket_types: Sequence[UUID], diary: Diary, seed: int, wishes: int
) -> None:
    """Answer what was left unanswered, then let so many wishes be made."""
    draw = random.Random(seed)
    await asyncio.gather(*[insist(engine, wish, diary, first=False) for wish in diary.unanswered()])
    left = max(0, wishes - diary.wishes())
    clients = [
        Client(engine, event_id, ticket_types, diary, random.Random(draw.random())) for _ in range(CLIENTS)
    ]
    await asyncio.gather(
        *[client.live(left // CLIENTS + (number < left % CLIENTS)) for number, client in enumerate(clients)]
    )


def _fingerprint(meaning: object) -> bytes:
    return hashlib.sha256(repr(meaning).encode()).digest()


# A process of its own ---------------------------------------------------------------------------------------


def _arrange(death: str) -> None:
    """Let the process kill itself at a point of a batch that writes."""
    write, left = store.write, _BATCHES_OF_A_LIFE

    async def write_and_die(connection: Connection, works: list[Work]) -> None:
        nonlocal left
        left -= any(work.batch.facts for work in works)
        if left == 0 and death == "before-apply":
            _die()
        await write(connection, works)
        if left == 0 and death == "before-commit":
            _die()
        if left == 0 and death == "commit-sent":
            asyncio.get_running_loop().call_soon(
                _die
            )  # the lane goes on until it waits for the answer to its COMMIT
        if left == 0 and death == "committed":
            connection.add_query_logger(
                lambda record: _die() if record.query == "COMMIT" else None
            )  # before any waiter wakes

    store.write = write_and_die  # type: ignore[assignment]


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def _main(url: str, diary: str, event: str, seed: str, wishes: str, death: str = "") -> None:
    if death:
        _arrange(death)
    database = await Database.open(DatabaseOptions(url))
    engine = Engine(database, EngineOptions(batch_commands_max=20), utc_now, new_id)
    await engine.start()
    sale = await find_sale(database, UUID(event))
    await let_clients_live(
        engine, UUID(event), list(sale.ticket_types), Diary(Path(diary)), int(seed), int(wishes)
    )
    await engine.stop()
    await database.close()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
