"""The edge in this process, around handlers of the test's own: nothing is connected, nothing listens."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx2
import msgspec
import uvicorn

from evently.accounts import Accounts, TokenOptions
from evently.analytics import Evenings
from evently.attendees import NameReader
from evently.checkin import DoorReader, ListSigner
from evently.checkout import Checkout
from evently.db import CheckedClock, Database, DatabaseOptions, Probe
from evently.kit.clock import utc_now
from evently.kit.ids import NO_ID, new_id
from evently.mail import TicketMailReader
from evently.questions import QuestionReader
from evently.realtime import Hub
from evently.sales import Engine, EngineOptions
from evently.sales.reads import Bookings, SeatBoards, WaitlistPositions
from evently.tickets import Press, TicketPrinter, WalletOptions, Wallets
from evently.waitingroom import WaitingRooms
from evently.web.application import create_asgi
from evently.web.booked_events import BookedEvents
from evently.web.edge.access import Access, Owner
from evently.web.edge.asgi import Receive, Scope, Send
from evently.web.edge.connections import Loop
from evently.web.edge.context import Response
from evently.web.edge.limits import Limits
from evently.web.edge.middleware import Edge
from evently.web.edge.options import RateOptions, WebOptions
from evently.web.edge.protocol import Protocol
from evently.web.edge.websockets import WebSocketProtocol
from evently.web.owners import Owners
from evently.web.services import Services
from tests.support.mail import make_mail
from tests.support.push import make_push
from tests.support.webhooks import make_webhooks

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
UNLIMITED = msgspec.convert(dict.fromkeys(set(RateOptions.__struct_fields__) - {"store_url"}, 0), RateOptions)


@asynccontextmanager
async def edge_of(routes: Sequence[Any] | None, **options: Any) -> AsyncIterator[Edge]:
    """Put the edge around these handlers; all of ours when None. Its database is away."""
    told = WebOptions(**{"access_log": False, "rates": UNLIMITED, **options})
    database = await Database.open(DatabaseOptions(NOWHERE))
    accounts = Accounts(database, utc_now, TokenOptions(b"a secret of the tests"))
    owners = Owners(database)

    async def find_owner(path_values: Mapping[str, str]) -> Owner:
        """Every event is there for everybody; the owners of other things are in the database."""
        return Owner(NO_ID, public=True) if "event_id" in path_values else await owners.find(path_values)

    engine = Engine(database, EngineOptions(), utc_now, new_id)
    boards = SeatBoards(database)
    context = Services(
        options=told,
        database=database,
        clock=utc_now,
        accounts=accounts,
        ticket_mail=TicketMailReader(database),
        access=Access(database, accounts, utc_now, find_owner),
        probe=Probe(database, CheckedClock(utc_now)),
        engine=engine,
        bookings=Bookings(database),
        booked_events=BookedEvents(database),
        names=NameReader(database),
        questions=QuestionReader(database),
        boards=boards,
        hub=Hub(database, engine, boards, utc_now),
        evenings=Evenings(database, utc_now),
        waitlist_positions=WaitlistPositions(database, utc_now),
        checkout=Checkout(database, engine, {}, None, utc_now, new_id),
        printer=TicketPrinter(Press()),
        mail=make_mail(database, utc_now),
        push=make_push(database, utc_now),
        webhooks=make_webhooks(database, utc_now),
        wallets=Wallets(WalletOptions()),
        list_signer=ListSigner(b"a secret of the tests"),
        door=DoorReader(database),
        waiting_rooms=WaitingRooms(database, engine, b"a secret of the tests", utc_now),
        limits=Limits(told.rates, told.heavy_reads_max),
    )
    try:
        yield create_asgi(context, routes)
    finally:
        context.printer.press.close()
        await context.limits.close()
        await accounts.stop()
        await database.close()


@asynccontextmanager
async def client_of(routes: Sequence[Any] | None, **options: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """Speak HTTP to it."""
    async with edge_of(routes, **options) as edge:
        transport = httpx2.ASGITransport(app=edge)
        async with httpx2.AsyncClient(transport=transport, base_url="http://evently.example") as client:
            yield client


@contextmanager
def listening(routes: Sequence[Any], *, host: str = "127.0.0.1", **options: Any) -> Iterator[int]:
    """Serve these handlers on a port, in a thread, with our connections; yield the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, 0), backlog=64, family=family, dualstack_ipv6=":" in host)
    started, servers = threading.Event(), []

    async def serve() -> None:
        async with edge_of(routes, **options) as edge:
            server = uvicorn.Server(
                uvicorn.Config(
                    edge,
                    http=Protocol,
                    ws=WebSocketProtocol,
                    lifespan="off",
                    log_config=None,
                    access_log=False,
                    proxy_headers=False,
                )
            )
            servers.append(server)
            asyncio.get_running_loop().call_later(0.05, started.set)
            await server.serve([listener])

    def run() -> None:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert started.wait(20)
        yield listener.getsockname()[1]
    finally:
        servers[0].should_exit = servers[0].force_exit = True
        thread.join(20)
        listener.close()
        assert not thread.is_alive()


class Stream(Response[bytes]):
    """A response that is sent part by part."""

    def __init__(self, parts: AsyncIterator[str], *, media_type: str = "text/plain") -> None:
        super().__init__(b"", status_code=200, headers={"content-type": media_type})
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI
        headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for part in self._parts:
            await send({"type": "http.response.body", "body": part.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
