"""Liveness, readiness, health and metrics of this process.

/livez answers from memory alone: an unavailable database is no reason to restart the process. /readyz tells a
load balancer whether to send requests here. /health is for people (draft-inadarei-api-health-check). /metrics
returns the sums of the counters of all workers on this machine.
"""

from __future__ import annotations

import asyncio
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Final

import msgspec
from msgspec.structs import replace
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from evently.kit.errors import CommonRefusal, Refused
from evently.web.checks import Health, Status, run_checks
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.context import Response
from evently.web.edge.routing import get
from evently.web.services import Request, Services

_HEALTH_JSON: Final = "application/health+json"
_RETRY: Final = {"retry-after": "2"}
_OPEN: Final = policy(PUBLIC, rate="unlimited")


class Liveness(msgspec.Struct, frozen=True):
    """The process is alive and answers requests."""

    status: Annotated[Status, msgspec.Meta(examples=["pass"])]


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
