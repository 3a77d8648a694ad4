"""An organizer's program in this process: it verifies what it gets, and answers as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from ipaddress import ip_network
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
