"""Every health check of this process: for `/health`, and in sentences for administrators."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec
from prometheus_client.multiprocess import MultiProcessCollector

from evently import __version__, jobs, mail, push, sales, webhooks
from evently.db import Database, write_something
from evently.db.examining import LogCopies, read_log_copies
from evently.db.revision import measure_size, newest_revision, stored_revision
from evently.kit.errors import CommitsWait, Trouble
from evently.web.edge.connections import CONNECTIONS
from evently.web.edge.problems import sentence_of
from evently.web.services import Services
from evently.webhooks import WebhookCounts

LAG_SECONDS_MAX: Final = 30.0  # a relay this late is slow or broken: warn the operator
LAG_SECONDS_LOST: Final = 300.0  # a relay this late has stopped: no effect of any fact is applied
MAIL_SECONDS_MAX: Final = 300.0  # e-mails this late are an outage of the mail server
PUSH_SECONDS_MAX: Final = 300.0  # as for e-mails
WEBHOOK_SECONDS_MAX: Final = 300.0  # likewise, of what could be sent
CONNECTIONS_PART_MAX: Final = 0.8  # of those that a process may have: warn the operator
_QUEUED_MAX: Final = 2_000  # commands that wait: some batches behind
_JOB_SECONDS_MAX: Final = 300.0  # a job that is due and waits this long: the workers are busy, or none runs
_DISK_PART_MIN: Final = 0.1
_DISK_PART_LOST: Final = 0.02  # PostgreSQL stops when it cannot write
_MEGABYTE: Final = 10**6
_GIGABYTE: Final = 10**9
_COUNTED: Final = frozenset({"connections", "streams"})
_SENT: Final = frozenset({"mail", "push", "webhooks"})
_NAMES: Final = {
    "connections": "Connections",
    "streams": "Live streams",
    "database": "Database",
    "writes": "Writing",
    "clock": "Clock",
    "migrations": "Schema",
    "relay": "Relay",
    "gateway": "Payments",
    "mail": "E-mail",
    "push": "Web push",
    "webhooks": "Webhooks",
    "backups": "Backups",
}
_FULL_WORKERS: Final = "evently_full_workers"  # a gauge of web/edge/connections.py
_WRONG_CLOCK: Final = (
    "The clock of this process differs from the database's by more than two seconds. Nothing is sold here "
    "until they agree."
)
_COMMITS_WAIT: Final = (
    "Commits wait: a standby or the disk does not confirm them. Requests that change something get 503 "
    "commits-wait, and reads are served. Look at the standby that synchronous_standby_names means."
)
_NO_MAIL: Final = "No mail server is named (EVENTLY_SMTP_URL): nothing is offered that needs e-mail."
_SHOWN_MAIL: Final = "Nothing is sent: the demo shows every e-mail at /demo/mail."
_NO_PUSH: Final = "No contact is named (EVENTLY_PUSH_CONTACT): web push is not offered."
_LATE_PUSH: Final = "Pushes wait: the push services cannot be reached, or put them off."
_LATE_WEBHOOKS: Final = (
    "Messages that could be sent to webhooks wait: the processes that send are busy, or none runs."
)
_LATE_MAIL: Final = "E-mails wait: the mail server is down, slow, or refuses this server."
_NO_LOG_COPIES: Final = "The database server does not archive its log."
_FAILED_LOG_COPIES: Final = (
    "The log of the database cannot be archived, so a restore ends before now. PostgreSQL keeps it and tries "
    "again; its own log says why. Look at the disk of the backups before the other one is full, too."
)
_MAKE_BELIEVE: Final = "The demo gateway takes no real money."
_NO_GATEWAY: Final = "No gateway is named (EVENTLY_GATEWAY): nothing is sold that is paid online."
_KEPT_GATEWAY: Final = (
    "No gateway is named (EVENTLY_GATEWAY). Earlier payments were made with the demo gateway, so events that "
    "are on sale still use it, which takes no real money. No other event that is paid online is published."
)

Status = Literal["pass", "warn", "fail"]


class HealthCheck(msgspec.Struct, frozen=True, omit_defaults=True):
    """One health check. `observed` is the measured value, in `unit`; `output` explains a failure."""

    status: Status
    observed: str | float | None = None
    unit: str = ""
    output: str = ""


class Health(msgspec.Struct, frozen=True):
    """The health of this process. With `warn` it serves requests, but an operator should check it."""

    status: Status
    version: str
    checks: dict[str, HealthCheck]


class _Measured(NamedTuple):
    """What the database answered."""

    revision: str | None
    milliseconds: float
    written_milliseconds: float | None  # None: commits wait
    oldest: datetime | None
    gateway: str | None
    mail_due: datetime | None
    push_due: datetime | None
    webhooks: WebhookCounts
    log_copies: LogCopies


async def run_checks(context: Services) -> Health:
    """Run every health check, within two seconds whatever the database does."""
    try:
        measured = await context.probe.ask("health", partial(_measure, context))
    except Trouble as exc:
        return Health("fail", __version__, {"database": HealthCheck("fail", output=sentence_of(exc))})
    clock = context.probe.clock
    lag = _seconds_since(context, measured.oldest)
    # In a thread: it reads a file of each worker
    without_room = await asyncio.to_thread(_workers_without_room, context.options.metrics_directory)
    checks = {
        "connections": _check_connections(without_room),
        "streams": _check_streams(context),
        "database": HealthCheck("pass", measured.milliseconds, "ms"),
        "writes": _check_writes(measured.written_milliseconds),
        "clock": HealthCheck(
            "pass" if clock.is_right else "fail",
            round(clock.seconds_off, 3),
            "s",
            "" if clock.is_right else _WRONG_CLOCK,
        ),
        "migrations": _check_migrations(measured.revision),
        "relay": HealthCheck(
            "pass" if lag <= LAG_SECONDS_MAX else "warn" if lag <= LAG_SECONDS_LOST else "fail",
            round(lag, 3),
            "s",
        ),
        "gateway": _check_gateway(context.checkout.gateway, measured.gateway),
        "mail": _check_mail(context, measured.mail_due),
        "push": _check_push(context, measured.push_due),
        "webhooks": _check_webhooks(context, measured.webhooks),
        "backups": _check_backups(measured.log_copies, clock.by_database()),
    }
    return Health(_worst(checks), __version__, checks)


async def _measure(context: Services, database: Database) -> _Measured:
    began = time.perf_counter()
    revision = await stored_revision(database)
    read = time.perf_counter()
    written: float | None
    try:
        await write_something(database)
        written = _milliseconds(time.perf_counter() - read)
    except CommitsWait:
        written = None
    async with database.snapshot() as tx:
        await context.probe.clock.compare(tx)
    return _Measured(
        revision,
        _milliseconds(read - began),
        written,
        await sales.outbox.oldest_undelivered(database),
        await context.checkout.find_gateway(),
        await mail.oldest_due(database) if context.mail.on else None,
        await push.oldest_due(database) if context.push.on else None,
        await webhooks.count_webhooks(database),
        await read_log_copies(database),
    )


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _check_writes(milliseconds: float | None) -> HealthCheck:
    """Return how long a commit takes; warn when commits wait.

    No more than a warning: no other process of this installation could write, and this one serves reads.
    """
    if milliseconds is None:
        return HealthCheck("warn", output=_COMMITS_WAIT)
    return HealthCheck("pass", milliseconds, "ms")


def _check_connections(without_room: int) -> HealthCheck:
    """Return how many connections this process has; a process that is full still serves those.

    `without_room`: the workers of this machine that are full. They accept nobody, so the others tell of them.
    """
    count, most = len(CONNECTIONS.open), CONNECTIONS.limits.connections_max
    if without_room or not CONNECTIONS.listening:
        said = f"Workers that are full and accept no connections: {max(1, without_room)}. Each takes {most}."
    elif count > most * CONNECTIONS_PART_MAX:
        said = f"This process accepts at most {most} connections."
    else:
        return HealthCheck("pass", count, "connections")
    return HealthCheck("warn", count, "connections", said)


def _check_streams(context: Services) -> HealthCheck:
    """Return how many streams this process has; beyond the most it refuses further ones."""
    count, most = context.hub.streams, context.hub.options.streams_max
    if count > most * CONNECTIONS_PART_MAX:
        return HealthCheck("warn", count, "streams", f"This process takes at most {most} streams.")
    return HealthCheck("pass", count, "streams")


def _workers_without_room(directory: str | None) -> int:
    """Return how many workers of this machine are full, from the gauges that they write."""
    if directory is None:
        return 0
    files = [str(file) for file in Path(directory).glob("gauge_livesum_*.db")]
    metrics = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]  # the library has no types
    samples = [sample for metric in metrics for sample in metric.samples]
    return int(sum(sample.value for sample in samples if sample.name == _FULL_WORKERS))


def _check_migrations(revision: str | None) -> HealthCheck:
    newest = newest_revision()
    if revision == newest:
        return HealthCheck("pass", revision)
    # A newer revision means that the next version is being rolled out. Migrations widen before they narrow,
    # so that this version still works with it.
    status: Status = "warn" if revision is not None and revision > newest else "fail"
    return HealthCheck(
        status, revision or "none", output=f"This version needs {newest}; run evently migrate."
    )


def _check_gateway(named: str | None, used: str | None) -> HealthCheck:
    """Return the gateway of new payments; warn when the operator has named none."""
    if named is not None:
        return HealthCheck("pass", named, output=_MAKE_BELIEVE if named == "demo" else "")
    return HealthCheck("warn", used or "none", output=_KEPT_GATEWAY if used else _NO_GATEWAY)


def _seconds_since(context: Services, due: datetime | None) -> float:
    """Return how long something has waited, by the database's clock: ours may be wrong."""
    return 0.0 if due is None else max(0.0, (context.probe.clock.by_database() - due).total_seconds())


def _check_mail(context: Services, due: datetime | None) -> HealthCheck:
    """Return how long the oldest e-mail has been due; warn when nothing is sent, or when it is long."""
    if not context.mail.on:
        return HealthCheck("warn", "none", output=_NO_MAIL)
    if context.mail.shows_mailbox:  # what is due stays due, and is shown
        return HealthCheck("pass", "none", output=_SHOWN_MAIL)
    late = _seconds_since(context, due)
    if late > MAIL_SECONDS_MAX:
        return HealthCheck("warn", round(late, 3), "s", _LATE_MAIL)
    return HealthCheck("pass", round(late, 3), "s")


def _check_push(context: Services, due: datetime | None) -> HealthCheck:
    """Return how long the oldest push has been due. An installation without web push is whole."""
    if not context.push.on:
        return HealthCheck("pass", "none", output=_NO_PUSH)
    late = _seconds_since(context, due)
    if late > PUSH_SECONDS_MAX:
        return HealthCheck("warn", round(late, 3), "s", _LATE_PUSH)
    return HealthCheck("pass", round(late, 3), "s")


def _check_webhooks(context: Services, counts: WebhookCounts) -> HealthCheck:
    """Return how long the oldest message has been due that could be sent: not to programs that are down."""
    due = counts.due_since
    late = _seconds_since(context, due)
    if late > WEBHOOK_SECONDS_MAX:
        return HealthCheck("warn", round(late, 3), "s", _LATE_WEBHOOKS)
    said = "" if counts.webhooks else "None is registered."
    if counts.paused or counts.failing:
        said = (
            f"Of {counts.webhooks:,}, {counts.failing:,} fail now and {counts.paused:,} are paused because "
            "they failed. Their organizers know."
        )
    return HealthCheck("pass", round(late, 3), "s", said)


def _check_backups(copies: LogCopies, now: datetime) -> HealthCheck:
    """Return for how long the log was not archived; warn when the last attempt failed."""
    if not copies.is_on:
        return HealthCheck("pass", "none", output=_NO_LOG_COPIES)
    if copies.stopped_at is not None:
        late = max(0.0, (now - copies.stopped_at).total_seconds())
        return HealthCheck("warn", round(late, 3), "s", _FAILED_LOG_COPIES)
    return HealthCheck("pass", 0.0, "s")


def _worst(checks: dict[str, HealthCheck]) -> Status:
    found = {check.status for check in checks.values()}
    return "fail" if "fail" in found else "warn" if "warn" in found else "pass"


# In sentences -----------------------------------------------------------------------------------------------


class HealthSentence(NamedTuple):
    """A health check as a sentence. `name`: what it is about; `status`: its dot."""

    name: str
    status: Status
    text: str


async def describe_health(context: Services) -> list[HealthSentence]:
    """Return the health of this process and of what it needs, a sentence for each check."""
    found = await run_checks(context)
    said = [
        HealthSentence(_NAMES[name], check.status, _describe(name, check))
        for name, check in found.checks.items()
    ]
    queued = context.engine.queued()
    said.append(
        HealthSentence(
            "Lanes",
            "pass" if queued < _QUEUED_MAX else "warn",
            f"{queued:,} commands wait for a batch." if queued else "No command waits for a batch.",
        )
    )
    said.append(await asyncio.to_thread(_describe_disk))
    if found.checks["database"].status == "fail":
        return said
    return [*said, await _describe_jobs(context), await _describe_size(context)]


def _describe(name: str, check: HealthCheck) -> str:
    observed = check.observed
    if check.output:
        return _lead(name, check) + check.output
    match name:
        case "database" | "writes":
            return f"A {'statement' if name == 'database' else 'write'} takes {observed} ms."
        case "connections" | "streams":
            return f"This process has {observed} open."
        case "clock":
            return f"It differs from the database's by {abs(float(observed or 0)):.1f} seconds."
        case "migrations":
            return f"The database has the schema of this version, {observed}."
        case "relay":
            late = float(observed or 0)
            return f"The oldest fact waits for {_long(late)}." if late >= 1 else "Every fact is delivered."
        case "mail" | "push" | "webhooks":
            late = float(observed or 0)
            return f"The oldest message waits for {_long(late)}." if late >= 1 else "Nothing waits."
        case "backups":
            return "The log of the database is archived."
    return f"{observed}."


def _lead(name: str, check: HealthCheck) -> str:
    """Return what was measured, as the sentence before the explanation; empty if that says it."""
    if check.observed in (None, "none", 0.0):
        return ""
    if name in _COUNTED:
        return f"{check.observed} {check.unit}. "
    return f"The oldest message waits for {_long(float(check.observed))}. " if name in _SENT else ""


def _long(seconds: float) -> str:
    """Return how long something waits, in the largest unit that says enough."""
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"


async def _describe_jobs(context: Services) -> HealthSentence:
    now = context.probe.clock.by_database()
    counts = await jobs.count_jobs(context.database, now)
    late = 0.0 if counts.due_since is None else (now - counts.due_since).total_seconds()
    waiting = f"{counts.waiting:,} wait or run" if counts.waiting else "None waits"
    failed = f"{counts.failed:,} failed for good" if counts.failed else "none has failed"
    status: Status = "warn" if counts.failed or late > _JOB_SECONDS_MAX else "pass"
    return HealthSentence("Jobs", status, f"{waiting}; {failed}.")


async def _describe_size(context: Services) -> HealthSentence:
    size = await measure_size(context.database)
    shown = f"{size / _GIGABYTE:,.1f} GB" if size >= _GIGABYTE else f"{size / _MEGABYTE:,.0f} MB"
    return HealthSentence("Size", "pass", f"The database takes {shown}.")


def _describe_disk() -> HealthSentence:
    """Return how much room the disk has on which exports are written."""
    usage = shutil.disk_usage(tempfile.gettempdir())
    free = usage.free / usage.total
    status: Status = "pass" if free > _DISK_PART_MIN else "warn" if free > _DISK_PART_LOST else "fail"
    return HealthSentence(
        "Disk",
        status,
        f"{usage.free / _GIGABYTE:,.0f} of {usage.total / _GIGABYTE:,.0f} GB are free on this machine.",
    )
