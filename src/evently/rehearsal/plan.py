"""The verb behind `evently rehearse`: prepare, let the crowd in, audit, report.

With a URL, somebody's server is rehearsed: a sandbox event and its buyers are made over the API, by an access
token or an API key of the organizer (scopes events:write, events:read and bookings:read). Without one,
PostgreSQL and a server are started for the occasion, in a temporary directory, and stopped afterwards.
"""

from __future__ import annotations

import asyncio
import resource
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
from evently.audit import audit
from evently.config import ConfigError
from evently.db import Database, DatabaseOptions
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, show_id
from evently.rehearsal.api import Api
from evently.rehearsal.buying import Rush, Seen, Ticketing
from evently.rehearsal.crowd import CrowdOptions, make_crowd
from evently.rehearsal.driver import HttpClient, Target
from evently.rehearsal.judgement import Ledger, judge
from evently.rehearsal.live import live, show_audits
from evently.rehearsal.report import Outcome, render
from evently.rehearsal.server import own_database, own_server, scratch_directory

CONNECTIONS_MAX: Final = 4_000  # a machine's own limit on open files is usually lower
_SPARE_FILES: Final = 64
_BUYERS: Final = "What the buyers were told"
_DATABASE: Final = "The database, recomputed"
Result = TypeVar("Result")


class RehearsalPlan(msgspec.Struct, frozen=True):
    """What to rehearse. Without `url` an own server; without `event` a fresh one, of `organizer` where the token has several."""

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
    seats: Literal["best", "random"] | None = (
        None  # assigned seating: picked by the server, or named by the buyers
    )
    hold_seconds: int | None = None  # paid online within that; None: at the door
    abandon: float = 0.0  # share of buyers who hold tickets and never pay


class Surroundings(msgspec.Struct, frozen=True):
    """Where a rehearsal takes place; `database_url` only of an own server."""

    url: str
    token: str
    organizer: str | None = None
    database_url: str | None = None


def rehearse(plan: RehearsalPlan, console: Console | None = None) -> bool:
    """Rehearse, print what was found, write the report, and return whether the audit is clean.

    Raises ConfigError and Trouble.
    """
    console = console or Console(highlight=False)
    if not 1 <= plan.buyers <= REHEARSAL_BUYERS_MAX:
        raise ConfigError(f"--buyers is 1 to {REHEARSAL_BUYERS_MAX:,}.")
    if not 0.0 <= plan.abandon <= 1.0:
        raise ConfigError("--abandon is a share, 0 to 1.")
    if plan.event is not None and plan.hold_seconds is not None:
        raise ConfigError("--hold-seconds is for a fresh event: a copy is sold as the original is.")
    if plan.abandon and plan.event is None and plan.hold_seconds is None:
        raise ConfigError("--abandon needs --hold-seconds: at the door nothing is held.")
    with _stage(plan, console) as stage:
        outcome = run(_rehearse(plan, stage, console))
        if stage.database_url is not None:
            audits = outcome.audits | {_DATABASE: run(audit(DatabaseOptions(stage.database_url)))}
            outcome = msgspec.structs.replace(outcome, audits=audits)
    console.print()
    console.print(show_audits(outcome.audits))
    console.print(
        "[bold green]Clean.[/]" if outcome.is_clean() else "[bold red]Not clean.[/]", _in_a_sentence(outcome)
    )
    if plan.report is not None:
        plan.report.write_text(render(outcome), encoding="utf-8")
        console.print(f"Report: {plan.report}")
    return outcome.is_clean()


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in the quickest event loop there is."""
    factory: Callable[[], asyncio.AbstractEventLoop] | None = (
        import_module("uvloop").new_event_loop if find_spec("uvloop") else None
    )
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)


def raise_file_limit() -> int:
    """Let this process, and what it starts, open as many files as the system allows; returns how many connections that leaves."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(CONNECTIONS_MAX, hard - _SPARE_FILES)


@contextmanager
def _stage(plan: RehearsalPlan, console: Console) -> Iterator[Surroundings]:
    """Yield a server with an organizer: somebody's, or an own one for as long as the block lasts."""
    raise_file_limit()
    if plan.url is not None:
        if plan.token is None:
            raise ConfigError("--url needs a token of an organizer: --token, or EVENTLY_TOKEN.")
        yield Surroundings(plan.url, plan.token, plan.organizer)
        return
    if plan.event is not None:
        raise ConfigError("--event needs --url: an own server has no events yet.")
    console.print("Starting PostgreSQL and a server for the occasion.")
    with scratch_directory() as directory, own_database(directory / "data") as database_url:
        settings = {"database_url": database_url, "workers": str(plan.workers), "public_url": ""}
        with own_server(directory, settings) as server:
            organizer, token = run(make_organizer(database_url))
            yield Surroundings(server.url, token, organizer, database_url)


async def make_organizer(database_url: str) -> tuple[str, str]:
    """Add an organizer to an own server's database; returns its id and an API key of it."""
    now = utc_now()
    owner = Person(new_id(), "owner@rehearsal.example", "Rehearsal owner", "buyer", 1, now, None)
    organizer = Organizer(new_id(), "Rehearsal", "owner@rehearsal.example", 1, now)
    database = await Database.open(DatabaseOptions(database_url))
    try:
        async with database.transaction() as tx:
            await accounts.people.add_person(tx, owner, None)
            await accounts.organizers.create_organizer(tx, organizer, owner.person_id)
            await accounts.organizers.lock_organizer(tx, organizer.organizer_id)
            _, key = await accounts.keys.create_key(
                tx, organizer.organizer_id, "Rehearsal", frozenset(SCOPES), owner.person_id, now
            )
    finally:
        await database.close()
    return show_id("org", organizer.organizer_id), key


async def _rehearse(plan: RehearsalPlan, stage: Surroundings, console: Console) -> Outcome:
    try:
        target = Target.parse(stage.url)
    except ValueError as exc:
        raise ConfigError(f"--url: {exc}.") from exc
    client = HttpClient(target, min(plan.buyers, raise_file_limit()))
    api = Api(client, stage.token)
    began_at = utc_now()
    async with _closing(client):
        await api.wait_until_ready()
        prepared = await api.prepare(plan.event, stage.organizer, _wanted(plan))
        ticketing = prepared.ticketing(plan.seats)
        rush = Rush(client, ticketing, f"rehearsal-{plan.seed}-{ticketing.event_id[-8:]}")
        crowd = make_crowd(CrowdOptions(plan.buyers, plan.seed, plan.spread_seconds, plan.abandon))
        async with live(console, rush, prepared.title, plan.buyers, ticketing.places):
            await rush.run(crowd)
            await rush.last_call()
        ledger = await api.read_ledger(ticketing.event_id)
    return _outcome(plan, stage, prepared.title, began_at, ticketing, rush, ledger)


def _settings(plan: RehearsalPlan) -> dict[str, str]:
    """Return how the tickets were sold, for the report."""
    seats = {"best": "the best available ones", "random": "named by the buyers at random"}
    said = {} if plan.seats is None else {"Seats": seats[plan.seats]}
    if plan.hold_seconds is not None:
        said["Payment"] = f"online, within {plan.hold_seconds} s; {plan.abandon:.0%} of the buyers never pay"
    return said


def _wanted(plan: RehearsalPlan) -> dict[str, object]:
    """Return what is asked of the server. A copy of an event has its own seats and conditions."""
    wanted: dict[str, object] = {"buyers": plan.buyers, "places": plan.places}
    return (
        wanted
        if plan.event is not None
        else wanted | {"seated": plan.seats is not None, "hold_seconds": plan.hold_seconds}
    )


def _outcome(
    plan: RehearsalPlan,
    stage: Surroundings,
    title: str,
    began_at: datetime,
    ticketing: Ticketing,
    rush: Rush,
    ledger: Ledger,
) -> Outcome:
    journal = rush.journal
    own = stage.database_url is not None
    return Outcome(
        title=title,
        at=began_at,
        server="an own one, stopped afterwards" if own else stage.url,
        buyers=plan.buyers,
        places=ticketing.places,
        seed=plan.seed,
        spread_seconds=plan.spread_seconds,
        recording=rush.recording,
        sales=journal.sales,
        sold_units=ledger.sold(),
        bookings=len(journal.bookings),
        cancelled=sum(told.cancelled is True for told in journal.bookings.values()),
        left=len(journal.left),
        gave_up=journal.gave_up,
        sold_out_at=journal.sold_out_at,
        audits={_BUYERS: judge(journal, ledger, ticketing)},
        abandoned=journal.abandoned,
        paid=sum(told.paid is True for told in journal.bookings.values()),
        settings=_settings(plan)
        | {"Processes": str(plan.workers) if own else "the server's", "Evently": __version__},
    )


def _in_a_sentence(outcome: Outcome) -> str:
    sold_out = "" if outcome.sold_out_at is None else f", sold out after {outcome.sold_out_at:.2f} s"
    refused = outcome.recording.count(Seen.SOLD_OUT)
    return f"{outcome.sold_units:,} of {outcome.places:,} places sold{sold_out}; {refused:,} refusals, {len(outcome.recording):,} requests."


@asynccontextmanager
async def _closing(client: HttpClient) -> AsyncIterator[None]:
    try:
        yield
    finally:
        client.close()
