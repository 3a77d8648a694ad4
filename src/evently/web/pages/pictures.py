"""Uploaded pictures, for everybody: an address names the bytes, so they are kept for ever.

What is read from the database is kept in a memory of its own, so that a crowd of pictures evicts no page.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from evently import pictures
from evently.kit.errors import CommonRefusal, Refused
from evently.pictures.stored import Size
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.conditional import etag_of, not_modified
from evently.web.edge.context import Response
from evently.web.edge.routing import PathParameter, get
from evently.web.services import Request

_FOR_EVER: Final = "public, max-age=31536000, immutable"
_NAME: Final = re.compile(r"([0-9a-f]{32})(\.jpg|-small\.webp|-wide\.webp)")
_SIZES: Final[dict[str, Size]] = {".jpg": "shared", "-small.webp": "small", "-wide.webp": "wide"}


@get("/pictures/{name}", include_in_schema=False, **policy(PUBLIC))
async def show_picture(
    request: Request, name: Annotated[str, PathParameter()]
) -> Response[bytes] | Response[None]:
    """Return one size of an uploaded picture."""
    named = _NAME.fullmatch(name)
    if named is None:
        raise Refused(CommonRefusal.NOT_FOUND)
    digest, size = named[1], _SIZES[named[2]]

    async def read() -> bytes:
        found = await pictures.read_picture(request.context.database, digest, size)
        if found is None:
            raise Refused(CommonRefusal.NOT_FOUND)
        return found

    body = await request.context.pictures.get(name, read)
    etag = etag_of(f"{digest[:16]}{size}")
    if (unchanged := not_modified(request, etag, _FOR_EVER)) is not None:
        return unchanged
    kind = "image/jpeg" if size == "shared" else "image/webp"
    return Response(body, headers={"etag": etag, "cache-control": _FOR_EVER}, media_type=kind)


def sized(image_url: str, size: Size) -> str | None:
    """Return the address of a size of an uploaded picture; None for a picture elsewhere."""
    digest = pictures.digest_in(image_url)
    return None if digest is None else f"/pictures/{digest}-{size}.webp"


routes: Final = [show_picture]
