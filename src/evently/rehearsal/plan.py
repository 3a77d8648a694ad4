"""The command `evently rehearse`: prepare a sandbox event, run the crowd, audit, write the report.

With a URL, it uses a running server: the API creates the sandbox event and its buyers, with an access token
or an API key of the organizer (scopes events:write, events:read and bookings:read). Without a URL, it starts
PostgreSQL and a server in a temporary directory, and stops them at the end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import msgspec
from rich.console import Console

from evently import __version__, accounts
from evently.accounts import Organizer, Person
from evently.accounts.keys import SCOPES
from evently.accounts.rehearsals import REHEARSAL_BUYERS_MAX
from evently.audit import Finding, audit
from evently.config import ConfigError
from evently.db import Database, DatabaseOptions
from evently.kit.clock import utc_now
from evently.kit.descriptors import raise_descriptor_limit
from evently.kit.ids import new_id, show_id
from evently.rehearsal.api import OrganizerApi
from evently.rehearsal.buying import RequestOutcome, Rush, Ticketing
from evently.rehearsal.checks import OUT_OF_ORDER, ServerRecords, check_room, compare
from evently.rehearsal.crowd import EARLY_SHARE, CrowdOptions, call_early, make_crowd
from evently.rehearsal.driver import HttpClient, Target
from evently.rehearsal.live import live, show_audits, show_comparison
from evently.rehearsal.report import RehearsalResult, RoomOutcome, contrast, render
from evently.rehearsal.server import own_database, own_server, scratch_directory
from evently.rehearsal.waiting import Waiting
from evently.waitingroom import PER_MINUTE_MAX

CONNECTIONS_MAX: Final = 4_000  # a machine's own limit on open files is usually lower
OPENS_AFTER_MAX: Final = 600
_SPARE_FILES: Final = 64
_BUYERS: Final = "Acknowledged to the buyers"
_DATABASE: Final = "Audit of the database"
Result = TypeVar("Result")


class RehearsalPlan(msgspec.Struct, frozen=True):
    """The options of a rehearsal.

    Without `url`, a temporary server is started. Without `event`, a new event is created, for `organizer` if
    the token belongs to several.
    """

    buyers: int = 5_000
    places: int | None = None
    url: str | None = None
    event: str | None = None
    token: str | None = None
    report: Path | None = None
    seed: int = 1
    organizer: str | None = None
    workers: int = 1
    spread_seconds: float = 2.0
    seats: Literal["best", "random"] | None = None  # seats picked by the server, or chosen by the buyers
    hold_seconds: int | None = None  # time to pay online; None: tickets are paid on site
    abandon: float = 0.0  # share of buyers who hold tickets and never pay
    waiting_room: bool = False  # rehearse twice, the second time with a waiting room before the sale
    per_minute: int = 600  # people who are admitted by it, at most
    opens_after: int = 10  # seconds in which most buyers enter it


class RehearsedServer(msgspec.Struct, frozen=True):
    """The server of a rehearsal; `database_url` is only known of a temporary server."""

    url: str
    token: str
    organizer: str | None = None
    database_url: str | None = None


def rehearse(plan: RehearsalPlan, console: Console | None = None) -> bool:
    """Rehearse, print the findings, write the report, and return whether there are no findings.

    Raises ConfigError and Trouble.
    """
    console = console or Console(highlight=False)
    if not 1 <= plan.buyers <= REHEARSAL_BUYERS_MAX:
        raise ConfigError(f"--buyers must be 1 to {REHEARSAL_BUYERS_MAX:,}.")
    if not 0.0 <= plan.abandon <= 1.0:
        raise ConfigError("--abandon is a share and must be 0 to 1.")
    if plan.event is not None and plan.hold_seconds is not None:
        raise ConfigError("--hold-seconds needs a new event: a copy keeps the conditions of its original.")
    if plan.abandon and plan.event is None and plan.hold_seconds is None:
        raise ConfigError("--abandon needs --hold-seconds: tickets that are paid on site are not held.")
    if not 1 <= plan.per_minute <= PER_MINUTE_MAX:
        raise ConfigError(f"--per-minute must be 1 to {PER_MINUTE_MAX:,}.")
    if not 1 <= plan.opens_after <= OPENS_AFTER_MAX:
        raise ConfigError(f"--opens-after must be 1 to {OPENS_AFTER_MAX} seconds.")
    with _server_for(plan, console) as server:
        outcome = run(_rehearse_all(plan, server, console))
        if server.database_url is not None:
            audits = outcome.audits | {_DATABASE: run(audit(DatabaseOptions(server.database_url)))}
            outcome = msgspec.structs.replace(outcome, audits=audits)
    console.print()
    if outcome.without is not None:
        console.print(show_audits({f"{_BUYERS}, without": outcome.without.audits[_BUYERS]}))
    console.print(show_audits(outcome.audits))
    if comparison := contrast(outcome):
        console.print(show_comparison(comparison))
    console.print(
        "[bold green]Clean.[/]" if outcome.is_clean() else "[bold red]Not clean.[/]", _summary(outcome)
    )
    if plan.report is not None:
        plan.report.write_text(render(outcome), encoding="utf-8")
        console.print(f"Report: {plan.report}")
    return outcome.is_clean()


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine with uvloop if it is installed, otherwise with asyncio's own loop."""
    factory: Callable[[], asyncio.AbstractEventLoop] | None = (
        import_module("uvloop").new_event_loop if find_spec("uvloop") else None
    )
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)


def raise_file_limit() -> int:
    """Raise the limit on open files, also for child processes; return the number of connections it allows."""
    return min(CONNECTIONS_MAX, raise_descriptor_limit() - _SPARE_FILES)


@contextmanager
def _server_for(plan: RehearsalPlan, console: Console) -> Iterator[RehearsedServer]:
    """Yield the server of `--url`, or a temporary server with an organizer while the block runs."""
    raise_file_limit()
    if plan.url is not None:
        if plan.token is None:
            raise ConfigError("--url needs a token of an organizer: set --token or EVENTLY_TOKEN.")
        yield RehearsedServer(plan.url, plan.token, plan.organizer)
        return
    if plan.event is not None:
        raise ConfigError("--event needs --url: a temporary server has no events.")
    console.print("Starting a temporary PostgreSQL and server.")
    with scratch_directory() as directory, own_database(directory / "data") as database_url:
        settings = {
            "database_url": database_url,
            "workers": str(plan.workers),
            "public_url": "",
            "smtp_url": "",
        }
        with own_server(directory, settings) as server:
            organizer, token = run(make_organizer(database_url))
            yield RehearsedServer(server.url, token, organizer, database_url)


async def make_organizer(database_url: str) -> tuple[str, str]:
    """Add an organizer to the database of a temporary server; returns its id and an API key."""
    now = utc_now()
    owner = Person(new_id(), "owner@rehearsal.example", "Rehearsal owner", "buyer", 1, now, None)
    organizer = Organizer(new_id(), "Rehearsal", "owner@rehearsal.example", 1, now)
    database = await Database.open(DatabaseOptions(database_url))
    try:
        async with database.transaction(seconds_max=None) as tx:
            await accounts.people.add_person(tx, owner, None)
            await accounts.organizers.create_organizer(tx, organizer, owner.person_id)
            await accounts.organizers.lock_organizer(tx, organizer.organizer_id)
            _, key = await accounts.keys.create_key(
                tx, organizer.organizer_id, "Rehearsal", frozenset(SCOPES), owner.person_id, now
            )
    finally:
        await database.close()
    return show_id("org", organizer.organizer_id), key


async def _rehearse_all(plan: RehearsalPlan, server: RehearsedServer, console: Console) -> RehearsalResult:
    """Rehearse; with a waiting room twice, with the same buyers, for comparison."""
    if not plan.waiting_room:
        return await _rehearse(plan, server, console)
    without = await _rehearse(msgspec.structs.replace(plan, waiting_room=False), server, console)
    outcome = await _rehearse(plan, server, console)
    return msgspec.structs.replace(outcome, without=without)


async def _rehearse(plan: RehearsalPlan, server: RehearsedServer, console: Console) -> RehearsalResult:
    try:
        target = Target.parse(server.url)
    except ValueError as exc:
        raise ConfigError(f"--url: {exc}.") from exc
    client = HttpClient(target, min(plan.buyers, raise_file_limit()))
    api = OrganizerApi(client, server.token)
    began_at = utc_now()
    async with _closing(client):
        await api.wait_until_ready()
        prepared = await api.prepare(plan.event, server.organizer, _sandbox_request(plan))
        ticketing = prepared.ticketing(plan.seats)
        rush = Rush(client, ticketing, f"rehearsal-{plan.seed}-{ticketing.event_id[-8:]}")
        crowd = make_crowd(CrowdOptions(plan.buyers, plan.seed, plan.spread_seconds, plan.abandon))
        if ticketing.opens_at is not None:
            crowd = call_early(crowd, max(0.0, ticketing.opens_at - time.perf_counter()), plan.seed)
        async with live(console, rush, prepared.title, plan.buyers, ticketing.places):
            await rush.run(crowd)
            await rush.sell_returned_tickets()
        records = await api.read_records(ticketing.event_id)
        findings = compare(rush.journal, records, ticketing)
        room = None
        if rush.waiting is not None:
            draw = await api.read_draw(ticketing.event_id)
            about_room = check_room(rush.waiting.journal, draw, records, ticketing)
            findings += about_room
            room = _room(plan, rush, rush.waiting, about_room)
    outcome = _outcome(plan, server, prepared.title, began_at, ticketing, rush, records)
    quickest = {ticketing.buyer_ids[buyer.number] for buyer in crowd[: -(-len(crowd) // 10)]}
    return msgspec.structs.replace(
        outcome,
        audits={_BUYERS: findings},
        room=room,
        quickest_bookings=sum(each.buyer_id in quickest for each in rush.journal.bookings.values()),
    )


def _room(plan: RehearsalPlan, rush: Rush, waiting: Waiting, findings: list[Finding]) -> RoomOutcome:
    journal = waiting.journal
    places = journal.places.values()
    return RoomOutcome(
        per_minute=plan.per_minute,
        opens_after_seconds=plan.opens_after,
        entered=len(places),
        late=sum(told.late for told in places),
        many_tabs=journal.many_tabs,
        tabs=journal.tabs,
        admitted=sum(told.admission is not None for told in places),
        out_of_order=sum(finding.count for finding in findings if finding.code == OUT_OF_ORDER),
        told_sold_out=sorted(journal.sold_out.values()),
        before=rush.before,
    )


def _settings(plan: RehearsalPlan) -> dict[str, str]:
    """Return the settings of the sale, for the report."""
    seats = {"best": "the best available", "random": "chosen by the buyers at random"}
    said = {} if plan.seats is None else {"Seats": seats[plan.seats]}
    if plan.hold_seconds is not None:
        said["Payment"] = f"online, within {plan.hold_seconds} s; {plan.abandon:.0%} of the buyers never pay"
    if plan.waiting_room:
        said["Waiting room"] = (
            f"at most {plan.per_minute:,} people a minute; {EARLY_SHARE:.0%} of the buyers come in the "
            f"{plan.opens_after} s before the opening"
        )
    return said


def _sandbox_request(plan: RehearsalPlan) -> dict[str, object]:
    """Return the body of the request for a sandbox event; a copy keeps the original's conditions."""
    wanted: dict[str, object] = {"buyers": plan.buyers, "places": plan.places}
    if plan.waiting_room:
        wanted["waiting_room"] = {"opens_after_seconds": plan.opens_after, "per_minute": plan.per_minute}
    return (
        wanted
        if plan.event is not None
        else wanted | {"seated": plan.seats is not None, "hold_seconds": plan.hold_seconds}
    )


def _outcome(
    plan: RehearsalPlan,
    server: RehearsedServer,
    title: str,
    began_at: datetime,
    ticketing: Ticketing,
    rush: Rush,
    records: ServerRecords,
) -> RehearsalResult:
    journal = rush.journal
    own = server.database_url is not None
    return RehearsalResult(
        title=title,
        at=began_at,
        server="temporary, stopped afterwards" if own else server.url,
        buyers=plan.buyers,
        places=ticketing.places,
        seed=plan.seed,
        spread_seconds=plan.spread_seconds,
        recording=rush.recording,
        sales=journal.sales,
        sold_units=records.sold(),
        bookings=len(journal.bookings),
        cancelled=sum(acknowledged.cancelled is True for acknowledged in journal.bookings.values()),
        without_tickets=len(journal.without_tickets),
        gave_up=journal.gave_up,
        sold_out_at=journal.sold_out_at,
        audits={_BUYERS: compare(journal, records, ticketing)},
        abandoned=journal.abandoned,
        paid=sum(acknowledged.paid is True for acknowledged in journal.bookings.values()),
        settings=_settings(plan)
        | {"Processes": str(plan.workers) if own else "the server's", "Evently": __version__},
    )


def _summary(outcome: RehearsalResult) -> str:
    sold_out = "" if outcome.sold_out_at is None else f", sold out after {outcome.sold_out_at:.2f} s"
    refused = outcome.recording.count(RequestOutcome.SOLD_OUT)
    return (
        f"{outcome.sold_units:,} of {outcome.places:,} places sold{sold_out}; "
        f"{refused:,} refusals, {len(outcome.recording):,} requests."
    )


@asynccontextmanager
async def _closing(client: HttpClient) -> AsyncIterator[None]:
    try:
        yield
    finally:
        client.close()
