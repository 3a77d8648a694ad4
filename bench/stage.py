"""What is measured: a server on a copy of a prepared database, buyers with access tokens, events on sale."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec
import psycopg
from psycopg import sql

from bench.processor import parent_of
from evently import accounts, organizing
from evently.accounts import Accounts, Organizer, Person, TokenOptions
from evently.db import Database, DatabaseOptions
from evently.db.migrations import migrate
from evently.kit.clock import utc_now
from evently.kit.ids import NO_ID, new_id, show_id
from evently.rehearsal.driver import HttpClient, Target, request_for
from evently.rehearsal.plan import run
from evently.rehearsal.server import SERVE, RunningServer, own_server, tail_of

TEMPLATE: Final = "bench_template"
PLACES: Final = 1_000_000  # of an event that does not sell out
HALL_SEATS: Final = 20_000
HOLD_SECONDS: Final = 600
FEW_PLACES: Final = 10  # of one that is sold out before it is measured
_EVENTS_AT_ONCE: Final = 50


class OnSale(msgspec.Struct, frozen=True):
    """An event with one ticket type and one pool."""

    event_id: UUID
    event: str
    ticket_type: str
    units: int = 1  # that are booked at a time


class Buyer(msgspec.Struct, frozen=True):
    """A buyer with an access token."""

    person_id: UUID
    token: str


class Prepared(msgspec.Struct, frozen=True):
    """The content of the prepared database. A run takes one of the `hot` events, or all of the `many`.

    `halls` have seats, and are paid at the door like the others; `online` is paid with the demo gateway.
    """

    hot: list[OnSale]
    many: list[OnSale]
    few: list[OnSale]
    people: list[UUID]
    halls: list[OnSale]
    online: list[OnSale]
    owner: UUID = NO_ID  # of all events


class Stage(msgspec.Struct, frozen=True):
    """A running server with its buyers and events."""

    target: Target
    server: RunningServer
    database_url: str
    prepared: Prepared
    buyers: list[Buyer]
    owner: Buyer
    postgres_process_id: int = 0  # the server of the database, the parent of its connections


class Preparations:
    """The PostgreSQL server with the prepared database; every stage gets a copy of it."""

    def __init__(self, directory: Path, url: str, workers: int = 0) -> None:
        self.directory = directory
        self._workers = workers
        self._url = url
        self._copies = 0
        self.prepared = Prepared([], [], [], [], [], [])

    def prepare(self, *, hot: int, many: int, few: int, people: int, halls: int) -> None:
        """Fill the database that is copied for each stage."""
        self._sql("CREATE DATABASE {}", TEMPLATE)
        migrate(self._in(TEMPLATE))
        self.prepared = run(_fill(self._in(TEMPLATE), hot, many, few, people, halls))

    @contextmanager
    def stage(
        self, technique: str | None = None, connections: int = 0, workers: int | None = None
    ) -> Iterator[Stage]:
        """Run a server on a copy of the database.

        It is the product with `workers` processes, or one process of a baseline with `connections`.
        """
        arguments = SERVE if technique is None else ("-m", "bench.server", technique, str(connections))
        with self.copy() as url:
            settings = {
                "database_url": url,
                "workers": str(self._workers if workers is None else workers),
                "public_url": "",
                "trusted_proxies": "127.0.0.1",
            }
            with own_server(self.directory, settings, arguments) as server:
                target = Target.parse(server.url)
                people = [self.prepared.owner, *self.prepared.people]
                owner, *buyers = run(_buyers(url, people, target))
                yield Stage(target, server, url, self.prepared, buyers, owner, self._postgres_process_id())

    @contextmanager
    def copy(self) -> Iterator[str]:
        """Make a copy of the prepared database for as long as the block lasts; yield its URL."""
        self._copies += 1
        name = f"bench_{self._copies}"
        self._sql("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, TEMPLATE)
        try:
            yield self._in(name)
        finally:
            self._sql("DROP DATABASE {} WITH (FORCE)", name)

    def settings(self) -> dict[str, str]:
        """Return the version of PostgreSQL and the settings that determine the cost of a commit."""
        names = (
            "server_version",
            "fsync",
            "synchronous_commit",
            "full_page_writes",
            "wal_sync_method",
            "shared_buffers",
            "max_wal_size",
        )
        with psycopg.connect(self._url, autocommit=True) as connection:
            rows = connection.execute(
                "SELECT name, current_setting(name) FROM unnest(%s::text[]) AS name", (list(names),)
            ).fetchall()
        return {str(name): str(value) for name, value in rows}

    def checkpoint(self) -> None:
        """Run a checkpoint, so that no run pays for the writes of the one before."""
        self._sql("CHECKPOINT")

    def _postgres_process_id(self) -> int:
        with psycopg.connect(self._url) as connection:
            return parent_of(connection.info.backend_pid)

    def _sql(self, statement: str, *names: str) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*[sql.Identifier(name) for name in names]))

    def _in(self, name: str) -> str:
        front, slash, options = self._url.rpartition("/evently")
        assert slash, "the server's own database is called evently"
        return f"{front}/{name}{options}"


async def _fill(url: str, hot: int, many: int, few: int, people: int, halls: int) -> Prepared:
    now = utc_now()
    owner = Person(new_id(), "owner@bench.example", "Owner", "buyer", 1, now, None)
    organizer = Organizer(new_id(), "Bench", "owner@bench.example", 1, now)
    database = await Database.open(DatabaseOptions(url))
    try:
        async with database.transaction() as tx:
            await accounts.people.add_person(tx, owner, None)
            await accounts.organizers.create_organizer(tx, organizer, owner.person_id)
            person_ids = await accounts.rehearsals.add_rehearsal_buyers(tx, people, now)
            event, _ = await organizing.make_for_rehearsal(tx, organizer.organizer_id, None, 1, now)
        places = [PLACES] * (hot + many) + [FEW_PLACES] * few
        made: list[OnSale] = []
        for start in range(0, len(places), _EVENTS_AT_ONCE):
            made += await _add_events(
                database, organizer.organizer_id, event.venue_id, places[start : start + _EVENTS_AT_ONCE]
            )
        seated = await _add_events(
            database, organizer.organizer_id, event.venue_id, [HALL_SEATS] * halls, seated=True
        )
        online = await _add_events(
            database, organizer.organizer_id, event.venue_id, [PLACES], hold_seconds=HOLD_SECONDS
        )
    finally:
        await database.close()
    return Prepared(
        made[:hot],
        made[hot : hot + many],
        made[hot + many :],
        person_ids,
        seated,
        online,
        owner.person_id,
    )


async def _add_events(
    database: Database,
    organizer_id: UUID,
    venue_id: UUID,
    places: list[int],
    *,
    seated: bool = False,
    hold_seconds: int | None = None,
) -> list[OnSale]:
    made = []
    async with database.transaction() as tx:
        for each in places:
            event, sale = await organizing.make_for_rehearsal(
                tx,
                organizer_id,
                venue_id,
                each,
                utc_now(),
                seated=seated,
                hold_seconds=hold_seconds,
                sandbox=False,  # nobody but its organizer sees the pages of a sandbox event
            )
            shown = show_id("evt", event.event_id), show_id("tty", next(iter(sale.ticket_types)))
            made.append(OnSale(event.event_id, *shown, units=2 if seated else 1))
    return made


async def _buyers(url: str, people: list[UUID], target: Target) -> list[Buyer]:
    """Wait until the server answers, and return buyers with valid tokens."""
    database = await Database.open(DatabaseOptions(url))
    try:
        tokens = Accounts(
            database, utc_now, TokenOptions(await accounts.read_secret(database, utc_now()))
        ).tokens
    finally:
        await database.close()
    session_id = new_id()
    buyers = [Buyer(person_id, tokens.issue_access(person_id, "buyer", session_id)) for person_id in people]
    client = HttpClient(target, 1)
    while (answer := await client.exchange(request_for("GET", "/readyz", target))).status != 200:
        assert answer.status in (0, 503), answer
    client.close()
    return buyers


def log_of(stage: Stage) -> str:
    """Return the end of the server's log."""
    return tail_of(stage.server.log)
