"""The pages about the API: Swagger UI, ReDoc, what each problem means; and the files they need, all from here."""

from __future__ import annotations

import hashlib
import mimetypes
import zlib
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

import brotli
import jinja2
import msgspec
from litestar import Litestar, get
from litestar.params import FromPath

from evently.kit.errors import CommonRefusal, Refused
from evently.web.auth import PUBLIC, policy
from evently.web.compression import best_coding
from evently.web.conditional import etag_of, not_modified
from evently.web.context import JSON, Answer, Request
from evently.web.openapi import describe
from evently.web.problems import PROBLEMS

_STATIC: Final = files("evently.web").joinpath("static")
_SHORT: Final = "public, max-age=300"
_LONG: Final = "public, max-age=86400"
_HTML: Final = "text/html; charset=utf-8"
_PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)  # Swagger UI and ReDoc make styles as they go, and ReDoc searches in a worker
_NEEDED: Final = {"docs": "swagger-ui-dist/swagger-ui-bundle.js", "redoc": "redoc/redoc.standalone.js"}
_SHOWN: Final = (".js", ".css", ".svg", ".txt", "LICENSE", "NOTICE")

_templates: Final = jinja2.Environment(loader=jinja2.PackageLoader("evently.web"), autoescape=True, undefined=jinja2.StrictUndefined)


class Asset(NamedTuple):
    """A file for browsers, and the same compressed."""

    media_type: str
    etag: str
    bodies: dict[str | None, bytes]  # by coding


@get("/openapi.json", include_in_schema=False, **policy(PUBLIC))
async def openapi(request: Request) -> Answer[bytes] | Answer[None]:
    """Send the API's description."""
    content, etag = _description(request.app, request.context.options.public_url)
    if (unchanged := not_modified(request, etag, _SHORT)) is not None:
        return unchanged
    return Answer(content, headers={"etag": etag, "cache-control": _SHORT}, media_type=JSON)


@get("/docs", include_in_schema=False, **policy(PUBLIC))
async def docs(request: Request) -> Answer[str]:  # noqa: ARG001
    """Show Swagger UI."""
    return _viewer("docs")


@get("/redoc", include_in_schema=False, **policy(PUBLIC))
async def redoc(request: Request) -> Answer[str]:  # noqa: ARG001
    """Show ReDoc."""
    return _viewer("redoc")


@get("/problems", include_in_schema=False, **policy(PUBLIC))
async def problem_index(request: Request) -> Answer[str]:  # noqa: ARG001
    """List every problem."""
    return _page("problems.html", rows=sorted(PROBLEMS.items(), key=lambda item: (item[1].status, str(item[0]))))


@get("/problems/{code:str}", include_in_schema=False, **policy(PUBLIC))
async def problem_page(request: Request, code: FromPath[str]) -> Answer[str]:  # noqa: ARG001
    """Explain a problem: the address that `type` names (RFC 9457, 4.1)."""
    if code not in PROBLEMS:
        raise Refused(CommonRefusal.NOT_FOUND, "There is no such problem.")
    return _page("problem.html", code=code, row=PROBLEMS[code])


@get("/static/{path:path}", include_in_schema=False, **policy(PUBLIC))
async def static(request: Request, path: FromPath[str]) -> Answer[bytes] | Answer[None]:
    """Send a file, compressed once for all."""
    names = asset_names()
    name = str(path).lstrip("/")
    if name not in names:
        raise Refused(CommonRefusal.NOT_FOUND, "There is no such file.")
    asset = load_asset(name)
    if (unchanged := not_modified(request, asset.etag, _LONG)) is not None:
        return unchanged
    coding = best_coding(request.exchange.headers.get(b"accept-encoding", b""))
    headers = {"etag": asset.etag, "cache-control": _LONG, "vary": "Accept-Encoding"}
    if coding is not None:
        headers |= {"content-encoding": coding, "etag": f'{asset.etag[:-1]}-{coding}"'}
    return Answer(asset.bodies[coding], headers=headers, media_type=asset.media_type)


@lru_cache(maxsize=1)
def _description(app: Litestar, public_url: str) -> tuple[bytes, str]:
    content = msgspec.json.encode(describe(app, public_url))
    return content, etag_of(hashlib.sha256(content).hexdigest()[:16])


@cache
def asset_names() -> frozenset[str]:
    """Return the files that are there to be sent; nothing else can be asked for."""
    return frozenset(_walk(_STATIC, ""))


@cache
def load_asset(name: str) -> Asset:
    """Return a file, read and compressed the first time that somebody asks."""
    content = _STATIC.joinpath(*name.split("/")).read_bytes()
    media_type = mimetypes.guess_type(name)[0] or "text/plain"
    gzip = zlib.compressobj(9, zlib.DEFLATED, 31)
    bodies = {None: content, "gzip": gzip.compress(content) + gzip.flush(), "br": brotli.compress(content, quality=6)}
    shown = f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type
    return Asset(shown, etag_of(hashlib.sha256(content).hexdigest()[:16]), bodies)


def _walk(directory: Traversable, prefix: str) -> list[str]:
    found = []
    for entry in directory.iterdir():
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(_SHOWN):
            found.append(prefix + entry.name)
    return found


def _viewer(name: str) -> Answer[str]:
    if f"vendor/{_NEEDED[name]}" not in asset_names():
        return _page("not_installed.html", name=name)
    return _page(f"{name}.html")


def render(template: str, headers: Mapping[str, str], **values: object) -> Answer[str]:
    """Return a page made from a template."""
    return Answer(_templates.get_template(template).render(**values), headers=headers, media_type=_HTML)


def _page(template: str, **values: object) -> Answer[str]:
    return render(template, {"cache-control": _SHORT, "content-security-policy": _PAGE_POLICY}, **values)


routes: Final = [openapi, docs, redoc, problem_index, problem_page, static]
