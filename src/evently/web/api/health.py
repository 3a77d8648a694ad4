"""Liveness, readiness, health and metrics of this process.

/livez answers from memory alone: an unavailable database is no reason to restart the process. /readyz tells a
load balancer whether to send requests here. /health is for people (draft-inadarei-api-health-check). /metrics
returns the sums of the counters of all workers on this machine.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from functools import partial
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec.structs import replace
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from evently import __version__, mail, push, sales
from evently.db import Database, write_something
from evently.db.revision import newest_revision, stored_revision
from evently.kit.errors import CommonRefusal, Refused, Trouble
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.connections import CONNECTIONS
from evently.web.edge.context import Response
from evently.web.edge.problems import sentence_of
from evently.web.edge.routing import get
from evently.web.services import Request, Services

LAG_SECONDS_MAX: Final = 30.0  # a relay this late is slow or broken: warn the operator
LAG_SECONDS_LOST: Final = 300.0  # a relay this late has stopped: no effect of any fact is applied
MAIL_SECONDS_MAX: Final = 300.0  # e-mails this late are an outage of the mail server
PUSH_SECONDS_MAX: Final = 300.0  # as for e-mails
CONNECTIONS_PART_MAX: Final = 0.8  # of those that a process may have: warn the operator
_FULL_WORKERS: Final = "evently_full_workers"  # a gauge of web/edge/connections.py
_HEALTH_JSON: Final = "application/health+json"
_RETRY: Final = {"retry-after": "2"}
_OPEN: Final = policy(PUBLIC, rate="unlimited")

_WRONG_CLOCK: Final = (
    "The clock of this process differs from the database's by more than two seconds. Nothing is sold here "
    "until they agree."
)
_NO_MAIL: Final = "No mail server is named (EVENTLY_SMTP_URL): nothing is offered that needs e-mail."
_SHOWN_MAIL: Final = "Nothing is sent: the demo shows every e-mail at /demo/mail."
_NO_PUSH: Final = "No contact is named (EVENTLY_PUSH_CONTACT): web push is not offered."
_LATE_PUSH: Final = "Pushes wait: the push services cannot be reached, or put them off."
_LATE_MAIL: Final = "E-mails wait: the mail server is down, slow, or refuses this server."
_MAKE_BELIEVE: Final = "The demo gateway takes no real money."
_NO_GATEWAY: Final = "No gateway is named (EVENTLY_GATEWAY): nothing is sold that is paid online."
_KEPT_GATEWAY: Final = (
    "No gateway is named (EVENTLY_GATEWAY). Earlier payments were made with the demo gateway, so events that "
    "are on sale still use it, which takes no real money. No other event that is paid online is published."
)

Status = Literal["pass", "warn", "fail"]


class Liveness(msgspec.Struct, frozen=True):
    """The process is alive and answers requests."""

    status: Annotated[Status, msgspec.Meta(examples=["pass"])]


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


@get("/livez", operation_id="livez", summary="Liveness", tags=["Health"], **_OPEN)
async def livez(request: Request) -> Response[Liveness]:  # noqa: ARG001
    """Answer from memory; does not check the database."""
    return Response(Liveness("pass"))


@get(
    "/readyz",
    operation_id="readyz",
    summary="Readiness",
    tags=["Health"],
    media_type=_HEALTH_JSON,
    **_OPEN,
)
async def readyz(request: Request) -> Response[Health]:
    """Return 200 when the process can serve requests, otherwise 503."""
    return await _answer(request.context, details=_may_monitor(request))


@get("/health", operation_id="health", summary="Health", tags=["Health"], media_type=_HEALTH_JSON, **_OPEN)
async def health(request: Request) -> Response[Health]:
    """Return the result of every health check, from the database to the mail server."""
    _refuse_strangers(request)
    return await _answer(request.context, details=True)


@get(
    "/metrics",
    operation_id="metrics",
    summary="Metrics for Prometheus",
    tags=["Health"],
    media_type="text/plain",
    **_OPEN,
)
async def metrics(request: Request) -> Response[bytes]:
    """Return the metrics of all workers on this machine, summed, in the text format of Prometheus."""
    _refuse_strangers(request)
    return Response(
        # In a thread: adding up the files of all workers takes tens of milliseconds
        await asyncio.to_thread(_metrics_text, request.context.options.metrics_directory),
        media_type=CONTENT_TYPE_LATEST,
    )


class _Measured(NamedTuple):
    """What the database answered."""

    revision: str | None
    milliseconds: float
    written_milliseconds: float
    oldest: datetime | None
    gateway: str | None
    mail_due: datetime | None
    push_due: datetime | None


async def run_checks(context: Services) -> Health:
    """Run every health check, within two seconds whatever the database does."""
    try:
        measured = await context.probe.ask("health", partial(_measure, context))
    except Trouble as exc:
        return Health("fail", __version__, {"database": HealthCheck("fail", output=sentence_of(exc))})
    clock = context.probe.clock
    lag = 0.0 if measured.oldest is None else max(0.0, (clock.unchecked() - measured.oldest).total_seconds())
    # In a thread: it reads a file of each worker
    without_room = await asyncio.to_thread(_workers_without_room, context.options.metrics_directory)
    checks = {
        "connections": _check_connections(without_room),
        "streams": _check_streams(context),
        "database": HealthCheck("pass", measured.milliseconds, "ms"),
        "writes": HealthCheck("pass", measured.written_milliseconds, "ms"),
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
    }
    return Health(_worst(checks), __version__, checks)


async def _measure(context: Services, database: Database) -> _Measured:
    began = time.perf_counter()
    revision = await stored_revision(database)
    read = time.perf_counter()
    await write_something(database)
    written = time.perf_counter()
    async with database.transaction() as tx:
        await context.probe.clock.compare(tx)
    return _Measured(
        revision,
        _milliseconds(read - began),
        _milliseconds(written - read),
        await sales.outbox.oldest_undelivered(database),
        await context.checkout.find_gateway(),
        await mail.oldest_due(database) if context.mail.on else None,
        await push.oldest_due(database) if context.push.on else None,
    )


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _may_monitor(request: Request) -> bool:
    """Return whether the client's address is in a monitoring network, if the operator has named any."""
    networks = request.context.options.monitoring_networks
    if not networks:
        return True
    try:
        address = ip_address(request.exchange.client.address)
    except ValueError:
        return False
    return any(address in ip_network(network, strict=False) for network in networks)


def _refuse_strangers(request: Request) -> None:
    if not _may_monitor(request):
        raise Refused(CommonRefusal.NOT_FOUND)


async def _answer(context: Services, *, details: bool) -> Response[Health]:
    found = await run_checks(context)
    if not details:
        found = replace(found, checks={})
    failed = found.status == "fail"
    return Response(
        found, status_code=503 if failed else 200, media_type=_HEALTH_JSON, headers=_RETRY if failed else None
    )


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


def _check_mail(context: Services, due: datetime | None) -> HealthCheck:
    """Return how long the oldest e-mail has been due; warn when nothing is sent, or when it is long."""
    if not context.mail.on:
        return HealthCheck("warn", "none", output=_NO_MAIL)
    late = 0.0 if due is None else max(0.0, (context.clock() - due).total_seconds())
    output = _SHOWN_MAIL if context.mail.shows_mailbox else ""
    if late > MAIL_SECONDS_MAX:
        return HealthCheck("warn", round(late, 3), "s", output or _LATE_MAIL)
    return HealthCheck("pass", round(late, 3), "s", output)


def _check_push(context: Services, due: datetime | None) -> HealthCheck:
    """Return how long the oldest push has been due. An installation without web push is whole."""
    if not context.push.on:
        return HealthCheck("pass", "none", output=_NO_PUSH)
    late = 0.0 if due is None else max(0.0, (context.clock() - due).total_seconds())
    if late > PUSH_SECONDS_MAX:
        return HealthCheck("warn", round(late, 3), "s", _LATE_PUSH)
    return HealthCheck("pass", round(late, 3), "s")


def _worst(checks: dict[str, HealthCheck]) -> Status:
    found = {check.status for check in checks.values()}
    return "fail" if "fail" in found else "warn" if "warn" in found else "pass"


def _metrics_text(directory: str | None) -> bytes:
    return generate_latest(_registry(directory))


def _registry(directory: str | None) -> Any:
    """Return the registry to export: this process's, or one that sums the metric files of all workers."""
    if directory is None:
        return REGISTRY
    registry = CollectorRegistry(support_collectors_without_names=True)
    # The collector has no type annotations.
    MultiProcessCollector(registry, path=directory)  # type: ignore[no-untyped-call]
    return registry


routes: Final = [livez, readyz, health, metrics]
