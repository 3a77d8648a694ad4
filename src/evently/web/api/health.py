"""Is this process alive, can it serve, how is it, what has it counted.

/livez answers from memory alone: a process whose database is away must not be restarted for that. /readyz
says whether to send requests here. /health is for people (draft-inadarei-api-health-check). /metrics sums
what all workers of this machine have counted.
"""

from __future__ import annotations

import time
from typing import Annotated, Any, Final, Literal

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from evently import __version__, sales
from evently.db.revision import newest_revision, stored_revision
from evently.kit.errors import Trouble
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.context import Context, Request, Response
from evently.web.edge.routing import get

LAG_SECONDS_MAX: Final = 30.0  # figures this late mean that the relay is ill: somebody should look
LAG_SECONDS_LOST: Final = 300.0  # and this late, that nothing asynchronous happens any more
_HEALTH_JSON: Final = "application/health+json"
_RETRY: Final = {"retry-after": "2"}
_OPEN: Final = policy(PUBLIC, rate="unlimited")

Status = Literal["pass", "warn", "fail"]


class Alive(msgspec.Struct, frozen=True):
    """This process answers."""

    status: Annotated[Status, msgspec.Meta(examples=["pass"])]


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that was looked at."""

    status: Status
    observed: str | float | None = None
    unit: str = ""
    output: str = ""


class Health(msgspec.Struct, frozen=True):
    """How this process is. `warn`: it serves, and somebody should look."""

    status: Status
    version: str
    checks: dict[str, Check]


@get("/livez", operation_id="livez", summary="Is this process alive?", tags=["Health"], **_OPEN)
async def livez(request: Request) -> Response[Alive]:  # noqa: ARG001
    """Answer without asking anybody."""
    return Response(Alive("pass"))


@get(
    "/readyz",
    operation_id="readyz",
    summary="Should requests be sent here?",
    tags=["Health"],
    media_type=_HEALTH_JSON,
    **_OPEN,
)
async def readyz(request: Request) -> Response[Health]:
    """Answer 200 or 503."""
    return await _answer(request.context)


@get(
    "/health", operation_id="health", summary="How is it?", tags=["Health"], media_type=_HEALTH_JSON, **_OPEN
)
async def health(request: Request) -> Response[Health]:
    """Answer with everything that is looked at."""
    return await _answer(request.context)


@get(
    "/metrics",
    operation_id="metrics",
    summary="What was counted, for Prometheus",
    tags=["Health"],
    media_type="text/plain",
    **_OPEN,
)
async def metrics(request: Request) -> Response[bytes]:
    """Return the sums of all workers of this machine."""
    return Response(
        generate_latest(_registry(request.context.options.metrics_directory)), media_type=CONTENT_TYPE_LATEST
    )


async def examine(context: Context) -> Health:
    """Look at everything."""
    began = time.perf_counter()
    try:
        revision = await stored_revision(context.database)
        milliseconds = round((time.perf_counter() - began) * 1000, 3)
        oldest = await sales.outbox.oldest_undelivered(context.database)
    except Trouble as exc:
        return Health("fail", __version__, {"database": Check("fail", output=str(exc))})
    lag = 0.0 if oldest is None else max(0.0, (context.clock() - oldest).total_seconds())
    checks = {
        "database": Check("pass", milliseconds, "ms"),
        "migrations": _migrations(revision),
        "relay": Check(
            "pass" if lag <= LAG_SECONDS_MAX else "warn" if lag <= LAG_SECONDS_LOST else "fail",
            round(lag, 3),
            "s",
        ),
    }
    return Health(_worst(checks), __version__, checks)


async def _answer(context: Context) -> Response[Health]:
    found = await examine(context)
    failed = found.status == "fail"
    return Response(
        found, status_code=503 if failed else 200, media_type=_HEALTH_JSON, headers=_RETRY if failed else None
    )


def _migrations(revision: str | None) -> Check:
    newest = newest_revision()
    if revision == newest:
        return Check("pass", revision)
    # A newer one means that the next version is being rolled out; migrations widen before they narrow.
    status: Status = "warn" if revision is not None and revision > newest else "fail"
    return Check(status, revision or "none", output=f"This version needs {newest}; run evently migrate.")


def _worst(checks: dict[str, Check]) -> Status:
    found = {check.status for check in checks.values()}
    return "fail" if "fail" in found else "warn" if "warn" in found else "pass"


def _registry(directory: str | None) -> Any:
    """Return what to print: this process's counters, or the files in which all workers count."""
    if directory is None:
        return REGISTRY
    registry = CollectorRegistry(support_collectors_without_names=True)
    MultiProcessCollector(registry, path=directory)  # type: ignore[no-untyped-call]  # the library has no types here
    return registry


routes: Final = [livez, readyz, health, metrics]
