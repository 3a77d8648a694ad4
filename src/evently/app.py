"""Builds the application from `Config`, starts its parts in order and stops them in reverse order.

    create()    the ASGI application of a worker process, for uvicorn
    running()   all parts built and started, for tests, `evently work` and the application

No other module constructs these parts.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from multiprocessing import parent_process
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from evently import reactions
from evently.accounts import Accounts, TokenOptions, read_secret
from evently.analytics import Evenings
from evently.attendees import NameReader
from evently.checkin import DoorReader, ListSigner
from evently.checkout import Checkout
from evently.config import Config, read_config
from evently.db import CheckedClock, Database, Probe
from evently.kit.clock import utc_now
from evently.kit.descriptors import raise_descriptor_limit
from evently.kit.errors import Trouble
from evently.kit.ids import new_id
from evently.kit.locked_directory import keep_directory
from evently.kit.logs import configure_logs, is_pretty
from evently.kit.repeating import repeating
from evently.mail import Files, Mail, TicketMailReader
from evently.payments import open_gateways
from evently.push import Push
from evently.questions import QuestionReader
from evently.realtime import Hub
from evently.sales import Engine
from evently.sales.reads import Bookings, SeatBoards, WaitlistPositions
from evently.tickets import Press, TicketPrinter, Wallets
from evently.waitingroom import WaitingRooms
from evently.web.application import create_asgi
from evently.web.booked_events import BookedEvents
from evently.web.edge.access import Access
from evently.web.edge.asgi import Receive, Scope, Send
from evently.web.edge.connections import CONNECTIONS, ConnectionLimits, connections_for
from evently.web.edge.limits import Limits
from evently.web.edge.middleware import Edge
from evently.web.edge.pauses import LoopPauses
from evently.web.edge.siblings import Siblings
from evently.web.owners import Owners
from evently.web.services import Services
from evently.webhooks import Webhooks

_log: Final = structlog.get_logger(__name__)


class Application:
    """The ASGI application of one process: built at the start of its lifespan, stopped at the end of it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._asgi: Edge | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or run the lifespan."""
        if str(scope["type"]) == "lifespan":
            await self._run_lifespan(receive, send)
        else:
            assert self._asgi is not None, "the server sends requests only after the start"
            await self._asgi(scope, receive, send)

    async def _run_lifespan(self, receive: Receive, send: Any) -> None:
        await receive()
        stop_with_parent()
        try:
            async with (
                running(self._config) as context,
                repeating("loop pauses", LoopPauses().step, failed_seconds=1.0),
            ):
                self._asgi = create_asgi(context)
                CONNECTIONS.when_stopping(context.hub.stop)
                tune_garbage_collector()
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except Exception as exc:  # noqa: BLE001  # an outermost loop: the server reports why it cannot start
            _log.exception("start_or_stop_failed")
            await send(
                {
                    "type": "lifespan.shutdown.failed" if self._asgi else "lifespan.startup.failed",
                    "message": str(exc),
                }
            )
        else:
            await send({"type": "lifespan.shutdown.complete"})
        finally:
            if self._asgi is not None:
                self._asgi.close()


def stop_with_parent() -> None:
    """Stop this worker when its parent process is killed.

    The embedded PostgreSQL has ended, too, and the port must become free.
    """
    parent = parent_process()
    if parent is None:
        return
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(parent.sentinel)
        _log.error("the parent process has died")
        signal.raise_signal(signal.SIGTERM)

    loop.add_reader(parent.sentinel, stop)


def create() -> Application:
    """Return the application of a worker process, from the environment that `serve` has set for it."""
    config = read_config()
    configure_logs(config.log_options())
    CONNECTIONS.limits = ConnectionLimits(connections_max=connections_for(raise_descriptor_limit()))
    if config.metrics_directory is not None:
        keep_directory(Path(config.metrics_directory))
        CONNECTIONS.siblings = Siblings(Path(config.metrics_directory) / "connections")
    return Application(config)


def tune_garbage_collector() -> None:
    """Collect garbage less often, and exclude the objects that live as long as the process.

    A batch makes thousands of objects that live for a few milliseconds; traversing them again and again took
    a fifth of the time of the booking path.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[Services]:
    """Build and start all parts, and yield the context of the faces.

    Parts stop in reverse order; the engine answers pending requests first.
    """
    async with AsyncExitStack() as stack:
        database = await Database.open(config.database_options())
        stack.push_async_callback(database.close)
        clock = CheckedClock(utc_now)
        probe = await stack.enter_async_context(
            Probe.open(config.database_options(), clock, database.commits)
        )
        with suppress(
            Trouble
        ):  # before anything is done by a wrong clock; a database that is away says nothing
            await probe.compare()
        context = await build(config, database, probe)
        stack.push_async_callback(context.limits.close)
        stack.callback(context.printer.press.close)
        await context.accounts.start()
        stack.push_async_callback(context.accounts.stop)
        await context.engine.start()
        stack.push_async_callback(context.engine.stop)
        stack.push_async_callback(context.checkout.stop)
        stack.push_async_callback(context.mail.stop)
        stack.push_async_callback(context.push.stop)
        stack.push_async_callback(context.webhooks.stop)
        await stack.enter_async_context(context.hub.running())
        if config.background:
            services = reactions.Services(
                database=database,
                engine=context.engine,
                checkout=context.checkout,
                accounts=context.accounts,
                mail=context.mail,
                push=context.push,
                webhooks=context.webhooks,
                clock=clock,
            )
            rehearsals = config.rehearsal_options(context.accounts.tokens.options.secret)
            await stack.enter_async_context(
                reactions.running(config.database_options(), services, rehearsals)
            )
        yield context


async def build(config: Config, database: Database, probe: Probe) -> Services:
    """Construct the context of the faces."""
    clock = probe.clock
    secret = config.secret_bytes() or await read_secret(database, utc_now())
    options = config.web_options(pretty_logs=is_pretty(config.log_options(), sys.stderr))
    accounts = Accounts(database, clock, TokenOptions(secret), site=config.site(), reading_clock=utc_now)
    gateways = open_gateways(config.payment_options(), database, clock)
    engine_options = config.engine_options()
    if config.gateway is not None:
        denominations = gateways[config.gateway].denomination
        engine_options = msgspec.structs.replace(engine_options, denominations=denominations)
    engine = Engine(database, engine_options, clock, new_id)
    printer, mail_options = TicketPrinter(Press(config.typefaces)), config.mail_options()
    files = Files(database, printer, mail_options.base_url)
    boards = SeatBoards(database)
    return Services(
        options=options,
        database=database,
        clock=clock,
        probe=probe,
        accounts=accounts,
        access=Access(database, accounts, utc_now, Owners(database).find),
        engine=engine,
        bookings=Bookings(database),
        booked_events=BookedEvents(database),
        names=NameReader(database),
        questions=QuestionReader(database),
        boards=boards,
        hub=Hub(database, engine, boards, clock),
        evenings=Evenings(database, clock),
        waitlist_positions=WaitlistPositions(database, clock),
        printer=printer,
        wallets=Wallets(config.wallet_options()),
        list_signer=ListSigner(secret),
        door=DoorReader(database),
        waiting_rooms=WaitingRooms(database, engine, secret, clock),
        checkout=Checkout(database, engine, gateways, config.gateway, clock, new_id),
        ticket_mail=TicketMailReader(database),
        mail=Mail(database, mail_options, secret, clock, attach=files.attach),
        push=Push(database, config.push_options(), clock),
        webhooks=Webhooks(database, config.webhook_options(), clock),
        limits=Limits(options.rates, options.heavy_reads_max),
    )
