"""Programs of an organizer: one in this process that answers as a test says; those of docs/webhooks.md."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import UUID

import msgspec
from standardwebhooks import Webhook as Verifier

from evently import webhooks
from evently.db import Database
from evently.kit.clock import Clock
from evently.kit.ids import new_id
from evently.webhooks import KINDS, Webhook, WebhookOptions, Webhooks, WebhookTerms

LOOPBACK: Final = (ip_network("127.0.0.0/8"),)
TURNS_MAX: Final = 200
START_SECONDS_MAX: Final = 60.0
NODE: Final = shutil.which("node")
PROGRAMS: Final = {
    "python": [sys.executable, "-c"],
    "js": [NODE or "node", "--input-type=module", "--eval"],
}


def make_webhooks(db: Database, clock: Clock, *, networks: Any = LOOPBACK, **more: Any) -> Webhooks:
    """Return the webhooks of a process. This machine may be called."""
    return Webhooks(db, WebhookOptions(networks), clock, random=Random(7), **more)


class Got(msgspec.Struct):
    """A message as a program gets it."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def message_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def body(self) -> Any:
        return msgspec.json.decode(self.raw)

    @property
    def kind(self) -> str:
        kind: str = self.body["type"]
        return kind


class Program:
    """`answer`: the lines of a status and headers, and the text after them, for the message it gets."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.address = ""
        self.answer: Callable[[Got], str] = lambda _: "200 OK\r\n\r\n"
        self.before: Callable[[Got], Awaitable[None]] | None = None
        self.at_once = 0  # calls
        self.at_once_max = 0
        self._calls: set[asyncio.Task[Any]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._calls.add(task)
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = request.decode("latin-1").split("\r\n")[:-2]
                headers = {
                    name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
                }
                raw = await reader.readexactly(int(headers["content-length"]))
                got = Got(first.split(" ")[1], headers, raw)
                self.at_once += 1
                self.at_once_max = max(self.at_once, self.at_once_max)
                try:
                    if self.before is not None:
                        await self.before(got)
                finally:
                    self.at_once -= 1
                self.got.append(got)
                head, _, text = self.answer(got).partition("\r\n\r\n")
                if "content-length" not in head:
                    head += f"\r\ncontent-length: {len(text)}"
                writer.write(f"HTTP/1.1 {head}\r\n\r\n{text}".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def end_calls(self) -> None:
        for task in self._calls:
            task.cancel()

    def verify(self, got: Got, secret: str, now: datetime) -> Any:
        """Verify a message as the library for receivers does; the clock of the test stands still."""
        moved = dict(got.headers)
        sent = datetime.fromtimestamp(int(moved["webhook-timestamp"]), tz=now.tzinfo)
        assert abs(sent - now) <= timedelta(minutes=5)
        signed = Verifier(secret).sign(moved["webhook-id"], sent, got.raw.decode())
        assert signed in moved["webhook-signature"].split(" ")
        return got.body

    @property
    def kinds(self) -> list[str]:
        return [each.kind for each in self.got]


@asynccontextmanager
async def open_program() -> AsyncIterator[Program]:
    """Serve a program on a free port of this machine."""
    program = Program()
    server = await asyncio.start_server(program.serve, "127.0.0.1", 0)
    program.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks"
    try:
        yield program
    finally:
        server.close()
        program.end_calls()


async def register(
    db: Database,
    organizer_id: UUID,
    address: str,
    now: datetime,
    *kinds: str,
    personal_data: bool = False,
) -> tuple[Webhook, str]:
    """Register a webhook for these kinds, or for all; return it with its secret."""
    terms = WebhookTerms(address, "a program", kinds or list(KINDS), personal_data)
    async with db.transaction() as tx:
        return await webhooks.register(tx, organizer_id, terms, new_id(), WebhookOptions(LOOPBACK), now)


async def send_all(sender: Webhooks) -> None:
    """Send until nothing can be sent now."""
    for _ in range(TURNS_MAX):
        idle = await sender.run_once()
        await sender.finish()
        if idle:
            return
    raise AssertionError("sending does not end")


def receiver_code(language: str) -> str:
    """Return the receiver that docs/webhooks.md shows, in `python` or `js`."""
    page = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
    (found,) = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    return str(found)


@contextmanager
def reserved_port() -> Iterator[int]:
    """Yield a port that no other program gets; one that reuses addresses, as servers do, may listen there."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@asynccontextmanager
async def receiving(language: str, secret: str, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a receiver as the page shows it; yield its process once it answers."""
    process = await asyncio.create_subprocess_exec(
        *PROGRAMS[language],
        receiver_code(language),
        env=os.environ | {"SECRET": secret, "PORT": str(port)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(START_SECONDS_MAX):
            while process.returncode is None:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    break
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
