"""Pages that document the API: OpenAPI, AsyncAPI, Swagger UI, ReDoc, and a page for each problem type."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec

from evently.kit.errors import CommonRefusal, Refused
from evently.web.api.streams import describe_streams
from evently.web.api.webhooks import list_messages
from evently.web.edge.assets import asset_names
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.conditional import etag_of, not_modified
from evently.web.edge.context import JSON, Response
from evently.web.edge.html import render
from evently.web.edge.openapi import describe
from evently.web.edge.problems import PROBLEMS
from evently.web.edge.routing import FromPath, Route, get
from evently.web.services import Request

_SHORT: Final = "public, max-age=300"
# Swagger UI and ReDoc create inline styles while they run; ReDoc searches in a web worker.
_PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src "
    "'self'; connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors "
    "'none'"
)
_NEEDED: Final = {"docs": "swagger-ui-dist/swagger-ui-bundle.js", "redoc": "redoc/redoc.standalone.js"}


@get("/openapi.json", include_in_schema=False, **policy(PUBLIC))
async def openapi(request: Request) -> Response[bytes] | Response[None]:
    """Return the OpenAPI document."""
    # In a thread: to describe all routes takes a tenth of a second, once
    content, etag = await asyncio.to_thread(_description, request.routes, request.context.options.public_url)
    if (unchanged := not_modified(request, etag, _SHORT)) is not None:
        return unchanged
    return Response(content, headers={"etag": etag, "cache-control": _SHORT}, media_type=JSON)


@get("/asyncapi.json", include_in_schema=False, **policy(PUBLIC))
async def asyncapi(request: Request) -> Response[bytes] | Response[None]:
    """Return the AsyncAPI document, which describes the streams."""
    content, etag = _streams(request.context.options.public_url)
    if (unchanged := not_modified(request, etag, _SHORT)) is not None:
        return unchanged
    return Response(content, headers={"etag": etag, "cache-control": _SHORT}, media_type=JSON)


@get("/docs", include_in_schema=False, **policy(PUBLIC))
async def docs(request: Request) -> Response[str]:  # noqa: ARG001
    """Return the page of Swagger UI."""
    return _viewer("docs")


@get("/redoc", include_in_schema=False, **policy(PUBLIC))
async def redoc(request: Request) -> Response[str]:  # noqa: ARG001
    """Return the page of ReDoc."""
    return _viewer("redoc")


@get("/problems", include_in_schema=False, **policy(PUBLIC))
async def problem_index(request: Request) -> Response[str]:  # noqa: ARG001
    """Return a page that lists every problem type."""
    return _page("problems.html", rows=sorted(PROBLEMS.items(), key=lambda item: (item[1].status, item[0])))


@get("/problems/{code}", include_in_schema=False, **policy(PUBLIC))
async def problem_page(request: Request, code: FromPath[str]) -> Response[str]:  # noqa: ARG001
    """Return the page that explains a problem type; a problem's `type` is its address (RFC 9457, 4.1)."""
    if code not in PROBLEMS:
        raise Refused(CommonRefusal.NOT_FOUND, "problem")
    return _page("problem.html", code=code, row=PROBLEMS[code])


@lru_cache(maxsize=1)
def _description(routes: Sequence[Route], public_url: str) -> tuple[bytes, str]:
    content = msgspec.json.encode(describe(routes, public_url, list_messages()))
    return content, etag_of(hashlib.sha256(content).hexdigest()[:16])


@lru_cache(maxsize=1)
def _streams(public_url: str) -> tuple[bytes, str]:
    content = msgspec.json.encode(describe_streams(public_url))
    return content, etag_of(hashlib.sha256(content).hexdigest()[:16])


def _viewer(name: str) -> Response[str]:
    if f"vendor/{_NEEDED[name]}" not in asset_names():
        return _page("not_installed.html", name=name)
    return _page(f"{name}.html")


def _page(template: str, **values: object) -> Response[str]:
    return render(template, {"cache-control": _SHORT, "content-security-policy": _PAGE_POLICY}, **values)


routes: Final = [openapi, asyncapi, docs, redoc, problem_index, problem_page]
