"""Clients that book through HTTP and write down what they were told: the judge of what a crash has lost.

Each wish is one buyer's, with one key, and is repeated until it has a definite answer. So each buyer has one
booking, which is the one that was acknowledged.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from typing import Any, Final, NamedTuple

import msgspec

from evently import organizing, sales
from evently.accounts import TokenOptions
from evently.accounts.tokens import Tokens
from evently.audit import inspect
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, show_id
from evently.rehearsal.driver import HttpClient, Reply, Target, request_for
from tests.support.catalogue import event_terms, make_organizer, make_venue, sale_terms
from tests.support.selling import database_at

SECRET: Final = "a secret of the tests, long enough to sign"
# Of each `serve`: limits would hide what is tested
SETTINGS: Final = {
    "secret": SECRET,
    "rate_bookings": "0",
    "rate_reads": "0",
    "gateway": "demo",
    "log_level": "error",
    "access_log": "false",
}
CAPACITY: Final = 1_000_000
LOST: Final = 0
# What a server says, rightly, on a machine that stands still for seconds
SLOW: Final = frozenset({"503 busy", "503 commits-wait"})
# What docs/api.md lists for a booking while the database fails and comes back
DOCUMENTED: Final = SLOW | {"201", "503 database-unavailable", "503 outcome-unknown"}
_ANSWER_SECONDS_MAX: Final = 40.0  # longer than any server should need, so that its own limit is seen
_PAUSE_SECONDS: Final = 0.1


class Answer(NamedTuple):
    """One answer: when its request was sent, how long it took, its status, its code, and the server."""

    sent_at: float
    seconds: float
    status: int
    code: str
    server: str

    @property
    def at(self) -> float:
        return self.sent_at + self.seconds


class Verdict(NamedTuple):
    """Bookings that were acknowledged and are gone; second bookings of a buyer; bookings nobody asked for."""

    lost: int
    twice: int
    unasked: int


CLEAN: Final = Verdict(0, 0, 0)


class Sold(NamedTuple):
    """An event on sale: the path of its bookings, and the body that books one ticket."""

    path: str
    body: bytes

    @property
    def event_path(self) -> str:
        return self.path.rpartition("/")[0]


class Diary:
    """What clients asked several servers for, and what they heard. `servers` may change meanwhile."""

    def __init__(
        self, servers: Sequence[str], events: Sequence[Sold], clients: int, pause_seconds: float = 0.0
    ) -> None:
        self.servers = list(servers)
        self.asked: set[str] = set()
        self.booked: dict[str, str] = {}  # booking -> buyer
        self.answers: list[Answer] = []
        self.replays = 0
        self._events = events
        self._clients = clients
        self._pause_seconds = pause_seconds  # of each client after each wish
        self._tokens = Tokens(TokenOptions(SECRET.encode()), utc_now, set())
        self._open: dict[str, HttpClient] = {}
        self._event_turn, self._server_turn = count(), count()
        self._enough = asyncio.Event()

    @asynccontextmanager
    async def writing(self, seconds_max: float = 600.0) -> AsyncIterator[None]:
        """Make the clients book while the block runs; then each finishes its wish."""
        self._enough.clear()
        async with asyncio.timeout(seconds_max), asyncio.TaskGroup() as group:
            for _ in range(self._clients):
                group.create_task(self._book_on())
            try:
                yield
            finally:
                self._enough.set()

    async def until_booked(self, more: int, seconds_max: float = 240.0) -> None:
        """Wait until so many more bookings were acknowledged."""
        wanted = len(self.booked) + more
        async with asyncio.timeout(seconds_max):
            while len(self.booked) < wanted:
                await asyncio.sleep(0.01)

    async def get(self, server: str, path: str) -> tuple[int, Any, float]:
        """Read something; return status, body and seconds."""
        began = time.monotonic()
        client = self._client_of(server)
        answer = await client.exchange(request_for("GET", path, client.target))
        return answer.status, msgspec.json.decode(answer.body or b"null"), time.monotonic() - began

    def codes(self, since: float = 0.0, server: str = "") -> Counter[str]:
        """Count the answers to what was sent since then, to this server or to all, by status and code."""
        return Counter(
            f"{each.status} {each.code}".strip()
            for each in self.answers
            if each.sent_at >= since and each.server.startswith(server)
        )

    def first_booked_at(self, since: float, server: str = "") -> float:
        """Return when the first booking was acknowledged after that moment, by this server or by any."""
        return min(
            each.at
            for each in self.answers
            if each.status == 201 and each.at >= since and each.server.startswith(server)
        )

    def close(self) -> None:
        for client in self._open.values():
            client.close()

    async def _book_on(self) -> None:
        while not self._enough.is_set():
            await self._book()
            await asyncio.sleep(self._pause_seconds)

    async def _book(self) -> None:
        buyer_id = new_id()
        buyer, event = show_id("per", buyer_id), self._events[next(self._event_turn) % len(self._events)]
        self.asked.add(buyer)
        token = self._tokens.issue_access(buyer_id, "buyer", new_id())
        while (answer := await self._ask(event, token, f"wish of {buyer}")).status != 201:
            assert answer.status in {LOST, 409, 429, 502, 503, 504}, answer
            await asyncio.sleep(_PAUSE_SECONDS)
        self.replays += answer.header("idempotent-replayed") is not None
        booking = msgspec.json.decode(answer.body)
        assert booking["buyer_id"] == buyer
        assert self.booked.setdefault(booking["id"], buyer) == buyer

    async def _ask(self, event: Sold, token: str, key: str) -> Reply:
        server = self.servers[next(self._server_turn) % len(self.servers)]
        client = self._client_of(server)
        request = request_for("POST", event.path, client.target, token=token, key=key, body=event.body)
        sent_at = time.monotonic()
        answer = await client.exchange(request, seconds_max=_ANSWER_SECONDS_MAX)
        took = time.monotonic() - sent_at
        self.answers.append(Answer(sent_at, took, answer.status, _code_of(answer), server))
        return answer

    def _client_of(self, server: str) -> HttpClient:
        if server not in self._open:
            self._open[server] = HttpClient(Target.parse(server), self._clients + 4)
        return self._open[server]


def _code_of(answer: Reply) -> str:
    if answer.header("content-type") != "application/problem+json":
        return ""
    return str(msgspec.json.decode(answer.body)["code"])


async def put_on_sale(url: str, events: int = 2) -> list[Sold]:
    """Put events on sale, each for one ticket a booking."""
    async with database_at(url) as database:
        now = utc_now()
        venue = await make_venue(database, await make_organizer(database))
        terms = event_terms(
            venue.venue_id, starts_at=now + timedelta(days=9), ends_at=now + timedelta(days=9, hours=2)
        )
        found = []
        for _ in range(events):
            async with database.transaction() as tx:
                event, _ = await organizing.create_event(
                    tx, venue.organizer_id, terms, sale_terms(capacity=CAPACITY), now
                )
                await organizing.publish_event(tx, event.event_id, now)
            (type_id,) = (await sales.reads.find_sale(database, event.event_id)).ticket_types
            lines = [{"ticket_type_id": show_id("tty", type_id), "quantity": 1}]
            path = f"/v1/events/{show_id('evt', event.event_id)}/bookings"
            found.append(Sold(path, msgspec.json.encode({"lines": lines})))
        return found


async def judge(url: str, diary: Diary) -> Verdict:
    """Compare what was acknowledged with what is there."""
    async with database_at(url) as database:
        rows = await database.fetch("SELECT booking_id, buyer_id FROM bookings WHERE state = 'confirmed'")
    there = {show_id("bkg", row["booking_id"]): show_id("per", row["buyer_id"]) for row in rows}
    buyers = Counter(there.values())
    return Verdict(
        lost=sum(there.get(booking) != buyer for booking, buyer in diary.booked.items()),
        twice=sum(buyers.values()) - len(buyers),
        unasked=len(buyers.keys() - diary.asked),
    )


async def breaches(url: str) -> dict[str, int]:
    """Return how often each invariant is broken, without those that hold."""
    async with database_at(url) as database:
        return {finding.code: finding.count for finding in await inspect(database) if finding.count}
