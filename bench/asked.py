"""What is asked of a small database and of a large one: every kind of endpoint, about the same town in both.

prepare(url)        tokens, ids and words to ask with
ask_all(small, large, told)   ask each endpoint of two servers in turn; returns the times of each
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from statistics import median
from typing import Any, Final, NamedTuple
from urllib.parse import quote
from uuid import UUID

import msgspec

from bench.town import MARK
from evently import accounts
from evently.accounts import Accounts, Person, TokenOptions
from evently.db import Database, DatabaseOptions, load_queries
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, reference_of, show_id
from evently.rehearsal.driver import HttpClient, Target, request_for
from evently.sales.reads import read_sale

sql: Final = load_queries(__name__)

ROUNDS_MAX: Final = 60  # of each endpoint
_ADMIN: Final = "admin@bench.example"
_READY: Final = 200
_READY_TRIES_MAX: Final = 1_200


class Asked(msgspec.Struct, frozen=True):
    """One endpoint. `path` may name what is asked about; `who` asks: anyone, buyer, owner or admin.

    `pages`: so many pages are followed first, so that a deep one is asked. `body`: of a POST; each one gets a
    key of its own. `rows`: the answer is an export, whose lines are counted.
    """

    part: str
    what: str
    path: str
    who: str = "owner"
    pages: int = 0
    body: str | None = None
    wanted: int = 200
    rows: bool = False


class Effort(NamedTuple):
    """How often each endpoint is asked: so many rounds at least, and more of them for so many seconds."""

    rounds: int = 7
    seconds: float = 2.0


class Timed(msgspec.Struct, frozen=True):
    """The median milliseconds of an endpoint, in the small database and in the large one."""

    part: str
    what: str
    small: float
    large: float
    rounds: int
    rows: int = 0

    @property
    def ratio(self) -> float:
        """How many times as long it takes in the large database."""
        return self.large / self.small


class Known(msgspec.Struct, frozen=True):
    """A database that is asked: tokens by who asks, and what paths may name."""

    tokens: dict[str, str]
    names: dict[str, str]


ASKED: Final = (
    Asked("browse", "first page", "/v1/events?limit=20&from={moment}", "anyone"),
    Asked("browse", "page 5", "/v1/events?limit=20&from={moment}", "anyone", pages=4),
    Asked("browse", "newest", "/v1/events?limit=20&sort=-published_at&from={moment}", "anyone"),
    Asked(
        "browse", "category, price",
        "/v1/events?category=music&price_max=4000&currency=EUR&from={moment}", "anyone",
    ),
    Asked("browse", "page in HTML", "/", "anyone"),
    Asked("search", "two words", "/v1/events?q=winter+jazz&limit=1&from={moment}", "anyone"),
    Asked("search", "by relevance", "/v1/events?q=jazz&sort=relevance&limit=5&from={moment}", "anyone"),
    Asked("search", "nothing found", "/v1/events?q=nowhere+at+all&from={moment}", "anyone"),
    Asked("event", "event", "/v1/events/{online}", "anyone"),
    Asked("event", "page in HTML", "/events/{online}", "anyone"),
    Asked("event", "availability", "/v1/events/{online}/availability", "anyone"),
    Asked("seats", "states", "/v1/events/{seated}/seats/states"),
    Asked("seats", "seats", "/v1/events/{seated}/seats", "anyone"),
    Asked("my bookings", "first page", "/v1/me/bookings?limit=20", "buyer"),
    Asked("my bookings", "page 5", "/v1/me/bookings?limit=20", "buyer", pages=4),
    Asked("my bookings", "notifications", "/v1/me/notifications?limit=20", "buyer"),
    Asked("my bookings", "waitlists", "/v1/me/waitlist", "buyer"),
    Asked("booking", "booking", "/v1/bookings/{booking}", "guest"),
    Asked("booking", "its tickets", "/v1/bookings/{booking}/tickets", "guest"),
    Asked("booking", "its payments", "/v1/bookings/{booking}/payments", "guest"),
    Asked("desk search", "name", "/v1/events/{big}/booking-search?q=zo%C3%AB+bson7"),
    Asked("desk search", "common first name", "/v1/events/{big}/booking-search?q=anna"),
    Asked("desk search", "e-mail", "/v1/events/{big}/booking-search?q={email}"),
    Asked("desk search", "name on a ticket", "/v1/events/{big}/booking-search?q={guest}"),
    Asked("desk search", "reference", "/v1/events/{big}/booking-search?q={reference}"),
    Asked("desk search", "seat", "/v1/events/{seated}/booking-search?q={seat}"),
    Asked("desk search", "last four digits", "/v1/events/{online}/booking-search?q=4242"),
    Asked("desk search", "nobody", "/v1/events/{big}/booking-search?q=nobody+here"),
    Asked("desk search", "all events, e-mail", "/v1/organizers/{organizer}/booking-search?q={email}"),
    Asked("desk", "bookings", "/v1/events/{big}/bookings?limit=50"),
    Asked("desk", "bookings, page 10", "/v1/events/{big}/bookings?limit=50", pages=9),
    Asked("desk", "booking", "/v1/events/{big}/bookings/{big_booking}"),
    Asked("desk", "its story", "/v1/events/{big}/bookings/{big_booking}/story"),
    Asked("desk", "attendees", "/v1/events/{big}/attendees?limit=50"),
    Asked("desk", "scans", "/v1/events/{door}/scans?limit=50"),
    Asked("desk", "door counters", "/v1/events/{door}/check-in/counters"),
    Asked("desk", "waitlist", "/v1/events/{waited}/waitlist?limit=50"),
    Asked("desk", "refunds", "/v1/events/{online}/refunds"),
    Asked("desk", "events", "/v1/organizers/{organizer}/events?limit=50"),
    Asked("desk", "journal", "/v1/events/{big}/journal?limit=50"),
    Asked("analytics", "event", "/v1/events/{big}/analytics"),
    Asked("analytics", "event by day", "/v1/events/{big}/analytics/series?granularity=day"),
    Asked("analytics", "event: money", "/v1/events/{online}/analytics/money"),
    Asked("analytics", "event: sources", "/v1/events/{big}/analytics/sources"),
    Asked("analytics", "event: evening", "/v1/events/{big}/analytics/evening"),
    Asked("analytics", "organizer", "/v1/organizers/{organizer}/analytics"),
    Asked("analytics", "organizer by day", "/v1/organizers/{organizer}/analytics/series?granularity=day"),
    Asked("analytics", "organizer: most booked", "/v1/organizers/{organizer}/analytics/events"),
    Asked("analytics", "platform", "/v1/admin/analytics", "admin"),
    Asked("analytics", "platform by day", "/v1/admin/analytics/series?granularity=day", "admin"),
    Asked("analytics", "platform: most booked", "/v1/admin/analytics/events", "admin"),
    Asked("money", "statement of an event", "/v1/events/{online}/money-statement"),
    Asked("money", "statement of an organizer", "/v1/organizers/{organizer}/money-statement"),
    Asked("export", "bookings as CSV", "/v1/events/{big}/bookings.csv", rows=True),
    Asked("export", "attendees as CSV", "/v1/events/{big}/attendees.csv", rows=True),
    Asked("proof", "small event", "/v1/events/{small}/proof"),
    Asked("proof", "big event", "/v1/events/{big}/proof"),
    Asked("admin", "people", "/v1/admin/users?limit=50", "admin"),
    Asked("admin", "people by address", "/v1/admin/users?q={email}", "admin"),
    Asked("admin", "organizers", "/v1/admin/organizers?limit=50", "admin"),
    Asked("admin", "events", "/v1/admin/events?limit=50", "admin"),
    Asked("admin", "health", "/v1/admin/health", "admin"),
    Asked(
        "sell", "book", "/v1/events/{selling}/bookings", "buyer",
        body='{{"lines":[{{"ticket_type_id":"{selling_type}","quantity":1}}]}}', wanted=201,
    ),
    Asked("sell", "cancel", "/v1/bookings/{booked}/cancel", "buyer", body="{{}}"),
)  # fmt: skip


async def prepare(url: str) -> Known:
    """Return tokens, ids and words of the first town of a database; an administrator is added to it."""
    now = utc_now()
    database = await Database.open(DatabaseOptions(url, read_seconds_max=120.0))
    try:
        async with database.transaction() as tx:  # adds nobody to a database that was asked before
            await accounts.people.add_person(
                tx, Person(new_id(), _ADMIN, "Admin", "admin", 1, now, None), None
            )
        events = await database.fetch(*sql.list_events(owner=f"owner{MARK}@bench.example"))
        by_number: dict[int, UUID] = {row["number"]: row["event_id"] for row in events}
        organizer_id = events[0]["organizer_id"]
        admin = await accounts.people.find_by_email(database, _ADMIN)
        owner = await accounts.people.find_by_email(database, f"owner{MARK}@bench.example")
        faithful = await database.fetch_value(*sql.find_faithful(organizer_id=organizer_id))
        big, online, seated = [
            await database.fetch_row(*sql.find_booking(event_id=by_number[number])) for number in (1, 3, 5)
        ]
        assert admin is not None and owner is not None, "a town has an owner"  # noqa: PT018  # one reason
        assert big is not None and online is not None and seated is not None, "events have bookings"  # noqa: PT018  # one reason
        async with database.snapshot() as snapshot:
            (selling_type,) = (await read_sale(snapshot, by_number[9])).ticket_types
        secret = await accounts.read_secret(database, now)
        tokens = Accounts(database, utc_now, TokenOptions(secret)).tokens
    finally:
        await database.close()
    people = {"buyer": faithful, "guest": online["buyer_id"], "owner": owner[0].person_id}
    session_id = new_id()
    return Known(
        {who: tokens.issue_access(person_id, "buyer", session_id) for who, person_id in people.items()}
        | {"admin": tokens.issue_access(admin[0].person_id, "admin", session_id)},
        {
            "door": show_id("evt", by_number[0]),
            "big": show_id("evt", by_number[1]),
            "online": show_id("evt", by_number[3]),
            "seated": show_id("evt", by_number[5]),
            "waited": show_id("evt", by_number[7]),
            "selling": show_id("evt", by_number[9]),
            "small": show_id("evt", by_number[max(by_number)]),
            "selling_type": show_id("tty", selling_type),
            "organizer": show_id("org", organizer_id),
            "booking": show_id("bkg", online["booking_id"]),
            "big_booking": show_id("bkg", big["booking_id"]),
            "reference": reference_of(big["booking_id"]),
            "email": quote(big["email"]),
            "guest": quote(big["name"]),
            "seat": quote(seated["seat_label"]),
        },
    )


class Server:
    """A server that is asked: sends requests, follows pages, remembers what it has booked."""

    def __init__(self, target: Target, known: Known) -> None:
        self._client = HttpClient(target, 1)
        self._known = known
        self._numbers = itertools.count()
        self._keys = new_id().hex  # of this run: a database may be asked again
        self._soon = utc_now() + timedelta(hours=1)
        self._booked: list[str] = []
        self._cursors: dict[Asked, str] = {}

    @property
    def has_booked(self) -> bool:
        """Whether there is a booking left to cancel."""
        return bool(self._booked)

    async def wait_until_ready(self) -> None:
        """Wait until the server answers."""
        for _ in range(_READY_TRIES_MAX):
            if (await self._send("GET", "/readyz")).status == _READY:
                return
            await asyncio.sleep(0.1)
        raise AssertionError("the server is not ready")

    async def follow(self, asked: Asked) -> None:
        """Follow so many pages that the next one is a deep one."""
        after = ""
        for _ in range(asked.pages):
            page = msgspec.json.decode((await self._ask(asked, after)).body, type=dict[str, Any])
            cursor = page["next_cursor"]
            if cursor is None:  # of a quick run
                break
            after = f"&after={quote(cursor)}"
        self._cursors[asked] = after

    async def time(self, asked: Asked) -> tuple[float, int]:
        """Ask once; return the milliseconds, and the lines of an export."""
        began = time.perf_counter()
        reply = await self._ask(asked, self._cursors.get(asked, ""))
        took = (time.perf_counter() - began) * 1000
        if asked.what == "book":
            self._booked.append(msgspec.json.decode(reply.body, type=dict[str, Any])["id"])
        return took, reply.body.count(b"\n") if asked.rows else 0

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    async def _ask(self, asked: Asked, after: str) -> Any:
        names = self._known.names
        if asked.what == "cancel":
            names = names | {"booked": self._booked.pop()}
        # Another one each time, so that no answer was kept
        moment = self._soon + timedelta(seconds=next(self._numbers))
        path = asked.path.format(moment=quote(moment.isoformat()), **names) + after
        reply = await self._send(
            "GET" if asked.body is None else "POST",
            path,
            token=self._known.tokens.get(asked.who),
            body=None if asked.body is None else asked.body.format(**names).encode(),
        )
        assert reply.status == asked.wanted, f"{path}: {reply.status} {reply.body[:300]!r}"
        return reply

    async def _send(self, method: str, path: str, token: str | None = None, body: bytes | None = None) -> Any:
        key = None if body is None else f"{self._keys}-{next(self._numbers)}"
        request = request_for(method, path, self._client.target, token=token, key=key, body=body)
        return await self._client.exchange(request)


async def ask_all(small: Server, large: Server, told: Callable[[Timed], None], effort: Effort) -> list[Timed]:
    """Ask each endpoint of both servers in turn, so that what else the machine does is the same for both."""
    await small.wait_until_ready()
    await large.wait_until_ready()
    found, wrong = list[Timed](), list[str]()
    for asked in ASKED:
        try:
            found.append(await _ask_both(asked, (small, large), effort))
        except AssertionError as exc:  # all of them are told at once, at the end
            wrong.append(str(exc))
        else:
            told(found[-1])
    assert not wrong, "\n".join(wrong)
    return found


async def _ask_both(asked: Asked, servers: Sequence[Server], effort: Effort) -> Timed:
    for server in servers:
        await server.follow(asked)
        if asked.what != "cancel":  # there are as many bookings as were made
            await server.time(asked)  # what is read from disk for the first time
    took: tuple[list[float], list[float]] = ([], [])
    rows = 0
    while len(took[0]) < effort.rounds or (
        len(took[0]) < ROUNDS_MAX and sum(map(sum, took)) < 1000 * effort.seconds
    ):
        if asked.what == "cancel" and not all(server.has_booked for server in servers):
            break
        for server, times in zip(servers, took, strict=True):
            milliseconds, rows = await server.time(asked)
            times.append(milliseconds)
    return Timed(asked.part, asked.what, median(took[0]), median(took[1]), len(took[0]), rows)


async def find_big(database: Database) -> UUID:
    """Return the id of the largest event of the first town that is still to come."""
    events = await database.fetch(*sql.list_events(owner=f"owner{MARK}@bench.example"))
    found: UUID = next(row["event_id"] for row in events if row["number"] == 1)
    return found


async def find_sample(database: Database, count: int) -> list[UUID]:
    """Return the ids of some events of many towns."""
    return [row["event_id"] for row in await database.fetch(*sql.find_sample(count=count))]
