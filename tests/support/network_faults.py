"""Network faults: a proxy that breaks connections at a chosen message, and a PostgreSQL to kill."""

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
# An ErrorResponse of PostgreSQL's protocol.
_SHUTDOWN_NOTICE: Final = b"E" + (4 + len(_FIELDS)).to_bytes(4, "big") + _FIELDS


class Fault(Enum):
    """What the proxy does with the connection at the chosen message."""

    CUT_BEFORE = "the message does not arrive; both ends see the connection close"
    CUT_AFTER = "the message arrives, its answer does not; both ends see the connection close"
    SILENT_BEFORE = "the message does not arrive, and nothing arrives on either side afterwards"
    SILENT_AFTER = "the message arrives, and nothing arrives on either side afterwards"
    SHUTDOWN_NOTICE = "the message is answered, and the server's notice of its shutdown follows the answer"


DELIVERED_FAULTS: Final = {Fault.CUT_AFTER, Fault.SILENT_AFTER}
SILENT_FAULTS: Final = (Fault.SILENT_BEFORE, Fault.SILENT_AFTER)  # ordered: tests are parametrized with them


class Proxy:
    """A TCP server in front of PostgreSQL. `url` is where to connect to."""

    def __init__(self, target_url: str) -> None:
        self._target = urlsplit(target_url)
        self._awaited: tuple[bytes, Fault] | None = None
        self._server: asyncio.Server | None = None
        self._wires: set[_Connection] = set()
        self.splits_bytes = False
        self.broken = 0

    @property
    def url(self) -> str:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return urlunsplit(
            self._target._replace(netloc=f"{self._target.username}:{self._target.password}@127.0.0.1:{port}")
        )

    def break_at(self, message: bytes, fault: Fault) -> None:
        """Break the connection that sends this message next."""
        self._awaited = message, fault

    def take(self, said: bytes) -> Fault | None:
        """Return the fault that is due at this message, once."""
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
        wire = _Connection(self, (reader, writer), server)
        self._wires.add(wire)
        await wire.carry()
        self._wires.discard(wire)


class _Connection:
    """One proxied connection, both directions."""

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
        """Forward messages until the connection ends or is cut."""
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
                if self._fault is Fault.SHUTDOWN_NOTICE:
                    break
                self._fault = self._fault or self._proxy.take(said)
                if self._fault is Fault.CUT_BEFORE:
                    break
                if self._fault is not Fault.SILENT_BEFORE:
                    await self._pass_on(said, self._to_server)
        if self._fault not in SILENT_FAULTS:
            self.cut()

    async def _down(self) -> None:
        with suppress(ConnectionError):
            while said := await self._server.read(_CHUNK_BYTES):
                if self._fault is Fault.CUT_AFTER:
                    break
                if self._fault is Fault.SHUTDOWN_NOTICE:
                    said += _SHUTDOWN_NOTICE
                if self._fault not in SILENT_FAULTS:
                    await self._pass_on(said, self._to_client)
        if self._fault not in SILENT_FAULTS:
            self.cut()

    async def _pass_on(self, said: bytes, writer: asyncio.StreamWriter) -> None:
        pieces = (
            [said[place : place + 1] for place in range(len(said))] if self._proxy.splits_bytes else [said]
        )
        for piece in pieces:
            writer.write(piece)
            await writer.drain()


@asynccontextmanager
async def proxy_to(url: str) -> AsyncIterator[Proxy]:
    """Run a proxy to a server that is reached by TCP."""
    proxy = Proxy(url)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()


@contextmanager
def own_postgres() -> Iterator[EmbeddedPostgres]:
    """Run a durable server, as the product runs it, for a test that kills it."""
    with (
        scratch_directory() as directory,
        EmbeddedPostgres(EmbeddedOptions(data_directory=directory)) as postgres,
    ):
        migrate(postgres.url)
        yield postgres


def kill_postgres(postgres: EmbeddedPostgres) -> None:
    """Kill a server with `kill -9`, and return when its process has ended."""
    assert postgres._process is not None
    postgres._process.kill()
    postgres._process.wait()
