"""Faults to order: a wire that breaks at the worst moment, a server of one's own to kill."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from enum import Enum
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from evently.db.embedded import EmbeddedOptions, EmbeddedPostgres
from evently.db.migrations import migrate
from tests.support.postgres import scratch_directory

_CHUNK_BYTES: Final = 65_536
_FIELDS: Final = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0"
_FAREWELL: Final = (
    b"E" + (4 + len(_FIELDS)).to_bytes(4, "big") + _FIELDS
)  # an ErrorResponse of PostgreSQL's protocol


class Fault(Enum):
    """What a wire does with the message it waits for."""

    CUT_BEFORE = "the message does not arrive, and both ends are told"
    CUT_AFTER = "the message arrives, and its answer does not; both ends are told"
    HOLE_BEFORE = "the message does not arrive, and nobody is told anything any more"
    HOLE_AFTER = "the message arrives, and from then on nobody is told anything"
    LAST_WORDS = "the message is answered, and with its answer comes the server's farewell"


AFTER: Final = {Fault.CUT_AFTER, Fault.HOLE_AFTER}
HOLES: Final = (Fault.HOLE_BEFORE, Fault.HOLE_AFTER)  # in an order: tests are made of them


class Proxy:
    """A TCP server in front of PostgreSQL. `url` is where to connect to."""

    def __init__(self, target_url: str) -> None:
        self._target = urlsplit(target_url)
        self._awaited: tuple[bytes, Fault] | None = None
        self._server: asyncio.Server | None = None
        self._wires: set[_Wire] = set()
        self.drips = False
        self.broken = 0

    @property
    def url(self) -> str:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return urlunsplit(
            self._target._replace(netloc=f"{self._target.username}:{self._target.password}@127.0.0.1:{port}")
        )

    def break_at(self, message: bytes, fault: Fault) -> None:
        """Break the wire on which this is said next."""
        self._awaited = message, fault

    def take(self, said: bytes) -> Fault | None:
        """Return the fault that this was waited for with, once."""
        if self._awaited is None or self._awaited[0] not in said:
            return None
        (_, fault), self._awaited = self._awaited, None
        self.broken += 1
        return fault

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for wire in list(self._wires):
            wire.cut()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._target.port is not None
        server = await asyncio.open_connection("127.0.0.1", self._target.port)
        wire = _Wire(self, (reader, writer), server)
        self._wires.add(wire)
        await wire.carry()
        self._wires.discard(wire)


class _Wire:
    """One connection, both ways."""

    def __init__(
        self,
        proxy: Proxy,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._proxy = proxy
        self._client, self._to_client = client
        self._server, self._to_server = server
        self._fault: Fault | None = None
        self._cut = asyncio.Event()

    async def carry(self) -> None:
        """Carry until both ends are gone, or the wire is cut."""
        ways = [asyncio.create_task(self._up()), asyncio.create_task(self._down())]
        await self._cut.wait()
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for writer in (self._to_client, self._to_server):
            writer.transport.abort()

    def cut(self) -> None:
        self._cut.set()

    async def _up(self) -> None:
        with suppress(ConnectionError):
            while said := await self._client.read(_CHUNK_BYTES):
                if self._fault is Fault.LAST_WORDS:
                    break
                self._fault = self._fault or self._proxy.take(said)
                if self._fault is Fault.CUT_BEFORE:
                    break
                if self._fault is not Fault.HOLE_BEFORE:
                    await self._pass_on(said, self._to_server)
        if self._fault not in HOLES:
            self.cut()

    async def _down(self) -> None:
        with suppress(ConnectionError):
            while said := await self._server.read(_CHUNK_BYTES):
                if self._fault is Fault.CUT_AFTER:
                    break
                if self._fault is Fault.LAST_WORDS:
                    said += _FAREWELL
                if self._fault not in HOLES:
                    await self._pass_on(said, self._to_client)
        if self._fault not in HOLES:
            self.cut()

    async def _pass_on(self, said: bytes, writer: asyncio.StreamWriter) -> None:
        pieces = [said[place : place + 1] for place in range(len(said))] if self._proxy.drips else [said]
        for piece in pieces:
            writer.write(piece)
            await writer.drain()


@asynccontextmanager
async def proxy_to(url: str) -> AsyncIterator[Proxy]:
    """Run a wire to a server that is reached by TCP."""
    proxy = Proxy(url)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()


@contextmanager
def own_postgres() -> Iterator[EmbeddedPostgres]:
    """Run a server as the product runs it, durable, for somebody who will kill it."""
    with (
        scratch_directory() as directory,
        EmbeddedPostgres(EmbeddedOptions(data_directory=directory)) as postgres,
    ):
        migrate(postgres.url)
        yield postgres


def kill_postgres(postgres: EmbeddedPostgres) -> None:
    """`kill -9` a server, and return when it is dead."""
    assert postgres._process is not None
    postgres._process.kill()
    postgres._process.wait()
