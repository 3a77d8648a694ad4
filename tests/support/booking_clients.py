"""Clients that book and cancel, and the client journal: each request before it is sent, and each answer.

`python -m tests.support.booking_clients URL JOURNAL EVENT SEED REQUESTS [CRASH_POINT]` runs a process of
clients, which a test may kill. The next process with the same client journal first repeats the requests
that have no answer. At CRASH_POINT the process kills itself, in the middle of a batch.
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
from evently.sales.commands.bookings import BookingLine, CancelBooking, PlaceBooking
from evently.sales.loading import Work
from evently.sales.nouns import Booking
from evently.sales.outcomes import Booked, No, Outcome
from evently.sales.reads import find_sale

CLIENTS: Final = 16  # of a process
RETRY_SECONDS: Final = 0.02
SUBMIT_SECONDS_MAX: Final = 60.0
CRASH_POINTS: Final = ("before-apply", "before-commit", "commit-sent", "committed")
_BATCHES_BEFORE_CRASH: Final = 5

Request: TypeAlias = PlaceBooking | CancelBooking


class JournalEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of a client journal about one key: a request, its answer, or a failure without an answer."""

    key: str
    place: PlaceBooking | None = None
    cancel: CancelBooking | None = None
    booked: Booked | None = None
    refusal: str | None = None
    trouble: str | None = None

    @property
    def request(self) -> Request | None:
        return self.place or self.cancel


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(JournalEntry).decode


class ClientJournal:
    """A file that survives its process: an entry is stored once `write` returns."""

    def __init__(self, path: Path) -> None:
        self.entries = [_decode(line) for line in path.read_bytes().splitlines()] if path.exists() else []
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, entry: JournalEntry) -> None:
        self.entries.append(entry)
        os.write(self._file, _encode(entry) + b"\n")

    def unanswered(self) -> list[Request]:
        """Return the requests without an answer."""
        answered = {entry.key for entry in self.entries if entry.booked or entry.refusal}
        return [entry.request for entry in self.entries if entry.request and entry.key not in answered]

    def requests(self) -> int:
        return sum(entry.request is not None for entry in self.entries)


async def submit_until_answered(
    engine: Engine, request: Request, journal: ClientJournal, *, first: bool = True
) -> Outcome:
    """Submit a request until it has an answer, always with the same key."""
    assert request.key is not None
    if first:
        journal.write(
            JournalEntry(
                request.key,
                request if isinstance(request, PlaceBooking) else None,
                request if isinstance(request, CancelBooking) else None,
            )
        )
    async with asyncio.timeout(SUBMIT_SECONDS_MAX):
        while True:
            try:
                outcome = await engine.submit(request)
            except Trouble as trouble:
                journal.write(JournalEntry(request.key, trouble=type(trouble).__name__))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if isinstance(outcome, No):
                journal.write(JournalEntry(request.key, refusal=outcome.refusal.value))
            else:
                assert isinstance(outcome, Booked)
                journal.write(JournalEntry(request.key, booked=outcome))
            return outcome


class Client:
    """A client that books, cancels, and sends some requests twice."""

    def __init__(
        self,
        engine: Engine,
        event_id: UUID,
        ticket_types: Sequence[UUID],
        journal: ClientJournal,
        draw: random.Random,
    ) -> None:
        self._engine = engine
        self._event_id = event_id
        self._ticket_types = ticket_types
        self._journal = journal
        self._draw = draw
        self._me = new_id()
        self._mine: list[Booking] = []

    async def live(self, requests: int) -> None:
        for _ in range(requests):
            request = self._cancellation() if self._mine and self._draw.random() < 0.4 else self._booking()
            outcome = await submit_until_answered(self._engine, request, self._journal)
            if (
                isinstance(outcome, Booked)
                and outcome.booking.state == "confirmed"
                and isinstance(request, PlaceBooking)
            ):
                self._mine.append(outcome.booking)
            if self._draw.random() < 0.1:
                await asyncio.gather(
                    *[
                        submit_until_answered(self._engine, request, self._journal, first=False)
                        for _ in range(2)
                    ]
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


async def run_clients(
    engine: Engine,
    event_id: UUID,
    ticket_types: Sequence[UUID],
    journal: ClientJournal,
    seed: int,
    requests: int,
) -> None:
    """Repeat the requests without an answer, then run clients until the journal has this many requests."""
    draw = random.Random(seed)
    await asyncio.gather(
        *[submit_until_answered(engine, request, journal, first=False) for request in journal.unanswered()]
    )
    left = max(0, requests - journal.requests())
    clients = [
        Client(engine, event_id, ticket_types, journal, random.Random(draw.random())) for _ in range(CLIENTS)
    ]
    await asyncio.gather(
        *[client.live(left // CLIENTS + (number < left % CLIENTS)) for number, client in enumerate(clients)]
    )


def _fingerprint(meaning: object) -> bytes:
    return hashlib.sha256(repr(meaning).encode()).digest()


# A process of its own ---------------------------------------------------------------------------------------


def _crash_in_a_batch(crash_at: str) -> None:
    """Make the process kill itself at a point of a batch that writes."""
    write, left = store.write, _BATCHES_BEFORE_CRASH

    async def write_and_crash(connection: Connection, works: list[Work]) -> None:
        nonlocal left
        left -= any(work.batch.facts for work in works)
        if left == 0 and crash_at == "before-apply":
            _kill_self()
        await write(connection, works)
        if left == 0 and crash_at == "before-commit":
            _kill_self()
        if left == 0 and crash_at == "commit-sent":
            # The lane continues until it waits for the answer to its COMMIT.
            asyncio.get_running_loop().call_soon(_kill_self)
        if left == 0 and crash_at == "committed":
            # This runs before any waiting caller wakes up.
            connection.add_query_logger(lambda record: _kill_self() if record.query == "COMMIT" else None)

    store.write = write_and_crash  # type: ignore[assignment]


def _kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def _main(url: str, journal: str, event: str, seed: str, requests: str, crash_at: str = "") -> None:
    if crash_at:
        _crash_in_a_batch(crash_at)
    database = await Database.open(DatabaseOptions(url))
    engine = Engine(database, EngineOptions(batch_commands_max=20), utc_now, new_id)
    await engine.start()
    sale = await find_sale(database, UUID(event))
    await run_clients(
        engine, UUID(event), list(sale.ticket_types), ClientJournal(Path(journal)), int(seed), int(requests)
    )
    await engine.stop()
    await database.close()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
