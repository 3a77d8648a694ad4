"""Static files for browsers, under `/static`."""

from __future__ import annotations

from typing import Final

from evently.kit.errors import CommonRefusal, Refused
from evently.web.edge.assets import asset_names, load_asset
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.compression import best_coding
from evently.web.edge.conditional import not_modified
from evently.web.edge.context import Response
from evently.web.edge.routing import FromPath, get
from evently.web.services import Request

_LONG: Final = "public, max-age=86400"


@get("/static/{path:path}", include_in_schema=False, **policy(PUBLIC))
async def static(request: Request, path: FromPath[str]) -> Response[bytes] | Response[None]:
    """Return a static file, which is compressed once per process."""
    if path not in asset_names():
        raise Refused(CommonRefusal.NOT_FOUND, "file")
    asset = load_asset(path)
    if (unchanged := not_modified(request, asset.etag, _LONG)) is not None:
        return unchanged
    coding = best_coding(request.exchange.headers.get(b"accept-encoding", b""))
    headers = {"etag": asset.etag, "cache-control": _LONG, "vary": "Accept-Encoding"}
    if coding is not None:
        headers |= {"content-encoding": coding, "etag": f'{asset.etag[:-1]}-{coding}"'}
    return Response(asset.bodies[coding], headers=headers, media_type=asset.media_type)


routes: Final = [static]
