"""Acknowledged bookings survive any kill: the whole product in real processes, over real connections.

The judge is the clients' own journal: what they sent, and what they were answered.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest

from evently import organizing, sales
from evently.accounts import TokenOptions
from evently.accounts.tokens import Tokens
from evently.audit import inspect
from evently.db import Database, DatabaseOptions
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, parse_id, show_id
from evently.organizing import SaleTerms
from evently.rehearsal.driver import HttpClient, Target, request_for
from tests.support.catalogue import event_terms, make_organizer, make_venue, sale_terms

SECRET = "a secret of the tests, long enough to sign"
CAPACITY = 300
CLIENTS = 40
# A machine that does much else at the same time may take ten times as long as an idle one
RUN_SECONDS_MAX = 300
STOP_SECONDS_MAX = 120

pytestmark = pytest.mark.timeout(900)


class Server:
    """`evently serve` in a process of its own, with an embedded PostgreSQL in `directory`."""

    def __init__(self, process: subprocess.Popen[str], url: str, directory: Path) -> None:
        self.process = process
        self.target = Target.parse(url)
        self.directory = directory

    def database_options(self) -> DatabaseOptions:
        """Return how to get at its database from here."""
        password = quote((self.directory / "postgres.password").read_text(encoding="ascii").strip(), safe="")
        with next(self.directory.glob("postgres/postmaster.pid")).open(encoding="ascii") as lines:
            socket_directory = lines.read().splitlines()[4]
        return DatabaseOptions(
            f"postgresql://evently:{password}@/evently?host={quote(socket_directory, safe='')}"
        )

    def workers(self) -> list[int]:
        """Return the process ids of the workers."""
        return [pid for pid in children_of(self.process.pid) if "spawn_main" in command_of(pid)]

    def postgres(self) -> int:
        """Return the process id of PostgreSQL."""
        return int(
            (self.directory / "postgres" / "postmaster.pid").read_text(encoding="ascii").splitlines()[0]
        )


def children_of(pid: int) -> list[int]:
    return [
        int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    ]


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def lives(pid: int) -> bool:
    """Return whether a process runs; one that has ended and that nobody has asked for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@contextmanager
def data_directory() -> Iterator[Path]:
    """A data directory that PostgreSQL's own user can reach when we are root.

    Not below those of pytest, which it closes again at will.
    """
    with tempfile.TemporaryDirectory(prefix="evently-") as name:
        Path(name).chmod(0o711)
        yield Path(name) / "data"


@pytest.fixture
def directory() -> Iterator[Path]:
    with data_directory() as made:
        yield made


@contextmanager
def serving(directory: Path, workers: int, *options: str) -> Iterator[Server]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EVENTLY_")}
    environment |= {
        "EVENTLY_SECRET": SECRET,
        "EVENTLY_RATE_BOOKINGS": "0",
        "EVENTLY_GATEWAY": "demo",
        "EVENTLY_LOG_LEVEL": "error",
        "EVENTLY_ACCESS_LOG": "false",
    }
    command = [
        sys.executable,
        "-m",
        "evently",
        "serve",
        "--port",
        "0",
        "--workers",
        str(workers),
        "--data",
        str(directory),
        *options,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            yield Server(process, address_in(process.stdout), directory)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def address_in(lines: Iterator[str]) -> str:
    for line in lines:
        if match := re.search(r"http://127\.0\.0\.1:\d+", line):
            return match[0]
    raise AssertionError("the server ended before it said where it is")


class Crowd:
    """Clients that book, and repeat with the same key until they hear a definite answer.

    `booked` and `refused` are what they heard.
    """

    def __init__(self, server: Server, event_path: str, body: bytes) -> None:
        self._client = HttpClient(server.target, CLIENTS)
        self._tokens = Tokens(TokenOptions(SECRET.encode()), utc_now, set())
        self._server = server
        self.event_path = event_path
        self._body = body
        self.asked: set[str] = set()
        self.booked: dict[str, str] = {}  # booking -> buyer
        self.answered = 0

    async def buy(self, wishes: int) -> None:
        """Make this many bookings with one client, one after the other."""
        for _ in range(wishes):
            buyer_id = new_id()
            buyer = show_id("per", buyer_id)
            self.asked.add(buyer)
            token = self._tokens.issue_access(buyer_id, "buyer", new_id())
            request = request_for(
                "POST",
                f"{self.event_path}/bookings",
                self._server.target,
                token=token,
                key=f"wish of {buyer}",
                body=self._body,
            )
            while (answer := await self._client.exchange(request)).status not in {201, 409}:
                assert answer.status in {0, 503}, answer
                await asyncio.sleep(0.05)
            self.answered += 1
            if answer.status == 201:
                booking = msgspec.json.decode(answer.body)
                assert booking["buyer_id"] == buyer
                self.booked[booking["id"]] = buyer


async def open_event(database: Database, sold: SaleTerms) -> tuple[str, bytes]:
    """Put an event on sale; return its path, and the body that books one ticket."""
    now = utc_now()
    venue = await make_venue(database, await make_organizer(database))
    terms = event_terms(
        venue.venue_id, starts_at=now + timedelta(days=9), ends_at=now + timedelta(days=9, hours=2)
    )
    async with database.transaction() as tx:
        event, _ = await organizing.create_event(tx, venue.organizer_id, terms, sold, now)
        await organizing.publish_event(tx, event.event_id, now)
    (type_id,) = (await sales.reads.find_sale(database, event.event_id)).ticket_types
    body = msgspec.json.encode({"lines": [{"ticket_type_id": show_id("tty", type_id), "quantity": 1}]})
    return f"/v1/events/{show_id('evt', event.event_id)}", body


async def gather(server: Server) -> Crowd:
    """Put an event on sale, and return the clients who want its tickets."""
    database = await Database.open(server.database_options())
    path, body = await open_event(database, sale_terms(capacity=CAPACITY))
    await database.close()
    return Crowd(server, path, body)


async def begin(crowd: Crowd) -> list[asyncio.Task[None]]:
    """Book with all clients until a third is sold; return what they go on with."""
    clients = [asyncio.create_task(crowd.buy(10)) for _ in range(CLIENTS)]
    async with asyncio.timeout(RUN_SECONDS_MAX):
        while len(crowd.booked) < CAPACITY // 3:
            await asyncio.sleep(0.005)
    return clients


async def end(clients: list[asyncio.Task[None]]) -> None:
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)


async def list_buyers(database: Database) -> dict[str, str]:
    """Return the buyer of each booking that is there."""
    rows = await database.fetch("SELECT booking_id, buyer_id FROM bookings")
    return {show_id("bkg", row["booking_id"]): show_id("per", row["buyer_id"]) for row in rows}


async def judge(server: Server, crowd: Crowd) -> None:
    """Compare what the clients heard with what is there."""
    database = await Database.open(server.database_options())
    rows = await database.fetch("SELECT booking_id, buyer_id, state FROM bookings")
    there = {
        show_id("bkg", row["booking_id"]): show_id("per", row["buyer_id"])
        for row in rows
        if row["state"] == "confirmed"
    }
    assert crowd.booked.items() <= there.items(), "an acknowledged booking is lost"
    assert crowd.booked == there, "somebody has a booking and was never told"
    assert len(there) == CAPACITY
    findings = await inspect(database)
    await database.close()
    assert {finding.code: finding.count for finding in findings if finding.count} == {}


async def run_and_kill(server: Server, killed: list[int | None]) -> Crowd:
    """Sell out while processes are killed, each of `killed` or, where it is None, the first worker.

    Returns when everybody was answered.
    """
    crowd = await gather(server)
    async with asyncio.timeout(RUN_SECONDS_MAX), asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(crowd.buy(10))
        for number, pid in enumerate(killed, start=1):
            while crowd.answered < number * CAPACITY // (len(killed) + 1):
                await asyncio.sleep(0.005)
            await kill(server, pid)
    return crowd


async def kill(server: Server, pid: int | None) -> None:
    """Kill a process; None is the first worker, once there is one."""
    while pid is None:
        workers = server.workers()
        pid = workers[0] if workers else None
        await asyncio.sleep(0.005)
    os.kill(pid, signal.SIGKILL)


async def test_workers_are_killed_while_they_sell(directory: Path) -> None:
    with serving(directory, workers=2) as server:
        crowd = await run_and_kill(server, [None, None])
        assert len(crowd.asked) == CLIENTS * 10
        await judge(server, crowd)


async def test_postgres_is_killed_while_it_sells(directory: Path) -> None:
    """The parent brings it back through crash recovery; until then clients hear 503 and repeat."""
    with serving(directory, workers=1) as server:
        crowd = await run_and_kill(server, [server.postgres()])
        await judge(server, crowd)


async def test_everything_is_killed_while_it_sells(directory: Path) -> None:
    """After the parent and its children are killed, the next `serve` has every acknowledged booking."""
    with serving(directory, workers=1) as server:
        crowd = await gather(server)
        clients = await begin(crowd)
        workers = server.workers()
        server.process.kill()
        await end(clients)
        async with asyncio.timeout(STOP_SECONDS_MAX):
            while any(lives(pid) for pid in workers):
                await asyncio.sleep(0.02)
    with serving(directory, workers=1) as server:
        database = await Database.open(server.database_options())
        there = await list_buyers(database)
        assert crowd.booked.items() <= there.items(), "an acknowledged booking is lost"
        assert set(there.values()) <= crowd.asked
        event_id = parse_id("evt", crowd.event_path.rpartition("/")[2])
        assert {
            finding.code: finding.count for finding in await inspect(database, event_id) if finding.count
        } == {}
        await database.close()


async def test_a_stop_answers_what_is_under_way(directory: Path) -> None:
    """Told to stop in the middle of a rush, the server answers every booking that it makes."""
    with serving(directory, workers=1) as server:
        crowd = await gather(server)
        clients = await begin(crowd)
        server.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS_MAX
        while server.process.poll() is None and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        assert server.process.returncode == 0
        await end(clients)
    with serving(directory, workers=1) as server:
        database = await Database.open(server.database_options())
        there = await list_buyers(database)
        await database.close()
        assert crowd.booked == there, "every booking was answered, and every answer is a booking"
