"""Load for what is live: many idle streams, a change that reaches all of them, and the map in a browser."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import time
from pathlib import Path
from typing import Final

import msgspec

from bench.load import CREATED, children_of
from bench.stage import OnSale, Stage
from evently.db import Database, DatabaseOptions
from evently.rehearsal.driver import HttpClient, request_for
from evently.rehearsal.plan import run as run_in_loop

SETTLE_SECONDS: Final = 2.0  # after the streams were opened
_OPENED_AT_ONCE: Final = 50
_OPEN_SECONDS_MAX: Final = 60.0
_CHANGE_SECONDS_MAX: Final = 10.0
_STREAMS_OF_ADDRESS: Final = 100
_UPGRADE: Final = (
    b"\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13"
    b"\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA=="
)
_PING: Final = b"\x89\x04"  # a ping of the WebSocket protocol, with four bytes to send back
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_BROWSER_ARGUMENTS: Final = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
_numbers: Final = itertools.count()  # so that no key is used twice in one benchmark


class Idle(msgspec.Struct, frozen=True):
    """What streams cost while nothing happens, in per cent of a core, and how soon a change reaches all.

    `added` is what the server used with them, less what it used before. `processes`: each process of it with
    them. `postgres`: its connections, with them.
    """

    added: float
    processes: list[float]
    postgres: float
    kilobytes: float  # of memory, for each stream
    change_seconds: list[float]

    def note(self) -> str:
        """Return the figures beside the goal."""
        each = ", ".join(f"{per_cent:.1f}" for per_cent in self.processes)
        return (
            f"with them, by process: {each} %; PostgreSQL {self.postgres:.1f} %; "
            f"{self.kilobytes:.0f} KB for each stream"
        )


class _Reader(asyncio.Protocol):
    """A stream: sends its request, and notes when it heard what; answers the pings of a WebSocket."""

    def __init__(self, request: bytes) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.changed_at = 0.0
        self.lost = False
        self._request = request
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if b'"type":"changes"' in data:
            self.changed_at = time.perf_counter()
        elif b'"type":"snapshot"' in data and not self.opened.done():
            self.opened.set_result(None)
        elif data.startswith(_PING) and self._transport is not None:
            self._transport.write(b"\x8a\x84" + bytes(4) + data[2:6])

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionError("the stream was refused"))

    def close(self) -> None:
        """Leave."""
        if self._transport is not None:
            self._transport.abort()


def follow(
    stage: Stage, sale: OnSale, streams: int, seconds: float, changes: int, *, sockets: bool = False
) -> Idle:
    """Open streams of an event, from many addresses; measure them at rest, then while tickets are booked."""
    return run_in_loop(_follow(stage, sale, streams, seconds, changes, sockets=sockets))


def find_browser() -> str | None:
    """Return the Chromium of this machine: Debian's, or the one that Playwright has installed."""
    if (found := shutil.which("chromium")) is not None:
        return found
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415  # only where it is installed
    except ImportError:
        return None
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def map_ready_seconds(stage: Stage, hall: OnSale, browser: str, runs: int) -> list[float]:
    """Return the seconds from the start of the map's script until it is drawn, each in a new profile."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # only where there is a browser

    address = f"http://{stage.target.authority()}/events/{hall.event}/seats"
    found = []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=_BROWSER_ARGUMENTS)
        for _ in range(runs):
            context = chromium.new_context(viewport={"width": 390, "height": 844})
            page = context.new_page()
            page.goto(address)
            ready = page.locator("[data-ready]")
            ready.wait_for()
            found.append(int(ready.get_attribute("data-ready") or "") / 1000)
            context.close()
        chromium.close()
    return found


async def _follow(
    stage: Stage, sale: OnSale, streams: int, seconds: float, changes: int, *, sockets: bool
) -> Idle:
    family = [stage.server.process_id, *children_of(stage.server.process_id)]
    backends = await _backends(stage)
    before = await _use(family, seconds)
    small = _resident_bytes(family)
    readers = await _open(stage, sale, streams, sockets=sockets)
    await asyncio.sleep(SETTLE_SECONDS)
    grown = _resident_bytes(family) - small
    postgres_before = _ticks(backends)
    during = await _use(family, seconds)
    postgres = (sum(_ticks(backends)) - sum(postgres_before)) / _TICKS / seconds * 100
    change_seconds = [await _change(stage, sale, readers) for _ in range(changes)]
    assert not any(reader.lost for reader in readers), "every stream stays open"
    for reader in readers:
        reader.close()
    await asyncio.sleep(SETTLE_SECONDS)  # the server notices
    return Idle(sum(during) - sum(before), during, postgres, grown / streams / 1024, change_seconds)


async def _open(stage: Stage, sale: OnSale, streams: int, *, sockets: bool) -> list[_Reader]:
    loop, target = asyncio.get_running_loop(), stage.target
    head = request_for("GET", f"/v1/events/{sale.event}/stream", target)
    readers: list[_Reader] = []
    for start in range(0, streams, _OPENED_AT_ONCE):
        batch = []
        for number in range(start, min(start + _OPENED_AT_ONCE, streams)):
            address = number // _STREAMS_OF_ADDRESS
            more = b"\r\nx-forwarded-for: 10.8.%d.%d" % divmod(address, 250)
            request = head.replace(b"\r\n\r\n", more + (_UPGRADE if sockets else b"") + b"\r\n\r\n")
            batch.append(_Reader(request))
        await asyncio.gather(
            *[
                loop.create_connection(lambda reader=reader: reader, target.host, target.port)  # type: ignore[misc]
                for reader in batch
            ]
        )
        async with asyncio.timeout(_OPEN_SECONDS_MAX):
            await asyncio.gather(*[reader.opened for reader in batch])
        readers += batch
    return readers


async def _change(stage: Stage, sale: OnSale, readers: list[_Reader]) -> float:
    """Book a ticket; return the seconds from the answer until the last reader has heard of it."""
    number, client = next(_numbers), HttpClient(stage.target, 1)
    for reader in readers:
        reader.changed_at = 0.0
    body = b'{"lines":[{"ticket_type_id":"%b","quantity":1}]}' % sale.ticket_type.encode()
    path, buyer = f"/v1/events/{sale.event}/bookings", stage.buyers[number % len(stage.buyers)]
    request = request_for("POST", path, stage.target, token=buyer.token, key=f"streams-{number}", body=body)
    answer = await client.exchange(request)
    answered_at = time.perf_counter()
    assert answer.status == CREATED, answer
    client.close()
    async with asyncio.timeout(_CHANGE_SECONDS_MAX):
        while not all(reader.changed_at for reader in readers):  # noqa: ASYNC110  # 2,000 events cost more
            await asyncio.sleep(0.02)
    return max(reader.changed_at for reader in readers) - answered_at


async def _use(processes: list[int], seconds: float) -> list[float]:
    """Return what each process uses of a core, in per cent, over some seconds."""
    before = _ticks(processes)
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    took = time.perf_counter() - began
    return [
        (after - early) / _TICKS / took * 100 for early, after in zip(before, _ticks(processes), strict=True)
    ]


def _ticks(processes: list[int]) -> list[int]:
    """Return the processor time of each process so far; 0 for one that has ended."""
    found = []
    for process in processes:
        place = Path(f"/proc/{process}/stat")
        fields = place.read_text(encoding="ascii").rpartition(")")[2].split() if place.exists() else []
        found.append(int(fields[11]) + int(fields[12]) if fields else 0)
    return found


def _resident_bytes(processes: list[int]) -> int:
    return sum(
        int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
        for process in processes
    )


async def _backends(stage: Stage) -> list[int]:
    """Return the process ids of the connections of the server to its database."""
    database = await Database.open(DatabaseOptions(stage.database_url))
    try:
        rows = await database.fetch(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    finally:
        await database.close()
    return [row["pid"] for row in rows]
