"""Static files for browsers, under `/static`."""

from __future__ import annotations

from typing import Final

from evently.kit.errors import CommonRefusal, Refused
from evently.web.edge.assets import asset_address, asset_names, assets_version, load_asset
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.compression import best_coding
from evently.web.edge.conditional import not_modified
from evently.web.edge.context import Response
from evently.web.edge.routing import FromPath, get
from evently.web.services import Request

_FOR_EVER: Final = "public, max-age=31536000, immutable"
_LONG: Final = "public, max-age=86400"


@get("/static/{path:path}", include_in_schema=False, **policy(PUBLIC))
async def static(request: Request, path: FromPath[str]) -> Response[bytes] | Response[None]:
    """Return a static file, which is compressed once per process.

    With the version of the files in its address it is kept for ever. With the version of another release, as
    in a page that is open while servers are replaced, it is the file of this release, and kept for a moment.
    """
    version, _, name = path.partition("/")
    known = asset_names()
    cache_control = _LONG
    if path in known:
        name = path
    elif name in known:
        cache_control = _FOR_EVER if version == assets_version() else "no-cache"
    else:
        raise Refused(CommonRefusal.NOT_FOUND, "file")
    asset = load_asset(name)
    if (unchanged := not_modified(request, asset.etag, cache_control)) is not None:
        return unchanged
    coding = best_coding(request.exchange.headers.get(b"accept-encoding", b""))
    if coding not in asset.bodies:
        coding = None
    headers = {"etag": asset.etag, "cache-control": cache_control, "vary": "Accept-Encoding"}
    if coding is not None:
        headers |= {"content-encoding": coding, "etag": f'{asset.etag[:-1]}-{coding}"'}
    return Response(asset.bodies[coding], headers=headers, media_type=asset.media_type)


@get("/favicon.ico", include_in_schema=False, **policy(PUBLIC))
async def favicon(request: Request) -> Response[None]:  # noqa: ARG001
    """Send browsers that ask by habit to the icon."""
    headers = {"location": asset_address("icon.svg"), "cache-control": _LONG}
    return Response(None, status_code=302, headers=headers)


routes: Final = [static, favicon]
